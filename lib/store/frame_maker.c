#include "frame_maker.h"

#include <stdlib.h>
#include <string.h>

#define READER_BYTES ((size_t)8 << 20)

struct frame_maker {
	struct session *session;
	const struct writer_options *opt;
	struct frame_coder *coder;
	struct seal_key *seal_key;
	struct hash_key *base_key;
	struct delta_cache *cache; /* NULL: none */
	struct reader *reader;     /* of bases; made at first use */
	struct buf text, prefix;
};

enum err_code
frame_maker_new(struct frame_maker **out, struct session *se,
    const struct writer_options *opt, const struct hash_key *data_key,
    struct err *e)
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
	if (rc == ERR_NONE)
		rc = hash_key_clone(&fm->base_key, data_key, e);
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
	hash_key_free(&fm->base_key);
	reader_free(&fm->reader);
	buf_fini(&fm->text);
	buf_fini(&fm->prefix);
	free(fm);
}

void
frame_maker_cache(struct frame_maker *fm, struct delta_cache *cache)
{
	fm->cache = cache;
}

/* --- Bases --------------------------------------------------------------- */

/* One base's plaintext.  ERR_NOMEM is a failure, all else: it cannot be had. */
static enum err_code
add_base(struct frame_maker *fm, const struct id *id, struct err *e)
{
	struct store *st = fm->session->store;
	const uint8_t *bytes;
	size_t len_bytes;
	enum err_code rc = ERR_NONE;

	if (!keyring_can_read(st->keyring))
		return fm->cache == NULL
		    ? err_set(e, ERR_KEY, "this key cannot read")
		    : delta_cache_get(fm->cache, fm->base_key, id, &fm->prefix,
			  e);
	if (fm->reader == NULL) {
		rc = reader_new(&fm->reader, st, e);
		if (rc != ERR_NONE)
			return rc;
		reader_limit(fm->reader, READER_BYTES);
	}
	rc = reader_get(fm->reader, id, &bytes, &len_bytes, e);
	if (rc == ERR_NONE &&
	    len_bytes > FRAME_PREFIX_MAX - fm->prefix.len_bytes)
		rc = err_set(e, ERR_INPUT, "the bases are too large");
	return rc == ERR_NONE ? buf_add(&fm->prefix, bytes, len_bytes, e) : rc;
}

/* All bases' plaintexts; without any one of them it is no difference. */
static enum err_code
gather_bases(struct frame_maker *fm, struct batch *b, struct err *e)
{
	struct err why = {0};
	enum err_code rc = ERR_NONE;

	buf_clear(&fm->prefix);
	for (size_t i = 0; i < b->bases.count && rc == ERR_NONE; i++)
		rc = add_base(fm, &b->bases.ids[i], &why);
	if (rc != ERR_NONE)
		b->bases.count = b->bases.depth = 0;
	if (rc != ERR_NOMEM)
		return ERR_NONE;
	*e = why;
	return rc;
}

/* --- The frame ----------------------------------------------------------- */

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
		rc = frame_unpack(fm->coder, &v, &fm->text, &fm->prefix, &again,
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
	    .family = st->family};
	enum err_code rc = gather_bases(fm, b, e);

	if (rc != ERR_NONE)
		return rc;
	p.raw = batch_raw(b, &p.raw_bytes);
	p.bases = (const uint8_t *)b->bases.ids;
	p.bases_count = b->bases.count;
	p.depth = b->bases.depth;
	p.prefix = fm->prefix.bytes;
	p.prefix_bytes = fm->prefix.len_bytes;
	rc = frame_encode(fm->coder, &p, fm->seal_key, &b->frame, e);
	if (rc == ERR_NONE)
		rc = verify_frame(fm, b, &p, e);
	if (rc == ERR_NONE)
		rc = frame_hash_make(&b->hash, b->frame.bytes,
		    b->frame.len_bytes, e);
	return rc;
}
