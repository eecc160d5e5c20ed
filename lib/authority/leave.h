#ifndef AUTHORITY_LEAVE_H
#define AUTHORITY_LEAVE_H

/* The turns of the site that is left.  True: the turn is settled. */

#include "scene.h"

bool leave_planned(struct scene *c);
bool leave_unplanned(struct scene *c);
bool leave_roll_back(struct scene *c);
/* What the other site took: fence our own side, keep what was written since
 * that row, wait. */
bool leave_way(struct scene *c, uint64_t since);

#endif
