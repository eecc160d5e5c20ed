/* bascule failover start, commit, rollback, reprotect, abort, answer. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bascule/base/text.h>

#include "failover.h"

/* --- the typed site ------------------------------------------------------------ */

bool
failover_can_ask(void)
{
	return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

bool
failover_read_line(char *out, size_t out_bytes)
{
	size_t len;

	if (fgets(out, (int)out_bytes, stdin) == NULL)
		return false;
	len = strlen(out);
	while (len > 0 && (out[len - 1] == '\n' || out[len - 1] == ' '))
		out[--len] = '\0';
	return true;
}

static const char *
safe(const char *text, struct buf *out)
{
	struct err e;

	buf_clear(out);
	return text_escape(out, text, strlen(text), &e) == ERR_NONE
	    ? buf_text(out)
	    : "?";
}

static void
print_prompt(const struct cli *cli, const struct failover_run *r,
    const char *what)
{
	OWNED(buf_fini) struct buf a = {0}, b = {0}, c = {0};
	const char *loud = cli->colour ? "\033[1;31m" : "";
	const char *plain = cli->colour ? "\033[0m" : "";

	fprintf(stderr,
	    "%s[site %s | role %s | epoch %" PRIu64 " | mode %s]%s\n", loud,
	    safe(r->here, &a), safe(r->roles, &b), r->epoch, safe(r->mode, &c),
	    plain);
	fprintf(stderr, "%s %s", what, safe(r->services, &a));
	fprintf(stderr, " (from %s to %s).\n", safe(r->from, &a),
	    safe(r->to, &b));
	fputs("Type the name of the site at which it is to run afterwards: ",
	    stderr);
}

int
failover_confirm(struct cli *cli, const struct failover_run *r,
    const char *what, const char *wanted, char out[65])
{
	const char *given = cli_value(cli, "confirm");
	struct err e;

	if (given != NULL)
		snprintf(out, 65, "%s", given);
	else {
		print_prompt(cli, r, what);
		if (!failover_read_line(out, 65))
			out[0] = '\0';
	}
	if (strcmp(out, wanted) == 0)
		return EXITCODE_DONE;
	err_set(&e, ERR_REFUSED,
	    "nothing was done: '%.64s' is not the site at which it is to run "
	    "afterwards",
	    out);
	err_hint(&e, "that is '%.64s'; 'bascule failover show %.64s' tells why",
	    wanted, r->run);
	return cli_fail_as(cli, &e, EXITCODE_NOT_ALLOWED);
}

/* --- following ------------------------------------------------------------------ */

/* A site's records come in their order; two sites' may come late. */
struct followed {
	char site[65];
	int64_t seen_ns; /* of its last phase shown */
};
struct following {
	struct followed sites[8];
	bool ended, waits;
};

/* Was it not shown yet? */
static bool
is_news(struct following *f, const char *site, int64_t at_ns)
{
	struct followed *s = f->sites;

	while (s < f->sites + COUNT_OF(f->sites) - 1 && s->site[0] != '\0' &&
	    strcmp(s->site, site) != 0)
		s++;
	snprintf(s->site, sizeof(s->site), "%s", site);
	if (at_ns <= s->seen_ns)
		return false;
	s->seen_ns = at_ns;
	return true;
}

static int
take_news(struct live *l, const char *type, struct wire_value *v)
{
	struct following *f = l->ctx;

	if (strcmp(type, "phase") == 0) {
		l->passes = is_news(f, wire_take_text(v, "site", ""),
		    wire_take_utc(v, "at", (struct utc){0}).ns);
	} else if (strcmp(type, "failover") == 0) {
		f->ended = wire_take_bool(v, "ended", false);
		f->waits = wire_take_bool(v, "waits", false);
	} else if (strcmp(type, "summary") == 0)
		l->passes = f->ended || f->waits;
	if (l->passes && !l->cli->json)
		failover_reply(l, type, v);
	return EXITCODE_DONE;
}

int
failover_follow(struct cli *cli, const char *run)
{
	struct following f = {0};
	const struct timespec pause = {.tv_sec = 1};

	for (;;) {
		struct live l = {.cli = cli, .take = take_news, .ctx = &f};
		struct wire_value *request = live_request(cli, "failover show");
		int status;

		if (request == NULL)
			return EXITCODE_FAILED;
		wire_add_text(request, "run", run);
		status = live_ask(&l, &request);
		fflush(stdout);
		if (status != EXITCODE_DONE || f.ended || f.waits)
			return status;
		nanosleep(&pause, NULL);
	}
}

/* --- the commands ------------------------------------------------------------------ */

static int
add_overrides(struct cli *cli, struct wire_value *request)
{
	struct wire_value *list = NULL;
	const char *one;
	struct err e;

	if (cli_value(cli, "override") == NULL)
		return EXITCODE_DONE;
	if (wire_new_list(&list, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	for (size_t i = 0; (one = cli_value_nth(cli, "override", i)) != NULL;
	     i++) {
		if (one[0] != 'G' || strspn(one + 1, "0123456789") != 2 ||
		    one[3] != '=' || one[4] == '\0') {
			wire_free(&list);
			return cli_wrong_use(cli,
			    "'%.60s' overrides no guard: write "
			    "G05=\"why\", with a guard of G01 to G18",
			    one);
		}
		wire_add_text(list, NULL, one);
	}
	wire_add(request, "overrides", &list);
	return EXITCODE_DONE;
}

struct verb {
	const char *cmd, *what;
	bool goes_back; /* it runs at the old site afterwards */
};

/* A guard that stops is of a service, which the run may have many of. */
static void
print_reply(struct live *l, const char *type, struct wire_value *v)
{
	char *last = l->ctx;

	if (strcmp(type, "guard") == 0 &&
	    strcmp(last, live_text(v, "service")) != 0) {
		snprintf(last, 65, "%s", live_text(v, "service"));
		printf("%s:\n", last);
	}
	failover_reply(l, type, v);
}

static int
ask(struct cli *cli, const struct verb *verb, const char *confirm)
{
	char last[65] = "";
	struct live l = {.cli = cli, .reply = print_reply, .ctx = last};
	struct wire_value *request = live_request(cli, verb->cmd);
	int status;

	if (request == NULL)
		return EXITCODE_FAILED;
	status = add_overrides(cli, request);
	if (status != EXITCODE_DONE) {
		wire_free(&request);
		return status;
	}
	wire_add_text(request, "run", cli->operands[0]);
	wire_add_text(request, "confirm", confirm);
	wire_add_text(request, "service", cli_value(cli, "service"));
	wire_add_text(request, "reason", cli_value(cli, "reason"));
	if (cli_has(cli, "break-glass"))
		wire_add_bool(request, "break_glass", true);
	live_add_dry_run(cli, request);
	return live_ask(&l, &request);
}

static int
act(struct cli *cli, const struct verb *verb)
{
	OWNED(failover_run_fini) struct failover_run r = {0};
	char typed[65];
	int status;

	if (cli_value(cli, "confirm") == NULL && !failover_can_ask())
		return cli_wrong_use(cli,
		    "this is no terminal to ask at: --confirm SITE, the site "
		    "at which it is to run afterwards ('failover show' tells)");
	status = failover_run_get(cli, cli->operands[0], &r);
	if (status == EXITCODE_DONE)
		status = failover_confirm(cli, &r, verb->what,
		    verb->goes_back ? r.from : r.to, typed);
	if (status == EXITCODE_DONE)
		status = ask(cli, verb, typed);
	if (status == EXITCODE_DONE && cli_has(cli, "wait") &&
	    !cli_has(cli, "dry-run"))
		status = failover_follow(cli, cli->operands[0]);
	return status;
}

static int
run_start(struct cli *cli)
{
	if (cli_has(cli, "break-glass") && cli_value(cli, "reason") == NULL)
		return cli_wrong_use(cli,
		    "--break-glass needs a --reason: everybody will read it");
	return act(cli,
	    &(struct verb){"failover start", "This will move", false});
}

static const struct cli_option start_options[] =
    {{"confirm", 0, "SITE", "the site to move to, typed once more"},
	{"override", 0, "Gxx=REASON", "start in spite of a guard; may repeat"},
	{"break-glass", 0, NULL, "now, a second person within 30 minutes"},
	{"reason", 0, "TEXT", "why the glass is broken"},
	{"dry-run", 'n', NULL, "only say what the guards say"},
	{"wait", 0, NULL, "show what happens until somebody is needed"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_failover_start = {"failover start", "ID",
    "begin a move that is approved", start_options, 1, 1, run_start};

static int
run_commit(struct cli *cli)
{
	return act(cli,
	    &(struct verb){"failover commit", "This accepts the move of",
		false});
}

static const struct cli_option commit_options[] =
    {{"confirm", 0, "SITE", "the site at which the service stays"},
	{"service", 0, "S", "of this service alone, where several move"},
	{"reason", 0, "TEXT", "what was looked at, for the report"},
	{"override", 0, "Gxx=REASON", "in spite of a guard; may repeat"},
	{"dry-run", 'n', NULL,
	    "only say what the guards say, and what would follow"},
	{"wait", 0, NULL, "show what happens until somebody is needed"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_failover_commit = {"failover commit", "ID",
    "the service's owner accepts a move", commit_options, 1, 1, run_commit};

static int
run_rollback(struct cli *cli)
{
	return act(cli,
	    &(struct verb){"failover rollback", "This will move back", true});
}

static const struct cli_option rollback_options[] =
    {{"confirm", 0, "SITE", "the site to go back to"},
	{"service", 0, "S", "of this service alone, where several move"},
	{"reason", 0, "TEXT", "why, for the report"},
	{"override", 0, "Gxx=REASON", "in spite of a guard; may repeat"},
	{"dry-run", 'n', NULL,
	    "only say what the guards say, and what would follow"},
	{"wait", 0, NULL, "show what happens until somebody is needed"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_failover_rollback = {"failover rollback", "ID",
    "go back, before the commit", rollback_options, 1, 1, run_rollback};

static int
run_reprotect(struct cli *cli)
{
	return act(cli,
	    &(struct verb){"failover reprotect",
		"The other site becomes the standby again of", false});
}

static const struct cli_option reprotect_options[] =
    {{"confirm", 0, "SITE", "the site at which the service stays"},
	{"service", 0, "S", "of this service alone, where several move"},
	{"reason", 0, "TEXT", "what became of the other site's writes"},
	{"override", 0, "Gxx=REASON", "in spite of a guard; may repeat"},
	{"dry-run", 'n', NULL,
	    "only say what the guards say, and what would follow"},
	{"wait", 0, NULL, "show what happens until somebody is needed"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_failover_reprotect = {"failover reprotect",
    "ID", "let the old site follow: its later writes are signed off",
    reprotect_options, 1, 1, run_reprotect};

static int
run_abort(struct cli *cli)
{
	return ask(cli,
	    &(struct verb){"failover abort", "This ends the move of", true},
	    NULL);
}

static const struct cli_option abort_options[] =
    {{"service", 0, "S", "of this service alone, where several move"},
	{"reason", 0, "TEXT", "why, for the report"},
	{"dry-run", 'n', NULL,
	    "only say what both sites would do, in their own words"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_failover_abort = {"failover abort", "ID",
    "end a move that has not happened yet", abort_options, 1, 1, run_abort};

static int
run_retry(struct cli *cli)
{
	return ask(cli, &(struct verb){"failover retry", "", false}, NULL);
}

static const struct cli_option retry_options[] =
    {{"service", 0, "S", "of this service alone, where several move"},
	{"reason", 0, "TEXT", "what was mended, for the report"},
	{"override", 0, "Gxx=REASON", "in spite of a guard; may repeat"},
	{"dry-run", 'n', NULL, "only say whether it may be"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_failover_retry = {"failover retry", "ID",
    "try again what failed", retry_options, 1, 1, run_retry};

static int
run_hold(struct cli *cli)
{
	return ask(cli, &(struct verb){"failover hold", "", false}, NULL);
}

static const struct cli_option hold_options[] =
    {{"service", 0, "S", "of this service alone, where several move"},
	{"reason", 0, "TEXT", "why, for the report"},
	{"dry-run", 'n', NULL, "only say whether it may be"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_failover_hold = {"failover hold", "ID",
    "stop where it is: nothing runs until two people resolve it", hold_options,
    1, 1, run_hold};

static int
run_answer(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = failover_reply};
	struct wire_value *request = live_request(cli, "failover answer");

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "run", cli->operands[0]);
	wire_add_text(request, "step", cli->operands[1]);
	if (cli->operands_count > 2)
		wire_add_text(request, "verb", cli->operands[2]);
	wire_add_text(request, "service", cli_value(cli, "service"));
	wire_add_text(request, "reason", cli_value(cli, "reason"));
	return live_ask(&l, &request);
}

static const struct cli_option answer_options[] =
    {{"service", 0, "S", "of this service, where several move"},
	{"reason", 0, "TEXT", "why; to skip a step needs one"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_failover_answer = {"failover answer",
    "ID STEP [done|retry|skip|abort]", "answer what a step of a move asks",
    answer_options, 2, 3, run_answer};
