#ifndef POLICY_FILE_H
#define POLICY_FILE_H

/*
 * Where the text of policies comes from: the disk, or memory for tests and
 * fuzzing.  Opens every file itself, so that nothing but a regular file of
 * reasonable size is ever read.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "policy_memory.h"
#include <bascule/policy.h>

#define POLICY_FOLDER_FILES_MAX 2000

struct policy_file_source {
	const struct policy_text_file *texts; /* NULL: the disk */
	size_t text_count;
};

/* Which file it was, whatever name led there; and who may change it. */
struct policy_file_id {
	dev_t dev;
	ino_t ino;
	uid_t uid;
	mode_t mode;
};

enum policy_file_kind {
	POLICY_FILE_NONE,
	POLICY_FILE_PLAIN,
	POLICY_FILE_FOLDER
};

/* ERR_NOTFOUND, ERR_INPUT (not regular, too large) or what the system says. */
enum err_code policy_file_read(const struct policy_file_source *src,
    const char *path, struct buf *out, struct policy_file_id *id,
    struct err *e) MUST_CHECK;

enum policy_file_kind policy_file_kind_of(const struct policy_file_source *src,
    const char *path);

/* The *.conf of a folder, sorted, as paths; in m's memory. */
enum err_code policy_file_list(const struct policy_file_source *src,
    const char *folder, struct policy_memory *m, struct policy_texts *out,
    struct err *e) MUST_CHECK;

/* name as seen from the folder that file stands in; NULL: out of memory. */
const char *policy_file_beside(struct policy_memory *m, const char *file,
    const char *name, struct err *e) MUST_CHECK;

/* path itself, or with the working directory in front; NULL on failure. */
const char *policy_file_absolute(struct policy_memory *m, const char *path,
    struct err *e) MUST_CHECK;

/* The last component. */
const char *policy_file_base(const char *path);

#endif
