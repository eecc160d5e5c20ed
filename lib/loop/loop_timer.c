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

void
loop_timer_set(struct loop_timer *t, int64_t in_ns)
{
	uv_update_time(t->uv.loop); /* the callback may have taken a while */
	ASSERT(uv_timer_start(&t->uv, fired, loop_ms(in_ns), 0) == 0);
}

void
loop_timer_unset(struct loop_timer *t)
{
	uv_timer_stop(&t->uv);
}
