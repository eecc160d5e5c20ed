#include <bascule/ssh.h>

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/farfiles.h"

static struct farfiles far;
static struct err e;

static void
start(void)
{
	farfiles_start(&far, NULL);
}

static void
stop(void)
{
	farfiles_stop(&far);
}

/* A connection of each test's own: tests that are forked cannot share one. */
static void
setup(void)
{
	farfiles_connect(&far, 0);
}

static void
teardown(void)
{
	farfiles_disconnect(&far);
}

START_TEST(a_link_is_seen_as_itself_and_followed_when_asked)
{
	struct sshattr attr;
	OWNED(buf_fini) struct buf target = {0};

	tmpdir_put(&far.host.dir, "file", "12345");
	ck_assert_int_eq(symlink("file", farfiles_path(&far, "link")), 0);
	ck_assert_int_eq(sshpath_lstat(far.sftp, far.path, &attr, &e),
	    ERR_NONE);
	ck_assert(S_ISLNK(attr.mode));
	ck_assert_int_eq(sshpath_stat(far.sftp, far.path, &attr, &e), ERR_NONE);
	ck_assert(S_ISREG(attr.mode));
	ck_assert_uint_eq(attr.size_bytes, 5);
	ck_assert_int_eq(sshpath_readlink(far.sftp, far.path, &target, &e),
	    ERR_NONE);
	ck_assert_str_eq(buf_text(&target), "file");
	ck_assert_int_ne(sshpath_readlink(far.sftp, farfiles_path(&far, "file"),
			     &target, &e),
	    ERR_NONE);
}
END_TEST

START_TEST(many_questions_are_under_way_at_once)
{
	struct sshpath *asked[500];
	struct sshattr attr;

	tmpdir_put(&far.host.dir, "file", "12345");
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(sshpath_begin(&asked[i], far.sftp,
				     SSHPATH_LSTAT,
				     farfiles_path(&far,
					 i % 2 == 0 ? "file" : "no"),
				     &e),
		    ERR_NONE);
	for (int i = 0; i < 500; i++) {
		if (i % 3 != 0)
			ck_assert_int_eq(sshpath_wait(asked[i], &attr, NULL,
					     &e),
			    i % 2 == 0 ? ERR_NONE : ERR_NOTFOUND);
		sshpath_close(&asked[i]);
	}
}
END_TEST

START_TEST(more_questions_than_places_wait_for_one)
{
	static struct sshpath *asked[SSHSFTP_UNDER_WAY_MAX + 100];
	struct sshattr attr;

	for (size_t i = 0; i < COUNT_OF(asked); i++)
		ck_assert_int_eq(sshpath_begin(&asked[i], far.sftp,
				     SSHPATH_STAT, "/", &e),
		    ERR_NONE);
	for (size_t i = 0; i < COUNT_OF(asked); i++) {
		ck_assert_int_eq(sshpath_wait(asked[i], &attr, NULL, &e),
		    ERR_NONE);
		sshpath_close(&asked[i]);
	}
}
END_TEST

START_TEST(directories_are_made_once_and_removed)
{
	ck_assert_int_eq(sshpath_mkdir(far.sftp, farfiles_path(&far, "d"), 0750,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(sshpath_mkdir(far.sftp, far.path, 0750, &e),
	    ERR_EXISTS);
	ck_assert_int_eq(sshpath_rmdir(far.sftp, far.path, &e), ERR_NONE);
	ck_assert_int_eq(sshpath_rmdir(far.sftp, far.path, &e), ERR_NOTFOUND);
	ck_assert_int_eq(sshpath_mkdir(far.sftp, farfiles_path(&far, "d/e"),
			     0750, &e),
	    ERR_NOTFOUND);
}
END_TEST

START_TEST(a_rename_puts_nothing_in_anothers_place)
{
	char to[256];

	tmpdir_put(&far.host.dir, "one", "1");
	tmpdir_put(&far.host.dir, "two", "2");
	snprintf(to, sizeof(to), "%s", farfiles_path(&far, "two"));
	ck_assert_int_eq(sshpath_rename(far.sftp, farfiles_path(&far, "one"),
			     to, &e),
	    ERR_EXISTS);
	ck_assert(tmpdir_is(&far.host.dir, "two", "2"));
	ck_assert(sshsftp_offers(far.sftp, SSHSFTP_POSIX_RENAME));
	ck_assert_int_eq(sshpath_replace(far.sftp, far.path, to, &e), ERR_NONE);
	ck_assert(tmpdir_is(&far.host.dir, "two", "1"));
	ck_assert_int_eq(sshpath_rename(far.sftp, to, far.path, &e), ERR_NONE);
	ck_assert(tmpdir_is(&far.host.dir, "one", "1"));
	ck_assert_int_eq(sshpath_unlink(far.sftp, far.path, &e), ERR_NONE);
	ck_assert_int_eq(sshpath_unlink(far.sftp, far.path, &e), ERR_NOTFOUND);
	ck_assert_int_eq(sshpath_rename(far.sftp, far.path, to, &e),
	    ERR_NOTFOUND);
}
END_TEST

START_TEST(attributes_are_set_and_links_made)
{
	const struct sshattr attr = {.has_mode = true,
	    .mode = 0751,
	    .has_times = true,
	    .atime_s = 1000,
	    .mtime_s = 2000};
	const struct sshattr times = {.has_times = true,
	    .atime_s = 3000,
	    .mtime_s = 4000};
	OWNED(buf_fini) struct buf target = {0};
	struct sshattr got;
	char link[256];

	tmpdir_put(&far.host.dir, "dressed", "1");
	snprintf(link, sizeof(link), "%s", farfiles_path(&far, "to-dressed"));
	ck_assert_int_eq(sshpath_symlink(far.sftp, link, "dressed", &e),
	    ERR_NONE);
	ck_assert_int_eq(sshpath_symlink(far.sftp, link, "dressed", &e),
	    ERR_EXISTS);
	ck_assert_ptr_nonnull(strstr(e.text, "to-dressed"));
	ck_assert_int_eq(sshpath_readlink(far.sftp, link, &target, &e),
	    ERR_NONE);
	ck_assert_str_eq(buf_text(&target), "dressed");
	ck_assert_int_eq(sshpath_set_attr(far.sftp,
			     farfiles_path(&far, "dressed"), &attr, &e),
	    ERR_NONE);
	ck_assert(sshsftp_offers(far.sftp, SSHSFTP_LSETSTAT));
	ck_assert_int_eq(sshpath_set_link_attr(far.sftp, link, &times, &e),
	    ERR_NONE);
	ck_assert_int_eq(sshpath_lstat(far.sftp, link, &got, &e), ERR_NONE);
	ck_assert_uint_eq(got.mtime_s, 4000);
	ck_assert_int_eq(sshpath_stat(far.sftp, link, &got, &e), ERR_NONE);
	ck_assert_uint_eq(got.mode & 07777, 0751);
	ck_assert_uint_eq(got.mtime_s, 2000);
	ck_assert_int_eq(sshpath_set_attr(far.sftp, farfiles_path(&far, "no"),
			     &attr, &e),
	    ERR_NOTFOUND);
}
END_TEST

START_TEST(the_room_there_and_the_whole_path_are_told)
{
	struct sshspace space;
	OWNED(buf_fini) struct buf path = {0};

	ck_assert_int_eq(sshpath_space(far.sftp, "/", &space, &e), ERR_NONE);
	ck_assert_uint_gt(space.total_bytes, 0);
	ck_assert_uint_le(space.free_bytes, space.total_bytes);
	ck_assert_int_eq(sshpath_realpath(far.sftp, "/../.", &path, &e),
	    ERR_NONE);
	ck_assert_str_eq(buf_text(&path), "/");
}
END_TEST

START_TEST(a_path_too_long_or_empty_is_not_sent)
{
	static char path[SSH_PATH_BYTES_MAX + 2];
	struct sshattr attr;

	memset(path, 'a', sizeof(path) - 1);
	ck_assert_int_eq(sshpath_lstat(far.sftp, path, &attr, &e), ERR_INPUT);
	ck_assert_int_eq(sshpath_lstat(far.sftp, "", &attr, &e), ERR_INPUT);
}
END_TEST

Suite *suite_ssh_sshpath(void);

Suite *
suite_ssh_sshpath(void)
{
	Suite *s = suite_create("ssh/sshpath");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, start, stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_link_is_seen_as_itself_and_followed_when_asked);
	tcase_add_test(tc, many_questions_are_under_way_at_once);
	tcase_add_test(tc, more_questions_than_places_wait_for_one);
	tcase_add_test(tc, directories_are_made_once_and_removed);
	tcase_add_test(tc, a_rename_puts_nothing_in_anothers_place);
	tcase_add_test(tc, attributes_are_set_and_links_made);
	tcase_add_test(tc, the_room_there_and_the_whole_path_are_told);
	tcase_add_test(tc, a_path_too_long_or_empty_is_not_sent);
	suite_add_tcase(s, tc);
	return s;
}
