#include "policy_describe.h"

#include <string.h>

#include "policy_setting.h"
#include "policy_value.h"

static bool
is_quoted(const struct policy_setting *s)
{
	return s->type <= TYPE_CHOICE;
}

enum err_code
policy_describe_default(const struct policy_setting *s, struct buf *out,
    struct err *e)
{
	if ((s->flags & SETTING_REQUIRED) != 0)
		return buf_add_text(out, "required", e);
	if (s->fallback == NULL)
		return buf_add_text(out, "none", e);
	if (s->type == TYPE_FLAGS)
		return buf_add_text(out, "all", e);
	if (is_quoted(s))
		return policy_value_quote(out, s->fallback, e);
	return buf_add_text(out, s->fallback, e);
}

static enum err_code
describe_limit(const struct policy_setting *s, int64_t limit, struct buf *out,
    struct err *e)
{
	struct policy_setting as = *s;

	if (s->type == TYPE_COUNT) {
		uint32_t v = (uint32_t)limit;

		as.offset = 0;
		return policy_value_write(&as, &v, NULL, out, e);
	}
	as.offset = 0;
	return policy_value_write(&as, &limit, NULL, out, e);
}

enum err_code
policy_describe_range(const struct policy_setting *s, struct buf *out,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0;
	     rc == ERR_NONE && s->choices != NULL && s->choices[i] != NULL; i++)
		rc = buf_printf(out, e, "%s\"%s\"", i == 0 ? "" : ", ",
		    s->choices[i]);
	if (rc != ERR_NONE || s->max == 0)
		return rc;
	rc = describe_limit(s, s->min, out, e);
	if (rc == ERR_NONE)
		rc = buf_add_text(out, " to ", e);
	return rc == ERR_NONE ? describe_limit(s, s->max, out, e) : rc;
}

enum err_code
policy_describe_type(const struct policy_setting *s, struct buf *out,
    struct err *e)
{
	struct policy_setting element = {.type = s->element};

	if (s->type == TYPE_TEXTS)
		return buf_printf(out, e, "array of %ss",
		    policy_setting_type_name(&element));
	return buf_add_text(out, policy_setting_type_name(s), e);
}
