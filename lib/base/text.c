#include <bascule/base/text.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/now.h>

const char *
text_hex(const void *bytes, size_t len_bytes, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len_bytes; i++) {
		out[2 * i] = digits[at[i] >> 4];
		out[2 * i + 1] = digits[at[i] & 15];
	}
	out[2 * len_bytes] = '\0';
	return out;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
text_unhex(const char *hex, void *bytes, size_t len_bytes)
{
	uint8_t *at = bytes;

	if (strlen(hex) != 2 * len_bytes)
		return false;
	for (size_t i = 0; i < len_bytes; i++) {
		int high = hex_value(hex[2 * i]);
		int low = hex_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		at[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum err_code
text_base64(struct buf *out, const void *bytes, size_t len_bytes, bool padded,
    struct err *e)
{
	const uint8_t *at = bytes;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < len_bytes; i += 3) {
		size_t n = len_bytes - i < 3 ? len_bytes - i : 3;
		uint32_t v = (uint32_t)at[i] << 16;
		char four[4];

		if (n > 1)
			v |= (uint32_t)at[i + 1] << 8;
		if (n > 2)
			v |= at[i + 2];
		for (size_t k = 0; k < 4; k++)
			four[k] = k <= n ? base64_digits[v >> (18 - 6 * k) & 63]
					 : '=';
		rc = buf_add(out, four, padded ? 4 : n + 1, e);
	}
	return rc;
}

enum err_code
text_unbase64(struct buf *out, const char *text, struct err *e)
{
	size_t len = strlen(text);
	uint32_t v = 0;
	unsigned bits = 0;

	while (len > 0 && text[len - 1] == '=')
		len--;
	for (size_t i = 0; i < len; i++) {
		const char *digit = strchr(base64_digits, text[i]);
		enum err_code rc;

		if (digit == NULL || *digit == '\0')
			return err_set(e, ERR_INPUT, "not base64");
		v = v << 6 | (uint32_t)(digit - base64_digits);
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		rc = buf_add_byte(out, (uint8_t)(v >> bits), e);
		if (rc != ERR_NONE)
			return rc;
	}
	if (bits >= 6 || (v & ((1U << bits) - 1)) != 0)
		return err_set(e, ERR_INPUT, "not base64");
	return ERR_NONE;
}

/* The length of the UTF-8 sequence at bytes, 0 if there is none (RFC 3629). */
static size_t
utf8_length(const uint8_t *at, size_t left)
{
	uint32_t v;
	size_t n;

	if (at[0] < 0x80)
		return 1;
	n = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	if (at[0] < 0xc2 || at[0] > 0xf4 || n > left)
		return 0;
	v = at[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (at[i] & 0x3f);
	}
	if ((n == 3 && v < 0x800) || (n == 4 && v < 0x10000) || v > 0x10ffff ||
	    (v >= 0xd800 && v <= 0xdfff))
		return 0;
	return n;
}

bool
text_is_utf8(const char *bytes, size_t len_bytes)
{
	const uint8_t *at = (const uint8_t *)bytes;

	while (len_bytes > 0) {
		size_t n = utf8_length(at, len_bytes);

		if (n == 0)
			return false;
		at += n;
		len_bytes -= n;
	}
	return true;
}

/* How much of it is ASCII that stands for itself: most names are, wholly. */
static size_t
plain_length(const uint8_t *at, size_t len)
{
	size_t n = 0;

	while (n < len && at[n] >= ' ' && at[n] < 0x7f && at[n] != '\\')
		n++;
	return n;
}

/*
 * Terminals obey C1 controls too; line separators and marks that turn the
 * direction of writing around make a name look like another.
 */
static bool
is_obeyed(const uint8_t *at, size_t n)
{
	if (n == 2)
		return at[0] == 0xc2 && at[1] < 0xa0;
	return n == 3 && at[0] == 0xe2 &&
	    ((at[1] == 0x80 && at[2] >= 0xa8 && at[2] <= 0xae) ||
		(at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

enum err_code
text_escape(struct buf *out, const char *bytes, size_t len_bytes, struct err *e)
{
	const uint8_t *at = (const uint8_t *)bytes;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && len_bytes > 0) {
		size_t plain = plain_length(at, len_bytes), n = plain;

		if (plain == 0)
			n = utf8_length(at, len_bytes);
		if (plain == 0 && is_obeyed(at, n))
			n = 0;
		if (plain > 0 || n > 1)
			rc = buf_add(out, at, n, e);
		else if (at[0] == '\n' || at[0] == '\t' || at[0] == '\\')
			rc = buf_printf(out, e, "\\%c",
			    at[0] == '\n'       ? 'n'
				: at[0] == '\t' ? 't'
						: '\\');
		else
			rc = buf_printf(out, e, "\\x%02x", at[0]);
		n = n == 0 ? 1 : n;
		at += n;
		len_bytes -= n;
	}
	return rc;
}

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static bool
is_control(const uint8_t *at, size_t n)
{
	return n == 1 ? at[0] < ' ' || at[0] == 0x7f
		      : n == 2 && at[0] == 0xc2 && at[1] < 0xa0;
}

static enum err_code
repair(struct buf *out, const char *bytes, size_t len_bytes, bool one_line,
    struct err *e)
{
	const uint8_t *at = (const uint8_t *)bytes;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && len_bytes > 0) {
		size_t n = utf8_length(at, len_bytes);

		if (n == 0 || at[0] == '\0')
			rc = buf_add_text(out, REPLACEMENT, e);
		else if (one_line && is_control(at, n))
			rc = buf_add_text(out, at[0] == '\n' ? " / " : " ", e);
		else
			rc = buf_add(out, at, n, e);
		n = n == 0 ? 1 : n;
		at += n;
		len_bytes -= n;
	}
	return rc;
}

enum err_code
text_line(struct buf *out, const char *bytes, size_t len_bytes, struct err *e)
{
	return repair(out, bytes, len_bytes, true, e);
}

enum err_code
text_repair(struct buf *out, const char *bytes, size_t len_bytes, struct err *e)
{
	return repair(out, bytes, len_bytes, false, e);
}

void
text_mend_end(char *text)
{
	size_t len = strlen(text), from = len;

	while (from > 0 && len - from < 4) {
		from--;
		if (((uint8_t)text[from] & 0xc0) == 0x80)
			continue;
		if (utf8_length((const uint8_t *)text + from, len - from) == 0)
			text[from] = '\0';
		return;
	}
}

void
text_first_line(char *text)
{
	text[strcspn(text, "\n")] = '\0';
}

void
text_elide(char *text, size_t len_bytes)
{
	size_t have = strlen(text);
	size_t half = (len_bytes - 3) / 2, word = len_bytes / 8;
	size_t tail = have - half, back = 0, on = 0;

	if (have <= len_bytes)
		return;
	/* between words, where one ends near */
	while (back < word && text[half - back - 1] != ' ')
		back++;
	while (on < word && text[tail + on] != ' ')
		on++;
	half -= back < word ? back : 0;
	tail += on < word ? on : 0;
	while (tail < have && ((uint8_t)text[tail] & 0xc0) == 0x80)
		tail++;
	text[half] = '\0';
	text_mend_end(text);
	half = strlen(text);
	memcpy(text + half, "...", 3);
	memmove(text + half + 3, text + tail, have - tail + 1);
}

const char *
text_size(uint64_t bytes, char out[TEXT_UNIT_BYTES])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB",
	    "EiB"};
	double v = (double)bytes;
	size_t u = 0;

	if (bytes < 1024) {
		snprintf(out, TEXT_UNIT_BYTES, "%" PRIu64 " B", bytes);
		return out;
	}
	for (v /= 1024; v >= 1023.95 && u + 1 < COUNT_OF(units); u++)
		v /= 1024;
	snprintf(out, TEXT_UNIT_BYTES, "%.1f %s", v, units[u]);
	return out;
}

const char *
text_duration(int64_t ns, char out[TEXT_UNIT_BYTES])
{
	static const struct {
		int64_t s;
		const char *big, *small;
		int64_t small_s;
	} units[] = {{86400, "d", "h", 3600}, {3600, "h", "m", 60},
	    {60, "m", "s", 1}};
	const char *sign = ns < 0 ? "-" : "";
	uint64_t abs_ns = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	int64_t s = (int64_t)(abs_ns / NS_PER_S);

	for (size_t i = 0; i < COUNT_OF(units); i++) {
		int64_t rest = s % units[i].s / units[i].small_s;

		if (s < units[i].s)
			continue;
		if (rest == 0)
			snprintf(out, TEXT_UNIT_BYTES, "%s%" PRId64 "%s", sign,
			    s / units[i].s, units[i].big);
		else
			snprintf(out, TEXT_UNIT_BYTES,
			    "%s%" PRId64 "%s %" PRId64 "%s", sign,
			    s / units[i].s, units[i].big, rest, units[i].small);
		return out;
	}
	if (abs_ns >= NS_PER_S)
		snprintf(out, TEXT_UNIT_BYTES, "%s%.1fs", sign,
		    (double)(abs_ns / (NS_PER_S / 10)) / 10);
	else if (abs_ns == 0)
		snprintf(out, TEXT_UNIT_BYTES, "0s");
	else
		snprintf(out, TEXT_UNIT_BYTES, "%s%" PRIu64 "ms", sign,
		    abs_ns / NS_PER_MS);
	return out;
}

bool
text_parse_u64(const char *text, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;

	*value = 0;
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9' || digit > max ||
		    v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*value = v;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/*
 * One "NUMBER UNIT" at *at: a whole number, or one with up to three decimals
 * where the product is whole.  False if there is none or it goes over max.
 */
static bool
take_unit(const char **at, const struct unit *units, size_t unit_count,
    uint64_t max, uint64_t *value)
{
	const char *p = *at;
	uint64_t v = 0, scale = 1;
	size_t digits = 0, len;

	for (; *p >= '0' && *p <= '9'; p++, digits++) {
		if (v > (UINT64_MAX / 1000 - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	if (digits == 0)
		return false;
	if (*p == '.') {
		for (p++, digits = 0; *p >= '0' && *p <= '9'; p++, digits++) {
			if (digits == 3 || v > (UINT64_MAX / 1000 - 9) / 10)
				return false;
			v = v * 10 + (uint64_t)(*p - '0');
			scale *= 10;
		}
		if (digits == 0)
			return false;
	}
	while (*p == ' ')
		p++;
	len =
	    strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/%");
	for (size_t i = 0; i < unit_count; i++) {
		if (strlen(units[i].name) != len ||
		    strncmp(units[i].name, p, len) != 0)
			continue;
		if (v != 0 && units[i].factor > UINT64_MAX / v)
			return false;
		*value = v * units[i].factor / scale;
		*at = p + len;
		return v * units[i].factor % scale == 0 && *value <= max;
	}
	return false;
}

enum err_code
text_parse_duration(const char *text, int64_t *ns, struct err *e)
{
	static const struct unit units[] = {{"w", UINT64_C(604800000000000)},
	    {"d", UINT64_C(86400000000000)}, {"h", UINT64_C(3600000000000)},
	    {"m", UINT64_C(60000000000)}, {"s", UINT64_C(1000000000)},
	    {"ms", UINT64_C(1000000)}};
	const char *at = text;
	uint64_t total = 0;

	*ns = 0;
	do {
		uint64_t v;

		if (!take_unit(&at, units, COUNT_OF(units), INT64_MAX, &v) ||
		    v > INT64_MAX - total)
			return err_set(e, ERR_INPUT,
			    "'%.60s' is not a duration; write a number and a "
			    "unit, like \"90s\", \"15m\", \"4h\", \"30d\" or "
			    "\"1h30m\"",
			    text);
		total += v;
		while (*at == ' ')
			at++;
	} while (*at != '\0');
	*ns = (int64_t)total;
	return ERR_NONE;
}

#define KI UINT64_C(1024)
#define K  UINT64_C(1000)

enum err_code
text_parse_size(const char *text, uint64_t *bytes, struct err *e)
{
	static const struct unit units[] = {{"B", 1}, {"KiB", KI},
	    {"MiB", KI * KI}, {"GiB", KI * KI * KI}, {"TiB", KI * KI * KI * KI},
	    {"kB", K}, {"MB", K * K}, {"GB", K * K * K}, {"TB", K * K * K * K}};
	const char *at = text;

	*bytes = 0;
	if (!take_unit(&at, units, COUNT_OF(units), INT64_MAX, bytes) ||
	    *at != '\0') {
		*bytes = 0;
		return err_set(e, ERR_INPUT,
		    "'%.60s' is not a size; write a number and a unit, like "
		    "\"64KiB\", \"512MiB\", \"2GiB\" or \"1TiB\"",
		    text);
	}
	return ERR_NONE;
}

enum err_code
text_parse_rate(const char *text, uint64_t *bytes_per_s, struct err *e)
{
	static const struct unit bits[] = {{"bit/s", 1}, {"kbit/s", K},
	    {"Mbit/s", K * K}, {"Gbit/s", K * K * K}};
	static const struct unit bytes[] = {{"B/s", 1}, {"KiB/s", KI},
	    {"MiB/s", KI * KI}, {"GiB/s", KI * KI * KI}, {"kB/s", K},
	    {"MB/s", K * K}, {"GB/s", K * K * K}};
	const char *at = text;
	uint64_t v = 0;

	*bytes_per_s = 0;
	if (take_unit(&at, bits, COUNT_OF(bits), INT64_MAX, &v) && *at == '\0')
		v /= 8;
	else {
		at = text;
		if (!take_unit(&at, bytes, COUNT_OF(bytes), INT64_MAX, &v) ||
		    *at != '\0')
			v = 0;
	}
	if (v == 0)
		return err_set(e, ERR_INPUT,
		    "'%.60s' is not a rate; write a number above 0 and a unit, "
		    "like \"400Mbit/s\", \"1Gbit/s\" or \"50MiB/s\"",
		    text);
	*bytes_per_s = v;
	return ERR_NONE;
}

enum err_code
text_parse_share(const char *text, uint32_t *millipercent, struct err *e)
{
	static const struct unit units[] = {{"%", 1000}};
	const char *at = text;
	uint64_t v = 0;

	*millipercent = 0;
	if (!take_unit(&at, units, 1, 100000, &v) || *at != '\0')
		return err_set(e, ERR_INPUT,
		    "'%.60s' is not a share; write a percentage from 0 to 100, "
		    "like \"2%%\" or \"0.5%%\"",
		    text);
	*millipercent = (uint32_t)v;
	return ERR_NONE;
}

enum err_code
text_parse_chunking(const char *text, uint32_t *fixed_bytes, struct err *e)
{
	uint64_t bytes;
	enum err_code rc;

	*fixed_bytes = 0;
	if (strcmp(text, "auto") == 0)
		return ERR_NONE;
	if (strncmp(text, "fixed ", 6) != 0)
		return err_set(e, ERR_INPUT,
		    "'%.40s' is not a chunking; write \"auto\", or \"fixed "
		    "64KiB\" for database files",
		    text);
	rc = text_parse_size(text + 6, &bytes, e);
	if (rc != ERR_NONE)
		return rc;
	if (bytes < TEXT_CHUNK_MIN || bytes > TEXT_CHUNK_MAX)
		return err_set(e, ERR_INPUT,
		    "a fixed chunk of '%.40s' is out of range; from 4KiB to "
		    "4MiB",
		    text + 6);
	*fixed_bytes = (uint32_t)bytes;
	return ERR_NONE;
}

#define DISTANCE_MAX 63

size_t
text_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t row[DISTANCE_MAX + 1];

	if (la > DISTANCE_MAX || lb > DISTANCE_MAX)
		return la > lb ? la : lb;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}
