#ifndef STORE_FOOTERS_H
#define STORE_FOOTERS_H

/*
 * Index records from the packs' own footers, for when the index is damaged.
 * A pack whose footer or frames' heads are not whole is passed over: whoever
 * checks will find it.
 */

#include "parts.h"
#include "segment.h"

struct footers_use {
	bool (*wants)(void *ctx, const struct id *pack);
	/* Asked of those that are wanted and whole. */
	bool (*is_foreign)(void *ctx, const struct id *pack);
	/* So many records that they make a segment; borrowed for the call. */
	enum err_code (
	    *take)(void *ctx, struct segment_parts *parts, struct err *e);
	/*
	 * A pack that cannot be read just now is passed over, too.  Not where
	 * what is left out is never looked for again.
	 */
	bool unreadable_is_left;
	void *ctx;
};

/* *packs_count: of how many packs records were taken. */
enum err_code footers_gather(struct store *st, const struct footers_use *use,
    uint64_t *packs_count, struct err *e) MUST_CHECK;

#endif
