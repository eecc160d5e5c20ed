#ifndef STORE_PACK_DAMAGE_H
#define STORE_PACK_DAMAGE_H

/* Which of a pack's bytes are not what its footer says. */

#include "pack.h"

struct pack_damage {
	/* What pack_damage_next found: a block, or short frames in a row. */
	uint64_t offset_bytes;
	uint32_t len_bytes; /* at most FRAME_BLOCK_BYTES */
	uint32_t first_frame, last_frame;
	uint32_t block; /* of first_frame, when that is the only one */

	/* The look. */
	const struct pack *pack;
	const struct pack_footer *footer;
	uint8_t *bytes; /* FRAME_BLOCK_BYTES */
	uint32_t next_frame, next_block, frames_end;
	const uint8_t *next_marks; /* of next_frame */
};

/* From the pack's first frame on; pack and footer are borrowed.  ERR_NOMEM. */
enum err_code pack_damage_begin(struct pack_damage *d, const struct pack *pk,
    const struct pack_footer *f, struct err *e) MUST_CHECK;
void pack_damage_fini(struct pack_damage *d);
/* That frame only; of none that the pack does not have. */
void pack_damage_only(struct pack_damage *d, uint32_t frame);
/* What cannot be read is damaged too.  False past the last. */
bool pack_damage_next(struct pack_damage *d);

#endif
