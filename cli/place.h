#ifndef CLI_PLACE_H
#define CLI_PLACE_H

/* The policies of this machine, for commands that need no daemon. */

#include <bascule/policy.h>

#include "cli.h"

#define PLACE_OPTION                                            \
	{                                                       \
		"policy", 0, "PLACE",                           \
		    "bascule.conf or its folder (/etc/bascule)" \
	}

/* What --policy names, loaded. */
enum err_code place_policy(struct cli *cli, struct policy **out,
    struct err *e) MUST_CHECK;

#endif
