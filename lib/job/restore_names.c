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
	OWNED(fdio_close_dir) DIR *dir = fdio_open_dir(dirfd, ".");
	const struct dirent *d;
	enum err_code rc = ERR_NONE;

	if (dir == NULL)
		return err_sys(e, "cannot list the directory");
	n->bytes.max_bytes = NAMES_BYTES_MAX;
	while (rc == ERR_NONE && (errno = 0, d = readdir(dir)) != NULL) {
		rc = buf_add(&n->bytes, d->d_name, strlen(d->d_name) + 1, e);
		n->count++;
	}
	if (rc == ERR_NONE && errno != 0)
		rc = err_sys(e, "cannot list the directory");
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
	struct stat st = {0};
	enum err_code rc = ERR_NONE;

	pthread_mutex_lock(&d->odd_lock);
	if (d->odd_lost) {
		rc = err_set(e, ERR_IO,
		    "whether it is another's that is there could not be "
		    "noted: restore it again");
	} else if (d->odd.count > 0) {
		if (fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			rc = err_sys(e, "cannot see whose it is");
		number_of(&st, number);
		if (rc == ERR_NONE && linkmap_find(&d->odd, number) != NULL)
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

/* --- what a file system makes of a name ---------------------------------------- */

/* A directory in a restored one, which goes away again, with one file in it. */
struct room {
	int in; /* the restored one; borrowed */
	int fd; /* -1: it could not be opened */
	char place[32];
	const char *name;         /* the file's; NULL: it could not be made */
	struct timespec times[2]; /* of the restored one, before */
};

static enum err_code
room_open(struct room *m, const struct restore_dir *d, const char *name,
    struct err *e)
{
	uint64_t number;
	struct stat st;
	int file;

	*m = (struct room){.in = d->fd, .fd = -1};
	rand_bytes(&number, sizeof(number));
	snprintf(m->place, sizeof(m->place), ".bascule-%016" PRIx64, number);
	if (fstat(m->in, &st) != 0)
		return err_sys(e, "cannot look at its directory");
	m->times[0] = st.st_atim;
	m->times[1] = st.st_mtim;
	if (mkdirat(m->in, m->place, 0700) != 0) {
		m->place[0] = '\0';
		return err_sys(e, "cannot see what its name becomes here");
	}
	m->fd = openat(m->in, m->place,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	file = m->fd == -1
	    ? -1
	    : openat(m->fd, name,
		  O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file == -1)
		return err_sys(e, "cannot see what its name becomes here");
	m->name = name;
	fdio_close(&file);
	return ERR_NONE;
}

/* rc and *e: how it went so far, which is what is returned if not ERR_NONE. */
static enum err_code
room_close(struct room *m, enum err_code rc, struct err *e)
{
	const bool gone = m->place[0] == '\0' ||
	    ((m->name == NULL || unlinkat(m->fd, m->name, 0) == 0) &&
		unlinkat(m->in, m->place, AT_REMOVEDIR) == 0);

	if (!gone)
		rc = err_sys(e,
		    "cannot remove '%s' beside it, which was made to see what "
		    "its name becomes here: remove that",
		    m->place);
	fdio_close(&m->fd);
	if (m->place[0] != '\0' && futimens(m->in, m->times) != 0 &&
	    rc == ERR_NONE)
		rc = err_sys(e, "cannot set its directory's time back");
	return rc;
}

/* The one name in a directory, as it is kept. */
static enum err_code
only_name(int fd, char out[PATH_NAME_MAX + 1], struct err *e)
{
	struct restore_names *n = calloc(1, sizeof(*n));
	enum err_code rc = n == NULL ? err_nomem(e) : read_names(n, fd, e);
	size_t count = 0;

	for (size_t i = 0; rc == ERR_NONE && i < n->count; i++)
		if (strcmp(n->sorted[i], ".") != 0 &&
		    strcmp(n->sorted[i], "..") != 0) {
			snprintf(out, PATH_NAME_MAX + 1, "%s", n->sorted[i]);
			count++;
		}
	restore_names_free(&n);
	return rc != ERR_NONE || count == 1 ? rc : is_anothers(e);
}

/*
 * What the file system makes of a name: a file of that name is made where there
 * is no other.
 */
static enum err_code
kept_as(const struct restore_dir *d, const char *name,
    char out[PATH_NAME_MAX + 1], struct err *e)
{
	struct room m;
	enum err_code rc = room_open(&m, d, name, e);

	if (rc == ERR_NONE)
		rc = only_name(m.fd, out, e);
	return room_close(&m, rc, e);
}

/* Does it find one letter as its parts, or a name without its last dot? */
static enum err_code
finds_others(const struct restore_dir *d, bool *finds, struct err *e)
{
	static const char *const others[] = {"e\xcc\x81.", "\xc3\xa9",
	    "e\xcc\x81"};
	struct room m;
	struct stat st;
	enum err_code rc = room_open(&m, d, "\xc3\xa9.", e);

	for (size_t i = 0; rc == ERR_NONE && i < COUNT_OF(others); i++)
		if (fstatat(m.fd, others[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			*finds = true;
		else if (errno != ENOENT)
			rc = err_sys(e, "cannot see what names become here");
	return room_close(&m, rc, e);
}

bool
restore_names_need_order(struct restore_tools *t, const struct restore_dir *d,
    const struct entry *entry)
{
	struct restore_shared *s = t->shared;
	struct stat st;
	struct err why;

	if (d == NULL || t->verifying || s->opt->dry_run ||
	    !is_odd(restore_dir_name(entry)))
		return false;
	if (fstat(d->fd, &st) != 0)
		return true;
	if (s->order_known && st.st_dev == s->order_dev)
		return s->order_needed;
	s->order_dev = st.st_dev;
	s->order_known = true;
	s->order_needed = false;
	if (finds_others(d, &s->order_needed, &why) != ERR_NONE) {
		s->order_known = false;
		s->order_needed = true;
		atomic_fetch_add(&s->warnings_count, 1);
		restore_tell(t, entry, why.text);
	}
	return s->order_needed;
}

/* --- one name -------------------------------------------------------------------- */

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
	if (d->fresh || is_ascii(name))
		return is_anothers(e);
	rc = kept_as(d, name, kept, e);
	if (rc != ERR_NONE)
		return rc;
	return is_ascii(kept) ? is_anothers(e) : take(t, n, kept, name, e);
}
