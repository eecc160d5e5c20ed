#ifndef BASCULE_STORE_H
#define BASCULE_STORE_H

/*
 * The repository: chunks in frames in packs, a sorted map of entries in a tree
 * of pages, snapshots that name a root.  docs/format/repository.md and
 * pages.md are normative; lib/store/README.md says what happens when a writer
 * dies at each step.  The store knows no SSH and no policy.
 *
 * A struct store and what is made from it belong to one thread; the writer
 * runs its own threads inside.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/defs.h>
#include <bascule/base/entry.h>
#include <bascule/base/err.h>
#include <bascule/base/id.h>
#include <bascule/base/now.h>

struct keyring;

#define STORE_NAME_BYTES    65   /* a service's name with its NUL */
#define STORE_DATASET_BYTES 1025 /* a dataset's: offline its path is its name */
#define STORE_FAMILY_BYTES  16

enum store_kind {
	STORE_DATA = 1,
	STORE_LEAF,
	STORE_INNER,
	STORE_LIST,
	STORE_RECORDS
};

/* --- The repository as a whole ------------------------------------------- */

struct store;

enum store_access {
	STORE_READ,
	STORE_WRITE,
	STORE_HEAL /* for store_heal: writes, and puts up with damage */
};

struct store_options {
	enum store_access access;
	const struct keyring *keyring; /* borrowed; NULL: keyless */
	bool network_fs_allowed;       /* NFS, CIFS and FUSE are refused else */
};

struct store_geometry {
	uint32_t chunk_min_bytes, chunk_mean_bytes, chunk_max_bytes;
	uint32_t pack_target_bytes, frame_target_bytes;
	bool padded;
	bool sliced; /* frames of many small chunks may be */
};

void store_default_geometry(struct store_geometry *out);

/*
 * Make the directory (or use an empty one) and its files.  family: 16 bytes;
 * geometry: NULL for the defaults.  ERR_EXISTS: there is a repository already.
 */
enum err_code store_create(const char *path,
    const uint8_t family[STORE_FAMILY_BYTES],
    const struct store_geometry *geometry, struct err *e) MUST_CHECK;

/*
 * ERR_NOTFOUND: no repository there; ERR_CORRUPT: `format` is damaged (a good
 * format.bak serves for reading: see store_is_degraded); ERR_TOONEW;
 * ERR_KEY: the keyring is of another family.
 */
enum err_code store_open(struct store **out, const char *path,
    const struct store_options *opt, struct err *e) MUST_CHECK;
void store_close(struct store **st);

const uint8_t *store_family(const struct store *st);
/* As given to store_open: borrowed, NULL for a keyless one. */
const struct keyring *store_keyring(const struct store *st);
const struct store_geometry *store_geometry(const struct store *st);
/*
 * Is something damaged that reading does without?  *why says what: `format`,
 * for which format.bak serves, or part of the index, for which what the packs
 * say of themselves does.
 */
bool store_is_degraded(const struct store *st, struct err *why);
/* Look at MANIFEST again: another process may have committed since. */
enum err_code store_refresh(struct store *st, struct err *e) MUST_CHECK;

/* --- Writing: session, writer, content ----------------------------------- */

/*
 * A session is one live writer: a locked file in sessions/.  It makes the
 * content key and wraps it to every recipient of the keyring.
 */
struct session;
enum err_code session_open(struct session **out, struct store *st,
    struct err *e) MUST_CHECK;
/* Unlinks the session's file.  Uncommitted packs stay: they are found again. */
void session_close(struct session **se);

/*
 * What the session builds on (a parent whose chunks it takes over without a
 * look-up) cannot be forgotten while it lives.  ERR_NOTFOUND: it is gone, do
 * not build on it.
 */
enum err_code session_pin(struct session *se, const char *service,
    const struct id *snapshot, struct err *e) MUST_CHECK;

/* Who is at work here.  Also those that stopped without an end (SIGSTOP). */
struct session_info {
	char name[33];
	int64_t pid; /* on the machine that opened it */
	struct utc started;
};
struct session_list {
	struct session_info *sessions;
	size_t count;
};
enum err_code session_list_alive(struct session_list *out, struct store *st,
    struct err *e) MUST_CHECK;
void session_list_fini(struct session_list *list);
/*
 * Its later commit is refused.  ERR_NOTFOUND: there is no such session (any
 * more).
 */
enum err_code session_fence(struct store *st, const char *name,
    struct err *e) MUST_CHECK;

enum writer_codec { WRITER_AUTO, WRITER_FAST, WRITER_MAX, WRITER_OFF };

struct writer_options {
	enum writer_codec codec;
	int level;        /* a zstd level; 0: what codec says */
	unsigned workers; /* compressing threads; 0: one a core */
};

struct writer_tally {
	uint64_t chunks_count, new_chunks_count;
	uint64_t raw_bytes;    /* all that was put */
	uint64_t new_bytes;    /* of these, what was not yet there */
	uint64_t stored_bytes; /* what the packs grew by */
};

/*
 * The way of chunks into packs: id, look-up, frame, compress, seal, open again
 * and compare, pack.  The calling thread does the first two; memory is
 * bounded by the queues behind it.
 */
struct writer;
enum err_code writer_new(struct writer **out, struct session *se,
    const struct writer_options *opt, struct err *e) MUST_CHECK;
void writer_free(struct writer **w); /* what is not flushed is lost */

/*
 * Store bytes, unless they are present.  refs: the ids a page or list names
 * (0 for data).  *id is theirs.  Not durable before writer_flush.
 */
enum err_code writer_put(struct writer *w, enum store_kind kind,
    const void *bytes, size_t len_bytes, const struct id *refs,
    size_t refs_count, struct id *id, struct err *e) MUST_CHECK;

/* Is it here (in an earlier segment, or put by this writer)? */
bool writer_has(struct writer *w, const struct id *id);

/* Steps 1 and 2 of the order: packs, segment, MANIFEST are durable. */
enum err_code writer_flush(struct writer *w, struct err *e) MUST_CHECK;
void writer_tally(const struct writer *w, struct writer_tally *out);

/*
 * The content of one regular file: a few bytes inline, chunks, or a list of
 * chunks.  Owned by the holder; content_fini ends it.
 */
struct content_piece {
	struct id id;
	uint64_t len_bytes; /* of plaintext; for a list, of all below it */
};

#define CONTENT_INLINE_BYTES 256
#define CONTENT_PIECES_MAX   16

struct content {
	uint64_t size_bytes;
	struct buf inlined;           /* the whole content when <= 256 bytes */
	struct content_piece *pieces; /* chunks, or one list when is_list */
	size_t pieces_count;
	bool is_list;
};

void content_fini(struct content *c);
enum err_code content_copy(struct content *to, const struct content *from,
    struct err *e) MUST_CHECK;

enum chunking { CHUNKING_CUT, CHUNKING_FIXED };

/* Cuts a stream into chunks and puts them. */
struct content_writer;
enum err_code content_writer_new(struct content_writer **out, struct writer *w,
    enum chunking how, uint32_t fixed_bytes, struct err *e) MUST_CHECK;
void content_writer_free(struct content_writer **cw);
/* Bytes of the current file, in order: of a sparse one, its extents'. */
enum err_code content_writer_add(struct content_writer *cw, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;
/* The file ends; *out is the caller's, cw is ready for the next file. */
enum err_code content_writer_end(struct content_writer *cw, struct content *out,
    struct err *e) MUST_CHECK;
/* content_writer_add of the last bytes, which are not copied, and the end. */
enum err_code content_writer_last(struct content_writer *cw, const void *bytes,
    size_t len_bytes, struct content *out, struct err *e) MUST_CHECK;

/*
 * For other threads to do the naming: where in the content chunks of the
 * earlier version should be found again, if it goes on as it does; each thread
 * with a namer of its own; then content_writer_add with the names of what lies
 * within these bytes, in order.
 */
struct content_name {
	uint64_t at_bytes, len_bytes;
	struct id id; /* content_writer_name's */
};
size_t content_writer_foresee(const struct content_writer *cw,
    uint64_t at_bytes, uint64_t len_bytes, struct content_name *out,
    size_t max);
struct content_namer;
enum err_code content_writer_namer(struct content_namer **out,
    const struct content_writer *cw, struct err *e) MUST_CHECK;
void content_writer_namer_free(struct content_namer **n);
void content_writer_name(struct content_namer *n, struct content_name *name,
    const void *bytes);
enum err_code content_writer_add_named(struct content_writer *cw,
    const void *bytes, size_t len_bytes, const struct content_name *names,
    size_t names_count, struct err *e) MUST_CHECK;

/*
 * The same for a file without an earlier version (content_writer_is_new): one
 * thread cuts it from its first byte on as cw would, any others name the chunks.
 * content_writer_add_cut takes whole chunks only, with the names of all.
 */
bool content_writer_is_new(const struct content_writer *cw);
struct content_cutter;
enum err_code content_writer_cutter(struct content_cutter **out,
    const struct content_writer *cw, struct err *e) MUST_CHECK;
void content_cutter_free(struct content_cutter **c);
/* All chunks but a file's last are as long as that at least, and at most. */
uint32_t content_cutter_min_bytes(const struct content_cutter *c);
uint32_t content_cutter_max_bytes(const struct content_cutter *c);
/* Another file begins. */
void content_cutter_reset(struct content_cutter *c);
/* Of these bytes those up to the end of the current chunk; *cut: it ends there. */
size_t content_cutter_scan(struct content_cutter *c, const void *bytes,
    size_t len_bytes, bool *cut);
enum err_code content_writer_add_cut(struct content_writer *cw,
    const void *bytes, const struct content_name *names, size_t names_count,
    struct err *e) MUST_CHECK;

/* Forget the current file (it changed while it was read). */
void content_writer_reset(struct content_writer *cw);

/*
 * What the file that begins now held when it was last saved: its changed
 * chunks may then be stored as differences, and what did not change is found
 * without being cut.  A hint: what of it cannot be read costs only room.  To be
 * said before the file's first byte (after content_writer_reset); forgotten
 * with its end.  Nothing of previous is kept that it owns.
 */
void content_writer_previous(struct content_writer *cw,
    const struct content *previous);

/*
 * Earlier content in the clear on this machine, for writers that cannot read:
 * a folder (0700) of chunks (0600) named by their ids, of at most size_bytes,
 * none older than keep_ns.  It keeps what was deleted since.  Losing it costs
 * room in the repository only.  A writer that can read needs none.
 * What is over is dropped when it is opened: all of it, with size_bytes 0.
 * ERR_BUSY: another process has it open.
 */
struct delta_cache;
struct delta_cache_limits {
	uint64_t size_bytes;
	int64_t keep_ns;
};
enum err_code delta_cache_open(struct delta_cache **out, const char *path,
    const struct delta_cache_limits *limits, struct err *e) MUST_CHECK;
void delta_cache_close(struct delta_cache **dc);
/* Borrowed: outlives the writer and its content writers. */
void writer_set_delta_cache(struct writer *w, struct delta_cache *dc);

/* --- Trees --------------------------------------------------------------- */

/* One item of a snapshot's map: what it is and what it holds. */
struct item {
	struct entry entry;
	struct content content;
};
void item_fini(struct item *it);

/* The encoding of docs/format/pages.md without the path, ids in full: what a state cache keeps. */
enum err_code item_encode(struct buf *out, const struct item *it,
    struct err *e) MUST_CHECK;
enum err_code item_decode(struct item *out, const void *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;

/* Builds the page tree from items in path order. */
struct tree_writer;
enum err_code tree_writer_new(struct tree_writer **out, struct writer *w,
    struct err *e) MUST_CHECK;
void tree_writer_free(struct tree_writer **tw);
/* ERR_INPUT when the path is invalid or not after the last one. */
enum err_code tree_writer_add(struct tree_writer *tw, const struct item *it,
    struct err *e) MUST_CHECK;
/* The same of an item that item_encode made: nothing of it is decoded. */
enum err_code tree_writer_add_encoded(struct tree_writer *tw, const char *path,
    size_t path_bytes, const void *encoded, size_t len_bytes,
    struct err *e) MUST_CHECK;
/*
 * Writes the pages still open and gives the root.  With items still to come
 * (a checkpoint) the tree so far is complete in itself and more may be added.
 */
enum err_code tree_writer_root(struct tree_writer *tw, struct id *root,
    struct err *e) MUST_CHECK;
/*
 * Taking leaf pages as they are.  A leaf that tree_writer_leaf names right
 * after an item was added (true: that item ended it, and it may be taken again)
 * is the same wherever exactly its items follow each other from a place that
 * tree_writer_is_between.
 */
bool tree_writer_is_between(const struct tree_writer *tw);
bool tree_writer_leaf(const struct tree_writer *tw, struct id *page,
    uint64_t *items_count);
/*
 * All items of that page at once; only when tree_writer_is_between.  path: of
 * its last.  ERR_NOTFOUND: the page is not here; nothing was done.
 */
enum err_code tree_writer_add_leaf(struct tree_writer *tw, const char *path,
    size_t path_bytes, const struct id *page, uint64_t items_count,
    struct err *e) MUST_CHECK;

/* Walks a tree in order.  Needs a read key. */
struct cursor;
/* At the first item at or under path ("" is all); ERR_NOTFOUND if none. */
enum err_code cursor_open(struct cursor **out, struct store *st,
    const struct id *root, const char *path, size_t path_bytes,
    struct err *e) MUST_CHECK;
void cursor_close(struct cursor **c);
/* *it: borrowed until the next call; NULL at the end. */
enum err_code cursor_next(struct cursor *c, const struct item **it,
    struct err *e) MUST_CHECK;

/*
 * The same walk page by page, for those who know some already.  An item's place
 * (nth, from 0) is its number in the tree, whatever path the cursor was opened
 * with: so long as the tree is the same, a place is a name.
 */
enum cursor_kind { CURSOR_END, CURSOR_PAGE, CURSOR_ITEM };
struct cursor_at {
	enum cursor_kind kind;
	const char
	    *path; /* the item's, or the page's last; until the next call */
	size_t path_bytes;
	uint64_t nth; /* of an item */
	/* of a page */
	struct id page;
	unsigned level; /* 0: a leaf */
	uint64_t items_count;
};
/* The next page or item.  A page that is not entered is passed over. */
enum err_code cursor_step(struct cursor *c, struct cursor_at *at,
    struct err *e) MUST_CHECK;
/* Into the page that cursor_step gave last. */
enum err_code cursor_enter(struct cursor *c, struct err *e) MUST_CHECK;
/* The item that cursor_step gave last, as cursor_next gives it. */
enum err_code cursor_item(struct cursor *c, const struct item **it,
    struct err *e) MUST_CHECK;
/*
 * What comes next is the first item not before path (it need not be valid, nor
 * there), or the item of that place.  Forwards or backwards.
 */
enum err_code cursor_seek(struct cursor *c, const char *path, size_t path_bytes,
    struct err *e) MUST_CHECK;
enum err_code cursor_seek_nth(struct cursor *c, uint64_t nth,
    struct err *e) MUST_CHECK;
/* The place of the item that was given last. */
uint64_t cursor_nth(const struct cursor *c);

/*
 * Two trees beside each other, only what differs: pages that are in both are
 * passed over whole.  Items are compared under their paths relative to the two
 * given.  ERR_NOTFOUND: a path is not in its tree.
 */
struct treediff;
struct treediff_side {
	const struct id *root;
	const char *path; /* "" is all */
};
enum err_code treediff_open(struct treediff **out, struct store *st,
    const struct treediff_side *before, const struct treediff_side *after,
    struct err *e) MUST_CHECK;
void treediff_close(struct treediff **d);
/*
 * *before NULL: added; *after NULL: removed; both: they differ in something;
 * neither: the end.  Borrowed until the next call.
 */
enum err_code treediff_next(struct treediff *d, const struct item **before,
    const struct item **after, struct err *e) MUST_CHECK;

/*
 * Looking for something in many trees, each page once: a page without anything
 * wanted is passed over when another tree has it too.
 */
struct treefind;
struct treefind_options {
	const char *path; /* at or under it; "" is all */
	bool every;       /* also what an earlier tree had, the same in all */
	bool (*is_wanted)(void *ctx, const char *path, size_t len_bytes);
	enum err_code (*found)(void *ctx, const struct item *it, struct err *e);
	void *ctx;
};
enum err_code treefind_new(struct treefind **out, struct store *st,
    const struct treefind_options *opt, struct err *e) MUST_CHECK;
void treefind_free(struct treefind **f);
/* ERR_NOTFOUND: the path is not in this tree. */
enum err_code treefind_run(struct treefind *f, const struct id *root,
    struct err *e) MUST_CHECK;

/* --- Snapshots and points ------------------------------------------------ */

enum snapshot_flags {
	SNAPSHOT_PARTIAL = 1,    /* something could not be read */
	SNAPSHOT_CHECKPOINT = 2, /* of a run that has not ended */
	SNAPSHOT_COMMAND = 4     /* a command's output, one file */
};

#define SNAPSHOT_PROBLEMS_MAX 1000
#define SNAPSHOT_TAGS_MAX     16

struct snapshot_problem {
	char *path; /* raw bytes, NUL-ended */
	char *reason;
};

struct snapshot {
	struct id id; /* the hash of its file */
	/* clear and signed */
	char service[STORE_NAME_BYTES], dataset[STORE_DATASET_BYTES];
	uint32_t flags;
	uint64_t epoch, sequence;
	struct utc started, ended;
	struct id root;
	struct id predecessor; /* zero: none */
	uint8_t group[16]; /* the recovery point it belongs to; zero: none */
	uint8_t writer_key[32];
	/* sealed; details_known is false without a read key */
	bool details_known;
	char *host, *source; /* where and what it was taken from */
	char *tags[SNAPSHOT_TAGS_MAX];
	size_t tags_count;
	uint64_t files_count, dirs_count, others_count, bytes, new_bytes,
	    stored_bytes;
	struct snapshot_problem *problems; /* the first ones */
	size_t problems_count;
	uint64_t problems_total_count;
};
void snapshot_fini(struct snapshot *s);

/*
 * The commit: flushes the writer, then step 3 of the order.  Fills id,
 * sequence, predecessor and writer_key in *s.  ERR_BUSY: fenced.
 */
enum err_code snapshot_commit(struct session *se, struct writer *w,
    struct snapshot *s, struct err *e) MUST_CHECK;

/*
 * Checkpoints: snapshots (SNAPSHOT_CHECKPOINT) of a run that has not ended, so
 * that what it stored counts: a parent for the next run's state cache and a
 * root for a collection.  They take a number in their series, but are nobody's
 * predecessor; they are neither `latest` nor replicated nor part of a point.
 * Remove those of a series that this session's writer made, but for keep.
 */
enum err_code checkpoint_sweep(struct session *se, const char *service,
    const char *dataset, const struct id *keep, size_t keep_count,
    struct err *e) MUST_CHECK;

/* All snapshots (or one service's), by (epoch, sequence); damaged ones are
 * reported through on_damage (may be NULL) and left out. */
struct snapshot_list {
	struct snapshot *snapshots;
	size_t count;
};
typedef void store_damage_fn(void *ctx, const char *object, const char *what);
enum err_code snapshot_list(struct snapshot_list *out, struct store *st,
    const char *service, store_damage_fn *on_damage, void *ctx,
    struct err *e) MUST_CHECK;
void snapshot_list_fini(struct snapshot_list *list);

/*
 * What people write: an id's prefix, `latest`, `latest:SERVICE[/DATASET]`,
 * each with `:/sub/tree` behind it.  *subtree: the caller's, "" if none.
 * ERR_CORRUPT: which is the latest cannot be said, for one cannot be read.
 */
enum err_code snapshot_find(struct snapshot *out, char **subtree,
    struct store *st, const char *name, struct err *e) MUST_CHECK;

/* A recovery point: the snapshots of one service that belong together. */
#define POINT_DATASETS_MAX 64
struct point {
	struct id id;
	char service[STORE_NAME_BYTES];
	uint8_t group[16];
	uint64_t epoch, sequence;
	struct utc taken; /* when the first of its datasets was begun */
	struct id snapshots[POINT_DATASETS_MAX];
	size_t snapshots_count;
	uint8_t writer_key[32];
};
struct point_list {
	struct point *points;
	size_t count;
};
enum err_code point_commit(struct session *se, struct point *p,
    struct err *e) MUST_CHECK;
enum err_code point_list(struct point_list *out, struct store *st,
    const char *service, store_damage_fn *on_damage, void *ctx,
    struct err *e) MUST_CHECK;
void point_list_fini(struct point_list *list);
/*
 * One point, and since when all of it has been here: when the last of its
 * snapshots came, or, where none came from elsewhere, when it was taken.
 * ERR_NOTFOUND: it is not here, or not all that it names.
 */
enum err_code point_holding(struct point *out, struct utc *since,
    struct store *st, const char *service, const struct id *id,
    struct err *e) MUST_CHECK;

/* --- Recipients ----------------------------------------------------------- */

struct grant_tally {
	uint64_t keys_count;    /* content keys that were met */
	uint64_t granted_count; /* wrapped to somebody more by this call */
	uint64_t closed_count;  /* not open to all recipients, and left so */
	uint64_t unread_count; /* packs and snapshots that could not be asked */
};

/*
 * Make all that lies here open to all recipients of the store's keyring, which
 * must read: their keys are wrapped again, in grants/, and no data is touched.
 * Also the keys of its trust domains, so that a key in a safe need not be
 * fetched when the family rotates.  Running it again does what is left to do.
 */
enum err_code grant_all(struct store *st, struct grant_tally *out,
    struct err *e) MUST_CHECK;

/*
 * Which content keys some recipient of the keyring cannot open, each with a
 * file that shows it.  Needs no key that reads.
 */
/* The files of grants/ by name, sorted; and one's bytes, for sending. */
struct grant_files {
	struct id *ids;
	size_t count;
};
enum err_code grant_list(struct grant_files *out, struct store *st,
    struct err *e) MUST_CHECK;
void grant_files_fini(struct grant_files *g);
enum err_code grant_bytes(struct store *st, const struct id *id,
    struct buf *out, struct err *e) MUST_CHECK;

typedef void grant_closed_fn(void *ctx, const struct id *key_id,
    const struct id *recipient, const char *object);
enum err_code grant_list_closed(struct store *st, grant_closed_fn *fn,
    void *ctx, struct grant_tally *out, struct err *e) MUST_CHECK;

/*
 * Who opens what lies here, and under which generations of the trust domain's
 * key it was named; each with how many content keys.  Needs no key.
 */
#define GRANT_HOLDERS_MAX 64
struct grant_holder {
	struct id id; /* of a recipient, or a domain's name */
	uint64_t keys_count;
};
struct grant_holders {
	struct grant_holder recipients[GRANT_HOLDERS_MAX];
	struct grant_holder domains[GRANT_HOLDERS_MAX];
	size_t recipients_count,
	    domains_count;        /* those past the last: unsaid */
	struct grant_tally tally; /* keys, and what is unread */
};
enum err_code grant_holders(struct grant_holders *out, struct store *st,
    struct err *e) MUST_CHECK;

/*
 * Does the store's keyring still open what lies here?  A frame of every
 * session is opened and its ids are derived again.  on_failed: what did not
 * open, and why.
 */
struct grant_drill {
	uint64_t sessions_count, opened_count, read_bytes;
	uint64_t unread_count; /* packs and snapshots that could not be asked */
};
enum err_code grant_drill(struct store *st, store_damage_fn *on_failed,
    void *ctx, struct grant_drill *out, struct err *e) MUST_CHECK;

/* --- Reading ------------------------------------------------------------- */

/* Where a chunk lies. */
struct place {
	uint32_t pack; /* a number: the same pack, the same number */
	uint32_t frame;
	uint16_t slot;
};
/* The best copy; ERR_NOTFOUND when no listed segment has it. */
enum err_code store_locate(struct store *st, const struct id *id,
    struct place *out, struct err *e) MUST_CHECK;

/*
 * One chunk, page or list: found, opened, its id derived again and compared;
 * every copy is tried.  out is cleared first.  refs may be NULL.
 */
enum err_code store_get(struct store *st, enum store_kind kind,
    const struct id *id, struct buf *out, struct buf *refs,
    struct err *e) MUST_CHECK;

/*
 * A reader of frames for one thread of a restore: several may exist of one
 * store at once, and share only what does not change.
 */
struct reader;
enum err_code reader_new(struct reader **out, struct store *st,
    struct err *e) MUST_CHECK;
void reader_free(struct reader **r);
/* As store_get for data; the last frames opened are kept. *bytes: borrowed until the next call. */
enum err_code reader_get(struct reader *r, const struct id *id,
    const uint8_t **bytes, size_t *len_bytes, struct err *e) MUST_CHECK;
/*
 * The same where little is wanted of what was stored together: where it can be,
 * only that is read.  It costs whoever wants all of it an eighth more.
 */
enum err_code reader_pick(struct reader *r, const struct id *id,
    const uint8_t **bytes, size_t *len_bytes, struct err *e) MUST_CHECK;

/*
 * Are these bytes the chunk of that id?  Nothing of the repository is read.
 * False also when the key that named it is not held (the chunk is of another
 * generation or council): then only reader_get can tell.
 */
bool reader_names(struct reader *r, const struct id *id, const void *bytes,
    size_t len_bytes);

/* Calls fn for each chunk of a content, in order, lists resolved. */
typedef enum err_code content_piece_fn(void *ctx,
    const struct content_piece *piece, uint64_t offset_bytes, struct err *e);
enum err_code content_each(struct store *st, const struct content *c,
    content_piece_fn *fn, void *ctx, struct err *e) MUST_CHECK;
/* The same for those chunks that have something of a range of the content. */
struct content_range {
	uint64_t offset_bytes, len_bytes; /* their sum does not wrap */
};
enum err_code content_each_in(struct store *st, const struct content *c,
    const struct content_range *range, content_piece_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;

/* --- What a snapshot brings: does it look wrong? ------------------------------ */

/*
 * Judged without a key, by what the clear lists name and the clear heads of
 * frames say: docs/format/repository.md, "What looks wrong".
 */
enum noise_verdict {
	NOISE_NONE,
	NOISE_ENCRYPTED, /* much was replaced by what cannot be compressed */
	NOISE_GONE,      /* nearly all is gone */
	NOISE_BACK       /* it is what an earlier one was */
};
struct noise {
	enum noise_verdict verdict;
	uint64_t chunks_before_count, chunks_count, chunks_gone_count;
	uint64_t bytes, new_bytes; /* stored, of frames */
	uint64_t new_raw_bytes;    /* of new_bytes, what did not compress */
	uint64_t bytes_before, raw_bytes_before;
};
/*
 * root against before, the snapshot that it follows, and up to older_count
 * roots that were before that.  ERR_CORRUPT, ERR_NOTFOUND: it could not be
 * judged.
 */
struct noise_roots {
	struct id root, before;
	const struct id *older;
	size_t older_count;
};
enum err_code noise_judge(struct noise *out, struct store *st,
    const struct noise_roots *roots, struct err *e) MUST_CHECK;
/* A sentence's end: "...".  Returns out. */
#define NOISE_TEXT_BYTES 200
const char *noise_text(const struct noise *n, char out[NOISE_TEXT_BYTES]);

/* --- Packs as wholes: replication, checking ------------------------------ */

struct pack_info {
	struct id name;
	uint64_t size_bytes;
	bool metadata;
};
struct pack_list {
	struct pack_info *packs;
	size_t count;
};
/* The packs that a set of snapshots needs (delta bases included), keyless:
 * bases' packs first, data before metadata.  They may be newer than the index
 * that was loaded: what is not in it is looked for once more (store_refresh). */
enum err_code store_needed_packs(struct pack_list *out, struct store *st,
    const struct id *snapshots, size_t snapshots_count,
    struct err *e) MUST_CHECK;
void pack_list_fini(struct pack_list *list);
/* The pack exists at its size and a listed segment names it. */
bool store_has_pack(struct store *st, const struct id *name);
/* An open descriptor of a pack's file, to be read from 0. */
enum err_code store_open_pack(struct store *st, const struct id *name, int *fd,
    struct err *e) MUST_CHECK;

/* A frame of a pack: known by its hash; looked for by its first chunk. */
struct store_frame {
	struct id chunk, hash;
	uint32_t len_bytes;
};
struct store_frames {
	struct store_frame *frames; /* in the pack's order, without gaps */
	size_t count;
};
/* From a pack's descriptor (store_open_pack), by any thread. */
enum err_code store_frames_read(struct store_frames *out, int fd,
    struct err *e) MUST_CHECK;
void store_frames_fini(struct store_frames *f);

/*
 * Receiving, at a replica: packs are staged in incoming/, verified against their
 * name and decoded, and become durable and indexed at intake_flush; snapshot
 * and point files are verified (signature, complete closure) and published
 * last.  What was not flushed when an intake ended, however, a later one finds:
 * intake_pack_staged says how much of a pack of that size is there (a multiple
 * of 64 KiB, or all of it) and intake_pack_resume goes on behind from_bytes of
 * it; ERR_NOTFOUND: they are not there any more.  A whole one needs only
 * intake_pack_resume and intake_pack_end.
 */
struct intake;
enum err_code intake_new(struct intake **out, struct store *st,
    struct err *e) MUST_CHECK;
void intake_free(struct intake **in);
/* What comes in by it stays so long at least: see receipts_promise. */
void intake_promise(struct intake *in, int64_t promised_ns);
/*
 * Under which epoch this service's snapshots and points come.  ERR_BUSY: it is
 * fenced (F1); ERR_REFUSED: far beyond what is known here.  Of a service that
 * nothing is known of it is kept when its first snapshot comes in.
 */
enum err_code intake_epoch(struct intake *in, const char *service,
    uint64_t epoch, struct err *e) MUST_CHECK;
enum err_code intake_pack_begin(struct intake *in, const struct id *name,
    uint64_t size_bytes, struct err *e) MUST_CHECK;
uint64_t intake_pack_staged(struct intake *in, const struct id *name,
    uint64_t size_bytes);
enum err_code intake_pack_resume(struct intake *in, const struct id *name,
    uint64_t size_bytes, uint64_t from_bytes, struct err *e) MUST_CHECK;
enum err_code intake_pack_add(struct intake *in, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;
/*
 * The very same frame, from a pack that is here, as the next bytes of the one
 * that arrives.  ERR_NOTFOUND, ERR_CORRUPT: it cannot be had.
 */
bool intake_frame_is_here(struct intake *in, const struct store_frame *f);
enum err_code intake_frame_add(struct intake *in, const struct store_frame *f,
    struct err *e) MUST_CHECK;
enum err_code intake_pack_end(struct intake *in, struct err *e) MUST_CHECK;
enum err_code intake_flush(struct intake *in, struct err *e) MUST_CHECK;
/*
 * ERR_EXISTS: it is here already.  ERR_NOTFOUND: its closure is not complete.
 * ERR_REFUSED: its writer is not known here (the first of a service is pinned;
 * store_pin_writer adds others).
 */
enum err_code intake_snapshot(struct intake *in, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;
enum err_code intake_point(struct intake *in, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;
/*
 * Keys wrapped to recipients who came later.  Who sends them is not asked: a
 * wrapped key opens nothing but what its name, a hash of it, says.
 */
enum err_code intake_grant(struct intake *in, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;
/* Take what this Ed25519 key signs, of any service, from now on. */
enum err_code store_pin_writer(struct intake *in, const uint8_t key[32],
    struct err *e) MUST_CHECK;

/* Whose snapshots are taken here, in the order of their keys. */
struct store_pin {
	uint8_t key[32];
	struct utc since; /* ns 0: not known, as all of a damaged */
	char service[STORE_NAME_BYTES]; /* where it was met; "": nowhere */
	bool damaged;                   /* heal writes it again */
};
struct store_pin_list {
	struct store *store;
	struct store_pin *pins;
	size_t count;
};
enum err_code store_pin_list(struct store_pin_list *out, struct store *st,
    struct err *e) MUST_CHECK;
void store_pin_list_fini(struct store_pin_list *p);
/* The bytes of a snapshot's or point's file, for sending. */
enum err_code store_snapshot_bytes(struct store *st, const char *service,
    const struct id *id, struct buf *out, struct err *e) MUST_CHECK;
enum err_code store_point_bytes(struct store *st, const char *service,
    const struct id *id, struct buf *out, struct err *e) MUST_CHECK;

/* --- A copy where nothing of ours runs --------------------------------------- */

/*
 * What a copy needs that is not taken over byte for byte: a `format` of its own,
 * index segments and MANIFEST, made here for who can only put files there.
 * What comes from there is hostile: it is checked, and costs at most a pack sent
 * once more.
 *
 *	mirror_new; mirror_check_format, or mirror_format for a new one;
 *	mirror_take_manifest; of each segment mirror_segment_bytes and
 *	mirror_take_segment; mirror_has; mirror_add; mirror_end_segment until
 *	nothing comes; mirror_manifest
 */
struct mirror;
enum err_code mirror_new(struct mirror **out, struct store *st,
    struct err *e) MUST_CHECK;
void mirror_free(struct mirror **m);

/* The directories of a copy; NULL after the last. */
const char *mirror_dir(size_t i);
enum err_code mirror_format(const struct mirror *m, struct buf *out,
    struct err *e) MUST_CHECK;
/* ERR_REFUSED: of another family; ERR_CORRUPT; ERR_TOONEW. */
enum err_code mirror_check_format(const struct mirror *m, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

/* Replaces what was known.  ERR_CORRUPT; ERR_TOONEW. */
enum err_code mirror_take_manifest(struct mirror *m, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;
struct mirror_segment {
	struct id name;
	uint64_t size_bytes;
};
/* False past the last. */
bool mirror_segment(const struct mirror *m, size_t i,
    struct mirror_segment *out);
/* Of a segment's first MIRROR_HEAD_BYTES: how many say which packs it names. */
#define MIRROR_HEAD_BYTES 48
uint64_t mirror_table_bytes(const void *head); /* as it says; not checked */
enum err_code mirror_segment_bytes(const struct mirror *m, size_t i,
    const void *head, size_t *len_bytes, struct err *e) MUST_CHECK;
enum err_code mirror_take_segment(struct mirror *m, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;
/* Damaged or gone: MANIFEST will not list it; those behind move up. */
void mirror_drop_segment(struct mirror *m, size_t i);

/* Does MANIFEST, by its segments, count this pack?  (Not: is it there.) */
bool mirror_has(struct mirror *m, const struct pack_info *pack);
/* How many packs it counts; the nth of them. */
size_t mirror_packs_count(struct mirror *m);
void mirror_pack(const struct mirror *m, size_t nth, struct pack_info *out);
/* The pack is there whole: the next segment names it.  ERR_CORRUPT: it is damaged here. */
enum err_code mirror_add(struct mirror *m, const struct id *pack,
    struct err *e) MUST_CHECK;
/* Is what lies here what the pack's name says?  ERR_CORRUPT. */
enum err_code mirror_check_pack(const struct mirror *m,
    const struct pack_info *pack, int fd, struct err *e) MUST_CHECK;
/* Is there enough for a segment? */
bool mirror_is_full(const struct mirror *m);
/* A segment of what was added; nothing in *out when there is none. */
enum err_code mirror_end_segment(struct mirror *m, struct buf *out,
    struct id *name, struct err *e) MUST_CHECK;
/*
 * Segments that are worth being made one, as a local index does; their number
 * must not grow with the runs.  mirror_fold is given each one's bytes, as
 * mirror_take_segment was: it adds its packs, or says that one is not here
 * (*is_here false: let the rest be).  Then mirror_end_segment, and each is
 * dropped by name.
 */
#define MIRROR_FOLD_MAX 64
size_t mirror_foldable(const struct mirror *m,
    struct mirror_segment out[MIRROR_FOLD_MAX]);
enum err_code mirror_fold(struct mirror *m, const void *bytes, size_t len_bytes,
    bool *is_here, struct err *e) MUST_CHECK;
/* Forget what mirror_fold added. */
void mirror_unfold(struct mirror *m);
void mirror_drop_named(struct mirror *m, const struct id *segment);
enum err_code mirror_manifest(struct mirror *m, struct buf *out,
    struct err *e) MUST_CHECK;

/* --- Age: time that has surely passed --------------------------------------- */

/*
 * How long each snapshot has been here, whatever the clocks were set to: the
 * repository's own clock grows, from one look at it to the next, by the less
 * that the boot-time and the wall clock have moved.  So it is never more than
 * the time that has passed, and less where nobody looked or the machine was
 * off.  Every session, commit and forgetting looks.
 */
struct age {
	struct id snapshot;
	int64_t since_ns; /* of that clock */
};
struct age_series {
	struct id series; /* the hash of its service and dataset */
	uint64_t highest; /* number that a snapshot of it had here */
};
struct ages {
	int64_t now_ns;
	struct age *all; /* by snapshot */
	size_t count;
	struct age_series *series; /* in order */
	size_t series_count;
};
enum err_code ages_read(struct ages *out, struct store *st,
    struct err *e) MUST_CHECK;
void ages_fini(struct ages *a);
/* 0 for one that is not known. */
int64_t ages_of(const struct ages *a, const struct id *snapshot);
/*
 * Note which snapshots are here, in a store for writing: the age of those that
 * were not known begins.  What finds no room to be noted only stays longer.
 */
enum err_code ages_sync(struct store *st, struct err *e) MUST_CHECK;
/*
 * One look at the clock of the repository at path: whoever runs for long does
 * that every few minutes, so that no age is lost.  Waits for nobody: ERR_BUSY.
 */
enum err_code ages_look(const char *path, struct err *e) MUST_CHECK;

/* --- Receipts: what came from elsewhere, and what was promised of it --------- */

#define RECEIPT_FOREIGN  1u /* it came from elsewhere */
#define RECEIPT_GONE     2u /* forgotten here: not taken again */
#define RECEIPT_ACCEPTED 4u /* to be taken though its series diverges */

struct receipt {
	struct id snapshot;
	struct utc received; /* by this machine's clock, then */
	int64_t promised_ns; /* it stays so long at least: see ages_of */
	uint32_t flags;
};
struct receipt_service {
	struct id name; /* the hash of the service's, its NUL included */
	int64_t promised_ns;
};
struct receipts {
	struct receipt *all; /* by snapshot */
	size_t count;
	struct receipt_service *services; /* by name */
	size_t services_count;
};
/* ERR_CORRUPT: what was promised is not known, so nothing may be forgotten. */
enum err_code receipts_read(struct receipts *out, struct store *st,
    struct err *e) MUST_CHECK;
void receipts_fini(struct receipts *r);
/* NULL: it did not come from elsewhere. */
const struct receipt *receipts_find(const struct receipts *r,
    const struct id *snapshot);
/*
 * What comes for the service from now on stays so long at least, by the
 * repository's clock from its coming on.  What has come already, too, where it
 * was promised less; nothing that was promised more is promised less.
 */
enum err_code receipts_promise(struct store *st, const char *service,
    int64_t promised_ns, struct err *e) MUST_CHECK;
/* Take this one next time though its series diverges: a person has looked. */
enum err_code receipts_accept(struct store *st, const struct id *snapshot,
    struct err *e) MUST_CHECK;

/* --- Epochs: the fence of a service whose site has changed --------------------- */

/*
 * Beside each copy, the highest authority epoch of each service that was heard
 * of here, and the highest at which this very site was given the service
 * (docs/format/repository.md, condemned/epochs-HASH).  Both only rise.
 *
 * F1. What carries an epoch below `seen` is refused: ERR_BUSY, fenced.
 * F2. `seen` is durable before anything is taken in under it.
 * F3. Epoch 1 is what a service has that was never moved; who names none
 *     carries that.
 */
struct epoch_mark {
	uint64_t seen, owned; /* 0: none yet */
};
/* ERR_CORRUPT: neither copy of the file can be read; take nothing in. */
enum err_code epochs_find(struct epoch_mark *out, struct store *st,
    const char *service, struct err *e) MUST_CHECK;
/*
 * Raise what is lower.  ERR_BUSY: to->owned is below what was seen here:
 * somebody else has the service.  Durable when ERR_NONE.
 */
enum err_code epochs_raise(struct store *st, const char *service,
    const struct epoch_mark *to, struct err *e) MUST_CHECK;
/*
 * The same by the repository's path, for who must not wait.  *is: what stands
 * there; ERR_BUSY with is->seen 0: somebody is inside the lock just now, try
 * again; else fenced.  ERR_NOTFOUND: there is no repository.
 */
enum err_code epochs_tell(const char *path, const char *service,
    const struct epoch_mark *to, struct epoch_mark *is,
    struct err *e) MUST_CHECK;

/*
 * Forgetting something before its time: asked for by the administrator's key,
 * and possible when so long has passed by the repository's clock.
 */
#define CUT_DELAY_NS      (INT64_C(72) * 3600 * NS_PER_S)
#define CUT_SNAPSHOTS_MAX 64
struct cut {
	struct id id; /* the hash of its file */
	char service[STORE_NAME_BYTES];
	struct utc asked;
	int64_t age_ns; /* of the repository's clock, then */
	struct id snapshots[CUT_SNAPSHOTS_MAX];
	size_t snapshots_count;
	uint8_t admin_key[32];
};
struct cut_list {
	struct cut *cuts;
	size_t count;
};
/* Fills in id, asked, age_ns and admin_key.  ERR_KEY: not an admin's. */
enum err_code cut_ask(struct store *st, struct cut *c,
    struct err *e) MUST_CHECK;
/* Damaged ones are left out: they allow nothing. */
enum err_code cut_list(struct cut_list *out, struct store *st,
    struct err *e) MUST_CHECK;
void cut_list_fini(struct cut_list *list);
/* ERR_NOTFOUND. */
enum err_code cut_withdraw(struct store *st, const struct id *id,
    struct err *e) MUST_CHECK;

/* --- Holds: signed reasons to keep ---------------------------------------- */

enum hold_why {
	HOLD_CURSOR = 1, /* the last that a copy elsewhere has in common */
	HOLD_PREFAILOVER,
	HOLD_EXERCISE,
	HOLD_LEGAL,
	HOLD_OPERATOR,
	HOLD_DIVERGED, /* the last before a series went two ways */
	HOLD_SUSPECT   /* the one before one that looks wrong */
};

#define HOLD_LABEL_BYTES   257
#define HOLD_REASON_BYTES  1025
#define HOLD_SNAPSHOTS_MAX 64

struct hold {
	struct id id; /* the hash of its file */
	enum hold_why why;
	char service[STORE_NAME_BYTES];
	char label[HOLD_LABEL_BYTES];   /* of a cursor: which copy */
	char reason[HOLD_REASON_BYTES]; /* for people */
	struct utc placed;
	struct id snapshots[HOLD_SNAPSHOTS_MAX];
	struct id roots[HOLD_SNAPSHOTS_MAX]; /* theirs */
	size_t snapshots_count;
	uint8_t writer_key[32]; /* zeros: this copy itself, which has no key */
};
struct hold_list {
	struct hold *holds;
	size_t count;
};

/*
 * Keep h->snapshots (all of h->service) until the hold is released.  Fills in
 * id, placed, roots and writer_key.  Where there is no key it is the copy's own
 * and not signed.  ERR_NOTFOUND: one of them is gone.
 */
enum err_code hold_place(struct store *st, struct hold *h,
    struct err *e) MUST_CHECK;
/* A damaged one is ERR_CORRUPT: it may hold anything. */
enum err_code hold_list(struct hold_list *out, struct store *st,
    struct err *e) MUST_CHECK;
void hold_list_fini(struct hold_list *list);
/* ERR_NOTFOUND. */
enum err_code hold_release(struct store *st, const struct id *id,
    struct err *e) MUST_CHECK;
/*
 * In the place of those of the same reason, service and label: there is always
 * one.  Nothing is done when there is one of the same snapshots.
 */
enum err_code hold_move(struct store *st, struct hold *h,
    struct err *e) MUST_CHECK;

/* --- What snapshots take --------------------------------------------------- */

struct usage_options {
	const struct id *roots; /* of trees that are looked at together */
	size_t roots_count;
	bool (*on_progress)(void *ctx, size_t done_count, size_t total_count);
	void *ctx;
};
/* What only one of them reaches: as much would be free without it. */
struct usage_own {
	uint64_t bytes, stored_bytes;
};
struct usage_tally {
	uint64_t chunks_count;
	uint64_t
	    unique_bytes; /* of content, each chunk once; inline ones not */
	uint64_t stored_bytes; /* of the frames they are in, and of pages */
	uint64_t data_stored_bytes; /* ... without pages and lists */
	uint64_t packs_bytes; /* of the whole repository, whoever needs them */
};
/* own: of each root.  Needs a read key.  ERR_CORRUPT: something is missing. */
enum err_code usage_run(struct store *st, const struct usage_options *opt,
    struct usage_own *own, struct usage_tally *out, struct err *e) MUST_CHECK;

/* --- Forgetting and collecting --------------------------------------------- */

/*
 * Forget snapshots: each one's recovery points first, then itself.  Under one
 * lock, all or none refused: ERR_REFUSED when one is held or promised to stay
 * longer, ERR_BUSY when a running session builds on one.  One that is gone already is no failure.
 * Works on a full disk and without a key.  dry_run: only says whether it would.
 */
struct forget_request {
	const char *service; /* of all of these */
	const struct id *snapshots;
	size_t snapshots_count;
	bool dry_run;
};
struct forget_tally {
	uint64_t snapshots_count, points_count;
};
enum err_code forget_run(struct store *st, const struct forget_request *rq,
    struct forget_tally *out, struct err *e) MUST_CHECK;

#define COLLECT_UNDELETE_AGE_NS     (INT64_C(72) * 3600 * NS_PER_S)
#define COLLECT_UNUSED_MILLIPERCENT 5000

struct collect_options {
	bool dry_run;             /* a store opened for reading will do */
	const struct id *without; /* dry: as if these snapshots were gone */
	size_t without_count;
	int64_t undelete_age_ns; /* how long condemned packs stay */
	/* Repack until the dead bytes are at most this share of all. */
	bool repack;
	uint32_t max_unused_millipercent;
	bool (*on_progress)(void *ctx, uint64_t done_bytes,
	    uint64_t total_bytes); /* may be NULL; false cancels */
	void *ctx;
};

struct collect_tally {
	uint64_t packs_count, packs_bytes; /* before, condemned ones too */
	uint64_t live_bytes;               /* of frames that are reached */
	/* what this run did, or would do */
	uint64_t condemned_count, condemned_bytes; /* newly */
	uint64_t revived_count, revived_bytes;
	uint64_t freed_count, freed_bytes; /* unlinked: packs and segments */
	uint64_t repacked_count, copied_bytes, resealed_count;
	/* what is left */
	uint64_t waiting_count, waiting_bytes; /* condemned, not yet to go */
	int64_t waiting_ns;      /* until the first may; 0: none */
	uint64_t sessions_count; /* they wait for */
	uint64_t unused_bytes;   /* dead, in packs that stay */
	uint64_t damaged_count;  /* packs that repacking left alone */
};

/*
 * A collection: docs/format/repository.md.  Never stops writers; may be killed
 * at any moment.  Without a keyring whole packs only.  ERR_CORRUPT: a mark
 * could not be complete, nothing was done.  ERR_BUSY: another is at work.
 */
enum err_code collect_run(struct store *st, const struct collect_options *opt,
    struct collect_tally *out, struct err *e) MUST_CHECK;

/* --- Checking ------------------------------------------------------------ */

enum check_depth {
	CHECK_NAMES, /* structure: every file's head, names, index, closures */
	CHECK_READ,  /* every byte against its hash; no key needed */
	CHECK_OPEN   /* every frame opened, ids derived again, lists compared */
};

struct check_options {
	enum check_depth depth;
	store_damage_fn *on_damage;
	/* done of total bytes; returning false cancels */
	bool (
	    *on_progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes);
	void *ctx;
	unsigned workers; /* 0: one a core */
	/*
	 * A budget for CHECK_READ and CHECK_OPEN: of the packs only those that were looked
	 * into longest ago, so much of their bytes (2000 is 2 %; 0: all of
	 * them), and none is begun after so long (0: no limit).  Structure is
	 * always looked at; trees are opened only without a budget.
	 */
	uint32_t sample_millipercent;
	int64_t max_time_ns;
	const char *state_dir; /* keeps what was found; NULL: nothing does */
};
struct check_tally {
	uint64_t packs_count, frames_count, chunks_count, snapshots_count,
	    read_bytes, damage_count, unreferenced_packs_count;
	uint64_t left_packs_count;  /* not looked into, for the budget */
	uint64_t never_packs_count; /* ... nor, as far as is known, before */
};
/*
 * Changes nothing.  ERR_NONE when it could look at everything, whatever it
 * found: damage_count says.  Each damage names the object (pack/..., index/...,
 * format, snapshots/...), and what is wrong: for a pack the 64 KiB block of
 * which frame, or the frames that are smaller.
 */
enum err_code store_check(struct store *st, const struct check_options *opt,
    struct check_tally *out, struct err *e) MUST_CHECK;

/* --- What the damage costs ------------------------------------------------ */

/* A path that cannot be restored whole, of one series of snapshots. */
struct hurt_path {
	const char *service, *dataset;
	const char *path; /* borrowed; of a snapshot, without a leading '/' */
	size_t path_bytes;
	/*
	 * 1: this one.  Else a page of the tree cannot be read: so many entries
	 * of it, path the last of them; 0: all of it.
	 */
	uint64_t entries_count;
	uint64_t snapshots_count, points_count; /* that have it */
	struct id snapshot;                     /* the newest of those */
	struct utc taken;                       /* it began then */
};
struct hurt_options {
	const struct keyring *keyring; /* one that reads */
	size_t paths_max;              /* to tell of */
	void (*on_path)(void *ctx, const struct hurt_path *path);
	bool (*on_progress)(void *ctx); /* may be NULL; false cancels */
	void *ctx;
};
struct hurt_tally {
	uint64_t paths_count;                   /* told or not */
	bool uncounted;                         /* there are more than that */
	uint64_t snapshots_count, points_count; /* hurt */
};

/*
 * After a store_check of the same store (which may have been opened without a
 * key): what that found, by the paths of the snapshots and recovery points it
 * hurts.  Whatever is in doubt is opened once more: a path is named when it
 * cannot be had through any copy.
 */
enum err_code store_hurt_paths(struct store *st, const struct hurt_options *opt,
    struct hurt_tally *out, struct err *e) MUST_CHECK;

/* --- Healing --------------------------------------------------------------- */

/*
 * Another copy to heal from.  Nothing it says is believed: a pack, snapshot or
 * point is what its name, a hash, says.  Only what is asked for by such a name
 * is given, or by the id of a chunk, which nobody can guess.
 */
enum healpeer_file { HEALPEER_SNAPSHOT = 2, HEALPEER_POINT };
struct healpeer {
	const char *name; /* for people */
	/*
	 * The pack of that name; or, is_chunk, the nth (from 0) that has that
	 * chunk or page.  ERR_NOTFOUND.
	 */
	enum err_code (*find)(void *ctx, const struct id *id, bool is_chunk,
	    unsigned nth, struct pack_info *out, struct err *e);
	/* All of the len_bytes, at most HEALPEER_READ_BYTES. */
	enum err_code (*read)(void *ctx, const struct pack_info *pack,
	    uint64_t offset_bytes, void *bytes, size_t len_bytes,
	    struct err *e);
	enum err_code (*file)(void *ctx, enum healpeer_file what,
	    const char *service, const struct id *id, struct buf *out,
	    struct err *e);
	void *ctx;
};
#define HEALPEER_READ_BYTES ((size_t)512 << 10)
/* A repository that is open here as one.  st is borrowed. */
void healpeer_of_store(struct healpeer *out, struct store *st);

struct heal_options {
	bool dry_run; /* say what would be done; a store for reading will do */
	/*
	 * Nothing but this: take that pack out of the index and put it into
	 * bad/, also though it is sound by its hash.  For one that came from
	 * elsewhere and whose pages lie.  on_damage is told what would be
	 * missing without it (lost_count); is there anything, it stays:
	 * ERR_REFUSED.  ERR_NOTFOUND: the index lists no such pack.
	 */
	const struct id *aside;
	const struct healpeer *peer; /* what is lost here is had from there */
	store_damage_fn *on_damage;  /* what was found */
	store_damage_fn *on_healed;  /* what was done about it */
	bool (
	    *on_progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes);
	/*
	 * May be NULL.  Before so many bytes are had from a far peer: it may
	 * sleep, for a budget; what it returns ends the healing.
	 */
	enum err_code (*pace)(void *ctx, size_t bytes_count, struct err *e);
	void *ctx;
};
struct heal_tally {
	uint64_t found_count;  /* damaged objects */
	uint64_t healed_count; /* ... as good as new, or nothing needs them */
	uint64_t kept_count;   /* files moved to bad/ */
	uint64_t
	    lost_count; /* snapshots and points that still lack something */
	uint64_t read_bytes;
	uint64_t fetched_count, fetched_bytes; /* objects from the peer */
};

/*
 * Put right what can be from what is here, and take the rest out of the way, so
 * that present means readable and the next backup stores again what it still
 * has.  Reads every byte.  The store was opened with STORE_HEAL (dry_run: or
 * STORE_READ).  ERR_NONE whatever it found; nothing is left to do when
 * found_count is healed_count and lost_count is 0.  ERR_BUSY: a session is
 * open.
 */
enum err_code store_heal(struct store *st, const struct heal_options *opt,
    struct heal_tally *out, struct err *e) MUST_CHECK;

/*
 * May a run build on what it knows of this snapshot, without a look-up?  Not
 * when it is gone, or something that it names.  Cheap as long as nothing was
 * lost in this repository; then it walks what the snapshot names.
 */
bool store_snapshot_is_whole(struct store *st, const char *service,
    const struct id *id);

#endif
