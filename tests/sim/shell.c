/*
 * A daemon's shell: asks move_turn, carries out what it says in the stages that
 * the header names, a stage a tick, so that a death falls between any two.
 */

#include "sim.h"

#include <stdio.h>
#include <string.h>

const char *const mistakes[] = {"none", "no-quarantine", "no-step-down",
    "no-intent", "release-by-one", "trust-exit", "no-pin", "no-common",
    "forget-swap"};

/* --- the fold --------------------------------------------------------------------- */

struct approvals_word shell_heard[SITES][RUNS_MAX][WORDS_MAX];

static void
fold_one(int s, struct move *moves, const struct record *r)
{
	struct err e;

	if (r->kind == REC_WORD && moves == w.site[s].moves)
		testimony_take(shell_heard[s][r->run],
		    &w.site[s].words_count[r->run], WORDS_MAX, &r->word);
	if (r->kind == REC_MOVE &&
	    move_fold(&moves[r->run], &r->ev, &e) != ERR_NONE)
		violate("%s cannot take up a record: %s", w.site[s].name,
		    e.text);
}

/* Requests first; then both logs, mixed as it comes (M1). */
static void
fold_from(int s, struct move *moves, size_t mine, size_t theirs)
{
	struct site *t = &w.site[s], *o = &w.site[site_other(s)];

	for (size_t i = mine; i < t->count; i++)
		if (t->log[i].ev.kind == MOVE_REQUESTED &&
		    t->log[i].ev.stage == MOVE_FACT)
			fold_one(s, moves, &t->log[i]);
	for (size_t i = theirs; i < t->known; i++)
		if (o->log[i].ev.kind == MOVE_REQUESTED &&
		    o->log[i].ev.stage == MOVE_FACT)
			fold_one(s, moves, &o->log[i]);
	while (mine < t->count || theirs < t->known)
		if (theirs == t->known || (mine < t->count && one_in(2)))
			fold_one(s, moves, &t->log[mine++]);
		else
			fold_one(s, moves, &o->log[theirs++]);
}

void
shell_fold(int s)
{
	static struct move again[RUNS_MAX];
	struct site *t = &w.site[s];

	fold_from(s, t->moves, t->folded_mine, t->folded_theirs);
	if (t->folded_mine == 0 && one_in(2)) {
		w.done[T_AGAIN]++;
		memset(again, 0, sizeof(again));
		fold_from(s, again, 0, 0);
		if (memcmp(again, t->moves, sizeof(again)) != 0)
			violate("M1: the order of two ledgers makes a "
				"difference");
	}
	t->folded_mine = t->count;
	t->folded_theirs = t->known;
}

/* --- effects: they come about, or not, or nobody knows ------------------------------ */

/* What a command on the service's own hosts comes to. */
static enum move_result
chance(bool *happens)
{
	*happens = true;
	if (w.calm || !one_in(8))
		return MOVE_DONE;
	*happens = one_in(2);
	return MOVE_UNCERTAIN;
}

/* Run and read back: `run` may lie, `prove` does not. */
static enum move_result
fence(int s, int of)
{
	struct site *t = &w.site[of];
	bool lies = !w.calm && one_in(6), happens;
	enum move_result said = chance(&happens);

	if (s != of && (!w.ssh || !t->power))
		return w.removed == 10 ? MOVE_DONE : MOVE_UNCERTAIN;
	w.done[T_LIES] += happens && lies;
	if (happens && !lies) {
		t->fenced = true;
		t->up = t->enabled = false;
	}
	if (w.removed == 10 || w.broken == TRUST_EXIT)
		return said; /* nobody looked */
	return said == MOVE_UNCERTAIN ? said
	    : t->fenced               ? MOVE_DONE
				      : MOVE_NOT_DONE;
}

static enum move_result
prove(int of)
{
	if (!w.calm && one_in(4))
		return MOVE_UNCERTAIN;
	return w.site[of].fenced ? MOVE_DONE : MOVE_NOT_DONE;
}

static enum move_result
resume(int s)
{
	struct site *t = &w.site[s];
	bool happens;
	enum move_result said = chance(&happens);

	if (happens) {
		t->fenced = t->stopped = false;
		t->up = t->enabled = true;
	}
	return said;
}

static enum move_result
sync_point(int s, struct job *j)
{
	struct site *t = &w.site[s], *o = &w.site[site_other(s)];
	struct point *p;

	if (!w.link || !o->power || o->points_count == POINTS_MAX)
		return MOVE_NOT_DONE;
	p = &o->points[o->points_count++];
	*p = (struct point){.data = t->data, .at = {w.now_ns}, .whole = true};
	snprintf(p->id, sizeof(p->id), "m%d.%d", j->run, o->points_count);
	if (!w.calm && one_in(8)) { /* something was lost on the way */
		p->whole = false;
		p->data.bits[0] &= ~UINT64_C(0xff);
	}
	memcpy(j->point, p->id, sizeof(j->point));
	return MOVE_DONE;
}

static struct point *
find_point(int s, const char *id)
{
	for (int i = 0; i < w.site[s].points_count; i++)
		if (!w.site[s].points[i].gone &&
		    strcmp(w.site[s].points[i].id, id) == 0)
			return &w.site[s].points[i];
	return NULL;
}

/* What the plan restores: made equal, asked for, or the newest. */
static struct point *
point_of(int s, int run)
{
	struct site *t = &w.site[s];
	const struct run *r = &w.runs[run];
	const struct move *m = &t->moves[run];
	struct point *p = NULL;

	if (r->mode == GUARDS_PLANNED && *m->b.point != '\0')
		return find_point(s, m->b.point);
	if (r->point >= 0)
		return t->points[r->point].gone ? NULL : &t->points[r->point];
	for (int i = 0; i < t->points_count; i++)
		if (!t->points[i].gone)
			p = &t->points[i];
	return p;
}

bool
shell_can_restore(int s, int run)
{
	return point_of(s, run) != NULL;
}

static enum move_result
pin(int s, const struct job *j)
{
	struct point *p = point_of(s, j->run);

	if (p == NULL)
		return MOVE_NOT_DONE;
	p->pinned = true;
	return MOVE_DONE;
}

static enum move_result
compare(int s, struct job *j)
{
	const char *id = w.site[s].moves[j->run].a.point;
	const struct point *p = find_point(s, id);

	memcpy(j->point, id, sizeof(j->point) - 1);
	if (p == NULL)
		return MOVE_NOT_DONE;
	return p->whole || w.removed == 15 ? MOVE_DONE : MOVE_NOT_DONE;
}

/* --- the plan, by the real engine ------------------------------------------------------- */

static const char *const after_restore[] = {"restore"};
static const char *const after_run[] = {"run"};
static const struct plan_step steps[STEPS] = {
    {.name = "restore",
	.kind = PLAN_RESTORE,
	.modes = PLAN_IN_ALL,
	.idempotent = true,
	.on_uncertain = PLAN_UNCERTAIN_RETRY},
    {.name = "run",
	.kind = PLAN_RUN,
	.after = after_restore,
	.after_count = 1,
	.modes = PLAN_IN_ALL,
	.retries = 1,
	.has_undo = true,
	.idempotent = true,
	.on_uncertain = PLAN_UNCERTAIN_RETRY},
    {.name = "check",
	.kind = PLAN_CHECK,
	.after = after_run,
	.after_count = 1,
	.modes = PLAN_IN_ALL,
	.idempotent = true,
	.on_uncertain = PLAN_UNCERTAIN_RETRY},
};

static void
step_record(int s, const struct job *j, enum engine_step_state state)
{
	site_append(s,
	    (struct record){.kind = REC_STEP,
		.run = j->run,
		.step = j->step,
		.attempt = j->attempt,
		.state = state});
}

/* What a step does at this site. */
static bool
step_effect(int s, struct job *j)
{
	struct site *t = &w.site[s];
	const struct run *r = &w.runs[j->run];
	const struct move *m = &t->moves[j->run];
	const struct point *p;
	bool ok = w.calm || !one_in(8);

	switch (steps[j->step].kind) {
	case PLAN_RESTORE:
		p = point_of(s, j->run);
		if (p == NULL)
			return false;
		if ((!p->whole || p->suspect) && !r->overridden[7] &&
		    m->a.fact[MOVE_RESOLVED] == 0 &&
		    m->b.fact[MOVE_RESOLVED] == 0 &&
		    r->mode == GUARDS_UNPLANNED)
			violate("G07: a point that is not whole, or suspect, "
				"is restored");
		t->data = p->data;
		return ok;
	case PLAN_RUN:
		t->fenced = t->stopped = false;
		t->up = t->enabled = true;
		return ok;
	default: return t->up && ok;
	}
}

static bool
plan_begin(int s, struct job *j)
{
	const struct engine_action *actions;
	struct engine_past past[STEPS];
	struct engine_options o = {.steps = steps,
	    .steps_count = STEPS,
	    .mode = w.runs[j->run].mode == GUARDS_PLANNED ? PLAN_IN_PLANNED
							  : PLAN_IN_UNPLANNED,
	    .asks = true};
	size_t begun = (s == w.runs[j->run].from ? &w.site[s].moves[j->run].a
						 : &w.site[s].moves[j->run].b)
			   ->fact[MOVE_PROVISIONAL];
	size_t n = 0, count;
	struct err e;

	for (size_t k = 0; k < STEPS; k++) {
		past[n] = (struct engine_past){.step = k};
		for (size_t i = 0; i < w.site[s].count; i++) {
			const struct record *r = &w.site[s].log[i];

			if (r->kind != REC_STEP || r->run != j->run ||
			    r->step != k || i < begun)
				continue;
			past[n].state = r->state == ENGINE_STEP_FAILED
			    ? ENGINE_STEP_WAITING
			    : r->state;
			past[n].attempt = 1;
			past[n].ended = i + 1;
		}
		n += past[n].state != ENGINE_STEP_NOT_IN_MODE &&
		    past[n].state != ENGINE_STEP_WAITING;
	}
	if (engine_new(&j->engine, &o, &e) != ERR_NONE ||
	    engine_resume(j->engine, past, n, (struct mono){w.now_ns}, &actions,
		&count, &e) != ERR_NONE) {
		violate("the plan cannot go on: %s", e.text);
		return false;
	}
	for (size_t i = 0; i < count; i++)
		if (actions[i].kind == ENGINE_START) {
			j->step = actions[i].step;
			j->attempt = actions[i].attempt;
			j->step_stage = 1;
		}
	if (j->step_stage == 0 && engine_state_of(j->engine) != ENGINE_DONE &&
	    engine_state_of(j->engine) != ENGINE_ASKING)
		violate("the plan stands still: %s",
		    engine_state_name(engine_state_of(j->engine)));
	return true;
}

static void
plan_told(struct job *j)
{
	const struct engine_action *actions;
	struct engine_event ev = {.kind = ENGINE_STEP_ENDED,
	    .step = j->step,
	    .attempt = j->attempt,
	    .ok = j->step_ok,
	    .reason = "chance"};
	size_t count;
	struct err e;

	j->step_stage = 0;
	if (engine_handle(j->engine, &ev, (struct mono){w.now_ns}, &actions,
		&count, &e) != ERR_NONE)
		violate("the engine: %s", e.text);
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < count; i++)
			if (actions[i].kind == ENGINE_START) {
				j->step = actions[i].step;
				j->attempt = actions[i].attempt;
				j->step_stage = 1;
			}
		ev = (struct engine_event){.kind = ENGINE_TICK};
		if (j->step_stage != 0 ||
		    engine_handle(j->engine, &ev, (struct mono){w.now_ns},
			&actions, &count, &e) != ERR_NONE)
			return;
	}
}

/* True: it has ended, as j->result says. */
static bool
plan_goes_on(int s, struct job *j)
{
	if (j->engine == NULL && !plan_begin(s, j))
		return true;
	switch (j->step_stage) {
	case 1:
		step_record(s, j, ENGINE_STEP_UNCERTAIN);
		j->step_stage = 2;
		return false;
	case 2:
		j->step_ok = step_effect(s, j);
		j->step_stage = 3;
		return false;
	case 3:
		step_record(s, j,
		    j->step_ok ? ENGINE_STEP_DONE : ENGINE_STEP_FAILED);
		plan_told(j);
		return false;
	default:
		j->result = engine_state_of(j->engine) == ENGINE_DONE
		    ? MOVE_DONE
		    : MOVE_NOT_DONE;
		engine_free(&j->engine);
		return true;
	}
}

static enum move_result
undo(int s, struct job *j)
{
	enum move_result r;

	for (j->step = 0; j->step < STEPS; j->step++)
		step_record(s, j, ENGINE_STEP_WAITING);
	r = fence(s, s);
	return r == MOVE_NOT_DONE ? MOVE_UNCERTAIN : r;
}

/* --- acts --------------------------------------------------------------------------------- */

static enum move_result
effect(int s, struct job *j)
{
	struct site *t = &w.site[s];
	bool happens;
	enum move_result r;

	switch (j->turn.act) {
	case MOVE_QUIESCE:
		r = chance(&happens);
		t->stopped = t->stopped || happens;
		return r;
	case MOVE_SYNC: return sync_point(s, j);
	case MOVE_COMPARE: return compare(s, j);
	case MOVE_FENCE: return fence(s, w.runs[j->run].from);
	case MOVE_PROVE: return prove(w.runs[j->run].from);
	case MOVE_RESUME: return resume(s);
	case MOVE_PIN: return pin(s, j);
	case MOVE_CAPTURE:
		data_join(&t->kept, &t->data);
		return chance(&happens);
	case MOVE_UNDO: return undo(s, j);
	case MOVE_STOP:
		if (w.broken == NO_STEP_DOWN)
			return MOVE_DONE;
		return fence(s, s);
	default: violate("no such act: %s", move_act_name(j->turn.act));
	}
	return MOVE_UNCERTAIN;
}

static bool
change_register(int s, struct job *j)
{
	struct site *t = &w.site[s];
	struct authority_event ev = j->turn.reg;
	struct record r = {.kind = REC_REGISTER, .run = j->run};
	struct err e;

	if (ev.kind == AUTHORITY_ADOPT)
		ev.peer = &j->peer;
	if (authority_next(&t->reg, &ev, &r.reg, &e) != ERR_NONE) {
		story("%s: the register refuses %s: %s", t->name,
		    authority_event_name(ev.kind), e.text);
		w.done[T_REFUSED]++;
		return false;
	}
	if (memcmp(&r.reg, &t->reg, sizeof(t->reg)) == 0)
		return true;
	r.reg.quarantined = false; /* not recorded */
	site_append(s, r);
	r.reg.quarantined = t->reg.quarantined && ev.kind != AUTHORITY_ADOPT;
	t->reg = r.reg;
	t->safely_off = t->safely_off && t->reg.quarantined;
	story("%s: %s at %s, epoch %llu (%s)", t->name,
	    authority_state_name(t->reg.state), t->reg.site,
	    (unsigned long long)t->reg.epoch, authority_event_name(ev.kind));
	return true;
}

static void
append_act(int s, const struct job *j, enum move_stage stage)
{
	struct record r = {.kind = REC_MOVE, .run = j->run};

	r.ev.stage = stage;
	r.ev.act = j->turn.act;
	r.ev.kind = j->turn.event;
	r.ev.result = j->result;
	r.ev.epoch = w.site[s].reg.epoch;
	r.ev.reason = stage == MOVE_INTENT ? "" : "as it went";
	memcpy(r.point, j->point, sizeof(r.point));
	memcpy(r.owner, j->owner, sizeof(r.owner));
	site_append(s, r);
}

/* The record of a phase takes the point that the act before it came to. */
static void
append_fact(int s, const struct job *j)
{
	struct job with = *j;
	const struct site *t = &w.site[s];

	for (size_t i = 0; i < t->count; i++)
		if (t->log[i].kind == REC_MOVE && t->log[i].run == j->run &&
		    t->log[i].ev.stage == MOVE_OUTCOME &&
		    *t->log[i].point != '\0')
			memcpy(with.point, t->log[i].point, sizeof(with.point));
	append_act(s, &with, MOVE_FACT);
}

static void
job_ends(struct job *j)
{
	if (j->engine != NULL)
		engine_free(&j->engine);
	*j = (struct job){0};
}

/* A stage; the order is the header's. */
static void
job_step(int s, struct job *j)
{
	struct site *t = &w.site[s];
	bool is_record = j->turn.act == MOVE_RECORD;

	t->doing = j;
	switch (j->stage++) {
	case 0:
		if (!is_record && j->run >= 0 && w.broken != NO_INTENT)
			append_act(s, j, MOVE_INTENT);
		return;
	case 1:
		if (j->turn.changes_register && !change_register(s, j)) {
			if (!is_record && j->run >= 0) {
				j->result = MOVE_NOT_DONE; /* never begun */
				append_act(s, j, MOVE_OUTCOME);
			}
			job_ends(j);
		}
		return;
	case 2:
		if (is_record)
			return;
		if (j->turn.act == MOVE_PLAN) {
			j->stage -= plan_goes_on(s, j) ? 0 : 1;
			return;
		}
		j->result = effect(s, j);
		story("%s: %s %s", t->name, move_act_name(j->turn.act),
		    move_result_name(j->result));
		return;
	default:
		if (j->run >= 0 && is_record)
			append_fact(s, j);
		else if (j->run >= 0)
			append_act(s, j, MOVE_OUTCOME);
		else if (j->turn.act == MOVE_STOP)
			hearing_ended(&t->hearing, j->result == MOVE_DONE,
			    (struct mono){w.now_ns});
		job_ends(j);
	}
}

/* --- what to do ------------------------------------------------------------------------------ */

static const struct authority *
peer_register(int s)
{
	size_t at = w.site[s].peer_reg;

	return at == 0 ? NULL : &w.site[site_other(s)].log[at - 1].reg;
}

static bool
is_a_moves(int s)
{
	for (int r = 0; r < w.runs_count; r++)
		if (move_settles(&w.site[s].moves[r], w.site[s].name))
			return true;
	return false;
}

static bool
is_taken(int s)
{
	for (int r = 0; r < w.runs_count; r++)
		if (move_takes_from(&w.site[s].moves[r], w.site[s].name))
			return true;
	return false;
}

static unsigned
released_to(int s, const char *owner)
{
	unsigned most = 0;

	for (int r = 0; r < w.runs_count; r++) {
		unsigned n = testimony_released(shell_heard[s][r],
		    w.site[s].words_count[r], owner, (struct utc){0},
		    site_now(s));

		most = n > most ? n : most;
	}
	return most;
}

static void
begin_own(int s, const struct authority *peer, enum move_act act,
    struct authority_event ev)
{
	struct job *j = &w.site[s].jobs[JOB_OF_OWN];

	*j = (struct job){.on = true,
	    .run = -1,
	    .peer = *peer,
	    .turn = {.act = act,
		.changes_register = act == MOVE_RECORD,
		.reg = ev}};
	j->turn.reg.here = w.site[s].name;
}

/* H2: quarantine at once; the epoch is recorded. */
static void
freeze(int s, const struct authority *peer)
{
	struct authority_event stop = {.kind = AUTHORITY_QUARANTINE};
	struct site *t = &w.site[s];
	struct err e;

	if (authority_next(&t->reg, &stop, &t->reg, &e) != ERR_NONE)
		violate("no quarantine: %s", e.text);
	if (t->reg.highest_seen < peer->epoch)
		begin_own(s, peer, MOVE_RECORD,
		    (struct authority_event){.kind = AUTHORITY_EPOCH_SEEN,
			.epoch = peer->epoch});
}

/* True: something is done about it. */
static bool
take_notice(int s, const struct authority *peer, bool is_witness)
{
	struct site *t = &w.site[s];
	const struct authority *what;
	struct hearing_of of = {.reg = &t->reg,
	    .heard = peer,
	    .here = t->name,
	    .is_witness = is_witness,
	    .is_a_moves = is_a_moves(s),
	    .is_taken = is_taken(s),
	    .released = released_to(s, peer->site),
	    .now = {w.now_ns}};

	switch (hearing_next(&t->hearing, &of, &what)) {
	case HEARING_FREEZE:
		if (w.broken != NO_STEP_DOWN) {
			freeze(s, peer);
			return true;
		}
		what = peer;
		/* fall through */
	case HEARING_ADOPT:
		begin_own(s, what, MOVE_RECORD,
		    (struct authority_event){.kind = AUTHORITY_ADOPT});
		return true;
	case HEARING_FENCE:
		hearing_begun(&t->hearing);
		begin_own(s, peer, MOVE_STOP, (struct authority_event){0});
		w.done[T_STEP_DOWNS]++;
		return true;
	default: return false;
	}
}

/* The other's register, heard since our start; and etcd's. */
static bool
hear(int s)
{
	struct site *t = &w.site[s];
	const struct authority *peer = peer_register(s);
	struct authority there = {.state = AUTHORITY_MOVING};
	struct etcd_value seen;

	if (t->jobs[JOB_OF_OWN].on)
		return false;
	if (witness_heard(s, &seen)) {
		there.epoch = there.highest_seen = seen.epoch;
		if (seen.run >= 0)
			snprintf(there.run, sizeof(there.run), "%s",
			    w.runs[seen.run].id);
		snprintf(there.site, sizeof(there.site), "%s",
		    w.site[seen.owner].name);
		snprintf(there.from_site, sizeof(there.from_site), "%s",
		    w.site[1 - seen.owner].name);
		if (take_notice(s, &there, true))
			return true;
	}
	return t->heard && peer != NULL && take_notice(s, peer, false);
}

static void
begin(int s, int run, const struct move_turn *turn,
    const struct authority *peer)
{
	struct job *j = &w.site[s].jobs[run];

	*j = (struct job){.on = true,
	    .run = run,
	    .turn = *turn,
	    .begun_ns = w.now_ns,
	    .was_intact = w.site[w.runs[run].from].intact,
	    .was_well = w.link && site_writable(site_other(s)) &&
		w.site[s].answered_ns != 0 &&
		w.now_ns - w.site[s].answered_ns <= 10 * SEC};
	if (turn->reg.site != NULL)
		snprintf(j->owner, sizeof(j->owner), "%.15s", turn->reg.site);
	if (peer != NULL)
		j->peer = *peer;
	story("%s: %s: %s %s (%s)", w.site[s].name, w.runs[run].id,
	    move_act_name(turn->act),
	    turn->act == MOVE_RECORD ? move_event_name(turn->event) : "",
	    turn->why);
}

bool
shell_turn(int s, int run, struct move_turn *turn)
{
	struct site *t = &w.site[s];
	struct move_facts f;
	enum guards_phase gate;
	char why[100] = "";
	struct err e;

	if (!t->moves[run].known || t->jobs[run].on)
		return false;
	shell_facts(s, run, &f);
	f.peer_reg = peer_register(s);
	if (move_gate(&t->moves[run], t->name, &f, &gate)) {
		f.gate_passes = shell_guards(s, run, gate, why, sizeof(why));
		f.gate_text = why;
	}
	if (move_turn(&t->moves[run], t->name, &f, site_now(s), turn, &e) !=
	    ERR_NONE) {
		violate("%s", e.text);
		return false;
	}
	if (turn->why[0] == '\0')
		violate("a turn without a word");
	return true;
}

static bool
look_at(int s, int run)
{
	struct site *t = &w.site[s];
	struct move_turn turn;

	if (!shell_turn(s, run, &turn))
		return false;
	if (turn.act == MOVE_WAIT && turn.gated && one_in(8))
		story("%s: %s waits: %s", t->name, w.runs[run].id, turn.why);
	if (turn.act == MOVE_WAIT || turn.act == MOVE_NOTHING ||
	    (turn.changes_register && !witness_has_it(s, run, &turn.reg)))
		return false;
	begin(s, run, &turn, peer_register(s));
	return true;
}

/* Written, or to be written before anything else is. */
static struct job *
urgent_job(struct site *t)
{
	for (size_t i = 0; i < JOBS; i++)
		if (t->jobs[i].on &&
		    (t->jobs[i].stage != 2 ||
			t->jobs[i].turn.act == MOVE_RECORD))
			return &t->jobs[i];
	return NULL;
}

static struct job *
some_job(struct site *t)
{
	size_t from = below(JOBS);

	for (size_t i = 0; i < JOBS; i++)
		if (t->jobs[(from + i) % JOBS].on)
			return &t->jobs[(from + i) % JOBS];
	return NULL;
}

void
shell_tick(int s)
{
	struct site *t = &w.site[s];
	struct job *j;
	int from;

	if (!t->daemon)
		return;
	witness_tick(s);
	j = urgent_job(t);
	if (j == NULL) {
		j = some_job(t);
		if (j != NULL && one_in(4)) /* it takes its time */
			j = NULL;
	}
	if (j != NULL) {
		job_step(s, j);
		return;
	}
	shell_fold(s);
	if (hear(s) || w.runs_count == 0)
		return;
	from = (int)below((unsigned)w.runs_count);
	for (int r = 0; r < w.runs_count; r++)
		if (look_at(s, (from + r) % w.runs_count))
			return;
}
