/* Taking a policy into force: all of it or nothing. */

#include "duty.h"
#include "etcd.h"
#include "ladder.h"
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
	rc = polcopy_save(f->policy, dir, &f->copy, e);
	if (rc == ERR_NONE)
		rc = digest_policy(f->policy, &id, e);
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
	free(d->policy_snapshot);
	free(d->services);
	d->policy = TAKE(f->policy);
	d->policy_number++;
	d->policy_snapshot = TAKE(f->copy);
	d->services = TAKE(f->services);
	d->site = f->site;
	memcpy(d->digest, f->digest, sizeof(d->digest));
}

static enum err_code
make(struct daemon *d, struct fresh *f, struct buf *problems, struct err *e)
{
	enum err_code rc = reload_load(&f->policy, d->policy_path, problems, e);

	if (rc != ERR_NONE)
		return rc;
	f->site = policy_find_site(f->policy, f->policy->site);
	rc = check_fixed(d, f, e);
	if (rc == ERR_NONE && d->policy == NULL)
		rc = daemon_lock(d, f->policy->state, e);
	if (rc == ERR_NONE)
		rc = keep_copy(f, e);
	return rc != ERR_NONE ? rc : make_services(d, f, e);
}

enum err_code
reload_policy(struct daemon *d, struct buf *problems, struct err *e)
{
	OWNED(fresh_fini) struct fresh f = {0};
	enum err_code rc = make(d, &f, problems, e);

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

void
reload_note_loaded(struct daemon *d)
{
	note_result(d, "loaded", "");
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

enum err_code
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
	return ERR_NONE;
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

static enum err_code
apply(struct daemon *d, struct buf *problems, struct err *e)
{
	OWNED(fresh_fini) struct fresh f = {0};
	enum err_code rc = make(d, &f, problems, e);

	if (rc == ERR_NONE)
		rc = tasks_look_back(d, e);
	if (rc == ERR_NONE)
		rc = register_settle(d, f.policy, f.digest, f.services, e);
	return rc != ERR_NONE ? rc : put_in_force(d, &f, e);
}

enum err_code
reload_run(struct daemon *d, struct err *e)
{
	OWNED(buf_fini) struct buf problems = {0};
	enum err_code rc;

	loop_notify("RELOADING=1");
	rc = apply(d, &problems, e);
	if (rc == ERR_NONE) {
		note_log(NOTE_INFO, "the policy is loaded again, digest %.16s",
		    d->digest);
		reload_note_loaded(d);
		alarm_clear(d, POLICY_ON_POLICY, NULL, NULL,
		    "the policy is loaded again");
	} else {
		if (problems.len_bytes > 0)
			fputs(buf_text(&problems), stderr);
		note_log(NOTE_ERROR,
		    "the policy is not loaded, the one in force stays: %s",
		    e->text);
		note_result(d, "refused", e->text);
		alarm_raise(d,
		    &(struct alarm_what){.on = POLICY_ON_POLICY,
			.level = ALARM_WARNING,
			.text = e->text});
	}
	loop_notify("READY=1");
	daemon_kick(d);
	return rc;
}
