#ifndef STORE_SIDEFILE_H
#define STORE_SIDEFILE_H

/*
 * What the repository knows of its snapshots besides what they say themselves:
 * a file in condemned/, of one writer's codec, and for some a twin NAME.bak that
 * says the same, so that one that is damaged is not the end of it.
 *
 * Both are written, the twin last; what was written last counts, so the file is
 * read before its twin.
 */

#include "parts.h"

struct sidefile {
	const char *name; /* "epochs" */
	const char *tmp;  /* "epochs.new", in tmp/ */
	size_t max_bytes;
	/* ERR_CORRUPT, ERR_TOONEW; out is nothing then. */
	enum err_code (*decode)(void *out, const uint8_t *family,
	    const void *bytes, size_t len_bytes, struct err *e);
	const char *hint; /* where neither of two can be read */
};

/* ERR_NOTFOUND: it was never written; ERR_CORRUPT. */
enum err_code sidefile_read(void *out, struct store *st,
    const struct sidefile *s, struct err *e) MUST_CHECK;
/* It or its twin.  ERR_NOTFOUND: neither was ever written. */
enum err_code sidefile_read_either(void *out, struct store *st,
    const struct sidefile *s, struct err *e) MUST_CHECK;

/* Inside repo_lock. */
enum err_code sidefile_write(struct store *st, const struct sidefile *s,
    const struct buf *b, struct err *e) MUST_CHECK;
enum err_code sidefile_write_both(struct store *st, const struct sidefile *s,
    const struct buf *b, struct err *e) MUST_CHECK;

#endif
