/* What must hold, by the true state of the world: I1 to I8, and of each guard
 * what it is there for. */

#include "sim.h"

#include <string.h>

#include <bascule/base/role.h>

static struct {
	uint64_t epoch[SITES];
	enum authority_state state[SITES];
	char site[SITES][AUTHORITY_SITE_BYTES];
} before;

/* --- always ------------------------------------------------------------------------ */

void
judge_always(void)
{
	const struct authority *a = &w.site[0].reg, *b = &w.site[1].reg;

	if (site_writable(0) && site_writable(1) && !w.lied)
		violate("I1: both sites accept writes");
	if (a->epoch != 0 && a->epoch == b->epoch &&
	    strcmp(a->site, b->site) != 0 && !w.lied)
		violate("I2: epoch %llu has two owners",
		    (unsigned long long)a->epoch);
	if (a->state == AUTHORITY_CONTESTED || b->state == AUTHORITY_CONTESTED)
		w.done[T_CONTESTED]++;
}

/* --- who really agreed -------------------------------------------------------------- */

/* Different people, not the requester, who may, saw what is, and still mean it. */
static unsigned
really_approved(int run)
{
	const struct run *r = &w.runs[run];
	bool yes[16] = {false}, council = false;
	unsigned n = 0;

	for (int s = 0; s < SITES; s++)
		for (size_t i = 0; i < w.site[s].count; i++) {
			const struct record *k = &w.site[s].log[i];
			int p;

			if (k->kind != REC_WORD || k->run != run)
				continue;
			p = accounts[k->account].person;
			if (k->word.verb == APPROVALS_APPROVE &&
			    strcmp(k->word.seen, shell_seen(run)) == 0 &&
			    (k->word.who.roles & ROLE_BIT(ROLE_APPROVER)) !=
				0 &&
			    p != accounts[r->requester].person)
				yes[p] = true;
			if (yes[p] &&
			    strcmp(k->word.who.council,
				accounts[r->requester].as.council) != 0)
				council = true;
		}
	for (int p = 0; p < 16; p++)
		n += yes[p];
	return r->mode == GUARDS_UNPLANNED && !council && n > 1 ? 1 : n;
}

static unsigned
really_released(int run, const char *owner)
{
	bool yes[16] = {false};
	unsigned n = 0;

	for (int s = 0; s < SITES; s++)
		for (size_t i = 0; i < w.site[s].count; i++) {
			const struct record *k = &w.site[s].log[i];

			if (k->kind == REC_WORD && k->run == run &&
			    k->word.verb == APPROVALS_RELEASE &&
			    strcmp(k->word.reason, owner) == 0)
				yes[accounts[k->account].person] = true;
		}
	for (int p = 0; p < 16; p++)
		n += yes[p];
	return n;
}

/* --- each record ----------------------------------------------------------------------- */

static void
judge_started(int run)
{
	const struct run *r = &w.runs[run];
	const bool *over = r->overridden;
	const struct point *p =
	    r->point < 0 ? NULL : &w.site[r->to].points[r->point];

	if (w.site[0].policy != w.site[1].policy && !over[2])
		violate("G02: started with different policies");
	if ((accounts[r->requester].as.roles & ROLE_BIT(ROLE_DR_LEAD)) == 0)
		violate("G03: requested by somebody who may not");
	if (really_approved(run) < (r->mode == GUARDS_PLANNED ? 1u : 2u) &&
	    !over[4])
		violate("G04: started with %u approvals", really_approved(run));
	if (w.frozen && !over[5])
		violate("G05: started in a freeze");
	if (!w.proved && !over[6])
		violate("G06: started without proof");
	if (!w.capacity && !over[8])
		violate("G08: started without room at the target");
	if (p != NULL && w.now_ns - p->at.ns > 60 * SEC && !r->loss_accepted &&
	    !over[11])
		violate("G11: a loss that nobody accepted");
	if (w.last_end_ns != 0 && w.now_ns - w.last_end_ns < 60 * SEC &&
	    !over[12])
		violate("G12: started too soon after the last run");
}

/* Two runs that a site is in the middle of. */
static void
judge_alone(int s, int run)
{
	for (int r = 0; r < w.runs_count; r++)
		if (r != run && w.site[s].moves[r].known &&
		    move_binds(&w.site[s].moves[r], w.site[s].name))
			violate("G01: %s is in the middle of %s and of %s",
			    w.site[s].name, w.runs[r].id, w.runs[run].id);
}

static void
judge_taken(int s, const struct record *r)
{
	const struct run *run = &w.runs[r->run];
	const struct move *m = &w.site[s].moves[r->run];

	w.done[T_TAKEN]++;
	/* I5: somebody started it, and what led here is recorded. */
	if (m->a.fact[MOVE_STARTED] == 0 && m->b.fact[MOVE_STARTED] == 0)
		violate("I5: taken, and nobody started it");
	if (m->a.fact[MOVE_RESOLVED] != 0 || m->b.fact[MOVE_RESOLVED] != 0)
		return;
	if (s == run->to && r->ev.epoch != run->epoch + 1 && !w.lied)
		violate("G14: epoch %llu was taken, %llu was agreed",
		    (unsigned long long)r->ev.epoch,
		    (unsigned long long)run->epoch + 1);
}

/* The planned move loses nothing: what ran at A is at B. */
static void
judge_ran(int s, int run)
{
	const struct run *r = &w.runs[run];
	const struct move *m = &w.site[s].moves[run];

	if (m->a.fact[MOVE_RESOLVED] != 0 || m->b.fact[MOVE_RESOLVED] != 0 ||
	    w.lied)
		return;
	if (r->mode == GUARDS_PLANNED &&
	    !data_holds(&w.site[r->to].data, &w.site[r->from].data))
		violate("G15: acknowledged writes are lost by a planned move");
}

static void
judge_fact(int s, const struct record *r)
{
	const struct move *m = &w.site[s].moves[r->run];
	const struct run *run = &w.runs[r->run];
	const struct site *o = &w.site[site_other(s)];

	switch (r->ev.kind) {
	case MOVE_STARTED: judge_started(r->run); break;
	case MOVE_READY:
		judge_alone(s, r->run);
		if ((w.site[s].spoken_ns == 0 ||
			w.site[s].doing->begun_ns - w.site[s].spoken_ns >
			    60 * SEC) &&
		    !run->overridden[9])
			violate("G09: ready, and the other site is not heard");
		break;
	case MOVE_DECLARED:
		judge_alone(s, r->run);
		if (w.site[s].doing->was_well && !run->overridden[9])
			violate("G09: an unplanned move away from a site that "
				"is well");
		break;
	case MOVE_FENCED:
		if (m->b.result[MOVE_FENCE] == MOVE_DONE &&
		    m->b.fact[MOVE_FENCED] == 0 && !w.lied &&
		    site_writable(run->from) && o->fenced)
			violate("G10: fenced, and it runs");
		if ((m->b.outcome[MOVE_FENCE] == 0 ||
			m->b.result[MOVE_FENCE] != MOVE_DONE) &&
		    !o->safely_off) {
			w.lied = true;
			w.done[T_LIED]++;
			story("what was attested is false");
		}
		break;
	case MOVE_TAKEN: judge_taken(s, r); break;
	case MOVE_RAN: judge_ran(s, r->run); break;
	case MOVE_COMMITTED:
		if (!run->owner_said && !run->overridden[16])
			violate("G16: committed, and the owner said nothing");
		w.done[T_COMMITTED]++;
		w.last_end_ns = w.now_ns;
		break;
	case MOVE_RESOLVED:
		if (really_released(r->run, r->owner) < 2)
			violate("I3: one person opened what was held");
		if (strcmp(r->owner, w.site[s].name) == 0 && !o->safely_off) {
			w.lied = true;
			w.done[T_LIED]++;
			story("what was attested is false");
		}
		w.done[T_RESOLVED]++;
		break;
	case MOVE_GRANTED:
		if (site_writable(s))
			violate("G10: let go while it runs");
		if (s == run->to && !w.site[s].doing->was_intact &&
		    !run->overridden[17])
			violate("G17: given back to data that is damaged");
		w.done[T_GRANTED]++;
		break;
	case MOVE_ABORTED:
		w.done[T_ABORTED]++;
		w.last_end_ns = w.now_ns;
		break;
	case MOVE_ROLLED_BACK:
		w.done[T_ROLLED_BACK]++;
		w.last_end_ns = w.now_ns;
		break;
	case MOVE_HELD: w.done[T_HELD]++; break;
	case MOVE_REPROTECTED: w.done[T_REPROTECTED]++; break;
	case MOVE_DIVERGENCE: w.done[T_DIVERGENCE]++; break;
	default: break;
	}
}

static void
judge_register(int s, const struct authority *reg)
{
	if (reg->epoch < before.epoch[s])
		violate("I2: the epoch of %s falls", w.site[s].name);
	if ((before.state[s] == AUTHORITY_HELD ||
		before.state[s] == AUTHORITY_CONTESTED) &&
	    authority_is_active(reg, w.site[s].name))
		violate("I3: %s writes again out of %s", w.site[s].name,
		    authority_state_name(before.state[s]));
	before.epoch[s] = reg->epoch;
	before.state[s] = reg->state;
}

void
judge_record(int s, const struct record *r)
{
	if (r->kind == REC_REGISTER) {
		if (w.site[s].count == 1) /* a new world */
			before.epoch[s] = 0;
		if (w.site[s].count == 1)
			before.state[s] = AUTHORITY_UNINITIALISED;
		judge_register(s, &r->reg);
	} else if (r->kind == REC_MOVE && r->ev.stage == MOVE_FACT)
		judge_fact(s, r);
}

/* --- the end ------------------------------------------------------------------------------ */

/* Everything works again and people have done what they were told. */
void
judge_end(void)
{
	struct data all = {{0}};

	for (int s = 0; s < SITES; s++) {
		data_join(&all, &w.site[s].data);
		data_join(&all, &w.site[s].kept);
		for (int i = 0; i < w.site[s].points_count; i++)
			data_join(&all, &w.site[s].points[i].data);
	}
	if (!data_holds(&all, &w.acked))
		violate("an acknowledged write is nowhere any more");
	/* A lie may have made two; when they have heard each other it is one. */
	if (site_writable(0) && site_writable(1))
		violate("I1: both sites accept writes, and know of each other");
	if (w.lied || w.removed != 0 ||
	    (w.broken != 0 && w.broken != FORGET_SWAP))
		return;
	for (int r = 0; r < w.runs_count; r++)
		for (int s = 0; s < SITES; s++)
			if (w.site[s].moves[r].known &&
			    !move_is_over(&w.site[s].moves[r]))
				violate("%s never ends: %s at %s", w.runs[r].id,
				    move_event_name(
					move_phase(&w.site[s].moves[r])),
				    w.site[s].name);
	if (!site_writable(0) && !site_writable(1))
		violate("the service is at no site: %s at %s, %s at %s",
		    authority_state_name(w.site[0].reg.state),
		    w.site[0].reg.site,
		    authority_state_name(w.site[1].reg.state),
		    w.site[1].reg.site);
}
