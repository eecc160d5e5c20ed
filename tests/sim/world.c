#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- data ------------------------------------------------------------------------ */

void
data_add(struct data *d, unsigned write)
{
	d->bits[write / 64] |= UINT64_C(1) << (write % 64);
}

void
data_join(struct data *d, const struct data *more)
{
	for (size_t i = 0; i < WRITES_MAX / 64; i++)
		d->bits[i] |= more->bits[i];
}

bool
data_holds(const struct data *d, const struct data *part)
{
	for (size_t i = 0; i < WRITES_MAX / 64; i++)
		if ((part->bits[i] & ~d->bits[i]) != 0)
			return false;
	return true;
}

/* --- sites ------------------------------------------------------------------------- */

int
site_other(int s)
{
	return 1 - s;
}

int
site_find(const char *name)
{
	return strcmp(name, w.site[0].name) == 0 ? 0 : 1;
}

struct utc
site_now(int s)
{
	return (struct utc){w.now_ns + w.site[s].skew_ns};
}

bool
site_writable(int s)
{
	const struct site *t = &w.site[s];

	return t->power && t->up && !t->fenced && !t->stopped;
}

/* Durable when it returns. */
struct record *
site_append(int s, struct record r)
{
	struct site *t = &w.site[s];
	struct record *at;

	if (t->count == RECORDS) {
		violate("the ledger of %s never ends", t->name);
		return &t->log[t->count - 1];
	}
	at = &t->log[t->count++];
	*at = r;
	if (r.kind == REC_WORD)
		at->word.row = t->count;
	if (r.kind == REC_MOVE) {
		at->ev.site = t->name;
		at->ev.row = t->count;
		at->ev.at = site_now(s);
		at->ev.point = at->point;
		at->ev.owner = at->owner;
	}
	judge_record(s, at);
	return at;
}

static bool
jobs_drop(struct site *t)
{
	bool any = false;

	for (size_t i = 0; i < JOBS; i++) {
		if (!t->jobs[i].on)
			continue;
		any = true;
		if (t->jobs[i].engine != NULL)
			engine_free(&t->jobs[i].engine);
		t->jobs[i] = (struct job){0};
	}
	return any;
}

void
site_die(int s)
{
	struct site *t = &w.site[s];

	if (!t->daemon)
		return;
	w.done[T_CRASHES]++;
	story("%s: the daemon dies%s", t->name,
	    jobs_drop(t) ? " in the middle of an act" : "");
	hearing_drop(&t->hearing);
	memset(t->asking, 0, sizeof(t->asking));
	t->etcd_quorum = false;
	t->etcd_seen_ns = 0;
	t->daemon = false;
}

/* What recover.c does: an intent that nobody ended is closed as unknown. */
static void
close_intents(int s)
{
	struct site *t = &w.site[s];

	shell_fold(s);
	for (int r = 0; r < w.runs_count; r++) {
		struct move_side *side =
		    s == w.runs[r].from ? &t->moves[r].a : &t->moves[r].b;

		for (size_t a = MOVE_QUIESCE; a < MOVE_ACTS; a++) {
			struct record rec = {.kind = REC_MOVE, .run = r};

			if (side->intent[a] <= side->outcome[a])
				continue;
			rec.ev.stage = MOVE_OUTCOME;
			rec.ev.act = (enum move_act)a;
			rec.ev.result = MOVE_UNCERTAIN;
			site_append(s, rec);
			w.done[T_UNCERTAIN]++;
		}
	}
	shell_fold(s);
}

void
site_start(int s)
{
	struct site *t = &w.site[s];
	struct authority_event start = {.kind = AUTHORITY_QUARANTINE};
	struct err e;

	if (!t->power || t->daemon)
		return;
	story("%s: the daemon starts", t->name);
	t->daemon = true;
	t->reg = (struct authority){0};
	memset(t->moves, 0, sizeof(t->moves));
	memset(t->words_count, 0, sizeof(t->words_count));
	t->folded_mine = t->folded_theirs = 0;
	t->heard = false;
	t->answered_ns = 0;
	for (size_t i = 0; i < t->count; i++)
		if (t->log[i].kind == REC_REGISTER &&
		    authority_recall(&t->reg, &t->log[i].reg, &e) != ERR_NONE)
			violate("%s: its own register: %s", t->name, e.text);
	if (w.broken != NO_QUARANTINE &&
	    authority_next(&t->reg, &start, &t->reg, &e) != ERR_NONE)
		violate("no quarantine: %s", e.text);
	close_intents(s);
}

void
site_off(int s)
{
	struct site *t = &w.site[s];

	if (!t->power)
		return;
	story("%s: the power fails", t->name);
	w.done[T_POWER]++;
	site_die(s);
	t->power = t->up = t->stopped = false;
	t->safely_off = true;
}

void
site_boot(int s)
{
	struct site *t = &w.site[s];

	if (t->power)
		return;
	story("%s: the power is back", t->name);
	t->power = true;
	site_start(s);
}

/* ExecStartPre=bascule permit; Restart=always. */
void
site_unit(int s)
{
	struct site *t = &w.site[s];
	struct err e;

	if (!t->power || !t->enabled || t->up || t->fenced || !t->daemon ||
	    authority_may_start(&t->reg, t->name, &e) != ERR_NONE)
		return;
	story("%s: the service's unit starts it", t->name);
	t->up = true;
}

void
site_write(int s)
{
	if (!site_writable(s) || w.writes == WRITES_MAX)
		return;
	data_add(&w.site[s].data, w.writes);
	data_add(&w.acked, w.writes++);
	w.site[s].synced_back = false;
}

/*
 * It asks, and the answer may be lost, or be as old as the moment at which it
 * was given: a part of the other's log, from the start.
 */
void
site_talk(int s)
{
	struct site *t = &w.site[s], *o = &w.site[site_other(s)];
	size_t told;

	if (!w.link || !t->daemon || !o->daemon) {
		t->answered_ns = 0;
		return;
	}
	if (!w.calm && one_in(6)) {
		t->answered_ns = 0;
		w.done[T_LOST]++;
		story("%s: the answer of %s is lost", t->name, o->name);
		return;
	}
	told = o->count;
	if (!w.calm && one_in(5) && told > 0) /* an older copy, in steps */
		told = t->known + below((unsigned)(told - t->known) + 1);
	for (; t->known < told; t->known++)
		if (o->log[t->known].kind == REC_REGISTER)
			t->peer_reg = t->known + 1;
	w.done[T_OLD] += told < o->count;
	if (told < o->count)
		return; /* not all yet: nothing was heard */
	t->answered_ns = t->spoken_ns = w.now_ns;
	t->heard = true;
}

/* --- the whole ---------------------------------------------------------------------- */

void
world_begin(uint64_t seed, unsigned removed, unsigned broken, bool telling)
{
	struct record *logs[SITES] = {w.site[0].log, w.site[1].log};

	memset(&w, 0, sizeof(w));
	w.seed = seed;
	w.removed = removed;
	w.broken = broken;
	w.telling = telling;
	w.now_ns = INT64_C(1790000000) * SEC;
	w.link = w.ssh = true;
	w.etcd = seed % 3 == 0;
	w.storm = 1 + below(8);
	w.sense = 1 + below(4);
	w.honesty = one_in(8) ? 2 : 20;
	w.etcd_link[0] = w.etcd_link[1] = w.etcd_quorum = true;
	w.etcd_is = (struct etcd_value){.epoch = 1,
	    .run = -1,
	    .state = AUTHORITY_PROTECTED};
	w.proved = w.capacity = w.isolated = true;
	w.policy = 1;
	for (int s = 0; s < SITES; s++) {
		struct site *t = &w.site[s];
		struct authority_event grant = {.kind = AUTHORITY_GRANT,
		    .site = "brent",
		    .epoch = 1};
		struct record r = {.kind = REC_REGISTER, .run = -1};
		struct err e;

		t->log = logs[s] != NULL ? logs[s]
					 : calloc(RECORDS, sizeof(*t->log));
		t->name = s == 0 ? "brent" : "southwark";
		t->power = t->intact = true;
		t->policy = 1;
		/* PROTECTED: the standby holds a point. */
		t->points[t->points_count++] =
		    (struct point){.id = "p0", .whole = true, .at = {w.now_ns}};
		if (authority_next(&r.reg, &grant, &r.reg, &e) != ERR_NONE)
			violate("grant: %s", e.text);
		site_append(s, r);
	}
	for (int s = 0; s < SITES; s++)
		site_start(s);
	w.site[0].enabled = w.site[0].up = true;
	for (int s = 0; s < SITES; s++)
		w.site[s].known = w.site[s].peer_reg =
		    w.site[site_other(s)].count;
}

void
world_end(void)
{
	for (int s = 0; s < SITES; s++)
		jobs_drop(&w.site[s]);
}
