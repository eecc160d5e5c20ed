#include "../../../lib/replicate/pulling.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/le.h>

#include "../../../lib/replicate/claims.h"
#include "support/must.h"
#include "support/repo.h"

/* Fetching over several connections: a real sender behind each. */

Suite *suite_replicate_pulling(void);

#define FILE_BYTES 60000
#define FILES      150
#define FARS_MAX   4
#define LATE_US    10500000

static struct repo near;
static char copy[64];
static struct err e;
static struct serve_tally tally;

struct far {
	pid_t pid;
	int fd;
	struct transport_fds fds;
	struct transport plain;
	uint64_t heard_bytes;
};

static struct far fars[FARS_MAX];
static unsigned words_count; /* that were signed here */
static unsigned fars_count;  /* but the first, which is the last of fars */
static pthread_mutex_t fars_lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
	unsigned refused_count; /* so many connections cannot be had */
	bool late;              /* they come when nobody waits any more */
	bool old;               /* the sender has no feature PARTS */
	uint64_t cut_bytes;     /* of a further connection; 0: none */
} plan;

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
	memset(&plan, 0, sizeof(plan));
	fars_count = words_count = 0;
}

static void
teardown(void)
{
	repo_remove(&near);
}

static struct id
backup(uint64_t from, uint64_t to)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(snapshot_fini) struct snapshot s = {0};
	struct point p = {.snapshots_count = 1};

	repo_begin(&near, &a.st, &a.se, &a.w);
	must(tree_writer_new(&tw, a.w, &e), &e);
	for (uint64_t i = from; i < to; i++) {
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
	p.taken = s.started;
	p.snapshots[0] = s.id;
	snprintf(p.service, sizeof(p.service), "housing");
	must(point_commit(a.se, &p, &e), &e);
	return s.id;
}

/* --- words that are here -------------------------------------------------------------- */

/* Its caller's, whichever connection asks. */
static enum err_code
sign(void *ctx, const struct serve_word *word, struct buf *out, struct err *why)
{
	ck_assert_ptr_eq(ctx, &words_count);
	ck_assert_str_eq(word->service, "housing");
	words_count++;
	return buf_add(out, word->point.bytes, ID_BYTES, why);
}

static enum err_code
take_word(void *ctx, const struct id *point, const void *bytes, size_t len,
    struct err *why)
{
	(void)ctx;
	return len == ID_BYTES && memcmp(bytes, point->bytes, len) == 0
	    ? ERR_NONE
	    : err_set(why, ERR_CORRUPT, "no such word");
}

/* --- senders ------------------------------------------------------------------------ */

static void
send_all(int fd)
{
	struct store *st = repo_open(&near, STORE_READ);
	struct transport_fds fds = {fd, fd, 20 * NS_PER_S, NULL};
	struct replicate_options opt = {.fetched = true,
	    .on_acknowledged = take_word};
	struct replicate_tally ignored;
	struct transport t;

	must(transport_over_fds(&t, &fds, &e), &e);
	_exit((int)replicate_push(st, &t, &opt, &ignored, &e));
}

static enum err_code
heard(void *ctx, void *bytes, size_t max, size_t *got, struct err *why)
{
	struct far *far = ctx;
	uint64_t cut = far == &fars[FARS_MAX - 1] ? 0 : plan.cut_bytes;

	if (cut != 0 && far->heard_bytes >= cut) {
		kill(far->pid, SIGKILL);
		return err_set(why, ERR_TIMEOUT, "the link was cut");
	}
	if (far->plain.read(far->plain.ctx, bytes, max, got, why) != ERR_NONE)
		return why->code;
	if (plan.old && far->heard_bytes == 0 && *got > 24)
		((uint8_t *)bytes)[24] &= (uint8_t)~RMSG_PARTS;
	far->heard_bytes += *got;
	return ERR_NONE;
}

static enum err_code
told(void *ctx, const void *bytes, size_t len, struct err *why)
{
	struct far *far = ctx;

	return far->plain.write(far->plain.ctx, bytes, len, why);
}

/* Before there are threads, as support/farserve.h says why. */
static void
far_stand_by(struct far *far)
{
	char go;
	int pair[2];

	memset(far, 0, sizeof(*far));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
			     pair),
	    0);
	far->pid = fork();
	if (far->pid == 0) {
		for (int fd = 3; fd < 256; fd++) /* the others', too */
			if (fd != pair[1])
				close(fd);
		if (read(pair[1], &go, 1) != 1)
			_exit(0);
		send_all(pair[1]);
	}
	close(pair[1]);
	far->fd = pair[0];
	far->fds =
	    (struct transport_fds){pair[0], pair[0], 20 * NS_PER_S, NULL};
	must(transport_over_fds(&far->plain, &far->fds, &e), &e);
}

static struct transport
far_begin(struct far *far)
{
	ck_assert_int_eq(write(far->fd, "g", 1), 1);
	return (struct transport){heard, told, far};
}

static int
far_end(struct far *far)
{
	int status;

	close(far->fd);
	ck_assert_int_eq(waitpid(far->pid, &status, 0), far->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static enum err_code
open_far(void *ctx, struct transport *out, const volatile sig_atomic_t *cancel,
    struct err *why)
{
	enum err_code rc = ERR_NONE;

	(void)ctx, (void)cancel;
	if (plan.late)
		usleep(LATE_US);
	pthread_mutex_lock(&fars_lock);
	if (plan.refused_count > 0) {
		plan.refused_count--;
		rc = err_set(why, ERR_TIMEOUT, "no more connections");
	} else {
		*out = far_begin(&fars[fars_count++]);
	}
	pthread_mutex_unlock(&fars_lock);
	return rc;
}

static void
close_far(void *ctx, struct transport *t)
{
	int status = far_end(t->ctx);

	(void)ctx;
	/* One that has done its part took leave. */
	if (plan.cut_bytes == 0 && !plan.late)
		ck_assert_int_eq(status, ERR_NONE);
}

static enum err_code
pull(unsigned lanes_max, int64_t round_trip_ns)
{
	const struct lanes_way way = {open_far, close_far, NULL};
	const struct serve_options opt = {.network_fs_allowed = true,
	    .lanes_max = lanes_max,
	    .sign = sign,
	    .ctx = &words_count};
	struct far *first = &fars[FARS_MAX - 1];
	struct transport t;
	enum err_code rc;

	for (unsigned i = 0; i < FARS_MAX; i++)
		far_stand_by(&fars[i]);
	t = far_begin(first);
	rc = pulling_over(copy, &t, &way, round_trip_ns, &opt, &tally, &e);
	far_end(first);
	for (unsigned i = fars_count; i < FARS_MAX - 1; i++)
		ck_assert_int_eq(far_end(&fars[i]), 0);
	return rc;
}

/* --- tests ----------------------------------------------------------------------------- */

START_TEST(several_connections_share_the_packs)
{
	uint64_t bytes;

	plan.refused_count = _i == 1 ? 2 : 0;
	backup(0, FILES);
	must(pull(4, 0), &e);
	ck_assert_uint_eq(fars_count, _i == 1 ? 1 : 3);
	ck_assert_uint_eq(tally.lanes_count, _i == 1 ? 2 : 4);
	ck_assert_uint_eq(tally.snapshots_count, 1);
	ck_assert_uint_eq(tally.refused_count, 0);
	ck_assert_uint_eq(words_count, 1);
	/* Nothing came twice, and each brought its part. */
	ck_assert_uint_eq(tally.pack_bytes, tally.wanted_bytes);
	bytes = tally.pack_bytes + (1 << 20);
	ck_assert_uint_lt(fars[FARS_MAX - 1].heard_bytes,
	    bytes / tally.lanes_count + (1 << 20));
	repo_check_copy(&near, copy, 1, SIZE_MAX);
	fars_count = 0;
	must(pull(4, 0), &e);
	ck_assert_uint_eq(fars_count, 0);
	ck_assert_uint_eq(tally.packs_count, 0);
	backup(0, FILES / 2);
	must(pull(4, 0), &e);
	repo_check_copy(&near, copy, 2, SIZE_MAX);
}
END_TEST

START_TEST(where_no_other_can_be_had_the_first_brings_all)
{
	plan.refused_count = _i == 0 ? 3 : 0;
	plan.late = _i == 1;
	plan.old = _i == 2;
	plan.cut_bytes = _i == 3 ? 1 : 0; /* before their PACKS */
	backup(0, FILES);
	must(pull(4, 0), &e);
	if (_i == 2)
		ck_assert_uint_eq(fars_count, 0);
	ck_assert_uint_eq(tally.lanes_count, 1);
	ck_assert_uint_eq(tally.refused_count, 0);
	repo_check_copy(&near, copy, 1, SIZE_MAX);
}
END_TEST

START_TEST(one_connection_that_breaks_ends_the_run_and_the_next_goes_on)
{
	uint64_t bytes;

	plan.cut_bytes = 800000;
	backup(0, FILES);
	ck_assert_int_eq(pull(3, 0), ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(e.text, "the link was cut"));
	ck_assert_uint_eq(tally.snapshots_count, 0);
	bytes = tally.pack_bytes;
	plan.cut_bytes = 0;
	fars_count = 0;
	must(pull(3, 0), &e);
	ck_assert_uint_lt(bytes + tally.pack_bytes,
	    FILES * FILE_BYTES + (4 << 20));
	repo_check_copy(&near, copy, 1, SIZE_MAX);
}
END_TEST

START_TEST(little_is_not_worth_another_connection)
{
	backup(0, FILES);
	must(pull(0, 100 * NS_PER_MS), &e);
	ck_assert_uint_eq(fars_count, 0);
	repo_check_copy(&near, copy, 1, SIZE_MAX);
}
END_TEST

/* --- claims ------------------------------------------------------------------------------ */

#define PACKS 4096

static uint8_t entries[PACKS * RMSG_PACK_ENTRY];

static void
name_packs(uint32_t from)
{
	for (uint32_t i = 0; i < PACKS; i++) {
		memset(entries + i * RMSG_PACK_ENTRY, 0, RMSG_PACK_ENTRY);
		le_put32(entries + i * RMSG_PACK_ENTRY, (from + i) * 40503u);
		le_put64(entries + i * RMSG_PACK_ENTRY + ID_BYTES,
		    i % 7 == 0 ? 64 << 20 : 1 << 20);
	}
}

static void
take(struct claims *c, unsigned lane, uint8_t bits[PACKS / 8])
{
	memset(bits, 0xff, PACKS / 8);
	must(claims_take(c, lane, entries, PACKS, bits, &e), &e);
}

static unsigned
each_has_one(struct claims *c, uint8_t bits[3][PACKS / 8])
{
	unsigned firsts = 0;

	for (unsigned lane = 0; lane < 3; lane++)
		take(c, 2 - lane, bits[2 - lane]);
	for (size_t i = 0; i < PACKS; i++) {
		ck_assert_int_eq(rmsg_bit(bits[0], i) + rmsg_bit(bits[1], i) +
			rmsg_bit(bits[2], i),
		    1);
		firsts += rmsg_bit(bits[0], i);
	}
	return firsts;
}

START_TEST(each_pack_comes_over_one_connection_and_all_bring_as_much)
{
	OWNED(claims_fini) struct claims c = {.lanes_count = 3};
	uint8_t bits[3][PACKS / 8], again[PACKS / 8];

	name_packs(0);
	each_has_one(&c, bits);
	for (unsigned lane = 0; lane < 3; lane++) {
		uint64_t bytes = 0;

		for (size_t i = 0; i < PACKS; i++)
			bytes += rmsg_bit(bits[lane], i) *
			    le_get64(entries + i * RMSG_PACK_ENTRY + ID_BYTES);
		ck_assert_uint_eq(bytes, c.lane_bytes[lane]);
		ck_assert_uint_lt(bytes, c.lane_bytes[0] + (65 << 20));
		ck_assert_uint_gt(bytes + (65 << 20), c.lane_bytes[0]);
		take(&c, lane, again);
		ck_assert_mem_eq(again, bits[lane], sizeof(again));
	}
}
END_TEST

START_TEST(what_is_more_than_can_be_kept_is_the_first_ones)
{
	OWNED(claims_fini) struct claims c = {.lanes_count = 3};
	uint8_t bits[3][PACKS / 8];

	for (uint32_t n = 0; n < CLAIMS_MAX / PACKS; n++) {
		name_packs(n * PACKS);
		ck_assert_uint_lt(each_has_one(&c, bits), PACKS);
	}
	ck_assert_uint_eq(c.count, CLAIMS_MAX);
	name_packs(CLAIMS_MAX);
	ck_assert_uint_eq(each_has_one(&c, bits), PACKS);
	ck_assert_uint_eq(c.count, CLAIMS_MAX);
	name_packs(0);
	ck_assert_uint_lt(each_has_one(&c, bits), PACKS);
}
END_TEST

Suite *
suite_replicate_pulling(void)
{
	Suite *s = suite_create("replicate/pulling");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, several_connections_share_the_packs, 0, 2);
	tcase_add_loop_test(tc, where_no_other_can_be_had_the_first_brings_all,
	    0, 4);
	tcase_add_test(tc,
	    one_connection_that_breaks_ends_the_run_and_the_next_goes_on);
	tcase_add_test(tc, little_is_not_worth_another_connection);
	tcase_add_test(tc,
	    each_pack_comes_over_one_connection_and_all_bring_as_much);
	tcase_add_test(tc, what_is_more_than_can_be_kept_is_the_first_ones);
	suite_add_tcase(s, tc);
	return s;
}
