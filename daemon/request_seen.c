/* What an approver sees, and whether those who did suffice. */

#include "alarm.h"
#include "request.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/crypt.h>

#include "facts.h"
#include "moves.h"

#define SHOWN_LOSS_BYTES (REQUEST_TEXT_BYTES + 64)

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

void
request_judge(const struct daemon *d, const struct request *r, const char *seen,
    struct approvals_judgement *out)
{
	struct approvals_rule rule;

	request_rule(d, r, &rule);
	approvals_judge(r->words, r->word_count, &rule, &r->requester, seen,
	    now_utc(), out);
}

enum err_code
request_signed(const char *run, enum approvals_verb verb, const char *seen,
    struct buf *out, struct err *e)
{
	const char *name = approvals_verb_name(verb);
	enum err_code rc = buf_add(out, run, strlen(run) + 1, e);

	if (rc == ERR_NONE)
		rc = buf_add(out, name, strlen(name) + 1, e);
	return rc == ERR_NONE ? buf_add(out, seen, strlen(seen), e) : rc;
}

/* --- what is shown ------------------------------------------------------------------ */

/*
 * Of a guard that is about the approvals themselves, or about what only the move
 * brings about, nothing is shown: it would change with the approval.
 */
static bool
is_shown(unsigned number)
{
	return number == 1 || number == 2 || (number >= 5 && number <= 9) ||
	    number == 11 || number == 12;
}

struct showing {
	struct approvals_shown_service *services;
	struct guards_result (*guards)[GUARDS_COUNT];
	char (*plans)[ID_HEX_BYTES];
	char (*losses)[SHOWN_LOSS_BYTES];
	struct approvals_judgement *judged; /* of all services together */
};

static void
showing_fini(struct showing *s)
{
	free(s->services);
	free(s->guards);
	free(s->plans);
	free(s->losses);
	free(s->judged);
}

static enum err_code
showing_init(struct showing *s, size_t count, struct err *e)
{
	s->services = calloc(count + 1, sizeof(*s->services));
	s->guards = calloc(count + 1, sizeof(*s->guards));
	s->plans = calloc(count + 1, sizeof(*s->plans));
	s->losses = calloc(count + 1, sizeof(*s->losses));
	s->judged = calloc(1, sizeof(*s->judged));
	return s->services == NULL || s->guards == NULL || s->plans == NULL ||
		s->losses == NULL || s->judged == NULL
	    ? err_nomem(e)
	    : ERR_NONE;
}

static int
weight(enum guards_verdict v)
{
	return v == GUARDS_FAIL ? 2 : v == GUARDS_UNKNOWN ? 1 : 0;
}

static bool
verdict_of(const char *text, size_t len, enum guards_verdict *out)
{
	for (int v = GUARDS_NOT_APPLICABLE; v <= GUARDS_UNKNOWN; v++) {
		const char *name = guards_verdict_name((enum guards_verdict)v);

		if (strlen(name) == len && strncmp(name, text, len) == 0) {
			*out = (enum guards_verdict)v;
			return true;
		}
	}
	return false;
}

/*
 * Who approved in spite of a guard that stopped, or was not known, has approved
 * it all the more once it passes: what is on record stays shown until it is
 * worse.
 */
static void
keep_worse(struct showing *w, const struct request *r)
{
	const char *at = r->shown;
	size_t i = 0;

	while (at != NULL && *at != '\0') {
		size_t len = strcspn(at, "\n");
		enum guards_verdict was;
		unsigned n;

		if (len > 8 && strncmp(at, "service ", 8) == 0)
			i++;
		else if (len > 4 && len < 40 && at[0] == 'G' && i > 0 &&
		    i <= r->service_count &&
		    (n = (unsigned)(at[1] - '0') * 10 +
			    (unsigned)(at[2] - '0')) >= 1 &&
		    n <= GUARDS_COUNT && verdict_of(at + 4, len - 4, &was) &&
		    weight(was) > weight(w->guards[i - 1][n - 1].verdict))
			w->guards[i - 1][n - 1].verdict = was;
		at += len + (at[len] == '\n');
	}
}

static void
say_loss(const struct request *r, const struct request_service *s,
    char out[SHOWN_LOSS_BYTES])
{
	char span[TEXT_UNIT_BYTES];

	if (r->mode == GUARDS_PLANNED && s->point[0] == '\0')
		snprintf(out, SHOWN_LOSS_BYTES,
		    "none: the last point is made when the "
		    "writes have stopped");
	else if (s->loss_ns < 0)
		snprintf(out, SHOWN_LOSS_BYTES, "unknown");
	else
		snprintf(out, SHOWN_LOSS_BYTES, "at most %s%s%s",
		    text_duration(s->loss_ns / NS_PER_S * NS_PER_S, span),
		    r->accepted_loss[0] != '\0' ? ", accepted: " : "",
		    r->accepted_loss);
}

static enum err_code
judge_service(struct daemon *d, const struct request_book *b,
    const struct request *r, const struct approvals_judgement *judged,
    const struct policy_service *s, struct guards_result out[GUARDS_COUNT],
    struct err *e)
{
	struct facts_of of = {.book = b,
	    .service = s,
	    .from = r->from,
	    .to = r->to,
	    .mode = r->mode,
	    .request = r,
	    .actor = &r->requester,
	    .judged = judged};
	OWNED(free_mem) struct guards_facts *facts = calloc(1, sizeof(*facts));
	enum err_code rc =
	    facts == NULL ? err_nomem(e) : facts_gather(d, &of, facts, e);

	if (rc != ERR_NONE)
		return rc;
	guards_evaluate(facts, r->mode, GUARDS_AT_ANY, out);
	for (unsigned i = 0; i < GUARDS_COUNT; i++)
		if (!is_shown(i + 1))
			out[i].verdict = GUARDS_NOT_APPLICABLE;
	return ERR_NONE;
}

static enum err_code
show_service(struct showing *w, size_t i, struct daemon *d,
    const struct request_book *b, const struct request *r, struct err *e)
{
	const struct request_service *asked = &r->services[i];
	const struct policy_service *s =
	    policy_find_service(d->policy, asked->name);
	struct id plan;
	enum err_code rc = ERR_NONE;

	say_loss(r, asked, w->losses[i]);
	w->services[i] = (struct approvals_shown_service){.name = asked->name,
	    .from = r->from,
	    .to = r->to,
	    .plan_digest = "none: the policy has it no more",
	    .point = asked->point,
	    .loss = w->losses[i]};
	if (s == NULL)
		return ERR_NONE;
	rc = digest_plan(s, &plan, e);
	if (rc == ERR_NONE)
		rc = judge_service(d, b, r, w->judged, s, w->guards[i], e);
	if (rc != ERR_NONE)
		return rc;
	w->services[i].plan_digest = id_hex(&plan, w->plans[i]);
	w->services[i].guards = w->guards[i];
	return ERR_NONE;
}

/* Made here: the guards of this site, now. */
static enum err_code
make_shown(struct daemon *d, const struct request_book *b,
    const struct request *r, struct buf *out, struct err *e)
{
	OWNED(showing_fini) struct showing w = {0};
	struct approvals_shown shown = {.run = r->run,
	    .mode = guards_mode_name(r->mode),
	    .policy_digest = d->digest,
	    .reason = r->reason,
	    .change = r->change,
	    .services_count = r->service_count};
	enum err_code rc = showing_init(&w, r->service_count, e);

	if (rc == ERR_NONE)
		request_judge(d, r, r->seen, w.judged);
	for (size_t i = 0; rc == ERR_NONE && i < r->service_count; i++)
		rc = show_service(&w, i, d, b, r, e);
	shown.services = w.services;
	keep_worse(&w, r);
	if (rc == ERR_NONE)
		rc = approvals_seen(&shown, out, e);
	/* What was approved before a change is never approved again by it. */
	if (rc == ERR_NONE && r->changes > 0)
		rc = buf_printf(out, e, "changed %u\n", r->changes);
	return rc;
}

/* As the other site recorded it; of the policy that is in force here, too. */
static enum err_code
copy_shown(struct daemon *d, const struct request *r, struct buf *out,
    struct err *e)
{
	char policy[ID_HEX_BYTES + 16];

	if (r->shown == NULL)
		return err_set(e, ERR_NOTFOUND,
		    "what is to be approved is not on record");
	snprintf(policy, sizeof(policy), "\npolicy 64:%s\n", d->digest);
	if (strstr(r->shown, policy) == NULL) {
		err_set(e, ERR_POLICY,
		    "run %s was asked for at '%s' under another policy than "
		    "the one here",
		    r->run, r->asked_at);
		return err_hint(e,
		    "bring both sites to one policy: 'bascule policy diff'");
	}
	return buf_add_text(out, r->shown, e);
}

enum err_code
request_shown(struct daemon *d, const struct request_book *b,
    const struct request *r, struct buf *out, char seen[ID_HEX_BYTES],
    struct err *e)
{
	bool is_ours = strcmp(r->asked_at, d->policy->site) == 0;
	struct id id;
	enum err_code rc =
	    is_ours ? make_shown(d, b, r, out, e) : copy_shown(d, r, out, e);

	if (rc == ERR_NONE)
		rc = hash_sha256(out->bytes, out->len_bytes, &id, e);
	if (rc == ERR_NONE)
		id_hex(&id, seen);
	return rc;
}

/* --- when it changes ------------------------------------------------------------------ */

#define LOOK_NS      (15 * NS_PER_S)
#define LOOK_MANY_NS (60 * NS_PER_S)
#define MANY         40
#define CHANGES_MAX  200

/* The first line that is another one now. */
static void
say_change(const char *was, const char *is, char out[256])
{
	while (*was != '\0' || *is != '\0') {
		size_t a = strcspn(was, "\n"), b = strcspn(is, "\n");

		if (a != b || strncmp(was, is, a) != 0) {
			snprintf(out, 256,
			    "what was approved is no more: '%.*s' is '%.*s'",
			    (int)(a < 90 ? a : 90), was, (int)(b < 90 ? b : 90),
			    is);
			text_mend_end(out);
			return;
		}
		was += a + (was[a] == '\n');
		is += b + (is[b] == '\n');
	}
	snprintf(out, 256, "what was approved is no more");
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
note_change(struct daemon *d, const struct request_book *b,
    const struct request *r, const char *was, const char *is, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	OWNED(buf_fini) struct buf shown = {0};
	struct request next = *r;
	char seen[ID_HEX_BYTES], reason[256];
	enum err_code rc;

	next.changes++;
	say_change(was, is, reason);
	rc = request_shown(d, b, &next, &shown, seen, e);
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
look_at(struct daemon *d, const struct request_book *b, const struct request *r,
    struct err *e)
{
	OWNED(free_mem) struct approvals_judgement *j = calloc(1, sizeof(*j));
	OWNED(draft_free) struct draft *draft = NULL;
	OWNED(buf_fini) struct buf shown = {0};
	char seen[ID_HEX_BYTES];
	enum err_code rc =
	    j == NULL ? err_nomem(e) : request_shown(d, b, r, &shown, seen, e);

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
	return note_change(d, b, r, r->shown == NULL ? "" : r->shown,
	    buf_text(&shown), e);
}

/* Late is better than never; the record says when. */
static bool
is_seconded(const struct request *r, const struct approvals_judgement *j)
{
	for (size_t i = 0; i < r->word_count; i++)
		if (r->words[i].verb == APPROVALS_SECOND &&
		    j->standing[i] != APPROVALS_REQUESTER &&
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
	if (is_seconded(r, j))
		alarm_clear(d, POLICY_ON_FAILOVER, NULL, subject,
		    "a second person has agreed");
	else if (j->glass == APPROVALS_SECOND_OVERDUE)
		alarm_raise(d,
		    &(struct alarm_what){.on = POLICY_ON_FAILOVER,
			.level = ALARM_CRITICAL,
			.subject = subject,
			.text = text});
}

void
request_look(struct daemon *d)
{
	struct request_book *b = NULL;
	struct mono now = now_mono();
	struct err e;

	if (d->ledger_broken ||
	    (d->requests != NULL && now.ns - d->requests->looked.ns < LOOK_NS))
		return;
	if (request_book_get(&b, d, &e) != ERR_NONE) {
		note_log(NOTE_ERROR, "%s", e.text);
		return;
	}
	for (size_t i = 0; i < b->count; i++) {
		const struct request *r = &b->items[i];

		if (r->glass_broken &&
		    strcmp(r->asked_at, d->policy->site) == 0)
			look_at_glass(d, r);
		if (r->over || r->started ||
		    strcmp(r->asked_at, d->policy->site) != 0 ||
		    (r->service_count > MANY &&
			now.ns - b->looked.ns < LOOK_MANY_NS))
			continue;
		if (look_at(d, b, r, &e) != ERR_NONE)
			note_log(NOTE_ERROR, "run %s: %s", r->run, e.text);
	}
	b->looked = now;
}
