#ifndef LEDGER_STATEMENT_H
#define LEDGER_STATEMENT_H

/*
 * Words of another site that are kept in records: a body, the key it was signed
 * with and the signature (docs/format/ledger.md, "Statements").
 */

#include <bascule/base/buf.h>
#include <bascule/base/le.h>
#include <bascule/crypt.h>

#define STATEMENT_BODY_MAX 2048

enum err_code statement_seal(const struct sign_key *key, const char *label,
    const struct buf *body, struct buf *out, struct err *e) MUST_CHECK;
/* *body: borrowed, all of it still to be read.  ERR_CORRUPT: malformed, or not
 * signed by the key that stands in it. */
enum err_code statement_open(const char *label, const void *bytes,
    size_t len_bytes, struct le_reader *body, struct sign_public *signer,
    struct err *e) MUST_CHECK;

/* A name of 1 to max_bytes - 1 bytes into to[max_bytes]. */
void statement_take_name(struct le_reader *in, char *to, size_t max_bytes);

#endif
