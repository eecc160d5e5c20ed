/* What people say to a move on its way. */

#include "api_move.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/exitcode.h>

#include "facts.h"
#include "moveahead.h"
#include "question.h"

/* --- which run --------------------------------------------------------------- */

struct movebook_item *
api_move_first(struct client *c, const char *run, struct err *e)
{
	struct daemon *d = client_daemon(c);
	struct movebook_item *item;
	bool changed;

	if (movebook_update(d, &d->moves->book, &changed, e) != ERR_NONE)
		return NULL;
	item = movebook_find(&d->moves->book, run, NULL);
	if (item == NULL) {
		err_set(e, ERR_NOTFOUND, "there is no run '%s'", run);
		err_hint(e, "'bascule failover list' shows them");
	}
	return item;
}

enum err_code
api_move_confirm(const struct move *m, const char *confirm, bool goes_back,
    struct err *e)
{
	const char *site = goes_back ? m->from : m->to;

	if (strcmp(confirm, site) == 0)
		return ERR_NONE;
	err_set(e, ERR_REFUSED,
	    "'%.64s' is not the site at which it is to run afterwards",
	    confirm);
	return err_hint(e, "--confirm %s", site);
}

enum err_code
api_move_said(struct client *c, const struct movebook_item *item,
    const char *said, bool dry_run, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char verdict[256], next[128];
	enum err_code rc = client_summary(&v, e);

	if (rc != ERR_NONE)
		return rc;
	if (dry_run)
		snprintf(verdict, sizeof(verdict),
		    "%s: nothing was recorded; it could be", said);
	else
		snprintf(verdict, sizeof(verdict),
		    "%s: recorded at %s; each site acts when it has heard of "
		    "it",
		    said, client_daemon(c)->policy->site);
	snprintf(next, sizeof(next), "bascule failover show %s", item->m.run);
	wire_add_text(v, "run", item->m.run);
	wire_add_text(v, "phase", move_event_name(move_phase(&item->m)));
	wire_add_text(v, "verdict", verdict);
	if (dry_run)
		wire_add_bool(v, "dry_run", true);
	else
		wire_add_text(v, "next", next);
	client_last(c, &v);
	return ERR_NONE;
}

/* --- words on the way --------------------------------------------------------- */

struct word {
	enum move_event_kind kind;
	bool has_confirm, goes_back, is_owners;
	bool is_gated; /* guards decide what follows, at the site taken to */
	enum guards_phase gate;
};

/*
 * A word, as it is being said: of hundreds of services in several turns of the
 * loop.  Whether it may be said is looked at first, of all of them; what was said
 * stands, also where who said it goes away meanwhile.
 */
struct saying {
	struct daemon *d;
	struct client *c; /* of this turn */
	const struct word *w;
	char *run, *service, *reason; /* service NULL: each of the run */
	struct overrides o;
	bool dry_run;
	size_t at; /* moves of the run that are behind us */
	size_t said_count, stopped_count;
	struct err why; /* of the first that a guard stops */
};

static void
saying_free(void **ctx)
{
	struct saying *s = TAKE(*ctx);

	if (s == NULL)
		return;
	if (s->at > 0 && !s->dry_run)
		moves_told(s->d);
	overrides_fini(&s->o);
	free(s->run);
	free(s->service);
	free(s->reason);
	free(s);
}

/* The service's owner speaks through its council's people. */
static enum err_code
check_owner(const struct client *c, const struct policy_service *s,
    struct err *e)
{
	const struct client_caller *who = &c->caller;
	const uint32_t may = ROLE_BIT(ROLE_APPROVER) | CLIENT_LEADS;

	if ((who->roles & may) != 0 &&
	    ((who->roles & ROLE_BIT(ROLE_ADMIN)) != 0 ||
		who->council[0] == '\0' || strcmp(who->council, s->owner) == 0))
		return ERR_NONE;
	err_set(e, ERR_REFUSED,
	    "'%s' belongs to '%s': its approvers and dr-leads accept it",
	    s->name, s->owner);
	return ERR_REFUSED;
}

static enum err_code
say_one(struct saying *s, struct movebook_item *item, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	struct client *c = s->c;
	struct daemon *d = client_daemon(c);
	enum err_code rc = moverecord_draft(&draft, d, &item->m,
	    item->m.service, move_event_name(s->w->kind), e);

	if (rc != ERR_NONE)
		return rc;
	draft_actor(draft, &client_caller(c)->actor);
	draft_int(draft, "login_uid", client_caller(c)->login_uid);
	draft_text(draft, "login_name", client_caller(c)->login_name);
	draft_uint(draft, "epoch",
	    daemon_service(d, item->m.service)->authority.epoch);
	draft_text(draft, "reason", s->reason);
	return note_event(d, draft, e);
}

/* --- what would follow of it -------------------------------------------------- */

static enum err_code
tell_turns(struct client *c, const struct movebook_item *item,
    struct moveahead *a, struct err *e)
{
	struct moveahead_line line;

	while (moveahead_next(a, &line)) {
		OWNED(wire_free) struct wire_value *v = NULL;
		enum err_code rc = wire_new(&v, "ahead", e);

		if (rc != ERR_NONE)
			return rc;
		wire_add_text(v, "run", item->m.run);
		wire_add_text(v, "service", item->m.service);
		wire_add_text(v, "site", line.site);
		if (line.what[0] != '\0')
			wire_add_text(v, "what", line.what);
		wire_add_text(v, "why", line.why);
		client_reply(c, &v);
	}
	return ERR_NONE;
}

/*
 * The guards of the gate that the word leads to, as they would be judged with
 * it and its overrides on record.  *passes false: one stops, and is told.
 */
static enum err_code
judge_gate(struct saying *s, const struct movebook_item *item,
    const struct move *with_it, bool *passes, struct err *e)
{
	OWNED(free_mem) struct movebook_item *as_said = malloc(sizeof(*item));
	OWNED(free_mem) struct guards_facts *facts = calloc(1, sizeof(*facts));
	struct guards_result results[GUARDS_COUNT];
	const struct moveguard_ask ask = {.item = as_said, .phase = s->w->gate};
	struct err why;
	enum err_code rc;

	*passes = true;
	if (as_said == NULL || facts == NULL)
		return err_nomem(e);
	*as_said = *item;
	as_said->m = *with_it;
	for (size_t i = 0; i < s->o.count; i++)
		as_said->overrides |= UINT32_C(1) << s->o.numbers[i];
	rc = moveguard_judge(client_daemon(s->c), &ask, facts, results, e);
	if (rc == ERR_NONE)
		rc = facts_tell(s->c, item->m.service, facts, results, true, e);
	if (rc != ERR_NONE)
		return rc;
	*passes = guards_admit(results, facts, NULL, &why) == ERR_NONE;
	if (!*passes && s->stopped_count++ == 0)
		s->why = why;
	return ERR_NONE;
}

/* In the words of those who would do it. */
static enum err_code
tell_ahead(struct saying *s, struct movebook_item *item, struct err *e)
{
	OWNED(free_mem) struct moveahead *a = calloc(1, sizeof(*a));
	struct daemon *d = client_daemon(s->c);
	bool passes = true;
	struct move_facts facts;
	enum err_code rc;

	if (a == NULL)
		return err_nomem(e);
	if (s->w->kind == MOVE_SAY_RETRY)
		return ERR_NONE;
	movefacts_gather(d, item, &facts);
	rc = moveahead_begin(a, &item->m, d->policy->site, &facts, s->w->kind,
	    e);
	if (rc == ERR_NONE && s->w->is_gated &&
	    strcmp(item->m.to, d->policy->site) == 0)
		rc = judge_gate(s, item, &a->m, &passes, e);
	if (rc != ERR_NONE || !passes)
		return rc;
	if (s->w->is_gated)
		moveahead_let_through(a);
	return tell_turns(s->c, item, a, e);
}

/* --- to whom it may be said --------------------------------------------------- */

typedef enum err_code say_fn(struct saying *s, struct movebook_item *item,
    struct err *e);

static bool
is_meant(const struct saying *s, const struct movebook_item *i)
{
	return strcmp(i->m.run, s->run) == 0 &&
	    (s->service == NULL || strcmp(i->m.service, s->service) == 0) &&
	    daemon_service(s->d, i->m.service) != NULL;
}

/* fn NULL: only whether it may be. */
static enum err_code
say_to(struct saying *s, struct movebook_item *i, say_fn *fn, struct err *why,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (move_may_say(&i->m, s->w->kind, why) != ERR_NONE)
		return ERR_NONE;
	if (s->w->is_owners)
		rc = check_owner(s->c,
		    daemon_service(s->d, i->m.service)->policy, e);
	if (rc == ERR_NONE && fn != NULL)
		rc = fn(s, i, e);
	s->said_count++;
	return rc;
}

/* Every move of the run for which it may be said; else why of none. */
static enum err_code
check_all(struct saying *s, struct err *e)
{
	enum err_code rc = ERR_NONE;
	struct err why = {.code = ERR_NOTFOUND};

	err_set(&why, ERR_NOTFOUND, "the run does not move that service");
	for (struct movebook_item *i = s->d->moves->book.items;
	     rc == ERR_NONE && i != NULL; i = i->next)
		if (is_meant(s, i))
			rc = say_to(s, i, NULL, &why, e);
	if (rc != ERR_NONE || s->said_count > 0)
		return rc;
	*e = why;
	return why.code;
}

/* The next of them.  *more: there are others after these. */
static enum err_code
say_some(struct saying *s, say_fn *fn, bool *more, struct err *e)
{
	size_t at = 0, end = s->at + DAEMON_SLICE;
	enum err_code rc = ERR_NONE;
	struct err why;

	*more = false;
	for (struct movebook_item *i = s->d->moves->book.items;
	     rc == ERR_NONE && i != NULL; i = i->next) {
		if (!is_meant(s, i) || at++ < s->at)
			continue;
		*more = s->at == end;
		if (*more)
			break;
		rc = say_to(s, i, fn, &why, e);
		s->at++;
	}
	return rc;
}

static enum err_code
end_word(const struct saying *s, const struct movebook_item *item,
    struct err *e)
{
	const char *here = client_daemon(s->c)->policy->site;
	char said[160];

	snprintf(said, sizeof(said), "%s", move_event_name(s->w->kind));
	if (s->dry_run && s->w->is_gated && strcmp(item->m.to, here) != 0)
		snprintf(said, sizeof(said),
		    "%s, whose guards site '%s' judges (try it there)",
		    move_event_name(s->w->kind), item->m.to);
	return api_move_said(s->c, item, said, s->dry_run, e);
}

/* c lets go of s with the last. */
static enum err_code
say_slice(struct saying *s, struct client *c, struct err *e)
{
	struct movebook_item *item = api_move_first(c, s->run, e);
	enum err_code rc = item == NULL ? e->code : ERR_NONE;
	bool more = false;

	s->c = c;
	if (rc == ERR_NONE)
		rc = say_some(s, s->dry_run ? tell_ahead : say_one, &more, e);
	if (rc != ERR_NONE || more)
		return rc;
	if (s->stopped_count == 0)
		return end_word(s, item, e);
	client_fail(c, &s->why, EXITCODE_GUARD);
	return ERR_NONE;
}

static void
say_more(struct client *c, void *ctx, struct job *j)
{
	struct err e;

	(void)j;
	if (say_slice(ctx, c, &e) != ERR_NONE)
		client_fail(c, &e, 0);
}

static char *
copied(const char *text, enum err_code *rc, struct err *e)
{
	char *copy = text == NULL ? NULL : strdup(text);

	if (text != NULL && copy == NULL && *rc == ERR_NONE)
		*rc = err_nomem(e);
	return copy;
}

static enum err_code
take(struct saying *s, struct wire_value *request, const char **confirm,
    struct err *e)
{
	const char *run = wire_need_text(request, "run");
	const char *service = wire_take_text(request, "service", NULL);
	const char *reason = wire_take_text(request, "reason", "");
	enum err_code rc;

	*confirm = wire_take_text(request, "confirm", "");
	s->dry_run = wire_take_bool(request, "dry_run", false);
	rc = overrides_take(request, &s->o, e);
	if (rc == ERR_NONE)
		rc = client_asked(request, e);
	s->run = copied(run, &rc, e);
	s->service = copied(service, &rc, e);
	s->reason = copied(reason, &rc, e);
	return rc;
}

/* May it be said at all?  What may not be said leaves no override behind. */
static enum err_code
check(struct saying *s, const char *confirm, struct err *e)
{
	enum err_code rc = overrides_may(s->c, &s->o, e);
	struct movebook_item *item = NULL;

	for (size_t i = 0; rc == ERR_NONE && i < s->o.count; i++)
		rc =
		    moveguard_may_override(s->o.numbers[i], s->o.reasons[i], e);
	if (rc == ERR_NONE && (item = api_move_first(s->c, s->run, e)) == NULL)
		rc = e->code;
	if (rc == ERR_NONE && s->w->has_confirm)
		rc = api_move_confirm(&item->m, confirm, s->w->goes_back, e);
	if (rc == ERR_NONE)
		rc = check_all(s, e);
	return rc == ERR_NONE && !s->dry_run
	    ? overrides_note(s->c, &item->m, &s->o, e)
	    : rc;
}

/* w is there for as long as the program is. */
static enum err_code
run_word(struct client *c, struct wire_value *request, const struct word *w,
    struct err *e)
{
	struct saying *s = calloc(1, sizeof(*s));
	const char *confirm = "";
	void *ctx = s;
	enum err_code rc;

	if (s == NULL)
		return err_nomem(e);
	*s = (struct saying){.d = client_daemon(c), .c = c, .w = w};
	rc = take(s, request, &confirm, e);
	if (rc == ERR_NONE)
		rc = check(s, confirm, e);
	if (rc != ERR_NONE) {
		saying_free(&ctx);
		return rc;
	}
	client_take_turns(c, say_more, s, saying_free);
	return say_slice(s, c, e);
}

static enum err_code
run_commit(struct client *c, struct wire_value *request, struct err *e)
{
	static const struct word w = {MOVE_SAY_COMMIT, true, false, true, true,
	    GUARDS_AT_COMMIT};

	return run_word(c, request, &w, e);
}
const struct api_command api_failover_commit = {"failover commit",
    CLIENT_OPERATORS | ROLE_BIT(ROLE_APPROVER), run_commit};

static enum err_code
run_rollback(struct client *c, struct wire_value *request, struct err *e)
{
	static const struct word w = {MOVE_SAY_ROLLBACK, true, true, false,
	    true, GUARDS_AT_ROLLBACK};

	return run_word(c, request, &w, e);
}
const struct api_command api_failover_rollback = {"failover rollback",
    CLIENT_OPERATORS, run_rollback};

static enum err_code
run_reprotect(struct client *c, struct wire_value *request, struct err *e)
{
	static const struct word w = {MOVE_SAY_REPROTECT, true, false, true,
	    true, GUARDS_AT_REPROTECT};

	return run_word(c, request, &w, e);
}
const struct api_command api_failover_reprotect = {"failover reprotect",
    CLIENT_OPERATORS | ROLE_BIT(ROLE_APPROVER), run_reprotect};

static enum err_code
run_abort(struct client *c, struct wire_value *request, struct err *e)
{
	static const struct word w = {MOVE_SAY_ABORT, false, true, false, false,
	    GUARDS_AT_ANY};

	return run_word(c, request, &w, e);
}
const struct api_command api_failover_abort = {"failover abort",
    CLIENT_OPERATORS, run_abort};

static enum err_code
run_retry(struct client *c, struct wire_value *request, struct err *e)
{
	static const struct word w = {MOVE_SAY_RETRY, false, false, false,
	    false, GUARDS_AT_ANY};

	return run_word(c, request, &w, e);
}
const struct api_command api_failover_retry = {"failover retry",
    CLIENT_OPERATORS, run_retry};

static enum err_code
run_hold(struct client *c, struct wire_value *request, struct err *e)
{
	static const struct word w = {MOVE_SAY_HOLD, false, false, false, false,
	    GUARDS_AT_ANY};

	return run_word(c, request, &w, e);
}
const struct api_command api_failover_hold = {"failover hold", CLIENT_OPERATORS,
    run_hold};

/* --- answers to a step ----------------------------------------------------------- */

static struct job *
job_that_asks(struct daemon *d, const char *run, const char *service,
    const char *step)
{
	for (struct job *j = d->jobs; j != NULL; j = j->next) {
		if (strcmp(j->run, run) != 0 || j->service == NULL ||
		    (service != NULL && strcmp(j->service, service) != 0))
			continue;
		for (const struct question *a = j->questions; a != NULL;
		     a = a->next)
			if (strcmp(a->name, step) == 0)
				return j;
	}
	return NULL;
}

static enum err_code
run_answer(struct client *c, struct wire_value *request, struct err *e)
{
	const char *run = wire_need_text(request, "run");
	const char *step = wire_need_text(request, "step");
	const struct question_word word = client_word(c, request);
	const char *service = wire_take_text(request, "service", NULL);
	struct movebook_item *item = NULL;
	struct job *j = NULL;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE && (item = api_move_first(c, run, e)) == NULL)
		rc = e->code;
	if (rc != ERR_NONE)
		return rc;
	j = job_that_asks(client_daemon(c), run, service, step);
	if (j == NULL) {
		err_set(e, ERR_NOTFOUND, "nobody is asked about '%s' here",
		    step);
		return err_hint(e,
		    "the plan runs at site '%s'; one that has stopped goes on "
		    "with 'bascule failover retry %s'",
		    item->m.to, run);
	}
	rc = question_answer(j, step, &word, e);
	return rc == ERR_NONE ? api_move_said(c, item, "answer", false, e) : rc;
}
/* The step says who may: question_answer looks. */
const struct api_command api_failover_answer = {"failover answer",
    CLIENT_READERS, run_answer};
