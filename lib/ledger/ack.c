/* A receiver's word that a recovery point is there: docs/format/ledger.md. */

#include <bascule/ledger.h>

#include <string.h>

#include "statement.h"

#define ACK_MAGIC   "BLAk"
#define ACK_VERSION 1
#define ACK_LABEL   "bascule acknowledgement v1"

static enum err_code
encode(const struct ack *a, struct buf *out, struct err *e)
{
	enum err_code rc = buf_add(out, ACK_MAGIC, 4, e);

	if (rc == ERR_NONE)
		rc = le_add8(out, ACK_VERSION, e);
	if (rc == ERR_NONE)
		rc = buf_add(out, a->family, sizeof(a->family), e);
	if (rc == ERR_NONE)
		rc = buf_add(out, a->point.bytes, ID_BYTES, e);
	if (rc == ERR_NONE)
		rc = le_add64(out, (uint64_t)a->since.ns, e);
	return rc == ERR_NONE
	    ? le_add_bytes(out, a->service, strlen(a->service), e)
	    : rc;
}

enum err_code
ack_make(const struct ack *a, const struct sign_key *key, struct buf *out,
    struct err *e)
{
	OWNED(buf_fini) struct buf body = {.max_bytes = STATEMENT_BODY_MAX};
	enum err_code rc = encode(a, &body, e);

	return rc == ERR_NONE ? statement_seal(key, ACK_LABEL, &body, out, e)
			      : rc;
}

enum err_code
ack_read(struct ack *a, const void *bytes, size_t len_bytes, struct err *e)
{
	struct sign_public signer;
	struct le_reader in;
	const uint8_t *magic, *family, *point;
	enum err_code rc =
	    statement_open(ACK_LABEL, bytes, len_bytes, &in, &signer, e);

	memset(a, 0, sizeof(*a));
	if (rc != ERR_NONE)
		return rc;
	magic = le_take(&in, 4);
	if (magic == NULL || memcmp(magic, ACK_MAGIC, 4) != 0 ||
	    le_take8(&in) != ACK_VERSION)
		return err_set(e, ERR_CORRUPT, "not an acknowledgement");
	family = le_take(&in, sizeof(a->family));
	point = le_take(&in, ID_BYTES);
	a->since.ns = (int64_t)le_take64(&in);
	statement_take_name(&in, a->service, sizeof(a->service));
	if (!le_done(&in))
		return err_set(e, ERR_CORRUPT, "malformed acknowledgement");
	memcpy(a->family, family, sizeof(a->family));
	memcpy(a->point.bytes, point, ID_BYTES);
	memcpy(a->signer, signer.bytes, SIGN_PUBLIC_BYTES);
	return ERR_NONE;
}
