/*
 * Survey: which complete points this site's repository holds.  Needs no key:
 * a standby learns of what it received by looking.
 */

#include "worker.h"
#include "worker_quiesce.h"

#include <stdio.h>

#include <string.h>

#include <bascule/base/text.h>
#include <bascule/crypt.h>
#include <bascule/ledger.h>

static void
on_damage(void *ctx, const char *object, const char *what)
{
	worker_log(ctx, WORKER_ERROR, "%s: %s", object, what);
	worker_partial(ctx, "damage: %s: %s", object, what);
}

/* Which dataset each snapshot is of. */
static enum err_code
add_snapshots(struct wire_value *map, struct store *st, const struct point *p,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < p->snapshots_count; i++) {
		OWNED(snapshot_fini) struct snapshot s = {0};
		OWNED(free_mem) char *subtree = NULL;
		char hex[ID_HEX_BYTES];

		rc = snapshot_find(&s, &subtree, st,
		    id_hex(&p->snapshots[i], hex), e);
		if (rc == ERR_NONE)
			wire_add_text(map, s.dataset, hex);
	}
	return rc;
}

/*
 * What store serve here has said, or would: the same bytes, from the same key.
 * Of points that were taken here nothing is acknowledged.
 */
static enum err_code
add_word(struct wire_value *v, struct store *st, const struct point *p,
    const struct sign_key *key, struct err *e)
{
	OWNED(buf_fini) struct buf word = {0};
	struct point again;
	struct ack a = {.point = p->id};
	enum err_code rc =
	    point_holding(&again, &a.since, st, p->service, &p->id, e);

	if (rc != ERR_NONE || a.since.ns == p->taken.ns)
		return rc;
	memcpy(a.family, store_family(st), sizeof(a.family));
	snprintf(a.service, sizeof(a.service), "%s", p->service);
	rc = ack_make(&a, key, &word, e);
	if (rc == ERR_NONE)
		wire_add_hex(v, "acknowledgement", word.bytes, word.len_bytes);
	return rc;
}

static enum err_code
tell(struct worker *w, struct store *st, const struct point *p,
    const struct sign_key *key, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *map = NULL;
	char hex[ID_HEX_BYTES];
	enum err_code rc = wire_new(&v, "point", e);

	if (rc == ERR_NONE)
		rc = wire_new(&map, NULL, e);
	if (rc == ERR_NONE)
		rc = add_snapshots(map, st, p, e);
	if (rc == ERR_NOTFOUND) {
		worker_log(w, WORKER_WARNING, "point %.16s: %s",
		    id_hex(&p->id, hex), e->text);
		return ERR_NONE; /* not complete here: not a point here */
	}
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "point", id_hex(&p->id, hex));
	wire_add_text(v, "service", p->service);
	wire_add_int(v, "at_ns", p->taken.ns);
	wire_add_uint(v, "sequence", p->sequence);
	wire_add(v, "snapshots", &map);
	if (key != NULL)
		rc = add_word(v, st, p, key, e);
	return rc == ERR_NONE ? worker_send(w, &v, e) : rc;
}

/* What comes here from now on is promised what the policy says. */
static enum err_code
promise(struct worker *w, struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	const struct policy_service *s = worker_service(w);
	const struct store_options opt = {.access = STORE_WRITE};
	enum err_code rc;

	if (strcmp(s->home, worker_policy(w)->site) == 0)
		return ERR_NONE;
	rc = store_open(&st, worker_site(w)->repository, &opt, e);
	return rc == ERR_NONE
	    ? receipts_promise(st, s->name, s->replicate.immutable_for_ns, e)
	    : rc;
}

/* Signed reasons to keep that say something is wrong: for the alarms. */
static enum err_code
tell_hold(struct worker *w, const struct hold *h, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char hex[ID_HEX_BYTES];
	enum err_code rc = wire_new(&v, "hold", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "hold", id_hex(&h->id, hex));
	wire_add_text(v, "why",
	    h->why == HOLD_DIVERGED ? "divergence" : "suspect");
	wire_add_text(v, "dataset", h->label);
	wire_add_text(v, "text", h->reason);
	return worker_send(w, &v, e);
}

static enum err_code
tell_holds(struct worker *w, struct store *st, struct err *e)
{
	OWNED(hold_list_fini) struct hold_list list = {0};
	enum err_code rc = hold_list(&list, st, e);

	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++)
		if ((list.holds[i].why == HOLD_DIVERGED ||
			list.holds[i].why == HOLD_SUSPECT) &&
		    strcmp(list.holds[i].service, worker_service(w)->name) == 0)
			rc = tell_hold(w, &list.holds[i], e);
	return rc;
}

/* --- does what came last look wrong? ------------------------------------------ */

#define JUDGED_COUNT 3 /* of each series, the newest */
#define OLDER_COUNT  4

static bool
is_same_series(const struct snapshot *a, const struct snapshot *b)
{
	return strcmp(a->dataset, b->dataset) == 0 &&
	    ((a->flags | b->flags) & SNAPSHOT_CHECKPOINT) == 0;
}

static enum err_code
hold_before(struct store *st, const struct snapshot *before, const char *text,
    struct err *e)
{
	OWNED(hold_list_fini) struct hold_list list = {0};
	struct hold h = {.why = HOLD_SUSPECT,
	    .snapshots = {before->id},
	    .snapshots_count = 1};
	enum err_code rc = hold_list(&list, st, e);

	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++)
		if (list.holds[i].why == HOLD_SUSPECT &&
		    id_equal(&list.holds[i].snapshots[0], &before->id))
			return ERR_NONE;
	snprintf(h.service, sizeof(h.service), "%s", before->service);
	snprintf(h.label, sizeof(h.label), "%.*s", HOLD_LABEL_BYTES - 1,
	    before->dataset);
	snprintf(h.reason, sizeof(h.reason), "%s", text);
	return rc == ERR_NONE ? hold_place(st, &h, e) : rc;
}

static enum err_code
tell_suspect(struct worker *w, const struct snapshot *s, const char *text,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char hex[ID_HEX_BYTES];
	enum err_code rc = wire_new(&v, "suspect", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "snapshot", id_hex(&s->id, hex));
	wire_add_text(v, "dataset", s->dataset);
	wire_add_text(v, "text", text);
	return worker_send(w, &v, e);
}

/* The nth of the list against the one before it in its series. */
static enum err_code
judge(struct worker *w, struct store *st, const struct snapshot_list *list,
    size_t nth, struct err *e)
{
	const struct snapshot *s = &list->snapshots[nth], *before = NULL;
	struct id older[OLDER_COUNT];
	struct noise_roots roots = {.root = s->root, .older = older};
	char why[NOISE_TEXT_BYTES], text[NOISE_TEXT_BYTES + 100];
	char hex[ID_HEX_BYTES];
	struct noise n;
	enum err_code rc;

	for (size_t i = nth; i-- > 0 && roots.older_count < OLDER_COUNT;) {
		if (!is_same_series(&list->snapshots[i], s))
			continue;
		if (before == NULL)
			before = &list->snapshots[i];
		else
			older[roots.older_count++] = list->snapshots[i].root;
	}
	if (before == NULL)
		return ERR_NONE;
	roots.before = before->root;
	rc = noise_judge(&n, st, &roots, e);
	if (rc != ERR_NONE || n.verdict == NOISE_NONE)
		return rc;
	snprintf(text, sizeof(text), "snapshot %.12s is suspect: %s",
	    id_hex(&s->id, hex), noise_text(&n, why));
	rc = hold_before(st, before, text, e);
	return rc == ERR_NONE ? tell_suspect(w, s, text, e) : rc;
}

static enum err_code
judge_newest(struct worker *w, struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	const struct store_options opt = {.access = STORE_WRITE};
	enum err_code rc = store_open(&st, worker_site(w)->repository, &opt, e);

	if (rc == ERR_NONE)
		rc = snapshot_list(&list, st, worker_service(w)->name, NULL,
		    NULL, e);
	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++) {
		size_t later_count = 0;

		if ((list.snapshots[i].flags & SNAPSHOT_CHECKPOINT) != 0)
			continue;
		for (size_t k = i + 1; k < list.count; k++)
			later_count += is_same_series(&list.snapshots[k],
			    &list.snapshots[i]);
		if (later_count < JUDGED_COUNT)
			rc = judge(w, st, &list, i, e);
	}
	return rc;
}

/* The daemon has made it. */
static enum err_code
open_key(struct sign_key **out, struct worker *w, struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc =
	    buf_printf(&path, e, "%s/acknowledge.key", worker_policy(w)->state);

	return rc == ERR_NONE ? ledgerkey_open(out, buf_text(&path), e) : rc;
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(point_list_fini) struct point_list list = {0};
	OWNED(sign_key_free) struct sign_key *key = NULL;
	struct store_options opt = {.access = STORE_READ};
	const char *known = wire_take_text(worker_spec(w), "after", "0");
	uint64_t after = 0;
	struct err why = {0};
	enum err_code rc = worker_asked(w, e);

	if (rc != ERR_NONE)
		return rc;
	if (worker_service(w) == NULL ||
	    !text_parse_u64(known, UINT64_MAX, &after))
		return err_set(e, ERR_INPUT, "a survey is of a service");
	worker_quiesce_recover(w, worker_service(w));
	rc = store_open(&st, worker_site(w)->repository, &opt, e);
	if (rc == ERR_NOTFOUND) { /* for the daemon to judge */
		wire_add_text(result, "absent", e->text);
		return ERR_NONE;
	}
	if (rc == ERR_NONE && open_key(&key, w, &why) != ERR_NONE)
		worker_log(w, WORKER_WARNING, "nothing is acknowledged: %s",
		    why.text);
	if (rc == ERR_NONE && promise(w, &why) != ERR_NONE)
		worker_log(w, WORKER_WARNING, "nothing is promised: %s",
		    why.text);
	if (rc == ERR_NONE)
		rc = point_list(&list, st, worker_service(w)->name, on_damage,
		    w, e);
	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++)
		if (list.points[i].sequence > after)
			rc = tell(w, st, &list.points[i], key, e);
	if (rc == ERR_NONE && judge_newest(w, &why) != ERR_NONE)
		worker_log(w, WORKER_WARNING,
		    "whether what came looks wrong is not known: %s", why.text);
	if (rc == ERR_NONE)
		rc = tell_holds(w, st, e);
	wire_add_uint(result, "points", list.count);
	return rc;
}

const struct worker_kind worker_survey = {"survey", run};
