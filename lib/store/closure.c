#include "closure.h"
#include "condemn.h"
#include "rooted.h"
#include "trees.h"

/*
 * A stack instead of recursion for pages and lists; each goes on it at most
 * once, because it goes into `seen` at the same time.  Chunks are looked up on
 * the way and kept nowhere: there may be very many.
 */
struct todo {
	struct id id;
	uint8_t kind; /* as the index has it */
};

struct stack {
	struct todo *todos;
	size_t count, room;
};

static void
stack_fini(struct stack *s)
{
	free(s->todos);
	memset(s, 0, sizeof *s);
}

static enum err_code
stack_push(struct stack *s, const struct todo *todo, struct err *e)
{
	struct todo *bigger;

	if (s->count == s->room) {
		size_t room = s->room == 0 ? 256 : s->room * 2;

		bigger = realloc(s->todos, room * sizeof *bigger);
		if (bigger == NULL)
			return err_nomem(e);
		s->todos = bigger;
		s->room = room;
	}
	s->todos[s->count++] = *todo;
	return ERR_NONE;
}

void
closure_fini(struct closure *c)
{
	idset_fini(&c->seen);
	idset_fini(&c->frames);
}

/* --- one id --------------------------------------------------------------- */

/* Once for each id. */
static enum err_code
report(struct closure *c, const struct id *id, const struct id *parent,
    struct err *why, struct err *e)
{
	bool added;
	enum err_code rc = idset_add(&c->seen, id, &added, e);

	if (rc != ERR_NONE || !added)
		return rc;
	if ((rc = c->broken(c->ctx, id, parent, why)) != ERR_NONE)
		*e = *why;
	return rc;
}

static const char *
kind_name(unsigned kind)
{
	static const char *const names[] = {"nothing", "data", "a leaf page",
	    "an inner page", "a chunk list", "records"};

	return kind < COUNT_OF(names) ? names[kind] : "unknown";
}

/* May a parent of this kind name a child of that? */
static bool
kind_fits(unsigned parent, unsigned child)
{
	switch (parent) {
	case STORE_INNER: return child == STORE_INNER || child == STORE_LEAF;
	case STORE_LEAF:
	case STORE_LIST: return child == STORE_LIST || child == STORE_DATA;
	case STORE_DATA: return child == STORE_DATA; /* a base */
	default: return child == STORE_INNER || child == STORE_LEAF; /* root */
	}
}

/*
 * The best copy whose pack is there; a base must be of lower depth.  Of several
 * differences one that can be opened, as far as their bases say.
 */
static bool
copy_find(struct store *st, const struct id *id,
    const struct index_copy *base_of, struct index_copy *copy)
{
	struct index_copy c;
	unsigned found = 0;

	for (struct index_walk w = {0}; index_next(st, id, &w, &c);) {
		if (!index_pack_present(st, c.number) ||
		    (base_of != NULL && c.depth >= base_of->depth))
			continue;
		if (found++ == 0)
			*copy = c;
		else if (!rooted_copy(st, copy))
			*copy = c;
		else
			break;
	}
	return found > 0;
}

/* --- the walk ------------------------------------------------------------- */

struct naming {
	const struct id *parent; /* NULL: a snapshot */
	unsigned kind;           /* the parent's; 0 for a snapshot */
	const struct index_copy *base_of;
};

static enum err_code id_visit(struct closure *c, struct stack *s,
    const struct id *id, const struct naming *by, struct err *e);

/* A failure to look is the caller's; damage is reported and gone on from. */
static bool
is_ours(enum err_code rc)
{
	return rc == ERR_NOMEM || rc == ERR_CANCELLED;
}

static enum err_code
ids_visit(struct closure *c, struct stack *s, const struct buf *ids,
    const struct naming *by, struct err *e)
{
	enum err_code rc = ERR_NONE;
	struct id id;

	for (size_t at = 0; at + ID_BYTES <= ids->len_bytes && rc == ERR_NONE;
	     at += ID_BYTES) {
		memcpy(id.bytes, ids->bytes + at, ID_BYTES);
		rc = id_visit(c, s, &id, by, e);
	}
	return rc;
}

/* Recursion ends with the depths, which fall. */
static enum err_code
bases_visit(struct closure *c, struct stack *s, const struct id *id,
    const struct index_copy *copy, struct err *e)
{
	OWNED(buf_fini) struct buf bases = {0};
	struct naming by = {id, STORE_DATA, copy};
	struct id frame = rooted_frame_name(copy);
	struct err why;
	enum err_code rc;
	bool added;

	rc = idset_add(&c->frames, &frame, &added, e);
	if (rc != ERR_NONE || !added)
		return rc;
	rc = reader_bases(c->store, copy, &bases, &why);
	if (is_ours(rc)) {
		*e = why;
		return rc;
	}
	if (rc != ERR_NONE)
		return report(c, id, NULL, &why, e);
	return ids_visit(c, s, &bases, &by, e);
}

static enum err_code
id_visit(struct closure *c, struct stack *s, const struct id *id,
    const struct naming *by, struct err *e)
{
	struct todo t = {.id = *id};
	struct index_copy copy;
	struct err why;
	enum err_code rc = ERR_NONE;
	bool added;

	if (!copy_find(c->store, id, by->base_of, &copy)) {
		if (index_was_seen(c->store, e) != ERR_NONE)
			return e->code; /* our want, not its */
		(void)err_set(&why, ERR_NOTFOUND, "is missing");
		return report(c, id, by->parent, &why, e);
	}
	if (!kind_fits(by->kind, copy.kind)) {
		(void)err_set(&why, ERR_CORRUPT, "is %s where %s names it",
		    kind_name(copy.kind),
		    by->parent != NULL ? kind_name(by->kind) : "a snapshot");
		return report(c, id, by->parent, &why, e);
	}
	if (copy.kind != STORE_DATA) {
		t.kind = copy.kind;
		rc = idset_add(&c->seen, id, &added, e);
		if (rc != ERR_NONE || !added)
			return rc;
		rc = stack_push(s, &t, e);
	}
	if (rc == ERR_NONE && c->found != NULL)
		rc = c->found(c->ctx, &copy, by->base_of, e);
	if (rc == ERR_NONE && copy.depth > 0)
		rc = bases_visit(c, s, id, &copy, e);
	return rc;
}

static enum err_code
refs_visit(struct closure *c, struct stack *s, const struct todo *t,
    struct err *e)
{
	OWNED(buf_fini) struct buf refs = {0};
	struct naming by = {&t->id, t->kind, NULL};
	enum store_kind kind;
	struct err why;
	enum err_code rc = reader_refs(c->store, &t->id, &kind, &refs, &why);

	if (is_ours(rc)) {
		*e = why;
		return rc;
	}
	if (rc == ERR_NONE && kind != t->kind)
		rc = err_set(&why, ERR_CORRUPT, "is %s, not %s",
		    kind_name(kind), kind_name(t->kind));
	if (rc != ERR_NONE) {
		rc = c->broken(c->ctx, &t->id, NULL, &why);
		if (rc != ERR_NONE)
			*e = why;
		return rc;
	}
	return ids_visit(c, s, &refs, &by, e);
}

enum err_code
closure_walk(struct closure *c, const struct id *root, struct err *e)
{
	OWNED(stack_fini) struct stack s = {0};
	struct naming by = {NULL, 0, NULL};
	struct todo t;
	enum err_code rc = id_visit(c, &s, root, &by, e);

	while (rc == ERR_NONE && s.count > 0) {
		t = s.todos[--s.count];
		rc = refs_visit(c, &s, &t, e);
	}
	return rc;
}

/* --- is it complete? ------------------------------------------------------ */

static enum err_code
complete_broken(void *ctx, const struct id *id, const struct id *parent,
    struct err *why)
{
	char hex[ID_HEX_BYTES], parent_hex[ID_HEX_BYTES];

	(void)ctx;
	if (parent == NULL)
		err_wrap(why, "root page %.12s", id_hex(id, hex));
	else
		err_wrap(why, "%.12s, named by %.12s,", id_hex(id, hex),
		    id_hex(parent, parent_hex));
	if (why->code != ERR_IO) /* a disk that fails is not an absence */
		why->code = ERR_NOTFOUND;
	return why->code;
}

/*
 * The pages below a root that is known to be whole: only inner pages are read,
 * they name the rest.
 */
static enum err_code
know(struct closure *c, const struct id *root, struct err *e)
{
	OWNED(stack_fini) struct stack s = {0};
	OWNED(buf_fini) struct buf refs = {0};
	struct todo t = {.id = *root};
	struct index_copy copy;
	enum store_kind kind;
	struct err ignored;
	bool added;
	enum err_code rc = stack_push(&s, &t, e);

	while (rc == ERR_NONE && s.count > 0) {
		t = s.todos[--s.count];
		/* What cannot be read here is simply not known. */
		if (!copy_find(c->store, &t.id, NULL, &copy))
			continue;
		rc = idset_add(&c->seen, &t.id, &added, e);
		if (rc != ERR_NONE || !added || copy.kind != STORE_INNER)
			continue;
		if (reader_refs(c->store, &t.id, &kind, &refs, &ignored) !=
		    ERR_NONE)
			continue;
		for (size_t at = 0;
		     at + ID_BYTES <= refs.len_bytes && rc == ERR_NONE;
		     at += ID_BYTES) {
			memcpy(t.id.bytes, refs.bytes + at, ID_BYTES);
			rc = stack_push(&s, &t, e);
		}
	}
	return rc;
}

/* What a commit refers to must not be collected under it (rule 3). */
static enum err_code
complete_found(void *ctx, const struct index_copy *copy,
    const struct index_copy *base_of, struct err *e)
{
	struct store *st = ctx;
	const struct id *pack = &index_pack(st, copy->number)->name;

	(void)base_of;
	return condemn_has(st, pack) ? condemn_revive(st, pack, e) : ERR_NONE;
}

enum err_code
closure_whole(struct store *st, const struct id *root, struct err *e)
{
	OWNED(closure_fini)
	struct closure c = {.store = st, .broken = complete_broken, .ctx = st};

	return closure_walk(&c, root, e);
}

enum err_code
closure_complete(struct store *st, const struct id *root,
    const struct id *known, size_t known_count, struct err *e)
{
	OWNED(closure_fini)
	struct closure c = {
	    .store = st,
	    .found = st->locked ? complete_found : NULL,
	    .broken = complete_broken,
	    .ctx = st,
	};
	enum err_code rc = st->locked ? condemn_refresh(st, e) : ERR_NONE;

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < known_count; i++)
		if (id_equal(root, &known[i]))
			return ERR_NONE;
	for (size_t i = 0; i < known_count; i++)
		if ((rc = know(&c, &known[i], e)) != ERR_NONE)
			return rc;
	return closure_walk(&c, root, e);
}
