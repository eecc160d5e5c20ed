#ifndef STORE_HOLDFILE_H
#define STORE_HOLDFILE_H

/* The files of holds/: bytes in, bytes out. */

#include "parts.h"

#define HOLDFILE_BYTES_MAX 8192

/* Signed by the keyring's writer, whose key *h gets.  Sorts h's snapshots. */
enum err_code holdfile_encode(struct buf *out, const struct store *st,
    struct hold *h, struct err *e) MUST_CHECK;
/* h->id stays as it was: it is the hash of the bytes. */
enum err_code holdfile_decode(struct hold *h, const uint8_t *family,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;

/* A file of holds/ by its name.  ERR_NOTFOUND, ERR_CORRUPT. */
enum err_code hold_load(struct hold *out, struct store *st, int dir_fd,
    const struct id *id, struct err *e) MUST_CHECK;

#endif
