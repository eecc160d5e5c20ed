#include <check.h>
#include <errno.h>
#include <string.h>

#include <bascule/base/linkmap.h>

#include "support/fault.h"

Suite *suite_base_linkmap(void);

#define COUNT 5000

/* Groups that only the last bytes tell apart, as somebody may forge them. */
static void
group_of(uint64_t n, uint8_t out[ENTRY_LINK_BYTES])
{
	memset(out, 0, ENTRY_LINK_BYTES);
	memcpy(out + 8, &n, sizeof n);
}

START_TEST(a_group_is_counted_and_has_a_first)
{
	OWNED(linkmap_fini) struct linkmap m = {0};
	uint8_t group[ENTRY_LINK_BYTES];
	struct err e = {0};
	uint64_t first;

	group_of(0, group);
	ck_assert_ptr_null(linkmap_find(&m, group));
	for (uint64_t n = 0; n < 2 * COUNT; n++) {
		group_of(n % COUNT, group);
		ck_assert_int_eq(linkmap_add(&m, group, n, &first, &e), 0);
		ck_assert_uint_eq(first, n % COUNT);
	}
	ck_assert_uint_eq(m.count, COUNT);
	for (uint64_t n = 0; n < COUNT; n++) {
		group_of(n, group);
		ck_assert_uint_eq(linkmap_find(&m, group)->first, n);
		ck_assert_uint_eq(linkmap_find(&m, group)->count, 2);
	}
	group_of(COUNT, group);
	ck_assert_ptr_null(linkmap_find(&m, group));
}
END_TEST

START_TEST(without_memory_what_was_there_stays)
{
	OWNED(linkmap_fini) struct linkmap m = {0};
	uint8_t group[ENTRY_LINK_BYTES];
	struct err e = {0};
	uint64_t first, failed = 0;

	for (uint64_t n = 0; n < 1000; n++) {
		enum err_code rc;

		group_of(n, group);
		fault_arm(1, ENOMEM);
		rc = linkmap_add(&m, group, n, &first, &e);
		if (fault_fired()) {
			failed++;
			ck_assert_int_eq(rc, ERR_NOMEM);
			ck_assert_ptr_null(linkmap_find(&m, group));
			rc = linkmap_add(&m, group, n, &first, &e);
		}
		ck_assert_int_eq(rc, ERR_NONE);
	}
	ck_assert_uint_gt(failed, 2);
	for (uint64_t n = 0; n < 1000; n++) {
		group_of(n, group);
		ck_assert_uint_eq(linkmap_find(&m, group)->first, n);
	}
}
END_TEST

Suite *
suite_base_linkmap(void)
{
	Suite *s = suite_create("base/linkmap");
	TCase *t = tcase_create("linkmap");

	tcase_add_test(t, a_group_is_counted_and_has_a_first);
	tcase_add_test(t, without_memory_what_was_there_stays);
	suite_add_tcase(s, t);
	return s;
}
