#include <bascule/base/entry.h>

#include <string.h>
#include <sys/stat.h>

/* --- ending --- */

static void
text_clear(struct entry_text *t)
{
	t->len_bytes = 0;
	if (t->bytes != NULL)
		t->bytes[0] = '\0';
}

static void
text_fini(struct entry_text *t)
{
	free(t->bytes);
	memset(t, 0, sizeof(*t));
}

static void
xattrs_free(struct entry *entry)
{
	for (size_t i = 0; i < entry->xattr_count; i++)
		free(entry->xattrs[i].name); /* the value lies behind it */
	free(entry->xattrs);
	entry->xattrs = NULL;
	entry->xattr_count = 0;
}

void
entry_clear(struct entry *entry)
{
	struct entry kept = {
	    .path = entry->path,
	    .user = entry->user,
	    .group = entry->group,
	    .target = entry->target,
	    .extents = entry->extents,
	    .extent_room = entry->extent_room,
	};

	if (entry->xattrs != NULL)
		xattrs_free(entry);
	text_clear(&kept.path);
	text_clear(&kept.user);
	text_clear(&kept.group);
	text_clear(&kept.target);
	*entry = kept;
}

void
entry_fini(struct entry *entry)
{
	xattrs_free(entry);
	text_fini(&entry->path);
	text_fini(&entry->user);
	text_fini(&entry->group);
	text_fini(&entry->target);
	free(entry->extents);
	memset(entry, 0, sizeof(*entry));
}

/* --- doing --- */

enum err_code
entry_set_text(struct entry_text *text, const char *bytes, size_t len_bytes,
    size_t max_bytes, struct err *e)
{
	if (len_bytes > max_bytes)
		return err_set(e, ERR_INPUT,
		    "%zu bytes of text where %zu are the limit", len_bytes,
		    max_bytes);
	if (len_bytes > 0 && memchr(bytes, 0, len_bytes) != NULL)
		return err_set(e, ERR_INPUT, "a zero byte within text");
	if (len_bytes >= text->size_bytes) {
		size_t room =
		    len_bytes < 56 ? 64 : len_bytes + len_bytes / 8 + 8;
		char *bigger = realloc(text->bytes, room);

		if (bigger == NULL)
			return err_nomem(e);
		text->bytes = bigger;
		text->size_bytes = room;
	}
	if (len_bytes > 0)
		memcpy(text->bytes, bytes, len_bytes);
	text->bytes[len_bytes] = '\0';
	text->len_bytes = len_bytes;
	return ERR_NONE;
}

enum err_code
entry_set_path(struct entry *entry, const char *path, size_t len_bytes,
    struct err *e)
{
	if (!path_is_valid(path, len_bytes))
		return err_set(e, ERR_INPUT, "not a path an entry may have");
	return entry_set_text(&entry->path, path, len_bytes, PATH_BYTES_MAX, e);
}

static size_t
xattrs_bytes(const struct entry *entry)
{
	size_t total = 0;

	for (size_t i = 0; i < entry->xattr_count; i++)
		total += strlen(entry->xattrs[i].name) +
		    entry->xattrs[i].value_bytes;
	return total;
}

enum err_code
entry_add_xattr(struct entry *entry, const char *name, const void *value,
    size_t value_bytes, struct err *e)
{
	size_t name_bytes = strlen(name), at = entry->xattr_count;
	struct entry_xattr *bigger;
	char *memory;

	if (name_bytes == 0 || name_bytes > ENTRY_XATTR_NAME_MAX ||
	    value_bytes > ENTRY_XATTR_VALUE_MAX ||
	    entry->xattr_count >= ENTRY_XATTR_COUNT_MAX ||
	    xattrs_bytes(entry) + name_bytes + value_bytes >
		ENTRY_XATTRS_BYTES_MAX)
		return err_set(e, ERR_INPUT,
		    "attribute '%.64s' of %zu bytes is more than an entry "
		    "holds",
		    name, value_bytes);
	while (at > 0 && strcmp(entry->xattrs[at - 1].name, name) > 0)
		at--;
	if (at > 0 && strcmp(entry->xattrs[at - 1].name, name) == 0)
		return err_set(e, ERR_EXISTS, "attribute '%s' is there already",
		    name);
	bigger =
	    realloc(entry->xattrs, (entry->xattr_count + 1) * sizeof(*bigger));
	if (bigger == NULL)
		return err_nomem(e);
	entry->xattrs = bigger;
	memory = malloc(name_bytes + 1 + value_bytes);
	if (memory == NULL)
		return err_nomem(e);
	memcpy(memory, name, name_bytes + 1);
	if (value_bytes > 0)
		memcpy(memory + name_bytes + 1, value, value_bytes);
	memmove(bigger + at + 1, bigger + at,
	    (entry->xattr_count - at) * sizeof(*bigger));
	bigger[at].name = memory;
	bigger[at].value = (uint8_t *)memory + name_bytes + 1;
	bigger[at].value_bytes = value_bytes;
	entry->xattr_count++;
	return ERR_NONE;
}

static enum err_code
extents_reserve(struct entry *entry, size_t count, struct err *e)
{
	struct entry_extent *bigger;
	size_t room = entry->extent_room;

	if (count <= room)
		return ERR_NONE;
	while (room < count)
		room = room == 0 ? 8 : room * 2;
	bigger = realloc(entry->extents, room * sizeof(*bigger));
	if (bigger == NULL)
		return err_nomem(e);
	entry->extents = bigger;
	entry->extent_room = room;
	return ERR_NONE;
}

enum err_code
entry_add_extent(struct entry *entry, uint64_t offset_bytes, uint64_t len_bytes,
    struct err *e)
{
	size_t n = entry->extent_count;
	struct entry_extent *last = n > 0 ? &entry->extents[n - 1] : NULL;
	uint64_t end = last == NULL ? 0 : last->offset_bytes + last->len_bytes;
	enum err_code rc;

	if (len_bytes == 0 || offset_bytes < end ||
	    offset_bytes > ENTRY_SIZE_MAX ||
	    len_bytes > ENTRY_SIZE_MAX - offset_bytes)
		return err_set(e, ERR_INPUT, "an extent out of order");
	if (last != NULL && offset_bytes == end) {
		last->len_bytes += len_bytes;
		return ERR_NONE;
	}
	if (n >= ENTRY_EXTENT_COUNT_MAX)
		return err_set(e, ERR_INPUT, "more than %zu extents",
		    ENTRY_EXTENT_COUNT_MAX);
	if ((rc = extents_reserve(entry, n + 1, e)) != ERR_NONE)
		return rc;
	entry->extents[n].offset_bytes = offset_bytes;
	entry->extents[n].len_bytes = len_bytes;
	entry->extent_count = n + 1;
	entry->sparse = true;
	return ERR_NONE;
}

static enum err_code
text_copy(struct entry_text *out, const struct entry_text *from, struct err *e)
{
	if (from->len_bytes == 0) {
		text_clear(out);
		return ERR_NONE;
	}
	return entry_set_text(out, from->bytes, from->len_bytes, PATH_BYTES_MAX,
	    e);
}

static enum err_code
copy_deep(struct entry *out, const struct entry *from, struct err *e)
{
	enum err_code rc;

	if ((rc = text_copy(&out->path, &from->path, e)) != ERR_NONE ||
	    (rc = text_copy(&out->user, &from->user, e)) != ERR_NONE ||
	    (rc = text_copy(&out->group, &from->group, e)) != ERR_NONE ||
	    (rc = text_copy(&out->target, &from->target, e)) != ERR_NONE ||
	    (rc = extents_reserve(out, from->extent_count, e)) != ERR_NONE)
		return rc;
	if (from->extent_count > 0)
		memcpy(out->extents, from->extents,
		    from->extent_count * sizeof(*from->extents));
	for (size_t i = 0; i < from->xattr_count; i++) {
		const struct entry_xattr *x = &from->xattrs[i];

		rc = entry_add_xattr(out, x->name, x->value, x->value_bytes, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

enum err_code
entry_copy(struct entry *out, const struct entry *from, struct err *e)
{
	enum err_code rc;

	entry_clear(out);
	if ((rc = copy_deep(out, from, e)) != ERR_NONE) {
		entry_clear(out);
		return rc;
	}
	out->type = from->type;
	out->mode = from->mode;
	out->uid = from->uid;
	out->gid = from->gid;
	out->mtime_s = from->mtime_s;
	out->mtime_ns = from->mtime_ns;
	out->size_bytes = from->size_bytes;
	out->flags = from->flags;
	out->rdev_major = from->rdev_major;
	out->rdev_minor = from->rdev_minor;
	out->sparse = from->sparse;
	out->extent_count = from->extent_count;
	out->linked = from->linked;
	memcpy(out->link_group, from->link_group, sizeof(out->link_group));
	return ERR_NONE;
}

/* --- asking --- */

static const char *
text_fault(const struct entry *entry)
{
	if (entry->path.len_bytes > 0 &&
	    !path_is_valid(entry->path.bytes, entry->path.len_bytes))
		return "path";
	if (entry->user.len_bytes > ENTRY_NAME_BYTES_MAX)
		return "user name";
	if (entry->group.len_bytes > ENTRY_NAME_BYTES_MAX)
		return "group name";
	if ((entry->type == ENTRY_SYMLINK) != (entry->target.len_bytes > 0) ||
	    entry->target.len_bytes > ENTRY_TARGET_BYTES_MAX)
		return "symbolic link's target";
	return NULL;
}

static const char *
extents_fault(const struct entry *entry)
{
	uint64_t end = 0;

	if (!entry->sparse)
		return entry->extent_count > 0 ? "hole map" : NULL;
	if (entry->type != ENTRY_FILE ||
	    entry->extent_count > ENTRY_EXTENT_COUNT_MAX)
		return "hole map";
	for (size_t i = 0; i < entry->extent_count; i++) {
		const struct entry_extent *x = &entry->extents[i];

		if (x->len_bytes == 0 || x->offset_bytes > entry->size_bytes ||
		    x->len_bytes > entry->size_bytes - x->offset_bytes ||
		    (i > 0 && x->offset_bytes <= end))
			return "hole map";
		end = x->offset_bytes + x->len_bytes;
	}
	return NULL;
}

static const char *
xattrs_fault(const struct entry *entry)
{
	if (entry->xattr_count > ENTRY_XATTR_COUNT_MAX)
		return "attributes";
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const struct entry_xattr *x = &entry->xattrs[i];

		if (x->name[0] == '\0' ||
		    strlen(x->name) > ENTRY_XATTR_NAME_MAX ||
		    x->value_bytes > ENTRY_XATTR_VALUE_MAX ||
		    (i > 0 && strcmp(x[-1].name, x->name) >= 0))
			return "attributes";
	}
	return xattrs_bytes(entry) > ENTRY_XATTRS_BYTES_MAX ? "attributes"
							    : NULL;
}

static const char *
number_fault(const struct entry *entry)
{
	bool device =
	    entry->type == ENTRY_CHARDEV || entry->type == ENTRY_BLOCKDEV;

	if (entry->type < ENTRY_FILE || entry->type > ENTRY_BLOCKDEV)
		return "type";
	if ((entry->mode & ~07777U) != 0)
		return "mode";
	if (entry->mtime_ns > 999999999)
		return "modification time";
	if (entry->size_bytes > ENTRY_SIZE_MAX ||
	    (entry->type != ENTRY_FILE && entry->size_bytes != 0))
		return "size";
	if ((entry->flags & ~ENTRY_FLAGS_MASK) != 0)
		return "inode flags";
	if (!device && (entry->rdev_major != 0 || entry->rdev_minor != 0))
		return "device number";
	if (entry->linked && entry->type == ENTRY_DIR)
		return "hard-link group";
	return NULL;
}

enum err_code
entry_check(const struct entry *entry, struct err *e)
{
	const char *fault = number_fault(entry);

	if (fault == NULL)
		fault = text_fault(entry);
	if (fault == NULL)
		fault = extents_fault(entry);
	if (fault == NULL)
		fault = xattrs_fault(entry);
	if (fault != NULL)
		return err_set(e, ERR_CORRUPT, "an entry's %s makes no sense",
		    fault);
	return ERR_NONE;
}

static bool
text_equal(const struct entry_text *a, const struct entry_text *b)
{
	return a->len_bytes == b->len_bytes &&
	    (a->len_bytes == 0 ||
		memcmp(a->bytes, b->bytes, a->len_bytes) == 0);
}

static bool
lists_equal(const struct entry *a, const struct entry *b)
{
	if (a->xattr_count != b->xattr_count ||
	    a->extent_count != b->extent_count)
		return false;
	for (size_t i = 0; i < a->xattr_count; i++) {
		const struct entry_xattr *x = &a->xattrs[i], *y = &b->xattrs[i];

		if (strcmp(x->name, y->name) != 0 ||
		    x->value_bytes != y->value_bytes ||
		    memcmp(x->value, y->value, x->value_bytes) != 0)
			return false;
	}
	return a->extent_count == 0 ||
	    memcmp(a->extents, b->extents,
		a->extent_count * sizeof(*a->extents)) == 0;
}

bool
entry_equal(const struct entry *a, const struct entry *b)
{
	return text_equal(&a->path, &b->path) && a->type == b->type &&
	    a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	    text_equal(&a->user, &b->user) &&
	    text_equal(&a->group, &b->group) && a->mtime_s == b->mtime_s &&
	    a->mtime_ns == b->mtime_ns && a->size_bytes == b->size_bytes &&
	    a->flags == b->flags && a->rdev_major == b->rdev_major &&
	    a->rdev_minor == b->rdev_minor &&
	    text_equal(&a->target, &b->target) && a->sparse == b->sparse &&
	    a->linked == b->linked &&
	    (!a->linked ||
		memcmp(a->link_group, b->link_group, ENTRY_LINK_BYTES) == 0) &&
	    lists_equal(a, b);
}

uint64_t
entry_content_bytes(const struct entry *entry)
{
	uint64_t total = 0;

	if (!entry->sparse)
		return entry->size_bytes;
	for (size_t i = 0; i < entry->extent_count; i++)
		total += entry->extents[i].len_bytes;
	return total;
}

const struct entry_xattr *
entry_find_xattr(const struct entry *entry, const char *name)
{
	for (size_t i = 0; i < entry->xattr_count; i++)
		if (strcmp(entry->xattrs[i].name, name) == 0)
			return &entry->xattrs[i];
	return NULL;
}

static const struct {
	uint32_t st_mode;
	const char *name;
} types[] = {
    [ENTRY_NONE] = {0, "nothing"},
    [ENTRY_FILE] = {S_IFREG, "file"},
    [ENTRY_DIR] = {S_IFDIR, "directory"},
    [ENTRY_SYMLINK] = {S_IFLNK, "symbolic link"},
    [ENTRY_FIFO] = {S_IFIFO, "fifo"},
    [ENTRY_SOCKET] = {S_IFSOCK, "socket"},
    [ENTRY_CHARDEV] = {S_IFCHR, "character device"},
    [ENTRY_BLOCKDEV] = {S_IFBLK, "block device"},
};

const char *
entry_type_name(enum entry_type type)
{
	return (size_t)type < COUNT_OF(types) ? types[type].name : "unknown";
}

enum entry_type
entry_type_of_mode(uint32_t st_mode)
{
	for (size_t i = 1; i < COUNT_OF(types); i++)
		if ((st_mode & S_IFMT) == types[i].st_mode)
			return (enum entry_type)i;
	return ENTRY_NONE;
}

uint32_t
entry_type_mode(enum entry_type type)
{
	return (size_t)type < COUNT_OF(types) ? types[type].st_mode : 0;
}
