/*
 * Whether a file system tells the snapshot's names apart.  Some take `A` for
 * `a`, or a composed letter for its parts: what exists there may be another
 * entry's file, which must not be taken for this one's.
 *
 * Asked only about names that exist.  In a directory that we made that is
 * reason enough to look; in one that was there, a name that is not ASCII is, or
 * that the directory also finds under a name of the other case.
 *
 * Some also keep a name otherwise than it was given: a letter's parts for the
 * letter (HFS+), no dot at the end (FAT).  Then the second name may well be
 * there as it is written, and yet be the first one's file: so of such names it
 * is noted which file they became.  And a name that was there before we came is
 * never as it was written: what is there under the name that this one becomes is
 * what it names, once, for the first of the snapshot's names that asks.
 */

#include "restore.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/rand.h>

enum { FOLDS_UNKNOWN, FOLDS_NOT, FOLDS_CASE };

#define NAMES_BYTES_MAX ((size_t)1 << 30)

struct restore_names {
	struct buf bytes; /* each NUL-ended */
	const char **sorted;
	const char **takers; /* of each, the snapshot's name for it: owned if
			      * it is another; NULL: nobody asked */
	size_t count;
};

void
restore_names_free(struct restore_names **np)
{
	struct restore_names *n = TAKE(*np);

	if (n == NULL)
		return;
	for (size_t i = 0;
	     n->takers != NULL && n->sorted != NULL && i < n->count; i++)
		if (n->takers[i] != n->sorted[i])
			free((char *)(uintptr_t)n->takers[i]);
	buf_fini(&n->bytes);
	free(n->takers);
	free(n->sorted);
	free(n);
}

static int
by_bytes(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static enum err_code
sort_names(struct restore_names *n, struct err *e)
{
	const char *at = (const char *)n->bytes.bytes;

	n->sorted = calloc(n->count + 1, sizeof(*n->sorted));
	n->takers = calloc(n->count + 1, sizeof(*n->takers));
	if (n->sorted == NULL || n->takers == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < n->count; i++, at += strlen(at) + 1)
		n->sorted[i] = at;
	if (n->count > 1)
		qsort(n->sorted, n->count, sizeof(*n->sorted), by_bytes);
	return ERR_NONE;
}

static enum err_code
read_names(struct restore_names *n, int dirfd, struct err *e)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *d;
	enum err_code rc = ERR_NONE;

	if (dir == NULL) {
		rc = err_sys(e, "cannot list the directory");
		if (fd != -1)
			close(fd);
		return rc;
	}
	n->bytes.max_bytes = NAMES_BYTES_MAX;
	while (rc == ERR_NONE && (d = readdir(dir)) != NULL) {
		rc = buf_add(&n->bytes, d->d_name, strlen(d->d_name) + 1, e);
		n->count++;
	}
	closedir(dir);
	return rc != ERR_NONE ? rc : sort_names(n, e);
}

/* The first letter in the other case; false: it has none. */
static bool
other_case(const char *name, char out[PATH_NAME_MAX + 1])
{
	snprintf(out, PATH_NAME_MAX + 1, "%s", name);
	for (char *c = out; *c != '\0'; c++) {
		const int byte = (unsigned char)*c;

		if (byte >= 0x80 || isalpha(byte) == 0)
			continue;
		*c = (char)(islower(byte) ? toupper(byte) : tolower(byte));
		return true;
	}
	return false;
}

static bool
folds_case(struct restore_dir *d, const char *name)
{
	int known = atomic_load(&d->folds);
	char other[PATH_NAME_MAX + 1];
	struct stat a, b;

	if (known == FOLDS_UNKNOWN && other_case(name, other)) {
		known = fstatat(d->fd, other, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
			fstatat(d->fd, name, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
			a.st_ino == b.st_ino && a.st_dev == b.st_dev
		    ? FOLDS_CASE
		    : FOLDS_NOT;
		atomic_store(&d->folds, known);
	}
	return known == FOLDS_CASE;
}

static bool
is_ascii(const char *name)
{
	while (*name != '\0' && (unsigned char)*name < 0x80)
		name++;
	return *name == '\0';
}

/* May it be kept otherwise than it is given? */
static bool
is_odd(const char *name)
{
	const size_t len = strlen(name);

	return !is_ascii(name) ||
	    (len > 0 && (name[len - 1] == '.' || name[len - 1] == ' '));
}

static void
number_of(const struct stat *st, uint8_t out[ENTRY_LINK_BYTES])
{
	const uint64_t number[2] = {st->st_dev, st->st_ino};

	memcpy(out, number, sizeof(number));
}

void
restore_names_begin(struct restore_dir *d, const char *name)
{
	if (is_odd(name))
		pthread_mutex_lock(&d->odd_lock);
}

void
restore_names_end(struct restore_dir *d, const char *name, bool made)
{
	const int why = errno;
	uint8_t number[ENTRY_LINK_BYTES];
	uint64_t first;
	struct stat st;
	struct err ignored;

	if (!is_odd(name))
		return;
	if (made && fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		number_of(&st, number);
		if (linkmap_add(&d->odd, number, 0, &first, &ignored) !=
		    ERR_NONE)
			d->odd_lost = true;
	} else if (made) {
		d->odd_lost = true;
	}
	pthread_mutex_unlock(&d->odd_lock);
	errno = why;
}

static enum err_code
is_anothers(struct err *e)
{
	return err_set(e, ERR_EXISTS,
	    "this file system takes its name for another's that is there: "
	    "restore one of the two elsewhere with --path");
}

/* Did another name that we made become what this one finds?  Then a fault. */
static enum err_code
check_odd(struct restore_dir *d, const char *name, struct err *e)
{
	uint8_t number[ENTRY_LINK_BYTES];
	struct stat st;
	enum err_code rc = ERR_NONE;

	pthread_mutex_lock(&d->odd_lock);
	if (d->odd_lost) {
		rc = err_set(e, ERR_IO,
		    "whether it is another's that is there could not be "
		    "noted: restore it again");
	} else if (d->odd.count > 0 &&
	    fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		number_of(&st, number);
		if (linkmap_find(&d->odd, number) != NULL)
			rc = is_anothers(e);
	}
	pthread_mutex_unlock(&d->odd_lock);
	return rc;
}

/* One directory's names are read once, whoever asks first. */
static enum err_code
names_of(struct restore_tools *t, struct restore_dir *d,
    struct restore_names **out, struct err *e)
{
	enum err_code rc = ERR_NONE;

	pthread_mutex_lock(&t->shared->names_lock);
	if (d->names == NULL) {
		struct restore_names *n = calloc(1, sizeof(*n));

		rc = n == NULL ? err_nomem(e) : read_names(n, d->fd, e);
		if (rc == ERR_NONE)
			d->names = n;
		else
			restore_names_free(&n);
	}
	*out = d->names;
	pthread_mutex_unlock(&t->shared->names_lock);
	return rc;
}

/* What is there under that name is the snapshot's `name`, and no other's. */
static enum err_code
take(struct restore_tools *t, const struct restore_names *n, const char *there,
    const char *name, struct err *e)
{
	const char **at =
	    bsearch(&there, n->sorted, n->count, sizeof(*n->sorted), by_bytes);
	enum err_code rc = ERR_NONE;
	const char **taker;

	if (at == NULL)
		return is_anothers(e);
	taker = &n->takers[at - n->sorted];
	pthread_mutex_lock(&t->shared->names_lock);
	if (*taker == NULL)
		*taker = strcmp(*at, name) == 0 ? *at : strdup(name);
	if (*taker == NULL)
		rc = err_nomem(e);
	else if (strcmp(*taker, name) != 0)
		rc = is_anothers(e);
	pthread_mutex_unlock(&t->shared->names_lock);
	return rc;
}

/* The one name in a directory, as it is kept. */
static bool
only_name(int fd, char out[PATH_NAME_MAX + 1])
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again == -1 ? NULL : fdopendir(again);
	const struct dirent *d;
	size_t count = 0;

	if (dir == NULL) {
		fdio_close(&again);
		return false;
	}
	while ((d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 &&
		    strcmp(d->d_name, "..") != 0 &&
		    strlen(d->d_name) <= PATH_NAME_MAX) {
			snprintf(out, PATH_NAME_MAX + 1, "%s", d->d_name);
			count++;
		}
	closedir(dir);
	return count == 1;
}

/*
 * What the file system makes of a name: a file of that name is made where there
 * is no other, in a directory that goes away again.
 */
static bool
kept_as(const struct restore_dir *d, const char *name,
    char out[PATH_NAME_MAX + 1])
{
	const int flags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
	OWNED(fdio_close) int room = -1;
	OWNED(fdio_close) int file = -1;
	char place[32];
	uint64_t number;
	struct stat st;
	bool made, known;

	rand_bytes(&number, sizeof(number));
	snprintf(place, sizeof(place), ".bascule-%016" PRIx64, number);
	if (fstat(d->fd, &st) != 0 || mkdirat(d->fd, place, 0700) != 0)
		return false;
	room = openat(d->fd, place,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (room != -1)
		file = openat(room, name, flags, 0600);
	made = file != -1;
	fdio_close(&file);
	known = made && only_name(room, out);
	if (made)
		(void)unlinkat(room, name, 0);
	(void)unlinkat(d->fd, place, AT_REMOVEDIR);
	(void)futimens(d->fd, (struct timespec[]){st.st_atim, st.st_mtim});
	return known;
}

enum err_code
restore_names_check(struct restore_tools *t, struct restore_dir *d,
    const char *name, struct err *e)
{
	char kept[PATH_NAME_MAX + 1];
	struct restore_names *n;
	enum err_code rc;

	rc = check_odd(d, name, e);
	if (rc != ERR_NONE ||
	    (!d->fresh && is_ascii(name) && !folds_case(d, name)))
		return rc;
	rc = names_of(t, d, &n, e);
	if (rc != ERR_NONE)
		return rc;
	if (bsearch(&name, n->sorted, n->count, sizeof(*n->sorted), by_bytes) !=
	    NULL)
		return take(t, n, name, name, e);
	/* Of ASCII names not all come here, to say what is theirs. */
	if (d->fresh || is_ascii(name) || !kept_as(d, name, kept) ||
	    is_ascii(kept))
		return is_anothers(e);
	return take(t, n, kept, name, e);
}
