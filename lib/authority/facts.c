#include "facts.h"

#include <inttypes.h>
#include <stdio.h>

enum kind { YES_NO, NUMBER, SPAN, LEVEL };

static const struct {
	const char *name, *words;
	enum kind kind;
	const char *source; /* who would say so, while nobody has */
} facts[GUARDS_FACTS] = {
    [FACT_OTHER_RUN] = {"other-run", "other runs of the service", NUMBER,
	"ledgers"},
    [FACT_NEEDED_RUN] = {"needed-run", "runs of what it depends on", NUMBER,
	"ledgers"},
    [FACT_POLICY_EQUAL] = {"policy-equal", "the policies are the same", YES_NO,
	"bridge to the other site"},
    [FACT_PLAN_EQUAL] = {"plan-equal", "the plans are the same", YES_NO,
	"bridge to the other site"},
    [FACT_ROLE] = {"role", "the actor has the role", YES_NO, "policy"},
    [FACT_ACTOR_APPROVED] = {"actor-approved",
	"the requester is among the approvers", YES_NO, "ledgers"},
    [FACT_APPROVALS] = {"approvals", "people who approved", NUMBER, "ledgers"},
    [FACT_APPROVALS_NEEDED] = {"approvals-needed", "people needed", NUMBER,
	"policy"},
    [FACT_BREAK_GLASS] = {"break-glass", "the glass is broken", YES_NO,
	"ledgers"},
    [FACT_CHANGE] = {"change", "there is a change reference", YES_NO,
	"request"},
    [FACT_FROZEN] = {"frozen", "there is a freeze", YES_NO, "policy"},
    [FACT_IN_WINDOW] = {"in-window", "the window is open", YES_NO, "policy"},
    [FACT_PROOF_LEVEL] = {"proof-level", "the recovery is proved to", LEVEL,
	"ladder"},
    [FACT_PROOF_NEEDED] = {"proof-needed", "proof needed", LEVEL, "policy"},
    [FACT_PROOF_AGE] = {"proof-age", "the proof's age", SPAN, "ladder"},
    [FACT_PROOF_WITHIN] = {"proof-within", "a proof counts for", SPAN,
	"policy"},
    [FACT_POINT_COMPLETE] = {"point-complete", "the point is complete", YES_NO,
	"ledger"},
    [FACT_POINT_SUSPECT] = {"point-suspect", "the point is suspect", YES_NO,
	"ledger"},
    [FACT_RPA] = {"rpa", "what would be lost", SPAN, "ledger"},
    [FACT_RPO] = {"rpo", "the RPO", SPAN, "policy"},
    [FACT_TARGET_UP] = {"target-up", "the target's daemon is up", YES_NO,
	"readiness of the target"},
    [FACT_CAPACITY] = {"capacity", "the target has room", YES_NO,
	"readiness of the target"},
    [FACT_CLOCK] = {"clock", "the clocks agree", YES_NO,
	"readiness of the target"},
    [FACT_HOST_KEYS] = {"host-keys", "the hosts show their pinned keys", YES_NO,
	"readiness of the target"},
    [FACT_DNS_TTL] = {"dns-ttl", "the names' TTL is low enough", YES_NO,
	"readiness of the target"},
    [FACT_CANARY] = {"canary", "the site's key opens its newest copy", YES_NO,
	"readiness of the target"},
    [FACT_PEER_ANSWERS] = {"peer-answers", "the other site answers", YES_NO,
	"bridge to the other site"},
    [FACT_PEER_HEALTHY] = {"peer-healthy",
	"the service is well at the old site", YES_NO,
	"bridge to the other site"},
    [FACT_OBSERVERS_DOWN] = {"observers-down",
	"independent observers who say the old site is down", NUMBER,
	"bridge, link probes"},
    [FACT_PEER_SILENT] = {"peer-silent", "the old site is silent for", SPAN,
	"bridge to the other site"},
    [FACT_HOLD_DOWN] = {"hold-down", "it must be silent for", SPAN, "policy"},
    [FACT_FENCE_PROVED] = {"fence-proved", "the fence is read back", YES_NO,
	"fence"},
    [FACT_FENCE_ATTESTED] = {"fence-attested",
	"people who attest that the old site is off", NUMBER, "ledgers"},
    [FACT_MAX_LOSS] = {"max-loss", "loss allowed", SPAN, "policy"},
    [FACT_LOSS_ACCEPTED] = {"loss-accepted", "the loss is accepted", YES_NO,
	"request"},
    [FACT_LAST_RUN_AGE] = {"last-run-age", "the last run ended before", SPAN,
	"ledgers"},
    [FACT_COOLDOWN] = {"cooldown", "the cooldown", SPAN, "policy"},
    [FACT_NO_LAST_RUN] = {"no-last-run", "there was no run before", YES_NO,
	"ledgers"},
    [FACT_ISOLATED] = {"isolated", "production cannot be reached", YES_NO,
	"test"},
    [FACT_QUOTA] = {"quota", "the sandbox has room", YES_NO, "test"},
    [FACT_EPOCH_EXPECTED] = {"epoch-expected", "the epoch expected", NUMBER,
	"register"},
    [FACT_EPOCH_TARGET] = {"epoch-target", "the target's epoch", NUMBER,
	"registers"},
    [FACT_EPOCH_SOURCE] = {"epoch-source", "the source's epoch", NUMBER,
	"registers"},
    [FACT_EPOCH_WITNESS] = {"epoch-witness", "the witness's epoch", NUMBER,
	"etcd"},
    [FACT_WITNESS_USED] = {"witness-used", "there is a witness", YES_NO,
	"policy"},
    [FACT_REGISTER_HEARD] = {"register-heard",
	"the other site's register was heard", YES_NO, "register"},
    [FACT_MARKERS_EQUAL] = {"markers-equal",
	"both sites hold the same last point", YES_NO, "both sites' points"},
    [FACT_OWNER_ACCEPTS] = {"owner-accepts", "the owner accepts", YES_NO,
	"ledgers"},
    [FACT_OLD_DATA_INTACT] = {"old-data-intact",
	"the old site's data is intact", YES_NO, "ledgers"},
    [FACT_NEW_WRITES_SAFE] = {"new-writes-safe",
	"the new site's writes are none, or kept", YES_NO, "ledgers"},
    [FACT_DIVERGENCE_CAPTURED] = {"divergence-captured",
	"the old site's later writes are kept", YES_NO, "ledgers"},
};

const char *
facts_name(enum guards_fact_id id)
{
	return (size_t)id < GUARDS_FACTS ? facts[id].name : "unknown";
}

const char *
facts_source(const struct guards_facts *f, enum guards_fact_id id)
{
	if ((size_t)id >= GUARDS_FACTS)
		return "unknown";
	return f->of[id].source[0] != '\0' ? f->of[id].source
					   : facts[id].source;
}

/* "3 s", "5 min", "2 h", "4 d": people ask how long, roughly. */
static void
span_words(int64_t ns, char *out, size_t out_bytes)
{
	int64_t s = ns / NS_PER_S;

	if (s < 120)
		snprintf(out, out_bytes, "%" PRId64 " s", s);
	else if (s < INT64_C(120) * 60)
		snprintf(out, out_bytes, "%" PRId64 " min", s / 60);
	else if (s < INT64_C(48) * 3600)
		snprintf(out, out_bytes, "%" PRId64 " h", s / 3600);
	else
		snprintf(out, out_bytes, "%" PRId64 " d", s / 86400);
}

static void
value_words(const struct guards_fact *f, enum kind kind, char *out,
    size_t out_bytes)
{
	switch (kind) {
	case YES_NO:
		snprintf(out, out_bytes, "%s", f->value != 0 ? "yes" : "no");
		return;
	case NUMBER: snprintf(out, out_bytes, "%" PRId64, f->value); return;
	case SPAN: span_words(f->value, out, out_bytes); return;
	case LEVEL: snprintf(out, out_bytes, "L%" PRId64, f->value); return;
	}
}

const char *
facts_words(const struct guards_facts *f, enum guards_fact_id id, char *out,
    size_t out_bytes)
{
	const struct guards_fact *fact;
	char value[48], age[48];

	if ((size_t)id >= GUARDS_FACTS) {
		snprintf(out, out_bytes, "unknown");
		return out;
	}
	fact = &f->of[id];
	if (!fact->known) {
		snprintf(out, out_bytes, "%s: not known, from %s",
		    facts[id].words, facts_source(f, id));
		return out;
	}
	value_words(fact, facts[id].kind, value, sizeof(value));
	span_words(f->now.ns > fact->at.ns ? f->now.ns - fact->at.ns : 0, age,
	    sizeof(age));
	snprintf(out, out_bytes, "%s: %s%s%s%s%s (%s ago)", facts[id].words,
	    value, *fact->text != '\0' ? ", " : "", fact->text,
	    *fact->source != '\0' ? ", from " : "", fact->source, age);
	return out;
}
