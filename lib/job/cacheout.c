#include "cachefile.h"

#include "cachefinder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define FLUSH_BYTES ((size_t)256 << 10)
#define PARTS_MAX   8 /* statecache.h */

/* --- making and ending ---------------------------------------------------- */

/* Held as long as it is written: what nobody holds is swept. */
static bool
lock(int fd)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &fl) == 0;
}

enum err_code
cacheout_begin(struct cacheout *co, int dirfd, const char *name,
    const struct id *key, struct err *e)
{
	static const struct id none;
	enum err_code rc;

	memset(co, 0, sizeof *co);
	co->dirfd = dirfd;
	co->fd = -1;
	for (unsigned i = 0; co->fd == -1; i++) {
		snprintf(co->name, sizeof co->name, ".%s.%ld.%u.tmp", name,
		    (long)getpid(), i);
		co->fd = openat(dirfd, co->name,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (co->fd == -1 && errno != EEXIST) {
			co->name[0] = '\0';
			return err_sys(e, "cannot create a state cache");
		}
	}
	(void)lock(co->fd); /* a file system without locks: never swept */
	co->chain = none;
	co->clean = true;
	co->bytes = CACHE_HEAD_BYTES;
	rc = buf_add(&co->out, CACHE_MAGIC, CACHE_MAGIC_BYTES, e);
	if (rc == ERR_NONE)
		rc = buf_add(&co->out, key->bytes, ID_BYTES, e);
	return rc == ERR_NONE
	    ? cachefile_chain(&co->chain, co->out.bytes, CACHE_HEAD_BYTES, e)
	    : rc;
}

void
cacheout_fini(struct cacheout *co)
{
	if (co->fd != -1 && co->name[0] != '\0')
		unlinkat(co->dirfd, co->name, 0);
	fdio_close(&co->fd);
	buf_fini(&co->out);
	buf_fini(&co->stats);
	buf_fini(&co->items);
	buf_fini(&co->last_path);
	cachefinder_table_fini(&co->finder);
}

static enum err_code
flush(struct cacheout *co, struct err *e)
{
	enum err_code rc =
	    fdio_write(co->fd, co->out.bytes, co->out.len_bytes, e);

	buf_clear(&co->out);
	return rc;
}

/* Bytes of a record that the chain goes over, or not. */
static enum err_code
put(struct cacheout *co, const void *bytes, size_t len_bytes, struct err *e)
{
	enum err_code rc = buf_add(&co->out, bytes, len_bytes, e);

	co->bytes += len_bytes;
	if (rc == ERR_NONE && co->out.len_bytes >= FLUSH_BYTES)
		rc = flush(co, e);
	return rc;
}

/* --- tables --------------------------------------------------------------- */

static enum err_code
put_table(struct cacheout *co, struct err *e)
{
	OWNED(buf_fini) struct buf slots = {0};
	uint8_t head[CACHE_TABLE_HEAD] = {CACHE_TABLE};
	enum err_code rc;

	if (co->finder.count == 0)
		return ERR_NONE;
	rc = cachefinder_table_take(&co->finder, &slots, e);
	le_put32(head + 1, (uint32_t)(slots.len_bytes / CACHE_SLOT_BYTES));
	if (rc == ERR_NONE)
		rc = cachefile_chain(&co->chain, head, sizeof head, e);
	if (rc == ERR_NONE)
		rc = put(co, head, sizeof head, e);
	return rc == ERR_NONE ? put(co, slots.bytes, slots.len_bytes, e) : rc;
}

/*
 * A file that is empty is not worth it; one that is too young has all its bits
 * turned over, which makes no device's number.
 */
static bool
is_findable(const uint8_t stat[CACHE_STAT_BYTES])
{
	return le_get64(stat + 16) != 0 && le_get64(stat) >> 63 == 0;
}

/* The block's files, so that they are found when they have moved. */
static enum err_code
note_files(struct cacheout *co, const struct cacheblock *b,
    const struct buf *stats, uint64_t block_at, uint64_t ordinal, struct err *e)
{
	struct le_reader r;
	enum err_code rc = ERR_NONE;

	le_init(&r, stats->bytes, stats->len_bytes);
	for (uint32_t i = 0; i < b->records_count && rc == ERR_NONE; i++) {
		const uint8_t *stat;

		(void)le_take_varint(&r);
		(void)le_take(&r, le_take_varint(&r));
		stat = le_take(&r, CACHE_STAT_BYTES);
		(void)le_take_varint(&r);
		if (r.bad || ordinal > UINT32_MAX)
			return ERR_NONE;
		if (!is_findable(stat))
			continue;
		if (cachefinder_table_is_full(&co->finder))
			rc = put_table(co, e);
		if (rc == ERR_NONE)
			rc = cachefinder_table_add(&co->finder, stat, block_at,
			    (uint32_t)ordinal, e);
	}
	return rc;
}

/* --- blocks --------------------------------------------------------------- */

static enum err_code
put_block(struct cacheout *co, const struct cacheblock *b,
    const struct buf *stats, const struct buf *items, struct err *e)
{
	uint8_t header[CACHE_BLOCK_BYTES] = {CACHE_BLOCK};
	uint64_t at = co->bytes, ordinal = co->blocks_count;
	enum err_code rc;

	le_put32(header + 1, b->records_count);
	le_put32(header + 5, b->stats_bytes);
	le_put32(header + 9, b->items_bytes);
	le_put64(header + 13, b->page_items_count);
	memcpy(header + 21, b->page.bytes, ID_BYTES);
	memcpy(header + 21 + ID_BYTES, b->stats_sum.bytes, ID_BYTES);
	memcpy(header + 21 + 2 * ID_BYTES, b->items_sum.bytes, ID_BYTES);
	rc = cachefile_chain(&co->chain, header, sizeof header, e);
	if (rc == ERR_NONE)
		rc = put(co, header, sizeof header, e);
	if (rc == ERR_NONE)
		rc = put(co, stats->bytes, stats->len_bytes, e);
	if (rc == ERR_NONE)
		rc = put(co, items->bytes, items->len_bytes, e);
	co->records_count += b->records_count;
	co->blocks_count++;
	return rc == ERR_NONE ? note_files(co, b, stats, at, ordinal, e) : rc;
}

static enum err_code
end_block(struct cacheout *co, const struct id *page, uint64_t items_count,
    struct err *e)
{
	struct cacheblock b = {.records_count = co->count,
	    .stats_bytes = (uint32_t)co->stats.len_bytes,
	    .items_bytes = (uint32_t)co->items.len_bytes};
	enum err_code rc;

	if (co->count == 0)
		return ERR_NONE;
	if (page != NULL && co->clean && !co->young &&
	    items_count == co->count) {
		b.page = *page;
		b.page_items_count = items_count;
	}
	rc = hash_sha256(co->stats.bytes, co->stats.len_bytes, &b.stats_sum, e);
	if (rc == ERR_NONE)
		rc = hash_sha256(co->items.bytes, co->items.len_bytes,
		    &b.items_sum, e);
	if (rc == ERR_NONE)
		rc = put_block(co, &b, &co->stats, &co->items, e);
	buf_clear(&co->stats);
	buf_clear(&co->items);
	buf_clear(&co->last_path);
	co->count = 0;
	co->clean = co->young = false;
	return rc;
}

enum err_code
cacheout_between(struct cacheout *co, const struct id *page,
    uint64_t items_count, struct err *e)
{
	enum err_code rc = end_block(co, page, items_count, e);

	co->clean = true;
	return rc;
}

static enum err_code
add_stat(struct cacheout *co, const struct cacherecord *r, size_t shared,
    struct err *e)
{
	const uint8_t turned = r->young ? 0xff : 0;
	struct buf *b = &co->stats;
	uint8_t *at;
	enum err_code rc = le_add_varint(b, shared, e);

	if (rc == ERR_NONE)
		rc = le_add_varint(b, r->path_bytes - shared, e);
	if (rc == ERR_NONE)
		rc = buf_add(b, r->path + shared, r->path_bytes - shared, e);
	if (rc == ERR_NONE)
		rc = buf_extend(b, CACHE_STAT_BYTES, &at, e);
	for (size_t i = 0; rc == ERR_NONE && i < CACHE_STAT_BYTES; i++)
		at[i] = r->stat[i] ^ turned;
	co->young |= r->young;
	return rc == ERR_NONE ? le_add_varint(b, r->encoded_bytes, e) : rc;
}

enum err_code
cacheout_add(struct cacheout *co, const struct cacherecord *r, struct err *e)
{
	struct buf *last = &co->last_path;
	size_t shared = 0;
	enum err_code rc;

	while (shared < r->path_bytes && shared < last->len_bytes &&
	    r->path[shared] == (char)last->bytes[shared])
		shared++;
	rc = add_stat(co, r, shared, e);
	if (rc == ERR_NONE)
		rc = buf_add(&co->items, r->encoded, r->encoded_bytes, e);
	last->len_bytes = shared;
	if (rc == ERR_NONE)
		rc = buf_add(last, r->path + shared, r->path_bytes - shared, e);
	co->count++;
	if (rc == ERR_NONE &&
	    co->stats.len_bytes + co->items.len_bytes >= CACHE_BLOCK_TARGET)
		rc = end_block(co, NULL, 0, e);
	return rc;
}

enum err_code
cacheout_copy(struct cacheout *co, struct cachelayer *l, struct err *e)
{
	const uint8_t *encoded;
	size_t len_bytes;

	ASSERT(co->count == 0 && co->clean);
	if (!cachelayer_item(l, &encoded, &len_bytes))
		return ERR_NONE; /* damaged: these are read again next time */
	return put_block(co, &l->block, &l->stats, &l->items, e);
}

/* --- what vouches --------------------------------------------------------- */

/* The first checkpoint gives the file the name of a part. */
static enum err_code
name_part(struct cacheout *co, struct err *e)
{
	const char *dot = strchr(co->name + 1, '.');
	char name[CACHE_NAME_BYTES];

	if (co->name[0] != '.')
		return ERR_NONE;
	for (int i = 0; i < PARTS_MAX; i++) {
		snprintf(name, sizeof name, "%.*s.p%d",
		    (int)(dot - co->name - 1), co->name + 1, i);
		if (renameat2(co->dirfd, co->name, co->dirfd, name,
			RENAME_NOREPLACE) == 0) {
			memcpy(co->name, name, sizeof name);
			if (fsync(co->dirfd) != 0)
				return err_sys(e,
				    "cannot flush the state cache's directory");
			return ERR_NONE;
		}
		if (errno != EEXIST)
			break;
	}
	return err_sys(e, "cannot name a part of the state cache");
}

enum err_code
cacheout_checkpoint(struct cacheout *co, const struct id *snapshot,
    struct err *e)
{
	uint8_t point[CACHE_POINT_BYTES] = {CACHE_POINT};
	bool clean = co->clean && co->count == 0;
	struct id sum;
	enum err_code rc = end_block(co, NULL, 0, e);

	if (rc == ERR_NONE)
		rc = put_table(co, e);
	co->clean = clean;
	sum = co->chain;
	memcpy(point + 1, snapshot->bytes, ID_BYTES);
	if (rc == ERR_NONE)
		rc = cachefile_chain(&sum, point, 1 + ID_BYTES, e);
	memcpy(point + 1 + ID_BYTES, sum.bytes, ID_BYTES);
	if (rc == ERR_NONE)
		rc = put(co, point, sizeof point, e);
	if (rc == ERR_NONE)
		rc = flush(co, e);
	if (rc == ERR_NONE && fdatasync(co->fd) != 0)
		rc = err_sys(e, "cannot flush the state cache");
	return rc == ERR_NONE ? name_part(co, e) : rc;
}

enum err_code
cacheout_end(struct cacheout *co, const struct id *snapshot,
    const struct id *base, const struct buf *live, struct err *e)
{
	OWNED(buf_fini) struct buf end = {0};
	static const struct id none;
	struct id sum;
	enum err_code rc = end_block(co, NULL, 0, e);

	if (rc == ERR_NONE)
		rc = put_table(co, e);
	sum = co->chain;
	if (rc == ERR_NONE)
		rc = buf_add_byte(&end, CACHE_END, e);
	if (rc == ERR_NONE)
		rc = le_add64(&end, co->records_count, e);
	if (rc == ERR_NONE)
		rc = buf_add(&end, snapshot->bytes, ID_BYTES, e);
	if (rc == ERR_NONE)
		rc = buf_add(&end, (base != NULL ? base : &none)->bytes,
		    ID_BYTES, e);
	if (rc == ERR_NONE)
		rc = base != NULL
		    ? le_add_bytes(&end, live->bytes, live->len_bytes, e)
		    : le_add32(&end, 0, e);
	if (rc == ERR_NONE)
		rc = cachefile_chain(&sum, end.bytes, end.len_bytes, e);
	if (rc == ERR_NONE)
		rc = buf_add(&end, sum.bytes, ID_BYTES, e);
	if (rc == ERR_NONE)
		rc = put(co, end.bytes, end.len_bytes, e);
	return rc == ERR_NONE ? flush(co, e) : rc;
}

enum err_code
cacheout_publish(struct cacheout *co, const char *name, struct err *e)
{
	if (fdatasync(co->fd) != 0)
		return err_sys(e, "cannot flush the state cache");
	if (renameat(co->dirfd, co->name, co->dirfd, name) != 0)
		return err_sys(e, "cannot publish the state cache");
	co->name[0] = '\0';
	if (fsync(co->dirfd) != 0)
		return err_sys(e, "cannot flush the state cache's directory");
	return ERR_NONE;
}
