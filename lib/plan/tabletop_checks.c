/* What each event of a tabletop asks for, besides its state and fields. */

#include <bascule/base/text.h>
#include <string.h>

#include "tabletop_rules.h"

bool
tabletop_checks_verified(const struct tabletop *t, const char *action)
{
	return strcmp(tabletop_action_value(t, action, "status"), "verified") ==
	    0;
}

/* The number in "A1"; 0: it is none. */
uint64_t
tabletop_checks_action(const char *action)
{
	uint64_t n;

	return action[0] == 'A' && action[1] != '0' &&
		text_parse_u64(action + 1, TABLETOP_EVENTS_MAX, &n)
	    ? n
	    : 0;
}

static enum err_code
check_planned(const struct tabletop *t, const struct tabletop_event *ev,
    struct err *e)
{
	size_t here = 0, i;
	const char *name;

	if (ev->fields_count == 0 || strcmp(ev->fields[0].name, "inject") != 0)
		return err_set(e, ERR_INPUT, "an inject begins with its name");
	for (; (name = tabletop_value(ev, "inject", here))[0] != '\0'; here++) {
		if (tabletop_inject_find(t, name, &i))
			return err_set(e, ERR_EXISTS,
			    "there is an inject '%.60s' already", name);
		for (size_t k = 0; k < here; k++)
			if (strcmp(tabletop_value(ev, "inject", k), name) == 0)
				return err_set(e, ERR_EXISTS,
				    "inject '%.60s' is planned twice", name);
	}
	if (here > TABLETOP_PLAN_MAX ||
	    tabletop_injects_count(t) + here > TABLETOP_INJECTS_MAX)
		return err_set(e, ERR_INPUT, "more than %d injects",
		    TABLETOP_INJECTS_MAX);
	return ERR_NONE;
}

static enum err_code
check_inject(const struct tabletop *t, const struct tabletop_event *ev,
    struct err *e)
{
	const char *name = tabletop_value(ev, "inject", 0);
	size_t i;

	if (name[0] == '\0')
		return ERR_NONE; /* a decision about no inject */
	if (!tabletop_inject_find(t, name, &i)) {
		err_set(e, ERR_NOTFOUND, "there is no inject '%.60s'", name);
		return err_hint(e, "bascule exercise play ID lists them");
	}
	if (ev->verb == TABLETOP_DO_INJECT &&
	    tabletop_inject_at(t, i).is_delivered)
		return err_set(e, ERR_EXISTS,
		    "inject '%s' was delivered before", name);
	if (ev->verb != TABLETOP_DO_INJECT &&
	    !tabletop_inject_at(t, i).is_delivered)
		return err_set(e, ERR_REFUSED,
		    "inject '%s' was not delivered yet", name);
	return ERR_NONE;
}

static enum err_code
check_objective(const struct tabletop *t, const struct tabletop_event *ev,
    struct err *e)
{
	int64_t n = tabletop_number(ev, "objective_number", 0);

	if (n >= 1 && (size_t)n <= tabletop_objectives_count(t))
		return ERR_NONE;
	return err_set(e, ERR_NOTFOUND,
	    "there is no objective %lld: they are 1 to %zu", (long long)n,
	    tabletop_objectives_count(t));
}

static enum err_code
check_action(const struct tabletop *t, const struct tabletop_event *ev,
    struct err *e)
{
	const char *action = tabletop_value(ev, "action", 0);
	uint64_t n = tabletop_checks_action(action);
	const char *retest = tabletop_value(ev, "retest", 0);

	if (n == 0 || n > tabletop_actions_count(t) + 1)
		return err_set(e, ERR_NOTFOUND,
		    "there is no action '%.40s': they are A1 to A%zu", action,
		    tabletop_actions_count(t));
	if (n == tabletop_actions_count(t) + 1) {
		if (tabletop_value(ev, "text", 0)[0] == '\0' ||
		    tabletop_value(ev, "owner", 0)[0] == '\0' ||
		    tabletop_value(ev, "due_ns", 0)[0] == '\0')
			return err_set(e, ERR_INPUT,
			    "a new action needs a text, an owner and when it "
			    "is due");
		return ERR_NONE;
	}
	if (strcmp(tabletop_value(ev, "status", 0), "verified") == 0 &&
	    retest[0] == '\0' &&
	    tabletop_action_value(t, action, "retest")[0] == '\0')
		return err_set(e, ERR_REFUSED,
		    "action %s is verified by a retest: name its run", action);
	return ERR_NONE;
}

static enum err_code
check_rated(const struct tabletop *t, struct err *e)
{
	for (size_t i = 1; i <= tabletop_objectives_count(t); i++)
		if (tabletop_rating(t, i)[0] == '\0')
			return err_set(e, ERR_REFUSED,
			    "objective %zu is not rated: P, S, M or U", i);
	return ERR_NONE;
}

static enum err_code
check_closed(const struct tabletop *t, struct err *e)
{
	for (size_t i = 1; i <= tabletop_actions_count(t); i++) {
		char name[24];

		snprintf(name, sizeof(name), "A%zu", i);
		if (!tabletop_checks_verified(t, name))
			return err_set(e, ERR_REFUSED,
			    "action %s is not verified", name);
	}
	return ERR_NONE;
}

static enum err_code
check_attended(const struct tabletop *t, struct err *e)
{
	for (size_t i = 0; i < tabletop_events_count(t); i++) {
		const char *who =
		    tabletop_value(tabletop_event_at(t, i), "player", 0);
		const char *is;

		if (tabletop_event_at(t, i)->verb != TABLETOP_DO_ATTEND)
			continue;
		is = tabletop_player_value(t, who, "attendance");
		if (strcmp(is, "present") == 0 || strcmp(is, "remote") == 0)
			return ERR_NONE;
	}
	err_set(e, ERR_REFUSED, "nobody is there to be briefed");
	return err_hint(e, "bascule exercise attend ID NAME --role ROLE");
}

static enum err_code
check_whole(const struct tabletop *t, struct err *e)
{
	const char *want = tabletop_drafted(t, "injects", 0);
	uint64_t n;

	if (want[0] != '\0' && text_parse_u64(want, INT32_MAX, &n) &&
	    tabletop_injects_count(t) != n)
		return err_set(e, ERR_REFUSED,
		    "the draft was cut off: %zu of %s injects; cancel it and "
		    "start another",
		    tabletop_injects_count(t), want);
	return ERR_NONE;
}

static enum err_code
check_jump(const struct tabletop *t, const struct tabletop_event *ev,
    struct err *e)
{
	int64_t by = tabletop_number(ev, "by_ns", 0);
	int64_t clock_ns = tabletop_clock_ns(t, ev->at);

	if (by > 0 && by <= INT64_MAX / 4 && clock_ns < INT64_MAX / 4)
		return ERR_NONE;
	return err_set(e, ERR_INPUT,
	    "the scenario's clock goes forward only: '30m'");
}

enum err_code
tabletop_checks(const struct tabletop *t, const struct tabletop_event *ev,
    struct err *e)
{
	switch (ev->verb) {
	case TABLETOP_DO_DRAFT:
		return tabletop_events_count(t) == 0
		    ? ERR_NONE
		    : err_set(e, ERR_EXISTS, "it was drafted before");
	case TABLETOP_DO_PLAN: return check_planned(t, ev, e);
	case TABLETOP_DO_APPROVE: return check_whole(t, e);
	case TABLETOP_DO_BRIEF: return check_attended(t, e);
	case TABLETOP_DO_JUMP: return check_jump(t, ev, e);
	case TABLETOP_DO_INJECT:
	case TABLETOP_DO_ANSWER:
	case TABLETOP_DO_DECIDE: return check_inject(t, ev, e);
	case TABLETOP_DO_RATE: return check_objective(t, ev, e);
	case TABLETOP_DO_ACTION: return check_action(t, ev, e);
	case TABLETOP_DO_REVIEW: return check_rated(t, e);
	case TABLETOP_DO_CLOSE: return check_closed(t, e);
	default: return ERR_NONE;
	}
}
