/* Restores that people ask for: recorded with where to, before they begin. */

#include "daemon.h"

#include <limits.h>
#include <string.h>

#include <bascule/base/text.h>

static void
copy_text(struct wire_value *from, struct wire_value *to, const char *name)
{
	wire_add_text(to, name, wire_take_text(from, name, NULL));
}

static void
copy_flag(struct wire_value *from, struct wire_value *to, const char *name)
{
	wire_add_bool(to, name, wire_take_bool(from, name, false));
}

static enum err_code
prepare(struct job *j, struct wire_value *spec, struct err *e)
{
	OWNED(buf_fini) struct buf to = {.max_bytes = PATH_MAX};
	OWNED(wire_free) struct wire_value *list = NULL;
	struct wire_value *paths = wire_take_list(j->params, "paths");
	enum err_code rc = wire_new_list(&list, e);

	if (rc != ERR_NONE)
		return rc;
	copy_text(j->params, spec, "point");
	copy_text(j->params, spec, "overwrite");
	copy_flag(j->params, spec, "delete");
	copy_flag(j->params, spec, "verify");
	copy_flag(j->params, spec, "dry_run");
	wire_take_path(j->params, "to", &to);
	wire_add_path(spec, "to", buf_text(&to), to.len_bytes);
	for (size_t i = 0; paths != NULL && i < wire_count(paths); i++)
		wire_add_text(list, NULL, wire_at_text(paths, i));
	wire_add(spec, "paths", &list);
	return wire_check(j->params, e);
}

static void
intend(const struct job *j, struct draft *d)
{
	OWNED(buf_fini) struct buf to = {.max_bytes = PATH_MAX};

	wire_take_path(j->params, "to", &to);
	draft_text(d, "to", buf_text(&to));
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
