/* The kinds of jobs, and what follows from them. */

#include "job_kinds.h"
#include "arrivals.h"
#include "daemon.h"
#include "found.h"
#include "lastcommon.h"
#include "links.h"
#include "moves.h"
#include "request.h"

#include <string.h>

#include <bascule/base/exitcode.h>
#include <bascule/base/rand.h>

#define REST_MIN_NS     (15 * NS_PER_S)
#define REST_MAX_NS     (900 * NS_PER_S)
#define WISHES_MAX      1024 /* points whose acknowledgement is asked for */
#define LACKS_BYTES_MAX 4096

/* --- backup --------------------------------------------------------------- */

static bool
on_snapshot(struct job *j, struct wire_value *ev)
{
	snprintf(j->snapshot, sizeof(j->snapshot), "%s",
	    wire_take_text(ev, "snapshot", ""));
	job_log(j, "snapshot %.16s of %s", j->snapshot,
	    wire_take_text(ev, "dataset", ""));
	job_touch(j);
	return true;
}

/* The fields every record of a point has. */
enum err_code
job_kinds_point(struct draft **out, struct job *j, struct wire_value *ev,
    struct err *e)
{
	struct wire_value *map = wire_take_object(ev, "snapshots");
	struct wire_value *counts = wire_take_object(ev, "counts");
	enum err_code rc = j->kind->ledger_type != NULL
	    ? job_draft(out, j, LEDGER_POINT, e)
	    : note_draft(out, j->d, j->service, LEDGER_POINT, e);

	if (rc != ERR_NONE)
		return rc;
	draft_text(*out, "point", wire_need_text(ev, "point"));
	draft_int(*out, "at_ns", wire_need_int(ev, "at_ns"));
	draft_uint(*out, "sequence", wire_take_uint(ev, "sequence", 0));
	draft_uint(*out, "complete", 1);
	if (wire_has(ev, LEDGER_ACKNOWLEDGEMENT))
		draft_text(*out, LEDGER_ACKNOWLEDGEMENT,
		    wire_need_text(ev, LEDGER_ACKNOWLEDGEMENT));
	for (size_t i = 0; map != NULL && wire_name_at(map, i) != NULL; i++) {
		const char *dataset = wire_name_at(map, i);
		char name[LEDGER_NAME_BYTES_MAX + 1];

		snprintf(name, sizeof(name), "snapshot.%s", dataset);
		draft_text(*out, name, wire_need_text(map, dataset));
	}
	for (size_t i = 0; counts != NULL && wire_name_at(counts, i) != NULL;
	     i++) {
		const char *dataset = wire_name_at(counts, i);
		char name[LEDGER_NAME_BYTES_MAX + 1];

		snprintf(name, sizeof(name), "count.%.200s", dataset);
		draft_int(*out, name, wire_need_int(counts, dataset));
	}
	return wire_check(ev, e);
}

void
job_kinds_refresh(struct job *j)
{
	struct daemon_service *s = daemon_service(j->d, j->service);
	struct err e;

	if (s != NULL && posture_refresh(j->d, s, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
}

static bool
on_point(struct job *j, struct wire_value *ev)
{
	OWNED(draft_free) struct draft *d = NULL;
	const struct daemon_service *s = daemon_service(j->d, j->service);
	struct err e;
	enum err_code rc = job_kinds_point(&d, j, ev, &e);

	if (rc == ERR_NONE) {
		draft_text(d, "site", j->d->policy->site);
		rc = note_event(j->d, d, &e);
	}
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "a recovery point is not recorded: %s",
		    e.text);
	else if (s != NULL && s->policy->replicate.pull)
		daemon_sign_now(j->d); /* whoever fetches goes by our ledger */
	job_kinds_refresh(j);
	return true;
}

static bool
backup_event(struct job *j, const char *type, struct wire_value *ev)
{
	if (strcmp(type, "snapshot") == 0)
		return on_snapshot(j, ev);
	if (strcmp(type, "point") == 0)
		return on_point(j, ev);
	if (strcmp(type, "dataset_failed") != 0)
		return false;
	job_log(j, "error: %s: %s", wire_take_text(ev, "dataset", ""),
	    wire_take_text(ev, "reason", ""));
	return true;
}

/* The last one of a move: it is held still already. */
static enum err_code
backup_prepare(struct job *j, struct wire_value *spec, struct err *e)
{
	(void)e;
	if (j->params == NULL || !wire_take_bool(j->params, "held", false))
		return ERR_NONE;
	wire_add_bool(spec, "held", true);
	wire_add_text(spec, "tag", wire_take_text(j->params, "tag", NULL));
	return ERR_NONE;
}

static void
backup_after(struct job *j)
{
	struct daemon_service *s = daemon_service(j->d, j->service);

	if (s == NULL || j->state != JOB_SUCCEEDED)
		return;
	s->backup_ended = j->ended;
	daemon_replicate(j->d, s, "after a backup");
}

static enum err_code
backup_recover(struct daemon *d, const struct record *intent,
    struct buf *reason, struct err *e)
{
	char service[LEDGER_NAME_BYTES_MAX + 1], hex[ID_HEX_BYTES];
	struct survey_found found;
	struct err why;

	record_text(intent, "@service", service, sizeof(service));
	if (survey_since(d->site->repository, service, intent->at, &found,
		&why) != ERR_NONE)
		return buf_printf(reason, e,
		    "; the repository cannot be looked at: %s", why.text);
	if (found.points_count > 0)
		return buf_printf(reason, e,
		    "; it had made its recovery point %.16s, which is "
		    "complete",
		    id_hex(&found.point, hex));
	return buf_printf(reason, e,
	    "; no recovery point came of it (%zu snapshots of datasets are "
	    "kept)",
	    found.snapshots_count);
}

/* --- replicate -------------------------------------------------------------- */

struct replicate_own {
	struct utc newest; /* points up to here will be there when it is done */
	/* what lacked there after the last attempt that could look */
	bool has_looked;
	bool pulls; /* this site's copy is what is brought up to date */
	uint64_t left_bytes;
	struct acknowledged *acks; /* newest first */
	struct buf lacks;          /* guarantees, as the worker found it */
};

/* The receiver's word about a point; the worker has read it. */
struct acknowledged {
	struct acknowledged *next;
	char point[ID_HEX_BYTES];
	char *hex;
};

static void
free_replicate(void **own)
{
	struct replicate_own *o = *own;

	for (struct acknowledged *a = o->acks, *next; a != NULL; a = next) {
		next = a->next;
		free(a->hex);
		free(a);
	}
	buf_fini(&o->lacks);
	free_mem(own);
}

struct arrived {
	struct job *j;
	struct utc newest;
	char (*ids)[ID_HEX_BYTES];
	size_t count, size;
};

bool
job_kinds_has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; len > 0 && *at != '\0';) {
		size_t one = strcspn(at, " ");

		if (one == len && memcmp(at, word, len) == 0)
			return true;
		at += one + (at[one] == ' ');
	}
	return false;
}

static enum err_code
collect_arrived(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct arrived *a = ctx;
	char(*more)[ID_HEX_BYTES];

	if (p->at.ns > a->newest.ns || job_kinds_has_word(p->sites, a->j->site))
		return ERR_NONE;
	if (a->count == a->size) {
		a->size = a->size == 0 ? 64 : 2 * a->size;
		more = realloc(a->ids, a->size * sizeof(*more));
		if (more == NULL)
			return err_nomem(e);
		a->ids = more;
	}
	snprintf(a->ids[a->count++], ID_HEX_BYTES, "%s", p->id);
	return ERR_NONE;
}

/* Of what is not known to be there its word is wanted, sent now or before. */
static enum err_code
add_wishes(struct job *j, struct utc newest, struct wire_value *spec,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	struct ledger_point_filter f = {.service = j->service,
	    .at_site = j->d->policy->site,
	    .complete = true,
	    .limit = WISHES_MAX};
	struct arrived a = {.j = j, .newest = newest};
	enum err_code rc = wire_new_list(&list, e);

	if (rc == ERR_NONE)
		rc = ledger_points(j->d->ledger, &f, collect_arrived, &a, e);
	for (size_t i = 0; rc == ERR_NONE && i < a.count; i++)
		wire_add_text(list, NULL, a.ids[i]);
	free(a.ids);
	if (rc == ERR_NONE)
		wire_add(spec, "acknowledge", &list);
	return rc;
}

static enum err_code
replicate_prepare(struct job *j, struct wire_value *spec, struct err *e)
{
	struct daemon_service *s = daemon_service(j->d, j->service);
	struct replicate_own *own = job_own(j, sizeof(*own), free_replicate);
	enum err_code rc;

	if (own == NULL)
		return err_nomem(e);
	own->pulls = s != NULL && daemon_pull_from(j->d, s) != NULL;
	if (own->pulls) {
		wire_add_bool(spec, "pull", true);
		return transfers_begin(j, spec, e);
	}
	own->newest = s != NULL ? s->good_at : (struct utc){0};
	rc = add_wishes(j, own->newest, spec, e);
	return rc == ERR_NONE ? transfers_begin(j, spec, e) : rc;
}

static bool
replicate_event(struct job *j, const char *type, struct wire_value *ev)
{
	struct replicate_own *own = j->own;
	struct acknowledged *a;

	if (strcmp(type, "acknowledged") != 0)
		return transfers_event(j, type, ev);
	a = calloc(1, sizeof(*a));
	if (a == NULL || own == NULL) {
		free(a);
		return true;
	}
	snprintf(a->point, sizeof(a->point), "%s",
	    wire_take_text(ev, "point", ""));
	a->hex = strdup(wire_take_text(ev, "acknowledgement", ""));
	a->next = own->acks;
	own->acks = a;
	return true;
}

/* Of a site with nothing of ours: what that copy is without. */
static void
keep_lacks(struct replicate_own *own, struct wire_value *result)
{
	struct wire_value *list = wire_take_list(result, "guarantees_missing");
	struct err e;

	own->lacks.max_bytes = LACKS_BYTES_MAX;
	buf_clear(&own->lacks);
	for (size_t i = 0; list != NULL && i < wire_count(list); i++)
		if (buf_printf(&own->lacks, &e, "%s%s", i > 0 ? "; " : "",
			wire_at_text(list, i)) != ERR_NONE)
			return;
}

static void
replicate_conclude(const struct job *j, struct draft *d)
{
	struct replicate_own *own = j->own;

	transfers_conclude(j, d);
	if (own != NULL && own->lacks.len_bytes > 0)
		draft_text(d, "guarantees_missing", buf_text(&own->lacks));
}

static void
replicate_finish(struct job *j, struct wire_value *result)
{
	struct replicate_own *own = j->own;

	transfers_ended(j, result == NULL ? "the worker died" : "");
	if (own != NULL && result != NULL)
		keep_lacks(own, result);
	if (own == NULL || j->state == JOB_SUCCEEDED)
		return;
	if (result != NULL && wire_has(result, "left_bytes")) {
		own->has_looked = true;
		own->left_bytes = wire_take_uint(result, "left_bytes", 0);
	}
	if (own->has_looked && own->left_bytes <= j->total_bytes)
		j->done_bytes = j->total_bytes - own->left_bytes;
}

static enum err_code
note_arrived(struct job *j, const char *point, struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	const struct replicate_own *own = j->own;
	const struct acknowledged *a = own->acks;
	enum err_code rc = job_draft(&d, j, LEDGER_POINT, e);

	if (rc != ERR_NONE)
		return rc;
	draft_text(d, "point", point);
	draft_text(d, "replicated_site", j->site);
	for (; a != NULL; a = a->next)
		if (strcmp(a->point, point) == 0 && a->hex != NULL) {
			draft_text(d, LEDGER_ACKNOWLEDGEMENT, a->hex);
			break;
		}
	return note_event(j->d, d, e);
}

/* Cancelled, or refused in part: asking again at once would change nothing. */
static void
let_rest(const struct job *j)
{
	struct daemon_service *s = daemon_service(j->d, j->service);
	int64_t ns = s == NULL ? 0 : s->policy->replicate.within_ns / 4;

	if (s == NULL)
		return;
	if (ns < REST_MIN_NS)
		ns = REST_MIN_NS;
	if (ns > REST_MAX_NS)
		ns = REST_MAX_NS;
	s->replicate_not_before.ns = now_mono().ns + ns;
}

/* Everything that was complete here when it began is complete there now. */
static void
replicate_after(struct job *j)
{
	struct replicate_own *own = j->own;
	struct arrived a = {.j = j};
	struct ledger_point_filter f = {.service = j->service,
	    .at_site = j->d->policy->site,
	    .complete = true};
	struct err e;
	enum err_code rc;

	if (own != NULL && own->pulls) {
		arrivals_pulled(j);
		if (job_state_is_end(j->state) && j->state != JOB_SUCCEEDED)
			let_rest(j);
		return;
	}
	if (job_state_is_end(j->state) && j->state != JOB_SUCCEEDED)
		let_rest(j);
	if (j->state != JOB_SUCCEEDED || own == NULL)
		return;
	a.newest = own->newest;
	rc = ledger_points(j->d->ledger, &f, collect_arrived, &a, &e);
	while (rc == ERR_NONE && a.count > 0)
		rc = note_arrived(j, a.ids[--a.count], &e);
	free(a.ids);
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "where points are is not recorded: %s",
		    e.text);
	job_kinds_refresh(j);
}

/*
 * Where a service's other copy is that a damaged one is healed from: the active
 * site, or, there, the first that it is replicated to.  NULL: nowhere.
 */
const char *
heal_source(const struct daemon *d, const struct daemon_service *s)
{
	const char *here = d->policy->site;

	if (*s->authority.site != '\0' && strcmp(s->authority.site, here) != 0)
		return s->authority.site;
	for (size_t i = 0; i < s->policy->replicate.to.count; i++) {
		const char *to = daemon_copy_site(d, s->policy, i);
		const struct policy_site *site =
		    policy_find_site(d->policy, to);

		if (strcmp(to, here) != 0 && site != NULL &&
		    site->transport == POLICY_TRANSPORT_BASCULE)
			return to;
	}
	return NULL;
}

/* --- what workers note ------------------------------------------------------- */

enum err_code
job_kinds_note(struct job *j, struct wire_value *ev, struct err *e)
{
	static const char *const own[] = {"type", "ts", "v", "record"};
	OWNED(draft_free) struct draft *d = NULL;
	const char *record = wire_take_text(ev, "record", LEDGER_EXERCISE);
	const char *point = wire_take_text(ev, "point", NULL);
	enum err_code rc = job_draft(&d, j, record, e);

	for (size_t i = 0; rc == ERR_NONE && wire_name_at(ev, i) != NULL; i++) {
		const char *name = wire_name_at(ev, i);
		bool is_own = false;

		for (size_t k = 0; k < COUNT_OF(own); k++)
			is_own = is_own || strcmp(name, own[k]) == 0;
		if (!is_own)
			draft_text(d, name, wire_need_text(ev, name));
	}
	if (rc == ERR_NONE && point != NULL)
		found_copy(d, j->d, j->service, point);
	if (rc == ERR_NONE)
		rc = wire_check(ev, e);
	return rc == ERR_NONE ? note_event(j->d, d, e) : rc;
}

/* --- heal ----------------------------------------------------------------- */

struct heal_own {
	uint64_t damaged, healed, missing, fetched_bytes;
};

static enum err_code
heal_prepare(struct job *j, struct wire_value *spec, struct err *e)
{
	if (job_own(j, sizeof(struct heal_own), NULL) == NULL)
		return err_nomem(e);
	/* Without a way there it heals from what is here. */
	if (j->site != NULL && links_has_way(j->d, j->site))
		return transfers_begin(j, spec, e);
	return ERR_NONE;
}

/* What was healed, and from where. */
static enum err_code
note_healed(struct job *j, struct wire_value *ev, struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	const char *link = wire_take_text(ev, "link", "");
	enum err_code rc = job_draft(&d, j, LEDGER_HEALED, e);

	if (rc != ERR_NONE)
		return rc;
	draft_text(d, "object", wire_need_text(ev, "object"));
	draft_text(d, "what", wire_need_text(ev, "what"));
	draft_text(d, "site", j->d->policy->site);
	if (*link != '\0') {
		draft_text(d, "from_site", j->site);
		draft_text(d, "link", link);
	}
	return note_event(j->d, d, e);
}

static bool
heal_event(struct job *j, const char *type, struct wire_value *ev)
{
	struct err e;

	if (strcmp(type, "healed") != 0)
		return transfers_event(j, type, ev);
	if (note_healed(j, ev, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "what was healed is not recorded: %s",
		    e.text);
	return true;
}

static void
heal_finish(struct job *j, struct wire_value *result)
{
	struct heal_own *own = j->own;

	transfers_ended(j, result == NULL ? "the worker died" : "");
	if (own == NULL || result == NULL)
		return;
	own->damaged = wire_take_uint(result, "damaged", 0);
	own->healed = wire_take_uint(result, "healed", 0);
	own->missing = wire_take_uint(result, "missing", 0);
	own->fetched_bytes = wire_take_uint(result, "fetched_bytes", 0);
}

static void
heal_conclude(const struct job *j, struct draft *d)
{
	const struct heal_own *own = j->own;

	if (own == NULL)
		return;
	draft_uint(d, "damaged", own->damaged);
	draft_uint(d, "healed", own->healed);
	draft_uint(d, "missing", own->missing);
	draft_uint(d, "fetched_bytes", own->fetched_bytes);
	transfers_conclude(j, d);
}

/* --- prune ---------------------------------------------------------------- */

struct keeping {
	struct wire_value *verified, *held;
	size_t verified_count, held_count;
	struct lastcommon common;
	const struct request_book *runs;
	const char *service;
};

/* What retention must know of the newest of each sort. */
#define KEEPING_MAX 256

static void
add_snapshots(struct wire_value *list, const char *snapshots)
{
	/* "DATASET SNAPSHOT" a line; a dataset's name may hold blanks. */
	for (const char *at = snapshots; *at != '\0';) {
		size_t len = strcspn(at, "\n");
		char hex[ID_HEX_BYTES];

		if (len >= sizeof(hex) - 1) {
			memcpy(hex, at + len - (sizeof(hex) - 1),
			    sizeof(hex) - 1);
			hex[sizeof(hex) - 1] = '\0';
			wire_add_text(list, NULL, hex);
		}
		at += len + (at[len] == '\n');
	}
}

/* Newest first. */
static enum err_code
note_keeping(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct keeping *k = ctx;

	(void)e;
	if (p->snapshots == NULL)
		return ERR_NONE;
	if (p->verified_level != NULL && *p->verified_level != '\0' &&
	    k->verified_count++ < KEEPING_MAX)
		add_snapshots(k->verified, p->snapshots);
	if ((p->sites != NULL && lastcommon_is(&k->common, p->sites)) ||
	    request_book_chose(k->runs, k->service, k->common.own, p->id) ||
	    (p->held && k->held_count++ < KEEPING_MAX))
		add_snapshots(k->held, p->snapshots);
	return ERR_NONE;
}

static enum err_code
prune_prepare(struct job *j, struct wire_value *spec, struct err *e)
{
	OWNED(wire_free) struct wire_value *verified = NULL;
	OWNED(wire_free) struct wire_value *held = NULL;
	struct ledger_point_filter f = {.service = j->service,
	    .at_site = j->d->policy->site,
	    .complete = true};
	struct keeping k = {.common = {j->d->policy, j->d->policy->site,
				{false}},
	    .service = j->service};
	struct request_book *runs;
	enum err_code rc = request_book_get(&runs, j->d, e);

	k.runs = runs;
	if (rc == ERR_NONE)
		rc = wire_new_list(&verified, e);
	if (rc == ERR_NONE)
		rc = wire_new_list(&held, e);
	k.verified = verified;
	k.held = held;
	if (rc == ERR_NONE)
		rc = ledger_points(j->d->ledger, &f, note_keeping, &k, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add(spec, "verified", &verified);
	wire_add(spec, "held", &held);
	return ERR_NONE;
}

/* --- the list --------------------------------------------------------------- */

static const struct job_kind kinds[] = {
    {.name = "backup",
	.ledger_type = LEDGER_JOB,
	.schedule = SCHEDULE_BACKUP,
	.prepare = backup_prepare,
	.on_event = backup_event,
	.after = backup_after,
	.recover = backup_recover},
    {.name = "replicate",
	.ledger_type = LEDGER_JOB,
	.schedule = SCHEDULE_REPLICATE,
	.prepare = replicate_prepare,
	.on_event = replicate_event,
	.finish = replicate_finish,
	.conclude = replicate_conclude,
	.after = replicate_after},
    {.name = "heal",
	.ledger_type = LEDGER_JOB,
	.schedule = SCHEDULE_HEAL,
	.prepare = heal_prepare,
	.on_event = heal_event,
	.finish = heal_finish,
	.conclude = heal_conclude},
    {.name = "prune",
	.ledger_type = LEDGER_JOB,
	.schedule = SCHEDULE_PRUNE,
	.prepare = prune_prepare},
};

/* With a file of their own. */
static const struct job_kind *const others[] = {&verify_kind, &survey_kind,
    &exercise_kind, &restore_kind, &movejob_kind, &movejob_equal_kind};

const struct job_kind *
job_kind_find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (strcmp(others[i]->name, name) == 0)
			return others[i];
	return NULL;
}
