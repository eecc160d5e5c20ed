#include "exercise_attempt.h"

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
#include <bascule/crypt.h>
#include <bascule/store.h>

#include "exercise_check.h"
#include "exercise_program.h"

#define STOP_NS (5 * NS_PER_S) /* between asking it to end and killing it */

/* --- in the attempt's own process ----------------------------------------- */

static void
note_said(struct exercise_attempt_report *r, const struct exercise_said *s)
{
	size_t keep = sizeof(r->output) - 1, len = s->tail.len_bytes;

	r->exit_status = s->exit_status;
	r->signal = s->signal;
	r->has_output = !id_is_none(&s->hash);
	r->output_bytes = s->bytes;
	r->output_hash = s->hash;
	r->output_kept_bytes = len < keep ? len : keep;
	if (len > 0)
		memcpy(r->output, s->tail.bytes + len - r->output_kept_bytes,
		    r->output_kept_bytes);
}

static void
close_all(struct store **st, struct keyring **keys)
{
	store_close(st);
	keyring_free(keys);
}

static enum err_code
do_restore(const struct exercise_attempt_task *t,
    struct exercise_attempt_report *r, struct err *e)
{
	OWNED(buf_fini) struct buf to = {0};
	struct keyring *keys = NULL;
	struct store *st = NULL;
	struct exercise_restored done = {0};
	char size[TEXT_UNIT_BYTES];
	enum err_code rc = policy_expand(&to, t->step->to, t->values, e);

	if (rc == ERR_NONE)
		rc = exercise_restore_open(&st, &keys, t->options->policy,
		    t->options->site, e);
	if (rc == ERR_NONE)
		rc = exercise_restore(st, t->snapshot, buf_text(&to), &done, e);
	close_all(&st, &keys);
	snprintf(r->note, sizeof(r->note), "%llu files, %s%s",
	    (unsigned long long)done.files_count, text_size(done.bytes, size),
	    done.warnings_count > 0 ? ", some attributes could not be set"
				    : "");
	return rc;
}

static enum err_code
run_argv(const struct exercise_attempt_task *t, const char *const *argv,
    const char *step, int64_t timeout_ns, struct exercise_attempt_report *r,
    struct err *e)
{
	OWNED(exercise_program_fini) struct exercise_said said = {0};
	struct exercise_program p = {.argv = argv,
	    .run = t->options->run,
	    .step = step,
	    .sandbox = t->values->sandbox,
	    .timeout_ns = timeout_ns};
	enum err_code rc = exercise_program_run(&p, &said, e);

	if (rc == ERR_NONE)
		rc = exercise_program_judge(&said, argv[0], e);
	note_said(r, &said);
	return rc;
}

static enum err_code
do_run(const struct exercise_attempt_task *t, struct exercise_attempt_report *r,
    struct err *e)
{
	OWNED(policy_expand_free) char **argv = NULL;
	enum err_code rc =
	    policy_expand_argv(&argv, &t->step->run, t->values, e);

	/* The engine's clock ends it; this one is for when that cannot. */
	return rc != ERR_NONE
	    ? rc
	    : run_argv(t, (const char *const *)argv, t->step->name,
		  t->step->timeout_ns + 2 * STOP_NS, r, e);
}

static enum err_code
do_check(const struct exercise_attempt_task *t,
    struct exercise_attempt_report *r, struct err *e)
{
	OWNED(exercise_program_fini) struct exercise_said said = {0};
	OWNED(buf_fini) struct buf note = {0};
	struct exercise_question q = {.check = &t->step->check,
	    .values = t->values,
	    .program = {.run = t->options->run,
		.step = t->step->name,
		.sandbox = t->values->sandbox},
	    .timeout_ns = t->step->timeout_ns};
	enum err_code rc = exercise_check(&q, &said, &note, e);

	note_said(r, &said);
	snprintf(r->note, sizeof(r->note), "%s", buf_text(&note));
	return rc;
}

/* Every place is tried, also after one was reached. */
static enum err_code
do_prove(const struct exercise_attempt_task *t,
    struct exercise_attempt_report *r, struct err *e)
{
	enum err_code rc = ERR_NONE;
	size_t used = 0;

	for (size_t i = 0; i < t->endpoints_count; i++) {
		OWNED(buf_fini) struct buf note = {0};
		struct err why = {0};
		enum err_code one =
		    exercise_check_cut_off(t->endpoints[i], &note, &why);

		if (one == ERR_REFUSED)
			r->breached = true;
		if (one != ERR_NONE && rc == ERR_NONE) {
			*e = why;
			rc = one;
		}
		if (used < sizeof(r->note))
			used += (size_t)snprintf(r->note + used,
			    sizeof(r->note) - used, "%s%s", i > 0 ? "; " : "",
			    one == ERR_NONE ? buf_text(&note) : why.text);
	}
	return rc;
}

static enum err_code
do_task(const struct exercise_attempt_task *t,
    struct exercise_attempt_report *r, struct err *e)
{
	bool restores =
	    t->kind == EXERCISE_DO_STEP && t->step->kind == POLICY_STEP_RESTORE;
	enum err_code rc = ERR_NONE;

	/* A restore reads the replica: it is no part of what is tested. */
	if (t->cell != NULL && !restores)
		rc = exercise_cell_enter(t->cell, e);
	if (rc != ERR_NONE)
		return rc;
	switch (t->kind) {
	case EXERCISE_DO_PROVE: return do_prove(t, r, e);
	case EXERCISE_DO_UNDO:
		return run_argv(t, t->undo->argv, t->undo->step,
		    t->undo->timeout_ns, r, e);
	case EXERCISE_DO_STEP: break;
	}
	if (restores)
		return do_restore(t, r, e);
	return t->step->kind == POLICY_STEP_RUN ? do_run(t, r, e)
						: do_check(t, r, e);
}

/* Nothing of the worker's: its pipes, its handlers, its terminal. */
static void
leave_worker(const struct exercise_attempt_task *t, struct exercise_cell *cell)
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
	if (t->cell != NULL) {
		*cell = *t->cell;
		cell->pid_fd = fcntl(t->cell->pid_fd, F_DUPFD_CLOEXEC, 3);
		if (cell->pid_fd != 3 && dup3(cell->pid_fd, 3, O_CLOEXEC) == 3)
			cell->pid_fd = 3;
	}
	close_range(t->cell != NULL ? 4 : 3, ~0u, 0);
}

static void
be_attempt(const struct exercise_attempt_task *task, pid_t worker,
    struct exercise_attempt_report *r)
{
	struct exercise_attempt_task t = *task;
	struct exercise_cell cell;
	struct err e = {0};

	leave_worker(task, &cell);
	if (getppid() != worker)
		_exit(1); /* it died before we could ask to be told */
	if (t.cell != NULL)
		t.cell = &cell;
	r->exit_status = -1;
	r->code = do_task(&t, r, &e);
	r->ok = r->code == ERR_NONE;
	snprintf(r->reason, sizeof(r->reason), "%s", r->ok ? "" : e.text);
	text_mend_end(r->reason);
	r->is_over = true;
	_exit(0);
}

/* --- in the worker -------------------------------------------------------- */

void
exercise_attempt_free(struct exercise_attempt **ap)
{
	struct exercise_attempt *a = TAKE(*ap);

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
exercise_attempt_start(struct exercise_attempt **out,
    const struct exercise_attempt_task *task, struct err *e)
{
	OWNED(exercise_attempt_free)
	struct exercise_attempt *a = calloc(1, sizeof(*a));
	pid_t self = getpid();
	sigset_t all, before;
	void *shared;

	*out = NULL;
	if (a == NULL)
		return err_nomem(e);
	a->pid_fd = -1;
	a->began = now_mono();
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
exercise_attempt_stop(struct exercise_attempt *a)
{
	if (a->stop_at.ns != 0 || a->pid == 0)
		return;
	kill(a->pid, SIGTERM);
	a->stop_at.ns = now_mono().ns + STOP_NS;
}

bool
exercise_attempt_is_over(struct exercise_attempt *a)
{
	struct exercise_attempt_report *r = a->report;
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
