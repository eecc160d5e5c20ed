/* What the policy wants done again and again, as the schedule's tasks. */

#include "copies.h"
#include "daemon.h"

#include <string.h>

#define BACKOFF_MIN_NS NS_PER_S
#define BACKOFF_MAX_NS (30 * NS_PER_S)
#define PRUNE_EVERY_NS (CIVIL_DAY_S * NS_PER_S)

void
tasks_lane(char lane[160], const char *kind, const char *service,
    const char *site)
{
	snprintf(lane, 160, "%s %s%s%s", kind, service == NULL ? "-" : service,
	    site == NULL ? "" : " ", site == NULL ? "" : site);
}

struct list {
	struct daemon *d;
	struct schedule_task *core;
	struct daemon_task *tasks;
	size_t count, size;
};

static void
list_fini(struct list *l)
{
	free(l->core);
	free(l->tasks);
}

static int64_t
backoff_of(const struct policy_service *s)
{
	int64_t ns = s->rpo_ns / 120;

	return ns < BACKOFF_MIN_NS ? BACKOFF_MIN_NS
	    : ns > BACKOFF_MAX_NS  ? BACKOFF_MAX_NS
				   : ns;
}

/* The first one on a fresh task; keys are set when all are known. */
static struct schedule_task *
add(struct list *l, const char *kind, const struct policy_service *s,
    size_t index, const char *site)
{
	const struct job_kind *k = job_kind_find(kind);
	struct schedule_task *c = &l->core[l->count];
	struct daemon_task *t = &l->tasks[l->count];

	ASSERT(l->count < l->size);
	if (k == NULL)
		return NULL;
	l->count++;
	*t = (struct daemon_task){k, s, index, site, "", ""};
	tasks_lane(t->lane, kind, s->name, site);
	snprintf(t->key, sizeof(t->key), "%s %zu", t->lane, index);
	*c = (struct schedule_task){
	    .kind = k->schedule,
	    .host = "",
	    .link = "",
	    .backoff_ns = backoff_of(s),
	    .rpo_ns = s->rpo_ns,
	    .retries = 0,
	    .misfire = MISFIRE_RUN_ONCE,
	    .judged = now_utc(),
	};
	return c;
}

static void
set_due(struct schedule_task *c, const struct policy_when *w, const char *key)
{
	c->has_due = true;
	c->due = w->due;
	c->due.offset_ns = due_splay_ns(key, w->splay_ns);
}

static void
add_backup(struct list *l, const struct policy_service *s)
{
	const struct policy_backup *b = &s->backup;
	struct schedule_task *c = add(l, "backup", s, 0, NULL);

	if (c == NULL)
		return;
	c->misfire = b->misfire;
	c->max_lateness_ns = b->max_lateness_ns;
	c->queues = b->overlap == POLICY_OVERLAP_QUEUE;
	c->retries = b->retries;
	c->host = l->d->site->host_count > 0 ? l->d->site->hosts[0].name : "";
	set_due(c, &b->when, s->name);
}

static const char *
first_link(const struct daemon *d, const char *site)
{
	const struct policy_link *best = NULL;

	for (size_t i = 0; i < d->policy->link_count; i++) {
		const struct policy_link *k = &d->policy->links[i];

		if (policy_find_address(k, site) != NULL &&
		    policy_find_address(k, d->policy->site) != NULL &&
		    (best == NULL || k->preference < best->preference))
			best = k;
	}
	return best == NULL ? "" : best->name;
}

static bool
holds_copy(const struct daemon *d, const struct policy_service *s)
{
	if (strcmp(s->home, d->policy->site) == 0 ||
	    strcmp(s->standby, d->policy->site) == 0)
		return true;
	for (size_t i = 0; i < s->replicate.to.count; i++)
		if (strcmp(s->replicate.to.items[i], d->policy->site) == 0)
			return true;
	return false;
}

static void
add_verifies(struct list *l, const struct policy_service *s)
{
	for (size_t i = 0; i < s->verify_count; i++) {
		struct schedule_task *c = add(l, "verify", s, i, NULL);

		if (c != NULL)
			set_due(c, &s->verify[i].when, s->name);
	}
}

/*
 * Once a day wherever a copy is, at an hour of its own.  Where no retention is
 * written nothing is forgotten; what was left behind is collected all the same.
 */
static void
add_prune(struct list *l, const struct policy_service *s)
{
	struct schedule_task *c = add(l, "prune", s, 0, NULL);

	if (c == NULL)
		return;
	c->has_due = true;
	c->due = (struct due){.kind = DUE_EVERY,
	    .every_ns = PRUNE_EVERY_NS,
	    .offset_ns = due_splay_ns(s->name, PRUNE_EVERY_NS)};
}

/* Tests run where the service would run next. */
static void
add_exercises(struct list *l, const struct policy_service *s)
{
	for (size_t i = 0; i < s->exercise_count; i++) {
		const struct policy_exercise *x = &s->exercises[i];
		struct schedule_task *c;

		if (x->kind != POLICY_EXERCISE_TEST)
			continue;
		c = add(l, "exercise", s, i, NULL);
		if (c == NULL)
			continue;
		c->misfire = MISFIRE_SKIP; /* a test at an odd hour surprises */
		set_due(c, &x->when, s->name);
		for (size_t f = 0; f < l->d->policy->freeze_count &&
		     c->freeze_count < SCHEDULE_FREEZES_MAX;
		     f++) {
			const struct policy_freeze *z =
			    &l->d->policy->freezes[f];
			bool hits = z->councils.count == 0;

			for (size_t k = 0; k < z->councils.count; k++)
				hits = hits ||
				    strcmp(z->councils.items[k], s->owner) == 0;
			if (hits)
				c->freezes[c->freeze_count++] = z;
		}
	}
}

static void
add_replicate(struct list *l, const struct policy_service *s, size_t index,
    const char *site)
{
	struct schedule_task *c = add(l, "replicate", s, index, site);

	if (c != NULL)
		c->link = first_link(l->d, site);
}

static void
add_service(struct list *l, struct daemon_service *ds)
{
	const struct policy_service *s = ds->policy;

	const char *from = daemon_pull_from(l->d, ds);

	if (daemon_backs_up(l->d, ds))
		add_backup(l, s);
	if (daemon_is_active(l->d, ds))
		for (size_t i = 0;
		     !s->replicate.pull && i < s->replicate.to.count; i++)
			add_replicate(l, s, i, daemon_copy_site(l->d, s, i));
	if (from != NULL)
		add_replicate(l, s, 0, from);
	if (holds_copy(l->d, s)) {
		add_verifies(l, s);
		add_prune(l, s);
	}
	if (strcmp(daemon_other_site(ds), l->d->policy->site) == 0)
		add_exercises(l, s);
}

/* --- until when firings were judged before ----------------------------------- */

static enum err_code
take_time(void *ctx, const struct record *r, struct err *e)
{
	(void)e;
	*(struct utc *)ctx = r->at;
	return ERR_NONE;
}

/*
 * Every judged firing leaves a record, so none was judged after the newest
 * one, and all were before it.
 */
enum err_code
tasks_look_back(struct daemon *d, struct err *e)
{
	struct ledger_filter newest = {.limit = 1, .newest = true};

	d->judged = (struct utc){0};
	return ledger_iterate(d->ledger, &newest, take_time, &d->judged, e);
}

/* A service never seen starts now. */
static enum err_code
set_judged(struct list *l, struct err *e)
{
	struct utc last = l->d->judged;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < l->count; i++) {
		struct ledger_filter f = {.type = LEDGER_JOB,
		    .service = l->tasks[i].service->name,
		    .limit = 1,
		    .newest = true};
		struct utc seen = {0};

		if (!l->core[i].has_due)
			continue;
		rc = ledger_iterate(l->d->ledger, &f, take_time, &seen, e);
		if (seen.ns != 0 && last.ns != 0)
			l->core[i].judged = last;
	}
	return rc;
}

enum err_code
tasks_make(struct daemon *d, struct schedule **out, struct daemon_task **tasks,
    size_t *count, struct err *e)
{
	OWNED(list_fini) struct list l = {.d = d, .size = 1};
	struct schedule_limits limits = {d->policy->limits.jobs_count,
	    d->policy->limits.jobs_per_host_count,
	    d->policy->limits.jobs_per_link_count};
	enum err_code rc;

	for (size_t i = 0; i < d->policy->service_count; i++) {
		const struct policy_service *s = &d->policy->services[i];

		l.size += 2 + s->replicate.to.count + s->verify_count +
		    s->exercise_count;
	}
	l.core = calloc(l.size, sizeof(*l.core));
	l.tasks = calloc(l.size, sizeof(*l.tasks));
	if (l.core == NULL || l.tasks == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < d->policy->service_count; i++)
		add_service(&l, &d->services[i]);
	for (size_t i = 0; i < l.count; i++) {
		l.core[i].key = l.tasks[i].key;
		l.core[i].lane = l.tasks[i].lane;
		l.core[i].good =
		    d->services[l.tasks[i].service - d->policy->services]
			.good_at;
	}
	rc = set_judged(&l, e);
	for (size_t i = 0; rc == ERR_NONE && i < l.count; i++)
		if (l.core[i].kind == SCHEDULE_REPLICATE)
			rc = copies_newest(d, l.tasks[i].service->name,
			    l.tasks[i].site, &l.core[i].good, e);
	if (rc == ERR_NONE)
		rc = schedule_new(out, l.core, l.count, &limits, e);
	if (rc == ERR_NONE) {
		*count = l.count;
		*tasks = TAKE(l.tasks);
	}
	return rc;
}

void
tasks_in_force(struct daemon *d)
{
	for (size_t i = 0; i < d->policy->service_count; i++)
		d->services[i].backs_up = daemon_backs_up(d, &d->services[i]);
}
