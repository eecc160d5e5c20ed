#ifndef CLI_PLACE_H
#define CLI_PLACE_H

/* The policies of this machine, for commands that need no daemon. */

#include <bascule/policy.h>

#include "cli.h"

#define PLACE_OPTION                                            \
	{                                                       \
		"policy", 0, "PLACE",                           \
		    "bascule.conf or its folder (the daemon's)" \
	}

/*
 * The bascule.conf that is meant: the named one, or in the named folder; where
 * none is named (NULL) what the daemon here goes by; without one /etc/bascule's.
 */
enum err_code place_find(const struct cli *cli, const char *named,
    struct buf *path, struct err *e) MUST_CHECK;

/* What --policy names, or the same, loaded. */
enum err_code place_policy(const struct cli *cli, struct policy **out,
    struct err *e) MUST_CHECK;

#endif
