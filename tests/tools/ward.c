/*
 * ward COMMAND...: runs it, and answers for all it starts: when it has ended,
 * whoever it left behind is named, ended, and the run is failed.  So it is when
 * it has not ended in time (WARD_SECONDS, or LIMIT_S): one that hangs is told by
 * name, where a whole run that is cut from outside tells nothing.
 *
 * Orphans fall to this process (PR_SET_CHILD_SUBREAPER), so neither a session of
 * its own nor a cleaned environment hides one; and what it says of the processor
 * time counts every one of them.  It ends as the command did, with 128 + the
 * signal if one ended it, and with 1 if that was 0 and somebody was left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What ends by itself has that long: a connection that is closed at both ends. */
#define GRACE_S 5

/* Who is killed and does not go (another's process, a dead disk) is left to it. */
#define KILL_S 10

/* No step of ours needs a third of it on two processors. */
#define LIMIT_S 900

static pid_t command;
static volatile sig_atomic_t over_time;

static void
note_time(int sig)
{
	(void)sig;
	over_time = 1;
}

static void
hand_on(int sig)
{
	if (command > 0)
		kill(command, sig);
}

static void
reap_all(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static size_t
read_file(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, out, size - 1);
	if (fd >= 0)
		close(fd);
	out[n < 0 ? 0 : n] = '\0';
	return n < 0 ? 0 : (size_t)n;
}

/* The state letter and the parent of a process; false: there is none. */
static bool
look_at(pid_t pid, char *state, pid_t *parent)
{
	char stat[1024];
	const char *at;

	if (read_file(pid, "stat", stat, sizeof(stat)) == 0)
		return false;
	at = strrchr(stat, ')'); /* its name may hold anything */
	return at != NULL && sscanf(at + 1, " %c %d", state, parent) == 2;
}

/* Somebody of ours that lives: not one that only waits to be reaped. */
static bool
is_ours(pid_t pid)
{
	char state, above;
	pid_t parent;

	if (!look_at(pid, &state, &parent) || state == 'Z' || state == 'X')
		return false;
	while (parent > 1 && parent != getpid())
		if (!look_at(parent, &above, &parent))
			return false;
	return parent == getpid();
}

static void
name_and_end(pid_t pid)
{
	char words[400], where[64], state = '?';
	size_t n = read_file(pid, "cmdline", words, sizeof(words));
	pid_t parent = 0;

	for (size_t i = 0; i + 1 < n; i++)
		if (words[i] == '\0' || words[i] == '\n')
			words[i] = ' ';
	read_file(pid, "wchan", where, sizeof(where));
	look_at(pid, &state, &parent);
	fprintf(stderr, "not ok left behind: process %d of %d (%c, %s), %s\n",
	    (int)pid, (int)parent, state, where,
	    words[0] != '\0' ? words : "without a command line");
	kill(pid, SIGKILL);
}

/* How many live; each is given to fn, if there is one. */
static int
each_left(void (*fn)(pid_t))
{
	DIR *proc = opendir("/proc");
	const struct dirent *d;
	int count = 0;

	while (proc != NULL && (d = readdir(proc)) != NULL) {
		pid_t pid = atoi(d->d_name);

		if (pid <= 0 || !is_ours(pid))
			continue;
		count++;
		if (fn != NULL)
			fn(pid);
	}
	if (proc != NULL)
		closedir(proc);
	return count;
}

static void
doze(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static long
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* True if somebody had to be ended. */
static bool
end_who_is_left(long grace_s)
{
	long begun = now_s();

	while (now_s() - begun < grace_s && each_left(NULL) > 0) {
		doze();
		reap_all();
	}
	if (each_left(name_and_end) == 0)
		return false;
	begun = now_s();
	do {
		doze();
		reap_all();
	} while (each_left(name_and_end) > 0 && now_s() - begun < KILL_S);
	return true;
}

/* How it ended, as a shell says it; -1: it has not, and its time is over. */
static int
wait_for_command(void)
{
	int status;
	pid_t pid;

	do
		pid = waitpid(-1, &status, 0);
	while (!over_time && pid != command && (pid > 0 || errno == EINTR));
	if (pid != command)
		return over_time ? -1 : 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Every second from the limit on: one tick may come just before waitpid. */
static void
set_limit(void)
{
	const char *wanted = getenv("WARD_SECONDS");
	long limit = wanted != NULL ? atol(wanted) : LIMIT_S;
	struct sigaction s = {.sa_handler = note_time};

	sigaction(SIGALRM, &s, NULL);
	setitimer(ITIMER_REAL,
	    &(struct itimerval){.it_value.tv_sec = limit,
		.it_interval.tv_sec = 1},
	    NULL);
}

int
main(int argc, char **argv)
{
	struct sigaction s = {.sa_handler = hand_on};
	struct rusage used;
	int status;

	if (argc < 2)
		return 2;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
		perror("ward: PR_SET_CHILD_SUBREAPER");
		return 2;
	}
	command = fork();
	if (command == 0) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	sigaction(SIGINT, &s, NULL);
	sigaction(SIGTERM, &s, NULL);
	sigaction(SIGHUP, &s, NULL);
	set_limit();
	status = wait_for_command();
	if (status < 0)
		fprintf(stderr, "not ok in time: %s; what was still at work:\n",
		    argv[1]);
	if (end_who_is_left(status < 0 ? 0 : GRACE_S) && status == 0)
		status = 1;
	getrusage(RUSAGE_CHILDREN, &used);
	fprintf(stderr, "# processor: %ld s\n",
	    (long)(used.ru_utime.tv_sec + used.ru_stime.tv_sec));
	return status < 0 ? 1 : status;
}
