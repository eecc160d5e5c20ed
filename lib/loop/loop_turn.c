/* How long a turn of the loop takes, and what takes it. */

#include "loop_impl.h"

#include <time.h>

static int64_t
clock_ns(clockid_t clock)
{
	struct timespec t;

	ASSERT(clock_gettime(clock, &t) == 0);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

void
loop_turn_watch(struct loop *l, int64_t cpu_ns, loop_turn_fn *fn, void *ctx)
{
	/* Refused where waits are counted already, which is as good. */
	(void)uv_loop_configure(&l->uv, UV_METRICS_IDLE_TIME);
	l->turns =
	    (struct loop_turns){.fn = fn, .ctx = ctx, .limit_ns = cpu_ns};
}

/* What was done until now has taken so long. */
static void
charge(struct loop_turns *t, int64_t cpu_ns)
{
	if (cpu_ns - t->since_ns > t->longest_ns) {
		t->longest_ns = cpu_ns - t->since_ns;
		t->longest = t->doing;
	}
	t->since_ns = cpu_ns;
}

void
loop_turn_does(struct loop *l, const char *what)
{
	if (l->turns.fn == NULL)
		return;
	charge(&l->turns, clock_ns(CLOCK_THREAD_CPUTIME_ID));
	l->turns.doing = what;
}

void
loop_turn_begin(struct loop *l)
{
	struct loop_turns *t = &l->turns;

	if (t->fn == NULL)
		return;
	t->began_ns = clock_ns(CLOCK_MONOTONIC);
	t->idle_ns = (int64_t)uv_metrics_idle_time(&l->uv);
	t->cpu_ns = t->since_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	t->doing = t->longest = NULL;
	t->longest_ns = 0;
}

/* A turn of libuv is: the wait, then what is due. */
void
loop_turn_end(struct loop *l)
{
	struct loop_turns *t = &l->turns;
	struct loop_turn turn = {0};
	int64_t now_ns;

	if (t->fn == NULL || t->began_ns == 0)
		return;
	now_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	charge(t, now_ns);
	turn.cpu_ns = now_ns - t->cpu_ns;
	turn.what = t->longest;
	turn.what_ns = t->longest_ns;
	turn.took_ns = clock_ns(CLOCK_MONOTONIC) - t->began_ns -
	    ((int64_t)uv_metrics_idle_time(&l->uv) - t->idle_ns);
	if (turn.took_ns <
	    turn.cpu_ns) /* what falling asleep and waking cost */
		turn.took_ns = turn.cpu_ns;
	if (turn.cpu_ns >= t->limit_ns)
		t->fn(t->ctx, &turn);
}
