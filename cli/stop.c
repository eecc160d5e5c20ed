#include "stop.h"

static volatile sig_atomic_t stopped_by;

static void
stop(int num)
{
	stopped_by = num;
}

const volatile sig_atomic_t *
cli_stop_catch(void)
{
	struct sigaction sa = {.sa_handler = stop}; /* calls are not resumed */

	sigemptyset(&sa.sa_mask);
	sa.sa_flags = (int)SA_RESETHAND; /* the second Ctrl-C ends it at once */
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	return &stopped_by;
}

int
cli_stop_failed(const struct cli *cli, const struct err *e)
{
	return stopped_by != 0
	    ? cli_fail_as(cli, e, EXITCODE_SIGNAL + (int)stopped_by)
	    : cli_fail(cli, e);
}
