/* What stands around a run: the one before, the way back, controls, the next. */

#include <bascule/base/text.h>
#include <bascule/policy.h>
#include <string.h>

#include "report_exercise.h"

#define MOVES (PLAN_IN_PLANNED | PLAN_IN_UNPLANNED)

static enum err_code
take_test(void *ctx, const struct ledger_exercise *row, struct err *e)
{
	struct report_exercise *x = ctx;

	(void)e;
	if (row->requested.ns >= x->requested.ns || x->previous[0] != '\0')
		return ERR_NONE;
	snprintf(x->previous, sizeof(x->previous), "%s%s%s", row->run,
	    row->result[0] != '\0' ? ": " : "", row->result);
	x->previous_rta_ns = row->rta_ns;
	return ERR_NONE;
}

/* Moves are no view's: their requests name the services. */
struct moves {
	struct report_exercise *x;
	struct utc newest;
};

static enum err_code
take_move(void *ctx, const struct record *r, struct err *e)
{
	struct moves *m = ctx;
	struct report_exercise *x = m->x;
	const char *from = report_exercise_find(x, "from_site");
	char event[32], services[512], run[80], site[LEDGER_NAME_BYTES_MAX + 1];

	(void)e;
	record_text(r, "event", event, sizeof(event));
	record_text(r, "services", services, sizeof(services));
	record_text(r, "@run", run, sizeof(run));
	record_text(r, "to_site", site, sizeof(site));
	if (strcmp(event, "REQUESTED") != 0 || strcmp(run, x->run) == 0 ||
	    strcmp(services, x->service) != 0)
		return ERR_NONE;
	if (r->at.ns > x->requested.ns && x->next[0] == '\0' && from != NULL &&
	    strcmp(site, from) == 0)
		snprintf(x->next, sizeof(x->next), "%s", run);
	if (r->at.ns <= x->requested.ns && r->at.ns > m->newest.ns) {
		snprintf(x->previous, sizeof(x->previous), "%s to %.60s", run,
		    site);
		m->newest = r->at;
	}
	return ERR_NONE;
}

/* The newest drill of the service that ended before this one was asked for. */
static enum err_code
take_drill(void *ctx, const struct record *r, struct err *e)
{
	struct moves *m = ctx;
	char run[80], result[40];

	(void)e;
	record_text(r, "@run", run, sizeof(run));
	record_text(r, "result", result, sizeof(result));
	if (result[0] == '\0' || strcmp(run, m->x->run) == 0 ||
	    r->at.ns > m->x->requested.ns || r->at.ns < m->newest.ns)
		return ERR_NONE;
	snprintf(m->x->previous, sizeof(m->x->previous), "%s: %s", run, result);
	m->x->previous_rta_ns = record_int(r, "restore_ns", -1);
	m->newest = r->at;
	return ERR_NONE;
}

#define DRILLS_WITHIN 4000 /* records of jobs, the newest */

static enum err_code
find_drills(struct report_exercise *x, struct ledger *l, struct err *e)
{
	struct ledger_filter f = {.type = LEDGER_JOB,
	    .service = x->service,
	    .limit = DRILLS_WITHIN,
	    .newest = true};
	struct moves m = {.x = x};

	return ledger_iterate(l, &f, take_drill, &m, e);
}

/* --- where its services were before ------------------------------------------ */

struct register_before {
	struct utc at;
	char text[400];
};

static enum err_code
take_register(void *ctx, const struct record *r, struct err *e)
{
	struct register_before *b = ctx;
	char state[32], site[LEDGER_NAME_BYTES_MAX + 1];

	(void)e;
	if (r->at.ns < b->at.ns)
		return ERR_NONE;
	b->at = r->at;
	record_text(r, "state", state, sizeof(state));
	record_text(r, "active_site", site, sizeof(site));
	snprintf(b->text, sizeof(b->text), "%s at %s, epoch %lld", state, site,
	    (long long)record_int(r, "epoch", 0));
	return ERR_NONE;
}

/* By the newest word of any site that is from before the request. */
static enum err_code
find_before(struct report_exercise *x, const struct report_sources *from,
    struct err *e)
{
	char name[LEDGER_NAME_BYTES_MAX + 1];
	bool is_many = report_move_is_many(x);
	size_t at = 0, used = 0;

	while (report_move_service(x, &at, name, sizeof(name)) &&
	    used < sizeof(x->before)) {
		struct ledger_filter f = {.type = LEDGER_AUTHORITY,
		    .service = name,
		    .until = x->requested,
		    .limit = 1,
		    .newest = true};
		struct register_before b = {.text = ""};
		enum err_code rc = ERR_NONE;

		for (size_t i = 0; rc == ERR_NONE && i < from->ledgers_count;
		     i++)
			rc = ledger_iterate(from->ledgers[i], &f, take_register,
			    &b, e);
		if (rc != ERR_NONE)
			return rc;
		used += (size_t)snprintf(x->before + used,
		    sizeof(x->before) - used, "%s%s%s%s", used > 0 ? "; " : "",
		    is_many ? name : "", is_many ? ": " : "",
		    b.text[0] != '\0' ? b.text : "not known");
	}
	text_mend_end(x->before);
	return ERR_NONE;
}

static enum err_code
find_runs(struct report_exercise *x, const struct report_sources *from,
    struct err *e)
{
	struct ledger_exercise_filter tests = {.service = x->service,
	    .mode = x->mode,
	    .limit = 200};
	struct ledger_filter moves = {.type = LEDGER_FAILOVER};
	struct moves m = {.x = x};
	enum err_code rc = ERR_NONE;

	if (x->mode_bit == REPORT_DRILL)
		return find_drills(x, from->ledgers[0], e);
	if (x->mode_bit == REPORT_JOB)
		return ERR_NONE;
	if ((x->mode_bit & MOVES) == 0)
		return ledger_exercises(from->ledgers[0], &tests, take_test, x,
		    e);
	for (size_t i = 0; rc == ERR_NONE && i < from->ledgers_count; i++)
		rc = ledger_iterate(from->ledgers[i], &moves, take_move, &m, e);
	return rc == ERR_NONE ? find_before(x, from, e) : rc;
}

/* What of the policy's controls the run is evidence for, if it came to that. */
static bool
supports(const struct report_exercise *x, const char *kind)
{
	if (x->mode_bit == REPORT_DRILL)
		return (strcmp(kind, "verify") == 0 ||
			   strcmp(kind, "restore") == 0) &&
		    strncmp(x->result, "PASS", 4) == 0;
	if (x->mode_bit == REPORT_JOB)
		return strcmp(x->result, "succeeded") == 0 &&
		    (strcmp(kind, x->mode) == 0 ||
			(strcmp(kind, "verify") == 0 &&
			    strcmp(x->mode, "reread") == 0));
	if (strcmp(kind, "exercise") == 0)
		return x->mode_bit == PLAN_IN_TEST &&
		    strcmp(x->result, "PASS") == 0;
	if (strcmp(kind, "tabletop") == 0)
		return x->tabletop != NULL &&
		    tabletop_state_of(x->tabletop) >= TABLETOP_ISSUED;
	return strcmp(kind, "failover") == 0 && (x->mode_bit & MOVES) != 0 &&
	    (strcmp(x->result, "COMMITTED") == 0 ||
		strcmp(x->result, "REPROTECTED") == 0);
}

static void
find_controls(struct report_exercise *x, const struct policy *p)
{
	size_t used = 0;

	for (size_t i = 0; i < p->control_count; i++) {
		const struct policy_control *c = &p->controls[i];
		bool is_some = false;

		for (size_t k = 0; k < c->evidence.count; k++)
			is_some = is_some || supports(x, c->evidence.items[k]);
		if (is_some && used < sizeof(x->controls))
			used += (size_t)snprintf(x->controls + used,
			    sizeof(x->controls) - used, "%s%s",
			    used > 0 ? ", " : "supports ", c->id);
	}
	if (used == 0 && x->result[0] != '\0')
		snprintf(x->controls, sizeof(x->controls), "none: %s",
		    p->control_count == 0 ? "the policy maps no controls"
					  : "it is evidence for none of the "
					    "policy's");
	text_mend_end(x->controls);
}

static void
say_next(struct report_exercise *x, const struct policy_when *when)
{
	char at[NOW_TEXT_BYTES], span[TEXT_UNIT_BYTES];

	if (when->every_ns > 0)
		snprintf(x->next_due, sizeof(x->next_due),
		    "%s, every %s by the policy",
		    now_text((struct utc){x->requested.ns + when->every_ns},
			at),
		    text_duration(when->every_ns, span));
	else
		snprintf(x->next_due, sizeof(x->next_due),
		    "by the policy's schedule: %.60s %.60s", when->schedule,
		    when->timezone);
	text_mend_end(x->next_due);
}

/* One of its kind by the policy of the service: when the next one is due. */
static void
find_next(struct report_exercise *x, const struct policy_service *s)
{
	bool is_table = x->mode_bit == PLAN_IN_TABLETOP;
	bool is_drill = x->mode_bit == REPORT_DRILL;

	for (size_t i = 0; is_drill && i < s->verify_count; i++)
		if (s->verify[i].kind == POLICY_VERIFY_RESTORE) {
			say_next(x, &s->verify[i].when);
			return;
		}
	for (size_t i = 0; !is_drill && i < s->exercise_count; i++)
		if ((s->exercises[i].kind == POLICY_EXERCISE_TABLETOP) ==
		    is_table) {
			say_next(x, &s->exercises[i].when);
			return;
		}
	snprintf(x->next_due, sizeof(x->next_due),
	    "the policy has no %s of '%.60s' on a schedule",
	    is_drill       ? "restore drill"
		: is_table ? "tabletop"
			   : "test",
	    s->name);
}

enum err_code
report_related_find(struct report_exercise *x,
    const struct report_sources *from, struct err *e)
{
	const struct policy_service *s;
	enum err_code rc = find_runs(x, from, e);

	if (rc != ERR_NONE || from->policy == NULL)
		return rc;
	find_controls(x, from->policy);
	s = policy_find_service(from->policy, x->service);
	if (s != NULL && x->tabletop == NULL && x->mode_bit != REPORT_JOB)
		find_next(x, s);
	return ERR_NONE;
}
