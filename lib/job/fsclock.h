#ifndef JOB_FSCLOCK_H
#define JOB_FSCLOCK_H

/*
 * How late it is at least by the clock that stamps a file: what changes from
 * now on has no earlier change time than that.
 *
 * A local file system's clock is ours.  That of NFS, CIFS and FUSE is
 * another's, which nobody here can ask without writing there; but it has been
 * as late as the latest change time that was seen, for these nobody can choose.
 */

#include <stdbool.h>
#include <stdint.h>

#include <bascule/source.h>

#define FSCLOCK_UNKNOWN INT64_MIN
#define FSCLOCK_MAX     16 /* file systems: of more, nothing is known */

/* Zeroed, it knows of none.  For one thread. */
struct fsclock {
	struct fsclock_of {
		uint64_t dev;
		bool remote;
		int64_t seen_s;
	} of[FSCLOCK_MAX];
	unsigned count;
};

/* An item of a walk, as it is met. */
void fsclock_see(struct fsclock *fc, const struct source_item *item);
/* Of the item's file system, now; FSCLOCK_UNKNOWN. */
int64_t fsclock_now_s(const struct fsclock *fc, const struct source_item *item);

#endif
