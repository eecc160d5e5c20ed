#include <string.h>

#include "hurt.h"
#include "trees.h"

#define DISTINCT_MAX 262144 /* paths that are told apart when counting */

/* A path that is hurt, of one series of snapshots. */
struct path {
	struct id id; /* the hash of series and path */
	char *text;
	size_t text_bytes;
	uint64_t entries_count, snapshots_count, points_count;
	const struct snapshot *newest;
};

struct walk {
	struct hurt hurt;
	const struct hurt_options *opt;
	struct hurt_tally *tally;
	struct snapshot_list snapshots;
	struct point_list points;
	bool *points_hurt;
	struct idset sound;    /* pages with nothing hurt below them */
	struct idset distinct; /* paths, by hash */
	struct path *paths;    /* the first opt->paths_max */
	size_t paths_count;
	/* of the snapshot that is looked at */
	const struct snapshot *snapshot;
	uint64_t points_count; /* that it is part of */
};

static void
walk_fini(struct walk *w)
{
	for (size_t i = 0; i < w->paths_count; i++)
		free(w->paths[i].text);
	free(w->paths);
	free(w->points_hurt);
	idset_fini(&w->sound);
	idset_fini(&w->distinct);
	snapshot_list_fini(&w->snapshots);
	point_list_fini(&w->points);
	hurt_fini(&w->hurt);
}

/* --- paths ---------------------------------------------------------------- */

static enum err_code
path_name(const struct walk *w, const char *path, size_t len_bytes,
    struct id *out, struct err *e)
{
	const struct snapshot *s = w->snapshot;
	OWNED(buf_fini) struct buf b = {0};

	if (buf_add(&b, s->service, strlen(s->service) + 1, e) != ERR_NONE ||
	    buf_add(&b, s->dataset, strlen(s->dataset) + 1, e) != ERR_NONE ||
	    buf_add(&b, path, len_bytes, e) != ERR_NONE)
		return e->code;
	return hash_sha256(b.bytes, b.len_bytes, out, e);
}

static enum err_code
path_add(struct walk *w, const struct id *name, const char *path,
    size_t len_bytes, struct err *e)
{
	struct path *p = &w->paths[w->paths_count];

	p->text = malloc(len_bytes + 1);
	if (p->text == NULL)
		return err_nomem(e);
	memcpy(p->text, path, len_bytes);
	p->text[len_bytes] = '\0';
	p->text_bytes = len_bytes;
	p->id = *name;
	p->newest = w->snapshot; /* the first that is looked at */
	w->paths_count++;
	return ERR_NONE;
}

/* entries_count: 1, or of a part of the tree that ends with path. */
static enum err_code
tell(struct walk *w, const char *path, size_t len_bytes, uint64_t entries_count,
    struct err *e)
{
	struct id name;
	bool fresh = false;
	size_t at = 0;
	enum err_code rc = path_name(w, path, len_bytes, &name, e);

	if (rc == ERR_NONE && w->distinct.count < DISTINCT_MAX)
		rc = idset_add(&w->distinct, &name, &fresh, e);
	else if (rc == ERR_NONE && !idset_has(&w->distinct, &name))
		w->tally->uncounted = true;
	if (rc != ERR_NONE)
		return rc;
	w->tally->paths_count += fresh;
	while (at < w->paths_count && !id_equal(&w->paths[at].id, &name))
		at++;
	if (at == w->paths_count &&
	    (!fresh || w->paths_count == w->opt->paths_max))
		return ERR_NONE;
	if (at == w->paths_count)
		rc = path_add(w, &name, path, len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	if (w->paths[at].entries_count < entries_count)
		w->paths[at].entries_count = entries_count;
	w->paths[at].snapshots_count++;
	w->paths[at].points_count += w->points_count;
	return ERR_NONE;
}

/* --- pages ---------------------------------------------------------------- */

/* What is known of a page before it is opened. */
struct span {
	const struct id *id;
	int level;        /* -1: the root, of any */
	const char *last; /* its last path */
	size_t last_bytes;
	uint64_t items_count;
};

struct opening {
	struct buf body, refs;
	struct page_reader pr;
};

static void
opening_free(struct opening **op)
{
	struct opening *o = TAKE(*op);

	if (o == NULL)
		return;
	buf_fini(&o->body);
	buf_fini(&o->refs);
	page_reader_fini(&o->pr);
	free(o);
}

static enum err_code page_walk(struct walk *w, const struct span *span,
    bool *hurt, struct err *e);

/* Its own fault, or damage that ends the page. */
static bool
is_ours(enum err_code rc)
{
	return rc == ERR_NOMEM || rc == ERR_CANCELLED;
}

static enum err_code
leaf_cell(struct walk *w, const struct cell *cell, bool *hurt, struct err *e)
{
	enum err_code rc = ERR_NONE;
	bool this = false;
	struct id id;

	for (size_t i = 0; rc == ERR_NONE && !this && i < cell->refs_count;
	     i++) {
		memcpy(id.bytes, cell->refs + i * ID_BYTES, ID_BYTES);
		rc = hurt_is(&w->hurt, &id, &this, e);
	}
	if (rc == ERR_NONE && this)
		rc = tell(w, cell->path, cell->path_bytes, 1, e);
	*hurt |= this;
	return rc;
}

static enum err_code
inner_cell(struct walk *w, unsigned level, const struct cell *cell, bool *hurt,
    struct err *e)
{
	struct span child = {.level = (int)level - 1,
	    .last = cell->path,
	    .last_bytes = cell->path_bytes};
	struct id id;
	enum err_code rc = page_child_count(cell, &child.items_count, e);

	memcpy(id.bytes, cell->refs, ID_BYTES);
	child.id = &id;
	return rc == ERR_NONE ? page_walk(w, &child, hurt, e) : rc;
}

static enum err_code
cells_walk(struct walk *w, struct opening *o, int level, bool *hurt,
    struct err *e)
{
	struct cell cell;
	bool more = true;
	enum err_code rc = page_reader_begin(&o->pr, &o->body, &o->refs, e);

	if (rc == ERR_NONE && level >= 0 && o->pr.level != (unsigned)level)
		rc = err_set(e, ERR_CORRUPT, "a page of the wrong level");
	while (rc == ERR_NONE && more) {
		rc = page_reader_next(&o->pr, &cell, &more, e);
		if (rc != ERR_NONE || !more)
			continue;
		rc = o->pr.level == 0
		    ? leaf_cell(w, &cell, hurt, e)
		    : inner_cell(w, o->pr.level, &cell, hurt, e);
	}
	return rc;
}

/* Levels fall, which bounds the recursion. */
static enum err_code
page_walk(struct walk *w, const struct span *span, bool *hurt, struct err *e)
{
	OWNED(opening_free) struct opening *o = NULL;
	struct store *st = w->hurt.store;
	enum store_kind kind = span->level == 0 ? STORE_LEAF : STORE_INNER;
	struct index_copy copy;
	bool this = false;
	enum err_code rc;

	if (idset_has(&w->sound, span->id))
		return ERR_NONE;
	if ((o = calloc(1, sizeof(*o))) == NULL)
		return err_nomem(e);
	if (span->level < 0 && index_find(st, span->id, 0, &copy) &&
	    copy.kind == STORE_LEAF)
		kind = STORE_LEAF;
	rc = store_get(st, kind, span->id, &o->body, &o->refs, e);
	if (rc == ERR_NONE)
		rc = cells_walk(w, o, span->level, &this, e);
	if (rc != ERR_NONE && !is_ours(rc)) {
		this = true;
		rc =
		    tell(w, span->last, span->last_bytes, span->items_count, e);
	}
	if (rc == ERR_NONE && !this)
		rc = idset_add(&w->sound, span->id, &this, e);
	else
		*hurt |= this;
	if (rc == ERR_NONE && w->opt->on_progress != NULL &&
	    !w->opt->on_progress(w->opt->ctx))
		rc = err_set(e, ERR_CANCELLED, "it was stopped");
	return rc;
}

/* --- snapshots ------------------------------------------------------------ */

static void
find_points(struct walk *w, bool hurt)
{
	w->points_count = 0;
	for (size_t i = 0; i < w->points.count; i++) {
		const struct point *p = &w->points.points[i];

		for (size_t k = 0; k < p->snapshots_count; k++) {
			if (!id_equal(&p->snapshots[k], &w->snapshot->id))
				continue;
			w->points_count++;
			w->points_hurt[i] |= hurt;
		}
	}
}

static enum err_code
snapshots_walk(struct walk *w, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = w->snapshots.count; rc == ERR_NONE && i-- > 0;) {
		struct span root = {&w->snapshots.snapshots[i].root, -1, "", 0,
		    0};
		bool hurt = false;

		w->snapshot = &w->snapshots.snapshots[i];
		find_points(w, false);
		rc = page_walk(w, &root, &hurt, e);
		find_points(w, hurt);
		w->tally->snapshots_count += hurt;
	}
	for (size_t i = 0; i < w->points.count; i++)
		w->tally->points_count += w->points_hurt[i];
	return rc;
}

static enum err_code
begin(struct walk *w, struct err *e)
{
	struct store *st = w->hurt.store;

	if (snapshot_list(&w->snapshots, st, NULL, NULL, NULL, e) != ERR_NONE ||
	    point_list(&w->points, st, NULL, NULL, NULL, e) != ERR_NONE)
		return e->code;
	w->points_hurt = calloc(w->points.count + 1, sizeof(*w->points_hurt));
	w->paths = calloc(w->opt->paths_max + 1, sizeof(*w->paths));
	return w->points_hurt == NULL || w->paths == NULL ? err_nomem(e)
							  : ERR_NONE;
}

static void
hand_on(const struct walk *w)
{
	for (size_t i = 0; i < w->paths_count; i++) {
		const struct path *p = &w->paths[i];
		struct hurt_path h = {.service = p->newest->service,
		    .dataset = p->newest->dataset,
		    .path = p->text,
		    .path_bytes = p->text_bytes,
		    .entries_count = p->entries_count,
		    .snapshots_count = p->snapshots_count,
		    .points_count = p->points_count,
		    .snapshot = p->newest->id,
		    .taken = p->newest->started};

		w->opt->on_path(w->opt->ctx, &h);
	}
}

enum err_code
store_hurt_paths(struct store *st, const struct hurt_options *opt,
    struct hurt_tally *out, struct err *e)
{
	OWNED(walk_fini)
	struct walk w = {.hurt = {.store = st}, .opt = opt, .tally = out};
	const struct keyring *before = st->keyring;
	enum err_code rc;

	*out = (struct hurt_tally){0};
	if (!keyring_can_read(opt->keyring) ||
	    memcmp(keyring_family(opt->keyring), st->family,
		STORE_FAMILY_BYTES) != 0)
		return err_set(e, ERR_KEY,
		    "which files are hurt takes a key that reads '%s'",
		    st->path);
	st->keyring = opt->keyring;
	rc = begin(&w, e);
	if (rc == ERR_NONE)
		rc = snapshots_walk(&w, e);
	st->keyring = before;
	if (rc == ERR_NONE)
		hand_on(&w);
	return rc;
}
