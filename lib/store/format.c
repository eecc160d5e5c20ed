#include "format.h"

#include <string.h>

#include <bascule/base/le.h>

#include "parts.h"

#define KIB                1024u
#define MIB                (1024u * 1024u)
#define HASHED_BYTES       (FORMAT_BYTES - ID_BYTES)
#define PACK_TARGET_MAX    (48u * MIB) /* a last frame and the footer below 64 */
#define PACK_TARGET_MIN    (64u * KIB)
#define FRAME_TARGET_MAX   (4u * MIB)
#define FRAME_TARGET_MIN   (4u * KIB)
#define CHUNK_MIN_BYTES    256u
#define CHUNK_MAX_BYTES    (4u * MIB)
#define READ_ONLY_FEATURES UINT64_C(0) /* that we know */
#define INCOMPAT_SLICED    UINT64_C(1)
#define INCOMPAT_FEATURES  INCOMPAT_SLICED

void
format_default_geometry(struct store_geometry *g)
{
	*g = (struct store_geometry){.chunk_min_bytes = 64 * KIB,
	    .chunk_mean_bytes = 128 * KIB,
	    .chunk_max_bytes = 512 * KIB,
	    .pack_target_bytes = 32 * MIB,
	    .frame_target_bytes = 2 * MIB};
}

enum err_code
format_check_geometry(const struct store_geometry *g, struct err *e)
{
	if (g->chunk_min_bytes < CHUNK_MIN_BYTES ||
	    g->chunk_mean_bytes < g->chunk_min_bytes ||
	    g->chunk_max_bytes < g->chunk_mean_bytes ||
	    g->chunk_max_bytes > CHUNK_MAX_BYTES ||
	    (g->chunk_mean_bytes & (g->chunk_mean_bytes - 1)) != 0)
		return err_set(e, ERR_INPUT,
		    "chunk sizes of %u, %u and %u bytes make no sense: 256 <= "
		    "minimum <= mean (a power of two) <= maximum <= 4 MiB",
		    g->chunk_min_bytes, g->chunk_mean_bytes,
		    g->chunk_max_bytes);
	if (g->pack_target_bytes < PACK_TARGET_MIN ||
	    g->pack_target_bytes > PACK_TARGET_MAX)
		return err_set(e, ERR_INPUT,
		    "a pack target of %u bytes is not in 64 KiB to 48 MiB",
		    g->pack_target_bytes);
	if (g->frame_target_bytes < FRAME_TARGET_MIN ||
	    g->frame_target_bytes > FRAME_TARGET_MAX)
		return err_set(e, ERR_INPUT,
		    "a frame target of %u bytes is not in 4 KiB to 4 MiB",
		    g->frame_target_bytes);
	return ERR_NONE;
}

enum err_code
format_encode(const struct format *f, uint8_t out[FORMAT_BYTES], struct err *e)
{
	const struct store_geometry *g = &f->geometry;
	struct id hash;
	enum err_code rc = format_check_geometry(g, e);

	if (rc != ERR_NONE)
		return rc;
	memset(out, 0, FORMAT_BYTES);
	head_put(out, HEAD_FORMAT, f->family);
	memcpy(out + 32, f->site, STORE_FAMILY_BYTES);
	/* 48 and 56: no other features yet */
	le_put64(out + 64, g->sliced ? INCOMPAT_SLICED : 0);
	le_put32(out + 72, g->chunk_min_bytes);
	le_put32(out + 76, g->chunk_mean_bytes);
	le_put32(out + 80, g->chunk_max_bytes);
	le_put32(out + 84, g->pack_target_bytes);
	le_put32(out + 88, g->frame_target_bytes);
	out[92] = g->padded ? 1 : 0;
	le_put64(out + 100, (uint64_t)f->created.ns);
	rc = hash_sha256(out, HASHED_BYTES, &hash, e);
	if (rc == ERR_NONE)
		memcpy(out + HASHED_BYTES, hash.bytes, ID_BYTES);
	return rc;
}

/* The fields behind the head; the hash was right. */
static enum err_code
decode_fields(struct format *f, const uint8_t *at, struct err *e)
{
	static const uint8_t zeros[7];
	struct store_geometry *g = &f->geometry;

	memcpy(f->family, at + 16, STORE_FAMILY_BYTES);
	memcpy(f->site, at + 32, STORE_FAMILY_BYTES);
	if ((le_get64(at + 64) & ~INCOMPAT_FEATURES) != 0)
		return err_set(e, ERR_TOONEW,
		    "the repository uses features that this program does not "
		    "know (%#llx)",
		    (unsigned long long)le_get64(at + 64));
	f->read_only = (le_get64(at + 56) & ~READ_ONLY_FEATURES) != 0;
	g->chunk_min_bytes = le_get32(at + 72);
	g->chunk_mean_bytes = le_get32(at + 76);
	g->chunk_max_bytes = le_get32(at + 80);
	g->pack_target_bytes = le_get32(at + 84);
	g->frame_target_bytes = le_get32(at + 88);
	g->padded = at[92] == 1;
	g->sliced = (le_get64(at + 64) & INCOMPAT_SLICED) != 0;
	f->created.ns = (int64_t)le_get64(at + 100);
	if (at[92] > 1 || memcmp(at + 93, zeros, sizeof(zeros)) != 0)
		return err_set(e, ERR_CORRUPT, "has bits set in its reserve");
	if (format_check_geometry(g, e) != ERR_NONE) {
		e->code = ERR_CORRUPT;
		return e->code;
	}
	return ERR_NONE;
}

enum err_code
format_decode(struct format *f, const void *bytes, size_t len_bytes,
    struct err *e)
{
	const uint8_t *at = bytes;
	enum err_code rc;

	memset(f, 0, sizeof(*f));
	rc = head_check_hashed(at, len_bytes, HEAD_FORMAT, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	if (len_bytes != FORMAT_BYTES)
		return err_set(e, ERR_CORRUPT, "is %zu bytes long, not %d",
		    len_bytes, FORMAT_BYTES);
	return decode_fields(f, at, e);
}
