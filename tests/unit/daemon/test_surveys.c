#include <check.h>
#include <string.h>

#include "../ledger/faultvfs.h"
#include "../ledger/make.h"
#include "daemon/daemon.h"
#include "support/must.h"

/* What a survey tells of this site's repository, while the ledger may be full. */

#define POINT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct policy_service service = {.name = "files",
    .owner = "brent",
    .home = "brent"};
static struct policy policy = {.site = "southwark",
    .services = &service,
    .service_count = 1};
static struct policy_site site = {.repository = "/nowhere"};
static struct daemon_service state;
static struct daemon d;
static struct make m;
static struct err e;

static void
setup(void)
{
	faultvfs_install();
	make_setup(&m);
	m.options.vfs = FAULTVFS;
	make_reopen(&m);
	state = (struct daemon_service){.policy = &service};
	d = (struct daemon){.policy = &policy,
	    .site = &site,
	    .services = &state,
	    .ledger = m.l};
	must(loop_new(&d.loop, &e), &e);
	must(watcher_start(&d, &e), &e);
}

static void
teardown(void)
{
	watcher_stop(&d);
	loop_free(&d.loop);
	make_teardown(&m);
}

static char sites[200];
static bool is_complete;

static enum err_code
count(void *ctx, const struct ledger_point *p, struct err *err)
{
	(void)err;
	ck_assert_str_eq(p->id, POINT);
	snprintf(sites, sizeof(sites), "%s", p->sites);
	is_complete = p->complete;
	++*(size_t *)ctx;
	return ERR_NONE;
}

static size_t
points_count(void)
{
	struct ledger_point_filter f = {.service = "files"};
	size_t n = 0;

	must(ledger_points(d.ledger, &f, count, &n, &e), &e);
	return n;
}

/* A survey tells of a point, and ends well by its own word. */
static const char *
survey(void)
{
	static const char told[] = "{\"type\":\"point\",\"point\":\"" POINT
				   "\",\"service\":\"files\",\"at_ns\":5,"
				   "\"sequence\":1}";
	OWNED(wire_free) struct wire_value *v = NULL;
	char name[] = "files";
	struct job *j = calloc(1, sizeof(*j));

	ck_assert_ptr_nonnull(j);
	j->d = &d;
	j->kind = &survey_kind;
	j->service = strdup(name);
	must(wire_parse(&v, told, sizeof(told) - 1, &e), &e);
	ck_assert(survey_kind.on_event(j, "point", v));
	j->state = JOB_SUCCEEDED;
	survey_kind.finish(j, NULL);
	watcher_looked(&d, "files", j->state == JOB_SUCCEEDED ? "" : j->reason);
	job_free(&j);
	return watcher_trouble(&d, "files");
}

START_TEST(a_point_that_could_not_be_recorded_is_looked_for_again)
{
	const char *said;

	faultvfs_arm(1, true);
	said = survey();
	ck_assert(faultvfs_fired());
	ck_assert_msg(strstr(said, "a point of 'files' is not recorded") !=
		    NULL &&
		strstr(said, "full") != NULL,
	    "'%s'", said);
	ck_assert_uint_eq(points_count(), 0);
	ck_assert_str_eq(survey(), "");
	ck_assert_uint_eq(points_count(), 1);
	ck_assert_str_eq(survey(), ""); /* it is known */
	ck_assert_uint_eq(points_count(), 1);
}
END_TEST

START_TEST(what_lies_here_is_not_said_to_be_elsewhere_too)
{
	const char *const owners[] = {"brent", "southwark"};

	snprintf(state.authority.site, sizeof(state.authority.site), "%s",
	    owners[_i]);
	ck_assert_str_eq(survey(), "");
	ck_assert_uint_eq(points_count(), 1);
	ck_assert_ptr_nonnull(strstr(sites, "southwark"));
	ck_assert_int_eq(strstr(sites, "brent") != NULL, _i == 0);
}
END_TEST

/* The pin of a move whose last point has just come over. */
START_TEST(a_point_that_was_pinned_first_is_known_to_be_whole_afterwards)
{
	OWNED(draft_free) struct draft *draft = NULL;

	snprintf(state.authority.site, sizeof(state.authority.site), "brent");
	must(note_draft(&draft, &d, "files", LEDGER_POINT, &e), &e);
	draft_text(draft, "point", POINT);
	draft_uint(draft, "held", 1);
	/* as it was recorded once: where it was pinned */
	draft_text(draft, "site", _i == 1 ? "brent" : "southwark");
	must(note_event(&d, draft, &e), &e);
	ck_assert_uint_eq(points_count(), 1);
	ck_assert(!is_complete);
	ck_assert_str_eq(survey(), "");
	ck_assert_uint_eq(points_count(), 1);
	ck_assert(is_complete);
	ck_assert_ptr_nonnull(strstr(sites, "southwark"));
	ck_assert(_i == 0 || strstr(sites, "brent") != NULL);
}
END_TEST

Suite *suite_daemon_surveys(void);

Suite *
suite_daemon_surveys(void)
{
	Suite *s = suite_create("daemon/surveys");
	TCase *t = tcase_create("surveys");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t,
	    a_point_that_could_not_be_recorded_is_looked_for_again);
	tcase_add_loop_test(t, what_lies_here_is_not_said_to_be_elsewhere_too,
	    0, 2);
	tcase_add_loop_test(t,
	    a_point_that_was_pinned_first_is_known_to_be_whole_afterwards, 0,
	    2);
	suite_add_tcase(s, t);
	return s;
}
