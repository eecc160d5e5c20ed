#include "../../../lib/replicate/push.h"

#include <check.h>

Suite *suite_replicate_flight(void);

#define KIB UINT64_C(1024)

/*
 * A path of so many bytes a second and so long a round trip, with a queue before
 * it: what flies over it until then.
 */
static void
fly(struct flight *f, uint64_t rate, int64_t trip_ns, int64_t until_ns)
{
	int64_t now_ns = 1, free_ns = 0; /* when the path has carried all */
	int64_t due_ns[64];
	uint64_t due_bytes[64];
	unsigned first = 0, last = 0;

	flight_init(f);
	while (now_ns < until_ns) {
		if (flight_may(f, 256 * KIB) && last - first < 64) {
			flight_sent(f, 256 * KIB, (struct mono){now_ns});
			free_ns = (free_ns > now_ns ? free_ns : now_ns) +
			    (int64_t)(256 * KIB * NS_PER_S / rate);
			due_ns[last % 64] = free_ns + trip_ns;
			due_bytes[last++ % 64] = f->sent_bytes;
			continue;
		}
		now_ns = due_ns[first % 64];
		ck_assert(flight_got(f, due_bytes[first++ % 64],
		    (struct mono){now_ns}));
	}
}

/* How much is under way once it has settled. */
static uint64_t
settles_at(uint64_t rate, int64_t trip_ns)
{
	struct flight f;

	fly(&f, rate, trip_ns, 100 * NS_PER_S);
	return f.window_bytes;
}

START_TEST(a_short_path_has_little_under_way_and_a_long_one_enough)
{
	/* 200 MB/s at 0.2 ms; 50 MB/s at 20 ms: 1 MB; 150 MB/s at 40: 6 MB */
	ck_assert_uint_le(settles_at(200000000, 200000), 2500 * KIB);
	ck_assert_uint_ge(settles_at(50000000, 20000000), 1000 * KIB);
	ck_assert_uint_le(settles_at(50000000, 20000000), 4000 * KIB);
	ck_assert_uint_ge(settles_at(150000000, 40000000), 5000 * KIB);
	ck_assert_uint_le(settles_at(1000000, 5000000), 1024 * KIB);
}
END_TEST

START_TEST(a_long_path_is_full_after_a_few_round_trips)
{
	struct flight f;

	/* 2.5 MB fill it; after five trips it carries what it can. */
	fly(&f, 125000000, 20 * NS_PER_MS, 300 * NS_PER_MS);
	ck_assert_uint_ge(f.got_bytes, 125000000 / 1000 * 200);
	ck_assert_uint_le(f.window_bytes, 8192 * KIB);
}
END_TEST

START_TEST(a_full_path_is_met_once_and_then_felt_for)
{
	struct flight f;

	/* 20 KB fill it: whatever more is under way waits in a queue. */
	fly(&f, 1000000, 20 * NS_PER_MS, 2 * NS_PER_S);
	ck_assert(f.queued);
	ck_assert_uint_le(f.window_bytes, 1024 * KIB);
}
END_TEST

START_TEST(what_was_not_sent_cannot_have_come)
{
	struct flight f;

	flight_init(&f);
	ck_assert(flight_may(&f, UINT64_MAX)); /* nothing is under way */
	flight_sent(&f, 1000, (struct mono){5});
	ck_assert(!flight_may(&f, UINT64_MAX / 2));
	ck_assert(!flight_got(&f, 1001, (struct mono){6}));
	ck_assert(flight_got(&f, 900, (struct mono){6}));
	ck_assert(!flight_got(&f, 899, (struct mono){7}));
	ck_assert(flight_got(&f, 1000, (struct mono){5}));
	ck_assert(flight_may(&f, UINT64_MAX));
}
END_TEST

Suite *
suite_replicate_flight(void)
{
	Suite *s = suite_create("replicate/flight");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc,
	    a_short_path_has_little_under_way_and_a_long_one_enough);
	tcase_add_test(tc, a_long_path_is_full_after_a_few_round_trips);
	tcase_add_test(tc, a_full_path_is_met_once_and_then_felt_for);
	tcase_add_test(tc, what_was_not_sent_cannot_have_come);
	suite_add_tcase(s, tc);
	return s;
}
