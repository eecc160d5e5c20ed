#ifndef DAEMON_READY_H
#define DAEMON_READY_H

/*
 * Readiness: could a service come up at a site, now?  Measured by a worker
 * (docs/protocol/worker.md, kind "ready") when a policy is loaded, when a
 * service's first copy has come, every watch.readiness and when asked; each site
 * measures itself, and the other's results come with its records (type "ready").
 *
 * RD1. What is not known never passes: a value that was never measured, that is
 *      too old, or of a site that is silent, is READY_UNKNOWN.
 * RD2. Every value has its age and its source.
 * RD3. Measuring changes nothing, and never holds up a move.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/err.h>
#include <bascule/base/now.h>
#include <bascule/policy.h>

struct client;
struct daemon;
struct ready; /* d->ready */

#define READY_NAME_BYTES 65
#define READY_TEXT_BYTES 200
#define READY_FRESH_NS   (INT64_C(90) * 60 * NS_PER_S) /* of a clock */

enum ready_check {
	READY_TARGET_UP, /* its daemon: this one, or heard over the bridge */
	READY_CAPACITY,  /* for everything of tier 1 at once */
	READY_HOST_KEYS, /* a service's hosts there: answer, with pinned keys */
	READY_DNS_TTL,   /* a service's names: short enough */
	READY_CLOCK,     /* against the other site's */
	READY_KEY,       /* the site's key opens what is kept there: "canary" */
	READY_DRILL,     /* the escrow key was tried (key canary) */
	READY_BOX,       /* the battle box is young enough */
	READY_PROOF, /* a service's copy there is proved as the policy asks */
	READY_ETCD   /* has a quorum */
};
#define READY_CHECKS 10

enum ready_verdict {
	READY_UNKNOWN,
	READY_NOT,
	READY_OK,
	READY_NOT_NEEDED /* the policy asks for nothing of the kind */
};

struct ready_value {
	enum ready_check check;
	enum ready_verdict verdict;
	char site[READY_NAME_BYTES];
	char service[READY_NAME_BYTES]; /* "": of the site as a whole */
	char value[READY_TEXT_BYTES];   /* what was found, for people */
	char limit[READY_TEXT_BYTES];   /* what it is held against */
	char remedy[READY_TEXT_BYTES];  /* what would make it pass; "" */
	char source[48];                /* "this site", "record of southwark" */
	struct utc at;                  /* when it was measured; ns 0: never */
};

/* "capacity", "host-keys", ... */
const char *ready_check_name(enum ready_check c);
bool ready_check_find(const char *name, enum ready_check *out);
/* Is it of each service, rather than of the site? */
bool ready_check_is_of_service(enum ready_check c);
/* "OK", "NOT READY", "UNKNOWN", "not needed". */
const char *ready_verdict_name(enum ready_verdict v);
/* OK, or nothing is asked. */
bool ready_passes(const struct ready_value *v);

/*
 * One value, of a service that would come up at a site.  Always filled in.
 * For G08: FACT_TARGET_UP, _CAPACITY, _CLOCK, _HOST_KEYS, _DNS_TTL, and
 * FACT_CANARY from READY_KEY.
 */
void ready_of(struct daemon *d, const char *service, const char *site,
    enum ready_check check, struct ready_value *out);

/*
 * For G06: how far the copy of a service at a site is proved, by the assurance
 * ladder: the highest rung that still stands (not expired, no other plan), its
 * date and what proved it.  level -1: none, or not known.
 */
struct ready_proof {
	int level; /* 0 to 7 */
	struct utc at;
	char run[80];                /* of the job, exercise or move; "" */
	char text[READY_TEXT_BYTES]; /* "L4, 3d ago by job ...": for people */
};
void ready_proof_of(struct daemon *d, const char *service, const char *site,
    struct ready_proof *out);

/* Measure soon, whatever the time. */
void ready_kick(struct daemon *d);
/* A service's first complete point is here: its key can be tried. */
void ready_first_copy(struct daemon *d);
/* Was this site measured, well or not, since the policy was loaded? */
bool ready_was_tried(const struct daemon *d);

/* --- starting, stopping ----------------------------------------------------- */

enum err_code ready_start(struct daemon *d, struct err *e) MUST_CHECK;
void ready_stop(struct daemon *d);

#endif
