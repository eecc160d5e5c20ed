/* bascule ledger rebuild: what is worked out from the records, once more. */

#include <stdio.h>
#include <string.h>

#include "live.h"

static void
reply(struct live *l, const char *type, struct wire_value *v)
{
	(void)v;
	if (strcmp(type, "summary") == 0 && !l->cli->quiet)
		puts("the ledger's views are made anew from its records");
}

static int
run(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = reply, .patient = true};
	struct wire_value *request = live_request(cli, "ledger rebuild");

	return request == NULL ? EXITCODE_FAILED : live_ask(&l, &request);
}

const struct cli_command command_ledger_rebuild = {"ledger rebuild", "",
    "make the ledger's views anew from its records", NULL, 0, 0, run};
