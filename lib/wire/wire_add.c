#include "wire_value.h"

#include <inttypes.h>
#include <string.h>

#include <bascule/base/text.h>

#define EXACT_MAX (INT64_C(1) << 53) /* beyond, other readers round */

/* Takes json, which is NULL when memory ran out. */
static void
put(struct wire_value *v, const char *name, json_t *json)
{
	int rc;

	if (json == NULL)
		rc = -1;
	else if (name == NULL)
		rc = json_array_append_new(v->json, json);
	else
		rc = json_object_set_new(v->json, name, json);
	if (rc != 0)
		wire_fault_nomem(v);
}

void
wire_add_bytes(struct wire_value *v, const char *name, const char *text,
    size_t len_bytes)
{
	OWNED(buf_fini) struct buf shown = {0};
	struct err e;

	if (text_is_utf8(text, len_bytes) &&
	    memchr(text, '\0', len_bytes) == NULL) {
		put(v, name, json_stringn(text, len_bytes));
		return;
	}
	if (text_escape(&shown, text, len_bytes, &e) != ERR_NONE)
		wire_fault_nomem(v);
	else
		put(v, name, json_string(buf_text(&shown)));
}

void
wire_add_text(struct wire_value *v, const char *name, const char *text)
{
	if (text != NULL)
		wire_add_bytes(v, name, text, strlen(text));
}

void
wire_add_int(struct wire_value *v, const char *name, int64_t value)
{
	char text[24];

	if (value >= -EXACT_MAX && value <= EXACT_MAX) {
		put(v, name, json_integer(value));
		return;
	}
	snprintf(text, sizeof(text), "%" PRId64, value);
	put(v, name, json_string(text));
}

void
wire_add_uint(struct wire_value *v, const char *name, uint64_t value)
{
	char text[24];

	if (value <= EXACT_MAX) {
		put(v, name, json_integer((json_int_t)value));
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64, value);
	put(v, name, json_string(text));
}

void
wire_add_bool(struct wire_value *v, const char *name, bool value)
{
	put(v, name, json_boolean(value));
}

void
wire_add_null(struct wire_value *v, const char *name)
{
	put(v, name, json_null());
}

void
wire_add_utc(struct wire_value *v, const char *name, struct utc t)
{
	char text[NOW_TEXT_BYTES];

	put(v, name, json_string(now_text(t, text)));
}

void
wire_add_seconds(struct wire_value *v, const char *name, int64_t ns)
{
	int64_t ms = ns / NS_PER_MS;

	if (ms % 1000 == 0)
		put(v, name, json_integer(ms / 1000));
	else
		put(v, name, json_real((double)ms / 1000.0));
}

void
wire_add_hex(struct wire_value *v, const char *name, const void *bytes,
    size_t len_bytes)
{
	OWNED(free_mem) char *text = malloc(TEXT_HEX_BYTES(len_bytes));

	if (text == NULL)
		wire_fault_nomem(v);
	else
		put(v, name, json_string(text_hex(bytes, len_bytes, text)));
}

void
wire_add_base64(struct wire_value *v, const char *name, const void *bytes,
    size_t len_bytes)
{
	OWNED(buf_fini) struct buf text = {0};
	struct err e;

	if (text_base64(&text, bytes, len_bytes, true, &e) != ERR_NONE)
		wire_fault_nomem(v);
	else
		put(v, name, json_string(buf_text(&text)));
}

void
wire_add_path(struct wire_value *v, const char *name, const char *path,
    size_t len_bytes)
{
	char exact[128];

	wire_add_bytes(v, name, path, len_bytes);
	if (text_is_utf8(path, len_bytes) &&
	    memchr(path, '\0', len_bytes) == NULL)
		return;
	snprintf(exact, sizeof(exact), "%s_b64", name);
	wire_add_base64(v, exact, path, len_bytes);
}

void
wire_add_last(struct wire_value *v)
{
	wire_add_bool(v, "last", true);
}
