/* What an approver sees, and whether those who did suffice. */

#include "request.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/crypt.h>

#include "facts.h"

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
};

static void
showing_fini(struct showing *s)
{
	free(s->services);
	free(s->guards);
	free(s->plans);
	free(s->losses);
}

static enum err_code
showing_init(struct showing *s, size_t count, struct err *e)
{
	s->services = calloc(count + 1, sizeof(*s->services));
	s->guards = calloc(count + 1, sizeof(*s->guards));
	s->plans = calloc(count + 1, sizeof(*s->plans));
	s->losses = calloc(count + 1, sizeof(*s->losses));
	return s->services == NULL || s->guards == NULL || s->plans == NULL ||
		s->losses == NULL
	    ? err_nomem(e)
	    : ERR_NONE;
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
    const struct request *r, const struct policy_service *s,
    struct guards_result out[GUARDS_COUNT], struct err *e)
{
	struct facts_of of = {.book = b,
	    .service = s,
	    .from = r->from,
	    .to = r->to,
	    .mode = r->mode,
	    .request = r,
	    .actor = &r->requester};
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
		rc = judge_service(d, b, r, s, w->guards[i], e);
	if (rc != ERR_NONE)
		return rc;
	w->services[i].plan_digest = id_hex(&plan, w->plans[i]);
	w->services[i].guards = w->guards[i];
	return ERR_NONE;
}

enum err_code
request_shown(struct daemon *d, const struct request_book *b,
    const struct request *r, struct buf *out, char seen[ID_HEX_BYTES],
    struct err *e)
{
	OWNED(showing_fini) struct showing w = {0};
	struct approvals_shown shown = {.run = r->run,
	    .mode = guards_mode_name(r->mode),
	    .policy_digest = d->digest,
	    .reason = r->reason,
	    .change = r->change,
	    .services_count = r->service_count};
	struct id id;
	enum err_code rc = showing_init(&w, r->service_count, e);

	for (size_t i = 0; rc == ERR_NONE && i < r->service_count; i++)
		rc = show_service(&w, i, d, b, r, e);
	shown.services = w.services;
	if (rc == ERR_NONE)
		rc = approvals_seen(&shown, out, e);
	if (rc == ERR_NONE)
		rc = hash_sha256(out->bytes, out->len_bytes, &id, e);
	if (rc == ERR_NONE)
		id_hex(&id, seen);
	return rc;
}
