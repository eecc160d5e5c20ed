/* The guards of a move, as they stand here: facts.c's facts, and the shell's. */

#include <string.h>

#include <bascule/base/text.h>

#include "facts.h"
#include "moves.h"

/* Of a turn's words, behind "a guard does not let through: ". */
#define BLOCKED_BYTES 220

enum err_code
moveguard_may_override(unsigned number, const char *reason, struct err *e)
{
	struct guards_result results[GUARDS_COUNT] = {{0}};
	struct guards_facts none = {0};

	guards_evaluate(&none, GUARDS_PLANNED, GUARDS_AT_ANY, results);
	return guards_override(results, number, reason, e);
}

static void
tell(struct guards_facts *f, enum guards_fact_id id, int64_t value,
    const char *source)
{
	guards_tell(f, id, value, f->now, source, NULL);
}

static void
tell_word(const struct movebook_item *item, enum guards_phase phase,
    struct guards_facts *f)
{
	enum move_event_kind word = phase == GUARDS_AT_COMMIT ? MOVE_SAY_COMMIT
	    : phase == GUARDS_AT_ROLLBACK ? MOVE_SAY_ROLLBACK
					  : MOVE_SAY_REPROTECT;
	bool is_started = phase == GUARDS_AT_ANY && item->started.ns != 0;
	bool is_resolved =
	    phase == GUARDS_AT_RESOLVE && movebook_attested(item, f->now) > 0;

	if (is_started || is_resolved || item->m.a.fact[word] != 0 ||
	    item->m.b.fact[word] != 0) {
		tell(f, FACT_ROLE, 1, "the record of that word");
		tell(f, FACT_ACTOR_APPROVED, 0, "the record of that word");
	}
}

static void
apply_recorded(const struct movebook_item *item,
    struct guards_result results[GUARDS_COUNT])
{
	struct err e;

	for (unsigned n = 1; n <= GUARDS_COUNT; n++)
		if ((item->overrides >> n & 1) != 0 &&
		    guards_override(results, n, "recorded", &e) != ERR_NONE)
			note_log(NOTE_WARNING, "run %s: %s", item->m.run,
			    e.text);
}

enum err_code
moveguard_judge(struct daemon *d, const struct moveguard_ask *ask,
    struct guards_facts *facts, struct guards_result results[GUARDS_COUNT],
    struct err *e)
{
	const struct movebook_item *item = ask->item;
	const enum guards_phase phase = ask->phase;
	struct approvals_person actor;
	const struct facts_gate gate = {.run = item->m.run,
	    .service = item->m.service,
	    .phase = phase,
	    .actor = ask->who == NULL ? NULL : &actor,
	    .seen = ask->seen};
	enum err_code rc;

	if (ask->who != NULL)
		request_person(d, ask->who, &actor);
	rc = facts_judge(d, &gate, facts, results, e);
	if (rc != ERR_NONE)
		return rc;
	facts->now = now_utc();
	testimony_tell(&item->m, &daemon_service(d, item->m.service)->authority,
	    movebook_attested(item, facts->now), facts);
	tell(facts, FACT_EPOCH_EXPECTED,
	    (int64_t)testimony_epoch(&item->m,
		&daemon_service(d, item->m.service)->authority, phase),
	    "register");
	if (ask->who == NULL) /* it was judged when the word was said */
		tell_word(item, phase, facts);
	if (ask->break_glass)
		tell(facts, FACT_BREAK_GLASS, 1, "this command");
	guards_evaluate(facts, item->m.mode, phase, results);
	apply_recorded(item, results);
	return ERR_NONE;
}

/*
 * Whole or not, what can be done stands first; it is the error's hint.  Of the
 * guard's facts the first is what stops it, and is enough.
 */
static void
say_blocked(struct movebook_item *item, const char *text)
{
	static const char hint[] = "\nhint: ";
	const char *at = strstr(text, hint);
	char all[ERR_TEXT_BYTES + 16];

	if (at == NULL)
		snprintf(all, sizeof(all), "%s", text);
	else
		snprintf(all, sizeof(all), "%s: %.*s", at + sizeof(hint) - 1,
		    (int)strcspn(text, ";\n"), text);
	movesay_plain(all);
	text_elide(all, BLOCKED_BYTES);
	snprintf(item->blocked, sizeof(item->blocked), "%.255s", all);
}

/* The first that does not let through. */
static void
note_barrier(struct movebook_item *item,
    const struct guards_result results[GUARDS_COUNT])
{
	for (unsigned i = 0; i < GUARDS_COUNT; i++) {
		const struct guards_result *r = &results[i];

		if ((r->verdict != GUARDS_FAIL &&
			r->verdict != GUARDS_UNKNOWN) ||
		    (r->overridden && r->override == GUARDS_BY_LEAD))
			continue;
		item->barrier = r->number;
		item->barrier_override = r->override;
		return;
	}
}

bool
moveguard_passes(struct daemon *d, struct movebook_item *item,
    enum guards_phase phase)
{
	struct guards_result results[GUARDS_COUNT];
	struct guards_facts facts;
	const struct moveguard_ask ask = {.item = item, .phase = phase};
	struct err e;
	enum err_code rc = moveguard_judge(d, &ask, &facts, results, &e);

	item->barrier = 0;
	if (rc == ERR_NONE) {
		note_barrier(item, results);
		rc = guards_admit(results, &facts, NULL, &e);
	}
	say_blocked(item, rc == ERR_NONE ? "" : e.text);
	return rc == ERR_NONE;
}

/* --- G04, where the service is let go --------------------------------------------- */

/*
 * The site asked has judged the approvals once, when it started the run; this one
 * has their records, too, and a policy of its own.  What the other site's root
 * makes up is not enough, then: where it asked, started or overrode by itself.
 */
bool
moveguard_lets_go(struct daemon *d, const struct movebook_item *item,
    char out[MOVE_WHY_BYTES])
{
	const struct daemon_service *s = daemon_service(d, item->m.service);
	struct guards_result g04 = {.text = "its request is not known here"};
	struct request_book *b = NULL;
	struct request *r = NULL;
	struct err e;

	if ((item->overridden_here >> G04_APPROVALS & 1) != 0)
		return true;
	if (request_find(&b, d, item->m.run, &r, &e) == ERR_NONE) {
		facts_approved(d, r, s->policy, &g04);
		if (g04.verdict == GUARDS_PASS &&
		    (s->policy->approvals.planned_count == 0 ||
			request_shown_is_of(r, s)))
			return true;
		if (g04.verdict == GUARDS_PASS)
			snprintf(g04.text, sizeof(g04.text),
			    "what was shown to its approvers is not this move "
			    "by the plan that is in force here");
	}
	snprintf(out, MOVE_WHY_BYTES,
	    "G04 (enough people have approved) fails here, so '%.64s' is not "
	    "stopped and not let go: %.120s",
	    item->m.service, g04.text);
	return false;
}
