/*
 * What the records of a move come to: their order, its phase, its clocks.
 *
 * RM1. Records of one ledger stay in their order, whatever its clock did: spans
 *      at one site are counted by its monotonic clock.
 * RM2. A point in time that not every service of the run has come to is not
 *      known.
 */

#include <bascule/base/text.h>
#include <bascule/policy.h>
#include <stdlib.h>
#include <string.h>

#include "report_exercise.h"

#define STEP_NS NS_PER_S /* a clock that went so far from itself has stepped */

/* --- order -------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	const struct report_event *x = a, *y = b;

	if (x->when.ns != y->when.ns)
		return x->when.ns < y->when.ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void
note_step(struct report_exercise *x, const struct report_event *ev)
{
	int64_t off = ev->at.ns - ev->when.ns;
	int64_t was = x->step_ns < 0 ? -x->step_ns : x->step_ns;

	if ((off < 0 ? -off : off) <= STEP_NS || (off < 0 ? -off : off) <= was)
		return;
	x->step_ns = off;
	snprintf(x->step_site, sizeof(x->step_site), "%s", ev->site);
}

/* Events as gathered: ledger by ledger, each in its order (RM1). */
void
report_move_order(struct report_exercise *x)
{
	struct report_event *before = NULL;

	for (size_t i = 0; i < x->events_count; i++) {
		struct report_event *ev = &x->events[i];
		bool same = before != NULL && before->ledger == ev->ledger;

		ev->order = i;
		ev->when = ev->at;
		if (same && strcmp(before->boot, ev->boot) == 0 &&
		    ev->mono.ns >= before->mono.ns)
			ev->when.ns =
			    before->when.ns + (ev->mono.ns - before->mono.ns);
		else if (same && ev->when.ns < before->when.ns)
			ev->when = before->when;
		note_step(x, ev);
		before = ev;
	}
	if (x->events_count > 0)
		qsort(x->events, x->events_count, sizeof(*x->events), compare);
}

/* --- the phase ------------------------------------------------------------------ */

static bool
is_phase(const struct report_event *ev)
{
	return strcmp(ev->type, "failover") == 0 && ev->phase == RECORD_EVENT &&
	    ev->event[0] >= 'A' && ev->event[0] <= 'Z';
}

/* How final a phase is: what comes after an end (a loser's STOPPED, ...) does
 * not take it back. */
static int
finality(const char *phase)
{
	static const char *const ends[] = {"EXPIRED", "WITHDRAWN", "ABORTED",
	    "ROLLED_BACK", "COMMITTED", "REPROTECTED"};

	for (size_t i = 0; i < COUNT_OF(ends); i++)
		if (strcmp(ends[i], phase) == 0)
			return (int)i + 1;
	return 0;
}

static bool
is_of(const struct report_event *ev, const char *service)
{
	return service == NULL || ev->service[0] == '\0' ||
	    strcmp(ev->service, service) == 0;
}

/* The phase that a service has come to (NULL: any); NULL: none. */
static const struct report_event *
phase_of(const struct report_exercise *x, const char *service)
{
	const struct report_event *found = NULL;

	for (size_t i = 0; i < x->events_count; i++) {
		const struct report_event *ev = &x->events[i];

		if (is_phase(ev) && is_of(ev, service) &&
		    (found == NULL ||
			finality(ev->event) >= finality(found->event)))
			found = ev;
	}
	return found;
}

/* --- services ---------------------------------------------------------------------- */

bool
report_move_service(const struct report_exercise *x, size_t *at, char *out,
    size_t out_bytes)
{
	const char *text = x->service == NULL ? "" : x->service;
	size_t len;

	while (text[*at] == ' ')
		(*at)++;
	len = strcspn(text + *at, " ");
	if (len == 0 || len >= out_bytes)
		return false;
	memcpy(out, text + *at, len);
	out[len] = '\0';
	*at += len;
	return true;
}

bool
report_move_is_many(const struct report_exercise *x)
{
	return (x->mode_bit & (PLAN_IN_PLANNED | PLAN_IN_UNPLANNED)) != 0 &&
	    strchr(x->service, ' ') != NULL;
}

/* The run has come no further than the service that has come the least far. */
static const struct report_event *
phase_of_all(const struct report_exercise *x)
{
	const struct report_event *least = NULL;
	char name[LEDGER_NAME_BYTES_MAX + 1];
	size_t at = 0;

	while (report_move_service(x, &at, name, sizeof(name))) {
		const struct report_event *ev = phase_of(x, name);

		if (ev != NULL &&
		    (least == NULL ||
			finality(ev->event) < finality(least->event)))
			least = ev;
	}
	return least != NULL ? least : phase_of(x, NULL);
}

static void
copy(char **to, const char *text, enum err_code *rc, struct err *e)
{
	*to = strdup(text == NULL ? "" : text);
	if (*to == NULL && *rc == ERR_NONE)
		*rc = err_nomem(e);
}

enum err_code
report_move_make(struct report_exercise *x, const char *run, struct err *e)
{
	const struct report_event *asked =
	    report_exercise_event(x, "REQUESTED");
	const struct report_event *last = phase_of(x, NULL);
	const char *services = report_exercise_find(x, "services");
	enum err_code rc = ERR_NONE;
	bool ends;

	if (last == NULL)
		return err_set(e, ERR_NOTFOUND, "no exercise, move or job '%s'",
		    run);
	copy(&x->run, run, &rc, e);
	copy(&x->service, services != NULL ? services : last->service, &rc, e);
	if (rc != ERR_NONE)
		return rc;
	last = phase_of_all(x);
	ends = finality(last->event) > 0;
	copy(&x->mode, report_exercise_find(x, "mode"), &rc, e);
	copy(&x->state, last->event, &rc, e);
	copy(&x->result, ends ? last->event : "", &rc, e);
	copy(&x->reason, last->reason, &rc, e);
	copy(&x->point, report_exercise_find(x, "point"), &rc, e);
	copy(&x->actor, asked == NULL ? "" : asked->actor, &rc, e);
	x->requested = asked == NULL ? x->events[0].at : asked->at;
	x->ended = ends ? last->at : (struct utc){0};
	return rc;
}

/* --- clocks -------------------------------------------------------------------------- */

int64_t
report_move_number(const struct report_exercise *x, const char *name)
{
	const char *text = report_exercise_find(x, name);
	uint64_t n;

	return text != NULL && text_parse_u64(text, INT64_MAX, &n) ? (int64_t)n
								   : -1;
}

/* The first of it, of any service. */
static void
set_first(struct report_exercise *x, enum clocks_point p, const char *event)
{
	const struct report_event *ev = report_exercise_event(x, event);

	if (ev != NULL)
		clocks_set(&x->clocks, p, ev->when);
}

static const struct report_event *
last_of(const struct report_exercise *x, const char *event, const char *service)
{
	for (size_t i = x->events_count; i-- > 0;)
		if (strcmp(x->events[i].event, event) == 0 &&
		    x->events[i].phase != RECORD_INTENT &&
		    is_of(&x->events[i], service))
			return &x->events[i];
	return NULL;
}

/* When the last service had come to it (RM2); one that failed on the way and
 * was tried again counts when it came there for the last time. */
static bool
find_last(const struct report_exercise *x, const char *event, struct utc *when)
{
	char name[LEDGER_NAME_BYTES_MAX + 1];
	size_t at = 0;
	bool any = false;

	*when = (struct utc){INT64_MIN};
	while (report_move_service(x, &at, name, sizeof(name))) {
		const struct report_event *ev = last_of(x, event, name);

		if (ev == NULL)
			return false;
		if (ev->when.ns > when->ns)
			*when = ev->when;
		any = true;
	}
	return any;
}

static void
set_last(struct report_exercise *x, enum clocks_point p, const char *event)
{
	struct utc when;

	if (find_last(x, event, &when))
		clocks_set(&x->clocks, p, when);
}

/* Who said that it may: the last that did before it started, or the start. */
static void
set_authorised(struct report_exercise *x)
{
	const struct report_event *started =
	    report_exercise_event(x, "STARTED");

	for (size_t i = 0; i < x->events_count; i++) {
		const struct report_event *ev = &x->events[i];

		if (strcmp(ev->type, "approval") == 0 &&
		    strcmp(ev->event, "approve") == 0 &&
		    (started == NULL || ev->when.ns <= started->when.ns))
			clocks_set(&x->clocks, CLOCKS_AUTHORISED, ev->when);
	}
	if (!x->clocks.known[CLOCKS_AUTHORISED] && started != NULL)
		clocks_set(&x->clocks, CLOCKS_AUTHORISED, started->when);
}

/* The owner's word about the service; one about the loss comes before it ran. */
static void
set_accepted(struct report_exercise *x)
{
	struct utc when;

	if (!find_last(x, "COMMITTED", &when))
		return;
	clocks_set(&x->clocks, CLOCKS_COMMITTED, when);
	clocks_set(&x->clocks, CLOCKS_ACCEPTED, when);
	if (find_last(x, "commit", &when))
		clocks_set(&x->clocks, CLOCKS_ACCEPTED, when);
	if (find_last(x, "accept", &when) &&
	    x->clocks.known[CLOCKS_REDIRECTED] &&
	    when.ns >= x->clocks.at[CLOCKS_REDIRECTED].ns)
		clocks_set(&x->clocks, CLOCKS_ACCEPTED, when);
}

/* From when its writes began to be stopped. */
static void
set_disrupted(struct report_exercise *x)
{
	set_first(x, CLOCKS_DISRUPTION, "QUIESCED");
	for (size_t i = 0; i < x->events_count; i++) {
		const struct report_event *ev = &x->events[i];

		if (strcmp(ev->type, "failover") == 0 &&
		    strcmp(ev->event, "quiesce") == 0 &&
		    ev->phase == RECORD_INTENT) {
			clocks_set(&x->clocks, CLOCKS_DISRUPTION, ev->when);
			return;
		}
	}
}

/* t0 to t9: from the phases, and from what was said of them. */
static void
set_clocks(struct report_exercise *x)
{
	int64_t disruption_ns = report_move_number(x, "disruption_ns");
	int64_t detected_ns = report_move_number(x, "detected_ns");

	set_disrupted(x);
	set_first(x, CLOCKS_DETECTED, "REQUESTED");
	set_first(x, CLOCKS_DECLARED, "REQUESTED");
	if (disruption_ns > 0)
		clocks_set(&x->clocks, CLOCKS_DISRUPTION,
		    (struct utc){disruption_ns});
	if (detected_ns > 0)
		clocks_set(&x->clocks, CLOCKS_DETECTED,
		    (struct utc){detected_ns});
	set_authorised(x);
	set_first(x, CLOCKS_STARTED, "STARTED");
	set_first(x, CLOCKS_PROMOTED, "PROVISIONAL");
	set_last(x, CLOCKS_REDIRECTED, "RAN");
	set_accepted(x);
	set_last(x, CLOCKS_REPROTECTED, "REPROTECTED");
}

/* A run that was given up: until it ran again where it had been. */
static void
measure_back(struct report_exercise *x)
{
	static const char *const ends[] = {"ROLLED_BACK", "RESUMED", "ABORTED"};
	struct utc when;

	x->back_ns = -1;
	if (!x->clocks.known[CLOCKS_DISRUPTION] ||
	    x->clocks.known[CLOCKS_COMMITTED])
		return;
	for (size_t i = 0; x->back_ns < 0 && i < COUNT_OF(ends); i++)
		if (find_last(x, ends[i], &when) &&
		    when.ns >= x->clocks.at[CLOCKS_DISRUPTION].ns)
			x->back_ns =
			    when.ns - x->clocks.at[CLOCKS_DISRUPTION].ns;
}

/* After a rollback the old data is in force again: what was written at the new
 * site is kept, and not in it. */
static int64_t
rolled_back_ns(const struct report_exercise *x)
{
	const struct report_event *from =
	    report_exercise_event(x, "PROVISIONAL");
	const struct report_event *until = last_of(x, "CAPTURED", NULL);

	return from == NULL || until == NULL || until->when.ns < from->when.ns
	    ? -1
	    : until->when.ns - from->when.ns;
}

const struct report_event *
report_move_ran_on(const struct report_exercise *x)
{
	const char *from = report_exercise_find(x, "from_site");

	if (from == NULL || report_exercise_event(x, "DIVERGENCE") == NULL)
		return NULL;
	for (size_t i = 0; i < x->events_count; i++)
		if (strcmp(x->events[i].event, "STOPPED") == 0 &&
		    strcmp(x->events[i].site, from) == 0)
			return &x->events[i];
	return NULL;
}

/* From the point until the old site was off: what it wrote at most since. */
static int64_t
ran_on_ns(const struct report_exercise *x)
{
	const struct report_event *off = report_move_ran_on(x);
	int64_t point_ns = report_move_number(x, "point_at_ns");

	return off == NULL || point_ns <= 0 || off->when.ns < point_ns
	    ? -1
	    : off->when.ns - point_ns;
}

static int64_t
measure_loss(struct report_exercise *x)
{
	struct utc when;

	if (report_exercise_event(x, "ROLLED_BACK") != NULL)
		return rolled_back_ns(x);
	if (find_last(x, "EQUAL", &when))
		return 0;
	if (report_move_number(x, "rpa_ns") >= 0)
		return report_move_number(x, "rpa_ns");
	if (report_move_number(x, "last_write_ns") > 0 &&
	    report_move_number(x, "point_at_ns") > 0)
		return clocks_rpa_ns((struct utc){report_move_number(x,
					 "last_write_ns")},
		    (struct utc){report_move_number(x, "point_at_ns")});
	/* what a planned move loses is known when both sides are equal */
	if (x->mode_bit == PLAN_IN_PLANNED)
		return -1;
	x->rpa_is_bound = ran_on_ns(x) >= 0;
	x->rpa_is_estimate = !x->rpa_is_bound;
	return x->rpa_is_bound ? ran_on_ns(x)
			       : report_move_number(x, "loss_ns");
}

void
report_move_measure(struct report_exercise *x)
{
	int64_t ns;

	set_clocks(x);
	measure_back(x);
	x->rta_ns = -1;
	if (clocks_span_ns(&x->clocks,
		x->mode_bit == PLAN_IN_PLANNED ? CLOCKS_OUTAGE
					       : CLOCKS_RTA_DECLARED,
		&ns))
		x->rta_ns = ns;
	x->rpa_ns = measure_loss(x);
}
