#ifndef DAEMON_ARRIVALS_H
#define DAEMON_ARRIVALS_H

/*
 * Copies that are fetched (replicate.pull).  The copy's site decides when; the
 * active one learns of what arrived there from that site's ledger, of which it
 * keeps a proved copy.
 */

#include "peer.h"

/*
 * At the copy's site: has the active one a newer point, as its ledger says?
 * Where that is not heard: was the last time long enough ago?
 */
bool arrivals_pull_is_due(struct daemon *d, struct daemon_service *s);
struct arrivals_known {
	struct utc here, there; /* the newest points; ns 0: none */
	bool is_heard;          /* else nobody knows of there */
	struct mono pulled;     /* the last one ended; ns 0: never */
	struct utc pulled_for;  /* what was there then */
	int64_t within_ns;
};
/* Pure.  What did not come is tried again, but not at once. */
bool arrivals_judge_due(const struct arrivals_known *k, struct mono now);
/* One has ended, in whatever way. */
void arrivals_pulled(const struct job *j);

/* At the active site: record what the peer's ledger says is there. */
void arrivals_look(struct peer *p);

#endif
