#include <bascule/policy.h>

#include <stdlib.h>
#include <string.h>

#include "policy_memory.h"
#include "policy_setting.h"

void
policy_free(struct policy **pp)
{
	struct policy *p = TAKE(*pp);

	if (p == NULL)
		return;
	policy_memory_free(&p->memory);
	free(p);
}

/* Records with a name: each of these walks its own array. */
#define FIND(array, count, wanted)                                   \
	do {                                                         \
		for (size_t i_ = 0; i_ < (count); i_++)              \
			if (strcmp((array)[i_].name, (wanted)) == 0) \
				return &(array)[i_];                 \
		return NULL;                                         \
	} while (0)

const struct policy_site *
policy_find_site(const struct policy *p, const char *name)
{
	FIND(p->sites, p->site_count, name);
}

static int
compare_service(const void *name, const void *service)
{
	return strcmp(name, ((const struct policy_service *)service)->name);
}

/* There may be hundreds, and each is looked for at every turn. */
const struct policy_service *
policy_find_service(const struct policy *p, const char *name)
{
	return p->service_count == 0
	    ? NULL
	    : bsearch(name, p->services, p->service_count,
		  sizeof(p->services[0]), compare_service);
}

const struct policy_link *
policy_find_link(const struct policy *p, const char *name)
{
	FIND(p->links, p->link_count, name);
}

const struct policy_council *
policy_find_council(const struct policy *p, const char *name)
{
	FIND(p->councils, p->council_count, name);
}

const struct policy_scenario *
policy_find_scenario(const struct policy *p, const char *name)
{
	FIND(p->scenarios, p->scenario_count, name);
}

const struct policy_dataset *
policy_find_dataset(const struct policy_service *s, const char *name)
{
	FIND(s->datasets, s->dataset_count, name);
}

const struct policy_step *
policy_find_step(const struct policy_service *s, const char *name)
{
	FIND(s->plan, s->step_count, name);
}

const struct policy_host *
policy_find_host(const struct policy *p, const char *name,
    const struct policy_site **site)
{
	if (site != NULL)
		*site = NULL;
	for (size_t i = 0; i < p->site_count; i++)
		for (size_t k = 0; k < p->sites[i].host_count; k++)
			if (strcmp(p->sites[i].hosts[k].name, name) == 0) {
				if (site != NULL)
					*site = &p->sites[i];
				return &p->sites[i].hosts[k];
			}
	return NULL;
}

const char *
policy_find_address(const struct policy_link *l, const char *site)
{
	for (size_t i = 0; i < l->address_count; i++)
		if (strcmp(l->addresses[i].name, site) == 0)
			return l->addresses[i].value;
	return NULL;
}

const char *
policy_find_peer(const struct policy_service *s, const char *site)
{
	return strcmp(s->home, site) == 0 ? s->standby : s->home;
}

const struct policy_person *
policy_find_person(const struct policy *p, const char *name)
{
	FIND(p->people, p->person_count, name);
}

/* --- which site a part of a service is for -------------------------------- */

static const char *
host_at(const struct policy *p, const struct policy_pair *pairs, size_t count,
    const char *host, const char *site)
{
	const struct policy_site *of;

	for (size_t i = 0; i < count; i++)
		if (strcmp(pairs[i].name, site) == 0)
			return pairs[i].value;
	if (host[0] == '\0')
		return host;
	policy_find_host(p, host, &of);
	return of != NULL && strcmp(of->name, site) == 0 ? host : NULL;
}

const char *
policy_host_of(const struct policy *p, const struct policy_dataset *d,
    const char *site)
{
	return host_at(p, d->host_at, d->host_at_count, d->host, site);
}

const char *
policy_quiesce_host(const struct policy *p, const struct policy_quiesce *q,
    const char *site)
{
	return host_at(p, q->host_at, q->host_at_count, q->host, site);
}

static bool
has_value(const struct policy_pair *pairs, size_t count, const char *value)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(pairs[i].value, value) == 0)
			return true;
	return false;
}

static bool
hooks_name(const struct policy_quiesce *q, const char *host)
{
	return strcmp(q->host, host) == 0 ||
	    has_value(q->host_at, q->host_at_count, host);
}

bool
policy_names_host(const struct policy_service *s, const char *host)
{
	bool named =
	    hooks_name(&s->quiesce, host) || hooks_name(&s->capture, host);

	for (size_t i = 0; i < s->dataset_count && !named; i++)
		named = strcmp(s->datasets[i].host, host) == 0 ||
		    has_value(s->datasets[i].host_at,
			s->datasets[i].host_at_count, host);
	for (size_t i = 0; i < s->step_count && !named; i++)
		named = strcmp(s->plan[i].on, host) == 0;
	for (size_t i = 0; i < s->fence_count && !named; i++)
		named = strcmp(s->fence[i].on, host) == 0;
	return named;
}

static bool
is_for(const struct policy *p, const struct policy_texts *sites, const char *on,
    const char *site)
{
	const struct policy_site *of;

	for (size_t i = 0; i < sites->count; i++)
		if (strcmp(sites->items[i], site) == 0)
			return true;
	if (sites->count > 0)
		return false;
	if (on[0] == '\0')
		return true;
	policy_find_host(p, on, &of);
	return of != NULL && strcmp(of->name, site) == 0;
}

bool
policy_step_is_for(const struct policy *p, const struct policy_step *step,
    const char *to_site)
{
	return is_for(p, &step->sites, step->on, to_site);
}

bool
policy_fence_is_for(const struct policy *p, const struct policy_fence *f,
    const char *from_site)
{
	return is_for(p, &f->sites, f->on, from_site);
}

enum err_code
policy_live_root(struct buf *out, const struct policy_service *s,
    const char *site, struct err *e)
{
	struct policy_values v = {.service = s->name, .site = site};

	return policy_expand(out, s->live_root, &v, e);
}

const struct policy_text_file *
policy_files(const struct policy *p, size_t *count)
{
	return policy_memory_kept(p->memory, count);
}

bool
policy_is_written(const struct policy_at *at, const char *setting)
{
	return at->marks != NULL && policy_setting_is_written(at, setting);
}
