/* What kind of thing a field is. */

#include "wire_value.h"

static enum wire_kind
kind_of(const json_t *json)
{
	if (json == NULL || json_is_null(json))
		return WIRE_ABSENT;
	if (json_is_string(json))
		return WIRE_IS_TEXT;
	if (json_is_number(json))
		return WIRE_IS_NUMBER;
	if (json_is_boolean(json))
		return WIRE_IS_BOOL;
	return json_is_object(json) ? WIRE_IS_OBJECT : WIRE_IS_LIST;
}

enum wire_kind
wire_kind_of(const struct wire_value *v, const char *name)
{
	return kind_of(json_object_get(v->json, name));
}

enum wire_kind
wire_kind_at(const struct wire_value *list, size_t i)
{
	return kind_of(json_array_get(list->json, i));
}
