#include "planrun_attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>

#include "planrun.h"

/* --- in the attempt's own process ----------------------------------------- */

static enum err_code
do_undo(const struct planrun_task *t, struct planrun_attempt_report *r,
    struct err *e)
{
	struct planrun_words w = {.argv = t->undo->argv,
	    .step = t->undo->step,
	    .on = t->undo->on != NULL ? t->undo->on : "",
	    .timeout_ns = t->undo->timeout_ns,
	    .is_brief = t->undo->is_brief};

	return t->effects->run(t, &w, r, e);
}

static enum err_code
do_run(const struct planrun_task *t, struct planrun_attempt_report *r,
    struct err *e)
{
	OWNED(policy_expand_free) char **argv = NULL;
	enum err_code rc =
	    policy_expand_argv(&argv, &t->step->run, t->values, e);
	/* The engine's clock ends it; this one is for when that cannot. */
	struct planrun_words w = {.argv = (const char *const *)argv,
	    .step = t->step->name,
	    .on = t->step->on,
	    .timeout_ns = t->step->timeout_ns + 2 * t->effects->stop_ns};

	return rc == ERR_NONE ? t->effects->run(t, &w, r, e) : rc;
}

static enum err_code
do_task(const struct planrun_task *t, struct planrun_attempt_report *r,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (t->effects->enter != NULL)
		rc = t->effects->enter(t, e);
	if (rc != ERR_NONE)
		return rc;
	switch (t->kind) {
	case PLANRUN_DO_PROVE: return t->effects->prove(t, r, e);
	case PLANRUN_DO_UNDO: return do_undo(t, r, e);
	case PLANRUN_DO_STEP: break;
	}
	if (t->step->kind == POLICY_STEP_RESTORE)
		return t->effects->restore(t, r, e);
	return t->step->kind == POLICY_STEP_RUN ? do_run(t, r, e)
						: t->effects->check(t, r, e);
}

/* Nothing of the worker's: its pipes, its handlers, its terminal. */
static void
leave_worker(const struct planrun_task *t)
{
	sigset_t none;
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "bascule-step");
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0)
		dup2(null, 0);
	if (t->kept_fd > 0 && t->kept_fd != PLANRUN_KEPT_FD &&
	    dup3(t->kept_fd, PLANRUN_KEPT_FD, O_CLOEXEC) < 0)
		_exit(1);
	close_range(t->kept_fd > 0 ? PLANRUN_KEPT_FD + 1 : PLANRUN_KEPT_FD, ~0u,
	    0);
}

static void
be_attempt(const struct planrun_task *t, pid_t worker,
    struct planrun_attempt_report *r)
{
	struct err e = {0};

	leave_worker(t);
	if (getppid() != worker)
		_exit(1); /* it died before we could ask to be told */
	r->exit_status = -1;
	r->code = do_task(t, r, &e);
	r->ok = r->code == ERR_NONE;
	snprintf(r->reason, sizeof(r->reason), "%s", r->ok ? "" : e.text);
	text_mend_end(r->reason);
	r->is_over = true;
	_exit(0);
}

/* --- in the worker -------------------------------------------------------- */

void
planrun_attempt_free(struct planrun_attempt **ap)
{
	struct planrun_attempt *a = TAKE(*ap);

	if (a == NULL)
		return;
	if (a->pid > 0) {
		kill(a->pid, SIGKILL);
		while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	fdio_close(&a->pid_fd);
	if (a->report != NULL)
		munmap(a->report, sizeof(*a->report));
	free(a);
}

enum err_code
planrun_attempt_start(struct planrun_attempt **out,
    const struct planrun_task *task, struct err *e)
{
	OWNED(planrun_attempt_free)
	struct planrun_attempt *a = calloc(1, sizeof(*a));
	pid_t self = getpid();
	sigset_t all, before;
	void *shared;

	*out = NULL;
	if (a == NULL)
		return err_nomem(e);
	a->pid_fd = -1;
	a->began = now_mono();
	a->stop_ns = task->effects->stop_ns;
	a->dies_uncertain = task->effects->dies_uncertain;
	shared = mmap(NULL, sizeof(*a->report), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return err_nomem(e);
	a->report = shared;
	fflush(NULL);
	/* A signal for it must not find the worker's handlers in place. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	a->pid = fork();
	if (a->pid == 0)
		be_attempt(task, self, a->report);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (a->pid < 0) {
		a->pid = 0;
		return err_sys(e, "starting a step's process");
	}
	a->pid_fd = (int)syscall(SYS_pidfd_open, a->pid, 0);
	if (a->pid_fd < 0)
		return err_sys(e, "watching a step's process");
	*out = TAKE(a);
	return ERR_NONE;
}

void
planrun_attempt_stop(struct planrun_attempt *a)
{
	if (a->stop_at.ns != 0 || a->pid == 0)
		return;
	kill(a->pid, SIGTERM);
	a->stop_at.ns = now_mono().ns + a->stop_ns;
}

bool
planrun_attempt_is_over(struct planrun_attempt *a)
{
	struct planrun_attempt_report *r = a->report;
	int status = 0;
	pid_t pid;

	if (a->pid == 0)
		return true;
	do
		pid = waitpid(a->pid, &status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0) {
		if (a->stop_at.ns != 0 && now_mono().ns >= a->stop_at.ns)
			kill(a->pid, SIGKILL);
		return false;
	}
	a->pid = 0;
	if (!r->is_over) {
		r->ok = false;
		r->exit_status = -1;
		r->is_uncertain = a->dies_uncertain;
		r->code = ERR_IO;
		if (a->stop_at.ns != 0)
			snprintf(r->reason, sizeof(r->reason), "stopped");
		else
			snprintf(r->reason, sizeof(r->reason),
			    "its process died (signal %d)",
			    pid > 0 && WIFSIGNALED(status) ? WTERMSIG(status)
							   : 0);
	}
	return true;
}
