/* bascule report posture: how well everything is protected, now or at an instant
 * that has passed. */

#include <stdio.h>
#include <string.h>

#include <bascule/report.h>

#include "past.h"
#include "report.h"
#include "when.h"

struct posture {
	struct report_posture of;
	char site[96];
};

static int
keep(struct live *l, struct wire_value **v)
{
	struct posture *p = l->ctx;
	const char *seen = wire_take_text(*v, "seen_from", "");

	if (*seen != '\0') {
		snprintf(p->site, sizeof(p->site), "%s", seen);
		p->of.site = p->site;
	}
	wire_add(p->of.messages, NULL, v);
	return EXITCODE_DONE;
}

static int
take(struct live *l, const char *type, struct wire_value *v)
{
	OWNED(buf_fini) struct buf line = {0};
	OWNED(wire_free) struct wire_value *copy = NULL;
	struct err e;

	if (strcmp(type, "service") != 0 && strcmp(type, "alarm") != 0 &&
	    strcmp(type, "exception") != 0)
		return EXITCODE_DONE;
	if (wire_line(v, &line, &e) != ERR_NONE ||
	    wire_parse(&copy, buf_text(&line), line.len_bytes, &e) != ERR_NONE)
		return cli_fail(l->cli, &e);
	return keep(l, &copy);
}

static int
on_past(struct live *l, struct wire_value **v, bool behind)
{
	(void)behind;
	return keep(l, v);
}

/* A status that says "behind" (6) has been answered all the same. */
static int
ask(struct cli *cli, struct posture *p, const char *cmd, const char *service,
    bool all)
{
	struct live l = {.cli = cli, .take = take, .ctx = p};
	struct wire_value *request = live_request(cli, cmd);
	int status;

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "service", service);
	if (all)
		wire_add_bool(request, "all", true);
	status = live_ask(&l, &request);
	return status == EXITCODE_BEHIND ? EXITCODE_DONE : status;
}

static int
gather(struct cli *cli, struct posture *p)
{
	struct live l = {.cli = cli, .ctx = p};
	const char *service = cli_value(cli, "service");
	int status = p->of.is_past ? past_ask(&l, p->of.at, service, on_past)
				   : ask(cli, p, "status", service, false);

	return status != EXITCODE_DONE
	    ? status
	    : ask(cli, p, "exceptions", service, p->of.is_past);
}

static int
show(struct cli *cli, const struct posture *p, const char *format)
{
	static const char *const names[] = {"table", "csv", "html", "json"};
	enum report_form form = REPORT_TABLE;
	OWNED(buf_fini) struct buf text = {0};
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(names[i], format) == 0)
			form = (enum report_form)i;
	if (report_posture(&p->of, form, &text, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	if (form != REPORT_JSON) {
		fputs(buf_text(&text), stdout);
		return EXITCODE_DONE;
	}
	if (wire_parse(&v, buf_text(&text), text.len_bytes, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	return cli_line(cli, &v);
}

static void
posture_fini(struct posture *p)
{
	wire_free(&p->of.messages);
}

static int
run(struct cli *cli)
{
	OWNED(posture_fini) struct posture p = {.of = {.at = now_utc()}};
	const char *format;
	struct utc as_of;
	struct err e;
	int status;

	if ((format = report_format(cli, &status)) == NULL)
		return status;
	if (!when_as_of(cli, &as_of, &status))
		return status;
	p.of.is_past = as_of.ns != 0;
	if (p.of.is_past)
		p.of.at = as_of;
	if (wire_new_list(&p.of.messages, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	status = gather(cli, &p);
	return status == EXITCODE_DONE ? show(cli, &p, format) : status;
}

static const struct cli_option options[] = {{"service", 0, "S",
						"of this service alone"},
    {"as-of", 0, "TIME", WHEN_AS_OF_HELP "; asks for auditor"},
    {"format", 0, "FORMAT", REPORT_FORMAT_HELP}, {NULL, 0, NULL, NULL}};

const struct cli_command command_report_posture = {"report posture", "",
    "how well each service is protected, what is wrong first", options, 0, 0,
    run};
