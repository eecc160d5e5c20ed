/*
 * Several files of equal content share their blocks where the file system can
 * (btrfs, xfs): a new one begins as a clone of one that this restore has made,
 * and is then compared with what it should hold, chunk by chunk, like any file
 * that was there before.  So whoever changed the first one meanwhile changes
 * nothing here, and metadata is the new one's own.
 *
 * A table of fixed size, the newest in its place: what is not remembered is
 * written, as everywhere else.
 */

#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define PLACES_COUNT 4096
#define SMALLEST     ((uint64_t)128 << 10) /* a flush of it costs more below */

struct place_made {
	struct id content;
	uint64_t size_bytes;
	char *path; /* beneath top_fd; NULL: free */
};

struct restore_clones {
	struct place_made places[PLACES_COUNT];
};

enum err_code
restore_clone_new(struct restore_clones **out, struct err *e)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? err_nomem(e) : ERR_NONE;
}

void
restore_clone_free(struct restore_clones **cp)
{
	struct restore_clones *c = TAKE(*cp);

	for (size_t i = 0; c != NULL && i < PLACES_COUNT; i++)
		free(c->places[i].path);
	free(c);
}

/* A hint: what is cloned by it is compared. */
static struct id
name_of(const struct content *c)
{
	struct id name = c->pieces[0].id;
	const struct id *last = &c->pieces[c->pieces_count - 1].id;

	for (size_t i = 0; c->pieces_count > 1 && i < ID_BYTES; i++)
		name.bytes[i] ^= (uint8_t)(last->bytes[i] + c->pieces_count);
	return name;
}

static struct place_made *
place_of(struct restore_clones *c, const struct id *name)
{
	uint16_t at;

	memcpy(&at, name->bytes, sizeof(at));
	return &c->places[at % PLACES_COUNT];
}

static bool
is_worth_it(const struct restore_tools *t, const struct entry *entry,
    const struct content *c)
{
	return !atomic_load(&t->shared->cannot_clone) && !entry->sparse &&
	    !c->is_list && c->pieces_count > 0 && c->size_bytes >= SMALLEST;
}

void
restore_clone_remember(struct restore_tools *t, const struct entry *entry,
    const struct content *c, const char *beneath)
{
	struct place_made *p, old;
	struct id name;
	char *path;

	if (!is_worth_it(t, entry, c) || (path = strdup(beneath)) == NULL)
		return;
	name = name_of(c);
	p = place_of(t->shared->clones, &name);
	pthread_mutex_lock(&t->shared->names_lock);
	old = *p;
	*p = (struct place_made){name, c->size_bytes, path};
	pthread_mutex_unlock(&t->shared->names_lock);
	free(old.path);
}

static char *
find(struct restore_tools *t, const struct content *c)
{
	const struct id name = name_of(c);
	const struct place_made *p = place_of(t->shared->clones, &name);
	char *path = NULL;

	pthread_mutex_lock(&t->shared->names_lock);
	if (p->path != NULL && p->size_bytes == c->size_bytes &&
	    id_equal(&p->content, &name))
		path = strdup(p->path);
	pthread_mutex_unlock(&t->shared->names_lock);
	return path;
}

bool
restore_clone_try(struct restore_tools *t, const struct entry *entry,
    const struct content *c, int top_fd, int fd)
{
	OWNED(free_mem) char *path = NULL;
	OWNED(fdio_close) int from = -1;
	struct stat st;

	if (!is_worth_it(t, entry, c) || (path = find(t, c)) == NULL)
		return false;
	from = fdio_open_beneath(top_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY,
	    0);
	/* One with more names may be somebody's secret, put there meanwhile. */
	if (from == -1 || fstat(from, &st) != 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != c->size_bytes || st.st_nlink != 1)
		return false;
	if (ioctl(fd, FICLONE, from) == 0)
		return true;
	/* EXDEV: one of the two is on another disk; others may not be. */
	if (errno != EXDEV)
		atomic_store(&t->shared->cannot_clone, true);
	return false;
}
