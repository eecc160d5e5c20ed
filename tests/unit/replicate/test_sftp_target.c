/*
 * A copy on a real server that has only SFTP, while any call of ours fails: what
 * is there opens, and the next run makes it whole.
 */
#include <bascule/replicate.h>

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/now.h>

#include "support/farhost.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_replicate_sftp_target(void);

#define NOT_REACHED 100

static struct repo near;
static struct farhost host;

static void
setup(void)
{
	farhost_start(&host, "ForceCommand internal-sftp");
	repo_make(&near);
}

static void
teardown(void)
{
	repo_remove(&near);
	farhost_stop(&host);
}

static void
back_up(void)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(session_close) struct session *se = NULL;
	OWNED(writer_free) struct writer *w = NULL;
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(item_fini) struct item it = {0};
	struct snapshot s = {.service = "housing", .dataset = "files"};
	struct point p = {.service = "housing", .snapshots_count = 1};
	struct err e = {0};

	repo_begin(&near, &st, &se, &w);
	must(tree_writer_new(&tw, w, &e), &e);
	repo_file(&it, w, "f", 1, 30000);
	must(tree_writer_add(tw, &it, &e), &e);
	must(tree_writer_root(tw, &s.root, &e), &e);
	s.started = s.ended = p.taken = now_utc();
	s.group[0] = p.group[0] = 1;
	must(snapshot_commit(se, w, &s, &e), &e);
	p.snapshots[0] = s.id;
	must(point_commit(se, &p, &e), &e);
}

static const struct {
	void (*arm)(int nth, int num);
	int step;
} calls[] = {
    {fault_arm_reading, 23}, /* of the system */
    {fault_arm_all, 461},    /* memory, too */
};

/* In a process of its own: the lock of one that is dead is taken over. */
static int
push(const char *copy, void (*arm)(int nth, int num), int nth)
{
	const struct replicate_options opt = {0};
	const struct sftp_target_options how = {0};
	struct sftp_target_report report;
	struct replicate_tally tally;
	struct store *st = repo_open(&near, STORE_READ);
	char url[256];
	const struct replicate_target to = {.url = url,
	    .known_hosts = host.known_hosts,
	    .identity = host.identity,
	    .timeout_ns = 10 * NS_PER_S};
	struct err e = {0};
	enum err_code rc;
	pid_t pid;
	int status;

	snprintf(url, sizeof(url), "sftp://%s@127.0.0.1:%u%s", host.user,
	    (unsigned)host.port, copy);
	fflush(NULL);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		if (nth != 0)
			arm(nth, EIO);
		rc = sftp_target_push(st, &to, &opt, &how, &tally, &report, &e);
		if (nth != 0 && !fault_fired())
			_exit(NOT_REACHED);
		if (nth == 0 && rc != ERR_NONE)
			fprintf(stderr, "# %s\n", e.text);
		/* What it could not read here it left out, and said so. */
		if (rc == ERR_NONE && tally.damaged_count > 0)
			rc = ERR_CORRUPT;
		_exit((int)rc);
	}
	store_close(&st);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "it was killed: %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

START_TEST(any_failing_call_leaves_a_copy_that_the_next_run_makes_whole)
{
	unsigned failed_count = 0;

	back_up();
	for (int nth = 1;; nth += fault_step(calls[_i].step)) {
		char copy[160];
		int got;

		snprintf(copy, sizeof(copy), "%s/copy%d", host.dir.path, nth);
		got = push(copy, calls[_i].arm, nth);
		if (got == NOT_REACHED)
			break;
		failed_count += got != ERR_NONE;
		if (got != ERR_NONE)
			ck_assert_int_eq(push(copy, NULL, 0), ERR_NONE);
		repo_check_copy(&near, copy, 1, SIZE_MAX);
	}
	ck_assert_uint_gt(failed_count, 0);
}
END_TEST

START_TEST(what_no_such_server_gives_is_said_to_its_end)
{
	size_t count = 0;

	while (sftp_target_never(count) != NULL)
		count++;
	ck_assert_uint_gt(count, 0);
	ck_assert_uint_lt(count, SFTP_TARGET_LACKS_MAX);
	ck_assert_ptr_null(sftp_target_never(SIZE_MAX));
}
END_TEST

Suite *
suite_replicate_sftp_target(void)
{
	Suite *s = suite_create("replicate/sftp_target");
	TCase *tc = tcase_create("server"), *words = tcase_create("words");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc,
	    any_failing_call_leaves_a_copy_that_the_next_run_makes_whole, 0,
	    COUNT_OF(calls));
	suite_add_tcase(s, tc);
	tcase_add_test(words, what_no_such_server_gives_is_said_to_its_end);
	suite_add_tcase(s, words);
	return s;
}
