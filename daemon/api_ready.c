/* Readiness and the assurance ladder through the API. */

#include <stdlib.h>
#include <string.h>

#include <bascule/base/exitcode.h>

#include "client.h"
#include "duty.h"
#include "ladder.h"
#include "ready_parts.h"
#include "request.h"

/* --- readiness ------------------------------------------------------------- */

static enum err_code
value_to_wire(struct daemon *d, const char *service,
    const struct ready_value *r, struct wire_value **out, struct err *e)
{
	const struct duty *x = ready_passes(r)
	    ? NULL
	    : duties_exception(d, service == NULL ? "" : service,
		  ready_check_name(r->check));
	enum err_code rc = wire_new(out, "readiness", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(*out, "site", r->site);
	if (r->service[0] != '\0')
		wire_add_text(*out, "service", r->service);
	wire_add_text(*out, "check", ready_check_name(r->check));
	wire_add_text(*out, "verdict", ready_verdict_name(r->verdict));
	wire_add_text(*out, "value", r->value);
	wire_add_text(*out, "limit", r->limit);
	if (!ready_passes(r) && r->remedy[0] != '\0')
		wire_add_text(*out, "remedy", r->remedy);
	if (x != NULL) { /* known, and still no pass */
		wire_add_text(*out, "excepted", x->id);
		wire_add_utc(*out, "excepted_until", x->due);
	}
	wire_add_text(*out, "source", r->source);
	if (r->at.ns != 0) {
		wire_add_utc(*out, "at", r->at);
		wire_add_seconds(*out, "age_seconds", now_utc().ns - r->at.ns);
	}
	return ERR_NONE;
}

/* In slices: of hundreds of services there are thousands of values. */
struct telling {
	struct client *c;
	char *service; /* NULL: all */
	uint64_t policy_number;
	size_t site, next; /* of the policy's; the site as a whole, then each */
	uint64_t count, not_ready;
	uint64_t rounds; /* to be measured first: until there were so many */
};

static void
telling_free(void **ctx)
{
	struct telling *t = TAKE(*ctx);

	if (t == NULL)
		return;
	free(t->service);
	free(t);
}

static enum err_code
telling_new(struct telling **out, struct client *c, const char *service,
    struct err *e)
{
	struct telling *t = calloc(1, sizeof(*t));
	void *ctx = t;

	*out = NULL;
	if (t == NULL)
		return err_nomem(e);
	t->c = c;
	t->service = service == NULL ? NULL : strdup(service);
	if (service != NULL && t->service == NULL) {
		telling_free(&ctx);
		return err_nomem(e);
	}
	*out = t;
	return ERR_NONE;
}

static enum err_code
tell_one(struct telling *t, const char *service, const char *site,
    enum ready_check check, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct ready_value r;
	enum err_code rc;

	ready_of(client_daemon(t->c), service, site, check, &r);
	rc = value_to_wire(client_daemon(t->c), service, &r, &v, e);
	if (rc != ERR_NONE)
		return rc;
	t->count++;
	t->not_ready += !ready_passes(&r);
	client_reply(t->c, &v);
	return ERR_NONE;
}

static bool
concerns(const struct policy_service *s, const char *site)
{
	return strcmp(s->home, site) == 0 || strcmp(s->standby, site) == 0;
}

static bool
is_of_site(const struct telling *t, const char *site)
{
	const struct policy *p = client_daemon(t->c)->policy;

	for (size_t i = 0; i < p->service_count; i++)
		if ((t->service == NULL ||
			strcmp(p->services[i].name, t->service) == 0) &&
		    concerns(&p->services[i], site))
			return true;
	return false;
}

/* Those of the site as a whole, or of one service there. */
static enum err_code
tell_checks(struct telling *t, const char *service, const char *site,
    bool of_service, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (int i = 0; rc == ERR_NONE && i < READY_CHECKS; i++) {
		enum ready_check c = (enum ready_check)i;

		if (ready_check_is_of_service(c) == of_service)
			rc = tell_one(t, service, site, c, e);
	}
	return rc;
}

/* The next service of the site, at 0 the site itself first. */
static enum err_code
tell_next(struct telling *t, const char *site, struct err *e)
{
	const struct policy *p = client_daemon(t->c)->policy;
	enum err_code rc = ERR_NONE;

	if (t->next == 0)
		rc = tell_checks(t, t->service, site, false, e);
	for (; rc == ERR_NONE && t->next < p->service_count; t->next++) {
		const struct policy_service *s = &p->services[t->next];

		if (!concerns(s, site) ||
		    (t->service != NULL && strcmp(t->service, s->name) != 0))
			continue;
		t->next++;
		return tell_checks(t, s->name, site, true, e);
	}
	return rc;
}

/* t->c lets go of t with the last. */
static enum err_code
tell_slice(struct telling *t, struct err *e)
{
	struct daemon *d = client_daemon(t->c);
	const struct policy *p = d->policy;
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = t->policy_number == d->policy_number
	    ? ERR_NONE
	    : request_policy_changed(e);

	for (size_t told = 0;
	     rc == ERR_NONE && told < DAEMON_SLICE && t->site < p->site_count;
	     told++) {
		const struct policy_site *s = &p->sites[t->site];

		if (s->role == POLICY_DATACENTRE && is_of_site(t, s->name))
			rc = tell_next(t, s->name, e);
		else
			t->next = p->service_count;
		if (t->next < p->service_count)
			continue;
		t->site++;
		t->next = 0;
	}
	if (rc != ERR_NONE || t->site < p->site_count)
		return rc;
	rc = client_summary(&v, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "site", p->site);
	wire_add_uint(v, "count", t->count);
	wire_add_uint(v, "not_ready", t->not_ready);
	if (d->ready->facts.at.ns != 0)
		wire_add_utc(v, "measured", d->ready->facts.at);
	wire_add_int(v, "exit",
	    t->not_ready > 0 ? EXITCODE_GUARD : EXITCODE_DONE);
	client_last(t->c, &v);
	return ERR_NONE;
}

static void
tell_more(struct client *c, void *ctx, struct job *j)
{
	struct err e;

	(void)j;
	if (tell_slice(ctx, &e) != ERR_NONE)
		client_fail(c, &e, 0);
}

static enum err_code
tell_all(struct telling *t, struct err *e)
{
	t->policy_number = client_daemon(t->c)->policy_number;
	client_take_turns(t->c, tell_more, t, telling_free);
	return tell_slice(t, e);
}

/* --- measured first ---------------------------------------------------------- */

static void
on_grown(struct client *c, void *ctx, struct job *j)
{
	struct telling *t = ctx;
	struct err e;

	(void)j;
	if (client_daemon(c)->ready->rounds < t->rounds)
		t->rounds = 0; /* a reload began anew: this one will do */
	if (client_daemon(c)->ready->rounds == t->rounds)
		return;
	if (tell_all(t, &e) != ERR_NONE)
		client_fail(c, &e, 0);
}

static void
measure(struct telling *t)
{
	struct daemon *d = client_daemon(t->c);

	/* One that runs already may have looked before what was changed. */
	t->rounds = d->ready->rounds + ready_is_measuring(d->ready);
	ready_kick(d);
	client_watch_ledger(t->c, on_grown, t, telling_free);
}

static enum err_code
check_service(const struct daemon *d, const char *name, struct err *e)
{
	if (name == NULL || policy_find_service(d->policy, name) != NULL)
		return ERR_NONE;
	err_set(e, ERR_NOTFOUND, "there is no service '%s'", name);
	return err_hint(e, "'bascule services' lists them");
}

static enum err_code
run_readiness(struct client *c, struct wire_value *request, struct err *e)
{
	const char *service = wire_take_text(request, "service", NULL);
	bool now = wire_take_bool(request, "measure", false);
	struct telling *t = NULL;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = check_service(client_daemon(c), service, e);
	if (rc == ERR_NONE)
		rc = telling_new(&t, c, service, e);
	if (rc != ERR_NONE)
		return rc;
	if (!now)
		return tell_all(t, e);
	measure(t);
	return ERR_NONE;
}
const struct api_command api_readiness = {"readiness", CLIENT_READERS,
    run_readiness};

/* --- the ladder ------------------------------------------------------------------ */

static enum err_code
add_rung(struct wire_value *list, const struct ladder *l, unsigned level,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct ladder_rung *r = &l->rungs[level];
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_uint(v, "level", level);
	wire_add_text(v, "title", ladder_rung_title(level));
	wire_add_text(v, "state", ladder_state_name(r->state));
	if (r->at.ns != 0)
		wire_add_utc(v, "at", r->at);
	if (r->expires.ns != 0)
		wire_add_utc(v, "expires", r->expires);
	if (r->run[0] != '\0')
		wire_add_text(v, "run", r->run);
	if (r->plan[0] != '\0')
		wire_add_text(v, "plan", r->plan);
	if (r->policy[0] != '\0')
		wire_add_text(v, "policy", r->policy);
	wire_add(list, NULL, &v);
	return ERR_NONE;
}

static enum err_code
ladder_to_wire(const struct ladder *l, struct wire_value **out, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *list = NULL;
	const struct policy_service *s = l->service;
	const char *from = policy_find_peer(s, l->site);
	enum err_code rc = wire_new(&v, "ladder", e);

	if (rc == ERR_NONE)
		rc = wire_new_list(&list, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", s->name);
	wire_add_text(v, "owner", s->owner);
	wire_add_text(v, "site", l->site);
	if (from != NULL && *from != '\0')
		wire_add_text(v, "from", from);
	wire_add_int(v, "level", l->level);
	wire_add_text(v, "asked",
	    policy_schema_service_proof(s->failover.min_proof));
	for (unsigned i = 0; rc == ERR_NONE && i < LADDER_RUNGS; i++)
		rc = add_rung(list, l, i, e);
	wire_add(v, "rungs", &list);
	*out = TAKE(v);
	return rc;
}

static enum err_code
tell_ladders(struct client *c, const struct ladder *all, size_t all_count,
    const char *service, struct utc as_of, struct err *e)
{
	uint64_t count = 0;

	for (size_t i = 0; i < all_count; i++) {
		OWNED(wire_free) struct wire_value *v = NULL;
		enum err_code rc;

		if (service != NULL &&
		    strcmp(service, all[i].service->name) != 0)
			continue;
		rc = ladder_to_wire(&all[i], &v, e);
		if (rc != ERR_NONE)
			return rc;
		if (as_of.ns != 0) {
			wire_add_utc(v, "as_of", as_of);
			wire_add_text(v, "seen_from",
			    client_daemon(c)->policy->site);
		}
		count++;
		client_reply(c, &v);
	}
	return client_count(c, count, e);
}

static bool
has_service(const struct ladder *all, size_t count, const char *service)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].service->name, service) == 0)
			return true;
	return false;
}

static enum err_code
run_past_ladder(struct client *c, const char *service, struct utc as_of,
    struct err *e)
{
	OWNED(ladders_free) struct ladders *k = NULL;
	const struct ladder *all;
	size_t count;
	enum err_code rc = ladders_as_of(&k, client_daemon(c), as_of, e);

	if (rc != ERR_NONE)
		return rc;
	all = ladders_list(k, &count);
	if (service != NULL && !has_service(all, count, service))
		return err_set(e, ERR_NOTFOUND,
		    "there was no service '%s' in the policy that was in force "
		    "then",
		    service);
	return tell_ladders(c, all, count, service, as_of, e);
}

static enum err_code
run_ladder(struct client *c, struct wire_value *request, struct err *e)
{
	const char *service = wire_take_text(request, "service", NULL);
	struct utc as_of = wire_take_utc(request, "as_of", (struct utc){0});
	const struct ladder *all;
	size_t count;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE && as_of.ns != 0)
		return run_past_ladder(c, service, as_of, e);
	if (rc == ERR_NONE)
		rc = check_service(client_daemon(c), service, e);
	if (rc != ERR_NONE)
		return rc;
	all = ladders_look(client_daemon(c), &count);
	return tell_ladders(c, all, count, service, as_of, e);
}
const struct api_command api_ladder = {"ladder", CLIENT_READERS, run_ladder};
