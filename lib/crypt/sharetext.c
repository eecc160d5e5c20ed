#include "sharetext.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES   20 /* 32 digits: eight groups of four */
#define LINE_DIGITS  32
#define CHECK_DIGITS 4
#define GROUP_DIGITS 4
/* "%3u", a space before each group, a newline, a NUL */
#define LINE_TEXT_BYTES 64

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static const char marker[] = "BASCULE-SHARE";
static const char check_label[] = "bascule share line v1"; /* with NUL */

/* The value of a digit as people write it; -1: none. */
static int
digit_value(int c)
{
	const char *at;

	c = toupper(c);
	if (c == 'O')
		c = '0';
	if (c == 'I' || c == 'L')
		c = '1';
	at = c == '\0' ? NULL : strchr(digits, c);
	return at == NULL ? -1 : (int)(at - digits);
}

/* Of the line's number and its bytes: a line in another's place is seen. */
static enum err_code
line_check(unsigned number, const uint8_t *bytes, size_t len_bytes,
    char out[CHECK_DIGITS], struct err *e)
{
	uint8_t message[sizeof check_label + 2 + LINE_BYTES];
	struct id hash;
	enum err_code rc;
	uint32_t bits;

	memcpy(message, check_label, sizeof check_label);
	message[sizeof check_label] = (uint8_t)number;
	message[sizeof check_label + 1] = (uint8_t)(number >> 8);
	memcpy(message + sizeof check_label + 2, bytes, len_bytes);
	rc = hash_sha256(message, sizeof check_label + 2 + len_bytes, &hash, e);
	secret_wipe(message, sizeof message);
	if (rc != ERR_NONE)
		return rc;
	bits = (uint32_t)hash.bytes[0] << 16 | (uint32_t)hash.bytes[1] << 8 |
	    hash.bytes[2];
	for (unsigned i = 0; i < CHECK_DIGITS; i++)
		out[i] = digits[bits >> (19 - 5 * i) & 31];
	return ERR_NONE;
}

/* Big-endian bits, five a digit; the last is filled up with zeros. */
static size_t
encode(const uint8_t *bytes, size_t len_bytes, char *out)
{
	size_t count = (len_bytes * 8 + 4) / 5;

	for (size_t d = 0; d < count; d++) {
		unsigned v = 0;

		for (size_t bit = d * 5; bit < d * 5 + 5; bit++) {
			v <<= 1;
			if (bit / 8 < len_bytes)
				v |= bytes[bit / 8] >> (7 - bit % 8) & 1;
		}
		out[d] = digits[v];
	}
	return count;
}

/* False: bits are set behind the last byte, or digits left over. */
static bool
decode(const uint8_t *values, size_t count, uint8_t *out, size_t *len_bytes)
{
	*len_bytes = count * 5 / 8;
	if ((*len_bytes * 8 + 4) / 5 != count)
		return false;
	memset(out, 0, *len_bytes);
	for (size_t bit = 0; bit < count * 5; bit++) {
		bool set = (values[bit / 5] >> (4 - bit % 5) & 1) != 0;

		if (set && bit / 8 >= *len_bytes)
			return false;
		if (set)
			out[bit / 8] |= (uint8_t)(1 << (7 - bit % 8));
	}
	return true;
}

static enum err_code
line_write(char *at, size_t *used_bytes, unsigned number, const uint8_t *bytes,
    size_t len_bytes, struct err *e)
{
	char text[LINE_DIGITS + CHECK_DIGITS];
	size_t count = encode(bytes, len_bytes, text), n;
	enum err_code rc =
	    line_check(number, bytes, len_bytes, text + count, e);

	if (rc != ERR_NONE)
		return rc;
	n = (size_t)snprintf(at, LINE_TEXT_BYTES, "%3u", number);
	for (size_t d = 0; d < count + CHECK_DIGITS; d++) {
		/* the check stands apart, whatever the last group holds */
		if (d == count || (d < count && d % GROUP_DIGITS == 0))
			at[n++] = ' ';
		if (d == count)
			at[n++] = ' ';
		at[n++] = text[d];
	}
	at[n++] = '\n';
	*used_bytes = n;
	secret_wipe(text, sizeof text);
	return ERR_NONE;
}

enum err_code
sharetext_write(struct secret *text, const char *notes,
    const struct secret *bytes, struct err *e)
{
	OWNED(secret_fini) struct secret out = {0};
	size_t lines = (bytes->len_bytes + LINE_BYTES - 1) / LINE_BYTES;
	size_t at = strlen(notes), used;
	enum err_code rc;

	secret_fini(text);
	if (bytes->len_bytes > SHARETEXT_BYTES_MAX)
		return err_set(e, ERR_INPUT, "too much for a share");
	rc = secret_init(&out,
	    at + sizeof marker + 1 + (lines + 1) * LINE_TEXT_BYTES, e);
	if (rc != ERR_NONE)
		return rc;
	memcpy(out.bytes, notes, at);
	memcpy(out.bytes + at, marker, sizeof marker - 1);
	at += sizeof marker - 1;
	out.bytes[at++] = '\n';
	for (size_t i = 0; i < lines && rc == ERR_NONE; i++) {
		size_t from = i * LINE_BYTES, len = bytes->len_bytes - from;

		rc = line_write((char *)out.bytes + at, &used, (unsigned)i + 1,
		    bytes->bytes + from, len < LINE_BYTES ? len : LINE_BYTES,
		    e);
		at += used;
	}
	if (rc != ERR_NONE)
		return rc;
	secret_cut(&out, at);
	*text = out;
	out = (struct secret){0};
	return ERR_NONE;
}

/* --- reading -------------------------------------------------------------- */

/* A line without its end; false: there is no more. */
struct line {
	const char *bytes;
	size_t len_bytes;
};

static bool
line_next(const struct secret *text, size_t *at, struct line *out)
{
	const char *begin = (const char *)text->bytes + *at, *end;
	size_t left = text->len_bytes - *at;

	if (left == 0)
		return false;
	end = memchr(begin, '\n', left);
	out->bytes = begin;
	out->len_bytes = end == NULL ? left : (size_t)(end - begin);
	*at += out->len_bytes + (end != NULL);
	while (out->len_bytes > 0 &&
	    isspace((unsigned char)out->bytes[out->len_bytes - 1]))
		out->len_bytes--;
	while (out->len_bytes > 0 && isspace((unsigned char)*out->bytes)) {
		out->bytes++;
		out->len_bytes--;
	}
	return true;
}

/* The next that is neither empty nor a note. */
static bool
line_next_meant(const struct secret *text, size_t *at, struct line *out)
{
	while (line_next(text, at, out))
		if (out->len_bytes > 0 && *out->bytes != '#')
			return true;
	return false;
}

/* Its number, and the values of its digits; -1 marks a wrong one. */
static bool
line_parse(const struct line *l, unsigned *number,
    uint8_t values[LINE_DIGITS + CHECK_DIGITS], size_t *count)
{
	size_t i = 0;

	*number = 0;
	*count = 0;
	while (i < l->len_bytes && isdigit((unsigned char)l->bytes[i]) &&
	    *number < 1000)
		*number = *number * 10 + (unsigned)(l->bytes[i++] - '0');
	if (i == 0 || i == l->len_bytes || !isspace((unsigned char)l->bytes[i]))
		return false;
	for (; i < l->len_bytes; i++) {
		int v;

		if (isspace((unsigned char)l->bytes[i]) || l->bytes[i] == '-')
			continue;
		v = digit_value((unsigned char)l->bytes[i]);
		if (v < 0 || *count == LINE_DIGITS + CHECK_DIGITS)
			return false;
		values[(*count)++] = (uint8_t)v;
	}
	return *count > CHECK_DIGITS;
}

static enum err_code
mistyped(unsigned number, struct err *e)
{
	err_set(e, ERR_CORRUPT, "line %u is not as it was printed", number);
	return err_hint(e,
	    "compare it with the paper, digit by digit: I and L are 1, O is "
	    "0");
}

/* Line `number` into its bytes. */
static enum err_code
line_read(const struct line *l, unsigned number, uint8_t out[LINE_BYTES],
    size_t *len_bytes, struct err *e)
{
	uint8_t values[LINE_DIGITS + CHECK_DIGITS];
	char check[CHECK_DIGITS];
	unsigned said;
	size_t count;
	enum err_code rc = ERR_NONE;

	if (!line_parse(l, &said, values, &count) || said != number ||
	    !decode(values, count - CHECK_DIGITS, out, len_bytes))
		rc = mistyped(number, e);
	if (rc == ERR_NONE)
		rc = line_check(number, out, *len_bytes, check, e);
	for (size_t i = 0; rc == ERR_NONE && i < CHECK_DIGITS; i++)
		if (digits[values[count - CHECK_DIGITS + i]] != check[i])
			rc = mistyped(number, e);
	secret_wipe(values, sizeof values);
	return rc;
}

static bool
is_marker(const struct line *l)
{
	if (l->len_bytes != sizeof marker - 1)
		return false;
	for (size_t i = 0; i < l->len_bytes; i++)
		if (toupper((unsigned char)l->bytes[i]) != marker[i])
			return false;
	return true;
}

enum err_code
sharetext_read(struct secret *bytes, const struct secret *text, struct err *e)
{
	OWNED(secret_fini) struct secret out = {0};
	uint8_t part[LINE_BYTES];
	size_t at = 0, used = 0, len = LINE_BYTES;
	struct line l;
	enum err_code rc;

	secret_fini(bytes);
	if (!line_next_meant(text, &at, &l) || !is_marker(&l)) {
		err_set(e, ERR_CORRUPT, "this is no share of a key");
		return err_hint(e, "its first line is %s", marker);
	}
	rc = secret_init(&out, SHARETEXT_BYTES_MAX + LINE_BYTES, e);
	for (unsigned n = 1; rc == ERR_NONE && line_next_meant(text, &at, &l);
	     n++) {
		if (used > SHARETEXT_BYTES_MAX)
			rc = err_set(e, ERR_CORRUPT, "the share is too long");
		else if (len < LINE_BYTES) /* only the last is short */
			rc = mistyped(n - 1, e);
		else
			rc = line_read(&l, n, part, &len, e);
		if (rc != ERR_NONE)
			break;
		memcpy(out.bytes + used, part, len);
		used += len;
	}
	secret_wipe(part, sizeof part);
	if (rc != ERR_NONE)
		return rc;
	secret_cut(&out, used);
	*bytes = out;
	out = (struct secret){0};
	return ERR_NONE;
}
