/* What only the report of a tabletop has: the play, and what came of it. */

#include <bascule/base/text.h>
#include <inttypes.h>
#include <string.h>

#include "report_exercise.h"

#define MORE_MAX 12 /* values of one field in one cell */

/* --- cells --------------------------------------------------------------------------- */

static const char *
span(int64_t ns, char out[TEXT_UNIT_BYTES])
{
	return ns < 0 ? "" : text_duration(ns, out);
}

/* All the values of a field in one: "wait | move now". */
static const char *
joined(const struct tabletop_event *ev, const char *name, char *out,
    size_t out_bytes)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < MORE_MAX && used + 8 < out_bytes; i++) {
		const char *value = tabletop_value(ev, name, i);

		if (value[0] == '\0')
			break;
		used += (size_t)snprintf(out + used, out_bytes - used, "%s%s",
		    i > 0 ? " | " : "", value);
	}
	text_mend_end(out);
	return out;
}

static struct utc
at_of(const struct tabletop *t, enum tabletop_verb verb)
{
	const struct tabletop_event *ev = tabletop_event_last(t, verb);

	return ev == NULL ? (struct utc){0} : ev->at;
}

static void
put_when(struct report_page *p, const char *key, const char *label,
    struct utc at)
{
	char text[NOW_TEXT_BYTES];

	report_page_line(p, key, label, report_page_time(at, text));
}

static bool is_first(const struct tabletop *t, size_t i);

/* Who watched and judged; that nobody did is said. */
static void
put_evaluators(struct report_page *p, const struct tabletop *t)
{
	size_t count = 0;

	for (size_t i = 0; i < tabletop_events_count(t); i++) {
		const struct tabletop_event *ev = tabletop_event_at(t, i);
		const char *who = tabletop_value(ev, "player", 0);

		if (ev->verb != TABLETOP_DO_ATTEND || !is_first(t, i) ||
		    strcmp(tabletop_player_value(t, who, "as"), "evaluator") !=
			0)
			continue;
		report_page_line(p, "evaluator", "evaluator", who);
		count++;
	}
	if (count == 0)
		report_page_line(p, "evaluator", "evaluator", NULL);
}

static void
put_drafted(struct report_page *p, const struct tabletop *t, const char *field,
    const char *label)
{
	size_t i = 0;

	do {
		report_page_line(p, field, label,
		    tabletop_drafted(t, field, i));
		i++;
	} while (tabletop_drafted(t, field, i)[0] != '\0');
}

/* --- what was to be played ---------------------------------------------------------------- */

static struct utc
end_of(const struct tabletop *t)
{
	return at_of(t,
	    tabletop_was_stopped(t) ? TABLETOP_DO_STOP : TABLETOP_DO_ENDEX);
}

static void
put_exercise(struct report_page *p, const struct tabletop *t)
{
	const struct tabletop_event *scheduled =
	    tabletop_event_last(t, TABLETOP_DO_SCHEDULE);
	struct utc start = at_of(t, TABLETOP_DO_BEGIN), end = end_of(t);
	const char *place = tabletop_value(scheduled, "place", 0);
	char text[TEXT_UNIT_BYTES];

	report_page_section(p, "exercise", "The exercise");
	report_page_line(p, "title", "title", tabletop_drafted(t, "title", 0));
	report_page_line(p, "type", "type", "tabletop");
	put_when(p, "planned", "planned for",
	    (struct utc){tabletop_number(scheduled, "for_ns", 0)});
	report_page_line(p, "place", "place",
	    place[0] != '\0' ? place : tabletop_drafted(t, "place", 0));
	put_when(p, "briefed", "briefed", at_of(t, TABLETOP_DO_BRIEF));
	put_when(p, "startex", "STARTEX", start);
	put_when(p, "endex", "ENDEX", end);
	report_page_line(p, "duration", "duration",
	    start.ns == 0 || end.ns == 0 ? NULL
					 : span(end.ns - start.ns, text));
	report_page_line(p, "clock", "by the scenario's clock",
	    span(tabletop_clock_ns(t, end), text));
	report_page_line(p, "stopped", "ended by STOP",
	    tabletop_was_stopped(t) ? "yes: for a real incident"
		: end.ns != 0       ? "no"
				    : NULL);
	report_page_line(p, "sponsor", "sponsor",
	    tabletop_drafted(t, "sponsor", 0));
	report_page_line(p, "facilitator", "facilitator",
	    tabletop_drafted(t, "facilitator", 0));
	report_page_line(p, "scribe", "scribe",
	    tabletop_drafted(t, "scribe", 0));
	put_evaluators(p, t);
	put_drafted(p, t, "objective", "objective");
	put_drafted(p, t, "criterion", "success criterion");
	put_drafted(p, t, "condition", "initial condition");
	put_drafted(p, t, "rule", "ground rule");
	put_drafted(p, t, "artificiality", "artificiality");
	put_drafted(p, t, "plan_step", "step of the plan");
}

/* What the estate was when they were briefed: real, with its age. */
static void
put_snapshot(struct report_page *p, const struct tabletop *t)
{
	const struct tabletop_event *ev =
	    tabletop_event_last(t, TABLETOP_DO_BRIEF);
	size_t i = 0;

	report_page_section(p, "snapshot",
	    "The estate, when they were briefed");
	do {
		report_page_line(p, "known", "as it was",
		    tabletop_value(ev, "known", i));
		i++;
	} while (tabletop_value(ev, "known", i)[0] != '\0');
}

/* --- who was there ------------------------------------------------------------------------- */

static bool
is_first(const struct tabletop *t, size_t i)
{
	const char *who = tabletop_value(tabletop_event_at(t, i), "player", 0);

	for (size_t k = 0; k < i; k++)
		if (strcmp(tabletop_value(tabletop_event_at(t, k), "player", 0),
			who) == 0)
			return false;
	return true;
}

/* When somebody came, and when they left. */
static void
find_times(const struct tabletop *t, const char *who, struct utc *in,
    struct utc *out)
{
	*in = *out = (struct utc){0};
	for (size_t i = 0; i < tabletop_events_count(t); i++) {
		const struct tabletop_event *ev = tabletop_event_at(t, i);
		const char *is = tabletop_value(ev, "attendance", 0);

		if (ev->verb != TABLETOP_DO_ATTEND ||
		    strcmp(tabletop_value(ev, "player", 0), who) != 0)
			continue;
		if (in->ns == 0 &&
		    (strcmp(is, "present") == 0 || strcmp(is, "remote") == 0))
			*in = ev->at;
		if (strcmp(is, "left") == 0)
			*out = ev->at;
	}
}

static void
put_players(struct report_page *p, const struct tabletop *t)
{
	static const struct report_page_column columns[] = {{"player", "who",
								0},
	    {"as", "as", 0}, {"role", "role", 0}, {"council", "council", 0},
	    {"deputy", "deputy", 0}, {"attendance", "attendance", 0},
	    {"in", "in (UTC)", 0}, {"out", "out", 0}};
	char in_text[NOW_TEXT_BYTES], out_text[NOW_TEXT_BYTES];

	report_page_section(p, "players", "Players");
	report_page_table(p, "players", columns, COUNT_OF(columns),
	    "nobody is recorded");
	for (size_t i = 0; i < tabletop_events_count(t); i++) {
		const struct tabletop_event *ev = tabletop_event_at(t, i);
		const char *who = tabletop_value(ev, "player", 0);
		const char *as = tabletop_player_value(t, who, "as");
		struct utc in, out;

		if (ev->verb != TABLETOP_DO_ATTEND || !is_first(t, i))
			continue;
		find_times(t, who, &in, &out);
		report_page_row(p,
		    (const char *const[]){who, as[0] == '\0' ? "player" : as,
			tabletop_player_value(t, who, "role"),
			tabletop_player_value(t, who, "council"),
			tabletop_player_value(t, who, "deputy"),
			tabletop_player_value(t, who, "attendance"),
			report_page_time(in, in_text),
			report_page_time(out, out_text)});
	}
}

/* --- the play ---------------------------------------------------------------------------------- */

static void
put_injects(struct report_page *p, const struct tabletop *t)
{
	static const struct report_page_column columns[] = {{"inject", "inject",
								0},
	    {"planned", "planned", 0}, {"delivered", "delivered", 0},
	    {"to", "to, by", 0}, {"text", "text", 0}, {"expect", "expected", 0},
	    {"answer", "answer", 0}, {"met", "met", 0}};
	char delivered[32], planned[64], to[512];

	report_page_section(p, "injects", "Injects");
	report_page_table(p, "injects", columns, COUNT_OF(columns),
	    "the scenario has none");
	for (size_t i = 0; i < tabletop_injects_count(t); i++) {
		struct tabletop_inject in = tabletop_inject_at(t, i);

		if (in.after[0] != '\0')
			snprintf(planned, sizeof(planned), "after %.50s",
			    in.after);
		else if (in.on[0] != '\0')
			snprintf(planned, sizeof(planned), "on a %.50s", in.on);
		else if (in.at_ns < 0)
			snprintf(planned, sizeof(planned), "by hand");
		else
			(void)report_tabletop_clock(in.at_ns, planned);
		snprintf(to, sizeof(to), "%s%s%s%s%s", in.to,
		    in.channel[0] != '\0' ? ", " : "", in.channel,
		    in.by[0] != '\0' ? "; from " : "", in.by);
		report_page_row(p,
		    (const char *const[]){in.name, planned,
			in.is_delivered
			    ? report_tabletop_clock(in.delivered_t_ns,
				  delivered)
			    : "not delivered",
			to, in.text, in.expect,
			in.is_answered ? in.answer : "not answered", in.met});
	}
}

static void
put_decision(struct report_page *p, const struct tabletop_event *ev)
{
	char clock[32], text[2048];
	size_t i = 0;

	report_page_printf(p, "decision", "decision", "%s %.800s",
	    report_tabletop_clock(ev->t_ns, clock),
	    tabletop_value(ev, "decision", 0));
	report_page_line(p, "decider", "  decided by",
	    tabletop_value(ev, "decider", 0));
	report_page_line(p, "about", "  about",
	    tabletop_value(ev, "inject", 0));
	report_page_line(p, "options", "  options",
	    joined(ev, "option", text, sizeof(text)));
	report_page_line(p, "authority", "  authority",
	    tabletop_value(ev, "authority", 0));
	report_page_line(p, "dissent", "  dissent",
	    joined(ev, "dissent", text, sizeof(text)));
	report_page_line(p, "supported", "  supported by the plan",
	    tabletop_value(ev, "supported", 0));
	report_page_line(p, "then", "  what follows",
	    tabletop_value(ev, "action_taken", 0));
	report_page_line(p, "would_run", "  would run",
	    tabletop_value(ev, "would_run", 0));
	do {
		report_page_line(p, "known", "  what could be known",
		    tabletop_value(ev, "known", i));
		i++;
	} while (tabletop_value(ev, "known", i)[0] != '\0');
}

static void
put_decisions(struct report_page *p, const struct tabletop *t)
{
	size_t count = 0;

	report_page_section(p, "decisions", "Decisions");
	for (size_t i = 0; i < tabletop_events_count(t); i++)
		if (tabletop_event_at(t, i)->verb == TABLETOP_DO_DECIDE) {
			put_decision(p, tabletop_event_at(t, i));
			count++;
		}
	if (count == 0)
		report_page_note(p, "no decision was recorded");
}

static void
put_steps(struct report_page *p, const struct tabletop *t)
{
	static const struct report_page_column columns[] = {{"at", "at", 0},
	    {"step", "step", 0}, {"takes", "takes", 0},
	    {"basis", "why so long", 0}, {"outcome", "outcome", 0},
	    {"who", "who", 0}, {"reason", "why", 0}};
	char clock[32], takes[TEXT_UNIT_BYTES];

	report_page_section(p, "steps", "Steps that were simulated");
	report_page_table(p, "steps", columns, COUNT_OF(columns), "none");
	for (size_t i = 0; i < tabletop_events_count(t); i++) {
		const struct tabletop_event *ev = tabletop_event_at(t, i);

		if (ev->verb == TABLETOP_DO_STEP)
			report_page_row(p,
			    (const char *const[]){
				report_tabletop_clock(tabletop_number(ev,
							  "starts_t_ns",
							  ev->t_ns),
				    clock),
				tabletop_value(ev, "step", 0),
				span(tabletop_number(ev, "planned_ns", -1),
				    takes),
				tabletop_value(ev, "basis", 0),
				tabletop_value(ev, "outcome", 0),
				tabletop_value(ev, "who", 0),
				tabletop_value(ev, "reason", 0)});
	}
}

static bool
was_simulated(const struct tabletop *t, const char *step)
{
	for (size_t i = 0; i < tabletop_events_count(t); i++) {
		const struct tabletop_event *ev = tabletop_event_at(t, i);

		if (ev->verb == TABLETOP_DO_STEP &&
		    strcmp(tabletop_value(ev, "step", 0), step) == 0 &&
		    strcmp(tabletop_value(ev, "outcome", 0), "skipped") != 0)
			return true;
	}
	return false;
}

static void
put_not_executed(struct report_page *p, const struct tabletop *t)
{
	const char *step;
	size_t count = 0;

	report_page_section(p, "not_executed", "Steps not executed, and why");
	report_page_note(p,
	    "A tabletop executes nothing: steps are simulated in words.");
	for (size_t i = 0;
	     (step = tabletop_drafted(t, "plan_step", i))[0] != '\0'; i++)
		if (!was_simulated(t, step)) {
			report_page_line(p, "skipped", step,
			    tabletop_was_stopped(t)
				? "not simulated: play was stopped"
				: "not simulated: play did not come to it");
			count++;
		}
	for (size_t i = 0;
	     (step = tabletop_drafted(t, "plan_skip", i))[0] != '\0'; i++) {
		report_page_line(p, "skipped", step,
		    "the plan says that it is not for tabletops");
		count++;
	}
	if (count == 0 && tabletop_drafted(t, "plan_step", 0)[0] != '\0')
		report_page_note(p, "Every step of the plan was simulated.");
}

/* --- timings -------------------------------------------------------------------------------------- */

static void
put_timings(struct report_page *p, const struct tabletop *t)
{
	static const char *const marks[] = {"detected", "declared",
	    "authorised", "notified", "recovered"};
	char clock[32];

	report_page_section(p, "timings", "Timings, by the scenario's clock");
	for (size_t m = 0; m < COUNT_OF(marks); m++) {
		int64_t t_ns = -1;

		for (size_t i = 0; i < tabletop_events_count(t) && t_ns < 0;
		     i++)
			if (strcmp(tabletop_value(tabletop_event_at(t, i),
				       "mark", 0),
				marks[m]) == 0)
				t_ns = tabletop_event_at(t, i)->t_ns;
		report_page_line(p, marks[m], marks[m],
		    t_ns < 0 ? NULL : report_tabletop_clock(t_ns, clock));
	}
	for (size_t i = 0; i < tabletop_events_count(t); i++) {
		const struct tabletop_event *ev = tabletop_event_at(t, i);

		if (ev->verb == TABLETOP_DO_PAUSE ||
		    ev->verb == TABLETOP_DO_JUMP)
			report_page_printf(p, tabletop_verb_name(ev->verb),
			    tabletop_verb_name(ev->verb),
			    "%s by %.100s: %.400s",
			    report_tabletop_clock(ev->t_ns, clock), ev->actor,
			    tabletop_value(ev, "reason", 0)[0] != '\0'
				? tabletop_value(ev, "reason", 0)
				: "no reason was given");
	}
}

/* --- what was said, and what comes of it ------------------------------------------------------------- */

static void
put_notes(struct report_page *p, const struct tabletop *t, bool hotwash)
{
	static const struct report_page_column columns[] = {{"at", "at", 0},
	    {"kind", "kind", 0}, {"who", "who", 0}, {"to", "to", 0},
	    {"text", "text", 0}};
	char clock[32];

	report_page_section(p, hotwash ? "hotwash" : "notes",
	    hotwash ? "Hotwash, by participant" : "What was said and seen");
	report_page_table(p, "notes", columns, COUNT_OF(columns),
	    "nothing is recorded");
	for (size_t i = 0; i < tabletop_events_count(t); i++) {
		const struct tabletop_event *ev = tabletop_event_at(t, i);
		const char *kind = tabletop_value(ev, "kind", 0);
		const char *who = tabletop_value(ev, "who", 0);

		if (ev->verb == TABLETOP_DO_NOTE &&
		    (strcmp(kind, "hotwash") == 0) == hotwash)
			report_page_row(p,
			    (const char
				    *const[]){report_tabletop_clock(ev->t_ns,
						  clock),
				kind, who[0] != '\0' ? who : ev->actor,
				tabletop_value(ev, "to", 0),
				tabletop_value(ev, "text", 0)});
	}
}

static const char *
rating_words(const char *rating)
{
	static const char *const words[] = {"P: performed without challenges",
	    "S: performed with some challenges",
	    "M: performed with major challenges", "U: unable to be performed"};

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (rating[0] == words[i][0])
			return words[i];
	return NULL;
}

static void
put_ratings(struct report_page *p, const struct tabletop *t)
{
	report_page_section(p, "ratings", "Objectives, rated");
	for (size_t i = 0; i < tabletop_objectives_count(t); i++) {
		char label[40];

		snprintf(label, sizeof(label), "objective %zu", i + 1);
		report_page_line(p, "objective", label,
		    tabletop_drafted(t, "objective", i));
		report_page_line(p, "rating", "  rating",
		    rating_words(tabletop_rating(t, i + 1)));
	}
	if (tabletop_objectives_count(t) == 0)
		report_page_note(p, "no objective was set beforehand");
}

static void
put_actions(struct report_page *p, const struct tabletop *t)
{
	static const char *const names[] = {"owner", "council", "status",
	    "evidence", "retest"};
	static const struct report_page_column columns[] = {{"action", "action",
								0},
	    {"text", "what", 0}, {"owner", "owner", 0},
	    {"council", "council", 0}, {"due", "due (UTC)", 10},
	    {"status", "status", 0}, {"evidence", "evidence", 0},
	    {"retest", "retest", 0}};
	char action[24], due[NOW_TEXT_BYTES], what[1024];

	report_page_section(p, "actions", "Improvement plan");
	report_page_table(p, "actions", columns, COUNT_OF(columns),
	    "no action was recorded");
	for (size_t i = 1; i <= tabletop_actions_count(t); i++) {
		const char *v[COUNT_OF(names)];
		uint64_t ns = 0;

		snprintf(action, sizeof(action), "A%zu", i);
		for (size_t k = 0; k < COUNT_OF(names); k++)
			v[k] = tabletop_action_value(t, action, names[k]);
		if (!text_parse_u64(tabletop_action_value(t, action, "due_ns"),
			INT64_MAX, &ns))
			ns = 0;
		snprintf(what, sizeof(what), "%.600s%s%.300s",
		    tabletop_action_value(t, action, "text"),
		    tabletop_action_value(t, action, "done_when")[0] != '\0'
			? "; done when: "
			: "",
		    tabletop_action_value(t, action, "done_when"));
		text_mend_end(what);
		report_page_row(p,
		    (const char *const[]){action, what, v[0], v[1],
			report_page_time((struct utc){(int64_t)ns}, due), v[2],
			v[3], v[4]});
	}
}

static void
put_approvals(struct report_page *p, const struct tabletop *t)
{
	static const enum tabletop_verb verbs[] = {TABLETOP_DO_APPROVE,
	    TABLETOP_DO_REVIEW, TABLETOP_DO_ISSUE, TABLETOP_DO_CLOSE};
	char at[NOW_TEXT_BYTES];

	report_page_section(p, "stages", "Approved, reviewed, issued, closed");
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		const struct tabletop_event *ev =
		    tabletop_event_last(t, verbs[i]);

		if (ev == NULL)
			report_page_line(p, tabletop_verb_name(verbs[i]),
			    tabletop_verb_name(verbs[i]), NULL);
		else
			report_page_printf(p, tabletop_verb_name(verbs[i]),
			    tabletop_verb_name(verbs[i]),
			    "%s by %.200s%s%.200s",
			    report_page_time(ev->at, at), ev->actor,
			    tabletop_value(ev, "to", 0)[0] != '\0' ? ", to "
								   : "",
			    tabletop_value(ev, "to", 0));
	}
	put_when(p, "next_due", "next exercise due",
	    (struct utc){
		tabletop_number(tabletop_event_last(t, TABLETOP_DO_ISSUE),
		    "next_due_ns", 0)});
}

void
report_tabletop_page(const struct tabletop *t, struct report_page *p)
{
	put_exercise(p, t);
	put_players(p, t);
	put_snapshot(p, t);
	put_injects(p, t);
	put_decisions(p, t);
	put_steps(p, t);
	put_not_executed(p, t);
	put_timings(p, t);
	put_notes(p, t, false);
	put_notes(p, t, true);
	put_ratings(p, t);
	put_actions(p, t);
	put_approvals(p, t);
}
