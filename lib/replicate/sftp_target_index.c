#include "sftp_target.h"

#include <string.h>

#define MANIFEST "index/MANIFEST"
/* Far more than any repository's; the decoder has exact limits. */
#define MANIFEST_BYTES_MAX ((size_t)16 << 20)

#define NAME_BYTES (sizeof("index/") + ID_HEX_BYTES)

static const char *
name_of(char out[NAME_BYTES], const struct id *segment)
{
	char hex[ID_HEX_BYTES];

	snprintf(out, NAME_BYTES, "index/%s", id_hex(segment, hex));
	return out;
}

/* Which packs the nth segment names.  False: it is gone, damaged, a lie. */
static enum err_code
read_segment(struct sftp_target *t, size_t nth, bool *is_whole, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	struct mirror_segment seg;
	char name[NAME_BYTES];
	size_t want = MIRROR_HEAD_BYTES;
	enum err_code rc;

	*is_whole = false;
	(void)mirror_segment(t->mirror, nth, &seg);
	name_of(name, &seg.name);
	rc = sftp_target_file_begin(t, name, want, &bytes, e);
	if (rc == ERR_NONE && bytes.len_bytes == want)
		rc =
		    mirror_segment_bytes(t->mirror, nth, bytes.bytes, &want, e);
	else if (rc == ERR_NONE)
		return rc;
	if (rc == ERR_NONE)
		rc = sftp_target_file_begin(t, name, want, &bytes, e);
	if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT)
		return ERR_NONE;
	if (rc != ERR_NONE || bytes.len_bytes < want)
		return rc;
	*is_whole = true;
	return mirror_take_segment(t->mirror, bytes.bytes, want, e);
}

static enum err_code
read_segments(struct sftp_target *t, bool *is_whole, struct err *e)
{
	struct mirror_segment seg;

	for (size_t i = 0; mirror_segment(t->mirror, i, &seg);) {
		bool whole;

		if (read_segment(t, i, &whole, e) != ERR_NONE)
			return e->code;
		if (whole) {
			i++;
			continue;
		}
		mirror_drop_segment(t->mirror, i);
		*is_whole = false;
	}
	return ERR_NONE;
}

/* Everything that it counts is there, of its size? */
static bool
is_all_there(struct sftp_target *t)
{
	size_t count = mirror_packs_count(t->mirror);

	for (size_t i = 0; i < count; i++) {
		struct pack_info pack;
		const struct sftp_target_there *there;

		mirror_pack(t->mirror, i, &pack);
		there = sftp_target_list_find(&t->packs, &pack.name);
		if (there == NULL || there->size_bytes != pack.size_bytes)
			return false;
	}
	return true;
}

enum err_code
sftp_target_index_read(struct sftp_target *t, bool *is_whole, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	enum err_code rc =
	    sftp_target_file_get(t, MANIFEST, MANIFEST_BYTES_MAX, &bytes, e);

	*is_whole = true;
	if (rc == ERR_NONE)
		rc = mirror_take_manifest(t->mirror, bytes.bytes,
		    bytes.len_bytes, e);
	if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT) {
		*is_whole = false; /* made again from what is there */
		return ERR_NONE;
	}
	if (rc != ERR_NONE)
		return err_wrap(e, "the copy's MANIFEST");
	if (read_segments(t, is_whole, e) != ERR_NONE)
		return err_wrap(e, "the copy's index");
	*is_whole = *is_whole && is_all_there(t);
	return ERR_NONE;
}

static enum err_code
put_segment(struct sftp_target *t, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	struct sftp_target_source src = {.fd = -1};
	char name[NAME_BYTES];
	struct id id;
	enum err_code rc;

	if (mirror_end_segment(t->mirror, &bytes, &id, e) != ERR_NONE)
		return e->code;
	if (bytes.len_bytes == 0)
		return ERR_NONE;
	src.bytes = bytes.bytes;
	src.size_bytes = bytes.len_bytes;
	name_of(name, &id);
	rc = sftp_target_file_put(t, name, &src, e);
	if (rc == ERR_CORRUPT &&
	    sftp_target_file_set_aside(t, name, &(struct err){0}) == ERR_NONE)
		rc = sftp_target_file_put(t, name, &src, e);
	return rc == ERR_EXISTS ? ERR_NONE : rc;
}

enum err_code
sftp_target_index_add(struct sftp_target *t, const struct pack_info *pack,
    struct err *e)
{
	if (mirror_has(t->mirror, pack))
		return ERR_NONE;
	t->index_changed = true;
	if (mirror_add(t->mirror, &pack->name, e) != ERR_NONE)
		return e->code;
	return mirror_is_full(t->mirror) ? put_segment(t, e) : ERR_NONE;
}

/* The packs of a segment of theirs, added to the next one of ours. */
static enum err_code
fold_one(struct sftp_target *t, const struct mirror_segment *seg, bool *folded,
    struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	char name[NAME_BYTES];
	uint64_t want;

	*folded = false;
	name_of(name, &seg->name);
	if (sftp_target_file_begin(t, name, MIRROR_HEAD_BYTES, &bytes, e) !=
	    ERR_NONE)
		return e->code;
	if (bytes.len_bytes < MIRROR_HEAD_BYTES)
		return ERR_NONE;
	want = mirror_table_bytes(bytes.bytes);
	if (want > seg->size_bytes)
		return ERR_NONE;
	if (sftp_target_file_begin(t, name, (size_t)want, &bytes, e) !=
	    ERR_NONE)
		return e->code;
	if (bytes.len_bytes < want)
		return ERR_NONE;
	return mirror_fold(t->mirror, bytes.bytes, bytes.len_bytes, folded, e);
}

/*
 * Small segments become one.  Only where all of their packs are here, too: what
 * they hold is made from those, not from what lies there.
 */
static enum err_code
fold(struct sftp_target *t, struct mirror_segment *old, size_t *count,
    struct err *e)
{
	bool folded = true;

	*count = mirror_foldable(t->mirror, old);
	for (size_t i = 0; i < *count && folded; i++)
		if (fold_one(t, &old[i], &folded, e) != ERR_NONE)
			return e->code;
	if (!folded) {
		mirror_unfold(t->mirror);
		*count = 0;
	}
	for (size_t i = 0; i < *count; i++)
		mirror_drop_named(t->mirror, &old[i].name);
	return put_segment(t, e);
}

/* Nothing lists them any more; whoever still reads by them looks again. */
static void
remove_old(struct sftp_target *t, const struct mirror_segment *old,
    size_t count)
{
	OWNED(buf_fini) struct buf path = {0};
	struct err ignored;
	char name[NAME_BYTES];

	for (size_t i = 0; i < count; i++)
		if (sftp_target_file_path(t, &path, name_of(name, &old[i].name),
			&ignored) == ERR_NONE)
			(void)!sshpath_unlink(t->sftp, buf_text(&path),
			    &ignored);
}

enum err_code
sftp_target_index_commit(struct sftp_target *t, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	struct mirror_segment old[MIRROR_FOLD_MAX];
	size_t count;

	if (!t->index_changed)
		return ERR_NONE;
	if (put_segment(t, e) != ERR_NONE ||
	    fold(t, old, &count, e) != ERR_NONE ||
	    sftp_target_file_flush_dir(t, "index", e) != ERR_NONE ||
	    mirror_manifest(t->mirror, &bytes, e) != ERR_NONE ||
	    sftp_target_file_replace(t, MANIFEST, &bytes, e) != ERR_NONE)
		return err_wrap(e, "writing the copy's index");
	remove_old(t, old, count);
	t->index_changed = false;
	return ERR_NONE;
}
