/* One accepted connection. */

#include "loop_conn.h"

#include <errno.h>
#include <string.h>

#define FINISH_NS (5 * NS_PER_S)

struct loop_conn {
	uv_pipe_t pipe;
	uv_timer_t patience; /* how long a finish may take */
	struct loop_conn_handlers h;
	int handles_count;
	bool closing;
};

static void
handle_closed(uv_handle_t *h)
{
	struct loop_conn *c = h->data;

	if (--c->handles_count == 0)
		free(c);
}

static void
close_all(struct loop_conn *c)
{
	c->h = (struct loop_conn_handlers){0};
	if (c->closing)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->pipe, handle_closed);
	uv_close((uv_handle_t *)&c->patience, handle_closed);
}

enum err_code
loop_conn_accept(struct loop_conn **out, uv_stream_t *listener, struct err *e)
{
	struct loop_conn *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (c == NULL)
		return err_nomem(e);
	ASSERT(uv_pipe_init(listener->loop, &c->pipe, 0) == 0);
	ASSERT(uv_timer_init(listener->loop, &c->patience) == 0);
	c->pipe.data = c->patience.data = c;
	c->handles_count = 2;
	rc = uv_accept(listener, (uv_stream_t *)&c->pipe);
	if (rc != 0) {
		loop_conn_free(&c);
		return LOOP_FAIL(e, rc, "cannot accept a connection");
	}
	*out = c;
	return ERR_NONE;
}

int
loop_conn_fd(const struct loop_conn *c)
{
	uv_os_fd_t fd;

	return uv_fileno((const uv_handle_t *)&c->pipe, &fd) == 0 ? fd : -1;
}

static void
was_read(uv_stream_t *s, ssize_t len, const uv_buf_t *buf)
{
	struct loop_conn *c = s->data;

	loop_enter(s->loop);
	if (len > 0 && c->h.on_bytes != NULL)
		c->h.on_bytes(c->h.ctx, buf->base, (size_t)len);
	if (len >= 0)
		return;
	uv_read_stop(s);
	if (c->h.on_end != NULL)
		c->h.on_end(c->h.ctx);
}

enum err_code
loop_conn_open(struct loop_conn *c, const struct loop_conn_handlers *h,
    struct err *e)
{
	int rc;

	c->h = *h;
	rc = uv_read_start((uv_stream_t *)&c->pipe, loop_lend, was_read);
	return rc == 0 ? ERR_NONE
		       : LOOP_FAIL(e, rc, "cannot read from a connection");
}

struct output {
	uv_write_t req;
	struct loop_conn *conn;
	char bytes[];
};

static void
written(uv_write_t *req, int status)
{
	struct output *o = req->data;
	struct loop_conn *c = o->conn;

	free(o);
	if (status == 0 && c->h.on_drained != NULL &&
	    loop_conn_queued_bytes(c) == 0)
		c->h.on_drained(c->h.ctx);
}

enum err_code
loop_conn_send(struct loop_conn *c, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct output *o = malloc(sizeof(*o) + len_bytes);
	uv_buf_t buf;
	int rc;

	if (o == NULL)
		return err_nomem(e);
	memcpy(o->bytes, bytes, len_bytes);
	o->req.data = o;
	o->conn = c;
	buf = uv_buf_init(o->bytes, (unsigned)len_bytes);
	rc = uv_write(&o->req, (uv_stream_t *)&c->pipe, &buf, 1, written);
	if (rc == 0)
		return ERR_NONE;
	free(o);
	return LOOP_FAIL(e, rc, "cannot write to a connection");
}

size_t
loop_conn_queued_bytes(const struct loop_conn *c)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe);
}

static void
shut(uv_shutdown_t *req, int status)
{
	struct loop_conn *c = req->data;

	(void)status;
	free(req);
	close_all(c);
}

static void
patience_over(uv_timer_t *t)
{
	close_all(t->data);
}

void
loop_conn_finish(struct loop_conn **cp)
{
	struct loop_conn *c = TAKE(*cp);
	uv_shutdown_t *req;

	if (c == NULL)
		return;
	c->h = (struct loop_conn_handlers){0};
	uv_read_stop((uv_stream_t *)&c->pipe);
	req = malloc(sizeof(*req));
	if (req != NULL) {
		req->data = c;
		if (uv_shutdown(req, (uv_stream_t *)&c->pipe, shut) == 0) {
			uv_timer_start(&c->patience, patience_over,
			    loop_ms(FINISH_NS), 0);
			return;
		}
		free(req);
	}
	close_all(c);
}

void
loop_conn_free(struct loop_conn **cp)
{
	struct loop_conn *c = TAKE(*cp);

	if (c != NULL)
		close_all(c);
}
