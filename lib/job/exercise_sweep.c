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
	bool kills;
};

/*
 * It has ended meanwhile, is of somebody else, who is no step of ours, or is
 * deeper than /proc can say.  All else may hide what we look for.
 */
static enum err_code
cannot_look(const char *what, struct err *e)
{
	if (errno == ENOENT || errno == ESRCH || errno == EACCES ||
	    errno == EPERM || errno == ENAMETOOLONG)
		return ERR_NONE;
	return err_sys(e, "looking at the %s of a process", what);
}

static enum err_code
find_marker(const struct sweep *s, int proc_fd, bool *found, struct err *e)
{
	OWNED(buf_fini) struct buf env = {0};
	OWNED(fdio_close)
	int fd = openat(proc_fd, "environ", O_RDONLY | O_CLOEXEC);
	size_t len = strlen(s->marker) + 1;
	enum err_code rc;

	if (fd < 0)
		return cannot_look("environment", e);
	rc = fdio_read_all(fd, ENVIRON_BYTES_MAX, &env, e);
	if (rc == ERR_IO || rc == ERR_REFUSED)
		return cannot_look("environment", e);
	if (rc != ERR_NONE && rc != ERR_INPUT) /* what is over the maximum */
		return rc;
	for (const uint8_t *at = env.bytes; env.len_bytes > 0 &&
	     (at = memmem(at, env.len_bytes - (size_t)(at - env.bytes),
		  s->marker, len)) != NULL;
	     at++)
		if (at == env.bytes || at[-1] == '\0')
			*found = true;
	return ERR_NONE;
}

static enum err_code
find_inside(const struct sweep *s, int proc_fd, const char *link, bool *found,
    struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(proc_fd, link, target, sizeof(target) - 1);
	size_t len = s->sandbox == NULL ? 0 : strlen(s->sandbox);

	if (n < 0)
		return cannot_look(link, e);
	target[n] = '\0';
	if (len > 0 && strncmp(target, s->sandbox, len) == 0 &&
	    (target[len] == '/' || target[len] == '\0' || target[len] == ' '))
		*found = true;
	return ERR_NONE;
}

static enum err_code
is_ours(const struct sweep *s, const char *pid, bool *ours, struct err *e)
{
	static const char *const links[] = {"cwd", "root", "exe"};
	char path[64];
	OWNED(fdio_close) int fd = -1;
	enum err_code rc;

	*ours = false;
	snprintf(path, sizeof(path), "/proc/%.20s", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cannot_look("directory", e);
	rc = find_marker(s, fd, ours, e);
	for (size_t i = 0; rc == ERR_NONE && !*ours && i < COUNT_OF(links); i++)
		rc = find_inside(s, fd, links[i], ours, e);
	return rc;
}

/* Whom we could not look at does not save the others. */
static enum err_code
sweep_once(const struct sweep *s, DIR *proc, size_t *found, struct err *e)
{
	const struct dirent *d;
	enum err_code rc = ERR_NONE;

	*found = 0;
	rewinddir(proc);
	while (errno = 0, (d = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
		struct err why;
		bool ours;

		if (!isdigit((unsigned char)d->d_name[0]) || pid == getpid() ||
		    pid == getppid())
			continue;
		if (is_ours(s, d->d_name, &ours, &why) != ERR_NONE) {
			*e = why;
			rc = why.code;
		} else if (ours) {
			++*found;
			if (!s->kills)
				continue;
			kill(pid, SIGKILL);
			/* If it is a child of ours, nobody else takes it. */
			waitpid(pid, NULL, WNOHANG);
		}
	}
	return errno == 0 ? rc : err_sys(e, "listing processes");
}

static enum err_code
begin(struct sweep *s, const char *run, DIR **proc, struct err *e)
{
	snprintf(s->marker, sizeof(s->marker), "BASCULE_RUN=%s", run);
	*proc = opendir("/proc");
	return *proc != NULL ? ERR_NONE
			     : err_sys(e, "looking for processes of the test");
}

enum err_code
exercise_sweep_count(const char *run, const char *sandbox, size_t *count,
    struct err *e)
{
	OWNED(fdio_close_dir) DIR *proc = NULL;
	struct sweep s = {.sandbox = sandbox};
	enum err_code rc = begin(&s, run, &proc, e);

	*count = 0;
	return rc != ERR_NONE ? rc : sweep_once(&s, proc, count, e);
}

enum err_code
exercise_sweep(const char *run, const char *sandbox, size_t *killed,
    struct err *e)
{
	OWNED(fdio_close_dir) DIR *proc = NULL;
	struct sweep s = {.sandbox = sandbox, .kills = true};
	struct timespec pause = {0, 50 * NS_PER_MS};
	enum err_code rc = begin(&s, run, &proc, e);

	*killed = 0;
	if (rc != ERR_NONE)
		return rc;
	for (int i = 0; i < ROUNDS_MAX; i++) {
		size_t found;

		rc = sweep_once(&s, proc, &found, e);
		if (found == 0)
			return rc;
		if (i == 0)
			*killed = found;
		nanosleep(&pause, NULL);
	}
	return err_set(e, ERR_TIMEOUT,
	    "processes of the test cannot be killed");
}
