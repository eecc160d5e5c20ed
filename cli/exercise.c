/* bascule exercise: start, list, show, answer, abort, cleanup. */

#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>

#include "live.h"
#include "report.h"

/* --- what happens, as it does --------------------------------------------------- */

static void
clock_of(struct wire_value *v, char out[NOW_TEXT_BYTES])
{
	cli_time(wire_take_utc(v, "at", now_utc()), out);
}

static void
print_said(struct wire_value *v, bool is_step)
{
	char at[NOW_TEXT_BYTES];
	const char *reason = wire_take_text(v, "reason", "");

	clock_of(v, at);
	if (is_step)
		printf("%s    %-9s %s: %s%s%s\n", at, live_text(v, "kind"),
		    live_text(v, "step"), live_text(v, "state"),
		    *reason != '\0' ? ": " : "",
		    *reason != '\0' ? live_text(v, "reason") : "");
	else if (wire_has(v, "until"))
		printf("%s  %s until %s, or 'bascule exercise abort %s'\n", at,
		    live_text(v, "state"), live_time(v, "until"),
		    live_text(v, "run"));
	else
		printf("%s  %s\n", at, live_text(v, "state"));
}

static void
print_end(struct wire_value *v)
{
	const char *result = wire_take_text(v, "result", "");
	const char *reason = wire_take_text(v, "reason", "");

	printf("exercise %s of %s: %s\n", live_text(v, "run"),
	    live_text(v, "service"),
	    *result != '\0' ? live_text(v, "result") : live_text(v, "state"));
	if (strcmp(result, "PASS") != 0 && *reason != '\0')
		printf("%s\n", live_text(v, "reason"));
	printf("the report: bascule exercise show %s\n", live_text(v, "run"));
}

/* What a test leaves out is told before it begins, and is no part of the answer,
 * which is the run's name. */
static void
warn_scope(struct live *l, struct wire_value *v)
{
	if (!wire_take_bool(v, "does", false))
		cli_warn(l->cli, "step '%s' will not be tested: %s",
		    live_text(v, "step"), live_text(v, "reason"));
}

static void
print_begun(struct live *l, struct wire_value *v)
{
	if (wire_take_uint(v, "stand_aside", 0) > 0)
		cli_warn(l->cli, "%s", live_text(v, "proves"));
	printf(l->patient ? "exercise %s of %s\n" : "%s\n", live_text(v, "run"),
	    live_text(v, "service"));
}

/* --dry-run */
static void
on_scope(struct live *l, const char *type, struct wire_value *v)
{
	bool does;

	(void)l;
	if (strcmp(type, "scope") == 0) {
		does = wire_take_bool(v, "does", false);
		printf("  %-24s %s%s%s\n", live_text(v, "step"),
		    does ? "is tested" : "NOT TESTED", does ? "" : ": ",
		    does ? "" : live_text(v, "reason"));
	} else if (strcmp(type, "summary") == 0)
		printf("a test of %s: %s\nnothing was started\n",
		    live_text(v, "service"), live_text(v, "proves"));
}

static void
on_run(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "scope") == 0)
		warn_scope(l, v);
	else if (strcmp(type, "exercise") == 0)
		print_begun(l, v);
	else if (strcmp(type, "step") == 0 || strcmp(type, "state") == 0)
		print_said(v, type[2] == 'e');
	else if (strcmp(type, "ask") == 0)
		printf("waits for 'bascule exercise answer %s %s': %s\n",
		    live_text(v, "run"), live_text(v, "step"),
		    live_text(v, "text"));
	else if (strcmp(type, "summary") == 0)
		print_end(v);
}

/* --- start, cleanup ----------------------------------------------------------------- */

/* What a test has no use for, and what a tabletop has none for. */
static const char *const tabletop_texts[] = {"scenario", "facilitator",
    "scribe", "sponsor", "place", "player"}; /* the last may be repeated */
#define PLAYER (COUNT_OF(tabletop_texts) - 1)

static int
start_tabletop(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = on_run};
	OWNED(wire_free) struct wire_value *players = NULL;
	struct wire_value *request;
	const char *player;
	struct err e;

	if (cli_has(cli, "point") || cli_has(cli, "hold") ||
	    cli_has(cli, "dry-run"))
		return cli_wrong_use(cli,
		    "--point, --hold and --dry-run are for --mode test");
	if (wire_new_list(&players, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	request = live_request(cli, "exercise start");
	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "service", cli->operands[0]);
	wire_add_text(request, "mode", "tabletop");
	for (size_t i = 0; i < PLAYER; i++)
		wire_add_text(request, tabletop_texts[i],
		    cli_value(cli, tabletop_texts[i]));
	for (size_t i = 0; (player = cli_value_nth(cli, "player", i)) != NULL;
	     i++)
		wire_add_text(players, NULL, player);
	wire_add(request, "players", &players);
	return live_ask(&l, &request);
}

static int
run_start(struct cli *cli)
{
	struct live l = {.cli = cli,
	    .reply = cli_has(cli, "dry-run") ? on_scope : on_run,
	    .patient = cli_has(cli, "wait")};
	const char *mode = cli_value(cli, "mode");
	const char *hold = cli_value(cli, "hold");
	struct wire_value *request;
	int64_t hold_ns = 0;
	struct err e;

	if (mode == NULL)
		return cli_wrong_use(cli, "which --mode: test or tabletop?");
	if (strcmp(mode, "test") != 0 && strcmp(mode, "tabletop") != 0)
		return cli_wrong_use(cli,
		    "'%.40s' is no mode: test or tabletop", mode);
	if (strcmp(mode, "tabletop") == 0)
		return start_tabletop(cli);
	for (size_t i = 0; i < COUNT_OF(tabletop_texts); i++)
		if (cli_has(cli, tabletop_texts[i]))
			return cli_wrong_use(cli, "a %s is a tabletop's",
			    tabletop_texts[i]);
	if (hold != NULL && text_parse_duration(hold, &hold_ns, &e) != ERR_NONE)
		return cli_wrong_use(cli, "--hold: %s", e.text);
	request = live_request(cli, "exercise start");
	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "service", cli->operands[0]);
	wire_add_text(request, "mode", mode);
	wire_add_text(request, "point", cli_value(cli, "point"));
	if (hold != NULL)
		wire_add_seconds(request, "hold_seconds", hold_ns);
	if (l.patient)
		wire_add_bool(request, "wait", true);
	live_add_dry_run(cli, request);
	return live_ask(&l, &request);
}

static const struct cli_option start_options[] =
    {{"mode", 0, "MODE",
	 "test: restored and started in isolation; tabletop: played with "
	 "words"},
	{"point", 0, "P", "this recovery point (default: the newest)"},
	{"hold", 0, "TIME", "how long it stands (default: the policy's)"},
	{"wait", 0, NULL, "until it has ended; 0 passed, 8 it did not"},
	{"dry-run", 'n', NULL,
	    "test: only say which steps it does, and what it can prove"},
	{"scenario", 0, "S", "tabletop: this one of the policy's"},
	{"facilitator", 0, "NAME", "tabletop: who leads it (default: you)"},
	{"scribe", 0, "NAME", "tabletop: who writes"},
	{"sponsor", 0, "NAME", "tabletop: who wants it"},
	{"place", 0, "TEXT", "tabletop: where it is played"},
	{"player", 0, "NAME:ROLE[:COUNCIL]", "tabletop: may be repeated"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_exercise_start = {"exercise start", "SERVICE",
    "prove that a service can be recovered here", start_options, 1, 1,
    run_start};

/* --dry-run of what cleans up */
static void
print_left(const char *act, const char *type, struct wire_value *v)
{
	const char *what = wire_take_text(v, "what", "");

	if (strcmp(type, "summary") == 0)
		printf("%s of exercise %s of %s (%s); nothing was done\n", act,
		    live_text(v, "run"), live_text(v, "service"),
		    live_text(v, "state"));
	else if (strcmp(what, "undo") == 0)
		printf("  step %s would be undone: %s\n", live_text(v, "step"),
		    live_text(v, "text"));
	else if (strcmp(what, "processes") == 0)
		printf("  processes of the run that would be killed: %s\n",
		    live_text(v, "text"));
	else if (strcmp(what, "sandbox") == 0)
		printf("  the sandbox would be removed: %s\n",
		    live_text(v, "text"));
}

static void
on_left(struct live *l, const char *type, struct wire_value *v)
{
	(void)l;
	print_left("a clean-up", type, v);
}

static int
run_cleanup(struct cli *cli)
{
	struct live l = {.cli = cli,
	    .reply = cli_has(cli, "dry-run") ? on_left : on_run,
	    .patient = cli_has(cli, "wait")};
	struct wire_value *request = live_request(cli, "exercise cleanup");

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "run", cli->operands[0]);
	if (l.patient)
		wire_add_bool(request, "wait", true);
	live_add_dry_run(cli, request);
	return live_ask(&l, &request);
}

static const struct cli_option cleanup_options[] = {{"wait", 0, NULL,
							"until it has ended"},
    {"dry-run", 'n', NULL, "only say what would be undone, killed and removed"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_exercise_cleanup = {"exercise cleanup", "ID",
    "remove what an exercise left", cleanup_options, 1, 1, run_cleanup};

/* --- list, show ----------------------------------------------------------------------- */

static void
on_listed(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "exercise") != 0)
		return;
	live_row(l, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", live_text(v, "run"),
	    live_text(v, "service"), live_text(v, "mode"),
	    live_text(v, wire_has(v, "result") ? "result" : "state"),
	    live_time(v, "requested"), live_span(v, "rta_seconds"),
	    live_span(v, "rpa_seconds"), live_text(v, "reason"));
}

static int
run_list(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = on_listed};
	struct wire_value *request = live_request(cli, "exercise list");

	if (request == NULL ||
	    !live_table(&l,
		"EXERCISE\tSERVICE\tMODE\tRESULT\tREQUESTED\tRTA\tRPA\t"
		"REASON")) {
		wire_free(&request);
		return EXITCODE_FAILED;
	}
	wire_add_text(request, "service", cli_value(cli, "service"));
	return live_ask(&l, &request);
}

static const struct cli_option list_options[] = {{"service", 0, "S",
						     "of one service"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_exercise_list = {"exercise list", "",
    "the exercises there were, newest first", list_options, 0, 0, run_list};

/* Programs get the report as one message, everybody else what `report exercise`
 * prints, in pieces: it may be longer than a message. */
static int
run_show(struct cli *cli)
{
	struct live l = {.cli = cli};
	struct wire_value *request;
	int status;

	if (report_format(cli, &status) == NULL)
		return status;
	request =
	    live_request(cli, cli->json ? "exercise show" : "report exercise");
	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "run", cli->operands[0]);
	return cli->json ? live_ask(&l, &request) : report_ask(cli, &request);
}

static const struct cli_option show_options[] = {{"format", 0, "FORMAT",
						     REPORT_FORMAT_HELP},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_exercise_show = {"exercise show", "ID",
    "the report of an exercise", show_options, 1, 1, run_show};

/* --- answer, abort ---------------------------------------------------------------------- */

static void
on_told(struct live *l, const char *type, struct wire_value *v)
{
	(void)l;
	if (strcmp(type, "exercise") == 0)
		printf("exercise %s is told\n", live_text(v, "run"));
}

static int
run_answer(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = on_told};
	struct wire_value *request = live_request(cli, "exercise answer");

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "run", cli->operands[0]);
	wire_add_text(request, "step", cli->operands[1]);
	if (cli->operands_count > 2)
		wire_add_text(request, "verb", cli->operands[2]);
	wire_add_text(request, "reason", cli_value(cli, "reason"));
	return live_ask(&l, &request);
}

static const struct cli_option answer_options[] =
    {{"reason", 0, "TEXT", "why; to skip a step needs one"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_exercise_answer = {"exercise answer",
    "ID STEP [done|skip|abort]", "say that a confirm step is done",
    answer_options, 2, 3, run_answer};

static void
on_ahead(struct live *l, const char *type, struct wire_value *v)
{
	(void)l;
	print_left("an abort", type, v);
}

static int
run_abort(struct cli *cli)
{
	struct live l = {.cli = cli,
	    .reply = cli_has(cli, "dry-run") ? on_ahead : on_told};
	struct wire_value *request = live_request(cli, "exercise abort");

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "run", cli->operands[0]);
	wire_add_text(request, "reason", cli_value(cli, "reason"));
	live_add_dry_run(cli, request);
	return live_ask(&l, &request);
}

static const struct cli_option abort_options[] = {{"reason", 0, "TEXT",
						      "why, for the report"},
    {"dry-run", 'n', NULL, "only say what would be undone, killed and removed"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_exercise_abort = {"exercise abort", "ID",
    "end an exercise: undo, clean up, report", abort_options, 1, 1, run_abort};
