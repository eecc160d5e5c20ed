/* bascule store serve: the far end of a replication. */

#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <bascule/replicate.h>

#include "stop.h"

#define SILENCE_NS (600 * NS_PER_S) /* docs/protocol/store-serve.md */

/*
 * Before the first byte of the peer is read.  The log is opened before, as
 * nothing can be connected to afterwards; what goes to standard error is the
 * peer's to read.
 */
static void
confine(const char *path)
{
	char text[CONFINE_TEXT_BYTES];
	unsigned got;

	openlog("bascule", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	got = confine_to(path);
	syslog((got & CONFINE_FILES) != 0 ? LOG_INFO : LOG_WARNING,
	    "store serve for '%s' is confined in: %s", path,
	    confine_text(got, text));
}

static int
serve(struct cli *cli)
{
	struct serve_options opt = {.cancel = cli_stop_catch()};
	struct transport_fds fds = {STDIN_FILENO, STDOUT_FILENO, SILENCE_NS,
	    opt.cancel};
	struct serve_tally tally;
	struct transport t;
	struct err e;
	const char *allow;

	cli->json_on_stderr = true; /* stdout speaks to the sender */
	if (cli->repository == NULL)
		return cli_wrong_use(cli, "which repository? (-r REPOSITORY)");
	for (size_t i = 0; (allow = cli_value_nth(cli, "allow", i)) != NULL;
	     i++) {
		if (strcmp(allow, "put") != 0)
			return cli_wrong_use(cli,
			    "--allow takes 'put', and nothing else is there "
			    "to be allowed");
		opt.allow |= SERVE_PUT;
	}
	if ((opt.allow & SERVE_PUT) != 0)
		confine(cli->repository);
	if (transport_over_fds(&t, &fds, &e) != ERR_NONE ||
	    serve_run(cli->repository, &t, &opt, &tally, &e) != ERR_NONE)
		return cli_stop_failed(cli, &e);
	return EXITCODE_DONE;
}

static const struct cli_option serve_options[] = {
    {"allow", 0, "WHAT", "what the other side may do: put"},
    {NULL, 0, NULL, NULL},
};

const struct cli_command command_store_serve = {"store serve", "",
    "receive a replication on standard input and output (a forced command)",
    serve_options, 0, 0, serve};
