#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "../lib/store/condemn.h"
#include "../lib/store/index.h"
#include "../lib/store/pack.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

/*
 * What others do between two calls of a collection, at each of them: the looks
 * that are taken twice are there for them.
 */

Suite *suite_store_races(void);

#define CHUNK_BYTES 6000

static struct repo r;

static void
setup(void)
{
	repo_make(&r);
}

static void
teardown(void)
{
	repo_remove(&r);
}

static enum err_code
collect(struct store *st, int64_t age_ns, struct err *e)
{
	struct collect_options opt = {.undelete_age_ns = age_ns};
	struct collect_tally t;

	return collect_run(st, &opt, &t, e);
}

static void
collected(int64_t age_ns)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_WRITE);
	struct err e = {0};

	must(collect(st, age_ns, &e), &e);
}

static void
tell(void *ctx, const char *object, const char *what)
{
	(void)ctx;
	fprintf(stderr, "%s: %s\n", object, what);
}

static void
must_be_clean(struct store *st, int nth)
{
	struct check_options opt = {.depth = CHECK_READ, .on_damage = tell};
	struct check_tally t = {0};
	struct err e = {0};

	must(store_check(st, &opt, &t, &e), &e);
	ck_assert_msg(t.damage_count == 0, "damaged by what came at call %d",
	    nth);
}

/* --- what comes in between --------------------------------------------------- */

/* Who holds the lock cannot be interrupted: after it, then. */
static bool
is_locked(const char *path)
{
	char name[96];
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd;
	bool locked;

	snprintf(name, sizeof(name), "%s/lock", path);
	fd = open(name, O_RDWR | O_CLOEXEC);
	ck_assert(fd != -1);
	locked = fcntl(fd, F_OFD_GETLK, &fl) != 0 || fl.l_type != F_UNLCK;
	close(fd);
	return locked;
}

static int puts_count;

/* A backup that is flushed, and ends before it commits. */
static void
put_and_go(void)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct err e = {0};

	if (is_locked(r.path)) {
		fault_meanwhile(1, put_and_go);
		return;
	}
	repo_begin(&r, &a.st, &a.se, &a.w);
	(void)repo_put(a.w, 1000 + (uint64_t)puts_count++, CHUNK_BYTES);
	must(writer_flush(a.w, &e), &e);
}

START_TEST(what_is_listed_while_a_collection_runs_is_not_taken_for_a_stray)
{
	for (int nth = 1;; nth++) {
		OWNED(store_close) struct store *st = NULL;
		struct err e = {0};
		bool fired;

		repo_remove(&r);
		repo_make(&r);
		st = repo_open(&r, STORE_WRITE);
		fault_meanwhile(nth, put_and_go);
		must(collect(st, 0, &e), &e);
		fired = fault_fired();
		store_close(&st);
		st = repo_open(&r, STORE_READ);
		must_be_clean(st, nth);
		if (!fired)
			break;
	}
}
END_TEST

/* --- a copy that is given what it has condemned -------------------------------- */

static struct id pack;
static struct buf pack_bytes;
static char copy_path[64];

static void
make_pack(void)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(fdio_close) int fd = -1;
	struct err e = {0};

	repo_begin(&r, &a.st, &a.se, &a.w);
	(void)repo_put(a.w, 1, CHUNK_BYTES);
	must(writer_flush(a.w, &e), &e);
	pack = index_pack(a.st, 0)->name;
	buf_clear(&pack_bytes);
	must(store_open_pack(a.st, &pack, &fd, &e), &e);
	must(fdio_read_all(fd, 1 << 20, &pack_bytes, &e), &e);
}

static struct store *
open_copy(enum store_access access)
{
	struct store_options opt = {.access = access,
	    .network_fs_allowed = true};
	struct store *st = NULL;
	struct err e = {0};

	must(store_open(&st, copy_path, &opt, &e), &e);
	return st;
}

static void
receive(void)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(intake_free) struct intake *in = NULL;
	struct err e = {0};

	if (is_locked(copy_path)) {
		fault_meanwhile(1, receive);
		return;
	}
	st = open_copy(STORE_WRITE);
	must(intake_new(&in, st, &e), &e);
	if (!store_has_pack(st, &pack)) {
		must(intake_pack_begin(in, &pack, pack_bytes.len_bytes, &e),
		    &e);
		must(intake_pack_add(in, pack_bytes.bytes, pack_bytes.len_bytes,
			 &e),
		    &e);
		must(intake_pack_end(in, &e), &e);
		must(intake_flush(in, &e), &e);
	}
	ck_assert(store_has_pack(st, &pack));
}

/* A copy in which the pack is condemned. */
static void
make_copy(void)
{
	OWNED(store_close) struct store *st = NULL;
	struct err e = {0};

	repo_remove(&r);
	repo_make(&r);
	make_pack();
	st = repo_open_copy(&r, "copy");
	snprintf(copy_path, sizeof(copy_path), "%s/copy", r.dir);
	store_close(&st);
	receive();
	st = open_copy(STORE_WRITE);
	must(collect(st, COLLECT_UNDELETE_AGE_NS, &e), &e);
	ck_assert(condemn_is(st, &pack));
}

START_TEST(what_arrives_again_while_it_is_collected_stays_or_has_gone)
{
	for (int nth = 1;; nth++) {
		OWNED(store_close) struct store *st = NULL;
		struct err e = {0};
		bool fired;

		make_copy();
		st = open_copy(STORE_WRITE);
		fault_meanwhile(nth, receive);
		must(collect(st, 0, &e), &e);
		fired = fault_fired();
		store_close(&st);
		st = open_copy(STORE_READ);
		must_be_clean(st, nth);
		if (!fired)
			break;
	}
	buf_fini(&pack_bytes);
}
END_TEST

START_TEST(who_is_told_of_a_pack_revives_it)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(intake_free) struct intake *in = NULL;
	struct err e = {0};

	make_copy();
	st = open_copy(STORE_WRITE);
	must(intake_new(&in, st, &e), &e);
	ck_assert(store_has_pack(st, &pack));
	ck_assert(!condemn_is(st, &pack));
	buf_fini(&pack_bytes);
}
END_TEST

/* --- bases ---------------------------------------------------------------------- */

/* A chunk, and as a difference from it another. */
static struct id
put_difference(struct repo_work *a, bool both)
{
	uint8_t bytes[CHUNK_BYTES];
	struct id base, id;
	struct err e = {0};

	repo_noise(bytes, sizeof(bytes), 1);
	writer_name(a->w, bytes, sizeof(bytes), &base);
	if (both) {
		must(writer_put_named(a->w, &base, bytes, sizeof(bytes), &e),
		    &e);
		must(writer_flush(a->w, &e), &e);
	}
	bytes[1000] ^= 1;
	writer_name(a->w, bytes, sizeof(bytes), &id);
	if (!both) {
		must(writer_put_named(a->w, &id, bytes, sizeof(bytes), &e), &e);
		return id;
	}
	must(writer_put_changed(a->w, &id, bytes, sizeof(bytes), &e), &e);
	must(writer_changed_from(a->w, &base, 1, &e), &e);
	must(writer_flush(a->w, &e), &e);
	return id;
}

/* Only the difference was revived: then it waits anew, and its base with it. */
START_TEST(a_base_waits_for_the_differences_from_it)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(store_close) struct store *st = NULL;

	repo_begin(&r, &a.st, &a.se, &a.w);
	(void)put_difference(&a, true);
	repo_work_end(&a);
	collected(COLLECT_UNDELETE_AGE_NS); /* both are condemned */
	repo_begin(&r, &a.st, &a.se, &a.w);
	(void)put_difference(&a, false);
	collected(0); /* with a session there: nothing goes that is new */
	st = repo_open(&r, STORE_READ);
	ck_assert_uint_gt(index_packs_count(st), 1);
	must_be_clean(st, 0);
}
END_TEST

/* A pack that no segment names has nobody who relies on it. */
START_TEST(a_stray_that_outlived_its_bases_is_no_damage)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(store_close) struct store *st = NULL;
	struct check_options opt = {.depth = CHECK_OPEN, .on_damage = tell};
	struct check_tally t = {0};
	struct err e = {0};
	struct id id;
	struct place where;
	char path[PACK_PATH_BYTES], name[192], copy[192];

	repo_begin(&r, &a.st, &a.se, &a.w);
	id = put_difference(&a, true);
	must(store_refresh(a.st, &e), &e);
	must(store_locate(a.st, &id, &where, &e), &e);
	pack_path(&index_pack(a.st, where.pack)->name, path);
	snprintf(name, sizeof(name), "%s/packs/%s", r.path, path);
	snprintf(copy, sizeof(copy), "%s/kept", r.dir);
	ck_assert_int_eq(link(name, copy), 0);
	repo_work_end(&a);
	collected(0); /* both go */
	ck_assert_int_eq(rename(copy, name), 0);
	st = repo_open(&r, STORE_READ);
	must(store_check(st, &opt, &t, &e), &e);
	ck_assert_uint_gt(t.frames_count, 0);
	ck_assert_uint_eq(t.damage_count, 0);
}
END_TEST

/* --- segments --------------------------------------------------------------------- */

static const char stray[] =
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static bool
stray_is_there(void)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/index/%s", r.path, stray);
	return access(path, F_OK) == 0;
}

/* A writer may be about to list just that file. */
START_TEST(a_segment_of_no_list_stays_while_somebody_writes)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	char path[160];

	snprintf(path, sizeof(path), "%s/index/%s", r.path, stray);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	collected(COLLECT_UNDELETE_AGE_NS);
	repo_begin(&r, &a.st, &a.se, &a.w);
	collected(0);
	ck_assert(stray_is_there());
	repo_work_end(&a);
	collected(0);
	ck_assert(!stray_is_there());
}
END_TEST

Suite *
suite_store_races(void)
{
	Suite *s = suite_create("store/races");
	TCase *tc = tcase_create("races");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc,
	    what_is_listed_while_a_collection_runs_is_not_taken_for_a_stray);
	tcase_add_test(tc,
	    what_arrives_again_while_it_is_collected_stays_or_has_gone);
	tcase_add_test(tc, who_is_told_of_a_pack_revives_it);
	tcase_add_test(tc, a_base_waits_for_the_differences_from_it);
	tcase_add_test(tc, a_stray_that_outlived_its_bases_is_no_damage);
	tcase_add_test(tc, a_segment_of_no_list_stays_while_somebody_writes);
	suite_add_tcase(s, tc);
	return s;
}
