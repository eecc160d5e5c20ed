#ifndef STORE_PARTS_H
#define STORE_PARTS_H

/*
 * What the units of store share behind store.h.  A repository is held by
 * directory descriptors; every name beneath them is one component and is
 * opened without following links.
 */

#include <bascule/crypt.h>
#include <bascule/store.h>

#define STORE_RAW_BYTES_MAX ((size_t)8 << 20) /* of a frame's plain body */

/* --- head: how every file begins ----------------------------------------- */

#define HEAD_BYTES 32

enum head_kind {
	HEAD_FORMAT = 1,
	HEAD_PACK,
	HEAD_SEGMENT,
	HEAD_MANIFEST,
	HEAD_SNAPSHOT,
	HEAD_POINT,
	HEAD_SESSION,
	HEAD_HOLD = 9,
	HEAD_GRANT = 10,
	HEAD_PIN = 11,
	HEAD_CONDEMNED,
	HEAD_CLOCK,
	HEAD_AGES,
	HEAD_RECEIPTS,
	HEAD_CUT,
	HEAD_EPOCHS
};

void head_put(uint8_t at[HEAD_BYTES], enum head_kind kind,
    const uint8_t family[STORE_FAMILY_BYTES]);

/*
 * Is this a file of that kind, version and family (NULL: any)?  ERR_CORRUPT,
 * ERR_TOONEW: so check the file's hash first.
 */
enum err_code head_check(const uint8_t *bytes, size_t len_bytes,
    enum head_kind kind, const uint8_t *family, struct err *e) MUST_CHECK;
/* The same of a file that ends with the SHA-256 of all before: that first. */
enum err_code head_check_hashed(const uint8_t *bytes, size_t len_bytes,
    enum head_kind kind, const uint8_t *family, struct err *e) MUST_CHECK;

/* --- repo: the repository's directories and its lock --------------------- */

struct index;
struct grants;   /* grants.h */
struct rooted;   /* rooted.h */
struct suspects; /* hurt.h */

struct store {
	char *path; /* as given, for messages */
	enum store_access access;
	const struct keyring *keyring; /* borrowed; NULL: keyless */
	uint8_t family[STORE_FAMILY_BYTES];
	uint8_t site[STORE_FAMILY_BYTES];
	struct store_geometry geometry;
	bool degraded;
	int dir_fd, packs_fd, index_fd, snapshots_fd, points_fd, sessions_fd,
	    tmp_fd;
	int lock_fd;
	bool locked;
	struct index *index;
	struct grants *grants;     /* of the keyring's; NULL: none */
	struct rooted *rooted;     /* of what index says; made at first use */
	struct reader *reader;     /* of store_get; made at first use */
	struct suspects *suspects; /* what the last check found damaged */
	struct id *condemned;      /* of condemn_refresh: ascending */
	size_t condemned_count;
};

/*
 * The critical sections of docs/format/repository.md.  Not recursive.
 * ERR_BUSY after half a minute.  Unlocking what is not locked is fine, so that
 * OWNED(repo_unlock_owned) struct store *held = st; ends a section.
 */
enum err_code repo_lock(struct store *st, struct err *e) MUST_CHECK;
/* For who must not wait: ERR_BUSY at once. */
enum err_code repo_try_lock(struct store *st, struct err *e) MUST_CHECK;
void repo_unlock(struct store *st);
void repo_unlock_owned(struct store **st);

/*
 * Write bytes to tmp/, flush, rename to name (one component) in dirfd without
 * replacing, flush dirfd.  ERR_EXISTS: the same bytes are there already;
 * ERR_CORRUPT: something else is under that name.  `what` is for messages:
 * "snapshots/local".
 */
struct repo_file {
	int dirfd;
	const char *what;
	const char *name;
	const void *bytes;
	size_t len_bytes;
	/* Its name is the hash of these bytes: a file of that name that has
	 * others is damaged, and gives way. */
	bool mends;
};
enum err_code repo_publish(struct session *se, const struct repo_file *f,
    struct err *e) MUST_CHECK;

/* repo_publish under the hash of the bytes; *name is that. */
enum err_code repo_publish_hashed(struct session *se, struct repo_file *f,
    struct id *name, struct err *e) MUST_CHECK;

/*
 * The same of a file that was written to tmp/TMP through fd, too large to be
 * held: f->bytes is NULL.  It is renamed or unlinked.
 */
enum err_code repo_publish_written(struct session *se, const char *tmp, int fd,
    struct repo_file *f, const struct id *name, struct err *e) MUST_CHECK;

/*
 * For the files without a hash for a name, under the lock: written to tmp/tmp,
 * put in the place of the old one.
 */
enum err_code repo_replace(struct store *st, const char *tmp,
    const struct repo_file *f, struct err *e) MUST_CHECK;

/* rename(2) that never replaces: -1 and EEXIST. */
int repo_rename_new(int from_fd, const char *from, int to_fd, const char *to);

/*
 * A directory below one of ours: snapshots/SERVICE.  Names are checked.
 * ERR_NOTFOUND; repo_make_dir makes it, durably.
 */
enum err_code repo_open_dir(int *out, int dirfd, const char *name,
    struct err *e) MUST_CHECK;
enum err_code repo_make_dir(int *out, int dirfd, const char *name,
    struct err *e) MUST_CHECK;

/* A regular file for reading; *size_bytes may be NULL. */
enum err_code repo_open_file(int *fd, uint64_t *size_bytes, int dirfd,
    const char *name, struct err *e) MUST_CHECK;

/* The whole of a regular file, replacing what out held. */
enum err_code repo_slurp(struct buf *out, int dirfd, const char *name,
    size_t max_bytes, struct err *e) MUST_CHECK;

/* A directory's names but "." and "..", sorted bytewise. */
struct repo_names {
	char **names;
	size_t count;
};
void repo_names_fini(struct repo_names *n);
enum err_code repo_list(struct repo_names *out, int dirfd,
    struct err *e) MUST_CHECK;
/*
 * Those of a folder of the repository, and a descriptor of it.  Where there is
 * no such folder, no names, and *dirfd stays -1.
 */
enum err_code repo_list_in(struct repo_names *out, int *dirfd,
    const struct store *st, const char *folder, struct err *e) MUST_CHECK;

/*
 * Under the lock, and durably: the file of that id in a folder of the
 * repository.  verb, for messages: "release hold".  ERR_NOTFOUND.
 */
enum err_code repo_unlink(struct store *st, const char *folder,
    const struct id *id, const char *verb, struct err *e) MUST_CHECK;

/* [a-z0-9][a-z0-9._-]{0,63} */
bool repo_name_is_valid(const char *name);

/* --- session: one live writer -------------------------------------------- */

struct session {
	struct store *store;
	char name[33]; /* 32 hex digits; its temporaries are tmp/NAME-... */
	int fd;        /* sessions/NAME, locked */
	uint64_t temporaries_count;
	struct seal_key
	    *key;           /* NULL: an intake's session, which seals nothing */
	struct buf stanzas; /* the list that wraps key */
};

/* A session without keys: what an intake lives in. */
enum err_code session_open_bare(struct session **out, struct store *st,
    struct err *e) MUST_CHECK;

/*
 * Inside repo_lock: is the session still its own?  ERR_BUSY: it was fenced,
 * nothing may be committed.
 */
enum err_code session_check(struct session *se, struct err *e) MUST_CHECK;

/* Inside repo_lock: does anybody else have a session open? */
enum err_code session_others(struct session *se, bool *any,
    struct err *e) MUST_CHECK;
/*
 * The names (16 bytes each, ascending, end to end) of the sessions that live;
 * but not of but (may be NULL).  Inside repo_lock it is so until that ends.
 */
enum err_code session_names_alive(struct buf *out, struct store *st,
    const struct session *but, struct err *e) MUST_CHECK;
/*
 * ERR_BUSY: a session that lives, not but (may be NULL), builds on the snapshot.
 * Any other failure: it may.  Inside repo_lock.
 */
enum err_code session_check_pins(struct store *st, const struct session *but,
    const struct id *snapshot, struct err *e) MUST_CHECK;

/* The next name for a file in tmp/. */
#define SESSION_TEMPORARY_BYTES 64
void session_temporary(struct session *se, char out[SESSION_TEMPORARY_BYTES]);

/* --- presence ------------------------------------------------------------ */

/*
 * A listed segment has it and the pack is there at its size.  Each pack is
 * looked at once and remembered until store_refresh.
 */
bool index_present(struct store *st, const struct id *id);

/*
 * The copies of an id, best first: nth from 0 on; false when there are no more.
 * Whether a copy's pack is there, index_pack_present says.  number: one for
 * each distinct pack of all listed segments, from 0 to index_packs_count - 1,
 * until store_refresh.
 */
struct index_copy {
	uint64_t ordinal; /* of its record */
	uint32_t number;  /* of its pack */
	uint32_t frame;
	uint16_t slot;
	uint8_t kind, depth;
};
bool index_find(const struct store *st, const struct id *id, unsigned nth,
    struct index_copy *out);
/*
 * The same, one after the other:
 *
 *	for (struct index_walk w = {0}; index_next(st, id, &w, &c);)
 */
struct index_walk {
	size_t segment; /* how many were passed */
	uint64_t at;
};
bool index_next(const struct store *st, const struct id *id,
    struct index_walk *w, struct index_copy *out);

/*
 * Records over all listed segments have ordinals below that, until
 * store_refresh.
 */
uint64_t index_records_count(const struct store *st);

/* Calls fn for each copy of id; how many there are. */
typedef void index_copy_fn(void *ctx, const struct index_copy *copy);
size_t index_each(const struct store *st, const struct id *id,
    index_copy_fn *fn, void *ctx);
/* Calls fn for every record that counts, by ordinal. */
typedef void index_record_fn(void *ctx, const struct id *id,
    const struct index_copy *copy);
enum err_code index_scan(const struct store *st, index_record_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;

/* Every listed segment's bytes against its name.  ERR_CORRUPT. */
enum err_code index_verify(const struct store *st, struct err *e) MUST_CHECK;
/*
 * Has no look-up failed for want of a record that could not be read, or of the
 * means to look at a pack?  Who decides by what is not found asks afterwards.
 * ERR_IO, ERR_NOMEM.
 */
enum err_code index_was_readable(const struct store *st,
    struct err *e) MUST_CHECK;
/* The latter alone.  ERR_NOMEM. */
enum err_code index_was_seen(const struct store *st, struct err *e) MUST_CHECK;

struct index_pack {
	struct id name;
	uint64_t size_bytes;
	bool metadata, foreign;
};
size_t index_packs_count(const struct store *st);
const struct index_pack *index_pack(const struct store *st, uint32_t number);
bool index_pack_present(struct store *st, uint32_t number);

/*
 * May new data refer to it?  *out: the least deep of its copies that are there,
 * not from another site, and open to all recipients.
 */
bool index_usable_copy(struct store *st, const struct id *id,
    struct index_copy *out);

/* What store_get does, with a reader of one's own. */
enum err_code reader_take(struct reader *r, enum store_kind kind,
    const struct id *id, struct buf *out, struct buf *refs,
    struct err *e) MUST_CHECK;

/* It keeps no more than so many bytes of opened frames. */
void reader_limit(struct reader *r, size_t frames_bytes);

struct reader_frame; /* pack.h */
/*
 * Opens a frame whose bytes are at hand and compares the ids of what it holds.
 * lengths: a little-endian u32 for each of its chunks; cleared first.
 */
enum err_code reader_check_frame(struct reader *r, const struct reader_frame *f,
    struct buf *lengths, struct err *e) MUST_CHECK;

/* The clear refs of a page's or list's frame; needs no key. */
enum err_code reader_refs(struct store *st, const struct id *id,
    enum store_kind *kind, struct buf *refs, struct err *e) MUST_CHECK;

/*
 * The clear base ids of the copy's frame: what its delta was made from (empty
 * at depth 0).  Needs no key.
 */
enum err_code reader_bases(struct store *st, const struct index_copy *copy,
    struct buf *bases, struct err *e) MUST_CHECK;

/* --- writer, for the units that put pages and snapshots through it -------- */

struct session *writer_session(struct writer *w);

/*
 * New versions of something: chunks that are not there (writer_has) gather
 * apart until writer_changed_from says which chunks they are like; any of
 * these that cannot serve are left out.
 */
enum err_code writer_put_changed(struct writer *w, const struct id *id,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;
enum err_code writer_changed_from(struct writer *w, const struct id *bases,
    size_t count, struct err *e) MUST_CHECK;

/* The id that data would be put under. */
void writer_name(struct writer *w, const void *bytes, size_t len_bytes,
    struct id *id);
/* writer_put of data that was named already. */
enum err_code writer_put_named(struct writer *w, const struct id *id,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;
/* A chunk list of an earlier version, however this writer can have it. */
enum err_code writer_old_list(struct writer *w, const struct id *id,
    struct buf *body, struct buf *refs, struct err *e) MUST_CHECK;

/* --- intake and check, for the units that know trees --------------------- */

struct session *intake_session(struct intake *in);
struct epochs;
const struct epochs *intake_epochs(const struct intake *in);
int64_t intake_promised(const struct intake *in);

/* One check under way: what the units report into. */
struct checking {
	struct store *store;
	const struct check_options *opt;
	struct check_tally *tally;
	uint64_t done_bytes, total_bytes; /* of packs */
	uint64_t *lengths;                /* of the chunks that were opened */
	size_t lengths_count, lengths_room;
	bool lengths_sorted;
	/* Called for each pack that was found damaged; may be NULL. */
	void (*on_pack)(void *ctx, const struct id *name);
	void *on_pack_ctx;
	bool segment_bent; /* so what the index says of packs is no promise */
};
/* Only some packs are looked into? */
bool checking_is_bounded(const struct check_options *opt);
/* Has the caller had enough?  ERR_CANCELLED. */
enum err_code checking_progress(struct checking *ck, uint64_t more_bytes,
    struct err *e) MUST_CHECK;
/* Counts it and tells on_damage.  object: "packs/ab/...", "snapshots/...". */
void checking_damage(struct checking *ck, const char *object, const char *fmt,
    ...) PRINTF_LIKE(3, 4);

/*
 * Chunks were opened: their lengths, each made by checking_lengths_of, one
 * after another as u64.  Later: may it be of this length?
 */
uint64_t checking_lengths_of(const struct id *id, size_t len_bytes);
enum err_code checking_lengths_add(struct checking *ck,
    const struct buf *lengths, struct err *e) MUST_CHECK;
bool checking_lengths_fit(struct checking *ck, const struct id *id,
    uint64_t len_bytes);

/* store_check with a struct checking of one's own. */
enum err_code checking_run(struct checking *ck, struct err *e) MUST_CHECK;

struct manifest_segment; /* manifest.h */
/* A segment that MANIFEST lists: its name, its size, its order. */
enum err_code checking_index_segment(struct store *st,
    const struct manifest_segment *ms, struct err *e) MUST_CHECK;

/* MANIFEST and its segments; packs, and the index against them. */
enum err_code checking_index(struct checking *ck, struct err *e) MUST_CHECK;
enum err_code checking_packs(struct checking *ck, struct err *e) MUST_CHECK;

/*
 * Written with the trees (unit closure): every snapshot and point file, its
 * signature, its pages' and chunks' presence; at CHECK_OPEN each page's refs
 * against its body.  Counts unreferenced_packs_count.  Fails only when it cannot
 * look.
 */
enum err_code closure_check(struct checking *ck, struct err *e) MUST_CHECK;

#endif
