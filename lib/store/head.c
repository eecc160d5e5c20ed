#include "parts.h"

#include <string.h>

#include <bascule/base/le.h>

/*
 * Of what is written and read, the only one.  Version 1 of these was never
 * released (docs/format/repository.md).
 */
static uint16_t
version_of(enum head_kind kind)
{
	return kind == HEAD_FORMAT || kind == HEAD_PACK || kind == HEAD_SEGMENT
	    ? 2
	    : 1;
}

static const uint8_t magic[8] = {0x42, 0x61, 0x73, 0x63, 0x75, 0x6c, 0x65,
    0x0a};

void
head_put(uint8_t at[HEAD_BYTES], enum head_kind kind,
    const uint8_t family[STORE_FAMILY_BYTES])
{
	memset(at, 0, HEAD_BYTES);
	memcpy(at, magic, sizeof(magic));
	le_put16(at + 8, (uint16_t)kind);
	le_put16(at + 10, version_of(kind));
	memcpy(at + 16, family, STORE_FAMILY_BYTES);
}

enum err_code
head_check(const uint8_t *bytes, size_t len_bytes, enum head_kind kind,
    const uint8_t *family, struct err *e)
{
	if (len_bytes < HEAD_BYTES)
		return err_set(e, ERR_CORRUPT,
		    "only %zu bytes, shorter than a head", len_bytes);
	if (memcmp(bytes, magic, sizeof(magic)) != 0)
		return err_set(e, ERR_CORRUPT,
		    "does not begin as our files do");
	if (le_get16(bytes + 8) != (uint16_t)kind)
		return err_set(e, ERR_CORRUPT,
		    "is of kind %u, not %u as its place says",
		    le_get16(bytes + 8), (unsigned)kind);
	if (le_get16(bytes + 10) == 0)
		return err_set(e, ERR_CORRUPT, "has version 0");
	if (le_get16(bytes + 10) > version_of(kind))
		return err_set(e, ERR_TOONEW,
		    "has version %u, this program knows up to %u",
		    le_get16(bytes + 10), version_of(kind));
	if (le_get16(bytes + 10) < version_of(kind)) {
		err_set(e, ERR_TOONEW,
		    "has version %u, which was never released; this program "
		    "knows version %u",
		    le_get16(bytes + 10), version_of(kind));
		return err_hint(e, "make a new repository");
	}
	if (le_get32(bytes + 12) != 0)
		return err_set(e, ERR_CORRUPT, "has bits set in its reserve");
	if (family != NULL &&
	    memcmp(bytes + 16, family, STORE_FAMILY_BYTES) != 0)
		return err_set(e, ERR_CORRUPT,
		    "belongs to another repository family");
	return ERR_NONE;
}

enum err_code
head_check_hashed(const uint8_t *bytes, size_t len_bytes, enum head_kind kind,
    const uint8_t *family, struct err *e)
{
	struct id hash;
	enum err_code rc;

	if (len_bytes < HEAD_BYTES + ID_BYTES)
		return err_set(e, ERR_CORRUPT, "is only %zu bytes long",
		    len_bytes);
	rc = hash_sha256(bytes, len_bytes - ID_BYTES, &hash, e);
	if (rc != ERR_NONE)
		return rc;
	if (memcmp(hash.bytes, bytes + len_bytes - ID_BYTES, ID_BYTES) != 0)
		return err_set(e, ERR_CORRUPT, "does not match its own hash");
	return head_check(bytes, len_bytes, kind, family, e);
}
