#include "fencing.h"

#include <inttypes.h>
#include <string.h>

#include "daemon.h"

#define AGAIN_NS (5 * NS_PER_S) /* after one that could not be told */

static enum err_code
tell(struct daemon *d, const char *service, const struct epoch_mark *to,
    struct err *e)
{
	struct epoch_mark is;
	enum err_code rc =
	    survey_tell_epoch(d->site->repository, service, to, &is, e);

	if (rc == ERR_BUSY && is.seen != 0)
		rc = e->code = ERR_REFUSED;
	return rc;
}

enum err_code
fencing_take(struct daemon *d, const char *service, uint64_t epoch,
    struct err *e)
{
	const struct epoch_mark to = {epoch, epoch};
	enum err_code rc = tell(d, service, &to, e);

	if (rc == ERR_NONE)
		note_log(NOTE_INFO,
		    "service '%s': nothing comes in below epoch %" PRIu64,
		    service, epoch);
	return rc;
}

enum err_code
fencing_seen(struct daemon *d, const char *service, uint64_t *epoch,
    struct err *e)
{
	struct epoch_mark mark;
	enum err_code rc = survey_epoch(d->site->repository, service, &mark, e);

	*epoch = mark.seen;
	return rc;
}

/* --- what the register says ---------------------------------------------------- */

static struct epoch_mark
wanted(const struct daemon *d, const struct daemon_service *s)
{
	const struct authority *a = &s->authority;
	struct epoch_mark m = {a->highest_seen, 0};

	if (strcmp(a->site, d->policy->site) == 0)
		m.owned = a->epoch;
	return m;
}

void
fencing_look(struct daemon *d, struct daemon_service *s)
{
	const struct epoch_mark to = wanted(d, s);
	struct mono now = now_mono();
	struct err e;
	enum err_code rc;

	if (d->site == NULL || *d->site->repository == '\0' ||
	    (to.seen <= s->fence.seen && to.owned <= s->fence.owned) ||
	    now.ns < s->fence.again.ns)
		return;
	rc = tell(d, s->policy->name, &to, &e);
	if (rc == ERR_NONE) {
		s->fence.seen = to.seen;
		s->fence.owned = to.owned;
		s->fence.failed = false;
		return;
	}
	s->fence.again.ns = now.ns + AGAIN_NS;
	/* None yet, or somebody writes: nothing to be said. */
	if (rc == ERR_NOTFOUND || rc == ERR_BUSY || s->fence.failed)
		return;
	s->fence.failed = true;
	note_log(NOTE_ERROR, "the epoch of service '%s': %s", s->policy->name,
	    e.text);
}
