#include "planrun_restore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/crypt.h>
#include <bascule/job.h>

enum err_code
planrun_restore_open(struct store **st, struct keyring **keys,
    const struct policy *p, const struct policy_site *site, struct err *e)
{
	struct store_options opt = {.access = STORE_READ};
	enum err_code rc = keys_of_policy(keys, p, e);

	*st = NULL;
	if (rc != ERR_NONE)
		return rc;
	opt.keyring = *keys;
	rc = store_open(st, site->repository, &opt, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "opening repository '%s'", site->repository);
	if (keyring_can_read(*keys))
		return ERR_NONE;
	return err_set(e, ERR_KEY, "the key in '%s' cannot read backups",
	    p->key_file);
}

/* The path in the snapshot: as path.h has it. */
static const char *
path_of(const struct planrun_snapshot *s, char *out, size_t size)
{
	const char *from = (s->flags & SNAPSHOT_COMMAND) != 0
	    ? s->dataset->name
	    : s->dataset->tree;
	size_t len;

	while (*from == '/')
		from++;
	len = strlen(from);
	while (len > 0 && from[len - 1] == '/')
		len--;
	snprintf(out, size, "%.*s", (int)len, from);
	return out;
}

/* Is what lies at path a directory?  "" always is. */
static enum err_code
look(struct store *st, const struct planrun_snapshot *s, const char *path,
    bool *is_dir, struct err *e)
{
	OWNED(cursor_close) struct cursor *c = NULL;
	const struct item *it;
	enum err_code rc;

	*is_dir = path[0] == '\0';
	if (*is_dir)
		return ERR_NONE;
	rc = cursor_open(&c, st, &s->root, path, strlen(path), e);
	if (rc == ERR_NONE)
		rc = cursor_next(c, &it, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "'%s' in its snapshot", path);
	*is_dir = it != NULL && it->entry.type == ENTRY_DIR;
	return ERR_NONE;
}

enum err_code
planrun_restore_find(struct store *st, const struct planrun_snapshot *s,
    char path[PLANRUN_RESTORE_PATH_BYTES], bool *is_dir, struct err *e)
{
	return look(st, s, path_of(s, path, PLANRUN_RESTORE_PATH_BYTES), is_dir,
	    e);
}

static enum err_code
restore(struct store *st, const struct restore_options *opt,
    struct planrun_restored *out, struct err *e)
{
	struct restore_result r = {0};
	enum err_code rc = restore_run(st, opt, &r, e);

	out->files_count = r.files_count;
	out->bytes = r.bytes;
	out->warnings_count = r.warnings_count;
	out->deleted_count = r.deleted_count;
	if (rc != ERR_NONE)
		return rc;
	if (r.failed_count + r.differ_count > 0)
		return err_set(e, ERR_CORRUPT,
		    "%llu entries could not be restored and %llu differ from "
		    "what was saved",
		    (unsigned long long)r.failed_count,
		    (unsigned long long)r.differ_count);
	return ERR_NONE;
}

/* Beside its place, then there under its own name. */
static enum err_code
restore_file(struct store *st, struct restore_options *opt, const char *path,
    const char *to, struct planrun_restored *out, struct err *e)
{
	OWNED(free_mem) char *beside = NULL;
	OWNED(free_mem) char *from = NULL;
	const char *const paths[] = {path};
	const char *slash = strrchr(to, '/');
	enum err_code rc;

	if (slash == NULL || slash[1] == '\0')
		return err_set(e, ERR_POLICY,
		    "'%s' is a directory, but the dataset is a single file; "
		    "name the file in `to`",
		    to);
	if (asprintf(&beside, "%s.restoring", to) < 0 ||
	    asprintf(&from, "%s/%s", beside, path) < 0) {
		beside = from = NULL; /* undefined after a failure */
		return err_nomem(e);
	}
	opt->to = beside;
	opt->paths = paths;
	opt->paths_count = 1;
	rc = fdio_make_dirs(beside, 0700, e);
	if (rc == ERR_NONE)
		rc = restore(st, opt, out, e);
	if (rc == ERR_NONE && rename(from, to) != 0)
		rc = err_sys(e, "putting '%s' in its place", to);
	if (rc != ERR_NONE)
		return rc;
	for (char *end = strrchr(from, '/');
	     end != NULL && end > from && strlen(from) > strlen(beside);
	     end = strrchr(from, '/')) {
		*end = '\0';
		if (rmdir(from) != 0)
			break; /* the sandbox is removed with all in it */
	}
	return ERR_NONE;
}

enum err_code
planrun_restore(struct store *st, const struct planrun_snapshot *s,
    const char *to, bool deletes, struct planrun_restored *out, struct err *e)
{
	struct restore_options opt = {.root = s->root,
	    .subtree = "",
	    .to = to,
	    .verify = true};
	char path[PLANRUN_RESTORE_PATH_BYTES];
	bool is_dir;
	enum err_code rc;

	*out = (struct planrun_restored){0};
	rc = planrun_restore_find(st, s, path, &is_dir, e);
	if (rc != ERR_NONE)
		return rc;
	if (!is_dir)
		return restore_file(st, &opt, path, to, out, e);
	opt.subtree = path;
	opt.delete_others = deletes;
	rc = fdio_make_dirs(to, 0755, e);
	return rc == ERR_NONE ? restore(st, &opt, out, e) : rc;
}
