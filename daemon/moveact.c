/*
 * The acts of a move: intent, job or jobs, outcome (MV2).
 *
 *	begin -> intent durable -> [register] -> job -> (sync: the next) ->
 *	outcome durable -> look again
 */

#include <string.h>

#include <bascule/base/text.h>

#include "etcd.h"
#include "fencing.h"
#include "moves.h"
#include "peer.h"
#include "stepdown.h"

static void
complain(const struct movebook_item *item, const struct err *e)
{
	note_log(NOTE_ERROR, "move %s of '%s': %s", item->m.run,
	    item->m.service, e->text);
}

/* Said on the screen until it is over, and in the log once. */
static void
hindered(struct movebook_item *item, const char *text)
{
	struct movebook_hindrance *h = &item->hindrance;
	char now[sizeof(h->text)];

	snprintf(now, sizeof(now), "%.250s", text);
	now[strcspn(now, "\n")] = '\0'; /* its hint: no room for it */
	text_mend_end(now);
	moves_plain(now);
	h->stands = true;
	if (strcmp(h->text, now) == 0)
		return;
	if (h->text[0] == '\0')
		h->since = now_utc();
	snprintf(h->text, sizeof(h->text), "%s", now);
	note_log(NOTE_ERROR, "move %s of '%s': %s", item->m.run,
	    item->m.service, text);
}

static void
not_recorded(struct movebook_item *item, const char *what, const struct err *e)
{
	char text[ERR_TEXT_BYTES + 160];

	snprintf(text, sizeof(text),
	    "%s cannot be recorded, so nothing goes on here; %s: %s", what,
	    moves_remedy(e), e->text);
	hindered(item, text);
}

static const struct move_side *
side_of(const struct move *m, const char *site)
{
	return strcmp(m->from, site) == 0 ? &m->a : &m->b;
}

/* --- the point ------------------------------------------------------------------- */

struct choosing {
	const char *wanted;
	char id[ID_HEX_BYTES];
};

/* Newest first. */
static enum err_code
choose(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct choosing *c = ctx;

	(void)e;
	if (c->id[0] == '\0' &&
	    (c->wanted[0] == '\0'
		    ? !p->suspect
		    : strncmp(p->id, c->wanted, strlen(c->wanted)) == 0))
		snprintf(c->id, sizeof(c->id), "%s", p->id);
	return ERR_NONE;
}

/* The one made equal; else the one asked for; else the newest that is sound. */
static enum err_code
find_point(struct daemon *d, const struct move *m, char id[ID_HEX_BYTES],
    struct err *e)
{
	const char *known = m->mode == GUARDS_PLANNED
	    ? m->a.point
	    : side_of(m, d->policy->site)->point;
	struct choosing c = {.wanted = known[0] != '\0' ? known : m->point};
	struct ledger_point_filter f = {.service = m->service,
	    .at_site = d->policy->site,
	    .complete = true};
	enum err_code rc = ledger_points(d->ledger, &f, choose, &c, e);

	/* what was compared here a moment ago is surveyed in a moment */
	if (rc == ERR_NONE && c.id[0] == '\0' && known[0] != '\0')
		snprintf(c.id, sizeof(c.id), "%.64s", known);
	if (rc == ERR_NONE && c.id[0] == '\0')
		rc = err_set(e, ERR_NOTFOUND,
		    "there is no complete recovery point of '%s' here",
		    m->service);
	snprintf(id, ID_HEX_BYTES, "%s", c.id);
	return rc;
}

static enum err_code
hold_point(struct daemon *d, const struct move *m, const char *point,
    struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	enum err_code rc = note_draft(&draft, d, m->service, LEDGER_POINT, e);

	if (rc != ERR_NONE)
		return rc;
	draft_run(draft, m->run);
	draft_text(draft, "point", point);
	draft_uint(draft, "held", 1);
	draft_text(draft, "why", "pre-failover");
	return note_event(d, draft, e);
}

/* The chosen point, and the newest here, which may be another. */
static enum err_code
pin(struct daemon *d, struct movebook_item *item, struct err *e)
{
	struct ledger_point_filter f = {.service = item->m.service,
	    .at_site = d->policy->site,
	    .complete = true,
	    .limit = 1};
	struct choosing newest = {.wanted = ""};
	enum err_code rc = find_point(d, &item->m, item->work.point, e);

	if (rc == ERR_NONE)
		rc = ledger_points(d->ledger, &f, choose, &newest, e);
	if (rc == ERR_NONE)
		rc = hold_point(d, &item->m, item->work.point, e);
	if (rc == ERR_NONE && newest.id[0] != '\0' &&
	    strcmp(newest.id, item->work.point) != 0)
		rc = hold_point(d, &item->m, newest.id, e);
	return rc;
}

/* --- ending --------------------------------------------------------------------------- */

static enum err_code add_snapshots(struct draft *draft, struct daemon *d,
    const char *point, struct err *e);

void
moveact_settle(struct daemon *d, struct movebook_item *item)
{
	OWNED(draft_free) struct draft *draft = NULL;
	struct movebook_work *w = &item->work;
	char what[64];
	struct err e;
	enum err_code rc;

	if (!w->has_ended)
		return;
	rc = moverecord_draft(&draft, d, &item->m, item->m.service,
	    move_act_name(w->act), &e);
	if (rc == ERR_NONE) {
		draft_text(draft, "verdict", move_result_name(w->result));
		draft_text(draft, "reason", w->reason);
		draft_text(draft, "proof", w->proof);
		draft_text(draft, "method", w->method);
		draft_text(draft, "failed_step", w->failed_step);
		draft_text(draft, "point", w->point);
		draft_text(draft, "job", w->job);
		rc = note_outcome(d, w->intent, draft, &e);
	}
	if (rc != ERR_NONE) {
		snprintf(what, sizeof(what), "the end of '%s'",
		    move_act_name(w->act));
		not_recorded(item, what, &e);
		return; /* the next look tries again */
	}
	note_log(w->result == MOVE_DONE ? NOTE_INFO : NOTE_WARNING,
	    "move %s of '%s': %s: %s%s%s", item->m.run, item->m.service,
	    move_act_name(w->act), move_result_name(w->result),
	    w->reason[0] != '\0' ? ": " : "", w->reason);
	*w = (struct movebook_work){0};
	moves_told(d);
}

static void
end_act(struct daemon *d, struct movebook_item *item, enum move_result result,
    const char *reason)
{
	item->work.has_ended = true;
	item->work.result = result;
	snprintf(item->work.reason, sizeof(item->work.reason), "%.511s",
	    reason);
	moveact_settle(d, item);
}

/* --- beginning ---------------------------------------------------------------------------- */

static enum err_code
start_backup(struct daemon *d, struct movebook_item *item, struct err *e)
{
	char tag[160] = "";

	if (item->work.act == MOVE_CAPTURE)
		snprintf(tag, sizeof(tag), "%s:%s",
		    item->m.b.at[MOVE_PROVISIONAL].ns != 0 &&
			    strcmp(d->policy->site, item->m.to) == 0
			? "rollback"
			: "divergence",
		    item->m.run);
	return movejob_backup(d, &item->m, tag[0] != '\0' ? tag : NULL,
	    item->work.job, e);
}

/* A fence of this site was begun in this move, or by a quiesce that is one. */
static bool
was_fenced(const struct daemon *d, const struct move *m,
    const struct policy_service *s)
{
	const struct move_side *mine = side_of(m, d->policy->site);

	return m->b.fact[MOVE_GRANTED] != 0 || mine->intent[MOVE_FENCE] != 0 ||
	    mine->intent[MOVE_STOP] != 0 || s->quiesce.before.count == 0;
}

/* No command takes such a fence back: the plan's steps have to. */
bool
moveact_needs_plan(const struct daemon *d, const struct move *m,
    const struct policy_service *s)
{
	for (size_t i = 0; i < s->fence_count; i++) {
		const struct policy_fence *f = &s->fence[i];

		if (f->run.count > 0 && f->undo.count == 0 &&
		    policy_fence_is_for(d->policy, f, d->policy->site))
			return was_fenced(d, m, s);
	}
	return false;
}

static enum err_code
start_worker(struct daemon *d, struct movebook_item *item, struct err *e)
{
	const struct daemon_service *s = daemon_service(d, item->m.service);
	enum move_act act = item->work.act;
	bool is_own =
	    act == MOVE_STOP || act == MOVE_RESUME || act == MOVE_QUIESCE;
	struct movejob_ask a = {.m = &item->m,
	    .act = act == MOVE_STOP ? "fence" : move_act_name(act),
	    .site_from = is_own ? d->policy->site : NULL,
	    .epoch = s->authority.epoch};
	enum err_code rc = ERR_NONE;

	a.without_restores =
	    act == MOVE_RESUME && moveact_needs_plan(d, &item->m, s->policy);
	if (act == MOVE_PLAN)
		rc = find_point(d, &item->m, item->work.point, e);
	a.point = item->work.point;
	return rc == ERR_NONE ? movejob_act(d, &a, item->work.job, e) : rc;
}

static enum err_code
start_job(struct daemon *d, struct movebook_item *item, struct err *e)
{
	switch (item->work.act) {
	case MOVE_SYNC:
	case MOVE_CAPTURE: return start_backup(d, item, e);
	case MOVE_COMPARE:
		snprintf(item->work.point, sizeof(item->work.point), "%.64s",
		    item->m.a.point);
		return movejob_equal(d, &item->m, item->work.point,
		    item->work.job, e);
	default: return start_worker(d, item, e);
	}
}

static enum err_code
write_intent(struct daemon *d, struct movebook_item *item, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	enum err_code rc = moverecord_draft(&draft, d, &item->m,
	    item->m.service, move_act_name(item->work.act), e);

	if (rc == ERR_NONE)
		rc = note_intent(d, draft, item->work.intent, e);
	if (rc == ERR_NONE)
		moves_told(d);
	return rc;
}

static enum err_code
change_register(struct daemon *d, struct movebook_item *item, struct err *e)
{
	char reason[360];

	if (!item->turn.changes_register)
		return ERR_NONE;
	snprintf(reason, sizeof(reason), "move %s: %s", item->m.run,
	    item->turn.why);
	return register_change(d, daemon_service(d, item->m.service),
	    &item->turn.reg, reason, e);
}

/* A test of the service gives way: it undoes and cleans what it made. */
static void
preempt(struct daemon *d, const struct movebook_item *item)
{
	for (struct job *j = d->jobs; j != NULL; j = j->next) {
		OWNED(wire_free) struct wire_value *word = NULL;
		struct err e;

		if (j->kind != &exercise_kind || j->worker == NULL ||
		    j->service == NULL ||
		    strcmp(j->service, item->m.service) != 0 ||
		    wire_new(&word, NULL, &e) != ERR_NONE)
			continue;
		wire_add_bool(word, "abort", true);
		wire_add_text(word, "reason", "preempted by a live move");
		if (job_tell(j, word, &e) != ERR_NONE)
			complain(item, &e);
	}
}

static void
begin_act(struct daemon *d, struct movebook_item *item)
{
	char what[64];
	struct err e;
	enum err_code rc;

	item->work = (struct movebook_work){.act = item->turn.act};
	rc = write_intent(d, item, &e);
	if (rc != ERR_NONE) {
		snprintf(what, sizeof(what), "that '%s' begins",
		    move_act_name(item->turn.act));
		not_recorded(item, what, &e);
		item->work = (struct movebook_work){0};
		return;
	}
	rc = change_register(d, item, &e);
	if (rc == ERR_NONE && item->work.act == MOVE_PIN) {
		rc = pin(d, item, &e);
		if (rc == ERR_NONE) {
			end_act(d, item, MOVE_DONE, "");
			return;
		}
	} else if (rc == ERR_NONE)
		rc = start_job(d, item, &e);
	if (rc != ERR_NONE) /* nothing was begun */
		end_act(d, item, MOVE_NOT_DONE, e.text);
}

/* --- records that say a phase ------------------------------------------------------------- */

struct snapshots {
	struct draft *draft;
};

static enum err_code
add_point_snapshots(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct snapshots *s = ctx;

	(void)e;
	for (const char *at = p->snapshots; at != NULL && *at != '\0';) {
		size_t len = strcspn(at, "\n");
		char name[LEDGER_NAME_BYTES_MAX + 1], hex[ID_HEX_BYTES];

		if (len > sizeof(hex)) { /* "DATASET SNAPSHOT" */
			memcpy(hex, at + len - (sizeof(hex) - 1),
			    sizeof(hex) - 1);
			hex[sizeof(hex) - 1] = '\0';
			snprintf(name, sizeof(name), "snapshot.%.*s",
			    (int)(len - sizeof(hex)), at);
			draft_text(s->draft, name, hex);
		}
		at += len + (at[len] == '\n');
	}
	return ERR_NONE;
}

static enum err_code
add_snapshots(struct draft *draft, struct daemon *d, const char *point,
    struct err *e)
{
	struct snapshots s = {draft};
	struct ledger_point_filter f = {.id = point};

	return ledger_points(d->ledger, &f, add_point_snapshots, &s, e);
}

struct outcome_point {
	const char *act;
	char *id;
};

static enum err_code
take_outcome_point(void *ctx, const struct record *r, struct err *e)
{
	struct outcome_point *o = ctx;
	char event[32];

	(void)e;
	if (r->phase == RECORD_OUTCOME &&
	    strcmp(record_text(r, "event", event, sizeof(event)), o->act) == 0)
		record_text(r, "point", o->id, ID_HEX_BYTES);
	return ERR_NONE;
}

/* The point that the newest outcome of that act names. */
static enum err_code
point_of_act(struct daemon *d, const struct move *m, enum move_act act,
    char id[ID_HEX_BYTES], struct err *e)
{
	struct outcome_point o = {move_act_name(act), id};
	struct ledger_filter f = {.type = LEDGER_FAILOVER,
	    .run = m->run,
	    .service = m->service};

	return ledger_iterate(d->ledger, &f, take_outcome_point, &o, e);
}

/* What the outcome before it named. */
static enum err_code
point_of(struct daemon *d, const struct movebook_item *item,
    char id[ID_HEX_BYTES], struct err *e)
{
	id[0] = '\0';
	switch (item->turn.event) {
	case MOVE_EQUAL:
		snprintf(id, ID_HEX_BYTES, "%.64s", item->m.a.point);
		return ERR_NONE;
	case MOVE_SYNCED: return point_of_act(d, &item->m, MOVE_SYNC, id, e);
	case MOVE_CAPTURED:
	case MOVE_DIVERGENCE:
		return point_of_act(d, &item->m, MOVE_CAPTURE, id, e);
	case MOVE_TAKEN:
	case MOVE_PROVISIONAL:
	case MOVE_RAN:
		if (strcmp(d->policy->site, item->m.to) == 0)
			return find_point(d, &item->m, id, e);
		return ERR_NONE;
	default: return ERR_NONE;
	}
}

/*
 * Before anything may be written here: what is backed up from now on is of our
 * epoch, else the other site would take it for a source that went backwards.
 */
static enum err_code
own_epoch(struct daemon *d, const struct movebook_item *item, struct err *e)
{
	const struct daemon_service *s = daemon_service(d, item->m.service);
	enum err_code rc;

	if (item->turn.event != MOVE_PROVISIONAL)
		return ERR_NONE;
	rc = fencing_take(d, item->m.service, s->authority.epoch, e);
	return rc == ERR_NOTFOUND ? ERR_NONE : rc; /* no repository yet */
}

static enum err_code
record(struct daemon *d, struct movebook_item *item, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	const struct daemon_service *s;
	char point[ID_HEX_BYTES];
	struct err why;
	enum err_code rc = own_epoch(d, item, e);

	if (rc == ERR_NONE)
		rc = point_of(d, item, point, e);
	if (rc == ERR_NONE)
		rc = moverecord_draft(&draft, d, &item->m, item->m.service,
		    move_event_name(item->turn.event), e);
	if (rc != ERR_NONE)
		return rc;
	/* As the guards stood; the phase is true without it. */
	if (moverecord_known(draft, d, item, point, &why) != ERR_NONE)
		complain(item, &why);
	rc = change_register(d, item, e);
	if (rc != ERR_NONE)
		return rc;
	s = daemon_service(d, item->m.service);
	draft_uint(draft, "epoch", s->authority.epoch);
	draft_text(draft, "point", point);
	draft_text(draft, "reason", item->turn.why);
	if (item->turn.event == MOVE_RESOLVED)
		draft_text(draft, "owner", s->authority.site);
	if (item->turn.event == MOVE_SYNCED)
		rc = add_snapshots(draft, d, point, e);
	if (rc == ERR_NONE)
		rc = note_event(d, draft, e);
	if (rc != ERR_NONE)
		return rc;
	note_log(NOTE_INFO, "move %s of '%s': %s: %s", item->m.run,
	    item->m.service, move_event_name(item->turn.event), item->turn.why);
	moverecord_tell(d,
	    &(struct moverecord_news){item->m.run, item->m.service,
		move_event_name(item->turn.event), item->turn.why, item->m.from,
		item->m.to});
	moves_told(d);
	return ERR_NONE;
}

/*
 * A new epoch is etcd's first, where etcd is used.  False: not yet, or not at
 * all; why is the turn's.  What is unknown is asked until it is known: nothing
 * goes on meanwhile, at either site.
 */
static bool
etcd_has_it(struct daemon *d, struct movebook_item *item)
{
	const struct daemon_service *s = daemon_service(d, item->m.service);
	struct move_turn *t = &item->turn;
	struct authority to;
	struct etcd_register r;
	char text[ERR_TEXT_BYTES];
	uint64_t from = s->authority.epoch;
	enum etcd_verdict v;
	struct err e;

	if (!etcd_is_used(d) || !t->changes_register ||
	    (t->reg.kind != AUTHORITY_MOVE &&
		t->reg.kind != AUTHORITY_RESOLVE) ||
	    authority_next(&s->authority, &t->reg, &to, &e) != ERR_NONE)
		return true; /* who makes the change says what is wrong */
	etcdown_register(d, &to, &r);
	/* People resolve over whatever is there (a swap whose maker died). */
	if (t->reg.kind == AUTHORITY_RESOLVE && item->witness.epoch != 0)
		from = item->witness.epoch;
	else if (from >= to.epoch)
		from = to.epoch - 1;
	v = etcdmove_ask(d, item->m.service, from, &r, text);
	if (v == ETCD_DONE)
		return true;
	t->act = MOVE_WAIT;
	snprintf(t->why, sizeof(t->why), "waiting for etcd's answer");
	if (v != ETCD_PENDING)
		hindered(item, text);
	/* Asked again after a refusal, which stands until the answer. */
	item->hindrance.stands = item->hindrance.text[0] != '\0';
	return false;
}

void
moveact_begin(struct daemon *d, struct movebook_item *item)
{
	struct err e;

	if (item->turn.act == MOVE_WAIT || item->turn.act == MOVE_NOTHING ||
	    !etcd_has_it(d, item))
		return;
	if (item->turn.act != MOVE_RECORD) {
		if (item->turn.act == MOVE_FENCE || item->turn.act == MOVE_PLAN)
			preempt(d, item);
		begin_act(d, item);
	} else if (record(d, item, &e) != ERR_NONE)
		not_recorded(item, move_event_name(item->turn.event), &e);
}

/* --- a job is over ------------------------------------------------------------------------- */

/* The backup is made; the copy follows. */
static bool
go_on_with_sync(struct daemon *d, struct movebook_item *item,
    const struct movejob_said *said)
{
	struct err e;

	if (item->work.act != MOVE_SYNC || item->work.part > 0 ||
	    said->result != MOVE_DONE)
		return false;
	item->work.part = 1;
	item->work.job[0] = '\0';
	if (movejob_replicate(d, &item->m, item->m.to, item->work.job, &e) ==
	    ERR_NONE)
		return true;
	end_act(d, item, MOVE_NOT_DONE, e.text);
	return true;
}

/* The newest point that this site made: the backup's, which was alone. */
static void
take_made_point(struct daemon *d, struct movebook_item *item)
{
	struct ledger_point_filter f = {.service = item->m.service,
	    .at_site = d->policy->site,
	    .complete = true,
	    .limit = 1};
	struct choosing c = {.wanted = ""};
	struct err e;

	if (ledger_points(d->ledger, &f, choose, &c, &e) != ERR_NONE)
		complain(item, &e);
	snprintf(item->work.point, sizeof(item->work.point), "%s", c.id);
}

/* After a move: the other site waits for the copy, or for its proof. */
static bool
is_waited_for(const struct job *j)
{
	return j->run[0] == '\0' &&
	    (strcmp(j->kind->name, "verify") == 0 ||
		strcmp(j->kind->name, "replicate") == 0);
}

void
moveact_job_ended(struct daemon *d, struct job *j)
{
	struct movebook_item *item =
	    j->run[0] == '\0' || j->service == NULL || d->moves == NULL
	    ? NULL
	    : movebook_find(&d->moves->book, j->run, j->service);
	struct movejob_said said;

	stepdown_job_ended(d, j);
	if (!d->stopping && is_waited_for(j) && moves_are_open(d))
		moves_told(d);
	if (item == NULL || d->stopping || strcmp(item->work.job, j->id) != 0)
		return; /* a daemon that stops leaves it to the next start */
	movejob_said(j, &said);
	if (said.result == MOVE_DONE && strcmp(j->kind->name, "backup") == 0)
		take_made_point(d, item);
	if (go_on_with_sync(d, item, &said))
		return;
	memcpy(item->work.proof, said.proof, sizeof(item->work.proof));
	memcpy(item->work.method, said.method, sizeof(item->work.method));
	memcpy(item->work.failed_step, said.failed_step,
	    sizeof(item->work.failed_step));
	end_act(d, item, said.result, said.reason);
}

/* --- after the move -------------------------------------------------------------------------- */

static bool
is_busy(struct daemon *d, const char *kind, const char *service,
    const char *site)
{
	char lane[160];

	tasks_lane(lane, kind, service, site);
	return schedule_busy(d->schedule, lane);
}

struct tending {
	struct utc since;
	bool made, unverified;
	char id[ID_HEX_BYTES];
};

static enum err_code
take_tended(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct tending *t = ctx;

	(void)e;
	if (p->at.ns <= t->since.ns || t->made)
		return ERR_NONE;
	t->made = true;
	t->unverified = p->verified_level[0] == '\0';
	snprintf(t->id, sizeof(t->id), "%s", p->id);
	return ERR_NONE;
}

/* The newest complete point that is here and was made since then. */
static bool
find_since(struct daemon *d, const char *service, struct utc since,
    struct tending *t)
{
	struct ledger_point_filter f = {.service = service,
	    .at_site = d->policy->site,
	    .complete = true,
	    .limit = 8};
	struct err e;

	*t = (struct tending){.since = since};
	if (ledger_points(d->ledger, &f, take_tended, t, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	return t->made;
}

/* Where the service is: a first point, which then is copied as any other. */
static void
make_first_point(struct daemon *d, struct movebook_item *item, struct utc since)
{
	struct job_request r = {.kind = job_kind_find("backup"),
	    .service = item->m.service,
	    .trigger = "the first point after a move",
	    .once = true};
	struct tending t;
	struct err e;

	if (find_since(d, item->m.service, since, &t) ||
	    is_busy(d, "backup", item->m.service, NULL))
		return;
	if (job_ask(d, &r, NULL, &e) != ERR_NONE)
		complain(item, &e);
}

/* Where it was: what came from there is restored once and compared. */
static void
verify_first_point(struct daemon *d, struct movebook_item *item,
    struct utc since)
{
	struct job_request r = {.kind = job_kind_find("verify"),
	    .service = item->m.service,
	    .trigger = "the first point after a move",
	    .once = true};
	struct tending t;
	struct err e;

	if (!find_since(d, item->m.service, since, &t) || !t.unverified ||
	    is_busy(d, "verify", item->m.service, NULL))
		return;
	if (wire_new(&r.params, NULL, &e) != ERR_NONE)
		return;
	wire_add_text(r.params, "how", "restore");
	wire_add_text(r.params, "point", t.id);
	if (job_ask(d, &r, NULL, &e) != ERR_NONE)
		complain(item, &e);
}

#define TEND_NS NS_PER_S

void
moveact_tend(struct daemon *d, struct movebook_item *item)
{
	const struct move *m = &item->m;
	bool is_there = strcmp(d->policy->site, m->to) == 0;
	struct mono now = now_mono();

	if (m->b.fact[MOVE_COMMITTED] == 0 ||
	    m->b.fact[MOVE_REPROTECTED] != 0 ||
	    movebook_newer(&d->moves->book, item) ||
	    now.ns - item->tended.ns < TEND_NS)
		return;
	item->tended = now;
	/* What the loser wrote is kept, and its owner has looked (G18). */
	if (m->mode == GUARDS_UNPLANNED &&
	    (m->a.fact[MOVE_DIVERGENCE] == 0 ||
		(m->a.fact[MOVE_SAY_REPROTECT] == 0 &&
		    m->b.fact[MOVE_SAY_REPROTECT] == 0)))
		return;
	if (is_there)
		make_first_point(d, item, m->b.at[MOVE_COMMITTED]);
	else
		verify_first_point(d, item, m->b.at[MOVE_COMMITTED]);
}
