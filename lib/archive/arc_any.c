#include <archive.h>
#include <archive_entry.h>
#include <bascule/archive.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "arc_acl.h"
#include "arc_impl.h"

#define READ_BYTES  ((size_t)1 << 18)
#define RETRIES_MAX 16
#define NOBODY      65534u

/*
 * Names in tar and cpio are bytes.  Under a UTF-8 locale libarchive makes of
 * those that are UTF-8 their composed form, another name; under "C" it cannot,
 * warns, and gives the bytes.  zip and 7z are another matter: there names
 * are text, and need a locale that can spell it.
 */
struct arc_any {
	struct archive *a;
	struct archive_entry *entry; /* borrowed from a */
	int fd;                      /* -1: memory */
	const void *bytes;
	size_t len_bytes;
	off_t began_at; /* of fd; -1: it cannot seek */
	bool raw_names;
	bool begun;
};

void
arc_any_close(struct arc_any **rp)
{
	struct arc_any *r = TAKE(*rp);

	if (r == NULL)
		return;
	archive_read_free(r->a);
	free(r);
}

/*
 * Everything but mtree, whose archives name files of this machine for others'
 * content, and raw, which takes any bytes for an archive; no filter that is a
 * program of its own.
 */
static bool
support(struct archive *a)
{
	static int (*const formats[])(
	    struct archive *) = {archive_read_support_format_tar,
	    archive_read_support_format_cpio, archive_read_support_format_zip,
	    archive_read_support_format_7zip, archive_read_support_format_ar,
	    archive_read_support_format_cab, archive_read_support_format_lha,
	    archive_read_support_format_rar, archive_read_support_format_rar5,
	    archive_read_support_format_xar,
	    archive_read_support_format_iso9660,
	    archive_read_support_format_warc, archive_read_support_format_empty,
	    archive_read_support_filter_none, archive_read_support_filter_gzip,
	    archive_read_support_filter_bzip2,
	    archive_read_support_filter_compress,
	    archive_read_support_filter_xz, archive_read_support_filter_lzma,
	    archive_read_support_filter_lzip, archive_read_support_filter_lz4,
	    archive_read_support_filter_zstd, archive_read_support_filter_rpm};

	for (size_t i = 0; i < COUNT_OF(formats); i++)
		if (formats[i](a) < ARCHIVE_WARN)
			return false;
	return true;
}

static enum err_code
fault(struct arc_any *r, enum err_code code, struct err *e)
{
	const char *text = archive_error_string(r->a);

	if (archive_errno(r->a) == ENOMEM)
		return err_nomem(e);
	return err_set(e, code, "%s", text == NULL ? "unknown fault" : text);
}

/* Begin, or begin again. */
static enum err_code
start(struct arc_any *r, struct err *e)
{
	int rc;

	archive_read_free(r->a);
	if ((r->a = archive_read_new()) == NULL)
		return err_nomem(e);
	if (!support(r->a))
		return fault(r, ERR_IO, e);
	rc = r->fd == -1
	    ? archive_read_open_memory(r->a, r->bytes, r->len_bytes)
	    : archive_read_open_fd(r->a, r->fd, READ_BYTES);
	return rc < ARCHIVE_WARN ? fault(r, ERR_INPUT, e) : ERR_NONE;
}

enum err_code
arc_any_open(struct arc_any **out, int fd, struct err *e)
{
	OWNED(arc_any_close) struct arc_any *r = calloc(1, sizeof *r);
	enum err_code rc;

	*out = NULL;
	if (r == NULL)
		return err_nomem(e);
	r->fd = fd;
	r->raw_names = true;
	r->began_at = lseek(fd, 0, SEEK_CUR);
	if ((rc = start(r, e)) != ERR_NONE)
		return rc;
	*out = TAKE(r);
	return ERR_NONE;
}

enum err_code
arc_any_open_bytes(struct arc_any **out, const void *bytes, size_t len_bytes,
    struct err *e)
{
	OWNED(arc_any_close) struct arc_any *r = calloc(1, sizeof *r);
	enum err_code rc;

	*out = NULL;
	if (r == NULL)
		return err_nomem(e);
	r->fd = -1;
	r->bytes = bytes;
	r->len_bytes = len_bytes;
	r->raw_names = true;
	if ((rc = start(r, e)) != ERR_NONE)
		return rc;
	*out = TAKE(r);
	return ERR_NONE;
}

/* --- an entry's fields ------------------------------------------------------ */

static void
warn_of(struct arc_warn warn, const char *text)
{
	if (warn.fn != NULL)
		warn.fn(warn.arg, ERR_INPUT, text);
}

static uint32_t
take_id(int64_t id, struct arc_warn warn)
{
	if (id >= 0 && id <= UINT32_MAX)
		return (uint32_t)id;
	warn_of(warn, "an owner that is no number of 32 bits: nobody's now");
	return NOBODY;
}

static enum err_code
take_xattrs(struct entry *to, struct archive_entry *from, struct arc_warn warn,
    struct err *e)
{
	const char *name;
	const void *value;
	size_t len_bytes;

	archive_entry_xattr_reset(from);
	while (archive_entry_xattr_next(from, &name, &value, &len_bytes) ==
	    ARCHIVE_OK) {
		enum err_code rc;

		if (name == NULL || arc_acl_is_name(name))
			continue;
		rc = entry_add_xattr(to, name, value == NULL ? "" : value,
		    len_bytes, e);
		if (rc == ERR_NOMEM)
			return rc;
		/* bsdtar writes each in two spellings. */
		if (rc != ERR_NONE && rc != ERR_EXISTS)
			warn_of(warn, e->text);
	}
	return ERR_NONE;
}

static enum err_code
take_names(struct entry *to, struct archive_entry *from, struct arc_warn warn,
    struct err *e)
{
	const char *user = archive_entry_uname(from);
	const char *group = archive_entry_gname(from);
	enum err_code rc = ERR_NONE;

	to->uid = take_id(archive_entry_uid(from), warn);
	to->gid = take_id(archive_entry_gid(from), warn);
	if (user != NULL)
		rc = entry_set_text(&to->user, user, strlen(user),
		    ENTRY_NAME_BYTES_MAX, e);
	if (rc == ERR_NONE && group != NULL)
		rc = entry_set_text(&to->group, group, strlen(group),
		    ENTRY_NAME_BYTES_MAX, e);
	if (rc != ERR_INPUT)
		return rc;
	warn_of(warn, e->text);
	return ERR_NONE;
}

static void
take_time(struct entry *to, struct archive_entry *from)
{
	long ns = archive_entry_mtime_nsec(from);

	if (!archive_entry_mtime_is_set(from))
		return;
	to->mtime_s = archive_entry_mtime(from);
	to->mtime_ns = ns >= 0 && ns < NS_PER_S ? (uint32_t)ns : 0;
}

static enum err_code
take_target(struct entry *to, struct archive_entry *from, struct err *e)
{
	const char *target = archive_entry_symlink(from);

	if (to->type != ENTRY_SYMLINK)
		return ERR_NONE;
	if (target == NULL || *target == '\0')
		return err_set(e, ERR_INPUT, "a symbolic link to nowhere");
	return entry_set_text(&to->target, target, strlen(target),
	    ENTRY_TARGET_BYTES_MAX, e);
}

/* ERR_INPUT: it makes no sense, and is to be left out. */
static enum err_code
take_entry(struct entry *to, struct archive_entry *from, struct arc_warn warn,
    struct err *e)
{
	unsigned long set = 0, clear = 0;
	enum err_code rc;

	to->type = entry_type_of_mode(archive_entry_filetype(from));
	to->mode = (uint32_t)archive_entry_perm(from) & 07777;
	if (to->type == ENTRY_NONE && archive_entry_hardlink(from) != NULL)
		to->type = ENTRY_FILE;
	if (to->type == ENTRY_NONE)
		return err_set(e, ERR_INPUT, "a kind of file nobody knows");
	if (to->type == ENTRY_FILE && archive_entry_size_is_set(from) &&
	    archive_entry_size(from) > 0)
		to->size_bytes = (uint64_t)archive_entry_size(from);
	if (to->type == ENTRY_CHARDEV || to->type == ENTRY_BLOCKDEV) {
		to->rdev_major = (uint32_t)archive_entry_rdevmajor(from);
		to->rdev_minor = (uint32_t)archive_entry_rdevminor(from);
	}
	take_time(to, from);
	archive_entry_fflags(from, &set, &clear);
	to->flags = (uint32_t)set & ENTRY_FLAGS_MASK;
	rc = take_names(to, from, warn, e);
	if (rc == ERR_NONE)
		rc = take_target(to, from, e);
	if (rc == ERR_NONE)
		rc = take_xattrs(to, from, warn, e);
	if (rc == ERR_NONE && (rc = arc_acl_take(to, from, e)) == ERR_INPUT) {
		warn_of(warn, e->text);
		rc = ERR_NONE;
	}
	return rc;
}

/* --- the walk --------------------------------------------------------------- */

static int
next_header(struct arc_any *r)
{
	struct arc_locale l;
	int rc = ARCHIVE_RETRY;

	arc_locale_enter_as(&l, r->raw_names ? "C" : "C.UTF-8");
	for (int i = 0; rc == ARCHIVE_RETRY && i < RETRIES_MAX; i++)
		rc = archive_read_next_header(r->a, &r->entry);
	arc_locale_leave(&l);
	return rc;
}

static bool
has_raw_names(struct arc_any *r)
{
	int format = archive_format(r->a) & ARCHIVE_FORMAT_BASE_MASK;

	return format == ARCHIVE_FORMAT_TAR || format == ARCHIVE_FORMAT_CPIO ||
	    format == ARCHIVE_FORMAT_EMPTY;
}

/* The first shows of what format it is. */
static enum err_code
first_header(struct arc_any *r, int *rc, struct err *e)
{
	*rc = next_header(r);
	r->begun = true;
	if (*rc < ARCHIVE_WARN || has_raw_names(r))
		return ERR_NONE;
	if (r->fd != -1 &&
	    (r->began_at == -1 || lseek(r->fd, r->began_at, SEEK_SET) == -1))
		return ERR_NONE;
	r->raw_names = false;
	if (start(r, e) != ERR_NONE)
		return e->code;
	*rc = next_header(r);
	return ERR_NONE;
}

/* "... can't be converted": the bytes are what is wanted. */
static bool
is_about_spelling(const struct arc_any *r, const char *text)
{
	return r->raw_names && text != NULL &&
	    strstr(text, "be converted") != NULL;
}

/* A name in whichever spelling there is. */
static const char *
name_of(const char *locale, const char *utf8)
{
	return locale != NULL ? locale : utf8;
}

static enum err_code
next(struct arc_any *r, struct entry *entry, struct arc_any_member *m,
    struct arc_warn warn, struct err *e)
{
	int rc = 0;

	if (r->begun)
		rc = next_header(r);
	else if (first_header(r, &rc, e) != ERR_NONE)
		return e->code;
	if (rc == ARCHIVE_EOF)
		return err_set(e, ERR_NOTFOUND, "the archive has ended");
	if (rc < ARCHIVE_WARN)
		return fault(r, ERR_INPUT, e);
	m->name = name_of(archive_entry_pathname(r->entry),
	    archive_entry_pathname_utf8(r->entry));
	m->link = name_of(archive_entry_hardlink(r->entry),
	    archive_entry_hardlink_utf8(r->entry));
	if (m->name == NULL)
		m->name = "";
	m->refused = false;
	if (rc == ARCHIVE_WARN &&
	    !is_about_spelling(r, archive_error_string(r->a)))
		warn_of(warn, archive_error_string(r->a));
	rc = (int)take_entry(entry, r->entry, warn, e);
	m->refused = rc == ERR_INPUT;
	return m->refused ? ERR_NONE : (enum err_code)rc;
}

enum err_code
arc_any_next(struct arc_any *r, struct entry *entry, struct arc_any_member *m,
    struct arc_warn warn, struct err *e)
{
	struct arc_locale l;
	enum err_code rc;

	entry_clear(entry);
	m->name = NULL;
	arc_locale_enter_as(&l, r->raw_names ? "C" : "C.UTF-8");
	rc = next(r, entry, m, warn, e);
	arc_locale_leave(&l);
	return rc;
}

enum err_code
arc_any_read(struct arc_any *r, struct arc_any_block *out, struct err *e)
{
	const void *bytes = NULL;
	size_t len_bytes = 0;
	la_int64_t offset = 0;
	int rc = ARCHIVE_RETRY;

	for (int i = 0; rc == ARCHIVE_RETRY && i < RETRIES_MAX; i++)
		rc = archive_read_data_block(r->a, &bytes, &len_bytes, &offset);
	*out =
	    (struct arc_any_block){bytes, len_bytes, (uint64_t)offset, false};
	if (rc == ARCHIVE_EOF) {
		out->ended = true;
		out->len_bytes = 0;
		return ERR_NONE;
	}
	if (rc <= ARCHIVE_FATAL)
		return fault(r, ERR_INPUT, e);
	/* A warning here is a sum or a size that is not as said. */
	if (rc != ARCHIVE_OK || offset < 0)
		return fault(r, ERR_CORRUPT, e);
	return ERR_NONE;
}

uint64_t
arc_any_taken_bytes(const struct arc_any *r)
{
	la_int64_t n = archive_filter_bytes(r->a, -1);

	return n < 0 ? 0 : (uint64_t)n;
}

const char *
arc_any_format(const struct arc_any *r)
{
	const char *name = archive_format_name(r->a);

	return name == NULL ? "no archive" : name;
}
