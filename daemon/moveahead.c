#include "moveahead.h"

#include <string.h>

#include <bascule/base/text.h>

#define TURNS_MAX 64 /* a word that leads further leads in a circle */

static enum err_code
fold(struct moveahead *a, size_t side, struct move_event *ev, struct err *e)
{
	const char *site = a->sides[side].site;
	const struct move_side *s =
	    strcmp(site, a->m.from) == 0 ? &a->m.a : &a->m.b;

	ev->site = site;
	ev->row = s->row + 1;
	ev->at = now_utc();
	ev->reason = "";
	ev->point = s->point;
	ev->epoch = a->sides[side].reg.epoch;
	return move_fold(&a->m, ev, e);
}

enum err_code
moveahead_begin(struct moveahead *a, const struct move *m, const char *here,
    const struct move_facts *facts, enum move_event_kind word, struct err *e)
{
	struct move_event ev = {.stage = MOVE_FACT, .kind = word};

	*a = (struct moveahead){.m = *m};
	a->sides[0].site = here;
	a->sides[1].site = strcmp(here, m->from) == 0 ? m->to : m->from;
	a->sides[0].reg = *facts->reg;
	a->sides[1].reg =
	    facts->peer_reg != NULL ? *facts->peer_reg : *facts->reg;
	a->sides[0].facts = a->sides[1].facts = *facts;
	for (size_t i = 0; i < 2; i++) {
		struct move_facts *f = &a->sides[i].facts;

		f->reg = &a->sides[i].reg;
		f->peer_reg = i == 0 && facts->peer_reg == NULL
		    ? NULL
		    : &a->sides[1 - i].reg;
		f->peer_says = NULL;
		f->works = false;
		f->gate_passes = false;
		f->patience_ns = 0; /* nobody's patience ends meanwhile */
	}
	return fold(a, 0, &ev, e);
}

void
moveahead_let_through(struct moveahead *a)
{
	a->sides[0].facts.gate_passes = a->sides[1].facts.gate_passes = true;
}

/* As if it had been done. */
static enum err_code
settle(struct moveahead *a, size_t side, const struct move_turn *t,
    struct err *e)
{
	struct authority *reg = &a->sides[side].reg;
	struct move_event ev = {.stage = MOVE_FACT,
	    .kind = t->event,
	    .owner = t->reg.site};
	enum err_code rc = ERR_NONE;

	if (t->changes_register)
		rc = authority_next(reg, &t->reg, reg, e);
	if (rc != ERR_NONE || t->act == MOVE_RECORD)
		return rc != ERR_NONE ? rc : fold(a, side, &ev, e);
	ev = (struct move_event){.stage = MOVE_INTENT, .act = t->act};
	rc = fold(a, side, &ev, e);
	ev = (struct move_event){.stage = MOVE_OUTCOME,
	    .act = t->act,
	    .result = MOVE_DONE};
	return rc != ERR_NONE ? rc : fold(a, side, &ev, e);
}

static bool
take_turn(struct moveahead *a, size_t side, struct moveahead_line *line)
{
	struct move_turn t;
	struct err e;

	if (a->turns_count++ >= TURNS_MAX ||
	    move_turn(&a->m, a->sides[side].site, &a->sides[side].facts,
		now_utc(), &t, &e) != ERR_NONE)
		return false;
	snprintf(line->why, sizeof(line->why), "%s", t.why);
	snprintf(a->sides[side].said, sizeof(a->sides[side].said), "%s", t.why);
	if (t.act == MOVE_WAIT || t.act == MOVE_NOTHING ||
	    settle(a, side, &t, &e) != ERR_NONE)
		return false;
	line->site = a->sides[side].site;
	line->what = t.act == MOVE_RECORD ? move_event_name(t.event)
					  : move_act_name(t.act);
	return true;
}

/* At last each says in its own words at what it rests. */
static bool
take_rest(struct moveahead *a, struct moveahead_line *line)
{
	for (size_t i = 0; i < 2; i++) {
		if (a->sides[i].said[0] == '\0')
			continue;
		line->site = a->sides[i].site;
		line->what = "";
		memcpy(line->why, a->sides[i].said, sizeof(line->why));
		a->sides[i].said[0] = '\0';
		a->turns_count = TURNS_MAX;
		return true;
	}
	return false;
}

bool
moveahead_next(struct moveahead *a, struct moveahead_line *line)
{
	*line = (struct moveahead_line){.site = ""};
	return take_turn(a, 0, line) || take_turn(a, 1, line) ||
	    take_rest(a, line);
}
