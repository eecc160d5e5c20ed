#include "place.h"

#include <string.h>
#include <sys/stat.h>

#include <bascule/wire.h>

#define DEFAULT_PLACE     "/etc/bascule"
#define ANSWER_TIMEOUT_MS 5000

/* The file that the daemon here goes by; "" where none tells, for whatever reason. */
static void
of_daemon(const struct cli *cli, struct buf *path)
{
	OWNED(wire_client_close) struct wire_client *c = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err ignored;
	enum err_code rc = wire_client_open(&c, cli->socket, &ignored);

	if (rc == ERR_NONE)
		rc = wire_new(&v, NULL, &ignored);
	if (rc != ERR_NONE)
		return;
	wire_add_text(v, "cmd", "policy show");
	rc = wire_client_ask(c, v, &ignored);
	while (rc == ERR_NONE && v != NULL) {
		wire_free(&v);
		rc = wire_client_next(c, ANSWER_TIMEOUT_MS, &v, &ignored);
		if (v != NULL &&
		    strcmp(wire_take_text(v, "type", ""), "summary") == 0)
			wire_take_path(v, "file", path);
	}
}

enum err_code
place_find(const struct cli *cli, const char *named, struct buf *path,
    struct err *e)
{
	const char *place = named;
	size_t len;
	struct stat st;

	if (place == NULL) {
		of_daemon(cli, path);
		if (path->len_bytes > 0)
			return ERR_NONE;
		place = DEFAULT_PLACE;
	}
	if (stat(place, &st) == -1 || !S_ISDIR(st.st_mode))
		return buf_add_text(path, place, e);
	for (len = strlen(place); len > 1 && place[len - 1] == '/'; len--)
		;
	return buf_printf(path, e, "%.*s%sbascule.conf", (int)len, place,
	    place[len - 1] == '/' ? "" : "/");
}

enum err_code
place_policy(const struct cli *cli, struct policy **out, struct err *e)
{
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc = place_find(cli, cli_value(cli, "policy"), &path, e);

	if (rc == ERR_NONE)
		rc = policy_load(out, &ps, buf_text(&path), now_utc(), e);
	if (rc == ERR_POLICY)
		return err_hint(e, "'bascule policy check %s' says what",
		    buf_text(&path));
	return rc;
}
