/*
 * The authority register: at which site each service runs.  The ledger holds
 * it; what stands in struct daemon_service is read from there and follows it.
 *
 * R1. A change is in force when its outcome is durable, and not before.
 * R2. What is recorded stands against whatever the policy calls home: a policy
 *     says where a service belongs, not where it runs.
 *
 * Died before the outcome: the service is as it was, recover.c closes the
 * intent, and the change is made anew.
 */

#include "movebook.h"
#include "moves.h"

#include <inttypes.h>
#include <string.h>

/* --- from the ledger -------------------------------------------------------- */

struct recall {
	const struct policy *policy;
	struct daemon_service *services;
	bool *wanted; /* as services: no authority is known yet */
};

static enum err_code
recall_one(void *ctx, const struct record *r, struct err *e)
{
	struct recall *c = ctx;
	struct record_text name;
	struct authority a;
	char hex[ID_HEX_BYTES];

	if (r->phase == RECORD_INTENT || !record_find(r, "@service", &name) ||
	    !movebook_take_register(&a, r))
		return ERR_NONE;
	for (size_t i = 0; i < c->policy->service_count; i++) {
		struct daemon_service *s = &c->services[i];

		if (!c->wanted[i] || !record_text_is(name, s->policy->name))
			continue;
		if (authority_recall(&s->authority, &a, e) != ERR_NONE)
			return err_wrap(e,
			    "the authority of service '%s' in record %.16s",
			    s->policy->name, id_hex(&r->hash, hex));
	}
	return ERR_NONE;
}

static enum err_code
recall_all(struct daemon *d, const struct policy *p,
    struct daemon_service *services, struct err *e)
{
	OWNED(free_mem) bool *wanted = calloc(p->service_count + 1, 1);
	struct recall c = {p, services, wanted};
	struct ledger_filter f = {.type = LEDGER_AUTHORITY};
	bool any = false;

	if (wanted == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < p->service_count; i++) {
		wanted[i] =
		    services[i].authority.state == AUTHORITY_UNINITIALISED;
		any = any || wanted[i];
	}
	return any ? ledger_iterate(d->ledger, &f, recall_one, &c, e)
		   : ERR_NONE;
}

/* --- changes ---------------------------------------------------------------- */

struct change {
	const char *event, *reason;
	struct authority to;
};

static enum err_code
draft_change(struct draft **out, const struct daemon_service *s,
    const struct change *c, const char *digest, struct err *e)
{
	const char *owner = s->policy->owner;
	enum err_code rc =
	    draft_new(out, *owner != '\0' ? owner : NULL, LEDGER_AUTHORITY, e);

	if (rc != ERR_NONE)
		return rc;
	draft_service(*out, s->policy->name);
	draft_policy(*out, digest);
	draft_run(*out, c->to.run);
	draft_text(*out, "event", c->event);
	draft_text(*out, "state", authority_state_name(c->to.state));
	if (c->to.state == AUTHORITY_SUSPENDED ||
	    c->to.state == AUTHORITY_QUIESCED)
		draft_text(*out, "resumes_to",
		    authority_state_name(c->to.resumes_to));
	draft_text(*out, "active_site", c->to.site);
	if (c->to.from_site[0] != '\0')
		draft_text(*out, "from_site", c->to.from_site);
	draft_uint(*out, "epoch", c->to.epoch);
	draft_uint(*out, "highest_seen", c->to.highest_seen);
	draft_text(*out, "reason", c->reason);
	return ERR_NONE;
}

/* R1 */
static enum err_code
make_change(struct daemon *d, struct daemon_service *s, const struct change *c,
    const char *digest, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	char intent[LEDGER_INTENT_BYTES];
	enum err_code rc = draft_change(&draft, s, c, digest, e);

	if (rc == ERR_NONE)
		rc = note_intent(d, draft, intent, e);
	if (rc == ERR_NONE)
		rc = note_outcome(d, intent, draft, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "recording the authority of service '%s'",
		    s->policy->name);
	s->authority = c->to;
	note_log(NOTE_INFO, "service '%s' is %s at '%s', epoch %" PRIu64 ": %s",
	    s->policy->name, authority_state_name(c->to.state), c->to.site,
	    c->to.epoch, c->reason);
	return ERR_NONE;
}

/* Nobody has ever moved it, and nothing has reached a standby. */
static enum err_code
grant_home(struct daemon *d, struct daemon_service *s, const char *digest,
    struct err *e)
{
	struct authority_event grant = {.kind = AUTHORITY_GRANT,
	    .site = s->policy->home,
	    .epoch = s->authority.highest_seen + 1};
	struct authority_event alone = {.kind = AUTHORITY_REPLICATION_LOST};
	struct change c = {"grant",
	    *s->policy->standby == '\0'
		? "the policy's home; it has no standby"
		: "the policy's home; no point has reached the standby",
	    {0}};
	enum err_code rc = authority_next(&s->authority, &grant, &c.to, e);

	if (rc == ERR_NONE)
		rc = authority_next(&c.to, &alone, &c.to, e);
	return rc == ERR_NONE ? make_change(d, s, &c, digest, e) : rc;
}

static bool
is_protected(const struct authority *a)
{
	return a->state == AUTHORITY_PROTECTED ||
	    (a->state == AUTHORITY_SUSPENDED &&
		a->resumes_to == AUTHORITY_PROTECTED);
}

static enum err_code
lose_standby(struct daemon *d, struct daemon_service *s, const char *digest,
    struct err *e)
{
	struct authority_event lost = {.kind = AUTHORITY_REPLICATION_LOST};
	struct change c = {"replication-lost", "the policy names no standby",
	    {0}};
	enum err_code rc = authority_next(&s->authority, &lost, &c.to, e);

	return rc == ERR_NONE ? make_change(d, s, &c, digest, e) : rc;
}

/*
 * Of hundreds of services at the first start: one wait for the disk, not two of
 * each.  R1 all the same: when the group fails, nobody uses these services.
 */
static enum err_code
settle_all(struct daemon *d, const struct policy *p, const char *digest,
    struct daemon_service *services, struct err *e)
{
	enum err_code rc = ledger_group_begin(d->ledger, e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; rc == ERR_NONE && i < p->service_count; i++) {
		struct daemon_service *s = &services[i];

		if (s->authority.state == AUTHORITY_UNINITIALISED)
			rc = grant_home(d, s, digest, e);
		else if (*s->policy->standby == '\0' &&
		    is_protected(&s->authority))
			rc = lose_standby(d, s, digest, e);
	}
	return ledger_group_end(d->ledger, rc, e);
}

enum err_code
register_settle(struct daemon *d, const struct policy *p, const char *digest,
    struct daemon_service *services, struct err *e)
{
	enum err_code rc = recall_all(d, p, services, e);

	if (rc == ERR_NONE)
		rc = settle_all(d, p, digest, services, e);
	for (size_t i = 0; rc == ERR_NONE && i < p->service_count; i++) {
		struct daemon_service *s = &services[i];

		if (strcmp(s->authority.site, s->policy->home) != 0)
			note_log(NOTE_WARNING,
			    "service '%s' runs at '%s' by the register, not "
			    "at its home '%s': a policy does not move it",
			    s->policy->name, s->authority.site,
			    s->policy->home);
	}
	return rc;
}

/* --- while running ------------------------------------------------------------ */

static enum err_code
found(void *ctx, const struct ledger_point *p, struct err *e)
{
	(void)p;
	(void)e;
	*(bool *)ctx = true;
	return ERR_NONE;
}

/* The first complete point at the standby, as far as this site knows. */
static enum err_code
look_for_copy(struct daemon *d, struct daemon_service *s, struct err *e)
{
	struct ledger_point_filter f = {.service = s->policy->name,
	    .at_site = s->policy->standby,
	    .complete = true,
	    .limit = 1};
	struct authority_event back = {.kind = AUTHORITY_REPLICATION_BACK};
	struct change c = {"replication-back",
	    "the standby holds a complete point", {0}};
	bool is_there = false;
	enum err_code rc = ledger_points(d->ledger, &f, found, &is_there, e);

	if (rc != ERR_NONE || !is_there)
		return rc;
	rc = authority_next(&s->authority, &back, &c.to, e);
	return rc == ERR_NONE ? make_change(d, s, &c, d->digest, e) : rc;
}

/* The other site's points may be older than the move that brought it here: that
 * it is protected again is for the reprotection to say. */
static bool
is_reprotecting(const struct daemon *d, const struct daemon_service *s)
{
	const struct movebook *b = d->moves == NULL ? NULL : &d->moves->book;

	for (const struct movebook_item *i =
		 b == NULL ? NULL : movebook_first(b, s->policy->name);
	     i != NULL; i = movebook_next(i))
		if (i->m.b.fact[MOVE_COMMITTED] != 0 &&
		    i->m.b.fact[MOVE_REPROTECTED] == 0 && !movebook_newer(b, i))
			return true;
	return false;
}

void
register_look(struct daemon *d, struct daemon_service *s)
{
	struct err e;

	if (s->authority.state == AUTHORITY_UNPROTECTED &&
	    !moves_is_the_others(d, s) && *s->policy->standby != '\0' &&
	    strcmp(s->authority.site, s->policy->home) == 0 &&
	    !is_reprotecting(d, s) && look_for_copy(d, s, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
}

/* --- changes that moves make ------------------------------------------------------ */

static bool
is_recorded_same(const struct authority *a, const struct authority *b)
{
	return a->state == b->state && a->resumes_to == b->resumes_to &&
	    strcmp(a->site, b->site) == 0 && a->epoch == b->epoch &&
	    a->highest_seen == b->highest_seen &&
	    strcmp(a->from_site, b->from_site) == 0 &&
	    strcmp(a->run, b->run) == 0;
}

enum err_code
register_change(struct daemon *d, struct daemon_service *s,
    const struct authority_event *ev, const char *reason, struct err *e)
{
	struct change c = {authority_event_name(ev->kind), reason, {0}};
	bool was_active = daemon_is_active(d, s);
	bool was_quarantined = s->authority.quarantined;
	enum err_code rc = authority_next(&s->authority, ev, &c.to, e);

	if (rc != ERR_NONE)
		return rc;
	if (is_recorded_same(&s->authority, &c.to) &&
	    ev->kind != AUTHORITY_RELEASE)
		s->authority = c.to;
	else
		rc = make_change(d, s, &c, d->digest, e);
	if (rc != ERR_NONE)
		return rc;
	if (was_quarantined && !s->authority.quarantined)
		note_log(NOTE_INFO, "service '%s' is in quarantine no more: %s",
		    s->policy->name, reason);
	moves_told(d);
	return daemon_is_active(d, s) != was_active ? reload_tasks(d, e)
						    : ERR_NONE;
}

/*
 * A start: what we know of the register may be old.  Only where there is
 * somebody to hear it from.
 */
void
register_quarantine(struct daemon *d, struct daemon_service *services)
{
	struct authority_event ev = {.kind = AUTHORITY_QUARANTINE};

	for (size_t i = 0; i < d->policy->service_count; i++) {
		struct daemon_service *s = &services[i];
		struct err e;

		if (moves_peer_of(d, s->policy) != NULL &&
		    authority_next(&s->authority, &ev, &s->authority, &e) !=
			ERR_NONE)
			note_log(NOTE_ERROR, "%s", e.text);
	}
}
