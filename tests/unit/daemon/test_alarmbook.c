/*
 * The book of alarms, by generated histories: conditions come and go, people
 * acknowledge, programs fail, the daemon dies between any two steps, clocks
 * step.  What was recorded is all that the next daemon has.
 */

#include "daemon/alarmbook.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPEAT_NS (100 * NS_PER_S)
#define KEYS      3
#define ROUTES    2
#define RECORDS   4096

struct entry {
	struct alarmbook_entry en;
	char text[64];
};

struct world {
	struct alarmbook book;
	struct alarmbook_now now;
	uint32_t seed;
	struct entry records[RECORDS];
	size_t count;
	bool condition[KEYS];
	/* what the routes heard, and the records say they heard */
	struct mono heard[256][ROUTES]; /* raised, by number; 0: never */
	enum alarm_level heard_level[256][ROUTES];
	bool acknowledged[256];
	uint64_t tellings;
};

static const struct alarmbook_route routes[ROUTES] = {{.name = "page",
							  .on = ~0u,
							  .repeat_ns =
							      REPEAT_NS,
							  .retries = 2},
    {.name = "mail", .on = 1u << POLICY_ON_PEER, .repeat_ns = 0, .retries = 1}};

static uint32_t
draw(struct world *w, uint32_t below)
{
	w->seed = w->seed * 1664525u + 1013904223u;
	return (w->seed >> 8) % below;
}

static struct world *
world_new(uint32_t seed)
{
	struct world *w = calloc(1, sizeof(*w));

	ck_assert_ptr_nonnull(w);
	w->seed = seed;
	w->now = (struct alarmbook_now){{1000000 * NS_PER_S}, {5 * NS_PER_S}};
	alarmbook_set_routes(&w->book, routes, ROUTES);
	return w;
}

static void
world_free(struct world *w)
{
	alarmbook_fini(&w->book);
	free(w);
}

static void
record(struct world *w, struct alarmbook_entry en)
{
	struct entry *r = &w->records[w->count];

	ck_assert_uint_lt(w->count, RECORDS);
	w->count++;
	r->en = en;
	r->en.at = w->now.utc;
	snprintf(r->text, sizeof(r->text), "%s",
	    en.what.text == NULL ? "" : en.what.text);
	r->en.what.text = r->text;
}

static struct alarm_what
what_of(size_t key, enum alarm_level level)
{
	static const char *const subjects[KEYS] = {"virgin", "bt", "third"};

	return (
	    struct alarm_what){.on = key == 0 ? POLICY_ON_PEER : POLICY_ON_LINK,
	    .level = level,
	    .subject = subjects[key],
	    .text = level == ALARM_CRITICAL ? "gone" : "shaky"};
}

static void
raise_key(struct world *w, size_t key, enum alarm_level level)
{
	struct alarm_what what = what_of(key, level);
	struct alarmbook_alarm *a;
	struct err e;

	w->condition[key] = true;
	ck_assert_int_eq(alarmbook_raise(&w->book, &what, &w->now, &a, &e),
	    ERR_NONE);
	if (a == NULL)
		return;
	w->acknowledged[a->number] = a->acknowledged;
	record(w,
	    (struct alarmbook_entry){.event = ALARMBOOK_EVENT_RAISED,
		.number = a->number,
		.what = what});
}

static void
clear_key(struct world *w, size_t key)
{
	struct alarm_what what = what_of(key, ALARM_NOTICE);
	struct alarmbook_alarm *a = alarmbook_clear(&w->book, what.on, NULL,
	    what.subject, "over", w->now.utc);

	w->condition[key] = false;
	what.text = "over";
	if (a != NULL)
		record(w,
		    (struct alarmbook_entry){.event = ALARMBOOK_EVENT_CLEARED,
			.number = a->number,
			.what = what});
}

static void
acknowledge(struct world *w, uint64_t number)
{
	struct alarmbook_alarm *a;
	struct err e;
	enum err_code rc = alarmbook_may_acknowledge(&w->book, number, &a, &e);

	if (alarmbook_find(&w->book, number) == NULL) {
		ck_assert_int_eq(rc, ERR_NOTFOUND);
		return;
	}
	if (rc != ERR_NONE) {
		ck_assert_int_eq(rc, ERR_EXISTS);
		return;
	}
	alarmbook_acknowledge(&w->book, a, "jo", "seen", w->now.utc);
	w->acknowledged[number] = true;
	record(w,
	    (struct alarmbook_entry){.event = ALARMBOOK_EVENT_ACKNOWLEDGED,
		.number = number,
		.by = "jo",
		.reason = "seen"});
}

/* AB2, AB3: nothing is told to who knows it. */
static void
check_telling(const struct world *w, const struct alarmbook_telling *t)
{
	struct mono last = w->heard[t->number][t->route];

	w->book.routes[t->route].busy ? (void)0 : ck_abort();
	if (t->say != ALARMBOOK_RAISED)
		return;
	ck_assert(!w->acknowledged[t->number]);
	if (last.ns != 0 && t->route == 0 &&
	    t->level <= w->heard_level[t->number][t->route])
		ck_assert_msg(w->now.mono.ns - last.ns >= REPEAT_NS,
		    "A%llu told again after %lld s",
		    (unsigned long long)t->number,
		    (long long)((w->now.mono.ns - last.ns) / NS_PER_S));
}

/* One telling: it may work, fail, or work and the daemon dies before it is
 * recorded. */
static bool
tell_one(struct world *w, uint32_t failing_of_ten, bool *dies)
{
	struct alarmbook_telling t;
	enum alarmbook_result result;
	bool works = draw(w, 10) >= failing_of_ten;

	if (!alarmbook_next(&w->book, w->now.mono, &t))
		return false;
	w->tellings++;
	check_telling(w, &t);
	*dies = failing_of_ten > 0 && draw(w, 20) == 0;
	if (*dies)
		return false; /* not known: it may be told again */
	result =
	    alarmbook_told(&w->book, &t, works ? NULL : "exit 1", w->now.mono);
	ck_assert(works == (result == ALARMBOOK_DELIVERED));
	if (result == ALARMBOOK_RETRY)
		return true;
	if (works && t.say == ALARMBOOK_RAISED) {
		w->heard[t.number][t.route] = w->now.mono;
		w->heard_level[t.number][t.route] = t.level;
	}
	record(w,
	    (struct alarmbook_entry){.event = works
		    ? ALARMBOOK_EVENT_TOLD
		    : ALARMBOOK_EVENT_UNDELIVERED,
		.number = t.number,
		.route = routes[t.route].name,
		.say = t.say,
		.level = t.level});
	alarmbook_sweep(&w->book);
	return true;
}

/* --- a death, and the next start ------------------------------------------- */

static void
same_alarm(const struct alarmbook_alarm *a, const struct alarmbook_alarm *b)
{
	ck_assert_int_eq(a->on, b->on);
	ck_assert_int_eq(a->level, b->level);
	ck_assert_int_eq(a->standing, b->standing);
	ck_assert_int_eq(a->acknowledged, b->acknowledged);
	ck_assert_uint_eq(a->times, b->times);
	ck_assert_str_eq(a->subject, b->subject);
	ck_assert_str_eq(a->text, b->text);
	ck_assert_str_eq(a->by, b->by);
	ck_assert(a->raised.ns == b->raised.ns);
	ck_assert(a->cleared.ns == b->cleared.ns);
	for (size_t r = 0; r < ROUTES; r++) {
		ck_assert_int_eq(a->told[r].last, b->told[r].last);
		ck_assert_int_eq(a->told[r].undelivered,
		    b->told[r].undelivered);
	}
}

static void
die_and_start(struct world *w)
{
	struct alarmbook next = {0};
	struct err e;

	alarmbook_sweep(&w->book);
	alarmbook_set_routes(&next, routes, ROUTES);
	for (size_t i = 0; i < w->count; i++)
		ck_assert_int_eq(alarmbook_replay(&next, &w->records[i].en,
				     &w->now, &e),
		    ERR_NONE);
	alarmbook_sweep(&next);
	ck_assert_uint_eq(next.last_number, w->book.last_number);
	ck_assert_uint_eq(next.count, w->book.count); /* AB4 */
	for (size_t i = 0; i < next.count; i++)
		same_alarm(next.items[i],
		    alarmbook_find(&w->book, next.items[i]->number));
	alarmbook_fini(&w->book);
	w->book = next;
}

/* --- histories --------------------------------------------------------------- */

static void
step(struct world *w)
{
	bool dies = false;
	size_t key = draw(w, KEYS);

	switch (draw(w, 8)) {
	case 0: raise_key(w, key, ALARM_WARNING); break;
	case 1: raise_key(w, key, ALARM_CRITICAL); break;
	case 2: clear_key(w, key); break;
	case 3:
		acknowledge(w,
		    draw(w, 4) == 0 ? draw(w, 200) : w->book.last_number);
		break;
	case 4: die_and_start(w); break;
	default:
		while (tell_one(w, 4, &dies))
			;
		if (dies)
			die_and_start(w);
	}
	w->now.mono.ns += draw(w, 30) * NS_PER_S;
	w->now.utc.ns = 1000000 * NS_PER_S + w->now.mono.ns;
}

/* AB1, AB3: when the programs work, everybody hears of everything. */
static void
all_is_told(struct world *w)
{
	bool dies = false;

	w->now.mono.ns += 700 * NS_PER_S; /* past every wait */
	w->now.utc.ns += 700 * NS_PER_S;
	while (tell_one(w, 0, &dies))
		;
	for (size_t key = 0; key < KEYS; key++) {
		struct alarm_what what = what_of(key, ALARM_NOTICE);
		size_t standing = 0;

		for (size_t i = 0; i < w->book.count; i++) {
			const struct alarmbook_alarm *a = w->book.items[i];

			if (strcmp(a->subject, what.subject) != 0)
				continue;
			standing += a->standing;
			if (a->acknowledged)
				continue;
			ck_assert_int_eq(a->told[0].last,
			    a->standing ? ALARMBOOK_RAISED : ALARMBOOK_CLEARED);
			ck_assert(!a->told[0].undelivered);
			ck_assert_int_eq(a->told[1].last,
			    key != 0          ? ALARMBOOK_NOTHING
				: a->standing ? ALARMBOOK_RAISED
					      : ALARMBOOK_CLEARED);
		}
		ck_assert_uint_eq(standing, w->condition[key]);
	}
}

START_TEST(no_alarm_is_lost_and_none_told_twice_in_any_history)
{
	uint64_t tellings = 0;

	for (uint32_t seed = 1; seed <= 400; seed++) {
		struct world *w = world_new(seed);

		for (int i = 0; i < 150; i++)
			step(w);
		all_is_told(w);
		tellings += w->tellings;
		world_free(w);
	}
	ck_assert_uint_gt(tellings, 10000); /* it did happen */
}
END_TEST

START_TEST(an_acknowledgement_of_the_wrong_one_changes_nothing)
{
	struct world *w = world_new(1);
	struct alarmbook_alarm *a;
	struct err e;

	raise_key(w, 0, ALARM_WARNING);
	ck_assert_int_eq(alarmbook_may_acknowledge(&w->book, 2, &a, &e),
	    ERR_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "A2"));
	ck_assert_ptr_null(a);
	acknowledge(w, 1);
	ck_assert_int_eq(alarmbook_may_acknowledge(&w->book, 1, &a, &e),
	    ERR_EXISTS);
	ck_assert_ptr_nonnull(strstr(e.text, "jo"));
	world_free(w);
}
END_TEST

START_TEST(one_that_ended_stays_until_somebody_has_seen_it)
{
	struct world *w = world_new(1);
	bool dies;

	raise_key(w, 0, ALARM_WARNING);
	clear_key(w, 0);
	while (tell_one(w, 0, &dies))
		;
	alarmbook_sweep(&w->book);
	ck_assert_uint_eq(w->book.count, 1);
	acknowledge(w, 1);
	alarmbook_sweep(&w->book);
	ck_assert_uint_eq(w->book.count, 0);
	raise_key(w, 0, ALARM_WARNING); /* another one, with its own number */
	ck_assert_uint_eq(w->book.items[0]->number, 2);
	world_free(w);
}
END_TEST

START_TEST(what_becomes_worse_is_told_at_once_and_asks_again)
{
	struct world *w = world_new(1);
	struct alarmbook_telling t;
	bool dies;

	raise_key(w, 0, ALARM_WARNING);
	while (tell_one(w, 0, &dies))
		;
	acknowledge(w, 1);
	raise_key(w, 0, ALARM_CRITICAL);
	ck_assert(alarmbook_next(&w->book, w->now.mono, &t));
	ck_assert_int_eq(t.say, ALARMBOOK_RAISED);
	ck_assert_int_eq(t.level, ALARM_CRITICAL);
	world_free(w);
}
END_TEST

START_TEST(what_only_happened_is_over_when_acknowledged)
{
	struct world *w = world_new(1);
	struct alarm_what what = {.on = POLICY_ON_CLOCK,
	    .text = "the clock went back 3 s",
	    .moment = true};
	struct alarmbook_alarm *a, *again;
	struct err e;

	ck_assert_int_eq(alarmbook_raise(&w->book, &what, &w->now, &a, &e),
	    ERR_NONE);
	ck_assert_int_eq(alarmbook_raise(&w->book, &what, &w->now, &again, &e),
	    ERR_NONE);
	ck_assert_ptr_null(again);
	what.text = "the clock went back 5 s"; /* another moment */
	ck_assert_int_eq(alarmbook_raise(&w->book, &what, &w->now, &again, &e),
	    ERR_NONE);
	ck_assert_ptr_eq(a, again);
	alarmbook_acknowledge(&w->book, a, "jo", NULL, w->now.utc);
	ck_assert(!a->standing);
	alarmbook_sweep(&w->book);
	ck_assert_uint_eq(w->book.count, 0);
	world_free(w);
}
END_TEST

START_TEST(a_failing_program_is_asked_less_and_less_and_shown)
{
	struct world *w = world_new(1);
	struct alarmbook_telling t;
	static const enum alarmbook_result expected[] = {ALARMBOOK_RETRY,
	    ALARMBOOK_RETRY, ALARMBOOK_UNDELIVERED, ALARMBOOK_RETRY};
	int64_t last = 0;

	raise_key(w, 1, ALARM_WARNING); /* "page": two retries */
	for (int i = 0; i < 20; i++) {
		int64_t wait;

		ck_assert(alarmbook_next(&w->book, w->now.mono, &t));
		ck_assert_int_eq(alarmbook_told(&w->book, &t, "exit 1",
				     w->now.mono),
		    expected[i < 3 ? i : 3]);
		wait = alarmbook_wait_ns(&w->book, w->now.mono);
		ck_assert_int_ge(wait, last);
		ck_assert_int_le(wait, 600 * NS_PER_S);
		w->now.mono.ns += wait;
		last = wait;
	}
	ck_assert_int_eq(last, 600 * NS_PER_S);
	ck_assert_str_eq(w->book.routes[0].trouble, "exit 1");
	ck_assert(alarmbook_next(&w->book, w->now.mono, &t));
	ck_assert_int_eq(alarmbook_told(&w->book, &t, NULL, w->now.mono),
	    ALARMBOOK_DELIVERED);
	ck_assert_str_eq(w->book.routes[0].trouble, "");
	world_free(w);
}
END_TEST

START_TEST(the_worst_comes_first_and_a_busy_program_is_waited_for)
{
	struct world *w = world_new(1);
	struct alarmbook_telling t, other;

	raise_key(w, 1, ALARM_WARNING);
	raise_key(w, 2, ALARM_CRITICAL);
	ck_assert(alarmbook_next(&w->book, w->now.mono, &t));
	ck_assert_uint_eq(t.number, 2);
	ck_assert(!alarmbook_next(&w->book, w->now.mono, &other));
	alarmbook_told(&w->book, &t, NULL, w->now.mono);
	ck_assert(alarmbook_next(&w->book, w->now.mono, &t));
	ck_assert_uint_eq(t.number, 1);
	world_free(w);
}
END_TEST

START_TEST(a_new_policy_keeps_what_its_programs_were_told)
{
	struct world *w = world_new(1);
	struct alarmbook_route other[2] = {routes[1], routes[0]};
	struct alarmbook_telling t;
	bool dies;

	raise_key(w, 0, ALARM_WARNING);
	while (tell_one(w, 0, &dies))
		;
	alarmbook_set_routes(&w->book, other, 2);
	ck_assert(!alarmbook_next(&w->book, w->now.mono, &t));
	snprintf(other[0].name, sizeof(other[0].name), "pigeon");
	alarmbook_set_routes(&w->book, other, 2);
	ck_assert(alarmbook_next(&w->book, w->now.mono, &t));
	ck_assert_uint_eq(t.route, 0);
	world_free(w);
}
END_TEST

START_TEST(the_book_has_a_last_page)
{
	struct world *w = world_new(1);
	struct alarmbook_alarm *a;
	struct err e;
	char subject[32];
	enum err_code rc = ERR_NONE;
	size_t i;

	for (i = 0; rc == ERR_NONE && i <= ALARMBOOK_ALARMS_MAX; i++) {
		struct alarm_what what = {.on = POLICY_ON_LINK,
		    .subject = subject,
		    .text = "x"};

		snprintf(subject, sizeof(subject), "%zu", i);
		rc = alarmbook_raise(&w->book, &what, &w->now, &a, &e);
	}
	ck_assert_int_eq(rc, ERR_REFUSED);
	ck_assert_uint_eq(w->book.count, ALARMBOOK_ALARMS_MAX);
	world_free(w);
}
END_TEST

/* Told once by each, tried again when that fails, and never acknowledged. */
START_TEST(news_is_told_once_and_over_also_after_a_restart)
{
	struct world *w = world_new(1);
	struct alarm_what what = {.on = POLICY_ON_PEER,
	    .subject = "r1 RAN",
	    .run = "r1",
	    .text = "x",
	    .news = true};
	struct alarmbook_entry en = {.event = ALARMBOOK_EVENT_RAISED,
	    .what = what,
	    .by = "",
	    .reason = "",
	    .route = "page"};
	struct alarmbook_telling t;
	struct alarmbook_alarm *a;
	struct err e;
	uint64_t number;

	ck_assert_int_eq(alarmbook_raise(&w->book, &what, &w->now, &a, &e),
	    ERR_NONE);
	ck_assert(!a->standing && a->acknowledged);
	ck_assert_str_eq(a->run, "r1");
	number = a->number;
	ck_assert(alarmbook_next(&w->book, w->now.mono, &t));
	ck_assert_int_eq(t.say, ALARMBOOK_RAISED);
	ck_assert_int_eq(alarmbook_told(&w->book, &t, NULL, w->now.mono),
	    ALARMBOOK_DELIVERED);
	alarmbook_sweep(&w->book);
	ck_assert_uint_eq(w->book.count, 1); /* the other has not heard */
	for (int i = 0; i < 2; i++) {
		ck_assert(alarmbook_next(&w->book, w->now.mono, &t));
		ck_assert_int_eq(alarmbook_told(&w->book, &t, "no",
				     w->now.mono),
		    i == 0 ? ALARMBOOK_RETRY : ALARMBOOK_UNDELIVERED);
		ck_assert(!alarmbook_next(&w->book, w->now.mono, &t));
		w->now.mono.ns += 2 * REPEAT_NS;
	}
	ck_assert(!alarmbook_next(&w->book, w->now.mono, &t));
	alarmbook_sweep(&w->book);
	ck_assert_uint_eq(w->book.count, 0);
	/* what a start reads: one has heard, the other has not */
	en.number = number;
	ck_assert_int_eq(alarmbook_replay(&w->book, &en, &w->now, &e),
	    ERR_NONE);
	en.event = ALARMBOOK_EVENT_TOLD;
	en.say = ALARMBOOK_RAISED;
	ck_assert_int_eq(alarmbook_replay(&w->book, &en, &w->now, &e),
	    ERR_NONE);
	ck_assert(alarmbook_next(&w->book, w->now.mono, &t));
	ck_assert_uint_eq(t.route, 1);
	ck_assert(!alarmbook_next(&w->book, w->now.mono, &t));
	world_free(w);
}
END_TEST

Suite *suite_daemon_alarmbook(void);
Suite *
suite_daemon_alarmbook(void)
{
	Suite *s = suite_create("daemon/alarmbook");
	TCase *tc = tcase_create("alarmbook");

	tcase_add_test(tc, no_alarm_is_lost_and_none_told_twice_in_any_history);
	tcase_add_test(tc, an_acknowledgement_of_the_wrong_one_changes_nothing);
	tcase_add_test(tc, one_that_ended_stays_until_somebody_has_seen_it);
	tcase_add_test(tc, what_becomes_worse_is_told_at_once_and_asks_again);
	tcase_add_test(tc, what_only_happened_is_over_when_acknowledged);
	tcase_add_test(tc, a_failing_program_is_asked_less_and_less_and_shown);
	tcase_add_test(tc,
	    the_worst_comes_first_and_a_busy_program_is_waited_for);
	tcase_add_test(tc, a_new_policy_keeps_what_its_programs_were_told);
	tcase_add_test(tc, news_is_told_once_and_over_also_after_a_restart);
	tcase_add_test(tc, the_book_has_a_last_page);
	suite_add_tcase(s, tc);
	return s;
}
