#ifndef CRYPT_SIGN_H
#define CRYPT_SIGN_H

#include <bascule/crypt.h>

/* Borrowed: for key files only. */
const struct secret *sign_key_seed(const struct sign_key *key);
/* True of NULL, too. */
bool sign_key_is_locked(const struct sign_key *key);

#endif
