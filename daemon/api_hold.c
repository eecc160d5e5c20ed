/* Services that stand still: hold inspect, hold resolve; and permit. */

#include <inttypes.h>
#include <string.h>

#include "client.h"
#include "moves.h"
#include "movesteps.h"
#include "peer.h"
#include "request.h"
#include "words.h"

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
	bool is_silent;
	char text[MOVE_REASON_BYTES + 64];
};

/* What a site that does not answer last said, it may have gone back on. */
static const char *
writes_of(const struct side *s)
{
	bool may = s->a != NULL && authority_may_write(s->a, s->site);

	if (s->a == NULL)
		return "not known";
	if (s->is_silent)
		return may ? "not known (yes, when it was last heard)"
			   : "not known (no, when it was last heard)";
	return may ? "yes" : "no";
}

/* Nobody here can tell a lost site from one that is cut off; people can. */
static void
add_silence(struct wire_value *v, const char *site)
{
	char text[400];

	snprintf(text, sizeof(text),
	    "does not answer: lost, or only cut off? 'bascule links' tells "
	    "which links are down. Lost is what somebody at %s, or at its "
	    "console or its power, has seen to be off; silence is no proof, "
	    "and where only the links are cut, it may be running",
	    site);
	wire_add_text(v, "silence", text);
}

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
	wire_add_text(v, "writes", writes_of(s));
	if (last.ns != 0)
		wire_add_utc(v, "last_write", last);
	if (s->heard.ns != 0)
		wire_add_seconds(v, "age_seconds", now_utc().ns - s->heard.ns);
	wire_add_text(v, "text", s->text[0] != '\0' ? s->text : NULL);
	if (s->is_silent)
		add_silence(v, s->site);
	client_reply(c, &v);
	return ERR_NONE;
}

/* A move that has ended says nothing of how it is now. */
static bool
is_under_way(const struct held *h)
{
	return h->item != NULL && h->item->has_turn &&
	    h->item->turn.act != MOVE_NOTHING;
}

/* What that site itself read back of its processes, last. */
static void
say_process(const struct held *h, const char *site, char *out, size_t size)
{
	const struct move_side *s;

	out[0] = '\0';
	if (h->item == NULL || !is_under_way(h))
		return;
	s = moves_side(&h->item->m, site);
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

/* What it said before this daemon's start, or too long ago, it may have gone back
 * on; whether its host answers says nothing of that. */
static bool
is_unheard(const struct daemon *d, const struct peer *p, const char *site)
{
	return p == NULL || p->whole.ns == 0 ||
	    now_mono().ns - p->whole.ns > d->policy->bridge.silent_after_ns ||
	    links_is_silent(d, site);
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
	other.is_silent = is_unheard(d, p, there);
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

#define WHY_BYTES (MOVE_WHY_BYTES + 256)

/* How it stands, and whose turn it is. */
static const char *
why_of(const struct daemon *d, const struct held *h, char out[WHY_BYTES])
{
	const struct peer *there = moves_peer_of(d, h->s->policy);
	const char *name = there == NULL ? "the other site" : there->site->name;

	if (h->s->authority.quarantined)
		snprintf(out, WHY_BYTES,
		    "since this daemon's start %s has not said where the "
		    "service is: nothing starts here until it is heard, or, "
		    "where %s is known not to run it, two people release it",
		    name, name);
	else if (is_under_way(h))
		snprintf(out, WHY_BYTES, "%s", h->item->turn.why);
	else if (h->item != NULL)
		snprintf(out, WHY_BYTES,
		    "no move is under way; the last one, %s, ended %s: %s",
		    h->item->m.run, move_event_name(move_phase(&h->item->m)),
		    h->item->turn.why);
	else
		snprintf(out, WHY_BYTES, "no move is under way");
	return out;
}

static enum err_code
tell_held(struct client *c, const struct held *h, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char why[WHY_BYTES];
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
	if (h->item != NULL)
		wire_add_text(v, "phase",
		    move_event_name(move_phase(&h->item->m)));
	wire_add_text(v, "reason", why_of(client_daemon(c), h, why));
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

	if (h->s->authority.quarantined) {
		snprintf(text, sizeof(text),
		    "bascule links; or, by two people, bascule hold resolve "
		    "%s --owner %s",
		    p->name, h->s->authority.site);
		wire_add_text(v, "next", text);
		return;
	}
	if (i == NULL || !is_under_way(h) || i->turn.next[0] == '\0')
		return;
	snprintf(text, sizeof(text), "%s", i->turn.next);
	if (points_here && move_phase(&i->m) == MOVE_HELD)
		snprintf(text, sizeof(text),
		    "bascule hold resolve %s --owner %s (by two people, or "
		    "--owner %s)",
		    p->name, d->policy->site,
		    strcmp(p->home, d->policy->site) == 0 ? p->standby
							  : p->home);
	else if (points_here)
		snprintf(text, sizeof(text),
		    "wait; or, where people know that %s is lost (above), "
		    "bascule failover hold %s, and two of them say where the "
		    "service is to run",
		    policy_find_peer(p, d->policy->site), i->m.run);
	wire_add_text(v, "next", text);
}

/* next: what leads on from here; NULL: what the move's turn says. */
static enum err_code
finish_hold(struct client *c, const struct held *h, const char *verdict,
    const char *next, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = client_summary(&v, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", h->s->policy->name);
	wire_add_text(v, "verdict", verdict);
	wire_add_text(v, "next", next);
	if (next == NULL)
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
	return rc == ERR_NONE ? finish_hold(c, &h, NULL, NULL, e) : rc;
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
	return err_hint(e, "bascule status %s: whose turn it is", p->name);
}

/* What a person says of it: `hold resolve`. */
struct releasing {
	const char *owner, *reason;
	struct words_signature signing;
};

/* Of whom the policy names a key: its signature, of now. */
static enum err_code
check_release(struct client *c, const struct held *h, struct releasing *r,
    struct err *e)
{
	struct daemon *d = client_daemon(c);
	const char *service = h->s->policy->name;
	const struct movebook_release *said =
	    movebook_release_of(&d->moves->book, service);
	struct approvals_word w = {.verb = APPROVALS_RELEASE};
	struct approvals_signing *of = &r->signing.of;
	char how[LEDGER_NAME_BYTES_MAX + AUTHORITY_SITE_BYTES + 40];
	enum err_code rc;

	if (strlen(r->reason) >= REQUEST_TEXT_BYTES)
		return err_set(e, ERR_INPUT, "the reason is too long");
	of->run = h->item == NULL ? "" : h->item->m.run;
	of->service = service;
	of->verb = w.verb;
	of->reason = r->owner;
	of->note = r->reason;
	request_person(d, client_caller(c), &w.who);
	snprintf(how, sizeof(how), "bascule hold resolve %s --owner %s",
	    service, r->owner);
	rc = words_may_say(d->policy, &r->signing,
	    &(struct words_asking){how,
		words_counts(d->policy, service, &w) ? NULL : service},
	    &w, e);
	return rc == ERR_NONE && said != NULL
	    ? words_is_new(said->words, said->words_count, &w, e)
	    : rc;
}

static enum err_code
note_release(struct client *c, const struct held *h, const struct releasing *r,
    struct err *e)
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
	draft_text(draft, "reason", r->owner);
	draft_text(draft, "note", r->reason);
	words_draft(draft, &r->signing);
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

/* The turn does not know yet what was said a moment ago. */
static enum err_code
finish_resolve(struct client *c, const struct held *h, const char *owner,
    unsigned persons, struct err *e)
{
	const char *service = h->s->policy->name;
	char next[512];

	if (persons < 2)
		snprintf(next, sizeof(next),
		    "another person: bascule hold resolve %s --owner %s%s",
		    service, owner,
		    h->s->policy->approvals.is_signed ? " --key FILE" : "");
	else
		snprintf(next, sizeof(next), "bascule status %s", service);
	return finish_hold(c, h,
	    persons < 2
		? "one person has said so; a second one within 30 minutes acts"
		: "two people have said so",
	    next, e);
}

static enum err_code
run_resolve(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	const char *of = wire_need_text(request, "of");
	struct releasing r = {wire_need_text(request, "owner"),
	    wire_take_text(request, "reason", ""), {0}};
	const char *confirm = wire_need_text(request, "confirm");
	bool dry_run = wire_take_bool(request, "dry_run", false);
	struct held h = {NULL, NULL};
	unsigned persons;
	bool changed;
	enum err_code rc;

	words_take_signature(request, &r.signing);
	rc = client_asked(request, e);
	if (rc == ERR_NONE)
		rc = request_is_somebody(client_caller(c), e);
	if (rc == ERR_NONE)
		rc = find_held(c, of, &h, e);
	if (rc == ERR_NONE)
		rc = check_resolve(c, &h, r.owner, confirm, e);
	if (rc == ERR_NONE)
		rc = check_release(c, &h, &r, e);
	if (rc == ERR_NONE && !dry_run)
		rc = note_release(c, &h, &r, e);
	if (rc == ERR_NONE)
		rc = movebook_update(d, &d->moves->book, &changed, e);
	if (rc != ERR_NONE)
		return rc;
	persons = movebook_released(&d->moves->book, h.s->policy->name, r.owner,
	    now_utc());
	if (!dry_run) {
		rc = release_quarantine(d, &h, r.owner, persons, e);
		moves_told(d);
	}
	return rc == ERR_NONE ? finish_resolve(c, &h, r.owner, persons, e) : rc;
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
	rc = movesteps_may_start(d, s, e);
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
