/* The copies at other sites, as far as the active one knows: how old the newest
 * point there is, what is still to be sent, and when it will be well again. */

#include "copies.h"
#include "links.h"

#include <string.h>

/* --- what is known ----------------------------------------------------------- */

static enum err_code
take_at(void *ctx, const struct ledger_point *p, struct err *e)
{
	(void)e;
	*(struct utc *)ctx = p->at;
	return ERR_NONE;
}

enum err_code
copies_newest(struct daemon *d, const char *service, const char *site,
    struct utc *at, struct err *e)
{
	struct ledger_point_filter f = {.service = service,
	    .at_site = site,
	    .complete = true,
	    .limit = 1};

	*at = (struct utc){0};
	return ledger_points(d->ledger, &f, take_at, at, e);
}

/* What backups stored since the copy was complete. */
struct lacking {
	struct utc since;
	uint64_t bytes;
};

static enum err_code
add_backup(void *ctx, const struct ledger_job *j, struct err *e)
{
	struct lacking *l = ctx;

	(void)e;
	if (strcmp(j->kind, "backup") == 0 && j->new_bytes > 0 &&
	    j->ended.ns > l->since.ns)
		l->bytes += (uint64_t)j->new_bytes;
	return ERR_NONE;
}

static struct job *
replication(const struct daemon *d, const char *service, const char *site)
{
	for (struct job *j = d->jobs; j != NULL; j = j->next)
		if (j->kind->schedule == SCHEDULE_REPLICATE &&
		    j->service != NULL && j->site != NULL &&
		    strcmp(j->service, service) == 0 &&
		    strcmp(j->site, site) == 0)
			return j;
	return NULL;
}

/* A replication that has looked knows; else what backups said is as near. */
static enum err_code
pending_of(struct daemon *d, const char *service, const char *site,
    struct utc there, uint64_t *bytes, struct err *e)
{
	const struct job *j = replication(d, service, site);
	struct ledger_job_filter f = {.service = service,
	    .limit = COPIES_JOBS_MAX};
	struct lacking l = {.since = there};
	enum err_code rc;

	if (j != NULL && j->total_bytes > 0) {
		*bytes = j->total_bytes > j->done_bytes
		    ? j->total_bytes - j->done_bytes
		    : 0;
		return ERR_NONE;
	}
	rc = ledger_jobs(d->ledger, &f, add_backup, &l, e);
	*bytes = l.bytes;
	return rc;
}

/* --- pure ---------------------------------------------------------------------- */

enum posture_rpo
copies_judge(const struct copies_input *in, struct utc now, struct utc *breaks)
{
	struct posture_input p = {.rpo_ns = in->rpo_ns,
	    .point = in->there,
	    .readable = true,
	    .next = in->scheduled};

	/* What is here and not there comes when it is sent; the schedule's
	 * next point is behind it. */
	if (in->here.ns > in->there.ns && in->done.ns != 0)
		p.next = in->done;
	return posture_judge(&p, now, breaks);
}

/* --- the judgement --------------------------------------------------------------- */

enum err_code
copies_look_at(struct daemon *d, struct daemon_service *s, const char *site,
    struct copies_view *out, struct err *e)
{
	struct utc now = now_utc();
	struct copies_input in = {.rpo_ns = s->policy->rpo_ns,
	    .here = s->good_at};
	enum err_code rc;

	*out = (struct copies_view){.site = site};
	rc = copies_newest(d, s->policy->name, site, &in.there, e);
	if (rc != ERR_NONE)
		return rc;
	out->there = in.there;
	out->lacks = in.here.ns > in.there.ns;
	if (out->lacks)
		rc = pending_of(d, s->policy->name, site, in.there,
		    &out->pending_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	links_foretell(d, site, s->policy->name, out->pending_bytes,
	    &out->outlook);
	in.done = out->outlook.done;
	in.scheduled = posture_arrival(&s->policy->backup.when.due,
	    s->policy->backup.expect_ns + s->policy->replicate.within_ns,
	    in.there, now);
	out->rpo = copies_judge(&in, now, &out->breaks);
	return ERR_NONE;
}

/* "1.2GiB to send over 'bt', about 4min" */
const char *
copies_outlook_text(const struct links_outlook *o, uint64_t pending_bytes,
    char out[COPIES_TEXT_BYTES])
{
	char size[TEXT_UNIT_BYTES], took[TEXT_UNIT_BYTES], at[NOW_TEXT_BYTES];
	int64_t ns = o->takes_ns / NS_PER_S * NS_PER_S + NS_PER_S;

	text_size(pending_bytes, size);
	text_duration(ns, took);
	if (o->link[0] == '\0' || o->done.ns == 0)
		snprintf(out, COPIES_TEXT_BYTES, "%s to send", size);
	else if (!o->is_up)
		snprintf(out, COPIES_TEXT_BYTES,
		    "%s to send: about %s from when a link is up", size, took);
	else
		snprintf(out, COPIES_TEXT_BYTES,
		    "%s to send over '%s', about %s: well again at %s", size,
		    o->link, took, now_words(o->done, at));
	return out;
}

/* --- as a message ------------------------------------------------------------------ */

void
copies_add_lacks(struct wire_value *v, const struct policy_site *site)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	const char *one;
	struct err e;

	if (site == NULL || survey_lacks(site, 0) == NULL ||
	    wire_new_list(&list, &e) != ERR_NONE)
		return;
	for (size_t i = 0; (one = survey_lacks(site, i)) != NULL; i++)
		wire_add_text(list, NULL, one);
	wire_add(v, "guarantees_missing", &list);
}

static void
say_trouble(const struct daemon_service *s, const struct copies_view *c,
    struct wire_value *problems)
{
	char text[ERR_TEXT_BYTES], what[COPIES_TEXT_BYTES] = "";
	char age[TEXT_UNIT_BYTES];
	bool late = c->lacks &&
	    now_utc().ns - s->good_at.ns > s->policy->replicate.within_ns;

	if (c->lacks)
		copies_outlook_text(&c->outlook, c->pending_bytes, what);
	if (c->there.ns == 0) {
		if (!c->lacks)
			return;
		snprintf(text, sizeof(text),
		    "no point has reached '%s' yet; %s", c->site, what);
	} else if (c->rpo == POSTURE_BREACHED || c->rpo == POSTURE_AT_RISK)
		snprintf(text, sizeof(text),
		    "RPO %s at '%s': its newest point is %s old%s%s",
		    posture_name(c->rpo), c->site,
		    text_duration((now_utc().ns - c->there.ns) / NS_PER_S *
			    NS_PER_S,
			age),
		    c->lacks ? "; " : "", what);
	else if (late)
		snprintf(text, sizeof(text), "'%s' lacks the newest point; %s",
		    c->site, what);
	else
		return;
	wire_add_text(problems, NULL, text);
}

static enum err_code
copy_to_wire(const struct daemon *d, const struct daemon_service *s,
    const struct copies_view *c, struct wire_value **out, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "site", c->site);
	if (c->there.ns != 0) {
		wire_add_utc(v, "at", c->there);
		wire_add_seconds(v, "lag_seconds", s->good_at.ns - c->there.ns);
	}
	wire_add_text(v, "rpo_state", posture_name(c->rpo));
	if (c->breaks.ns != 0)
		wire_add_utc(v, "rpo_breaks", c->breaks);
	if (c->outlook.link[0] != '\0')
		wire_add_text(v, "link", c->outlook.link);
	wire_add_bool(v, "link_up", c->outlook.is_up);
	if (c->lacks) {
		wire_add_uint(v, "pending_bytes", c->pending_bytes);
		if (c->outlook.bytes_per_s > 0)
			wire_add_uint(v, "bytes_per_second",
			    c->outlook.bytes_per_s);
		if (c->outlook.done.ns != 0) {
			wire_add_seconds(v, "catch_up_seconds",
			    c->outlook.takes_ns);
			wire_add_utc(v, "well_at", c->outlook.done);
		}
	}
	copies_add_lacks(v, policy_find_site(d->policy, c->site));
	*out = TAKE(v);
	return ERR_NONE;
}

enum err_code
copies_to_wire(struct daemon *d, struct daemon_service *s, struct wire_value *v,
    struct wire_value *problems, bool *behind, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < s->policy->replicate.to.count;
	     i++) {
		OWNED(wire_free) struct wire_value *one = NULL;
		struct copies_view c;

		rc = copies_look_at(d, s, daemon_copy_site(d, s->policy, i), &c,
		    e);
		if (rc == ERR_NONE)
			rc = copy_to_wire(d, s, &c, &one, e);
		if (rc != ERR_NONE)
			return rc;
		say_trouble(s, &c, problems);
		*behind = *behind || c.rpo == POSTURE_BREACHED;
		wire_add(list, NULL, &one);
	}
	if (rc == ERR_NONE)
		wire_add(v, "copies", &list);
	return rc;
}

/* --- changes ------------------------------------------------------------------------- */

static enum err_code
note_change(struct daemon *d, const struct daemon_service *s,
    const struct copies_view *c, enum posture_rpo was, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	enum err_code rc = note_draft(&draft, d, s->policy->name, "posture", e);

	note_log(c->rpo > POSTURE_AT_RISK ? NOTE_WARNING : NOTE_INFO,
	    "service '%s': RPO %s at '%s' (was %s)", s->policy->name,
	    posture_name(c->rpo), c->site, posture_name(was));
	if (rc != ERR_NONE)
		return rc;
	draft_text(draft, "rpo", posture_name(c->rpo));
	draft_text(draft, "was", posture_name(was));
	draft_text(draft, "at_site", c->site);
	draft_utc(draft, "point_at_ns", c->there);
	draft_int(draft, "rpo_ns", s->policy->rpo_ns);
	return note_event(d, draft, e);
}

static void
alarm(struct daemon *d, const struct daemon_service *s,
    const struct copies_view *c)
{
	struct alarm_what what = {.on = POLICY_ON_RPO,
	    .level = c->rpo == POSTURE_AT_RISK ? ALARM_WARNING : ALARM_CRITICAL,
	    .service = s->policy->name,
	    .subject = c->site};
	char text[ERR_TEXT_BYTES], at[NOW_TEXT_BYTES];
	char more[COPIES_TEXT_BYTES] = "";

	now_words(c->there, at);
	if (c->lacks)
		copies_outlook_text(&c->outlook, c->pending_bytes, more);
	snprintf(text, sizeof(text),
	    "RPO %s at '%s': the newest point there is of %s%s%s",
	    posture_name(c->rpo), c->site, at, c->lacks ? "; " : "", more);
	what.text = text;
	if (c->rpo == POSTURE_OK)
		alarm_clear(d, POLICY_ON_RPO, s->policy->name, c->site, text);
	else if (c->rpo != POSTURE_UNKNOWN) /* never replicated: no alarm */
		alarm_raise(d, &what);
}

void
copies_look(struct daemon *d, struct daemon_service *s)
{
	if (!daemon_is_active(d, s))
		return;
	for (size_t i = 0;
	     i < s->policy->replicate.to.count && i < DAEMON_COPIES_MAX; i++) {
		struct copies_view c;
		struct err e;
		enum err_code rc = copies_look_at(d, s,
		    daemon_copy_site(d, s->policy, i), &c, &e);
		enum posture_rpo was = (enum posture_rpo)s->copies[i].state;

		if (rc == ERR_NONE && s->copies[i].is_known && was == c.rpo)
			continue;
		if (!s->copies[i].is_known)
			was = POSTURE_UNKNOWN;
		if (rc == ERR_NONE && was != c.rpo)
			rc = note_change(d, s, &c, was, &e);
		if (rc != ERR_NONE) {
			note_log(NOTE_ERROR, "%s", e.text);
			continue;
		}
		s->copies[i].state = (int)c.rpo;
		s->copies[i].is_known = true;
		alarm(d, s, &c);
	}
}
