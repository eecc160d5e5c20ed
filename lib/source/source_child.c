#include "source_child.h"

#include <bascule/base/fdio.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "source_farchild.h"

#define GRACE_MS 2000 /* between asking to end and making it */
#define ASK_MS   200  /* between asking whether it is still wanted */

struct source_child {
	struct source_farchild *far; /* NULL: it is here, and so is the rest */
	int in_fd;                   /* -1: it has no input */
	pid_t pid; /* of the program and its group; 0: waited for */
	int pid_fd;
	int out_fd, err_fd;
	struct mono started, deadline; /* deadline.ns 0: none */
	bool (*is_wanted)(void *ctx);  /* or NULL */
	void *ctx;
	int status;
	char tail[SOURCE_STDERR_BYTES_MAX]; /* a ring */
	uint64_t tail_bytes;                /* ever written to it */
	char name[64];
};

/* --- starting --- */

static const char *const kept_names[] = {"PATH", "HOME", "LANG"};

/* "NAME=" of a and b alike? */
static bool
same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strncmp(a, b, len + 1) == 0;
}

static bool
is_given(const char *const *env, const char *setting)
{
	for (size_t i = 0; env != NULL && env[i] != NULL; i++)
		if (same_name(setting, env[i]))
			return true;
	return false;
}

struct envp {
	const char *all[SOURCE_ARGV_COUNT_MAX + COUNT_OF(kept_names) + 1];
	char *kept[COUNT_OF(kept_names)];
	size_t kept_count;
};

static void
envp_fini(struct envp *v)
{
	while (v->kept_count > 0)
		free(v->kept[--v->kept_count]);
}

static enum err_code
envp_make(struct envp *v, const char *const *env, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(kept_names); i++) {
		const char *value = getenv(kept_names[i]);
		char *setting = NULL;

		if (value == NULL)
			continue;
		if (asprintf(&setting, "%s=%s", kept_names[i], value) < 0)
			return err_nomem(e);
		v->kept[v->kept_count++] = setting;
		if (!is_given(env, setting))
			v->all[n++] = setting;
	}
	for (size_t i = 0; env != NULL && env[i] != NULL; i++) {
		if (i == SOURCE_ARGV_COUNT_MAX || strchr(env[i], '=') == NULL)
			return err_set(e, ERR_INPUT,
			    "too many settings for its environment, or one "
			    "without '='");
		v->all[n++] = env[i];
	}
	v->all[n] = NULL;
	return ERR_NONE;
}

/* Of the pipes: what the program gets of them. */
struct ends {
	int in_fd, out_fd, err_fd; /* in_fd -1: /dev/null */
};

static void
ends_fini(struct ends *s)
{
	fdio_close(&s->in_fd);
	fdio_close(&s->out_fd);
	fdio_close(&s->err_fd);
}

static int
set_actions(posix_spawn_file_actions_t *fa, const struct ends *s)
{
	int num = s->in_fd == -1
	    ? posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0)
	    : posix_spawn_file_actions_adddup2(fa, s->in_fd, 0);

	if (num == 0)
		num = posix_spawn_file_actions_adddup2(fa, s->out_fd, 1);
	if (num == 0)
		num = posix_spawn_file_actions_adddup2(fa, s->err_fd, 2);
	/* Also what some library opened without O_CLOEXEC. */
	if (num == 0)
		num = posix_spawn_file_actions_addclosefrom_np(fa, 3);
	return num;
}

static int
set_attributes(posix_spawnattr_t *at, const struct ends *s)
{
	short group =
	    s->in_fd == -1 ? POSIX_SPAWN_SETPGROUP : POSIX_SPAWN_SETSID;
	sigset_t none, all;
	int num;

	sigemptyset(&none);
	sigfillset(&all);
	num = posix_spawnattr_setflags(at,
	    (short)(group | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
	if (num == 0)
		num = posix_spawnattr_setpgroup(at, 0);
	if (num == 0)
		num = posix_spawnattr_setsigmask(at, &none);
	if (num == 0)
		num = posix_spawnattr_setsigdefault(at, &all);
	return num;
}

static int
spawn(pid_t *pid, const char *const *argv, const char *const *envp,
    const struct ends *s)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	int num;

	if ((num = posix_spawn_file_actions_init(&fa)) != 0)
		return num;
	if ((num = posix_spawnattr_init(&at)) != 0) {
		posix_spawn_file_actions_destroy(&fa);
		return num;
	}
	if ((num = set_actions(&fa, s)) == 0 &&
	    (num = set_attributes(&at, s)) == 0)
		num = posix_spawnp(pid, argv[0], &fa, &at,
		    (char *const *)(uintptr_t)argv,
		    (char *const *)(uintptr_t)envp);
	posix_spawnattr_destroy(&at);
	posix_spawn_file_actions_destroy(&fa);
	return num;
}

static enum err_code
make_pipes(struct source_child *c, struct ends *s, bool fed, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_sys(e, "making a pipe");
	c->out_fd = fds[0];
	s->out_fd = fds[1];
	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_sys(e, "making a pipe");
	c->err_fd = fds[0];
	s->err_fd = fds[1];
	if (fed) {
		if (pipe2(fds, O_CLOEXEC) != 0)
			return err_sys(e, "making a pipe");
		s->in_fd = fds[0];
		c->in_fd = fds[1];
	}
	/* Fewer, larger reads; not worth a failure. */
	(void)fcntl(c->out_fd, F_SETPIPE_SZ, 1 << 20);
	if (fcntl(c->err_fd, F_SETFL, O_NONBLOCK) != 0)
		return err_sys(e, "making a pipe");
	return ERR_NONE;
}

static enum err_code
start_here(struct source_child *c, const struct source_program *p, bool fed,
    struct err *e)
{
	OWNED(ends_fini) struct ends s = {-1, -1, -1};
	OWNED(envp_fini) struct envp env = {0};
	enum err_code rc;
	int num;

	if ((rc = envp_make(&env, p->env, e)) != ERR_NONE ||
	    (rc = make_pipes(c, &s, fed, e)) != ERR_NONE)
		return rc;
	num = spawn(&c->pid, p->argv, env.all, &s);
	if (num != 0) {
		c->pid = 0;
		errno = num;
		return err_sys(e, "starting '%s'", p->argv[0]);
	}
	c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pid_fd < 0)
		return err_sys(e, "watching '%s'", p->argv[0]);
	return ERR_NONE;
}

static enum err_code
start(struct source_child **out, const struct source_program *program, bool fed,
    struct err *e)
{
	OWNED(source_child_free) struct source_child *c = NULL;
	size_t count = 0;
	enum err_code rc;

	*out = NULL;
	while (program->argv[count] != NULL && count <= SOURCE_ARGV_COUNT_MAX)
		count++;
	if (count == 0 || count > SOURCE_ARGV_COUNT_MAX ||
	    program->argv[0][0] == '\0')
		return err_set(e, ERR_INPUT,
		    "a command of %zu words cannot be run", count);
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_nomem(e);
	c->in_fd = c->pid_fd = c->out_fd = c->err_fd = -1;
	snprintf(c->name, sizeof(c->name), "%s", program->argv[0]);
	c->is_wanted = program->is_wanted;
	c->ctx = program->ctx;
	c->started = now_mono();
	source_child_wind(c, program->timeout_ns);
	rc = program->host != NULL
	    ? source_farchild_start(&c->far, program, fed, e)
	    : start_here(c, program, fed, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(c);
	return ERR_NONE;
}

enum err_code
source_child_start(struct source_child **out,
    const struct source_program *program, struct err *e)
{
	return start(out, program, false, e);
}

enum err_code
source_child_start_fed(struct source_child **out,
    const struct source_program *program, struct err *e)
{
	return start(out, program, true, e);
}

void
source_child_wind(struct source_child *c, int64_t timeout_ns)
{
	struct mono now = now_mono();

	c->deadline.ns = timeout_ns > 0 && timeout_ns < INT64_MAX - now.ns
	    ? now.ns + timeout_ns
	    : 0;
	if (c->far != NULL)
		source_farchild_wind(c->far, timeout_ns);
}

/* --- reading --- */

static void
tail_add(struct source_child *c, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		c->tail[c->tail_bytes++ % sizeof(c->tail)] = bytes[i];
}

/* H1 */
static void
drain_stderr(struct source_child *c)
{
	char bytes[4096];

	while (c->err_fd >= 0) {
		ssize_t n = read(c->err_fd, bytes, sizeof(bytes));

		if (n > 0)
			tail_add(c, bytes, (size_t)n);
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			fdio_close(&c->err_fd);
		else if (errno == EAGAIN)
			return;
	}
}

/* How long may be waited at once: until the deadline or the next question. */
static enum err_code
time_left(const struct source_child *c, struct timespec *left, bool *endless,
    struct err *e)
{
	int64_t ns = INT64_MAX;

	if (c->is_wanted != NULL) {
		if (!c->is_wanted(c->ctx))
			return err_set(e, ERR_CANCELLED, "'%s' was stopped",
			    c->name);
		ns = ASK_MS * NS_PER_MS;
	}
	if (c->deadline.ns != 0) {
		int64_t rest = c->deadline.ns - now_mono().ns;

		if (rest <= 0)
			return err_set(e, ERR_TIMEOUT,
			    "'%s' did not end in time", c->name);
		ns = rest < ns ? rest : ns;
	}
	*endless = ns == INT64_MAX;
	left->tv_sec = (time_t)(ns / NS_PER_S);
	left->tv_nsec = (long)(ns % NS_PER_S);
	return ERR_NONE;
}

/*
 * Until fd, or other (-1: none), has something; stderr is drained meanwhile.
 * *first: fd itself has.
 */
static enum err_code
wait_for(struct source_child *c, int fd, int other, bool *first, struct err *e)
{
	for (;;) {
		struct pollfd polls[3] = {{.fd = fd, .events = POLLIN},
		    {.fd = c->err_fd, .events = POLLIN},
		    {.fd = other, .events = POLLIN}};
		struct timespec left;
		bool endless = true;
		enum err_code rc = time_left(c, &left, &endless, e);
		int n;

		if (rc != ERR_NONE)
			return rc;
		n = ppoll(polls, COUNT_OF(polls), endless ? NULL : &left, NULL);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "waiting for '%s'", c->name);
		if (n <= 0)
			continue;
		if (polls[1].revents != 0)
			drain_stderr(c);
		*first = polls[0].revents != 0;
		if (*first || polls[2].revents != 0)
			return ERR_NONE;
	}
}

enum err_code
source_child_read(struct source_child *c, enum source_child_end end,
    void *bytes, size_t size_bytes, size_t *got, struct err *e)
{
	int other = end == SOURCE_CHILD_EXIT ? c->pid_fd : -1;
	bool first;
	enum err_code rc;
	ssize_t n;

	*got = 0;
	if (c->far != NULL)
		return source_farchild_read(c->far, bytes, size_bytes, got, e);
	if (c->out_fd < 0)
		return ERR_NONE;
	rc = wait_for(c, c->out_fd, other, &first, e);
	if (rc != ERR_NONE || !first)
		return rc;
	do
		n = read(c->out_fd, bytes, size_bytes);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "reading the output of '%s'", c->name);
	if (n == 0)
		fdio_close(&c->out_fd);
	*got = (size_t)n;
	return ERR_NONE;
}

/* --- while it waits for a word --- */

enum err_code
source_child_tend(struct source_child *c, struct err *e)
{
	struct pollfd p = {.fd = c->pid_fd, .events = POLLIN};

	if (c->far != NULL)
		return source_farchild_tend(c->far, e);
	drain_stderr(c);
	return poll(&p, 1, 0) == 1 ? err_set(e, ERR_IO, "it ended too early")
				   : ERR_NONE;
}

enum err_code
source_child_tell(struct source_child *c, const char *text, struct err *e)
{
	enum err_code rc;

	if (c->far != NULL)
		return source_farchild_tell(c->far, text, e);
	rc = fdio_write(c->in_fd, text, strlen(text), e);
	fdio_close(&c->in_fd);
	return rc == ERR_NONE ? rc : err_wrap(e, "telling '%s'", c->name);
}

/* --- ending --- */

static bool
reap(struct source_child *c)
{
	pid_t pid;

	do
		pid = waitpid(c->pid, &c->status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	if (pid < 0) /* somebody else waited: we cannot know */
		c->status = SIGKILL;
	c->pid = 0;
	return true;
}

static enum err_code
tail_text(const struct source_child *c, struct buf *out, struct err *e)
{
	uint64_t first = c->tail_bytes > sizeof(c->tail)
	    ? c->tail_bytes - sizeof(c->tail)
	    : 0;

	for (uint64_t i = first; i < c->tail_bytes; i++) {
		uint8_t byte = (uint8_t)c->tail[i % sizeof(c->tail)];
		enum err_code rc = buf_add_byte(out, byte, e);

		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

/* First TERM to the group, after a while KILL; then it is waited for. */
static void
end_it(struct source_child *c)
{
	struct pollfd p = {.fd = c->pid_fd, .events = POLLIN};
	struct mono until = {now_mono().ns + GRACE_MS * NS_PER_MS};
	pid_t group = c->pid;

	if (c->pid == 0)
		return;
	kill(-group, SIGTERM);
	kill(-group, SIGCONT);
	while (
	    c->pid_fd >= 0 && now_mono().ns < until.ns && poll(&p, 1, 50) <= 0)
		drain_stderr(c);
	kill(-group, SIGKILL);
	while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
}

/* H2: what it left behind in its group, before the number is free again. */
static void
end_group(struct source_child *c)
{
	siginfo_t info = {0};

	if (c->pid != 0 &&
	    waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) ==
		0 &&
	    info.si_pid == c->pid)
		kill(-c->pid, SIGKILL);
}

enum err_code
source_child_wait(struct source_child *c, struct source_outcome *out,
    struct err *e)
{
	enum err_code rc = ERR_NONE, tail;
	struct err second = {0};
	bool first;

	if (c->far != NULL)
		return source_farchild_wait(c->far, out, e);
	fdio_close(&c->out_fd); /* it gets SIGPIPE if it still writes */
	if (c->pid != 0)
		rc = wait_for(c, c->pid_fd, -1, &first, e);
	if (rc == ERR_NONE && c->pid != 0) {
		end_group(c);
		if (!reap(c))
			rc = err_set(e, ERR_IO, "'%s' cannot be waited for",
			    c->name);
	}
	if (rc != ERR_NONE)
		end_it(c);
	drain_stderr(c);
	out->took_ns = now_mono().ns - c->started.ns;
	out->exit_status = WIFEXITED(c->status) ? WEXITSTATUS(c->status) : -1;
	out->signal = WIFSIGNALED(c->status) ? WTERMSIG(c->status) : 0;
	tail = tail_text(c, &out->stderr_tail, &second);
	if (rc == ERR_NONE && tail != ERR_NONE) {
		*e = second;
		rc = tail;
	}
	return rc;
}

void
source_child_free(struct source_child **c)
{
	struct source_child *old = TAKE(*c);

	if (old == NULL)
		return;
	source_farchild_free(&old->far);
	fdio_close(&old->in_fd);
	fdio_close(&old->out_fd);
	end_group(old);
	if (old->pid != 0 && !reap(old))
		end_it(old);
	fdio_close(&old->err_fd);
	fdio_close(&old->pid_fd);
	free(old);
}

void
source_child_leave(struct source_child **c)
{
	if (*c != NULL)
		(*c)->pid = 0; /* of a far one the connection is closed */
	source_child_free(c);
}
