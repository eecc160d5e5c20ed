#include "../lib/store/index.h"

#include <sys/stat.h>

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "../lib/store/manifest.h"
#include "../lib/store/merge.h"
#include "../lib/store/pack.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_index(void);

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

/* One run that stores one chunk. */
static struct id
run(uint64_t seed)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(session_close) struct session *se = NULL;
	OWNED(writer_free) struct writer *w = NULL;
	struct err e = {0};
	struct id id;

	repo_begin(&r, &st, &se, &w);
	id = repo_put(w, seed, 500);
	must(writer_flush(w, &e), &e);
	return id;
}

#define PATH_ROOM 256

static void
pack_file(const struct id *name, char out[PATH_ROOM])
{
	char path[PACK_PATH_BYTES];

	snprintf(out, PATH_ROOM, "%.63s/packs/%s", r.path,
	    pack_path(name, path));
}

START_TEST(many_runs_leave_few_segments)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(manifest_fini) struct manifest m = {0};
	OWNED(repo_names_fini) struct repo_names n = {0};
	struct id ids[3 * MERGE_FANOUT];
	struct err e = {0};

	for (size_t i = 0; i < COUNT_OF(ids); i++)
		ids[i] = run(i);
	st = repo_open(&r, STORE_READ);
	must(manifest_read(&m, st, &e), &e);
	ck_assert_uint_lt(m.segments_count, MERGE_FANOUT);
	/* what was merged is gone; MANIFEST itself is the one more */
	must(repo_list(&n, st->index_fd, &e), &e);
	ck_assert_uint_eq(n.count, m.segments_count + 1);
	for (size_t i = 0; i < COUNT_OF(ids); i++)
		ck_assert(repo_has(st, &ids[i], i, 500));
	ck_assert_uint_eq(index_packs_count(st), COUNT_OF(ids));
}
END_TEST

START_TEST(two_writers_at_once_both_stay)
{
	OWNED(store_close) struct store *a = repo_open(&r, STORE_WRITE);
	OWNED(store_close) struct store *b = repo_open(&r, STORE_WRITE);
	OWNED(session_close) struct session *sa = NULL, *sb = NULL;
	OWNED(writer_free) struct writer *wa = NULL, *wb = NULL;
	struct err e = {0};
	struct id ia, ib;

	must(session_open(&sa, a, &e), &e);
	must(session_open(&sb, b, &e), &e);
	must(writer_new(&wa, sa, NULL, &e), &e);
	must(writer_new(&wb, sb, NULL, &e), &e);
	ia = repo_put(wa, 1, 700);
	ib = repo_put(wb, 2, 700);
	must(writer_flush(wa, &e), &e);
	must(writer_flush(wb, &e), &e);
	ck_assert(repo_has(b, &ia, 1, 700)); /* its flush looked again */
	ck_assert(!repo_has(a, &ib, 2, 700));
	must(store_refresh(a, &e), &e);
	ck_assert(repo_has(a, &ib, 2, 700));
	/* ... and what one stored, the other need not */
	ck_assert(writer_has(wa, &ib));
}
END_TEST

START_TEST(what_the_same_pack_holds_is_present_only_while_it_is_there)
{
	struct id id = run(1);
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	char path[PATH_ROOM];

	ck_assert(index_present(st, &id));
	ck_assert(store_has_pack(st, &index_pack(st, 0)->name));
	pack_file(&index_pack(st, 0)->name, path);
	ck_assert_int_eq(chmod(path, 0600), 0); /* for who is not root */
	ck_assert_int_eq(truncate(path, 40), 0);
	store_close(&st);
	st = repo_open(&r, STORE_READ);
	ck_assert(!index_present(st, &id));
	ck_assert(!store_has_pack(st, &index_pack(st, 0)->name));
}
END_TEST

START_TEST(a_writer_stores_again_what_lost_its_pack)
{
	struct id id = run(1), again;
	char path[PATH_ROOM];

	{
		OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);

		pack_file(&index_pack(st, 0)->name, path);
	}
	ck_assert_int_eq(unlink(path), 0);
	again = run(1);
	ck_assert(id_equal(&id, &again));
	{
		OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);

		ck_assert(repo_has(st, &id, 1, 500)); /* the second copy */
	}
}
END_TEST

START_TEST(a_writer_that_cannot_read_backs_up_and_the_reader_reads)
{
	struct store_options opt = {.access = STORE_WRITE,
	    .keyring = r.writer,
	    .network_fs_allowed = true};
	OWNED(store_close) struct store *st = NULL;
	OWNED(session_close) struct session *se = NULL;
	OWNED(writer_free) struct writer *w = NULL;
	OWNED(buf_fini) struct buf got = {0};
	struct writer_tally tally;
	struct err e = {0};
	struct id id;

	must(store_open(&st, r.path, &opt, &e), &e);
	must(session_open(&se, st, &e), &e);
	must(writer_new(&w, se, NULL, &e), &e);
	id = repo_put(w, 1, 500);
	must(writer_flush(w, &e), &e);
	(void)repo_put(w, 1, 500); /* it deduplicates all the same */
	writer_tally(w, &tally);
	ck_assert_uint_eq(tally.new_chunks_count, 1);
	ck_assert_int_eq(store_get(st, STORE_DATA, &id, &got, NULL, &e),
	    ERR_KEY);
	for (int escrow = 0; escrow < 2; escrow++) {
		writer_free(&w);
		session_close(&se);
		store_close(&st);
		opt = (struct store_options){.access = STORE_READ,
		    .keyring = escrow ? r.escrow : r.operations,
		    .network_fs_allowed = true};
		must(store_open(&st, r.path, &opt, &e), &e);
		ck_assert(repo_has(st, &id, 1, 500));
	}
}
END_TEST

START_TEST(a_fenced_session_commits_nothing)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(session_close) struct session *se = NULL;
	OWNED(writer_free) struct writer *w = NULL;
	struct err e = {0};
	struct id id;

	repo_begin(&r, &st, &se, &w);
	id = repo_put(w, 1, 500);
	ck_assert_int_eq(unlinkat(st->sessions_fd, se->name, 0), 0);
	ck_assert_int_eq(writer_flush(w, &e), ERR_BUSY);
	/* it stays refused, and nothing is there */
	ck_assert_int_eq(writer_flush(w, &e), ERR_BUSY);
	must(store_refresh(st, &e), &e);
	ck_assert(!index_present(st, &id));
}
END_TEST

/* An index that says of id that it is where another chunk lies. */
static void
lie(struct store *st, const struct id *id, uint32_t frame, uint16_t slot)
{
	OWNED(session_close) struct session *se = NULL;
	const struct index_pack *ip = index_pack(st, 0);
	struct segment_pack pk = {.name = ip->name,
	    .size_bytes = ip->size_bytes};
	struct segment_record rec = {.id = *id,
	    .frame = frame,
	    .slot = slot,
	    .kind = STORE_DATA};
	uint8_t bytes[SEGMENT_RECORD_BYTES];
	struct segment_parts p = {.packs = &pk,
	    .packs_count = 1,
	    .records = bytes,
	    .records_count = 1};
	struct err e = {0};

	segment_record_put(bytes, &rec);
	must(session_open(&se, st, &e), &e);
	must(index_commit(se, &p, &e), &e);
	must(store_refresh(st, &e), &e);
}

START_TEST(a_lying_index_is_disproved_and_other_copies_tried)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(buf_fini) struct buf got = {0};
	struct id id = run(1), none = {.bytes = {7}};
	struct err e = {0};
	char text[32];

	st = repo_open(&r, STORE_WRITE);
	lie(st, &none, 0, 0); /* there is a chunk, but it is another */
	ck_assert_int_eq(store_get(st, STORE_DATA, &none, &got, NULL, &e),
	    ERR_CORRUPT);
	ck_assert_uint_eq(got.len_bytes, 0);
	snprintf(text, sizeof(text), "pack %02x",
	    index_pack(st, 0)->name.bytes[0]);
	ck_assert_msg(strstr(e.text, text) != NULL, "%s", e.text);
	lie(st, &id, 0, 9); /* no such slot, no such frame */
	lie(st, &id, 77, 0);
	ck_assert(repo_has(st, &id, 1, 500));
}
END_TEST

struct committing {
	struct session *se;
	struct segment_parts *parts;
	struct err e;
};

static void *
commit_elsewhere(void *ctx)
{
	struct committing *c = ctx;

	c->e.code = index_commit(c->se, c->parts, &c->e);
	return NULL;
}

/* As by a writer that merged it, or a collection. */
START_TEST(a_segment_that_was_taken_away_before_the_lock_is_written_again)
{
	struct id id = run(1), name;
	OWNED(store_close) struct store *st = repo_open(&r, STORE_WRITE);
	OWNED(store_close) struct store *other = repo_open(&r, STORE_WRITE);
	OWNED(session_close) struct session *se = NULL;
	OWNED(buf_fini) struct buf b = {.max_bytes = 1 << 20};
	struct segment_pack pk = {.name = index_pack(st, 0)->name,
	    .size_bytes = index_pack(st, 0)->size_bytes};
	struct segment_record rec = {.id = {{7}}, .kind = STORE_DATA};
	uint8_t bytes[SEGMENT_RECORD_BYTES];
	struct segment_parts p = {.packs = &pk,
	    .packs_count = 1,
	    .records = bytes,
	    .records_count = 1};
	struct committing c = {.parts = &p};
	pthread_t thread;
	struct stat sb;
	struct err e = {0};
	char hex[ID_HEX_BYTES];

	segment_record_put(bytes, &rec);
	must(segment_encode(&p, st->family, &b, &e), &e);
	must(hash_sha256(b.bytes, b.len_bytes, &name, &e), &e);
	id_hex(&name, hex);
	must(session_open(&se, st, &e), &e);
	c.se = se;
	must(repo_lock(other, &e), &e);
	ck_assert_int_eq(pthread_create(&thread, NULL, commit_elsewhere, &c),
	    0);
	while (fstatat(other->index_fd, hex, &sb, 0) != 0)
		usleep(1000);
	ck_assert_int_eq(unlinkat(other->index_fd, hex, 0), 0);
	repo_unlock(other);
	pthread_join(thread, NULL);
	must(c.e.code, &c.e);
	must(store_refresh(other, &e), &e);
	ck_assert_ptr_null(index_damage(other));
	ck_assert(index_present(other, &rec.id));
	ck_assert(index_present(other, &id));
}
END_TEST

START_TEST(a_link_in_the_place_of_a_directory_is_refused)
{
	struct store_options opt = {.access = STORE_READ,
	    .network_fs_allowed = true};
	OWNED(store_close) struct store *st = NULL;
	char from[128], to[128];
	struct err e = {0};

	snprintf(from, sizeof(from), "%s/index", r.path);
	snprintf(to, sizeof(to), "%s/elsewhere", r.dir);
	ck_assert_int_eq(rename(from, to), 0);
	ck_assert_int_eq(symlink(to, from), 0);
	ck_assert_int_ne(store_open(&st, r.path, &opt, &e), ERR_NONE);
}
END_TEST

Suite *
suite_store_index(void)
{
	Suite *s = suite_create("store/index");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, many_runs_leave_few_segments);
	tcase_add_test(tc, two_writers_at_once_both_stay);
	tcase_add_test(tc,
	    what_the_same_pack_holds_is_present_only_while_it_is_there);
	tcase_add_test(tc, a_writer_stores_again_what_lost_its_pack);
	tcase_add_test(tc,
	    a_writer_that_cannot_read_backs_up_and_the_reader_reads);
	tcase_add_test(tc, a_fenced_session_commits_nothing);
	tcase_add_test(tc, a_lying_index_is_disproved_and_other_copies_tried);
	tcase_add_test(tc,
	    a_segment_that_was_taken_away_before_the_lock_is_written_again);
	tcase_add_test(tc, a_link_in_the_place_of_a_directory_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
