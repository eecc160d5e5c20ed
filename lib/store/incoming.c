#include "incoming.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define LOCK_WAIT_NS  (30 * NS_PER_S)
#define LOCK_PAUSE_NS (5 * NS_PER_MS)
#define COPY_BYTES    16384

void
incoming_init(struct incoming *in, struct session *se)
{
	*in = (struct incoming){.session = se,
	    .dir_fd = -1,
	    .limit_bytes = INCOMING_BYTES_MAX};
}

void
incoming_fini(struct incoming *in)
{
	fdio_close(&in->dir_fd);
}

/* --- the directory --------------------------------------------------------- */

static enum err_code
open_dir(struct incoming *in, struct err *e)
{
	struct store *st = in->session->store;

	if (in->dir_fd != -1)
		return ERR_NONE;
	if (repo_make_dir(&in->dir_fd, st->dir_fd, "incoming", e) != ERR_NONE)
		return err_wrap(e, "'%s'", st->path);
	return ERR_NONE;
}

/* P2. */
static enum err_code
hold_names(struct incoming *in, struct err *e)
{
	struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	struct mono start = now_mono();

	while (flock(in->dir_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "cannot lock '%s/incoming'",
			    in->session->store->path);
		if (now_mono().ns - start.ns > LOCK_WAIT_NS)
			return err_set(e, ERR_BUSY,
			    "'%s/incoming' was held by another program for "
			    "30 s",
			    in->session->store->path);
		nanosleep(&pause, NULL);
	}
	return ERR_NONE;
}

static void
let_names(struct incoming *in)
{
	(void)flock(in->dir_fd, LOCK_UN);
}

static bool
lock_part(int fd)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &fl) == 0;
}

uint64_t
incoming_have(struct incoming *in, const struct id *name, uint64_t size_bytes)
{
	char hex[ID_HEX_BYTES];
	struct err none = {0};
	struct stat sb;
	uint64_t have;

	if (in->dir_fd == -1 &&
	    repo_open_dir(&in->dir_fd, in->session->store->dir_fd, "incoming",
		&none) != ERR_NONE)
		return 0;
	if (fstatat(in->dir_fd, id_hex(name, hex), &sb, AT_SYMLINK_NOFOLLOW) !=
		0 ||
	    !S_ISREG(sb.st_mode) || (uint64_t)sb.st_size > size_bytes)
		return 0;
	have = (uint64_t)sb.st_size;
	return have == size_bytes ? have : have - have % INCOMING_BLOCK_BYTES;
}

/* --- quota and age ----------------------------------------------------------- */

struct part {
	const char *name; /* of a struct repo_names */
	int64_t written_ns;
	uint64_t bytes; /* it counts for; at least a block, so names are few */
};

static int
oldest_first(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return x->written_ns < y->written_ns ? -1
					     : x->written_ns > y->written_ns;
}

static bool
is_held(struct incoming *in, const char *name)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	OWNED(fdio_close)
	int fd = fdio_open_beneath(in->dir_fd, name, O_RDONLY | O_NONBLOCK, 0);

	return fd != -1 &&
	    (fcntl(fd, F_OFD_GETLK, &fl) != 0 || fl.l_type != F_UNLCK);
}

static struct part *
list_parts(struct incoming *in, const struct repo_names *n, size_t *count)
{
	struct part *parts = calloc(n->count + 1, sizeof(*parts));

	*count = 0;
	for (size_t i = 0; parts != NULL && i < n->count; i++) {
		struct stat sb;
		struct id id;

		if (!id_parse(n->names[i], &id) ||
		    fstatat(in->dir_fd, n->names[i], &sb,
			AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		parts[(*count)++] = (struct part){n->names[i],
		    (int64_t)sb.st_mtim.tv_sec * NS_PER_S + sb.st_mtim.tv_nsec,
		    sb.st_size < INCOMING_BLOCK_BYTES ? INCOMING_BLOCK_BYTES
						      : (uint64_t)sb.st_size};
	}
	if (parts != NULL)
		qsort(parts, *count, sizeof(*parts), oldest_first);
	return parts;
}

bool
incoming_sweep(struct incoming *in, uint64_t room_bytes)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	OWNED(free_mem) struct part *parts = NULL;
	int64_t now_ns = now_utc().ns;
	uint64_t sum = room_bytes;
	struct err none = {0};
	size_t count;

	if (repo_list(&n, in->dir_fd, &none) != ERR_NONE)
		return false;
	parts = list_parts(in, &n, &count);
	if (parts == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		sum += parts[i].bytes;
	for (size_t i = 0; i < count; i++) {
		bool old = now_ns - parts[i].written_ns > INCOMING_AGE_NS;

		if ((!old && sum <= in->limit_bytes) ||
		    is_held(in, parts[i].name) ||
		    unlinkat(in->dir_fd, parts[i].name, 0) != 0)
			continue;
		sum -= parts[i].bytes;
	}
	return sum <= in->limit_bytes;
}

void
incoming_expire(struct incoming *in)
{
	struct err none = {0};

	if (repo_open_dir(&in->dir_fd, in->session->store->dir_fd, "incoming",
		&none) != ERR_NONE ||
	    hold_names(in, &none) != ERR_NONE)
		return;
	(void)incoming_sweep(in, 0);
	let_names(in);
}

/* --- a part ------------------------------------------------------------------ */

static enum err_code
copy_bytes(int to_fd, int from_fd, uint64_t count, struct err *e)
{
	uint8_t bytes[COPY_BYTES];

	for (uint64_t at = 0; at < count;) {
		size_t n = count - at < sizeof(bytes) ? (size_t)(count - at)
						      : sizeof(bytes);

		if (fdio_pread(from_fd, bytes, n, at, e) != ERR_NONE ||
		    fdio_write(to_fd, bytes, n, e) != ERR_NONE)
			return e->code;
		at += n;
	}
	return ERR_NONE;
}

/* A temporary of our own with the first count bytes of from_fd. */
static enum err_code
make_temporary(struct incoming *in, struct pack_done *got, int from_fd,
    uint64_t count, struct err *e)
{
	struct store *st = in->session->store;
	enum err_code rc = ERR_NONE;

	got->incoming = false;
	session_temporary(in->session, got->temporary);
	got->fd = fdio_open_beneath(st->tmp_fd, got->temporary,
	    O_RDWR | O_CREAT | O_EXCL, 0600);
	if (got->fd == -1)
		return err_sys(e, "cannot create '%s/tmp/%s'", st->path,
		    got->temporary);
	if (count > 0)
		rc = copy_bytes(got->fd, from_fd, count, e);
	if (rc == ERR_NONE)
		return rc;
	err_wrap(e, "writing '%s/tmp/%s'", st->path, got->temporary);
	fdio_close(&got->fd);
	(void)unlinkat(st->tmp_fd, got->temporary, 0);
	return rc;
}

/* With the names held: the temporary becomes the part, whatever was there. */
static void
make_part(struct incoming *in, struct pack_done *got)
{
	char hex[ID_HEX_BYTES];

	got->incoming = lock_part(got->fd) &&
	    renameat(in->session->store->tmp_fd, got->temporary, in->dir_fd,
		id_hex(&got->name, hex)) == 0;
}

static enum err_code
not_there(struct err *e)
{
	return err_set(e, ERR_NOTFOUND,
	    "what was here of it is not here any more");
}

/*
 * One that came in whole has a pack's mode before it has a pack's name: who was
 * cut off between the two left what nobody but root could open again.
 */
static int
open_part(struct incoming *in, const char *hex)
{
	OWNED(fdio_close) int whole = -1;
	int fd = fdio_open_beneath(in->dir_fd, hex, O_RDWR | O_NONBLOCK, 0);

	if (fd != -1 || errno != EACCES)
		return fd;
	whole = fdio_open_beneath(in->dir_fd, hex, O_RDONLY | O_NONBLOCK, 0);
	return whole == -1 || fchmod(whole, 0600) != 0
	    ? -1
	    : fdio_open_beneath(in->dir_fd, hex, O_RDWR | O_NONBLOCK, 0);
}

/* With the names held. */
static enum err_code
go_on(struct incoming *in, struct pack_done *got, uint64_t from_bytes,
    struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	char hex[ID_HEX_BYTES];
	struct stat sb;

	fd = open_part(in, id_hex(&got->name, hex));
	if (fd == -1 || fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode) ||
	    (uint64_t)sb.st_size < from_bytes)
		return not_there(e);
	if (!lock_part(fd)) { /* P3 */
		enum err_code rc = make_temporary(in, got, fd, from_bytes, e);

		if (rc == ERR_NONE)
			make_part(in, got);
		return rc;
	}
	if (ftruncate(fd, (off_t)from_bytes) != 0 ||
	    lseek(fd, (off_t)from_bytes, SEEK_SET) == -1)
		return err_sys(e, "cannot go on with '%s/incoming/%s'",
		    in->session->store->path, hex);
	got->incoming = true;
	got->fd = fd;
	fd = -1;
	return ERR_NONE;
}

/*
 * P4: what was written by who is gone.  A flush says what the disk could not
 * take, if nobody was told yet; then the disk is asked, not memory.
 */
static enum err_code
see_disk(struct incoming *in, struct pack_done *got, uint64_t from_bytes,
    struct err *e)
{
	if (fsync(got->fd) != 0) {
		incoming_drop(in, got);
		return not_there(e);
	}
	(void)posix_fadvise(got->fd, 0, (off_t)from_bytes, POSIX_FADV_DONTNEED);
	return ERR_NONE;
}

enum err_code
incoming_begin(struct incoming *in, struct pack_done *got, uint64_t from_bytes,
    struct err *e)
{
	enum err_code rc;

	got->fd = -1;
	if (open_dir(in, e) != ERR_NONE || hold_names(in, e) != ERR_NONE)
		return e->code;
	if (from_bytes > 0) {
		rc = go_on(in, got, from_bytes, e);
	} else {
		rc = make_temporary(in, got, -1, 0, e);
		if (rc == ERR_NONE && incoming_sweep(in, got->size_bytes))
			make_part(in, got);
	}
	let_names(in);
	return rc == ERR_NONE && from_bytes > 0
	    ? see_disk(in, got, from_bytes, e)
	    : rc;
}

/* Is the file under the name the one that we wrote? */
static bool
is_ours(struct incoming *in, const struct pack_done *done)
{
	char hex[ID_HEX_BYTES];
	struct stat ours, named;

	return fstat(done->fd, &ours) == 0 &&
	    fstatat(in->dir_fd, id_hex(&done->name, hex), &named,
		AT_SYMLINK_NOFOLLOW) == 0 &&
	    ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

void
incoming_drop(struct incoming *in, struct pack_done *done)
{
	char hex[ID_HEX_BYTES];
	struct err none = {0};

	if (done->fd == -1)
		return;
	if (!done->incoming) {
		(void)unlinkat(in->session->store->tmp_fd, done->temporary, 0);
	} else if (hold_names(in, &none) == ERR_NONE) {
		if (is_ours(in, done))
			(void)unlinkat(in->dir_fd, id_hex(&done->name, hex), 0);
		let_names(in);
	}
	fdio_close(&done->fd);
}

/* P3: another has taken the name; the file is whole all the same. */
static enum err_code
publish_copy(struct incoming *in, struct pack_done *done, int dir_fd,
    struct err *e)
{
	struct pack_done copy = {.name = done->name, .fd = -1};
	struct store *st = in->session->store;
	char hex[ID_HEX_BYTES];
	enum err_code rc =
	    make_temporary(in, &copy, done->fd, done->size_bytes, e);

	if (rc != ERR_NONE)
		return rc;
	if (fchmod(copy.fd, 0400) != 0 || fsync(copy.fd) != 0 ||
	    renameat(st->tmp_fd, copy.temporary, dir_fd,
		id_hex(&done->name, hex)) != 0) {
		rc = err_sys(e, "cannot publish '%s/tmp/%s'", st->path,
		    copy.temporary);
		(void)unlinkat(st->tmp_fd, copy.temporary, 0);
	}
	fdio_close(&copy.fd);
	return rc;
}

enum err_code
incoming_publish(struct incoming *in, struct pack_done *done, int dir_fd,
    struct err *e)
{
	char hex[ID_HEX_BYTES];
	enum err_code rc = hold_names(in, e);

	if (rc != ERR_NONE)
		return rc;
	id_hex(&done->name, hex);
	if (!is_ours(in, done))
		rc = publish_copy(in, done, dir_fd, e);
	else if (fchmod(done->fd, 0400) != 0 ||
	    renameat(in->dir_fd, hex, dir_fd, hex) != 0)
		rc = err_sys(e, "cannot publish '%s/incoming/%s'",
		    in->session->store->path, hex);
	let_names(in);
	return rc;
}
