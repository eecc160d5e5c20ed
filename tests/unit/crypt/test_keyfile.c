#include <bascule/crypt.h>

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fault.h"
#include "support/tmpdir.h"

Suite *suite_crypt_keyfile(void);

static struct tmpdir td;
static char path[128];
static struct secret content;

static void
set_up(void)
{
	struct err e = {0};

	tmpdir_make(&td);
	snprintf(path, sizeof path, "%s/site.key", td.path);
	ck_assert_int_eq(secret_set(&content, "the key", 7, &e), ERR_NONE);
}

static void
tear_down(void)
{
	secret_fini(&content);
	tmpdir_remove(&td);
}

START_TEST(what_was_written_is_read_and_nobody_else_may)
{
	OWNED(secret_fini) struct secret back = {0};
	struct err e = {0};
	struct stat st;

	ck_assert_int_eq(keyfile_write(path, &content, &e), ERR_NONE);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(keyfile_read(path, &back, &e), ERR_NONE);
	ck_assert_uint_eq(back.len_bytes, 7);
	ck_assert_mem_eq(back.bytes, "the key", 7);
	ck_assert_int_eq(tmpdir_count(&td), 1);
}
END_TEST

START_TEST(a_key_file_is_never_overwritten)
{
	struct err e = {0};

	tmpdir_put(&td, "site.key", "the only copy");
	ck_assert_int_eq(keyfile_write(path, &content, &e), ERR_EXISTS);
	ck_assert(tmpdir_is(&td, "site.key", "the only copy"));
	ck_assert_int_eq(tmpdir_count(&td), 1);
}
END_TEST

START_TEST(a_key_file_open_to_others_is_refused)
{
	OWNED(secret_fini) struct secret back = {0};
	static const mode_t open_modes[] = {0644, 0604, 0620, 0602, 0601};
	struct err e = {0};

	tmpdir_put(&td, "site.key", "the key");
	for (size_t i = 0; i < COUNT_OF(open_modes); i++) {
		ck_assert_int_eq(chmod(path, open_modes[i]), 0);
		ck_assert_int_eq(keyfile_read(path, &back, &e), ERR_KEY);
		ck_assert_ptr_null(back.bytes);
		ck_assert_ptr_nonnull(strstr(e.text, "hint: "));
	}
	ck_assert_int_eq(chmod(path, 0400), 0);
	ck_assert_int_eq(keyfile_read(path, &back, &e), ERR_NONE);
}
END_TEST

START_TEST(what_cannot_be_a_key_file_is_not_read)
{
	OWNED(secret_fini) struct secret back = {0};
	struct err e = {0};

	ck_assert_int_eq(keyfile_read(path, &back, &e), ERR_NOTFOUND);
	ck_assert_int_eq(keyfile_read(td.path, &back, &e), ERR_INPUT);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(keyfile_read(path, &back, &e), ERR_INPUT);
	ck_assert_int_eq(unlink(path), 0);
	tmpdir_put(&td, "site.key", "");
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(truncate(path, SECRET_BYTES_MAX + 1), 0);
	ck_assert_int_eq(keyfile_read(path, &back, &e), ERR_CORRUPT);
}
END_TEST

START_TEST(a_path_without_a_directory_or_name_is_refused)
{
	struct err e = {0};
	char bad[160];

	snprintf(bad, sizeof bad, "%s/nowhere/site.key", td.path);
	ck_assert_int_eq(keyfile_write(bad, &content, &e), ERR_NOTFOUND);
	snprintf(bad, sizeof bad, "%s/", td.path);
	ck_assert_int_eq(keyfile_write(bad, &content, &e), ERR_INPUT);
	ck_assert_int_eq(tmpdir_count(&td), 0);
}
END_TEST

START_TEST(any_failing_call_leaves_no_file_or_name_behind)
{
	enum err_code rc;
	struct err e = {0};
	int nth;

	for (nth = 1; nth < 50; nth++) {
		fault_arm(nth, EIO);
		rc = keyfile_write(path, &content, &e);
		if (!fault_fired())
			break;
		ck_assert_int_eq(rc, ERR_IO);
		ck_assert_int_eq(tmpdir_count(&td), 0);
	}
	ck_assert_int_ge(nth, 5); /* write, fsync, rename, fsync */
	ck_assert_int_eq(rc, ERR_NONE);
	ck_assert(tmpdir_is(&td, "site.key", "the key"));
}
END_TEST

START_TEST(one_that_is_replaced_keeps_its_mode_and_its_link)
{
	struct err e = {0};
	char link[160];
	struct stat st;

	snprintf(link, sizeof link, "%s/link.key", td.path);
	ck_assert_int_eq(keyfile_replace(path, &content, &e), ERR_NOTFOUND);
	tmpdir_put(&td, "site.key", "the old key");
	ck_assert_int_eq(chmod(path, 0640), 0);
	ck_assert_int_eq(symlink("site.key", link), 0);
	ck_assert_int_eq(keyfile_replace(link, &content, &e), ERR_NONE);
	ck_assert(tmpdir_is(&td, "site.key", "the key"));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ck_assert_int_eq(lstat(link, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	ck_assert_int_eq(tmpdir_count(&td), 2);
}
END_TEST

START_TEST(any_failing_call_leaves_the_old_key_or_the_new_one_whole)
{
	enum err_code rc;
	struct err e = {0};
	int nth;

	for (nth = 1; nth < 50; nth++) {
		tmpdir_put(&td, "site.key", "the old key");
		fault_arm(nth, EIO);
		rc = keyfile_replace(path, &content, &e);
		if (!fault_fired())
			break;
		ck_assert_int_eq(rc, ERR_IO);
		ck_assert_int_eq(tmpdir_count(&td), 1);
		ck_assert(tmpdir_is(&td, "site.key", "the old key") ||
		    tmpdir_is(&td, "site.key", "the key"));
	}
	ck_assert_int_ge(nth, 5); /* mode, write, fsync, rename, fsync */
	ck_assert_int_eq(rc, ERR_NONE);
	ck_assert(tmpdir_is(&td, "site.key", "the key"));
}
END_TEST

START_TEST(a_file_system_without_exclusive_renames_gets_a_link)
{
	struct err e = {0};

	fault_arm(3, EINVAL); /* renameat2 */
	ck_assert_int_eq(keyfile_write(path, &content, &e), ERR_NONE);
	ck_assert(fault_fired());
	ck_assert(tmpdir_is(&td, "site.key", "the key"));
	ck_assert_int_eq(tmpdir_count(&td), 1);
}
END_TEST

START_TEST(making_a_family_survives_running_out_of_memory)
{
	OWNED(keyring_free) struct keyring *ops = NULL;
	OWNED(keyring_free) struct keyring *escrow = NULL;
	struct err e = {0};
	enum err_code rc;
	int nth;

	for (nth = 1; nth < 50; nth++) {
		fault_arm(nth, ENOMEM);
		rc = keyring_new_family(&ops, &escrow, &e);
		if (!fault_fired())
			break;
		ck_assert_int_eq(rc, ERR_NOMEM);
		ck_assert_ptr_null(ops);
		ck_assert_ptr_null(escrow);
	}
	ck_assert_int_ge(nth, 4);
	ck_assert_int_eq(rc, ERR_NONE);
}
END_TEST

Suite *
suite_crypt_keyfile(void)
{
	Suite *s = suite_create("crypt/keyfile");
	TCase *tc = tcase_create("keyfile");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, what_was_written_is_read_and_nobody_else_may);
	tcase_add_test(tc, a_key_file_is_never_overwritten);
	tcase_add_test(tc, a_key_file_open_to_others_is_refused);
	tcase_add_test(tc, what_cannot_be_a_key_file_is_not_read);
	tcase_add_test(tc, a_path_without_a_directory_or_name_is_refused);
	tcase_add_test(tc, any_failing_call_leaves_no_file_or_name_behind);
	tcase_add_test(tc, one_that_is_replaced_keeps_its_mode_and_its_link);
	tcase_add_test(tc,
	    any_failing_call_leaves_the_old_key_or_the_new_one_whole);
	tcase_add_test(tc, a_file_system_without_exclusive_renames_gets_a_link);
	tcase_add_test(tc, making_a_family_survives_running_out_of_memory);
	suite_add_tcase(s, tc);
	return s;
}
