/* How commands speak: failures, warnings, names, sizes, times, tables. */

#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bascule/base/text.h>
#include <bascule/wire.h>

static int
lines_fd(const struct cli *cli)
{
	return cli->json_on_stderr ? STDERR_FILENO : STDOUT_FILENO;
}

int
cli_fail(const struct cli *cli, const struct err *why)
{
	struct err e = *why;

	cli_room_hint(cli, &e);
	return cli_fail_as(cli, &e, (int)exitcode_of(e.code));
}

int
cli_fail_as(const struct cli *cli, const struct err *why, int status)
{
	fflush(stdout);
	if (cli->json) {
		OWNED(wire_free) struct wire_value *v = NULL;
		struct err e;

		if (wire_failure_new(&v, why, status, &e) == ERR_NONE) {
			wire_add_bool(v, "last", false); /* the summary is */
			if (wire_send(lines_fd(cli), v, &e) == ERR_NONE)
				return status;
		}
	}
	fprintf(stderr, "bascule: %s\n", why->text); /* its hint is a line */
	return status;
}

int
cli_wrong_use(const struct cli *cli, const char *fmt, ...)
{
	struct err e = {ERR_INPUT, ""};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	if (cli->command != NULL)
		err_hint(&e, "bascule %s --help", cli->command->name);
	else
		err_hint(&e, "bascule --help");
	return cli_fail_as(cli, &e, EXITCODE_USAGE);
}

void
cli_warn(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	(void)cli;
	fputs("bascule: warning: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void
cli_print_name(const char *bytes, size_t len_bytes)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err e;

	if (text_escape(&b, bytes, len_bytes, &e) == ERR_NONE)
		fwrite(b.bytes, 1, b.len_bytes, stdout);
}

const char *
cli_size(const struct cli *cli, uint64_t bytes, char out[32])
{
	if (cli->exact_bytes)
		snprintf(out, 32, "%llu", (unsigned long long)bytes);
	else
		text_size(bytes, out);
	return out;
}

const char *
cli_time_of(int64_t s, char out[NOW_TEXT_BYTES])
{
	time_t when = (time_t)s;
	struct tm tm;

	if (localtime_r(&when, &tm) == NULL ||
	    strftime(out, NOW_TEXT_BYTES, "%Y-%m-%d %H:%M:%S %Z", &tm) == 0)
		now_text_wide(s, 0, out);
	return out;
}

const char *
cli_time(struct utc t, char out[NOW_TEXT_BYTES])
{
	return cli_time_of(t.ns / NS_PER_S, out);
}

int
cli_line(struct cli *cli, struct wire_value **v)
{
	struct err e;
	enum err_code rc;

	fflush(stdout);
	if (strcmp(wire_take_text(*v, "type", ""), "summary") == 0)
		cli->summed = true;
	else if (wire_has(*v, "last"))
		wire_add_bool(*v, "last", false); /* the API's, not ours */
	rc = wire_send(lines_fd(cli), *v, &e);
	wire_free(v);
	if (rc == ERR_NONE)
		return EXITCODE_DONE;
	cli->json = false; /* stdout is no longer to be had */
	return cli_fail(cli, &e);
}

void
cli_line_last(struct cli *cli, int status)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (!cli->json || cli->summed ||
	    wire_new(&v, "summary", &e) != ERR_NONE)
		return;
	wire_add_int(v, "exit", status);
	cli_line(cli, &v);
}

/* --- tables -------------------------------------------------------------- */

#define COLUMNS_MAX 16

struct cli_table {
	struct buf text; /* rows, each NUL-ended */
	size_t widths[COLUMNS_MAX];
};

enum err_code
cli_table_new(struct cli_table **out, struct err *e)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? err_nomem(e) : ERR_NONE;
}

void
cli_table_free(struct cli_table **t)
{
	if (*t != NULL)
		buf_fini(&(*t)->text);
	free(*t);
	*t = NULL;
}

/* Columns that bytes of UTF-8 take: continuation bytes take none, nor does a
 * colour. */
static size_t
columns(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (text[i] == '\033')
			while (i < len && text[i] != 'm')
				i++;
		else
			n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static void
measure(struct cli_table *t, const char *row)
{
	for (size_t c = 0; c < COLUMNS_MAX; c++) {
		size_t len = strcspn(row, "\t");
		size_t width = columns(row, len);

		if (width > t->widths[c])
			t->widths[c] = width;
		if (row[len] == '\0')
			return;
		row += len + 1;
	}
}

enum err_code
cli_table_row(struct cli_table *t, struct err *e, const char *fmt, ...)
{
	char row[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(row, sizeof(row), fmt, ap);
	va_end(ap);
	measure(t, row);
	return buf_add(&t->text, row, strlen(row) + 1, e);
}

static void
print_row(const struct cli_table *t, const char *row)
{
	for (size_t c = 0; c < COLUMNS_MAX; c++) {
		size_t len = strcspn(row, "\t");

		fwrite(row, 1, len, stdout);
		if (row[len] == '\0')
			break;
		for (size_t w = columns(row, len); w < t->widths[c] + 2; w++)
			putchar(' ');
		row += len + 1;
	}
	putchar('\n');
}

void
cli_table_print(const struct cli_table *t)
{
	const char *at = (const char *)t->text.bytes;
	const char *end = at + t->text.len_bytes;

	for (; at < end; at += strlen(at) + 1)
		print_row(t, at);
}
