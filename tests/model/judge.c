#include <dirent.h>
#include <string.h>

#include "model/acts.h"
#include "model/world.h"

/* When all is still: what must be there is, and what need not be goes. */

static void
collect(int64_t undelete_age_ns)
{
	OWNED(store_close) struct store *st = acts_open(STORE_WRITE);
	struct collect_options opt = {.repack = true,
	    .undelete_age_ns = undelete_age_ns};
	struct collect_tally tally;
	struct err e;

	world_set_undelete_age(undelete_age_ns);
	world_tell("collects");
	if (collect_run(st, &opt, &tally, &e) != ERR_NONE)
		world_fail("the last collection failed: %s", e.text);
}

/* Twice, with the undelete age between them: then nothing dead is left. */
static void
collect_all(void)
{
	collect(72 * WORLD_HOUR_NS);
	world_pass(73 * WORLD_HOUR_NS);
	collect(72 * WORLD_HOUR_NS);
}

static void
on_damage(void *ctx, const char *object, const char *what)
{
	(void)ctx;
	world_fail("check: %s: %s", object, what);
}

static void
check_all(struct store *st)
{
	struct check_options opt = {.depth = CHECK_OPEN,
	    .on_damage = on_damage,
	    .workers = 1};
	struct check_tally tally;
	struct err e;

	if (store_check(st, &opt, &tally, &e) != ERR_NONE)
		world_fail("it cannot be checked: %s", e.text);
}

static bool
is_listed(const struct snapshot_list *list, const struct id *id)
{
	for (size_t i = 0; i < list->count; i++)
		if (id_equal(&list->snapshots[i].id, id))
			return true;
	return false;
}

static void
restore_all(struct store *st, const struct snapshot_list *list)
{
	for (size_t i = 0; i < truth_snapshots_count; i++) {
		const struct truth_snapshot *t = &truth_snapshots[i];
		const bool there = is_listed(list, &t->id);
		struct err e;

		if (t->state == TRUTH_KEPT && !there)
			world_fail("snapshot %02x%02x is not there",
			    t->id.bytes[0], t->id.bytes[1]);
		if (t->state == TRUTH_GONE && there)
			world_fail("snapshot %02x%02x was forgotten and is "
				   "there",
			    t->id.bytes[0], t->id.bytes[1]);
		if (there && (!acts.lost || t->after_loss) &&
		    acts_restore(st, t, &e) != ERR_NONE)
			world_fail("snapshot %02x%02x cannot be restored: %s",
			    t->id.bytes[0], t->id.bytes[1], e.text);
	}
}

static void
look_at_all(void)
{
	OWNED(store_close) struct store *st = acts_open(STORE_READ);
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct err e;

	if (snapshot_list(&list, st, NULL, on_damage, NULL, &e) != ERR_NONE)
		world_fail("snapshots cannot be listed: %s", e.text);
	restore_all(st, &list);
	points_judge(st, &list);
	if (!acts.lost)
		check_all(st);
}

static void
check_alone(void)
{
	OWNED(store_close) struct store *st = acts_open(STORE_READ);

	check_all(st);
}

/* --- The end of everything -------------------------------------------------- */

static void
release_all(struct store *st)
{
	OWNED(hold_list_fini) struct hold_list list = {0};
	struct err e;

	if (hold_list(&list, st, &e) != ERR_NONE)
		world_fail("holds cannot be listed: %s", e.text);
	for (size_t i = 0; i < truth_holds_count; i++) {
		bool there = false;

		for (size_t k = 0; k < list.count; k++)
			there |=
			    id_equal(&list.holds[k].id, &truth_holds[i].id);
		if (truth_holds[i].state == HOLD_FIRM && !there)
			world_fail("a hold is not there");
		if (truth_holds[i].state == HOLD_GONE && there)
			world_fail("a hold was released and is there");
	}
	for (size_t i = 0; i < list.count; i++)
		if (hold_release(st, &list.holds[i].id, &e) != ERR_NONE)
			world_fail("a hold cannot be released: %s", e.text);
}

static void
forget_all(void)
{
	OWNED(store_close) struct store *st = acts_open(STORE_WRITE);
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct err e;

	release_all(st);
	if (snapshot_list(&list, st, NULL, on_damage, NULL, &e) != ERR_NONE)
		world_fail("snapshots cannot be listed: %s", e.text);
	for (size_t i = 0; i < list.count; i++) {
		struct forget_request rq = {.service = TRUTH_SERVICE,
		    .snapshots = &list.snapshots[i].id,
		    .snapshots_count = 1};
		struct forget_tally tally;

		if (forget_run(st, &rq, &tally, &e) != ERR_NONE)
			world_fail("a snapshot cannot be forgotten: %s",
			    e.text);
	}
}

static void
expect_empty(const char *folder, const char *but)
{
	char path[512];
	DIR *d;
	struct dirent *de;

	snprintf(path, sizeof(path), "%s/%s", acts.path, folder);
	if ((d = opendir(path)) == NULL)
		return;
	while ((de = readdir(d)) != NULL)
		if (de->d_name[0] != '.' && strstr(but, de->d_name) == NULL)
			world_fail("%s/%.80s is left behind", folder,
			    de->d_name);
	closedir(d);
}

static void
expect_nothing_left(void)
{
	char folder[16];

	for (unsigned i = 0; i < 256; i++) {
		snprintf(folder, sizeof(folder), "packs/%02x", i);
		expect_empty(folder, "");
	}
	expect_empty("index", "MANIFEST");
	expect_empty("condemned",
	    "clock ages receipts receipts.bak epochs epochs.bak");
	expect_empty("tmp", "");
	expect_empty("sessions", "");
	expect_empty("holds", "");
	expect_empty("points/" TRUTH_SERVICE, "");
	expect_empty("snapshots/" TRUTH_SERVICE, "");
}

void
acts_judge(void)
{
	look_at_all();
	if (acts.lost)
		return; /* what is left is for a healing */
	collect_all();
	check_alone(); /* the bytes are those that were just restored */
	forget_all();
	collect_all();
	expect_nothing_left();
}
