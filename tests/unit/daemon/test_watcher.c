#include "daemon/daemon.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../ledger/make.h"
#include "support/tmpdir.h"

/* --- what the log says of a repository that cannot be looked at ------------- */

static struct tmpdir top;

/* Of what the daemon says while it is told of trouble, in turn. */
static const char *
log_of(const char *const *troubles, size_t count)
{
	struct policy_service service = {.name = "files"};
	struct policy policy = {.services = &service, .service_count = 1};
	struct policy_site site = {.repository = top.path};
	struct daemon d = {.policy = &policy, .site = &site};
	struct err e;
	int kept = dup(2), fd;

	tmpdir_put(&top, "log", "");
	fd = openat(top.fd, "log", O_WRONLY | O_APPEND | O_CLOEXEC);
	ck_assert(loop_new(&d.loop, &e) == ERR_NONE);
	ck_assert(watcher_start(&d, &e) == ERR_NONE);
	dup2(fd, 2);
	for (size_t i = 0; i < count; i++)
		watcher_looked(&d, "files", troubles[i]);
	dup2(kept, 2);
	close(kept);
	close(fd);
	watcher_stop(&d);
	loop_free(&d.loop);
	return tmpdir_get(&top, "log");
}

static int
count_of(const char *text, const char *what)
{
	int count = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		count++;
	return count;
}

START_TEST(trouble_is_said_once_and_its_end_once)
{
	static const char *const troubles[] = {"", "it is a door",
	    "it is a door", "", ""};
	const char *said;

	tmpdir_make(&top);
	said = log_of(troubles, COUNT_OF(troubles));
	ck_assert_int_eq(count_of(said, "points of 'files': it is a door"), 1);
	ck_assert_int_eq(count_of(said,
			     "points of 'files' can be looked at again"),
	    1);
	ck_assert_int_eq(count_of(said, "\n"), 2);
	tmpdir_remove(&top);
}
END_TEST

/* --- heads --------------------------------------------------------------------- */

static enum err_code
count_head(void *ctx, const struct ledger_head *h, struct err *e)
{
	(void)h;
	(void)e;
	++*(int *)ctx;
	return ERR_NONE;
}

static int
heads(struct make *m)
{
	struct err e;
	int count = 0;

	ck_assert(ledger_heads(m->l, 1, count_head, &count, &e) == ERR_NONE);
	return count;
}

START_TEST(a_record_is_under_a_head_within_seconds)
{
	struct make m;
	struct daemon d = {0};
	struct mono now = {1000 * NS_PER_S};

	make_setup(&m);
	d.ledger = m.l;
	make_append(&m, make_draft(NULL, "note", "number", "1", NULL));
	daemon_sign_head(&d, now);
	ck_assert_int_eq(heads(&m), 1);
	make_append(&m, make_draft(NULL, "note", "number", "2", NULL));
	now.ns += 9 * NS_PER_S;
	daemon_sign_head(&d, now);
	ck_assert_int_eq(heads(&m), 1);
	now.ns += NS_PER_S;
	daemon_sign_head(&d, now);
	ck_assert_int_eq(heads(&m), 2);
	now.ns += 60 * NS_PER_S;
	daemon_sign_head(&d, now); /* nothing is new */
	ck_assert_int_eq(heads(&m), 2);
	make_teardown(&m);
}
END_TEST

Suite *suite_daemon_watcher(void);
Suite *
suite_daemon_watcher(void)
{
	Suite *s = suite_create("daemon/watcher");
	TCase *t = tcase_create("watcher");

	tcase_add_test(t, trouble_is_said_once_and_its_end_once);
	tcase_add_test(t, a_record_is_under_a_head_within_seconds);
	suite_add_tcase(s, t);
	return s;
}
