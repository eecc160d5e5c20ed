#ifndef CRYPT_KEYRING_ITEMS_H
#define CRYPT_KEYRING_ITEMS_H

/* A keyring as items of a key file, and back.  docs/format/keys.md. */

#include "container.h"
#include "keyring.h"

/* Also fills c's family and roles. */
enum err_code keyring_items_write(const struct keyring *k, struct container *c,
    struct err *e) MUST_CHECK;

/*
 * Into an empty keyring, which on failure is good for keyring_free only.
 * ERR_CORRUPT: items missing, repeated or at odds with the roles.
 */
enum err_code keyring_items_read(struct keyring *k, const struct container *c,
    struct err *e) MUST_CHECK;

/* Both are used by whoever makes a keyring. */
enum err_code keyring_items_add_domain(struct keyring *k, uint32_t generation,
    const struct secret *key, struct err *e) MUST_CHECK;
enum err_code keyring_items_set_reader(struct keyring *k,
    const struct secret *own, struct err *e) MUST_CHECK;

#endif
