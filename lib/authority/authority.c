#include <bascule/authority.h>

#include <inttypes.h>
#include <string.h>

static const char *const names[AUTHORITY_STATES] = {
    [AUTHORITY_UNINITIALISED] = "UNINITIALISED",
    [AUTHORITY_PROTECTED] = "PROTECTED",
    [AUTHORITY_UNPROTECTED] = "UNPROTECTED",
    [AUTHORITY_QUIESCED] = "QUIESCED",
    [AUTHORITY_MOVING] = "MOVING",
    [AUTHORITY_PROVISIONAL] = "PROVISIONAL",
    [AUTHORITY_HELD] = "HELD",
    [AUTHORITY_CONTESTED] = "CONTESTED",
    [AUTHORITY_SUSPENDED] = "SUSPENDED",
};

static enum err_code
refuse(const struct authority *a, const char *what, struct err *e)
{
	return err_set(e, ERR_REFUSED, "%s is not possible while %s%s%s", what,
	    authority_state_name(a->state), a->site[0] != '\0' ? " at " : "",
	    a->site);
}

static enum err_code
grant(struct authority *a, const struct authority_event *ev, struct err *e)
{
	size_t len = ev->site == NULL ? 0 : strlen(ev->site);

	if (a->state != AUTHORITY_UNINITIALISED)
		return refuse(a, "a first grant", e);
	if (len == 0 || len >= AUTHORITY_SITE_BYTES)
		return err_set(e, ERR_INPUT,
		    "a grant names a site of 1 to %d characters",
		    AUTHORITY_SITE_BYTES - 1);
	if (ev->epoch <= a->highest_seen)
		return err_set(e, ERR_BUSY,
		    "a grant of epoch %" PRIu64
		    " comes too late: epoch %" PRIu64 " was seen already",
		    ev->epoch, a->highest_seen);
	a->state = AUTHORITY_PROTECTED;
	memcpy(a->site, ev->site, len + 1);
	a->epoch = a->highest_seen = ev->epoch;
	return ERR_NONE;
}

/*
 * Replication is watched in SUSPENDED too: the state to resume to must be the
 * true one.
 */
static enum err_code
set_protection(struct authority *a, enum authority_state to, struct err *e)
{
	enum authority_state *state =
	    a->state == AUTHORITY_SUSPENDED ? &a->resumes_to : &a->state;

	if (*state != AUTHORITY_PROTECTED && *state != AUTHORITY_UNPROTECTED)
		return refuse(a, "a change of protection", e);
	*state = to;
	return ERR_NONE;
}

static enum err_code
suspend(struct authority *a, struct err *e)
{
	if (a->state != AUTHORITY_PROTECTED &&
	    a->state != AUTHORITY_UNPROTECTED)
		return refuse(a, "suspending", e);
	a->resumes_to = a->state;
	a->state = AUTHORITY_SUSPENDED;
	return ERR_NONE;
}

static enum err_code
resume(struct authority *a, struct err *e)
{
	if (a->state != AUTHORITY_SUSPENDED)
		return refuse(a, "resuming", e);
	a->state = a->resumes_to;
	a->resumes_to = AUTHORITY_UNINITIALISED;
	return ERR_NONE;
}

static enum err_code
apply(struct authority *a, const struct authority_event *ev, struct err *e)
{
	switch (ev->kind) {
	case AUTHORITY_GRANT: return grant(a, ev, e);
	case AUTHORITY_REPLICATION_LOST:
		return set_protection(a, AUTHORITY_UNPROTECTED, e);
	case AUTHORITY_REPLICATION_BACK:
		return set_protection(a, AUTHORITY_PROTECTED, e);
	case AUTHORITY_SUSPEND: return suspend(a, e);
	case AUTHORITY_RESUME: return resume(a, e);
	case AUTHORITY_EPOCH_SEEN:
		if (ev->epoch > a->highest_seen)
			a->highest_seen = ev->epoch;
		return ERR_NONE;
	default: break;
	}
	return err_set(e, ERR_INPUT, "there is no such event");
}

enum err_code
authority_next(const struct authority *from, const struct authority_event *ev,
    struct authority *to, struct err *e)
{
	struct authority next = *from;
	enum err_code rc = apply(&next, ev, e);

	*to = rc == ERR_NONE ? next : *from;
	return rc;
}

static bool
is_possible(const struct authority *a)
{
	if (a->state == AUTHORITY_UNINITIALISED || a->epoch == 0 ||
	    a->site[0] == '\0' || a->highest_seen < a->epoch)
		return false;
	if (a->state != AUTHORITY_SUSPENDED)
		return a->resumes_to == AUTHORITY_UNINITIALISED;
	return a->resumes_to == AUTHORITY_PROTECTED ||
	    a->resumes_to == AUTHORITY_UNPROTECTED;
}

enum err_code
authority_recall(struct authority *a, const struct authority *recorded,
    struct err *e)
{
	if (!is_possible(recorded))
		return err_set(e, ERR_CORRUPT,
		    "no service can be %s at '%s' with epoch %" PRIu64,
		    authority_state_name(recorded->state), recorded->site,
		    recorded->epoch);
	if (recorded->epoch < a->epoch ||
	    recorded->highest_seen < a->highest_seen)
		return err_set(e, ERR_CORRUPT,
		    "the epoch falls from %" PRIu64 " to %" PRIu64,
		    a->highest_seen, recorded->highest_seen);
	if (recorded->epoch == a->epoch && strcmp(recorded->site, a->site) != 0)
		return err_set(e, ERR_CORRUPT,
		    "epoch %" PRIu64 " has two owners, '%s' and '%s'", a->epoch,
		    a->site, recorded->site);
	*a = *recorded;
	return ERR_NONE;
}

enum err_code
authority_admit(const struct authority *a, uint64_t epoch, struct err *e)
{
	if (epoch < a->highest_seen)
		return err_set(e, ERR_BUSY,
		    "epoch %" PRIu64 " is fenced: epoch %" PRIu64
		    " was seen already",
		    epoch, a->highest_seen);
	return ERR_NONE;
}

bool
authority_may_write(const struct authority *a, const char *site)
{
	enum authority_state s =
	    a->state == AUTHORITY_SUSPENDED ? a->resumes_to : a->state;

	if (s != AUTHORITY_PROTECTED && s != AUTHORITY_UNPROTECTED &&
	    s != AUTHORITY_PROVISIONAL)
		return false;
	return a->epoch == a->highest_seen && strcmp(a->site, site) == 0;
}

const char *
authority_state_name(enum authority_state s)
{
	return (unsigned)s < AUTHORITY_STATES ? names[s] : "UNKNOWN";
}

bool
authority_state_find(const char *name, enum authority_state *s)
{
	for (unsigned i = 0; i < AUTHORITY_STATES; i++)
		if (strcmp(names[i], name) == 0) {
			*s = (enum authority_state)i;
			return true;
		}
	return false;
}
