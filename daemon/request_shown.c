/*
 * What an approver is shown, byte for byte: of hundreds of services it takes
 * several turns of the loop to look at all their guards.
 */

#include "request.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/crypt.h>

#include "client.h"
#include "facts.h"

#define SHOWN_LOSS_BYTES (REQUEST_TEXT_BYTES + 64)

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

struct request_showing {
	struct daemon *d;
	char run[REQUEST_RUN_BYTES];
	uint64_t policy_number;
	bool is_ours;        /* else the other site recorded what is shown */
	size_t count, known; /* services; how many were looked at */
	struct guards_result (*guards)[GUARDS_COUNT];
	char (*plans)[ID_HEX_BYTES];        /* "": the policy has it no more */
	struct approvals_judgement *judged; /* of all services together */
	char unknown[REQUEST_UNKNOWN_BYTES];
};

void
request_showing_free(struct request_showing **wp)
{
	struct request_showing *w = TAKE(*wp);

	if (w == NULL)
		return;
	free(w->guards);
	free(w->plans);
	free(w->judged);
	free(w);
}

enum err_code
request_showing_begin(struct request_showing **out, struct daemon *d,
    const struct request *r, struct err *e)
{
	OWNED(request_showing_free)
	struct request_showing *w = calloc(1, sizeof(*w));
	bool is_ours = strcmp(r->asked_at, d->policy->site) == 0;
	size_t count = is_ours ? r->service_count : 0;

	*out = NULL;
	if (w == NULL)
		return err_nomem(e);
	*w = (struct request_showing){.d = d,
	    .policy_number = d->policy_number,
	    .is_ours = is_ours,
	    .count = count,
	    .guards = calloc(count + 1, sizeof(*w->guards)),
	    .plans = calloc(count + 1, sizeof(*w->plans)),
	    .judged = calloc(1, sizeof(*w->judged))};
	if (w->guards == NULL || w->plans == NULL || w->judged == NULL)
		return err_nomem(e);
	snprintf(w->run, sizeof(w->run), "%s", r->run);
	request_judge(d, r, r->seen, w->judged);
	*out = TAKE(w);
	return ERR_NONE;
}

bool
request_showing_is_of(const struct request_showing *w, const struct request *r)
{
	return strcmp(w->run, r->run) == 0 &&
	    w->policy_number == w->d->policy_number;
}

bool
request_showing_is_whole(const struct request_showing *w)
{
	return w->known == w->count;
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

/* What is shown is no longer known: told beside it, for it does not change it. */
static void
tell_unknown(struct request_showing *w, const struct request *r, size_t i,
    unsigned n)
{
	size_t used = strlen(w->unknown);

	snprintf(w->unknown + used, sizeof(w->unknown) - used, "%s%s of '%s'",
	    used > 0 ? ", " : "", guards_id(n), r->services[i].name);
	text_mend_end(w->unknown);
}

static void
keep_one(struct request_showing *w, const struct request *r, size_t i,
    unsigned n, enum guards_verdict was)
{
	struct guards_result *is = &w->guards[i][n - 1];

	if (is->verdict == GUARDS_UNKNOWN && was != GUARDS_UNKNOWN)
		tell_unknown(w, r, i, n);
	is->verdict = was;
}

/*
 * Who approved in spite of a guard that stopped, or was not known, has approved
 * it all the more once it passes; and one that is not known any more (this
 * daemon began anew and the other site is lost) has not changed: no gate lets it
 * through.  So what is on record stays shown until something is known to stop.
 */
static void
keep_shown(struct request_showing *w, const struct request *r)
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
		    w->guards[i - 1][n - 1].verdict != GUARDS_FAIL)
			keep_one(w, r, i - 1, n, was);
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
	    .lasting = true,
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
look_at(struct request_showing *w, const struct request_book *b,
    const struct request *r, size_t i, struct err *e)
{
	const struct daemon_service *s =
	    daemon_service(w->d, r->services[i].name);
	enum err_code rc;

	if (s == NULL)
		return ERR_NONE;
	rc = judge_service(w->d, b, r, w->judged, s->policy, w->guards[i], e);
	if (rc == ERR_NONE)
		memcpy(w->plans[i], s->plan, sizeof(w->plans[i]));
	return rc;
}

enum err_code
request_showing_more(struct request_showing *w, const struct request_book *b,
    const struct request *r, struct err *e)
{
	size_t end = w->count - w->known > DAEMON_SLICE
	    ? w->known + DAEMON_SLICE
	    : w->count;
	enum err_code rc = ERR_NONE;

	if (w->policy_number != w->d->policy_number)
		return request_policy_changed(e);
	for (; rc == ERR_NONE && w->known < end; w->known++)
		rc = look_at(w, b, r, w->known, e);
	return rc;
}

/* Who has no room there: those of whom it was said, and those of whom it was not,
 * who make it another thing than what was approved. */
static enum err_code
add_shed(struct daemon *d, const struct request *r, struct buf *out,
    struct err *e)
{
	OWNED(request_room_fini) struct request_room room = {0};
	enum err_code rc = request_room_of(&room, d, r, e);

	for (size_t i = 0; rc == ERR_NONE && i < room.count; i++) {
		const struct request_group_need *n = &room.needs[i];

		if (n->shed)
			rc = buf_printf(out, e, "%s %zu:%s, %s\n",
			    n->left_out ? "shed" : "NO-ROOM",
			    strlen(n->service), n->service,
			    !n->left_out ? "and nobody has said so"
				: n->moves
				? "which does not come"
				: "which runs there and is stopped first");
	}
	return rc;
}

/* Whose words count, where that is not everybody's who has the role. */
static enum err_code
add_signed(const struct daemon *d, const struct request *r, struct buf *out,
    struct err *e)
{
	struct approvals_rule rule;

	request_rule(d, r, &rule);
	return rule.is_signed
	    ? buf_add_text(out, "approvals 12:signed alone\n", e)
	    : ERR_NONE;
}

static enum err_code
make_shown(struct request_showing *w, const struct request *r, struct buf *out,
    struct err *e)
{
	OWNED(free_mem)
	struct approvals_shown_service *services =
	    calloc(w->count + 1, sizeof(*services));
	OWNED(free_mem)
	char(*losses)[SHOWN_LOSS_BYTES] = calloc(w->count + 1, sizeof(*losses));
	struct approvals_shown shown = {.run = r->run,
	    .mode = guards_mode_name(r->mode),
	    .policy_digest = w->d->digest,
	    .reason = r->reason,
	    .change = r->change,
	    .services = services,
	    .services_count = w->count};
	enum err_code rc;

	if (services == NULL || losses == NULL)
		return err_nomem(e);
	w->unknown[0] = '\0';
	keep_shown(w, r);
	for (size_t i = 0; i < w->count; i++) {
		const struct request_service *asked = &r->services[i];
		bool is_known = w->plans[i][0] != '\0';

		say_loss(r, asked, losses[i]);
		services[i] = (struct approvals_shown_service){.name =
								   asked->name,
		    .from = r->from,
		    .to = r->to,
		    .plan_digest = is_known ? w->plans[i]
					    : "none: the policy has it no more",
		    .point = asked->point,
		    .loss = losses[i],
		    .guards = is_known ? w->guards[i] : NULL};
	}
	rc = approvals_seen(&shown, out, e);
	if (rc == ERR_NONE)
		rc = add_shed(w->d, r, out, e);
	if (rc == ERR_NONE)
		rc = add_signed(w->d, r, out, e);
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
request_showing_end(struct request_showing *w, const struct request *r,
    struct buf *out, char seen[ID_HEX_BYTES], struct err *e)
{
	struct id id;
	enum err_code rc;

	if (w->policy_number != w->d->policy_number)
		return request_policy_changed(e);
	rc =
	    w->is_ours ? make_shown(w, r, out, e) : copy_shown(w->d, r, out, e);
	if (rc == ERR_NONE)
		rc = hash_sha256(out->bytes, out->len_bytes, &id, e);
	if (rc == ERR_NONE)
		id_hex(&id, seen);
	return rc;
}

enum err_code
request_shown(struct daemon *d, const struct request_book *b,
    const struct request *r, struct buf *out, char seen[ID_HEX_BYTES],
    struct err *e)
{
	OWNED(request_showing_free) struct request_showing *w = NULL;
	enum err_code rc = request_showing_begin(&w, d, r, e);

	while (rc == ERR_NONE && !request_showing_is_whole(w))
		rc = request_showing_more(w, b, r, e);
	return rc == ERR_NONE ? request_showing_end(w, r, out, seen, e) : rc;
}

/* As approvals_seen puts them. */
static enum err_code
put(struct buf *out, const char *name, const char *text, struct err *e)
{
	return buf_printf(out, e, "%s %zu:%s\n", name, strlen(text), text);
}

static enum err_code
put_move(const struct request *r, const struct request_service *asked,
    const char *plan, struct buf *out, struct err *e)
{
	enum err_code rc = buf_add_text(out, "\n", e);

	if (rc == ERR_NONE)
		rc = put(out, "service", asked->name, e);
	if (rc == ERR_NONE)
		rc = put(out, "from", r->from, e);
	if (rc == ERR_NONE)
		rc = put(out, "to", r->to, e);
	if (rc == ERR_NONE)
		rc = put(out, "plan", plan, e);
	return rc == ERR_NONE ? put(out, "point", asked->point, e) : rc;
}

static enum err_code
put_run(const struct request *r, struct buf *out, struct err *e)
{
	enum err_code rc = buf_add_text(out, "bascule seen v1\n", e);

	if (rc == ERR_NONE)
		rc = put(out, "run", r->run, e);
	return rc == ERR_NONE ? put(out, "mode", guards_mode_name(r->mode), e)
			      : rc;
}

bool
request_shown_is_of(const struct request *r, const struct daemon_service *s)
{
	OWNED(buf_fini) struct buf run = {0}, move = {0};
	const struct request_service *asked = r->services;
	char seen[ID_HEX_BYTES];
	struct id id;
	struct err e;

	for (size_t i = 0; i < r->service_count; i++, asked++)
		if (strcmp(asked->name, s->policy->name) == 0)
			break;
	if (r->shown == NULL || asked == r->services + r->service_count ||
	    hash_sha256(r->shown, strlen(r->shown), &id, &e) != ERR_NONE ||
	    strcmp(id_hex(&id, seen), r->seen) != 0)
		return false;
	return put_run(r, &run, &e) == ERR_NONE &&
	    put_move(r, asked, s->plan, &move, &e) == ERR_NONE &&
	    strncmp(r->shown, buf_text(&run), run.len_bytes) == 0 &&
	    strstr(r->shown, buf_text(&move)) != NULL;
}

/* --- to somebody who asks ------------------------------------------------------------ */

struct audience {
	char run[REQUEST_RUN_BYTES];
	struct request_showing *showing;
	request_shown_fn *fn;
	void *ctx;
	void (*ctx_free)(void **ctx);
};

static void
audience_free(void **ctx)
{
	struct audience *a = TAKE(*ctx);

	if (a == NULL)
		return;
	request_showing_free(&a->showing);
	a->ctx_free(&a->ctx);
	free(a);
}

/* c lets go of a with the last. */
static enum err_code
show_more(struct audience *a, struct client *c, struct err *e)
{
	struct request_shown_now now = {.ctx = a->ctx};
	OWNED(buf_fini) struct buf shown = {0};
	enum err_code rc =
	    request_find(&now.book, client_daemon(c), a->run, &now.r, e);

	if (rc == ERR_NONE && a->showing == NULL)
		rc = request_showing_begin(&a->showing, client_daemon(c), now.r,
		    e);
	if (rc == ERR_NONE)
		rc = request_showing_more(a->showing, now.book, now.r, e);
	if (rc != ERR_NONE || !request_showing_is_whole(a->showing))
		return rc;
	rc = request_showing_end(a->showing, now.r, &shown, now.seen, e);
	if (rc != ERR_NONE)
		return rc;
	now.shown = buf_text(&shown);
	now.unknown = a->showing->unknown;
	return a->fn(c, &now, e);
}

static void
on_turn(struct client *c, void *ctx, struct job *j)
{
	struct err e;

	(void)j;
	if (show_more(ctx, c, &e) != ERR_NONE)
		client_fail(c, &e, 0);
}

enum err_code
request_show_to(struct client *c, const char *run, request_shown_fn *fn,
    void *ctx, void (*ctx_free)(void **ctx), struct err *e)
{
	struct audience *a = calloc(1, sizeof(*a));
	struct request_book *b = NULL;
	struct request *r = NULL;
	enum err_code rc = a == NULL
	    ? err_nomem(e)
	    : request_find(&b, client_daemon(c), run, &r, e);

	if (rc != ERR_NONE) {
		ctx_free(&ctx);
		free(a);
		return rc;
	}
	*a = (struct audience){.fn = fn, .ctx = ctx, .ctx_free = ctx_free};
	snprintf(a->run, sizeof(a->run), "%s", r->run);
	client_take_turns(c, on_turn, a, audience_free);
	return show_more(a, c, e);
}
