#include "../../../lib/replicate/push.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "support/farserve.h"
#include "support/must.h"
#include "support/repo.h"

/*
 * What a cut costs, what a collection at home costs, and several connections:
 * a repository with packs of many blocks, and real receivers.
 */

Suite *suite_replicate_resume(void);

#define FILE_BYTES 60000

static struct repo near;
static char copy[64];
static struct err e;
static struct replicate_tally tally;
static unsigned problems_count;

static void
setup(void)
{
	static const struct store_geometry large = {.chunk_min_bytes = 4096,
	    .chunk_mean_bytes = 16384,
	    .chunk_max_bytes = 65536,
	    .pack_target_bytes = 1 << 20,
	    .frame_target_bytes = 1 << 16};

	repo_make(&near);
	snprintf(near.path, sizeof(near.path), "%.40s/large", near.dir);
	must(store_create(near.path, keyring_family(near.operations), &large,
		 &e),
	    &e);
	snprintf(copy, sizeof(copy), "%.40s/copy", near.dir);
	problems_count = 0;
}

static void
teardown(void)
{
	repo_remove(&near);
}

static struct id
backup_every(uint64_t from, uint64_t to, uint64_t step)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(snapshot_fini) struct snapshot s = {0};

	repo_begin(&near, &a.st, &a.se, &a.w);
	must(tree_writer_new(&tw, a.w, &e), &e);
	for (uint64_t i = from; i < to; i += step) {
		OWNED(item_fini) struct item it = {0};
		char path[32];

		snprintf(path, sizeof(path), "f%04u", (unsigned)i);
		repo_file(&it, a.w, path, i, FILE_BYTES);
		must(tree_writer_add(tw, &it, &e), &e);
	}
	must(tree_writer_root(tw, &s.root, &e), &e);
	snprintf(s.service, sizeof(s.service), "housing");
	snprintf(s.dataset, sizeof(s.dataset), "files");
	s.started = s.ended = now_utc();
	s.host = strdup("brent-1");
	s.source = strdup("/srv");
	must(snapshot_commit(a.se, a.w, &s, &e), &e);
	return s.id;
}

/* A snapshot of the files from..to. */
static struct id
backup(uint64_t from, uint64_t to)
{
	return backup_every(from, to, 1);
}

static void
on_problem(void *ctx, const char *object, const struct err *why)
{
	(void)ctx, (void)object, (void)why;
	problems_count++;
}

static enum err_code
push_to(struct far *far)
{
	OWNED(store_close) struct store *st = repo_open(&near, STORE_READ);
	struct replicate_options opt = {.on_problem = on_problem};
	struct transport t = far_transport(far);

	return replicate_push(st, &t, &opt, &tally, &e);
}

static void
push(void)
{
	struct far far;

	far_start(&far, copy, 0, 0);
	must(push_to(&far), &e);
	ck_assert_int_eq(far_end(&far), ERR_NONE);
}

/* The parts that are there; path: of one of them. */
static size_t
parts_count(char path[400])
{
	char folder[100];
	struct dirent *d;
	size_t n = 0;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%s/incoming", copy);
	dir = opendir(folder);
	while (dir != NULL && (d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.') {
			snprintf(path, 400, "%s/%s", folder, d->d_name);
			n++;
		}
	if (dir != NULL)
		closedir(dir);
	return n;
}

/* --- cuts ---------------------------------------------------------------------------- */

/*
 * R3.  Of a receiver that was killed also what lay in the socket is lost; of
 * one that saw the link end, the message that had not come whole.
 */
START_TEST(a_cut_costs_what_was_under_way_and_no_more)
{
	uint64_t under_way = (_i == 0 ? 576U : 320U) << 10;
	uint64_t sent_bytes = 0, all_bytes, cuts_count = 0, chance = 12345;
	char path[400];

	backup(0, 160);
	push();
	all_bytes = tally.pack_bytes;
	ck_assert_uint_gt(all_bytes, 9 << 20);
	snprintf(copy, sizeof(copy), "%.40s/copy2", near.dir);
	for (;;) {
		struct far far;
		enum err_code rc;

		far_start(&far, copy, 0, 0);
		chance = chance * 6364136223846793005U + 1442695040888963407U;
		far.cut_after_bytes = 1 + (chance >> 33) % (all_bytes / 6);
		far.by_hanging_up = _i == 1;
		rc = push_to(&far);
		far_end(&far);
		sent_bytes += tally.pack_sent_bytes;
		if (rc == ERR_NONE)
			break;
		cuts_count++;
		ck_assert_uint_lt(cuts_count, 1000);
		if (access(copy, F_OK) == 0 && cuts_count % 4 == 0)
			repo_check_copy(&near, copy, SIZE_MAX, SIZE_MAX);
	}
	ck_assert_uint_gt(cuts_count, 5);
	ck_assert_uint_le(sent_bytes, all_bytes + cuts_count * under_way);
	ck_assert_uint_eq(tally.refused_count, 0);
	ck_assert_uint_eq(tally.again_bytes, 0);
	ck_assert_uint_eq(parts_count(path), 0);
	repo_check_copy(&near, copy, 1, SIZE_MAX);
}
END_TEST

/* Parts of which nobody knows any more what is in them. */
START_TEST(torn_parts_are_found_and_sent_again_once)
{
	char command[300], path[400];
	uint64_t all_bytes;
	struct far far;

	backup(0, 20);
	push();
	all_bytes = tally.pack_bytes;
	snprintf(copy, sizeof(copy), "%.40s/copy2", near.dir);
	far_start(&far, copy, 0, 0);
	far.cut_after_bytes = 700000;
	far.by_hanging_up = true;
	ck_assert_int_ne(push_to(&far), ERR_NONE);
	far_end(&far);
	ck_assert_uint_ge(parts_count(path), 1);
	/* which comes first, the small one or the large, chance decides */
	snprintf(command, sizeof(command),
	    "for f in '%s'/incoming/*; do printf torn | dd of=$f bs=1 "
	    "seek=100000 conv=notrunc 2>/dev/null; done",
	    copy);
	ck_assert_int_eq(system(command), 0);
	push();
	ck_assert_uint_eq(tally.refused_count, 0);
	ck_assert_uint_gt(tally.resumed_bytes, 0);
	ck_assert_uint_gt(tally.again_bytes, 0);
	ck_assert_uint_lt(tally.pack_sent_bytes, 2 * all_bytes);
	ck_assert_uint_eq(problems_count, 0);
	repo_check_copy(&near, copy, 1, SIZE_MAX);
}
END_TEST

/* The sender's machine went away: its receiver waits, lock and all. */
START_TEST(a_receiver_that_does_not_know_it_is_cut_off_is_in_nobodys_way)
{
	struct far hangs;
	uint64_t all_bytes;

	backup(0, 40);
	push();
	all_bytes = tally.pack_bytes;
	snprintf(copy, sizeof(copy), "%.40s/copy2", near.dir);
	far_start(&hangs, copy, 0, 0);
	hangs.cut_after_bytes = 1800000;
	hangs.in_silence = true;
	hangs.fds.timeout_ns = NS_PER_S / 20;
	ck_assert_int_ne(push_to(&hangs), ERR_NONE);
	push();
	ck_assert_uint_ge(tally.resumed_bytes, 64 << 10);
	ck_assert_uint_lt(tally.pack_sent_bytes, all_bytes - 1000000);
	repo_check_copy(&near, copy, 1, SIZE_MAX);
	far_end(&hangs);
	repo_check_copy(&near, copy, 1, SIZE_MAX);
}
END_TEST

/* --- frames ---------------------------------------------------------------------------- */

/* At home, packs of what is still needed are written anew. */
static void
collect_home(const struct id *gone)
{
	OWNED(store_close) struct store *st = repo_open(&near, STORE_WRITE);
	struct forget_request rq = {.service = "housing",
	    .snapshots = gone,
	    .snapshots_count = 1};
	struct collect_options opt = {.repack = true};
	struct forget_tally forgot;
	struct collect_tally did;

	must(forget_run(st, &rq, &forgot, &e), &e);
	must(collect_run(st, &opt, &did, &e), &e);
	ck_assert_uint_gt(did.copied_bytes, 0);
}

/* Every other file goes. */
static struct id
backup_alternate(uint64_t to)
{
	return backup_every(0, to, 2);
}

START_TEST(after_a_collection_at_home_only_what_is_new_is_sent)
{
	struct id first = backup(0, 100);

	backup_alternate(100);
	push();
	collect_home(&first);
	/* three new files; the others lie in packs nobody has seen */
	backup_alternate(106);
	push();
	ck_assert_uint_eq(tally.snapshots_sent_count, 1);
	ck_assert_uint_gt(tally.pack_bytes, 50 * FILE_BYTES);
	ck_assert_uint_gt(tally.composed_bytes, 49 * FILE_BYTES);
	ck_assert_uint_lt(tally.pack_sent_bytes, 5 * FILE_BYTES);
	ck_assert_uint_eq(tally.refused_count, 0);
	ck_assert_uint_eq(tally.again_bytes, 0);
	repo_check_copy(&near, copy, 3, SIZE_MAX);
}
END_TEST

/* What lies there in the other packs is bad: found, and the pack sent whole. */
START_TEST(damage_there_does_not_get_into_what_is_put_together)
{
	struct id first = backup(0, 40);
	char command[300];

	backup_alternate(40);
	push();
	collect_home(&first);
	backup_alternate(46);
	snprintf(command, sizeof(command),
	    "for f in '%s'/packs/*/*; do chmod 600 $f; "
	    "printf bad | dd of=$f bs=1 seek=40000 conv=notrunc 2>/dev/null; "
	    "done",
	    copy);
	ck_assert_int_eq(system(command), 0);
	push();
	ck_assert_uint_gt(tally.again_bytes, 0);
	ck_assert_uint_eq(tally.refused_count, 0);
	ck_assert_uint_eq(tally.snapshots_sent_count, 1);
}
END_TEST

/* --- several connections ------------------------------------------------------------ */

#define FARS_MAX 3

static struct far fars[FARS_MAX];
static unsigned fars_count;
static unsigned fars_refused; /* so many that cannot be had */
static uint64_t fars_cut_bytes;
static pthread_mutex_t fars_lock = PTHREAD_MUTEX_INITIALIZER;

static enum err_code
open_far(void *ctx, struct transport *out, const volatile sig_atomic_t *cancel,
    struct err *why)
{
	struct far *far;

	(void)ctx, (void)cancel;
	pthread_mutex_lock(&fars_lock);
	if (fars_refused > 0) {
		fars_refused--;
		pthread_mutex_unlock(&fars_lock);
		return err_set(why, ERR_TIMEOUT, "no more connections");
	}
	far = &fars[fars_count++];
	far->cut_after_bytes = fars_cut_bytes;
	pthread_mutex_unlock(&fars_lock);
	*out = far_transport(far);
	return ERR_NONE;
}

static void
close_far(void *ctx, struct transport *t)
{
	(void)ctx;
	far_end(t->ctx);
}

static enum err_code
push_lanes(unsigned lanes_max)
{
	OWNED(store_close) struct store *st = repo_open(&near, STORE_READ);
	const struct lanes_way way = {open_far, close_far, NULL};
	struct replicate_options opt = {.on_problem = on_problem,
	    .lanes_max = lanes_max};
	struct transport t;
	struct far far;
	enum err_code rc;

	fars_count = 0;
	far_start(&far, copy, 0, 0);
	for (unsigned i = 0; i < FARS_MAX; i++)
		far_start(&fars[i], copy, 0, 0);
	t = far_transport(&far);
	rc = replicate_over(st, &t, &way, &opt, &tally, &e);
	far_end(&far);
	for (unsigned i = fars_count; i < FARS_MAX; i++)
		far_end(&fars[i]);
	return rc;
}

START_TEST(several_connections_share_the_packs)
{
	fars_refused = _i == 1 ? 2 : 0;
	backup(0, 150);
	must(push_lanes(4), &e);
	ck_assert_uint_eq(fars_count, _i == 1 ? 1 : 3);
	ck_assert_uint_eq(tally.packs_sent_count, tally.packs_count);
	ck_assert_uint_eq(tally.pack_sent_bytes, tally.pack_bytes);
	ck_assert_uint_gt(tally.sent_bytes, tally.pack_bytes);
	ck_assert_uint_eq(tally.snapshots_sent_count, 1);
	repo_check_copy(&near, copy, 1, SIZE_MAX);
	must(push_lanes(4), &e);
	ck_assert_uint_eq(fars_count, 0);
}
END_TEST

START_TEST(one_connection_that_breaks_ends_the_run_and_the_next_goes_on)
{
	uint64_t sent_bytes;

	fars_refused = 0;
	fars_cut_bytes = 800000;
	backup(0, 150);
	ck_assert_int_eq(push_lanes(3), ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(e.text, "the link was cut"));
	sent_bytes = tally.pack_sent_bytes;
	fars_cut_bytes = 0;
	must(push_lanes(3), &e);
	sent_bytes += tally.pack_sent_bytes;
	ck_assert_uint_gt(tally.resumed_bytes + tally.pack_sent_bytes, 0);
	ck_assert_uint_lt(sent_bytes, 150 * FILE_BYTES + (4 << 20));
	repo_check_copy(&near, copy, 1, SIZE_MAX);
}
END_TEST

Suite *
suite_replicate_resume(void)
{
	Suite *s = suite_create("replicate/resume");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_cut_costs_what_was_under_way_and_no_more, 0,
	    2);
	tcase_add_test(tc, torn_parts_are_found_and_sent_again_once);
	tcase_add_test(tc,
	    a_receiver_that_does_not_know_it_is_cut_off_is_in_nobodys_way);
	tcase_add_test(tc, after_a_collection_at_home_only_what_is_new_is_sent);
	tcase_add_test(tc, damage_there_does_not_get_into_what_is_put_together);
	tcase_add_loop_test(tc, several_connections_share_the_packs, 0, 2);
	tcase_add_test(tc,
	    one_connection_that_breaks_ends_the_run_and_the_next_goes_on);
	suite_add_tcase(s, tc);
	return s;
}
