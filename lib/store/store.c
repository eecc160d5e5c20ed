#include <bascule/store.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/rand.h>

#include "condemn.h"
#include "format.h"
#include "grants.h"
#include "hurt.h"
#include "index.h"
#include "manifest.h"
#include "pack.h"
#include "parts.h"
#include "reserve.h"
#include "rooted.h"

/* --- Creating ------------------------------------------------------------ */

static const char *const dirs[] = {"packs", "index", "snapshots", "points",
    "sessions", "keys", "grants", "holds", "condemned", "tmp", "bad"};

static bool
is_ours(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(dirs); i++)
		if (strcmp(name, dirs[i]) == 0)
			return true;
	return strcmp(name, "lock") == 0 || strcmp(name, "format.bak") == 0 ||
	    strcmp(name, "reserve") == 0;
}

/*
 * Empty, or what a creation that did not finish leaves: our directories and
 * perhaps format.bak, no format, and nothing in packs/.
 */
static enum err_code
check_vacant(int dirfd, const char *path, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	OWNED(repo_names_fini) struct repo_names packs = {0};
	OWNED(fdio_close) int packs_fd = -1;
	enum err_code rc = repo_list(&n, dirfd, e);

	if (rc != ERR_NONE)
		return err_wrap(e, "'%s'", path);
	for (size_t i = 0; i < n.count; i++) {
		if (strcmp(n.names[i], "format") == 0)
			return err_set(e, ERR_EXISTS,
			    "there is a repository in '%s' already", path);
		if (!is_ours(n.names[i]))
			return err_set(e, ERR_EXISTS,
			    "'%s' is not empty: it holds '%s'", path,
			    n.names[i]);
	}
	rc = repo_open_dir(&packs_fd, dirfd, "packs", e);
	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	if (rc == ERR_NONE)
		rc = repo_list(&packs, packs_fd, e);
	if (rc == ERR_NONE && packs.count > 0)
		return err_set(e, ERR_EXISTS,
		    "'%s' holds packs but no format file: a damaged "
		    "repository",
		    path);
	return rc;
}

/* One of the files that creation writes, through tmp/. */
static enum err_code
put_file(const struct store *st, const struct repo_file *f, struct err *e)
{
	struct store copy = *st; /* repo_replace wants it changeable */

	/* A creation that died may have left its temporary. */
	if (unlinkat(st->tmp_fd, "create", 0) != 0 && errno != ENOENT)
		return err_sys(e, "cannot remove '%s/tmp/create'", st->path);
	return repo_replace(&copy, "create", f, e);
}

static enum err_code
put_files(struct store *st, const struct store_geometry *g, struct err *e)
{
	OWNED(buf_fini) struct buf manifest = {0};
	struct manifest empty = {0};
	struct format f = {.geometry = *g, .created = now_utc()};
	uint8_t bytes[FORMAT_BYTES];
	struct repo_file file = {.dirfd = st->index_fd,
	    .what = "index",
	    .name = "MANIFEST"};
	enum err_code rc;

	rand_bytes(f.site, sizeof(f.site));
	memcpy(f.family, st->family, sizeof(f.family));
	rc = format_encode(&f, bytes, e);
	if (rc == ERR_NONE)
		rc = manifest_encode(&empty, st->family, &manifest, e);
	if (rc != ERR_NONE)
		return rc;
	file.bytes = manifest.bytes;
	file.len_bytes = manifest.len_bytes;
	rc = put_file(st, &file, e);
	file = (struct repo_file){.dirfd = st->dir_fd,
	    .what = ".",
	    .name = "format.bak",
	    .bytes = bytes,
	    .len_bytes = sizeof(bytes)};
	if (rc == ERR_NONE)
		rc = put_file(st, &file, e);
	if (rc != ERR_NONE)
		return rc;
	file.name = "format"; /* last: from here on it is a repository */
	rc = put_file(st, &file, e);
	/* Whoever is told that it failed throws its keys away. */
	if (rc != ERR_NONE)
		(void)unlinkat(st->dir_fd, file.name, 0);
	return rc;
}

static enum err_code
make_parts(struct store *st, struct err *e)
{
	OWNED(fdio_close) int lock = -1;

	for (size_t i = 0; i < COUNT_OF(dirs); i++) {
		OWNED(fdio_close) int fd = -1;
		enum err_code rc = repo_make_dir(&fd, st->dir_fd, dirs[i], e);

		if (rc != ERR_NONE)
			return err_wrap(e, "'%s'", st->path);
		if (strcmp(dirs[i], "tmp") == 0) {
			st->tmp_fd = fd;
			fd = -1;
		} else if (strcmp(dirs[i], "index") == 0) {
			st->index_fd = fd;
			fd = -1;
		}
	}
	lock = fdio_open_beneath(st->dir_fd, "lock", O_RDWR | O_CREAT, 0600);
	if (lock == -1)
		return err_sys(e, "cannot create '%s/lock'", st->path);
	return ERR_NONE;
}

/* The name of the directory itself must survive, too. */
static enum err_code
flush_parent(int dirfd, const char *path, struct err *e)
{
	OWNED(fdio_close)
	int fd = openat(dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1 || fsync(fd) != 0)
		return err_sys(e, "cannot flush the directory above '%s'",
		    path);
	return ERR_NONE;
}

static void
forget(struct store *st)
{
	reader_free(&st->reader);
	rooted_free(&st->rooted);
	hurt_forget(st);
	index_free(&st->index);
	grants_free(&st->grants);
	fdio_close(&st->packs_fd);
	fdio_close(&st->index_fd);
	fdio_close(&st->snapshots_fd);
	fdio_close(&st->points_fd);
	fdio_close(&st->sessions_fd);
	fdio_close(&st->tmp_fd);
	fdio_close(&st->lock_fd);
	fdio_close(&st->dir_fd);
	free(st->path);
	st->path = NULL;
	free(st->condemned);
	st->condemned = NULL;
}

static void
blank(struct store *st)
{
	memset(st, 0, sizeof(*st));
	st->dir_fd = st->packs_fd = st->index_fd = st->snapshots_fd =
	    st->points_fd = st->sessions_fd = st->tmp_fd = st->lock_fd = -1;
}

void
store_default_geometry(struct store_geometry *out)
{
	format_default_geometry(out);
}

enum err_code
store_create(const char *path, const uint8_t family[STORE_FAMILY_BYTES],
    const struct store_geometry *geometry, struct err *e)
{
	OWNED(forget) struct store st;
	struct store_geometry g;
	enum err_code rc;

	blank(&st);
	format_default_geometry(&g);
	if (geometry != NULL)
		g = *geometry;
	rc = format_check_geometry(&g, e);
	if (rc != ERR_NONE)
		return rc;
	st.path = strdup(path);
	if (st.path == NULL)
		return err_nomem(e);
	memcpy(st.family, family, STORE_FAMILY_BYTES);
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return err_sys(e, "cannot make the directory '%s'", path);
	st.dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st.dir_fd == -1)
		return err_sys(e, "cannot open the directory '%s'", path);
	rc = check_vacant(st.dir_fd, path, e);
	if (rc == ERR_NONE)
		rc = make_parts(&st, e);
	if (rc == ERR_NONE)
		rc = flush_parent(st.dir_fd, path, e);
	if (rc == ERR_NONE)
		rc = put_files(&st, &g, e);
	if (rc == ERR_NONE)
		reserve_make(&st);
	return rc;
}

/* --- Opening ------------------------------------------------------------- */

static enum err_code
read_format(struct store *st, const char *name, struct format *f, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc = repo_slurp(&b, st->dir_fd, name, 4096, e);

	if (rc == ERR_NONE)
		rc = format_decode(f, b.bytes, b.len_bytes, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "'%s/%s'", st->path, name);
}

/* `format`, or, for reading, format.bak. */
static enum err_code
learn_format(struct store *st, struct err *e)
{
	struct format f = {0};
	struct err why = {0};
	enum err_code rc = read_format(st, "format", &f, e);

	if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT) {
		enum err_code second = read_format(st, "format.bak", &f, &why);

		if (rc == ERR_NOTFOUND && second == ERR_NOTFOUND)
			return err_set(e, ERR_NOTFOUND,
			    "'%s' is not a repository", st->path);
		e->code = rc = second == ERR_NONE ? ERR_NONE : ERR_CORRUPT;
		st->degraded = true;
	}
	if (rc != ERR_NONE)
		return rc;
	if (st->access == STORE_WRITE && st->degraded) {
		err_set(e, ERR_CORRUPT,
		    "'%s/format' is damaged: nothing may be written", st->path);
		return err_hint(e,
		    "format.bak is good: compare the two, then "
		    "copy it over format");
	}
	if (st->access == STORE_WRITE && f.read_only)
		return err_set(e, ERR_TOONEW,
		    "'%s' uses features of a newer version: it can only be "
		    "read",
		    st->path);
	memcpy(st->family, f.family, sizeof(st->family));
	memcpy(st->site, f.site, sizeof(st->site));
	st->geometry = f.geometry;
	return ERR_NONE;
}

static enum err_code
open_parts(struct store *st, struct err *e)
{
	const struct {
		const char *name;
		int *fd;
	} parts[] = {{"packs", &st->packs_fd}, {"index", &st->index_fd},
	    {"snapshots", &st->snapshots_fd}, {"points", &st->points_fd},
	    {"sessions", &st->sessions_fd}, {"tmp", &st->tmp_fd}};

	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		enum err_code rc =
		    repo_open_dir(parts[i].fd, st->dir_fd, parts[i].name, e);

		if (rc == ERR_NOTFOUND)
			e->code = ERR_CORRUPT;
		if (rc != ERR_NONE)
			return err_wrap(e, "'%s'", st->path);
	}
	if (st->access == STORE_READ)
		return ERR_NONE;
	st->lock_fd =
	    fdio_open_beneath(st->dir_fd, "lock", O_RDWR | O_CREAT, 0600);
	if (st->lock_fd == -1)
		return err_sys(e, "cannot open '%s/lock'", st->path);
	return ERR_NONE;
}

static enum err_code
check_place(const struct store *st, const struct store_options *opt,
    struct err *e)
{
	if (opt->network_fs_allowed || !fdio_is_remote(st->dir_fd))
		return ERR_NONE;
	err_set(e, ERR_REFUSED,
	    "'%s' lies on a network or FUSE file system, which may lose what "
	    "it says it has flushed",
	    st->path);
	return err_hint(e,
	    "keep it on a local disk and replicate it, or allow "
	    "network file systems for it by name");
}

static enum err_code
check_keyring(const struct store *st, struct err *e)
{
	if (st->keyring != NULL &&
	    memcmp(keyring_family(st->keyring), st->family,
		STORE_FAMILY_BYTES) != 0)
		return err_set(e, ERR_KEY,
		    "the key is of another repository family than '%s'",
		    st->path);
	return ERR_NONE;
}

enum err_code
store_open(struct store **out, const char *path,
    const struct store_options *opt, struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	enum err_code rc;

	*out = NULL;
	st = malloc(sizeof(*st));
	if (st == NULL)
		return err_nomem(e);
	blank(st);
	st->access = opt->access;
	st->keyring = opt->keyring;
	st->path = strdup(path);
	if (st->path == NULL)
		return err_nomem(e);
	st->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st->dir_fd == -1)
		return err_sys(e, "cannot open the repository '%s'", path);
	rc = check_place(st, opt, e);
	if (rc == ERR_NONE)
		rc = learn_format(st, e);
	if (rc == ERR_NONE)
		rc = check_keyring(st, e);
	if (rc == ERR_NONE)
		rc = open_parts(st, e);
	if (rc == ERR_NONE)
		rc = index_load(&st->index, st, e);
	if (rc == ERR_NONE && st->keyring != NULL)
		rc = grants_load(&st->grants, st, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(st);
	return ERR_NONE;
}

void
store_close(struct store **stp)
{
	struct store *st = TAKE(*stp);

	if (st == NULL)
		return;
	forget(st);
	free(st);
}

/* --- Asking -------------------------------------------------------------- */

const uint8_t *
store_family(const struct store *st)
{
	return st->family;
}

const struct keyring *
store_keyring(const struct store *st)
{
	return st->keyring;
}

const struct store_geometry *
store_geometry(const struct store *st)
{
	return &st->geometry;
}

bool
store_is_degraded(const struct store *st, struct err *why)
{
	if (index_damage(st) != NULL)
		*why = *index_damage(st);
	else if (st->degraded)
		err_set(why, ERR_CORRUPT,
		    "'%s/format' is damaged: format.bak serves", st->path);
	return index_damage(st) != NULL || st->degraded;
}

enum err_code
store_refresh(struct store *st, struct err *e)
{
	struct index *fresh;
	enum err_code rc = index_load(&fresh, st, e);

	if (rc != ERR_NONE)
		return rc;
	index_inherit(fresh, st->index);
	index_free(&st->index);
	rooted_free(&st->rooted);
	st->index = fresh;
	if (st->access == STORE_WRITE && index_damage(st) != NULL) {
		*e = *index_damage(st);
		return e->code;
	}
	return ERR_NONE;
}

bool
store_has_pack(struct store *st, const struct id *name)
{
	size_t number = index_pack_number(st, name);
	struct err e;

	if (number == index_packs_count(st) ||
	    !index_pack_present(st, (uint32_t)number))
		return false;
	/* Whom a session tells of a pack relies on it. */
	return !condemn_has(st, name) ||
	    condemn_revive(st, name, &e) == ERR_NONE;
}

enum err_code
store_open_pack(struct store *st, const struct id *name, int *fd, struct err *e)
{
	char path[PACK_PATH_BYTES];
	enum err_code rc =
	    repo_open_file(fd, NULL, st->packs_fd, pack_path(name, path), e);

	return rc == ERR_NONE ? rc : err_wrap(e, "'%s/packs'", st->path);
}

enum err_code
store_locate(struct store *st, const struct id *id, struct place *out,
    struct err *e)
{
	struct index_copy c;
	char hex[ID_HEX_BYTES];

	for (struct index_walk w = {0}; index_next(st, id, &w, &c);) {
		if (!index_pack_present(st, c.number))
			continue;
		*out = (struct place){.pack = c.number,
		    .frame = c.frame,
		    .slot = c.slot};
		return ERR_NONE;
	}
	if (index_damage(st) != NULL) {
		*e = *index_damage(st);
		return err_wrap(e, "cannot say where chunk %.16s is",
		    id_hex(id, hex));
	}
	return err_set(e, ERR_NOTFOUND, "chunk %.16s is not in '%s'",
	    id_hex(id, hex), st->path);
}
