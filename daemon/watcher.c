/*
 * Points that appear in this site's repository: the standby learns of what it
 * received by watching, not by being told.  A look at the directory's time
 * every few seconds; a worker reads only when it changed.
 */

#include "daemon.h"

#include <string.h>

#define LOOK_NS  (3 * NS_PER_S)
#define AGAIN_NS (30 * NS_PER_S) /* after a look that failed */

struct watched {
	struct daemon *d;
	const char *service;
	char *path;
	struct loop_stat *looking;
	struct utc changed;
	struct mono again_at;    /* whatever the time says; 0: not */
	bool asked_once, looked; /* a survey was asked for; one has ended */
	char trouble[JOB_REASON_BYTES];
};

struct watcher {
	struct loop_timer *timer;
	struct watched *items;
	size_t count;
};

static void
survey(struct watched *w)
{
	struct job_request r = {.kind = job_kind_find("survey"),
	    .service = w->service,
	    .trigger = "the repository changed",
	    .once = true};
	char lane[160];
	struct err e;

	tasks_lane(lane, "survey", w->service, NULL);
	if (w->d->stopping || schedule_busy(w->d->schedule, lane))
		return; /* the next look finds the change again */
	if (job_ask(w->d, &r, NULL, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	else
		w->asked_once = true;
}

static void
looked_at(void *ctx, bool found, struct utc changed)
{
	struct watched *w = ctx;
	struct utc last = w->changed;

	loop_stat_free(&w->looking);
	if (w->asked_once && changed.ns == last.ns &&
	    (w->again_at.ns == 0 || now_mono().ns < w->again_at.ns))
		return;
	survey(w);
	if (w->asked_once)
		w->changed = changed;
	(void)found; /* none yet: the survey says whether that is wrong */
}

static void
look(void *ctx)
{
	struct daemon *d = ctx;
	struct err e;

	loop_timer_set(d->watcher->timer, LOOK_NS);
	for (size_t i = 0; i < d->watcher->count; i++) {
		struct watched *w = &d->watcher->items[i];

		if (w->looking == NULL &&
		    loop_stat_start(&w->looking, d->loop, w->path, looked_at, w,
			&e) != ERR_NONE)
			note_log(NOTE_ERROR, "%s", e.text);
	}
}

enum err_code
watcher_start(struct daemon *d, struct err *e)
{
	struct watcher *k = d->watcher = calloc(1, sizeof(*k));
	enum err_code rc;

	if (k == NULL)
		return err_nomem(e);
	k->items = calloc(d->policy->service_count + 1, sizeof(*k->items));
	if (k->items == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < d->policy->service_count; i++) {
		struct watched *w = &k->items[k->count];

		w->d = d;
		w->service = d->policy->services[i].name;
		if (asprintf(&w->path, "%s/points/%s", d->site->repository,
			w->service) < 0) {
			w->path = NULL;
			return err_nomem(e);
		}
		k->count++;
	}
	rc = loop_timer_new(&k->timer, d->loop, look, d, e);
	if (rc == ERR_NONE)
		loop_timer_set(k->timer, 0);
	return rc;
}

void
watcher_stop(struct daemon *d)
{
	struct watcher *k = TAKE(d->watcher);

	if (k == NULL)
		return;
	for (size_t i = 0; i < k->count; i++) {
		loop_stat_free(&k->items[i].looking);
		free(k->items[i].path);
	}
	loop_timer_free(&k->timer);
	free(k->items);
	free(k);
}

static struct watched *
find(const struct daemon *d, const char *service)
{
	for (size_t i = 0; d->watcher != NULL && i < d->watcher->count; i++)
		if (strcmp(d->watcher->items[i].service, service) == 0)
			return &d->watcher->items[i];
	return NULL;
}

void
watcher_looked(struct daemon *d, const char *service, const char *trouble)
{
	struct watched *w = find(d, service);

	if (w == NULL)
		return;
	if (trouble[0] != '\0' && strcmp(w->trouble, trouble) != 0)
		note_log(NOTE_WARNING, "points of '%s': %s", service, trouble);
	if (trouble[0] == '\0' && w->trouble[0] != '\0')
		note_log(NOTE_INFO, "points of '%s' can be looked at again",
		    service);
	w->looked = true;
	snprintf(w->trouble, sizeof(w->trouble), "%s", trouble);
	w->again_at.ns = trouble[0] != '\0' ? now_mono().ns + AGAIN_NS : 0;
}

const char *
watcher_trouble(const struct daemon *d, const char *service)
{
	const struct watched *w = find(d, service);

	if (w == NULL || !w->looked)
		return "the repository has not been looked at yet";
	return w->trouble;
}
