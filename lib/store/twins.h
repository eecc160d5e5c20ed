#ifndef STORE_TWINS_H
#define STORE_TWINS_H

/*
 * Packs of which other packs hold all that is reached: two writers stored the
 * same at the same time, or a repacking or a healing died between its new packs
 * and the end of the old one.
 *
 * T1. A pack goes for others only when every record of it that is reached has a
 *     copy in a pack that stays, which was read and found good (copyproof).
 * T2. Of two, one stays: each is judged by the fates of the others as they are
 *     by then.
 */

#include "collecting.h"

/* FATE_CONDEMNED for each that the others make superfluous. */
enum err_code twins_condemn(struct collection *c, struct err *e) MUST_CHECK;

/* Whether all that is reached in it is safe elsewhere.  False: or not known. */
bool twins_are_safe(struct collection *c, uint32_t number);

#endif
