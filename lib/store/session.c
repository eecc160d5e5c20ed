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

#include "ageing.h"
#include "condemn.h"
#include "index.h"

#define FILE_BYTES   (HEAD_BYTES + 8 + 8 + 4)
#define PINS_MAX     64
#define PINS_AT      FILE_BYTES
#define COUNT_AT     (HEAD_BYTES + 16)
#define FENCED_AT    (PINS_AT + (uint64_t)PINS_MAX * ID_BYTES)
#define FENCED_BYTES 16 /* who, when */
#define NAME_DIGITS  32

/* Could the lock be had, so that nobody lives behind the file? */
static bool
is_dead(int fd)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type == F_UNLCK;
}

static bool
is_session_name(const char *name)
{
	return strlen(name) == NAME_DIGITS &&
	    strspn(name, "0123456789abcdef") == NAME_DIGITS;
}

/* Calls fn for each session's file, open. */
struct each {
	struct store *store;
	enum err_code (
	    *fn)(struct each *each, int fd, const char *name, struct err *e);
	void *ctx;
};

static enum err_code
each_session(struct each *each, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	struct store *st = each->store;
	enum err_code rc = repo_list(&n, st->sessions_fd, e);

	if (rc != ERR_NONE)
		return err_wrap(e, "'%s/sessions'", st->path);
	for (size_t i = 0; rc == ERR_NONE && i < n.count; i++) {
		OWNED(fdio_close) int fd = -1;

		if (!is_session_name(n.names[i]))
			continue;
		fd = fdio_open_beneath(st->sessions_fd, n.names[i],
		    O_RDONLY | O_NONBLOCK, 0);
		if (fd == -1 && errno == ENOENT)
			continue;
		if (fd == -1)
			return err_sys(e, "cannot open '%s/sessions/%s'",
			    st->path, n.names[i]);
		rc = each->fn(each, fd, n.names[i], e);
	}
	return rc;
}

static enum err_code
sweep_one(struct each *each, int fd, const char *name, struct err *e)
{
	if (is_dead(fd) && unlinkat(each->store->sessions_fd, name, 0) != 0 &&
	    errno != ENOENT)
		return err_sys(e, "cannot remove '%s/sessions/%s'",
		    each->store->path, name);
	return ERR_NONE;
}

/* Inside the lock: unlink the sessions nobody lives behind. */
static enum err_code
sweep_sessions(struct store *st, struct err *e)
{
	struct each each = {.store = st, .fn = sweep_one};

	return each_session(&each, e);
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
	if (rc == ERR_NONE)
		rc = condemn_refresh(se->store, e);
	/* Nothing stood in a collection's way since this store was opened. */
	if (rc == ERR_NONE)
		rc = store_refresh(se->store, e);
	if (rc == ERR_NONE)
		rc = make_file(se, e);
	return rc == ERR_NONE ? ageing_tick(se->store, e) : rc;
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

/* Its file is gone.  Who fenced it left a note in what our descriptor holds. */
static enum err_code
say_fenced(const struct session *se, struct err *e)
{
	uint8_t note[FENCED_BYTES];
	char when[NOW_TEXT_BYTES];
	struct err none;

	if (fdio_pread(se->fd, note, sizeof(note), FENCED_AT, &none) ==
	    ERR_NONE)
		err_set(e, ERR_BUSY,
		    "this session of '%s' was fenced by process %lld at "
		    "%.19sZ: nothing of it may be committed any more",
		    se->store->path, (long long)le_get64(note),
		    now_text((struct utc){(int64_t)le_get64(note + 8)}, when));
	else
		err_set(e, ERR_BUSY,
		    "the file of this session, '%s/sessions/%s', was removed: "
		    "nothing of it may be committed any more",
		    se->store->path, se->name);
	return err_hint(e,
	    "run it again: what it has stored already is found and not stored "
	    "again");
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
		return say_fenced(se, e);
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

/* --- who lives ------------------------------------------------------------ */

struct naming {
	struct buf *out;
	const struct session *but;
};

static enum err_code
name_one(struct each *each, int fd, const char *name, struct err *e)
{
	struct naming *n = each->ctx;
	uint8_t bytes[NAME_DIGITS / 2];

	if (is_dead(fd) ||
	    (n->but != NULL && strcmp(n->but->name, name) == 0) ||
	    !text_unhex(name, bytes, sizeof(bytes)))
		return ERR_NONE;
	return buf_add(n->out, bytes, sizeof(bytes), e);
}

enum err_code
session_names_alive(struct buf *out, struct store *st,
    const struct session *but, struct err *e)
{
	struct naming n = {out, but};
	struct each each = {.store = st, .fn = name_one, .ctx = &n};

	buf_clear(out);
	return each_session(&each, e);
}

void
session_list_fini(struct session_list *list)
{
	free(list->sessions);
	memset(list, 0, sizeof(*list));
}

static enum err_code
list_one(struct each *each, int fd, const char *name, struct err *e)
{
	struct session_list *list = each->ctx;
	struct session_info *more, info = {0};
	uint8_t bytes[FILE_BYTES];

	if (is_dead(fd))
		return ERR_NONE;
	snprintf(info.name, sizeof(info.name), "%s", name);
	/* What it says of itself is for people: it may be damaged. */
	if (fdio_pread(fd, bytes, sizeof(bytes), 0, e) == ERR_NONE) {
		info.pid = (int64_t)le_get64(bytes + HEAD_BYTES);
		info.started.ns = (int64_t)le_get64(bytes + HEAD_BYTES + 8);
	}
	more = reallocarray(list->sessions, list->count + 1, sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	list->sessions = more;
	more[list->count++] = info;
	return ERR_NONE;
}

enum err_code
session_list_alive(struct session_list *out, struct store *st, struct err *e)
{
	OWNED(session_list_fini) struct session_list list = {0};
	struct each each = {.store = st, .fn = list_one, .ctx = &list};
	enum err_code rc = each_session(&each, e);

	*out = list;
	memset(&list, 0, sizeof(list));
	return rc;
}

/* For the fenced one to read; without room for it the fence holds as well. */
static void
leave_note(struct store *st, const char *name)
{
	uint8_t note[FENCED_BYTES];
	struct err e;
	OWNED(fdio_close)
	int fd =
	    fdio_open_beneath(st->sessions_fd, name, O_WRONLY | O_NONBLOCK, 0);

	le_put64(note, (uint64_t)getpid());
	le_put64(note + 8, (uint64_t)now_utc().ns);
	if (fd != -1 &&
	    fdio_pwrite(fd, note, sizeof(note), FENCED_AT, &e) != ERR_NONE)
		return;
}

enum err_code
session_fence(struct store *st, const char *name, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	enum err_code rc;

	if (!is_session_name(name))
		return err_set(e, ERR_INPUT, "'%.64s' is no session's name",
		    name);
	if (st->access != STORE_WRITE)
		return err_set(e, ERR_INPUT, "'%s' was opened for reading only",
		    st->path);
	if ((rc = repo_lock(st, e)) != ERR_NONE)
		return rc;
	held = st;
	leave_note(st, name);
	if (unlinkat(st->sessions_fd, name, 0) != 0)
		return err_sys(e, "cannot fence session %s of '%s'", name,
		    st->path);
	return ERR_NONE;
}

/* --- pins ----------------------------------------------------------------- */

/* Inside the lock. */
static enum err_code
add_pin(struct session *se, const struct id *snapshot, struct err *e)
{
	uint8_t count[4];
	enum err_code rc =
	    fdio_pread(se->fd, count, sizeof(count), COUNT_AT, e);
	uint32_t n;

	if (rc != ERR_NONE)
		return rc;
	n = le_get32(count);
	if (n >= PINS_MAX)
		return err_set(e, ERR_INPUT, "more than %d pins", PINS_MAX);
	le_put32(count, n + 1);
	rc = fdio_pwrite(se->fd, snapshot->bytes, ID_BYTES,
	    PINS_AT + (uint64_t)n * ID_BYTES, e);
	if (rc == ERR_NONE)
		rc = fdio_pwrite(se->fd, count, sizeof(count), COUNT_AT, e);
	return rc == ERR_NONE ? rc
			      : err_wrap(e, "pinning in '%s/sessions/%s'",
				    se->store->path, se->name);
}

enum err_code
session_pin(struct session *se, const char *service, const struct id *snapshot,
    struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(fdio_close) int dir_fd = -1;
	OWNED(fdio_close) int fd = -1;
	char hex[ID_HEX_BYTES];
	uint64_t size;
	enum err_code rc = repo_lock(se->store, e);

	if (rc != ERR_NONE)
		return rc;
	held = se->store;
	rc = repo_open_dir(&dir_fd, held->snapshots_fd, service, e);
	if (rc == ERR_NONE)
		rc = repo_open_file(&fd, &size, dir_fd, id_hex(snapshot, hex),
		    e);
	return rc == ERR_NONE ? add_pin(se, snapshot, e) : rc;
}

struct pinning {
	const struct session *but;
	const struct id *wanted;
};

static enum err_code
say_pinned(const struct id *wanted, const uint8_t bytes[FILE_BYTES],
    const char *name, struct err *e)
{
	char hex[ID_HEX_BYTES];

	err_set(e, ERR_BUSY,
	    "snapshot %.12s: a running backup (process %lld) builds on it",
	    id_hex(wanted, hex), (long long)le_get64(bytes + HEAD_BYTES));
	return err_hint(e, "try again when it has ended; session %s", name);
}

/* Whoever lives wrote all of its file: what cannot be read may pin anything. */
static enum err_code
find_pin(struct each *each, int fd, const char *name, struct err *e)
{
	const struct pinning *p = each->ctx;
	uint8_t bytes[FILE_BYTES];
	struct id pin;
	uint32_t n;
	enum err_code rc;

	if (is_dead(fd) || (p->but != NULL && strcmp(p->but->name, name) == 0))
		return ERR_NONE;
	rc = fdio_pread(fd, bytes, sizeof(bytes), 0, e);
	n = rc == ERR_NONE ? le_get32(bytes + COUNT_AT) : 0;
	if (n > PINS_MAX)
		rc = err_set(e, ERR_CORRUPT, "says it has %u pins", n);
	for (uint32_t i = 0; rc == ERR_NONE && i < n; i++) {
		rc = fdio_pread(fd, pin.bytes, ID_BYTES,
		    PINS_AT + (uint64_t)i * ID_BYTES, e);
		if (rc == ERR_NONE && id_equal(&pin, p->wanted))
			return say_pinned(p->wanted, bytes, name, e);
	}
	if (rc == ERR_NONE)
		return rc;
	err_wrap(e, "what session '%s/sessions/%s' builds on",
	    each->store->path, name);
	return err_hint(e, "try again when it has ended");
}

enum err_code
session_check_pins(struct store *st, const struct session *but,
    const struct id *snapshot, struct err *e)
{
	struct pinning p = {but, snapshot};
	struct each each = {.store = st, .fn = find_pin, .ctx = &p};

	return each_session(&each, e);
}
