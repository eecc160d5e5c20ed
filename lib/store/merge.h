#ifndef STORE_MERGE_H
#define STORE_MERGE_H

/*
 * Many segments become one, in tiers: a look-up asks every segment, so their
 * number must grow with the logarithm of the chunks, not with the runs.  They
 * are read and written in order, some hundred KiB at a time: memory grows with
 * the packs, and a byte for four records.
 */

#include "manifest.h"
#include "segment.h"

#define MERGE_FANOUT     8
#define MERGE_INPUTS_MAX 64

struct merge_choice {
	struct manifest_segment segments[MERGE_INPUTS_MAX];
	size_t count;
};

/* The smallest tier with enough segments in it; false: nothing to do. */
bool merge_choose(const struct manifest *m, struct merge_choice *out);

/* Is there room for what they make, while they are still there? */
bool merge_has_room(const struct store *st, const struct merge_choice *choice);

/*
 * All records of the chosen segments but of packs that m has removed, as a
 * segment that is not yet live; out->records_count 0: none was left, and none
 * is written.  ERR_NOTFOUND: one is gone; ERR_CORRUPT: one is damaged.
 */
enum err_code merge_run(struct session *se, const struct manifest *m,
    const struct merge_choice *choice, struct manifest_segment *out,
    struct err *e) MUST_CHECK;

#endif
