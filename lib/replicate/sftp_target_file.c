#include "sftp_target.h"

#include <string.h>
#include <sys/stat.h>

#include <bascule/base/fdio.h>

#define BLOCK_BYTES ((uint64_t)65536) /* a file is gone on with at one */
#define PACE_BYTES  ((size_t)65536)   /* what the hook is asked for at once */
#define SHOW_NS     (250 * NS_PER_MS)
#define BAD_TRIES   64

enum err_code
sftp_target_file_path(const struct sftp_target *t, struct buf *out,
    const char *name, struct err *e)
{
	buf_clear(out);
	return name[0] == '\0' ? buf_add_text(out, t->base, e)
			       : buf_printf(out, e, "%s/%s", t->base, name);
}

/* tmp/ and the last part of name: the same in every run, to go on with. */
static enum err_code
part_path(const struct sftp_target *t, struct buf *out, const char *name,
    struct err *e)
{
	const char *slash = strrchr(name, '/');

	buf_clear(out);
	return buf_printf(out, e, "%s/tmp/%s.part", t->base,
	    slash != NULL ? slash + 1 : name);
}

static void
show(struct sftp_target *t)
{
	struct mono now = now_mono();

	if (now.ns - t->shown.ns < SHOW_NS || t->opt->on_progress == NULL)
		return;
	t->shown = now;
	t->opt->on_progress(t->opt->ctx, t->tally);
}

static enum err_code
pace(struct sftp_target *t, size_t len, struct err *e)
{
	while (len > 0 && t->opt->pace != NULL) {
		size_t n = len < PACE_BYTES ? len : PACE_BYTES;

		if (t->opt->pace(t->opt->ctx, n, e) != ERR_NONE)
			return e->code;
		len -= n;
	}
	return ERR_NONE;
}

/* --- the bytes here -------------------------------------------------------------- */

static enum err_code
take(const struct sftp_target_source *src, uint64_t offset, size_t len,
    char *room, const char **out, struct err *e)
{
	if (src->bytes != NULL) {
		*out = (const char *)src->bytes + offset;
		return ERR_NONE;
	}
	*out = room;
	if (fdio_pread(src->fd, room, len, offset, e) != ERR_NONE)
		return err_wrap(e, "reading what is to be sent");
	return ERR_NONE;
}

/* --- reading back ------------------------------------------------------------------ */

/*
 * Compare what lies at path with src, up to max bytes; *same: how many of them
 * are the same.  A file that ends too early is not the same there.
 */
static enum err_code
compare(struct sftp_target *t, const char *path,
    const struct sftp_target_source *src, uint64_t max, uint64_t *same,
    struct err *e)
{
	OWNED(sshfile_close) struct sshfile *f = NULL;
	char *theirs = t->buffers, *room = t->buffers + SFTP_TARGET_PIECE;

	*same = 0;
	if (sshfile_begin_read(&f, t->sftp, path, 0, 0, e) != ERR_NONE)
		return e->code;
	while (*same < max) {
		size_t want = max - *same < SFTP_TARGET_PIECE
		    ? (size_t)(max - *same)
		    : SFTP_TARGET_PIECE;
		const char *ours;
		size_t got, n = 0;

		if (sshfile_read(f, theirs, want, &got, e) != ERR_NONE)
			return e->code;
		if (got == 0)
			break;
		t->tally->received_bytes += got;
		t->report->read_back_bytes += got;
		if (take(src, *same, got, room, &ours, e) != ERR_NONE)
			return e->code;
		while (n < got && theirs[n] == ours[n])
			n++;
		*same += n;
		show(t);
		if (n < got)
			break;
	}
	return ERR_NONE;
}

static enum err_code
check_size(struct sftp_target *t, const char *path, uint64_t size, bool *is,
    struct err *e)
{
	struct sshattr attr;

	if (sshpath_lstat(t->sftp, path, &attr, e) != ERR_NONE)
		return e->code;
	*is = attr.has_mode && S_ISREG(attr.mode) && attr.has_size &&
	    attr.size_bytes == size;
	return ERR_NONE;
}

/* Is the file at path just src? */
static enum err_code
is_same(struct sftp_target *t, const char *path,
    const struct sftp_target_source *src, bool *is, struct err *e)
{
	uint64_t same = 0;

	if (check_size(t, path, src->size_bytes, is, e) != ERR_NONE)
		return e->code;
	if (!*is)
		return ERR_NONE;
	if (compare(t, path, src, src->size_bytes, &same, e) != ERR_NONE)
		return e->code;
	*is = same == src->size_bytes;
	return ERR_NONE;
}

/* --- sending ----------------------------------------------------------------------- */

/*
 * What an earlier run left of it: up to where it is the same, whole blocks, it
 * need not be sent again.  Without a good first block it begins anew.
 */
static enum err_code
open_part(struct sftp_target *t, struct sshfile **f, const char *part,
    const struct sftp_target_source *src, uint64_t *from, struct err *e)
{
	struct sshattr attr = {0};
	struct err ignored;
	uint64_t same = 0;
	enum err_code rc;

	*from = 0;
	if (src->bytes == NULL &&
	    sshpath_lstat(t->sftp, part, &attr, &ignored) == ERR_NONE &&
	    attr.has_size && attr.size_bytes <= src->size_bytes &&
	    compare(t, part, src, attr.size_bytes, &same, e) != ERR_NONE)
		return e->code;
	*from = same == src->size_bytes ? same : same - same % BLOCK_BYTES;
	if (*from > 0 &&
	    sshfile_open_write(f, t->sftp, part, &ignored) == ERR_NONE)
		return ERR_NONE;
	*from = 0;
	rc = sshfile_create(f, t->sftp, part, 0600, e);
	if (rc != ERR_EXISTS)
		return rc;
	if (sshpath_unlink(t->sftp, part, e) != ERR_NONE)
		return e->code;
	return sshfile_create(f, t->sftp, part, 0600, e);
}

static enum err_code
send_rest(struct sftp_target *t, struct sshfile *f,
    const struct sftp_target_source *src, uint64_t from, struct err *e)
{
	while (from < src->size_bytes) {
		uint64_t left = src->size_bytes - from;
		size_t n =
		    left < SFTP_TARGET_PIECE ? (size_t)left : SFTP_TARGET_PIECE;
		const char *bytes;

		if (take(src, from, n, t->buffers, &bytes, e) != ERR_NONE ||
		    pace(t, n, e) != ERR_NONE ||
		    sshfile_write(f, from, bytes, n, e) != ERR_NONE)
			return e->code;
		from += n;
		t->tally->sent_bytes += n;
		if (src->counts)
			t->tally->pack_sent_bytes += n;
		show(t);
	}
	return ERR_NONE;
}

/* On disk as far as the server can say, of its size, and the same if read. */
static enum err_code
settle(struct sftp_target *t, struct sshfile *f, const char *part,
    const struct sftp_target_source *src, struct err *e)
{
	bool sync = sshsftp_offers(t->sftp, SSHSFTP_FSYNC), is = true;

	if ((sync ? sshfile_sync(f, e) : sshfile_flush(f, e)) != ERR_NONE ||
	    sshfile_finish(f, e) != ERR_NONE)
		return e->code;
	if (!sync || t->how->read_back) {
		if (is_same(t, part, src, &is, e) != ERR_NONE)
			return e->code;
	} else if (check_size(t, part, src->size_bytes, &is, e) != ERR_NONE) {
		return e->code;
	}
	if (is)
		return ERR_NONE;
	(void)!sshpath_unlink(t->sftp, part, &(struct err){0});
	err_set(e, ERR_CORRUPT,
	    "'%s' does not keep what it is sent: '%s' read back is another",
	    sshsftp_name(t->sftp), part);
	return err_hint(e,
	    "its disk, its memory or its good faith is at fault: do not "
	    "rely on this copy");
}

/* Everything but the last name; *part is where it lies. */
static enum err_code
stage(struct sftp_target *t, const char *name, struct buf *part,
    const struct sftp_target_source *src, struct err *e)
{
	OWNED(sshfile_close) struct sshfile *f = NULL;
	uint64_t from;

	if (part_path(t, part, name, e) != ERR_NONE ||
	    open_part(t, &f, buf_text(part), src, &from, e) != ERR_NONE)
		return e->code;
	if (src->counts)
		t->tally->resumed_bytes += from;
	if (send_rest(t, f, src, from, e) != ERR_NONE)
		return e->code;
	return settle(t, f, buf_text(part), src, e);
}

static enum err_code
was_there(struct sftp_target *t, const char *part, const char *path,
    const struct sftp_target_source *src, struct err *e)
{
	bool is;

	if (is_same(t, path, src, &is, e) != ERR_NONE)
		return e->code;
	(void)!sshpath_unlink(t->sftp, part, &(struct err){0});
	return err_set(e, is ? ERR_EXISTS : ERR_CORRUPT, "'%s' is there%s",
	    path, is ? " already" : " with other content: it is damaged");
}

enum err_code
sftp_target_file_put(struct sftp_target *t, const char *name,
    const struct sftp_target_source *src, struct err *e)
{
	OWNED(buf_fini) struct buf part = {0}, path = {0};
	enum err_code rc;

	if (sftp_target_file_path(t, &path, name, e) != ERR_NONE ||
	    stage(t, name, &part, src, e) != ERR_NONE)
		return e->code;
	rc = sshpath_rename(t->sftp, buf_text(&part), buf_text(&path), e);
	return rc != ERR_EXISTS
	    ? rc
	    : was_there(t, buf_text(&part), buf_text(&path), src, e);
}

/* --- MANIFEST and its like ---------------------------------------------------------- */

static enum err_code
put_in_place(struct sftp_target *t, const char *part, const char *path,
    struct err *e)
{
	enum err_code rc;

	if (sshsftp_offers(t->sftp, SSHSFTP_POSIX_RENAME))
		return sshpath_replace(t->sftp, part, path, e);
	rc = sshpath_rename(t->sftp, part, path, e);
	if (rc != ERR_EXISTS)
		return rc;
	t->replace_in_two = true;
	if (sshpath_unlink(t->sftp, path, e) != ERR_NONE)
		return e->code;
	return sshpath_rename(t->sftp, part, path, e);
}

static enum err_code
flush_parent(struct sftp_target *t, const char *name, struct err *e)
{
	OWNED(buf_fini) struct buf parent = {0};
	const char *slash = strrchr(name, '/');

	if (slash != NULL &&
	    buf_add(&parent, name, (size_t)(slash - name), e) != ERR_NONE)
		return e->code;
	return sftp_target_file_flush_dir(t, buf_text(&parent), e);
}

enum err_code
sftp_target_file_replace(struct sftp_target *t, const char *name,
    const struct buf *bytes, struct err *e)
{
	OWNED(buf_fini) struct buf part = {0}, path = {0};
	struct sftp_target_source src = {.bytes = bytes->bytes,
	    .fd = -1,
	    .size_bytes = bytes->len_bytes};

	if (sftp_target_file_path(t, &path, name, e) != ERR_NONE ||
	    stage(t, name, &part, &src, e) != ERR_NONE ||
	    put_in_place(t, buf_text(&part), buf_text(&path), e) != ERR_NONE)
		return e->code;
	return flush_parent(t, name, e);
}

/* --- getting ------------------------------------------------------------------------- */

enum err_code
sftp_target_file_begin(struct sftp_target *t, const char *name,
    size_t len_bytes, struct buf *out, struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	OWNED(sshfile_close) struct sshfile *f = NULL;
	uint8_t *at;
	size_t got = 1;

	buf_clear(out);
	if (sftp_target_file_path(t, &path, name, e) != ERR_NONE ||
	    sshfile_begin_read(&f, t->sftp, buf_text(&path), 0,
		len_bytes < SFTP_TARGET_PIECE ? len_bytes : 0, e) != ERR_NONE)
		return e->code;
	while (out->len_bytes < len_bytes && got > 0) {
		size_t room = len_bytes - out->len_bytes;

		room = room < SFTP_TARGET_PIECE ? room : SFTP_TARGET_PIECE;
		if (buf_reserve(out, room, e) != ERR_NONE)
			return e->code;
		at = out->bytes + out->len_bytes;
		if (sshfile_read(f, at, room, &got, e) != ERR_NONE)
			return e->code;
		out->len_bytes += got;
		t->tally->received_bytes += got;
	}
	return ERR_NONE;
}

enum err_code
sftp_target_file_get(struct sftp_target *t, const char *name, size_t max_bytes,
    struct buf *out, struct err *e)
{
	if (sftp_target_file_begin(t, name, max_bytes + 1, out, e) != ERR_NONE)
		return e->code;
	if (out->len_bytes > max_bytes)
		return err_set(e, ERR_CORRUPT,
		    "'%s' there is larger than such a file may be", name);
	return ERR_NONE;
}

/* --- directories ----------------------------------------------------------------------- */

enum err_code
sftp_target_file_dir(struct sftp_target *t, const char *name, bool *made,
    struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	struct sshattr attr;
	enum err_code rc;

	*made = false;
	if (sftp_target_file_path(t, &path, name, e) != ERR_NONE)
		return e->code;
	rc = sshpath_mkdir(t->sftp, buf_text(&path), 0700, e);
	*made = rc == ERR_NONE;
	if (rc != ERR_EXISTS)
		return rc;
	if (sshpath_lstat(t->sftp, buf_text(&path), &attr, e) != ERR_NONE)
		return e->code;
	if (!attr.has_mode || !S_ISDIR(attr.mode))
		return err_set(e, ERR_CORRUPT, "'%s' there is no directory",
		    buf_text(&path));
	return ERR_NONE;
}

enum err_code
sftp_target_file_flush_dir(struct sftp_target *t, const char *name,
    struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc;

	if (sftp_target_file_path(t, &path, name, e) != ERR_NONE)
		return e->code;
	rc = t->dirs_stay_unflushed
	    ? ERR_INPUT
	    : sshfile_sync_path(t->sftp, buf_text(&path), e);
	if (rc == ERR_TIMEOUT || rc == ERR_CANCELLED || rc == ERR_NOMEM)
		return rc;
	t->dirs_stay_unflushed |= rc != ERR_NONE;
	return ERR_NONE;
}

enum err_code
sftp_target_file_set_aside(struct sftp_target *t, const char *name,
    struct err *e)
{
	OWNED(buf_fini) struct buf path = {0}, bad = {0};
	const char *slash = strrchr(name, '/');
	enum err_code rc = ERR_EXISTS;

	if (sftp_target_file_path(t, &path, name, e) != ERR_NONE)
		return e->code;
	for (int i = 0; i < BAD_TRIES && rc == ERR_EXISTS; i++) {
		char end[16] = "";

		if (i > 0)
			snprintf(end, sizeof(end), ".%d", i);
		buf_clear(&bad);
		if (buf_printf(&bad, e, "%s/bad/%s%s", t->base,
			slash != NULL ? slash + 1 : name, end) != ERR_NONE)
			return e->code;
		rc =
		    sshpath_rename(t->sftp, buf_text(&path), buf_text(&bad), e);
	}
	t->report->moved_count += rc == ERR_NONE;
	return rc;
}
