#include "farrestore.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/base/path.h>

#include "farlanes.h"

/* A disk that is full, a folder that is read-only: SFTP calls it all failure. */
#define FAULTS_MAX 1000

/* A folder of the path we are in. */
struct level {
	size_t path_bytes;   /* of its path there */
	struct entry *entry; /* owned; NULL: the snapshot says nothing of it */
	struct farlist list;
	struct farfolder *folder; /* of the lanes; NULL: comparing */
};

struct farrestore {
	struct store *store;
	const struct farrestore_options *opt;
	struct farrestore_result *out;
	pthread_mutex_t counting; /* in *out */
	struct farplace place;
	struct farlanes *lanes; /* NULL: one file, or comparing */
	struct buf top;         /* what `to` really is */
	struct buf path;        /* there, of the entry at hand */
	struct buf temp;
	struct buf barred; /* in the snapshot: what is below it has no place */
	struct level *levels;
	size_t levels_count, levels_room;
	bool comparing; /* the second walk */
};

static void
level_fini(struct level *v)
{
	farplace_list_fini(&v->list);
	if (v->entry != NULL)
		entry_fini(v->entry);
	free(v->entry);
}

/* What they have not begun is given up. */
static void
end_lanes(struct farrestore *r)
{
	struct err ignored;

	if (r->lanes == NULL)
		return;
	farlanes_stop(r->lanes);
	for (size_t i = r->levels_count; i > 0; i--) {
		struct level *v = &r->levels[i - 1];

		if (v->folder != NULL)
			(void)!farlanes_leave(r->lanes, &v->folder, &v->entry,
			    &ignored);
	}
	farlanes_free(&r->lanes);
}

static void
farrestore_fini(struct farrestore *r)
{
	end_lanes(r);
	while (r->levels_count > 0)
		level_fini(&r->levels[--r->levels_count]);
	free(r->levels);
	pthread_mutex_destroy(&r->counting);
	farplace_fini(&r->place);
	buf_fini(&r->top);
	buf_fini(&r->path);
	buf_fini(&r->temp);
	buf_fini(&r->barred);
}

/* --- what went wrong ------------------------------------------------------ */

/* One entry's fault is counted; what ends the restore is returned. */
static enum err_code
count_fault(struct farrestore *r, const struct farplace *f,
    const struct entry *entry, enum err_code rc, const struct err *e)
{
	if (rc == ERR_NONE || farplace_is_fatal(f, rc))
		return rc;
	pthread_mutex_lock(&r->counting);
	if (r->out->first_fault[0] == '\0')
		snprintf(r->out->first_fault, sizeof(r->out->first_fault),
		    "'%.100s': %.140s",
		    entry != NULL && entry->path.bytes != NULL
			? entry->path.bytes
			: "",
		    e->text);
	if (++r->out->failed_count < FAULTS_MAX)
		rc = ERR_NONE;
	pthread_mutex_unlock(&r->counting);
	return rc;
}

static enum err_code
fault(struct farrestore *r, const struct entry *entry, enum err_code rc,
    const struct err *e)
{
	return count_fault(r, &r->place, entry, rc, e);
}

static void
count_file(struct farrestore *r, const struct entry *entry)
{
	pthread_mutex_lock(&r->counting);
	r->out->files_count++;
	r->out->bytes += entry->size_bytes;
	pthread_mutex_unlock(&r->counting);
}

/* A lane has made something, or the walk for want of a lane. */
static enum err_code
made(void *ctx, const struct farplace *f, const struct entry *entry,
    enum err_code rc, const struct err *e)
{
	struct farrestore *r = ctx;

	if (rc == ERR_NONE && entry != NULL && entry->type == ENTRY_FILE)
		count_file(r, entry);
	return count_fault(r, f, entry, rc, e);
}

static void
differ(struct farrestore *r, const char *path)
{
	r->out->differ_count++;
	if (r->out->first_fault[0] == '\0')
		snprintf(r->out->first_fault, sizeof(r->out->first_fault),
		    "'%.200s' is not there as it was saved", path);
}

static enum err_code
bar(struct farrestore *r, const struct entry *entry, struct err *e)
{
	buf_clear(&r->barred);
	return entry->path.len_bytes == 0
	    ? ERR_NONE
	    : buf_add(&r->barred, entry->path.bytes, entry->path.len_bytes, e);
}

static bool
is_barred(const struct farrestore *r, const struct entry_text *path)
{
	return r->barred.len_bytes > 0 &&
	    path_is_under(path->bytes, path->len_bytes,
		(const char *)r->barred.bytes, r->barred.len_bytes);
}

/* --- folders -------------------------------------------------------------- */

static enum err_code
join(struct buf *out, const struct buf *dir, const char *name, struct err *e)
{
	enum err_code rc;

	buf_clear(out);
	rc = buf_add(out, dir->bytes, dir->len_bytes, e);
	if (rc == ERR_NONE && dir->bytes[dir->len_bytes - 1] != '/')
		rc = buf_add_byte(out, '/', e);
	return rc == ERR_NONE ? buf_add_text(out, name, e) : rc;
}

/* Of a run that was killed, before a lane takes one of these names. */
static enum err_code
clear_temps(struct farrestore *r, struct level *v, struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < v->list.count; i++) {
		struct farname *n = &v->list.names[i];

		if (!farfile_is_temp(n->name))
			continue;
		n->is_ours = true; /* there is nothing more to be done */
		rc = join(&path, &r->path, n->name, e);
		if (rc == ERR_NONE)
			rc = fault(r, v->entry,
			    farplace_remove(&r->place, buf_text(&path),
				S_ISDIR(n->attr.mode), &r->out->deleted_count,
				e),
			    e);
	}
	return rc;
}

/* path is the folder's; fresh: nothing is in it. */
static enum err_code
push(struct farrestore *r, const struct entry *entry, bool fresh, struct err *e)
{
	struct level v = {.path_bytes = r->path.len_bytes};
	enum err_code rc = ERR_NONE;

	if (r->levels_count == r->levels_room) {
		size_t room = r->levels_room == 0 ? 16 : r->levels_room * 2;
		struct level *more = realloc(r->levels, room * sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		r->levels = more;
		r->levels_room = room;
	}
	if (!fresh)
		rc = farplace_list(&r->place, buf_text(&r->path), &v.list, e);
	if (rc == ERR_NONE && r->lanes != NULL)
		rc = clear_temps(r, &v, e);
	if (rc == ERR_NONE && entry != NULL) {
		v.entry = calloc(1, sizeof(*v.entry));
		rc = v.entry == NULL ? err_nomem(e)
				     : entry_copy(v.entry, entry, e);
	}
	if (rc == ERR_NONE && r->lanes != NULL)
		rc = farlanes_enter(r->lanes,
		    r->levels_count > 0 ? r->levels[r->levels_count - 1].folder
					: NULL,
		    buf_text(&r->path), &v.folder, e);
	if (rc == ERR_NONE)
		r->levels[r->levels_count++] = v;
	else
		level_fini(&v);
	return rc;
}

/* What the snapshot lacks goes, or should have gone. */
static enum err_code
clear_strays(struct farrestore *r, const struct level *v, struct buf *dir,
    struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < v->list.count; i++) {
		const struct farname *n = &v->list.names[i];

		if (n->is_ours ||
		    (!r->opt->deletes && !farfile_is_temp(n->name)))
			continue;
		rc = join(&path, dir, n->name, e);
		if (rc != ERR_NONE)
			break;
		if (r->comparing) {
			differ(r, buf_text(&path));
			continue;
		}
		rc = farplace_remove(&r->place, buf_text(&path),
		    S_ISDIR(n->attr.mode), &r->out->deleted_count, e);
		rc = fault(r, v->entry, rc, e);
	}
	return rc;
}

/* Leave the innermost folder: all of it is made, or with the lanes. */
static enum err_code
pop(struct farrestore *r, struct err *e)
{
	struct level v = r->levels[--r->levels_count];
	OWNED(buf_fini) struct buf dir = {0};
	enum err_code rc = buf_add(&dir, r->path.bytes, v.path_bytes, e);

	if (rc == ERR_NONE)
		rc = clear_strays(r, &v, &dir, e);
	if (v.folder != NULL) {
		struct err why = {0};
		enum err_code left =
		    farlanes_leave(r->lanes, &v.folder, &v.entry, &why);

		if (rc == ERR_NONE && left != ERR_NONE) {
			*e = why;
			rc = left;
		}
	}
	level_fini(&v);
	return rc;
}

/* --- one entry ------------------------------------------------------------ */

static void
count_losses(struct farrestore *r, const struct entry *entry)
{
	r->out->copies_count += entry->linked && entry->type == ENTRY_FILE;
	r->out->plain_count += entry->xattr_count > 0 || entry->flags != 0;
}

static enum err_code
make_dir(struct farrestore *r, const struct item *it, const struct farname *old,
    struct err *e)
{
	struct farplace *f = &r->place;
	const char *path = buf_text(&r->path);
	bool there = old != NULL && S_ISDIR(old->attr.mode);
	const struct sshattr ours = {.has_mode = true, .mode = 0700};
	uint64_t ignored = 0;
	enum err_code rc = ERR_NONE;

	if (r->comparing && !there) {
		differ(r, path);
		return bar(r, &it->entry, e);
	}
	if (old != NULL && !there)
		rc = farplace_remove(f, path, false, &ignored, e);
	if (rc == ERR_NONE && !there)
		rc = farplace_mkdir(f, path, e);
	if (rc == ERR_NONE && there && !r->comparing && !f->sets_owner &&
	    (old->attr.mode & 0700) != 0700)
		rc = farfile_open_dir(f, path, &ours, e);
	if (rc == ERR_NONE)
		rc = push(r, &it->entry, !there, e);
	if (rc == ERR_NONE)
		return rc;
	rc = fault(r, &it->entry, rc, e);
	return rc == ERR_NONE ? bar(r, &it->entry, e) : rc;
}

/* Is it there as it is, but for its mode and owner? */
static enum err_code
is_there(struct farrestore *r, const struct item *it, const struct sshattr *old,
    bool *same, struct err *e)
{
	*same = old != NULL && farfile_is_same(&it->entry, old);
	if (!*same || it->entry.type != ENTRY_SYMLINK)
		return ERR_NONE;
	return farfile_link_is(&r->place, buf_text(&r->path), &it->entry, same,
	    e);
}

static enum err_code
make(struct farrestore *r, const struct item *it, const struct sshattr *old,
    struct err *e)
{
	const struct farfile_new n = {.item = it,
	    .path = buf_text(&r->path),
	    .temp = buf_text(&r->temp),
	    .was_dir = old != NULL && S_ISDIR(old->mode)};
	bool same;
	enum err_code rc = is_there(r, it, old, &same, e);

	if (rc != ERR_NONE)
		return rc;
	if (r->comparing) {
		if (!same)
			differ(r, n.path);
		return ERR_NONE;
	}
	r->out->same_count += same;
	if (!same && r->lanes != NULL)
		return farlanes_make(r->lanes,
		    r->levels[r->levels_count - 1].folder, it, n.path,
		    n.was_dir, e);
	if (it->entry.type == ENTRY_SYMLINK)
		return ERR_NONE;
	rc = same ? farfile_settle(&r->place, n.path, &it->entry, old, e)
		  : farfile_file(&r->place, &n, e);
	if (rc == ERR_NONE)
		count_file(r, &it->entry);
	return rc;
}

static enum err_code
make_other(struct farrestore *r, const struct item *it,
    const struct farname *old, struct err *e)
{
	enum err_code rc;

	if (it->entry.type != ENTRY_FILE && it->entry.type != ENTRY_SYMLINK) {
		r->out->left_out_count += !r->comparing;
		return bar(r, &it->entry, e);
	}
	rc = make(r, it, old != NULL ? &old->attr : NULL, e);
	if (rc != ERR_NONE && r->lanes != NULL && farlanes_failed(r->lanes))
		return rc;
	rc = fault(r, &it->entry, rc, e);
	return rc == ERR_NONE ? bar(r, &it->entry, e) : rc;
}

/* Go to the folder it is in, and say what it is called there. */
static enum err_code
find_place(struct farrestore *r, const struct entry *entry, const char **name,
    struct err *e)
{
	const struct entry_text *p = &entry->path;
	size_t skip = strlen(r->opt->subtree);
	size_t parent = path_parent(p->bytes, p->len_bytes);
	OWNED(buf_fini) struct buf dir = {0};
	enum err_code rc;

	skip += skip > 0; /* the slash */
	*name = p->bytes + (parent > 0 ? parent + 1 : 0);
	rc = buf_add(&dir, r->top.bytes, r->top.len_bytes, e);
	if (rc == ERR_NONE && parent > skip &&
	    dir.bytes[dir.len_bytes - 1] != '/')
		rc = buf_add_byte(&dir, '/', e);
	if (rc == ERR_NONE && parent > skip)
		rc = buf_add(&dir, p->bytes + skip, parent - skip, e);
	while (rc == ERR_NONE && r->levels_count > 1) {
		const struct level *v = &r->levels[r->levels_count - 1];

		if (path_is_under(buf_text(&dir), dir.len_bytes,
			(const char *)r->path.bytes, v->path_bytes))
			break;
		rc = pop(r, e);
	}
	if (rc == ERR_NONE &&
	    r->levels[r->levels_count - 1].path_bytes != dir.len_bytes)
		rc = err_set(e, ERR_CORRUPT,
		    "its folder is not in the snapshot");
	if (rc == ERR_NONE)
		rc = join(&r->path, &dir, *name, e);
	return rc == ERR_NONE ? join(&r->temp, &dir, FARFILE_TEMP, e) : rc;
}

static enum err_code
take_top(struct farrestore *r, const struct item *it, struct err *e)
{
	struct level *v = &r->levels[0];

	if (it->entry.type != ENTRY_DIR)
		return err_set(e, ERR_CORRUPT,
		    "the dataset is no directory any more");
	if (v->entry == NULL &&
	    (v->entry = calloc(1, sizeof(*v->entry))) == NULL)
		return err_nomem(e);
	return entry_copy(v->entry, &it->entry, e);
}

static enum err_code
take_item(struct farrestore *r, const struct item *it, struct err *e)
{
	const struct entry *entry = &it->entry;
	const char *name;
	struct farname *old;
	enum err_code rc;

	if (entry->path.len_bytes <= strlen(r->opt->subtree))
		return take_top(r, it, e);
	if (is_barred(r, &entry->path)) {
		r->out->failed_count += !r->comparing;
		return ERR_NONE;
	}
	rc = find_place(r, entry, &name, e);
	if (rc == ERR_NONE && farfile_is_temp(name))
		rc = err_set(e, ERR_REFUSED,
		    "that is the name files have while they are restored");
	if (rc == ERR_NONE && r->path.len_bytes > SSH_PATH_BYTES_MAX)
		rc = err_set(e, ERR_INPUT, "its path is too long for SFTP");
	if (rc != ERR_NONE) {
		rc = fault(r, entry, rc, e);
		return rc == ERR_NONE ? bar(r, entry, e) : rc;
	}
	old = farplace_find(&r->levels[r->levels_count - 1].list, name);
	if (old != NULL)
		old->is_ours = true;
	if (!r->comparing)
		count_losses(r, entry);
	return entry->type == ENTRY_DIR ? make_dir(r, it, old, e)
					: make_other(r, it, old, e);
}

/* --- all of them ---------------------------------------------------------- */

static enum err_code
walk(struct farrestore *r, struct err *e)
{
	OWNED(cursor_close) struct cursor *c = NULL;
	const struct farrestore_options *o = r->opt;
	const struct item *it = NULL;
	enum err_code rc = cursor_open(&c, r->store, &o->root, o->subtree,
	    strlen(o->subtree), e);

	buf_clear(&r->barred);
	buf_clear(&r->path);
	if (rc == ERR_NONE)
		rc = buf_add(&r->path, r->top.bytes, r->top.len_bytes, e);
	if (rc == ERR_NONE)
		rc = push(r, NULL, false, e);
	while (rc == ERR_NONE && (rc = cursor_next(c, &it, e)) == ERR_NONE &&
	    it != NULL)
		rc = take_item(r, it, e);
	while (rc == ERR_NONE && r->levels_count > 0)
		rc = pop(r, e);
	if (rc == ERR_NONE && r->lanes != NULL)
		rc = farlanes_wait(r->lanes, e);
	return rc;
}

static enum err_code
restore_tree(struct farrestore *r, struct err *e)
{
	enum err_code rc = farplace_top(&r->place, r->opt->to, &r->top, e);

	if (rc == ERR_NONE &&
	    strspn(buf_text(&r->top), "/.") == r->top.len_bytes)
		rc = err_set(e, ERR_POLICY, "'%s' on '%s' is the root of all",
		    r->opt->to, r->opt->host->name);
	if (rc == ERR_NONE)
		rc = farlanes_new(&r->lanes, &r->place, made, r, e);
	if (rc == ERR_NONE)
		rc = walk(r, e);
	if (rc != ERR_NONE)
		return rc;
	farlanes_free(&r->lanes);
	r->comparing = true;
	return walk(r, e);
}

/* The one item of that path, at `to`. */
static enum err_code
restore_one(struct farrestore *r, const struct item *it, struct err *e)
{
	struct sshattr old = {0};
	bool there;
	enum err_code rc =
	    farplace_look(&r->place, buf_text(&r->path), &old, &there, e);

	if (rc == ERR_NONE && there && S_ISDIR(old.mode))
		rc = err_set(e, ERR_POLICY,
		    "'%s' is a directory, but the dataset is a single file; "
		    "name the file in `to`",
		    r->opt->to);
	return rc == ERR_NONE ? make(r, it, there ? &old : NULL, e) : rc;
}

static enum err_code
restore_file(struct farrestore *r, struct err *e)
{
	OWNED(cursor_close) struct cursor *c = NULL;
	const struct farrestore_options *o = r->opt;
	const char *slash = strrchr(o->to, '/');
	OWNED(free_mem) char *dir = NULL;
	const struct item *it = NULL;
	enum err_code rc;

	if (slash == NULL || slash[1] == '\0')
		return err_set(e, ERR_POLICY,
		    "'%s' is a directory, but the dataset is a single file; "
		    "name the file in `to`",
		    o->to);
	dir = strndup(o->to, slash == o->to ? 1 : (size_t)(slash - o->to));
	if (dir == NULL)
		return err_nomem(e);
	rc = farplace_top(&r->place, dir, &r->top, e);
	if (rc == ERR_NONE)
		rc = join(&r->path, &r->top, slash + 1, e);
	if (rc == ERR_NONE)
		rc = join(&r->temp, &r->top, FARFILE_TEMP, e);
	if (rc == ERR_NONE)
		rc = cursor_open(&c, r->store, &o->root, o->subtree,
		    strlen(o->subtree), e);
	if (rc == ERR_NONE)
		rc = cursor_next(c, &it, e);
	if (rc == ERR_NONE && (it == NULL || it->entry.type != ENTRY_FILE))
		rc = err_set(e, ERR_CORRUPT, "the snapshot has no such file");
	if (rc == ERR_NONE)
		count_losses(r, &it->entry);
	if (rc == ERR_NONE)
		rc = restore_one(r, it, e);
	if (rc == ERR_NONE)
		rc = farfile_end_dir(&r->place, buf_text(&r->top), NULL, e);
	r->comparing = true;
	return rc == ERR_NONE ? restore_one(r, it, e) : rc;
}

enum err_code
farrestore_run(struct store *st, const struct farrestore_options *opt,
    struct farrestore_result *out, struct err *e)
{
	OWNED(farrestore_fini)
	struct farrestore r = {.store = st,
	    .opt = opt,
	    .out = out,
	    .counting = PTHREAD_MUTEX_INITIALIZER,
	    .place = {.host = opt->host,
		.store = st,
		.sets_owner = strcmp(opt->host->user, "root") == 0}};
	enum err_code rc;

	*out = (struct farrestore_result){.owners_left = !r.place.sets_owner};
	rc = opt->is_file ? restore_file(&r, e) : restore_tree(&r, e);
	end_lanes(&r);
	out->meta_failed_count = r.place.meta_failed_count;
	out->reconnected_count = r.place.lost_count;
	if (r.place.sftp != NULL) {
		out->not_atomic =
		    !sshsftp_offers(r.place.sftp, SSHSFTP_POSIX_RENAME);
		out->not_synced = !sshsftp_offers(r.place.sftp, SSHSFTP_FSYNC);
	}
	if (rc == ERR_NONE && out->failed_count + out->differ_count > 0)
		rc = err_set(e, ERR_CORRUPT,
		    "%llu entries could not be restored and %llu differ from "
		    "what was saved: %s",
		    (unsigned long long)out->failed_count,
		    (unsigned long long)out->differ_count, out->first_fault);
	return rc;
}

/* --- in words ------------------------------------------------------------- */

struct words {
	char *out;
	size_t size, at;
};

static void PRINTF_LIKE(2, 3) add(struct words *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (w->at >= w->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(w->out + w->at, w->size - w->at, fmt, ap);
	va_end(ap);
	w->at += n > 0 ? (size_t)n : 0;
}

void
farrestore_say(const struct farrestore_result *r, char *out, size_t size)
{
	struct words w = {out, size, 0};
	const struct {
		uint64_t count;
		const char *what;
	} counts[] = {{r->same_count, "unchanged by size and time"},
	    {r->left_out_count, "devices, pipes and sockets left out"},
	    {r->copies_count, "names of hard links, each a file of its own"},
	    {r->plain_count, "without their ACLs, attributes or flags"},
	    {r->meta_failed_count,
		"owners, modes or times that the host did not take"},
	    {r->reconnected_count, "connections lost and made again"}};

	out[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(counts); i++)
		if (counts[i].count > 0)
			add(&w, "; %llu %s",
			    (unsigned long long)counts[i].count,
			    counts[i].what);
	if (r->owners_left)
		add(&w, "; owners not set, for we are not root there");
	if (r->not_atomic)
		add(&w, "; files were not replaced in one step");
	if (r->not_synced)
		add(&w, "; the host cannot say that it is on disk");
	add(&w, "; times to the second");
}
