#include "worker_quiesce.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/source.h>

#include "worker_far.h"

#define OUTPUT_BYTES 4096
#define TEND_NS      (2 * NS_PER_S)
#define NAME_BYTES   256

/* The two kinds: their settings, marks, and what is said of them. */
static const struct kind {
	size_t offset; /* of its struct policy_quiesce */
	const char *marks, *name, *before, *after, *killed, *lost;
} kinds[] = {
    [WORKER_QUIESCE] = {offsetof(struct policy_service, quiesce), "quiesced",
	"quiesce", "quiesce.before", "quiesce.after",
	"backup was killed while it held the service",
	"the service was let go while it was read"},
    [WORKER_QUIESCE_CAPTURE] = {offsetof(struct policy_service, capture),
	"opened", "capture", "capture.before", "capture.after",
	"capture was killed while what is fenced was open to be read",
	"what is fenced was closed while it was read"},
};

struct worker_quiesce {
	struct worker *w;
	const struct kind *kind;
	const struct policy_quiesce *policy;
	struct source_guard *guard; /* NULL: there is no `after` */
	int dir_fd, mark_fd;        /* -1 */
	struct mono tended;
	struct err lost; /* the guard, while the service was held */
};

static const struct policy_quiesce *
policy_of(const struct kind *k, const struct policy_service *s)
{
	return (const void *)((const char *)s + k->offset);
}

/* --- the hooks ------------------------------------------------------------ */

/* Unstoppable: a stop of the worker must not keep `after` from being run. */
enum stopping { STOPPABLE, UNSTOPPABLE };

struct hook {
	struct source_host host;
	struct source_program program;
};

static enum err_code
make_hook(struct hook *h, const struct worker_quiesce *of,
    const struct policy_texts *argv, enum stopping how, struct err *e)
{
	const struct worker *w = of->w;
	const struct policy_quiesce *q = of->policy;
	const char *name =
	    policy_quiesce_host(worker_policy(w), q, worker_policy(w)->site);
	bool here;
	enum err_code rc;

	if (name == NULL)
		return err_set(e, ERR_POLICY,
		    "nothing says on which host of '%s' the hooks are run; "
		    "write %s.host_at",
		    worker_policy(w)->site, of->kind->name);
	rc = worker_far_host(&h->host, &here, w, name, e);
	if (how == UNSTOPPABLE)
		h->host.cancel = NULL;
	h->program = (struct source_program){.host = here ? NULL : &h->host,
	    .argv = argv->items,
	    .timeout_ns = q->timeout_ns};
	return rc;
}

static bool
is_wanted(void *ctx)
{
	return !worker_is_cancelled(ctx);
}

static enum err_code
run_hook(struct hook *h, const char *name, struct err *e)
{
	OWNED(source_outcome_fini) struct source_outcome out = {0};
	enum err_code rc = source_run(&h->program, OUTPUT_BYTES, &out, e);

	if (rc == ERR_NONE)
		rc = source_run_check(&out, name, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "%s", name);
}

/* --- the mark (Q3) -------------------------------------------------------- */

static enum err_code
open_marks(int *dir_fd, const struct worker *w, const struct policy_service *s,
    const struct kind *k, struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc = buf_printf(&path, e, "%s/%s/%s",
	    worker_policy(w)->state, k->marks, s->name);

	if (rc == ERR_NONE)
		rc = fdio_make_dirs(buf_text(&path), 0700, e);
	if (rc != ERR_NONE)
		return rc;
	*dir_fd = open(buf_text(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *dir_fd >= 0 ? ERR_NONE
			    : err_sys(e, "cannot open '%s'", buf_text(&path));
}

static bool
lock(int fd)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &fl) == 0;
}

static enum err_code
make_mark(struct worker_quiesce *q, const struct policy_service *s,
    struct err *e)
{
	const char *name = worker_job(q->w);
	char fresh[NAME_BYTES]; /* a name that nobody takes for a mark */
	enum err_code rc = open_marks(&q->dir_fd, q->w, s, q->kind, e);

	if (rc != ERR_NONE)
		return rc;
	if (*name == '\0' || *name == '.' || strchr(name, '/') != NULL ||
	    strlen(name) + 2 > sizeof(fresh))
		return err_set(e, ERR_INPUT, "no name for a job: '%s'", name);
	snprintf(fresh, sizeof(fresh), ".%s", name);
	q->mark_fd = openat(q->dir_fd, fresh,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (q->mark_fd < 0 || !lock(q->mark_fd) || fsync(q->mark_fd) != 0 ||
	    renameat(q->dir_fd, fresh, q->dir_fd, name) != 0 ||
	    fsync(q->dir_fd) != 0)
		return err_sys(e, "marking that '%s' is %s", s->name,
		    q->kind->marks);
	return ERR_NONE;
}

static void
remove_mark(struct worker_quiesce *q)
{
	if (q->mark_fd >= 0)
		(void)unlinkat(q->dir_fd, worker_job(q->w), 0);
}

/* Marks that nobody locks; removed when remove is true. */
static size_t
stale_marks(int dir_fd, bool remove)
{
	OWNED(fdio_close_dir) DIR *dir = fdio_open_dir(dir_fd, ".");
	const struct dirent *d;
	size_t count = 0;

	while (dir != NULL && (d = readdir(dir)) != NULL) {
		OWNED(fdio_close) int mark = -1;
		struct stat st;

		if (d->d_name[0] == '.')
			continue;
		mark =
		    openat(dir_fd, d->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		if (mark < 0 || !lock(mark) || fstat(mark, &st) != 0 ||
		    st.st_nlink == 0) /* removed as we came */
			continue;
		count++;
		if (remove)
			(void)unlinkat(dir_fd, d->d_name, 0);
	}
	return count;
}

static void
recover(struct worker *w, const struct policy_service *s, const struct kind *k)
{
	const struct worker_quiesce q = {.w = w,
	    .kind = k,
	    .policy = policy_of(k, s)};
	OWNED(fdio_close) int dir_fd = -1;
	struct hook after;
	struct err why;
	enum err_code rc;

	if (q.policy->after.count == 0 ||
	    open_marks(&dir_fd, w, s, k, &why) != ERR_NONE ||
	    stale_marks(dir_fd, false) == 0)
		return;
	worker_log(w, WORKER_WARNING, "'%s': an earlier %s: %s is run again",
	    s->name, k->killed, k->after);
	rc = make_hook(&after, &q, &q.policy->after, UNSTOPPABLE, &why);
	if (rc == ERR_NONE)
		rc = run_hook(&after, k->after, &why);
	if (rc == ERR_NONE)
		(void)stale_marks(dir_fd, true);
	else
		worker_log(w, WORKER_ERROR, "%s", why.text);
}

void
worker_quiesce_recover(struct worker *w, const struct policy_service *s)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		recover(w, s, &kinds[i]);
}

/* --- holding -------------------------------------------------------------- */

static void
quiesce_free(struct worker_quiesce **qp)
{
	struct worker_quiesce *q = TAKE(*qp);

	if (q == NULL)
		return;
	source_guard_drop(&q->guard);
	fdio_close(&q->mark_fd);
	fdio_close(&q->dir_fd);
	free(q);
}

static enum err_code
stand_guard(struct worker_quiesce *q, const struct policy_service *s,
    struct err *e)
{
	struct hook after;
	enum err_code rc;

	if (q->policy->after.count == 0)
		return ERR_NONE;
	recover(q->w, s, q->kind);
	rc = make_mark(q, s, e);
	if (rc == ERR_NONE)
		rc = make_hook(&after, q, &q->policy->after, UNSTOPPABLE, e);
	if (rc == ERR_NONE)
		rc = source_guard_new(&q->guard, &after.program, e);
	if (rc == ERR_NONE)
		return rc;
	remove_mark(q); /* nothing was held */
	return err_wrap(e, "readying %s", q->kind->after);
}

static enum err_code
run_before(struct worker_quiesce *q, struct err *e)
{
	struct hook before;
	enum err_code rc;

	if (q->policy->before.count == 0)
		return ERR_NONE;
	rc = make_hook(&before, q, &q->policy->before, STOPPABLE, e);
	before.program.is_wanted = is_wanted;
	before.program.ctx = q->w;
	return rc == ERR_NONE ? run_hook(&before, q->kind->before, e) : rc;
}

enum err_code
worker_quiesce_begin(struct worker_quiesce **out, struct worker *w,
    const struct policy_service *s, enum worker_quiesce_kind kind,
    struct err *e)
{
	OWNED(quiesce_free) struct worker_quiesce *q = NULL;
	const struct policy_quiesce *hooks = policy_of(&kinds[kind], s);
	enum err_code rc;

	*out = NULL;
	if (hooks->before.count == 0 && hooks->after.count == 0)
		return ERR_NONE;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return err_nomem(e);
	q->w = w;
	q->kind = &kinds[kind];
	q->policy = hooks;
	q->dir_fd = q->mark_fd = -1;
	q->tended = now_mono();
	if ((rc = stand_guard(q, s, e)) != ERR_NONE)
		return rc;
	rc = run_before(q, e);
	*out = TAKE(q);
	return rc;
}

void
worker_quiesce_tend(struct worker_quiesce *q)
{
	struct mono now = now_mono();

	if (q == NULL || q->guard == NULL || q->lost.code != ERR_NONE ||
	    now.ns - q->tended.ns < TEND_NS)
		return;
	q->tended = now;
	if (source_guard_tend(q->guard, &q->lost) == ERR_NONE)
		return;
	err_wrap(&q->lost, "%s, for what would run %s is gone", q->kind->lost,
	    q->kind->after);
	worker_log(q->w, WORKER_ERROR, "%s", q->lost.text);
}

/* Its guard is gone: run it from here. */
static enum err_code
run_after_again(struct worker_quiesce *q, struct err *e)
{
	struct hook after;
	enum err_code rc =
	    make_hook(&after, q, &q->policy->after, UNSTOPPABLE, e);

	return rc == ERR_NONE ? run_hook(&after, q->kind->after, e) : rc;
}

static enum err_code
run_after(struct worker_quiesce *q, struct err *e)
{
	OWNED(source_outcome_fini) struct source_outcome out = {0};
	enum err_code rc;

	if (q->lost.code != ERR_NONE)
		return run_after_again(q, e);
	rc = source_guard_run(&q->guard, OUTPUT_BYTES, &out, e);
	if (rc == ERR_NONE)
		rc = source_run_check(&out, q->kind->after, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "%s", q->kind->after);
}

enum err_code
worker_quiesce_end(struct worker_quiesce **qp, struct err *e)
{
	OWNED(quiesce_free) struct worker_quiesce *q = TAKE(*qp);
	enum err_code rc;

	if (q == NULL || q->guard == NULL)
		return ERR_NONE;
	rc = run_after(q, e);
	if (rc != ERR_NONE)
		return rc;
	remove_mark(q);
	if (q->lost.code != ERR_NONE)
		*e = q->lost;
	return q->lost.code;
}
