#include "stepdown.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_NS (30 * NS_PER_S)
#define SUBJECT  "step-down"

struct stepdown {
	struct stepdown *next;
	char service[LEDGER_NAME_BYTES_MAX + 1];
	char site[AUTHORITY_SITE_BYTES]; /* whose it is, as was heard */
	uint64_t epoch;
	char job[JOB_ID_BYTES]; /* under way; "" */
	bool tried, proved;
	struct mono ended;
};

static struct stepdown *
find(const struct moves *v, const char *service)
{
	struct stepdown *at = v == NULL ? NULL : v->stepdowns;

	while (at != NULL && strcmp(at->service, service) != 0)
		at = at->next;
	return at;
}

static struct stepdown *
add(struct moves *v, const char *service)
{
	struct stepdown *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL; /* the next look tries again */
	snprintf(s->service, sizeof(s->service), "%s", service);
	s->next = v->stepdowns;
	v->stepdowns = s;
	return s;
}

/* SD2: the first is recorded, the second every start begins with. */
static enum err_code
freeze(struct daemon *d, struct daemon_service *s,
    const struct authority *heard, struct err *e)
{
	struct authority_event seen = {.kind = AUTHORITY_EPOCH_SEEN,
	    .epoch = heard->epoch};
	struct authority_event stop = {.kind = AUTHORITY_QUARANTINE};
	enum err_code rc = ERR_NONE;

	if (!s->authority.quarantined)
		rc = authority_next(&s->authority, &stop, &s->authority, e);
	if (rc == ERR_NONE && s->authority.highest_seen < heard->epoch)
		rc = register_change(d, s, &seen,
		    "the service was given to another site", e);
	return rc;
}

static enum err_code
fence(struct daemon *d, struct stepdown *sd, const struct daemon_service *s,
    const struct authority *heard, struct err *e)
{
	struct move m = {.known = true, .mode = GUARDS_UNPLANNED};
	struct movejob_ask ask = {.m = &m,
	    .act = "fence",
	    .epoch = s->authority.epoch};

	snprintf(m.service, sizeof(m.service), "%s", s->policy->name);
	snprintf(m.from, sizeof(m.from), "%s", d->policy->site);
	snprintf(m.to, sizeof(m.to), "%s", heard->site);
	snprintf(m.run, sizeof(m.run), "%s", heard->run);
	if (m.run[0] == '\0')
		snprintf(m.run, sizeof(m.run), SUBJECT "-%" PRIu64,
		    heard->epoch);
	return movejob_act(d, &ask, sd->job, e);
}

static void
alarm_of(struct daemon *d, const struct stepdown *sd, const char *why)
{
	char text[600];

	snprintf(text, sizeof(text),
	    "it is at site '%s' by epoch %" PRIu64
	    ", and nobody can prove that it is stopped here: %.200s; nothing "
	    "starts here; stop it by hand; it is tried again, or two people "
	    "say: bascule hold resolve %.64s --owner %s",
	    sd->site, sd->epoch, why, sd->service, sd->site);
	alarm_raise(d,
	    &(struct alarm_what){.on = POLICY_ON_FAILOVER,
		.level = ALARM_CRITICAL,
		.service = sd->service,
		.subject = SUBJECT,
		.text = text});
}

/* Other news than before: what was proved was proved for the older. */
static void
take(struct stepdown *sd, const struct authority *heard)
{
	if (sd->epoch == heard->epoch && strcmp(sd->site, heard->site) == 0)
		return;
	sd->epoch = heard->epoch;
	snprintf(sd->site, sizeof(sd->site), "%s", heard->site);
	sd->tried = sd->proved = false;
	sd->job[0] = '\0';
}

bool
stepdown_is_fenced(struct daemon *d, struct daemon_service *s,
    const struct authority *heard)
{
	const char *service = s->policy->name;
	struct stepdown *sd = find(d->moves, service);
	struct err e;
	enum err_code rc;

	if (sd == NULL)
		sd = add(d->moves, service);
	if (sd == NULL)
		return false;
	take(sd, heard);
	rc = freeze(d, s, heard, &e);
	if (rc == ERR_NONE &&
	    (sd->proved ||
		movebook_released(&d->moves->book, service, heard->site,
		    now_utc()) >= 2))
		return true;
	if (rc == ERR_NONE &&
	    (sd->job[0] != '\0' ||
		(sd->tried && now_mono().ns - sd->ended.ns < AGAIN_NS)))
		return false;
	if (rc == ERR_NONE)
		rc = fence(d, sd, s, heard, &e);
	if (rc == ERR_NONE)
		return false;
	sd->tried = true;
	sd->ended = now_mono();
	note_log(NOTE_ERROR, "stepping down from '%s': %s", service, e.text);
	alarm_of(d, sd, e.text);
	return false;
}

/* Who adopted it through a move has let go as well. */
bool
stepdown_is_open(struct daemon *d, const struct daemon_service *s)
{
	const struct stepdown *sd = find(d->moves, s->policy->name);

	if (sd == NULL)
		return false;
	if (s->authority.epoch < sd->epoch ||
	    strcmp(s->authority.site, d->policy->site) == 0)
		return true;
	stepdown_drop(d, s->policy->name);
	return false;
}

void
stepdown_drop(struct daemon *d, const char *service)
{
	struct stepdown **at = &d->moves->stepdowns, *gone;

	while (*at != NULL && strcmp((*at)->service, service) != 0)
		at = &(*at)->next;
	gone = *at;
	if (gone == NULL)
		return;
	*at = gone->next;
	free(gone);
	alarm_clear(d, POLICY_ON_FAILOVER, service, SUBJECT,
	    "this site has let go of it");
}

void
stepdown_job_ended(struct daemon *d, const struct job *j)
{
	struct stepdown *sd =
	    j->service == NULL ? NULL : find(d->moves, j->service);
	struct movejob_said said;

	if (sd == NULL || d->stopping || strcmp(sd->job, j->id) != 0)
		return;
	movejob_said(j, &said);
	sd->job[0] = '\0';
	sd->tried = true;
	sd->ended = now_mono();
	sd->proved = said.result == MOVE_DONE;
	if (!sd->proved)
		alarm_of(d, sd,
		    said.reason[0] != '\0' ? said.reason
					   : move_result_name(said.result));
	moves_told(d);
}

bool
stepdown_say(const struct daemon *d, const char *service, char *out,
    size_t out_bytes)
{
	const struct stepdown *sd = find(d->moves, service);

	if (sd == NULL)
		return false;
	snprintf(out, out_bytes,
	    "stepping down: it is at site '%s' by epoch %" PRIu64
	    "; this site fences itself%s",
	    sd->site, sd->epoch,
	    sd->tried && !sd->proved ? ", which could not be proved yet" : "");
	return true;
}

void
stepdown_stop(struct moves *v)
{
	while (v->stepdowns != NULL) {
		struct stepdown *gone = v->stepdowns;

		v->stepdowns = gone->next;
		free(gone);
	}
}
