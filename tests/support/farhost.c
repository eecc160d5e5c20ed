#include "support/farhost.h"

#include <check.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int
farhost_run(const char *const argv[])
{
	pid_t pid;
	int status;

	ck_assert_int_eq(posix_spawnp(&pid, argv[0], NULL, NULL,
			     (char *const *)(uintptr_t)argv, environ),
	    0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void
farhost_start(struct farhost *h, const char *options)
{
	const struct passwd *pw = getpwuid(geteuid());

	memset(h, 0, sizeof(*h));
	tmpdir_make(&h->dir);
	setenv("SSHD_OPTIONS", options != NULL ? options : "", 1);
	ck_assert_int_eq(farhost_run((const char *const[]){"sh",
			     "tests/support/sshd.sh", "start", h->dir.path,
			     NULL}),
	    0);
	unsetenv("SSHD_OPTIONS");
	h->port = (uint16_t)atoi(tmpdir_get(&h->dir, "port"));
	ck_assert_ptr_nonnull(pw);
	snprintf(h->user, sizeof(h->user), "%s", pw->pw_name);
	snprintf(h->known_hosts, sizeof(h->known_hosts), "%s/known_hosts",
	    h->dir.path);
	snprintf(h->identity, sizeof(h->identity), "%s/id_ed25519",
	    h->dir.path);
}

void
farhost_stop(struct farhost *h)
{
	ck_assert_int_eq(farhost_run((const char *const[]){"sh",
			     "tests/support/sshd.sh", "stop", h->dir.path,
			     NULL}),
	    0);
	tmpdir_remove(&h->dir);
}

void
farhost_cut(struct farhost *h, int signal_number)
{
	char number[12];

	snprintf(number, sizeof(number), "%d", signal_number);
	ck_assert_int_eq(farhost_run((const char *const[]){"sh",
			     "tests/support/sshd.sh", "cut", h->dir.path,
			     number, NULL}),
	    0);
}

int
farhost_pid(struct farhost *h)
{
	return atoi(tmpdir_get(&h->dir, "sshd.pid"));
}

const char *
farhost_fingerprint(struct farhost *h)
{
	static char text[64];
	char command[256];

	snprintf(command, sizeof(command),
	    "cd '%s' && ssh-keygen -lf host_ed25519.pub | cut -d' ' -f2 "
	    ">fingerprint",
	    h->dir.path);
	ck_assert_int_eq(farhost_run(
			     (const char *const[]){"sh", "-c", command, NULL}),
	    0);
	snprintf(text, sizeof(text), "%s", tmpdir_get(&h->dir, "fingerprint"));
	text[strcspn(text, "\n")] = '\0';
	return text;
}
