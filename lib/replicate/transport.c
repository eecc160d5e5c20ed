#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bascule/base/now.h>
#include <bascule/replicate.h>

/* A cancel flag set just before poll is seen so late. */
#define CANCEL_LATENCY_MS 200
/* What sshd may write ahead of a reader that flushes; 64 KiB are two packets. */
#define PIPE_BYTES (1 << 20)

static enum err_code
wait_for(const struct transport_fds *t, int fd, short events, struct err *e)
{
	struct mono end = {now_mono().ns + t->timeout_ns};

	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		int64_t left_ms = (end.ns - now_mono().ns) / NS_PER_MS;
		int n;

		if (t->cancel != NULL && *t->cancel != 0)
			return err_set(e, ERR_CANCELLED, "asked to stop");
		if (left_ms <= 0)
			return err_set(e, ERR_TIMEOUT,
			    "the other side has been silent for %.0f seconds",
			    (double)t->timeout_ns / (double)NS_PER_S);
		n = poll(&p, 1,
		    left_ms < CANCEL_LATENCY_MS ? (int)left_ms
						: CANCEL_LATENCY_MS);
		if (n > 0)
			return ERR_NONE;
		if (n < 0 && errno != EINTR)
			return err_sys(e, "cannot wait for the other side");
	}
}

static bool
is_later(int num)
{
	return num == EAGAIN || num == EWOULDBLOCK || num == EINTR;
}

static enum err_code
gone(struct err *e)
{
	if (errno != EPIPE && errno != ECONNRESET)
		return err_sys(e, "cannot reach the other side");
	err_sys(e, "the other side has gone");
	return e->code = ERR_TIMEOUT;
}

static enum err_code
read_fd(void *ctx, void *bytes, size_t max_bytes, size_t *got, struct err *e)
{
	const struct transport_fds *t = ctx;

	*got = 0;
	for (;;) {
		ssize_t n = read(t->in, bytes, max_bytes);

		if (n >= 0) {
			*got = (size_t)n;
			return ERR_NONE;
		}
		if (!is_later(errno))
			return gone(e);
		if (wait_for(t, t->in, POLLIN, e) != ERR_NONE)
			return e->code;
	}
}

/* Without SIGPIPE where the kernel lets us; programs ignore it for pipes. */
static ssize_t
write_some(int fd, const void *bytes, size_t len)
{
	ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

	return n == -1 && errno == ENOTSOCK ? write(fd, bytes, len) : n;
}

static enum err_code
write_fd(void *ctx, const void *bytes, size_t len_bytes, struct err *e)
{
	const struct transport_fds *t = ctx;
	const char *at = bytes;

	while (len_bytes > 0) {
		ssize_t n = write_some(t->out, at, len_bytes);

		if (n >= 0) {
			at += n;
			len_bytes -= (size_t)n;
		} else if (!is_later(errno)) {
			return gone(e);
		} else if (wait_for(t, t->out, POLLOUT, e) != ERR_NONE) {
			return e->code;
		}
	}
	return ERR_NONE;
}

enum err_code
transport_over_fds(struct transport *out, struct transport_fds *fds,
    struct err *e)
{
	*out = (struct transport){read_fd, write_fd, fds};
	for (int i = 0; i < 2; i++) {
		int fd = i == 0 ? fds->in : fds->out;
		int flags = fcntl(fd, F_GETFL);

		if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
			return err_sys(e, "cannot use descriptor %d", fd);
	}
	/* It may be no pipe, or the account may have no more. */
	(void)fcntl(fds->in, F_SETPIPE_SZ, PIPE_BYTES);
	(void)fcntl(fds->out, F_SETPIPE_SZ, PIPE_BYTES);
	return ERR_NONE;
}
