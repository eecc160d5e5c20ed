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

/* --- every state, every event ---------------------------------------------- */

static void
stand(struct authority *a, enum authority_state s, const char *owner)
{
	*a = (struct authority){.state = s};
	if (s == AUTHORITY_UNINITIALISED)
		return;
	memcpy(a->site, owner, 2);
	memcpy(a->run, "r", 2);
	a->epoch = a->highest_seen = 5;
	if (s == AUTHORITY_MOVING)
		memcpy(a->from_site, *owner == 'a' ? "b" : "a", 2);
	if (s == AUTHORITY_QUIESCED || s == AUTHORITY_SUSPENDED)
		a->resumes_to = AUTHORITY_PROTECTED;
}

/* A line an event, a column a state: where it leads ("." nowhere), at site a,
 * when a is the owner and when b is. */
static const char states[] = "-PUQMVHCS";
static const char *const leads[AUTHORITY_EVENTS][2] = {
    [AUTHORITY_GRANT] = {"P........", "P........"},
    [AUTHORITY_REPLICATION_LOST] = {".UUQ....S", ".UUQ....S"},
    [AUTHORITY_REPLICATION_BACK] = {".PPQ....S", ".PPQ....S"},
    [AUTHORITY_SUSPEND] = {".SS......", ".SS......"},
    [AUTHORITY_RESUME] = {"........P", "........P"},
    [AUTHORITY_EPOCH_SEEN] = {"-PUQMVHCS", "-PUQMVHCS"},
    [AUTHORITY_QUIESCE] = {".QQQ.Q...", "........."},
    [AUTHORITY_RESUME_WRITES] = {".PUP.V...", "........."},
    [AUTHORITY_MOVE] = {"...M.....", ".MMMMM..."},
    [AUTHORITY_PROMOTE] = {".PU.VV...", "........."},
    [AUTHORITY_COMMIT] = {".PU..U...", "........."},
    [AUTHORITY_REPROTECTED] = {".PPQ....S", "........."},
    [AUTHORITY_HOLD] = {".HHHHHH.H", ".HHHHHH.H"},
    [AUTHORITY_CONTEST] = {".CCCCCCCC", ".CCCCCCCC"},
    [AUTHORITY_RESOLVE] = {"....M.MM.", ".MMMMMMMM"},
    [AUTHORITY_ADOPT] = {"VVVVVVVVV", "VVVVVVVVV"},
    [AUTHORITY_QUARANTINE] = {"-PUQMVHCS", "-PUQMVHCS"},
    [AUTHORITY_RELEASE] = {"-PUQMVHCS", "-PUQMVHCS"},
};

START_TEST(each_event_leads_where_the_table_says_and_nowhere_else)
{
	for (unsigned o = 0; o < 2; o++)
		for (unsigned k = 0; k < AUTHORITY_EVENTS; k++)
			for (unsigned s = 0; s < AUTHORITY_STATES; s++) {
				struct authority a, peer, to;
				struct authority_event ev = {.kind = k,
				    .site = o == 1 || k == AUTHORITY_GRANT
					? "a"
					: "b",
				    .epoch = 6,
				    .here = "a",
				    .run = "r",
				    .persons = 2,
				    .peer = &peer};
				enum err_code rc;
				struct err e;

				stand(&a, s, o == 0 ? "a" : "b");
				stand(&peer, AUTHORITY_PROVISIONAL, "b");
				peer.epoch = peer.highest_seen = 6;
				rc = authority_next(&a, &ev, &to, &e);
				ck_assert_msg(rc != ERR_NONE
					? leads[k][o][s] == '.' &&
					    memcmp(&a, &to, sizeof(a)) == 0
					: leads[k][o][s] == states[to.state],
				    "owner %u, %s, %s", o,
				    authority_event_name(k),
				    authority_state_name(s));
				/* A1, A4 */
				ck_assert_uint_ge(to.epoch, a.epoch);
				ck_assert(to.epoch != a.epoch || s == 0 ||
				    strcmp(to.site, a.site) == 0);
				ck_assert(k == AUTHORITY_GRANT ||
				    k == AUTHORITY_PROMOTE ||
				    authority_is_active(&a, "a") ||
				    (k == AUTHORITY_RESUME_WRITES &&
					s == AUTHORITY_QUIESCED) ||
				    !authority_is_active(&to, "a"));
			}
}
END_TEST

START_TEST(two_people_open_what_is_held_and_one_does_not)
{
	struct authority_event resolve = {.kind = AUTHORITY_RESOLVE,
	    .site = "a",
	    .epoch = 6,
	    .here = "a"};
	struct authority_event release = {.kind = AUTHORITY_RELEASE};
	struct authority a;
	struct err e;

	for (resolve.persons = 0; resolve.persons < 2; resolve.persons++) {
		stand(&a, AUTHORITY_HELD, "a");
		ck_assert_int_eq(authority_next(&a, &resolve, &a, &e),
		    ERR_REFUSED);
	}
	resolve.epoch = 5;
	ck_assert_int_eq(authority_next(&a, &resolve, &a, &e), ERR_BUSY);
	resolve.epoch = 6;
	ck_assert_int_eq(authority_next(&a, &resolve, &a, &e), ERR_NONE);
	ck_assert(!authority_may_write(&a, "a")); /* until it promotes itself */
	stand(&a, AUTHORITY_PROTECTED, "a");
	a.quarantined = true;
	ck_assert(authority_is_active(&a, "a"));
	ck_assert(!authority_may_write(&a, "a"));
	ck_assert_int_eq(authority_may_start(&a, "a", &e), ERR_BUSY);
	ck_assert(strstr(e.text, "quarantined") != NULL);
	release.persons = 1;
	ck_assert_int_eq(authority_next(&a, &release, &a, &e), ERR_REFUSED);
	release.persons = 2;
	ck_assert_int_eq(authority_next(&a, &release, &a, &e), ERR_NONE);
	ck_assert_int_eq(authority_may_start(&a, "a", &e), ERR_NONE);
}
END_TEST

START_TEST(what_the_other_site_says_is_weighed_by_epoch_and_owner)
{
	struct authority a, peer;
	struct authority_event adopt = {.kind = AUTHORITY_ADOPT,
	    .here = "a",
	    .peer = &peer};
	struct err e;

	stand(&a, AUTHORITY_PROTECTED, "a");
	stand(&peer, AUTHORITY_PROTECTED, "a");
	peer.epoch = peer.highest_seen = 4; /* behind */
	ck_assert_int_eq(authority_hear(&a, &peer, "a"), AUTHORITY_SAME);
	stand(&peer, AUTHORITY_HELD, "a"); /* ours to say */
	ck_assert_int_eq(authority_hear(&a, &peer, "a"), AUTHORITY_SAME);
	stand(&peer, AUTHORITY_PROVISIONAL, "b"); /* one epoch, two owners */
	ck_assert_int_eq(authority_hear(&a, &peer, "a"), AUTHORITY_FREEZE);
	ck_assert_int_eq(authority_next(&a, &adopt, &a, &e), ERR_NONE);
	ck_assert_int_eq(a.state, AUTHORITY_CONTESTED);
	ck_assert_str_eq(a.site, "a");
	stand(&a, AUTHORITY_PROTECTED, "a");
	a.quarantined = true;
	peer.epoch = peer.highest_seen = 6;
	ck_assert_int_eq(authority_hear(&a, &peer, "a"), AUTHORITY_STEP_DOWN);
	ck_assert_int_eq(authority_next(&a, &adopt, &a, &e), ERR_NONE);
	ck_assert(a.state == AUTHORITY_PROVISIONAL && !a.quarantined);
	ck_assert_str_eq(a.site, "b");
	stand(&peer, AUTHORITY_UNPROTECTED, "b"); /* the owner's word */
	peer.epoch = peer.highest_seen = 6;
	ck_assert_int_eq(authority_hear(&a, &peer, "a"), AUTHORITY_FOLLOW);
	stand(&peer, AUTHORITY_UNPROTECTED, "a"); /* a resolution to us */
	peer.epoch = peer.highest_seen = 7;
	ck_assert_int_eq(authority_hear(&a, &peer, "a"), AUTHORITY_FOLLOW);
	ck_assert_int_eq(authority_next(&a, &adopt, &a, &e), ERR_NONE);
	ck_assert_int_eq(a.state, AUTHORITY_MOVING);
	peer.epoch = UINT64_MAX; /* hostile */
	ck_assert_int_eq(authority_next(&a, &adopt, &a, &e), ERR_CORRUPT);
	peer = (struct authority){0}; /* it knows nothing */
	a.quarantined = true;
	ck_assert_int_eq(authority_next(&a, &adopt, &a, &e), ERR_CORRUPT);
	ck_assert(a.quarantined);
}
END_TEST

START_TEST(a_move_at_either_end_needs_the_next_epoch_and_no_quarantine)
{
	struct authority_event move = {.kind = AUTHORITY_MOVE,
	    .here = "a",
	    .site = "b",
	    .epoch = 5,
	    .run = "r"};
	struct authority a;
	struct err e;

	stand(&a, AUTHORITY_QUIESCED, "a");
	ck_assert_int_eq(authority_next(&a, &move, &a, &e), ERR_BUSY);
	a.highest_seen = move.epoch = 6; /* somebody may own it already */
	ck_assert_int_eq(authority_next(&a, &move, &a, &e), ERR_BUSY);
	move.epoch = 7;
	a.quarantined = true;
	ck_assert_int_eq(authority_next(&a, &move, &a, &e), ERR_REFUSED);
	a.quarantined = false;
	ck_assert_int_eq(authority_next(&a, &move, &a, &e), ERR_NONE);
	ck_assert_str_eq(a.from_site, "a");
	ck_assert_int_eq(authority_next(&a, &move, &a, &e), ERR_NONE);
	stand(&a, AUTHORITY_PROTECTED, "b"); /* now at the taker */
	a.highest_seen = 6;                  /* it heard its grant */
	move.site = "a";
	move.epoch = 5;
	ck_assert_int_eq(authority_next(&a, &move, &a, &e), ERR_BUSY);
	move.epoch = 6;
	ck_assert_int_eq(authority_next(&a, &move, &a, &e), ERR_NONE);
	ck_assert(!authority_may_write(&a, "a"));
	move.kind = AUTHORITY_PROMOTE;
	ck_assert_int_eq(authority_next(&a, &move, &a, &e), ERR_NONE);
	ck_assert(authority_may_write(&a, "a"));
	stand(&a, AUTHORITY_QUIESCED, "a");
	move.kind = AUTHORITY_RESUME_WRITES;
	move.run = "other";
	ck_assert_int_eq(authority_next(&a, &move, &a, &e), ERR_REFUSED);
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
	tcase_add_test(tc,
	    each_event_leads_where_the_table_says_and_nowhere_else);
	tcase_add_test(tc, two_people_open_what_is_held_and_one_does_not);
	tcase_add_test(tc,
	    what_the_other_site_says_is_weighed_by_epoch_and_owner);
	tcase_add_test(tc,
	    a_move_at_either_end_needs_the_next_epoch_and_no_quarantine);
	suite_add_tcase(s, tc);
	return s;
}
