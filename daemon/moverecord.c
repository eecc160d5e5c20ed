/* Records of a move: docs/protocol/moves.md, "Records". */

#include <string.h>

#include "alarm.h"
#include "alarmbook.h"
#include "etcd.h"
#include "found.h"
#include "moves.h"
#include "transactions.h"

enum err_code
moverecord_draft(struct draft **out, struct daemon *d, const struct move *m,
    const char *service, const char *event, struct err *e)
{
	enum err_code rc = note_draft(out, d, service, LEDGER_FAILOVER, e);

	if (rc != ERR_NONE)
		return rc;
	draft_run(*out, m->run);
	draft_text(*out, "event", event);
	draft_text(*out, "mode", guards_mode_name(m->mode));
	draft_text(*out, "from_site", m->from);
	draft_text(*out, "to_site", m->to);
	return ERR_NONE;
}

enum err_code
moverecord_fact(struct daemon *d, const struct move *m, const char *event,
    uint64_t epoch, const char *point, const char *reason, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	enum err_code rc = moverecord_draft(&draft, d, m, m->service, event, e);

	if (rc != ERR_NONE)
		return rc;
	if (epoch > 0)
		draft_uint(draft, "epoch", epoch);
	if (point != NULL && *point != '\0')
		draft_text(draft, "point", point);
	if (reason != NULL && *reason != '\0')
		draft_text(draft, "reason", reason);
	rc = note_event(d, draft, e);
	if (rc != ERR_NONE)
		return rc;
	moverecord_tell(d,
	    &(struct moverecord_news){m->run, m->service, event, reason,
		m->from, m->to});
	moves_told(d);
	return ERR_NONE;
}

/* --- who is told -------------------------------------------------------------------- */

static enum err_code
take_reminder(void *ctx, const struct record *r, struct err *e)
{
	struct utc *last = ctx;
	char event[32];

	(void)e;
	if (strcmp(record_text(r, "event", event, sizeof(event)), "reminder") ==
	    0)
		*last = r->at;
	return ERR_NONE;
}

void
moverecord_remind(struct daemon *d, struct movebook_item *item,
    int64_t every_ns, const char *text)
{
	struct ledger_filter f = {.type = LEDGER_FAILOVER,
	    .run = item->m.run,
	    .service = item->m.service};
	struct utc now = now_utc(), last = item->m.b.at[MOVE_RAN];
	struct err e;
	enum err_code rc = ERR_NONE;

	if (item->reminded.ns == 0) { /* a start may have been since */
		rc = ledger_iterate(d->ledger, &f, take_reminder, &last, &e);
		item->reminded = last;
	}
	if (rc == ERR_NONE && now.ns - item->reminded.ns <= every_ns)
		return;
	if (rc == ERR_NONE)
		rc =
		    moverecord_fact(d, &item->m, "reminder", 0, NULL, text, &e);
	if (rc == ERR_NONE)
		item->reminded = now;
	else
		note_log(NOTE_ERROR, "run %s: %s", item->m.run, e.text);
}

static size_t services_of(const struct daemon *d, const char *run);

/* Of very many services each one's end is enough. */
static bool
is_worth_telling(const struct daemon *d, const struct moverecord_news *n)
{
	static const char *const ends[] = {"HELD", "ABORTED", "ROLLED_BACK",
	    "COMMITTED", "REPROTECTED"};
	uint32_t on = 0;

	for (size_t i = 0; i < d->policy->alert_count; i++)
		on |= d->policy->alerts[i].on;
	if ((on & 1u << POLICY_ON_MOVE) == 0)
		return false;
	for (size_t i = 0; i < COUNT_OF(ends); i++)
		if (strcmp(n->event, ends[i]) == 0)
			return true;
	return n->service == NULL || services_of(d, n->run) <= 16;
}

void
moverecord_tell(struct daemon *d, const struct moverecord_news *n)
{
	char subject[AUTHORITY_RUN_BYTES + 40], text[ALARMBOOK_TEXT_BYTES];

	if (!is_worth_telling(d, n))
		return;
	snprintf(subject, sizeof(subject), "%s %s", n->run, n->event);
	snprintf(text, sizeof(text), "%s -> %s: %s%s%s", n->from, n->to,
	    n->event, n->why != NULL && *n->why != '\0' ? ": " : "",
	    n->why != NULL ? n->why : "");
	alarm_raise(d,
	    &(struct alarm_what){.on = POLICY_ON_MOVE,
		.level = ALARM_NOTICE,
		.service = n->service,
		.subject = subject,
		.text = text,
		.run = n->run,
		.news = true});
}

/* --- what is known at a phase ----------------------------------------------------- */

static size_t
services_of(const struct daemon *d, const char *run)
{
	size_t count = 0;

	for (const struct movebook_item *i = d->moves->book.items; i != NULL;
	     i = i->next)
		count += strcmp(i->m.run, run) == 0;
	return count;
}

/* Every guard that this mode has, as it stands: FD1. */
static enum err_code
add_guards(struct draft *draft, struct daemon *d,
    const struct movebook_item *item, enum guards_phase phase, struct err *e)
{
	struct guards_result results[GUARDS_COUNT];
	OWNED(free_mem) struct guards_facts *facts = calloc(1, sizeof(*facts));
	const struct moveguard_ask ask = {.item = item,
	    .phase = phase,
	    .break_glass = item->glass_broken};
	enum err_code rc = facts == NULL
	    ? err_nomem(e)
	    : moveguard_judge(d, &ask, facts, results, e);

	if (rc == ERR_NONE)
		found_guards(draft, facts, results, item->m.mode, phase);
	if (rc == ERR_NONE && item->turn.event == MOVE_DECLARED)
		found_evidence(draft, d, facts, item->m.from);
	return rc;
}

/* Before anything is done: by the site that is to take it. */
static enum err_code
add_beginning(struct draft *draft, struct daemon *d,
    const struct movebook_item *item, struct err *e)
{
	const struct move *m = &item->m;
	const struct policy_service *s = daemon_service(d, m->service)->policy;
	struct found_point point = {.service = m->service,
	    .from = m->from,
	    .site = m->to,
	    .id = m->point};

	found_site(draft, d, s, m->to);
	if (services_of(d, m->run) > 1) { /* REQUESTED is of all of them */
		found_aims(draft, d, s, m->mode, m->to);
		if (m->mode == GUARDS_UNPLANNED)
			found_point(draft, d, &point);
	}
	return add_guards(draft, d, item, GUARDS_AT_ANY, e);
}

/* The point that both sites will have. */
static void
add_last_point(struct draft *draft, struct daemon *d, const struct move *m,
    const char *point)
{
	found_point(draft, d,
	    &(struct found_point){.service = m->service,
		.from = m->from,
		.site = m->from,
		.id = point,
		.why = "the last one: made when the writes had stopped"});
}

static void
add_witness(struct draft *draft, struct daemon *d,
    const struct movebook_item *item)
{
	const struct authority *w = &item->witness;
	char text[256];

	if (!etcd_is_used(d))
		snprintf(text, sizeof(text),
		    "none has a say: authority is the ledgers' (manual)");
	else if (w->epoch == 0)
		snprintf(text, sizeof(text), "etcd did not answer");
	else
		snprintf(text, sizeof(text),
		    "etcd: epoch %llu at %.64s, %s, by a majority",
		    (unsigned long long)w->epoch, w->site,
		    authority_state_name(w->state));
	draft_text(draft, "witness", text);
}

/* What this site wrote after the point that the other took, now that it is kept. */
static enum err_code
add_lost(struct draft *draft, struct daemon *d, const struct move *m,
    const char *point, struct err *e)
{
	OWNED(free_mem) struct transactions *t = calloc(1, sizeof(*t));
	const char *gone_to = m->point[0] != '\0' ? m->point : m->b.point;
	enum err_code rc = t == NULL
	    ? err_nomem(e)
	    : transactions_read(d, m->service, d->policy->site, t, e);
	int64_t lost;
	char text[128];

	if (rc != ERR_NONE)
		return rc;
	lost = transactions_between(t, gone_to, point);
	if (lost < 0)
		return ERR_NONE;
	snprintf(text, sizeof(text),
	    "%lld: counted when what was written there was kept",
	    (long long)lost);
	draft_text(draft, "loss_transactions", text);
	return ERR_NONE;
}

bool
moverecord_tells_all(const struct movebook_item *item)
{
	const struct move_side *b = &item->m.b;

	if (item->turn.act != MOVE_RECORD)
		return false;
	return item->turn.event == MOVE_READY ||
	    item->turn.event == MOVE_DECLARED ||
	    (item->turn.event == MOVE_ABORTED && b->fact[MOVE_READY] == 0 &&
		b->fact[MOVE_DECLARED] == 0);
}

enum err_code
moverecord_known(struct draft *draft, struct daemon *d,
    const struct movebook_item *item, const char *point, struct err *e)
{
	const struct move *m = &item->m;

	if (moverecord_tells_all(item))
		return add_beginning(draft, d, item, e);
	switch (item->turn.event) {
	case MOVE_ABORTED: return ERR_NONE;
	case MOVE_SYNCED: add_last_point(draft, d, m, point); return ERR_NONE;
	case MOVE_EQUAL:
		draft_text(draft, "integrity",
		    "each snapshot of the last point was opened here and is "
		    "the one that the other site named");
		return ERR_NONE;
	case MOVE_TAKEN: add_witness(draft, d, item); break;
	case MOVE_DIVERGENCE: return add_lost(draft, d, m, point, e);
	default: break;
	}
	return item->turn.gated ? add_guards(draft, d, item, item->turn.gate, e)
				: ERR_NONE;
}
