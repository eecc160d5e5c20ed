#include "model/acts.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "model/world.h"

struct acts acts;

struct store *
acts_open(enum store_access access)
{
	struct store_options opt = {.access = access,
	    .keyring = acts.keyring,
	    .network_fs_allowed = true};
	struct store *st = NULL;
	struct err e;

	if (store_open(&st, acts.path, &opt, &e) != ERR_NONE &&
	    !world_is_dead())
		world_fail("it cannot be opened: %s", e.text);
	return st;
}

struct store *
acts_open_keyless(void)
{
	struct store_options opt = {.access = STORE_WRITE,
	    .network_fs_allowed = true};
	struct store *st = NULL;
	struct err e;

	if (store_open(&st, acts.path, &opt, &e) != ERR_NONE &&
	    !world_is_dead())
		world_fail("it cannot be opened without a key: %s", e.text);
	return st;
}

/* --- Restoring ---------------------------------------------------------------- */

struct comparing {
	struct reader *reader;
	uint8_t bytes[TRUTH_BYTES_MAX];
	size_t size;
};

static enum err_code
compare_piece(void *ctx, const struct content_piece *piece, uint64_t offset,
    struct err *e)
{
	struct comparing *c = ctx;
	const uint8_t *bytes;
	size_t len;
	enum err_code rc = reader_get(c->reader, &piece->id, &bytes, &len, e);

	if (rc == ERR_NONE &&
	    (len != piece->len_bytes || offset + len > c->size ||
		memcmp(bytes, c->bytes + offset, len) != 0))
		world_fail("a restored file has other bytes");
	return rc;
}

static enum err_code
compare_item(struct store *st, struct comparing *c, const struct item *it,
    struct err *e)
{
	if (it->content.size_bytes != c->size)
		world_fail("a restored file has another size");
	if (it->content.pieces_count > 0)
		return content_each(st, &it->content, compare_piece, c, e);
	if (it->content.inlined.len_bytes != c->size ||
	    memcmp(it->content.inlined.bytes, c->bytes, c->size) != 0)
		world_fail("a restored small file has other bytes");
	return ERR_NONE;
}

enum err_code
acts_restore(struct store *st, const struct truth_snapshot *t, struct err *e)
{
	OWNED(cursor_close) struct cursor *cu = NULL;
	OWNED(reader_free) struct reader *reader = NULL;
	OWNED(free_mem) struct comparing *c = malloc(sizeof(*c));
	const struct item *it = NULL;
	enum err_code rc = reader_new(&reader, st, e);
	unsigned f = 0;

	c->reader = reader;
	if (rc == ERR_NONE)
		rc = cursor_open(&cu, st, &t->root, "", 0, e);
	if (rc == ERR_NOTFOUND) /* it has no items at all? */
		for (unsigned i = 0; i < TRUTH_FILES; i++)
			if (t->files[i].version != 0)
				return rc;
	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	while (rc == ERR_NONE && (rc = cursor_next(cu, &it, e)) == ERR_NONE &&
	    it != NULL) {
		while (f < TRUTH_FILES && t->files[f].version == 0)
			f++;
		if (f == TRUTH_FILES ||
		    strcmp(it->entry.path.bytes, truth_path(f)) != 0)
			world_fail("'%s' should not be there",
			    it->entry.path.bytes);
		c->size = truth_bytes(f, t->files[f].version, c->bytes);
		rc = compare_item(st, c, it, e);
		f++;
	}
	while (rc == ERR_NONE && f < TRUTH_FILES)
		if (t->files[f++].version != 0)
			world_fail("'%s' is not there", truth_path(f - 1));
	return rc;
}

/* --- Acts ----------------------------------------------------------------------- */

/* Somebody who began to read long ago looks again at what is there now. */
static void
read_act(void)
{
	OWNED(store_close) struct store *st = NULL;
	struct truth_snapshot *t = truth_pick();
	struct err e;
	enum err_code rc;

	if (t == NULL || (st = acts_open(STORE_READ)) == NULL)
		return;
	if (world_one_in(2))
		world_nap((unsigned)world_below(300));
	rc = acts_restore(st, t, &e);
	if (rc != ERR_NONE && truth_is_kept(t) && !world_is_dead()) {
		world_tell("reads again: %s", e.text);
		rc = store_refresh(st, &e);
		if (rc == ERR_NONE)
			rc = acts_restore(st, t, &e);
	}
	if (rc != ERR_NONE && truth_is_kept(t) && !world_is_dead() &&
	    (!acts.lost || t->after_loss))
		world_fail("a snapshot cannot be restored: %s", e.text);
}

/* Is there a hold that was firm before, and is still? */
static bool
was_held(const struct truth_snapshot *t, size_t holds_count)
{
	for (size_t i = 0; i < holds_count; i++)
		if (truth_holds[i].snapshot == t &&
		    truth_holds[i].state == HOLD_FIRM)
			return true;
	return false;
}

/* Did somebody build on it before, and does still? */
static bool
was_pinned(const struct truth_snapshot *t, const struct acts_pin *before)
{
	for (int i = 0; i < (int)COUNT_OF(acts_pins); i++)
		if (before[i].snapshot == t && acts_pins[i].snapshot == t &&
		    before[i].serial == acts_pins[i].serial &&
		    !world_session_lost_by(i))
			return true;
	return false;
}

struct forgetting {
	struct acts_pin pins[COUNT_OF(acts_pins)];
	struct truth_snapshot *all[TRUTH_SNAPSHOTS_MAX];
	struct id ids[TRUTH_SNAPSHOTS_MAX];
	size_t count;
};

static void
choose_going(struct forgetting *f)
{
	const uint64_t keep = 1 + world_below(4);

	f->count = 0;
	for (size_t i = 0; i < truth_snapshots_count; i++)
		if (truth_is_kept(&truth_snapshots[i]) && world_one_in(keep)) {
			f->all[f->count] = &truth_snapshots[i];
			f->ids[f->count++] = truth_snapshots[i].id;
		}
}

static void
forget_act(void)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(free_mem) struct forgetting *f = malloc(sizeof(*f));
	struct forget_request rq = {.service = TRUTH_SERVICE};
	struct forget_tally tally;
	const size_t holds_count = truth_holds_count;
	struct err e;
	enum err_code rc;
	bool may_be_held = false;

	choose_going(f);
	if (f->count == 0 || (st = acts_open_keyless()) == NULL)
		return;
	for (size_t i = 0; i < f->count; i++) {
		f->all[i]->going++;
		may_be_held |= truth_may_be_held(f->all[i]);
	}
	memcpy(f->pins, acts_pins, sizeof(acts_pins));
	rq.snapshots = f->ids;
	rq.snapshots_count = f->count;
	rc = forget_run(st, &rq, &tally, &e);
	for (size_t i = 0; i < f->count; i++) {
		struct truth_snapshot *t = f->all[i];

		t->going--;
		may_be_held |= truth_may_be_held(t);
		if (rc == ERR_NONE && !world_is_dead() &&
		    was_held(t, holds_count))
			world_fail("a snapshot that is held was forgotten");
		if (rc == ERR_NONE && !world_is_dead() &&
		    was_pinned(t, f->pins))
			world_fail("a snapshot that a session builds on was "
				   "forgotten");
		if (world_is_dead())
			t->state =
			    t->state == TRUTH_GONE ? TRUTH_GONE : TRUTH_OPEN;
		else if (rc == ERR_NONE)
			t->state = TRUTH_GONE;
		if (t->state != TRUTH_KEPT)
			points_follow(t, t->state);
	}
	if (world_is_dead())
		return;
	world_tell("forgets %zu: %s", f->count,
	    rc == ERR_NONE ? "done" : e.text);
	if (rc == ERR_REFUSED ? !may_be_held : rc != ERR_NONE && rc != ERR_BUSY)
		world_fail("forgetting failed: %s", e.text);
}

static void
collect_act(void)
{
	static const int64_t ages[] = {0, 0, 1, 24, 72, 72};
	OWNED(store_close) struct store *st = NULL;
	struct collect_options opt = {.repack = !world_one_in(3),
	    .max_unused_millipercent = world_one_in(2) ? 0 : 5000};
	struct collect_tally tally;
	struct err e;
	enum err_code rc;

	opt.undelete_age_ns = ages[world_below(COUNT_OF(ages))] * WORLD_HOUR_NS;
	world_set_undelete_age(opt.undelete_age_ns);
	st = world_one_in(3) ? acts_open_keyless() : acts_open(STORE_WRITE);
	if (st == NULL)
		return;
	rc = collect_run(st, &opt, &tally, &e);
	if (world_is_dead())
		return;
	world_tell("collects (age %lld h%s): %llu condemned, %llu revived, "
		   "%llu repacked, %llu freed, %llu wait%s%s",
	    (long long)(opt.undelete_age_ns / WORLD_HOUR_NS),
	    opt.repack ? ", repacks" : "",
	    (unsigned long long)tally.condemned_count,
	    (unsigned long long)tally.revived_count,
	    (unsigned long long)tally.repacked_count,
	    (unsigned long long)tally.freed_count,
	    (unsigned long long)tally.waiting_count, rc == ERR_NONE ? "" : ": ",
	    rc == ERR_NONE ? "" : e.text);
	if (rc != ERR_NONE && rc != ERR_BUSY && !world_session_lost() &&
	    !acts.lost)
		world_fail("a collection failed: %s", e.text);
}

static void
hold_act(void)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(free_mem) struct hold *h = calloc(1, sizeof(*h));
	struct truth_snapshot *t = truth_pick();
	struct truth_hold *th;
	struct err e;
	enum err_code rc;

	if (t == NULL || truth_holds_count == TRUTH_HOLDS_MAX ||
	    (st = acts_open(STORE_WRITE)) == NULL)
		return;
	th = &truth_holds[truth_holds_count++];
	*th = (struct truth_hold){.snapshot = t, .state = HOLD_LOOSE};
	h->why = HOLD_OPERATOR;
	snprintf(h->service, sizeof(h->service), TRUTH_SERVICE);
	snprintf(h->reason, sizeof(h->reason), "%zu", truth_holds_count);
	h->snapshots[0] = t->id;
	h->snapshots_count = 1;
	rc = hold_place(st, h, &e);
	if (world_is_dead())
		return;
	th->id = h->id;
	th->state = rc == ERR_NONE ? HOLD_FIRM : HOLD_GONE;
	world_tell("holds %02x%02x: %s", t->id.bytes[0], t->id.bytes[1],
	    rc == ERR_NONE ? "done" : e.text);
	if (rc != ERR_NONE && truth_is_kept(t) && !world_session_lost())
		world_fail("a hold failed: %s", e.text);
}

static void
release_act(void)
{
	OWNED(store_close) struct store *st = NULL;
	struct truth_hold *th;
	struct err e;
	enum err_code rc;

	if (truth_holds_count == 0)
		return;
	th = &truth_holds[world_below(truth_holds_count)];
	if (th->state != HOLD_FIRM)
		return;
	th->state = HOLD_LOOSE;
	if ((st = acts_open(STORE_WRITE)) == NULL)
		return;
	rc = hold_release(st, &th->id, &e);
	if (world_is_dead())
		return;
	if (rc != ERR_NONE)
		world_fail("a release failed: %s", e.text);
	th->state = HOLD_GONE;
	world_tell("releases a hold");
}

static void
fence_act(void)
{
	OWNED(store_close) struct store *st = NULL;
	char name[33];
	struct err e;
	enum err_code rc;

	if (!world_some_session(name) || (st = acts_open(STORE_WRITE)) == NULL)
		return;
	rc = session_fence(st, name, &e);
	if (world_is_dead())
		return;
	world_tell("fences %.8s: %s", name, rc == ERR_NONE ? "done" : e.text);
	if (rc != ERR_NONE && rc != ERR_NOTFOUND)
		world_fail("fencing failed: %s", e.text);
}

/* What is sound stays as it is, whatever others are at. */
static void
heal_act(void)
{
	struct store_options so = {.access = STORE_HEAL,
	    .keyring = acts.keyring,
	    .network_fs_allowed = true};
	OWNED(store_close) struct store *st = NULL;
	struct heal_options opt = {0};
	struct heal_tally tally;
	struct err e;
	enum err_code rc = store_open(&st, acts.path, &so, &e);

	if (rc == ERR_NONE)
		rc = store_heal(st, &opt, &tally, &e);
	if (world_is_dead())
		return;
	world_tell("heals: %s", rc == ERR_NONE ? "done" : e.text);
	if (rc != ERR_NONE && rc != ERR_BUSY && !world_session_lost() &&
	    !acts.lost)
		world_fail("a healing failed: %s", e.text);
}

/*
 * A pack that MANIFEST counts on is gone: what a commit then takes over from
 * before must be seen to be missing.
 */
static void
lose_act(void)
{
	char path[256], found[512 + 16] = "";
	uint64_t seen = 0;

	for (unsigned i = 0; i < 256; i++) {
		struct dirent *de;
		DIR *d;

		snprintf(path, sizeof(path), "%s/packs/%02x", acts.path, i);
		if ((d = opendir(path)) == NULL)
			continue;
		while ((de = readdir(d)) != NULL)
			if (de->d_name[0] != '.' && world_one_in(++seen))
				snprintf(found, sizeof(found), "%s/%s", path,
				    de->d_name);
		closedir(d);
	}
	if (found[0] == '\0' || unlink(found) != 0)
		return;
	world_tell("pack %.12s is lost", found + strlen(path) + 1);
	acts.lost = true;
}

/* --- Lives ---------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(void);
} plain[] = {{"read", read_act}, {"forget", forget_act},
    {"collect", collect_act}, {"hold", hold_act}, {"release", release_act},
    {"fence", fence_act}, {"point", point_act}, {"heal", heal_act},
    {"send", far_act}, {"lose", lose_act}};

static bool
may(const struct acts_role *r, size_t act)
{
	const bool can[] = {r->reads, r->forgets, r->collects, r->holds,
	    r->holds, r->fences, r->points, r->heals && world_one_in(3),
	    r->sends && acts.receives, r->reads && acts.loses && !acts.lost};

	if (plain[act].run == collect_act || plain[act].run == far_act)
		return can[act];
	if (plain[act].run == fence_act) {
		char name[33];

		return can[act] && world_some_session(name);
	}
	return can[act] && truth_pick() != NULL;
}

static void
begin_act(const char *name)
{
	char text[64];

	acts.steps_left--;
	acts.steps++;
	if (world_one_in(8))
		world_doom(1 + (unsigned)world_below(250), false);
	else if (world_one_in(8)) /* where it matters most */
		world_doom(1 + (unsigned)world_below(12), true);
	if (world_one_in(3)) {
		world_clocks(text, sizeof(text));
		world_tell("%s", text);
	}
	world_tell("step %u: %s", acts.steps, name);
}

void
acts_live(void *ctx)
{
	const struct acts_role *r = ctx;

	while (acts.steps_left > 0) {
		size_t act = world_below(COUNT_OF(plain));

		if (r->writes && world_one_in(2)) {
			begin_act("backup");
			backup_act(r);
		} else if (may(r, act)) {
			begin_act(plain[act].name);
			plain[act].run();
		}
		world_revive();
		world_nap(1 + (unsigned)world_below(20));
	}
}
