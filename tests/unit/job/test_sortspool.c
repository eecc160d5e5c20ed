#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/path.h>

#include "../lib/job/sortspool.h"
#include "support/items.h"
#include "support/must.h"

Suite *suite_job_sortspool(void);

#define COUNT 3000

/* Each path twice; the value says which time. */
static void
fill(struct sortspool *s, char **paths)
{
	struct err e = {0};

	for (uint32_t n = 0; n < 2 * COUNT; n++) {
		/* 1999 and 3000 have no divisor in common: all are met. */
		char *path = paths[n * 1999 % COUNT];
		struct sortspool_record r = {path, strlen(path),
		    (const uint8_t *)&n, sizeof n};

		must(sortspool_add(s, &r, &e), &e);
	}
}

static void
expect(struct sortspool *s, char **paths)
{
	struct sortspool_record r;
	uint32_t value[2];
	struct err e = {0};
	bool more;

	must(sortspool_begin(s, &e), &e);
	for (size_t i = 0; i < COUNT; i++) {
		for (size_t k = 0; k < 2; k++) {
			must(sortspool_next(s, &r, &more, &e), &e);
			ck_assert(more);
			ck_assert_uint_eq(r.path_bytes, strlen(paths[i]));
			ck_assert(memcmp(r.path, paths[i], r.path_bytes) == 0);
			memcpy(&value[k], r.value, sizeof value[k]);
		}
		ck_assert_uint_lt(value[0], value[1]);
	}
	must(sortspool_next(s, &r, &more, &e), &e);
	ck_assert(!more);
}

START_TEST(records_come_by_path_and_then_as_they_were_put)
{
	/* All in memory; a few runs; many. */
	static const size_t memory[] = {0, 100000, 4000};
	struct items_random rand = {1};
	char **paths = items_paths(COUNT, &rand);
	struct err e = {0};

	for (size_t i = 0; i < COUNT_OF(memory); i++) {
		OWNED(sortspool_free) struct sortspool *s = NULL;

		must(sortspool_new(&s, memory[i], &e), &e);
		fill(s, paths);
		expect(s, paths);
		expect(s, paths);
	}
	items_paths_free(paths, COUNT);
}
END_TEST

START_TEST(nothing_put_is_nothing_given)
{
	OWNED(sortspool_free) struct sortspool *s = NULL;
	struct sortspool_record r;
	struct err e = {0};
	bool more = true;

	must(sortspool_new(&s, 0, &e), &e);
	must(sortspool_begin(s, &e), &e);
	must(sortspool_next(s, &r, &more, &e), &e);
	ck_assert(!more);
}
END_TEST

Suite *
suite_job_sortspool(void)
{
	Suite *s = suite_create("job/sortspool");
	TCase *t = tcase_create("sortspool");

	tcase_add_test(t, records_come_by_path_and_then_as_they_were_put);
	tcase_add_test(t, nothing_put_is_nothing_given);
	suite_add_tcase(s, t);
	return s;
}
