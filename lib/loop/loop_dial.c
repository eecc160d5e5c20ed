/* Does something answer at an address? */

#include "loop_impl.h"

#include <errno.h>
#include <string.h>

#define EXPECT_BYTES_MAX 32

struct loop_dial {
	uv_tcp_t tcp;
	uv_timer_t patience;
	uv_connect_t connecting;
	uv_getaddrinfo_t resolving;
	loop_dial_fn *fn;
	void *ctx;
	char expect[EXPECT_BYTES_MAX];
	size_t seen_bytes;
	const char *failed_early; /* before the loop could tell */
	struct mono begun;
	int64_t took_ns;
	int holds_count; /* two handles, and what the resolver still holds */
	bool closing, done;
};

static void
drop(struct loop_dial *d)
{
	if (--d->holds_count == 0)
		free(d);
}

static void
handle_closed(uv_handle_t *h)
{
	drop(h->data);
}

static void
finish(struct loop_dial *d, bool answered, const char *reason)
{
	struct loop_dial_result r = {answered, d->took_ns, reason};

	if (d->done || d->closing)
		return;
	d->done = true;
	uv_timer_stop(&d->patience);
	uv_read_stop((uv_stream_t *)&d->tcp);
	d->fn(d->ctx, &r);
}

static void
patience_over(uv_timer_t *t)
{
	struct loop_dial *d = t->data;

	if (d->failed_early != NULL)
		finish(d, false, d->failed_early);
	finish(d, false,
	    d->took_ns > 0 ? "connected, but silent" : "no answer in time");
}

static void
was_read(uv_stream_t *s, ssize_t len, const uv_buf_t *buf)
{
	struct loop_dial *d = s->data;

	if (len < 0) {
		finish(d, false, "it hung up");
		return;
	}
	for (ssize_t i = 0; i < len; i++) {
		if (buf->base[i] != d->expect[d->seen_bytes]) {
			finish(d, false, "something else answers there");
			return;
		}
		if (d->expect[++d->seen_bytes] == '\0') {
			finish(d, true, "");
			return;
		}
	}
}

static void
connected(uv_connect_t *req, int status)
{
	struct loop_dial *d = req->data;

	if (status == UV_ECANCELED)
		return;
	if (status != 0) {
		finish(d, false, uv_strerror(status));
		return;
	}
	d->took_ns = now_mono().ns - d->begun.ns;
	if (d->expect[0] == '\0')
		finish(d, true, "");
	else if (uv_read_start((uv_stream_t *)&d->tcp, loop_lend, was_read) !=
	    0)
		finish(d, false, "cannot be read from");
}

/* A failure inside the call that began is told from the loop, too. */
static void
fail_soon(struct loop_dial *d, int code)
{
	d->failed_early = uv_strerror(code);
	uv_timer_start(&d->patience, patience_over, 0, 0);
}

static void
connect_to(struct loop_dial *d, const struct sockaddr *at)
{
	int rc;

	d->connecting.data = d;
	rc = uv_tcp_connect(&d->connecting, &d->tcp, at, connected);
	if (rc != 0)
		fail_soon(d, rc);
}

static void
resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct loop_dial *d = req->data;

	if (!d->closing && !d->done) {
		if (status != 0)
			finish(d, false, uv_strerror(status));
		else
			connect_to(d, list->ai_addr);
	}
	uv_freeaddrinfo(list);
	drop(d);
}

static void
begin(struct loop_dial *d, const char *host, uint32_t port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
	char service[8];
	int rc;

	if (uv_ip4_addr(host, (int)port, &in4) == 0) {
		connect_to(d, (const struct sockaddr *)&in4);
		return;
	}
	if (uv_ip6_addr(host, (int)port, &in6) == 0) {
		connect_to(d, (const struct sockaddr *)&in6);
		return;
	}
	snprintf(service, sizeof(service), "%u", (unsigned)(port & 0xffff));
	d->resolving.data = d;
	d->holds_count++;
	rc = uv_getaddrinfo(d->tcp.loop, &d->resolving, resolved, host, service,
	    &hints);
	if (rc == 0)
		return;
	d->holds_count--;
	fail_soon(d, rc);
}

enum err_code
loop_dial_start(struct loop_dial **out, struct loop *l, const char *host,
    uint32_t port, const char *expect, int64_t timeout_ns, loop_dial_fn *fn,
    void *ctx, struct err *e)
{
	struct loop_dial *d = calloc(1, sizeof(*d));
	int rc;

	*out = NULL;
	if (d == NULL)
		return err_nomem(e);
	ASSERT(strlen(expect) < sizeof(d->expect));
	memcpy(d->expect, expect, strlen(expect) + 1);
	d->fn = fn;
	d->ctx = ctx;
	d->begun = now_mono();
	rc = uv_tcp_init(&l->uv, &d->tcp);
	if (rc != 0) {
		free(d);
		return LOOP_FAIL(e, rc, "cannot make a socket");
	}
	ASSERT(uv_timer_init(&l->uv, &d->patience) == 0);
	d->tcp.data = d->patience.data = d;
	d->holds_count = 2;
	uv_update_time(&l->uv);
	uv_timer_start(&d->patience, patience_over, loop_ms(timeout_ns), 0);
	*out = d;
	begin(d, host, port);
	return ERR_NONE;
}

void
loop_dial_free(struct loop_dial **dp)
{
	struct loop_dial *d = TAKE(*dp);

	if (d == NULL)
		return;
	d->closing = true;
	uv_cancel((uv_req_t *)&d->resolving);
	uv_close((uv_handle_t *)&d->tcp, handle_closed);
	uv_close((uv_handle_t *)&d->patience, handle_closed);
}
