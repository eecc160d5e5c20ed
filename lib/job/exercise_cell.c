#include "exercise_cell.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>
#include <bascule/base/proc.h>
#include <bascule/base/text.h>

#define SPACES       (CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS)
#define KILL_WAIT_MS 10000

/* --- the first process: no malloc here, the parent may have had threads --- */

struct made {    /* what it reports */
	int num; /* errno; 0: ready */
	bool own_proc;
};

static int
write_file(const char *path, const char *text)
{
	OWNED(fdio_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno;
	n = write(fd, text, strlen(text));
	return n == (ssize_t)strlen(text) ? 0 : errno;
}

/* Every user but ourselves is nobody in there. */
static int
map_self(uid_t uid, gid_t gid)
{
	char text[64];
	int num = write_file("/proc/self/setgroups", "deny");

	if (num != 0 && num != ENOENT)
		return num;
	snprintf(text, sizeof(text), "%u %u 1", (unsigned)gid, (unsigned)gid);
	num = write_file("/proc/self/gid_map", text);
	if (num != 0)
		return num;
	snprintf(text, sizeof(text), "%u %u 1", (unsigned)uid, (unsigned)uid);
	return write_file("/proc/self/uid_map", text);
}

static int
raise_loopback(void)
{
	OWNED(fdio_close)
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {.ifr_name = "lo"};

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &r) != 0)
		return errno;
	r.ifr_flags = (short)(r.ifr_flags | IFF_UP);
	return ioctl(fd, SIOCSIFFLAGS, &r) == 0 ? 0 : errno;
}

static void
furnish(struct made *m, bool own_users, uid_t uid, gid_t gid)
{
	m->num = own_users ? map_self(uid, gid) : 0;
	if (m->num == 0)
		m->num = raise_loopback();
	if (m->num != 0)
		return;
	/* Programs that look for a pid they were told find it. */
	m->own_proc = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		NULL) == 0;
}

/* Nothing of the parent's: its pipes would never end. */
static void
leave_fds(int tell_fd, int go_fd)
{
	int null;

	if (dup2(tell_fd, 3) < 0 || dup2(go_fd, 4) < 0)
		_exit(1);
	close_range(5, ~0u, 0);
	null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++)
		if (null >= 0)
			dup2(null, fd);
	if (null > 4)
		close(null);
}

static void
be_first(int tell_fd, int go_fd, bool own_users, uid_t uid, gid_t gid)
{
	struct made m = {0};
	sigset_t all;
	char go;
	ssize_t n;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	prctl(PR_SET_DUMPABLE, 1); /* or nobody but root opens its spaces */
	prctl(PR_SET_NAME, "bascule-cell");
	furnish(&m, own_users, uid, gid);
	if (tell_fd < 5 || go_fd < 5)
		_exit(1); /* the parent saw to it */
	leave_fds(tell_fd, go_fd);
	setsid();
	if (chdir("/") != 0 || write(3, &m, sizeof(m)) != sizeof(m))
		_exit(1);
	close(3);
	do
		n = read(4, &go, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(1);
	close(4);
	for (;;) { /* orphans are ours */
		int sig;

		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		sigwait(&all, &sig);
	}
}

/* --- making --------------------------------------------------------------- */

static void
reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void
exercise_cell_free(struct exercise_cell **cp)
{
	struct exercise_cell *c = TAKE(*cp);

	if (c == NULL)
		return;
	if (c->go_fd >= 0) {
		close(c->go_fd); /* N2 */
		if (c->is_child)
			reap(c->pid);
	}
	fdio_close(&c->pid_fd);
	free(c);
}

/* When was it started?  0: there is none. */
static enum err_code
note_start(struct exercise_cell *c, pid_t pid, struct err *e)
{
	struct proc_look look;
	enum err_code rc = proc_look(&look, pid, e);

	c->started = rc == ERR_NONE ? look.began_ticks : 0;
	return rc;
}

/* A pipe whose ends are out of the way of 0 to 4. */
static int
high_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 5);

		close(fds[i]);
		fds[i] = fd;
	}
	return fds[0] >= 0 && fds[1] >= 0 ? 0 : -1;
}

static enum err_code
settle(struct exercise_cell *c, int told_fd, struct err *e)
{
	struct made m;
	size_t got = 0;

	if (fdio_read(told_fd, &m, sizeof(m), &got, e) != ERR_NONE)
		return e->code;
	if (got != sizeof(m))
		return err_set(e, ERR_REFUSED, "the namespace ended at once");
	if (m.num != 0)
		return err_set(e, ERR_REFUSED,
		    "the namespace cannot be set up: %s", strerror(m.num));
	c->own_proc = m.own_proc;
	c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pid_fd < 0)
		return err_sys(e, "watching the namespace's first process");
	if (note_start(c, c->pid, e) != ERR_NONE)
		return e->code;
	return c->started != 0
	    ? ERR_NONE
	    : err_set(e, ERR_REFUSED, "/proc does not show our processes");
}

static enum err_code
make(struct exercise_cell **out, bool own_users, struct err *e)
{
	OWNED(exercise_cell_free)
	struct exercise_cell *c = calloc(1, sizeof(*c));
	OWNED(fdio_close) int told_fd = -1;
	int tell[2] = {-1, -1}, go[2] = {-1, -1};
	unsigned long flags =
	    SPACES | SIGCHLD | (own_users ? CLONE_NEWUSER : 0);
	uid_t uid = geteuid();
	gid_t gid = getegid();
	enum err_code rc = ERR_NONE;

	if (c == NULL)
		return err_nomem(e);
	*c = (struct exercise_cell){.pid_fd = -1, .go_fd = -1};
	if (high_pipe(tell) != 0 || high_pipe(go) != 0)
		rc = err_sys(e, "making a pipe");
	told_fd = tell[0];
	c->go_fd = go[1];
	if (rc == ERR_NONE) {
		c->pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, 0);
		if (c->pid == 0)
			be_first(tell[1], go[0], own_users, uid, gid);
		c->is_child = c->pid > 0;
		if (c->pid < 0)
			rc = err_set(e, ERR_REFUSED,
			    "no namespace can be made: %s", strerror(errno));
	}
	fdio_close(&tell[1]);
	fdio_close(&go[0]);
	if (rc == ERR_NONE)
		rc = settle(c, told_fd, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(c);
	return ERR_NONE;
}

enum err_code
exercise_cell_make(struct exercise_cell **out, struct err *e)
{
	struct err second;

	*out = NULL;
	if (geteuid() == 0 && make(out, false, e) == ERR_NONE)
		return ERR_NONE;
	if (make(out, true, &second) == ERR_NONE)
		return ERR_NONE;
	*e = second;
	return e->code;
}

enum err_code
exercise_cell_release(struct exercise_cell *c, struct err *e)
{
	enum err_code rc = fdio_write(c->go_fd, "g", 1, e);

	if (rc == ERR_NONE)
		fdio_close(&c->go_fd);
	return rc;
}

enum err_code
exercise_cell_find(struct exercise_cell **out, pid_t pid, uint64_t started,
    const char *boot, struct err *e)
{
	OWNED(exercise_cell_free)
	struct exercise_cell *c = calloc(1, sizeof(*c));
	char now[NOW_BOOT_ID_BYTES];

	*out = NULL;
	if (c == NULL)
		return err_nomem(e);
	*c = (struct exercise_cell){.pid = pid, .pid_fd = -1, .go_fd = -1};
	now_boot_id(now);
	if (strcmp(now, "unknown") == 0)
		return err_set(e, ERR_IO, "the kernel's boot id is not known");
	if (strcmp(now, boot) != 0)
		return err_set(e, ERR_NOTFOUND, "the cell is no more");
	c->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (c->pid_fd < 0 && errno != ESRCH && errno != EINVAL)
		return err_sys(e, "looking for process %d", (int)pid);
	/* Once it is held, its number is nobody else's. */
	if (c->pid_fd >= 0 && note_start(c, pid, e) != ERR_NONE)
		return e->code;
	if (c->pid_fd < 0 || c->started != started)
		return err_set(e, ERR_NOTFOUND, "the cell is no more");
	*out = TAKE(c);
	return ERR_NONE;
}

/* --- using ---------------------------------------------------------------- */

enum err_code
exercise_cell_enter(const struct exercise_cell *c, struct err *e)
{
	OWNED(fdio_close) int root_fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/root", (int)c->pid);
	root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return err_sys(e, "entering the test's namespaces");
	/* As an ordinary user its user namespace first gives us the right to
	 * enter the others; as root there may be none of its own. */
	if (setns(c->pid_fd, SPACES) != 0 &&
	    setns(c->pid_fd, CLONE_NEWUSER | SPACES) != 0)
		return err_sys(e, "entering the test's namespaces");
	/* Entering mounts led to their very root: out of a chroot, had the
	 * cell not kept it. */
	if (fchdir(root_fd) != 0 || chroot(".") != 0)
		return err_sys(e, "going to the test's root directory");
	return ERR_NONE;
}

enum err_code
exercise_cell_kill(struct exercise_cell *c, struct err *e)
{
	struct pollfd p = {.fd = c->pid_fd, .events = POLLIN};
	struct mono until = {now_mono().ns + KILL_WAIT_MS * NS_PER_MS};
	int n = 0;

	if (syscall(SYS_pidfd_send_signal, c->pid_fd, SIGKILL, NULL, 0) != 0 &&
	    errno != ESRCH)
		return err_sys(e, "killing what runs in the test's namespaces");
	fdio_close(&c->go_fd);
	/* What a killed attempt had started there has become our child: the
	 * first process ends when all of them are reaped. */
	while (n <= 0 && now_mono().ns < until.ns) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		n = poll(&p, 1, 10);
	}
	if (n <= 0)
		return err_set(e, ERR_TIMEOUT,
		    "a process of the test cannot be killed");
	reap(c->pid); /* made by us, or fallen to us */
	c->is_child = false;
	return ERR_NONE;
}
