/* failover plan: what a move would meet; failover request: asking for it. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/exitcode.h>
#include <bascule/base/rand.h>

#include "found.h"
#include "moves.h"
#include "request_ask.h"

#define EXPIRE_NS (INT64_C(24) * 3600 * NS_PER_S)

/* --- plan ------------------------------------------------------------------------- */

/* What no guard stops, and whoever asks for it has to know. */
static void
add_warnings(const struct request_ask *a, char *text, size_t size)
{
	size_t without = request_ask_without(a), len = strlen(text);

	if (a->room.unnamed > 0)
		snprintf(text + len, size - len,
		    "; there is NO ROOM at %.64s for %zu of those that would "
		    "run there: a start is refused until fewer move (--tier), "
		    "there is room, somebody says who is shed (--shed), or a "
		    "dr-lead overrides G08",
		    a->to, a->room.unnamed);
	len = strlen(text);
	if (without > 0)
		snprintf(text + len, size - len,
		    "; %zu would run WITHOUT what it depends on, which stays: "
		    "'bascule failover plan' names it; ask for it, too",
		    without);
}

static void
say_verdict(const struct request_ask *a, struct wire_value *v)
{
	char text[600];

	if (a->stops == 0)
		snprintf(text, sizeof(text),
		    a->room.unnamed == 0
			? "nothing but approvals stands in the way of "
			  "%zu service%s"
			: "no guard but the approvals' stands in the "
			  "way of %zu service%s",
		    a->count, a->count == 1 ? "" : "s");
	else
		snprintf(text, sizeof(text),
		    "%zu guard%s would stop %zu of %zu service%s; %zu of them "
		    "for want of knowledge%s",
		    a->stops, a->stops == 1 ? "" : "s", a->stopped_services,
		    a->count, a->count == 1 ? "" : "s", a->unknown,
		    a->unknown == 0 ? ""
				    : " (G10 and G15 to G18 are looked at on "
				      "the way: only the move itself shows "
				      "them)");
	add_warnings(a, text, sizeof(text));
	wire_add_text(v, "verdict", text);
	wire_add_text(v, "to", a->to);
	wire_add_text(v, "mode", guards_mode_name(a->mode));
	wire_add_uint(v, "count", a->count);
	wire_add_uint(v, "stops", a->stops);
	wire_add_uint(v, "unknown", a->unknown);
	wire_add_uint(v, "shed", a->room.unnamed);
}

/* A plan of hundreds is told in slices, each in a turn of the loop of its own:
 * who asks for something else meanwhile is answered in between. */
struct planning {
	struct request_ask *ask;
	size_t told;
};

static void
planning_free(void **ctx)
{
	struct planning *p = TAKE(*ctx);

	if (p == NULL)
		return;
	request_ask_free(&p->ask);
	free(p);
}

static size_t
slice_end(const struct request_ask *a, size_t from)
{
	return a->count - from > DAEMON_SLICE ? from + DAEMON_SLICE : a->count;
}

/* c lets go of p with the last. */
static enum err_code
tell_slice(struct planning *p, struct client *c, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct request_ask *a = p->ask;
	size_t end = slice_end(a, p->told);
	enum err_code rc = request_ask_resume(a, e);

	for (; rc == ERR_NONE && p->told < end; p->told++) {
		rc = request_ask_look(a, p->told, GUARDS_AT_ANY, e);
		if (rc == ERR_NONE)
			rc = request_ask_tell(a, c, p->told, e);
	}
	if (rc != ERR_NONE || p->told < a->count)
		return rc;
	rc = request_ask_room(a, c, e);
	if (rc == ERR_NONE)
		rc = client_summary(&v, e);
	if (rc != ERR_NONE)
		return rc;
	say_verdict(a, v);
	client_last(c, &v);
	return ERR_NONE;
}

static void
tell_more(struct client *c, void *ctx, struct job *j)
{
	struct err e;

	(void)j;
	if (tell_slice(ctx, c, &e) != ERR_NONE)
		client_fail(c, &e, 0);
}

static enum err_code
run_plan(struct client *c, struct wire_value *request, struct err *e)
{
	struct planning *p = calloc(1, sizeof(*p));
	void *ctx = p;
	enum err_code rc =
	    p == NULL ? err_nomem(e) : request_ask_read(&p->ask, c, request, e);

	if (rc == ERR_NONE)
		rc = request_ask_keep(p->ask, e);
	if (rc != ERR_NONE) {
		planning_free(&ctx);
		return rc;
	}
	client_take_turns(c, tell_more, p, planning_free);
	return tell_slice(p, c, e);
}
const struct api_command api_failover_plan = {"failover plan", CLIENT_READERS,
    run_plan};

/* --- may it be asked for? ------------------------------------------------------------ */

/*
 * A request of hundreds is looked at in slices, and so is what its approvers are
 * shown; one record ends it.  Who goes away before has asked for nothing.
 */
struct making {
	struct request_ask *ask;
	bool is_dry;
	bool is_guarded; /* the failure is a guard's no */
	size_t looked;   /* services */
	uint64_t *epochs;
	struct request r;
	struct request_showing *showing; /* NULL: not all are looked at */
};

static void
making_free(void **ctx)
{
	struct making *m = TAKE(*ctx);

	if (m == NULL)
		return;
	request_showing_free(&m->showing);
	request_ask_free(&m->ask);
	free(m->r.services);
	free(m->r.shed);
	free(m->epochs);
	free(m);
}

/* A planned move can wait until somebody asks who can sign. */
static bool
can_sign(const struct request_ask *a, struct err *e)
{
	const struct policy_person *p =
	    policy_find_person(a->d->policy, a->person.name);

	if (a->mode != GUARDS_PLANNED || (p != NULL && p->key[0] != '\0'))
		return true;
	for (size_t i = 0; i < a->count; i++) {
		if (!a->services[i]->approvals.is_signed)
			continue;
		err_set(e, ERR_REFUSED,
		    "G03: of '%s' only signed words count (approvals.signed), "
		    "the request too, and the policy names no key of '%s'",
		    a->services[i]->name, a->person.name);
		err_hint(e, "somebody whose key `people` names asks for it");
		return false;
	}
	return true;
}

static bool
may_ask(const struct request_ask *a, struct err *e)
{
	bool needs_change = false;

	if (*a->reason == '\0') {
		err_set(e, ERR_INPUT, "a move is asked for with a reason");
		return false;
	}
	if (a->mode == GUARDS_PLANNED && *a->point != '\0') {
		err_set(e, ERR_INPUT,
		    "a planned move takes the point that is made when the "
		    "writes have stopped; none can be chosen");
		return false;
	}
	if (*a->point != '\0' && a->count > 1) {
		err_set(e, ERR_INPUT,
		    "a point is one service's: ask for each by itself");
		return false;
	}
	for (size_t i = 0; i < a->count; i++)
		needs_change =
		    needs_change || a->services[i]->approvals.change_reference;
	if (a->mode == GUARDS_PLANNED && needs_change && *a->change == '\0') {
		err_set(e, ERR_REFUSED,
		    "G04: the policy asks for a change's reference, and none "
		    "is given");
		err_hint(e, "--change REF");
		return false;
	}
	return can_sign(a, e);
}

/* An unplanned move goes back to something. */
static enum err_code
keep_point(struct making *m, size_t i, struct err *e)
{
	struct request_ask *a = m->ask;
	struct request_service *s = &m->r.services[i];

	snprintf(s->name, sizeof(s->name), "%s", a->services[i]->name);
	s->loss_ns = 0;
	if (a->mode == GUARDS_PLANNED)
		return ERR_NONE;
	if (a->chosen == a->points.count) {
		err_set(e, ERR_REFUSED,
		    "G07: service '%s' has no whole and unsuspected recovery "
		    "point at '%s': there is nothing to go back to",
		    s->name, a->to);
		return err_hint(e, "'bascule points %s' lists what there is",
		    s->name);
	}
	snprintf(s->point, sizeof(s->point), "%s",
	    a->points.items[a->chosen].id);
	s->loss_ns = a->points.items[a->chosen].loss_ns;
	return ERR_NONE;
}

static enum err_code
look_at(struct making *m, struct client *c, size_t i, struct err *e)
{
	struct request_ask *a = m->ask;
	enum err_code rc = request_ask_look(a, i, GUARDS_AT_REQUEST, e);

	if (rc != ERR_NONE)
		return rc;
	m->epochs[i] =
	    daemon_service(a->d, a->services[i]->name)->authority.epoch;
	rc = guards_admit(a->results, &a->facts, NULL, e);
	if (rc == ERR_NONE)
		rc = keep_point(m, i, e);
	m->is_guarded = rc != ERR_NONE;
	if (rc != ERR_NONE)
		return rc;
	guards_evaluate(&a->facts, a->mode, GUARDS_AT_ANY, a->results);
	if (m->is_dry || a->count == 1)
		return request_ask_tell(a, c, i, e);
	(void)request_ask_count(a);
	return ERR_NONE;
}

/* What was looked at in an earlier turn has not moved since. */
static enum err_code
check_still(const struct making *m, struct err *e)
{
	const struct request_ask *a = m->ask;

	for (size_t i = 0; i < a->count; i++) {
		const char *name = a->services[i]->name;
		const struct authority *now =
		    &daemon_service(a->d, name)->authority;

		if (now->epoch == m->epochs[i] &&
		    strcmp(now->site, a->from) == 0)
			continue;
		err_set(e, ERR_BUSY, "service '%s' has moved meanwhile", name);
		return err_hint(e, "ask once more: it is at '%s' now",
		    now->site);
	}
	return ERR_NONE;
}

/* --- the record ------------------------------------------------------------------------ */

static void
name_run(struct request *r)
{
	uint8_t random[4];
	char stamp[NOW_TEXT_BYTES], hex[TEXT_HEX_BYTES(sizeof(random))];

	rand_bytes(random, sizeof(random));
	snprintf(r->run, sizeof(r->run), "%s-%s", now_stamp(r->at, stamp),
	    text_hex(random, sizeof(random), hex));
}

static int64_t
expires_after(const struct request_ask *a)
{
	int64_t ns = INT64_MAX;

	for (size_t i = 0; i < a->count; i++) {
		int64_t own = a->services[i]->approvals.expire_ns;

		if (own > 0 && own < ns)
			ns = own;
	}
	return ns == INT64_MAX ? EXPIRE_NS : ns;
}

static enum err_code
fill(struct making *m, struct err *e)
{
	const struct request_ask *a = m->ask;
	struct request *r = &m->r;

	r->at = r->phase_at = now_utc();
	r->mode = a->mode;
	r->requester = a->person;
	r->expires.ns = r->at.ns + expires_after(a);
	r->service_count = a->count;
	snprintf(r->from, sizeof(r->from), "%s", a->from);
	snprintf(r->to, sizeof(r->to), "%s", a->to);
	snprintf(r->asked_at, sizeof(r->asked_at), "%s", a->d->policy->site);
	snprintf(r->reason, sizeof(r->reason), "%s", a->reason);
	snprintf(r->change, sizeof(r->change), "%s", a->change);
	snprintf(r->accepted_loss, sizeof(r->accepted_loss), "%s",
	    a->accepted_loss);
	snprintf(r->phase, sizeof(r->phase), "REQUESTED");
	name_run(r);
	r->shed = strdup(a->shed);
	return r->shed == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
add_services(struct draft *d, struct daemon *of, const struct request *r,
    struct err *e)
{
	OWNED(buf_fini) struct buf names = {0};
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < r->service_count; i++)
		rc = buf_printf(&names, e, "%s%s", i > 0 ? " " : "",
		    r->services[i].name);
	if (rc != ERR_NONE)
		return rc;
	draft_text(d, "services", buf_text(&names));
	for (size_t i = 0; i < r->service_count; i++) {
		const struct request_service *s = &r->services[i];
		char name[80], text[ID_HEX_BYTES + 48];

		snprintf(name, sizeof(name), "point.%s", s->name);
		snprintf(text, sizeof(text), "%s %" PRId64 " %" PRIu64,
		    s->point[0] != '\0' ? s->point : "-", s->loss_ns,
		    daemon_service(of, s->name)->authority.epoch);
		draft_text(d, name, text);
	}
	return ERR_NONE;
}

/* Of one service alone; else each one's first phase has it. */
static void
add_found(struct draft *d, const struct making *m)
{
	const struct request_ask *a = m->ask;

	draft_text(d, "point", m->r.services[0].point);
	found_aims(d, a->d, a->services[0], a->mode, a->to);
	found_point(d, a->d,
	    &(struct found_point){.service = m->r.services[0].name,
		.from = a->from,
		.site = a->to,
		.id = m->r.services[0].point,
		.why = *a->point != '\0'
		    ? "asked for by name"
		    : "the newest one there that is whole and not suspect"});
}

static enum err_code
record(struct making *m, struct buf *shown, struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	const struct request *r = &m->r;
	struct daemon *dm = m->ask->d;
	char roles[REQUEST_ROLES_BYTES];
	int64_t loss_ns = 0;
	enum err_code rc = note_draft(&d, dm, NULL, LEDGER_FAILOVER, e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < r->service_count; i++)
		if (r->services[i].loss_ns > loss_ns)
			loss_ns = r->services[i].loss_ns;
	draft_run(d, r->run);
	draft_actor(d, &m->ask->who->actor);
	draft_text(d, "event", "REQUESTED");
	draft_text(d, "mode", guards_mode_name(r->mode));
	draft_text(d, "from_site", r->from);
	draft_text(d, "to_site", r->to);
	draft_text(d, "site", r->asked_at);
	draft_text(d, "reason", r->reason);
	draft_text(d, "change", r->change);
	draft_text(d, "accepted_loss", r->accepted_loss);
	draft_text(d, "shed", r->shed);
	draft_int(d, "loss_ns", loss_ns);
	draft_utc(d, "expires_ns", r->expires);
	draft_text(d, "roles", request_roles_text(m->ask->who->roles, roles));
	draft_int(d, "login_uid", r->requester.login_uid);
	draft_text(d, "login_name", r->requester.login_name);
	if (r->service_count == 1)
		add_found(d, m);
	rc = add_services(d, m->ask->d, r, e);
	if (rc != ERR_NONE)
		return rc;
	request_draft_shown(d, shown, r->seen);
	rc = request_note(dm, d, e);
	if (rc == ERR_NONE)
		moverecord_tell(dm,
		    &(struct moverecord_news){r->run,
			r->service_count == 1 ? r->services[0].name : NULL,
			"REQUESTED", r->reason, r->from, r->to});
	return rc;
}

static enum err_code
end_request(struct client *c, struct making *m, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct approvals_judgement *j;
	char next[REQUEST_NEXT_BYTES];
	enum err_code rc = client_summary(&v, e);

	if (rc != ERR_NONE)
		return rc;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return err_nomem(e);
	request_judge(m->ask->d, &m->r, m->r.seen, j);
	say_verdict(m->ask, v);
	if (m->is_dry)
		wire_add_bool(v, "dry_run", true);
	else {
		wire_add_text(v, "run", m->r.run);
		wire_add_utc(v, "expires", m->r.expires);
		wire_add_text(v, "next", request_next(&m->r, j, next));
	}
	wire_add_text(v, "seen", m->r.seen);
	free(j);
	client_last(c, &v);
	return ERR_NONE;
}

static enum err_code
make(struct client *c, struct making *m, struct err *e)
{
	OWNED(buf_fini) struct buf shown = {0};
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = check_still(m, e);

	if (rc == ERR_NONE)
		rc = request_showing_end(m->showing, &m->r, &shown, m->r.seen,
		    e);
	if (rc == ERR_NONE && !m->is_dry)
		rc = record(m, &shown, e);
	if (rc == ERR_NONE && !m->is_dry)
		rc = request_to_wire(m->ask->d, &m->r, &v, e);
	if (rc != ERR_NONE)
		return rc;
	if (v != NULL)
		client_reply(c, &v);
	return end_request(c, m, e);
}

/* c lets go of m with the last. */
static enum err_code
make_slice(struct making *m, struct client *c, struct err *e)
{
	struct request_ask *a = m->ask;
	size_t end = slice_end(a, m->looked);
	enum err_code rc = request_ask_resume(a, e);

	for (; rc == ERR_NONE && m->looked < end; m->looked++)
		rc = look_at(m, c, m->looked, e);
	if (rc != ERR_NONE || m->looked < a->count)
		return rc;
	if (m->showing == NULL) {
		rc = request_ask_room(a, c, e);
		if (rc == ERR_NONE)
			rc = fill(m, e);
		if (rc == ERR_NONE)
			rc = request_showing_begin(&m->showing, a->d, &m->r, e);
	}
	if (rc == ERR_NONE)
		rc = request_showing_more(m->showing, a->book, &m->r, e);
	return rc == ERR_NONE && request_showing_is_whole(m->showing)
	    ? make(c, m, e)
	    : rc;
}

static void
make_more(struct client *c, void *ctx, struct job *j)
{
	struct making *m = ctx;
	struct err e;

	(void)j;
	if (make_slice(m, c, &e) != ERR_NONE)
		client_fail(c, &e, m->is_guarded ? EXITCODE_GUARD : 0);
}

static enum err_code
begin_request(struct making *m, struct client *c, struct wire_value *request,
    struct err *e)
{
	struct request_ask *a;
	enum err_code rc;

	m->is_dry = wire_take_bool(request, "dry_run", false);
	rc = request_ask_read(&m->ask, c, request, e);
	if (rc != ERR_NONE)
		return rc;
	a = m->ask;
	if ((a->who->roles & request_roles(a->mode)) == 0)
		return err_set(e, ERR_REFUSED,
		    "an unplanned move is asked for by a dr-lead; '%s' is none",
		    a->who->name);
	if (!may_ask(a, e)) {
		m->is_guarded = e->code == ERR_REFUSED;
		return e->code;
	}
	m->epochs = calloc(a->count + 1, sizeof(*m->epochs));
	m->r.services = calloc(a->count + 1, sizeof(*m->r.services));
	if (m->r.services == NULL || m->epochs == NULL)
		return err_nomem(e);
	return request_ask_keep(a, e);
}

static enum err_code
run_request(struct client *c, struct wire_value *request, struct err *e)
{
	struct making *m = calloc(1, sizeof(*m));
	enum err_code rc =
	    m == NULL ? err_nomem(e) : begin_request(m, c, request, e);

	if (m == NULL)
		return rc;
	client_take_turns(c, make_more, m, making_free);
	if (rc == ERR_NONE)
		rc = make_slice(m, c, e);
	if (rc == ERR_NONE || !m->is_guarded)
		return rc;
	client_fail(c, e, EXITCODE_GUARD);
	return ERR_NONE;
}
const struct api_command api_failover_request = {"failover request",
    CLIENT_OPERATORS, run_request};
