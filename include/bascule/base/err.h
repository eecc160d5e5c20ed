#ifndef BASCULE_BASE_ERR_H
#define BASCULE_BASE_ERR_H

/*
 * How every bascule function reports failure: it returns a code the caller
 * can branch on, and leaves in *e a sentence an operator can act on.
 * A struct err is plain memory: it needs no init beyond zero and no free,
 * so running out of memory can always be reported.
 */

#include <stdarg.h>

#include <bascule/base/defs.h>

#define ERR_TEXT_BYTES 1024

/*
 * Each failure is defined by what the caller may do next.  docs/EXIT-CODES.md
 * maps them to the exit codes of the programs.
 */
enum err_code {
	ERR_NONE = 0,
	ERR_NOTFOUND, /* the named thing is not there; often expected */
	ERR_EXISTS,   /* it is there already */
	ERR_BUSY,     /* someone else holds it, or we were fenced; try later */
	ERR_TIMEOUT,  /* no answer in time, or the peer is away; try later */
	ERR_REFUSED,  /* permission, pinned host key or role said no */
	ERR_INPUT,    /* the request makes no sense; do not retry */
	ERR_POLICY,   /* the policy files make no sense; do not retry */
	ERR_KEY,      /* wrong or missing key or passphrase */
	ERR_CORRUPT, /* stored bytes fail their check; do not retry or delete */
	ERR_TOONEW,  /* another version's, a newer one's mostly; do not touch */
	ERR_NOSPACE, /* disk or quota full */
	ERR_IO,      /* the operating system or a peer failed us otherwise */
	ERR_NOMEM, /* memory ran out, or descriptors: nothing is amiss there */
	ERR_CANCELLED /* the operator or a shutdown asked us to stop */
};

struct err {
	enum err_code code;
	char text[ERR_TEXT_BYTES]; /* lower case, no full stop, NUL-ended */
};

/* Record a failure we found ourselves.  Returns code, for `return err_set()`. */
enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Record a failed system call: errno picks the code and ends the sentence. */
enum err_code err_sys(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Record that memory ran out.  Returns ERR_NOMEM. */
enum err_code err_nomem(struct err *e);

/*
 * Say what we were doing: puts "<context>: " in front.  Returns e->code.
 * The context is elided in the middle when the whole would not fit: the
 * cause, at the end, always stays.
 */
enum err_code err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Append "\nhint: <what to do next>"; programs print it on a line of its own. */
enum err_code err_hint(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The code err_sys would choose for errno value num. */
enum err_code err_of_errno(int num);

/* "notfound", "busy", ...: for logs and JSON. */
const char *err_name(enum err_code code);

#endif
