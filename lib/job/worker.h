#ifndef JOB_WORKER_H
#define JOB_WORKER_H

/*
 * What the kinds of a worker share: docs/protocol/worker.md from the worker's
 * side.  A kind is one row of worker_kinds.c and a file worker_KIND.c.
 *
 * W1. After worker_intent returned ERR_NONE the intent is durable.
 * W2. A worker that was asked to stop, or whose daemon has gone, sees
 *     worker_is_cancelled; a kind ends soon after with ERR_CANCELLED.
 */

#include <signal.h>
#include <stdbool.h>

#include <bascule/base/defs.h>
#include <bascule/base/err.h>
#include <bascule/job.h>
#include <bascule/policy.h>
#include <bascule/wire.h>

struct heal_tally; /* store.h */
struct worker;

struct worker_kind {
	const char *name;
	/*
	 * Do it.  The kind may add fields to result; its state is "succeeded",
	 * or "partial" when worker_partial was called; a returned code makes
	 * it "failed", ERR_CANCELLED "cancelled".
	 */
	enum err_code (
	    *run)(struct worker *w, struct wire_value *result, struct err *e);
};

const struct worker_kind *worker_kinds_find(const char *name);

/* --- what it is asked --- */
const struct policy *worker_policy(const struct worker *w);
/* NULL for a job without one. */
const struct policy_service *worker_service(const struct worker *w);
const struct policy_site *worker_site(const struct worker *w); /* this one */
const char *worker_dataset(const struct worker *w);            /* NULL: all */
const char *worker_target(const struct worker *w); /* "site"; or NULL */
const char *worker_job(const struct worker *w);
/* The whole spec, for the kind's own fields. */
struct wire_value *worker_spec(struct worker *w);
/* Were all fields of the spec taken?  A kind calls it before it acts. */
enum err_code worker_asked(struct worker *w, struct err *e) MUST_CHECK;
bool worker_is_cancelled(const struct worker *w);
const volatile sig_atomic_t *worker_cancel(const struct worker *w);

/* --- what it says (from any thread) --- */
/* Send an event; takes *v. */
enum err_code worker_send(struct worker *w, struct wire_value **v,
    struct err *e) MUST_CHECK;
void worker_progress(struct worker *w, const struct job_progress *p,
    const char *what);
enum worker_level { WORKER_INFO, WORKER_WARNING, WORKER_ERROR };
void worker_log(struct worker *w, enum worker_level level, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* The result will be "partial"; the first reason stands. */
void worker_partial(struct worker *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* It cannot go on now: when it fails, that is called "waiting". */
void worker_waits(struct worker *w);
/* As job_watch.progress and .problem: ctx is the worker. */
bool worker_on_progress(void *ctx, const struct job_progress *p);
void worker_on_problem(void *ctx, const char *path, const char *reason);
/* What worker_on_progress says it is doing. */
void worker_doing(struct worker *w, const char *what);

/* --- written ahead --- */
/*
 * Record what will be done, fields added to *v (made with wire_new(&v,
 * "intent")); waits until it is durable.  *seq names it for the outcome.
 * ERR_IO: the ledger could not be written: do not act.  Takes *v.
 */
enum err_code worker_intent(struct worker *w, struct wire_value **v,
    uint64_t *seq, struct err *e) MUST_CHECK;
/* *v made with wire_new(&v, "outcome").  Waits as well. */
enum err_code worker_outcome(struct worker *w, struct wire_value **v,
    uint64_t seq, struct err *e) MUST_CHECK;

/* --- what it is told --- */
/*
 * The next line of the daemon that is no acknowledgement, the caller's; NULL
 * when timeout_ns went by or the worker was cancelled.
 */
struct wire_value *worker_next(struct worker *w, int64_t timeout_ns);
/* For poll(2): readable when worker_next has something, or on a cancel. */
int worker_wake_fd(const struct worker *w);

/* --- the repository of this site, with the policy's key --- */
struct worker_store {
	struct keyring *keys;
	struct store *st;
};
void worker_store_fini(struct worker_store *s);
enum err_code worker_store_open(struct worker_store *s, struct worker *w,
    enum store_access access, struct err *e) MUST_CHECK;
/* The same for what can be done without one: where the policy names none. */
enum err_code worker_store_open_any(struct worker_store *s, struct worker *w,
    enum store_access access, struct err *e) MUST_CHECK;

/* --- kinds --- */
extern const struct worker_kind worker_backup;
extern const struct worker_kind worker_replicate;
extern const struct worker_kind worker_verify;
extern const struct worker_kind worker_prune;
extern const struct worker_kind worker_survey;
extern const struct worker_kind worker_exercise;
extern const struct worker_kind worker_restore;
extern const struct worker_kind worker_bridge;
extern const struct worker_kind worker_heal;
/* Pure: is all well after the last leg?  ERR_CORRUPT says what is not. */
enum err_code worker_heal_judge(const struct heal_tally *t,
    struct err *e) MUST_CHECK;
extern const struct worker_kind worker_etcd;
extern const struct worker_kind worker_equal;
/* Reads a snapshot's root, which takes the key.  ERR_CORRUPT also: it is not
 * there. */
enum err_code worker_equal_root(struct store *st, const struct snapshot *s,
    struct err *e) MUST_CHECK;
extern const struct worker_kind worker_ready;
extern const struct worker_kind worker_move;

/* A backup of a service that is held still already: no hook is run. */
enum err_code worker_backup_held(struct worker *w, struct wire_value *result,
    struct err *e) MUST_CHECK;

#endif
