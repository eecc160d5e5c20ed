#include "arc_out.h"

#include <bascule/base/text.h>
#include <string.h>
#include <sys/mman.h>

#include "arc_acl.h"
#include "arc_impl.h"

#define ZEROS_BYTES  ((size_t)1 << 30) /* of address space, never touched */
#define TAR_BLOCK    UINT64_C(512)
#define NAME_WITH_EQ "its name has a '=', which a pax archive cannot hold"

struct arc_pax {
	struct arc_out out;
	uint8_t *zeros; /* for holes, which libarchive counts off */
	struct buf name;
	/* of the member being written */
	const struct entry *member; /* borrowed until its content is complete */
	size_t extent;
	uint64_t in_extent_bytes, at_bytes, left_bytes;
};

void
arc_pax_discard(struct arc_pax **wp)
{
	struct arc_pax *w = TAKE(*wp);

	if (w == NULL)
		return;
	arc_out_fini(&w->out, w->left_bytes);
	if (w->zeros != NULL)
		munmap(w->zeros, ZEROS_BYTES);
	buf_fini(&w->name);
	free(w);
}

static enum err_code
set_up(struct arc_pax *w, int level, enum arc_pax_spelling spelling,
    struct err *e)
{
	struct archive *a = w->out.a;
	enum err_code rc;

	/* One spelling of each attribute: the one everybody reads. */
	rc = arc_out_said(&w->out,
	    archive_write_set_format_pax(a) == ARCHIVE_OK &&
		(spelling != ARC_PAX_RAW ||
		    archive_write_set_format_option(a, "pax", "hdrcharset",
			"BINARY") == ARCHIVE_OK) &&
		archive_write_set_format_option(a, "pax", "xattrheader",
		    "SCHILY") == ARCHIVE_OK &&
		(level == 0 ||
		    archive_write_set_bytes_in_last_block(a, 1) == ARCHIVE_OK),
	    "choosing the format", e);
	return rc == ERR_NONE ? arc_out_begin(&w->out, level, e) : rc;
}

enum err_code
arc_pax_open(struct arc_pax **out, arc_sink_fn *sink, void *sink_arg, int level,
    enum arc_pax_spelling spelling, struct err *e)
{
	OWNED(arc_pax_discard) struct arc_pax *w = calloc(1, sizeof *w);
	enum err_code rc;
	void *zeros;

	*out = NULL;
	if (w == NULL)
		return err_nomem(e);
	zeros = mmap(NULL, ZEROS_BYTES, PROT_READ,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (zeros == MAP_FAILED)
		return err_nomem(e);
	w->zeros = zeros;
	rc = arc_out_init(&w->out, sink, sink_arg, e);
	if (rc == ERR_NONE)
		rc = set_up(w, level, spelling, e);
	if (rc == ERR_NONE)
		*out = TAKE(w);
	return rc;
}

/* --- names ------------------------------------------------------------------ */

/* Code points that no composition begins or ends with one of, and some more. */
static bool
is_simple(uint32_t c)
{
	static const struct {
		uint32_t low, high;
	} ranges[] = {{0, 0x2ff}, {0x370, 0x482}, {0x48a, 0x58f},
	    {0x2000, 0x20cf}, {0x2100, 0x2bff}, {0x3000, 0x3029},
	    {0x3030, 0x3098}, {0x309b, 0x9fff}, {0xac00, 0xd7a3},
	    {0xfe00, 0xfe0f}, {0xff00, 0xfffd}, {0x1f000, 0x1faff}};

	for (size_t i = 0; i < COUNT_OF(ranges); i++)
		if (c >= ranges[i].low && c <= ranges[i].high)
			return true;
	return false;
}

bool
arc_pax_is_simple(const char *name, size_t len_bytes)
{
	const uint8_t *at = (const uint8_t *)name, *end = at + len_bytes;

	if (!text_is_utf8(name, len_bytes))
		return true; /* raw in any case */
	while (at < end) {
		uint8_t c = *at++;
		uint32_t code = c < 0x80 ? c
		    : c < 0xe0           ? c & 0x1fu
		    : c < 0xf0           ? c & 0xfu
					 : c & 7u;

		while (c >= 0x80 && at < end && (*at & 0xc0) == 0x80)
			code = code << 6 | (*at++ & 0x3fu);
		if (!is_simple(code))
			return false;
	}
	return true;
}

/* --- a member's header ------------------------------------------------------ */

static void
put_xattrs(struct archive_entry *to, const struct entry *from,
    struct arc_warn warn)
{
	char text[400];

	for (size_t i = 0; i < from->xattr_count; i++) {
		const struct entry_xattr *x = &from->xattrs[i];
		const char *why = NULL;

		if (arc_acl_is_name(x->name)) {
			if (!arc_acl_put(to, x))
				why = "it is no ACL";
		} else if (strchr(x->name, '=') != NULL)
			why = NAME_WITH_EQ;
		else
			archive_entry_xattr_add_entry(to, x->name, x->value,
			    x->value_bytes);
		if (why == NULL || warn.fn == NULL)
			continue;
		snprintf(text, sizeof text, "attribute '%s': %s", x->name, why);
		warn.fn(warn.arg, ERR_INPUT, text);
	}
}

/*
 * In whole blocks: GNU tar begins each piece in a block of its own, others put
 * one behind another, and only so do both mean the same.
 */
static void
put_extents(struct archive_entry *to, const struct entry *from)
{
	uint64_t begin = 0, end = 0;

	for (size_t i = 0; i < from->extent_count; i++) {
		const struct entry_extent *x = &from->extents[i];
		uint64_t low = x->offset_bytes / TAR_BLOCK * TAR_BLOCK;
		uint64_t high = x->offset_bytes + x->len_bytes + TAR_BLOCK - 1;

		high = high / TAR_BLOCK * TAR_BLOCK;
		if (high > from->size_bytes)
			high = from->size_bytes;
		if (low > end) {
			if (end > begin)
				archive_entry_sparse_add_entry(to,
				    (la_int64_t)begin,
				    (la_int64_t)(end - begin));
			begin = low;
		} else if (end == begin)
			begin = low;
		end = high;
	}
	if (end > begin)
		archive_entry_sparse_add_entry(to, (la_int64_t)begin,
		    (la_int64_t)(end - begin));
	else if (from->size_bytes > 0)
		archive_entry_sparse_add_entry(to, 0, 0); /* all of it a hole */
}

static void
put_owner(struct archive_entry *to, const struct entry *from)
{
	archive_entry_set_uid(to, from->uid);
	archive_entry_set_gid(to, from->gid);
	if (from->user.len_bytes > 0)
		archive_entry_copy_uname(to, from->user.bytes);
	if (from->group.len_bytes > 0)
		archive_entry_copy_gname(to, from->group.bytes);
}

static void
put_type(struct archive_entry *to, const struct entry *from)
{
	archive_entry_set_mode(to,
	    (mode_t)(entry_type_mode(from->type) | from->mode));
	if (from->type == ENTRY_FILE)
		archive_entry_set_size(to, (la_int64_t)from->size_bytes);
	if (from->type == ENTRY_SYMLINK)
		archive_entry_copy_symlink(to, from->target.bytes);
	if (from->type == ENTRY_CHARDEV || from->type == ENTRY_BLOCKDEV) {
		archive_entry_set_rdevmajor(to, from->rdev_major);
		archive_entry_set_rdevminor(to, from->rdev_minor);
	}
}

/*
 * Before 1970 a fraction means one thing to libarchive and another to everyone
 * else: it is left off.
 */
static void
put_mtime(struct archive_entry *to, const struct entry *from,
    struct arc_warn warn)
{
	uint32_t ns = from->mtime_s < 0 ? 0 : from->mtime_ns;

	archive_entry_set_mtime(to, from->mtime_s, (long)ns);
	if (ns != from->mtime_ns && warn.fn != NULL)
		warn.fn(warn.arg, ERR_INPUT,
		    "its time, before 1970, is cut to whole seconds");
}

static bool
is_plain(const char *text)
{
	return text == NULL || text_is_utf8(text, strlen(text));
}

static int
write_header(struct arc_pax *w, const struct entry *from, const char *link,
    struct arc_warn warn)
{
	const char *name = buf_text(&w->name);
	struct arc_locale l;
	int rc;

	arc_locale_enter(&l);
	archive_entry_clear(w->out.entry);
	archive_entry_copy_pathname(w->out.entry, name);
	put_type(w->out.entry, from);
	put_owner(w->out.entry, from);
	put_mtime(w->out.entry, from, warn);
	put_xattrs(w->out.entry, from, warn);
	if (from->flags != 0)
		archive_entry_set_fflags(w->out.entry, from->flags, 0);
	if (link != NULL) {
		archive_entry_set_size(w->out.entry, 0);
		archive_entry_copy_hardlink(w->out.entry, link);
	} else if (from->sparse)
		put_extents(w->out.entry, from);
	rc = archive_write_header(w->out.a, w->out.entry);
	/* Names that are not UTF-8 go in as their bytes, with a warning. */
	if (rc == ARCHIVE_WARN && is_plain(name) && is_plain(link) &&
	    is_plain(from->target.bytes) && is_plain(from->user.bytes) &&
	    is_plain(from->group.bytes) && warn.fn != NULL)
		warn.fn(warn.arg, ERR_INPUT, archive_error_string(w->out.a));
	arc_locale_leave(&l);
	return rc;
}

enum err_code
arc_pax_begin(struct arc_pax *w, const struct entry *entry,
    const struct arc_pax_names *names, struct arc_warn warn, struct err *e)
{
	enum err_code rc;

	ASSERT(w->left_bytes == 0);
	if (entry->type == ENTRY_SOCKET)
		return err_set(e, ERR_REFUSED,
		    "a tar file cannot hold a socket");
	buf_clear(&w->name);
	rc = buf_add_text(&w->name, names->name[0] == '\0' ? "." : names->name,
	    e);
	if (rc != ERR_NONE)
		return rc;
	rc = arc_out_said(&w->out,
	    write_header(w, entry, names->link, warn) >= ARCHIVE_WARN,
	    "writing a member's header", e);
	if (rc != ERR_NONE)
		return rc;
	w->member = entry;
	w->extent = 0;
	w->in_extent_bytes = w->at_bytes = 0;
	w->left_bytes = entry->type == ENTRY_FILE && names->link == NULL
	    ? entry->size_bytes
	    : 0;
	return ERR_NONE;
}

/* --- its content ------------------------------------------------------------ */

static enum err_code
put(struct arc_pax *w, const void *bytes, uint64_t len_bytes, struct err *e)
{
	enum err_code rc;

	if (len_bytes > w->left_bytes)
		return err_set(e, ERR_CORRUPT,
		    "more bytes than the member was to have");
	if (len_bytes == 0)
		return ERR_NONE;
	/* It takes no more when nothing but a hole is left. */
	rc = arc_out_said(&w->out,
	    archive_write_data(w->out.a, bytes, (size_t)len_bytes) >= 0,
	    "writing a member", e);
	if (rc != ERR_NONE)
		return rc;
	w->left_bytes -= len_bytes;
	w->at_bytes += len_bytes;
	return ERR_NONE;
}

static enum err_code
put_zeros(struct arc_pax *w, uint64_t len_bytes, struct err *e)
{
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && len_bytes > 0) {
		uint64_t n = len_bytes < ZEROS_BYTES ? len_bytes : ZEROS_BYTES;

		rc = put(w, w->zeros, n, e);
		len_bytes -= n;
	}
	return rc;
}

static enum err_code
write_sparse(struct arc_pax *w, const uint8_t *bytes, size_t len_bytes,
    struct err *e)
{
	const struct entry *m = w->member;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && len_bytes > 0) {
		const struct entry_extent *x;
		uint64_t room;
		size_t n;

		if (w->extent == m->extent_count)
			return err_set(e, ERR_CORRUPT,
			    "more bytes than the extents have");
		x = &m->extents[w->extent];
		room = x->len_bytes - w->in_extent_bytes;
		n = len_bytes < room ? len_bytes : (size_t)room;
		if (w->in_extent_bytes == 0)
			rc = put_zeros(w, x->offset_bytes - w->at_bytes, e);
		if (rc == ERR_NONE)
			rc = put(w, bytes, n, e);
		bytes += n;
		len_bytes -= n;
		w->in_extent_bytes += n;
		if (w->in_extent_bytes == x->len_bytes) {
			w->in_extent_bytes = 0;
			w->extent++;
		}
	}
	return rc;
}

enum err_code
arc_pax_write(struct arc_pax *w, const void *bytes, size_t len_bytes,
    struct err *e)
{
	return w->member->sparse ? write_sparse(w, bytes, len_bytes, e)
				 : put(w, bytes, len_bytes, e);
}

enum err_code
arc_pax_end(struct arc_pax *w, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (w->left_bytes > 0 && !w->member->sparse)
		return err_set(e, ERR_CORRUPT,
		    "%ju bytes fewer than the file's size",
		    (uintmax_t)w->left_bytes);
	if (w->left_bytes > 0)
		rc = put_zeros(w, w->left_bytes, e);
	w->member = NULL;
	return rc;
}

enum err_code
arc_pax_finish(struct arc_pax **wp, struct err *e)
{
	OWNED(arc_pax_discard) struct arc_pax *w = TAKE(*wp);

	return arc_out_finish(&w->out, e);
}
