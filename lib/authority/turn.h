#ifndef AUTHORITY_TURN_H
#define AUTHORITY_TURN_H

/* What a site does next in a move: the decisions of move.c. */

#include <bascule/authority.h>

/* As move_turn, of a move that is known and a site that is one of its two. */
void turn_decide(const struct move *m, const char *my_site,
    const struct move_facts *facts, struct utc now, struct move_turn *turn);

/* How an act stands at one site. */
enum turn_act {
	TURN_NONE, /* never begun */
	TURN_OPEN, /* begun, no outcome */
	TURN_DONE,
	TURN_NOT_DONE,
	TURN_UNCERTAIN
};
enum turn_act turn_act_of(const struct move_side *s, enum move_act act);

/* The newest RESOLVED that no HELD has followed: by whom it is owned now; NULL:
 * none. */
const char *turn_resolved(const struct move *m, uint64_t *epoch);
/* HELD, and not resolved since. */
bool turn_held(const struct move *m);

#endif
