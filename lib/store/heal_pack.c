#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/base/fdio.h>

#include "heal.h"
#include "index.h"
#include "landing.h"
#include "manifest.h"
#include "pack.h"
#include "rooted.h"

/*
 * The frames that still match their hashes go as they are, sealed, into packs
 * of their own: one for each content key.  These are durable and listed before
 * the damaged pack leaves the index, and that is durable before its file moves;
 * who dies in between leaves something that the next healing begins again.
 */
struct salvage {
	struct heal *heal;
	struct pack pack;
	struct pack_footer footer;
	struct landing landing;
	struct buf bytes; /* of a frame */
	struct frame_hash hash;
	bool *good; /* of each frame */
	uint32_t good_count;
	size_t number; /* of the pack; packs_count: no segment names it */
	bool metadata;
	bool renewed; /* what was made of it is the pack itself again */
};

static void
salvage_fini(struct salvage *s)
{
	pack_close(&s->pack);
	pack_footer_fini(&s->footer);
	landing_fini(&s->landing);
	buf_fini(&s->bytes);
	free(s->good);
}

/*
 * The frame's bytes into s->bytes; *good: they are what they were.  What the
 * disk cannot read is asked for twice.
 */
static enum err_code
read_frame(struct salvage *s, const struct pack_frame *f, bool *good,
    struct err *e)
{
	enum err_code rc = pack_read_frame(&s->pack, f, &s->bytes, &s->hash, e);

	if (rc == ERR_IO)
		rc = pack_read_frame(&s->pack, f, &s->bytes, &s->hash, e);
	*good = rc == ERR_NONE;
	return rc == ERR_IO || rc == ERR_CORRUPT ? ERR_NONE : rc;
}

/* Whole, but a difference whose bases are gone is lost all the same. */
static enum err_code
look_rooted(struct salvage *s, uint32_t ordinal, const struct pack_frame *f,
    bool *good, struct err *e)
{
	struct store *st = s->heal->store;
	struct index_copy copy = {.number = (uint32_t)s->number,
	    .frame = ordinal,
	    .kind = f->kind,
	    .depth = f->depth};

	if (!*good || f->depth == 0 || s->number >= index_packs_count(st))
		return ERR_NONE;
	return rooted_look(st, &copy, good, e);
}

static enum err_code
find_good(struct salvage *s, struct err *e)
{
	enum err_code rc = ERR_NONE;

	s->good = calloc((size_t)s->footer.frames_count + 1, 1);
	if (s->good == NULL)
		return err_nomem(e);
	for (uint32_t i = 0; rc == ERR_NONE && i < s->footer.frames_count;
	     i++) {
		struct pack_frame f;

		pack_footer_frame(&s->footer, i, &f);
		rc = read_frame(s, &f, &s->good[i], e);
		if (rc == ERR_NONE)
			rc = look_rooted(s, i, &f, &s->good[i], e);
		s->good_count += s->good[i];
		s->metadata = f.kind != STORE_DATA;
	}
	return rc;
}

static enum err_code
add_frame(struct salvage *s, struct pack_writer *pw, uint32_t ordinal,
    struct err *e)
{
	struct pack_frame f;
	struct pack_piece piece;
	bool good;
	enum err_code rc;

	pack_footer_frame(&s->footer, ordinal, &f);
	rc = read_frame(s, &f, &good, e);
	if (rc == ERR_NONE && !good)
		rc = err_set(e, ERR_IO, "frame %u could be read only once",
		    ordinal);
	if (rc != ERR_NONE)
		return rc;
	piece = (struct pack_piece){.bytes = s->bytes.bytes,
	    .len_bytes = f.len_bytes,
	    .hash = &s->hash,
	    .ids = (const struct id *)(const void *)(s->footer.ids +
		(size_t)f.first_chunk * ID_BYTES),
	    .ids_count = f.chunks_count,
	    .kind = f.kind,
	    .depth = f.depth};
	return pack_writer_add(pw, &piece, e);
}

/* The written pack joins the batch. */
static enum err_code
land(struct salvage *s, struct pack_writer **pw, const struct pack_key *key,
    struct err *e)
{
	OWNED(buf_fini) struct buf footer = {0};
	struct pack_done done = {.fd = -1};
	struct pack_footer parsed = {0}; /* points into footer */
	uint32_t ordinal = (uint32_t)s->landing.packs_count;
	enum err_code rc = pack_writer_end(pw, key, &footer, &done, e);

	if (rc != ERR_NONE)
		return rc;
	rc = pack_footer_parse(&parsed, footer.bytes,
	    footer.len_bytes - PACK_TAIL_BYTES,
	    done.size_bytes - footer.len_bytes, e);
	if (rc == ERR_NONE)
		rc = pack_footer_records(&parsed, ordinal, &s->landing.records,
		    e);
	if (rc == ERR_NONE)
		return landing_add(&s->landing, &done, e);
	fdio_close(&done.fd);
	return rc; /* the session's end sweeps the temporary */
}

static enum err_code
copy_key(struct salvage *s, uint32_t ordinal, const struct pack_key_row *row,
    struct err *e)
{
	OWNED(pack_writer_free) struct pack_writer *pw = NULL;
	struct pack_key key = {row->key_id, row->domain, row->stanzas,
	    row->stanzas_bytes};
	char temporary[SESSION_TEMPORARY_BYTES];
	enum err_code rc = ERR_NONE;

	for (uint32_t i = 0; rc == ERR_NONE && i < s->footer.frames_count;
	     i++) {
		struct pack_frame f;

		pack_footer_frame(&s->footer, i, &f);
		if (!s->good[i] || f.key != ordinal)
			continue;
		if (pw == NULL) {
			session_temporary(s->heal->session, temporary);
			rc = pack_writer_new(&pw, s->heal->store, temporary,
			    s->metadata, e);
		}
		if (rc == ERR_NONE)
			rc = add_frame(s, pw, i, e);
	}
	return rc == ERR_NONE && pw != NULL ? land(s, &pw, &key, e) : rc;
}

/*
 * The bytes that have the pack's name again take its place when they land; the
 * damaged ones get another name first.
 */
static enum err_code
keep_renewed(struct salvage *s, const struct id *name, struct err *e)
{
	char hex[ID_HEX_BYTES], path[PACK_PATH_BYTES];

	for (size_t i = 0; i < s->landing.packs_count; i++)
		s->renewed |= id_equal(&s->landing.packs[i].name, name);
	if (!s->renewed)
		return ERR_NONE;
	return heal_keep(s->heal, s->heal->store->packs_fd,
	    pack_path(name, path), id_hex(name, hex), e);
}

/* What is still good of it, durably, under new names or its own. */
static enum err_code
rescue(struct salvage *s, const struct id *name, struct err *e)
{
	struct pack_key_row row;
	enum err_code rc = find_good(s, e);

	for (uint32_t i = 0;
	     rc == ERR_NONE && pack_footer_key(&s->footer, i, &row); i++)
		rc = copy_key(s, i, &row, e);
	if (rc == ERR_NONE)
		rc = keep_renewed(s, name, e);
	return rc == ERR_NONE ? landing_flush(&s->landing, e) : rc;
}

enum err_code
heal_pack_out(struct heal *h, const struct id *name, struct err *e)
{
	OWNED(manifest_fini) struct manifest m = {0};
	OWNED(fdio_close) int fd = -1;
	char hex[ID_HEX_BYTES], dir[3];
	enum err_code rc = manifest_read(&m, h->store, e);

	if (rc == ERR_NONE &&
	    index_pack_number(h->store, name) < index_packs_count(h->store))
		rc = manifest_remove(&m, name, 1, e);
	if (rc == ERR_NONE)
		rc = manifest_replace(&m, h->session, e);
	if (rc != ERR_NONE)
		return rc;
	snprintf(dir, sizeof(dir), "%.2s", id_hex(name, hex));
	rc = repo_open_dir(&fd, h->store->packs_fd, dir, e);
	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	return rc == ERR_NONE ? heal_put_away(h, fd, hex, hex, e) : rc;
}

/* Not present any more, for nobody. */
static enum err_code
remove_pack(struct heal *h, const struct id *name, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	enum err_code rc = heal_lock(h, e);

	if (rc != ERR_NONE)
		return rc;
	held = h->store;
	return heal_pack_out(h, name, e);
}

static void
tell(struct salvage *s, const char *object)
{
	uint32_t lost = s->footer.frames_count - s->good_count;

	if (s->footer.frames_count == 0)
		heal_done(s->heal, object, "taken out of the index");
	else if (s->renewed)
		heal_done(s->heal, object,
		    "made again from its frames, which are all good");
	else if (lost == 0)
		heal_done(s->heal, object,
		    "all %u frames were good and have a new pack",
		    s->good_count);
	else
		heal_done(s->heal, object,
		    "%u good frames have a new pack, %u are lost",
		    s->good_count, lost);
}

static enum err_code
open_pack(struct salvage *s, const char *path, struct err *e)
{
	enum err_code rc =
	    pack_open(&s->pack, s->heal->store->packs_fd, path, 0, e);

	return rc == ERR_NONE ? pack_footer_load(&s->footer, &s->pack, e) : rc;
}

enum err_code
heal_pack(struct heal *h, const struct id *name, struct err *e)
{
	OWNED(salvage_fini)
	struct salvage s = {.heal = h,
	    .pack = {.fd = -1},
	    .number = index_pack_number(h->store, name)};
	char path[PACK_PATH_BYTES], object[8 + PACK_PATH_BYTES];
	struct err why = {0};
	enum err_code rc;

	snprintf(object, sizeof(object), "packs/%s", pack_path(name, path));
	landing_init(&s.landing, h->session);
	s.landing.foreign = s.number < index_packs_count(h->store) &&
	    index_pack(h->store, (uint32_t)s.number)->foreign;
	rc = open_pack(&s, path, &why);
	if (rc == ERR_IO) {
		pack_close(&s.pack);
		rc = open_pack(&s, path, &why);
	}
	if (rc != ERR_NONE && rc != ERR_CORRUPT && rc != ERR_NOTFOUND &&
	    rc != ERR_IO) {
		*e = why;
		return rc;
	}
	rc = rc == ERR_NONE ? rescue(&s, name, e) : ERR_NONE;
	if (rc == ERR_NONE)
		rc = heal_refresh(h, e);
	if (rc == ERR_NONE && !s.renewed)
		rc = remove_pack(h, name, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "healing %s", object);
	tell(&s, object);
	return heal_refresh(h, e);
}
