/* Tabletop exercises through the API. */

#include <string.h>

#include <bascule/base/exitcode.h>
#include <bascule/report.h>

#include "api_tabletop.h"
#include "tabletops.h"

#define SAY_ROLES  (CLIENT_OPERATORS | ROLE_BIT(ROLE_APPROVER))
#define LEAD_ROLES (CLIENT_LEADS | ROLE_BIT(ROLE_APPROVER))

/* --- drafting ------------------------------------------------------------------- */

/* "NAME:ROLE:COUNCIL", the last two as need be. */
static void
say_player(struct saying *s, const char *text)
{
	static const char *const names[] = {"player", "role", "council"};
	char copy[256];
	char *at = copy;

	snprintf(copy, sizeof(copy), "%s", text);
	for (size_t i = 0; i < COUNT_OF(names) && at != NULL; i++) {
		char *colon = i + 1 < COUNT_OF(names) ? strchr(at, ':') : NULL;

		if (colon != NULL)
			*colon = '\0';
		saying_add(s, names[i], at);
		at = colon == NULL ? NULL : colon + 1;
	}
}

enum err_code
api_tabletop_draft(struct client *c, struct wire_value *request, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(saying_fini) struct saying players = {0};
	struct wire_value *list = wire_take_list(request, "players");
	struct tabletops_order o = {.service =
					wire_need_text(request, "service"),
	    .scenario = wire_take_text(request, "scenario", ""),
	    .facilitator =
		wire_take_text(request, "facilitator", client_caller(c)->name),
	    .scribe = wire_take_text(request, "scribe", NULL),
	    .sponsor = wire_take_text(request, "sponsor", NULL),
	    .place = wire_take_text(request, "place", NULL),
	    .trigger = "asked by a person",
	    .actor = &client_caller(c)->actor,
	    .players = &players};
	char run[JOB_ID_BYTES];
	enum err_code rc;

	(void)wire_take_bool(request, "wait", false);
	for (size_t i = 0; list != NULL && i < wire_count(list); i++)
		say_player(&players, wire_at_text(list, i));
	rc = client_asked(request, e);
	if (rc == ERR_NONE)
		rc = tabletops_draft(client_daemon(c), &o, run, e);
	if (rc == ERR_NONE)
		rc = wire_new(&v, "exercise", e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "run", run);
	wire_add_text(v, "service", o.service);
	wire_add_text(v, "mode", "tabletop");
	wire_add_text(v, "state", tabletop_state_name(TABLETOP_DRAFT));
	client_last(c, &v);
	return ERR_NONE;
}

/* --- saying ---------------------------------------------------------------------- */

/* What only the machine says. */
static bool
is_the_machines(const char *name)
{
	static const char *const names[] = {"known", "posture", "planned_t_ns",
	    "delivered_by", "basis", "starts_t_ns"};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static enum err_code
take_fields(struct wire_value *request, struct saying *s, bool *stop,
    struct err *e)
{
	struct wire_value *list = wire_take_list(request, "fields");
	enum err_code rc = ERR_NONE;

	for (size_t i = 0;
	     rc == ERR_NONE && list != NULL && i < wire_count(list); i++) {
		struct wire_value *f = wire_at_object(list, i);
		const char *name = wire_need_text(f, "name");
		const char *value = wire_need_text(f, "value");

		if (is_the_machines(name))
			rc = err_set(e, ERR_INPUT,
			    "'%s' is what the daemon itself adds", name);
		*stop = *stop || strcmp(value, TABLETOP_STOP_WORD) == 0;
		saying_add(s, name, value);
	}
	if (rc == ERR_NONE && s->rc != ERR_NONE)
		rc = err_nomem(e);
	return rc == ERR_NONE ? client_asked(request, e) : rc;
}

static bool
is_in_play(const struct tabletop *t)
{
	return t != NULL &&
	    (tabletop_state_of(t) == TABLETOP_IN_PLAY ||
		tabletop_state_of(t) == TABLETOP_PAUSED);
}

/* To let it be played, and to call it finished, is more than to run it. */
static enum err_code
check_roles(const struct client *c, enum tabletop_verb verb, struct err *e)
{
	bool leads = verb == TABLETOP_DO_APPROVE || verb == TABLETOP_DO_ISSUE ||
	    verb == TABLETOP_DO_CLOSE || verb == TABLETOP_DO_SIGN;

	if (!leads || (client_caller(c)->roles & LEAD_ROLES) != 0)
		return ERR_NONE;
	return err_set(e, ERR_REFUSED,
	    "to %s an exercise takes the role dr-lead, approver or admin",
	    tabletop_verb_name(verb));
}

static enum err_code
reply(struct client *c, const char *run, struct err *e)
{
	OWNED(tabletop_free) struct tabletop *over = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct tabletop *t = tabletops_find(client_daemon(c), run);
	enum err_code rc = ERR_NONE;

	if (t == NULL) {
		rc = report_tabletop_load(&over, client_daemon(c)->ledger, run,
		    e);
		t = over;
	}
	if (rc == ERR_NONE)
		rc = report_tabletop_wire(t, run, now_utc(), &v, e);
	if (rc == ERR_NONE)
		client_last(c, &v);
	return rc;
}

enum err_code
api_tabletop_say(struct client *c, const char *run, enum tabletop_verb verb,
    struct saying *s, struct err *e)
{
	enum err_code rc = check_roles(c, verb, e);

	if (rc == ERR_NONE)
		rc = tabletops_say(client_daemon(c), run, verb, s,
		    &client_caller(c)->actor, e);
	return rc == ERR_NONE ? reply(c, run, e) : rc;
}

static enum err_code
run_tell(struct client *c, struct wire_value *request, struct err *e)
{
	OWNED(saying_fini) struct saying s = {0};
	OWNED(saying_fini) struct saying word = {0};
	const char *run = wire_need_text(request, "run");
	const char *name = wire_need_text(request, "verb");
	enum tabletop_verb verb;
	bool stop = false;
	enum err_code rc = take_fields(request, &s, &stop, e);

	if (rc != ERR_NONE)
		return rc;
	/* The word counts wherever it is said. */
	if (stop && is_in_play(tabletops_find(client_daemon(c), run))) {
		saying_printf(&word, "reason", "the word was said in '%.16s'",
		    name);
		return api_tabletop_say(c, run, TABLETOP_DO_STOP, &word, e);
	}
	if (!tabletop_verb_find(name, &verb) || !tabletop_is_for_people(verb))
		return err_set(e, ERR_INPUT,
		    "'%.40s' is nothing to be said in an exercise", name);
	return api_tabletop_say(c, run, verb, &s, e);
}
const struct api_command api_exercise_tell = {"exercise tell", SAY_ROLES,
    run_tell};

/* --- asking ------------------------------------------------------------------------- */

static enum err_code
tell_events(struct client *c, const struct tabletop *t, const char *run,
    uint64_t after, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = after; rc == ERR_NONE && i < tabletop_events_count(t);
	     i++) {
		OWNED(wire_free) struct wire_value *v = NULL;

		rc = report_tabletop_event_wire(t, i, run, &v, e);
		if (rc == ERR_NONE)
			client_reply(c, &v);
	}
	return rc;
}

static enum err_code
run_table(struct client *c, struct wire_value *request, struct err *e)
{
	OWNED(tabletop_free) struct tabletop *over = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	const char *run = wire_need_text(request, "run");
	uint64_t after = wire_take_uint(request, "after", 0);
	const struct tabletop *t = tabletops_find(client_daemon(c), run);
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE && t == NULL) {
		rc = report_tabletop_load(&over, client_daemon(c)->ledger, run,
		    e);
		t = over;
	}
	if (rc == ERR_NONE)
		rc = tell_events(c, t, run, after, e);
	if (rc == ERR_NONE)
		rc = report_tabletop_wire(t, run, now_utc(), &v, e);
	if (rc != ERR_NONE)
		return rc;
	client_reply(c, &v);
	return client_count(c, tabletop_events_count(t), e);
}
const struct api_command api_exercise_table = {"exercise table", CLIENT_READERS,
    run_table};
