#ifndef BASCULE_AUTHORITY_H
#define BASCULE_AUTHORITY_H

/*
 * At which site a service runs, as a pure state machine.
 *
 * A1. The epoch never falls, and an epoch has one owner.
 * A2. Writes are allowed at one site at most.
 * A3. Nothing but a grant gives a service its first site.
 *
 *	UNINITIALISED -grant-> PROTECTED(site) <-replication lost/back->
 *	UNPROTECTED(site);  both <-suspend/resume-> SUSPENDED
 *
 * The other states belong to live moves: records and the peer may name them, so
 * they have names here; no event of this machine leads into or out of them.
 */

#include <stdbool.h>
#include <stdint.h>

#include <bascule/base/err.h>

#define AUTHORITY_SITE_BYTES 64

enum authority_state {
	AUTHORITY_UNINITIALISED, /* policy loaded, no grant: writes nowhere */
	AUTHORITY_PROTECTED,     /* active, the other site follows */
	AUTHORITY_UNPROTECTED,   /* active, no usable standby */
	AUTHORITY_QUIESCED,
	AUTHORITY_MOVING,
	AUTHORITY_PROVISIONAL,
	AUTHORITY_HELD,
	AUTHORITY_CONTESTED,
	AUTHORITY_SUSPENDED /* maintenance: observed, nothing is done */
};
#define AUTHORITY_STATES 9

/* Plain memory; zeroed it is UNINITIALISED at epoch 0. */
struct authority {
	enum authority_state state;
	enum authority_state resumes_to; /* when SUSPENDED */
	char site[AUTHORITY_SITE_BYTES]; /* the active one; "" at first */
	uint64_t epoch;                  /* of the grant */
	uint64_t highest_seen;           /* anywhere; at least epoch */
};

enum authority_event_kind {
	AUTHORITY_GRANT, /* site, epoch */
	AUTHORITY_REPLICATION_LOST,
	AUTHORITY_REPLICATION_BACK,
	AUTHORITY_SUSPEND,
	AUTHORITY_RESUME,
	AUTHORITY_EPOCH_SEEN /* epoch: a peer, a record or a session named it */
};

struct authority_event {
	enum authority_event_kind kind;
	const char *site;
	uint64_t epoch;
};

/*
 * ERR_REFUSED: the event is not allowed in this state, ERR_BUSY: its epoch is
 * not above the highest seen; *to is *from then.  to may be from.
 */
enum err_code authority_next(const struct authority *from,
    const struct authority_event *ev, struct authority *to,
    struct err *e) MUST_CHECK;

/*
 * Take up what was recorded: *a, zeroed or an earlier record of the same
 * service, becomes *recorded.  ERR_CORRUPT: no such state can be, or the epoch
 * fell or changed its owner (A1); *a is as it was then.
 */
enum err_code authority_recall(struct authority *a,
    const struct authority *recorded, struct err *e) MUST_CHECK;

/*
 * May something that carries this epoch act (a hook, a session, a destructive
 * step)?  ERR_BUSY: it is below the highest seen, fenced.
 */
enum err_code authority_admit(const struct authority *a, uint64_t epoch,
    struct err *e) MUST_CHECK;

/* Does the state let the service write at that site? */
bool authority_may_write(const struct authority *a, const char *site);

/* "PROTECTED". */
const char *authority_state_name(enum authority_state s);
bool authority_state_find(const char *name, enum authority_state *s);

#endif
