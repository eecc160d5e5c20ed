#include "pack_damage.h"

#include <string.h>

#include <bascule/base/fdio.h>

enum err_code
pack_damage_begin(struct pack_damage *d, const struct pack *pk,
    const struct pack_footer *f, struct err *e)
{
	*d = (struct pack_damage){.pack = pk,
	    .footer = f,
	    .next_marks = f->marks,
	    .frames_end = f->frames_count,
	    .bytes = malloc(FRAME_BLOCK_BYTES)};
	return d->bytes != NULL ? ERR_NONE : err_nomem(e);
}

void
pack_damage_fini(struct pack_damage *d)
{
	free(d->bytes);
	memset(d, 0, sizeof(*d));
}

static void
step_frame(struct pack_damage *d, uint32_t len_bytes)
{
	d->next_frame++;
	d->next_block = 0;
	d->next_marks += frame_hash_marks(len_bytes) * (size_t)FRAME_MARK_BYTES;
}

void
pack_damage_only(struct pack_damage *d, uint32_t frame)
{
	while (d->next_frame < frame && d->next_frame < d->frames_end) {
		struct pack_frame f;

		pack_footer_frame(d->footer, d->next_frame, &f);
		step_frame(d, f.len_bytes);
	}
	if (frame < d->frames_end)
		d->frames_end = frame + 1;
}

/* A frame of one block has no mark: its own hash says it. */
static bool
is_good(const struct pack_damage *d, const struct pack_frame *f, uint32_t block,
    uint32_t len_bytes)
{
	uint64_t at = f->offset_bytes + (uint64_t)block * FRAME_BLOCK_BYTES;
	struct frame_hash hash;
	struct err e = {0};

	if (fdio_pread(d->pack->fd, d->bytes, len_bytes, at, &e) != ERR_NONE ||
	    frame_hash_make(&hash, d->bytes, len_bytes, &e) != ERR_NONE)
		return false;
	if (frame_hash_marks(f->len_bytes) == 0)
		return id_equal(&hash.id, &f->hash);
	return memcmp(hash.marks[0],
		   d->next_marks + (size_t)block * FRAME_MARK_BYTES,
		   FRAME_MARK_BYTES) == 0;
}

/* A block that is bad: does it only make longer what was found? */
static bool
joins(const struct pack_damage *d, uint64_t offset_bytes, uint32_t len_bytes)
{
	return d->len_bytes > 0 &&
	    d->offset_bytes + d->len_bytes == offset_bytes &&
	    d->len_bytes + len_bytes <= FRAME_BLOCK_BYTES;
}

/* The next block in the file.  False: it is bad, and not of what was found. */
static bool
look_at_next(struct pack_damage *d)
{
	struct pack_frame f;
	uint32_t block = d->next_block, at = block * FRAME_BLOCK_BYTES, len;
	bool good;

	pack_footer_frame(d->footer, d->next_frame, &f);
	len = f.len_bytes - at < FRAME_BLOCK_BYTES ? f.len_bytes - at
						   : FRAME_BLOCK_BYTES;
	good = is_good(d, &f, block, len);
	if (!good && d->len_bytes > 0 && !joins(d, f.offset_bytes + at, len))
		return false;
	if (!good && d->len_bytes == 0) {
		d->offset_bytes = f.offset_bytes + at;
		d->first_frame = d->next_frame;
		d->block = block;
	}
	if (!good) {
		d->len_bytes += len;
		d->last_frame = d->next_frame;
	}
	if (++d->next_block == frame_hash_blocks(f.len_bytes))
		step_frame(d, f.len_bytes);
	return true;
}

/* What was found is told when a good block, or one too many, comes behind. */
bool
pack_damage_next(struct pack_damage *d)
{
	d->len_bytes = 0;
	while (d->next_frame < d->frames_end) {
		uint32_t found = d->len_bytes;

		if (!look_at_next(d) || (found > 0 && found == d->len_bytes))
			break;
	}
	return d->len_bytes > 0;
}
