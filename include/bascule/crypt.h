#ifndef BASCULE_CRYPT_H
#define BASCULE_CRYPT_H

/*
 * Keys and what is done with them: secret, hash, seal, recipients, sign,
 * keyring, shares, keyfile.  Everything is computed by OpenSSL 3; this is the one
 * module that includes it.
 *
 * C1. Secret bytes live in struct secret, or inside a seal_key, hash_key,
 *     sign_key or keyring, and are wiped when those end.
 * C2. Nothing that fails its check is ever handed out: on ERR_CORRUPT and
 *     ERR_KEY the output is empty or wiped.
 * C3. hash, hash_key and seal_key hold a working context: one thread at a time
 *     each (clone them); sign_key, sign_public and keyring may be shared by
 *     threads once made.
 *
 * Formats: docs/format/keys.md.  Names without a code below ("void") cannot
 * fail.  Everything else may say ERR_NOMEM.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <bascule/base/buf.h>
#include <bascule/base/defs.h>
#include <bascule/base/err.h>
#include <bascule/base/id.h>

#define HASH_BYTES              32 /* SHA-256, HMAC-SHA-256: ID_BYTES */
#define HASH_KEY_BYTES          32
#define SEAL_KEY_BYTES          32
#define SEAL_NONCE_BYTES        24
#define SEAL_TAG_BYTES          16
#define RECIPIENTS_KEY_BYTES    32 /* X25519, public or secret */
#define RECIPIENTS_MAX          16 /* for one content key or keyring */
#define RECIPIENTS_FAMILY_BYTES 16
#define SIGN_PUBLIC_BYTES       32 /* Ed25519 */
#define SIGN_BYTES              64
#define SIGN_FINGERPRINT_SIZE   51 /* "SHA256:", 43 digits, NUL */
#define SECRET_BYTES_MAX        65536
#define PASSPHRASE_BYTES_MAX    1024

/* --- secret: bytes that are wiped ----------------------------------------- */

/*
 * Zeroed memory is an empty secret.  The bytes are in pages of their own,
 * locked into memory where the limits allow it and left out of core dumps.
 */
struct secret {
	uint8_t *bytes; /* NULL while empty */
	size_t len_bytes;
};

/* Wipe; the secret is empty and usable again. */
void secret_fini(struct secret *s);

/* Make s (ended first) len_bytes zero bytes.  ERR_INPUT past the maximum. */
enum err_code secret_init(struct secret *s, size_t len_bytes,
    struct err *e) MUST_CHECK;
enum err_code secret_set(struct secret *s, const void *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;

/* len_bytes fresh bytes from OpenSSL's private generator. */
enum err_code secret_random(struct secret *s, size_t len_bytes,
    struct err *e) MUST_CHECK;

/* Shorten, wiping the rest. */
void secret_cut(struct secret *s, size_t len_bytes);

/* False: it may be swapped out, as RLIMIT_MEMLOCK is small.  Empty ones are. */
bool secret_is_locked(const struct secret *s);

/* In a time that does not depend on the content. */
bool secret_equal(const void *a, const void *b, size_t len_bytes);

/* For stack copies that could not be avoided. */
void secret_wipe(void *bytes, size_t len_bytes);

/* --- hash: SHA-256, keyed ids, subkeys ------------------------------------ */

enum err_code hash_sha256(const void *bytes, size_t len_bytes, struct id *out,
    struct err *e) MUST_CHECK;

/*
 *	OWNED(hash_free) struct hash *h = NULL;
 *	hash_begin(&h, e); hash_add(h, ...) ...; hash_end(h, &id);
 * After hash_end the hash is fresh again: one struct serves many files.
 */
struct hash;
enum err_code hash_begin(struct hash **out, struct err *e) MUST_CHECK;
void hash_free(struct hash **h);
void hash_add(struct hash *h, const void *bytes, size_t len_bytes);
void hash_end(struct hash *h, struct id *out);
/* Of a file's first len_bytes; ERR_CORRUPT when it is shorter. */
enum err_code hash_file(int fd, uint64_t len_bytes, struct id *out,
    struct err *e) MUST_CHECK;
/* The hash of what was added so far; adding may go on. */
enum err_code hash_peek(const struct hash *h, struct id *out,
    struct err *e) MUST_CHECK;

/* HMAC-SHA-256 under one key, at the speed of SHA-256. */
struct hash_key;
/* key: 16 to 64 bytes, copied. */
enum err_code hash_key_new(struct hash_key **out, const struct secret *key,
    struct err *e) MUST_CHECK;
enum err_code hash_key_clone(struct hash_key **out, const struct hash_key *from,
    struct err *e) MUST_CHECK;
void hash_key_free(struct hash_key **key);
void hash_id(struct hash_key *key, const void *bytes, size_t len_bytes,
    struct id *out);
/* The id of the parts' concatenation. */
void hash_id_parts(struct hash_key *key, const struct iovec *parts,
    size_t parts_count, struct id *out);

/*
 * HKDF-SHA-256 (empty salt, info = label without NUL): out becomes len_bytes
 * bytes, at most 255 * 32.
 */
enum err_code hash_derive(const struct secret *key, const char *label,
    size_t len_bytes, struct secret *out, struct err *e) MUST_CHECK;

/* --- seal: XAES-256-GCM --------------------------------------------------- */

struct seal_key;
/* content_key: SEAL_KEY_BYTES, copied. */
enum err_code seal_key_new(struct seal_key **out,
    const struct secret *content_key, struct err *e) MUST_CHECK;
enum err_code seal_key_clone(struct seal_key **out, const struct seal_key *from,
    struct err *e) MUST_CHECK;
void seal_key_free(struct seal_key **key);

/*
 * SHA-256("bascule content key id v1" NUL || content key).  The cipher does
 * not commit to its key: put this into the aad.
 */
const struct id *seal_key_id(const struct seal_key *key);

/* A fresh random nonce. */
void seal_nonce(uint8_t nonce[SEAL_NONCE_BYTES]);

struct seal_input {
	const uint8_t *nonce; /* SEAL_NONCE_BYTES, never twice under a key */
	const void *aad;
	size_t aad_bytes;
	const void *text; /* plain to close; sealed text and tag to open */
	size_t text_bytes;
};

/*
 * out: text_bytes + SEAL_TAG_BYTES; may be in->text itself, not overlap it
 * otherwise.  ERR_INPUT past 2^31 - 32 bytes.
 */
enum err_code seal_close(struct seal_key *key, const struct seal_input *in,
    uint8_t *out, struct err *e) MUST_CHECK;

/*
 * out: text_bytes - SEAL_TAG_BYTES.  ERR_CORRUPT: the text, aad, nonce or key
 * is not what was sealed; out is then wiped.
 */
enum err_code seal_open(struct seal_key *key, const struct seal_input *in,
    uint8_t *out, struct err *e) MUST_CHECK;

/*
 * Some of the sealed bytes, from offset_bytes of the text on, without the rest
 * and so without the tag: nobody has said that they are what was sealed.  Only
 * for bytes that are then recognised by a name under another key (a chunk's
 * id).  nonce: SEAL_NONCE_BYTES; out: text_bytes, may be text itself.
 */
enum err_code seal_peek(struct seal_key *key, const uint8_t *nonce,
    uint64_t offset_bytes, const void *text, size_t text_bytes, uint8_t *out,
    struct err *e) MUST_CHECK;

/* --- recipients: content keys wrapped to public keys ---------------------- */

/*
 * A stanza is one content key wrapped to one recipient (RFC 9180 base mode,
 * X25519, HKDF-SHA-256, AES-256-GCM), a stanza list is all of one content
 * key's.  Each stanza says its algorithm and length, so that readers step over
 * what a newer writer added.
 */
struct recipients_public {
	uint8_t bytes[RECIPIENTS_KEY_BYTES];
};

/* What the wrapping is bound to; must be the same to unwrap. */
struct recipients_bind {
	const void *info;
	size_t info_bytes;
	const void *aad;
	size_t aad_bytes;
};

/* A fresh pair. */
enum err_code recipients_new(struct secret *own, struct recipients_public *pub,
    struct err *e) MUST_CHECK;
enum err_code recipients_public_of(const struct secret *own,
    struct recipients_public *pub, struct err *e) MUST_CHECK;

/* Names a public key: in stanzas, messages and the repository's keys/. */
enum err_code recipients_id(const struct recipients_public *pub, struct id *out,
    struct err *e) MUST_CHECK;

/*
 * The public key as people hand it on: "bascule-recipient-", the key and four
 * bytes of check in hex.  ERR_INPUT: it is not that, or was mistyped.
 */
#define RECIPIENTS_TEXT_SIZE 91
enum err_code recipients_text(const struct recipients_public *pub,
    char out[RECIPIENTS_TEXT_SIZE], struct err *e) MUST_CHECK;
enum err_code recipients_parse(struct recipients_public *out, const char *text,
    struct err *e) MUST_CHECK;

/* Append one stanza to out. */
enum err_code recipients_wrap(struct buf *out,
    const struct recipients_public *to, const struct recipients_bind *bind,
    const struct secret *plain, struct err *e) MUST_CHECK;

/*
 * Open one stanza.  ERR_KEY: it is for another recipient, or of an unknown
 * algorithm; ERR_CORRUPT: it is for us but damaged.
 */
enum err_code recipients_unwrap(struct secret *out, const struct secret *own,
    const struct recipients_bind *bind, const void *stanza, size_t len_bytes,
    struct err *e) MUST_CHECK;

/*
 * The first stanza of a list (several, end to end) that is for own.  ERR_KEY:
 * none is; ERR_CORRUPT: malformed, or ours is damaged.
 */
enum err_code recipients_unwrap_list(struct secret *out,
    const struct secret *own, const struct recipients_bind *bind,
    const void *list, size_t len_bytes, struct err *e) MUST_CHECK;

/* What wraps one content key of one family. */
struct recipients_key {
	const uint8_t *family; /* RECIPIENTS_FAMILY_BYTES */
	struct id key_id;      /* seal_key_id of the content key */
};

/* Append the stanza of a content key: for a list, or as a grant. */
enum err_code recipients_wrap_key(struct buf *out,
    const struct recipients_public *to, const struct recipients_key *name,
    const struct secret *content_key, struct err *e) MUST_CHECK;

/*
 * Open the first stanza of a list (several of them, end to end) that is for
 * own.  ERR_KEY: none is; ERR_CORRUPT: the list is malformed, or ours damaged,
 * or the key is not the one named.
 */
enum err_code recipients_unwrap_key(struct secret *content_key,
    const struct secret *own, const struct recipients_key *name,
    const void *list, size_t len_bytes, struct err *e) MUST_CHECK;

/*
 * Who can open a list: the ids of its recipients of known algorithms, at most
 * RECIPIENTS_MAX.  Needs no key.  ERR_CORRUPT: malformed.
 */
enum err_code recipients_list(const void *list, size_t len_bytes,
    struct id ids[RECIPIENTS_MAX], size_t *ids_count, struct err *e) MUST_CHECK;

/* --- sign: Ed25519 -------------------------------------------------------- */

struct sign_public {
	uint8_t bytes[SIGN_PUBLIC_BYTES];
};

struct sign_key;
enum err_code sign_key_new(struct sign_key **out, struct err *e) MUST_CHECK;
/* From its 32-byte seed. */
enum err_code sign_key_from(struct sign_key **out, const struct secret *seed,
    struct err *e) MUST_CHECK;
void sign_key_free(struct sign_key **key);
const struct sign_public *sign_key_public(const struct sign_key *key);

/*
 * What is signed is label, a zero byte, then the message: a signature for one
 * purpose ("bascule snapshot v1") is worthless for another.
 */
enum err_code sign_make(const struct sign_key *key, const char *label,
    const void *bytes, size_t len_bytes, uint8_t signature[SIGN_BYTES],
    struct err *e) MUST_CHECK;
/* ERR_CORRUPT: not signed so by this key. */
enum err_code sign_check(const struct sign_public *pub, const char *label,
    const void *bytes, size_t len_bytes, const uint8_t signature[SIGN_BYTES],
    struct err *e) MUST_CHECK;

/* "SHA256:<base64 of the hash of the 32 public bytes, without padding>". */
enum err_code sign_fingerprint(const struct sign_public *pub,
    char out[SIGN_FINGERPRINT_SIZE], struct err *e) MUST_CHECK;

/* As recipients_text and recipients_parse: "bascule-writer-". */
#define SIGN_TEXT_SIZE 88
enum err_code sign_text(const struct sign_public *pub, char out[SIGN_TEXT_SIZE],
    struct err *e) MUST_CHECK;
enum err_code sign_parse(struct sign_public *out, const char *text,
    struct err *e) MUST_CHECK;

/*
 * The bytes of a key file that holds one signing key and nothing else (a
 * daemon's ledger key).  passphrase may be NULL.  Codes as keyring_load.
 */
enum err_code sign_key_save(const struct sign_key *key,
    const struct secret *passphrase, struct secret *file,
    struct err *e) MUST_CHECK;
enum err_code sign_key_load(struct sign_key **out, const struct secret *file,
    const struct secret *passphrase, struct err *e) MUST_CHECK;

/* --- keyring: what a user of a repository family holds -------------------- */

enum keyring_role {
	KEYRING_WRITE = 1, /* may back up: has a writer key */
	KEYRING_READ = 2,  /* may restore: has a recipient's secret */
	KEYRING_ADMIN = 4, /* may sign early deletions */
};

/* What a trust domain's key is for; each use has a subkey of its own. */
enum keyring_use {
	KEYRING_ID_DATA,
	KEYRING_ID_LEAF,
	KEYRING_ID_INNER,
	KEYRING_ID_LIST, /* chunk lists */
	KEYRING_CHUNKER, /* where chunks are cut */
	KEYRING_SPLIT,   /* where pages are cut */
	KEYRING_LINK,    /* hard-link groups */
};
#define KEYRING_USES 7

struct keyring;

/*
 * A new family with one trust domain.  operations: write, read and admin.
 * escrow: read only, for a safe; it verifies and restores.  Both are among the
 * recipients of all that operations writes.
 */
enum err_code keyring_new_family(struct keyring **operations,
    struct keyring **escrow, struct err *e) MUST_CHECK;

/*
 * A keyring for one more host: from's family, domains and recipients, a writer
 * key of its own, and nothing that reads.  ERR_REFUSED: from cannot write.
 */
enum err_code keyring_new_writer(struct keyring **out,
    const struct keyring *from, struct err *e) MUST_CHECK;

/*
 * A keyring for one more holder: from's family, domains and recipients, and of
 * roles (of enum keyring_role): write, a writer key of its own; read, a
 * recipient's pair of its own, which is so far among its own recipients only;
 * admin, the administrator's key.  ERR_REFUSED: from does not hold that.
 */
enum err_code keyring_new_member(struct keyring **out,
    const struct keyring *from, unsigned roles, struct err *e) MUST_CHECK;
void keyring_free(struct keyring **k);

/* What is sealed from now on is for pub too.  ERR_EXISTS, ERR_INPUT: full. */
enum err_code keyring_add_recipient(struct keyring *k,
    const struct recipients_public *pub, struct err *e) MUST_CHECK;

/*
 * What is sealed from now on is not for the recipient of that id.  What was
 * stays open to it.  ERR_NOTFOUND; ERR_REFUSED: it is k itself, or one of the
 * last two.
 */
enum err_code keyring_remove_recipient(struct keyring *k, const struct id *id,
    struct err *e) MUST_CHECK;

/*
 * k learns the generations and recipients of from and forgets recipients that
 * from does not name (never itself); its roles stay.  ERR_KEY: of another
 * family; ERR_REFUSED: k has a generation that from lacks.
 */
enum err_code keyring_update(struct keyring *k, const struct keyring *from,
    struct err *e) MUST_CHECK;

/* A next generation of the domain's key: nothing new deduplicates with old. */
enum err_code keyring_rotate(struct keyring *k, struct err *e) MUST_CHECK;

/* The bytes of its key file.  passphrase NULL: not wrapped. */
enum err_code keyring_save(const struct keyring *k,
    const struct secret *passphrase, struct secret *file,
    struct err *e) MUST_CHECK;

/*
 * ERR_KEY: wrong passphrase, or one is needed; ERR_CORRUPT: damaged, or not a
 * key file; ERR_TOONEW.
 */
enum err_code keyring_load(struct keyring **out, const struct secret *file,
    const struct secret *passphrase, struct err *e) MUST_CHECK;

/* RECIPIENTS_FAMILY_BYTES of random. */
const uint8_t *keyring_family(const struct keyring *k);
unsigned keyring_roles(const struct keyring *k); /* of enum keyring_role */
bool keyring_can_read(const struct keyring *k);
bool keyring_can_write(const struct keyring *k);
/* Does all that is secret in it lie in locked memory? */
bool keyring_is_locked(const struct keyring *k);

/*
 * The domain new data is written under.  Its name goes with what is written:
 * readers find the subkeys by it, generations later.
 */
const struct id *keyring_domain(const struct keyring *k);
uint32_t keyring_generation(const struct keyring *k);

/* domain NULL: the current one.  ERR_KEY: not held. */
enum err_code keyring_subkey(const struct keyring *k, const struct id *domain,
    enum keyring_use use, struct secret *out, struct err *e) MUST_CHECK;
enum err_code keyring_id_key(const struct keyring *k, const struct id *domain,
    enum keyring_use use, struct hash_key **out, struct err *e) MUST_CHECK;

/* The nth domain held, oldest first; NULL past the last. */
const struct id *keyring_domain_nth(const struct keyring *k, size_t nth);

/*
 * Domain keys go to those who read by way of the repository, so that a key in
 * a safe need not be fetched when the family rotates: append the nth domain's
 * stanza for one recipient.
 */
enum err_code keyring_wrap_domain(const struct keyring *k, size_t nth,
    const struct recipients_public *to, struct buf *list,
    struct err *e) MUST_CHECK;
/*
 * As keyring_subkey of a domain whose key is in a list of such stanzas.
 * ERR_KEY: not in one for k; ERR_CORRUPT.
 */
enum err_code keyring_subkey_wrapped(const struct keyring *k,
    const struct id *domain, const void *list, size_t len_bytes,
    enum keyring_use use, struct secret *out, struct err *e) MUST_CHECK;

/* Borrowed until k changes or ends.  At least two. */
const struct recipients_public *keyring_recipients(const struct keyring *k,
    size_t *count);

/* Borrowed; NULL when the role is not held. */
const struct sign_key *keyring_writer(const struct keyring *k);
const struct sign_key *keyring_admin(const struct keyring *k);
/* Held by every role: whose word counts for early deletion. */
const struct sign_public *keyring_admin_public(const struct keyring *k);
/* NULL unless it can read: what others wrap to. */
const struct recipients_public *keyring_own_public(const struct keyring *k);

/*
 * A session's content key, fresh, and its stanza list for all recipients.
 * ERR_REFUSED: cannot write.
 */
enum err_code keyring_new_content_key(const struct keyring *k,
    struct secret *content_key, struct buf *list, struct err *e) MUST_CHECK;

/*
 * The content key named key_id out of its stanza list.  ERR_KEY: not ours to
 * open (or this keyring cannot read); ERR_CORRUPT.
 */
enum err_code keyring_unwrap(const struct keyring *k, const struct id *key_id,
    const void *list, size_t len_bytes, struct secret *content_key,
    struct err *e) MUST_CHECK;

/*
 * Which of k's recipients can open what this list wraps: opens[i] becomes true
 * for those in it and is left alone for the others.  ERR_CORRUPT.
 */
enum err_code keyring_who_can_open(const struct keyring *k, const void *list,
    size_t len_bytes, bool opens[RECIPIENTS_MAX], struct err *e) MUST_CHECK;

/* Can everyone in k's recipients open what this list wraps?  ERR_CORRUPT. */
enum err_code keyring_all_can_open(const struct keyring *k, const void *list,
    size_t len_bytes, bool *all, struct err *e) MUST_CHECK;

/* --- shares: a keyring in pieces (Shamir) --------------------------------- */

#define SHARES_MAX       16
#define SHARES_SET_BYTES 8

/*
 * texts: `count` secrets, each becomes a text to print: any `threshold` of them
 * make the keyring again, fewer say nothing of it.  ERR_INPUT: not 2 <=
 * threshold <= count <= SHARES_MAX, or the keyring is too long.
 */
enum err_code shares_split(struct secret *texts, const struct keyring *k,
    unsigned threshold, unsigned count, struct err *e) MUST_CHECK;

struct shares_about {
	unsigned threshold, count, index; /* index: 1 to count */
	uint8_t set[SHARES_SET_BYTES];    /* of one splitting */
};

/*
 * One share's text, as it was printed or typed.  ERR_CORRUPT: mistyped, cut
 * short, or no share; ERR_TOONEW.
 */
struct share;
enum err_code shares_read(struct share **out, const struct secret *text,
    struct err *e) MUST_CHECK;
void shares_free(struct share **s);
const struct shares_about *shares_about(const struct share *s);

/* ERR_KEY: too few, of several sets, one twice, or one of them is false. */
enum err_code shares_combine(struct keyring **out, struct share *const *shares,
    size_t count, struct err *e) MUST_CHECK;

/* --- keyfile: key files as files ------------------------------------------ */

/*
 * Read a key file whole.  ERR_KEY with a hint when people other than its owner
 * may read or write it; ERR_NOTFOUND.
 */
enum err_code keyfile_read(const char *path, struct secret *file,
    struct err *e) MUST_CHECK;

/* Write it, mode 0600, whole or not at all.  ERR_EXISTS: never overwrites. */
enum err_code keyfile_write(const char *path, const struct secret *file,
    struct err *e) MUST_CHECK;

/*
 * Put it in the place of the one that is there, whose owner and mode it gets;
 * at every moment one of the two is there whole.  ERR_NOTFOUND.
 */
enum err_code keyfile_replace(const char *path, const struct secret *file,
    struct err *e) MUST_CHECK;

/* Must a passphrase be asked for? */
bool keyfile_is_wrapped(const struct secret *file);

/* --- tlspeek: whose certificate answers there ------------------------------ */

/* Whom its certificate must be for, and by whose word. */
struct tlspeek_whom {
	const char *host;    /* a name or an address */
	const char *ca_file; /* PEM, these alone; NULL: the system's */
};

/*
 * A TLS handshake over a connected, non-blocking socket, and its end: nothing is
 * asked of the server.  *ends_s: when the certificate ends, in seconds since
 * 1970.  ERR_REFUSED: it is not who it should be; ERR_TIMEOUT; ERR_IO.
 * ERR_NOTFOUND, ERR_INPUT, ...: ca_file.
 */
enum err_code tlspeek(int fd, const struct tlspeek_whom *whom,
    int64_t timeout_ns, int64_t *ends_s, struct err *e) MUST_CHECK;

#endif
