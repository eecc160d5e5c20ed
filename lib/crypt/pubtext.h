#ifndef CRYPT_PUBTEXT_H
#define CRYPT_PUBTEXT_H

/* Public keys as people hand them on: a prefix, the key, a check.  keys.md. */

#include <bascule/crypt.h>

#define PUBTEXT_KEY_BYTES   32
#define PUBTEXT_CHECK_BYTES 4
#define PUBTEXT_DIGITS      (2 * (PUBTEXT_KEY_BYTES + PUBTEXT_CHECK_BYTES))

/* out: the prefix's length, PUBTEXT_DIGITS and a NUL. */
enum err_code pubtext_write(const char *prefix,
    const uint8_t key[PUBTEXT_KEY_BYTES], char *out, struct err *e) MUST_CHECK;

/* ERR_INPUT: something else, or mistyped. */
enum err_code pubtext_read(const char *prefix, const char *text,
    uint8_t key[PUBTEXT_KEY_BYTES], struct err *e) MUST_CHECK;

#endif
