#include "policy_setting.h"
#include "policy_write.h"

/*
 * The version in the first line changes whenever the bytes of a policy would that
 * says nothing new.  A setting that is added does not: it is SETTING_LATER.
 */

enum err_code
policy_canonical(const struct policy *p, struct buf *out, struct err *e)
{
	struct policy_write w = {.out = out, .e = e, .canonical = true};
	enum err_code rc = buf_add_text(out, "bascule policy 2\n", e);

	return rc == ERR_NONE ? policy_write_root(&w, p, POLICY_WRITE_SHARED)
			      : rc;
}

enum err_code
policy_canonical_plan(const struct policy_service *s, struct buf *out,
    struct err *e)
{
	static const char *const parts[] = {"name", "home", "standby",
	    "live_root", "datasets", "plan", "fence"};
	struct policy_write w = {.out = out, .e = e, .canonical = true};
	enum err_code rc = buf_add_text(out, "bascule plan 2\n", e);

	for (size_t i = 0; rc == ERR_NONE && i < COUNT_OF(parts); i++) {
		const struct policy_setting *part =
		    policy_setting_find(s->at.group, parts[i]);

		rc = policy_write_setting(&w, part, s,
		    &s->at.marks[part - s->at.group->settings], 0);
	}
	return rc;
}
