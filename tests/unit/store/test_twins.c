#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "../lib/store/condemn.h"
#include "../lib/store/frame.h"
#include "../lib/store/index.h"
#include "../lib/store/pack.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_twins(void);

#define FILE_BYTES  1000
#define FILES_COUNT 12

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

static void
begin(struct repo_work *a, const struct keyring *k)
{
	struct store_options opt = {.access = STORE_WRITE,
	    .keyring = k,
	    .network_fs_allowed = true};
	struct err e = {0};

	must(store_open(&a->st, r.path, &opt, &e), &e);
	must(session_open(&a->se, a->st, &e), &e);
	must(writer_new(&a->w, a->se, NULL, &e), &e);
}

/* Files of the seeds 1 to FILES_COUNT, as a snapshot of that dataset. */
static struct id
save(struct repo_work *a, const char *dataset)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(snapshot_fini) struct snapshot s = {.service = "housing"};
	struct err e = {0};

	must(tree_writer_new(&tw, a->w, &e), &e);
	for (uint64_t i = 0; i < FILES_COUNT; i++) {
		OWNED(item_fini) struct item it = {0};
		char path[32];

		snprintf(path, sizeof(path), "f%04u", (unsigned)i);
		repo_file(&it, a->w, path, i + 1, FILE_BYTES);
		must(tree_writer_add(tw, &it, &e), &e);
	}
	must(tree_writer_root(tw, &s.root, &e), &e);
	snprintf(s.dataset, sizeof(s.dataset), "%s", dataset);
	s.started = s.ended = now_utc();
	s.host = strdup("brent-1");
	s.source = strdup("/srv");
	must(snapshot_commit(a->se, a->w, &s, &e), &e);
	return s.id;
}

static void
back_up(const struct keyring *k, const char *dataset)
{
	OWNED(repo_work_end) struct repo_work a = {0};

	begin(&a, k);
	(void)save(&a, dataset);
}

/* Neither sees what the other stores: everything is there twice. */
static void
back_up_at_once(const struct keyring *one, const struct keyring *other)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(repo_work_end) struct repo_work b = {0};

	begin(&a, one);
	begin(&b, other);
	(void)save(&a, "first");
	(void)save(&b, "second");
}

static struct collect_tally
collect(struct store *st, int64_t age_ns)
{
	struct collect_options opt = {.undelete_age_ns = age_ns};
	struct collect_tally t;
	struct err e = {0};

	must(collect_run(st, &opt, &t, &e), &e);
	return t;
}

static struct collect_tally
collected(int64_t age_ns)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_WRITE);

	return collect(st, age_ns);
}

static size_t
packs_of_data(struct store *st)
{
	size_t count = 0;

	for (uint32_t n = 0; n < index_packs_count(st); n++)
		count += !index_pack(st, n)->metadata;
	return count;
}

static size_t
packs_here(void)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);

	return packs_of_data(st);
}

/* Is all of it there for whoever holds this key? */
static void
must_be_whole(const struct keyring *k)
{
	struct store_options opt = {.access = STORE_READ,
	    .keyring = k,
	    .network_fs_allowed = true};
	struct check_options look = {.depth = CHECK_OPEN};
	OWNED(store_close) struct store *st = NULL;
	struct check_tally t = {0};
	struct err e = {0};

	must(store_open(&st, r.path, &opt, &e), &e);
	must(store_check(st, &look, &t, &e), &e);
	ck_assert_uint_eq(t.damage_count, 0);
	ck_assert_uint_eq(t.snapshots_count, 2);
}

START_TEST(of_two_packs_with_the_same_one_goes)
{
	struct collect_tally t;
	size_t once;

	back_up_at_once(r.operations, r.operations);
	once = packs_here() / 2;
	ck_assert_uint_eq(packs_here(), 2 * once);
	t = collected(COLLECT_UNDELETE_AGE_NS);
	ck_assert_uint_ge(t.condemned_bytes, FILES_COUNT * FILE_BYTES);
	ck_assert_uint_eq(packs_here(), 2 * once);
	must_be_whole(r.operations);
	back_up(r.operations, "second");
	/* What was condemned was of no use to that: it is not revived. */
	t = collected(0);
	ck_assert_uint_ge(t.freed_bytes, FILES_COUNT * FILE_BYTES);
	ck_assert_uint_eq(packs_here(), once);
	t = collected(0);
	ck_assert_uint_eq(t.condemned_count + t.freed_count, 0);
}
END_TEST

/* Three of each: neither goes twice, nor do all. */
START_TEST(of_several_one_stays)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct collect_tally t;
	size_t thrice;

	begin(&a, r.operations);
	back_up_at_once(r.operations, r.operations);
	(void)save(&a, "second");
	repo_work_end(&a);
	thrice = packs_here();
	t = collected(0);
	ck_assert_uint_gt(t.freed_count, 0);
	ck_assert_uint_eq(packs_here() * 3, thrice);
}
END_TEST

static void
bend(const struct index_pack *ip)
{
	OWNED(fdio_close) int fd = -1;
	char path[200], name[PACK_PATH_BYTES];
	uint8_t byte;

	snprintf(path, sizeof(path), "%s/packs/%s", r.path,
	    pack_path(&ip->name, name));
	ck_assert_int_eq(chmod(path, 0600), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, &byte, 1, 400), 1);
	byte ^= 1;
	ck_assert_int_eq(pwrite(fd, &byte, 1, 400), 1);
}

/* The packs of data that are, or are not, condemned. */
static void
bend_packs(bool condemned)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);

	for (uint32_t n = 0; n < index_packs_count(st); n++)
		if (!index_pack(st, n)->metadata &&
		    condemn_is(st, &index_pack(st, n)->name) == condemned)
			bend(index_pack(st, n));
}

START_TEST(a_damaged_twin_keeps_nobody_from_staying)
{
	size_t before;

	back_up_at_once(r.operations, r.operations);
	before = packs_here();
	bend_packs(false); /* all of them */
	(void)collected(0);
	ck_assert_uint_eq(packs_here(), before);
}
END_TEST

START_TEST(a_twin_that_went_bad_meanwhile_is_not_relied_on)
{
	struct collect_tally t;

	back_up_at_once(r.operations, r.operations);
	t = collected(COLLECT_UNDELETE_AGE_NS);
	ck_assert_uint_gt(t.condemned_count, 0);
	bend_packs(false); /* those that were to stay */
	t = collected(0);
	ck_assert_uint_gt(t.revived_count, 0);
	must_be_whole(r.operations); /* the bad ones went instead */
}
END_TEST

/* --- who can open it ------------------------------------------------------- */

/* Operations that know of one more; who that is. */
static void
enrol(struct keyring **with, struct keyring **late)
{
	OWNED(secret_fini) struct secret file = {0};
	struct err e = {0};

	must(keyring_new_member(late, r.operations, KEYRING_READ, &e), &e);
	must(keyring_save(r.operations, NULL, &file, &e), &e);
	must(keyring_load(with, &file, NULL, &e), &e);
	must(keyring_add_recipient(*with, keyring_own_public(*late), &e), &e);
}

START_TEST(the_twin_that_more_can_open_stays)
{
	OWNED(keyring_free) struct keyring *with = NULL;
	OWNED(keyring_free) struct keyring *late = NULL;
	struct collect_tally t;
	struct writer_tally wt;

	enrol(&with, &late);
	back_up(r.operations, "first");
	back_up(with, "second"); /* stored again, for late */
	t = collected(0);
	ck_assert_uint_ge(t.freed_bytes, FILES_COUNT * FILE_BYTES);
	must_be_whole(r.operations);
	{
		OWNED(repo_work_end) struct repo_work a = {0};

		begin(&a, with);
		(void)save(&a, "second");
		writer_tally(a.w, &wt);
	}
	ck_assert_uint_eq(wt.new_chunks_count, 0);
}
END_TEST

/* Does whoever holds this key read every file? */
static void
must_read(const struct keyring *k)
{
	struct store_options opt = {.access = STORE_READ,
	    .keyring = k,
	    .network_fs_allowed = true};
	OWNED(store_close) struct store *st = NULL;
	OWNED(repo_work_end) struct repo_work a = {0};
	struct err e = {0};

	must(store_open(&st, r.path, &opt, &e), &e);
	begin(&a, r.operations);
	for (uint64_t i = 1; i <= FILES_COUNT; i++) {
		struct id id = repo_put(a.w, i, FILE_BYTES);

		ck_assert(repo_has(st, &id, i, FILE_BYTES));
	}
}

/* Whichever is listed first. */
START_TEST(who_was_let_in_later_counts)
{
	OWNED(keyring_free) struct keyring *with = NULL;
	OWNED(keyring_free) struct keyring *late = NULL;
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(repo_work_end) struct repo_work b = {0};
	OWNED(repo_work_end) struct repo_work g = {0};
	struct grant_tally granted;
	struct collect_tally t;
	struct err e = {0};

	enrol(&with, &late);
	begin(&a, r.operations);
	begin(&b, r.operations);
	(void)save(&a, "first");
	begin(&g, with);
	must(grant_all(g.st, &granted, &e), &e);
	(void)save(&b, "second"); /* late is not let in there */
	repo_work_end(&a);
	repo_work_end(&b);
	repo_work_end(&g);
	must_read(late);
	{
		/* Without a key, too. */
		OWNED(store_close) struct store *st = NULL;
		struct store_options opt = {.access = STORE_WRITE,
		    .network_fs_allowed = true};

		must(store_open(&st, r.path, &opt, &e), &e);
		t = collect(st, 0);
	}
	ck_assert_uint_gt(t.freed_count, 0);
	must_read(late);
}
END_TEST

/* --- what came from elsewhere ----------------------------------------------- */

static void
send_packs(struct intake *in, struct store *from)
{
	struct err e = {0};

	for (uint32_t n = 0; n < index_packs_count(from); n++) {
		const struct index_pack *ip = index_pack(from, n);
		OWNED(buf_fini) struct buf bytes = {0};
		OWNED(fdio_close) int fd = -1;

		must(store_open_pack(from, &ip->name, &fd, &e), &e);
		must(fdio_read_all(fd, 1 << 20, &bytes, &e), &e);
		must(intake_pack_begin(in, &ip->name, bytes.len_bytes, &e), &e);
		must(intake_pack_add(in, bytes.bytes, bytes.len_bytes, &e), &e);
		must(intake_pack_end(in, &e), &e);
	}
	must(intake_flush(in, &e), &e);
}

static void
send_snapshots(struct intake *in, struct store *from)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct err e = {0};

	must(snapshot_list(&list, from, "housing", NULL, NULL, &e), &e);
	for (size_t i = 0; i < list.count; i++) {
		OWNED(buf_fini) struct buf bytes = {0};

		must(store_snapshot_bytes(from, "housing",
			 &list.snapshots[i].id, &bytes, &e),
		    &e);
		must(intake_snapshot(in, bytes.bytes, bytes.len_bytes, &e), &e);
	}
}

static struct store *
copy_of_it(void)
{
	OWNED(store_close) struct store *from = repo_open(&r, STORE_READ);
	struct store *st = repo_open_copy(&r, "copy");
	OWNED(intake_free) struct intake *in = NULL;
	struct err e = {0};

	must(intake_new(&in, st, &e), &e);
	send_packs(in, from);
	send_snapshots(in, from);
	return st;
}

/* Who could say which of them is what its footer claims? */
START_TEST(what_came_from_elsewhere_does_not_make_its_like_go)
{
	OWNED(store_close) struct store *copy = NULL;
	struct collect_tally t;

	back_up_at_once(r.operations, r.operations);
	copy = copy_of_it();
	t = collect(copy, 0);
	ck_assert_uint_eq(t.condemned_count + t.freed_count, 0);
}
END_TEST

/* A second pack of the very same frames, as a repacking that died leaves it. */
static void
repeat_packs(struct store *st)
{
	const size_t count = index_packs_count(st);
	OWNED(intake_free) struct intake *in = NULL;
	struct err e = {0};

	must(intake_new(&in, st, &e), &e);
	for (uint32_t n = 0; n < count; n++) {
		OWNED(pack_close) struct pack pk = {.fd = -1};
		OWNED(pack_footer_fini) struct pack_footer f = {0};
		OWNED(pack_writer_free) struct pack_writer *pw = NULL;
		OWNED(buf_fini) struct buf footer = {0};
		OWNED(buf_fini) struct buf bytes = {0};
		struct pack_done done = {.fd = -1};
		struct pack_key_row row;
		struct pack_key key;
		char path[PACK_PATH_BYTES];

		must(pack_open(&pk, st->packs_fd,
			 pack_path(&index_pack(st, n)->name, path), 0, &e),
		    &e);
		must(pack_footer_load(&f, &pk, &e), &e);
		ck_assert(pack_footer_key(&f, 0, &row));
		key = (struct pack_key){row.key_id, row.domain, row.stanzas,
		    row.stanzas_bytes};
		must(pack_writer_new(&pw, st, "again",
			 index_pack(st, n)->metadata, &e),
		    &e);
		for (uint32_t i = f.frames_count; i-- > 0;) {
			OWNED(buf_fini) struct buf frame = {0};
			struct frame_hash hash;
			struct pack_frame at;
			struct pack_piece piece;

			pack_footer_frame(&f, i, &at);
			must(pack_read_frame(&pk, &at, &frame, &hash, &e), &e);
			piece = (struct pack_piece){.bytes = frame.bytes,
			    .len_bytes = at.len_bytes,
			    .hash = &hash,
			    .ids = (const struct id *)(const void *)(f.ids +
				(size_t)at.first_chunk * ID_BYTES),
			    .ids_count = at.chunks_count,
			    .kind = at.kind,
			    .depth = at.depth};
			must(pack_writer_add(pw, &piece, &e), &e);
		}
		if (f.frames_count < 2)
			continue; /* it would be the same file */
		must(pack_writer_end(&pw, &key, &footer, &done, &e), &e);
		fdio_close(&done.fd);
		done.fd =
		    openat(st->tmp_fd, done.temporary, O_RDONLY | O_CLOEXEC);
		must(fdio_read_all(done.fd, 1 << 20, &bytes, &e), &e);
		fdio_close(&done.fd);
		ck_assert_int_eq(unlinkat(st->tmp_fd, done.temporary, 0), 0);
		must(intake_pack_begin(in, &done.name, bytes.len_bytes, &e),
		    &e);
		must(intake_pack_add(in, bytes.bytes, bytes.len_bytes, &e), &e);
		must(intake_pack_end(in, &e), &e);
	}
	must(intake_flush(in, &e), &e);
}

START_TEST(the_same_frames_from_elsewhere_are_needed_once)
{
	OWNED(store_close) struct store *copy = NULL;
	struct collect_tally t;
	size_t once;

	back_up(r.operations, "first");
	copy = copy_of_it();
	once = packs_of_data(copy);
	repeat_packs(copy);
	ck_assert_uint_gt(packs_of_data(copy), once);
	t = collect(copy, 0);
	ck_assert_uint_gt(t.freed_count, 0);
	ck_assert_uint_eq(packs_of_data(copy), once);
	copy->keyring = r.operations;
	for (uint64_t i = 1; i <= FILES_COUNT; i++) {
		OWNED(repo_work_end) struct repo_work a = {0};
		struct id id;

		begin(&a, r.operations);
		id = repo_put(a.w, i, FILE_BYTES);
		ck_assert(repo_has(copy, &id, i, FILE_BYTES));
	}
}
END_TEST

/* --- a page from elsewhere that lies ------------------------------------------- */

/* As from another site: a page of that name that names what nobody has. */
static void
push_lie(struct intake *in, struct store *copy, const struct id *page)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(frame_coder_free) struct frame_coder *coder = NULL;
	OWNED(pack_writer_free) struct pack_writer *pw = NULL;
	OWNED(buf_fini) struct buf frame = {0};
	OWNED(buf_fini) struct buf footer = {0};
	OWNED(buf_fini) struct buf bytes = {0};
	const struct id nobody = {{0xee, 1}};
	const uint8_t raw[12] = {1, 0, 0, 0, 4};
	struct pack_done done = {.fd = -1};
	struct frame_hash hash;
	struct pack_piece piece = {.ids = page,
	    .hash = &hash,
	    .ids_count = 1,
	    .kind = STORE_LEAF};
	struct pack_key key = {0};
	struct frame_plain p = {.kind = STORE_LEAF,
	    .refs = nobody.bytes,
	    .refs_count = 1,
	    .raw = raw,
	    .raw_bytes = sizeof(raw)};
	struct err e = {0};

	begin(&a, r.operations);
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
	must(pack_writer_new(&pw, copy, "pushed", true, &e), &e);
	must(pack_writer_add(pw, &piece, &e), &e);
	must(pack_writer_end(&pw, &key, &footer, &done, &e), &e);
	fdio_close(&done.fd);
	done.fd = openat(copy->tmp_fd, done.temporary, O_RDONLY | O_CLOEXEC);
	must(fdio_read_all(done.fd, 1 << 20, &bytes, &e), &e);
	fdio_close(&done.fd);
	ck_assert_int_eq(unlinkat(copy->tmp_fd, done.temporary, 0), 0);
	must(intake_pack_begin(in, &done.name, bytes.len_bytes, &e), &e);
	must(intake_pack_add(in, bytes.bytes, bytes.len_bytes, &e), &e);
	must(intake_pack_end(in, &e), &e);
	must(intake_flush(in, &e), &e);
}

static struct id
first_root(struct store *st)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct err e = {0};

	must(snapshot_list(&list, st, "housing", NULL, NULL, &e), &e);
	ck_assert_uint_ge(list.count, 1);
	return list.snapshots[0].root;
}

static struct store *
open_copy(enum store_access access)
{
	struct store_options opt = {.access = access,
	    .network_fs_allowed = true};
	struct store *st;
	struct err e = {0};
	char path[100];

	snprintf(path, sizeof(path), "%s/copy", r.dir);
	must(store_open(&st, path, &opt, &e), &e);
	return st;
}

/* The pack that the sentence names. */
static struct id
named_in(const struct err *e)
{
	const char *at = strstr(e->text, "--set-aside ");
	char hex[ID_HEX_BYTES];
	struct id id;

	ck_assert_ptr_nonnull(at);
	snprintf(hex, sizeof(hex), "%.64s", at + strlen("--set-aside "));
	ck_assert(id_parse(hex, &id));
	return id;
}

static enum err_code
set_aside(const struct id *pack, bool dry_run, struct heal_tally *t,
    struct err *e)
{
	OWNED(store_close)
	struct store *st = open_copy(dry_run ? STORE_READ : STORE_HEAL);
	struct heal_options opt = {.dry_run = dry_run, .aside = pack};

	return store_heal(st, &opt, t, e);
}

START_TEST(a_pack_whose_pages_lie_can_be_set_aside)
{
	struct collect_options opt = {.undelete_age_ns = 0};
	struct collect_tally t;
	struct heal_tally ht;
	struct err e = {0};
	struct id liar;

	back_up(r.operations, "first");
	{
		OWNED(store_close) struct store *copy = copy_of_it();
		OWNED(intake_free) struct intake *in = NULL;
		struct id root = first_root(copy);

		must(intake_new(&in, copy, &e), &e);
		push_lie(in, copy, &root);
		intake_free(&in);
		ck_assert_int_eq(collect_run(copy, &opt, &t, &e), ERR_CORRUPT);
	}
	liar = named_in(&e);
	must(set_aside(&liar, true, &ht, &e), &e);
	ck_assert_uint_eq(ht.found_count, 1);
	ck_assert_uint_eq(ht.lost_count + ht.healed_count, 0);
	{
		OWNED(store_close) struct store *copy = open_copy(STORE_WRITE);

		ck_assert_int_eq(collect_run(copy, &opt, &t, &e), ERR_CORRUPT);
	}
	must(set_aside(&liar, false, &ht, &e), &e);
	ck_assert_uint_eq(ht.healed_count, 1);
	ck_assert_uint_eq(ht.kept_count, 1);
	{
		OWNED(store_close) struct store *copy = open_copy(STORE_WRITE);

		must(collect_run(copy, &opt, &t, &e), &e);
		ck_assert_uint_eq(t.condemned_count + t.freed_count, 0);
	}
	ck_assert_int_eq(set_aside(&liar, false, &ht, &e), ERR_NOTFOUND);
}
END_TEST

START_TEST(what_would_be_missed_is_not_set_aside)
{
	struct heal_tally ht;
	struct err e = {0};
	size_t count;

	back_up(r.operations, "first");
	{
		OWNED(store_close) struct store *copy = copy_of_it();

		count = index_packs_count(copy);
	}
	for (uint32_t n = 0; n < count; n++) {
		OWNED(store_close) struct store *copy = open_copy(STORE_READ);
		struct id pack = index_pack(copy, n)->name;

		must(set_aside(&pack, true, &ht, &e), &e);
		ck_assert_uint_gt(ht.lost_count, 0);
		ck_assert_int_eq(set_aside(&pack, false, &ht, &e), ERR_REFUSED);
		ck_assert(store_has_pack(copy, &pack));
	}
}
END_TEST

Suite *
suite_store_twins(void)
{
	Suite *s = suite_create("store/twins");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, of_two_packs_with_the_same_one_goes);
	tcase_add_test(tc, of_several_one_stays);
	tcase_add_test(tc, a_damaged_twin_keeps_nobody_from_staying);
	tcase_add_test(tc, a_twin_that_went_bad_meanwhile_is_not_relied_on);
	tcase_add_test(tc, the_twin_that_more_can_open_stays);
	tcase_add_test(tc, who_was_let_in_later_counts);
	tcase_add_test(tc, what_came_from_elsewhere_does_not_make_its_like_go);
	tcase_add_test(tc, the_same_frames_from_elsewhere_are_needed_once);
	tcase_add_test(tc, a_pack_whose_pages_lie_can_be_set_aside);
	tcase_add_test(tc, what_would_be_missed_is_not_set_aside);
	suite_add_tcase(s, tc);
	return s;
}
