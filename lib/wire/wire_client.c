#include <bascule/wire.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/proc.h>

#define SEND_TIMEOUT_S 30 /* a daemon that reads nothing for so long is hung */

struct wire_client {
	int fd;
	bool ended; /* "last" was seen */
	int exit_status;
	struct wire_lines lines;
};

static enum err_code
dial(int fd, const char *path, struct err *e)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = SEND_TIMEOUT_S};
	int rc;

	if (strlen(path) >= sizeof(to.sun_path))
		return err_set(e, ERR_INPUT, "socket path too long: '%s'",
		    path);
	memcpy(to.sun_path, path, strlen(path) + 1);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	rc = connect(fd, (struct sockaddr *)&to, sizeof(to));
	if (rc == 0)
		return ERR_NONE;
	if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) {
		err_set(e, ERR_NOTFOUND, "no daemon answers at '%s'", path);
		return err_hint(e,
		    "start basculed; without it, "
		    "'bascule -r REPOSITORY snapshots' and 'restore' work on "
		    "a repository directly");
	}
	err_sys(e, "cannot connect to the daemon at '%s'", path);
	if (e->code == ERR_REFUSED)
		return err_hint(e,
		    "the socket belongs to the group 'bascule': "
		    "join it, or ask an operator");
	return e->code;
}

enum err_code
wire_client_open(struct wire_client **out, const char *path, struct err *e)
{
	OWNED(wire_client_close) struct wire_client *c = NULL;
	enum err_code rc;

	*out = NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_nomem(e);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		return err_sys(e, "cannot make a socket");
	rc = dial(c->fd, path, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(c);
	return ERR_NONE;
}

void
wire_client_close(struct wire_client **cp)
{
	struct wire_client *c = TAKE(*cp);

	if (c == NULL)
		return;
	fdio_close(&c->fd);
	wire_lines_fini(&c->lines);
	free(c);
}

enum err_code
wire_client_ask(struct wire_client *c, struct wire_value *request,
    struct err *e)
{
	enum err_code rc = wire_send(c->fd, request, e);

	c->ended = false;
	c->exit_status = 0;
	return rc == ERR_NONE ? rc : err_wrap(e, "asking the daemon");
}

/* Who listens there, as far as this host sees it, and what to do about it. */
static enum err_code
no_answer(int fd, int timeout_ms, struct err *e)
{
	struct ucred who = {.pid = 0};
	socklen_t size = sizeof(who);
	bool is_known =
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
	    who.pid > 0;
	char state = is_known ? proc_state(who.pid) : '?';

	err_set(e, ERR_TIMEOUT, "no answer from the daemon%s within %d s",
	    state == 'T' ? ", which is stopped," : "", timeout_ms / 1000);
	if (state == 'T')
		return err_hint(e,
		    "'kill -CONT %d' wakes it; killed and started again it "
		    "goes on from what is on record",
		    (int)who.pid);
	return err_hint(e,
	    "is its disk or this machine overloaded? killed and started again "
	    "it goes on from what is on record");
}

/* Wait until there is something to read, or the time is up. */
static enum err_code
wait_readable(int fd, struct mono deadline, int timeout_ms, struct err *e)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (;;) {
		int64_t left_ns = deadline.ns - now_mono().ns;
		int left_ms = timeout_ms < 0 ? -1
		    : left_ns <= 0           ? 0
					     : (int)(left_ns / NS_PER_MS) + 1;
		int n = poll(&p, 1, left_ms);

		if (n > 0)
			return ERR_NONE;
		if (n == 0)
			return no_answer(fd, timeout_ms, e);
		if (errno != EINTR)
			return err_sys(e, "cannot wait for the daemon");
	}
}

/* A whole line, reading as long as needed. */
static enum err_code
next_line(struct wire_client *c, int timeout_ms, const char **line,
    size_t *len_bytes, struct err *e)
{
	struct mono deadline = {now_mono().ns + timeout_ms * NS_PER_MS};

	for (;;) {
		enum err_code rc;
		size_t got;

		*line = wire_lines_next(&c->lines, len_bytes);
		if (*line != NULL)
			return ERR_NONE;
		rc = wait_readable(c->fd, deadline, timeout_ms, e);
		if (rc == ERR_NONE)
			rc = wire_lines_read(&c->lines, c->fd, &got, e);
		if (rc != ERR_NONE)
			return rc;
		if (got == 0)
			return err_set(e, ERR_IO,
			    "the daemon hung up before its last answer");
	}
}

enum err_code
wire_client_next(struct wire_client *c, int timeout_ms, struct wire_value **out,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const char *line;
	size_t len_bytes;
	enum err_code rc;

	*out = NULL;
	if (c->ended)
		return ERR_NONE;
	rc = next_line(c, timeout_ms, &line, &len_bytes, e);
	if (rc == ERR_NONE)
		rc = wire_parse(&v, line, len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	c->ended = wire_take_bool(v, "last", false);
	if (wire_failure_read(v, e, &c->exit_status))
		return e->code;
	*out = TAKE(v);
	return ERR_NONE;
}

int
wire_client_exit_status(const struct wire_client *c)
{
	return c->exit_status;
}

int
wire_client_fd(const struct wire_client *c)
{
	return c->fd;
}
