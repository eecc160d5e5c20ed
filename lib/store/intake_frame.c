/*
 * Frames of packs that are here, for a pack that arrives: after a collection at
 * home its new packs are mostly made of them.
 */

#include "pack.h"

#define COPIES_MAX 8 /* that are looked at for a frame */

/* A pack that is here with the frame, open, and where it lies. */
static bool
find(struct store *st, const struct store_frame *f, struct pack *pk,
    struct pack_frame *row)
{
	struct index_copy c;
	unsigned n = 0;

	for (struct index_walk w = {0};
	     n < COPIES_MAX && index_next(st, &f->chunk, &w, &c); n++) {
		char path[PACK_PATH_BYTES];
		struct err none = {0};

		if (!index_pack_present(st, c.number) ||
		    pack_open(pk, st->packs_fd,
			pack_path(&index_pack(st, c.number)->name, path), 0,
			&none) != ERR_NONE)
			continue;
		if (pack_frame_at(pk, c.frame, row, &none) == ERR_NONE &&
		    row->len_bytes == f->len_bytes &&
		    id_equal(&row->hash, &f->hash))
			return true;
		pack_close(pk);
	}
	return false;
}

bool
intake_frame_is_here(struct intake *in, const struct store_frame *f)
{
	OWNED(pack_close) struct pack pk = {.fd = -1};
	struct pack_frame row;

	return find(intake_session(in)->store, f, &pk, &row);
}

enum err_code
intake_frame_add(struct intake *in, const struct store_frame *f, struct err *e)
{
	OWNED(pack_close) struct pack pk = {.fd = -1};
	OWNED(buf_fini) struct buf bytes = {.max_bytes = FRAME_BYTES_MAX};
	OWNED(free_mem) struct frame_hash *hash = malloc(sizeof(*hash));
	struct pack_frame row;
	enum err_code rc;

	if (hash == NULL)
		return err_nomem(e);
	if (!find(intake_session(in)->store, f, &pk, &row))
		return err_set(e, ERR_NOTFOUND,
		    "a frame that was here is not here any more");
	rc = pack_read_frame(&pk, &row, &bytes, hash, e);
	return rc == ERR_NONE
	    ? intake_pack_add(in, bytes.bytes, bytes.len_bytes, e)
	    : rc;
}
