#include <bascule/plan.h>

#include <check.h>
#include <string.h>

#define IN(s)      (1u << TABLETOP_##s)
#define S          NS_PER_S
#define FIELDS_MAX 24

/* One event from words: name, value, ..., NULL. */
struct words {
	struct tabletop_field fields[FIELDS_MAX];
	struct tabletop_event ev;
};

static struct words
words(enum tabletop_verb verb, int64_t at_ns, const char *const *w)
{
	struct words out = {
	    .ev = {.verb = verb, .at = {at_ns}, .actor = "fay"}};

	for (; w != NULL && w[0] != NULL; w += 2)
		out.fields[out.ev.fields_count++] =
		    (struct tabletop_field){w[0], w[1]};
	return out;
}

static enum err_code
say(struct tabletop *t, enum tabletop_verb verb, int64_t at_ns,
    const char *const *w)
{
	struct words it = words(verb, at_ns, w);
	struct err e;

	it.ev.fields = it.fields;
	return tabletop_happen(t, &it.ev, &e);
}
#define SAY(t, verb, at, ...)                         \
	say(t, TABLETOP_DO_##verb, (at)*S + 1000 * S, \
	    (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
#define DONE(...) ck_assert_int_eq(SAY(__VA_ARGS__), ERR_NONE)

static struct tabletop *
drafted(void)
{
	struct tabletop *t;
	struct err e;

	ck_assert_int_eq(tabletop_new(&t, &e), ERR_NONE);
	DONE(t, DRAFT, 0, "title", "The link is down", "service", "housing",
	    "objective", "who notices?", "objective", "who decides?", "injects",
	    "5", "duration_ns", "7200000000000");
	DONE(t, PLAN, 0, "inject", "outage", "inject.at_ns", "0", "inject.to",
	    "duty", "inject.text", "the link is down", "inject", "call",
	    "inject.at_ns", "600000000000", "inject", "order", "inject.after",
	    "call", "inject.text", "late");
	DONE(t, PLAN, 0, "inject", "why", "inject.on", "decision", "inject",
	    "byhand", "inject.expect", "somebody asks");
	return t;
}

static struct tabletop *
playing(void)
{
	struct tabletop *t = drafted();

	DONE(t, ATTEND, 0, "player", "Ann", "attendance", "present");
	DONE(t, APPROVE, 0);
	DONE(t, SCHEDULE, 0, "for_ns", "5");
	DONE(t, BRIEF, 0, "known", "all is well, 3 s ago");
	DONE(t, BEGIN, 0);
	return t;
}

/* In each state, by the plain way. */
static struct tabletop *
in_state(enum tabletop_state s)
{
	struct tabletop *t = s < TABLETOP_IN_PLAY || s == TABLETOP_CANCELLED
	    ? drafted()
	    : playing();

	if (s == TABLETOP_CANCELLED)
		DONE(t, CANCEL, 0, "reason", "no time");
	else if (s < TABLETOP_IN_PLAY) {
		DONE(t, ATTEND, 0, "player", "Ann", "attendance", "remote");
		if (s >= TABLETOP_APPROVED)
			DONE(t, APPROVE, 0);
		if (s >= TABLETOP_SCHEDULED)
			DONE(t, SCHEDULE, 0, "for_ns", "5");
		if (s >= TABLETOP_BRIEFED)
			DONE(t, BRIEF, 0);
		return t;
	}
	if (s == TABLETOP_CANCELLED || s == TABLETOP_IN_PLAY)
		return t;
	DONE(t, INJECT, 0, "inject", "outage");
	if (s == TABLETOP_PAUSED) {
		DONE(t, PAUSE, 1);
		return t;
	}
	DONE(t, ENDEX, 5);
	DONE(t, RATE, 6, "objective_number", "1", "rating", "P");
	DONE(t, RATE, 6, "objective_number", "2", "rating", "M");
	if (s >= TABLETOP_HOTWASH)
		DONE(t, HOTWASH, 6);
	if (s >= TABLETOP_AAR_DRAFT)
		DONE(t, AAR, 6);
	if (s >= TABLETOP_AAR_REVIEW)
		DONE(t, REVIEW, 6);
	if (s >= TABLETOP_ISSUED)
		DONE(t, ISSUE, 6);
	if (s >= TABLETOP_ACTIONS_OPEN)
		DONE(t, ACTIONS, 6);
	if (s >= TABLETOP_CLOSED)
		DONE(t, CLOSE, 6);
	return t;
}

/* Where each may be said: the specification once more, by hand. */
#define BEFORE    (IN(DRAFT) | IN(APPROVED) | IN(SCHEDULED) | IN(BRIEFED))
#define PLAY      (IN(IN_PLAY) | IN(PAUSED))
#define REVIEWING (IN(ENDEX) | IN(HOTWASH) | IN(AAR_DRAFT) | IN(AAR_REVIEW))
static const struct {
	enum tabletop_verb verb;
	unsigned states;
	int to;
} want[TABLETOP_VERBS] = {
    {TABLETOP_DO_DRAFT, IN(DRAFT), -1},
    {TABLETOP_DO_PLAN, IN(DRAFT), -1},
    {TABLETOP_DO_ATTEND, BEFORE | PLAY | REVIEWING, -1},
    {TABLETOP_DO_APPROVE, IN(DRAFT), TABLETOP_APPROVED},
    {TABLETOP_DO_SCHEDULE, IN(APPROVED) | IN(SCHEDULED), TABLETOP_SCHEDULED},
    {TABLETOP_DO_BRIEF, IN(SCHEDULED), TABLETOP_BRIEFED},
    {TABLETOP_DO_BEGIN, IN(BRIEFED), TABLETOP_IN_PLAY},
    {TABLETOP_DO_PAUSE, IN(IN_PLAY), TABLETOP_PAUSED},
    {TABLETOP_DO_RESUME, IN(PAUSED), TABLETOP_IN_PLAY},
    {TABLETOP_DO_JUMP, PLAY, -1},
    {TABLETOP_DO_INJECT, PLAY, -1},
    {TABLETOP_DO_ANSWER, PLAY, -1},
    {TABLETOP_DO_DECIDE, PLAY, -1},
    {TABLETOP_DO_NOTE, IN(BRIEFED) | PLAY | REVIEWING, -1},
    {TABLETOP_DO_STEP, PLAY, -1},
    {TABLETOP_DO_ENDEX, PLAY, TABLETOP_ENDEX},
    {TABLETOP_DO_STOP, PLAY, TABLETOP_ENDEX},
    {TABLETOP_DO_HOTWASH, IN(ENDEX), TABLETOP_HOTWASH},
    {TABLETOP_DO_AAR, IN(HOTWASH) | IN(AAR_REVIEW), TABLETOP_AAR_DRAFT},
    {TABLETOP_DO_RATE, REVIEWING, -1},
    {TABLETOP_DO_ACTION, REVIEWING | IN(ISSUED) | IN(ACTIONS_OPEN), -1},
    {TABLETOP_DO_REVIEW, IN(AAR_DRAFT), TABLETOP_AAR_REVIEW},
    {TABLETOP_DO_ISSUE, IN(AAR_REVIEW), TABLETOP_ISSUED},
    {TABLETOP_DO_ACTIONS, IN(ISSUED), TABLETOP_ACTIONS_OPEN},
    {TABLETOP_DO_CLOSE, IN(ACTIONS_OPEN), TABLETOP_CLOSED},
    {TABLETOP_DO_CANCEL, BEFORE, TABLETOP_CANCELLED},
    {TABLETOP_DO_SIGN, IN(AAR_REVIEW) | IN(ISSUED) | IN(ACTIONS_OPEN), -1},
};

static const char *const *
fitting(enum tabletop_verb verb)
{
	static const char *const answer[] = {"inject", "outage", NULL};
	static const char *const inject[] = {"inject", "byhand", NULL};
	static const char *const decide[] = {"decision", "wait", "decider",
	    "Ann", NULL};
	static const char *const player[] = {"player", "Bob", NULL};
	static const char *const jump[] = {"by_ns", "5", NULL};
	static const char *const plan[] = {"inject", "another", NULL};
	static const char *const note[] = {"text", "hm", NULL};
	static const char *const step[] = {"step", "load", "planned_ns", "7",
	    NULL};
	static const char *const rate[] = {"objective_number", "1", "rating",
	    "S", NULL};
	static const char *const action[] = {"action", "A1", "text", "fix",
	    "owner", "Ann", "due_ns", "77", NULL};
	static const char *const why[] = {"reason", "because", NULL};
	static const char *const when[] = {"for_ns", "9", NULL};

	switch (verb) {
	case TABLETOP_DO_ANSWER: return answer;
	case TABLETOP_DO_INJECT: return inject;
	case TABLETOP_DO_DECIDE: return decide;
	case TABLETOP_DO_ATTEND: return player;
	case TABLETOP_DO_JUMP: return jump;
	case TABLETOP_DO_PLAN: return plan;
	case TABLETOP_DO_NOTE: return note;
	case TABLETOP_DO_STEP: return step;
	case TABLETOP_DO_RATE: return rate;
	case TABLETOP_DO_ACTION: return action;
	case TABLETOP_DO_CANCEL: return why;
	case TABLETOP_DO_SCHEDULE: return when;
	default: return NULL;
	}
}

START_TEST(each_event_fits_its_states_and_no_other)
{
	for (int s = 0; s < TABLETOP_STATES; s++)
		for (int v = 0; v < TABLETOP_VERBS; v++) {
			struct tabletop *t = in_state((enum tabletop_state)s);
			enum tabletop_verb verb = (enum tabletop_verb)v;
			bool fits = (want[v].states & (1u << s)) != 0;
			size_t count = tabletop_events_count(t);
			enum tabletop_state to;
			enum err_code rc;

			ck_assert_int_eq(tabletop_state_of(t), s);
			ck_assert_int_eq(want[v].verb, v);
			ck_assert_int_eq(tabletop_next(tabletop_state_of(t),
					     verb, &to),
			    fits);
			/* Only a fresh one is drafted, and waits for a first
			 * inject to be answered. */
			if (verb == TABLETOP_DO_DRAFT ||
			    (verb == TABLETOP_DO_ANSWER &&
				s == TABLETOP_IN_PLAY) ||
			    (verb == TABLETOP_DO_PLAN)) {
				tabletop_free(&t);
				continue;
			}
			rc = say(t, verb, 1020 * S, fitting(verb));
			ck_assert_msg(rc == (fits ? ERR_NONE : ERR_REFUSED),
			    "%s in %s: %d", tabletop_verb_name(verb),
			    tabletop_state_name((enum tabletop_state)s), rc);
			ck_assert_int_eq(tabletop_state_of(t),
			    fits && want[v].to >= 0 ? want[v].to : s);
			ck_assert_uint_eq(tabletop_events_count(t),
			    count + (fits ? 1 : 0));
			tabletop_free(&t);
		}
}
END_TEST

START_TEST(the_clock_runs_in_play_only_and_jumps_forward)
{
	struct tabletop *t = in_state(TABLETOP_BRIEFED);
	struct utc now = {1000 * S};

	ck_assert_int_eq(tabletop_clock_ns(t, now), -1);
	DONE(t, BEGIN, 10);
	now.ns = 1070 * S;
	ck_assert_int_eq(tabletop_clock_ns(t, now), 60 * S);
	DONE(t, PAUSE, 70, "reason", "coffee");
	now.ns = 5000 * S;
	ck_assert_int_eq(tabletop_clock_ns(t, now), 60 * S);
	DONE(t, JUMP, 4000, "by_ns", "30000000000");
	ck_assert_int_eq(tabletop_clock_ns(t, now), 90 * S);
	ck_assert_int_eq(SAY(t, JUMP, 4000, "by_ns", "-5"), ERR_INPUT);
	ck_assert_int_eq(SAY(t, JUMP, 4000, "by_ns", "0"), ERR_INPUT);
	DONE(t, RESUME, 4010);
	now.ns = 5020 * S;
	ck_assert_int_eq(tabletop_clock_ns(t, now), 100 * S);
	DONE(t, JUMP, 4020, "by_ns", "1000000000");
	ck_assert_int_eq(tabletop_clock_ns(t, now), 101 * S);
	/* the machine's clock goes back: the scenario's stands */
	now.ns = 4000 * S;
	ck_assert_int_eq(tabletop_clock_ns(t, now), 101 * S);
	DONE(t, NOTE, 4000, "text", "hm");
	now.ns = 5021 * S;
	ck_assert_int_eq(tabletop_clock_ns(t, now), 102 * S);
	DONE(t, ENDEX, 4030);
	now.ns = 9999 * S;
	ck_assert_int_eq(tabletop_clock_ns(t, now), 111 * S);
	tabletop_free(&t);
}
END_TEST

static const char *
due_at(const struct tabletop *t, int64_t s)
{
	struct utc now = {(1000 + s) * S};
	size_t i;

	return tabletop_due(t, now, &i) ? tabletop_inject_at(t, i).name : "";
}

START_TEST(injects_come_by_time_after_answers_and_on_decisions)
{
	struct tabletop *t = playing();
	struct utc at;

	ck_assert_str_eq(due_at(t, 0), "outage");
	DONE(t, INJECT, 1, "inject", "outage", "delivered_by", "clock");
	ck_assert_int_eq(SAY(t, INJECT, 1, "inject", "outage"), ERR_EXISTS);
	ck_assert_str_eq(due_at(t, 599), "");
	ck_assert(tabletop_next_due(t, (struct utc){1001 * S}, &at));
	ck_assert_int_eq(at.ns, 1600 * S);
	ck_assert_str_eq(due_at(t, 600), "call");
	ck_assert_int_eq(SAY(t, ANSWER, 600, "inject", "call"), ERR_REFUSED);
	DONE(t, INJECT, 601, "inject", "call");
	ck_assert_str_eq(due_at(t, 700), "");
	ck_assert(!tabletop_next_due(t, (struct utc){1700 * S}, &at));
	DONE(t, ANSWER, 700, "inject", "call", "text", "opens an incident",
	    "met", "partly");
	ck_assert_str_eq(due_at(t, 700), "order");
	DONE(t, INJECT, 700, "inject", "order");
	DONE(t, DECIDE, 710, "decision", "wait", "decider", "Ann", "option",
	    "wait", "option", "move", "dissent", "Bob: move now");
	ck_assert_str_eq(due_at(t, 710), "why");
	DONE(t, INJECT, 711, "inject", "why");
	DONE(t, DECIDE, 712, "decision", "move", "decider", "Ann", "inject",
	    "why");
	ck_assert_str_eq(due_at(t, 7200), "");
	DONE(t, INJECT, 720, "inject", "byhand", "recipient", "Cy");
	ck_assert_uint_eq(tabletop_injects_count(t), 5);
	for (size_t i = 0; i < 5; i++)
		ck_assert(tabletop_inject_at(t, i).is_delivered);
	ck_assert_str_eq(tabletop_inject_at(t, 0).by, "clock");
	ck_assert_str_eq(tabletop_inject_at(t, 1).met, "partly");
	ck_assert_str_eq(tabletop_inject_at(t, 3).answer, "move");
	ck_assert_int_eq(tabletop_inject_at(t, 1).delivered_t_ns, 601 * S);
	ck_assert_int_eq(SAY(t, INJECT, 720, "inject", "nothing"),
	    ERR_NOTFOUND);
	DONE(t, PAUSE, 800);
	ck_assert_str_eq(due_at(t, 9000), "");
	tabletop_free(&t);
}
END_TEST

START_TEST(a_jump_makes_what_it_leaps_over_due_in_order)
{
	struct tabletop *t = playing();

	DONE(t, JUMP, 0, "by_ns", "3600000000000");
	ck_assert_str_eq(due_at(t, 1), "outage");
	DONE(t, INJECT, 1, "inject", "outage");
	ck_assert_str_eq(due_at(t, 1), "call");
	tabletop_free(&t);
}
END_TEST

START_TEST(stop_ends_the_play_from_wherever_it_is)
{
	struct tabletop *t = playing(), *p = in_state(TABLETOP_PAUSED);

	DONE(t, STOP, 5, "reason", "the real link is down");
	ck_assert_int_eq(tabletop_state_of(t), TABLETOP_ENDEX);
	ck_assert(tabletop_was_stopped(t));
	DONE(p, STOP, 5);
	ck_assert(tabletop_was_stopped(p));
	tabletop_free(&t);
	tabletop_free(&p);
	t = in_state(TABLETOP_ENDEX);
	ck_assert(!tabletop_was_stopped(t));
	tabletop_free(&t);
}
END_TEST

START_TEST(a_review_needs_every_objective_rated)
{
	struct tabletop *t = playing();

	DONE(t, ENDEX, 1);
	DONE(t, HOTWASH, 2);
	DONE(t, AAR, 3);
	DONE(t, RATE, 3, "objective_number", "1", "rating", "U");
	ck_assert_int_eq(SAY(t, REVIEW, 4), ERR_REFUSED);
	ck_assert_int_eq(SAY(t, RATE, 4, "objective_number", "3", "rating",
			     "P"),
	    ERR_NOTFOUND);
	ck_assert_int_eq(SAY(t, RATE, 4, "objective_number", "2", "rating",
			     "A"),
	    ERR_INPUT);
	DONE(t, RATE, 4, "objective_number", "2", "rating", "P");
	DONE(t, RATE, 4, "objective_number", "1", "rating", "M");
	ck_assert_str_eq(tabletop_rating(t, 1), "M");
	DONE(t, REVIEW, 5);
	DONE(t, AAR, 6, "reason", "a name is wrong");
	DONE(t, REVIEW, 7);
	tabletop_free(&t);
}
END_TEST

START_TEST(it_closes_when_every_action_is_verified_by_a_retest)
{
	struct tabletop *t = in_state(TABLETOP_ISSUED);

	ck_assert_int_eq(SAY(t, ACTION, 1, "action", "A1", "text", "fix it"),
	    ERR_INPUT);
	ck_assert_int_eq(SAY(t, ACTION, 1, "action", "A2", "text", "x", "owner",
			     "y", "due_ns", "5"),
	    ERR_NOTFOUND);
	ck_assert_int_eq(SAY(t, ACTION, 1, "action", "A01", "text", "x",
			     "owner", "y", "due_ns", "5"),
	    ERR_NOTFOUND);
	DONE(t, ACTION, 1, "action", "A1", "text", "lower the TTL", "owner",
	    "Ann", "due_ns", "2000000000000", "council", "brent");
	DONE(t, ACTIONS, 2);
	ck_assert_int_eq(SAY(t, CLOSE, 3), ERR_REFUSED);
	ck_assert_uint_eq(tabletop_actions_overdue(t, (struct utc){1999 * S}),
	    0);
	ck_assert_uint_eq(tabletop_actions_overdue(t, (struct utc){2001 * S}),
	    1);
	ck_assert_int_eq(SAY(t, ACTION, 3, "action", "A1", "status",
			     "verified"),
	    ERR_REFUSED);
	DONE(t, ACTION, 3, "action", "A1", "status", "done", "evidence",
	    "TTL is 60");
	ck_assert_uint_eq(tabletop_actions_overdue(t, (struct utc){2001 * S}),
	    1);
	ck_assert_int_eq(SAY(t, CLOSE, 3), ERR_REFUSED);
	DONE(t, ACTION, 4, "action", "A1", "status", "verified", "retest",
	    "x-7");
	ck_assert_uint_eq(tabletop_actions_overdue(t, (struct utc){2001 * S}),
	    0);
	ck_assert_str_eq(tabletop_action_value(t, "A1", "owner"), "Ann");
	DONE(t, CLOSE, 5);
	tabletop_free(&t);
}
END_TEST

START_TEST(nobody_there_is_not_briefed)
{
	struct tabletop *t = drafted();

	DONE(t, APPROVE, 0);
	DONE(t, SCHEDULE, 0, "for_ns", "5");
	ck_assert_int_eq(SAY(t, BRIEF, 1), ERR_REFUSED);
	DONE(t, ATTEND, 1, "player", "Ann", "attendance", "expected");
	ck_assert_int_eq(SAY(t, BRIEF, 1), ERR_REFUSED);
	DONE(t, ATTEND, 1, "player", "Ann", "attendance", "present");
	DONE(t, ATTEND, 1, "player", "Ann", "attendance", "left");
	ck_assert_int_eq(SAY(t, BRIEF, 1), ERR_REFUSED);
	DONE(t, ATTEND, 1, "player", "Bob", "attendance", "remote");
	DONE(t, BRIEF, 2);
	ck_assert_str_eq(tabletop_player_value(t, "Ann", "attendance"), "left");
	tabletop_free(&t);
}
END_TEST

START_TEST(a_draft_that_was_cut_off_is_not_approved)
{
	struct tabletop *t;
	struct err e;

	ck_assert_int_eq(tabletop_new(&t, &e), ERR_NONE);
	ck_assert_int_eq(SAY(t, APPROVE, 0), ERR_REFUSED);
	DONE(t, DRAFT, 0, "title", "x", "service", "s", "injects", "2");
	DONE(t, PLAN, 0, "inject", "one");
	ck_assert_int_eq(SAY(t, APPROVE, 0), ERR_REFUSED);
	ck_assert_int_eq(SAY(t, PLAN, 0, "inject", "one"), ERR_EXISTS);
	ck_assert_int_eq(SAY(t, PLAN, 0, "inject", "b", "inject", "b"),
	    ERR_EXISTS);
	ck_assert_int_eq(SAY(t, PLAN, 0, "inject.at_ns", "1", "inject", "b"),
	    ERR_INPUT);
	DONE(t, PLAN, 0, "inject", "two");
	ck_assert_int_eq(SAY(t, DRAFT, 0, "title", "x", "service", "s"),
	    ERR_EXISTS);
	DONE(t, APPROVE, 0);
	tabletop_free(&t);
}
END_TEST

START_TEST(fields_are_known_once_and_of_their_kind)
{
	struct tabletop *t = playing();
	static char big[TABLETOP_TEXT_BYTES_MAX + 2];

	memset(big, 'x', sizeof(big) - 1);
	ck_assert_int_eq(SAY(t, NOTE, 1), ERR_INPUT);
	ck_assert_int_eq(SAY(t, NOTE, 1, "text", ""), ERR_INPUT);
	ck_assert_int_eq(SAY(t, NOTE, 1, "text", "a", "text", "b"), ERR_INPUT);
	ck_assert_int_eq(SAY(t, NOTE, 1, "text", "a", "shell", "b"), ERR_INPUT);
	ck_assert_int_eq(SAY(t, NOTE, 1, "text", "a", "option", "b"),
	    ERR_INPUT);
	ck_assert_int_eq(SAY(t, NOTE, 1, "text", "a", "kind", "joke"),
	    ERR_INPUT);
	ck_assert_int_eq(SAY(t, NOTE, 1, "text", "a", "kind", "hot"),
	    ERR_INPUT);
	ck_assert_int_eq(SAY(t, NOTE, 1, "text", "a", "kind", ""), ERR_INPUT);
	ck_assert_int_eq(SAY(t, NOTE, 1, "text", big), ERR_INPUT);
	ck_assert_int_eq(SAY(t, JUMP, 1, "by_ns", "9223372036854775807"),
	    ERR_INPUT);
	ck_assert_int_eq(SAY(t, JUMP, 1, "by_ns", "1e5"), ERR_INPUT);
	ck_assert_int_eq(SAY(t, JUMP, 1, "by_ns", "99999999999999999999"),
	    ERR_INPUT);
	DONE(t, NOTE, 1, "text", "a", "kind", "hotwash", "who", "Ann");
	ck_assert_str_eq(tabletop_value(tabletop_event_last(t,
					    TABLETOP_DO_NOTE),
			     "who", 0),
	    "Ann");
	tabletop_free(&t);
}
END_TEST

START_TEST(the_median_is_the_middle_one)
{
	int64_t odd[] = {9, 1, 5}, even[] = {8, 2, 4, 100}, one[] = {7};

	ck_assert_int_eq(tabletop_median_ns(odd, 3), 5);
	ck_assert_int_eq(tabletop_median_ns(even, 4), 6);
	ck_assert_int_eq(tabletop_median_ns(one, 1), 7);
	ck_assert_int_eq(tabletop_median_ns(one, 0), -1);
}
END_TEST

START_TEST(names_lead_back_to_their_verbs)
{
	enum tabletop_verb v;

	for (int i = 0; i < TABLETOP_VERBS; i++) {
		ck_assert(tabletop_verb_find(tabletop_verb_name(
						 (enum tabletop_verb)i),
		    &v));
		ck_assert_int_eq(v, i);
	}
	ck_assert(!tabletop_verb_find("shoot", &v));
	ck_assert(!tabletop_is_for_people(TABLETOP_DO_DRAFT));
	ck_assert(!tabletop_is_for_people(TABLETOP_DO_PLAN));
}
END_TEST

Suite *suite_plan_tabletop(void);
Suite *
suite_plan_tabletop(void)
{
	Suite *s = suite_create("plan/tabletop");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, each_event_fits_its_states_and_no_other);
	tcase_add_test(tc, the_clock_runs_in_play_only_and_jumps_forward);
	tcase_add_test(tc, injects_come_by_time_after_answers_and_on_decisions);
	tcase_add_test(tc, a_jump_makes_what_it_leaps_over_due_in_order);
	tcase_add_test(tc, stop_ends_the_play_from_wherever_it_is);
	tcase_add_test(tc, a_review_needs_every_objective_rated);
	tcase_add_test(tc, it_closes_when_every_action_is_verified_by_a_retest);
	tcase_add_test(tc, nobody_there_is_not_briefed);
	tcase_add_test(tc, a_draft_that_was_cut_off_is_not_approved);
	tcase_add_test(tc, fields_are_known_once_and_of_their_kind);
	tcase_add_test(tc, the_median_is_the_middle_one);
	tcase_add_test(tc, names_lead_back_to_their_verbs);
	suite_add_tcase(s, tc);
	return s;
}
