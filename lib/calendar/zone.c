#include "zone.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/base/fdio.h>

/*
 * TZif (RFC 8536): a block with 32-bit times, which is stepped over, one
 * with 64-bit times, and a footer with the rule for what comes after the
 * last of them.  All integers are big-endian.
 */
#define FILE_MAX_BYTES ((size_t)256 * 1024) /* the largest real one: 4 KiB */
#define CHANGES_MAX    4096                 /* the longest real one: 250 */
#define TYPES_MAX      256
#define CHARS_MAX      2048
#define HEADER_BYTES   44
#define TYPE_BYTES     6
#define FOOTER_MAX     128
#define PATH_BYTES     512

struct type {
	int32_t offset_s;
	bool is_dst;
	char abbrev[CIVIL_ABBREV_BYTES];
};

struct zone {
	char name[ZONE_NAME_BYTES];
	size_t changes_count;
	int64_t *changes_s;   /* ascending */
	uint8_t *change_type; /* of each: what holds from then on */
	struct type types[TYPES_MAX];
	bool has_rule;
	struct zonerule rule; /* after the last change */
};

struct reader {
	const uint8_t *at;
	size_t left_bytes;
	bool bad;
};

struct header {
	uint8_t version;
	uint32_t isut_count, isstd_count, leap_count;
	uint32_t changes_count, types_count, chars_bytes;
};

static const uint8_t *
take(struct reader *r, size_t len_bytes)
{
	const uint8_t *at = r->at;

	if (r->bad || r->left_bytes < len_bytes) {
		r->bad = true;
		return NULL;
	}
	r->at += len_bytes;
	r->left_bytes -= len_bytes;
	return at;
}

static uint32_t
get_be32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	    (uint32_t)at[2] << 8 | at[3];
}

static int64_t
get_be64(const uint8_t *at)
{
	return (int64_t)((uint64_t)get_be32(at) << 32 | get_be32(at + 4));
}

static enum err_code
corrupt(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "the zone data %s", what);
}

static enum err_code
take_header(struct reader *r, struct header *h, struct err *e)
{
	const uint8_t *at = take(r, HEADER_BYTES);

	memset(h, 0, sizeof(*h));
	if (at == NULL)
		return corrupt(e, "end too early");
	if (memcmp(at, "TZif", 4) != 0)
		return corrupt(e, "do not begin with \"TZif\"");
	h->version = at[4];
	h->isut_count = get_be32(at + 20);
	h->isstd_count = get_be32(at + 24);
	h->leap_count = get_be32(at + 28);
	h->changes_count = get_be32(at + 32);
	h->types_count = get_be32(at + 36);
	h->chars_bytes = get_be32(at + 40);
	if (h->version < '2')
		return corrupt(e, "are of version 1; version 2 is needed");
	if (h->changes_count > CHANGES_MAX || h->types_count > TYPES_MAX ||
	    h->types_count == 0 || h->chars_bytes > CHARS_MAX ||
	    h->isut_count > TYPES_MAX || h->isstd_count > TYPES_MAX ||
	    h->leap_count > CHANGES_MAX)
		return corrupt(e, "hold more than a zone can");
	return ERR_NONE;
}

static enum err_code
skip_old_block(struct reader *r, struct err *e)
{
	struct header h;
	enum err_code rc = take_header(r, &h, e);

	if (rc != ERR_NONE)
		return rc;
	(void)take(r,
	    (size_t)h.changes_count * 5 + (size_t)h.types_count * TYPE_BYTES +
		h.chars_bytes + (size_t)h.leap_count * 8 + h.isstd_count +
		h.isut_count);
	return r->bad ? corrupt(e, "end too early") : ERR_NONE;
}

static enum err_code
fill_types(struct zone *z, const struct header *h, const uint8_t *types,
    const char *chars, struct err *e)
{
	for (size_t i = 0; i < h->types_count; i++, types += TYPE_BYTES) {
		struct type *t = &z->types[i];
		size_t at = types[5];
		size_t len;

		t->offset_s = (int32_t)get_be32(types);
		t->is_dst = types[4] != 0;
		if (t->offset_s < -ZONE_OFFSET_MAX_S ||
		    t->offset_s > ZONE_OFFSET_MAX_S || types[4] > 1)
			return corrupt(e, "hold an offset that cannot be");
		if (at >= h->chars_bytes)
			return corrupt(e, "name an abbreviation they lack");
		len = strnlen(chars + at, h->chars_bytes - at);
		if (len == h->chars_bytes - at || len >= CIVIL_ABBREV_BYTES)
			return corrupt(e, "hold an endless abbreviation");
		for (size_t k = 0; k < len; k++)
			if (chars[at + k] < ' ' || chars[at + k] > '~')
				return corrupt(e,
				    "hold a strange abbreviation");
		memcpy(t->abbrev, chars + at, len + 1);
	}
	return ERR_NONE;
}

static enum err_code
fill_changes(struct zone *z, const struct header *h, const uint8_t *times,
    const uint8_t *types, struct err *e)
{
	z->changes_count = h->changes_count;
	if (h->changes_count == 0)
		return ERR_NONE;
	z->changes_s = calloc(h->changes_count, sizeof(*z->changes_s));
	z->change_type = malloc(h->changes_count);
	if (z->changes_s == NULL || z->change_type == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < h->changes_count; i++) {
		int64_t s = get_be64(times + 8 * i);

		if (s < -ZONE_EVER_S || s >= ZONE_EVER_S ||
		    (i > 0 && s <= z->changes_s[i - 1]))
			return corrupt(e, "are not in the order of time");
		if (types[i] >= h->types_count)
			return corrupt(e, "name a type they lack");
		z->changes_s[i] = s;
		z->change_type[i] = types[i];
	}
	return ERR_NONE;
}

static enum err_code
take_block(struct zone *z, struct reader *r, struct err *e)
{
	struct header h;
	const uint8_t *times, *change_types, *types, *chars;
	enum err_code rc = take_header(r, &h, e);

	if (rc != ERR_NONE)
		return rc;
	times = take(r, (size_t)h.changes_count * 8);
	change_types = take(r, h.changes_count);
	types = take(r, (size_t)h.types_count * TYPE_BYTES);
	chars = take(r, h.chars_bytes);
	(void)take(r, (size_t)h.leap_count * 12 + h.isstd_count + h.isut_count);
	if (r->bad)
		return corrupt(e, "end too early");
	if (h.leap_count > 0)
		return corrupt(e,
		    "count leap seconds, which UTC here does not");
	rc = fill_types(z, &h, types, (const char *)chars, e);
	if (rc == ERR_NONE)
		rc = fill_changes(z, &h, times, change_types, e);
	return rc;
}

static enum err_code
take_footer(struct zone *z, struct reader *r, struct err *e)
{
	const char *text = (const char *)r->at + 1;
	size_t len;

	if (r->left_bytes < 2 || r->at[0] != '\n' ||
	    r->at[r->left_bytes - 1] != '\n' || r->left_bytes > FOOTER_MAX)
		return corrupt(e, "have no footer");
	len = r->left_bytes - 2;
	if (len == 0)
		return ERR_NONE;
	z->has_rule = zonerule_parse(&z->rule, text, len);
	return z->has_rule ? ERR_NONE
			   : corrupt(e, "end in a rule that makes no sense");
}

static enum err_code
new_zone(struct zone **out, const char *name, struct err *e)
{
	*out = NULL;
	if (!zone_name_is_valid(name))
		return err_set(e, ERR_INPUT,
		    "'%.64s' is not the name of a time zone; accepted: an IANA "
		    "name, \"Europe/London\"",
		    name);
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return err_nomem(e);
	memcpy((*out)->name, name, strlen(name) + 1);
	return ERR_NONE;
}

enum err_code
zone_parse(struct zone **out, const char *name, const void *bytes,
    size_t len_bytes, struct err *e)
{
	OWNED(zone_free) struct zone *z = NULL;
	struct reader r = {bytes, len_bytes, false};
	enum err_code rc;

	*out = NULL;
	rc = new_zone(&z, name, e);
	if (rc != ERR_NONE)
		return rc;
	if (len_bytes > FILE_MAX_BYTES)
		rc = corrupt(e, "are far too long");
	if (rc == ERR_NONE)
		rc = skip_old_block(&r, e);
	if (rc == ERR_NONE)
		rc = take_block(z, &r, e);
	if (rc == ERR_NONE)
		rc = take_footer(z, &r, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "time zone '%s'", name);
	*out = TAKE(z);
	return ERR_NONE;
}

static enum err_code
load_utc(struct zone **out, struct err *e)
{
	static const char rule[] = "UTC0";
	OWNED(zone_free) struct zone *z = NULL;
	enum err_code rc = new_zone(&z, "UTC", e);

	if (rc != ERR_NONE)
		return rc;
	z->has_rule = zonerule_parse(&z->rule, rule, sizeof(rule) - 1);
	ASSERT(z->has_rule);
	*out = TAKE(z);
	return ERR_NONE;
}

/* Symbolic links are followed: many zones are aliases of others. */
static enum err_code
read_file(struct buf *bytes, const char *path, struct err *e)
{
	OWNED(fdio_close)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		return err_sys(e, "cannot read '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "'%s' is not a regular file",
		    path);
	return fdio_read_all(fd, FILE_MAX_BYTES, bytes, e);
}

enum err_code
zone_load(struct zone **out, const char *dir, const char *name, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	char path[PATH_BYTES];
	enum err_code rc;
	int n;

	*out = NULL;
	if (strcmp(name, "UTC") == 0)
		return load_utc(out, e);
	if (!zone_name_is_valid(name))
		return new_zone(out, name, e);
	n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(e, ERR_INPUT,
		    "the path of time zone '%s' is over %d bytes", name,
		    PATH_BYTES);
	rc = read_file(&bytes, path, e);
	if (rc == ERR_NONE)
		return zone_parse(out, name, bytes.bytes, bytes.len_bytes, e);
	if (rc == ERR_NOTFOUND)
		rc = err_set(e, ERR_NOTFOUND,
		    "there is no time zone '%s' in '%s'; accepted: an IANA "
		    "name, \"Europe/London\"",
		    name, dir);
	return rc;
}

void
zone_free(struct zone **zp)
{
	struct zone *z = *zp;

	if (z == NULL)
		return;
	free(z->changes_s);
	free(z->change_type);
	free(z);
	*zp = NULL;
}

static bool
may_stand_in_name(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("_+-/", c) != NULL);
}

bool
zone_name_is_valid(const char *name)
{
	size_t len = strlen(name);
	bool begins = true; /* a component does, here */

	if (len == 0 || len >= ZONE_NAME_BYTES || name[len - 1] == '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!may_stand_in_name(name[i]) ||
		    (begins && (name[i] == '/' || name[i] == '-')))
			return false;
		begins = name[i] == '/';
	}
	return true;
}

const char *
zone_name(const struct zone *z)
{
	return z == NULL ? "UTC" : z->name;
}

/* How many changes are at or before s. */
static size_t
count_until(const struct zone *z, int64_t s)
{
	size_t low = 0, high = z->changes_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (z->changes_s[mid] <= s)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct zone_span
zone_span_at(const struct zone *z, int64_t s)
{
	struct zone_span span = {.begin_s = -ZONE_EVER_S,
	    .end_s = ZONE_EVER_S,
	    .abbrev = "UTC"};
	const struct type *type;
	size_t i;

	if (z == NULL)
		return span;
	i = count_until(z, s);
	if (i == z->changes_count && z->has_rule) {
		span = zonerule_span_at(&z->rule, s);
		if (i > 0 && span.begin_s < z->changes_s[i - 1])
			span.begin_s = z->changes_s[i - 1];
		return span;
	}
	/* Before the first change type 0 holds (RFC 8536, 3.2). */
	type = &z->types[i == 0 ? 0 : z->change_type[i - 1]];
	if (i > 0)
		span.begin_s = z->changes_s[i - 1];
	if (i < z->changes_count)
		span.end_s = z->changes_s[i];
	span.offset_s = type->offset_s;
	span.is_dst = type->is_dst;
	span.abbrev = type->abbrev;
	return span;
}

struct civil
zone_civil(const struct zone *z, int64_t s)
{
	struct zone_span span = zone_span_at(z, s);
	struct civil c = civil_of_s(s + span.offset_s);

	c.offset_s = span.offset_s;
	c.is_dst = span.is_dst;
	snprintf(c.abbrev, sizeof(c.abbrev), "%s", span.abbrev);
	return c;
}

int32_t
zone_offset_s(const struct zone *z, int64_t s)
{
	return zone_span_at(z, s).offset_s;
}

int64_t
zone_first_instant(const struct zone *z, int64_t local_s)
{
	/* Here the clocks cannot show local_s yet, whatever the offset. */
	int64_t s = local_s - ZONE_OFFSET_MAX_S;

	for (;;) {
		struct zone_span span = zone_span_at(z, s);
		int64_t at_s = local_s - span.offset_s;

		if (at_s < span.end_s || span.end_s == ZONE_EVER_S)
			return at_s > s ? at_s : s;
		s = span.end_s;
	}
}

int64_t
zone_latest_shown(const struct zone *z, int64_t s)
{
	struct zone_span span = zone_span_at(z, s);
	int64_t oldest_s = s - INT64_C(2) * ZONE_OFFSET_MAX_S;
	int64_t latest_s = s + span.offset_s;

	/* What was shown longer ago than offsets differ was shown since. */
	while (span.begin_s > oldest_s) {
		int64_t before_s = span.begin_s - 1;

		span = zone_span_at(z, before_s);
		if (before_s + span.offset_s > latest_s)
			latest_s = before_s + span.offset_s;
	}
	return latest_s;
}
