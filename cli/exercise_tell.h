#ifndef CLI_EXERCISE_TELL_H
#define CLI_EXERCISE_TELL_H

/* Saying something in a tabletop exercise. */

#include <bascule/wire.h>

#include "cli.h"

/* The request being made: fields, then the verb is told.  Zeroed is empty. */
struct tell {
	struct cli *cli;
	struct wire_value *fields;
	int status; /* EXITCODE_DONE, or what was wrong; sticks */
};

/* NULL and "" leave the field out. */
void tell_field(struct tell *t, const char *name, const char *value);
/* "30m" as nanoseconds. */
void tell_span(struct tell *t, const char *name, const char *value);
/* "2026-12-01", an instant, or "30d" from now. */
void tell_when(struct tell *t, const char *name, const char *value);
/* Send it and show the exercise as it is then.  The exit code; t is empty. */
int tell_send(struct tell *t, const char *run, const char *verb);
void tell_fini(struct tell *t);

#endif
