/* What people say to a move that was asked for: start, and words on its way. */

#include <string.h>

#include <bascule/base/exitcode.h>

#include "client.h"
#include "facts.h"
#include "moves.h"
#include "question.h"

/* --- which run --------------------------------------------------------------- */

static struct movebook_item *
first_of(struct client *c, const char *run, struct err *e)
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

static enum err_code
check_confirm(const struct move *m, const char *confirm, bool goes_back,
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

static enum err_code
reply_run(struct client *c, const struct movebook_item *item, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = client_summary(&v, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "run", item->m.run);
	wire_add_text(v, "phase", move_event_name(move_phase(&item->m)));
	wire_add_text(v, "verdict", item->has_turn ? item->turn.why : NULL);
	client_last(c, &v);
	return ERR_NONE;
}

/* --- overrides --------------------------------------------------------------- */

#define OVERRIDES_MAX 18

struct overrides {
	unsigned numbers[OVERRIDES_MAX];
	const char *reasons[OVERRIDES_MAX];
	size_t count;
};

static enum err_code
take_overrides(struct wire_value *request, struct overrides *o, struct err *e)
{
	struct wire_value *list = wire_take_list(request, "overrides");
	size_t count = list == NULL ? 0 : wire_count(list);

	if (count > OVERRIDES_MAX)
		return err_set(e, ERR_INPUT, "there are not so many guards");
	for (size_t i = 0; i < count; i++) {
		const char *text = wire_at_text(list, i);
		char id[4] = "";

		snprintf(id, sizeof(id), "%.3s", text);
		o->numbers[i] = guards_find(id);
		if (o->numbers[i] == 0 || strlen(text) < 5 || text[3] != '=')
			return err_set(e, ERR_INPUT,
			    "'%.60s' is no override: G05=REASON", text);
		o->reasons[i] = text + 4;
	}
	o->count = count;
	return ERR_NONE;
}

/* Only a dr-lead's; what has no override at all guards_override refuses. */
static enum err_code
apply_overrides(const struct client *c, const struct overrides *o,
    struct guards_result results[GUARDS_COUNT], struct err *e)
{
	const uint32_t leads = CLIENT_LEADS;
	enum err_code rc = ERR_NONE;

	if (o->count > 0 && (c->caller.roles & leads) == 0)
		return err_set(e, ERR_REFUSED,
		    "%s is no dr-lead, and overrides nothing", c->caller.name);
	for (size_t i = 0; rc == ERR_NONE && i < o->count; i++)
		rc = guards_override(results, o->numbers[i], o->reasons[i], e);
	return rc;
}

static enum err_code
note_overrides(struct client *c, const struct move *m,
    const struct overrides *o, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < o->count; i++) {
		OWNED(draft_free) struct draft *draft = NULL;

		rc = moverecord_draft(&draft, client_daemon(c), m, NULL,
		    "override", e);
		if (rc != ERR_NONE)
			break;
		draft_actor(draft, &client_caller(c)->actor);
		draft_text(draft, "guard", guards_id(o->numbers[i]));
		draft_text(draft, "reason", o->reasons[i]);
		rc = note_event(client_daemon(c), draft, e);
	}
	return rc;
}

/* --- start ------------------------------------------------------------------- */

struct starting {
	const char *run, *confirm, *reason;
	bool break_glass, dry_run;
	struct overrides o;
};

static enum err_code
check_start(struct client *c, const struct movebook_item *item,
    const struct starting *s, struct err *e)
{
	const struct move *m = &item->m;
	const char *here = client_daemon(c)->policy->site;
	enum move_event_kind phase = move_phase(m);

	if (strcmp(m->asked_at, here) != 0) {
		err_set(e, ERR_REFUSED, "the run was asked for at site '%s'",
		    m->asked_at);
		return err_hint(e, "it is started there, too");
	}
	if (phase != MOVE_REQUESTED)
		return err_set(e, ERR_REFUSED, "the run has come to %s already",
		    move_event_name(phase));
	if (item->expires.ns != 0 && now_utc().ns > item->expires.ns) {
		err_set(e, ERR_REFUSED, "the request has expired");
		return err_hint(e, "ask for it again");
	}
	if (s->break_glass && s->reason[0] == '\0')
		return err_set(e, ERR_INPUT, "a broken glass needs a reason");
	return check_confirm(m, s->confirm, false, e);
}

/* Every service of it. */
static enum err_code
judge_start(struct client *c, const struct starting *s, struct err *e)
{
	struct daemon *d = client_daemon(c);
	enum err_code rc = ERR_NONE;

	for (struct movebook_item *i = d->moves->book.items;
	     rc == ERR_NONE && i != NULL; i = i->next) {
		struct guards_result results[GUARDS_COUNT];
		struct guards_facts facts;

		if (strcmp(i->m.run, s->run) != 0)
			continue;
		rc = moveguard_judge(d, client_caller(c), i, GUARDS_AT_START,
		    s->break_glass, &facts, results, e);
		if (rc == ERR_NONE)
			rc = apply_overrides(c, &s->o, results, e);
		if (rc == ERR_NONE)
			rc = facts_tell(c, i->m.service, &facts, results, true,
			    e);
		if (rc == ERR_NONE)
			rc = guards_admit(results, &facts, NULL, e);
	}
	return rc;
}

static enum err_code
note_started(struct client *c, const struct move *m, const struct starting *s,
    struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	struct daemon *d = client_daemon(c);
	char ids[OVERRIDES_MAX * 4 + 1] = "";
	enum err_code rc = note_overrides(c, m, &s->o, e);

	for (size_t i = 0; i < s->o.count; i++)
		snprintf(ids + 4 * i, sizeof(ids) - 4 * i, "%s%s",
		    guards_id(s->o.numbers[i]), i + 1 < s->o.count ? " " : "");
	if (rc == ERR_NONE)
		rc = moverecord_draft(&draft, d, m, NULL,
		    move_event_name(MOVE_STARTED), e);
	if (rc != ERR_NONE)
		return rc;
	draft_actor(draft, &client_caller(c)->actor);
	draft_int(draft, "login_uid", client_caller(c)->login_uid);
	draft_text(draft, "login_name", client_caller(c)->login_name);
	draft_text(draft, "confirm", s->confirm);
	draft_text(draft, "overrides", ids);
	draft_text(draft, "reason", s->reason);
	if (s->break_glass)
		draft_uint(draft, "break_glass", 1);
	rc = note_event(d, draft, e);
	if (rc != ERR_NONE)
		return rc;
	moverecord_tell(d,
	    &(struct moverecord_news){m->run, NULL,
		move_event_name(MOVE_STARTED), s->reason, m->from, m->to});
	moves_told(d);
	return ERR_NONE;
}

static enum err_code
run_start(struct client *c, struct wire_value *request, struct err *e)
{
	struct starting s = {.run = wire_need_text(request, "run"),
	    .confirm = wire_need_text(request, "confirm"),
	    .reason = wire_take_text(request, "reason", ""),
	    .break_glass = wire_take_bool(request, "break_glass", false),
	    .dry_run = wire_take_bool(request, "dry_run", false)};
	struct movebook_item *item = NULL;
	enum err_code rc = take_overrides(request, &s.o, e);

	if (rc == ERR_NONE)
		rc = client_asked(request, e);
	if (rc == ERR_NONE && (item = first_of(c, s.run, e)) == NULL)
		rc = e->code;
	if (rc == ERR_NONE && s.o.count > 0 &&
	    (c->caller.roles & CLIENT_LEADS) == 0)
		rc = err_set(e, ERR_REFUSED,
		    "%s is no dr-lead, and overrides nothing", c->caller.name);
	if (rc == ERR_NONE)
		rc = check_start(c, item, &s, e);
	if (rc != ERR_NONE)
		return rc;
	rc = judge_start(c, &s, e);
	if (rc == ERR_REFUSED) {
		client_fail(c, e, EXITCODE_GUARD);
		return ERR_NONE;
	}
	if (rc == ERR_NONE && !s.dry_run)
		rc = note_started(c, &item->m, &s, e);
	return rc == ERR_NONE ? reply_run(c, item, e) : rc;
}
const struct api_command api_failover_start = {"failover start",
    CLIENT_OPERATORS, run_start};

/* --- words on the way --------------------------------------------------------- */

struct word {
	enum move_event_kind kind;
	bool has_confirm, goes_back, is_owners;
};

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
say_one(struct client *c, struct movebook_item *item, const struct word *w,
    const char *reason, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	struct daemon *d = client_daemon(c);
	enum err_code rc = moverecord_draft(&draft, d, &item->m,
	    item->m.service, move_event_name(w->kind), e);

	if (rc != ERR_NONE)
		return rc;
	draft_actor(draft, &client_caller(c)->actor);
	draft_int(draft, "login_uid", client_caller(c)->login_uid);
	draft_text(draft, "login_name", client_caller(c)->login_name);
	draft_text(draft, "reason", reason);
	return note_event(d, draft, e);
}

/* Of every move of the run for which it may be said; else why of none. */
static enum err_code
say_all(struct client *c, const char *run, const char *service,
    const struct word *w, const char *reason, bool dry_run, struct err *e)
{
	struct daemon *d = client_daemon(c);
	size_t said_count = 0;
	enum err_code rc = ERR_NONE;
	struct err why = {.code = ERR_NOTFOUND};

	err_set(&why, ERR_NOTFOUND, "the run does not move that service");
	for (struct movebook_item *i = d->moves->book.items;
	     rc == ERR_NONE && i != NULL; i = i->next) {
		struct daemon_service *s = daemon_service(d, i->m.service);

		if (strcmp(i->m.run, run) != 0 || s == NULL ||
		    (service != NULL && strcmp(i->m.service, service) != 0))
			continue;
		if (move_may_say(&i->m, w->kind, &why) != ERR_NONE)
			continue;
		if (w->is_owners)
			rc = check_owner(c, s->policy, e);
		if (rc == ERR_NONE && !dry_run)
			rc = say_one(c, i, w, reason, e);
		said_count++;
	}
	if (rc == ERR_NONE && said_count == 0) {
		*e = why;
		return why.code;
	}
	if (rc == ERR_NONE && !dry_run)
		moves_told(d);
	return rc;
}

static enum err_code
run_word(struct client *c, struct wire_value *request, const struct word *w,
    struct err *e)
{
	const char *run = wire_need_text(request, "run");
	const char *service = wire_take_text(request, "service", NULL);
	const char *confirm = wire_take_text(request, "confirm", "");
	const char *reason = wire_take_text(request, "reason", "");
	bool dry_run = wire_take_bool(request, "dry_run", false);
	struct movebook_item *item = NULL;
	struct overrides o = {.count = 0};
	enum err_code rc = take_overrides(request, &o, e);

	if (rc == ERR_NONE)
		rc = client_asked(request, e);
	if (rc == ERR_NONE && o.count > 0 &&
	    (c->caller.roles & CLIENT_LEADS) == 0)
		rc = err_set(e, ERR_REFUSED,
		    "%s is no dr-lead, and overrides nothing", c->caller.name);
	for (size_t i = 0; rc == ERR_NONE && i < o.count; i++)
		rc = moveguard_may_override(o.numbers[i], o.reasons[i], e);
	if (rc == ERR_NONE && (item = first_of(c, run, e)) == NULL)
		rc = e->code;
	if (rc == ERR_NONE && w->has_confirm)
		rc = check_confirm(&item->m, confirm, w->goes_back, e);
	if (rc == ERR_NONE && !dry_run)
		rc = note_overrides(c, &item->m, &o, e);
	if (rc == ERR_NONE)
		rc = say_all(c, run, service, w, reason, dry_run, e);
	return rc == ERR_NONE ? reply_run(c, item, e) : rc;
}

static enum err_code
run_commit(struct client *c, struct wire_value *request, struct err *e)
{
	return run_word(c, request,
	    &(struct word){MOVE_SAY_COMMIT, true, false, true}, e);
}
const struct api_command api_failover_commit = {"failover commit",
    CLIENT_OPERATORS | ROLE_BIT(ROLE_APPROVER), run_commit};

static enum err_code
run_rollback(struct client *c, struct wire_value *request, struct err *e)
{
	return run_word(c, request,
	    &(struct word){MOVE_SAY_ROLLBACK, true, true, false}, e);
}
const struct api_command api_failover_rollback = {"failover rollback",
    CLIENT_OPERATORS, run_rollback};

static enum err_code
run_reprotect(struct client *c, struct wire_value *request, struct err *e)
{
	return run_word(c, request,
	    &(struct word){MOVE_SAY_REPROTECT, true, false, true}, e);
}
const struct api_command api_failover_reprotect = {"failover reprotect",
    CLIENT_OPERATORS | ROLE_BIT(ROLE_APPROVER), run_reprotect};

static enum err_code
run_abort(struct client *c, struct wire_value *request, struct err *e)
{
	return run_word(c, request,
	    &(struct word){MOVE_SAY_ABORT, false, true, false}, e);
}
const struct api_command api_failover_abort = {"failover abort",
    CLIENT_OPERATORS, run_abort};

static enum err_code
run_retry(struct client *c, struct wire_value *request, struct err *e)
{
	return run_word(c, request,
	    &(struct word){MOVE_SAY_RETRY, false, false, false}, e);
}
const struct api_command api_failover_retry = {"failover retry",
    CLIENT_OPERATORS, run_retry};

static enum err_code
run_hold(struct client *c, struct wire_value *request, struct err *e)
{
	return run_word(c, request,
	    &(struct word){MOVE_SAY_HOLD, false, false, false}, e);
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

	if (rc == ERR_NONE && (item = first_of(c, run, e)) == NULL)
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
	return rc == ERR_NONE ? reply_run(c, item, e) : rc;
}
/* The step says who may: question_answer looks. */
const struct api_command api_failover_answer = {"failover answer",
    CLIENT_READERS, run_answer};
