#include <stdarg.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/ledger.h>
#include <bascule/wire.h>

#include "exercise_parts.h"

void
exercise_notes_one(struct exercise *x, const char *name, const char *fmt, ...)
{
	OWNED(planrun_fields_fini) struct planrun_fields f = {0};
	OWNED(free_mem) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text == NULL)
		f.failed = true;
	else
		planrun_fields_add(&f, name, "%s", text);
	planrun_notes_note(&x->p, LEDGER_EXERCISE, &f);
}

void
exercise_notes_state(struct exercise *x)
{
	OWNED(planrun_fields_fini) struct planrun_fields f = {0};
	const struct isolated *t = &x->iso;

	planrun_fields_add(&f, "state", "%s", isolated_state_name(t->state));
	/* What the result will follow from, should somebody else finish. */
	if (t->failed)
		planrun_fields_add(&f, "failed", "1");
	if (t->interrupted)
		planrun_fields_add(&f, "interrupted", "1");
	if (t->unproved)
		planrun_fields_add(&f, "unproved", "1");
	if (t->findings)
		planrun_fields_add(&f, "findings", "1");
	if (x->reason[0] != '\0')
		planrun_fields_add(&f, "reason", "%s", x->reason);
	planrun_notes_note(&x->p, LEDGER_EXERCISE, &f);
	planrun_notes_log(&x->p, "state %s", isolated_state_name(t->state));
}

/* --- beforehand ----------------------------------------------------------- */

static void
add_scope(const struct exercise *x, struct planrun_fields *f)
{
	const struct policy_service *s = x->o->service;
	size_t in_test = 0;

	for (size_t i = 0; i < s->step_count; i++)
		in_test += exercise_steps_has(x, i);
	planrun_fields_add(f, "scope",
	    "%zu of %zu steps of the plan (%zu cannot be isolated where they "
	    "are done; the others are for live moves, tabletops or another "
	    "site), %zu datasets",
	    in_test, s->step_count, x->scope.aside_count, s->dataset_count);
}

/* What is so of every isolated test, said for readers who do not know. */
static void
add_test_facts(const struct exercise *x, struct planrun_fields *f)
{
	const struct policy_service *s = x->o->service;
	char rto[TEXT_UNIT_BYTES], rpo[TEXT_UNIT_BYTES];

	planrun_fields_add(f, "criteria",
	    "every step and check succeeds, production cannot be reached, all "
	    "is cleaned up; RTA within %s, RPA within %s",
	    text_duration(s->rto_ns, rto), text_duration(s->rpo_ns, rpo));
	planrun_fields_add(f, "exclusions",
	    "moving users, names and routes; fencing; authority; failback");
	planrun_fields_add(f, "simulated",
	    "the loss of %s: nothing was taken from production", s->home);
	planrun_fields_add(f, "approvals", "an isolated test needs none");
	planrun_fields_add(f, "break_glass", "none: a test has none");
	planrun_fields_add(f, "epoch",
	    "none: a test is under no epoch and moves no authority");
	planrun_fields_add(f, "fence", "none is needed: production ran on");
	planrun_fields_add(f, "overrides", "none: a test has none");
	planrun_fields_add(f, "unprotected",
	    "none by the test: it stops no backup and no replication");
	planrun_fields_add(f, "failback", "none is needed: nothing was moved");
}

static void
note_partial(struct exercise *x)
{
	const struct policy_service *s = x->o->service;

	for (size_t i = 0; i < s->dataset_count; i++) {
		if (x->p.snapshots[i].problems_count == 0)
			continue;
		exercise_feed(x, ISOLATED_FINDING);
		exercise_notes_one(x, "finding",
		    "the point's snapshot of '%s' is partial: %llu things "
		    "could not be read when it was taken",
		    s->datasets[i].name,
		    (unsigned long long)x->p.snapshots[i].problems_count);
	}
}

void
exercise_notes_plan(struct exercise *x)
{
	OWNED(planrun_fields_fini) struct planrun_fields f = {0};
	const struct policy_service *s = x->o->service;
	char hex[ID_HEX_BYTES], rpa[TEXT_UNIT_BYTES];

	planrun_fields_add(&f, "mode", "test");
	planrun_fields_add(&f, "point", "%s", id_hex(&x->point, hex));
	planrun_fields_add(&f, "point_at_ns", "%lld",
	    (long long)x->point_at.ns);
	planrun_fields_add(&f, "point_why", "%s",
	    x->o->point != NULL
		? "asked for"
		: "the newest complete point in this site's repository");
	planrun_fields_add(&f, "purpose",
	    "show that '%s' can be restored and started at %s from the copy "
	    "there, within its RTO, with no more loss than its RPO",
	    s->name, x->o->site->name);
	planrun_fields_add(&f, "direction", "%s -> %s", s->home,
	    x->o->site->name);
	add_scope(x, &f);
	add_test_facts(x, &f);
	planrun_fields_add(&f, "loss",
	    "estimated: when production last wrote is not known, so everything "
	    "since the point counts as lost: %s",
	    text_duration(x->rpa_ns, rpa));
	planrun_fields_add(&f, "rto_ns", "%lld", (long long)s->rto_ns);
	planrun_fields_add(&f, "rpo_ns", "%lld", (long long)s->rpo_ns);
	planrun_fields_add(&f, "rpa_ns", "%lld", (long long)x->rpa_ns);
	planrun_notes_note(&x->p, LEDGER_EXERCISE, &f);
	note_partial(x);
}

/* The words of an undo as they will be run, so that they can be run whatever
 * the policy says by then. */
static void
add_undo(struct exercise *x, const struct policy_step *s,
    struct planrun_fields *f)
{
	OWNED(policy_expand_free) char **argv = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *list = NULL;
	OWNED(buf_fini) struct buf line = {0};
	struct policy_values values;
	char snapshot[ID_HEX_BYTES], name[80];
	struct err e = {0};

	planrun_values(&x->p, s, snapshot, &values);
	if (policy_expand_argv(&argv, &s->undo, &values, &e) != ERR_NONE ||
	    wire_new(&v, NULL, &e) != ERR_NONE ||
	    wire_new_list(&list, &e) != ERR_NONE) {
		f->failed = true;
		return;
	}
	for (size_t i = 0; argv[i] != NULL; i++)
		wire_add_text(list, NULL, argv[i]);
	wire_add_int(v, "timeout_ns", s->timeout_ns);
	wire_add(v, "argv", &list);
	if (wire_line(v, &line, &e) != ERR_NONE) {
		f->failed = true;
		return;
	}
	line.len_bytes--; /* its newline */
	snprintf(name, sizeof(name), "undo.%.63s", s->name);
	planrun_fields_add(f, name, "%s", buf_text(&line));
}

enum err_code
exercise_notes_inventory(struct exercise *x, struct err *e)
{
	OWNED(planrun_fields_fini) struct planrun_fields f = {0};
	const struct planrun_link *l = &x->o->link;
	const struct policy_service *s = x->o->service;
	char boot[NOW_BOOT_ID_BYTES] = "";

	planrun_fields_add(&f, "state", "%s",
	    isolated_state_name(x->iso.state));
	planrun_fields_add(&f, "sandbox", "%s", x->sandbox);
	if (x->cell != NULL) {
		now_boot_id(boot);
		planrun_fields_add(&f, "cell_pid", "%d", (int)x->cell->pid);
		planrun_fields_add(&f, "cell_started", "%llu",
		    (unsigned long long)x->cell->started);
		planrun_fields_add(&f, "cell_boot", "%s", boot);
	}
	for (size_t i = 0; i < s->step_count; i++) {
		const struct policy_step *step = &s->plan[i];
		char name[80];

		if (!exercise_steps_has(x, i))
			continue;
		snprintf(name, sizeof(name), "step.%.63s", step->name);
		planrun_fields_add(&f, name, "%s",
		    graph_kind_name(x->p.steps[i].kind));
		if (step->undo.count > 0)
			add_undo(x, step, &f);
	}
	if (f.failed)
		return err_nomem(e);
	if (x->cell != NULL && strcmp(boot, "unknown") == 0)
		return err_set(e, ERR_IO, "the kernel's boot id is not known");
	return l->intent(l->ctx, LEDGER_EXERCISE, f.items, f.count,
	    &x->inventory_seq, e);
}

/* --- the end -------------------------------------------------------------- */

/* Was anything but restores begun?  Only behind the gate. */
static bool
gate_was_passed(const struct exercise *x)
{
	for (size_t i = 0; x->p.engine != NULL && i < x->p.steps_count; i++)
		if (x->p.steps[i].kind != PLAN_RESTORE &&
		    engine_step_of(x->p.engine, i).attempt > 0)
			return true;
	return false;
}

static const char *
impact_of(const struct exercise *x)
{
	if (x->was_breached)
		return "not proven: an address of production answered from "
		       "inside the test";
	if (x->proofs_count > 0)
		return "none: restored from this site's own copy, which was "
		       "opened for reading only; the steps had a network of "
		       "their own; authority and replication were not touched";
	if (!gate_was_passed(x))
		return "none: at most restored from this site's own copy, "
		       "which was opened for reading only; no other step began";
	return "not proven: that the steps could not reach production was not "
	       "shown";
}

void
exercise_notes_limits(struct exercise *x)
{
	const char *network;

	if (x->iso.refused || x->sandbox == NULL || x->inventory_seq == 0) {
		exercise_notes_one(x, "limitation",
		    "nothing was measured: it ended before anything was "
		    "created");
		return;
	}
	if (!gate_was_passed(x))
		network = "no step but restores began: what the isolation is "
			  "worth for the others is not shown";
	else if (x->cell_why[0] != '\0')
		network = "the steps ran in this machine's own network: "
			  "isolation was neither made nor measured; times and "
			  "checks were, but what answered a check may have "
			  "been production";
	else
		network = "the steps had a network of their own; whether "
			  "production can be reached from it was tried at "
			  "certain moments, and not on other ways than the "
			  "addresses that the record names";
	exercise_notes_one(x, "limitation", "%s", network);
	if (x->proofs_count > 0)
		exercise_notes_one(x, "isolation",
		    "looked at %u times without reaching production",
		    x->proofs_count);
	exercise_notes_one(x, "limitation",
	    "files and Unix sockets of this machine are not hidden from the "
	    "steps, nor was it measured whether they used them");
}

void
exercise_notes_result(struct exercise *x)
{
	OWNED(planrun_fields_fini) struct planrun_fields f = {0};
	bool clean = x->iso.state == ISOLATED_CLEAN;
	int64_t rta_ns;

	planrun_fields_add(&f, "state", "%s",
	    isolated_state_name(x->iso.state));
	if (clean)
		planrun_fields_add(&f, "result", "%s",
		    isolated_result_name(x->iso.result));
	if (x->reason[0] != '\0')
		planrun_fields_add(&f, "reason", "%s", x->reason);
	if (x->scope.aside_count > 0)
		planrun_fields_add(&f, "stood_aside", "%zu",
		    x->scope.aside_count);
	if (x->o->left == NULL && !x->iso.refused)
		planrun_fields_add(&f, "production_impact", "%s", impact_of(x));
	if (clocks_span_ns(&x->clocks, CLOCKS_RTA_TEST, &rta_ns))
		planrun_fields_add(&f, "rta_ns", "%lld", (long long)rta_ns);
	planrun_notes_note(&x->p, LEDGER_EXERCISE, &f);
	planrun_notes_log(&x->p, "%s%s%s%s", isolated_state_name(x->iso.state),
	    clean ? ": " : "", clean ? isolated_result_name(x->iso.result) : "",
	    x->reason[0] != '\0' ? ", see the reason" : "");
}
