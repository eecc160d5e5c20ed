#include "holdfile.h"

#include <string.h>

#include <bascule/base/le.h>

#define SIGN_LABEL "bascule hold v1"

static enum err_code
damaged(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "a hold's %s", what);
}

/* Snapshots with their roots, ascending and each once. */
static void
sort(struct hold *h)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->snapshots_count; i++) {
		const struct id snapshot = h->snapshots[i], root = h->roots[i];
		size_t at = kept;

		while (
		    at > 0 && id_compare(&h->snapshots[at - 1], &snapshot) > 0)
			at--;
		if (at > 0 && id_equal(&h->snapshots[at - 1], &snapshot))
			continue;
		memmove(&h->snapshots[at + 1], &h->snapshots[at],
		    (kept - at) * sizeof(snapshot));
		memmove(&h->roots[at + 1], &h->roots[at],
		    (kept - at) * sizeof(root));
		h->snapshots[at] = snapshot;
		h->roots[at] = root;
		kept++;
	}
	h->snapshots_count = kept;
}

static enum err_code
add_body(struct buf *out, const struct hold *h, struct err *e)
{
	enum err_code rc;

	if ((rc = le_add32(out, (uint32_t)h->why, e)) != ERR_NONE ||
	    (rc = le_add32(out, (uint32_t)h->snapshots_count, e)) != ERR_NONE ||
	    (rc = le_add64(out, (uint64_t)h->placed.ns, e)) != ERR_NONE ||
	    (rc = buf_add(out, h->writer_key, sizeof(h->writer_key), e)) !=
		ERR_NONE ||
	    (rc = le_add_bytes(out, h->service, strlen(h->service), e)) !=
		ERR_NONE ||
	    (rc = le_add_bytes(out, h->label, strlen(h->label), e)) !=
		ERR_NONE ||
	    (rc = le_add_bytes(out, h->reason, strlen(h->reason), e)) !=
		ERR_NONE)
		return rc;
	for (size_t i = 0; i < h->snapshots_count && rc == ERR_NONE; i++) {
		rc = buf_add(out, h->snapshots[i].bytes, ID_BYTES, e);
		if (rc == ERR_NONE)
			rc = buf_add(out, h->roots[i].bytes, ID_BYTES, e);
	}
	return rc;
}

enum err_code
holdfile_encode(struct buf *out, const struct store *st, struct hold *h,
    struct err *e)
{
	const struct sign_key *writer =
	    st->keyring == NULL ? NULL : keyring_writer(st->keyring);
	uint8_t signature[SIGN_BYTES] = {0}, *at;
	enum err_code rc;

	buf_clear(out);
	memset(h->writer_key, 0, sizeof(h->writer_key));
	if (writer != NULL)
		memcpy(h->writer_key, sign_key_public(writer)->bytes,
		    sizeof(h->writer_key));
	sort(h);
	if ((rc = buf_extend(out, HEAD_BYTES, &at, e)) != ERR_NONE)
		return rc;
	head_put(at, HEAD_HOLD, st->family);
	if ((rc = add_body(out, h, e)) != ERR_NONE ||
	    (writer != NULL &&
		(rc = sign_make(writer, SIGN_LABEL, out->bytes, out->len_bytes,
		     signature, e)) != ERR_NONE))
		return rc;
	return buf_add(out, signature, sizeof(signature), e);
}

static bool
take_text(struct le_reader *r, char *out, size_t room)
{
	size_t len;
	const uint8_t *text = le_take_bytes(r, room - 1, &len);

	if (r->bad)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return strlen(out) == len;
}

static enum err_code
decode_body(struct le_reader *r, struct hold *h, struct err *e)
{
	uint32_t why = le_take32(r);
	const uint8_t *writer;

	h->snapshots_count = le_take32(r);
	h->placed.ns = (int64_t)le_take64(r);
	writer = le_take(r, sizeof(h->writer_key));
	if (r->bad || why < HOLD_CURSOR || why > HOLD_SUSPECT ||
	    h->snapshots_count == 0 || h->snapshots_count > HOLD_SNAPSHOTS_MAX)
		return damaged(e, "file is malformed");
	h->why = why;
	memcpy(h->writer_key, writer, sizeof(h->writer_key));
	if (!take_text(r, h->service, sizeof(h->service)) ||
	    !repo_name_is_valid(h->service) ||
	    !take_text(r, h->label, sizeof(h->label)) ||
	    !take_text(r, h->reason, sizeof(h->reason)))
		return damaged(e, "texts are malformed");
	for (size_t i = 0; i < h->snapshots_count; i++) {
		const uint8_t *at = le_take(r, 2 * (size_t)ID_BYTES);

		if (at == NULL)
			return damaged(e, "file is cut short");
		memcpy(h->snapshots[i].bytes, at, ID_BYTES);
		memcpy(h->roots[i].bytes, at + ID_BYTES, ID_BYTES);
		if (i > 0 &&
		    id_compare(&h->snapshots[i - 1], &h->snapshots[i]) >= 0)
			return damaged(e, "snapshots are out of order");
	}
	return ERR_NONE;
}

/*
 * The copy's own word, where there is no key: it only ever keeps something, and
 * nothing from elsewhere gets into holds/.
 */
static bool
is_unsigned(const struct hold *h, const uint8_t *signature)
{
	static const uint8_t zeros[SIGN_BYTES];

	return memcmp(h->writer_key, zeros, sizeof(h->writer_key)) == 0 &&
	    memcmp(signature, zeros, sizeof(zeros)) == 0;
}

enum err_code
holdfile_decode(struct hold *h, const uint8_t *family, const void *bytes,
    size_t len_bytes, struct err *e)
{
	struct sign_public writer;
	struct le_reader r;
	enum err_code rc;

	memset(h, 0, sizeof(*h));
	if (len_bytes < HEAD_BYTES + SIGN_BYTES)
		return damaged(e, "file is cut short");
	rc = head_check(bytes, len_bytes, HEAD_HOLD, family, e);
	if (rc != ERR_NONE)
		return rc;
	le_init(&r, bytes, len_bytes - SIGN_BYTES);
	(void)le_take(&r, HEAD_BYTES);
	if ((rc = decode_body(&r, h, e)) != ERR_NONE)
		return rc;
	if (!le_done(&r))
		return damaged(e, "file is longer than it says");
	if (is_unsigned(h, (const uint8_t *)bytes + len_bytes - SIGN_BYTES))
		return ERR_NONE;
	memcpy(writer.bytes, h->writer_key, sizeof(writer.bytes));
	rc = sign_check(&writer, SIGN_LABEL, bytes, len_bytes - SIGN_BYTES,
	    (const uint8_t *)bytes + len_bytes - SIGN_BYTES, e);
	return rc == ERR_CORRUPT ? damaged(e, "signature is not its writer's")
				 : rc;
}
