#include <bascule/base/buf.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_BYTES 64

void
buf_fini(struct buf *b)
{
	free(b->bytes);
	b->bytes = NULL;
	b->len_bytes = b->size_bytes = 0;
}

void
buf_clear(struct buf *b)
{
	b->len_bytes = 0;
}

enum err_code
buf_reserve(struct buf *b, size_t len_bytes, struct err *e)
{
	size_t max = b->max_bytes != 0 ? b->max_bytes : BUF_MAX_BYTES;
	size_t want, size;
	uint8_t *bytes;

	if (len_bytes > max || b->len_bytes > max - len_bytes)
		return err_set(e, ERR_INPUT,
		    "more than %zu bytes where no more are allowed", max);
	want = b->len_bytes + len_bytes + 1; /* room for buf_text's NUL */
	if (want <= b->size_bytes)
		return ERR_NONE;
	size = b->size_bytes < FIRST_BYTES ? FIRST_BYTES : b->size_bytes;
	while (size < want)
		size *= 2;
	bytes = realloc(b->bytes, size);
	if (bytes == NULL)
		return err_nomem(e);
	b->bytes = bytes;
	b->size_bytes = size;
	return ERR_NONE;
}

enum err_code
buf_extend(struct buf *b, size_t len_bytes, uint8_t **at, struct err *e)
{
	enum err_code rc = buf_reserve(b, len_bytes, e);

	*at = NULL;
	if (rc != ERR_NONE)
		return rc;
	*at = b->bytes + b->len_bytes;
	b->len_bytes += len_bytes;
	return ERR_NONE;
}

enum err_code
buf_add(struct buf *b, const void *bytes, size_t len_bytes, struct err *e)
{
	uint8_t *at;
	enum err_code rc = buf_extend(b, len_bytes, &at, e);

	if (rc == ERR_NONE && len_bytes > 0)
		memcpy(at, bytes, len_bytes);
	return rc;
}

enum err_code
buf_add_text(struct buf *b, const char *text, struct err *e)
{
	return buf_add(b, text, strlen(text), e);
}

enum err_code
buf_add_byte(struct buf *b, uint8_t byte, struct err *e)
{
	return buf_add(b, &byte, 1, e);
}

enum err_code
buf_printf(struct buf *b, struct err *e, const char *fmt, ...)
{
	va_list ap;
	enum err_code rc;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		return err_set(e, ERR_INPUT, "cannot format text");
	rc = buf_reserve(b, (size_t)len, e);
	if (rc != ERR_NONE)
		return rc;
	va_start(ap, fmt);
	vsnprintf((char *)b->bytes + b->len_bytes, (size_t)len + 1, fmt, ap);
	va_end(ap);
	b->len_bytes += (size_t)len;
	return ERR_NONE;
}

const char *
buf_text(struct buf *b)
{
	if (b->bytes == NULL)
		return "";
	b->bytes[b->len_bytes] = '\0';
	return (const char *)b->bytes;
}
