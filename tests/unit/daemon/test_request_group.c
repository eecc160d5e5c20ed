/* The order of many moves, and who has room. */

#include <check.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/request.h"

#define MANY 500

struct estate {
	struct policy_service services[MANY];
	const struct policy_service *list[MANY];
	char names[MANY][24];
	const char *depends[MANY][4];
	size_t count;
	size_t order[MANY];
	unsigned wave[MANY];
};

static struct estate *
estate_new(size_t count)
{
	struct estate *s = calloc(1, sizeof(*s));

	ck_assert_ptr_nonnull(s);
	s->count = count;
	for (size_t i = 0; i < count; i++) {
		snprintf(s->names[i], sizeof(s->names[i]), "s%03zu", i);
		s->services[i].name = s->names[i];
		s->services[i].tier = 2;
		s->services[i].depends.items = s->depends[i];
		s->list[i] = &s->services[i];
	}
	return s;
}

static void
depend(struct estate *s, size_t one, const char *on)
{
	struct policy_texts *t = &s->services[one].depends;

	s->depends[one][t->count++] = on;
}

static void
put_in_order(struct estate *s)
{
	struct err e;

	ck_assert_int_eq(request_group_order(s->list, s->count, s->order,
			     s->wave, &e),
	    ERR_NONE);
}

static size_t
place_of(const struct estate *s, size_t one)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->order[i] == one)
			return i;
	ck_abort_msg("it is not there");
	return 0;
}

START_TEST(what_one_depends_on_moves_before_it)
{
	struct estate *s = estate_new(4);

	depend(s, 0, "s001");
	depend(s, 1, "s002");
	depend(s, 3, "s002");
	put_in_order(s);
	ck_assert_uint_eq(s->order[0], 2);
	ck_assert_uint_eq(s->wave[0], 1);
	ck_assert_uint_eq(s->wave[place_of(s, 1)], 2);
	ck_assert_uint_eq(s->wave[place_of(s, 3)], 2);
	ck_assert_uint_eq(s->order[3], 0);
	ck_assert_uint_eq(s->wave[3], 3);
	free(s);
}
END_TEST

START_TEST(of_one_wave_the_lower_tier_number_goes_first)
{
	struct estate *s = estate_new(3);

	s->services[2].tier = 1;
	put_in_order(s);
	ck_assert_uint_eq(s->order[0], 2);
	ck_assert_uint_eq(s->order[1], 0);
	ck_assert_uint_eq(s->order[2], 1);
	free(s);
}
END_TEST

START_TEST(what_is_not_in_the_run_is_not_waited_for)
{
	struct estate *s = estate_new(2);

	depend(s, 0, "identity");
	put_in_order(s);
	ck_assert_uint_eq(s->wave[0], 1);
	ck_assert_uint_eq(s->wave[1], 1);
	free(s);
}
END_TEST

/* The policy refuses one; should it come, every service is still there once. */
START_TEST(a_cycle_ends)
{
	struct estate *s = estate_new(3);

	depend(s, 0, "s001");
	depend(s, 1, "s002");
	depend(s, 2, "s000");
	put_in_order(s);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_ne(s->wave[place_of(s, i)], 0);
	free(s);
}
END_TEST

/* A chain of five hundred, given backwards; and 2,000 edges. */
START_TEST(five_hundred_come_out_in_order)
{
	struct estate *s = estate_new(MANY);

	for (size_t i = 0; i + 1 < MANY; i++)
		for (size_t k = 1; k <= 4 && i + k < MANY; k++)
			depend(s, i, s->names[i + k]);
	put_in_order(s);
	for (size_t i = 0; i < MANY; i++) {
		ck_assert_uint_eq(s->order[i], MANY - 1 - i);
		ck_assert_uint_eq(s->wave[i], i + 1);
	}
	free(s);
}
END_TEST

/* --- room --------------------------------------------------------------------- */

static size_t
fit(struct request_group_need *needs, size_t count,
    struct request_group_room room)
{
	struct err e;
	size_t shed = 99;

	ck_assert_int_eq(request_group_fit(needs, count, &room, &shed, &e),
	    ERR_NONE);
	return shed;
}

START_TEST(higher_tiers_have_room_before_lower_ones)
{
	struct request_group_need needs[] =
	    {{.service = "a", .tier = 3, .memory_bytes = 4, .moves = true},
		{.service = "b", .tier = 1, .memory_bytes = 6, .moves = true},
		{.service = "c", .tier = 2, .memory_bytes = 4}};

	ck_assert_uint_eq(fit(needs, 3,
			      (struct request_group_room){.memory_bytes = 10}),
	    1);
	ck_assert(needs[0].shed);
	ck_assert(!needs[1].shed && !needs[2].shed);
}
END_TEST

/* Who is said to be shed takes no room, nor does who depends on it. */
START_TEST(who_is_left_out_gives_its_room_to_others)
{
	static const char *on_a[] = {"a"};
	struct policy_texts depends = {on_a, 1};
	struct request_group_need needs[] = {{.service = "a",
						 .tier = 1,
						 .memory_bytes = 6,
						 .moves = true,
						 .left_out = true},
	    {.service = "b", .tier = 3, .memory_bytes = 10, .moves = true},
	    {.service = "c", .tier = 2, .depends = &depends, .moves = true}};

	ck_assert_uint_eq(fit(needs, 3,
			      (struct request_group_room){.memory_bytes = 10}),
	    1);
	ck_assert(needs[0].shed && !needs[1].shed && needs[2].shed);
	ck_assert_str_eq(needs[2].lacks, "a");
}
END_TEST

START_TEST(of_one_tier_who_runs_there_stays)
{
	struct request_group_need needs[] =
	    {{.service = "a", .tier = 1, .disk_bytes = 6, .moves = true},
		{.service = "b", .tier = 1, .disk_bytes = 6}};

	ck_assert_uint_eq(fit(needs, 2,
			      (struct request_group_room){.disk_bytes = 10}),
	    1);
	ck_assert(needs[0].shed && !needs[1].shed);
}
END_TEST

START_TEST(a_smaller_one_still_goes_where_a_bigger_did_not)
{
	struct request_group_need needs[] = {{.service = "a",
						 .tier = 1,
						 .cpu_count = 2},
	    {.service = "b", .tier = 2, .cpu_count = 8},
	    {.service = "c", .tier = 3, .cpu_count = 2}};

	ck_assert_uint_eq(fit(needs, 3,
			      (struct request_group_room){.cpu_count = 4}),
	    1);
	ck_assert(needs[1].shed && !needs[2].shed);
}
END_TEST

START_TEST(what_a_higher_tier_depends_on_has_its_room_before_it)
{
	static const char *on_identity[] = {"identity"}, *on_bus[] = {"bus"};
	struct policy_texts identity = {on_identity, 1}, bus = {on_bus, 1};
	struct request_group_need needs[] = {{.service = "archive",
						 .tier = 2,
						 .memory_bytes = 4,
						 .moves = true},
	    {.service = "bus", .tier = 4, .memory_bytes = 3, .moves = true},
	    {.service = "identity",
		.tier = 3,
		.memory_bytes = 3,
		.moves = true,
		.depends = &bus},
	    {.service = "calls",
		.tier = 1,
		.memory_bytes = 4,
		.moves = true,
		.depends = &identity}};

	ck_assert_uint_eq(fit(needs, 4,
			      (struct request_group_room){.memory_bytes = 10}),
	    1);
	ck_assert(needs[0].shed && needs[0].lacks == NULL);
	/* No room for the last of them: then it is of no use without. */
	needs[1].memory_bytes = 11;
	ck_assert_uint_eq(fit(needs, 4,
			      (struct request_group_room){.memory_bytes = 10}),
	    3);
	ck_assert(!needs[0].shed);
	ck_assert(needs[1].shed && needs[1].lacks == NULL);
	ck_assert_str_eq(needs[2].lacks, "bus");
	ck_assert_str_eq(needs[3].lacks, "identity");
}
END_TEST

START_TEST(those_who_depend_on_each_other_are_all_judged)
{
	static const char *on_a[] = {"a"}, *on_b[] = {"b"};
	struct policy_texts a = {on_a, 1}, b = {on_b, 1};
	struct request_group_need needs[] =
	    {{.service = "a", .tier = 2, .cpu_count = 1, .depends = &b},
		{.service = "b", .tier = 1, .cpu_count = 1, .depends = &a}};

	ck_assert_uint_eq(fit(needs, 2,
			      (struct request_group_room){.cpu_count = 2}),
	    0);
}
END_TEST

START_TEST(what_is_not_said_is_no_limit)
{
	struct request_group_need needs[] = {{.service = "a",
	    .tier = 1,
	    .memory_bytes = UINT64_MAX,
	    .disk_bytes = UINT64_MAX}};

	ck_assert_uint_eq(fit(needs, 1, (struct request_group_room){0}), 0);
}
END_TEST

START_TEST(sums_do_not_wrap)
{
	struct request_group_need needs[] =
	    {{.service = "a", .tier = 1, .memory_bytes = UINT64_MAX - 5},
		{.service = "b", .tier = 1, .memory_bytes = 10}};

	ck_assert_uint_eq(fit(needs, 2,
			      (struct request_group_room){
				  .memory_bytes = UINT64_MAX}),
	    1);
	ck_assert(needs[1].shed);
}
END_TEST

Suite *suite_daemon_request_group(void);
Suite *
suite_daemon_request_group(void)
{
	Suite *s = suite_create("daemon/request_group");
	TCase *t = tcase_create("order");

	tcase_add_test(t, what_one_depends_on_moves_before_it);
	tcase_add_test(t, of_one_wave_the_lower_tier_number_goes_first);
	tcase_add_test(t, what_is_not_in_the_run_is_not_waited_for);
	tcase_add_test(t, a_cycle_ends);
	tcase_add_test(t, five_hundred_come_out_in_order);
	suite_add_tcase(s, t);
	t = tcase_create("room");
	tcase_add_test(t, higher_tiers_have_room_before_lower_ones);
	tcase_add_test(t, who_is_left_out_gives_its_room_to_others);
	tcase_add_test(t, of_one_tier_who_runs_there_stays);
	tcase_add_test(t, a_smaller_one_still_goes_where_a_bigger_did_not);
	tcase_add_test(t, what_a_higher_tier_depends_on_has_its_room_before_it);
	tcase_add_test(t, those_who_depend_on_each_other_are_all_judged);
	tcase_add_test(t, what_is_not_said_is_no_limit);
	tcase_add_test(t, sums_do_not_wrap);
	suite_add_tcase(s, t);
	return s;
}
