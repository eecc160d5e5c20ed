#include "farplace.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <bascule/base/now.h>

#include "live_far.h"

#define PAUSE_NS   (NS_PER_S / 2)
#define SILENCE_NS (15 * NS_PER_S)
#define LIST_MAX   ((size_t)1 << 20) /* names in one folder */

/* --- the connection ------------------------------------------------------- */

static void
hang_up(struct farplace *f)
{
	sshsftp_close(&f->sftp);
	sshconn_close(&f->conn);
}

void
farplace_fini(struct farplace *f)
{
	hang_up(f);
	reader_free(&f->reader);
}

bool
farplace_is_fatal(const struct farplace *f, enum err_code rc)
{
	return f->is_gone || rc == ERR_NOMEM || rc == ERR_CANCELLED ||
	    rc == ERR_TIMEOUT || rc == ERR_NOSPACE;
}

enum err_code
farplace_connect(struct farplace *f, struct err *e)
{
	struct source_host host = *f->host;
	struct mono until = {now_mono().ns + FARPLACE_PATIENCE_NS};
	const struct timespec pause = {0, PAUSE_NS};
	enum err_code rc;

	if (f->sftp != NULL)
		return ERR_NONE;
	if (host.timeout_ns == 0)
		host.timeout_ns = SILENCE_NS;
	for (;;) {
		rc = live_far_connect(&f->conn, &host, e);
		if (rc == ERR_NONE)
			rc = sshsftp_open(&f->sftp, f->conn, e);
		if (rc == ERR_NONE)
			return rc;
		hang_up(f);
		if (rc != ERR_TIMEOUT || now_mono().ns >= until.ns)
			return rc;
		nanosleep(&pause, NULL);
	}
}

/* Do it, over as many connections as it takes (F1). */
enum err_code
farplace_persist(struct farplace *f, farplace_doing *fn, void *arg,
    struct err *e)
{
	for (;;) {
		enum err_code rc = farplace_connect(f, e);

		if (rc != ERR_NONE) {
			f->is_gone = true;
			return rc;
		}
		rc = fn(f, arg, e);
		if (!sshsftp_is_over(f->sftp)) {
			f->lost_in_a_row = 0;
			return rc;
		}
		hang_up(f);
		if (rc == ERR_NONE)
			return rc;
		if (rc == ERR_NOMEM || rc == ERR_CANCELLED ||
		    ++f->lost_in_a_row > FARPLACE_LOST_MAX) {
			f->is_gone = true;
			return rc;
		}
		f->lost_count++;
	}
}

/* --- folders -------------------------------------------------------------- */

struct top {
	const char *to;
	struct buf *real;
};

static enum err_code
make_one(struct farplace *f, const char *path, struct err *e)
{
	struct sshattr attr;
	enum err_code rc = sshpath_stat(f->sftp, path, &attr, e);

	if (rc == ERR_NOTFOUND) {
		rc = sshpath_mkdir(f->sftp, path, 0755, e);
		return rc == ERR_EXISTS ? ERR_NONE : rc;
	}
	if (rc == ERR_NONE && attr.has_mode && !S_ISDIR(attr.mode))
		rc = err_set(e, ERR_EXISTS, "'%s' on '%s' is no folder", path,
		    f->host->name);
	return rc;
}

static enum err_code
do_top(struct farplace *f, void *arg, struct err *e)
{
	struct top *t = arg;
	OWNED(free_mem) char *path = strdup(t->to);
	enum err_code rc = ERR_NONE;
	size_t len;

	if (path == NULL)
		return err_nomem(e);
	for (len = strlen(path); len > 1 && path[len - 1] == '/';)
		path[--len] = '\0';
	for (size_t i = 1; rc == ERR_NONE && i <= len; i++) {
		char was = path[i];

		if ((was != '/' && was != '\0') || path[i - 1] == '/')
			continue;
		path[i] = '\0';
		rc = make_one(f, path, e);
		path[i] = was;
	}
	buf_clear(t->real);
	if (rc == ERR_NONE)
		rc = sshpath_realpath(f->sftp, path, t->real, e);
	if (rc == ERR_NONE && buf_text(t->real)[0] != '/')
		rc = err_set(e, ERR_IO, "'%s' gives an impossible path",
		    f->host->name);
	return rc;
}

enum err_code
farplace_top(struct farplace *f, const char *to, struct buf *real,
    struct err *e)
{
	struct top t = {to, real};

	return farplace_persist(f, do_top, &t, e);
}

void
farplace_list_fini(struct farlist *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->names[i].name);
	free(l->names);
	*l = (struct farlist){0};
}

static enum err_code
list_add(struct farlist *l, const struct sshdirent *d, struct err *e)
{
	if (l->count == LIST_MAX)
		return err_set(e, ERR_IO, "more than %zu names in one folder",
		    LIST_MAX);
	if (l->count == l->room) {
		size_t room = l->room == 0 ? 64 : l->room * 2;
		struct farname *more = realloc(l->names, room * sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		l->names = more;
		l->room = room;
	}
	l->names[l->count] =
	    (struct farname){.name = strdup(d->name), .attr = d->attr};
	if (l->names[l->count].name == NULL)
		return err_nomem(e);
	l->count++;
	return ERR_NONE;
}

static int
by_name(const void *a, const void *b)
{
	const struct farname *x = a, *y = b;

	return strcmp(x->name, y->name);
}

struct list {
	const char *path;
	struct farlist *out;
};

static enum err_code
do_list(struct farplace *f, void *arg, struct err *e)
{
	struct list *l = arg;
	OWNED(sshdir_close) struct sshdir *dir = NULL;
	struct sshdirent d;
	bool more = true;
	enum err_code rc;

	farplace_list_fini(l->out);
	rc = sshdir_begin(&dir, f->sftp, l->path, e);
	while (rc == ERR_NONE && more) {
		rc = sshdir_next(dir, &d, &more, e);
		if (rc == ERR_NONE && more &&
		    (!d.attr.has_mode || !d.attr.has_size || !d.attr.has_times))
			rc = err_set(e, ERR_IO,
			    "'%s' does not tell kind, size and time of what "
			    "it lists",
			    f->host->name);
		if (rc == ERR_NONE && more)
			rc = list_add(l->out, &d, e);
	}
	if (rc == ERR_NONE && l->out->count > 1)
		qsort(l->out->names, l->out->count, sizeof(*l->out->names),
		    by_name);
	return rc;
}

enum err_code
farplace_list(struct farplace *f, const char *path, struct farlist *out,
    struct err *e)
{
	struct list l = {path, out};

	return farplace_persist(f, do_list, &l, e);
}

struct farname *
farplace_find(const struct farlist *l, const char *name)
{
	struct farname key = {.name = (char *)(uintptr_t)name};

	return l->count == 0
	    ? NULL
	    : bsearch(&key, l->names, l->count, sizeof(*l->names), by_name);
}

/* --- one path ------------------------------------------------------------- */

struct look {
	const char *path;
	struct sshattr *attr;
	bool *there;
};

static enum err_code
do_look(struct farplace *f, void *arg, struct err *e)
{
	struct look *l = arg;
	enum err_code rc = sshpath_lstat(f->sftp, l->path, l->attr, e);

	*l->there = rc == ERR_NONE;
	return rc == ERR_NOTFOUND ? ERR_NONE : rc;
}

enum err_code
farplace_look(struct farplace *f, const char *path, struct sshattr *attr,
    bool *there, struct err *e)
{
	struct look l = {path, attr, there};

	return farplace_persist(f, do_look, &l, e);
}

static enum err_code
do_mkdir(struct farplace *f, void *arg, struct err *e)
{
	const char *path = arg;
	struct sshattr attr;
	enum err_code rc = sshpath_mkdir(f->sftp, path, 0700, e);

	if (rc != ERR_EXISTS)
		return rc;
	/* Ours, when the answer to it was lost. */
	rc = sshpath_lstat(f->sftp, path, &attr, e);
	return rc == ERR_NONE && !S_ISDIR(attr.mode)
	    ? err_set(e, ERR_EXISTS, "'%s' on '%s' is no folder", path,
		  f->host->name)
	    : rc;
}

enum err_code
farplace_mkdir(struct farplace *f, const char *path, struct err *e)
{
	return farplace_persist(f, do_mkdir, (void *)(uintptr_t)path, e);
}

/* --- removing ------------------------------------------------------------- */

struct removal {
	const char *path;
	bool is_dir;
	uint64_t *count;
};

static enum err_code
do_remove(struct farplace *f, void *arg, struct err *e)
{
	struct removal *r = arg;
	enum err_code rc = r->is_dir ? sshpath_rmdir(f->sftp, r->path, e)
				     : sshpath_unlink(f->sftp, r->path, e);

	if (rc == ERR_NONE)
		++*r->count;
	return rc == ERR_NOTFOUND ? ERR_NONE : rc;
}

static enum err_code
remove_one(struct farplace *f, const char *path, bool is_dir, uint64_t *count,
    struct err *e)
{
	struct removal r = {path, is_dir, count};

	return farplace_persist(f, do_remove, &r, e);
}

/* At most FARPLACE_DEPTH_MAX deep. */
static enum err_code
remove_tree(struct farplace *f, const char *path, unsigned depth,
    uint64_t *count, struct err *e)
{
	OWNED(farplace_list_fini) struct farlist list = {0};
	OWNED(buf_fini) struct buf below = {0};
	enum err_code rc;

	if (depth == FARPLACE_DEPTH_MAX)
		return err_set(e, ERR_IO, "'%s' lies too deep to be removed",
		    path);
	rc = farplace_list(f, path, &list, e);
	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++) {
		const struct farname *n = &list.names[i];

		buf_clear(&below);
		rc = buf_printf(&below, e, "%s/%s", path, n->name);
		if (rc != ERR_NONE)
			break;
		rc = S_ISDIR(n->attr.mode)
		    ? remove_tree(f, buf_text(&below), depth + 1, count, e)
		    : remove_one(f, buf_text(&below), false, count, e);
	}
	return rc == ERR_NONE ? remove_one(f, path, true, count, e) : rc;
}

enum err_code
farplace_remove(struct farplace *f, const char *path, bool is_dir,
    uint64_t *count, struct err *e)
{
	return is_dir ? remove_tree(f, path, 0, count, e)
		      : remove_one(f, path, false, count, e);
}
