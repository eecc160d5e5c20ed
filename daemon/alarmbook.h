#ifndef DAEMON_ALARMBOOK_H
#define DAEMON_ALARMBOOK_H

/*
 * Which alarms there are, who was told, and who must be told next.  Pure: no
 * clock, no process, no ledger; the caller carries out and records.
 *
 *	(none) -raise-> STANDING -clear-> ENDED -acknowledge-> gone
 *	                   |  ^-----raise----'
 *	              acknowledge
 *	                   v
 *	              STANDING, acknowledged -clear-> gone
 *
 * AB1. An alarm is in the book until it has ended, somebody has acknowledged
 *      it, and whoever heard of it has heard of its end.
 * AB2. Over one route the same thing is not told twice within the route's
 *      repeat, unless it is not known whether the first time was heard, or it
 *      has become worse.
 * AB3. One that stands and is not acknowledged is told until it is delivered,
 *      and again after each repeat.
 *      News is told once; so often as it takes.
 * AB4. alarmbook_replay of what the caller recorded gives the same book.
 */

#include <bascule/base/err.h>
#include <bascule/base/now.h>

#include "alarm.h"

#define ALARMBOOK_ROUTES_MAX 16
#define ALARMBOOK_NAME_BYTES 256
#define ALARMBOOK_TEXT_BYTES 1400
#define ALARMBOOK_RUN_BYTES  80
#define ALARMBOOK_ALARMS_MAX 4096

/* A way to tell people: one of the policy's programs. */
struct alarmbook_route {
	char name[ALARMBOOK_NAME_BYTES]; /* finds it again after a restart */
	uint32_t on;                     /* bits of enum policy_alert_on */
	int64_t repeat_ns;               /* 0: told once */
	uint32_t retries; /* more failures in a row: not delivered */
	/* its own */
	bool busy;                          /* something is being told */
	char trouble[ALARMBOOK_TEXT_BYTES]; /* since when it fails; "" */
};

enum alarmbook_say { ALARMBOOK_NOTHING, ALARMBOOK_RAISED, ALARMBOOK_CLEARED };

/* What one route was told of one alarm. */
struct alarmbook_told {
	enum alarmbook_say last;
	enum alarm_level level; /* when it was last told as raised */
	struct mono raised_at;  /* ... and when */
	struct mono not_before; /* after a failure */
	uint32_t failures;      /* in a row */
	bool undelivered;       /* more than its retries; recorded */
	bool gave_up;           /* it has ended, and this cannot be told */
};

#define ALARMBOOK_OWES_RAISED  1u /* records that could not be written */
#define ALARMBOOK_OWES_CLEARED 2u

struct alarmbook_alarm {
	uint64_t number;
	enum policy_alert_on on;
	enum alarm_level level;
	bool moment, standing, acknowledged;
	bool
	    news; /* neither: over as soon as everybody was told, or cannot be */
	char run[ALARMBOOK_RUN_BYTES];
	char service[ALARMBOOK_NAME_BYTES], subject[ALARMBOOK_NAME_BYTES];
	char text[ALARMBOOK_TEXT_BYTES];
	struct utc raised, cleared, acknowledged_at; /* ns 0: not */
	char by[ALARMBOOK_NAME_BYTES], reason[ALARMBOOK_TEXT_BYTES];
	uint32_t times; /* it was raised, with ends between */
	uint32_t owes;  /* the caller's: records to be written again */
	struct alarmbook_told told[ALARMBOOK_ROUTES_MAX];
};

struct alarmbook {
	struct alarmbook_alarm **items;
	size_t count, size;
	uint64_t last_number;
	struct alarmbook_route routes[ALARMBOOK_ROUTES_MAX];
	size_t routes_count;
	bool keeps_gone; /* for listing all there ever were */
};

struct alarmbook_now {
	struct utc utc;
	struct mono mono;
};

void alarmbook_fini(struct alarmbook *b);

/* The routes from now on; one of a name known before keeps what it was told.
 * More than ALARMBOOK_ROUTES_MAX are left out. */
void alarmbook_set_routes(struct alarmbook *b,
    const struct alarmbook_route *routes, size_t count);

/*
 * *out: the alarm if this is news to be recorded (raised, raised again, worse),
 * else NULL.  ERR_REFUSED: the book is full.
 */
enum err_code alarmbook_raise(struct alarmbook *b,
    const struct alarm_what *what, const struct alarmbook_now *now,
    struct alarmbook_alarm **out, struct err *e) MUST_CHECK;

/* The alarm that has ended now; NULL: none stood. */
struct alarmbook_alarm *alarmbook_clear(struct alarmbook *b,
    enum policy_alert_on on, const char *service, const char *subject,
    const char *text, struct utc now);

/* May it be acknowledged?  ERR_NOTFOUND: no such alarm; ERR_EXISTS: it is. */
enum err_code alarmbook_may_acknowledge(struct alarmbook *b, uint64_t number,
    struct alarmbook_alarm **out, struct err *e) MUST_CHECK;
void alarmbook_acknowledge(struct alarmbook *b, struct alarmbook_alarm *a,
    const char *by, const char *reason, struct utc now);

/*
 * What is to be told now, the worst first; its route is busy from here on to
 * alarmbook_told.  False: nothing.
 */
struct alarmbook_telling {
	struct alarmbook_alarm *alarm; /* valid until the book changes */
	uint64_t number;
	size_t route;
	enum alarmbook_say say;
	enum alarm_level level;
};
bool alarmbook_next(struct alarmbook *b, struct mono now,
    struct alarmbook_telling *out);

enum alarmbook_result {
	ALARMBOOK_DELIVERED,   /* to be recorded */
	ALARMBOOK_RETRY,       /* it is tried again */
	ALARMBOOK_UNDELIVERED, /* to be recorded; it is tried again */
};
/* What came of it; why NULL: it was delivered.  The alarm may be gone after
 * alarmbook_sweep. */
enum alarmbook_result alarmbook_told(struct alarmbook *b,
    const struct alarmbook_telling *t, const char *why, struct mono now);

/* Forget what is over.  Pointers to alarms end here. */
void alarmbook_sweep(struct alarmbook *b);

/* How long until alarmbook_next may have something: INT64_MAX: nothing. */
int64_t alarmbook_wait_ns(const struct alarmbook *b, struct mono now);

/* NULL: not in the book. */
struct alarmbook_alarm *alarmbook_find(struct alarmbook *b, uint64_t number);
/* The worst and newest first; unacknowledged ones before the others. */
void alarmbook_sort(struct alarmbook *b);

/* --- what was recorded ------------------------------------------------------ */

enum alarmbook_event {
	ALARMBOOK_EVENT_RAISED,
	ALARMBOOK_EVENT_CLEARED,
	ALARMBOOK_EVENT_ACKNOWLEDGED,
	ALARMBOOK_EVENT_TOLD,
	ALARMBOOK_EVENT_UNDELIVERED
};
/* "raised", ...: the field "state" of the record. */
const char *alarmbook_event_name(enum alarmbook_event event);

struct alarmbook_entry {
	enum alarmbook_event event;
	uint64_t number;
	struct utc at;
	struct alarm_what what; /* raised; text also of cleared */
	const char *by, *reason;
	const char *route; /* told, undelivered */
	enum alarmbook_say say;
	enum alarm_level level; /* it was told with */
};
/* In the order of the records, before anything else; routes are set. */
enum err_code alarmbook_replay(struct alarmbook *b,
    const struct alarmbook_entry *entry, const struct alarmbook_now *now,
    struct err *e) MUST_CHECK;

const char *alarmbook_level_name(enum alarm_level level);

#endif
