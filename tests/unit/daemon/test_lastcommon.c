#include "daemon/lastcommon.h"

#include <check.h>

Suite *suite_daemon_lastcommon(void);

START_TEST(the_newest_in_common_with_each_site_is_kept)
{
	struct policy_site sites[3] = {{.name = "brent"}, {.name = "southwark"},
	    {.name = "camden"}};
	struct policy p = {.sites = sites, .site_count = 3};
	struct lastcommon lc = {&p, "brent", {false}};

	ck_assert(!lastcommon_is(&lc, "brent"));
	ck_assert(!lastcommon_is(&lc, ""));
	ck_assert(!lastcommon_is(&lc, "brent southwarks south"));
	ck_assert(lastcommon_is(&lc, "brent southwark"));
	ck_assert(!lastcommon_is(&lc, "brent southwark")); /* an older one */
	ck_assert(lastcommon_is(&lc, "brent southwark camden"));
	ck_assert(!lastcommon_is(&lc, "brent camden"));
}
END_TEST

Suite *
suite_daemon_lastcommon(void)
{
	Suite *s = suite_create("daemon/lastcommon");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, the_newest_in_common_with_each_site_is_kept);
	suite_add_tcase(s, tc);
	return s;
}
