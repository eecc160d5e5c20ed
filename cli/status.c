/* bascule status: how well everything is protected, what is wrong first. */

#include <stdio.h>
#include <string.h>

#include "alarms.h"
#include "live.h"
#include "past.h"
#include "when.h"

struct problems {
	struct buf text, ready;
	uint64_t behind, count;
};

#define HEADING                                             \
	"RPO\tSERVICE\tSITE\tAUTHORITY\tRPO NOW / TARGET\t" \
	"LAST POINT\tPROOF\tLAST TEST\tRTA / RTO"

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

/* What is to be typed stands on a line of its own. */
static enum err_code
add_sentence(struct buf *out, const char *text, struct err *e)
{
	static const char lead[] = "; type: ";
	const char *type = strstr(text, lead);

	if (type == NULL)
		return buf_printf(out, e, "%s\n", text);
	return buf_printf(out, e, "%.*s\n      type: %s\n", (int)(type - text),
	    text, type + strlen(lead));
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
		    (buf_printf(&p->text, &e,
			 "  %s: ", live_text(v, "service")) != ERR_NONE ||
			add_sentence(&p->text, text, &e) != ERR_NONE))
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

/* Of one that was asked for by name: of all it would be a page of its own. */
static void
keep_readiness(struct live *l, struct wire_value *v)
{
	struct problems *p = l->ctx;
	struct wire_value *r = wire_take_object(v, "readiness");
	struct wire_value * not ;
	struct err e;
	enum err_code rc;

	if (r == NULL || l->cli->operands_count == 0)
		return;
	not = wire_take_list(r, "not_ready");
	rc = buf_printf(&p->ready, &e, "%s is %s for it; proved: %s",
	    live_text(r, "site"),
	    wire_take_bool(r, "ready", false) ? "ready" : "NOT READY",
	    live_text(r, "proof"));
	for (size_t i = 0;
	     rc == ERR_NONE && not != NULL && i < wire_count(not ); i++)
		rc = buf_printf(&p->ready, &e, "%s%s",
		    i == 0 ? "; not ready: " : ", ", wire_at_text(not, i));
	if (rc == ERR_NONE && buf_add_text(&p->ready, "\n", &e) != ERR_NONE)
		return;
}

static void
keep_lacks(struct live *l, struct wire_value *v)
{
	struct problems *p = l->ctx;
	struct wire_value *list = wire_take_list(v, "copies");
	struct err e;

	if (list == NULL || l->cli->operands_count == 0)
		return;
	for (size_t i = 0; i < wire_count(list); i++) {
		struct wire_value *c = wire_at_object(list, i);
		struct wire_value *lacks =
		    c == NULL ? NULL : wire_take_list(c, "guarantees_missing");

		for (size_t k = 0; lacks != NULL && k < wire_count(lacks); k++)
			if (buf_printf(&p->ready, &e,
				"the copy at %s is without a guarantee: %s\n",
				live_text(c, "site"),
				wire_at_text(lacks, k)) != ERR_NONE)
				return;
	}
}

static void
show_service(struct live *l, struct wire_value *v)
{
	struct wire_value *point = wire_take_object(v, "last_point");
	struct wire_value *x = wire_take_object(v, "last_exercise");

	keep_problems(l, v);
	keep_readiness(l, v);
	keep_lacks(l, v);
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

/* What is wrong stands first, above everything. */
static void
show_alarm(struct live *l, struct wire_value *v)
{
	bool raised = wire_take_bool(v, "raised", true);
	bool seen = wire_take_bool(v, "acknowledged", false);
	const char *colour = raised ? "\033[31m" : "";
	OWNED(buf_fini) struct buf text = {0};
	struct err e;

	if (add_sentence(&text, live_text(v, "text"), &e) != ERR_NONE)
		return;
	printf("%sALARM %s%s  %s  %s %s  %s since %s%s%s: %s",
	    l->cli->colour ? colour : "", live_text(v, "alarm"),
	    l->cli->colour && raised ? "\033[0m" : "", live_text(v, "level"),
	    live_text(v, "on"), alarms_about(v),
	    raised ? "stands" : "is over, stood", live_time(v, "since"),
	    seen ? ", seen by " : "", seen ? live_text(v, "by") : "",
	    buf_text(&text));
	if (!raised && !seen)
		printf("      nobody has seen it yet; type: bascule alarms ack "
		       "%s\n",
		    live_text(v, "alarm"));
	if (wire_has(v, "undelivered"))
		printf("  %s COULD NOT BE DELIVERED\n", live_text(v, "alarm"));
}

/* The other site, in its own words and with their age. */
static void
show_peer(struct wire_value *v)
{
	const char *state = wire_take_text(v, "state", "");
	const char *reason =
	    wire_has(v, "reason") ? live_text(v, "reason") : "";

	if (strcmp(state, "never") == 0) {
		printf("site %s was never heard%s%s\n", live_text(v, "site"),
		    *reason != '\0' ? ": " : "", reason);
		return;
	}
	printf("site %s %s %s ago: %llu behind, %llu alarms, %llu links down, "
	       "%llu jobs; its ledger is held to head %llu%s%s%s%s\n",
	    live_text(v, "site"),
	    strcmp(state, "silent") == 0 ? "IS SILENT, its last word was"
					 : "said",
	    live_span(v, "age_seconds"),
	    (unsigned long long)wire_take_uint(v, "behind", 0),
	    (unsigned long long)wire_take_uint(v, "alarms", 0),
	    (unsigned long long)wire_take_uint(v, "links_down", 0),
	    (unsigned long long)wire_take_uint(v, "jobs", 0),
	    (unsigned long long)wire_take_uint(v, "head", 0),
	    wire_take_bool(v, "same_policy", true) ? ""
						   : "; ITS POLICY IS ANOTHER",
	    wire_has(v, "divergence") ? "; ITS LEDGER IS ANOTHER" : "",
	    *reason != '\0' ? "; " : "", reason);
}

/* Of our ledger: what one site alone could still rewrite. */
static void
show_cosigned(struct wire_value *v)
{
	unsigned long long tail = wire_take_uint(v, "uncosigned_records", 0),
			   grave = wire_take_uint(v, "uncosigned_grave", 0);

	if (!wire_has(v, "uncosigned_records"))
		return;
	if (grave > 0)
		printf("UNCOSIGNED: %llu records of moves, approvals, "
		       "exercises "
		       "or deletions, the oldest of %s, are this site's word "
		       "alone\n",
		    grave, live_time(v, "uncosigned_since"));
	if (wire_has(v, "cosigned_head"))
		printf("the ledger is cosigned by %s to head %llu; the %llu "
		       "records since are one site's word\n",
		    live_text(v, "cosigner_site"),
		    (unsigned long long)wire_take_uint(v, "cosigned_head", 0),
		    tail);
	else
		printf("no other site has cosigned the ledger: all %llu "
		       "records "
		       "are one site's word\n",
		    tail);
}

static void
reply(struct live *l, const char *type, struct wire_value *v)
{
	struct problems *p = l->ctx;

	if (strcmp(type, "service") == 0) {
		show_service(l, v);
		return;
	}
	if (strcmp(type, "peer") == 0) {
		show_peer(v);
		return;
	}
	if (strcmp(type, "alarm") == 0) {
		show_alarm(l, v);
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
	show_cosigned(v);
	if (!wire_has(v, "escrow_tried"))
		puts("the escrow key was never tried: bascule -r REPOSITORY "
		     "key canary");
	else
		printf("the escrow key was tried %s ago: %s\n",
		    live_span(v, "escrow_age_seconds"),
		    wire_take_bool(v, "escrow_proved", false) ? "proved"
							      : "NOT PROVED");
	if (p->ready.len_bytes > 0)
		fputs(buf_text(&p->ready), stdout);
	putchar('\n');
}

/* --- as of an instant ------------------------------------------------------ */

static int
on_past(struct live *l, struct wire_value **v, bool behind)
{
	struct problems *p = l->ctx;

	p->count++;
	p->behind += behind;
	if (l->cli->json)
		return cli_line(l->cli, v);
	live_as_of(l, *v);
	show_service(l, *v);
	return EXITCODE_DONE;
}

static int
end_past(struct live *l, struct utc as_of)
{
	struct problems *p = l->ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	int status = p->behind > 0 ? EXITCODE_BEHIND : EXITCODE_DONE;
	struct err e;

	if (!l->cli->json) {
		if (p->text.len_bytes > 0)
			printf("what was wrong:\n%s", buf_text(&p->text));
		putchar('\n');
		cli_table_print(l->table);
		return status;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(l->cli, &e);
	wire_add_utc(v, "as_of", as_of);
	wire_add_uint(v, "count", p->count);
	wire_add_uint(v, "behind", p->behind);
	wire_add_int(v, "exit", status);
	return cli_line(l->cli, &v) == EXITCODE_DONE ? status : EXITCODE_FAILED;
}

static int
run_past(struct live *l, struct utc as_of)
{
	const char *service =
	    l->cli->operands_count > 0 ? l->cli->operands[0] : NULL;
	int status;

	if (!live_table(l, HEADING))
		return EXITCODE_FAILED;
	status = past_ask(l, as_of, service, on_past);
	if (status == EXITCODE_DONE)
		status = end_past(l, as_of);
	cli_table_free(&l->table);
	return status;
}

static int
run_now(struct live *l)
{
	struct cli *cli = l->cli;
	struct wire_value *request = live_request(cli, "status");

	if (request == NULL || !live_table(l, HEADING)) {
		wire_free(&request);
		return EXITCODE_FAILED;
	}
	if (cli->operands_count > 0)
		wire_add_text(request, "service", cli->operands[0]);
	return live_ask(l, &request);
}

static int
run(struct cli *cli)
{
	struct problems p = {0};
	struct live l = {.cli = cli, .reply = reply, .ctx = &p};
	struct utc as_of;
	int status;

	if (!when_as_of(cli, &as_of, &status))
		return status;
	status = as_of.ns != 0 ? run_past(&l, as_of) : run_now(&l);

	buf_fini(&p.text);
	buf_fini(&p.ready);
	return status;
}

static const struct cli_option options[] = {{"as-of", 0, "TIME",
						WHEN_AS_OF_HELP
						"; asks for auditor"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_status = {"status", "[SERVICE]",
    "how well services are protected; exit 6 when one is behind its RPO",
    options, 0, 1, run};
