#ifndef BASCULE_BASE_ID_H
#define BASCULE_BASE_ID_H

/*
 * A 256-bit name: of a file, frame, page, chunk, snapshot, key or record.  All
 * zero is "none": no hash comes out so.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <bascule/base/defs.h>
#include <bascule/base/text.h>

#define ID_BYTES             32
#define ID_HEX_BYTES         TEXT_HEX_BYTES(ID_BYTES) /* with the NUL */
#define ID_PREFIX_DIGITS_MIN 4 /* fewer are a guess, not a name */

struct id {
	uint8_t bytes[ID_BYTES];
};

/* The first digits of an id as an operator types them. */
struct id_prefix {
	struct id low; /* the digits, then zeros */
	size_t digits_count;
};

/* <0, 0 or >0, bytewise.  Not for secrets: the time taken tells. */
static inline int
id_compare(const struct id *a, const struct id *b)
{
	return memcmp(a->bytes, b->bytes, ID_BYTES);
}

static inline bool
id_equal(const struct id *a, const struct id *b)
{
	return id_compare(a, b) == 0;
}

/* Do count entries of stride_bytes each, that begin with an id, ascend? */
bool id_ascend(const uint8_t *entries, size_t count, size_t stride_bytes);

/* Is it the all-zero id, which names nothing? */
bool id_is_none(const struct id *id);

/* 64 lower-case digits and a NUL.  Returns out. */
const char *id_hex(const struct id *id, char out[ID_HEX_BYTES]);

/* Exactly 64 lower-case digits (one spelling a name: ids are file names). */
bool id_parse(const char *hex, struct id *out) MUST_CHECK;

/* From 4 to 64 digits, either case. */
bool id_parse_prefix(const char *hex, struct id_prefix *out) MUST_CHECK;

/* Does id begin with the prefix? */
bool id_has_prefix(const struct id *id, const struct id_prefix *prefix);

#endif
