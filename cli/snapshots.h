#ifndef CLI_SNAPSHOTS_H
#define CLI_SNAPSHOTS_H

#include "cli.h"

/* A store_damage_fn for commands: says it and counts it. */
struct cli_damages {
	struct cli *cli;
	size_t count;
};
void cli_damage(void *ctx, const char *object, const char *what);

#endif
