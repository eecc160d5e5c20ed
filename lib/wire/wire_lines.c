#include <bascule/wire.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 16384

static size_t
max_of(const struct wire_lines *l)
{
	return l->max_bytes != 0 ? l->max_bytes : WIRE_LINE_BYTES_MAX;
}

void
wire_lines_fini(struct wire_lines *l)
{
	buf_fini(&l->buf);
	l->begin_bytes = l->scanned_bytes = 0;
}

/* Forget what was handed out. */
static void
compact(struct wire_lines *l)
{
	size_t left = l->buf.len_bytes - l->begin_bytes;

	if (l->begin_bytes == 0)
		return;
	if (left > 0)
		memmove(l->buf.bytes, l->buf.bytes + l->begin_bytes, left);
	l->buf.len_bytes = left;
	l->scanned_bytes -= l->begin_bytes;
	l->begin_bytes = 0;
}

enum err_code
wire_lines_feed(struct wire_lines *l, const void *bytes, size_t len_bytes,
    struct err *e)
{
	enum err_code rc;
	size_t tail;

	if (len_bytes == 0)
		return ERR_NONE;
	compact(l);
	rc = buf_add(&l->buf, bytes, len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	tail = wire_lines_pending_bytes(l);
	if (tail > max_of(l))
		return err_set(e, ERR_INPUT, "line of more than %zu bytes",
		    max_of(l));
	return ERR_NONE;
}

enum err_code
wire_lines_read(struct wire_lines *l, int fd, size_t *got, struct err *e)
{
	char bytes[READ_BYTES];
	ssize_t n;

	*got = 0;
	do {
		n = read(fd, bytes, sizeof(bytes));
	} while (n == -1 && errno == EINTR);
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return err_set(e, ERR_BUSY, "nothing to read yet");
	if (n == -1)
		return err_sys(e, "cannot read messages");
	*got = (size_t)n;
	return wire_lines_feed(l, bytes, (size_t)n, e);
}

const char *
wire_lines_next(struct wire_lines *l, size_t *len_bytes)
{
	char *begin, *end;

	*len_bytes = 0;
	if (l->scanned_bytes == l->buf.len_bytes)
		return NULL;
	begin = (char *)l->buf.bytes + l->begin_bytes;
	end = memchr(l->buf.bytes + l->scanned_bytes, '\n',
	    l->buf.len_bytes - l->scanned_bytes);
	if (end == NULL) {
		l->scanned_bytes = l->buf.len_bytes;
		return NULL;
	}
	*end = '\0';
	*len_bytes = (size_t)(end - begin);
	l->begin_bytes = l->scanned_bytes =
	    (size_t)(end + 1 - (char *)l->buf.bytes);
	return begin;
}

size_t
wire_lines_pending_bytes(const struct wire_lines *l)
{
	const uint8_t *newline;
	size_t have = l->buf.len_bytes - l->begin_bytes;

	if (have == 0)
		return 0;
	newline = memrchr(l->buf.bytes + l->begin_bytes, '\n', have);
	if (newline == NULL)
		return have;
	return l->buf.len_bytes - (size_t)(newline + 1 - l->buf.bytes);
}
