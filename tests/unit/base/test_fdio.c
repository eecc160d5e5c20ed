#include <bascule/base/fdio.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fault.h"
#include "support/tmpdir.h"

Suite *suite_base_fdio(void);

static struct tmpdir td;

static void
setup(void)
{
	tmpdir_make(&td);
	tmpdir_put(&td, "file", "content");
	ck_assert_int_eq(mkdirat(td.fd, "dir", 0700), 0);
	ck_assert_int_eq(mkdirat(td.fd, "dir/one", 0700), 0);
	ck_assert_int_eq(symlinkat("dir", td.fd, "link"), 0);
}

static void
teardown(void)
{
	tmpdir_remove(&td);
}

static int
next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

START_TEST(a_directory_says_what_is_in_it)
{
	OWNED(fdio_close_dir) DIR *d = fdio_open_dir(td.fd, "dir");
	const struct dirent *one;
	int dots = 0, others = 0;

	ck_assert_ptr_nonnull(d);
	ck_assert_int_eq(fcntl(dirfd(d), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	while ((one = readdir(d)) != NULL) {
		dots += one->d_name[0] == '.';
		others += strcmp(one->d_name, "one") == 0;
	}
	ck_assert_int_eq(dots, 2);
	ck_assert_int_eq(others, 1);
	fdio_close_dir(&d);
	ck_assert_ptr_null(d);
}
END_TEST

START_TEST(neither_a_link_nor_a_file_is_a_directory)
{
	ck_assert_ptr_null(fdio_open_dir(td.fd, "link"));
	ck_assert_int_eq(errno, ENOTDIR);
	ck_assert_ptr_null(fdio_open_dir(td.fd, "file"));
	ck_assert_int_eq(errno, ENOTDIR);
	ck_assert_ptr_null(fdio_open_dir(td.fd, "none"));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* Without memory for the stream its descriptor does not stay behind. */
START_TEST(a_directory_that_cannot_be_read_is_closed)
{
	const int before = next_fd();
	int failed = 0;

	for (int nth = 1; nth < 8; nth++) {
		OWNED(fdio_close_dir) DIR *d = NULL;

		fault_arm_all(nth, ENOMEM);
		d = fdio_open_dir(td.fd, "dir");
		fault_arm_all(0, 0);
		if (d == NULL) {
			failed++;
			ck_assert_int_eq(next_fd(), before);
		}
	}
	ck_assert_int_ge(failed, 1);
	ck_assert_int_lt(failed, 7);
}
END_TEST

Suite *
suite_base_fdio(void)
{
	Suite *s = suite_create("base/fdio");
	TCase *t = tcase_create("directories");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_directory_says_what_is_in_it);
	tcase_add_test(t, neither_a_link_nor_a_file_is_a_directory);
	tcase_add_test(t, a_directory_that_cannot_be_read_is_closed);
	suite_add_tcase(s, t);
	return s;
}
