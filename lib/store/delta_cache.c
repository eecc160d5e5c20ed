#include "delta_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>

#include "frame.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define ROOM_LEFT_MIN ((uint64_t)64 << 20) /* D4: what others need there */

struct kept {
	struct id id;
	uint64_t size_bytes;
	int64_t put_ns;
};

struct delta_cache {
	int dir_fd;
	struct delta_cache_limits limits;
	uint64_t size_bytes; /* of all files */
	struct kept *kept;   /* at opening; oldest first */
	size_t kept_count, kept_room, dropped_count;
};

static void
drop(struct delta_cache *dc, const struct kept *k)
{
	char hex[ID_HEX_BYTES];

	if (unlinkat(dc->dir_fd, id_hex(&k->id, hex), 0) == 0)
		dc->size_bytes -= k->size_bytes;
}

static enum err_code
note(struct delta_cache *dc, const struct kept *k, struct err *e)
{
	struct kept *bigger;
	size_t room = dc->kept_room == 0 ? 256 : dc->kept_room * 2;

	if (dc->kept_count == dc->kept_room) {
		bigger = reallocarray(dc->kept, room, sizeof(*bigger));
		if (bigger == NULL)
			return err_nomem(e);
		dc->kept = bigger;
		dc->kept_room = room;
	}
	dc->kept[dc->kept_count++] = *k;
	return ERR_NONE;
}

/* What a name in the folder stands for; all else is not ours to keep. */
static enum err_code
look_at(struct delta_cache *dc, const char *name, struct err *e)
{
	struct stat sb;
	struct kept k;

	if (fstatat(dc->dir_fd, name, &sb, AT_SYMLINK_NOFOLLOW) != 0)
		return ERR_NONE;
	if (!S_ISREG(sb.st_mode) || !id_parse(name, &k.id)) {
		(void)unlinkat(dc->dir_fd, name, 0);
		return ERR_NONE;
	}
	k.size_bytes = (uint64_t)sb.st_size;
	k.put_ns = sb.st_mtim.tv_sec * NS_PER_SECOND + sb.st_mtim.tv_nsec;
	dc->size_bytes += k.size_bytes;
	return note(dc, &k, e);
}

static int
compare_kept(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return x->put_ns < y->put_ns ? -1 : x->put_ns > y->put_ns;
}

/* Room for len_bytes more, by dropping what was put first. */
static bool
make_room(struct delta_cache *dc, uint64_t len_bytes)
{
	if (len_bytes > dc->limits.size_bytes)
		return false;
	while (dc->size_bytes > dc->limits.size_bytes - len_bytes &&
	    dc->dropped_count < dc->kept_count)
		drop(dc, &dc->kept[dc->dropped_count++]);
	return dc->size_bytes <= dc->limits.size_bytes - len_bytes;
}

/* D2.  A time to come (a clock was set back) is as good as too old. */
static enum err_code
tidy(struct delta_cache *dc, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	int64_t now_ns = now_utc().ns;
	enum err_code rc = repo_list(&n, dc->dir_fd, e);
	size_t left = 0;

	for (size_t i = 0; i < n.count && rc == ERR_NONE; i++)
		rc = look_at(dc, n.names[i], e);
	if (rc != ERR_NONE || dc->kept_count == 0)
		return rc;
	for (size_t i = 0; i < dc->kept_count; i++)
		if (dc->kept[i].put_ns > now_ns ||
		    now_ns - dc->kept[i].put_ns > dc->limits.keep_ns)
			drop(dc, &dc->kept[i]);
		else
			dc->kept[left++] = dc->kept[i];
	dc->kept_count = left;
	qsort(dc->kept, dc->kept_count, sizeof(*dc->kept), compare_kept);
	(void)make_room(dc, 0);
	return ERR_NONE;
}

/* Whoever made the folder: what is in it is its owner's only. */
static enum err_code
enter(struct delta_cache *dc, const char *path, struct err *e)
{
	dc->dir_fd =
	    open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dc->dir_fd == -1 || fchmod(dc->dir_fd, 0700) != 0)
		return err_sys(e, "cannot open '%s'", path);
	if (flock(dc->dir_fd, LOCK_EX | LOCK_NB) == 0)
		return ERR_NONE;
	if (errno == EWOULDBLOCK)
		return err_set(e, ERR_BUSY, "'%s' is in use", path);
	return err_sys(e, "cannot lock '%s'", path);
}

enum err_code
delta_cache_open(struct delta_cache **out, const char *path,
    const struct delta_cache_limits *limits, struct err *e)
{
	OWNED(delta_cache_close) struct delta_cache *dc = NULL;
	enum err_code rc;

	*out = NULL;
	dc = calloc(1, sizeof(*dc));
	if (dc == NULL)
		return err_nomem(e);
	dc->dir_fd = -1;
	dc->limits = *limits;
	rc = fdio_make_dirs(path, 0700, e);
	if (rc != ERR_NONE)
		return rc;
	rc = enter(dc, path, e);
	if (rc != ERR_NONE)
		return rc;
	rc = tidy(dc, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "'%s'", path);
	*out = TAKE(dc);
	return ERR_NONE;
}

void
delta_cache_close(struct delta_cache **dcp)
{
	struct delta_cache *dc = TAKE(*dcp);

	if (dc == NULL)
		return;
	fdio_close(&dc->dir_fd);
	free(dc->kept);
	free(dc);
}

enum err_code
delta_cache_get(struct delta_cache *dc, struct hash_key *key,
    const struct id *id, struct buf *out, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	char hex[ID_HEX_BYTES];
	struct id again;
	enum err_code rc =
	    repo_slurp(&bytes, dc->dir_fd, id_hex(id, hex), FRAME_RAW_MAX, e);

	if (rc == ERR_NOMEM)
		return rc;
	if (rc == ERR_NONE) {
		hash_id(key, bytes.bytes, bytes.len_bytes, &again);
		if (id_equal(&again, id))
			return buf_add(out, bytes.bytes, bytes.len_bytes, e);
	}
	if (rc != ERR_NOTFOUND)
		(void)unlinkat(dc->dir_fd, hex, 0);
	return err_set(e, ERR_NOTFOUND, "the delta cache has no %.16s", hex);
}

/* D4 */
static bool
disk_has_room(const struct delta_cache *dc, uint64_t len_bytes)
{
	struct statvfs sv;

	return fstatvfs(dc->dir_fd, &sv) == 0 &&
	    (uint64_t)sv.f_bavail * sv.f_frsize >= ROOM_LEFT_MIN + len_bytes;
}

void
delta_cache_put(struct delta_cache *dc, const struct id *id,
    const struct iovec *parts, size_t parts_count, enum delta_cache_worth worth)
{
	OWNED(fdio_close) int fd = -1;
	char hex[ID_HEX_BYTES];
	uint64_t len_bytes = 0;
	struct err e;
	bool whole = true;

	for (size_t i = 0; i < parts_count; i++)
		len_bytes += parts[i].iov_len;
	if (len_bytes == 0 || len_bytes > FRAME_RAW_MAX ||
	    (worth == DELTA_CACHE_FIRST &&
		dc->size_bytes + len_bytes > dc->limits.size_bytes) ||
	    !make_room(dc, len_bytes) || !disk_has_room(dc, len_bytes))
		return;
	fd = openat(dc->dir_fd, id_hex(id, hex),
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1) /* it is there, or cannot be */
		return;
	for (size_t i = 0; i < parts_count && whole; i++)
		whole = fdio_write(fd, parts[i].iov_base, parts[i].iov_len,
			    &e) == ERR_NONE;
	if (whole)
		dc->size_bytes += len_bytes;
	else
		(void)unlinkat(dc->dir_fd, hex, 0);
}
