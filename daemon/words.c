#include "words.h"

#include <string.h>

#include <bascule/base/role.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>
#include <bascule/wire.h>

#include "request.h"

#define OF_ONE_MAX 2 /* WD3: attestations may name two methods */

/* --- whose -------------------------------------------------------------------- */

static unsigned
roles_of(const char *names)
{
	unsigned roles = 0;
	char name[32];

	while (*names != '\0') {
		size_t len = strcspn(names, " ");
		enum role role;

		snprintf(name, sizeof(name), "%.*s",
		    (int)(len < sizeof(name) ? len : sizeof(name) - 1), names);
		if (role_of_name(name, &role))
			roles |= ROLE_BIT(role);
		names += len + (names[len] == ' ');
	}
	return roles;
}

void
words_person(const struct policy *p, const struct record *r, const char *site,
    struct approvals_person *out)
{
	const struct policy_person *named;
	char roles[REQUEST_ROLES_BYTES];

	*out = (struct approvals_person){.uid = record_int(r, "@actor.uid",
					     APPROVALS_NO_UID),
	    .login_uid = record_int(r, "login_uid", APPROVALS_NO_UID)};
	record_text(r, "login_name", out->login_name, sizeof(out->login_name));
	record_text(r, "@actor.name", out->name, sizeof(out->name));
	record_text(r, "@actor.council", out->council, sizeof(out->council));
	snprintf(out->site, sizeof(out->site), "%s", site);
	out->roles = roles_of(record_text(r, "roles", roles, sizeof(roles)));
	named = policy_find_person(p, out->name);
	if (named != NULL && named->council[0] != '\0')
		snprintf(out->council, sizeof(out->council), "%s",
		    named->council);
}

bool
words_is_somebody(const struct approvals_person *who)
{
	return who->uid != 0 || who->login_uid > 0;
}

/* --- signatures ------------------------------------------------------------------ */

enum err_code
words_check(const struct policy_person *p, const struct words_signature *s,
    char fingerprint[SIGN_FINGERPRINT_SIZE], struct err *e)
{
	OWNED(buf_fini) struct buf m = {0};
	uint8_t signature[SIGN_BYTES];
	struct sign_public pub;
	const char *label;
	enum err_code rc;

	if (!text_unhex(s->signature, signature, SIGN_BYTES) ||
	    !text_unhex(s->signer, pub.bytes, SIGN_PUBLIC_BYTES))
		return err_set(e, ERR_INPUT, "that is no signature");
	rc = sign_fingerprint(&pub, fingerprint, e);
	if (rc != ERR_NONE)
		return rc;
	if (strcmp(fingerprint, p->key) != 0) {
		err_set(e, ERR_REFUSED, "the policy names another key of '%s'",
		    p->name);
		return err_hint(e, "it names %s; this is %s", p->key,
		    fingerprint);
	}
	rc = approvals_signed(&s->of, &label, &m, e);
	if (rc == ERR_NONE &&
	    sign_check(&pub, label, m.bytes, m.len_bytes, signature, e) !=
		ERR_NONE)
		rc = err_set(e, ERR_REFUSED,
		    "the signature is not of this word about %s%s",
		    *s->of.run != '\0' ? "run " : "",
		    *s->of.run != '\0' ? s->of.run : s->of.service);
	return rc;
}

void
words_take_signature(struct wire_value *request, struct words_signature *out)
{
	*out = (struct words_signature){.signature = wire_take_text(request,
					    "signature", ""),
	    .signer = wire_take_text(request, "signer", ""),
	    .of = {.run = "",
		.service = "",
		.seen = "",
		.said = wire_take_utc(request, "said", (struct utc){0}),
		.reason = "",
		.note = ""}};
}

/* It is of now, by both clocks. */
static enum err_code
check_clock(struct utc said, struct err *e)
{
	char there[NOW_TEXT_BYTES], here[NOW_TEXT_BYTES];
	char off[TEXT_UNIT_BYTES];
	struct utc now = now_utc();
	int64_t ns = said.ns > now.ns ? said.ns - now.ns : now.ns - said.ns;

	if (said.ns <= 0)
		return err_set(e, ERR_INPUT,
		    "the signature says no time (`said`): sign with the "
		    "program of this version");
	if (ns <= WORDS_CLOCK_NS)
		return ERR_NONE;
	err_set(e, ERR_REFUSED,
	    "it was signed at %s by the signer's clock, and it is %s by the "
	    "clock of this daemon: %s apart, and more than 5m is too much",
	    now_text(said, there), now_text(now, here),
	    text_duration(ns / NS_PER_S * NS_PER_S, off));
	return err_hint(e,
	    "set the clock that is wrong, then sign anew: a signature is of "
	    "its time");
}

bool
words_counts(const struct policy *p, const char *service,
    const struct approvals_word *w)
{
	const struct policy_service *s = policy_find_service(p, service);

	return s == NULL || !s->approvals.is_signed || w->who.key[0] != '\0' ||
	    (w->verb != APPROVALS_APPROVE && w->verb != APPROVALS_SECOND &&
		w->verb != APPROVALS_ATTEST && w->verb != APPROVALS_RELEASE &&
		w->verb != APPROVALS_REQUEST);
}

/* Nobody's whose key the policy does not name. */
static enum err_code
check_keyless(const struct words_asking *asking, const struct approvals_word *w,
    struct err *e)
{
	if (asking->signed_for == NULL)
		return ERR_NONE;
	err_set(e, ERR_REFUSED,
	    "of '%s' only signed words count (approvals.signed), and the "
	    "policy names no key of '%s'",
	    asking->signed_for, w->who.name);
	return err_hint(e,
	    "somebody whose key `people` names says it; a key for '%s': "
	    "'bascule key person FILE', then its fingerprint into the policy "
	    "of both sites",
	    w->who.name);
}

enum err_code
words_may_say(const struct policy *p, const struct words_signature *s,
    const struct words_asking *asking, struct approvals_word *w, struct err *e)
{
	const struct policy_person *person = policy_find_person(p, w->who.name);
	bool has_key = person != NULL && person->key[0] != '\0';
	char fingerprint[SIGN_FINGERPRINT_SIZE];
	enum err_code rc;

	if (*s->signature != '\0' && !has_key) {
		err_set(e, ERR_REFUSED,
		    "the policy names no key of '%s': a signature would prove "
		    "nothing",
		    w->who.name);
		return err_hint(e, "'people' in the policy names them");
	}
	if (*s->signature == '\0' && has_key) {
		err_set(e, ERR_REFUSED,
		    "the policy names a key of '%s': without its signature "
		    "nothing counts",
		    w->who.name);
		return err_hint(e, "%s --key FILE", asking->how);
	}
	if (!has_key)
		return check_keyless(asking, w, e);
	rc = check_clock(s->of.said, e);
	if (rc == ERR_NONE)
		rc = words_check(person, s, fingerprint, e);
	if (rc != ERR_NONE)
		return rc;
	snprintf(w->who.key, sizeof(w->who.key), "%s", fingerprint);
	w->said = s->of.said;
	return ERR_NONE;
}

enum err_code
words_is_new(const struct approvals_word *words, size_t count,
    const struct approvals_word *w, struct err *e)
{
	char then[NOW_TEXT_BYTES], now[NOW_TEXT_BYTES];

	for (size_t i = 0; i < count; i++) {
		const struct approvals_word *o = &words[i];

		if (w->said.ns == 0 || o->said.ns < w->said.ns ||
		    strcmp(o->who.key, w->who.key) != 0)
			continue;
		err_set(e, ERR_REFUSED,
		    "'%s' has signed '%s' at %s, which is not before this word "
		    "(%s): of one person the signed times are the order",
		    o->who.name, approvals_verb_name(o->verb),
		    now_text(o->said, then), now_text(w->said, now));
		return err_hint(e,
		    "sign anew, by a clock that is past it; a signature that "
		    "was used is used up");
	}
	return ERR_NONE;
}

void
words_draft(struct draft *d, const struct words_signature *s)
{
	if (*s->signature == '\0')
		return;
	draft_text(d, "signature", s->signature);
	draft_text(d, "signer", s->signer);
	draft_utc(d, "said_ns", s->of.said);
}

/* What was signed, as its record has it.  It borrows from w and out. */
struct signed_texts {
	char signature[2 * SIGN_BYTES + 1];
	char signer[2 * SIGN_PUBLIC_BYTES + 1];
	char run[REQUEST_RUN_BYTES], service[LEDGER_NAME_BYTES_MAX + 1];
	char note[REQUEST_TEXT_BYTES];
};

static void
read_signature(const struct record *r, const struct approvals_word *w,
    struct signed_texts *t, struct words_signature *out)
{
	bool is_release = w->verb == APPROVALS_RELEASE;

	*out = (struct words_signature){.signature = record_text(r, "signature",
					    t->signature, sizeof(t->signature)),
	    .signer = record_text(r, "signer", t->signer, sizeof(t->signer)),
	    .of = {.run = record_text(r, "@run", t->run, sizeof(t->run)),
		.service = is_release
		    ? record_text(r, "@service", t->service, sizeof(t->service))
		    : "",
		.verb = w->verb,
		.seen = w->seen,
		.said = {record_int(r, "said_ns", 0)},
		.reason = w->reason,
		.note = is_release
		    ? record_text(r, "note", t->note, sizeof(t->note))
		    : ""}};
}

/*
 * WD2.  False: the policy names a key for this person, and the record has no good
 * signature by it.  What v1 does not hold, it does not prove: the method that is
 * attested, the owner that is named.  The record's time and the signed one are as
 * far apart as the daemon allowed, and then it wrote.
 */
static bool
check_signature(const struct policy *p, const struct record *r,
    struct approvals_word *w)
{
	const struct policy_person *person = policy_find_person(p, w->who.name);
	char fingerprint[SIGN_FINGERPRINT_SIZE];
	struct words_signature s;
	struct signed_texts t;
	struct err e;
	int64_t off;

	if (person == NULL || person->key[0] == '\0')
		return true;
	read_signature(r, w, &t, &s);
	if (words_check(person, &s, fingerprint, &e) != ERR_NONE)
		return false;
	off = r->at.ns - s.of.said.ns;
	if (s.of.said.ns == 0
		? w->verb == APPROVALS_ATTEST || w->verb == APPROVALS_RELEASE
		: s.of.said.ns < 0 || off > 2 * WORDS_CLOCK_NS ||
		    off < -2 * WORDS_CLOCK_NS)
		return false;
	snprintf(w->who.key, sizeof(w->who.key), "%s", fingerprint);
	w->said = s.of.said;
	return true;
}

bool
words_read(const struct policy *p, const struct record *r, const char *site,
    struct approvals_word *out)
{
	char verb[16];

	*out = (struct approvals_word){.at = r->at, .row = r->row};
	if (r->phase == RECORD_INTENT ||
	    !approvals_verb_find(record_text(r, "verb", verb, sizeof(verb)),
		&out->verb))
		return false;
	words_person(p, r, site, &out->who);
	record_text(r, "seen", out->seen, sizeof(out->seen));
	record_text(r, "reason", out->reason, sizeof(out->reason));
	if (!words_is_somebody(&out->who) || !check_signature(p, r, out))
		return false;
	text_mend_end(out->reason);
	return true;
}

/* --- keeping them ------------------------------------------------------------------ */

static bool
is_of_account(const struct approvals_person *a,
    const struct approvals_person *b)
{
	return a->uid == b->uid && a->login_uid == b->login_uid &&
	    strcmp(a->site, b->site) == 0 && strcmp(a->name, b->name) == 0 &&
	    strcmp(a->login_name, b->login_name) == 0 &&
	    strcmp(a->key, b->key) == 0;
}

void
words_take(struct approvals_word *words, size_t *count, size_t max,
    const struct approvals_word *word)
{
	size_t own = 0;

	if (testimony_is_stale(words, *count, word))
		return; /* it pushes out nothing */
	for (size_t i = *count; i-- > 0;) {
		const struct approvals_word *w = &words[i];

		if (w->verb != word->verb ||
		    !is_of_account(&w->who, &word->who) ||
		    (strcmp(w->seen, word->seen) == 0 &&
			strcmp(w->reason, word->reason) == 0) ||
		    ++own < OF_ONE_MAX)
			continue;
		memmove(&words[i], &words[i + 1],
		    (--*count - i) * sizeof(words[0]));
	}
	testimony_take(words, count, max, word);
}
