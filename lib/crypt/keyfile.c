#include <bascule/crypt.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/rand.h>

#include "container.h"

#define PATH_BYTES     4096
#define TMP_NAME_BYTES 32

bool
keyfile_is_wrapped(const struct secret *file)
{
	return container_is_wrapped(file);
}

/*
 * Others may not read it, nor anybody but the owner change it.  The group may
 * read: a credential of the service manager shows its ACL there.
 */
static enum err_code
mode_check(const char *path, const struct stat *st, struct err *e)
{
	if (!S_ISREG(st->st_mode))
		return err_set(e, ERR_INPUT,
		    "the key file '%s' is not a regular file", path);
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return err_set(e, ERR_KEY,
		    "the key file '%s' belongs to somebody else (uid %u)", path,
		    (unsigned)st->st_uid);
	if ((st->st_mode & (S_IWGRP | S_IRWXO)) != 0) {
		err_set(e, ERR_KEY,
		    "the key file '%s' is open to others (mode %04o)", path,
		    (unsigned)st->st_mode & 07777);
		return err_hint(e,
		    "chmod 600 it, and think about who may have "
		    "copied it");
	}
	return ERR_NONE;
}

enum err_code
keyfile_read(const char *path, struct secret *file, struct err *e)
{
	OWNED(fdio_close)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	enum err_code rc;
	size_t got;

	secret_fini(file);
	if (fd == -1)
		return err_sys(e, "cannot open the key file '%s'", path);
	if (fstat(fd, &st) != 0)
		return err_sys(e, "cannot look at the key file '%s'", path);
	rc = mode_check(path, &st, e);
	if (rc != ERR_NONE)
		return rc;
	if (st.st_size > SECRET_BYTES_MAX)
		return err_set(e, ERR_CORRUPT,
		    "'%s' is not a key file: it is too long", path);
	rc = secret_init(file, (size_t)st.st_size, e);
	if (rc == ERR_NONE)
		rc = fdio_read(fd, file->bytes, file->len_bytes, &got, e);
	if (rc != ERR_NONE) {
		secret_fini(file);
		return err_wrap(e, "reading the key file '%s'", path);
	}
	secret_cut(file, got);
	return ERR_NONE;
}

/* Where it goes: the directory, open, and the name in it. */
struct place {
	int dirfd;
	const char *name;
};

static enum err_code
place_open(const char *path, struct place *out, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_BYTES] = ".";

	out->name = slash == NULL ? path : slash + 1;
	if (slash != NULL) {
		size_t len = slash == path ? 1 : (size_t)(slash - path);

		if (len >= sizeof dir)
			return err_set(e, ERR_INPUT, "path too long: '%s'",
			    path);
		memcpy(dir, path, len);
		dir[len] = '\0';
	}
	if (out->name[0] == '\0')
		return err_set(e, ERR_INPUT, "'%s' names no file", path);
	out->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out->dirfd == -1)
		return err_sys(e, "cannot open the directory of '%s'", path);
	return ERR_NONE;
}

/*
 * The content, whole and on disk, under a name nobody else has; of the owner
 * and mode of like, when that is not NULL.
 */
static enum err_code
tmp_write(int dirfd, const char *tmp_name, const struct stat *like,
    const struct secret *file, struct err *e)
{
	OWNED(fdio_close)
	int fd = openat(dirfd, tmp_name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	enum err_code rc;

	if (fd == -1)
		return err_sys(e, "cannot create a file");
	rc = ERR_NONE;
	if (like != NULL &&
	    (like->st_uid != geteuid() || like->st_gid != getegid()) &&
	    fchown(fd, like->st_uid, like->st_gid) != 0)
		rc = err_sys(e, "cannot give it to uid %u",
		    (unsigned)like->st_uid);
	if (rc == ERR_NONE && like != NULL &&
	    fchmod(fd, like->st_mode & (S_IRUSR | S_IWUSR | S_IRGRP)) != 0)
		rc = err_sys(e, "cannot set its mode");
	if (rc == ERR_NONE)
		rc = fdio_write(fd, file->bytes, file->len_bytes, e);
	if (rc == ERR_NONE && fsync(fd) != 0)
		rc = err_sys(e, "cannot flush it");
	if (rc != ERR_NONE)
		unlinkat(dirfd, tmp_name, 0);
	return rc;
}

/* Give it its name unless that is taken. */
static enum err_code
publish(const struct place *place, const char *tmp_name, struct err *e)
{
	enum err_code rc;

	if (renameat2(place->dirfd, tmp_name, place->dirfd, place->name,
		RENAME_NOREPLACE) == 0)
		return ERR_NONE;
	if (errno == EINVAL && /* this file system cannot; then links do */
	    linkat(place->dirfd, tmp_name, place->dirfd, place->name, 0) == 0) {
		unlinkat(place->dirfd, tmp_name, 0);
		return ERR_NONE;
	}
	if (errno == EEXIST) {
		rc = err_set(e, ERR_EXISTS, "it is there already");
		err_hint(e,
		    "key files are never overwritten: move it away, "
		    "or choose another name");
	} else
		rc = err_sys(e, "cannot name it");
	unlinkat(place->dirfd, tmp_name, 0);
	return rc;
}

/* A name for a temporary that nobody else has. */
static void
tmp_name_make(char out[TMP_NAME_BYTES])
{
	uint8_t random[8];

	rand_bytes(random, sizeof random);
	memcpy(out, ".key.", sizeof ".key.");
	text_hex(random, sizeof random, out + strlen(out));
}

enum err_code
keyfile_write(const char *path, const struct secret *file, struct err *e)
{
	char tmp_name[TMP_NAME_BYTES];
	struct place place;
	enum err_code rc;

	rc = place_open(path, &place, e);
	if (rc != ERR_NONE)
		return rc;
	tmp_name_make(tmp_name);
	rc = tmp_write(place.dirfd, tmp_name, NULL, file, e);
	if (rc == ERR_NONE)
		rc = publish(&place, tmp_name, e);
	if (rc == ERR_NONE && fsync(place.dirfd) != 0) {
		rc = err_sys(e, "cannot flush its directory");
		unlinkat(place.dirfd, place.name, 0); /* it is ours */
	}
	fdio_close(&place.dirfd);
	if (rc != ERR_NONE)
		return err_wrap(e, "writing the key file '%s'", path);
	return ERR_NONE;
}

/* After the rename it is too late to go back: then the new one is there. */
static enum err_code
put_in_place(const struct place *place, const struct secret *file,
    struct err *e)
{
	char tmp_name[TMP_NAME_BYTES];
	struct stat old;
	enum err_code rc;

	if (fstatat(place->dirfd, place->name, &old, 0) != 0)
		return err_sys(e, "cannot look at it");
	tmp_name_make(tmp_name);
	rc = tmp_write(place->dirfd, tmp_name, &old, file, e);
	if (rc != ERR_NONE)
		return rc;
	if (renameat(place->dirfd, tmp_name, place->dirfd, place->name) != 0) {
		rc = err_sys(e, "cannot name it");
		unlinkat(place->dirfd, tmp_name, 0);
		return rc;
	}
	if (fsync(place->dirfd) != 0)
		return err_sys(e, "cannot flush its directory");
	return ERR_NONE;
}

enum err_code
keyfile_replace(const char *path, const struct secret *file, struct err *e)
{
	OWNED(free_mem) char *real = realpath(path, NULL); /* links stay */
	struct place place;
	enum err_code rc;

	if (real == NULL)
		return err_sys(e, "cannot find the key file '%s'", path);
	rc = place_open(real, &place, e);
	if (rc != ERR_NONE)
		return rc;
	rc = put_in_place(&place, file, e);
	fdio_close(&place.dirfd);
	return rc == ERR_NONE ? rc
			      : err_wrap(e, "writing the key file '%s'", path);
}
