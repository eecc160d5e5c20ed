#include <bascule/report.h>

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
show(const char *kind, enum report_form form, struct buf *out)
{
	struct report_period of = {.ledger = m.l};
	struct err e = {0};

	ck_assert_msg(report_period(&of, kind, form, out, &e) == ERR_NONE, "%s",
	    e.text);
}

static void
fill(void)
{
	make_append(&m,
	    make_draft("brent", "posture", "@service", "housing", "rpo",
		"BREACHED", "was", "OK", "rpo_ns", "3600000000000", NULL));
	make_append(&m,
	    make_draft("brent", "posture", "@service", "housing", "rpo",
		"BREACHED", "was", "OK", "at_site", "ealing", NULL));
	make_append(&m,
	    make_draft("shared", LEDGER_LINK, "link", "virgin", "state", "up",
		NULL));
	make_append(&m,
	    make_draft("shared", LEDGER_LINK, "link", "virgin", "state", "down",
		NULL));
	make_append(&m,
	    make_draft("shared", LEDGER_LINK, "link", "virgin", "state",
		"carried", NULL));
	make_append(&m,
	    make_draft("shared", LEDGER_POLICY, "state", "loaded",
		"@actor.name", "Ann", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "point", "p1", "@service",
		"housing", "complete", "1", "at_ns", "1700000000000000000",
		"suspect", "1", NULL));
}

START_TEST(what_happened_is_in_its_report)
{
	static const struct {
		const char *kind, *says;
	} wanted[] = {{"rpo", "BREACHED"}, {"rpo", "ealing"},
	    {"links", "virgin"}, {"links", "down"}, {"changes", "loaded"},
	    {"changes", "Ann"}, {"points", "p1"}, {"points", "SUSPECT"},
	    {"controls", "UNKNOWN is no pass"}};

	fill();
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		for (int form = REPORT_TABLE; form <= REPORT_JSON; form++) {
			OWNED(buf_fini) struct buf out = {0};

			show(wanted[i].kind, (enum report_form)form, &out);
			ck_assert_msg(strstr(buf_text(&out), wanted[i].says) !=
				NULL,
			    "%s, %d: %.2000s", wanted[i].says, form,
			    buf_text(&out));
		}
}
END_TEST

START_TEST(nothing_is_said_to_be_nothing)
{
	OWNED(buf_fini) struct buf out = {0};

	show("links", REPORT_TABLE, &out);
	ck_assert_ptr_nonnull(
	    strstr(buf_text(&out), "no probe of a link is recorded"));
}
END_TEST

START_TEST(what_is_outside_the_period_is_left_out)
{
	OWNED(buf_fini) struct buf out = {0};
	struct report_period of = {.ledger = m.l, .until = {1}};
	struct err e = {0};

	fill();
	ck_assert_int_eq(report_period(&of, "rpo", REPORT_TABLE, &out, &e),
	    ERR_NONE);
	ck_assert_ptr_null(strstr(buf_text(&out), "BREACHED"));
}
END_TEST

START_TEST(an_unknown_report_is_refused)
{
	OWNED(buf_fini) struct buf out = {0};
	struct report_period of = {.ledger = m.l};
	struct err e = {0};

	ck_assert_int_eq(report_period(&of, "weather", REPORT_TABLE, &out, &e),
	    ERR_INPUT);
}
END_TEST

Suite *suite_report_report_period(void);

Suite *
suite_report_report_period(void)
{
	Suite *s = suite_create("report/period");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_happened_is_in_its_report);
	tcase_add_test(tc, nothing_is_said_to_be_nothing);
	tcase_add_test(tc, what_is_outside_the_period_is_left_out);
	tcase_add_test(tc, an_unknown_report_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
