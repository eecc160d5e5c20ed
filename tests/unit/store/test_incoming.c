#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "../lib/store/incoming.h"
#include "../lib/store/index.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_incoming(void);

#define BLOCK INCOMING_BLOCK_BYTES

/* A repository with one pack of several blocks, whose bytes are at hand. */
static struct repo r;
static struct id pack;
static struct buf bytes;
static struct err e;

static void
setup(void)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	static const struct store_geometry large = {.chunk_min_bytes = 4096,
	    .chunk_mean_bytes = 16384,
	    .chunk_max_bytes = 65536,
	    .pack_target_bytes = 1 << 20,
	    .frame_target_bytes = 1 << 16};
	OWNED(fdio_close) int fd = -1;

	repo_make(&r);
	snprintf(r.path, sizeof(r.path), "%.40s/large", r.dir);
	must(store_create(r.path, keyring_family(r.operations), &large, &e),
	    &e);
	repo_begin(&r, &a.st, &a.se, &a.w);
	for (uint64_t i = 0; i < 5; i++)
		repo_put(a.w, i, 60000);
	must(writer_flush(a.w, &e), &e);
	pack = index_pack(a.st, 0)->name;
	must(store_open_pack(a.st, &pack, &fd, &e), &e);
	must(fdio_read_all(fd, 1 << 20, &bytes, &e), &e);
	ck_assert_uint_gt(bytes.len_bytes, 4 * BLOCK);
}

static void
teardown(void)
{
	buf_fini(&bytes);
	repo_remove(&r);
}

/* --- a copy, and receivers of it ---------------------------------------------- */

struct far {
	struct store *st;
	struct intake *in;
};

static void
far_end(struct far *f)
{
	intake_free(&f->in);
	store_close(&f->st);
}

static void
far_begin(struct far *f)
{
	struct store_options opt = {.access = STORE_WRITE,
	    .network_fs_allowed = true};
	char path[64];

	snprintf(path, sizeof(path), "%.40s/copy", r.dir);
	if (access(path, F_OK) != 0)
		f->st = repo_open_copy(&r, "copy");
	else
		must(store_open(&f->st, path, &opt, &e), &e);
	must(intake_new(&f->in, f->st, &e), &e);
}

static void
add(struct far *f, size_t from, size_t to)
{
	must(intake_pack_add(f->in, bytes.bytes + from, to - from, &e), &e);
}

/* Another receiver takes the first bytes in and dies. */
static void
leave(size_t count)
{
	OWNED(far_end) struct far f = {0};

	far_begin(&f);
	must(intake_pack_begin(f.in, &pack, bytes.len_bytes, &e), &e);
	add(&f, 0, count);
}

static void
finish(struct far *f, size_t from)
{
	add(f, from, bytes.len_bytes);
	must(intake_pack_end(f->in, &e), &e);
	must(intake_flush(f->in, &e), &e);
	ck_assert(store_has_pack(f->st, &pack));
}

static void
path_of(const char *folder, char path[200])
{
	char hex[ID_HEX_BYTES];

	snprintf(path, 200, "%.40s/copy/%s/%s", r.dir, folder,
	    id_hex(&pack, hex));
}

static bool
is_in(const char *folder)
{
	char path[200];

	path_of(folder, path);
	return access(path, F_OK) == 0;
}

static void
check_whole(struct far *f)
{
	struct check_options opt = {.depth = CHECK_READ};
	struct check_tally seen;

	must(store_refresh(f->st, &e), &e);
	ck_assert(store_has_pack(f->st, &pack));
	must(store_check(f->st, &opt, &seen, &e), &e);
	ck_assert_uint_eq(seen.damage_count, 0);
	ck_assert_uint_eq(seen.packs_count, 1);
}

START_TEST(what_a_receiver_left_the_next_goes_on_with)
{
	OWNED(far_end) struct far f = {0};

	leave(150000);
	far_begin(&f);
	ck_assert_uint_eq(intake_pack_staged(f.in, &pack, bytes.len_bytes),
	    2 * BLOCK);
	must(intake_pack_resume(f.in, &pack, bytes.len_bytes, 2 * BLOCK, &e),
	    &e);
	ck_assert(!store_has_pack(f.st, &pack));
	finish(&f, 2 * BLOCK);
	ck_assert(!is_in("incoming"));
	check_whole(&f);
}
END_TEST

START_TEST(what_came_whole_needs_only_to_be_looked_at)
{
	OWNED(far_end) struct far f = {0};

	{
		OWNED(far_end) struct far dies = {0};

		far_begin(&dies);
		must(intake_pack_begin(dies.in, &pack, bytes.len_bytes, &e),
		    &e);
		add(&dies, 0, bytes.len_bytes);
		if (_i == 1) /* it had been looked at, but not flushed */
			must(intake_pack_end(dies.in, &e), &e);
	}
	far_begin(&f);
	ck_assert_uint_eq(intake_pack_staged(f.in, &pack, bytes.len_bytes),
	    bytes.len_bytes);
	must(intake_pack_resume(f.in, &pack, bytes.len_bytes, bytes.len_bytes,
		 &e),
	    &e);
	finish(&f, bytes.len_bytes);
	check_whole(&f);
}
END_TEST

START_TEST(what_a_power_cut_tore_is_found_and_comes_again)
{
	OWNED(far_end) struct far f = {0};
	OWNED(fdio_close) int fd = -1;
	char path[200];

	leave(3 * BLOCK);
	path_of("incoming", path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	must(fdio_pwrite(fd, "torn", 4, BLOCK + 5, &e), &e);
	far_begin(&f);
	must(intake_pack_resume(f.in, &pack, bytes.len_bytes, 3 * BLOCK, &e),
	    &e);
	add(&f, 3 * BLOCK, bytes.len_bytes);
	ck_assert_int_eq(intake_pack_end(f.in, &e), ERR_CORRUPT);
	ck_assert(!is_in("incoming"));
	ck_assert_uint_eq(intake_pack_staged(f.in, &pack, bytes.len_bytes), 0);
	must(intake_pack_begin(f.in, &pack, bytes.len_bytes, &e), &e);
	finish(&f, 0);
	check_whole(&f);
}
END_TEST

/* Modes bind root, too, or no longer do. */
static void
bind_by_modes(bool bound)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct caps[2];

	ck_assert_int_eq(syscall(SYS_capget, &head, caps), 0);
	caps[0].effective = bound
	    ? caps[0].effective & ~(1U << CAP_DAC_OVERRIDE)
	    : caps[0].permitted;
	ck_assert_int_eq(syscall(SYS_capset, &head, caps), 0);
}

START_TEST(
    who_is_cut_off_before_a_pack_has_its_name_leaves_what_can_be_gone_on_with)
{
	OWNED(far_end) struct far f = {0};
	enum err_code rc;
	char path[200];

	leave(bytes.len_bytes);
	path_of("incoming", path);
	ck_assert_int_eq(chmod(path, 0400), 0);
	far_begin(&f);
	ck_assert_uint_eq(intake_pack_staged(f.in, &pack, bytes.len_bytes),
	    bytes.len_bytes);
	bind_by_modes(true);
	rc = intake_pack_resume(f.in, &pack, bytes.len_bytes, bytes.len_bytes,
	    &e);
	bind_by_modes(false);
	must(rc, &e);
	finish(&f, bytes.len_bytes);
	check_whole(&f);
}
END_TEST

START_TEST(more_than_there_is_cannot_be_gone_on_with)
{
	OWNED(far_end) struct far f = {0};
	struct id other = pack;

	other.bytes[3] ^= 1;
	leave(BLOCK + 7);
	far_begin(&f);
	ck_assert_int_eq(intake_pack_resume(f.in, &pack, bytes.len_bytes,
			     2 * BLOCK, &e),
	    ERR_NOTFOUND);
	ck_assert_int_eq(intake_pack_resume(f.in, &other, bytes.len_bytes,
			     BLOCK, &e),
	    ERR_NOTFOUND);
	ck_assert_int_eq(intake_pack_resume(f.in, &pack, bytes.len_bytes,
			     bytes.len_bytes + 1, &e),
	    ERR_INPUT);
	/* one that says it is smaller than what came of it */
	ck_assert_uint_eq(intake_pack_staged(f.in, &pack, BLOCK), 0);
	ck_assert_uint_eq(intake_pack_staged(f.in, &pack, bytes.len_bytes),
	    BLOCK);
}
END_TEST

/* The link is dead and its receiver does not know yet; or both live. */
START_TEST(two_receivers_never_write_one_file)
{
	OWNED(far_end) struct far a = {0};
	OWNED(far_end) struct far b = {0};
	size_t from = _i == 0 ? 2 * BLOCK : 0;

	far_begin(&a);
	must(intake_pack_begin(a.in, &pack, bytes.len_bytes, &e), &e);
	add(&a, 0, 2 * BLOCK + 100);
	far_begin(&b);
	ck_assert_uint_eq(intake_pack_staged(b.in, &pack, bytes.len_bytes),
	    2 * BLOCK);
	must(intake_pack_resume(b.in, &pack, bytes.len_bytes, from, &e), &e);
	add(&a, 2 * BLOCK + 100, 3 * BLOCK);
	add(&b, from, from + 100);
	add(&a, 3 * BLOCK, bytes.len_bytes);
	must(intake_pack_end(a.in, &e), &e);
	if (_i == 2) { /* who lost the name is first */
		must(intake_flush(a.in, &e), &e);
		check_whole(&a);
	}
	finish(&b, from + 100);
	check_whole(&b);
	must(intake_flush(a.in, &e), &e);
	check_whole(&a);
	ck_assert(!is_in("incoming"));
}
END_TEST

/* Whoever brings other bytes under the same name spoils nothing but his own. */
START_TEST(what_one_receiver_has_taken_in_another_cannot_spoil)
{
	OWNED(far_end) struct far a = {0};
	OWNED(far_end) struct far b = {0};
	static const uint8_t junk[BLOCK];

	far_begin(&a);
	must(intake_pack_begin(a.in, &pack, bytes.len_bytes, &e), &e);
	add(&a, 0, 2 * BLOCK);
	far_begin(&b);
	must(intake_pack_resume(b.in, &pack, bytes.len_bytes, BLOCK, &e), &e);
	add(&a, 2 * BLOCK, 3 * BLOCK);
	must(intake_pack_add(b.in, junk, sizeof(junk), &e), &e);
	add(&a, 3 * BLOCK, bytes.len_bytes);
	must(intake_pack_end(a.in, &e), &e);
	must(intake_flush(a.in, &e), &e);
	check_whole(&a);
	ck_assert_int_eq(intake_pack_end(b.in, &e), ERR_CORRUPT);
	check_whole(&a);
}
END_TEST

START_TEST(what_arrives_is_no_damage_and_no_session_sweeps_it)
{
	OWNED(far_end) struct far f = {0};
	struct check_options opt = {.depth = CHECK_READ};
	struct check_tally seen;

	leave(100000);
	far_begin(&f);
	far_end(&f);
	far_begin(&f);
	must(store_check(f.st, &opt, &seen, &e), &e);
	ck_assert_uint_eq(seen.damage_count, 0);
	ck_assert(is_in("incoming"));
}
END_TEST

START_TEST(whatever_call_fails_the_pack_comes_in_the_next_time)
{
	bool fired = true;

	for (int nth = 1; fired; nth += fault_step(1)) {
		OWNED(far_end) struct far f = {0};
		uint64_t have;
		enum err_code rc;

		leave(150000);
		far_begin(&f);
		fault_arm_deep(nth, nth % 2 == 0 ? EIO : ENOSPC);
		have = intake_pack_staged(f.in, &pack, bytes.len_bytes);
		rc = intake_pack_resume(f.in, &pack, bytes.len_bytes, have, &e);
		if (rc == ERR_NONE)
			rc = intake_pack_add(f.in, bytes.bytes + have,
			    bytes.len_bytes - have, &e);
		if (rc == ERR_NONE)
			rc = intake_pack_end(f.in, &e);
		if (rc == ERR_NONE)
			rc = intake_flush(f.in, &e);
		fired = fault_fired();
		far_end(&f);
		far_begin(&f);
		if (rc == ERR_NONE && have > 0)
			check_whole(&f);
		have = intake_pack_staged(f.in, &pack, bytes.len_bytes);
		must(intake_pack_resume(f.in, &pack, bytes.len_bytes, have, &e),
		    &e);
		finish(&f, have);
		check_whole(&f);
		far_end(&f);
		ck_assert_int_eq(system("rm -rf \"$TEST_MEMORY\"/*/copy"), 0);
	}
}
END_TEST

/* --- quota and age ---------------------------------------------------------------- */

static void
begin_part(struct incoming *in, struct pack_done *got, uint8_t name,
    size_t bytes_count)
{
	*got = (struct pack_done){.size_bytes = 3 * BLOCK, .fd = -1};
	memset(got->name.bytes, name, ID_BYTES);
	must(incoming_begin(in, got, 0, &e), &e);
	must(fdio_write(got->fd, bytes.bytes, bytes_count, &e), &e);
}

START_TEST(junk_has_a_limit_and_the_oldest_that_nobody_holds_goes)
{
	OWNED(store_close) struct store *st = repo_open_copy(&r, "copy");
	OWNED(session_close) struct session *se = NULL;
	OWNED(incoming_fini) struct incoming in;
	struct pack_done got[5];
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	must(session_open_bare(&se, st, &e), &e);
	incoming_init(&in, se);
	in.limit_bytes = 8 * BLOCK;
	begin_part(&in, &got[0], 1, 2 * BLOCK);
	begin_part(&in, &got[1], 2, 2 * BLOCK);
	begin_part(&in, &got[2], 3, 1);
	ck_assert(got[0].incoming && got[1].incoming && got[2].incoming);
	/* 5 blocks of 8 are taken, and all are held: this one waits in tmp/ */
	begin_part(&in, &got[3], 4, 2 * BLOCK);
	ck_assert(got[3].incoming);
	begin_part(&in, &got[4], 5, BLOCK);
	ck_assert(!got[4].incoming);
	incoming_drop(&in, &got[4]);
	ck_assert_uint_eq(incoming_have(&in, &got[4].name, 3 * BLOCK), 0);
	/* one is let go: it makes room */
	fdio_close(&got[1].fd);
	begin_part(&in, &got[4], 5, BLOCK);
	ck_assert(got[4].incoming);
	ck_assert_uint_eq(incoming_have(&in, &got[1].name, 3 * BLOCK), 0);
	ck_assert_uint_eq(incoming_have(&in, &got[0].name, 3 * BLOCK),
	    2 * BLOCK);
	/* too old, but held; then not */
	ck_assert_int_eq(futimens(got[0].fd, times), 0);
	ck_assert(incoming_sweep(&in, 0));
	ck_assert_uint_gt(incoming_have(&in, &got[0].name, 3 * BLOCK), 0);
	fdio_close(&got[0].fd);
	ck_assert(incoming_sweep(&in, 0));
	ck_assert_uint_eq(incoming_have(&in, &got[0].name, 3 * BLOCK), 0);
	for (size_t i = 2; i < COUNT_OF(got); i++)
		incoming_drop(&in, &got[i]);
	ck_assert_uint_eq(incoming_have(&in, &got[4].name, 3 * BLOCK), 0);
}
END_TEST

START_TEST(a_collection_takes_away_what_is_too_old)
{
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct collect_options opt = {0};
	struct collect_tally did;
	char path[200];

	leave(BLOCK);
	for (int old = 0; old < 2; old++) {
		OWNED(far_end) struct far f = {0};

		far_begin(&f);
		intake_free(&f.in);
		must(collect_run(f.st, &opt, &did, &e), &e);
		ck_assert_int_eq(is_in("incoming"), old == 0);
		path_of("incoming", path);
		(void)utimensat(AT_FDCWD, path, times, 0);
	}
}
END_TEST

START_TEST(a_frame_that_is_here_is_put_into_the_pack_that_comes)
{
	OWNED(far_end) struct far f = {0};
	OWNED(store_frames_fini) struct store_frames frames = {0};
	OWNED(fdio_close) int fd = -1;
	struct store_frame lie;
	size_t foot = HEAD_BYTES;

	leave(1);
	far_begin(&f);
	must(intake_pack_begin(f.in, &pack, bytes.len_bytes, &e), &e);
	finish(&f, 0);
	must(store_open_pack(f.st, &pack, &fd, &e), &e);
	must(store_frames_read(&frames, fd, &e), &e);
	ck_assert_uint_gt(frames.count, 2);
	for (size_t i = 0; i < frames.count; i++)
		ck_assert(intake_frame_is_here(f.in, &frames.frames[i]));
	lie = frames.frames[0];
	lie.len_bytes--;
	ck_assert(!intake_frame_is_here(f.in, &lie));
	lie = frames.frames[0];
	lie.chunk = frames.frames[1].chunk;
	ck_assert(!intake_frame_is_here(f.in, &lie));
	/* the same pack again, all its frames from here */
	must(intake_pack_begin(f.in, &pack, bytes.len_bytes, &e), &e);
	add(&f, 0, HEAD_BYTES);
	ck_assert_int_eq(intake_frame_add(f.in, &lie, &e), ERR_NOTFOUND);
	for (size_t i = 0; i < frames.count; i++) {
		must(intake_frame_add(f.in, &frames.frames[i], &e), &e);
		foot += frames.frames[i].len_bytes;
	}
	add(&f, foot, bytes.len_bytes);
	must(intake_pack_end(f.in, &e), &e);
	must(intake_flush(f.in, &e), &e);
	check_whole(&f);
}
END_TEST

Suite *
suite_store_incoming(void)
{
	Suite *s = suite_create("store/incoming");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_a_receiver_left_the_next_goes_on_with);
	tcase_add_loop_test(tc, what_came_whole_needs_only_to_be_looked_at, 0,
	    2);
	tcase_add_test(tc, what_a_power_cut_tore_is_found_and_comes_again);
	tcase_add_test(tc,
	    who_is_cut_off_before_a_pack_has_its_name_leaves_what_can_be_gone_on_with);
	tcase_add_test(tc, more_than_there_is_cannot_be_gone_on_with);
	tcase_add_loop_test(tc, two_receivers_never_write_one_file, 0, 3);
	tcase_add_test(tc, what_one_receiver_has_taken_in_another_cannot_spoil);
	tcase_add_test(tc, what_arrives_is_no_damage_and_no_session_sweeps_it);
	tcase_add_test(tc, whatever_call_fails_the_pack_comes_in_the_next_time);
	tcase_add_test(tc,
	    junk_has_a_limit_and_the_oldest_that_nobody_holds_goes);
	tcase_add_test(tc, a_collection_takes_away_what_is_too_old);
	tcase_add_test(tc,
	    a_frame_that_is_here_is_put_into_the_pack_that_comes);
	suite_add_tcase(s, tc);
	return s;
}
