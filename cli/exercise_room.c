/* What the facilitator and the scribe of a tabletop exercise say. */

#include <string.h>

#include "exercise_tell.h"

/* --- options that are fields ------------------------------------------------------ */

/* How an option's value becomes a field of what is said. */
enum how { TEXT, SPAN, WHEN };
struct field_option {
	const char *option, *field;
	enum how how;
};

static void
tell_options(struct tell *t, const struct field_option *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *value;

		for (size_t n = 0;
		     (value = cli_value_nth(t->cli, list[i].option, n)) != NULL;
		     n++)
			if (list[i].how == TEXT)
				tell_field(t, list[i].field, value);
			else if (list[i].how == SPAN)
				tell_span(t, list[i].field, value);
			else
				tell_when(t, list[i].field, value);
	}
}

#define TELL_OPTIONS(t, list) tell_options(t, list, COUNT_OF(list))
#define LAST                        \
	{                           \
		NULL, 0, NULL, NULL \
	}
#define RUN(cli) ((cli)->operands[0])
#define REASON_OPTION                      \
	{                                  \
		"reason", 0, "TEXT", "why" \
	}
#define REASON_FIELD                     \
	{                                \
		"reason", "reason", TEXT \
	}

/* --- play, from beginning to end ------------------------------------------------------ */

static int
run_plain(struct cli *cli)
{
	static const struct field_option fields[] = {REASON_FIELD,
	    {"rule", "rule", TEXT}};
	struct tell t = {.cli = cli};

	TELL_OPTIONS(&t, fields);
	return tell_send(&t, RUN(cli), strchr(cli->command->name, ' ') + 1);
}

static const struct cli_option brief_options[] =
    {{"rule", 0, "TEXT", "another rule of this play; may be repeated"}, LAST};
const struct cli_command command_exercise_brief = {"exercise brief", "ID",
    "tabletop: the rules are told, a snapshot is taken", brief_options, 1, 1,
    run_plain};
const struct cli_command command_exercise_begin = {"exercise begin", "ID",
    "tabletop: the play begins (STARTEX)", NULL, 1, 1, run_plain};

static const struct cli_option reason_options[] = {REASON_OPTION, LAST};
const struct cli_command command_exercise_pause = {"exercise pause", "ID",
    "tabletop: the play and its clock stand still", reason_options, 1, 1,
    run_plain};
const struct cli_command command_exercise_resume = {"exercise resume", "ID",
    "tabletop: the play goes on", NULL, 1, 1, run_plain};
const struct cli_command command_exercise_endex = {"exercise endex", "ID",
    "tabletop: the play is over (ENDEX)", reason_options, 1, 1, run_plain};
const struct cli_command command_exercise_stop = {"exercise stop", "ID",
    "tabletop: something real happens, the play ends at once", reason_options,
    1, 1, run_plain};

static int
run_jump(struct cli *cli)
{
	static const struct field_option fields[] = {REASON_FIELD};
	struct tell t = {.cli = cli};

	tell_span(&t, "by_ns", cli->operands[1]);
	TELL_OPTIONS(&t, fields);
	return tell_send(&t, RUN(cli), "jump");
}
const struct cli_command command_exercise_jump = {"exercise jump", "ID TIME",
    "tabletop: the scenario's clock goes forward", reason_options, 2, 2,
    run_jump};

/* --- what happens in it ---------------------------------------------------------------- */

static int
run_inject(struct cli *cli)
{
	static const struct field_option fields[] = {{"answer", "text", TEXT},
	    {"met", "met", TEXT}, {"who", "who", TEXT}, {"mark", "mark", TEXT},
	    {"to", "recipient", TEXT}};
	struct tell t = {.cli = cli};
	bool is_answer = cli_has(cli, "answer") || cli_has(cli, "met");

	if (is_answer && cli_has(cli, "to"))
		return cli_wrong_use(cli, "--to is for one that is delivered");
	if (!is_answer && (cli_has(cli, "who") || cli_has(cli, "mark")))
		return cli_wrong_use(cli,
		    "--who and --mark are for an --answer");
	tell_field(&t, "inject", cli->operands[1]);
	TELL_OPTIONS(&t, fields);
	return tell_send(&t, RUN(cli), is_answer ? "answer" : "inject");
}
static const struct cli_option inject_options[] =
    {{"answer", 0, "TEXT", "to one that was delivered: what was done"},
	{"met", 0, "yes|partly|no",
	    "of an answer: whether it is what was expected"},
	{"who", 0, "NAME", "of an answer: by whom"},
	{"mark", 0, "WHAT",
	    "of an answer: detected, declared, authorised, notified, "
	    "recovered"},
	{"to", 0, "NAME", "to somebody else than the scenario says"}, LAST};
const struct cli_command command_exercise_inject = {"exercise inject",
    "ID INJECT", "tabletop: deliver one by hand, or say how it was answered",
    inject_options, 2, 2, run_inject};

static int
run_decide(struct cli *cli)
{
	static const struct field_option fields[] = {{"by", "decider", TEXT},
	    {"about", "inject", TEXT}, {"option", "option", TEXT},
	    {"authority", "authority", TEXT}, {"dissent", "dissent", TEXT},
	    {"supported", "supported", TEXT}, {"then", "action_taken", TEXT},
	    {"would-run", "would_run", TEXT}, {"mark", "mark", TEXT}};
	struct tell t = {.cli = cli};

	if (!cli_has(cli, "by"))
		return cli_wrong_use(cli, "who decides: --by NAME?");
	tell_field(&t, "decision", cli->operands[1]);
	TELL_OPTIONS(&t, fields);
	return tell_send(&t, RUN(cli), "decide");
}
static const struct cli_option decide_options[] = {{"by", 0, "NAME",
						       "who decided"},
    {"option", 0, "TEXT", "one that was considered; may be repeated"},
    {"about", 0, "INJECT", "which it answers"},
    {"authority", 0, "TEXT", "on which authority"},
    {"dissent", 0, "TEXT", "who disagreed, and why; may be repeated"},
    {"supported", 0, "yes|no|unclear", "whether the plan supports it"},
    {"then", 0, "TEXT", "what follows from it"},
    {"would-run", 0, "TEXT", "the command that would be given"},
    {"mark", 0, "WHAT",
	"detected, declared, authorised, notified or recovered"},
    LAST};
const struct cli_command command_exercise_decide = {"exercise decide",
    "ID TEXT", "tabletop: a decision, with what could be known just now",
    decide_options, 2, 2, run_decide};

static int
run_note(struct cli *cli)
{
	static const struct field_option fields[] = {{"who", "who", TEXT},
	    {"kind", "kind", TEXT}, {"to", "to", TEXT}, {"mark", "mark", TEXT}};
	struct tell t = {.cli = cli};

	tell_field(&t, "text", cli->operands[1]);
	TELL_OPTIONS(&t, fields);
	return tell_send(&t, RUN(cli), "note");
}
static const struct cli_option note_options[] = {{"who", 0, "NAME",
						     "who said it"},
    {"kind", 0, "KIND",
	"observation, question, answer, communication, gap, assumption, "
	"contact, strength, improvement, hotwash, recommendation, summary"},
    {"to", 0, "NAME", "whom a communication went to"},
    {"mark", 0, "WHAT",
	"detected, declared, authorised, notified or recovered"},
    LAST};
const struct cli_command command_exercise_note = {"exercise note", "ID TEXT",
    "tabletop: what was said or seen, in play or at the hotwash", note_options,
    2, 2, run_note};

static int
run_step(struct cli *cli)
{
	static const struct field_option fields[] = {{"took", "planned_ns",
							 SPAN},
	    {"outcome", "outcome", TEXT}, {"who", "who", TEXT}, REASON_FIELD};
	struct tell t = {.cli = cli};

	tell_field(&t, "step", cli->operands[1]);
	TELL_OPTIONS(&t, fields);
	return tell_send(&t, RUN(cli), "step");
}
static const struct cli_option step_options[] =
    {{"took", 0, "TIME", "as the room says (default: what real runs took)"},
	{"outcome", 0, "OUTCOME", "done, failed or skipped"},
	{"who", 0, "NAME", "who would do it"}, REASON_OPTION, LAST};
const struct cli_command command_exercise_step = {"exercise step", "ID STEP",
    "tabletop: simulate a step of the plan, or all", step_options, 2, 2,
    run_step};

static int
run_attend(struct cli *cli)
{
	static const struct field_option fields[] = {{"role", "role", TEXT},
	    {"council", "council", TEXT}, {"deputy", "deputy", TEXT},
	    {"as", "as", TEXT}, {"note", "text", TEXT}};
	struct tell t = {.cli = cli};
	const char *is = cli_value(cli, "is");

	tell_field(&t, "player", cli->operands[1]);
	TELL_OPTIONS(&t, fields);
	tell_field(&t, "attendance", is == NULL ? "present" : is);
	return tell_send(&t, RUN(cli), "attend");
}
static const struct cli_option attend_options[] =
    {{"is", 0, "HOW",
	 "expected, present (the default), remote, absent or left"},
	{"role", 0, "ROLE", "what they do in the plan"},
	{"council", 0, "C", "for whom"},
	{"deputy", 0, "NAME", "who stands in for them"},
	{"as", 0, "WHAT", "player, observer, evaluator or adviser"},
	{"note", 0, "TEXT", "more about it"}, LAST};
const struct cli_command command_exercise_attend = {"exercise attend",
    "ID NAME", "tabletop: who is there, and who is not", attend_options, 2, 2,
    run_attend};

/* --- what comes of it ------------------------------------------------------------------- */

static int
run_rate(struct cli *cli)
{
	static const struct field_option fields[] = {REASON_FIELD,
	    {"who", "who", TEXT}};
	struct tell t = {.cli = cli};

	tell_field(&t, "objective_number", cli->operands[1]);
	tell_field(&t, "rating", cli->operands[2]);
	TELL_OPTIONS(&t, fields);
	return tell_send(&t, RUN(cli), "rate");
}
static const struct cli_option rate_options[] = {REASON_OPTION,
    {"who", 0, "NAME", "the evaluator"}, LAST};
const struct cli_command command_exercise_rate = {"exercise rate",
    "ID OBJECTIVE P|S|M|U",
    "tabletop: performed, with some, with major challenges, unable",
    rate_options, 3, 3, run_rate};

/* "A7": one there is. */
static bool
is_action(const char *text)
{
	return text[0] == 'A' && text[1] != '\0' &&
	    strspn(text + 1, "0123456789") == strlen(text + 1);
}

static int
run_action(struct cli *cli)
{
	static const struct field_option fields[] = {{"owner", "owner", TEXT},
	    {"council", "council", TEXT}, {"due", "due_ns", WHEN},
	    {"priority", "priority", TEXT}, {"done-when", "done_when", TEXT},
	    {"status", "status", TEXT}, {"evidence", "evidence", TEXT},
	    {"retest", "retest", TEXT}};
	struct tell t = {.cli = cli};

	tell_field(&t, is_action(cli->operands[1]) ? "action" : "text",
	    cli->operands[1]);
	TELL_OPTIONS(&t, fields);
	return tell_send(&t, RUN(cli), "action");
}
static const struct cli_option action_options[] = {{"owner", 0, "NAME",
						       "who does it"},
    {"council", 0, "C", "for whom"},
    {"due", 0, "WHEN", "2026-12-01, or 30d from now"},
    {"priority", 0, "P", "high, medium or low"},
    {"done-when", 0, "TEXT", "how to tell that it is done"},
    {"status", 0, "STATUS", "open, done or verified"},
    {"evidence", 0, "TEXT", "what shows that it is done"},
    {"retest", 0, "RUN", "the run that verifies it"}, LAST};
const struct cli_command command_exercise_action = {"exercise action",
    "ID TEXT|A1", "tabletop: something to be done, or what became of one",
    action_options, 2, 2, run_action};

static int
run_stage(struct cli *cli)
{
	static const struct field_option fields[] = {{"at", "for_ns", WHEN},
	    REASON_FIELD, {"place", "place", TEXT}, {"to", "to", TEXT},
	    {"next", "next_due_ns", WHEN}, {"note", "text", TEXT}};
	static const char *const stages[] = {"approve", "schedule", "hotwash",
	    "aar", "review", "sign", "issue", "actions", "close", "cancel"};
	struct tell t = {.cli = cli};
	bool is_one = false;

	for (size_t i = 0; i < COUNT_OF(stages); i++)
		is_one = is_one || strcmp(stages[i], cli->operands[1]) == 0;
	if (!is_one)
		return cli_wrong_use(cli,
		    "'%.40s' is no stage: approve, schedule, hotwash, aar, "
		    "review, sign, issue, actions, close or cancel",
		    cli->operands[1]);
	TELL_OPTIONS(&t, fields);
	return tell_send(&t, RUN(cli), cli->operands[1]);
}
static const struct cli_option stage_options[] =
    {{"at", 0, "WHEN", "schedule: when it is played; 2026-12-01, 14d"},
	{"place", 0, "TEXT", "schedule: where"},
	{"to", 0, "TEXT", "issue: to whom the report goes"},
	{"next", 0, "WHEN", "issue: when the next one is due"}, REASON_OPTION,
	{"note", 0, "TEXT", "more about it"}, LAST};
const struct cli_command command_exercise_stage = {"exercise stage", "ID STAGE",
    "tabletop: approve, schedule, hotwash, aar, review, sign, issue, actions, "
    "close, cancel",
    stage_options, 2, 2, run_stage};
