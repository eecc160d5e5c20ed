/* Replications under way: over which link each goes, and how fast it may. */

#include "copies.h"
#include "links.h"

#include <string.h>

#define DEAL_NS     (NS_PER_S / 2) /* a window's edge is met within this */
#define WORTH_SHARE 50             /* a change by less than 2 % is not told */

/* --- making and ending ---------------------------------------------------- */

static struct transfer *
find(struct links *ls, uint64_t id)
{
	for (struct transfer *t = ls->transfers; t != NULL; t = t->next)
		if (t->id == id)
			return t;
	return NULL;
}

static struct transfer *
transfer_of(const struct job *j)
{
	struct transfer *t =
	    j->d->links == NULL ? NULL : j->d->links->transfers;

	while (t != NULL && t->job != j)
		t = t->next;
	return t;
}

void
transfers_free(struct links *ls)
{
	while (ls->transfers != NULL) {
		struct transfer *t = ls->transfers;

		ls->transfers = t->next;
		free(t);
	}
}

static size_t
number_of(const struct daemon *d, const char *site)
{
	const struct policy_site *s = policy_find_site(d->policy, site);

	return s == NULL ? CHOOSER_NONE : (size_t)(s - d->policy->sites);
}

/* --- what is told to workers ------------------------------------------------ */

static void
tell(struct job *j, struct wire_value *line)
{
	struct err e;

	if (job_tell(j, line, &e) != ERR_NONE)
		job_log(j, "%s", e.text);
}

static void
tell_route(struct transfer *t, const struct watched *w, const char *then)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, NULL, &e) != ERR_NONE)
		return;
	wire_add_text(v, "route", w == NULL ? "" : w->name);
	if (w != NULL)
		wire_add_text(v, "address", w->address);
	else
		wire_add_text(v, "then", then);
	tell(t->job, v);
}

static void
tell_share(struct transfer *t, uint64_t share)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	t->told = share;
	if (t->job->worker == NULL) /* it begins with it */
		return;
	if (wire_new(&v, NULL, &e) != ERR_NONE)
		return;
	wire_add_uint(v, "rate_bytes_per_s", share);
	tell(t->job, v);
}

/* What the chooser decided, to the worker if there is one. */
void
transfers_do(struct links *ls, const struct chooser_action *a)
{
	struct transfer *t = find(ls, a->user);

	if (t == NULL)
		return;
	t->link = a->verb == CHOOSER_USE ? a->link : CHOOSER_NONE;
	t->told = 0; /* another link, another budget */
	if (t->job->worker == NULL)
		return;
	if (a->verb == CHOOSER_USE)
		tell_route(t, &ls->items[a->link], NULL);
	else
		tell_route(t, NULL, a->verb == CHOOSER_WAIT ? "wait" : "fail");
}

/* --- shares ---------------------------------------------------------------- */

static void
deal_link(struct links *ls, struct watched *w)
{
	struct transfer *users[CHOOSER_USERS_MAX];
	uint64_t wants[CHOOSER_USERS_MAX], shares[CHOOSER_USERS_MAX];
	size_t n = 0;

	for (struct transfer *t = ls->transfers;
	     t != NULL && n < CHOOSER_USERS_MAX; t = t->next)
		if (t->link == w->index) {
			wants[n] = t->told == 0 ? UINT64_MAX : t->want;
			users[n++] = t;
		}
	if (n == 0)
		return;
	budget_deal(w->rate, wants, shares, n);
	for (size_t i = 0; i < n; i++) {
		uint64_t was = users[i]->told;
		uint64_t is = shares[i] > 0 ? shares[i] : 1;
		uint64_t by = is > was ? is - was : was - is;

		if (was == 0)
			users[i]->want = UINT64_MAX;
		if (was == 0 || by > was / WORTH_SHARE)
			tell_share(users[i], is);
	}
}

/* Who moved how much since the last look wants how much? */
static void
look(struct links *ls, int64_t span_ns)
{
	for (struct transfer *t = ls->transfers; t != NULL; t = t->next) {
		uint64_t moved = (uint64_t)((double)t->moved_bytes *
		    (double)NS_PER_S / (double)span_ns);

		t->moved_bytes = 0;
		if (t->link != CHOOSER_NONE)
			t->want = budget_want(ls->items[t->link].rate, t->told,
			    moved);
	}
}

/*
 * Twice a second, and when somebody came or went.  Lower shares are told with
 * the higher ones: over a second nobody sees the difference.
 */
void
transfers_deal(void *ctx)
{
	struct links *ls = ctx;
	struct mono now = now_mono();

	if (now.ns - ls->dealt.ns >= NS_PER_S) {
		if (ls->dealt.ns != 0)
			look(ls, now.ns - ls->dealt.ns);
		ls->dealt = now;
	}
	for (size_t i = 0; i < ls->chooser.link_count; i++) {
		links_judge(&ls->items[i], now_utc());
		if (ls->items[i].link != NULL)
			deal_link(ls, &ls->items[i]);
	}
	if (ls->chooser.user_count > 0)
		loop_timer_set(ls->deal, DEAL_NS);
}

/* --- begins and ends -------------------------------------------------------- */

static enum err_code
add(struct links *ls, struct job *j, struct transfer **out, struct err *e)
{
	struct transfer **at = &ls->transfers;

	*out = transfer_of(j); /* of an attempt before */
	if (*out == NULL) {
		*out = calloc(1, sizeof(**out));
		if (*out == NULL)
			return err_nomem(e);
		while (*at != NULL)
			at = &(*at)->next;
		*at = *out;
	}
	(*out)->job = j;
	(*out)->id = ++ls->last_id;
	(*out)->link = CHOOSER_NONE;
	(*out)->told = (*out)->moved_bytes = 0;
	return ERR_NONE;
}

enum err_code
transfers_begin(struct job *j, struct wire_value *spec, struct err *e)
{
	struct links *ls = j->d->links;
	struct chooser_event ev = {.what = CHOOSER_BEGAN,
	    .site = number_of(j->d, j->site),
	    .link = CHOOSER_NONE};
	const struct daemon_service *s = daemon_service(j->d, j->service);
	const struct watched *w;
	struct transfer *t = NULL;

	if (s != NULL && daemon_is_active(j->d, s))
		wire_add_uint(spec, "epoch", s->authority.epoch);
	if (ls == NULL || ev.site == CHOOSER_NONE)
		return err_set(e, ERR_POLICY, "there is no way to site '%s'",
		    j->site);
	if (add(ls, j, &t, e) != ERR_NONE)
		return e->code;
	ev.user = t->id;
	links_happened(ls, &ev);
	if (t->link == CHOOSER_NONE)
		return ERR_NONE; /* it will say that it waits */
	w = &ls->items[t->link];
	wire_add_text(spec, "link", w->name);
	wire_add_text(spec, "address", w->address);
	if (t->told > 0)
		wire_add_uint(spec, "rate_bytes_per_s", t->told);
	return ERR_NONE;
}

static void
note_leg(struct transfer *t, const char *error)
{
	OWNED(draft_free) struct draft *d = NULL;
	struct job *j = t->job;
	size_t i = 0;
	struct err e;
	enum err_code rc;

	if (t->leg_link[0] == '\0')
		return;
	while (i < t->carried_count &&
	    strcmp(t->carried[i].link, t->leg_link) != 0)
		i++;
	if (i < COUNT_OF(t->carried)) {
		memcpy(t->carried[i].link, t->leg_link,
		    sizeof(t->carried[i].link));
		t->carried[i].bytes += t->leg_bytes;
		if (i == t->carried_count)
			t->carried_count++;
	}
	rc = job_draft(&d, j, LEDGER_LINK, &e);
	if (rc == ERR_NONE) {
		draft_text(d, "link", t->leg_link);
		draft_text(d, "state", "carried");
		if (daemon_job_pulls(j))
			draft_text(d, "from_site", j->site);
		draft_text(d, "to_site",
		    daemon_job_pulls(j) ? j->d->policy->site : j->site);
		draft_uint(d, "bytes", t->leg_bytes);
		draft_utc(d, "from_ns", t->leg_from);
		draft_utc(d, "until_ns", now_utc());
		draft_text(d, "reason", error);
		rc = note_event(j->d, d, &e);
	}
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	t->leg_link[0] = '\0';
	t->leg_bytes = 0;
}

void
transfers_conclude(const struct job *j, struct draft *d)
{
	const struct transfer *t = transfer_of(j);

	for (size_t i = 0; t != NULL && i < t->carried_count; i++) {
		char name[sizeof("carried.") + LINKS_NAME_BYTES];

		snprintf(name, sizeof(name), "carried.%s", t->carried[i].link);
		draft_uint(d, name, t->carried[i].bytes);
	}
}

void
transfers_ended(struct job *j, const char *died)
{
	struct transfer *t = transfer_of(j);
	struct chooser_event ev = {.what = CHOOSER_ENDED};

	if (t == NULL)
		return;
	ev.user = t->id;
	note_leg(t, died);
	chooser_next(&j->d->links->chooser, &ev, links_clock(),
	    j->d->links->actions);
	t->link = CHOOSER_NONE;
	transfers_deal(j->d->links); /* the others may have its share */
}

void
transfers_forget(const struct job *j)
{
	struct transfer **at =
	    j->d->links == NULL ? NULL : &j->d->links->transfers;

	while (at != NULL && *at != NULL) {
		struct transfer *t = *at;

		if (t->job == j) {
			*at = t->next;
			free(t);
		} else
			at = &t->next;
	}
}

void
transfers_resettle(struct links *ls)
{
	for (struct transfer *t = ls->transfers; t != NULL; t = t->next) {
		struct chooser_event ev = {.what = CHOOSER_BEGAN,
		    .user = t->id,
		    .site = number_of(ls->d, t->job->site),
		    .link = CHOOSER_NONE};

		t->link = CHOOSER_NONE;
		if (t->job->worker == NULL)
			continue;
		for (size_t i = 0; i < ls->chooser.link_count; i++)
			if (strcmp(ls->items[i].name, t->leg_link) == 0)
				ev.link = t->link = i;
		links_happened(ls, &ev);
	}
	transfers_deal(
	    ls); /* the budgets may be others, and the timer is new */
}

/* --- what workers say -------------------------------------------------------- */

static void
on_carried(struct links *ls, struct transfer *t, struct wire_value *v)
{
	const char *link = wire_need_text(v, "link");
	uint64_t bytes = wire_need_uint(v, "bytes");
	struct chooser_event ev = {.what = CHOOSER_MOVED,
	    .user = t->id,
	    .link = CHOOSER_NONE};

	if (strcmp(t->leg_link, link) != 0) {
		note_leg(t, "");
		snprintf(t->leg_link, sizeof(t->leg_link), "%s", link);
		t->leg_from = t->leg_at = now_utc();
	}
	for (size_t i = 0; i < ls->chooser.link_count; i++)
		if (strcmp(ls->items[i].name, link) == 0)
			ev.link = i;
	if (bytes > t->leg_bytes) {
		ev.bytes = bytes - t->leg_bytes;
		t->leg_at = now_utc();
		t->moved_bytes += ev.bytes;
		t->leg_bytes = bytes;
		links_happened(ls, &ev);
	}
	if (wire_take_bool(v, "end", false))
		note_leg(t, wire_take_text(v, "error", ""));
}

static void
on_broke(struct links *ls, struct transfer *t, struct wire_value *v)
{
	const char *link = wire_need_text(v, "link");
	const char *error = wire_take_text(v, "error", "");
	struct chooser_event ev = {.what = CHOOSER_BROKE, .user = t->id};

	job_log(t->job, "warning: link %s: %s", link, error);
	for (ev.link = 0; ev.link < ls->chooser.link_count; ev.link++)
		if (strcmp(ls->items[ev.link].name, link) == 0)
			break;
	if (ev.link < ls->chooser.link_count)
		links_failed(&ls->items[ev.link], error);
	if (t->link == CHOOSER_NONE) /* it was told to end */
		return;
	if (ev.link == ls->chooser.link_count) {
		tell_route(t, &ls->items[t->link], NULL); /* none of ours */
		return;
	}
	links_happened(ls, &ev);
}

bool
transfers_event(struct job *j, const char *type, struct wire_value *ev)
{
	struct transfer *t = transfer_of(j);
	bool carried = strcmp(type, "carried") == 0;

	if (!carried && strcmp(type, "broke") != 0)
		return false;
	if (t == NULL)
		return true;
	if (carried)
		on_carried(j->d->links, t, ev);
	else
		on_broke(j->d->links, t, ev);
	return true;
}

/* --- those that do not run ---------------------------------------------------- */

/* For what, and what then. */
static void
say_why(struct job *j)
{
	struct daemon_service *s = daemon_service(j->d, j->service);
	struct copies_view c;
	char text[COPIES_TEXT_BYTES];
	size_t len;
	struct err e;

	links_why_none(j->d, j->site, j->reason);
	if (s == NULL || copies_look_at(j->d, s, j->site, &c, &e) != ERR_NONE)
		return;
	len = strlen(j->reason);
	snprintf(j->reason + len, sizeof(j->reason) - len, "; %s",
	    copies_outlook_text(&c.outlook, c.pending_bytes, text));
}

static void
note_waits(struct job *j, bool waits)
{
	OWNED(draft_free) struct draft *d = NULL;
	struct err e;
	enum err_code rc;

	j->state = waits ? JOB_WAITING : JOB_QUEUED;
	if (waits)
		say_why(j);
	else
		j->reason[0] = '\0';
	rc = job_draft(&d, j, LEDGER_JOB, &e);
	if (rc == ERR_NONE) {
		draft_text(d, "kind", j->kind->name);
		draft_text(d, "state", job_state_name(j->state));
		draft_text(d, "reason", j->reason);
		rc = note_event(j->d, d, &e);
	}
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	job_touch(j);
}

void
transfers_hold(struct daemon *d)
{
	for (size_t i = 0; i < d->task_count; i++) {
		const struct daemon_task *t = &d->tasks[i];
		const struct schedule_task *st = schedule_task(d->schedule, i);

		if (st->kind == SCHEDULE_REPLICATE && t->site != NULL)
			schedule_hold(d->schedule, SCHEDULE_REPLICATE, st->link,
			    !links_has_way(d, t->site));
	}
	for (struct job *j = d->jobs; j != NULL; j = j->next)
		transfers_look(j);
}

void
transfers_look(struct job *j)
{
	bool waits;

	if (j->kind->schedule != SCHEDULE_REPLICATE || j->worker != NULL ||
	    job_state_is_end(j->state) || j->state == JOB_RUNNING ||
	    schedule_retries(j->d->schedule, j->number) == 0)
		return;
	waits = !links_has_way(j->d, j->site);
	if (waits != (j->state == JOB_WAITING))
		note_waits(j, waits);
	else if (waits)
		say_why(j);
}
