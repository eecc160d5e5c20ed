/* The scheduler: see schedule.h.  Pure. */

#include "schedule.h"

#include <string.h>

struct task {
	struct schedule_task t;
	char blocked[SCHEDULE_REASON_BYTES]; /* "": not */
	/* the first firing after judged, worked out when it is asked for */
	struct utc next;
	bool next_is_known, has_next;
	bool is_held; /* SC5 */
};

/* Something that waits for its turn, or runs. */
struct item {
	struct item *next;
	struct item *next_running;
	uint64_t job;
	size_t task; /* or SCHEDULE_NO_TASK */
	enum schedule_kind kind;
	char *lane, *host, *link;
	struct utc good;
	int64_t rpo_ns, backoff_ns;
	uint32_t retries;
	unsigned attempt; /* of the one running, or the last */
	bool running;
	struct mono not_before;
};

struct schedule {
	struct task *tasks;
	size_t count;
	struct schedule_limits limits;
	struct item *items, **tail; /* in the order they were asked for */
	struct item *running;       /* those of them that do: few */
	uint64_t last_job;
	bool catching_up; /* several firings of one task are judged */
	struct schedule_action *actions;
	size_t actions_count, actions_size;
};

static void
item_free(struct item **it)
{
	if (*it != NULL) {
		free((*it)->lane);
		free((*it)->host);
		free((*it)->link);
	}
	free(*it);
	*it = NULL;
}

enum err_code
schedule_new(struct schedule **out, const struct schedule_task *tasks,
    size_t count, const struct schedule_limits *limits, struct err *e)
{
	OWNED(schedule_free) struct schedule *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (s == NULL)
		return err_nomem(e);
	s->tail = &s->items;
	s->limits = *limits;
	s->tasks = calloc(count + 1, sizeof(*s->tasks));
	if (s->tasks == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++)
		s->tasks[i].t = tasks[i];
	s->count = count;
	*out = TAKE(s);
	return ERR_NONE;
}

void
schedule_free(struct schedule **sp)
{
	struct schedule *s = TAKE(*sp);

	if (s == NULL)
		return;
	for (struct item *it = s->items, *next; it != NULL; it = next) {
		next = it->next;
		item_free(&it);
	}
	free(s->tasks);
	free(s->actions);
	free(s);
}

/* --- items ---------------------------------------------------------------- */

static enum err_code
copy_text(char **to, const char *text, struct err *e)
{
	*to = strdup(text == NULL ? "" : text);
	return *to == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
add_item(struct schedule *s, const struct schedule_ask *ask, struct mono mono,
    uint64_t *job, struct err *e)
{
	OWNED(item_free) struct item *it = calloc(1, sizeof(*it));
	enum err_code rc;

	if (it == NULL)
		return err_nomem(e);
	it->task = ask->task;
	it->kind = ask->kind;
	it->good = ask->good;
	it->rpo_ns = ask->rpo_ns;
	it->retries = ask->retries;
	it->backoff_ns = ask->backoff_ns;
	it->not_before = mono;
	rc = copy_text(&it->lane, ask->lane, e);
	if (rc == ERR_NONE)
		rc = copy_text(&it->host, ask->host, e);
	if (rc == ERR_NONE)
		rc = copy_text(&it->link, ask->link, e);
	if (rc != ERR_NONE)
		return rc;
	it->job = *job = ++s->last_job;
	*s->tail = it;
	s->tail = &it->next;
	it = NULL;
	return ERR_NONE;
}

static struct item *
find_item(struct schedule *s, uint64_t job)
{
	for (struct item *it = s->items; it != NULL; it = it->next)
		if (it->job == job)
			return it;
	return NULL;
}

static struct schedule_ask
ask_of_task(const struct schedule *s, size_t task)
{
	const struct schedule_task *t = &s->tasks[task].t;

	return (struct schedule_ask){
	    .task = task,
	    .kind = t->kind,
	    .lane = t->lane,
	    .host = t->host,
	    .link = t->link,
	    .retries = t->retries,
	    .backoff_ns = t->backoff_ns,
	    .rpo_ns = t->rpo_ns,
	    .good = t->good,
	};
}

enum err_code
schedule_ask(struct schedule *s, const struct schedule_ask *ask,
    struct mono mono, uint64_t *job, struct err *e)
{
	struct schedule_ask full = *ask;

	if (ask->task != SCHEDULE_NO_TASK) {
		full = ask_of_task(s, ask->task);
		full.retries = ask->retries;
	}
	return add_item(s, &full, mono, job, e);
}

static void
set_running(struct schedule *s, struct item *it)
{
	it->running = true;
	it->next_running = s->running;
	s->running = it;
}

static void
set_ended(struct schedule *s, struct item *it)
{
	struct item **at = &s->running;

	while (*at != it)
		at = &(*at)->next_running;
	*at = it->next_running;
	it->running = false;
}

enum err_code
schedule_adopt(struct schedule *s, const struct schedule_ask *ask,
    unsigned attempt, bool running, struct mono mono, uint64_t *job,
    struct err *e)
{
	enum err_code rc = schedule_ask(s, ask, mono, job, e);

	if (rc == ERR_NONE) {
		struct item *it = find_item(s, *job);

		it->attempt = attempt;
		if (running)
			set_running(s, it);
	}
	return rc;
}

void
schedule_hurry(struct schedule *s, enum schedule_kind kind, struct mono now)
{
	for (struct item *it = s->items; it != NULL; it = it->next)
		if (it->kind == kind && it->not_before.ns > now.ns)
			it->not_before = now;
}

static void
remove_item(struct schedule *s, struct item *gone)
{
	struct item **at = &s->items;

	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	if (s->tail == &gone->next)
		s->tail = at;
	item_free(&gone);
}

static int64_t
backoff(const struct item *it)
{
	int64_t wait = it->backoff_ns;

	for (unsigned i = 1; i < it->attempt && wait < SCHEDULE_BACKOFF_MAX_NS;
	     i++)
		wait *= 2;
	return wait < SCHEDULE_BACKOFF_MAX_NS ? wait : SCHEDULE_BACKOFF_MAX_NS;
}

bool
schedule_ended(struct schedule *s, uint64_t job, enum schedule_end how,
    struct mono now, int64_t *wait_ns)
{
	struct item *it = find_item(s, job);

	*wait_ns = 0;
	if (it == NULL || !it->running)
		return false;
	set_ended(s, it);
	if (how == SCHEDULE_ENDED || it->attempt > it->retries) {
		remove_item(s, it);
		return false;
	}
	if (how == SCHEDULE_WAITS) {
		it->attempt--;
		it->not_before = now;
		return true;
	}
	*wait_ns = backoff(it);
	it->not_before.ns = now.ns + *wait_ns;
	return true;
}

bool
schedule_cancel(struct schedule *s, uint64_t job)
{
	struct item *it = find_item(s, job);

	if (it == NULL || it->running)
		return false;
	remove_item(s, it);
	return true;
}

bool
schedule_busy(const struct schedule *s, const char *lane)
{
	for (const struct item *it = s->items; it != NULL; it = it->next)
		if (strcmp(it->lane, lane) == 0)
			return true;
	return false;
}

/* --- actions -------------------------------------------------------------- */

static enum err_code
act(struct schedule *s, const struct schedule_action *a, struct err *e)
{
	if (s->actions_count == s->actions_size) {
		size_t size = s->actions_size == 0 ? 64 : s->actions_size * 2;
		struct schedule_action *more =
		    realloc(s->actions, size * sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		s->actions = more;
		s->actions_size = size;
	}
	s->actions[s->actions_count++] = *a;
	return ERR_NONE;
}

static enum err_code
skip(struct schedule *s, size_t task, struct utc due, uint64_t count,
    const char *reason, struct err *e)
{
	struct schedule_action a = {.verb = SCHEDULE_SKIP,
	    .task = task,
	    .due = due,
	    .count = count};

	snprintf(a.reason, sizeof(a.reason), "%s", reason);
	return act(s, &a, e);
}

/* --- firings -------------------------------------------------------------- */

/* Has a firing of the task not started yet? */
static bool
waits(const struct schedule *s, size_t task)
{
	for (const struct item *it = s->items; it != NULL; it = it->next)
		if (it->task == task && !it->running)
			return true;
	return false;
}

/* Why this firing must not run now, into reason; "": it may. */
static void
held(const struct schedule *s, size_t task, struct utc due,
    char reason[SCHEDULE_REASON_BYTES])
{
	const struct task *t = &s->tasks[task];

	reason[0] = '\0';
	if (t->blocked[0] != '\0') {
		memcpy(reason, t->blocked, SCHEDULE_REASON_BYTES);
		return;
	}
	for (size_t i = 0; i < t->t.freeze_count; i++) {
		const struct policy_freeze *f = t->t.freezes[i];

		if (window_frozen(f->from_days, f->until_days, f->zone, due)) {
			snprintf(reason, SCHEDULE_REASON_BYTES, "freeze '%s'",
			    f->name);
			return;
		}
	}
	if (t->t.misfire == MISFIRE_ALL && s->catching_up)
		return; /* each of them was asked for */
	if (!t->t.queues && schedule_busy(s, t->t.lane))
		snprintf(reason, SCHEDULE_REASON_BYTES,
		    "the one before has not ended (overlap)");
	else if (t->t.queues && waits(s, task))
		snprintf(reason, SCHEDULE_REASON_BYTES,
		    "the one before has not begun (overlap)");
}

static enum err_code
fire(struct schedule *s, size_t task, struct utc due, struct mono mono,
    struct err *e)
{
	struct schedule_action a = {.verb = SCHEDULE_QUEUED,
	    .task = task,
	    .due = due,
	    .count = 1};
	struct schedule_ask ask = ask_of_task(s, task);
	enum err_code rc;

	held(s, task, due, a.reason);
	if (a.reason[0] != '\0')
		return skip(s, task, due, 1, a.reason, e);
	rc = add_item(s, &ask, mono, &a.job, e);
	return rc != ERR_NONE ? rc : act(s, &a, e);
}

static const char *
verdict_reason(enum misfire_verdict v)
{
	switch (v) {
	case MISFIRE_COVERED: return "missed; a later one covers it";
	case MISFIRE_TOO_LATE: return "missed, and later than max_lateness";
	default: return "missed, and misfire is \"skip\"";
	}
}

static enum err_code
judge_items(struct schedule *s, size_t task, const struct misfire_plan *plan,
    struct mono mono, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (plan->older_count > 0)
		rc = skip(s, task, plan->oldest, plan->older_count,
		    "missed; too many to look at singly", e);
	s->catching_up = plan->items_count > 1;
	for (size_t i = 0; rc == ERR_NONE && i < plan->items_count; i++) {
		const struct misfire_item *it = &plan->items[i];

		if (it->verdict == MISFIRE_RUN)
			rc = fire(s, task, it->at, mono, e);
		else
			rc = skip(s, task, it->at, 1,
			    verdict_reason(it->verdict), e);
	}
	return rc;
}

static bool
next_firing(struct task *t, struct utc *next)
{
	if (!t->next_is_known)
		t->has_next = due_next(&t->t.due, t->t.judged, &t->next);
	t->next_is_known = true;
	*next = t->next;
	return t->has_next;
}

static enum err_code
judge(struct schedule *s, size_t task, struct utc now, struct mono mono,
    struct err *e)
{
	struct schedule_task *t = &s->tasks[task].t;
	struct misfire_plan plan;
	struct utc next;

	if (!t->has_due)
		return ERR_NONE;
	if (t->judged.ns - now.ns > SCHEDULE_JUMP_NS) /* SC3 */
		schedule_set_judged(s, task, now);
	if (t->judged.ns >= now.ns || !next_firing(&s->tasks[task], &next) ||
	    next.ns > now.ns)
		return ERR_NONE;
	misfire_judge(&plan, &t->due, t->judged, now, t->misfire,
	    t->max_lateness_ns);
	schedule_set_judged(s, task, now);
	return judge_items(s, task, &plan, mono, e);
}

/* --- whose turn ----------------------------------------------------------- */

void
schedule_hold(struct schedule *s, enum schedule_kind kind, const char *link,
    bool is_held)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->tasks[i].t.kind == kind &&
		    strcmp(s->tasks[i].t.link, link) == 0)
			s->tasks[i].is_held = is_held;
}

bool
schedule_is_held(const struct schedule *s, enum schedule_kind kind,
    const char *link)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->tasks[i].is_held && s->tasks[i].t.kind == kind &&
		    strcmp(s->tasks[i].t.link, link) == 0)
			return true;
	return false;
}

static bool
has_room(const struct schedule *s, const struct item *it)
{
	uint32_t all = 0, host = 0, link = 0;

	for (const struct item *o = s->running; o != NULL;
	     o = o->next_running) {
		if (strcmp(o->lane, it->lane) == 0)
			return false; /* SC1 */
		if (o->kind >= SCHEDULE_RESTORE)
			continue;
		all++;
		host += *it->host != '\0' && strcmp(o->host, it->host) == 0;
		link += *it->link != '\0' && strcmp(o->link, it->link) == 0;
	}
	return it->kind >= SCHEDULE_RESTORE ||
	    (all < s->limits.jobs_count &&
		host < s->limits.jobs_per_host_count &&
		link < s->limits.jobs_per_link_count);
}

/* How long until its RPO breaks; negative when it has. */
static int64_t
slack(const struct item *it, struct utc now)
{
	if (it->rpo_ns == 0)
		return INT64_MAX;
	if (it->good.ns == 0)
		return INT64_MIN; /* never had a point: nothing is worse */
	return it->good.ns - now.ns + it->rpo_ns;
}

static struct item *
most_urgent(struct schedule *s, struct utc now, struct mono mono)
{
	struct item *best = NULL;

	for (struct item *it = s->items; it != NULL; it = it->next) {
		if (it->running || it->not_before.ns > mono.ns ||
		    (best != NULL && slack(it, now) >= slack(best, now)))
			continue;
		if (it->retries > 0 && schedule_is_held(s, it->kind, it->link))
			continue;
		if (has_room(s, it))
			best = it;
	}
	return best;
}

static enum err_code
start_what_may(struct schedule *s, struct utc now, struct mono mono,
    struct err *e)
{
	struct item *it;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && (it = most_urgent(s, now, mono)) != NULL) {
		struct schedule_action a = {.verb = SCHEDULE_START,
		    .task = it->task,
		    .job = it->job,
		    .attempt = it->attempt + 1};

		rc = act(s, &a, e);
		if (rc == ERR_NONE) {
			set_running(s, it);
			it->attempt++;
		}
	}
	return rc;
}

enum err_code
schedule_tick(struct schedule *s, struct utc now, struct mono mono,
    const struct schedule_action **actions, size_t *count, struct err *e)
{
	enum err_code rc = ERR_NONE;

	s->actions_count = 0;
	for (size_t i = 0; rc == ERR_NONE && i < s->count; i++)
		rc = judge(s, i, now, mono, e);
	if (rc == ERR_NONE)
		rc = start_what_may(s, now, mono, e);
	*actions = s->actions;
	*count = s->actions_count;
	return rc;
}

/* --- small things --------------------------------------------------------- */

void
schedule_good(struct schedule *s, size_t task, struct utc good)
{
	s->tasks[task].t.good = good;
	for (struct item *it = s->items; it != NULL; it = it->next)
		if (it->task == task)
			it->good = good;
}

void
schedule_block(struct schedule *s, size_t task, const char *reason)
{
	snprintf(s->tasks[task].blocked, SCHEDULE_REASON_BYTES, "%s",
	    reason == NULL ? "" : reason);
}

size_t
schedule_find(const struct schedule *s, const char *key)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->tasks[i].t.key, key) == 0)
			return i;
	return SCHEDULE_NO_TASK;
}

const struct schedule_task *
schedule_task(const struct schedule *s, size_t task)
{
	return &s->tasks[task].t;
}

size_t
schedule_count(const struct schedule *s)
{
	return s->count;
}

int64_t
schedule_wait_ns(struct schedule *s, struct utc now, struct mono mono)
{
	int64_t wait = 60 * NS_PER_S;

	for (size_t i = 0; i < s->count; i++) {
		struct utc next;

		if (s->tasks[i].t.has_due && next_firing(&s->tasks[i], &next) &&
		    next.ns - now.ns < wait)
			wait = next.ns - now.ns;
	}
	for (const struct item *it = s->items; it != NULL; it = it->next)
		if (!it->running && it->not_before.ns > mono.ns &&
		    it->not_before.ns - mono.ns < wait)
			wait = it->not_before.ns - mono.ns;
	return wait < NS_PER_MS ? NS_PER_MS : wait;
}

uint32_t
schedule_retries(const struct schedule *s, uint64_t job)
{
	for (const struct item *it = s->items; it != NULL; it = it->next)
		if (it->job == job)
			return it->retries;
	return 0;
}

void
schedule_set_judged(struct schedule *s, size_t task, struct utc judged)
{
	s->tasks[task].t.judged = judged;
	s->tasks[task].next_is_known = false;
}
