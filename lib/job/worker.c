/*
 * The worker: one job, one process.
 *
 * Three threads: the job's own; one that reads stdin, because the end of it
 * means that the daemon has died; one that sends heartbeats.  What is sent is
 * sent under one lock.
 */

#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bascule/base/exitcode.h>
#include <bascule/crypt.h>

#define HEARTBEAT_NS (5 * NS_PER_S)
#define PROGRESS_NS  (NS_PER_S / 4)
#define GRACE_S      30 /* after the daemon's death */
#define SPEC_WAIT_MS 60000

#define IOPRIO_WHO_PROCESS        1
#define IOPRIO_BEST_EFFORT(level) ((2 << 13) | (level))

struct inbound {
	struct inbound *next;
	struct wire_value *v;
};

struct worker {
	struct wire_value *spec;
	struct policy *policy;
	const struct policy_service *service;
	const char *job, *dataset, *target;
	int wake_fd;
	struct wire_lines lines; /* of stdin: the reader's */
	pthread_t reader, beater;
	bool reader_runs, beater_runs;
	pthread_mutex_t send_lock;
	pthread_mutex_t lock; /* of everything below */
	pthread_cond_t changed;
	struct inbound *inbound, **inbound_tail;
	bool over; /* the job is done: the beater may end */
	bool gone; /* the daemon is */
	uint64_t last_seq;
	char doing[96];
	char partial[512]; /* why; "": it is not */
	bool waits;
	bool has_no_store; /* its repository is not there */
	struct mono progress_at;
};

static volatile sig_atomic_t cancelled;

static void
on_term(int number)
{
	(void)number;
	cancelled = 1;
}

/* --- asking --------------------------------------------------------------- */

const struct policy *
worker_policy(const struct worker *w)
{
	return w->policy;
}

const struct policy_service *
worker_service(const struct worker *w)
{
	return w->service;
}

const struct policy_site *
worker_site(const struct worker *w)
{
	return policy_find_site(w->policy, w->policy->site);
}

const char *
worker_dataset(const struct worker *w)
{
	return w->dataset;
}

const char *
worker_target(const struct worker *w)
{
	return w->target;
}

const char *
worker_job(const struct worker *w)
{
	return w->job;
}

struct wire_value *
worker_spec(struct worker *w)
{
	return w->spec;
}

enum err_code
worker_asked(struct worker *w, struct err *e)
{
	return wire_end(w->spec, e);
}

bool
worker_is_cancelled(const struct worker *w)
{
	(void)w;
	return cancelled != 0;
}

const volatile sig_atomic_t *
worker_cancel(const struct worker *w)
{
	(void)w;
	return &cancelled;
}

int
worker_wake_fd(const struct worker *w)
{
	return w->wake_fd;
}

/* --- saying --------------------------------------------------------------- */

enum err_code
worker_send(struct worker *w, struct wire_value **v, struct err *e)
{
	enum err_code rc;

	pthread_mutex_lock(&w->send_lock);
	rc = wire_send(WIRE_WORKER_EVENT_FD, *v, e);
	pthread_mutex_unlock(&w->send_lock);
	wire_free(v);
	return rc;
}

/* What may be lost: if the daemon has gone, the reader finds out. */
static void
send_lightly(struct worker *w, struct wire_value **v)
{
	struct err e;
	enum err_code rc = worker_send(w, v, &e);

	(void)rc;
}

static void
say_progress(struct worker *w, const struct job_progress *p, const char *what)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, "progress", &e) != ERR_NONE)
		return;
	wire_add_uint(v, "files", p->files_count);
	wire_add_uint(v, "bytes", p->done_bytes);
	wire_add_uint(v, "total_bytes", p->total_bytes);
	wire_add_text(v, "what", what);
	send_lightly(w, &v);
}

void
worker_progress(struct worker *w, const struct job_progress *p,
    const char *what)
{
	struct mono now = now_mono();
	bool due;

	pthread_mutex_lock(&w->lock);
	due = now.ns - w->progress_at.ns >= PROGRESS_NS;
	if (due)
		w->progress_at = now;
	pthread_mutex_unlock(&w->lock);
	if (due)
		say_progress(w, p, what);
}

void
worker_doing(struct worker *w, const char *what)
{
	snprintf(w->doing, sizeof(w->doing), "%s", what);
}

bool
worker_on_progress(void *ctx, const struct job_progress *p)
{
	struct worker *w = ctx;

	worker_progress(w, p, w->doing);
	return !worker_is_cancelled(w);
}

void
worker_on_problem(void *ctx, const char *path, const char *reason)
{
	OWNED(buf_fini) struct buf name = {0};
	struct err e;

	if (path != NULL &&
	    text_escape(&name, path, strlen(path), &e) != ERR_NONE)
		return;
	worker_log(ctx, WORKER_WARNING, "%s%s%s", buf_text(&name),
	    path != NULL ? ": " : "", reason);
}

void
worker_log(struct worker *w, enum worker_level level, const char *fmt, ...)
{
	static const char *const names[] = {"info", "warning", "error"};
	OWNED(wire_free) struct wire_value *v = NULL;
	char text[ERR_TEXT_BYTES];
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (wire_new(&v, "log", &e) != ERR_NONE)
		return;
	wire_add_text(v, "level", names[level]);
	wire_add_text(v, "text", text);
	send_lightly(w, &v);
}

void
worker_partial(struct worker *w, const char *fmt, ...)
{
	va_list ap;

	if (w->partial[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(w->partial, sizeof(w->partial), fmt, ap);
	va_end(ap);
}

void
worker_waits(struct worker *w)
{
	w->waits = true;
}

/* --- threads -------------------------------------------------------------- */

static void
wake(struct worker *w)
{
	uint64_t one = 1;
	ssize_t n = write(w->wake_fd, &one, sizeof(one));

	(void)n; /* full is as good as written */
	pthread_cond_broadcast(&w->changed);
}

static void
pause_tenth(void)
{
	struct timespec tenth = {0, 100 * NS_PER_MS};

	nanosleep(&tenth, NULL);
}

static enum err_code
parse_line(struct inbound **out, const char *line, size_t len)
{
	struct inbound *in = calloc(1, sizeof(*in));
	struct err e;
	enum err_code rc =
	    in == NULL ? ERR_NOMEM : wire_parse(&in->v, line, len, &e);

	if (rc != ERR_NONE)
		free(in);
	else
		*out = in;
	return rc;
}

/* An acknowledgement that is lost would be waited for without end. */
static void
take_line(struct worker *w, const char *line, size_t len)
{
	struct inbound *in;
	enum err_code rc;

	while ((rc = parse_line(&in, line, len)) == ERR_NOMEM)
		pause_tenth();
	if (rc != ERR_NONE)
		return; /* our own daemon talks nonsense: leave it alone */
	pthread_mutex_lock(&w->lock);
	*w->inbound_tail = in;
	w->inbound_tail = &in->next;
	wake(w);
	pthread_mutex_unlock(&w->lock);
}

/* The daemon is dead: stop, and if that takes too long, die. */
static void
daemon_gone(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	cancelled = 1;
	w->gone = true;
	wake(w);
	pthread_mutex_unlock(&w->lock);
	for (int i = 0; i < GRACE_S * 10; i++)
		pause_tenth();
	kill(0, SIGKILL);
}

static void *
reader_main(void *ctx)
{
	struct worker *w = ctx;

	for (;;) {
		const char *line;
		size_t len, got;
		struct err e;

		while ((line = wire_lines_next(&w->lines, &len)) != NULL)
			take_line(w, line, len);
		if (wire_lines_read(&w->lines, STDIN_FILENO, &got, &e) !=
			ERR_NONE ||
		    got == 0)
			daemon_gone(w);
	}
	return NULL;
}

static void
beat(struct worker *w)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, "heartbeat", &e) == ERR_NONE)
		send_lightly(w, &v);
}

static void
until_ns(struct timespec *ts, int64_t in_ns)
{
	int64_t ns;

	clock_gettime(CLOCK_MONOTONIC, ts);
	ns = ts->tv_nsec + in_ns;
	ts->tv_sec += ns / NS_PER_S;
	ts->tv_nsec = ns % NS_PER_S;
}

static void *
beater_main(void *ctx)
{
	struct worker *w = ctx;
	struct timespec at;

	pthread_mutex_lock(&w->lock);
	while (!w->over) {
		until_ns(&at, HEARTBEAT_NS);
		while (!w->over &&
		    pthread_cond_timedwait(&w->changed, &w->lock, &at) !=
			ETIMEDOUT)
			;
		if (w->over)
			break;
		pthread_mutex_unlock(&w->lock);
		beat(w);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* --- being told ----------------------------------------------------------- */

/* Unlink the first line that is (or is not) an acknowledgement of seq. */
static struct wire_value *
pick(struct worker *w, uint64_t seq)
{
	struct wire_value *v = NULL;

	for (struct inbound **at = &w->inbound; *at != NULL;
	     at = &(*at)->next) {
		struct inbound *in = *at;
		uint64_t ack = wire_take_uint(in->v, "ack",
		    wire_take_uint(in->v, "nack", 0));

		if (ack != seq)
			continue;
		v = in->v;
		*at = in->next;
		if (w->inbound_tail == &in->next)
			w->inbound_tail = at;
		free(in);
		break;
	}
	return v;
}

static struct wire_value *
await(struct worker *w, uint64_t seq, const struct timespec *until)
{
	struct wire_value *v;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		v = pick(w, seq);
		/* An acknowledgement is waited for even when cancelled: the
		 * outcome of what was undone must be recorded, too. */
		if (v != NULL || w->gone || (seq == 0 && cancelled))
			break;
		if (until == NULL)
			pthread_cond_wait(&w->changed, &w->lock);
		else if (pthread_cond_timedwait(&w->changed, &w->lock, until) ==
		    ETIMEDOUT) {
			v = pick(w, seq);
			break;
		}
	}
	if (w->inbound == NULL && !cancelled) {
		uint64_t n;
		ssize_t got = read(w->wake_fd, &n, sizeof(n));

		(void)got;
	}
	pthread_mutex_unlock(&w->lock);
	return v;
}

struct wire_value *
worker_next(struct worker *w, int64_t timeout_ns)
{
	struct timespec until;

	until_ns(&until, timeout_ns);
	return await(w, 0, &until);
}

static enum err_code
written_ahead(struct worker *w, struct wire_value **v, uint64_t seq,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *ack = NULL;
	enum err_code rc;

	wire_add_uint(*v, "seq", seq);
	rc = worker_send(w, v, e);
	if (rc != ERR_NONE)
		return rc;
	ack = await(w, seq, NULL);
	if (ack == NULL)
		return err_set(e, ERR_CANCELLED, "the daemon has gone");
	if (wire_has(ack, "nack"))
		return err_set(e, ERR_IO, "the ledger cannot be written: %s",
		    wire_take_text(ack, "error", "no reason given"));
	return ERR_NONE;
}

enum err_code
worker_intent(struct worker *w, struct wire_value **v, uint64_t *seq,
    struct err *e)
{
	*seq = ++w->last_seq;
	return written_ahead(w, v, *seq, e);
}

enum err_code
worker_outcome(struct worker *w, struct wire_value **v, uint64_t seq,
    struct err *e)
{
	return written_ahead(w, v, seq, e);
}

/* --- the repository ------------------------------------------------------- */

void
worker_store_fini(struct worker_store *s)
{
	store_close(&s->st);
	keyring_free(&s->keys);
}

static enum err_code
open_at(struct worker_store *s, struct worker *w,
    const struct store_options *opt, struct err *e)
{
	const char *path = worker_site(w)->repository;
	enum err_code rc = store_open(&s->st, path, opt, e);

	w->has_no_store = rc == ERR_NOTFOUND;
	if (rc == ERR_NOTFOUND) /* it names the place */
		return err_hint(e,
		    "is its disk mounted? the policy names its place "
		    "(sites.repository)");
	return rc == ERR_NONE ? rc
			      : err_wrap(e, "opening repository '%s'", path);
}

enum err_code
worker_store_open(struct worker_store *s, struct worker *w,
    enum store_access access, struct err *e)
{
	struct store_options opt = {.access = access};
	enum err_code rc = keys_of_policy(&s->keys, w->policy, e);

	if (rc != ERR_NONE)
		return rc;
	if (!keyring_is_locked(s->keys))
		worker_log(w, WORKER_WARNING,
		    "keys cannot be locked into memory and may be swapped "
		    "out: raise the service's limit (LimitMEMLOCK)");
	opt.keyring = s->keys;
	return open_at(s, w, &opt, e);
}

enum err_code
worker_store_open_any(struct worker_store *s, struct worker *w,
    enum store_access access, struct err *e)
{
	const struct store_options opt = {.access = access};

	if (w->policy->key_file[0] != '\0')
		return worker_store_open(s, w, access, e);
	return open_at(s, w, &opt, e);
}

/* --- the frame ------------------------------------------------------------ */

static enum err_code
read_spec(struct worker *w, struct err *e)
{
	const char *line;
	size_t len, got = 1;

	while ((line = wire_lines_next(&w->lines, &len)) == NULL) {
		struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
		enum err_code rc;

		if (poll(&p, 1, SPEC_WAIT_MS) == 0)
			return err_set(e, ERR_TIMEOUT, "no job was given");
		rc = wire_lines_read(&w->lines, STDIN_FILENO, &got, e);
		if (rc != ERR_NONE)
			return rc;
		if (got == 0)
			return err_set(e, ERR_INPUT, "no job was given");
	}
	return wire_parse(&w->spec, line, len, e);
}

/* Be kind to production, and to whoever waits for the daemon's answer: before
 * anything is read, for a policy may have hundreds of services. */
static void
be_humble(unsigned nice)
{
	long rc;

	if (nice == 0 || setpriority(PRIO_PROCESS, 0, (int)nice) != 0)
		return;
	rc = syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
	    IOPRIO_BEST_EFFORT(7));
	(void)rc;
}

static enum err_code
understand(struct worker *w, const struct worker_kind **kind, struct err *e)
{
	struct wire_value *s = w->spec;
	const char *copy, *name, *service;
	enum err_code rc;

	wire_take_text(s, "type", NULL);
	wire_take_text(s, "ts", NULL);
	wire_take_uint(s, "v", 0);
	wire_take_uint(s, "attempt", 1);
	wire_take_text(s, "digest", NULL);
	be_humble((unsigned)wire_take_uint(s, "nice", 0));
	w->job = wire_need_text(s, "job");
	name = wire_need_text(s, "kind");
	copy = wire_need_text(s, "policy");
	service = wire_take_text(s, "service", NULL);
	w->dataset = wire_take_text(s, "dataset", NULL);
	w->target = wire_take_text(s, "site", NULL);
	rc = wire_check(s, e);
	if (rc == ERR_NONE)
		rc = polcopy_load(&w->policy, copy, e);
	if (rc != ERR_NONE)
		return rc;
	*kind = worker_kinds_find(name);
	if (*kind == NULL)
		return err_set(e, ERR_INPUT, "there is no work of kind '%s'",
		    name);
	if (service != NULL)
		w->service = policy_find_service(w->policy, service);
	if (service != NULL && w->service == NULL)
		return err_set(e, ERR_NOTFOUND, "there is no service '%s'",
		    service);
	return ERR_NONE;
}

static void
say_hello(struct worker *w)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, "hello", &e) != ERR_NONE)
		return;
	wire_add_int(v, "pid", getpid());
	wire_add_text(v, "version", BASCULE_VERSION);
	send_lightly(w, &v);
}

static enum err_code
bound_memory(const struct worker *w, struct err *e)
{
	uint64_t max = w->policy->limits.memory_bytes;
	struct rlimit lim = {max, max};

	/*
	 * Writable private memory: RLIMIT_AS would count what thread arenas
	 * merely reserve.  Only where somebody asked for it.
	 */
	if (policy_is_written(&w->policy->limits.at, "memory") &&
	    setrlimit(RLIMIT_DATA, &lim) != 0)
		return err_sys(e, "cannot limit the memory to %llu bytes",
		    (unsigned long long)max);
	return ERR_NONE;
}

static enum err_code
start_threads(struct worker *w, struct err *e)
{
	w->reader_runs = pthread_create(&w->reader, NULL, reader_main, w) == 0;
	if (w->reader_runs)
		w->beater_runs =
		    pthread_create(&w->beater, NULL, beater_main, w) == 0;
	return w->beater_runs ? ERR_NONE : err_nomem(e);
}

static void
stop_threads(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->over = true;
	wake(w);
	pthread_mutex_unlock(&w->lock);
	if (w->beater_runs)
		pthread_join(w->beater, NULL);
	/* The reader sleeps in read(2); the process's end is its own. */
}

static int
say_result(struct worker *w, struct wire_value **result, enum err_code rc,
    const struct err *why)
{
	const char *state = rc == ERR_CANCELLED ? "cancelled"
	    : rc != ERR_NONE && w->waits        ? "waiting"
	    : rc != ERR_NONE                    ? "failed"
	    : w->partial[0] != '\0'             ? "partial"
						: "succeeded";
	int status = rc == ERR_NOTFOUND && w->has_no_store
	    ? EXITCODE_NO_REPOSITORY
	    : rc != ERR_NONE        ? (int)exitcode_of(rc)
	    : w->partial[0] != '\0' ? EXITCODE_PARTIAL
				    : EXITCODE_DONE;
	struct err e;

	wire_add_text(*result, "state", state);
	wire_add_text(*result, "reason",
	    rc != ERR_NONE ? why->text : w->partial);
	wire_add_int(*result, "exit", status);
	if (worker_send(w, result, &e) != ERR_NONE)
		fprintf(stderr, "%s\n", e.text);
	return status;
}

static enum err_code
work(struct worker *w, struct wire_value *result, struct err *e)
{
	const struct worker_kind *kind = NULL;
	enum err_code rc = read_spec(w, e);

	if (rc == ERR_NONE)
		rc = understand(w, &kind, e);
	if (rc == ERR_NONE)
		rc = bound_memory(w, e);
	if (rc == ERR_NONE)
		rc = start_threads(w, e);
	if (rc != ERR_NONE)
		return rc;
	say_hello(w);
	return kind->run(w, result, e);
}

static enum err_code
prepare(struct worker *w, struct err *e)
{
	struct sigaction sa = {.sa_handler = on_term};
	pthread_condattr_t attr;

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	w->inbound_tail = &w->inbound;
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_init(&w->send_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return w->wake_fd >= 0 ? ERR_NONE
			       : err_sys(e, "cannot make an eventfd");
}

int
worker_main(void)
{
	static struct worker w; /* its threads may outlive this call */
	OWNED(wire_free) struct wire_value *result = NULL;
	struct err e = {0};
	enum err_code rc = prepare(&w, &e);
	int status;

	if (rc == ERR_NONE)
		rc = wire_new(&result, "result", &e);
	if (rc != ERR_NONE) {
		fprintf(stderr, "%s\n", e.text);
		return EXITCODE_FAILED;
	}
	rc = work(&w, result, &e);
	stop_threads(&w);
	status = say_result(&w, &result, rc, &e);
	fflush(NULL);
	policy_free(&w.policy);
	wire_free(&w.spec);
	_exit(status);
}
