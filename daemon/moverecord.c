/* Records of a move: docs/protocol/moves.md, "Records". */

#include "moves.h"

enum err_code
moverecord_draft(struct draft **out, struct daemon *d, const struct move *m,
    const char *service, const char *event, struct err *e)
{
	enum err_code rc = note_draft(out, d, service, LEDGER_FAILOVER, e);

	if (rc != ERR_NONE)
		return rc;
	draft_run(*out, m->run);
	draft_text(*out, "event", event);
	draft_text(*out, "mode", guards_mode_name(m->mode));
	draft_text(*out, "from_site", m->from);
	draft_text(*out, "to_site", m->to);
	return ERR_NONE;
}

enum err_code
moverecord_fact(struct daemon *d, const struct move *m, const char *event,
    uint64_t epoch, const char *point, const char *reason, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	enum err_code rc = moverecord_draft(&draft, d, m, m->service, event, e);

	if (rc != ERR_NONE)
		return rc;
	if (epoch > 0)
		draft_uint(draft, "epoch", epoch);
	if (point != NULL && *point != '\0')
		draft_text(draft, "point", point);
	if (reason != NULL && *reason != '\0')
		draft_text(draft, "reason", reason);
	rc = note_event(d, draft, e);
	if (rc == ERR_NONE)
		moves_told(d);
	return rc;
}
