/* bascule readiness: could a service come up at a site, now?  And how far its
 * copies are proved. */

#include <stdio.h>
#include <string.h>

#include "live.h"
#include "when.h"

static const char *
painted(const struct cli *cli, const char *verdict)
{
	static char text[64];
	bool good =
	    strcmp(verdict, "OK") == 0 || strcmp(verdict, "not needed") == 0;

	if (!cli->colour)
		return verdict;
	snprintf(text, sizeof(text), "\033[%dm%s\033[0m", good ? 32 : 31,
	    verdict);
	return text;
}

static void
on_readiness(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "summary") == 0) {
		uint64_t count = wire_take_uint(v, "not_ready", 0);

		if (count > 0)
			printf("NOT READY: %llu of %llu\n\n",
			    (unsigned long long)count,
			    (unsigned long long)wire_take_uint(v, "count", 0));
		return;
	}
	if (strcmp(type, "readiness") != 0)
		return;
	live_row(l, "%s\t%s\t%s\t%s\t%s\t%s\t%s%s%s%s%s",
	    painted(l->cli, wire_take_text(v, "verdict", "")),
	    live_text(v, "site"), live_text(v, "service"),
	    live_text(v, "check"), live_span(v, "age_seconds"),
	    live_text(v, "limit"), live_text(v, "value"),
	    wire_has(v, "remedy") ? "; " : "",
	    wire_has(v, "remedy") ? live_text(v, "remedy") : "",
	    wire_has(v, "excepted") ? "; excepted by " : "",
	    wire_has(v, "excepted") ? live_text(v, "excepted") : "");
}

static int
run_readiness(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = on_readiness};
	struct wire_value *request = live_request(cli, "readiness");

	if (request == NULL ||
	    !live_table(&l,
		"VERDICT\tSITE\tSERVICE\tCHECK\tAGE\tASKED\tFOUND")) {
		wire_free(&request);
		return EXITCODE_FAILED;
	}
	if (cli->operands_count > 0)
		wire_add_text(request, "service", cli->operands[0]);
	if (cli_has(cli, "measure")) {
		wire_add_bool(request, "measure", true);
		l.patient = true;
	}
	return live_ask(&l, &request);
}

static const struct cli_option readiness_options[] =
    {{"measure", 0, NULL, "measure this site first, and wait for it"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_readiness = {"readiness", "[SERVICE]",
    "could it come up at each site now, with the age of every value; exit 15 "
    "when not",
    readiness_options, 0, 1, run_readiness};
