/*
 * Isolated tests: a kind of job whose run is also a record of its own, and what
 * follows when its worker dies.
 *
 *	asked for -> REQUESTED -> worker -> result
 *	                            | died, or the daemon did
 *	                            v
 *	          the same id again, with what its inventory says: cleaned up
 */

#include "daemon.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/exitcode.h>
#include <bascule/plan.h>

#include "found.h"
#include "job_kinds.h"
#include "moves.h"

#define SAID_MAX         2048
#define STEPS_MAX        PLAN_STEPS_MAX
#define MOVE_WORDS_BYTES 160

struct own {
	bool noted; /* that it was asked for */
	bool is_cleanup, died, goes_on;
	char result[24], state[24], point[ID_HEX_BYTES];
	struct exercise_said *said;
	size_t said_count;
};

static void
own_free(void **ctx)
{
	struct own *o = *ctx;

	free(o->said);
	free_mem(ctx);
}

static struct own *
own_of(struct job *j)
{
	return job_own(j, sizeof(struct own), own_free);
}

static bool
is_cleanup(const struct job *j)
{
	return j->params != NULL && wire_take_bool(j->params, "cleanup", false);
}

/* --- what may be asked ------------------------------------------------------ */

static enum err_code
take_outstanding(void *ctx, const struct ledger_exercise *x, struct err *e)
{
	char *run = ctx;

	(void)e;
	if (x->result[0] == '\0' &&
	    strcmp(x->state,
		isolated_state_name(ISOLATED_CLEANUP_INCOMPLETE)) == 0)
		snprintf(run, JOB_ID_BYTES, "%s", x->run);
	return ERR_NONE;
}

enum err_code
exercise_outstanding(struct daemon *d, char run[JOB_ID_BYTES], struct err *e)
{
	struct ledger_exercise_filter f = {.mode = "test"};

	run[0] = '\0';
	return ledger_exercises(d->ledger, &f, take_outstanding, run, e);
}

enum err_code
exercise_may_start(struct daemon *d, const char *service, struct err *e)
{
	struct daemon_service *s = daemon_service(d, service);
	char run[JOB_ID_BYTES], move[MOVE_WORDS_BYTES];
	enum err_code rc;

	if (s == NULL)
		return err_set(e, ERR_NOTFOUND, "there is no service '%s'",
		    service);
	if (s->policy->standby[0] == '\0')
		return err_set(e, ERR_REFUSED,
		    "service '%s' has no standby site to be tested at",
		    service);
	if (strcmp(daemon_other_site(s), d->policy->site) != 0) {
		err_set(e, ERR_REFUSED,
		    "service '%s' is tested at its standby site '%s'; this is "
		    "'%s'",
		    service, daemon_other_site(s), d->policy->site);
		return err_hint(e, "ask the daemon at site '%s'",
		    daemon_other_site(s));
	}
	if (moves_under_way(d, move, sizeof(move))) {
		err_set(e, ERR_BUSY,
		    "%s is under way at this site, and tests give way to it",
		    move);
		return err_hint(e, "ask again when the service runs there");
	}
	rc = exercise_outstanding(d, run, e);
	if (rc != ERR_NONE || run[0] == '\0')
		return rc;
	err_set(e, ERR_REFUSED, "exercise %s is not cleaned up", run);
	return err_hint(e, "bascule exercise cleanup %s", run);
}

/* --- records ---------------------------------------------------------------- */

static void
complain(const struct job *j, const struct err *e)
{
	note_log(NOTE_ERROR, "exercise %s: %s", j->id, e->text);
}

static enum err_code
note_requested(struct job *j, struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	struct own *o = own_of(j);
	const struct daemon_service *s = daemon_service(j->d, j->service);
	enum err_code rc;

	if (o == NULL)
		return err_nomem(e);
	if (o->noted)
		return ERR_NONE;
	rc = job_draft(&d, j, LEDGER_EXERCISE, e);
	if (rc != ERR_NONE)
		return rc;
	if (s != NULL) {
		draft_int(d, "rto_ns", s->policy->rto_ns);
		draft_int(d, "rpo_ns", s->policy->rpo_ns);
		if (s->policy->mtpd_ns > 0)
			draft_int(d, "mtpd_ns", s->policy->mtpd_ns);
		found_site(d, j->d, s->policy, j->d->policy->site);
	}
	draft_text(d, "mode", "test");
	draft_text(d, "state", isolated_state_name(ISOLATED_REQUESTED));
	draft_text(d, "trigger", j->trigger);
	rc = note_event(j->d, d, e);
	o->noted = rc == ERR_NONE;
	return rc;
}

static bool
on_note(struct job *j, struct wire_value *ev)
{
	struct err e;

	if (job_kinds_note(j, ev, &e) != ERR_NONE)
		complain(j, &e);
	return true;
}

static bool
on_said(struct job *j, bool is_step, struct wire_value *ev)
{
	struct own *o = own_of(j);
	struct exercise_said *more, *s;

	if (o == NULL || o->said_count == SAID_MAX)
		return true;
	more = realloc(o->said, (o->said_count + 1) * sizeof(*more));
	if (more == NULL)
		return true;
	o->said = more;
	s = &more[o->said_count++];
	*s = (struct exercise_said){.at = now_utc(), .is_step = is_step};
	snprintf(s->step, sizeof(s->step), "%s",
	    wire_take_text(ev, "step", ""));
	snprintf(s->kind, sizeof(s->kind), "%s",
	    wire_take_text(ev, "kind", ""));
	snprintf(s->state, sizeof(s->state), "%s",
	    wire_take_text(ev, "state", ""));
	snprintf(s->reason, sizeof(s->reason), "%s",
	    wire_take_text(ev, "reason", ""));
	snprintf(j->what, sizeof(j->what), "%s", is_step ? s->step : s->state);
	job_touch(j);
	return true;
}

static bool
on_event(struct job *j, const char *type, struct wire_value *ev)
{
	if (strcmp(type, "note") == 0)
		return on_note(j, ev);
	if (strcmp(type, "step") == 0)
		return on_said(j, true, ev);
	if (strcmp(type, "state") == 0)
		return on_said(j, false, ev);
	return false;
}

const struct exercise_said *
exercise_said(const struct job *j, size_t *count)
{
	const struct own *o = j->own;

	*count = o == NULL ? 0 : o->said_count;
	return o == NULL ? NULL : o->said;
}

const char *
exercise_result(const struct job *j)
{
	const struct own *o = j->own;

	return o == NULL || strcmp(o->result, "NONE") == 0 ? "" : o->result;
}

const char *
exercise_state(const struct job *j)
{
	const struct own *o = j->own;

	if (o != NULL && o->state[0] != '\0')
		return o->state;
	for (size_t i = o == NULL ? 0 : o->said_count; i-- > 0;)
		if (!o->said[i].is_step)
			return o->said[i].state;
	return isolated_state_name(ISOLATED_REQUESTED);
}

bool
exercise_goes_on(const struct job *j)
{
	const struct own *o = j->own;

	return o != NULL && o->goes_on;
}

/* --- what a run left, from its records ------------------------------------------ */

struct left_undo {
	char step[64];
	char *line; /* {"argv":[...],"timeout_ns":N} */
};

struct left {
	struct wire_value *v; /* being built */
	bool has_sandbox, has_cell;
	char state[32];
	bool failed, interrupted, unproved, findings;
	struct left_undo undos[STEPS_MAX];
	size_t undo_count;
	char done[STEPS_MAX][64]; /* steps, in the order of their last word */
	size_t done_count;
};

static void
left_free(struct left **lp)
{
	struct left *l = TAKE(*lp);

	if (l == NULL)
		return;
	for (size_t i = 0; i < l->undo_count; i++)
		free(l->undos[i].line);
	wire_free(&l->v);
	free(l);
}

static void
take_text(struct left *l, const struct record *r, const char *name, bool *has)
{
	char text[4096];

	if (record_text(r, name, text, sizeof(text))[0] == '\0')
		return;
	wire_add_text(l->v, name, text);
	*has = true;
}

static void
take_undo_lines(struct left *l, const struct record *r)
{
	struct record_cursor c = {0};
	struct record_field f;

	while (record_next(r, &c, &f)) {
		struct left_undo *u = &l->undos[l->undo_count];

		if (f.closed || f.name.len_bytes <= 5 ||
		    f.name.len_bytes - 5 >= sizeof(u->step) ||
		    memcmp(f.name.at, "undo.", 5) != 0 ||
		    l->undo_count == STEPS_MAX)
			continue;
		snprintf(u->step, sizeof(u->step), "%.*s",
		    (int)(f.name.len_bytes - 5), f.name.at + 5);
		u->line = strndup(f.value.at, f.value.len_bytes);
		if (u->line != NULL)
			l->undo_count++;
	}
}

static void
take_run(struct left *l, const struct record *r)
{
	enum isolated_state s;
	char state[32];

	take_text(l, r, "sandbox", &l->has_sandbox);
	if (record_int(r, "cell_pid", 0) > 0) {
		wire_add_int(l->v, "cell_pid", record_int(r, "cell_pid", 0));
		wire_add_int(l->v, "cell_started",
		    record_int(r, "cell_started", 0));
		take_text(l, r, "cell_boot", &l->has_cell);
	}
	take_undo_lines(l, r);
	record_text(r, "state", state, sizeof(state));
	if (isolated_state_find(state, &s))
		memcpy(l->state, state, sizeof(l->state));
	l->failed = l->failed || record_int(r, "failed", 0) == 1;
	l->interrupted = l->interrupted || record_int(r, "interrupted", 0) == 1;
	l->unproved = l->unproved || record_int(r, "unproved", 0) == 1;
	l->findings = l->findings || record_int(r, "findings", 0) == 1;
}

static void
forget_step(struct left *l, const char *step)
{
	for (size_t i = 0; i < l->done_count; i++) {
		if (strcmp(l->done[i], step) != 0)
			continue;
		memmove(l->done[i], l->done[i + 1],
		    (l->done_count - i - 1) * sizeof(l->done[0]));
		l->done_count--;
		return;
	}
}

/* Begun is as good as done: what it left is not known. */
static void
take_step(struct left *l, const struct record *r)
{
	char step[64], kind[16], state[16];

	record_text(r, "step", step, sizeof(step));
	record_text(r, "kind", kind, sizeof(kind));
	record_text(r, "state", state, sizeof(state));
	if (step[0] == '\0' || strcmp(kind, "isolation") == 0 ||
	    strcmp(state, "skipped") == 0)
		return;
	if (strcmp(kind, "undo") == 0) {
		if (strcmp(state, "undone") == 0)
			forget_step(l, step);
		return;
	}
	forget_step(l, step);
	if (l->done_count < STEPS_MAX)
		memcpy(l->done[l->done_count++], step, sizeof(step));
}

static enum err_code
take_record(void *ctx, const struct record *r, struct err *e)
{
	struct left *l = ctx;

	(void)e;
	if (record_text_is(r->type, LEDGER_EXERCISE))
		take_run(l, r);
	else if (record_text_is(r->type, LEDGER_STEP))
		take_step(l, r);
	return ERR_NONE;
}

static enum err_code
add_undo(struct wire_value *list, const struct left_undo *u, struct err *e)
{
	OWNED(wire_free) struct wire_value *from = NULL;
	OWNED(wire_free) struct wire_value *to = NULL;
	OWNED(wire_free) struct wire_value *argv = NULL;
	struct wire_value *words;
	enum err_code rc = wire_parse(&from, u->line, strlen(u->line), e);

	if (rc == ERR_NONE)
		rc = wire_new(&to, NULL, e);
	if (rc == ERR_NONE)
		rc = wire_new_list(&argv, e);
	if (rc != ERR_NONE)
		return rc;
	words = wire_take_list(from, "argv");
	for (size_t i = 0; words != NULL && i < wire_count(words); i++)
		wire_add_text(argv, NULL, wire_at_text(words, i));
	wire_add_text(to, "step", u->step);
	wire_add_int(to, "timeout_ns", wire_take_int(from, "timeout_ns", 0));
	wire_add(to, "argv", &argv);
	rc = wire_check(from, e);
	wire_add(list, NULL, &to);
	return rc;
}

static enum err_code
add_undos(struct left *l, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = l->done_count; rc == ERR_NONE && i-- > 0;)
		for (size_t k = 0; rc == ERR_NONE && k < l->undo_count; k++)
			if (strcmp(l->done[i], l->undos[k].step) == 0)
				rc = add_undo(list, &l->undos[k], e);
	if (rc == ERR_NONE)
		wire_add(l->v, "undos", &list);
	return rc;
}

enum err_code
exercise_left(struct daemon *d, const char *run, struct wire_value *spec,
    struct err *e)
{
	OWNED(left_free) struct left *l = calloc(1, sizeof(*l));
	struct ledger_filter f = {.run = run};
	enum err_code rc;

	if (l == NULL)
		return err_nomem(e);
	snprintf(l->state, sizeof(l->state), "%s",
	    isolated_state_name(ISOLATED_REQUESTED));
	rc = wire_new(&l->v, NULL, e);
	if (rc == ERR_NONE)
		rc = ledger_iterate(d->ledger, &f, take_record, l, e);
	if (rc == ERR_NONE)
		rc = add_undos(l, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(l->v, "state", l->state);
	wire_add_bool(l->v, "failed", l->failed);
	wire_add_bool(l->v, "interrupted", l->interrupted);
	wire_add_bool(l->v, "unproved", l->unproved);
	wire_add_bool(l->v, "findings", l->findings);
	wire_add(spec, "left", &l->v);
	return ERR_NONE;
}

/* --- the kind ----------------------------------------------------------------- */

static enum err_code
scheduled(const struct daemon_task *t, struct wire_value **params,
    struct err *e)
{
	const struct policy_exercise *x = &t->service->exercises[t->index];
	enum err_code rc = wire_new(params, NULL, e);

	if (rc == ERR_NONE)
		wire_add_int(*params, "hold_ns", x->hold_ns);
	return rc;
}

static enum err_code
prepare(struct job *j, struct wire_value *spec, struct err *e)
{
	char run[JOB_ID_BYTES], move[MOVE_WORDS_BYTES];
	enum err_code rc;

	if (is_cleanup(j)) {
		struct own *o = own_of(j);

		if (o == NULL)
			return err_nomem(e);
		o->is_cleanup = true;
		return exercise_left(j->d, j->id, spec, e);
	}
	rc = note_requested(j, e);
	if (rc == ERR_NONE)
		rc = exercise_outstanding(j->d, run, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(spec, "outstanding", run[0] != '\0' ? run : NULL);
	if (moves_under_way(j->d, move, sizeof(move)))
		wire_add_text(spec, "live_move", move);
	if (j->params != NULL) {
		wire_add_text(spec, "point",
		    wire_take_text(j->params, "point", NULL));
		wire_add_int(spec, "hold_ns",
		    wire_take_int(j->params, "hold_ns", 0));
	}
	return ERR_NONE;
}

static void
note_tested(struct job *j, const char *point)
{
	OWNED(draft_free) struct draft *d = NULL;
	struct err e;
	enum err_code rc = job_draft(&d, j, LEDGER_POINT, &e);

	if (rc == ERR_NONE) {
		draft_text(d, "point", point);
		draft_text(d, "tested_run", j->id);
		draft_text(d, "verified_level", "L6");
		rc = note_event(j->d, d, &e);
	}
	if (rc != ERR_NONE)
		complain(j, &e);
}

static void
finish(struct job *j, struct wire_value *result)
{
	struct own *o = own_of(j);
	const char *point, *why;
	bool passed, gave_way;

	if (o == NULL)
		return;
	o->died = result == NULL || !wire_has(result, "exercise_state");
	if (o->died) {
		j->exit_status = EXITCODE_EXERCISE;
		return;
	}
	snprintf(o->state, sizeof(o->state), "%s",
	    wire_take_text(result, "exercise_state", ""));
	snprintf(o->result, sizeof(o->result), "%s",
	    wire_take_text(result, "exercise_result", ""));
	why = wire_take_text(result, "exercise_reason", "");
	point = wire_take_text(result, "point", "");
	passed = strncmp(o->result, "PASS", 4) == 0;
	if (point[0] != '\0' && wire_take_bool(result, "tested", false))
		note_tested(j, point);
	snprintf(j->reason, sizeof(j->reason), "%s%s%s",
	    strcmp(o->result, "NONE") == 0 ? o->state : o->result,
	    why[0] != '\0' ? ": " : "", why);
	j->exit_status = passed ? EXITCODE_DONE : EXITCODE_EXERCISE;
	gave_way =
	    strcmp(o->state, isolated_state_name(ISOLATED_PREEMPTED)) == 0;
	j->d->tests_gave_way |= gave_way;
	/* Cleaning up is the whole of what a clean-up was asked for. */
	j->state = passed ||
		(o->is_cleanup &&
		    strcmp(o->state, isolated_state_name(ISOLATED_CLEAN)) == 0)
	    ? JOB_SUCCEEDED
	    : gave_way ||
		(strcmp(o->result, "INTERRUPTED") == 0 && j->cancelling)
	    ? JOB_CANCELLED
	    : JOB_FAILED;
}

#define CLEAN_UPS_MAX 3 /* that died, one after the other */

static enum err_code clean_up(struct daemon *d, struct job_request *r,
    int64_t died, struct job **out, struct err *e);

static int64_t
clean_ups_that_died(const struct job *j)
{
	return j->params == NULL ? 0 : wire_take_int(j->params, "died", 0);
}

/* What its worker left goes to another one. */
static void
go_on(struct job *j, struct own *o)
{
	struct job_request r = {.service = j->service,
	    .trigger = "its worker died before it was clean",
	    .id = j->id};
	int64_t died = clean_ups_that_died(j) + o->is_cleanup;
	struct err e;

	if (clean_up(j->d, &r, died, NULL, &e) != ERR_NONE)
		complain(j, &e);
	else
		o->goes_on = true;
}

static void
after(struct job *j)
{
	struct own *o = own_of(j);
	char text[JOB_REASON_BYTES + 160];
	bool gives_up;
	struct err e;

	if (o == NULL)
		return;
	gives_up = o->died && o->is_cleanup &&
	    clean_ups_that_died(j) + 1 >= CLEAN_UPS_MAX;
	snprintf(text, sizeof(text), "exercise %s: %s%s%s", j->id, j->reason,
	    gives_up ? "; it is not cleaned up; type: bascule exercise "
		       "cleanup "
		     : "",
	    gives_up ? j->id : "");
	if (j->state == JOB_FAILED)
		alarm_raise(j->d,
		    &(struct alarm_what){.on = POLICY_ON_EXERCISE,
			.level = ALARM_WARNING,
			.service = j->service,
			.text = text});
	else if (j->state == JOB_SUCCEEDED && !o->is_cleanup)
		alarm_clear(j->d, POLICY_ON_EXERCISE, j->service, NULL, text);
	/* A result is under a head at once: nobody changes it unseen. */
	if (ledger_sign_head(j->d->ledger, NULL, &e) != ERR_NONE)
		complain(j, &e);
	if (o->died && !j->d->stopping && !gives_up &&
	    (o->is_cleanup ? !j->cancelling : o->noted))
		go_on(j, o);
}

const struct job_kind exercise_kind = {.name = "exercise",
    .ledger_type = LEDGER_JOB,
    .schedule = SCHEDULE_EXERCISE,
    .scheduled = scheduled,
    .prepare = prepare,
    .on_event = on_event,
    .finish = finish,
    .after = after};

/* --- asking --------------------------------------------------------------------- */

enum err_code
exercise_ask(struct daemon *d, struct job_request *r, struct job **out,
    struct err *e)
{
	enum err_code rc = exercise_may_start(d, r->service, e);

	*out = NULL;
	if (rc == ERR_NONE)
		rc = job_ask(d, r, out, e);
	wire_free(&r->params);
	return rc == ERR_NONE ? note_requested(*out, e) : rc;
}

static enum err_code
clean_up(struct daemon *d, struct job_request *r, int64_t died,
    struct job **out, struct err *e)
{
	enum err_code rc = wire_new(&r->params, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	r->kind = &exercise_kind;
	r->once = true;
	wire_add_bool(r->params, "cleanup", true);
	wire_add_int(r->params, "died", died);
	return job_ask(d, r, out, e);
}

enum err_code
exercise_clean_up(struct daemon *d, const char *run, const char *service,
    const char *trigger, const struct draft_actor *actor, struct job **out,
    struct err *e)
{
	struct job_request r = {.service = service,
	    .trigger = trigger,
	    .actor = actor,
	    .id = run};

	return clean_up(d, &r, 0, out, e);
}

/* --- after a start, or a ledger that was full ---------------------------------------- */

struct interrupted {
	bool gave_way; /* those, or the others */
	char (*runs)[JOB_ID_BYTES];
	char (*services)[LEDGER_NAME_BYTES_MAX + 1];
	size_t count;
};
#define INTERRUPTED_MAX 64

static enum err_code
take_interrupted(void *ctx, const struct ledger_exercise *x, struct err *e)
{
	struct interrupted *in = ctx;

	(void)e;
	/* What could not be cleaned waits for somebody who looked at it. */
	if (x->result[0] != '\0' || in->count == INTERRUPTED_MAX ||
	    strcmp(x->state,
		isolated_state_name(ISOLATED_CLEANUP_INCOMPLETE)) == 0 ||
	    in->gave_way !=
		(strcmp(x->state, isolated_state_name(ISOLATED_PREEMPTED)) ==
		    0))
		return ERR_NONE;
	snprintf(in->runs[in->count], sizeof(in->runs[0]), "%s", x->run);
	snprintf(in->services[in->count++], sizeof(in->services[0]), "%s",
	    x->service);
	return ERR_NONE;
}

static void
clean_up_all(struct daemon *d, bool gave_way, const char *why)
{
	OWNED(free_mem) void *runs = NULL;
	OWNED(free_mem) void *services = NULL;
	struct interrupted in = {.gave_way = gave_way};
	struct ledger_exercise_filter f = {.mode = "test"};
	struct err e;
	enum err_code rc;

	in.runs = calloc(INTERRUPTED_MAX, sizeof(*in.runs));
	runs = in.runs;
	in.services = calloc(INTERRUPTED_MAX, sizeof(*in.services));
	services = in.services;
	if (runs == NULL || services == NULL)
		return;
	rc = ledger_exercises(d->ledger, &f, take_interrupted, &in, &e);
	for (size_t i = 0; rc == ERR_NONE && i < in.count; i++) {
		if (job_find(d, in.runs[i]) != NULL)
			continue; /* at work */
		note_log(NOTE_WARNING,
		    "exercise %s of %s was interrupted: cleaning up (%s)",
		    in.runs[i], in.services[i], why);
		if (exercise_clean_up(d, in.runs[i], in.services[i], why, NULL,
			NULL, &e) != ERR_NONE)
			note_log(NOTE_ERROR, "exercise %s: %s", in.runs[i],
			    e.text);
	}
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
}

void
exercise_resume(struct daemon *d, const char *why)
{
	clean_up_all(d, false, why);
}

void
exercise_release(struct daemon *d)
{
	char move[MOVE_WORDS_BYTES];

	if (!d->tests_gave_way || moves_under_way(d, move, sizeof(move)))
		return;
	d->tests_gave_way = false;
	clean_up_all(d, true, "the live move it gave way to has ended");
}
