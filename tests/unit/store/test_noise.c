#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_noise(void);

#define FILES_COUNT 40
#define FILE_BYTES  900

static struct repo r;
static struct repo_work at;

/* What file i holds: seed 0, nothing (it is not there); is_noise: no text. */
struct written {
	uint64_t seed;
	bool is_noise;
};
static struct written files[FILES_COUNT];

static void
setup(void)
{
	repo_make(&r);
	repo_begin(&r, &at.st, &at.se, &at.w);
	for (uint64_t i = 0; i < FILES_COUNT; i++)
		files[i] = (struct written){i + 1, false};
}

static void
teardown(void)
{
	repo_work_end(&at);
	repo_remove(&r);
}

static void
fill(uint8_t bytes[FILE_BYTES], const struct written *c)
{
	if (c->is_noise) {
		repo_noise(bytes, FILE_BYTES, c->seed);
		return;
	}
	for (size_t i = 0; i < FILE_BYTES; i += 20)
		(void)snprintf((char *)bytes + i, 21, "tenant %3d owes %3d\n",
		    (int)(i / 20), (int)c->seed);
}

/* The files as they are now, as one more snapshot: its root. */
static struct id
save(void)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct snapshot s = {.service = "housing", .dataset = "files"};
	struct err e = {0};

	must(tree_writer_new(&tw, at.w, &e), &e);
	for (size_t i = 0; i < FILES_COUNT; i++) {
		OWNED(item_fini) struct item it = {0};
		uint8_t bytes[FILE_BYTES + 1];
		char path[32];

		if (files[i].seed == 0)
			continue;
		snprintf(path, sizeof(path), "f%02zu", i);
		fill(bytes, &files[i]);
		repo_file(&it, at.w, path, 1, FILE_BYTES);
		must(writer_put(at.w, STORE_DATA, bytes, FILE_BYTES, NULL, 0,
			 &it.content.pieces[0].id, &e),
		    &e);
		must(tree_writer_add(tw, &it, &e), &e);
	}
	must(tree_writer_root(tw, &s.root, &e), &e);
	s.started = s.ended = now_utc();
	must(snapshot_commit(at.se, at.w, &s, &e), &e);
	return s.root;
}

static enum noise_verdict
verdict(struct id before, struct id root, const struct id *older, size_t count)
{
	const struct noise_roots roots = {root, before, older, count};
	char text[NOISE_TEXT_BYTES];
	struct noise n;
	struct err e = {0};

	must(store_refresh(at.st, &e), &e);
	must(noise_judge(&n, at.st, &roots, &e), &e);
	ck_assert(n.verdict == NOISE_NONE || noise_text(&n, text)[0] != '\0');
	return n.verdict;
}

/* The first n files from first on get what they never had. */
static void
change(size_t first, size_t n, bool is_noise)
{
	static uint64_t seed = 1000;

	for (size_t i = first; i < first + n; i++)
		files[i] = (struct written){seed++ % 900 + 50, is_noise};
}

START_TEST(a_days_work_is_no_noise)
{
	struct id before = save(), now;

	change(0, 6, false);
	change(6, 2, true); /* and two photographs */
	now = save();
	ck_assert_int_eq(verdict(before, now, NULL, 0), NOISE_NONE);
	ck_assert_int_eq(verdict(before, before, NULL, 0), NOISE_NONE);
}
END_TEST

START_TEST(all_files_written_anew_in_words_are_no_noise)
{
	struct id before = save();

	change(0, FILES_COUNT, false);
	ck_assert_int_ne(verdict(before, save(), NULL, 0), NOISE_ENCRYPTED);
}
END_TEST

START_TEST(a_third_encrypted_is_noise)
{
	struct id before = save();

	change(5, FILES_COUNT / 3, true);
	ck_assert_int_eq(verdict(before, save(), NULL, 0), NOISE_ENCRYPTED);
}
END_TEST

START_TEST(photographs_replaced_by_photographs_are_no_noise)
{
	struct id before;

	change(0, FILES_COUNT, true);
	before = save();
	change(0, FILES_COUNT / 2, true);
	ck_assert_int_eq(verdict(before, save(), NULL, 0), NOISE_NONE);
}
END_TEST

START_TEST(nearly_all_gone_is_told)
{
	struct id before = save();

	memset(files + 4, 0, (FILES_COUNT - 4) * sizeof(files[0]));
	ck_assert_int_eq(verdict(before, save(), NULL, 0), NOISE_GONE);
}
END_TEST

START_TEST(half_gone_is_not)
{
	struct id before = save();

	memset(files + 20, 0, 20 * sizeof(files[0]));
	ck_assert_int_eq(verdict(before, save(), NULL, 0), NOISE_NONE);
}
END_TEST

START_TEST(what_an_earlier_one_was_is_going_back)
{
	struct id older[2] = {save()}, before;
	struct written then[FILES_COUNT];

	memcpy(then, files, sizeof(files));
	change(0, 12, false);
	before = save();
	memcpy(files, then, sizeof(files));
	ck_assert_int_eq(verdict(before, save(), older, 1), NOISE_BACK);
	change(39, 1, false); /* one file of this day's, the rest of then */
	ck_assert_int_eq(verdict(before, save(), older, 1), NOISE_BACK);
	ck_assert_int_eq(verdict(before, save(), NULL, 0), NOISE_NONE);
}
END_TEST

Suite *
suite_store_noise(void)
{
	Suite *s = suite_create("store/noise");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_days_work_is_no_noise);
	tcase_add_test(tc, all_files_written_anew_in_words_are_no_noise);
	tcase_add_test(tc, a_third_encrypted_is_noise);
	tcase_add_test(tc, photographs_replaced_by_photographs_are_no_noise);
	tcase_add_test(tc, nearly_all_gone_is_told);
	tcase_add_test(tc, half_gone_is_not);
	tcase_add_test(tc, what_an_earlier_one_was_is_going_back);
	suite_add_tcase(s, tc);
	return s;
}
