#include <bascule/ssh.h>

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/farfiles.h"

#define MANY_COUNT 1234

static struct farfiles far;
static struct err e;

static void
touch(const char *name)
{
	int fd = open(farfiles_path(&far, name), O_WRONLY | O_CREAT | O_CLOEXEC,
	    0640);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void
start(void)
{
	char name[64];

	farfiles_start(&far, NULL);
	ck_assert_int_eq(mkdir(farfiles_path(&far, "none"), 0700), 0);
	ck_assert_int_eq(mkdir(farfiles_path(&far, "odd"), 0700), 0);
	ck_assert_int_eq(mkdir(farfiles_path(&far, "many"), 0700), 0);
	touch("odd/new\nline");
	touch("odd/\x01\xff");
	touch("odd/...");
	ck_assert_int_eq(symlink("nowhere", farfiles_path(&far, "odd/link")),
	    0);
	ck_assert_int_eq(mkfifo(farfiles_path(&far, "odd/fifo"), 0600), 0);
	for (int i = 0; i < MANY_COUNT; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		touch(name);
	}
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

static struct sshdir *
begin(const char *name)
{
	struct sshdir *d = NULL;

	ck_assert_int_eq(sshdir_begin(&d, far.sftp, farfiles_path(&far, name),
			     &e),
	    ERR_NONE);
	return d;
}

/* Reads on to an entry of this name, or the end. */
static bool
find(struct sshdir *d, const char *name, struct sshdirent *entry)
{
	bool more;

	do
		ck_assert_int_eq(sshdir_next(d, entry, &more, &e), ERR_NONE);
	while (more && (name == NULL || strcmp(entry->name, name) != 0));
	return more;
}

START_TEST(an_empty_directory_has_no_entries)
{
	OWNED(sshdir_close) struct sshdir *d = begin("none");
	struct sshdirent entry;

	ck_assert(!find(d, NULL, &entry));
	ck_assert(!find(d, NULL, &entry));
}
END_TEST

START_TEST(any_name_and_kind_is_listed_as_it_is)
{
	static const struct {
		const char *name;
		mode_t kind;
	} odd[] = {{"new\nline", S_IFREG}, {"\x01\xff", S_IFREG},
	    {"...", S_IFREG}, {"link", S_IFLNK}, {"fifo", S_IFIFO}};

	for (size_t i = 0; i < COUNT_OF(odd); i++) {
		OWNED(sshdir_close) struct sshdir *d = begin("odd");
		struct sshdirent entry;

		ck_assert(find(d, odd[i].name, &entry));
		ck_assert(entry.attr.has_mode && entry.attr.has_times &&
		    entry.attr.has_size && entry.attr.has_owner);
		ck_assert_uint_eq(entry.attr.mode & S_IFMT, odd[i].kind);
		ck_assert_uint_eq(entry.attr.uid, geteuid());
		ck_assert_uint_eq(entry.name_bytes, strlen(entry.name));
	}
}
END_TEST

START_TEST(many_entries_come_once_each_and_dots_do_not)
{
	OWNED(sshdir_close) struct sshdir *d = begin("many");
	bool seen[MANY_COUNT] = {false};
	struct sshdirent entry;
	bool more;

	for (int n = 0;; n++) {
		int i;

		ck_assert_int_eq(sshdir_next(d, &entry, &more, &e), ERR_NONE);
		if (!more) {
			ck_assert_int_eq(n, MANY_COUNT);
			break;
		}
		i = atoi(entry.name);
		ck_assert_int_ne(entry.name[0], '.');
		ck_assert(!seen[i]);
		seen[i] = true;
	}
}
END_TEST

START_TEST(listings_interleave_and_may_be_left_unread)
{
	struct sshdir *d[8];
	struct sshdirent entry;
	bool more;
	int n = 0;

	for (int i = 0; i < 8; i++)
		d[i] = begin(i % 2 == 0 ? "many" : "odd");
	for (int i = 0; i < MANY_COUNT; i++) {
		ck_assert_int_eq(sshdir_next(d[0], &entry, &more, &e),
		    ERR_NONE);
		ck_assert_int_eq(sshdir_next(d[2], &entry, &more, &e),
		    ERR_NONE);
		n += more;
	}
	ck_assert_int_eq(n, MANY_COUNT);
	ck_assert(find(d[7], "link", &entry));
	for (int i = 0; i < 8; i++)
		sshdir_close(&d[i]);
	d[0] = begin("none");
	ck_assert(!find(d[0], NULL, &entry));
	sshdir_close(&d[0]);
}
END_TEST

START_TEST(what_is_no_directory_is_said_by_name)
{
	OWNED(sshdir_close) struct sshdir *a = begin("no/such");
	OWNED(sshdir_close) struct sshdir *b = begin("odd/fifo");
	struct sshdirent entry;
	bool more;

	ck_assert_int_eq(sshdir_next(a, &entry, &more, &e), ERR_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "no/such"));
	ck_assert_int_eq(sshdir_next(a, &entry, &more, &e), ERR_NOTFOUND);
	ck_assert_int_ne(sshdir_next(b, &entry, &more, &e), ERR_NONE);
}
END_TEST

Suite *suite_ssh_sshdir(void);

Suite *
suite_ssh_sshdir(void)
{
	Suite *s = suite_create("ssh/sshdir");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, start, stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_empty_directory_has_no_entries);
	tcase_add_test(tc, any_name_and_kind_is_listed_as_it_is);
	tcase_add_test(tc, many_entries_come_once_each_and_dots_do_not);
	tcase_add_test(tc, listings_interleave_and_may_be_left_unread);
	tcase_add_test(tc, what_is_no_directory_is_said_by_name);
	suite_add_tcase(s, tc);
	return s;
}
