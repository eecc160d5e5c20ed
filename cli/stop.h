#ifndef CLI_STOP_H
#define CLI_STOP_H

/* Ctrl-C and SIGTERM as a wish to stop, for commands that take a flag. */

#include <signal.h>

#include "cli.h"

/* From now on those signals only raise the flag that is returned. */
const volatile sig_atomic_t *cli_stop_catch(void);

/* As cli_fail; after a signal the exit code is 128 and its number. */
int cli_stop_failed(const struct cli *cli, const struct err *e);

#endif
