#include "brake.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>
#include <bascule/base/text.h>

#define DOZE_NS    (200 * NS_PER_MS) /* for a cancel */
#define BURST_NS   (50 * NS_PER_MS)  /* may be saved up */
#define GULP_LEAST ((size_t)1 << 10)
#define GULP_MOST  ((size_t)256 << 10)
#define PACED_MOST ((size_t)64 << 10)

/* --- room ------------------------------------------------------------------ */

/*
 * Of its files; of what lies in its directories, too, where deep.  What cannot
 * be read is not counted: whoever writes there says why.
 */
static uint64_t
size_of(int at_fd, const char *name, bool deep)
{
	OWNED(fdio_close_dir) DIR *d = fdio_open_dir(at_fd, name);
	const struct dirent *entry;
	uint64_t sum = 0;
	struct stat sb;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    fstatat(dirfd(d), entry->d_name, &sb,
			AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (S_ISREG(sb.st_mode))
			sum += (uint64_t)sb.st_size;
		else if (deep && S_ISDIR(sb.st_mode))
			sum += size_of(dirfd(d), entry->d_name, false);
	}
	return sum;
}

void
brake_measure(struct brake *b)
{
	OWNED(fdio_close) int fd = -1;

	if (b->quota_bytes == 0)
		return;
	fd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b->used_bytes = 0;
	b->measured = true;
	if (fd != -1)
		b->used_bytes = size_of(fd, "packs", true) +
		    size_of(fd, "incoming", false) + size_of(fd, "tmp", false) +
		    size_of(fd, "snapshots", true) +
		    size_of(fd, "points", true) + size_of(fd, "grants", false);
}

enum err_code
brake_take(struct brake *b, uint64_t bytes, struct err *e)
{
	char quota[TEXT_UNIT_BYTES], used[TEXT_UNIT_BYTES];

	if (b->quota_bytes == 0)
		return ERR_NONE;
	if (!b->measured)
		brake_measure(b);
	if (b->used_bytes > b->quota_bytes ||
	    bytes > b->quota_bytes - b->used_bytes) {
		err_set(e, ERR_NOSPACE, "its quota of %s is used up: it has %s",
		    text_size(b->quota_bytes, quota),
		    text_size(b->used_bytes, used));
		return err_hint(e,
		    "at the copy's site: bascule prune, or more with --quota "
		    "of "
		    "its store serve");
	}
	b->used_bytes += bytes;
	return ERR_NONE;
}

/* --- time ------------------------------------------------------------------ */

static enum err_code
wait_until(const struct brake_reader *r, struct mono at, struct err *e)
{
	for (;;) {
		int64_t ns = at.ns - now_mono().ns;
		struct timespec t;

		if (r->cancel != NULL && *r->cancel != 0)
			return err_set(e, ERR_CANCELLED, "asked to stop");
		if (ns <= 0)
			return ERR_NONE;
		if (ns > DOZE_NS)
			ns = DOZE_NS;
		t = (struct timespec){ns / NS_PER_S, ns % NS_PER_S};
		nanosleep(&t, NULL);
	}
}

static enum err_code
slow_read(void *ctx, void *bytes, size_t max_bytes, size_t *got, struct err *e)
{
	struct brake_reader *r = ctx;
	size_t most = GULP_MOST;
	struct mono now;
	enum err_code rc;

	*got = 0;
	if (r->bytes_per_s / 4 < most)
		most = r->bytes_per_s / 4 > GULP_LEAST ? r->bytes_per_s / 4
						       : GULP_LEAST;
	if (wait_until(r, r->free_at, e) != ERR_NONE)
		return e->code;
	rc = r->inner->read(r->inner->ctx, bytes,
	    max_bytes < most ? max_bytes : most, got, e);
	now = now_mono();
	if (r->free_at.ns < now.ns - BURST_NS)
		r->free_at.ns = now.ns - BURST_NS;
	r->free_at.ns += (int64_t)((double)*got * 1e9 / (double)r->bytes_per_s);
	return rc;
}

static enum err_code
pass_write(void *ctx, const void *bytes, size_t len_bytes, struct err *e)
{
	struct brake_reader *r = ctx;

	return r->inner->write(r->inner->ctx, bytes, len_bytes, e);
}

void
brake_slow(struct transport *out, struct brake_reader *r)
{
	*out = (struct transport){slow_read, pass_write, r};
}

static enum err_code
paced_read(void *ctx, void *bytes, size_t max_bytes, size_t *got, struct err *e)
{
	struct brake_pacer *p = ctx;

	if (max_bytes > PACED_MOST)
		max_bytes = PACED_MOST;
	if (p->inner->read(p->inner->ctx, bytes, max_bytes, got, e) != ERR_NONE)
		return e->code;
	return *got == 0 ? ERR_NONE : p->opt->pace(p->opt->ctx, *got, e);
}

static enum err_code
paced_write(void *ctx, const void *bytes, size_t len_bytes, struct err *e)
{
	struct brake_pacer *p = ctx;

	return p->inner->write(p->inner->ctx, bytes, len_bytes, e);
}

void
brake_pace(struct transport *out, struct brake_pacer *p)
{
	*out = (struct transport){paced_read, paced_write, p};
}
