/*
 * approve, refuse and their like: a person's word about a run.  What was seen is
 * made anew here, and a word about anything else is refused.
 */

#include <stdlib.h>
#include <string.h>

#include <bascule/base/exitcode.h>
#include <bascule/crypt.h>

#include "client.h"
#include "facts.h"
#include "moves.h"

struct saying {
	struct daemon *d;
	const struct client_caller *who;
	struct request *r;
	struct approvals_word word;
	const char *signature, *signer; /* "": not signed */
	char seen[ID_HEX_BYTES];        /* as it would be seen now */
	const char *said_seen;
	bool is_signed;
};

/* --- is it this person's to say? ----------------------------------------------------- */

static enum err_code
not_the_requester(const struct saying *s, struct err *e)
{
	if (!approvals_same_person(&s->word.who, &s->r->requester))
		return ERR_NONE;
	err_set(e, ERR_REFUSED,
	    "G03: '%s' asked for run %s and cannot approve it: to us the same "
	    "person as '%s'",
	    s->who->name, s->r->run, s->r->requester.name);
	return err_hint(e,
	    "an account, its name, a login and a key are one person; somebody "
	    "else approves");
}

static enum err_code
check_second(const struct saying *s, struct err *e)
{
	if (!s->r->glass_broken) {
		err_set(e, ERR_REFUSED, "nobody has broken the glass of run %s",
		    s->r->run);
		return err_hint(e, "to approve it: 'bascule approve %s'",
		    s->r->run);
	}
	if (approvals_same_person(&s->word.who, &s->r->glass_by))
		return err_set(e, ERR_REFUSED,
		    "'%s' broke the glass of run %s: the second person is "
		    "another one",
		    s->who->name, s->r->run);
	return ERR_NONE;
}

static enum err_code
said_already(const struct saying *s, struct err *e)
{
	for (size_t i = 0; i < s->r->word_count; i++) {
		const struct approvals_word *w = &s->r->words[i];

		if (w->verb == s->word.verb &&
		    strcmp(w->seen, s->word.seen) == 0 &&
		    strcmp(w->reason, s->word.reason) == 0 &&
		    approvals_same_person(&w->who, &s->word.who))
			return err_set(e, ERR_EXISTS,
			    "'%s' has said so already, as '%s': a person "
			    "counts once",
			    s->who->name, w->who.name);
	}
	return ERR_NONE;
}

static enum err_code
check_person(const struct saying *s, struct err *e)
{
	enum approvals_verb verb = s->word.verb;
	enum err_code rc = ERR_NONE;

	if (verb == APPROVALS_APPROVE || verb == APPROVALS_SECOND)
		rc = not_the_requester(s, e);
	if (rc == ERR_NONE && verb == APPROVALS_SECOND)
		rc = check_second(s, e);
	if (rc == ERR_NONE && verb == APPROVALS_ATTEST &&
	    s->word.reason[0] == '\0')
		rc = err_set(e, ERR_INPUT,
		    "who attests names the physical method: 'power of app1 is "
		    "off', not that it is so");
	return rc == ERR_NONE ? said_already(s, e) : rc;
}

/* --- is it still open? ------------------------------------------------------------------ */

static enum err_code
check_open(const struct saying *s, struct err *e)
{
	char when[NOW_TEXT_BYTES];

	if (strcmp(s->r->phase, "EXPIRED") == 0) {
		err_set(e, ERR_REFUSED, "run %s expired at %s", s->r->run,
		    now_text(s->r->expires, when));
		return err_hint(e, "it has to be asked for anew");
	}
	if (s->r->over)
		return err_set(e, ERR_REFUSED, "run %s has ended: %s",
		    s->r->run, s->r->phase);
	if (s->r->started && s->word.verb == APPROVALS_APPROVE)
		return err_set(e, ERR_REFUSED, "run %s has started already",
		    s->r->run);
	return ERR_NONE;
}

static enum err_code
check_seen(const struct saying *s, struct err *e)
{
	/* What follows a start is about the run, not about what it was. */
	const char *now = s->r->started ? s->r->seen : s->seen;

	if (strcmp(s->said_seen, now) == 0 ||
	    strcmp(s->said_seen, s->seen) == 0)
		return ERR_NONE;
	err_set(e, ERR_REFUSED,
	    "what was seen (%.12s) is not what run %s is now (%.12s): it has "
	    "changed",
	    s->said_seen, s->r->run, s->seen);
	return err_hint(e, "look again: 'bascule failover show %s'", s->r->run);
}

/* --- signatures --------------------------------------------------------------------------- */

static enum err_code
check_signature(struct saying *s, const struct policy_person *p, struct err *e)
{
	uint8_t signature[SIGN_BYTES];
	char fingerprint[SIGN_FINGERPRINT_SIZE];
	OWNED(buf_fini) struct buf m = {0};
	struct sign_public pub;
	enum err_code rc;

	if (!text_unhex(s->signature, signature, SIGN_BYTES) ||
	    !text_unhex(s->signer, pub.bytes, SIGN_PUBLIC_BYTES))
		return err_set(e, ERR_INPUT, "that is no signature");
	rc = sign_fingerprint(&pub, fingerprint, e);
	if (rc != ERR_NONE)
		return rc;
	if (strcmp(fingerprint, p->key) != 0) {
		err_set(e, ERR_REFUSED, "the policy names another key of '%s'",
		    s->who->name);
		return err_hint(e, "it names %s; this is %s", p->key,
		    fingerprint);
	}
	rc = request_signed(s->r->run, s->word.verb, s->said_seen, &m, e);
	if (rc == ERR_NONE &&
	    sign_check(&pub, REQUEST_SIGN_LABEL, m.bytes, m.len_bytes,
		signature, e) != ERR_NONE)
		rc = err_set(e, ERR_REFUSED,
		    "the signature is not of this word about run %s",
		    s->r->run);
	s->is_signed = rc == ERR_NONE;
	snprintf(s->word.who.key, sizeof(s->word.who.key), "%s", fingerprint);
	return rc;
}

static enum err_code
check_key(struct saying *s, struct err *e)
{
	const struct policy_person *p =
	    policy_find_person(s->d->policy, s->who->name);
	bool has_key = p != NULL && p->key[0] != '\0';

	if (*s->signature != '\0' && has_key)
		return check_signature(s, p, e);
	if (*s->signature != '\0') {
		err_set(e, ERR_REFUSED,
		    "the policy names no key of '%s': a signature would prove "
		    "nothing",
		    s->who->name);
		return err_hint(e, "'people' in the policy names them");
	}
	if (!has_key)
		return ERR_NONE;
	err_set(e, ERR_REFUSED,
	    "the policy names a key of '%s': without its signature nothing "
	    "counts",
	    s->who->name);
	return err_hint(e, "bascule approve %s --key FILE", s->r->run);
}

/* --- the record ----------------------------------------------------------------------------- */

const char *
request_roles_text(uint32_t roles, char out[REQUEST_ROLES_BYTES])
{
	size_t len = 0;

	out[0] = '\0';
	for (int r = 0; r < ROLE_COUNT; r++)
		if ((roles & ROLE_BIT(r)) != 0)
			len += (size_t)snprintf(out + len,
			    REQUEST_ROLES_BYTES - len, "%s%s",
			    len > 0 ? " " : "", role_name((enum role)r));
	return out;
}

/* One service's runs are of its owner's chain. */
static const char *
chain_service(const struct request *r)
{
	return r->service_count == 1 ? r->services[0].name : NULL;
}

static enum err_code
record(const struct saying *s, struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	char roles[REQUEST_ROLES_BYTES];
	enum err_code rc =
	    note_draft(&d, s->d, chain_service(s->r), LEDGER_APPROVAL, e);

	if (rc != ERR_NONE)
		return rc;
	draft_run(d, s->r->run);
	draft_actor(d, &s->who->actor);
	draft_text(d, "verb", approvals_verb_name(s->word.verb));
	draft_text(d, "seen", s->said_seen);
	draft_text(d, "reason", s->word.reason);
	draft_text(d, "roles", request_roles_text(s->who->roles, roles));
	draft_int(d, "login_uid", s->who->login_uid);
	draft_text(d, "login_name", s->who->login_name);
	if (s->is_signed) {
		draft_text(d, "signature", s->signature);
		draft_text(d, "signer", s->signer);
	}
	return request_note(s->d, d, e);
}

/* A no before the start ends the run, where it was asked for. */
static enum err_code
withdraw(const struct saying *s, struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	char reason[REQUEST_TEXT_BYTES];
	enum err_code rc;

	if (s->word.verb != APPROVALS_REFUSE || s->r->started ||
	    strcmp(s->r->asked_at, s->d->policy->site) != 0)
		return ERR_NONE;
	rc = note_draft(&d, s->d, NULL, LEDGER_FAILOVER, e);
	if (rc != ERR_NONE)
		return rc;
	snprintf(reason, sizeof(reason), "refused by %s%s%s", s->who->name,
	    s->word.reason[0] != '\0' ? ": " : "", s->word.reason);
	draft_run(d, s->r->run);
	draft_actor(d, &s->who->actor);
	draft_text(d, "event", "WITHDRAWN");
	draft_text(d, "mode", guards_mode_name(s->r->mode));
	draft_text(d, "from_site", s->r->from);
	draft_text(d, "to_site", s->r->to);
	draft_text(d, "reason", reason);
	rc = request_note(s->d, d, e);
	if (rc == ERR_NONE)
		moverecord_tell(s->d,
		    &(struct moverecord_news){s->r->run, NULL, "WITHDRAWN",
			reason, s->r->from, s->r->to});
	return rc;
}

/* --- the command ------------------------------------------------------------------------------ */

static enum err_code
take_word(struct saying *s, struct wire_value *request, const char **run,
    bool *is_dry, struct err *e)
{
	const char *verb = wire_take_text(request, "verb", "approve");
	const char *reason = wire_take_text(request, "reason", "");
	bool known = approvals_verb_find(verb, &s->word.verb) &&
	    s->word.verb != APPROVALS_RELEASE;
	enum err_code rc;

	*run = wire_need_text(request, "run");
	s->said_seen = wire_need_text(request, "seen");
	s->signature = wire_take_text(request, "signature", "");
	s->signer = wire_take_text(request, "signer", "");
	*is_dry = wire_take_bool(request, "dry_run", false);
	rc = client_asked(request, e);
	if (rc != ERR_NONE)
		return rc;
	if (!known)
		return err_set(e, ERR_INPUT,
		    "'%s' is no word: approve, refuse, withdraw, second, "
		    "attest or accept",
		    verb);
	if (strlen(reason) >= sizeof(s->word.reason) ||
	    strlen(s->said_seen) >= sizeof(s->word.seen))
		return err_set(e, ERR_INPUT, "the reason is too long");
	for (const char *c = reason; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(e, ERR_INPUT,
			    "the reason is one line of text");
	snprintf(s->word.reason, sizeof(s->word.reason), "%s", reason);
	snprintf(s->word.seen, sizeof(s->word.seen), "%s", s->said_seen);
	request_person(s->d, s->who, &s->word.who);
	return ERR_NONE;
}

static enum err_code
answer(struct client *c, struct saying *s, bool is_dry, struct err *e)
{
	char run[REQUEST_RUN_BYTES];
	struct request_book *b = NULL;
	OWNED(free_mem) struct approvals_judgement *j = calloc(1, sizeof(*j));
	OWNED(wire_free) struct wire_value *v = NULL, *end = NULL;
	char next[REQUEST_NEXT_BYTES];
	struct request *r = NULL;
	enum err_code rc = j == NULL ? err_nomem(e) : ERR_NONE;

	snprintf(run, sizeof(run), "%s", s->r->run);
	s->r = NULL; /* what was borrowed is no more */
	if (rc == ERR_NONE)
		rc = request_find(&b, s->d, run, &r, e);
	if (rc == ERR_NONE)
		rc = wire_new(&v, "approval", e);
	if (rc == ERR_NONE)
		rc = client_summary(&end, e);
	if (rc != ERR_NONE)
		return rc;
	request_judge(s->d, r, s->seen, j);
	wire_add_text(v, "run", r->run);
	wire_add_text(v, "verb", approvals_verb_name(s->word.verb));
	wire_add_text(v, "actor", s->who->name);
	wire_add_text(v, "site", s->d->policy->site);
	if (s->who->council[0] != '\0')
		wire_add_text(v, "council", s->who->council);
	wire_add_utc(v, "at", now_utc());
	wire_add_text(v, "seen", s->said_seen);
	wire_add_bool(v, "signed", s->is_signed);
	if (s->word.reason[0] != '\0')
		wire_add_text(v, "reason", s->word.reason);
	client_reply(c, &v);
	wire_add_text(end, "run", r->run);
	wire_add_text(end, "verdict", j->text);
	wire_add_bool(end, "approved", j->suffices);
	if (is_dry)
		wire_add_bool(end, "dry_run", true);
	else
		wire_add_text(end, "next", request_next(r, j, next));
	client_last(c, &end);
	return ERR_NONE;
}

static enum err_code
check_all(struct saying *s, struct err *e)
{
	enum err_code rc = check_open(s, e);

	if (rc == ERR_NONE)
		rc = check_key(s, e);
	if (rc == ERR_NONE)
		rc = check_seen(s, e);
	return rc == ERR_NONE ? check_person(s, e) : rc;
}

static enum err_code
run_approve(struct client *c, struct wire_value *request, struct err *e)
{
	struct request_book *b = NULL;
	OWNED(buf_fini) struct buf shown = {0};
	struct saying s = {.d = client_daemon(c), .who = client_caller(c)};
	const char *run = NULL;
	bool is_dry = false;
	enum err_code rc = take_word(&s, request, &run, &is_dry, e);

	if (rc == ERR_NONE)
		rc = request_find(&b, s.d, run, &s.r, e);
	if (rc == ERR_NONE)
		rc = request_shown(s.d, b, s.r, &shown, s.seen, e);
	if (rc == ERR_NONE)
		rc = check_all(&s, e);
	if (rc == ERR_NONE && !is_dry)
		rc = record(&s, e);
	if (rc == ERR_NONE && !is_dry)
		rc = withdraw(&s, e);
	return rc == ERR_NONE ? answer(c, &s, is_dry, e) : rc;
}
const struct api_command api_approve = {"approve",
    ROLE_BIT(ROLE_APPROVER) | ROLE_BIT(ROLE_DR_LEAD), run_approve};
