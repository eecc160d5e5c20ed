#include "frame_maker.h"

#include <stdlib.h>
#include <string.h>

struct frame_maker {
	struct session *session;
	const struct writer_options *opt;
	struct frame_coder *coder;
	struct seal_key *seal_key;
	struct buf text;
};

enum err_code
frame_maker_new(struct frame_maker **out, struct session *se,
    const struct writer_options *opt, struct err *e)
{
	OWNED(frame_maker_free) struct frame_maker *fm = NULL;
	enum err_code rc;

	*out = NULL;
	fm = calloc(1, sizeof(*fm));
	if (fm == NULL)
		return err_nomem(e);
	fm->session = se;
	fm->opt = opt;
	rc = frame_coder_new(&fm->coder, e);
	if (rc == ERR_NONE)
		rc = seal_key_clone(&fm->seal_key, se->key, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(fm);
	return ERR_NONE;
}

void
frame_maker_free(struct frame_maker **fmp)
{
	struct frame_maker *fm = TAKE(*fmp);

	if (fm == NULL)
		return;
	frame_coder_free(&fm->coder);
	seal_key_free(&fm->seal_key);
	buf_fini(&fm->text);
	free(fm);
}

/* What came out must go back in: bad memory must not be deduplicated onto. */
static enum err_code
verify_frame(struct frame_maker *fm, const struct batch *b,
    const struct frame_plain *p, struct err *e)
{
	struct frame_view v;
	const uint8_t *again;
	size_t again_bytes;
	enum err_code rc =
	    frame_parse(&v, b->frame.bytes, b->frame.len_bytes, e);

	if (rc == ERR_NONE)
		rc = frame_open(&v, fm->seal_key, fm->session->store->family,
		    &fm->text, e);
	if (rc == ERR_NONE)
		rc = frame_unpack(fm->coder, &v, &fm->text, &b->prefix, &again,
		    &again_bytes, e);
	if (rc == ERR_NONE &&
	    (again_bytes != p->raw_bytes ||
		memcmp(again, p->raw, p->raw_bytes) != 0))
		rc = err_set(e, ERR_CORRUPT, "its content is not the same");
	if (rc == ERR_NONE)
		return ERR_NONE;
	err_wrap(e, "a frame just made cannot be read back");
	return err_hint(e,
	    "this points to bad memory or a bad processor: "
	    "nothing was saved; test the machine");
}

enum err_code
frame_maker_run(struct frame_maker *fm, struct batch *b, struct err *e)
{
	struct store *st = fm->session->store;
	struct frame_plain p = {.kind = b->kind,
	    .refs = b->refs.bytes,
	    .refs_count = (uint32_t)(b->refs.len_bytes / ID_BYTES),
	    .codec = fm->opt->codec,
	    .level = fm->opt->level,
	    .padded = st->geometry.padded && b->kind == STORE_DATA &&
		b->chunks_count == 1,
	    .sliceable = st->geometry.sliced && b->kind == STORE_DATA,
	    .family = st->family};
	enum err_code rc;

	p.raw = batch_raw(b, &p.raw_bytes);
	p.bases = (const uint8_t *)b->bases.ids;
	p.bases_count = b->bases.count;
	p.depth = b->bases.depth;
	p.prefix = b->prefix.bytes;
	p.prefix_bytes = b->prefix.len_bytes;
	rc = frame_encode(fm->coder, &p, fm->seal_key, &b->frame, e);
	if (rc == ERR_NONE)
		rc = verify_frame(fm, b, &p, e);
	if (rc == ERR_NONE)
		rc = frame_hash_make(&b->hash, b->frame.bytes,
		    b->frame.len_bytes, e);
	return rc;
}
