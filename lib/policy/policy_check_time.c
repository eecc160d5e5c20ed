#include <string.h>

#include "policy_check_parts.h"
#include "policy_setting.h"
#include "policy_value.h"

#define DAYS   400
#define DAY_NS (CIVIL_DAY_S * NS_PER_S)

struct span_text {
	char text[48];
};

static struct span_text
span(int64_t ns)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err ignored = {0};
	struct span_text t = {"?"};

	if (policy_value_duration(&b, ns, &ignored) == ERR_NONE)
		snprintf(t.text, sizeof(t.text), "%s", buf_text(&b));
	return t;
}

static bool
is_usable(const struct policy_at *at, const struct policy_when *w)
{
	return at->line != 0 && (w->schedule[0] != '\0' || w->every_ns > 0);
}

/* The longest time between two firings; 0: it fires less than twice. */
static int64_t
largest_gap(struct policy_check_run *run, const struct policy_when *w)
{
	struct policy_check_gap gap = {.schedule = w->schedule,
	    .timezone = w->timezone};

	if (w->schedule[0] == '\0')
		return w->every_ns;
	for (size_t i = 0; i < run->gap_count; i++)
		if (strcmp(run->gaps[i].schedule, gap.schedule) == 0 &&
		    strcmp(run->gaps[i].timezone, gap.timezone) == 0)
			return run->gaps[i].gap_ns;
	if (!due_largest_gap(&w->due, run->now, DAYS, &gap.gap_ns))
		gap.gap_ns = 0;
	if (run->gap_count < POLICY_CHECK_GAPS)
		run->gaps[run->gap_count++] = gap;
	return gap.gap_ns;
}

static void
check_rpo(struct policy_check_run *run, const struct policy_service *s,
    int64_t gap_ns)
{
	const struct policy_backup *b = &s->backup;
	bool copied = s->replicate.to.count > 0;
	int64_t copy_ns = copied ? s->replicate.within_ns : 0;
	const char *setting = b->when.schedule[0] != '\0'
	    ? "service.backup.schedule"
	    : "service.backup.every";

	if (s->rpo_ns == 0)
		return;
	if (gap_ns == 0)
		POLICY_CHECK_SAY(run, P_RPO, &b->at, setting,
		    "fires less than twice in ten years; the RPO of %s needs "
		    "more",
		    span(s->rpo_ns).text);
	else if (gap_ns > s->rpo_ns - b->expect_ns - copy_ns)
		POLICY_CHECK_SAY(run, P_RPO, &b->at, setting,
		    "cannot meet the RPO of %s: up to %s pass between two "
		    "backups within %d days, one takes %s (expect)%s%s%s, "
		    "together %s; back up more often, or write a longer rpo",
		    span(s->rpo_ns).text, span(gap_ns).text, DAYS,
		    span(b->expect_ns).text, copied ? " and its copy " : "",
		    copied ? span(copy_ns).text : "",
		    copied ? " (replicate.within)" : "",
		    span(gap_ns + b->expect_ns + copy_ns).text);
}

static int64_t
longer(int64_t a_ns, uint32_t count, int64_t each_ns)
{
	int64_t b_ns = each_ns > INT64_MAX / ((int64_t)count + 1)
	    ? INT64_MAX
	    : (int64_t)count * each_ns;

	return b_ns > a_ns ? b_ns : a_ns;
}

/* How far back the rule reaches; 0: it is empty and everything stays. */
static int64_t
horizon(const struct retain_rule *r, int64_t gap_ns)
{
	int64_t ns = r->within_ns;

	ns = longer(ns, r->last, gap_ns);
	ns = longer(ns, r->hourly, DAY_NS / 24);
	ns = longer(ns, r->daily, DAY_NS);
	ns = longer(ns, r->weekly, 7 * DAY_NS);
	ns = longer(ns, r->monthly, 30 * DAY_NS);
	return longer(ns, r->yearly, 365 * DAY_NS);
}

/*
 * A point that was verified must still be there when the next one is: else
 * there is a time at which no proven point exists but by the pin on the last.
 */
static void
check_retention(struct policy_check_run *run, const struct policy_service *s,
    const struct policy_retention *r, const char *setting, int64_t gap_ns)
{
	int64_t reach_ns = horizon(&r->rule, gap_ns), proof_ns = INT64_MAX;
	struct policy_mark where = {.file = r->at.file, .line = r->at.line};

	if (r->at.line == 0 || reach_ns == 0)
		return;
	for (size_t i = 0; i < s->verify_count; i++) {
		const struct policy_verify *v = &s->verify[i];
		int64_t ns = is_usable(&v->at, &v->when)
		    ? largest_gap(run, &v->when)
		    : 0;

		if (ns > 0 && ns < proof_ns)
			proof_ns = ns;
	}
	if (proof_ns == INT64_MAX || reach_ns >= proof_ns)
		return;
	policy_problem_add(run->ps, P_RETENTION, &where, setting,
	    "would drop the only verified point: it reaches %s back, and up to "
	    "%s pass between two verifications; keep points for longer or "
	    "verify more often",
	    span(reach_ns).text, span(proof_ns).text);
}

void
policy_check_time(struct policy_check_run *run, const struct policy_service *s)
{
	int64_t gap_ns = 0;

	if (is_usable(&s->backup.at, &s->backup.when)) {
		gap_ns = largest_gap(run, &s->backup.when);
		check_rpo(run, s, gap_ns);
	}
	check_retention(run, s, &s->retention, "service.retention", gap_ns);
	check_retention(run, s, &s->replicate.retention,
	    "service.replicate.retention", gap_ns);
}
