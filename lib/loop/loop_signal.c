/* Signals as callbacks. */

#include "loop_impl.h"

#include <errno.h>

struct loop_signal {
	uv_signal_t uv;
	loop_fn *fn;
	void *ctx;
};

static void
caught(uv_signal_t *uv, int number)
{
	struct loop_signal *s = uv->data;

	(void)number;
	loop_enter(uv->loop);
	s->fn(s->ctx);
}

static void
closed(uv_handle_t *h)
{
	free(h->data);
}

enum err_code
loop_signal_new(struct loop_signal **out, struct loop *l, int number,
    loop_fn *fn, void *ctx, struct err *e)
{
	struct loop_signal *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (s == NULL)
		return err_nomem(e);
	s->fn = fn;
	s->ctx = ctx;
	rc = uv_signal_init(&l->uv, &s->uv);
	if (rc != 0) {
		free(s);
		return LOOP_FAIL(e, rc, "cannot wait for signals");
	}
	s->uv.data = s;
	rc = uv_signal_start(&s->uv, caught, number);
	if (rc != 0) {
		loop_signal_free(&s);
		return LOOP_FAIL(e, rc, "cannot wait for signal %d", number);
	}
	*out = s;
	return ERR_NONE;
}

void
loop_signal_free(struct loop_signal **s)
{
	if (*s != NULL)
		uv_close((uv_handle_t *)&(*s)->uv, closed);
	*s = NULL;
}
