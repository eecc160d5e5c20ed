#ifndef CLI_RESTORE_H
#define CLI_RESTORE_H

#include "cli.h"

/* SERVICE[/DATASET][@POINT], by the daemon, from this site's repository. */
int restore_live(struct cli *cli);

#endif
