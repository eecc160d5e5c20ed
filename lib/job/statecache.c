#include "statecache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/atomfile.h>
#include <bascule/base/fdio.h>
#include <bascule/base/path.h>
#include <bascule/base/text.h>
#include <bascule/store.h>

#include "cachefile.h"
#include "cachefinder.h"

/*
 * C1. At most these files: NAME (the base), NAME.d (what the last run found
 *     different, and which blocks of that base it took), NAME.p0 to .p7 (of
 *     runs that did not end, up to their last checkpoint).
 * C2. A run writes one file, of those blocks only that are not the base's.
 * C3. What is believed is described by a snapshot that is there: its chunks
 *     are in the repository.
 */
#define NAME_BYTES      TEXT_HEX_BYTES(16)
#define LAYERS_MAX      (2 + STATECACHE_PARTS_MAX)
#define REWRITE_BYTES   ((uint64_t)1 << 20) /* a smaller difference may stay */
#define REWRITE_FACTOR  4
#define SINCE_BYTES_MAX 24

enum role { BASE, DELTA, PART };

struct statecache {
	int dirfd;
	char name[NAME_BYTES];
	struct id key;
	struct cachelayer layers[LAYERS_MAX];
	enum role roles[LAYERS_MAX];
	size_t layers_count;
	struct cacheout out;
	struct buf live; /* bits: blocks of the base this run took */
	/* items held: the first `held` records of the run's current block */
	struct cachelayer *run;
	uint32_t held;
	bool broken;
	uint32_t replayed;
	struct cachelayer *previous; /* stands at the path asked for last */
	struct cachefinder finder;   /* in one of the layers */
};

/* --- files ---------------------------------------------------------------- */

static void
put_stat(uint8_t at[CACHE_STAT_BYTES], const struct source_item *item)
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

/* A file somebody writes is locked; another may go. */
static void
remove_if_free(int dirfd, const char *name)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	OWNED(fdio_close)
	int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd != -1 && fcntl(fd, F_OFD_SETLK, &fl) == 0)
		unlinkat(dirfd, name, 0);
}

/* Temporaries of runs that were killed before they had a checkpoint. */
static void
sweep(const struct statecache *sc)
{
	OWNED(fdio_close_dir) DIR *dir = fdio_open_dir(sc->dirfd, ".");
	size_t len = strlen(sc->name);
	const struct dirent *d;

	while (dir != NULL && (d = readdir(dir)) != NULL)
		if (d->d_name[0] == '.' &&
		    strncmp(d->d_name + 1, sc->name, len) == 0)
			remove_if_free(sc->dirfd, d->d_name);
}

static bool
open_layer(struct statecache *sc, enum role role, const char *suffix)
{
	char name[CACHE_NAME_BYTES];
	int fd;

	snprintf(name, sizeof name, "%s%s", sc->name, suffix);
	fd = openat(sc->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return false;
	if (!cachelayer_open(&sc->layers[sc->layers_count], fd, name,
		&sc->key)) {
		remove_if_free(sc->dirfd, name);
		return false;
	}
	sc->roles[sc->layers_count++] = role;
	return true;
}

static void
open_layers(struct statecache *sc)
{
	if (open_layer(sc, BASE, ""))
		(void)open_layer(sc, DELTA, ".d");
	for (int i = 0; i < STATECACHE_PARTS_MAX; i++) {
		char suffix[16];

		snprintf(suffix, sizeof suffix, ".p%d", i);
		(void)open_layer(sc, PART, suffix);
	}
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
	sc->dirfd = sc->out.fd = sc->finder.look.fd = -1;
	rc = make_key(sc, name, e);
	if (rc == ERR_NONE)
		rc = open_dir(sc, state_dir, e);
	if (rc == ERR_NONE) {
		sweep(sc);
		rc = cacheout_begin(&sc->out, sc->dirfd, sc->name, &sc->key, e);
	}
	if (rc != ERR_NONE)
		return err_wrap(e, "opening the state cache");
	open_layers(sc);
	*out = TAKE(sc);
	return ERR_NONE;
}

void
statecache_discard(struct statecache **scp)
{
	struct statecache *sc = TAKE(*scp);

	if (sc == NULL)
		return;
	/* With a checkpoint in it, it is worth something. */
	if (sc->out.name[0] != '.')
		sc->out.name[0] = '\0';
	cacheout_fini(&sc->out);
	cachefinder_forget(&sc->finder);
	for (size_t i = 0; i < sc->layers_count; i++)
		cachelayer_fini(&sc->layers[i]);
	buf_fini(&sc->live);
	fdio_close(&sc->dirfd);
	free(sc);
}

/* --- whom to believe ------------------------------------------------------ */

static void
drop(struct statecache *sc, size_t i)
{
	cachefinder_forget(&sc->finder);
	cachelayer_fini(&sc->layers[i]);
	sc->layers_count--;
	for (; i < sc->layers_count; i++) {
		sc->layers[i] = sc->layers[i + 1];
		sc->roles[i] = sc->roles[i + 1];
	}
}

static struct cachelayer *
layer_of(struct statecache *sc, enum role role)
{
	for (size_t i = 0; i < sc->layers_count; i++)
		if (sc->roles[i] == role)
			return &sc->layers[i];
	return NULL;
}

/* When the cache was begun with nothing in it; false: not known. */
static bool
read_since(const struct statecache *sc, const char *name, struct utc *since)
{
	OWNED(buf_fini) struct buf text = {0};
	uint64_t s;
	struct err e;

	if (fdio_slurp(sc->dirfd, name, SINCE_BYTES_MAX, &text, &e) != ERR_NONE)
		return false;
	if (!text_parse_u64(buf_text(&text), INT64_MAX / NS_PER_S, &s))
		return false;
	since->ns = (int64_t)s * NS_PER_S;
	return true;
}

static enum err_code
write_since(const struct statecache *sc, const char *name, struct utc now,
    struct err *e)
{
	OWNED(atomfile_discard) struct atomfile *af = NULL;
	char text[SINCE_BYTES_MAX];
	int len = snprintf(text, sizeof(text), "%lld",
	    (long long)(now.ns / NS_PER_S));
	enum err_code rc = atomfile_begin(&af, sc->dirfd, name, e);

	if (rc == ERR_NONE)
		rc = atomfile_write(af, text, (size_t)len, e);
	return rc == ERR_NONE ? atomfile_commit(&af, e) : rc;
}

enum err_code
statecache_expire(struct statecache *sc, struct utc now, int64_t max_ns,
    struct utc *since, struct err *e)
{
	char name[CACHE_NAME_BYTES];

	snprintf(name, sizeof(name), "%s.since", sc->name);
	if (read_since(sc, name, since) && since->ns <= now.ns &&
	    now.ns - since->ns < max_ns)
		return ERR_NONE;
	*since = now;
	while (sc->layers_count > 0) {
		struct cachelayer *l = &sc->layers[sc->layers_count - 1];

		remove_if_free(sc->dirfd, l->name);
		drop(sc, sc->layers_count - 1);
	}
	return write_since(sc, name, now, e); /* last: else it is done again */
}

void
statecache_trust(struct statecache *sc,
    bool (*is_there)(void *ctx, const struct id *snapshot), void *ctx)
{
	struct cachelayer *base = layer_of(sc, BASE);
	struct cachelayer *delta = layer_of(sc, DELTA);
	bool both = base != NULL && delta != NULL && delta->ended &&
	    id_equal(&delta->base, &base->sum) &&
	    is_there(ctx, &delta->snapshot);

	for (size_t i = sc->layers_count; i > 0; i--) {
		struct cachelayer *l = &sc->layers[i - 1];

		if (sc->roles[i - 1] == DELTA ? !both
			: sc->roles[i - 1] == BASE
			? !both && !(l->ended && is_there(ctx, &l->snapshot))
			: !is_there(ctx, &l->snapshot))
			drop(sc, i - 1);
	}
	base = layer_of(sc, BASE);
	if (both)
		base->only = &layer_of(sc, DELTA)->live;
	for (size_t i = 0; i < sc->layers_count; i++)
		cachelayer_first(&sc->layers[i]);
}

/* --- asking --------------------------------------------------------------- */

static bool
is_same(const struct cachelayer *l, const struct source_item *item)
{
	uint8_t stat[CACHE_STAT_BYTES];

	put_stat(stat, item);
	return memcmp(stat, l->stat, sizeof stat) == 0;
}

/* The same when it was read then, but too young to be known by that. */
static bool
was_seen(const struct cachelayer *l, const struct source_item *item,
    int64_t now_s)
{
	uint8_t stat[CACHE_STAT_BYTES];

	put_stat(stat, item);
	for (size_t i = 0; i < sizeof stat; i++)
		if ((stat[i] ^ l->stat[i]) != 0xff)
			return false;
	return l->written_s < now_s - STATECACHE_SETTLED_S;
}

static bool
is_at(const struct cachelayer *l, const struct entry_text *path)
{
	return l->valid && l->path.len_bytes == path->len_bytes &&
	    (path->len_bytes == 0 ||
		memcmp(l->path.bytes, path->bytes, path->len_bytes) == 0);
}

/* One more of the block that the run is at. */
static enum statecache_answer
hold(struct statecache *sc, struct statecache_hit *hit)
{
	const struct cacheblock *b = &sc->run->block;

	if (++sc->held < b->records_count)
		return STATECACHE_HELD;
	hit->page = b->page;
	hit->items_count = b->page_items_count;
	return STATECACHE_PAGE;
}

static enum statecache_answer
find_in_run(struct statecache *sc, const struct source_item *item,
    struct statecache_hit *hit)
{
	if (!sc->broken)
		cachelayer_next(sc->run);
	if (!sc->broken && is_at(sc->run, &item->entry.path) &&
	    is_same(sc->run, item))
		return hold(sc, hit);
	sc->broken = true;
	return STATECACHE_BROKEN;
}

static bool
begins_page(const struct cachelayer *l)
{
	return l->index == 0 && !id_is_none(&l->block.page) &&
	    l->block.page_items_count == l->block.records_count;
}

/*
 * A file in a directory that was moved has all it had but its path.  What was
 * made since a layer was written is not in there, and not looked for.
 */
static bool
find_moved(struct statecache *sc, const struct source_item *item,
    struct statecache_hit *hit)
{
	uint8_t stat[CACHE_STAT_BYTES];

	if (item->entry.type != ENTRY_FILE || item->entry.size_bytes == 0 ||
	    item->inode == 0)
		return false;
	put_stat(stat, item);
	for (size_t i = 0; i < sc->layers_count; i++)
		if (item->ctime_s <= sc->layers[i].written_s &&
		    cachefinder_find(&sc->finder, &sc->layers[i], stat))
			return cachelayer_item(&sc->finder.look, &hit->encoded,
			    &hit->len_bytes);
	return false;
}

enum statecache_answer
statecache_find(struct statecache *sc, const struct source_item *item,
    bool between_pages, struct statecache_hit *hit)
{
	const struct entry_text *path = &item->entry.path;
	struct cachelayer *found = NULL;

	if (sc->run != NULL)
		return find_in_run(sc, item, hit);
	sc->previous = NULL;
	for (size_t i = 0; i < sc->layers_count; i++) {
		struct cachelayer *l = &sc->layers[i];

		cachelayer_seek(l, path->bytes, path->len_bytes);
		if (!is_at(l, path))
			continue;
		sc->previous = l;
		if (found == NULL && is_same(l, item))
			found = l;
	}
	if (found == NULL) {
		hit->seen = sc->previous != NULL &&
		    was_seen(sc->previous, item, now_utc().ns / NS_PER_S);
		return find_moved(sc, item, hit) ? STATECACHE_MOVED
						 : STATECACHE_UNKNOWN;
	}
	if (between_pages && begins_page(found)) {
		sc->run = found;
		return hold(sc, hit);
	}
	return cachelayer_item(found, &hit->encoded, &hit->len_bytes)
	    ? STATECACHE_SAME
	    : STATECACHE_UNKNOWN;
}

bool
statecache_encoded(struct statecache *sc, struct statecache_hit *hit)
{
	return cachelayer_item(sc->run, &hit->encoded, &hit->len_bytes);
}

void
statecache_refuse(struct statecache *sc)
{
	sc->held--;
	sc->broken = true;
}

bool
statecache_previous(struct statecache *sc, struct statecache_hit *hit)
{
	return sc->previous != NULL &&
	    cachelayer_item(sc->previous, &hit->encoded, &hit->len_bytes);
}

bool
statecache_knows_all(const struct statecache *sc)
{
	return sc->layers_count > 0 && sc->roles[0] == BASE;
}

bool
statecache_holds(const struct statecache *sc)
{
	return sc->run != NULL;
}

/* --- from what is held to the new file ------------------------------------- */

static void
end_run(struct statecache *sc)
{
	sc->run = NULL;
	sc->held = sc->replayed = 0;
	sc->broken = false;
	sc->previous = NULL;
}

/* None of it may be believed any more. */
static enum err_code
ruined(struct statecache *sc, struct err *e)
{
	for (size_t i = 0; i < sc->layers_count; i++)
		unlinkat(sc->dirfd, sc->layers[i].name, 0);
	return err_set(e, ERR_CORRUPT,
	    "the state cache is damaged; it was removed");
}

enum err_code
statecache_replay(struct statecache *sc, struct statecache_held *held,
    bool *more, struct err *e)
{
	struct cachelayer *l = sc->run;
	struct cacherecord r = {.young = false};

	sc->broken = true;
	if (sc->replayed == 0)
		cachelayer_restart(l);
	else
		cachelayer_next(l);
	*more = sc->replayed < sc->held;
	if (!*more) {
		end_run(sc);
		return ERR_NONE;
	}
	if (!l->valid || !cachelayer_item(l, &r.encoded, &r.encoded_bytes))
		return ruined(sc, e);
	sc->replayed++;
	r.path = buf_text(&l->path);
	r.path_bytes = l->path.len_bytes;
	r.stat = l->stat;
	*held = (struct statecache_held){r.path, r.path_bytes, r.encoded,
	    r.encoded_bytes};
	return cacheout_add(&sc->out, &r, e);
}

enum err_code
statecache_take_page(struct statecache *sc, struct err *e)
{
	struct cachelayer *l = sc->run;
	enum err_code rc = l == layer_of(sc, BASE)
	    ? cachefile_set_bit(&sc->live, l->ordinal, e)
	    : cacheout_copy(&sc->out, l, e);

	end_run(sc);
	cachelayer_next_block(l);
	return rc;
}

/* A change just after the reading would get the same times: do not trust. */
static bool
is_settled(const struct source_item *item, int64_t fs_now_s)
{
	return fs_now_s >= INT64_MIN + STATECACHE_SETTLED_S &&
	    item->entry.mtime_s < fs_now_s - STATECACHE_SETTLED_S &&
	    item->ctime_s < fs_now_s - STATECACHE_SETTLED_S;
}

enum err_code
statecache_add(struct statecache *sc, const struct source_item *item,
    const void *encoded, size_t len_bytes, int64_t fs_now_s, struct err *e)
{
	uint8_t stat[CACHE_STAT_BYTES];
	struct cacherecord r = {item->entry.path.bytes,
	    item->entry.path.len_bytes, stat, !is_settled(item, fs_now_s),
	    encoded, len_bytes};

	put_stat(stat, item);
	return cacheout_add(&sc->out, &r, e);
}

enum err_code
statecache_between(struct statecache *sc, const struct id *page,
    uint64_t items_count, struct err *e)
{
	return cacheout_between(&sc->out, page, items_count, e);
}

/* --- ending ---------------------------------------------------------------- */

enum err_code
statecache_checkpoint(struct statecache *sc, const struct id *snapshot,
    struct id kept[STATECACHE_KEPT_MAX], size_t *kept_count, struct err *e)
{
	enum err_code rc;

	ASSERT(sc->run == NULL);
	sc->previous = NULL;
	*kept_count = 0;
	kept[(*kept_count)++] = *snapshot;
	rc = cacheout_checkpoint(&sc->out, snapshot, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "writing the state cache");
	for (size_t i = sc->layers_count; i > 0; i--) {
		struct cachelayer *l = &sc->layers[i - 1];

		if (sc->roles[i - 1] != PART)
			continue;
		if (l->valid) {
			kept[(*kept_count)++] = l->snapshot;
			continue;
		}
		/* All it knew is behind us, and in our own file. */
		remove_if_free(sc->dirfd, l->name);
		drop(sc, i - 1);
	}
	return ERR_NONE;
}

static uint64_t
bits_count(const struct buf *bits)
{
	uint64_t count = 0;

	for (size_t i = 0; i < bits->len_bytes; i++)
		count += (uint64_t)__builtin_popcount(bits->bytes[i]);
	return count;
}

/* The base's blocks that were taken and this run's, in order, as a new base. */
static enum err_code
merge(struct statecache *sc, struct cacheout *to, struct cachelayer *base,
    struct cachelayer *fresh, struct err *e)
{
	enum err_code rc = ERR_NONE;

	base->only = &sc->live;
	cachelayer_first(base);
	cachelayer_first(fresh);
	while (rc == ERR_NONE && (base->valid || fresh->valid)) {
		struct cachelayer *l = base;

		if (!base->valid ||
		    (fresh->valid &&
			path_compare((char *)fresh->path.bytes,
			    fresh->path.len_bytes, (char *)base->path.bytes,
			    base->path.len_bytes) < 0))
			l = fresh;
		rc = cacheout_copy(to, l, e);
		cachelayer_next_block(l);
	}
	return rc;
}

static enum err_code
rewrite(struct statecache *sc, struct cachelayer *base,
    const struct id *snapshot, struct err *e)
{
	OWNED(cacheout_fini) struct cacheout to = {.fd = -1};
	OWNED(cachelayer_fini) struct cachelayer fresh = {.fd = -1};
	int fd = fcntl(sc->out.fd, F_DUPFD_CLOEXEC, 0);
	enum err_code rc;

	if (fd == -1 || !cachelayer_open(&fresh, fd, sc->name, &sc->key))
		return err_set(e, ERR_IO, "it cannot be read again");
	rc = cacheout_begin(&to, sc->dirfd, sc->name, &sc->key, e);
	if (rc == ERR_NONE)
		rc = merge(sc, &to, base, &fresh, e);
	if (rc == ERR_NONE)
		rc = cacheout_end(&to, snapshot, NULL, NULL, e);
	return rc == ERR_NONE ? cacheout_publish(&to, sc->name, e) : rc;
}

static void
unlink_suffix(struct statecache *sc, const char *suffix)
{
	char name[CACHE_NAME_BYTES];

	snprintf(name, sizeof name, "%s%s", sc->name, suffix);
	unlinkat(sc->dirfd, name, 0);
}

static enum err_code
commit(struct statecache *sc, const struct id *snapshot, struct err *e)
{
	struct cachelayer *base = layer_of(sc, BASE);
	uint64_t live_count = bits_count(&sc->live);
	char name[CACHE_NAME_BYTES];
	enum err_code rc;

	if (base == NULL || live_count == 0) {
		rc = cacheout_end(&sc->out, snapshot, NULL, NULL, e);
		if (rc == ERR_NONE)
			rc = cacheout_publish(&sc->out, sc->name, e);
		unlink_suffix(sc, ".d");
		return rc;
	}
	rc = cacheout_end(&sc->out, snapshot, &base->sum, &sc->live, e);
	if (rc != ERR_NONE)
		return rc;
	if (live_count >= base->blocks_count / 2 &&
	    (sc->out.bytes < REWRITE_BYTES ||
		sc->out.bytes < base->end_at / REWRITE_FACTOR)) {
		snprintf(name, sizeof name, "%s.d", sc->name);
		return cacheout_publish(&sc->out, name, e);
	}
	rc = rewrite(sc, base, snapshot, e);
	if (rc == ERR_NONE)
		unlink_suffix(sc, ".d");
	return rc;
}

enum err_code
statecache_commit(struct statecache **scp, const struct id *snapshot,
    struct err *e)
{
	OWNED(statecache_discard) struct statecache *sc = TAKE(*scp);
	enum err_code rc;

	ASSERT(sc->run == NULL);
	rc = commit(sc, snapshot, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "writing the state cache");
	for (size_t i = 0; i < sc->layers_count; i++)
		if (sc->roles[i] == PART)
			remove_if_free(sc->dirfd, sc->layers[i].name);
	/* Our own part, when it was rewritten. */
	if (sc->out.name[0] != '\0')
		unlinkat(sc->dirfd, sc->out.name, 0);
	sc->out.name[0] = '\0';
	return ERR_NONE;
}
