/* How long a step takes: what real runs of it took. */

#include <string.h>

#include "peer.h"
#include "tabletops.h"

#define RECORDS_MAX 4000 /* of each ledger, the newest */
#define TIMES_MAX   64
#define OPEN_MAX    64
#define PERSON_NS   (300 * NS_PER_S) /* until somebody has answered: a guess */

struct times {
	const char *step;
	int64_t ns[TIMES_MAX];
	size_t count;
	struct utc newest;
	struct {
		char intent[LEDGER_INTENT_BYTES];
		struct utc at;
	} open[OPEN_MAX]; /* a ring */
	size_t opened;
};

static void
take_begin(struct times *t, const struct record *r, const char *intent)
{
	size_t i = t->opened++ % OPEN_MAX;

	snprintf(t->open[i].intent, sizeof(t->open[i].intent), "%s", intent);
	t->open[i].at = r->at;
}

static void
take_end(struct times *t, const struct record *r, const char *intent)
{
	for (size_t i = 0; i < OPEN_MAX && i < t->opened; i++) {
		int64_t ns = r->at.ns - t->open[i].at.ns;

		if (strcmp(t->open[i].intent, intent) != 0 || ns < 0)
			continue;
		t->ns[t->count % TIMES_MAX] = ns;
		t->count++;
		if (r->at.ns > t->newest.ns)
			t->newest = r->at;
		return;
	}
}

/* An undo of it, and one that failed, say nothing about how long it takes. */
static enum err_code
take_record(void *ctx, const struct record *r, struct err *e)
{
	struct times *t = ctx;
	char step[96], kind[16], state[16], intent[LEDGER_INTENT_BYTES];

	(void)e;
	if (strcmp(record_text(r, "step", step, sizeof(step)), t->step) != 0 ||
	    strcmp(record_text(r, "kind", kind, sizeof(kind)), "undo") == 0 ||
	    record_text(r, "@intent", intent, sizeof(intent))[0] == '\0')
		return ERR_NONE;
	if (r->phase == RECORD_INTENT)
		take_begin(t, r, intent);
	else if (strcmp(record_text(r, "state", state, sizeof(state)),
		     "done") == 0)
		take_end(t, r, intent);
	return ERR_NONE;
}

static enum err_code
learn_from(struct ledger *l, const char *service, struct times *t,
    struct err *e)
{
	struct ledger_filter f = {.type = LEDGER_STEP,
	    .service = service,
	    .limit = RECORDS_MAX,
	    .newest = true};

	return ledger_iterate(l, &f, take_record, t, e);
}

static void
guess(struct daemon *d, const char *service, const char *step, int64_t *ns,
    char basis[160])
{
	const struct policy_service *s =
	    policy_find_service(d->policy, service);
	const struct policy_step *p =
	    s == NULL ? NULL : policy_find_step(s, step);
	char text[TEXT_UNIT_BYTES];

	*ns = PERSON_NS;
	if (p == NULL)
		snprintf(basis, 160,
		    "a guess: the plan has no such step, 5 minutes are said");
	else if (p->kind == POLICY_STEP_CONFIRM)
		snprintf(basis, 160,
		    "a guess: nobody ever answered it in a real run");
	else {
		*ns = p->kind == POLICY_STEP_CHECK && p->check.within_ns > 0
		    ? p->check.within_ns
		    : p->timeout_ns;
		snprintf(basis, 160,
		    "a guess: it never ran to its end here; the plan lets it "
		    "take %s",
		    text_duration(*ns, text));
	}
}

enum err_code
steptimes_learn(struct daemon *d, const char *service, const char *step,
    int64_t *ns, char basis[160], struct err *e)
{
	struct times t = {.step = step};
	enum err_code rc = learn_from(d->ledger, service, &t, e);
	char when[NOW_TEXT_BYTES];
	size_t count;

	for (const struct peer *p = d->peers; rc == ERR_NONE && p != NULL;
	     p = p->next)
		if (p->copy != NULL)
			rc = learn_from(p->copy, service, &t, e);
	if (rc != ERR_NONE)
		return rc;
	if (t.count == 0) {
		guess(d, service, step, ns, basis);
		return ERR_NONE;
	}
	count = t.count < TIMES_MAX ? t.count : TIMES_MAX;
	*ns = tabletop_median_ns(t.ns, count);
	now_text(t.newest, when);
	when[10] = '\0';
	snprintf(basis, 160, "the median of %zu real run%s, the last on %s",
	    count, count == 1 ? "" : "s", when);
	return ERR_NONE;
}
