/* Asking the daemon. */

#include "live.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>

#define ANSWER_TIMEOUT_MS 30000
#define ALIVE_TIMEOUT_MS  60000 /* it says something every 10 s */
#define SLOTS             16
#define SLOT_BYTES        512

struct wire_value *
live_request(struct cli *cli, const char *cmd)
{
	struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, NULL, &e) != ERR_NONE) {
		cli_fail(cli, &e);
		return NULL;
	}
	wire_add_text(v, "cmd", cmd);
	return v;
}

void
live_add_dry_run(struct cli *cli, struct wire_value *request)
{
	if (cli_has(cli, "dry-run"))
		wire_add_bool(request, "dry_run", true);
}

/* --- the table ------------------------------------------------------------ */

bool
live_table(struct live *l, const char *heading)
{
	struct err e;

	if (l->cli->json)
		return true;
	if (cli_table_new(&l->table, &e) == ERR_NONE &&
	    cli_table_row(l->table, &e, "%s", heading) == ERR_NONE)
		return true;
	cli_fail(l->cli, &e);
	return false;
}

void
live_as_of(struct live *l, struct wire_value *v)
{
	if (l->cli->json || l->said_as_of || !wire_has(v, "as_of"))
		return;
	l->said_as_of = true;
	printf("as recorded at %s by %s\n", live_text(v, "seen_from"),
	    live_time(v, "as_of"));
}

void
live_row(struct live *l, const char *fmt, ...)
{
	char row[4096];
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(row, sizeof(row), fmt, ap);
	va_end(ap);
	if (cli_table_row(l->table, &e, "%s", row) != ERR_NONE)
		l->status = cli_fail(l->cli, &e);
}

/* --- fields for people ------------------------------------------------------ */

static char *
slot(void)
{
	static char slots[SLOTS][SLOT_BYTES];
	static unsigned next;

	return slots[next++ % SLOTS];
}

/* An error's hint stands on a line of its own; here all is one line. */
static enum err_code
escape_line(struct buf *out, const char *text, struct err *e)
{
	static const char hint[] = "\nhint: ";
	const char *at = strstr(text, hint);
	enum err_code rc;

	if (at == NULL)
		return text_escape(out, text, strlen(text), e);
	rc = text_escape(out, text, (size_t)(at - text), e);
	if (rc == ERR_NONE)
		rc = buf_add_text(out, "; ", e);
	at += sizeof(hint) - 1;
	return rc == ERR_NONE ? text_escape(out, at, strlen(at), e) : rc;
}

const char *
live_text(struct wire_value *v, const char *name)
{
	OWNED(buf_fini) struct buf b = {0};
	const char *text = wire_take_text(v, name, "");
	char *out = slot();
	struct err e;

	if (*text == '\0' || escape_line(&b, text, &e) != ERR_NONE)
		return "-";
	snprintf(out, SLOT_BYTES, "%s", buf_text(&b));
	return out;
}

const char *
live_time(struct wire_value *v, const char *name)
{
	struct utc t = wire_take_utc(v, name, (struct utc){0});
	char text[NOW_TEXT_BYTES];
	char *out = slot();

	if (t.ns == 0)
		return "-";
	snprintf(out, SLOT_BYTES, "%s", cli_time(t, text));
	return out;
}

void
live_progress(struct live *l, struct wire_value *v)
{
	cli_progress_show(l->ctx, wire_take_uint(v, "files", 0),
	    wire_take_uint(v, "bytes", 0), wire_take_uint(v, "total_bytes", 0));
}

const char *
live_span(struct wire_value *v, const char *name)
{
	int64_t ns = wire_take_seconds(v, name, INT64_MIN);
	char text[TEXT_UNIT_BYTES];
	char *out = slot();

	if (ns == INT64_MIN)
		return "-";
	if (ns >= NS_PER_S || ns <= -NS_PER_S)
		ns = ns / NS_PER_S * NS_PER_S;
	snprintf(out, SLOT_BYTES, "%s", text_duration(ns, text));
	return out;
}

const char *
live_size(struct live *l, struct wire_value *v, const char *name)
{
	char text[32];
	char *out = slot();

	if (!wire_has(v, name))
		return "-";
	snprintf(out, SLOT_BYTES, "%s",
	    cli_size(l->cli, wire_take_uint(v, name, 0), text));
	return out;
}

/* --- asking --------------------------------------------------------------- */

/* One reply; may take *v. */
static int
show(struct live *l, struct wire_value **v)
{
	const char *type = wire_take_text(*v, "type", "");
	int status = EXITCODE_DONE;
	struct err e;

	if (strcmp(type, "summary") == 0)
		l->status = (int)wire_take_int(*v, "exit", l->status);
	if (l->take != NULL) {
		l->passes = false;
		status = l->take(l, type, *v);
		if (!l->passes || !l->cli->json)
			return status;
	}
	if (l->cli->json) {
		if (strcmp(type, "heartbeat") != 0)
			status = cli_line(l->cli, v);
		wire_free(v);
		return status;
	}
	l->answered = true;
	if (l->reply != NULL)
		l->reply(l, type, *v);
	if (wire_check(*v, &e) != ERR_NONE)
		status = cli_fail(l->cli, &e);
	wire_free(v);
	return status;
}

static int
replies(struct live *l, struct wire_client *c)
{
	int timeout = l->patient ? ALIVE_TIMEOUT_MS : ANSWER_TIMEOUT_MS;

	for (;;) {
		OWNED(wire_free) struct wire_value *v = NULL;
		struct err e;
		int status;

		if (wire_client_next(c, timeout, &v, &e) != ERR_NONE)
			return wire_client_exit_status(c) != 0
			    ? cli_fail_as(l->cli, &e,
				  wire_client_exit_status(c))
			    : cli_fail(l->cli, &e);
		if (v == NULL)
			return l->status;
		status = show(l, &v);
		if (l->patient)
			fflush(stdout);
		if (status != EXITCODE_DONE)
			return status;
	}
}

int
live_ask(struct live *l, struct wire_value **request)
{
	OWNED(wire_client_close) struct wire_client *c = NULL;
	struct err e;
	enum err_code rc = wire_client_open(&c, l->cli->socket, &e);
	int status;

	if (rc == ERR_NONE)
		rc = wire_client_ask(c, *request, &e);
	wire_free(request);
	if (rc ==
	    ERR_NOTFOUND) { /* no daemon: "it failed", not "no repository" */
		status = cli_fail_as(l->cli, &e, EXITCODE_FAILED);
	} else
		status = rc == ERR_NONE ? replies(l, c) : cli_fail(l->cli, &e);
	if (l->table != NULL && rc == ERR_NONE && l->answered)
		cli_table_print(l->table);
	cli_table_free(&l->table);
	return status;
}
