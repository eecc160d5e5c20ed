#ifndef AUTHORITY_TAKE_H
#define AUTHORITY_TAKE_H

/* The turns of the site that takes.  True: the turn is settled. */

#include "scene.h"

bool take_planned(struct scene *c);
bool take_unplanned(struct scene *c);
bool take_roll_back(struct scene *c);
/* The plan; false: it has ended well and that is recorded. */
bool take_is_planning(struct scene *c);
/* The owner's word, and then the register. */
bool take_is_committing(struct scene *c);
/* is_loser_there: the other site lost it without having been asked. */
bool take_is_reprotecting(struct scene *c, bool is_loser_there);

#endif
