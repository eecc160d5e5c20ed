#ifndef STORE_AGES_H
#define STORE_AGES_H

/*
 * condemned/ages: how old the clock was when each snapshot came here, and the
 * highest number of each series (docs/format/repository.md).  What the list does
 * not have counts as having come just now.
 */

#include "parts.h"

#define AGES_COUNT_MAX   1048576
#define AGES_SERIES_MAX  65536
#define AGES_ENTRY_BYTES (ID_BYTES + 8)
#define AGES_BYTES_MAX                                   \
	(HEAD_BYTES + 16 +                               \
	    (size_t)(AGES_COUNT_MAX + AGES_SERIES_MAX) * \
		(size_t)AGES_ENTRY_BYTES +               \
	    ID_BYTES)

/* now_ns is not in it. */
enum err_code ages_encode(struct buf *out, const struct ages *a,
    const uint8_t family[STORE_FAMILY_BYTES], struct err *e) MUST_CHECK;
/* ERR_CORRUPT, ERR_TOONEW. */
enum err_code ages_decode(struct ages *out, const uint8_t *family,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;

/*
 * Inside repo_lock: the snapshot (its id, service, dataset and number) comes
 * now.  Before it does, so that it is there with its age or not at all, and no
 * number is given twice.
 */
enum err_code ages_add(struct store *st, const struct snapshot *s,
    struct err *e) MUST_CHECK;

/* The highest number that ever came in this series; 0: none is known. */
enum err_code ages_highest(uint64_t *out, struct store *st,
    const struct snapshot *s, struct err *e) MUST_CHECK;

#endif
