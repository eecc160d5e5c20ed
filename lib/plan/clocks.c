#include <bascule/plan.h>

static const struct {
	enum clocks_point from, until;
} ends[] = {
    [CLOCKS_RTA_DECLARED] = {CLOCKS_DECLARED, CLOCKS_ACCEPTED},
    [CLOCKS_RTA_TECHNICAL] = {CLOCKS_STARTED, CLOCKS_REDIRECTED},
    [CLOCKS_RTA_TEST] = {CLOCKS_STARTED, CLOCKS_ACCEPTED},
    [CLOCKS_OUTAGE] = {CLOCKS_DISRUPTION, CLOCKS_ACCEPTED},
    [CLOCKS_DECISION] = {CLOCKS_DETECTED, CLOCKS_AUTHORISED},
    [CLOCKS_EXPOSURE] = {CLOCKS_PROMOTED, CLOCKS_REPROTECTED},
};

void
clocks_set(struct clocks *c, enum clocks_point p, struct utc at)
{
	c->at[p] = at;
	c->known[p] = true;
}

bool
clocks_span_ns(const struct clocks *c, enum clocks_span s, int64_t *ns)
{
	enum clocks_point from = ends[s].from, until = ends[s].until;

	*ns = 0;
	if (!c->known[from] || !c->known[until] ||
	    c->at[until].ns < c->at[from].ns)
		return false;
	return !__builtin_sub_overflow(c->at[until].ns, c->at[from].ns, ns);
}

int64_t
clocks_rpa_ns(struct utc last_write, struct utc point)
{
	int64_t ns;

	if (point.ns >= last_write.ns)
		return 0;
	if (__builtin_sub_overflow(last_write.ns, point.ns, &ns))
		return INT64_MAX;
	return ns;
}

enum clocks_verdict
clocks_judge(bool is_measured, int64_t measured_ns, int64_t target_ns)
{
	if (!is_measured || target_ns <= 0)
		return CLOCKS_NOT_MEASURED;
	return measured_ns <= target_ns ? CLOCKS_PASS : CLOCKS_FAIL;
}

const char *
clocks_verdict_name(enum clocks_verdict v)
{
	switch (v) {
	case CLOCKS_NOT_MEASURED: return "not measured";
	case CLOCKS_PASS: return "pass";
	case CLOCKS_FAIL: return "fail";
	}
	return "unknown";
}
