#include "statecache.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/atomfile.h>
#include <bascule/base/fdio.h>
#include <bascule/base/le.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>
#include <bascule/store.h>

#define MAGIC       "BscStat1"
#define MAGIC_BYTES 8
#define HEAD_BYTES  (MAGIC_BYTES + ID_BYTES)
#define TAIL_BYTES  (1 + 8 + 2 * ID_BYTES)
#define STAT_BYTES  (3 * 8 + 2 * 12)
#define NAME_BYTES  TEXT_HEX_BYTES(16)
#define FLUSH_BYTES ((size_t)256 << 10)
#define SETTLED_S   60 /* repository.md, rule 11 */

/* How a record begins. */
enum record_kind { RECORD_NONE, RECORD_SETTLED, RECORD_YOUNG };

struct record {
	struct buf path;
	const uint8_t *stat; /* STAT_BYTES */
	const uint8_t *encoded;
	size_t encoded_bytes;
	uint8_t kind;
	bool valid;
	bool asked_for; /* it has the path last asked for */
};

struct statecache {
	int dirfd;
	char name[NAME_BYTES];
	struct id key;
	/* the old one, mapped */
	uint8_t *old;
	size_t old_bytes;
	struct le_reader reader;
	struct record at;
	/* the new one */
	struct atomfile *file;
	struct hash *hash;
	struct buf out;
	struct buf last_path;
	uint64_t count;
};

static void
put_stat(uint8_t at[STAT_BYTES], const struct source_item *item)
{
	le_put64(at, item->dev);
	le_put64(at + 8, item->inode);
	le_put64(at + 16, item->entry.size_bytes);
	le_put64(at + 24, (uint64_t)item->entry.mtime_s);
	le_put32(at + 32, item->entry.mtime_ns);
	le_put64(at + 36, (uint64_t)item->ctime_s);
	le_put32(at + 44, item->ctime_ns);
}

static enum err_code
make_key(struct statecache *sc, const struct statecache_name *name,
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc =
	    le_add_bytes(&b, name->family, STORE_FAMILY_BYTES, e);

	if (rc == ERR_NONE)
		rc = le_add_bytes(&b, name->service, strlen(name->service), e);
	if (rc == ERR_NONE)
		rc = le_add_bytes(&b, name->dataset, strlen(name->dataset), e);
	if (rc == ERR_NONE)
		rc = le_add32(&b, name->chunking, e);
	if (rc == ERR_NONE)
		rc = le_add32(&b, name->chunk_fixed_bytes, e);
	if (rc == ERR_NONE)
		rc = hash_sha256(b.bytes, b.len_bytes, &sc->key, e);
	if (rc == ERR_NONE)
		text_hex(sc->key.bytes, 16, sc->name);
	return rc;
}

static enum err_code
open_dir(struct statecache *sc, const char *state_dir, struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc = buf_printf(&path, e, "%s/cache", state_dir);

	if (rc == ERR_NONE)
		rc = fdio_make_dirs(buf_text(&path), 0700, e);
	if (rc != ERR_NONE)
		return rc;
	sc->dirfd = open(buf_text(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sc->dirfd == -1)
		return err_sys(e, "cannot open '%s'", buf_text(&path));
	return ERR_NONE;
}

/* Take the next old record, or none. */
static void
advance(struct statecache *sc)
{
	struct le_reader *r = &sc->reader;
	uint64_t shared, rest, len;
	const uint8_t *suffix;
	struct err e;

	sc->at.valid = false;
	if (sc->old == NULL)
		return;
	sc->at.kind = le_take8(r);
	if (sc->at.kind != RECORD_SETTLED && sc->at.kind != RECORD_YOUNG)
		return;
	shared = le_take_varint(r);
	rest = le_take_varint(r);
	suffix = le_take(r, rest);
	sc->at.stat = le_take(r, STAT_BYTES);
	len = le_take_varint(r);
	sc->at.encoded = le_take(r, len);
	sc->at.encoded_bytes = len;
	if (r->bad || shared > sc->at.path.len_bytes ||
	    rest > PATH_BYTES_MAX - shared)
		return;
	sc->at.path.len_bytes = shared;
	sc->at.valid = buf_add(&sc->at.path, suffix, rest, &e) == ERR_NONE;
}

static bool
looks_whole(const struct statecache *sc)
{
	struct id sum;
	struct err e;

	return sc->old_bytes >= HEAD_BYTES + TAIL_BYTES &&
	    memcmp(sc->old, MAGIC, MAGIC_BYTES) == 0 &&
	    memcmp(sc->old + MAGIC_BYTES, sc->key.bytes, ID_BYTES) == 0 &&
	    hash_sha256(sc->old, sc->old_bytes - ID_BYTES, &sum, &e) ==
	    ERR_NONE &&
	    memcmp(sum.bytes, sc->old + sc->old_bytes - ID_BYTES, ID_BYTES) ==
	    0;
}

static void
forget_old(struct statecache *sc)
{
	if (sc->old != NULL)
		munmap(sc->old, sc->old_bytes);
	sc->old = NULL;
	sc->at.valid = false;
}

static void
map_old(struct statecache *sc)
{
	OWNED(fdio_close)
	int fd = openat(sc->dirfd, sc->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	void *at;

	if (fd == -1 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_size == 0)
		return;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return;
	sc->old = at;
	sc->old_bytes = (size_t)st.st_size;
	if (!looks_whole(sc)) {
		forget_old(sc);
		return;
	}
	le_init(&sc->reader, sc->old + HEAD_BYTES,
	    sc->old_bytes - HEAD_BYTES - TAIL_BYTES + 1);
	advance(sc);
}

/* Send what is gathered to the file. */
static enum err_code
flush(struct statecache *sc, struct err *e)
{
	enum err_code rc;

	hash_add(sc->hash, sc->out.bytes, sc->out.len_bytes);
	rc = atomfile_write(sc->file, sc->out.bytes, sc->out.len_bytes, e);
	buf_clear(&sc->out);
	return rc;
}

static enum err_code
begin_new(struct statecache *sc, struct err *e)
{
	enum err_code rc = hash_begin(&sc->hash, e);

	if (rc == ERR_NONE)
		rc = atomfile_begin(&sc->file, sc->dirfd, sc->name, e);
	if (rc == ERR_NONE)
		rc = buf_add(&sc->out, MAGIC, MAGIC_BYTES, e);
	if (rc == ERR_NONE)
		rc = buf_add(&sc->out, sc->key.bytes, ID_BYTES, e);
	return rc;
}

enum err_code
statecache_open(struct statecache **out, const char *state_dir,
    const struct statecache_name *name, struct err *e)
{
	OWNED(statecache_discard) struct statecache *sc = NULL;
	enum err_code rc;

	*out = NULL;
	sc = calloc(1, sizeof(*sc));
	if (sc == NULL)
		return err_nomem(e);
	sc->dirfd = -1;
	rc = make_key(sc, name, e);
	if (rc == ERR_NONE)
		rc = open_dir(sc, state_dir, e);
	if (rc == ERR_NONE)
		rc = begin_new(sc, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "opening the state cache");
	atomfile_sweep(sc->dirfd);
	map_old(sc);
	*out = TAKE(sc);
	return ERR_NONE;
}

bool
statecache_parent(const struct statecache *sc, struct id *snapshot)
{
	if (sc->old == NULL)
		return false;
	memcpy(snapshot->bytes, sc->old + sc->old_bytes - 2 * ID_BYTES,
	    ID_BYTES);
	return true;
}

void
statecache_distrust(struct statecache *sc)
{
	forget_old(sc);
}

const uint8_t *
statecache_find(struct statecache *sc, const struct source_item *item,
    size_t *len_bytes)
{
	const struct entry_text *path = &item->entry.path;
	uint8_t stat[STAT_BYTES];
	int order = -1;

	*len_bytes = 0;
	sc->at.asked_for = false;
	while (sc->at.valid) {
		order = path_compare((const char *)sc->at.path.bytes,
		    sc->at.path.len_bytes, path->bytes, path->len_bytes);
		if (order >= 0)
			break;
		advance(sc);
	}
	if (!sc->at.valid || order != 0)
		return NULL;
	sc->at.asked_for = true;
	put_stat(stat, item);
	if (sc->at.kind != RECORD_SETTLED ||
	    memcmp(stat, sc->at.stat, STAT_BYTES) != 0)
		return NULL;
	*len_bytes = sc->at.encoded_bytes;
	return sc->at.encoded;
}

const uint8_t *
statecache_earlier(const struct statecache *sc, size_t *len_bytes)
{
	bool there = sc->at.valid && sc->at.asked_for;

	*len_bytes = there ? sc->at.encoded_bytes : 0;
	return there ? sc->at.encoded : NULL;
}

/* A change just after the reading would get the same times: do not trust. */
static bool
is_settled(const struct source_item *item, int64_t fs_now_s)
{
	return item->entry.mtime_s < fs_now_s - SETTLED_S &&
	    item->ctime_s < fs_now_s - SETTLED_S;
}

enum err_code
statecache_add(struct statecache *sc, const struct source_item *item,
    const void *encoded, size_t len_bytes, int64_t fs_now_s, struct err *e)
{
	const struct entry_text *path = &item->entry.path;
	struct buf *last = &sc->last_path;
	size_t shared = 0;
	uint8_t stat[STAT_BYTES];
	enum err_code rc;

	while (shared < path->len_bytes && shared < last->len_bytes &&
	    path->bytes[shared] == (char)last->bytes[shared])
		shared++;
	put_stat(stat, item);
	rc = buf_add_byte(&sc->out,
	    is_settled(item, fs_now_s) ? RECORD_SETTLED : RECORD_YOUNG, e);
	if (rc == ERR_NONE)
		rc = le_add_varint(&sc->out, shared, e);
	if (rc == ERR_NONE)
		rc = le_add_varint(&sc->out, path->len_bytes - shared, e);
	if (rc == ERR_NONE)
		rc = buf_add(&sc->out, path->bytes + shared,
		    path->len_bytes - shared, e);
	if (rc == ERR_NONE)
		rc = buf_add(&sc->out, stat, STAT_BYTES, e);
	if (rc == ERR_NONE)
		rc = le_add_varint(&sc->out, len_bytes, e);
	if (rc == ERR_NONE)
		rc = buf_add(&sc->out, encoded, len_bytes, e);
	last->len_bytes = shared;
	if (rc == ERR_NONE)
		rc = buf_add(last, path->bytes + shared,
		    path->len_bytes - shared, e);
	if (rc == ERR_NONE)
		sc->count++;
	if (rc == ERR_NONE && sc->out.len_bytes >= FLUSH_BYTES)
		rc = flush(sc, e);
	return rc;
}

enum err_code
statecache_commit(struct statecache **scp, const struct id *snapshot,
    struct err *e)
{
	OWNED(statecache_discard) struct statecache *sc = TAKE(*scp);
	struct id sum;
	enum err_code rc = buf_add_byte(&sc->out, RECORD_NONE, e);

	if (rc == ERR_NONE)
		rc = le_add64(&sc->out, sc->count, e);
	if (rc == ERR_NONE)
		rc = buf_add(&sc->out, snapshot->bytes, ID_BYTES, e);
	if (rc == ERR_NONE)
		rc = flush(sc, e);
	if (rc == ERR_NONE) {
		hash_end(sc->hash, &sum);
		rc = atomfile_write(sc->file, sum.bytes, ID_BYTES, e);
	}
	if (rc == ERR_NONE)
		rc = atomfile_commit(&sc->file, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "writing the state cache");
}

void
statecache_discard(struct statecache **scp)
{
	struct statecache *sc = TAKE(*scp);

	if (sc == NULL)
		return;
	forget_old(sc);
	atomfile_discard(&sc->file);
	hash_free(&sc->hash);
	buf_fini(&sc->out);
	buf_fini(&sc->last_path);
	buf_fini(&sc->at.path);
	fdio_close(&sc->dirfd);
	free(sc);
}
