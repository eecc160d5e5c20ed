#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/store.h>

#include "../lib/store/parts.h"
#include "support/items.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_snapshot(void);

static struct repo r;
static struct store *st;
static struct session *se;
static struct writer *w;

static void
setup(void)
{
	repo_make(&r);
	repo_begin(&r, &st, &se, &w);
}

static void
teardown(void)
{
	repo_end(&st, &se, &w);
	repo_remove(&r);
}

/* A tree of `count` files of one chunk each. */
static struct id
plant(size_t count, uint64_t seed)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct err e = {0};
	struct id root;
	char path[32];

	must(tree_writer_new(&tw, w, &e), &e);
	for (size_t i = 0; i < count; i++) {
		OWNED(item_fini) struct item it = {0};

		snprintf(path, sizeof path, "f%04zu", i);
		repo_file(&it, w, path, seed + i, 300 + i);
		must(tree_writer_add(tw, &it, &e), &e);
	}
	must(tree_writer_root(tw, &root, &e), &e);
	return root;
}

static void
fill(struct snapshot *s, const char *service, const char *dataset,
    const struct id *root)
{
	memset(s, 0, sizeof *s);
	snprintf(s->service, sizeof s->service, "%s", service);
	snprintf(s->dataset, sizeof s->dataset, "%s", dataset);
	s->root = *root;
	s->started.ns = now_utc().ns - NS_PER_S;
	s->ended = now_utc();
	s->host = strdup("brent-1");
	s->source = strdup("/srv/housing");
	s->tags[0] = strdup("nightly");
	s->tags_count = 1;
	s->files_count = 3;
	s->bytes = 12345;
	s->problems = calloc(1, sizeof *s->problems);
	s->problems[0].path = strdup("srv/x");
	s->problems[0].reason = strdup("permission denied");
	s->problems_count = 1;
	s->problems_total_count = 7;
}

static struct id
commit(const char *service, const char *dataset, const struct id *root)
{
	OWNED(snapshot_fini) struct snapshot s;
	struct err e = {0};

	fill(&s, service, dataset, root);
	must(snapshot_commit(se, w, &s, &e), &e);
	return s.id;
}

START_TEST(what_was_committed_is_listed_with_its_details)
{
	OWNED(snapshot_fini) struct snapshot s, again;
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct err e = {0};
	struct id root = plant(5, 1);
	const struct snapshot *got;

	fill(&s, "housing", "/srv/housing", &root);
	must(snapshot_commit(se, w, &s, &e), &e);
	fill(&again, "housing", "/srv/housing", &root);
	must(snapshot_commit(se, w, &again, &e), &e);
	ck_assert_uint_eq(s.sequence, 1);
	ck_assert(id_is_none(&s.predecessor));
	ck_assert_uint_eq(again.sequence, 2);
	ck_assert(id_equal(&again.predecessor, &s.id));
	must(snapshot_list(&list, st, NULL, NULL, NULL, &e), &e);
	ck_assert_uint_eq(list.count, 2);
	got = &list.snapshots[0];
	ck_assert(id_equal(&got->id, &s.id));
	ck_assert(id_equal(&got->root, &root));
	ck_assert_str_eq(got->service, "housing");
	ck_assert_str_eq(got->dataset, "/srv/housing");
	ck_assert(got->details_known);
	ck_assert_str_eq(got->host, "brent-1");
	ck_assert_str_eq(got->tags[0], "nightly");
	ck_assert_uint_eq(got->bytes, 12345);
	ck_assert_str_eq(got->problems[0].reason, "permission denied");
	ck_assert_uint_eq(got->problems_total_count, 7);
	ck_assert_int_eq(got->ended.ns, s.ended.ns);
}
END_TEST

START_TEST(without_a_key_a_snapshot_shows_its_clear_part)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	OWNED(store_close) struct store *keyless = NULL;
	struct store_options opt = {.access = STORE_READ,
	    .network_fs_allowed = true};
	struct id root = plant(5, 1);
	struct err e = {0};

	(void)commit("housing", "db", &root);
	must(store_open(&keyless, r.path, &opt, &e), &e);
	must(snapshot_list(&list, keyless, "housing", NULL, NULL, &e), &e);
	ck_assert_uint_eq(list.count, 1);
	ck_assert(!list.snapshots[0].details_known);
	ck_assert_ptr_null(list.snapshots[0].host);
	ck_assert_uint_eq(list.snapshots[0].sequence, 1);
}
END_TEST

START_TEST(a_root_that_is_not_whole_is_not_committed)
{
	OWNED(snapshot_fini) struct snapshot s;
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(item_fini) struct item it = {0};
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct err e = {0};
	struct id root = {{1, 2, 3}};

	fill(&s, "housing", "db", &root);
	ck_assert(snapshot_commit(se, w, &s, &e) == ERR_CORRUPT);
	/* A page that names a chunk nobody put. */
	must(tree_writer_new(&tw, w, &e), &e);
	must(entry_set_path(&it.entry, "f", 1, &e), &e);
	it.entry.type = ENTRY_FILE;
	it.entry.size_bytes = it.content.size_bytes = 300;
	it.content.pieces = calloc(1, sizeof *it.content.pieces);
	it.content.pieces_count = 1;
	it.content.pieces[0].len_bytes = 300;
	it.content.pieces[0].id.bytes[0] = 7;
	must(tree_writer_add(tw, &it, &e), &e);
	must(tree_writer_root(tw, &s.root, &e), &e);
	ck_assert(snapshot_commit(se, w, &s, &e) == ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(e.text, "is missing"));
	must(snapshot_list(&list, st, NULL, NULL, NULL, &e), &e);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(names_that_are_none_are_not_committed)
{
	OWNED(snapshot_fini) struct snapshot s;
	struct err e = {0};
	struct id root = plant(2, 1);

	fill(&s, "Housing", "db", &root);
	ck_assert(snapshot_commit(se, w, &s, &e) == ERR_INPUT);
	snprintf(s.service, sizeof s.service, "../x");
	ck_assert(snapshot_commit(se, w, &s, &e) == ERR_INPUT);
	snprintf(s.service, sizeof s.service, "housing");
	snprintf(s.dataset, sizeof s.dataset, "a\nb");
	ck_assert(snapshot_commit(se, w, &s, &e) == ERR_INPUT);
	s.dataset[0] = '\0';
	ck_assert(snapshot_commit(se, w, &s, &e) == ERR_INPUT);
}
END_TEST

/* Does name find the snapshot `want`, and the subtree? */
static void
finds(const char *name, const struct id *want, const char *subtree)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *sub = NULL;
	struct err e = {0};

	ck_assert_msg(snapshot_find(&s, &sub, st, name, &e) == ERR_NONE,
	    "%s: %s", name, e.text);
	ck_assert_msg(id_equal(&s.id, want), "%s", name);
	ck_assert_str_eq(sub, subtree);
}

static void
fails(const char *name, enum err_code code)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *sub = NULL;
	struct err e = {0};

	ck_assert_msg(snapshot_find(&s, &sub, st, name, &e) == code, "%s: %s",
	    name, e.text);
}

START_TEST(snapshots_are_found_as_people_write_them)
{
	struct id root = plant(3, 1), root2 = plant(3, 9), a, b, c;
	char hex[ID_HEX_BYTES], name[ID_HEX_BYTES + 32];

	fails("latest", ERR_NOTFOUND);
	a = commit("housing", "db", &root);
	b = commit("housing", "/srv/a:/b", &root2);
	c = commit("local", "/srv", &root);
	(void)id_hex(&a, hex);
	finds(hex, &a, "");
	snprintf(name, sizeof name, "%.12s:/srv/x/", hex);
	finds(name, &a, "srv/x");
	snprintf(name, sizeof name, "%.8s", hex);
	finds(name, &a, "");
	finds("latest", &c, "");
	finds("latest:/srv", &c, "srv");
	finds("latest:housing", &b, "");
	finds("latest:housing/db", &a, "");
	finds("latest:housing/db:/x", &a, "x");
	finds("latest:housing//srv/a:/b", &b, "");
	finds("latest:housing//srv/a:/b:/c/d", &b, "c/d");
	finds("latest:local//srv:/srv/x", &c, "srv/x");
	finds("latest:local:/", &c, "");
	fails("latest:finance", ERR_NOTFOUND);
	fails("latest:housing/none", ERR_NOTFOUND);
	fails("0000", ERR_NOTFOUND);
	fails("", ERR_INPUT);
	fails("abc", ERR_INPUT);
	fails("latest:", ERR_INPUT);
	fails("latest:/a/../b", ERR_INPUT);
	snprintf(name, sizeof name, "%.12s:x", hex);
	fails(name, ERR_INPUT);
}
END_TEST

START_TEST(a_checkpoint_is_never_the_latest)
{
	OWNED(snapshot_fini) struct snapshot s;
	struct err e = {0};
	struct id root = plant(3, 1), whole;

	fill(&s, "housing", "db", &root);
	s.flags = SNAPSHOT_CHECKPOINT;
	must(snapshot_commit(se, w, &s, &e), &e);
	fails("latest", ERR_NOTFOUND);
	whole = commit("housing", "db", &root);
	finds("latest", &whole, "");
	snapshot_fini(&s);
	fill(&s, "housing", "db", &root);
	s.flags = SNAPSHOT_CHECKPOINT;
	must(snapshot_commit(se, w, &s, &e), &e);
	finds("latest", &whole, "");
	ck_assert_uint_eq(s.sequence, 3);
}
END_TEST

static struct id
commit_checkpoint(const char *dataset, const struct id *root)
{
	OWNED(snapshot_fini) struct snapshot s;
	struct err e = {0};

	fill(&s, "housing", dataset, root);
	s.flags = SNAPSHOT_CHECKPOINT;
	must(snapshot_commit(se, w, &s, &e), &e);
	return s.id;
}

static bool
is_there(const struct id *id)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};

	return store_snapshot_bytes(st, "housing", id, &b, &e) == ERR_NONE;
}

START_TEST(a_checkpoint_is_nobodys_predecessor)
{
	OWNED(snapshot_fini) struct snapshot s;
	struct err e = {0};
	struct id root = plant(3, 1), first;

	(void)commit_checkpoint("db", &root);
	first = commit("housing", "db", &root);
	(void)commit_checkpoint("db", &root);
	fill(&s, "housing", "db", &root);
	must(snapshot_commit(se, w, &s, &e), &e);
	ck_assert(id_equal(&s.predecessor, &first));
	ck_assert_uint_eq(s.sequence, 4);
}
END_TEST

/* Lost by a bad disk, or forgotten: a copy elsewhere may have it. */
START_TEST(the_number_of_a_lost_snapshot_is_not_given_again)
{
	OWNED(snapshot_fini) struct snapshot s;
	OWNED(fdio_close) int dir = -1;
	struct err e = {0};
	struct id root = plant(3, 1), lost;
	char hex[ID_HEX_BYTES];

	(void)commit("housing", "db", &root);
	lost = commit("housing", "db", &root);
	must(repo_open_dir(&dir, st->snapshots_fd, "housing", &e), &e);
	ck_assert_int_eq(unlinkat(dir, id_hex(&lost, hex), 0), 0);
	must(ages_sync(st, &e), &e);
	fill(&s, "housing", "db", &root);
	must(snapshot_commit(se, w, &s, &e), &e);
	ck_assert_uint_eq(s.sequence, 3);
	snapshot_fini(&s);
	fill(&s, "housing", "other", &root); /* its own numbers */
	must(snapshot_commit(se, w, &s, &e), &e);
	ck_assert_uint_eq(s.sequence, 1);
}
END_TEST

START_TEST(checkpoints_are_swept_but_for_those_kept)
{
	struct err e = {0};
	struct id root = plant(3, 1), a, b, other, whole;

	a = commit_checkpoint("db", &root);
	b = commit_checkpoint("db", &root);
	other = commit_checkpoint("files", &root);
	whole = commit("housing", "db", &root);
	must(checkpoint_sweep(se, "housing", "db", &b, 1, &e), &e);
	ck_assert(!is_there(&a));
	ck_assert(is_there(&b) && is_there(&other) && is_there(&whole));
	must(checkpoint_sweep(se, "housing", "db", NULL, 0, &e), &e);
	ck_assert(!is_there(&b));
	ck_assert(is_there(&other) && is_there(&whole));
	must(checkpoint_sweep(se, "nothing", "db", NULL, 0, &e), &e);
}
END_TEST

START_TEST(a_checkpoint_that_is_built_on_or_held_is_not_swept)
{
	OWNED(store_close) struct store *st2 = NULL;
	OWNED(session_close) struct session *se2 = NULL;
	OWNED(writer_free) struct writer *w2 = NULL;
	struct hold h = {.why = HOLD_LEGAL,
	    .service = "housing",
	    .snapshots_count = 1};
	struct err e = {0};
	struct id root = plant(3, 1), pinned, own, held;

	pinned = commit_checkpoint("db", &root);
	own = commit_checkpoint("db", &root);
	held = commit_checkpoint("db", &root);
	repo_begin(&r, &st2, &se2, &w2);
	must(session_pin(se2, "housing", &pinned, &e), &e);
	must(session_pin(se, "housing", &own, &e), &e);
	h.snapshots[0] = held;
	must(hold_place(st, &h, &e), &e);
	must(checkpoint_sweep(se, "housing", "db", NULL, 0, &e), &e);
	ck_assert(is_there(&pinned) && is_there(&held));
	ck_assert(!is_there(&own)); /* what we ourselves do not need any more */
	must(hold_release(st, &h.id, &e), &e);
	repo_end(&st2, &se2, &w2);
	must(checkpoint_sweep(se, "housing", "db", NULL, 0, &e), &e);
	ck_assert(!is_there(&pinned) && !is_there(&held));
}
END_TEST

START_TEST(a_point_takes_no_checkpoint)
{
	struct point p = {.service = "housing", .snapshots_count = 1};
	struct err e = {0};
	struct id root = plant(3, 1);

	p.snapshots[0] = commit_checkpoint("db", &root);
	ck_assert(point_commit(se, &p, &e) == ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(e.text, "checkpoint"));
}
END_TEST

START_TEST(the_clock_does_not_decide_what_is_latest_in_a_series)
{
	OWNED(snapshot_fini) struct snapshot s;
	struct err e = {0};
	struct id root = plant(3, 1), newest, other;

	fill(&s, "housing", "db", &root);
	s.ended.ns += 3600 * NS_PER_S * 24 * 365; /* a clock gone wild */
	must(snapshot_commit(se, w, &s, &e), &e);
	other = commit("local", "x", &root);
	finds("latest", &other, "");
	newest = commit("housing", "db", &root);
	finds("latest:housing", &newest, "");
	finds("latest", &newest, "");
}
END_TEST

/* Its file: what is in it is overwritten, or with NULL it goes. */
static void
harm(const struct id *id, const char *with)
{
	OWNED(fdio_close) int dir = -1;
	char hex[ID_HEX_BYTES];
	struct err e = {0};

	must(repo_open_dir(&dir, st->snapshots_fd, "housing", &e), &e);
	ck_assert_int_eq(unlinkat(dir, id_hex(id, hex), 0), 0);
	if (with != NULL) {
		OWNED(fdio_close)
		int fd = openat(dir, hex, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		must(fdio_write(fd, with, strlen(with), &e), &e);
	}
}

START_TEST(nothing_older_is_called_the_latest_when_a_newer_one_is_damaged)
{
	struct id root = plant(3, 1), db[3], other;

	other = commit("local", "x", &root);
	for (int i = 0; i < 3; i++)
		db[i] = commit("housing", "db", &root);
	harm(&db[0], "x");
	finds("latest:housing/db", &db[2], ""); /* its number is the last */
	finds("latest:local", &other, "");
	fails("latest", ERR_CORRUPT); /* that one's dataset is not known */
	harm(&db[2], "x");
	fails("latest:housing/db", ERR_CORRUPT);
	fails("latest:housing/db:/x", ERR_CORRUPT);
	fails("latest:housing", ERR_CORRUPT);
	finds("latest:local/x", &other, "");
	harm(&db[0], NULL);
	fails("latest:housing/db", ERR_CORRUPT);
	harm(&db[2], NULL); /* as heal does, and as one that is forgotten */
	finds("latest:housing/db", &db[1], "");
	finds("latest", &db[1], "");
}
END_TEST

static int damages;
static char damaged[512];

static void
on_damage(void *ctx, const char *object, const char *what)
{
	(void)ctx;
	snprintf(damaged, sizeof damaged, "%.200s: %.200s", object, what);
	damages++;
}

START_TEST(a_flipped_bit_is_reported_by_name_and_left_out)
{
	char path[256], hex[ID_HEX_BYTES];
	struct id root = plant(3, 1), id = commit("housing", "db", &root);
	OWNED(buf_fini) struct buf bytes = {0};
	struct err e = {0};
	int fd;

	must(store_snapshot_bytes(st, "housing", &id, &bytes, &e), &e);
	snprintf(path, sizeof path, "%s/snapshots/housing/%s", r.path,
	    id_hex(&id, hex));
	ck_assert_int_eq(chmod(path, 0600), 0);
	for (size_t at = 0; at < bytes.len_bytes; at += 37) {
		OWNED(snapshot_list_fini) struct snapshot_list list = {0};
		uint8_t byte = bytes.bytes[at] ^ 0x10;

		fd = open(path, O_WRONLY | O_CLOEXEC);
		ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
		damages = 0;
		must(snapshot_list(&list, st, NULL, on_damage, NULL, &e), &e);
		ck_assert_uint_eq(list.count, 0);
		ck_assert_int_eq(damages, 1);
		ck_assert_ptr_nonnull(strstr(damaged, hex));
		ck_assert_int_eq(pwrite(fd, &bytes.bytes[at], 1, (off_t)at), 1);
		close(fd);
	}
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	close(fd);
	ck_assert(store_snapshot_bytes(st, "housing", &id, &bytes, &e) ==
	    ERR_CORRUPT);
}
END_TEST

START_TEST(a_point_names_snapshots_that_are_there)
{
	OWNED(point_list_fini) struct point_list list = {0};
	struct id root = plant(3, 1);
	struct point p = {.service = "housing", .snapshots_count = 2};
	struct err e = {0};

	p.snapshots[0] = commit("housing", "db", &root);
	p.snapshots[1] = root; /* not a snapshot */
	p.taken = now_utc();
	ck_assert(point_commit(se, &p, &e) == ERR_NOTFOUND);
	p.snapshots[1] = p.snapshots[0];
	ck_assert(point_commit(se, &p, &e) == ERR_INPUT);
	p.snapshots[1] = commit("housing", "files", &root);
	must(point_commit(se, &p, &e), &e);
	ck_assert_uint_eq(p.sequence, 1);
	must(point_commit(se, &p, &e), &e);
	ck_assert_uint_eq(p.sequence, 2);
	must(point_list(&list, st, "housing", NULL, NULL, &e), &e);
	ck_assert_uint_eq(list.count, 2);
	ck_assert(id_equal(&list.points[1].id, &p.id));
	ck_assert_uint_eq(list.points[1].snapshots_count, 2);
	ck_assert_int_eq(list.points[1].taken.ns, p.taken.ns);
}
END_TEST

START_TEST(a_flipped_bit_in_a_point_is_reported_by_name)
{
	struct id root = plant(3, 1);
	struct point p = {.service = "housing", .snapshots_count = 1};
	OWNED(buf_fini) struct buf bytes = {0};
	char path[256], hex[ID_HEX_BYTES];
	struct err e = {0};
	int fd;

	p.snapshots[0] = commit("housing", "db", &root);
	must(point_commit(se, &p, &e), &e);
	must(store_point_bytes(st, "housing", &p.id, &bytes, &e), &e);
	snprintf(path, sizeof path, "%s/points/housing/%s", r.path,
	    id_hex(&p.id, hex));
	ck_assert_int_eq(chmod(path, 0600), 0);
	for (size_t at = 0; at < bytes.len_bytes; at += 7) {
		OWNED(point_list_fini) struct point_list list = {0};
		uint8_t byte = bytes.bytes[at] ^ 1;

		fd = open(path, O_WRONLY | O_CLOEXEC);
		ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
		damages = 0;
		must(point_list(&list, st, NULL, on_damage, NULL, &e), &e);
		ck_assert_uint_eq(list.count, 0);
		ck_assert_int_eq(damages, 1);
		ck_assert_ptr_nonnull(strstr(damaged, hex));
		ck_assert_int_eq(pwrite(fd, &bytes.bytes[at], 1, (off_t)at), 1);
		close(fd);
	}
}
END_TEST

START_TEST(the_packs_a_snapshot_needs_are_found_without_a_key)
{
	OWNED(store_close) struct store *keyless = NULL;
	OWNED(pack_list_fini) struct pack_list one = {0}, both = {0};
	struct store_options opt = {.access = STORE_READ,
	    .network_fs_allowed = true};
	struct id root = plant(60, 1), ids[2];
	struct err e = {0};
	bool metadata = false;

	ids[0] = commit("housing", "db", &root);
	root = plant(60, 1000);
	ids[1] = commit("housing", "files", &root);
	must(store_open(&keyless, r.path, &opt, &e), &e);
	must(store_needed_packs(&one, keyless, ids, 1, &e), &e);
	must(store_needed_packs(&both, keyless, ids, 2, &e), &e);
	ck_assert_uint_ge(one.count, 2); /* data and pages */
	ck_assert_uint_gt(both.count, one.count);
	for (size_t i = 0; i < both.count; i++) {
		ck_assert(store_has_pack(keyless, &both.packs[i].name));
		ck_assert(metadata <= both.packs[i].metadata);
		metadata = both.packs[i].metadata;
	}
	ids[1] = root;
	pack_list_fini(&both);
	ck_assert(
	    store_needed_packs(&both, keyless, ids, 2, &e) == ERR_NOTFOUND);
}
END_TEST

/* A backup that ends while who sends is still connecting. */
START_TEST(a_snapshot_may_be_newer_than_the_index_that_was_loaded)
{
	OWNED(store_close) struct store *keyless = NULL;
	OWNED(pack_list_fini) struct pack_list packs = {0};
	struct store_options opt = {.access = STORE_READ,
	    .network_fs_allowed = true};
	struct id root, id;
	struct err e = {0};

	must(store_open(&keyless, r.path, &opt, &e), &e);
	root = plant(60, 1);
	id = commit("housing", "db", &root);
	must(store_needed_packs(&packs, keyless, &id, 1, &e), &e);
	ck_assert_uint_ge(packs.count, 2);
}
END_TEST

Suite *
suite_store_snapshot(void)
{
	Suite *s = suite_create("store/snapshot");
	TCase *tc = tcase_create("snapshot");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, what_was_committed_is_listed_with_its_details);
	tcase_add_test(tc, without_a_key_a_snapshot_shows_its_clear_part);
	tcase_add_test(tc, a_root_that_is_not_whole_is_not_committed);
	tcase_add_test(tc, names_that_are_none_are_not_committed);
	tcase_add_test(tc, snapshots_are_found_as_people_write_them);
	tcase_add_test(tc, a_checkpoint_is_never_the_latest);
	tcase_add_test(tc,
	    the_clock_does_not_decide_what_is_latest_in_a_series);
	tcase_add_test(tc,
	    nothing_older_is_called_the_latest_when_a_newer_one_is_damaged);
	tcase_add_test(tc, a_flipped_bit_is_reported_by_name_and_left_out);
	tcase_add_test(tc, a_checkpoint_is_nobodys_predecessor);
	tcase_add_test(tc, the_number_of_a_lost_snapshot_is_not_given_again);
	tcase_add_test(tc, checkpoints_are_swept_but_for_those_kept);
	tcase_add_test(tc, a_checkpoint_that_is_built_on_or_held_is_not_swept);
	tcase_add_test(tc, a_point_takes_no_checkpoint);
	tcase_add_test(tc, a_point_names_snapshots_that_are_there);
	tcase_add_test(tc, a_flipped_bit_in_a_point_is_reported_by_name);
	tcase_add_test(tc, the_packs_a_snapshot_needs_are_found_without_a_key);
	tcase_add_test(tc,
	    a_snapshot_may_be_newer_than_the_index_that_was_loaded);
	suite_add_tcase(s, tc);
	return s;
}
