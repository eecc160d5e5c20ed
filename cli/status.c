/* bascule status: how well everything is protected, what is wrong first. */

#include <stdio.h>
#include <string.h>

#include "live.h"

struct problems {
	struct buf text;
	uint64_t behind;
};

static const char *
painted(const struct cli *cli, const char *state)
{
	if (!cli->colour)
		return state;
	if (strcmp(state, "OK") == 0)
		return "\033[32mOK\033[0m";
	if (strcmp(state, "AT RISK") == 0)
		return "\033[33mAT RISK\033[0m";
	return strcmp(state, "BREACHED") == 0 ? "\033[31mBREACHED\033[0m"
					      : "\033[31mUNKNOWN\033[0m";
}

static void
keep_problems(struct live *l, struct wire_value *v)
{
	struct problems *p = l->ctx;
	struct wire_value *list = wire_take_list(v, "problems");
	struct err e;

	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		const char *text = wire_at_text(list, i);

		if (text != NULL &&
		    buf_printf(&p->text, &e, "  %s: %s\n",
			live_text(v, "service"), text) != ERR_NONE)
			return;
	}
}

static const char *
last_test(struct wire_value *v)
{
	struct wire_value *x = wire_take_object(v, "last_exercise");

	if (x == NULL)
		return "never";
	return *wire_take_text(x, "result", "") != '\0' ? live_text(x, "result")
							: live_text(x, "state");
}

static void
show_service(struct live *l, struct wire_value *v)
{
	struct wire_value *point = wire_take_object(v, "last_point");
	struct wire_value *x = wire_take_object(v, "last_exercise");

	keep_problems(l, v);
	live_row(l, "%s\t%s\t%s\t%s\t%s / %s\t%s\t%s\t%s\t%s / %s",
	    painted(l->cli, wire_take_text(v, "rpo_state", "")),
	    live_text(v, "service"), live_text(v, "active_site"),
	    live_text(v, "authority"), live_span(v, "rpo_now_seconds"),
	    live_span(v, "rpo_seconds"),
	    point == NULL ? "-" : live_time(point, "at"),
	    point == NULL ? "-" : live_text(point, "proof"), last_test(v),
	    x == NULL ? "-" : live_span(x, "rta_seconds"),
	    live_span(v, "rto_seconds"));
}

static void
reply(struct live *l, const char *type, struct wire_value *v)
{
	struct problems *p = l->ctx;

	if (strcmp(type, "service") == 0) {
		show_service(l, v);
		return;
	}
	if (strcmp(type, "summary") != 0)
		return;
	p->behind = wire_take_uint(v, "behind", 0);
	if (!wire_take_bool(v, "ledger_writable", true))
		puts("THE LEDGER CANNOT BE WRITTEN: nothing new is started");
	if (wire_has(v, "alarm_trouble"))
		printf("ALARMS FAIL: %s\n", live_text(v, "alarm_trouble"));
	if (wire_take_uint(v, "links_down", 0) > 0)
		printf("links down: %llu (see 'bascule links')\n",
		    (unsigned long long)wire_take_uint(v, "links_down", 0));
	if (p->text.len_bytes > 0)
		printf("what is wrong, as seen from %s:\n%s\n",
		    live_text(v, "site"), buf_text(&p->text));
}

static int
run(struct cli *cli)
{
	struct problems p = {0};
	struct live l = {.cli = cli, .reply = reply, .ctx = &p};
	struct wire_value *request = live_request(cli, "status");
	int status;

	if (request == NULL ||
	    !live_table(&l,
		"RPO\tSERVICE\tSITE\tAUTHORITY\tRPO NOW / TARGET\t"
		"LAST POINT\tPROOF\tLAST TEST\tRTA / RTO")) {
		wire_free(&request);
		return EXITCODE_FAILED;
	}
	if (cli->operands_count > 0)
		wire_add_text(request, "service", cli->operands[0]);
	status = live_ask(&l, &request);
	buf_fini(&p.text);
	return status;
}

const struct cli_command command_status = {"status", "[SERVICE]",
    "how well services are protected; exit 6 when one is behind its RPO", NULL,
    0, 1, run};
