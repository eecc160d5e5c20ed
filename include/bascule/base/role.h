#ifndef BASCULE_BASE_ROLE_H
#define BASCULE_BASE_ROLE_H

/*
 * Who may ask for what: the roles of the policy's group table, as the API, the
 * plans and the ledger name them.  A caller may hold several: a set is an OR of
 * ROLE_BIT.
 */

#include <stdbool.h>
#include <stdint.h>

enum role {
	ROLE_VIEWER,   /* reads the posture */
	ROLE_AUDITOR,  /* reads everything, changes nothing */
	ROLE_OPERATOR, /* runs jobs and exercises */
	ROLE_APPROVER, /* approves what somebody else requested */
	ROLE_DR_LEAD,  /* requests moves, directs exercises */
	ROLE_ADMIN,    /* the daemon, keys, trust */
	ROLE_PEER,     /* the other site's daemon, through the bridge */
	ROLE_COUNT
};

#define ROLE_BIT(role) (UINT32_C(1) << (role))

/* "viewer", ..., "dr-lead", ... */
const char *role_name(enum role role);

/* False, and *role untouched, for an unknown name. */
bool role_of_name(const char *name, enum role *role);

#endif
