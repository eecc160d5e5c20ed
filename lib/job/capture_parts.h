#ifndef JOB_CAPTURE_PARTS_H
#define JOB_CAPTURE_PARTS_H

/* What the units of capture share. */

#include <bascule/base/now.h>
#include <bascule/crypt.h>
#include <bascule/job.h>
#include <bascule/source.h>

#include "ahead.h"
#include "fsclock.h"
#include "statecache.h"
#include "stream.h"

#define CAPTURE_READ_BYTES ((size_t)1 << 20)

struct capture {
	struct store *st;
	const struct capture_options *opt;
	struct capture_result *result;
	struct source *source;
	struct ahead *ahead;   /* NULL: items are read where they are taken */
	struct stream *stream; /* made with the first large file */
	struct session *session;
	struct writer *writer;
	struct content_writer *contents;
	struct tree_writer *tree;
	struct statecache *cache;   /* NULL: none is kept */
	struct delta_cache *deltas; /* NULL: the key reads, or none is kept */
	bool reads_all;             /* nothing in it is believed */
	struct utc known_since;     /* of a far tree: statecache_expire */
	struct source_links *links;
	struct hash_key *link_key;
	struct fsclock clock;
	struct snapshot snapshot;
	struct buf encoded;
	uint8_t *bytes; /* CAPTURE_READ_BYTES */
	uint64_t done_bytes;
	uint32_t items_since_look; /* at the clock */
	struct mono checkpointed;  /* when, or when the run began */
	/* Items read and bytes stored, in all and by then. */
	uint64_t changed_count, changed_then, new_bytes_then;
	/* capture_previous: the series' last snapshot, looked for when needed */
	struct snapshot parent;
	bool parent_sought, has_parent, parent_pinned;
	bool stores_whole; /* the item being read, but could have been less */
	uint64_t whole_then;
};

static inline bool
capture_is_command(const struct capture *c)
{
	return c->opt->command != NULL;
}

/* --- capture_item ---------------------------------------------------------- */

/* The source's next item into the tree, or beside it until a page is full. */
enum err_code capture_item_take(struct capture *c, struct source_item *item,
    struct err *e) MUST_CHECK;
/* What is being read ahead goes into the tree, too. */
enum err_code capture_item_drain(struct capture *c, struct err *e) MUST_CHECK;
/* What is beside the tree goes into it. */
enum err_code capture_item_settle(struct capture *c, struct err *e) MUST_CHECK;
/* After each piece of work: shall it stop, is it time for a checkpoint? */
enum err_code capture_item_pulse(struct capture *c, struct err *e) MUST_CHECK;
/* Say that a path could not be had as it is. */
enum err_code capture_item_problem(struct capture *c,
    const struct entry_text *path, const char *reason,
    struct err *e) MUST_CHECK;
/* Tell how far it is; ERR_CANCELLED when it is to stop. */
enum err_code capture_item_progress(struct capture *c,
    struct err *e) MUST_CHECK;

/* --- capture_previous ------------------------------------------------------ */

/* After the writer was made; what fails costs room only, but for ERR_NOMEM. */
enum err_code capture_previous_open(struct capture *c,
    struct err *e) MUST_CHECK;
/* Does the state cache, just asked, know an earlier state of the item? */
bool capture_previous_note(struct capture *c, struct content *out);
/* The content writer was reset: what is known of that item's earlier state. */
void capture_previous_tell(struct capture *c, const struct source_item *item,
    const struct content *noted);
/* All of its content was put. */
void capture_previous_end(struct capture *c);
/* The last complete one of the series, borrowed; NULL: none is known. */
const struct snapshot *capture_previous_snapshot(struct capture *c);

/* --- capture_read ---------------------------------------------------------- */

/*
 * The content of what was read ahead, or could not be, or is left to be read.
 * *skipped: it could not be had at all, which was said.  An error is the end of
 * the run.
 */
enum err_code capture_read_taken(struct capture *c, struct ahead_item *it,
    struct content *out, bool *skipped, struct err *e) MUST_CHECK;

/* --- capture_checkpoint ---------------------------------------------------- */

/* If it is time: what was stored so far counts from now on. */
enum err_code capture_checkpoint_tick(struct capture *c,
    struct err *e) MUST_CHECK;
/* If anything was read since the last. */
enum err_code capture_checkpoint_now(struct capture *c,
    struct err *e) MUST_CHECK;
/* The snapshot's details so far, and its root. */
enum err_code capture_checkpoint_fill(struct capture *c,
    struct err *e) MUST_CHECK;

#endif
