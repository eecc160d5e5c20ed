/* Whether those who approved suffice, and when what they saw has changed. */

#include "alarm.h"
#include "request.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/crypt.h>

#include "facts.h"
#include "moves.h"
#include "peer.h"
#include "ready.h"
#include "words.h"

/* --- the rule -------------------------------------------------------------------- */

uint32_t
request_roles(enum guards_mode mode)
{
	uint32_t leads = ROLE_BIT(ROLE_DR_LEAD) | ROLE_BIT(ROLE_ADMIN);

	return mode == GUARDS_UNPLANNED ? leads
					: leads | ROLE_BIT(ROLE_OPERATOR);
}

static void
stricter(struct approvals_rule *rule, const struct policy_approvals *a,
    enum guards_mode mode)
{
	unsigned needed =
	    mode == GUARDS_UNPLANNED ? a->unplanned_count : a->planned_count;

	if (needed > rule->needed)
		rule->needed = needed;
	rule->other_council = rule->other_council || a->from_other_council;
	rule->is_signed = rule->is_signed || a->is_signed;
	if (rule->expire_ns == 0 ||
	    (a->expire_ns > 0 && a->expire_ns < rule->expire_ns))
		rule->expire_ns = a->expire_ns;
	if (rule->second_within_ns == 0 ||
	    (a->second_within_ns > 0 &&
		a->second_within_ns < rule->second_within_ns))
		rule->second_within_ns = a->second_within_ns;
}

void
request_rule(const struct daemon *d, const struct request *r,
    struct approvals_rule *out)
{
	*out = (struct approvals_rule){.roles = ROLE_BIT(ROLE_APPROVER) |
		ROLE_BIT(ROLE_DR_LEAD),
	    .is_timed = !r->started,
	    .glass_broken = r->glass_broken,
	    .glass_at = r->glass_at,
	    .glass_by = r->glass_by};
	for (size_t i = 0; i < r->service_count; i++) {
		const struct policy_service *s =
		    policy_find_service(d->policy, r->services[i].name);

		if (s != NULL)
			stricter(out, &s->approvals, r->mode);
	}
}

/* Where words are to be signed the policy says of which council somebody is, and
 * not the site at which they said it. */
static const char *
council_by(const struct daemon *d, const struct approvals_rule *rule,
    const struct approvals_person *who)
{
	const struct policy_person *named =
	    policy_find_person(d->policy, who->name);

	if (!rule->is_signed)
		return who->council;
	return named == NULL ? "" : named->council;
}

/* Who asked without one asked for the owner's. */
static const char *
requester_council(const struct daemon *d, const struct approvals_rule *rule,
    const struct request *r)
{
	const char *council = council_by(d, rule, &r->requester);
	const struct policy_service *s = r->service_count == 0
	    ? NULL
	    : policy_find_service(d->policy, r->services[0].name);

	return council[0] != '\0' || s == NULL ? council : s->owner;
}

/* No council is none other than the requester's. */
static bool
has_other_council(const struct daemon *d, const struct approvals_rule *rule,
    const struct request *r, const struct approvals_judgement *j)
{
	const char *own = requester_council(d, rule, r);

	for (size_t i = 0; i < r->word_count; i++) {
		const char *council = council_by(d, rule, &r->words[i].who);

		if (j->standing[i] == APPROVALS_COUNTS && council[0] != '\0' &&
		    strcmp(council, own) != 0)
			return true;
	}
	return false;
}

void
request_judge(const struct daemon *d, const struct request *r, const char *seen,
    struct approvals_judgement *out)
{
	static const char lacks[] = "; one of another council is needed";
	struct approvals_rule rule;
	size_t len;

	request_rule(d, r, &rule);
	approvals_judge(r->words, r->word_count, &rule, &r->requester, seen,
	    now_utc(), out);
	if (!rule.other_council || !out->council_ok ||
	    has_other_council(d, &rule, r, out))
		return;
	out->council_ok = false;
	out->suffices = out->suffices && rule.glass_broken;
	len = strlen(out->text);
	snprintf(out->text + len, sizeof(out->text) - len, "%s", lacks);
}

static bool
counts(const struct daemon *d, const struct request *r, const char *service,
    const struct approvals_word *w)
{
	for (size_t i = 0; service == NULL && i < r->service_count; i++)
		if (!words_counts(d->policy, r->services[i].name, w))
			return false;
	return service == NULL || words_counts(d->policy, service, w);
}

size_t
request_counting(const struct daemon *d, const struct request *r,
    const char *service, struct approvals_word out[APPROVALS_WORDS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < r->word_count; i++)
		if (counts(d, r, service, &r->words[i]))
			out[count++] = r->words[i];
	return count;
}

const struct request_standing *
request_stands(struct daemon *d, const char *run)
{
	OWNED(free_mem) struct approvals_judgement *j = calloc(1, sizeof(*j));
	struct request_book *b = NULL;
	struct request_standing *s;
	struct request *r = NULL;
	struct err e; /* who asks about the run itself is told */

	if (j == NULL || request_find(&b, d, run, &r, &e) != ERR_NONE)
		return NULL;
	if (b->standing == NULL)
		b->standing = calloc(1, sizeof(*b->standing));
	s = b->standing;
	if (s == NULL ||
	    (strcmp(s->run, run) == 0 && s->word_count == r->word_count &&
		s->changes == r->changes &&
		now_mono().ns - s->at.ns < NS_PER_S))
		return s;
	request_judge(d, r, r->seen, j);
	*s = (struct request_standing){.at = now_mono(),
	    .word_count = r->word_count,
	    .changes = r->changes,
	    .needed = j->needed,
	    .suffices = j->suffices};
	snprintf(s->run, sizeof(s->run), "%s", r->run);
	snprintf(s->verdict, sizeof(s->verdict), "%s", j->text);
	request_next(r, j, s->next);
	return s;
}

/* --- when it changes ------------------------------------------------------------------ */

#define LOOK_NS     (15 * NS_PER_S)
#define CHANGES_MAX 200

/* "service 5:pages": whose lines follow. */
static void
take_name(const char *line, size_t len, char name[65])
{
	const char *at = memchr(line, ':', len);

	if (at != NULL && strncmp(line, "service ", 8) == 0)
		snprintf(name, 65, "%.*s", (int)(len - (size_t)(at + 1 - line)),
		    at + 1);
}

void
request_say_change(const char *was, const char *is,
    char out[REQUEST_CHANGE_BYTES])
{
	char name[65] = "";

	while (*was != '\0' || *is != '\0') {
		size_t a = strcspn(was, "\n"), b = strcspn(is, "\n");

		if (a != b || strncmp(was, is, a) != 0) {
			snprintf(out, REQUEST_CHANGE_BYTES,
			    "%s%s'%.*s' is '%.*s' now", name,
			    name[0] != '\0' ? ": " : "", (int)(a < 60 ? a : 60),
			    was, (int)(b < 60 ? b : 60), is);
			text_mend_end(out);
			return;
		}
		take_name(was, a, name);
		was += a + (was[a] == '\n');
		is += b + (is[b] == '\n');
	}
	snprintf(out, REQUEST_CHANGE_BYTES, "it has changed");
}

static enum err_code
draft_run_event(struct draft **out, struct daemon *d, const struct request *r,
    const char *event, const char *reason, struct err *e)
{
	enum err_code rc = note_draft(out, d, NULL, LEDGER_FAILOVER, e);

	if (rc != ERR_NONE)
		return rc;
	draft_run(*out, r->run);
	draft_text(*out, "event", event);
	draft_text(*out, "mode", guards_mode_name(r->mode));
	draft_text(*out, "from_site", r->from);
	draft_text(*out, "to_site", r->to);
	draft_text(*out, "reason", reason);
	return ERR_NONE;
}

/* Only what is signed is given to the other site. */
enum err_code
request_note(struct daemon *d, const struct draft *draft, struct err *e)
{
	struct err why;
	enum err_code rc = note_event(d, draft, e);

	if (rc == ERR_NONE &&
	    ledger_sign_head(d->ledger, NULL, &why) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", why.text);
	return rc;
}

void
request_draft_shown(struct draft *d, struct buf *shown, const char *seen)
{
	const char *at = buf_text(shown);
	size_t left = shown->len_bytes;

	draft_text(d, "seen", seen);
	for (unsigned i = 0; left > 0 && i < 28; i++) {
		size_t n = left < LEDGER_VALUE_BYTES_MAX / 2
		    ? left
		    : LEDGER_VALUE_BYTES_MAX / 2;

		draft_bytes(d, "shown", at, n);
		at += n;
		left -= n;
	}
}

static void
tell(struct daemon *d, const struct request *r, const char *event,
    const char *why)
{
	moverecord_tell(d,
	    &(struct moverecord_news){r->run, NULL, event, why, r->from,
		r->to});
}

/* Recorded with the digest that it has as the next of the changes. */
static enum err_code
note_change(struct daemon *d, struct request_showing *w,
    const struct request *r, const char *is, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	OWNED(buf_fini) struct buf shown = {0};
	struct request next = *r;
	char seen[ID_HEX_BYTES], what[REQUEST_CHANGE_BYTES];
	char reason[REQUEST_CHANGE_BYTES + 48];
	enum err_code rc;

	next.changes++;
	request_say_change(r->shown == NULL ? "" : r->shown, is, what);
	snprintf(reason, sizeof(reason), "what was approved is no more: %s",
	    what);
	rc = request_showing_end(w, &next, &shown, seen, e);
	if (rc == ERR_NONE)
		rc =
		    draft_run_event(&draft, d, r, "approval-needed", reason, e);
	if (rc != ERR_NONE)
		return rc;
	request_draft_shown(draft, &shown, seen);
	rc = request_note(d, draft, e);
	if (rc == ERR_NONE)
		tell(d, r, "approval-needed", reason);
	return rc;
}

static enum err_code
look_at(struct daemon *d, struct request_showing *w, const struct request *r,
    struct err *e)
{
	OWNED(free_mem) struct approvals_judgement *j = calloc(1, sizeof(*j));
	OWNED(draft_free) struct draft *draft = NULL;
	OWNED(buf_fini) struct buf shown = {0};
	char seen[ID_HEX_BYTES];
	enum err_code rc = j == NULL
	    ? err_nomem(e)
	    : request_showing_end(w, r, &shown, seen, e);

	if (rc != ERR_NONE)
		return rc;
	request_judge(d, r, seen, j);
	if (j->refused) {
		rc = draft_run_event(&draft, d, r, "WITHDRAWN",
		    "refused by an approver", e);
		if (rc == ERR_NONE)
			rc = request_note(d, draft, e);
		if (rc == ERR_NONE)
			tell(d, r, "WITHDRAWN", "refused by an approver");
		return rc;
	}
	if (strcmp(seen, r->seen) == 0 || r->changes >= CHANGES_MAX)
		return ERR_NONE;
	return note_change(d, w, r, buf_text(&shown), e);
}

bool
request_is_seconded(const struct request *r,
    const struct approvals_judgement *j)
{
	for (size_t i = 0; i < r->word_count; i++)
		if (r->words[i].verb == APPROVALS_SECOND &&
		    j->standing[i] != APPROVALS_REQUESTER &&
		    j->standing[i] != APPROVALS_TAKEN_BACK &&
		    j->standing[i] != APPROVALS_NO_ROLE &&
		    j->standing[i] != APPROVALS_UNSIGNED &&
		    !approvals_same_person(&r->words[i].who, &r->glass_by) &&
		    !approvals_same_person(&r->words[i].who, &r->requester))
			return true;
	return j->glass == APPROVALS_SECONDED;
}

/* A glass was broken and nobody else has stood by it in time. */
static void
look_at_glass(struct daemon *d, const struct request *r)
{
	OWNED(free_mem) struct approvals_judgement *j = calloc(1, sizeof(*j));
	char subject[REQUEST_RUN_BYTES + 32], text[400];

	if (j == NULL)
		return; /* the next look tries again */
	request_judge(d, r, r->seen, j);
	snprintf(subject, sizeof(subject), "second person of %s", r->run);
	snprintf(text, sizeof(text),
	    "'%s' broke the glass of run %s and no second person has agreed "
	    "in time; another one types: bascule approve %s --second",
	    r->glass_by.name, r->run, r->run);
	if (request_is_seconded(r, j))
		alarm_clear(d, POLICY_ON_FAILOVER, NULL, subject,
		    "a second person has agreed");
	else if (j->glass == APPROVALS_SECOND_OVERDUE)
		alarm_raise(d,
		    &(struct alarm_what){.on = POLICY_ON_FAILOVER,
			.level = ALARM_CRITICAL,
			.subject = subject,
			.text = text});
}

static bool
is_asked_here(const struct daemon *d, const struct request *r)
{
	return strcmp(r->asked_at, d->policy->site) == 0;
}

/* What one look takes of it, in services. */
static size_t
cost_of(const struct daemon *d, const struct request *r)
{
	if (r->over || r->started || !is_asked_here(d, r))
		return 0;
	return r->service_count < DAEMON_SLICE ? r->service_count
					       : DAEMON_SLICE;
}

/* The next services of the run.  True: it is done with. */
static bool
look_on(struct daemon *d, struct request_book *b, const struct request *r)
{
	enum err_code rc = ERR_NONE;
	struct err e;

	if (b->showing != NULL && !request_showing_is_of(b->showing, r))
		request_showing_free(&b->showing);
	if (cost_of(d, r) == 0)
		return true;
	if (b->showing == NULL)
		rc = request_showing_begin(&b->showing, d, r, &e);
	if (rc == ERR_NONE)
		rc = request_showing_more(b->showing, b, r, &e);
	if (rc == ERR_NONE && !request_showing_is_whole(b->showing))
		return false;
	if (rc == ERR_NONE)
		rc = look_at(d, b->showing, r, &e);
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "run %s: %s", r->run, e.text);
	request_showing_free(&b->showing);
	return true;
}

/*
 * What a start or a load has not found out yet has not changed: each other site
 * was asked, or is silent for good, and this one was measured.
 */
static bool
is_settled(const struct daemon *d)
{
	int64_t silent_ns = d->policy->bridge.silent_after_ns;
	bool is_silent;

	for (const struct peer *p = d->peers; p != NULL; p = p->next) {
		(void)peerwatch_judge(p->heard, p->watching, silent_ns,
		    now_utc(), &is_silent);
		if (p->whole.ns == 0 && !is_silent && peers_can_talk(d))
			return false;
	}
	return ready_was_tried(d);
}

void
request_look(struct daemon *d)
{
	struct request_book *b = d->requests;
	struct mono now = now_mono();
	size_t cost = 0;
	struct err e;

	if (d->ledger_broken || !is_settled(d) ||
	    (b != NULL && b->at == 0 && b->showing == NULL &&
		now.ns - b->looked.ns < LOOK_NS))
		return;
	if (request_book_get(&b, d, &e) != ERR_NONE) {
		note_log(NOTE_ERROR, "%s", e.text);
		return;
	}
	while (b->at < b->count && cost < DAEMON_SLICE) {
		const struct request *r = &b->items[b->at];

		if (r->glass_broken && is_asked_here(d, r))
			look_at_glass(d, r);
		cost += cost_of(d, r);
		if (look_on(d, b, r))
			b->at++;
	}
	if (b->at < b->count)
		return; /* the next tick goes on */
	b->at = 0;
	b->looked = now;
}
