#include "idset.h"
#include "parts.h"
#include "trees.h"

#include <bascule/crypt.h>

/*
 * F1. A page that was walked to its end with nothing wanted in it has nothing
 *     wanted in any tree: it is passed over wherever it is met again.
 * F2. Of a page that has, only what was not given before is given again, under
 *     a name made of its path and all that its cell says.
 */

/* A page that is being walked, and what had been found when it was entered. */
struct open_page {
	struct id id;
	unsigned level;
	uint64_t found_count;
};

struct treefind {
	struct store *store;
	struct treefind_options opt;
	char *path;
	struct idset barren, given;
	struct open_page open[PAGE_LEVEL_MAX + 1];
	size_t open_count;
	uint64_t found_count;
	struct hash *naming;
};

void
treefind_free(struct treefind **fp)
{
	struct treefind *f = TAKE(*fp);

	if (f == NULL)
		return;
	idset_fini(&f->barren);
	idset_fini(&f->given);
	hash_free(&f->naming);
	free(f->path);
	free(f);
}

enum err_code
treefind_new(struct treefind **out, struct store *st,
    const struct treefind_options *opt, struct err *e)
{
	OWNED(treefind_free) struct treefind *f = calloc(1, sizeof *f);

	*out = NULL;
	if (f == NULL || (f->path = strdup(opt->path)) == NULL)
		return err_nomem(e);
	f->store = st;
	f->opt = *opt;
	if (hash_begin(&f->naming, e) != ERR_NONE)
		return e->code;
	*out = TAKE(f);
	return ERR_NONE;
}

/* Pages below this level end where another page or nothing begins. */
static enum err_code
pages_end(struct treefind *f, unsigned level, struct err *e)
{
	bool added;

	while (f->open_count > 0) {
		struct open_page *p = &f->open[f->open_count - 1];

		if (p->level > level)
			return ERR_NONE;
		if (p->found_count == f->found_count &&
		    idset_add(&f->barren, &p->id, &added, e) != ERR_NONE)
			return e->code;
		f->open_count--;
	}
	return ERR_NONE;
}

static enum err_code
page_met(struct treefind *f, struct cursor *c, const struct cursor_at *at,
    struct err *e)
{
	enum err_code rc = pages_end(f, at->level, e);

	if (rc != ERR_NONE || idset_has(&f->barren, &at->page))
		return rc;
	ASSERT(f->open_count < COUNT_OF(f->open));
	f->open[f->open_count++] =
	    (struct open_page){at->page, at->level, f->found_count};
	return cursor_enter(c, e);
}

/* Was just this item given before? */
static enum err_code
is_new(struct treefind *f, const struct cell *cell, bool *fresh, struct err *e)
{
	struct id name;

	*fresh = true;
	if (f->opt.every)
		return ERR_NONE;
	hash_add(f->naming, &cell->path_bytes, sizeof cell->path_bytes);
	hash_add(f->naming, cell->path, cell->path_bytes);
	hash_add(f->naming, &cell->refs_count, sizeof cell->refs_count);
	hash_add(f->naming, cell->refs, cell->refs_count * ID_BYTES);
	hash_add(f->naming, cell->core, cell->core_bytes);
	hash_end(f->naming, &name);
	return idset_add(&f->given, &name, fresh, e);
}

static enum err_code
item_met(struct treefind *f, struct cursor *c, const struct cursor_at *at,
    struct err *e)
{
	const struct item *it;
	enum err_code rc;
	bool fresh;

	if (!f->opt.is_wanted(f->opt.ctx, at->path, at->path_bytes))
		return ERR_NONE;
	f->found_count++;
	rc = is_new(f, cursor_cell(c), &fresh, e);
	if (rc != ERR_NONE || !fresh)
		return rc;
	rc = cursor_item(c, &it, e);
	return rc == ERR_NONE ? f->opt.found(f->opt.ctx, it, e) : rc;
}

enum err_code
treefind_run(struct treefind *f, const struct id *root, struct err *e)
{
	OWNED(cursor_close) struct cursor *c = NULL;
	struct cursor_at at;
	enum err_code rc;

	f->open_count = 0;
	rc = cursor_open(&c, f->store, root, f->path, strlen(f->path), e);
	if (rc == ERR_NONE)
		rc = cursor_seek(c, f->path, strlen(f->path), e);
	while (rc == ERR_NONE && (rc = cursor_step(c, &at, e)) == ERR_NONE &&
	    at.kind != CURSOR_END)
		rc = at.kind == CURSOR_PAGE ? page_met(f, c, &at, e)
					    : item_met(f, c, &at, e);
	return rc == ERR_NONE ? pages_end(f, PAGE_LEVEL_MAX, e) : rc;
}
