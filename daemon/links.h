#ifndef DAEMON_LINKS_H
#define DAEMON_LINKS_H

/*
 * What links.c (probes), transfers.c (who uses which link, and how much of it)
 * and linksay.c (what is told of them) share: the shell around chooser.h and
 * budget.h.
 */

#include "budget.h"
#include "chooser.h"
#include "daemon.h"

#define LINKS_NAME_BYTES 65 /* as the policy limits names, and the NUL */

struct links;

struct watched {
	struct links *links;
	size_t index;                   /* in links->chooser, too */
	char name[LINKS_NAME_BYTES];    /* outlives the policy */
	const struct policy_link *link; /* NULL: directly, without a link */
	const struct policy_site *other;
	const char *address;
	struct loop_timer *timer;
	struct loop_dial *dial;
	char probed[128]; /* why the last probe failed; "": it did not */
	/* the last failure, of a probe or a transfer; ns 0: none */
	char error[256];
	struct utc failed;
	/* the rate now, and the next instant to look at it */
	uint64_t rate;
	struct utc until; /* when it changes; 0: not within days */
	struct utc judged;
};

/* A replication that runs, or has run and will again. */
struct transfer {
	struct transfer *next;
	struct job *job;
	uint64_t id;   /* the chooser's user */
	size_t link;   /* index; CHOOSER_NONE: told to end */
	uint64_t told; /* its share, bytes a second; 0: none yet */
	uint64_t want; /* budget_want, at the last look */
	/* the leg under way */
	char leg_link[LINKS_NAME_BYTES]; /* "": none */
	struct utc leg_from, leg_at;     /* when leg_bytes were heard of */
	uint64_t leg_bytes;
	/* since the last look */
	uint64_t moved_bytes;
	/* all its legs, by link */
	struct {
		char link[LINKS_NAME_BYTES];
		uint64_t bytes;
	} carried[8];
	size_t carried_count;
};

struct links {
	struct daemon *d;
	struct watched *items;
	struct chooser chooser;
	struct chooser_action actions[CHOOSER_ACTIONS_MAX];
	struct transfer *transfers;
	uint64_t last_id;
	struct loop_timer *deal;
	struct mono dealt;
};

struct chooser_now links_clock(void);
/* Tell the chooser, and do what it says. */
void links_happened(struct links *ls, const struct chooser_event *ev);
/* A line of what it says about links; transfers.c does the rest. */
void links_changed(struct watched *w, enum linkstate_is was);
void links_failed(struct watched *w, const char *error);
/* Look at the windows: what is in force, and until when. */
void links_judge(struct watched *w, struct utc now);
/* Is a link to that site up (or none needed)? */
bool links_has_way(const struct daemon *d, const char *site);
/* The earliest instant at which something may go there: now, or when a link
 * could be up again. */
struct utc links_ready(const struct daemon *d, const char *site,
    struct utc now);
/* "virgin is down since ..., bt ..." Returns out. */
const char *links_why_none(const struct daemon *d, const char *site,
    char out[JOB_REASON_BYTES]);

/* --- transfers.c ----------------------------------------------------------- */

/* After links were made anew: everybody finds a place. */
void transfers_resettle(struct links *ls);
void transfers_do(struct links *ls, const struct chooser_action *a);
void transfers_free(struct links *ls);
/* Timer: deal out shares, tell what changed. */
void transfers_deal(void *ctx);
/* Replications that do not run, and the schedule: may they? */
void transfers_hold(struct daemon *d);

#endif
