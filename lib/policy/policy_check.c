#include "policy_check.h"

#include <string.h>

#include "policy_check_parts.h"
#include "policy_cycle.h"
#include "policy_setting.h"

const char *
policy_check_last(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot == NULL ? path : dot + 1;
}

static void
unknown(struct policy_check_run *run, enum policy_problem_id id,
    const struct policy_check_names *names, const struct policy_at *at,
    const char *setting, const char *name)
{
	const char *near =
	    policy_setting_nearest_of(names->items, names->count, name);
	OWNED(buf_fini) struct buf all = {.max_bytes = 400};
	struct err ignored = {0};

	for (size_t i = 0; i < names->count; i++)
		if (buf_printf(&all, &ignored, "%s'%s'", i == 0 ? "" : ", ",
			names->items[i]) != ERR_NONE)
			break;
	POLICY_CHECK_SAY(run, id, at, setting,
	    "there is no %s '%s'%s%s%s; %s%s", names->what, name,
	    near == NULL ? "" : " (did you mean '", near == NULL ? "" : near,
	    near == NULL ? "" : "'?)",
	    names->count == 0 ? "none is declared" : "there are ",
	    buf_text(&all));
}

bool
policy_check_name(struct policy_check_run *run,
    const struct policy_check_names *names, const struct policy_at *at,
    const char *setting, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->items[i], name) == 0)
			return true;
	if (*name != '\0' && !run->is_partial)
		unknown(run, P_REFERENCE, names, at, setting, name);
	return false;
}

void
policy_check_host(struct policy_check_run *run, const struct policy_at *at,
    const char *setting, const char *name)
{
	const struct policy *p = run->p;
	const char *near = NULL;
	size_t count = 0, total = 0;
	const char **names;

	if (*name == '\0' || run->is_partial ||
	    policy_find_host(p, name, NULL) != NULL)
		return;
	for (size_t i = 0; i < p->site_count; i++)
		total += p->sites[i].host_count;
	names = calloc(total + 1, sizeof(names[0]));
	for (size_t i = 0; names != NULL && i < p->site_count; i++)
		for (size_t k = 0; k < p->sites[i].host_count; k++)
			names[count++] = p->sites[i].hosts[k].name;
	if (names != NULL)
		near = policy_setting_nearest_of(names, count, name);
	POLICY_CHECK_SAY(run, P_HOST, at, setting,
	    "no site declares a host '%s'%s%s%s; add it to the hosts of its "
	    "site",
	    name, near == NULL ? "" : " (did you mean '",
	    near == NULL ? "" : near, near == NULL ? "" : "'?)");
	free(names);
}

/* Every record begins with its struct policy_at. */
static const struct policy_at *
at_of(const void *records, size_t size_bytes, size_t i)
{
	return (const struct policy_at *)(const void *)((const char *)records +
	    i * size_bytes);
}

static const char *
text_at(const void *records, size_t size_bytes, size_t i, size_t offset)
{
	const char *text;

	memcpy(&text, (const char *)records + i * size_bytes + offset,
	    sizeof(text));
	return text;
}

/* Is a written after b? */
static bool
is_later(const struct policy_at *a, const struct policy_at *b)
{
	int order = strcmp(a->file, b->file);

	return order > 0 || (order == 0 && a->line >= b->line);
}

void
policy_check_twice(struct policy_check_run *run, const void *records,
    size_t count, size_t size_bytes, size_t name_offset, const char *setting)
{
	for (size_t i = 1; i < count; i++) {
		const char *name = text_at(records, size_bytes, i, name_offset);

		for (size_t k = 0; *name != '\0' && k < i; k++) {
			const struct policy_at *one =
			    at_of(records, size_bytes, i);
			const struct policy_at *two =
			    at_of(records, size_bytes, k);
			const struct policy_at *first =
			    is_later(one, two) ? two : one;

			if (strcmp(text_at(records, size_bytes, k, name_offset),
				name) != 0)
				continue;
			POLICY_CHECK_SAY(run, P_DUPLICATE,
			    first == one ? two : one, setting,
			    "'%s' is taken already, in %s:%u; choose another "
			    "name",
			    name, first->file, first->line);
			break;
		}
	}
}

static void
check_depends(struct policy_check_run *run)
{
	const struct policy *p = run->p;
	OWNED(free_mem)
	const char **names = calloc(p->service_count + 1, sizeof(names[0]));
	OWNED(free_mem)
	struct policy_texts *after =
	    calloc(p->service_count + 1, sizeof(after[0]));
	OWNED(buf_fini) struct buf cycle = {.max_bytes = 600};
	struct policy_check_names known = {.what = "service"};
	struct err ignored = {0};
	ssize_t found;

	if (names == NULL || after == NULL) {
		run->ps->more_count++;
		return;
	}
	for (size_t i = 0; i < p->service_count; i++) {
		names[i] = p->services[i].name;
		after[i] = p->services[i].depends;
	}
	known.items = names;
	known.count = p->service_count;
	for (size_t i = 0; i < p->service_count; i++)
		for (size_t k = 0; k < after[i].count; k++)
			policy_check_name(run, &known, &p->services[i].at,
			    "service.depends", after[i].items[k]);
	if (policy_cycle_find(names, after, p->service_count, &found, &cycle,
		&ignored) == ERR_NOMEM)
		run->ps->more_count++;
	if (found != -1)
		POLICY_CHECK_SAY(run, P_DEPENDS_CYCLE, &p->services[found].at,
		    "service.depends",
		    "the services depend on one another: %s; take one of these "
		    "out",
		    buf_text(&cycle));
	for (size_t i = 0; i < p->scenario_count; i++)
		for (size_t k = 0; k < p->scenarios[i].services.count; k++)
			policy_check_name(run, &known, &p->scenarios[i].at,
			    "scenario.services",
			    p->scenarios[i].services.items[k]);
}

static void
check_scenario(struct policy_check_run *run, const struct policy_scenario *sc)
{
	policy_check_twice(run, sc->injects, sc->inject_count,
	    sizeof(sc->injects[0]), offsetof(struct policy_inject, name),
	    "scenario.injects.name");
	for (size_t i = 0; i < sc->inject_count; i++) {
		const struct policy_inject *in = &sc->injects[i];
		bool known = in->after[0] == '\0';

		for (size_t k = 0; k < sc->inject_count; k++)
			known = known ||
			    (k != i &&
				strcmp(sc->injects[k].name, in->after) == 0);
		if (!known)
			POLICY_CHECK_SAY(run, P_REFERENCE, &in->at,
			    "scenario.injects.after",
			    "there is no other inject '%s'; name one of this "
			    "scenario's injects",
			    in->after);
		if (in->at_ns > sc->duration_ns)
			POLICY_CHECK_SAY(run, P_TIME, &in->at,
			    "scenario.injects.at",
			    "'%s' is after the end of play; make duration "
			    "longer or this earlier",
			    in->when);
	}
}

void
policy_check_all(const struct policy *p, struct policy_problems *ps,
    struct utc now, bool is_partial, bool on_disk)
{
	struct policy_check_run run = {.p = p,
	    .ps = ps,
	    .now = now,
	    .is_partial = is_partial,
	    .on_disk = on_disk};
	OWNED(free_mem)
	const char **sites = calloc(p->site_count + 1, sizeof(sites[0]));
	struct policy_check_names names = {.what = "site",
	    .items = sites,
	    .count = p->site_count};

	if (sites == NULL) {
		ps->more_count++;
		return;
	}
	for (size_t i = 0; i < p->site_count; i++)
		sites[i] = p->sites[i].name;
	if (!is_partial && p->site_count == 0 &&
	    !policy_setting_is_written(&p->at, "sites"))
		POLICY_CHECK_SAY(&run, P_MISSING, &p->at, "policy",
		    "no site is declared; write sites = ( { ... } ) in a file "
		    "named here");
	/* Without any site every name of one would be wrong: said once. */
	run.is_partial = is_partial || p->site_count == 0;
	policy_check_name(&run, &names, &p->at, "site", p->site);
	policy_check_places(&run);
	policy_check_places_own(&run);
	policy_check_twice(&run, p->services, p->service_count,
	    sizeof(p->services[0]), offsetof(struct policy_service, name),
	    "service.name");
	policy_check_twice(&run, p->scenarios, p->scenario_count,
	    sizeof(p->scenarios[0]), offsetof(struct policy_scenario, name),
	    "scenario.name");
	policy_check_twice(&run, p->controls, p->control_count,
	    sizeof(p->controls[0]), offsetof(struct policy_control, id),
	    "controls.id");
	for (size_t i = 0; i < p->service_count; i++)
		policy_check_service(&run, &p->services[i], &names);
	for (size_t i = 0; i < p->scenario_count; i++)
		check_scenario(&run, &p->scenarios[i]);
	check_depends(&run);
}
