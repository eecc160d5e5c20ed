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

static const char *const event_names[AUTHORITY_EVENTS] = {
    [AUTHORITY_GRANT] = "grant",
    [AUTHORITY_REPLICATION_LOST] = "replication-lost",
    [AUTHORITY_REPLICATION_BACK] = "replication-back",
    [AUTHORITY_SUSPEND] = "suspend",
    [AUTHORITY_RESUME] = "resume",
    [AUTHORITY_EPOCH_SEEN] = "epoch-seen",
    [AUTHORITY_QUIESCE] = "quiesce",
    [AUTHORITY_RESUME_WRITES] = "resume-writes",
    [AUTHORITY_MOVE] = "move",
    [AUTHORITY_PROMOTE] = "promote",
    [AUTHORITY_COMMIT] = "commit",
    [AUTHORITY_REPROTECTED] = "reprotected",
    [AUTHORITY_HOLD] = "hold",
    [AUTHORITY_CONTEST] = "contest",
    [AUTHORITY_RESOLVE] = "resolve",
    [AUTHORITY_ADOPT] = "adopt",
    [AUTHORITY_QUARANTINE] = "quarantine",
    [AUTHORITY_RELEASE] = "release",
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
	if (ev->epoch <= a->highest_seen || ev->epoch > AUTHORITY_EPOCH_MAX)
		return err_set(e, ERR_BUSY,
		    "a grant of epoch %" PRIu64
		    " comes too late: epoch %" PRIu64 " was seen already",
		    ev->epoch, a->highest_seen);
	a->state = AUTHORITY_PROTECTED;
	memcpy(a->site, ev->site, len + 1);
	a->epoch = a->highest_seen = ev->epoch;
	return ERR_NONE;
}

/* --- helpers ---------------------------------------------------------------- */

/* What the state is, or was before it was set aside. */
static enum authority_state *
standing(struct authority *a)
{
	return a->state == AUTHORITY_SUSPENDED || a->state == AUTHORITY_QUIESCED
	    ? &a->resumes_to
	    : &a->state;
}

static bool
is_writable(enum authority_state s)
{
	return s == AUTHORITY_PROTECTED || s == AUTHORITY_UNPROTECTED ||
	    s == AUTHORITY_PROVISIONAL;
}

static bool
is_name(const char *s, size_t size_bytes)
{
	return s != NULL && *s != '\0' && strnlen(s, size_bytes) < size_bytes;
}

static bool
is_here(const struct authority *a, const struct authority_event *ev)
{
	return ev->here != NULL && strcmp(a->site, ev->here) == 0;
}

static void
set_name(char *to, const char *from, size_t size_bytes)
{
	memset(to, 0, size_bytes); /* registers are compared as memory */
	if (from != NULL)
		memcpy(to, from, strnlen(from, size_bytes - 1));
}

static void
set_run(struct authority *a, const struct authority_event *ev)
{
	set_name(a->run, ev->run, sizeof(a->run));
}

static bool
is_run(const struct authority *a, const struct authority_event *ev)
{
	return strncmp(a->run, ev->run == NULL ? "" : ev->run,
		   sizeof(a->run) - 1) == 0;
}

static void
set_state(struct authority *a, enum authority_state s)
{
	a->state = s;
	a->resumes_to = AUTHORITY_UNINITIALISED;
	if (s != AUTHORITY_MOVING)
		memset(a->from_site, 0, sizeof(a->from_site));
}

static enum err_code
not_here(const struct authority *a, const char *what, struct err *e)
{
	return err_set(e, ERR_REFUSED,
	    "%s is for the site that owns epoch %" PRIu64 ", '%s'", what,
	    a->epoch, a->site);
}

/* Somebody moved on: what is of the older epoch stands still (A2). */
static enum err_code
overtaken(const struct authority *a, const char *what, struct err *e)
{
	return err_set(e, ERR_BUSY,
	    "%s of epoch %" PRIu64 " comes too late: epoch %" PRIu64
	    " was seen",
	    what, a->epoch, a->highest_seen);
}

/* --- replication, maintenance ------------------------------------------------ */

/*
 * Replication is watched in SUSPENDED and QUIESCED too: the state to resume to
 * must be the true one.
 */
static enum err_code
set_protection(struct authority *a, enum authority_state to, struct err *e)
{
	enum authority_state *state = standing(a);

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
	set_state(a, a->resumes_to);
	return ERR_NONE;
}

/* --- a move ------------------------------------------------------------------- */

static enum err_code
quiesce(struct authority *a, const struct authority_event *ev, struct err *e)
{
	if (a->state == AUTHORITY_QUIESCED && is_run(a, ev) && is_here(a, ev))
		return ERR_NONE;
	if (!is_writable(a->state))
		return refuse(a, "quiescing", e);
	if (!is_here(a, ev))
		return not_here(a, "quiescing", e);
	if (a->quarantined)
		return refuse(a, "quiescing in quarantine", e);
	if (a->epoch != a->highest_seen)
		return overtaken(a, "quiescing", e);
	a->resumes_to = a->state;
	a->state = AUTHORITY_QUIESCED;
	set_run(a, ev);
	return ERR_NONE;
}

static enum err_code
resume_writes(struct authority *a, const struct authority_event *ev,
    struct err *e)
{
	if (is_writable(a->state) && is_here(a, ev))
		return ERR_NONE; /* it was never quiesced, or has resumed */
	if (a->state != AUTHORITY_QUIESCED)
		return refuse(a, "resuming the writes", e);
	if (!is_here(a, ev))
		return not_here(a, "resuming the writes", e);
	if (!is_run(a, ev))
		return err_set(e, ERR_REFUSED,
		    "the writes were stopped by run '%s', which alone may "
		    "resume them",
		    a->run);
	if (a->epoch != a->highest_seen)
		return overtaken(a, "resuming the writes", e);
	set_state(a, a->resumes_to);
	return ERR_NONE;
}

/*
 * At the site that lets go only what is quiesced; at the one that takes, upon
 * what it knows of the other: its own state is none that writes.
 */
static bool
can_move(const struct authority *a, const struct authority_event *ev)
{
	if (a->quarantined)
		return false;
	if (is_here(a, ev))
		return a->state == AUTHORITY_QUIESCED &&
		    strcmp(ev->site, ev->here) != 0;
	return strcmp(ev->site, ev->here) == 0 &&
	    (is_writable(a->state) || a->state == AUTHORITY_QUIESCED ||
		a->state == AUTHORITY_MOVING);
}

static enum err_code
move(struct authority *a, const struct authority_event *ev, struct err *e)
{
	if (!is_name(ev->site, sizeof(a->site)) || ev->here == NULL ||
	    ev->epoch > AUTHORITY_EPOCH_MAX)
		return err_set(e, ERR_INPUT,
		    "a move names the site to go to and an epoch");
	if (a->state == AUTHORITY_MOVING && a->epoch == ev->epoch &&
	    strcmp(a->site, ev->site) == 0)
		return ERR_NONE;
	if (!can_move(a, ev))
		return refuse(a, "a move", e);
	/* Who takes may have heard the epoch that was granted to it. */
	if (ev->epoch <= a->epoch || ev->epoch < a->highest_seen ||
	    (is_here(a, ev) && ev->epoch == a->highest_seen))
		return err_set(e, ERR_BUSY,
		    "a move to epoch %" PRIu64 " comes too late: epoch %" PRIu64
		    " was seen already",
		    ev->epoch, a->highest_seen);
	memcpy(a->from_site, a->site, sizeof(a->from_site));
	set_name(a->site, ev->site, sizeof(a->site));
	a->state = AUTHORITY_MOVING;
	a->resumes_to = AUTHORITY_UNINITIALISED;
	a->epoch = a->highest_seen = ev->epoch;
	set_run(a, ev);
	return ERR_NONE;
}

static enum err_code
promote(struct authority *a, const struct authority_event *ev, struct err *e)
{
	if (!is_here(a, ev))
		return not_here(a, "promoting", e);
	if (is_writable(a->state) && is_run(a, ev))
		return ERR_NONE;
	if (a->state != AUTHORITY_MOVING)
		return refuse(a, "promoting", e);
	if (a->quarantined)
		return refuse(a, "promoting in quarantine", e);
	if (a->epoch != a->highest_seen)
		return overtaken(a, "promoting", e);
	set_state(a, AUTHORITY_PROVISIONAL);
	set_run(a, ev);
	return ERR_NONE;
}

static enum err_code
commit(struct authority *a, const struct authority_event *ev, struct err *e)
{
	if (!is_here(a, ev))
		return not_here(a, "committing", e);
	if (a->state == AUTHORITY_UNPROTECTED ||
	    a->state == AUTHORITY_PROTECTED)
		return ERR_NONE;
	if (a->state != AUTHORITY_PROVISIONAL)
		return refuse(a, "committing", e);
	set_state(a, AUTHORITY_UNPROTECTED);
	return ERR_NONE;
}

static enum err_code
reprotected(struct authority *a, const struct authority_event *ev,
    struct err *e)
{
	if (!is_here(a, ev))
		return not_here(a, "reprotecting", e);
	return set_protection(a, AUTHORITY_PROTECTED, e);
}

/* --- uncertainty -------------------------------------------------------------- */

static enum err_code
hold(struct authority *a, const struct authority_event *ev, struct err *e)
{
	if (a->state == AUTHORITY_UNINITIALISED ||
	    a->state == AUTHORITY_CONTESTED)
		return refuse(a, "holding", e);
	set_state(a, AUTHORITY_HELD);
	set_run(a, ev);
	return ERR_NONE;
}

static enum err_code
contest(struct authority *a, struct err *e)
{
	if (a->state == AUTHORITY_UNINITIALISED)
		return refuse(a, "a contest", e);
	set_state(a, AUTHORITY_CONTESTED);
	return ERR_NONE;
}

/*
 * What is uncertain; or what the other site had last said, for a site that takes
 * it to itself: a hold of that does not outlast its word (says_more), and the
 * other may be lost.
 */
static bool
can_resolve(const struct authority *a, const struct authority_event *ev)
{
	if (a->state == AUTHORITY_HELD || a->state == AUTHORITY_CONTESTED ||
	    a->state == AUTHORITY_MOVING)
		return true;
	return a->state != AUTHORITY_UNINITIALISED && ev->here != NULL &&
	    ev->site != NULL && strcmp(ev->site, ev->here) == 0 &&
	    !is_here(a, ev);
}

/* A5, I3: two people, and even then the owner must promote itself (A4). */
static enum err_code
resolve(struct authority *a, const struct authority_event *ev, struct err *e)
{
	if (!can_resolve(a, ev))
		return refuse(a, "resolving", e);
	if (!is_name(ev->site, sizeof(a->site)) ||
	    ev->epoch > AUTHORITY_EPOCH_MAX)
		return err_set(e, ERR_INPUT,
		    "a resolution names the owner and an epoch");
	if (ev->persons < 2)
		return err_set(e, ERR_REFUSED,
		    "%s needs the word of two people; %u said so",
		    authority_state_name(a->state), ev->persons);
	if (ev->epoch <= a->highest_seen)
		return err_set(e, ERR_BUSY,
		    "a resolution to epoch %" PRIu64
		    " comes too late: epoch %" PRIu64 " was seen already",
		    ev->epoch, a->highest_seen);
	if (strcmp(a->site, ev->site) != 0)
		memcpy(a->from_site, a->site, sizeof(a->from_site));
	else
		memset(a->from_site, 0, sizeof(a->from_site));
	set_name(a->site, ev->site, sizeof(a->site));
	a->state = AUTHORITY_MOVING;
	a->resumes_to = AUTHORITY_UNINITIALISED;
	a->epoch = a->highest_seen = ev->epoch;
	set_run(a, ev);
	return ERR_NONE;
}

static enum err_code
release(struct authority *a, const struct authority_event *ev, struct err *e)
{
	if (a->quarantined && ev->persons < 2)
		return err_set(e, ERR_REFUSED,
		    "the quarantine needs the word of two people, or the other "
		    "site's; %u said so",
		    ev->persons);
	a->quarantined = false;
	return ERR_NONE;
}

/* --- the other site's register ------------------------------------------------ */

static bool
is_possible(const struct authority *a)
{
	if ((unsigned)a->state >= AUTHORITY_STATES ||
	    a->state == AUTHORITY_UNINITIALISED || a->epoch == 0 ||
	    !is_name(a->site, sizeof(a->site)) || a->highest_seen < a->epoch ||
	    a->highest_seen > AUTHORITY_EPOCH_MAX ||
	    strnlen(a->run, sizeof(a->run)) == sizeof(a->run) ||
	    strnlen(a->from_site, sizeof(a->from_site)) == sizeof(a->from_site))
		return false;
	if (a->state == AUTHORITY_QUIESCED)
		return is_writable(a->resumes_to);
	if (a->state != AUTHORITY_SUSPENDED)
		return a->resumes_to == AUTHORITY_UNINITIALISED;
	return a->resumes_to == AUTHORITY_PROTECTED ||
	    a->resumes_to == AUTHORITY_UNPROTECTED;
}

/* Whose word of one epoch it is: the owner's, and anybody's who is frozen. */
static bool
says_more(const struct authority *a, const struct authority *peer,
    const char *here)
{
	if (a->state == AUTHORITY_CONTESTED)
		return false;
	if (peer->state == AUTHORITY_CONTESTED)
		return true;
	/* A hold of what the other owns ends when the other says where it is:
	 * it makes nothing here writable. */
	return strcmp(a->site, here) != 0 &&
	    (a->state != peer->state || a->resumes_to != peer->resumes_to ||
		strcmp(a->run, peer->run) != 0 ||
		strcmp(a->from_site, peer->from_site) != 0);
}

enum authority_hearing
authority_hear(const struct authority *a, const struct authority *peer,
    const char *here)
{
	bool is_ours = strcmp(a->site, here) == 0;

	if (!is_possible(peer) || peer->epoch < a->epoch)
		return AUTHORITY_SAME;
	if (peer->epoch == a->epoch && strcmp(peer->site, a->site) != 0)
		return a->state == AUTHORITY_CONTESTED ? AUTHORITY_SAME
						       : AUTHORITY_FREEZE;
	if (peer->epoch > a->epoch)
		return is_ours && a->state != AUTHORITY_UNINITIALISED &&
			strcmp(peer->site, here) != 0
		    ? AUTHORITY_STEP_DOWN
		    : AUTHORITY_FOLLOW;
	if (!says_more(a, peer, here))
		return AUTHORITY_SAME;
	return peer->state == AUTHORITY_CONTESTED ? AUTHORITY_FREEZE
						  : AUTHORITY_FOLLOW;
}

/* A4: the other's word makes nothing here writable. */
static void
take_over(struct authority *a, const struct authority *peer, const char *here)
{
	bool quarantined = a->quarantined;
	uint64_t highest = a->highest_seen;

	*a = *peer;
	a->quarantined = quarantined;
	if (highest > a->highest_seen)
		a->highest_seen = highest;
	if (strcmp(a->site, here) == 0 && a->state != AUTHORITY_HELD &&
	    a->state != AUTHORITY_CONTESTED && a->state != AUTHORITY_MOVING) {
		a->state = AUTHORITY_MOVING;
		a->resumes_to = AUTHORITY_UNINITIALISED;
	}
}

static enum err_code
adopt(struct authority *a, const struct authority_event *ev, struct err *e)
{
	if (ev->peer == NULL || ev->here == NULL)
		return err_set(e, ERR_INPUT,
		    "what is adopted is the other site's register");
	if (!is_possible(ev->peer))
		return err_set(e, ERR_CORRUPT,
		    "no service can be %s at '%.*s' with epoch %" PRIu64,
		    authority_state_name(ev->peer->state),
		    AUTHORITY_SITE_BYTES - 1, ev->peer->site, ev->peer->epoch);
	switch (authority_hear(a, ev->peer, ev->here)) {
	case AUTHORITY_SAME: break;
	case AUTHORITY_FOLLOW:
	case AUTHORITY_STEP_DOWN: take_over(a, ev->peer, ev->here); break;
	case AUTHORITY_FREEZE:
		if (a->state != AUTHORITY_UNINITIALISED)
			set_state(a, AUTHORITY_CONTESTED);
		break;
	}
	if (ev->peer->highest_seen > a->highest_seen)
		a->highest_seen = ev->peer->highest_seen;
	a->quarantined = false;
	return ERR_NONE;
}

/* --- all events ---------------------------------------------------------------- */

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
		if (ev->epoch > AUTHORITY_EPOCH_MAX)
			return err_set(e, ERR_INPUT,
			    "no epoch is as high as %" PRIu64, ev->epoch);
		if (ev->epoch > a->highest_seen)
			a->highest_seen = ev->epoch;
		return ERR_NONE;
	case AUTHORITY_QUIESCE: return quiesce(a, ev, e);
	case AUTHORITY_RESUME_WRITES: return resume_writes(a, ev, e);
	case AUTHORITY_MOVE: return move(a, ev, e);
	case AUTHORITY_PROMOTE: return promote(a, ev, e);
	case AUTHORITY_COMMIT: return commit(a, ev, e);
	case AUTHORITY_REPROTECTED: return reprotected(a, ev, e);
	case AUTHORITY_HOLD: return hold(a, ev, e);
	case AUTHORITY_CONTEST: return contest(a, e);
	case AUTHORITY_RESOLVE: return resolve(a, ev, e);
	case AUTHORITY_ADOPT: return adopt(a, ev, e);
	case AUTHORITY_QUARANTINE: a->quarantined = true; return ERR_NONE;
	case AUTHORITY_RELEASE: return release(a, ev, e);
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

enum err_code
authority_recall(struct authority *a, const struct authority *recorded,
    struct err *e)
{
	if (!is_possible(recorded))
		return err_set(e, ERR_CORRUPT,
		    "no service can be %s at '%.*s' with epoch %" PRIu64,
		    authority_state_name(recorded->state),
		    AUTHORITY_SITE_BYTES - 1, recorded->site, recorded->epoch);
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

/* --- asking -------------------------------------------------------------------- */

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
authority_is_active(const struct authority *a, const char *site)
{
	enum authority_state s =
	    a->state == AUTHORITY_SUSPENDED ? a->resumes_to : a->state;

	return is_writable(s) && a->epoch == a->highest_seen &&
	    strcmp(a->site, site) == 0;
}

bool
authority_may_write(const struct authority *a, const char *site)
{
	return !a->quarantined && authority_is_active(a, site);
}

enum err_code
authority_may_start(const struct authority *a, const char *site, struct err *e)
{
	if (a->state == AUTHORITY_UNINITIALISED)
		return err_set(e, ERR_BUSY, "no site has been granted yet");
	if (strcmp(a->site, site) != 0)
		return err_set(e, ERR_BUSY,
		    "it is at site '%s' by the register (%s, epoch %" PRIu64
		    "), not here",
		    a->site, authority_state_name(a->state), a->epoch);
	if (a->epoch != a->highest_seen)
		return overtaken(a, "a start", e);
	if (!authority_is_active(a, site)) {
		err_set(e, ERR_BUSY, "it is %s: nothing may write anywhere",
		    authority_state_name(a->state));
		return a->state == AUTHORITY_HELD ||
			a->state == AUTHORITY_CONTESTED
		    ? err_hint(e, "bascule hold inspect")
		    : e->code;
	}
	if (a->quarantined) {
		err_set(e, ERR_BUSY,
		    "quarantined: since this daemon's start the other site "
		    "has not said where the service is");
		return err_hint(e,
		    "restore the link, or release it with two people: "
		    "bascule hold resolve SERVICE --owner %s",
		    site);
	}
	return ERR_NONE;
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

const char *
authority_event_name(enum authority_event_kind k)
{
	return (unsigned)k < AUTHORITY_EVENTS ? event_names[k] : "unknown";
}
