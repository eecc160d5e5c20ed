#ifndef DAEMON_TABLETOPS_H
#define DAEMON_TABLETOPS_H

/*
 * Tabletop exercises: the pure machine of plan.h fed from records, with a clock
 * and a snapshot of what can be known.
 *
 * TT1. An event is durable before it has happened; after a start the exercise is
 *      made again from its records, so nothing is lost.
 * TT2. Nothing here starts a worker, opens a link or reads a key: steps are
 *      words, with durations that real runs had.
 * TT3. Whoever plays never waits for the machine: injects come by the clock of
 *      the scenario, also when nobody has the screen open.
 */

#include <bascule/plan.h>

#include "daemon.h"

/* Fields of an event being made; its own memory.  Zeroed memory is empty. */
struct saying {
	struct tabletop_field *fields;
	size_t count, size;
	enum err_code rc; /* sticks at the first failure */
};

void saying_fini(struct saying *s);
/* NULL and "" leave the field out. */
void saying_add(struct saying *s, const char *name, const char *value);
void saying_printf(struct saying *s, const char *name, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void saying_int(struct saying *s, const char *name, int64_t value);

enum err_code tabletops_start(struct daemon *d, struct err *e) MUST_CHECK;
void tabletops_stop(struct daemon *d);
/* Now and then: what the policy wants planned, what is late. */
void tabletops_look(struct daemon *d);

/* One that is not over, or NULL; borrowed until the next event. */
const struct tabletop *tabletops_find(const struct daemon *d, const char *run);

/* --- for tabletopdraft.c */
#define TABLETOPS_DAEMON "basculed" /* as records call it */
/* Recorded, then it has happened.  *t may be another one afterwards. */
enum err_code tabletops_happen(struct daemon *d, const char *run,
    struct tabletop **t, const struct tabletop_event *ev,
    const struct draft_actor *actor, struct err *e) MUST_CHECK;
/* One more that is not over; takes *t. */
enum err_code tabletops_keep(struct daemon *d, const char *run,
    struct tabletop **t, struct err *e) MUST_CHECK;

/* --- tabletopdraft.c */
struct tabletops_order {
	const char *service;
	const char *scenario; /* "": a bare discussion */
	const char *facilitator, *scribe, *sponsor, *place; /* or NULL */
	const char *trigger;
	const struct draft_actor *actor; /* NULL: the daemon itself */
	const struct saying *players;    /* player, role, council, as; each
	                                    begins with player */
};
/* A DRAFT.  ERR_NOTFOUND: no such service or scenario. */
enum err_code tabletops_draft(struct daemon *d,
    const struct tabletops_order *order, char run[JOB_ID_BYTES],
    struct err *e) MUST_CHECK;

/*
 * Somebody says something: it is recorded and has happened, or neither.  What
 * only the daemon knows (the snapshot, what was planned, how long a step takes)
 * is added to s.  ERR_NOTFOUND: no such exercise is open; others as
 * tabletop_may.
 */
enum err_code tabletops_say(struct daemon *d, const char *run,
    enum tabletop_verb verb, struct saying *s, const struct draft_actor *actor,
    struct err *e) MUST_CHECK;

/* --- knowable.c: what could be known at this moment, with its age --------------- */

void knowable_add(struct daemon *d, const struct tabletop *t, struct saying *s);

/* --- tabletopplan.c: the whole plan, as long as real runs took -------------------- */

#define TABLETOPS_FORECAST_MAX 100
#define TABLETOPS_ALL          "all" /* the word for the whole plan */

struct tabletops_forecast {
	size_t count;
	struct {
		const char *name; /* the policy's */
		bool is_run;
		int64_t starts_ns, takes_ns;
		char basis[160];
	} items[TABLETOPS_FORECAST_MAX];
};
enum err_code tabletopplan_forecast(struct daemon *d, const char *service,
    struct tabletops_forecast *f, struct err *e) MUST_CHECK;

/* --- steptimes.c: how long steps take -------------------------------------------- */

/*
 * Of a service's step, from what runs of it took here and at the other sites as
 * far as their ledgers are known: the median.  basis says what it rests on; a
 * guess calls itself so.
 */
enum err_code steptimes_learn(struct daemon *d, const char *service,
    const char *step, int64_t *ns, char basis[160], struct err *e) MUST_CHECK;

#endif
