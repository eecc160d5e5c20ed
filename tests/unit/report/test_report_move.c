/* What the records of a move come to, when they are not as they should be. */
#include "lib/report/report_exercise.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "support/must.h"

#define S        NS_PER_S
#define EVENTS   64
#define NOTES    16
#define NEVER    (-1)
#define EV(...)  ev(&(struct report_event){__VA_ARGS__})
#define AT(s)    .at = {(s)*S}, .mono = {(s)*S}
#define A        .ledger = 0, .site = (char *)"brent"
#define B        .ledger = 1, .site = (char *)"southwark"
#define PHASE(n) .type = (char *)"failover", .event = (char *)(n)

#define WORD(n) .type = (char *)"approval", .event = (char *)(n)

static struct report_exercise x;
static struct report_event events[EVENTS];
static struct report_note notes[NOTES];
static struct err e;

static void
setup(void)
{
	x = (struct report_exercise){.events = events, .notes = notes};
}

static void
teardown(void)
{
	free(x.run);
	free(x.service);
	free(x.mode);
	free(x.state);
	free(x.result);
	free(x.reason);
	free(x.point);
	free(x.actor);
}

static void
ev(struct report_event *given)
{
	char **texts[] = {&given->type, &given->event, &given->service,
	    &given->site, &given->actor, &given->role, &given->council,
	    &given->reason, &given->verdict, &given->seen, &given->rest,
	    &given->boot};

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (*texts[i] == NULL)
			*texts[i] = (char *)"";
	events[x.events_count++] = *given;
}

static void
note(const char *name, const char *value)
{
	notes[x.notes_count++] = (struct report_note){.name = (char *)name,
	    .value = (char *)value,
	    .service = (char *)""};
}

static void
fold(const char *mode, const char *services)
{
	note("mode", mode);
	note("services", services);
	x.mode_bit =
	    strcmp(mode, "planned") == 0 ? PLAN_IN_PLANNED : PLAN_IN_UNPLANNED;
	report_move_order(&x);
	ck_assert_int_eq(report_move_make(&x, "r1", &e), ERR_NONE);
	report_move_measure(&x);
}

static int64_t
span(enum clocks_span s)
{
	int64_t ns;

	return clocks_span_ns(&x.clocks, s, &ns) ? ns / S : NEVER;
}

/* Site A lets go, B takes: as they are recorded, each in its ledger. */
static void
planned_at_a(int64_t from_s)
{
	EV(A, PHASE("REQUESTED"), AT(from_s));
	EV(A, WORD("approve"), AT(from_s + 10));
	EV(A, PHASE("STARTED"), AT(from_s + 20));
	EV(A, PHASE("quiesce"), .phase = RECORD_INTENT, AT(from_s + 30));
	EV(A, PHASE("quiesce"), .phase = RECORD_OUTCOME, AT(from_s + 32));
	EV(A, PHASE("QUIESCED"), AT(from_s + 32));
	EV(A, PHASE("DEMOTED"), AT(from_s + 50));
	EV(A, PHASE("GRANTED"), AT(from_s + 51));
}

static void
planned_at_b(int64_t from_s)
{
	EV(B, PHASE("EQUAL"), AT(from_s + 45));
	EV(B, PHASE("TAKEN"), AT(from_s + 52));
	EV(B, PHASE("PROVISIONAL"), AT(from_s + 53));
	EV(B, PHASE("RAN"), AT(from_s + 60));
	EV(B, PHASE("commit"), AT(from_s + 90));
	EV(B, PHASE("COMMITTED"), AT(from_s + 91));
	EV(B, PHASE("REPROTECTED"), AT(from_s + 200));
}

START_TEST(the_clocks_of_a_planned_move_begin_when_writes_are_stopped)
{
	planned_at_a(1000);
	planned_at_b(1000);
	fold("planned", "housing");
	ck_assert_str_eq(x.result, "REPROTECTED");
	ck_assert_int_eq(span(CLOCKS_OUTAGE), 60);
	ck_assert_int_eq(span(CLOCKS_RTA_DECLARED), 90);
	ck_assert_int_eq(span(CLOCKS_RTA_TECHNICAL), 40);
	ck_assert_int_eq(span(CLOCKS_DECISION), 10);
	ck_assert_int_eq(span(CLOCKS_EXPOSURE), 147);
	ck_assert_int_eq(x.rta_ns, 60 * S);
	ck_assert_int_eq(x.rpa_ns, 0);
	ck_assert_int_eq(x.back_ns, NEVER);
}
END_TEST

START_TEST(a_clock_that_steps_back_changes_no_span_and_no_order)
{
	planned_at_a(1000);
	EV(B, PHASE("EQUAL"), AT(1045));
	EV(B, PHASE("TAKEN"), AT(1052));
	EV(B, PHASE("PROVISIONAL"), AT(1053));
	/* an hour back, in the middle of the plan */
	EV(B, PHASE("RAN"), .at = {-2540 * S}, .mono = {1060 * S});
	EV(B, PHASE("COMMITTED"), .at = {-2509 * S}, .mono = {1091 * S});
	fold("planned", "housing");
	ck_assert_str_eq(x.state, "COMMITTED");
	ck_assert_int_eq(span(CLOCKS_OUTAGE), 61);
	ck_assert_int_eq(span(CLOCKS_RTA_TECHNICAL), 40);
	ck_assert_int_eq(x.step_ns / S, -3600);
	ck_assert_str_eq(x.step_site, "southwark");
}
END_TEST

START_TEST(after_a_reboot_a_clock_that_is_behind_stands_still)
{
	EV(B, PHASE("REQUESTED"), AT(1000), .boot = (char *)"one");
	EV(B, PHASE("STARTED"), AT(1010), .boot = (char *)"one");
	EV(B, PHASE("RAN"), .at = {900 * S}, .mono = {5 * S},
	    .boot = (char *)"two");
	EV(B, PHASE("COMMITTED"), .at = {907 * S}, .mono = {12 * S},
	    .boot = (char *)"two");
	fold("unplanned", "housing");
	ck_assert_str_eq(x.state, "COMMITTED");
	ck_assert_int_eq(span(CLOCKS_RTA_TECHNICAL), 0);
	ck_assert_int_eq(span(CLOCKS_RTA_DECLARED), 17);
	ck_assert_int_lt(x.step_ns, 0);
}
END_TEST

START_TEST(what_was_not_come_to_is_not_measured)
{
	planned_at_a(1000);
	EV(B, PHASE("PROVISIONAL"), AT(1053));
	fold("planned", "housing");
	ck_assert_str_eq(x.result, "");
	ck_assert_int_eq(span(CLOCKS_OUTAGE), NEVER);
	ck_assert_int_eq(span(CLOCKS_RTA_TECHNICAL), NEVER);
	ck_assert_int_eq(span(CLOCKS_EXPOSURE), NEVER);
	ck_assert_int_eq(x.rta_ns, NEVER);
	ck_assert_int_eq(x.rpa_ns, NEVER); /* nobody compared */
}
END_TEST

START_TEST(a_hold_in_the_middle_counts_to_the_end_of_the_second_try)
{
	planned_at_a(1000);
	EV(B, PHASE("EQUAL"), AT(1045));
	EV(B, PHASE("TAKEN"), AT(1052));
	EV(B, PHASE("PROVISIONAL"), AT(1053));
	EV(B, PHASE("RAN"), AT(1060));
	EV(B, PHASE("HELD"), AT(1061));
	EV(B, PHASE("RESOLVED"), AT(2000));
	EV(B, PHASE("TAKEN"), AT(2001));
	EV(B, PHASE("PROVISIONAL"), AT(2002));
	fold("planned", "housing");
	ck_assert_str_eq(x.state, "PROVISIONAL");
	ck_assert_str_eq(x.result, "");
	teardown();
	EV(B, PHASE("RAN"), AT(2010));
	EV(B, PHASE("COMMITTED"), AT(2020));
	fold("planned", "housing");
	ck_assert_str_eq(x.result, "COMMITTED");
	ck_assert_int_eq(span(CLOCKS_RTA_TECHNICAL), 990);
	ck_assert_int_eq(span(CLOCKS_OUTAGE), 990);
}
END_TEST

START_TEST(held_is_no_result)
{
	planned_at_a(1000);
	EV(B, PHASE("PROVISIONAL"), AT(1053));
	EV(B, PHASE("HELD"), AT(1061), .reason = (char *)"nobody knows");
	fold("planned", "housing");
	ck_assert_str_eq(x.state, "HELD");
	ck_assert_str_eq(x.result, "");
	ck_assert_str_eq(x.reason, "nobody knows");
}
END_TEST

START_TEST(a_rollback_is_measured_until_it_runs_where_it_was)
{
	planned_at_a(1000);
	EV(A, PHASE("TAKEN"), AT(1150));
	EV(A, PHASE("ROLLED_BACK"), AT(1160));
	EV(B, PHASE("EQUAL"), AT(1045));
	EV(B, PHASE("PROVISIONAL"), AT(1053));
	EV(B, PHASE("RAN"), AT(1060));
	EV(B, PHASE("rollback"), AT(1100));
	EV(B, PHASE("CAPTURED"), AT(1110));
	EV(B, PHASE("UNDONE"), AT(1120));
	fold("planned", "housing");
	ck_assert_str_eq(x.result, "ROLLED_BACK");
	ck_assert_int_eq(span(CLOCKS_OUTAGE), NEVER);
	ck_assert_int_eq(x.back_ns, 130 * S);
	/* what was written at the new site is not in what runs */
	ck_assert_int_eq(x.rpa_ns, 57 * S);
}
END_TEST

START_TEST(an_abort_before_anything_was_stopped_is_no_outage)
{
	EV(A, PHASE("REQUESTED"), AT(1000));
	EV(A, PHASE("STARTED"), AT(1010));
	EV(A, PHASE("ABORTED"), AT(1020));
	note("loss_ns", "0");
	fold("planned", "housing");
	ck_assert_str_eq(x.result, "ABORTED");
	ck_assert_int_eq(x.back_ns, NEVER);
	ck_assert_int_eq(x.rpa_ns, NEVER);
}
END_TEST

START_TEST(an_unplanned_move_is_declared_when_it_is_asked_for)
{
	EV(B, PHASE("REQUESTED"), AT(1000));
	EV(B, WORD("accept"), AT(1005));
	EV(B, WORD("approve"), AT(1010));
	EV(B, PHASE("STARTED"), AT(1020));
	EV(B, PHASE("DECLARED"), AT(1021));
	/* too late to have authorised anything */
	EV(B, WORD("approve"), AT(1030));
	EV(B, PHASE("PROVISIONAL"), AT(1053));
	EV(B, PHASE("RAN"), AT(1060));
	EV(B, PHASE("COMMITTED"), AT(1091));
	/* the loser comes back, and its clock is an hour ahead */
	EV(A, PHASE("STOPPED"), AT(8000));
	EV(A, PHASE("DIVERGENCE"), AT(8001));
	note("disruption_ns", "900000000000");
	note("detected_ns", "940000000000");
	note("loss_ns", "60000000000");
	fold("unplanned", "housing");
	ck_assert_str_eq(x.result, "COMMITTED");
	ck_assert_int_eq(span(CLOCKS_OUTAGE), 191);
	ck_assert_int_eq(span(CLOCKS_DECISION), 70);
	ck_assert_int_eq(span(CLOCKS_RTA_DECLARED), 91);
	ck_assert_int_eq(span(CLOCKS_RTA_TECHNICAL), 40);
	ck_assert_int_eq(x.rpa_ns, 60 * S);
	/* of what it was when it was asked for */
	ck_assert(x.rpa_is_estimate && !x.rpa_is_bound);
}
END_TEST

static enum err_code
keep_doubts(void *ctx, const char *text, struct err *why)
{
	return buf_printf(ctx, why, "%s\n", text);
}

/* brent wrote on until it was stopped, 100 s after the point and 50 s after
 * southwark had taken the service on two people's word. */
static void
ran_on(void)
{
	EV(B, PHASE("REQUESTED"), AT(1020));
	EV(B, PHASE("STARTED"), AT(1021));
	EV(B, WORD("attest"), AT(1030));
	EV(B, PHASE("FENCED"), AT(1040),
	    .reason = (char *)"two people attest that the old site is off");
	EV(B, PHASE("TAKEN"), AT(1050));
	EV(B, PHASE("PROVISIONAL"), AT(1051));
	EV(B, PHASE("RAN"), AT(1060));
	EV(A, PHASE("STOPPED"), AT(1100));
	EV(A, PHASE("DIVERGENCE"), AT(1101));
	note("from_site", "brent");
	note("point_at_ns", "1000000000000");
	note("loss_ns", "20000000000");
	note("loss", "at most 20.0s");
	fold("unplanned", "housing");
}

START_TEST(what_is_lost_is_counted_until_the_old_site_is_off)
{
	OWNED(buf_fini) struct buf doubts = {0};
	char out[REPORT_VALUE_BYTES];

	ran_on();
	ck_assert_int_eq(x.rpa_ns, 100 * S);
	ck_assert(x.rpa_is_bound && !x.rpa_is_estimate);
	report_fields_value(&x, "#loss", out);
	ck_assert_msg(strstr(out, "at most 1m 40s") == out &&
		strstr(out, "at most 20.0s") != NULL,
	    "%s", out);
	report_fields_value(&x, "#last_write", out);
	ck_assert_msg(strstr(out, "brent was read back as stopped") != NULL,
	    "%s", out);
	must(report_doubts(&x, keep_doubts, &doubts, &e), &e);
	ck_assert_msg(strstr(buf_text(&doubts),
			  "that brent was off when it was taken is people's "
			  "word") != NULL &&
		strstr(buf_text(&doubts),
		    "brent was read back as stopped only 50.0s after southwark "
		    "had taken the service") != NULL,
	    "%s", buf_text(&doubts));
}
END_TEST

START_TEST(only_steps_of_the_plan_are_tried_again)
{
	static const char *const kinds[] = {"fence", "prove", "isolation",
	    "run"};

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct report_step s = {.kind = (char *)(uintptr_t)kinds[i],
		    .attempt = 2};

		ck_assert_int_eq(report_exercise_was_retried(&s),
		    strcmp(kinds[i], "run") == 0);
	}
}
END_TEST

START_TEST(each_sites_part_of_a_ledger_is_told)
{
	char out[REPORT_VALUE_BYTES];

	x.ledgers[0] = (struct report_ledger){.site = "brent",
	    .ranges = {{"shared", 8, 10}, {"brent", 19, 71}},
	    .ranges_count = 2,
	    .head_number = 27,
	    .cosigner = "southwark",
	    .cosigned_number = 30};
	x.ledgers[1] = (struct report_ledger){.site = "southwark",
	    .ranges = {{"brent", 5, 60}},
	    .ranges_count = 1};
	report_heads_say(&x, REPORT_HEADS_RANGE, out);
	ck_assert_str_eq(out,
	    "brent: shared#8 to #10, brent#19 to #71; southwark: brent#5 to "
	    "#60");
	report_heads_say(&x, REPORT_HEADS_HEAD, out);
	ck_assert_str_eq(out, "brent: 27; southwark: none");
	report_heads_say(&x, REPORT_HEADS_COSIGNED, out);
	ck_assert_str_eq(out,
	    "brent: southwark, up to head 30; southwark: nobody: its own word "
	    "alone");
	ck_assert(!report_heads_cover(&x));
	x.ledgers[1].head_number = 4;
	ck_assert(report_heads_cover(&x));
}
END_TEST

START_TEST(of_several_services_the_last_counts_and_one_that_lacks_is_unknown)
{
	static char one[] = "one", two[] = "two";

	EV(B, PHASE("REQUESTED"), AT(1000));
	EV(B, PHASE("STARTED"), AT(1010));
	EV(B, PHASE("RAN"), .service = one, AT(1020));
	EV(B, PHASE("COMMITTED"), .service = one, AT(1030));
	EV(B, PHASE("PROVISIONAL"), .service = two, AT(1040));
	fold("unplanned", "one two");
	ck_assert_str_eq(x.result, "");
	ck_assert_str_eq(x.state, "PROVISIONAL");
	ck_assert_int_eq(span(CLOCKS_RTA_TECHNICAL), NEVER);
	teardown();
	EV(B, PHASE("RAN"), .service = two, AT(1050));
	EV(B, PHASE("COMMITTED"), .service = two, AT(1060));
	fold("unplanned", "one two");
	ck_assert_str_eq(x.result, "COMMITTED");
	ck_assert_int_eq(span(CLOCKS_RTA_TECHNICAL), 40);
	ck_assert_int_eq(span(CLOCKS_RTA_DECLARED), 60);
}
END_TEST

Suite *suite_report_report_move(void);

Suite *
suite_report_report_move(void)
{
	Suite *s = suite_create("report/move");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc,
	    the_clocks_of_a_planned_move_begin_when_writes_are_stopped);
	tcase_add_test(tc,
	    a_clock_that_steps_back_changes_no_span_and_no_order);
	tcase_add_test(tc, after_a_reboot_a_clock_that_is_behind_stands_still);
	tcase_add_test(tc, what_was_not_come_to_is_not_measured);
	tcase_add_test(tc,
	    a_hold_in_the_middle_counts_to_the_end_of_the_second_try);
	tcase_add_test(tc, held_is_no_result);
	tcase_add_test(tc, a_rollback_is_measured_until_it_runs_where_it_was);
	tcase_add_test(tc, an_abort_before_anything_was_stopped_is_no_outage);
	tcase_add_test(tc, an_unplanned_move_is_declared_when_it_is_asked_for);
	tcase_add_test(tc, what_is_lost_is_counted_until_the_old_site_is_off);
	tcase_add_test(tc, only_steps_of_the_plan_are_tried_again);
	tcase_add_test(tc, each_sites_part_of_a_ledger_is_told);
	tcase_add_test(tc,
	    of_several_services_the_last_counts_and_one_that_lacks_is_unknown);
	suite_add_tcase(s, tc);
	return s;
}
