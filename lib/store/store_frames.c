#include <string.h>

#include "pack.h"

enum err_code
store_frames_read(struct store_frames *out, int fd, struct err *e)
{
	OWNED(pack_footer_fini) struct pack_footer f = {0};
	struct pack pk;
	enum err_code rc = pack_open_fd(&pk, fd, e);

	memset(out, 0, sizeof(*out));
	if (rc == ERR_NONE)
		rc = pack_footer_load(&f, &pk, e);
	if (rc != ERR_NONE)
		return rc;
	out->frames = calloc(f.frames_count + 1, sizeof(*out->frames));
	if (out->frames == NULL)
		return err_nomem(e);
	out->count = f.frames_count;
	for (uint32_t i = 0; i < f.frames_count; i++) {
		struct pack_frame row;

		pack_footer_frame(&f, i, &row);
		out->frames[i].hash = row.hash;
		out->frames[i].len_bytes = row.len_bytes;
		memcpy(out->frames[i].chunk.bytes,
		    f.ids + (size_t)row.first_chunk * ID_BYTES, ID_BYTES);
	}
	return ERR_NONE;
}

void
store_frames_fini(struct store_frames *f)
{
	free(f->frames);
	memset(f, 0, sizeof(*f));
}
