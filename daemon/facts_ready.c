/* G06 and G08: how far the copy is proved, and what the target's checks say. */

#include "facts_parts.h"

#include <string.h>

#include "ready.h"

static const struct {
	enum ready_check check;
	enum guards_fact_id fact;
} of_target[] = {{READY_TARGET_UP, FACT_TARGET_UP},
    {READY_CAPACITY, FACT_CAPACITY}, {READY_CLOCK, FACT_CLOCK},
    {READY_HOST_KEYS, FACT_HOST_KEYS}, {READY_DNS_TTL, FACT_DNS_TTL},
    {READY_KEY, FACT_CANARY}};

static void
tell_checks(struct facts_run *f)
{
	for (size_t i = 0; i < COUNT_OF(of_target); i++) {
		struct ready_value v;
		char text[GUARDS_TEXT_BYTES];

		ready_of(f->d, f->of->service->name, f->of->to,
		    of_target[i].check, &v);
		if (v.verdict == READY_UNKNOWN)
			continue; /* an unknown fact never passes */
		if (v.limit[0] != '\0')
			snprintf(text, sizeof(text), "%.80s (%.70s)", v.value,
			    v.limit);
		else
			snprintf(text, sizeof(text), "%.150s", v.value);
		text_mend_end(text);
		guards_tell(f->out, of_target[i].fact, ready_passes(&v),
		    v.at.ns != 0 ? v.at : f->out->now, v.source, text);
	}
}

void
facts_ready_tell(struct facts_run *f)
{
	const struct policy_failover *p = &f->of->service->failover;
	struct ready_proof proof;
	char within[TEXT_UNIT_BYTES];

	tell_checks(f);
	guards_tell(f->out, FACT_PROOF_NEEDED, (int64_t)p->min_proof,
	    f->out->now, "policy", policy_schema_service_proof(p->min_proof));
	guards_tell(f->out, FACT_PROOF_WITHIN, p->proof_within_ns, f->out->now,
	    "policy", text_duration(p->proof_within_ns, within));
	ready_proof_of(f->d, f->of->service->name, f->of->to, &proof);
	if (proof.level < 0)
		return;
	guards_tell(f->out, FACT_PROOF_LEVEL, proof.level, proof.at, "ladder",
	    proof.text);
	if (proof.at.ns != 0)
		guards_tell(f->out, FACT_PROOF_AGE,
		    f->out->now.ns - proof.at.ns, proof.at, "ladder", NULL);
}
