#ifndef STORE_FORMAT_H
#define STORE_FORMAT_H

/*
 * The files `format` and `format.bak`: what a repository is.  Decoding looks
 * at the hash before it believes anything else.
 */

#include <bascule/store.h>

#define FORMAT_BYTES 140

struct format {
	uint8_t family[STORE_FAMILY_BYTES];
	uint8_t site[STORE_FAMILY_BYTES];
	bool read_only; /* features we do not know forbid writing */
	struct store_geometry geometry;
	struct utc created;
};

void format_default_geometry(struct store_geometry *g);

/* ERR_INPUT: the sizes make no sense. */
enum err_code format_check_geometry(const struct store_geometry *g,
    struct err *e) MUST_CHECK;

enum err_code format_encode(const struct format *f, uint8_t out[FORMAT_BYTES],
    struct err *e) MUST_CHECK;

/* ERR_CORRUPT, ERR_TOONEW. */
enum err_code format_decode(struct format *f, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

#endif
