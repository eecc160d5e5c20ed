#include "daemon/schedule.h"

#include <check.h>
#include <string.h>

#define HOUR_NS (3600 * NS_PER_S)
#define DAY_NS  (24 * HOUR_NS)
#define NAMES   64

/* 2026-01-01T00:00:00Z */
#define NEW_YEAR (INT64_C(1767225600) * NS_PER_S)

static char names[NAMES][16];

static struct schedule_task
every(size_t i, int64_t every_ns)
{
	snprintf(names[i], sizeof(names[i]), "backup s%zu", i);
	return (struct schedule_task){.kind = SCHEDULE_BACKUP,
	    .key = names[i],
	    .lane = names[i],
	    .host = "",
	    .link = "",
	    .has_due = true,
	    .due = {.kind = DUE_EVERY, .every_ns = every_ns},
	    .misfire = MISFIRE_RUN_ONCE,
	    .retries = 2,
	    .backoff_ns = NS_PER_S,
	    .rpo_ns = HOUR_NS,
	    .judged = {NEW_YEAR},
	    .good = {NEW_YEAR}};
}

static struct schedule_task
cron(size_t i, const char *text, const struct zone *zone)
{
	struct schedule_task t = every(i, HOUR_NS);
	struct err e;

	t.due = (struct due){.kind = DUE_CRON, .zone = zone};
	ck_assert_int_eq(cron_parse(&t.due.cron, text, &e), ERR_NONE);
	return t;
}

static struct schedule *
make(const struct schedule_task *tasks, size_t count, uint32_t jobs)
{
	struct schedule_limits limits = {jobs, jobs, jobs};
	struct schedule *s;
	struct err e;

	ck_assert_int_eq(schedule_new(&s, tasks, count, &limits, &e), ERR_NONE);
	return s;
}

struct seen {
	size_t queued, started, skipped, skipped_count;
	uint64_t job, first_job;
	size_t task;
	unsigned attempt;
	struct utc due;
	char reason[SCHEDULE_REASON_BYTES];
};

static struct seen
tick(struct schedule *s, int64_t now_ns, int64_t mono_ns)
{
	const struct schedule_action *a;
	struct seen seen = {0};
	size_t count;
	struct err e;

	ck_assert_int_eq(schedule_tick(s, (struct utc){now_ns},
			     (struct mono){mono_ns}, &a, &count, &e),
	    ERR_NONE);
	for (size_t i = 0; i < count; i++) {
		if (a[i].verb == SCHEDULE_QUEUED)
			seen.queued++;
		else if (a[i].verb == SCHEDULE_SKIP) {
			seen.skipped++;
			seen.skipped_count += a[i].count;
			memcpy(seen.reason, a[i].reason, sizeof(seen.reason));
		} else {
			if (seen.started++ == 0)
				seen.first_job = a[i].job;
			seen.job = a[i].job;
			seen.task = a[i].task;
			seen.attempt = a[i].attempt;
		}
		if (a[i].verb == SCHEDULE_QUEUED)
			seen.due = a[i].due;
	}
	return seen;
}

static bool
ended(struct schedule *s, uint64_t job, enum schedule_end how, int64_t mono_ns,
    int64_t *wait)
{
	return schedule_ended(s, job, how, (struct mono){mono_ns}, wait);
}

START_TEST(a_year_fires_as_often_as_it_should)
{
	struct schedule_task tasks[12];
	struct zone *london;
	struct schedule *s;
	size_t fired[12] = {0};
	struct err e;
	int64_t now = NEW_YEAR;

	ck_assert_int_eq(zone_load(&london, ZONE_DIR, "Europe/London", &e),
	    ERR_NONE);
	for (size_t i = 0; i < 10; i++)
		tasks[i] = every(i, HOUR_NS / 2);
	tasks[10] = cron(10, "30 1 * * *", london); /* the hour that is lost,
	                                               and comes twice */
	tasks[11] = cron(11, "*/30 * * * *", london);
	s = make(tasks, 12, 64);
	while (now <= NEW_YEAR + 365 * DAY_NS) {
		const struct schedule_action *a;
		size_t count;
		int64_t wait;

		ck_assert_int_eq(schedule_tick(s, (struct utc){now},
				     (struct mono){now}, &a, &count, &e),
		    ERR_NONE);
		for (size_t i = 0; i < count; i++) {
			if (a[i].verb != SCHEDULE_START)
				continue;
			fired[a[i].task]++;
			ended(s, a[i].job, SCHEDULE_ENDED, now, &wait);
		}
		now += 30 * 60 * NS_PER_S;
	}
	for (size_t i = 0; i < 10; i++)
		ck_assert_uint_eq(fired[i], 365 * 48);
	ck_assert_uint_eq(fired[10], 365);
	ck_assert_uint_eq(fired[11], 365 * 48);
	schedule_free(&s);
	zone_free(&london);
}
END_TEST

START_TEST(after_downtime_one_runs_and_the_others_are_told)
{
	struct schedule_task t = every(0, HOUR_NS);
	struct schedule *s = make(&t, 1, 4);
	struct seen seen = tick(s, NEW_YEAR + 10 * HOUR_NS + 5, 0);

	ck_assert_uint_eq(seen.started, 1);
	ck_assert_uint_eq(seen.skipped_count, 9);
	ck_assert(seen.due.ns == NEW_YEAR + 10 * HOUR_NS);
	ck_assert_str_eq(seen.reason, "missed; a later one covers it");
	schedule_free(&s);
}
END_TEST

START_TEST(misfire_skip_and_all_do_as_they_say)
{
	struct schedule_task t[2] = {every(0, HOUR_NS), every(1, HOUR_NS)};
	struct schedule *s;
	struct seen seen;
	int64_t wait;

	t[0].misfire = MISFIRE_SKIP;
	s = make(t, 1, 4);
	seen = tick(s, NEW_YEAR + 3 * HOUR_NS + HOUR_NS / 2, 0);
	ck_assert_uint_eq(seen.started, 0);
	ck_assert_uint_eq(seen.skipped_count, 3);
	schedule_free(&s);
	t[1].misfire = MISFIRE_ALL;
	t[1].max_lateness_ns = 2 * HOUR_NS + HOUR_NS / 2;
	s = make(t + 1, 1, 4);
	seen = tick(s, NEW_YEAR + 4 * HOUR_NS, 0);
	ck_assert_uint_eq(seen.queued, 3);  /* each of those not too late */
	ck_assert_uint_eq(seen.started, 1); /* but one at a time */
	ck_assert_uint_eq(seen.skipped_count, 1);
	for (int i = 0; i < 2; i++) {
		ended(s, seen.job, SCHEDULE_ENDED, 0, &wait);
		seen = tick(s, NEW_YEAR + 4 * HOUR_NS, 0);
		ck_assert_uint_eq(seen.started, 1);
	}
	schedule_free(&s);
}
END_TEST

START_TEST(months_of_downtime_are_one_skip_with_a_count)
{
	struct schedule_task t = every(0, HOUR_NS);
	struct schedule *s = make(&t, 1, 4);
	struct seen seen = tick(s, NEW_YEAR + 90 * DAY_NS, 0);

	ck_assert_uint_eq(seen.started, 1);
	ck_assert_uint_eq(seen.skipped_count, 90 * 24 - 1);
	ck_assert_uint_le(seen.skipped, MISFIRE_ITEMS_MAX + 1);
	schedule_free(&s);
}
END_TEST

START_TEST(a_failure_is_tried_again_later_and_later_and_then_given_up)
{
	struct schedule_task t = every(0, HOUR_NS);
	struct schedule *s;
	struct seen seen;
	int64_t wait, mono = 0;

	t.retries = 12;
	t.backoff_ns = NS_PER_S;
	s = make(&t, 1, 4);
	seen = tick(s, NEW_YEAR + HOUR_NS, mono);
	for (unsigned i = 1; i <= 12; i++) {
		ck_assert_uint_eq(seen.attempt, i);
		ck_assert(ended(s, seen.job, SCHEDULE_FAILED, mono, &wait));
		ck_assert(wait ==
			(i <= 10 ? NS_PER_S << (i - 1)
				 : SCHEDULE_BACKOFF_MAX_NS) ||
		    wait == SCHEDULE_BACKOFF_MAX_NS);
		seen = tick(s, NEW_YEAR + HOUR_NS, mono + wait - 1);
		ck_assert_uint_eq(seen.started, 0);
		mono += wait;
		seen = tick(s, NEW_YEAR + HOUR_NS, mono);
		ck_assert_uint_eq(seen.started, 1);
	}
	ck_assert(!ended(s, seen.job, SCHEDULE_FAILED, mono, &wait));
	ck_assert(!schedule_busy(s, t.lane));
	schedule_free(&s);
}
END_TEST

START_TEST(a_hurry_ends_the_wait)
{
	struct schedule_task t = every(0, HOUR_NS);
	struct schedule *s;
	struct seen seen;
	int64_t wait;

	s = make(&t, 1, 4);
	seen = tick(s, NEW_YEAR + HOUR_NS, 0);
	ck_assert(ended(s, seen.job, SCHEDULE_FAILED, 0, &wait));
	schedule_hurry(s, SCHEDULE_REPLICATE, (struct mono){0});
	ck_assert_uint_eq(tick(s, NEW_YEAR + HOUR_NS, 0).started, 0);
	schedule_hurry(s, SCHEDULE_BACKUP, (struct mono){0});
	ck_assert_uint_eq(tick(s, NEW_YEAR + HOUR_NS, 0).started, 1);
	schedule_free(&s);
}
END_TEST

START_TEST(what_overlaps_is_skipped_or_waits_as_the_policy_says)
{
	struct schedule_task t = every(0, HOUR_NS);
	struct schedule *s = make(&t, 1, 4);
	struct seen first, seen;
	int64_t wait;

	first = tick(s, NEW_YEAR + HOUR_NS, 0);
	seen = tick(s, NEW_YEAR + 2 * HOUR_NS, 0);
	ck_assert_uint_eq(seen.queued, 0);
	ck_assert_str_eq(seen.reason, "the one before has not ended (overlap)");
	schedule_free(&s);
	t.queues = true;
	s = make(&t, 1, 4);
	first = tick(s, NEW_YEAR + HOUR_NS, 0);
	seen = tick(s, NEW_YEAR + 2 * HOUR_NS, 0);
	ck_assert_uint_eq(seen.queued, 1);
	ck_assert_uint_eq(seen.started, 0);
	seen = tick(s, NEW_YEAR + 3 * HOUR_NS, 0);
	ck_assert_uint_eq(seen.skipped, 1); /* one waits: that is enough */
	ended(s, first.job, SCHEDULE_ENDED, 0, &wait);
	ck_assert_uint_eq(tick(s, NEW_YEAR + 3 * HOUR_NS, 0).started, 1);
	schedule_free(&s);
}
END_TEST

START_TEST(the_worst_goes_first)
{
	struct schedule_task t[4];
	struct schedule *s;
	size_t order[4];
	int64_t wait, now = NEW_YEAR + 10 * HOUR_NS;

	for (size_t i = 0; i < 4; i++) {
		t[i] = every(i, HOUR_NS);
		t[i].judged.ns = now - 1;
	}
	t[0].good.ns = now - HOUR_NS / 2; /* half an hour left */
	t[1].good.ns = now - 3 * HOUR_NS; /* broken for two hours */
	t[2].good.ns = 0;                 /* never had one */
	t[3].good.ns = now - 2 * HOUR_NS; /* broken for one */
	s = make(t, 4, 1);
	for (size_t i = 0; i < 4; i++) {
		struct seen seen = tick(s, now, 0);

		ck_assert_uint_eq(seen.started, 1);
		order[i] = seen.task;
		ended(s, seen.job, SCHEDULE_ENDED, 0, &wait);
	}
	ck_assert_uint_eq(order[0], 2);
	ck_assert_uint_eq(order[1], 1);
	ck_assert_uint_eq(order[2], 3);
	ck_assert_uint_eq(order[3], 0);
	schedule_free(&s);
}
END_TEST

START_TEST(what_its_link_holds_waits_and_loses_no_attempt)
{
	struct schedule_task t = {.kind = SCHEDULE_REPLICATE,
	    .key = "r",
	    .lane = "r",
	    .host = "",
	    .link = "virgin"};
	struct schedule *s = make(&t, 1, 4);
	struct schedule_ask patient = {.task = 0, .retries = 1};
	struct schedule_ask hasty = {.task = 0, .retries = 0};
	struct seen seen;
	uint64_t job, other;
	int64_t wait;
	struct err e;

	schedule_hold(s, SCHEDULE_BACKUP, "virgin", true); /* another kind */
	schedule_hold(s, SCHEDULE_REPLICATE, "bt", true);  /* another link */
	ck_assert(!schedule_is_held(s, SCHEDULE_REPLICATE, "virgin"));
	schedule_hold(s, SCHEDULE_REPLICATE, "virgin", true);
	ck_assert_int_eq(schedule_ask(s, &patient, (struct mono){1}, &job, &e),
	    ERR_NONE);
	ck_assert_uint_eq(tick(s, NEW_YEAR, 10).started, 0);
	schedule_hold(s, SCHEDULE_REPLICATE, "virgin", false);
	for (int i = 0; i < 5; i++) { /* it finds no way, again and again */
		seen = tick(s, NEW_YEAR, 20 + i);
		ck_assert_uint_eq(seen.started, 1);
		ck_assert_uint_eq(seen.attempt, 1);
		ck_assert(schedule_ended(s, job, SCHEDULE_WAITS,
		    (struct mono){20 + i}, &wait));
		ck_assert(wait == 0);
	}
	ck_assert(schedule_cancel(s, job));
	/* Somebody waits for this one: it begins, to say why it cannot. */
	schedule_hold(s, SCHEDULE_REPLICATE, "virgin", true);
	ck_assert_int_eq(schedule_ask(s, &hasty, (struct mono){30}, &other, &e),
	    ERR_NONE);
	ck_assert_uint_eq(tick(s, NEW_YEAR, 40).started, 1);
	ck_assert(!schedule_ended(s, other, SCHEDULE_WAITS, (struct mono){40},
	    &wait));
	schedule_free(&s);
}
END_TEST

START_TEST(a_freeze_and_a_block_skip_and_say_so)
{
	struct policy_freeze f = {.name = "elections",
	    .from_days = NEW_YEAR / DAY_NS,
	    .until_days = NEW_YEAR / DAY_NS};
	struct schedule_task t = every(0, HOUR_NS);
	struct schedule *s;

	t.freezes[0] = &f;
	t.freeze_count = 1;
	s = make(&t, 1, 4);
	ck_assert_str_eq(tick(s, NEW_YEAR + HOUR_NS, 0).reason,
	    "freeze 'elections'");
	schedule_block(s, 0, "the last test was not cleaned up");
	ck_assert_str_eq(tick(s, NEW_YEAR + 25 * HOUR_NS, 0).reason,
	    "the last test was not cleaned up");
	schedule_block(s, 0, NULL);
	ck_assert_uint_eq(tick(s, NEW_YEAR + 26 * HOUR_NS, 0).started, 1);
	schedule_free(&s);
}
END_TEST

START_TEST(a_clock_set_back_a_little_fires_nothing_twice)
{
	struct schedule_task t = every(0, 10 * NS_PER_S);
	struct schedule *s = make(&t, 1, 4);
	int64_t wait, now = NEW_YEAR + 100 * NS_PER_S;
	struct seen seen = tick(s, now, 0);

	ended(s, seen.job, SCHEDULE_ENDED, 0, &wait);
	for (int64_t at = now - 60 * NS_PER_S; at <= now; at += NS_PER_S) {
		seen = tick(s, at, 0);
		ck_assert_uint_eq(seen.started + seen.skipped, 0);
	}
	ck_assert_uint_eq(tick(s, now + 10 * NS_PER_S, 0).started, 1);
	schedule_free(&s);
}
END_TEST

START_TEST(a_clock_set_back_by_a_year_does_not_stop_backups)
{
	struct schedule_task t = every(0, HOUR_NS);
	struct schedule *s = make(&t, 1, 4);
	int64_t wait;
	struct seen seen = tick(s, NEW_YEAR + 365 * DAY_NS, 0);

	ended(s, seen.job, SCHEDULE_ENDED, 0, &wait);
	ck_assert_uint_eq(tick(s, NEW_YEAR, 0).started, 0);
	ck_assert_uint_eq(tick(s, NEW_YEAR + HOUR_NS, 0).started, 1);
	schedule_free(&s);
}
END_TEST

START_TEST(what_waits_can_be_cancelled_and_what_runs_cannot)
{
	struct schedule_task t[2] = {every(0, HOUR_NS), every(1, HOUR_NS)};
	struct schedule *s = make(t, 2, 1);
	struct seen seen = tick(s, NEW_YEAR + HOUR_NS, 0);
	int64_t wait;

	ck_assert(!schedule_cancel(s, seen.job));
	ck_assert(schedule_cancel(s, seen.job == 1 ? 2 : 1));
	ended(s, seen.job, SCHEDULE_ENDED, 0, &wait);
	ck_assert_uint_eq(tick(s, NEW_YEAR + HOUR_NS, 0).started, 0);
	schedule_free(&s);
}
END_TEST

START_TEST(a_job_survives_a_new_schedule)
{
	struct schedule_task t = every(0, HOUR_NS);
	struct schedule *s = make(&t, 1, 4);
	struct schedule_ask ask = {.task = SCHEDULE_NO_TASK,
	    .kind = SCHEDULE_BACKUP,
	    .lane = t.lane,
	    .retries = 3,
	    .backoff_ns = NS_PER_S};
	int64_t wait;
	uint64_t job;
	struct err e;

	ck_assert_int_eq(schedule_adopt(s, &ask, 2, true, (struct mono){0},
			     &job, &e),
	    ERR_NONE);
	ck_assert_uint_eq(tick(s, NEW_YEAR + HOUR_NS, 0).started, 0);
	ck_assert(ended(s, job, SCHEDULE_FAILED, 0, &wait));
	ck_assert_uint_eq(tick(s, NEW_YEAR + HOUR_NS, wait).attempt, 3);
	schedule_free(&s);
}
END_TEST

/* --- generated histories ------------------------------------------------------ */

static uint64_t
next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return *state >> 33;
}

struct history {
	struct schedule *s;
	bool running[4096], waiting[4096]; /* by job */
	size_t task[4096];
	uint64_t last_job;
	size_t firings, starts, skips;
	uint32_t limit;
};

static void
apply(struct history *h, const struct schedule_action *a)
{
	if (a->verb == SCHEDULE_SKIP) {
		h->skips++;
		ck_assert_str_ne(a->reason, "");
		return;
	}
	ck_assert_uint_lt(a->job, 4096);
	if (a->verb == SCHEDULE_QUEUED) {
		h->firings++;
		h->waiting[a->job] = true;
		h->task[a->job] = a->task;
		h->last_job = a->job;
		return;
	}
	h->starts++;
	ck_assert(h->waiting[a->job]);
	ck_assert(!h->running[a->job]);
	for (uint64_t j = 0; j <= h->last_job; j++) /* SC1 */
		if (h->running[j] && h->task[j] == h->task[a->job])
			ck_abort_msg("two of one lane");
	h->waiting[a->job] = false;
	h->running[a->job] = true;
}

static void
end_some(struct history *h, uint64_t *random, int64_t mono)
{
	for (uint64_t j = 0; j <= h->last_job; j++) {
		uint64_t dice = next_random(random) % 4;
		int64_t wait;

		if (!h->running[j] || dice == 0)
			continue;
		h->running[j] = false;
		h->waiting[j] = ended(h->s, j,
		    dice == 1 ? SCHEDULE_FAILED : SCHEDULE_ENDED, mono, &wait);
	}
}

static uint32_t
running(const struct history *h)
{
	uint32_t n = 0;

	for (uint64_t j = 0; j <= h->last_job; j++)
		n += h->running[j];
	return n;
}

START_TEST(no_history_runs_two_of_one_lane_or_too_many)
{
	uint64_t random = (uint64_t)_i + 1;
	struct schedule_task t[6];
	static struct history h;
	int64_t now = NEW_YEAR, mono = 0;

	memset(&h, 0, sizeof(h));
	h.limit = 1 + (uint32_t)(next_random(&random) % 4);
	for (size_t i = 0; i < 6; i++) {
		t[i] = every(i,
		    (int64_t)(1 + next_random(&random) % 20) * 60 * NS_PER_S);
		t[i].misfire = (enum misfire_mode)(next_random(&random) % 3);
		t[i].queues = next_random(&random) % 2 == 0;
		t[i].retries = (uint32_t)(next_random(&random) % 3);
	}
	h.s = make(t, 6, h.limit);
	for (int i = 0; i < 300 && h.last_job < 3800; i++) {
		const struct schedule_action *a;
		int64_t step = (int64_t)(next_random(&random) % 300) * NS_PER_S;
		size_t count;
		struct err e;

		mono += step;
		now += step;
		if (next_random(&random) % 20 == 0) /* the clock jumps */
			now += ((int64_t)(next_random(&random) % 7200) - 3600) *
			    NS_PER_S;
		ck_assert_int_eq(schedule_tick(h.s, (struct utc){now},
				     (struct mono){mono}, &a, &count, &e),
		    ERR_NONE);
		for (size_t k = 0; k < count; k++)
			apply(&h, &a[k]);
		ck_assert_uint_le(running(&h), h.limit);
		ck_assert_int_gt(schedule_wait_ns(h.s, (struct utc){now},
				     (struct mono){mono}),
		    0);
		end_some(&h, &random, mono);
	}
	ck_assert_uint_gt(h.starts, 0);
	ck_assert_uint_ge(h.starts, h.firings > 100 ? 50 : 1);
	schedule_free(&h.s);
}
END_TEST

Suite *suite_daemon_schedule(void);
Suite *
suite_daemon_schedule(void)
{
	Suite *s = suite_create("daemon/schedule");
	TCase *tc = tcase_create("schedule");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_year_fires_as_often_as_it_should);
	tcase_add_test(tc, after_downtime_one_runs_and_the_others_are_told);
	tcase_add_test(tc, misfire_skip_and_all_do_as_they_say);
	tcase_add_test(tc, months_of_downtime_are_one_skip_with_a_count);
	tcase_add_test(tc,
	    a_failure_is_tried_again_later_and_later_and_then_given_up);
	tcase_add_test(tc, a_hurry_ends_the_wait);
	tcase_add_test(tc,
	    what_overlaps_is_skipped_or_waits_as_the_policy_says);
	tcase_add_test(tc, the_worst_goes_first);
	tcase_add_test(tc, a_freeze_and_a_block_skip_and_say_so);
	tcase_add_test(tc, a_clock_set_back_a_little_fires_nothing_twice);
	tcase_add_test(tc, a_clock_set_back_by_a_year_does_not_stop_backups);
	tcase_add_test(tc, what_waits_can_be_cancelled_and_what_runs_cannot);
	tcase_add_test(tc, a_job_survives_a_new_schedule);
	tcase_add_test(tc, what_its_link_holds_waits_and_loses_no_attempt);
	tcase_add_loop_test(tc, no_history_runs_two_of_one_lane_or_too_many, 0,
	    40);
	suite_add_tcase(s, tc);
	return s;
}
