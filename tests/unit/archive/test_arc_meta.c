#include <bascule/archive.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "support/fault.h"
#include "support/tmpdir.h"

#define NOBODY 65534

static struct tmpdir td;

static void
setup(void)
{
	tmpdir_make(&td);
}

static void
teardown(void)
{
	tmpdir_remove(&td);
}

struct heard {
	unsigned count;
	char text[512];
};

static void
hear(void *arg, enum err_code code, const char *text)
{
	struct heard *h = arg;

	ck_assert_int_ne(code, ERR_NONE);
	h->count++;
	snprintf(h->text, sizeof(h->text), "%s", text);
}

static int
open_file(const char *name)
{
	int fd = openat(td.fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
read_of(int fd, enum arc_handle handle, struct entry *en, struct heard *h)
{
	struct err e = {0};

	ck_assert_int_eq(arc_meta_read(fd, handle, en,
			     (struct arc_warn){hear, h}, &e),
	    ERR_NONE);
}

/* user:: rw-, user:1234 r--, group:: r--, mask:: r--, other:: --- */
static const uint8_t acl[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0,
    4, 0, 210, 4, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255,
    255, 255, 32, 0, 0, 0, 255, 255, 255, 255};

static void
fill(struct entry *en, bool with_xattrs)
{
	struct err e = {0};

	en->type = ENTRY_FILE;
	en->mode = 02640;
	en->uid = geteuid();
	en->gid = getegid();
	en->mtime_s = -5;
	en->mtime_ns = 999999999;
	en->flags = FS_NODUMP_FL;
	if (!with_xattrs)
		return;
	ck_assert_int_eq(entry_add_xattr(en, "user.a", "1", 1, &e), 0);
	ck_assert_int_eq(entry_add_xattr(en, "user.empty", "", 0, &e), 0);
	ck_assert_int_eq(entry_add_xattr(en, "system.posix_acl_access", acl,
			     sizeof(acl), &e),
	    0);
}

/* ext4, xfs, btrfs and tmpfs of today can; others need not. */
static bool
is_able(int fd)
{
	int flags;
	bool able = fsetxattr(fd, "user.probe", "x", 1, 0) == 0 &&
	    ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;

	if (!able)
		printf("skipped: no attributes or flags on this file system\n");
	return able;
}

START_TEST(what_is_applied_is_read_again)
{
	OWNED(entry_fini) struct entry want = {0};
	OWNED(entry_fini) struct entry got = {0};
	struct heard h = {0};
	int fd = open_file("f");
	struct stat st;

	if (is_able(fd)) {
		fill(&want, true);
		ck_assert_msg(arc_meta_apply(fd, ARC_OPEN, &want, 0,
				  (struct arc_warn){hear, &h}) == 0,
		    "%s", h.text);
		read_of(fd, ARC_OPEN, &got, &h);
		ck_assert_uint_eq(h.count, 0);
		ck_assert_uint_eq(got.xattr_count, 3); /* not user.probe */
		ck_assert_ptr_nonnull(
		    entry_find_xattr(&got, "system.posix_acl_access"));
		ck_assert_uint_eq(got.flags & FS_NODUMP_FL, FS_NODUMP_FL);
		fstat(fd, &st);
		got.type = ENTRY_FILE;
		got.mode = st.st_mode & 07777;
		got.uid = st.st_uid;
		got.gid = st.st_gid;
		got.mtime_s = st.st_mtim.tv_sec;
		got.mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
		got.flags = want.flags;
		ck_assert(entry_equal(&want, &got));
	}
	close(fd);
}
END_TEST

START_TEST(big_values_and_many_names_are_read)
{
	OWNED(entry_fini) struct entry en = {0};
	struct heard h = {0};
	int fd = open_file("f");
	char name[64], value[3000];
	unsigned made = 0;

	memset(value, 'v', sizeof(value));
	if (is_able(fd)) {
		fremovexattr(fd, "user.probe");
		/* ext4 holds about one block of them */
		made += fsetxattr(fd, "user.big", value, 1500, 0) == 0;
		for (int i = 0; i < 60; i++) {
			snprintf(name, sizeof(name),
			    "user.a_rather_long_name_%d", i);
			made += fsetxattr(fd, name, "", 0, 0) == 0;
		}
		read_of(fd, ARC_OPEN, &en, &h);
		ck_assert_uint_eq(h.count, 0);
		ck_assert_uint_eq(en.xattr_count, made);
		ck_assert_uint_gt(made, 30);
	}
	close(fd);
}
END_TEST

START_TEST(links_and_fifos_go_through_their_path_handle)
{
	OWNED(entry_fini) struct entry en = {.type = ENTRY_SYMLINK};
	OWNED(entry_fini) struct entry got = {0};
	struct heard h = {0};
	struct stat st;
	int fd;

	ck_assert_int_eq(symlinkat("target", td.fd, "l"), 0);
	tmpdir_put(&td, "target", "x");
	fd = openat(td.fd, "l", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	fill(&en, false);
	en.type = ENTRY_SYMLINK;
	en.flags = 0;
	ck_assert_msg(arc_meta_apply(fd, ARC_PATH, &en, 0,
			  (struct arc_warn){hear, &h}) == 0,
	    "%s", h.text);
	read_of(fd, ARC_PATH, &got, &h);
	ck_assert_uint_eq(h.count, 0);
	fstat(fd, &st);
	ck_assert_int_eq(st.st_mtim.tv_sec, -5);
	ck_assert_int_eq(fstatat(td.fd, "target", &st, 0), 0);
	ck_assert_int_ne(st.st_mtim.tv_sec, -5); /* not what it points to */
	close(fd);
	ck_assert_int_eq(mkfifoat(td.fd, "p", 0600), 0);
	fd = openat(td.fd, "p", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	en.type = ENTRY_FIFO;
	en.mode = 0624;
	ck_assert_uint_eq(arc_meta_apply(fd, ARC_PATH, &en, 0,
			      (struct arc_warn){hear, &h}),
	    0);
	fstat(fd, &st);
	ck_assert_uint_eq(st.st_mode & 07777, 0624);
	close(fd);
}
END_TEST

START_TEST(another_owner_is_none_without_its_privilege)
{
	OWNED(entry_fini) struct entry en = {0};
	struct heard h = {0};
	int fd = open_file("f");
	struct stat st;

	fill(&en, false);
	en.mode = 06755;
	en.uid = geteuid() + 7;
	en.flags = 0;
	arc_meta_apply(fd, ARC_OPEN, &en, 0, (struct arc_warn){hear, &h});
	fstat(fd, &st);
	if (geteuid() == 0) {
		ck_assert_uint_eq(st.st_uid, 7);
		ck_assert_uint_eq(st.st_mode & 07777, 06755);
	} else {
		ck_assert_uint_eq(st.st_uid, geteuid());
		ck_assert_uint_eq(st.st_mode & 07777, 0755);
	}
	ck_assert_uint_eq(h.count, 0);
	close(fd);
}
END_TEST

START_TEST(immutable_comes_last_and_can_be_lifted)
{
	OWNED(entry_fini) struct entry en = {0};
	struct heard h = {0};
	struct err e = {0};
	int fd = open_file("f");

	fill(&en, false);
	en.flags = FS_IMMUTABLE_FL;
	arc_meta_apply(fd, ARC_OPEN, &en, 0, (struct arc_warn){hear, &h});
	if (h.count == 0) {
		ck_assert_int_ne(fchmod(fd, 0600), 0);
		ck_assert_int_eq(arc_meta_unlock(fd, &e), ERR_NONE);
		ck_assert_int_eq(fchmod(fd, 0600), 0);
	} else {
		printf("skipped: %s\n", h.text);
	}
	close(fd);
}
END_TEST

START_TEST(what_is_to_be_skipped_stays)
{
	OWNED(entry_fini) struct entry en = {0};
	struct heard h = {0};
	int fd = open_file("f");
	struct stat before, after;

	fstat(fd, &before);
	fill(&en, false);
	en.uid = geteuid() + 7;
	arc_meta_apply(fd, ARC_OPEN, &en,
	    ARC_SKIP_OWNER | ARC_SKIP_XATTRS | ARC_SKIP_FLAGS | ARC_SKIP_TIMES,
	    (struct arc_warn){hear, &h});
	fstat(fd, &after);
	ck_assert_uint_eq(after.st_uid, before.st_uid);
	ck_assert_int_eq(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
	ck_assert_uint_eq(after.st_mode & 0777, 0640);
	close(fd);
}
END_TEST

/* 0: all as it should be, where nothing can be given away. */
static int
apply_as_nobody(int fd, const struct entry *en)
{
	struct heard h = {0};
	struct stat st;

	if (geteuid() == 0 &&
	    (setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
		setresuid(NOBODY, NOBODY, NOBODY) != 0))
		return 2;
	if (arc_meta_gives_away() ||
	    arc_meta_apply(fd, ARC_OPEN, en, 0, (struct arc_warn){hear, &h}) !=
		0 ||
	    h.count != 0)
		return 3;
	if (fstat(fd, &st) != 0 || st.st_uid != geteuid() ||
	    (st.st_mode & 07777) != (en->mode & 01777))
		return 4;
	return arc_meta_equals(fd, ARC_OPEN, en) ? 0 : 5;
}

START_TEST(what_only_root_can_give_away_stays_ours_and_is_no_fault)
{
	OWNED(entry_fini) struct entry en = {0};
	int fd = open_file("f"), status;
	pid_t pid;

	fill(&en, false);
	en.uid = geteuid() + 7;
	en.mode |= 06000; /* would be our privilege */
	if (geteuid() == 0)
		ck_assert_int_eq(fchown(fd, NOBODY, NOBODY), 0);
	pid = fork();
	if (pid == 0)
		_exit(apply_as_nobody(fd, &en));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* Who could give it away sees that it is not. */
	ck_assert(geteuid() != 0 || !arc_meta_equals(fd, ARC_OPEN, &en));
	close(fd);
}
END_TEST

START_TEST(any_failing_call_is_one_warning_and_the_rest_is_done)
{
	int fd = open_file("f");

	for (int nth = 1; is_able(fd); nth++) {
		OWNED(entry_fini) struct entry en = {0};
		struct heard h = {0};
		struct stat st;
		unsigned count;

		fremovexattr(fd, "user.probe");
		fill(&en, true);
		en.flags = 0;
		fchmod(fd, 0600);
		fault_arm_reading(nth, EIO);
		count = arc_meta_apply(fd, ARC_OPEN, &en, 0,
		    (struct arc_warn){hear, &h});
		if (!fault_fired()) {
			ck_assert_uint_eq(count, 0);
			break;
		}
		ck_assert_uint_eq(count, 1);
		ck_assert_uint_eq(h.count, 1);
		fstat(fd, &st);
		ck_assert((st.st_mode & 07777) == 02640 ||
		    strstr(h.text, "mode") != NULL);
		ck_assert(
		    st.st_mtim.tv_sec == -5 || strstr(h.text, "time") != NULL);
	}
	close(fd);
}
END_TEST

START_TEST(any_failing_read_is_one_warning)
{
	int fd = open_file("f");

	for (int nth = 1; is_able(fd); nth++) {
		OWNED(entry_fini) struct entry en = {0};
		struct heard h = {0};

		fault_arm_reading(nth, EIO);
		read_of(fd, ARC_OPEN, &en, &h);
		if (!fault_fired()) {
			ck_assert_uint_eq(en.xattr_count, 1);
			break;
		}
		ck_assert_uint_eq(h.count, 1);
	}
	close(fd);
}
END_TEST

Suite *suite_archive_arc_meta(void);

Suite *
suite_archive_arc_meta(void)
{
	Suite *s = suite_create("archive/meta");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_applied_is_read_again);
	tcase_add_test(tc, big_values_and_many_names_are_read);
	tcase_add_test(tc, links_and_fifos_go_through_their_path_handle);
	tcase_add_test(tc, another_owner_is_none_without_its_privilege);
	tcase_add_test(tc, immutable_comes_last_and_can_be_lifted);
	tcase_add_test(tc, what_is_to_be_skipped_stays);
	tcase_add_test(tc,
	    what_only_root_can_give_away_stays_ours_and_is_no_fault);
	tcase_add_test(tc,
	    any_failing_call_is_one_warning_and_the_rest_is_done);
	tcase_add_test(tc, any_failing_read_is_one_warning);
	suite_add_tcase(s, tc);
	return s;
}
