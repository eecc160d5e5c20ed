#ifndef CLI_WATCH_H
#define CLI_WATCH_H

/*
 * A job's eyes and ears on the command line: progress, problems as they come,
 * and Ctrl-C as a wish to stop, answered with 128 + the signal's number.
 */

#include <bascule/job.h>

#include "cli.h"

struct cli_watch {
	struct cli *cli;
	struct cli_progress progress;
};

/* Fills *out; w must stay where it is until cli_watch_end. */
void cli_watch_begin(struct cli_watch *w, struct cli *cli, const char *what,
    struct job_watch *out);
void cli_watch_end(struct cli_watch *w);
/* As cli_fail; a stop by a signal has that signal's exit code. */
int cli_watch_failed(const struct cli_watch *w, const struct err *e);
/* A signal asked us to stop. */
bool cli_watch_stopped(void);

#endif
