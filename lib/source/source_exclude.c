#include "source_exclude.h"

#include <bascule/source.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *at;
	size_t len_bytes;
};

struct pattern {
	bool takes_back; /* "!" */
	bool dir_only;
	bool anchored; /* else parts[0] is for the last component */
	char *text;    /* what the parts lie in */
	struct span *parts;
	size_t part_count;
};

struct source_exclude {
	size_t count;
	struct pattern patterns[];
};

/* --- one component --- */

static bool
class_named(const char *name, size_t len, unsigned char c)
{
	static const struct {
		const char *name;
		int (*is)(int c);
	} classes[] = {{"alnum", isalnum}, {"alpha", isalpha},
	    {"blank", isblank}, {"cntrl", iscntrl}, {"digit", isdigit},
	    {"graph", isgraph}, {"lower", islower}, {"print", isprint},
	    {"punct", ispunct}, {"space", isspace}, {"upper", isupper},
	    {"xdigit", isxdigit}};

	for (size_t i = 0; i < COUNT_OF(classes); i++)
		if (strlen(classes[i].name) == len &&
		    memcmp(classes[i].name, name, len) == 0)
			return c < 0x80 && classes[i].is(c) != 0;
	return false;
}

/* One byte of a bracket, '\\' taken off. */
static unsigned char
class_byte(const char *p, size_t *i, size_t len)
{
	if (p[*i] == '\\' && *i + 1 < len)
		++*i;
	return (unsigned char)p[(*i)++];
}

/*
 * p[0] is '['.  How long the bracket is, 0 if it does not end; *is: whether c
 * is in it.
 */
static size_t
class_match(const char *p, size_t len, unsigned char c, bool *is)
{
	size_t i = 1, first;
	bool negated = false, found = false;

	if (i < len && (p[i] == '!' || p[i] == '^')) {
		negated = true;
		i++;
	}
	for (first = i; i < len && (p[i] != ']' || i == first);) {
		const char *end;
		unsigned char low, high;

		if (p[i] == '[' && i + 1 < len && p[i + 1] == ':' &&
		    (end = memmem(p + i + 2, len - i - 2, ":]", 2)) != NULL) {
			found |= class_named(p + i + 2,
			    (size_t)(end - p) - i - 2, c);
			i = (size_t)(end - p) + 2;
			continue;
		}
		low = high = class_byte(p, &i, len);
		if (i + 1 < len && p[i] == '-' && p[i + 1] != ']') {
			i++;
			high = class_byte(p, &i, len);
		}
		found |= low <= c && c <= high;
	}
	*is = found != negated;
	return i < len ? i + 1 : 0;
}

/* How much of p one byte c uses up; 0 if it does not fit. */
static size_t
byte_match(const char *p, size_t len, unsigned char c)
{
	size_t used;
	bool is;

	switch (p[0]) {
	case '?': return 1;
	case '[': used = class_match(p, len, c, &is); return is ? used : 0;
	case '\\': return len > 1 && (unsigned char)p[1] == c ? 2 : 0;
	default: return (unsigned char)p[0] == c;
	}
}

static bool
part_match(struct span p, struct span name)
{
	size_t pi = 0, ni = 0, star = SIZE_MAX, star_ni = 0, used;

	while (ni < name.len_bytes) {
		if (pi < p.len_bytes && p.at[pi] == '*') {
			star = ++pi;
			star_ni = ni;
		} else if (pi < p.len_bytes &&
		    (used = byte_match(p.at + pi, p.len_bytes - pi,
			 (unsigned char)name.at[ni])) > 0) {
			pi += used;
			ni++;
		} else if (star != SIZE_MAX) {
			pi = star;
			ni = ++star_ni;
		} else {
			return false;
		}
	}
	while (pi < p.len_bytes && p.at[pi] == '*')
		pi++;
	return pi == p.len_bytes;
}

/* --- whole paths --- */

/* "**"; more stars are no more than that. */
static bool
is_span(struct span part)
{
	size_t stars = 0;

	while (stars < part.len_bytes && part.at[stars] == '*')
		stars++;
	return stars > 1 && stars == part.len_bytes;
}

/* The component that begins at `at`. */
static struct span
component(const char *path, size_t path_bytes, size_t at)
{
	const char *slash = memchr(path + at, '/', path_bytes - at);
	size_t end = slash == NULL ? path_bytes : (size_t)(slash - path);

	return (struct span){path + at, end - at};
}

/*
 * As part_match with components for bytes and "**" for "*".  A "**" at the end
 * wants something to match: "a/" followed by it is what lies in a, not a.
 */
static bool
path_match(const struct pattern *p, const char *path, size_t path_bytes)
{
	size_t pi = 0, at = 0, star = SIZE_MAX, star_at = 0;

	while (at < path_bytes) {
		struct span name = component(path, path_bytes, at);

		if (pi < p->part_count && is_span(p->parts[pi])) {
			if (pi + 1 == p->part_count)
				return true;
			star = ++pi;
			star_at = at;
		} else if (pi < p->part_count &&
		    part_match(p->parts[pi], name)) {
			pi++;
			at += name.len_bytes + 1;
		} else if (star != SIZE_MAX) {
			name = component(path, path_bytes, star_at);
			at = star_at += name.len_bytes + 1;
			pi = star;
		} else {
			return false;
		}
	}
	return pi == p->part_count;
}

static struct span
last_component(const char *path, size_t path_bytes)
{
	const char *slash = memrchr(path, '/', path_bytes);
	size_t at = slash == NULL ? 0 : (size_t)(slash - path) + 1;

	return (struct span){path + at, path_bytes - at};
}

bool
source_exclude_match(const struct source_exclude *x, const char *path,
    size_t path_bytes, bool is_dir)
{
	struct span name = last_component(path, path_bytes);

	for (size_t i = x->count; i > 0; i--) {
		const struct pattern *p = &x->patterns[i - 1];

		if (p->dir_only && !is_dir)
			continue;
		if (p->anchored ? path_match(p, path, path_bytes)
				: part_match(p->parts[0], name))
			return !p->takes_back;
	}
	return false;
}

/* --- reading patterns --- */

static const char *
part_fault(struct span part)
{
	bool is;

	if (part.len_bytes == 0)
		return "it has an empty component";
	for (size_t i = 0; i < part.len_bytes; i++) {
		size_t used;

		if (part.at[i] == '\\') {
			if (++i == part.len_bytes)
				return "it ends in a backslash";
			continue;
		}
		if (part.at[i] == '[') {
			used = class_match(part.at + i, part.len_bytes - i, 0,
			    &is);
			if (used == 0)
				return "a '[' has no ']'";
			i += used - 1;
		}
	}
	return NULL;
}

static const char *
split(struct pattern *p, const char *text, size_t len)
{
	const char *fault;

	for (size_t at = 0; at <= len;) {
		struct span part = component(text, len, at);

		if ((fault = part_fault(part)) != NULL)
			return fault;
		p->parts[p->part_count++] = part;
		at += part.len_bytes + 1;
	}
	return NULL;
}

/* Spaces at the end are not part of a pattern, unless "\\ " says so. */
static size_t
without_spaces(const char *text)
{
	size_t len = 0;

	for (size_t i = 0; text[i] != '\0'; i++) {
		if (text[i] == '\\' && text[i + 1] != '\0')
			len = ++i + 1;
		else if (text[i] != ' ')
			len = i + 1;
	}
	return len;
}

static enum err_code
read_pattern(struct pattern *p, const char *text, struct err *e)
{
	const char *fault;
	size_t len, parts = 1;

	if (strlen(text) > SOURCE_PATTERN_BYTES_MAX)
		return err_set(e, ERR_INPUT, "exclude pattern of over %d bytes",
		    SOURCE_PATTERN_BYTES_MAX);
	if ((p->text = strdup(text)) == NULL)
		return err_nomem(e);
	text = p->text;
	p->takes_back = text[0] == '!';
	text += p->takes_back;
	len = without_spaces(text);
	if (len > 1 && text[len - 1] == '/') {
		p->dir_only = true;
		len--;
	}
	p->anchored = memchr(text, '/', len) != NULL;
	if (len > 1 && text[0] == '/') {
		text++;
		len--;
	}
	for (size_t i = 0; i < len; i++)
		parts += text[i] == '/';
	p->parts = calloc(parts, sizeof(*p->parts));
	if (p->parts == NULL)
		return err_nomem(e);
	if ((fault = split(p, text, len)) != NULL)
		return err_set(e, ERR_INPUT,
		    "exclude pattern '%s' makes no sense: %s", p->text, fault);
	return ERR_NONE;
}

enum err_code
source_exclude_new(struct source_exclude **out, const char *const *patterns,
    size_t count, struct err *e)
{
	OWNED(source_exclude_free) struct source_exclude *x = NULL;

	*out = NULL;
	if (count == 0)
		return ERR_NONE;
	if (count > SOURCE_EXCLUDE_COUNT_MAX)
		return err_set(e, ERR_INPUT, "more than %d exclude patterns",
		    SOURCE_EXCLUDE_COUNT_MAX);
	x = calloc(1, sizeof(*x) + count * sizeof(x->patterns[0]));
	if (x == NULL)
		return err_nomem(e);
	for (; x->count < count; x->count++) {
		enum err_code rc =
		    read_pattern(&x->patterns[x->count], patterns[x->count], e);

		if (rc != ERR_NONE) {
			x->count++; /* this one too is to be freed */
			return rc;
		}
	}
	*out = TAKE(x);
	return ERR_NONE;
}

void
source_exclude_free(struct source_exclude **x)
{
	struct source_exclude *old = TAKE(*x);

	if (old == NULL)
		return;
	for (size_t i = 0; i < old->count; i++) {
		free(old->patterns[i].text);
		free(old->patterns[i].parts);
	}
	free(old);
}
