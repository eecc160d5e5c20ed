#include <bascule/report.h>

#include <bascule/wire.h>
#include <check.h>
#include <string.h>

#include "../ledger/make.h"

static struct make m;

static void
setup(void)
{
	make_setup(&m);
}

static void
teardown(void)
{
	make_teardown(&m);
}

static void
step(const char *name, const char *state, const char *reason)
{
	OWNED(draft_free)
	struct draft *begin =
	    make_draft("brent", LEDGER_STEP, "@run", "x1", "step", name, "kind",
		"run", "state", "running", "planned_ns", "5000000000", NULL);
	OWNED(draft_free)
	struct draft *end =
	    make_draft("brent", LEDGER_STEP, "step", name, "kind", "run",
		"state", state, "output_hash", "abcdef0123456789", NULL);
	char intent[LEDGER_INTENT_BYTES];
	struct err e = {0};

	if (reason != NULL)
		draft_text(end, "reason", reason);
	ck_assert_int_eq(ledger_intent(m.l, begin, intent, &e), ERR_NONE);
	if (state != NULL)
		ck_assert_int_eq(ledger_outcome(m.l, intent, end, &e),
		    ERR_NONE);
}

static void
exercise(const char *result, const char *rta_ns)
{
	struct err e = {0};

	make_append(&m,
	    make_draft("brent", LEDGER_EXERCISE, "@run", "x1", "@service",
		"housing", "mode", "test", "state", "REQUESTED", "purpose",
		"prove the database starts", "rto_ns", "60000000000", "rpo_ns",
		"900000000000", "point", "p1", "point_at_ns",
		"1700000000000000000", "point_proof", "L3", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_EXERCISE, "@run", "x1", "state", "CLEAN",
		"result", result, "rta_ns", rta_ns, "rpa_ns", "1000000000",
		"isolation", "tcp 127.0.1.1:5432 refused", "production_impact",
		"none", "cleanup", "2 of 2 removed", "accepted_by",
		"Amara\033[31m", "limitation", "one host stood for three",
		NULL));
	ck_assert_int_eq(ledger_sign_head(m.l, NULL, &e), ERR_NONE);
}

static void
report(struct buf *text, struct wire_value **json)
{
	OWNED(report_exercise_free) struct report_exercise *x = NULL;
	struct err e = {0};

	ck_assert_msg(report_exercise_new(&x, m.l, "x1", &e) == ERR_NONE, "%s",
	    e.text);
	ck_assert_int_eq(report_exercise_text(x, text, &e), ERR_NONE);
	ck_assert_int_eq(report_exercise_wire(x, json, &e), ERR_NONE);
}

/* The part before "Identity". */
static bool
leads_with(struct buf *text, const char *what)
{
	const char *at = strstr(buf_text(text), what);

	return at != NULL && at < strstr(buf_text(text), "\nIdentity\n");
}

START_TEST(a_clean_pass_has_nothing_to_doubt)
{
	OWNED(wire_free) struct wire_value *json = NULL;
	OWNED(buf_fini) struct buf text = {0};

	step("restore", "done", NULL);
	exercise("PASS", "30000000000");
	report(&text, &json);
	ck_assert_uint_eq(wire_count(wire_take_list(json, "doubts")), 0);
	ck_assert_str_eq(wire_need_text(json, "result"), "PASS");
	ck_assert_str_eq(wire_need_text(json, "rta_verdict"), "pass");
	ck_assert_int_eq(wire_need_int(json, "rta_seconds"), 30);
	ck_assert_uint_eq(wire_count(wire_take_list(json, "steps")), 1);
	ck_assert(leads_with(&text, "x1: PASS"));
	ck_assert(leads_with(&text, "- nothing"));
	ck_assert_ptr_nonnull(strstr(buf_text(&text), "abcdef012345 "));
	ck_assert_ptr_nonnull(strstr(buf_text(&text), "run restore"));
	ck_assert_ptr_null(strchr(buf_text(&text), '\033'));
}
END_TEST

START_TEST(failures_and_gaps_come_first)
{
	OWNED(wire_free) struct wire_value *json = NULL;
	OWNED(buf_fini) struct buf text = {0};

	step("check-db", "failed", "12 rows are missing");
	step("start-web", NULL, NULL);
	make_append(&m,
	    make_draft("brent", LEDGER_STEP, "@run", "x1", "step", "confirm",
		"kind", "confirm", "state", "skipped", "reason", "nobody there",
		NULL));
	exercise("FAIL", "90000000000");
	report(&text, &json);
	ck_assert(leads_with(&text, "the result is FAIL"));
	ck_assert(
	    leads_with(&text, "step 'check-db' failed: 12 rows are missing"));
	ck_assert(leads_with(&text, "what became of step 'start-web'"));
	ck_assert(
	    leads_with(&text, "'confirm' was not executed: nobody there"));
	ck_assert(leads_with(&text, "RTA 1m 30s is over its target of 1m"));
	ck_assert_str_eq(wire_need_text(json, "rta_verdict"), "FAIL");
}
END_TEST

START_TEST(silence_is_listed_never_left_out)
{
	OWNED(wire_free) struct wire_value *json = NULL;
	OWNED(buf_fini) struct buf text = {0};

	make_append(&m,
	    make_draft("brent", LEDGER_EXERCISE, "@run", "x1", "mode", "test",
		"state", "CLONING", NULL));
	report(&text, &json);
	ck_assert(leads_with(&text, "NO RESULT"));
	ck_assert(leads_with(&text, "RTA was not measured"));
	ck_assert(leads_with(&text, "RPA was not measured"));
	ck_assert(leads_with(&text, "production could not be reached"));
	ck_assert(leads_with(&text, "one site's word"));
	ck_assert_str_eq(wire_need_text(json, "rpa_verdict"), "NOT MEASURED");
	ck_assert(!wire_has(json, "rpa_seconds"));
}
END_TEST

/* The part behind the heading, up to the next. */
static bool
section_says(struct buf *text, const char *heading, const char *what)
{
	char head[80];
	const char *from, *to, *at;

	snprintf(head, sizeof(head), "\n%s\n", heading);
	from = strstr(buf_text(text), head);
	ck_assert_msg(from != NULL, "no section '%s'", heading);
	to = strstr(from + strlen(head), "\n\n");
	at = strstr(from, what);
	return at != NULL && (to == NULL || at < to);
}

#define SKIPPED "Steps not executed, and why"

START_TEST(every_item_of_the_list_is_there_or_said_to_be_unknown)
{
	static const char *const wanted[] = {"criteria", "exclusions",
	    "simulated", "approvals", "break-glass", "manual", "found",
	    "owner's chain", "proof before", "epoch", "fence", "overrides",
	    "unprotected time", "failback", "lesson", "action", "controls",
	    "signed off by", "next due"};
	OWNED(wire_free) struct wire_value *json = NULL;
	OWNED(buf_fini) struct buf text = {0};

	make_append(&m,
	    make_draft("brent", LEDGER_EXERCISE, "@run", "x1", "mode", "test",
		"state", "CLONING", NULL));
	report(&text, &json);
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		ck_assert_msg(strstr(buf_text(&text), wanted[i]) != NULL, "%s",
		    wanted[i]);
	ck_assert(
	    section_says(&text, "Results", "NOT MEASURED (-), target MTPD"));
	ck_assert(section_says(&text, SKIPPED, "unknown"));
	ck_assert(section_says(&text, "Sign-off", "not recorded"));
	ck_assert(wire_take_object(json, "fields") != NULL);
}
END_TEST

START_TEST(steps_that_were_never_begun_are_named)
{
	OWNED(wire_free) struct wire_value *json = NULL;
	OWNED(buf_fini) struct buf text = {0};

	make_append(&m,
	    make_draft("brent", LEDGER_EXERCISE, "@run", "x1", "state",
		"INVENTORY", "step.restore", "restore", "step.serve", "run",
		NULL));
	step("restore", "done", NULL);
	make_append(&m,
	    make_draft("brent", LEDGER_STEP, "@run", "x1", "step", "dns",
		"kind", "confirm", "state", "skipped", "reason",
		"it is not for isolated tests", NULL));
	report(&text, &json);
	ck_assert(leads_with(&text,
	    "step 'serve' was not executed: the run had not"));
	wire_free(&json);
	buf_clear(&text);
	exercise("INTERRUPTED", "1");
	report(&text, &json);
	ck_assert(
	    leads_with(&text, "step 'serve' was not executed: the run ended"));
	ck_assert(section_says(&text, SKIPPED, "serve"));
	ck_assert(section_says(&text, SKIPPED, "not for isolated tests"));
	ck_assert(!section_says(&text, SKIPPED, "restore"));
	ck_assert_uint_eq(wire_count(wire_take_list(json, "not_executed")), 2);
}
END_TEST

START_TEST(that_every_step_began_is_said_too)
{
	OWNED(wire_free) struct wire_value *json = NULL;
	OWNED(buf_fini) struct buf text = {0};

	step("restore", "done", NULL);
	exercise("PASS", "30000000000");
	report(&text, &json);
	ck_assert(section_says(&text, SKIPPED, "none: every step"));
}
END_TEST

START_TEST(an_unknown_run_is_said_so)
{
	OWNED(report_exercise_free) struct report_exercise *x = NULL;
	struct err e = {0};

	ck_assert_int_eq(report_exercise_new(&x, m.l, "none", &e),
	    ERR_NOTFOUND);
}
END_TEST

Suite *suite_report_exercise(void);

Suite *
suite_report_exercise(void)
{
	Suite *s = suite_create("report/exercise");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_clean_pass_has_nothing_to_doubt);
	tcase_add_test(tc, failures_and_gaps_come_first);
	tcase_add_test(tc, silence_is_listed_never_left_out);
	tcase_add_test(tc,
	    every_item_of_the_list_is_there_or_said_to_be_unknown);
	tcase_add_test(tc, steps_that_were_never_begun_are_named);
	tcase_add_test(tc, that_every_step_began_is_said_too);
	tcase_add_test(tc, an_unknown_run_is_said_so);
	suite_add_tcase(s, tc);
	return s;
}
