/* A battle box was made: its maker's word, for the ledger and for readiness. */

#include <string.h>

#include "client.h"

static enum err_code
run_box_made(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(draft_free) struct draft *draft = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf path = {0};
	const char *sum = wire_need_text(request, "sha256");
	const char *policy = wire_need_text(request, "policy");
	const char *signer = wire_take_text(request, "signer", "");
	const uint64_t bytes = wire_need_uint(request, "bytes");
	struct id id;
	enum err_code rc;

	wire_take_path(request, "path", &path);
	rc = client_asked(request, e);

	if (rc == ERR_NONE && !id_parse(sum, &id))
		rc = err_set(e, ERR_INPUT, "'sha256' is no SHA-256 in hex");
	if (rc == ERR_NONE)
		rc = note_draft(&draft, d, NULL, LEDGER_BOX, e);
	if (rc != ERR_NONE)
		return rc;
	draft_actor(draft, &client_caller(c)->actor);
	draft_text(draft, "sha256", sum);
	draft_uint(draft, "bytes", bytes);
	draft_bytes(draft, "path", path.bytes, path.len_bytes);
	draft_text(draft, "of_policy", policy);
	draft_text(draft, "signer", signer);
	rc = note_event(d, draft, e);
	if (rc == ERR_NONE)
		rc = client_summary(&v, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "site", d->policy->site);
	client_last(c, &v);
	return ERR_NONE;
}
const struct api_command api_box_made = {"box made", CLIENT_OPERATORS,
    run_box_made};
