/* bascule failover plan, request: what a move would be, and asking for one. */

#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>

#include "failover.h"
#include "wordkey.h"

/* --- what is shown ---------------------------------------------------------- */

static void
print_move(struct wire_value *v)
{
	printf("%s%s: %s -> %s, %s at epoch %s, tier %s%s%s%s%s\n",
	    wire_take_uint(v, "order", 0) > 1 ? "\n" : "",
	    live_text(v, "service"), live_text(v, "from"), live_text(v, "to"),
	    live_text(v, "authority"), live_text(v, "epoch_text"),
	    live_text(v, "tier_text"), wire_has(v, "after") ? ", after " : "",
	    wire_has(v, "after") ? live_text(v, "after") : "",
	    wire_has(v, "without") ? ", WITHOUT what stays: " : "",
	    wire_has(v, "without") ? live_text(v, "without") : "");
	printf("  point %.16s  %s\n", live_text(v, "point"),
	    live_text(v, "loss"));
}

static void
print_candidate(struct wire_value *v)
{
	printf("  %s %.16s  %s  %s old  %-3s %s%s\n      loses %s\n",
	    wire_take_bool(v, "chosen", false) ? "*" : " ",
	    live_text(v, "point"), live_time(v, "at"),
	    live_span(v, "age_seconds"), live_text(v, "proof"),
	    live_text(v, "tags"),
	    wire_take_bool(v, "suspect", false) ? "  SUSPECT" : "",
	    live_text(v, "loss"));
}

static void
print_inputs(struct wire_value *v)
{
	struct wire_value *list = wire_take_list(v, "inputs");

	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		struct wire_value *in = wire_at_object(list, i);

		printf("        %s: %s (%s%s%s)\n", live_text(in, "name"),
		    live_text(in, "value"), live_text(in, "source"),
		    wire_has(in, "age_seconds") ? ", age " : "",
		    wire_has(in, "age_seconds") ? live_span(in, "age_seconds")
						: "");
	}
}

static void
print_guard(struct wire_value *v)
{
	const char *verdict = wire_take_text(v, "verdict", "");
	bool passes = strcmp(verdict, "pass") == 0; /* its text is its title */

	if (strcmp(verdict, "not-applicable") == 0) {
		printf("  %s %-7s %s\n", live_text(v, "guard"), "-",
		    live_text(v, "title"));
		return;
	}
	printf("  %s %-7s %s%s%s\n", live_text(v, "guard"),
	    live_text(v, "verdict"), live_text(v, "title"), passes ? "" : ": ",
	    passes ? "" : live_text(v, "text"));
	print_inputs(v);
	if (strcmp(verdict, "fail") != 0 && strcmp(verdict, "unknown") != 0)
		return;
	if (wire_has(v, "would_pass"))
		printf("        passes when %s\n", live_text(v, "would_pass"));
	if (wire_has(v, "override"))
		printf("        override: %s\n", live_text(v, "override"));
}

static void
print_capacity(struct wire_value *v)
{
	printf("capacity of %s: %s: %s\n", live_text(v, "site"),
	    live_text(v, "resource"), live_text(v, "text"));
}

void
failover_print(struct wire_value *v)
{
	printf("%s  %s  %s -> %s  %s  %s  by %s: %s\n", live_text(v, "run"),
	    live_text(v, "mode"), live_text(v, "from"), live_text(v, "to"),
	    live_text(v, "phase"), live_text(v, "services"),
	    live_text(v, "actor"), live_text(v, "reason"));
}

/* Who it was, where that is not the account's own login. */
static void
print_login(struct wire_value *v)
{
	const char *login = wire_take_text(v, "login", NULL);

	if (login == NULL || strcmp(login, wire_take_text(v, "actor", "")) == 0)
		return;
	if (*login == '\0')
		fputs(", login not known", stdout);
	else
		printf(", logged in as %s", live_text(v, "login"));
}

static void
print_approval(struct wire_value *v)
{
	printf("%s  %s %s by %s%s%s at %s%s",
	    wire_take_bool(v, "dry_run", false) ? "nothing was recorded; "
						  "this would have been:\n"
						: "",
	    live_time(v, "at"), live_text(v, "verb"), live_text(v, "actor"),
	    wire_has(v, "council") ? " of " : "",
	    wire_has(v, "council") ? live_text(v, "council") : "",
	    live_text(v, "site"),
	    wire_take_bool(v, "signed", false) ? ", signed" : "");
	print_login(v);
	printf("%s%s%s\n",
	    wire_take_bool(v, "counts", true) ? "" : ", does not count: ",
	    wire_take_bool(v, "counts", true) ? "" : live_text(v, "why"),
	    wire_has(v, "reason") ? ": " : "");
	if (wire_has(v, "reason"))
		printf("      %s\n", live_text(v, "reason"));
}

/* A phase has a reason; an act is begun, and ends with a verdict. */
static void
print_phase(struct wire_value *v)
{
	const char *record = wire_take_text(v, "record", "");
	const char *what = strcmp(record, "intent") == 0 ? "begins"
	    : wire_has(v, "verdict") ? live_text(v, "verdict")
				     : "";
	bool has_reason = wire_has(v, "reason");

	printf("  %s  %-12s %s%s%s%s%s%s%s\n", live_time(v, "at"),
	    live_text(v, "event"), live_text(v, "site"),
	    wire_has(v, "guard") ? " " : "",
	    wire_has(v, "guard") ? live_text(v, "guard") : "",
	    *what != '\0' || has_reason ? ": " : "", what,
	    *what != '\0' && has_reason ? ", " : "",
	    has_reason ? live_text(v, "reason") : "");
}

static void
print_end(struct wire_value *v)
{
	if (wire_has(v, "verdict"))
		printf("%s%s\n", wire_has(v, "approved") ? "approvals: " : "",
		    live_text(v, "verdict"));
	if (wire_has(v, "next"))
		printf("next: %s\n", live_text(v, "next"));
}

/* --dry-run of a word: what would follow, and at what it would rest. */
static void
print_ahead(struct wire_value *v)
{
	if (wire_has(v, "what"))
		printf("  %s at %s would go on with %s: %s\n",
		    live_text(v, "service"), live_text(v, "site"),
		    live_text(v, "what"), live_text(v, "why"));
	else
		printf("  %s at %s would then be: %s\n",
		    live_text(v, "service"), live_text(v, "site"),
		    live_text(v, "why"));
}

void
failover_reply(struct live *l, const char *type, struct wire_value *v)
{
	(void)l;
	if (strcmp(type, "move") == 0)
		print_move(v);
	else if (strcmp(type, "candidate") == 0)
		print_candidate(v);
	else if (strcmp(type, "guard") == 0)
		print_guard(v);
	else if (strcmp(type, "capacity") == 0)
		print_capacity(v);
	else if (strcmp(type, "shed") == 0)
		printf("  %s: %s (tier %s): %s\n",
		    wire_take_bool(v, "said", false) ? "is shed"
						     : "would be shed",
		    live_text(v, "service"), live_text(v, "tier_text"),
		    live_text(v, "reason"));
	else if (strcmp(type, "ahead") == 0)
		print_ahead(v);
	else if (strcmp(type, "phase") == 0)
		print_phase(v);
	else if (strcmp(type, "approval") == 0)
		print_approval(v);
	else if (strcmp(type, "failover") == 0)
		failover_print(v);
	else if (strcmp(type, "summary") == 0)
		print_end(v);
}

/* --- plan, request ------------------------------------------------------------ */

/* "a,b" */
static enum err_code
add_shed(struct cli *cli, struct wire_value *request, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	const char *at = cli_value(cli, "shed");
	enum err_code rc = at == NULL ? ERR_NONE : wire_new_list(&list, e);

	while (rc == ERR_NONE && at != NULL && *at != '\0') {
		size_t len = strcspn(at, ", ");
		OWNED(free_mem) char *name = strndup(at, len);

		if (name == NULL)
			return err_nomem(e);
		if (len > 0)
			wire_add_text(list, NULL, name);
		at += len + (at[len] != '\0');
	}
	if (list != NULL)
		wire_add(request, "shed", &list);
	return rc;
}

static int
add_which(struct cli *cli, struct wire_value *request)
{
	struct wire_value *list = NULL;
	const char *tier = cli_value(cli, "tier");
	struct err e;

	if ((cli->operands_count > 0) + (tier != NULL) + cli_has(cli, "all") !=
	    1)
		return cli_wrong_use(cli,
		    "which: SERVICE..., --tier N, or --all?");
	if (cli_value(cli, "to") == NULL)
		return cli_wrong_use(cli, "where to? --to SITE");
	if (cli_has(cli, "all"))
		wire_add_bool(request, "all", true);
	else if (tier != NULL) {
		uint64_t n;

		if (!text_parse_u64(tier, 99, &n))
			return cli_wrong_use(cli, "'%.40s' is no tier", tier);
		wire_add_uint(request, "tier", n);
	} else if (wire_new_list(&list, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	for (int i = 0; list != NULL && i < cli->operands_count; i++)
		wire_add_text(list, NULL, cli->operands[i]);
	if (list != NULL)
		wire_add(request, "services", &list);
	wire_add_text(request, "to", cli_value(cli, "to"));
	wire_add_text(request, "mode", cli_value(cli, "mode"));
	wire_add_text(request, "point", cli_value(cli, "point"));
	if (add_shed(cli, request, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	return EXITCODE_DONE;
}

static int
run_plan(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = failover_reply};
	struct wire_value *request = live_request(cli, "failover plan");
	int status;

	if (request == NULL)
		return EXITCODE_FAILED;
	status = add_which(cli, request);
	if (status == EXITCODE_DONE)
		return live_ask(&l, &request);
	wire_free(&request);
	return status;
}

static const struct cli_option plan_options[] = {{"to", 0, "SITE",
						     "the site to move to"},
    {"tier", 0, "N", "every service of this tier"},
    {"all", 0, NULL, "every service that runs elsewhere"},
    {"mode", 0, "MODE", "planned (the default) or unplanned"},
    {"point", 0, "P", "this recovery point (default: the best)"},
    {"shed", 0, "NAME,...",
	"who has no room there: does not come, or is stopped first"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_failover_plan = {"failover plan",
    "[SERVICE...]", "what a move would meet: guards, points, capacity",
    plan_options, 0, CLI_ANY, run_plan};

void
failover_say_end(struct live *l, const char *type, struct wire_value *v)
{
	(void)l;
	if (strcmp(type, "summary") != 0)
		return;
	if (wire_has(v, "verdict"))
		fprintf(stderr, "%s\n", live_text(v, "verdict"));
	if (wire_has(v, "next"))
		fprintf(stderr, "next: %s\n", live_text(v, "next"));
}

struct requesting {
	struct sign_key *key; /* NULL: it is not signed */
	char run[64];
};

static void
requesting_fini(struct requesting *r)
{
	sign_key_free(&r->key);
}

/* The id alone goes to stdout: it is for scripts, too.  What comes next is said
 * when it is signed. */
static int
take_requested(struct live *l, const char *type, struct wire_value *v)
{
	struct requesting *r = l->ctx;

	l->passes = true;
	if (strcmp(type, "summary") != 0)
		return EXITCODE_DONE;
	snprintf(r->run, sizeof(r->run), "%s", wire_take_text(v, "run", ""));
	if (l->cli->json)
		return EXITCODE_DONE;
	if (r->run[0] != '\0')
		printf("%s\n", r->run);
	fflush(stdout);
	if (r->key == NULL)
		failover_say_end(l, type, v);
	else
		fprintf(stderr, "%s\n", live_text(v, "verdict"));
	return EXITCODE_DONE;
}

static int
run_request(struct cli *cli)
{
	OWNED(requesting_fini) struct requesting r = {0};
	struct live l = {.cli = cli, .take = take_requested, .ctx = &r};
	struct wire_value *request;
	struct err e;
	int status;

	if (cli_value(cli, "reason") == NULL)
		return cli_wrong_use(cli, "why? --reason TEXT");
	if (wordkey_read(cli, &r.key, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	request = live_request(cli, "failover request");
	if (request == NULL)
		return EXITCODE_FAILED;
	status = add_which(cli, request);
	if (status != EXITCODE_DONE) {
		wire_free(&request);
		return status;
	}
	wire_add_text(request, "reason", cli_value(cli, "reason"));
	wire_add_text(request, "change", cli_value(cli, "change"));
	wire_add_text(request, "accept_loss", cli_value(cli, "accept-loss"));
	if (cli_has(cli, "dry-run")) {
		wire_add_bool(request, "dry_run", true);
		l = (struct live){.cli = cli, .reply = failover_reply};
	}
	status = live_ask(&l, &request);
	return status == EXITCODE_DONE && r.key != NULL && r.run[0] != '\0'
	    ? failover_sign(cli, r.run, &r.key)
	    : status;
}

static const struct cli_option request_options[] = {WORDKEY_OPTIONS,
    {"to", 0, "SITE", "the site to move to"},
    {"tier", 0, "N", "every service of this tier"},
    {"all", 0, NULL, "every service that runs elsewhere"},
    {"mode", 0, "MODE", "planned (the default) or unplanned"},
    {"point", 0, "P", "this recovery point (default: the best)"},
    {"reason", 0, "TEXT", "why; approvers and the report show it"},
    {"change", 0, "REF", "the change or incident it belongs to"},
    {"accept-loss", 0, "TEXT", "accept the loss that is shown, in words"},
    {"shed", 0, "NAME,...",
	"who has no room there: does not come, or is stopped first"},
    {"dry-run", 'n', NULL, "show what would be requested"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_failover_request = {"failover request",
    "[SERVICE...]", "ask for a move; prints the run's id", request_options, 0,
    CLI_ANY, run_request};
