/*
 * Verifying: a copy is read again, or a point of it is restored and compared (a
 * restore drill).
 *
 * VJ1. What a drill sets out to do, and what it is held against, is on record
 *      before it begins, what came of it in its outcome: its report (lib/report)
 *      asks nobody else.
 */

#include "daemon.h"
#include "found.h"
#include "job_kinds.h"
#include "links.h"
#include "moves.h"

#include <string.h>

#include <bascule/base/exitcode.h>
#include <bascule/base/rand.h>
#include <bascule/base/text.h>

struct verify_own {
	bool is_drill;
	bool was_left; /* what it restored is still there */
	bool died;     /* without a word: nobody knows what it found */
	char point[ID_HEX_BYTES], why[160];
	struct utc point_at;
	char cleanup[800];
	int64_t restore_ns; /* -1: nothing was restored */
};

static enum err_code
scheduled(const struct daemon_task *t, struct wire_value **params,
    struct err *e)
{
	const struct policy_verify *v = &t->service->verify[t->index];
	enum err_code rc = wire_new(params, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(*params, "how",
	    v->kind == POLICY_VERIFY_RESTORE ? "restore" : "reread");
	wire_add_uint(*params, "index", t->index);
	return ERR_NONE;
}

/* --- the point ------------------------------------------------------------- */

struct pick {
	struct utc oldest;
	int64_t within_ns; /* 0: of any age */
	enum policy_pick how;
	uint64_t seen;
	char id[ID_HEX_BYTES];
	struct utc at;
};

/* Newest first: the last that fits is the oldest. */
static enum err_code
pick_point(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct pick *k = ctx;

	(void)e;
	if (p->at.ns < k->oldest.ns)
		return ERR_NONE;
	k->seen++;
	if (k->how != POLICY_PICK_OLDEST && k->seen != 1 &&
	    (k->how != POLICY_PICK_RANDOM_WITHIN || rand_below(k->seen) != 0))
		return ERR_NONE;
	snprintf(k->id, sizeof(k->id), "%s", p->id);
	k->at = p->at;
	return ERR_NONE;
}

static void
say_why(char out[160], const struct pick *k)
{
	unsigned long long count = (unsigned long long)k->seen;
	char within[TEXT_UNIT_BYTES];

	if (k->id[0] == '\0')
		snprintf(out, 160,
		    "no complete point of that age is recorded here: the "
		    "newest that the repository has");
	else if (k->how == POLICY_PICK_OLDEST)
		snprintf(out, 160,
		    "the oldest of the %llu complete points "
		    "here (pick = \"oldest\")",
		    count);
	else if (k->how == POLICY_PICK_RANDOM_WITHIN)
		snprintf(out, 160,
		    "drawn by lot of the %llu complete points "
		    "here of the last %s (pick = \"random-within\")",
		    count, text_duration(k->within_ns, within));
	else
		snprintf(out, 160,
		    "the newest of the %llu complete points "
		    "here (pick = \"latest\")",
		    count);
}

/* One that was named keeps its own time, where this site knows it. */
static enum err_code
take_named(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct verify_own *o = ctx;

	(void)e;
	o->point_at = p->at;
	return ERR_NONE;
}

static enum err_code
name_point(struct job *j, struct verify_own *o, struct err *e)
{
	struct ledger_point_filter f = {.id = o->point};

	snprintf(o->point, sizeof(o->point), "%s",
	    wire_take_text(j->params, "point", ""));
	snprintf(o->why, sizeof(o->why),
	    "it was named by what asked for it: "
	    "%.100s",
	    j->trigger == NULL ? "" : j->trigger);
	text_mend_end(o->why);
	return ledger_points(j->d->ledger, &f, take_named, o, e);
}

/* index: of the policy's verifications; none: asked for by hand. */
static enum err_code
choose_point(struct job *j, struct verify_own *o, uint64_t index, struct err *e)
{
	struct daemon_service *s = daemon_service(j->d, j->service);
	struct ledger_point_filter f = {.service = j->service,
	    .at_site = j->d->policy->site,
	    .complete = true};
	struct pick k = {.how = POLICY_PICK_LATEST};
	enum err_code rc;

	if (j->params != NULL && wire_has(j->params, "point"))
		return name_point(j, o, e);
	if (index == UINT64_MAX)
		index = 0;
	if (s != NULL && index < s->policy->verify_count) {
		const struct policy_verify *v = &s->policy->verify[index];

		k.how = v->pick;
		k.within_ns = v->within_ns;
		if (v->pick == POLICY_PICK_RANDOM_WITHIN && v->within_ns > 0)
			k.oldest.ns = now_utc().ns - v->within_ns;
	}
	rc = ledger_points(j->d->ledger, &f, pick_point, &k, e);
	memcpy(o->point, k.id, sizeof(o->point));
	o->point_at = k.at;
	say_why(o->why, &k);
	return rc;
}

/* --- what a drill sets out to do --------------------------------------------- */

static void
put_aims(struct draft *draft, const struct policy_service *s, const char *site)
{
	found_field(draft, "purpose",
	    "prove that what site '%s' keeps of '%s' can be restored whole",
	    site, s->name);
	found_field(draft, "criteria",
	    "every dataset of the point is restored, nothing is missing, "
	    "nothing differs from what was saved when it is read again (L4), "
	    "and nothing of it is left afterwards");
	found_field(draft, "scope",
	    "the %zu datasets of one recovery point, from the "
	    "copy at %s alone",
	    s->dataset_count, site);
	found_field(draft, "exclusions",
	    "the service itself: no step or check of its plan runs (an "
	    "isolated test, L6, does that)");
	found_field(draft, "simulated",
	    "nothing: the data is really restored, into a "
	    "directory of its own");
	found_field(draft, "direction",
	    "none: from the copy at %s to a directory "
	    "there",
	    site);
	found_field(draft, "limitation",
	    "it proves the data and not the service: how long its start takes, "
	    "and whether it would answer, was not measured");
	found_field(draft, "production_impact",
	    "none on the service's data: it is not touched; the load of the "
	    "reading and writing on the disks at %s was not measured",
	    site);
	draft_int(draft, "rto_ns", s->rto_ns);
	draft_int(draft, "rpo_ns", s->rpo_ns);
	if (s->mtpd_ns > 0)
		draft_int(draft, "mtpd_ns", s->mtpd_ns);
}

/* What of the plan a drill does not do. */
static void
put_not_run(struct draft *draft, const struct policy_service *s)
{
	char names[800] = "";
	size_t used = 0, said = 0;

	for (; said < s->step_count && used + 80 < sizeof(names); said++)
		used += (size_t)snprintf(names + used, sizeof(names) - used,
		    "%s%.64s", said > 0 ? ", " : "", s->plan[said].name);
	if (s->step_count > said)
		found_field(draft, "not_run",
		    "%s and %zu more: a restore drill "
		    "restores and compares, and starts nothing",
		    names, s->step_count - said);
	else if (said > 0)
		found_field(draft, "not_run",
		    "%s: a restore drill restores and "
		    "compares, and starts nothing",
		    names);
}

static void
put_point(struct job *j, struct draft *draft, const struct verify_own *o)
{
	draft_text(draft, "point_why", o->why);
	if (o->point[0] == '\0')
		return;
	draft_text(draft, "point", o->point);
	if (o->point_at.ns != 0)
		draft_utc(draft, "point_at_ns", o->point_at);
	found_copy(draft, j->d, j->service, o->point);
}

/* Durable before its worker begins (VJ1). */
static enum err_code
note_aims(struct job *j, const struct policy_service *s,
    const struct verify_own *o, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	enum err_code rc = job_draft(&draft, j, LEDGER_JOB, e);

	if (rc != ERR_NONE)
		return rc;
	draft_text(draft, "kind", j->kind->name);
	draft_text(draft, "event", "aims");
	draft_text(draft, "how", "restore");
	put_aims(draft, s, j->d->policy->site);
	put_not_run(draft, s);
	found_site(draft, j->d, s, j->d->policy->site);
	put_point(j, draft, o);
	return note_event(j->d, draft, e);
}

static enum err_code
prepare(struct job *j, struct wire_value *spec, struct err *e)
{
	struct daemon_service *s = daemon_service(j->d, j->service);
	struct verify_own *o = job_own(j, sizeof(*o), NULL);
	const char *how = j->params == NULL
	    ? "reread"
	    : wire_take_text(j->params, "how", "reread");
	/* Without one it was asked for by hand: then everything is read. */
	uint64_t index = j->params == NULL
	    ? UINT64_MAX
	    : wire_take_uint(j->params, "index", UINT64_MAX);
	enum err_code rc;

	if (o == NULL)
		return err_nomem(e);
	*o = (struct verify_own){.is_drill = strcmp(how, "restore") == 0,
	    .restore_ns = -1};
	wire_add_text(spec, "how", how);
	if (!o->is_drill) {
		if (s != NULL && index < s->policy->verify_count)
			wire_add_uint(spec, "sample_millipercent",
			    s->policy->verify[index].sample_millipercent);
		return ERR_NONE;
	}
	rc = choose_point(j, o, index, e);
	if (rc == ERR_NONE && o->point[0] != '\0')
		wire_add_text(spec, "point", o->point);
	return rc == ERR_NONE && s != NULL ? note_aims(j, s->policy, o, e) : rc;
}

/* --- what the worker says ------------------------------------------------------ */

static void
on_scratch(struct job *j, struct wire_value *ev)
{
	struct verify_own *o = j->own;

	if (o == NULL)
		return;
	snprintf(o->cleanup, sizeof(o->cleanup), "%s",
	    wire_take_text(ev, "text", ""));
	text_mend_end(o->cleanup);
	o->was_left = wire_take_bool(ev, "left", false);
}

static void
on_verified(struct job *j, struct wire_value *ev)
{
	OWNED(draft_free) struct draft *d = NULL;
	struct err e;

	if (job_draft(&d, j, LEDGER_POINT, &e) != ERR_NONE) {
		note_log(NOTE_ERROR, "%s", e.text);
		return;
	}
	draft_text(d, "point", wire_need_text(ev, "point"));
	draft_text(d, "verified_level", wire_need_text(ev, "level"));
	draft_text(d, "verified_site", j->d->policy->site);
	if (note_event(j->d, d, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	else if (moves_are_open(j->d)) /* the other site may wait for it */
		moves_told(j->d);
}

static void
on_note(struct job *j, struct wire_value *ev)
{
	struct err e;

	if (job_kinds_note(j, ev, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "a step of drill %s is not recorded: %s",
		    j->id, e.text);
}

static bool
on_event(struct job *j, const char *type, struct wire_value *ev)
{
	if (strcmp(type, "scratch") == 0)
		on_scratch(j, ev);
	else if (strcmp(type, "verified") == 0)
		on_verified(j, ev);
	else if (strcmp(type, "note") == 0)
		on_note(j, ev);
	else /* a step is on record; who watches sees what is restored */
		return strcmp(type, "step") == 0;
	return true;
}

static void
finish(struct job *j, struct wire_value *result)
{
	struct verify_own *o = j->own;

	if (o == NULL)
		return;
	o->died = result == NULL;
	if (o->died)
		return;
	o->restore_ns = wire_take_int(result, "restore_ns", -1);
	if (o->point[0] == '\0')
		snprintf(o->point, sizeof(o->point), "%s",
		    wire_take_text(result, "point", ""));
}

/* --- what came of it ------------------------------------------------------------- */

/* Of the attempt that was the last; "": there will be another. */
static const char *
result_of(const struct job *j, const struct verify_own *o)
{
	switch (j->state) {
	case JOB_SUCCEEDED: return o->was_left ? "PASS_WITH_FINDINGS" : "PASS";
	case JOB_FAILED:
	case JOB_PARTIAL: return o->died ? "INTERRUPTED" : "FAIL";
	case JOB_CANCELLED: return "INTERRUPTED";
	default: return "";
	}
}

static void
conclude(const struct job *j, struct draft *draft)
{
	const struct verify_own *o = j->own;

	if (o == NULL || !o->is_drill)
		return;
	draft_text(draft, "how", "restore");
	draft_text(draft, "result", result_of(j, o));
	draft_text(draft, "point", o->point);
	if (o->restore_ns >= 0)
		draft_int(draft, "restore_ns", o->restore_ns);
	draft_text(draft, "cleanup", o->cleanup);
	if (o->was_left)
		draft_text(draft, "finding", o->cleanup);
}

/* What was found is healed at once where another copy can be reached. */
static void
after(struct job *j)
{
	struct daemon_service *s = daemon_service(j->d, j->service);
	struct job_request r = {.kind = job_kind_find("heal"),
	    .service = j->service,
	    .trigger = "damage was found"};
	struct err e;

	if (j->exit_status != EXITCODE_DAMAGE || s == NULL ||
	    !job_state_is_end(j->state) || j->d->stopping)
		return;
	r.site = heal_source(j->d, s);
	if (r.site == NULL || !links_has_way(j->d, r.site))
		return;
	if (job_ask(j->d, &r, NULL, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "healing after %s: %s", j->id, e.text);
}

const struct job_kind verify_kind = {.name = "verify",
    .ledger_type = LEDGER_JOB,
    .schedule = SCHEDULE_VERIFY,
    .scheduled = scheduled,
    .prepare = prepare,
    .on_event = on_event,
    .finish = finish,
    .conclude = conclude,
    .after = after};
