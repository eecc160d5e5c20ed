#include "peer.h"
#include "arrivals.h"
#include "moves.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/atomfile.h>
#include <bascule/base/fdio.h>

#define FIRST_NS       (NS_PER_S)
#define QUICK_NS       (NS_PER_S)     /* between talks, while a move is open */
#define SLOW_NS        (5 * NS_PER_S) /* to one that does not answer */
#define HURRY_NS       (NS_PER_S / 20)
#define ASKED_TWICE_NS (5 * NS_PER_S / 2)
#define BACK_NS        (4 * NS_PER_S)
#define OPEN_BACK_NS   (NS_PER_S / 2) /* ... while a move is open */

/* --- silence ------------------------------------------------------------------ */

enum peer_state
peerwatch_judge(struct utc heard, struct utc watching, int64_t silent_after_ns,
    struct utc now, bool *is_silent)
{
	struct utc last = heard.ns > watching.ns ? heard : watching;

	*is_silent = now.ns - last.ns > silent_after_ns;
	if (heard.ns == 0)
		return PEER_NEVER;
	return now.ns - heard.ns > silent_after_ns ? PEER_SILENT : PEER_HEARD;
}

bool
peers_can_talk(const struct daemon *d)
{
	return *d->policy->bridge.identity != '\0' ||
	    *d->policy->identity != '\0';
}

/* Since when, and over which links it was tried. */
static void
say_silent(const struct peer *p, char *out, size_t out_bytes)
{
	char at[NOW_TEXT_BYTES];
	const char *failed = p->failed[0] != '\0' ? p->failed : "no answer yet";
	size_t used;
	int n = p->heard.ns == 0
	    ? snprintf(out, out_bytes, "site '%s' was never heard",
		  p->site->name)
	    : snprintf(out, out_bytes, "site '%s' is silent since %s",
		  p->site->name, now_words(p->heard, at));

	used = n < 0 ? 0 : (size_t)n;
	for (size_t i = 0; i < p->tried_count && used < out_bytes; i++) {
		n = snprintf(out + used, out_bytes - used, "%s link '%s': %s",
		    i == 0 ? "; tried" : ",", p->tried[i].link,
		    p->tried[i].error[0] != '\0' ? p->tried[i].error : failed);
		used += n < 0 ? 0 : (size_t)n;
	}
	if (p->tried_count == 0 && used < out_bytes)
		snprintf(out + used, out_bytes - used,
		    links_is_silent(p->d, p->site->name)
			? "; no link to it is up"
			: "; %.200s",
		    failed);
}

static void
look(struct peer *p)
{
	struct daemon *d = p->d;
	char text[600];
	bool is_silent;
	enum peer_state state = peerwatch_judge(p->heard, p->watching,
	    d->policy->bridge.silent_after_ns, now_utc(), &is_silent);

	if (!peers_can_talk(d)) /* then its links are all there is to go by */
		is_silent = false;
	if (is_silent || links_is_silent(d, p->site->name)) {
		say_silent(p, text, sizeof(text));
		alarm_raise(d,
		    &(struct alarm_what){.on = POLICY_ON_PEER,
			.level = ALARM_CRITICAL,
			.subject = p->site->name,
			.text = text});
	} else if (state != PEER_SILENT || !peers_can_talk(d)) {
		/* not yet known to be heard since a start: the alarm stands */
		snprintf(text, sizeof(text), "site '%s' answers",
		    p->site->name);
		alarm_clear(d, POLICY_ON_PEER, NULL, p->site->name, text);
	}
}

void
peers_look(struct daemon *d)
{
	for (struct peer *p = d->peers; p != NULL; p = p->next)
		look(p);
}

/* --- talking --------------------------------------------------------------------- */

/* While a service is being moved the sites talk all the time. */
static int64_t
until_next(const struct peer *p)
{
	int64_t every_ns = p->d->policy->bridge.every_ns;

	int64_t quick_ns = p->failed[0] == '\0' ? QUICK_NS : SLOW_NS;

	if (p->hurry && p->failed[0] == '\0')
		return HURRY_NS;
	return moves_are_open(p->d) && every_ns > quick_ns ? quick_ns
							   : every_ns;
}

static void
keep_said(struct peer *p)
{
	struct err e;
	bool failed = peersaid_keep(p, &e) != ERR_NONE;

	if (failed && !p->unkept)
		note_log(NOTE_ERROR, "what site '%s' says is not kept: %s",
		    p->site->name, e.text);
	p->unkept = failed;
	peerword_take(p, p->fresh);
}

static void
judge_ledger(struct peer *p)
{
	if (p->parted)
		alarm_raise(p->d,
		    &(struct alarm_what){.on = POLICY_ON_DIVERGENCE,
			.level = ALARM_CRITICAL,
			.subject = p->site->name,
			.text = p->divergence});
	else if (p->failed[0] == '\0') {
		p->divergence[0] = '\0';
		alarm_clear(p->d, POLICY_ON_DIVERGENCE, NULL, p->site->name,
		    "the ledger there extends the one held here");
	}
}

void
peer_talked(struct peer *p)
{
	memcpy(p->failed, p->failing, sizeof(p->failed));
	memcpy(p->tried, p->trying, sizeof(p->tried));
	p->tried_count = p->trying_count;
	if (p->heard_now) {
		keep_said(p);
		judge_ledger(p);
		arrivals_look(p);
	}
	wire_free(&p->fresh);
	wire_free(&p->services);
	wire_free(&p->links);
	look(p);
	if (p->heard_now && p->failed[0] == '\0')
		p->whole = now_mono();
	if (p->d->moves != NULL) /* there may be something to do */
		p->d->moves->dirty = true;
	api_ledger_grew(p->d); /* who follows the copy */
	loop_timer_set(p->timer, until_next(p));
	p->hurry = false;
	daemon_kick(p->d);
}

static void
hurry(struct peer *p)
{
	p->hurry = true;
	if (p->worker == NULL)
		loop_timer_set(p->timer, HURRY_NS);
}

void
peers_hurry(struct daemon *d)
{
	for (struct peer *p = d->peers; p != NULL; p = p->next)
		hurry(p);
}

void
peers_asked(struct daemon *d)
{
	struct mono now = now_mono();
	bool is_open = moves_are_open(d);

	for (struct peer *p = d->peers; p != NULL; p = p->next) {
		bool is_quick =
		    p->asked.ns != 0 && now.ns - p->asked.ns < ASKED_TWICE_NS;
		bool is_answer =
		    p->began.ns != 0 && now.ns - p->began.ns < ASKED_TWICE_NS;

		p->asked = now;
		p->began.ns = 0;
		/* Not twice in a row, and not because we have asked: else two
		 * that have nothing to say would go on asking each other. */
		if ((is_open ? is_answer : !is_quick) ||
		    now.ns - p->asked_back.ns <
			(is_open ? OPEN_BACK_NS : BACK_NS))
			continue;
		p->asked_back = now;
		hurry(p);
	}
}

void
peers_quicken(struct daemon *d)
{
	for (struct peer *p = d->peers; p != NULL; p = p->next)
		if (p->worker == NULL && !p->hurry)
			loop_timer_set(p->timer, until_next(p));
}

struct peer *
peers_find(const struct daemon *d, const char *site)
{
	for (struct peer *p = d->peers; p != NULL; p = p->next)
		if (strcmp(p->site->name, site) == 0)
			return p;
	return NULL;
}

/* Time for a talk; or it took too long. */
static void
on_timer(void *ctx)
{
	struct peer *p = ctx;
	const char *why;
	int64_t wait_ns;
	struct err e;

	if (p->worker != NULL) {
		why = peertalk_overdue(p, now_mono(), &wait_ns);
		if (why == NULL) {
			loop_timer_set(p->timer, wait_ns);
			return;
		}
		note_log(NOTE_WARNING, "the talk with site '%s' is ended: %s",
		    p->site->name, why);
		peertalk_end(p, why);
		peer_talked(p);
		return;
	}
	if (p->d->stopping || !peers_can_talk(p->d))
		return;
	if (p->copy != NULL && peertalk_start(p, &e) == ERR_NONE) {
		p->began = now_mono();
		return;
	}
	if (p->copy != NULL) {
		note_log(NOTE_ERROR, "site '%s' cannot be asked: %s",
		    p->site->name, e.text);
		snprintf(p->failed, sizeof(p->failed), "%.250s", e.text);
		peertalk_end(p, "");
	}
	p->hurry = false;
	loop_timer_set(p->timer, until_next(p));
}

/* --- starting, stopping --------------------------------------------------------------- */

static void
peer_free(struct peer **pp)
{
	struct peer *p = TAKE(*pp);

	if (p == NULL)
		return;
	peertalk_end(p, "");
	loop_timer_free(&p->timer);
	wire_free(&p->fresh);
	wire_free(&p->services);
	wire_free(&p->links);
	peerstep_close(p);
	peerword_free(p);
	buf_fini(&p->said);
	free(p);
}

static enum err_code
add_peer(struct daemon *d, const struct policy_site *site, struct err *e)
{
	struct peer *p = calloc(1, sizeof(*p));
	struct err why;
	enum err_code rc;

	if (p == NULL)
		return err_nomem(e);
	p->next = d->peers;
	d->peers = p;
	p->d = d;
	p->site = site;
	p->watching.ns = now_utc().ns - (now_mono().ns - d->started.ns);
	peersaid_recall(p);
	if (peerstep_open(p, &why) != ERR_NONE) {
		note_log(NOTE_ERROR, "the ledger of site '%s' is not kept: %s",
		    site->name, why.text);
		snprintf(p->failed, sizeof(p->failed), "%.250s", why.text);
		peerstep_close(p);
	}
	rc = loop_timer_new(&p->timer, d->loop, on_timer, p, e);
	if (rc == ERR_NONE)
		loop_timer_set(p->timer, FIRST_NS);
	return rc;
}

enum err_code
peers_start(struct daemon *d, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < d->policy->site_count; i++) {
		const struct policy_site *s = &d->policy->sites[i];

		if (s != d->site && s->role == POLICY_DATACENTRE &&
		    s->host_count > 0)
			rc = add_peer(d, s, e);
	}
	return rc;
}

void
peers_stop(struct daemon *d)
{
	while (d->peers != NULL) {
		struct peer *p = d->peers;

		d->peers = p->next;
		peer_free(&p);
	}
}
