#ifndef LIB_SOURCE_SOURCE_CHILD_H
#define LIB_SOURCE_SOURCE_CHILD_H

/*
 * One running program: stdout to us as it comes, of stderr the last bytes,
 * a deadline, and nothing of its group left behind.
 *
 * H1. Its stderr is drained whenever we wait for its stdout: it can never
 *     block on what we do not read.
 * H2. After _free no process of its group runs (they are killed), and the
 *     program itself has been waited for.
 */

#include <bascule/base/now.h>
#include <bascule/source.h>

/* Here, or on another host (source_farchild): the same functions. */
struct source_child;

/* ERR_NOTFOUND, ERR_REFUSED: it cannot be started; ERR_INPUT: bad argv. */
enum err_code source_child_start(struct source_child **out,
    const struct source_program *program, struct err *e) MUST_CHECK;

/*
 * The same with a stdin to write to, and in a session of its own, so that who
 * kills our group does not kill it.
 */
enum err_code source_child_start_fed(struct source_child **out,
    const struct source_program *program, struct err *e) MUST_CHECK;
/* Write text to its stdin, and close that. */
enum err_code source_child_tell(struct source_child *c, const char *text,
    struct err *e) MUST_CHECK;
/* Never waits: ERR_IO when it has ended, ERR_TIMEOUT when it is cut off. */
enum err_code source_child_tend(struct source_child *c,
    struct err *e) MUST_CHECK;
/* Its time begins anew. */
void source_child_wind(struct source_child *c, int64_t timeout_ns);
/* Close its stdin and leave it to itself: it is not killed, nor waited for. */
void source_child_leave(struct source_child **c);

enum source_child_end {
	SOURCE_CHILD_EOF, /* when everybody has closed stdout */
	SOURCE_CHILD_EXIT /* or when the program has ended: it may have started
			     a server that keeps its stdout */
};

/*
 * The next bytes of stdout; *got is 0 at its end.  ERR_TIMEOUT when the
 * deadline passed.
 */
enum err_code source_child_read(struct source_child *c,
    enum source_child_end end, void *bytes, size_t size_bytes, size_t *got,
    struct err *e) MUST_CHECK;

/*
 * Wait for its end (stdout is not read any more: read it first).
 * out: zeroed; all but output is set, also on ERR_TIMEOUT.
 */
enum err_code source_child_wait(struct source_child *c,
    struct source_outcome *out, struct err *e) MUST_CHECK;

/* *c may be NULL. */
void source_child_free(struct source_child **c);

#endif
