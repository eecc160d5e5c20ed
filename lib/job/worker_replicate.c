/*
 * Replicate: bring a service's copy at another site up to date, over the first
 * route that works.  What a broken route had moved is there already: the next
 * one goes on.
 */

#include "worker.h"

#include <string.h>

#include <bascule/replicate.h>

#define URL_BYTES 1024

struct push {
	struct worker *w;
	const struct policy_site *to;
	struct replicate_target target;
	char url[URL_BYTES];
	struct replicate_tally tally; /* of the last try */
	uint64_t sent_bytes;          /* of all */
	const char *link;             /* that it went over */
};

static void
on_progress(void *ctx, const struct replicate_tally *t)
{
	struct push *p = ctx;
	struct job_progress pr = {t->packs_sent_count, t->pack_sent_bytes,
	    t->pack_bytes};

	worker_progress(p->w, &pr, p->link);
}

static void
on_problem(void *ctx, const char *object, const struct err *why)
{
	struct push *p = ctx;

	worker_log(p->w, WORKER_WARNING, "%s: %s", object, why->text);
}

static enum err_code
tell_route(struct push *p, const struct err *why, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "route", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "link", p->link);
	if (why != NULL)
		wire_add_text(v, "error", why->text);
	return worker_send(p->w, &v, e);
}

static enum err_code
set_target(struct push *p, struct err *e)
{
	const struct policy_host *h;
	int n;

	if (p->to == NULL || p->to->host_count == 0)
		return err_set(e, ERR_POLICY,
		    "site '%s' has no host to replicate to",
		    worker_target(p->w));
	h = &p->to->hosts[0];
	n = snprintf(p->url, sizeof(p->url), "ssh://%s@%s:%u%s", h->user,
	    h->address, (unsigned)h->port, p->to->repository);
	if (n < 0 || (size_t)n >= sizeof(p->url))
		return err_set(e, ERR_POLICY,
		    "the address of site '%s' is too "
		    "long",
		    p->to->name);
	p->target = (struct replicate_target){.url = p->url,
	    .host_keys = h->host_keys.items,
	    .host_keys_count = h->host_keys.count,
	    .identity = *worker_policy(p->w)->identity != '\0'
		? worker_policy(p->w)->identity
		: NULL};
	return ERR_NONE;
}

/* Would another route help? */
static bool
is_of_the_way(enum err_code rc)
{
	return rc == ERR_TIMEOUT || rc == ERR_IO || rc == ERR_NOTFOUND;
}

static enum err_code
try_routes(struct push *p, struct store *st, struct wire_value *routes,
    struct err *e)
{
	struct replicate_options opt = {.service = worker_service(p->w)->name,
	    .on_problem = on_problem,
	    .on_progress = on_progress,
	    .ctx = p,
	    .cancel = worker_cancel(p->w)};
	size_t count = routes == NULL ? 0 : wire_count(routes);
	enum err_code rc = err_set(e, ERR_TIMEOUT, "no link to site '%s'",
	    worker_target(p->w));

	for (size_t i = 0; i < count; i++) {
		struct wire_value *r = wire_at_object(routes, i);
		struct err why;
		enum err_code said;

		p->link = wire_need_text(r, "link");
		p->target.address = wire_need_text(r, "address");
		rc = reach_push(st, &p->target, &opt, &p->tally, e);
		p->sent_bytes += p->tally.sent_bytes;
		said = tell_route(p, rc == ERR_NONE ? NULL : e, &why);
		if (said != ERR_NONE) {
			*e = why;
			return said;
		}
		if (rc == ERR_NONE || !is_of_the_way(rc) ||
		    worker_is_cancelled(p->w))
			break;
		worker_log(p->w, WORKER_WARNING, "link '%s': %s", p->link,
		    e->text);
	}
	return rc;
}

static void
add_tally(const struct push *p, struct wire_value *result)
{
	wire_add_text(result, "link", p->link);
	wire_add_uint(result, "bytes", p->tally.pack_bytes);
	wire_add_uint(result, "sent_bytes", p->sent_bytes);
	wire_add_uint(result, "new_bytes", p->tally.pack_sent_bytes);
	wire_add_uint(result, "snapshots_sent", p->tally.snapshots_sent_count);
	wire_add_uint(result, "points_sent", p->tally.points_sent_count);
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(worker_store_fini) struct worker_store at = {0};
	struct push p = {.w = w, .link = ""};
	struct wire_value *routes = wire_take_list(worker_spec(w), "routes");
	enum err_code rc;

	for (size_t i = 0; routes != NULL && i < wire_count(routes); i++) {
		struct wire_value *r = wire_at_object(routes, i);

		wire_need_text(r, "link");
		wire_need_text(r, "address");
	}
	rc = worker_asked(w, e);
	if (rc != ERR_NONE)
		return rc;
	if (worker_service(w) == NULL || worker_target(w) == NULL)
		return err_set(e, ERR_INPUT,
		    "a replication is of a service, to a site");
	p.to = policy_find_site(worker_policy(w), worker_target(w));
	rc = set_target(&p, e);
	if (rc == ERR_NONE)
		rc = worker_store_open(&at, w, STORE_READ, e);
	if (rc == ERR_NONE)
		rc = try_routes(&p, at.st, routes, e);
	add_tally(&p, result);
	if (rc == ERR_NONE && p.tally.refused_count + p.tally.damaged_count > 0)
		worker_partial(w,
		    "%llu objects were refused there, %llu are "
		    "damaged here",
		    (unsigned long long)p.tally.refused_count,
		    (unsigned long long)p.tally.damaged_count);
	return rc;
}

const struct worker_kind worker_replicate = {"replicate", run};
