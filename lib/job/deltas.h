#ifndef JOB_DELTAS_H
#define JOB_DELTAS_H

/*
 * Where a dataset's delta cache is: STATE/deltas/NAME.  What is in there is
 * content in the clear, deleted content too, so it goes when nobody asks for
 * it any more, and nobody's is kept for longer than was said.
 */

#include <bascule/base/err.h>
#include <bascule/store.h>

struct deltas_name {
	const uint8_t *family; /* STORE_FAMILY_BYTES */
	const char *service, *dataset;
};

/*
 * Open it; *out is NULL if limits->size_bytes is 0 (then it is removed), or if
 * another run has it.  What other datasets kept for longer than
 * limits->keep_ns goes, too.
 */
enum err_code deltas_open(struct delta_cache **out, const char *state_dir,
    const struct deltas_name *name, const struct delta_cache_limits *limits,
    struct err *e) MUST_CHECK;

#endif
