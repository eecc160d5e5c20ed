#include "source_fartree.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <bascule/base/entry.h>
#include <bascule/base/text.h>

#include "source_farfile.h"
#include "source_list.h"

#define CONNECTIONS_MAX 4
#define TRIES           3 /* of a question whose connection is lost */
#define NAMES_MAX       ((size_t)2 << 20)
#define DEPTH_MAX       512
#define AHEAD_BYTES     (UINT64_C(64) << 20)
#define LISTED_BYTES    (UINT64_C(512) << 20)
#define SKEW_S          86400 /* of a clock that cannot be asked */
#define PLACE_BYTES_MAX 4095  /* Linux opens no longer ones by name */

/* --- what the server says --- */

bool
source_fartree_stat(struct farstat *out, const struct sshattr *attr)
{
	*out = (struct farstat){attr->size_bytes, attr->uid, attr->gid,
	    attr->mode, attr->mtime_s};
	return attr->has_mode && attr->has_owner && attr->has_times &&
	    (attr->has_size || !S_ISREG(attr->mode));
}

static uint64_t
digest(uint64_t h, const void *bytes, size_t len) /* FNV-1a */
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		h = (h ^ at[i]) * UINT64_C(0x100000001b3);
	return h;
}
#define DIGEST_BEGIN UINT64_C(0xcbf29ce484222325)

void
source_fartree_fill(const struct fartree *ft, const char *path,
    size_t path_bytes, const struct farstat *fs, struct statx *st)
{
	const uint32_t owner[] = {fs->mode, fs->uid, fs->gid};

	memset(st, 0, sizeof(*st));
	st->stx_mode = (uint16_t)fs->mode;
	st->stx_uid = fs->uid;
	st->stx_gid = fs->gid;
	st->stx_size = fs->size_bytes;
	st->stx_nlink = 1;
	/*
	 * There is no ctime and no inode: what a change of mode or owner would
	 * change in these is in a digest, in the inode's place.
	 */
	st->stx_mtime.tv_sec = st->stx_ctime.tv_sec = fs->mtime_s;
	st->stx_ino = digest(digest(DIGEST_BEGIN, path, path_bytes), owner,
	    sizeof(owner));
	st->stx_dev_major = (uint32_t)(ft->dev >> 32);
	st->stx_dev_minor = (uint32_t)ft->dev;
}

int64_t
source_fartree_now_s(const struct fartree *ft)
{
	if (ft->clock_s == 0)
		return now_utc().ns / NS_PER_S - SKEW_S;
	return ft->clock_s + (now_mono().ns - ft->clock_at.ns) / NS_PER_S;
}

/* --- where it is --- */

enum err_code
source_fartree_place(char **out, const struct fartree *ft, const char *absolute,
    struct err *e)
{
	size_t len = strlen(ft->root);
	bool within = strncmp(absolute, ft->root, len) == 0 &&
	    (absolute[len] == '/' || absolute[len] == '\0');
	const char *rest = within ? absolute + len : absolute;
	char *place = NULL;

	if (strcmp(rest, "/") == 0)
		rest = "";
	if (asprintf(&place, "%s%s", within ? ft->real_root : "", rest) < 0)
		return err_nomem(e);
	if (strlen(place) > PLACE_BYTES_MAX) {
		free(place);
		return err_set(e, ERR_INPUT,
		    "its path is longer than %d bytes, where SFTP ends",
		    PLACE_BYTES_MAX);
	}
	if (*place == '\0') {
		free(place);
		place = strdup("/");
	}
	*out = place;
	return place == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
judge_real(const char *path, struct buf *real, struct err *e)
{
	if (strcmp(path, buf_text(real)) == 0)
		return ERR_NONE;
	return err_set(e, ERR_REFUSED,
	    "a link came to stand on the way to it: it would be read from "
	    "elsewhere");
}

enum err_code
source_fartree_is_real(struct farline *line, const char *path, struct err *e)
{
	OWNED(buf_fini) struct buf real = {0};
	enum err_code rc = sshpath_realpath(line->sftp, path, &real, e);

	return rc != ERR_NONE ? rc : judge_real(path, &real, e);
}

/* --- a lister's line --- */

static enum err_code
line_of(struct lister *t, struct sshsftp **out, struct err *e)
{
	struct fartree *ft = t->w->ctx;
	enum err_code rc = ERR_NONE;

	if (t->line != NULL && sshsftp_is_over(t->line->sftp))
		source_farpool_give(&ft->pool, &t->line);
	if (t->line == NULL)
		rc = source_farpool_take(&ft->pool, &t->line, e);
	*out = rc == ERR_NONE ? t->line->sftp : NULL;
	return rc;
}

typedef enum err_code question(struct lister *t, struct sshsftp *sftp,
    const char *place, void *answer, struct err *e);

/* Of a place there; when the connection is lost, again over another. */
static enum err_code
ask_place(question *q, struct lister *t, const char *place, void *answer,
    struct err *e)
{
	struct sshsftp *sftp;
	enum err_code rc;

	for (int i = 0; i < TRIES; i++) {
		rc = line_of(t, &sftp, e);
		if (rc != ERR_NONE)
			break;
		rc = q(t, sftp, place, answer, e);
		if (rc != ERR_TIMEOUT)
			break;
	}
	return rc;
}

/* Of the tree's path. */
static enum err_code
ask_path(question *q, struct lister *t, const char *absolute, void *answer,
    struct err *e)
{
	OWNED(free_mem) char *place = NULL;
	enum err_code rc = source_fartree_place(&place, t->w->ctx, absolute, e);

	return rc == ERR_NONE ? ask_place(q, t, place, answer, e) : rc;
}

static enum err_code
far_enter(struct lister *t, bool first, struct err *e)
{
	(void)t;
	(void)first;
	(void)e;
	return ERR_NONE; /* paths are all there is */
}

static void
far_leave(struct lister *t)
{
	struct fartree *ft = t->w->ctx;

	source_farpool_give(&ft->pool, &t->line);
}

/* --- which names --- */

static enum err_code
add_one(struct lister *t, const struct sshdirent *de, struct err *e)
{
	struct farstat fs;
	bool told = source_fartree_stat(&fs, &de->attr);
	const struct walk_given g = {.name = de->name,
	    .name_bytes = de->name_bytes,
	    .d_type = told ? (uint8_t)IFTODT(fs.mode) : DT_UNKNOWN,
	    .extra = &fs,
	    .extra_bytes = told ? sizeof(fs) : 0};

	if (de->name_bytes > PATH_NAME_MAX)
		return err_set(e, ERR_IO, "the host gave an impossible name");
	return source_list_add(t, &g, e);
}

static void
forget_names(struct lister *t)
{
	t->l->count = 0;
	t->bytes_used = 0;
}

static enum err_code
read_listing(struct lister *t, struct sshsftp *sftp, const char *place,
    void *answer, struct err *e)
{
	OWNED(sshdir_close) struct sshdir *dir = NULL;
	OWNED(sshpath_close) struct sshpath *real = NULL;
	OWNED(buf_fini) struct buf found = {0};
	struct sshdirent de;
	bool more = true;
	enum err_code rc;

	(void)answer;
	forget_names(t);
	rc = sshdir_begin(&dir, sftp, place, e);
	if (rc == ERR_NONE)
		rc = sshpath_begin(&real, sftp, SSHPATH_REALPATH, place, e);
	while (rc == ERR_NONE && more) {
		rc = sshdir_next(dir, &de, &more, e);
		if (rc == ERR_NONE && more)
			rc = add_one(t, &de, e);
	}
	if (rc == ERR_NONE)
		rc = sshpath_wait(real, NULL, &found, e);
	return rc == ERR_NONE ? judge_real(place, &found, e) : rc;
}

static enum err_code
far_names(struct lister *t, struct err *e)
{
	enum err_code rc;

	t->absolute[t->path_bytes + 1] = '\0';
	if (t->path_bytes > 0) /* without the slash at its end */
		t->absolute[t->path_bytes] = '\0';
	rc = ask_path(read_listing, t, t->absolute, NULL, e);
	if (t->path_bytes > 0)
		t->absolute[t->path_bytes] = '/';
	if (rc != ERR_NONE && rc != ERR_INPUT)
		forget_names(t); /* of what was cut short believe nothing */
	return rc;
}

static enum err_code
read_signature(struct lister *t, struct sshsftp *sftp, const char *place,
    void *answer, struct err *e)
{
	static const char signature[] = LIST_CACHEDIR_SIGNATURE;
	OWNED(sshfile_close) struct sshfile *f = NULL;
	char text[sizeof(signature) - 1];
	bool *is_it = answer;
	size_t have = 0, got = 1;
	struct sshattr attr;
	enum err_code rc = sshpath_lstat(sftp, place, &attr, e);

	(void)t;
	if (rc != ERR_NONE || !S_ISREG(attr.mode))
		return rc;
	rc = sshfile_begin_read(&f, sftp, place, 0, sizeof(text), e);
	while (rc == ERR_NONE && have < sizeof(text) && got > 0) {
		rc = sshfile_read(f, text + have, sizeof(text) - have, &got, e);
		if (rc == ERR_NONE)
			have += got;
	}
	*is_it = rc == ERR_NONE && have == sizeof(text) &&
	    memcmp(text, signature, have) == 0;
	return rc;
}

static bool
far_is_cache(struct lister *t)
{
	bool is_it = false;
	struct err e;

	memcpy(t->path + t->path_bytes, LIST_CACHEDIR_NAME,
	    sizeof(LIST_CACHEDIR_NAME));
	return ask_path(read_signature, t, t->absolute, &is_it, &e) ==
	    ERR_NONE &&
	    is_it;
}

/* --- what each of them is --- */

static void
cannot(struct walk_record *r, enum err_code code, const char *why)
{
	r->code = code;
	r->why = why;
}

static void
of_fault(struct walk_record *r, const struct err *e)
{
	switch (e->code) {
	case ERR_NOTFOUND: cannot(r, e->code, "it vanished"); break;
	case ERR_REFUSED: cannot(r, e->code, "the host refuses it"); break;
	case ERR_NOMEM: cannot(r, e->code, "out of memory"); break;
	default: cannot(r, e->code, "the host cannot be asked what it is");
	}
}

static enum err_code
read_attr(struct lister *t, struct sshsftp *sftp, const char *place,
    void *answer, struct err *e)
{
	(void)t;
	return sshpath_lstat(sftp, place, answer, e);
}

static enum err_code
read_attr_behind(struct lister *t, struct sshsftp *sftp, const char *place,
    void *answer, struct err *e)
{
	(void)t;
	return sshpath_stat(sftp, place, answer, e);
}

static void
ask_host(struct lister *t, const char *absolute, enum walk_links links,
    struct farstat *fs, struct walk_record *r)
{
	question *q = links == WALK_FOLLOW ? read_attr_behind : read_attr;
	struct sshattr attr;
	struct err e;

	if (ask_path(q, t, absolute, &attr, &e) != ERR_NONE)
		of_fault(r, &e);
	else if (!source_fartree_stat(fs, &attr))
		cannot(r, ERR_IO, "the host does not tell what it is");
}

static enum err_code
read_space(struct lister *t, struct sshsftp *sftp, const char *place,
    void *answer, struct err *e)
{
	(void)t;
	if (!sshsftp_offers(sftp, SSHSFTP_STATVFS))
		return err_set(e, ERR_IO, "the host has no statvfs");
	return sshpath_space(sftp, place, answer, e);
}

/* Of which file system a directory is. */
static uint64_t
ask_fs(struct lister *t, const char *absolute)
{
	struct fartree *ft = t->w->ctx;
	struct sshspace space = {0};
	struct err e;

	if (ask_path(read_space, t, absolute, &space, &e) == ERR_NONE)
		return space.fs_id;
	__atomic_store_n(&ft->no_statvfs, true, __ATOMIC_RELAXED);
	return 0;
}

static void
take(struct lister *t, const struct farstat *fs, size_t path_bytes,
    struct walk_record *r)
{
	struct fartree *ft = t->w->ctx;

	if (S_ISREG(fs->mode) && fs->size_bytes > ENTRY_SIZE_MAX)
		return cannot(r, ERR_INPUT,
		    "the host says that it is larger than any file can be");
	if (S_ISCHR(fs->mode) || S_ISBLK(fs->mode)) {
		__atomic_add_fetch(&ft->devices_count, 1, __ATOMIC_RELAXED);
		r->skip = true;
	} else if (entry_type_of_mode(fs->mode) == ENTRY_NONE) {
		return cannot(r, ERR_IO, "the host calls it nothing known");
	}
	source_fartree_fill(ft, t->path, path_bytes, fs, &r->st);
	if (t->w->one_file_system && S_ISDIR(fs->mode))
		r->dev = ask_fs(t, t->absolute);
}

static void
far_ask(struct lister *t, const struct walk_name *n, enum walk_links links,
    struct walk_record *r)
{
	const char *name = (const char *)t->l->bytes + n->at;
	struct farstat fs;

	r->dev = 0;
	memcpy(t->path + t->path_bytes, name, n->len_bytes + 1U);
	if (n->extra && links == WALK_NOFOLLOW)
		memcpy(&fs, name + n->len_bytes + 1, sizeof(fs));
	else
		ask_host(t, t->absolute, links, &fs, r);
	if (r->code == ERR_NONE)
		take(t, &fs, t->path_bytes + n->len_bytes, r);
}

static void
far_ask_top(struct walk *w, struct walk_record *r)
{
	struct lister t = {.w = w};
	struct farstat fs;

	r->dev = 0;
	ask_host(&t, "/", WALK_NOFOLLOW, &fs, r);
	far_leave(&t);
	if (r->code == ERR_NONE)
		source_fartree_fill(w->ctx, "", 0, &fs, &r->st);
}

/* --- the stream --- */

static enum err_code
far_open(struct walk *w, struct source_item *item, const char *name,
    struct source_file **out, struct arc_warn warn, struct err *e)
{
	(void)name;
	(void)warn;
	return source_farfile_open(w->ctx, item, out, e);
}

static bool
far_is_remote(struct walk *w, const struct source_item *item, const char *name)
{
	(void)w;
	(void)item;
	(void)name;
	return true;
}

static int64_t
far_clock_s(struct walk *w)
{
	return source_fartree_now_s(w->ctx);
}

static enum err_code
far_notes(struct walk *w, struct buf *out, struct err *e)
{
	struct fartree *ft = w->ctx;
	uint64_t devices =
	    __atomic_load_n(&ft->devices_count, __ATOMIC_RELAXED);
	enum err_code rc = buf_add_text(out,
	    "read over SFTP, which tells no names of owners (their numbers are "
	    "kept), ACLs, extended attributes, inode flags, holes or hard "
	    "links, and times in whole seconds only; what is unchanged is "
	    "known by size and modification time",
	    e);

	if (rc == ERR_NONE && ft->clock_s == 0)
		rc = buf_add_text(out,
		    "; the host's clock cannot be asked, so only files older "
		    "than a day are known to be unchanged",
		    e);
	if (rc == ERR_NONE && ft->no_statvfs)
		rc = buf_add_text(out,
		    "; the host does not tell where file systems begin, so "
		    "one_file_system was not kept to",
		    e);
	if (rc == ERR_NONE && devices > 0)
		rc = buf_printf(out, e,
		    "; %llu devices were left out, for their numbers are not "
		    "told",
		    (unsigned long long)devices);
	return rc;
}

static enum err_code
far_health(struct walk *w, struct err *e)
{
	struct fartree *ft = w->ctx;

	return source_farpool_health(&ft->pool, e);
}

static void
far_free(struct walk *w)
{
	struct fartree *ft = w->ctx;

	source_farpool_fini(&ft->pool);
	free(ft->root);
	free(ft->real_root);
	free(ft);
	w->ctx = NULL;
}

static const struct walk_ops far_ops = {
    .enter = far_enter,
    .leave = far_leave,
    .names = far_names,
    .is_cache = far_is_cache,
    .ask = far_ask,
    .ask_top = far_ask_top,
    .open = far_open,
    .is_remote = far_is_remote,
    .clock_s = far_clock_s,
    .notes = far_notes,
    .health = far_health,
    .free = far_free,
    .wants_path = true,
    .names_max = NAMES_MAX,
    .depth_max = DEPTH_MAX,
    .listed_ahead_bytes = AHEAD_BYTES,
    .listed_bytes_max = LISTED_BYTES,
};

/* --- beginning --- */

/* "/srv/a": the one root, spelled as the pins have it. */
static enum err_code
spell_root(struct fartree *ft, const struct walk_pin *top, struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc = ERR_NONE;

	for (; rc == ERR_NONE && top->child_count > 0; top = &top->children[0])
		rc = buf_printf(&path, e, "/%s", top->children[0].name);
	if (rc != ERR_NONE)
		return rc;
	ft->root = strdup(buf_text(&path));
	return ft->root == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
read_real_root(struct lister *t, struct sshsftp *sftp, const char *root,
    void *answer, struct err *e)
{
	struct fartree *ft = answer;
	OWNED(buf_fini) struct buf real = {0};
	struct sshattr attr;
	enum err_code rc = sshpath_lstat(sftp, root, &attr, e);

	(void)t;
	/* A link to nowhere is what is saved, then. */
	if (rc == ERR_NONE && S_ISLNK(attr.mode)) {
		struct err why;

		if (sshpath_stat(sftp, root, &attr, &why) != ERR_NONE ||
		    !S_ISDIR(attr.mode))
			rc = buf_add_text(&real, root, e);
	}
	if (rc == ERR_NONE && real.len_bytes == 0)
		rc = sshpath_realpath(sftp, root, &real, e);
	if (rc == ERR_NONE && *buf_text(&real) != '/')
		rc = err_set(e, ERR_IO, "the host does not tell where it is");
	if (rc != ERR_NONE)
		return rc;
	ft->real_root = strdup(real.len_bytes == 1 ? "" : buf_text(&real));
	return ft->real_root == NULL ? err_nomem(e) : ERR_NONE;
}

/*
 * A process's own files are stamped when it is first looked at: that is the
 * host's clock, for anybody to see, and no later than when we have the answer.
 * Not where the account is locked into a directory without /proc.
 */
static enum err_code
ask_clock(struct fartree *ft, struct lister *t, struct err *e)
{
	struct sshattr attr;
	enum err_code rc =
	    ask_place(read_attr_behind, t, "/proc/self/stat", &attr, e);

	ft->clock_at = now_mono();
	if (rc == ERR_NONE && attr.has_times)
		ft->clock_s = attr.mtime_s;
	return rc == ERR_TIMEOUT ? rc : ERR_NONE;
}

static enum err_code
look_around(struct walk *w, struct err *e)
{
	struct fartree *ft = w->ctx;
	struct lister t = {.w = w};
	enum err_code rc = ask_place(read_real_root, &t,
	    *ft->root != '\0' ? ft->root : "/", ft, e);

	if (rc == ERR_NONE)
		rc = ask_clock(ft, &t, e);
	far_leave(&t);
	return rc;
}

enum err_code
source_fartree_begin(struct walk *w, const struct walk_pin *top,
    const struct source_tree_options *o, struct err *e)
{
	struct fartree *ft = calloc(1, sizeof(*ft));
	enum err_code rc;

	if (ft == NULL)
		return err_nomem(e);
	w->ctx = ft;
	w->ops = &far_ops;
	ft->dev = digest(DIGEST_BEGIN, o->host->name, strlen(o->host->name));
	rc = source_farpool_init(&ft->pool, o->host, CONNECTIONS_MAX, e);
	if (rc == ERR_NONE)
		rc = spell_root(ft, top, e);
	if (rc == ERR_NONE && (rc = look_around(w, e)) != ERR_NONE)
		return err_wrap(e, "source '%s' on '%s'", o->roots[0],
		    o->host->name);
	return rc;
}
