#ifndef DAEMON_ALARM_PARTS_H
#define DAEMON_ALARM_PARTS_H

/* What the units of alarms share. */

#include "alarmbook.h"
#include "daemon.h"

#define ALARM_JOURNAL 0 /* the first route; the policy's alerts follow */

struct alarmrun;

struct alarms {
	struct daemon *d;
	struct alarmbook book;
	struct loop_timer *timer; /* until something is to be told */
	/* what is being told, by route */
	struct alarmbook_telling tellings[ALARMBOOK_ROUTES_MAX];
	struct alarmrun *runs[ALARMBOOK_ROUTES_MAX];
	struct alarm_done {
		struct alarms *as;
		size_t route;
	} done[ALARMBOOK_ROUTES_MAX];
};

/* --- alarmroutes.c: what the policy says of alarms ------------------------- */

void alarmroutes_set(struct alarms *as);
/* What is about something the policy no longer knows is over. */
void alarmroutes_end_unknown(struct alarms *as);

/* --- alarmrun.c: one telling by a program of the policy's ------------------ */

typedef void alarmrun_fn(void *ctx, const char *why);

struct alarmrun_options {
	struct loop *loop;
	const struct policy_alert *alert; /* until it has ended */
	const char *site;
	const struct buf *line; /* its stdin; copied */
	alarmrun_fn *fn;        /* once; why NULL: it exited with 0 */
	void *ctx;
};
enum err_code alarmrun_start(struct alarmrun **out,
    const struct alarmrun_options *options, struct err *e) MUST_CHECK;
/* One that runs is killed; fn is not called. */
void alarmrun_free(struct alarmrun **r);

/* --- alarmnote.c: alarms in the ledger --------------------------------------- */

struct alarmnote {
	enum alarmbook_event event;
	const char *route;                 /* told, undelivered */
	const struct alarmbook_telling *t; /* ... what was said */
	const char *reason;                /* undelivered, acknowledged */
	const struct draft_actor *actor;   /* acknowledged */
};
enum err_code alarmnote_write(struct daemon *d, const struct alarmbook_alarm *a,
    const struct alarmnote *n, struct err *e) MUST_CHECK;
/* All that was recorded, into the book. */
enum err_code alarmnote_replay(struct daemon *d, struct alarmbook *b,
    struct err *e) MUST_CHECK;

/* --- alarmsay.c: a message to the journal ------------------------------------- */

#define ALARMSAY_SOCKET "/run/systemd/journal/socket"

struct alarmsay_field {
	const char *name, *value; /* value NULL: left out */
};
/* The journal's native protocol.  Newlines in values are kept. */
enum err_code alarmsay_compose(struct buf *out,
    const struct alarmsay_field *fields, size_t count,
    struct err *e) MUST_CHECK;
/* One datagram; ERR_NOTFOUND and others: the caller says it otherwise. */
enum err_code alarmsay_send(const char *path, const struct buf *message,
    struct err *e) MUST_CHECK;
void alarmsay(const struct daemon *d, const struct alarmbook_alarm *a,
    enum alarmbook_say say);

/* --- alarmwire.c: as JSON ------------------------------------------------------- */

/* "A12"; out: ALARM_ID_BYTES. */
#define ALARM_ID_BYTES 24
const char *alarmwire_id(uint64_t number, char out[ALARM_ID_BYTES]);
bool alarmwire_parse_id(const char *text, uint64_t *number);
/* Type "alarm". */
enum err_code alarmwire_make(struct wire_value **out, const struct alarmbook *b,
    const struct alarmbook_alarm *a, struct err *e) MUST_CHECK;

#endif
