#ifndef LIB_REPLICATE_CLAIMS_H
#define LIB_REPLICATE_CLAIMS_H

/*
 * Which connection of a pull brings which pack.  Each far sender offers all of
 * them, each in its own time: whoever hears of a pack first gives it to the one
 * that has the least to bring.  Bounded: what does not fit is the first one's.
 */

#include <bascule/base/err.h>
#include <bascule/base/id.h>

#include "push.h"

struct claim {
	struct id pack; /* the first member */
	unsigned lane;
};

struct claims {
	struct claim *items; /* sorted */
	size_t count, room;
	unsigned lanes_count;
	uint64_t lane_bytes[LANES_MAX];
};

#define CLAIMS_MAX 65536

/*
 * Of count packs (entries as in PACKS), those whose bits are set lack here: the
 * bits stay that are the lane's.
 */
enum err_code claims_take(struct claims *c, unsigned lane,
    const uint8_t *entries, size_t count, uint8_t *bits,
    struct err *e) MUST_CHECK;
void claims_fini(struct claims *c);

#endif
