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
	w->front = w->back = u;
}

static struct walk_unit *
first_new(struct walk *w)
{
	struct walk_unit *u = w->front;

	if (w->ahead >= WALK_AHEAD_UNITS)
		return NULL;
	while (u != NULL && u->state != WALK_NEW)
		u = u->behind;
	return u;
}

/* --- working (the lock is held on entry and on return) --- */

static void
work_on(struct walk *w, struct walk_unit *u)
{
	struct walk_unit *at = u;
	struct err e = {0};

	u->state = WALK_BUSY;
	w->ahead++;
	pthread_mutex_unlock(&w->lock);
	u->code = source_list_do(w, u, &e);
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < u->count; i++)
		if (u->records[i].sub != NULL) {
			insert_behind(w, at, u->records[i].sub);
			at = u->records[i].sub;
		}
	if (u->next != NULL)
		insert_behind(w, at, u->next);
	u->state = WALK_READY;
	if (w->waiting > 0)
		pthread_cond_broadcast(&w->ready);
	if (w->idle > 0 && first_new(w) != NULL)
		pthread_cond_signal(&w->work);
}

static void *
reader(void *arg)
{
	struct walk *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		struct walk_unit *u = first_new(w);

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
help_or_wait(struct walk *w)
{
	struct walk_unit *other = first_new(w);

	if (other != NULL) {
		work_on(w, other);
		return;
	}
	w->waiting++;
	pthread_cond_wait(&w->ready, &w->lock);
	w->waiting--;
}

enum err_code
source_walk_take(struct walk *w, struct walk_unit *u, struct err *e)
{
	pthread_mutex_lock(&w->lock);
	ASSERT(w->front == u);
	if (u->state == WALK_NEW)
		work_on(w, u);
	while (u->state != WALK_READY)
		help_or_wait(w);
	take_out(w, u);
	w->ahead--;
	/* Half empty before a reader is woken: not for every unit. */
	if (w->idle > 0 && w->ahead <= WALK_AHEAD_UNITS / 2 &&
	    first_new(w) != NULL)
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
	pthread_mutex_init(&w->lock, NULL);
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
	pthread_cond_destroy(&w->ready);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
}
