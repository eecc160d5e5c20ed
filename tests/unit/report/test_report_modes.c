#include <bascule/plan.h>
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

#define MOVE(event, ...)                                                    \
	make_append(&m,                                                     \
	    make_draft("brent", "failover", "@run", "f1", "event", event,   \
		"mode", mode, "from_site", "brent", "to_site", "southwark", \
		__VA_ARGS__ __VA_OPT__(, ) NULL))

/* A move from its request to its end, as docs/protocol/moves.md has it. */
static void
move(const char *mode)
{
	bool planned = strcmp(mode, "planned") == 0;

	MOVE("REQUESTED", "services", "housing", "change", "CHG-7", "reason",
	    "the <b>roof</b> leaks", "seen", "aa11", "loss_ns", "60000000000",
	    "@actor.name", "Ann", "@actor.role", "operator", "rto_ns",
	    "14400000000000", "rpo_ns", "3600000000000", "mtpd_ns",
	    "86400000000000");
	make_append(&m,
	    make_draft("brent", "approval", "@run", "f1", "run", "f1", "verb",
		"approve", "seen", "aa11", "reason", "go", "@actor.name", "Bob",
		"@actor.role", "dr-lead", "@actor.council", "southwark", NULL));
	MOVE("STARTED", "confirm", "southwark");
	MOVE("override", "guard", "G05", "reason", "the freeze ends at noon");
	if (planned) {
		MOVE("QUIESCED", "@service", "housing");
		MOVE("SYNCED", "@service", "housing", "point", "p9");
		MOVE("EQUAL", "@service", "housing", "point", "p9");
		MOVE("DEMOTED", "@service", "housing", "proof", "is stopped");
	} else {
		MOVE("DECLARED", "@service", "housing", "evidence.bridge",
		    "silent; bridge; 300s");
		MOVE("FENCED", "@service", "housing", "method", "power is off",
		    "proof", "attested");
	}
	make_append(&m,
	    make_draft("brent", LEDGER_AUTHORITY, "@run", "f1", "@service",
		"housing", "event", "grant", "state", "MOVING", "epoch", "2",
		NULL));
	MOVE("TAKEN", "@service", "housing", "epoch", "2");
	MOVE("PROVISIONAL", "@service", "housing");
	make_append(&m,
	    make_draft("brent", LEDGER_STEP, "@run", "f1", "step", "load",
		"kind", "run", "state", "done", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_STEP, "@run", "f1", "step", "sealed",
		"kind", "check", "state", "skipped", "reason",
		"it is for tests only", NULL));
	MOVE("RAN", "@service", "housing");
	MOVE("COMMITTED", "@service", "housing", "@actor.name", "Cy");
	MOVE("REPROTECTED", "@service", "housing", "point", "p10");
}

struct forms {
	struct buf text, html, csv;
	struct wire_value *json;
};

static void
forms_fini(struct forms *f)
{
	buf_fini(&f->text);
	buf_fini(&f->html);
	buf_fini(&f->csv);
	wire_free(&f->json);
}

static void
show(const char *run, struct forms *f)
{
	OWNED(report_exercise_free) struct report_exercise *x = NULL;
	struct err e = {0};

	*f = (struct forms){0};
	ck_assert_msg(report_exercise_new(&x, m.l, run, &e) == ERR_NONE, "%s",
	    e.text);
	ck_assert_int_eq(report_exercise_text(x, &f->text, &e), ERR_NONE);
	ck_assert_int_eq(report_exercise_html(x, &f->html, &e), ERR_NONE);
	ck_assert_int_eq(report_exercise_csv(x, &f->csv, &e), ERR_NONE);
	ck_assert_int_eq(report_exercise_wire(x, &f->json, &e), ERR_NONE);
}

static void
has(struct buf *b, const char *what)
{
	ck_assert_msg(strstr(buf_text(b), what) != NULL,
	    "'%s' is not in:\n%.2000s", what, buf_text(b));
}

/* Every form has every one of them. */
static void
all_have(struct forms *f, const char *const *labels, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		has(&f->text, labels[i]);
		has(&f->csv, labels[i]);
		/* in HTML an apostrophe is written out */
		if (strchr(labels[i], '\'') == NULL)
			has(&f->html, labels[i]);
	}
}

/* What every report of a move has: the ledger's design, once more by hand. */
static const char *const move_labels[] = {"report", "status", "classification",
    "direction", "councils", "sponsor", "change", "incident", "run before",
    "policy digest", "plan digest", "builds", "ledger", "signed by head",
    "co-signed by", "objectives", "criteria", "scope", "exclusions",
    "assumptions", "constraints", "simulated", "requested by", "approvals",
    "separation of duties", "break-glass", "freeze override", "notified",
    "accepted by", "director", "operators", "scribe", "observers",
    "service owner", "suppliers", "auditor", "last exercised", "capacity",
    "DNS TTL", "clock offset", "escrow drill", "open exceptions",
    "known issues", "recovery point", "why this one", "consistency",
    "proof before", "copies", "integrity", "last write seen", "loss",
    "objects lost", "transactions lost", "loss accepted", "divergence",
    "Steps not executed, and why", "t0 disruption", "t1 detected",
    "t2 declared", "t3 authorised", "t4 started", "t5 promoted",
    "t6 redirected", "t7 accepted", "t8 committed", "t9 reprotected",
    "RTA declared", "RTA technical", "outage", "decision", "exposure",
    "performance under load", "users reached", "authority before",
    "authority after", "epoch", "fence", "witness", "overrides", "split brain",
    "point before the move", "commit or rollback", "production impact",
    "reprotected", "unprotected time", "failback", "strength", "finding",
    "deviation from plan", "lesson", "compared with the last", "action",
    "limitation", "controls", "distribution", "signed off by", "next due"};

START_TEST(a_planned_move_has_every_field)
{
	OWNED(forms_fini) struct forms f;

	move("planned");
	show("f1", &f);
	all_have(&f, move_labels, COUNT_OF(move_labels));
	has(&f.text, "MOVE REPORT f1: REPROTECTED");
	has(&f.text, "brent -> southwark");
	has(&f.text, "pass: nobody who approved had asked for it");
	has(&f.text, "target RPO 1h");
	has(&f.text, "none: the last point was proved equal");
	has(&f.text, "DEMOTED at");
	has(&f.text, "it is for tests only");
	has(&f.text, "guard=G05");
	has(&f.text, "not recorded");
	ck_assert_str_eq(wire_need_text(f.json, "mode"), "planned");
	ck_assert_str_eq(wire_need_text(f.json, "requested_by"), "Ann");
	ck_assert_str_eq(wire_need_text(f.json, "rpa_verdict"), "pass");
	ck_assert(wire_count(wire_take_list(f.json, "sections")) > 10);
}
END_TEST

START_TEST(an_unplanned_move_says_what_was_lost_and_how_the_old_site_is_off)
{
	OWNED(forms_fini) struct forms f;

	move("unplanned");
	show("f1", &f);
	all_have(&f, move_labels, COUNT_OF(move_labels));
	has(&f.text, "method=power is off");
	has(&f.text, "1m of writes");
	has(&f.text, "evidence.bridge=silent");
	has(&f.text, "Cy");
}
END_TEST

START_TEST(who_asked_and_approved_is_told)
{
	OWNED(forms_fini) struct forms f;
	const char *mode = "planned";

	MOVE("REQUESTED", "services", "housing", "@actor.name", "Ann");
	make_append(&m,
	    make_draft("brent", "approval", "@run", "f1", "verb", "approve",
		"@actor.name", "Ann", NULL));
	show("f1", &f);
	has(&f.text, "FAIL: who asked approved as well");
	has(&f.text, "- no proof that the old site is fenced");
	has(&f.text, "RTA was not measured");
	has(&f.text, "unknown: the records tell of no step at all");
}
END_TEST

START_TEST(nothing_from_a_record_is_obeyed_by_a_browser_or_a_spreadsheet)
{
	OWNED(forms_fini) struct forms f;
	const char *mode = "planned";

	MOVE("REQUESTED", "services", "housing", "reason",
	    "<script>alert(\"x\")</script>&'", "change", "=cmd|' /C calc'!A0");
	show("f1", &f);
	ck_assert_ptr_null(strstr(buf_text(&f.html), "<script"));
	has(&f.html,
	    "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;");
	ck_assert_ptr_null(strstr(buf_text(&f.html),
	    "http"
	    "://"));
	ck_assert_ptr_null(strstr(buf_text(&f.html), " src="));
	ck_assert_ptr_null(strstr(buf_text(&f.html), "url("));
	has(&f.csv, "\"'=cmd|' /C calc'!A0\"");
	has(&f.csv, "alert(\"\"x\"\")");
}
END_TEST

/* --- drills, and other jobs ------------------------------------------------------- */

#define JOB(...)                                                      \
	make_append(&m,                                               \
	    make_draft("brent", LEDGER_JOB, "@run", "j1", "@service", \
		"housing", __VA_ARGS__ __VA_OPT__(, ) NULL))

static void
drill(const char *state, const char *result)
{
	JOB("kind", "verify", "state", "queued", "reason", "schedule");
	JOB("kind", "verify", "state", "running", "attempt", "1");
	for (int i = 0; i < 2; i++) /* two attempts say the same */
		JOB("kind", "verify", "event", "aims", "how", "restore",
		    "purpose", "prove it", "criteria", "nothing differs",
		    "not_run", "start, answers: it starts nothing", "point",
		    "p7", "point_at_ns", "1700000000000000000", "point_why",
		    "drawn by lot", "point_proof", "L2: copied", "rto_ns",
		    "14400000000000", "limitation", "not the service",
		    "production_impact", "none");
	make_append(&m,
	    make_draft("brent", LEDGER_STEP, "@run", "j1", "step",
		"restore tree", "kind", "restore", "state", "done", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_STEP, "@run", "j1", "step",
		"restore dump", "kind", "restore", "state", "skipped", "reason",
		"it was cancelled", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "@run", "j1", "point", "p7",
		"verified_level", "L4", NULL));
	JOB("kind", "verify", "state", state, "result", result, "restore_ns",
	    "7000000000", "files", "12", "bytes", "3400", "cleanup", "gone",
	    "reason", strcmp(state, "failed") == 0 ? "it differs" : "");
}

/* What a move has, and what of that is not about a second site. */
static bool
is_of_moves(const char *label)
{
	static const char *const words[] = {"separation of duties",
	    "freeze override", "objects lost", "transactions lost",
	    "loss accepted", "divergence", "t0 disruption", "t1 detected",
	    "t2 declared", "t3 authorised", "t4 started", "t5 promoted",
	    "t6 redirected", "t7 accepted", "t8 committed", "t9 reprotected",
	    "RTA declared", "RTA technical", "outage", "decision", "exposure",
	    "witness", "split brain", "point before the move",
	    "commit or rollback", "reprotected"};

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strcmp(words[i], label) == 0)
			return true;
	return false;
}

START_TEST(a_restore_drill_has_every_field)
{
	OWNED(forms_fini) struct forms f;
	const char *at;

	drill("succeeded", "PASS");
	show("j1", &f);
	for (size_t i = 0; i < COUNT_OF(move_labels); i++)
		if (!is_of_moves(move_labels[i]))
			all_have(&f, &move_labels[i], 1);
	has(&f.text, "RESTORE DRILL REPORT j1: PASS");
	has(&f.text, "prove it");
	has(&f.text, "drawn by lot");
	has(&f.text, "asked how              schedule");
	has(&f.text, "7.0s, the comparison included, of an RTO of 4h");
	has(&f.text, "- RTA was not measured");
	has(&f.text, "- step 'restore dump' was not executed: it was");
	has(&f.text, "- steps of the plan were not executed: start, answers");
	has(&f.text, "nobody: the daemon, by its policy");
	has(&f.text, "nothing is missing, nothing differs");
	has(&f.text, "there was none before");
	at = strstr(buf_text(&f.text), "not the service");
	ck_assert_ptr_null(strstr(at + 1, "not the service"));
	ck_assert_str_eq(wire_need_text(f.json, "mode"), "restore drill");
	ck_assert_str_eq(wire_need_text(f.json, "point"), "p7");
	ck_assert_uint_eq(wire_count(wire_take_list(f.json, "not_executed")),
	    2);
}
END_TEST

START_TEST(a_drill_that_found_damage_proves_nothing)
{
	OWNED(forms_fini) struct forms f;

	drill("failed", "FAIL");
	show("j1", &f);
	has(&f.text, "- the result is FAIL: it differs");
	has(&f.text, "NOT PROVED: it differs");
	ck_assert_ptr_null(strstr(buf_text(&f.text), "nothing is missing"));
}
END_TEST

START_TEST(a_drill_that_has_no_end_has_no_result)
{
	OWNED(forms_fini) struct forms f;

	drill("retrying", "");
	show("j1", &f);
	has(&f.text, "RESTORE DRILL REPORT j1: NO RESULT");
	has(&f.text, "- it has no result");
	forms_fini(&f);
	JOB("kind", "verify", "state", "unknown", "reason", "interrupted: x");
	show("j1", &f);
	has(&f.text, "RESTORE DRILL REPORT j1: INTERRUPTED");
}
END_TEST

START_TEST(another_job_says_what_is_known_of_it)
{
	OWNED(forms_fini) struct forms f;

	JOB("kind", "backup", "state", "queued", "reason", "schedule");
	JOB("kind", "backup", "state", "running");
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "@run", "j1", "point", "p7",
		"complete", "1", NULL));
	JOB("kind", "backup", "state", "partial", "reason", "no dump", "bytes",
	    "77", "new_bytes", "5", "snapshot", "abc");
	show("j1", &f);
	has(&f.text, "JOB REPORT j1: backup partial");
	has(&f.text, "- the result is partial: no dump");
	has(&f.text, "none: such a job has no plan");
	has(&f.text, "complete=1");
	has(&f.html, "no dump");
	ck_assert_ptr_null(strstr(buf_text(&f.text), "RTA"));
	ck_assert_ptr_null(strstr(buf_text(&f.text), "begun, no outcome"));
	ck_assert_str_eq(wire_need_text(f.json, "mode"), "backup");
	ck_assert_str_eq(wire_need_text(f.json, "point"), "p7");
}
END_TEST

/* --- tabletops ------------------------------------------------------------------ */

#define SAY(event, ...)                                                       \
	make_append(&m,                                                       \
	    make_draft("brent", LEDGER_EXERCISE, "@run", "t1", "@service",    \
		"housing", "mode", "tabletop", "event", event, "@actor.name", \
		"Fay", __VA_ARGS__ __VA_OPT__(, ) NULL))

static void
play(void)
{
	SAY("draft", "title", "The link is down", "service", "housing",
	    "objective", "Who notices?", "condition", "Tuesday.", "rule",
	    "say EXERCISE", "artificiality", "steps are words", "facilitator",
	    "Fay", "scribe", "Sam", "plan_step", "load", "plan_step", "start",
	    "plan_skip", "dns", "state", "DRAFT");
	SAY("plan", "inject", "down", "inject.at_ns", "0", "inject.to", "duty",
	    "inject.channel", "phone", "inject.text", "it is down",
	    "inject.expect", "looks", "inject", "late", "inject.after", "down");
	SAY("attend", "player", "Ann", "role", "DR lead", "council", "brent",
	    "attendance", "present");
	SAY("attend", "player", "Bob", "deputy", "Cy", "attendance", "absent");
	SAY("approve");
	SAY("schedule", "for_ns", "1800000000000000000", "place", "room 3");
	SAY("brief", "known", "the newest point is 5m old");
	SAY("begin");
	SAY("inject", "inject", "down", "delivered_by", "clock");
	SAY("answer", "inject", "down", "text", "opens one", "met", "no",
	    "mark", "detected");
	SAY("jump", "by_ns", "600000000000", "reason", "lunch");
	SAY("decide", "decision", "wait", "decider", "Ann", "option", "wait",
	    "option", "move", "known", "the point is 15m old", "dissent",
	    "Cy: move", "authority", "the plan", "would_run",
	    "bascule failover request", "mark", "declared");
	SAY("step", "step", "load", "planned_ns", "90000000000", "basis",
	    "the median of 3 real runs");
	SAY("note", "text", "the list is old", "kind", "gap", "who", "Ann");
	SAY("endex", "state", "ENDEX");
	SAY("hotwash");
	SAY("note", "text", "nobody knew", "kind", "hotwash", "who", "Ann");
	SAY("rate", "objective_number", "1", "rating", "M");
	SAY("action", "action", "A1", "text", "a new list", "owner", "Bob",
	    "due_ns", "1000000000", "status", "open");
	SAY("aar");
	SAY("review");
	SAY("sign", "@actor.council", "brent north");
	SAY("sign", "@actor.council", "brent");
	SAY("sign", "@actor.council", "southwark");
	SAY("sign", "@actor.council", "brent");
	SAY("issue", "to", "the board", "state", "ISSUED");
}

static const char *const tabletop_labels[] = {"title", "type", "planned for",
    "place", "STARTEX", "ENDEX", "duration", "ended by STOP", "sponsor",
    "facilitator", "scribe", "objective", "success criterion",
    "initial condition", "ground rule", "artificiality", "policy digest",
    "plan digest", "inject", "delivered", "decided by", "options", "authority",
    "dissent", "supported by the plan", "what could be known", "would run",
    "detected", "declared", "authorised", "notified", "rating", "A1",
    "distribution", "next exercise due", "controls", "signed off by",
    "classification", "councils", "limitation"};

START_TEST(a_tabletop_has_every_field)
{
	OWNED(forms_fini) struct forms f;
	const char *at;

	play();
	show("t1", &f);
	all_have(&f, tabletop_labels, COUNT_OF(tabletop_labels));
	has(&f.text, "EXERCISE REPORT t1: ISSUED");
	/* each council's own, once; and where it went, with the stage, too */
	has(&f.text, "Fay of brent at ");
	has(&f.text, "Fay of southwark at ");
	has(&f.text, "Fay of brent north at ");
	at = strstr(buf_text(&f.text), "Fay of brent at ");
	ck_assert_ptr_null(strstr(at + 1, "Fay of brent at "));
	at = strstr(buf_text(&f.text), "the board");
	ck_assert_ptr_nonnull(strstr(at + 1, "the board"));
	has(&f.text, "- inject 'down': what was expected was not done");
	has(&f.text, "- inject 'late' was not delivered");
	has(&f.text, "- objective 1 is rated M: Who notices?");
	has(&f.text, "- 1 actions are overdue");
	has(&f.text, "the point is 15m old");
	has(&f.text, "the newest point is 5m old");
	has(&f.text, "wait | move");
	has(&f.text, "not simulated: play did not come to it");
	has(&f.text, "the plan says that it is not for tabletops");
	has(&f.text, "the median of 3 real runs");
	has(&f.text, "nobody knew");
	has(&f.text, "M: performed with major challenges");
	ck_assert_str_eq(wire_need_text(f.json, "mode"), "tabletop");
}
END_TEST

START_TEST(records_that_do_not_fit_are_no_part_of_it)
{
	OWNED(tabletop_free) struct tabletop *t = NULL;
	struct err e = {0};

	SAY("draft", "title", "x", "service", "housing", "new_field", "1");
	SAY("begin");
	SAY("dance");
	SAY("approve");
	ck_assert_int_eq(report_tabletop_load(&t, m.l, "t1", &e), ERR_NONE);
	ck_assert_uint_eq(tabletop_events_count(t), 2);
	ck_assert_int_eq(tabletop_state_of(t), TABLETOP_APPROVED);
	tabletop_free(&t);
	ck_assert_int_eq(report_tabletop_load(&t, m.l, "none", &e),
	    ERR_NOTFOUND);
}
END_TEST

Suite *suite_report_report_modes(void);

Suite *
suite_report_report_modes(void)
{
	Suite *s = suite_create("report/modes");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_planned_move_has_every_field);
	tcase_add_test(tc,
	    an_unplanned_move_says_what_was_lost_and_how_the_old_site_is_off);
	tcase_add_test(tc, who_asked_and_approved_is_told);
	tcase_add_test(tc,
	    nothing_from_a_record_is_obeyed_by_a_browser_or_a_spreadsheet);
	tcase_add_test(tc, a_restore_drill_has_every_field);
	tcase_add_test(tc, a_drill_that_found_damage_proves_nothing);
	tcase_add_test(tc, a_drill_that_has_no_end_has_no_result);
	tcase_add_test(tc, another_job_says_what_is_known_of_it);
	tcase_add_test(tc, a_tabletop_has_every_field);
	tcase_add_test(tc, records_that_do_not_fit_are_no_part_of_it);
	suite_add_tcase(s, tc);
	return s;
}
