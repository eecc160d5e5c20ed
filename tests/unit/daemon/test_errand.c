#include "daemon/errand.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "support/fault.h"
#include "support/must.h"

/* Workers that are shells. */

static struct daemon d;
static struct errand *worker;
static char heard[256], why[ERR_TEXT_BYTES];
static int ends, number;
static enum { KEEP, FREE, STOP } at_a_line;
static struct err e;

static void
on_line(void *ctx, struct wire_value *v)
{
	size_t at = strlen(heard);

	ck_assert_ptr_eq(ctx, &d);
	snprintf(heard + at, sizeof(heard) - at, "%s,",
	    wire_take_text(v, "said", "?"));
	if (at_a_line == FREE)
		errand_free(&worker);
	if (at_a_line == STOP)
		errand_stop(worker);
	if (at_a_line == FREE)
		loop_stop(d.loop);
}

static void
on_nonsense(void *ctx, const struct err *what)
{
	ck_assert_ptr_eq(ctx, &d);
	ck_assert_str_eq(why, ""); /* once */
	snprintf(why, sizeof(why), "%s", what->text);
}

static void
on_end(void *ctx, int exit_status, int signal)
{
	ck_assert_ptr_eq(ctx, &d);
	number = signal != 0 ? signal : -exit_status;
	ends++;
	errand_free(&worker);
	loop_stop(d.loop);
}

static void
setup(void)
{
	d = (struct daemon){0};
	at_a_line = KEEP;
	heard[0] = why[0] = '\0';
	ends = number = 0;
}

static enum err_code
send(const char *script, bool hears_nonsense)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	const struct errand_options opt = {.ctx = &d,
	    .on_line = on_line,
	    .on_nonsense = hears_nonsense ? on_nonsense : NULL,
	    .on_end = on_end,
	    .argv = argv};
	OWNED(wire_free) struct wire_value *spec = NULL;
	enum err_code rc = wire_new(&spec, NULL, &e);

	if (rc == ERR_NONE)
		rc = loop_new(&d.loop, &e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(spec, "do", "it");
	return errand_start(&worker, &d, spec, &opt, &e);
}

static void
run(const char *script)
{
	must(send(script, true), &e);
	must(loop_run(d.loop, &e), &e);
	loop_free(&d.loop);
}

#define SAY(what) "printf '{\"type\":\"x\",\"said\":\"" what "\"}\\n' >&3; "

START_TEST(it_hears_its_spec_and_is_heard_line_by_line)
{
	run("read -r spec; case $spec in *'\"do\":\"it\"'*) " SAY(
	    "spec") ";; esac; "
		    "printf '{\"type\":\"x\",' >&3; sleep 0.02; "
		    "printf '\"said\":\"halves\"}\\n{\"type\":\"x\",\"said\":' "
		    ">&3; "
		    "printf '\"last\"}\\n' >&3; exit 3");
	ck_assert_str_eq(heard, "spec,halves,last,");
	ck_assert_int_eq(ends, 1);
	ck_assert_int_eq(number, -3);
	ck_assert_str_eq(why, "");
}
END_TEST

/* What is no message; what never becomes a line. */
START_TEST(nonsense_stops_it_and_nothing_more_is_heard)
{
	static const char *const scripts[] = {SAY("one") "printf 'nonsense\\n' "
							 ">&3; " SAY(
							     "two") "sleep 60",
	    SAY("one") "head -c 5000000 /dev/zero | tr '\\0' x >&3; sleep 60"};

	run(scripts[_i]);
	ck_assert_str_eq(heard, "one,");
	ck_assert_str_ne(why, "");
	ck_assert_int_eq(number, SIGKILL);
	setup();
	must(send(scripts[_i], false), &e); /* its end tells */
	must(loop_run(d.loop, &e), &e);
	loop_free(&d.loop);
	ck_assert_str_eq(heard, "one,");
	ck_assert_int_eq(number, SIGKILL);
}
END_TEST

START_TEST(one_that_is_stopped_or_freed_at_a_line_is_heard_no_more)
{
	at_a_line = _i == 0 ? STOP : FREE;
	run("printf '{\"type\":\"x\",\"said\":\"one\"}\\n"
	    "{\"type\":\"x\",\"said\":\"two\"}\\n' >&3; sleep 60");
	ck_assert_str_eq(heard, "one,");
	ck_assert_int_eq(ends, _i == 0);
	ck_assert_ptr_null(worker);
}
END_TEST

START_TEST(any_failing_call_is_an_error_and_leaves_nothing)
{
	bool reached = true;

	for (int nth = 1; reached; nth++) {
		enum err_code rc;

		fault_arm(nth, ENOMEM);
		rc = send("exit 0", true);
		reached = fault_fired();
		fault_arm(0, 0);
		ck_assert_int_eq(rc == ERR_NONE, worker != NULL);
		ck_assert(reached || rc == ERR_NONE);
		errand_free(&worker);
		loop_free(&d.loop);
		ck_assert_int_eq(ends, 0);
		if (!reached)
			ck_assert_int_gt(nth, 3);
	}
}
END_TEST

Suite *suite_daemon_errand(void);

Suite *
suite_daemon_errand(void)
{
	Suite *s = suite_create("daemon/errand");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, it_hears_its_spec_and_is_heard_line_by_line);
	tcase_add_loop_test(tc, nonsense_stops_it_and_nothing_more_is_heard, 0,
	    2);
	tcase_add_loop_test(tc,
	    one_that_is_stopped_or_freed_at_a_line_is_heard_no_more, 0, 2);
	tcase_add_test(tc, any_failing_call_is_an_error_and_leaves_nothing);
	suite_add_tcase(s, tc);
	return s;
}
