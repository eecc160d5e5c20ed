#ifndef LIB_SOURCE_SOURCE_FARFILE_H
#define LIB_SOURCE_SOURCE_FARFILE_H

/*
 * One file of another host: completing its item and reading it.
 *
 * A small file is asked for by name and opened in one go and keeps its line
 * until it is finished or closed; a large one takes a line with its first read,
 * so that files that wait to be read hold none (F2).
 */

#include "source_fartree.h"
#include "source_impl.h"

/* As source_open. */
enum err_code source_farfile_open(struct fartree *ft, struct source_item *item,
    struct source_file **out, struct err *e) MUST_CHECK;

#endif
