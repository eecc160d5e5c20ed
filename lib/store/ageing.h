#ifndef STORE_AGEING_H
#define STORE_AGEING_H

/*
 * condemned/clock: time that has surely passed, whatever the clocks were set
 * to (docs/format/repository.md, "Collection").
 */

#include "parts.h"

#define AGEING_BYTES      (HEAD_BYTES + 8 + AGEING_BOOT_BYTES + 8 + 8 + ID_BYTES)
#define AGEING_BOOT_BYTES 16

struct ageing {
	int64_t age_ns;
	uint8_t boot[AGEING_BOOT_BYTES]; /* zeros: not known */
	int64_t boot_ns, wall_ns;        /* at the last observation */
};

/* What the machine's clocks say; age_ns is 0. */
void ageing_now(struct ageing *out);
/* An observation: a's age grows by what has surely passed until now. */
void ageing_advance(struct ageing *a, const struct ageing *now);

void ageing_encode(const struct ageing *a,
    const uint8_t family[STORE_FAMILY_BYTES], uint8_t out[AGEING_BYTES]);
/* ERR_CORRUPT. */
enum err_code ageing_decode(struct ageing *out, const uint8_t *family,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;

/*
 * Observe the repository's.  A clock that is missing or damaged begins at 0.
 * To keep what was observed one must be inside repo_lock.
 */
enum ageing_keep {
	AGEING_LOOK, /* nothing is kept */
	AGEING_TICK, /* it is when that last happened a minute ago */
	AGEING_KEEP
};
enum err_code ageing_observe(struct store *st, enum ageing_keep keep,
    int64_t *age_ns, struct err *e) MUST_CHECK;

/*
 * AGEING_TICK, for whoever comes by inside repo_lock to write.  For want of
 * room age is lost, which lengthens what is measured, and nothing fails.
 */
enum err_code ageing_tick(struct store *st, struct err *e) MUST_CHECK;

/* A file in condemned/, inside repo_lock; tmp: its name in tmp/. */
enum err_code ageing_replace(struct store *st, const char *tmp,
    const struct repo_file *f, struct err *e) MUST_CHECK;

#endif
