#include <bascule/crypt.h>

#include <libgfshare.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/le.h>
#include <bascule/base/rand.h>
#include <bascule/base/text.h>

#include "container.h"
#include "keyring.h"
#include "keyring_items.h"
#include "sharetext.h"

/* A share, docs/format/keys.md. */
#define VERSION      1
#define AT_VERSION   0
#define AT_THRESHOLD 1
#define AT_COUNT     2
#define AT_INDEX     3
#define AT_SET       4
#define AT_LENGTH    (AT_SET + SHARES_SET_BYTES)
#define AT_RESERVED  (AT_LENGTH + 2)
#define HEAD_BYTES   (AT_RESERVED + 2)
#define CHECK_BYTES  4
_Static_assert(HEAD_BYTES == 16, "keys.md");

/* What is split: family, roles, items, the hash of these. */
#define AT_ROLES         RECIPIENTS_FAMILY_BYTES
#define AT_ITEMS         (AT_ROLES + 4)
#define WHOLE_BYTES      16
#define SECRET_SPLIT_MAX 4096

struct share {
	struct shares_about about;
	struct secret part;
};

/* libgfshare asks for its coefficients here; the kernel does not fail. */
static void
fill(unsigned char *bytes, unsigned len_bytes)
{
	if (RAND_priv_bytes(bytes, (int)len_bytes) != 1)
		rand_bytes(bytes, len_bytes);
}

static void
gfshare_end(gfshare_ctx **ctx)
{
	if (*ctx != NULL)
		gfshare_ctx_free(*ctx); /* wipes what it held */
	*ctx = NULL;
}

/* --- splitting ------------------------------------------------------------ */

/* The keyring as one piece of bytes that knows itself again. */
static enum err_code
whole_make(struct secret *out, const struct keyring *k, struct err *e)
{
	OWNED(container_fini) struct container c = {.kind = CONTAINER_KEYRING};
	size_t body_bytes;
	struct id hash;
	enum err_code rc = keyring_items_write(k, &c, e);

	if (rc != ERR_NONE)
		return rc;
	body_bytes = AT_ITEMS + c.items.len_bytes;
	if (body_bytes + WHOLE_BYTES > SECRET_SPLIT_MAX)
		return err_set(e, ERR_INPUT,
		    "the key has too many generations and recipients for "
		    "shares");
	rc = secret_init(out, body_bytes + WHOLE_BYTES, e);
	if (rc != ERR_NONE)
		return rc;
	memcpy(out->bytes, c.family, RECIPIENTS_FAMILY_BYTES);
	le_put32(out->bytes + AT_ROLES, c.roles);
	memcpy(out->bytes + AT_ITEMS, c.items.bytes, c.items.len_bytes);
	rc = hash_sha256(out->bytes, body_bytes, &hash, e);
	if (rc == ERR_NONE)
		memcpy(out->bytes + body_bytes, hash.bytes, WHOLE_BYTES);
	return rc;
}

/* Head, part and check of one share. */
static enum err_code
share_encode(struct secret *out, const struct shares_about *a, gfshare_ctx *ctx,
    size_t part_bytes, struct err *e)
{
	size_t body_bytes = HEAD_BYTES + part_bytes;
	struct id hash;
	enum err_code rc = secret_init(out, body_bytes + CHECK_BYTES, e);

	if (rc != ERR_NONE)
		return rc;
	out->bytes[AT_VERSION] = VERSION;
	out->bytes[AT_THRESHOLD] = (uint8_t)a->threshold;
	out->bytes[AT_COUNT] = (uint8_t)a->count;
	out->bytes[AT_INDEX] = (uint8_t)a->index;
	memcpy(out->bytes + AT_SET, a->set, SHARES_SET_BYTES);
	le_put16(out->bytes + AT_LENGTH, (uint16_t)part_bytes);
	gfshare_ctx_enc_getshare(ctx, (unsigned char)(a->index - 1),
	    out->bytes + HEAD_BYTES);
	rc = hash_sha256(out->bytes, body_bytes, &hash, e);
	if (rc == ERR_NONE)
		memcpy(out->bytes + body_bytes, hash.bytes, CHECK_BYTES);
	return rc;
}

static enum err_code
share_print(struct secret *text, const struct shares_about *a,
    const struct keyring *k, const struct secret *bytes, struct err *e)
{
	char family[TEXT_HEX_BYTES(RECIPIENTS_FAMILY_BYTES)];
	char set[TEXT_HEX_BYTES(SHARES_SET_BYTES)], notes[512];

	snprintf(notes, sizeof notes,
	    "# Share %u of %u of a key of bascule, family %s, set %s.\n"
	    "# Any %u of them are the key, fewer are nothing.  Keep them "
	    "apart.\n"
	    "# To use it: type it into a file, then\n"
	    "#     bascule key combine -o KEYFILE SHARE...\n"
	    "# Lines that begin like this one need not be typed.  0 is a "
	    "zero, 1 a one;\n"
	    "# there is no I, L, O or U.\n",
	    a->index, a->count,
	    text_hex(keyring_family(k), RECIPIENTS_FAMILY_BYTES, family),
	    text_hex(a->set, SHARES_SET_BYTES, set), a->threshold);
	return sharetext_write(text, notes, bytes, e);
}

enum err_code
shares_split(struct secret *texts, const struct keyring *k, unsigned threshold,
    unsigned count, struct err *e)
{
	OWNED(gfshare_end) gfshare_ctx *ctx = NULL;
	OWNED(secret_fini) struct secret whole = {0};
	struct shares_about a = {.threshold = threshold, .count = count};
	unsigned char numbers[SHARES_MAX];
	enum err_code rc;

	if (threshold < 2 || threshold > count || count > SHARES_MAX)
		return err_set(e, ERR_INPUT,
		    "a key is split into 2 to %d shares, of which at least 2 "
		    "and at most all are needed; not %u of %u",
		    SHARES_MAX, threshold, count);
	rc = whole_make(&whole, k, e);
	if (rc != ERR_NONE)
		return rc;
	for (unsigned i = 0; i < count; i++)
		numbers[i] = (unsigned char)(i + 1);
	rand_bytes(a.set, sizeof a.set);
	gfshare_fill_rand = fill;
	ctx = gfshare_ctx_init_enc(numbers, count, (unsigned char)threshold,
	    (unsigned)whole.len_bytes);
	if (ctx == NULL)
		return err_nomem(e);
	gfshare_ctx_enc_setsecret(ctx, whole.bytes);
	for (a.index = 1; a.index <= count && rc == ERR_NONE; a.index++) {
		OWNED(secret_fini) struct secret bytes = {0};

		rc = share_encode(&bytes, &a, ctx, whole.len_bytes, e);
		if (rc == ERR_NONE)
			rc = share_print(&texts[a.index - 1], &a, k, &bytes, e);
	}
	for (unsigned i = 0; i < count && rc != ERR_NONE; i++)
		secret_fini(&texts[i]);
	return rc;
}

/* --- one share ------------------------------------------------------------ */

void
shares_free(struct share **sp)
{
	struct share *s = TAKE(*sp);

	if (s == NULL)
		return;
	secret_fini(&s->part);
	free(s);
}

const struct shares_about *
shares_about(const struct share *s)
{
	return &s->about;
}

static enum err_code
share_decode(struct share *s, const struct secret *b, struct err *e)
{
	struct id hash;
	size_t body_bytes;
	enum err_code rc;

	if (b->len_bytes < HEAD_BYTES + CHECK_BYTES)
		return err_set(e, ERR_CORRUPT, "the share is cut short");
	body_bytes = HEAD_BYTES + (size_t)le_get16(b->bytes + AT_LENGTH);
	if (b->bytes[AT_VERSION] == VERSION &&
	    b->len_bytes != body_bytes + CHECK_BYTES)
		return err_set(e, ERR_CORRUPT,
		    "the share is cut short, or more than one");
	rc = hash_sha256(b->bytes, b->len_bytes - CHECK_BYTES, &hash, e);
	if (rc != ERR_NONE)
		return rc;
	if (memcmp(hash.bytes, b->bytes + b->len_bytes - CHECK_BYTES,
		CHECK_BYTES) != 0)
		return err_set(e, ERR_CORRUPT,
		    "the share is damaged: its check does not match");
	if (b->bytes[AT_VERSION] != VERSION)
		return err_set(e, ERR_TOONEW,
		    "the share was written by a newer bascule");
	s->about.threshold = b->bytes[AT_THRESHOLD];
	s->about.count = b->bytes[AT_COUNT];
	s->about.index = b->bytes[AT_INDEX];
	memcpy(s->about.set, b->bytes + AT_SET, SHARES_SET_BYTES);
	if (s->about.threshold < 2 || s->about.count > SHARES_MAX ||
	    s->about.threshold > s->about.count || s->about.index < 1 ||
	    s->about.index > s->about.count ||
	    le_get16(b->bytes + AT_RESERVED) != 0 ||
	    body_bytes - HEAD_BYTES > SECRET_SPLIT_MAX ||
	    body_bytes - HEAD_BYTES < AT_ITEMS + WHOLE_BYTES)
		return err_set(e, ERR_CORRUPT, "the share is malformed");
	return secret_set(&s->part, b->bytes + HEAD_BYTES,
	    body_bytes - HEAD_BYTES, e);
}

enum err_code
shares_read(struct share **out, const struct secret *text, struct err *e)
{
	OWNED(shares_free) struct share *s = NULL;
	OWNED(secret_fini) struct secret bytes = {0};
	enum err_code rc;

	*out = NULL;
	s = calloc(1, sizeof *s);
	if (s == NULL)
		return err_nomem(e);
	rc = sharetext_read(&bytes, text, e);
	if (rc == ERR_NONE)
		rc = share_decode(s, &bytes, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(s);
	return ERR_NONE;
}

/* --- combining ------------------------------------------------------------ */

/* Of one set, all different, and enough. */
static enum err_code
check_set(struct share *const *shares, size_t count, struct err *e)
{
	const struct shares_about *first = &shares[0]->about;

	for (size_t i = 1; i < count; i++) {
		const struct shares_about *a = &shares[i]->about;

		if (memcmp(a->set, first->set, SHARES_SET_BYTES) != 0 ||
		    a->threshold != first->threshold ||
		    shares[i]->part.len_bytes != shares[0]->part.len_bytes) {
			err_set(e, ERR_KEY,
			    "the shares are not of one set: number %zu was "
			    "split on another occasion",
			    i + 1);
			return err_hint(e,
			    "each set has its name in its first line");
		}
		for (size_t j = 0; j < i; j++)
			if (shares[j]->about.index == a->index)
				return err_set(e, ERR_KEY,
				    "share %u was given twice", a->index);
	}
	if (count < first->threshold)
		return err_set(e, ERR_KEY,
		    "%zu of the shares: not enough, it takes %u of the %u",
		    count, first->threshold, first->count);
	return ERR_NONE;
}

/* Is this the whole that was split?  Too few, or a false one: no. */
static enum err_code
whole_parse(struct keyring **out, const struct secret *whole, struct err *e)
{
	OWNED(container_fini) struct container c = {.kind = CONTAINER_KEYRING};
	OWNED(keyring_free) struct keyring *k = NULL;
	size_t body_bytes = whole->len_bytes - WHOLE_BYTES;
	struct id hash;
	enum err_code rc = hash_sha256(whole->bytes, body_bytes, &hash, e);

	if (rc != ERR_NONE)
		return rc;
	if (!secret_equal(hash.bytes, whole->bytes + body_bytes, WHOLE_BYTES))
		return err_set(e, ERR_KEY,
		    "the shares do not make a key: one of them is false");
	memcpy(c.family, whole->bytes, RECIPIENTS_FAMILY_BYTES);
	c.roles = le_get32(whole->bytes + AT_ROLES);
	rc = secret_set(&c.items, whole->bytes + AT_ITEMS,
	    body_bytes - AT_ITEMS, e);
	if (rc == ERR_NONE)
		rc = keyring_new_blank(&k, e);
	if (rc == ERR_NONE)
		rc = keyring_items_read(k, &c, e);
	if (rc == ERR_NONE)
		*out = TAKE(k);
	return rc;
}

enum err_code
shares_combine(struct keyring **out, struct share *const *shares, size_t count,
    struct err *e)
{
	OWNED(gfshare_end) gfshare_ctx *ctx = NULL;
	OWNED(secret_fini) struct secret whole = {0};
	unsigned char numbers[SHARES_MAX];
	size_t len_bytes;
	enum err_code rc;

	*out = NULL;
	if (count == 0 || count > SHARES_MAX)
		return err_set(e, ERR_INPUT, "1 to %d shares", SHARES_MAX);
	rc = check_set(shares, count, e);
	len_bytes = shares[0]->part.len_bytes;
	if (rc == ERR_NONE)
		rc = secret_init(&whole, len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < count; i++)
		numbers[i] = (unsigned char)shares[i]->about.index;
	gfshare_fill_rand = fill;
	ctx =
	    gfshare_ctx_init_dec(numbers, (unsigned)count, (unsigned)len_bytes);
	if (ctx == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++)
		gfshare_ctx_dec_giveshare(ctx, (unsigned char)i,
		    shares[i]->part.bytes);
	gfshare_ctx_dec_extract(ctx, whole.bytes);
	return whole_parse(out, &whole, e);
}
