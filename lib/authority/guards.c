/*
 * G01 to G18.  A guard is a function that holds the facts it needs against what
 * must be; the first that is wrong makes it fail, else the first that is not
 * known makes it unknown (U1).
 */

#include <bascule/authority.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "facts.h"

struct trial {
	const struct guards_facts *f;
	enum guards_mode mode;
	enum guards_phase phase;
	struct guards_result *r;
};

/* --- judging ---------------------------------------------------------------------- */

static void
add_input(struct trial *t, enum guards_fact_id id)
{
	struct guards_result *r = t->r;

	for (size_t i = 0; i < r->inputs_count; i++)
		if (r->inputs[i] == id)
			return;
	if (r->inputs_count < GUARDS_INPUTS_MAX)
		r->inputs[r->inputs_count++] = id;
}

static void PRINTF_LIKE(3, 4)
    judge(struct trial *t, enum guards_verdict v, const char *fmt, ...)
{
	va_list ap;

	/* What is wrong weighs more than what is not known. */
	if (t->r->verdict == GUARDS_FAIL ||
	    (t->r->verdict == GUARDS_UNKNOWN && v != GUARDS_FAIL))
		return;
	t->r->verdict = v;
	va_start(ap, fmt);
	vsnprintf(t->r->text, sizeof(t->r->text), fmt, ap);
	va_end(ap);
}

/* A command in it names what it is about, where that is known. */
static void
remedy(struct trial *t, const char *text)
{
	const char *const names[][2] = {{"SERVICE", t->f->service},
	    {"RUN", t->f->run}};
	char *to = t->r->remedy;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *at = strstr(text, names[i][0]);

		if (at == NULL || names[i][1][0] == '\0')
			continue;
		snprintf(to, sizeof(t->r->remedy), "%.*s%s%s", (int)(at - text),
		    text, names[i][1], at + strlen(names[i][0]));
		return;
	}
	snprintf(to, sizeof(t->r->remedy), "%s", text);
}

/* U1.  False: not known, and judged so. */
static bool
is_known(struct trial *t, enum guards_fact_id id, const char *mend)
{
	char words[256];

	add_input(t, id);
	if (t->f->of[id].known)
		return true;
	if (t->r->verdict == GUARDS_PASS) {
		judge(t, GUARDS_UNKNOWN, "%s",
		    guards_fact_words(t->f, id, words, sizeof(words)));
		remedy(t, mend);
	}
	return false;
}

static void
fail(struct trial *t, enum guards_fact_id id, const char *mend)
{
	char words[256];

	if (t->r->verdict == GUARDS_FAIL)
		return;
	judge(t, GUARDS_FAIL, "%s",
	    guards_fact_words(t->f, id, words, sizeof(words)));
	remedy(t, mend);
}

static int64_t
value(const struct trial *t, enum guards_fact_id id)
{
	return t->f->of[id].value;
}

/* True only of what is known and says yes. */
static bool
is_yes(struct trial *t, enum guards_fact_id id)
{
	add_input(t, id);
	return t->f->of[id].known && value(t, id) != 0;
}

static void
need_yes(struct trial *t, enum guards_fact_id id, const char *mend)
{
	if (is_known(t, id, mend) && value(t, id) == 0)
		fail(t, id, mend);
}

static void
need_none(struct trial *t, enum guards_fact_id id, const char *mend)
{
	if (is_known(t, id, mend) && value(t, id) != 0)
		fail(t, id, mend);
}

/* id's value against the one of limit. */
static void
need_at_least(struct trial *t, enum guards_fact_id id,
    enum guards_fact_id limit, const char *mend)
{
	bool both = is_known(t, id, mend);

	if (is_known(t, limit, mend) && both && value(t, id) < value(t, limit))
		fail(t, id, mend);
}

/* A limit of 0 is none. */
static void
need_at_most(struct trial *t, enum guards_fact_id id, enum guards_fact_id limit,
    const char *mend)
{
	if (!is_known(t, limit, mend))
		return;
	if (value(t, limit) == 0)
		add_input(t, id);
	else if (is_known(t, id, mend) && value(t, id) > value(t, limit))
		fail(t, id, mend);
}

/* What was seen must not be older. */
static void
need_fresh(struct trial *t, enum guards_fact_id id, int64_t within_ns,
    const char *mend)
{
	if (t->f->of[id].known &&
	    t->f->now.ns - t->f->of[id].at.ns > within_ns &&
	    t->r->verdict == GUARDS_PASS) {
		judge(t, GUARDS_UNKNOWN, "what is known of it is too old");
		remedy(t, mend);
	}
}

/* --- the eighteen ------------------------------------------------------------------- */

#define FRESH_NS (60 * NS_PER_S)

static void
g01(struct trial *t)
{
	need_none(t, FACT_OTHER_RUN, "end the other run first");
	need_none(t, FACT_NEEDED_RUN,
	    "wait for the run of the service it depends on");
}

static void
g02(struct trial *t)
{
	need_yes(t, FACT_POLICY_EQUAL,
	    "load the same policy at both sites: bascule policy diff");
	need_yes(t, FACT_PLAN_EQUAL, "load the same plan at both sites");
}

static void
g03(struct trial *t)
{
	need_yes(t, FACT_ROLE, "somebody with the role dr-lead asks");
	if (t->phase == GUARDS_AT_REQUEST)
		return;
	need_none(t, FACT_ACTOR_APPROVED,
	    "somebody other than the requester approves");
}

static void
g04(struct trial *t)
{
	if (t->mode == GUARDS_UNPLANNED && is_yes(t, FACT_BREAK_GLASS))
		return; /* the second person may come afterwards */
	need_at_least(t, FACT_APPROVALS, FACT_APPROVALS_NEEDED,
	    "more people approve: bascule approve RUN");
	if (t->mode == GUARDS_PLANNED)
		need_yes(t, FACT_CHANGE, "request it with --change REF");
}

static void
g05(struct trial *t)
{
	need_none(t, FACT_FROZEN, "wait for the freeze to end");
	need_yes(t, FACT_IN_WINDOW, "wait for the window to open");
}

static void
g06(struct trial *t)
{
	need_at_least(t, FACT_PROOF_LEVEL, FACT_PROOF_NEEDED,
	    "prove a point: bascule exercise start SERVICE --mode test");
	need_at_most(t, FACT_PROOF_AGE, FACT_PROOF_WITHIN,
	    "prove a newer point: bascule exercise start SERVICE --mode "
	    "test");
}

static void
g07(struct trial *t)
{
	need_yes(t, FACT_POINT_COMPLETE,
	    "choose a point that is complete: --point");
	need_none(t, FACT_POINT_SUSPECT,
	    "choose a point that is not suspect: --point");
	need_at_most(t, FACT_RPA, FACT_RPO,
	    "wait for a newer point, or accept the loss");
}

static void
g08(struct trial *t)
{
	need_yes(t, FACT_TARGET_UP, "bring the target's daemon up");
	need_yes(t, FACT_CAPACITY,
	    "make room at the target, or shed what may wait");
	need_yes(t, FACT_CLOCK, "set the target's clock");
	need_yes(t, FACT_HOST_KEYS, "pin the hosts' keys in the policy");
	need_yes(t, FACT_DNS_TTL, "lower the TTL of the names");
	need_yes(t, FACT_CANARY,
	    "see what the key meets there: bascule readiness --measure");
}

/* Planned: it answers.  Unplanned: enough others say that it does not. */
static void
g09(struct trial *t)
{
	static const char *const mend = "restore the link to the other site";

	if (t->mode == GUARDS_PLANNED || t->phase == GUARDS_AT_ROLLBACK) {
		need_yes(t, FACT_PEER_ANSWERS, mend);
		need_fresh(t, FACT_PEER_ANSWERS, FRESH_NS, mend);
		return;
	}
	if (is_yes(t, FACT_PEER_HEALTHY)) {
		fail(t, FACT_PEER_HEALTHY,
		    "the service is well at the old site: ask for a planned "
		    "move");
		return;
	}
	if (is_yes(t, FACT_FENCE_ATTESTED) &&
	    value(t, FACT_FENCE_ATTESTED) >= 2)
		return;
	if (is_known(t, FACT_OBSERVERS_DOWN, "two independent observers") &&
	    value(t, FACT_OBSERVERS_DOWN) < 2)
		fail(t, FACT_OBSERVERS_DOWN,
		    "two independent observers say that the old site is down, "
		    "or two people attest it");
	need_at_least(t, FACT_PEER_SILENT, FACT_HOLD_DOWN,
	    "wait until the old site has been silent for long enough");
}

static void
g10(struct trial *t)
{
	if (is_yes(t, FACT_FENCE_PROVED))
		return;
	if (is_yes(t, FACT_FENCE_ATTESTED) &&
	    value(t, FACT_FENCE_ATTESTED) >= 2)
		return;
	if (t->f->of[FACT_FENCE_PROVED].known)
		fail(t, FACT_FENCE_PROVED,
		    "the fence is read back, or two people attest the physical "
		    "method");
	else
		(void)is_known(t, FACT_FENCE_PROVED,
		    "the fence is read back, or two people attest the physical "
		    "method");
}

static void
g11(struct trial *t)
{
	static const char *const mend =
	    "accept the loss in words: --accept-loss TEXT";

	if (is_yes(t, FACT_LOSS_ACCEPTED))
		return;
	if (!is_known(t, FACT_RPA, mend) || !is_known(t, FACT_MAX_LOSS, mend))
		return;
	if (value(t, FACT_RPA) > value(t, FACT_MAX_LOSS))
		fail(t, FACT_RPA, mend);
}

static void
g12(struct trial *t)
{
	static const char *const mend = "wait until failover.cooldown is over";

	if (is_yes(t, FACT_NO_LAST_RUN))
		return;
	need_at_least(t, FACT_LAST_RUN_AGE, FACT_COOLDOWN, mend);
}

static void
g13(struct trial *t)
{
	need_yes(t, FACT_ISOLATED,
	    "cut the sandbox off from production and prove it");
	need_yes(t, FACT_QUOTA, "make room for the sandbox");
}

/* Everybody who can be asked names the same epoch. */
static void
g14(struct trial *t)
{
	static const char *const mend =
	    "read the registers: bascule hold inspect";

	need_yes(t, FACT_REGISTER_HEARD,
	    "the other site is heard, or two people release the quarantine");
	/* People decide over an epoch above all that are known: they need not
	 * agree, but etcd, which has the last word, has to be asked. */
	if (t->phase == GUARDS_AT_RESOLVE) {
		if (is_yes(t, FACT_WITNESS_USED))
			(void)is_known(t, FACT_EPOCH_WITNESS,
			    "etcd has its quorum");
		return;
	}
	if (!is_known(t, FACT_EPOCH_EXPECTED, mend) ||
	    !is_known(t, FACT_EPOCH_TARGET, mend))
		return;
	if (value(t, FACT_EPOCH_TARGET) != value(t, FACT_EPOCH_EXPECTED))
		fail(t, FACT_EPOCH_TARGET, mend);
	add_input(t, FACT_EPOCH_SOURCE);
	if (t->f->of[FACT_EPOCH_SOURCE].known &&
	    value(t, FACT_EPOCH_SOURCE) != value(t, FACT_EPOCH_EXPECTED))
		fail(t, FACT_EPOCH_SOURCE, mend);
	if (is_yes(t, FACT_WITNESS_USED) &&
	    is_known(t, FACT_EPOCH_WITNESS, "etcd has its quorum") &&
	    value(t, FACT_EPOCH_WITNESS) != value(t, FACT_EPOCH_EXPECTED))
		fail(t, FACT_EPOCH_WITNESS, mend);
}

static void
g15(struct trial *t)
{
	need_yes(t, FACT_MARKERS_EQUAL,
	    "the last point is whole at the target, dataset by dataset");
}

static void
g16(struct trial *t)
{
	need_yes(t, FACT_OWNER_ACCEPTS,
	    "the service's owner accepts: bascule failover commit RUN");
}

static void
g17(struct trial *t)
{
	need_yes(t, FACT_OLD_DATA_INTACT,
	    "the old site's data is read and found whole");
	need_yes(t, FACT_NEW_WRITES_SAFE,
	    "what was written at the new site is kept first");
}

static void
g18(struct trial *t)
{
	need_yes(t, FACT_DIVERGENCE_CAPTURED,
	    "what the old site wrote after the point is kept and listed");
}

/* --- which hold when ------------------------------------------------------------------ */

#define NEVER        0u
#define AT_REQUEST   (1u << GUARDS_AT_REQUEST)
#define AT_START     (1u << GUARDS_AT_START)
#define AT_READY     (1u << GUARDS_AT_READY)
#define AT_FENCE     (1u << GUARDS_AT_FENCE)
#define AT_GRANT     (1u << GUARDS_AT_GRANT)
#define AT_TAKE      (1u << GUARDS_AT_TAKE)
#define AT_COMMIT    (1u << GUARDS_AT_COMMIT)
#define AT_ROLLBACK  (1u << GUARDS_AT_ROLLBACK)
#define AT_REPROTECT (1u << GUARDS_AT_REPROTECT)
#define AT_RESOLVE   (1u << GUARDS_AT_RESOLVE)

static const struct guard {
	void (*judge)(struct trial *t);
	const char *title;
	enum guards_override override;
	unsigned phases[GUARDS_MODES]; /* planned, unplanned, test */
} guards[GUARDS_COUNT] = {
    {g01, "no other run of the service, or of what it needs", GUARDS_NEVER,
	{AT_START | AT_READY, AT_START | AT_FENCE, AT_START}},
    {g02, "policy and plan are the same at both sites", GUARDS_BY_LEAD,
	{AT_START | AT_READY, AT_START, AT_START}},
    {g03, "who asks may, and is not who approves", GUARDS_NEVER,
	{AT_REQUEST | AT_START | AT_COMMIT, AT_REQUEST | AT_START | AT_COMMIT,
	    AT_REQUEST}},
    {g04, "enough people have approved", GUARDS_BY_LEAD,
	{AT_START, AT_START | AT_FENCE, NEVER}},
    {g05, "no freeze, and inside the window", GUARDS_BY_LEAD,
	{AT_START, AT_START, AT_START}},
    {g06, "the recovery is proved, and lately", GUARDS_BY_LEAD,
	{AT_START, AT_START, NEVER}},
    {g07, "the point is complete and young enough", GUARDS_BY_LEAD,
	{AT_START | AT_READY, AT_START, AT_START}},
    {g08, "the target is ready", GUARDS_BY_LEAD,
	{AT_START | AT_READY, AT_START | AT_TAKE, AT_START}},
    {g09, "the other site is as the mode says", GUARDS_BY_LEAD,
	{AT_START | AT_READY | AT_ROLLBACK, AT_START | AT_FENCE | AT_ROLLBACK,
	    NEVER}},
    {g10, "the old site is fenced, and that is proved", GUARDS_ATTESTATION,
	{AT_GRANT, AT_TAKE, NEVER}},
    {g11, "the loss is within bounds, or accepted", GUARDS_BY_LEAD,
	{NEVER, AT_START | AT_FENCE, NEVER}},
    {g12, "the last run is long enough ago", GUARDS_BY_LEAD,
	{AT_START, AT_START, NEVER}},
    {g13, "the test cannot reach production", GUARDS_BY_LEAD,
	{NEVER, NEVER, AT_START}},
    {g14, "all who can be asked name the expected epoch", GUARDS_NEVER,
	{AT_READY | AT_GRANT | AT_TAKE | AT_ROLLBACK | AT_REPROTECT |
		AT_RESOLVE,
	    AT_FENCE | AT_TAKE | AT_ROLLBACK | AT_REPROTECT | AT_RESOLVE,
	    NEVER}},
    {g15, "both sites hold the very same last point", GUARDS_BY_LEAD,
	{AT_GRANT, NEVER, NEVER}},
    {g16, "the service's owner accepts it", GUARDS_BY_LEAD,
	{AT_COMMIT, AT_COMMIT, NEVER}},
    {g17, "the way back is safe", GUARDS_BY_LEAD,
	{AT_ROLLBACK, AT_ROLLBACK, NEVER}},
    {g18, "what the old site wrote afterwards is kept", GUARDS_NEVER,
	{AT_REPROTECT, AT_REPROTECT, NEVER}},
};

bool
guards_holds(unsigned number, enum guards_mode mode, enum guards_phase phase)
{
	unsigned phases;

	if (number < 1 || number > GUARDS_COUNT || mode >= GUARDS_MODES)
		return false;
	phases = guards[number - 1].phases[mode];
	return phase == GUARDS_AT_ANY ? phases != 0
				      : (phases & (1u << phase)) != 0;
}

void
guards_evaluate(const struct guards_facts *f, enum guards_mode mode,
    enum guards_phase phase, struct guards_result out[GUARDS_COUNT])
{
	for (unsigned i = 0; i < GUARDS_COUNT; i++) {
		struct trial t = {f, mode, phase, &out[i]};

		out[i] = (struct guards_result){.number = i + 1,
		    .override = guards[i].override};
		if (!guards_holds(i + 1, mode, phase)) {
			snprintf(out[i].text, sizeof(out[i].text),
			    "not asked in this mode at this point");
			continue;
		}
		out[i].verdict = GUARDS_PASS;
		guards[i].judge(&t);
		if (out[i].verdict == GUARDS_PASS)
			snprintf(out[i].text, sizeof(out[i].text), "%s",
			    guards[i].title);
	}
}

enum err_code
guards_override(struct guards_result out[GUARDS_COUNT], unsigned number,
    const char *reason, struct err *e)
{
	if (number < 1 || number > GUARDS_COUNT)
		return err_set(e, ERR_INPUT, "there is no such guard");
	if (guards[number - 1].override != GUARDS_BY_LEAD) {
		err_set(e, ERR_REFUSED, "guard %s (%s) cannot be overridden",
		    guards_id(number), guards[number - 1].title);
		return err_hint(e, "what it takes: %s",
		    guards[number - 1].override == GUARDS_NEVER
			? "what it asks for"
			: guards_override_words(GUARDS_ATTESTATION));
	}
	if (reason == NULL || reason[strspn(reason, " \t\n")] == '\0')
		return err_set(e, ERR_INPUT,
		    "overriding guard %s needs a reason", guards_id(number));
	out[number - 1].overridden = true;
	return ERR_NONE;
}

static bool
lets_through(const struct guards_result *r)
{
	return r->verdict == GUARDS_PASS ||
	    r->verdict == GUARDS_NOT_APPLICABLE ||
	    (r->overridden && r->override == GUARDS_BY_LEAD); /* U2 */
}

/* What speaks against it first; of the others, those that fit whole. */
static void
add_inputs(const struct guards_result *r, const struct guards_facts *f,
    struct err *e)
{
	char words[256], all[ERR_TEXT_BYTES / 2];
	size_t n = (size_t)snprintf(all, sizeof(all), "%s", r->text);

	for (size_t i = 0; i < r->inputs_count; i++) {
		guards_fact_words(f, r->inputs[i], words, sizeof(words));
		if (strcmp(words, r->text) != 0 &&
		    n + strlen(words) + 2 < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n, "; %s",
			    words);
	}
	err_set(e, ERR_REFUSED, "guard %s (%s) %s: %s", guards_id(r->number),
	    guards_title(r->number),
	    r->verdict == GUARDS_UNKNOWN ? "is not known to pass" : "fails",
	    all);
}

enum err_code
guards_admit(const struct guards_result out[GUARDS_COUNT],
    const struct guards_facts *f, size_t *blocking, struct err *e)
{
	const struct guards_result *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < GUARDS_COUNT; i++)
		if (!lets_through(&out[i])) {
			n++;
			first = first == NULL ? &out[i] : first;
		}
	if (blocking != NULL)
		*blocking = n;
	if (first == NULL)
		return ERR_NONE;
	add_inputs(first, f, e);
	return err_hint(e, "%s (override: %s)", first->remedy,
	    guards_override_words(first->override));
}

/* --- names ------------------------------------------------------------------------------ */

const char *
guards_id(unsigned number)
{
	static const char *const ids[] = {"G00", "G01", "G02", "G03", "G04",
	    "G05", "G06", "G07", "G08", "G09", "G10", "G11", "G12", "G13",
	    "G14", "G15", "G16", "G17", "G18"};

	return ids[number <= GUARDS_COUNT ? number : 0];
}

const char *
guards_title(unsigned number)
{
	return number < 1 || number > GUARDS_COUNT ? "no such guard"
						   : guards[number - 1].title;
}

const char *
guards_verdict_name(enum guards_verdict v)
{
	static const char *const names[] = {"not-applicable", "pass", "fail",
	    "unknown"};

	return names[(unsigned)v <= GUARDS_UNKNOWN ? v : GUARDS_UNKNOWN];
}

unsigned
guards_find(const char *id)
{
	for (unsigned i = 1; i <= GUARDS_COUNT; i++)
		if (strcasecmp(id, guards_id(i)) == 0)
			return i;
	return 0;
}

enum guards_override
guards_override_of(unsigned number)
{
	return number < 1 || number > GUARDS_COUNT
	    ? GUARDS_NEVER
	    : guards[number - 1].override;
}

const char *
guards_override_words(enum guards_override o)
{
	switch (o) {
	case GUARDS_NEVER: return "none";
	case GUARDS_ATTESTATION:
		return "two people who name the physical method";
	case GUARDS_BY_LEAD: return "a dr-lead's, with a reason";
	}
	return "none";
}

const char *
guards_mode_name(enum guards_mode m)
{
	static const char *const names[GUARDS_MODES] = {"planned", "unplanned",
	    "test"};

	return (unsigned)m < GUARDS_MODES ? names[m] : "unknown";
}

const char *
guards_phase_name(enum guards_phase p)
{
	static const char *const names[GUARDS_PHASES] = {"request", "start",
	    "ready", "fence", "grant", "take", "commit", "rollback",
	    "reprotect", "resolve", "any"};

	return (unsigned)p < GUARDS_PHASES ? names[p] : "unknown";
}

void
guards_tell(struct guards_facts *f, enum guards_fact_id id, int64_t told,
    struct utc at, const char *source, const char *text)
{
	struct guards_fact *fact = &f->of[id];

	*fact = (struct guards_fact){.known = true, .value = told, .at = at};
	if (source != NULL)
		memcpy(fact->source, source,
		    strnlen(source, sizeof(fact->source) - 1));
	if (text != NULL)
		memcpy(fact->text, text, strnlen(text, sizeof(fact->text) - 1));
}

const char *
guards_fact_name(enum guards_fact_id id)
{
	return facts_name(id);
}

const char *
guards_fact_source(const struct guards_facts *f, enum guards_fact_id id)
{
	return facts_source(f, id);
}

const char *
guards_fact_words(const struct guards_facts *f, enum guards_fact_id id,
    char *out, size_t out_bytes)
{
	return facts_words(f, id, out, out_bytes);
}
