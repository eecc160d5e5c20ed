#include "source_list.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

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

	if (t->w->exclude == NULL && !t->w->ops->wants_path)
		return ERR_NONE;
	t->absolute = malloc(1 + l->dir->path_bytes + 1 + PATH_NAME_MAX + 1);
	if (t->absolute == NULL)
		return err_nomem(e);
	t->absolute[0] = '/';
	t->path = t->absolute + 1;
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

	if (t->w->exclude == NULL || !t->l->whole)
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

/* What names take is bounded, for all listings that are held at once. */
static enum err_code
count_bytes(struct lister *t, size_t more_bytes, struct err *e)
{
	uint64_t all = __atomic_add_fetch(&t->w->listed_bytes, more_bytes,
	    __ATOMIC_RELAXED);

	t->l->held_bytes += more_bytes;
	return all <= t->w->ops->listed_bytes_max
	    ? ERR_NONE
	    : err_set(e, ERR_INPUT,
		  "its names, and those of the directories it lies in, take "
		  "too much memory");
}

static enum err_code
names_reserve(struct lister *t, size_t len, struct err *e)
{
	struct walk_listing *l = t->l;
	enum err_code rc = ERR_NONE;

	if (l->count == t->names_size) {
		size_t size = t->names_size == 0 ? 64 : t->names_size * 2;
		void *bigger = realloc(l->names, size * sizeof(*l->names));

		if (bigger == NULL)
			return err_nomem(e);
		l->names = bigger;
		rc = count_bytes(t, (size - t->names_size) * sizeof(*l->names),
		    e);
		t->names_size = size;
	}
	if (rc == ERR_NONE && t->bytes_used + len > t->bytes_size) {
		size_t size = t->bytes_size == 0 ? 2048 : t->bytes_size * 2;
		void *bigger = realloc(l->bytes, size);

		if (bigger == NULL)
			return err_nomem(e);
		l->bytes = bigger;
		rc = count_bytes(t, size - t->bytes_size, e);
		t->bytes_size = size;
	}
	return rc;
}

enum err_code
source_list_add(struct lister *t, const struct walk_given *g, struct err *e)
{
	struct walk_listing *l = t->l;
	size_t max = t->w->ops->names_max;
	bool excluded = false;
	uint8_t *at;
	enum err_code rc;

	if (g->d_type != DT_UNKNOWN &&
	    is_excluded(t, g->name, g->name_bytes, g->d_type == DT_DIR)) {
		if (find_pin(l->pin, g->name, g->name_bytes) == NULL)
			return ERR_NONE;
		excluded = true;
	}
	if (l->count >= max || t->bytes_used > UINT32_MAX - 1024)
		return err_set(e, ERR_INPUT, "more than %zu entries", max);
	rc = names_reserve(t, g->name_bytes + 1 + g->extra_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	l->names[l->count++] = (struct walk_name){
	    .key = name_key(g->name, g->name_bytes),
	    .at = (uint32_t)t->bytes_used,
	    .len_bytes = (uint8_t)g->name_bytes,
	    .d_type = g->d_type,
	    .excluded = excluded,
	    .extra = g->extra_bytes > 0,
	};
	at = l->bytes + t->bytes_used;
	memcpy(at, g->name, g->name_bytes);
	at[g->name_bytes] = '\0';
	if (g->extra_bytes > 0)
		memcpy(at + g->name_bytes + 1, g->extra, g->extra_bytes);
	t->bytes_used += g->name_bytes + 1 + g->extra_bytes;
	return ERR_NONE;
}

static enum err_code
add_pins(struct lister *t, struct err *e)
{
	const struct walk_pin *pin = t->l->pin;

	for (size_t i = 0; pin != NULL && i < pin->child_count; i++) {
		const char *name = pin->children[i].name;
		const struct walk_given g = {.name = name,
		    .name_bytes = strlen(name),
		    .d_type = DT_UNKNOWN};
		enum err_code rc = source_list_add(t, &g, e);

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

static void
keep_only_tag(struct lister *t)
{
	struct walk_listing *l = t->l;
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		const char *name = (char *)l->bytes + l->names[i].at;
		size_t len = l->names[i].len_bytes;
		bool is_tag = strcmp(name, LIST_CACHEDIR_NAME) == 0;

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
		if (strcmp((char *)l->bytes + l->names[i].at,
			LIST_CACHEDIR_NAME) == 0)
			return true;
	return false;
}

/* A kernel gives no name twice; another host may, or lists it as it changes. */
static size_t
drop_twins(struct walk_listing *l)
{
	size_t kept = 0, dropped;

	for (size_t i = 0; i < l->count; i++)
		if (kept == 0 ||
		    compare_names(&l->names[kept - 1], &l->names[i],
			l->bytes) != 0)
			l->names[kept++] = l->names[i];
	dropped = l->count - kept;
	l->count = kept;
	return dropped;
}

static enum err_code
twins_problem(struct walk_unit *u, struct err *e)
{
	if (u->problem != NULL)
		return ERR_NONE;
	err_set(e, ERR_IO, "it was listed with a name that comes twice");
	return set_problem(u, e);
}

static enum err_code
list_names(struct lister *t, struct walk_unit *u, struct err *e)
{
	struct walk_listing *l = t->l;
	enum err_code rc = l->whole ? t->w->ops->names(t, e) : add_pins(t, e);

	if (rc == ERR_NOMEM ||
	    (rc != ERR_NONE && (rc = set_problem(u, e)) != ERR_NONE))
		return rc;
	if (t->w->exclude_caches && l->whole && has_tag(l) &&
	    t->w->ops->is_cache(t))
		keep_only_tag(t);
	if (l->count > 1)
		qsort_r(l->names, l->count, sizeof(*l->names), compare_names,
		    l->bytes);
	return drop_twins(l) == 0 ? ERR_NONE : twins_problem(u, e);
}

/* --- what each of them is --- */

static void
ask(struct lister *t, const struct walk_name *n, enum walk_links links,
    struct walk_record *r)
{
	r->code = ERR_NONE;
	r->why = NULL;
	t->w->ops->ask(t, n, links, r);
}

/* Such a link is only itself. */
static bool
leads_nowhere(const struct walk_record *behind)
{
	int num = behind->errno_num;

	if (behind->why != NULL)
		return behind->code == ERR_NOTFOUND;
	return num == ENOENT || num == ENOTDIR || num == ELOOP;
}

static void
ask_record(struct lister *t, const struct walk_pin *pin,
    const struct walk_name *n, struct walk_record *r)
{
	struct walk_record behind = {0};

	ask(t, n, WALK_NOFOLLOW, r);
	/* Roots and the way to them were named by a person: source.h. */
	if (r->code != ERR_NONE || pin == NULL || !S_ISLNK(r->st.stx_mode) ||
	    (!pin->is_root && t->l->whole))
		return;
	ask(t, n, WALK_FOLLOW, &behind);
	if (behind.code != ERR_NONE && !leads_nowhere(&behind)) {
		r->code = behind.code;
		r->errno_num = behind.errno_num;
		r->why = behind.why;
	} else if (behind.code == ERR_NONE && S_ISDIR(behind.st.stx_mode)) {
		r->st = behind.st;
		r->dev = behind.dev;
		r->follow = true;
	}
}

/* What of a subdirectory is wanted; false: nothing beyond its own entry. */
static bool
descend(struct lister *t, const struct walk_pin *pin, bool excluded,
    const struct walk_record *r, struct walk_listing *sub)
{
	uint64_t dev = r->dev;
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
		dir->dev = r->dev;
		dir->inode = r->st.stx_ino;
		dir->follow = r->follow;
		rc = source_walk_unit_new(&u, dir, e);
	}
	if (rc == ERR_NONE && dir->depth > t->w->ops->depth_max) {
		r->code = ERR_INPUT;
		r->why = "it lies too deep: a loop, or a host that invents "
			 "directories";
	} else if (rc == ERR_NONE && dir->path_bytes <= PATH_BYTES_MAX &&
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

	r->skip = r->follow = false;
	r->sub = NULL;
	ask_record(t, pin, n, r);
	is_dir = r->code == ERR_NONE && S_ISDIR(r->st.stx_mode);
	if (n->d_type == DT_UNKNOWN && (pin == NULL || !pin->is_root))
		r->skip = is_excluded(t, name, n->len_bytes, is_dir);
	if (r->code != ERR_NONE)
		return ERR_NONE;
	if (!is_dir && pin != NULL && pin->child_count > 0) {
		r->code = ERR_INPUT;
		r->why = "it is no directory, but a source was named behind it";
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
	free_mem(&t->absolute);
	return rc;
}

enum err_code
source_list_do(struct walk *w, struct walk_unit *u, struct err *e)
{
	struct lister t = {.w = w, .l = u->listing, .fd = -1};
	enum err_code rc = w->ops->enter(&t, u->first == 0, e);

	if (rc != ERR_NONE)
		return rc == ERR_NOMEM ? rc : set_problem(u, e);
	rc = do_entered(&t, u, e);
	w->ops->leave(&t);
	return rc;
}
