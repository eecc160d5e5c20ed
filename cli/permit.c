/*
 * bascule permit: may the service start here?  For ExecStartPre= of its own
 * unit: silent and 0, or 11 and why not.
 */

#include <stdio.h>
#include <string.h>

#include "live.h"

static void
on_permit(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "permit") == 0 && !l->cli->quiet)
		printf("%s may start at %s, epoch %s\n",
		    live_text(v, "service"), live_text(v, "site"),
		    live_text(v, "epoch_text"));
}

static int
run_permit(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = on_permit};
	struct wire_value *request = live_request(cli, "permit");

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "service", cli->operands[0]);
	return live_ask(&l, &request);
}

const struct cli_command command_permit = {"permit", "SERVICE",
    "may it start here? 0, or 11 and why not", NULL, 1, 1, run_permit};
