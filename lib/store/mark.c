#include "mark.h"

#include <string.h>

#include <bascule/base/fdio.h>

#include "frame.h"

/* A page to be read: where a copy of it lies. */
struct todo {
	uint32_t number, frame;
	struct id id;
};

struct wave {
	struct todo *todos;
	size_t count, room;
};

/* What mark_run works with. */
struct marking {
	struct mark *mark;
	struct wave next; /* pages reached and not yet read */
	struct mark_opened opened;
	struct buf frame;
};

static void
marking_fini(struct marking *mk)
{
	free(mk->next.todos);
	mark_opened_fini(&mk->opened);
	buf_fini(&mk->frame);
}

void
mark_fini(struct mark *m)
{
	free(m->live);
	free(m->packs);
	m->live = NULL;
	m->packs = NULL;
}

bool
mark_is_live(const struct mark *m, uint64_t ordinal)
{
	return (m->live[ordinal / 8] >> ordinal % 8 & 1) != 0;
}

/* --- reading ------------------------------------------------------------------ */

void
mark_opened_fini(struct mark_opened *o)
{
	if (o->open)
		pack_close(&o->pack);
	pack_footer_fini(&o->footer);
	o->open = false;
}

enum err_code
mark_open(struct mark_opened *o, uint32_t number, struct err *e)
{
	const struct index_pack *ip = index_pack(o->store, number);
	char path[PACK_PATH_BYTES];
	enum err_code rc;

	if (o->open && o->number == number)
		return ERR_NONE;
	mark_opened_fini(o);
	rc = pack_open(&o->pack, o->store->packs_fd, pack_path(&ip->name, path),
	    ip->size_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	o->open = true;
	o->number = number;
	rc = pack_footer_load(&o->footer, &o->pack, e);
	if (rc == ERR_NONE)
		return rc;
	mark_opened_fini(o);
	return err_wrap(e, "'%s/packs/%s'", o->store->path, path);
}

/* --- reaching ------------------------------------------------------------------ */

struct reaching {
	struct mark *mark;
	bool before;  /* it had been reached */
	bool present; /* a copy's pack is there */
	bool ours;    /* best is a page or list that was written here */
	struct index_copy best;
	uint32_t number; /* of the last pack that is there and has it */
	bool twice;      /* several are */
};

/* What came from elsewhere is a claim: it names what it likes. */
static bool
is_foreign(const struct mark *m, const struct index_copy *copy)
{
	return index_pack(m->store, copy->number)->foreign;
}

static void
reach_copy(void *ctx, const struct index_copy *copy)
{
	struct reaching *r = ctx;
	uint8_t *byte = &r->mark->live[copy->ordinal / 8];
	const uint8_t bit = (uint8_t)(1u << copy->ordinal % 8);

	r->before |= (*byte & bit) != 0;
	*byte |= bit;
	r->mark->packs[copy->number].used = true;
	if (!index_pack_present(r->mark->store, copy->number))
		return;
	r->twice |= r->present && r->number != copy->number;
	r->number = copy->number;
	r->present = true;
	if (r->ours || copy->kind == STORE_DATA || is_foreign(r->mark, copy))
		return;
	r->ours = true;
	r->best = *copy;
}

static void
count_twice(void *ctx, const struct index_copy *copy)
{
	struct mark *m = ctx;

	m->packs[copy->number].twice_count++;
}

static enum err_code
push(struct wave *w, const struct index_copy *copy, const struct id *id,
    struct err *e)
{
	if (w->count == w->room) {
		size_t room = w->room == 0 ? 256 : w->room * 2;
		struct todo *more = reallocarray(w->todos, room, sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		w->todos = more;
		w->room = room;
	}
	w->todos[w->count++] = (struct todo){copy->number, copy->frame, *id};
	return ERR_NONE;
}

/* All that any of them names is kept: who could say which of them lies? */
static enum err_code
push_foreign(struct marking *mk, const struct id *id, struct err *e)
{
	struct store *st = mk->mark->store;
	struct index_copy c;
	enum err_code rc = ERR_NONE;

	for (struct index_walk w = {0};
	     rc == ERR_NONE && index_next(st, id, &w, &c);)
		if (c.kind != STORE_DATA && index_pack_present(st, c.number))
			rc = push(&mk->next, &c, id, e);
	return rc;
}

/* *found: it is here.  All its copies are live from now on. */
static enum err_code
reach(struct marking *mk, const struct id *id, bool *found, struct err *e)
{
	struct reaching r = {.mark = mk->mark};

	index_each(mk->mark->store, id, reach_copy, &r);
	*found = r.present;
	if (r.before || !r.present)
		return ERR_NONE;
	if (r.twice)
		index_each(mk->mark->store, id, count_twice, mk->mark);
	return r.ours ? push(&mk->next, &r.best, id, e)
		      : push_foreign(mk, id, e);
}

/* A page that its hash vouches for, but nobody else. */
static enum err_code
hint_aside(const struct marking *mk, uint32_t number, struct err *e)
{
	const struct store *st = mk->mark->store;
	char hex[ID_HEX_BYTES];

	return err_hint(e,
	    "that pack came from elsewhere and its page may lie: bascule -r "
	    "'%s' heal --set-aside %s --dry-run shows what would be missing "
	    "without it",
	    st->path, id_hex(&index_pack(st, number)->name, hex));
}

/* parent: whose page was just read. */
static enum err_code
missing(const struct marking *mk, const struct id *id, const struct id *parent,
    struct err *e)
{
	const struct store *st = mk->mark->store;
	char hex[ID_HEX_BYTES], parent_hex[ID_HEX_BYTES], in[PACK_PATH_BYTES];

	if (parent == NULL)
		err_set(e, ERR_CORRUPT,
		    "root page %.12s of a snapshot is not in '%s'",
		    id_hex(id, hex), st->path);
	else
		err_set(e, ERR_CORRUPT,
		    "%.12s, named by %.12s in packs/%s, is not in '%s'",
		    id_hex(id, hex), id_hex(parent, parent_hex),
		    pack_path(&index_pack(st, mk->opened.number)->name, in),
		    st->path);
	if (parent != NULL && index_pack(st, mk->opened.number)->foreign)
		return hint_aside(mk, mk->opened.number, e);
	return err_hint(e,
	    "nothing is collected where something is lost: bascule check "
	    "names the snapshots; heal them or forget them first");
}

static enum err_code
reach_all(struct marking *mk, const uint8_t *ids, size_t count,
    const struct id *parent, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct id id;
		bool found;
		enum err_code rc;

		memcpy(id.bytes, ids + i * ID_BYTES, ID_BYTES);
		rc = reach(mk, &id, &found, e);
		if (rc == ERR_NONE && !found)
			rc = missing(mk, &id, parent, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

/* --- pages ---------------------------------------------------------------------- */

static enum err_code
read_at(struct marking *mk, uint32_t number, uint32_t frame,
    struct frame_view *v, struct err *e)
{
	struct pack_frame row;
	struct frame_hash hash;
	enum err_code rc = mark_open(&mk->opened, number, e);

	if (rc != ERR_NONE)
		return rc;
	if (frame >= mk->opened.footer.frames_count)
		return err_set(e, ERR_CORRUPT, "it has no frame %u", frame);
	pack_footer_frame(&mk->opened.footer, frame, &row);
	rc = pack_read_frame(&mk->opened.pack, &row, &mk->frame, &hash, e);
	if (rc == ERR_NONE)
		rc = frame_parse(v, mk->frame.bytes, mk->frame.len_bytes, e);
	mk->mark->read_bytes += row.len_bytes;
	return rc;
}

/* The place it was reached at, then every other copy that is as good. */
static enum err_code
read_page(struct marking *mk, const struct todo *t, struct frame_view *v,
    struct err *e)
{
	struct store *st = mk->mark->store;
	struct index_copy c;
	struct err why;
	char in[PACK_PATH_BYTES];
	const bool was_foreign = index_pack(st, t->number)->foreign;
	enum err_code rc = read_at(mk, t->number, t->frame, v, e);

	for (unsigned nth = 0; rc != ERR_NONE && rc != ERR_NOMEM &&
	     index_find(st, &t->id, nth, &c);
	     nth++)
		if ((c.number != t->number || c.frame != t->frame) &&
		    (!is_foreign(mk->mark, &c) || was_foreign)) {
			rc = read_at(mk, c.number, c.frame, v, &why);
			if (rc == ERR_NOMEM)
				*e = why;
		}
	if (rc == ERR_NONE || rc == ERR_NOMEM)
		return rc;
	e->code = ERR_CORRUPT;
	err_wrap(e,
	    "packs/%s: a page cannot be read, so what it keeps is not known",
	    pack_path(&index_pack(st, t->number)->name, in));
	if (was_foreign)
		return hint_aside(mk, t->number, e);
	return err_hint(e, "bascule check --read says more; heal it first");
}

static enum err_code
expand(struct marking *mk, const struct todo *t, struct err *e)
{
	struct frame_view v = {0};
	enum err_code rc = read_page(mk, t, &v, e);

	if (rc == ERR_NONE)
		rc = reach_all(mk, v.refs, v.refs_count, &t->id, e);
	if (rc == ERR_NONE && mk->mark->on_progress != NULL &&
	    !mk->mark->on_progress(mk->mark->ctx, mk->mark->read_bytes))
		rc = err_set(e, ERR_CANCELLED, "the collection was stopped");
	return rc;
}

static int
compare_todos(const void *va, const void *vb)
{
	const struct todo *a = va, *b = vb;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a->frame < b->frame ? -1 : a->frame > b->frame;
}

static enum err_code
walk(struct marking *mk, struct err *e)
{
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && mk->next.count > 0) {
		OWNED(free_mem) struct todo *now = TAKE(mk->next.todos);
		const size_t count = mk->next.count;

		mk->next.count = mk->next.room = 0;
		qsort(now, count, sizeof(*now), compare_todos);
		for (size_t i = 0; rc == ERR_NONE && i < count; i++)
			rc = expand(mk, &now[i], e);
	}
	return rc;
}

/* --- bases ---------------------------------------------------------------------- */

static enum err_code
frame_bases(const struct pack *pk, const struct pack_frame *row,
    mark_base_fn *fn, void *ctx, struct err *e)
{
	uint8_t head[FRAME_FIXED_BYTES], ids[FRAME_BASES_MAX * ID_BYTES];
	struct frame_view v;
	enum err_code rc =
	    fdio_pread(pk->fd, head, sizeof(head), row->offset_bytes, e);

	if (rc == ERR_NONE)
		rc = frame_parse_head(&v, head, row->len_bytes, e);
	if (rc == ERR_NONE)
		rc = fdio_pread(pk->fd, ids, (size_t)v.bases_count * ID_BYTES,
		    row->offset_bytes + FRAME_FIXED_BYTES, e);
	for (size_t i = 0; rc == ERR_NONE && i < v.bases_count; i++) {
		struct id base;

		memcpy(base.bytes, ids + i * ID_BYTES, ID_BYTES);
		rc = fn(ctx, &base, row->depth, e);
	}
	return rc;
}

enum err_code
mark_bases(struct store *st, uint32_t number, mark_base_fn *fn, void *ctx,
    struct err *e)
{
	OWNED(mark_opened_fini) struct mark_opened o = {.store = st};
	enum err_code rc = mark_open(&o, number, e);

	for (uint32_t i = 0; rc == ERR_NONE && i < o.footer.frames_count; i++) {
		struct pack_frame row;

		pack_footer_frame(&o.footer, i, &row);
		if (row.depth > 0)
			rc = frame_bases(&o.pack, &row, fn, ctx, e);
	}
	return rc;
}

static enum err_code
reach_base(void *ctx, const struct id *base, uint8_t depth, struct err *e)
{
	bool found;

	/*
	 * One that is lost is the loss of what was made from it: a tree that
	 * needs that says so itself when it is opened.
	 */
	(void)depth;
	return reach(ctx, base, &found, e);
}

/* Every frame of a pack that stays keeps its bases, live or not. */
static enum err_code
expand_packs(struct marking *mk, bool *changed, struct err *e)
{
	struct mark *m = mk->mark;

	*changed = false;
	for (uint32_t n = 0; n < m->packs_count; n++) {
		struct mark_pack *p = &m->packs[n];
		enum err_code rc;

		if (!p->used || !p->deltas || p->expanded ||
		    !index_pack_present(m->store, n))
			continue;
		p->expanded = true;
		*changed = true;
		rc = mark_bases(m->store, n, reach_base, mk, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

/* --- all of it -------------------------------------------------------------------- */

static void
count_record(void *ctx, const struct id *id, const struct index_copy *copy)
{
	struct mark *m = ctx;
	struct mark_pack *p = &m->packs[copy->number];

	(void)id;
	p->records_count++;
	p->deltas |= copy->depth > 0;
	if (copy->frame >= p->frames_count)
		p->frames_count = copy->frame + 1;
}

static void
count_live(void *ctx, const struct id *id, const struct index_copy *copy)
{
	struct mark *m = ctx;

	(void)id;
	m->packs[copy->number].live_count += mark_is_live(m, copy->ordinal);
}

static enum err_code
begin(struct mark *m, struct err *e)
{
	enum err_code rc = index_verify(m->store, e);

	if (rc != ERR_NONE)
		return rc;
	m->packs_count = index_packs_count(m->store);
	m->packs = calloc(m->packs_count + 1, sizeof(*m->packs));
	m->live = calloc(index_records_count(m->store) / 8 + 1, 1);
	if (m->packs == NULL || m->live == NULL)
		return err_nomem(e);
	return index_scan(m->store, count_record, m, e);
}

enum err_code
mark_run(struct mark *m, const struct roots *roots, struct err *e)
{
	OWNED(marking_fini)
	struct marking mk = {.mark = m, .opened = {.store = m->store}};
	bool changed = true;
	enum err_code rc = begin(m, e);

	for (size_t i = 0; rc == ERR_NONE && i < roots->count; i++)
		rc = reach_all(&mk, roots->ids[i].bytes, 1, NULL, e);
	while (rc == ERR_NONE && changed) {
		rc = walk(&mk, e);
		if (rc == ERR_NONE)
			rc = expand_packs(&mk, &changed, e);
	}
	if (rc == ERR_NONE)
		rc = index_scan(m->store, count_live, m, e);
	return rc == ERR_NONE ? index_was_readable(m->store, e) : rc;
}
