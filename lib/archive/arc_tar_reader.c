#include <archive.h>
#include <archive_entry.h>
#include <bascule/archive.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "arc_impl.h"

#define READ_BYTES           65536
#define MEMBER_BYTES_DEFAULT ((uint64_t)256 << 20)
#define TOTAL_BYTES_DEFAULT  ((uint64_t)4 << 30)
#define COUNT_DEFAULT        100000

struct arc_tar_reader {
	struct archive *a;
	struct arc_tar_limits limits;
	int fd; /* -1: from memory */
	const uint8_t *from;
	size_t from_bytes;
	uint64_t raw_bytes;   /* of the archive, so far */
	uint64_t total_bytes; /* of members, as their headers say */
	uint64_t left_bytes;  /* of this member */
	size_t count;
	char **names; /* an open hash: each name once */
	size_t names_mask;
	struct buf name;
	struct err fault; /* sticky: after it nothing is read any more */
	uint8_t bytes[READ_BYTES];
};

/* --- where the bytes come from --- */

static la_ssize_t
on_read(struct archive *a, void *arg, const void **bytes)
{
	struct arc_tar_reader *r = arg;
	size_t n = r->from_bytes < READ_BYTES ? r->from_bytes : READ_BYTES;
	ssize_t got = (ssize_t)n;

	if (r->fd < 0) {
		*bytes = r->from;
		r->from += n;
		r->from_bytes -= n;
	} else {
		*bytes = r->bytes;
		do
			got = read(r->fd, r->bytes, READ_BYTES);
		while (got < 0 && errno == EINTR);
		if (got < 0) {
			archive_set_error(a, errno, "reading");
			return ARCHIVE_FATAL;
		}
	}
	r->raw_bytes += (uint64_t)got;
	if (r->raw_bytes > r->limits.total_bytes) {
		archive_set_error(a, EFBIG, "the archive is too large");
		return ARCHIVE_FATAL;
	}
	return got;
}

/* --- making and ending --- */

static enum err_code
corrupt(struct arc_tar_reader *r, struct err *e, const char *doing)
{
	const char *text = archive_error_string(r->a);

	return err_set(e,
	    archive_errno(r->a) == ENOMEM ? ERR_NOMEM : ERR_CORRUPT, "%s: %s",
	    doing, text == NULL ? "not an archive we can read" : text);
}

static enum err_code
open_reader(struct arc_tar_reader *r, struct err *e)
{
	/* ARCHIVE_WARN from a filter means: through a program. */
	if (archive_read_support_format_tar(r->a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(r->a) != ARCHIVE_OK)
		return corrupt(r, e, "preparing to read a tar file");
	if (archive_read_open(r->a, r, NULL, on_read, NULL) != ARCHIVE_OK)
		return corrupt(r, e, "opening a tar file");
	return ERR_NONE;
}

static enum err_code
make(struct arc_tar_reader **out, int fd, const void *from, size_t from_bytes,
    const struct arc_tar_limits *limits, struct err *e)
{
	OWNED(arc_tar_reader_close) struct arc_tar_reader *r = NULL;
	struct arc_tar_limits *l;
	enum err_code rc;

	*out = NULL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return err_nomem(e);
	r->fd = fd;
	r->from = from;
	r->from_bytes = from_bytes;
	l = &r->limits;
	if (limits != NULL)
		*l = *limits;
	if (l->member_bytes == 0)
		l->member_bytes = MEMBER_BYTES_DEFAULT;
	if (l->total_bytes == 0)
		l->total_bytes = TOTAL_BYTES_DEFAULT;
	if (l->member_count == 0)
		l->member_count = COUNT_DEFAULT;
	r->a = archive_read_new();
	if (r->a == NULL)
		return err_nomem(e);
	if ((rc = open_reader(r, e)) != ERR_NONE)
		return rc;
	*out = TAKE(r);
	return ERR_NONE;
}

enum err_code
arc_tar_reader_open(struct arc_tar_reader **out, int fd,
    const struct arc_tar_limits *limits, struct err *e)
{
	return make(out, fd, NULL, 0, limits, e);
}

enum err_code
arc_tar_reader_open_bytes(struct arc_tar_reader **out, const void *bytes,
    size_t len_bytes, const struct arc_tar_limits *limits, struct err *e)
{
	return make(out, -1, bytes, len_bytes, limits, e);
}

void
arc_tar_reader_close(struct arc_tar_reader **r)
{
	struct arc_tar_reader *old = TAKE(*r);

	if (old == NULL)
		return;
	if (old->a != NULL)
		(void)archive_read_free(old->a);
	for (size_t i = 0; old->names != NULL && i <= old->names_mask; i++)
		free(old->names[i]);
	free(old->names);
	buf_fini(&old->name);
	free(old);
}

/* --- names, each once (R3) --- */

static size_t
name_slot(char *const *names, size_t mask, const char *name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	size_t i;

	for (const char *at = name; *at != '\0'; at++)
		h = (h ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
	for (i = (size_t)(h ^ h >> 32) & mask; names[i] != NULL;
	     i = (i + 1) & mask)
		if (strcmp(names[i], name) == 0)
			break;
	return i;
}

static enum err_code
names_grow(struct arc_tar_reader *r, struct err *e)
{
	size_t mask = r->names == NULL ? 63 : r->names_mask * 2 + 1;
	char **bigger = calloc(mask + 1, sizeof(*bigger));

	if (bigger == NULL)
		return err_nomem(e);
	for (size_t i = 0; r->names != NULL && i <= r->names_mask; i++)
		if (r->names[i] != NULL)
			bigger[name_slot(bigger, mask, r->names[i])] =
			    r->names[i];
	free(r->names);
	r->names = bigger;
	r->names_mask = mask;
	return ERR_NONE;
}

static enum err_code
name_once(struct arc_tar_reader *r, const char *name, struct err *e)
{
	enum err_code rc;
	size_t i;

	if (r->names == NULL || r->count * 2 >= r->names_mask)
		if ((rc = names_grow(r, e)) != ERR_NONE)
			return rc;
	i = name_slot(r->names, r->names_mask, name);
	if (r->names[i] != NULL)
		return err_set(e, ERR_CORRUPT, "it holds '%s' twice", name);
	r->names[i] = strdup(name);
	return r->names[i] == NULL ? err_nomem(e) : ERR_NONE;
}

/* --- reading --- */

static int
next_header(struct arc_tar_reader *r, struct archive_entry **entry,
    const char **name)
{
	struct arc_locale l;
	int rc;

	arc_locale_enter(&l);
	rc = archive_read_next_header(r->a, entry);
	*name = rc == ARCHIVE_OK || rc == ARCHIVE_WARN
	    ? archive_entry_pathname(*entry)
	    : NULL;
	arc_locale_leave(&l);
	return rc;
}

static enum err_code
check_member(struct arc_tar_reader *r, struct archive_entry *entry,
    const char *name, struct err *e)
{
	la_int64_t size = archive_entry_size(entry);

	if (name == NULL || name[0] == '\0' ||
	    !path_is_valid(name, strlen(name)))
		return err_set(e, ERR_CORRUPT,
		    "a member's name is none that may be unpacked");
	if (archive_entry_filetype(entry) != AE_IFREG ||
	    archive_entry_hardlink(entry) != NULL ||
	    archive_entry_symlink(entry) != NULL)
		return err_set(e, ERR_CORRUPT,
		    "'%s' in it is not a regular file", name);
	if (size < 0 || (uint64_t)size > r->limits.member_bytes ||
	    (uint64_t)size > r->limits.total_bytes - r->total_bytes)
		return err_set(e, ERR_CORRUPT,
		    "'%s' in it is larger than allowed", name);
	if (r->count >= r->limits.member_count)
		return err_set(e, ERR_CORRUPT, "it holds over %zu members",
		    r->limits.member_count);
	return name_once(r, name, e);
}

static enum err_code
next_member(struct arc_tar_reader *r, struct arc_member *out, struct err *e)
{
	struct archive_entry *entry = NULL;
	const char *name;
	enum err_code rc;

	switch (next_header(r, &entry, &name)) {
	case ARCHIVE_OK:
	case ARCHIVE_WARN: break;
	case ARCHIVE_EOF: return err_set(e, ERR_NOTFOUND, "that was all");
	default: return corrupt(r, e, "reading a tar file");
	}
	if ((rc = check_member(r, entry, name, e)) != ERR_NONE)
		return rc;
	buf_clear(&r->name);
	if ((rc = buf_add_text(&r->name, name, e)) != ERR_NONE)
		return rc;
	r->count++;
	r->left_bytes = (uint64_t)archive_entry_size(entry);
	r->total_bytes += r->left_bytes;
	out->name = buf_text(&r->name);
	out->size_bytes = r->left_bytes;
	return ERR_NONE;
}

enum err_code
arc_tar_reader_next(struct arc_tar_reader *r, struct arc_member *out,
    struct err *e)
{
	enum err_code rc;

	*out = (struct arc_member){.name = ""};
	if (r->fault.code != ERR_NONE) {
		*e = r->fault;
		return e->code;
	}
	if ((rc = next_member(r, out, e)) != ERR_NONE)
		r->fault = *e;
	return rc;
}

enum err_code
arc_tar_reader_read(struct arc_tar_reader *r, void *bytes, size_t len_bytes,
    size_t *got, struct err *e)
{
	*got = 0;
	if (r->fault.code != ERR_NONE && r->fault.code != ERR_NOTFOUND) {
		*e = r->fault;
		return e->code;
	}
	if (len_bytes > r->left_bytes)
		len_bytes = (size_t)r->left_bytes;
	while (*got < len_bytes) {
		la_ssize_t n = archive_read_data(r->a, (uint8_t *)bytes + *got,
		    len_bytes - *got);

		if (n <= 0) {
			if (n == 0)
				err_set(e, ERR_CORRUPT,
				    "a member of a tar file is cut off");
			else
				corrupt(r, e, "reading a tar file");
			r->fault = *e;
			return e->code;
		}
		*got += (size_t)n;
	}
	r->left_bytes -= *got;
	return ERR_NONE;
}

enum err_code
arc_tar_reader_slurp(struct arc_tar_reader *r, struct buf *out, struct err *e)
{
	uint8_t *at;
	size_t got;
	enum err_code rc = ERR_NONE;

	buf_clear(out);
	/* In pieces: a header's size is a claim until the bytes are there. */
	while (rc == ERR_NONE && r->left_bytes > 0) {
		size_t piece = r->left_bytes < READ_BYTES
		    ? (size_t)r->left_bytes
		    : READ_BYTES;

		rc = buf_extend(out, piece, &at, e);
		if (rc == ERR_NONE)
			rc = arc_tar_reader_read(r, at, piece, &got, e);
	}
	if (rc != ERR_NONE)
		buf_clear(out);
	return rc;
}
