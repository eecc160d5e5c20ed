#include <string.h>

#include <bascule/base/fdio.h>

#include "model/acts.h"
#include "model/world.h"

/*
 * Another site, whose snapshots arrive here: packs byte for byte, then the
 * snapshot.  What was forgotten here may be sent again.
 */

#define SENT_MAX 16

struct far_snapshot {
	struct id id, root;
	int versions[TRUTH_FILES];
};

static struct far_snapshot made[SENT_MAX];
static size_t made_count;

void
far_begin(void)
{
	made_count = 0;
}

static bool
open_far(struct store **st, enum store_access access)
{
	struct store_options opt = {.access = access,
	    .keyring = acts.keyring,
	    .network_fs_allowed = true};
	struct err e;

	if (store_open(st, ACTS_FAR, &opt, &e) == ERR_NONE)
		return true;
	if (!world_is_dead())
		world_fail("the other site: %s", e.text);
	return false;
}

/* --- there ------------------------------------------------------------------ */

static enum err_code
put_tree(struct writer *w, const int versions[TRUTH_FILES], struct id *root,
    struct err *e)
{
	OWNED(content_writer_free) struct content_writer *cw = NULL;
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(free_mem) uint8_t *bytes = malloc(TRUTH_BYTES_MAX);
	enum err_code rc = tree_writer_new(&tw, w, e);

	if (rc == ERR_NONE)
		rc = content_writer_new(&cw, w, CHUNKING_CUT, 0, e);
	for (unsigned f = 0; rc == ERR_NONE && f < TRUTH_FILES; f++) {
		OWNED(item_fini) struct item it = {0};

		if (versions[f] == 0)
			continue;
		it.entry.type = ENTRY_FILE;
		it.entry.size_bytes = truth_bytes(f, versions[f], bytes);
		if ((rc = content_writer_add(cw, bytes, it.entry.size_bytes,
			 e)) == ERR_NONE &&
		    (rc = content_writer_end(cw, &it.content, e)) == ERR_NONE &&
		    (rc = entry_set_path(&it.entry, truth_path(f),
			 strlen(truth_path(f)), e)) == ERR_NONE)
			rc = tree_writer_add(tw, &it, e);
	}
	return rc == ERR_NONE ? tree_writer_root(tw, root, e) : rc;
}

static void
make_one(void)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(session_close) struct session *se = NULL;
	OWNED(writer_free) struct writer *w = NULL;
	OWNED(snapshot_fini) struct snapshot s = {0};
	struct writer_options wo = {.codec = WRITER_FAST, .workers = 1};
	struct far_snapshot f = {0};
	struct err e;
	enum err_code rc;

	for (unsigned i = 0; i < TRUTH_FILES; i++)
		f.versions[i] = world_one_in(3) ? 0 : 1 + (int)world_below(12);
	if (!open_far(&st, STORE_WRITE))
		return;
	if ((rc = session_open(&se, st, &e)) == ERR_NONE &&
	    (rc = writer_new(&w, se, &wo, &e)) == ERR_NONE)
		rc = put_tree(w, f.versions, &f.root, &e);
	if (rc == ERR_NONE) {
		s.root = f.root;
		snprintf(s.service, sizeof(s.service), TRUTH_SERVICE);
		snprintf(s.dataset, sizeof(s.dataset), "far");
		s.started = s.ended = now_utc();
		s.host = strdup("far");
		s.source = strdup("/");
		rc = snapshot_commit(se, w, &s, &e);
	}
	if (world_is_dead())
		return;
	if (rc != ERR_NONE)
		world_fail("a backup of the other site: %s", e.text);
	f.id = s.id;
	made[made_count++] = f;
}

/* --- here ------------------------------------------------------------------- */

static enum err_code
send_pack(struct intake *in, struct store *from, const struct id *name,
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = store_open_pack(from, name, &fd, e);

	if (rc == ERR_NONE)
		rc = fdio_read_all(fd, 1 << 20, &b, e);
	if (rc == ERR_NONE)
		rc = intake_pack_begin(in, name, b.len_bytes, e);
	if (rc == ERR_NONE)
		rc = intake_pack_add(in, b.bytes, b.len_bytes, e);
	return rc == ERR_NONE ? intake_pack_end(in, e) : rc;
}

static enum err_code
send(struct intake *in, struct store *to, struct store *from,
    const struct far_snapshot *f, struct err *e)
{
	OWNED(pack_list_fini) struct pack_list packs = {0};
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc = store_needed_packs(&packs, from, &f->id, 1, e);

	for (size_t i = 0; rc == ERR_NONE && i < packs.count; i++)
		if (!store_has_pack(to, &packs.packs[i].name))
			rc = send_pack(in, from, &packs.packs[i].name, e);
	if (rc == ERR_NONE && world_one_in(3))
		world_nap((unsigned)world_below(300));
	if (rc == ERR_NONE)
		rc = intake_flush(in, e);
	if (rc == ERR_NONE && world_one_in(3))
		world_nap((unsigned)world_below(300));
	if (rc == ERR_NONE)
		rc = store_snapshot_bytes(from, TRUTH_SERVICE, &f->id, &b, e);
	return rc == ERR_NONE ? intake_snapshot(in, b.bytes, b.len_bytes, e)
			      : rc;
}

static void
remember(struct truth_snapshot *t, const struct far_snapshot *f)
{
	t->id = f->id;
	t->root = f->root;
	t->foreign = true;
	t->after_loss = false;
	snprintf(t->dataset, sizeof(t->dataset), "far");
	for (unsigned i = 0; i < TRUTH_FILES; i++)
		t->files[i].version = f->versions[i];
}

static void
receive(const struct far_snapshot *f)
{
	OWNED(store_close) struct store *from = NULL;
	OWNED(store_close) struct store *to = NULL;
	OWNED(intake_free) struct intake *in = NULL;
	struct truth_snapshot *t = truth_find(&f->id);
	const enum truth_state before = t == NULL ? TRUTH_GONE : t->state;
	const bool was_here = t != NULL;
	struct err e;
	enum err_code rc;

	if (t == NULL)
		remember(t = truth_add(), f);
	if (before == TRUTH_KEPT || t->going > 0)
		return;
	if (!open_far(&from, STORE_READ) || (to = acts_open_keyless()) == NULL)
		return;
	t->state = TRUTH_OPEN;
	rc = intake_new(&in, to, &e);
	if (rc == ERR_NONE)
		rc = send(in, to, from, f, &e);
	if (world_is_dead())
		return;
	if (rc == ERR_NONE || rc == ERR_EXISTS)
		t->state = TRUTH_KEPT;
	else if (rc == ERR_REFUSED &&
	    was_here) { /* what was forgotten stays so */
		t->state = before;
		rc = ERR_EXISTS;
	}
	world_tell("receives %02x%02x: %s", f->id.bytes[0], f->id.bytes[1],
	    rc == ERR_NONE ? "done" : e.text);
	if (rc != ERR_NONE && rc != ERR_EXISTS && !world_session_lost() &&
	    !acts.lost)
		world_fail("an intake failed: %s", e.text);
}

void
far_act(void)
{
	if (made_count == 0 || (made_count < SENT_MAX && world_one_in(2)))
		make_one();
	if (made_count > 0 && !world_is_dead())
		receive(&made[world_one_in(2) ? made_count - 1
					      : world_below(made_count)]);
}
