#include "source_farpool.h"

#include <time.h>

#define CONNECT_TRIES 5 /* with 1, 2, 4 and 8 seconds between them */
#define LOSSES_MAX    12
#define NAP_NS        (NS_PER_S / 5)

/* --- one connection --- */

static void
line_free(struct farline **lp)
{
	struct farline *l = TAKE(*lp);

	if (l == NULL)
		return;
	sshsftp_close(&l->sftp);
	sshconn_close(&l->conn);
	free(l);
}

static enum err_code
line_open(struct farline **out, const struct farpool *p, struct err *e)
{
	OWNED(line_free) struct farline *l = calloc(1, sizeof(*l));
	enum err_code rc;

	*out = NULL;
	if (l == NULL)
		return err_nomem(e);
	rc = source_farhost_connect(&p->host, &l->conn, e);
	if (rc == ERR_NONE) {
		rc = sshsftp_open(&l->sftp, l->conn, e);
		if (rc != ERR_NONE)
			err_wrap(e, "host '%s'", p->host.host.name);
	}
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(l);
	return ERR_NONE;
}

static void
lines_free(struct farline *l)
{
	while (l != NULL) {
		struct farline *next = l->next;

		line_free(&l);
		l = next;
	}
}

/* False: it is to stop. */
static bool
nap(const struct farpool *p, int64_t ns)
{
	const volatile sig_atomic_t *cancel = p->host.host.cancel;

	for (; ns > 0; ns -= NAP_NS) {
		struct timespec ts = {0, NAP_NS};

		if (cancel != NULL && *cancel != 0)
			return false;
		nanosleep(&ts, NULL);
	}
	return true;
}

/* --- the pool --- */

enum err_code
source_farpool_init(struct farpool *p, const struct source_host *host,
    unsigned max, struct err *e)
{
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->freed, NULL);
	p->max = max;
	return source_farhost_init(&p->host, host, e);
}

void
source_farpool_fini(struct farpool *p)
{
	lines_free(p->idle);
	source_farhost_fini(&p->host);
	pthread_cond_destroy(&p->freed);
	pthread_mutex_destroy(&p->lock);
}

/* With the lock: what comes of a connection that could not be made? */
static void
failed(struct farpool *p, enum err_code rc, unsigned *tries,
    const struct err *e)
{
	p->count--;
	if (p->count > 0 && rc != ERR_CANCELLED)
		p->max = p->count; /* it takes no more of them */
	else if (rc != ERR_TIMEOUT || ++*tries >= CONNECT_TRIES)
		p->dead = *e;
	pthread_cond_broadcast(&p->freed);
}

/* With the lock, which is let go of meanwhile; *out stays NULL: look again. */
static void
open_another(struct farpool *p, struct farline **out, unsigned *tries)
{
	int64_t wait_ns = *tries == 0 ? 0 : NS_PER_S << (*tries - 1);
	struct err e;
	enum err_code rc;

	p->count++;
	pthread_mutex_unlock(&p->lock);
	rc = nap(p, wait_ns) ? line_open(out, p, &e)
			     : err_set(&e, ERR_CANCELLED, "asked to stop");
	pthread_mutex_lock(&p->lock);
	if (rc != ERR_NONE)
		failed(p, rc, tries, &e);
}

enum err_code
source_farpool_take(struct farpool *p, struct farline **out, struct err *e)
{
	unsigned tries = 0;

	*out = NULL;
	pthread_mutex_lock(&p->lock);
	while (*out == NULL && p->dead.code == ERR_NONE) {
		if (p->idle != NULL) {
			*out = p->idle;
			p->idle = (*out)->next;
		} else if (p->count < p->max) {
			open_another(p, out, &tries);
		} else {
			pthread_cond_wait(&p->freed, &p->lock);
		}
	}
	if (*out == NULL)
		*e = p->dead;
	pthread_mutex_unlock(&p->lock);
	return *out == NULL ? e->code : ERR_NONE;
}

/* With the lock. */
static void
count_loss(struct farpool *p)
{
	p->count--;
	if (++p->losses < LOSSES_MAX || p->dead.code != ERR_NONE)
		return;
	err_set(&p->dead, ERR_TIMEOUT,
	    "host '%s' loses one connection after the other",
	    p->host.host.name);
}

/*
 * With the lock.  What has cut one has probably cut the idle ones, too: whoever
 * tries again should not meet one after the other of them.
 */
static struct farline *
take_idle(struct farpool *p)
{
	struct farline *all = TAKE(p->idle);

	for (const struct farline *l = all; l != NULL; l = l->next)
		p->count--;
	return all;
}

void
source_farpool_give(struct farpool *p, struct farline **lp)
{
	struct farline *l = TAKE(*lp);
	struct farline *over = NULL;

	if (l == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	if (sshsftp_is_over(l->sftp)) {
		count_loss(p);
		over = l;
		over->next = take_idle(p);
	} else {
		p->losses = 0;
		l->next = p->idle;
		p->idle = l;
	}
	pthread_cond_broadcast(&p->freed);
	pthread_mutex_unlock(&p->lock);
	lines_free(over);
}

enum err_code
source_farpool_health(struct farpool *p, struct err *e)
{
	const volatile sig_atomic_t *cancel = p->host.host.cancel;
	enum err_code rc;

	if (cancel != NULL && *cancel != 0)
		return err_set(e, ERR_CANCELLED, "asked to stop");
	pthread_mutex_lock(&p->lock);
	rc = p->dead.code;
	if (rc != ERR_NONE)
		*e = p->dead;
	pthread_mutex_unlock(&p->lock);
	return rc;
}
