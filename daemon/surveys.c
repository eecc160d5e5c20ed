/* What lies in this site's repository, as a survey of it tells: points that came,
 * holds, and what looks wrong. */

#include "daemon.h"
#include "job_kinds.h"

#include <string.h>

struct survey_own {
	uint64_t held; /* a bit for each dataset of which a hold was told */
	/* What was told and is not on record; "": all of it is. */
	char unrecorded[JOB_REASON_BYTES];
};

/* What a survey told and nobody wrote down is told by the next one. */
static void
not_recorded(struct job *j, const char *what, const struct err *e)
{
	struct survey_own *own = job_own(j, sizeof(*own), NULL);

	note_log(NOTE_ERROR, "%s of '%s' is not recorded: %s", what, j->service,
	    e->text);
	if (own == NULL || own->unrecorded[0] != '\0')
		return;
	snprintf(own->unrecorded, sizeof(own->unrecorded),
	    "%.40s of '%.64s' is not recorded: %.380s", what, j->service,
	    e->text);
	text_mend_end(own->unrecorded);
}

/*
 * What arrived cannot be true, and the store keeps what was before: an alarm,
 * for as long as the hold stands.
 */
static void
survey_hold(struct job *j, struct wire_value *ev)
{
	const char *dataset = wire_take_text(ev, "dataset", "");
	struct daemon_service *s = daemon_service(j->d, j->service);
	struct alarm_what what = {.on = strcmp(wire_take_text(ev, "why", ""),
					    "suspect") == 0
		? POLICY_ON_SUSPECT
		: POLICY_ON_DIVERGENCE,
	    .level = ALARM_CRITICAL,
	    .service = j->service,
	    .subject = dataset,
	    .text = wire_take_text(ev, "text", "")};
	struct survey_own *own = job_own(j, sizeof(*own), NULL);

	alarm_raise(j->d, &what);
	for (size_t i = 0;
	     own != NULL && s != NULL && i < 64 && i < s->policy->dataset_count;
	     i++)
		if (strcmp(s->policy->datasets[i].name, dataset) == 0)
			own->held |= UINT64_C(1) << i;
}

static void
clear_unheld(struct job *j)
{
	struct daemon_service *s = daemon_service(j->d, j->service);
	const struct survey_own *own = j->own;
	const char *over = "no hold says so any more";

	for (size_t i = 0; s != NULL && i < 64 && i < s->policy->dataset_count;
	     i++) {
		const char *name = s->policy->datasets[i].name;

		if (own != NULL && (own->held >> i & 1) != 0)
			continue;
		alarm_clear(j->d, POLICY_ON_DIVERGENCE, j->service, name, over);
		if (s != NULL && !daemon_is_active(j->d, s))
			alarm_clear(j->d, POLICY_ON_SUSPECT, j->service, name,
			    over);
	}
}

struct known {
	const char *site;
	bool is; /* a point that is whole here, as the ledger knows it */
};

static enum err_code
note_known(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct known *k = ctx;

	(void)e;
	/* A move may have pinned it before anybody had looked what came. */
	k->is = p->complete &&
	    (strcmp(p->site, k->site) == 0 ||
		job_kinds_has_word(p->sites, k->site));
	return ERR_NONE;
}

/* A point of which one snapshot looks wrong; its hold is the alarm. */
struct doubted {
	const char *snapshot;
	char id[ID_HEX_BYTES];
	bool suspect;
};

static enum err_code
note_doubted(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct doubted *k = ctx;

	(void)e;
	if (p->snapshots == NULL || strstr(p->snapshots, k->snapshot) == NULL)
		return ERR_NONE;
	snprintf(k->id, sizeof(k->id), "%s", p->id);
	k->suspect = p->suspect;
	return ERR_NONE;
}

static enum err_code
mark_suspect(struct job *j, struct wire_value *ev, struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	struct ledger_point_filter f = {.service = j->service};
	struct doubted k = {.snapshot = wire_need_text(ev, "snapshot")};
	const char *text = wire_need_text(ev, "text");
	enum err_code rc;

	(void)wire_take_text(ev, "dataset", "");
	if (strlen(k.snapshot) != ID_HEX_BYTES - 1)
		return err_set(e, ERR_INPUT, "not a snapshot's id");
	rc = ledger_points(j->d->ledger, &f, note_doubted, &k, e);
	if (rc != ERR_NONE || k.id[0] == '\0' || k.suspect)
		return rc;
	rc = note_draft(&d, j->d, j->service, LEDGER_POINT, e);
	if (rc != ERR_NONE)
		return rc;
	draft_text(d, "point", k.id);
	draft_uint(d, "suspect", 1);
	draft_text(d, "why", text);
	return note_event(j->d, d, e);
}

/*
 * A point that lies here and that the ledger does not have came from the site
 * where the service is; there it is of a backup whose end was never told, and
 * nobody has said that it is anywhere else.
 */
static const char *
came_from(const struct daemon_service *s, const char *here)
{
	return strcmp(s->authority.site, here) == 0
	    ? here
	    : policy_find_peer(s->policy, here);
}

static bool
survey_event(struct job *j, const char *type, struct wire_value *ev)
{
	OWNED(draft_free) struct draft *d = NULL;
	struct ledger_point_filter f = {.id = wire_take_text(ev, "point", "")};
	struct daemon_service *s = daemon_service(j->d, j->service);
	struct known known = {.site = j->d->policy->site};
	struct err e;
	enum err_code rc;

	if (strcmp(type, "hold") == 0) {
		survey_hold(j, ev);
		return true;
	}
	if (strcmp(type, "suspect") == 0) {
		if (mark_suspect(j, ev, &e) != ERR_NONE)
			not_recorded(j, "that a point looks wrong", &e);
		return true;
	}
	if (strcmp(type, "point") != 0)
		return false;
	rc = ledger_points(j->d->ledger, &f, note_known, &known, &e);
	if (rc == ERR_NONE && (known.is || s == NULL))
		return true;
	if (rc == ERR_NONE)
		rc = job_kinds_point(&d, j, ev, &e);
	if (rc == ERR_NONE) {
		draft_text(d, "site", came_from(s, known.site));
		draft_text(d, "replicated_site", known.site);
		rc = note_event(j->d, d, &e);
	}
	if (rc != ERR_NONE)
		not_recorded(j, "a point", &e);
	else if (daemon_pull_from(j->d, s) != NULL)
		daemon_sign_now(j->d); /* so that the active site hears of it */
	return true;
}

static void
fail(struct job *j, const char *why)
{
	j->state = JOB_FAILED;
	snprintf(j->reason, sizeof(j->reason), "%s", why);
}

/* A replica is made by the first push: until then it is not missed, it has no
 * points.  One that was there, or the active site's own, is. */
static void
survey_finish(struct job *j, struct wire_value *result)
{
	struct daemon_service *s = daemon_service(j->d, j->service);
	const struct survey_own *own = j->own;
	const char *absent =
	    result == NULL ? "" : wire_take_text(result, "absent", "");

	if (j->state == JOB_SUCCEEDED && own != NULL &&
	    own->unrecorded[0] != '\0')
		fail(j, own->unrecorded);
	if (absent[0] == '\0' || s == NULL ||
	    (!daemon_is_active(j->d, s) && s->good_at.ns == 0))
		return;
	fail(j, absent);
}

static void
survey_after(struct job *j)
{
	if (j->state == JOB_SUCCEEDED)
		clear_unheld(j);
	watcher_looked(j->d, j->service,
	    j->state == JOB_SUCCEEDED ? "" : j->reason);
	job_kinds_refresh(j);
}

const struct job_kind survey_kind = {.name = "survey",
    .schedule = SCHEDULE_OTHER,
    .on_event = survey_event,
    .finish = survey_finish,
    .after = survey_after};
