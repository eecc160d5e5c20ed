#include "arc_acl.h"

#include <archive.h>
#include <archive_entry.h>
#include <bascule/base/le.h>
#include <bascule/base/text.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#define ACCESS_NAME    "system.posix_acl_access"
#define DEFAULT_NAME   "system.posix_acl_default"
#define ACL_VERSION    2
#define ACL_HEAD_BYTES 4
#define ACL_ROW_BYTES  8
#define ACL_ROWS_MAX   1024
#define NO_ID          UINT32_MAX

/* The kernel's tags in the order it wants them, and libarchive's. */
static const struct {
	uint16_t kernel;
	int ours;
	bool named; /* its id says whose */
} tags[] = {{0x01, ARCHIVE_ENTRY_ACL_USER_OBJ, false},
    {0x02, ARCHIVE_ENTRY_ACL_USER, true},
    {0x04, ARCHIVE_ENTRY_ACL_GROUP_OBJ, false},
    {0x08, ARCHIVE_ENTRY_ACL_GROUP, true},
    {0x10, ARCHIVE_ENTRY_ACL_MASK, false},
    {0x20, ARCHIVE_ENTRY_ACL_OTHER, false}};

bool
arc_acl_is_name(const char *xattr)
{
	return strcmp(xattr, ACCESS_NAME) == 0 ||
	    strcmp(xattr, DEFAULT_NAME) == 0;
}

/* --- putting ---------------------------------------------------------------- */

static bool
row_put(struct archive_entry *to, int type, const uint8_t *row)
{
	uint16_t tag = le_get16(row), perm = le_get16(row + 2);
	uint32_t id = le_get32(row + 4);

	for (size_t i = 0; i < COUNT_OF(tags); i++)
		if (tags[i].kernel == tag)
			return perm <= 7 &&
			    archive_entry_acl_add_entry(to, type, perm,
				tags[i].ours, tags[i].named ? (int)id : -1,
				NULL) == ARCHIVE_OK;
	return false;
}

bool
arc_acl_put(struct archive_entry *to, const struct entry_xattr *x)
{
	int type = strcmp(x->name, ACCESS_NAME) == 0
	    ? ARCHIVE_ENTRY_ACL_TYPE_ACCESS
	    : ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;

	if (x->value_bytes < ACL_HEAD_BYTES ||
	    (x->value_bytes - ACL_HEAD_BYTES) % ACL_ROW_BYTES != 0 ||
	    x->value_bytes > ACL_HEAD_BYTES + ACL_ROWS_MAX * ACL_ROW_BYTES ||
	    le_get32(x->value) != ACL_VERSION)
		return false;
	for (size_t at = ACL_HEAD_BYTES; at < x->value_bytes;
	     at += ACL_ROW_BYTES)
		if (!row_put(to, type, x->value + at))
			return false;
	return true;
}

/* --- taking ----------------------------------------------------------------- */

struct row {
	uint16_t tag, perm;
	uint32_t id;
};

static int
row_order(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Whose it is: by number, or by a name that this machine knows. */
static bool
row_id(int tag, int id, const char *name, uint32_t *out)
{
	char room[4096];
	struct passwd pw, *user = NULL;
	struct group gr, *group = NULL;
	uint64_t number;

	*out = (uint32_t)id;
	if (id != -1)
		return true;
	if (name == NULL || *name == '\0')
		return false;
	if (text_parse_u64(name, UINT32_MAX - 1, &number)) {
		*out = (uint32_t)number;
		return true;
	}
	if (tag == ARCHIVE_ENTRY_ACL_USER) {
		getpwnam_r(name, &pw, room, sizeof room, &user);
		*out = user != NULL ? user->pw_uid : NO_ID;
	} else {
		getgrnam_r(name, &gr, room, sizeof room, &group);
		*out = group != NULL ? group->gr_gid : NO_ID;
	}
	return user != NULL || group != NULL;
}

/* How many of the type; SIZE_MAX: too many, or not of this kind. */
static size_t
rows_take(struct archive_entry *from, int type, struct row *rows)
{
	int want, perm, tag, id;
	const char *name;
	size_t count = 0;

	archive_entry_acl_reset(from, type);
	while (archive_entry_acl_next(from, type, &want, &perm, &tag, &id,
		   &name) == ARCHIVE_OK) {
		struct row *r = &rows[count];
		size_t i = 0;

		while (i < COUNT_OF(tags) && tags[i].ours != tag)
			i++;
		if (i == COUNT_OF(tags) || count == ACL_ROWS_MAX)
			return SIZE_MAX;
		*r = (struct row){tags[i].kernel, (uint16_t)(perm & 7), NO_ID};
		if (tags[i].named && !row_id(tag, id, name, &r->id))
			return SIZE_MAX;
		count++;
	}
	qsort(rows, count, sizeof *rows, row_order);
	return count;
}

static enum err_code
list_take(struct entry *to, struct archive_entry *from, int type,
    struct row *rows, struct err *e)
{
	bool access = type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
	OWNED(buf_fini) struct buf value = {0};
	size_t count = rows_take(from, type, rows);
	enum err_code rc;

	if (count == SIZE_MAX)
		return err_set(e, ERR_INPUT,
		    "an ACL of somebody unknown here, or of a kind that is not "
		    "POSIX's");
	rc = le_add32(&value, ACL_VERSION, e);
	for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
		rc = le_add16(&value, rows[i].tag, e);
		if (rc == ERR_NONE)
			rc = le_add16(&value, rows[i].perm, e);
		if (rc == ERR_NONE)
			rc = le_add32(&value, rows[i].id, e);
		/* What stat shows as the group's is the mask's. */
		if (access && rows[i].tag == 0x10)
			to->mode =
			    (to->mode & ~070u) | (uint32_t)rows[i].perm << 3;
	}
	return rc != ERR_NONE
	    ? rc
	    : entry_add_xattr(to, access ? ACCESS_NAME : DEFAULT_NAME,
		  value.bytes, value.len_bytes, e);
}

enum err_code
arc_acl_take(struct entry *to, struct archive_entry *from, struct err *e)
{
	OWNED(free_mem) struct row *rows = NULL;
	int types = archive_entry_acl_types(from);
	enum err_code rc = ERR_NONE;

	if (types == 0)
		return ERR_NONE;
	if ((types & ARCHIVE_ENTRY_ACL_TYPE_NFS4) != 0)
		return err_set(e, ERR_INPUT, "an NFSv4 ACL");
	if ((rows = calloc(ACL_ROWS_MAX, sizeof *rows)) == NULL)
		return err_nomem(e);
	if ((types & ARCHIVE_ENTRY_ACL_TYPE_ACCESS) != 0)
		rc =
		    list_take(to, from, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, rows, e);
	if (rc == ERR_NONE && (types & ARCHIVE_ENTRY_ACL_TYPE_DEFAULT) != 0)
		rc = list_take(to, from, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, rows,
		    e);
	return rc;
}
