#ifndef CLI_MADE_H
#define CLI_MADE_H

/* What commands that make a snapshot are told, and what they say of it. */

#include <bascule/base/id.h>
#include <bascule/job.h>
#include <bascule/store.h>
#include <bascule/wire.h>

#include "cli.h"

struct cli_made {
	bool dry_run;
	const char *would;  /* "would back up" */
	const char *format; /* of the archive it was; NULL: none */
	const char *service, *dataset;
	struct id snapshot;
	struct capture_counts counts;
};

/* --tag, as often as it was given: borrowed from cli. */
enum err_code cli_made_tags(const struct cli *cli,
    const char *tags[SNAPSHOT_TAGS_MAX], size_t *count,
    struct err *e) MUST_CHECK;
/* May this be a dataset's name? */
enum err_code cli_made_dataset(const struct buf *name,
    struct err *e) MUST_CHECK;

/* In a line of text, or (the caller may add to it) as a summary. */
void cli_made_print(const struct cli *cli, const struct cli_made *m);
enum err_code cli_made_new(struct wire_value **out, const struct cli_made *m,
    struct err *e) MUST_CHECK;

#endif
