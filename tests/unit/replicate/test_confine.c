#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/replicate.h>

#include "support/tmpdir.h"

static struct tmpdir tmp;
static char copy[512], other[512];

static const char *
at(const char *name)
{
	static char path[600];

	snprintf(path, sizeof(path), "%s/%s", copy, name);
	return path;
}

static void
put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	close(fd);
}

/* A copy with a pack and a snapshot in it, and something beside it. */
static void
setup(void)
{
	static const char *const dirs[] = {"", "packs", "packs/ab", "snapshots",
	    "snapshots/files", "points", "tmp", "index"};

	tmpdir_make(&tmp);
	snprintf(copy, sizeof(copy), "%s/copy", tmp.path);
	snprintf(other, sizeof(other), "%s/other", tmp.path);
	put(other);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		ck_assert_int_eq(mkdir(at(dirs[i]), 0700), 0);
	put(at("format"));
	put(at("lock"));
	put(at("packs/ab/abc"));
	put(at("snapshots/files/abc"));
	put(at("index/MANIFEST"));
}

static void
teardown(void)
{
	tmpdir_remove(&tmp);
}

static bool
opens(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

static bool fetches; /* it is one that makes the connection */

static unsigned
confine(void)
{
	const char *const files[] = {other, NULL};

	return fetches ? confine_to_fetch(copy, files, 2)
		       : confine_to(copy, SERVE_PUT);
}

/* In a process of its own; what it returns, or the signal it died of. */
static int
confined(unsigned (*does)(void), unsigned *got)
{
	int fds[2], status;
	unsigned said[2] = {0, 0};
	pid_t child;

	ck_assert_int_eq(pipe(fds), 0);
	child = fork();
	ck_assert_int_ne(child, -1);
	if (child == 0) {
		said[0] = confine();
		said[1] = does();
		_exit(write(fds[1], said, sizeof(said)) != sizeof(said));
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read(fds[0], said, sizeof(said)), sizeof(said));
	close(fds[0]);
	close(fds[1]);
	*got = said[0];
	return (int)said[1];
}

/* A bit for each thing that could be done. */
static unsigned
works(void)
{
	unsigned n = 0;
	int fd = open(at("tmp/new"), O_RDWR | O_CREAT | O_EXCL, 0400);

	n |= fd != -1 && write(fd, "x", 1) == 1 ? 1 : 0;
	n |= rename(at("tmp/new"), "/dev/null") != 0 ? 2 : 0;
	n |= mkdir(at("packs/cd"), 0700) == 0 ? 4 : 0;
	n |= opens(at("packs/ab/abc"), O_RDONLY) ? 8 : 0;
	n |= opens(at("lock"), O_RDWR) ? 16 : 0;
	n |= opens(at("sessions/1"), O_RDWR | O_CREAT) ? 32 : 0;
	n |= opens("/proc/sys/kernel/random/boot_id", O_RDONLY) ? 64 : 0;
	return n;
}

START_TEST(a_receiver_can_do_its_work)
{
	unsigned got;

	ck_assert_int_eq(confined(works, &got), 127);
}
END_TEST

static unsigned
renames(void)
{
	char from[600];
	unsigned n = 0;

	n |= opens(at("tmp/one"), O_RDWR | O_CREAT) ? 1 : 0;
	snprintf(from, sizeof(from), "%s", at("tmp/one"));
	n |= rename(from, at("snapshots/files/def")) == 0 ? 2 : 0;
	n |= opens(at("tmp/one"), O_RDWR | O_CREAT) ? 4 : 0;
	n |= rename(from, at("packs/ab/abc")) == 0 ? 8 : 0; /* over it */
	n |= opens(at("tmp/one"), O_RDWR | O_CREAT) ? 16 : 0;
	n |= rename(from, at("index/MANIFEST")) == 0 ? 32 : 0;
	return n;
}

START_TEST(what_came_gets_its_name)
{
	unsigned got;

	ck_assert_int_eq(confined(renames, &got), 63);
}
END_TEST

static unsigned
harms(void)
{
	char from[600];
	unsigned n = 0;

	n |= unlink(at("snapshots/files/abc")) == 0 ? 1 : 0;
	n |= opens(at("snapshots/files/abc"), O_WRONLY) ? 2 : 0;
	n |= truncate(at("packs/ab/abc"), 0) == 0 ? 4 : 0;
	n |= opens(at("packs/ab/abc"), O_WRONLY) ? 8 : 0;
	n |= unlink(at("format")) == 0 ? 16 : 0;
	n |= rmdir(at("points")) == 0 ? 32 : 0;
	(void)opens(at("tmp/one"), O_RDWR | O_CREAT);
	snprintf(from, sizeof(from), "%s", at("tmp/one"));
	n |= rename(from, at("snapshots/files/abc")) == 0 ? 64 : 0;
	n |= opens(other, O_RDONLY) ? 128 : 0;
	n |= unlink(other) == 0 ? 256 : 0;
	n |= opens("/etc/passwd", O_RDONLY) ? 512 : 0;
	n |= symlink("/etc/passwd", at("tmp/link")) == 0 ? 1024 : 0;
	n |= opens(tmp.path, O_RDONLY | O_DIRECTORY) ? 2048 : 0;
	return n;
}

START_TEST(nothing_published_is_touched_and_nothing_else_is_seen)
{
	unsigned got;
	int harm = confined(harms, &got);

	if ((got & CONFINE_FILES) != 0)
		ck_assert_int_eq(harm, 0);
}
END_TEST

static unsigned
reaches(void)
{
	char *const argv[] = {(char[]){"true"}, NULL};
	unsigned n = 0;

	n |= socket(AF_INET, SOCK_STREAM, 0) != -1 || errno != EPERM ? 1 : 0;
	n |= socket(AF_UNIX, SOCK_STREAM, 0) != -1 || errno != EPERM ? 2 : 0;
	n |= kill(getppid(), 0) == 0 || errno != EPERM ? 4 : 0;
	execv("/bin/true", argv); /* would end it without a word */
	n |= errno != EPERM ? 8 : 0;
	n |= symlink("x", at("tmp/link")) == 0 ? 16 : 0;
	return n;
}

START_TEST(no_socket_no_signal_no_program)
{
	unsigned got;
	int reach = confined(reaches, &got);

	if ((got & CONFINE_CALLS) != 0)
		ck_assert_int_eq(reach, 0);
}
END_TEST

/* Its key is read for each connection. */
static unsigned
fetched(void)
{
	unsigned n = reaches();

	n |= opens(other, O_RDONLY) ? 32 : 0;
	n |= opens(at("tmp/one"), O_RDWR | O_CREAT) ? 64 : 0;
	n |= opens(other, O_WRONLY) || unlink(other) == 0 ? 128 : 0;
	n |= opens("/etc/passwd", O_RDONLY) ? 256 : 0;
	n |= unlink(at("snapshots/files/abc")) == 0 ? 512 : 0;
	return n;
}

START_TEST(who_fetches_has_sockets_and_its_key_and_no_more)
{
	unsigned got, could;

	fetches = true;
	could = (unsigned)confined(fetched, &got);
	fetches = false;
	if ((got & CONFINE_CALLS) != 0)
		ck_assert_uint_eq(could & 31, 3);
	ck_assert_uint_eq(could & 96, 96);
	if ((got & CONFINE_FILES) != 0)
		ck_assert_uint_eq(could & ~127U, 0);
}
END_TEST

static unsigned
makes(void)
{
	unsigned n = 0;

	n |= mkdir(at("packs"), 0700) == 0 ? 1 : 0;
	n |= opens(at("format"), O_RDWR | O_CREAT) ? 2 : 0;
	n |= opens(at(".."), O_RDONLY | O_DIRECTORY) ? 4 : 0; /* to flush it */
	n |= opens(other, O_RDONLY) ? 0 : 8;
	n |= opens(at("../new"), O_RDWR | O_CREAT) ? 0 : 16;
	return n;
}

START_TEST(a_copy_that_is_not_there_can_be_made)
{
	unsigned got;
	int made;

	snprintf(copy, sizeof(copy), "%s/copy2", tmp.path);
	made = confined(makes, &got);
	ck_assert_int_eq(made & 7, 7);
	if ((got & CONFINE_FILES) != 0)
		ck_assert_int_eq(made, 31);
}
END_TEST

static unsigned
nothing(void)
{
	return 0;
}

START_TEST(what_is_on_is_said)
{
	char text[CONFINE_TEXT_BYTES];
	unsigned got;

	ck_assert_str_eq(confine_text(0, text), "nothing: this kernel cannot");
	ck_assert_str_eq(confine_text(CONFINE_FILES | CONFINE_NETWORK |
				 CONFINE_CALLS,
			     text),
	    "files (Landlock), network, system calls (seccomp)");
	snprintf(copy, sizeof(copy), "%s/not/there", tmp.path);
	ck_assert_int_eq(confined(nothing, &got), 0);
}
END_TEST

Suite *suite_replicate_confine(void);

Suite *
suite_replicate_confine(void)
{
	Suite *s = suite_create("replicate/confine");
	TCase *t = tcase_create("confine");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_receiver_can_do_its_work);
	tcase_add_test(t, what_came_gets_its_name);
	tcase_add_test(t,
	    nothing_published_is_touched_and_nothing_else_is_seen);
	tcase_add_test(t, no_socket_no_signal_no_program);
	tcase_add_test(t, who_fetches_has_sockets_and_its_key_and_no_more);
	tcase_add_test(t, a_copy_that_is_not_there_can_be_made);
	tcase_add_test(t, what_is_on_is_said);
	suite_add_tcase(s, t);
	return s;
}
