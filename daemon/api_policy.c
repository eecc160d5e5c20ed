/* The policy in force, through the API. */

#include <stdlib.h>
#include <string.h>

#include "client.h"

#define PIECE_BYTES ((size_t)64 << 10)

/* The peer may not: commands and paths are this site's own. */
#define POLICY_READERS                                                       \
	(CLIENT_OPERATORS | ROLE_BIT(ROLE_VIEWER) | ROLE_BIT(ROLE_AUDITOR) | \
	    ROLE_BIT(ROLE_APPROVER))

/* In pieces of whole lines: a message has a maximum, a policy has none. */
static enum err_code
tell_text(struct client *c, const char *at, struct err *e)
{
	while (*at != '\0') {
		OWNED(wire_free) struct wire_value *v = NULL;
		size_t len = strnlen(at, PIECE_BYTES);
		const char *last = memrchr(at, '\n', len);
		enum err_code rc = wire_new(&v, "text", e);

		if (rc != ERR_NONE)
			return rc;
		if (last != NULL)
			len = (size_t)(last + 1 - at);
		wire_add_bytes(v, "text", at, len);
		client_reply(c, &v);
		at += len;
	}
	return ERR_NONE;
}

static enum err_code
run_policy_show(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf text = {0};
	OWNED(free_mem) char *file = realpath(d->policy_path, NULL);
	const char *path = file != NULL ? file : d->policy_path;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = policy_show(d->policy, &text, e);
	if (rc == ERR_NONE)
		rc = tell_text(c, buf_text(&text), e);
	if (rc == ERR_NONE)
		rc = client_summary(&v, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "site", d->policy->site);
	wire_add_text(v, "digest", d->digest);
	wire_add_path(v, "file", path, strlen(path));
	client_last(c, &v);
	return ERR_NONE;
}
const struct api_command api_policy_show = {"policy show", POLICY_READERS,
    run_policy_show};
