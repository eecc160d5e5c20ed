/* The daemon as a whole: starting, ticking, stopping. */

#include "daemon.h"
#include "arrivals.h"
#include "fencing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/exitcode.h>
#include <bascule/base/fdio.h>
#include <bascule/crypt.h>

#include "duty.h"
#include "etcd.h"
#include "ladder.h"
#include "moves.h"
#include "peer.h"
#include "posture.h"
#include "ready.h"
#include "request.h"
#include "tabletops.h"

#define STOP_NS   (25 * NS_PER_S) /* for workers to end by themselves */
#define KILL_NS   (3 * NS_PER_S)  /* ... and when they are killed */
#define LOOK_NS   (2 * NS_PER_S)  /* at the posture */
#define AGE_NS    (300 * NS_PER_S)
#define REPAIR_NS (5 * NS_PER_S)  /* of a ledger that fails */
#define HEAD_NS   (10 * NS_PER_S) /* from head to head, while records come */
#define LONG_NS   (NS_PER_S / 10) /* of the processor: such a turn is told */
#define STOOD_NS  (60 * NS_PER_S) /* ... but once, if it is not longer still */

/* --- asking --------------------------------------------------------------- */

struct daemon_service *
daemon_service(struct daemon *d, const char *name)
{
	const struct policy_service *s = policy_find_service(d->policy, name);

	return s == NULL ? NULL : &d->services[s - d->policy->services];
}

bool
daemon_is_active(const struct daemon *d, const struct daemon_service *s)
{
	return authority_is_active(&s->authority, d->policy->site);
}

bool
daemon_backs_up(const struct daemon *d, const struct daemon_service *s)
{
	return daemon_is_active(d, s) && !moves_bring_up(d, s);
}

const char *
daemon_copy_site(const struct daemon *d, const struct policy_service *s,
    size_t i)
{
	const char *to = s->replicate.to.items[i];

	return strcmp(to, d->policy->site) == 0 ? s->home : to;
}

const char *
daemon_pull_from(const struct daemon *d, const struct daemon_service *s)
{
	const char *at = s->authority.site;
	const struct policy_service *p = s->policy;

	if (*at == '\0')
		at = p->home;
	if (!p->replicate.pull || strcmp(at, d->policy->site) == 0)
		return NULL;
	for (size_t i = 0; i < p->replicate.to.count; i++)
		if (strcmp(p->replicate.to.items[i], d->policy->site) == 0)
			return at;
	return strcmp(p->home, d->policy->site) == 0 ? at : NULL;
}

bool
daemon_job_pulls(const struct job *j)
{
	const struct daemon_service *s = j->kind->schedule == SCHEDULE_REPLICATE
	    ? daemon_service(j->d, j->service)
	    : NULL;

	return s != NULL && daemon_pull_from(j->d, s) != NULL;
}

const char *
daemon_other_site(const struct daemon_service *s)
{
	const char *at = s->authority.site;
	const char *other =
	    policy_find_peer(s->policy, *at != '\0' ? at : s->policy->home);

	return other == NULL ? "" : other;
}

void
daemon_kick(struct daemon *d)
{
	d->kicked = true;
	if (d->tick != NULL)
		loop_timer_set(d->tick, 0);
}

/* --- replication that is behind ------------------------------------------------ */

static enum err_code
take_at(void *ctx, const struct ledger_point *p, struct err *e)
{
	(void)e;
	*(struct utc *)ctx = p->at;
	return ERR_NONE;
}

static enum err_code
replicate_to(struct daemon *d, struct daemon_service *s, const char *site,
    const char *trigger, struct err *e)
{
	struct ledger_point_filter f = {.service = s->policy->name,
	    .at_site = site,
	    .complete = true,
	    .limit = 1};
	struct job_request r = {.kind = job_kind_find("replicate"),
	    .service = s->policy->name,
	    .site = site,
	    .trigger = trigger};
	struct utc there = {0};
	char lane[160];
	enum err_code rc;

	tasks_lane(lane, "replicate", s->policy->name, site);
	if (schedule_busy(d->schedule, lane))
		return ERR_NONE;
	if (daemon_pull_from(d, s) != NULL)
		return arrivals_pull_is_due(d, s) ? job_ask(d, &r, NULL, e)
						  : ERR_NONE;
	rc = ledger_points(d->ledger, &f, take_at, &there, e);
	if (rc != ERR_NONE || there.ns >= s->good_at.ns)
		return rc;
	return job_ask(d, &r, NULL, e);
}

void
daemon_replicate(struct daemon *d, struct daemon_service *s,
    const char *trigger)
{
	const char *from = daemon_pull_from(d, s);
	struct err e;

	if (d->stopping)
		return;
	if (from != NULL && replicate_to(d, s, from, trigger, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	if (s->good_at.ns == 0 || !daemon_is_active(d, s) ||
	    s->policy->replicate.pull)
		return;
	for (size_t i = 0; i < s->policy->replicate.to.count; i++)
		if (replicate_to(d, s, daemon_copy_site(d, s->policy, i),
			trigger, &e) != ERR_NONE)
			note_log(NOTE_ERROR, "%s", e.text);
}

/* --- ticking -------------------------------------------------------------- */

/*
 * Nobody was answered meanwhile.  Told in the log: the longest of each minute, at
 * once, for what comes every second tells nothing new.
 */
static void
on_long_turn(void *ctx, const struct loop_turn *t)
{
	struct daemon *d = ctx;
	struct mono now = now_mono();

	if (d->stood.ns != 0 && now.ns - d->stood.ns < STOOD_NS &&
	    t->cpu_ns <= d->stood_ns)
		return;
	if (d->stood.ns == 0 || now.ns - d->stood.ns >= STOOD_NS)
		d->stood = now;
	d->stood_ns = t->cpu_ns;
	note_log(NOTE_WARNING,
	    "for %" PRId64 " ms nobody was answered (%" PRId64
	    " ms of processor time, %" PRId64 " of them: %s)",
	    t->took_ns / NS_PER_MS, t->cpu_ns / NS_PER_MS,
	    t->what_ns / NS_PER_MS,
	    t->what != NULL ? t->what : "something that has no name");
}

static void
carry_out(struct daemon *d, const struct schedule_action *a)
{
	struct err e;
	enum err_code rc = ERR_NONE;

	switch (a->verb) {
	case SCHEDULE_QUEUED: rc = job_fired(d, a, &e); break;
	case SCHEDULE_START: job_start(d, a); break;
	case SCHEDULE_SKIP: rc = job_skipped(d, a, &e); break;
	}
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
}

/* Is the ledger back?  The record that finds out says that it was away. */
static void
try_ledger(struct daemon *d)
{
	OWNED(draft_free) struct draft *draft = NULL;
	struct err e;

	if (note_draft(&draft, d, NULL, LEDGER_DAEMON, &e) != ERR_NONE)
		return;
	draft_text(draft, "state", "ledger-back");
	if (note_event(d, draft, &e) != ERR_NONE)
		return; /* told when it began */
}

/* Does nothing when no record came since the last one. */
static void
sign_head(struct daemon *d, struct mono now)
{
	enum err_code rc;
	struct head h;
	struct err e;

	rc = ledger_sign_head(d->ledger, &h, &e);
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	if (rc == ERR_NONE && h.number == d->head_number)
		return;
	d->head_signed = now;
	d->head_number = rc == ERR_NONE ? h.number : 0;
}

void
daemon_sign_now(struct daemon *d)
{
	sign_head(d, now_mono());
}

void
daemon_sign_head(struct daemon *d, struct mono now)
{
	if (now.ns - d->head_signed.ns >= HEAD_NS)
		sign_head(d, now);
}

/* Time passes for the repository, too.  Who cannot say so loses age only. */
static void
age_repository(struct daemon *d, struct mono now)
{
	struct err e;

	if (d->aged.ns != 0 && now.ns - d->aged.ns < AGE_NS)
		return;
	d->aged = now;
	if (survey_age(d->site->repository, &e) != ERR_NONE)
		note_log(NOTE_WARNING, "%s", e.text);
}

static void
look_at_service(struct daemon *d, struct daemon_service *s)
{
	register_look(d, s);
	posture_look(d, s);
	fencing_look(d, s);
	if (now_mono().ns >= s->replicate_not_before.ns)
		daemon_replicate(d, s, "behind");
}

/* The next slice of them; the look is over when there are no more. */
static void
look_at_services(struct daemon *d)
{
	struct mono began = now_mono();

	for (size_t n = 0; d->looks_at < d->policy->service_count &&
	     n < DAEMON_SLICE && now_mono().ns - began.ns < DAEMON_SLICE_NS;
	     n++)
		look_at_service(d, &d->services[d->looks_at++]);
}

static void
look_around(struct daemon *d)
{
	struct mono now = now_mono();

	loop_turn_does(d->loop, "looking around");
	if (now.ns - d->looked.ns >= LOOK_NS &&
	    (d->looked.ns == 0 || d->looks_at >= d->policy->service_count)) {
		d->looked = now;
		d->looks_at = 0;
		age_repository(d, now);
		daemon_sign_head(d, now);
		peers_look(d);
		sitewatch_look(d);
		tabletops_look(d);
		duties_alarm(d);
		alarm_look(d);
	}
	request_look(d);
	look_at_services(d);
}

/* Until something is to be decided again. */
static int64_t
next_tick_ns(const struct daemon *d)
{
	int64_t wait_ns = schedule_wait_ns(d->schedule, now_utc(), now_mono());

	if (wait_ns > LOOK_NS)
		wait_ns = LOOK_NS;
	if (wait_ns > moves_wait_ns(d))
		wait_ns = moves_wait_ns(d);
	return d->looks_at < d->policy->service_count &&
		wait_ns > DAEMON_TURN_NS
	    ? DAEMON_TURN_NS
	    : wait_ns;
}

static void
tick(void *ctx)
{
	struct daemon *d = ctx;
	const struct schedule_action *actions;
	size_t count;
	struct err e;

	if (d->stopping)
		return;
	loop_turn_does(d->loop, "the schedule");
	loop_notify("WATCHDOG=1"); /* what still ticks still decides */
	d->kicked = false;
	if (d->ledger_broken)
		try_ledger(d);
	if (d->ledger_broken) {
		loop_timer_set(d->tick, REPAIR_NS);
		return;
	}
	if (d->ledger_was_broken) {
		d->ledger_was_broken = false;
		exercise_resume(d, "the ledger could not be written meanwhile");
	}
	if (schedule_tick(d->schedule, now_utc(), now_mono(), &actions, &count,
		&e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	else
		for (size_t i = 0; i < count; i++)
			carry_out(d, &actions[i]);
	loop_turn_does(d->loop, "moves");
	moves_look(d);
	exercise_release(d);
	look_around(d);
	if (!d->kicked) /* else something happened meanwhile: it is set */
		loop_timer_set(d->tick, next_tick_ns(d));
}

/* --- starting ------------------------------------------------------------- */

enum err_code
daemon_lock(struct daemon *d, const char *state, struct err *e)
{
	OWNED(free_mem) char *path = NULL;
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (mkdir(state, 0700) != 0 && errno != EEXIST)
		return err_sys(e, "cannot make '%s'", state);
	if (asprintf(&path, "%s/lock", state) < 0) {
		path = NULL;
		return err_nomem(e);
	}
	d->lock_fd =
	    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->lock_fd < 0)
		return err_sys(e, "cannot open '%s'", path);
	if (fcntl(d->lock_fd, F_OFD_SETLK, &whole) == 0)
		return ERR_NONE;
	if (errno != EAGAIN && errno != EACCES)
		return err_sys(e, "cannot lock '%s'", path);
	return err_set(e, ERR_BUSY, "another daemon works with '%s'", state);
}

/* With it store serve signs what it received, and a survey: not the daemon. */
static enum err_code
know_acknowledge_key(struct daemon *d, struct err *e)
{
	OWNED(ledgerkey_free) struct sign_key *key = NULL;
	OWNED(free_mem) char *path = NULL;
	enum err_code rc;

	if (asprintf(&path, "%s/acknowledge.key", d->policy->state) < 0)
		path = NULL;
	if (path == NULL)
		return err_nomem(e);
	rc = ledgerkey_open(&key, path, e);
	return rc == ERR_NONE ? head_fingerprint(sign_key_public(key)->bytes,
				    d->acknowledge_key, e)
			      : rc;
}

static enum err_code
open_ledger(struct daemon *d, struct err *e)
{
	OWNED(free_mem) char *path = NULL;
	OWNED(free_mem) char *key = NULL;
	struct ledger_options opt = {.site = d->site_name};
	enum err_code rc;

	if (asprintf(&path, "%s/ledger.db", d->policy->state) < 0)
		path = NULL;
	if (asprintf(&key, "%s/ledger.key", d->policy->state) < 0)
		key = NULL;
	if (path == NULL || key == NULL)
		return err_nomem(e);
	rc = ledgerkey_open(&d->ledger_key, key, e);
	opt.signer = d->ledger_key;
	if (rc == ERR_NONE)
		rc = know_acknowledge_key(d, e);
	if (rc == ERR_NONE)
		rc = ledger_open(&d->ledger, path, &opt, e);
	return rc;
}

static enum err_code
note_state(struct daemon *d, const char *state, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	enum err_code rc = note_draft(&draft, d, NULL, LEDGER_DAEMON, e);

	if (rc != ERR_NONE)
		return rc;
	draft_text(draft, "state", state);
	draft_int(draft, "pid", getpid());
	draft_text(draft, "version", BASCULE_VERSION);
	draft_text(draft, "acknowledge_key", d->acknowledge_key);
	return note_event(d, draft, e);
}

static void stop(void *ctx);
static void reload(void *ctx);

static enum err_code
catch_signals(struct daemon *d, struct err *e)
{
	enum err_code rc =
	    loop_signal_new(&d->signals[0], d->loop, SIGTERM, stop, d, e);

	if (rc == ERR_NONE)
		rc = loop_signal_new(&d->signals[1], d->loop, SIGINT, stop, d,
		    e);
	if (rc == ERR_NONE)
		rc = loop_signal_new(&d->signals[2], d->loop, SIGHUP, reload, d,
		    e);
	return rc;
}

static enum err_code
refresh_all(struct daemon *d, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < d->policy->service_count; i++)
		rc = posture_refresh(d, &d->services[i], e);
	return rc;
}

static enum err_code
begin(struct daemon *d, struct err *e)
{
	enum err_code rc = loop_new(&d->loop, e);

	if (rc == ERR_NONE)
		rc = catch_signals(d, e);
	if (rc == ERR_NONE)
		rc = refresh_all(d, e);
	if (rc == ERR_NONE) /* before this start leaves its first record */
		rc = tasks_look_back(d, e);
	if (rc == ERR_NONE)
		rc = note_state(d, "started", e);
	if (rc == ERR_NONE)
		rc = alarm_start(d, e);
	if (rc == ERR_NONE)
		rc = register_settle(d, d->policy, d->digest, d->services, e);
	if (rc == ERR_NONE)
		rc = tasks_make(d, &d->schedule, &d->tasks, &d->task_count, e);
	if (rc == ERR_NONE) {
		tasks_in_force(d);
		rc = recover_run(d, e);
	}
	if (rc == ERR_NONE)
		rc = moves_start(d, e);
	if (rc == ERR_NONE)
		rc = refresh_all(d, e);
	if (rc == ERR_NONE)
		rc = loop_timer_new(&d->tick, d->loop, tick, d, e);
	if (rc == ERR_NONE)
		rc = links_start(d, e);
	if (rc == ERR_NONE)
		rc = watcher_start(d, e);
	if (rc == ERR_NONE)
		rc = peers_start(d, e);
	if (rc == ERR_NONE)
		rc = etcd_start(d, e);
	if (rc == ERR_NONE)
		rc = tabletops_start(d, e);
	if (rc == ERR_NONE)
		rc = ready_start(d, e);
	if (rc == ERR_NONE)
		register_quarantine(d, d->services);
	job_sweep_logs(d);
	return rc == ERR_NONE ? api_start(d, e) : rc;
}

/* --- stopping ------------------------------------------------------------- */

static void
stop_when_idle(struct daemon *d)
{
	for (const struct job *j = d->jobs; j != NULL; j = j->next)
		if (j->worker != NULL)
			return;
	loop_stop(d->loop);
}

void
daemon_job_gone(struct daemon *d)
{
	if (d->stopping)
		stop_when_idle(d);
}

static void
patience_over(void *ctx)
{
	struct daemon *d = ctx;

	if (d->killed) {
		loop_stop(d->loop);
		return;
	}
	d->killed = true;
	for (struct job *j = d->jobs; j != NULL; j = j->next)
		if (j->worker != NULL)
			supervise_kill(j->worker);
	loop_timer_set(d->patience, KILL_NS);
}

/* The second time it is meant seriously. */
static void
stop(void *ctx)
{
	struct daemon *d = ctx;

	if (d->stopping) {
		patience_over(d);
		return;
	}
	d->stopping = true;
	loop_notify("STOPPING=1");
	note_log(NOTE_INFO, "stopping");
	api_deafen(d);
	for (struct job *j = d->jobs, *next; j != NULL; j = next) {
		next = j->next;
		job_cancel(j, "the daemon was stopped");
	}
	loop_timer_set(d->patience, STOP_NS);
	stop_when_idle(d);
}

static void
reload(void *ctx)
{
	struct daemon *d = ctx;
	struct err e;

	if (!d->stopping && reload_begin(d, &e) != ERR_NONE)
		return; /* told and recorded */
}

/* Jobs that did not end in time keep their open intents: after the next start
 * they are unknown, which is what they are. */
static void
end(struct daemon *d)
{
	struct err e;

	if (d->ledger != NULL && d->loop != NULL) {
		if (note_state(d, "stopped", &e) != ERR_NONE ||
		    ledger_sign_head(d->ledger, NULL, &e) != ERR_NONE)
			note_log(NOTE_ERROR, "%s", e.text);
	}
	api_stop(d);
	reload_stop(d);
	while (d->jobs != NULL) {
		struct job *j = d->jobs;

		d->jobs = j->next;
		job_free(&j);
	}
	watcher_stop(d);
	tabletops_stop(d);
	etcd_stop(d);
	ready_stop(d);
	ladders_stop(d);
	duties_stop(d);
	peers_stop(d);
	request_showing_free(&d->facts_seen.showing);
	request_book_free(&d->requests);
	moves_stop(d);
	links_stop(d);
	alarm_stop(d);
	loop_timer_free(&d->tick);
	loop_timer_free(&d->patience);
	for (size_t i = 0; i < COUNT_OF(d->signals); i++)
		loop_signal_free(&d->signals[i]);
	loop_free(&d->loop);
	schedule_free(&d->schedule);
	free(d->tasks);
	ledger_close(&d->ledger);
	ledgerkey_free(&d->ledger_key);
	policy_free(&d->policy);
	free(d->policy_snapshot);
	free(d->policy_before);
	free(d->services);
	free(d->site_name);
	fdio_close(&d->lock_fd);
}

static enum err_code
prepare(struct daemon *d, struct buf *problems, struct err *e)
{
	enum err_code rc = reload_policy(d, problems, e);

	if (rc != ERR_NONE)
		return rc;
	d->site_name = strdup(d->policy->site); /* the ledger keeps it */
	if (d->site_name == NULL)
		return err_nomem(e);
	rc = open_ledger(d, e);
	if (rc == ERR_NONE)
		rc = begin(d, e);
	return rc == ERR_NONE
	    ? loop_timer_new(&d->patience, d->loop, patience_over, d, e)
	    : rc;
}

enum err_code
daemon_spec(const struct daemon *d, const char *job, const char *kind,
    unsigned attempt, struct wire_value **out, struct err *e)
{
	enum err_code rc = wire_new(out, "job", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(*out, "job", job);
	wire_add_text(*out, "kind", kind);
	wire_add_uint(*out, "attempt", attempt);
	/* Before it reads a policy of hundreds of services. */
	wire_add_uint(*out, "nice", d->policy->limits.nice);
	wire_add_text(*out, "policy", d->policy_snapshot);
	wire_add_text(*out, "digest", d->digest);
	return ERR_NONE;
}

int
daemon_run(const char *policy_path)
{
	OWNED(buf_fini) struct buf problems = {0};
	struct daemon d = {.policy_path = policy_path,
	    .lock_fd = -1,
	    .started = now_mono()};
	struct err e;
	enum err_code rc = prepare(&d, &problems, &e);

	if (rc == ERR_NONE) {
		reload_note_loaded(&d);
		note_log(NOTE_INFO,
		    "site '%s', %zu services, policy digest %.16s, socket %s",
		    d.policy->site, d.policy->service_count, d.digest,
		    d.policy->socket);
		if (!keys_can_be_locked())
			note_log(NOTE_WARNING,
			    "keys cannot be locked into memory and may be "
			    "swapped out: raise the limit (LimitMEMLOCK)");
		loop_notify("READY=1");
		loop_turn_watch(d.loop, LONG_NS, on_long_turn, &d);
		exercise_resume(&d, "the daemon ended before it was clean");
		d.tests_gave_way = true; /* it may be; a tick looks */
		daemon_kick(&d);
		rc = loop_run(d.loop, &e);
	}
	if (problems.len_bytes > 0)
		fputs(buf_text(&problems), stderr);
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	end(&d);
	return rc == ERR_NONE ? EXITCODE_DONE : (int)exitcode_of(rc);
}
