#include <string.h>

#include "model/acts.h"
#include "model/world.h"

struct acts_pin acts_pins[8];

/* A backup: what a job does with the store, step by step. */
struct backup {
	const struct acts_role *role;
	struct store *store;
	struct session *session;
	struct writer *writer;
	struct content_writer *contents;
	const struct truth_snapshot *parent; /* pinned */
	bool after_loss;
	int next[TRUTH_FILES]; /* versions */
	struct truth_file made[TRUTH_FILES];
};

static void
backup_fini(struct backup *b)
{
	acts_pins[world_actor()].snapshot = NULL;
	content_writer_free(&b->contents);
	writer_free(&b->writer);
	session_close(&b->session);
	store_close(&b->store);
	for (unsigned f = 0; f < TRUTH_FILES; f++)
		buf_fini(&b->made[f].item);
}

/* Only who died or was fenced may fail. */
static bool
went_on(enum err_code rc, const struct err *e, const char *what)
{
	if (world_is_dead())
		return false;
	if (rc == ERR_NONE)
		return true;
	if (!world_session_lost() && !acts.lost)
		world_fail("%s of a session that lives failed: %s", what,
		    e->text);
	world_tell("%s: %s", what, e->text);
	return false;
}

/* What was saved last is built on without a look, as a state cache does. */
static bool
find_parent(struct backup *b)
{
	struct truth_snapshot *t = world_one_in(4) ? NULL : truth_pick();
	char text[64];
	struct err e;
	enum err_code rc;

	if (t == NULL || t->foreign)
		return true;
	world_nap((unsigned)world_below(4));
	rc = session_pin(b->session, TRUTH_SERVICE, &t->id, &e);
	if (world_is_dead() || (rc != ERR_NONE && world_session_lost()))
		return false;
	if (rc == ERR_NOTFOUND && !truth_is_kept(t))
		return true;
	if (!went_on(rc, &e, "a pin"))
		return false;
	world_tell("builds on %s", truth_text(t, text));
	b->parent = t;
	acts_pins[world_actor()].snapshot = t;
	acts_pins[world_actor()].serial++;
	return true;
}

/* As it was once, in a snapshot that may be forgotten by now. */
static void
choose_old(struct backup *b)
{
	const struct truth_snapshot *t =
	    &truth_snapshots[world_below(truth_snapshots_count)];

	for (unsigned f = 0; f < TRUTH_FILES; f++)
		b->next[f] = t->files[f].version;
}

static void
choose(struct backup *b)
{
	if (truth_snapshots_count > 0 && world_one_in(4)) {
		choose_old(b);
		return;
	}
	for (unsigned f = 0; f < TRUTH_FILES; f++) {
		const int was =
		    b->parent == NULL ? 0 : b->parent->files[f].version;

		if (was != 0 && !world_one_in(3))
			b->next[f] = was;
		else if (was != 0 && was % 4 != 3 && world_one_in(2))
			b->next[f] = was + 1;
		else
			b->next[f] =
			    world_one_in(6) ? 0 : 1 + (int)world_below(12);
	}
}

static bool
put_file(struct backup *b, struct tree_writer *tw, unsigned f)
{
	OWNED(free_mem) uint8_t *bytes = malloc(TRUTH_BYTES_MAX);
	OWNED(item_fini) struct item it = {0};
	OWNED(item_fini) struct item old = {0};
	const struct truth_file *was =
	    b->parent == NULL ? NULL : &b->parent->files[f];
	size_t size;
	struct err e;
	enum err_code rc = ERR_NONE;

	if (was != NULL && was->version != 0 && !world_one_in(3)) {
		rc =
		    item_decode(&old, was->item.bytes, was->item.len_bytes, &e);
		ASSERT(rc == ERR_NONE);
		content_writer_previous(b->contents, &old.content);
	}
	size = truth_bytes(f, b->next[f], bytes);
	if (rc == ERR_NONE)
		rc = content_writer_add(b->contents, bytes, size, &e);
	if (rc == ERR_NONE)
		rc = content_writer_end(b->contents, &it.content, &e);
	if (!went_on(rc, &e, "a put"))
		return false;
	it.entry.type = ENTRY_FILE;
	it.entry.size_bytes = size;
	rc =
	    entry_set_path(&it.entry, truth_path(f), strlen(truth_path(f)), &e);
	if (rc == ERR_NONE)
		rc = tree_writer_add(tw, &it, &e);
	buf_clear(&b->made[f].item);
	if (rc == ERR_NONE)
		rc = item_encode(&b->made[f].item, &it, &e);
	return went_on(rc, &e, "an item");
}

/* As it was: nothing is read and nothing looked up. */
static bool
take_file(struct backup *b, struct tree_writer *tw, unsigned f)
{
	const struct buf *item = &b->parent->files[f].item;
	struct err e;
	enum err_code rc = tree_writer_add_encoded(tw, truth_path(f),
	    strlen(truth_path(f)), item->bytes, item->len_bytes, &e);

	buf_clear(&b->made[f].item);
	if (rc == ERR_NONE)
		rc =
		    buf_add(&b->made[f].item, item->bytes, item->len_bytes, &e);
	return went_on(rc, &e, "an item taken over");
}

static bool
put_tree(struct backup *b, struct id *root)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct err e;
	enum err_code rc = tree_writer_new(&tw, b->writer, &e);

	if (!went_on(rc, &e, "a tree"))
		return false;
	for (unsigned f = 0; f < TRUTH_FILES; f++) {
		if (b->next[f] != 0 && b->parent != NULL &&
		    b->next[f] == b->parent->files[f].version) {
			if (!take_file(b, tw, f))
				return false;
		} else if (b->next[f] != 0 && !put_file(b, tw, f))
			return false;
		b->made[f].version = b->next[f];
		if (world_one_in(8)) /* it sleeps */
			world_nap((unsigned)world_below(200));
		if (world_one_in(10) &&
		    !went_on(writer_flush(b->writer, &e), &e, "a flush"))
			return false;
	}
	return went_on(tree_writer_root(tw, root, &e), &e, "a root");
}

static void
remember(struct backup *b, struct truth_snapshot *t)
{
	for (unsigned f = 0; f < TRUTH_FILES; f++) {
		struct err e;

		t->files[f].version = b->made[f].version;
		if (b->made[f].version != 0 &&
		    buf_add(&t->files[f].item, b->made[f].item.bytes,
			b->made[f].item.len_bytes, &e) != ERR_NONE)
			abort();
	}
}

static bool
is_there(struct store *st, const struct truth_snapshot *t)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err e;

	return store_snapshot_bytes(st, TRUTH_SERVICE, &t->id, &b, &e) ==
	    ERR_NONE;
}

/* The sweep that follows a run's end: its checkpoints go. */
static bool
sweep(struct backup *b)
{
	struct truth_snapshot *going[TRUTH_SNAPSHOTS_MAX];
	size_t count = 0;
	struct err e;
	enum err_code rc;
	char dataset[8];

	snprintf(dataset, sizeof(dataset), "%d", b->role->number);
	for (size_t i = 0; i < truth_snapshots_count; i++) {
		struct truth_snapshot *t = &truth_snapshots[i];

		if (t->checkpoint && t->state != TRUTH_GONE &&
		    strcmp(t->dataset, dataset) == 0) {
			going[count++] = t;
			t->going++;
		}
	}
	rc = checkpoint_sweep(b->session, TRUTH_SERVICE, dataset, NULL, 0, &e);
	for (size_t i = 0; i < count; i++) {
		/* What somebody holds or builds on stays as it is. */
		if (rc == ERR_NONE && !is_there(b->store, going[i]))
			going[i]->state = TRUTH_GONE;
		else if (rc != ERR_NONE && going[i]->state == TRUTH_KEPT)
			going[i]->state = TRUTH_OPEN;
		going[i]->going--; /* last: others look while we do */
	}
	return went_on(rc, &e, "a sweep");
}

static bool
commit(struct backup *b, const struct id *root, bool checkpoint)
{
	OWNED(snapshot_fini) struct snapshot s = {.root = *root};
	struct truth_snapshot *t = truth_add();
	char text[64];
	struct err e;
	enum err_code rc;

	snprintf(s.service, sizeof(s.service), TRUTH_SERVICE);
	snprintf(s.dataset, sizeof(s.dataset), "%d", b->role->number);
	snprintf(t->dataset, sizeof(t->dataset), "%d", b->role->number);
	t->checkpoint = checkpoint;
	t->after_loss = b->after_loss;
	s.flags = checkpoint ? SNAPSHOT_CHECKPOINT : 0;
	s.started = s.ended = now_utc();
	s.host = strdup("h");
	s.source = strdup("/");
	remember(b, t);
	rc = snapshot_commit(b->session, b->writer, &s, &e);
	t->id = s.id;
	t->root = *root;
	if (!world_is_dead() && rc == ERR_NONE) {
		t->state = TRUTH_KEPT;
		world_tell("has committed %s%s: %02x%02x",
		    checkpoint ? "checkpoint " : "", truth_text(t, text),
		    t->id.bytes[0], t->id.bytes[1]);
	}
	return went_on(rc, &e, "a commit");
}

static bool
begin(struct backup *b)
{
	struct writer_options wo = {.codec = WRITER_FAST, .workers = 1};
	struct err e;
	enum err_code rc;

	b->after_loss = acts.lost;
	b->store = acts_open(STORE_WRITE);
	if (b->store == NULL)
		return false;
	rc = session_open(&b->session, b->store, &e);
	if (!went_on(rc, &e, "a session"))
		return false;
	if (!find_parent(b))
		return false;
	rc = writer_new(&b->writer, b->session, &wo, &e);
	if (rc == ERR_NONE)
		rc = content_writer_new(&b->contents, b->writer, CHUNKING_CUT,
		    0, &e);
	return went_on(rc, &e, "a writer");
}

void
backup_act(const struct acts_role *role)
{
	OWNED(backup_fini) struct backup b = {.role = role};
	struct id root;
	unsigned rounds = world_one_in(4) ? 2 : 1;

	if (!begin(&b))
		return;
	choose(&b);
	for (; rounds > 0; rounds--) {
		bool last = rounds == 1;

		if (!put_tree(&b, &root))
			return;
		if (world_one_in(4)) /* put, but not yet committed */
			world_nap((unsigned)world_below(600));
		if (!commit(&b, &root, !last))
			return;
		if (!last)
			choose(&b);
	}
	if (world_one_in(3))
		(void)sweep(&b);
}
