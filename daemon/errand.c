#include "errand.h"

#include <signal.h>

struct errand {
	struct errand_options opt;
	struct loop_child *child;
	struct wire_lines lines;
	bool stopped;
	bool *gone; /* while its lines are being told: was it freed? */
};

void
errand_free(struct errand **ep)
{
	struct errand *er = TAKE(*ep);

	if (er == NULL)
		return;
	if (er->gone != NULL)
		*er->gone = true;
	loop_child_free(&er->child);
	wire_lines_fini(&er->lines);
	free(er);
}

void
errand_stop(struct errand *er)
{
	er->stopped = true;
	loop_child_signal(er->child, SIGKILL);
}

static void
nonsense(struct errand *er, const struct err *why)
{
	errand_stop(er);
	if (er->opt.on_nonsense != NULL)
		er->opt.on_nonsense(er->opt.ctx, why);
}

/* The next line, or what is wrong with it; false: there is no more to tell. */
static bool
tell_one(struct errand *er)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	size_t len;
	const char *line =
	    er->stopped ? NULL : wire_lines_next(&er->lines, &len);
	struct err e;

	if (line == NULL)
		return false;
	if (wire_parse(&v, line, len, &e) == ERR_NONE)
		er->opt.on_line(er->opt.ctx, v);
	else
		nonsense(er, &e);
	return true;
}

static void
on_event(void *ctx, const char *bytes, size_t len_bytes)
{
	struct errand *er = ctx;
	bool gone = false;
	struct err e;

	if (er->stopped)
		return;
	er->gone = &gone;
	if (wire_lines_feed(&er->lines, bytes, len_bytes, &e) != ERR_NONE)
		nonsense(er, &e);
	while (!gone && tell_one(er))
		;
	if (!gone)
		er->gone = NULL;
}

static void
on_end(void *ctx, int exit_status, int number)
{
	struct errand *er = ctx;

	er->opt.on_end(er->opt.ctx, exit_status, number);
}

enum err_code
errand_say(struct errand *er, struct wire_value *v, struct err *e)
{
	OWNED(buf_fini) struct buf line = {0};
	enum err_code rc = wire_line(v, &line, e);

	return rc == ERR_NONE
	    ? loop_child_write(er->child, line.bytes, line.len_bytes, e)
	    : rc;
}

enum err_code
errand_start(struct errand **out, const struct daemon *d,
    struct wire_value *spec, const struct errand_options *options,
    struct err *e)
{
	static const char *const worker[] = {"basculed", "--worker", NULL};
	OWNED(errand_free) struct errand *er = calloc(1, sizeof(*er));
	struct loop_child_options opt = {.program = options->argv == NULL
		? "/proc/self/exe"
		: options->argv[0],
	    .argv = options->argv == NULL ? worker : options->argv,
	    .has_events = true,
	    .ctx = er,
	    .on_event = on_event,
	    .on_end = on_end};
	enum err_code rc;

	*out = NULL;
	if (er == NULL)
		return err_nomem(e);
	er->opt = *options;
	rc = loop_child_start(&er->child, d->loop, &opt, e);
	if (rc == ERR_NONE)
		rc = errand_say(er, spec, e);
	if (rc == ERR_NONE)
		*out = TAKE(er);
	return rc;
}
