#include "cachefile.h"

#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/path.h>

/*
 * The file may be anything: every length is bounded before it is used, and
 * what is not as it should be ends the layer there.
 */

void
cachelayer_fini(struct cachelayer *l)
{
	fdio_close(&l->fd);
	buf_fini(&l->live);
	buf_fini(&l->tables);
	buf_fini(&l->stats);
	buf_fini(&l->items);
	buf_fini(&l->path);
	memset(l, 0, sizeof *l);
	l->fd = -1;
}

/* Exactly len_bytes of the file. */
static bool
take(const struct cachelayer *l, void *bytes, size_t len_bytes, uint64_t at)
{
	struct err e;

	return fdio_pread(l->fd, bytes, len_bytes, at, &e) == ERR_NONE;
}

static bool
take_buf(const struct cachelayer *l, struct buf *to, size_t len_bytes,
    uint64_t at)
{
	uint8_t *bytes;
	struct err e;

	buf_clear(to);
	return buf_extend(to, len_bytes, &bytes, &e) == ERR_NONE &&
	    take(l, bytes, len_bytes, at);
}

static void
take_id(struct le_reader *r, struct id *id)
{
	const uint8_t *bytes = le_take(r, ID_BYTES);

	if (bytes != NULL)
		memcpy(id->bytes, bytes, ID_BYTES);
}

/* --- what vouches --------------------------------------------------------- */

static bool
parse_block(struct cacheblock *b, const uint8_t header[CACHE_BLOCK_BYTES])
{
	struct le_reader r;

	le_init(&r, header + 1, CACHE_BLOCK_BYTES - 1);
	b->records_count = le_take32(&r);
	b->stats_bytes = le_take32(&r);
	b->items_bytes = le_take32(&r);
	b->page_items_count = le_take64(&r);
	take_id(&r, &b->page);
	take_id(&r, &b->stats_sum);
	take_id(&r, &b->items_sum);
	return le_done(&r) && b->records_count > 0 &&
	    b->stats_bytes <= CACHE_STATS_MAX &&
	    b->items_bytes <= CACHE_ITEMS_MAX;
}

/* One block's header at *at; chain and *at move behind the block. */
static bool
see_block(struct cachelayer *l, uint64_t *at, uint64_t file_bytes,
    struct id *chain)
{
	uint8_t header[CACHE_BLOCK_BYTES];
	struct cacheblock b;
	struct err e;

	if (!take(l, header, sizeof header, *at) || !parse_block(&b, header) ||
	    cachefile_chain(chain, header, sizeof header, &e) != ERR_NONE)
		return false;
	*at += sizeof header + b.stats_bytes + b.items_bytes;
	return *at <= file_bytes;
}

/* A checkpoint: if its sum is right, all before it is vouched for. */
static bool
see_point(struct cachelayer *l, uint64_t *at, uint64_t blocks_count,
    const struct id *chain)
{
	uint8_t point[CACHE_POINT_BYTES];
	struct id sum = *chain;
	struct err e;

	if (!take(l, point, sizeof point, *at) ||
	    cachefile_chain(&sum, point, 1 + ID_BYTES, &e) != ERR_NONE ||
	    memcmp(sum.bytes, point + 1 + ID_BYTES, ID_BYTES) != 0)
		return false;
	memcpy(l->snapshot.bytes, point + 1, ID_BYTES);
	l->end_at = *at;
	l->sum = sum;
	l->blocks_count = blocks_count;
	*at += sizeof point;
	return true;
}

static void
see_end(struct cachelayer *l, uint64_t at, uint64_t file_bytes,
    uint64_t blocks_count, const struct id *chain)
{
	OWNED(buf_fini) struct buf end = {0};
	struct id sum = *chain;
	size_t len, live_bytes;
	struct err e;

	if (file_bytes - at < CACHE_END_BYTES + ID_BYTES ||
	    file_bytes - at > CACHE_END_BYTES + ID_BYTES + CACHE_LIVE_MAX)
		return;
	len = (size_t)(file_bytes - at) - ID_BYTES;
	if (!take_buf(l, &end, len + ID_BYTES, at) ||
	    cachefile_chain(&sum, end.bytes, len, &e) != ERR_NONE ||
	    memcmp(sum.bytes, end.bytes + len, ID_BYTES) != 0)
		return;
	live_bytes = le_get32(end.bytes + CACHE_END_BYTES - 4);
	if (live_bytes != len - CACHE_END_BYTES ||
	    buf_add(&l->live, end.bytes + CACHE_END_BYTES, live_bytes, &e) !=
		ERR_NONE)
		return;
	memcpy(l->snapshot.bytes, end.bytes + 9, ID_BYTES);
	memcpy(l->base.bytes, end.bytes + 9 + ID_BYTES, ID_BYTES);
	l->sum = sum;
	l->end_at = at;
	l->blocks_count = blocks_count;
	l->ended = true;
}

/* A table: *at moves behind it. */
static bool
see_table(struct cachelayer *l, uint64_t *at, uint64_t file_bytes,
    struct id *chain)
{
	uint8_t head[CACHE_TABLE_HEAD];
	struct cachetable t;
	struct err e;

	if (!take(l, head, sizeof head, *at))
		return false;
	memset(&t, 0, sizeof t);
	t.at = *at + sizeof head;
	t.slots_count = le_get32(head + 1);
	if (t.slots_count < CACHE_SLOTS_MIN ||
	    t.slots_count > CACHE_SLOTS_MAX ||
	    (t.slots_count & (t.slots_count - 1)) != 0 ||
	    cachefile_chain(chain, head, sizeof head, &e) != ERR_NONE)
		return false;
	*at = t.at + (uint64_t)t.slots_count * CACHE_SLOT_BYTES;
	return *at <= file_bytes &&
	    buf_add(&l->tables, &t, sizeof t, &e) == ERR_NONE;
}

static bool
see_all(struct cachelayer *l, const struct id *key)
{
	uint8_t head[CACHE_HEAD_BYTES], tag;
	struct id chain = {{0}};
	uint64_t at = sizeof head, blocks_count = 0, file_bytes;
	struct stat st;
	struct err e;

	if (fstat(l->fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    !take(l, head, sizeof head, 0) ||
	    memcmp(head, CACHE_MAGIC, CACHE_MAGIC_BYTES) != 0 ||
	    memcmp(head + CACHE_MAGIC_BYTES, key->bytes, ID_BYTES) != 0 ||
	    cachefile_chain(&chain, head, sizeof head, &e) != ERR_NONE)
		return false;
	file_bytes = (uint64_t)st.st_size;
	/* By our own clock: who knows by which another's wrote it? */
	l->written_s = fdio_is_remote(l->fd) ? INT64_MAX : st.st_mtim.tv_sec;
	while (take(l, &tag, 1, at)) {
		if (tag == CACHE_BLOCK) {
			if (!see_block(l, &at, file_bytes, &chain))
				break;
			blocks_count++;
		} else if (tag == CACHE_TABLE) {
			if (!see_table(l, &at, file_bytes, &chain))
				break;
		} else if (tag == CACHE_POINT) {
			if (!see_point(l, &at, blocks_count, &chain))
				break;
		} else {
			if (tag == CACHE_END)
				see_end(l, at, file_bytes, blocks_count,
				    &chain);
			break;
		}
	}
	return l->end_at > 0;
}

bool
cachelayer_open(struct cachelayer *l, int fd, const char *name,
    const struct id *key)
{
	memset(l, 0, sizeof *l);
	l->fd = fd;
	snprintf(l->name, sizeof l->name, "%s", name);
	if (see_all(l, key))
		return true;
	cachelayer_fini(l);
	return false;
}

/* --- records -------------------------------------------------------------- */

/* The next record of the block that is read. */
static bool
take_record(struct cachelayer *l)
{
	struct le_reader *r = &l->reader;
	uint64_t shared = le_take_varint(r), rest = le_take_varint(r);
	const uint8_t *suffix = le_take(r, rest);
	struct err e;

	l->item_at += l->item_bytes;
	l->stat = le_take(r, CACHE_STAT_BYTES);
	l->item_bytes = le_take_varint(r);
	if (r->bad || shared > l->path.len_bytes ||
	    rest > PATH_BYTES_MAX - shared ||
	    l->item_bytes > l->block.items_bytes - l->item_at)
		return false;
	l->path.len_bytes = shared;
	return buf_add(&l->path, suffix, rest, &e) == ERR_NONE;
}

void
cachelayer_restart(struct cachelayer *l)
{
	le_init(&l->reader, l->stats.bytes, l->stats.len_bytes);
	l->index = 0;
	l->item_at = l->item_bytes = 0;
	buf_clear(&l->path);
	l->valid = take_record(l);
}

static bool
is_sum(const struct buf *bytes, const struct id *sum)
{
	struct id is;
	struct err e;

	return hash_sha256(bytes->bytes, bytes->len_bytes, &is, &e) ==
	    ERR_NONE &&
	    id_equal(&is, sum);
}

/* The block at next_at becomes the current one. */
static bool
enter_block(struct cachelayer *l)
{
	uint8_t header[CACHE_BLOCK_BYTES];

	l->block_at = l->next_at;
	l->items_known = false;
	/* see_all has looked at every header; the file may have changed. */
	if (!take(l, header, sizeof header, l->block_at) ||
	    header[0] != CACHE_BLOCK || !parse_block(&l->block, header))
		return false;
	l->next_at = l->block_at + sizeof header + l->block.stats_bytes +
	    l->block.items_bytes;
	return l->next_at <= l->end_at;
}

static bool
read_block(struct cachelayer *l)
{
	if (!take_buf(l, &l->stats, l->block.stats_bytes,
		l->block_at + CACHE_BLOCK_BYTES) ||
	    !is_sum(&l->stats, &l->block.stats_sum))
		return false;
	cachelayer_restart(l);
	return l->valid;
}

bool
cachelayer_enter(struct cachelayer *l, uint64_t block_at)
{
	if (l->valid && l->block_at == block_at) {
		cachelayer_restart(l);
		return l->valid;
	}
	l->valid = false;
	l->next_at = block_at;
	return block_at >= CACHE_HEAD_BYTES && block_at < l->end_at &&
	    enter_block(l) && read_block(l);
}

/* What is not a block is passed over; false: there is nothing at next_at. */
static bool
pass(struct cachelayer *l, bool *is_block)
{
	uint8_t head[CACHE_TABLE_HEAD];

	if (!take(l, head, 1, l->next_at))
		return false;
	*is_block = head[0] != CACHE_POINT && head[0] != CACHE_TABLE;
	if (head[0] == CACHE_POINT)
		l->next_at += CACHE_POINT_BYTES;
	if (head[0] != CACHE_TABLE)
		return true;
	if (!take(l, head, sizeof head, l->next_at))
		return false;
	l->next_at +=
	    sizeof head + (uint64_t)le_get32(head + 1) * CACHE_SLOT_BYTES;
	return true;
}

void
cachelayer_next_block(struct cachelayer *l)
{
	bool is_block;

	l->valid = false;
	while (l->next_at < l->end_at) {
		if (!pass(l, &is_block))
			return;
		if (!is_block)
			continue;
		if (!enter_block(l))
			return;
		l->ordinal++;
		if (l->only != NULL && !cachefile_bit(l->only, l->ordinal))
			continue;
		(void)read_block(l);
		return;
	}
}

void
cachelayer_first(struct cachelayer *l)
{
	l->next_at = CACHE_HEAD_BYTES;
	l->ordinal = UINT64_MAX;
	cachelayer_next_block(l);
}

void
cachelayer_next(struct cachelayer *l)
{
	if (!l->valid)
		return;
	if (l->index + 1 == l->block.records_count) {
		cachelayer_next_block(l);
		return;
	}
	l->index++;
	l->valid = take_record(l);
}

void
cachelayer_seek(struct cachelayer *l, const char *path, size_t len_bytes)
{
	while (l->valid &&
	    path_compare((const char *)l->path.bytes, l->path.len_bytes, path,
		len_bytes) < 0)
		cachelayer_next(l);
}

bool
cachelayer_item(struct cachelayer *l, const uint8_t **encoded,
    size_t *len_bytes)
{
	if (!l->items_known &&
	    (!take_buf(l, &l->items, l->block.items_bytes,
		 l->block_at + CACHE_BLOCK_BYTES + l->block.stats_bytes) ||
		!is_sum(&l->items, &l->block.items_sum)))
		return false;
	l->items_known = true;
	*encoded = l->items.bytes + l->item_at;
	*len_bytes = l->item_bytes;
	return true;
}
