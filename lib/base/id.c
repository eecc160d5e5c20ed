#include <bascule/base/id.h>

bool
id_is_none(const struct id *id)
{
	static const struct id none;

	return id_equal(id, &none);
}

const char *
id_hex(const struct id *id, char out[ID_HEX_BYTES])
{
	return text_hex(id->bytes, ID_BYTES, out);
}

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Up to 64 lower-case digits to the NUL; how many, or 0 when malformed. */
static size_t
digits_parse(const char *hex, struct id *out)
{
	size_t i;
	int v;

	memset(out, 0, sizeof *out);
	for (i = 0; hex[i] != '\0'; i++) {
		v = digit_value(hex[i]);
		if (v < 0 || i >= 2 * ID_BYTES)
			return 0;
		out->bytes[i / 2] |= (uint8_t)(i % 2 == 0 ? v << 4 : v);
	}
	return i;
}

bool
id_parse(const char *hex, struct id *out)
{
	return digits_parse(hex, out) == 2 * ID_BYTES;
}

bool
id_parse_prefix(const char *hex, struct id_prefix *out)
{
	char lower[2 * ID_BYTES + 2];
	size_t i;

	/* One digit more than fits, so that a longer text is refused. */
	for (i = 0; hex[i] != '\0' && i < sizeof lower - 1; i++)
		lower[i] =
		    (char)(hex[i] >= 'A' && hex[i] <= 'F' ? hex[i] - 'A' + 'a'
							  : hex[i]);
	lower[i] = '\0';
	out->digits_count = digits_parse(lower, &out->low);
	return out->digits_count >= ID_PREFIX_DIGITS_MIN;
}

bool
id_has_prefix(const struct id *id, const struct id_prefix *prefix)
{
	size_t whole_bytes = prefix->digits_count / 2;

	if (memcmp(id->bytes, prefix->low.bytes, whole_bytes) != 0)
		return false;
	return prefix->digits_count % 2 == 0 ||
	    (id->bytes[whole_bytes] ^ prefix->low.bytes[whole_bytes]) < 16;
}

bool
id_ascend(const uint8_t *entries, size_t count, size_t stride_bytes)
{
	for (size_t i = 1; i < count; i++, entries += stride_bytes)
		if (memcmp(entries, entries + stride_bytes, ID_BYTES) >= 0)
			return false;
	return true;
}
