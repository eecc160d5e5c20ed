#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/calendar.h>
#include <bascule/job.h>

#include "../lib/store/ageing.h"
#include "../lib/store/ages.h"
#include "support/items.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_job_retention(void);

#define HOUR_NS (3600 * NS_PER_S)
#define DAY_NS  (24 * HOUR_NS)

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

static struct id
back_up(uint64_t seed)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(item_fini) struct item it = {0};
	OWNED(snapshot_fini)
	struct snapshot s = {.service = "housing", .dataset = "files"};
	struct err e = {0};

	must(tree_writer_new(&tw, w, &e), &e);
	repo_file(&it, w, "f", seed, 300);
	must(tree_writer_add(tw, &it, &e), &e);
	must(tree_writer_root(tw, &s.root, &e), &e);
	s.started = s.ended = now_utc();
	must(snapshot_commit(se, w, &s, &e), &e);
	return s.id;
}

static void
clock_path(char out[100])
{
	snprintf(out, 100, "%s/condemned/clock", r.path);
}

static void
read_clock(struct ageing *a)
{
	OWNED(fdio_close) int fd = -1;
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};

	must(repo_open_dir(&fd, st->dir_fd, "condemned", &e), &e);
	must(repo_slurp(&b, fd, "clock", AGEING_BYTES, &e), &e);
	must(ageing_decode(a, st->family, b.bytes, b.len_bytes, &e), &e);
}

/* As if the last look had been so long ago by each of the clocks. */
static void
clocks_have_moved(int64_t boot_ns, int64_t wall_ns)
{
	OWNED(fdio_close) int fd = -1;
	uint8_t bytes[AGEING_BYTES];
	char path[100];
	struct ageing a, now;
	struct err e = {0};

	read_clock(&a);
	ageing_now(&now);
	memcpy(a.boot, now.boot, sizeof(a.boot));
	a.boot_ns = now.boot_ns - boot_ns;
	a.wall_ns = now.wall_ns - wall_ns;
	ageing_encode(&a, st->family, bytes);
	clock_path(path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	must(fdio_pwrite(fd, bytes, sizeof(bytes), 0, &e), &e);
}

/* How many of them a rule lets go, by a clock that is wrong by so much. */
static size_t
going(const struct retain_rule *rule, int64_t immutable_ns, int64_t wrong_ns)
{
	OWNED(retention_fini) struct retention ret = {0};
	struct retention_options opt = {.rule = rule,
	    .service = "housing",
	    .now = {now_utc().ns + wrong_ns},
	    .immutable_ns = immutable_ns};
	struct err e = {0};
	size_t count = 0;

	must(retention_judge(&ret, st, &opt, &e), &e);
	for (size_t i = 0; i < ret.list.count; i++)
		count += ret.reasons[i] == 0;
	return count;
}

static const struct retain_rule week = {.within_ns = 7 * DAY_NS};
static const struct retain_rule one = {.last = 1};

START_TEST(a_clock_that_leaps_ahead_deletes_nothing)
{
	for (uint64_t i = 0; i < 3; i++)
		(void)back_up(i);
	clocks_have_moved(HOUR_NS, 3650 * DAY_NS + HOUR_NS);
	ck_assert_uint_eq(going(&week, 0, 3650 * DAY_NS), 0);
	ck_assert_uint_eq(going(&one, 30 * DAY_NS, 3650 * DAY_NS), 0);
	/* ... nor does it when it is right again, or goes back */
	clocks_have_moved(HOUR_NS, -3650 * DAY_NS);
	ck_assert_uint_eq(going(&week, 0, 0), 0);
	ck_assert_uint_eq(going(&week, 0, -3650 * DAY_NS), 0);
	ck_assert_uint_eq(going(&one, 30 * DAY_NS, -3650 * DAY_NS), 0);
}
END_TEST

START_TEST(what_has_surely_been_there_long_enough_goes)
{
	for (uint64_t i = 0; i < 3; i++)
		(void)back_up(i);
	clocks_have_moved(6 * DAY_NS, 6 * DAY_NS);
	ck_assert_uint_eq(going(&week, 0, 6 * DAY_NS), 0);
	ck_assert_uint_eq(going(&one, 7 * DAY_NS, 6 * DAY_NS), 0);
	clocks_have_moved(2 * DAY_NS, 2 * DAY_NS);
	ck_assert_uint_eq(going(&week, 0, 8 * DAY_NS), 2);
	ck_assert_uint_eq(going(&one, 7 * DAY_NS, 8 * DAY_NS), 2);
	/* by its date it is young: so it stays */
	ck_assert_uint_eq(going(&week, 0, 0), 0);
}
END_TEST

/* The list may be lost, or be of a repository that had none. */
START_TEST(what_is_not_known_begins_to_age_when_it_is_first_seen)
{
	struct err e = {0};
	char path[100];

	for (uint64_t i = 0; i < 3; i++)
		(void)back_up(i);
	clocks_have_moved(8 * DAY_NS, 8 * DAY_NS);
	snprintf(path, sizeof(path), "%s/condemned/ages", r.path);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_uint_eq(going(&one, 7 * DAY_NS, 0), 0);
	clocks_have_moved(8 * DAY_NS, 8 * DAY_NS);
	ck_assert_uint_eq(going(&one, 7 * DAY_NS, 0), 2);
	/* A clock that begins again is no reason to hurry. */
	clock_path(path);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_uint_eq(going(&one, 7 * DAY_NS, 0), 0);
	must(ages_look(r.path, &e), &e);
	clocks_have_moved(8 * DAY_NS, 8 * DAY_NS);
	ck_assert_uint_eq(going(&one, 7 * DAY_NS, 0), 2);
}
END_TEST

static int64_t
kept_age(void)
{
	struct ageing a;

	read_clock(&a);
	return a.age_ns;
}

static ino_t
clock_inode(void)
{
	char path[100];
	struct stat sb;

	clock_path(path);
	ck_assert_int_eq(stat(path, &sb), 0);
	return sb.st_ino;
}

START_TEST(whoever_comes_by_moves_the_clock_once_a_minute)
{
	const int64_t step_ns = 61 * NS_PER_S;
	struct forget_request rq = {.service = "housing"};
	struct forget_tally t;
	struct err e = {0};
	int64_t before;
	ino_t inode;

	repo_end(&st, &se, &w);
	repo_begin(&r, &st, &se, &w);
	clocks_have_moved(step_ns, step_ns);
	before = kept_age();
	repo_end(&st, &se, &w);
	repo_begin(&r, &st, &se, &w); /* a session */
	ck_assert_int_ge(kept_age(), before + step_ns);
	clocks_have_moved(step_ns, step_ns);
	(void)back_up(1); /* a commit */
	ck_assert_int_ge(kept_age(), before + 2 * step_ns);
	clocks_have_moved(step_ns, step_ns);
	must(forget_run(st, &rq, &t, &e), &e);
	ck_assert_int_ge(kept_age(), before + 3 * step_ns);
	clocks_have_moved(step_ns, step_ns);
	must(ages_look(r.path, &e), &e); /* the daemon */
	ck_assert_int_ge(kept_age(), before + 4 * step_ns);
	inode = clock_inode();
	must(ages_look(r.path, &e), &e);
	ck_assert_uint_eq(clock_inode(), inode); /* not again so soon */
}
END_TEST

START_TEST(a_bent_list_of_ages_is_not_believed)
{
	struct age all[3] = {{{{1}}, 5}, {{{2}}, 6}, {{{3}}, 7}};
	struct ages a = {.all = all, .count = 3};
	OWNED(buf_fini) struct buf b = {.max_bytes = 1000};
	struct err e = {0};

	must(ages_encode(&b, &a, st->family, &e), &e);
	{
		OWNED(ages_fini) struct ages again = {0};

		must(ages_decode(&again, st->family, b.bytes, b.len_bytes, &e),
		    &e);
		ck_assert_uint_eq(again.count, 3);
		ck_assert_int_eq(again.all[2].since_ns, 7);
	}
	for (size_t i = 0; i < b.len_bytes; i++) {
		OWNED(ages_fini) struct ages again = {0};

		b.bytes[i] ^= 1;
		ck_assert_int_ne(ages_decode(&again, st->family, b.bytes,
				     b.len_bytes, &e),
		    ERR_NONE);
		b.bytes[i] ^= 1;
	}
	all[2].snapshot = all[1].snapshot; /* twice */
	must(ages_encode(&b, &a, st->family, &e), &e);
	{
		OWNED(ages_fini) struct ages again = {0};

		ck_assert_int_eq(ages_decode(&again, st->family, b.bytes,
				     b.len_bytes, &e),
		    ERR_CORRUPT);
	}
}
END_TEST

Suite *
suite_job_retention(void)
{
	Suite *s = suite_create("job/retention");
	TCase *tc = tcase_create("retention");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_clock_that_leaps_ahead_deletes_nothing);
	tcase_add_test(tc, what_has_surely_been_there_long_enough_goes);
	tcase_add_test(tc,
	    what_is_not_known_begins_to_age_when_it_is_first_seen);
	tcase_add_test(tc, whoever_comes_by_moves_the_clock_once_a_minute);
	tcase_add_test(tc, a_bent_list_of_ages_is_not_believed);
	suite_add_tcase(s, tc);
	return s;
}
