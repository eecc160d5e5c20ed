#ifndef LIB_MOUNT_ANSWERS_H
#define LIB_MOUNT_ANSWERS_H

/* What the kernel asks through FUSE, and what it is told. */

#define FUSE_USE_VERSION 35
#include <fuse3/fuse_lowlevel.h>

#include "contents.h"
#include "folders.h"
#include "scout.h"

/* The session's user data. */
struct answers {
	struct numbered tree;
	struct folders folders;
	struct contents contents;
	struct scout scout;
	struct buf room; /* for one answer */
};

void answers_fini(struct answers *a);

const struct fuse_lowlevel_ops *answers_ops(void);

#endif
