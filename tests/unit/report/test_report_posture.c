#include <bascule/report.h>

#include <bascule/wire.h>
#include <check.h>
#include <string.h>

static const char *const lines[] = {
    "{\"type\":\"service\",\"service\":\"good\",\"tier\":1,\"rpo_state\":"
    "\"OK\",\"rpo_seconds\":3600,\"rto_seconds\":7200,\"rpo_now_seconds\":60,"
    "\"active_site\":\"brent\",\"authority\":\"PROTECTED\",\"last_point\":{"
    "\"point\":\"p\",\"at\":\"2026-11-22T06:00:00Z\",\"proof\":\"L4\"},"
    "\"last_exercise\":{\"run\":\"r1\",\"mode\":\"test\",\"result\":\"PASS\","
    "\"rta_seconds\":60},\"problems\":[]}",
    "{\"type\":\"service\",\"service\":\"<bad>\",\"rpo_state\":\"UNKNOWN\","
    "\"rto_seconds\":60,\"last_point\":{\"point\":\"p\",\"at\":"
    "\"2026-11-22T06:00:00Z\",\"proof\":\"L2\"},\"last_exercise\":{\"run\":"
    "\"r2\",\"mode\":\"test\",\"result\":\"FAIL\",\"rta_seconds\":90},"
    "\"readiness\":{\"site\":\"southwark\",\"ready\":false,\"not_ready\":["
    "\"capacity\",\"clock\"]},\"problems\":[\"=HYPERLINK(x)\"]}",
    "{\"type\":\"service\",\"service\":\"new\"}",
    "{\"type\":\"alarm\",\"level\":\"critical\",\"text\":\"it burns\"}",
    "{\"type\":\"exception\",\"id\":\"EXC-1\",\"status\":\"expired\","
    "\"text\":\"old zone\",\"about\":\"dns-ttl\",\"opened\":"
    "\"2026-01-01T00:00:00Z\",\"expires\":\"2026-02-01T00:00:00Z\"}",
    "{\"type\":\"exception\",\"id\":\"EXC-2\",\"status\":\"open\",\"text\":"
    "\"later\",\"about\":\"clock\",\"opened\":\"2099-01-01T00:00:00Z\","
    "\"expires\":\"2099-02-01T00:00:00Z\"}",
};

static void
show(enum report_form form, bool is_past, size_t count, struct buf *out)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	struct report_posture of = {.site = "brent",
	    .at = {INT64_C(1795330000) * NS_PER_S},
	    .is_past = is_past};
	struct err e = {0};

	ck_assert_int_eq(wire_new_list(&list, &e), ERR_NONE);
	for (size_t i = 0; i < count; i++) {
		OWNED(wire_free) struct wire_value *v = NULL;

		ck_assert_msg(wire_parse(&v, lines[i], strlen(lines[i]), &e) ==
			ERR_NONE,
		    "%s", e.text);
		wire_add(list, NULL, &v);
	}
	of.messages = list;
	ck_assert_msg(report_posture(&of, form, out, &e) == ERR_NONE, "%s",
	    e.text);
}

START_TEST(what_is_wrong_or_unknown_is_said_in_every_form)
{
	static const char *const wanted[] = {"its RPO is UNKNOWN",
	    "its newest point is unproven: L2", "its last exercise r2: FAIL",
	    "its RTA was 1m 30s, the RTO is 1m",
	    "southwark is not ready for it: capacity, clock",
	    "new: no recovery point is known", "new: it was never exercised",
	    "critical alarm: it burns",
	    "the exception from dns-ttl has expired", "nothing is averaged"};

	for (int form = REPORT_TABLE; form <= REPORT_JSON; form++) {
		OWNED(buf_fini) struct buf out = {0};

		show((enum report_form)form, false, COUNT_OF(lines), &out);
		for (size_t i = 0; i < COUNT_OF(wanted); i++)
			ck_assert_msg(strstr(buf_text(&out), wanted[i]) != NULL,
			    "%s, %d: %.4000s", wanted[i], form, buf_text(&out));
		ck_assert_ptr_null(strstr(buf_text(&out), "good: "));
		ck_assert_ptr_null(strstr(buf_text(&out), "EXC-2"));
	}
}
END_TEST

START_TEST(doubts_stand_before_the_services)
{
	OWNED(buf_fini) struct buf out = {0};

	show(REPORT_TABLE, false, COUNT_OF(lines), &out);
	ck_assert(strstr(buf_text(&out), "it burns") <
	    strstr(buf_text(&out), "Each service"));
}
END_TEST

START_TEST(what_is_well_has_no_doubt)
{
	OWNED(buf_fini) struct buf out = {0};

	show(REPORT_TABLE, false, 1, &out);
	ck_assert_ptr_nonnull(
	    strstr(buf_text(&out), "nothing that is looked at here"));
	ck_assert_ptr_nonnull(strstr(buf_text(&out), "test PASS"));
}
END_TEST

START_TEST(of_the_past_it_says_what_is_not_known_of_it)
{
	OWNED(buf_fini) struct buf out = {0};

	show(REPORT_TABLE, true, 1, &out);
	ck_assert_ptr_nonnull(strstr(buf_text(&out), "as recorded by then"));
	ck_assert_ptr_nonnull(strstr(buf_text(&out), "Readiness"));
}
END_TEST

START_TEST(what_others_wrote_is_escaped)
{
	OWNED(buf_fini) struct buf html = {0}, csv = {0};

	show(REPORT_HTML, false, COUNT_OF(lines), &html);
	ck_assert_ptr_null(strstr(buf_text(&html), "<bad>"));
	ck_assert_ptr_nonnull(strstr(buf_text(&html), "&lt;bad&gt;"));
	show(REPORT_CSV, false, COUNT_OF(lines), &csv);
	ck_assert_ptr_null(strstr(buf_text(&csv), "\"=HYPERLINK"));
}
END_TEST

Suite *suite_report_report_posture(void);

Suite *
suite_report_report_posture(void)
{
	Suite *s = suite_create("report/posture");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, what_is_wrong_or_unknown_is_said_in_every_form);
	tcase_add_test(tc, doubts_stand_before_the_services);
	tcase_add_test(tc, what_is_well_has_no_doubt);
	tcase_add_test(tc, of_the_past_it_says_what_is_not_known_of_it);
	tcase_add_test(tc, what_others_wrote_is_escaped);
	suite_add_tcase(s, tc);
	return s;
}
