#include <check.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faultvfs.h"
#include "make.h"

static struct make m;

static void
setup(void)
{
	faultvfs_install();
	make_setup(&m);
	m.options.vfs = FAULTVFS;
	make_reopen(&m);
}

static void
teardown(void)
{
	make_teardown(&m);
}

static enum err_code
append(const char *text, struct err *e)
{
	OWNED(draft_free)
	struct draft *d = make_draft("brent", LEDGER_JOB, "@run", text,
	    "@service", "housing", "kind", "backup", "state", "queued", NULL);

	return ledger_append(m.l, d, NULL, e);
}

static enum err_code
is_run(void *ctx, const struct record *r, struct err *e)
{
	char run[32];

	(void)e;
	if (strcmp(record_text(r, "@run", run, sizeof(run)), "wanted") == 0)
		*(bool *)ctx = true;
	return ERR_NONE;
}

static bool
is_there(void)
{
	struct ledger_filter f = {0};
	struct err e = {0};
	bool found = false;

	ck_assert_msg(ledger_iterate(m.l, &f, is_run, &found, &e) == ERR_NONE,
	    "%s", e.text);
	return found;
}

static void
good(int nth)
{
	struct ledger_verdict v = make_verify(&m);

	ck_assert_msg(!v.bad, "call %d: %s#%llu %s", nth, v.chain,
	    (unsigned long long)v.sequence, v.what);
}

/* L1 and L4, with the first, second, ... write or sync failing in turn. */
static void
fail_each_call(bool enospc)
{
	for (int nth = 1;; nth++) {
		struct err e = {0};
		enum err_code rc;

		ck_assert_int_eq(append("before", &e), ERR_NONE);
		faultvfs_arm(nth, enospc);
		rc = append("wanted", &e);
		if (!faultvfs_fired()) {
			ck_assert_int_eq(rc, ERR_NONE);
			ck_assert_int_gt(nth, 3);
			break;
		}
		if (rc == ERR_NONE)
			ck_assert(is_there());
		else
			ck_assert_ptr_nonnull(strstr(e.text, m.path));
		if (rc != ERR_NONE && enospc)
			ck_assert_msg(rc == ERR_NOSPACE || rc == ERR_IO, "%s",
			    e.text);
		ck_assert_msg(append("after", &e) == ERR_NONE, "call %d: %s",
		    nth, e.text);
		good(nth);
		make_reopen(&m);
		good(nth);
		make_teardown(&m);
		setup();
	}
}

START_TEST(any_failing_write_leaves_a_ledger_that_verifies)
{
	fail_each_call(false);
}
END_TEST

START_TEST(a_full_disk_leaves_a_ledger_that_verifies)
{
	fail_each_call(true);
}
END_TEST

/* Three records or none, with each write or sync failing in turn. */
START_TEST(any_failing_write_leaves_all_of_a_group_or_nothing)
{
	for (int nth = 1;; nth++) {
		struct err e = {0};
		enum err_code rc;

		ck_assert_int_eq(append("before", &e), ERR_NONE);
		faultvfs_arm(nth, nth % 2 == 0);
		rc = ledger_group_begin(m.l, &e);
		for (int i = 0; i < 3; i++)
			if (rc == ERR_NONE)
				rc = append(i == 1 ? "wanted" : "beside", &e);
		rc = ledger_group_end(m.l, rc, &e);
		if (!faultvfs_fired()) {
			ck_assert_int_eq(rc, ERR_NONE);
			ck_assert_int_gt(nth, 3);
			break;
		}
		if (rc == ERR_NONE)
			ck_assert(is_there());
		ck_assert_msg(append("after", &e) == ERR_NONE, "call %d: %s",
		    nth, e.text);
		make_reopen(&m);
		ck_assert_uint_eq(make_verify(&m).records_count,
		    is_there() ? 5 : 2);
		good(nth);
		make_teardown(&m);
		setup();
	}
}
END_TEST

START_TEST(any_failing_call_while_it_is_made_can_be_tried_again)
{
	for (int nth = 1;; nth++) {
		struct err e = {0};
		enum err_code rc;

		ledger_close(&m.l);
		unlinkat(m.td.fd, "ledger.db", 0);
		unlinkat(m.td.fd, "ledger.db-wal", 0);
		unlinkat(m.td.fd, "ledger.db-shm", 0);
		faultvfs_arm(nth, false);
		rc = ledger_open(&m.l, m.path, &m.options, &e);
		if (!faultvfs_fired())
			break;
		if (rc != ERR_NONE) {
			ck_assert_ptr_nonnull(strstr(e.text, m.path));
			ck_assert_ptr_null(m.l);
			make_reopen(&m);
		}
		ck_assert_int_eq(append("wanted", &e), ERR_NONE);
		good(nth);
	}
}
END_TEST

START_TEST(any_failing_call_of_a_head_leaves_none_or_a_whole_one)
{
	for (int nth = 1;; nth++) {
		struct err e = {0};
		enum err_code rc;

		ck_assert_int_eq(append("wanted", &e), ERR_NONE);
		faultvfs_arm(nth, false);
		rc = ledger_sign_head(m.l, NULL, &e);
		if (!faultvfs_fired()) {
			ck_assert_int_eq(rc, ERR_NONE);
			break;
		}
		good(nth);
		make_reopen(&m);
		good(nth);
	}
}
END_TEST

START_TEST(any_failing_call_of_a_rebuild_leaves_the_old_tables)
{
	for (int nth = 1;; nth++) {
		struct err e = {0};
		enum err_code rc;

		for (int i = 0; i < 5; i++)
			ck_assert_int_eq(append("wanted", &e), ERR_NONE);
		faultvfs_arm(nth, false);
		rc = ledger_rebuild(m.l, &e);
		if (!faultvfs_fired()) {
			ck_assert_int_eq(rc, ERR_NONE);
			break;
		}
		good(nth);
		ck_assert_int_eq(append("after", &e), ERR_NONE);
		good(nth);
	}
}
END_TEST

/* Append for ever; each acknowledged number goes into the pipe. */
static void
child(int fd)
{
	struct err opening = {0};

	/* A connection does not survive a fork: it opens its own. */
	if (ledger_open(&m.l, m.path, &m.options, &opening) != ERR_NONE)
		_exit(1);
	for (uint32_t n = 1;; n++) {
		struct err e = {0};

		if (append("wanted", &e) != ERR_NONE ||
		    (n % 5 == 0 &&
			ledger_sign_head(m.l, NULL, &e) != ERR_NONE) ||
		    write(fd, &n, sizeof(n)) != sizeof(n))
			_exit(1);
	}
}

/* Kill it after so many acknowledgements; how many came in all. */
static uint32_t
kill_after(uint32_t acknowledged)
{
	uint32_t n = 0, last = 0;
	int fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		child(fds[1]);
	close(fds[1]);
	while (last < acknowledged && read(fds[0], &n, sizeof(n)) == sizeof(n))
		last = n;
	kill(pid, SIGKILL);
	while (read(fds[0], &n, sizeof(n)) == sizeof(n))
		last = n;
	waitpid(pid, NULL, 0);
	close(fds[0]);
	return last;
}

START_TEST(killed_at_any_moment_it_keeps_all_it_acknowledged)
{
	uint64_t least = 0;

	for (uint32_t round = 1; round <= 8; round++) {
		struct ledger_verdict v;

		ledger_close(&m.l);
		least += kill_after(round * 3);
		make_reopen(&m);
		v = make_verify(&m);
		ck_assert_msg(!v.bad, "%s#%llu %s", v.chain,
		    (unsigned long long)v.sequence, v.what);
		ck_assert_uint_ge(v.records_count, least);
		least = v.records_count;
	}
}
END_TEST

Suite *suite_ledger_fault(void);

Suite *
suite_ledger_fault(void)
{
	Suite *s = suite_create("ledger/fault");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, any_failing_write_leaves_a_ledger_that_verifies);
	tcase_add_test(tc, a_full_disk_leaves_a_ledger_that_verifies);
	tcase_add_test(tc, any_failing_write_leaves_all_of_a_group_or_nothing);
	tcase_add_test(tc,
	    any_failing_call_while_it_is_made_can_be_tried_again);
	tcase_add_test(tc,
	    any_failing_call_of_a_head_leaves_none_or_a_whole_one);
	tcase_add_test(tc, any_failing_call_of_a_rebuild_leaves_the_old_tables);
	tcase_add_test(tc, killed_at_any_moment_it_keeps_all_it_acknowledged);
	suite_add_tcase(s, tc);
	return s;
}
