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
#include "words.h"

struct saying {
	struct daemon *d;
	const struct client_caller *who;
	struct approvals_word word;
	char *signature, *signer; /* signing's */
	struct words_signature signing;
	char said_seen[ID_HEX_BYTES];
	bool is_dry;
	/* when it is known what would be seen */
	struct request *r;
	const char *seen, *shown;
};

static void
saying_free(void **ctx)
{
	struct saying *s = TAKE(*ctx);

	if (s == NULL)
		return;
	free(s->signature);
	free(s->signer);
	free(s);
}

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

/* The newest of this person's words that this one says again, or undoes. */
static const struct approvals_word *
last_word(const struct saying *s)
{
	bool undoes = s->word.verb == APPROVALS_WITHDRAW;

	for (size_t i = s->r->word_count; i-- > 0;) {
		const struct approvals_word *w = &s->r->words[i];

		if ((undoes || w->verb == APPROVALS_WITHDRAW ||
			w->verb == s->word.verb) &&
		    approvals_same_person(&w->who, &s->word.who))
			return w;
	}
	return NULL;
}

/* An attestation is of its half hour: saying it again renews it. */
static enum err_code
said_already(const struct saying *s, struct err *e)
{
	const struct approvals_word *w = last_word(s);

	if (w == NULL || s->word.verb == APPROVALS_ATTEST ||
	    w->verb != s->word.verb || strcmp(w->seen, s->word.seen) != 0 ||
	    strcmp(w->reason, s->word.reason) != 0)
		return ERR_NONE;
	return err_set(e, ERR_EXISTS,
	    "'%s' has said so already, as '%s': a person counts once",
	    s->who->name, w->who.name);
}

enum err_code
request_is_somebody(const struct client_caller *who, struct err *e)
{
	const struct approvals_person p = {.uid = (int64_t)who->uid,
	    .login_uid = who->login_uid};

	if (words_is_somebody(&p))
		return ERR_NONE;
	err_set(e, ERR_REFUSED,
	    "'%s' is root, and no login tells who became it: to us that is "
	    "nobody",
	    who->name);
	return err_hint(e,
	    "say it from an account of your own, or log in as yourself and "
	    "use sudo");
}

/* Who asked says so, and nobody in the place of them. */
static enum err_code
check_requester(const struct saying *s, struct err *e)
{
	if (*s->signing.signature == '\0')
		return err_set(e, ERR_INPUT, "a request is signed with a key");
	if (strcmp(s->word.who.name, s->r->requester.name) == 0)
		return ERR_NONE;
	return err_set(e, ERR_REFUSED,
	    "'%s' asked for run %s, and '%s' cannot sign that",
	    s->r->requester.name, s->r->run, s->who->name);
}

static enum err_code
check_person(const struct saying *s, struct err *e)
{
	enum approvals_verb verb = s->word.verb;
	enum err_code rc = request_is_somebody(s->who, e);

	if (rc != ERR_NONE)
		return rc;
	if (verb == APPROVALS_APPROVE || verb == APPROVALS_SECOND)
		rc = not_the_requester(s, e);
	if (verb == APPROVALS_REQUEST)
		rc = check_requester(s, e);
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
		    now_words(s->r->expires, when));
		return err_hint(e, "it has to be asked for anew");
	}
	if (s->r->over)
		return err_set(e, ERR_REFUSED, "run %s has ended: %s",
		    s->r->run, s->r->phase);
	if (s->r->started &&
	    (s->word.verb == APPROVALS_APPROVE ||
		s->word.verb == APPROVALS_REQUEST))
		return err_set(e, ERR_REFUSED, "run %s has started already",
		    s->r->run);
	return ERR_NONE;
}

static enum err_code
check_seen(const struct saying *s, struct err *e)
{
	/* What follows a start is about the run, not about what it was. */
	const char *now = s->r->started ? s->r->seen : s->seen;
	char what[REQUEST_CHANGE_BYTES] = "it has changed";

	if (strcmp(s->said_seen, now) == 0 ||
	    strcmp(s->said_seen, s->seen) == 0)
		return ERR_NONE;
	/* Of what is on record it is known what has become of it. */
	if (s->r->shown != NULL && strcmp(s->said_seen, s->r->seen) == 0)
		request_say_change(s->r->shown, s->shown, what);
	err_set(e, ERR_REFUSED,
	    "what was seen (%.12s) is not what run %s is now (%.12s): %s",
	    s->said_seen, s->r->run, s->seen, what);
	return err_hint(e, "look again: 'bascule failover show %s'", s->r->run);
}

/* --- signatures --------------------------------------------------------------------------- */

/* The first of its services that wants this word signed; NULL: none does. */
static const char *
signed_for(const struct saying *s)
{
	for (size_t i = 0; i < s->r->service_count; i++)
		if (!words_counts(s->d->policy, s->r->services[i].name,
			&s->word))
			return s->r->services[i].name;
	return NULL;
}

static enum err_code
check_key(struct saying *s, struct err *e)
{
	struct approvals_signing *of = &s->signing.of;
	char how[REQUEST_RUN_BYTES + 24];
	enum err_code rc;

	of->run = s->r->run;
	of->verb = s->word.verb;
	of->seen = s->said_seen;
	of->reason = s->word.reason;
	snprintf(how, sizeof(how), "bascule %s %s",
	    of->verb == APPROVALS_REFUSE        ? "refuse"
		: of->verb == APPROVALS_REQUEST ? "failover sign"
						: "approve",
	    s->r->run);
	rc = words_may_say(s->d->policy, &s->signing,
	    &(struct words_asking){how, signed_for(s)}, &s->word, e);
	return rc == ERR_NONE
	    ? words_is_new(s->r->words, s->r->word_count, &s->word, e)
	    : rc;
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
	words_draft(d, &s->signing);
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

/* What `approve` says; what else there is has a command of its own. */
static enum err_code
find_verb(const char *verb, enum approvals_verb *out, struct err *e)
{
	if (approvals_verb_find(verb, out) && *out != APPROVALS_RELEASE &&
	    *out != APPROVALS_REQUEST)
		return ERR_NONE;
	return err_set(e, ERR_INPUT,
	    "'%s' is no word: approve, refuse, withdraw, second, attest or "
	    "accept",
	    verb);
}

static enum err_code
take_word(struct saying *s, struct wire_value *request, const char **run,
    struct err *e)
{
	const char *verb = wire_take_text(request, "verb", "approve");
	const char *reason = wire_take_text(request, "reason", "");
	const char *seen;
	enum err_code rc;

	*run = wire_need_text(request, "run");
	seen = wire_need_text(request, "seen");
	words_take_signature(request, &s->signing);
	s->is_dry = wire_take_bool(request, "dry_run", false);
	rc = client_asked(request, e);
	if (rc == ERR_NONE && s->word.verb != APPROVALS_REQUEST)
		rc = find_verb(verb, &s->word.verb, e);
	if (rc != ERR_NONE)
		return rc;
	if (strlen(reason) >= sizeof(s->word.reason) ||
	    strlen(seen) >= sizeof(s->said_seen))
		return err_set(e, ERR_INPUT, "the reason is too long");
	for (const char *c = reason; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(e, ERR_INPUT,
			    "the reason is one line of text");
	snprintf(s->word.reason, sizeof(s->word.reason), "%s", reason);
	snprintf(s->said_seen, sizeof(s->said_seen), "%s", seen);
	snprintf(s->word.seen, sizeof(s->word.seen), "%s", seen);
	s->signing.signature = s->signature = strdup(s->signing.signature);
	s->signing.signer = s->signer = strdup(s->signing.signer);
	if (s->signature == NULL || s->signer == NULL)
		return err_nomem(e);
	request_person(s->d, s->who, &s->word.who);
	return ERR_NONE;
}

/* An attestation is no approval: it takes two, who name one and the same
 * method (testimony_attested). */
static void
say_attested(const struct saying *s, const struct request *r,
    struct wire_value *end)
{
	struct approvals_word those[APPROVALS_WORDS_MAX];
	unsigned count = testimony_attested(those,
	    request_counting(s->d, r, NULL, those), now_utc());
	char verdict[256], next[REQUEST_NEXT_BYTES + REQUEST_TEXT_BYTES];

	snprintf(verdict, sizeof(verdict),
	    "%u of 2 people attest by the same method that '%.64s' is off",
	    count, r->from);
	if (count < 2)
		snprintf(next, sizeof(next),
		    "another person, within 30 minutes and in the same words: "
		    "bascule approve %s --attest \"%s\"%s",
		    r->run, s->word.reason,
		    s->word.who.key[0] != '\0' ? " --key FILE" : "");
	else
		snprintf(next, sizeof(next), "bascule failover show %s",
		    r->run);
	wire_add_text(end, "verdict", verdict);
	if (!s->is_dry)
		wire_add_text(end, "next", next);
}

static void
say_approved(const struct saying *s, const struct request *r,
    const struct approvals_judgement *j, struct wire_value *end)
{
	char next[REQUEST_NEXT_BYTES];

	wire_add_text(end, "verdict", j->text);
	wire_add_bool(end, "approved", j->suffices);
	if (!s->is_dry)
		wire_add_text(end, "next", request_next(r, j, next));
}

static enum err_code
answer(struct client *c, struct saying *s, struct err *e)
{
	char run[REQUEST_RUN_BYTES];
	struct request_book *b = NULL;
	OWNED(free_mem) struct approvals_judgement *j = calloc(1, sizeof(*j));
	OWNED(wire_free) struct wire_value *v = NULL, *end = NULL;
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
	wire_add_bool(v, "signed", s->word.who.key[0] != '\0');
	if (s->word.reason[0] != '\0')
		wire_add_text(v, "reason", s->word.reason);
	if (s->is_dry)
		wire_add_bool(v, "dry_run", true);
	client_reply(c, &v);
	wire_add_text(end, "run", r->run);
	if (s->word.verb == APPROVALS_ATTEST)
		say_attested(s, r, end);
	else
		say_approved(s, r, j, end);
	if (s->is_dry)
		wire_add_bool(end, "dry_run", true);
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
say(struct client *c, struct request_shown_now *now, struct err *e)
{
	struct saying *s = now->ctx;
	enum err_code rc;

	s->r = now->r;
	s->seen = now->seen;
	s->shown = now->shown;
	rc = check_all(s, e);
	if (rc == ERR_NONE && !s->is_dry)
		rc = record(s, e);
	if (rc == ERR_NONE && !s->is_dry)
		rc = withdraw(s, e);
	return rc == ERR_NONE ? answer(c, s, e) : rc;
}

static enum err_code
run_word(struct client *c, struct wire_value *request, enum approvals_verb verb,
    struct err *e)
{
	struct saying *s = calloc(1, sizeof(*s));
	const char *run = NULL;
	void *ctx = s;
	enum err_code rc;

	if (s == NULL)
		return err_nomem(e);
	*s = (struct saying){.d = client_daemon(c),
	    .who = client_caller(c),
	    .word.verb = verb};
	rc = take_word(s, request, &run, e);
	if (rc == ERR_NONE)
		return request_show_to(c, run, say, s, saying_free, e);
	saying_free(&ctx);
	return rc;
}

static enum err_code
run_approve(struct client *c, struct wire_value *request, struct err *e)
{
	return run_word(c, request, APPROVALS_APPROVE, e);
}
const struct api_command api_approve = {"approve",
    ROLE_BIT(ROLE_APPROVER) | ROLE_BIT(ROLE_DR_LEAD), run_approve};

static enum err_code
run_sign(struct client *c, struct wire_value *request, struct err *e)
{
	return run_word(c, request, APPROVALS_REQUEST, e);
}
const struct api_command api_failover_sign = {"failover sign", CLIENT_OPERATORS,
    run_sign};
