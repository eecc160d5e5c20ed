/* bascule restore SERVICE[/DATASET][@POINT]: the daemon's worker does it. */

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "live.h"
#include "restore.h"

static void
end(struct live *l, struct wire_value *v)
{
	const char *reason = wire_take_text(v, "reason", "");
	const bool dry = cli_has(l->cli, "dry-run");

	cli_progress_end(l->ctx);
	printf("%s of %s %s in %s: %s, as job %s\n",
	    dry ? "nothing was written: a dry run of the restore" : "restore",
	    live_text(v, "service"), live_text(v, "state"),
	    live_span(v, "seconds"), live_size(l, v, "bytes"),
	    live_text(v, "job"));
	if (*reason != '\0')
		fprintf(stderr, "bascule: %s\n", live_text(v, "reason"));
	printf("what %s where: bascule job %s --log\n", dry ? "would be" : "is",
	    live_text(v, "job"));
}

static void
reply(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "progress") == 0)
		live_progress(l, v);
	else if (strcmp(type, "summary") == 0)
		end(l, v);
}

/* A service's name has neither '/' nor '@', a point is hex or "latest"; a dataset's
 * may have both: the last '@' counts when only a point stands behind it. */
static void
add_what(struct wire_value *request, const char *what)
{
	const char *slash = strchr(what, '/');
	const char *at = strrchr(what, '@');
	const char *end = what + strlen(what);

	if (at != NULL && strcmp(at + 1, "latest") == 0)
		end = at; /* as without a point */
	else if (at != NULL && at[1] != '\0' &&
	    at[1 + strspn(at + 1, "0123456789abcdef")] == '\0') {
		wire_add_text(request, "point", at + 1);
		end = at;
	}
	if (slash != NULL && slash < end) {
		wire_add_bytes(request, "dataset", slash + 1,
		    (size_t)(end - slash - 1));
		end = slash;
	}
	wire_add_bytes(request, "service", what, (size_t)(end - what));
}

/* Here means here, not where the daemon is; nor is it on another host. */
static bool
add_place(struct cli *cli, struct wire_value *request)
{
	const char *to = cli_value(cli, "to");
	char here[PATH_MAX], full[PATH_MAX];
	int len;

	if (cli_value(cli, "on") != NULL && to[0] != '/')
		return false;
	if (getcwd(here, sizeof(here)) == NULL)
		return false;
	len = snprintf(full, sizeof(full), "%s%s%s", to[0] == '/' ? "" : here,
	    to[0] == '/' ? "" : "/", to);
	if (len < 0 || (size_t)len >= sizeof(full))
		return false;
	wire_add_path(request, "to", full, (size_t)len);
	return true;
}

static enum err_code
add_paths(struct cli *cli, struct wire_value *request, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	const char *path;
	enum err_code rc = wire_new_list(&list, e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; (path = cli_value_nth(cli, "path", i)) != NULL; i++)
		wire_add_text(list, NULL, path);
	wire_add(request, "paths", &list);
	return ERR_NONE;
}

int
restore_live(struct cli *cli)
{
	OWNED(wire_free) struct wire_value *request = NULL;
	struct cli_progress progress;
	struct live l = {.cli = cli,
	    .reply = reply,
	    .patient = true,
	    .ctx = &progress};
	struct err e;
	int status;

	request = live_request(cli, "restore");
	if (request == NULL)
		return EXITCODE_FAILED;
	add_what(request, cli->operands[0]);
	if (!add_place(cli, request))
		return cli_wrong_use(cli, "--to is no path that can be used%s",
		    cli_value(cli, "on") != NULL
			? ": on another host it is absolute"
			: "");
	wire_add_text(request, "on", cli_value(cli, "on"));
	if (add_paths(cli, request, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_text(request, "overwrite", cli_value(cli, "overwrite"));
	wire_add_bool(request, "delete", cli_has(cli, "delete"));
	wire_add_bool(request, "verify", cli_has(cli, "verify"));
	live_add_dry_run(cli, request);
	wire_add_bool(request, "wait", true);
	cli_progress_begin(&progress, cli, "restoring");
	status = live_ask(&l, &request);
	cli_progress_end(&progress);
	return status;
}
