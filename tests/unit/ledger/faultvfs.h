#ifndef TESTS_LEDGER_FAULTVFS_H
#define TESTS_LEDGER_FAULTVFS_H

#include <stdbool.h>

/*
 * SQLite's own file system with a call in the way that fails: the linker's
 * --wrap does not reach into libsqlite3.  Its name for ledger_options.vfs:
 */
#define FAULTVFS "faultvfs"

void faultvfs_install(void);

/*
 * The nth write, sync, truncate, delete or open from now on fails as if the
 * disk were full (enospc) or broken.
 */
void faultvfs_arm(int nth, bool enospc);
/* Disarm.  True if the armed call was reached. */
bool faultvfs_fired(void);

#endif
