#include "stepdown.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>

#include "alarmbook.h"

#define SUBJECT "step-down"

struct stepdown {
	struct stepdown *next;
	char service[LEDGER_NAME_BYTES_MAX + 1];
	struct hearing h;
	char job[JOB_ID_BYTES];            /* under way; "" */
	char hindered[2 * ERR_TEXT_BYTES]; /* why that cannot be recorded; "" */
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

/* In the log once; stepdown_say tells it until it is over. */
static void
hinder(struct stepdown *sd, const struct authority *heard, const struct err *e)
{
	char now[sizeof(sd->hindered)];

	snprintf(now, sizeof(now),
	    "it is at site '%s' by epoch %" PRIu64
	    ", which cannot be recorded, so nothing goes on here; %s: %s",
	    heard->site, heard->epoch, movesay_remedy(e), e->text);
	text_first_line(now);
	text_mend_end(now);
	if (strcmp(now, sd->hindered) == 0)
		return;
	snprintf(sd->hindered, sizeof(sd->hindered), "%s", now);
	note_log(NOTE_ERROR, "the register of '%s': %s", sd->service, e->text);
}

/* H2: the first is recorded, the second every start begins with. */
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
	char text[ALARMBOOK_TEXT_BYTES];

	snprintf(text, sizeof(text),
	    "it is at site '%s' by epoch %" PRIu64
	    ", and nobody can prove that it is stopped here: %s; nothing "
	    "starts here; stop it by hand; it is tried again, or two people "
	    "say: bascule hold resolve %.64s --owner %s",
	    sd->h.site, sd->h.epoch, why, sd->service, sd->h.site);
	alarm_raise(d,
	    &(struct alarm_what){.on = POLICY_ON_FAILOVER,
		.level = ALARM_CRITICAL,
		.service = sd->service,
		.subject = SUBJECT,
		.text = text});
}

static bool
is_a_moves(struct daemon *d, const char *service, bool *is_taken)
{
	bool is = false;

	*is_taken = false;
	for (const struct movebook_item *i =
		 movebook_first(&d->moves->book, service);
	     i != NULL; i = movebook_next(i))
		if (move_settles(&i->m, d->policy->site)) {
			is = true;
			if (move_takes_from(&i->m, d->policy->site))
				*is_taken = true;
		}
	return is;
}

static void
tell_contested(struct daemon *d, const char *service)
{
	alarm_raise(d,
	    &(struct alarm_what){.on = POLICY_ON_FAILOVER,
		.level = ALARM_CRITICAL,
		.service = service,
		.subject = "contested",
		.text = "two sites say that this epoch of the service is "
			"theirs; nothing starts at either: bascule hold "
			"inspect",
		.moment = true});
}

static void
adopt(struct daemon *d, struct daemon_service *s, struct stepdown *sd,
    const struct authority *heard, const char *reason)
{
	struct authority_event ev = {.kind = AUTHORITY_ADOPT,
	    .here = d->policy->site,
	    .peer = heard};
	struct err e;

	if (register_change(d, s, &ev, reason, &e) != ERR_NONE)
		hinder(sd, heard, &e);
	else {
		hearing_drop(&sd->h);
		sd->hindered[0] = '\0';
	}
	if (s->authority.state == AUTHORITY_CONTESTED)
		tell_contested(d, s->policy->name);
}

static void
begin_fence(struct daemon *d, struct daemon_service *s, struct stepdown *sd,
    const struct authority *heard)
{
	struct err e;

	hearing_begun(&sd->h);
	if (fence(d, sd, s, heard, &e) == ERR_NONE)
		return;
	hearing_ended(&sd->h, false, now_mono());
	note_log(NOTE_ERROR, "stepping down from '%s': %s", s->policy->name,
	    e.text);
	alarm_of(d, sd, e.text);
}

/* False: ask again, the register has changed. */
static bool
carry_out(struct daemon *d, struct daemon_service *s, struct stepdown *sd,
    const struct hearing_of *of, const char *reason)
{
	const struct authority *what;
	struct authority heard;
	struct err e;

	switch (hearing_next(&sd->h, of, &what)) {
	case HEARING_FREEZE:
		if (freeze(d, s, of->heard, &e) != ERR_NONE) {
			hinder(sd, of->heard, &e);
			break;
		}
		sd->hindered[0] = '\0';
		return false;
	case HEARING_FENCE: begin_fence(d, s, sd, of->heard); break;
	case HEARING_ADOPT:
		heard = *what; /* it may be the register that changes */
		adopt(d, s, sd, &heard, reason);
		break;
	case HEARING_NOTHING: break;
	}
	return true;
}

void
stepdown_hear(struct daemon *d, struct daemon_service *s,
    const struct authority *heard, bool is_witness, const char *reason)
{
	const char *service = s->policy->name;
	struct stepdown *sd = find(d->moves, service);
	struct hearing_of of = {.reg = &s->authority,
	    .heard = heard,
	    .here = d->policy->site,
	    .is_witness = is_witness,
	    .now = now_mono()};
	bool was_open = sd != NULL && sd->h.epoch != 0;

	if (!was_open && !of.reg->quarantined &&
	    authority_hear(of.reg, heard, of.here) == AUTHORITY_SAME) {
		if (sd != NULL)
			sd->hindered[0] = '\0';
		return; /* as nearly always */
	}
	if (sd == NULL)
		sd = add(d->moves, service);
	if (sd == NULL)
		return;
	if (!was_open)
		sd->job[0] = '\0'; /* whose it was is settled */
	of.is_a_moves = is_a_moves(d, service, &of.is_taken);
	of.released =
	    movebook_released(&d->moves->book, service, heard->site, now_utc());
	if (!carry_out(d, s, sd, &of, reason))
		(void)carry_out(d, s, sd, &of, reason);
	if (was_open && sd->h.epoch == 0)
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
	hearing_ended(&sd->h, said.result == MOVE_DONE, now_mono());
	if (!sd->h.proved)
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

	if (sd != NULL && sd->hindered[0] != '\0') {
		snprintf(out, out_bytes, "%s", sd->hindered);
		return true;
	}
	if (sd == NULL || sd->h.epoch == 0)
		return false;
	snprintf(out, out_bytes,
	    "stepping down: it is at site '%s' by epoch %" PRIu64
	    "; this site fences itself%s",
	    sd->h.site, sd->h.epoch,
	    sd->h.tried && !sd->h.proved ? ", which could not be proved yet"
					 : "");
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
