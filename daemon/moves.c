#include "moves.h"

#include <string.h>

#include "etcd.h"
#include "facts.h"
#include "peer.h"
#include "stepdown.h"

#define LOOK_NS (NS_PER_S / 2) /* while a move is open */

/* Or what a service's register is has yet to be heard. */
bool
moves_are_open(const struct daemon *d)
{
	if (d->moves == NULL)
		return false;
	for (size_t i = 0; i < d->policy->service_count; i++)
		if (d->services[i].authority.quarantined)
			return true;
	return movebook_is_open(&d->moves->book);
}

int64_t
moves_wait_ns(const struct daemon *d)
{
	if (d->moves != NULL && d->moves->is_amid)
		return DAEMON_TURN_NS;
	return moves_are_open(d) ? LOOK_NS : INT64_MAX;
}

void
moves_told(struct daemon *d)
{
	daemon_sign_now(d);
	peers_hurry(d);
	if (d->moves != NULL)
		d->moves->dirty = true;
	daemon_kick(d);
}

/* --- the other site's register ---------------------------------------------------- */

struct peer *
moves_peer_of(const struct daemon *d, const struct policy_service *s)
{
	const char *here = d->policy->site;

	if (*s->standby == '\0' || *d->policy->bridge.identity == '\0' ||
	    (strcmp(s->home, here) != 0 && strcmp(s->standby, here) != 0))
		return NULL;
	return peers_find(d, policy_find_peer(s, here));
}

bool
moves_is_the_others(const struct daemon *d, const struct daemon_service *s)
{
	return moves_peer_of(d, s->policy) != NULL &&
	    strcmp(s->authority.site, d->policy->site) != 0;
}

void
moves_complain(const struct movebook_item *item, const struct err *e)
{
	note_log(NOTE_ERROR, "move %s of '%s': %s", item->m.run,
	    item->m.service, e->text);
}

bool
moves_bring_up(const struct daemon *d, const struct daemon_service *s)
{
	const struct authority *a = &s->authority;
	const struct movebook_item *item;
	const struct move_side *me;

	if (a->state != AUTHORITY_PROVISIONAL ||
	    strcmp(a->site, d->policy->site) != 0)
		return false;
	if (d->moves == NULL)
		return true; /* at the start: it will be known in a moment */
	item = movebook_find(&d->moves->book, a->run, s->policy->name);
	if (item == NULL)
		return false;
	me = strcmp(item->m.to, a->site) == 0 ? &item->m.b : &item->m.a;
	if (me->epoch_of[MOVE_PROVISIONAL] < a->epoch)
		return true; /* its record follows the register */
	/* What never was undone does not plan again: it is resumed. */
	return me->fact[MOVE_RAN] <= me->fact[MOVE_PROVISIONAL] &&
	    me->fact[MOVE_RESUMED] <= me->fact[MOVE_PROVISIONAL];
}

bool
moves_under_way(const struct daemon *d, char *out, size_t out_bytes)
{
	const struct movebook_item *item =
	    d->moves == NULL ? NULL : d->moves->book.items;

	for (; item != NULL; item = item->next) {
		const struct move *m = &item->m;

		if (strcmp(m->to, d->policy->site) != 0 || move_is_over(m) ||
		    (m->a.fact[MOVE_STARTED] == 0 &&
			m->b.fact[MOVE_STARTED] == 0) ||
		    m->b.fact[MOVE_RAN] > m->b.fact[MOVE_PROVISIONAL])
			continue;
		snprintf(out, out_bytes, "move %s of '%s'", m->run, m->service);
		return true;
	}
	return false;
}

static void
hear(struct daemon *d, struct daemon_service *s, const struct peer *p)
{
	const struct movebook_reg *reg =
	    movebook_register(&d->moves->book, s->policy->name, p->site->name);
	char reason[160];

	if (reg == NULL) /* it has another policy, and says nothing of it */
		return;
	snprintf(reason, sizeof(reason), "heard from site '%s'", p->site->name);
	stepdown_hear(d, s, &reg->a, false, reason);
}

static void
hear_all(struct daemon *d)
{
	for (size_t i = 0; i < d->policy->service_count; i++) {
		struct daemon_service *s = &d->services[i];
		struct peer *p = moves_peer_of(d, s->policy);
		struct authority there;

		if (etcdmove_heard(d, s->policy->name, &there))
			stepdown_hear(d, s, &there, true, "heard from etcd");
		if (p != NULL && p->whole.ns != 0 && !p->parted)
			hear(d, s, p);
	}
}

/* --- each move ----------------------------------------------------------------------- */

/* In the order of `depends`: what it needs runs there first. */
static const char *
waits_for(struct daemon *d, const struct movebook_item *item)
{
	const struct policy_service *s =
	    daemon_service(d, item->m.service)->policy;

	for (size_t i = 0; i < s->depends.count; i++) {
		const struct movebook_item *other =
		    movebook_find(&d->moves->book, item->m.run,
			s->depends.items[i]);

		if (other != NULL && other != item &&
		    other->m.b.fact[MOVE_RAN] == 0 && !move_is_over(&other->m))
			return s->depends.items[i];
	}
	return NULL;
}

/* A backup that runs lets go by itself when it ends, so it is waited for. */
static bool
is_backed_up(struct daemon *d, const char *service)
{
	for (const struct job *j = d->jobs; j != NULL; j = j->next)
		if (j->worker != NULL && j->run[0] == '\0' &&
		    j->service != NULL && strcmp(j->service, service) == 0 &&
		    strcmp(j->kind->name, "backup") == 0)
			return true;
	return false;
}

static bool
must_wait(struct daemon *d, struct movebook_item *item)
{
	struct move_turn *t = &item->turn;
	const char *other = NULL;

	if (t->act == MOVE_WAIT || t->act == MOVE_NOTHING)
		return true;
	if (t->act == MOVE_RECORD &&
	    (t->event == MOVE_READY || t->event == MOVE_DECLARED))
		other = waits_for(d, item);
	if (other != NULL) {
		snprintf(t->why, sizeof(t->why),
		    "waiting until '%s', which it needs, runs there", other);
		return true;
	}
	if (t->act == MOVE_RECORD && t->event == MOVE_DECLARED &&
	    movefacts_answered_lately(d, item)) {
		snprintf(t->why, sizeof(t->why),
		    "site '%s' answered a few seconds ago: it is asked again, "
		    "and is taken for lost when it is silent",
		    item->m.from);
		return true;
	}
	if (t->act != MOVE_QUIESCE || !is_backed_up(d, item->m.service))
		return false;
	snprintf(t->why, sizeof(t->why), "waiting for a backup to end");
	return true;
}

/* G04 of so many services that one turn would not do: what their approvers saw
 * is looked at a slice further.  False: it is not known yet. */
static bool
is_seen(struct daemon *d, const struct movebook_item *item,
    enum guards_phase gate)
{
	return !guards_holds(4, item->m.mode, gate) ||
	    facts_see(d, item->m.run);
}

/* False: it is not done with, the next turn goes on. */
static bool
look_at(struct daemon *d, struct movebook_item *item)
{
	struct move_facts facts;
	struct move_turn *t = &item->turn;
	enum guards_phase gate;
	struct err e;

	item->hindrance.stands = false;
	movefacts_gather(d, item, &facts);
	if (!facts.works &&
	    move_gate(&item->m, d->policy->site, &facts, &gate)) {
		if (!is_seen(d, item, gate))
			return false;
		facts.gate_passes = moveguard_passes(d, item, gate);
	}
	facts.gate_text = item->blocked;
	if (move_turn(&item->m, d->policy->site, &facts, now_utc(), t, &e) !=
	    ERR_NONE) {
		note_log(NOTE_ERROR, "move %s of '%s': %s", item->m.run,
		    item->m.service, e.text);
		return true;
	}
	item->has_turn = true;
	if (t->since.ns == 0) /* recorded at the other site alone */
		t->since = item->m.a.latest.ns != 0 ? item->m.a.latest
						    : item->m.b.latest;
	if (!must_wait(d, item) && !facts.works) {
		/* Its record tells how all guards stand. */
		if (moverecord_tells_all(item) &&
		    !is_seen(d, item, GUARDS_AT_ANY))
			return false;
		moveact_begin(d, item);
	}
	movesay_turn(d, item, &facts);
	movesay_alarms(d, item);
	return true;
}

static void
expire(struct daemon *d, const struct movebook_item *item)
{
	struct err e;

	if (move_phase(&item->m) == MOVE_REQUESTED && item->expires.ns != 0 &&
	    strcmp(item->m.asked_at, d->policy->site) == 0 &&
	    now_utc().ns >= item->expires.ns &&
	    moverecord_fact(d, &item->m, move_event_name(MOVE_EXPIRED), 0, NULL,
		"it was not started in time", &e) != ERR_NONE)
		note_log(NOTE_ERROR, "run %s: %s", item->m.run, e.text);
}

static bool
is_ours(const struct daemon *d, const struct movebook_item *item)
{
	return item->m.known &&
	    daemon_service((struct daemon *)(uintptr_t)d, item->m.service) !=
	    NULL &&
	    (strcmp(item->m.from, d->policy->site) == 0 ||
		strcmp(item->m.to, d->policy->site) == 0);
}

/* True: all of this look are done with. */
static bool
look_at_some(struct daemon *d)
{
	struct moves *v = d->moves;
	const struct mono began = now_mono();
	bool told = v->dirty, changed, all = true, any = false;
	struct err e;

	for (struct movebook_item *i = v->book.items; i != NULL; i = i->next) {
		if (i->round == v->round || !is_ours(d, i))
			continue;
		all = !any || now_mono().ns - began.ns < DAEMON_SLICE_NS;
		if (!all)
			break;
		any = true;
		v->dirty = false;
		expire(d, i);
		all = look_at(d, i);
		if (!all)
			break;
		i->round = v->round;
		movetend_look(d, i);
		told = told || v->dirty;
		/* What it has just recorded the next one has to know: two of a
		 * service must not bind this site in one look (G01). */
		if (!v->dirty ||
		    movebook_update(d, &v->book, &changed, &e) == ERR_NONE)
			continue;
		note_log(NOTE_ERROR, "moves: %s", e.text);
		break;
	}
	v->dirty = told || v->dirty;
	return all;
}

/* Those that were brought up are backed up from now on. */
static void
let_back_up(struct daemon *d)
{
	bool differs = false;
	struct err e;

	for (size_t i = 0; i < d->policy->service_count; i++) {
		struct daemon_service *s = &d->services[i];

		differs = differs || s->backs_up != daemon_backs_up(d, s);
	}
	if (differs && reload_tasks(d, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
}

/* Before the records are folded: what ends here is one of them. */
static void
begin_look(struct daemon *d)
{
	struct moves *v = d->moves;

	v->dirty = false;
	v->looked = now_mono();
	v->round++;
	for (struct movebook_item *i = v->book.items; i != NULL; i = i->next) {
		if (!is_ours(d, i))
			continue;
		moveact_await_fetched(d, i);
		moveact_settle(d, i);
	}
}

void
moves_look(struct daemon *d)
{
	struct moves *v = d->moves;
	bool changed = false;
	struct err e;

	if (v == NULL || d->stopping ||
	    (!v->is_amid && !v->dirty &&
		now_mono().ns - v->looked.ns < LOOK_NS))
		return;
	if (!v->is_amid)
		begin_look(d);
	v->is_amid = false;
	if (movebook_update(d, &v->book, &changed, &e) != ERR_NONE) {
		note_log(NOTE_ERROR, "moves: %s", e.text);
		return;
	}
	if (changed && movebook_is_open(&v->book))
		peers_quicken(d);
	hear_all(d);
	v->is_amid = !look_at_some(d);
	let_back_up(d);
}

/* --- starting, stopping -------------------------------------------------------------- */

enum err_code
moves_start(struct daemon *d, struct err *e)
{
	bool changed;

	d->moves = calloc(1, sizeof(*d->moves));
	if (d->moves == NULL)
		return err_nomem(e);
	d->moves->dirty = true;
	return movebook_update(d, &d->moves->book, &changed, e);
}

void
moves_stop(struct daemon *d)
{
	if (d->moves != NULL) {
		movebook_fini(&d->moves->book);
		stepdown_stop(d->moves);
	}
	free(d->moves);
	d->moves = NULL;
}
