#include "httpget.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>
#include <bascule/base/text.h>

#include "dialtcp.h"

#define READ_BYTES 16384

void
httpget_reply_fini(struct httpget_reply *r)
{
	buf_fini(&r->body);
	*r = (struct httpget_reply){0};
}

/* --- the address ---------------------------------------------------------- */

enum err_code
httpget_url(struct httpget_url *out, const char *text, struct err *e)
{
	static const char scheme[] = "http://";
	const char *at = text + sizeof(scheme) - 1;
	char with_port[sizeof(out->authority) + 8];
	size_t len;
	bool has_port;

	if (strncasecmp(text, scheme, sizeof(scheme) - 1) != 0)
		return err_set(e, ERR_INPUT,
		    "'%s' is no http:// address (https needs a command)", text);
	for (const char *c = at; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
			return err_set(e, ERR_INPUT,
			    "'%s' has a character that no address has", text);
	len = strcspn(at, "/?#");
	if (len == 0 || len >= sizeof(out->authority) ||
	    memchr(at, '@', len) != NULL)
		return err_set(e, ERR_INPUT, "'%s' names no host", text);
	memcpy(out->authority, at, len);
	out->authority[len] = '\0';
	out->path = at + len;
	has_port = strrchr(out->authority, ':') != NULL &&
	    strchr(strrchr(out->authority, ':'), ']') == NULL;
	snprintf(with_port, sizeof(with_port), "%s%s", out->authority,
	    has_port ? "" : ":80");
	return dialtcp_split(with_port, out->host, out->port, e);
}

/* --- the answer ----------------------------------------------------------- */

struct head {
	const char *bytes;
	size_t len_bytes; /* with the empty line */
	bool has_length, is_chunked;
	uint64_t body_bytes;
};

static enum err_code
nonsense(struct err *e, const char *what)
{
	return err_set(e, ERR_INPUT, "the answer is no HTTP: %s", what);
}

/* One field of the head that matters. */
static enum err_code
take_field(struct head *h, const char *line, size_t len, struct err *e)
{
	const char *colon = memchr(line, ':', len);
	char value[32] = "";
	size_t name, from, left;

	if (colon == NULL)
		return nonsense(e, "a field without ':'");
	name = (size_t)(colon - line);
	from = name + 1;
	while (from < len && (line[from] == ' ' || line[from] == '\t'))
		from++;
	left = len - from;
	while (left > 0 && isspace((unsigned char)line[from + left - 1]))
		left--;
	snprintf(value, sizeof(value), "%.*s", (int)(left < 31 ? left : 31),
	    line + from);
	if (name == 14 && strncasecmp(line, "content-length", name) == 0) {
		if (left >= sizeof(value) || h->has_length ||
		    !text_parse_u64(value, INT64_MAX, &h->body_bytes))
			return nonsense(e, "a Content-Length that is none");
		h->has_length = true;
	}
	if (name == 17 && strncasecmp(line, "transfer-encoding", name) == 0) {
		if (strcasecmp(value, "chunked") != 0)
			return nonsense(e, "an unknown Transfer-Encoding");
		h->is_chunked = true;
	}
	return ERR_NONE;
}

static enum err_code
take_status(unsigned *status, const char *line, size_t len, struct err *e)
{
	if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 ||
	    !isdigit((unsigned char)line[7]) || line[8] != ' ')
		return nonsense(e, "no status line");
	*status = 0;
	for (size_t i = 9; i < 12; i++) {
		if (!isdigit((unsigned char)line[i]))
			return nonsense(e, "no status");
		*status = *status * 10 + (unsigned)(line[i] - '0');
	}
	if (len > 12 && line[12] != ' ' && line[12] != '\r')
		return nonsense(e, "no status");
	return ERR_NONE;
}

static enum err_code
take_head(struct head *h, unsigned *status, struct err *e)
{
	const char *at = h->bytes, *end = h->bytes + h->len_bytes;
	enum err_code rc = ERR_NONE;

	for (bool first = true; rc == ERR_NONE && at < end; first = false) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t len = nl == NULL ? 0 : (size_t)(nl - at);

		if (len > 0 && at[len - 1] == '\r')
			len--;
		if (nl == NULL || len == 0)
			break;
		rc = first ? take_status(status, at, len, e)
			   : take_field(h, at, len, e);
		at = nl + 1;
	}
	return rc;
}

/* False: the empty line has not come yet. */
static bool
find_head(struct head *h, const char *bytes, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (bytes[i] != '\n')
			continue;
		if (bytes[i + 1] == '\n')
			h->len_bytes = i + 2;
		else if (i + 2 < len && bytes[i + 1] == '\r' &&
		    bytes[i + 2] == '\n')
			h->len_bytes = i + 3;
		else
			continue;
		h->bytes = bytes;
		return true;
	}
	return false;
}

/* What fits; the rest is cut and the reply is over. */
static enum err_code
add_body(struct httpget_reply *r, const char *bytes, size_t len, struct err *e)
{
	size_t room = HTTPGET_BODY_MAX - r->body.len_bytes;

	r->is_cut = r->is_cut || len > room;
	return buf_add(&r->body, bytes, len < room ? len : room, e);
}

/* "1a2b[;...]": the size of a chunk. */
static bool
chunk_size(const char *line, size_t len, uint64_t *out)
{
	size_t i = 0;

	for (*out = 0; i < len && isxdigit((unsigned char)line[i]); i++) {
		char c = (char)tolower((unsigned char)line[i]);

		if (i == 8)
			return false;
		*out =
		    *out << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return i > 0 &&
	    (i == len || line[i] == ';' || line[i] == '\r' || line[i] == ' ');
}

static enum err_code
take_chunks(struct httpget_reply *r, const char *at, size_t left, bool *whole,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && !r->is_cut) {
		const char *nl = memchr(at, '\n', left);
		size_t line;
		uint64_t size;

		if (nl == NULL)
			return left > 256 ? nonsense(e, "no chunk") : ERR_NONE;
		line = (size_t)(nl - at);
		if (!chunk_size(at, line, &size))
			return nonsense(e, "a chunk without a size");
		*whole = size == 0;
		at += line + 1;
		left -= line + 1;
		if (size == 0)
			return ERR_NONE;
		rc = add_body(r, at, size < left ? (size_t)size : left, e);
		if (size >= left)
			return rc;
		at += size;
		left -= (size_t)size;
		/* its own end of line */
		if (left > 0 && *at == '\r') {
			at++;
			left--;
		}
		if (left > 0 && *at != '\n')
			return nonsense(e, "a chunk longer than its size");
		if (left > 0) {
			at++;
			left--;
		}
	}
	*whole = *whole || r->is_cut;
	return rc;
}

static enum err_code
take_body(struct httpget_reply *out, const struct head *h, size_t len,
    bool at_end, bool *whole, struct err *e)
{
	const char *body = h->bytes + h->len_bytes;
	size_t have = len - h->len_bytes;
	enum err_code rc;

	if (h->is_chunked) {
		rc = take_chunks(out, body, have, whole, e);
		*whole = *whole || out->is_cut;
	} else {
		if (h->has_length && have > h->body_bytes)
			have = (size_t)h->body_bytes;
		rc = add_body(out, body, have, e);
		*whole = out->is_cut ||
		    (h->has_length && have == h->body_bytes) ||
		    (!h->has_length && at_end);
	}
	if (rc == ERR_NONE && at_end && !*whole)
		return nonsense(e, "it ended in the middle");
	return rc;
}

enum err_code
httpget_parse(struct httpget_reply *out, const void *bytes, size_t len_bytes,
    bool at_end, bool *whole, struct err *e)
{
	const char *text = bytes;
	struct head h = {0};
	enum err_code rc;

	*whole = false;
	httpget_reply_fini(out);
	/* Of "100 Continue" and its kin only what follows counts. */
	for (int i = 0; i < 8; i++) {
		h = (struct head){0};
		if (!find_head(&h, text, len_bytes)) {
			if (len_bytes > HTTPGET_HEAD_MAX)
				return nonsense(e, "its head has no end");
			return at_end ? nonsense(e, "it has no head")
				      : ERR_NONE;
		}
		if (h.len_bytes > HTTPGET_HEAD_MAX)
			return nonsense(e, "its head is too long");
		rc = take_head(&h, &out->status, e);
		if (rc != ERR_NONE)
			return rc;
		if (out->status >= 200)
			break;
		text += h.len_bytes;
		len_bytes -= h.len_bytes;
	}
	if (out->status < 200)
		return nonsense(e, "no final status");
	if (out->status == 204 || out->status == 304) {
		*whole = true;
		return ERR_NONE;
	}
	return take_body(out, &h, len_bytes, at_end, whole, e);
}

/* --- asking --------------------------------------------------------------- */

static enum err_code
wait_for(int fd, short events, struct mono deadline, struct err *e)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int64_t left_ns = deadline.ns - now_mono().ns;
		int n;

		if (left_ns <= 0)
			return err_set(e, ERR_TIMEOUT, "no answer in time");
		n = poll(&p, 1, (int)(left_ns / NS_PER_MS) + 1);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "waiting for the answer");
		if (n > 0)
			return ERR_NONE;
	}
}

static enum err_code
say(int fd, const struct buf *request, struct mono deadline, struct err *e)
{
	size_t done = 0;

	while (done < request->len_bytes) {
		ssize_t n;
		enum err_code rc = wait_for(fd, POLLOUT, deadline, e);

		if (rc != ERR_NONE)
			return rc;
		n = send(fd, request->bytes + done, request->len_bytes - done,
		    MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return err_sys(e, "asking");
		done += n > 0 ? (size_t)n : 0;
	}
	return ERR_NONE;
}

/* *got: 0 at the end. */
static enum err_code
hear(int fd, struct buf *in, struct mono deadline, size_t *got, struct err *e)
{
	uint8_t *at;
	ssize_t n;
	enum err_code rc = wait_for(fd, POLLIN, deadline, e);

	*got = 0;
	if (rc == ERR_NONE)
		rc = buf_reserve(in, READ_BYTES, e);
	if (rc != ERR_NONE)
		return rc;
	at = in->bytes + in->len_bytes;
	do
		n = recv(fd, at, READ_BYTES, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "reading the answer");
	in->len_bytes += (size_t)n;
	*got = (size_t)n;
	return ERR_NONE;
}

enum err_code
httpget(const char *url, int64_t timeout_ns, struct httpget_reply *out,
    struct err *e)
{
	OWNED(buf_fini) struct buf request = {0};
	OWNED(buf_fini)
	struct buf in = {.max_bytes = HTTPGET_HEAD_MAX + 4 * HTTPGET_BODY_MAX};
	OWNED(fdio_close) int fd = -1;
	struct mono deadline = {now_mono().ns + timeout_ns};
	struct httpget_url u;
	bool whole = false;
	size_t got = 1;
	enum err_code rc = httpget_url(&u, url, e);

	*out = (struct httpget_reply){0};
	if (rc == ERR_NONE)
		rc = dialtcp(&fd, u.host, u.port, timeout_ns, e);
	if (rc == ERR_NONE)
		rc = buf_printf(&request, e,
		    "GET %s%.*s HTTP/1.1\r\nHost: %s\r\n"
		    "User-Agent: bascule\r\nAccept: */*\r\n"
		    "Connection: close\r\n\r\n",
		    u.path[0] == '/' ? "" : "/", (int)strcspn(u.path, "#"),
		    u.path, u.authority);
	if (rc == ERR_NONE)
		rc = say(fd, &request, deadline, e);
	while (rc == ERR_NONE && !whole && got > 0) {
		rc = hear(fd, &in, deadline, &got, e);
		if (rc == ERR_NONE)
			rc = httpget_parse(out, in.bytes, in.len_bytes,
			    got == 0, &whole, e);
	}
	return rc;
}
