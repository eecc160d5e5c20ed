#include <bascule/base/pipeline.h>

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>

#include "support/fault.h"

#define ITEMS 5

struct item {
	uint64_t number;
	unsigned visits;
};

struct run {
	struct item items[ITEMS];
	void *pointers[ITEMS];
	uint64_t seen; /* by the last stage: one thread, so no lock */
	uint64_t out_of_order;
	uint64_t fail_at;
};

/* Takes longer for some numbers, so that the threads overtake one another. */
static enum err_code
uneven(void *ctx, unsigned thread, void *arg, struct err *e)
{
	struct item *it = arg;
	const struct run *r = ctx;

	(void)thread;
	if (r->fail_at != 0 && it->number == r->fail_at)
		return err_set(e, ERR_IO, "item %d is bad", (int)it->number);
	for (uint64_t i = 0; i < it->number % 7; i++)
		sched_yield();
	it->visits++;
	return ERR_NONE;
}

static enum err_code
collect(void *ctx, unsigned thread, void *arg, struct err *e)
{
	struct run *r = ctx;
	struct item *it = arg;

	(void)e;
	ck_assert_uint_eq(thread, 0);
	if (it->number != ++r->seen || it->visits != 2)
		r->out_of_order++;
	return ERR_NONE;
}

static const struct pipeline_stage stages[] = {
    {.run = uneven, .threads_count = 3},
    {.run = uneven, .threads_count = 2},
    {.run = collect, .threads_count = 1},
};

static enum err_code
start(struct pipeline **p, struct run *r, struct err *e)
{
	struct pipeline_plan plan = {.stages = stages,
	    .stages_count = COUNT_OF(stages),
	    .items = r->pointers,
	    .items_count = ITEMS,
	    .ctx = r};

	for (size_t i = 0; i < ITEMS; i++)
		r->pointers[i] = &r->items[i];
	return pipeline_new(p, &plan, e);
}

static enum err_code
feed(struct pipeline *p, uint64_t from, uint64_t to, struct err *e)
{
	for (uint64_t n = from; n <= to; n++) {
		void *at;
		struct item *it;
		enum err_code rc = pipeline_take(p, &at, e);

		if (rc != ERR_NONE)
			return rc;
		it = at;
		it->number = n;
		it->visits = 0;
		rc = pipeline_put(p, it, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

START_TEST(items_leave_in_the_order_they_were_put)
{
	struct run r = {0}; /* outlives p: its threads use it */
	OWNED(pipeline_free) struct pipeline *p = NULL;
	struct err e = {0};

	ck_assert_int_eq(start(&p, &r, &e), ERR_NONE);
	ck_assert_int_eq(feed(p, 1, 2000, &e), ERR_NONE);
	ck_assert_int_eq(pipeline_drain(p, &e), ERR_NONE);
	ck_assert_uint_eq(r.seen, 2000);
	ck_assert_uint_eq(r.out_of_order, 0);
	/* ... and it goes on after a drain */
	ck_assert_int_eq(feed(p, 2001, 2010, &e), ERR_NONE);
	ck_assert_int_eq(pipeline_drain(p, &e), ERR_NONE);
	ck_assert_uint_eq(r.seen, 2010);
}
END_TEST

START_TEST(a_failing_stage_stops_all_and_says_why)
{
	for (uint64_t at = 1; at < 40; at += 3) {
		struct run r = {.fail_at = at};
		OWNED(pipeline_free) struct pipeline *p = NULL;
		struct err e = {0};
		enum err_code rc;

		ck_assert_int_eq(start(&p, &r, &e), ERR_NONE);
		rc = feed(p, 1, 50, &e);
		if (rc == ERR_NONE)
			rc = pipeline_drain(p, &e);
		ck_assert_int_eq(rc, ERR_IO);
		ck_assert_ptr_nonnull(strstr(e.text, "is bad"));
		memset(&e, 0, sizeof(e));
		ck_assert_int_eq(pipeline_drain(p, &e), ERR_IO);
		ck_assert_ptr_nonnull(strstr(e.text, "is bad"));
		pipeline_free(&p); /* no thread counts any more */
		ck_assert_uint_lt(r.seen, at);
	}
}
END_TEST

START_TEST(freeing_with_items_in_flight_joins)
{
	for (int i = 0; i < 30; i++) {
		struct run r = {0}; /* outlives p: its threads use it */
		OWNED(pipeline_free) struct pipeline *p = NULL;
		struct err e = {0};

		ck_assert_int_eq(start(&p, &r, &e), ERR_NONE);
		ck_assert_int_eq(feed(p, 1, (uint64_t)i, &e), ERR_NONE);
	}
}
END_TEST

START_TEST(an_item_given_back_unused_can_be_taken_again)
{
	struct run r = {0}; /* outlives p: its threads use it */
	OWNED(pipeline_free) struct pipeline *p = NULL;
	struct err e = {0};
	void *items[ITEMS];

	ck_assert_int_eq(start(&p, &r, &e), ERR_NONE);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ITEMS; i++)
			ck_assert_int_eq(pipeline_take(p, &items[i], &e),
			    ERR_NONE);
		ck_assert_int_eq(pipeline_drain(p, &e), ERR_NONE);
		for (size_t i = 0; i < ITEMS; i++)
			pipeline_untake(p, items[i]);
	}
}
END_TEST

START_TEST(collected_items_come_back_in_order)
{
	struct run r = {.fail_at = 501 + ITEMS};
	OWNED(pipeline_free) struct pipeline *p = NULL;
	struct pipeline_plan plan = {.stages = stages,
	    .stages_count = 1,
	    .items = r.pointers,
	    .items_count = ITEMS,
	    .ctx = &r,
	    .collect = true};
	struct err e = {0};
	void *at;

	for (size_t i = 0; i < ITEMS; i++)
		r.pointers[i] = &r.items[i];
	ck_assert_int_eq(pipeline_new(&p, &plan, &e), ERR_NONE);
	ck_assert_int_eq(pipeline_collect(p, &at, &e), ERR_NONE);
	ck_assert_ptr_null(at); /* none is under way */
	ck_assert_int_eq(feed(p, 1, ITEMS, &e), ERR_NONE);
	for (uint64_t n = 1; n <= 500; n++) {
		struct item *it;

		ck_assert_int_eq(pipeline_collect(p, &at, &e), ERR_NONE);
		it = at;
		ck_assert_uint_eq(it->number, n);
		ck_assert_uint_eq(it->visits, 1);
		it->number = n + ITEMS;
		it->visits = 0;
		ck_assert_int_eq(pipeline_put(p, it, &e), ERR_NONE);
	}
	ck_assert_int_eq(pipeline_collect(p, &at, &e), ERR_NONE);
	((struct item *)at)->number = r.fail_at;
	ck_assert_int_eq(pipeline_put(p, at, &e), ERR_NONE);
	while (pipeline_collect(p, &at, &e) == ERR_NONE)
		ck_assert_ptr_nonnull(at);
	ck_assert_ptr_nonnull(strstr(e.text, "is bad"));
}
END_TEST

START_TEST(no_memory_is_reported)
{
	for (int nth = 1;; nth++) {
		struct run r = {0}; /* outlives p: its threads use it */
		OWNED(pipeline_free) struct pipeline *p = NULL;
		struct err e = {0};
		enum err_code rc;

		fault_arm(nth, ENOMEM);
		rc = start(&p, &r, &e);
		if (!fault_fired())
			break;
		ck_assert_int_eq(rc, ERR_NOMEM);
		ck_assert_ptr_null(p);
	}
}
END_TEST

/* Not ERR_BUSY, which a run takes for a file's own and goes on without it. */
START_TEST(no_room_for_a_thread_is_no_memory)
{
	pthread_attr_t was, vast;
	struct run r = {0};
	OWNED(pipeline_free) struct pipeline *p = NULL;
	struct err e = {0};
	enum err_code rc;

	ck_assert_int_eq(pthread_getattr_default_np(&was), 0);
	ck_assert_int_eq(pthread_getattr_default_np(&vast), 0);
	ck_assert_int_eq(pthread_attr_setstacksize(&vast, (size_t)1 << 46), 0);
	ck_assert_int_eq(pthread_setattr_default_np(&vast), 0);
	rc = start(&p, &r, &e);
	ck_assert_int_eq(pthread_setattr_default_np(&was), 0);
	ck_assert_int_eq(rc, ERR_NOMEM);
	ck_assert_ptr_null(p);
}
END_TEST

Suite *suite_base_pipeline(void);

Suite *
suite_base_pipeline(void)
{
	Suite *s = suite_create("base/pipeline");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, items_leave_in_the_order_they_were_put);
	tcase_add_test(tc, a_failing_stage_stops_all_and_says_why);
	tcase_add_test(tc, freeing_with_items_in_flight_joins);
	tcase_add_test(tc, an_item_given_back_unused_can_be_taken_again);
	tcase_add_test(tc, collected_items_come_back_in_order);
	tcase_add_test(tc, no_memory_is_reported);
	tcase_add_test(tc, no_room_for_a_thread_is_no_memory);
	suite_add_tcase(s, tc);
	return s;
}
