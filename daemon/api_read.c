/* What the API says about the state of things. */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/exitcode.h>

#include "client.h"
#include "cosigning.h"
#include "transactions.h"

static enum err_code
no_service(const char *name, struct err *e)
{
	err_set(e, ERR_NOTFOUND, "there is no service '%s'", name);
	return err_hint(e, "'bascule services' lists them");
}

/* --- ping ----------------------------------------------------------------- */

static enum err_code
run_ping(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = wire_new(&v, "pong", e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "site", d->policy->site);
	wire_add_text(v, "version", BASCULE_VERSION);
	wire_add_int(v, "pid", getpid());
	wire_add_text(v, "user", client_caller(c)->name);
	wire_add_seconds(v, "up_seconds", now_mono().ns - d->started.ns);
	client_last(c, &v);
	return ERR_NONE;
}
const struct api_command api_ping = {"ping", CLIENT_READERS_PEER, run_ping};

/* --- status --------------------------------------------------------------- */

/* Of hundreds of services some in each turn of the loop.  A policy that is loaded
 * meanwhile may have others: it goes on with the next name. */
struct status {
	char after[LEDGER_NAME_BYTES_MAX + 1]; /* told up to this one; "" */
	uint64_t count, behind, alarms;
};

static void
status_free(void **ctx)
{
	free(TAKE(*ctx));
}

static enum err_code
end_status(struct client *c, const struct status *st, struct err *e)
{
	char trouble[ALARM_TROUBLE_BYTES];
	struct daemon *d = client_daemon(c);
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = client_summary(&v, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "site", d->policy->site);
	wire_add_uint(v, "count", st->count);
	wire_add_uint(v, "behind", st->behind);
	wire_add_uint(v, "links_down", links_down_count(d));
	wire_add_bool(v, "ledger_writable", !d->ledger_broken);
	wire_add_uint(v, "alarms", st->alarms);
	if (*alarm_trouble(d, trouble) != '\0')
		wire_add_text(v, "alarm_trouble", trouble);
	wire_add_text(v, "policy", d->digest);
	if ((rc = api_keys_tell(d, v, e)) != ERR_NONE ||
	    (rc = cosigning_tell(d, v, e)) != ERR_NONE)
		return rc;
	wire_add_int(v, "exit",
	    st->behind > 0 ? EXITCODE_BEHIND : EXITCODE_DONE);
	client_last(c, &v);
	return ERR_NONE;
}

static enum err_code
tell_service(struct client *c, struct status *st, struct daemon_service *s,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	bool is_behind = false;
	enum err_code rc =
	    posture_to_wire(client_daemon(c), s, &v, &is_behind, e);

	if (rc != ERR_NONE)
		return rc;
	st->count++;
	st->behind += is_behind;
	client_reply(c, &v);
	return ERR_NONE;
}

/* c lets go of st with the last. */
static enum err_code
tell_services(struct client *c, struct status *st, struct err *e)
{
	struct daemon *d = client_daemon(c);
	enum err_code rc = ERR_NONE;
	size_t told = 0;

	for (size_t i = 0; i < d->policy->service_count; i++) {
		struct daemon_service *s = &d->services[i];

		if (strcmp(s->policy->name, st->after) <= 0)
			continue;
		if (told++ == DAEMON_SLICE)
			return ERR_NONE;
		rc = tell_service(c, st, s, e);
		if (rc != ERR_NONE)
			return rc;
		snprintf(st->after, sizeof(st->after), "%s", s->policy->name);
	}
	return end_status(c, st, e);
}

static void
tell_more(struct client *c, void *ctx, struct job *j)
{
	struct err e;

	(void)j;
	if (tell_services(c, ctx, &e) != ERR_NONE)
		client_fail(c, &e, 0);
}

static enum err_code
begin_status(struct client *c, struct status *st, struct wire_value *request,
    struct daemon_service **only, struct err *e)
{
	struct daemon *d = client_daemon(c);
	const char *name = wire_take_text(request, "service", NULL);
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE && name != NULL &&
	    (*only = daemon_service(d, name)) == NULL)
		return no_service(name, e);
	if (rc == ERR_NONE) /* what is wrong comes first */
		rc = api_alarms_tell(c, name, &st->alarms, e);
	return rc == ERR_NONE && name == NULL ? peers_tell(c, e) : rc;
}

static enum err_code
run_status(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon_service *only = NULL;
	struct status *st = calloc(1, sizeof(*st));
	void *ctx = st;
	enum err_code rc =
	    st == NULL ? err_nomem(e) : begin_status(c, st, request, &only, e);

	if (rc == ERR_NONE && only == NULL) {
		client_take_turns(c, tell_more, st, status_free);
		return tell_services(c, st, e);
	}
	if (rc == ERR_NONE)
		rc = tell_service(c, st, only, e);
	if (rc == ERR_NONE)
		rc = end_status(c, st, e);
	status_free(&ctx);
	return rc;
}
const struct api_command api_status = {"status", CLIENT_READERS_PEER,
    run_status};

/* --- services, sites, links ------------------------------------------------ */

static enum err_code
service_to_wire(const struct policy_service *s, struct wire_value **out,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new(&v, "service", e);

	if (rc == ERR_NONE)
		rc = wire_new_list(&list, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", s->name);
	wire_add_text(v, "title", s->title);
	wire_add_text(v, "owner", s->owner);
	wire_add_uint(v, "tier", s->tier);
	wire_add_text(v, "home", s->home);
	wire_add_text(v, "standby", s->standby);
	wire_add_seconds(v, "rpo_seconds", s->rpo_ns);
	wire_add_seconds(v, "rto_seconds", s->rto_ns);
	for (size_t i = 0; i < s->dataset_count; i++)
		wire_add_text(list, NULL, s->datasets[i].name);
	wire_add(v, "datasets", &list);
	*out = TAKE(v);
	return ERR_NONE;
}

static enum err_code
run_services(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	enum err_code rc = client_asked(request, e);

	for (size_t i = 0; rc == ERR_NONE && i < d->policy->service_count;
	     i++) {
		OWNED(wire_free) struct wire_value *v = NULL;

		rc = service_to_wire(&d->policy->services[i], &v, e);
		if (rc == ERR_NONE)
			client_reply(c, &v);
	}
	return rc != ERR_NONE ? rc
			      : client_count(c, d->policy->service_count, e);
}
const struct api_command api_services = {"services", CLIENT_READERS_PEER,
    run_services};

static enum err_code
run_sites(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	enum err_code rc = client_asked(request, e);

	for (size_t i = 0; rc == ERR_NONE && i < d->policy->site_count; i++) {
		const struct policy_site *s = &d->policy->sites[i];
		OWNED(wire_free) struct wire_value *v = NULL;

		rc = wire_new(&v, "site", e);
		if (rc != ERR_NONE)
			break;
		wire_add_text(v, "site", s->name);
		wire_add_text(v, "title", s->title);
		wire_add_text(v, "role",
		    s->role == POLICY_WITNESS ? "witness" : "datacentre");
		wire_add_text(v, "failure_domain", s->failure_domain);
		wire_add_bool(v, "here", s == d->site);
		wire_add_text(v, "repository", s->repository);
		if (s->host_count > 0)
			wire_add_text(v, "host", s->hosts[0].name);
		peers_tell_site(d, s->name, v);
		client_reply(c, &v);
	}
	return rc != ERR_NONE ? rc : client_count(c, d->policy->site_count, e);
}
const struct api_command api_sites = {"sites", CLIENT_READERS_PEER, run_sites};

static enum err_code
run_links(struct client *c, struct wire_value *request, struct err *e)
{
	enum err_code rc = client_asked(request, e);

	if (rc != ERR_NONE)
		return rc;
	links_tell(client_daemon(c), c);
	return client_count(c, links_down_count(client_daemon(c)), e);
}
const struct api_command api_links = {"links", CLIENT_READERS_PEER, run_links};

/* --- points --------------------------------------------------------------- */

/* Each site counts the points that it makes. */
struct points {
	struct client *c;
	uint64_t count;
	struct utc as_of; /* ns 0: now */
	struct transactions here, there;
};

static enum err_code
add_snapshots(struct wire_value *v, const char *lines, struct err *e)
{
	OWNED(wire_free) struct wire_value *map = NULL;
	enum err_code rc = wire_new(&map, NULL, e);

	while (rc == ERR_NONE && *lines != '\0') {
		size_t len = strcspn(lines, "\n");
		OWNED(free_mem) char *line = strndup(lines, len);
		char *space = line == NULL ? NULL : strrchr(line, ' ');

		if (line == NULL)
			return err_nomem(e);
		if (space != NULL) {
			*space = '\0';
			wire_add_text(map, line, space + 1);
		}
		lines += len + (lines[len] == '\n');
	}
	if (rc == ERR_NONE)
		wire_add(v, "snapshots", &map);
	return rc;
}

static void
add_transactions(struct wire_value *v, const struct points *ps, const char *id)
{
	int64_t n = transactions_at(&ps->here, id);

	if (n < 0)
		n = transactions_at(&ps->there, id);
	if (n >= 0)
		wire_add_int(v, "transactions", n);
}

static enum err_code
read_transactions(struct daemon *d, const char *service, struct points *ps,
    struct err *e)
{
	const struct policy_service *s =
	    policy_find_service(d->policy, service);
	const char *peer =
	    s == NULL ? NULL : policy_find_peer(s, d->policy->site);
	struct utc until = {ps->as_of.ns != 0 ? ps->as_of.ns + 1 : 0};
	enum err_code rc = transactions_read_until(d, service, d->policy->site,
	    until, &ps->here, e);

	return rc != ERR_NONE || peer == NULL
	    ? rc
	    : transactions_read_until(d, service, peer, until, &ps->there, e);
}

static enum err_code
tell_point(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct points *ps = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct utc now = ps->as_of.ns != 0 ? ps->as_of : now_utc();
	enum err_code rc = wire_new(&v, "point", e);

	if (rc != ERR_NONE)
		return rc;
	ps->count++;
	if (ps->as_of.ns != 0) {
		wire_add_utc(v, "as_of", ps->as_of);
		wire_add_text(v, "seen_from",
		    client_daemon(ps->c)->policy->site);
	}
	wire_add_text(v, "point", p->id);
	wire_add_text(v, "service", p->service);
	wire_add_utc(v, "at", p->at);
	wire_add_seconds(v, "age_seconds", now.ns - p->at.ns);
	wire_add_int(v, "sequence", p->sequence);
	wire_add_text(v, "site", p->site);
	wire_add_text(v, "sites", p->sites);
	wire_add_bool(v, "complete", p->complete);
	wire_add_bool(v, "suspect", p->suspect);
	wire_add_bool(v, "held", p->held);
	wire_add_text(v, "proof",
	    p->verified_level[0] != '\0' ? p->verified_level : "L1");
	if (p->verified_at.ns != 0)
		wire_add_utc(v, "verified", p->verified_at);
	if (p->tested_run[0] != '\0')
		wire_add_text(v, "tested_run", p->tested_run);
	add_transactions(v, ps, p->id);
	rc = add_snapshots(v, p->snapshots, e);
	if (rc == ERR_NONE)
		client_reply(ps->c, &v);
	return rc;
}

static enum err_code
note_any(void *ctx, const struct record *r, struct err *e)
{
	bool *any = ctx;

	(void)r;
	(void)e;
	*any = true;
	return ERR_NONE;
}

/* One that was taken out of the policy since was recorded all the same. */
static enum err_code
check_recorded(struct daemon *d, const char *service, struct utc as_of,
    struct err *e)
{
	struct ledger_filter f = {.service = service,
	    .until = {as_of.ns + 1},
	    .limit = 1};
	bool any = false;
	enum err_code rc = ledger_iterate(d->ledger, &f, note_any, &any, e);

	if (rc != ERR_NONE || any)
		return rc;
	err_set(e, ERR_NOTFOUND,
	    "nothing was recorded of service '%s' here by then", service);
	return err_hint(e, "'bascule events --until TIME' shows what was");
}

static enum err_code
tell_points(struct points *ps, const struct ledger_point_filter *f,
    struct err *e)
{
	struct daemon *d = client_daemon(ps->c);
	enum err_code rc = ERR_NONE;

	if (f->as_of.ns != 0)
		rc = check_recorded(d, f->service, f->as_of, e);
	else if (daemon_service(d, f->service) == NULL)
		rc = no_service(f->service, e);
	if (rc == ERR_NONE)
		rc = read_transactions(d, f->service, ps, e);
	if (rc == ERR_NONE)
		rc = ledger_points(d->ledger, f, tell_point, ps, e);
	return rc != ERR_NONE ? rc : client_count(ps->c, ps->count, e);
}

static enum err_code
run_points(struct client *c, struct wire_value *request, struct err *e)
{
	OWNED(free_mem) struct points *ps = calloc(1, sizeof(*ps));
	bool here = wire_take_bool(request, "here", false);
	struct ledger_point_filter f = {.service =
					    wire_need_text(request, "service"),
	    .limit = wire_take_uint(request, "limit", 100),
	    .as_of = wire_take_utc(request, "as_of", (struct utc){0}),
	    .at_site = here ? client_daemon(c)->policy->site : NULL,
	    .complete = here};
	enum err_code rc = client_asked(request, e);

	if (rc != ERR_NONE)
		return rc;
	if (ps == NULL)
		return err_nomem(e);
	ps->c = c;
	ps->as_of = f.as_of;
	return tell_points(ps, &f, e);
}
const struct api_command api_points = {"points", CLIENT_READERS_PEER,
    run_points};

/* --- schedule ------------------------------------------------------------- */

#define DUE_MAX 1000

static enum err_code
tell_due(struct client *c, const struct daemon_task *t,
    const struct schedule_task *core, struct utc at, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "due", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", t->service->name);
	wire_add_text(v, "kind", t->kind->name);
	wire_add_utc(v, "at", at);
	for (size_t i = 0; i < core->freeze_count; i++) {
		const struct policy_freeze *f = core->freezes[i];

		if (window_frozen(f->from_days, f->until_days, f->zone, at))
			wire_add_text(v, "skipped_by", f->name);
	}
	client_reply(c, &v);
	return ERR_NONE;
}

/* The next firings of all of a service's tasks, in order of time. */
static enum err_code
tell_firings(struct client *c, const char *service, uint64_t wanted,
    uint64_t *told, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(free_mem) struct utc *at = calloc(d->task_count + 1, sizeof(*at));
	enum err_code rc = ERR_NONE;

	if (at == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < d->task_count; i++) {
		const struct schedule_task *t = schedule_task(d->schedule, i);

		if (strcmp(d->tasks[i].service->name, service) != 0 ||
		    !t->has_due || !due_next(&t->due, now_utc(), &at[i]))
			at[i].ns = INT64_MAX;
	}
	for (*told = 0; rc == ERR_NONE && *told < wanted; (*told)++) {
		size_t best = 0;
		const struct schedule_task *t;

		for (size_t i = 1; i < d->task_count; i++)
			if (at[i].ns < at[best].ns)
				best = i;
		if (d->task_count == 0 || at[best].ns == INT64_MAX)
			break;
		t = schedule_task(d->schedule, best);
		rc = tell_due(c, &d->tasks[best], t, at[best], e);
		if (!due_next(&t->due, at[best], &at[best]))
			at[best].ns = INT64_MAX;
	}
	return rc;
}

/* --- what was skipped lately --- */

#define SKIPPED_SHOWN 10

struct skipped {
	struct client *c;
	struct {
		char kind[32], reason[256];
		struct utc at;
	} items[SKIPPED_SHOWN];
	size_t count;
};

static enum err_code
keep_skipped(void *ctx, const struct ledger_job *j, struct err *e)
{
	struct skipped *s = ctx;

	(void)e;
	if (s->count == SKIPPED_SHOWN)
		return ERR_NONE;
	snprintf(s->items[s->count].kind, sizeof(s->items[0].kind), "%s",
	    j->kind);
	snprintf(s->items[s->count].reason, sizeof(s->items[0].reason), "%s",
	    j->reason);
	s->items[s->count++].at = j->ended.ns != 0 ? j->ended : j->queued;
	return ERR_NONE;
}

static enum err_code
tell_skipped(struct client *c, const char *service, struct err *e)
{
	OWNED(free_mem) struct skipped *s = calloc(1, sizeof(*s));
	struct ledger_job_filter f = {.service = service,
	    .state = "skipped",
	    .limit = SKIPPED_SHOWN};
	enum err_code rc;

	if (s == NULL)
		return err_nomem(e);
	rc = ledger_jobs(client_daemon(c)->ledger, &f, keep_skipped, s, e);
	while (rc == ERR_NONE && s->count-- > 0) {
		OWNED(wire_free) struct wire_value *v = NULL;

		rc = wire_new(&v, "skipped", e);
		if (rc != ERR_NONE)
			return rc;
		wire_add_text(v, "service", service);
		wire_add_text(v, "kind", s->items[s->count].kind);
		wire_add_text(v, "reason", s->items[s->count].reason);
		wire_add_utc(v, "at", s->items[s->count].at);
		client_reply(c, &v);
	}
	return rc;
}

static enum err_code
run_schedule(struct client *c, struct wire_value *request, struct err *e)
{
	const char *name = wire_need_text(request, "service");
	uint64_t wanted = wire_take_uint(request, "count", 10), told = 0;
	enum err_code rc = client_asked(request, e);

	if (rc != ERR_NONE)
		return rc;
	if (daemon_service(client_daemon(c), name) == NULL)
		return no_service(name, e);
	rc = tell_skipped(c, name, e);
	if (rc != ERR_NONE)
		return rc;
	rc = tell_firings(c, name, wanted < DUE_MAX ? wanted : DUE_MAX, &told,
	    e);
	return rc != ERR_NONE ? rc : client_count(c, told, e);
}
const struct api_command api_schedule = {"schedule", CLIENT_READERS,
    run_schedule};

/* --- policy --------------------------------------------------------------- */

static enum err_code
run_policy_digest(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = wire_new(&v, "policy", e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "site", d->policy->site);
	wire_add_text(v, "digest", d->digest);
	client_last(c, &v);
	return ERR_NONE;
}
const struct api_command api_policy_digest = {"policy digest",
    CLIENT_READERS_PEER, run_policy_digest};

static void
reloads(struct client *c, void *ctx, struct job *j)
{
	const struct daemon *d = ctx;
	struct err e = d->reloaded;

	(void)j;
	if (d->reload == NULL &&
	    (e.code != ERR_NONE || client_count(c, 1, &e) != ERR_NONE))
		client_fail(c, &e, 0);
}

static enum err_code
run_reload(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = reload_begin(d, e);
	if (rc == ERR_NONE)
		client_take_turns(c, reloads, d, NULL);
	return rc;
}
const struct api_command api_reload = {"reload", CLIENT_ADMINS, run_reload};
