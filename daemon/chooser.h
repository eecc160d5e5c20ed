#ifndef DAEMON_CHOOSER_H
#define DAEMON_CHOOSER_H

/*
 * Which link a transfer takes: a pure state machine, (state, event, now) ->
 * (state', actions).  It reads no clock and allocates nothing.
 *
 * CH1. A user is only ever sent over a link to its site that is up.
 * CH2. After every event each user is on such a link; one for whom there is
 *      none is told to wait or to give up, and is a user no more.
 * CH3. A link on which a transfer broke is barred until it has answered
 *      up_after probes in a row.  Nobody is on a link while a more preferred
 *      one is up and not barred; nobody leaves what works for less than that.
 * CH4. A user never goes round in a circle: a link on which it broke is not
 *      tried again before bytes have moved on another, or it is no more
 *      barred.  When every link that is up has been tried it gives up (its
 *      caller backs off).
 * CH5. Probes that fail while bytes move speak of a full link, not of a dead
 *      one: they do not count.
 *
 *	     probes: see linkstate.h        a transfer breaks
 *	DOWN <------------------> UP  ----------------------------> UP, barred
 *	                           ^-- up_after answers in a row ----'
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/now.h>

#include "linkstate.h"

#define CHOOSER_LINKS_MAX 64
#define CHOOSER_USERS_MAX 256
#define CHOOSER_NONE      SIZE_MAX
#define CHOOSER_MOVED_NS  (3 * NS_PER_S) /* CH5: this fresh is "while" */

struct chooser_now {
	struct utc utc;   /* for what is shown */
	struct mono mono; /* for what is decided */
};

/* A figure that was measured, smoothed, and when; value 0: never. */
struct chooser_measure {
	uint64_t value;
	struct utc at;
};

struct chooser_link {
	/* set by the caller, before the first event */
	size_t site;         /* to which: the caller's number for it */
	uint32_t preference; /* the lowest first; among equals by place */
	struct linkstate_rule rule;
	bool is_unprobed; /* nobody can say: it counts as up */
	/* the chooser's */
	struct linkstate state;
	bool is_barred;
	uint32_t answers_count; /* in a row, since it was barred */
	struct mono broke;      /* when it was barred */
	struct mono moved;      /* bytes went over it */
	struct chooser_measure round_trip_ns, bytes_per_s;
	/* of the measurement under way */
	struct mono from;
	uint64_t bytes;
};

/* A transfer. */
struct chooser_user {
	uint64_t id, site;
	size_t link;    /* index */
	uint64_t tried; /* one bit a link: it broke there (CH4) */
};

struct chooser {
	struct chooser_link links[CHOOSER_LINKS_MAX];
	size_t link_count;
	struct chooser_user users[CHOOSER_USERS_MAX];
	size_t user_count;
};

enum chooser_what {
	CHOOSER_PROBED, /* link, answered, round_trip_ns */
	CHOOSER_BEGAN,  /* user, site: wants a link; link: the one it is on,
	                   when it was begun before; else CHOOSER_NONE */
	CHOOSER_MOVED,  /* user, link, bytes: that many more went over it */
	CHOOSER_BROKE,  /* user, link: it failed or stalled there */
	CHOOSER_ENDED   /* user */
};

struct chooser_event {
	enum chooser_what what;
	size_t link;
	uint64_t user;
	size_t site;
	bool answered;
	int64_t round_trip_ns;
	uint64_t bytes;
};

enum chooser_verb {
	CHOOSER_CHANGED, /* link went up or down: was */
	CHOOSER_USE,     /* user, link: from now on */
	CHOOSER_WAIT,    /* user: no link is up */
	CHOOSER_GIVE_UP  /* user: it broke on every link that is up */
};

struct chooser_action {
	enum chooser_verb verb;
	size_t link;
	uint64_t user;
	enum linkstate_is was;
};

#define CHOOSER_ACTIONS_MAX (CHOOSER_USERS_MAX + 1)

/* *actions: what to do, in order.  Their number.  An event about a user or a
 * link that is not known changes nothing. */
size_t chooser_next(struct chooser *c, const struct chooser_event *ev,
    struct chooser_now now, struct chooser_action actions[CHOOSER_ACTIONS_MAX]);

/* The link a new user to that site would get; CHOOSER_NONE. */
size_t chooser_pick(const struct chooser *c, size_t site);
bool chooser_is_up(const struct chooser_link *l);
const struct chooser_user *chooser_user(const struct chooser *c, uint64_t id);

#endif
