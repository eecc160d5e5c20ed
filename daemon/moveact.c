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

/* Said on the screen until it is over, and in the log once. */
static void
hindered(struct movebook_item *item, const char *text)
{
	struct movebook_hindrance *h = &item->hindrance;
	char now[ERR_TEXT_BYTES + 160];

	h->next[0] = '\0';
	snprintf(now, sizeof(now), "%s", text);
	text_first_line(now); /* for a hint there is no room */
	movesay_plain(now);
	text_elide(now, sizeof(h->text) - 1);
	h->stands = true;
	if (strcmp(h->text, now) == 0)
		return;
	if (h->text[0] == '\0')
		h->since = now_utc();
	snprintf(h->text, sizeof(h->text), "%.255s", now);
	note_log(NOTE_ERROR, "move %s of '%s': %s", item->m.run,
	    item->m.service, text);
}

static void
not_recorded(struct movebook_item *item, const char *what, const struct err *e)
{
	char text[ERR_TEXT_BYTES + 160];

	snprintf(text, sizeof(text),
	    "%s cannot be recorded, so nothing goes on here; %s: %s", what,
	    movesay_remedy(e), e->text);
	hindered(item, text);
}

/* --- ending --------------------------------------------------------------------------- */

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
	const struct move_side *mine = moves_side(m, d->policy->site);

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
		rc = movepoint_find(d, &item->m, item->work.point, e);
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
	char reason[MOVE_WHY_BYTES + AUTHORITY_RUN_BYTES + 16];

	if (!item->turn.changes_register)
		return ERR_NONE;
	snprintf(reason, sizeof(reason), "move %s: %s", item->m.run,
	    item->turn.why);
	return register_change(d, daemon_service(d, item->m.service),
	    &item->turn.reg, reason, e);
}

/*
 * Every test at this site gives way, whatever service it is of: the machine, its
 * ports and its disks are the live move's.  What it made is cleaned up when no
 * move is under way any more (exercise_release).
 */
static void
preempt(struct daemon *d, const struct movebook_item *item)
{
	char reason[160];

	snprintf(reason, sizeof(reason), "move %.40s of '%.64s' is under way",
	    item->m.run, item->m.service);
	for (struct job *j = d->jobs; j != NULL; j = j->next) {
		OWNED(wire_free) struct wire_value *word = NULL;
		struct err e;

		if (j->kind != &exercise_kind || j->worker == NULL ||
		    wire_new(&word, NULL, &e) != ERR_NONE)
			continue;
		wire_add_bool(word, "preempt", true);
		wire_add_text(word, "reason", reason);
		if (job_tell(j, word, &e) != ERR_NONE)
			moves_complain(item, &e);
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
		rc = movepoint_pin(d, item, &e);
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
		rc = movepoint_of_phase(d, item, point, e);
	if (rc == ERR_NONE)
		rc = moverecord_draft(&draft, d, &item->m, item->m.service,
		    move_event_name(item->turn.event), e);
	if (rc != ERR_NONE)
		return rc;
	/* As the guards stood; the phase is true without it. */
	if (moverecord_known(draft, d, item, point, &why) != ERR_NONE)
		moves_complain(item, &why);
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
		rc = movepoint_add_snapshots(draft, d, point, e);
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

/*
 * A planned move begins at the site that is left with its quiesce: before it, and
 * not again once it was begun (by whichever program), G04 is judged here, too.
 */
static bool
is_let_go(struct daemon *d, struct movebook_item *item)
{
	const struct move *m = &item->m;
	char text[MOVE_WHY_BYTES];

	if (item->turn.act != MOVE_QUIESCE || m->mode != GUARDS_PLANNED ||
	    strcmp(m->from, d->policy->site) != 0 ||
	    m->a.intent[MOVE_QUIESCE] != 0 || moveguard_lets_go(d, item, text))
		return true;
	item->turn.act = MOVE_WAIT;
	item->turn.whom = MOVE_PERSON;
	item->turn.changes_register = false;
	hindered(item, text);
	snprintf(item->hindrance.next, sizeof(item->hindrance.next),
	    "bascule failover abort %.63s, and ask anew; or, by a dr-lead of "
	    "this site: bascule failover retry %.63s --override G04=REASON",
	    m->run, m->run);
	return false;
}

void
moveact_begin(struct daemon *d, struct movebook_item *item)
{
	struct err e;

	if (item->turn.act == MOVE_WAIT || item->turn.act == MOVE_NOTHING ||
	    !is_let_go(d, item) || !etcd_has_it(d, item))
		return;
	if (item->turn.act != MOVE_RECORD) {
		if (item->turn.act == MOVE_FENCE || item->turn.act == MOVE_PLAN)
			preempt(d, item);
		begin_act(d, item);
	} else if (record(d, item, &e) != ERR_NONE)
		not_recorded(item, move_event_name(item->turn.event), &e);
}

/* --- a job is over ------------------------------------------------------------------------- */

static enum err_code
take_there(void *ctx, const struct ledger_point *p, struct err *e)
{
	(void)p, (void)e;
	*(bool *)ctx = true;
	return ERR_NONE;
}

/* Its receipt is heard over the bridge, and noted as of any point (arrivals.c). */
void
moveact_await_fetched(struct daemon *d, struct movebook_item *item)
{
	struct movebook_work *w = &item->work;
	const struct daemon_service *s = daemon_service(d, item->m.service);
	const struct ledger_point_filter f = {.id = w->point,
	    .at_site = item->m.to,
	    .complete = true};
	char reason[JOB_REASON_BYTES], waited[TEXT_UNIT_BYTES];
	bool is_there = false;
	struct err e;

	if (w->fetched_since.ns == 0 || w->has_ended)
		return;
	if (ledger_points(d->ledger, &f, take_there, &is_there, &e) != ERR_NONE)
		moves_complain(item, &e);
	if (is_there) {
		end_act(d, item, MOVE_DONE, "");
		return;
	}
	if (now_mono().ns - w->fetched_since.ns <
	    s->policy->failover.patience_ns)
		return;
	snprintf(reason, sizeof(reason),
	    "site '%s' fetches its copy itself (replicate.pull), and has not "
	    "fetched the last point %.16s within %s (failover.patience): "
	    "bascule jobs and bascule links there say why",
	    item->m.to, w->point,
	    text_duration(s->policy->failover.patience_ns, waited));
	end_act(d, item, MOVE_NOT_DONE, reason);
}

/* The backup is made; the copy follows, the way the policy says. */
static bool
go_on_with_sync(struct daemon *d, struct movebook_item *item,
    const struct movejob_said *said)
{
	const struct daemon_service *s = daemon_service(d, item->m.service);
	struct err e;

	if (item->work.act != MOVE_SYNC || item->work.part > 0 ||
	    said->result != MOVE_DONE)
		return false;
	item->work.part = 1;
	item->work.job[0] = '\0';
	if (s != NULL && s->policy->replicate.pull) {
		item->work.fetched_since = now_mono();
		return true;
	}
	if (movejob_replicate(d, &item->m, item->m.to, item->work.job, &e) ==
	    ERR_NONE)
		return true;
	end_act(d, item, MOVE_NOT_DONE, e.text);
	return true;
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
		movepoint_take_made(d, item);
	if (go_on_with_sync(d, item, &said))
		return;
	memcpy(item->work.proof, said.proof, sizeof(item->work.proof));
	memcpy(item->work.method, said.method, sizeof(item->work.method));
	memcpy(item->work.failed_step, said.failed_step,
	    sizeof(item->work.failed_step));
	end_act(d, item, said.result, said.reason);
}
