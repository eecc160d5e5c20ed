#ifndef DAEMON_DUTY_H
#define DAEMON_DUTY_H

/*
 * What somebody has promised: actions (with a day they are due, and what shows
 * that they are done) and exceptions (a risk that is taken until a day, by
 * somebody).  Both are folds over records of both sites.
 *
 * DU1. An exception excuses nothing: it stands beside a failure, by name, and is
 *      never a pass.
 * DU2. Every one has an owner and a day; past that day it is an alarm.
 * DU3. done takes evidence, verified the run that tested it again.
 *
 *	action:     open -evidence-> done -retest-> verified
 *	exception:  open -its day, or a word-> over
 *
 * The fold and the rules are pure (duty.c); duties.c feeds them.
 */

#include <stdbool.h>
#include <stddef.h>

#include <bascule/base/err.h>
#include <bascule/base/now.h>

struct daemon;
struct draft_actor;

#define DUTY_ID_BYTES   160
#define DUTY_NAME_BYTES 65
#define DUTY_TEXT_BYTES 400

enum duty_kind { DUTY_ACTION, DUTY_EXCEPTION };
enum duty_status { DUTY_OPEN, DUTY_DONE, DUTY_VERIFIED, DUTY_ENDED };
/* "open", "done", "verified", "ended". */
const char *duty_status_name(enum duty_status s);
bool duty_status_find(const char *name, enum duty_status *out);

/* What one record says; NULL or "": nothing of that. */
struct duty_said {
	const char *id, *service, *text, *about, *owner, *council, *done_when;
	const char *evidence, *retest, *run, *status, *by;
	struct utc due, at; /* due.ns 0: not said */
};

struct duty {
	enum duty_kind kind;
	enum duty_status status;
	char id[DUTY_ID_BYTES];
	char service[DUTY_NAME_BYTES], owner[DUTY_NAME_BYTES];
	char council[DUTY_NAME_BYTES], by[DUTY_NAME_BYTES];
	char about[DUTY_NAME_BYTES]; /* exception: what it is from */
	char run[DUTY_ID_BYTES];     /* action: what it came of */
	char retest[DUTY_ID_BYTES];
	char text[DUTY_TEXT_BYTES], done_when[DUTY_TEXT_BYTES];
	char evidence[DUTY_TEXT_BYTES];
	struct utc opened, changed, due;
};

/* May that be said?  d NULL: of a new one.  ERR_INPUT, ERR_REFUSED with what
 * is missing. */
enum err_code duty_may(const struct duty *d, enum duty_kind kind,
    const struct duty_said *s, struct utc now, struct err *e) MUST_CHECK;
/* It was said.  Zeroed memory is a new one. */
void duty_take(struct duty *d, const struct duty_said *s);
bool duty_is_overdue(const struct duty *d, struct utc now);

/* --- all of them (duties.c) --------------------------------------------------------- */

struct duties; /* d->duties */

/* Read what is new; *count of them, in the order they began.  Borrowed until
 * the next look. */
const struct duty *duties_look(struct daemon *d, size_t *count);
const struct duty *duties_find(struct daemon *d, const char *id);
/* The exception that stands about a check (its name or "all") of a service at
 * this moment; NULL: none. */
const struct duty *duties_exception(struct daemon *d, const char *service,
    const char *about);
/* Record it, s->id "" a new one: id gets its name. */
enum err_code duties_say(struct daemon *d, enum duty_kind kind,
    const struct duty_said *s, const struct draft_actor *actor,
    char id[DUTY_ID_BYTES], struct err *e) MUST_CHECK;
/* Alarms about what is overdue. */
void duties_alarm(struct daemon *d);
void duties_stop(struct daemon *d);

#endif
