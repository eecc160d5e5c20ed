/* Taking a policy into force: all of it or nothing. */

#include "duty.h"
#include "etcd.h"
#include "ladder.h"
#include "links.h"
#include "peer.h"
#include "ready.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

static enum err_code
problems_text(const struct policy_problems *ps, struct buf *out, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < ps->count; i++) {
		rc = policy_problem_text(&ps->items[i], out, e);
		if (rc == ERR_NONE)
			rc = buf_add_byte(out, '\n', e);
	}
	if (rc == ERR_NONE && ps->more_count > 0)
		rc = buf_printf(out, e, "and %zu more\n", ps->more_count);
	return rc;
}

enum err_code
reload_load(struct policy **out, const char *path, struct buf *problems,
    struct err *e)
{
	struct policy_problems ps = {0};
	struct err why;
	enum err_code rc = policy_load(out, &ps, path, now_utc(), e), said;

	said = problems_text(&ps, problems, &why);
	policy_problem_fini(&ps);
	if (rc == ERR_NONE && said != ERR_NONE)
		*e = why;
	return rc != ERR_NONE ? rc : said;
}

/* Everything that hangs on a policy, made beside what is in force. */
struct fresh {
	struct policy *policy;
	char *copy;
	char digest[ID_HEX_BYTES];
	const struct policy_site *site;
	struct daemon_service *services;
};

static void
fresh_fini(struct fresh *f)
{
	policy_free(&f->policy);
	free(f->copy);
	free(f->services);
}

static enum err_code
keep_copy(struct fresh *f, struct err *e)
{
	OWNED(free_mem) char *dir = NULL;
	struct id id;
	enum err_code rc;

	if (asprintf(&dir, "%s/policy", f->policy->state) < 0) {
		dir = NULL;
		return err_nomem(e);
	}
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return err_sys(e, "cannot make '%s'", dir);
	rc = polcopy_save(f->policy, dir, &f->copy, &id, e);
	if (rc == ERR_NONE)
		id_hex(&id, f->digest);
	return rc;
}

static enum err_code
make_services(struct daemon *d, struct fresh *f, struct err *e)
{
	struct id id;

	f->services =
	    calloc(f->policy->service_count + 1, sizeof(*f->services));
	if (f->services == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < f->policy->service_count; i++) {
		struct daemon_service *s = &f->services[i];
		const char *name = f->policy->services[i].name;
		struct daemon_service *old =
		    d->policy != NULL ? daemon_service(d, name) : NULL;

		if (old != NULL)
			*s = *old;
		s->policy = &f->policy->services[i];
		if (digest_plan(s->policy, &id, e) != ERR_NONE)
			return e->code;
		id_hex(&id, s->plan);
	}
	return ERR_NONE;
}

/* What a running daemon cannot change. */
static enum err_code
check_fixed(const struct daemon *d, const struct fresh *f, struct err *e)
{
	if (f->site == NULL)
		return err_set(e, ERR_POLICY,
		    "site '%s' is not among the sites", f->policy->site);
	if (d->policy == NULL)
		return ERR_NONE;
	if (strcmp(d->policy->site, f->policy->site) != 0 ||
	    strcmp(d->policy->state, f->policy->state) != 0 ||
	    strcmp(d->policy->socket, f->policy->socket) != 0)
		return err_set(e, ERR_POLICY,
		    "'site', 'state' and 'socket' change with a restart only");
	return ERR_NONE;
}

static void
take(struct daemon *d, struct fresh *f)
{
	policy_free(&d->policy);
	free(d->policy_before);
	d->policy_before = TAKE(d->policy_snapshot);
	free(d->services);
	d->policy = TAKE(f->policy);
	d->policy_number++;
	d->policy_snapshot = TAKE(f->copy);
	d->services = TAKE(f->services);
	d->site = f->site;
	memcpy(d->digest, f->digest, sizeof(d->digest));
}

static enum err_code
load(struct daemon *d, struct fresh *f, struct buf *problems, struct err *e)
{
	enum err_code rc = reload_load(&f->policy, d->policy_path, problems, e);

	if (rc != ERR_NONE)
		return rc;
	f->site = policy_find_site(f->policy, f->policy->site);
	return check_fixed(d, f, e);
}

/* What services are by now goes with them: in the turn that takes them. */
static enum err_code
make(struct daemon *d, struct fresh *f, struct err *e)
{
	enum err_code rc = keep_copy(f, e);

	return rc != ERR_NONE ? rc : make_services(d, f, e);
}

enum err_code
reload_policy(struct daemon *d, struct buf *problems, struct err *e)
{
	OWNED(fresh_fini) struct fresh f = {0};
	enum err_code rc = load(d, &f, problems, e);

	if (rc == ERR_NONE)
		rc = daemon_lock(d, f.policy->state, e);
	if (rc == ERR_NONE)
		rc = make(d, &f, e);
	if (rc == ERR_NONE)
		take(d, &f);
	return rc;
}

/* --- while running ------------------------------------------------------------ */

static void
note_result(struct daemon *d, const char *state, const char *reason)
{
	OWNED(draft_free) struct draft *draft = NULL;
	struct err e;
	enum err_code rc = note_draft(&draft, d, NULL, LEDGER_POLICY, &e);

	if (rc == ERR_NONE) {
		draft_text(draft, "state", state);
		draft_text(draft, "path", d->policy_path);
		draft_text(draft, "reason", reason);
		rc = note_event(d, draft, &e);
	}
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
}

/* --- the copies that are kept ------------------------------------------------- */

struct named {
	char (*digests)[ID_HEX_BYTES];
	const char **list;
	size_t count;
};

static void
named_fini(struct named *n)
{
	free(n->digests);
	free(n->list);
}

static enum err_code
take_named(void *ctx, const struct record *r, struct err *e)
{
	struct named *n = ctx;
	char digest[ID_HEX_BYTES];
	void *more;

	if (record_text(r, "@policy", digest, sizeof(digest))[0] == '\0')
		return ERR_NONE;
	for (size_t i = n->count; i-- > 0;)
		if (strcmp(n->digests[i], digest) == 0)
			return ERR_NONE;
	more = realloc(n->digests, (n->count + 1) * sizeof(*n->digests));
	if (more == NULL)
		return err_nomem(e);
	n->digests = more;
	memcpy(n->digests[n->count++], digest, sizeof(digest));
	return ERR_NONE;
}

static enum err_code
list_named(struct daemon *d, struct named *n, struct err *e)
{
	struct ledger_filter f = {.type = LEDGER_POLICY};
	enum err_code rc = ledger_iterate(d->ledger, &f, take_named, n, e);

	n->list = calloc(n->count + 1, sizeof(*n->list));
	if (rc == ERR_NONE && n->list == NULL)
		return err_nomem(e);
	for (size_t i = 0; rc == ERR_NONE && i < n->count; i++)
		n->list[i] = n->digests[i];
	return rc;
}

static const char *
name_of(const char *path)
{
	const char *slash = path == NULL ? NULL : strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/*
 * Each policy that was in force has a record that says so, and records are kept
 * for ever: so is one copy of it.  The rest were never in force, or differ in
 * nothing that both sites share.  A worker may be reading the one before.
 */
static void
prune_copies(struct daemon *d)
{
	OWNED(named_fini) struct named n = {0};
	OWNED(free_mem) char *dir = NULL;
	const char *const names[] = {name_of(d->policy_snapshot),
	    name_of(d->policy_before)};
	size_t removed = 0;
	struct err e;
	enum err_code rc;

	if (asprintf(&dir, "%s/policy", d->policy->state) < 0) {
		dir = NULL;
		return;
	}
	rc = list_named(d, &n, &e);
	if (rc == ERR_NONE)
		rc = polcopy_prune(dir,
		    &(struct polcopy_keep){.digests = n.list,
			.digests_count = n.count,
			.names = names,
			.names_count = COUNT_OF(names)},
		    &removed, &e);
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "copies of policies: %s", e.text);
	else if (removed > 0)
		note_log(NOTE_INFO,
		    "removed %zu copies of policies that no record needs",
		    removed);
}

static enum err_code
take_digest(void *ctx, const struct record *r, struct err *e)
{
	char *digest = ctx;

	(void)e;
	record_text(r, "@policy", digest, ID_HEX_BYTES);
	return ERR_NONE;
}

/* The newest record says which policy it was written under. */
enum err_code
reload_policy_then(struct daemon *d, struct utc as_of, struct policy **out,
    char digest[ID_HEX_BYTES], struct err *e)
{
	OWNED(free_mem) char *dir = NULL;
	struct ledger_filter f = {.until = {as_of.ns + 1},
	    .type = LEDGER_POLICY,
	    .limit = 1,
	    .newest = true};
	enum err_code rc;

	*out = NULL;
	digest[0] = '\0';
	rc = ledger_iterate(d->ledger, &f, take_digest, digest, e);
	if (rc != ERR_NONE)
		return rc;
	if (digest[0] == '\0') {
		err_set(e, ERR_NOTFOUND,
		    "nothing was recorded here by then: no policy was loaded");
		return err_hint(e,
		    "'bascule events --until TIME' shows what was");
	}
	if (asprintf(&dir, "%s/policy", d->policy->state) < 0) {
		dir = NULL;
		return err_nomem(e);
	}
	rc = polcopy_find(out, dir, digest, e);
	if (rc == ERR_NOTFOUND)
		err_hint(e,
		    "without it nobody can say what counted as proved then; "
		    "'bascule events --until TIME' shows the records");
	return rc;
}

void
reload_note_loaded(struct daemon *d)
{
	note_result(d, "loaded", "");
	prune_copies(d);
}

/* Firings were judged until then; jobs wait and run on. */
static enum err_code
carry_over(struct daemon *d, struct schedule *fresh,
    const struct daemon_task *tasks, size_t count, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; i < count; i++) {
		size_t old = schedule_find(d->schedule, tasks[i].key);

		if (old != SCHEDULE_NO_TASK)
			schedule_set_judged(fresh, i,
			    schedule_task(d->schedule, old)->judged);
	}
	for (struct job *j = d->jobs; rc == ERR_NONE && j != NULL;
	     j = j->next) {
		struct schedule_ask ask;
		char lane[160];

		job_ask_of(j, &ask, lane);
		ask.retries = schedule_retries(d->schedule, j->number);
		rc = schedule_adopt(fresh, &ask, j->attempt, j->worker != NULL,
		    now_mono(), &j->number, e);
	}
	return rc;
}

static enum err_code
reload_schedule(struct daemon *d, struct err *e)
{
	OWNED(schedule_free) struct schedule *fresh = NULL;
	OWNED(free_mem) struct daemon_task *tasks = NULL;
	size_t count = 0;
	enum err_code rc = tasks_make(d, &fresh, &tasks, &count, e);

	if (rc == ERR_NONE)
		rc = carry_over(d, fresh, tasks, count, e);
	if (rc != ERR_NONE)
		return rc;
	schedule_free(&d->schedule);
	free(d->tasks);
	d->schedule = TAKE(fresh);
	d->tasks = TAKE(tasks);
	d->task_count = count;
	tasks_in_force(d);
	return ERR_NONE;
}

enum err_code
reload_tasks(struct daemon *d, struct err *e)
{
	enum err_code rc = reload_schedule(d, e);

	if (rc == ERR_NONE && d->links != NULL)
		transfers_hold(d); /* the new one does not know what is down */
	return rc;
}

/* From here on there is no way back: what fails ends the daemon, and a new one
 * starts with the new policy. */
static enum err_code
put_in_force(struct daemon *d, struct fresh *f, struct err *e)
{
	OWNED(policy_free) struct policy *old = TAKE(d->policy);
	enum err_code rc;

	(void)old; /* what is stopped here still names it */
	watcher_stop(d);
	etcd_stop(d);
	ready_stop(d);
	ladders_stop(d);
	duties_stop(d);
	peers_stop(d);
	take(d, f);
	rc = reload_schedule(d, e);
	if (rc == ERR_NONE)
		rc = links_start(d, e);
	alarm_reload(d);
	if (rc == ERR_NONE)
		rc = watcher_start(d, e);
	if (rc == ERR_NONE)
		rc = peers_start(d, e);
	if (rc == ERR_NONE)
		rc = etcd_start(d, e);
	if (rc == ERR_NONE)
		rc = ready_start(d, e);
	if (rc != ERR_NONE) {
		note_log(NOTE_ERROR, "cannot go on: %s", e->text);
		raise(SIGTERM);
	}
	return rc;
}

/*
 * Of hundreds of services it takes two turns of the loop: one loads, another takes
 * into force what was loaded, and all others are heard in between.  Whoever asks
 * again by then has it loaded anew.
 */
struct reload {
	struct daemon *d;
	struct loop_timer *timer;
	uint64_t turn; /* in which it was loaded */
	struct fresh fresh;
};

void
reload_stop(struct daemon *d)
{
	struct reload *r = d->reload;

	if (r == NULL)
		return;
	loop_timer_free(&r->timer);
	fresh_fini(&r->fresh);
	free(r);
	d->reload = NULL;
}

static void
is_in_force(struct daemon *d)
{
	note_log(NOTE_INFO, "the policy is loaded again, digest %.16s",
	    d->digest);
	reload_note_loaded(d);
	alarm_clear(d, POLICY_ON_POLICY, NULL, NULL,
	    "the policy is loaded again");
}

static void
is_refused(struct daemon *d, const struct err *why)
{
	note_log(NOTE_ERROR,
	    "the policy is not loaded, the one in force stays: %s", why->text);
	note_result(d, "refused", why->text);
	alarm_raise(d,
	    &(struct alarm_what){.on = POLICY_ON_POLICY,
		.level = ALARM_WARNING,
		.text = why->text});
}

/* why: ERR_NONE, it is in force. */
static void
ended(struct daemon *d, const struct err *why)
{
	reload_stop(d);
	d->reloaded = *why;
	if (why->code == ERR_NONE)
		is_in_force(d);
	else
		is_refused(d, why);
	loop_notify("READY=1");
	daemon_kick(d);
}

static enum err_code
apply(struct daemon *d, struct fresh *f, struct err *e)
{
	enum err_code rc = make(d, f, e);

	if (rc == ERR_NONE)
		rc = tasks_look_back(d, e);
	if (rc == ERR_NONE)
		rc = register_settle(d, f->policy, f->digest, f->services, e);
	return rc != ERR_NONE ? rc : put_in_force(d, f, e);
}

static void
on_loaded(void *ctx)
{
	struct reload *r = ctx;
	struct daemon *d = r->d;
	struct err e = {0};

	loop_turn_does(d->loop, "taking a policy into force");
	if (loop_turn_count(d->loop) < r->turn + 2)
		loop_timer_set(r->timer, DAEMON_TURN_NS);
	else if (d->stopping)
		reload_stop(d);
	else if (apply(d, &r->fresh, &e) == ERR_NONE)
		ended(d, &(struct err){0});
	else
		ended(d, &e);
}

static enum err_code
begin(struct daemon *d, struct buf *problems, struct err *e)
{
	struct reload *r = calloc(1, sizeof(*r));
	enum err_code rc;

	if (r == NULL)
		return err_nomem(e);
	r->d = d;
	r->turn = loop_turn_count(d->loop);
	d->reload = r;
	rc = loop_timer_new(&r->timer, d->loop, on_loaded, r, e);
	if (rc == ERR_NONE)
		rc = load(d, &r->fresh, problems, e);
	if (rc == ERR_NONE)
		loop_timer_set(r->timer, DAEMON_TURN_NS);
	return rc;
}

enum err_code
reload_begin(struct daemon *d, struct err *e)
{
	OWNED(buf_fini) struct buf problems = {0};
	enum err_code rc;

	reload_stop(d);
	loop_turn_does(d->loop, "loading a policy");
	loop_notify("RELOADING=1");
	rc = begin(d, &problems, e);
	if (rc == ERR_NONE)
		return rc;
	if (problems.len_bytes > 0)
		fputs(buf_text(&problems), stderr);
	ended(d, e);
	return rc;
}
