#include "lib/job/bucket.h"

#include <check.h>
#include <stdlib.h>

#define PIECE 65536

/* A sender that sends as fast as it may; what it has sent until `until`. */
struct sender {
	struct bucket b;
	struct mono now;
	uint64_t sent;
};

static void
run(struct sender *s, int64_t until_ns)
{
	for (;;) {
		struct bucket before = s->b;
		uint64_t ticket = bucket_ask(&s->b, PIECE, s->now);
		int64_t wait = bucket_wait_ns(&s->b, ticket, s->now);

		if (s->now.ns + wait >= until_ns) {
			s->b = before;
			s->now.ns = until_ns;
			return;
		}
		s->now.ns += wait;
		ck_assert(bucket_wait_ns(&s->b, ticket, s->now) == 0);
		s->sent += PIECE;
	}
}

static void
is_about(uint64_t sent, double wanted, double off)
{
	ck_assert_double_ge((double)sent, wanted * (1 - off));
	ck_assert_double_le((double)sent, wanted * (1 + off));
}

START_TEST(a_rate_holds_over_a_minute)
{
	static const uint64_t rates[] = {20000, 1250000, 50000000, 1250000000};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct sender s = {.now = {NS_PER_S}};

		bucket_set(&s.b, rates[i], s.now);
		run(&s, 61 * NS_PER_S);
		/* A piece may be under way at the end of the minute. */
		is_about(s.sent, (double)rates[i] * 60,
		    rates[i] < PIECE ? 0.06 : 0.01);
	}
}
END_TEST

START_TEST(a_new_rate_counts_from_that_instant)
{
	struct sender s = {.now = {NS_PER_S}};
	uint64_t half;

	bucket_set(&s.b, 50000000, s.now);
	run(&s, 31 * NS_PER_S);
	half = s.sent;
	bucket_set(&s.b, 10000000, s.now);
	run(&s, 32 * NS_PER_S); /* the first second already */
	is_about(s.sent - half, 10000000, 0.2);
	run(&s, 61 * NS_PER_S);
	is_about(s.sent - half, 300000000, 0.02);
	half = s.sent;
	bucket_set(&s.b, 50000000, s.now);
	run(&s, 62 * NS_PER_S);
	is_about(s.sent - half, 50000000, 0.06);
}
END_TEST

START_TEST(who_waits_at_a_low_rate_is_freed_by_a_high_one)
{
	struct bucket b = {0};
	struct mono now = {NS_PER_S};
	uint64_t ticket;

	bucket_set(&b, 1000, now);
	ticket = bucket_ask(&b, 1000000, now);
	ck_assert(bucket_wait_ns(&b, ticket, now) > 900 * NS_PER_S);
	now.ns += NS_PER_S;
	bucket_set(&b, 100000000, now);
	ck_assert(bucket_wait_ns(&b, ticket, now) <= 10 * NS_PER_MS + 1);
	bucket_set(&b, 0, now); /* no limit */
	ck_assert(bucket_wait_ns(&b, ticket, now) == 0);
}
END_TEST

START_TEST(an_idle_hour_saves_up_next_to_nothing)
{
	struct sender s = {.now = {NS_PER_S}};

	bucket_set(&s.b, 1000000, s.now);
	run(&s, 2 * NS_PER_S);
	s.now.ns += 3600 * NS_PER_S;
	s.sent = 0;
	run(&s, s.now.ns + 10 * NS_PER_S);
	is_about(s.sent, 10000000, 0.01);
}
END_TEST

START_TEST(many_who_look_often_lose_no_fraction_of_a_byte)
{
	struct bucket b = {0};
	struct mono now = {NS_PER_S};
	uint64_t ticket;

	bucket_set(&b, 7777, now);
	ticket = bucket_ask(&b, 77770, now);
	for (int i = 0; i < 99990; i++) {
		now.ns += NS_PER_S / 10000;
		ck_assert(bucket_wait_ns(&b, ticket, now) > 0);
	}
	now.ns += 11 * NS_PER_S / 10000;
	ck_assert(bucket_wait_ns(&b, ticket, now) == 0);
}
END_TEST

START_TEST(a_clock_that_stands_or_is_absurd_does_no_harm)
{
	struct bucket b = {0};
	uint64_t ticket;

	bucket_set(&b, UINT64_MAX, (struct mono){1});
	ticket = bucket_ask(&b, UINT64_C(1) << 60, (struct mono){INT64_MAX});
	ck_assert(bucket_wait_ns(&b, ticket, (struct mono){INT64_MAX}) > 0);
	ck_assert(bucket_wait_ns(&b, ticket, (struct mono){1}) > 0);
}
END_TEST

Suite *suite_job_bucket(void);
Suite *
suite_job_bucket(void)
{
	Suite *s = suite_create("job/bucket");
	TCase *tc = tcase_create("bucket");

	tcase_add_test(tc, a_rate_holds_over_a_minute);
	tcase_add_test(tc, a_new_rate_counts_from_that_instant);
	tcase_add_test(tc, who_waits_at_a_low_rate_is_freed_by_a_high_one);
	tcase_add_test(tc, an_idle_hour_saves_up_next_to_nothing);
	tcase_add_test(tc, many_who_look_often_lose_no_fraction_of_a_byte);
	tcase_add_test(tc, a_clock_that_stands_or_is_absurd_does_no_harm);
	suite_add_tcase(s, tc);
	return s;
}
