#ifndef BASCULE_SOURCE_H
#define BASCULE_SOURCE_H

/*
 * What is to be saved, whatever it is: one stream of items in the map's order
 * (path_compare), each first as cheap stat data, then, only for what the
 * caller finds new or changed, with its metadata and its bytes.
 *
 * Y1. The order is strictly ascending: every path once, a directory before its
 *     members.  Only a problem item may repeat the path before it.
 * Y2. Nothing unreadable ends the stream: it becomes an item of kind
 *     SOURCE_PROBLEM and the stream goes on.  Errors returned by source_next
 *     are the end (out of memory, the root itself is gone).
 * Y3. A tree is never written to, symbolic links in it are never followed, and
 *     FIFOs, sockets and devices are never opened for reading.
 * Y4. Memory is bounded by the names of the directories between the root and
 *     the present place (some 24 bytes and the name for each member) and about
 *     20,000 items read ahead, and does not grow with the tree.
 * Y5. source_next has one caller at a time.  source_open, source_read,
 *     source_finish and source_item_fini may be called in any thread, also
 *     for items that source_next gave long before.
 *
 *	OWNED(source_free) struct source *src = NULL;
 *	OWNED(source_item_fini) struct source_item item = {0};
 *	source_tree_new(&src, &options, e)
 *	while (source_next(src, &item, e) == ERR_NONE)
 *		if (item.kind == SOURCE_PROBLEM)
 *			record item.entry.path, item.problem
 *		else if (unchanged in the state cache)
 *			copy its entry from there
 *		else {
 *			source_open(&item, &file, warn, e)
 *			while (source_read(file, bytes, size, &run, e) ==
 *			    ERR_NONE && run.len_bytes > 0)
 *				store run.len_bytes of bytes
 *			source_finish(&file, e)		ERR_BUSY: again
 *		}
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/archive.h>
#include <bascule/base/buf.h>
#include <bascule/base/defs.h>
#include <bascule/base/entry.h>
#include <bascule/base/err.h>

/* === the stream (source) === */

struct source;
struct source_file;
struct source_dir;

enum source_kind {
	SOURCE_ENTRY,
	SOURCE_PROBLEM /* entry.path and problem are set, nothing else */
};

/*
 * problem.code says which it is.  ERR_NOTFOUND: it vanished between being
 * listed and being asked for (not a fault of anybody).  ERR_REFUSED: no
 * permission.  ERR_INPUT: its path is longer than PATH_BYTES_MAX.  Otherwise
 * the operating system failed us.
 */
struct source_item {
	enum source_kind kind;
	/* From the walk: path, type, mode, uid, gid, mtime, size, rdev.  From
	 * source_open: user, group, target, flags, xattrs, hole map. */
	struct entry entry;
	/* What the machine knows it by: for the state cache, not the map. */
	uint64_t dev;
	uint64_t inode;
	uint64_t nlink;
	int64_t ctime_s;
	uint32_t ctime_ns;
	struct err problem;

	/* private: what keeps the directory reachable */
	struct source *source;
	struct source_dir *dir;
	size_t name_bytes; /* the last bytes of entry.path */
	bool follow;       /* a root that is a link to a directory */
};

/* Free what an item holds; {0} afterwards. */
void source_item_fini(struct source_item *item);

/*
 * The next item, into item (zeroed, or of an earlier call, whose content is
 * gone and whose memory is used again).  To keep one, move it out of the
 * variable and zero that.  ERR_NOTFOUND: that was all.
 * An item must not outlive its source.
 */
enum err_code source_next(struct source *src, struct source_item *item,
    struct err *e) MUST_CHECK;

/*
 * Complete item with its metadata and, for a file with content, open it:
 * *out, ended with source_finish or source_close.  *out stays NULL for
 * everything that has no content (directories, links, empty files, ...).
 * The item is looked at afresh: its stat fields become what it is now (a file
 * replaced meanwhile is simply the new file, be it of another type).
 * warn: metadata that could not be read.
 * ERR_NOTFOUND: vanished; ERR_REFUSED: no permission; ERR_BUSY: replaced again
 * and again; ERR_IO.  None of them is the end of the run.
 * A command's process is started here.
 */
enum err_code source_open(struct source_item *item, struct source_file **out,
    struct arc_warn warn, struct err *e) MUST_CHECK;

/*
 * Does the item's file system live behind a network or another program, so that
 * it has a clock of its own?  True also when that cannot be found out.
 */
bool source_is_remote(const struct source_item *item);

/*
 * How late it is at least, now, by the clock that stamps the item, where that
 * is not this machine's and is known all the same; else SOURCE_CLOCK_OURS: ask
 * source_is_remote.
 */
#define SOURCE_CLOCK_OURS INT64_MIN
int64_t source_clock_s(const struct source_item *item);

/*
 * What this source cannot give of what it reads, once, in words for the record
 * of the run; nothing is added where it gives everything.  Ask at its end.
 */
enum err_code source_notes(struct source *src, struct buf *out,
    struct err *e) MUST_CHECK;

/* A run of content and its place in the file. */
struct source_run {
	uint64_t offset_bytes;
	size_t len_bytes; /* 0: the end */
};

/*
 * Read the next up to size_bytes.  Holes are stepped over: the runs one after
 * another are the content as entry.h defines it, and a run never spans a hole.
 * Never more than the size at source_open; less if the file shrank.
 */
enum err_code source_read(struct source_file *file, void *bytes,
    size_t size_bytes, struct source_run *run, struct err *e) MUST_CHECK;

/*
 * Say whether what was read is one consistent copy; closes *file in any case.
 * ERR_BUSY: the file changed while it was read (size, modification or change
 * time): open it again or flag it.  A command: ERR_IO with its status and the
 * last of its stderr when it failed, ERR_TIMEOUT; there is no copy then.
 */
enum err_code source_finish(struct source_file **file,
    struct err *e) MUST_CHECK;

/* Forget it; a running command is ended.  *file may be NULL. */
void source_close(struct source_file **file);

/* How many bytes of content source_open promised; 0 for a command. */
uint64_t source_content_bytes(const struct source_file *file);

/* Stop reading ahead and free everything.  *src may be NULL. */
void source_free(struct source **src);

/* === another machine, over SSH === */

/*
 * How to reach it, and whom to believe to be it.  Nothing of ours need be
 * installed there: a tree needs SFTP, a hook a POSIX shell.
 */
struct source_host {
	const char *name;    /* the policy's: for people */
	const char *address; /* numeric, or a name */
	uint16_t port;       /* 0: 22 */
	const char *user;
	const char *const *host_keys; /* fingerprints: ssh.h, hostpins */
	size_t host_keys_count;
	const char *identity; /* key file; NULL: ask the agent */
	int64_t timeout_ns;   /* of silence; 0: SSH_TIMEOUT_DEFAULT_NS */
	/* NULL, or: everything ends with ERR_CANCELLED soon after not 0. */
	const volatile sig_atomic_t *cancel;
};

/* === a tree, here or on another machine (source_tree) === */

#define SOURCE_ROOT_COUNT_MAX    1024
#define SOURCE_EXCLUDE_COUNT_MAX 4096

/* The zero value of each setting is its default. */
struct source_tree_options {
	/*
	 * NULL: here.  Else one root, absolute, read over SFTP.  That protocol
	 * knows no names of owners, no ACLs, attributes, flags, holes or hard
	 * links, whole seconds only, no numbers of devices (they are left
	 * out), no way to open a name and be sure that it is no link, and the
	 * stat data of an item is what the state cache can compare: inode and
	 * ctime hold a digest of path, mode and owner, and the mtime.
	 * A lost connection is made again, a few times; a file goes on where
	 * it was if it is unchanged.  When the host is gone for good that is
	 * the end of the stream: ERR_TIMEOUT.
	 */
	const struct source_host *host;
	/*
	 * The trees, at least one; relative ones from the working directory.
	 * Their parent directories are entries too; overlapping ones are one.
	 * A root that is a symbolic link to a directory stands for that
	 * directory; any other link is saved as a link.
	 */
	const char *const *roots;
	size_t root_count;
	/*
	 * gitignore's patterns, the last that matches decides: "!" takes back,
	 * a slash at the front or in the middle anchors to the root given, a
	 * slash at the end means directories only, "**" spans directories.
	 * What lies in an excluded directory cannot be taken back.
	 */
	const char *const *excludes;
	size_t exclude_count;
	bool one_file_system;  /* mount points stay, empty */
	bool exclude_caches;   /* of a CACHEDIR.TAG directory keep only that */
	unsigned thread_count; /* beside the caller; 0: one; at most 8 */
	bool single_thread;    /* none: for comparison and for tests */
};

/*
 * ERR_INPUT: no roots, a bad pattern, a root that cannot be spelled as paths
 * are.  ERR_NOTFOUND, ERR_REFUSED: a root cannot be reached.  Strings are
 * copied.  *out: owned by the caller, ends with source_free.
 */
enum err_code source_tree_new(struct source **out,
    const struct source_tree_options *options, struct err *e) MUST_CHECK;

/* === the output of a command (source_command) === */

#define SOURCE_ARGV_COUNT_MAX   1024
#define SOURCE_STDERR_BYTES_MAX 4096 /* the last so many are kept */

/*
 * A program to run without a shell: in a process group of its own, stdin
 * /dev/null, only PATH, HOME and LANG of our environment and those given here.
 * When it ends, what it left running in its group is killed: a server that is
 * to stay makes a session of its own, as daemons do.
 *
 * On another host it is run by the account's shell, as its environment has it,
 * with its words quoted and nothing added (env, where given, by env(1)).  When
 * it is given up its input and output are closed, which ends it at its next
 * write: SSH as servers speak it has no more.  ERR_TIMEOUT also when the
 * connection is lost.
 */
struct source_program {
	/* NULL: here.  Borrowed until the source that has it is freed. */
	const struct source_host *host;
	const char *const *argv; /* NULL-ended; argv[0] is sought in PATH */
	const char *const *env;  /* NULL-ended "NAME=value", or NULL */
	int64_t timeout_ns;      /* 0: none */
	/*
	 * Asked a few times a second while it is waited for: false ends it and
	 * its group, with ERR_CANCELLED.  NULL: never asked.
	 */
	bool (*is_wanted)(void *ctx);
	/*
	 * The end of what a program that exited 0 wrote to stderr, as one line;
	 * not called when that is nothing.  NULL: nobody listens.
	 */
	void (*said)(void *ctx, const char *text);
	void *ctx;
};

/*
 * A stream of one file named path (path.h's form), mode 0600, owned by us,
 * modified now, whose content is what the program writes to stdout.
 */
enum err_code source_command_new(struct source **out,
    const struct source_program *program, const char *path,
    struct err *e) MUST_CHECK;

struct source_command_limits {
	uint64_t min_bytes;
	uint64_t previous_bytes;          /* 0: there was no earlier run */
	uint32_t max_shrink_millipercent; /* 0: not asked; 50 % is 50,000 */
};

/*
 * Is an output of size_bytes believable?  ERR_INPUT says what it was and what
 * was expected: an empty dump is a failure even with exit status 0.
 */
enum err_code source_command_check(uint64_t size_bytes,
    const struct source_command_limits *limits, struct err *e) MUST_CHECK;

/* === running a hook to its end (source_run) === */

struct source_outcome {
	int exit_status; /* 0 to 255; -1: ended by signal */
	int signal;      /* 0: it exited */
	int64_t took_ns;
	uint64_t output_bytes; /* how much it wrote in all */
	struct buf output;     /* stdout, at most what was asked for */
	struct buf stderr_tail;
};

void source_outcome_fini(struct source_outcome *outcome);

/*
 * Run program and wait.  At most output_bytes_max of its output are kept, the
 * first ones; the rest is read and counted.  A failing status is not an error
 * here: see outcome.  ERR_NOTFOUND, ERR_REFUSED: it could not be started;
 * ERR_TIMEOUT: it and its group were killed (outcome holds what it said).
 */
enum err_code source_run(const struct source_program *program,
    size_t output_bytes_max, struct source_outcome *out,
    struct err *e) MUST_CHECK;

/* ERR_IO, with status or signal and the last of stderr, unless it exited 0. */
enum err_code source_run_check(const struct source_outcome *outcome,
    const char *name, struct err *e) MUST_CHECK;

/* Its last words on stderr as one line; empty when there were none. */
enum err_code source_run_said(struct buf *out,
    const struct source_outcome *outcome, struct err *e) MUST_CHECK;

/* === a hook that is run whatever happens (source_guard) === */

/*
 * A process that waits, where the hook is to be run, for our word or for our
 * end: killed, crashed, cut off, the hook is run all the same, by it.
 *
 * G1. After source_guard_new the hook is run exactly once, unless the guard
 *     itself dies: at source_guard_run, or when our end of the pipe (of the
 *     connection) is closed, by whatever.
 * G2. Nobody waits for the guard of a process that has died; it ends by itself,
 *     the hook's time limit included.
 *
 * It is a POSIX shell, here and on another host, in a session of its own.
 */
struct source_guard;

/*
 * program: its hook; its timeout_ns (0: none) holds for the guard, too, in
 * whole seconds; is_wanted and said are not asked.  ERR_IO, ERR_TIMEOUT,
 * ERR_NOTFOUND: there is no guard, and the hook was not run.
 */
enum err_code source_guard_new(struct source_guard **out,
    const struct source_program *program, struct err *e) MUST_CHECK;

/*
 * Now and then while the hook is held back: answers what a far host asks of an
 * idle connection.  Not ERR_NONE: the guard is gone, so that its hook was run
 * already, or never will be.
 */
enum err_code source_guard_tend(struct source_guard *g,
    struct err *e) MUST_CHECK;

/* Run the hook and wait, as source_run; *g is gone afterwards. */
enum err_code source_guard_run(struct source_guard **g, size_t output_bytes_max,
    struct source_outcome *out, struct err *e) MUST_CHECK;

/* The hook is run, and nobody hears how it went.  *g may be NULL. */
void source_guard_drop(struct source_guard **g);

/* === names of one file (source_links) === */

/*
 * Which files seen so far had this inode: for the hard-link groups.  Ask for
 * items with nlink > 1 that are no directories; an inode is forgotten when all
 * its names were seen, so memory grows only with links still incomplete.
 */
struct source_links;

enum err_code source_links_new(struct source_links **out,
    struct err *e) MUST_CHECK;
/*
 * group of item's inode into group if a member was seen before (*found true);
 * otherwise remember group as that inode's (*found false).  Asking twice in a
 * row for one path counts once.
 */
enum err_code source_links_join(struct source_links *links,
    const struct source_item *item, uint8_t group[ENTRY_LINK_BYTES],
    bool *found, struct err *e) MUST_CHECK;
void source_links_free(struct source_links **links);

#endif
