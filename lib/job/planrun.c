#include "planrun.h"

#include <poll.h>
#include <string.h>

#define BEAT_MS 1000 /* a stopped attempt is looked at again */

static unsigned
modes_of(uint32_t modes)
{
	return ((modes & POLICY_MODE_TEST) != 0 ? PLAN_IN_TEST : 0) |
	    ((modes & POLICY_MODE_TABLETOP) != 0 ? PLAN_IN_TABLETOP : 0) |
	    ((modes & POLICY_MODE_PLANNED) != 0 ? PLAN_IN_PLANNED : 0) |
	    ((modes & POLICY_MODE_UNPLANNED) != 0 ? PLAN_IN_UNPLANNED : 0);
}

static enum plan_uncertain
uncertain_of(enum policy_uncertain u)
{
	switch (u) {
	case POLICY_RETRY: return PLAN_UNCERTAIN_RETRY;
	case POLICY_FAIL: return PLAN_UNCERTAIN_FAIL;
	case POLICY_ASK: break;
	}
	return PLAN_UNCERTAIN_ASK;
}

static struct plan_step
step_of(const struct policy_step *s)
{
	static const enum plan_kind kinds[] = {
	    [POLICY_STEP_RESTORE] = PLAN_RESTORE,
	    [POLICY_STEP_RUN] = PLAN_RUN,
	    [POLICY_STEP_CHECK] = PLAN_CHECK,
	    [POLICY_STEP_CONFIRM] = PLAN_CONFIRM,
	    [POLICY_STEP_WAIT] = PLAN_WAIT,
	};
	/* What only looks, compares or asks may be done again at any time. */
	bool harmless = s->kind != POLICY_STEP_RUN;
	int64_t timeout_ns = s->timeout_ns;

	/* A check watches its own time and says what it saw last: this clock
	 * is for one that cannot, and never comes first by chance. */
	if (s->kind == POLICY_STEP_CHECK) {
		if (timeout_ns < s->check.within_ns)
			timeout_ns = s->check.within_ns;
		timeout_ns += 30 * NS_PER_S;
	}
	return (struct plan_step){.name = s->name,
	    .after = s->after.items,
	    .after_count = s->after.count,
	    .kind = kinds[s->kind],
	    .modes = modes_of(s->modes),
	    .retries = s->retries,
	    .retry_wait_ns = NS_PER_S,
	    .timeout_ns = timeout_ns,
	    .has_undo = s->undo.count > 0,
	    .idempotent = harmless || s->idempotent,
	    .on_uncertain =
		harmless ? PLAN_UNCERTAIN_RETRY : uncertain_of(s->on_uncertain),
	    .wait_ns = s->wait_ns};
}

enum err_code
planrun_init(struct planrun *p, struct err *e)
{
	const struct policy_service *s = p->service;

	p->steps = calloc(s->step_count + 1, sizeof(*p->steps));
	p->doing = calloc(s->step_count + 1, sizeof(*p->doing));
	p->snapshots = calloc(s->dataset_count + 1, sizeof(*p->snapshots));
	if (p->steps == NULL || p->doing == NULL || p->snapshots == NULL)
		return err_nomem(e);
	p->steps_count = s->step_count;
	for (size_t i = 0; i < s->step_count; i++)
		p->steps[i] = step_of(&s->plan[i]);
	return ERR_NONE;
}

void
planrun_fini(struct planrun *p)
{
	for (size_t i = 0; p->doing != NULL && i <= p->steps_count; i++)
		planrun_attempt_free(&p->doing[i].attempt);
	engine_free(&p->engine);
	free(p->steps);
	free(p->doing);
	free(p->todo);
	free(p->snapshots);
}

void
planrun_values(const struct planrun *p, const struct policy_step *step,
    char snapshot[ID_HEX_BYTES], struct policy_values *out)
{
	const struct policy_service *s = p->service;

	*out = (struct policy_values){.service = s->name,
	    .sandbox = p->sandbox,
	    .site = p->site->name,
	    .run = p->run,
	    .epoch = p->epoch};
	for (size_t i = 0; i < s->dataset_count; i++) {
		if (step->kind != POLICY_STEP_RESTORE ||
		    strcmp(s->datasets[i].name, step->restore) != 0)
			continue;
		out->dataset = step->restore;
		out->snapshot = id_hex(&p->snapshots[i].id, snapshot);
	}
}

enum err_code
planrun_check_words(const struct planrun *p, const struct policy_step *s,
    struct err *e)
{
	const struct policy_texts *words[] = {&s->run, &s->undo,
	    &s->check.command, &s->check.sql};
	const char *texts[] = {s->to, s->check.http, s->check.tcp,
	    s->check.unreachable, s->check.tls, s->check.ca_file, s->check.file,
	    s->confirm};
	char snapshot[ID_HEX_BYTES];
	struct policy_values values;
	enum err_code rc = ERR_NONE;

	planrun_values(p, s, snapshot, &values);
	for (size_t i = 0; rc == ERR_NONE && i < COUNT_OF(words); i++) {
		OWNED(policy_expand_free) char **argv = NULL;

		if (words[i]->count > 0)
			rc = policy_expand_argv(&argv, words[i], &values, e);
	}
	for (size_t i = 0; rc == ERR_NONE && i < COUNT_OF(texts); i++) {
		OWNED(buf_fini) struct buf out = {0};

		if (texts[i] != NULL)
			rc = policy_expand(&out, texts[i], &values, e);
	}
	return rc;
}

enum err_code
planrun_wait(struct planrun *p, int ms, struct err *e)
{
	OWNED(free_mem)
	struct pollfd *fds = calloc(p->steps_count + 2, sizeof(*fds));
	nfds_t count = 0;

	if (fds == NULL)
		return err_nomem(e);
	fds[count++] = (struct pollfd){p->link->fd(p->link->ctx), POLLIN, 0};
	for (size_t i = 0; i <= p->steps_count; i++)
		if (p->doing[i].attempt != NULL)
			fds[count++] =
			    (struct pollfd){p->doing[i].attempt->pid_fd, POLLIN,
				0};
	(void)poll(fds, count, ms);
	return ERR_NONE;
}

/* --- the loop ------------------------------------------------------------- */

static int
wait_ms(const struct planrun *p)
{
	struct mono at, now = now_mono();
	int64_t ms = BEAT_MS, due_ms = BEAT_MS;

	if (p->engine != NULL && engine_deadline(p->engine, &at) &&
	    (at.ns - now.ns) / NS_PER_MS < ms)
		ms = (at.ns - now.ns) / NS_PER_MS + 1;
	if (p->effects->due_ms != NULL)
		due_ms = p->effects->due_ms(p);
	if (due_ms < ms)
		ms = due_ms;
	return ms < 0 ? 0 : (int)ms;
}

static void
hear(struct planrun *p)
{
	const struct planrun_link *l = p->link;
	struct planrun_word w;

	for (;;) {
		w = (struct planrun_word){0};
		l->hear(l->ctx, &w);
		if (w.kind == PLANRUN_SILENCE)
			return;
		if (w.kind == PLANRUN_ANSWERED)
			planrun_steps_answer(p, &w);
		else
			p->effects->told(p, &w);
		planrun_steps_work(p);
	}
}

/* The engine first, if it asked for that. */
static void
tick(struct planrun *p)
{
	struct engine_event ev = {.kind = ENGINE_TICK};
	struct mono at;

	if (p->engine != NULL && engine_deadline(p->engine, &at) &&
	    at.ns <= now_mono().ns)
		planrun_steps_tell(p, &ev);
	if (p->effects->ticked != NULL)
		p->effects->ticked(p);
}

enum err_code
planrun_go(struct planrun *p, struct err *e)
{
	planrun_steps_work(p);
	while (!p->is_over && p->lost.code == ERR_NONE) {
		enum err_code rc = planrun_wait(p, wait_ms(p), e);

		if (rc != ERR_NONE)
			return rc;
		planrun_steps_collect(p);
		hear(p);
		tick(p);
		planrun_steps_work(p);
	}
	if (p->lost.code != ERR_NONE)
		*e = p->lost;
	return p->lost.code;
}
