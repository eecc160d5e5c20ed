/* Jobs through the API. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/exitcode.h>
#include <bascule/base/fdio.h>

#include "client.h"
#include "question.h"

#define JOBS_DEFAULT 50

/* --- a job as a message ------------------------------------------------------ */

static void
add_times(struct wire_value *v, struct utc queued, struct utc started,
    struct utc ended)
{
	if (queued.ns != 0)
		wire_add_utc(v, "queued", queued);
	if (started.ns != 0)
		wire_add_utc(v, "started", started);
	if (ended.ns != 0)
		wire_add_utc(v, "ended", ended);
	if (started.ns != 0)
		wire_add_seconds(v, "seconds",
		    (ended.ns != 0 ? ended.ns : now_utc().ns) - started.ns);
}

static enum err_code
add_asks(const struct job *j, struct wire_value *v, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = ERR_NONE;

	if (j->questions == NULL)
		return ERR_NONE;
	rc = wire_new_list(&list, e);
	for (const struct question *a = j->questions;
	     rc == ERR_NONE && a != NULL; a = a->next) {
		OWNED(wire_free) struct wire_value *one = NULL;

		rc = wire_new(&one, NULL, e);
		if (rc != ERR_NONE)
			return rc;
		wire_add_text(one, "step", a->name);
		wire_add_text(one, "text", a->text);
		wire_add_text(one, "role", role_name(a->role));
		wire_add_utc(one, "asked", a->asked);
		if (a->deadline.ns > a->asked.ns)
			wire_add_utc(one, "deadline", a->deadline);
		wire_add(list, NULL, &one);
	}
	if (rc == ERR_NONE)
		wire_add(v, "asks", &list);
	return rc;
}

static void
add_progress(const struct job *j, struct wire_value *v)
{
	int64_t ns = now_utc().ns - j->started.ns;

	wire_add_uint(v, "files", j->files_count);
	wire_add_uint(v, "bytes", j->done_bytes);
	if (j->total_bytes > 0)
		wire_add_uint(v, "total_bytes", j->total_bytes);
	if (j->what[0] != '\0')
		wire_add_text(v, "what", j->what);
	if (j->started.ns == 0 || ns <= 0)
		return;
	wire_add_seconds(v, "seconds", ns);
	if (j->total_bytes > j->done_bytes && j->done_bytes > 0)
		wire_add_seconds(v, "eta_seconds",
		    (int64_t)((double)ns *
			(double)(j->total_bytes - j->done_bytes) /
			(double)j->done_bytes));
}

enum err_code
job_to_wire(const struct job *j, struct wire_value **out, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "job", e);

	*out = NULL;
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "job", j->id);
	wire_add_text(v, "kind", j->kind->name);
	if (j->params != NULL)
		wire_add_text(v, "act", wire_take_text(j->params, "act", NULL));
	wire_add_text(v, "service", j->service);
	wire_add_text(v, "dataset", j->dataset);
	wire_add_text(v, daemon_job_pulls(j) ? "from_site" : "to_site",
	    j->site);
	wire_add_text(v, "state", job_state_name(j->state));
	wire_add_text(v, "reason", j->reason);
	wire_add_text(v, "trigger", j->trigger);
	wire_add_uint(v, "attempt", j->attempt);
	wire_add_uint(v, "new_bytes", j->new_bytes);
	if (j->snapshot[0] != '\0')
		wire_add_text(v, "snapshot", j->snapshot);
	if (j->worker != NULL)
		wire_add_int(v, "pid", supervise_pid(j->worker));
	if (j->stalled)
		wire_add_bool(v, "stalled", true);
	add_progress(j, v);
	add_times(v, j->queued, j->started, j->ended);
	rc = add_asks(j, v, e);
	if (rc == ERR_NONE)
		*out = TAKE(v);
	return rc;
}

enum err_code
api_ended_job(const struct ledger_job *j, struct wire_value **out,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "job", e);

	*out = NULL;
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "job", j->id);
	wire_add_text(v, "kind", j->kind);
	wire_add_text(v, "service", j->service[0] != '\0' ? j->service : NULL);
	wire_add_text(v, "dataset", j->dataset[0] != '\0' ? j->dataset : NULL);
	wire_add_text(v, "state", j->state);
	wire_add_text(v, "reason", j->reason);
	wire_add_text(v, "actor", j->actor[0] != '\0' ? j->actor : NULL);
	if (j->attempt >= 0)
		wire_add_int(v, "attempt", j->attempt);
	if (j->files >= 0)
		wire_add_int(v, "files", j->files);
	if (j->bytes >= 0)
		wire_add_int(v, "bytes", j->bytes);
	if (j->new_bytes >= 0)
		wire_add_int(v, "new_bytes", j->new_bytes);
	if (j->snapshot[0] != '\0')
		wire_add_text(v, "snapshot", j->snapshot);
	add_times(v, j->queued, j->started, j->ended);
	*out = TAKE(v);
	return ERR_NONE;
}

/* --- jobs ----------------------------------------------------------------- */

struct listing {
	struct daemon *d;
	struct wire_value **items;
	size_t count, size;
	struct wire_value *found; /* of job */
};

static void
listing_fini(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		wire_free(&l->items[i]);
	free(l->items);
	wire_free(&l->found);
}

/* Newest first, and shown oldest first; those alive are known better here. */
static enum err_code
keep_job(void *ctx, const struct ledger_job *lj, struct err *e)
{
	struct listing *l = ctx;
	const struct job *j = job_find(l->d, lj->id);
	struct wire_value **more;

	if (l->count == l->size) {
		l->size = l->size == 0 ? 64 : 2 * l->size;
		more = realloc(l->items, l->size * sizeof(*more));
		if (more == NULL)
			return err_nomem(e);
		l->items = more;
	}
	l->items[l->count] = NULL;
	l->count++;
	return j != NULL ? job_to_wire(j, &l->items[l->count - 1], e)
			 : api_ended_job(lj, &l->items[l->count - 1], e);
}

static void
free_ctx(void **ctx)
{
	free_mem(ctx);
}

static void
follow_jobs(struct client *c, void *ctx, struct job *j)
{
	const char *service = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (j->kind->ledger_type == NULL ||
	    (service != NULL &&
		(j->service == NULL || strcmp(service, j->service) != 0)))
		return;
	if (job_to_wire(j, &v, &e) == ERR_NONE)
		client_reply(c, &v);
}

static enum err_code
tell_jobs(struct client *c, const struct ledger_job_filter *f, uint64_t *count,
    struct err *e)
{
	OWNED(listing_fini) struct listing l = {.d = client_daemon(c)};
	enum err_code rc = ledger_jobs(l.d->ledger, f, keep_job, &l, e);

	for (size_t i = l.count; rc == ERR_NONE && i-- > 0;)
		if (l.items[i] != NULL)
			client_reply(c, &l.items[i]);
	*count = l.count;
	return rc;
}

static enum err_code
run_jobs(struct client *c, struct wire_value *request, struct err *e)
{
	struct ledger_job_filter f = {.service = wire_take_text(request,
					  "service", NULL),
	    .state = wire_take_text(request, "state", NULL),
	    .limit = wire_take_uint(request, "limit", JOBS_DEFAULT)};
	bool follow = wire_take_bool(request, "follow", false);
	OWNED(free_mem) char *service = NULL;
	uint64_t count;
	enum job_state known;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE && f.state != NULL &&
	    !job_state_of_name(f.state, &known))
		return err_set(e, ERR_INPUT, "there is no state '%s'", f.state);
	if (rc == ERR_NONE)
		rc = tell_jobs(c, &f, &count, e);
	if (rc != ERR_NONE)
		return rc;
	if (!follow)
		return client_count(c, count, e);
	if (f.service != NULL && (service = strdup(f.service)) == NULL)
		return err_nomem(e);
	client_watch_jobs(c, NULL, follow_jobs, TAKE(service), free_ctx);
	return ERR_NONE;
}
const struct api_command api_jobs = {"jobs", CLIENT_READERS_PEER, run_jobs};

/* --- job ------------------------------------------------------------------ */

static enum err_code
found_job(void *ctx, const struct ledger_job *j, struct err *e)
{
	struct listing *l = ctx;

	return l->found != NULL ? ERR_NONE : api_ended_job(j, &l->found, e);
}

static enum err_code
tell_log(struct client *c, const char *text, size_t len, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end == NULL ? len : (size_t)(end - text);

		rc = wire_new(&v, "log", e);
		if (rc != ERR_NONE)
			return rc;
		wire_add_bytes(v, "text", text, line);
		client_reply(c, &v);
		line += end != NULL;
		text += line;
		len -= line;
	}
	return rc;
}

static enum err_code
tell_kept_log(struct client *c, const char *id, struct err *e)
{
	OWNED(buf_fini) struct buf log = {0};
	struct err why;

	if (job_read_log(client_daemon(c), id, &log, &why) != ERR_NONE)
		return ERR_NONE; /* none is kept for ever */
	return tell_log(c, (const char *)log.bytes, log.len_bytes, e);
}

static enum err_code
run_job(struct client *c, struct wire_value *request, struct err *e)
{
	OWNED(listing_fini) struct listing l = {.d = client_daemon(c)};
	const char *id = wire_need_text(request, "job");
	bool log = wire_take_bool(request, "log", false);
	struct ledger_job_filter f = {.id = id};
	const struct job *j;
	enum err_code rc = client_asked(request, e);

	if (rc != ERR_NONE)
		return rc;
	j = job_find(l.d, id);
	rc = j != NULL ? job_to_wire(j, &l.found, e)
		       : ledger_jobs(l.d->ledger, &f, found_job, &l, e);
	if (rc == ERR_NONE && l.found == NULL)
		return err_set(e, ERR_NOTFOUND, "there is no job '%s'", id);
	if (rc == ERR_NONE)
		rc = links_tell_legs(l.d, id, l.found, e);
	if (rc == ERR_NONE && log)
		rc = j != NULL ? tell_log(c, (const char *)j->log.bytes,
				     j->log.len_bytes, e)
			       : tell_kept_log(c, id, e);
	if (rc == ERR_NONE)
		client_last(c, &l.found);
	return rc;
}
const struct api_command api_job = {"job", CLIENT_READERS, run_job};

/* --- run ------------------------------------------------------------------ */

static void
tell_progress(struct client *c, const struct job *j)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, "progress", &e) != ERR_NONE)
		return;
	wire_add_text(v, "job", j->id);
	wire_add_text(v, "state", job_state_name(j->state));
	add_progress(j, v);
	client_reply(c, &v);
}

static void
await_job(struct client *c, void *ctx, struct job *j)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	(void)ctx;
	if (!job_state_is_end(j->state)) {
		tell_progress(c, j);
		return;
	}
	if (client_summary(&v, &e) != ERR_NONE) {
		client_fail(c, &e, 0);
		return;
	}
	wire_add_text(v, "job", j->id);
	wire_add_text(v, "kind", j->kind->name);
	wire_add_text(v, "service", j->service);
	wire_add_text(v, "state", job_state_name(j->state));
	wire_add_text(v, "reason", j->reason);
	wire_add_text(v, "snapshot",
	    j->snapshot[0] != '\0' ? j->snapshot : NULL);
	wire_add_uint(v, "files", j->files_count);
	wire_add_uint(v, "bytes", j->done_bytes);
	wire_add_uint(v, "new_bytes", j->new_bytes);
	wire_add_seconds(v, "seconds",
	    j->ended.ns - (j->started.ns != 0 ? j->started.ns : j->ended.ns));
	wire_add_int(v, "exit", j->exit_status);
	client_last(c, &v);
}

/* One job, or for a replication one a site: then the last is waited for. */
static enum err_code
ask(struct client *c, struct job_request *r, struct job **out, struct err *e)
{
	struct daemon_service *s = daemon_service(client_daemon(c), r->service);
	enum err_code rc = ERR_NONE;

	if (s == NULL)
		return err_set(e, ERR_NOTFOUND, "there is no service '%s'",
		    r->service);
	if (r->kind->schedule == SCHEDULE_HEAL)
		r->site = heal_source(client_daemon(c), s);
	if (r->kind->schedule != SCHEDULE_REPLICATE)
		return job_ask(client_daemon(c), r, out, e);
	if (s->policy->replicate.to.count == 0)
		return err_set(e, ERR_INPUT,
		    "service '%s' is replicated nowhere", r->service);
	r->site = daemon_pull_from(client_daemon(c), s);
	if (r->site != NULL)
		return job_ask(client_daemon(c), r, out, e);
	if (s->policy->replicate.pull) {
		err_set(e, ERR_INPUT,
		    "the copies of '%s' are fetched by their sites "
		    "(replicate.pull)",
		    r->service);
		return err_hint(e, "ask there: bascule run %s --kind replicate",
		    r->service);
	}
	for (size_t i = 0; rc == ERR_NONE && i < s->policy->replicate.to.count;
	     i++) {
		r->site = daemon_copy_site(client_daemon(c), s->policy, i);
		rc = job_ask(client_daemon(c), r, out, e);
	}
	return rc;
}

enum err_code
api_jobs_begin(struct client *c, struct job *j, bool wait, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = job_to_wire(j, &v, e);

	if (rc != ERR_NONE)
		return rc;
	if (!wait) {
		client_last(c, &v);
		return ERR_NONE;
	}
	client_reply(c, &v);
	client_watch_jobs(c, j->id, await_job, NULL, NULL);
	return ERR_NONE;
}

static bool
may_be_asked(const struct job_kind *k)
{
	return k != NULL && k->ledger_type != NULL &&
	    k->schedule != SCHEDULE_EXERCISE && k->schedule < SCHEDULE_RESTORE;
}

static enum err_code
run_run(struct client *c, struct wire_value *request, struct err *e)
{
	const struct client_caller *who = client_caller(c);
	const char *kind = wire_take_text(request, "kind", "backup");
	const char *how = wire_take_text(request, "how", NULL);
	bool wait = wire_take_bool(request, "wait", false);
	char trigger[128];
	struct job_request r = {.kind = job_kind_find(kind),
	    .service = wire_need_text(request, "service"),
	    .dataset = wire_take_text(request, "dataset", NULL),
	    .trigger = trigger,
	    .actor = &who->actor,
	    .once = wait}; /* who waits is told, and decides */
	struct job *j = NULL;
	enum err_code rc = client_asked(request, e);

	snprintf(trigger, sizeof(trigger), "asked by %s", who->name);
	if (rc != ERR_NONE)
		return rc;
	if (!may_be_asked(r.kind))
		return err_set(e, ERR_INPUT,
		    "'%s' is not a kind of job: backup, replicate, verify, "
		    "prune or heal",
		    kind);
	if (how != NULL) {
		rc = wire_new(&r.params, NULL, e);
		if (rc != ERR_NONE)
			return rc;
		wire_add_text(r.params, "how", how);
	}
	rc = ask(c, &r, &j, e);
	wire_free(&r.params);
	return rc != ERR_NONE ? rc : api_jobs_begin(c, j, wait, e);
}
const struct api_command api_run = {"run", CLIENT_OPERATORS, run_run};

/* --- cancel --------------------------------------------------------------- */

static enum err_code
run_cancel(struct client *c, struct wire_value *request, struct err *e)
{
	const char *id = wire_need_text(request, "job");
	bool dry_run = wire_take_bool(request, "dry_run", false);
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(draft_free) struct draft *d = NULL;
	char why[128];
	struct job *j;
	enum err_code rc = client_asked(request, e);

	if (rc != ERR_NONE)
		return rc;
	j = job_find(client_daemon(c), id);
	if (j == NULL)
		return err_set(e, ERR_NOTFOUND,
		    "no job '%s' is running or waiting", id);
	rc = job_to_wire(j, &v, e);
	if (rc == ERR_NONE && dry_run) {
		wire_add_bool(v, "dry_run", true);
		client_last(c, &v);
		return ERR_NONE;
	}
	if (rc == ERR_NONE)
		rc = job_draft(&d, j, LEDGER_ACCESS, e);
	if (rc != ERR_NONE)
		return rc;
	draft_actor(d, &client_caller(c)->actor);
	draft_text(d, "cmd", "cancel");
	draft_text(d, "verdict", "admitted");
	rc = note_event(client_daemon(c), d, e);
	if (rc != ERR_NONE)
		return rc;
	snprintf(why, sizeof(why), "cancelled by %s", client_caller(c)->name);
	wire_add_bool(v, "cancelling", true);
	job_cancel(j, why);
	client_last(c, &v);
	return ERR_NONE;
}
const struct api_command api_cancel = {"cancel", CLIENT_OPERATORS, run_cancel};
