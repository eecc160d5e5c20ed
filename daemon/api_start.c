/*
 * failover start: does what was approved still stand, do the guards of every
 * service let it begin?  Of hundreds that takes several turns of the loop, and
 * one record ends it.
 *
 *	what would be shown now -> each service's guards -> the people once more
 *	-> STARTED
 */

#include "api_move.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/exitcode.h>

#include "facts.h"

struct starting {
	char run[REQUEST_RUN_BYTES];
	char *confirm, *reason;
	bool break_glass, dry_run;
	struct overrides o;
	uint64_t policy_number;
	/* what an approver would be shown now; seen "": not yet known */
	struct request_showing *showing;
	char seen[ID_HEX_BYTES];
	size_t count, judged; /* services; how many were looked at */
	size_t stopped;
	struct err why;  /* of the first that is stopped */
	char first[65];  /* its name */
	bool is_guarded; /* the failure is a guard's no */
};

static void
starting_free(void **ctx)
{
	struct starting *s = TAKE(*ctx);

	if (s == NULL)
		return;
	request_showing_free(&s->showing);
	overrides_fini(&s->o);
	free(s->confirm);
	free(s->reason);
	free(s);
}

/* --- may it begin? ---------------------------------------------------------------- */

/* Who types it again wants it to go on: by what, or that it does. */
static enum err_code
begun_already(const struct daemon *d, const struct move *m, struct err *e)
{
	const char *phase = move_event_name(move_phase(m));
	char next[512];

	if (move_is_over(m)) {
		err_set(e, ERR_REFUSED, "the run is over: it ended as %s",
		    phase);
		return err_hint(e,
		    "ask anew: bascule failover request %s --to SITE",
		    m->service);
	}
	err_set(e, ERR_REFUSED,
	    "the run was started already and has come to %s", phase);
	if (movesay_next(d, m->run, next, sizeof(next)))
		return err_hint(e, "%s", next);
	return err_hint(e, "where it stands: bascule failover show %s", m->run);
}

static enum err_code
check_start(struct client *c, const struct movebook_item *item,
    const struct starting *s, struct err *e)
{
	const struct move *m = &item->m;
	const char *here = client_daemon(c)->policy->site;

	if (strcmp(m->asked_at, here) != 0) {
		err_set(e, ERR_REFUSED, "the run was asked for at site '%s'",
		    m->asked_at);
		return err_hint(e, "it is started there, too");
	}
	if (move_phase(m) != MOVE_REQUESTED)
		return begun_already(client_daemon(c), m, e);
	if (item->expires.ns != 0 && now_utc().ns >= item->expires.ns) {
		err_set(e, ERR_REFUSED, "the request has expired");
		return err_hint(e, "ask for it again");
	}
	if (s->break_glass && *s->reason == '\0')
		return err_set(e, ERR_INPUT, "a broken glass needs a reason");
	if (s->policy_number != client_daemon(c)->policy_number)
		return request_policy_changed(e);
	return api_move_confirm(m, s->confirm, false, e);
}

/* The next services of what is shown; `seen` when they were the last. */
static enum err_code
see_more(struct starting *s, struct daemon *d, struct err *e)
{
	OWNED(buf_fini) struct buf shown = {0};
	struct request_book *b = NULL;
	struct request *r = NULL;
	enum err_code rc = request_find(&b, d, s->run, &r, e);

	if (rc == ERR_NONE && s->showing == NULL) {
		s->count = r->service_count;
		rc = request_showing_begin(&s->showing, d, r, e);
	}
	if (rc == ERR_NONE)
		rc = request_showing_more(s->showing, b, r, e);
	if (rc != ERR_NONE || !request_showing_is_whole(s->showing))
		return rc;
	rc = request_showing_end(s->showing, r, &shown, s->seen, e);
	request_showing_free(&s->showing);
	return rc;
}

/* ERR_REFUSED: a guard's no. */
static enum err_code
judge(struct client *c, const struct starting *s, struct movebook_item *item,
    struct guards_facts *facts, struct guards_result results[GUARDS_COUNT],
    struct err *e)
{
	const struct moveguard_ask ask = {.who = client_caller(c),
	    .item = item,
	    .phase = GUARDS_AT_START,
	    .break_glass = s->break_glass,
	    .seen = s->seen};
	enum err_code rc =
	    moveguard_judge(client_daemon(c), &ask, facts, results, e);

	return rc == ERR_NONE ? overrides_apply(&s->o, results, e) : rc;
}

/* What stops one is told, and the others are looked at all the same: who has to
 * see to it sees to all of it at once. */
static enum err_code
judge_one(struct client *c, struct starting *s, struct movebook_item *item,
    struct err *e)
{
	struct guards_result results[GUARDS_COUNT];
	OWNED(free_mem) struct guards_facts *facts = calloc(1, sizeof(*facts));
	struct err why;
	enum err_code rc =
	    facts == NULL ? err_nomem(e) : judge(c, s, item, facts, results, e);

	if (rc == ERR_NONE)
		rc = facts_tell(c, item->m.service, facts, results, true, e);
	if (rc != ERR_NONE ||
	    guards_admit(results, facts, NULL, &why) == ERR_NONE)
		return rc;
	if (s->stopped++ == 0) {
		s->why = why;
		snprintf(s->first, sizeof(s->first), "%.64s", item->m.service);
	}
	return ERR_NONE;
}

static enum err_code
judge_more(struct client *c, struct starting *s, struct err *e)
{
	struct movebook *b = &client_daemon(c)->moves->book;
	size_t at = 0, end = s->judged + DAEMON_SLICE;
	enum err_code rc = ERR_NONE;

	for (struct movebook_item *i = b->items; rc == ERR_NONE && i != NULL;
	     i = i->next) {
		if (strcmp(i->m.run, s->run) != 0)
			continue;
		if (at++ < s->judged || s->judged == end)
			continue;
		rc = judge_one(c, s, i, e);
		s->judged++;
	}
	s->count = at;
	return rc;
}

static enum err_code
say_stopped(const struct starting *s, struct err *e)
{
	*e = s->why;
	if (s->count > 1)
		err_wrap(e, "%zu of %zu services cannot be started; of '%.64s'",
		    s->stopped, s->count, s->first);
	return e->code;
}

/* What has come to run there since it was asked for may have taken the room. */
static enum err_code
check_room(struct daemon *d, const struct starting *s, struct err *e)
{
	OWNED(request_room_fini) struct request_room room = {0};
	struct request_book *b = NULL;
	struct request *r = NULL;
	enum err_code rc = request_find(&b, d, s->run, &r, e);

	for (size_t i = 0; rc == ERR_NONE && i < s->o.count; i++)
		if (s->o.numbers[i] == 8) /* G08, by a dr-lead with a reason */
			return ERR_NONE;
	if (rc == ERR_NONE)
		rc = request_room_of(&room, d, r, e);
	if (rc != ERR_NONE || request_room_check(&room, r->to, e) == ERR_NONE)
		return rc;
	return err_hint(e,
	    "make room first, or ask anew with --shed, or a dr-lead overrides "
	    "G08; 'bascule failover show %s' names who has none",
	    s->run);
}

/* --- the record ------------------------------------------------------------------- */

static enum err_code
note_started(struct client *c, const struct move *m, const struct starting *s,
    struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	struct daemon *d = client_daemon(c);
	char ids[OVERRIDES_IDS_BYTES];
	enum err_code rc = overrides_note(c, m, &s->o, e);

	if (rc == ERR_NONE)
		rc = moverecord_draft(&draft, d, m, NULL,
		    move_event_name(MOVE_STARTED), e);
	if (rc != ERR_NONE)
		return rc;
	draft_actor(draft, &client_caller(c)->actor);
	draft_int(draft, "login_uid", client_caller(c)->login_uid);
	draft_text(draft, "login_name", client_caller(c)->login_name);
	draft_text(draft, "confirm", s->confirm);
	draft_text(draft, "overrides", overrides_ids(&s->o, ids));
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

/* --- the command ------------------------------------------------------------------ */

/* All are looked at.  What people have said meanwhile counts, too. */
static enum err_code
end_start(struct client *c, struct starting *s, struct movebook_item *item,
    struct err *e)
{
	struct guards_result results[GUARDS_COUNT];
	OWNED(free_mem) struct guards_facts *facts = calloc(1, sizeof(*facts));
	enum err_code rc = facts == NULL ? err_nomem(e) : ERR_NONE;

	if (rc == ERR_NONE && s->stopped > 0)
		rc = say_stopped(s, e);
	if (rc == ERR_NONE)
		rc = judge(c, s, item, facts, results, e);
	if (rc == ERR_NONE)
		rc = guards_admit(results, facts, NULL, e);
	if (rc == ERR_NONE)
		rc = check_room(client_daemon(c), s, e);
	s->is_guarded = rc == ERR_REFUSED;
	if (rc == ERR_NONE && !s->dry_run)
		rc = note_started(c, &item->m, s, e);
	return rc == ERR_NONE
	    ? api_move_said(c, item, move_event_name(MOVE_STARTED), s->dry_run,
		  e)
	    : rc;
}

/* c lets go of s with the last. */
static enum err_code
start_slice(struct starting *s, struct client *c, struct err *e)
{
	struct movebook_item *item = api_move_first(c, s->run, e);
	enum err_code rc = item == NULL ? e->code : check_start(c, item, s, e);

	if (rc == ERR_NONE && s->seen[0] == '\0') {
		rc = see_more(s, client_daemon(c), e);
		if (rc != ERR_NONE || s->seen[0] == '\0' ||
		    s->count > DAEMON_SLICE)
			return rc;
	}
	if (rc != ERR_NONE)
		return rc;
	rc = judge_more(c, s, e);
	s->is_guarded = rc == ERR_REFUSED;
	return rc == ERR_NONE && s->judged >= s->count
	    ? end_start(c, s, item, e)
	    : rc;
}

static void
start_more(struct client *c, void *ctx, struct job *j)
{
	struct starting *s = ctx;
	struct err e;

	(void)j;
	s->is_guarded = false;
	if (start_slice(s, c, &e) != ERR_NONE)
		client_fail(c, &e, s->is_guarded ? EXITCODE_GUARD : 0);
}

static enum err_code
take(struct client *c, struct wire_value *request, struct starting *s,
    struct err *e)
{
	const char *run = wire_need_text(request, "run");
	const char *confirm = wire_need_text(request, "confirm");
	const char *reason = wire_take_text(request, "reason", "");
	enum err_code rc;

	s->break_glass = wire_take_bool(request, "break_glass", false);
	s->dry_run = wire_take_bool(request, "dry_run", false);
	s->policy_number = client_daemon(c)->policy_number;
	rc = overrides_take(request, &s->o, e);
	if (rc == ERR_NONE)
		rc = client_asked(request, e);
	if (rc == ERR_NONE && strlen(run) >= sizeof(s->run))
		rc = err_set(e, ERR_NOTFOUND, "there is no run '%.80s'", run);
	if (rc != ERR_NONE)
		return rc;
	snprintf(s->run, sizeof(s->run), "%s", run);
	s->confirm = strdup(confirm);
	s->reason = strdup(reason);
	return s->confirm == NULL || s->reason == NULL
	    ? err_nomem(e)
	    : overrides_may(c, &s->o, e);
}

static enum err_code
run_start(struct client *c, struct wire_value *request, struct err *e)
{
	struct starting *s = calloc(1, sizeof(*s));
	void *ctx = s;
	enum err_code rc = s == NULL ? err_nomem(e) : take(c, request, s, e);

	if (rc != ERR_NONE) {
		starting_free(&ctx);
		return rc;
	}
	client_take_turns(c, start_more, s, starting_free);
	rc = start_slice(s, c, e);
	if (rc == ERR_NONE || !s->is_guarded)
		return rc;
	client_fail(c, e, EXITCODE_GUARD);
	return ERR_NONE;
}
const struct api_command api_failover_start = {"failover start",
    CLIENT_OPERATORS, run_start};
