#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy_check_parts.h"
#include "policy_setting.h"

/* --- sites ---------------------------------------------------------------- */

static void
check_site(struct policy_check_run *run, const struct policy_site *s)
{
	const struct policy *p = run->p;

	if (s->role == POLICY_DATACENTRE && s->repository[0] == '\0')
		POLICY_CHECK_SAY(run, P_MISSING, &s->at, "sites.repository",
		    "is missing: the datacentre '%s' needs a folder for its "
		    "repository; write repository = "
		    "\"/srv/bascule/repository\"",
		    s->name);
	for (size_t i = 0; s->role == POLICY_WITNESS && i < p->site_count;
	     i++) {
		const struct policy_site *o = &p->sites[i];

		if (o->role == POLICY_DATACENTRE &&
		    s->failure_domain[0] != '\0' &&
		    strcmp(o->failure_domain, s->failure_domain) == 0)
			POLICY_CHECK_SAY(run, P_FAILURE_DOMAIN, &s->at,
			    "sites.failure_domain",
			    "the witness '%s' shares the failure domain '%s' "
			    "with the datacentre '%s', and would be lost with "
			    "it; place it elsewhere",
			    s->name, s->failure_domain, o->name);
	}
}

/* Host names are one space: plans name hosts without their site. */
static void
check_hosts(struct policy_check_run *run)
{
	const struct policy *p = run->p;

	for (size_t i = 0; i < p->site_count; i++) {
		const struct policy_site *s = &p->sites[i];

		policy_check_twice(run, s->hosts, s->host_count,
		    sizeof(s->hosts[0]), offsetof(struct policy_host, name),
		    "sites.hosts.name");
		for (size_t k = 0; k < s->host_count; k++) {
			const struct policy_site *first;
			const struct policy_host *h =
			    policy_find_host(p, s->hosts[k].name, &first);

			if (first != s && h != NULL && h->name[0] != '\0')
				POLICY_CHECK_SAY(run, P_DUPLICATE,
				    &s->hosts[k].at, "sites.hosts.name",
				    "'%s' is a host of '%s' already, in "
				    "%s:%u; choose another name",
				    h->name, first->name, h->at.file,
				    h->at.line);
		}
	}
}

/* How many shares of the escrowed key are kept in one failure domain. */
static uint32_t
shares_in(const struct policy_escrow *es, const char *domain)
{
	uint32_t count = 0;

	for (size_t i = 0; i < es->holder_count; i++)
		if (strcmp(es->holders[i].failure_domain, domain) == 0)
			count++;
	return count;
}

static void
check_escrow(struct policy_check_run *run, const struct policy_escrow *es)
{
	uint32_t total = (uint32_t)es->holder_count;

	if (es->at.line == 0)
		return;
	policy_check_twice(run, es->holders, es->holder_count,
	    sizeof(es->holders[0]), offsetof(struct policy_holder, name),
	    "escrow.holders.name");
	if (total < es->threshold) {
		POLICY_CHECK_SAY(run, P_SHARES, &es->at, "escrow.threshold",
		    "%u shares are needed and %u are kept; add holders",
		    es->threshold, total);
		return;
	}
	for (size_t i = 0; i < es->holder_count; i++) {
		const struct policy_holder *h = &es->holders[i];
		uint32_t here = shares_in(es, h->failure_domain);

		if (here >= es->threshold)
			POLICY_CHECK_SAY(run, P_FAILURE_DOMAIN, &h->at,
			    "escrow.holders.failure_domain",
			    "%u shares are kept in '%s', enough to open the "
			    "key; keep fewer than %u in one place",
			    here, h->failure_domain, es->threshold);
		else if (total - here < es->threshold)
			POLICY_CHECK_SAY(run, P_FAILURE_DOMAIN, &h->at,
			    "escrow.holders.failure_domain",
			    "without '%s' %u shares are left of the %u that "
			    "are needed; keep more elsewhere",
			    h->failure_domain, total - here, es->threshold);
	}
}

/* --- links ---------------------------------------------------------------- */

static bool
is_between(const struct policy_link *l, const char *site)
{
	for (size_t i = 0; i < l->between.count; i++)
		if (strcmp(l->between.items[i], site) == 0)
			return true;
	return false;
}

static void
check_link(struct policy_check_run *run, const struct policy_link *l,
    const struct policy_check_names *sites)
{
	for (size_t i = 0; i < l->between.count; i++)
		policy_check_name(run, sites, &l->at, "links.between",
		    l->between.items[i]);
	if (l->between.count != 0 &&
	    (l->between.count != 2 ||
		strcmp(l->between.items[0], l->between.items[1]) == 0))
		POLICY_CHECK_SAY(run, P_VALUE, &l->at, "links.between",
		    "a link joins two different sites; write two names");
	for (size_t i = 0; i < l->address_count; i++) {
		const struct policy_pair *a = &l->addresses[i];

		if (l->between.count == 2 && !is_between(l, a->name))
			policy_problem_add(run->ps, P_REFERENCE, &a->mark,
			    "links.addresses",
			    "'%s' is not a site that this link joins; it joins "
			    "'%s' and '%s'",
			    a->name, l->between.items[0], l->between.items[1]);
	}
	for (size_t i = 0; i < l->limit_count; i++)
		if (l->bandwidth_bytes_per_s > 0 &&
		    l->limits[i].rate_bytes_per_s > l->bandwidth_bytes_per_s)
			POLICY_CHECK_SAY(run, P_VALUE, &l->limits[i].at,
			    "links.limits.rate",
			    "is more than the link's bandwidth; write a lower "
			    "rate");
}

/* --- people --------------------------------------------------------------- */

/* NULL: out of memory, which is counted.  To be freed. */
static const char **
council_names(struct policy_check_run *run)
{
	const struct policy *p = run->p;
	const char **names = calloc(p->council_count + 1, sizeof(names[0]));

	if (names == NULL)
		run->ps->more_count++;
	for (size_t i = 0; names != NULL && i < p->council_count; i++)
		names[i] = p->councils[i].name;
	return names;
}

static void
check_council(struct policy_check_run *run, const struct policy_at *at,
    const char *setting, const char *name)
{
	OWNED(free_mem) const char **names = council_names(run);
	struct policy_check_names known = {.what = "council",
	    .items = names,
	    .count = run->p->council_count};

	if (names != NULL)
		policy_check_name(run, &known, at, setting, name);
}

static void
check_people(struct policy_check_run *run)
{
	OWNED(free_mem) const char **names = council_names(run);
	struct policy_check_names known = {.what = "council",
	    .items = names,
	    .count = run->p->council_count};

	if (names != NULL)
		policy_check_sites_people(run, &known);
}

static void
check_freeze(struct policy_check_run *run, const struct policy_freeze *f)
{
	if (f->from[0] != '\0' && f->until[0] != '\0' &&
	    f->until_days < f->from_days)
		POLICY_CHECK_SAY(run, P_TIME, &f->at, "freezes.until",
		    "'%s' is before from = '%s'; write the last day of the "
		    "freeze",
		    f->until, f->from);
	for (size_t i = 0; i < f->councils.count; i++)
		check_council(run, &f->at, "freezes.councils",
		    f->councils.items[i]);
}

static void
check_shares(struct policy_check_run *run)
{
	const struct policy *p = run->p;
	uint64_t sum = 0;

	for (size_t i = 0; i < p->council_count; i++)
		sum += p->councils[i].share_percent;
	if (sum != 0 && sum != 100)
		POLICY_CHECK_SAY(run, P_SHARES,
		    &p->councils[p->council_count - 1].at, "councils.share",
		    "the shares of all councils sum up to %u; they must sum up "
		    "to 100",
		    (unsigned)sum);
}

void
policy_check_places(struct policy_check_run *run)
{
	const struct policy *p = run->p;
	OWNED(free_mem)
	const char **names = calloc(p->site_count + 1, sizeof(names[0]));
	struct policy_check_names sites = {.what = "site",
	    .items = names,
	    .count = p->site_count};

	if (names == NULL) {
		run->ps->more_count++;
		return;
	}
	for (size_t i = 0; i < p->site_count; i++) {
		names[i] = p->sites[i].name;
		check_site(run, &p->sites[i]);
	}
	policy_check_twice(run, p->sites, p->site_count, sizeof(p->sites[0]),
	    offsetof(struct policy_site, name), "sites.name");
	check_hosts(run);
	policy_check_twice(run, p->links, p->link_count, sizeof(p->links[0]),
	    offsetof(struct policy_link, name), "links.name");
	for (size_t i = 0; i < p->link_count; i++)
		check_link(run, &p->links[i], &sites);
	policy_check_twice(run, p->councils, p->council_count,
	    sizeof(p->councils[0]), offsetof(struct policy_council, name),
	    "councils.name");
	check_shares(run);
	policy_check_twice(run, p->freezes, p->freeze_count,
	    sizeof(p->freezes[0]), offsetof(struct policy_freeze, name),
	    "freezes.name");
	for (size_t i = 0; i < p->freeze_count; i++)
		check_freeze(run, &p->freezes[i]);
	check_escrow(run, &p->escrow);
	check_people(run);
	for (size_t i = 0; i < p->service_count; i++)
		if (p->council_count > 0)
			check_council(run, &p->services[i].at, "service.owner",
			    p->services[i].owner);
}

/* --- this site's own file ------------------------------------------------- */

/* A file that is not there yet is the daemon's affair, not the policy's. */
static void
check_secret(struct policy_check_run *run, const char *setting,
    const char *path)
{
	struct stat st;

	if (!run->on_disk || *path == '\0' || stat(path, &st) == -1)
		return;
	if (!S_ISREG(st.st_mode))
		POLICY_CHECK_SAY(run, P_KEY_FILE, &run->p->at, setting,
		    "'%s' is not a regular file; name the key file", path);
	else if ((st.st_mode & 077) != 0)
		POLICY_CHECK_SAY(run, P_KEY_FILE, &run->p->at, setting,
		    "others than its owner have rights on the key file '%s' "
		    "(mode %04o); take them away with chmod 600",
		    path, (unsigned)(st.st_mode & 07777));
	else if (st.st_uid != 0 && st.st_uid != geteuid())
		POLICY_CHECK_SAY(run, P_KEY_FILE, &run->p->at, setting,
		    "the key file '%s' belongs to user %u; it must belong to "
		    "root or to the user Bascule runs as (%u)",
		    path, (unsigned)st.st_uid, (unsigned)geteuid());
}

static void
check_etcd(struct policy_check_run *run)
{
	const struct policy_etcd *d = &run->p->etcd;

	check_secret(run, "etcd.key_file", d->key_file);
	if (policy_setting_is_written(&run->p->at, "endpoints") &&
	    policy_setting_is_written(&d->at, "endpoints"))
		POLICY_CHECK_SAY(run, P_ONE_OF, &d->at, "etcd.endpoints",
		    "are written outside of etcd as well; keep one");
	if ((d->cert_file[0] == '\0') != (d->key_file[0] == '\0'))
		POLICY_CHECK_SAY(run, P_MISSING, &d->at,
		    d->key_file[0] == '\0' ? "etcd.key_file" : "etcd.cert_file",
		    "is missing: a certificate and its key come together");
}

void
policy_check_places_own(struct policy_check_run *run)
{
	const struct policy *p = run->p;

	check_secret(run, "key_file", p->key_file);
	check_secret(run, "identity", p->identity);
	check_secret(run, "key_passphrase_file", p->key_passphrase_file);
	check_secret(run, "identity_passphrase_file",
	    p->identity_passphrase_file);
	check_secret(run, "bridge.identity", p->bridge.identity);
	check_etcd(run);
	if (p->authority == POLICY_ETCD && p->endpoints.count == 0)
		POLICY_CHECK_SAY(run, P_MISSING, &p->at, "authority",
		    "\"etcd\" needs its members; write endpoints = [ "
		    "\"https://10.30.0.5:2379\", ... ]");
	if (p->authority != POLICY_ETCD && p->endpoints.count > 0)
		POLICY_CHECK_SAY(run, P_ONE_OF, &p->at, "endpoints",
		    "are only used with authority = \"etcd\"; write that or "
		    "leave them out");
	for (size_t i = 0; i < p->role_count; i++) {
		const struct policy_role_rule *r = &p->roles[i];

		if (r->groups.count == 0 && r->users.count == 0)
			POLICY_CHECK_SAY(run, P_MISSING, &r->at, "roles.role",
			    "nobody has it; write groups = [ ... ] or users = "
			    "[ ... ]");
		if (p->council_count > 0)
			check_council(run, &r->at, "roles.council", r->council);
	}
}
