#ifndef STORE_MERGE_H
#define STORE_MERGE_H

/*
 * Many small segments become one, in tiers: a look-up asks every segment, so
 * their number must grow with the logarithm of the chunks, not with the runs.
 */

#include "manifest.h"
#include "segment.h"

#define MERGE_FANOUT      8
#define MERGE_INPUTS_MAX  64
#define MERGE_RECORDS_MAX 524288 /* merged in memory: 24 MiB, thrice */

struct merge_choice {
	struct manifest_segment segments[MERGE_INPUTS_MAX];
	size_t count;
};

/* The smallest tier with enough segments in it; false: nothing to do. */
bool merge_choose(const struct manifest *m, struct merge_choice *out);

struct merge {
	struct segment_parts parts;
	struct segment_pack *packs;
	struct buf records;
};
void merge_fini(struct merge *m);

/*
 * All records of the chosen segments but of packs that m has removed.
 * ERR_NOTFOUND: one is gone.
 */
enum err_code merge_build(struct merge *out, struct store *st,
    const struct manifest *m, const struct merge_choice *choice,
    struct err *e) MUST_CHECK;

#endif
