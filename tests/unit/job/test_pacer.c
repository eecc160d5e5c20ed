#include "lib/job/pacer.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>

struct sender {
	struct pacer *pacer;
	enum err_code rc;
};

static void *
send_much(void *ctx)
{
	struct sender *s = ctx;
	struct err e;

	s->rc = pacer_pass(s->pacer, 65536, &e);
	return NULL;
}

START_TEST(without_a_limit_all_passes_and_is_counted)
{
	struct pacer p;
	struct err e;

	pacer_init(&p, NULL);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(pacer_pass(&p, 65536, &e), ERR_NONE);
	ck_assert_uint_eq(pacer_passed(&p), 65536000);
	pacer_fini(&p);
}
END_TEST

/* At this rate each would wait for hours. */
START_TEST(who_waits_is_woken_by_another_rate)
{
	struct pacer p;
	struct sender s[4];
	pthread_t threads[4];

	pacer_init(&p, NULL);
	pacer_set(&p, 1);
	for (size_t i = 0; i < 4; i++) {
		s[i] = (struct sender){&p, ERR_BUSY};
		ck_assert_int_eq(pthread_create(&threads[i], NULL, send_much,
				     &s[i]),
		    0);
	}
	while (pacer_passed(&p) < 4 * 65536)
		sched_yield();
	pacer_set(&p, 0);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(s[i].rc, ERR_NONE);
	}
	pacer_fini(&p);
}
END_TEST

START_TEST(a_cancel_ends_the_wait)
{
	volatile sig_atomic_t cancel = 0;
	struct pacer p;
	struct sender s = {&p, ERR_BUSY};
	pthread_t thread;

	pacer_init(&p, &cancel);
	pacer_set(&p, 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, send_much, &s), 0);
	while (pacer_passed(&p) == 0)
		sched_yield();
	cancel = 1;
	pthread_join(thread, NULL);
	ck_assert_int_eq(s.rc, ERR_CANCELLED);
	pacer_fini(&p);
}
END_TEST

Suite *suite_job_pacer(void);
Suite *
suite_job_pacer(void)
{
	Suite *s = suite_create("job/pacer");
	TCase *tc = tcase_create("pacer");

	tcase_add_test(tc, without_a_limit_all_passes_and_is_counted);
	tcase_add_test(tc, who_waits_is_woken_by_another_rate);
	tcase_add_test(tc, a_cancel_ends_the_wait);
	suite_add_tcase(s, tc);
	return s;
}
