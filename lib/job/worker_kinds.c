/* The one list of what a worker can do. */

#include "worker.h"

#include <string.h>

static const struct worker_kind *const kinds[] = {&worker_backup,
    &worker_replicate, &worker_verify, &worker_prune, &worker_survey,
    &worker_heal, &worker_exercise, &worker_restore, &worker_bridge,
    &worker_equal, &worker_ready, &worker_etcd, &worker_move};

const struct worker_kind *
worker_kinds_find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}
