#ifndef POLICY_WRITE_H
#define POLICY_WRITE_H

/*
 * Records as libconfig text, by the tables: for people and for digests.  They
 * differ in comments and in how paths are spelled, so that two people who
 * disagree about a digest can compare what was hashed with diff.
 */

#include "policy_schema.h"

struct policy_write {
	struct buf *out;
	struct err *e;
	bool canonical; /* no comments, and paths as written */
};

enum policy_write_part { POLICY_WRITE_OWN, POLICY_WRITE_SHARED };

/* Every root setting of this site's own file, or of the shared files. */
enum err_code policy_write_root(struct policy_write *w, const struct policy *p,
    enum policy_write_part part) MUST_CHECK;

/* One setting of a record, with all that is in it. */
enum err_code policy_write_setting(struct policy_write *w,
    const struct policy_setting *s, const void *record,
    const struct policy_mark *mark, int depth) MUST_CHECK;

#endif
