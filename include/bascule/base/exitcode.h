#ifndef BASCULE_BASE_EXITCODE_H
#define BASCULE_BASE_EXITCODE_H

/*
 * How the programs end: the one table from failures to exit codes.  It is
 * printed for people in docs/EXIT-CODES.md.
 */

#include <bascule/base/err.h>

enum exitcode {
	EXITCODE_DONE = 0,
	EXITCODE_FAILED = 1,
	EXITCODE_USAGE = 2,
	EXITCODE_PARTIAL = 3,        /* a snapshot exists, not all is in it */
	EXITCODE_DAMAGE = 4,         /* damage found */
	EXITCODE_HEALED = 5,         /* damage found and healed */
	EXITCODE_BEHIND = 6,         /* behind RPO */
	EXITCODE_POLICY = 7,         /* policy or configuration */
	EXITCODE_EXERCISE = 8,       /* the exercise failed */
	EXITCODE_NO_REPOSITORY = 10, /* no such repository */
	EXITCODE_BUSY = 11,          /* busy or fenced */
	EXITCODE_KEY = 12,           /* wrong or missing key */
	EXITCODE_NOT_ALLOWED = 13,   /* permission, role, host key */
	EXITCODE_NO_SPACE = 14,
	EXITCODE_GUARD = 15,   /* refused by a guard */
	EXITCODE_TOO_NEW = 16, /* written by a newer version */
	EXITCODE_TRY_AGAIN = 75,
	EXITCODE_SIGNAL = 128 /* plus the signal's number */
};

/* How a program ends on this failure when it knows nothing more exact. */
enum exitcode exitcode_of(enum err_code code);

/* The signal that a shell tells of in this status, one with a name; 0: none. */
int exitcode_signal(int status);

#endif
