/*
 * What people say of keys, for the ledger: an escrow drill was held.  The
 * daemon has no key to try it with, so the record is its caller's word; who
 * that is stands in it.
 */

#include <string.h>

#include "client.h"

struct canary {
	const char *family, *recipient, *roles, *repository;
	uint64_t shares_count, sessions_count, opened_count, unread_count;
	const char *result;
};

static enum err_code
take_canary(struct canary *k, struct wire_value *request, struct err *e)
{
	enum err_code rc;

	k->family = wire_need_text(request, "family");
	k->recipient = wire_need_text(request, "recipient");
	k->roles = wire_take_text(request, "roles", "");
	k->repository = wire_take_text(request, "repository", "");
	k->shares_count = wire_take_uint(request, "shares", 0);
	k->sessions_count = wire_need_uint(request, "sessions");
	k->opened_count = wire_need_uint(request, "opened");
	k->unread_count = wire_take_uint(request, "unread", 0);
	rc = client_asked(request, e);
	if (rc != ERR_NONE)
		return rc;
	if (k->opened_count > k->sessions_count)
		return err_set(e, ERR_INPUT,
		    "more sessions opened than there are");
	k->result = k->sessions_count > 0 &&
		k->opened_count == k->sessions_count && k->unread_count == 0
	    ? LEDGER_CANARY_PROVED
	    : LEDGER_CANARY_NOT_PROVED;
	return ERR_NONE;
}

/* Only of the keys that open what this site has. */
static enum err_code
check_family(const struct daemon *d, const char *family, struct err *e)
{
	char ours[SURVEY_FAMILY_SIZE];
	enum err_code rc = survey_family(d->site->repository, ours, e);

	if (rc != ERR_NONE || strcmp(ours, family) == 0)
		return rc;
	return err_set(e, ERR_REFUSED,
	    "that drill was of family '%.40s', and the repository of site '%s' "
	    "is of family %s",
	    family, d->policy->site, ours);
}

static enum err_code
note_canary(struct client *c, const struct canary *k, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(draft_free) struct draft *draft = NULL;
	enum err_code rc = note_draft(&draft, d, NULL, LEDGER_CANARY, e);

	if (rc != ERR_NONE)
		return rc;
	draft_actor(draft, &client_caller(c)->actor);
	draft_text(draft, "result", k->result);
	draft_text(draft, "family", k->family);
	draft_text(draft, "recipient", k->recipient);
	draft_text(draft, "roles", k->roles);
	draft_text(draft, "repository", k->repository);
	draft_uint(draft, "shares", k->shares_count);
	draft_uint(draft, "sessions", k->sessions_count);
	draft_uint(draft, "opened", k->opened_count);
	draft_uint(draft, "unread", k->unread_count);
	return note_event(d, draft, e);
}

static enum err_code
run_key_canary(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(wire_free) struct wire_value *v = NULL;
	struct canary k = {0};
	enum err_code rc = take_canary(&k, request, e);

	if (rc == ERR_NONE)
		rc = check_family(d, k.family, e);
	if (rc == ERR_NONE)
		rc = note_canary(c, &k, e);
	if (rc == ERR_NONE)
		rc = client_summary(&v, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "site", d->policy->site);
	wire_add_text(v, "result", k.result);
	client_last(c, &v);
	return ERR_NONE;
}
const struct api_command api_key_canary = {"key canary", CLIENT_OPERATORS,
    run_key_canary};

/* --- in the status --------------------------------------------------------- */

struct newest {
	struct utc at;
	bool proved;
};

static enum err_code
keep_newest(void *ctx, const struct record *r, struct err *e)
{
	struct newest *n = ctx;
	char result[32];

	(void)e;
	n->at = r->at;
	n->proved = strcmp(record_text(r, "result", result, sizeof(result)),
			LEDGER_CANARY_PROVED) == 0;
	return ERR_NONE;
}

enum err_code
api_keys_tell(struct daemon *d, struct wire_value *v, struct err *e)
{
	const struct ledger_filter f = {.type = LEDGER_CANARY,
	    .limit = 1,
	    .newest = true};
	struct newest n = {0};
	enum err_code rc = ledger_iterate(d->ledger, &f, keep_newest, &n, e);

	if (rc != ERR_NONE || n.at.ns == 0)
		return rc;
	wire_add_utc(v, "escrow_tried", n.at);
	wire_add_bool(v, "escrow_proved", n.proved);
	wire_add_seconds(v, "escrow_age_seconds", now_utc().ns - n.at.ns);
	return ERR_NONE;
}
