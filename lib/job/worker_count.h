#ifndef JOB_WORKER_COUNT_H
#define JOB_WORKER_COUNT_H

/*
 * How many transactions a dataset has had so far, as the policy's command says
 * (`count`): read before the dataset is captured, so that what is lost is rather
 * said to be more than it is.
 */

#include "worker.h"

#define WORKER_COUNT_NONE (-1)

/*
 * WORKER_COUNT_NONE: the policy does not count, or it could not be read, which
 * is told in the job's log and is no failure of the backup.
 */
int64_t worker_count_read(struct worker *w, const struct policy_service *s,
    const struct policy_dataset *d);

/* One decimal number and a newline, blanks around it; false: it is none. */
bool worker_count_parse(const char *text, size_t len_bytes, int64_t *out);

#endif
