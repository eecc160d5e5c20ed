#include "parts.h"

#include <string.h>

#include <bascule/base/le.h>

#define VERSION 1

static const uint8_t magic[8] = {0x42, 0x61, 0x73, 0x63, 0x75, 0x6c, 0x65,
    0x0a};

void
head_put(uint8_t at[HEAD_BYTES], enum head_kind kind,
    const uint8_t family[STORE_FAMILY_BYTES])
{
	memset(at, 0, HEAD_BYTES);
	memcpy(at, magic, sizeof(magic));
	le_put16(at + 8, (uint16_t)kind);
	le_put16(at + 10, VERSION);
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
	if (le_get16(bytes + 10) > VERSION)
		return err_set(e, ERR_TOONEW,
		    "has version %u, this program knows up to %d",
		    le_get16(bytes + 10), VERSION);
	if (le_get32(bytes + 12) != 0)
		return err_set(e, ERR_CORRUPT, "has bits set in its reserve");
	if (family != NULL &&
	    memcmp(bytes + 16, family, STORE_FAMILY_BYTES) != 0)
		return err_set(e, ERR_CORRUPT,
		    "belongs to another repository family");
	return ERR_NONE;
}
