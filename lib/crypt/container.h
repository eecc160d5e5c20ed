#ifndef CRYPT_CONTAINER_H
#define CRYPT_CONTAINER_H

/*
 * What all key files have in common: head, wrapping, items, hash.
 * docs/format/keys.md.
 */

#include <bascule/base/le.h>
#include <bascule/crypt.h>

#define CONTAINER_ITEM_BYTES_MAX 256

enum container_kind {
	CONTAINER_KEYRING = 1,
	CONTAINER_SIGNER = 2,
};

enum container_type {
	CONTAINER_DOMAIN = 1,
	CONTAINER_RECIPIENT = 2,
	CONTAINER_WRITER = 3,
	CONTAINER_READER = 4,
	CONTAINER_ADMIN = 5,
	CONTAINER_ADMIN_PUBLIC = 6,
	CONTAINER_SIGNING = 7,
	CONTAINER_OPTIONAL = 0x8000, /* may be passed over when unknown */
};

struct container {
	enum container_kind kind;
	uint8_t family[RECIPIENTS_FAMILY_BYTES]; /* zero: none */
	uint32_t roles;
	struct secret items; /* one after the other */
};

void container_fini(struct container *c);

/* Append an item.  ERR_INPUT when the file would become too long. */
enum err_code container_add(struct container *c, enum container_type type,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;

struct container_item {
	uint16_t type;
	size_t len_bytes;
	const uint8_t *bytes;
};

/*
 * The next item; *more is false at the end.  Unknown optional items are
 * passed over.  ERR_CORRUPT; ERR_TOONEW: an unknown one that matters.
 */
enum err_code container_next(struct le_reader *r, struct container_item *out,
    bool *more, struct err *e) MUST_CHECK;

/* The file's bytes.  passphrase may be NULL: not wrapped. */
enum err_code container_pack(const struct container *c,
    const struct secret *passphrase, struct secret *file,
    struct err *e) MUST_CHECK;

/* ERR_KEY, ERR_CORRUPT (also: of another kind), ERR_TOONEW. */
enum err_code container_unpack(struct container *out, const struct secret *file,
    const struct secret *passphrase, enum container_kind kind,
    struct err *e) MUST_CHECK;

/* Is it wrapped?  False when it is no key file. */
bool container_is_wrapped(const struct secret *file);

#endif
