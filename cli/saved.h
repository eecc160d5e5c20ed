#ifndef CLI_SAVED_H
#define CLI_SAVED_H

/* What a snapshot says of its own backup, for whoever takes something out. */

#include <bascule/store.h>

#include "cli.h"

/* What of a snapshot is asked for. */
struct saved_part {
	const char *subtree;      /* "": all of it */
	const char *const *paths; /* beneath subtree */
	size_t paths_count;       /* 0: all of subtree */
};

/* Warn of what of it was not whole when it was saved: it is no better now. */
void saved_say_problems(const struct cli *cli, const struct snapshot *s,
    const struct saved_part *part);

/*
 * The same, and that it is a checkpoint, if it is.  Returns status, or that not
 * everything is there.
 */
int saved_say(const struct cli *cli, const struct snapshot *s,
    const struct saved_part *part, int status);

#endif
