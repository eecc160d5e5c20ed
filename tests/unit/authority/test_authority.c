#include <bascule/authority.h>

#include <check.h>
#include <string.h>

static enum err_code
feed(struct authority *a, enum authority_event_kind kind, const char *site,
    uint64_t epoch)
{
	struct authority_event ev = {.kind = kind,
	    .site = site,
	    .epoch = epoch};
	struct err e = {0};

	return authority_next(a, &ev, a, &e);
}

START_TEST(the_first_grant_protects_and_no_second_one_follows)
{
	struct authority a = {0};

	ck_assert(!authority_may_write(&a, "brent"));
	ck_assert_int_eq(feed(&a, AUTHORITY_GRANT, "", 1), ERR_INPUT);
	ck_assert_int_eq(feed(&a, AUTHORITY_GRANT, "brent", 0), ERR_BUSY);
	ck_assert_int_eq(feed(&a, AUTHORITY_GRANT, "brent", 1), ERR_NONE);
	ck_assert_int_eq(a.state, AUTHORITY_PROTECTED);
	ck_assert(authority_may_write(&a, "brent"));
	ck_assert(!authority_may_write(&a, "southwark"));
	ck_assert_int_eq(feed(&a, AUTHORITY_GRANT, "southwark", 2),
	    ERR_REFUSED);
	ck_assert_str_eq(a.site, "brent");
}
END_TEST

START_TEST(lost_replication_unprotects_also_behind_a_suspension)
{
	struct authority a = {0};

	ck_assert_int_eq(feed(&a, AUTHORITY_REPLICATION_LOST, NULL, 0),
	    ERR_REFUSED);
	ck_assert_int_eq(feed(&a, AUTHORITY_GRANT, "brent", 1), ERR_NONE);
	ck_assert_int_eq(feed(&a, AUTHORITY_REPLICATION_LOST, NULL, 0),
	    ERR_NONE);
	ck_assert_int_eq(a.state, AUTHORITY_UNPROTECTED);
	ck_assert(authority_may_write(&a, "brent"));
	ck_assert_int_eq(feed(&a, AUTHORITY_SUSPEND, NULL, 0), ERR_NONE);
	ck_assert_int_eq(feed(&a, AUTHORITY_SUSPEND, NULL, 0), ERR_REFUSED);
	ck_assert(authority_may_write(&a, "brent"));
	ck_assert_int_eq(feed(&a, AUTHORITY_REPLICATION_BACK, NULL, 0),
	    ERR_NONE);
	ck_assert_int_eq(a.state, AUTHORITY_SUSPENDED);
	ck_assert_int_eq(feed(&a, AUTHORITY_RESUME, NULL, 0), ERR_NONE);
	ck_assert_int_eq(a.state, AUTHORITY_PROTECTED);
	ck_assert_int_eq(feed(&a, AUTHORITY_RESUME, NULL, 0), ERR_REFUSED);
}
END_TEST

START_TEST(a_higher_epoch_fences_what_is_older)
{
	struct authority a = {0};
	struct err e = {0};

	ck_assert_int_eq(feed(&a, AUTHORITY_GRANT, "brent", 7), ERR_NONE);
	ck_assert_int_eq(authority_admit(&a, 7, &e), ERR_NONE);
	ck_assert_int_eq(authority_admit(&a, 6, &e), ERR_BUSY);
	ck_assert(strstr(e.text, "epoch 6 is fenced") != NULL);
	ck_assert_int_eq(feed(&a, AUTHORITY_EPOCH_SEEN, NULL, 8), ERR_NONE);
	ck_assert_int_eq(authority_admit(&a, 7, &e), ERR_BUSY);
	ck_assert(!authority_may_write(&a, "brent")); /* someone moved on */
	ck_assert_int_eq(feed(&a, AUTHORITY_EPOCH_SEEN, NULL, 3), ERR_NONE);
	ck_assert_uint_eq(a.highest_seen, 8);
}
END_TEST

START_TEST(what_was_recorded_is_taken_up_again_and_nothing_impossible)
{
	struct authority a = {0}, bad;
	struct authority one = {.state = AUTHORITY_PROTECTED,
	    .site = "brent",
	    .epoch = 3,
	    .highest_seen = 5};
	struct err e = {0};

	ck_assert_int_eq(authority_recall(&a, &one, &e), ERR_NONE);
	ck_assert_int_eq(memcmp(&a, &one, sizeof(a)), 0);
	ck_assert_int_eq(authority_recall(&a, &one, &e), ERR_NONE);
	bad = one;
	bad.epoch = 2;
	ck_assert_int_eq(authority_recall(&a, &bad, &e), ERR_CORRUPT);
	bad = one;
	bad.highest_seen = 4;
	ck_assert_int_eq(authority_recall(&a, &bad, &e), ERR_CORRUPT);
	bad = one;
	memcpy(bad.site, "other", 6);
	ck_assert_int_eq(authority_recall(&a, &bad, &e), ERR_CORRUPT);
	ck_assert(strstr(e.text, "two owners") != NULL);
	bad = one;
	bad.site[0] = '\0';
	bad.epoch = bad.highest_seen = 9;
	ck_assert_int_eq(authority_recall(&a, &bad, &e), ERR_CORRUPT);
	bad = one;
	bad.state = AUTHORITY_UNINITIALISED;
	ck_assert_int_eq(authority_recall(&a, &bad, &e), ERR_CORRUPT);
	bad = one;
	bad.state = AUTHORITY_SUSPENDED; /* and to what? */
	ck_assert_int_eq(authority_recall(&a, &bad, &e), ERR_CORRUPT);
	ck_assert_int_eq(memcmp(&a, &one, sizeof(a)), 0);
	bad.resumes_to = AUTHORITY_UNPROTECTED;
	ck_assert_int_eq(authority_recall(&a, &bad, &e), ERR_NONE);
	ck_assert_int_eq(feed(&a, AUTHORITY_RESUME, NULL, 0), ERR_NONE);
	ck_assert_int_eq(a.state, AUTHORITY_UNPROTECTED);
}
END_TEST

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

START_TEST(the_epoch_never_falls_and_one_site_at_most_writes)
{
	static const char *const sites[] = {"brent", "southwark", NULL};
	uint32_t seed = 7;

	for (int round = 0; round < 2000; round++) {
		struct authority a = {0};

		for (int i = 0; i < 50; i++) {
			struct authority before = a;
			struct authority_event ev =
			    {.kind = (enum authority_event_kind)(
				 next_random(&seed) % 6),
				.site = sites[next_random(&seed) % 3],
				.epoch = next_random(&seed) % 6};
			struct err e = {0};

			if (authority_next(&a, &ev, &a, &e) != ERR_NONE) {
				ck_assert_int_eq(memcmp(&a, &before, sizeof(a)),
				    0);
				ck_assert_int_ne(e.text[0], 0);
			}
			ck_assert_uint_ge(a.epoch, before.epoch);
			ck_assert_uint_ge(a.highest_seen, before.highest_seen);
			ck_assert_uint_ge(a.highest_seen, a.epoch);
			ck_assert(!authority_may_write(&a, "brent") ||
			    !authority_may_write(&a, "southwark"));
			if (before.site[0] != '\0')
				ck_assert_str_eq(a.site, before.site);
		}
	}
}
END_TEST

START_TEST(states_have_names)
{
	for (unsigned s = 0; s < AUTHORITY_STATES; s++) {
		enum authority_state found;

		ck_assert(authority_state_find(authority_state_name(
						   (enum authority_state)s),
		    &found));
		ck_assert_uint_eq(found, s);
	}
	ck_assert(!authority_state_find("ACTIVE",
	    &(enum authority_state){AUTHORITY_HELD}));
}
END_TEST

Suite *suite_authority_authority(void);

Suite *
suite_authority_authority(void)
{
	Suite *s = suite_create("authority/authority");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, the_first_grant_protects_and_no_second_one_follows);
	tcase_add_test(tc,
	    lost_replication_unprotects_also_behind_a_suspension);
	tcase_add_test(tc, a_higher_epoch_fences_what_is_older);
	tcase_add_test(tc,
	    what_was_recorded_is_taken_up_again_and_nothing_impossible);
	tcase_add_test(tc, the_epoch_never_falls_and_one_site_at_most_writes);
	tcase_add_test(tc, states_have_names);
	suite_add_tcase(s, tc);
	return s;
}
