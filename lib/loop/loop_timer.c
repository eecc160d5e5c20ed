/* Timers that fire once. */

#include "loop_impl.h"

#include <errno.h>

struct loop_timer {
	uv_timer_t uv;
	loop_fn *fn;
	void *ctx;
};

static void
fired(uv_timer_t *uv)
{
	struct loop_timer *t = uv->data;

	loop_enter(uv->loop);
	t->fn(t->ctx);
}

static void
closed(uv_handle_t *h)
{
	free(h->data);
}

enum err_code
loop_timer_new(struct loop_timer **out, struct loop *l, loop_fn *fn, void *ctx,
    struct err *e)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (t == NULL)
		return err_nomem(e);
	t->fn = fn;
	t->ctx = ctx;
	ASSERT(uv_timer_init(&l->uv, &t->uv) == 0); /* cannot fail */
	t->uv.data = t;
	*out = t;
	return ERR_NONE;
}

void
loop_timer_free(struct loop_timer **t)
{
	if (*t != NULL)
		uv_close((uv_handle_t *)&(*t)->uv, closed);
	*t = NULL;
}

/*
 * Counted from now, for the callback may have taken a while; but the loop's own
 * time stands still until its turn is over.  Were it moved on here, a timer that
 * another callback of this turn had set would be due in this turn again: two who
 * work in slices would hand each other the loop, and nobody else be heard.
 */
void
loop_timer_set(struct loop_timer *t, int64_t in_ns)
{
	uint64_t began_ms = uv_now(t->uv.loop),
		 now_ms = uv_hrtime() / NS_PER_MS;
	uint64_t in_ms = loop_ms(in_ns);

	if (now_ms > began_ms)
		in_ms += now_ms - began_ms;
	ASSERT(uv_timer_start(&t->uv, fired, in_ms > 0 ? in_ms : 1, 0) == 0);
}

void
loop_timer_unset(struct loop_timer *t)
{
	uv_timer_stop(&t->uv);
}
