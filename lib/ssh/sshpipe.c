#include "sshpipe.h"

#include <string.h>

#include "sshconn.h"

#define WINDOW_BYTES (8U << 20)
#define READ_BYTES   ((size_t)256 << 10)

/*
 * libssh2 sends a packet in one go or keeps its rest, and then wants the same
 * call again before any other that could send: so a call that was left half
 * done is the only one that may come next.
 */
enum half_done { NOTHING, WRITING, READING };

struct sshpipe {
	struct sshconn *conn; /* borrowed */
	LIBSSH2_CHANNEL *channel;
	enum half_done half;
	size_t taken_bytes; /* of out's front: sent, not yet moved over */
};

/* --- making and ending ------------------------------------------------------ */

static enum err_code
start(struct sshpipe *p, const char *subsystem, struct err *e)
{
	struct sshconn *c = p->conn;
	struct mono deadline = sshconn_deadline(c);

	for (;;) {
		int rc = libssh2_channel_process_startup(p->channel,
		    "subsystem", strlen("subsystem"), subsystem,
		    (unsigned)strlen(subsystem));

		if (rc == 0)
			break;
		if (rc == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED)
			return err_set(e, ERR_REFUSED,
			    "'%s' has no %s subsystem for this key", c->name,
			    subsystem);
		if (rc != LIBSSH2_ERROR_EAGAIN)
			return sshconn_fail(c, rc, "starting a subsystem of",
			    e);
		if (sshconn_wait(c, deadline, e) != ERR_NONE)
			return err_wrap(e, "starting the %s subsystem",
			    subsystem);
	}
	/* What it complains of would fill a window nobody reads. */
	(void)libssh2_channel_handle_extended_data2(p->channel,
	    LIBSSH2_CHANNEL_EXTENDED_DATA_IGNORE);
	return ERR_NONE;
}

enum err_code
sshpipe_open(struct sshpipe **out, struct sshconn *conn, const char *subsystem,
    struct err *e)
{
	OWNED(sshpipe_close) struct sshpipe *p = NULL;

	*out = NULL;
	ASSERT(!conn->busy);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_nomem(e);
	p->conn = conn;
	conn->busy = true;
	if (sshconn_channel(&p->channel, conn, WINDOW_BYTES, e) != ERR_NONE ||
	    start(p, subsystem, e) != ERR_NONE)
		return e->code;
	*out = TAKE(p);
	return ERR_NONE;
}

void
sshpipe_close(struct sshpipe **pp)
{
	struct sshpipe *p = TAKE(*pp);

	if (p == NULL)
		return;
	if (p->half != NOTHING)
		p->conn->lost = true; /* half a packet: nothing can follow */
	sshconn_channel_free(p->conn, &p->channel);
	p->conn->busy = false;
	free(p);
}

/* --- moving ----------------------------------------------------------------- */

static bool
is_half_done(const struct sshpipe *p)
{
	return (libssh2_session_block_directions(p->conn->session) &
		   LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0;
}

static enum err_code
ended(struct sshpipe *p, struct err *e)
{
	p->conn->lost = true;
	return err_set(e, ERR_TIMEOUT, "the subsystem of '%s' has ended",
	    p->conn->name);
}

/* Take what was sent off out's front, seldom enough to cost nothing. */
static void
give_back(struct sshpipe *p, struct buf *out)
{
	size_t left = out->len_bytes - p->taken_bytes;

	if (left > 0 && (p->taken_bytes < left || left > READ_BYTES))
		return;
	if (left > 0)
		memmove(out->bytes, out->bytes + p->taken_bytes, left);
	out->len_bytes = left;
	p->taken_bytes = 0;
}

/* Everything that goes out without waiting. */
static enum err_code
push(struct sshpipe *p, struct buf *out, bool *moved, struct err *e)
{
	while (p->taken_bytes < out->len_bytes) {
		ssize_t n = libssh2_channel_write(p->channel,
		    (const char *)out->bytes + p->taken_bytes,
		    out->len_bytes - p->taken_bytes);

		p->half = NOTHING;
		if (n > 0) {
			p->taken_bytes += (size_t)n;
			*moved = true;
			continue;
		}
		if (n == LIBSSH2_ERROR_EAGAIN && is_half_done(p))
			p->half = WRITING;
		if (n == LIBSSH2_ERROR_CHANNEL_CLOSED ||
		    libssh2_channel_eof(p->channel) == 1)
			return ended(p, e);
		if (n != 0 && n != LIBSSH2_ERROR_EAGAIN)
			return sshconn_fail(p->conn, n, "writing to", e);
		break;
	}
	give_back(p, out);
	return ERR_NONE;
}

static enum err_code
pull(struct sshpipe *p, struct buf *in, size_t in_max, bool *moved,
    struct err *e)
{
	while (in->len_bytes < in_max) {
		size_t room = in_max - in->len_bytes;
		uint8_t *at;
		ssize_t n;

		room = room < READ_BYTES ? room : READ_BYTES;
		if (buf_reserve(in, room, e) != ERR_NONE)
			return e->code;
		at = in->bytes + in->len_bytes;
		n = libssh2_channel_read(p->channel, (char *)at, room);
		p->half = NOTHING;
		if (n > 0) {
			in->len_bytes += (size_t)n;
			*moved = true;
			continue;
		}
		if (n == LIBSSH2_ERROR_EAGAIN && is_half_done(p))
			p->half = READING;
		if (n == 0 && libssh2_channel_eof(p->channel) == 1)
			return *moved ? ERR_NONE : ended(p, e);
		if (n != 0 && n != LIBSSH2_ERROR_EAGAIN)
			return sshconn_fail(p->conn, n, "reading from", e);
		break;
	}
	return ERR_NONE;
}

/*
 * Every call takes in what the socket holds, for both: room to write may have
 * come with what was read, and no poll would tell.  A read that found nothing
 * has left nothing behind, so only the room needs to be looked at.
 */
static bool
has_room(struct sshpipe *p, const struct buf *out)
{
	return p->half == NOTHING && p->taken_bytes < out->len_bytes &&
	    libssh2_channel_window_write_ex(p->channel, NULL) > 0;
}

enum err_code
sshpipe_step(struct sshpipe *p, struct buf *out, struct buf *in, size_t in_max,
    struct err *e)
{
	struct mono deadline = sshconn_deadline(p->conn);
	bool moved = false, again = false;

	if (p->conn->cancel != NULL && *p->conn->cancel != 0) {
		p->conn->lost = true;
		return err_set(e, ERR_CANCELLED, "asked to stop");
	}
	for (;;) {
		if (p->conn->lost)
			return err_set(e, ERR_TIMEOUT,
			    "the connection to '%s' is lost", p->conn->name);
		if (p->half != READING && push(p, out, &moved, e) != ERR_NONE)
			return e->code;
		if (p->half != WRITING &&
		    pull(p, in, in_max, &moved, e) != ERR_NONE)
			return e->code;
		if (moved || in->len_bytes >= in_max)
			return ERR_NONE;
		again = !again && has_room(p, out);
		if (!again && sshconn_wait(p->conn, deadline, e) != ERR_NONE)
			return e->code;
	}
}
