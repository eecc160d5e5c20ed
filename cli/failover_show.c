/* bascule failover list, show: the runs there were, and one of them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/authority.h>
#include <bascule/base/text.h>

#include "failover.h"

/* A line of a guard: its title beside its verdict; what does not apply, not. */
static void
say_guard(const char *line, size_t len)
{
	unsigned number =
	    (unsigned)(line[1] - '0') * 10 + (unsigned)(line[2] - '0');

	if (len < 5 || strncmp(line + 4, "not-applicable", 14) != 0)
		printf("  %-14.*s %s\n", (int)len, line,
		    number >= 1 && number <= GUARDS_COUNT ? guards_title(number)
							  : "");
}

/* "KEY LENGTH:VALUE", or "KEY VALUE". */
static void
say_line(const char *line, size_t len)
{
	size_t key = strcspn(line, " \n");
	const char *value = line + key + (key < len), *end = line + len;
	size_t digits = strspn(value, "0123456789");

	if (value + digits < end && value[digits] == ':')
		value += digits + 1;
	printf("%s%.*s %.*s\n",
	    key == 7 && strncmp(line, "service", key) == 0 ? "\n" : "",
	    (int)key, line, value < end ? (int)(end - value) : 1,
	    value < end ? value : "-");
}

void
failover_say_shown(const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		if (len >= 3 && text[0] == 'G' &&
		    strspn(text + 1, "0123456789") == 2)
			say_guard(text, len);
		else if (strncmp(text, "bascule seen ", 13) != 0)
			say_line(text, len);
		text += len + (text[len] == '\n');
	}
}

void
failover_say_not_known(const char *text)
{
	if (text[0] != '\0')
		printf("not known now: %s (shown as it was; nothing passes a "
		       "guard that is not known)\n",
		    text);
}

static void
on_listed(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "failover") != 0)
		return;
	live_row(l, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", live_text(v, "run"),
	    live_text(v, "mode"), live_text(v, "from"), live_text(v, "to"),
	    live_text(v, "phase"), live_time(v, "requested"),
	    live_text(v, "actor"), live_text(v, "services"),
	    live_text(v, "reason"));
}

static int
run_list(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = on_listed};
	struct wire_value *request = live_request(cli, "failover list");

	if (request == NULL ||
	    !live_table(&l,
		"RUN\tMODE\tFROM\tTO\tPHASE\tREQUESTED\tBY\tSERVICES\t"
		"REASON")) {
		wire_free(&request);
		return EXITCODE_FAILED;
	}
	wire_add_text(request, "service", cli_value(cli, "service"));
	if (cli_has(cli, "open"))
		wire_add_bool(request, "open", true);
	return live_ask(&l, &request);
}

static const struct cli_option list_options[] = {{"service", 0, "S",
						     "of one service"},
    {"open", 0, NULL, "only those that have not ended"}, {NULL, 0, NULL, NULL}};

const struct cli_command command_failover_list = {"failover list", "",
    "the moves that were asked for, newest first", list_options, 0, 0,
    run_list};

/* The text is the daemon's, escaped where it was not ours. */
static void
on_shown(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "failover") == 0) {
		printf("run %s: %s, by %s at %s: %s\n", live_text(v, "run"),
		    live_text(v, "phase"), live_text(v, "actor"),
		    live_time(v, "requested"), live_text(v, "reason"));
		failover_say_shown(wire_take_text(v, "shown", ""));
		failover_say_not_known(wire_take_text(v, "not_known", ""));
		printf("seen %s\n", live_text(v, "seen"));
	} else if (strcmp(type, "move") != 0)
		failover_reply(l, type, v);
}

static int
run_show(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = on_shown};
	struct wire_value *request = live_request(cli, "failover show");

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "run", cli->operands[0]);
	return live_ask(&l, &request);
}

const struct cli_command command_failover_show = {"failover show", "ID",
    "a move: what was approved, by whom, what has happened", NULL, 1, 1,
    run_show};

/* --- one run, for prompts -------------------------------------------------------- */

static void
keep(char *out, size_t out_bytes, struct wire_value *v, const char *name)
{
	snprintf(out, out_bytes, "%s", wire_take_text(v, name, ""));
	text_mend_end(out);
}

static int
take_run(struct live *l, const char *type, struct wire_value *v)
{
	struct failover_run *r = l->ctx;

	if (strcmp(type, "failover") != 0 || r->found)
		return EXITCODE_DONE;
	keep(r->run, sizeof(r->run), v, "run");
	keep(r->mode, sizeof(r->mode), v, "mode");
	keep(r->from, sizeof(r->from), v, "from");
	keep(r->to, sizeof(r->to), v, "to");
	keep(r->services, sizeof(r->services), v, "services");
	keep(r->phase, sizeof(r->phase), v, "phase");
	keep(r->here, sizeof(r->here), v, "here");
	keep(r->roles, sizeof(r->roles), v, "roles");
	keep(r->seen, sizeof(r->seen), v, "seen");
	keep(r->not_known, sizeof(r->not_known), v, "not_known");
	r->epoch = wire_take_uint(v, "epoch", 0);
	r->shown = strdup(wire_take_text(v, "shown", ""));
	r->found = r->shown != NULL;
	return r->found ? EXITCODE_DONE : EXITCODE_FAILED;
}

int
failover_run_get(struct cli *cli, const char *run, struct failover_run *r)
{
	struct live l = {.cli = cli, .take = take_run, .ctx = r};
	struct wire_value *request = live_request(cli, "failover show");

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "run", run);
	return live_ask(&l, &request);
}

void
failover_run_fini(struct failover_run *r)
{
	free(r->shown);
	r->shown = NULL;
}
