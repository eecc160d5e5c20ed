#ifndef DAEMON_LINKSTATE_H
#define DAEMON_LINKSTATE_H

/*
 * Is a link up?  Pure: probes go in, a state with hysteresis comes out.
 *
 *	UNKNOWN -one answer-> UP <-up_after answers / down_after failures-> DOWN
 */

#include <stdbool.h>
#include <stdint.h>

#include <bascule/base/now.h>

enum linkstate_is { LINKSTATE_UNKNOWN, LINKSTATE_UP, LINKSTATE_DOWN };

/* Zeroed: nothing is known. */
struct linkstate {
	enum linkstate_is is;
	uint32_t run_count; /* probes in a row that speak against `is` */
	struct utc since;
};

struct linkstate_rule {
	uint32_t down_after_count, up_after_count;
};

/* True when the state changed. */
bool linkstate_next(struct linkstate *l, const struct linkstate_rule *rule,
    bool answered, struct utc now);

const char *linkstate_name(enum linkstate_is is);

#endif
