#ifndef STORE_KEPT_H
#define STORE_KEPT_H

/* The files of condemned/: which of them cannot be believed? */

#include "heal.h"

/* Check's: each is damage, though it only delays. */
enum err_code kept_check(struct checking *ck, struct err *e) MUST_CHECK;
/* Healing's: they go to bad/, and what they said begins again. */
enum err_code kept_heal(struct heal *h, struct err *e) MUST_CHECK;

#endif
