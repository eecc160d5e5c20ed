#include <bascule/ssh.h>

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/now.h>

#include "support/farfiles.h"

#define MANY_BYTES ((size_t)9 << 20 | 4321)

static struct farfiles far;
static struct err e;
static struct sshfile *f;
static uint8_t *noise;

static void
start(void)
{
	uint32_t seed = 1;

	farfiles_start(&far, NULL);
	noise = malloc(MANY_BYTES);
	for (size_t i = 0; i < MANY_BYTES; i++) {
		seed = seed * 1664525 + 1013904223;
		noise[i] = (uint8_t)(seed >> 24);
	}
}

static void
stop(void)
{
	free(noise);
	farfiles_stop(&far);
}

static void
setup(void)
{
	farfiles_connect(&far, 20 * NS_PER_S);
}

static void
teardown(void)
{
	sshfile_close(&f);
	farfiles_disconnect(&far);
}

static void
put(const char *name, const void *bytes, size_t len)
{
	int fd = open(farfiles_path(&far, name),
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static size_t
read_all(struct sshfile *file, uint8_t *out, size_t size)
{
	size_t total = 0, got;

	do {
		ck_assert_int_eq(sshfile_read(file, out + total, size - total,
				     &got, &e),
		    ERR_NONE);
		total += got;
	} while (got > 0 && total < size);
	return total;
}

/* --- reading ---------------------------------------------------------------- */

static const struct {
	size_t len, offset, window;
} reads[] = {
    {0, 0, 0},
    {1, 0, 0},
    {1, 0, 1},
    {1, 1, 0},
    {1, 5, 0},
    {32768, 0, 32768},
    {32769, 0, 32768},
    {100000, 99999, 0},
    {261120, 0, 0},
    {261121, 0, 4096},
    {MANY_BYTES, 0, 0},
    {MANY_BYTES, 1234567, 1 << 20},
};

START_TEST(a_file_is_read_from_any_offset_through_any_window)
{
	size_t len = reads[_i].len, offset = reads[_i].offset;
	size_t want = offset < len ? len - offset : 0;
	uint8_t *back = malloc(MANY_BYTES + 1);
	struct sshattr attr;
	size_t got;

	put("some", noise, len);
	ck_assert_int_eq(sshfile_begin_read(&f, far.sftp,
			     farfiles_path(&far, "some"), offset,
			     reads[_i].window, &e),
	    ERR_NONE);
	ck_assert_uint_eq(read_all(f, back, MANY_BYTES + 1), want);
	ck_assert_mem_eq(back, noise + (want > 0 ? offset : 0), want);
	ck_assert_int_eq(sshfile_read(f, back, 1, &got, &e), ERR_NONE);
	ck_assert_uint_eq(got, 0);
	ck_assert_int_eq(sshfile_attr(f, &attr, &e), ERR_NONE);
	ck_assert_uint_eq(attr.size_bytes, len);
	ck_assert_int_eq(sshfile_finish(f, &e), ERR_NONE);
	free(back);
}
END_TEST

START_TEST(many_files_are_under_way_at_once_on_one_session)
{
	struct sshfile *files[60] = {0};
	uint8_t back[1000];
	char name[16];

	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put(name, noise + i, 900);
		ck_assert_int_eq(sshfile_begin_read(&files[i], far.sftp,
				     farfiles_path(&far, name), 0, 900, &e),
		    ERR_NONE);
	}
	for (int i = 59; i >= 0; i--) { /* against the order, too */
		if (i % 7 != 0) {
			ck_assert_uint_eq(read_all(files[i], back, 1000), 900);
			ck_assert_mem_eq(back, noise + i, 900);
		}
		sshfile_close(&files[i]);
	}
}
END_TEST

START_TEST(a_file_that_is_not_there_is_said_by_name)
{
	uint8_t byte;
	size_t got;

	ck_assert_int_eq(sshfile_begin_read(&f, far.sftp,
			     farfiles_path(&far, "no\nsuch"), 0, 0, &e),
	    ERR_NONE);
	ck_assert_int_eq(sshfile_read(f, &byte, 1, &got, &e), ERR_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "no\\nsuch"));
	ck_assert_ptr_nonnull(strstr(e.text, "127.0.0.1"));
	ck_assert_int_eq(sshfile_read(f, &byte, 1, &got, &e), ERR_NOTFOUND);
}
END_TEST

START_TEST(what_is_closed_unread_disturbs_nothing)
{
	uint8_t *back = malloc(MANY_BYTES + 1);

	put("some", noise, MANY_BYTES);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(sshfile_begin_read(&f, far.sftp,
				     farfiles_path(&far, "some"), 0, 0, &e),
		    ERR_NONE);
		if (i > 0)
			ck_assert_uint_eq(read_all(f, back, 10), 10);
		sshfile_close(&f);
	}
	ck_assert_int_eq(sshfile_begin_read(&f, far.sftp,
			     farfiles_path(&far, "some"), 0, 0, &e),
	    ERR_NONE);
	ck_assert_uint_eq(read_all(f, back, MANY_BYTES + 1), MANY_BYTES);
	ck_assert_mem_eq(back, noise, MANY_BYTES);
	free(back);
}
END_TEST

/* --- writing ---------------------------------------------------------------- */

START_TEST(what_is_written_is_there_whole)
{
	uint8_t *back = malloc(MANY_BYTES + 1);
	struct sshattr attr;
	size_t got = 0;
	int fd;

	ck_assert_int_eq(sshfile_create(&f, far.sftp,
			     farfiles_path(&far, "new"), 0600, &e),
	    ERR_NONE);
	for (size_t at = 0; at < MANY_BYTES; at += 1 << 20)
		ck_assert_int_eq(sshfile_write(f, at, noise + at,
				     MANY_BYTES - at < 1 << 20 ? MANY_BYTES - at
							       : 1 << 20,
				     &e),
		    ERR_NONE);
	ck_assert(sshsftp_offers(far.sftp, SSHSFTP_FSYNC));
	ck_assert_int_eq(sshfile_sync(f, &e), ERR_NONE);
	ck_assert_int_eq(sshfile_attr(f, &attr, &e), ERR_NONE);
	ck_assert_uint_eq(attr.size_bytes, MANY_BYTES);
	ck_assert_uint_eq(attr.mode, S_IFREG | 0600);
	ck_assert_int_eq(sshfile_finish(f, &e), ERR_NONE);
	fd = open(farfiles_path(&far, "new"), O_RDONLY | O_CLOEXEC);
	while (got <= MANY_BYTES) {
		ssize_t n = read(fd, back + got, MANY_BYTES + 1 - got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	close(fd);
	ck_assert_uint_eq(got, MANY_BYTES);
	ck_assert_mem_eq(back, noise, MANY_BYTES);
	ck_assert_int_eq(unlink(farfiles_path(&far, "new")), 0);
	free(back);
}
END_TEST

START_TEST(an_open_file_takes_its_attributes)
{
	OWNED(sshfile_close) struct sshfile *file = NULL;
	const struct sshattr attr = {.has_size = true,
	    .size_bytes = 70000,
	    .has_mode = true,
	    .mode = 0640,
	    .has_times = true,
	    .atime_s = 1000,
	    .mtime_s = 2000};
	struct sshattr got;

	ck_assert_int_eq(sshfile_create(&file, far.sftp,
			     farfiles_path(&far, "dressed"), 0600, &e),
	    ERR_NONE);
	ck_assert_int_eq(sshfile_write(file, 5, "12345", 5, &e), ERR_NONE);
	ck_assert_int_eq(sshfile_set_attr(file, &attr, &e), ERR_NONE);
	ck_assert_int_eq(sshfile_finish(file, &e), ERR_NONE);
	ck_assert_int_eq(sshpath_lstat(far.sftp, far.path, &got, &e), ERR_NONE);
	ck_assert_uint_eq(got.size_bytes, 70000);
	ck_assert_uint_eq(got.mode & 07777, 0640);
	ck_assert_uint_eq(got.mtime_s, 2000);
}
END_TEST

START_TEST(nothing_that_is_there_is_created_again)
{
	put("there", "x", 1);
	ck_assert_int_eq(sshfile_create(&f, far.sftp,
			     farfiles_path(&far, "there"), 0600, &e),
	    ERR_EXISTS);
	ck_assert_ptr_null(f);
	ck_assert_int_eq(sshfile_create(&f, far.sftp,
			     farfiles_path(&far, "no/such"), 0600, &e),
	    ERR_NOTFOUND);
}
END_TEST

START_TEST(a_file_is_gone_on_with)
{
	char back[8] = {0};

	put("there", "abcd", 4);
	ck_assert_int_eq(sshfile_open_write(&f, far.sftp,
			     farfiles_path(&far, "there"), &e),
	    ERR_NONE);
	ck_assert_int_eq(sshfile_write(f, 3, "xyz", 3, &e), ERR_NONE);
	ck_assert_int_eq(sshfile_finish(f, &e), ERR_NONE);
	sshfile_close(&f);
	ck_assert_int_eq(sshfile_begin_read(&f, far.sftp,
			     farfiles_path(&far, "there"), 0, 0, &e),
	    ERR_NONE);
	ck_assert_uint_eq(read_all(f, (uint8_t *)back, 7), 6);
	ck_assert_str_eq(back, "abcxyz");
}
END_TEST

START_TEST(a_full_disk_fails_the_writer)
{
	enum err_code rc;

	if (sshfile_open_write(&f, far.sftp, "/dev/full", &e) != ERR_NONE)
		return; /* not let in */
	rc = sshfile_write(f, 0, noise, MANY_BYTES, &e);
	if (rc == ERR_NONE)
		rc = sshfile_flush(f, &e);
	ck_assert_int_eq(rc, ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "/dev/full"));
	ck_assert_int_eq(sshfile_finish(f, &e), ERR_IO);
}
END_TEST

/* --- the end of it ---------------------------------------------------------- */

START_TEST(a_connection_that_breaks_is_said_to_be_lost)
{
	uint8_t bytes[100];
	size_t got;
	enum err_code rc;

	put("some", noise, MANY_BYTES);
	ck_assert_int_eq(sshfile_begin_read(&f, far.sftp,
			     farfiles_path(&far, "some"), 0, 0, &e),
	    ERR_NONE);
	ck_assert_uint_eq(read_all(f, bytes, 100), 100);
	farhost_cut(&far.host, SIGKILL);
	do
		rc = sshfile_read(f, bytes, 100, &got, &e);
	while (rc == ERR_NONE && got > 0);
	ck_assert_int_eq(rc, ERR_TIMEOUT);
}
END_TEST

START_TEST(a_server_that_falls_silent_times_out)
{
	uint8_t bytes[100];
	size_t got;
	enum err_code rc;

	farfiles_disconnect(&far);
	farfiles_connect(&far, 3 * NS_PER_S); /* to log in, too */
	put("some", noise, MANY_BYTES);
	farhost_cut(&far.host, SIGSTOP);
	ck_assert_int_eq(sshfile_begin_read(&f, far.sftp,
			     farfiles_path(&far, "some"), 0, 0, &e),
	    ERR_NONE);
	rc = sshfile_read(f, bytes, 100, &got, &e);
	farhost_cut(&far.host, SIGCONT);
	ck_assert_int_eq(rc, ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(e.text, "has not answered"));
}
END_TEST

Suite *suite_ssh_sshfile(void);

Suite *
suite_ssh_sshfile(void)
{
	Suite *s = suite_create("ssh/sshfile");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, start, stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc,
	    a_file_is_read_from_any_offset_through_any_window, 0,
	    COUNT_OF(reads));
	tcase_add_test(tc, many_files_are_under_way_at_once_on_one_session);
	tcase_add_test(tc, a_file_that_is_not_there_is_said_by_name);
	tcase_add_test(tc, what_is_closed_unread_disturbs_nothing);
	tcase_add_test(tc, what_is_written_is_there_whole);
	tcase_add_test(tc, an_open_file_takes_its_attributes);
	tcase_add_test(tc, nothing_that_is_there_is_created_again);
	tcase_add_test(tc, a_file_is_gone_on_with);
	tcase_add_test(tc, a_full_disk_fails_the_writer);
	tcase_add_test(tc, a_connection_that_breaks_is_said_to_be_lost);
	tcase_add_test(tc, a_server_that_falls_silent_times_out);
	suite_add_tcase(s, tc);
	return s;
}
