/* The one table of what a report of an exercise or a move has. */

#include <bascule/base/text.h>
#include <inttypes.h>
#include <string.h>

#include "report_exercise.h"

#define TEST  PLAN_IN_TEST
#define TABLE PLAN_IN_TABLETOP
#define MOVE  (PLAN_IN_PLANNED | PLAN_IN_UNPLANNED)
#define DRILL REPORT_DRILL
#define REAL  (TEST | MOVE | DRILL)
#define ALL   (PLAN_IN_ALL | DRILL)
#define JOB   REPORT_JOB

const struct report_line report_fields[] = {
    {"Identity", "report", "#report", ALL | JOB, false},
    {"Identity", "status", "#status", ALL | JOB, false},
    {"Identity", "classification", "classification", ALL, false},
    {"Identity", "run", "#run", ALL | JOB, false},
    {"Identity", "service", "#service", ALL | JOB, false},
    {"Identity", "mode", "#mode", ALL | JOB, false},
    {"Identity", "state", "#state", ALL | JOB, false},
    {"Identity", "direction", "#direction", REAL, false},
    {"Identity", "councils", "#councils", ALL | JOB, false},
    {"Identity", "sponsor", "sponsor", ALL, false},
    {"Identity", "change", "change", ALL, false},
    {"Identity", "incident", "incident", ALL, false},
    {"Identity", "run before", "#previous", ALL, false},
    {"Identity", "policy digest", "@policy", ALL | JOB, false},
    {"Identity", "plan digest", "@plan", ALL | JOB, false},
    {"Identity", "site", "#site", ALL | JOB, false},
    {"Identity", "builds", "#builds", ALL | JOB, false},
    {"Identity", "owner's chain", "#chain", ALL | JOB, false},
    {"Identity", "ledger", "#range", ALL | JOB, false},
    {"Identity", "last record", "#last", ALL | JOB, false},
    {"Identity", "signed by head", "#head", ALL | JOB, false},
    {"Identity", "co-signed by", "#cosigned_by", ALL | JOB, false},
    {"Purpose", "objectives", "purpose", REAL, false},
    {"Purpose", "criteria", "criteria", REAL, false},
    {"Purpose", "scope", "scope", ALL, false},
    {"Purpose", "exclusions", "exclusions", REAL, false},
    {"Purpose", "scenario", "scenario", ALL, false},
    {"Purpose", "assumptions", "assumption", REAL, true},
    {"Purpose", "constraints", "constraint", REAL, true},
    {"Purpose", "simulated", "simulated", REAL, false},
    {"Authority", "asked how", "trigger", ALL | JOB, false},
    {"Authority", "why", "#why", ALL, false},
    {"Authority", "requested by", "#requester", ALL | JOB, false},
    {"Authority", "role", "#role", ALL | JOB, false},
    {"Authority", "council", "#council", ALL | JOB, false},
    {"Authority", "approvals", "#approvals", ALL, false},
    {"Authority", "separation of duties", "#separation", MOVE, false},
    {"Authority", "break-glass", "break_glass", REAL, false},
    {"Authority", "freeze override", "freeze_override", MOVE, false},
    {"Authority", "notified", "notified", ALL | JOB, true},
    {"Authority", "accepted by", "#accepted", ALL, false},
    {"People", "director", "director", REAL, false},
    {"People", "operators", "#operators", REAL | JOB, false},
    {"People", "scribe", "scribe", ALL, false},
    {"People", "observers", "observer", REAL, true},
    {"People", "service owner", "owner_person", REAL, true},
    {"People", "suppliers", "supplier", REAL, true},
    {"People", "auditor", "auditor", ALL, false},
    {"People", "last exercised", "competence", REAL, true},
    {"Preconditions", "found", "precondition", REAL, true},
    {"Preconditions", "capacity", "capacity", REAL, false},
    {"Preconditions", "DNS TTL", "dns_ttl", REAL, false},
    {"Preconditions", "clock offset", "clock_offset", REAL, false},
    {"Preconditions", "escrow drill", "escrow_drill", REAL, false},
    {"Preconditions", "open exceptions", "exception", ALL, true},
    {"Preconditions", "known issues", "known_issue", ALL, true},
    {"Data", "recovery point", "#point", REAL | JOB, false},
    {"Data", "of", "#point_at", REAL | JOB, false},
    {"Data", "age when asked", "#point_age", REAL, false},
    {"Data", "why this one", "point_why", REAL, false},
    {"Data", "consistency", "consistency", REAL, false},
    {"Data", "tags", "point_tags", REAL, false},
    {"Data", "proof before", "point_proof", REAL, false},
    {"Data", "copies", "point_sites", REAL | JOB, false},
    {"Data", "integrity", "integrity", REAL, false},
    {"Data", "last write seen", "#last_write", REAL, false},
    {"Data", "loss", "#loss", REAL, false},
    {"Data", "objects lost", "loss_files", MOVE, false},
    {"Data", "transactions lost", "loss_transactions", MOVE, false},
    {"Data", "loss accepted", "accepted_loss", MOVE, false},
    {"Data", "divergence", "#divergence", MOVE, false},
    {"Results", "data restored in", "#restored", DRILL, false},
    {"Results", "proof reached", "verified_level", DRILL | JOB, false},
    {"Results", "files", "files", DRILL | JOB, false},
    {"Results", "bytes", "bytes", DRILL | JOB, false},
    {"Results", "of these new", "new_bytes", JOB, false},
    {"Results", "performance under load", "performance", REAL, false},
    {"Results", "users reached", "users_reached", REAL, false},
    {"Safety", "authority before", "#authority_before", REAL, false},
    {"Safety", "authority after", "#authority_after", REAL, false},
    {"Safety", "epoch", "epoch", REAL, false},
    {"Safety", "isolation", "isolation", TEST | DRILL, true},
    {"Safety", "fence", "#fence", REAL, false},
    {"Safety", "witness", "witness", MOVE, false},
    {"Safety", "overrides", "#overrides", REAL, false},
    {"Safety", "split brain", "split_brain", MOVE, false},
    {"Safety", "point before the move", "#pinned", MOVE, false},
    {"Safety", "commit or rollback", "#decision", MOVE, false},
    {"Safety", "production impact", "production_impact", REAL, false},
    {"Cleanup", "cleanup", "cleanup", TEST | DRILL, true},
    {"Cleanup", "reprotected", "#reprotected", MOVE, false},
    {"Cleanup", "unprotected time", "#unprotected", REAL, false},
    {"Cleanup", "failback", "failback", REAL, false},
    {"Findings", "strength", "strength", ALL, true},
    {"Findings", "finding", "finding", ALL, true},
    {"Findings", "deviation from plan", "deviation", REAL, true},
    {"Findings", "lesson", "lesson", ALL, true},
    {"Findings", "compared with the last", "comparison", ALL, false},
    {"Findings", "action", "action", REAL, true},
    {"Limitations", "limitation", "limitation", ALL | JOB, true},
    {"Sign-off", "controls", "control", ALL | JOB, true},
    {"Sign-off", "distribution", "distribution", ALL, true},
    {"Sign-off", "signed off by", "signed_off_by", ALL, true},
    {"Sign-off", "next due", "next_due", ALL, false},
};
const size_t report_fields_count = COUNT_OF(report_fields);

/* --- what is worked out ----------------------------------------------------------- */

typedef void value_fn(const struct report_exercise *x, char *out);

static void
say(char *out, const char *text)
{
	snprintf(out, REPORT_VALUE_BYTES, "%s", text == NULL ? "" : text);
	text_mend_end(out);
}

/* More of a list, unless it is in it already. */
static void
add_unique(char *out, const char *text)
{
	size_t used = strlen(out);

	if (text[0] == '\0' || strstr(out, text) != NULL)
		return;
	snprintf(out + used, REPORT_VALUE_BYTES - used, "%s%s",
	    used > 0 ? ", " : "", text);
	text_mend_end(out);
}

static void
of_report(const struct report_exercise *x, char *out)
{
	snprintf(out, REPORT_VALUE_BYTES, "%s, version %" PRIu64, x->run,
	    x->last_sequence);
}

static void
of_status(const struct report_exercise *x, char *out)
{
	bool ends = x->result[0] != '\0' && report_heads_cover(x);

	if (x->tabletop != NULL)
		ends = tabletop_state_of(x->tabletop) >= TABLETOP_ISSUED;
	say(out, ends ? "issued" : "draft");
}

static void
of_direction(const struct report_exercise *x, char *out)
{
	const char *from = report_exercise_find(x, "from_site");
	const char *to = report_exercise_find(x, "to_site");

	if (from != NULL && to != NULL)
		snprintf(out, REPORT_VALUE_BYTES, "%s -> %s", from, to);
	else
		say(out, report_exercise_find(x, "direction"));
}

static void
of_councils(const struct report_exercise *x, char *out)
{
	for (size_t i = 0; i < x->ledgers[0].ranges_count; i++)
		if (strcmp(x->ledgers[0].ranges[i].chain,
			LEDGER_CHAIN_SHARED) != 0)
			add_unique(out, x->ledgers[0].ranges[i].chain);
	for (size_t i = 0; i < x->events_count; i++)
		add_unique(out, x->events[i].council);
}

static void
of_builds(const struct report_exercise *x, char *out)
{
	const char *site = "";
	char text[320];

	for (size_t i = 0; i < x->notes_count; i++) {
		if (strcmp(x->notes[i].name, "@site") == 0)
			site = x->notes[i].value;
		if (strcmp(x->notes[i].name, "@build") != 0)
			continue;
		snprintf(text, sizeof(text), "%.80s%s%.200s", site,
		    site[0] != '\0' ? " " : "", x->notes[i].value);
		add_unique(out, text);
	}
}

#define PLACE(name, what)                                                 \
	static void of_##name(const struct report_exercise *x, char *out) \
	{                                                                 \
		report_heads_say(x, what, out);                           \
	}
PLACE(range, REPORT_HEADS_RANGE)
PLACE(last, REPORT_HEADS_LAST)
PLACE(head, REPORT_HEADS_HEAD)
PLACE(cosigned, REPORT_HEADS_COSIGNED)

static void
of_role(const struct report_exercise *x, char *out)
{
	const struct report_event *ev = report_exercise_event(x, "REQUESTED");

	say(out,
	    ev != NULL ? ev->role : report_exercise_find(x, "@actor.role"));
}

static void
of_council(const struct report_exercise *x, char *out)
{
	const struct report_event *ev = report_exercise_event(x, "REQUESTED");

	say(out,
	    ev != NULL ? ev->council
		       : report_exercise_find(x, "@actor.council"));
}

static void
of_approvals(const struct report_exercise *x, char *out)
{
	size_t yes = 0, no = 0;

	for (size_t i = 0; i < x->events_count; i++) {
		if (strcmp(x->events[i].type, "approval") != 0)
			continue;
		yes += strcmp(x->events[i].event, "approve") == 0 ||
		    strcmp(x->events[i].event, "second") == 0;
		no += strcmp(x->events[i].event, "refuse") == 0;
	}
	if (yes + no > 0)
		snprintf(out, REPORT_VALUE_BYTES,
		    "%zu given, %zu refused; each is listed below", yes, no);
	else if (report_exercise_find(x, "approvals") != NULL)
		say(out, report_exercise_find(x, "approvals"));
	else if (report_exercise_event(x, "STARTED") != NULL)
		say(out,
		    "none given; how many the policy asked for is in the "
		    "preconditions (G04)");
}

/* Whoever asked must not be among those who agreed. */
static void
of_separation(const struct report_exercise *x, char *out)
{
	size_t count = 0;

	for (size_t i = 0; i < x->events_count; i++) {
		const struct report_event *ev = &x->events[i];

		if (strcmp(ev->type, "approval") != 0 ||
		    strcmp(ev->event, "approve") != 0)
			continue;
		count++;
		if (x->actor[0] != '\0' && strcmp(ev->actor, x->actor) == 0) {
			say(out, "FAIL: who asked approved as well");
			return;
		}
	}
	if (count > 0)
		say(out, "pass: nobody who approved had asked for it");
}

static void
of_accepted(const struct report_exercise *x, char *out)
{
	const struct report_event *ev = report_exercise_event(x, "accept");

	if (ev == NULL) /* the owner's word; what follows is the daemon's */
		ev = report_exercise_event(x, "commit");
	if (ev == NULL)
		ev = report_exercise_event(x, "COMMITTED");
	if (ev != NULL && ev->actor[0] != '\0')
		say(out, ev->actor);
	else
		say(out, report_exercise_find(x, "accepted_by"));
}

static void
of_operators(const struct report_exercise *x, char *out)
{
	for (size_t i = 0; i < x->events_count; i++)
		if (strcmp(x->events[i].type, "approval") != 0 &&
		    strcmp(x->events[i].actor, "basculed") != 0)
			add_unique(out, x->events[i].actor);
}

static struct utc
time_of(const struct report_exercise *x, const char *name)
{
	const char *text = report_exercise_find(x, name);
	uint64_t ns;

	if (text == NULL || !text_parse_u64(text, INT64_MAX, &ns))
		return (struct utc){0};
	return (struct utc){(int64_t)ns};
}

static void
of_point_at(const struct report_exercise *x, char *out)
{
	struct utc t = time_of(x, "point_at_ns");
	char at[NOW_TEXT_BYTES];

	if (t.ns == 0 && x->is_job) /* the run that made it */
		t = time_of(x, "at_ns");
	say(out, report_page_time(t, at));
}

static void
of_point_age(const struct report_exercise *x, char *out)
{
	struct utc at = time_of(x, "point_at_ns");
	char age[TEXT_UNIT_BYTES];

	if (at.ns != 0 && x->requested.ns != 0)
		say(out,
		    x->requested.ns < at.ns
			? "none: the run made it itself"
			: text_duration(x->requested.ns - at.ns, age));
}

static void
of_last_write(const struct report_exercise *x, char *out)
{
	const struct report_event *ev = report_exercise_event(x, "QUIESCED");
	char at[NOW_TEXT_BYTES];

	const struct report_event *off = report_move_ran_on(x);

	if (off != NULL)
		snprintf(out, REPORT_VALUE_BYTES,
		    "not later than %s, when %s was read back as stopped",
		    report_page_time(off->at, at), off->site);
	else if (report_exercise_find(x, "last_write_ns") == NULL && ev != NULL)
		snprintf(out, REPORT_VALUE_BYTES,
		    "before %s, when the writes had stopped",
		    report_page_time(ev->at, at));
	else
		say(out, report_page_time(time_of(x, "last_write_ns"), at));
}

static void
of_loss(const struct report_exercise *x, char *out)
{
	struct utc loss = time_of(x, "loss_ns");
	char text[TEXT_UNIT_BYTES];

	if (report_exercise_event(x, "ROLLED_BACK") != NULL)
		say(out,
		    "what was written at the new site is not in what runs: it "
		    "is kept as the point of CAPTURED");
	else if (x->rpa_is_bound)
		snprintf(out, REPORT_VALUE_BYTES,
		    "at most %s: what was written from the point on until %s "
		    "was read back as stopped, and is kept (divergence); when "
		    "the move was asked for: %.400s",
		    text_duration(x->rpa_ns, text), report_move_ran_on(x)->site,
		    report_exercise_find(x, "loss") == NULL
			? "not known"
			: report_exercise_find(x, "loss"));
	else if (report_exercise_event(x, "EQUAL") == NULL &&
	    report_exercise_find(x, "loss") != NULL)
		say(out, report_exercise_find(x, "loss"));
	else if (report_exercise_event(x, "EQUAL") != NULL)
		say(out, "none: the last point was proved equal on both sides");
	else if (report_exercise_find(x, "loss_ns") != NULL &&
	    x->mode_bit != PLAN_IN_PLANNED)
		snprintf(out, REPORT_VALUE_BYTES,
		    "%s of writes, as estimated when it was asked for",
		    text_duration(loss.ns, text));
}

/* An event's own fields, where they are what the line asks for. */
static void
of_event(const struct report_exercise *x, const char *name, char *out)
{
	const struct report_event *ev = report_exercise_event(x, name);
	char at[NOW_TEXT_BYTES];

	if (ev != NULL)
		snprintf(out, REPORT_VALUE_BYTES, "%s at %s: %.400s%s%.400s",
		    name, report_page_time(ev->at, at), ev->rest,
		    ev->reason[0] != '\0' ? "; " : "", ev->reason);
	text_mend_end(out);
}

static void
of_divergence(const struct report_exercise *x, char *out)
{
	of_event(x, "DIVERGENCE", out);
}

/* That it is off, and what showed it. */
static void
of_fence(const struct report_exercise *x, char *out)
{
	const struct report_event *act = report_exercise_event(x, "prove");
	size_t used;

	of_event(x, "FENCED", out);
	if (out[0] == '\0')
		of_event(x, "DEMOTED", out);
	if (out[0] == '\0') {
		say(out, report_exercise_find(x, "fence"));
		return;
	}
	if (act == NULL)
		act = report_exercise_event(x, "fence");
	for (size_t i = 0; i < x->events_count; i++) {
		const struct report_event *ev = &x->events[i];

		used = strlen(out);
		if (strcmp(ev->event, "attest") == 0)
			snprintf(out + used, REPORT_VALUE_BYTES - used,
			    "; attested by %.80s: %.200s", ev->actor,
			    ev->reason);
	}
	used = strlen(out);
	if (act != NULL && act->rest[0] != '\0')
		snprintf(out + used, REPORT_VALUE_BYTES - used,
		    "; read back: %s; %s", act->verdict, act->rest);
	text_mend_end(out);
}

static void
of_pinned(const struct report_exercise *x, char *out)
{
	of_event(x, "pin", out);
}

static void
of_overrides(const struct report_exercise *x, char *out)
{
	for (size_t i = 0; i < x->events_count; i++) {
		const struct report_event *ev = &x->events[i];
		char one[400];

		if (strcmp(ev->event, "override") != 0)
			continue;
		snprintf(one, sizeof(one), "%.40s by %.80s: %.200s",
		    strncmp(ev->rest, "guard=", 6) == 0 ? ev->rest + 6
							: ev->rest,
		    ev->actor, ev->reason);
		add_unique(out, one);
	}
	if (out[0] == '\0')
		say(out, report_exercise_find(x, "overrides"));
	if (out[0] == '\0' && report_exercise_event(x, "STARTED") != NULL)
		say(out, "none");
}

static void
of_decision(const struct report_exercise *x, char *out)
{
	static const char *const ends[] = {"COMMITTED", "ROLLED_BACK",
	    "ABORTED", "EXPIRED", "WITHDRAWN", "HELD"};

	for (size_t i = 0; i < COUNT_OF(ends) && out[0] == '\0'; i++)
		of_event(x, ends[i], out);
}

static void
of_reprotected(const struct report_exercise *x, char *out)
{
	of_event(x, "REPROTECTED", out);
}

static void
of_unprotected(const struct report_exercise *x, char *out)
{
	char text[TEXT_UNIT_BYTES];
	int64_t ns;

	if (clocks_span_ns(&x->clocks, CLOCKS_EXPOSURE, &ns))
		say(out, text_duration(ns, text));
	else
		say(out, report_exercise_find(x, "unprotected"));
}

/* The register before the run: what was recorded last before it was asked for
 * (report_related.c); and after it: the run's last record. */
static void
of_authority(const struct report_exercise *x, bool first, char *out)
{
	if (first && x->before[0] != '\0') {
		say(out, x->before);
		return;
	}
	for (size_t i = first ? x->events_count : 0; i < x->events_count; i++) {
		const struct report_event *ev =
		    &x->events[x->events_count - 1 - i];

		if (strcmp(ev->type, LEDGER_AUTHORITY) != 0)
			continue;
		snprintf(out, REPORT_VALUE_BYTES, "%.100s, by '%.100s': %.600s",
		    ev->verdict, ev->event, ev->rest);
		text_mend_end(out);
		return;
	}
	if ((x->mode_bit & (TEST | DRILL)) != 0)
		say(out,
		    x->mode_bit == DRILL
			? "unchanged: a drill has no part in it"
			: "unchanged: a test has no part in it");
}

static void
of_authority_before(const struct report_exercise *x, char *out)
{
	of_authority(x, true, out);
}

static void
of_authority_after(const struct report_exercise *x, char *out)
{
	of_authority(x, false, out);
}

static void
of_why(const struct report_exercise *x, char *out)
{
	const struct report_event *ev = report_exercise_event(x, "REQUESTED");

	say(out, ev != NULL ? ev->reason : report_exercise_find(x, "why"));
}

#define PLAIN(name)                                                       \
	static void of_##name(const struct report_exercise *x, char *out) \
	{                                                                 \
		say(out, x->name);                                        \
	}
PLAIN(run)
PLAIN(service)
PLAIN(mode)
PLAIN(state)
PLAIN(previous)
PLAIN(chain)
PLAIN(point)

/* What a policy asks for has no name. */
static void
of_requester(const struct report_exercise *x, char *out)
{
	bool is_person =
	    x->actor[0] != '\0' && strcmp(x->actor, "basculed") != 0;

	say(out,
	    x->is_job && !is_person ? "nobody: the daemon, by its policy"
				    : x->actor);
}

/* A lower bound of what a recovery takes: what starts a service comes after. */
static void
of_restored(const struct report_exercise *x, char *out)
{
	int64_t ns = report_job_restored_ns(x);
	char took[TEXT_UNIT_BYTES], rto[TEXT_UNIT_BYTES];

	if (ns < 0)
		return;
	snprintf(out, REPORT_VALUE_BYTES,
	    "%s, the comparison included%s%s: starting the service comes after",
	    text_duration(ns, took), x->rto_ns < 0 ? "" : ", of an RTO of ",
	    x->rto_ns < 0 ? "" : text_duration(x->rto_ns, rto));
}

bool
report_fields_has(struct record_text name)
{
	/* these say what the event did */
	static const char *const own[] = {"epoch", "point", "change",
	    "verified_level"};

	for (size_t i = 0; i < COUNT_OF(own); i++)
		if (record_text_is(name, own[i]))
			return false;
	for (size_t i = 0; i < report_fields_count; i++)
		if (record_text_is(name, report_fields[i].field))
			return true;
	return false;
}

const char *
report_fields_known(const struct report_exercise *x, const char *field,
    char out[REPORT_VALUE_BYTES])
{
	const char *noted =
	    field[0] == '#' ? NULL : report_exercise_find(x, field);

	if (noted != NULL)
		return noted;
	if (field[0] == '#')
		report_fields_value(x, field, out);
	else
		out[0] = '\0';
	if (out[0] == '\0')
		report_derived_value(x, field, out);
	return out[0] != '\0' ? out : NULL;
}

const char *
report_fields_value(const struct report_exercise *x, const char *field,
    char out[REPORT_VALUE_BYTES])
{
	static const struct {
		const char *name;
		value_fn *fn;
	} values[] = {
	    {"#report", of_report},
	    {"#status", of_status},
	    {"#run", of_run},
	    {"#service", of_service},
	    {"#mode", of_mode},
	    {"#state", of_state},
	    {"#direction", of_direction},
	    {"#councils", of_councils},
	    {"#previous", of_previous},
	    {"#builds", of_builds},
	    {"#chain", of_chain},
	    {"#range", of_range},
	    {"#last", of_last},
	    {"#head", of_head},
	    {"#cosigned_by", of_cosigned},
	    {"#site", report_heads_sites},
	    {"#why", of_why},
	    {"#requester", of_requester},
	    {"#restored", of_restored},
	    {"#role", of_role},
	    {"#council", of_council},
	    {"#approvals", of_approvals},
	    {"#separation", of_separation},
	    {"#accepted", of_accepted},
	    {"#operators", of_operators},
	    {"#point", of_point},
	    {"#point_at", of_point_at},
	    {"#point_age", of_point_age},
	    {"#last_write", of_last_write},
	    {"#loss", of_loss},
	    {"#divergence", of_divergence},
	    {"#authority_before", of_authority_before},
	    {"#authority_after", of_authority_after},
	    {"#fence", of_fence},
	    {"#overrides", of_overrides},
	    {"#pinned", of_pinned},
	    {"#decision", of_decision},
	    {"#reprotected", of_reprotected},
	    {"#unprotected", of_unprotected},
	};

	out[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(values); i++)
		if (strcmp(values[i].name, field) == 0)
			values[i].fn(x, out);
	return out;
}
