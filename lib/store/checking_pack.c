#include "checking_pack.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#include "index.h"

#include "pack_damage.h"

#define PIECE_BYTES ((size_t)256 << 10) /* stays in a core's own cache */

void
checking_pack_clear(struct checking_pack *p)
{
	p->damaged = false;
	p->read_bytes = p->frames_count = p->chunks_count = 0;
	p->damage_count = 0;
	buf_clear(&p->told);
	buf_clear(&p->lengths);
}

void
checking_pack_fini(struct checking_pack *p)
{
	buf_fini(&p->told);
	buf_fini(&p->lengths);
	buf_fini(&p->bytes);
	pack_close(&p->pack);
	pack_footer_fini(&p->footer);
}

enum err_code
checking_pack_tell(struct checking_pack *p, const char *object, struct err *e,
    const char *fmt, ...)
{
	char what[ERR_TEXT_BYTES];
	enum err_code rc;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	p->damaged |= object == p->object;
	p->damage_count++;
	rc = buf_add(&p->told, object, strlen(object) + 1, e);
	return rc == ERR_NONE ? buf_add(&p->told, what, strlen(what) + 1, e)
			      : rc;
}

/*
 * Could not look at it: the failure of the check.  Looked and found it bad: a
 * damage, and the check goes on.
 */
static enum err_code
judge(struct checking_pack *p, enum err_code rc, struct err *e)
{
	struct err why = *e;

	if (rc != ERR_CORRUPT && rc != ERR_IO && rc != ERR_NOTFOUND)
		return rc;
	return checking_pack_tell(p, p->object, e, "%s", why.text);
}

/* --- every byte ----------------------------------------------------------- */

/* A stretch of the file into the hash; kept in p->bytes. */
static enum err_code
read_on(struct checking_pack *p, uint64_t offset, size_t len, struct err *e)
{
	uint8_t *at;
	enum err_code rc;

	buf_clear(&p->bytes);
	rc = buf_extend(&p->bytes, len, &at, e);
	if (rc == ERR_NONE)
		rc = fdio_pread(p->pack.fd, at, len, offset, e);
	if (rc != ERR_NONE)
		return rc;
	hash_add(p->hash, at, len);
	p->read_bytes += len;
	return ERR_NONE;
}

static enum err_code
read_to(struct checking_pack *p, uint64_t offset, uint64_t end, struct err *e)
{
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && offset < end) {
		size_t n = end - offset < PIECE_BYTES ? (size_t)(end - offset)
						      : PIECE_BYTES;

		rc = read_on(p, offset, n, e);
		offset += n;
	}
	return rc;
}

static enum err_code
tell_head(struct checking_pack *p, struct err *e)
{
	uint8_t head[HEAD_BYTES];
	struct err why = {0};

	if (fdio_pread(p->pack.fd, head, HEAD_BYTES, 0, &why) == ERR_NONE &&
	    head_check(head, HEAD_BYTES, HEAD_PACK, p->checking->store->family,
		&why) == ERR_NONE)
		return ERR_NONE;
	return checking_pack_tell(p, p->object, e, "its head is damaged: %s",
	    why.text);
}

static enum err_code
tell_bytes(struct checking_pack *p, const struct pack_damage *d, struct err *e)
{
	if (d->first_frame == d->last_frame)
		return checking_pack_tell(p, p->object, e,
		    "64 KiB block %u of frame %u (from offset %llu) is damaged",
		    d->block, d->first_frame,
		    (unsigned long long)d->offset_bytes);
	return checking_pack_tell(p, p->object, e,
	    "frames %u to %u (%u bytes from offset %llu) are damaged",
	    d->first_frame, d->last_frame, d->len_bytes,
	    (unsigned long long)d->offset_bytes);
}

/* Its hash is wrong: which blocks of which frames? */
static enum err_code
pinpoint(struct checking_pack *p, struct err *e)
{
	OWNED(pack_damage_fini) struct pack_damage d;
	enum err_code rc = pack_damage_begin(&d, &p->pack, &p->footer, e);

	if (rc == ERR_NONE)
		rc = tell_head(p, e);
	while (rc == ERR_NONE && pack_damage_next(&d))
		rc = tell_bytes(p, &d, e);
	if (rc == ERR_NONE && p->damage_count == 0)
		rc = checking_pack_tell(p, p->object, e,
		    "its bytes do not match its name");
	return rc;
}

/* --- what it holds -------------------------------------------------------- */

static uint64_t
count_unknown(const struct checking_pack *p, size_t number,
    const struct pack_frame *f, uint32_t ordinal)
{
	const struct store *st = p->checking->store;
	uint64_t missing = 0;

	for (uint32_t c = 0; c < f->chunks_count; c++) {
		struct index_copy copy;
		struct id id;
		struct index_walk w = {0};
		bool there = false;

		memcpy(id.bytes,
		    p->footer.ids + ((size_t)f->first_chunk + c) * ID_BYTES,
		    ID_BYTES);
		while (!there && index_next(st, &id, &w, &copy))
			there = copy.number == number &&
			    copy.frame == ordinal && copy.slot == c &&
			    copy.kind == f->kind;
		missing += there ? 0 : 1;
	}
	return missing;
}

/* Does the index know every chunk of the pack, at its place? */
static enum err_code
compare_index(struct checking_pack *p, struct err *e)
{
	const struct store *st = p->checking->store;
	size_t number = index_pack_number(st, &p->name);
	uint64_t missing = 0;

	if (number == index_packs_count(st))
		return ERR_NONE; /* of an unfinished run: nothing refers to it */
	for (uint32_t i = 0; i < p->footer.frames_count; i++) {
		struct pack_frame f;

		pack_footer_frame(&p->footer, i, &f);
		missing += count_unknown(p, number, &f, i);
	}
	if (missing == 0)
		return ERR_NONE;
	return checking_pack_tell(p, "index", e,
	    "does not know %llu chunks of %s", (unsigned long long)missing,
	    p->object);
}

/* Entries say how long their chunks are: the trees' check compares. */
static enum err_code
note_lengths(struct checking_pack *p, const struct pack_frame *f,
    const struct buf *lengths, struct err *e)
{
	enum err_code rc = ERR_NONE;
	struct id id;

	if (f->kind != STORE_DATA)
		return ERR_NONE;
	for (size_t i = 0; i < lengths->len_bytes / 4 && rc == ERR_NONE; i++) {
		uint64_t both;

		memcpy(id.bytes,
		    p->footer.ids + ((size_t)f->first_chunk + i) * ID_BYTES,
		    ID_BYTES);
		both =
		    checking_lengths_of(&id, le_get32(lengths->bytes + 4 * i));
		rc = buf_add(&p->lengths, &both, sizeof(both), e);
	}
	return rc;
}

/*
 * What no segment names, nobody relies on: a difference there may have outlived
 * its bases, and waits to be collected.  The pack's own bytes are judged by
 * their hash all the same.
 */
static bool
may_lack_bases(const struct checking_pack *p, const struct pack_frame *row)
{
	const struct store *st = p->checking->store;

	return row->depth > 0 &&
	    index_pack_number(st, &p->name) == index_packs_count(st);
}

/*
 * Each frame is read once: into the pack's hash, and opened.  What is wrong
 * with it goes into *told: a pack whose hash is wrong is pinpointed instead.
 */
static enum err_code
open_frame(struct checking_pack *p, uint32_t ordinal, struct buf *lengths,
    struct err *e)
{
	struct reader_frame f = {.pack = &p->pack};
	enum err_code rc;

	pack_footer_frame(&p->footer, ordinal, &f.row);
	rc = read_on(p, f.row.offset_bytes, f.row.len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	f.bytes = p->bytes.bytes;
	f.ids = p->footer.ids + (size_t)f.row.first_chunk * ID_BYTES;
	rc = reader_check_frame(p->reader, &f, lengths, e);
	if (rc == ERR_NONE)
		return note_lengths(p, &f.row, lengths, e);
	if (rc == ERR_CORRUPT && may_lack_bases(p, &f.row))
		return ERR_NONE;
	err_wrap(e, "frame %u", ordinal);
	return judge(p, e->code, e);
}

static enum err_code
open_frames(struct checking_pack *p, struct err *e)
{
	OWNED(buf_fini) struct buf lengths = {0};
	enum err_code rc = read_to(p, 0, HEAD_BYTES, e);

	for (uint32_t i = 0; rc == ERR_NONE && i < p->footer.frames_count; i++)
		rc = open_frame(p, i, &lengths, e);
	return rc == ERR_NONE
	    ? read_to(p, p->pack.footer_at, p->pack.size_bytes, e)
	    : rc;
}

static enum err_code
look_inside(struct checking_pack *p, struct err *e)
{
	struct id hash = p->name;
	struct err why = {0};
	enum err_code footer = pack_footer_load(&p->footer, &p->pack, &why);
	enum err_code rc = ERR_NONE;

	if (footer == ERR_NONE && p->depth == CHECK_OPEN)
		rc = open_frames(p, e);
	else if (p->depth >= CHECK_READ)
		rc = read_to(p, 0, p->pack.size_bytes, e);
	if (p->depth >= CHECK_READ)
		hash_end(p->hash, &hash);
	if (rc != ERR_NONE)
		return judge(p, rc, e);
	if (footer != ERR_NONE) {
		*e = why;
		return judge(p, footer, e);
	}
	p->frames_count = p->footer.frames_count;
	p->chunks_count = p->footer.chunks_count;
	if (!id_equal(&hash, &p->name)) {
		/* The frames' hashes say it all; and what was opened is not believed. */
		buf_clear(&p->told);
		buf_clear(&p->lengths);
		p->damage_count = 0;
		return pinpoint(p, e);
	}
	rc = pack_check_heads(&p->pack, &p->footer, p->checking->store->family,
	    e);
	return rc != ERR_NONE ? judge(p, rc, e) : compare_index(p, e);
}

enum err_code
checking_pack_look(struct checking_pack *p, struct err *e)
{
	char path[PACK_PATH_BYTES];
	enum err_code rc;

	p->pack.fd = -1;
	pack_path(&p->name, path);
	snprintf(p->object, sizeof(p->object), "packs/%s", path);
	rc = pack_open(&p->pack, p->checking->store->packs_fd, path, 0, e);
	if (rc == ERR_NONE && p->depth >= CHECK_READ)
		(void)posix_fadvise(p->pack.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	rc = rc == ERR_NONE ? look_inside(p, e) : judge(p, rc, e);
	pack_close(&p->pack);
	pack_footer_fini(&p->footer);
	return rc == ERR_NONE ? rc : err_wrap(e, "%s", p->object);
}
