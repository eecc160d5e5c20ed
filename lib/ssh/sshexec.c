#include <stdlib.h>
#include <string.h>

#include <bascule/base/exitcode.h>
#include <bascule/base/text.h>

#include "sshconn.h"

#define WINDOW_BYTES  (4U << 20) /* a long path stays full at 100 MB/s */
#define DISCARD_BYTES 65536

struct sshexec {
	struct sshconn *conn; /* borrowed */
	LIBSSH2_CHANNEL *channel;
	bool eof_sent;
	char tail[SSH_STDERR_BYTES_MAX]; /* a ring */
	uint64_t tail_total_bytes;
	struct buf tail_text;
};

/* --- standard error ---------------------------------------------------------- */

static void
tail_add(struct sshexec *x, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		x->tail[x->tail_total_bytes++ % SSH_STDERR_BYTES_MAX] =
		    bytes[i];
}

/* Take what standard error has; a full window there would stop the command. */
static void
drain_stderr(struct sshexec *x)
{
	char bytes[4096];
	ssize_t n;

	while ((n = libssh2_channel_read_stderr(x->channel, bytes,
		    sizeof(bytes))) > 0)
		tail_add(x, bytes, (size_t)n);
}

enum err_code
sshexec_tail(struct sshexec *x, struct buf *out, struct err *e)
{
	uint64_t total = x->tail_total_bytes;
	size_t len =
	    total < SSH_STDERR_BYTES_MAX ? (size_t)total : SSH_STDERR_BYTES_MAX;
	char straight[SSH_STDERR_BYTES_MAX];

	for (size_t i = 0; i < len; i++)
		straight[i] = x->tail[(total - len + i) % SSH_STDERR_BYTES_MAX];
	return buf_add(out, straight, len, e);
}

const char *
sshexec_stderr(struct sshexec *x)
{
	OWNED(buf_fini) struct buf raw = {0};
	struct err ignored = {0};
	const char *at;
	size_t len;

	buf_clear(&x->tail_text);
	if (sshexec_tail(x, &raw, &ignored) != ERR_NONE)
		return buf_text(&x->tail_text);
	at = buf_text(&raw);
	len = raw.len_bytes;
	while (len > 0 && (at[len - 1] == '\n' || at[len - 1] == '\r'))
		len--;
	if (text_escape(&x->tail_text, at, len, &ignored) != ERR_NONE)
		buf_clear(&x->tail_text);
	return buf_text(&x->tail_text);
}

/* The command ended, or closed a stream, before it should have. */
static enum err_code
ended_early(struct sshexec *x, const char *what, struct err *e)
{
	drain_stderr(x);
	return err_set(e, ERR_IO, "%s the command on '%s', which ended: %s",
	    what, x->conn->name,
	    x->tail_total_bytes > 0 ? sshexec_stderr(x) : "it said nothing");
}

/* --- starting and ending -------------------------------------------------------- */

static enum err_code
start(struct sshexec *x, const char *line, struct err *e)
{
	struct sshconn *c = x->conn;
	struct mono deadline = sshconn_deadline(c);

	for (;;) {
		int rc = libssh2_channel_process_startup(x->channel, "exec",
		    strlen("exec"), line, (unsigned)strlen(line));

		if (rc == 0)
			return ERR_NONE;
		if (rc == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED)
			return err_set(e, ERR_REFUSED,
			    "'%s' does not run commands for this key", c->name);
		if (rc != LIBSSH2_ERROR_EAGAIN)
			return sshconn_fail(c, rc, "starting a command on", e);
		if (sshconn_wait(c, deadline, e) != ERR_NONE)
			return err_wrap(e, "starting a command");
	}
}

enum err_code
sshexec_open(struct sshexec **out, struct sshconn *conn,
    const char *const argv[], struct err *e)
{
	OWNED(sshexec_close) struct sshexec *x = NULL;
	OWNED(buf_fini) struct buf line = {.max_bytes = SSH_COMMAND_BYTES_MAX};

	*out = NULL;
	ASSERT(argv[0] != NULL && !conn->busy);
	if (shquote_argv(&line, argv, e) != ERR_NONE)
		return err_wrap(e, "command line too long");
	x = calloc(1, sizeof(*x));
	if (x == NULL)
		return err_nomem(e);
	x->conn = conn;
	conn->busy = true;
	if (sshconn_channel(&x->channel, conn, WINDOW_BYTES, e) != ERR_NONE ||
	    start(x, buf_text(&line), e) != ERR_NONE)
		return e->code;
	*out = TAKE(x);
	return ERR_NONE;
}

void
sshexec_close(struct sshexec **xp)
{
	struct sshexec *x = TAKE(*xp);

	if (x == NULL)
		return;
	sshconn_channel_free(x->conn, &x->channel);
	x->conn->busy = false;
	buf_fini(&x->tail_text);
	free(x);
}

/* --- its streams ------------------------------------------------------------------ */

/*
 * Each libssh2 call reads whatever the socket holds, for every stream.  So
 * after standard error was drained the first call is tried once more before
 * we wait: what it waits for may have come meanwhile.
 */
enum err_code
sshexec_write(struct sshexec *x, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct mono deadline = sshconn_deadline(x->conn);
	const char *at = bytes;
	bool drained = false;

	while (len_bytes > 0) {
		ssize_t n = libssh2_channel_write(x->channel, at, len_bytes);

		if (n > 0) {
			at += n;
			len_bytes -= (size_t)n;
			deadline = sshconn_deadline(x->conn);
			drained = false;
			continue;
		}
		if (n == LIBSSH2_ERROR_CHANNEL_CLOSED ||
		    n == LIBSSH2_ERROR_CHANNEL_EOF_SENT ||
		    libssh2_channel_eof(x->channel) == 1)
			return ended_early(x, "writing to", e);
		if (n != 0 && n != LIBSSH2_ERROR_EAGAIN)
			return sshconn_fail(x->conn, n, "writing to", e);
		/* No room (0), or the socket is full. */
		if (!drained)
			drain_stderr(x);
		else if (sshconn_wait(x->conn, deadline, e) != ERR_NONE)
			return err_wrap(e, "writing to the command");
		drained = !drained;
	}
	return ERR_NONE;
}

/*
 * What is there, if anything: *more when it has to be waited for.  Both streams
 * were asked then, in that order, since anything last came.
 */
static enum err_code
take_output(struct sshexec *x, void *bytes, size_t max_bytes, size_t *got,
    bool *more, struct err *e)
{
	*got = 0;
	*more = false;
	for (bool drained = false;; drained = true) {
		ssize_t n = libssh2_channel_read(x->channel, bytes, max_bytes);

		if (n > 0) {
			*got = (size_t)n;
			return ERR_NONE;
		}
		if (n == 0 && libssh2_channel_eof(x->channel) == 1)
			return ERR_NONE;
		if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
			return sshconn_fail(x->conn, n, "reading from", e);
		if (n < 0 && drained) {
			*more = true;
			return ERR_NONE;
		}
		drain_stderr(x);
	}
}

/*
 * A host that has been silent for its time, or has gone, is not waited for once
 * more: what it said before is there.
 */
static enum err_code
await_output(struct sshexec *x, struct mono deadline, struct err *e)
{
	const struct sshconn *c = x->conn;

	if (c->lost && (c->cancel == NULL || *c->cancel == 0))
		return err_set(e, ERR_TIMEOUT, "the connection to '%s' is lost",
		    c->name);
	return sshconn_wait(x->conn, deadline, e);
}

enum err_code
sshexec_read(struct sshexec *x, void *bytes, size_t max_bytes, size_t *got,
    struct err *e)
{
	struct mono deadline = sshconn_deadline(x->conn);
	bool more;
	enum err_code rc;

	for (;;) {
		rc = take_output(x, bytes, max_bytes, got, &more, e);
		if (rc != ERR_NONE || !more)
			return rc;
		if (await_output(x, deadline, e) != ERR_NONE)
			return err_wrap(e, "waiting for the command");
	}
}

enum err_code
sshexec_read_within(struct sshexec *x, void *bytes, size_t max_bytes,
    int64_t wait_ns, size_t *got, struct err *e)
{
	struct mono until = {now_mono().ns + wait_ns};
	bool more;
	enum err_code rc;

	for (;;) {
		rc = take_output(x, bytes, max_bytes, got, &more, e);
		if (rc != ERR_NONE || !more)
			return rc;
		rc = sshconn_linger(x->conn, until, e);
		if (rc == ERR_TIMEOUT)
			return err_set(e, ERR_BUSY, "it has said nothing yet");
		if (rc != ERR_NONE)
			return err_wrap(e, "waiting for the command");
	}
}

enum err_code
sshexec_send_eof(struct sshexec *x, struct err *e)
{
	struct mono deadline = sshconn_deadline(x->conn);

	while (!x->eof_sent) {
		int rc = libssh2_channel_send_eof(x->channel);

		if (rc == 0 || rc == LIBSSH2_ERROR_CHANNEL_CLOSED)
			x->eof_sent = true;
		else if (rc != LIBSSH2_ERROR_EAGAIN)
			return sshconn_fail(x->conn, rc, "ending input of", e);
		else if (sshconn_wait(x->conn, deadline, e) != ERR_NONE)
			return err_wrap(e, "ending the command's input");
	}
	return ERR_NONE;
}

/* --- its end ------------------------------------------------------------------------ */

static enum err_code
close_channel(struct sshexec *x, struct err *e)
{
	struct mono deadline = sshconn_deadline(x->conn);
	int rc;

	while ((rc = libssh2_channel_close(x->channel)) != 0) {
		if (rc != LIBSSH2_ERROR_EAGAIN)
			return sshconn_fail(x->conn, rc, "ending", e);
		if (sshconn_wait(x->conn, deadline, e) != ERR_NONE)
			return err_wrap(e, "waiting for the command's end");
	}
	return ERR_NONE;
}

static enum err_code
take_exit(struct sshexec *x, struct sshexit *out, struct err *e)
{
	int by_shell;
	char *name = NULL;
	size_t len = 0;

	out->status = libssh2_channel_get_exit_status(x->channel);
	if (libssh2_channel_get_exit_signal(x->channel, &name, &len, NULL, NULL,
		NULL, NULL) != 0)
		return err_nomem(e);
	if (name != NULL) {
		out->status = -1;
		snprintf(out->signal, sizeof(out->signal), "%.*s", (int)len,
		    name);
		libssh2_free(x->conn->session, name);
	} else if ((by_shell = exitcode_signal(out->status)) != 0) {
		out->status = -1;
		snprintf(out->signal, sizeof(out->signal), "%s",
		    sigabbrev_np(by_shell));
	}
	if (out->status != 127)
		return ERR_NONE;
	err_set(e, ERR_NOTFOUND, "'%s' does not have the program: %s",
	    x->conn->name, sshexec_stderr(x));
	return err_hint(e, "is it installed there and in the account's PATH?");
}

enum err_code
sshexec_finish(struct sshexec *x, struct sshexit *out, struct err *e)
{
	char discard[DISCARD_BYTES];
	size_t got;
	enum err_code rc;

	*out = (struct sshexit){.status = -1};
	rc = sshexec_send_eof(x, e);
	do {
		if (rc == ERR_NONE)
			rc = sshexec_read(x, discard, sizeof(discard), &got, e);
	} while (rc == ERR_NONE && got > 0);
	if (rc == ERR_NONE)
		rc = close_channel(x, e);
	return rc != ERR_NONE ? rc : take_exit(x, out, e);
}

enum err_code
sshexec_end_within(struct sshexec *x, int64_t wait_ns, struct sshexit *out,
    struct err *e)
{
	struct mono until = {now_mono().ns + wait_ns};
	char discard[DISCARD_BYTES];
	size_t got = 1;
	enum err_code rc = ERR_NONE;
	int num;

	*out = (struct sshexit){.status = -1};
	while (rc == ERR_NONE && got > 0)
		rc = sshexec_read_within(x, discard, sizeof(discard),
		    until.ns - now_mono().ns, &got, e);
	if (rc != ERR_NONE)
		return rc;
	/* The host closes when it has told how it ended: not before it. */
	while ((num = libssh2_channel_wait_closed(x->channel)) != 0) {
		if (num != LIBSSH2_ERROR_EAGAIN)
			return sshconn_fail(x->conn, num, "waiting for", e);
		rc = sshconn_linger(x->conn, until, e);
		if (rc == ERR_TIMEOUT)
			return err_set(e, ERR_BUSY, "it has not ended yet");
		if (rc != ERR_NONE)
			return err_wrap(e, "waiting for the command's end");
	}
	drain_stderr(x);
	return take_exit(x, out, e);
}
