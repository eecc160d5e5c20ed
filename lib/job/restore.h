#ifndef JOB_RESTORE_H
#define JOB_RESTORE_H

/*
 * The parts of a restore.  restore.c walks the snapshot, makes directories and
 * hands out batches of files; restore_file.c makes one entry (in a worker); a
 * directory gets its metadata from whoever is the last to need it.
 */

#include <stdatomic.h>

#include <bascule/archive.h>
#include <bascule/job.h>

/* A directory that is being filled: open as long as somebody needs it. */
struct restore_dir {
	int fd;
	bool has_metadata; /* entry is given to it when it is full */
	bool hands_down;   /* what is made in it may get something from it */
	struct entry entry;
	atomic_int users_count;
};

/* What all threads of one restore share. */
struct restore_shared {
	const struct restore_options *opt;
	struct store *st;
	atomic_uint_fast64_t done_bytes, written_bytes, same_count,
	    warnings_count, failed_count, differ_count, damage_count;
	uid_t uid; /* whose what we make is at first */
	gid_t gid;
	atomic_int fatal; /* an enum err_code: going on makes no sense */
};

/*
 * A file of many chunks: several workers fill it, piece by piece; the last one
 * gives it its metadata and closes it.
 */
struct restore_big {
	struct entry entry;
	struct restore_dir *dir; /* a use of it is held */
	char name[PATH_NAME_MAX + 1];
	int fd; /* -1: it could not be opened, or is not there */
	bool existed;
	bool all_sent; /* every run was handed out; set before our own drop */
	atomic_int users_count;
	atomic_uint runs_sent_count, runs_done_count;
	atomic_bool differs, failed;
};

struct restore_big *restore_file_use_big(struct restore_big *b);

/* One entry that a worker makes or compares; or, with big set, a run of the
 * chunks of one. */
struct restore_task {
	struct item item;
	struct restore_dir *dir; /* a use of it is held */
	const char *link_to;     /* another name of this file, beneath top_fd */
	int top_fd;
	char name[PATH_NAME_MAX + 1];
	struct restore_big *big;
	uint64_t offset_bytes;        /* where in the content the run begins */
	struct content_piece *pieces; /* owned */
	size_t pieces_count;
};

/* A thread's own tools. */
struct restore_tools {
	struct restore_shared *shared;
	struct reader *reader;
	bool verifying; /* nothing is written any more */
	uint8_t *bytes; /* RESTORE_COMPARE_BYTES */
	/* what to tell people: the main thread does; "path NUL text NUL"... */
	struct buf *told;
};

#define RESTORE_COMPARE_BYTES ((size_t)4 << 20)

/* A fault of one entry: counted, told, and the restore goes on. */
void restore_file_fault(struct restore_tools *t, const struct entry *entry,
    const struct err *why);

struct restore_dir *restore_dir_use(struct restore_dir *d);
/* The last one to drop it gives it its metadata: its members are all made. */
void restore_dir_drop(struct restore_tools *t, struct restore_dir **d);

/* Make it, or take the one that is there; *existed says which. */
enum err_code restore_dir_open(struct restore_tools *t, int parent,
    const char *name, int *fd, bool *existed, struct err *e) MUST_CHECK;

/* The last component of its path, within it. */
const char *restore_dir_name(const struct entry *entry);
/*
 * Directories stay open while files in them are under way: as many descriptors
 * as the system lets us have, and how many directories each of so many holders
 * may keep open.
 */
unsigned restore_dir_window(unsigned holders_count);

/* --- restore_disks: what was made is on disk when we say so ----------------- */

struct restore_disks {
	struct restore_disk {
		dev_t dev;
		int fd; /* opened before anything was written to it */
	} * disks;
	size_t count;
};
void restore_disks_fini(struct restore_disks *d);
/* What lies in that directory will be written to. */
enum err_code restore_disks_add(struct restore_disks *d, int dirfd,
    struct err *e) MUST_CHECK;
/*
 * Flush every file system that was added.  rc and *e: how it went so far, which
 * is what is returned if not ERR_NONE.
 */
enum err_code restore_disks_flush(const struct restore_disks *d,
    enum err_code rc, struct err *e) MUST_CHECK;

/* --- restore_others: what the target has and the snapshot lacks ------------ */

/* Remove it (with dry_run: only count it), beneath what is restored. */
enum err_code restore_others_delete(struct store *st,
    const struct restore_options *opt, uint64_t *count,
    struct err *e) MUST_CHECK;

/* --- restore_links: which files have more than one name -------------------- */

struct restore_links;
enum err_code restore_links_new(struct restore_links **out,
    struct err *e) MUST_CHECK;
void restore_links_free(struct restore_links **l);
/* The path given with this group before; else remember path, *first NULL. */
enum err_code restore_links_join(struct restore_links *l,
    const uint8_t group[ENTRY_LINK_BYTES], const char *path, const char **first,
    struct err *e) MUST_CHECK;

/* --- restore_plan: a window of the walk in the order of storage ------------- */

struct restore_ticket {
	struct restore_task task;
	struct place place; /* of its first chunk, or as the one before it */
	uint64_t bytes;
	size_t walked; /* which one it was */
};

struct restore_plan;
enum err_code restore_plan_new(struct restore_plan **out, struct store *st,
    struct err *e) MUST_CHECK;
void restore_plan_free(struct restore_plan **p, struct restore_tools *t);
bool restore_plan_is_full(const struct restore_plan *p);
/* A task to be filled in; the plan is not full.  c NULL: it has no content. */
struct restore_task *restore_plan_add(struct restore_plan *p,
    const struct content *c, uint64_t bytes);
/* All tickets in order; their tasks are the caller's, the plan is empty. */
struct restore_ticket *restore_plan_take(struct restore_plan *p, size_t *count);

/* Give up what a task holds. */
void restore_file_end_task(struct restore_tools *t, struct restore_task *task);

/* Make (or, over what exists, bring into line) anything but a directory. */
void restore_file_make(struct restore_tools *t, struct restore_task *task);

/* Open a file of many chunks for its runs.  False: told as a fault. */
bool restore_file_begin_big(struct restore_tools *t,
    const struct restore_task *task, struct restore_big *big);
/* The run of task->big; then end the big one if nobody else needs it. */
void restore_file_run(struct restore_tools *t, struct restore_task *task);
void restore_file_drop_big(struct restore_tools *t, struct restore_big **big);

/* Is it there as it should be?  Counts what differs. */
void restore_file_verify(struct restore_tools *t, struct restore_task *task);

/*
 * Apply the entry's metadata to fd and tell what could not be set.  skip: as
 * arc_meta_apply's.
 */
void restore_file_meta(struct restore_tools *t, int fd, enum arc_handle handle,
    const struct entry *entry, unsigned skip);

#endif
