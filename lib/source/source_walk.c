#include "source_walk.h"

#include <errno.h>
#include <signal.h>

#include "source_list.h"

/* --- units and listings --- */

enum err_code
source_walk_unit_new(struct walk_unit **out, struct source_dir *dir,
    struct err *e)
{
	OWNED(free_mem) struct walk_unit *u = calloc(1, sizeof(*u));
	struct walk_listing *l = calloc(1, sizeof(*l));

	*out = NULL;
	if (u == NULL || l == NULL) {
		free(l);
		return err_nomem(e);
	}
	l->refs = 1;
	l->dir = source_dir_ref(dir);
	u->listing = l;
	*out = TAKE(u);
	return ERR_NONE;
}

void
source_walk_unref(struct walk *w, struct walk_listing **l)
{
	struct walk_listing *old = TAKE(*l);

	if (old == NULL ||
	    __atomic_sub_fetch(&old->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	source_dir_unref(&w->dirs, &old->dir);
	__atomic_sub_fetch(&w->listed_bytes, old->held_bytes, __ATOMIC_RELAXED);
	free(old->bytes);
	free(old->names);
	free(old);
}

void
source_walk_unit_free(struct walk *w, struct walk_unit **u)
{
	struct walk_unit *old = TAKE(*u);

	if (old == NULL)
		return;
	source_walk_unref(w, &old->listing);
	free(old->records);
	free(old->problem);
	free(old);
}

/* --- the list (under the lock) --- */

static void
insert_behind(struct walk *w, struct walk_unit *at, struct walk_unit *u)
{
	u->before = at;
	u->behind = at->behind;
	*(at->behind != NULL ? &at->behind->before : &w->back) = u;
	at->behind = u;
}

static void
take_out(struct walk *w, struct walk_unit *u)
{
	*(u->before != NULL ? &u->before->behind : &w->front) = u->behind;
	*(u->behind != NULL ? &u->behind->before : &w->back) = u->before;
	u->before = u->behind = NULL;
}

void
source_walk_push(struct walk *w, struct walk_unit *u)
{
	ASSERT(w->front == NULL);
	w->front = w->back = w->first_new = u;
}

static bool
is_far_ahead(const struct walk *w)
{
	return w->ahead >= WALK_AHEAD_UNITS ||
	    w->ahead_count >= WALK_AHEAD_COUNT ||
	    __atomic_load_n(&w->listed_bytes, __ATOMIC_RELAXED) >=
	    w->ops->listed_ahead_bytes;
}

static struct walk_unit *
next_work(const struct walk *w)
{
	return is_far_ahead(w) ? NULL : w->first_new;
}

static struct walk_unit *
first_new_from(struct walk_unit *u)
{
	while (u != NULL && u->state != WALK_NEW)
		u = u->behind;
	return u;
}

/* --- working (the lock is held on entry and on return) --- */

/* Was the first new one behind u?  Then it may be one that now stands there. */
static void
first_new_again(struct walk *w, struct walk_unit *u,
    const struct walk_unit *new_behind)
{
	/* Unless another thread's finds, before u, are the first. */
	if (new_behind == w->first_new && u->behind != NULL)
		w->first_new = first_new_from(u->behind);
}

/* The subdirectories go behind u, before its directory's next unit. */
static void
insert_found(struct walk *w, struct walk_unit *u)
{
	struct walk_unit *at = u, *new_behind = first_new_from(u->behind);

	for (size_t i = 0; i < u->count; i++)
		if (u->records[i].sub != NULL) {
			insert_behind(w, at, u->records[i].sub);
			at = u->records[i].sub;
		}
	first_new_again(w, u, new_behind);
}

void
source_walk_offer_next(struct walk *w, struct walk_unit *u)
{
	struct walk_unit *new_behind;

	pthread_mutex_lock(&w->lock);
	new_behind = first_new_from(u->behind);
	insert_behind(w, u, u->next);
	first_new_again(w, u, new_behind);
	/* Also the consumer, where it sleeps until u is done. */
	if (w->wanted != NULL && next_work(w) != NULL)
		pthread_cond_signal(&w->ready);
	if (w->idle > 0 && next_work(w) != NULL)
		pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

static void
work_on(struct walk *w, struct walk_unit *u)
{
	struct err e = {0};

	u->state = WALK_BUSY;
	if (u == w->first_new)
		w->first_new = first_new_from(u->behind);
	w->ahead++;
	pthread_mutex_unlock(&w->lock);
	u->code = source_list_do(w, u, &e);
	pthread_mutex_lock(&w->lock);
	insert_found(w, u);
	u->state = WALK_READY;
	w->ahead_count += u->count;
	if (w->wanted != NULL && (w->wanted == u || next_work(w) != NULL))
		pthread_cond_signal(&w->ready);
	if (w->idle > 0 && next_work(w) != NULL)
		pthread_cond_signal(&w->work);
}

static void *
reader(void *arg)
{
	struct walk *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		struct walk_unit *u = next_work(w);

		if (u != NULL) {
			work_on(w, u);
			continue;
		}
		w->idle++;
		pthread_cond_wait(&w->work, &w->lock);
		w->idle--;
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Another's work while u is BUSY, or sleep. */
static void
help_or_wait(struct walk *w, struct walk_unit *u)
{
	struct walk_unit *other = next_work(w);

	if (other != NULL) {
		work_on(w, other);
		return;
	}
	w->wanted = u;
	pthread_cond_wait(&w->ready, &w->lock);
	w->wanted = NULL;
}

enum err_code
source_walk_take(struct walk *w, struct walk_unit *u, struct err *e)
{
	pthread_mutex_lock(&w->lock);
	ASSERT(w->front == u);
	if (u->state == WALK_NEW)
		work_on(w, u);
	while (u->state != WALK_READY)
		help_or_wait(w, u);
	take_out(w, u);
	w->ahead--;
	w->ahead_count -= u->count;
	/* Half empty before a reader is woken: not for every unit. */
	if (w->idle > 0 && w->ahead <= WALK_AHEAD_UNITS / 2 &&
	    w->ahead_count <= WALK_AHEAD_COUNT / 2 && next_work(w) != NULL)
		pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	if (u->code == ERR_NOMEM)
		return err_nomem(e);
	return ERR_NONE;
}

/* --- making and ending --- */

enum err_code
source_walk_init(struct walk *w, struct err *e)
{
	pthread_mutexattr_t spins;

	/* It is held for less than going to sleep takes. */
	pthread_mutexattr_init(&spins);
	pthread_mutexattr_settype(&spins, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&w->lock, &spins);
	pthread_mutexattr_destroy(&spins);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->ready, NULL);
	return source_dir_table_init(&w->dirs, e);
}

enum err_code
source_walk_start(struct walk *w, unsigned threads, struct err *e)
{
	sigset_t all, old;
	int num = 0;

	/* Signals are for the threads that know about them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (num == 0 && w->thread_count < threads) {
		num = pthread_create(&w->threads[w->thread_count], NULL, reader,
		    w);
		if (num == 0)
			w->thread_count++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (num != 0 && w->thread_count == 0) {
		errno = num;
		return err_sys(e, "starting a thread to read directories");
	}
	return ERR_NONE;
}

void
source_walk_fini(struct walk *w)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->thread_count; i++)
		pthread_join(w->threads[i], NULL);
	while (w->front != NULL) {
		struct walk_unit *u = w->front;

		take_out(w, u);
		source_walk_unit_free(w, &u);
	}
	source_exclude_free(&w->exclude);
	source_dir_table_fini(&w->dirs);
	if (w->ops != NULL && w->ops->free != NULL)
		w->ops->free(w);
	pthread_cond_destroy(&w->ready);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
}
