/* What people are told of a move: on the screen, and by alarms. */

#include <string.h>

#include "alarmbook.h"
#include "moves.h"
#include "peer.h"
#include "question.h"
#include "request.h"
#include "stepdown.h"

void
movesay_plain(char *text)
{
	for (char *c = text; *c != '\0'; c++)
		if (*c == ';')
			*c = ',';
}

const char *
movesay_remedy(const struct err *e)
{
	return e->code == ERR_NOSPACE
	    ? "make room on that disk, it goes on by itself then"
	    : "it is tried again and again";
}

/* "retry skip abort": the first is typed, the others are told. */
static void
say_answer(struct move_turn *t, const char *run, const struct question *a)
{
	size_t first = strcspn(a->verbs, " "), used;
	const char *rest = a->verbs + first;

	used = (size_t)snprintf(t->next, sizeof(t->next),
	    "bascule failover answer %.64s %.64s %.*s", run, a->name,
	    (int)first, a->verbs);
	if (*rest != '\0' && used < sizeof(t->next))
		snprintf(t->next + used, sizeof(t->next) - used, " (or%s)",
		    rest);
}

/* A step of the plan asks somebody: then it is not the plan's turn. */
static void
say_asked(struct move_turn *t, const char *run, const struct question *asked)
{
	t->whom = MOVE_PERSON;
	t->since = asked->asked;
	t->alarm = true;
	snprintf(t->why, sizeof(t->why), "%s", asked->text);
	movesay_plain(t->why);
	say_answer(t, run, asked);
}

/* A worker says that it lives every few seconds: this one cannot. */
static void
say_silent_worker(struct move_turn *t, const char *act, const struct job *j)
{
	struct supervise_silence said;

	t->whom = MOVE_PERSON;
	t->alarm = true;
	supervise_silence(supervise_pid(j->worker), &said);
	snprintf(t->why, sizeof(t->why), "%s is under way here, and %s", act,
	    said.why);
	snprintf(t->next, sizeof(t->next), "%s", said.type);
}

/* What an act is about, for who has never read of acts. */
static const char *
gloss_of(enum move_act act)
{
	static const struct {
		enum move_act act;
		const char *text;
	} glosses[] = {
	    {MOVE_QUIESCE, "the writes here are being stopped"},
	    {MOVE_SYNC, "the last point is being made and sent"},
	    {MOVE_COMPARE, "the last point is being opened here"},
	    {MOVE_FENCE,
		"the service is being shut off at the site that it leaves"},
	    {MOVE_PROVE, "whether the service is off there is being read back"},
	    {MOVE_RESUME, "the service is being started again here"},
	    {MOVE_PLAN, "the service is being brought up here"},
	    {MOVE_UNDO, "what was brought up here is being shut down"},
	    {MOVE_CAPTURE, "what was written here is being kept"},
	    {MOVE_PIN, "the point is being kept from being pruned"},
	    {MOVE_STOP, "the service here is being shut off"},
	};

	for (size_t i = 0; i < COUNT_OF(glosses); i++)
		if (glosses[i].act == act)
			return glosses[i].text;
	return "it is being done";
}

/* Something of this move is being done here. */
static void
say_work(const struct daemon *d, struct movebook_item *item)
{
	struct move_turn *t = &item->turn;
	const char *act = move_act_name(item->work.act);
	const struct job *j = d->jobs;
	bool waits;

	while (j != NULL &&
	    (item->work.job[0] == '\0' || strcmp(j->id, item->work.job) != 0))
		j = j->next;
	if (j == NULL)
		return;
	waits = j->worker == NULL && j->reason[0] != '\0';
	if (j->questions != NULL)
		say_asked(t, item->m.run, j->questions);
	else if (j->stalled && j->worker != NULL)
		say_silent_worker(t, act, j);
	else
		snprintf(t->why, sizeof(t->why),
		    "%s: %s is under way here (job %s)%s%.150s",
		    gloss_of(item->work.act), act, j->id,
		    waits ? ", which waits: " : "", waits ? j->reason : "");
}

/*
 * The other site does not answer.  While the service is at neither, people who
 * know that site to be lost can decide; before and after, it is to be reached.
 */
static void
say_silent_site(const struct daemon_service *s, struct movebook_item *item)
{
	struct move_turn *t = &item->turn;

	if (s->authority.state == AUTHORITY_MOVING)
		snprintf(t->next, sizeof(t->next), "bascule hold inspect %s",
		    item->m.run);
	else
		snprintf(t->next, sizeof(t->next), "bascule links");
}

/* Who has approved, and what is to be typed by whom. */
static void
say_request(struct daemon *d, struct movebook_item *item)
{
	const struct request_standing *s = request_stands(d, item->m.run);
	const char *at = item->m.asked_at;
	struct move_turn *t = &item->turn;

	if (s == NULL)
		return;
	if (s->suffices && s->needed == 0)
		snprintf(t->why, sizeof(t->why),
		    "to be started (nobody has to approve it)");
	else
		snprintf(t->why, sizeof(t->why), "%s, %s (approvals: %.150s)",
		    s->suffices ? "approved" : "to be approved",
		    s->suffices ? "and to be started" : "then started",
		    s->verdict);
	movesay_plain(t->why);
	snprintf(t->next, sizeof(t->next), "%s", s->next);
	if (s->suffices && strcmp(at, d->policy->site) != 0)
		snprintf(t->next, sizeof(t->next), "%.180s (at %s)", s->next,
		    at);
}

/*
 * The other site waits for a person, whose word may be said here as well.  What
 * is not heard from there is no such word's turn.
 */
static void
say_their_person(struct movebook_item *item)
{
	const struct move *m = &item->m;
	struct move_turn *t = &item->turn;
	enum move_event_kind phase = move_phase(m);

	if (phase == MOVE_RAN) {
		snprintf(t->why, sizeof(t->why),
		    "the service runs at %s: its owner looks at it, and "
		    "commits or rolls back",
		    m->to);
		snprintf(t->next, sizeof(t->next),
		    "bascule failover commit %s --confirm %s", m->run, m->to);
	} else if (phase == MOVE_COMMITTED && m->a.fact[MOVE_DIVERGENCE] != 0 &&
	    m->a.fact[MOVE_SAY_REPROTECT] == 0 &&
	    m->b.fact[MOVE_SAY_REPROTECT] == 0) {
		snprintf(t->why, sizeof(t->why),
		    "what was written at %s after the point is kept: the owner "
		    "looks at it and lets it be overwritten",
		    m->from);
		snprintf(t->next, sizeof(t->next),
		    "bascule failover reprotect %s --confirm %s", m->run,
		    m->to);
	}
}

/*
 * It begins anew and has not heard the other site: that is minutes at most, and
 * what two people may do about it comes behind what tells whether they should.
 */
static void
say_quarantine(const struct daemon *d, struct movebook_item *item)
{
	const char *there = strcmp(item->m.from, d->policy->site) == 0
	    ? item->m.to
	    : item->m.from;

	snprintf(item->turn.why, sizeof(item->turn.why),
	    "since this daemon's start %s has not said where the service is: "
	    "it goes on when that is heard, or, where %s is known not to run "
	    "it, when two people have released it",
	    there, there);
	snprintf(item->turn.next, sizeof(item->turn.next),
	    "bascule hold inspect %s", item->m.run);
}

/* At a gate, after the start: who can let it through, and by what. */
static void
say_barrier(struct daemon *d, struct movebook_item *item)
{
	const struct request_standing *s = request_stands(d, item->m.run);
	struct move_turn *t = &item->turn;

	if (item->barrier == G04_APPROVALS && s != NULL) {
		snprintf(t->why, sizeof(t->why),
		    "too few approve it as it is now: what they saw has "
		    "changed, or their word has run out or was taken back");
		snprintf(t->next, sizeof(t->next),
		    "bascule approve %s (by somebody else than %s)",
		    item->m.run, item->requester);
	} else if (item->barrier == G14_REGISTERS)
		snprintf(t->next, sizeof(t->next), "bascule hold inspect %s",
		    item->m.run);
	else if (item->barrier_override == GUARDS_BY_LEAD)
		snprintf(t->next, sizeof(t->next),
		    "bascule failover retry %s --override %s=REASON (by a "
		    "dr-lead, against it; once it is mended, the move goes "
		    "on by itself)",
		    item->m.run, guards_id(item->barrier));
}

/* What hindered it at this look, for as long as it does. */
static void
say_hindrance(struct movebook_item *item)
{
	struct movebook_hindrance *h = &item->hindrance;
	struct move_turn *t = &item->turn;

	if (!h->stands) {
		h->text[0] = '\0';
		return;
	}
	t->alarm = true;
	t->since = h->since;
	snprintf(t->next, sizeof(t->next), "%s", h->next);
	snprintf(t->why, sizeof(t->why), "%s", h->text);
}

void
movesay_turn(struct daemon *d, struct movebook_item *item,
    const struct move_facts *facts)
{
	struct move_turn *t = &item->turn;

	if (facts->works)
		say_work(d, item);
	else if (t->act == MOVE_WAIT && move_phase(&item->m) == MOVE_REQUESTED)
		say_request(d, item);
	else if (t->act == MOVE_WAIT && t->whom == MOVE_PEER &&
	    facts->reg->quarantined)
		say_quarantine(d, item);
	else if (t->act == MOVE_WAIT && t->whom == MOVE_PEER &&
	    facts->peer_answers && facts->peer_says == NULL &&
	    strcmp(item->m.from, d->policy->site) == 0)
		say_their_person(item);
	else if (t->act == MOVE_WAIT && t->whom == MOVE_PEER &&
	    t->next[0] == '\0' && !facts->peer_answers &&
	    facts->peer_says == NULL)
		say_silent_site(daemon_service(d, item->m.service), item);
	else if (t->gated && !facts->gate_passes && item->barrier != 0)
		say_barrier(d, item);
	say_hindrance(item);
}

/* Alarms: held, contested, waiting too long; over when it goes on. */
static void
tell_people(struct daemon *d, const struct movebook_item *item)
{
	const struct daemon_service *s = daemon_service(d, item->m.service);
	bool is_frozen = s->authority.state == AUTHORITY_HELD ||
	    s->authority.state == AUTHORITY_CONTESTED;
	char text[ALARMBOOK_TEXT_BYTES];

	snprintf(text, sizeof(text), "%s: %s%s%s",
	    move_event_name(move_phase(&item->m)), item->turn.why,
	    item->turn.next[0] != '\0' ? "; type: " : "", item->turn.next);
	if (item->turn.alarm)
		alarm_raise(d,
		    &(struct alarm_what){.on = POLICY_ON_FAILOVER,
			.level = is_frozen ? ALARM_CRITICAL : ALARM_WARNING,
			.service = item->m.service,
			.subject = item->m.run,
			.run = item->m.run,
			.text = text});
	else
		alarm_clear(d, POLICY_ON_FAILOVER, item->m.service, item->m.run,
		    text);
}

/* It runs at the new site and nobody has said that it may stay. */
static void
remind(struct daemon *d, struct movebook_item *item)
{
	const struct policy_service *s =
	    daemon_service(d, item->m.service)->policy;
	int64_t after_ns = s->failover.commit_reminder_ns;
	bool waits = item->m.b.fact[MOVE_RAN] != 0 &&
	    move_phase(&item->m) == MOVE_RAN &&
	    strcmp(item->m.to, d->policy->site) == 0;
	char subject[AUTHORITY_RUN_BYTES + 16], text[400];

	snprintf(subject, sizeof(subject), "commit of %s", item->m.run);
	snprintf(text, sizeof(text),
	    "it runs here and is neither accepted nor rolled back; type: "
	    "bascule failover commit %s --confirm %s (or failover rollback)",
	    item->m.run, item->m.to);
	if (!waits)
		alarm_clear(d, POLICY_ON_FAILOVER, item->m.service, subject,
		    "it is decided");
	else if (after_ns > 0 &&
	    now_utc().ns - item->m.b.at[MOVE_RAN].ns > after_ns) {
		moverecord_remind(d, item, after_ns, text);
		alarm_raise(d,
		    &(struct alarm_what){.on = POLICY_ON_FAILOVER,
			.level = ALARM_WARNING,
			.service = item->m.service,
			.subject = subject,
			.run = item->m.run,
			.text = text});
	}
}

void
movesay_alarms(struct daemon *d, struct movebook_item *item)
{
	tell_people(d, item);
	remind(d, item);
}

void
movesay_status(struct daemon *d, const struct daemon_service *s, char *out,
    size_t out_bytes)
{
	const struct movebook_item *item = d->moves == NULL
	    ? NULL
	    : movebook_find(&d->moves->book, NULL, s->policy->name);
	const struct peer *there = moves_peer_of(d, s->policy);
	char since[NOW_TEXT_BYTES];

	out[0] = '\0';
	if (s->authority.quarantined && there != NULL)
		snprintf(out, out_bytes,
		    "quarantined: since this daemon's start %s has not said "
		    "where it is: bring back the link, and it is heard; only "
		    "where %s is known not to run it, two people release it: "
		    "bascule hold resolve %s --owner %s",
		    there->site->name, there->site->name, s->policy->name,
		    s->authority.site);
	if (stepdown_say(d, s->policy->name, out, out_bytes) || item == NULL ||
	    !item->has_turn || item->turn.act == MOVE_NOTHING ||
	    (move_is_over(&item->m) && move_phase(&item->m) != MOVE_COMMITTED))
		return;
	now_words(item->turn.since, since);
	snprintf(out, out_bytes, "move %s to %s is %s since %s: %s%s%s",
	    item->m.run, item->m.to, move_event_name(move_phase(&item->m)),
	    since, item->turn.why, item->turn.next[0] != '\0' ? "; type: " : "",
	    item->turn.next);
}

const char *
movesay_hindrance(const struct daemon *d, const char *service)
{
	const struct movebook_item *item = d->moves == NULL
	    ? NULL
	    : movebook_find(&d->moves->book, NULL, service);

	return item == NULL ? "" : item->hindrance.text;
}

/* This is what it shows: it does not lead on. */
static bool
points_to_show(const struct movebook_item *i)
{
	static const char show[] = "bascule failover show ";

	return strncmp(i->turn.next, show, sizeof(show) - 1) == 0;
}

bool
movesay_next(const struct daemon *d, const char *run, char *out,
    size_t out_bytes)
{
	const struct movebook_item *i =
	    d->moves == NULL ? NULL : d->moves->book.items;

	for (; i != NULL; i = i->next) {
		if (strcmp(i->m.run, run) != 0 || !i->has_turn ||
		    i->turn.act == MOVE_NOTHING ||
		    move_phase(&i->m) == MOVE_REQUESTED)
			continue;
		if (i->turn.next[0] != '\0' && !points_to_show(i))
			snprintf(out, out_bytes, "%s (%s: %s)", i->turn.next,
			    i->m.service, i->turn.why);
		else
			snprintf(out, out_bytes, "nothing to type: %s: %s",
			    i->m.service, i->turn.why);
		return true;
	}
	return false;
}
