#include <check.h>
#include <string.h>

#include "daemon/budget.h"
#include "daemon/chooser.h"
#include "daemon/copies.h"
#include "daemon/schedule.h"

/*
 * Both links down for an hour, by a clock that is ours: the pure machines
 * together, as the daemon puts them together, second by second.
 *
 * Three services are backed up every ten minutes (two minutes each, 60 MB) and
 * sent to the other site, one at a time, at 10 MB/s.
 */

#define S          NS_PER_S
#define MINUTE     60
#define HOUR       3600
#define EVERY_S    (10 * MINUTE)
#define BACKUP_S   (2 * MINUTE)
#define WITHIN_S   (3 * MINUTE)
#define BYTES      UINT64_C(60000000)
#define RATE       UINT64_C(10000000)
#define PROBE_S    10
#define DOWN_FROM  (2 * HOUR + 30)
#define DOWN_UNTIL (3 * HOUR + 30)
#define SERVICES   3

/* "b" can bear least. */
static const int64_t rpo_s[SERVICES] = {45 * MINUTE, 20 * MINUTE, 30 * MINUTE};
static const char *const names[SERVICES] = {"a", "b", "c"};

struct change {
	int64_t at_s;
	enum posture_rpo to;
	int64_t breaks_s, well_s; /* as foretold just then */
};

struct world {
	int64_t now_s;
	struct chooser links;
	struct schedule *schedule;
	struct policy_link link;
	struct due due;
	int64_t here_s[SERVICES], there_s[SERVICES];
	uint64_t pending[SERVICES];
	uint64_t jobs[SERVICES]; /* of its replication; 0: none */
	int running;             /* which is being sent; -1: none */
	int64_t sends_s;         /* the point that is */
	struct change changes[SERVICES][16];
	size_t change_count[SERVICES];
	enum posture_rpo rpo[SERVICES];
	int order[8]; /* of what was sent after the links were back */
	size_t order_count;
};

static struct utc
utc_of(int64_t s)
{
	return (struct utc){s * S};
}

static bool
has_way(const struct world *w)
{
	return chooser_pick(&w->links, 0) != CHOOSER_NONE;
}

static void
probe_links(struct world *w)
{
	struct chooser_action did[CHOOSER_ACTIONS_MAX];
	bool answered = w->now_s < DOWN_FROM || w->now_s >= DOWN_UNTIL;
	struct chooser_now now = {utc_of(w->now_s), {w->now_s * S}};

	for (size_t i = 0; w->now_s % PROBE_S == 0 && i < 2; i++) {
		struct chooser_event ev = {.what = CHOOSER_PROBED,
		    .link = i,
		    .answered = answered,
		    .round_trip_ns = NS_PER_MS};

		chooser_next(&w->links, &ev, now, did);
	}
	schedule_hold(w->schedule, SCHEDULE_REPLICATE, "virgin", !has_way(w));
}

static void
back_up(struct world *w)
{
	for (size_t i = 0; i < SERVICES; i++) {
		int64_t into = w->now_s % EVERY_S;

		if (into != BACKUP_S || w->now_s < EVERY_S)
			continue;
		w->here_s[i] = w->now_s - into;
		w->pending[i] += BYTES;
	}
}

static void
ask(struct world *w, size_t i)
{
	struct err e;
	struct schedule_ask a = {.task = i, .retries = 1000};

	if (w->jobs[i] == 0 && w->here_s[i] > w->there_s[i])
		ck_assert_int_eq(schedule_ask(w->schedule, &a,
				     (struct mono){w->now_s * S}, &w->jobs[i],
				     &e),
		    ERR_NONE);
}

static void
end(struct world *w, enum schedule_end how)
{
	size_t i = (size_t)w->running;
	int64_t wait;

	ck_assert(
	    schedule_ended(w->schedule, w->jobs[i], how,
		(struct mono){w->now_s * S}, &wait) == (how == SCHEDULE_WAITS));
	w->running = -1;
	if (how == SCHEDULE_WAITS)
		return;
	w->jobs[i] = 0;
	w->there_s[i] = w->sends_s;
	schedule_good(w->schedule, i, utc_of(w->there_s[i]));
	if (w->now_s >= DOWN_UNTIL && w->order_count < 8)
		w->order[w->order_count++] = (int)i;
}

static void
replicate(struct world *w)
{
	const struct schedule_action *did;
	size_t n;
	struct err e;

	if (w->running >= 0 && !has_way(w))
		end(w, SCHEDULE_WAITS);
	else if (w->running >= 0) {
		uint64_t *left = &w->pending[w->running];

		*left -= *left < RATE ? *left : RATE;
		if (*left == 0)
			end(w, SCHEDULE_ENDED);
	}
	for (size_t i = 0; i < SERVICES; i++)
		ask(w, i);
	ck_assert_int_eq(schedule_tick(w->schedule, utc_of(w->now_s),
			     (struct mono){w->now_s * S}, &did, &n, &e),
	    ERR_NONE);
	for (size_t k = 0; k < n; k++) {
		ck_assert_int_eq(did[k].verb, SCHEDULE_START);
		ck_assert_int_eq(w->running, -1);
		ck_assert_uint_eq(did[k].attempt, 1); /* waiting is none */
		ck_assert(has_way(w));
		w->running = (int)did[k].task;
		w->sends_s = w->here_s[w->running];
	}
}

static void
judge(struct world *w)
{
	for (size_t i = 0; i < SERVICES; i++) {
		int64_t ready = w->now_s + (has_way(w) ? 0 : 5 * PROBE_S);
		struct copies_input in = {.rpo_ns = rpo_s[i] * S,
		    .here = utc_of(w->here_s[i]),
		    .there = utc_of(w->there_s[i])};
		struct utc breaks;
		enum posture_rpo is;

		in.scheduled = posture_arrival(&w->due,
		    (BACKUP_S + WITHIN_S) * S, in.there, utc_of(w->now_s));
		in.done =
		    budget_done(&w->link, w->pending[i], 0, utc_of(ready));
		is = copies_judge(&in, utc_of(w->now_s), &breaks);
		if (is != w->rpo[i] && w->now_s > HOUR) {
			ck_assert_uint_lt(w->change_count[i], 16);
			w->changes[i][w->change_count[i]++] =
			    (struct change){w->now_s, is, breaks.ns / S,
				in.done.ns / S};
		}
		w->rpo[i] = is;
	}
}

static void
make(struct world *w)
{
	struct schedule_task tasks[SERVICES];
	struct schedule_limits limits = {4, 1, 1};
	struct err e;

	memset(w, 0, sizeof(*w));
	memset(tasks, 0, sizeof(tasks));
	w->running = -1;
	w->link.bandwidth_bytes_per_s = RATE;
	w->due = (struct due){.kind = DUE_EVERY, .every_ns = EVERY_S * S};
	w->links.link_count = 2;
	for (size_t i = 0; i < 2; i++) {
		w->links.links[i].preference = (uint32_t)i + 1;
		w->links.links[i].rule = (struct linkstate_rule){3, 5};
	}
	for (size_t i = 0; i < SERVICES; i++) {
		tasks[i].kind = SCHEDULE_REPLICATE;
		tasks[i].key = tasks[i].lane = names[i];
		tasks[i].host = "";
		tasks[i].link = "virgin";
		tasks[i].rpo_ns = rpo_s[i] * S;
		w->rpo[i] = POSTURE_UNKNOWN;
	}
	ck_assert_int_eq(schedule_new(&w->schedule, tasks, SERVICES, &limits,
			     &e),
	    ERR_NONE);
	for (w->now_s = 1; w->now_s < 5 * HOUR; w->now_s++) {
		probe_links(w);
		back_up(w);
		replicate(w);
		judge(w);
	}
	schedule_free(&w->schedule);
}

START_TEST(an_hour_without_links_is_foretold_then_breaches_then_heals)
{
	static struct world w;

	make(&w);
	for (size_t i = 0; i < SERVICES; i++) {
		const struct change *c = w.changes[i];
		/* What had arrived: of ten to, sent by then. */
		int64_t last = 2 * HOUR - EVERY_S;

		ck_assert_uint_eq(w.change_count[i], 3);
		/* At risk before it breaks: as soon as it is certain that
		 * what is pending comes too late. */
		ck_assert_int_eq(c[0].to, POSTURE_AT_RISK);
		ck_assert_int_gt(c[0].at_s, DOWN_FROM);
		ck_assert_int_lt(c[0].at_s, last + rpo_s[i]);
		ck_assert_int_eq(c[0].breaks_s, last + rpo_s[i]);
		ck_assert_int_gt(c[0].well_s, c[0].breaks_s);
		/* Breached in the second after the target. */
		ck_assert_int_eq(c[1].to, POSTURE_BREACHED);
		ck_assert_int_eq(c[1].at_s, last + rpo_s[i] + 1);
		/* And well again when the links were, and it was sent. */
		ck_assert_int_eq(c[2].to, POSTURE_OK);
		ck_assert_int_gt(c[2].at_s, DOWN_UNTIL);
		ck_assert_int_lt(c[2].at_s, DOWN_UNTIL + 5 * MINUTE);
	}
}
END_TEST

START_TEST(what_broke_its_target_worst_is_sent_first)
{
	static struct world w;

	make(&w);
	ck_assert_uint_ge(w.order_count, 3);
	ck_assert_int_eq(w.order[0], 1); /* b: 20 minutes */
	ck_assert_int_eq(w.order[1], 2); /* c: 30 */
	ck_assert_int_eq(w.order[2], 0);
}
END_TEST

START_TEST(it_is_said_when_it_will_be_well_again)
{
	struct policy_link l = {.bandwidth_bytes_per_s = RATE};
	struct copies_input in = {.rpo_ns = HOUR * S,
	    .here = utc_of(10 * HOUR),
	    .there = utc_of(9 * HOUR)};
	struct utc breaks, now = utc_of(10 * HOUR - MINUTE);

	/* 50 seconds of sending, a minute left; then 70. */
	in.done = budget_done(&l, RATE * 50, 0, now);
	ck_assert_int_eq(copies_judge(&in, now, &breaks), POSTURE_OK);
	ck_assert(breaks.ns == 10 * HOUR * S);
	in.done = budget_done(&l, RATE * 70, 0, now);
	ck_assert_int_eq(copies_judge(&in, now, &breaks), POSTURE_AT_RISK);
	ck_assert(in.done.ns == (10 * HOUR + 10) * S);
	now = utc_of(10 * HOUR + 1);
	ck_assert_int_eq(copies_judge(&in, now, &breaks), POSTURE_BREACHED);
}
END_TEST

START_TEST(what_may_still_be_on_its_way_is_waited_for)
{
	struct due due = {.kind = DUE_EVERY, .every_ns = 1800 * S};
	struct utc point = utc_of(10 * 1800);

	/* Taken at ten, five minutes each: the next is due by 10:35. */
	ck_assert(
	    posture_arrival(&due, 300 * S, point, utc_of(10 * 1800 + 60)).ns ==
	    (11 * 1800 + 300) * S);
	ck_assert(
	    posture_arrival(&due, 300 * S, point, utc_of(11 * 1800 + 299)).ns ==
	    (11 * 1800 + 300) * S);
	/* It did not come: then the one after it. */
	ck_assert(
	    posture_arrival(&due, 300 * S, point, utc_of(11 * 1800 + 301)).ns ==
	    (12 * 1800 + 300) * S);
}
END_TEST

Suite *suite_daemon_catchup(void);
Suite *
suite_daemon_catchup(void)
{
	Suite *s = suite_create("daemon/catchup");
	TCase *tc = tcase_create("catchup");

	tcase_add_test(tc,
	    an_hour_without_links_is_foretold_then_breaches_then_heals);
	tcase_add_test(tc, what_broke_its_target_worst_is_sent_first);
	tcase_add_test(tc, it_is_said_when_it_will_be_well_again);
	tcase_add_test(tc, what_may_still_be_on_its_way_is_waited_for);
	suite_add_tcase(s, tc);
	return s;
}
