/* Lines from anybody: framing, parsing, taking, and writing back. */
#include <bascule/base/text.h>
#include <bascule/wire.h>

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static void
take_all(struct wire_value *v)
{
	const char *name;

	for (size_t i = 0; (name = wire_name_at(v, i)) != NULL; i++) {
		OWNED(buf_fini) struct buf path = {0};

		wire_take_text(v, name, "");
		wire_take_int(v, name, 0);
		wire_take_uint(v, name, 0);
		wire_take_bool(v, name, false);
		wire_take_seconds(v, name, 0);
		wire_take_utc(v, name, (struct utc){0});
		wire_take_path(v, name, &path);
	}
}

static void
one_line(const char *line, size_t len_bytes)
{
	OWNED(wire_free) struct wire_value *v = NULL, *again = NULL;
	OWNED(buf_fini) struct buf out = {0};
	struct err e = {0}, why = {0};
	int status;

	if (wire_parse(&v, line, len_bytes, &e) != ERR_NONE)
		return;
	if (wire_line(v, &out, &e) != ERR_NONE ||
	    memchr(out.bytes, '\n', out.len_bytes - 1) != NULL ||
	    !text_is_utf8((const char *)out.bytes, out.len_bytes))
		abort();
	/* What was read can be written and read again, within the maximum. */
	if (out.len_bytes <= WIRE_LINE_BYTES_MAX &&
	    wire_parse(&again, (const char *)out.bytes, out.len_bytes, &e) !=
		ERR_NONE)
		abort();
	if (wire_failure_read(v, &why, &status) && why.code == ERR_NONE)
		abort();
	take_all(v);
	if (wire_end(v, &e) != ERR_NONE && e.code == ERR_NONE)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(wire_lines_fini) struct wire_lines l = {.max_bytes = 4096};
	struct err e = {0};
	const char *line;
	size_t len;

	for (size_t at = 0; at < len_bytes; at += 61) {
		size_t n = len_bytes - at < 61 ? len_bytes - at : 61;

		if (wire_lines_feed(&l, bytes + at, n, &e) != ERR_NONE)
			return 0;
		while ((line = wire_lines_next(&l, &len)) != NULL)
			one_line(line, len);
	}
	return 0;
}
