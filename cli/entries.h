#ifndef CLI_ENTRIES_H
#define CLI_ENTRIES_H

/* How commands show what a snapshot holds. */

#include <bascule/store.h>

#include "cli.h"

struct wire_value;

/*
 * A line of text: the path, escaped; with --long what `ls -l` says.  line: its
 * memory is used again, there may be millions.
 */
enum err_code cli_entry_print(const struct cli *cli, const struct entry *entry,
    struct buf *line, struct err *e) MUST_CHECK;
/* The JSON object of type entry, for more to be added. */
enum err_code cli_entry_new(struct wire_value **out, const struct item *it,
    struct err *e) MUST_CHECK;
int cli_entry_line(struct cli *cli, const struct item *it);

/* "sub/tree" of a snapshot's name and a PATH (or NULL), as one path. */
enum err_code cli_entry_path(struct buf *out, const char *subtree,
    const char *path, struct err *e) MUST_CHECK;

#endif
