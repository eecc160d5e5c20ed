#include "../../../lib/replicate/brake.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "support/tmpdir.h"

static struct tmpdir tmp;
static struct err e;

static void
setup(void)
{
	static const char *const dirs[] = {"packs", "packs/ab", "packs/cd",
	    "incoming", "snapshots", "snapshots/files", "index"};

	tmpdir_make(&tmp);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", tmp.path, dirs[i]);
		ck_assert_int_eq(mkdir(path, 0700), 0);
	}
	tmpdir_put(&tmp, "packs/ab/1", "1234567890");
	tmpdir_put(&tmp, "packs/cd/2", "1234567890");
	tmpdir_put(&tmp, "incoming/3", "12345");
	tmpdir_put(&tmp, "snapshots/files/4", "123");
	tmpdir_put(&tmp, "index/5", "1234567890");
	memset(&e, 0, sizeof(e));
}

static void
teardown(void)
{
	tmpdir_remove(&tmp);
}

START_TEST(a_quota_is_of_what_is_there_and_what_comes)
{
	struct brake b = {.path = tmp.path, .quota_bytes = 40};

	ck_assert_int_eq(brake_take(&b, 12, &e), ERR_NONE);
	ck_assert_uint_eq(b.used_bytes, 40);
	ck_assert_int_eq(brake_take(&b, 0, &e), ERR_NONE);
	ck_assert_int_eq(brake_take(&b, 1, &e), ERR_NOSPACE);
	ck_assert_ptr_nonnull(
	    strstr(e.text, "its quota of 40 B is used up: it has 40 B"));
	ck_assert_int_eq(brake_take(&b, UINT64_MAX, &e), ERR_NOSPACE);
	brake_measure(&b); /* the 12 were refused in the end */
	ck_assert_int_eq(brake_take(&b, 12, &e), ERR_NONE);
	tmpdir_put(&tmp, "packs/ab/6", "of another session");
	brake_measure(&b);
	ck_assert_uint_eq(b.used_bytes, 46);
	ck_assert_int_eq(brake_take(&b, 0, &e), ERR_NOSPACE);
}
END_TEST

START_TEST(without_a_quota_nothing_is_measured)
{
	struct brake b = {.path = "/nowhere"};

	ck_assert_int_eq(brake_take(&b, UINT64_MAX, &e), ERR_NONE);
	brake_measure(&b);
	ck_assert_uint_eq(b.used_bytes, 0);
	b.quota_bytes = 10; /* nothing there yet */
	ck_assert_int_eq(brake_take(&b, 10, &e), ERR_NONE);
}
END_TEST

static size_t asked_most;

static enum err_code
gives(void *ctx, void *bytes, size_t max_bytes, size_t *got, struct err *why)
{
	(void)ctx;
	(void)why;
	asked_most = max_bytes;
	memset(bytes, 0, max_bytes);
	*got = max_bytes;
	return ERR_NONE;
}

START_TEST(a_rate_is_not_exceeded)
{
	static uint8_t bytes[1 << 20];
	const struct transport inner = {gives, NULL, NULL};
	struct brake_reader r = {.inner = &inner, .bytes_per_s = 1000000};
	struct transport t;
	struct mono began = now_mono();
	size_t got, sum = 0;

	brake_slow(&t, &r);
	while (sum < 200000) {
		ck_assert_int_eq(t.read(t.ctx, bytes, sizeof(bytes), &got, &e),
		    ERR_NONE);
		ck_assert_uint_le(got, 250000);
		sum += got;
	}
	/* The next one has to wait for what this one took. */
	ck_assert_int_eq(t.read(t.ctx, bytes, 1, &got, &e), ERR_NONE);
	ck_assert_uint_eq(asked_most, 1);
	ck_assert_int_ge(now_mono().ns - began.ns, 140 * NS_PER_MS);
}
END_TEST

START_TEST(who_waits_hears_a_cancel)
{
	static uint8_t bytes[4096];
	const struct transport inner = {gives, NULL, NULL};
	volatile sig_atomic_t cancel = 0;
	struct brake_reader r = {.inner = &inner,
	    .bytes_per_s = 1,
	    .cancel = &cancel};
	struct transport t;
	size_t got;

	brake_slow(&t, &r);
	ck_assert_int_eq(t.read(t.ctx, bytes, sizeof(bytes), &got, &e),
	    ERR_NONE);
	cancel = 1; /* a quarter of an hour would pass now */
	ck_assert_int_eq(t.read(t.ctx, bytes, sizeof(bytes), &got, &e),
	    ERR_CANCELLED);
	ck_assert_uint_eq(got, 0);
}
END_TEST

Suite *suite_replicate_brake(void);

Suite *
suite_replicate_brake(void)
{
	Suite *s = suite_create("replicate/brake");
	TCase *t = tcase_create("brake");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_quota_is_of_what_is_there_and_what_comes);
	tcase_add_test(t, without_a_quota_nothing_is_measured);
	tcase_add_test(t, a_rate_is_not_exceeded);
	tcase_add_test(t, who_waits_hears_a_cancel);
	suite_add_tcase(s, t);
	return s;
}
