#ifndef LIB_SOURCE_SOURCE_FARCHILD_H
#define LIB_SOURCE_SOURCE_FARCHILD_H

/*
 * A program on another host, with source_child's face: a connection of its
 * own, its stdout as it comes, of its stderr the last bytes, a deadline.
 * It may be silent for as long as it likes: only its own time limit counts.
 */

#include <bascule/source.h>

struct source_farchild;

/* program->host is not NULL.  fed: its stdin stays open for _tell. */
enum err_code source_farchild_start(struct source_farchild **out,
    const struct source_program *program, bool fed, struct err *e) MUST_CHECK;
enum err_code source_farchild_tell(struct source_farchild *c, const char *text,
    struct err *e) MUST_CHECK;
void source_farchild_wind(struct source_farchild *c, int64_t timeout_ns);
/* *got is 0 at the end. */
enum err_code source_farchild_read(struct source_farchild *c, void *bytes,
    size_t size_bytes, size_t *got, struct err *e) MUST_CHECK;
/* Is it running, by what has come so far?  Never waits. */
enum err_code source_farchild_tend(struct source_farchild *c,
    struct err *e) MUST_CHECK;
/* As source_child_wait. */
enum err_code source_farchild_wait(struct source_farchild *c,
    struct source_outcome *out, struct err *e) MUST_CHECK;
/* Its input and output are closed: it ends at its next write. */
void source_farchild_free(struct source_farchild **c);

#endif
