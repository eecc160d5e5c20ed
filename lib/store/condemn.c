#include "condemn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#include "manifest.h"
#include "pack.h"

/* --- the file --------------------------------------------------------------- */

enum err_code
condemn_encode(struct buf *out, const struct condemn_view *v,
    const uint8_t family[STORE_FAMILY_BYTES], struct err *e)
{
	const size_t sessions_bytes = v->sessions_count * CONDEMN_SESSION_BYTES;
	struct id hash;
	uint8_t *at;
	enum err_code rc;

	buf_clear(out);
	if (v->sessions_count > CONDEMN_SESSIONS_MAX)
		return err_set(e, ERR_BUSY, "more than %d sessions are open",
		    CONDEMN_SESSIONS_MAX);
	rc = buf_extend(out, HEAD_BYTES + 16, &at, e);
	if (rc != ERR_NONE)
		return rc;
	head_put(at, HEAD_CONDEMNED, family);
	le_put32(at + 32, (uint32_t)v->what);
	le_put32(at + 36, (uint32_t)v->sessions_count);
	le_put64(at + 40, (uint64_t)v->age_ns);
	rc = buf_add(out, v->sessions, sessions_bytes, e);
	if (rc == ERR_NONE)
		rc = hash_sha256(out->bytes, out->len_bytes, &hash, e);
	return rc == ERR_NONE ? buf_add(out, hash.bytes, ID_BYTES, e) : rc;
}

enum err_code
condemn_decode(struct condemn_view *out, const uint8_t *family,
    const void *bytes, size_t len_bytes, struct err *e)
{
	const uint8_t *at = bytes;
	uint32_t what;
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (len_bytes < HEAD_BYTES + 16 + ID_BYTES ||
	    len_bytes > CONDEMN_FILE_MAX)
		return err_set(e, ERR_CORRUPT, "is %zu bytes long", len_bytes);
	rc = head_check_hashed(at, len_bytes, HEAD_CONDEMNED, family, e);
	if (rc != ERR_NONE)
		return rc;
	what = le_get32(at + 32);
	out->sessions_count = le_get32(at + 36);
	out->age_ns = (int64_t)le_get64(at + 40);
	out->sessions = at + 48;
	if ((what != CONDEMN_PACK && what != CONDEMN_SEGMENT) ||
	    out->age_ns < 0 || out->sessions_count > CONDEMN_SESSIONS_MAX ||
	    len_bytes !=
		HEAD_BYTES + 16 + ID_BYTES +
		    out->sessions_count * CONDEMN_SESSION_BYTES)
		return err_set(e, ERR_CORRUPT, "makes no sense");
	out->what = what;
	return ERR_NONE;
}

/* --- the directory ----------------------------------------------------------- */

void
condemn_list_fini(struct condemn_all *list)
{
	free(list->all);
	memset(list, 0, sizeof(*list));
}

static bool
is_alive(const struct buf *alive, const uint8_t *session)
{
	for (size_t at = 0; at < alive->len_bytes; at += CONDEMN_SESSION_BYTES)
		if (memcmp(alive->bytes + at, session, CONDEMN_SESSION_BYTES) ==
		    0)
			return true;
	return false;
}

/* ERR_CORRUPT: as good as not condemned. */
static enum err_code
load(struct condemned *out, struct store *st, int dir_fd, const char *name,
    const struct buf *alive, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	struct condemn_view v;
	enum err_code rc = repo_slurp(&b, dir_fd, name, CONDEMN_FILE_MAX, e);

	if (rc == ERR_NONE)
		rc = condemn_decode(&v, st->family, b.bytes, b.len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	out->what = v.what;
	out->age_ns = v.age_ns;
	out->waits_for_someone = false;
	for (size_t i = 0; i < v.sessions_count; i++)
		out->waits_for_someone |=
		    is_alive(alive, v.sessions + i * CONDEMN_SESSION_BYTES);
	return ERR_NONE;
}

enum err_code
condemn_list(struct condemn_all *out, struct store *st, const struct buf *alive,
    struct err *e)
{
	OWNED(condemn_list_fini) struct condemn_all list = {0};
	OWNED(repo_names_fini) struct repo_names names = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_list_in(&names, &fd, st, "condemned", e);

	memset(out, 0, sizeof(*out));
	if (rc != ERR_NONE)
		return rc;
	list.all = calloc(names.count + 1, sizeof(*list.all));
	if (list.all == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < names.count; i++) {
		struct condemned *c = &list.all[list.count];

		if (!id_parse(names.names[i], &c->name))
			continue; /* the clock */
		rc = load(c, st, fd, names.names[i], alive, e);
		if (rc == ERR_NONE)
			list.count++;
		else if (rc != ERR_CORRUPT && rc != ERR_NOTFOUND)
			return err_wrap(e, "'%s/condemned/%.64s'", st->path,
			    names.names[i]);
	}
	*out = list;
	memset(&list, 0, sizeof(list));
	return ERR_NONE;
}

/* One more name of the batch's file. */
static enum err_code
add_name(struct session *se, int dir_fd, const char *tmp,
    const struct repo_file *f, struct err *e)
{
	struct store *st = se->store;
	char another[SESSION_TEMPORARY_BYTES];

	/* What is there is damaged (condemn_batch): it condemns nothing. */
	if (linkat(st->tmp_fd, tmp, dir_fd, f->name, 0) == 0)
		return ERR_NONE;
	if (errno == EEXIST && unlinkat(dir_fd, f->name, 0) == 0 &&
	    linkat(st->tmp_fd, tmp, dir_fd, f->name, 0) == 0)
		return ERR_NONE;
	if (errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP)
		return err_sys(e, "cannot condemn '%s'", f->name);
	session_temporary(se, another);
	return repo_replace(st, another, f, e);
}

static enum err_code
write_batch(struct session *se, const char *tmp, const struct buf *b,
    struct err *e)
{
	struct store *st = se->store;
	OWNED(fdio_close)
	int fd = fdio_open_beneath(st->tmp_fd, tmp, O_WRONLY | O_CREAT | O_EXCL,
	    0400);
	enum err_code rc;

	if (fd == -1)
		return err_sys(e, "cannot create '%s/tmp/%s'", st->path, tmp);
	rc = fdio_write(fd, b->bytes, b->len_bytes, e);
	if (rc == ERR_NONE && fsync(fd) != 0)
		rc = err_sys(e, "cannot flush '%s/tmp/%s'", st->path, tmp);
	return rc;
}

enum err_code
condemn_add(struct session *se, const struct condemn_batch *batch,
    struct err *e)
{
	struct store *st = se->store;
	OWNED(buf_fini) struct buf b = {0};
	OWNED(fdio_close) int fd = -1;
	char tmp[SESSION_TEMPORARY_BYTES], hex[ID_HEX_BYTES];
	struct repo_file f = {.what = "condemned"};
	enum err_code rc;

	ASSERT(st->locked);
	if (batch->count == 0)
		return ERR_NONE;
	rc = condemn_encode(&b, &batch->view, st->family, e);
	if (rc == ERR_NONE)
		rc = repo_make_dir(&fd, st->dir_fd, "condemned", e);
	if (rc != ERR_NONE)
		return rc;
	session_temporary(se, tmp);
	rc = write_batch(se, tmp, &b, e);
	f.dirfd = fd;
	f.bytes = b.bytes;
	f.len_bytes = b.len_bytes;
	for (size_t i = 0; rc == ERR_NONE && i < batch->count; i++) {
		f.name = id_hex(&batch->names[i], hex);
		rc = add_name(se, fd, tmp, &f, e);
	}
	(void)unlinkat(st->tmp_fd, tmp, 0);
	if (rc == ERR_NONE && fsync(fd) != 0)
		rc = err_sys(e, "cannot flush '%s/condemned'", st->path);
	return rc;
}

static void
forget(struct store *st, const struct id *name)
{
	for (size_t i = 0; i < st->condemned_count; i++) {
		if (!id_equal(&st->condemned[i], name))
			continue;
		st->condemned_count--;
		memmove(&st->condemned[i], &st->condemned[i + 1],
		    (st->condemned_count - i) * sizeof(*name));
		return;
	}
}

enum err_code
condemn_remove(struct store *st, const struct id *names, size_t count,
    struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	enum err_code rc;

	ASSERT(st->locked);
	if (count == 0)
		return ERR_NONE;
	rc = repo_open_dir(&fd, st->dir_fd, "condemned", e);
	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
		char hex[ID_HEX_BYTES];

		if (unlinkat(fd, id_hex(&names[i], hex), 0) != 0 &&
		    errno != ENOENT)
			rc = err_sys(e, "cannot remove '%s/condemned/%s'",
			    st->path, hex);
	}
	if (rc == ERR_NONE && fsync(fd) != 0)
		rc = err_sys(e, "cannot flush '%s/condemned'", st->path);
	for (size_t i = 0; rc == ERR_NONE && i < count; i++)
		forget(st, &names[i]);
	return rc;
}

bool
condemn_is(const struct store *st, const struct id *name)
{
	char path[sizeof("condemned/") + ID_HEX_BYTES], hex[ID_HEX_BYTES];
	struct stat sb;

	snprintf(path, sizeof(path), "condemned/%s", id_hex(name, hex));
	return fstatat(st->dir_fd, path, &sb, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- what a session has to know ----------------------------------------------- */

enum err_code
condemn_refresh(struct store *st, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names names = {0};
	OWNED(fdio_close) int fd = -1;
	struct id *ids;
	size_t count = 0;
	enum err_code rc = repo_list_in(&names, &fd, st, "condemned", e);

	ASSERT(st->locked);
	if (rc != ERR_NONE)
		return rc;
	ids = reallocarray(st->condemned, names.count + 1, sizeof(*ids));
	if (ids == NULL)
		return err_nomem(e);
	st->condemned = ids;
	for (size_t i = 0; i < names.count;
	     i++) /* sorted as text: so are ids */
		count += id_parse(names.names[i], &ids[count]);
	st->condemned_count = count;
	return ERR_NONE;
}

static int
compare_ids(const void *a, const void *b)
{
	return id_compare(a, b);
}

bool
condemn_has(const struct store *st, const struct id *pack)
{
	return st->condemned_count > 0 &&
	    bsearch(pack, st->condemned, st->condemned_count, sizeof(*pack),
		compare_ids) != NULL;
}

/* Inside the lock. */
static enum err_code
revive(struct store *st, const struct id *pack, struct err *e)
{
	OWNED(manifest_fini) struct manifest m = {0};
	char path[PACK_PATH_BYTES];
	struct stat sb;
	enum err_code rc = manifest_read(&m, st, e);

	if (rc != ERR_NONE)
		return rc;
	/* The pack goes before its file in condemned/ does. */
	if (manifest_is_removed(&m, pack) ||
	    fstatat(st->packs_fd, pack_path(pack, path), &sb,
		AT_SYMLINK_NOFOLLOW) != 0)
		return err_set(e, ERR_NOTFOUND,
		    "pack %.16s was collected and is beyond revival", path + 3);
	return condemn_remove(st, pack, 1, e);
}

enum err_code
condemn_revive(struct store *st, const struct id *pack, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	enum err_code rc;

	if (st->access != STORE_WRITE)
		return err_set(e, ERR_INPUT, "'%s' was opened for reading only",
		    st->path);
	if (!st->locked) {
		if ((rc = repo_lock(st, e)) != ERR_NONE)
			return rc;
		held = st;
	}
	return revive(st, pack, e);
}
