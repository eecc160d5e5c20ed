/* Readiness and the assurance ladder through the API. */

#include <string.h>

#include <bascule/base/exitcode.h>

#include "client.h"
#include "duty.h"
#include "ladder.h"
#include "ready_parts.h"

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

struct telling {
	struct client *c;
	const char *service; /* NULL: all */
	uint64_t count, not_ready;
};

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

static enum err_code
tell_site(struct telling *t, const char *site, struct err *e)
{
	const struct policy *p = client_daemon(t->c)->policy;
	enum err_code rc = ERR_NONE;

	for (int c = 0; rc == ERR_NONE && c < READY_CHECKS; c++)
		if (!ready_check_is_of_service((enum ready_check)c))
			rc = tell_one(t, t->service, site, (enum ready_check)c,
			    e);
	for (size_t i = 0; rc == ERR_NONE && i < p->service_count; i++) {
		const struct policy_service *s = &p->services[i];

		if (!concerns(s, site) ||
		    (t->service != NULL && strcmp(t->service, s->name) != 0))
			continue;
		for (int c = 0; rc == ERR_NONE && c < READY_CHECKS; c++)
			if (ready_check_is_of_service((enum ready_check)c))
				rc = tell_one(t, s->name, site,
				    (enum ready_check)c, e);
	}
	return rc;
}

static enum err_code
tell_all(struct client *c, const char *service, struct err *e)
{
	struct telling t = {.c = c, .service = service};
	struct daemon *d = client_daemon(c);
	const struct policy *p = d->policy;
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < p->site_count; i++)
		if (p->sites[i].role == POLICY_DATACENTRE &&
		    is_of_site(&t, p->sites[i].name))
			rc = tell_site(&t, p->sites[i].name, e);
	if (rc == ERR_NONE)
		rc = client_summary(&v, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "site", d->policy->site);
	wire_add_uint(v, "count", t.count);
	wire_add_uint(v, "not_ready", t.not_ready);
	if (d->ready->facts.at.ns != 0)
		wire_add_utc(v, "measured", d->ready->facts.at);
	wire_add_int(v, "exit",
	    t.not_ready > 0 ? EXITCODE_GUARD : EXITCODE_DONE);
	client_last(c, &v);
	return ERR_NONE;
}

/* --- measured first ---------------------------------------------------------- */

struct waiting {
	uint64_t rounds; /* there were so many before */
	char *service;
};

static void
free_waiting(void **ctx)
{
	struct waiting *w = *ctx;

	*ctx = NULL;
	if (w == NULL)
		return;
	free(w->service);
	free(w);
}

static void
on_grown(struct client *c, void *ctx, struct job *j)
{
	struct waiting *w = ctx;
	struct err e;

	(void)j;
	if (client_daemon(c)->ready->rounds < w->rounds)
		w->rounds = 0; /* a reload began anew: this one will do */
	if (client_daemon(c)->ready->rounds == w->rounds)
		return;
	if (tell_all(c, w->service, &e) != ERR_NONE)
		client_fail(c, &e, 0);
}

static enum err_code
measure(struct client *c, const char *service, struct err *e)
{
	struct waiting *w = calloc(1, sizeof(*w));
	struct daemon *d = client_daemon(c);

	if (w == NULL)
		return err_nomem(e);
	w->service = service == NULL ? NULL : strdup(service);
	if (service != NULL && w->service == NULL) {
		free(w);
		return err_nomem(e);
	}
	/* One that runs already may have looked before what was changed. */
	w->rounds = d->ready->rounds + (d->ready->talk.worker != NULL);
	ready_kick(d);
	client_watch_ledger(c, on_grown, w, free_waiting);
	return ERR_NONE;
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
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = check_service(client_daemon(c), service, e);
	if (rc != ERR_NONE)
		return rc;
	return now ? measure(c, service, e) : tell_all(c, service, e);
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
run_ladder(struct client *c, struct wire_value *request, struct err *e)
{
	const char *service = wire_take_text(request, "service", NULL);
	uint64_t count = 0;
	size_t all_count;
	const struct ladder *all;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = check_service(client_daemon(c), service, e);
	if (rc != ERR_NONE)
		return rc;
	all = ladders_look(client_daemon(c), &all_count);
	for (size_t i = 0; rc == ERR_NONE && i < all_count; i++) {
		OWNED(wire_free) struct wire_value *v = NULL;

		if (service != NULL &&
		    strcmp(service, all[i].service->name) != 0)
			continue;
		rc = ladder_to_wire(&all[i], &v, e);
		if (rc != ERR_NONE)
			break;
		count++;
		client_reply(c, &v);
	}
	return rc != ERR_NONE ? rc : client_count(c, count, e);
}
const struct api_command api_ladder = {"ladder", CLIENT_READERS, run_ladder};
