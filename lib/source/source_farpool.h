#ifndef LIB_SOURCE_SOURCE_FARPOOL_H
#define LIB_SOURCE_SOURCE_FARPOOL_H

/*
 * Connections to one host, each with an SFTP session, lent to one thread at a
 * time.
 *
 * F1. They are made when they are needed, at most so many; a host that takes
 *     fewer is asked for no more.
 * F2. Whoever holds one waits for nobody else before giving it back, so those
 *     who wait for one get it.
 * F3. One that was lost is made again, and so are those that were idle when it
 *     was found to be lost: they often are as well.  When the host cannot be reached for a
 *     while, or loses one after the other, the pool is dead: everybody who
 *     asks or waits hears that at once, for good.
 */

#include <pthread.h>

#include <bascule/base/now.h>

#include "source_farhost.h"

struct farline {
	struct farline *next; /* idle */
	struct sshconn *conn;
	struct sshsftp *sftp;
};

struct farpool {
	struct source_farhost host;
	pthread_mutex_t lock;
	pthread_cond_t freed;
	struct farline *idle;
	unsigned count, max; /* of connections: there are, may be */
	unsigned losses;     /* one after the other */
	struct err dead;     /* code ERR_NONE while it lives */
};

/* Zeroed memory to an empty pool.  Nothing is connected yet. */
enum err_code source_farpool_init(struct farpool *p,
    const struct source_host *host, unsigned max, struct err *e) MUST_CHECK;
/* Nobody holds a line any more. */
void source_farpool_fini(struct farpool *p);

/* ERR_TIMEOUT, ERR_REFUSED, ERR_CANCELLED: the pool is dead. */
enum err_code source_farpool_take(struct farpool *p, struct farline **out,
    struct err *e) MUST_CHECK;
/* What was opened over it is closed.  *line may be NULL. */
void source_farpool_give(struct farpool *p, struct farline **line);

/* The dead one's fault, or ERR_CANCELLED; ERR_NONE while all is well. */
enum err_code source_farpool_health(struct farpool *p,
    struct err *e) MUST_CHECK;

#endif
