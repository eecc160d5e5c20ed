/* Saying something in a tabletop exercise. */

#include "exercise_tell.h"

#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>

#include "live.h"
#include "when.h"

void
tell_fini(struct tell *t)
{
	wire_free(&t->fields);
}

void
tell_field(struct tell *t, const char *name, const char *value)
{
	OWNED(wire_free) struct wire_value *one = NULL;
	struct err e;
	enum err_code rc = ERR_NONE;

	if (t->status != EXITCODE_DONE || value == NULL || *value == '\0')
		return;
	if (t->fields == NULL)
		rc = wire_new_list(&t->fields, &e);
	if (rc == ERR_NONE)
		rc = wire_new(&one, NULL, &e);
	if (rc != ERR_NONE) {
		t->status = cli_fail(t->cli, &e);
		return;
	}
	wire_add_text(one, "name", name);
	wire_add_text(one, "value", value);
	wire_add(t->fields, NULL, &one);
}

static void
tell_int(struct tell *t, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	tell_field(t, name, text);
}

void
tell_span(struct tell *t, const char *name, const char *value)
{
	struct err e;
	int64_t ns;

	if (value == NULL || t->status != EXITCODE_DONE)
		return;
	if (text_parse_duration(value, &ns, &e) != ERR_NONE)
		t->status = cli_wrong_use(t->cli, "%s", e.text);
	else
		tell_int(t, name, ns);
}

void
tell_when(struct tell *t, const char *name, const char *value)
{
	struct utc at;
	struct err e;
	int64_t ns;

	if (value == NULL || t->status != EXITCODE_DONE)
		return;
	if (text_parse_duration(value, &ns, &e) == ERR_NONE) {
		tell_int(t, name, now_utc().ns + ns);
		return;
	}
	if (when_parse(value, &at, &e) != ERR_NONE)
		t->status = cli_wrong_use(t->cli,
		    "'%.60s' is no time: write 2026-12-01, "
		    "2026-12-01T10:00:00Z, or 30d (from now)",
		    value);
	else
		tell_int(t, name, at.ns);
}

static void
on_told(struct live *l, const char *type, struct wire_value *v)
{
	(void)l;
	if (strcmp(type, "tabletop") == 0)
		printf("EXERCISE %s: %s%s\n", live_text(v, "run"),
		    live_text(v, "state"),
		    wire_take_bool(v, "stopped", false) ? " (stopped)" : "");
}

int
tell_send(struct tell *t, const char *run, const char *verb)
{
	struct live l = {.cli = t->cli, .reply = on_told};
	struct wire_value *request;

	if (t->status != EXITCODE_DONE) {
		tell_fini(t);
		return t->status;
	}
	request = live_request(t->cli, "exercise tell");
	if (request == NULL) {
		tell_fini(t);
		return EXITCODE_FAILED;
	}
	wire_add_text(request, "run", run);
	wire_add_text(request, "verb", verb);
	if (t->fields != NULL)
		wire_add(request, "fields", &t->fields);
	return live_ask(&l, &request);
}
