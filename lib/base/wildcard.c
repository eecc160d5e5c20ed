#include <bascule/base/wildcard.h>

#include <stdint.h>
#include <string.h>

/* Bytes of the character at text: 1 where it is not UTF-8. */
static size_t
character_bytes(const char *text, size_t len)
{
	uint8_t c = (uint8_t)*text;
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

	if (n > len)
		return 1;
	for (size_t i = 1; i < n; i++)
		if (((uint8_t)text[i] & 0xc0) != 0x80)
			return 1;
	return n;
}

/* "[...]" of a pattern; NULL when it does not end and so is none. */
static const char *
set_end(const char *at)
{
	at++;
	if (*at == '!' || *at == '^')
		at++;
	if (*at == ']')
		at++;
	return strchr(at, ']');
}

static bool
set_has(const char *at, const char *end, uint8_t c)
{
	bool negated = at[1] == '!' || at[1] == '^', found = false;

	for (at += negated ? 2 : 1; at < end; at++) {
		uint8_t low = (uint8_t)*at, high = low;

		if (at + 2 < end && at[1] == '-') {
			high = (uint8_t)at[2];
			at += 2;
		}
		found = found || (c >= low && c <= high);
	}
	return found != negated;
}

/* One step of the pattern against text; how many bytes of each it took. */
static bool
one(const char **pattern, const char *text, size_t len, size_t *took)
{
	const char *p = *pattern, *end;

	*took = 1;
	if (*p == '?') {
		*took = character_bytes(text, len);
		*pattern = p + 1;
		return true;
	}
	if (*p == '[' && (end = set_end(p)) != NULL) {
		*pattern = end + 1;
		return set_has(p, end, (uint8_t)*text);
	}
	if (*p == '\\' && p[1] != '\0')
		p++;
	*pattern = p + 1;
	return *p != '\0' && *p == *text;
}

bool
wildcard_match(const char *pattern, const char *text, size_t len_bytes)
{
	const char *end = text + len_bytes, *back = NULL, *back_text = NULL;
	size_t took;

	while (text < end) {
		if (*pattern == '*') {
			back = ++pattern;
			back_text = text;
		} else if (one(&pattern, text, (size_t)(end - text), &took)) {
			text += took;
		} else if (back != NULL) {
			pattern = back;
			text = ++back_text;
		} else
			return false;
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool
wildcard_match_path(const char *pattern, const char *path, size_t len_bytes)
{
	const char *slash;

	if (*pattern == '/')
		return wildcard_match(pattern + 1, path, len_bytes);
	slash = memrchr(path, '/', len_bytes);
	if (strchr(pattern, '/') == NULL) {
		if (slash != NULL) {
			len_bytes -= (size_t)(slash + 1 - path);
			path = slash + 1;
		}
		return wildcard_match(pattern, path, len_bytes);
	}
	for (;;) {
		if (wildcard_match(pattern, path, len_bytes))
			return true;
		slash = memchr(path, '/', len_bytes);
		if (slash == NULL)
			return false;
		len_bytes -= (size_t)(slash + 1 - path);
		path = slash + 1;
	}
}
