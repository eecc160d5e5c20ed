#ifndef STORE_CHECKING_RESULTS_H
#define STORE_CHECKING_RESULTS_H

/*
 * When each pack was last read or opened, and found good: what a check under a
 * budget begins with.  docs/format/checked.md.  Losing it costs time only, so
 * nothing here fails but for memory: what cannot be read is not known.
 */

#include "parts.h"

struct checking_result {
	struct id pack;
	int64_t read_ns, opened_ns; /* UTC; 0: never, or it was damaged */
	bool damaged;
};

struct checking_results {
	struct checking_result *rows; /* sorted by pack */
	size_t count;                 /* as loaded */
	struct checking_result *fresh;
	size_t fresh_count, fresh_room;
};
void checking_results_fini(struct checking_results *r);

/* state_dir NULL: nothing is known. */
void checking_results_load(struct checking_results *out, const struct store *st,
    const char *state_dir);

/* 0: never, or damaged then.  A time in the future is not believed. */
int64_t checking_results_last(const struct checking_results *r,
    const struct id *pack, enum check_depth depth);

enum err_code checking_results_note(struct checking_results *r,
    const struct id *pack, enum check_depth depth, bool damaged,
    struct err *e) MUST_CHECK;

/* Rows of packs that are gone are left out. */
void checking_results_save(struct checking_results *r, struct store *st,
    const char *state_dir);

/* The codec: hostile bytes.  ERR_CORRUPT. */
enum err_code checking_results_decode(struct checking_results *out,
    const void *bytes, size_t len_bytes, const uint8_t *site,
    struct err *e) MUST_CHECK;

#endif
