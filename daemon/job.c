/* Jobs: from being asked for to their outcome in the ledger. */

#include "daemon.h"
#include "moves.h"
#include "question.h"

#include <stdarg.h>
#include <string.h>

#include <bascule/base/exitcode.h>
#include <bascule/base/rand.h>
#include <bascule/base/text.h>

static const char *const state_names[] = {"queued", "running", "waiting",
    "retrying", "succeeded", "partial", "failed", "cancelled", "skipped",
    "unknown"};

const char *
job_state_name(enum job_state s)
{
	return state_names[s];
}

bool
job_state_of_name(const char *name, enum job_state *s)
{
	for (size_t i = 0; i < COUNT_OF(state_names); i++) {
		if (strcmp(state_names[i], name) == 0) {
			*s = (enum job_state)i;
			return true;
		}
	}
	return false;
}

bool
job_state_is_end(enum job_state s)
{
	return s >= JOB_SUCCEEDED;
}

/* --- making and ending ---------------------------------------------------- */

static void
free_actor(struct draft_actor *a)
{
	free((void *)(uintptr_t)a->name);
	free((void *)(uintptr_t)a->role);
	free((void *)(uintptr_t)a->council);
}

static void
free_own_plain(void **own)
{
	free_mem(own);
}

void *
job_own(struct job *j, size_t size_bytes, void (*free_own)(void **own))
{
	if (j->own == NULL) {
		j->own = calloc(1, size_bytes);
		j->own_free = free_own != NULL ? free_own : free_own_plain;
	}
	return j->own;
}

void
job_free(struct job **jp)
{
	struct job *j = TAKE(*jp);

	if (j == NULL)
		return;
	supervise_free(&j->worker);
	if (j->own != NULL)
		j->own_free(&j->own);
	question_free_all(j);
	free_actor(&j->actor);
	wire_free(&j->params);
	buf_fini(&j->log);
	free(j->service);
	free(j->dataset);
	free(j->site);
	free(j->trigger);
	free(j);
}

static enum err_code
copy(char **to, const char *text, struct err *e)
{
	*to = text == NULL ? NULL : strdup(text);
	return text != NULL && *to == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
copy_actor(struct job *j, const struct draft_actor *from, struct err *e)
{
	char *name = NULL, *role = NULL, *council = NULL;
	enum err_code rc;

	j->actor.uid = -1;
	if (from == NULL)
		return ERR_NONE;
	j->actor.uid = from->uid;
	rc = copy(&name, from->name, e);
	j->actor.name = name;
	if (rc == ERR_NONE)
		rc = copy(&role, from->role, e);
	j->actor.role = role;
	if (rc == ERR_NONE)
		rc = copy(&council, from->council, e);
	j->actor.council = council;
	return rc;
}

static void
name_job(struct job *j)
{
	uint8_t random[4];
	char stamp[NOW_TEXT_BYTES], hex[TEXT_HEX_BYTES(sizeof(random))];

	rand_bytes(random, sizeof(random));
	snprintf(j->id, sizeof(j->id), "%s-%s", now_stamp(j->queued, stamp),
	    text_hex(random, sizeof(random), hex));
}

static enum err_code
make(struct job **out, struct daemon *d, struct job_request *r, struct err *e)
{
	OWNED(job_free) struct job *j = calloc(1, sizeof(*j));
	enum err_code rc;

	*out = NULL;
	if (j == NULL)
		return err_nomem(e);
	j->d = d;
	j->kind = r->kind;
	j->params = TAKE(r->params);
	j->log.max_bytes = 2 * JOB_LOG_BYTES;
	j->queued = now_utc();
	if (r->id != NULL)
		snprintf(j->id, sizeof(j->id), "%s", r->id);
	else
		name_job(j);
	snprintf(j->run, sizeof(j->run), "%s", r->run != NULL ? r->run : "");
	rc = copy(&j->service, r->service, e);
	if (rc == ERR_NONE)
		rc = copy(&j->dataset, r->dataset, e);
	if (rc == ERR_NONE)
		rc = copy(&j->site, r->site, e);
	if (rc == ERR_NONE)
		rc = copy(&j->trigger, r->trigger, e);
	if (rc == ERR_NONE)
		rc = copy_actor(j, r->actor, e);
	if (rc == ERR_NONE)
		*out = TAKE(j);
	return rc;
}

struct job *
job_find(struct daemon *d, const char *id)
{
	for (struct job *j = d->jobs; j != NULL; j = j->next)
		if (strcmp(j->id, id) == 0)
			return j;
	return NULL;
}

static struct job *
find_number(struct daemon *d, uint64_t number)
{
	for (struct job *j = d->jobs; j != NULL; j = j->next)
		if (j->number == number)
			return j;
	return NULL;
}

static void
link_job(struct daemon *d, struct job *j)
{
	struct job **at = &d->jobs;

	while (*at != NULL)
		at = &(*at)->next;
	*at = j;
}

static void
unlink_job(struct job *j)
{
	struct job **at = &j->d->jobs;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
}

/* --- records -------------------------------------------------------------- */

enum err_code
job_draft(struct draft **out, const struct job *j, const char *type,
    struct err *e)
{
	enum err_code rc = note_draft(out, j->d, j->service, type, e);

	if (rc != ERR_NONE)
		return rc;
	/* What a part of a move records beside itself is the move's. */
	draft_run(*out,
	    j->run[0] != '\0' && strcmp(type, LEDGER_JOB) != 0 &&
		    strcmp(type, LEDGER_POINT) != 0
		? j->run
		: j->id);
	draft_dataset(*out, j->dataset);
	if (j->actor.uid >= 0)
		draft_actor(*out, &j->actor);
	return ERR_NONE;
}

static enum err_code
state_draft(struct draft **out, const struct job *j, struct err *e)
{
	enum err_code rc = job_draft(out, j, j->kind->ledger_type, e);

	if (rc != ERR_NONE)
		return rc;
	draft_text(*out, "kind", j->kind->name);
	draft_text(*out, "state", job_state_name(j->state));
	return ERR_NONE;
}

static enum err_code
note_queued(struct job *j, struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	enum err_code rc;

	if (j->kind->ledger_type == NULL)
		return ERR_NONE;
	rc = state_draft(&d, j, e);
	if (rc != ERR_NONE)
		return rc;
	draft_text(d, "reason", j->trigger);
	if (j->site != NULL)
		draft_text(d, daemon_job_pulls(j) ? "from_site" : "to_site",
		    j->site);
	return note_event(j->d, d, e);
}

static enum err_code
note_running(struct job *j, struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	enum err_code rc;

	if (j->kind->ledger_type == NULL)
		return ERR_NONE;
	rc = state_draft(&d, j, e);
	if (rc != ERR_NONE)
		return rc;
	draft_uint(d, "attempt", j->attempt);
	draft_text(d, "reason", j->trigger);
	if (j->kind->intend != NULL)
		j->kind->intend(j, d);
	return note_intent(j->d, d, j->intent, e);
}

static void
note_ended(struct job *j, struct wire_value *result)
{
	OWNED(draft_free) struct draft *d = NULL;
	struct err e;

	if (j->kind->ledger_type == NULL || j->intent[0] == '\0')
		return;
	if (state_draft(&d, j, &e) != ERR_NONE) {
		note_log(NOTE_ERROR, "job %s: %s", j->id, e.text);
		return;
	}
	draft_text(d, "reason", j->reason);
	draft_uint(d, "attempt", j->attempt);
	if (result != NULL) {
		draft_uint(d, "bytes", wire_take_uint(result, "bytes", 0));
		draft_uint(d, "new_bytes", j->new_bytes);
		draft_uint(d, "files", wire_take_uint(result, "files", 0));
		draft_text(d, "link", wire_take_text(result, "link", ""));
	}
	draft_text(d, "snapshot", j->snapshot);
	if (j->kind->conclude != NULL)
		j->kind->conclude(j, d);
	if (note_outcome(j->d, j->intent, d, &e) == ERR_NONE) {
		j->intent[0] = '\0';
		return;
	}
	note_log(NOTE_ERROR, "the outcome of job %s is not recorded: %s", j->id,
	    e.text);
}

/* One that ends without ever having run. */
static void
note_never_ran(struct job *j)
{
	OWNED(draft_free) struct draft *d = NULL;
	struct err e;

	if (j->kind->ledger_type == NULL)
		return;
	if (state_draft(&d, j, &e) == ERR_NONE) {
		draft_text(d, "reason", j->reason);
		if (note_event(j->d, d, &e) == ERR_NONE)
			return;
	}
	note_log(NOTE_ERROR, "job %s: %s", j->id, e.text);
}

/* --- asking --------------------------------------------------------------- */

static const struct schedule_task *
task_of(const struct job *j)
{
	char lane[160];

	tasks_lane(lane, j->kind->name, j->service, j->site);
	for (size_t i = 0; i < j->d->task_count; i++)
		if (strcmp(j->d->tasks[i].lane, lane) == 0)
			return schedule_task(j->d->schedule, i);
	return NULL;
}

/* Where the job stands in a schedule, apart from the tasks. */
void
job_ask_of(const struct job *j, struct schedule_ask *ask, char lane[160])
{
	const struct schedule_task *t = task_of(j);

	tasks_lane(lane, j->kind->name, j->service, j->site);
	*ask = (struct schedule_ask){
	    .task = SCHEDULE_NO_TASK,
	    .kind = j->kind->schedule,
	    .lane = lane,
	    .host = t != NULL ? t->host : "",
	    .link = t != NULL ? t->link : "",
	    .rpo_ns = t != NULL ? t->rpo_ns : 0,
	    .good = t != NULL ? t->good : (struct utc){0},
	    .backoff_ns = t != NULL ? t->backoff_ns : 30 * NS_PER_S,
	};
}

/* A replication is behind until it is done. */
static uint32_t
retries_of(const struct job *j)
{
	const struct schedule_task *t = task_of(j);

	if (j->kind->schedule == SCHEDULE_REPLICATE)
		return UINT32_MAX - 1;
	return t != NULL ? t->retries : 0;
}

/* What is backed up, or pushed, is this site's, and whole; a move's own jobs know. */
static enum err_code
check_place(struct daemon *d, const struct job_kind *kind,
    const struct daemon_service *s, struct err *e)
{
	const char *run = s->authority.run;

	if ((kind->schedule == SCHEDULE_BACKUP ||
		(kind->schedule == SCHEDULE_REPLICATE &&
		    daemon_pull_from(d, s) == NULL)) &&
	    !daemon_is_active(d, s))
		return err_set(e, ERR_REFUSED,
		    "service '%s' runs at site '%s', and this is '%s': ask the "
		    "daemon there",
		    s->policy->name, s->authority.site, d->policy->site);
	if (kind->schedule == SCHEDULE_BACKUP && !daemon_backs_up(d, s))
		return err_set(e, ERR_BUSY,
		    "service '%s' is being brought up here by move %s: it can "
		    "be backed up when its plan has ended ('bascule failover "
		    "show %s')",
		    s->policy->name, run, run);
	return ERR_NONE;
}

static enum err_code
check_request(struct daemon *d, const struct job_request *r, struct err *e)
{
	struct daemon_service *s;

	if (d->stopping)
		return err_set(e, ERR_BUSY, "the daemon is stopping");
	if (r->service == NULL)
		return ERR_NONE;
	s = daemon_service(d, r->service);
	if (s == NULL)
		return err_set(e, ERR_NOTFOUND, "there is no service '%s'",
		    r->service);
	if (r->dataset != NULL &&
	    policy_find_dataset(s->policy, r->dataset) == NULL)
		return err_set(e, ERR_NOTFOUND,
		    "service '%s' has no dataset '%s'", r->service, r->dataset);
	return r->run == NULL ? check_place(d, r->kind, s, e) : ERR_NONE;
}

enum err_code
job_ask(struct daemon *d, struct job_request *r, struct job **out,
    struct err *e)
{
	OWNED(job_free) struct job *j = NULL;
	struct schedule_ask ask;
	char lane[160];
	enum err_code rc = check_request(d, r, e);

	if (out != NULL)
		*out = NULL;
	if (rc == ERR_NONE)
		rc = make(&j, d, r, e);
	wire_free(&r->params);
	if (rc != ERR_NONE)
		return rc;
	job_ask_of(j, &ask, lane);
	ask.retries = r->once ? 0 : retries_of(j);
	rc = note_queued(j, e);
	if (rc == ERR_NONE)
		rc = schedule_ask(d->schedule, &ask, now_mono(), &j->number, e);
	if (rc != ERR_NONE)
		return rc;
	link_job(d, j);
	if (out != NULL)
		*out = j;
	transfers_look(j);
	job_touch(j);
	j = NULL;
	daemon_kick(d);
	return ERR_NONE;
}

/* --- the schedule's words --------------------------------------------------- */

enum err_code
job_fired(struct daemon *d, const struct schedule_action *a, struct err *e)
{
	const struct daemon_task *t = &d->tasks[a->task];
	OWNED(job_free) struct job *j = NULL;
	struct job_request r = {.kind = t->kind,
	    .service = t->service->name,
	    .site = t->site,
	    .trigger = "schedule"};
	enum err_code rc = ERR_NONE;

	if (t->kind->scheduled != NULL)
		rc = t->kind->scheduled(t, &r.params, e);
	if (rc == ERR_NONE)
		rc = make(&j, d, &r, e);
	wire_free(&r.params);
	if (rc != ERR_NONE)
		return rc;
	j->number = a->job;
	rc = note_queued(j, e);
	if (rc != ERR_NONE)
		return rc;
	link_job(d, j);
	transfers_look(j);
	job_touch(j);
	j = NULL;
	return ERR_NONE;
}

enum err_code
job_skipped(struct daemon *d, const struct schedule_action *a, struct err *e)
{
	const struct daemon_task *t = &d->tasks[a->task];
	OWNED(job_free) struct job *j = NULL;
	OWNED(draft_free) struct draft *draft = NULL;
	struct job_request r = {.kind = t->kind,
	    .service = t->service->name,
	    .site = t->site};
	enum err_code rc = make(&j, d, &r, e);

	if (rc == ERR_NONE) {
		j->state = JOB_SKIPPED;
		rc = job_draft(&draft, j, LEDGER_JOB, e);
	}
	if (rc != ERR_NONE)
		return rc;
	draft_text(draft, "kind", j->kind->name);
	draft_text(draft, "state", job_state_name(j->state));
	draft_text(draft, "reason", a->reason);
	draft_utc(draft, "due_ns", a->due);
	draft_uint(draft, "count", a->count);
	note_log(NOTE_INFO, "%s of %s skipped: %s", j->kind->name, j->service,
	    a->reason);
	return note_event(d, draft, e);
}

static enum err_code
spec_of(struct job *j, struct wire_value **out, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc =
	    daemon_spec(j->d, j->id, j->kind->name, j->attempt, &v, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", j->service);
	wire_add_text(v, "dataset", j->dataset);
	wire_add_text(v, "site", j->site);
	if (j->kind->prepare != NULL)
		rc = j->kind->prepare(j, v, e);
	if (rc == ERR_NONE)
		*out = TAKE(v);
	return rc;
}

static int64_t
timeout_of(const struct job *j)
{
	struct daemon_service *s =
	    j->service == NULL ? NULL : daemon_service(j->d, j->service);

	if (j->kind->schedule == SCHEDULE_BACKUP && s != NULL)
		return s->policy->backup.timeout_ns;
	if (j->kind->schedule == SCHEDULE_OTHER)
		return 600 * NS_PER_S;
	return 0; /* they bound their own steps, and may move terabytes */
}

static void end_unstarted(struct job *j, const char *why);

/* What was asked for, or failed and is tried again, before the service moved. */
static bool
is_out_of_place(struct daemon *d, const struct job *j, struct err *e)
{
	const struct daemon_service *s =
	    j->service == NULL ? NULL : daemon_service(d, j->service);

	return s != NULL && j->run[0] == '\0' &&
	    check_place(d, j->kind, s, e) != ERR_NONE;
}

void
job_start(struct daemon *d, const struct schedule_action *a)
{
	struct job *j = find_number(d, a->job);
	OWNED(wire_free) struct wire_value *spec = NULL;
	struct supervise_limits limits;
	struct err e;
	enum err_code rc;

	if (j == NULL) { /* could not be made: memory, or the ledger */
		schedule_ended(d->schedule, a->job, SCHEDULE_ENDED, now_mono(),
		    &limits.timeout_ns);
		return;
	}
	if (is_out_of_place(d, j, &e)) {
		schedule_ended(d->schedule, a->job, SCHEDULE_ENDED, now_mono(),
		    &limits.timeout_ns);
		end_unstarted(j, e.text);
		return;
	}
	j->attempt = a->attempt;
	j->state = JOB_RUNNING;
	j->reason[0] = '\0';
	j->started = now_utc();
	limits.timeout_ns = timeout_of(j);
	rc = note_running(j, &e);
	if (rc == ERR_NONE)
		rc = spec_of(j, &spec, &e);
	if (rc == ERR_NONE)
		rc = supervise_start(&j->worker, j, spec, &limits, &e);
	if (rc != ERR_NONE)
		job_ended(j, NULL, e.text);
	else
		job_touch(j);
}

/* --- the end -------------------------------------------------------------- */

static void
judge(struct job *j, struct wire_value *result, const char *died)
{
	enum job_state s = JOB_FAILED;

	j->exit_status = EXITCODE_FAILED;
	if (result != NULL) {
		job_state_of_name(wire_take_text(result, "state", "failed"),
		    &s);
		j->exit_status =
		    (int)wire_take_int(result, "exit", EXITCODE_FAILED);
		snprintf(j->reason, sizeof(j->reason), "%s",
		    wire_take_text(result, "reason", ""));
		j->done_bytes = wire_take_uint(result, "bytes", j->done_bytes);
		j->new_bytes = wire_take_uint(result, "new_bytes", 0);
		j->files_count =
		    wire_take_uint(result, "files", j->files_count);
	}
	if (died[0] != '\0') {
		s = j->cancelling ? JOB_CANCELLED : JOB_FAILED;
		snprintf(j->reason, sizeof(j->reason), "%s", died);
	} else if (j->cancelling && s == JOB_FAILED)
		s = JOB_CANCELLED;
	if (s == JOB_CANCELLED && !j->cancelling)
		s = JOB_FAILED; /* somebody else stopped it */
	if (s == JOB_CANCELLED) {
		j->exit_status = EXITCODE_FAILED;
		if (j->cancel_why[0] != '\0')
			memcpy(j->reason, j->cancel_why, sizeof(j->reason));
	}
	j->state = job_state_is_end(s) || s == JOB_WAITING ? s : JOB_FAILED;
}

static void
log_end(const struct job *j)
{
	note_log(j->state == JOB_FAILED || j->state == JOB_RETRYING
		? NOTE_WARNING
		: NOTE_INFO,
	    "%s of %s%s%s: %s%s%s", j->kind->name,
	    j->service != NULL ? j->service : "-",
	    j->site != NULL ? " to " : "", j->site != NULL ? j->site : "",
	    job_state_name(j->state), j->reason[0] != '\0' ? ": " : "",
	    j->reason);
}

static void
finish(struct job *j)
{
	struct daemon *d = j->d;

	if (j->kind->ledger_type != NULL)
		job_keep_log(j);
	transfers_forget(j);
	moveact_job_ended(d, j);
	unlink_job(j);
	job_touch(j);
	job_free(&j);
	daemon_job_gone(d);
}

/* It waited for its turn, and does not get it. */
static void
end_unstarted(struct job *j, const char *why)
{
	j->state = JOB_CANCELLED;
	j->exit_status = EXITCODE_FAILED;
	j->ended = now_utc();
	snprintf(j->reason, sizeof(j->reason), "%.500s", why);
	text_mend_end(j->reason);
	note_never_ran(j);
	log_end(j);
	finish(j);
}

static enum schedule_end
how_it_ended(const struct job *j)
{
	if (j->d->stopping)
		return SCHEDULE_ENDED;
	return j->state == JOB_WAITING ? SCHEDULE_WAITS
	    : j->state == JOB_FAILED   ? SCHEDULE_FAILED
				       : SCHEDULE_ENDED;
}

void
job_ended(struct job *j, struct wire_value *result, const char *died)
{
	struct daemon *d = j->d;
	int64_t wait_ns;
	bool again;

	question_free_all(j);
	judge(j, result, died);
	if (j->kind->finish != NULL)
		j->kind->finish(j, result);
	again = schedule_ended(d->schedule, j->number, how_it_ended(j),
	    now_mono(), &wait_ns);
	if (!again && j->state == JOB_WAITING) { /* somebody waits for it */
		j->state = JOB_FAILED;
		j->exit_status = EXITCODE_TRY_AGAIN;
	} else if (again && j->state != JOB_WAITING)
		j->state = JOB_RETRYING;
	j->ended = now_utc();
	note_ended(j, result);
	if (j->kind->ledger_type != NULL)
		log_end(j);
	if (j->kind->after != NULL)
		j->kind->after(j);
	if (again) {
		transfers_look(j);
		job_touch(j);
	} else {
		alarmjobs_ended(j);
		finish(j);
	}
	daemon_kick(d);
}

void
job_cancel(struct job *j, const char *why)
{
	if (!j->cancelling)
		snprintf(j->cancel_why, sizeof(j->cancel_why), "%s", why);
	j->cancelling = true;
	if (j->worker != NULL) {
		supervise_stop(j->worker, why);
		return;
	}
	if (!schedule_cancel(j->d->schedule, j->number))
		return;
	end_unstarted(j, j->cancel_why);
}

/* --- while it runs ---------------------------------------------------------- */

void
job_touch(struct job *j)
{
	api_job_changed(j->d, j);
}

void
job_log(struct job *j, const char *fmt, ...)
{
	char line[1200], when[NOW_TEXT_BYTES];
	int used;
	struct err e;
	va_list ap;

	used = snprintf(line, sizeof(line), "%s ", now_text(now_utc(), when));
	va_start(ap, fmt);
	vsnprintf(line + used, sizeof(line) - (size_t)used - 1, fmt, ap);
	va_end(ap);
	used = (int)strlen(line);
	line[used] = '\n';
	line[used + 1] = '\0';
	if (j->log.len_bytes + strlen(line) > 2 * JOB_LOG_BYTES) {
		size_t gone = j->log.len_bytes - JOB_LOG_BYTES;

		memmove(j->log.bytes, j->log.bytes + gone, JOB_LOG_BYTES);
		j->log.len_bytes = JOB_LOG_BYTES;
	}
	if (buf_add_text(&j->log, line, &e) != ERR_NONE)
		return; /* a log may have gaps */
}

enum err_code
job_tell(struct job *j, struct wire_value *line, struct err *e)
{
	if (j->worker == NULL)
		return err_set(e, ERR_BUSY, "job '%s' is not running", j->id);
	return supervise_tell(j->worker, line, e);
}
