#include <string.h>

#include <bascule/base/text.h>
#include <bascule/calendar.h>
#include <bascule/crypt.h>
#include <bascule/store.h>

#include "exercise_parts.h"
#include "exercise_sandbox.h"

/* Beside the data itself: file systems need room to work. */
#define ROOM_SPARE_BYTES ((uint64_t)64 << 20)

/* --- the plan ------------------------------------------------------------- */

static enum err_code
check_words(const struct planrun *p, const struct policy_step *s, struct err *e)
{
	return planrun_check_words(p, s, e) == ERR_NONE
	    ? ERR_NONE
	    : err_wrap(e, "step '%s'", s->name);
}

static enum err_code
check_plan(const struct exercise *x, struct err *e)
{
	const struct policy_service *s = x->o->service;
	size_t count = 0;

	for (size_t i = 0; i < s->step_count; i++)
		count += exercise_steps_has(x, i);
	if (count == 0 && x->scope.aside_count > 0)
		return err_set(e, ERR_POLICY,
		    "every step for tests at site '%s' is done on another "
		    "machine than its first host, where a test cannot cut it "
		    "off from production",
		    x->o->site->name);
	if (count == 0)
		return err_set(e, ERR_POLICY,
		    "service '%s' has no plan with a step for tests at site "
		    "'%s'",
		    s->name, x->o->site->name);
	return ERR_NONE;
}

static enum err_code
check_freeze(const struct exercise *x, struct err *e)
{
	const struct policy *p = x->o->policy;
	const char *owner = x->o->service->owner;

	for (size_t i = 0; i < p->freeze_count; i++) {
		const struct policy_freeze *f = &p->freezes[i];
		bool ours = f->councils.count == 0;

		for (size_t j = 0; j < f->councils.count; j++)
			ours = ours || strcmp(f->councils.items[j], owner) == 0;
		if (ours &&
		    window_frozen(f->from_days, f->until_days, f->zone,
			now_utc()))
			return err_set(e, ERR_REFUSED,
			    "no test during the freeze '%s' (%s to %s)",
			    f->name, f->from, f->until);
	}
	return ERR_NONE;
}

/* --- the point ------------------------------------------------------------ */

static bool
is_newer(const struct point *a, const struct point *b)
{
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch;
	return a->sequence > b->sequence;
}

static enum err_code
pick_named(const struct point_list *list, const char *name,
    const struct point **out, struct err *e)
{
	struct id_prefix prefix;

	*out = NULL;
	if (!id_parse_prefix(name, &prefix))
		return err_set(e, ERR_INPUT,
		    "'%s' is no recovery point's id (4 to 64 hex digits)",
		    name);
	for (size_t i = 0; i < list->count; i++) {
		if (!id_has_prefix(&list->points[i].id, &prefix))
			continue;
		if (*out != NULL)
			return err_set(e, ERR_INPUT,
			    "more than one recovery point begins with '%s'",
			    name);
		*out = &list->points[i];
	}
	if (*out == NULL)
		return err_set(e, ERR_NOTFOUND,
		    "no complete recovery point '%s' of this service is in "
		    "this site's repository",
		    name);
	return ERR_NONE;
}

static enum err_code
pick_point(const struct exercise *x, const struct point_list *list,
    const struct point **out, struct err *e)
{
	*out = NULL;
	if (x->o->point != NULL)
		return pick_named(list, x->o->point, out, e);
	for (size_t i = 0; i < list->count; i++)
		if (*out == NULL || is_newer(&list->points[i], *out))
			*out = &list->points[i];
	if (*out != NULL)
		return ERR_NONE;
	err_set(e, ERR_NOTFOUND,
	    "service '%s' has no complete recovery point in the repository of "
	    "site '%s'",
	    x->o->service->name, x->o->site->name);
	return err_hint(e, "a backup must have ended and been replicated here");
}

static enum err_code
take_snapshot(struct exercise *x, struct store *st, const struct id *id,
    struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *subtree = NULL;
	const struct policy_service *service = x->o->service;
	char hex[ID_HEX_BYTES];
	enum err_code rc = snapshot_find(&s, &subtree, st, id_hex(id, hex), e);

	for (size_t i = 0; rc == ERR_NONE && i < service->dataset_count; i++) {
		if (strcmp(service->datasets[i].name, s.dataset) != 0)
			continue;
		x->p.snapshots[i] =
		    (struct planrun_snapshot){&service->datasets[i], s.id,
			s.root, s.flags, s.bytes, s.problems_total_count};
	}
	return rc;
}

static enum err_code
take_point(struct exercise *x, struct store *st, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};
	const struct point *p;
	enum err_code rc =
	    point_list(&list, st, x->o->service->name, NULL, NULL, e);

	if (rc == ERR_NONE)
		rc = pick_point(x, &list, &p, e);
	if (rc != ERR_NONE)
		return rc;
	x->point = p->id;
	x->point_at = p->taken;
	for (size_t i = 0; rc == ERR_NONE && i < p->snapshots_count; i++)
		rc = take_snapshot(x, st, &p->snapshots[i], e);
	return rc;
}

static enum err_code
check_datasets(const struct exercise *x, uint64_t *bytes, struct err *e)
{
	const struct policy_service *s = x->o->service;

	*bytes = 0;
	for (size_t i = 0; i < s->step_count; i++) {
		const struct policy_step *step = &s->plan[i];
		size_t d = 0;

		if (!exercise_steps_has(x, i) ||
		    step->kind != POLICY_STEP_RESTORE)
			continue;
		while (d < s->dataset_count &&
		    strcmp(s->datasets[d].name, step->restore) != 0)
			d++;
		if (d == s->dataset_count || x->p.snapshots[d].dataset == NULL)
			return err_set(e, ERR_NOTFOUND,
			    "the recovery point holds no dataset '%s', which "
			    "step '%s' restores",
			    step->restore, step->name);
		*bytes += x->p.snapshots[d].bytes;
	}
	return ERR_NONE;
}

static enum err_code
check_room(const struct exercise *x, uint64_t need, struct err *e)
{
	const char *root = x->o->policy->sandbox;
	char have_text[TEXT_UNIT_BYTES], need_text[TEXT_UNIT_BYTES];
	uint64_t have;
	enum err_code rc = exercise_sandbox_room(root, &have, e);

	if (rc != ERR_NONE)
		return rc;
	if (need > UINT64_MAX - ROOM_SPARE_BYTES ||
	    have < need + ROOM_SPARE_BYTES)
		return err_set(e, ERR_NOSPACE,
		    "'%s' has room for %s; the restore needs %s and a margin",
		    root, text_size(have, have_text),
		    text_size(need, need_text));
	return ERR_NONE;
}

static void
note_passed(struct exercise *x, uint64_t need)
{
	char size[TEXT_UNIT_BYTES], age[TEXT_UNIT_BYTES];

	exercise_notes_one(x, "precondition",
	    "no earlier test is left to be cleaned up: looked at now");
	exercise_notes_one(x, "precondition",
	    "no freeze of the policy holds: looked at now");
	exercise_notes_one(x, "precondition",
	    "the repository opens and its key can read backups: tried now");
	exercise_notes_one(x, "precondition",
	    "the point holds every dataset the plan restores: looked at now; "
	    "it is %s old",
	    text_duration(now_utc().ns - x->point_at.ns, age));
	exercise_notes_one(x, "precondition",
	    "the sandbox has room for %s and a margin: looked at now",
	    text_size(need, size));
}

static void
close_all(struct store **st, struct keyring **keys)
{
	store_close(st);
	keyring_free(keys);
}

enum err_code
exercise_precheck(struct exercise *x, struct err *e)
{
	struct keyring *keys = NULL;
	struct store *st = NULL;
	uint64_t bytes = 0;
	enum err_code rc = ERR_NONE;

	if (x->o->outstanding != NULL) {
		err_set(e, ERR_REFUSED, "exercise %s is not cleaned up",
		    x->o->outstanding);
		return err_hint(e, "bascule exercise cleanup %s",
		    x->o->outstanding);
	}
	if (x->o->live_move != NULL) {
		return err_set(e, ERR_BUSY,
		    "%s is under way at this site, and tests give way to it",
		    x->o->live_move);
	}
	rc = check_plan(x, e);
	if (rc == ERR_NONE)
		rc = check_freeze(x, e);
	if (rc == ERR_NONE)
		rc = planrun_restore_open(&st, &keys, x->o->policy, x->o->site,
		    e);
	if (rc == ERR_NONE)
		rc = take_point(x, st, e);
	close_all(&st, &keys);
	if (rc == ERR_NONE)
		rc = check_datasets(x, &bytes, e);
	for (size_t i = 0; rc == ERR_NONE && i < x->o->service->step_count; i++)
		if (exercise_steps_has(x, i))
			rc = check_words(&x->p, &x->o->service->plan[i], e);
	if (rc == ERR_NONE)
		rc = check_room(x, bytes, e);
	if (rc == ERR_NONE)
		note_passed(x, bytes);
	return rc;
}
