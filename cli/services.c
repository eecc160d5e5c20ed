/* bascule services, sites, links, points, schedule: lists from the daemon. */

#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>

#include "live.h"
#include "when.h"

/* Ask cmd, with the service when there is an operand, and print a table. */
static int
list(struct cli *cli, const char *cmd, const char *heading,
    void (*reply)(struct live *, const char *, struct wire_value *))
{
	struct live l = {.cli = cli, .reply = reply};
	struct wire_value *request;
	struct utc as_of;
	int status;

	if (!when_as_of(cli, &as_of, &status))
		return status;
	request = live_request(cli, cmd);
	if (request == NULL || !live_table(&l, heading)) {
		wire_free(&request);
		return EXITCODE_FAILED;
	}
	if (as_of.ns != 0)
		wire_add_utc(request, "as_of", as_of);
	if (cli->operands_count > 0)
		wire_add_text(request, "service", cli->operands[0]);
	if (cli_has(cli, "next") || cli_has(cli, "limit")) {
		bool next = cli_has(cli, "next");
		const char *text = cli_value(cli, next ? "next" : "limit");
		uint64_t n;

		if (!text_parse_u64(text, 100000, &n)) {
			wire_free(&request);
			cli_table_free(&l.table);
			return cli_wrong_use(cli, "'%.40s' is no number", text);
		}
		wire_add_uint(request, next ? "count" : "limit", n);
	}
	return live_ask(&l, &request);
}

/* --- services --- */

static void
on_service(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "service") != 0)
		return;
	live_row(l, "%s\t%s\t%s\t%llu\t%s\t%s\t%s\t%s", live_text(v, "service"),
	    live_text(v, "title"), live_text(v, "owner"),
	    (unsigned long long)wire_take_uint(v, "tier", 0),
	    live_text(v, "home"), live_text(v, "standby"),
	    live_span(v, "rpo_seconds"), live_span(v, "rto_seconds"));
}

static int
run_services(struct cli *cli)
{
	return list(cli, "services",
	    "SERVICE\tTITLE\tOWNER\tTIER\tHOME\tSTANDBY\tRPO\tRTO", on_service);
}

const struct cli_command command_services = {"services", "",
    "the services the policy protects", NULL, 0, 0, run_services};

/* --- sites --- */

static void
on_site(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "site") != 0)
		return;
	live_row(l, "%s%s\t%s\t%s\t%s\t%s\t%s\t%s", live_text(v, "site"),
	    wire_take_bool(v, "here", false) ? " (here)" : "",
	    live_text(v, "title"), live_text(v, "role"),
	    live_text(v, "failure_domain"), live_text(v, "host"),
	    live_text(v, "repository"), live_time(v, "heard"));
}

static int
run_sites(struct cli *cli)
{
	return list(cli, "sites",
	    "SITE\tTITLE\tROLE\tFAILURE DOMAIN\tHOST\tREPOSITORY\tLAST WORD",
	    on_site);
}

const struct cli_command command_sites = {"sites", "",
    "the datacentres and the witness", NULL, 0, 0, run_sites};

/* --- links --- */

static const char *
round_trip(struct wire_value *v)
{
	static char text[TEXT_UNIT_BYTES + 8];
	int64_t ns = wire_take_int(v, "round_trip_ns", 0);

	if (ns == 0)
		return "-";
	snprintf(text, sizeof(text), "%.1fms", (double)ns / 1e6);
	return text;
}

/* As policies write rates: in bits. */
static const char *
rate(struct wire_value *v, const char *name, char out[32])
{
	double bits = (double)wire_take_uint(v, name, 0) * 8;

	if (!wire_has(v, name))
		return "-";
	if (bits >= 1e9)
		snprintf(out, 32, "%.3gGbit/s", bits / 1e9);
	else if (bits >= 1e6)
		snprintf(out, 32, "%.3gMbit/s", bits / 1e6);
	else
		snprintf(out, 32, "%.3gkbit/s", bits / 1e3);
	return out;
}

/* "housing, files" */
static const char *
users(struct wire_value *v, char out[256])
{
	struct wire_value *list = wire_take_list(v, "used_by");
	size_t used = 0;

	snprintf(out, 256, "-");
	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		struct wire_value *one = wire_at_object(list, i);

		if (one == NULL || used >= 255)
			break;
		used += (size_t)snprintf(out + used, 256 - used, "%s%s",
		    i > 0 ? ", " : "", live_text(one, "service"));
	}
	return out;
}

static void
on_link(struct live *l, const char *type, struct wire_value *v)
{
	char speed[32], budget[32], who[256];
	bool has_error;

	if (strcmp(type, "link") != 0)
		return;
	has_error = wire_has(v, "last_error");
	live_row(l, "%s\t%s%s\t%s\t%s%s\t%s\t%s\t%s\t%s%s%s\t%s\t%s%s%s",
	    live_text(v, "link"), live_text(v, "to_site"),
	    wire_has(v, "guarantees_missing") ? ", SFTP alone" : "",
	    live_text(v, "address"), live_text(v, "state"),
	    wire_take_bool(v, "barred", false) &&
		    strcmp(live_text(v, "state"), "up") == 0
		? ", barred"
		: "",
	    live_time(v, "since"), round_trip(v),
	    rate(v, "throughput_bytes_per_second", speed),
	    rate(v, "budget_bytes_per_second", budget),
	    wire_has(v, "budget_until") ? " until " : "",
	    wire_has(v, "budget_until") ? live_time(v, "budget_until") : "",
	    users(v, who), has_error ? live_time(v, "last_error_at") : "-",
	    has_error ? " " : "", has_error ? live_text(v, "last_error") : "");
}

static int
run_links(struct cli *cli)
{
	return list(cli, "links",
	    "LINK\tTO\tADDRESS\tSTATE\tSINCE\tROUND TRIP\tTHROUGHPUT\t"
	    "BUDGET\tUSED BY\tLAST ERROR",
	    on_link);
}

const struct cli_command command_links = {"links", "",
    "the links to the other site, as probed from here", NULL, 0, 0, run_links};

/* --- points --- */

static const char *
transactions(struct wire_value *v, char out[24])
{
	if (!wire_has(v, "transactions"))
		return "-";
	snprintf(out, 24, "%llu",
	    (unsigned long long)wire_take_uint(v, "transactions", 0));
	return out;
}

static void
on_point(struct live *l, const char *type, struct wire_value *v)
{
	char many[24];

	if (strcmp(type, "point") != 0)
		return;
	live_as_of(l, v);
	live_row(l, "%.16s\t%s\t%s\t%s\t%s\t%s%s%s\t%s\t%s",
	    live_text(v, "point"), live_time(v, "at"),
	    live_span(v, "age_seconds"), live_text(v, "proof"),
	    live_text(v, "sites"),
	    wire_take_bool(v, "complete", false) ? "complete" : "partial",
	    wire_take_bool(v, "suspect", false) ? ", suspect" : "",
	    wire_take_bool(v, "held", false) ? ", held" : "",
	    transactions(v, many), live_text(v, "tested_run"));
}

static int
run_points(struct cli *cli)
{
	return list(cli, "points",
	    "POINT\tTAKEN\tAGE\tPROOF\tAT\tSTATE\tTRANSACTIONS\tTESTED BY",
	    on_point);
}

static const struct cli_option point_options[] =
    {{"limit", 'n', "N", "the newest N (default 100)"},
	{"as-of", 0, "TIME", WHEN_AS_OF_HELP}, {NULL, 0, NULL, NULL}};

const struct cli_command command_points = {"points", "SERVICE",
    "a service's recovery points, newest first", point_options, 1, 1,
    run_points};

/* --- schedule --- */

static void
on_due(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "due") == 0)
		live_row(l, "%s\t%s\t%s%s", live_time(v, "at"),
		    live_text(v, "kind"),
		    wire_has(v, "skipped_by") ? "skipped: freeze " : "",
		    wire_has(v, "skipped_by") ? live_text(v, "skipped_by")
					      : "");
	else if (strcmp(type, "skipped") == 0)
		live_row(l, "%s\t%s\twas skipped: %s", live_time(v, "at"),
		    live_text(v, "kind"), live_text(v, "reason"));
}

static int
run_schedule(struct cli *cli)
{
	return list(cli, "schedule", "WHEN\tWHAT\tNOTE", on_due);
}

static const struct cli_option schedule_options[] =
    {{"next", 0, "N", "the next N firings (default 10)"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_schedule = {"schedule", "SERVICE",
    "what was skipped lately, and what runs when", schedule_options, 1, 1,
    run_schedule};
