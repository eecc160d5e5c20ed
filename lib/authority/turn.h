#ifndef AUTHORITY_TURN_H
#define AUTHORITY_TURN_H

/* What a site does next in a move: the decisions of move.c. */

#include <bascule/authority.h>

/* As move_turn, of a move that is known and a site that is one of its two. */
void turn_decide(const struct move *m, const char *my_site,
    const struct move_facts *facts, struct utc now, struct move_turn *turn);

#endif
