#include <errno.h>
#include <string.h>

#include "brake.h"
#include "fetching.h"
#include "receiver.h"
#include "rlink.h"
#include "serve.h"
#include "shelf.h"

/*
 * The heartbeat is a thread because what it must outlast is a blocking call:
 * a flush on a slow disk, the check of a large snapshot.  It
 * touches nothing but the link, whose sending is locked.
 */
struct serving {
	struct rlink link;
	pthread_t heart;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool busy, ending; /* under lock */
	struct fetching fetching;
	bool fetches; /* the other side is damaged, and asks */
};

/* Wait for the end, or until the next beat may be due. */
static void
rest(struct serving *s)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += 1;
	(void)pthread_cond_timedwait(&s->changed, &s->lock, &t);
}

static void *
beat(void *ctx)
{
	struct serving *s = ctx;
	struct err ignored = {0};

	pthread_mutex_lock(&s->lock);
	while (!s->ending) {
		bool quiet;

		pthread_mutex_lock(&s->link.lock);
		quiet = now_mono().ns - s->link.sent.ns >= RMSG_QUIET_NS;
		pthread_mutex_unlock(&s->link.lock);
		if (s->busy && quiet) {
			pthread_mutex_unlock(&s->lock);
			/* A sender that has gone is found by the reader. */
			(void)!rlink_send(&s->link, RMSG_WORKING, NULL, NULL, 0,
			    &ignored);
			pthread_mutex_lock(&s->lock);
		}
		rest(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* The heart looks once a second: to be woken by each message is dear. */
static void
set_busy(struct serving *s, bool busy)
{
	pthread_mutex_lock(&s->lock);
	s->busy = busy;
	pthread_mutex_unlock(&s->lock);
}

static enum err_code
heart_start(struct serving *s, struct err *e)
{
	pthread_condattr_t attr;
	int num;

	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	num = pthread_create(&s->heart, NULL, beat, s);
	if (num == 0)
		return ERR_NONE;
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	errno = num;
	return err_sys(e, "cannot start a thread");
}

static void
heart_stop(struct serving *s)
{
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->heart, NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
}

static enum err_code
say(void *ctx, enum rmsg_type type, const struct buf *payload, struct err *e)
{
	struct serving *s = ctx;

	return rlink_send(&s->link, type, payload, NULL, 0, e);
}

/* --- the conversation --------------------------------------------------------------- */

static enum err_code
converse(struct serving *s, struct receiver *r, const struct serve_options *opt,
    struct err *e)
{
	bool welcomed = false;

	while (!receiver_has_ended(r)) {
		struct rmsg m;
		bool ended;
		enum err_code rc;

		if (opt->cancel != NULL && *opt->cancel != 0)
			return err_set(e, ERR_CANCELLED, "asked to stop");
		if (rlink_read(&s->link, &m, &ended, e) != ERR_NONE)
			return e->code;
		if (ended && s->fetches)
			return ERR_NONE;
		if (ended)
			return err_set(e, ERR_TIMEOUT,
			    "the sender has gone without taking leave");
		s->fetches |= !welcomed && m.type == RMSG_FETCH;
		/* Before WELCOME a heartbeat would be no answer to HELLO. */
		set_busy(s, welcomed);
		rc = s->fetches ? fetching_take(&s->fetching, &m, e)
				: receiver_take(r, &m, e);
		set_busy(s, false);
		if (rc != ERR_NONE)
			return rc;
		welcomed = true;
		if (opt->on_progress != NULL)
			opt->on_progress(opt->ctx, receiver_tally(r));
	}
	return ERR_NONE;
}

/* Tell the sender why, if it is still there to be told. */
static void
say_fail(struct serving *s, const struct err *why)
{
	OWNED(buf_fini) struct buf payload = {0};
	struct err ignored = {0};

	if (rmsg_put_fail(&payload, why, &ignored) == ERR_NONE)
		(void)!rlink_send(&s->link, RMSG_FAIL, &payload, NULL, 0,
		    &ignored);
}

enum err_code
serve_run(const char *path, const struct transport *t,
    const struct serve_options *opt, struct serve_tally *out, struct err *e)
{
	return serve_share(path, t, opt, NULL, out, e);
}

enum err_code
serve_share(const char *path, const struct transport *t,
    const struct serve_options *opt, const struct receiver_share *share,
    struct serve_tally *out, struct err *e)
{
	OWNED(shelf_free) struct shelf *shelf = NULL;
	OWNED(receiver_free) struct receiver *r = NULL;
	struct serving s = {0};
	struct brake_reader slow = {.inner = t,
	    .bytes_per_s = opt->rate_bytes_per_s,
	    .cancel = opt->cancel};
	struct brake_pacer paced = {.inner = t, .opt = opt};
	struct receiver_sink sink;
	struct transport slowed, told;
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (shelf_new(&shelf, path, opt, e) != ERR_NONE)
		return e->code;
	shelf_sink(shelf, &sink);
	sink.share = share;
	if (receiver_new(&r, &sink, &(struct receiver_voice){say, &s},
		opt->allow, e) != ERR_NONE)
		return e->code;
	if (opt->pace != NULL) {
		brake_pace(&told, &paced);
		slow.inner = &told;
	}
	brake_slow(&slowed, &slow);
	rlink_init(&s.link, opt->rate_bytes_per_s == 0 ? slow.inner : &slowed);
	s.fetching = (struct fetching){.path = path,
	    .network_fs_allowed = opt->network_fs_allowed,
	    .allowed = (opt->allow & SERVE_HEAL) != 0,
	    .link = &s.link};
	rc = heart_start(&s, e);
	if (rc == ERR_NONE) {
		rc = converse(&s, r, opt, e);
		heart_stop(&s);
	}
	if (rc != ERR_NONE)
		say_fail(&s, e);
	*out = *receiver_tally(r);
	fetching_fini(&s.fetching);
	rlink_fini(&s.link);
	return rc;
}
