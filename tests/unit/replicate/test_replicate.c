#include <bascule/replicate.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>

#include "../../../lib/replicate/shelf.h"
#include "support/farserve.h"
#include "support/fault.h"
#include "support/repo.h"

/*
 * A sender here and `store serve` in a process of its own, over a socket pair,
 * with a real repository at each end.
 */

static struct repo near;
static char copy[64];
static struct err e;
static struct replicate_tally tally;
static unsigned problems_count;
static char problem_text[ERR_TEXT_BYTES];

static void
must(enum err_code rc)
{
	ck_assert_msg(rc == ERR_NONE, "%s", e.text);
}

/* --- content ---------------------------------------------------------------------- */

/* A snapshot of files_count files, whose chunks are those of seed, seed+1... */
static struct id
backup_in(const char *service, uint8_t group, uint64_t seed, size_t files_count)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(session_close) struct session *se = NULL;
	OWNED(writer_free) struct writer *w = NULL;
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(snapshot_fini) struct snapshot s = {0};
	struct id root;

	repo_begin(&near, &st, &se, &w);
	must(tree_writer_new(&tw, w, &e));
	for (size_t i = 0; i < files_count; i++) {
		OWNED(item_fini) struct item it = {0};
		char path[32];

		snprintf(path, sizeof(path), "f%04zu", i);
		repo_file(&it, w, path, seed + i, 3000);
		must(tree_writer_add(tw, &it, &e));
	}
	must(tree_writer_root(tw, &root, &e));
	snprintf(s.service, sizeof(s.service), "%s", service);
	snprintf(s.dataset, sizeof(s.dataset), "files");
	s.root = root;
	s.started = s.ended = now_utc();
	s.host = strdup("brent-1");
	s.source = strdup("/srv");
	s.group[0] = group;
	must(snapshot_commit(se, w, &s, &e));
	if (group != 0) {
		struct point p = {.taken = s.started, .snapshots_count = 1};

		snprintf(p.service, sizeof(p.service), "%s", service);
		p.group[0] = group;
		p.snapshots[0] = s.id;
		must(point_commit(se, &p, &e));
	}
	return s.id;
}

static struct store *
open_copy(void)
{
	struct store_options opt = {.keyring = near.operations,
	    .network_fs_allowed = true};
	struct store *st = NULL;

	must(store_open(&st, copy, &opt, &e));
	return st;
}

/* --- pushing ------------------------------------------------------------------------ */

static void
on_problem(void *ctx, const char *object, const struct err *why)
{
	(void)ctx;
	problems_count++;
	snprintf(problem_text, sizeof(problem_text), "%.100s: %.900s", object,
	    why->text);
}

static enum err_code
push_to(struct far *far, const char *service)
{
	OWNED(store_close) struct store *st = repo_open(&near, STORE_READ);
	struct replicate_options opt = {.service = service,
	    .on_problem = on_problem};
	struct transport t = far_transport(far);

	problems_count = 0;
	return replicate_push(st, &t, &opt, &tally, &e);
}

/* One whole run that must go well. */
static void
push(void)
{
	struct far far;

	far_start(&far, copy, 0, 0);
	must(push_to(&far, NULL));
	ck_assert_int_eq(far_end(&far), ERR_NONE);
}

static void
setup(void)
{
	repo_make(&near);
	snprintf(copy, sizeof(copy), "%.40s/copy", near.dir);
	memset(&e, 0, sizeof(e));
}

static void
teardown(void)
{
	repo_remove(&near);
}

/* --- what must hold ------------------------------------------------------------------ */

START_TEST(a_missing_copy_is_made_and_holds_everything)
{
	backup_in("housing", 1, 0, 100);
	backup_in("housing", 2, 50, 100);
	backup_in("benefits", 3, 1000, 20);
	push();
	ck_assert(tally.copy_created);
	ck_assert_uint_eq(tally.snapshots_sent_count, 3);
	ck_assert_uint_eq(tally.points_sent_count, 3);
	ck_assert_uint_eq(tally.packs_sent_count, tally.packs_count);
	ck_assert_uint_gt(tally.sent_bytes, tally.pack_bytes);
	ck_assert_uint_eq(tally.pack_bytes, tally.pack_sent_bytes);
	repo_check_copy(&near, copy, 3, 3);
}
END_TEST

START_TEST(nothing_to_do_costs_one_round_trip)
{
	struct far far;

	backup_in("housing", 1, 0, 50);
	push();
	far_start(&far, copy, 0, 0);
	must(push_to(&far, NULL));
	ck_assert_uint_eq(far.turns_count, 1);
	ck_assert_int_eq(far_end(&far), ERR_NONE);
	ck_assert_uint_eq(tally.snapshots_count, 1);
	ck_assert_uint_eq(tally.snapshots_sent_count, 0);
	ck_assert_uint_eq(tally.packs_sent_count, 0);
	ck_assert_uint_lt(tally.sent_bytes, 256);
	ck_assert(!tally.copy_created);
}
END_TEST

START_TEST(only_what_lacks_is_sent)
{
	backup_in("housing", 1, 0, 200);
	push();
	backup_in("housing", 2, 10, 200); /* ten new files, 30 kB */
	push();
	ck_assert_uint_eq(tally.snapshots_sent_count, 1);
	ck_assert_uint_eq(tally.points_sent_count, 1);
	ck_assert_uint_ge(tally.packs_sent_count, 1);
	ck_assert_uint_lt(tally.packs_sent_count, tally.packs_count);
	ck_assert_uint_lt(tally.pack_sent_bytes, 100000);
	ck_assert_uint_eq(tally.pack_bytes, tally.pack_sent_bytes);
	repo_check_copy(&near, copy, 2, 2);
}
END_TEST

struct meter {
	uint64_t bytes_count;
	uint64_t stop_after_bytes; /* 0: never */
};

static enum err_code
meter(void *ctx, size_t bytes_count, struct err *why)
{
	struct meter *m = ctx;

	ck_assert_uint_le(bytes_count, 64 << 10);
	m->bytes_count += bytes_count;
	if (m->stop_after_bytes != 0 && m->bytes_count > m->stop_after_bytes)
		return err_set(why, ERR_CANCELLED, "enough");
	return ERR_NONE;
}

START_TEST(every_byte_that_goes_out_is_metered_and_may_be_stopped)
{
	struct meter m = {0};
	struct replicate_options opt = {.pace = meter, .ctx = &m, .link = "a"};
	OWNED(store_close) struct store *st = NULL;
	struct far far;

	backup_in("housing", 1, 0, 400);
	st = repo_open(&near, STORE_READ);
	far_start(&far, copy, 0, 0);
	m.stop_after_bytes = 300000;
	ck_assert_int_eq(replicate_push(st, &far.plain, &opt, &tally, &e),
	    ERR_CANCELLED);
	far_end(&far);
	m = (struct meter){0};
	far_start(&far, copy, 0, 0);
	must(replicate_push(st, &far.plain, &opt, &tally, &e));
	ck_assert_int_eq(far_end(&far), ERR_NONE);
	ck_assert_uint_eq(m.bytes_count, tally.sent_bytes);
	ck_assert_str_eq(tally.link, "a");
	repo_check_copy(&near, copy, 1, 1);
}
END_TEST

START_TEST(one_service_alone_can_be_sent)
{
	struct far far;

	backup_in("housing", 1, 0, 20);
	backup_in("benefits", 2, 1000, 20);
	far_start(&far, copy, 0, 0);
	must(push_to(&far, "benefits"));
	ck_assert_int_eq(far_end(&far), ERR_NONE);
	ck_assert_uint_eq(tally.snapshots_count, 1);
	repo_check_copy(&near, copy, 1, 1);
}
END_TEST

START_TEST(an_empty_repository_makes_an_empty_copy)
{
	push();
	ck_assert(tally.copy_created);
	repo_check_copy(&near, copy, 0, 0);
}
END_TEST

START_TEST(a_copy_that_may_not_have_sliced_frames_gets_none)
{
	struct store_geometry sliced;
	struct far far;

	repo_make_another(&near, "older", copy);
	snprintf(near.path, sizeof(near.path), "%.40s/sliced", near.dir);
	store_default_geometry(&sliced);
	sliced.sliced = true;
	must(store_create(near.path, keyring_family(near.operations), &sliced,
	    &e));
	backup_in("housing", 0, 0, 5);
	far_start(&far, copy, 0, 0);
	ck_assert_int_eq(push_to(&far, NULL), ERR_REFUSED);
	ck_assert_int_eq(far_end(&far), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "made without slices"));
	ck_assert_ptr_nonnull(strstr(e.text, "\nhint: "));
}
END_TEST

START_TEST(a_copy_of_another_repository_is_refused)
{
	static const uint8_t other[STORE_FAMILY_BYTES] = {1, 2, 3};
	struct far far;

	backup_in("housing", 0, 0, 5);
	must(store_create(copy, other, NULL, &e));
	far_start(&far, copy, 0, 0);
	ck_assert_int_eq(push_to(&far, NULL), ERR_REFUSED);
	ck_assert_int_eq(far_end(&far), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, copy));
	ck_assert_ptr_nonnull(strstr(e.text, "the far side: "));
	ck_assert_ptr_nonnull(strstr(e.text, "\nhint: "));
}
END_TEST

/* --- damage -------------------------------------------------------------------------- */

/* Flip one bit in the middle of the largest pack. */
static void
damage_a_pack(void)
{
	OWNED(store_close) struct store *st = repo_open(&near, STORE_READ);
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	OWNED(pack_list_fini) struct pack_list packs = {0};
	OWNED(fdio_close) int fd = -1;
	char path[200], hex[ID_HEX_BYTES];
	uint8_t byte;
	size_t which = 0;

	must(snapshot_list(&list, st, "housing", NULL, NULL, &e));
	must(store_needed_packs(&packs, st, &list.snapshots[0].id, 1, &e));
	for (size_t i = 0; i < packs.count; i++)
		if (!packs.packs[i].metadata)
			which = i;
	id_hex(&packs.packs[which].name, hex);
	snprintf(path, sizeof(path), "%s/packs/%.2s/%s", near.path, hex, hex);
	ck_assert_int_eq(chmod(path, 0600), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	must(fdio_pread(fd, &byte, 1, packs.packs[which].size_bytes / 2, &e));
	byte ^= 4;
	must(fdio_pwrite(fd, &byte, 1, packs.packs[which].size_bytes / 2, &e));
}

START_TEST(damage_here_does_not_travel_and_stops_nothing_else)
{
	struct far far;

	backup_in("housing", 1, 0, 60);
	backup_in("benefits", 2, 1000, 20);
	damage_a_pack();
	far_start(&far, copy, 0, 0);
	must(push_to(&far, NULL));
	ck_assert_int_eq(far_end(&far), ERR_NONE);
	/* The pack, the snapshot that needs it, and its point. */
	ck_assert_uint_eq(tally.refused_count, 3);
	ck_assert_uint_eq(problems_count, 3);
	ck_assert_uint_eq(tally.snapshots_sent_count, 1);
	repo_check_copy(&near, copy, 1, 1);
}
END_TEST

/* --- cuts ------------------------------------------------------------------------------ */

/* R1, R2, R3: wherever the far side is killed, the next run goes on. */
START_TEST(killed_anywhere_it_goes_on_from_there)
{
	uint64_t total;

	backup_in("housing", 1, 0, 60);
	backup_in("housing", 2, 30, 60);
	push();
	total = tally.sent_bytes;
	for (unsigned i = 0; i <= 12; i++) {
		uint64_t pack_bytes;
		struct far far;

		snprintf(copy, sizeof(copy), "%.40s/copy%u", near.dir, i);
		far_start(&far, copy, 0, 0);
		far.cut_after_bytes = 1 + (total - 2) * i / 12;
		ck_assert_int_eq(push_to(&far, NULL), ERR_TIMEOUT);
		ck_assert_int_eq(far_end(&far), 128);
		if (access(copy, F_OK) == 0 && i > 1)
			repo_check_copy(&near, copy, SIZE_MAX, SIZE_MAX);
		push();
		pack_bytes = tally.pack_sent_bytes;
		repo_check_copy(&near, copy, 2, 2);
		push();
		ck_assert_uint_eq(tally.packs_sent_count, 0);
		if (i == 12) /* all was settled when the last byte was cut */
			ck_assert_uint_eq(pack_bytes, 0);
	}
}
END_TEST

/* Every system call of the receiver that we can make fail, does once. */
START_TEST(any_failing_call_there_leaves_a_whole_copy)
{
	backup_in("housing", 1, 0, 40);
	for (int nth = 1;; nth += nth < 12 ? 1 : fault_step(9)) {
		struct far far;
		enum err_code rc;
		int status;

		snprintf(copy, sizeof(copy), "%.40s/copy%d", near.dir, nth);
		far_start(&far, copy, nth, ENOSPC);
		rc = push_to(&far, NULL);
		status = far_end(&far);
		if (status == 100)
			break; /* nth is past the last call */
		if (rc != ERR_NONE)
			ck_assert_msg(rc == ERR_NOSPACE || rc == ERR_NOMEM ||
				rc == ERR_TIMEOUT || rc == ERR_IO,
			    "nth %d: %s", nth, e.text);
		push();
		repo_check_copy(&near, copy, 1, 1);
	}
}
END_TEST

/* Here: whatever the sender cannot do, the copy stays whole and the next run
 * finishes it. */
START_TEST(any_failing_call_here_leaves_a_whole_copy)
{
	bool reached = true;

	backup_in("housing", 1, 0, 12);
	for (int nth = 1; reached; nth += nth < 12 ? 1 : fault_step(17)) {
		OWNED(store_close)
		struct store *st = repo_open(&near, STORE_READ);
		struct replicate_options opt = {.on_problem = on_problem};
		struct far far;
		struct transport t = far_transport(&far);
		enum err_code rc;
		int status;

		snprintf(copy, sizeof(copy), "%.40s/copy%d", near.dir, nth);
		far_start(&far, copy, 0, 0);
		problems_count = 0;
		fault_arm_reading(nth, ENOMEM);
		rc = replicate_push(st, &t, &opt, &tally, &e);
		reached = fault_fired();
		status = far_end(&far);
		if (rc == ERR_NONE && problems_count == 0)
			ck_assert_int_eq(status, ERR_NONE);
		else
			ck_assert_msg(e.text[0] != '\0' || problems_count > 0,
			    "nth %d: nothing said", nth);
		push();
		repo_check_copy(&near, copy, 1, 1);
	}
}
END_TEST

/* What a receiver's word would say, here without a key. */
static enum err_code
sign(void *ctx, const struct serve_word *word, struct buf *out, struct err *err)
{
	(void)ctx;
	return buf_printf(out, err, "%s here since %lld", word->service,
	    (long long)word->since.ns);
}

/* The word is given or it is not: never half of it, and nothing is forgotten. */
START_TEST(any_failing_call_under_a_word_gives_none)
{
	const struct serve_options opt = {.network_fs_allowed = true,
	    .sign = sign};
	OWNED(store_close) struct store *st = NULL;
	OWNED(point_list_fini) struct point_list points = {0};
	OWNED(shelf_free) struct shelf *shelf = NULL;
	OWNED(buf_fini) struct buf first = {0};
	struct receiver_sink sink = {0};
	struct rmsg_hello hello = {.version = 1};
	struct rmsg_wish wish = {0};
	bool reached = true, created;

	backup_in("housing", 1, 0, 3);
	push();
	st = open_copy();
	must(point_list(&points, st, NULL, repo_tell_damage, NULL, &e));
	ck_assert_uint_eq(points.count, 1);
	wish.point = points.points[0].id;
	snprintf(wish.service, sizeof(wish.service), "housing");
	memcpy(hello.family, store_family(st), sizeof(hello.family));
	must(shelf_new(&shelf, copy, &opt, &e));
	shelf_sink(shelf, &sink);
	must(sink.open(sink.ctx, &hello, &created, &e));
	must(sink.acknowledge(sink.ctx, &wish, &first, &e));
	for (int nth = 1; reached; nth++) {
		OWNED(buf_fini) struct buf out = {0};
		enum err_code rc;

		fault_arm_all(nth, EIO);
		rc = sink.acknowledge(sink.ctx, &wish, &out, &e);
		reached = fault_fired();
		fault_arm_all(0, 0);
		if (rc != ERR_NONE) {
			ck_assert(reached);
			ck_assert_uint_eq(out.len_bytes, 0);
			must(sink.acknowledge(sink.ctx, &wish, &out, &e));
		}
		ck_assert_uint_eq(out.len_bytes, first.len_bytes);
		ck_assert_mem_eq(out.bytes, first.bytes, out.len_bytes);
		if (!reached)
			ck_assert_int_gt(nth, 4);
	}
	wish.point.bytes[0] ^= 1;
	ck_assert_int_eq(sink.acknowledge(sink.ctx, &wish, &first, &e),
	    ERR_NOTFOUND);
}
END_TEST

START_TEST(a_full_disk_there_is_said_with_its_path)
{
	struct far far;
	bool said = false;

	backup_in("housing", 1, 0, 40);
	for (int nth = 1; !said; nth++) {
		enum err_code rc;

		snprintf(copy, sizeof(copy), "%.40s/copy%d", near.dir, nth);
		far_start(&far, copy, nth, ENOSPC);
		rc = push_to(&far, NULL);
		ck_assert_int_ne(far_end(&far), 100);
		said = rc == ERR_NOSPACE && strstr(e.text, copy) != NULL &&
		    strstr(e.text, "the far side: receiving into") != NULL;
	}
}
END_TEST

/* --- who is there ------------------------------------------------------------------------ */

START_TEST(what_a_login_shell_says_is_quoted)
{
	static const char motd[] = "Welcome to southwark\033[1m!\n";
	OWNED(store_close) struct store *st = repo_open(&near, STORE_READ);
	struct replicate_options opt = {0};
	struct transport_fds fds;
	struct transport t;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
			     pair),
	    0);
	must(fdio_write(pair[1], motd, strlen(motd), &e));
	shutdown(pair[1], SHUT_WR);
	fds = (struct transport_fds){pair[0], pair[0], 5 * NS_PER_S, NULL};
	must(transport_over_fds(&t, &fds, &e));
	ck_assert_int_eq(replicate_push(st, &t, &opt, &tally, &e), ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "'Welcome to southwark\\x1b[1m!"));
	close(pair[0]);
	close(pair[1]);
}
END_TEST

/* The heartbeat's other end: it counts as life, and not as an answer. */
START_TEST(a_far_side_that_ends_without_a_word_is_said_to)
{
	OWNED(store_close) struct store *st = repo_open(&near, STORE_READ);
	struct replicate_options opt = {0};
	struct transport_fds fds;
	struct transport t;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
			     pair),
	    0);
	shutdown(pair[1], SHUT_WR);
	fds = (struct transport_fds){pair[0], pair[0], 5 * NS_PER_S, NULL};
	must(transport_over_fds(&t, &fds, &e));
	ck_assert_int_eq(replicate_push(st, &t, &opt, &tally, &e), ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "without a word"));
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(a_raised_flag_cancels)
{
	OWNED(store_close) struct store *st = repo_open(&near, STORE_READ);
	volatile sig_atomic_t cancel = 1;
	struct replicate_options opt = {.cancel = &cancel};
	struct far far;

	far_start(&far, copy, 0, 0);
	ck_assert_int_eq(replicate_push(st, &far.plain, &opt, &tally, &e),
	    ERR_CANCELLED);
	ck_assert_int_eq(far_end(&far), ERR_TIMEOUT);
}
END_TEST

Suite *suite_replicate_replicate(void);

Suite *
suite_replicate_replicate(void)
{
	Suite *s = suite_create("replicate/replicate");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_missing_copy_is_made_and_holds_everything);
	tcase_add_test(tc, nothing_to_do_costs_one_round_trip);
	tcase_add_test(tc, only_what_lacks_is_sent);
	tcase_add_test(tc,
	    every_byte_that_goes_out_is_metered_and_may_be_stopped);
	tcase_add_test(tc, one_service_alone_can_be_sent);
	tcase_add_test(tc, an_empty_repository_makes_an_empty_copy);
	tcase_add_test(tc, a_copy_of_another_repository_is_refused);
	tcase_add_test(tc, a_copy_that_may_not_have_sliced_frames_gets_none);
	tcase_add_test(tc, damage_here_does_not_travel_and_stops_nothing_else);
	tcase_add_test(tc, killed_anywhere_it_goes_on_from_there);
	tcase_add_test(tc, any_failing_call_there_leaves_a_whole_copy);
	tcase_add_test(tc, any_failing_call_here_leaves_a_whole_copy);
	tcase_add_test(tc, any_failing_call_under_a_word_gives_none);
	tcase_add_test(tc, a_full_disk_there_is_said_with_its_path);
	tcase_add_test(tc, what_a_login_shell_says_is_quoted);
	tcase_add_test(tc, a_far_side_that_ends_without_a_word_is_said_to);
	tcase_add_test(tc, a_raised_flag_cancels);
	suite_add_tcase(s, tc);
	return s;
}
