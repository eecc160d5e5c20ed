/* Restores that people ask for: recorded with where to, before they begin. */

#include "daemon.h"

#include <limits.h>
#include <string.h>

#include <bascule/base/text.h>

enum err_code
restores_copy(struct wire_value *from, struct wire_value *to, struct err *e)
{
	static const char *const texts[] = {"point", "overwrite", "on"};
	static const char *const flags[] = {"delete", "verify", "dry_run"};
	OWNED(buf_fini) struct buf place = {.max_bytes = PATH_MAX};
	OWNED(wire_free) struct wire_value *list = NULL;
	struct wire_value *paths = wire_take_list(from, "paths");
	enum err_code rc = wire_new_list(&list, e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		wire_add_text(to, texts[i],
		    wire_take_text(from, texts[i], NULL));
	for (size_t i = 0; i < COUNT_OF(flags); i++)
		wire_add_bool(to, flags[i],
		    wire_take_bool(from, flags[i], false));
	wire_take_path(from, "to", &place);
	if (buf_text(&place)[0] != '/')
		return err_set(e, ERR_INPUT,
		    "'to' is not an absolute path: whose working directory "
		    "would it be in?");
	wire_add_path(to, "to", buf_text(&place), place.len_bytes);
	for (size_t i = 0; paths != NULL && i < wire_count(paths); i++)
		wire_add_text(list, NULL, wire_at_text(paths, i));
	wire_add(to, "paths", &list);
	return ERR_NONE;
}

static enum err_code
prepare(struct job *j, struct wire_value *spec, struct err *e)
{
	enum err_code rc = restores_copy(j->params, spec, e);

	return rc == ERR_NONE ? wire_check(j->params, e) : rc;
}

static void
intend(const struct job *j, struct draft *d)
{
	OWNED(buf_fini) struct buf to = {.max_bytes = PATH_MAX};

	wire_take_path(j->params, "to", &to);
	draft_text(d, "to", buf_text(&to));
	draft_text(d, "on", wire_take_text(j->params, "on", ""));
	draft_text(d, "point", wire_take_text(j->params, "point", ""));
	draft_uint(d, "dry_run", wire_take_bool(j->params, "dry_run", false));
}

const struct job_kind restore_kind = {
    .name = "restore",
    .ledger_type = LEDGER_JOB,
    .schedule = SCHEDULE_RESTORE,
    .prepare = prepare,
    .intend = intend,
};
