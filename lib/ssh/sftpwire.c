#include "sftpwire.h"

#include <string.h>

#define ATTR_SIZE     UINT32_C(0x00000001)
#define ATTR_OWNER    UINT32_C(0x00000002)
#define ATTR_MODE     UINT32_C(0x00000004)
#define ATTR_TIMES    UINT32_C(0x00000008)
#define ATTR_EXTENDED UINT32_C(0x80000000)

/* --- reading ---------------------------------------------------------------- */

static const uint8_t *
take(struct sftp_reader *r, size_t len)
{
	const uint8_t *at = r->at;

	if (r->bad || len > r->left_bytes) {
		r->bad = true;
		return NULL;
	}
	r->at += len;
	r->left_bytes -= len;
	return at;
}

uint32_t
sftpwire_u32(struct sftp_reader *r)
{
	const uint8_t *p = take(r, 4);

	return p == NULL ? 0
			 : (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		(uint32_t)p[2] << 8 | p[3];
}

uint64_t
sftpwire_u64(struct sftp_reader *r)
{
	uint64_t high = sftpwire_u32(r);

	return high << 32 | sftpwire_u32(r);
}

const uint8_t *
sftpwire_string(struct sftp_reader *r, size_t *len_bytes)
{
	uint32_t len = sftpwire_u32(r);
	const uint8_t *p = take(r, len);

	*len_bytes = p != NULL ? len : 0;
	return p != NULL ? p : (const uint8_t *)"";
}

void
sftpwire_attr(struct sftp_reader *r, struct sshattr *a)
{
	uint32_t flags = sftpwire_u32(r), pairs = 0;

	memset(a, 0, sizeof(*a));
	if ((a->has_size = (flags & ATTR_SIZE) != 0))
		a->size_bytes = sftpwire_u64(r);
	if ((a->has_owner = (flags & ATTR_OWNER) != 0)) {
		a->uid = sftpwire_u32(r);
		a->gid = sftpwire_u32(r);
	}
	if ((a->has_mode = (flags & ATTR_MODE) != 0))
		a->mode = sftpwire_u32(r);
	if ((a->has_times = (flags & ATTR_TIMES) != 0)) {
		a->atime_s = sftpwire_u32(r);
		a->mtime_s = sftpwire_u32(r);
	}
	if ((flags & ATTR_EXTENDED) != 0)
		pairs = sftpwire_u32(r);
	/* Each takes at least 8 bytes: the message's end is the bound. */
	for (; pairs > 0 && !r->bad; pairs--) {
		size_t ignored;

		(void)sftpwire_string(r, &ignored);
		(void)sftpwire_string(r, &ignored);
	}
}

bool
sftpwire_is_whole(const struct sftp_reader *r)
{
	return !r->bad && r->left_bytes == 0;
}

/* --- writing ---------------------------------------------------------------- */

enum err_code
sftpwire_put_u32(struct buf *b, uint32_t v, struct err *e)
{
	const uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16),
	    (uint8_t)(v >> 8), (uint8_t)v};

	return buf_add(b, bytes, sizeof(bytes), e);
}

enum err_code
sftpwire_put_u64(struct buf *b, uint64_t v, struct err *e)
{
	if (sftpwire_put_u32(b, (uint32_t)(v >> 32), e) != ERR_NONE)
		return e->code;
	return sftpwire_put_u32(b, (uint32_t)v, e);
}

enum err_code
sftpwire_put_string(struct buf *b, const void *bytes, size_t len_bytes,
    struct err *e)
{
	if (sftpwire_put_u32(b, (uint32_t)len_bytes, e) != ERR_NONE)
		return e->code;
	return buf_add(b, bytes, len_bytes, e);
}

enum err_code
sftpwire_put_text(struct buf *b, const char *text, struct err *e)
{
	return sftpwire_put_string(b, text, strlen(text), e);
}

enum err_code
sftpwire_put_mode(struct buf *b, uint32_t mode, struct err *e)
{
	if (sftpwire_put_u32(b, ATTR_MODE, e) != ERR_NONE)
		return e->code;
	return sftpwire_put_u32(b, mode, e);
}

enum err_code
sftpwire_put_attr(struct buf *b, const struct sshattr *a, struct err *e)
{
	uint32_t flags = (a->has_size ? ATTR_SIZE : 0) |
	    (a->has_owner ? ATTR_OWNER : 0) | (a->has_mode ? ATTR_MODE : 0) |
	    (a->has_times ? ATTR_TIMES : 0);
	enum err_code rc = sftpwire_put_u32(b, flags, e);

	if (rc == ERR_NONE && a->has_size)
		rc = sftpwire_put_u64(b, a->size_bytes, e);
	if (rc == ERR_NONE && a->has_owner)
		rc = sftpwire_put_u32(b, a->uid, e);
	if (rc == ERR_NONE && a->has_owner)
		rc = sftpwire_put_u32(b, a->gid, e);
	if (rc == ERR_NONE && a->has_mode)
		rc = sftpwire_put_u32(b, a->mode & 07777, e);
	if (rc == ERR_NONE && a->has_times)
		rc = sftpwire_put_u32(b, a->atime_s, e);
	if (rc == ERR_NONE && a->has_times)
		rc = sftpwire_put_u32(b, a->mtime_s, e);
	return rc;
}
