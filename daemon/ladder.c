/* The assurance ladder: the fold and the judgement.  Pure. */

#include "ladder.h"

#include <string.h>

const char *
ladder_state_name(enum ladder_state s)
{
	static const char *const names[] = {"-", "stands", "NEEDS VERIFY (age)",
	    "NEEDS VERIFY (plan)"};

	return names[s];
}

const char *
ladder_rung_title(unsigned level)
{
	static const char *const titles[LADDER_RUNGS] = {"configured", "ran",
	    "copied", "re-read", "restored and compared", "application checked",
	    "isolated test", "moved and moved back"};

	return level < LADDER_RUNGS ? titles[level] : "";
}

static void
keep(struct ladder_rung *r, const struct ladder_proof *p)
{
	if (p->at.ns <= r->at.ns)
		return;
	r->at = p->at;
	snprintf(r->run, sizeof(r->run), "%s", p->run);
	snprintf(r->plan, sizeof(r->plan), "%s", p->plan);
	snprintf(r->policy, sizeof(r->policy), "%s", p->policy);
}

void
ladder_see(struct ladder *l, const struct ladder_proof *p)
{
	if (p->level < LADDER_RUNGS - 1)
		keep(&l->rungs[p->level], p);
}

void
ladder_moved(struct ladder *l, bool there, const struct ladder_proof *p)
{
	const struct ladder_rung *older;

	keep(there ? &l->there : &l->back, p);
	if (l->there.at.ns == 0 || l->back.at.ns == 0)
		return;
	/* Proved as long as the older of the two. */
	older = l->there.at.ns < l->back.at.ns ? &l->there : &l->back;
	l->rungs[LADDER_RUNGS - 1] = *older;
}

static bool
is_of_now(const struct ladder_rung *r, const char *plan, const char *policy)
{
	if (r->plan[0] != '\0')
		return strcmp(r->plan, plan) == 0;
	return strcmp(r->policy, policy) == 0;
}

static void
judge_rung(struct ladder_rung *r, int64_t within_ns, struct utc now)
{
	r->expires.ns =
	    r->at.ns > INT64_MAX - within_ns ? INT64_MAX : r->at.ns + within_ns;
	if (now.ns > r->expires.ns)
		r->state = LADDER_EXPIRED;
}

void
ladder_judge(struct ladder *l, const char *plan, const char *policy,
    struct utc now)
{
	l->level = -1;
	for (unsigned i = 0; i < LADDER_RUNGS; i++) {
		struct ladder_rung *r = &l->rungs[i];

		r->expires.ns = 0;
		r->state = r->at.ns == 0         ? LADDER_NONE
		    : is_of_now(r, plan, policy) ? LADDER_STANDS
						 : LADDER_CHANGED;
		/* Moved and back: both of the plan in force. */
		if (i == LADDER_RUNGS - 1 && r->state == LADDER_STANDS &&
		    (!is_of_now(&l->there, plan, policy) ||
			!is_of_now(&l->back, plan, policy)))
			r->state = LADDER_CHANGED;
		if (i > 0 && r->state == LADDER_STANDS)
			judge_rung(r, l->service->failover.proof_within_ns,
			    now);
		if (r->state == LADDER_STANDS)
			l->level = (int)i;
	}
}
