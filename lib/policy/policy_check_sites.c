#include <string.h>

#include "policy_check_parts.h"
#include "policy_cycle.h"
#include "policy_setting.h"

/* --- which host at which site --------------------------------------------- */

static void
check_host_at(struct policy_check_run *run, const char *setting,
    const struct policy_pair *pairs, size_t count)
{
	for (size_t i = 0; i < count && !run->is_partial; i++) {
		const struct policy_pair *a = &pairs[i];
		const struct policy_site *site;
		const struct policy_host *h =
		    policy_find_host(run->p, a->value, &site);

		if (policy_find_site(run->p, a->name) == NULL)
			policy_problem_add(run->ps, P_REFERENCE, &a->mark,
			    setting,
			    "there is no site '%s'; write SITE = \"HOST\"",
			    a->name);
		else if (h == NULL)
			policy_problem_add(run->ps, P_HOST, &a->mark, setting,
			    "no site declares a host '%s'; add it to the hosts "
			    "of its site",
			    a->value);
		else if (strcmp(site->name, a->name) != 0)
			policy_problem_add(run->ps, P_SITE_HOST, &a->mark,
			    setting,
			    "'%s' stands under the site '%s'; name a host of "
			    "'%s'",
			    a->value, site->name, a->name);
	}
}

/* `sites` names datacentres, and agrees with the host it is done on. */
static void
check_sites(struct policy_check_run *run, const struct policy_at *at,
    const char *setting, const struct policy_texts *sites, const char *on)
{
	const struct policy_site *of = NULL;
	bool met = false;

	policy_find_host(run->p, on, &of);
	for (size_t i = 0; i < sites->count && !run->is_partial; i++) {
		const char *name = sites->items[i];
		const struct policy_site *site = policy_find_site(run->p, name);

		if (site == NULL || site->role == POLICY_WITNESS)
			POLICY_CHECK_SAY(run, P_REFERENCE, at, setting,
			    "'%s' is no datacentre; name the sites whose moves "
			    "it is part of",
			    name);
		met = met || site == of;
	}
	if (sites->count > 0 && of != NULL && !met && !run->is_partial)
		POLICY_CHECK_SAY(run, P_SITE_HOST, at, setting,
		    "'%s' stands under the site '%s', which is not among them; "
		    "a move to another site must not need it",
		    on, of->name);
}

void
policy_check_sites(struct policy_check_run *run, const struct policy_service *s)
{
	for (size_t i = 0; i < s->dataset_count; i++)
		check_host_at(run, "service.datasets.host_at",
		    s->datasets[i].host_at, s->datasets[i].host_at_count);
	check_host_at(run, "service.quiesce.host_at", s->quiesce.host_at,
	    s->quiesce.host_at_count);
	check_host_at(run, "service.capture.host_at", s->capture.host_at,
	    s->capture.host_at_count);
	for (size_t i = 0; i < s->step_count; i++)
		check_sites(run, &s->plan[i].at, "service.plan.sites",
		    &s->plan[i].sites, s->plan[i].on);
	for (size_t i = 0; i < s->fence_count; i++)
		check_sites(run, &s->fence[i].at, "service.fence.sites",
		    &s->fence[i].sites, s->fence[i].on);
}

/* --- people --------------------------------------------------------------- */

static void
check_keys(struct policy_check_run *run)
{
	const struct policy *p = run->p;

	for (size_t i = 1; i < p->person_count; i++)
		for (size_t k = 0; k < i; k++)
			if (p->people[i].key[0] != '\0' &&
			    strcmp(p->people[i].key, p->people[k].key) == 0)
				POLICY_CHECK_SAY(run, P_DUPLICATE,
				    &p->people[i].at, "people.key",
				    "is the key of '%s' too; one key is one "
				    "person",
				    p->people[k].name);
}

/* Who calls whom ends somewhere, and everybody named is there. */
static void
check_calls(struct policy_check_run *run)
{
	const struct policy *p = run->p;
	OWNED(free_mem)
	const char **names = calloc(p->contact_count + 1, sizeof(names[0]));
	OWNED(free_mem)
	struct policy_texts *then =
	    calloc(p->contact_count + 1, sizeof(then[0]));
	struct policy_check_names known = {.what = "contact"};
	OWNED(buf_fini) struct buf cycle = {.max_bytes = 600};
	struct err ignored = {0};
	ssize_t found = -1;

	if (names == NULL || then == NULL) {
		run->ps->more_count++;
		return;
	}
	for (size_t i = 0; i < p->contact_count; i++) {
		names[i] = p->contacts[i].name;
		then[i] = p->contacts[i].then;
	}
	known.items = names;
	known.count = p->contact_count;
	for (size_t i = 0; i < p->contact_count; i++)
		for (size_t k = 0; k < then[i].count; k++)
			policy_check_name(run, &known, &p->contacts[i].at,
			    "contacts.then", then[i].items[k]);
	if (policy_cycle_find(names, then, p->contact_count, &found, &cycle,
		&ignored) == ERR_NOMEM)
		run->ps->more_count++;
	if (found != -1)
		POLICY_CHECK_SAY(run, P_CALL_CYCLE, &p->contacts[found].at,
		    "contacts.then",
		    "they call one another in a circle: %s; take one of these "
		    "out",
		    buf_text(&cycle));
}

void
policy_check_sites_people(struct policy_check_run *run,
    const struct policy_check_names *councils)
{
	const struct policy *p = run->p;

	policy_check_twice(run, p->people, p->person_count,
	    sizeof(p->people[0]), offsetof(struct policy_person, name),
	    "people.name");
	policy_check_twice(run, p->contacts, p->contact_count,
	    sizeof(p->contacts[0]), offsetof(struct policy_contact, name),
	    "contacts.name");
	for (size_t i = 0; councils->count > 0 && i < p->person_count; i++)
		policy_check_name(run, councils, &p->people[i].at,
		    "people.council", p->people[i].council);
	for (size_t i = 0; councils->count > 0 && i < p->contact_count; i++)
		policy_check_name(run, councils, &p->contacts[i].at,
		    "contacts.council", p->contacts[i].council);
	check_keys(run);
	check_calls(run);
}
