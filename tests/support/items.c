#include "support/items.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/path.h>

uint64_t
items_random(struct items_random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t
items_below(struct items_random *r, uint64_t bound)
{
	return items_random(r) % bound;
}

static void
must(enum err_code rc)
{
	if (rc != ERR_NONE)
		abort();
}

static void
fill(void *bytes, size_t len, struct items_random *r)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)bytes)[i] = (uint8_t)items_random(r);
}

static void
make_pieces(struct content *c, struct items_random *r)
{
	c->is_list = items_below(r, 4) == 0;
	c->pieces_count = c->is_list ? 1 : 1 + items_below(r, 16);
	c->pieces = calloc(CONTENT_PIECES_MAX, sizeof *c->pieces);
	if (c->pieces == NULL)
		abort();
	for (size_t i = 0; i < c->pieces_count; i++) {
		fill(c->pieces[i].id.bytes, ID_BYTES, r);
		c->pieces[i].len_bytes = 257 + items_below(r, 1 << 20);
		c->size_bytes += c->pieces[i].len_bytes;
	}
}

static void
make_file(struct item *it, struct items_random *r, bool with_chunks)
{
	struct content *c = &it->content;
	uint8_t bytes[CONTENT_INLINE_BYTES];
	struct err e;

	if (with_chunks && items_below(r, 2) == 0) {
		make_pieces(c, r);
	} else if (items_below(r, 4) != 0) {
		c->size_bytes = 1 + items_below(r, sizeof bytes);
		fill(bytes, c->size_bytes, r);
		must(buf_add(&c->inlined, bytes, c->size_bytes, &e));
	}
	it->entry.size_bytes = c->size_bytes;
	if (items_below(r, 8) == 0) { /* a hole before it and one behind */
		it->entry.sparse = true;
		it->entry.size_bytes += 8192;
		if (c->size_bytes > 0)
			must(entry_add_extent(&it->entry, 4096, c->size_bytes,
			    &e));
	}
	if (items_below(r, 8) == 0) {
		it->entry.linked = true;
		fill(it->entry.link_group, ENTRY_LINK_BYTES, r);
	}
}

void
items_make(struct item *out, const char *path, struct items_random *r,
    bool with_chunks)
{
	struct entry *n = &out->entry;
	struct err e;

	memset(out, 0, sizeof *out);
	must(entry_set_path(n, path, strlen(path), &e));
	n->type = items_below(r, 2) == 0
	    ? ENTRY_FILE
	    : (enum entry_type)(1 + items_below(r, 7));
	n->mode = (uint32_t)items_below(r, 010000);
	n->uid = (uint32_t)items_below(r, 70000);
	n->gid = (uint32_t)items_below(r, 70000);
	n->mtime_s = (int64_t)items_below(r, 1 << 30) - (1 << 20);
	n->mtime_ns = (uint32_t)items_below(r, 1000000000);
	if (items_below(r, 2) == 0)
		must(entry_set_text(&n->user, "housing", 7,
		    ENTRY_NAME_BYTES_MAX, &e));
	if (items_below(r, 4) == 0)
		n->flags = 0x10;
	if (items_below(r, 4) == 0)
		must(entry_add_xattr(n, "user.comment", "brent", 5, &e));
	if (n->type == ENTRY_SYMLINK)
		must(entry_set_text(&n->target, "../x", 4,
		    ENTRY_TARGET_BYTES_MAX, &e));
	if (n->type == ENTRY_BLOCKDEV || n->type == ENTRY_CHARDEV)
		n->rdev_minor = (uint32_t)items_below(r, 1 << 20);
	if (n->type == ENTRY_FILE)
		make_file(out, r, with_chunks);
}

static int
order(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	return path_compare(x, strlen(x), y, strlen(y));
}

char **
items_paths(size_t count, struct items_random *r)
{
	char **paths = calloc(count, sizeof *paths);
	char name[128];

	if (paths == NULL)
		abort();
	for (size_t i = 0; i < count; i++) {
		/* The counter makes it unique, the rest makes it a tree. */
		snprintf(name, sizeof name, "srv/d%02u/e%u%s/f%c%zu",
		    (unsigned)items_below(r, 20), (unsigned)items_below(r, 9),
		    items_below(r, 2) == 0 ? "-x" : "",
		    (char)('a' + items_below(r, 26)), i);
		paths[i] = strdup(name);
	}
	qsort(paths, count, sizeof *paths, order);
	return paths;
}

void
items_paths_free(char **paths, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(paths[i]);
	free(paths);
}

bool
items_equal(const struct item *a, const struct item *b)
{
	const struct content *x = &a->content, *y = &b->content;

	if (!entry_equal(&a->entry, &b->entry) ||
	    x->size_bytes != y->size_bytes || x->is_list != y->is_list ||
	    x->pieces_count != y->pieces_count ||
	    x->inlined.len_bytes != y->inlined.len_bytes)
		return false;
	if (x->inlined.len_bytes > 0 &&
	    memcmp(x->inlined.bytes, y->inlined.bytes, x->inlined.len_bytes) !=
		0)
		return false;
	for (size_t i = 0; i < x->pieces_count; i++)
		if (!id_equal(&x->pieces[i].id, &y->pieces[i].id) ||
		    x->pieces[i].len_bytes != y->pieces[i].len_bytes)
			return false;
	return true;
}
