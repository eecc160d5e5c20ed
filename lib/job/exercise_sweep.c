#include "exercise_sweep.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>

#define ENVIRON_BYTES_MAX ((size_t)1 << 20)
#define ROUNDS_MAX        100 /* 50 ms apart */

struct sweep {
	char marker[128]; /* "BASCULE_RUN=..." */
	const char *sandbox;
};

static void
close_dir(DIR **d)
{
	if (*d != NULL)
		closedir(*d);
}

static bool
has_marker(const struct sweep *s, int proc_fd)
{
	OWNED(buf_fini) struct buf env = {0};
	OWNED(fdio_close)
	int fd = openat(proc_fd, "environ", O_RDONLY | O_CLOEXEC);
	size_t len = strlen(s->marker) + 1;
	struct err ignored;

	if (fd < 0 ||
	    fdio_read_all(fd, ENVIRON_BYTES_MAX, &env, &ignored) != ERR_NONE ||
	    env.len_bytes < len)
		return false;
	for (const uint8_t *at = env.bytes;
	     (at = memmem(at, env.len_bytes - (size_t)(at - env.bytes),
		  s->marker, len)) != NULL;
	     at++)
		if (at == env.bytes || at[-1] == '\0')
			return true;
	return false;
}

static bool
is_inside(const struct sweep *s, int proc_fd, const char *link)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(proc_fd, link, target, sizeof(target) - 1);
	size_t len = s->sandbox == NULL ? 0 : strlen(s->sandbox);

	if (n < 0 || len == 0)
		return false;
	target[n] = '\0';
	return strncmp(target, s->sandbox, len) == 0 &&
	    (target[len] == '/' || target[len] == '\0' || target[len] == ' ');
}

static bool
is_ours(const struct sweep *s, const char *pid)
{
	char path[64];
	OWNED(fdio_close) int fd = -1;

	snprintf(path, sizeof(path), "/proc/%.20s", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	return has_marker(s, fd) || is_inside(s, fd, "cwd") ||
	    is_inside(s, fd, "root") || is_inside(s, fd, "exe");
}

static size_t
round_of(const struct sweep *s, DIR *proc)
{
	const struct dirent *d;
	size_t found = 0;

	rewinddir(proc);
	while ((d = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);

		if (!isdigit((unsigned char)d->d_name[0]) || pid == getpid() ||
		    pid == getppid() || !is_ours(s, d->d_name))
			continue;
		kill(pid, SIGKILL);
		/* If it is a child of ours, nobody else takes it away. */
		waitpid(pid, NULL, WNOHANG);
		found++;
	}
	return found;
}

enum err_code
exercise_sweep(const char *run, const char *sandbox, size_t *killed,
    struct err *e)
{
	OWNED(close_dir) DIR *proc = opendir("/proc");
	struct sweep s = {.sandbox = sandbox};
	struct timespec pause = {0, 50 * NS_PER_MS};

	*killed = 0;
	if (proc == NULL)
		return err_sys(e, "looking for processes of the test");
	snprintf(s.marker, sizeof(s.marker), "BASCULE_RUN=%s", run);
	for (int i = 0; i < ROUNDS_MAX; i++) {
		size_t found = round_of(&s, proc);

		if (found == 0)
			return ERR_NONE;
		if (i == 0)
			*killed = found;
		nanosleep(&pause, NULL);
	}
	return err_set(e, ERR_TIMEOUT,
	    "processes of the test cannot be killed");
}
