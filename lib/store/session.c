#include "parts.h"
#include "snapfind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>
#include <bascule/base/rand.h>

#include "index.h"

#define FILE_BYTES  (HEAD_BYTES + 8 + 8 + 4)
#define NAME_DIGITS 32

/* Can the lock be had, so that nobody lives behind the file? */
static bool
is_dead(int fd)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &fl) == 0;
}

static bool
is_session_name(const char *name)
{
	return strlen(name) == NAME_DIGITS &&
	    strspn(name, "0123456789abcdef") == NAME_DIGITS;
}

/* Inside the lock: unlink the sessions nobody lives behind. */
static enum err_code
sweep_sessions(struct store *st, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	enum err_code rc = repo_list(&n, st->sessions_fd, e);

	if (rc != ERR_NONE)
		return err_wrap(e, "'%s/sessions'", st->path);
	for (size_t i = 0; i < n.count; i++) {
		OWNED(fdio_close) int fd = -1;

		if (!is_session_name(n.names[i]))
			continue;
		fd = fdio_open_beneath(st->sessions_fd, n.names[i],
		    O_RDWR | O_NONBLOCK, 0);
		if (fd == -1 && errno == ENOENT)
			continue;
		if (fd == -1)
			return err_sys(e, "cannot open '%s/sessions/%s'",
			    st->path, n.names[i]);
		if (is_dead(fd) &&
		    unlinkat(st->sessions_fd, n.names[i], 0) != 0 &&
		    errno != ENOENT)
			return err_sys(e, "cannot remove '%s/sessions/%s'",
			    st->path, n.names[i]);
	}
	return ERR_NONE;
}

/* Inside the lock: temporaries whose session is gone. */
static enum err_code
sweep_temporaries(struct store *st, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	enum err_code rc = repo_list(&n, st->tmp_fd, e);

	if (rc != ERR_NONE)
		return err_wrap(e, "'%s/tmp'", st->path);
	for (size_t i = 0; i < n.count; i++) {
		char owner[NAME_DIGITS + 1];
		struct stat sb;

		snprintf(owner, sizeof(owner), "%s", n.names[i]);
		if (is_session_name(owner) &&
		    fstatat(st->sessions_fd, owner, &sb, AT_SYMLINK_NOFOLLOW) ==
			0)
			continue;
		if (unlinkat(st->tmp_fd, n.names[i], 0) != 0 && errno != ENOENT)
			return err_sys(e, "cannot remove '%s/tmp/%s'", st->path,
			    n.names[i]);
	}
	return ERR_NONE;
}

void
session_temporary(struct session *se, char out[SESSION_TEMPORARY_BYTES])
{
	snprintf(out, SESSION_TEMPORARY_BYTES, "%s-%llx", se->name,
	    (unsigned long long)se->temporaries_count++);
}

/* The file, locked before anybody can see it under its name. */
static enum err_code
make_file(struct session *se, struct err *e)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct store *st = se->store;
	uint8_t bytes[FILE_BYTES];
	char tmp[SESSION_TEMPORARY_BYTES];
	enum err_code rc;

	head_put(bytes, HEAD_SESSION, st->family);
	le_put64(bytes + 32, (uint64_t)getpid());
	le_put64(bytes + 40, (uint64_t)now_utc().ns);
	le_put32(bytes + 48, 0);
	session_temporary(se, tmp);
	se->fd =
	    fdio_open_beneath(st->tmp_fd, tmp, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (se->fd == -1)
		return err_sys(e, "cannot create '%s/tmp/%s'", st->path, tmp);
	rc = fdio_write(se->fd, bytes, sizeof(bytes), e);
	if (rc != ERR_NONE)
		err_wrap(e, "writing '%s/tmp/%s'", st->path, tmp);
	else if (fcntl(se->fd, F_OFD_SETLK, &fl) != 0)
		rc = err_sys(e, "cannot lock '%s/tmp/%s'", st->path, tmp);
	else if (repo_rename_new(st->tmp_fd, tmp, st->sessions_fd, se->name) !=
	    0)
		rc = err_sys(e, "cannot create '%s/sessions/%s'", st->path,
		    se->name);
	if (rc != ERR_NONE)
		unlinkat(st->tmp_fd, tmp, 0);
	return rc;
}

static enum err_code
begin(struct session *se, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	enum err_code rc = repo_lock(se->store, e);

	if (rc != ERR_NONE)
		return rc;
	held = se->store;
	rc = sweep_sessions(se->store, e);
	if (rc == ERR_NONE)
		rc = sweep_temporaries(se->store, e);
	return rc == ERR_NONE ? make_file(se, e) : rc;
}

enum err_code
session_open_bare(struct session **out, struct store *st, struct err *e)
{
	OWNED(session_close) struct session *se = NULL;
	uint8_t name[NAME_DIGITS / 2];
	enum err_code rc;

	*out = NULL;
	if (st->access == STORE_READ)
		return err_set(e, ERR_INPUT, "'%s' was opened for reading only",
		    st->path);
	if (index_damage(st) != NULL && st->access != STORE_HEAL) {
		*e = *index_damage(st);
		err_wrap(e, "nothing can be added to '%s'", st->path);
		return err_hint(e,
		    "bascule -r '%s' heal makes the index again from the packs",
		    st->path);
	}
	if ((rc = snapfind_refuse_newer(st, e)) != ERR_NONE)
		return rc;
	se = calloc(1, sizeof(*se));
	if (se == NULL)
		return err_nomem(e);
	se->fd = -1;
	se->store = st;
	rand_bytes(name, sizeof(name));
	text_hex(name, sizeof(name), se->name);
	rc = begin(se, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(se);
	return ERR_NONE;
}

enum err_code
session_open(struct session **out, struct store *st, struct err *e)
{
	OWNED(session_close) struct session *se = NULL;
	OWNED(secret_fini) struct secret key = {0};
	enum err_code rc;

	*out = NULL;
	if (st->keyring == NULL || !keyring_can_write(st->keyring))
		return err_set(e, ERR_KEY,
		    "writing to '%s' needs a key that may write", st->path);
	rc = session_open_bare(&se, st, e);
	if (rc == ERR_NONE)
		rc =
		    keyring_new_content_key(st->keyring, &key, &se->stanzas, e);
	if (rc == ERR_NONE)
		rc = seal_key_new(&se->key, &key, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(se);
	return ERR_NONE;
}

enum err_code
session_others(struct session *se, bool *any, struct err *e)
{
	struct store *st = se->store;
	OWNED(repo_names_fini) struct repo_names n = {0};
	enum err_code rc;

	ASSERT(st->locked);
	*any = false;
	rc = repo_list(&n, st->sessions_fd, e);
	for (size_t i = 0; rc == ERR_NONE && i < n.count && !*any; i++) {
		OWNED(fdio_close) int fd = -1;

		if (strcmp(n.names[i], se->name) == 0 ||
		    !is_session_name(n.names[i]))
			continue;
		fd = fdio_open_beneath(st->sessions_fd, n.names[i],
		    O_RDWR | O_NONBLOCK, 0);
		*any = fd == -1 ? errno != ENOENT : !is_dead(fd);
	}
	return rc;
}

enum err_code
session_check(struct session *se, struct err *e)
{
	struct store *st = se->store;
	struct stat ours, named;

	ASSERT(st->locked);
	if (fstat(se->fd, &ours) != 0)
		return err_sys(e, "cannot look at '%s/sessions/%s'", st->path,
		    se->name);
	if (fstatat(st->sessions_fd, se->name, &named, AT_SYMLINK_NOFOLLOW) !=
		0 ||
	    named.st_ino != ours.st_ino || named.st_dev != ours.st_dev)
		return err_set(e, ERR_BUSY,
		    "this session of '%s' was fenced: nothing of it may be "
		    "committed any more",
		    st->path);
	return ERR_NONE;
}

void
session_close(struct session **sep)
{
	struct session *se = TAKE(*sep);

	if (se == NULL)
		return;
	if (se->fd != -1)
		unlinkat(se->store->sessions_fd, se->name, 0);
	fdio_close(&se->fd);
	seal_key_free(&se->key);
	buf_fini(&se->stanzas);
	free(se);
}
