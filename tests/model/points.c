#include <string.h>

#include "model/acts.h"
#include "model/world.h"

/* Recovery points: never of a snapshot that is not there. */

static bool
choose(struct truth_point *p)
{
	const size_t wanted = 1 + world_below(TRUTH_POINT_MAX);

	for (size_t i = 0; i < wanted; i++) {
		struct truth_snapshot *t = truth_pick();
		bool again = t == NULL || t->checkpoint;

		for (size_t k = 0; k < p->count; k++)
			again |= p->snapshots[k] == t;
		if (!again)
			p->snapshots[p->count++] = t;
	}
	return p->count > 0;
}

/* What is known of it when its making was acknowledged. */
static enum truth_state
state_of(const struct truth_point *p)
{
	enum truth_state state = TRUTH_KEPT;

	for (size_t i = 0; i < p->count; i++) {
		if (p->snapshots[i]->state == TRUTH_GONE)
			return TRUTH_GONE;
		if (!truth_is_kept(p->snapshots[i]))
			state = TRUTH_OPEN;
	}
	return state;
}

void
point_act(void)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(session_close) struct session *se = NULL;
	OWNED(free_mem) struct point *p = calloc(1, sizeof(*p));
	struct truth_point *t = &truth_points[truth_points_count];
	struct err e;
	enum err_code rc;

	memset(t, 0, sizeof(*t));
	if (truth_points_count == TRUTH_POINTS_MAX || !choose(t) ||
	    (st = acts_open(STORE_WRITE)) == NULL)
		return;
	truth_points_count++;
	t->state = TRUTH_OPEN;
	snprintf(p->service, sizeof(p->service), TRUTH_SERVICE);
	p->taken = now_utc();
	for (size_t i = 0; i < t->count; i++)
		p->snapshots[p->snapshots_count++] = t->snapshots[i]->id;
	rc = session_open(&se, st, &e);
	if (rc == ERR_NONE)
		rc = point_commit(se, p, &e);
	if (world_is_dead())
		return;
	t->id = p->id;
	world_tell("makes a point of %zu: %s", t->count,
	    rc == ERR_NONE ? "done" : e.text);
	if (rc != ERR_NONE && state_of(t) == TRUTH_KEPT &&
	    !world_session_lost())
		world_fail("a point failed: %s", e.text);
	t->state = rc == ERR_NONE ? state_of(t) : TRUTH_OPEN;
}

/* A snapshot is gone, or the one who was to say died. */
void
points_follow(const struct truth_snapshot *s, enum truth_state state)
{
	for (size_t i = 0; i < truth_points_count; i++)
		for (size_t k = 0; k < truth_points[i].count; k++)
			if (truth_points[i].snapshots[k] == s &&
			    truth_points[i].state == TRUTH_KEPT)
				truth_points[i].state = state;
}

static bool
has_snapshot(const struct snapshot_list *list, const struct id *id)
{
	for (size_t i = 0; i < list->count; i++)
		if (id_equal(&list->snapshots[i].id, id))
			return true;
	return false;
}

static void
on_damage(void *ctx, const char *object, const char *what)
{
	(void)ctx;
	world_fail("listing points: %s: %s", object, what);
}

void
points_judge(struct store *st, const struct snapshot_list *snapshots)
{
	OWNED(point_list_fini) struct point_list list = {0};
	struct err e;

	if (point_list(&list, st, NULL, on_damage, NULL, &e) != ERR_NONE)
		world_fail("points cannot be listed: %s", e.text);
	for (size_t i = 0; i < list.count; i++)
		for (size_t k = 0; k < list.points[i].snapshots_count; k++)
			if (!has_snapshot(snapshots,
				&list.points[i].snapshots[k]))
				world_fail("a point is there, and a snapshot "
					   "of it is not");
	for (size_t i = 0; i < truth_points_count; i++) {
		bool there = false;

		for (size_t k = 0; k < list.count; k++)
			there |=
			    id_equal(&list.points[k].id, &truth_points[i].id);
		if (truth_points[i].state == TRUTH_KEPT && !there)
			world_fail("a point is not there");
		if (truth_points[i].state == TRUTH_GONE && there)
			world_fail("a point should have gone");
	}
}
