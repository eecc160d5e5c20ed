#ifndef LIB_SOURCE_SOURCE_HERE_H
#define LIB_SOURCE_SOURCE_HERE_H

/* A tree on this machine: what source_walk asks of the kernel. */

#include "source_walk.h"

/* ctx: a struct source_names, allocated; the walk's from then on. */
extern const struct walk_ops source_here_ops;

#endif
