#include "head_parts.h"

#include <string.h>

#include <bascule/base/le.h>

#define HEAD_MAGIC     "BLHd"
#define HEAD_VERSION   1
#define HEAD_BYTES_MAX (512 + LEDGER_CHAINS_MAX * 300)

static enum err_code
hash_head(const void *bytes, size_t len_bytes, struct id *out, struct err *e)
{
	OWNED(hash_free) struct hash *h = NULL;
	enum err_code rc = hash_begin(&h, e);
	uint8_t len[4];

	if (rc != ERR_NONE)
		return rc;
	le_put32(len, (uint32_t)strlen(HEAD_LABEL));
	hash_add(h, len, sizeof(len));
	hash_add(h, HEAD_LABEL, strlen(HEAD_LABEL));
	le_put32(len, (uint32_t)len_bytes);
	hash_add(h, len, sizeof(len));
	hash_add(h, bytes, len_bytes);
	hash_end(h, out);
	return ERR_NONE;
}

static enum err_code
add_tips(const struct head *h, struct buf *out, struct err *e)
{
	enum err_code rc = le_add32(out, (uint32_t)h->tips_count, e);

	for (size_t i = 0; rc == ERR_NONE && i < h->tips_count; i++) {
		const struct head_tip *t = &h->tips[i];

		rc = le_add_bytes(out, t->chain, strlen(t->chain), e);
		if (rc == ERR_NONE)
			rc = le_add64(out, t->sequence, e);
		if (rc == ERR_NONE)
			rc = buf_add(out, t->hash.bytes, ID_BYTES, e);
	}
	return rc;
}

enum err_code
head_encode(struct head *h, struct buf *out, struct err *e)
{
	enum err_code rc = buf_add(out, HEAD_MAGIC, 4, e);

	if (rc == ERR_NONE)
		rc = le_add8(out, HEAD_VERSION, e);
	if (rc == ERR_NONE)
		rc = le_add64(out, h->number, e);
	if (rc == ERR_NONE)
		rc = buf_add(out, h->previous.bytes, ID_BYTES, e);
	if (rc == ERR_NONE)
		rc = le_add64(out, (uint64_t)h->at.ns, e);
	if (rc == ERR_NONE)
		rc = buf_add(out, h->incarnation, sizeof(h->incarnation), e);
	if (rc == ERR_NONE)
		rc = le_add_bytes(out, h->site, strlen(h->site), e);
	if (rc == ERR_NONE)
		rc = add_tips(h, out, e);
	return rc != ERR_NONE
	    ? rc
	    : hash_head(out->bytes, out->len_bytes, &h->hash, e);
}

static void
take_fixed(struct le_reader *in, void *to, size_t len_bytes)
{
	const uint8_t *at = le_take(in, len_bytes);

	if (at != NULL)
		memcpy(to, at, len_bytes);
}

static void
take_name(struct le_reader *in, char to[LEDGER_NAME_BYTES_MAX + 1])
{
	size_t len;
	const uint8_t *at = le_take_bytes(in, LEDGER_NAME_BYTES_MAX, &len);

	if (at != NULL && memchr(at, '\0', len) != NULL)
		in->bad = true;
	if (at != NULL && len > 0)
		memcpy(to, at, len);
	to[len] = '\0';
}

static void
take_tips(struct le_reader *in, struct head *h)
{
	h->tips_count = le_take32(in);
	if (h->tips_count > LEDGER_CHAINS_MAX) {
		h->tips_count = 0;
		in->bad = true;
	}
	for (size_t i = 0; i < h->tips_count; i++) {
		struct head_tip *t = &h->tips[i];

		take_name(in, t->chain);
		t->sequence = le_take64(in);
		take_fixed(in, t->hash.bytes, ID_BYTES);
		if (t->chain[0] == '\0' || t->sequence == 0 ||
		    t->sequence > INT64_MAX ||
		    (i > 0 && strcmp(h->tips[i - 1].chain, t->chain) >= 0))
			in->bad = true;
	}
}

enum err_code
head_decode(struct head *h, const void *bytes, size_t len_bytes, struct err *e)
{
	struct le_reader in;
	const uint8_t *magic;

	memset(h, 0, sizeof(*h));
	if (len_bytes > HEAD_BYTES_MAX)
		return err_set(e, ERR_CORRUPT, "head of %zu bytes", len_bytes);
	le_init(&in, bytes, len_bytes);
	magic = le_take(&in, 4);
	if (magic == NULL || memcmp(magic, HEAD_MAGIC, 4) != 0 ||
	    le_take8(&in) != HEAD_VERSION)
		return err_set(e, ERR_CORRUPT, "not a head");
	h->number = le_take64(&in);
	take_fixed(&in, h->previous.bytes, ID_BYTES);
	h->at.ns = (int64_t)le_take64(&in);
	take_fixed(&in, h->incarnation, sizeof(h->incarnation));
	take_name(&in, h->site);
	take_tips(&in, h);
	if (!le_done(&in) || h->number == 0 || h->number > INT64_MAX)
		return err_set(e, ERR_CORRUPT, "malformed head");
	return hash_head(bytes, len_bytes, &h->hash, e);
}

enum err_code
head_fingerprint(const uint8_t *signer, char *out, struct err *e)
{
	struct sign_public pub;

	memcpy(pub.bytes, signer, SIGN_PUBLIC_BYTES);
	return sign_fingerprint(&pub, out, e);
}
