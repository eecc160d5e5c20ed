/* Services that stand still: hold inspect, hold resolve; and permit. */

#include <inttypes.h>
#include <string.h>

#include "client.h"
#include "moves.h"
#include "peer.h"

struct held {
	struct daemon_service *s;
	struct movebook_item *item; /* NULL: no move */
};

static enum err_code
find_held(struct client *c, const char *of, struct held *out, struct err *e)
{
	struct daemon *d = client_daemon(c);
	bool changed;
	enum err_code rc = movebook_update(d, &d->moves->book, &changed, e);

	if (rc != ERR_NONE)
		return rc;
	out->s = daemon_service(d, of);
	out->item = out->s != NULL ? movebook_find(&d->moves->book, NULL, of)
				   : movebook_find(&d->moves->book, of, NULL);
	if (out->s == NULL && out->item != NULL)
		out->s = daemon_service(d, out->item->m.service);
	return out->s != NULL
	    ? ERR_NONE
	    : err_set(e, ERR_NOTFOUND, "'%s' is no run and no service", of);
}

/* --- inspect ------------------------------------------------------------------ */

struct last_write {
	struct utc at;
};

static enum err_code
take_last(void *ctx, const struct ledger_point *p, struct err *e)
{
	(void)e;
	((struct last_write *)ctx)->at = p->at;
	return ERR_NONE;
}

/* As far as it is known: the newest point that was made at that site. */
static struct utc
last_write_at(struct daemon *d, const char *service, const char *site)
{
	struct ledger_point_filter f = {.service = service,
	    .at_site = site,
	    .limit = 1};
	struct last_write w = {{0}};
	struct ledger *l = NULL;
	struct err e;

	if (peer_ledger(d, site, &l, &e) == ERR_NONE &&
	    ledger_points(l, &f, take_last, &w, &e) != ERR_NONE)
		return (struct utc){0};
	return w.at;
}

static void
add_epoch(struct wire_value *v, uint64_t epoch)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, epoch);
	wire_add_uint(v, "epoch", epoch);
	wire_add_text(v, "epoch_text", text);
}

struct side {
	const char *site;
	const struct authority *a;
	struct utc heard;
	char text[400];
};

static enum err_code
tell_side(struct client *c, const char *service, const struct side *s,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct utc last = last_write_at(client_daemon(c), service, s->site);
	enum err_code rc = wire_new(&v, "side", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", service);
	wire_add_text(v, "site", s->site);
	wire_add_text(v, "authority",
	    s->a == NULL ? "not known" : authority_state_name(s->a->state));
	wire_add_text(v, "active_site", s->a == NULL ? "" : s->a->site);
	add_epoch(v, s->a == NULL ? 0 : s->a->epoch);
	wire_add_text(v, "writes",
	    s->a == NULL                             ? "not known"
		: authority_may_write(s->a, s->site) ? "yes"
						     : "no");
	if (last.ns != 0)
		wire_add_utc(v, "last_write", last);
	if (s->heard.ns != 0)
		wire_add_seconds(v, "age_seconds", now_utc().ns - s->heard.ns);
	wire_add_text(v, "text", s->text[0] != '\0' ? s->text : NULL);
	client_reply(c, &v);
	return ERR_NONE;
}

/* What that site itself read back of its processes, last. */
static void
say_process(const struct held *h, const char *site, char *out, size_t size)
{
	const struct move_side *s;

	out[0] = '\0';
	if (h->item == NULL)
		return;
	s = strcmp(h->item->m.from, site) == 0 ? &h->item->m.a : &h->item->m.b;
	if (s->fact[MOVE_STOPPED] > s->fact[MOVE_HELD])
		snprintf(out, size, "stopped, read back");
	else if (s->fact[MOVE_RESUMED] > s->fact[MOVE_STOPPED])
		snprintf(out, size, "runs, read back");
	else
		snprintf(out, size, "%s%s%s",
		    s->latest.ns == 0 ? "nothing of this run was recorded there"
				      : "last: ",
		    s->latest.ns == 0 ? "" : s->reason,
		    s->latest.ns != 0 && s->reason[0] == '\0' ? "no reason"
							      : "");
}

static enum err_code
tell_sides(struct client *c, const struct held *h, struct err *e)
{
	struct daemon *d = client_daemon(c);
	const char *here = d->policy->site;
	const char *there = policy_find_peer(h->s->policy, here);
	struct side mine = {.site = here, .a = &h->s->authority};
	struct side other = {.site = there};
	const struct movebook_reg *reg =
	    movebook_register(&d->moves->book, h->s->policy->name, there);
	const struct peer *p = peers_find(d, there);
	enum err_code rc;

	say_process(h, here, mine.text, sizeof(mine.text));
	if (h->s->authority.quarantined)
		snprintf(mine.text, sizeof(mine.text),
		    "quarantined since this daemon's start");
	rc = tell_side(c, h->s->policy->name, &mine, e);
	if (rc != ERR_NONE || *there == '\0')
		return rc;
	other.a = reg == NULL ? NULL : &reg->a;
	other.heard = p == NULL ? (struct utc){0} : p->heard;
	say_process(h, there, other.text, sizeof(other.text));
	return tell_side(c, h->s->policy->name, &other, e);
}

static void
add_roles(struct wire_value *v, uint32_t roles)
{
	char text[128] = "";
	size_t used = 0;

	for (unsigned r = 0; r < 32 && used < sizeof(text) - 32; r++)
		if ((roles & UINT32_C(1) << r) != 0)
			used += (size_t)snprintf(text + used,
			    sizeof(text) - used, "%s%s", used > 0 ? "," : "",
			    role_name((enum role)r));
	wire_add_text(v, "roles", text);
}

static enum err_code
tell_held(struct client *c, const struct held *h, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct authority *a = &h->s->authority;
	enum err_code rc = wire_new(&v, "held", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", h->s->policy->name);
	wire_add_text(v, "run", h->item == NULL ? "" : h->item->m.run);
	wire_add_text(v, "authority",
	    a->quarantined ? "QUARANTINED" : authority_state_name(a->state));
	wire_add_text(v, "active_site", a->site);
	add_epoch(v, a->epoch);
	wire_add_text(v, "here", client_daemon(c)->policy->site);
	add_roles(v, client_caller(c)->roles);
	if (h->item != NULL) {
		wire_add_text(v, "phase",
		    move_event_name(move_phase(&h->item->m)));
		wire_add_text(v, "reason",
		    h->item->has_turn ? h->item->turn.why : NULL);
	}
	client_reply(c, &v);
	return ERR_NONE;
}

/*
 * What leads on from here; a turn that only points at this very command does
 * not.
 */
static void
add_next(struct wire_value *v, const struct daemon *d, const struct held *h)
{
	const struct policy_service *p = h->s->policy;
	const struct movebook_item *i = h->item;
	bool points_here = i != NULL && i->has_turn &&
	    strncmp(i->turn.next, "bascule hold inspect", 20) == 0;
	char text[512];

	if (i == NULL || !i->has_turn || i->turn.next[0] == '\0')
		return;
	snprintf(text, sizeof(text), "%s", i->turn.next);
	if (points_here && move_phase(&i->m) == MOVE_HELD)
		snprintf(text, sizeof(text),
		    "bascule hold resolve %s --owner %s, by two people (or "
		    "--owner %s)",
		    p->name, d->policy->site,
		    strcmp(p->home, d->policy->site) == 0 ? p->standby
							  : p->home);
	else if (points_here)
		snprintf(text, sizeof(text),
		    "wait; or, if the other site is lost, bascule failover "
		    "hold %s",
		    i->m.run);
	wire_add_text(v, "next", text);
}

static enum err_code
finish_hold(struct client *c, const struct held *h, const char *verdict,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = client_summary(&v, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", h->s->policy->name);
	wire_add_text(v, "verdict", verdict);
	add_next(v, client_daemon(c), h);
	client_last(c, &v);
	return ERR_NONE;
}

static enum err_code
run_inspect(struct client *c, struct wire_value *request, struct err *e)
{
	const char *of = wire_need_text(request, "of");
	struct held h = {NULL, NULL};
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = find_held(c, of, &h, e);
	if (rc == ERR_NONE)
		rc = tell_held(c, &h, e);
	if (rc == ERR_NONE)
		rc = tell_sides(c, &h, e);
	return rc == ERR_NONE
	    ? finish_hold(c, &h,
		  h.item != NULL && h.item->has_turn ? h.item->turn.why : NULL,
		  e)
	    : rc;
}
const struct api_command api_hold_inspect = {"hold inspect", CLIENT_READERS,
    run_inspect};

/* --- resolve ---------------------------------------------------------------------- */

static bool
is_still(const struct held *h)
{
	const struct authority *a = &h->s->authority;

	return a->quarantined || a->state == AUTHORITY_HELD ||
	    a->state == AUTHORITY_CONTESTED || a->state == AUTHORITY_MOVING ||
	    (h->item != NULL && move_phase(&h->item->m) == MOVE_HELD);
}

static enum err_code
check_resolve(struct client *c, const struct held *h, const char *owner,
    const char *confirm, struct err *e)
{
	const struct policy_service *p = h->s->policy;

	if (strcmp(owner, p->home) != 0 && strcmp(owner, p->standby) != 0)
		return err_set(e, ERR_INPUT,
		    "'%s' runs at '%s' or '%s', never at '%.64s'", p->name,
		    p->home, p->standby, owner);
	if (strcmp(owner, confirm) != 0)
		return err_set(e, ERR_REFUSED,
		    "'%.64s' was typed, and '%.64s' was meant", confirm, owner);
	if (is_still(h))
		return ERR_NONE;
	(void)c;
	err_set(e, ERR_REFUSED,
	    "'%s' is %s at '%s': there is nothing to resolve", p->name,
	    authority_state_name(h->s->authority.state), h->s->authority.site);
	return ERR_REFUSED;
}

static enum err_code
note_release(struct client *c, const struct held *h, const char *owner,
    const char *reason, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	struct daemon *d = client_daemon(c);
	enum err_code rc =
	    note_draft(&draft, d, h->s->policy->name, LEDGER_APPROVAL, e);

	if (rc != ERR_NONE)
		return rc;
	draft_run(draft, h->item == NULL ? NULL : h->item->m.run);
	draft_actor(draft, &client_caller(c)->actor);
	draft_int(draft, "login_uid", client_caller(c)->login_uid);
	draft_text(draft, "login_name", client_caller(c)->login_name);
	draft_text(draft, "verb", approvals_verb_name(APPROVALS_RELEASE));
	draft_text(draft, "reason", owner);
	draft_text(draft, "note", reason);
	return note_event(d, draft, e);
}

/* Quarantine is this site's own; what a move holds, its turns release. */
static enum err_code
release_quarantine(struct daemon *d, const struct held *h, const char *owner,
    unsigned persons, struct err *e)
{
	struct authority_event ev = {.kind = AUTHORITY_RELEASE,
	    .persons = persons};

	if (!h->s->authority.quarantined || persons < 2 ||
	    strcmp(h->s->authority.site, owner) != 0)
		return ERR_NONE;
	return register_change(d, h->s, &ev, "two people released it", e);
}

static enum err_code
run_resolve(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	const char *of = wire_need_text(request, "of");
	const char *owner = wire_need_text(request, "owner");
	const char *confirm = wire_need_text(request, "confirm");
	const char *reason = wire_take_text(request, "reason", "");
	bool dry_run = wire_take_bool(request, "dry_run", false);
	struct held h = {NULL, NULL};
	unsigned persons;
	bool changed;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = find_held(c, of, &h, e);
	if (rc == ERR_NONE)
		rc = check_resolve(c, &h, owner, confirm, e);
	if (rc == ERR_NONE && !dry_run)
		rc = note_release(c, &h, owner, reason, e);
	if (rc == ERR_NONE)
		rc = movebook_update(d, &d->moves->book, &changed, e);
	if (rc != ERR_NONE)
		return rc;
	persons = movebook_released(&d->moves->book, h.s->policy->name, owner,
	    now_utc());
	if (!dry_run) {
		rc = release_quarantine(d, &h, owner, persons, e);
		moves_told(d);
	}
	return rc == ERR_NONE
	    ? finish_hold(c, &h,
		  persons < 2 ? "one person has said so; a second one within "
				"30 minutes acts"
			      : "two people have said so",
		  e)
	    : rc;
}
const struct api_command api_hold_resolve = {"hold resolve",
    CLIENT_OPERATORS | ROLE_BIT(ROLE_APPROVER), run_resolve};

/* --- permit ------------------------------------------------------------------------- */

static enum err_code
run_permit(struct client *c, struct wire_value *request, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct daemon *d = client_daemon(c);
	const char *service = wire_need_text(request, "service");
	struct daemon_service *s;
	enum err_code rc = client_asked(request, e);

	if (rc != ERR_NONE)
		return rc;
	s = daemon_service(d, service);
	if (s == NULL)
		return err_set(e, ERR_NOTFOUND, "there is no service '%s'",
		    service);
	rc = authority_may_start(&s->authority, d->policy->site, e);
	if (rc == ERR_NONE)
		rc = wire_new(&v, "permit", e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", service);
	wire_add_text(v, "site", d->policy->site);
	add_epoch(v, s->authority.epoch);
	client_last(c, &v);
	return ERR_NONE;
}
const struct api_command api_permit = {"permit", CLIENT_READERS, run_permit};
