#ifndef LIB_SSH_HOSTPINS_H
#define LIB_SSH_HOSTPINS_H

/* What sshconn asks of the pinned keys. */

#include <bascule/base/id.h>
#include <bascule/ssh.h>

/* Key types libssh2 can check, best first; comma-separated where joined. */
#define HOSTPINS_TYPES_COUNT 4
extern const char *const hostpins_types[HOSTPINS_TYPES_COUNT];

enum hostpins_verdict {
	HOSTPINS_UNKNOWN, /* no pin says anything about this key */
	HOSTPINS_GOOD,
	HOSTPINS_REVOKED
};

enum hostpins_verdict hostpins_judge(const struct hostpins *hp,
    const struct id *sha256);

/*
 * May a key of this type be among the pinned ones?  A fingerprint does not
 * say its type, so with one of those every type may.
 */
bool hostpins_may_be(const struct hostpins *hp, const char *type);

/* The pinned fingerprints for a message: "a, b and 3 more", or "none". */
enum err_code hostpins_describe(const struct hostpins *hp, struct buf *out,
    struct err *e) MUST_CHECK;

/* "SHA256:..." of a hash; out holds SSH_FINGERPRINT_BYTES. */
enum err_code hostpins_spell(const struct id *sha256,
    char out[SSH_FINGERPRINT_BYTES], struct err *e) MUST_CHECK;

/* The type a key's own bytes name; false if they name none that fits. */
bool hostpins_type_of(const void *key, size_t key_bytes, char *type,
    size_t size);

#endif
