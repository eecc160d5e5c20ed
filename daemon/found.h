#ifndef DAEMON_FOUND_H
#define DAEMON_FOUND_H

/*
 * What a run finds before it begins, as fields of its records: the targets it
 * is held against, the site and the point it goes to, the guards.  The report
 * (lib/report/report_fields.c) has a line for each.
 *
 * FD1. A value has its source and its age; what is not known is not written.
 * FD2. Nothing is asked of anybody: what the daemon knows at that moment is
 *      all there is.
 */

#include "request.h"

/* A field of a formatted text, which is cut where it is longer than a line. */
void found_field(struct draft *draft, const char *name, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* What a move sets out to do, and what it is held against. */
void found_aims(struct draft *draft, struct daemon *d,
    const struct policy_service *s, enum guards_mode mode, const char *to);

/* Is the site ready, what is excepted, what is wrong already, whom to call.
 * Read, never measured. */
void found_site(struct draft *draft, struct daemon *d,
    const struct policy_service *s, const char *site);

struct found_point {
	const char *service, *from, *site;
	const char *id;  /* "": none */
	const char *why; /* this one; NULL: left out */
};
/* Its age, proof, tags, copies, and what going back to it loses. */
void found_point(struct draft *draft, struct daemon *d,
    const struct found_point *p);

/* How far this site's copy of a point is proved; and found_copies. */
void found_copy(struct draft *draft, struct daemon *d, const char *service,
    const char *point);

/* Where a point is whole, and what held the writes while it was made. */
void found_copies(struct draft *draft, struct daemon *d,
    const struct policy_service *s, const char *point);

/* "READY: G05 pass: ...; inputs with source and age", one field each of those
 * that hold in that mode at `gate`, or that a start asks for. */
void found_guards(struct draft *draft, const struct guards_facts *facts,
    const struct guards_result results[GUARDS_COUNT], enum guards_mode mode,
    enum guards_phase gate);

/* What says that the old site is dead, as "value; source; age"; and since when,
 * and since when it is known here. */
void found_evidence(struct draft *draft, struct daemon *d,
    const struct guards_facts *facts, const char *site);

#endif
