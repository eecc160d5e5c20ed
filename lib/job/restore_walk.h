#ifndef JOB_RESTORE_WALK_H
#define JOB_RESTORE_WALK_H

/*
 * What the main thread of a restore has: restore.c deals out the work,
 * restore_walk.c finds it.
 */

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>
#include <bascule/base/path.h>
#include <bascule/base/pipeline.h>

#include "restore.h"

/*
 * A batch ends where a frame does, so that one worker reads and opens it, once
 * it has half of the first two.  Within a frame it goes on to the last two: of
 * one frame that is all, unless many files share few chunks.
 */
#define TASKS_MAX       512
#define BATCH_BYTES_MAX ((uint64_t)4 << 20)
#define FRAME_TASKS_MAX 8192
#define FRAME_BYTES_MAX ((uint64_t)32 << 20)
#define RUN_BYTES_MAX   ((uint64_t)8 << 20) /* of a file of many chunks */
#define WORKERS_MAX     16
#define BATCHES_MAX     (WORKERS_MAX * 3)

struct batch {
	struct restore_task *tasks;
	size_t count, size;
	uint64_t bytes;
	struct buf told;
};

/* A directory of the path we are in. */
struct level {
	size_t path_bytes;       /* of its path in the snapshot */
	struct restore_dir *dir; /* NULL: could not be made */
};

struct restore {
	struct restore_shared shared;
	struct restore_result *result;
	struct pipeline *pipeline;
	struct restore_tools tools[WORKERS_MAX];
	struct restore_tools own; /* of the walk itself */
	struct buf own_told;
	unsigned workers_count;
	struct batch *batches[BATCHES_MAX];
	size_t batches_count;
	struct batch *filling;             /* taken from the pipeline */
	struct restore_plan *plan, *later; /* later: second names of files */
	unsigned window_dirs_count, window_dirs_max;
	unsigned later_dirs_count;
	const struct restore_dir *later_dir; /* of the last one put there */
	struct restore_disks disks;
	struct restore_links *links;
	int top_fd;
	size_t strip_bytes; /* of every path: the subtree's own */
	struct level *levels;
	size_t levels_count, levels_size;
	struct buf path; /* of the innermost level */
};

/* Give the task to the workers, or end it. */
enum err_code restore_send_task(struct restore *r, struct restore_task *task,
    uint64_t bytes, struct err *e) MUST_CHECK;
/* What a plan holds goes to the workers; more is to come. */
enum err_code restore_deal(struct restore *r, struct restore_plan *plan,
    struct err *e) MUST_CHECK;
/* All that was planned is made: files before their second names. */
enum err_code restore_settle(struct restore *r, struct err *e) MUST_CHECK;
/* Say what there is to say; ERR_CANCELLED. */
enum err_code restore_say(struct restore *r, struct err *e) MUST_CHECK;

/* The snapshot, or the paths of it that are asked for. */
enum err_code restore_walk_all(struct restore *r, struct err *e) MUST_CHECK;
/* ERR_NOTFOUND: one of the paths is not in the snapshot. */
enum err_code restore_walk_check(struct restore *r, struct err *e) MUST_CHECK;
/* Leave the innermost directory. */
void restore_walk_pop(struct restore *r);

#endif
