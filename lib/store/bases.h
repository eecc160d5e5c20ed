#ifndef STORE_BASES_H
#define STORE_BASES_H

/* What a difference may be made from: chunks whose every reader can read it. */

#include "frame.h"

/* Zeroed memory is an empty one. */
struct bases {
	struct id ids[FRAME_BASES_MAX];
	uint8_t count;
	uint8_t depth; /* of what is made from them; 0 while there are none */
};

/*
 * Add those of the candidates that serve, each once, as long as there is room.
 * In the place of one that is too deep stand its own bases.
 */
enum err_code bases_add(struct bases *b, struct store *st,
    const struct id *candidates, size_t candidates_count,
    struct err *e) MUST_CHECK;

#endif
