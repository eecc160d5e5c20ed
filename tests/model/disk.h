#ifndef TESTS_MODEL_DISK_H
#define TESTS_MODEL_DISK_H

/*
 * A file system in this process's memory, in place of the kernel's: the calls
 * of the store and of the model come here through the linker.  It has folders,
 * files, hard links, descriptors, both kinds of lock and mappings that are only
 * read; no times but one, no owners, no symbolic links.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Empty again; whatever was open is closed. */
void disk_begin(void);

/* As the calls they are named after. */
int disk_open(int dirfd, const char *path, int flags);
ssize_t disk_write(int fd, const void *bytes, size_t len);
ssize_t disk_pwrite(int fd, const void *bytes, size_t len, off_t at);
int disk_mkdir(int dirfd, const char *path);
int disk_unlink(int dirfd, const char *path, int flags);
int disk_link(int ofd, const char *old, int nfd, const char *new);
int disk_rename(int ofd, const char *old, int nfd, const char *new,
    unsigned flags);
int disk_lock(int fd, int command, void *flock);
int disk_reserve(int fd, off_t len);

/* Of a file: NULL, or a mapping that disk_unmap ends. */
void *disk_map(int fd, size_t len);
int disk_unmap(const void *at); /* -1: it is none */

/* The path from the root of an open folder or file, "" if it has none. */
void disk_path(int fd, char *out, size_t size);

#endif
