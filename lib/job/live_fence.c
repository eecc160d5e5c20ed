/*
 * Fences, their proofs, and the hooks that hold a service still: words of the
 * policy outside of the plan, each written ahead like a step.
 */

#include <string.h>

#include <bascule/base/text.h>

#include "live_run.h"

#define BEAT_MS 1000

struct fence {
	struct live v;
	const struct live_options *o;
	unsigned fenced_count, running_count, unknown_count; /* of proofs */
	const char *unreached; /* the host that was not, or NULL */
};

static enum err_code
fence_init(struct fence *f, const struct live_options *o,
    struct live_result *out, struct err *e)
{
	*out = (struct live_result){.verdict = LIVE_UNCERTAIN};
	*f = (struct fence){.o = o,
	    .v = {.o = o,
		.out = out,
		.p = {.effects = &live_effects_planned,
		    .ctx = &f->v,
		    .policy = o->policy,
		    .service = o->service,
		    .site = o->site,
		    .run = o->run,
		    .epoch = o->epoch,
		    .sandbox = o->live_root,
		    .link = &o->link}}};
	return planrun_init(&f->v.p, e);
}

static void
fence_fini(struct fence *f)
{
	planrun_fini(&f->v.p);
}

/* --- one command ---------------------------------------------------------- */

struct words {
	const char *name, *what; /* of its records */
	const struct policy_texts *texts;
	const char *on;
	int64_t timeout_ns;
};

static void
hear(struct planrun *p)
{
	struct planrun_word w = {0};

	p->link->hear(p->link->ctx, &w);
	if (w.kind == PLANRUN_CANCEL)
		err_set(&p->lost, ERR_CANCELLED, "it was stopped");
}

static enum err_code
await(struct planrun *p, struct planrun_attempt *a, struct err *e)
{
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && p->lost.code == ERR_NONE &&
	    !planrun_attempt_is_over(a)) {
		rc = planrun_wait(p, BEAT_MS, e);
		hear(p);
	}
	if (rc == ERR_NONE && p->lost.code != ERR_NONE) {
		*e = p->lost;
		rc = e->code;
	}
	return rc;
}

static enum err_code
attempt(struct fence *f, const struct words *w, char *const *argv,
    struct planrun_attempt_report *out, struct err *e)
{
	struct planrun *p = &f->v.p;
	struct planrun_doing *d = &p->doing[PLANRUN_PROOF(p)];
	struct policy_values v = {.sandbox = p->sandbox};
	struct planrun_undo undo = {.step = w->name,
	    .argv = (const char *const *)argv,
	    .on = w->on,
	    .timeout_ns = w->timeout_ns,
	    /* It was tried for a while: people are waiting to be asked. */
	    .is_brief =
		f->unreached != NULL && strcmp(f->unreached, w->on) == 0};
	struct planrun_task task = {.kind = PLANRUN_DO_UNDO,
	    .effects = p->effects,
	    .run = p,
	    .undo = &undo,
	    .attempt = ++d->number,
	    .values = &v};
	enum err_code rc;

	d->kind = PLANRUN_DO_UNDO;
	d->name = w->name;
	d->what = w->what;
	rc = planrun_notes_intent(p, PLANRUN_PROOF(p), e);
	if (rc == ERR_NONE)
		rc = planrun_attempt_start(&d->attempt, &task, e);
	if (rc == ERR_NONE)
		rc = await(p, d->attempt, e);
	if (rc != ERR_NONE)
		return rc;
	*out = *d->attempt->report;
	planrun_attempt_free(&d->attempt);
	if (undo.is_brief || out->is_unreached)
		f->unreached = out->is_unreached ? w->on : NULL;
	planrun_notes_outcome(p, PLANRUN_PROOF(p),
	    out->ok                 ? "done"
		: out->is_uncertain ? "uncertain"
				    : "failed",
	    out->reason, out);
	if (p->lost.code != ERR_NONE)
		*e = p->lost;
	return p->lost.code;
}

static enum err_code
run_words(struct fence *f, const struct words *w,
    struct planrun_attempt_report *out, struct err *e)
{
	OWNED(policy_expand_free) char **argv = NULL;
	const struct policy_step none = {.kind = POLICY_STEP_RUN};
	struct policy_values v;
	char snapshot[ID_HEX_BYTES];
	enum err_code rc;

	planrun_values(&f->v.p, &none, snapshot, &v);
	rc = policy_expand_argv(&argv, w->texts, &v, e);
	return rc == ERR_NONE ? attempt(f, w, argv, out, e) : rc;
}

/* --- the entries ---------------------------------------------------------- */

/* Where an entry is run; NULL: the site that is left has no host. */
static const char *
host_of(const struct fence *f, const struct policy_fence *entry)
{
	const struct policy_site *left;

	if (entry->on[0] != '\0' || strcmp(f->o->site->name, f->o->from) == 0)
		return entry->on;
	left = policy_find_site(f->o->policy, f->o->from);
	return left != NULL && left->host_count > 0 ? left->hosts[0].name
						    : NULL;
}

static bool
is_ours(const struct fence *f, size_t i)
{
	return policy_fence_is_for(f->o->policy, &f->o->service->fence[i],
	    f->o->from);
}

static void
join(char *out, size_t size, const struct policy_texts *t)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < t->count && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s",
		    i > 0 ? " " : "", t->items[i]);
	text_mend_end(out);
}

static void
take_proof(struct fence *f, const struct policy_fence *entry,
    const struct planrun_attempt_report *r)
{
	struct live_result *out = f->v.out;
	size_t keep = r->output_kept_bytes;
	struct buf text = {0};
	struct err ignored;

	if (out->proof[0] == '\0' || r->ok) {
		if (keep > sizeof(out->proof) / 2)
			keep = sizeof(out->proof) / 2;
		snprintf(out->proof, sizeof(out->proof), "exit %d",
		    r->exit_status);
		if (keep > 0 &&
		    text_line(&text, r->output + r->output_kept_bytes - keep,
			keep, &ignored) == ERR_NONE)
			snprintf(out->proof, sizeof(out->proof), "exit %d: %s",
			    r->exit_status, buf_text(&text));
		text_mend_end(out->proof);
		join(out->method, sizeof(out->method),
		    entry->run.count > 0 ? &entry->run : &entry->prove);
	}
	buf_fini(&text);
}

/* What the entry's prove says: 0 fenced, 1 runs, else nothing (V3). */
static enum err_code
prove_entry(struct fence *f, size_t i, const char *name, struct err *e)
{
	const struct policy_fence *entry = &f->o->service->fence[i];
	struct planrun_attempt_report r = {0};
	struct words w = {name, "prove", &entry->prove, host_of(f, entry),
	    entry->timeout_ns};
	enum err_code rc;

	if (entry->prove.count == 0)
		return ERR_NONE;
	if (w.on == NULL) {
		f->unknown_count++;
		return ERR_NONE;
	}
	rc = run_words(f, &w, &r, e);
	if (rc != ERR_NONE)
		return rc;
	if (r.ok)
		f->fenced_count++;
	else if (r.code == ERR_IO && r.exit_status == 1 && !r.is_uncertain)
		f->running_count++;
	else
		f->unknown_count++;
	take_proof(f, entry, &r);
	if (!r.ok)
		snprintf(f->v.out->reason, sizeof(f->v.out->reason),
		    "%s: %.400s", name, r.reason);
	return ERR_NONE;
}

static void
name_entry(char out[32], size_t i)
{
	snprintf(out, 32, "fence-%zu", i + 1);
}

static enum err_code
prove_all(struct fence *f, struct err *e)
{
	enum err_code rc = ERR_NONE;
	char name[32];

	for (size_t i = 0; rc == ERR_NONE && i < f->o->service->fence_count;
	     i++) {
		name_entry(name, i);
		if (is_ours(f, i))
			rc = prove_entry(f, i, name, e);
	}
	return rc;
}

static enum err_code
fence_entry(struct fence *f, size_t i, struct err *e)
{
	const struct policy_fence *entry = &f->o->service->fence[i];
	struct live_result *out = f->v.out;
	struct planrun_attempt_report r = {0};
	char name[32];
	struct words w = {name, "fence", &entry->run, host_of(f, entry),
	    entry->timeout_ns};
	enum err_code rc = ERR_NONE;

	name_entry(name, i);
	if (entry->attest[0] != '\0' && out->attest[0] == '\0')
		snprintf(out->attest, sizeof(out->attest), "%s", entry->attest);
	if (entry->run.count > 0 && w.on != NULL)
		rc = run_words(f, &w, &r, e);
	/* Whatever became of it: what counts is what is read back. */
	return rc == ERR_NONE ? prove_entry(f, i, name, e) : rc;
}

static void
judge_fenced(struct fence *f)
{
	struct live_result *out = f->v.out;

	out->verdict = LIVE_UNCERTAIN;
	if (f->fenced_count > 0) {
		out->verdict = LIVE_DONE;
		out->reason[0] = out->attest[0] = '\0';
	} else if (f->running_count > 0) {
		out->verdict = LIVE_NOT_DONE;
	} else if (f->unknown_count == 0) {
		snprintf(out->reason, sizeof(out->reason),
		    "the policy has no fence with a `prove` for leaving '%s'",
		    f->o->from);
	}
}

enum err_code
live_fence_run(const struct live_options *o, struct live_result *out,
    struct err *e)
{
	OWNED(fence_fini) struct fence f;
	enum err_code rc = fence_init(&f, o, out, e);

	for (size_t i = 0; rc == ERR_NONE && f.fenced_count == 0 &&
	     i < o->service->fence_count;
	     i++)
		if (is_ours(&f, i))
			rc = fence_entry(&f, i, e);
	judge_fenced(&f);
	/* After its run a "runs" of one beside an unknown is no answer. */
	if (out->verdict == LIVE_NOT_DONE && f.unknown_count > 0)
		out->verdict = LIVE_UNCERTAIN;
	return rc;
}

enum err_code
live_fence_prove(const struct live_options *o, struct live_result *out,
    struct err *e)
{
	OWNED(fence_fini) struct fence f;
	enum err_code rc = fence_init(&f, o, out, e);

	if (rc == ERR_NONE)
		rc = prove_all(&f, e);
	judge_fenced(&f);
	return rc;
}

/* --- letting go ----------------------------------------------------------- */

static enum err_code
undo_entry(struct fence *f, size_t i, size_t *failed, struct err *e)
{
	const struct policy_fence *entry = &f->o->service->fence[i];
	struct planrun_attempt_report r = {0};
	char name[32];
	struct words w = {name, "unfence", &entry->undo, host_of(f, entry),
	    entry->timeout_ns};
	enum err_code rc;

	name_entry(name, i);
	if (entry->undo.count == 0)
		return ERR_NONE;
	if (w.on == NULL) {
		++*failed;
		return ERR_NONE;
	}
	rc = run_words(f, &w, &r, e);
	if (rc == ERR_NONE && !r.ok) {
		++*failed;
		snprintf(f->v.out->reason, sizeof(f->v.out->reason),
		    "%s: %.400s", name, r.reason);
	}
	return rc;
}

static enum err_code
run_hook(struct fence *f, const char *name, const struct policy_texts *texts,
    struct planrun_attempt_report *r, struct err *e)
{
	const struct policy_quiesce *q = &f->o->service->quiesce;
	struct words w = {name, "quiesce", texts,
	    policy_quiesce_host(f->o->policy, q, f->o->site->name),
	    q->timeout_ns};

	if (w.on == NULL)
		return err_set(e, ERR_POLICY,
		    "nothing says on which host of '%s' the hooks of '%s' are "
		    "run; write quiesce.host_at",
		    f->o->site->name, f->o->service->name);
	return run_words(f, &w, r, e);
}

static enum err_code
let_go(struct fence *f, size_t *failed, struct err *e)
{
	const struct policy_service *s = f->o->service;
	struct planrun_attempt_report r = {0};
	enum err_code rc = ERR_NONE;

	*failed = 0;
	for (size_t i = s->fence_count; rc == ERR_NONE && i-- > 0;)
		if (is_ours(f, i))
			rc = undo_entry(f, i, failed, e);
	if (rc != ERR_NONE || s->quiesce.after.count == 0)
		return rc;
	rc = run_hook(f, "quiesce.after", &s->quiesce.after, &r, e);
	if (rc == ERR_NONE && !r.ok) {
		++*failed;
		snprintf(f->v.out->reason, sizeof(f->v.out->reason),
		    "quiesce.after: %.400s", r.reason);
	}
	return rc;
}

enum err_code
live_fence_resume(const struct live_options *o, struct live_result *out,
    struct err *e)
{
	OWNED(fence_fini) struct fence f;
	size_t failed = 0;
	enum err_code rc = fence_init(&f, o, out, e);

	if (rc == ERR_NONE)
		rc = let_go(&f, &failed, e);
	if (rc == ERR_NONE)
		rc = prove_all(&f, e);
	if (f.fenced_count > 0)
		out->verdict = LIVE_NOT_DONE;
	else if (f.running_count > 0 || (f.unknown_count == 0 && failed == 0))
		out->verdict = LIVE_DONE;
	if (out->verdict == LIVE_DONE)
		out->reason[0] = '\0';
	return rc;
}

enum err_code
live_fence_quiesce(const struct live_options *o, struct live_result *out,
    struct err *e)
{
	OWNED(fence_fini) struct fence f;
	struct planrun_attempt_report r = {0};
	enum err_code rc;

	if (o->service->quiesce.before.count == 0)
		return live_fence_run(o, out, e);
	rc = fence_init(&f, o, out, e);
	if (rc == ERR_NONE)
		rc = run_hook(&f, "quiesce.before", &o->service->quiesce.before,
		    &r, e);
	if (rc != ERR_NONE)
		return rc;
	out->verdict = r.ok  ? LIVE_DONE
	    : r.is_uncertain ? LIVE_UNCERTAIN
			     : LIVE_NOT_DONE;
	snprintf(out->reason, sizeof(out->reason), "%s%.450s",
	    r.ok ? "" : "quiesce.before: ", r.reason);
	return ERR_NONE;
}
