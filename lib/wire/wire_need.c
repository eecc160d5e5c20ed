#include "wire_value.h"

#include <string.h>

#include <bascule/base/text.h>

static bool
missing(struct wire_value *v, const char *name)
{
	if (wire_has(v, name))
		return false;
	wire_fault(v, "field '%s' is missing", name);
	return true;
}

const char *
wire_need_text(struct wire_value *v, const char *name)
{
	return missing(v, name) ? "" : wire_take_text(v, name, "");
}

int64_t
wire_need_int(struct wire_value *v, const char *name)
{
	return missing(v, name) ? 0 : wire_take_int(v, name, 0);
}

uint64_t
wire_need_uint(struct wire_value *v, const char *name)
{
	return missing(v, name) ? 0 : wire_take_uint(v, name, 0);
}

void
wire_need_hex(struct wire_value *v, const char *name, void *bytes,
    size_t len_bytes)
{
	const char *text = wire_need_text(v, name);

	memset(bytes, 0, len_bytes);
	if (text_unhex(text, bytes, len_bytes))
		return;
	memset(bytes, 0, len_bytes);
	wire_fault(v, "field '%s' is not %zu hex digits", name, 2 * len_bytes);
}
