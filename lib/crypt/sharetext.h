#ifndef CRYPT_SHARETEXT_H
#define CRYPT_SHARETEXT_H

/*
 * Bytes as text that a person can print and type in again: numbered lines, each
 * with a check of its own, so that a slip is found where it was made.
 * docs/format/keys.md.
 */

#include <bascule/crypt.h>

#define SHARETEXT_BYTES_MAX 8192

/* notes: lines for people, each begins with '#' and ends with a newline. */
enum err_code sharetext_write(struct secret *text, const char *notes,
    const struct secret *bytes, struct err *e) MUST_CHECK;

/* ERR_CORRUPT: no share, or mistyped; says in which line. */
enum err_code sharetext_read(struct secret *bytes, const struct secret *text,
    struct err *e) MUST_CHECK;

#endif
