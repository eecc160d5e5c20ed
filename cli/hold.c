/* bascule hold inspect, resolve; bascule permit. */

#include <stdio.h>
#include <string.h>

#include "failover.h"
#include "wordkey.h"

static void
print_side(struct wire_value *v)
{
	bool is_known = *wire_take_text(v, "active_site", "") != '\0';

	printf("  %s", live_text(v, "site"));
	if (wire_has(v, "age_seconds"))
		printf(", heard %s ago", live_span(v, "age_seconds"));
	if (is_known)
		printf(": says %s at %s, epoch %s (the higher one counts)\n",
		    live_text(v, "authority"), live_text(v, "active_site"),
		    live_text(v, "epoch_text"));
	else
		puts(": has said nothing of it yet");
	printf("      may write there: %s\n", live_text(v, "writes"));
	if (wire_has(v, "last_write"))
		printf("      newest recovery point there: %s\n",
		    live_time(v, "last_write"));
	if (wire_has(v, "text"))
		printf("      %s\n", live_text(v, "text"));
	if (wire_has(v, "silence"))
		printf("      %s\n", live_text(v, "silence"));
}

static void
on_hold(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "held") == 0)
		printf("%s: %s%s%s\n", live_text(v, "service"),
		    live_text(v, "authority"),
		    wire_has(v, "reason") ? ": " : "",
		    wire_has(v, "reason") ? live_text(v, "reason") : "");
	else if (strcmp(type, "side") == 0)
		print_side(v);
	else
		failover_reply(l, type, v);
}

static int
run_inspect(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = on_hold};
	struct wire_value *request = live_request(cli, "hold inspect");

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "of", cli->operands[0]);
	return live_ask(&l, &request);
}

const struct cli_command command_hold_inspect = {"hold inspect", "ID|SERVICE",
    "what both sites know of a service that is held", NULL, 1, 1, run_inspect};

/* --- resolve ------------------------------------------------------------------------ */

static int
take_held(struct live *l, const char *type, struct wire_value *v)
{
	struct failover_run *r = l->ctx;

	if (strcmp(type, "held") != 0)
		return EXITCODE_DONE;
	snprintf(r->run, sizeof(r->run), "%s", wire_take_text(v, "run", ""));
	snprintf(r->services, sizeof(r->services), "%s",
	    wire_take_text(v, "service", ""));
	snprintf(r->mode, sizeof(r->mode), "%s",
	    wire_take_text(v, "authority", ""));
	snprintf(r->here, sizeof(r->here), "%s", wire_take_text(v, "here", ""));
	snprintf(r->roles, sizeof(r->roles), "%s",
	    wire_take_text(v, "roles", ""));
	snprintf(r->from, sizeof(r->from), "%s",
	    wire_take_text(v, "active_site", ""));
	snprintf(r->to, sizeof(r->to), "%s", cli_value(l->cli, "owner"));
	r->epoch = wire_take_uint(v, "epoch", 0);
	return EXITCODE_DONE;
}

static int
look_at(struct cli *cli, struct failover_run *r)
{
	struct live l = {.cli = cli, .take = take_held, .ctx = r};
	struct wire_value *request = live_request(cli, "hold inspect");

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "of", cli->operands[0]);
	return live_ask(&l, &request);
}

static int
run_resolve(struct cli *cli)
{
	OWNED(failover_run_fini) struct failover_run r = {0};
	struct live l = {.cli = cli, .reply = on_hold};
	OWNED(sign_key_free) struct sign_key *key = NULL;
	struct approvals_signing of = {.run = r.run,
	    .service = r.services,
	    .verb = APPROVALS_RELEASE,
	    .seen = "",
	    .reason = cli_value(cli, "owner"),
	    .note = cli_has(cli, "reason") ? cli_value(cli, "reason") : ""};
	struct wire_value *request;
	char typed[65];
	struct err e;
	int status;

	if (cli_value(cli, "owner") == NULL)
		return cli_wrong_use(cli,
		    "at which site is it to run? --owner SITE");
	if (cli_value(cli, "confirm") == NULL && !failover_can_ask())
		return cli_wrong_use(cli,
		    "this is no terminal to ask at: --confirm SITE, the same "
		    "as --owner");
	if (wordkey_read(cli, &key, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	status = look_at(cli, &r);
	if (status == EXITCODE_DONE)
		status = failover_confirm(cli, &r,
		    "One of two people's words: this releases",
		    cli_value(cli, "owner"), typed);
	if (status != EXITCODE_DONE)
		return status;
	request = live_request(cli, "hold resolve");
	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "of", cli->operands[0]);
	wire_add_text(request, "owner", cli_value(cli, "owner"));
	wire_add_text(request, "confirm", typed);
	wire_add_text(request, "reason", cli_value(cli, "reason"));
	live_add_dry_run(cli, request);
	if (wordkey_sign(key, &of, request, &e) != ERR_NONE) {
		wire_free(&request);
		return cli_fail(cli, &e);
	}
	return live_ask(&l, &request);
}

static const struct cli_option resolve_options[] = {WORDKEY_OPTIONS,
    {"owner", 0, "SITE", "the site at which it is to run"},
    {"confirm", 0, "SITE", "the same, typed once more"},
    {"reason", 0, "TEXT", "what was looked at, for the report"},
    {"dry-run", 'n', NULL, "only say what would be released"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_hold_resolve = {"hold resolve", "ID|SERVICE",
    "release a held service; two people within 30 minutes", resolve_options, 1,
    1, run_resolve};
