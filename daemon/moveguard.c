/* The guards of a move, as they stand here: facts.c's facts, and the shell's. */

#include <string.h>

#include "facts.h"
#include "moves.h"

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
moveguard_judge(struct daemon *d, const struct client_caller *who,
    const struct movebook_item *item, enum guards_phase phase, bool break_glass,
    struct guards_facts *facts, struct guards_result results[GUARDS_COUNT],
    struct err *e)
{
	struct approvals_person actor;
	enum err_code rc;

	if (who != NULL)
		request_person(d, who, &actor);
	rc = facts_judge(d, item->m.run, item->m.service, phase,
	    who == NULL ? NULL : &actor, facts, results, e);
	if (rc != ERR_NONE)
		return rc;
	facts->now = now_utc();
	testimony_tell(&item->m, &daemon_service(d, item->m.service)->authority,
	    movebook_attested(item, facts->now), facts);
	tell(facts, FACT_EPOCH_EXPECTED,
	    (int64_t)testimony_epoch(&item->m,
		&daemon_service(d, item->m.service)->authority, phase),
	    "register");
	if (who == NULL) /* it was judged when the word was said */
		tell_word(item, phase, facts);
	if (break_glass)
		tell(facts, FACT_BREAK_GLASS, 1, "this command");
	guards_evaluate(facts, item->m.mode, phase, results);
	apply_recorded(item, results);
	return ERR_NONE;
}

bool
moveguard_passes(struct daemon *d, struct movebook_item *item,
    enum guards_phase phase)
{
	struct guards_result results[GUARDS_COUNT];
	struct guards_facts facts;
	struct err e;
	enum err_code rc =
	    moveguard_judge(d, NULL, item, phase, false, &facts, results, &e);

	if (rc == ERR_NONE)
		rc = guards_admit(results, &facts, NULL, &e);
	snprintf(item->blocked, sizeof(item->blocked), "%.255s",
	    rc == ERR_NONE ? "" : e.text);
	return rc == ERR_NONE;
}
