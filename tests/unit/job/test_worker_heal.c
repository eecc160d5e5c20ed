#include "../../../lib/job/worker.h"

#include <check.h>
#include <string.h>

#include <bascule/store.h>

START_TEST(all_is_well_only_when_nothing_damaged_and_nothing_lacking_is_left)
{
	static const struct {
		uint64_t found_count, healed_count, lost_count;
		const char *says;
	} ends[] = {{0, 0, 0, NULL}, {3, 3, 0, NULL},
	    {3, 2, 0, "1 of 3 damaged things"}, {0, 0, 2, "2 snapshots"},
	    {3, 3, 1, "1 snapshots"}, {3, 0, 1, "1 snapshots"}};
	struct heal_tally t = {.found_count = ends[_i].found_count,
	    .healed_count = ends[_i].healed_count,
	    .lost_count = ends[_i].lost_count,
	    .fetched_count = 7};
	struct err e = {0};
	enum err_code rc = worker_heal_judge(&t, &e);

	ck_assert_int_eq(rc, ends[_i].says == NULL ? ERR_NONE : ERR_CORRUPT);
	if (ends[_i].says != NULL)
		ck_assert_ptr_eq(strstr(e.text, ends[_i].says), e.text);
}
END_TEST

Suite *suite_job_worker_heal(void);

Suite *
suite_job_worker_heal(void)
{
	Suite *s = suite_create("job/worker_heal");
	TCase *tc = tcase_create("core");

	tcase_add_loop_test(tc,
	    all_is_well_only_when_nothing_damaged_and_nothing_lacking_is_left,
	    0, 6);
	suite_add_tcase(s, tc);
	return s;
}
