#ifndef BASCULE_BASE_FDIO_H
#define BASCULE_BASE_FDIO_H

/*
 * Whole reads and writes on descriptors.  EINTR is retried, short counts are
 * continued.  Names in messages are the caller's affair: wrap them.
 */

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <bascule/base/buf.h>
#include <bascule/base/err.h>

/* OWNED(fdio_close) int fd = -1; */
void fdio_close(int *fd);

/*
 * openat(2) that never leaves dirfd and follows no symbolic link in any place
 * (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS); O_CLOEXEC is added.
 * The path may be longer than PATH_MAX.
 * -1 with errno set, as openat: ELOOP for a link, EXDEV for a way out.
 */
int fdio_open_beneath(int dirfd, const char *path, int flags, unsigned mode);

/* OWNED(fdio_close_dir) DIR *d = NULL; */
void fdio_close_dir(DIR **d);
/*
 * What is in the directory of that path (relative to dirfd; the last place is no
 * symbolic link): for the caller to close.  NULL with errno set.
 */
DIR *fdio_open_dir(int dirfd, const char *path);

enum err_code fdio_write(int fd, const void *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;
enum err_code fdio_pwrite(int fd, const void *bytes, size_t len_bytes,
    uint64_t offset_bytes, struct err *e) MUST_CHECK;

/* Up to len_bytes; *got is less only at the end of the file. */
enum err_code fdio_read(int fd, void *bytes, size_t len_bytes, size_t *got,
    struct err *e) MUST_CHECK;
/* Exactly len_bytes: ERR_CORRUPT when the file is shorter. */
enum err_code fdio_pread(int fd, void *bytes, size_t len_bytes,
    uint64_t offset_bytes, struct err *e) MUST_CHECK;

/*
 * Does what fd is of (O_PATH will do) lie behind a network or another program:
 * NFS, CIFS, FUSE and their like?  Then its clock is not ours, and what it says
 * it has flushed may be lost.  False also when it cannot be asked.
 */
bool fdio_is_remote(int fd);

/* Everything up to the end, at most max_bytes (else ERR_INPUT), into out. */
enum err_code fdio_read_all(int fd, size_t max_bytes, struct buf *out,
    struct err *e) MUST_CHECK;

/*
 * The content of a regular file (ERR_INPUT if it is anything else, or over
 * max_bytes).  path is relative to dirfd; neither a FIFO nor a symbolic link
 * in the last place is followed.
 */
enum err_code fdio_slurp(int dirfd, const char *path, size_t max_bytes,
    struct buf *out, struct err *e) MUST_CHECK;

/*
 * The directory in which a file of that path is to be made, opened, and its name
 * there (borrowed from path).  ERR_INPUT: the path names no file.
 */
enum err_code fdio_open_parent(const char *path, int *dirfd, const char **name,
    struct err *e) MUST_CHECK;

/* Make every directory of path that is missing. */
enum err_code fdio_make_dirs(const char *path, mode_t mode,
    struct err *e) MUST_CHECK;

#endif
