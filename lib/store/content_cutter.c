#include "content_cutter.h"

#include "chunker.h"

#define FIXED_MIN 512
#define FIXED_MAX (4U << 20)

_Static_assert(FIXED_MIN > CONTENT_INLINE_BYTES,
    "a fixed chunk is never inline");

struct content_cutter {
	struct chunker *chunker; /* NULL: fixed_bytes */
	uint32_t fixed_bytes;
	uint32_t at_bytes; /* of the current chunk of that many */
	uint32_t min_bytes, max_bytes;
};

static enum err_code
chunker_make(struct content_cutter *c, const struct store *st, struct err *e)
{
	OWNED(secret_fini) struct secret key = {0};
	enum err_code rc;

	rc = keyring_subkey(st->keyring, NULL, KEYRING_CHUNKER, &key, e);
	if (rc != ERR_NONE)
		return rc;
	return chunker_new(&c->chunker, &key, &st->geometry, e);
}

enum err_code
content_cutter_make(struct content_cutter **out, const struct store *st,
    enum chunking how, uint32_t fixed_bytes, struct err *e)
{
	OWNED(content_cutter_free) struct content_cutter *c = NULL;
	enum err_code rc = ERR_NONE;

	*out = NULL;
	if (how == CHUNKING_FIXED &&
	    (fixed_bytes < FIXED_MIN || fixed_bytes > FIXED_MAX))
		return err_set(e, ERR_INPUT,
		    "fixed chunks of %u bytes: may be %u to %u", fixed_bytes,
		    FIXED_MIN, FIXED_MAX);
	if ((c = calloc(1, sizeof *c)) == NULL)
		return err_nomem(e);
	c->fixed_bytes = c->min_bytes = c->max_bytes = fixed_bytes;
	if (how == CHUNKING_CUT) {
		c->min_bytes = st->geometry.chunk_min_bytes;
		c->max_bytes = st->geometry.chunk_max_bytes;
		rc = chunker_make(c, st, e);
	}
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(c);
	return ERR_NONE;
}

void
content_cutter_free(struct content_cutter **cp)
{
	struct content_cutter *c = TAKE(*cp);

	if (c == NULL)
		return;
	chunker_free(&c->chunker);
	free(c);
}

uint32_t
content_cutter_min_bytes(const struct content_cutter *c)
{
	return c->min_bytes;
}

uint32_t
content_cutter_max_bytes(const struct content_cutter *c)
{
	return c->max_bytes;
}

void
content_cutter_reset(struct content_cutter *c)
{
	c->at_bytes = 0;
	if (c->chunker != NULL)
		chunker_reset(c->chunker);
}

size_t
content_cutter_scan(struct content_cutter *c, const void *bytes,
    size_t len_bytes, bool *cut)
{
	size_t left = c->fixed_bytes - c->at_bytes;

	if (c->chunker != NULL)
		return chunker_scan(c->chunker, bytes, len_bytes, cut);
	*cut = len_bytes >= left;
	if (!*cut)
		left = len_bytes;
	c->at_bytes = *cut ? 0 : c->at_bytes + (uint32_t)left;
	return left;
}
