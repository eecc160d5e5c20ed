#ifndef LOOP_IMPL_H
#define LOOP_IMPL_H

#include <uv.h>

#include <bascule/loop.h>

#define LOOP_READ_BYTES ((size_t)65536)

/* loop_turn.c; fn NULL: nobody asks. */
struct loop_turns {
	loop_turn_fn *fn;
	void *ctx;
	int64_t limit_ns;
	int64_t began_ns, idle_ns, cpu_ns; /* the clocks when it began */
	/* what it does, since when, and what took longest so far */
	const char *doing, *longest;
	int64_t since_ns, longest_ns;
};

struct loop {
	uv_loop_t uv;
	bool stopped;
	uint64_t turn_count;
	struct loop_turns turns;
	char bytes[LOOP_READ_BYTES]; /* one read at a time: all share it */
};

/* Each callback begins with it: what it does is not what the last one did. */
static inline void
loop_enter(uv_loop_t *uv)
{
	loop_turn_does(uv->data, NULL);
}

void loop_turn_begin(struct loop *l);
void loop_turn_end(struct loop *l);

/* As err_sys, of libuv's negative errno. */
#define LOOP_FAIL(e, code, ...) (errno = -(code), err_sys((e), __VA_ARGS__))

static inline struct loop *
loop_of(const uv_handle_t *h)
{
	return (struct loop *)h->loop->data;
}

/* For uv_read_start: the loop's one buffer. */
static inline void
loop_lend(uv_handle_t *h, size_t wanted, uv_buf_t *buf)
{
	(void)wanted;
	*buf = uv_buf_init(loop_of(h)->bytes, (unsigned)LOOP_READ_BYTES);
}

/* Whole milliseconds, rounded up: never early. */
static inline uint64_t
loop_ms(int64_t ns)
{
	if (ns <= 0)
		return 0;
	return ((uint64_t)ns + NS_PER_MS - 1) / NS_PER_MS;
}

#endif
