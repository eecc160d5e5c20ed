/* Actions and exceptions: what it takes to begin and to end one. */
#include "daemon/duty.h"

#include <check.h>
#include <string.h>

#define DAY_NS (INT64_C(86400) * NS_PER_S)

static const struct utc now = {1000 * DAY_NS};

static struct duty_said
good(void)
{
	return (struct duty_said){.id = "ACT-brent-1",
	    .text = "lower the TTL",
	    .about = "dns-ttl",
	    .owner = "ann",
	    .status = "open",
	    .due = {now.ns + DAY_NS},
	    .at = now};
}

static enum err_code
may(const struct duty *d, enum duty_kind kind, const struct duty_said *s)
{
	struct err e;

	return duty_may(d, kind, s, now, &e);
}

START_TEST(each_has_an_owner_and_a_day_to_come)
{
	struct duty_said s = good();

	ck_assert_int_eq(may(NULL, DUTY_ACTION, &s), ERR_NONE);
	ck_assert_int_eq(may(NULL, DUTY_EXCEPTION, &s), ERR_NONE);
	s.owner = "";
	ck_assert_int_eq(may(NULL, DUTY_ACTION, &s), ERR_INPUT);
	s = good();
	s.due.ns = 0;
	ck_assert_int_eq(may(NULL, DUTY_ACTION, &s), ERR_INPUT);
	s.due.ns = now.ns;
	ck_assert_int_eq(may(NULL, DUTY_ACTION, &s), ERR_INPUT);
	s = good();
	s.about = "";
	ck_assert_int_eq(may(NULL, DUTY_EXCEPTION, &s), ERR_INPUT);
	s = good();
	s.due.ns = now.ns + 401 * DAY_NS; /* no exception is for ever */
	ck_assert_int_eq(may(NULL, DUTY_EXCEPTION, &s), ERR_INPUT);
	ck_assert_int_eq(may(NULL, DUTY_ACTION, &s), ERR_NONE);
}
END_TEST

START_TEST(done_takes_evidence_and_verified_a_retest)
{
	struct duty d = {.kind = DUTY_ACTION};
	struct duty_said s = good();

	duty_take(&d, &s);
	s = (struct duty_said){.id = d.id,
	    .status = "done",
	    .at = {now.ns + 1}};
	ck_assert_int_eq(may(&d, DUTY_ACTION, &s), ERR_INPUT);
	s.evidence = "seen";
	ck_assert_int_eq(may(&d, DUTY_ACTION, &s), ERR_NONE);
	ck_assert_int_eq(may(&d, DUTY_EXCEPTION, &s), ERR_NOTFOUND);
	duty_take(&d, &s);
	ck_assert_int_eq(d.status, DUTY_DONE);
	ck_assert_int_eq(may(&d, DUTY_ACTION, &s), ERR_EXISTS);
	s.status = "verified";
	ck_assert_int_eq(may(&d, DUTY_ACTION, &s), ERR_INPUT);
	s.retest = "run7";
	ck_assert_int_eq(may(&d, DUTY_ACTION, &s), ERR_NONE);
	s.status = "ended"; /* that is for exceptions */
	ck_assert_int_eq(may(&d, DUTY_ACTION, &s), ERR_INPUT);
}
END_TEST

START_TEST(past_its_day_it_is_overdue_until_it_is_done)
{
	struct duty d = {.kind = DUTY_ACTION};
	struct duty_said s = good();

	duty_take(&d, &s);
	ck_assert(!duty_is_overdue(&d, d.due));
	ck_assert(duty_is_overdue(&d, (struct utc){d.due.ns + 1}));
	s = (struct duty_said){.status = "done", .evidence = "x", .at = now};
	duty_take(&d, &s);
	ck_assert(!duty_is_overdue(&d, (struct utc){d.due.ns + 1}));
}
END_TEST

START_TEST(records_of_two_sites_come_in_any_order)
{
	struct duty_said first = good();
	struct duty_said later = {.id = "ACT-brent-1",
	    .status = "done",
	    .evidence = "seen",
	    .owner = "bob",
	    .at = {now.ns + DAY_NS}};
	struct duty a = {.kind = DUTY_ACTION}, b = a;

	duty_take(&a, &first);
	duty_take(&a, &later);
	duty_take(&b, &later);
	duty_take(&b, &first);
	ck_assert_int_eq(a.status, DUTY_DONE);
	ck_assert_int_eq(b.status, DUTY_DONE);
	ck_assert_str_eq(a.owner, "bob");
	ck_assert_str_eq(b.owner, "bob");
	ck_assert_str_eq(b.text, "lower the TTL");
	ck_assert_int_eq(b.opened.ns, a.opened.ns);
}
END_TEST

Suite *suite_daemon_duty(void);

Suite *
suite_daemon_duty(void)
{
	Suite *s = suite_create("daemon/duty");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, each_has_an_owner_and_a_day_to_come);
	tcase_add_test(tc, done_takes_evidence_and_verified_a_retest);
	tcase_add_test(tc, past_its_day_it_is_overdue_until_it_is_done);
	tcase_add_test(tc, records_of_two_sites_come_in_any_order);
	suite_add_tcase(s, tc);
	return s;
}
