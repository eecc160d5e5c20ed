#ifndef CLI_LIVE_H
#define CLI_LIVE_H

/* Asking the daemon: what every live command does. */

#include <bascule/wire.h>

#include "cli.h"

struct live {
	struct cli *cli;
	struct cli_table *table; /* printed before the last line; or NULL */
	int status;              /* what the summary's "exit" says */
	/* A reply in text mode; the last one too.  May be NULL. */
	void (*reply)(struct live *l, const char *type, struct wire_value *v);
	/* Instead: takes every reply in, and nothing is shown, but as JSON what
	 * it sets `passes` for.  Returns an exit code. */
	int (*take)(struct live *l, const char *type, struct wire_value *v);
	bool passes;
	bool answered; /* something was shown */
	bool patient;  /* waits for as long as it takes */
	bool said_as_of;
	void *ctx;
};

/*
 * Send the request and show the replies: JSON lines as they are, or text by
 * l->reply.  Takes *request.  Returns the exit code.
 */
int live_ask(struct live *l, struct wire_value **request);

/* {"cmd":cmd}; NULL after having said why not. */
struct wire_value *live_request(struct cli *cli, const char *cmd);
/* --dry-run, if it was given. */
void live_add_dry_run(struct cli *cli, struct wire_value *request);

/* A "progress" reply; l->ctx is the struct cli_progress. */
void live_progress(struct live *l, struct wire_value *v);

/* A row of the table, cells apart by tabs. */
void live_row(struct live *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A table that begins with this heading; false after having said why not. */
bool live_table(struct live *l, const char *heading);

/* "as recorded at SITE by TIME", before the first message that says so. */
void live_as_of(struct live *l, struct wire_value *v);

/* A field for people: escaped, "-" when absent.  Valid until the next sixteen. */
const char *live_text(struct wire_value *v, const char *name);
/* An instant in local time, "-" when absent. */
const char *live_time(struct wire_value *v, const char *name);
/* Seconds as "3h 5m", "-" when absent. */
const char *live_span(struct wire_value *v, const char *name);
const char *live_size(struct live *l, struct wire_value *v, const char *name);

#endif
