/* bascule policy check | show | explain | reference. */

#include <bascule/policy.h>

#include <stdio.h>
#include <string.h>

#include <bascule/wire.h>

#include "live.h"
#include "place.h"
#include "policy_diff.h"

static int
print_problem(struct cli *cli, FILE *to, const struct policy_problem *p)
{
	OWNED(buf_fini) struct buf text = {0};
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e = {0};
	char id[16];

	if (!cli->json) {
		if (policy_problem_text(p, &text, &e) != ERR_NONE)
			return cli_fail(cli, &e);
		fprintf(to, "%s\n", buf_text(&text));
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "problem", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	snprintf(id, sizeof(id), "P%03u", p->id);
	wire_add_text(v, "id", id);
	wire_add_text(v, "file", p->file);
	wire_add_int(v, "line", p->line);
	wire_add_text(v, "setting", p->setting);
	wire_add_text(v, "message", p->message);
	return cli_line(cli, &v);
}

/* All of them, and how many there are; the exit code. */
static int
print_problems(struct cli *cli, FILE *to, const struct policy_problems *ps,
    const char *path)
{
	size_t count = ps->count + ps->more_count;
	struct err e = {0};
	int status = EXITCODE_DONE;

	for (size_t i = 0; i < ps->count && status == EXITCODE_DONE; i++)
		status = print_problem(cli, to, &ps->items[i]);
	if (status != EXITCODE_DONE)
		return status;
	if (!cli->json && ps->more_count > 0)
		fprintf(to, "... and %zu more\n", ps->more_count);
	fflush(to);
	err_set(&e, ERR_POLICY, "%zu problem%s in policy '%s'", count,
	    count == 1 ? "" : "s", path);
	return cli_fail(cli, &e);
}

/* Load what the command names; a failure is said, and *status is set. */
static void
load(struct cli *cli, FILE *problems_to, struct buf *path, struct policy **out,
    int *status)
{
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct err e = {0};
	enum err_code rc = place_find(cli,
	    cli->operands_count > 0 ? *cli->operands : NULL, path, &e);

	if (rc == ERR_NONE)
		rc = policy_load(out, &ps, buf_text(path), now_utc(), &e);
	if (rc == ERR_POLICY)
		*status = print_problems(cli, problems_to, &ps, buf_text(path));
	else if (rc != ERR_NONE)
		*status = cli_fail(cli, &e);
	else
		*status = EXITCODE_DONE;
}

static int
run_check(struct cli *cli)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(buf_fini) struct buf path = {0};
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e = {0};
	int status;

	load(cli, stdout, &path, &p, &status);
	if (status != EXITCODE_DONE)
		return status;
	if (!cli->json) {
		printf("%s: no problems: site %s, %zu sites, %zu links, %zu "
		       "services, %zu scenarios, %zu controls\n",
		    buf_text(&path), p->site, p->site_count, p->link_count,
		    p->service_count, p->scenario_count, p->control_count);
		return status;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_text(v, "site", p->site);
	wire_add_int(v, "problems", 0);
	wire_add_int(v, "services", (int64_t)p->service_count);
	return cli_line(cli, &v);
}

/* Text for people; with --json in one line of type text. */
static int
print_text(struct cli *cli, enum err_code rc, struct buf *text,
    const struct err *why)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e = {0};

	if (rc != ERR_NONE)
		return cli_fail(cli, why);
	if (!cli->json) {
		fwrite(buf_text(text), 1, text->len_bytes, stdout);
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "text", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_text(v, "text", buf_text(text));
	return cli_line(cli, &v);
}

/* --- show ----------------------------------------------------------------- */

static enum err_code
on_setting(void *ctx, const char *setting, const char *value, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct cli *cli = ctx;
	enum err_code rc = wire_new(&v, "setting", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "setting", setting);
	wire_add_text(v, "value", value);
	return cli_line(cli, &v) == EXITCODE_DONE
	    ? ERR_NONE
	    : err_set(e, ERR_IO, "cannot write the settings");
}

static int
run_show(struct cli *cli)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(buf_fini) struct buf path = {0};
	OWNED(buf_fini) struct buf text = {0};
	struct err e = {0};
	enum err_code rc;
	int status;

	load(cli, stderr, &path, &p, &status);
	if (status != EXITCODE_DONE)
		return status;
	rc = policy_show(p, &text, &e);
	if (!cli->json)
		return print_text(cli, rc, &text, &e);
	if (rc == ERR_NONE)
		rc = policy_settings(&text, on_setting, cli, &e);
	return rc == ERR_NONE ? EXITCODE_DONE : cli_fail(cli, &e);
}

/* --- diff ----------------------------------------------------------------- */

struct differing {
	struct cli *cli;
	size_t count;
};

static enum err_code
on_difference(void *ctx, const char *setting, const char *before,
    const char *after, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct differing *d = ctx;
	enum err_code rc;

	d->count++;
	if (!d->cli->json) {
		if (before != NULL)
			printf("- %s = %s\n", setting, before);
		if (after != NULL)
			printf("+ %s = %s\n", setting, after);
		return ERR_NONE;
	}
	if ((rc = wire_new(&v, "difference", e)) != ERR_NONE)
		return rc;
	wire_add_text(v, "setting", setting);
	if (before != NULL)
		wire_add_text(v, "before", before);
	if (after != NULL)
		wire_add_text(v, "after", after);
	return cli_line(d->cli, &v) == EXITCODE_DONE
	    ? ERR_NONE
	    : err_set(e, ERR_IO, "cannot write the differences");
}

static int
finish_diff(struct differing *d)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e = {0};
	int status = EXITCODE_DONE;

	if (d->cli->json) {
		if (wire_new(&v, "summary", &e) != ERR_NONE)
			return cli_fail(d->cli, &e);
		wire_add_uint(v, "differences", d->count);
		status = cli_line(d->cli, &v);
	}
	return status == EXITCODE_DONE && d->count > 0 ? EXITCODE_FAILED
						       : status;
}

/* The effective policy of the first operand, which is then gone. */
static int
load_text(struct cli *cli, struct buf *out)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(buf_fini) struct buf path = {0};
	struct err e = {0};
	int status;

	load(cli, stderr, &path, &p, &status);
	if (status != EXITCODE_DONE)
		return status;
	if (policy_show(p, out, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	cli->operands++;
	cli->operands_count--;
	return EXITCODE_DONE;
}

/* What the daemon goes by: the text, and the file it once read it from. */
struct in_force {
	struct buf *text, *file;
};

static int
on_in_force(struct live *l, const char *type, struct wire_value *v)
{
	struct in_force *f = l->ctx;
	enum err_code rc = ERR_NONE;
	struct err e;

	if (strcmp(type, "text") == 0)
		rc = buf_add_text(f->text, wire_take_text(v, "text", ""), &e);
	else if (strcmp(type, "summary") == 0)
		wire_take_path(v, "file", f->file);
	return rc == ERR_NONE ? EXITCODE_DONE : cli_fail(l->cli, &e);
}

static int
ask_in_force(struct cli *cli, struct buf *text, struct buf *file)
{
	struct in_force f = {text, file};
	struct live l = {.cli = cli, .take = on_in_force, .ctx = &f};
	struct wire_value *request = live_request(cli, "policy show");

	return request == NULL ? EXITCODE_FAILED : live_ask(&l, &request);
}

/*
 * As diff(1): 0 the same, 1 they differ; 7 when one of them does not load.
 * Of what the daemon goes by (-) with the files as they are now (+), when none
 * or one is named.
 */
static int
run_diff(struct cli *cli)
{
	OWNED(buf_fini) struct buf before = {0};
	OWNED(buf_fini) struct buf after = {0};
	OWNED(buf_fini) struct buf file = {0};
	struct differing d = {.cli = cli};
	struct err e = {0};
	char *place;
	int status;

	if (cli->operands_count == 2)
		status = load_text(cli, &before);
	else
		status = ask_in_force(cli, &before, &file);
	if (status == EXITCODE_DONE && cli->operands_count == 0) {
		(void)buf_text(&file); /* ends it with a NUL */
		place = (char *)file.bytes;
		cli->operands = &place;
		cli->operands_count = 1;
	}
	if (status == EXITCODE_DONE)
		status = load_text(cli, &after);
	if (status != EXITCODE_DONE)
		return status;
	if (policy_diff(&before, &after, on_difference, &d, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	return finish_diff(&d);
}

static int
run_explain(struct cli *cli)
{
	OWNED(buf_fini) struct buf text = {0};
	struct err e = {0};
	enum err_code rc = policy_explain(cli->operands[0], &text, &e);

	return print_text(cli, rc, &text, &e);
}

static int
run_reference(struct cli *cli)
{
	OWNED(buf_fini) struct buf text = {0};
	struct err e = {0};
	enum err_code rc = policy_reference(&text, &e);

	return print_text(cli, rc, &text, &e);
}

static const struct cli_option show_options[] =
    {{"effective", 0, NULL, "with every default filled in (always so)"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_policy_check = {"policy check", "[DIR|FILE]",
    "load a policy and print everything that is wrong with it", NULL, 0, 1,
    run_check};
const struct cli_command command_policy_show = {"policy show", "[DIR|FILE]",
    "print the effective policy, every default filled in", show_options, 0, 1,
    run_show};
const struct cli_command command_policy_diff = {"policy diff",
    "[[DIR|FILE] DIR|FILE]",
    "settings in which two policies differ; else the daemon's and its files",
    NULL, 0, 2, run_diff};
const struct cli_command command_policy_explain = {"policy explain", "SETTING",
    "say what a setting means and takes", NULL, 1, 1, run_explain};
const struct cli_command command_policy_reference = {"policy reference", "",
    "print the reference page of all settings", NULL, 0, 0, run_reference};
