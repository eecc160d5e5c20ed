#ifndef DAEMON_JOB_KINDS_H
#define DAEMON_JOB_KINDS_H

/* What several kinds of jobs do with what their workers say. */

#include "daemon.h"

/* A record of the point that an event tells of, with the fields each has. */
enum err_code job_kinds_point(struct draft **out, struct job *j,
    struct wire_value *ev, struct err *e) MUST_CHECK;
/* The record that a worker's "note" asks for: of the type it names, else an
 * exercise's; where it names a point, with how that is proved here. */
enum err_code job_kinds_note(struct job *j, struct wire_value *ev,
    struct err *e) MUST_CHECK;
/* The posture of its service, looked at again. */
void job_kinds_refresh(struct job *j);
/* Is the word one of those, which blanks divide? */
bool job_kinds_has_word(const char *words, const char *word);

#endif
