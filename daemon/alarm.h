#ifndef DAEMON_ALARM_H
#define DAEMON_ALARM_H

/*
 * Alarms: something is wrong, until it is no longer.
 *
 *	alarm_raise(d, &(struct alarm_what){.on = POLICY_ON_SUSPECT,
 *	    .level = ALARM_CRITICAL, .service = "housing",
 *	    .subject = "documents", .text = "..."});
 *	...
 *	alarm_clear(d, POLICY_ON_SUSPECT, "housing", "documents", "...");
 *
 * Kind, service and subject together name an alarm: raising one that stands
 * says the same thing again and tells nobody twice; one that became worse is
 * told anew.  Everything is recorded, shown by `bascule status`, told to the
 * journal and to the policy's programs, and repeated until somebody
 * acknowledges it.
 *
 * Called from the daemon's loop, at any time after the ledger is open.  What
 * cannot be recorded is said in the daemon's log.
 */

#include <stdbool.h>

#include <bascule/base/err.h>
#include <bascule/base/now.h>
#include <bascule/policy.h>

struct daemon;
struct draft_actor;

#define ALARM_TROUBLE_BYTES 512

enum alarm_level {
	ALARM_NOTICE,  /* somebody should know */
	ALARM_WARNING, /* it will be bad if nobody does anything */
	ALARM_CRITICAL /* it is bad */
};

struct alarm_what {
	enum policy_alert_on on;
	enum alarm_level level;
	const char *service; /* NULL: none */
	const char *subject; /* a site, link, dataset, ...; NULL: none */
	const char *text;    /* a sentence for people, lower case */
	bool moment;         /* it happened: nothing ends it but being
	                        acknowledged; alarm_clear is never called */
	bool news;           /* nothing is wrong: told once, to whoever asks
	                        for it, and over */
	const char *run;     /* of its records; NULL: none */
};

void alarm_raise(struct daemon *d, const struct alarm_what *what);
/* The condition has ended, says text.  Where none stands nothing happens. */
void alarm_clear(struct daemon *d, enum policy_alert_on on, const char *service,
    const char *subject, const char *text);
/*
 * Somebody has seen it; durable when it returns ERR_NONE.  ERR_NOTFOUND: no
 * such alarm; ERR_EXISTS: somebody had before.
 */
enum err_code alarm_acknowledge(struct daemon *d, uint64_t number,
    const char *reason, const struct draft_actor *actor,
    struct err *e) MUST_CHECK;

/* Each that stands now; texts borrowed for the call, "" where there is none. */
typedef void alarm_each_fn(void *ctx, const struct alarm_what *what,
    struct utc raised);
void alarm_each_standing(const struct daemon *d, alarm_each_fn *fn, void *ctx);

/* What was recorded before this start; before anything is raised. */
enum err_code alarm_start(struct daemon *d, struct err *e) MUST_CHECK;
/* Another policy is in force. */
void alarm_reload(struct daemon *d);
/* Now and then: record what could not be. */
void alarm_look(struct daemon *d);
/* A program that tells alarms fails: which and why; "". */
const char *alarm_trouble(const struct daemon *d,
    char out[ALARM_TROUBLE_BYTES]);
/* At the end of the daemon: what is being told is dropped; the next start
 * tells it. */
void alarm_stop(struct daemon *d);

/* --- alarmjobs.c: what a job's end says ------------------------------------ */

struct job;
/* After its outcome is durable: raise and clear what follows from it. */
void alarmjobs_ended(const struct job *j);

#endif
