/* Progress of long work: a bar, a line now and then, or JSON lines. */

#include "cli.h"

#include <stdio.h>
#include <unistd.h>

#include <bascule/base/text.h>
#include <bascule/wire.h>

#define BAR_EVERY_NS  (NS_PER_S / 5)
#define LINE_EVERY_NS (30 * NS_PER_S)
#define JSON_EVERY_NS (5 * NS_PER_S) /* the contract says at least 10 s */

void
cli_progress_begin(struct cli_progress *p, const struct cli *cli,
    const char *what)
{
	*p = (struct cli_progress){cli, what, now_mono(), now_mono(), false};
}

static void
show_json(struct cli_progress *p, uint64_t files, uint64_t done, uint64_t total)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, "progress", &e) != ERR_NONE)
		return;
	wire_add_text(v, "what", p->what);
	wire_add_uint(v, "files", files);
	wire_add_uint(v, "bytes", done);
	if (total > 0)
		wire_add_uint(v, "total_bytes", total);
	wire_add_seconds(v, "seconds", now_mono().ns - p->begun.ns);
	fflush(stdout);
	if (wire_send(STDOUT_FILENO, v, &e) != ERR_NONE)
		return; /* the command's last line will find out */
}

static void
show_text(struct cli_progress *p, uint64_t files, uint64_t done, uint64_t total)
{
	int64_t ns = now_mono().ns - p->begun.ns;
	char size[TEXT_UNIT_BYTES], all[TEXT_UNIT_BYTES], rate[TEXT_UNIT_BYTES],
	    time[TEXT_UNIT_BYTES];
	double s = (double)ns / (double)NS_PER_S;

	text_size(done, size);
	text_size((uint64_t)((double)done / (s > 0.1 ? s : 0.1)), rate);
	text_duration(ns / NS_PER_S * NS_PER_S, time);
	fprintf(stderr, "%s%s: %s",
	    p->cli->terminal ? "\r\033[K" : "bascule: ", p->what, size);
	if (total > 0)
		fprintf(stderr, " of %s (%.0f %%)", text_size(total, all),
		    (double)done * 100 / (double)total);
	if (files > 0)
		fprintf(stderr, ", %llu files", (unsigned long long)files);
	fprintf(stderr, ", %s/s, %s", rate, time);
	if (!p->cli->terminal)
		fputc('\n', stderr);
	p->bar_open = p->cli->terminal;
}

void
cli_progress_show(struct cli_progress *p, uint64_t files_count,
    uint64_t done_bytes, uint64_t total_bytes)
{
	int64_t every = p->cli->json ? JSON_EVERY_NS
	    : p->cli->terminal       ? BAR_EVERY_NS
				     : LINE_EVERY_NS;
	struct mono now = now_mono();

	if (p->cli->quiet || now.ns - p->shown.ns < every)
		return;
	p->shown = now;
	if (p->cli->json)
		show_json(p, files_count, done_bytes, total_bytes);
	else
		show_text(p, files_count, done_bytes, total_bytes);
}

void
cli_progress_end(struct cli_progress *p)
{
	if (p->bar_open)
		fputs("\r\033[K", stderr);
	p->bar_open = false;
}
