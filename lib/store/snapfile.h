#ifndef STORE_SNAPFILE_H
#define STORE_SNAPFILE_H

/*
 * The files of docs/format/pages.md that are signed: snapshots and points.
 * Pure but for the keys: bytes in, bytes out.
 */

#include "parts.h"

#define SNAPFILE_BYTES_MAX   ((size_t)2 << 20)
#define SNAPFILE_DETAILS_MAX ((size_t)1 << 20)
#define SNAPFILE_STANZAS_MAX 65536
#define SNAPFILE_HOST_MAX    256
#define SNAPFILE_TAG_MAX     256
#define SNAPFILE_REASON_MAX  1024

/* Where the sealed details lie in the file's bytes, borrowed. */
struct snapfile_sealed {
	struct id domain;
	struct id key_id;
	const uint8_t *stanzas;
	size_t stanzas_bytes;
	const uint8_t *nonce;
	const uint8_t *aad; /* the file from its beginning */
	size_t aad_bytes;
	const uint8_t *text;
	size_t text_bytes;
};

/* Sealed for the session's recipients, signed by its keyring's writer. */
enum err_code snapfile_encode(struct buf *out, struct session *se,
    const struct snapshot *s, struct err *e) MUST_CHECK;

/*
 * The clear part; the signature is checked.  *s is the caller's to fini, but
 * its id: that is the hash of the bytes and stays as it was.  ERR_CORRUPT,
 * ERR_TOONEW.
 */
enum err_code snapfile_decode(struct snapshot *s,
    struct snapfile_sealed *sealed, const uint8_t *family, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

/* The details into *s.  ERR_KEY: not for the store's keyring. */
enum err_code snapfile_open(struct snapshot *s,
    const struct snapfile_sealed *sealed, const struct store *st,
    struct err *e) MUST_CHECK;

/* The plain details: separate for tests. */
enum err_code snapfile_details_encode(struct buf *out, const struct snapshot *s,
    struct err *e) MUST_CHECK;
enum err_code snapfile_details_decode(struct snapshot *s, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

/* May this be a dataset's name? */
bool snapfile_dataset_is_valid(const char *name);

#endif
