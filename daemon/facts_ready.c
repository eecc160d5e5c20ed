/* G06 and G08: how far the copy is proved, and what is known of the target. */

#include "facts_parts.h"

#include <string.h>

static void
tell_proof(struct facts_run *f)
{
	const struct request_point *p = &f->point;
	int64_t level = p->proof[0] == 'L' ? p->proof[1] - '0' : 0;

	if (!f->has_point)
		return;
	guards_tell(f->out, FACT_PROOF_LEVEL, level,
	    p->verified_at.ns != 0 ? p->verified_at : p->at, "ledger",
	    p->proof);
	guards_tell(f->out, FACT_PROOF_AGE,
	    f->out->now.ns -
		(p->verified_at.ns != 0 ? p->verified_at.ns : p->at.ns),
	    p->verified_at.ns != 0 ? p->verified_at : p->at, "ledger", NULL);
}

void
facts_ready_tell(struct facts_run *f)
{
	const struct policy_failover *p = &f->of->service->failover;
	bool is_here = strcmp(f->of->to, f->d->policy->site) == 0;
	char within[TEXT_UNIT_BYTES];

	guards_tell(f->out, FACT_PROOF_NEEDED, (int64_t)p->min_proof,
	    f->out->now, "policy", policy_schema_service_proof(p->min_proof));
	guards_tell(f->out, FACT_PROOF_WITHIN, p->proof_within_ns, f->out->now,
	    "policy", text_duration(p->proof_within_ns, within));
	tell_proof(f);
	if (is_here)
		guards_tell(f->out, FACT_TARGET_UP, 1, f->out->now, "this site",
		    "its daemon answers");
	else if (f->peer != NULL && f->heard.ns != 0)
		guards_tell(f->out, FACT_TARGET_UP, f->answers, f->heard,
		    "bridge", f->answers ? "it answers" : "it is silent");
}
