/* What a daemon knows of the world, for the guards and for move_turn. */

#include "sim.h"

#include <stdio.h>
#include <string.h>

#include <bascule/base/role.h>

const char *
shell_seen(int run)
{
	static char seen[16];
	const struct run *r = &w.runs[run];

	snprintf(seen, sizeof(seen), "v%u.%d.%d", w.site[r->asked].policy,
	    r->point, r->loss_accepted);
	return seen;
}

static unsigned
attested(int s, int run)
{
	return testimony_attested(shell_heard[s][run],
	    w.site[s].words_count[run], site_now(s));
}

/* The newest owner named, and by how many. */
static const char *
released(int s, int run, unsigned *persons)
{
	const char *owner = testimony_owner(shell_heard[s][run],
	    w.site[s].words_count[run], (struct utc){0}, site_now(s), persons);

	if (owner != NULL && w.broken == RELEASE_BY_ONE)
		*persons = 2;
	return owner;
}

static struct approvals_rule
rule_of(const struct run *r)
{
	return (
	    struct approvals_rule){.needed = r->mode == GUARDS_PLANNED ? 1 : 2,
	    .other_council = r->mode == GUARDS_UNPLANNED,
	    .roles = ROLE_BIT(ROLE_APPROVER),
	    .expire_ns = 3600 * SEC};
}

static bool
answers(int s)
{
	const struct site *t = &w.site[s];

	return t->answered_ns != 0 && w.now_ns - t->answered_ns <= 10 * SEC;
}

/* Of its service, through the bridge or its port. */
static bool
is_healthy_there(int s)
{
	return answers(s) && w.link && site_writable(site_other(s));
}

static int
observers_down(int s)
{
	const struct site *o = &w.site[site_other(s)];

	return !answers(s) + (!w.ssh || !o->power) +
	    (w.etcd && (!o->power || !w.etcd_link[site_other(s)]));
}

static int
others_open(int s, int run)
{
	int n = 0;

	for (int r = 0; r < w.runs_count; r++)
		n +=
		    r != run && move_binds(&w.site[s].moves[r], w.site[s].name);
	return n;
}

struct teller {
	struct guards_facts *f;
	struct utc now;
};

static void
tell(struct teller *t, enum guards_fact_id id, int64_t value)
{
	guards_tell(t->f, id, value, t->now, "sim", NULL);
}

/* A swap made already is none to stumble over: the turn knows of it. */
static uint64_t
witness(int s, int run, const struct etcd_value *seen)
{
	uint64_t mine = w.site[s].reg.epoch;

	return seen->epoch == mine + 1 && seen->run == run ? mine : seen->epoch;
}

/* As daemon/facts.c and moveguard.c do. */
static void
tell_epochs(struct teller *t, int s, int run, const struct move *m,
    enum guards_phase phase)
{
	const struct site *here = &w.site[s], *there = &w.site[site_other(s)];
	bool is_target = s == w.runs[run].to;
	struct etcd_value seen;

	tell(t, FACT_EPOCH_EXPECTED,
	    (int64_t)testimony_epoch(m, &here->reg, phase));
	tell(t, is_target ? FACT_EPOCH_TARGET : FACT_EPOCH_SOURCE,
	    (int64_t)here->reg.epoch);
	if (here->peer_reg != 0)
		tell(t, is_target ? FACT_EPOCH_SOURCE : FACT_EPOCH_TARGET,
		    (int64_t)there->log[here->peer_reg - 1].reg.epoch);
	tell(t, FACT_WITNESS_USED, w.etcd);
	if (!witness_quorum_lost(s) && witness_heard(s, &seen))
		tell(t, FACT_EPOCH_WITNESS, (int64_t)witness(s, run, &seen));
}

static void
tell_people(struct teller *t, int s, int run)
{
	const struct run *r = &w.runs[run];
	struct approvals_rule rule = rule_of(r);
	struct approvals_judgement j;

	approvals_judge(shell_heard[s][run], w.site[s].words_count[run], &rule,
	    &accounts[r->requester].as, shell_seen(run), t->now, &j);
	tell(t, FACT_ROLE,
	    (accounts[r->requester].as.roles & ROLE_BIT(ROLE_DR_LEAD)) != 0);
	tell(t, FACT_ACTOR_APPROVED, 0);
	tell(t, FACT_APPROVALS,
	    j.suffices                    ? rule.needed
		: j.counted < rule.needed ? j.counted
					  : rule.needed - 1);
	tell(t, FACT_APPROVALS_NEEDED, rule.needed);
	tell(t, FACT_BREAK_GLASS, 0);
	tell(t, FACT_CHANGE, 1);
}

static void
tell_point(struct teller *t, const struct run *r)
{
	const struct point *p =
	    r->point < 0 ? NULL : &w.site[r->to].points[r->point];

	tell(t, FACT_POINT_COMPLETE, p == NULL || p->whole);
	tell(t, FACT_POINT_SUSPECT, p != NULL && p->suspect);
	tell(t, FACT_RPA, p == NULL ? 0 : w.now_ns - p->at.ns);
	tell(t, FACT_RPO, 100000 * SEC);
	tell(t, FACT_MAX_LOSS, 60 * SEC);
	tell(t, FACT_LOSS_ACCEPTED, r->loss_accepted);
	tell(t, FACT_PROOF_LEVEL, w.proved ? 5 : 1);
	tell(t, FACT_PROOF_NEEDED, 3);
	tell(t, FACT_PROOF_AGE, SEC);
	tell(t, FACT_PROOF_WITHIN, 10 * SEC);
}

static void
tell_peer(struct teller *t, int s)
{
	tell(t, FACT_PEER_ANSWERS, answers(s));
	tell(t, FACT_PEER_HEALTHY, is_healthy_there(s));
	tell(t, FACT_OBSERVERS_DOWN, observers_down(s));
	tell(t, FACT_PEER_SILENT,
	    answers(s) ? 0 : w.now_ns - w.site[s].answered_ns);
	tell(t, FACT_HOLD_DOWN, 30 * SEC);
}

/* The owner's word is anybody's where a guard of the API is removed. */
static void
tell_move(struct teller *t, int s, int run, const struct move *m)
{
	const struct run *r = &w.runs[run];

	testimony_tell(m, &w.site[s].reg, attested(s, run), t->f);
	if (!r->owner_said)
		tell(t, FACT_OWNER_ACCEPTS, 0);
	if (!answers(s))
		t->f->of[FACT_OLD_DATA_INTACT].known = false;
	else if (!w.site[r->from].intact) /* somebody has looked */
		tell(t, FACT_OLD_DATA_INTACT, 0);
}

static void
gather(int s, int run, enum guards_phase phase, struct guards_facts *f)
{
	struct teller t = {f, site_now(s)};
	const struct move *m = &w.site[s].moves[run];

	*f = (struct guards_facts){.now = t.now};
	tell(&t, FACT_OTHER_RUN, others_open(s, run));
	tell(&t, FACT_NEEDED_RUN, 0);
	tell(&t, FACT_POLICY_EQUAL, w.site[0].policy == w.site[1].policy);
	tell(&t, FACT_PLAN_EQUAL, 1);
	tell(&t, FACT_FROZEN, w.frozen);
	tell(&t, FACT_IN_WINDOW, 1);
	tell(&t, FACT_TARGET_UP, 1);
	tell(&t, FACT_CAPACITY, w.capacity);
	tell(&t, FACT_CLOCK, 1);
	tell(&t, FACT_HOST_KEYS, 1);
	tell(&t, FACT_DNS_TTL, 1);
	tell(&t, FACT_CANARY, 1);
	tell(&t, FACT_LAST_RUN_AGE, w.now_ns - w.last_end_ns);
	tell(&t, FACT_COOLDOWN, 60 * SEC);
	tell(&t, FACT_NO_LAST_RUN, w.last_end_ns == 0);
	tell_people(&t, s, run);
	tell_point(&t, &w.runs[run]);
	tell_peer(&t, s);
	tell_move(&t, s, run, m);
	tell_epochs(&t, s, run, m, phase);
}

bool
shell_guards(int s, int run, enum guards_phase phase, char *why,
    size_t why_bytes)
{
	struct guards_result out[GUARDS_COUNT];
	struct guards_facts f;
	struct err e;
	bool passes;

	gather(s, run, phase, &f);
	guards_evaluate(&f, w.runs[run].mode, phase, out);
	for (unsigned g = 1; g <= GUARDS_COUNT; g++) {
		if (w.runs[run].overridden[g] &&
		    guards_override(out, g, "said so", &e) != ERR_NONE)
			violate("%s", e.text);
		if (g == w.removed)
			out[g - 1].verdict = GUARDS_PASS;
	}
	passes = guards_admit(out, &f, NULL, &e) == ERR_NONE;
	if (!passes)
		snprintf(why, why_bytes, "%.90s", e.text);
	return passes;
}

static bool
is_refused(int s, int run)
{
	const struct run *r = &w.runs[run];
	struct approvals_rule rule = rule_of(r);
	struct approvals_judgement j;

	approvals_judge(shell_heard[s][run], w.site[s].words_count[run], &rule,
	    &accounts[r->requester].as, shell_seen(run), site_now(s), &j);
	return j.refused;
}

void
shell_facts(int s, int run, struct move_facts *f)
{
	struct site *t = &w.site[s];
	struct etcd_value seen;

	*f = (struct move_facts){.reg = &t->reg,
	    .peer_answers = answers(s),
	    .peer_healthy = w.removed != 9 && is_healthy_there(s),
	    .other_run = w.removed != 1 && others_open(s, run) != 0,
	    .attested = attested(s, run),
	    .approvals_void = is_refused(s, run),
	    .quorum_lost = witness_quorum_lost(s),
	    .swap_open = w.broken != FORGET_SWAP && witness_is_open(s, run),
	    .protected_there = answers(s) && w.site[site_other(s)].synced_back,
	    .patience_ns = PATIENCE,
	    .retry_ns = 5 * SEC};
	if (!f->quorum_lost && witness_heard(s, &seen)) {
		f->witness_epoch = seen.epoch;
		f->witness_owner = w.site[seen.owner].name;
	}
	f->release_owner = released(s, run, &f->release_persons);
}
