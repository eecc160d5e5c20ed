#ifndef JOB_AHEAD_H
#define JOB_AHEAD_H

/*
 * Items of a source, opened and read by threads ahead of the one that cuts and
 * stores, and given back in the order they were sent.  Those without an earlier
 * version they also cut and name.
 *
 * A1. A thread does with an item what the caller would have done itself, with
 *     the same number of attempts; nothing is decided here: what went wrong is
 *     told with the item.
 * A2. Memory: AHEAD_BATCHES batches of at most AHEAD_ITEMS items and twice
 *     AHEAD_BYTES of content each.  A larger file is opened only, one a batch,
 *     so that is how many descriptors are open.  What grew beyond these since
 *     it was listed is left to the caller.
 * A3. One thread calls these functions.  After ahead_free no thread is left.
 *
 *	while ((slot = ahead_slot(a)) == NULL)
 *		ahead_next(a, &done, e), use done
 *	fill slot, ahead_send(a, e)
 *	...
 *	until *done is NULL: ahead_next(a, &done, e), use done
 */

#include <bascule/base/buf.h>
#include <bascule/source.h>
#include <bascule/store.h>

#define AHEAD_BATCHES  8
#define AHEAD_ITEMS    64
#define AHEAD_BYTES    ((size_t)1 << 20)
#define AHEAD_ATTEMPTS 3 /* at a file that changes while it is read */

struct ahead_item {
	/* The caller's, both ways; ended by ahead_free. */
	struct source_item item;
	struct content previous; /* what the caller knows of it, if at all */
	bool has_previous;
	int64_t began_s; /* no later than the reading, by fsclock */
	/* What became of it; of the last attempt, but for warnings. */
	enum err_code code; /* as source_open, _read or _finish gave it */
	struct err why;
	unsigned attempts;
	struct buf warnings; /* about metadata: texts, each with its NUL */
	bool is_left;        /* nothing was done */
	/*
	 * ERR_NONE: open, nothing of it was read, and to be taken; or NULL, and
	 * bytes is all of it.  ERR_BUSY: bytes is what was read.
	 */
	struct source_file *file;
	const uint8_t *bytes;
	size_t len_bytes;
	/* All its chunks; none: they are left to the caller. */
	const struct content_name *names;
	size_t names_count;
};

struct ahead;

/* cw: borrowed for the call, says how to cut and name; NULL: not at all. */
enum err_code ahead_new(struct ahead **out, const struct content_writer *cw,
    struct err *e) MUST_CHECK;
/* Waits for what is being read, and forgets it.  *a may be NULL. */
void ahead_free(struct ahead **a);

/*
 * Where the next item goes, with the memory of an earlier one in it; NULL: take
 * one with ahead_next first.
 */
struct ahead_item *ahead_slot(struct ahead *a);
/* The item is in the slot. */
enum err_code ahead_send(struct ahead *a, struct err *e) MUST_CHECK;

/* Are there items that were sent and not yet taken? */
bool ahead_holds(const struct ahead *a);
/*
 * The oldest such item, read; until the next call of any of these functions.
 * NULL: there is none.
 */
enum err_code ahead_next(struct ahead *a, struct ahead_item **out,
    struct err *e) MUST_CHECK;

#endif
