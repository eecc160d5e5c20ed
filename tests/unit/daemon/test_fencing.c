#include "daemon/fencing.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "daemon/daemon.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

/* What the register says, beside a real copy. */

static struct repo repo;
static struct policy_service service;
static struct policy policy;
static struct policy_site site;
static struct daemon_service state;
static struct daemon d;
static struct err e;

static void
setup(void)
{
	repo_make(&repo);
	service = (struct policy_service){.name = "housing"};
	policy = (struct policy){.site = "brent",
	    .services = &service,
	    .service_count = 1};
	site = (struct policy_site){.name = "brent", .repository = repo.path};
	state = (struct daemon_service){.policy = &service};
	d = (struct daemon){.policy = &policy,
	    .site = &site,
	    .services = &state};
}

static void
teardown(void)
{
	repo_remove(&repo);
}

static void
register_says(const char *owner, uint64_t epoch, uint64_t seen)
{
	snprintf(state.authority.site, sizeof(state.authority.site), "%s",
	    owner);
	state.authority.epoch = epoch;
	state.authority.highest_seen = seen;
}

static struct epoch_mark
mark(void)
{
	OWNED(store_close) struct store *st = repo_open(&repo, STORE_READ);
	struct epoch_mark m;

	must(epochs_find(&m, st, "housing", &e), &e);
	return m;
}

START_TEST(what_is_taken_is_beside_the_copy_and_nothing_below_it_is)
{
	uint64_t seen = 99;

	must(fencing_seen(&d, "housing", &seen, &e), &e);
	ck_assert_uint_eq(seen, 0);
	must(fencing_take(&d, "housing", 4, &e), &e);
	must(fencing_take(&d, "housing", 4, &e), &e); /* again is fine */
	must(fencing_seen(&d, "housing", &seen, &e), &e);
	ck_assert_uint_eq(seen, 4);
	ck_assert_uint_eq(mark().owned, 4);
	ck_assert_int_eq(fencing_take(&d, "housing", 3, &e), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "4"));
	ck_assert_uint_eq(mark().owned, 4);
}
END_TEST

START_TEST(without_a_repository_nothing_is_taken)
{
	uint64_t seen = 99;

	site.repository = "/nonexistent";
	ck_assert_int_eq(fencing_take(&d, "housing", 4, &e), ERR_NOTFOUND);
	ck_assert_int_eq(fencing_seen(&d, "housing", &seen, &e), ERR_NOTFOUND);
	ck_assert_uint_eq(seen, 0);
	register_says("southwark", 4, 4);
	fencing_look(&d, &state);
	ck_assert_uint_eq(state.fence.seen, 0);
	ck_assert(!state.fence.failed); /* nothing to be said */
	ck_assert_int_gt(state.fence.again.ns, 0);
	site.repository = ""; /* no copy here at all */
	state.fence.again.ns = 0;
	fencing_look(&d, &state);
	ck_assert_int_eq(state.fence.again.ns, 0);
	d.site = NULL;
	fencing_look(&d, &state);
}
END_TEST

START_TEST(the_copy_hears_what_the_register_has_heard)
{
	register_says("southwark", 2, 3);
	fencing_look(&d, &state);
	ck_assert_uint_eq(mark().seen, 3);
	ck_assert_uint_eq(mark().owned, 0); /* it is another's */
	ck_assert_uint_eq(state.fence.seen, 3);
	register_says("brent", 5, 5);
	fencing_look(&d, &state);
	ck_assert_uint_eq(mark().seen, 5);
	ck_assert_uint_eq(mark().owned, 5);
	ck_assert_uint_eq(state.fence.owned, 5);
	/* what it was told it is not told again */
	site.repository = "/nonexistent";
	fencing_look(&d, &state);
	ck_assert_int_eq(state.fence.again.ns, 0);
}
END_TEST

/* Fenced: another's session has brought a higher one than our register knows. */
START_TEST(one_that_owns_less_than_was_seen_here_says_so_once)
{
	must(fencing_take(&d, "housing", 7, &e), &e);
	register_says("brent", 6, 6);
	fencing_look(&d, &state);
	ck_assert(state.fence.failed);
	ck_assert_uint_eq(state.fence.owned, 0);
	ck_assert_uint_eq(mark().owned, 7);
	ck_assert_int_gt(state.fence.again.ns, 0);
	register_says("brent", 8, 8);
	fencing_look(&d, &state); /* not before its time */
	ck_assert_uint_eq(mark().owned, 7);
	state.fence.again.ns = 0;
	fencing_look(&d, &state);
	ck_assert_uint_eq(mark().owned, 8);
	ck_assert(!state.fence.failed);
}
END_TEST

START_TEST(any_failing_call_leaves_the_old_epoch_or_the_new)
{
	must(fencing_take(&d, "housing", 1, &e), &e);
	for (int nth = 1;; nth++) {
		uint64_t was = mark().owned;
		enum err_code rc;
		bool fired;

		fault_arm_deep(nth, nth % 2 == 0 ? EIO : ENOSPC);
		rc = fencing_take(&d, "housing", was + 1, &e);
		fired = fault_fired();
		ck_assert(mark().owned == was + 1 ||
		    (rc != ERR_NONE && mark().owned == was));
		ck_assert_int_ne(rc, ERR_REFUSED); /* it is not another's */
		must(fencing_take(&d, "housing", was + 1, &e), &e);
		if (!fired) {
			ck_assert_int_eq(rc, ERR_NONE);
			ck_assert_int_gt(nth, 3);
			break;
		}
	}
}
END_TEST

START_TEST(what_could_not_be_told_is_told_later)
{
	for (int nth = 1;; nth++) {
		bool fired;

		register_says("southwark", (uint64_t)nth, (uint64_t)nth);
		state.fence.again.ns = 0;
		state.fence.failed = true; /* it is quiet */
		fault_arm_deep(nth, EIO);
		fencing_look(&d, &state);
		fired = fault_fired();
		/* never known to be told what is not there */
		ck_assert_uint_le(state.fence.seen, mark().seen);
		state.fence.again.ns = 0;
		fencing_look(&d, &state);
		ck_assert_uint_eq(mark().seen, (uint64_t)nth);
		ck_assert_uint_eq(state.fence.seen, (uint64_t)nth);
		if (!fired)
			break;
	}
}
END_TEST

Suite *suite_daemon_fencing(void);

Suite *
suite_daemon_fencing(void)
{
	Suite *s = suite_create("daemon/fencing");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc,
	    what_is_taken_is_beside_the_copy_and_nothing_below_it_is);
	tcase_add_test(tc, without_a_repository_nothing_is_taken);
	tcase_add_test(tc, the_copy_hears_what_the_register_has_heard);
	tcase_add_test(tc, one_that_owns_less_than_was_seen_here_says_so_once);
	tcase_add_test(tc, any_failing_call_leaves_the_old_epoch_or_the_new);
	tcase_add_test(tc, what_could_not_be_told_is_told_later);
	suite_add_tcase(s, tc);
	return s;
}
