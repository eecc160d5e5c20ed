#include "daemon/chooser.h"

#include <check.h>
#include <string.h>

/* --- by hand --------------------------------------------------------------- */

static struct chooser c;
static struct chooser_action did[CHOOSER_ACTIONS_MAX];
static size_t did_count;
static struct chooser_now at;

/* virgin (0) before bt (1), both to site 7. */
static void
two_links(void)
{
	memset(&c, 0, sizeof(c));
	c.link_count = 2;
	for (size_t i = 0; i < 2; i++) {
		c.links[i].site = 7;
		c.links[i].preference = (uint32_t)i + 1;
		c.links[i].rule = (struct linkstate_rule){3, 5};
	}
	at = (struct chooser_now){{NS_PER_S}, {NS_PER_S}};
	did_count = 0;
}

static void
pass(int64_t ns)
{
	at.utc.ns += ns;
	at.mono.ns += ns;
}

static void
tell(struct chooser_event ev)
{
	did_count = chooser_next(&c, &ev, at, did);
}

static void
probe(size_t link, bool answered)
{
	pass(NS_PER_S);
	tell((struct chooser_event){.what = CHOOSER_PROBED,
	    .link = link,
	    .answered = answered,
	    .round_trip_ns = 20 * NS_PER_MS});
}

static void
begin(uint64_t user)
{
	tell((struct chooser_event){.what = CHOOSER_BEGAN,
	    .user = user,
	    .site = 7,
	    .link = CHOOSER_NONE});
}

static void
moved(uint64_t user, size_t link, uint64_t bytes)
{
	tell((struct chooser_event){.what = CHOOSER_MOVED,
	    .user = user,
	    .link = link,
	    .bytes = bytes});
}

static void
broke(uint64_t user, size_t link)
{
	tell((struct chooser_event){.what = CHOOSER_BROKE,
	    .user = user,
	    .link = link});
}

static void
says(enum chooser_verb verb, uint64_t user, size_t link)
{
	for (size_t i = 0; i < did_count; i++)
		if (did[i].verb == verb && did[i].user == user &&
		    did[i].link == link)
			return;
	ck_abort_msg("it did not say %d for user %d, link %d", (int)verb,
	    (int)user, (int)link);
}

static void
both_up(void)
{
	two_links();
	probe(0, true);
	probe(1, true);
}

START_TEST(the_preferred_link_carries_what_begins)
{
	both_up();
	begin(1);
	says(CHOOSER_USE, 1, 0);
}
END_TEST

START_TEST(a_transfer_that_breaks_goes_on_at_once_on_the_other)
{
	both_up();
	begin(1);
	broke(1, 0);
	says(CHOOSER_USE, 1, 1);
}
END_TEST

START_TEST(it_moves_back_only_after_up_after_answers_in_a_row)
{
	both_up();
	begin(1);
	broke(1, 0);
	for (int i = 0; i < 4; i++) {
		probe(0, true);
		ck_assert_uint_eq(did_count, 0);
	}
	probe(0, false); /* from the beginning */
	for (int i = 0; i < 4; i++) {
		probe(0, true);
		ck_assert_uint_eq(did_count, 0);
	}
	probe(0, true);
	says(CHOOSER_USE, 1, 0);
}
END_TEST

START_TEST(a_link_that_goes_down_is_left_and_with_no_other_one_waits)
{
	both_up();
	begin(1);
	for (int i = 0; i < 3; i++)
		probe(0, false);
	says(CHOOSER_CHANGED, 0, 0);
	says(CHOOSER_USE, 1, 1);
	for (int i = 0; i < 3; i++)
		probe(1, false);
	says(CHOOSER_WAIT, 1, CHOOSER_NONE);
	ck_assert_uint_eq(c.user_count, 0);
	begin(1);
	says(CHOOSER_WAIT, 1, CHOOSER_NONE);
}
END_TEST

START_TEST(cuts_on_alternating_links_never_end_it_while_bytes_move)
{
	both_up();
	begin(1);
	for (size_t i = 0; i < 100; i++) {
		moved(1, i % 2, 1000);
		broke(1, i % 2);
		says(CHOOSER_USE, 1, (i + 1) % 2);
	}
}
END_TEST

START_TEST(one_that_gets_nowhere_on_any_link_gives_up)
{
	both_up();
	begin(1);
	broke(1, 0);
	broke(1, 1);
	says(CHOOSER_GIVE_UP, 1, CHOOSER_NONE);
	/* The next attempt tries that which has had longer to recover. */
	begin(1);
	says(CHOOSER_USE, 1, 0);
}
END_TEST

START_TEST(a_full_link_is_not_a_dead_one)
{
	both_up();
	begin(1);
	for (int i = 0; i < 20; i++) {
		moved(1, 0, 1 << 20);
		probe(0, false);
		ck_assert_uint_eq(did_count, 0);
	}
	pass(CHOOSER_MOVED_NS); /* now nothing moves */
	for (int i = 0; i < 3; i++)
		probe(0, false);
	ck_assert_int_eq(c.links[0].state.is, LINKSTATE_DOWN);
	says(CHOOSER_USE, 1, 1);
}
END_TEST

START_TEST(word_of_a_link_it_has_left_already_moves_nobody)
{
	both_up();
	begin(1);
	for (int i = 0; i < 3; i++)
		probe(0, false);
	says(CHOOSER_USE, 1, 1);
	broke(1, 0);
	ck_assert_uint_eq(did_count, 0);
	ck_assert(c.links[0].is_barred);
}
END_TEST

START_TEST(what_works_on_a_barred_link_stays_there)
{
	both_up();
	begin(1);
	begin(2);
	broke(1, 0);
	ck_assert_uint_eq(did_count, 1);
	ck_assert_uint_eq(chooser_user(&c, 2)->link, 0);
	begin(3);
	says(CHOOSER_USE, 3, 1);
}
END_TEST

START_TEST(throughput_and_round_trip_are_smoothed_and_dated)
{
	both_up();
	begin(1);
	for (int i = 0; i < 400; i++) {
		moved(1, 0, 1000000);
		pass(NS_PER_S / 4);
	}
	ck_assert_uint_gt(c.links[0].bytes_per_s.value, 3900000);
	ck_assert_uint_lt(c.links[0].bytes_per_s.value, 4100000);
	ck_assert(at.utc.ns - c.links[0].bytes_per_s.at.ns < 2 * NS_PER_S);
	pass(3600 * NS_PER_S); /* an idle hour is no slow hour */
	moved(1, 0, 1000000);
	for (int i = 0; i < 20; i++) { /* nor is one who has little to say */
		pass(NS_PER_S);
		moved(1, 0, 1000);
	}
	ck_assert_uint_gt(c.links[0].bytes_per_s.value, 3900000);
	ck_assert_uint_eq(c.links[0].round_trip_ns.value,
	    (uint64_t)(20 * NS_PER_MS));
	ck_assert(c.links[1].bytes_per_s.at.ns == 0);
}
END_TEST

START_TEST(a_site_without_links_is_reached_directly)
{
	two_links();
	c.links[1] = (struct chooser_link){.site = 8, .is_unprobed = true};
	tell((struct chooser_event){.what = CHOOSER_BEGAN,
	    .user = 1,
	    .site = 8,
	    .link = CHOOSER_NONE});
	says(CHOOSER_USE, 1, 1);
	broke(1, 1);
	says(CHOOSER_GIVE_UP, 1, CHOOSER_NONE);
	tell((struct chooser_event){.what = CHOOSER_BEGAN,
	    .user = 1,
	    .site = 8,
	    .link = CHOOSER_NONE});
	says(CHOOSER_USE, 1, 1);
}
END_TEST

/* --- generated histories ------------------------------------------------------ */

#define HISTORIES 300
#define EVENTS    400
#define USERS     6

/* What the test knows by itself. */
struct shadow {
	uint64_t seed;
	size_t on[USERS]; /* the link a user was told to use */
	size_t sites[USERS];
	uint32_t answers[8]; /* in a row, by link, since it broke a user */
};

static uint32_t
chance(struct shadow *s, uint32_t below)
{
	s->seed = s->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(s->seed >> 33) % below;
}

static void
some_links(struct shadow *s)
{
	memset(&c, 0, sizeof(c));
	c.link_count = 1 + chance(s, 5);
	for (size_t i = 0; i < c.link_count; i++) {
		c.links[i].site = chance(s, 2);
		c.links[i].preference = 1 + chance(s, 3);
		c.links[i].rule =
		    (struct linkstate_rule){1 + chance(s, 3), 1 + chance(s, 5)};
		c.links[i].is_unprobed = chance(s, 10) == 0;
	}
	at = (struct chooser_now){{NS_PER_S}, {NS_PER_S}};
}

static struct chooser_event
some_event(struct shadow *s)
{
	struct chooser_event ev = {.link = chance(s, (uint32_t)c.link_count),
	    .user = chance(s, USERS)};

	switch (chance(s, 8)) {
	case 0:
		ev.what = CHOOSER_BEGAN;
		ev.site = chance(s, 2);
		ev.link = CHOOSER_NONE;
		if (s->on[ev.user] == CHOOSER_NONE)
			s->sites[ev.user] = ev.site;
		break;
	case 1: ev.what = CHOOSER_ENDED; break;
	case 2:
		ev.what = CHOOSER_BROKE;
		if (s->on[ev.user] != CHOOSER_NONE && chance(s, 4) > 0)
			ev.link = s->on[ev.user];
		break;
	case 3:
	case 4:
		ev.what = CHOOSER_MOVED;
		ev.bytes = chance(s, 3) * 1000;
		if (s->on[ev.user] != CHOOSER_NONE)
			ev.link = s->on[ev.user];
		break;
	default:
		ev.what = CHOOSER_PROBED;
		ev.answered = chance(s, 3) > 0;
		ev.round_trip_ns = chance(s, 1000000);
	}
	return ev;
}

/* CH4 and CH3: it stood up_after answers before anybody moved back to it. */
static void
follow(struct shadow *s, const struct chooser_event *ev,
    const struct chooser *before)
{
	const struct chooser_user *known = chooser_user(before, ev->user);

	if (ev->what == CHOOSER_PROBED)
		s->answers[ev->link] =
		    ev->answered ? s->answers[ev->link] + 1 : 0;
	if (ev->what == CHOOSER_BROKE && known != NULL)
		s->answers[ev->link] = 0;
	if (ev->what == CHOOSER_ENDED)
		s->on[ev->user] = CHOOSER_NONE;
	for (size_t i = 0; i < did_count; i++) {
		const struct chooser_action *a = &did[i];

		if (a->verb == CHOOSER_CHANGED) {
			continue;
		}
		if (a->verb != CHOOSER_USE) {
			s->on[a->user] = CHOOSER_NONE;
			continue;
		}
		ck_assert(chooser_is_up(&c.links[a->link])); /* CH1 */
		ck_assert_uint_eq(c.links[a->link].site, s->sites[a->user]);
		ck_assert_uint_ne(a->link, s->on[a->user]);
		if (s->on[a->user] != CHOOSER_NONE &&
		    chooser_is_up(&c.links[s->on[a->user]]) &&
		    ev->what == CHOOSER_PROBED)
			ck_assert_uint_ge(s->answers[a->link], 1);
		s->on[a->user] = a->link;
	}
	for (size_t i = 0; i < c.link_count; i++)
		if (before->links[i].is_barred && !c.links[i].is_barred) {
			ck_assert_uint_ge(s->answers[i],
			    c.links[i].rule.up_after_count);
		}
}

static void
holds(const struct shadow *s)
{
	size_t users = 0;

	for (uint64_t u = 0; u < USERS; u++) {
		const struct chooser_user *it = chooser_user(&c, u);

		ck_assert((it != NULL) == (s->on[u] != CHOOSER_NONE));
		if (it == NULL)
			continue;
		users++;
		ck_assert_uint_eq(it->link, s->on[u]);
		ck_assert(chooser_is_up(&c.links[it->link])); /* CH2 */
		for (size_t i = 0; i < c.link_count; i++)     /* CH3 */
			ck_assert(c.links[i].site != it->site ||
			    !chooser_is_up(&c.links[i]) ||
			    c.links[i].is_barred || (it->tried >> i & 1) != 0 ||
			    c.links[i].preference >=
				c.links[it->link].preference);
	}
	ck_assert_uint_eq(users, c.user_count);
}

/* CH4: without bytes and without news of a link one cannot go on moving. */
static void
gives_up(struct shadow *s)
{
	for (uint64_t u = 0; u < USERS; u++) {
		size_t rounds = 0;

		while (s->on[u] != CHOOSER_NONE) {
			struct chooser before = c;
			struct chooser_event ev = {.what = CHOOSER_BROKE,
			    .user = u,
			    .link = s->on[u]};

			ck_assert_uint_le(++rounds, c.link_count);
			tell(ev);
			follow(s, &ev, &before);
			holds(s);
		}
	}
}

START_TEST(whatever_happens_the_rules_hold)
{
	for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
		struct shadow s = {.seed = seed * 7919};

		some_links(&s);
		for (size_t u = 0; u < USERS; u++)
			s.on[u] = CHOOSER_NONE;
		for (size_t i = 0; i < EVENTS; i++) {
			struct chooser before = c;
			struct chooser_event ev = some_event(&s);

			pass(chance(&s, 10) * NS_PER_S);
			tell(ev);
			follow(&s, &ev, &before);
			holds(&s);
		}
		gives_up(&s);
	}
}
END_TEST

Suite *suite_daemon_chooser(void);
Suite *
suite_daemon_chooser(void)
{
	Suite *s = suite_create("daemon/chooser");
	TCase *tc = tcase_create("chooser");

	tcase_add_test(tc, the_preferred_link_carries_what_begins);
	tcase_add_test(tc, a_transfer_that_breaks_goes_on_at_once_on_the_other);
	tcase_add_test(tc, it_moves_back_only_after_up_after_answers_in_a_row);
	tcase_add_test(tc,
	    a_link_that_goes_down_is_left_and_with_no_other_one_waits);
	tcase_add_test(tc,
	    cuts_on_alternating_links_never_end_it_while_bytes_move);
	tcase_add_test(tc, one_that_gets_nowhere_on_any_link_gives_up);
	tcase_add_test(tc, a_full_link_is_not_a_dead_one);
	tcase_add_test(tc, word_of_a_link_it_has_left_already_moves_nobody);
	tcase_add_test(tc, what_works_on_a_barred_link_stays_there);
	tcase_add_test(tc, throughput_and_round_trip_are_smoothed_and_dated);
	tcase_add_test(tc, a_site_without_links_is_reached_directly);
	tcase_add_test(tc, whatever_happens_the_rules_hold);
	suite_add_tcase(s, tc);
	return s;
}
