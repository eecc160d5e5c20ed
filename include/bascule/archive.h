#ifndef BASCULE_ARCHIVE_H
#define BASCULE_ARCHIVE_H

/*
 * What a file carries beside its bytes, and tar files.
 *
 * R1. Nothing here follows a symbolic link or opens a name: it works on
 *     descriptors that the caller opened and checked.
 * R2. Metadata that cannot be read or set is a warning about that item, one a
 *     fault, never the end of the run.
 * R3. A hostile archive costs at most its maxima in memory and time, and never
 *     yields a name that path.h refuses, a name twice, or anything but a file.
 * R4. The same members give the same archive, byte for byte.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/defs.h>
#include <bascule/base/entry.h>
#include <bascule/base/err.h>
#include <bascule/base/now.h>

/* === metadata (arc_meta) === */

/* What the descriptor can do. */
enum arc_handle {
	ARC_OPEN, /* opened for reading or writing: files and directories */
	ARC_PATH  /* O_PATH | O_NOFOLLOW: symbolic links, FIFOs, sockets,
		     devices; reached through /proc/self/fd */
};

/*
 * Told of each fault.  text is borrowed for the call and names what could not
 * be read or set ("attribute 'user.x': ..."), not the item: the caller knows.
 */
typedef void arc_warn_fn(void *arg, enum err_code code, const char *text);

struct arc_warn {
	arc_warn_fn *fn; /* NULL: nobody wants to know */
	void *arg;
};

/*
 * Add the extended attributes (ACLs among them) and, for ARC_OPEN, the inode
 * flags of fd to entry, whose type is set and which has no attributes yet.
 * Only running out of memory is a failure.
 */
enum err_code arc_meta_read(int fd, enum arc_handle handle, struct entry *entry,
    struct arc_warn warn, struct err *e) MUST_CHECK;

/* What arc_meta_apply leaves alone. */
enum {
	ARC_SKIP_OWNER = 1,
	ARC_SKIP_XATTRS = 2, /* and ACLs */
	ARC_SKIP_FLAGS = 4,
	ARC_SKIP_TIMES = 8,
	/*
	 * fd was made a moment ago where nothing is handed down
	 * (arc_meta_hands_down): it has neither attributes nor inode flags, and
	 * its mode may be right already.
	 */
	ARC_FRESH = 16
};

/*
 * Give fd, whose content is complete, everything of entry: owner, then
 * attributes, mode, times, flags last (an immutable file takes no more).
 * Attributes it has and the entry lacks are removed, except those that a
 * security module gives (security.selinux and its like).  Set-user-id bits are
 * not set when the owner could not be.  That it cannot be, where nothing can be
 * given away (arc_meta_gives_away), is no fault.
 * skip: ARC_SKIP_* or 0.  Returns how many faults were warned of.
 */
unsigned arc_meta_apply(int fd, enum arc_handle handle,
    const struct entry *entry, unsigned skip, struct arc_warn warn);

/* May we give files to others?  On Linux that takes CAP_CHOWN (capabilities(7)). */
bool arc_meta_gives_away(void);

/* Has it everything that arc_meta_apply would give it, and nothing more? */
bool arc_meta_equals(int fd, enum arc_handle handle, const struct entry *entry);

/* Do files made in this directory get attributes, ACLs or flags from it? */
bool arc_meta_hands_down(int dir_fd);

/* Clear IMMUTABLE and APPEND of an open file that is to be overwritten. */
enum err_code arc_meta_unlock(int fd, struct err *e) MUST_CHECK;

/* === writing a tar file (arc_tar_writer) === */

#define ARC_MEMBER_BYTES_MAX ((uint64_t)1 << 30)

/* Where the archive's bytes go; called in order.  atomfile_write has its form. */
typedef enum err_code arc_sink_fn(void *arg, const void *bytes,
    size_t len_bytes, struct err *e);

struct arc_tar_writer;

/*
 * Begin a pax archive compressed with zstd at level (1 to 19; 0: not at all).
 * when: the modification time of every member.  *out: owned by the caller,
 * ends with _finish or _discard.
 */
enum err_code arc_tar_writer_open(struct arc_tar_writer **out,
    arc_sink_fn *sink, void *sink_arg, int level, struct utc when,
    struct err *e) MUST_CHECK;

/*
 * Add a file of mode 0644 (or see below), owner 0.  name: a path as path.h has it, not empty
 * (ERR_INPUT).  A name twice is the caller's bug and is not looked for.
 */
enum err_code arc_tar_writer_add(struct arc_tar_writer *w, const char *name,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;

/* Members that begin from now on are of mode 0755, or 0644 again. */
void arc_tar_writer_programs(struct arc_tar_writer *w, bool are_programs);

/*
 * The same in pieces: begin, write until exactly size_bytes have been given,
 * then the next member or _finish (ERR_INPUT otherwise).
 */
enum err_code arc_tar_writer_begin(struct arc_tar_writer *w, const char *name,
    uint64_t size_bytes, struct err *e) MUST_CHECK;
enum err_code arc_tar_writer_write(struct arc_tar_writer *w, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

/*
 * Write the end and what is still buffered.  Takes *w: gone afterwards in any
 * case.  Only ERR_NONE means that the archive is whole.
 */
enum err_code arc_tar_writer_finish(struct arc_tar_writer **w,
    struct err *e) MUST_CHECK;

/* Forget it.  *w may be NULL. */
void arc_tar_writer_discard(struct arc_tar_writer **w);

/* === a tree into a tar file (arc_pax) === */

/*
 * Everything an entry has that a pax archive can hold: what GNU tar, bsdtar and
 * Python read.  Sparse files are GNU's format 1.0, attributes and ACLs star's.
 */
struct arc_pax;

/*
 * Of a name that says it is UTF-8 libarchive's reader makes the composed form:
 * another name.  Raw names keep theirs, but GNU tar warns of each.
 */
enum arc_pax_spelling { ARC_PAX_UTF8, ARC_PAX_RAW };
/* Would it stay what it is as UTF-8?  In doubt false. */
bool arc_pax_is_simple(const char *name, size_t len_bytes);

/* level: of zstd, 1 to 19; 0: not compressed. */
enum err_code arc_pax_open(struct arc_pax **out, arc_sink_fn *sink,
    void *sink_arg, int level, enum arc_pax_spelling spelling,
    struct err *e) MUST_CHECK;

struct arc_pax_names {
	const char *name; /* in the archive; "" is its root, written as "." */
	const char *link; /* an earlier member whose content this is, or NULL */
};
/*
 * The next member; entry is borrowed until arc_pax_end.  warn: of what the
 * archive cannot hold of it.  ERR_REFUSED: it cannot hold such a thing at all
 * (a socket); nothing was written.
 */
enum err_code arc_pax_begin(struct arc_pax *w, const struct entry *entry,
    const struct arc_pax_names *names, struct arc_warn warn,
    struct err *e) MUST_CHECK;
/* Its content in order, of a sparse file its extents'. */
enum err_code arc_pax_write(struct arc_pax *w, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;
/* After every begin, also where there is no content. */
enum err_code arc_pax_end(struct arc_pax *w, struct err *e) MUST_CHECK;
/* Takes *w; only ERR_NONE means that the archive is whole. */
enum err_code arc_pax_finish(struct arc_pax **w, struct err *e) MUST_CHECK;
void arc_pax_discard(struct arc_pax **w);

/* === reading a tar file (arc_tar_reader) === */

/* The most an archive may hold; a zero value is its default. */
struct arc_tar_limits {
	uint64_t member_bytes; /* 256 MiB */
	uint64_t total_bytes;  /* 4 GiB, of all members, and of the archive */
	size_t member_count;   /* 100,000 */
};

struct arc_member {
	const char *name; /* borrowed until the next call of _next */
	uint64_t size_bytes;
};

struct arc_tar_reader;

/*
 * Read an archive from fd (borrowed, at its present offset), plain or zstd.
 * *out: owned by the caller, ends with _close.
 */
enum err_code arc_tar_reader_open(struct arc_tar_reader **out, int fd,
    const struct arc_tar_limits *limits, struct err *e) MUST_CHECK;

/* The same from memory, borrowed until _close. */
enum err_code arc_tar_reader_open_bytes(struct arc_tar_reader **out,
    const void *bytes, size_t len_bytes, const struct arc_tar_limits *limits,
    struct err *e) MUST_CHECK;

/*
 * Go to the next member; unread bytes of the last are skipped.  ERR_NOTFOUND:
 * there is none, the archive ended as it should.  ERR_CORRUPT: not an archive,
 * cut off, over a maximum, or holding what R3 excludes.
 */
enum err_code arc_tar_reader_next(struct arc_tar_reader *r,
    struct arc_member *out, struct err *e) MUST_CHECK;

/* Up to len_bytes of the member; *got is less only at its end. */
enum err_code arc_tar_reader_read(struct arc_tar_reader *r, void *bytes,
    size_t len_bytes, size_t *got, struct err *e) MUST_CHECK;

/* The whole of the member into out (cleared first). */
enum err_code arc_tar_reader_slurp(struct arc_tar_reader *r, struct buf *out,
    struct err *e) MUST_CHECK;

/* *r may be NULL. */
void arc_tar_reader_close(struct arc_tar_reader **r);

/* === reading any archive (arc_any) === */

/*
 * Whatever libarchive reads by itself: tar, cpio, zip, 7z and others, compressed
 * or not.  Never a file that the archive names, nor a program.  What comes out
 * is as hostile as the archive: names are for the caller to judge.
 */
struct arc_any;

/* fd is borrowed; some formats need one that can seek. */
enum err_code arc_any_open(struct arc_any **out, int fd,
    struct err *e) MUST_CHECK;
enum err_code arc_any_open_bytes(struct arc_any **out, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;
void arc_any_close(struct arc_any **r);

struct arc_any_member {
	const char *name; /* as it stands there; borrowed until the next */
	const char
	    *link;    /* another member that it is a hard link to, or NULL */
	bool refused; /* the entry makes no sense: *e says why */
};
/*
 * The next member; entry gets all but its path (and extents: those come with
 * the blocks).  ERR_NOTFOUND: the archive has ended.  ERR_INPUT: it is broken
 * from here on, or none.
 */
enum err_code arc_any_next(struct arc_any *r, struct entry *entry,
    struct arc_any_member *m, struct arc_warn warn, struct err *e) MUST_CHECK;

struct arc_any_block {
	const void *bytes; /* borrowed until the next call */
	size_t len_bytes;
	uint64_t
	    offset_bytes; /* what lies before it and was not given: holes */
	bool ended;
};
/* ERR_CORRUPT: this member's content is broken; ERR_INPUT: the archive. */
enum err_code arc_any_read(struct arc_any *r, struct arc_any_block *out,
    struct err *e) MUST_CHECK;

/* How much of the archive was read. */
uint64_t arc_any_taken_bytes(const struct arc_any *r);
/* "GNU tar format", ...: after the first member. */
const char *arc_any_format(const struct arc_any *r);

#endif
