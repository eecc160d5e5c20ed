#include "farfile.h"

#include <string.h>
#include <sys/stat.h>

#include <bascule/crypt.h>

/* --- attributes ----------------------------------------------------------- */

/* SFTP has whole seconds from 1970 to 2106. */
static uint32_t
time_of(const struct entry *entry)
{
	if (entry->mtime_s < 0)
		return 0;
	return entry->mtime_s > UINT32_MAX ? UINT32_MAX
					   : (uint32_t)entry->mtime_s;
}

static uint32_t
mode_of(const struct farplace *f, const struct entry *entry)
{
	/* Whose bits these are has to be right first. */
	return entry->mode & (f->sets_owner ? 07777 : 01777);
}

bool
farfile_is_temp(const char *name)
{
	size_t len = strlen(FARFILE_TEMP);

	return strncmp(name, FARFILE_TEMP, len) == 0 &&
	    (name[len] == '\0' ||
		(name[len] == '.' && name[len + 1] >= '1' &&
		    name[len + 1] <= '9' && name[len + 2] == '\0'));
}

bool
farfile_is_same(const struct entry *entry, const struct sshattr *attr)
{
	if (entry_type_of_mode(attr->mode) != entry->type)
		return false;
	if (entry->type == ENTRY_SYMLINK)
		return attr->size_bytes == entry->target.len_bytes;
	return entry->type != ENTRY_FILE ||
	    (attr->size_bytes == entry->size_bytes &&
		attr->mtime_s == time_of(entry));
}

/* Its owner, then (for that clears bits of it) the mode; never for a link. */
static void
attrs_of(const struct farplace *f, const struct entry *entry,
    struct sshattr *owner, struct sshattr *rest)
{
	*owner = (struct sshattr){.has_owner = f->sets_owner,
	    .uid = entry->uid,
	    .gid = entry->gid};
	*rest = (struct sshattr){.has_mode = true,
	    .mode = mode_of(f, entry),
	    .has_times = true,
	    .atime_s = time_of(entry),
	    .mtime_s = time_of(entry)};
}

/* A fault of it is counted; only a connection that is lost is an error. */
static enum err_code
forgive(struct farplace *f, enum err_code rc)
{
	if (rc == ERR_NONE || sshsftp_is_over(f->sftp) || rc == ERR_NOMEM)
		return rc;
	f->meta_failed_count++;
	return ERR_NONE;
}

struct settling {
	const char *path;
	const struct entry *entry;
	const struct sshattr *old; /* NULL: set all */
};

static enum err_code
do_settle(struct farplace *f, void *arg, struct err *e)
{
	const struct settling *s = arg;
	struct sshattr owner, rest;
	const struct sshattr *old = s->old;
	enum err_code rc = ERR_NONE;
	bool chowned;

	attrs_of(f, s->entry, &owner, &rest);
	chowned = owner.has_owner &&
	    (old == NULL || !old->has_owner || old->uid != owner.uid ||
		old->gid != owner.gid);
	if (chowned)
		rc = forgive(f, sshpath_set_attr(f->sftp, s->path, &owner, e));
	if (rc == ERR_NONE &&
	    (chowned || old == NULL || (old->mode & 07777) != rest.mode ||
		old->mtime_s != rest.mtime_s))
		rc = forgive(f, sshpath_set_attr(f->sftp, s->path, &rest, e));
	return rc;
}

enum err_code
farfile_settle(struct farplace *f, const char *path, const struct entry *entry,
    const struct sshattr *old, struct err *e)
{
	struct settling s = {path, entry, old};

	return farplace_persist(f, do_settle, &s, e);
}

struct opening {
	const char *path;
	const struct sshattr *attr;
};

static enum err_code
do_open_dir(struct farplace *f, void *arg, struct err *e)
{
	const struct opening *o = arg;

	return sshpath_set_attr(f->sftp, o->path, o->attr, e);
}

enum err_code
farfile_open_dir(struct farplace *f, const char *path,
    const struct sshattr *attr, struct err *e)
{
	struct opening o = {path, attr};

	return farplace_persist(f, do_open_dir, &o, e);
}

static enum err_code
do_end_dir(struct farplace *f, void *arg, struct err *e)
{
	const struct settling *s = arg;
	enum err_code rc = ERR_NONE;

	if (sshsftp_offers(f->sftp, SSHSFTP_FSYNC))
		rc = sshfile_sync_path(f->sftp, s->path, e);
	/* A server that does not sync folders is no fault of ours. */
	if (rc != ERR_NONE && !sshsftp_is_over(f->sftp) && rc != ERR_NOMEM)
		rc = ERR_NONE;
	return rc == ERR_NONE && s->entry != NULL ? do_settle(f, arg, e) : rc;
}

enum err_code
farfile_end_dir(struct farplace *f, const char *path, const struct entry *entry,
    struct err *e)
{
	struct settling s = {path, entry, NULL};

	return farplace_persist(f, do_end_dir, &s, e);
}

/* --- links ---------------------------------------------------------------- */

struct link_is {
	const char *path;
	const struct entry *entry;
	bool *same;
};

static enum err_code
do_link_is(struct farplace *f, void *arg, struct err *e)
{
	struct link_is *l = arg;
	OWNED(buf_fini) struct buf target = {0};
	enum err_code rc = sshpath_readlink(f->sftp, l->path, &target, e);

	*l->same = rc == ERR_NONE &&
	    strcmp(buf_text(&target), l->entry->target.bytes) == 0;
	return rc;
}

enum err_code
farfile_link_is(struct farplace *f, const char *path, const struct entry *entry,
    bool *same, struct err *e)
{
	struct link_is l = {path, entry, same};

	return farplace_persist(f, do_link_is, &l, e);
}

/* Whoever has the name makes way: at once, where the server can do that. */
static enum err_code
take_name(struct farplace *f, const struct farfile_new *n, struct err *e)
{
	enum err_code rc;

	if (sshsftp_offers(f->sftp, SSHSFTP_POSIX_RENAME))
		return sshpath_replace(f->sftp, n->temp, n->path, e);
	rc = sshpath_unlink(f->sftp, n->path, e);
	return rc == ERR_NONE || rc == ERR_NOTFOUND
	    ? sshpath_rename(f->sftp, n->temp, n->path, e)
	    : rc;
}

static enum err_code
do_link(struct farplace *f, void *arg, struct err *e)
{
	const struct farfile_new *n = arg;
	const struct entry *entry = &n->item->entry;
	struct sshattr attr = {.has_owner = f->sets_owner,
	    .uid = entry->uid,
	    .gid = entry->gid,
	    .has_times = true,
	    .atime_s = time_of(entry),
	    .mtime_s = time_of(entry)};
	bool same = false;
	struct link_is is = {n->temp, entry, &same};
	enum err_code rc =
	    sshpath_symlink(f->sftp, n->temp, entry->target.bytes, e);

	if (rc == ERR_EXISTS) {
		rc = sshpath_unlink(f->sftp, n->temp, e);
		if (rc == ERR_NONE)
			rc = sshpath_symlink(f->sftp, n->temp,
			    entry->target.bytes, e);
	}
	if (rc == ERR_NONE)
		rc = do_link_is(f, &is, e);
	if (rc == ERR_NONE && !same)
		rc = err_set(e, ERR_IO, "'%s' makes other links than asked",
		    f->host->name);
	if (rc == ERR_NONE && sshsftp_offers(f->sftp, SSHSFTP_LSETSTAT))
		rc = forgive(f,
		    sshpath_set_link_attr(f->sftp, n->temp, &attr, e));
	return rc == ERR_NONE ? take_name(f, n, e) : rc;
}

static enum err_code
make_way(struct farplace *f, const struct farfile_new *n, struct err *e)
{
	uint64_t ignored = 0;

	return n->was_dir ? farplace_remove(f, n->path, true, &ignored, e)
			  : ERR_NONE;
}

enum err_code
farfile_link(struct farplace *f, const struct farfile_new *n, struct err *e)
{
	enum err_code rc = make_way(f, n, e);

	return rc == ERR_NONE
	    ? farplace_persist(f, do_link, (void *)(uintptr_t)n, e)
	    : rc;
}

/* --- files ---------------------------------------------------------------- */

/*
 * Where the next byte of content lies: without holes one after another, else
 * in the entry's extents.
 */
struct spot {
	const struct entry *entry;
	size_t extent;
	uint64_t within; /* of it; without holes: of the file */
	uint64_t done_bytes;
};

/* How many bytes from here on lie together, at most; *at: where.  0: none. */
static uint64_t
together(struct spot *s, uint64_t *at)
{
	const struct entry *n = s->entry;

	if (!n->sparse) {
		*at = s->within;
		return n->size_bytes - s->within;
	}
	while (s->extent < n->extent_count &&
	    s->within == n->extents[s->extent].len_bytes) {
		s->extent++;
		s->within = 0;
	}
	if (s->extent == n->extent_count)
		return 0;
	*at = n->extents[s->extent].offset_bytes + s->within;
	return n->extents[s->extent].len_bytes - s->within;
}

static void
advance(struct spot *s, uint64_t bytes)
{
	s->within += bytes;
	s->done_bytes += bytes;
}

struct pour {
	struct farplace *f;
	struct sshfile *file;
	struct hash *hash;
	struct spot spot;
};

static enum err_code
pour(struct pour *p, const uint8_t *bytes, size_t len, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (len > 0)
		hash_add(p->hash, bytes, len);
	while (rc == ERR_NONE && len > 0) {
		uint64_t at, room = together(&p->spot, &at);
		size_t n = room < len ? (size_t)room : len;

		if (n == 0)
			return err_set(e, ERR_CORRUPT,
			    "its content is longer than it is");
		rc = sshfile_write(p->file, at, bytes, n, e);
		advance(&p->spot, n);
		bytes += n;
		len -= n;
	}
	return rc;
}

static enum err_code
on_piece(void *ctx, const struct content_piece *piece, uint64_t offset,
    struct err *e)
{
	struct pour *p = ctx;
	const uint8_t *bytes;
	size_t len;
	enum err_code rc =
	    reader_get(p->f->reader, &piece->id, &bytes, &len, e);

	(void)offset;
	return rc == ERR_NONE ? pour(p, bytes, len, e) : rc;
}

static enum err_code
pour_all(struct pour *p, const struct content *c, struct err *e)
{
	enum err_code rc = c->pieces_count > 0
	    ? content_each(p->f->store, c, on_piece, p, e)
	    : pour(p, c->inlined.bytes, c->inlined.len_bytes, e);

	if (rc == ERR_NONE &&
	    p->spot.done_bytes != entry_content_bytes(p->spot.entry))
		rc = err_set(e, ERR_CORRUPT,
		    "its content is shorter than it is");
	return rc;
}

static enum err_code
create(struct farplace *f, const char *temp, struct sshfile **file,
    struct err *e)
{
	enum err_code rc = sshfile_create(file, f->sftp, temp, 0600, e);

	if (rc != ERR_EXISTS)
		return rc;
	rc = sshpath_unlink(f->sftp, temp, e); /* of a run that was killed */
	return rc == ERR_NONE || rc == ERR_NOTFOUND
	    ? sshfile_create(file, f->sftp, temp, 0600, e)
	    : rc;
}

static enum err_code
dress(struct farplace *f, struct sshfile *file, const struct entry *entry,
    struct err *e)
{
	struct sshattr owner, rest;
	const struct sshattr size = {.has_size = true,
	    .size_bytes = entry->size_bytes};
	enum err_code rc = sshfile_flush(file, e);

	attrs_of(f, entry, &owner, &rest);
	if (rc == ERR_NONE && entry->sparse) /* it may end with a hole */
		rc = sshfile_set_attr(file, &size, e);
	if (rc == ERR_NONE && owner.has_owner)
		rc = forgive(f, sshfile_set_attr(file, &owner, e));
	if (rc == ERR_NONE)
		rc = forgive(f, sshfile_set_attr(file, &rest, e));
	if (rc == ERR_NONE && sshsftp_offers(f->sftp, SSHSFTP_FSYNC))
		rc = sshfile_sync(file, e);
	return rc == ERR_NONE ? sshfile_finish(file, e) : rc;
}

static enum err_code
write_temp(struct farplace *f, const struct farfile_new *n, struct hash *hash,
    struct err *e)
{
	OWNED(sshfile_close) struct sshfile *file = NULL;
	struct pour p = {.f = f,
	    .hash = hash,
	    .spot = {.entry = &n->item->entry}};
	enum err_code rc = create(f, n->temp, &file, e);

	p.file = file;
	if (rc == ERR_NONE)
		rc = pour_all(&p, &n->item->content, e);
	return rc == ERR_NONE ? dress(f, file, &n->item->entry, e) : rc;
}

/* One run of data, added to the hash. */
static enum err_code
read_run(struct farplace *f, const char *path, uint64_t at, uint64_t len,
    struct hash *hash, struct err *e)
{
	OWNED(sshfile_close) struct sshfile *file = NULL;
	uint8_t bytes[32768];
	size_t window =
	    len < SSHFILE_WINDOW_DEFAULT ? (size_t)len : SSHFILE_WINDOW_DEFAULT;
	enum err_code rc =
	    sshfile_begin_read(&file, f->sftp, path, at, window, e);

	while (rc == ERR_NONE && len > 0) {
		size_t got = 0;

		rc = sshfile_read(file, bytes,
		    len < sizeof(bytes) ? (size_t)len : sizeof(bytes), &got, e);
		if (rc == ERR_NONE && got == 0)
			rc = err_set(e, ERR_IO,
			    "'%s' is shorter than what was written", path);
		hash_add(hash, bytes, got);
		len -= got;
	}
	return rc;
}

/* What was written is read back, and is what it was (F2). */
static enum err_code
read_back(struct farplace *f, const struct farfile_new *n, struct hash *hash,
    struct err *e)
{
	struct spot s = {.entry = &n->item->entry};
	struct id was, is;
	struct sshattr attr;
	uint64_t at, len;
	enum err_code rc = sshpath_lstat(f->sftp, n->temp, &attr, e);

	hash_end(hash, &was);
	if (rc == ERR_NONE &&
	    (!attr.has_size || attr.size_bytes != s.entry->size_bytes))
		rc = err_set(e, ERR_IO, "it has another size there");
	while (rc == ERR_NONE && (len = together(&s, &at)) > 0) {
		rc = read_run(f, n->temp, at, len, hash, e);
		advance(&s, len);
	}
	hash_end(hash, &is);
	if (rc == ERR_NONE && memcmp(&was, &is, sizeof(was)) != 0)
		rc = err_set(e, ERR_CORRUPT,
		    "what was written reads back differently");
	return rc;
}

static enum err_code
do_file(struct farplace *f, void *arg, struct err *e)
{
	const struct farfile_new *n = arg;
	OWNED(hash_free) struct hash *hash = NULL;
	struct err ignored = {0};
	enum err_code rc = hash_begin(&hash, e);

	if (rc == ERR_NONE)
		rc = write_temp(f, n, hash, e);
	if (rc == ERR_NONE)
		rc = read_back(f, n, hash, e);
	if (rc == ERR_NONE)
		rc = take_name(f, n, e);
	if (rc != ERR_NONE && !sshsftp_is_over(f->sftp))
		(void)!sshpath_unlink(f->sftp, n->temp, &ignored);
	return rc;
}

enum err_code
farfile_file(struct farplace *f, const struct farfile_new *n, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (f->reader == NULL)
		rc = reader_new(&f->reader, f->store, e);
	if (rc == ERR_NONE)
		rc = make_way(f, n, e);
	return rc == ERR_NONE
	    ? farplace_persist(f, do_file, (void *)(uintptr_t)n, e)
	    : rc;
}
