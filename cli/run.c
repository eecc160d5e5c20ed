/* bascule run: start a job now, and perhaps wait for its end. */

#include <stdio.h>
#include <string.h>

#include "live.h"

static void
end(struct live *l, struct wire_value *v)
{
	cli_progress_end(l->ctx);
	printf("%s of %s %s in %s: %s, %s new\n", live_text(v, "kind"),
	    live_text(v, "service"), live_text(v, "state"),
	    live_span(v, "seconds"), live_size(l, v, "bytes"),
	    live_size(l, v, "new_bytes"));
	if (*wire_take_text(v, "reason", "") != '\0')
		fprintf(stderr, "bascule: %s\n", live_text(v, "reason"));
}

static void
reply(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "progress") == 0)
		live_progress(l, v);
	else if (strcmp(type, "summary") == 0)
		end(l, v);
	else if (strcmp(type, "job") == 0 && !l->patient)
		printf("%s\n", live_text(v, "job"));
}

/* SERVICE or SERVICE/DATASET: a service's name has no slash. */
static void
add_what(struct wire_value *request, const char *what)
{
	const char *slash = strchr(what, '/');

	if (slash == NULL) {
		wire_add_text(request, "service", what);
		return;
	}
	wire_add_bytes(request, "service", what, (size_t)(slash - what));
	wire_add_text(request, "dataset", slash + 1);
}

static int
run(struct cli *cli)
{
	struct cli_progress progress;
	struct live l = {.cli = cli,
	    .reply = reply,
	    .patient = cli_has(cli, "wait"),
	    .ctx = &progress};
	struct wire_value *request = live_request(cli, "run");
	int status;

	if (request == NULL)
		return EXITCODE_FAILED;
	cli_progress_begin(&progress, cli, "running");
	add_what(request, cli->operands[0]);
	wire_add_text(request, "kind", cli_value(cli, "kind"));
	wire_add_text(request, "how", cli_value(cli, "how"));
	if (l.patient)
		wire_add_bool(request, "wait", true);
	status = live_ask(&l, &request);
	cli_progress_end(&progress);
	return status;
}

static const struct cli_option options[] =
    {{"kind", 0, "KIND", "backup (default), replicate, verify, prune or heal"},
	{"how", 0, "HOW", "verify: reread (default) or restore"},
	{"wait", 0, NULL,
	    "one attempt, until it has ended; its exit code is ours"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_run = {"run", "SERVICE[/DATASET]",
    "start a job now", options, 1, 1, run};
