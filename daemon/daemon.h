#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

/*
 * basculed: decides when, supervises, answers.  What its units share.
 *
 * D1. It is the only writer of its ledger; an intent is durable before the
 *     action, its outcome follows (job.c, note.c).
 * D2. It does no bulk I/O and holds no content key: workers do (supervise.c).
 * D3. A job ends exactly once in the ledger, also across a crash (recover.c).
 * D4. A reload that fails leaves everything as it was (reload.c).
 *
 * A job of any kind goes this way:
 *
 *	asked for (schedule, client, another job)     job_ask
 *	-> waits for its turn (schedule.c decides)    ledger: queued
 *	-> the kind's prepare fills the worker's spec ledger: intent, running
 *	-> worker; its events come to the kind        job_kind.on_event
 *	-> the kind's finish                          ledger: outcome
 *	   failed and attempts left: waits again      (state retrying)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/authority.h>
#include <bascule/base/buf.h>
#include <bascule/base/err.h>
#include <bascule/base/id.h>
#include <bascule/base/now.h>
#include <bascule/base/role.h>
#include <bascule/base/text.h>
#include <bascule/job.h>
#include <bascule/ledger.h>
#include <bascule/loop.h>
#include <bascule/policy.h>
#include <bascule/wire.h>

#include "alarm.h"
#include "schedule.h"
#include "sitewatch.h"

struct client;
struct daemon;
struct daemon_task;
struct etcd;
struct etcdmove;
struct job;
struct duties;
struct ladders;
struct moves;
struct peer;
struct request_book;
struct ready;
struct reload;
struct supervise;
struct tabletops;

#define JOB_ID_BYTES     48
#define JOB_REASON_BYTES 512
#define JOB_LOG_BYTES    ((size_t)64 << 10) /* of the log's tail */

/* --- kinds of jobs ---------------------------------------------------------- */

/*
 * One row a kind (job_kinds.c is the list).  Everything a kind does not need
 * is NULL.
 */
struct job_kind {
	const char *name; /* "backup": in the API and the ledger */
	const char
	    *ledger_type; /* LEDGER_JOB, or LEDGER_EXERCISE: see note.h */
	enum schedule_kind schedule;
	/* The params of a job that a task's own schedule fires. */
	enum err_code (*scheduled)(const struct daemon_task *t,
	    struct wire_value **params, struct err *e);
	/*
	 * Add what the worker needs to the spec (docs/protocol/worker.md has
	 * what every spec holds).  A failure fails the job before it starts.
	 */
	enum err_code (
	    *prepare)(struct job *j, struct wire_value *spec, struct err *e);
	/* Fields of its intent. */
	void (*intend)(const struct job *j, struct draft *d);
	/*
	 * A line of the worker that is not hello, progress, heartbeat, log,
	 * intent, outcome, ask or result.  False: the kind does not know it.
	 */
	bool (*on_event)(struct job *j, const char *type,
	    struct wire_value *event);
	/*
	 * The worker has ended; result is its last word, NULL when it died
	 * without one.  Set j->state and j->reason if they should differ from
	 * what the result says.  The outcome is written after this.
	 */
	void (*finish)(struct job *j, struct wire_value *result);
	/* Fields of its outcome, after finish. */
	void (*conclude)(const struct job *j, struct draft *d);
	/* After the outcome is durable: what follows from it. */
	void (*after)(struct job *j);
	/*
	 * At start: an open intent of this kind was found; add to reason what
	 * became of it.
	 */
	enum err_code (*recover)(struct daemon *d, const struct record *intent,
	    struct buf *reason, struct err *e);
};

const struct job_kind *job_kind_find(const char *name);
struct daemon_service;
/* Which site's copy heals this one's; NULL: none. */
const char *heal_source(const struct daemon *d, const struct daemon_service *s);

/* --- a job ------------------------------------------------------------------ */

enum job_state {
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_WAITING, /* running, and for a person (an ask is open); or not
	                running, and for a link */
	JOB_RETRYING,
	JOB_SUCCEEDED,
	JOB_PARTIAL,
	JOB_FAILED,
	JOB_CANCELLED,
	JOB_SKIPPED,
	JOB_UNKNOWN
};

const char *job_state_name(enum job_state s);
bool job_state_of_name(const char *name, enum job_state *s);
bool job_state_is_end(enum job_state s);

struct question;
struct question_word;

struct job {
	struct job *next;
	struct daemon *d;
	const struct job_kind *kind;
	uint64_t number;         /* the schedule's name for it */
	char id[JOB_ID_BYTES];   /* the ledger's run, and the API's */
	char run[JOB_ID_BYTES];  /* of the live move it is a part of; "" */
	char *service, *dataset; /* dataset NULL: all */
	char *site;              /* replicate: to which */
	char *trigger;           /* "schedule", "asked by ...", ... */
	struct wire_value
	    *params;              /* of the kind; goes into the spec; or NULL */
	struct draft_actor actor; /* its texts are the job's */
	enum job_state state;
	char reason[JOB_REASON_BYTES];
	int exit_status; /* for `run --wait`; see exitcode.h */
	unsigned attempt;
	struct utc queued, started, ended;
	struct mono heard; /* the worker's last line */
	bool stalled;      /* it has said nothing for too long */
	bool cancelling;   /* somebody wants it to end: why is next */
	char cancel_why[JOB_REASON_BYTES];
	/* how far */
	uint64_t files_count, done_bytes, total_bytes, new_bytes;
	char what[96];               /* the worker's own words: "documents" */
	struct buf log;              /* the tail: log lines and stderr */
	char snapshot[ID_HEX_BYTES]; /* the last one produced; "" */
	/* while running */
	char intent[LEDGER_INTENT_BYTES];
	struct supervise *worker;
	struct question *questions; /* the newest first: question.h */
	void *own;                  /* the kind's: job_own */
	void (*own_free)(void **own);
};

struct job_request {
	const struct job_kind *kind;
	const char *service, *dataset, *site; /* NULL: none */
	const char *trigger;
	struct wire_value *params;       /* taken, also on failure; or NULL */
	const struct draft_actor *actor; /* NULL: the daemon itself */
	bool once;       /* no retries: somebody waits for the answer */
	const char *run; /* of the live move that wants it, which knows whether
	                    it may; NULL: none */
	const char *id;  /* of a job that died, to finish it; NULL: a new one */
};

/*
 * Queue a job.  *out, which may be NULL: borrowed until it ends.
 * ERR_NOTFOUND: no such service or dataset; ERR_REFUSED: not at this site.
 */
enum err_code job_ask(struct daemon *d, struct job_request *request,
    struct job **out, struct err *e) MUST_CHECK;
/* Only those that have not ended; ended ones are in the ledger. */
struct job *job_find(struct daemon *d, const char *id);
/* Begin to end it: what waits is cancelled at once, what runs is told. */
void job_cancel(struct job *j, const char *why);
/* A line for the job's log. */
void job_log(struct job *j, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Something changed that watchers see. */
void job_touch(struct job *j);
/* A line of the kind's own to the worker's stdin. */
enum err_code job_tell(struct job *j, struct wire_value *line,
    struct err *e) MUST_CHECK;

/* Records of a job: chain of the service's owner, run, service, actor and
 * policy digest filled in. */
enum err_code job_draft(struct draft **out, const struct job *j,
    const char *type, struct err *e) MUST_CHECK;

/* --- the ledger (note.c) ----------------------------------------------------- */

/*
 * A draft for a service's chain (NULL: the shared one), the policy's digest
 * filled in.
 */
enum err_code note_draft(struct draft **out, struct daemon *d,
    const char *service, const char *type, struct err *e) MUST_CHECK;
/*
 * Append it, and wake whoever follows.  A ledger that cannot be written to is
 * told once (note_broken) and stops new jobs: nothing may happen unrecorded.
 */
enum err_code note_event(struct daemon *d, const struct draft *draft,
    struct err *e) MUST_CHECK;
enum err_code note_intent(struct daemon *d, const struct draft *draft,
    char intent[LEDGER_INTENT_BYTES], struct err *e) MUST_CHECK;
enum err_code note_outcome(struct daemon *d, const char *intent,
    const struct draft *draft, struct err *e) MUST_CHECK;

/* --- talking to people --------------------------------------------------------- */

enum note_level { NOTE_DEBUG, NOTE_INFO, NOTE_WARNING, NOTE_ERROR };
/* A line of the daemon's own log: stderr, with the journal's priorities. */
void note_log(enum note_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* --- clients (api.c) ------------------------------------------------------------ */

struct client_caller {
	uid_t uid;
	char name[64];  /* of the user */
	uint32_t roles; /* ROLE_BIT */
	char council[64];
	int64_t login_uid;   /* who logged in, sudo or not; -1: not known */
	char login_name[64]; /* of that account; "" not known */
	struct draft_actor actor; /* points into this */
};

/*
 * One row a command (api_table.c is the list).  run answers with client_reply
 * and client_last, now or later; a failure it returns is sent as the last
 * reply.
 */
struct api_command {
	const char *name; /* "exercise.start" */
	uint32_t roles;   /* one of these is needed */
	enum err_code (
	    *run)(struct client *c, struct wire_value *request, struct err *e);
};

struct daemon *client_daemon(struct client *c);
const struct client_caller *client_caller(const struct client *c);
/* What the request answers a job's question with, as the caller's word. */
struct question_word client_word(const struct client *c,
    struct wire_value *request);
/* Send a line; takes *v.  Faults end the connection. */
void client_reply(struct client *c, struct wire_value **v);
/* The same as the last one. */
void client_last(struct client *c, struct wire_value **v);
void client_fail(struct client *c, const struct err *why, int exit_status);
/* All fields were taken?  Call before acting on the request. */
enum err_code client_asked(struct wire_value *request,
    struct err *e) MUST_CHECK;

/*
 * A client that waits: fn is called when job (NULL: any job) changed, or
 * when records were appended, until the reply with client_last or its end.
 */
typedef void client_watch_fn(struct client *c, void *ctx, struct job *j);
void client_watch_jobs(struct client *c, const char *job_id,
    client_watch_fn *fn, void *ctx, void (*ctx_free)(void **ctx));
void client_watch_ledger(struct client *c, client_watch_fn *fn, void *ctx,
    void (*ctx_free)(void **ctx));

/* A job as the API shows it: type "job". */
enum err_code job_to_wire(const struct job *j, struct wire_value **out,
    struct err *e) MUST_CHECK;

/* --- the daemon ------------------------------------------------------------------- */

/* What is done for each of hundreds of services is done for so many in a turn of
 * the loop, or for as many as fit into that time; who asks for something is
 * answered between two turns. */
#define DAEMON_SLICE    16
#define DAEMON_SLICE_NS (NS_PER_S / 40)
#define DAEMON_TURN_NS  (NS_PER_S / 1000) /* until the next slice */

#define DAEMON_COPIES_MAX 8 /* of a service, whose RPO is watched from here */

/* What a row of the schedule is for. */
struct daemon_task {
	const struct job_kind *kind;
	const struct policy_service *service;
	size_t index;     /* of service->verify or ->exercises */
	const char *site; /* replicate: to which */
	char key[192], lane[160];
};

struct daemon_service {
	const struct policy_service *policy;
	char plan[ID_HEX_BYTES]; /* its digest */
	struct authority authority;
	struct utc good_at; /* of the newest complete point here; 0: none */
	struct utc backup_ended;          /* of the last one that succeeded */
	struct mono replicate_not_before; /* after one that got nowhere */
	struct mono pulled;               /* arrivals.c: the last one ended */
	bool backs_up; /* its backups are among the tasks: daemon_backs_up */
	struct utc pulled_for; /* the newest point that was there then */
	struct {               /* what fencing.c has told the copy */
		uint64_t seen, owned;
		struct mono again; /* not before, after a failure */
		bool failed;       /* and that was said */
	} fence;
	int state;              /* enum posture_rpo at the last look */
	struct utc state_since; /* 0: never looked */
	struct {
		int state; /* enum posture_rpo of policy->replicate.to[i] */
		bool is_known;
	} copies[DAEMON_COPIES_MAX];
};

/* What the approvers of a run should have seen, worked out just now: facts.c. */
struct facts_seen {
	char run[JOB_ID_BYTES], seen[ID_HEX_BYTES];
	uint64_t row; /* of the ledger */
	struct mono at;
	struct request_showing *showing; /* of many services: as far as it is */
};

/* Records behind from_row, up to seen_row, that no other site may leave unsigned
 * for long; grave_row: the newest there ever was. */
struct daemon_uncosigned {
	uint64_t from_row, seen_row, grave_row, grave_count;
	struct utc grave_since; /* the oldest; 0: none */
};

struct daemon {
	const char *policy_path;
	struct policy *policy;
	uint64_t policy_number;         /* grows with each that is taken */
	char digest[ID_HEX_BYTES];      /* of what both sites share */
	char *policy_snapshot;          /* file of the policy as loaded */
	char *policy_before;            /* of the one before it, or NULL */
	struct reload *reload;          /* loaded, not in force; or NULL */
	struct err reloaded;            /* what came of the last one */
	const struct policy_site *site; /* this one */
	struct loop *loop;
	struct ledger *ledger;
	struct sign_key *ledger_key;
	char acknowledge_key[HEAD_FINGERPRINT_BYTES];
	struct schedule *schedule;
	struct daemon_task *tasks; /* as the schedule's */
	size_t task_count;
	struct loop_timer *tick;
	struct daemon_service *services; /* as policy->services */
	struct job *jobs;                /* not ended */
	struct client *clients;
	struct links *links;
	struct watcher *watcher;
	struct loop_listener *listener;
	struct loop_timer *grew; /* the ledger did: tell who follows */
	struct loop_signal *signals[3];
	struct loop_timer *patience; /* while stopping */
	struct alarms *alarms;
	struct peer *peers;
	struct daemon_uncosigned uncosigned; /* cosigning.h */
	struct request_book *requests;       /* request.h */
	struct facts_seen facts_seen;
	struct etcd *etcd; /* NULL: not used */
	struct etcdmove *etcdmoves;
	struct tabletops *tabletops;
	struct moves *moves;
	struct sitewatch sitewatch;
	struct ready *ready;
	struct ladders *ladders;
	struct duties *duties;
	int lock_fd;
	struct mono looked; /* at the posture */
	size_t looks_at;    /* the next service of that look */
	struct mono stood;  /* a turn that took long was told; ns 0: none */
	int64_t stood_ns;   /* ... and how long */
	struct mono aged;   /* the repository */
	struct utc judged;  /* tasks_look_back */
	struct mono head_signed; /* one that is new */
	uint64_t head_number;
	char *site_name; /* for the ledger, which outlives policies */
	bool kicked, killed;
	bool stopping;
	bool ledger_broken;     /* nothing new is started */
	bool ledger_was_broken; /* and what ended then is not on record */
	bool tests_gave_way;    /* to a live move, and may not be cleaned up */
	struct mono started;
};

/* NULL: not in the policy. */
struct daemon_service *daemon_service(struct daemon *d, const char *name);
/* Is the service active at this site, as far as is known? */
bool daemon_is_active(const struct daemon *d, const struct daemon_service *s);
/* ... and whole, so that what a backup finds is worth keeping? */
bool daemon_backs_up(const struct daemon *d, const struct daemon_service *s);
/* Where its ith copy goes from here: away from home, home stands in for us. */
const char *daemon_copy_site(const struct daemon *d,
    const struct policy_service *s, size_t i);
/* The one of its two sites at which it does not run, by the register; "". */
const char *daemon_other_site(const struct daemon_service *s);
/* Ask for a replication to every site that lacks the newest point. */
/*
 * The active site's, from which this one is to fetch the service (replicate.pull):
 * NULL when it is not.
 */
const char *daemon_pull_from(const struct daemon *d,
    const struct daemon_service *s);
/* Is it that job that fetches?  Then its site is where from. */
bool daemon_job_pulls(const struct job *j);
void daemon_replicate(struct daemon *d, struct daemon_service *s,
    const char *trigger);
/* Look at the schedule soon: something changed. */
void daemon_kick(struct daemon *d);
/* Sign the ledger's head when the last time is a minute ago. */
void daemon_sign_head(struct daemon *d, struct mono now);
/* At once: the other site is to have it. */
void daemon_sign_now(struct daemon *d);
/* What every worker is told: docs/protocol/worker.md.  More is added to *out. */
enum err_code daemon_spec(const struct daemon *d, const char *job,
    const char *kind, unsigned attempt, struct wire_value **out,
    struct err *e) MUST_CHECK;

/* --- supervise.c: one running worker ------------------------------------------------ */

struct supervise_limits {
	int64_t timeout_ns; /* 0: none */
};

/* Start the worker of a job whose intent is durable. */
enum err_code supervise_start(struct supervise **out, struct job *j,
    struct wire_value *spec, const struct supervise_limits *limits,
    struct err *e) MUST_CHECK;
void supervise_free(struct supervise **s);
/* SIGTERM now, SIGKILL in a while. */
void supervise_stop(struct supervise *s, const char *why);
void supervise_kill(struct supervise *s);
pid_t supervise_pid(const struct supervise *s);
/* Of a worker that has said nothing for too long: why, as far as it is seen, and
 * what to type ("": nothing). */
struct supervise_silence {
	char why[160], type[32];
};
void supervise_silence(pid_t pid, struct supervise_silence *out);
enum err_code supervise_tell(struct supervise *s, struct wire_value *line,
    struct err *e) MUST_CHECK;

/* --- job.c, for supervise.c, daemon.c and reload.c ------------------------------------ */

/* The worker has ended; result NULL: without a last word. */
void job_ended(struct job *j, struct wire_value *result, const char *died);
/* The schedule fired, or says that it is the job's turn. */
enum err_code job_fired(struct daemon *d, const struct schedule_action *a,
    struct err *e) MUST_CHECK;
void job_start(struct daemon *d, const struct schedule_action *a);
enum err_code job_skipped(struct daemon *d, const struct schedule_action *a,
    struct err *e) MUST_CHECK;
/*
 * What a kind remembers of its job: as many bytes of zeroes, made when first
 * asked for; NULL: no memory.  They end with the job, by free, or by what is
 * given if more hangs on them.
 */
void *job_own(struct job *j, size_t size_bytes, void (*free_own)(void **own));
void job_free(struct job **j);
void job_ask_of(const struct job *j, struct schedule_ask *ask, char lane[160]);

/* --- joblog.c ---------------------------------------------------------------------------- */

void job_keep_log(const struct job *j);
enum err_code job_read_log(const struct daemon *d, const char *id,
    struct buf *out, struct err *e) MUST_CHECK;
void job_sweep_logs(const struct daemon *d);

/* --- tasks.c: from the policy to the schedule ------------------------------------------ */

/* Remember how old the newest record is: firings were judged until then.
 * Before a start or a reload writes anything. */
enum err_code tasks_look_back(struct daemon *d, struct err *e) MUST_CHECK;
enum err_code tasks_make(struct daemon *d, struct schedule **out,
    struct daemon_task **tasks, size_t *count, struct err *e) MUST_CHECK;
/* Those that were made just now are the daemon's. */
void tasks_in_force(struct daemon *d);
/* "backup housing", "replicate housing southwark". */
void tasks_lane(char lane[160], const char *kind, const char *service,
    const char *site);

/* --- exercise.c: isolated tests ----------------------------------------------------------- */

extern const struct job_kind exercise_kind;
extern const struct job_kind verify_kind; /* verifyjob.c */

/* One thing that happened in a run, for those who wait for it. */
struct exercise_said {
	struct utc at;
	bool is_step; /* else a state */
	char step[64], kind[16], state[24], reason[400];
};
/* What was said so far; what is newer comes behind. */
const struct exercise_said *exercise_said(const struct job *j, size_t *count);
/* "PASS", ...; "" when the run has no result. */
const char *exercise_result(const struct job *j);
const char *exercise_state(const struct job *j);
/* It died, and somebody cleans up after it under the same id. */
bool exercise_goes_on(const struct job *j);
/* The run that is not cleaned up and blocks new tests; "": none. */
enum err_code exercise_outstanding(struct daemon *d, char run[JOB_ID_BYTES],
    struct err *e) MUST_CHECK;
/* May the service be tested here, now?  ERR_REFUSED, ERR_NOTFOUND. */
enum err_code exercise_may_start(struct daemon *d, const char *service,
    struct err *e) MUST_CHECK;
enum err_code exercise_ask(struct daemon *d, struct job_request *r,
    struct job **out, struct err *e) MUST_CHECK;
/* What its records say that a run left, as a clean-up's worker gets it: field
 * `left` of spec. */
enum err_code exercise_left(struct daemon *d, const char *run,
    struct wire_value *spec, struct err *e) MUST_CHECK;
/* Clean up after a run.  *out may be NULL. */
enum err_code exercise_clean_up(struct daemon *d, const char *run,
    const char *service, const char *trigger, const struct draft_actor *actor,
    struct job **out, struct err *e) MUST_CHECK;
/* After a start, or a ledger that was full: clean up after what was interrupted,
 * why says by what. */
void exercise_resume(struct daemon *d, const char *why);
/* At every tick: what gave way to a live move is cleaned up when none is left. */
void exercise_release(struct daemon *d);

/* --- restores.c: those that people ask for ------------------------------------------------ */

extern const struct job_kind restore_kind;
/* Point, place and manner: from a request into a job's own, and into its spec. */
enum err_code restores_copy(struct wire_value *from, struct wire_value *to,
    struct err *e) MUST_CHECK;

/* --- recover.c --------------------------------------------------------------------------- */

/* Give every open intent its outcome. */
enum err_code recover_run(struct daemon *d, struct err *e) MUST_CHECK;

/* --- links.c ------------------------------------------------------------------------------ */

/* Also after a reload: what was known of links that stay is kept. */
enum err_code links_start(struct daemon *d, struct err *e) MUST_CHECK;
void links_stop(struct daemon *d);
/* One "link" message each. */
void links_tell(const struct daemon *d, struct client *c);
/* What carried a replication, by leg, into v; nothing for other jobs. */
enum err_code links_tell_legs(const struct daemon *d, const char *job,
    struct wire_value *v, struct err *e) MUST_CHECK;
size_t links_down_count(const struct daemon *d);
/* Nothing of that site answers, on any link. */
bool links_is_silent(const struct daemon *d, const char *site);

/* --- transfers.c: replications and the links they use ---------------------------------------- */

/* A replication starts: its route into the worker's spec, if there is one. */
enum err_code transfers_begin(struct job *j, struct wire_value *spec,
    struct err *e) MUST_CHECK;
/* As job_kind.on_event. */
bool transfers_event(struct job *j, const char *type, struct wire_value *ev);
/* Its worker has ended; died "": with a last word. */
void transfers_ended(struct job *j, const char *died);
/* What went over which link, as fields of its outcome. */
void transfers_conclude(const struct job *j, struct draft *d);
void transfers_forget(const struct job *j);
/* One that does not run: does it wait for a link? */
void transfers_look(struct job *j);

/* --- surveys.c: what lies in this site's repository ----------------------------------------- */

extern const struct job_kind survey_kind;

/* --- watcher.c: points that appear in this site's repository -------------------------------- */

enum err_code watcher_start(struct daemon *d, struct err *e) MUST_CHECK;
void watcher_stop(struct daemon *d);
/* Why the repository could not be looked at last time; "". */
const char *watcher_trouble(const struct daemon *d, const char *service);
void watcher_looked(struct daemon *d, const char *service, const char *trouble);

/* --- posture.c ---------------------------------------------------------------------------------- */

enum posture_rpo {
	POSTURE_OK,
	POSTURE_AT_RISK,
	POSTURE_BREACHED,
	POSTURE_UNKNOWN
};

struct posture_input {
	int64_t rpo_ns;
	struct utc point; /* ns 0: none */
	bool readable;    /* the repository could be looked at */
	struct utc next;  /* when the next point should be here; 0: not known */
};

/* Pure.  *breaks: when the RPO breaks if no point comes; 0: it has. */
enum posture_rpo posture_judge(const struct posture_input *in, struct utc now,
    struct utc *breaks);
/*
 * When the first point after `point` should have arrived, when that takes
 * takes_ns from a firing on; one that may still be on its way is waited for.
 */
struct utc posture_arrival(const struct due *due, int64_t takes_ns,
    struct utc point, struct utc now);
const char *posture_name(enum posture_rpo p);

/* One "service" message; *behind: it counts as behind its RPO. */
enum err_code posture_to_wire(struct daemon *d, struct daemon_service *s,
    struct wire_value **out, bool *behind, struct err *e) MUST_CHECK;
/* Read again what is known of the service's points here. */
enum err_code posture_refresh(struct daemon *d, struct daemon_service *s,
    struct err *e) MUST_CHECK;

/* --- api.c ------------------------------------------------------------------------------------------ */

enum err_code api_start(struct daemon *d, struct err *e) MUST_CHECK;
void api_stop(struct daemon *d);
/* No new connections and requests; what is being answered goes on. */
void api_deafen(struct daemon *d);
void api_job_changed(struct daemon *d, struct job *j);
void api_ledger_grew(struct daemon *d);
const struct api_command *api_table_find(const char *name);

/* --- register.c: at which site each service runs ----------------------------------------------------- */

/*
 * Services without an authority get the recorded one; where none is recorded,
 * their home is granted it, and that is recorded.  p and services go together;
 * digest is p's.
 */
enum err_code register_settle(struct daemon *d, const struct policy *p,
    const char *digest, struct daemon_service *services,
    struct err *e) MUST_CHECK;
/* Record what has become of its standby since. */
void register_look(struct daemon *d, struct daemon_service *s);
/*
 * authority_next, recorded (R1); what hangs on who is active follows.  Nothing
 * is recorded when nothing changes.
 */
enum err_code register_change(struct daemon *d, struct daemon_service *s,
    const struct authority_event *ev, const char *reason,
    struct err *e) MUST_CHECK;
/* At a start, before anything is heard. */
void register_quarantine(struct daemon *d, struct daemon_service *services);

/* --- reload.c --------------------------------------------------------------------------------------- */

/* policy_load, and the problems as lines. */
enum err_code reload_load(struct policy **out, const char *path,
    struct buf *problems, struct err *e) MUST_CHECK;
/*
 * At the start: load, lock the state directory, make the copy for workers and
 * the digest.
 */
enum err_code reload_policy(struct daemon *d, struct buf *problems,
    struct err *e) MUST_CHECK;
/*
 * While running: load it, beside the one in force.  A later turn takes it into
 * force: until then d->reload is not NULL, then d->reloaded says what came of it.
 * What fails, here or there, is recorded as refused.
 */
enum err_code reload_begin(struct daemon *d, struct err *e) MUST_CHECK;
/* What is loaded and not in force is forgotten. */
void reload_stop(struct daemon *d);
void reload_note_loaded(struct daemon *d);
/* The policy that was in force here at an instant, from its copy, and its
 * digest.  ERR_NOTFOUND: nothing was loaded by then, or no copy is kept. */
enum err_code reload_policy_then(struct daemon *d, struct utc as_of,
    struct policy **out, char digest[ID_HEX_BYTES], struct err *e) MUST_CHECK;
/* Who is active, or backed up, has changed: other tasks. */
enum err_code reload_tasks(struct daemon *d, struct err *e) MUST_CHECK;

/* --- daemon.c --------------------------------------------------------------------------------------- */

/* One daemon a state directory: ERR_BUSY. */
enum err_code daemon_lock(struct daemon *d, const char *state,
    struct err *e) MUST_CHECK;
/* A job is gone from the list: perhaps the last one before the end. */
void daemon_job_gone(struct daemon *d);
/* Until it is told to stop; the exit code. */
int daemon_run(const char *policy_path);

#endif
