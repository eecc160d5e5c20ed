#ifndef LIB_SOURCE_SOURCE_LOCAL_H
#define LIB_SOURCE_SOURCE_LOCAL_H

/*
 * One file of this machine: completing its item and reading it.
 */

#include <sys/stat.h>

#include "source_dir.h"
#include "source_impl.h"
#include "source_names.h"

/* The stat part of item from what the kernel said. */
void source_local_fill(struct source_item *item, const struct statx *st);

/* Whatever an earlier source_open added goes. */
void source_local_forget(struct entry *en);

/*
 * As source_open.  dir_fd: of the directory that holds it; name: NUL-ended,
 * "." for "/" itself; borrowed.
 */
enum err_code source_local_open(struct source_item *item, int dir_fd,
    const char *name, struct source_names *names, struct source_file **out,
    struct arc_warn warn, struct err *e) MUST_CHECK;

#endif
