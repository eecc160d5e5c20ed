#include "sidefile.h"

#include <stdio.h>

#include <bascule/base/fdio.h>

#include "ageing.h"

#define NAME_BYTES 96

static enum err_code
load(void *out, struct store *st, const struct sidefile *s, const char *name,
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_dir(&fd, st->dir_fd, "condemned", e);

	if (rc == ERR_NONE)
		rc = repo_slurp(&b, fd, name, s->max_bytes, e);
	if (rc == ERR_NONE)
		rc = s->decode(out, st->family, b.bytes, b.len_bytes, e);
	return rc;
}

static enum err_code
explain(struct store *st, const struct sidefile *s, struct err *e)
{
	return err_wrap(e, "'%s/condemned/%s'", st->path, s->name);
}

static void
name_twin(char out[NAME_BYTES], const struct sidefile *s)
{
	snprintf(out, NAME_BYTES, "%s.bak", s->name);
}

enum err_code
sidefile_read(void *out, struct store *st, const struct sidefile *s,
    struct err *e)
{
	enum err_code rc = load(out, st, s, s->name, e);

	return rc == ERR_NONE ? rc : explain(st, s, e);
}

enum err_code
sidefile_read_either(void *out, struct store *st, const struct sidefile *s,
    struct err *e)
{
	char name[NAME_BYTES];
	struct err why = {0};
	enum err_code rc = load(out, st, s, s->name, e), twin;

	if (rc == ERR_NONE)
		return rc;
	if (rc != ERR_NOTFOUND && rc != ERR_CORRUPT)
		return explain(st, s, e);
	name_twin(name, s);
	twin = load(out, st, s, name, &why);
	if (twin == ERR_NONE)
		return twin;
	if (twin == ERR_NOTFOUND && rc == ERR_NOTFOUND)
		return explain(st, s, e);
	if (twin != ERR_NOTFOUND)
		*e = why;
	explain(st, s, e);
	return err_hint(e, "%s", s->hint);
}

static enum err_code
put(struct store *st, const struct sidefile *s, const char *name,
    const struct buf *b, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	struct repo_file f = {.what = "condemned",
	    .name = name,
	    .bytes = b->bytes,
	    .len_bytes = b->len_bytes};
	enum err_code rc = repo_make_dir(&fd, st->dir_fd, "condemned", e);

	f.dirfd = fd;
	return rc == ERR_NONE ? ageing_replace(st, s->tmp, &f, e) : rc;
}

enum err_code
sidefile_write(struct store *st, const struct sidefile *s, const struct buf *b,
    struct err *e)
{
	return put(st, s, s->name, b, e);
}

enum err_code
sidefile_write_both(struct store *st, const struct sidefile *s,
    const struct buf *b, struct err *e)
{
	char twin[NAME_BYTES];
	enum err_code rc = put(st, s, s->name, b, e);

	name_twin(twin, s);
	return rc == ERR_NONE ? put(st, s, twin, b, e) : rc;
}
