#ifndef STORE_MARK_H
#define STORE_MARK_H

/*
 * A mark: which index records can be reached, without a key, by the clear
 * lists of pages and chunk lists (docs/format/repository.md, "What is
 * collected, and when").
 *
 * K1. It is complete or it fails: what it reads is checked against the frame's
 *     hash, the index against its names, and what is missing is ERR_CORRUPT.
 * K2. Each page is read once, a wave of them at a time in the order of packs.
 * K3. Memory: a few bits a record, a few words a pack, the pages of a wave.
 */

#include "pack.h"
#include "roots.h"

/* Of one pack, by its number. */
struct mark_pack {
	uint32_t records_count, live_count;
	uint32_t twice_count;  /* of live ones: another pack has them, too */
	uint32_t frames_count; /* at least: by the records */
	bool used;             /* something in it is reached */
	bool deltas;           /* it has frames with bases */
	bool expanded;         /* their bases were reached from here */
};

struct mark {
	struct store *store; /* borrowed; not to be refreshed meanwhile */
	uint8_t *live;       /* a bit a record, by ordinal */
	struct mark_pack *packs;
	size_t packs_count;
	bool (*on_progress)(void *ctx, uint64_t done_bytes);
	void *ctx;
	uint64_t read_bytes;
};

void mark_fini(struct mark *m);
/* m->store and on_progress are set.  ERR_CORRUPT, ERR_CANCELLED. */
enum err_code mark_run(struct mark *m, const struct roots *roots,
    struct err *e) MUST_CHECK;
bool mark_is_live(const struct mark *m, uint64_t ordinal);

/*
 * Calls fn for each base of each frame of the pack: depth is the frame's, so
 * only copies of lower depth serve it.
 */
typedef enum err_code mark_base_fn(void *ctx, const struct id *base,
    uint8_t depth, struct err *e);
enum err_code mark_bases(struct store *st, uint32_t number, mark_base_fn *fn,
    void *ctx, struct err *e) MUST_CHECK;

/* The packs of the index, open one at a time. */
struct mark_opened {
	struct store *store;
	bool open;
	uint32_t number;
	struct pack pack;
	struct pack_footer footer;
};
void mark_opened_fini(struct mark_opened *o);
enum err_code mark_open(struct mark_opened *o, uint32_t number,
    struct err *e) MUST_CHECK;

#endif
