#ifndef LIB_MOUNT_SCOUT_H
#define LIB_MOUNT_SCOUT_H

/*
 * Which extended attributes there are in the whole tree.  `ls -l` asks for two
 * of each file; who is told once that this file system has none of the kind asks
 * no more.  It is found out a few entries at each question, so that no answer
 * waits for a walk over a large tree.
 */

#include "numbered.h"

struct scout {
	struct numbered *tree; /* borrowed */
	struct cursor *cursor;
	bool ended;   /* it knows what it ever will */
	bool unknown; /* something could not be read */
	bool has_any, has_acls, has_labels;
};

void scout_fini(struct scout *s);

/* On through some more entries. */
void scout_go_on(struct scout *s);

/* No entry has any. */
bool scout_has_none(const struct scout *s);
/*
 * No entry has one of this kind: a POSIX ACL, an SELinux label.  Of any other
 * name false: then ENODATA is as good an answer.
 */
bool scout_lacks(const struct scout *s, const char *name);

#endif
