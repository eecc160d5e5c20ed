#ifndef CRYPT_HPKE_H
#define CRYPT_HPKE_H

/*
 * HPKE (RFC 9180), base mode, one message: DHKEM(X25519, HKDF-SHA256),
 * HKDF-SHA256, AES-256-GCM.
 */

#include <bascule/crypt.h>

#define HPKE_KEY_BYTES   32
#define HPKE_NONCE_BYTES 12
#define HPKE_TAG_BYTES   16

/* What both sides agree on; wiped by its holder. */
struct hpke {
	uint8_t key[HPKE_KEY_BYTES];
	uint8_t nonce[HPKE_NONCE_BYTES];
};

void hpke_fini(struct hpke *h);

/* The sender's side; ephemeral: used once. enc: its public key. */
enum err_code hpke_send(struct hpke *out, const struct secret *ephemeral,
    const struct recipients_public *to, const struct recipients_bind *bind,
    uint8_t enc[RECIPIENTS_KEY_BYTES], struct err *e) MUST_CHECK;

/* The recipient's side.  ERR_CORRUPT: enc is no usable public key. */
enum err_code hpke_receive(struct hpke *out, const struct secret *own,
    const uint8_t enc[RECIPIENTS_KEY_BYTES], const struct recipients_bind *bind,
    struct err *e) MUST_CHECK;

/* Message 0.  out: plain's length and a tag. */
enum err_code hpke_close(const struct hpke *h,
    const struct recipients_bind *bind, const struct secret *plain,
    uint8_t *out, struct err *e) MUST_CHECK;

/* ERR_CORRUPT.  out: text_bytes less the tag. */
enum err_code hpke_open(const struct hpke *h,
    const struct recipients_bind *bind, const uint8_t *text, size_t text_bytes,
    struct secret *out, struct err *e) MUST_CHECK;

/* The public key of a secret one. */
enum err_code hpke_public(const struct secret *own,
    uint8_t out[RECIPIENTS_KEY_BYTES], struct err *e) MUST_CHECK;

#endif
