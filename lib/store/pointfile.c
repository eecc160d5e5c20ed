#include "pointfile.h"

#include <bascule/base/le.h>

#define SIGN_LABEL "bascule point v1"

static enum err_code
damaged(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "a recovery point's %s", what);
}

static int
id_order(const void *a, const void *b)
{
	return id_compare(a, b);
}

static enum err_code
add_body(struct buf *out, const struct point *p, struct err *e)
{
	enum err_code rc;

	if ((rc = le_add32(out, (uint32_t)p->snapshots_count, e)) != ERR_NONE ||
	    (rc = le_add32(out, 0, e)) != ERR_NONE ||
	    (rc = le_add64(out, p->epoch, e)) != ERR_NONE ||
	    (rc = le_add64(out, p->sequence, e)) != ERR_NONE ||
	    (rc = le_add64(out, (uint64_t)p->taken.ns, e)) != ERR_NONE ||
	    (rc = buf_add(out, p->group, sizeof p->group, e)) != ERR_NONE ||
	    (rc = buf_add(out, p->writer_key, sizeof p->writer_key, e)) !=
		ERR_NONE ||
	    (rc = le_add_bytes(out, p->service, strlen(p->service), e)) !=
		ERR_NONE)
		return rc;
	return buf_add(out, p->snapshots, p->snapshots_count * ID_BYTES, e);
}

enum err_code
pointfile_encode(struct buf *out, const struct store *st, struct point *p,
    struct err *e)
{
	const struct sign_key *writer =
	    st->keyring == NULL ? NULL : keyring_writer(st->keyring);
	uint8_t signature[SIGN_BYTES], *at;
	enum err_code rc;

	buf_clear(out);
	if (writer == NULL)
		return err_set(e, ERR_KEY, "this key cannot write points");
	qsort(p->snapshots, p->snapshots_count, sizeof *p->snapshots, id_order);
	if ((rc = buf_extend(out, HEAD_BYTES, &at, e)) != ERR_NONE)
		return rc;
	head_put(at, HEAD_POINT, st->family);
	if ((rc = add_body(out, p, e)) != ERR_NONE ||
	    (rc = sign_make(writer, SIGN_LABEL, out->bytes, out->len_bytes,
		 signature, e)) != ERR_NONE)
		return rc;
	return buf_add(out, signature, sizeof signature, e);
}

static enum err_code
take_snapshots(struct le_reader *r, struct point *p, struct err *e)
{
	for (size_t i = 0; i < p->snapshots_count; i++) {
		const uint8_t *at = le_take(r, ID_BYTES);

		if (at == NULL)
			return damaged(e, "file is cut short");
		memcpy(p->snapshots[i].bytes, at, ID_BYTES);
		if (i > 0 &&
		    id_compare(&p->snapshots[i - 1], &p->snapshots[i]) >= 0)
			return damaged(e, "snapshots are out of order");
	}
	return ERR_NONE;
}

static enum err_code
decode_body(struct le_reader *r, struct point *p, struct err *e)
{
	const uint8_t *group, *writer, *service;
	uint32_t reserved;
	size_t len;

	p->snapshots_count = le_take32(r);
	reserved = le_take32(r);
	p->epoch = le_take64(r);
	p->sequence = le_take64(r);
	p->taken.ns = (int64_t)le_take64(r);
	group = le_take(r, sizeof p->group);
	writer = le_take(r, sizeof p->writer_key);
	service = le_take_bytes(r, sizeof p->service - 1, &len);
	if (r->bad || reserved != 0 || p->snapshots_count == 0 ||
	    p->snapshots_count > POINT_DATASETS_MAX || p->sequence == 0)
		return damaged(e, "file is malformed");
	memcpy(p->group, group, sizeof p->group);
	memcpy(p->writer_key, writer, sizeof p->writer_key);
	memcpy(p->service, service, len);
	p->service[len] = '\0';
	if (strlen(p->service) != len || !repo_name_is_valid(p->service))
		return damaged(e, "service's name is none");
	return take_snapshots(r, p, e);
}

enum err_code
pointfile_decode(struct point *p, const uint8_t *family, const void *bytes,
    size_t len_bytes, struct err *e)
{
	struct sign_public writer;
	struct le_reader r;
	enum err_code rc;

	if (len_bytes < HEAD_BYTES + SIGN_BYTES)
		return damaged(e, "file is cut short");
	if ((rc = head_check(bytes, len_bytes, HEAD_POINT, family, e)) !=
	    ERR_NONE)
		return rc;
	le_init(&r, bytes, len_bytes - SIGN_BYTES);
	(void)le_take(&r, HEAD_BYTES);
	if ((rc = decode_body(&r, p, e)) != ERR_NONE)
		return rc;
	if (!le_done(&r))
		return damaged(e, "file is longer than it says");
	memcpy(writer.bytes, p->writer_key, sizeof writer.bytes);
	rc = sign_check(&writer, SIGN_LABEL, bytes, len_bytes - SIGN_BYTES,
	    (const uint8_t *)bytes + len_bytes - SIGN_BYTES, e);
	if (rc == ERR_CORRUPT)
		return damaged(e, "signature is not its writer's");
	return rc;
}
