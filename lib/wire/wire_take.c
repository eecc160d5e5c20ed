#include "wire_value.h"

#include <errno.h>
#include <string.h>

#include <bascule/base/text.h>

json_t *
wire_take_json(struct wire_value *v, const char *name)
{
	json_t *json = json_object_get(v->json, name);

	if (json == NULL)
		return NULL;
	if (v->taken == NULL)
		v->taken = json_object();
	if (json_object_set_new(v->taken, name, json_true()) != 0)
		wire_fault_nomem(v);
	return json_is_null(json) ? NULL : json;
}

const char *
wire_take_text(struct wire_value *v, const char *name, const char *fallback)
{
	json_t *json = wire_take_json(v, name);

	if (json == NULL)
		return fallback;
	if (json_is_string(json))
		return json_string_value(json);
	wire_fault(v, "field '%s' is not text", name);
	return fallback;
}

/* A decimal string, as numbers past 2^53 are written. */
static bool
text_int(const char *text, int64_t *value)
{
	char *end;

	if (*text != '-' && (*text < '0' || *text > '9'))
		return false;
	errno = 0;
	*value = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

int64_t
wire_take_int(struct wire_value *v, const char *name, int64_t fallback)
{
	json_t *json = wire_take_json(v, name);
	int64_t value;

	if (json == NULL)
		return fallback;
	if (json_is_integer(json))
		return json_integer_value(json);
	if (json_is_string(json) && text_int(json_string_value(json), &value))
		return value;
	wire_fault(v, "field '%s' is not a whole number", name);
	return fallback;
}

uint64_t
wire_take_uint(struct wire_value *v, const char *name, uint64_t fallback)
{
	json_t *json = wire_take_json(v, name);
	uint64_t value;

	if (json == NULL)
		return fallback;
	if (json_is_integer(json) && json_integer_value(json) >= 0)
		return (uint64_t)json_integer_value(json);
	if (json_is_string(json) &&
	    text_parse_u64(json_string_value(json), UINT64_MAX, &value))
		return value;
	wire_fault(v, "field '%s' is not a whole number from 0", name);
	return fallback;
}

bool
wire_take_bool(struct wire_value *v, const char *name, bool fallback)
{
	json_t *json = wire_take_json(v, name);

	if (json == NULL)
		return fallback;
	if (json_is_boolean(json))
		return json_is_true(json);
	wire_fault(v, "field '%s' is neither true nor false", name);
	return fallback;
}

int64_t
wire_take_seconds(struct wire_value *v, const char *name, int64_t fallback_ns)
{
	json_t *json = wire_take_json(v, name);
	double seconds;

	if (json == NULL)
		return fallback_ns;
	seconds = json_number_value(json);
	if (json_is_number(json) && seconds >= -9e9 && seconds <= 9e9) {
		if (json_is_integer(json))
			return json_integer_value(json) * NS_PER_S;
		return (int64_t)(seconds * 1e3 + (seconds < 0 ? -0.5 : 0.5)) *
		    NS_PER_MS;
	}
	wire_fault(v, "field '%s' is not a number of seconds", name);
	return fallback_ns;
}

struct utc
wire_take_utc(struct wire_value *v, const char *name, struct utc fallback)
{
	const char *text = wire_take_text(v, name, NULL);
	struct utc t;

	if (text == NULL)
		return fallback;
	if (now_parse(text, &t))
		return t;
	wire_fault(v, "field '%s' is not a time like 2026-11-22T00:21:34Z",
	    name);
	return fallback;
}

void
wire_take_path(struct wire_value *v, const char *name, struct buf *out)
{
	char exact[128];
	const char *text, *b64;
	struct err e;

	snprintf(exact, sizeof(exact), "%s_b64", name);
	text = wire_take_text(v, name, NULL);
	b64 = wire_take_text(v, exact, NULL);
	if (b64 != NULL && text_unbase64(out, b64, &e) != ERR_NONE)
		wire_fault(v, "field '%s' is not base64", exact);
	else if (b64 == NULL && text != NULL &&
	    buf_add_text(out, text, &e) != ERR_NONE)
		wire_fault_nomem(v);
}

struct wire_value *
wire_take_object(struct wire_value *v, const char *name)
{
	json_t *json = wire_take_json(v, name);

	if (json == NULL || json_is_object(json))
		return json == NULL ? NULL : wire_child(v, json);
	wire_fault(v, "field '%s' is not an object", name);
	return NULL;
}

struct wire_value *
wire_take_list(struct wire_value *v, const char *name)
{
	json_t *json = wire_take_json(v, name);

	if (json == NULL || json_is_array(json))
		return json == NULL ? NULL : wire_child(v, json);
	wire_fault(v, "field '%s' is not a list", name);
	return NULL;
}
