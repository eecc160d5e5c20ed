/* A page or chunk list: one byte of how many refs, the refs, the body. */
#include <string.h>

#include <bascule/base/path.h>

#include "../../lib/store/trees.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static void
page(const struct buf *body, const struct buf *refs)
{
	OWNED(page_reader_fini) struct page_reader pr = {0};
	OWNED(item_fini) struct item it = {0};
	OWNED(buf_fini) struct buf last = {0};
	struct item_spilled spill;
	uint64_t count = 0, below;
	struct cell cell;
	struct err e = {0};
	bool more;

	if (page_reader_begin(&pr, body, refs, &e) != ERR_NONE)
		return;
	while (page_reader_next(&pr, &cell, &more, &e) == ERR_NONE && more) {
		struct item_view v = {cell.refs, cell.refs_count, cell.core,
		    cell.core_bytes};

		ASSERT(path_is_valid(cell.path, cell.path_bytes));
		ASSERT(count == 0 ||
		    path_compare((char *)last.bytes, last.len_bytes, cell.path,
			cell.path_bytes) < 0);
		buf_clear(&last);
		ASSERT(buf_reserve(&last, cell.path_bytes + 1, &e) == ERR_NONE);
		ASSERT(
		    buf_add(&last, cell.path, cell.path_bytes, &e) == ERR_NONE);
		if (pr.level > 0)
			(void)!page_child_count(&cell, &below, &e);
		else if (item_decode_view(&it, &v, &spill, &e) == ERR_NONE)
			(void)!item_decode_done(&it, &e);
		count++;
	}
	ASSERT(count <= pr.cells_count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	static struct clist list;
	struct buf body = {0}, refs = {0};
	struct err e = {0};
	size_t refs_bytes;

	if (len_bytes == 0 || (size_t)bytes[0] * ID_BYTES > len_bytes - 1)
		return 0;
	refs_bytes = (size_t)bytes[0] * ID_BYTES;
	refs.bytes = (uint8_t *)(uintptr_t)bytes + 1;
	refs.len_bytes = refs_bytes;
	body.bytes = refs.bytes + refs_bytes;
	body.len_bytes = len_bytes - 1 - refs_bytes;
	(void)!page_check_refs(&refs, &e);
	page(&body, &refs);
	if (clist_decode(&list, &body, &refs, &e) == ERR_NONE)
		ASSERT(list.count >= 1 && list.count <= CLIST_CHILDREN_MAX);
	return 0;
}
