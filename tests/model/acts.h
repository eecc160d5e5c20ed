#ifndef TESTS_MODEL_ACTS_H
#define TESTS_MODEL_ACTS_H

/* What actors do to the repository, each against its truth. */

#include <stdbool.h>

#include <bascule/crypt.h>

#include "model/truth.h"

struct acts {
	const char *path; /* of the repository */
	const struct keyring *keyring;
	unsigned steps_left; /* acts that may still be begun */
	unsigned steps;      /* begun */
	bool receives;       /* from the other site */
	bool loses;          /* a pack will be lost, as by a bad disk */
	bool lost;           /* it has been: much may fail from then on */
};
extern struct acts acts;

#define ACTS_FAR "/far" /* the other site's repository */

/* What the backup of each actor builds on; the serial is of the pin. */
struct acts_pin {
	const struct truth_snapshot *snapshot;
	unsigned serial;
};
extern struct acts_pin acts_pins[8];

/* An actor's life: act after act until no more may be begun. */
struct acts_role {
	int number;
	bool writes, forgets, collects, reads, holds, fences, points, heals,
	    sends;
};
void acts_live(void *role);

/* By the judge, when all is still. */
void acts_judge(void);

/* --- one by one ------------------------------------------------------------ */

void backup_act(const struct acts_role *role);
void point_act(void);
void points_follow(const struct truth_snapshot *s, enum truth_state state);
void points_judge(struct store *st, const struct snapshot_list *snapshots);
void far_act(void);
void far_begin(void);

/* NULL: it could not be opened, because the actor died. */
struct store *acts_open(enum store_access access);
struct store *acts_open_keyless(void);
/* Byte for byte.  A failure is ERR_*; what is wrong fails the world. */
enum err_code acts_restore(struct store *st, const struct truth_snapshot *t,
    struct err *e) MUST_CHECK;

#endif
