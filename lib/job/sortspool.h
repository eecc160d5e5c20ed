#ifndef JOB_SORTSPOOL_H
#define JOB_SORTSPOOL_H

/*
 * Records put in any order and given in the map's order of their paths, those
 * of one path in the order they were put.  What does not fit into memory goes
 * sorted into an unnamed file of TMPDIR (or /var/tmp), which nobody else can
 * open.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/defs.h>
#include <bascule/base/err.h>

struct sortspool;

struct sortspool_record {
	const char *path;
	size_t path_bytes;
	const uint8_t *value;
	size_t value_bytes;
};

/* memory_bytes: what may be held; 0: 64 MiB. */
enum err_code sortspool_new(struct sortspool **out, size_t memory_bytes,
    struct err *e) MUST_CHECK;
void sortspool_free(struct sortspool **s);
enum err_code sortspool_add(struct sortspool *s,
    const struct sortspool_record *r, struct err *e) MUST_CHECK;
/* From the first record; as often as wanted, and nothing is added after. */
enum err_code sortspool_begin(struct sortspool *s, struct err *e) MUST_CHECK;
/* *more false: that was all.  Borrowed until the next call. */
enum err_code sortspool_next(struct sortspool *s, struct sortspool_record *out,
    bool *more, struct err *e) MUST_CHECK;

#endif
