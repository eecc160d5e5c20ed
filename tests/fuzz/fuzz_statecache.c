#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../lib/job/cachefinder.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static const struct id key = {{'k', 'e', 'y'}};

static void
add(struct buf *b, const void *bytes, size_t len_bytes)
{
	struct err e;

	if (buf_add(b, bytes, len_bytes, &e) != ERR_NONE)
		abort();
}

static void
chain(struct id *c, const void *bytes, size_t len_bytes)
{
	struct err e;

	if (cachefile_chain(c, bytes, len_bytes, &e) != ERR_NONE)
		abort();
}

/* Every record of a file of these bytes, and its item. */
static void
walk(const struct buf *file)
{
	struct cachefinder finder = {.look = {.fd = -1}};
	uint8_t stat[CACHE_STAT_BYTES] = {0};
	struct cachelayer l;
	const uint8_t *item;
	size_t item_bytes;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd == -1 ||
	    write(fd, file->bytes, file->len_bytes) != (ssize_t)file->len_bytes)
		abort();
	if (!cachelayer_open(&l, fd, "fuzz", &key))
		return;
	for (cachelayer_first(&l); l.valid; cachelayer_next(&l))
		if (cachelayer_item(&l, &item, &item_bytes) && item_bytes > 0 &&
		    item[0] == item[item_bytes - 1])
			cachelayer_seek(&l, "m", 1);
	cachelayer_restart(&l);
	if (l.valid)
		memcpy(stat, l.stat, sizeof stat);
	if (cachefinder_find(&finder, &l, stat))
		(void)cachelayer_item(&finder.look, &item, &item_bytes);
	stat[0] ^= 1;
	(void)cachefinder_find(&finder, &l, stat);
	cachefinder_forget(&finder);
	cachelayer_fini(&l);
}

/* What the sums cover is right, so that the records are looked at. */
static void
with_sums(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(buf_fini) struct buf file = {0};
	uint8_t header[CACHE_BLOCK_BYTES] = {CACHE_BLOCK};
	uint8_t point[CACHE_POINT_BYTES] = {CACHE_POINT, 's'};
	uint8_t table[CACHE_TABLE_HEAD + CACHE_SLOTS_MIN * CACHE_SLOT_BYTES] = {
	    CACHE_TABLE};
	struct id c = {{0}}, sum;
	struct err e;
	size_t stats_bytes = bytes[1] * 4U;

	add(&file, CACHE_MAGIC, CACHE_MAGIC_BYTES);
	add(&file, key.bytes, ID_BYTES);
	chain(&c, file.bytes, file.len_bytes);
	le_put32(header + 1, bytes[0]);
	bytes += 2;
	len_bytes -= 2;
	if (stats_bytes > len_bytes)
		stats_bytes = len_bytes;
	le_put32(header + 5, (uint32_t)stats_bytes);
	le_put32(header + 9, (uint32_t)(len_bytes - stats_bytes));
	if (hash_sha256(bytes, stats_bytes, &sum, &e) != ERR_NONE)
		abort();
	memcpy(header + 21 + ID_BYTES, sum.bytes, ID_BYTES);
	if (hash_sha256(bytes + stats_bytes, len_bytes - stats_bytes, &sum,
		&e) != ERR_NONE)
		abort();
	memcpy(header + 21 + 2 * ID_BYTES, sum.bytes, ID_BYTES);
	chain(&c, header, sizeof header);
	add(&file, header, sizeof header);
	add(&file, bytes, len_bytes);
	/* Every slot leads to the one block, or near it. */
	le_put32(table + 1, CACHE_SLOTS_MIN);
	for (size_t i = 0; i < CACHE_SLOTS_MIN; i++) {
		uint8_t *slot =
		    table + sizeof table - (i + 1) * CACHE_SLOT_BYTES;

		le_put32(slot + 4, (uint32_t)i / 8);
		le_put64(slot + 8, CACHE_HEAD_BYTES + (i & 1));
	}
	chain(&c, table, CACHE_TABLE_HEAD);
	add(&file, table, sizeof table);
	chain(&c, point, 1 + ID_BYTES);
	memcpy(point + 1 + ID_BYTES, c.bytes, ID_BYTES);
	add(&file, point, sizeof point);
	walk(&file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct buf raw = {.bytes = (uint8_t *)(uintptr_t)bytes,
	    .len_bytes = len_bytes};

	walk(&raw);
	if (len_bytes >= 2)
		with_sums(bytes, len_bytes);
	return 0;
}
