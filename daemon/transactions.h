#ifndef DAEMON_TRANSACTIONS_H
#define DAEMON_TRANSACTIONS_H

/*
 * What a move loses, in transactions: the policy's `count` of each dataset, as
 * the records of recovery points have it.
 *
 * TX1. A number is given only where every dataset that counts was counted at
 *      both ends, and did not go back.
 */

#include "daemon.h"

#define TRANSACTIONS_POINTS_MAX 256 /* the newest */

struct transactions {
	struct {
		char id[ID_HEX_BYTES];
		int64_t total;
	} items[TRANSACTIONS_POINTS_MAX];
	size_t count, next; /* a ring, oldest first from `next` when full */
	struct utc at;      /* of the newest count */
	int64_t newest;     /* -1: none */
};

/* As the site counted them; *out has none where the policy does not count or
 * its ledger is not here. */
enum err_code transactions_read(struct daemon *d, const char *service,
    const char *site, struct transactions *out, struct err *e) MUST_CHECK;
/* The same as it had counted them before an instant; ns 0: by now. */
enum err_code transactions_read_until(struct daemon *d, const char *service,
    const char *site, struct utc until, struct transactions *out,
    struct err *e) MUST_CHECK;
/* At that point; -1: not known. */
int64_t transactions_at(const struct transactions *t, const char *id);
/* From that point to another (NULL: the newest count).  -1: not known. */
int64_t transactions_between(const struct transactions *t, const char *from,
    const char *to);

#endif
