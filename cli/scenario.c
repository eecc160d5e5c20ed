/* bascule scenario export | import: in MISP's Common Exercise Format. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/atomfile.h>
#include <bascule/base/fdio.h>
#include <bascule/base/text.h>
#include <bascule/policy.h>
#include <bascule/report.h>

#include "live.h"

/* --- the file that is written ------------------------------------------------------ */

/* Whole or not at all; without -o to standard output. */
static enum err_code
write_out(const char *path, const struct buf *text, struct err *e)
{
	OWNED(atomfile_discard) struct atomfile *af = NULL;
	OWNED(free_mem) char *folder = NULL;
	const char *slash;
	int dirfd;
	enum err_code rc;

	if (path == NULL)
		return fdio_write(STDOUT_FILENO, text->bytes, text->len_bytes,
		    e);
	slash = strrchr(path, '/');
	folder = slash == NULL ? strdup(".")
	    : slash == path    ? strdup("/")
			       : strndup(path, (size_t)(slash - path));
	if (folder == NULL)
		return err_nomem(e);
	dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(e, "cannot open '%s'", folder);
	rc = atomfile_begin(&af, dirfd, slash == NULL ? path : slash + 1, e);
	if (rc == ERR_NONE)
		rc = atomfile_write(af, text->bytes, text->len_bytes, e);
	if (rc == ERR_NONE)
		rc = atomfile_commit(&af, e);
	close(dirfd);
	return rc;
}

/* --- export -------------------------------------------------------------------------- */

static int
on_policy(struct live *l, const char *type, struct wire_value *v)
{
	struct err e;

	if (strcmp(type, "text") == 0 &&
	    buf_add_text(l->ctx, wire_take_text(v, "text", ""), &e) != ERR_NONE)
		return cli_fail(l->cli, &e);
	return EXITCODE_DONE;
}

/* The policy that the daemon goes by, loaded from what it shows. */
static int
load_in_force(struct cli *cli, struct policy **out)
{
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	OWNED(buf_fini) struct buf text = {0};
	struct live l = {.cli = cli, .take = on_policy, .ctx = &text};
	struct wire_value *request = live_request(cli, "policy show");
	struct policy_text_file file = {.path = "/in-force/bascule.conf"};
	struct err e;
	int status = request == NULL ? EXITCODE_FAILED : live_ask(&l, &request);

	if (status != EXITCODE_DONE)
		return status;
	file.text = buf_text(&text);
	file.len_bytes = text.len_bytes;
	if (policy_load_texts(out, &ps, &file, 1, now_utc(), &e) != ERR_NONE)
		return cli_fail(cli, &e);
	return EXITCODE_DONE;
}

static int
load_from(struct cli *cli, const char *place, struct policy **out)
{
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	OWNED(buf_fini) struct buf path = {0}, text = {0};
	struct stat st;
	struct err e;
	bool is_folder = stat(place, &st) == 0 && S_ISDIR(st.st_mode);
	enum err_code rc = buf_printf(&path, &e, "%s%s", place,
	    is_folder ? "/bascule.conf" : "");

	if (rc == ERR_NONE)
		rc = policy_load(out, &ps, buf_text(&path), now_utc(), &e);
	if (rc == ERR_POLICY && ps.count > 0 &&
	    policy_problem_text(&ps.items[0], &text, &e) == ERR_NONE)
		err_set(&e, ERR_POLICY, "%s", buf_text(&text));
	return rc == ERR_NONE ? EXITCODE_DONE : cli_fail(cli, &e);
}

static int
finish(struct cli *cli, const char *from, const char *file, uint64_t lost)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (!cli->json) {
		if (file != NULL)
			printf("'%s' is written to '%s'\n", from, file);
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_text(v, "scenario", from);
	wire_add_text(v, "file", file);
	wire_add_uint(v, "lost", lost);
	return cli_line(cli, &v);
}

static int
run_export(struct cli *cli)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(buf_fini) struct buf json = {0};
	const char *name = cli->operands[0], *place = cli_value(cli, "policy");
	const char *file = cli_value(cli, "output");
	const struct policy_scenario *sc;
	struct err e;
	int status;

	if (cli->json && file == NULL)
		return cli_wrong_use(cli, "--json needs -o FILE");
	status =
	    place != NULL ? load_from(cli, place, &p) : load_in_force(cli, &p);
	if (status != EXITCODE_DONE)
		return status;
	sc = policy_find_scenario(p, name);
	if (sc == NULL) {
		err_set(&e, ERR_NOTFOUND, "there is no scenario '%s'", name);
		return cli_fail_as(cli, &e, EXITCODE_FAILED);
	}
	if (cexf_export(sc, &json, &e) != ERR_NONE ||
	    write_out(file, &json, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	return finish(cli, sc->name, file, 0);
}

static const struct cli_option export_options[] =
    {{"output", 'o', "FILE", "write it there (default: standard output)"},
	{"policy", 0, "PLACE", "of this policy (default: the daemon's)"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_scenario_export = {"scenario export", "NAME",
    "write a scenario in the Common Exercise Format", export_options, 1, 1,
    run_export};

/* --- import ------------------------------------------------------------------------------ */

struct losing {
	struct cli *cli;
	uint64_t count;
};

static enum err_code
on_lost(void *ctx, const char *place, const char *json, struct err *e)
{
	struct losing *l = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc;

	l->count++;
	if (!l->cli->json) {
		fputs("lost: ", stderr);
		OWNED(buf_fini) struct buf text = {0};

		rc = text_escape(&text, place, strlen(place), e);
		if (rc == ERR_NONE)
			fprintf(stderr, "%s\n", buf_text(&text));
		return rc;
	}
	rc = wire_new(&v, "lost", e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "place", place);
	wire_add_text(v, "value", json);
	(void)cli_line(l->cli, &v);
	return ERR_NONE;
}

static int
run_import(struct cli *cli)
{
	OWNED(buf_fini) struct buf json = {0}, conf = {0};
	const char *file = cli_value(cli, "output");
	struct losing l = {.cli = cli};
	struct err e;
	enum err_code rc;

	if (cli->json && file == NULL)
		return cli_wrong_use(cli, "--json needs -o FILE");
	rc = fdio_slurp(AT_FDCWD, cli->operands[0], WIRE_LINE_BYTES_MAX, &json,
	    &e);
	if (rc == ERR_NONE)
		rc = cexf_import(buf_text(&json), json.len_bytes, &conf,
		    on_lost, &l, &e);
	if (rc == ERR_NONE)
		rc = write_out(file, &conf, &e);
	if (rc == ERR_NOTFOUND)
		return cli_fail_as(cli, &e, EXITCODE_FAILED);
	if (rc != ERR_NONE)
		return cli_fail(cli, &e);
	if (!cli->json && l.count > 0)
		fprintf(stderr,
		    "%llu things have no place in a scenario; they stand as "
		    "comments in the file\n",
		    (unsigned long long)l.count);
	return finish(cli, cli->operands[0], file, l.count);
}

static const struct cli_option import_options[] =
    {{"output", 'o', "FILE", "write it there (default: standard output)"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_scenario_import = {"scenario import", "FILE",
    "make a scenario file of one in the Common Exercise Format", import_options,
    1, 1, run_import};
