#include "source_list.h"

#include <bascule/base/fdio.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* On the stack: the allocator tidies up whenever 64 KiB are given back. */
#define GETDENTS_BYTES 32768

#define CACHEDIR_NAME "CACHEDIR.TAG"
static const char cachedir_signature[] =
    "Signature: 8a477f597d28d172789f06886806bc55";

/* What listing one directory needs for a while. */
struct lister {
	struct walk *w;
	struct walk_listing *l;
	int fd;
	size_t bytes_used, bytes_size, names_size;
	char *path; /* of the directory and "/", room for a name behind it */
	size_t path_bytes;
};

static enum err_code
set_problem(struct walk_unit *u, struct err *e)
{
	u->problem = malloc(sizeof(*u->problem));
	if (u->problem == NULL)
		return err_nomem(e);
	*u->problem = *e;
	return ERR_NONE;
}

/* --- which names --- */

static const struct walk_pin *
find_pin(const struct walk_pin *pin, const char *name, size_t len)
{
	for (size_t i = 0; pin != NULL && i < pin->child_count; i++)
		if (strlen(pin->children[i].name) == len &&
		    memcmp(pin->children[i].name, name, len) == 0)
			return &pin->children[i];
	return NULL;
}

/* Where patterns are: the path of a member, from its root on. */
static enum err_code
path_prepare(struct lister *t, struct err *e)
{
	const struct walk_listing *l = t->l;

	if (t->w->exclude == NULL)
		return ERR_NONE;
	t->path = malloc(l->dir->path_bytes + 1 + PATH_NAME_MAX + 1);
	if (t->path == NULL)
		return err_nomem(e);
	source_dir_path(l->dir, t->path);
	t->path_bytes = l->dir->path_bytes;
	if (t->path_bytes > 0)
		t->path[t->path_bytes++] = '/';
	return ERR_NONE;
}

static bool
is_excluded(struct lister *t, const char *name, size_t len, bool is_dir)
{
	size_t base = t->l->base_bytes;

	if (t->path == NULL || !t->l->whole)
		return false;
	memcpy(t->path + t->path_bytes, name, len);
	base += base > 0; /* the '/' behind the root's path */
	return source_exclude_match(t->w->exclude, t->path + base,
	    t->path_bytes + len - base, is_dir);
}

static uint64_t
name_key(const char *name, size_t len)
{
	uint64_t key = 0;

	memcpy(&key, name, len < sizeof(key) ? len : sizeof(key));
	return be64toh(key);
}

static enum err_code
names_reserve(struct lister *t, size_t len, struct err *e)
{
	struct walk_listing *l = t->l;

	if (l->count == t->names_size) {
		size_t size = t->names_size == 0 ? 64 : t->names_size * 2;
		void *bigger = realloc(l->names, size * sizeof(*l->names));

		if (bigger == NULL)
			return err_nomem(e);
		l->names = bigger;
		t->names_size = size;
	}
	if (t->bytes_used + len > t->bytes_size) {
		size_t size = t->bytes_size == 0 ? 2048 : t->bytes_size * 2;
		void *bigger = realloc(l->bytes, size);

		if (bigger == NULL)
			return err_nomem(e);
		l->bytes = bigger;
		t->bytes_size = size;
	}
	return ERR_NONE;
}

static enum err_code
add_name(struct lister *t, const char *name, size_t len, uint8_t d_type,
    struct err *e)
{
	struct walk_listing *l = t->l;
	bool excluded = false;
	enum err_code rc;

	if (d_type != DT_UNKNOWN &&
	    is_excluded(t, name, len, d_type == DT_DIR)) {
		if (find_pin(l->pin, name, len) == NULL)
			return ERR_NONE;
		excluded = true;
	}
	if (l->count >= WALK_NAMES_MAX || t->bytes_used > UINT32_MAX - 512)
		return err_set(e, ERR_INPUT, "more than %zu entries",
		    WALK_NAMES_MAX);
	if ((rc = names_reserve(t, len + 1, e)) != ERR_NONE)
		return rc;
	l->names[l->count++] = (struct walk_name){
	    .key = name_key(name, len),
	    .at = (uint32_t)t->bytes_used,
	    .len_bytes = (uint8_t)len,
	    .d_type = d_type,
	    .excluded = excluded,
	};
	memcpy(l->bytes + t->bytes_used, name, len);
	l->bytes[t->bytes_used + len] = '\0';
	t->bytes_used += len + 1;
	return ERR_NONE;
}

static enum err_code
add_dents(struct lister *t, const uint8_t *bytes, size_t len, struct err *e)
{
	for (size_t at = 0; at < len;) {
		const struct dirent64 *d = (const void *)(bytes + at);
		size_t name_bytes = strlen(d->d_name);
		enum err_code rc;

		at += d->d_reclen;
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (name_bytes == 0 || name_bytes > PATH_NAME_MAX ||
		    memchr(d->d_name, '/', name_bytes) != NULL)
			return err_set(e, ERR_IO,
			    "the file system gave an impossible name");
		rc = add_name(t, d->d_name, name_bytes, d->d_type, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

static enum err_code
read_names(struct lister *t, struct err *e)
{
	_Alignas(struct dirent64) uint8_t bytes[GETDENTS_BYTES];
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE) {
		ssize_t n = getdents64(t->fd, bytes, sizeof(bytes));

		if (n < 0)
			rc = err_sys(e, "listing directory");
		if (n <= 0)
			break;
		rc = add_dents(t, bytes, (size_t)n, e);
	}
	return rc;
}

static enum err_code
add_pins(struct lister *t, struct err *e)
{
	const struct walk_pin *pin = t->l->pin;

	for (size_t i = 0; pin != NULL && i < pin->child_count; i++) {
		const char *name = pin->children[i].name;
		enum err_code rc =
		    add_name(t, name, strlen(name), DT_UNKNOWN, e);

		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

static int
compare_names(const void *va, const void *vb, void *bytes)
{
	const struct walk_name *a = va, *b = vb;
	size_t common =
	    a->len_bytes < b->len_bytes ? a->len_bytes : b->len_bytes;
	int rc;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	rc = memcmp((uint8_t *)bytes + a->at, (uint8_t *)bytes + b->at, common);
	return rc != 0 ? rc : (int)a->len_bytes - (int)b->len_bytes;
}

/* A directory that may be thrown away says so in this file. */
static bool
is_cache(struct lister *t)
{
	char text[sizeof(cachedir_signature) - 1];
	OWNED(fdio_close) int fd = -1;
	struct err e = {0};
	struct stat st;
	size_t got;

	fd = openat(t->fd, CACHEDIR_NAME,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    fdio_read(fd, text, sizeof(text), &got, &e) == ERR_NONE &&
	    got == sizeof(text) &&
	    memcmp(text, cachedir_signature, sizeof(text)) == 0;
}

static void
keep_only_tag(struct lister *t)
{
	struct walk_listing *l = t->l;
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		const char *name = (char *)l->bytes + l->names[i].at;
		size_t len = l->names[i].len_bytes;
		bool is_tag = strcmp(name, CACHEDIR_NAME) == 0;

		if (!is_tag && find_pin(l->pin, name, len) == NULL)
			continue;
		l->names[kept] = l->names[i];
		l->names[kept++].excluded |= !is_tag;
	}
	l->count = kept;
}

static bool
has_tag(const struct walk_listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp((char *)l->bytes + l->names[i].at, CACHEDIR_NAME) ==
		    0)
			return true;
	return false;
}

static enum err_code
list_names(struct lister *t, struct walk_unit *u, struct err *e)
{
	struct walk_listing *l = t->l;
	enum err_code rc = l->whole ? read_names(t, e) : add_pins(t, e);

	if (rc == ERR_NOMEM ||
	    (rc != ERR_NONE && (rc = set_problem(u, e)) != ERR_NONE))
		return rc;
	if (t->w->exclude_caches && l->whole && has_tag(l) && is_cache(t))
		keep_only_tag(t);
	if (l->count > 1)
		qsort_r(l->names, l->count, sizeof(*l->names), compare_names,
		    l->bytes);
	return ERR_NONE;
}

/* --- what each of them is --- */

static uint64_t
record_dev(const struct walk_record *r)
{
	return makedev(r->st.stx_dev_major, r->st.stx_dev_minor);
}

static int
ask(struct lister *t, const char *name, int flags, struct statx *st)
{
	return statx(t->fd, name, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS,
	    st);
}

/* Such a link is only itself. */
static bool
leads_nowhere(int num)
{
	return num == ENOENT || num == ENOTDIR || num == ELOOP;
}

static void
ask_record(struct lister *t, const struct walk_pin *pin, const char *name,
    struct walk_record *r)
{
	struct statx behind;

	if (ask(t, name, AT_SYMLINK_NOFOLLOW, &r->st) != 0) {
		r->errno_num = errno;
		r->code = err_of_errno(errno);
		return;
	}
	/* Roots and the way to them were named by a person: source.h. */
	if (pin == NULL || !S_ISLNK(r->st.stx_mode) ||
	    (!pin->is_root && t->l->whole))
		return;
	if (ask(t, name, 0, &behind) != 0) {
		if (!leads_nowhere(errno)) {
			r->errno_num = errno;
			r->code = err_of_errno(errno);
		}
	} else if (S_ISDIR(behind.stx_mode)) {
		r->st = behind;
		r->follow = true;
	}
}

/* What of a subdirectory is wanted; false: nothing beyond its own entry. */
static bool
descend(struct lister *t, const struct walk_pin *pin, bool excluded,
    const struct walk_record *r, struct walk_listing *sub)
{
	uint64_t dev = record_dev(r);
	bool is_root = pin != NULL && pin->is_root;
	/* One bound to another place of the same device is not this tree's. */
	bool mounted = (r->st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
	bool other_fs =
	    t->w->one_file_system && !is_root && (mounted || dev != t->l->dev);

	sub->pin = pin;
	sub->whole = is_root || (t->l->whole && !excluded && !other_fs);
	sub->dev = is_root ? dev : t->l->dev;
	sub->base_bytes = is_root ? sub->dir->path_bytes : t->l->base_bytes;
	return sub->whole || (pin != NULL && pin->child_count > 0);
}

static enum err_code
make_sub(struct lister *t, const struct walk_pin *pin,
    const struct walk_name *n, const char *name, struct walk_record *r,
    struct err *e)
{
	struct walk_unit *u = NULL;
	struct source_dir *dir = NULL;
	enum err_code rc;

	rc = source_dir_new(&dir, t->l->dir, name, n->len_bytes, e);
	if (rc == ERR_NONE) {
		dir->dev = record_dev(r);
		dir->inode = r->st.stx_ino;
		dir->follow = r->follow;
		rc = source_walk_unit_new(&u, dir, e);
	}
	if (rc == ERR_NONE && dir->path_bytes <= PATH_BYTES_MAX &&
	    descend(t, pin, n->excluded || r->skip, r, u->listing))
		r->sub = TAKE(u);
	source_walk_unit_free(t->w, &u);
	source_dir_unref(&t->w->dirs, &dir);
	return rc;
}

static enum err_code
do_record(struct lister *t, const struct walk_name *n, struct walk_record *r,
    struct err *e)
{
	const char *name = (const char *)t->l->bytes + n->at;
	const struct walk_pin *pin = find_pin(t->l->pin, name, n->len_bytes);
	bool is_dir;

	r->code = ERR_NONE;
	r->skip = r->follow = false;
	r->sub = NULL;
	ask_record(t, pin, name, r);
	is_dir = r->code == ERR_NONE && S_ISDIR(r->st.stx_mode);
	if (n->d_type == DT_UNKNOWN && (pin == NULL || !pin->is_root))
		r->skip = is_excluded(t, name, n->len_bytes, is_dir);
	if (r->code != ERR_NONE)
		return ERR_NONE;
	if (!is_dir && pin != NULL && pin->child_count > 0) {
		r->code = ERR_INPUT; /* a root was named that lies behind it */
		r->errno_num = ENOTDIR;
		return ERR_NONE;
	}
	if (!is_dir || (r->skip && pin == NULL))
		return ERR_NONE;
	if ((pin == NULL || !pin->is_root) && r->skip)
		r->skip = false; /* on the way to a root: an entry after all,
				    whose other members are not */
	return make_sub(t, pin, n, name, r, e);
}

static enum err_code
do_records(struct lister *t, struct walk_unit *u, struct err *e)
{
	size_t left = t->l->count - u->first;

	u->count = 0;
	left = left < WALK_UNIT_COUNT ? left : WALK_UNIT_COUNT;
	if (left == 0)
		return ERR_NONE;
	u->records = malloc(left * sizeof(*u->records));
	if (u->records == NULL)
		return err_nomem(e);
	while (u->count < left) {
		struct walk_record *r = &u->records[u->count];
		enum err_code rc =
		    do_record(t, &t->l->names[u->first + u->count], r, e);

		if (rc != ERR_NONE)
			return rc;
		u->count++;
	}
	return ERR_NONE;
}

/* --- the unit --- */

static int
open_dir(int parent_fd, const struct source_dir *d)
{
	int flags =
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | (d->follow ? 0 : O_NOFOLLOW);
	int fd = openat(parent_fd, d->name, flags | O_NOATIME);

	if (fd < 0 && errno == EPERM)
		fd = openat(parent_fd, d->name, flags);
	return fd;
}

/* Open a directory for the first time; ERR_NOTFOUND: it is another by now. */
static enum err_code
enter(struct lister *t, struct err *e)
{
	struct source_dir *d = t->l->dir;
	struct stat st;
	int parent_fd;
	enum err_code rc;

	if (!t->l->whole) /* perhaps only searchable: enough for its pins */
		return source_dir_use(&t->w->dirs, d, &t->fd, e);
	rc = source_dir_use(&t->w->dirs, d->parent, &parent_fd, e);
	if (rc != ERR_NONE)
		return rc;
	t->fd = open_dir(parent_fd, d);
	if (t->fd < 0)
		rc = err_sys(e, "opening directory");
	source_dir_unuse(&t->w->dirs, d->parent);
	if (rc != ERR_NONE)
		return rc;
	if (fstat(t->fd, &st) != 0) {
		err_sys(e, "looking at the directory");
		fdio_close(&t->fd);
		return e->code;
	}
	if (st.st_dev != d->dev || st.st_ino != d->inode) {
		fdio_close(&t->fd);
		return err_set(e, ERR_NOTFOUND,
		    "the directory was replaced while it was read");
	}
	source_dir_adopt(&t->w->dirs, d, t->fd);
	return ERR_NONE;
}

/*
 * The names behind u's: a unit of its own, which another thread may begin with
 * while this one asks for u's records.
 */
static enum err_code
offer_next(struct lister *t, struct walk_unit *u, struct err *e)
{
	if (t->l->count - u->first <= WALK_UNIT_COUNT)
		return ERR_NONE;
	u->next = calloc(1, sizeof(*u->next));
	if (u->next == NULL)
		return err_nomem(e);
	u->next->listing = t->l;
	u->next->first = u->first + WALK_UNIT_COUNT;
	__atomic_add_fetch(&t->l->refs, 1, __ATOMIC_RELAXED);
	source_walk_offer_next(t->w, u);
	return ERR_NONE;
}

static enum err_code
do_entered(struct lister *t, struct walk_unit *u, struct err *e)
{
	enum err_code rc = path_prepare(t, e);

	if (rc == ERR_NONE && u->first == 0)
		rc = list_names(t, u, e);
	if (rc == ERR_NONE)
		rc = offer_next(t, u, e);
	if (rc == ERR_NONE)
		rc = do_records(t, u, e);
	free_mem(&t->path);
	return rc;
}

enum err_code
source_list_do(struct walk *w, struct walk_unit *u, struct err *e)
{
	struct lister t = {.w = w, .l = u->listing, .fd = -1};
	struct source_dir *d = t.l->dir;
	enum err_code rc;

	if (u->first == 0 && d->parent != NULL)
		rc = enter(&t, e);
	else
		rc = source_dir_use(&w->dirs, d, &t.fd, e);
	if (rc != ERR_NONE) {
		return rc == ERR_NOMEM ? rc : set_problem(u, e);
	}
	rc = do_entered(&t, u, e);
	source_dir_unuse(&w->dirs, d);
	return rc;
}
