#ifndef JOB_RESTORE_H
#define JOB_RESTORE_H

/*
 * The parts of a restore.  restore.c walks the snapshot, makes directories and
 * hands out batches of files; restore_file.c makes one entry (in a worker); a
 * directory gets its metadata from whoever is the last to need it.
 */

#include <pthread.h>
#include <stdatomic.h>

#include <bascule/archive.h>
#include <bascule/base/linkmap.h>
#include <bascule/job.h>

struct restore_names;
struct restore_clones;

/* A directory that is being filled: open as long as somebody needs it. */
struct restore_dir {
	int fd;            /* -1: not there yet, and with dry_run it stays so */
	bool fresh;        /* made by us: what is in it, we put there */
	bool has_metadata; /* entry is given to it when it is full */
	bool hands_down;   /* what is made in it may get something from it */
	struct entry entry;
	atomic_int users_count;
	struct restore_names *names; /* when somebody asked for them */
	atomic_int folds;            /* restore_names.c */
	pthread_mutex_t odd_lock;    /* of the next two */
	struct linkmap odd; /* what we made that may be kept otherwise */
	bool odd_lost;      /* some of it could not be noted */
};

/* What all threads of one restore share. */
struct restore_shared {
	const struct restore_options *opt;
	struct store *st;
	atomic_uint_fast64_t done_bytes, written_bytes, same_count,
	    changed_count, cloned_count, warnings_count, failed_count,
	    differ_count, damage_count, kept_count;
	uid_t uid; /* whose what we make is at first */
	gid_t gid;
	bool gives_away;  /* it can become another's */
	atomic_int fatal; /* an enum err_code: going on makes no sense */
	pthread_mutex_t names_lock; /* of the directories' names, and clones */
	struct restore_clones *clones;
	atomic_bool cannot_clone; /* this file system has none */
	/* restore_names.c, by the walk alone: of the last file system asked */
	dev_t order_dev;
	bool order_known, order_needed;
};

/*
 * A file of many chunks: several workers fill it, piece by piece; the last one
 * gives it its metadata and closes it.
 */
struct restore_big {
	struct entry entry;
	struct restore_dir *dir; /* a use of it is held */
	char name[PATH_NAME_MAX + 1];
	int fd;         /* -1: it could not be opened, or is not there */
	bool replaces;  /* something of its name was there */
	bool existed;   /* and is brought into line */
	bool has_shape; /* with the right size and holes */
	bool has_meta;  /* and the right metadata */
	bool stays;     /* nothing is to be done about it */
	bool all_sent;  /* every run was handed out; set before our own drop */
	atomic_int users_count;
	atomic_uint runs_sent_count, runs_done_count;
	atomic_bool differs, failed;
};

/* One entry that a worker makes or compares; or, with big set, a run of the
 * chunks of one. */
struct restore_task {
	struct item item;
	struct restore_dir *dir; /* a use of it is held */
	size_t strip_bytes;      /* of its path: what is above the target */
	const char *link_to;     /* another name of this file, beneath top_fd */
	int top_fd;
	const char *name; /* within its directory; of the item, or of big */
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
	/* what to tell people: the main thread does; a byte that says what it
	 * is, then "path NUL text NUL" */
	struct buf *told;
};

#define RESTORE_COMPARE_BYTES ((size_t)4 << 20)

/* The first byte of what is told: a problem, or a plan's '0' + change. */
#define RESTORE_TOLD_PROBLEM 'p'
void restore_tell(struct restore_tools *t, const struct entry *entry,
    const char *text);
void restore_tell_plan(struct restore_tools *t, enum restore_change change,
    const char *path);
/*
 * Apply the entry's metadata to fd and tell what could not be set.  skip: as
 * arc_meta_apply's.
 */
void restore_tell_meta(struct restore_tools *t, int fd, enum arc_handle handle,
    const struct entry *entry, unsigned skip);
/* All that was gathered, by the main thread. */
void restore_tell_all(const struct restore_options *opt, struct buf *told);
/* A fault of one entry: counted, told, and the restore goes on. */
void restore_tell_fault(struct restore_tools *t, const struct entry *entry,
    const struct err *why);

/* With one user; NULL: no memory. */
struct restore_dir *restore_dir_new(void);
struct restore_dir *restore_dir_use(struct restore_dir *d);
/* The last one to drop it gives it its metadata: its members are all made. */
void restore_dir_drop(struct restore_tools *t, struct restore_dir **d);

/*
 * Make it, or take the one that is there; d->fresh says which.  With dry_run
 * d->fd is -1 when there is none.
 */
enum err_code restore_dir_open(struct restore_tools *t,
    struct restore_dir *parent, const char *name, struct restore_dir *d,
    struct err *e) MUST_CHECK;

/* The last component of its path, within it. */
const char *restore_dir_name(const struct entry *entry);
/*
 * Directories stay open while files in them are under way: as many descriptors
 * as the system lets us have, and how many directories each of so many holders
 * may keep open.
 */
unsigned restore_dir_window(unsigned holders_count);

/* --- restore_pour: content ---------------------------------------------------- */

/* Where the next byte of content goes, and what is done with it. */
struct restore_pour {
	struct restore_tools *tools;
	const struct entry *entry;
	int fd;
	size_t extent;     /* of a sparse file: which run of data */
	uint64_t at_bytes; /* of the content (or of the run), done */
	bool compare;      /* look first, write what differs */
	bool read_only;    /* write nothing: differs says */
	bool differs;
};
/* Of files that are not big: no list of chunks has to be read. */
enum err_code restore_pour_content(struct restore_pour *p,
    const struct content *c, struct err *e) MUST_CHECK;
enum err_code restore_pour_pieces(struct restore_pour *p,
    const struct content_piece *pieces, size_t count, struct err *e) MUST_CHECK;
/* Go to where byte offset of the content belongs. */
void restore_pour_seek(struct restore_pour *p, uint64_t offset);
/* Are its holes those of the entry?  True of an entry without a map. */
bool restore_pour_holes_match(int fd, const struct entry *entry);

/* --- restore_clone: equal files share their blocks ----------------------------- */

struct restore_clones;
enum err_code restore_clone_new(struct restore_clones **out,
    struct err *e) MUST_CHECK;
void restore_clone_free(struct restore_clones **c);
/* This file is whole: others may begin as clones of it. */
void restore_clone_remember(struct restore_tools *t, const struct entry *entry,
    const struct content *c, const char *beneath);
/*
 * Make the new, empty fd a clone of one that should be the same; it has to be
 * compared.  False: there is none, or it cannot be done.
 */
bool restore_clone_try(struct restore_tools *t, const struct entry *entry,
    const struct content *c, int top_fd, int fd);

/* --- restore_names: whether names are told apart ------------------------------- */

/*
 * A name that exists: is it there as it is written?  A file system that folds
 * case or normalises Unicode finds another's.  ERR_EXISTS: it does.
 */
enum err_code restore_names_check(struct restore_tools *t,
    struct restore_dir *d, const char *name, struct err *e) MUST_CHECK;
void restore_names_free(struct restore_names **n);
/*
 * Asked by the walk: must all before it be made first?  So of two names that are
 * one where they are restored to, the same one stays each time: the first of the
 * snapshot.  (What such a file system makes of a name comes before it in the
 * order of paths, or may itself be kept otherwise.)  d NULL: no.
 */
bool restore_names_need_order(struct restore_tools *t,
    const struct restore_dir *d, const struct entry *entry);

/*
 * Around the making of a name: what a file system may keep otherwise than it was
 * given is noted, so that the next name that finds it is seen to be another's.
 * errno stays.
 */
void restore_names_begin(struct restore_dir *d, const char *name);
void restore_names_end(struct restore_dir *d, const char *name, bool made);

/* --- restore_node: links, devices and the like ---------------------------------- */

enum err_code restore_node_make(struct restore_tools *t,
    struct restore_task *task, bool exists, struct err *e) MUST_CHECK;
/* Is it there as the entry says, its metadata apart? */
bool restore_node_is_there(const struct restore_task *task);
/* One more name for a file made before; no link is followed to either. */
enum err_code restore_node_link(const struct restore_task *task, bool exists,
    struct err *e) MUST_CHECK;
/* Is it another name of that file already? */
bool restore_node_is_linked(const struct restore_task *task);

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

/*
 * Remove it (with dry_run: only tell), beneath what is restored.  What cannot be
 * removed is told as a fault.
 */
enum err_code restore_others_delete(struct restore_tools *t, uint64_t *count,
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
	struct place end;   /* of its last one */
	uint64_t bytes;
	size_t walked; /* which one it was */
	bool held;     /* until the next window */
};

struct restore_plan;
enum err_code restore_plan_new(struct restore_plan **out, struct store *st,
    struct err *e) MUST_CHECK;
void restore_plan_free(struct restore_plan **p, struct restore_tools *t);
bool restore_plan_is_full(const struct restore_plan *p);
/* A task to be filled in; the plan is not full.  c NULL: it has no content. */
enum err_code restore_plan_add(struct restore_plan *p, const struct content *c,
    uint64_t bytes, struct restore_task **task, struct err *e) MUST_CHECK;
/*
 * The tickets in order, until the next is added; their tasks are the caller's.
 * more: the walk goes on; then those of the frame it is in are kept, if they are
 * less than half of all, so that they come with what else lies in it.
 */
struct restore_ticket *restore_plan_take(struct restore_plan *p, bool more,
    size_t *count);
/* How many directories those that are kept are in, or more. */
unsigned restore_plan_dirs_count(const struct restore_plan *p);
/* Does what comes after it begin in another frame? */
bool restore_plan_is_border(const struct restore_ticket *before,
    const struct restore_ticket *now);

/* Give up what a task holds. */
void restore_file_end_task(struct restore_tools *t, struct restore_task *task);

/* Make (or, over what exists, bring into line) anything but a directory. */
void restore_file_make(struct restore_tools *t, struct restore_task *task);
/* What has its name cannot be taken away, says errno. */
enum err_code restore_file_stays(struct err *e) MUST_CHECK;
/* Take away what is in the way of it: its own name, never an entry's content. */
enum err_code restore_file_remove_old(const struct restore_task *task,
    struct err *e) MUST_CHECK;
/* A new, empty file of task's name; what was there is removed. */
enum err_code restore_file_create(const struct restore_tools *t,
    const struct restore_task *task, const struct entry *entry, int *fd,
    struct err *e) MUST_CHECK;
/* Is something of its name there? */
enum err_code restore_file_look(const struct restore_task *task, bool *exists,
    struct err *e) MUST_CHECK;
/* A regular file that is there, to be looked at; *fd -1: there is none. */
struct stat;
enum err_code restore_file_open_old(const struct restore_dir *dir,
    const char *name, int *fd, struct stat *st, struct err *e) MUST_CHECK;
/*
 * The one that *fd is, for writing; *fd -1: it has to be made anew (it runs, or
 * may not be written, or another has its name by now).
 */
enum err_code restore_file_open_again(const struct restore_dir *dir,
    const char *name, int *fd, const struct stat *was,
    struct err *e) MUST_CHECK;

/* --- restore_big: files of many chunks ------------------------------------------ */

struct restore_big *restore_big_use(struct restore_big *b);
/*
 * Open it for its runs.  False: nothing is to be done about it (it stays as it
 * is, or a fault was told).
 */
bool restore_big_begin(struct restore_tools *t, const struct restore_task *task,
    struct restore_big *big, const struct content *c);
/* The run of task->big. */
void restore_big_run(struct restore_tools *t, struct restore_task *task);
/* The last one to drop it ends it. */
void restore_big_drop(struct restore_tools *t, struct restore_big **big);

/* --- restore_look: nothing is changed -------------------------------------------- */

/* Is it there as it should be?  Counts what differs. */
void restore_look_verify(struct restore_tools *t, struct restore_task *task);
/* Of what is told to have been set, is it so?  A warning if not. */
void restore_look_meta(struct restore_tools *t, int fd, enum arc_handle handle,
    const struct entry *entry);
/*
 * What a restore would do about it: told as a plan, and counted.  beneath: its
 * path in the target.
 */
void restore_look_plan(struct restore_tools *t, struct restore_task *task,
    const char *beneath);

#endif
