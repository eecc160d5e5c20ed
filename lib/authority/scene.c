/* What the turns are made of: the records of a side, and the ways to settle. */

#include "scene.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>

/* --- what is recorded ------------------------------------------------------ */

bool
scene_has(const struct move_side *s, enum move_event_kind k)
{
	return s->fact[k] != 0;
}

bool
scene_either(const struct scene *c, enum move_event_kind k)
{
	return scene_has(c->a, k) || scene_has(c->b, k);
}

enum scene_state
scene_state_of(const struct move_side *s, enum move_act act)
{
	static const enum scene_state by[] = {SCENE_DONE, SCENE_NOT_DONE,
	    SCENE_UNCERTAIN};

	if (s->intent[act] == 0)
		return SCENE_NONE;
	return s->intent[act] > s->outcome[act] ? SCENE_OPEN
						: by[s->result[act]];
}

/* As turn_act_of, of what was begun after that row. */
enum scene_state
scene_state_since(const struct move_side *s, enum move_act act, uint64_t row)
{
	return s->intent[act] > row ? scene_state_of(s, act) : SCENE_NONE;
}

static const struct move_side *
resolver(const struct move *m)
{
	const struct move_side *a = &m->a, *b = &m->b;

	if (!scene_has(a, MOVE_RESOLVED) && !scene_has(b, MOVE_RESOLVED))
		return NULL;
	return a->epoch_of[MOVE_RESOLVED] >= b->epoch_of[MOVE_RESOLVED] ? a : b;
}

/* That epoch is this side's own: it took it, or gave it to itself. */
static bool
claims(const struct move *m, const struct move_side *s, uint64_t epoch)
{
	const char *site = s == &m->a ? m->from : m->to;
	const struct move_side *r = resolver(m);

	return s->epoch_of[MOVE_TAKEN] == epoch ||
	    strcmp(r->owner, site) == 0 ||
	    (s->epoch_of[MOVE_RESOLVED] == epoch &&
		strcmp(s->owner, site) == 0);
}

/*
 * Of an epoch that people have given to the other site, a site holds nothing:
 * it has let go, and the owner runs on.
 */
bool
scene_side_held(const struct move *m, const struct move_side *s)
{
	const struct move_side *r = resolver(m);
	uint64_t held = s->epoch_of[MOVE_HELD], since;

	if (!scene_has(s, MOVE_HELD) || r == NULL)
		return scene_has(s, MOVE_HELD);
	since = r->epoch_of[MOVE_RESOLVED];
	return held > since || (held == since && claims(m, s, since));
}

/* The other site's decision ends what only this one was unsure about. */
bool
scene_held(const struct move *m)
{
	bool is_a = scene_side_held(m, &m->a), is_b = scene_side_held(m, &m->b);

	if (resolver(m) == NULL) {
		is_a = is_a && !scene_has(&m->b, MOVE_COMMITTED) &&
		    !scene_has(&m->a, MOVE_ROLLED_BACK);
		is_b = is_b && !scene_has(&m->a, MOVE_ABORTED) &&
		    !scene_has(&m->a, MOVE_ROLLED_BACK) &&
		    !scene_has(&m->b, MOVE_ABORTED);
	}
	return is_a || is_b;
}

const char *
scene_resolved(const struct move *m, uint64_t *epoch)
{
	const struct move_side *r = resolver(m);

	if (r == NULL || scene_held(m))
		return NULL;
	if (epoch != NULL)
		*epoch = r->epoch_of[MOVE_RESOLVED];
	return r->owner;
}

bool
scene_captured(const struct move *m)
{
	const char *owner = scene_resolved(m, NULL);

	if (owner != NULL)
		return scene_has(strcmp(owner, m->from) == 0 ? &m->b : &m->a,
		    MOVE_DIVERGENCE);
	return m->mode == GUARDS_PLANNED || scene_has(&m->a, MOVE_DIVERGENCE);
}

/* A word given at B before the plan had ended is about nothing. */
bool
scene_accepted(const struct move *m)
{
	enum move_event_kind ran =
	    scene_has(&m->b, MOVE_RAN) ? MOVE_RAN : MOVE_RESUMED;

	return m->b.fact[MOVE_SAY_COMMIT] > m->b.fact[ran] ||
	    scene_has(&m->a, MOVE_SAY_COMMIT);
}

/* --- settling -------------------------------------------------------------- */

bool
scene_say(struct scene *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->t->why, sizeof(c->t->why), fmt, ap);
	va_end(ap);
	text_mend_end(c->t->why);
	return true;
}

void
scene_next_is(struct scene *c, const char *command, const char *option)
{
	snprintf(c->t->next, sizeof(c->t->next), "bascule %s %s%s%s", command,
	    c->m->run, *option != '\0' ? " " : "", option);
}

/* The site to type: --confirm. */
void
scene_next_confirm(struct scene *c, const char *command, const char *site)
{
	snprintf(c->t->next, sizeof(c->t->next), "bascule %s %s --confirm %s",
	    command, c->m->run, site);
}

void
scene_wait_for(struct scene *c, enum move_whom whom, struct utc since)
{
	c->t->act = MOVE_WAIT;
	c->t->whom = whom;
	c->t->since = since;
}

bool
scene_nothing(struct scene *c, const char *why)
{
	c->t->act = MOVE_NOTHING;
	return scene_say(c, "%s", why);
}

bool
scene_act(struct scene *c, enum move_act a, const char *why)
{
	c->t->act = a;
	c->t->whom = MOVE_WORK;
	c->t->since = c->now;
	return scene_say(c, "%s", why);
}

bool
scene_record(struct scene *c, enum move_event_kind k, const char *why)
{
	c->t->act = MOVE_RECORD;
	c->t->event = k;
	c->t->since = c->now;
	return scene_say(c, "%s", why);
}

void
scene_change(struct scene *c, enum authority_event_kind kind)
{
	c->t->changes_register = true;
	c->t->reg = (struct authority_event){.kind = kind,
	    .here = c->site,
	    .run = c->m->run};
}

void
scene_change_owner(struct scene *c, enum authority_event_kind kind,
    const char *site, uint64_t epoch)
{
	scene_change(c, kind);
	c->t->reg.site = site;
	c->t->reg.epoch = epoch;
	c->t->reg.persons = c->f->release_persons;
}

/* A clock that was set back must not make anything wait for the old time. */
int64_t
scene_elapsed(const struct scene *c, struct utc since)
{
	return c->now.ns > since.ns ? c->now.ns - since.ns
				    : since.ns - c->now.ns;
}

/* Longer than people are to wait without a word, or this site at all. */
bool
scene_is_too_long(struct scene *c, struct utc since)
{
	if (c->f->patience_ns == 0)
		return false;
	if (scene_elapsed(c, since) >= c->f->patience_ns)
		return true;
	c->t->until.ns = since.ns + c->f->patience_ns;
	return false;
}

/* The other site's turn; people are told when it takes too long. */
bool
scene_wait_peer(struct scene *c, struct utc since, const char *what)
{
	scene_wait_for(c, MOVE_PEER, since);
	c->t->alarm = scene_is_too_long(c, since);
	if (c->f->peer_says != NULL)
		return scene_say(c, "waiting for %s %s; it says: %s", c->there,
		    what, c->f->peer_says);
	return scene_say(c, "waiting for %s %s%s", c->there, what,
	    c->f->peer_answers ? "" : "; it does not answer");
}

const char *
scene_blame_peer(const struct scene *c, const char *what,
    char out[SCENE_WHY_BYTES])
{
	if (c->f->peer_says != NULL)
		snprintf(out, SCENE_WHY_BYTES, "%s %s; it says: %s", c->there,
		    what, c->f->peer_says);
	else if (c->f->peer_answers)
		snprintf(out, SCENE_WHY_BYTES,
		    "%s %s; why not: bascule status at %s", c->there, what,
		    c->there);
	else
		snprintf(out, SCENE_WHY_BYTES, "%s %s; it does not answer",
		    c->there, what);
	return out;
}

/* True: the turn is settled, for the guards do not let through. */
bool
scene_is_barred(struct scene *c, enum guards_phase gate)
{
	c->t->gated = true;
	c->t->gate = gate;
	if (c->f->gate_passes)
		return false;
	scene_wait_for(c, MOVE_PERSON, c->me->latest);
	scene_next_is(c, "failover show", "");
	scene_say(c, "a guard does not let through: %s",
	    c->f->gate_text == NULL ? "" : c->f->gate_text);
	return true;
}

bool
scene_is_unhearing(struct scene *c)
{
	if (!c->f->reg->quarantined)
		return false;
	scene_wait_for(c, MOVE_PEER, c->me->latest);
	c->t->alarm = true;
	snprintf(c->t->next, sizeof(c->t->next),
	    "bascule hold resolve %s --owner %s", c->m->service,
	    c->f->reg->site);
	return scene_say(c,
	    "quarantined: since this daemon's start %s has not said where the "
	    "service is; it is heard, or two people release it",
	    c->there);
}

/* One has let go, or was fenced, and the other has not taken it. */
static bool
runs_nowhere(const struct scene *c)
{
	if (scene_has(c->b, MOVE_GRANTED)) /* rolled back */
		return !scene_has(c->a, MOVE_ROLLED_BACK);
	return (scene_has(c->a, MOVE_DEMOTED) ||
		   scene_has(c->b, MOVE_FENCED)) &&
	    !scene_has(c->b, MOVE_PROVISIONAL);
}

bool
scene_is_quorumless(struct scene *c)
{
	if (!c->f->quorum_lost)
		return false;
	scene_wait_for(c, MOVE_NOBODY, c->me->latest);
	c->t->alarm = true;
	if (!runs_nowhere(c))
		return scene_say(c,
		    "etcd has no quorum: no move is decided without it, and "
		    "what runs goes on running; bring its members back "
		    "('bascule readiness' says what of it answers), and it "
		    "goes "
		    "on by itself");
	scene_next_is(c, "failover hold", "");
	return scene_say(c,
	    "'%s' runs nowhere: it is stopped for this move, and etcd, which "
	    "says who owns it, has no quorum; bring its members back "
	    "('bascule readiness' says what of it answers), and it goes on by "
	    "itself; if they are lost, hold the run, and two people say where "
	    "it runs",
	    c->m->service);
}

/*
 * Do it until it is done: after an outcome that is not, again after a pause.
 * False: it is done.
 */
bool
scene_is_working(struct scene *c, enum move_act a, uint64_t since,
    const char *why)
{
	enum scene_state st = scene_state_since(c->me, a, since);
	int64_t pause = c->f->retry_ns == 0 ? SCENE_RETRY_NS : c->f->retry_ns;

	if (st == SCENE_DONE)
		return false;
	scene_act(c, a, why);
	if (st != SCENE_NOT_DONE && st != SCENE_UNCERTAIN)
		return true;
	c->t->alarm = c->me->tries[a] >= SCENE_TRIES_CALM;
	if (scene_elapsed(c, c->me->act_at[a]) >= pause)
		return true;
	scene_wait_for(c, MOVE_NOBODY, c->me->act_at[a]);
	c->t->until.ns = c->me->act_at[a].ns + pause;
	scene_next_is(c, "failover show", "");
	return scene_say(c, "%s: %s; it is tried again", move_act_name(a),
	    *c->me->act_reason != '\0' ? c->me->act_reason : "not done");
}

bool
scene_is_swapped(const struct scene *c, const char *to)
{
	return c->f->witness_owner != NULL &&
	    c->f->witness_epoch > c->f->reg->epoch &&
	    c->f->witness_epoch >= c->f->reg->highest_seen &&
	    strcmp(c->f->witness_owner, to) == 0;
}

bool
scene_is_behind(struct scene *c)
{
	const struct authority *peer = c->f->peer_reg;
	enum authority_hearing h = peer == NULL
	    ? AUTHORITY_SAME
	    : authority_hear(c->f->reg, peer, c->site);

	if ((h != AUTHORITY_STEP_DOWN && h != AUTHORITY_FOLLOW) ||
	    (!c->f->peer_answers && c->f->reg->quarantined))
		return false;
	scene_change(c, AUTHORITY_ADOPT);
	c->t->reg.peer = peer;
	return true;
}

bool
scene_record_stopped(struct scene *c)
{
	(void)scene_is_behind(c);
	return scene_record(c, MOVE_STOPPED, "fenced, read back");
}

bool
scene_is_ahead(const struct scene *c, const char *to, uint64_t than)
{
	const struct authority *reg = c->f->reg;

	return reg->state == AUTHORITY_MOVING && reg->epoch > than &&
	    strcmp(reg->run, c->m->run) == 0 && strcmp(reg->site, to) == 0;
}

uint64_t
scene_next_epoch(const struct scene *c)
{
	uint64_t known = scene_epoch_there(c);

	if (c->f->witness_epoch > known)
		known = c->f->witness_epoch;
	if (c->f->reg->highest_seen > known)
		known = c->f->reg->highest_seen;
	return known + 1;
}

/* Here by the order of the records, for a clock may have been set back. */
bool
scene_was_said_since(const struct scene *c, enum move_event_kind word,
    enum move_act act)
{
	return c->me->fact[word] > c->me->outcome[act] ||
	    (scene_has(c->other, word) &&
		c->other->at[word].ns > c->me->act_at[act].ns);
}

bool
scene_hold(struct scene *c, const char *why)
{
	c->t->alarm = true;
	if (c->f->reg->state != AUTHORITY_CONTESTED)
		scene_change(c, AUTHORITY_HOLD);
	return scene_record(c, MOVE_HELD, why);
}

/* The highest that the other site has named. */
uint64_t
scene_epoch_there(const struct scene *c)
{
	uint64_t epoch = c->other->epoch_of[MOVE_TAKEN];

	if (c->other->epoch_of[MOVE_RESOLVED] > epoch)
		epoch = c->other->epoch_of[MOVE_RESOLVED];
	if (c->f->peer_reg != NULL && c->f->peer_reg->highest_seen > epoch)
		epoch = c->f->peer_reg->highest_seen;
	return epoch;
}

bool
scene_is_rolling_back(const struct scene *c)
{
	return scene_has(c->b, MOVE_PROVISIONAL) &&
	    !scene_has(c->b, MOVE_COMMITTED) &&
	    (scene_either(c, MOVE_SAY_ROLLBACK) ||
		scene_has(c->b, MOVE_CAPTURED));
}
