#include "watch.h"

#include <signal.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/wire.h>

static volatile sig_atomic_t stop_signal;

static void
on_signal(int number)
{
	stop_signal = number;
}

static void
set_handlers(void (*handler)(int))
{
	struct sigaction sa = {.sa_handler = handler};

	sigemptyset(&sa.sa_mask);
	sa.sa_flags = (int)SA_RESETHAND; /* the second Ctrl-C ends it at once */
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

bool
cli_watch_stopped(void)
{
	return stop_signal != 0;
}

static bool
on_progress(void *ctx, const struct job_progress *p)
{
	struct cli_watch *w = ctx;

	cli_progress_show(&w->progress, p->files_count, p->done_bytes,
	    p->total_bytes);
	return stop_signal == 0;
}

static void
on_problem(void *ctx, const char *path, const char *reason)
{
	struct cli_watch *w = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf name = {0};
	struct err e;

	cli_progress_end(&w->progress);
	if (!w->cli->json) {
		if (path == NULL ||
		    text_escape(&name, path, strlen(path), &e) != ERR_NONE)
			cli_warn(w->cli, "%s", reason);
		else
			cli_warn(w->cli, "%s: %s", buf_text(&name), reason);
		return;
	}
	if (wire_new(&v, "error", &e) != ERR_NONE)
		return;
	if (path != NULL)
		wire_add_path(v, "path", path, strlen(path));
	wire_add_text(v, "error", reason);
	cli_line(w->cli, &v);
}

void
cli_watch_begin(struct cli_watch *w, struct cli *cli, const char *what,
    struct job_watch *out)
{
	w->cli = cli;
	cli_progress_begin(&w->progress, cli, what);
	stop_signal = 0;
	set_handlers(on_signal);
	*out = (struct job_watch){w, on_progress, on_problem};
}

void
cli_watch_end(struct cli_watch *w)
{
	cli_progress_end(&w->progress);
	set_handlers(SIG_DFL);
}

int
cli_watch_failed(const struct cli_watch *w, const struct err *e)
{
	return e->code == ERR_CANCELLED && stop_signal != 0
	    ? cli_fail_as(w->cli, e, EXITCODE_SIGNAL + stop_signal)
	    : cli_fail(w->cli, e);
}
