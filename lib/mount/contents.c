#include "contents.h"

#include <string.h>

enum err_code
contents_init(struct contents *c, struct numbered *tree, struct err *e)
{
	c->tree = tree;
	return reader_new(&c->reader, tree->store, e);
}

void
contents_fini(struct contents *c)
{
	reader_free(&c->reader);
	for (size_t i = 0; i < CONTENTS_KEPT; i++)
		item_fini(&c->kept[i].item);
}

/* --- which of those that are kept ------------------------------------------- */

static enum err_code
load(struct contents *c, struct contents_file *f, uint64_t number,
    struct err *e)
{
	const struct item *it;
	enum err_code rc = numbered_get(c->tree, number, &it, e);

	item_fini(&f->item);
	*f = (struct contents_file){.used = f->used};
	if (rc != ERR_NONE)
		return rc;
	if (it == NULL || it->entry.type != ENTRY_FILE)
		return err_set(e, ERR_INPUT, "not a file");
	rc = entry_copy(&f->item.entry, &it->entry, e);
	if (rc == ERR_NONE)
		rc = content_copy(&f->item.content, &it->content, e);
	if (rc == ERR_NONE)
		f->number = number;
	return rc;
}

enum err_code
contents_find(struct contents *c, uint64_t number, struct contents_file **out,
    struct err *e)
{
	struct contents_file *f = &c->kept[0];

	for (size_t i = 0; i < CONTENTS_KEPT && f->number != number; i++)
		if (c->kept[i].number == number || c->kept[i].used < f->used)
			f = &c->kept[i];
	f->used = ++c->clock;
	*out = f;
	return f->number == number ? ERR_NONE : load(c, f, number, e);
}

/* --- reading ---------------------------------------------------------------- */

/* So much of the content is wanted, and where it goes. */
struct wanted {
	struct reader *reader;
	struct content_range range;
	uint8_t *to;
};

static void
take(struct wanted *w, const uint8_t *bytes, size_t len_bytes, uint64_t offset)
{
	uint64_t low =
	    offset > w->range.offset_bytes ? offset : w->range.offset_bytes;
	uint64_t high = offset + len_bytes;
	uint64_t end = w->range.offset_bytes + w->range.len_bytes;

	high = high < end ? high : end;
	if (low < high)
		memcpy(w->to + (low - w->range.offset_bytes),
		    bytes + (low - offset), (size_t)(high - low));
}

static enum err_code
on_piece(void *ctx, const struct content_piece *piece, uint64_t offset,
    struct err *e)
{
	struct wanted *w = ctx;
	const uint8_t *bytes;
	size_t len_bytes;
	enum err_code rc =
	    reader_get(w->reader, &piece->id, &bytes, &len_bytes, e);

	if (rc == ERR_NONE && len_bytes != piece->len_bytes)
		rc = err_set(e, ERR_CORRUPT, "a chunk is not as long as said");
	if (rc == ERR_NONE)
		take(w, bytes, len_bytes, offset);
	return rc;
}

static enum err_code
read_content(struct wanted *w, struct store *st, const struct content *from,
    struct err *e)
{
	if (from->pieces_count > 0)
		return content_each_in(st, from, &w->range, on_piece, w, e);
	if (from->inlined.len_bytes > 0)
		take(w, from->inlined.bytes, from->inlined.len_bytes, 0);
	return ERR_NONE;
}

/* f->extent is the first that does not end before the offset. */
static void
go_to_extent(struct contents_file *f, uint64_t offset)
{
	const struct entry *entry = &f->item.entry;
	const struct entry_extent *x = entry->extents;

	if (f->extent > 0 &&
	    x[f->extent - 1].offset_bytes + x[f->extent - 1].len_bytes > offset)
		f->before_bytes = f->extent = 0;
	while (f->extent < entry->extent_count &&
	    x[f->extent].offset_bytes + x[f->extent].len_bytes <= offset)
		f->before_bytes += x[f->extent++].len_bytes;
}

/* The parts of extents that lie within the range: the rest is holes. */
static enum err_code
read_sparse(struct contents *c, struct contents_file *f,
    const struct content_range *in, uint8_t *to, struct err *e)
{
	const struct entry *entry = &f->item.entry;
	uint64_t before, end = in->offset_bytes + in->len_bytes;
	enum err_code rc = ERR_NONE;

	go_to_extent(f, in->offset_bytes);
	before = f->before_bytes;
	for (size_t i = f->extent; rc == ERR_NONE && i < entry->extent_count &&
	     entry->extents[i].offset_bytes < end;
	     i++) {
		const struct entry_extent *x = &entry->extents[i];
		uint64_t low = x->offset_bytes > in->offset_bytes
		    ? x->offset_bytes
		    : in->offset_bytes;
		uint64_t high = x->offset_bytes + x->len_bytes;
		struct wanted w = {.reader = c->reader};

		high = high < end ? high : end;
		w.range.offset_bytes = before + (low - x->offset_bytes);
		w.range.len_bytes = high - low;
		w.to = to + (low - in->offset_bytes);
		rc = read_content(&w, c->tree->store, &f->item.content, e);
		before += x->len_bytes;
	}
	return rc;
}

enum err_code
contents_read(struct contents *c, struct contents_file *f,
    const struct content_range *range, uint8_t *to, size_t *got, struct err *e)
{
	struct content_range in = *range;
	struct wanted w = {.reader = c->reader, .to = to};
	uint64_t size = f->item.entry.size_bytes;

	*got = 0;
	if (in.offset_bytes >= size)
		return ERR_NONE;
	if (in.len_bytes > size - in.offset_bytes)
		in.len_bytes = size - in.offset_bytes;
	*got = (size_t)in.len_bytes;
	memset(to, 0, *got);
	w.range = in;
	return f->item.entry.sparse
	    ? read_sparse(c, f, &in, to, e)
	    : read_content(&w, c->tree->store, &f->item.content, e);
}

/* --- holes ------------------------------------------------------------------ */

/* The first extent that ends behind the offset; NULL: none. */
static const struct entry_extent *
extent_at(const struct entry *entry, uint64_t from)
{
	size_t low = 0, high = entry->extent_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct entry_extent *x = &entry->extents[mid];

		if (x->offset_bytes + x->len_bytes > from)
			high = mid;
		else
			low = mid + 1;
	}
	return low < entry->extent_count ? &entry->extents[low] : NULL;
}

uint64_t
contents_data_from(const struct contents_file *f, uint64_t from)
{
	const struct entry *entry = &f->item.entry;
	const struct entry_extent *x = extent_at(entry, from);

	if (!entry->sparse)
		return from;
	if (x == NULL)
		return entry->size_bytes;
	return from > x->offset_bytes ? from : x->offset_bytes;
}

uint64_t
contents_hole_from(const struct contents_file *f, uint64_t from)
{
	const struct entry *entry = &f->item.entry;
	const struct entry_extent *x = extent_at(entry, from);

	if (!entry->sparse)
		return entry->size_bytes;
	return x == NULL || from < x->offset_bytes
	    ? from
	    : x->offset_bytes + x->len_bytes;
}
