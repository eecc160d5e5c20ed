/* Fields that nobody writes down, as they follow from a run's records. */

#include <bascule/base/text.h>
#include <string.h>

#include "report_exercise.h"

#define MOVES (PLAN_IN_PLANNED | PLAN_IN_UNPLANNED)
#define DRILL REPORT_DRILL
#define JOBS  (REPORT_DRILL | REPORT_JOB)
#define ALL   (PLAN_IN_ALL | JOBS)

static void say(char *out, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void
say(char *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out, REPORT_VALUE_BYTES, fmt, ap);
	va_end(ap);
	text_mend_end(out);
}

static const char *
site_of(const struct report_exercise *x, const char *name)
{
	const char *site = report_exercise_find(x, name);

	return site == NULL ? "the other site" : site;
}

static bool
has(const struct report_exercise *x, const char *event)
{
	return report_exercise_event(x, event) != NULL;
}

static void
of_trigger(const struct report_exercise *x, char *out)
{
	if (has(x, "REQUESTED"))
		say(out, "by a person's request");
}

/* Its first record says why it was queued. */
static void
of_job_trigger(const struct report_exercise *x, char *out)
{
	if (x->events_count > 0)
		say(out, "%s", x->events[0].reason);
}

static void
of_director(const struct report_exercise *x, char *out)
{
	const struct report_event *ev = report_exercise_event(x, "STARTED");

	if (ev != NULL && ev->actor[0] != '\0')
		say(out, "%s, who started it%s%s", ev->actor,
		    ev->role[0] != '\0' ? ", " : "", ev->role);
}

/* What a drill needs none of, since it only restores and compares. */
static const struct {
	const char *field, *text;
} of_drills[] = {
    {"#approvals", "none is needed: nothing is moved, nothing is started"},
    {"break_glass", "none was broken: a drill needs no approval"},
    {"isolation", "none is needed: nothing of what was restored was started"},
    {"epoch", "none: a drill has no part in it"},
    {"#fence", "none is needed: nothing is started a second time"},
    {"#overrides", "none: no guard stands before a drill"},
    {"#unprotected", "none: its copies stayed as they were"},
    {"failback", "none is needed: nothing was moved"},
    {"#loss",
	"none by the drill; whoever goes back to this point loses what "
	"was written after it"},
    {"performance", "not measured: the service was not started"},
    {"users_reached", "none: the service was not started"},
};

static void
of_drill(const char *field, char *out)
{
	for (size_t i = 0; i < COUNT_OF(of_drills); i++)
		if (strcmp(of_drills[i].field, field) == 0)
			say(out, "%s", of_drills[i].text);
}

static void
of_glass(const struct report_exercise *x, char *out)
{
	if (has(x, "STARTED"))
		say(out, "none was broken");
}

static void
of_freeze(const struct report_exercise *x, char *out)
{
	if (!has(x, "STARTED"))
		return;
	say(out, "none");
	for (size_t i = 0; i < x->events_count; i++)
		if (strcmp(x->events[i].event, "override") == 0 &&
		    strstr(x->events[i].rest, "guard=G05") != NULL)
			say(out, "by %s: %s", x->events[i].actor,
			    x->events[i].reason);
}

/* What a point was made of when it was copied has no name but its hash. */
static void
of_integrity(const struct report_exercise *x, char *out)
{
	if (x->mode_bit == DRILL && strncmp(x->result, "PASS", 4) == 0)
		say(out,
		    "every block was authenticated on the way, and every file "
		    "read again and compared with what was saved: nothing is "
		    "missing, nothing differs");
	else if (x->mode_bit == DRILL && strcmp(x->result, "FAIL") == 0)
		say(out, "NOT PROVED: %s", x->reason);
	else if (has(x, "RAN") || x->mode_bit == PLAN_IN_TEST)
		for (size_t i = 0; i < x->steps_count; i++)
			if (strcmp(x->steps[i].kind, "restore") == 0 &&
			    strcmp(x->steps[i].state, "done") == 0)
				say(out,
				    "every block that was restored was "
				    "authenticated on the way; it was not "
				    "compared with the source");
}

/* Both owners of one epoch, or a site that wrote on. */
static void
of_split(const struct report_exercise *x, char *out)
{
	for (size_t i = 0; i < x->events_count; i++)
		if (strcmp(x->events[i].type, LEDGER_AUTHORITY) == 0 &&
		    strcmp(x->events[i].verdict, "CONTESTED") == 0) {
			say(out, "CONTESTED: two sites had one epoch");
			return;
		}
	if (has(x, "DIVERGENCE"))
		say(out,
		    "%s did not know of the move until it came back: what it "
		    "wrote after the point is kept (divergence); it was never "
		    "the new epoch's owner",
		    site_of(x, "from_site"));
	else if (has(x, "DEMOTED"))
		say(out, "none: %s was read back as off before %s took it",
		    site_of(x, "from_site"), site_of(x, "to_site"));
	else if (has(x, "FENCED"))
		say(out,
		    "none is known: %s was fenced or attested to be off; it "
		    "has not been heard since",
		    site_of(x, "from_site"));
}

static void
of_impact(const struct report_exercise *x, char *out)
{
	char span[TEXT_UNIT_BYTES];
	int64_t ns = x->back_ns;
	const struct clocks *c = &x->clocks;

	if (ns < 0 && c->known[CLOCKS_DISRUPTION] &&
	    c->known[CLOCKS_REDIRECTED] &&
	    c->at[CLOCKS_REDIRECTED].ns >= c->at[CLOCKS_DISRUPTION].ns)
		ns = c->at[CLOCKS_REDIRECTED].ns - c->at[CLOCKS_DISRUPTION].ns;
	if (ns >= 0)
		say(out, "the service took no writes for %s, from t0 until %s",
		    text_duration(ns, span),
		    x->back_ns >= 0 ? "it was back where it had been"
				    : "the plan had run (t6)");
	else if (has(x, "ABORTED") || has(x, "WITHDRAWN") || has(x, "EXPIRED"))
		say(out, "none: it ended before anything was stopped");
}

static void
of_failback(const struct report_exercise *x, char *out)
{
	if (x->next[0] != '\0')
		say(out, "run %s", x->next);
	else if (has(x, "REPROTECTED"))
		say(out,
		    "possible since it is protected again; nobody has asked "
		    "for it: bascule failover request %s --to %s",
		    x->service, site_of(x, "from_site"));
	else if (has(x, "COMMITTED"))
		say(out, "not before it is protected again");
}

/* Whatever the plan did not foresee. */
static void
of_deviation(const struct report_exercise *x, char *out)
{
	static const char *const words[] = {"override", "retry", "hold",
	    "abort", "rollback", "HELD", "RESOLVED", "approval-needed"};
	size_t used = 0, count, skipped = 0, again = 0;

	for (size_t w = 0; w < COUNT_OF(words); w++) {
		count = 0;
		for (size_t i = 0; i < x->events_count; i++)
			count += strcmp(x->events[i].event, words[w]) == 0 &&
			    x->events[i].phase != RECORD_INTENT;
		if (count > 0 && used < REPORT_VALUE_BYTES)
			used += (size_t)snprintf(out + used,
			    REPORT_VALUE_BYTES - used, "%s%zu %s",
			    used > 0 ? ", " : "", count, words[w]);
	}
	for (size_t i = 0; i < x->steps_count; i++) {
		skipped += strcmp(x->steps[i].state, "skipped") == 0;
		again += report_exercise_was_retried(&x->steps[i]);
	}
	if (skipped > 0 && used < REPORT_VALUE_BYTES)
		used += (size_t)snprintf(out + used, REPORT_VALUE_BYTES - used,
		    "%s%zu steps not executed", used > 0 ? ", " : "", skipped);
	if (again > 0 && used < REPORT_VALUE_BYTES)
		used += (size_t)snprintf(out + used, REPORT_VALUE_BYTES - used,
		    "%s%zu steps tried more than once", used > 0 ? ", " : "",
		    again);
	if (used == 0 && x->result[0] != '\0')
		say(out, "none that a record tells of");
}

static void
of_comparison(const struct report_exercise *x, char *out)
{
	char now[TEXT_UNIT_BYTES], then[TEXT_UNIT_BYTES];

	int64_t took = report_job_restored_ns(x);

	if (x->previous[0] == '\0')
		say(out, "there was none before");
	else if (x->mode_bit == DRILL && took >= 0 && x->previous_rta_ns >= 0)
		say(out, "the data was there after %s, then after %s",
		    text_duration(took, now),
		    text_duration(x->previous_rta_ns, then));
	else if (x->previous_rta_ns < 0)
		say(out, "not here: the report of %s has its times",
		    x->previous);
	else if (x->rta_ns >= 0 && x->previous_rta_ns >= 0)
		say(out, "RTA %s, then %s", text_duration(x->rta_ns, now),
		    text_duration(x->previous_rta_ns, then));
}

static void
of_controls(const struct report_exercise *x, char *out)
{
	say(out, "%s", x->controls);
}

static void
of_next_due(const struct report_exercise *x, char *out)
{
	say(out, "%s", x->next_due);
}

/* The owner's word ends a move; nothing else signs it off. */
static void
of_signed_off(const struct report_exercise *x, char *out)
{
	const struct report_event *ev = report_exercise_event(x, "commit");
	char at[NOW_TEXT_BYTES];

	if (ev != NULL && ev->actor[0] != '\0')
		say(out, "%s%s%s, by the commit at %s", ev->actor,
		    ev->council[0] != '\0' ? " of " : "", ev->council,
		    report_page_time(ev->at, at));
}

static bool
has_signed_before(const struct report_exercise *x, size_t i)
{
	const struct report_event *is = &x->events[i];

	for (size_t k = 0; k < i; k++) {
		const struct report_event *was = &x->events[k];

		if (strcmp(was->event, "sign") == 0 &&
		    strcmp(was->actor, is->actor) == 0 &&
		    strcmp(was->council, is->council) == 0)
			return true;
	}
	return false;
}

/* Who stood by the report of a tabletop, each once. */
static void
of_signatures(const struct report_exercise *x, char *out)
{
	char at[NOW_TEXT_BYTES], text[320];

	for (size_t i = 0; i < x->events_count; i++) {
		const struct report_event *ev = &x->events[i];
		size_t used = strlen(out);

		if (strcmp(ev->event, "sign") != 0 || has_signed_before(x, i))
			continue;
		snprintf(text, sizeof(text), "%.120s%s%.120s", ev->actor,
		    ev->council[0] != '\0' ? " of " : "", ev->council);
		snprintf(out + used, REPORT_VALUE_BYTES - used, "%s%s at %s",
		    used > 0 ? "; " : "", text, report_page_time(ev->at, at));
		text_mend_end(out);
	}
}

static void
of_distribution(const struct report_exercise *x, char *out)
{
	const struct tabletop_event *ev = x->tabletop == NULL
	    ? NULL
	    : tabletop_event_last(x->tabletop, TABLETOP_DO_ISSUE);

	if (ev != NULL)
		say(out, "%s", tabletop_value(ev, "to", 0));
}

static void
of_notified(const struct report_exercise *x, char *out)
{
	if ((x->mode_bit & MOVES) != 0 && x->result[0] != '\0')
		say(out,
		    "nobody: no program of the policy's was told of it "
		    "(alerts, on \"move\" or \"failover\")");
}

static void
of_limitation(const struct report_exercise *x, char *out)
{
	if ((x->mode_bit & MOVES) != 0)
		say(out,
		    "what users saw was not measured, but what the plan's "
		    "checks asked; load and performance were not%s",
		    report_exercise_find(x, "disruption_ns") == NULL
			? ""
			: "; t0 is when the old site was last heard, which "
			  "need not be when the service failed");
}

/* How little a job says of what comes after it. */
static void
of_job_limitation(const struct report_exercise *x, char *out)
{
	static const struct {
		const char *mode, *text;
	} limits[] = {{"backup",
			  "it says that the data was captured whole, not that "
			  "it can be restored: a restore drill proves that"},
	    {"replicate",
		"it says that the copy arrived whole, not that it can be "
		"restored: a restore drill there proves that"},
	    {"reread",
		"it says that what is stored is what was written, not that "
		"it can be restored: a restore drill proves that"},
	    {"restore",
		"it says what was written where, not that the service runs "
		"with it"}};

	for (size_t i = 0; i < COUNT_OF(limits); i++)
		if (strcmp(limits[i].mode, x->mode) == 0)
			say(out, "%s", limits[i].text);
}

static void
of_separation(const struct report_exercise *x, char *out)
{
	if (has(x, "STARTED"))
		say(out, "not shown: nobody but who asked had to agree");
}

static void
of_scenario(const struct report_exercise *x, char *out)
{
	(void)x;
	say(out, "none: it was real");
}

/* A planned move that both sites proved equal. */
static void
of_nothing_lost(const struct report_exercise *x, char *out)
{
	if (has(x, "EQUAL") && !has(x, "ROLLED_BACK"))
		say(out, "none");
}

static void
of_no_acceptance(const struct report_exercise *x, char *out)
{
	if (has(x, "EQUAL"))
		say(out, "none was needed");
}

static void
of_divergence(const struct report_exercise *x, char *out)
{
	if (has(x, "DEMOTED"))
		say(out, "none: %s had let go before %s took it",
		    site_of(x, "from_site"), site_of(x, "to_site"));
	else if (has(x, "TAKEN"))
		say(out, "not known: %s has not been heard since",
		    site_of(x, "from_site"));
}

void
report_derived_value(const struct report_exercise *x, const char *field,
    char out[REPORT_VALUE_BYTES])
{
	static const struct {
		const char *field;
		unsigned modes;
		void (*fn)(const struct report_exercise *x, char *out);
	} values[] = {
	    {"trigger", MOVES, of_trigger},
	    {"director", MOVES, of_director},
	    {"trigger", JOBS, of_job_trigger},
	    {"scenario", MOVES | DRILL, of_scenario},
	    {"loss_files", MOVES, of_nothing_lost},
	    {"loss_transactions", MOVES, of_nothing_lost},
	    {"accepted_loss", MOVES, of_no_acceptance},
	    {"break_glass", MOVES, of_glass},
	    {"freeze_override", MOVES, of_freeze},
	    {"notified", ALL, of_notified},
	    {"integrity", ALL, of_integrity},
	    {"split_brain", MOVES, of_split},
	    {"production_impact", MOVES, of_impact},
	    {"failback", MOVES, of_failback},
	    {"deviation", MOVES | PLAN_IN_TEST | DRILL, of_deviation},
	    {"comparison", MOVES | PLAN_IN_TEST | DRILL, of_comparison},
	    {"limitation", MOVES, of_limitation},
	    {"limitation", REPORT_JOB, of_job_limitation},
	    {"control", ALL, of_controls},
	    {"signed_off_by", MOVES, of_signed_off},
	    {"signed_off_by", PLAN_IN_TABLETOP, of_signatures},
	    {"distribution", PLAN_IN_TABLETOP, of_distribution},
	    {"next_due", ALL, of_next_due},
	    {"#divergence", MOVES, of_divergence},
	    {"#separation", MOVES, of_separation},
	};

	out[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(values); i++)
		if (strcmp(values[i].field, field) == 0 &&
		    (values[i].modes & x->mode_bit) != 0)
			values[i].fn(x, out);
	if (out[0] == '\0' && x->mode_bit == DRILL)
		of_drill(field, out);
}
