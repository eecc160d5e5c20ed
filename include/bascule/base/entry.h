#ifndef BASCULE_BASE_ENTRY_H
#define BASCULE_BASE_ENTRY_H

/*
 * One entry of a snapshot's map, in memory: what a source yields, a store
 * saves and a restore makes again.  It knows no format and touches no file.
 *
 * N1. Zeroed memory is an empty entry; entry_fini or entry_clear end it.
 * N2. Whatever the setters let in is within the maxima below; entry_check
 *     says whether the fields fit together.
 * N3. Inode number, device and ctime are not here: they belong to the machine
 *     the entry was read on (struct source_item, the state cache).
 *
 * Paths are path.h's: relative, the root is empty.  A source of /srv/a yields
 * "srv", then "srv/a", then its members, so restoring beneath DIR makes
 * DIR/srv/a.
 *
 * POSIX ACLs are the kernel's own attributes system.posix_acl_access and
 * system.posix_acl_default among the xattrs, value untouched (version 2,
 * little-endian, numeric ids): one list, one order, nothing to translate.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/defs.h>
#include <bascule/base/err.h>
#include <bascule/base/path.h>

#define ENTRY_NAME_BYTES_MAX   ((size_t)256)   /* of users and groups */
#define ENTRY_TARGET_BYTES_MAX PATH_BYTES_MAX  /* Linux itself stops at 4095 */
#define ENTRY_XATTR_NAME_MAX   ((size_t)255)   /* XATTR_NAME_MAX */
#define ENTRY_XATTR_VALUE_MAX  ((size_t)65536) /* XATTR_SIZE_MAX */
#define ENTRY_XATTR_COUNT_MAX  ((size_t)4096)
#define ENTRY_XATTRS_BYTES_MAX ((size_t)1 << 20) /* names and values in all */
#define ENTRY_EXTENT_COUNT_MAX ((size_t)1 << 20) /* 16 MiB; then holes merge */
#define ENTRY_LINK_BYTES       ((size_t)16)
#define ENTRY_SIZE_MAX         ((uint64_t)INT64_MAX)

/* The numbers are those of the format: never reused, never changed. */
enum entry_type {
	ENTRY_NONE = 0, /* an empty entry; never saved */
	ENTRY_FILE = 1,
	ENTRY_DIR = 2,
	ENTRY_SYMLINK = 3,
	ENTRY_FIFO = 4,
	ENTRY_SOCKET = 5,
	ENTRY_CHARDEV = 6,
	ENTRY_BLOCKDEV = 7
};

/*
 * Inode flags (FS_IOC_GETFLAGS) that a restore can set again: SECRM UNRM COMPR
 * SYNC IMMUTABLE APPEND NODUMP NOATIME NOCOMP JOURNAL_DATA NOTAIL DIRSYNC TOPDIR
 * NOCOW DAX PROJINHERIT.  The rest say how a file system stores a file.
 */
#define ENTRY_FLAGS_MASK UINT32_C(0x2283c4ff)

/* Bytes with a NUL behind them that is not counted; NULL while never set. */
struct entry_text {
	char *bytes;
	size_t len_bytes;
	size_t size_bytes; /* allocated */
};

struct entry_xattr {
	char *name; /* NUL-ended, with its namespace: "user.comment" */
	uint8_t *value;
	size_t value_bytes;
};

/* A run of data in a file with holes. */
struct entry_extent {
	uint64_t offset_bytes;
	uint64_t len_bytes;
};

struct entry {
	struct entry_text path;
	enum entry_type type;
	uint32_t mode; /* 07777 */
	uint32_t uid;
	uint32_t gid;
	struct entry_text user; /* empty: the id has no name */
	struct entry_text group;
	int64_t mtime_s; /* may be negative; floor, so mtime_ns is never */
	uint32_t mtime_ns;
	uint64_t size_bytes; /* of files; 0 for everything else */
	uint32_t flags;      /* within ENTRY_FLAGS_MASK */
	uint32_t rdev_major; /* of devices */
	uint32_t rdev_minor;
	struct entry_text target; /* of symbolic links */

	/* Sorted by name (bytewise), each name once. */
	struct entry_xattr *xattrs;
	size_t xattr_count;

	/*
	 * sparse: the file has holes; extents are its data, in order, neither
	 * touching nor overlapping, each at least one byte, within the size.
	 * Its content is the bytes of the extents one after another: nothing
	 * reads or stores a hole.  No extents: a hole from end to end.
	 * Not sparse: no extents, the content is size_bytes bytes.
	 */
	bool sparse;
	struct entry_extent *extents;
	size_t extent_count;
	size_t extent_room; /* allocated */

	/*
	 * A file with more than one name: the same bytes in every member's
	 * entry.  A keyed hash of the first member's path (in the map's order);
	 * every member carries the content too.
	 */
	bool linked;
	uint8_t link_group[ENTRY_LINK_BYTES];
};

/* --- ending --- */

/* Empty it for the next use; the memory of path and extents is kept. */
void entry_clear(struct entry *entry);

/* Empty it and free everything. */
void entry_fini(struct entry *entry);

/* --- doing --- */

/*
 * Make out a deep copy (what it held is gone).  On failure (ERR_NOMEM) out is
 * empty.  out and from differ.
 */
enum err_code entry_copy(struct entry *out, const struct entry *from,
    struct err *e) MUST_CHECK;

/* ERR_INPUT: not a path of path.h's form. */
enum err_code entry_set_path(struct entry *entry, const char *path,
    size_t len_bytes, struct err *e) MUST_CHECK;

/*
 * Set user, group or target: any bytes without a NUL, at most max_bytes
 * (ENTRY_NAME_BYTES_MAX, ENTRY_TARGET_BYTES_MAX), else ERR_INPUT.
 */
enum err_code entry_set_text(struct entry_text *text, const char *bytes,
    size_t len_bytes, size_t max_bytes, struct err *e) MUST_CHECK;

/*
 * Add an attribute at its place in the order.  ERR_EXISTS: the name is there
 * already; ERR_INPUT: over a maximum, or an empty name.
 */
enum err_code entry_add_xattr(struct entry *entry, const char *name,
    const void *value, size_t value_bytes, struct err *e) MUST_CHECK;

/*
 * Add data behind the last extent and set sparse; data that touches it makes
 * it longer.  ERR_INPUT: before its end, empty, or one too many.
 */
enum err_code entry_add_extent(struct entry *entry, uint64_t offset_bytes,
    uint64_t len_bytes, struct err *e) MUST_CHECK;

/* --- asking --- */

/*
 * Do the fields fit together and within the maxima?  ERR_CORRUPT says which
 * does not.  For entries decoded from elsewhere.
 */
enum err_code entry_check(const struct entry *entry, struct err *e) MUST_CHECK;

/* Is every field the same? */
bool entry_equal(const struct entry *a, const struct entry *b);

/* How many bytes of content: those of the extents, or of the whole file. */
uint64_t entry_content_bytes(const struct entry *entry);

/* NULL when there is none of that name.  Borrowed. */
const struct entry_xattr *entry_find_xattr(const struct entry *entry,
    const char *name);

/* "file", "directory", "symbolic link", ...: for messages and JSON. */
const char *entry_type_name(enum entry_type type);

/* From and to the S_IFMT bits of st_mode; ENTRY_NONE, 0: no such type. */
enum entry_type entry_type_of_mode(uint32_t st_mode);
uint32_t entry_type_mode(enum entry_type type);

#endif
