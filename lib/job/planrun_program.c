#include "planrun_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>

#define READ_BYTES 16384
#define GRACE_NS   (2 * NS_PER_S) /* between asking to end and making it */
#define DRAIN_MS   100 /* for what is in the pipes when it has ended */

struct child {
	pid_t pid;
	int pid_fd, stop_fd;
	int pipes[2]; /* stdout, stderr: our ends; -1 at their end */
	struct mono deadline;
	struct hash *hash;
	struct planrun_said *said;
};

void
planrun_program_fini(struct planrun_said *s)
{
	buf_fini(&s->out);
	buf_fini(&s->tail);
}

/* --- starting ------------------------------------------------------------- */

#define SETTINGS 6
struct envp {
	char *items[SETTINGS + 1];
	size_t count;
};

static void
envp_fini(struct envp *v)
{
	while (v->count > 0)
		free(v->items[--v->count]);
}

/* By BASCULE_RUN the sweep finds it: without, it may not run at all. */
static enum err_code
envp_make(struct envp *v, const struct planrun_program *p, struct err *e)
{
	const struct {
		const char *name, *value;
	} settings[SETTINGS] = {{"PATH", getenv("PATH")},
	    {"HOME", getenv("HOME")}, {"LANG", getenv("LANG")},
	    {"BASCULE_RUN", p->run}, {"BASCULE_STEP", p->step},
	    {"BASCULE_SANDBOX", p->sandbox}};

	for (size_t i = 0; i < SETTINGS; i++) {
		char *text;

		if (settings[i].value == NULL)
			continue;
		if (asprintf(&text, "%s=%s", settings[i].name,
			settings[i].value) < 0)
			return err_nomem(e);
		v->items[v->count++] = text;
	}
	return ERR_NONE;
}

/* In the child: its last words are an errno on fail_fd. */
static void
become(const struct planrun_program *p, const struct envp *env,
    const int out[2], int fail_fd)
{
	sigset_t none;
	int null, num;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	if ((p->sandbox == NULL || chdir(p->sandbox) != 0) && chdir("/") != 0)
		_exit(126);
	null = open("/dev/null", O_RDONLY);
	if (null >= 0 && dup2(null, 0) == 0 && dup2(out[0], 1) == 1 &&
	    dup2(out[1], 2) == 2 && dup2(fail_fd, 3) == 3 &&
	    fcntl(3, F_SETFD, FD_CLOEXEC) == 0) {
		close_range(4, ~0u, 0);
		fail_fd = 3;
		execvpe(p->argv[0], (char *const *)(uintptr_t)p->argv,
		    env->items);
	}
	num = errno;
	if (write(fail_fd, &num, sizeof(num)) < 0)
		_exit(126);
	_exit(127);
}

static enum err_code
spawn(struct child *c, const struct planrun_program *p, const int out[2],
    struct err *e)
{
	OWNED(envp_fini) struct envp env = {0};
	OWNED(fdio_close) int failed_fd = -1;
	int fds[2], num = 0;
	ssize_t n;

	if (envp_make(&env, p, e) != ERR_NONE)
		return e->code;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_sys(e, "making a pipe");
	failed_fd = fds[0];
	/* Out of the way of the numbers that become() fills. */
	num = fcntl(fds[1], F_DUPFD_CLOEXEC, 10);
	close(fds[1]);
	if (num < 0)
		return err_sys(e, "making a pipe");
	fds[1] = num;
	num = 0;
	c->pid = fork();
	if (c->pid == 0)
		become(p, &env, out, fds[1]);
	close(fds[1]);
	if (c->pid < 0) {
		c->pid = 0;
		return err_sys(e, "starting '%s'", p->argv[0]);
	}
	setpgid(c->pid, c->pid); /* whoever of us comes first */
	do
		n = read(failed_fd, &num, sizeof(num));
	while (n < 0 && errno == EINTR);
	if (n == sizeof(num)) {
		errno = num;
		return err_sys(e, "starting '%s'", p->argv[0]);
	}
	return ERR_NONE;
}

static enum err_code
watch_stop(struct child *c, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return err_sys(e, "blocking signals");
	c->stop_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return c->stop_fd >= 0 ? ERR_NONE : err_sys(e, "watching for signals");
}

/* Its end is above what become() fills. */
static enum err_code
make_pipe(int *ours, int *theirs, struct err *e)
{
	OWNED(fdio_close) int far_fd = -1;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_sys(e, "making a pipe");
	*ours = fds[0];
	far_fd = fds[1];
	*theirs = fcntl(far_fd, F_DUPFD_CLOEXEC, 10);
	if (*theirs < 0 || fcntl(*ours, F_SETFL, O_NONBLOCK) != 0)
		return err_sys(e, "making a pipe");
	return ERR_NONE;
}

static enum err_code
start(struct child *c, const struct planrun_program *p, struct err *e)
{
	int theirs[2] = {-1, -1};
	enum err_code rc = watch_stop(c, e);

	for (int i = 0; i < 2 && rc == ERR_NONE; i++)
		rc = make_pipe(&c->pipes[i], &theirs[i], e);
	if (rc == ERR_NONE)
		rc = spawn(c, p, theirs, e);
	fdio_close(&theirs[0]);
	fdio_close(&theirs[1]);
	return rc;
}

/* --- listening ------------------------------------------------------------ */

static enum err_code
keep(struct child *c, int which, const uint8_t *bytes, size_t len,
    struct err *e)
{
	struct planrun_said *s = c->said;
	size_t room = PLANRUN_PROGRAM_HEAD_BYTES - s->out.len_bytes;
	enum err_code rc = ERR_NONE;

	hash_add(c->hash, bytes, len);
	s->bytes += len;
	if (which == 0)
		rc = buf_add(&s->out, bytes, len < room ? len : room, e);
	if (rc == ERR_NONE)
		rc = buf_add(&s->tail, bytes, len, e);
	if (rc == ERR_NONE && s->tail.len_bytes > PLANRUN_PROGRAM_TAIL_BYTES) {
		size_t skip = s->tail.len_bytes - PLANRUN_PROGRAM_TAIL_BYTES;

		memmove(s->tail.bytes, s->tail.bytes + skip,
		    PLANRUN_PROGRAM_TAIL_BYTES);
		s->tail.len_bytes = PLANRUN_PROGRAM_TAIL_BYTES;
	}
	return rc;
}

static enum err_code
listen_to(struct child *c, int which, struct err *e)
{
	uint8_t bytes[READ_BYTES];
	ssize_t n = read(c->pipes[which], bytes, sizeof(bytes));

	if (n > 0)
		return keep(c, which, bytes, (size_t)n, e);
	if (n == 0)
		fdio_close(&c->pipes[which]);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return err_sys(e, "reading what it says");
	return ERR_NONE;
}

static int
wait_ms(const struct child *c)
{
	int64_t left_ns = c->deadline.ns - now_mono().ns;

	if (c->deadline.ns == 0)
		return -1;
	if (left_ns <= 0)
		return 0;
	return left_ns > 1000 * NS_PER_S ? 1000 * 1000
					 : (int)(left_ns / NS_PER_MS) + 1;
}

static bool
is_silent(const struct child *c)
{
	return c->pipes[0] < 0 && c->pipes[1] < 0;
}

/* Until it has ended (its pipes may be held open by what it started). */
static enum err_code
listen_on(struct child *c, const char *name, struct err *e)
{
	enum err_code rc = ERR_NONE;
	bool ended = false;

	while (rc == ERR_NONE && !(ended && is_silent(c))) {
		struct pollfd p[] = {{c->pipes[0], POLLIN, 0},
		    {c->pipes[1], POLLIN, 0}, {c->pid_fd, POLLIN, 0},
		    {c->stop_fd, POLLIN, 0}};
		int n = poll(p, ended ? 2 : 4, ended ? DRAIN_MS : wait_ms(c));

		if (n < 0 && errno != EINTR)
			return err_sys(e, "waiting for '%s'", name);
		for (int i = 0; i < 2 && n > 0 && rc == ERR_NONE; i++)
			if (p[i].revents != 0)
				rc = listen_to(c, i, e);
		if (rc != ERR_NONE)
			break;
		if (ended && n == 0)
			return ERR_NONE;
		if (!ended && n > 0 && p[3].revents != 0) {
			c->said->was_stopped = true;
			return err_set(e, ERR_CANCELLED, "stopped");
		}
		ended = ended || (n > 0 && p[2].revents != 0);
		if (!ended && c->deadline.ns != 0 &&
		    now_mono().ns >= c->deadline.ns)
			return err_set(e, ERR_TIMEOUT,
			    "'%s' did not end in time", name);
	}
	return rc;
}

/* It has begun: whatever keeps us from its end, it may have done its work. */
static enum err_code
follow(struct child *c, const char *name, struct err *e)
{
	enum err_code rc = ERR_NONE;

	c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pid_fd < 0)
		rc = err_sys(e, "watching '%s'", name);
	if (rc == ERR_NONE)
		rc = listen_on(c, name, e);
	c->said->was_lost =
	    rc != ERR_NONE && rc != ERR_TIMEOUT && rc != ERR_CANCELLED;
	return rc;
}

/* First asked, then made to, with all of its group. */
static void
end_group(struct child *c)
{
	struct pollfd p = {.fd = c->pid_fd, .events = POLLIN};
	struct mono until = {now_mono().ns + GRACE_NS};
	struct err ignored;

	kill(-c->pid, SIGTERM);
	kill(-c->pid, SIGCONT);
	while (
	    c->pid_fd >= 0 && poll(&p, 1, 20) <= 0 && now_mono().ns < until.ns)
		for (int i = 0; i < 2; i++)
			if (c->pipes[i] >= 0 &&
			    listen_to(c, i, &ignored) != ERR_NONE)
				fdio_close(&c->pipes[i]);
	kill(-c->pid, SIGKILL);
}

static void
child_fini(struct child *c)
{
	while (c->pid > 0 && waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	fdio_close(&c->pid_fd);
	fdio_close(&c->stop_fd);
	fdio_close(&c->pipes[0]);
	fdio_close(&c->pipes[1]);
	hash_free(&c->hash);
}

enum err_code
planrun_program_run(const struct planrun_program *p, struct planrun_said *out,
    struct err *e)
{
	OWNED(child_fini)
	struct child c = {.pid_fd = -1,
	    .stop_fd = -1,
	    .pipes = {-1, -1},
	    .said = out};
	enum err_code rc;

	*out = (struct planrun_said){.exit_status = -1};
	if (p->timeout_ns > 0)
		c.deadline.ns = now_mono().ns + p->timeout_ns;
	rc = hash_begin(&c.hash, e);
	if (rc == ERR_NONE)
		rc = start(&c, p, e);
	if (rc == ERR_NONE)
		rc = follow(&c, p->argv[0], e);
	if (rc != ERR_NONE && c.pid > 0)
		end_group(&c);
	if (c.hash != NULL)
		hash_end(c.hash, &out->hash);
	if (c.pid > 0) {
		siginfo_t info = {0};

		while (
		    waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT) != 0 &&
		    errno == EINTR)
			;
		/* Of a failed one nothing stays; its number is still ours. */
		if (info.si_code != CLD_EXITED || info.si_status != 0)
			kill(-c.pid, SIGKILL);
		out->exit_status =
		    info.si_code == CLD_EXITED ? info.si_status : -1;
		out->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	}
	return rc;
}

enum err_code
planrun_program_judge(const struct planrun_said *s, const char *name,
    struct err *e)
{
	OWNED(buf_fini) struct buf said = {0};
	const char *signal_name = sigabbrev_np(s->signal);
	size_t len = s->tail.len_bytes, keep_bytes = len < 300 ? len : 300;
	struct err ignored;

	if (s->exit_status == 0)
		return ERR_NONE;
	if (s->signal != 0)
		err_set(e, ERR_IO, "'%s' was ended by signal %d (%s)", name,
		    s->signal, signal_name == NULL ? "?" : signal_name);
	else
		err_set(e, ERR_IO, "'%s' failed with exit status %d", name,
		    s->exit_status);
	while (keep_bytes > 0 && s->tail.bytes[len - 1] == '\n') {
		len--;
		keep_bytes--;
	}
	/* Not from the middle of a letter. */
	while (keep_bytes > 0 && keep_bytes < len &&
	    (s->tail.bytes[len - keep_bytes] & 0xc0) == 0x80)
		keep_bytes--;
	if (keep_bytes > 0 &&
	    text_line(&said, (const char *)s->tail.bytes + len - keep_bytes,
		keep_bytes, &ignored) == ERR_NONE) {
		size_t used = strlen(e->text);

		snprintf(e->text + used, sizeof(e->text) - used, ": %s",
		    buf_text(&said));
		text_mend_end(e->text);
	}
	return e->code;
}
