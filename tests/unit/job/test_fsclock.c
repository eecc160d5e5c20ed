#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>

#include "../lib/job/fsclock.h"
#include "../lib/source/source_impl.h"
#include "support/fault.h"

Suite *suite_job_fsclock(void);

/* Devices above 100 are remote. */
static bool
scripted_is_remote(const struct source_item *item)
{
	return item->dev > 100;
}

static const struct source_ops remote_ops = {.is_remote = scripted_is_remote};
static const struct source_ops local_ops = {.is_remote = NULL};
static struct source source = {&remote_ops}, local = {&local_ops};

static struct source_item
at(uint64_t dev, int64_t ctime_s)
{
	return (struct source_item){.kind = SOURCE_ENTRY,
	    .dev = dev,
	    .ctime_s = ctime_s,
	    .source = &source};
}

static void
see(struct fsclock *fc, uint64_t dev, int64_t ctime_s)
{
	struct source_item item = at(dev, ctime_s);

	fsclock_see(fc, &item);
}

static int64_t
now_s(const struct fsclock *fc, uint64_t dev)
{
	struct source_item item = at(dev, 0);

	return fsclock_now_s(fc, &item);
}

START_TEST(a_remote_clock_is_as_late_as_what_it_stamped)
{
	struct fsclock fc = {.count = 0};

	see(&fc, 101, 1000);
	ck_assert_int_eq(now_s(&fc, 101), 1000);
	see(&fc, 101, 3000);
	see(&fc, 101, 2000);
	see(&fc, 102, 9000); /* another's */
	ck_assert_int_eq(now_s(&fc, 101), 3000);
	ck_assert_int_eq(now_s(&fc, 102), 9000);
}
END_TEST

START_TEST(a_local_clock_is_ours)
{
	struct fsclock fc = {.count = 0};
	struct source_item item = at(500, 1000);
	const int64_t before_s = now_utc().ns / NS_PER_S;

	see(&fc, 1, 1000);
	item.source = &local;
	fsclock_see(&fc, &item);
	ck_assert_int_ge(now_s(&fc, 1), before_s);
	ck_assert_int_ge(now_s(&fc, 500), before_s);
}
END_TEST

START_TEST(of_too_many_nothing_is_known)
{
	struct fsclock fc = {.count = 0};

	for (uint64_t dev = 1; dev <= FSCLOCK_MAX; dev++)
		see(&fc, dev, 1);
	ck_assert_int_eq(now_s(&fc, 200), FSCLOCK_UNKNOWN);
	see(&fc, 200, 1);
	ck_assert_int_eq(now_s(&fc, 200), FSCLOCK_UNKNOWN);
}
END_TEST

START_TEST(what_lies_behind_a_network_is_told_by_its_kind)
{
	OWNED(fdio_close) int fd = open("/", O_PATH | O_CLOEXEC);

	ck_assert(!fdio_is_remote(fd));
	fault_remote(true, 0);
	ck_assert(fdio_is_remote(fd));
	fault_remote(false, 0);
}
END_TEST

Suite *
suite_job_fsclock(void)
{
	Suite *s = suite_create("job/fsclock");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, a_remote_clock_is_as_late_as_what_it_stamped);
	tcase_add_test(tc, a_local_clock_is_ours);
	tcase_add_test(tc, of_too_many_nothing_is_known);
	tcase_add_test(tc, what_lies_behind_a_network_is_told_by_its_kind);
	suite_add_tcase(s, tc);
	return s;
}
