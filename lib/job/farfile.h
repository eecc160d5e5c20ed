#ifndef JOB_FARFILE_H
#define JOB_FARFILE_H

/*
 * Files, links and attributes on the other host.  A file gets its name when it
 * is whole, on disk where the server can say so, and was read back.
 */

#include "farplace.h"

/* What a file is called until it is whole. */
#define FARFILE_TEMP ".bascule-restoring" /* and ".1" to ".9" after it */
bool farfile_is_temp(const char *name);

/* Has it the size and the time of the entry, or a link's length? */
bool farfile_is_same(const struct entry *entry, const struct sshattr *attr);
/* Mode, time and owner of what is there and no link, where they differ. */
enum err_code farfile_settle(struct farplace *f, const char *path,
    const struct entry *entry, const struct sshattr *old,
    struct err *e) MUST_CHECK;
/* Give it these, before anything is made in it. */
enum err_code farfile_open_dir(struct farplace *f, const char *path,
    const struct sshattr *attr, struct err *e) MUST_CHECK;
/* ... of a folder whose members are all made; and its names are on disk. */
enum err_code farfile_end_dir(struct farplace *f, const char *path,
    const struct entry *entry, struct err *e) MUST_CHECK;

/* Another name of the same folder takes the place of path when it is whole. */
struct farfile_new {
	const struct item *item;
	const char *path, *temp;
	bool was_dir; /* what has the name is a folder: it is removed */
};
enum err_code farfile_file(struct farplace *f, const struct farfile_new *n,
    struct err *e) MUST_CHECK;
enum err_code farfile_link(struct farplace *f, const struct farfile_new *n,
    struct err *e) MUST_CHECK;
/* Does the link that is there lead where the entry's does? */
enum err_code farfile_link_is(struct farplace *f, const char *path,
    const struct entry *entry, bool *same, struct err *e) MUST_CHECK;

#endif
