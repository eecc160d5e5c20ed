/*
 * fork and exec.  uv_spawn waits for the exec without a limit: one child stopped
 * before it would stop the daemon.
 */

#include "loop_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define EXEC_MS 100 /* a millisecond, where nobody computes */

/* From here to the exec only what a fork of a process with threads may call. */

static void
say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return; /* nobody listens */
}

/* Out of the way of the numbers that are filled. */
static int
above(int fd)
{
	return fd >= LOOP_SPAWN_FDS
	    ? fd
	    : fcntl(fd, F_DUPFD_CLOEXEC, LOOP_SPAWN_FDS);
}

static bool
take_fds(const struct loop_spawn *what, int *told)
{
	int from[LOOP_SPAWN_FDS];

	if ((*told = above(*told)) < 0)
		return false;
	for (unsigned i = 0; i < what->fd_count; i++) {
		from[i] = above(what->fds[i] >= 0
			? what->fds[i]
			: open("/dev/null", O_RDWR | O_CLOEXEC));
		if (from[i] < 0)
			return false;
	}
	for (unsigned i = 0; i < what->fd_count; i++)
		if (dup2(from[i], (int)i) < 0)
			return false;
	return true;
}

_Noreturn static void
become(const struct loop_spawn *what, int told)
{
	sigset_t none;
	int num;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* until it is another program */
	setsid();
	if (take_fds(what, &told)) {
		for (int i = 1; i < NSIG; i++)
			signal(i, SIG_DFL);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		prctl(PR_SET_PDEATHSIG, 0);
		execvp(what->program, (char **)(uintptr_t)what->argv);
	}
	num = errno;
	if (send(told, &num, sizeof(num), MSG_NOSIGNAL) < 0) {
		say("cannot start '");
		say(what->program);
		say("': ");
		say(strerrordesc_np(num));
		say("\n");
	}
	_exit(127);
}

/* What its exec came to; 0: it has begun, or nothing is known in time. */
static int
hear(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int num;

	if (poll(&p, 1, EXEC_MS) == 1 &&
	    recv(fd, &num, sizeof(num), 0) == sizeof(num))
		return -num;
	return 0;
}

int
loop_spawn(pid_t *pid, const struct loop_spawn *what)
{
	OWNED(fdio_close) int hears = -1, told = -1;
	sigset_t all, was;
	int fds[2], rc;

	*pid = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	hears = fds[0];
	told = fds[1];
	/* No handler of ours runs in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &was);
	*pid = fork();
	rc = -errno;
	if (*pid == 0) {
		close(hears); /* else somebody always listens */
		become(what, told);
	}
	fdio_close(&told);
	if (*pid > 0)
		rc = hear(hears);
	else
		*pid = 0;
	sigprocmask(SIG_SETMASK, &was, NULL);
	return rc;
}
