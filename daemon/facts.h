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
	/* To be shown, and approved: a talk that failed is no silence yet. */
	bool lasting;
	/* What the caller has worked out already; NULL: it is done here. */
	const struct approvals_judgement *judged; /* of `request`, as `seen` */
	const struct request_points *points;      /* of `service` */
};

enum err_code facts_gather(struct daemon *d, const struct facts_of *of,
    struct guards_facts *out, struct err *e) MUST_CHECK;

/*
 * What approvals of that run must have seen is worked out a slice further, where
 * it is of so many services that facts_judge would hold the loop.  False: there is
 * more of it, in turns to come.
 */
bool facts_see(struct daemon *d, const char *run);

struct facts_gate {
	const char *run, *service;
	enum guards_phase phase;
	const struct approvals_person *actor; /* NULL: nobody in particular */
	const char *seen; /* that approvals must have seen; NULL: it is made,
	                    in this turn where facts_see has not */
};
/*
 * All guards of a service of a run as they stand, for a phase's gate:
 * facts_gather and guards_evaluate.  ERR_NOTFOUND: no such run or service.
 */
enum err_code facts_judge(struct daemon *d, const struct facts_gate *gate,
    struct guards_facts *facts, struct guards_result out[GUARDS_COUNT],
    struct err *e) MUST_CHECK;

/*
 * G04 alone, as at a start: of what is on record of that run, for that service,
 * by the policy here.
 */
void facts_approved(struct daemon *d, const struct request *r,
    const struct policy_service *s, struct guards_result *out);

/* "guard" messages, one each, or of those alone that stop it. */
enum err_code facts_tell(struct client *c, const char *service,
    const struct guards_facts *facts,
    const struct guards_result results[GUARDS_COUNT], bool only_stops,
    struct err *e) MUST_CHECK;

#endif
