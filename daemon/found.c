#include "found.h"

#include <inttypes.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/plan.h>

#include "alarm.h"
#include "duty.h"
#include "moves.h"
#include "ready.h"

#define LINE_BYTES      1200
#define PLAN_STEPS_TOLD 400 /* a record has 1,024 fields */

void
found_field(struct draft *draft, const char *name, const char *fmt, ...)
{
	char text[LINE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_mend_end(text);
	draft_text(draft, name, text);
}

/* --- aims ----------------------------------------------------------------------- */

static void
put_purpose(struct draft *draft, const struct policy_service *s,
    enum guards_mode mode, const char *to)
{
	if (mode == GUARDS_UNPLANNED)
		found_field(draft, "purpose",
		    "bring '%s' back at %s from the copy there, within its "
		    "RTO, with no more loss than was accepted",
		    s->name, to);
	else if (strcmp(to, s->home) == 0)
		found_field(draft, "purpose",
		    "bring '%s' home to %s with no acknowledged write lost",
		    s->name, to);
	else
		found_field(draft, "purpose",
		    "move '%s' to %s with no acknowledged write lost, and "
		    "keep the way back",
		    s->name, to);
}

static void
put_criteria(struct draft *draft, const struct policy_service *s,
    enum guards_mode mode)
{
	char rto[TEXT_UNIT_BYTES], rpo[TEXT_UNIT_BYTES], mtpd[TEXT_UNIT_BYTES];

	found_field(draft, "criteria",
	    "every step and check of the plan succeeds, the old site is %s "
	    "before the new one takes it, the owner accepts; RTA within %s, "
	    "RPA within %s%s%s",
	    mode == GUARDS_UNPLANNED ? "proved or attested to be off"
				     : "proved to be off",
	    text_duration(s->rto_ns, rto), text_duration(s->rpo_ns, rpo),
	    s->mtpd_ns > 0 ? ", out for less than " : "",
	    s->mtpd_ns > 0 ? text_duration(s->mtpd_ns, mtpd) : "");
	draft_int(draft, "rto_ns", s->rto_ns);
	draft_int(draft, "rpo_ns", s->rpo_ns);
	if (s->mtpd_ns > 0)
		draft_int(draft, "mtpd_ns", s->mtpd_ns);
}

static void
put_scope(struct draft *draft, const struct policy_service *s,
    enum guards_mode mode)
{
	unsigned bit = moves_mode_bit(mode);
	size_t in_mode = 0, used = 0;
	char needs[400] = "";

	for (size_t i = 0; i < s->step_count; i++)
		in_mode += (s->plan[i].modes & bit) != 0;
	found_field(draft, "scope",
	    "%zu of %zu steps of the plan (the others are for other modes), "
	    "%zu datasets, %zu fences",
	    in_mode, s->step_count, s->dataset_count, s->fence_count);
	for (size_t i = 0; i < s->depends.count && used < sizeof(needs); i++)
		used += (size_t)snprintf(needs + used, sizeof(needs) - used,
		    "%s%s", i > 0 ? ", " : "", s->depends.items[i]);
	if (needs[0] != '\0')
		found_field(draft, "constraint",
		    "it needs %s running there first", needs);
	if (mode == GUARDS_PLANNED && *s->failover.during != '\0')
		found_field(draft, "constraint",
		    "planned moves run in the window %s", s->failover.during);
	found_field(draft, "exclusions",
	    "what no step of the plan changes: names, routes and devices "
	    "that it does not name");
	found_field(draft, "simulated", "nothing: the service itself moves");
}

/* Each step by its name: what is to be done there, and what is not and why. */
static void
put_plan(struct draft *draft, const struct policy *p,
    const struct policy_service *s, enum guards_mode mode, const char *to)
{
	unsigned bit = moves_mode_bit(mode);

	for (size_t i = 0; i < s->step_count; i++) {
		const struct policy_step *step = &s->plan[i];
		bool is_there = policy_step_is_for(p, step, to);
		bool is_walked = is_there && (step->modes & bit) != 0;
		char name[80];

		if (i == PLAN_STEPS_TOLD) {
			found_field(draft, "not_run",
			    "of the plan's %zu steps the first %d are listed; "
			    "of the others those that were begun",
			    s->step_count, PLAN_STEPS_TOLD);
			return;
		}
		snprintf(name, sizeof(name), "%s.%.63s",
		    is_walked ? "step" : "not_run", step->name);
		if (is_walked)
			found_field(draft, name, "of the plan");
		else if (!is_there)
			found_field(draft, name, "it is for another site");
		else
			found_field(draft, name, "it is not for a%s %s move",
			    mode == GUARDS_UNPLANNED ? "n" : "",
			    guards_mode_name(mode));
	}
}

void
found_aims(struct draft *draft, struct daemon *d,
    const struct policy_service *s, enum guards_mode mode, const char *to)
{
	put_purpose(draft, s, mode, to);
	put_criteria(draft, s, mode);
	put_scope(draft, s, mode);
	put_plan(draft, d->policy, s, mode, to);
	for (size_t i = 0; i < d->policy->contact_count; i++) {
		const struct policy_contact *c = &d->policy->contacts[i];

		if (strcmp(c->council, s->owner) == 0)
			found_field(draft, "owner_person",
			    "%.200s (%s), call %.200s", c->name, s->owner,
			    c->call);
	}
}

/* --- the site --------------------------------------------------------------------- */

static void
put_ready(struct draft *draft, struct daemon *d, const char *service,
    const char *site)
{
	static const struct {
		enum ready_check check;
		const char *field;
	} lines[] = {{READY_CAPACITY, "capacity"}, {READY_DNS_TTL, "dns_ttl"},
	    {READY_CLOCK, "clock_offset"}, {READY_DRILL, "escrow_drill"}};
	char age[TEXT_UNIT_BYTES];

	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct ready_value v;
		int64_t ns;

		ready_of(d, service, site, lines[i].check, &v);
		ns = now_utc().ns - v.at.ns;
		if (v.verdict == READY_NOT_NEEDED)
			found_field(draft, lines[i].field,
			    "not needed: the policy asks for nothing of the "
			    "kind");
		else if (v.at.ns != 0 && v.verdict != READY_UNKNOWN)
			found_field(draft, lines[i].field,
			    "%s: %s%s%s, from %s, %s ago",
			    ready_verdict_name(v.verdict), v.value,
			    v.limit[0] != '\0' ? "; limit " : "", v.limit,
			    v.source, text_duration(ns > 0 ? ns : 0, age));
		else
			found_field(draft, lines[i].field, "UNKNOWN%s%s",
			    v.value[0] != '\0' ? ": " : "", v.value);
	}
}

static void
put_exceptions(struct draft *draft, struct daemon *d, const char *service)
{
	size_t count, open = 0;
	const struct duty *all = duties_look(d, &count);
	char due[NOW_TEXT_BYTES];

	for (size_t i = 0; i < count; i++) {
		const struct duty *x = &all[i];

		if (x->kind != DUTY_EXCEPTION || x->status != DUTY_OPEN ||
		    (x->service[0] != '\0' && strcmp(x->service, service) != 0))
			continue;
		found_field(draft, "exception",
		    "%s from %s until %s, of %s: %s%s", x->id, x->about,
		    now_words(x->due, due), x->owner, x->text,
		    duty_is_overdue(x, now_utc()) ? " (OVERDUE)" : "");
		open++;
	}
	if (open == 0)
		found_field(draft, "exception", "none was open");
}

struct standing {
	struct draft *draft;
	const char *service;
	size_t count;
};

#define ISSUES_MAX 20

static void
put_issue(void *ctx, const struct alarm_what *a, struct utc raised)
{
	struct standing *s = ctx;
	char at[NOW_TEXT_BYTES];

	if (a->level == ALARM_NOTICE ||
	    (a->service[0] != '\0' && strcmp(a->service, s->service) != 0))
		return;
	if (s->count++ < ISSUES_MAX)
		found_field(s->draft, "known_issue",
		    "%s alarm (%s%s%s) since %s: %s",
		    a->level == ALARM_CRITICAL ? "critical" : "warning",
		    policy_schema_alert(a->on),
		    a->subject[0] != '\0' ? " " : "", a->subject,
		    now_words(raised, at), a->text);
}

void
found_site(struct draft *draft, struct daemon *d,
    const struct policy_service *s, const char *site)
{
	struct standing known = {draft, s->name, 0};

	put_ready(draft, d, s->name, site);
	put_exceptions(draft, d, s->name);
	alarm_each_standing(d, put_issue, &known);
	if (known.count == 0)
		found_field(draft, "known_issue", "no alarm stood at %s",
		    d->policy->site);
}

/* --- the point ---------------------------------------------------------------------- */

static enum err_code
take_copies(void *ctx, const struct ledger_point *p, struct err *e)
{
	(void)e;
	found_field(ctx, "point_sites", "%s", p->sites);
	return ERR_NONE;
}

void
found_copies(struct draft *draft, struct daemon *d,
    const struct policy_service *s, const char *point)
{
	struct ledger_point_filter f = {.id = point};
	struct err e;

	if (ledger_points(d->ledger, &f, take_copies, draft, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	found_field(draft, "consistency",
	    "%s; %zu datasets, one after the other",
	    s->quiesce.before.count > 0
		? "the writes were held (quiesce.before) while it was made"
		: "the policy holds no writes while a backup is made",
	    s->dataset_count);
}

struct proof {
	const char *here; /* this site */
	char text[160];
};

static enum err_code
take_proof(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct proof *proof = ctx;
	char when[NOW_TEXT_BYTES];

	(void)e;
	if (p->verified_level[0] == '\0' && strcmp(p->site, proof->here) == 0)
		snprintf(proof->text, sizeof(proof->text),
		    "L1: made here; never read again or restored");
	else if (p->verified_level[0] == '\0')
		snprintf(proof->text, sizeof(proof->text),
		    "L2: copied here whole; never read again or restored");
	else
		snprintf(proof->text, sizeof(proof->text), "%s on %s%s%s",
		    p->verified_level, now_words(p->verified_at, when),
		    p->suspect ? "; SUSPECT" : "", p->held ? "; held" : "");
	return ERR_NONE;
}

void
found_copy(struct draft *draft, struct daemon *d, const char *service,
    const char *point)
{
	const struct policy_service *s =
	    policy_find_service(d->policy, service);
	struct ledger_point_filter f = {.id = point};
	struct proof proof = {d->policy->site, "not in this site's ledger"};
	struct err e;

	if (ledger_points(d->ledger, &f, take_proof, &proof, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	draft_text(draft, "point_proof", proof.text);
	if (s != NULL)
		found_copies(draft, d, s, point);
}

static void
put_point(struct draft *draft, const struct request_points *ps,
    const struct request_point *p)
{
	char when[NOW_TEXT_BYTES] = "", tested[NOW_TEXT_BYTES] = "";
	bool is_read = p->verified_at.ns != 0, is_tested = p->tested_at.ns != 0;

	draft_utc(draft, "point_at_ns", p->at);
	found_field(draft, "point_tags", "%s%s", p->tags,
	    p->suspect ? " SUSPECT" : "");
	found_field(draft, "point_proof", "%s%s%s%s%s%s%s", p->proof,
	    is_read ? " on " : ": copied there whole, not read again since",
	    is_read ? now_words(p->verified_at, when) : "",
	    is_tested ? "; tested by run " : "", p->tested_run,
	    is_tested ? " on " : "",
	    is_tested ? now_words(p->tested_at, tested) : "");
	found_field(draft, "loss", "%s: %s",
	    ps->is_estimate ? "estimated" : "known", p->loss);
	if (p->loss_count >= 0)
		found_field(draft, "loss_transactions",
		    "at least %" PRId64
		    ": by the newest count of the site that is left",
		    p->loss_count);
}

void
found_point(struct draft *draft, struct daemon *d, const struct found_point *of)
{
	OWNED(free_mem)
	struct request_points *ps = calloc(1, sizeof(*ps));
	const struct policy_service *s =
	    policy_find_service(d->policy, of->service);
	const struct request_point *p = NULL;
	struct err e;

	if (of->id[0] == '\0' || ps == NULL || s == NULL)
		return;
	draft_text(draft, "point_why", of->why);
	if (request_points_find(d, of->service, of->from, of->site, ps, &e) ==
	    ERR_NONE)
		p = request_points_named(ps, of->id);
	if (p != NULL)
		put_point(draft, ps, p);
	found_copies(draft, d, s, of->id);
}

/* --- the guards ------------------------------------------------------------------------ */

static void
put_guard(struct draft *draft, const struct guards_facts *facts,
    const struct guards_result *r, const char *gate)
{
	char text[LINE_BYTES], words[400];

	snprintf(text, sizeof(text), "%s: %s %s%s: %s", gate,
	    guards_id(r->number), guards_verdict_name(r->verdict),
	    r->overridden ? ", overridden" : "", guards_title(r->number));
	for (size_t i = 0; i < r->inputs_count; i++) {
		size_t used = strlen(text);
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again = again || r->inputs[k] == r->inputs[i];
		if (!again)
			snprintf(text + used, sizeof(text) - used, "; %s",
			    guards_fact_words(facts, r->inputs[i], words,
				sizeof(words)));
	}
	found_field(draft, "precondition", "%s", text);
}

void
found_guards(struct draft *draft, const struct guards_facts *facts,
    const struct guards_result results[GUARDS_COUNT], enum guards_mode mode,
    enum guards_phase gate)
{
	for (unsigned n = 1; n <= GUARDS_COUNT; n++)
		if (results[n - 1].verdict != GUARDS_NOT_APPLICABLE &&
		    (guards_holds(n, mode,
			gate == GUARDS_AT_ANY ? GUARDS_AT_START : gate)))
			put_guard(draft, facts, &results[n - 1],
			    gate == GUARDS_AT_ANY ? "at the start"
						  : guards_phase_name(gate));
}

/* --- the old site ---------------------------------------------------------------------- */

struct silence {
	const char *site;
	struct utc since;
};

static void
take_silence(void *ctx, const struct alarm_what *a, struct utc raised)
{
	struct silence *s = ctx;

	if (a->on == POLICY_ON_PEER && strcmp(a->subject, s->site) == 0)
		s->since = raised;
}

void
found_evidence(struct draft *draft, struct daemon *d,
    const struct guards_facts *facts, const char *site)
{
	static const enum guards_fact_id ids[] = {FACT_PEER_ANSWERS,
	    FACT_PEER_HEALTHY, FACT_PEER_SILENT, FACT_OBSERVERS_DOWN,
	    FACT_FENCE_ATTESTED, FACT_EPOCH_WITNESS};
	const struct guards_fact *silent = &facts->of[FACT_PEER_SILENT];
	struct silence alarmed = {.site = site};
	char name[64], age[TEXT_UNIT_BYTES], value[GUARDS_TEXT_BYTES + 48];

	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		const struct guards_fact *f = &facts->of[ids[i]];
		int64_t ns = facts->now.ns - f->at.ns;

		if (!f->known)
			continue;
		snprintf(name, sizeof(name), "evidence.%s",
		    guards_fact_name(ids[i]));
		if (ids[i] == FACT_PEER_SILENT)
			text_duration(f->value, value);
		else
			snprintf(value, sizeof(value), "%" PRId64 "%s%s",
			    f->value, f->text[0] != '\0' ? " " : "", f->text);
		found_field(draft, name, "%s; %s; %s", value, f->source,
		    text_duration(ns > 0 ? ns : 0, age));
	}
	alarm_each_standing(d, take_silence, &alarmed);
	if (silent->known && silent->value > 0)
		draft_int(draft, "disruption_ns",
		    facts->now.ns - silent->value);
	if (alarmed.since.ns != 0)
		draft_utc(draft, "detected_ns", alarmed.since);
}
