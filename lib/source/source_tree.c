#include <bascule/source.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <bascule/base/fdio.h>

#include "source_fartree.h"
#include "source_here.h"
#include "source_impl.h"
#include "source_local.h"
#include "source_names.h"
#include "source_pins.h"
#include "source_walk.h"

/* A directory being consumed. */
struct level {
	struct walk_listing *listing; /* a reference */
	struct walk_unit *unit;       /* being consumed; NULL: not taken yet */
	struct walk_unit *next;       /* to take when unit is used up */
	size_t index;
	size_t path_bytes; /* of the parent's */
};

struct tree {
	struct source source; /* first */
	struct walk walk;
	struct walk_pin top;
	uint64_t top_dev;
	bool begun;
	struct level *levels;
	size_t level_count, level_room;
	struct walk_unit *enter; /* the next call goes into it */
	struct buf path;         /* of the directory */
};

/* --- going down and up --- */

static enum err_code
push(struct tree *t, struct walk_unit *u, struct err *e)
{
	struct level *l;
	const struct source_dir *dir = u->listing->dir;
	enum err_code rc;

	if (t->level_count == t->level_room) {
		size_t room = t->level_room == 0 ? 32 : t->level_room * 2;

		l = reallocarray(t->levels, room, sizeof(*l));
		if (l == NULL)
			return err_nomem(e);
		t->levels = l;
		t->level_room = room;
	}
	l = &t->levels[t->level_count];
	*l = (struct level){.next = u, .path_bytes = t->path.len_bytes};
	if (t->path.len_bytes > 0 &&
	    (rc = buf_add_byte(&t->path, '/', e)) != ERR_NONE)
		return rc;
	rc = buf_add(&t->path, dir->name, dir->name_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	l->listing = u->listing;
	__atomic_add_fetch(&l->listing->refs, 1, __ATOMIC_RELAXED);
	t->level_count++;
	return ERR_NONE;
}

static void
pop(struct tree *t)
{
	struct level *l = &t->levels[--t->level_count];

	source_walk_unit_free(&t->walk, &l->unit);
	source_walk_unref(&t->walk, &l->listing);
	t->path.len_bytes = l->path_bytes;
}

/* --- items --- */

static enum err_code
set_path(struct tree *t, struct source_item *item, const char *name,
    size_t name_bytes, struct err *e)
{
	struct entry_text *text = &item->entry.path;
	size_t dir_bytes = t->path.len_bytes;
	size_t all = dir_bytes + (dir_bytes > 0) + name_bytes;

	if (all >= text->size_bytes) {
		char *bigger = realloc(text->bytes, all + 64);

		if (bigger == NULL)
			return err_nomem(e);
		text->bytes = bigger;
		text->size_bytes = all + 64;
	}
	if (dir_bytes > 0) {
		memcpy(text->bytes, t->path.bytes, dir_bytes);
		text->bytes[dir_bytes++] = '/';
	}
	memcpy(text->bytes + dir_bytes, name, name_bytes);
	text->bytes[all] = '\0';
	text->len_bytes = all;
	return ERR_NONE;
}

static enum err_code
give_problem(struct tree *t, struct source_item *item, const struct err *what,
    struct err *e)
{
	item->kind = SOURCE_PROBLEM;
	item->problem = *what;
	return entry_set_text(&item->entry.path, (char *)t->path.bytes,
	    t->path.len_bytes, PATH_BYTES_MAX, e);
}

static enum err_code
record_problem(struct tree *t, struct source_item *item,
    const struct walk_record *r, const char *name, struct err *e)
{
	struct err *p = &item->problem;

	item->kind = SOURCE_PROBLEM;
	errno = r->errno_num;
	if (r->why != NULL)
		err_set(p, r->code, "%s", r->why);
	else
		err_sys(p, "asking what it is");
	return set_path(t, item, name, strlen(name), e);
}

static enum err_code
give_record(struct tree *t, struct source_item *item, struct level *l,
    const struct walk_record *r, struct err *e)
{
	const struct walk_name *n =
	    &l->listing->names[l->unit->first + l->index];
	const char *name = (const char *)l->listing->bytes + n->at;

	if (t->path.len_bytes + 1 + n->len_bytes > PATH_BYTES_MAX) {
		struct err too_long;

		err_set(&too_long, ERR_INPUT,
		    "'%.64s' in it has a path of over %zu bytes", name,
		    PATH_BYTES_MAX);
		return give_problem(t, item, &too_long, e);
	}
	if (r->code != ERR_NONE)
		return record_problem(t, item, r, name, e);
	source_local_fill(item, &r->st);
	item->follow = r->follow;
	item->source = &t->source;
	item->dir = source_dir_ref(l->listing->dir);
	item->name_bytes = n->len_bytes;
	return set_path(t, item, name, n->len_bytes, e);
}

/* "/" was asked for itself. */
static enum err_code
give_top(struct tree *t, struct source_item *item, struct err *e)
{
	struct walk_record r = {0};

	t->walk.ops->ask_top(&t->walk, &r);
	if (r.code != ERR_NONE)
		return err_set(e, r.code, "asking about '/': %s",
		    r.why != NULL ? r.why : "it cannot be asked");
	source_local_fill(item, &r.st);
	item->source = &t->source;
	item->dir = source_dir_ref(t->walk.dirs.top);
	return set_path(t, item, "", 0, e);
}

/* --- the stream --- */

/* The next unit of the directory on top; false: it has no more. */
static enum err_code
next_unit(struct tree *t, bool *more, struct err *e)
{
	struct level *l = &t->levels[t->level_count - 1];
	enum err_code rc;

	*more = l->next != NULL;
	source_walk_unit_free(&t->walk, &l->unit);
	if (!*more)
		return ERR_NONE;
	rc = source_walk_take(&t->walk, l->next, e);
	l->unit = TAKE(l->next);
	l->next = l->unit->next;
	l->index = 0;
	return rc;
}

static enum err_code
tree_next(struct source *src, struct source_item *item, struct err *e)
{
	struct tree *t = (struct tree *)src;
	enum err_code rc;

	entry_clear(&item->entry);
	item->kind = SOURCE_ENTRY;
	item->problem.code = ERR_NONE;
	if (t->walk.ops->health != NULL &&
	    (rc = t->walk.ops->health(&t->walk, e)) != ERR_NONE)
		return rc;
	if (!t->begun) {
		t->begun = true;
		if (t->top.is_root)
			return give_top(t, item, e);
	}
	if (t->enter != NULL && (rc = push(t, TAKE(t->enter), e)) != ERR_NONE)
		return rc;
	while (t->level_count > 0) {
		struct level *l = &t->levels[t->level_count - 1];
		const struct walk_record *r;
		bool more;

		if (l->unit == NULL || l->index == l->unit->count) {
			if ((rc = next_unit(t, &more, e)) != ERR_NONE)
				return rc;
			if (!more)
				pop(t);
			else if (l->unit->problem != NULL)
				return give_problem(t, item, l->unit->problem,
				    e);
			continue;
		}
		r = &l->unit->records[l->index];
		if (!r->skip) {
			t->enter = r->sub;
			rc = give_record(t, item, l, r, e);
			l->index++;
			return rc;
		}
		l->index++;
	}
	return err_set(e, ERR_NOTFOUND, "that was all");
}

static void
tree_release(struct source_item *item)
{
	struct tree *t = (struct tree *)item->source;

	source_dir_unref(&t->walk.dirs, &item->dir);
}

/* Its name in its directory. */
static const char *
item_name(const struct source_item *item, char out[PATH_NAME_MAX + 1])
{
	const struct entry_text *path = &item->entry.path;

	if (item->name_bytes == 0)
		return ".";
	memcpy(out, path->bytes + path->len_bytes - item->name_bytes,
	    item->name_bytes);
	out[item->name_bytes] = '\0';
	return out;
}

static bool
tree_is_remote(const struct source_item *item)
{
	struct tree *t = (struct tree *)item->source;
	char name[PATH_NAME_MAX + 1];

	return t->walk.ops->is_remote(&t->walk, item, item_name(item, name));
}

static enum err_code
tree_open(struct source_item *item, struct source_file **out,
    struct arc_warn warn, struct err *e)
{
	struct tree *t = (struct tree *)item->source;
	char name[PATH_NAME_MAX + 1];

	return t->walk.ops->open(&t->walk, item, item_name(item, name), out,
	    warn, e);
}

static int64_t
tree_clock_s(const struct source_item *item)
{
	struct tree *t = (struct tree *)item->source;

	return t->walk.ops->clock_s == NULL ? SOURCE_CLOCK_OURS
					    : t->walk.ops->clock_s(&t->walk);
}

static enum err_code
tree_notes(struct source *src, struct buf *out, struct err *e)
{
	struct tree *t = (struct tree *)src;

	return t->walk.ops->notes == NULL
	    ? ERR_NONE
	    : t->walk.ops->notes(&t->walk, out, e);
}

static void
tree_free(struct source *src)
{
	struct tree *t = (struct tree *)src;

	while (t->level_count > 0)
		pop(t);
	source_walk_fini(&t->walk);
	source_pins_fini(&t->top);
	buf_fini(&t->path);
	free(t->levels);
	free(t);
}

static const struct source_ops tree_ops = {
    .next = tree_next,
    .open = tree_open,
    .is_remote = tree_is_remote,
    .clock_s = tree_clock_s,
    .notes = tree_notes,
    .release = tree_release,
    .free = tree_free,
};

/* --- making --- */

static enum err_code
make_here(struct tree *t, const struct source_tree_options *o, struct err *e)
{
	struct source_names *names = malloc(sizeof(*names));
	struct stat st;
	enum err_code rc;

	if (names == NULL)
		return err_nomem(e);
	source_names_init(names);
	t->walk.ctx = names;
	t->walk.ops = &source_here_ops;
	for (size_t i = 0; i < o->root_count; i++)
		if ((rc = source_pins_add(&t->top, o->roots[i], e)) != ERR_NONE)
			return rc;
	if (stat("/", &st) != 0)
		return err_sys(e, "asking about '/'");
	t->top_dev = st.st_dev;
	return ERR_NONE;
}

static enum err_code
make_far(struct tree *t, const struct source_tree_options *o, struct err *e)
{
	enum err_code rc;

	if (o->root_count != 1)
		return err_set(e, ERR_INPUT,
		    "of another host one tree is read at a time");
	if ((rc = source_pins_add_absolute(&t->top, o->roots[0], e)) !=
	    ERR_NONE)
		return rc;
	return source_fartree_begin(&t->walk, &t->top, o, e);
}

static enum err_code
setup(struct tree *t, const struct source_tree_options *o, struct err *e)
{
	unsigned threads = o->thread_count == 0 ? 1 : o->thread_count;
	struct walk_unit *first;
	enum err_code rc;

	t->walk.one_file_system = o->one_file_system;
	t->walk.exclude_caches = o->exclude_caches;
	rc = source_exclude_new(&t->walk.exclude, o->excludes, o->exclude_count,
	    e);
	if (rc == ERR_NONE)
		rc = o->host != NULL ? make_far(t, o, e) : make_here(t, o, e);
	if (rc == ERR_NONE)
		rc = source_walk_unit_new(&first, t->walk.dirs.top, e);
	if (rc != ERR_NONE)
		return rc;
	first->listing->pin = &t->top;
	first->listing->whole = t->top.is_root;
	first->listing->dev = t->top_dev;
	source_walk_push(&t->walk, first);
	t->enter = first;
	if (o->single_thread)
		return ERR_NONE;
	if (threads > WALK_THREADS_MAX)
		threads = WALK_THREADS_MAX;
	return source_walk_start(&t->walk, threads, e);
}

enum err_code
source_tree_new(struct source **out, const struct source_tree_options *options,
    struct err *e)
{
	OWNED(source_free) struct source *src = NULL;
	struct tree *t;
	enum err_code rc;

	*out = NULL;
	if (options->root_count == 0 ||
	    options->root_count > SOURCE_ROOT_COUNT_MAX)
		return err_set(e, ERR_INPUT,
		    "%zu trees to read, where 1 to %d are possible",
		    options->root_count, SOURCE_ROOT_COUNT_MAX);
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return err_nomem(e);
	t->source.ops = &tree_ops;
	t->path.max_bytes = PATH_BYTES_MAX + 1;
	src = &t->source;
	if ((rc = source_walk_init(&t->walk, e)) != ERR_NONE ||
	    (rc = setup(t, options, e)) != ERR_NONE)
		return rc;
	*out = TAKE(src);
	return ERR_NONE;
}
