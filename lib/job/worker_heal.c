/*
 * Heal: put right what is damaged in this site's repository, from what is here
 * and, where a link is up, from the copy at another site.  What was healed, and
 * from where, is told piece by piece and recorded.  A link that breaks, or that
 * the daemon says to leave: the healing begins again over the next one, and
 * finds what is healed already in order.
 */

#include "worker.h"

#include <string.h>

#include <bascule/base/text.h>
#include <bascule/replicate.h>

#include "pacer.h"

#define URL_BYTES     1024
#define LINK_BYTES    65 /* as the policy limits names */
#define ADDRESS_BYTES 256
#define ANSWER_NS     (60 * NS_PER_S) /* for the daemon to name a route */
#define STALL_NS      (15 * NS_PER_S)
#define CARRIED_NS    (NS_PER_S / 4)
#define LEGS_MAX      16

struct healing {
	struct worker *w;
	const struct policy_site *from; /* NULL: only from what is here */
	char link[LINK_BYTES], address[ADDRESS_BYTES];
	bool moved; /* the daemon has named another route, or none */
	struct pacer pacer;
	uint64_t passed_before;
	struct mono carried_at;
	struct heal_tally tally;
	/* of all legs */
	uint64_t healed_count, fetched_bytes;
};

/* --- what is told --------------------------------------------------------------- */

static enum err_code
tell_carried(struct healing *h, const char *error, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "carried", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "link", h->link);
	wire_add_uint(v, "bytes", pacer_passed(&h->pacer) - h->passed_before);
	if (error != NULL) {
		wire_add_bool(v, "end", true);
		wire_add_text(v, "error", error);
	}
	h->carried_at = now_mono();
	return worker_send(h->w, &v, e);
}

static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct healing *h = ctx;

	worker_log(h->w, WORKER_ERROR, "damage: %s: %s", object, what);
}

static void
on_healed(void *ctx, const char *object, const char *what)
{
	struct healing *h = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	h->healed_count++;
	worker_log(h->w, WORKER_INFO, "healed: %s: %s", object, what);
	if (wire_new(&v, "healed", &e) != ERR_NONE)
		return;
	wire_add_text(v, "object", object);
	wire_add_text(v, "what", what);
	wire_add_text(v, "link", h->from == NULL ? "" : h->link);
	(void)!worker_send(h->w, &v, &e);
}

static bool
on_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
	struct healing *h = ctx;
	struct job_progress p = {0, done_bytes, total_bytes};

	worker_progress(h->w, &p, "healing");
	return !worker_is_cancelled(h->w);
}

/* --- what it is told, between two questions --------------------------------------- */

static void
take_line(struct healing *h, struct wire_value *line)
{
	if (wire_has(line, "rate_bytes_per_s"))
		pacer_set(&h->pacer,
		    wire_take_uint(line, "rate_bytes_per_s", 0));
	if (!wire_has(line, "route"))
		return;
	h->moved = true;
	snprintf(h->link, sizeof(h->link), "%s",
	    wire_take_text(line, "route", ""));
	snprintf(h->address, sizeof(h->address), "%s",
	    wire_take_text(line, "address", ""));
}

static void
listen(struct healing *h, int64_t wait_ns)
{
	for (;;) {
		OWNED(wire_free)
		struct wire_value *line = worker_next(h->w, wait_ns);

		if (line == NULL)
			return;
		take_line(h, line);
		wait_ns = 0;
	}
}

/* Before so many bytes come from the other copy. */
static enum err_code
on_pace(void *ctx, size_t bytes_count, struct err *e)
{
	struct healing *h = ctx;
	enum err_code rc;

	listen(h, 0);
	if (h->moved)
		return err_set(e, ERR_TIMEOUT, "told to leave the link");
	rc = pacer_pass(&h->pacer, bytes_count, e);
	if (rc == ERR_NONE && now_mono().ns - h->carried_at.ns >= CARRIED_NS)
		rc = tell_carried(h, NULL, e);
	return rc;
}

/* --- legs ----------------------------------------------------------------------------- */

static enum err_code
set_target(struct healing *h, struct replicate_target *t, char url[URL_BYTES],
    struct err *e)
{
	const struct policy *p = worker_policy(h->w);
	const struct policy_host *host;
	int n;

	if (h->from->host_count == 0)
		return err_set(e, ERR_POLICY, "site '%s' has no host",
		    h->from->name);
	host = &h->from->hosts[0];
	n = snprintf(url, URL_BYTES, "ssh://%s@%s:%u%s", host->user,
	    host->address, (unsigned)host->port, h->from->repository);
	if (n < 0 || n >= URL_BYTES)
		return err_set(e, ERR_POLICY,
		    "the address of site '%s' is too long", h->from->name);
	*t = (struct replicate_target){.url = url,
	    .address = h->address,
	    .host_keys = host->host_keys.items,
	    .host_keys_count = host->host_keys.count,
	    .identity = *p->identity != '\0' ? p->identity : NULL,
	    .identity_passphrase_file = *p->identity_passphrase_file != '\0'
		? p->identity_passphrase_file
		: NULL,
	    .timeout_ns = STALL_NS};
	return ERR_NONE;
}

static enum err_code
leg(struct healing *h, struct store *st, struct err *e)
{
	const struct heal_options opt = {.on_damage = on_damage,
	    .on_healed = on_healed,
	    .on_progress = on_progress,
	    .pace = on_pace,
	    .ctx = h};
	struct replicate_target target;
	char url[URL_BYTES];
	struct err why;
	enum err_code rc, said;

	if (h->from == NULL)
		return store_heal(st, &opt, &h->tally, e);
	rc = set_target(h, &target, url, e);
	if (rc != ERR_NONE)
		return rc;
	worker_log(h->w, WORKER_INFO, "from site '%s' over link %s",
	    h->from->name, h->link);
	h->moved = false;
	h->passed_before = pacer_passed(&h->pacer);
	rc = reach_heal(st, &target, &opt, worker_cancel(h->w), &h->tally, e);
	h->fetched_bytes += h->tally.fetched_bytes;
	said = tell_carried(h, rc == ERR_NONE || h->moved ? "" : e->text, &why);
	if (said != ERR_NONE) {
		*e = why;
		return said;
	}
	return rc;
}

static enum err_code
tell_broke(struct healing *h, const struct err *why, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "broke", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "link", h->link);
	wire_add_text(v, "error", why->text);
	return worker_send(h->w, &v, e);
}

/* Is there another way?  The daemon says. */
static bool
await_route(struct healing *h, const struct err *why, struct err *e)
{
	if (!h->moved) {
		if (tell_broke(h, why, e) != ERR_NONE)
			return false;
		listen(h, ANSWER_NS);
	}
	return h->moved && h->link[0] != '\0';
}

static enum err_code
heal(struct healing *h, struct store *st, struct err *e)
{
	enum err_code rc = leg(h, st, e);

	for (int i = 1; i < LEGS_MAX && h->from != NULL &&
	     (rc == ERR_TIMEOUT || rc == ERR_IO) && !worker_is_cancelled(h->w);
	     i++) {
		struct err why = *e;

		worker_log(h->w, WORKER_WARNING, "link '%s': %s", h->link,
		    why.text);
		if (!await_route(h, &why, e)) {
			*e = why;
			return rc;
		}
		rc = leg(h, st, e);
	}
	return rc;
}

/* --- the kind --------------------------------------------------------------------------- */

static void
add_tally(const struct healing *h, struct wire_value *result)
{
	wire_add_uint(result, "damaged", h->tally.found_count);
	wire_add_uint(result, "healed", h->healed_count);
	wire_add_uint(result, "missing", h->tally.lost_count);
	wire_add_uint(result, "kept", h->tally.kept_count);
	wire_add_uint(result, "bytes", h->tally.read_bytes);
	wire_add_uint(result, "fetched_bytes", h->fetched_bytes);
}

enum err_code
worker_heal_judge(const struct heal_tally *t, struct err *e)
{
	if (t->lost_count > 0)
		return err_set(e, ERR_CORRUPT,
		    "%llu snapshots and points still lack something",
		    (unsigned long long)t->lost_count);
	if (t->found_count > t->healed_count)
		return err_set(e, ERR_CORRUPT,
		    "%llu of %llu damaged things could not be healed",
		    (unsigned long long)(t->found_count - t->healed_count),
		    (unsigned long long)t->found_count);
	return ERR_NONE;
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(worker_store_fini) struct worker_store at = {0};
	struct healing h = {.w = w};
	struct wire_value *spec = worker_spec(w);
	uint64_t rate = wire_take_uint(spec, "rate_bytes_per_s", 0);
	enum err_code rc;

	(void)wire_take_uint(spec, "epoch", 0);
	snprintf(h.link, sizeof(h.link), "%s",
	    wire_take_text(spec, "link", ""));
	snprintf(h.address, sizeof(h.address), "%s",
	    wire_take_text(spec, "address", ""));
	rc = worker_asked(w, e);
	if (rc != ERR_NONE)
		return rc;
	if (h.link[0] != '\0' && worker_target(w) != NULL)
		h.from = policy_find_site(worker_policy(w), worker_target(w));
	else
		worker_log(w, WORKER_WARNING,
		    "no link to another copy is up: only from what is here");
	rc = worker_store_open_any(&at, w, STORE_HEAL, e);
	if (rc != ERR_NONE)
		return rc;
	pacer_init(&h.pacer, worker_cancel(w));
	pacer_set(&h.pacer, rate);
	rc = heal(&h, at.st, e);
	pacer_fini(&h.pacer);
	add_tally(&h, result);
	return rc == ERR_NONE ? worker_heal_judge(&h.tally, e) : rc;
}

const struct worker_kind worker_heal = {"heal", run};
