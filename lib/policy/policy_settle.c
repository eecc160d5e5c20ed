#include "policy_settle.h"

#include <string.h>

#include "policy_setting.h"

struct settler {
	struct policy *p;
	struct policy_problems *ps;
	struct err *e;
	enum err_code rc;
};

/* Which of the named settings is written: exactly one, else a problem, -1. */
static int
one_of(struct settler *st, const struct policy_at *at, const char *path,
    const char *const *names, size_t count)
{
	struct policy_mark where = {.file = at->file, .line = at->line};
	char all[120] = "";
	size_t written = 0, used = 0;
	int found = -1;

	for (size_t i = 0; i < count; i++) {
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s",
		    i == 0               ? ""
			: i + 1 == count ? " and "
					 : ", ",
		    names[i]);
		if (!policy_setting_is_written(at, names[i]))
			continue;
		if (written++ == 0)
			found = (int)i;
		else
			where = policy_setting_mark(at, names[i]);
	}
	if (written == 1)
		return found;
	policy_problem_add(st->ps, P_ONE_OF, &where, path,
	    "%s of %s is written; write exactly one",
	    written == 0 ? "none" : "more than one", all);
	return -1;
}

static void
settle_zone(struct settler *st, const char *name, const struct zone **zone)
{
	struct err ignored = {0};

	/* A zone that is written was loaded before; a default may be absent. */
	if (policy_memory_zone(st->p->memory, name, zone, &ignored) != ERR_NONE)
		*zone = NULL;
}

static void
settle_when(struct settler *st, const struct policy_at *at, const char *path,
    struct policy_when *w)
{
	static const char *const names[] = {"schedule", "every"};
	struct err ignored = {0};
	int which;

	if (at->line == 0)
		return;
	which = one_of(st, at, path, names, COUNT_OF(names));
	settle_zone(st, w->timezone, &w->due.zone);
	w->due.kind = which == 1 ? DUE_EVERY : DUE_CRON;
	w->due.every_ns = w->every_ns;
	if (which != 1)
		w->every_ns = 0;
	if (which != 0 ||
	    cron_parse(&w->due.cron, w->schedule, &ignored) != ERR_NONE)
		w->schedule = ""; /* a problem already, or not what counts */
}

static void
settle_step(struct settler *st, struct policy_step *step)
{
	static const char *const kinds[] = {"restore", "run", "check",
	    "confirm", "wait"};
	static const char *const checks[] = {"http", "tcp", "command",
	    "unreachable", "tls", "file", "sql"};
	int which =
	    one_of(st, &step->at, "service.plan", kinds, COUNT_OF(kinds));

	step->kind =
	    which == -1 ? POLICY_STEP_CONFIRM : (enum policy_step_kind)which;
	if (step->check.at.line != 0) {
		which = one_of(st, &step->check.at, "service.plan.check",
		    checks, COUNT_OF(checks));
		step->check.kind = (enum policy_check_kind)(which + 1);
		step->check.has_at_least =
		    policy_setting_is_written(&step->check.at,
			"expect_at_least");
		step->check.has_equals =
		    policy_setting_is_written(&step->check.at, "equals");
	}
	if (step->deadline_ns == 0)
		step->deadline_ns = step->timeout_ns;
	if (step->kind == POLICY_STEP_RESTORE && step->to[0] == '\0') {
		size_t size = sizeof("${sandbox}/") + strlen(step->restore);
		char *to = policy_memory_get(st->p->memory, size, st->e);

		if (to == NULL) {
			st->rc = st->e->code;
			return;
		}
		snprintf(to, size, "${sandbox}/%s", step->restore);
		step->to = to;
	}
}

static void
settle_dataset(struct settler *st, const struct policy_dataset *d)
{
	static const char *const names[] = {"tree", "command", "database"};

	one_of(st, &d->at, "service.datasets", names, COUNT_OF(names));
}

static void
settle_failover(struct settler *st, struct policy_service *s)
{
	struct policy_failover *f = &s->failover;

	if (!policy_setting_is_written(&f->at, "max_loss"))
		f->max_loss_ns = s->rpo_ns;
	if (f->during[0] != '\0')
		settle_zone(st, f->window.zone, &f->zone);
}

static void
settle_service(struct settler *st, struct policy_service *s)
{
	static const char *const fences[] = {"run", "attest"};

	if (s->title[0] == '\0')
		s->title = s->name;
	for (size_t i = 0; i < s->dataset_count; i++)
		settle_dataset(st, &s->datasets[i]);
	settle_when(st, &s->backup.at, "service.backup", &s->backup.when);
	if (s->replicate.retention.at.line == 0)
		s->replicate.retention.rule = s->retention.rule;
	for (size_t i = 0; i < s->verify_count; i++)
		settle_when(st, &s->verify[i].at, "service.verify",
		    &s->verify[i].when);
	for (size_t i = 0; i < s->step_count; i++)
		settle_step(st, &s->plan[i]);
	for (size_t i = 0; i < s->fence_count; i++)
		one_of(st, &s->fence[i].at, "service.fence", fences,
		    COUNT_OF(fences));
	settle_failover(st, s);
	for (size_t i = 0; i < s->exercise_count; i++)
		settle_when(st, &s->exercises[i].at, "service.exercises",
		    &s->exercises[i].when);
}

static void
settle_scenario(struct settler *st, struct policy_scenario *sc)
{
	static const char *const names[] = {"at", "after", "on"};

	for (size_t i = 0; i < sc->inject_count; i++) {
		struct policy_inject *in = &sc->injects[i];

		one_of(st, &in->at, "scenario.injects", names, COUNT_OF(names));
		if (in->when[0] == '\0')
			in->at_ns = -1;
	}
}

static int
by_name(const void *va, const void *vb)
{
	const struct policy_service *a = va, *b = vb;

	return strcmp(a->name, b->name);
}

static int
scenario_by_name(const void *va, const void *vb)
{
	const struct policy_scenario *a = va, *b = vb;

	return strcmp(a->name, b->name);
}

static void
settle_places(struct settler *st, struct policy *p)
{
	for (size_t i = 0; i < p->site_count; i++)
		if (p->sites[i].title[0] == '\0')
			p->sites[i].title = p->sites[i].name;
	for (size_t i = 0; i < p->council_count; i++)
		if (p->councils[i].title[0] == '\0')
			p->councils[i].title = p->councils[i].name;
	for (size_t i = 0; i < p->freeze_count; i++)
		settle_zone(st, p->freezes[i].timezone, &p->freezes[i].zone);
	for (size_t i = 0; i < p->link_count; i++) {
		struct policy_link *l = &p->links[i];

		if (l->title[0] == '\0')
			l->title = l->name;
		for (size_t k = 0; k < l->limit_count; k++)
			if (l->limits[k].during[0] != '\0')
				settle_zone(st, l->limits[k].window.zone,
				    &l->limits[k].zone);
	}
}

enum err_code
policy_settle_all(struct policy *p, struct policy_problems *ps, struct err *e)
{
	struct settler st = {.p = p, .ps = ps, .e = e};

	settle_places(&st, p);
	if (p->endpoints.count == 0)
		p->endpoints = p->etcd.endpoints;
	else if (p->etcd.endpoints.count == 0)
		p->etcd.endpoints = p->endpoints;
	if (p->service_count > 0)
		qsort(p->services, p->service_count, sizeof(p->services[0]),
		    by_name);
	if (p->scenario_count > 0)
		qsort(p->scenarios, p->scenario_count, sizeof(p->scenarios[0]),
		    scenario_by_name);
	for (size_t i = 0; i < p->service_count && st.rc == ERR_NONE; i++)
		settle_service(&st, &p->services[i]);
	for (size_t i = 0; i < p->scenario_count; i++)
		settle_scenario(&st, &p->scenarios[i]);
	return st.rc;
}
