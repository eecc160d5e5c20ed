#include "policy_write.h"

enum err_code
policy_show(const struct policy *p, struct buf *out, struct err *e)
{
	struct policy_write w = {.out = out, .e = e};
	enum err_code rc = buf_printf(out, e,
	    "# The effective policy of %s: every default filled in, every path "
	    "absolute.\n# All its files in one; it loads as it stands.\n\n"
	    "# This site's own file.\n",
	    p->site);

	if (rc == ERR_NONE)
		rc = policy_write_root(&w, p, POLICY_WRITE_OWN);
	if (rc == ERR_NONE)
		rc = buf_add_text(out, "\n# Shared by both sites.\n", e);
	return rc == ERR_NONE ? policy_write_root(&w, p, POLICY_WRITE_SHARED)
			      : rc;
}
