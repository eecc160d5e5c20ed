/*
 * Points that appear in this site's repository: the standby learns of what it
 * received by watching, not by being told.  A look at the directory's time
 * every few seconds; a worker reads only when it changed.  So with the holds: a
 * receiver spots one when what arrives cannot be true.
 */

#include "daemon.h"

#include <string.h>

#define LOOK_NS  (3 * NS_PER_S)
#define AGAIN_NS (30 * NS_PER_S) /* after a look that failed */
/* Surveys at a time: a start asks for one of each service there is. */
#define SURVEYS_MAX 4

enum { POINTS, HOLDS, SPOTS };

struct spot {
	struct watched *w;
	char *path;
	struct loop_stat *looking;
	struct utc changed, seen;
	bool waits; /* for its turn to be surveyed as of `seen` */
};

struct watched {
	struct daemon *d;
	const char *service;
	struct spot spots[SPOTS];
	struct mono again_at;    /* whatever the time says; 0: not */
	bool asked_once, looked; /* a survey was asked for; one has ended */
	char trouble[JOB_REASON_BYTES];
};

struct watcher {
	struct loop_timer *timer;
	struct watched *items;
	size_t count;
	struct loop_timer *next; /* a survey has ended: whose turn is it? */
	size_t turn;
};

static size_t
surveys_under_way(const struct daemon *d)
{
	size_t count = 0;

	for (const struct job *j = d->jobs; j != NULL; j = j->next)
		count += strcmp(j->kind->name, "survey") == 0;
	return count;
}

/* False: not asked for; the next look finds the change again. */
static bool
survey(struct watched *w)
{
	struct job_request r = {.kind = job_kind_find("survey"),
	    .service = w->service,
	    .trigger = "the repository changed",
	    .once = true};
	char lane[160];
	struct err e;

	tasks_lane(lane, "survey", w->service, NULL);
	/* One under way may have passed by what has come since. */
	if (w->d->stopping || schedule_busy(w->d->schedule, lane))
		return false;
	if (surveys_under_way(w->d) >= SURVEYS_MAX)
		return false;
	if (job_ask(w->d, &r, NULL, &e) != ERR_NONE) {
		note_log(NOTE_ERROR, "%s", e.text);
		return false;
	}
	w->asked_once = true;
	return true;
}

static void
surveyed(struct watched *w)
{
	for (size_t i = 0; i < SPOTS; i++) {
		if (w->spots[i].waits)
			w->spots[i].changed = w->spots[i].seen;
		w->spots[i].waits = false;
	}
}

/* In turn, so that none waits for ever. */
static void
survey_next(void *ctx)
{
	struct daemon *d = ctx;
	struct watcher *k = d->watcher;

	for (size_t i = 0; i < k->count; i++) {
		struct watched *w = &k->items[(k->turn + i) % k->count];

		if (!w->spots[POINTS].waits && !w->spots[HOLDS].waits)
			continue;
		if (surveys_under_way(d) >= SURVEYS_MAX) {
			k->turn = (k->turn + i) % k->count;
			return;
		}
		if (survey(w))
			surveyed(w);
	}
}

static void
looked_at(void *ctx, bool found, struct utc changed)
{
	struct spot *p = ctx;
	struct watched *w = p->w;
	struct utc last = p->changed;

	loop_stat_free(&p->looking);
	if (w->asked_once && changed.ns == last.ns &&
	    (w->again_at.ns == 0 || now_mono().ns < w->again_at.ns))
		return;
	p->seen = changed;
	p->waits = true;
	if (survey(w))
		surveyed(w);
	(void)found; /* none yet: the survey says whether that is wrong */
}

static void
look(void *ctx)
{
	struct daemon *d = ctx;
	struct err e;

	loop_timer_set(d->watcher->timer, LOOK_NS);
	for (size_t i = 0; i < d->watcher->count * SPOTS; i++) {
		struct spot *p = &d->watcher->items[i / SPOTS].spots[i % SPOTS];

		if (p->looking == NULL &&
		    loop_stat_start(&p->looking, d->loop, p->path, looked_at, p,
			&e) != ERR_NONE)
			note_log(NOTE_ERROR, "%s", e.text);
	}
}

static bool
set_spot(struct watched *w, size_t i, const char *folder, const char *below)
{
	struct spot *p = &w->spots[i];

	p->w = w;
	if (asprintf(&p->path, "%s/%s%s", w->d->site->repository, folder,
		below) >= 0)
		return true;
	p->path = NULL;
	return false;
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
		k->count++;
		if (!set_spot(w, POINTS, "points/", w->service) ||
		    !set_spot(w, HOLDS, "holds", ""))
			return err_nomem(e);
	}
	rc = loop_timer_new(&k->timer, d->loop, look, d, e);
	if (rc == ERR_NONE)
		rc = loop_timer_new(&k->next, d->loop, survey_next, d, e);
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
	for (size_t i = 0; i < k->count * SPOTS; i++) {
		struct spot *p = &k->items[i / SPOTS].spots[i % SPOTS];

		loop_stat_free(&p->looking);
		free(p->path);
	}
	loop_timer_free(&k->timer);
	loop_timer_free(&k->next);
	free(k->items);
	free(k);
}

static struct watched *
find(const struct daemon *d, const char *service)
{
	const struct policy_service *s =
	    d->watcher == NULL ? NULL : policy_find_service(d->policy, service);
	size_t i = s == NULL ? 0 : (size_t)(s - d->policy->services);

	return s == NULL || i >= d->watcher->count ? NULL
						   : &d->watcher->items[i];
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
	loop_timer_set(d->watcher->next, 0); /* its job ends before that */
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
