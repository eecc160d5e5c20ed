#include "container.h"

#include <openssl/core_names.h>
#include <string.h>

#include "fetch.h"

#define FILE_KIND       8
#define FILE_VERSION    1
#define HEAD_BYTES      104 /* to the items */
#define ITEMS_BYTES_MAX 32768
#define SALT_BYTES      32
#define AT_KIND         8
#define AT_VERSION      10
#define AT_RESERVED     12
#define AT_FAMILY       16
#define AT_HOLDS        32
#define AT_WRAPPING     34
#define AT_LOG_N        35
#define AT_R            36
#define AT_P            38
#define AT_ROLES        40
#define AT_SALT         44
#define AT_NONCE        76
#define AT_LENGTH       100
_Static_assert(AT_SALT + SALT_BYTES == AT_NONCE, "keys.md");
_Static_assert(AT_NONCE + SEAL_NONCE_BYTES == AT_LENGTH, "keys.md");
_Static_assert(AT_LENGTH + 4 == HEAD_BYTES, "keys.md");

/* Opening costs 16 MiB and, on a busy machine too, less than 100 ms (2^15 took
 * 120 to 150 here); reading allows four times that. */
#define LOG_N          14
#define LOG_N_MIN      10
#define LOG_N_MAX      19
#define R              8
#define P              1
#define P_MAX          4
#define WORK_BYTES_MAX (UINT64_C(64) << 20)

enum wrapping { WRAPPING_NONE = 0, WRAPPING_SCRYPT = 1 };

static const uint8_t magic[8] = {'B', 'a', 's', 'c', 'u', 'l', 'e', '\n'};

void
container_fini(struct container *c)
{
	secret_fini(&c->items);
}

enum err_code
container_add(struct container *c, enum container_type type, const void *bytes,
    size_t len_bytes, struct err *e)
{
	struct secret grown = {0};
	size_t before_bytes = c->items.len_bytes;
	enum err_code rc;

	ASSERT(len_bytes <= CONTAINER_ITEM_BYTES_MAX);
	if (before_bytes + 4 + len_bytes > ITEMS_BYTES_MAX - SEAL_TAG_BYTES)
		return err_set(e, ERR_INPUT, "too much for one key file");
	rc = secret_init(&grown, before_bytes + 4 + len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	if (before_bytes > 0)
		memcpy(grown.bytes, c->items.bytes, before_bytes);
	le_put16(grown.bytes + before_bytes, (uint16_t)type);
	le_put16(grown.bytes + before_bytes + 2, (uint16_t)len_bytes);
	memcpy(grown.bytes + before_bytes + 4, bytes, len_bytes);
	secret_fini(&c->items);
	c->items = grown;
	return ERR_NONE;
}

enum err_code
container_next(struct le_reader *r, struct container_item *out, bool *more,
    struct err *e)
{
	*more = false;
	memset(out, 0, sizeof *out);
	while (r->left_bytes > 0) {
		out->type = le_take16(r);
		out->len_bytes = le_take16(r);
		out->bytes = le_take(r, out->len_bytes);
		if (r->bad || out->len_bytes > CONTAINER_ITEM_BYTES_MAX)
			return err_set(e, ERR_CORRUPT,
			    "an item of the key file is malformed");
		if ((out->type & CONTAINER_OPTIONAL) != 0)
			continue;
		if (out->type == 0 || out->type > CONTAINER_SIGNING)
			return err_set(e, ERR_TOONEW,
			    "the key file holds an item of type %u, unknown "
			    "here",
			    (unsigned)out->type);
		*more = true;
		return ERR_NONE;
	}
	return ERR_NONE;
}

/* The key that wraps the items, as the head's parameters say. */
static enum err_code
wrapping_key(const uint8_t *head, const struct secret *passphrase,
    struct seal_key **out, struct err *e)
{
	OWNED(fetch_free_kdf_ctx) EVP_KDF_CTX *ctx = NULL;
	OWNED(secret_fini) struct secret key = {0};
	uint64_t n = UINT64_C(1) << head[AT_LOG_N];
	uint64_t memory_bytes = WORK_BYTES_MAX + (UINT64_C(1) << 20);
	uint32_t r = le_get16(head + AT_R), p = le_get16(head + AT_P);
	const struct fetch *f;
	enum err_code rc;

	*out = NULL;
	rc = fetch_get(&f, e);
	if (rc == ERR_NONE)
		rc = secret_init(&key, SEAL_KEY_BYTES, e);
	if (rc != ERR_NONE)
		return rc;

	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD,
		passphrase->bytes, passphrase->len_bytes),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
		(void *)(uintptr_t)(head + AT_SALT), SALT_BYTES),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
	    OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
	    OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM,
		&memory_bytes),
	    OSSL_PARAM_construct_end(),
	};
	ctx = EVP_KDF_CTX_new(f->scrypt);
	if (ctx == NULL ||
	    EVP_KDF_derive(ctx, key.bytes, SEAL_KEY_BYTES, params) != 1)
		return fetch_failed(e, "stretch a passphrase");
	return seal_key_new(out, &key, e);
}

static enum err_code
passphrase_check(const struct secret *passphrase, struct err *e)
{
	if (passphrase->len_bytes >= 1 &&
	    passphrase->len_bytes <= PASSPHRASE_BYTES_MAX)
		return ERR_NONE;
	return err_set(e, ERR_KEY, "a passphrase is 1 to %d bytes, not %zu",
	    PASSPHRASE_BYTES_MAX, passphrase->len_bytes);
}

static enum err_code
head_make(const struct container *c, const struct secret *passphrase,
    uint8_t *head, struct err *e)
{
	OWNED(secret_fini) struct secret salt = {0};
	size_t items_bytes = c->items.len_bytes;
	enum err_code rc;

	memcpy(head, magic, sizeof magic);
	le_put16(head + AT_KIND, FILE_KIND);
	le_put16(head + AT_VERSION, FILE_VERSION);
	memcpy(head + AT_FAMILY, c->family, RECIPIENTS_FAMILY_BYTES);
	le_put16(head + AT_HOLDS, (uint16_t)c->kind);
	le_put32(head + AT_ROLES, c->roles);
	if (passphrase != NULL) {
		rc = secret_random(&salt, SALT_BYTES, e);
		if (rc != ERR_NONE)
			return rc;
		head[AT_WRAPPING] = WRAPPING_SCRYPT;
		head[AT_LOG_N] = LOG_N;
		le_put16(head + AT_R, R);
		le_put16(head + AT_P, P);
		memcpy(head + AT_SALT, salt.bytes, SALT_BYTES);
		seal_nonce(head + AT_NONCE);
		items_bytes += SEAL_TAG_BYTES;
	}
	le_put32(head + AT_LENGTH, (uint32_t)items_bytes);
	return ERR_NONE;
}

static enum err_code
items_wrap(const struct secret *items, const struct secret *passphrase,
    uint8_t *head, struct err *e)
{
	OWNED(seal_key_free) struct seal_key *key = NULL;
	const struct seal_input in = {
	    .nonce = head + AT_NONCE,
	    .aad = head,
	    .aad_bytes = HEAD_BYTES,
	    .text = items->bytes,
	    .text_bytes = items->len_bytes,
	};
	enum err_code rc;

	rc = wrapping_key(head, passphrase, &key, e);
	return rc != ERR_NONE ? rc : seal_close(key, &in, head + HEAD_BYTES, e);
}

enum err_code
container_pack(const struct container *c, const struct secret *passphrase,
    struct secret *file, struct err *e)
{
	OWNED(secret_fini) struct secret bytes = {0};
	size_t tag_bytes = passphrase == NULL ? 0 : SEAL_TAG_BYTES;
	size_t body_bytes = HEAD_BYTES + c->items.len_bytes + tag_bytes;
	struct id hash;
	enum err_code rc;

	if (passphrase != NULL) {
		rc = passphrase_check(passphrase, e);
		if (rc != ERR_NONE)
			return rc;
	}
	rc = secret_init(&bytes, body_bytes + HASH_BYTES, e);
	if (rc == ERR_NONE)
		rc = head_make(c, passphrase, bytes.bytes, e);
	if (rc == ERR_NONE && passphrase != NULL)
		rc = items_wrap(&c->items, passphrase, bytes.bytes, e);
	if (rc == ERR_NONE && passphrase == NULL)
		memcpy(bytes.bytes + HEAD_BYTES, c->items.bytes,
		    c->items.len_bytes);
	if (rc == ERR_NONE)
		rc = hash_sha256(bytes.bytes, body_bytes, &hash, e);
	if (rc != ERR_NONE)
		return rc;
	memcpy(bytes.bytes + body_bytes, hash.bytes, HASH_BYTES);
	secret_fini(file);
	*file = bytes;
	bytes = (struct secret){0};
	return ERR_NONE;
}

static bool
is_zero(const uint8_t *bytes, size_t len_bytes)
{
	for (size_t i = 0; i < len_bytes; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* Are the wrapping's fields ones we would use, and can afford? */
static bool
wrapping_is_sane(const uint8_t *head)
{
	uint64_t work_bytes;
	unsigned r = le_get16(head + AT_R), p = le_get16(head + AT_P);

	if (head[AT_WRAPPING] == WRAPPING_NONE)
		return is_zero(head + AT_LOG_N, AT_ROLES - AT_LOG_N) &&
		    is_zero(head + AT_SALT, AT_LENGTH - AT_SALT);
	if (head[AT_LOG_N] < LOG_N_MIN || head[AT_LOG_N] > LOG_N_MAX)
		return false;
	work_bytes = (UINT64_C(128) << head[AT_LOG_N]) * r;
	return r >= 1 && work_bytes <= WORK_BYTES_MAX && p >= 1 && p <= P_MAX;
}

/* What lies there instead: nothing, the beginning of one, a share of one. */
static enum err_code
not_a_key_file(const struct secret *file, struct err *e)
{
	static const char share[] = "BASCULE-SHARE";

	if (file->len_bytes == 0)
		return err_set(e, ERR_CORRUPT, "the key file is empty");
	if (memmem(file->bytes, file->len_bytes, share, strlen(share)) != NULL)
		return err_set(e, ERR_CORRUPT,
		    "this is a share of a key: key combine makes the key file "
		    "of enough of them");
	if (file->len_bytes < HEAD_BYTES + HASH_BYTES &&
	    memcmp(file->bytes, magic,
		file->len_bytes < sizeof magic ? file->len_bytes
					       : sizeof magic) == 0)
		return err_set(e, ERR_CORRUPT,
		    "the key file is cut short: %zu bytes are left",
		    file->len_bytes);
	return err_set(e, ERR_CORRUPT, "not a key file of bascule");
}

/* Its length is a claim, too, but tells the likely accident from others. */
static enum err_code
damaged(const struct secret *file, struct err *e)
{
	size_t items_bytes = le_get32(file->bytes + AT_LENGTH);
	size_t whole_bytes = HEAD_BYTES + items_bytes + HASH_BYTES;

	if (items_bytes <= ITEMS_BYTES_MAX && file->len_bytes < whole_bytes)
		return err_set(e, ERR_CORRUPT,
		    "the key file is cut short: %zu of %zu bytes are left",
		    file->len_bytes, whole_bytes);
	return err_set(e, ERR_CORRUPT,
	    "the key file is damaged: its hash does not match");
}

/* Everything that can be judged without the passphrase, in keys.md's order. */
static enum err_code
head_check(const struct secret *file, enum container_kind kind, struct err *e)
{
	const uint8_t *head = file->bytes;
	size_t body_bytes, items_bytes;
	struct id hash;
	enum err_code rc;

	if (file->len_bytes == 0 || file->len_bytes < HEAD_BYTES + HASH_BYTES ||
	    memcmp(head, magic, sizeof magic) != 0)
		return not_a_key_file(file, e);
	body_bytes = file->len_bytes - HASH_BYTES;
	rc = hash_sha256(head, body_bytes, &hash, e);
	if (rc != ERR_NONE)
		return rc;
	if (memcmp(hash.bytes, head + body_bytes, HASH_BYTES) != 0)
		return damaged(file, e);
	if (le_get16(head + AT_KIND) != FILE_KIND)
		return not_a_key_file(file, e);
	if (le_get16(head + AT_VERSION) > FILE_VERSION ||
	    head[AT_WRAPPING] > WRAPPING_SCRYPT)
		return err_set(e, ERR_TOONEW,
		    "the key file was written by a newer bascule");
	items_bytes = le_get32(head + AT_LENGTH);
	if (le_get16(head + AT_VERSION) != FILE_VERSION ||
	    le_get32(head + AT_RESERVED) != 0 || !wrapping_is_sane(head) ||
	    items_bytes > ITEMS_BYTES_MAX ||
	    HEAD_BYTES + items_bytes != body_bytes)
		return err_set(e, ERR_CORRUPT, "the key file is malformed");
	if (le_get16(head + AT_HOLDS) != (uint16_t)kind)
		return err_set(e, ERR_CORRUPT,
		    kind == CONTAINER_KEYRING
			? "the key file holds no repository key"
			: "the key file holds no signing key");
	return ERR_NONE;
}

static enum err_code
items_unwrap(const uint8_t *head, const struct secret *passphrase,
    struct secret *items, struct err *e)
{
	OWNED(seal_key_free) struct seal_key *key = NULL;
	const struct seal_input in = {
	    .nonce = head + AT_NONCE,
	    .aad = head,
	    .aad_bytes = HEAD_BYTES,
	    .text = head + HEAD_BYTES,
	    .text_bytes = le_get32(head + AT_LENGTH),
	};
	enum err_code rc;

	if (passphrase == NULL) {
		err_set(e, ERR_KEY, "the key file needs its passphrase");
		return err_hint(e,
		    "put it into a file of mode 0600 and name "
		    "that in BASCULE_PASSPHRASE_FILE");
	}
	if (in.text_bytes < SEAL_TAG_BYTES)
		return err_set(e, ERR_CORRUPT, "the key file is malformed");
	rc = passphrase_check(passphrase, e);
	if (rc == ERR_NONE)
		rc = wrapping_key(head, passphrase, &key, e);
	if (rc == ERR_NONE)
		rc = secret_init(items, in.text_bytes - SEAL_TAG_BYTES, e);
	if (rc != ERR_NONE)
		return rc;
	rc = seal_open(key, &in, items->bytes, e);
	if (rc == ERR_CORRUPT) /* the file's own hash was good */
		return err_set(e, ERR_KEY, "wrong passphrase for the key file");
	return rc;
}

enum err_code
container_unpack(struct container *out, const struct secret *file,
    const struct secret *passphrase, enum container_kind kind, struct err *e)
{
	const uint8_t *head = file->bytes;
	enum err_code rc;

	container_fini(out);
	rc = head_check(file, kind, e);
	if (rc != ERR_NONE)
		return rc;
	out->kind = kind;
	memcpy(out->family, head + AT_FAMILY, RECIPIENTS_FAMILY_BYTES);
	out->roles = le_get32(head + AT_ROLES);
	rc = head[AT_WRAPPING] == WRAPPING_NONE
	    ? secret_set(&out->items, head + HEAD_BYTES,
		  le_get32(head + AT_LENGTH), e)
	    : items_unwrap(head, passphrase, &out->items, e);
	if (rc != ERR_NONE)
		container_fini(out);
	return rc;
}

bool
container_is_wrapped(const struct secret *file)
{
	return file->len_bytes > HEAD_BYTES &&
	    memcmp(file->bytes, magic, sizeof magic) == 0 &&
	    file->bytes[AT_WRAPPING] != WRAPPING_NONE;
}
