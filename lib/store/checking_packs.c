#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#include "index.h"
#include "pack.h"
#include "parts.h"

#define PIECE_BYTES ((size_t)1 << 20)
#define OBJECT_SIZE (8 + PACK_PATH_BYTES) /* "packs/ab/..." */

/* One pack under examination. */
struct subject {
	struct checking *ck;
	struct reader *reader; /* NULL above CHECK_OPEN */
	const char *object;
	struct id name;
	struct pack pack;
	struct pack_footer footer;
};

/*
 * Could not look at it: the failure of the check.  Looked and found it bad: a
 * damage, and the check goes on.
 */
static enum err_code
judge(struct subject *s, enum err_code rc, struct err *e)
{
	if (rc != ERR_CORRUPT && rc != ERR_IO && rc != ERR_NOTFOUND)
		return rc;
	checking_damage(s->ck, s->object, "%s", e->text);
	return ERR_NONE;
}

/* The hash of all of its bytes. */
static enum err_code
hash_whole(struct subject *s, struct id *out, struct err *e)
{
	OWNED(hash_free) struct hash *h = NULL;
	const size_t room = s->pack.size_bytes < PIECE_BYTES
	    ? (size_t)s->pack.size_bytes
	    : PIECE_BYTES;
	OWNED(free_mem) uint8_t *bytes = malloc(room);
	enum err_code rc = hash_begin(&h, e);

	if (bytes == NULL)
		return err_nomem(e);
	for (uint64_t at = 0; rc == ERR_NONE && at < s->pack.size_bytes;) {
		uint64_t left = s->pack.size_bytes - at;
		size_t n = left < room ? (size_t)left : room;

		rc = fdio_pread(s->pack.fd, bytes, n, at, e);
		if (rc != ERR_NONE)
			return rc;
		hash_add(h, bytes, n);
		at += n;
		s->ck->tally->read_bytes += n;
		rc = checking_progress(s->ck, n, e);
	}
	if (rc == ERR_NONE)
		hash_end(h, out);
	return rc;
}

/* "frames 3 to 5" that lie in a block; "" for none. */
static void
frames_in(const struct subject *s, uint64_t block, char out[64])
{
	uint64_t from = block * PACK_BLOCK_BYTES, to = from + PACK_BLOCK_BYTES;
	uint32_t first = 0, last = 0;
	bool any = false;

	for (uint32_t i = 0; i < s->footer.frames_count; i++) {
		struct pack_frame f;

		pack_footer_frame(&s->footer, i, &f);
		if (f.offset_bytes >= to ||
		    f.offset_bytes + f.len_bytes <= from)
			continue;
		first = any ? first : i;
		last = i;
		any = true;
	}
	out[0] = '\0';
	if (any)
		snprintf(out, 64,
		    first == last ? ", frame %u" : ", frames %u to %u", first,
		    last);
}

/* Its hash is wrong: which blocks, which frames? */
static void
pinpoint(struct subject *s)
{
	uint64_t at = 0, end = s->pack.footer_at, block;
	bool found = false;

	while (
	    at < end && pack_find_bad_block(&s->pack, at, end - at, &block)) {
		char frames[64];

		frames_in(s, block, frames);
		checking_damage(s->ck, s->object,
		    "64 KiB block %llu (from offset %llu) is damaged%s",
		    (unsigned long long)block,
		    (unsigned long long)block * PACK_BLOCK_BYTES, frames);
		found = true;
		at = (block + 1) * PACK_BLOCK_BYTES;
	}
	if (!found)
		checking_damage(s->ck, s->object,
		    "its bytes do not match its name");
}

/* Does the index know every chunk of the pack, at its place? */
static void
compare_index(struct subject *s)
{
	struct store *st = s->ck->store;
	size_t number = index_pack_number(st, &s->name);
	uint64_t missing = 0;

	if (number == index_packs_count(st))
		return; /* of a run that did not finish: nothing refers to it */
	for (uint32_t i = 0; i < s->footer.frames_count; i++) {
		struct pack_frame f;

		pack_footer_frame(&s->footer, i, &f);
		for (uint32_t c = 0; c < f.chunks_count; c++) {
			struct index_copy copy;
			struct id id;
			unsigned nth = 0;
			bool there = false;

			memcpy(id.bytes,
			    s->footer.ids +
				((size_t)f.first_chunk + c) * ID_BYTES,
			    ID_BYTES);
			while (!there && index_find(st, &id, nth++, &copy))
				there = copy.number == number &&
				    copy.frame == i && copy.slot == c &&
				    copy.kind == f.kind;
			missing += there ? 0 : 1;
		}
	}
	if (missing > 0)
		checking_damage(s->ck, "index",
		    "does not know %llu chunks of %s",
		    (unsigned long long)missing, s->object);
}

/* Entries say how long their chunks are: the trees' check compares. */
static enum err_code
note_lengths(struct subject *s, const struct pack_frame *f,
    const struct buf *lengths, struct err *e)
{
	enum err_code rc = ERR_NONE;
	struct id id;

	if (f->kind != STORE_DATA)
		return ERR_NONE;
	for (size_t i = 0; i < lengths->len_bytes / 4 && rc == ERR_NONE; i++) {
		memcpy(id.bytes,
		    s->footer.ids + ((size_t)f->first_chunk + i) * ID_BYTES,
		    ID_BYTES);
		rc = checking_lengths_add(s->ck, &id,
		    le_get32(lengths->bytes + 4 * i), e);
	}
	return rc;
}

static enum err_code
open_frames(struct subject *s, struct err *e)
{
	OWNED(buf_fini) struct buf lengths = {0};

	for (uint32_t i = 0; i < s->footer.frames_count; i++) {
		struct pack_frame f;
		enum err_code rc = reader_check_frame(s->reader, &s->pack,
		    &s->footer, i, &lengths, e);

		if (rc != ERR_NONE) {
			err_wrap(e, "frame %u", i);
			rc = judge(s, e->code, e);
		}
		pack_footer_frame(&s->footer, i, &f);
		if (rc == ERR_NONE)
			rc = note_lengths(s, &f, &lengths, e);
		if (rc == ERR_NONE)
			rc = checking_progress(s->ck, f.len_bytes, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

static enum err_code
look_inside(struct subject *s, struct err *e)
{
	struct id hash = s->name;
	enum err_code rc;

	if (s->ck->opt->depth >= CHECK_READ) {
		rc = hash_whole(s, &hash, e);
		if (rc != ERR_NONE)
			return judge(s, rc, e);
	}
	rc = pack_footer_load(&s->footer, &s->pack, e);
	if (rc != ERR_NONE)
		return judge(s, rc, e);
	s->ck->tally->frames_count += s->footer.frames_count;
	s->ck->tally->chunks_count += s->footer.chunks_count;
	if (!id_equal(&hash, &s->name)) {
		pinpoint(s);
		return ERR_NONE;
	}
	rc = pack_check_heads(&s->pack, &s->footer, s->ck->store->family, e);
	if (rc != ERR_NONE)
		return judge(s, rc, e);
	compare_index(s);
	return s->reader == NULL ? ERR_NONE : open_frames(s, e);
}

static enum err_code
look_at(struct checking *ck, struct reader *r, const char *dir,
    const char *name, struct err *e)
{
	char path[PACK_PATH_BYTES], object[OBJECT_SIZE];
	struct subject s = {.ck = ck,
	    .reader = r,
	    .object = object,
	    .pack = {.fd = -1}};
	enum err_code rc;

	snprintf(path, sizeof(path), "%.2s/%.64s", dir, name);
	snprintf(object, sizeof(object), "packs/%s", path);
	if (!id_parse(name, &s.name) || strncmp(dir, name, 2) != 0) {
		checking_damage(ck, object, "is not a pack's name");
		return ERR_NONE;
	}
	ck->tally->packs_count++;
	rc = pack_open(&s.pack, ck->store->packs_fd, path, 0, e);
	rc = rc == ERR_NONE ? look_inside(&s, e) : judge(&s, rc, e);
	pack_close(&s.pack);
	pack_footer_fini(&s.footer);
	return rc == ERR_NONE ? rc : err_wrap(e, "%s", object);
}

static enum err_code
each_in(struct checking *ck, struct reader *r, const char *dir, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_dir(&fd, ck->store->packs_fd, dir, e);

	if (rc == ERR_NONE)
		rc = repo_list(&n, fd, e);
	for (size_t i = 0; rc == ERR_NONE && i < n.count; i++)
		rc = look_at(ck, r, dir, n.names[i], e);
	return rc;
}

/* What the index names must be there; what it is, each_in looks at. */
static void
check_listed(struct checking *ck)
{
	struct store *st = ck->store;

	for (uint32_t i = 0; i < index_packs_count(st); i++) {
		const struct index_pack *ip = index_pack(st, i);
		char object[OBJECT_SIZE], path[PACK_PATH_BYTES];
		struct stat sb;

		pack_path(&ip->name, path);
		snprintf(object, sizeof(object), "packs/%s", path);
		if (fstatat(st->packs_fd, path, &sb, AT_SYMLINK_NOFOLLOW) != 0)
			checking_damage(ck, object, "is missing: %s",
			    strerror(errno));
		else if (!S_ISREG(sb.st_mode))
			checking_damage(ck, object, "is not a regular file");
		else if ((uint64_t)sb.st_size != ip->size_bytes)
			checking_damage(ck, object,
			    "is %llu bytes long where the index says %llu",
			    (unsigned long long)sb.st_size,
			    (unsigned long long)ip->size_bytes);
		ck->total_bytes +=
		    ip->size_bytes * (ck->opt->depth == CHECK_OPEN ? 2 : 1);
	}
}

enum err_code
checking_packs(struct checking *ck, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names dirs = {0};
	OWNED(reader_free) struct reader *r = NULL;
	enum err_code rc = repo_list(&dirs, ck->store->packs_fd, e);

	check_listed(ck);
	if (rc == ERR_NONE && ck->opt->depth == CHECK_OPEN)
		rc = reader_new(&r, ck->store, e);
	for (size_t i = 0; rc == ERR_NONE && i < dirs.count; i++) {
		const char *dir = dirs.names[i];

		if (strlen(dir) == 2 && strspn(dir, "0123456789abcdef") == 2)
			rc = each_in(ck, r, dir, e);
		else
			checking_damage(ck, "packs",
			    "holds something that is not its own: '%s'", dir);
	}
	return rc;
}
