/*
 * bascule bridge: the forced command by which the other site's daemon speaks
 * with this one's (docs/protocol/bridge.md).  It gives up every role but
 * "peer" before it passes on the first byte, and then only carries bytes: what
 * comes is judged by the daemon.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "live.h"
#include "stop.h"

#define PIECE_BYTES ((size_t)64 << 10)
#define SILENCE_MS  (15 * 60 * 1000) /* longer than any the daemon allows */
#define ANSWER_MS   30000

/* One way: what was read and not written yet. */
struct way {
	int from, to;
	size_t begin, len;
	bool ended;
	char bytes[PIECE_BYTES];
};

static enum err_code
way_read(struct way *w, struct err *e)
{
	ssize_t n = read(w->from, w->bytes, sizeof(w->bytes));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return ERR_NONE;
	if (n < 0)
		return err_sys(e, "cannot read");
	w->begin = 0;
	w->len = (size_t)n;
	w->ended = n == 0;
	return ERR_NONE;
}

static enum err_code
way_write(struct way *w, struct err *e)
{
	ssize_t n = write(w->to, w->bytes + w->begin, w->len - w->begin);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return ERR_NONE;
	if (n < 0)
		return err_sys(e, "cannot write");
	w->begin += (size_t)n;
	if (w->begin == w->len)
		w->begin = w->len = 0;
	return ERR_NONE;
}

static struct pollfd
way_poll(const struct way *w)
{
	return w->len > 0 ? (struct pollfd){w->to, POLLOUT, 0}
			  : (struct pollfd){w->ended ? -1 : w->from, POLLIN, 0};
}

static enum err_code
way_go(struct way *w, const struct pollfd *p, struct err *e)
{
	if (p->fd < 0 || p->revents == 0)
		return ERR_NONE;
	return w->len > 0 ? way_write(w, e) : way_read(w, e);
}

/* Until the daemon hangs up, or the other site has gone. */
static enum err_code
carry(int fd, const volatile sig_atomic_t *cancel, struct err *e)
{
	static struct way in, out;
	enum err_code rc = ERR_NONE;

	in = (struct way){.from = STDIN_FILENO, .to = fd};
	out = (struct way){.from = fd, .to = STDOUT_FILENO};
	while (rc == ERR_NONE && !out.ended && *cancel == 0) {
		struct pollfd p[2] = {way_poll(&in), way_poll(&out)};
		int n = poll(p, 2, SILENCE_MS);

		if (n == 0)
			return err_set(e, ERR_TIMEOUT, "nobody says anything");
		if (n < 0 && errno != EINTR)
			return err_sys(e, "cannot wait");
		if (n < 0)
			continue;
		rc = way_go(&in, &p[0], e);
		if (rc == ERR_NONE)
			rc = way_go(&out, &p[1], e);
		if (in.ended &&
		    in.len == 0) /* what is on its way still comes */
			shutdown(fd, SHUT_WR);
	}
	return rc;
}

/* The answer is the other site's greeting. */
static enum err_code
become_peer(struct cli *cli, struct wire_client *c, struct err *e)
{
	OWNED(wire_free)
	struct wire_value *request = live_request(cli, "bridge");
	OWNED(wire_free) struct wire_value *hello = NULL;
	enum err_code rc;

	if (request == NULL)
		return err_nomem(e);
	rc = wire_client_ask(c, request, e);
	if (rc == ERR_NONE)
		rc = wire_client_next(c, ANSWER_MS, &hello, e);
	if (rc != ERR_NONE)
		return rc;
	if (hello == NULL)
		return err_set(e, ERR_IO, "the daemon did not greet");
	return wire_send(STDOUT_FILENO, hello, e);
}

static int
run(struct cli *cli)
{
	OWNED(wire_client_close) struct wire_client *c = NULL;
	const volatile sig_atomic_t *cancel = cli_stop_catch();
	struct err e;
	enum err_code rc;

	cli->json_on_stderr = true; /* stdout speaks to the other site */
	rc = wire_client_open(&c, cli->socket, &e);
	if (rc == ERR_NOTFOUND)
		return cli_fail_as(cli, &e, EXITCODE_FAILED);
	if (rc == ERR_NONE)
		rc = become_peer(cli, c, &e);
	if (rc == ERR_NONE)
		rc = carry(wire_client_fd(c), cancel, &e);
	return rc == ERR_NONE ? EXITCODE_DONE : cli_stop_failed(cli, &e);
}

const struct cli_command command_bridge = {"bridge", "",
    "speak with the other site's daemon on standard input and output (a "
    "forced command)",
    NULL, 0, 0, run};
