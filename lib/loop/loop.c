/* The loop itself. */

#include "loop_impl.h"

#include <errno.h>

enum err_code
loop_new(struct loop **out, struct err *e)
{
	OWNED(free_mem) struct loop *l = calloc(1, sizeof(*l));
	int rc;

	*out = NULL;
	if (l == NULL)
		return err_nomem(e);
	rc = uv_loop_init(&l->uv);
	if (rc != 0)
		return LOOP_FAIL(e, rc, "cannot make an event loop");
	l->uv.data = l;
	*out = TAKE(l);
	return ERR_NONE;
}

void
loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	l->stopped = true;
	uv_run(&l->uv, UV_RUN_DEFAULT); /* what is closing ends */
	ASSERT(uv_loop_close(&l->uv) == 0);
	free(l);
}

enum err_code
loop_run(struct loop *l, struct err *e)
{
	l->stopped = false;
	while (!l->stopped) {
		int alive;

		l->turn_count++;
		loop_turn_begin(l);
		alive = uv_run(&l->uv, UV_RUN_ONCE);
		loop_turn_end(l);
		if (alive == 0 && !l->stopped)
			return err_set(e, ERR_INPUT,
			    "the event loop has nothing to wait for");
	}
	return ERR_NONE;
}

uint64_t
loop_turn_count(const struct loop *l)
{
	return l->turn_count;
}

void
loop_stop(struct loop *l)
{
	l->stopped = true;
}
