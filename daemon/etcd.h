#ifndef DAEMON_ETCD_H
#define DAEMON_ETCD_H

/*
 * The register of authority in an etcd cluster, for authority = "etcd".
 *
 * One child, a worker of the kind "etcd" (docs/protocol/worker.md), does all
 * talking: it keeps this site's lease alive, looks at the cluster a few times
 * a minute, and swaps registers when asked to.  The daemon never waits for it:
 * what it has seen is kept here with its age, and answers come to a callback.
 *
 * ET1. A register changes there only from what it was read to be a moment
 *      before (compare-and-swap on its revision), and never to a lower epoch.
 * ET2. What may have been asked and cannot be read back is ETCD_UNKNOWN, never
 *      taken for a failure.  Asking the same again is safe: it is done once.
 * ET3. Silence of the cluster changes nothing here: moves are refused, and what
 *      runs goes on running.
 * ET4. A lease is evidence of life and nothing else: never a fence.
 *
 *	no child -start-> talking -it dies-> no child (a second later again);
 *	what was being asked then is ETCD_UNKNOWN
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/err.h>
#include <bascule/base/now.h>

struct authority; /* authority.h */
struct daemon;
struct etcd; /* d->etcd */

#define ETCD_NAME_BYTES  65
#define ETCD_MEMBERS_MAX 9
#define ETCD_LIVES_MAX   8

/* What is kept at /bascule/authority/SERVICE.  Plain memory. */
struct etcd_register {
	uint64_t epoch;              /* 0: there is none */
	char state[24];              /* "MOVING", ... */
	char owner[ETCD_NAME_BYTES]; /* of the epoch */
	char from[ETCD_NAME_BYTES];  /* while MOVING; "" */
	char run[80];                /* that did it; "" */
	char site[ETCD_NAME_BYTES];  /* that wrote it */
};

enum etcd_verdict {
	ETCD_DONE,    /* it is there as asked: read back */
	ETCD_LOST,    /* it is something else, read back, and will not become
	                 what was asked: *now says what it is */
	ETCD_REFUSED, /* nothing was asked of it: no quorum, or nobody there */
	ETCD_UNKNOWN, /* it may be there, or yet come: HELD, or ask again */
	ETCD_PENDING  /* etcdmove_ask only: come again, the tick is kicked */
};
const char *etcd_verdict_name(enum etcd_verdict v); /* "done" */

/* Once for each question.  now: NULL when it was not read.  text: "" when
 * done; else what happened and what to do, for people. */
typedef void etcd_fn(void *ctx, enum etcd_verdict v,
    const struct etcd_register *now, const char *text);

/* Does the policy say authority = "etcd"?  Everything else needs that. */
bool etcd_is_used(const struct daemon *d);

/*
 * Change the register of a service from from_epoch (0: there is none yet) to
 * *to, whose epoch is higher; or the same epoch and owner, for another state.
 * Already so (epoch, owner and run): ETCD_DONE.  fn is called later, never from
 * inside.  ERR_INPUT: such a step is not allowed; ERR_BUSY: too many questions.
 */
enum err_code etcd_move(struct daemon *d, const char *service,
    uint64_t from_epoch, const struct etcd_register *to, etcd_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;
/* What it is now: ETCD_DONE with *now (epoch 0: none), else ETCD_REFUSED. */
enum err_code etcd_read(struct daemon *d, const char *service, etcd_fn *fn,
    void *ctx, struct err *e) MUST_CHECK;
/* Is a change of that service's register being asked for? */
bool etcd_is_asked(const struct daemon *d, const char *service);
/* Nothing is called with that ctx any more. */
void etcd_forget(struct daemon *d, const void *ctx);

/* --- what was seen last ------------------------------------------------------- */

struct etcd_member {
	char name[ETCD_NAME_BYTES], address[256];
	bool answers, is_leader;
	char error[160]; /* when it does not answer */
	struct utc at;   /* it was looked at; one after the other is */
};

/* A datacentre's daemon whose lease lives. */
struct etcd_life {
	char site[ETCD_NAME_BYTES];
	struct utc since; /* its clock, at its start */
};

struct etcd_seen {
	struct utc at;      /* the last look; 0: none yet */
	struct mono mono;   /* the same, for its age */
	bool has_quorum;    /* a linearizable read was answered */
	struct utc read_at; /* the last time that it was; 0: never */
	char trouble[768];  /* why not, for people; "" */
	struct etcd_member members[ETCD_MEMBERS_MAX];
	size_t member_count;
	struct etcd_life lives[ETCD_LIVES_MAX]; /* as of read_at */
	size_t life_count;
};

/* Borrowed, until the next turn of the loop; NULL when etcd is not used. */
const struct etcd_seen *etcd_seen(const struct daemon *d);
/*
 * The register as of seen->read_at.  False: none was ever read; else
 * out->epoch 0: there is none there.
 */
bool etcd_register_seen(const struct daemon *d, const char *service,
    struct etcd_register *out, struct utc *read_at);
/* Is that site's lease alive, as of seen->read_at? */
bool etcd_is_alive(const struct daemon *d, const char *site);

/* --- etcdown.c: what this site owns, kept up to date there ------------------------ */

/* A register as etcd keeps it, written by this site. */
void etcdown_register(const struct daemon *d, const struct authority *a,
    struct etcd_register *out);
/* After a look that had a quorum. */
void etcd_write_own(struct daemon *d);

/* --- etcdmove.c: for those who look again and again -------------------------------- */

/*
 * The change of a register as a question that is put until it is answered: the
 * first call asks (ETCD_PENDING), later ones with the same service, epoch, owner
 * and run say what came of it, once; then it would be asked anew.  An answer
 * that is unknown is looked into until it is known, and after a minute said to
 * be unknown meanwhile.  Where etcd is not used: ETCD_DONE.  text: for people,
 * "" when done.
 */
enum etcd_verdict etcdmove_ask(struct daemon *d, const char *service,
    uint64_t from_epoch, const struct etcd_register *to,
    char text[ERR_TEXT_BYTES]);
/*
 * Was a change asked for that run of which nobody knows yet what came of it, or
 * which no look has shown yet?  It is looked into.
 */
bool etcdmove_is_open(struct daemon *d, const char *service, const char *run);
/* Is etcd used, and does no majority of it answer (as of the last look)? */
bool etcdmove_quorum_lost(const struct daemon *d);
/*
 * The register as another site's would be heard: *out, for authority_hear.
 * False: etcd is not used, has no register of it, or none that means anything,
 * or was not read in the last minute.
 */
bool etcdmove_heard(const struct daemon *d, const char *service,
    struct authority *out);
/* Did a majority of etcd just now know no lease of that site's daemon? */
bool etcdmove_lease_is_out(const struct daemon *d, const char *site);
void etcdmove_stop(struct daemon *d);

/* --- starting, stopping ---------------------------------------------------------- */

/* Does nothing where etcd is not used.  Again after a reload. */
enum err_code etcd_start(struct daemon *d, struct err *e) MUST_CHECK;
void etcd_stop(struct daemon *d);

#endif
