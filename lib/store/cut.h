#ifndef STORE_CUT_H
#define STORE_CUT_H

/* cuts/HASH: an administrator's word that something may go before its time. */

#include "parts.h"

#define CUTFILE_BYTES_MAX 4096

/* c->admin_key is the keyring's.  ERR_KEY. */
enum err_code cut_encode(struct buf *out, const struct store *st, struct cut *c,
    struct err *e) MUST_CHECK;
/* ERR_CORRUPT, also when the signature is not admin_key's. */
enum err_code cut_decode(struct cut *out, const uint8_t *family,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;

/*
 * May it go now, by a cut of the store's keyring's administrator?  *wait_ns:
 * how long not yet; -1: nobody asked.
 */
enum err_code cut_wait(int64_t *wait_ns, struct store *st,
    const struct id *snapshot, int64_t now_ns, struct err *e) MUST_CHECK;

#endif
