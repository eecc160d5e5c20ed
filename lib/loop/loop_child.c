/*
 * Child processes.
 *
 * A child has up to five handles in the loop: SIGCHLD, its three pipes and a
 * timer.  The struct is freed when the last of them has closed.  SIGCHLD is
 * watched until the process has been reaped, whoever still cares.
 */

#include "loop_impl.h"
#include "loop_session.h"
#include "loop_spawn.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DRAIN_NS (2 * NS_PER_S)

enum { PIPE_INPUT, PIPE_ERROR, PIPE_EVENT, PIPES };

struct loop_child {
	struct loop_child_options opt;
	pid_t pid;
	uv_signal_t ends;
	uv_pipe_t pipes[PIPES];
	uv_timer_t drain;
	bool open[PIPES]; /* and not asked to close */
	int handles_count;
	bool running, orphaned, ended;
	int exit_status, signal;
};

static void
handle_closed(uv_handle_t *h)
{
	struct loop_child *c = h->data;

	if (--c->handles_count == 0)
		free(c);
}

static void
close_pipe(struct loop_child *c, int which)
{
	if (!c->open[which])
		return;
	c->open[which] = false;
	uv_close((uv_handle_t *)&c->pipes[which], handle_closed);
}

static void
close_pipes(struct loop_child *c)
{
	for (int i = 0; i < PIPES; i++)
		close_pipe(c, i);
}

/* The last thing that is told. */
static void
tell_end(struct loop_child *c)
{
	if (c->ended)
		return;
	c->ended = true;
	uv_timer_stop(&c->drain);
	close_pipes(c);
	if (!c->orphaned)
		c->opt.on_end(c->opt.ctx, c->exit_status, c->signal);
}

static void
look_for_end(struct loop_child *c)
{
	if (!c->running && !c->open[PIPE_ERROR] && !c->open[PIPE_EVENT])
		tell_end(c);
}

static void
drain_over(uv_timer_t *t)
{
	tell_end(t->data);
}

static void
was_read(uv_stream_t *s, ssize_t len, const uv_buf_t *buf)
{
	struct loop_child *c = s->data;
	int which =
	    s == (uv_stream_t *)&c->pipes[PIPE_EVENT] ? PIPE_EVENT : PIPE_ERROR;
	void (*fn)(void *, const char *, size_t) =
	    which == PIPE_EVENT ? c->opt.on_event : c->opt.on_error;

	loop_enter(s->loop);
	if (len > 0 && fn != NULL && !c->orphaned)
		fn(c->opt.ctx, buf->base, (size_t)len);
	if (len >= 0)
		return;
	close_pipe(c, which);
	look_for_end(c);
}

static void
child_ended(uv_signal_t *h, int number)
{
	struct loop_child *c = h->data;
	int status;

	(void)number;
	loop_enter(h->loop);
	if (!c->running || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;         /* it was another one */
	kill(-c->pid, SIGKILL); /* LP3 */
	loop_session_kill(c->pid);
	c->running = false;
	c->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	c->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	uv_close((uv_handle_t *)h, handle_closed);
	if (c->orphaned)
		return;
	uv_timer_start(&c->drain, drain_over, loop_ms(DRAIN_NS), 0);
	look_for_end(c);
}

static void
init_handles(struct loop_child *c, struct loop *l)
{
	ASSERT(uv_timer_init(&l->uv, &c->drain) == 0);
	c->drain.data = c;
	c->handles_count = 1;
	for (int i = 0; i < PIPES; i++) {
		if (i == PIPE_EVENT && !c->opt.has_events)
			continue;
		ASSERT(uv_pipe_init(&l->uv, &c->pipes[i], 0) == 0);
		c->pipes[i].data = c;
		c->open[i] = true;
		c->handles_count++;
	}
}

static void
close_ends(int fds[LOOP_SPAWN_FDS])
{
	for (int i = 0; i < LOOP_SPAWN_FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* A pair of sockets: one end is ours to read or write, one is the child's. */
static int
make_pipe(struct loop_child *c, int which, int *theirs)
{
	uv_os_sock_t pair[2];
	int rc = uv_socketpair(SOCK_STREAM, 0, pair, UV_NONBLOCK_PIPE, 0);

	if (rc != 0)
		return rc;
	*theirs = pair[1];
	rc = uv_pipe_open(&c->pipes[which], pair[0]);
	if (rc != 0)
		close(pair[0]);
	return rc;
}

static int
spawn(struct loop_child *c, struct loop *l)
{
	struct loop_spawn what = {.program = c->opt.program,
	    .argv = c->opt.argv,
	    .fds = {-1, -1, -1, -1},
	    .fd_count = c->opt.has_events ? 4 : 3};
	int rc = uv_signal_init(&l->uv, &c->ends);

	if (rc != 0)
		return rc;
	c->ends.data = c;
	c->handles_count++;
	rc = uv_signal_start(&c->ends, child_ended, SIGCHLD);
	if (rc == 0)
		rc = make_pipe(c, PIPE_INPUT, &what.fds[STDIN_FILENO]);
	if (rc == 0)
		rc = make_pipe(c, PIPE_ERROR, &what.fds[STDERR_FILENO]);
	if (rc == 0 && c->opt.has_events)
		rc = make_pipe(c, PIPE_EVENT, &what.fds[3]);
	if (rc == 0)
		rc = loop_spawn(&c->pid, &what);
	close_ends(what.fds);
	c->running = c->pid > 0;
	if (!c->running)
		uv_close((uv_handle_t *)&c->ends, handle_closed);
	return rc;
}

enum err_code
loop_child_start(struct loop_child **out, struct loop *l,
    const struct loop_child_options *opt, struct err *e)
{
	struct loop_child *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (c == NULL)
		return err_nomem(e);
	c->opt = *opt;
	init_handles(c, l);
	rc = spawn(c, l);
	for (int i = PIPE_ERROR; rc == 0 && i < PIPES; i++)
		if (c->open[i])
			rc = uv_read_start((uv_stream_t *)&c->pipes[i],
			    loop_lend, was_read);
	if (rc != 0) {
		loop_child_free(&c);
		return LOOP_FAIL(e, rc, "cannot start '%s'", opt->program);
	}
	*out = c;
	return ERR_NONE;
}

void
loop_child_free(struct loop_child **cp)
{
	struct loop_child *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	c->orphaned = true;
	loop_child_signal(c, SIGKILL);
	close_pipes(c);
	uv_close((uv_handle_t *)&c->drain, handle_closed);
}

struct input {
	uv_write_t req;
	char bytes[];
};

static void
input_written(uv_write_t *req, int status)
{
	(void)status; /* a child that does not listen will be seen to end */
	free(req->data);
}

enum err_code
loop_child_write(struct loop_child *c, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct input *in;
	uv_buf_t buf;
	int rc;

	if (!c->open[PIPE_INPUT])
		return err_set(e, ERR_CANCELLED, "the process has ended");
	in = malloc(sizeof(*in) + len_bytes);
	if (in == NULL)
		return err_nomem(e);
	memcpy(in->bytes, bytes, len_bytes);
	in->req.data = in;
	buf = uv_buf_init(in->bytes, (unsigned)len_bytes);
	rc = uv_write(&in->req, (uv_stream_t *)&c->pipes[PIPE_INPUT], &buf, 1,
	    input_written);
	if (rc == 0)
		return ERR_NONE;
	free(in);
	return LOOP_FAIL(e, rc, "cannot write to process %d", (int)c->pid);
}

static void
shut(uv_shutdown_t *req, int status)
{
	struct loop_child *c = req->data;

	free(req);
	if (status != UV_ECANCELED)
		close_pipe(c, PIPE_INPUT);
}

void
loop_child_close_input(struct loop_child *c)
{
	uv_shutdown_t *req;

	if (!c->open[PIPE_INPUT])
		return;
	req = malloc(sizeof(*req));
	if (req == NULL) {
		close_pipe(c, PIPE_INPUT);
		return;
	}
	req->data = c;
	if (uv_shutdown(req, (uv_stream_t *)&c->pipes[PIPE_INPUT], shut) == 0)
		return;
	free(req);
	close_pipe(c, PIPE_INPUT);
}

void
loop_child_signal(struct loop_child *c, int number)
{
	/* without a group of its own: it has not come to that yet */
	if (c->running && kill(-c->pid, number) != 0)
		kill(c->pid, number);
}

pid_t
loop_child_pid(const struct loop_child *c)
{
	return c->pid;
}
