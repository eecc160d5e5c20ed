#ifndef JOB_FARPLACE_H
#define JOB_FARPLACE_H

/*
 * What a restore over SFTP does on the other host: one thing at a time, by its
 * absolute path there, each of which may be done twice.
 *
 * F1. A connection that is lost is made again and the thing done anew; after
 *     FARPLACE_LOST_MAX in a row, or when the host cannot be reached for
 *     FARPLACE_PATIENCE_NS, it is gone for good.
 * F2. Links are never followed on purpose; SFTP has no call that would refuse to
 *     in the moment between a look and a change.
 */

#include <bascule/source.h>
#include <bascule/ssh.h>
#include <bascule/store.h>

#define FARPLACE_LOST_MAX    8
#define FARPLACE_PATIENCE_NS (INT64_C(12) * 1000000000)
#define FARPLACE_DEPTH_MAX   256 /* of what is removed */

struct farplace {
	const struct source_host *host;
	struct store *store;
	struct sshconn *conn;
	struct sshsftp *sftp;
	struct reader *reader;
	bool sets_owner; /* we are root there */
	unsigned lost_in_a_row;
	uint64_t lost_count;
	uint64_t meta_failed_count; /* attributes the server did not take */
	bool is_gone;
};

void farplace_fini(struct farplace *f);
/* Before the first thing is done, should that matter.  Done by itself else. */
enum err_code farplace_connect(struct farplace *f, struct err *e) MUST_CHECK;

/* Does this failure end the restore, or is it one entry's? */
bool farplace_is_fatal(const struct farplace *f, enum err_code rc);

/* Make what is missing of a folder's path; *real is what it really is. */
enum err_code farplace_top(struct farplace *f, const char *to, struct buf *real,
    struct err *e) MUST_CHECK;

/* A folder's names, sorted bytewise, as lstat tells them. */
struct farname {
	char *name;
	struct sshattr attr;
	bool is_ours; /* the snapshot has it, too */
};
struct farlist {
	struct farname *names;
	size_t count, room;
};
void farplace_list_fini(struct farlist *l);
enum err_code farplace_list(struct farplace *f, const char *path,
    struct farlist *out, struct err *e) MUST_CHECK;
struct farname *farplace_find(const struct farlist *l, const char *name);

/* *there is false where nothing has that name. */
enum err_code farplace_look(struct farplace *f, const char *path,
    struct sshattr *attr, bool *there, struct err *e) MUST_CHECK;
enum err_code farplace_mkdir(struct farplace *f, const char *path,
    struct err *e) MUST_CHECK;
/* Whatever it is, with all in it; *count of names.  Nothing there: no error. */
enum err_code farplace_remove(struct farplace *f, const char *path, bool is_dir,
    uint64_t *count, struct err *e) MUST_CHECK;

/* Do it, over as many connections as it takes (F1). */
typedef enum err_code farplace_doing(struct farplace *f, void *arg,
    struct err *e);
enum err_code farplace_persist(struct farplace *f, farplace_doing *fn,
    void *arg, struct err *e) MUST_CHECK;

#endif
