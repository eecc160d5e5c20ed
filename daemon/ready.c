/* Readiness: when it is measured, and what is known of it. */

#include "ready_parts.h"

#include <string.h>

#include "etcd.h"
#include "ladder.h"
#include "peer.h"

#define LOOK_NS       (NS_PER_S / 5)
#define FIRST_NS      (5 * NS_PER_S)   /* after a load: the links were tried */
#define LIMIT_NS      (300 * NS_PER_S) /* for one measurement */
#define DRILL_NS      (180 * CIVIL_DAY_S * NS_PER_S)
#define ETCD_FRESH_NS (300 * NS_PER_S)
#define RECORDS_NS    (26 * 3600 * NS_PER_S) /* they come daily */

/* --- what is known here, live ------------------------------------------------- */

static struct peer *
find_peer(const struct daemon *d, const char *site)
{
	for (struct peer *p = d->peers; p != NULL; p = p->next)
		if (strcmp(p->site->name, site) == 0)
			return p;
	return NULL;
}

/* Is its last word young enough to be taken for what is? */
static bool
is_heard(const struct daemon *d, const struct peer *p)
{
	bool silent;

	return p != NULL && p->heard.ns != 0 &&
	    peerwatch_judge(p->heard, p->watching,
		d->policy->bridge.silent_after_ns, now_utc(),
		&silent) == PEER_HEARD;
}

static void
judge_up(const struct daemon *d, struct ready_value *out)
{
	struct peer *p = find_peer(d, out->site);
	char age[TEXT_UNIT_BYTES];

	snprintf(out->limit, sizeof(out->limit), "its daemon answers");
	if (strcmp(out->site, d->policy->site) == 0) {
		out->verdict = READY_OK;
		out->at = now_utc();
		snprintf(out->value, sizeof(out->value), "this daemon");
		return;
	}
	out->at = p == NULL ? (struct utc){0} : p->heard;
	snprintf(out->source, sizeof(out->source), "bridge to %.30s",
	    out->site);
	out->verdict = is_heard(d, p) ? READY_OK : READY_UNKNOWN;
	if (p == NULL || p->heard.ns == 0)
		snprintf(out->value, sizeof(out->value), "never heard");
	else
		snprintf(out->value, sizeof(out->value), "heard %s ago",
		    text_duration((now_utc().ns - p->heard.ns) / NS_PER_S *
			    NS_PER_S,
			age));
	if (out->verdict != READY_OK)
		snprintf(out->remedy, sizeof(out->remedy),
		    "'bascule bridge' and 'bascule links' say why it is not "
		    "heard");
}

static void
judge_clock(const struct daemon *d, const struct policy_service *s,
    struct ready_value *out)
{
	const char *other = strcmp(out->site, d->policy->site) != 0 ? out->site
	    : s != NULL ? policy_find_peer(s, d->policy->site)
			: NULL;
	struct peer *p = other == NULL ? d->peers : find_peer(d, other);
	struct readyjudge_clock c = {
	    .limit_ns = d->policy->watch.clock_offset_ns};

	if (p == NULL && d->peers == NULL) {
		out->verdict = READY_NOT_NEEDED;
		out->at = now_utc();
		snprintf(out->value, sizeof(out->value),
		    "there is no other site with a daemon");
		return;
	}
	if (p != NULL && p->clock_at.ns != 0) {
		c.known = true;
		c.offset_ns = p->clock_offset_ns;
		c.bound_ns = p->clock_bound_ns;
		out->at = p->clock_at;
		snprintf(out->source, sizeof(out->source), "bridge to %.30s",
		    p->site->name);
	}
	readyjudge_clock(&c, out);
	readyjudge_fresh(READY_FRESH_NS, now_utc(), out);
}

static enum err_code
take_when(void *ctx, const struct record *r, struct err *e)
{
	(void)e;
	*(struct utc *)ctx = r->at;
	return ERR_NONE;
}

static enum err_code
take_proved(void *ctx, const struct record *r, struct err *e)
{
	char result[32];

	(void)e;
	if (strcmp(record_text(r, "result", result, sizeof(result)),
		LEDGER_CANARY_PROVED) == 0)
		*(struct utc *)ctx = r->at;
	return ERR_NONE;
}

/* The newest record that fn takes, here or in what the others recorded. */
static struct utc
look_up(struct daemon *d, const char *type, uint64_t limit,
    ledger_record_fn *fn)
{
	const struct ledger_filter f = {.type = type,
	    .limit = limit,
	    .newest = true};
	struct utc best = {0};
	struct err e;

	for (size_t i = 0; i < d->policy->site_count; i++) {
		struct utc at = {0};
		struct ledger *l;

		if (peer_ledger(d, d->policy->sites[i].name, &l, &e) ==
			ERR_NONE &&
		    ledger_iterate(l, &f, fn, &at, &e) == ERR_NONE &&
		    at.ns > best.ns)
			best = at;
	}
	return best;
}

static struct utc
newest(struct daemon *d, struct ready_newest *n, const char *type,
    uint64_t limit, ledger_record_fn *fn)
{
	if (n->looked.ns == 0 || now_mono().ns - n->looked.ns > LOOK_NS) {
		n->at = look_up(d, type, limit, fn);
		n->looked = now_mono();
	}
	return n->at;
}

static void
judge_drill(struct daemon *d, struct ready_value *out)
{
	out->at = now_utc();
	if (d->policy->escrow.at.line == 0) {
		out->verdict = READY_NOT_NEEDED;
		snprintf(out->value, sizeof(out->value),
		    "the policy names no escrow");
		return;
	}
	readyjudge_age("the escrow key was proved",
	    "bascule -r REPOSITORY key canary",
	    newest(d, &d->ready->drill, LEDGER_CANARY, 16, take_proved),
	    DRILL_NS, out->at, out);
}

static void
judge_box(struct daemon *d, struct ready_value *out)
{
	out->at = now_utc();
	readyjudge_age("a battle box was made", "bascule box make",
	    newest(d, &d->ready->box, LEDGER_BOX, 1, take_when),
	    d->policy->box.within_ns, out->at, out);
}

static void
judge_etcd(const struct daemon *d, struct ready_value *out)
{
	const struct etcd_seen *seen = etcd_seen(d);

	snprintf(out->limit, sizeof(out->limit), "a quorum");
	if (!etcd_is_used(d)) {
		out->at = now_utc();
		out->verdict = READY_NOT_NEEDED;
		snprintf(out->value, sizeof(out->value),
		    "authority = \"manual\"");
		return;
	}
	if (seen != NULL && seen->at.ns != 0) {
		char trouble[READY_TEXT_BYTES];

		snprintf(trouble, sizeof(trouble), "%.190s", seen->trouble);
		out->at = seen->at;
		out->verdict = seen->has_quorum ? READY_OK : READY_NOT;
		snprintf(out->value, sizeof(out->value), "%s",
		    seen->has_quorum ? "a quorum answers" : trouble);
		snprintf(out->remedy, sizeof(out->remedy), "%s",
		    seen->has_quorum ? "" : "see to the cluster's members");
	}
	readyjudge_fresh(ETCD_FRESH_NS, now_utc(), out);
}

void
ready_proof_of(struct daemon *d, const char *service, const char *site,
    struct ready_proof *out)
{
	const struct ladder *l = ladders_find(d, service, site);
	const struct ladder_rung *r;
	char age[TEXT_UNIT_BYTES];

	*out = (struct ready_proof){.level = -1};
	snprintf(out->text, sizeof(out->text), "no copy of it is at '%.64s'",
	    site);
	if (l == NULL || l->level < 0)
		return;
	r = &l->rungs[l->level];
	out->level = l->level;
	out->at = r->at;
	snprintf(out->run, sizeof(out->run), "%s", r->run);
	snprintf(out->text, sizeof(out->text), "L%d (%s), %s ago%s%s", l->level,
	    ladder_rung_title((unsigned)l->level),
	    text_duration((now_utc().ns - r->at.ns) / NS_PER_S * NS_PER_S, age),
	    r->run[0] != '\0' ? " by " : "", r->run);
}

static void
judge_proof(struct daemon *d, const struct policy_service *s,
    struct ready_value *out)
{
	struct ready_proof p;

	out->at = now_utc();
	ready_proof_of(d, s->name, out->site, &p);
	readyjudge_proof(&s->failover, &p, out->at, out);
}

/* Two may fail, and the third takes a while, before what is known is too old. */
static int64_t
fresh_ns(const struct daemon *d)
{
	return 3 * d->policy->watch.readiness_every_ns + LIMIT_NS;
}

/* --- of this site --------------------------------------------------------------- */

static void
judge_measured(struct daemon *d, const struct policy_service *s,
    struct ready_value *out)
{
	const struct ready_facts *f = &d->ready->facts;

	out->at = f->at;
	if (out->check == READY_CAPACITY)
		readyjudge_capacity(d->policy, f, out);
	else if (out->check == READY_HOST_KEYS)
		readyjudge_hosts(d->policy, s, f, out);
	else if (out->check == READY_DNS_TTL)
		readyjudge_names(s, f, out);
	else
		readyjudge_key(s, f, out);
	readyjudge_fresh(fresh_ns(d), now_utc(), out);
}

void
ready_judge_here(struct daemon *d, const struct policy_service *s,
    enum ready_check check, struct ready_value *out)
{
	*out = (struct ready_value){.check = check};
	snprintf(out->site, sizeof(out->site), "%s", d->policy->site);
	snprintf(out->service, sizeof(out->service), "%s",
	    s != NULL && ready_check_is_of_service(check) ? s->name : "");
	snprintf(out->source, sizeof(out->source), "this site");
	switch (check) {
	case READY_TARGET_UP: judge_up(d, out); break;
	case READY_CLOCK: judge_clock(d, s, out); break;
	case READY_DRILL: judge_drill(d, out); break;
	case READY_BOX: judge_box(d, out); break;
	case READY_ETCD: judge_etcd(d, out); break;
	case READY_PROOF: judge_proof(d, s, out); break;
	case READY_CAPACITY:
	case READY_HOST_KEYS:
	case READY_DNS_TTL:
	case READY_KEY: judge_measured(d, s, out); break;
	}
}

/* --- of the other site ------------------------------------------------------------- */

static void
from_records(struct daemon *d, struct ready_value *out)
{
	const struct ready_value *said = NULL;
	char age[TEXT_UNIT_BYTES], was[READY_TEXT_BYTES];
	struct err e;

	snprintf(out->source, sizeof(out->source), "record of %.30s",
	    out->site);
	snprintf(out->value, sizeof(out->value),
	    "site '%s' has recorded nothing of it", out->site);
	snprintf(out->remedy, sizeof(out->remedy),
	    "its daemon measures itself and records it; see 'bascule bridge'");
	if (readynote_hear(d, out->site, out->service, out->check, &said, &e) !=
		ERR_NONE ||
	    said == NULL)
		return;
	*out = *said;
	readyjudge_fresh(RECORDS_NS, now_utc(), out);
	if (is_heard(d, find_peer(d, out->site)) ||
	    out->verdict == READY_UNKNOWN)
		return;
	snprintf(was, sizeof(was), "%s", out->value);
	out->verdict = READY_UNKNOWN;
	snprintf(out->value, sizeof(out->value),
	    "site '%.64s' is silent; %s ago it was: %.80s", out->site,
	    text_duration((now_utc().ns - out->at.ns) / NS_PER_S * NS_PER_S,
		age),
	    was);
}

void
ready_of(struct daemon *d, const char *service, const char *site,
    enum ready_check check, struct ready_value *out)
{
	const struct policy_service *s =
	    service == NULL ? NULL : policy_find_service(d->policy, service);

	if (d->ready == NULL) { /* between two policies */
		*out = (struct ready_value){.check = check};
		return;
	}
	if (strcmp(site, d->policy->site) == 0 &&
	    (s != NULL || !ready_check_is_of_service(check))) {
		ready_judge_here(d, s, check, out);
		return;
	}
	*out = (struct ready_value){.check = check};
	snprintf(out->site, sizeof(out->site), "%s", site);
	if (ready_check_is_of_service(check))
		snprintf(out->service, sizeof(out->service), "%s",
		    service == NULL ? "" : service);
	snprintf(out->source, sizeof(out->source), "this site");
	if (check == READY_TARGET_UP)
		judge_up(d, out);
	else if (check == READY_CLOCK)
		judge_clock(d, s, out);
	else if (check == READY_PROOF && s != NULL)
		judge_proof(d, s, out);
	else
		from_records(d, out);
}

/* --- measuring ---------------------------------------------------------------------- */

/* Measured and written down, or not measured at all. */
static void
end_round(struct daemon *d)
{
	struct ready *r = d->ready;

	r->rounds++;
	api_ledger_grew(d); /* who waits for it */
	loop_timer_set(r->timer,
	    r->again ? 0 : d->policy->watch.readiness_every_ns);
	r->again = false;
}

static void
note_slice(struct daemon *d)
{
	if (readynote_more(d))
		end_round(d);
	else
		loop_timer_set(d->ready->timer, DAEMON_TURN_NS);
}

static void
measured(struct readytalk *t)
{
	struct daemon *d = t->d;
	struct ready *r = d->ready;

	if (t->fresh.at.ns == 0 || t->failed[0] != '\0') {
		note_log(NOTE_WARNING, "readiness is not measured: %s",
		    t->failed);
		ready_facts_fini(&t->fresh);
		end_round(d);
		return;
	}
	ready_facts_fini(&r->facts);
	r->facts = t->fresh;
	t->fresh = (struct ready_facts){0};
	r->noting = true;
	note_slice(d);
}

static void
on_timer(void *ctx)
{
	struct daemon *d = ctx;
	struct ready *r = d->ready;
	struct err e;

	if (r->talk.worker != NULL) { /* it took too long */
		readytalk_end(&r->talk, "no end in time");
		measured(&r->talk);
		return;
	}
	if (d->stopping)
		return;
	if (r->noting) {
		note_slice(d);
		return;
	}
	r->soon = false;
	if (readytalk_start(&r->talk, &e) == ERR_NONE) {
		loop_timer_set(r->timer, LIMIT_NS);
		return;
	}
	snprintf(r->talk.failed, sizeof(r->talk.failed), "%.250s", e.text);
	readytalk_end(&r->talk, "");
	measured(&r->talk);
}

void
ready_kick(struct daemon *d)
{
	if (d->ready == NULL)
		return;
	if (ready_is_measuring(d->ready))
		d->ready->again = true;
	else
		loop_timer_set(d->ready->timer, 0);
}

void
ready_first_copy(struct daemon *d)
{
	struct ready *r = d->ready;

	if (r == NULL)
		return;
	if (ready_is_measuring(r)) /* it may have looked already */
		r->again = true;
	else if (r->rounds > 0 && !r->soon) {
		loop_timer_set(r->timer, FIRST_NS);
		r->soon = true;
	}
}

bool
ready_was_tried(const struct daemon *d)
{
	return d->ready != NULL && d->ready->rounds > 0;
}

enum err_code
ready_start(struct daemon *d, struct err *e)
{
	struct ready *r = d->ready = calloc(1, sizeof(*r));
	enum err_code rc;

	if (r == NULL)
		return err_nomem(e);
	r->talk = (struct readytalk){.d = d, .done = measured};
	rc = loop_timer_new(&r->timer, d->loop, on_timer, d, e);
	if (rc == ERR_NONE)
		rc = readynote_recall(d, e);
	if (rc == ERR_NONE)
		loop_timer_set(r->timer, FIRST_NS);
	return rc;
}

void
ready_stop(struct daemon *d)
{
	struct ready *r = TAKE(d->ready);

	if (r == NULL)
		return;
	readytalk_end(&r->talk, "");
	ready_facts_fini(&r->talk.fresh);
	ready_facts_fini(&r->facts);
	loop_timer_free(&r->timer);
	while (r->heard != NULL) {
		struct ready_heard *h = r->heard;

		r->heard = h->next;
		free(h->values);
		free(h);
	}
	free(r->told);
	free(r);
}
