#ifndef DAEMON_LADDER_H
#define DAEMON_LADDER_H

/*
 * The assurance ladder: how far the copy of a service at a site is proved, each
 * rung with its date, run and digests, and whether it still stands.
 *
 * LA1. A rung stands as long as what it proved: another plan (datasets, steps,
 *      fences) or age makes it NEEDS VERIFY.  A record without a plan's digest
 *      is held against the policy's.
 * LA2. L7 takes a move to the site and one away from it, both committed.
 *
 * ladder_see and ladder_judge are pure; ladders_look feeds them from the
 * ledgers, once for each record.
 */

#include "daemon.h"
#include "ready.h"

#define LADDER_RUNGS     8
#define LADDER_RUN_BYTES 80

enum ladder_state {
	LADDER_NONE,
	LADDER_STANDS,
	LADDER_EXPIRED, /* too old */
	LADDER_CHANGED  /* it proved another plan */
};
/* "-", "stands", "NEEDS VERIFY (age)", ... */
const char *ladder_state_name(enum ladder_state s);
/* "configured", "ran", "copied", ... */
const char *ladder_rung_title(unsigned level);

struct ladder_proof {
	unsigned level;
	struct utc at;
	const char *run;  /* "" none */
	const char *plan; /* digests; "" not recorded */
	const char *policy;
};

struct ladder_rung {
	struct utc at; /* ns 0: never */
	char run[LADDER_RUN_BYTES];
	char plan[ID_HEX_BYTES], policy[ID_HEX_BYTES];
	enum ladder_state state; /* by ladder_judge */
	struct utc expires;      /* 0: never */
};

struct ladder {
	const struct policy_service *service;
	const char *site; /* of the copy */
	struct ladder_rung rungs[LADDER_RUNGS];
	struct ladder_rung there, back; /* moves to it and away from it */
	int level;                      /* highest that stands; -1 */
};

/* Something was proved: the newest of a rung counts. */
void ladder_see(struct ladder *l, const struct ladder_proof *p);
/* A move was committed, to the ladder's site (there) or away from it. */
void ladder_moved(struct ladder *l, bool there, const struct ladder_proof *p);
/* Against what is in force now. */
void ladder_judge(struct ladder *l, const char *plan, const char *policy,
    struct utc now);

/* --- of all services ------------------------------------------------------------ */

struct ladders; /* d->ladders */

/* Read what is new, here and in the copies, and judge.  Borrowed until the
 * next look or reload.  NULL: no such copy. */
const struct ladder *ladders_find(struct daemon *d, const char *service,
    const char *site);
/* All, in the order of services; *count of them. */
const struct ladder *ladders_look(struct daemon *d, size_t *count);
void ladders_stop(struct daemon *d);

/*
 * As both ledgers had it at an instant, judged by the policy that was in force
 * here then.  ERR_NOTFOUND: nothing was recorded by then, or no copy of that
 * policy is kept.
 */
enum err_code ladders_as_of(struct ladders **out, struct daemon *d,
    struct utc as_of, struct err *e) MUST_CHECK;
/* Borrowed from k; *count of them. */
const struct ladder *ladders_list(const struct ladders *k, size_t *count);
void ladders_free(struct ladders **k);

#endif
