/* A tabletop is drafted: what of the policy it is about, and who plays. */

#include <string.h>

#include <bascule/base/rand.h>

#include "tabletops.h"

#define STEPS_LISTED_MAX 600

static const char *const rules_of_play[] = {
    "every line and every call begins with EXERCISE",
    "nothing is done to a real system; the word STOP ends the play at once, "
    "for "
    "something real",
    "decide on what can be known here and now, and say how old it is",
    "nobody is tested: the plan is",
};

static void
say_steps(struct saying *s, const struct policy_service *p)
{
	/* A record has so many fields and no more. */
	for (size_t i = 0; i < p->step_count && i < STEPS_LISTED_MAX; i++)
		saying_add(s,
		    (p->plan[i].modes & POLICY_MODE_TABLETOP) != 0
			? "plan_step"
			: "plan_skip",
		    p->plan[i].name);
}

static void
say_scenario(struct saying *s, const struct policy_service *p,
    const struct policy_scenario *sc)
{
	saying_add(s, "title",
	    sc != NULL ? sc->title : "a discussion of the plan");
	saying_add(s, "service", p->name);
	if (sc == NULL)
		return;
	saying_add(s, "scenario", sc->name);
	for (size_t i = 0; i < sc->services.count; i++)
		if (strcmp(sc->services.items[i], p->name) != 0)
			saying_add(s, "service", sc->services.items[i]);
	for (size_t i = 0; i < sc->objectives.count; i++)
		saying_add(s, "objective", sc->objectives.items[i]);
	for (size_t i = 0; i < sc->initial_conditions.count; i++)
		saying_add(s, "condition", sc->initial_conditions.items[i]);
	if (sc->duration_ns > 0)
		saying_int(s, "duration_ns", sc->duration_ns);
	saying_int(s, "injects", (int64_t)sc->inject_count);
}

static void
say_draft(struct saying *s, const struct tabletops_order *o,
    const struct policy_service *p, const struct policy_scenario *sc)
{
	say_scenario(s, p, sc);
	saying_add(s, "facilitator", o->facilitator);
	saying_add(s, "scribe", o->scribe);
	saying_add(s, "sponsor", o->sponsor);
	saying_add(s, "place", o->place);
	saying_add(s, "trigger", o->trigger);
	for (size_t i = 0; i < COUNT_OF(rules_of_play); i++)
		saying_add(s, "rule", rules_of_play[i]);
	saying_add(s, "artificiality",
	    "steps are simulated, with durations that real runs had; the "
	    "scenario's clock jumps");
	say_steps(s, p);
	if (p->step_count > STEPS_LISTED_MAX)
		saying_printf(s, "artificiality",
		    "of the plan's %zu steps the first %d are listed",
		    p->step_count, STEPS_LISTED_MAX);
}

static void
say_inject(struct saying *s, const struct policy_inject *in, size_t i)
{
	if (in->name[0] != '\0')
		saying_add(s, "inject", in->name);
	else
		saying_printf(s, "inject", "inject-%zu", i + 1);
	if (in->at_ns >= 0)
		saying_int(s, "inject.at_ns", in->at_ns);
	saying_add(s, "inject.after", in->after);
	saying_add(s, "inject.on", in->on);
	saying_add(s, "inject.to", in->to);
	saying_add(s, "inject.channel", in->channel);
	saying_add(s, "inject.text", in->text);
	saying_add(s, "inject.expect", in->expect);
}

static enum err_code
say_as(struct daemon *d, const char *run, struct tabletop **t,
    enum tabletop_verb verb, const struct saying *s,
    const struct draft_actor *actor, struct err *e)
{
	struct tabletop_event ev = {.verb = verb,
	    .at = now_utc(),
	    .actor = actor == NULL ? TABLETOPS_DAEMON : actor->name,
	    .fields = s->fields,
	    .fields_count = s->count};

	return s->rc == ERR_NONE ? tabletops_happen(d, run, t, &ev, actor, e)
				 : err_nomem(e);
}

static enum err_code
draft_injects(struct daemon *d, const char *run, struct tabletop **t,
    const struct policy_scenario *sc, const struct draft_actor *actor,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && sc != NULL && i < sc->inject_count;
	     i += TABLETOP_PLAN_MAX) {
		OWNED(saying_fini) struct saying s = {0};

		for (size_t k = i;
		     k < sc->inject_count && k < i + TABLETOP_PLAN_MAX; k++)
			say_inject(&s, &sc->injects[k], k);
		rc = say_as(d, run, t, TABLETOP_DO_PLAN, &s, actor, e);
	}
	return rc;
}

/* Each begins with "player". */
static enum err_code
draft_players(struct daemon *d, const char *run, struct tabletop **t,
    const struct saying *players, const struct draft_actor *actor,
    struct err *e)
{
	enum err_code rc = ERR_NONE;
	size_t i = 0;

	while (rc == ERR_NONE && players != NULL && i < players->count) {
		OWNED(saying_fini) struct saying s = {0};

		do {
			saying_add(&s, players->fields[i].name,
			    players->fields[i].value);
			i++;
		} while (i < players->count &&
		    strcmp(players->fields[i].name, "player") != 0);
		saying_add(&s, "attendance", "expected");
		rc = say_as(d, run, t, TABLETOP_DO_ATTEND, &s, actor, e);
	}
	return rc;
}

static void
name_run(char run[JOB_ID_BYTES])
{
	uint8_t random[4];
	char stamp[NOW_TEXT_BYTES], hex[TEXT_HEX_BYTES(sizeof(random))];

	rand_bytes(random, sizeof(random));
	snprintf(run, JOB_ID_BYTES, "%s-%s", now_stamp(now_utc(), stamp),
	    text_hex(random, sizeof(random), hex));
}

static enum err_code
find_scenario(struct daemon *d, const char *name,
    const struct policy_scenario **sc, struct err *e)
{
	*sc = NULL;
	if (name == NULL || name[0] == '\0')
		return ERR_NONE;
	*sc = policy_find_scenario(d->policy, name);
	if (*sc != NULL)
		return ERR_NONE;
	err_set(e, ERR_NOTFOUND, "there is no scenario '%s'", name);
	return err_hint(e,
	    "the policy's scenarios: a file each, named in "
	    "'policy'");
}

enum err_code
tabletops_draft(struct daemon *d, const struct tabletops_order *o,
    char run[JOB_ID_BYTES], struct err *e)
{
	OWNED(tabletop_free) struct tabletop *t = NULL;
	OWNED(saying_fini) struct saying s = {0};
	const struct policy_service *p =
	    policy_find_service(d->policy, o->service);
	const struct policy_scenario *sc;
	enum err_code rc = find_scenario(d, o->scenario, &sc, e);

	if (rc == ERR_NONE && p == NULL)
		rc = err_set(e, ERR_NOTFOUND, "there is no service '%s'",
		    o->service);
	if (rc == ERR_NONE)
		rc = tabletop_new(&t, e);
	if (rc != ERR_NONE)
		return rc;
	name_run(run);
	say_draft(&s, o, p, sc);
	rc = say_as(d, run, &t, TABLETOP_DO_DRAFT, &s, o->actor, e);
	if (rc == ERR_NONE)
		rc = draft_injects(d, run, &t, sc, o->actor, e);
	if (rc == ERR_NONE)
		rc = draft_players(d, run, &t, o->players, o->actor, e);
	return rc == ERR_NONE ? tabletops_keep(d, run, &t, e) : rc;
}
