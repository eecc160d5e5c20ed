#ifndef JOB_FARLANES_H
#define JOB_FARLANES_H

/*
 * What a far restore makes, several at a time.  A connection is waited for with
 * each question; so a lane, a thread with a connection of its own, waits for
 * itself.
 *
 * FL1. A folder gets its attributes when all in it is made or given up, and the
 *      folders in it have theirs.
 * FL2. At most FARLANES_WAITING files wait: who brings one more makes one.
 * FL3. A lane takes work only once it is connected: a host that lets nobody else
 *      in is restored to over the one connection there is.
 */

#include "farfile.h"

#define FARLANES_MAX     8 /* with the one that walks */
#define FARLANES_WAITING 32

struct farlanes;
struct farfolder;

/*
 * Something was made, or failed; called by one at a time, from any thread.
 * ERR_NONE: it goes on.  entry may be NULL.
 */
typedef enum err_code farlanes_done_fn(void *ctx, const struct farplace *f,
    const struct entry *entry, enum err_code rc, const struct err *e);

/* own: of the thread that walks, and what the others' are made like. */
enum err_code farlanes_new(struct farlanes **out, struct farplace *own,
    farlanes_done_fn *done, void *ctx, struct err *e) MUST_CHECK;
/* What waits is forgotten. */
void farlanes_stop(struct farlanes *l);
/* Every folder was left.  What is under way ends; counts go to own. */
void farlanes_free(struct farlanes **l);

/* path is there, and empty or known; leave it when all in it was brought. */
enum err_code farlanes_enter(struct farlanes *l, struct farfolder *in,
    const char *path, struct farfolder **out, struct err *e) MUST_CHECK;
/* *entry is taken; NULL: it has no attributes to be given. */
enum err_code farlanes_leave(struct farlanes *l, struct farfolder **folder,
    struct entry **entry, struct err *e) MUST_CHECK;

/* A file or link of the folder; copied. */
enum err_code farlanes_make(struct farlanes *l, struct farfolder *in,
    const struct item *it, const char *path, bool was_dir,
    struct err *e) MUST_CHECK;

/* An error has ended it, which farlanes_make and _leave return from then on. */
bool farlanes_failed(struct farlanes *l);
/* All is made, or the first error that ended it. */
enum err_code farlanes_wait(struct farlanes *l, struct err *e) MUST_CHECK;

#endif
