#include <bascule/crypt.h>

#include <string.h>

#include <bascule/base/le.h>

#include "hpke.h"
#include "pubtext.h"

/* Stanza: u16 algorithm | u16 body length | body.  docs/format/keys.md */
#define ALG_HPKE_X25519  1
#define HEAD_BYTES       4
#define BODY_FIXED_BYTES (ID_BYTES + RECIPIENTS_KEY_BYTES + HPKE_TAG_BYTES)
#define BODY_BYTES_MAX   8192 /* a hybrid's fits */
#define STANZAS_MAX      64   /* in one list, of unknown algorithms too */
#define PLAIN_BYTES_MAX  (BODY_BYTES_MAX - BODY_FIXED_BYTES)

static const char id_label[] = "bascule recipient x25519 v1";  /* with NUL */
static const char key_label[] = "bascule content key wrap v1"; /* with NUL */

static const char text_prefix[] = "bascule-recipient-";
_Static_assert(sizeof text_prefix + PUBTEXT_DIGITS == RECIPIENTS_TEXT_SIZE,
    "keys.md");

struct stanza {
	uint16_t alg;
	const uint8_t *body;
	size_t body_bytes;
	struct id to; /* of a known algorithm */
};

enum err_code
recipients_public_of(const struct secret *own, struct recipients_public *pub,
    struct err *e)
{
	return hpke_public(own, pub->bytes, e);
}

enum err_code
recipients_new(struct secret *own, struct recipients_public *pub, struct err *e)
{
	enum err_code rc;

	rc = secret_random(own, RECIPIENTS_KEY_BYTES, e);
	return rc != ERR_NONE ? rc : recipients_public_of(own, pub, e);
}

enum err_code
recipients_id(const struct recipients_public *pub, struct id *out,
    struct err *e)
{
	uint8_t message[sizeof id_label + RECIPIENTS_KEY_BYTES];

	memcpy(message, id_label, sizeof id_label);
	memcpy(message + sizeof id_label, pub->bytes, RECIPIENTS_KEY_BYTES);
	return hash_sha256(message, sizeof message, out, e);
}

enum err_code
recipients_text(const struct recipients_public *pub,
    char out[RECIPIENTS_TEXT_SIZE], struct err *e)
{
	return pubtext_write(text_prefix, pub->bytes, out, e);
}

enum err_code
recipients_parse(struct recipients_public *out, const char *text, struct err *e)
{
	return pubtext_read(text_prefix, text, out->bytes, e);
}

/* enc and text of a stanza for `to`, from a key made for it alone. */
static enum err_code
body_make(uint8_t *body, const struct recipients_public *to,
    const struct recipients_bind *bind, const struct secret *plain,
    struct err *e)
{
	OWNED(secret_fini) struct secret ephemeral = {0};
	struct recipients_public unused;
	struct id id;
	struct hpke h;
	enum err_code rc;

	rc = recipients_id(to, &id, e);
	if (rc == ERR_NONE)
		rc = recipients_new(&ephemeral, &unused, e);
	if (rc == ERR_NONE)
		rc = hpke_send(&h, &ephemeral, to, bind, body + ID_BYTES, e);
	if (rc != ERR_NONE)
		return rc;
	memcpy(body, id.bytes, ID_BYTES);
	rc = hpke_close(&h, bind, plain, body + ID_BYTES + RECIPIENTS_KEY_BYTES,
	    e);
	hpke_fini(&h);
	return rc;
}

enum err_code
recipients_wrap(struct buf *out, const struct recipients_public *to,
    const struct recipients_bind *bind, const struct secret *plain,
    struct err *e)
{
	size_t before_bytes = out->len_bytes, body_bytes;
	uint8_t *at;
	enum err_code rc;

	if (plain->len_bytes == 0 || plain->len_bytes > PLAIN_BYTES_MAX)
		return err_set(e, ERR_INPUT, "cannot wrap %zu bytes",
		    plain->len_bytes);
	body_bytes = BODY_FIXED_BYTES + plain->len_bytes;
	rc = buf_extend(out, HEAD_BYTES + body_bytes, &at, e);
	if (rc != ERR_NONE)
		return rc;
	le_put16(at, ALG_HPKE_X25519);
	le_put16(at + 2, (uint16_t)body_bytes);
	rc = body_make(at + HEAD_BYTES, to, bind, plain, e);
	if (rc != ERR_NONE)
		out->len_bytes = before_bytes;
	return rc;
}

/* The next stanza of a list; false when it is malformed. */
static bool
stanza_take(struct le_reader *r, struct stanza *out)
{
	memset(out, 0, sizeof *out);
	out->alg = le_take16(r);
	out->body_bytes = le_take16(r);
	if (out->body_bytes > BODY_BYTES_MAX)
		return false;
	out->body = le_take(r, out->body_bytes);
	if (r->bad)
		return false;
	if (out->alg != ALG_HPKE_X25519)
		return out->alg != 0;
	if (out->body_bytes <= BODY_FIXED_BYTES)
		return false;
	memcpy(out->to.bytes, out->body, ID_BYTES);
	return true;
}

static enum err_code
malformed(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "a list of key stanzas is malformed");
}

static enum err_code
stanza_open(struct secret *out, const struct secret *own,
    const struct recipients_bind *bind, const struct stanza *s, struct err *e)
{
	const uint8_t *enc = s->body + ID_BYTES;
	struct hpke h;
	enum err_code rc;

	rc = hpke_receive(&h, own, enc, bind, e);
	if (rc == ERR_NONE)
		rc = hpke_open(&h, bind, enc + RECIPIENTS_KEY_BYTES,
		    s->body_bytes - ID_BYTES - RECIPIENTS_KEY_BYTES, out, e);
	hpke_fini(&h);
	return rc;
}

static enum err_code
own_id(const struct secret *own, struct id *out, struct err *e)
{
	struct recipients_public pub;
	enum err_code rc;

	rc = recipients_public_of(own, &pub, e);
	return rc != ERR_NONE ? rc : recipients_id(&pub, out, e);
}

enum err_code
recipients_unwrap(struct secret *out, const struct secret *own,
    const struct recipients_bind *bind, const void *stanza, size_t len_bytes,
    struct err *e)
{
	struct le_reader r;
	struct stanza s;
	struct id mine;
	enum err_code rc;

	secret_fini(out);
	le_init(&r, stanza, len_bytes);
	if (!stanza_take(&r, &s) || !le_done(&r))
		return malformed(e);
	rc = own_id(own, &mine, e);
	if (rc != ERR_NONE)
		return rc;
	if (s.alg != ALG_HPKE_X25519 || !id_equal(&s.to, &mine))
		return err_set(e, ERR_KEY, "wrapped to another recipient");
	return stanza_open(out, own, bind, &s, e);
}

/* info: the label and the family; aad: the key's id. */
struct key_bind {
	uint8_t info[sizeof key_label + RECIPIENTS_FAMILY_BYTES];
	struct recipients_bind bind;
};

static void
key_bind_make(struct key_bind *b, const struct recipients_key *name)
{
	memcpy(b->info, key_label, sizeof key_label);
	memcpy(b->info + sizeof key_label, name->family,
	    RECIPIENTS_FAMILY_BYTES);
	b->bind = (struct recipients_bind){b->info, sizeof b->info,
	    name->key_id.bytes, ID_BYTES};
}

enum err_code
recipients_wrap_key(struct buf *out, const struct recipients_public *to,
    const struct recipients_key *name, const struct secret *content_key,
    struct err *e)
{
	struct key_bind b;

	if (content_key->len_bytes != SEAL_KEY_BYTES)
		return err_set(e, ERR_INPUT,
		    "a content key cannot be %zu bytes",
		    content_key->len_bytes);
	key_bind_make(&b, name);
	return recipients_wrap(out, to, &b.bind, content_key, e);
}

/* Is this the key it was said to be?  The seal does not commit, so ask. */
static enum err_code
key_confirm(const struct secret *content_key, const struct id *key_id,
    struct err *e)
{
	OWNED(seal_key_free) struct seal_key *key = NULL;
	enum err_code rc;

	if (content_key->len_bytes != SEAL_KEY_BYTES)
		return malformed(e);
	rc = seal_key_new(&key, content_key, e);
	if (rc != ERR_NONE)
		return rc;
	if (!id_equal(seal_key_id(key), key_id))
		return err_set(e, ERR_CORRUPT,
		    "a content key is not the one its name says");
	return ERR_NONE;
}

/* The first stanza for `mine`; ERR_KEY when there is none. */
static enum err_code
stanza_find(const void *list, size_t len_bytes, const struct id *mine,
    struct stanza *out, struct err *e)
{
	struct le_reader r;
	size_t count = 0;

	le_init(&r, list, len_bytes);
	while (r.left_bytes > 0) {
		if (++count > STANZAS_MAX || !stanza_take(&r, out))
			return malformed(e);
		if (out->alg == ALG_HPKE_X25519 && id_equal(&out->to, mine))
			return ERR_NONE;
	}
	err_set(e, ERR_KEY, "this key is not among the recipients");
	return err_hint(e,
	    "use a key file that reads, made before that backup "
	    "or granted access since");
}

enum err_code
recipients_unwrap_list(struct secret *out, const struct secret *own,
    const struct recipients_bind *bind, const void *list, size_t len_bytes,
    struct err *e)
{
	struct stanza s;
	struct id mine;
	enum err_code rc;

	secret_fini(out);
	rc = own_id(own, &mine, e);
	if (rc == ERR_NONE)
		rc = stanza_find(list, len_bytes, &mine, &s, e);
	return rc != ERR_NONE ? rc : stanza_open(out, own, bind, &s, e);
}

enum err_code
recipients_unwrap_key(struct secret *content_key, const struct secret *own,
    const struct recipients_key *name, const void *list, size_t len_bytes,
    struct err *e)
{
	struct key_bind b;
	enum err_code rc;

	key_bind_make(&b, name);
	rc = recipients_unwrap_list(content_key, own, &b.bind, list, len_bytes,
	    e);
	if (rc == ERR_NONE)
		rc = key_confirm(content_key, &name->key_id, e);
	if (rc != ERR_NONE)
		secret_fini(content_key);
	return rc;
}

enum err_code
recipients_list(const void *list, size_t len_bytes,
    struct id ids[RECIPIENTS_MAX], size_t *ids_count, struct err *e)
{
	struct le_reader r;
	struct stanza s;
	size_t count = 0;

	*ids_count = 0;
	le_init(&r, list, len_bytes);
	while (r.left_bytes > 0) {
		if (++count > STANZAS_MAX || !stanza_take(&r, &s))
			return malformed(e);
		if (s.alg != ALG_HPKE_X25519)
			continue;
		if (*ids_count == RECIPIENTS_MAX)
			return malformed(e);
		ids[(*ids_count)++] = s.to;
	}
	return ERR_NONE;
}
