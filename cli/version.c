#include <stdio.h>

#include <bascule/wire.h>

#include "cli.h"

static int
run(struct cli *cli)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (!cli->json) {
		printf("bascule %s\n", BASCULE_VERSION);
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_text(v, "version", BASCULE_VERSION);
	return cli_line(cli, &v);
}

const struct cli_command command_version = {"version", "", "print the version",
    NULL, 0, 0, run};
