/*
 * Prune: forget what a service's retention lets go, then collect.  At a copy
 * the copy's own retention holds, and nothing goes before its time there.
 */

#include "worker.h"

#include <string.h>

#include <bascule/calendar.h>

#define KNOWN_MAX 16384

/* What the ledger knows of snapshots, by the spec. */
struct known {
	struct id *verified, *held;
	size_t verified_count, held_count;
};

struct prune {
	struct worker *w;
	struct worker_store at;
	struct known known;
	struct retention retention;
	struct forget_tally forgot;
	struct collect_tally collected;
};

static void
prune_fini(struct prune *p)
{
	free(p->known.verified);
	free(p->known.held);
	retention_fini(&p->retention);
	worker_store_fini(&p->at);
}

static enum err_code
take_ids(struct worker *w, const char *name, struct id **out, size_t *count,
    struct err *e)
{
	struct wire_value *list = wire_take_list(worker_spec(w), name);
	size_t n = list == NULL ? 0 : wire_count(list);

	*count = 0;
	if (n > KNOWN_MAX)
		return err_set(e, ERR_INPUT, "%zu snapshots are too many", n);
	*out = calloc(n + 1, sizeof(**out));
	if (*out == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		if (!id_parse(wire_at_text(list, i), &(*out)[(*count)++]))
			return err_set(e, ERR_INPUT, "not a snapshot's id");
	return ERR_NONE;
}

static bool
is_among(const struct id *ids, size_t count, const struct id *id)
{
	for (size_t i = 0; i < count; i++)
		if (id_equal(&ids[i], id))
			return true;
	return false;
}

static uint32_t
flags_of(void *ctx, const struct id *snapshot)
{
	const struct known *k = ctx;

	return (is_among(k->verified, k->verified_count, snapshot)
		       ? RETAIN_IS_VERIFIED
		       : 0) |
	    (is_among(k->held, k->held_count, snapshot) ? RETAIN_IS_HELD : 0);
}

static void
log_reasons(const struct prune *p)
{
	const struct snapshot_list *list = &p->retention.list;

	for (size_t i = 0; i < list->count; i++) {
		const struct snapshot *s = &list->snapshots[i];
		char why[RETENTION_TEXT_BYTES], hex[ID_HEX_BYTES];
		char when[NOW_TEXT_BYTES];

		worker_log(p->w, WORKER_INFO, "%s %.12s of %s, %.19s%s%s",
		    p->retention.reasons[i] != 0 ? "keep" : "forget",
		    id_hex(&s->id, hex), s->dataset, now_text(s->started, when),
		    p->retention.reasons[i] != 0 ? ": " : "",
		    retention_text(p->retention.reasons[i], why));
	}
}

static enum err_code
forget(struct prune *p, struct err *e)
{
	static const struct retain_rule none;
	const struct policy_service *s = worker_service(p->w);
	const bool home = strcmp(s->home, worker_policy(p->w)->site) == 0;
	struct retention_options opt = {.rule = home
		? &s->retention.rule
		: &s->replicate.retention.rule,
	    .service = s->name,
	    .now = now_utc(),
	    .immutable_ns = home ? 0 : s->replicate.immutable_for_ns,
	    .flags = flags_of,
	    .ctx = &p->known};
	enum err_code rc = ERR_NONE;

	/* What is promised here only grows, whatever the policy says later. */
	if (!home)
		rc = receipts_promise(p->at.st, s->name,
		    s->replicate.immutable_for_ns, e);
	if (rc != ERR_NONE)
		return rc;
	/* With nothing written, every point stays. */
	if (memcmp(opt.rule, &none, sizeof(none)) == 0)
		return ERR_NONE;
	worker_doing(p->w, "forgetting");
	rc = retention_judge(&p->retention, p->at.st, &opt, e);
	if (rc == ERR_NONE)
		rc = retention_apply(&p->retention, p->at.st, false, &p->forgot,
		    e);
	if (rc == ERR_NONE)
		log_reasons(p);
	return rc;
}

static bool
on_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
	struct job_progress p = {0, done_bytes, total_bytes};

	return worker_on_progress(ctx, &p);
}

static enum err_code
collect(struct prune *p, struct err *e)
{
	const struct collect_options opt = {.undelete_age_ns =
						COLLECT_UNDELETE_AGE_NS,
	    .repack = true,
	    .max_unused_millipercent = COLLECT_UNUSED_MILLIPERCENT,
	    .on_progress = on_progress,
	    .ctx = p->w};
	enum err_code rc;

	worker_doing(p->w, "collecting");
	rc = collect_run(p->at.st, &opt, &p->collected, e);
	/* Another service's job does the same work now: that is enough. */
	if (rc == ERR_BUSY) {
		worker_log(p->w, WORKER_INFO, "%s", e->text);
		return ERR_NONE;
	}
	if (rc == ERR_NONE && p->collected.damaged_count > 0)
		worker_partial(p->w, "%llu damaged packs were left alone",
		    (unsigned long long)p->collected.damaged_count);
	return rc;
}

static void
add_tally(const struct prune *p, struct wire_value *result)
{
	const struct collect_tally *t = &p->collected;

	wire_add_uint(result, "snapshots_forgotten", p->forgot.snapshots_count);
	wire_add_uint(result, "points_forgotten", p->forgot.points_count);
	wire_add_uint(result, "bytes", t->packs_bytes);
	wire_add_uint(result, "freed_bytes", t->freed_bytes);
	wire_add_uint(result, "waiting_bytes", t->waiting_bytes);
	wire_add_uint(result, "unused_bytes", t->unused_bytes);
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(prune_fini) struct prune p = {.w = w};
	enum err_code rc = take_ids(w, "verified", &p.known.verified,
	    &p.known.verified_count, e);

	if (rc == ERR_NONE)
		rc = take_ids(w, "held", &p.known.held, &p.known.held_count, e);
	if (rc == ERR_NONE)
		rc = worker_asked(w, e);
	if (rc == ERR_NONE && worker_service(w) == NULL)
		rc = err_set(e, ERR_INPUT, "a prune is of a service");
	if (rc == ERR_NONE)
		rc = worker_store_open_any(&p.at, w, STORE_WRITE, e);
	if (rc == ERR_NONE)
		rc = forget(&p, e);
	if (rc == ERR_NONE)
		rc = collect(&p, e);
	add_tally(&p, result);
	return rc;
}

const struct worker_kind worker_prune = {"prune", run};
