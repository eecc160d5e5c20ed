#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "../lib/store/ageing.h"
#include "../lib/store/condemn.h"
#include "../lib/store/frame.h"
#include "../lib/store/holdfile.h"
#include "../lib/store/index.h"
#include "../lib/store/pack.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_collect(void);

#define FILE_BYTES 1000

static struct repo r;

static void
setup(void)
{
	repo_make(&r);
}

static void
teardown(void)
{
	repo_remove(&r);
}

static struct id
plant(struct writer *w, uint64_t seed, size_t count)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct err e = {0};
	struct id root;

	must(tree_writer_new(&tw, w, &e), &e);
	for (size_t i = 0; i < count; i++) {
		OWNED(item_fini) struct item it = {0};
		char path[32];

		snprintf(path, sizeof(path), "f%04zu", i);
		repo_file(&it, w, path, seed + i, FILE_BYTES);
		must(tree_writer_add(tw, &it, &e), &e);
	}
	must(tree_writer_root(tw, &root, &e), &e);
	return root;
}

static enum err_code
commit(struct repo_work *a, const struct id *root, struct id *snapshot,
    struct err *e)
{
	OWNED(snapshot_fini)
	struct snapshot s = {.service = "housing", .dataset = "files"};
	enum err_code rc;

	s.root = *root;
	s.started = s.ended = now_utc();
	s.host = strdup("brent-1");
	s.source = strdup("/srv");
	rc = snapshot_commit(a->se, a->w, &s, e);
	*snapshot = s.id;
	return rc;
}

/* Files of the seeds from seed on. */
static struct id
back_up(uint64_t seed, size_t count)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct err e = {0};
	struct id root, id;

	repo_begin(&r, &a.st, &a.se, &a.w);
	root = plant(a.w, seed, count);
	must(commit(&a, &root, &id, &e), &e);
	return id;
}

/* The nth call from there on fails; 0: none does. */
static int fail_at, fail_with;

static enum err_code
forget(const struct id *id, struct err *e)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_WRITE);
	struct forget_request rq = {.service = "housing",
	    .snapshots = id,
	    .snapshots_count = 1};
	struct forget_tally t;

	if (fail_at > 0)
		fault_arm_deep(fail_at, fail_with);
	return forget_run(st, &rq, &t, e);
}

static enum err_code
collect(int64_t age_ns, uint32_t max_unused, struct collect_tally *t,
    struct err *e)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_WRITE);
	struct collect_options opt = {.undelete_age_ns = age_ns,
	    .repack = max_unused < 100000,
	    .max_unused_millipercent = max_unused};

	if (fail_at > 0)
		fault_arm_deep(fail_at, fail_with);
	return collect_run(st, &opt, t, e);
}

static struct collect_tally
collected(int64_t age_ns)
{
	struct collect_tally t;
	struct err e = {0};

	must(collect(age_ns, 100000, &t, &e), &e);
	return t;
}

static void
tell(void *ctx, const char *object, const char *what)
{
	(void)ctx;
	fprintf(stderr, "%s: %s\n", object, what);
}

static void
must_be_clean(void)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	struct check_options opt = {.depth = CHECK_OPEN, .on_damage = tell};
	struct check_tally t = {0};
	struct err e = {0};

	must(store_check(st, &opt, &t, &e), &e);
	ck_assert_uint_eq(t.damage_count, 0);
}

/* Is every file of the snapshot there, byte for byte? */
static void
must_hold(uint64_t seed, size_t count)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct writer_tally t;
	struct id id;

	repo_begin(&r, &a.st, &a.se, &a.w);
	for (size_t i = 0; i < count; i++) {
		id = repo_put(a.w, seed + i, FILE_BYTES);
		ck_assert(repo_has(a.st, &id, seed + i, FILE_BYTES));
	}
	writer_tally(a.w, &t);
	ck_assert_uint_eq(t.new_chunks_count, 0);
}

static size_t
condemned_count(void)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	OWNED(condemn_list_fini) struct condemn_all all = {0};
	struct buf nobody = {0};
	struct err e = {0};

	must(condemn_list(&all, st, &nobody, &e), &e);
	return all.count;
}

/* --- two phases ------------------------------------------------------------- */

START_TEST(what_no_snapshot_needs_is_condemned_then_goes)
{
	struct id first = back_up(1, 30);
	struct collect_tally t;
	struct err e = {0};

	(void)back_up(1000, 30);
	t = collected(COLLECT_UNDELETE_AGE_NS);
	ck_assert_uint_eq(t.condemned_count + t.freed_count, 0);
	must(forget(&first, &e), &e);
	t = collected(COLLECT_UNDELETE_AGE_NS);
	ck_assert_uint_gt(t.condemned_count, 1);
	ck_assert_uint_eq(t.freed_count, 0);
	ck_assert_uint_eq(condemned_count(), t.condemned_count);
	must_be_clean();
	t = collected(COLLECT_UNDELETE_AGE_NS);
	ck_assert_uint_eq(t.condemned_count + t.freed_count, 0);
	ck_assert_uint_gt(t.waiting_count, 1);
	ck_assert_int_gt(t.waiting_ns, COLLECT_UNDELETE_AGE_NS / 2);
	t = collected(0);
	ck_assert_uint_gt(t.freed_bytes, 30 * FILE_BYTES);
	ck_assert_uint_eq(t.waiting_count, 0);
	ck_assert_uint_eq(condemned_count(), 0);
	must_be_clean();
	must_hold(1000, 30);
}
END_TEST

START_TEST(nobody_else_at_work_and_no_age_frees_at_once)
{
	struct id first = back_up(1, 30);
	struct collect_tally t;
	struct err e = {0};

	(void)back_up(1000, 3);
	must(forget(&first, &e), &e);
	t = collected(0);
	ck_assert_uint_gt(t.freed_bytes, 30 * FILE_BYTES);
	must_be_clean();
	must_hold(1000, 3);
}
END_TEST

START_TEST(a_dry_run_says_as_much_and_changes_nothing)
{
	struct id first = back_up(1, 30);
	OWNED(store_close) struct store *st = NULL;
	struct collect_options opt = {.dry_run = true,
	    .without = &first,
	    .without_count = 1};
	struct collect_tally dry, t;
	struct err e = {0};

	(void)back_up(1000, 3);
	st = repo_open(&r, STORE_READ);
	must(collect_run(st, &opt, &dry, &e), &e);
	ck_assert_uint_eq(condemned_count(), 0);
	must(forget(&first, &e), &e);
	t = collected(0);
	ck_assert_uint_eq(dry.freed_bytes, t.freed_bytes);
	ck_assert_uint_eq(dry.freed_count, t.freed_count);
}
END_TEST

/* --- beside writers ------------------------------------------------------------ */

START_TEST(a_session_open_at_the_condemnation_is_waited_for)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct id first = back_up(1, 30), root, id;
	struct collect_tally t;
	struct err e = {0};

	repo_begin(&r, &a.st, &a.se, &a.w);
	(void)repo_put(a.w, 1, FILE_BYTES); /* it was told: present */
	must(forget(&first, &e), &e);
	t = collected(0);
	ck_assert_uint_eq(t.freed_count, 0);
	ck_assert_uint_gt(t.condemned_count, 1);
	ck_assert_uint_eq(t.sessions_count, 1);
	t = collected(0);
	ck_assert_uint_eq(t.freed_count, 0);
	root = plant(a.w, 1, 30);
	must(commit(&a, &root, &id, &e), &e);
	repo_work_end(&a);
	t = collected(0);
	ck_assert_uint_le(t.freed_bytes, 4096); /* a page, at most */
	must_be_clean();
	must_hold(1, 30);
}
END_TEST

START_TEST(a_later_session_revives_what_it_relies_on)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct id first = back_up(1, 30), root, id;
	struct collect_tally t;
	struct writer_tally wt;
	struct err e = {0};
	size_t before;

	must(forget(&first, &e), &e);
	(void)collected(COLLECT_UNDELETE_AGE_NS);
	before = condemned_count();
	ck_assert_uint_gt(before, 1);
	repo_begin(&r, &a.st, &a.se, &a.w);
	root = plant(a.w, 1, 30);
	writer_tally(a.w, &wt);
	ck_assert_uint_eq(wt.new_chunks_count, 0);
	ck_assert_uint_eq(condemned_count(), 0);
	/* Dead once more, but now with the session there. */
	t = collected(0);
	ck_assert_uint_eq(t.freed_count, 0);
	must(commit(&a, &root, &id, &e), &e);
	ck_assert_uint_eq(condemned_count(), 0); /* revived by the commit */
	repo_work_end(&a);
	(void)collected(0);
	must_be_clean();
	must_hold(1, 30);
}
END_TEST

START_TEST(what_is_beyond_revival_is_stored_again)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct id first = back_up(1, 30), root, id;
	struct collect_tally t;
	struct writer_tally wt;
	struct err e = {0};

	must(forget(&first, &e), &e);
	(void)collected(COLLECT_UNDELETE_AGE_NS);
	repo_begin(&r, &a.st, &a.se, &a.w); /* knows the old index */
	t = collected(0);
	ck_assert_uint_gt(t.freed_count, 1);
	root = plant(a.w, 1, 30);
	must(commit(&a, &root, &id, &e), &e);
	writer_tally(a.w, &wt);
	ck_assert_uint_ge(wt.new_chunks_count, 30);
	repo_work_end(&a);
	must_be_clean();
	must_hold(1, 30);
}
END_TEST

/* What one session saw there may have gone when the next is opened. */
START_TEST(a_store_that_stays_open_looks_again_in_its_next_session)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct id first = back_up(1, 30), root, id;
	struct collect_tally t;
	struct err e = {0};

	repo_begin(&r, &a.st, &a.se, &a.w);
	(void)plant(a.w, 1, 30);
	writer_free(&a.w);
	session_close(&a.se);
	must(forget(&first, &e), &e);
	t = collected(0);
	ck_assert_uint_gt(t.freed_count, 1);
	must(session_open(&a.se, a.st, &e), &e);
	must(writer_new(&a.w, a.se, NULL, &e), &e);
	root = plant(a.w, 1, 30);
	must(commit(&a, &root, &id, &e), &e);
	repo_work_end(&a);
	must_be_clean();
	must_hold(1, 30);
}
END_TEST

START_TEST(what_a_mark_reaches_again_is_revived)
{
	struct id first = back_up(1, 30);
	struct collect_tally t;
	struct err e = {0};
	char from[200], to[200], hex[ID_HEX_BYTES];

	/* Forgotten, and put back by hand. */
	snprintf(from, sizeof(from), "%s/snapshots/housing/%s", r.path,
	    id_hex(&first, hex));
	snprintf(to, sizeof(to), "%s/aside", r.dir);
	ck_assert_int_eq(rename(from, to), 0);
	t = collected(COLLECT_UNDELETE_AGE_NS);
	ck_assert_uint_gt(t.condemned_count, 1);
	ck_assert_int_eq(rename(to, from), 0);
	t = collected(0);
	ck_assert_uint_gt(t.revived_count, 1);
	ck_assert_uint_eq(t.freed_count, 0);
	ck_assert_uint_eq(condemned_count(), 0);
	must_be_clean();
	(void)e;
}
END_TEST

START_TEST(a_fenced_session_commits_nothing)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(session_list_fini) struct session_list list = {0};
	OWNED(store_close) struct store *st = repo_open(&r, STORE_WRITE);
	struct err e = {0};
	struct id root, id;
	char who[64];

	repo_begin(&r, &a.st, &a.se, &a.w);
	root = plant(a.w, 1, 3);
	must(session_list_alive(&list, st, &e), &e);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_int_eq(list.sessions[0].pid, getpid());
	must(session_fence(st, list.sessions[0].name, &e), &e);
	ck_assert_int_eq(session_fence(st, list.sessions[0].name, &e),
	    ERR_NOTFOUND);
	ck_assert_int_ne(commit(&a, &root, &id, &e), ERR_NONE);
	ck_assert_int_eq(e.code, ERR_BUSY);
	/* Who did it, when, and what now? */
	snprintf(who, sizeof(who), "process %lld at 2", (long long)getpid());
	ck_assert_msg(strstr(e.text, who) != NULL, "%s", e.text);
	ck_assert_ptr_nonnull(strstr(e.text, "run it again"));
}
END_TEST

START_TEST(a_session_whose_file_somebody_removed_says_so)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct err e = {0};
	struct id root, id;

	repo_begin(&r, &a.st, &a.se, &a.w);
	root = plant(a.w, 1, 3);
	ck_assert_int_eq(unlinkat(a.st->sessions_fd, a.se->name, 0), 0);
	ck_assert_int_ne(commit(&a, &root, &id, &e), ERR_NONE);
	ck_assert_int_eq(e.code, ERR_BUSY);
	ck_assert_ptr_nonnull(strstr(e.text, "was removed"));
	ck_assert_ptr_nonnull(strstr(e.text, "run it again"));
}
END_TEST

START_TEST(one_collection_at_a_time)
{
	OWNED(fdio_close) int fd = -1;
	struct collect_tally t;
	struct err e = {0};
	char path[100];

	(void)back_up(1, 3);
	snprintf(path, sizeof(path), "%s/condemned", r.path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	ck_assert_int_eq(collect(0, 100000, &t, &e), ERR_BUSY);
	fdio_close(&fd);
	(void)collected(0);
}
END_TEST

/* --- what is kept ----------------------------------------------------------------- */

START_TEST(what_a_session_builds_on_cannot_be_forgotten)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct id first = back_up(1, 3), none = {{9}};
	struct err e = {0};

	repo_begin(&r, &a.st, &a.se, &a.w);
	ck_assert_int_eq(session_pin(a.se, "housing", &none, &e), ERR_NOTFOUND);
	must(session_pin(a.se, "housing", &first, &e), &e);
	ck_assert_int_eq(forget(&first, &e), ERR_BUSY);
	repo_work_end(&a);
	must(forget(&first, &e), &e);
	ck_assert_int_eq(forget(&first, &e), ERR_NONE); /* gone is gone */
}
END_TEST

START_TEST(what_a_session_builds_on_stays_also_when_it_cannot_be_read)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(store_close) struct store *st = repo_open(&r, STORE_WRITE);
	struct id first = back_up(1, 3);
	struct forget_request rq = {.service = "housing",
	    .snapshots = &first,
	    .snapshots_count = 1};
	struct forget_tally t;
	struct err e = {0};
	bool fired = true;

	repo_begin(&r, &a.st, &a.se, &a.w);
	must(session_pin(a.se, "housing", &first, &e), &e);
	for (int nth = 1; fired; nth++) {
		fault_arm_reading(nth, EIO);
		ck_assert_int_ne(forget_run(st, &rq, &t, &e), ERR_NONE);
		fired = fault_fired();
	}
	/* The number of pins is there, but not the pin. */
	ck_assert_int_eq(ftruncate(a.se->fd, 60), 0);
	ck_assert_int_ne(forget_run(st, &rq, &t, &e), ERR_NONE);
	repo_work_end(&a);
	must(forget_run(st, &rq, &t, &e), &e);
	ck_assert_uint_eq(t.snapshots_count, 1);
}
END_TEST

START_TEST(what_is_held_stays_until_it_is_released)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(hold_list_fini) struct hold_list list = {0};
	struct id first = back_up(1, 3), second = back_up(100, 3);
	struct hold h = {.why = HOLD_CURSOR,
	    .service = "housing",
	    .label = "southwark",
	    .reason = "the copy at southwark has it",
	    .snapshots_count = 1};
	struct id before;
	struct err e = {0};

	st = repo_open(&r, STORE_WRITE);
	h.snapshots[0] = first;
	must(hold_place(st, &h, &e), &e);
	ck_assert_int_eq(forget(&first, &e), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "southwark"));
	/* A cursor moves on: first the next is held, then that is let go. */
	before = h.id;
	h.snapshots[0] = second;
	must(hold_place(st, &h, &e), &e);
	must(hold_release(st, &before, &e), &e);
	must(hold_list(&list, st, &e), &e);
	ck_assert_uint_eq(list.count, 1);
	ck_assert(id_equal(&list.holds[0].snapshots[0], &second));
	ck_assert_int_eq(forget(&second, &e), ERR_REFUSED);
	must(forget(&first, &e), &e);
	must(hold_release(st, &h.id, &e), &e);
	must(forget(&second, &e), &e);
}
END_TEST

START_TEST(a_hold_is_a_root_of_its_own)
{
	OWNED(store_close) struct store *st = NULL;
	struct id first = back_up(1, 10);
	struct hold h = {.why = HOLD_LEGAL,
	    .service = "housing",
	    .snapshots_count = 1};
	struct collect_tally t;
	struct err e = {0};
	char path[200], hex[ID_HEX_BYTES];

	st = repo_open(&r, STORE_WRITE);
	h.snapshots[0] = first;
	must(hold_place(st, &h, &e), &e);
	snprintf(path, sizeof(path), "%s/snapshots/housing/%s", r.path,
	    id_hex(&first, hex));
	ck_assert_int_eq(unlink(path), 0);
	t = collected(0);
	ck_assert_uint_eq(t.freed_count + t.condemned_count, 0);
	must_hold(1, 10);
}
END_TEST

START_TEST(a_bent_hold_is_damage_and_nothing_goes)
{
	OWNED(buf_fini) struct buf b = {0};
	OWNED(store_close) struct store *st = repo_open(&r, STORE_WRITE);
	struct hold h = {.why = HOLD_OPERATOR,
	    .service = "housing",
	    .snapshots_count = 2,
	    .snapshots = {{{2}}, {{1}}}};
	struct hold again;
	struct err e = {0};

	must(holdfile_encode(&b, st, &h, &e), &e);
	must(holdfile_decode(&again, st->family, b.bytes, b.len_bytes, &e), &e);
	ck_assert_uint_eq(again.snapshots[0].bytes[0], 1);
	for (size_t i = 0; i < b.len_bytes; i++) {
		b.bytes[i] ^= 4;
		ck_assert_int_ne(holdfile_decode(&again, st->family, b.bytes,
				     b.len_bytes, &e),
		    ERR_NONE);
		b.bytes[i] ^= 4;
		ck_assert_int_ne(holdfile_decode(&again, st->family, b.bytes, i,
				     &e),
		    ERR_NONE);
	}
}
END_TEST

START_TEST(nothing_is_collected_where_something_is_lost)
{
	struct id first = back_up(1, 10);
	struct collect_tally t;
	struct err e = {0};
	bool seen = false;

	(void)back_up(100, 10);
	must(forget(&first, &e), &e);
	for (uint32_t n = 0; n < 4; n++) {
		OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
		char path[PACK_PATH_BYTES], from[300], to[300];
		enum err_code rc;

		if (n >= index_packs_count(st))
			break;
		snprintf(from, sizeof(from), "%s/packs/%s", r.path,
		    pack_path(&index_pack(st, n)->name, path));
		snprintf(to, sizeof(to), "%s/aside", r.dir);
		ck_assert_int_eq(rename(from, to), 0);
		rc = collect(COLLECT_UNDELETE_AGE_NS, 100000, &t, &e);
		ck_assert(rc == ERR_NONE || rc == ERR_CORRUPT);
		seen |= rc == ERR_CORRUPT;
		ck_assert_int_eq(rename(to, from), 0);
	}
	ck_assert(seen);
	(void)collected(0);
	must_be_clean();
	must_hold(100, 10);
}
END_TEST

/* --- strays, repacking ------------------------------------------------------------- */

/* As from another site: a page of that name that names nothing. */
static void
push_empty_page(const struct id *page)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(intake_free) struct intake *in = NULL;
	OWNED(frame_coder_free) struct frame_coder *coder = NULL;
	OWNED(pack_writer_free) struct pack_writer *pw = NULL;
	OWNED(buf_fini) struct buf frame = {0};
	OWNED(buf_fini) struct buf footer = {0};
	OWNED(free_mem) uint8_t *bytes = NULL;
	const uint8_t raw[12] = {1, 0, 0, 0, 4};
	struct pack_done done = {.fd = -1};
	struct frame_hash hash;
	struct pack_piece piece = {.ids = page,
	    .hash = &hash,
	    .ids_count = 1,
	    .kind = STORE_LEAF};
	struct pack_key key = {0};
	struct frame_plain p = {.kind = STORE_LEAF,
	    .raw = raw,
	    .raw_bytes = sizeof(raw)};
	struct err e = {0};

	repo_begin(&r, &a.st, &a.se, &a.w);
	p.family = a.st->family;
	key.key_id = *seal_key_id(a.se->key);
	key.domain = *keyring_domain(a.st->keyring);
	key.stanzas = a.se->stanzas.bytes;
	key.stanzas_bytes = a.se->stanzas.len_bytes;
	must(frame_coder_new(&coder, &e), &e);
	must(frame_encode(coder, &p, a.se->key, &frame, &e), &e);
	piece.bytes = frame.bytes;
	piece.len_bytes = (uint32_t)frame.len_bytes;
	must(frame_hash_make(&hash, frame.bytes, frame.len_bytes, &e), &e);
	must(pack_writer_new(&pw, a.st, "pushed", true, &e), &e);
	must(pack_writer_add(pw, &piece, &e), &e);
	must(pack_writer_end(&pw, &key, &footer, &done, &e), &e);
	fdio_close(&done.fd); /* for writing only */
	done.fd = openat(a.st->tmp_fd, done.temporary, O_RDONLY | O_CLOEXEC);
	bytes = malloc((size_t)done.size_bytes);
	must(fdio_pread(done.fd, bytes, (size_t)done.size_bytes, 0, &e), &e);
	fdio_close(&done.fd);
	must(intake_new(&in, a.st, &e), &e);
	must(intake_pack_begin(in, &done.name, done.size_bytes, &e), &e);
	must(intake_pack_add(in, bytes, (size_t)done.size_bytes, &e), &e);
	must(intake_pack_end(in, &e), &e);
	must(intake_flush(in, &e), &e);
	intake_free(&in);
}

START_TEST(a_page_from_elsewhere_does_not_speak_for_ours)
{
	struct id id = back_up(1, 30);
	struct snapshot_list list;
	struct store *st = repo_open(&r, STORE_READ);
	struct err e = {0};

	must(snapshot_list(&list, st, "housing", NULL, NULL, &e), &e);
	ck_assert_uint_eq(list.count, 1);
	push_empty_page(&list.snapshots[0].root);
	snapshot_list_fini(&list);
	store_close(&st);
	(void)collected(0);
	must_hold(1, 30);
	(void)id;
}
END_TEST

START_TEST(what_nobody_committed_goes_too)
{
	struct collect_tally t;
	struct err e = {0};
	char path[300], name[ID_HEX_BYTES];
	struct id id = {{0xab, 1}};
	OWNED(fdio_close) int fd = -1;

	(void)back_up(1, 3);
	{
		OWNED(repo_work_end) struct repo_work a = {0};

		repo_begin(&r, &a.st, &a.se, &a.w);
		(void)repo_put(a.w, 500, FILE_BYTES);
		must(writer_flush(a.w, &e), &e); /* in the index */
	}
	snprintf(path, sizeof(path), "%s/packs/ab", r.path);
	(void)mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/packs/ab/%s", r.path,
	    id_hex(&id, name));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0400);
	ck_assert_int_ge(fd, 0);
	fdio_close(&fd);
	snprintf(path, sizeof(path), "%s/index/%s", r.path, name);
	id.bytes[5] = 7;
	snprintf(path, sizeof(path), "%s/index/%s", r.path, id_hex(&id, name));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0400);
	ck_assert_int_ge(fd, 0);
	t = collected(COLLECT_UNDELETE_AGE_NS);
	ck_assert_uint_eq(t.condemned_count, 3);
	t = collected(0);
	ck_assert_uint_eq(t.freed_count, 3);
	ck_assert_int_eq(access(path, F_OK), -1);
	must_be_clean();
	must_hold(1, 3);
}
END_TEST

START_TEST(packs_that_are_partly_used_are_repacked)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct id both, root, one;
	struct collect_tally t;
	struct err e = {0};

	both = back_up(1, 40);
	repo_begin(&r, &a.st, &a.se, &a.w);
	root = plant(a.w, 3, 1); /* one chunk of a frame: resealed */
	must(commit(&a, &root, &one, &e), &e);
	repo_work_end(&a);
	root = back_up(21, 15); /* whole frames: copied */
	must(forget(&both, &e), &e);
	must(collect(0, 0, &t, &e), &e);
	ck_assert_uint_gt(t.repacked_count, 0);
	ck_assert_uint_gt(t.resealed_count, 0);
	ck_assert_uint_gt(t.freed_count, 0);
	ck_assert_uint_eq(t.unused_bytes, 0);
	must_be_clean();
	must_hold(3, 1);
	must_hold(21, 15);
	must(collect(0, 0, &t, &e), &e);
	ck_assert_uint_eq(t.repacked_count + t.condemned_count, 0);
}
END_TEST

/* The first frame of each pack of data that is not condemned. */
static void
bend_the_new_ones(void)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);

	for (uint32_t n = 0; n < index_packs_count(st); n++) {
		const struct index_pack *ip = index_pack(st, n);
		OWNED(fdio_close) int fd = -1;
		char path[200], name[PACK_PATH_BYTES];
		uint8_t byte;

		if (ip->metadata || condemn_is(st, &ip->name))
			continue;
		snprintf(path, sizeof(path), "%s/packs/%s", r.path,
		    pack_path(&ip->name, name));
		ck_assert_int_eq(chmod(path, 0600), 0);
		fd = open(path, O_RDWR | O_CLOEXEC);
		ck_assert_int_eq(pread(fd, &byte, 1, 300), 1);
		byte ^= 1;
		ck_assert_int_eq(pwrite(fd, &byte, 1, 300), 1);
	}
}

START_TEST(a_pack_does_not_go_for_a_copy_that_cannot_be_read)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct id both = back_up(1, 40), root, one;
	struct collect_tally t;
	struct err e = {0};

	repo_begin(&r, &a.st, &a.se, &a.w);
	root = plant(a.w, 3, 1);
	must(commit(&a, &root, &one, &e), &e);
	repo_work_end(&a);
	must(forget(&both, &e), &e);
	must(collect(COLLECT_UNDELETE_AGE_NS, 0, &t, &e), &e);
	ck_assert_uint_gt(t.repacked_count, 0);
	bend_the_new_ones();
	t = collected(0);
	ck_assert_uint_gt(t.revived_count, 0);
	must_hold(3, 1);
}
END_TEST

START_TEST(a_repacking_that_died_leaves_one_copy_in_the_end)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct id both = back_up(1, 40), root, one;
	struct collect_tally t;
	struct err e = {0};
	bool done = false;

	repo_begin(&r, &a.st, &a.se, &a.w);
	root = plant(a.w, 3, 1);
	must(commit(&a, &root, &one, &e), &e);
	repo_work_end(&a);
	must(forget(&both, &e), &e);
	fail_with = EIO;
	for (fail_at = 1; !done; fail_at += 5) {
		(void)collect(COLLECT_UNDELETE_AGE_NS, 0, &t, &e);
		done = !fault_fired();
	}
	fail_at = 0;
	must(collect(0, 0, &t, &e), &e);
	must(collect(0, 0, &t, &e), &e);
	ck_assert_uint_eq(t.unused_bytes, 0);
	ck_assert_uint_eq(t.waiting_count, 0);
	must_be_clean();
	must_hold(3, 1);
}
END_TEST

/* --- what fails ---------------------------------------------------------------------- */

START_TEST(any_failing_call_loses_nothing_that_is_kept)
{
	bool done = false;
	int nth = 0;

	(void)back_up(1, 6);
	while (!done) {
		struct id gone = back_up(1000 + 100 * (uint64_t)nth, 4);
		struct collect_tally t;
		struct err e = {0};
		enum err_code rc;

		must(forget(&gone, &e), &e);
		nth += nth < 60 ? 1 : 7; /* every one would take too long */
		fail_at = nth;
		fail_with = nth % 2 == 0 ? EIO : ENOSPC;
		rc = collect(0, 0, &t, &e);
		done = !fault_fired();
		fail_at = 0;
		ck_assert(!done || rc == ERR_NONE);
		must_hold(1, 6);
		(void)collected(0); /* and the next run succeeds */
	}
	ck_assert_int_gt(nth, 30);
	(void)collected(0);
	ck_assert_uint_eq(condemned_count(), 0);
	must_be_clean();
}
END_TEST

static bool is_renamed, is_flushed;
static size_t unlinked_count;

static bool
is_index(int fd)
{
	char link[40], path[200];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len < 0 ? 0 : len] = '\0';
	return len > 6 && strcmp(path + len - 6, "/index") == 0;
}

/* MANIFEST gets its name, and then the machine cannot say that it is kept. */
static int
lose_the_list(const char *call, int fd, const char *name)
{
	if (strcmp(call, "renameat") == 0)
		is_renamed |= strcmp(name, "MANIFEST") == 0;
	return is_renamed && strcmp(call, "fsync") == 0 && is_index(fd) ? EIO
									: 0;
}

/* P1: no pack goes before the list without it is on the disk. */
static int
watch_the_list(const char *call, int fd, const char *name)
{
	if (strcmp(call, "fsync") == 0)
		is_flushed |= is_index(fd);
	if (strcmp(call, "unlinkat") == 0 &&
	    strlen(name) == PACK_PATH_BYTES - 1) {
		unlinked_count++;
		ck_assert(is_flushed);
	}
	return 0;
}

START_TEST(what_another_collection_took_off_the_list_goes_when_that_is_durable)
{
	struct id gone;
	struct collect_tally t;
	struct err e = {0};

	(void)back_up(1, 6);
	gone = back_up(1000, 6);
	must(forget(&gone, &e), &e);
	is_renamed = is_flushed = false;
	unlinked_count = 0;
	fault_listen(lose_the_list);
	ck_assert_int_eq(collect(0, 100000, &t, &e), ERR_IO);
	fault_listen(NULL);
	ck_assert(is_renamed);
	fault_listen(watch_the_list);
	t = collected(0);
	fault_listen(NULL);
	ck_assert_uint_gt(unlinked_count, 0);
	ck_assert_uint_eq(t.freed_count, unlinked_count);
	must_hold(1, 6);
}
END_TEST

START_TEST(a_failing_forget_leaves_no_point_without_its_snapshot)
{
	bool done = false;

	for (int nth = 1; !done; nth++) {
		OWNED(repo_work_end) struct repo_work a = {0};
		struct id gone = back_up(1000, 2);
		struct point p = {.service = "housing", .snapshots_count = 1};
		struct err e = {0};

		repo_begin(&r, &a.st, &a.se, &a.w);
		p.snapshots[0] = gone;
		must(point_commit(a.se, &p, &e), &e);
		repo_work_end(&a);
		fail_at = nth;
		fail_with = EIO;
		(void)forget(&gone, &e);
		done = !fault_fired();
		fail_at = 0;
		must_be_clean();
		must(forget(&gone, &e), &e);
		must_be_clean();
	}
}
END_TEST

/* --- the clock ------------------------------------------------------------------------ */

START_TEST(age_is_never_more_than_the_time_that_passed)
{
	const struct {
		int64_t boot_s, wall_s;
		uint8_t boot;
		int64_t age_s;
	} steps[] = {
	    {100, 1000, 1, 0},                          /* the first look */
	    {160, 1060, 1, 60}, {170, 9999999, 1, 70},  /* set forward */
	    {180, 5, 1, 70},                            /* set back */
	    {190, 1000000, 1, 80}, {5, 2000000, 2, 80}, /* another boot */
	    {65, 2000030, 2, 110}, /* the smaller of the two */
	    {1000, 3000000, 0, 110}, {2000, 4000000, 0, 110}, /* no boot id */
	};
	struct ageing a = {0};

	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		struct ageing now = {.boot_ns = steps[i].boot_s * NS_PER_S,
		    .wall_ns = steps[i].wall_s * NS_PER_S};

		memset(now.boot, steps[i].boot, sizeof(now.boot));
		ageing_advance(&a, &now);
		ck_assert_msg(a.age_ns == steps[i].age_s * NS_PER_S,
		    "step %zu: %lld", i, (long long)(a.age_ns / NS_PER_S));
	}
}
END_TEST

START_TEST(a_bent_clock_begins_again)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_WRITE);
	uint8_t bytes[AGEING_BYTES];
	struct ageing a = {.age_ns = 77}, again;
	struct err e = {0};

	ageing_encode(&a, st->family, bytes);
	must(ageing_decode(&again, st->family, bytes, sizeof(bytes), &e), &e);
	ck_assert_int_eq(again.age_ns, 77);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] ^= 1;
		ck_assert_int_ne(ageing_decode(&again, st->family, bytes,
				     sizeof(bytes), &e),
		    ERR_NONE);
		bytes[i] ^= 1;
	}
}
END_TEST

struct told {
	size_t count;
	char first[96];
};

static void
note(void *ctx, const char *object, const char *what)
{
	struct told *t = ctx;

	(void)what;
	if (t->count++ == 0)
		snprintf(t->first, sizeof(t->first), "%.90s", object);
}

/* Whatever byte of the file is wrong, check names it. */
static void
must_be_seen(const char *object)
{
	OWNED(fdio_close) int fd = -1;
	char path[200];
	struct stat sb;
	uint8_t byte;

	snprintf(path, sizeof(path), "%s/%s", r.path, object);
	ck_assert_int_eq(chmod(path, 0600), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fstat(fd, &sb), 0);
	for (off_t at = 0; at < sb.st_size; at++) {
		OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
		struct told t = {0};
		struct check_options opt = {.depth = CHECK_NAMES,
		    .on_damage = note,
		    .ctx = &t};
		struct check_tally tally;
		struct err e = {0};

		ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
		byte ^= 8;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
		must(store_check(st, &opt, &tally, &e), &e);
		/* sentences are links of one file */
		ck_assert_uint_eq(t.count, sb.st_nlink);
		ck_assert_str_eq(t.first, object);
		byte ^= 8;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	}
}

START_TEST(check_sees_bent_holds_and_sentences)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_WRITE);
	struct id first = back_up(1, 3), second = back_up(100, 3);
	struct hold h = {.why = HOLD_LEGAL,
	    .service = "housing",
	    .snapshots = {second},
	    .snapshots_count = 1};
	struct err e = {0};
	char object[96], hex[ID_HEX_BYTES];

	must(hold_place(st, &h, &e), &e);
	must(forget(&first, &e), &e);
	(void)collected(COLLECT_UNDELETE_AGE_NS);
	must_be_clean();
	snprintf(object, sizeof(object), "holds/%s", id_hex(&h.id, hex));
	must_be_seen(object);
	{
		OWNED(condemn_list_fini) struct condemn_all all = {0};
		struct buf nobody = {0};

		must(condemn_list(&all, st, &nobody, &e), &e);
		ck_assert_uint_gt(all.count, 0);
		snprintf(object, sizeof(object), "condemned/%s",
		    id_hex(&all.all[0].name, hex));
	}
	must_be_seen(object);
	must_be_seen("condemned/clock");
	must_be_seen("condemned/ages");
	must_be_clean();
}
END_TEST

START_TEST(check_sees_that_what_is_held_is_gone)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_WRITE);
	struct id first = back_up(1, 3);
	struct hold h = {.why = HOLD_LEGAL,
	    .service = "housing",
	    .snapshots = {first},
	    .snapshots_count = 1};
	struct told t = {0};
	struct check_options opt = {.depth = CHECK_NAMES,
	    .on_damage = note,
	    .ctx = &t};
	struct check_tally tally;
	struct err e = {0};
	char path[200], hex[ID_HEX_BYTES];

	must(hold_place(st, &h, &e), &e);
	snprintf(path, sizeof(path), "%s/snapshots/housing/%s", r.path,
	    id_hex(&first, hex));
	ck_assert_int_eq(unlink(path), 0);
	must(store_check(st, &opt, &tally, &e), &e);
	ck_assert_uint_eq(t.count, 1);
	snprintf(path, sizeof(path), "holds/%s", id_hex(&h.id, hex));
	ck_assert_str_eq(t.first, path);
	/* It is a root: what it needs is in use, and missed when it goes. */
	ck_assert_uint_eq(tally.unreferenced_packs_count, 0);
}
END_TEST

START_TEST(a_bent_sentence_condemns_nothing)
{
	OWNED(buf_fini) struct buf b = {0};
	uint8_t sessions[2 * CONDEMN_SESSION_BYTES] = {1};
	struct condemn_view v = {CONDEMN_PACK, 5, sessions, 2}, again;
	uint8_t family[STORE_FAMILY_BYTES] = {7};
	struct err e = {0};

	must(condemn_encode(&b, &v, family, &e), &e);
	must(condemn_decode(&again, family, b.bytes, b.len_bytes, &e), &e);
	ck_assert_uint_eq(again.sessions_count, 2);
	for (size_t i = 0; i < b.len_bytes; i++) {
		b.bytes[i] ^= 32;
		ck_assert_int_ne(condemn_decode(&again, family, b.bytes,
				     b.len_bytes, &e),
		    ERR_NONE);
		b.bytes[i] ^= 32;
		ck_assert_int_ne(condemn_decode(&again, family, b.bytes, i, &e),
		    ERR_NONE);
	}
}
END_TEST

Suite *
suite_store_collect(void)
{
	Suite *s = suite_create("store/collect");
	TCase *tc = tcase_create("collect");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_no_snapshot_needs_is_condemned_then_goes);
	tcase_add_test(tc, nobody_else_at_work_and_no_age_frees_at_once);
	tcase_add_test(tc, a_dry_run_says_as_much_and_changes_nothing);
	tcase_add_test(tc, a_session_open_at_the_condemnation_is_waited_for);
	tcase_add_test(tc, a_later_session_revives_what_it_relies_on);
	tcase_add_test(tc, what_is_beyond_revival_is_stored_again);
	tcase_add_test(tc,
	    a_store_that_stays_open_looks_again_in_its_next_session);
	tcase_add_test(tc, what_a_mark_reaches_again_is_revived);
	tcase_add_test(tc, a_fenced_session_commits_nothing);
	tcase_add_test(tc, a_session_whose_file_somebody_removed_says_so);
	tcase_add_test(tc, one_collection_at_a_time);
	tcase_add_test(tc, what_a_session_builds_on_cannot_be_forgotten);
	tcase_add_test(tc,
	    what_a_session_builds_on_stays_also_when_it_cannot_be_read);
	tcase_add_test(tc, what_is_held_stays_until_it_is_released);
	tcase_add_test(tc, a_hold_is_a_root_of_its_own);
	tcase_add_test(tc, a_bent_hold_is_damage_and_nothing_goes);
	tcase_add_test(tc, nothing_is_collected_where_something_is_lost);
	tcase_add_test(tc, a_page_from_elsewhere_does_not_speak_for_ours);
	tcase_add_test(tc, what_nobody_committed_goes_too);
	tcase_add_test(tc, packs_that_are_partly_used_are_repacked);
	tcase_add_test(tc, a_pack_does_not_go_for_a_copy_that_cannot_be_read);
	tcase_add_test(tc, a_repacking_that_died_leaves_one_copy_in_the_end);
	tcase_add_test(tc, any_failing_call_loses_nothing_that_is_kept);
	tcase_add_test(tc,
	    what_another_collection_took_off_the_list_goes_when_that_is_durable);
	tcase_add_test(tc,
	    a_failing_forget_leaves_no_point_without_its_snapshot);
	tcase_add_test(tc, age_is_never_more_than_the_time_that_passed);
	tcase_add_test(tc, a_bent_clock_begins_again);
	tcase_add_test(tc, check_sees_bent_holds_and_sentences);
	tcase_add_test(tc, check_sees_that_what_is_held_is_gone);
	tcase_add_test(tc, a_bent_sentence_condemns_nothing);
	suite_add_tcase(s, tc);
	return s;
}
