#ifndef DAEMON_FACTS_H
#define DAEMON_FACTS_H

/*
 * What this site knows about a move, as the guards take it: each fact with its
 * source and the instant it was observed.  Nothing is asked of anybody: facts
 * are what the ledgers, the posture, the peers' last word and the readiness
 * checks have.  What is not known is left unknown.
 *
 * Filled in here: G01 to G09, G10's attestations, G11, G12, and what stands of
 * the registers for G14.  The shell of a move tells the rest (FENCE_PROVED,
 * MARKERS_EQUAL, OWNER_ACCEPTS, ...), and fresher ones over these.
 */

#include "request.h"

struct facts_of {
	const struct request_book *book;
	const struct policy_service *service;
	const char *from, *to;
	enum guards_mode mode;
	const struct request *request;  /* NULL: a what-if */
	const char *seen;               /* what approvals must have seen; NULL:
	                                  as when requested */
	const char *point;              /* NULL or "": the best there is */
	bool has_change, loss_accepted; /* of a what-if */
	const struct approvals_person *actor; /* NULL: nobody in particular */
	/* What the caller has worked out already; NULL: it is done here. */
	const struct approvals_judgement *judged; /* of `request`, as `seen` */
	const struct request_points *points;      /* of `service` */
};

enum err_code facts_gather(struct daemon *d, const struct facts_of *of,
    struct guards_facts *out, struct err *e) MUST_CHECK;

/*
 * All guards of a service of a run as they stand, for a phase's gate:
 * facts_gather and guards_evaluate.  ERR_NOTFOUND: no such run or service.
 */
enum err_code facts_judge(struct daemon *d, const char *run,
    const char *service, enum guards_phase phase,
    const struct approvals_person *actor, struct guards_facts *facts,
    struct guards_result out[GUARDS_COUNT], struct err *e) MUST_CHECK;

/* "guard" messages, one each that is asked in this mode. */
enum err_code facts_tell(struct client *c, const char *service,
    const struct guards_facts *facts,
    const struct guards_result results[GUARDS_COUNT], bool only_stops,
    struct err *e) MUST_CHECK;

#endif
