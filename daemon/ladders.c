/*
 * The ladders of all services, fed from the ledgers: each record once.  Those of
 * an instant that has passed are the same fold, of the records up to it, judged
 * by the policy that was in force then.
 */

#include "ladder.h"

#include <string.h>

#include "peer.h"

#define LOOK_NS  (NS_PER_S / 5) /* a status asks for each service */
#define SINCE_NS (400 * CIVIL_DAY_S * NS_PER_S) /* no proof lasts for longer */

struct followed {
	char site[READY_NAME_BYTES];
	uint64_t row; /* read up to here */
};

struct ladders {
	const struct policy *policy; /* that the ladders are of */
	struct policy *own;          /* the same, of a past; else NULL */
	char digest[ID_HEX_BYTES];
	struct utc as_of; /* ns 0: now */
	struct ladder *items;
	char (*plans)[ID_HEX_BYTES]; /* digest of each item's plan */
	size_t count;
	struct followed *sites;
	size_t site_count;
	struct mono looked; /* ns 0: never */
};

void
ladders_free(struct ladders **kp)
{
	struct ladders *k = TAKE(*kp);

	if (k == NULL)
		return;
	free(k->items);
	free(k->plans);
	free(k->sites);
	policy_free(&k->own);
	free(k);
}

void
ladders_stop(struct daemon *d)
{
	ladders_free(&d->ladders);
}

/* --- making ------------------------------------------------------------------ */

static void
add(struct ladders *k, const struct policy_service *s, const char *site)
{
	if (*site == '\0')
		return;
	for (size_t i = 0; i < k->count; i++)
		if (k->items[i].service == s &&
		    strcmp(k->items[i].site, site) == 0)
			return;
	k->items[k->count++] = (struct ladder){.service = s, .site = site};
}

static enum err_code
add_plans(struct ladders *k, struct err *e)
{
	struct id id;

	k->plans = calloc(k->count + 1, sizeof(*k->plans));
	if (k->plans == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < k->count; i++) {
		/* A service's copies stand together. */
		if (i > 0 && k->items[i].service == k->items[i - 1].service) {
			memcpy(k->plans[i], k->plans[i - 1], ID_HEX_BYTES);
			continue;
		}
		if (digest_plan(k->items[i].service, &id, e) != ERR_NONE)
			return e->code;
		id_hex(&id, k->plans[i]);
	}
	return ERR_NONE;
}

static enum err_code
make(struct ladders **out, const struct policy *p, const char *digest,
    struct err *e)
{
	OWNED(ladders_free) struct ladders *k = calloc(1, sizeof(*k));
	size_t most = 0;
	enum err_code rc;

	if (k == NULL)
		return err_nomem(e);
	k->policy = p;
	snprintf(k->digest, sizeof(k->digest), "%s", digest);
	for (size_t i = 0; i < p->service_count; i++)
		most += 2 + p->services[i].replicate.to.count;
	k->items = calloc(most + 1, sizeof(*k->items));
	k->sites = calloc(p->site_count + 1, sizeof(*k->sites));
	if (k->items == NULL || k->sites == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < p->service_count; i++) {
		const struct policy_service *s = &p->services[i];

		add(k, s, s->home);
		add(k, s, s->standby);
		for (size_t t = 0; t < s->replicate.to.count; t++)
			add(k, s, s->replicate.to.items[t]);
	}
	for (size_t i = 0; i < p->site_count; i++)
		snprintf(k->sites[k->site_count++].site, READY_NAME_BYTES, "%s",
		    p->sites[i].name);
	rc = add_plans(k, e);
	if (rc == ERR_NONE)
		*out = TAKE(k);
	return rc;
}

/* They are in the order of the policy's services, which is that of names. */
static size_t
first_of(const struct ladder *items, size_t count, const char *service)
{
	size_t from = 0, to = count;

	while (from < to) {
		size_t at = from + (to - from) / 2;

		if (strcmp(items[at].service->name, service) < 0)
			from = at + 1;
		else
			to = at;
	}
	return from;
}

/* --- what a record proves -------------------------------------------------------- */

struct reading {
	struct ladders *k;
	uint64_t last;
};

struct of_record {
	char service[LEDGER_NAME_BYTES_MAX + 1], run[LADDER_RUN_BYTES];
	char plan[ID_HEX_BYTES], policy[ID_HEX_BYTES];
	struct ladder_proof proof;
};

static void
take_record(struct of_record *o, const struct record *r, unsigned level)
{
	record_text(r, "@service", o->service, sizeof(o->service));
	record_text(r, "@run", o->run, sizeof(o->run));
	record_text(r, "@plan", o->plan, sizeof(o->plan));
	record_text(r, "@policy", o->policy, sizeof(o->policy));
	o->proof = (struct ladder_proof){.level = level,
	    .at = r->at,
	    .run = o->run,
	    .plan = o->plan,
	    .policy = o->policy};
}

/* site NULL: every copy of the service. */
static void
see(struct ladders *k, const struct record *r, const char *site, unsigned level)
{
	struct of_record o;

	take_record(&o, r, level);
	for (size_t i = first_of(k->items, k->count, o.service);
	     i < k->count && strcmp(k->items[i].service->name, o.service) == 0;
	     i++)
		if (site == NULL || strcmp(k->items[i].site, site) == 0)
			ladder_see(&k->items[i], &o.proof);
}

static void
on_point(struct ladders *k, const struct record *r)
{
	char site[READY_NAME_BYTES], level[8];

	if (record_int(r, "complete", 0) == 1)
		see(k, r, NULL, POLICY_L1);
	if (*record_text(r, "replicated_site", site, sizeof(site)) != '\0')
		see(k, r, site, POLICY_L2);
	record_text(r, "verified_level", level, sizeof(level));
	record_text(r, "verified_site", site, sizeof(site));
	if (*site != '\0' && level[0] == 'L' && level[1] >= '0' &&
	    level[1] <= '4' && level[2] == '\0')
		see(k, r, site, (unsigned)(level[1] - '0'));
}

/* An isolated test ran at the site that recorded it. */
static void
on_exercise(struct ladders *k, const struct record *r)
{
	char result[32], mode[16], site[READY_NAME_BYTES];

	record_text(r, "result", result, sizeof(result));
	record_text(r, "mode", mode, sizeof(mode));
	record_text(r, "@site", site, sizeof(site));
	if (result[0] == '\0' || strcmp(mode, "tabletop") == 0)
		return;
	/* Restored, but not all that makes it a service was tried. */
	if (record_int(r, "stood_aside", 0) > 0) {
		if (strncmp(result, "PASS", 4) == 0)
			see(k, r, site, POLICY_L4);
		return;
	}
	if (strncmp(result, "PASS", 4) == 0)
		see(k, r, site, POLICY_L6);
	if (strncmp(result, "PASS", 4) == 0 ||
	    strcmp(result, "NOT_MEASURED") == 0)
		see(k, r, site, POLICY_L5);
}

static void
on_failover(struct ladders *k, const struct record *r)
{
	char event[24], from[READY_NAME_BYTES], to[READY_NAME_BYTES];
	struct of_record o;

	if (strcmp(record_text(r, "event", event, sizeof(event)),
		"COMMITTED") != 0)
		return;
	record_text(r, "from_site", from, sizeof(from));
	record_text(r, "to_site", to, sizeof(to));
	take_record(&o, r, POLICY_L7);
	for (size_t i = 0; i < k->count; i++) {
		struct ladder *l = &k->items[i];

		if (strcmp(l->service->name, o.service) != 0)
			continue;
		if (strcmp(l->site, to) == 0)
			ladder_moved(l, true, &o.proof);
		if (strcmp(l->site, from) == 0)
			ladder_moved(l, false, &o.proof);
	}
}

static enum err_code
on_record(void *ctx, const struct record *r, struct err *e)
{
	struct reading *rd = ctx;

	(void)e;
	if (r->type.len_bytes == strlen(LEDGER_POINT))
		on_point(rd->k, r);
	else if (r->type.len_bytes == strlen(LEDGER_EXERCISE) &&
	    memcmp(r->type.at, LEDGER_EXERCISE, r->type.len_bytes) == 0)
		on_exercise(rd->k, r);
	else
		on_failover(rd->k, r);
	return ERR_NONE;
}

/* --- reading ------------------------------------------------------------------------ */

static struct utc
now_of(const struct ladders *k)
{
	return k->as_of.ns != 0 ? k->as_of : now_utc();
}

static enum err_code
read_new(struct daemon *d, struct ladders *k, struct followed *f, struct err *e)
{
	static const char *const types[] = {LEDGER_POINT, LEDGER_EXERCISE,
	    LEDGER_FAILOVER};
	struct reading rd = {.k = k};
	struct ledger_filter filter = {.since = {now_of(k).ns - SINCE_NS},
	    .until = {k->as_of.ns != 0 ? k->as_of.ns + 1 : 0},
	    .after_row = f->row};
	struct ledger *l;
	enum err_code rc = peer_ledger(d, f->site, &l, e);

	if (rc == ERR_NONE)
		rc = ledger_last_row(l, &rd.last, e);
	if (rc != ERR_NONE || rd.last == f->row)
		return rc;
	filter.up_to_row = rd.last;
	for (size_t i = 0; rc == ERR_NONE && i < COUNT_OF(types); i++) {
		filter.type = types[i];
		rc = ledger_iterate(l, &filter, on_record, &rd, e);
	}
	if (rc == ERR_NONE)
		f->row = rd.last;
	return rc;
}

/* Whose ledger was never heard has proved nothing here. */
static void
read_all(struct daemon *d, struct ladders *k)
{
	struct err e;

	for (size_t i = 0; i < k->site_count; i++)
		if (read_new(d, k, &k->sites[i], &e) != ERR_NONE &&
		    e.code != ERR_NOTFOUND)
			note_log(NOTE_ERROR, "the records of '%s': %s",
			    k->sites[i].site, e.text);
}

/* It is in the policy, as of now; and what still stands. */
static void
judge_all(struct ladders *k)
{
	struct utc now = now_of(k);

	for (size_t i = 0; i < k->count; i++) {
		ladder_see(&k->items[i],
		    &(struct ladder_proof){.level = POLICY_L0,
			.at = now,
			.run = "",
			.plan = k->plans[i],
			.policy = k->digest});
		ladder_judge(&k->items[i], k->plans[i], k->digest, now);
	}
}

const struct ladder *
ladders_list(const struct ladders *k, size_t *count)
{
	*count = k->count;
	return k->items;
}

const struct ladder *
ladders_look(struct daemon *d, size_t *count)
{
	struct ladders *k;
	struct err e;

	*count = 0;
	if (d->ladders != NULL && d->ladders->policy != d->policy)
		ladders_stop(d);
	if (d->ladders == NULL &&
	    make(&d->ladders, d->policy, d->digest, &e) != ERR_NONE)
		return NULL;
	k = d->ladders;
	if (k->looked.ns != 0 && now_mono().ns - k->looked.ns < LOOK_NS)
		return ladders_list(k, count);
	k->looked = now_mono();
	read_all(d, k);
	judge_all(k);
	return ladders_list(k, count);
}

/* --- as it was ------------------------------------------------------------------------ */

enum err_code
ladders_as_of(struct ladders **out, struct daemon *d, struct utc as_of,
    struct err *e)
{
	OWNED(policy_free) struct policy *p = NULL;
	struct ladders *k = NULL;
	char digest[ID_HEX_BYTES];
	enum err_code rc = reload_policy_then(d, as_of, &p, digest, e);

	*out = NULL;
	if (rc == ERR_NONE)
		rc = make(&k, p, digest, e);
	if (rc != ERR_NONE)
		return rc;
	k->own = TAKE(p);
	k->as_of = as_of;
	read_all(d, k);
	judge_all(k);
	*out = k;
	return ERR_NONE;
}

const struct ladder *
ladders_find(struct daemon *d, const char *service, const char *site)
{
	size_t count;
	const struct ladder *all = ladders_look(d, &count);

	for (size_t i = first_of(all, count, service);
	     i < count && strcmp(all[i].service->name, service) == 0; i++)
		if (strcmp(all[i].site, site) == 0)
			return &all[i];
	return NULL;
}
