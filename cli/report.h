#ifndef CLI_REPORT_H
#define CLI_REPORT_H

/* What has a --format: table (the default), csv, json or html. */

#include "live.h"

#define REPORT_FORMAT_HELP "table (the default), csv, json or html"

/*
 * Which was asked for; "json" is what --json says, too, and sets it.  NULL after
 * having said that it is none: *status is the exit code.
 */
const char *report_format(struct cli *cli, int *status);

/* Ask for a report in that form and show it.  Takes *request, which may be NULL.
 * Returns the exit code. */
int report_ask(struct cli *cli, struct wire_value **request);

#endif
