#ifndef TESTS_UNIT_SOURCE_FARSOURCE_H
#define TESTS_UNIT_SOURCE_FARSOURCE_H

#include <bascule/source.h>

#include "support/farhost.h"

/* That sshd as a host a source is on; its key is pinned until the next call. */
struct source_host farsource_of(struct farhost *far, const char *name);

#endif
