#include "moves.h"

#include <string.h>

#include "etcd.h"
#include "peer.h"
#include "question.h"
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

void
moves_plain(char *text)
{
	for (char *c = text; *c != '\0'; c++)
		if (*c == ';')
			*c = ',';
}

const char *
moves_remedy(const struct err *e)
{
	return e->code == ERR_NOSPACE
	    ? "make room on that disk, it goes on by itself then"
	    : "it is tried again and again";
}

/* "retry skip abort": the first is typed, the others are told. */
static void
say_answer(struct move_turn *t, const char *run, const struct question *a)
{
	size_t first = strcspn(a->verbs, " "), used;
	const char *rest = a->verbs + first;

	used = (size_t)snprintf(t->next, sizeof(t->next),
	    "bascule failover answer %.64s %.64s %.*s", run, a->name,
	    (int)first, a->verbs);
	if (*rest != '\0' && used < sizeof(t->next))
		snprintf(t->next + used, sizeof(t->next) - used, " (or%s)",
		    rest);
}

/* A step of the plan asks somebody: then it is not the plan's turn. */
static void
say_asked(struct daemon *d, struct movebook_item *item)
{
	struct move_turn *t = &item->turn;
	const struct job *j = d->jobs;

	while (j != NULL &&
	    (item->work.job[0] == '\0' || strcmp(j->id, item->work.job) != 0))
		j = j->next;
	if (j == NULL || j->questions == NULL)
		return;
	t->whom = MOVE_PERSON;
	t->since = j->questions->asked;
	t->alarm = true;
	snprintf(t->why, sizeof(t->why), "%s", j->questions->text);
	moves_plain(t->why);
	say_answer(t, item->m.run, j->questions);
}

/* What hindered it at this look, for as long as it does. */
static void
say_hindrance(struct movebook_item *item)
{
	struct movebook_hindrance *h = &item->hindrance;
	struct move_turn *t = &item->turn;

	if (!h->stands) {
		h->text[0] = '\0';
		return;
	}
	t->alarm = true;
	t->since = h->since;
	t->next[0] = '\0';
	snprintf(t->why, sizeof(t->why), "%s", h->text);
}

/* Alarms: held, contested, waiting too long; over when it goes on. */
static void
tell_people(struct daemon *d, const struct movebook_item *item)
{
	const struct daemon_service *s = daemon_service(d, item->m.service);
	bool is_frozen = s->authority.state == AUTHORITY_HELD ||
	    s->authority.state == AUTHORITY_CONTESTED;
	char text[600];

	snprintf(text, sizeof(text), "%s: %.250s%s%.250s",
	    move_event_name(move_phase(&item->m)), item->turn.why,
	    item->turn.next[0] != '\0' ? "; next: " : "", item->turn.next);
	if (item->turn.alarm)
		alarm_raise(d,
		    &(struct alarm_what){.on = POLICY_ON_FAILOVER,
			.level = is_frozen ? ALARM_CRITICAL : ALARM_WARNING,
			.service = item->m.service,
			.subject = item->m.run,
			.run = item->m.run,
			.text = text});
	else
		alarm_clear(d, POLICY_ON_FAILOVER, item->m.service, item->m.run,
		    text);
}

/* It runs at the new site and nobody has said that it may stay. */
static void
remind(struct daemon *d, struct movebook_item *item)
{
	const struct policy_service *s =
	    daemon_service(d, item->m.service)->policy;
	int64_t after_ns = s->failover.commit_reminder_ns;
	bool waits = item->m.b.fact[MOVE_RAN] != 0 &&
	    move_phase(&item->m) == MOVE_RAN &&
	    strcmp(item->m.to, d->policy->site) == 0;
	char subject[AUTHORITY_RUN_BYTES + 16], text[400];

	snprintf(subject, sizeof(subject), "commit of %s", item->m.run);
	snprintf(text, sizeof(text),
	    "it runs here and is neither accepted nor rolled back; type: "
	    "bascule failover commit %s --confirm %s (or failover rollback)",
	    item->m.run, item->m.to);
	if (!waits)
		alarm_clear(d, POLICY_ON_FAILOVER, item->m.service, subject,
		    "it is decided");
	else if (after_ns > 0 &&
	    now_utc().ns - item->m.b.at[MOVE_RAN].ns > after_ns) {
		moverecord_remind(d, item, after_ns, text);
		alarm_raise(d,
		    &(struct alarm_what){.on = POLICY_ON_FAILOVER,
			.level = ALARM_WARNING,
			.service = item->m.service,
			.subject = subject,
			.run = item->m.run,
			.text = text});
	}
}

void
moves_say(struct daemon *d, const struct daemon_service *s, char *out,
    size_t out_bytes)
{
	const struct movebook_item *item = d->moves == NULL
	    ? NULL
	    : movebook_find(&d->moves->book, NULL, s->policy->name);
	char since[NOW_TEXT_BYTES];

	out[0] = '\0';
	if (s->authority.quarantined)
		snprintf(out, out_bytes,
		    "quarantined: the other site has not said where it is "
		    "since this daemon's start");
	if (stepdown_say(d, s->policy->name, out, out_bytes) || item == NULL ||
	    !item->has_turn || item->turn.act == MOVE_NOTHING ||
	    (move_is_over(&item->m) && move_phase(&item->m) != MOVE_COMMITTED))
		return;
	now_text((struct utc){item->turn.since.ns / NS_PER_S * NS_PER_S},
	    since);
	snprintf(out, out_bytes, "move %s to %s is %s since %s: %s%s%s",
	    item->m.run, item->m.to, move_event_name(move_phase(&item->m)),
	    since, item->turn.why, item->turn.next[0] != '\0' ? "; type: " : "",
	    item->turn.next);
}

const char *
moves_hindrance(const struct daemon *d, const char *service)
{
	const struct movebook_item *item = d->moves == NULL
	    ? NULL
	    : movebook_find(&d->moves->book, NULL, service);

	return item == NULL ? "" : item->hindrance.text;
}

bool
moves_say_next(const struct daemon *d, const char *run, char *out,
    size_t out_bytes)
{
	const struct movebook_item *i =
	    d->moves == NULL ? NULL : d->moves->book.items;

	for (; i != NULL; i = i->next) {
		if (strcmp(i->m.run, run) != 0 || !i->has_turn ||
		    i->turn.act == MOVE_NOTHING ||
		    move_phase(&i->m) == MOVE_REQUESTED)
			continue;
		if (i->turn.next[0] != '\0')
			snprintf(out, out_bytes, "%s (%s: %.300s)",
			    i->turn.next, i->m.service, i->turn.why);
		else
			snprintf(out, out_bytes, "nothing to type: %s: %.300s",
			    i->m.service, i->turn.why);
		return true;
	}
	return false;
}

static void
look_at(struct daemon *d, struct movebook_item *item)
{
	struct move_facts facts;
	enum guards_phase gate;
	struct err e;

	item->hindrance.stands = false;
	moveact_settle(d, item);
	movefacts_gather(d, item, &facts);
	if (!facts.works && move_gate(&item->m, d->policy->site, &facts, &gate))
		facts.gate_passes = moveguard_passes(d, item, gate);
	facts.gate_text = item->blocked;
	if (move_turn(&item->m, d->policy->site, &facts, now_utc(), &item->turn,
		&e) != ERR_NONE) {
		note_log(NOTE_ERROR, "move %s of '%s': %s", item->m.run,
		    item->m.service, e.text);
		return;
	}
	item->has_turn = true;
	if (facts.works)
		say_asked(d, item);
	if (!must_wait(d, item) && !facts.works)
		moveact_begin(d, item);
	say_hindrance(item);
	tell_people(d, item);
	remind(d, item);
}

static void
expire(struct daemon *d, const struct movebook_item *item)
{
	struct err e;

	if (move_phase(&item->m) == MOVE_REQUESTED && item->expires.ns != 0 &&
	    strcmp(item->m.asked_at, d->policy->site) == 0 &&
	    now_utc().ns > item->expires.ns &&
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

/*
 * What one move has just recorded the next one has to know: two of a service
 * must not bind this site in one and the same look (G01).
 */
static void
look_at_all(struct daemon *d)
{
	struct moves *v = d->moves;
	bool told = v->dirty, changed;
	struct err e;

	for (struct movebook_item *i = v->book.items; i != NULL; i = i->next) {
		if (!is_ours(d, i))
			continue;
		v->dirty = false;
		expire(d, i);
		look_at(d, i);
		moveact_tend(d, i);
		told = told || v->dirty;
		if (!v->dirty ||
		    movebook_update(d, &v->book, &changed, &e) == ERR_NONE)
			continue;
		note_log(NOTE_ERROR, "moves: %s", e.text);
		break;
	}
	v->dirty = told;
}

void
moves_look(struct daemon *d)
{
	struct moves *v = d->moves;
	struct mono now = now_mono();
	bool changed = false;
	struct err e;

	if (v == NULL || d->stopping ||
	    (!v->dirty && now.ns - v->looked.ns < LOOK_NS))
		return;
	v->dirty = false;
	v->looked = now;
	if (movebook_update(d, &v->book, &changed, &e) != ERR_NONE) {
		note_log(NOTE_ERROR, "moves: %s", e.text);
		return;
	}
	if (changed && movebook_is_open(&v->book))
		peers_quicken(d);
	hear_all(d);
	look_at_all(d);
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
