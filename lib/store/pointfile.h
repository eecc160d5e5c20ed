#ifndef STORE_POINTFILE_H
#define STORE_POINTFILE_H

#include "parts.h"

#define POINTFILE_BYTES_MAX 4096

/* Signed by the keyring's writer.  Sorts p->snapshots. */
enum err_code pointfile_encode(struct buf *out, const struct store *st,
    struct point *p, struct err *e) MUST_CHECK;

/* p->id stays as it was: it is the hash of the bytes. */
enum err_code pointfile_decode(struct point *p, const uint8_t *family,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;

#endif
