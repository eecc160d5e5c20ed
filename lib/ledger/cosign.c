/* Another site's word about a head that it holds: docs/format/ledger.md. */

#include <bascule/ledger.h>

#include <string.h>

#include "statement.h"

#define COSIGN_MAGIC   "BLCs"
#define COSIGN_VERSION 1
#define COSIGN_LABEL   "bascule ledger cosignature v1"

static enum err_code
encode(const struct cosign *c, struct buf *out, struct err *e)
{
	enum err_code rc = buf_add(out, COSIGN_MAGIC, 4, e);

	if (rc == ERR_NONE)
		rc = le_add8(out, COSIGN_VERSION, e);
	if (rc == ERR_NONE)
		rc = le_add64(out, c->number, e);
	if (rc == ERR_NONE)
		rc = buf_add(out, c->head.bytes, ID_BYTES, e);
	if (rc == ERR_NONE)
		rc = le_add64(out, (uint64_t)c->at.ns, e);
	if (rc == ERR_NONE)
		rc = le_add_bytes(out, c->site, strlen(c->site), e);
	return rc == ERR_NONE ? le_add_bytes(out, c->by, strlen(c->by), e) : rc;
}

enum err_code
cosign_make(const struct cosign *c, const struct sign_key *key, struct buf *out,
    struct err *e)
{
	OWNED(buf_fini) struct buf body = {.max_bytes = STATEMENT_BODY_MAX};
	enum err_code rc = encode(c, &body, e);

	return rc == ERR_NONE ? statement_seal(key, COSIGN_LABEL, &body, out, e)
			      : rc;
}

enum err_code
cosign_read(struct cosign *c, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct sign_public signer;
	struct le_reader in;
	const uint8_t *magic, *head;
	enum err_code rc =
	    statement_open(COSIGN_LABEL, bytes, len_bytes, &in, &signer, e);

	memset(c, 0, sizeof(*c));
	if (rc != ERR_NONE)
		return rc;
	magic = le_take(&in, 4);
	if (magic == NULL || memcmp(magic, COSIGN_MAGIC, 4) != 0 ||
	    le_take8(&in) != COSIGN_VERSION)
		return err_set(e, ERR_CORRUPT, "not a cosignature");
	c->number = le_take64(&in);
	head = le_take(&in, ID_BYTES);
	c->at.ns = (int64_t)le_take64(&in);
	statement_take_name(&in, c->site, sizeof(c->site));
	statement_take_name(&in, c->by, sizeof(c->by));
	if (!le_done(&in) || c->number == 0)
		return err_set(e, ERR_CORRUPT, "malformed cosignature");
	memcpy(c->head.bytes, head, ID_BYTES);
	memcpy(c->signer, signer.bytes, SIGN_PUBLIC_BYTES);
	return ERR_NONE;
}
