#include "sortspool.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/buf.h>
#include <bascule/base/fdio.h>
#include <bascule/base/path.h>

#define MEMORY_BYTES ((size_t)64 << 20)
#define RUNS_MAX     1024
#define READ_BYTES   ((size_t)64 << 10)

/* In memory and in the file alike: two lengths, the path, the value. */
struct head {
	uint32_t path_bytes, value_bytes;
};

struct run {
	uint64_t at, end; /* in the file: what is still to be read */
	uint64_t begin;
	struct buf bytes; /* read, from `used` on not yet given */
	size_t used;
	struct sortspool_record now;
	bool there; /* now is a record */
};

struct sortspool {
	size_t memory_bytes;
	struct buf arena;
	size_t *rows; /* where each record begins in the arena */
	size_t rows_count, rows_room;
	int fd;
	uint64_t file_bytes;
	struct run *runs;
	size_t runs_count;
	struct run *given; /* whose record was given last */
	size_t row;        /* the next, when there are no runs */
};

void
sortspool_free(struct sortspool **sp)
{
	struct sortspool *s = TAKE(*sp);

	if (s == NULL)
		return;
	for (size_t i = 0; i < s->runs_count; i++)
		buf_fini(&s->runs[i].bytes);
	free(s->runs);
	free(s->rows);
	buf_fini(&s->arena);
	fdio_close(&s->fd);
	free(s);
}

enum err_code
sortspool_new(struct sortspool **out, size_t memory_bytes, struct err *e)
{
	OWNED(sortspool_free) struct sortspool *s = calloc(1, sizeof *s);

	*out = NULL;
	if (s == NULL)
		return err_nomem(e);
	s->fd = -1;
	s->memory_bytes = memory_bytes == 0 ? MEMORY_BYTES : memory_bytes;
	if ((s->runs = calloc(RUNS_MAX, sizeof *s->runs)) == NULL)
		return err_nomem(e);
	*out = TAKE(s);
	return ERR_NONE;
}

/* --- records ---------------------------------------------------------------- */

static void
parse(const uint8_t *at, struct sortspool_record *out)
{
	struct head h;

	memcpy(&h, at, sizeof h);
	out->path = (const char *)at + sizeof h;
	out->path_bytes = h.path_bytes;
	out->value = at + sizeof h + h.path_bytes;
	out->value_bytes = h.value_bytes;
}

static size_t
record_bytes(const struct sortspool_record *r)
{
	return sizeof(struct head) + r->path_bytes + r->value_bytes;
}

static int
order(const void *a, const void *b, void *arena)
{
	const size_t x = *(const size_t *)a, y = *(const size_t *)b;
	struct sortspool_record p, q;
	int n;

	parse((const uint8_t *)arena + x, &p);
	parse((const uint8_t *)arena + y, &q);
	n = path_compare(p.path, p.path_bytes, q.path, q.path_bytes);
	return n != 0 ? n : x < y ? -1 : x > y; /* as they were put */
}

static void
sort(struct sortspool *s)
{
	if (s->rows_count > 1)
		qsort_r(s->rows, s->rows_count, sizeof *s->rows, order,
		    s->arena.bytes);
}

/* --- runs in the file ------------------------------------------------------- */

static enum err_code
open_file(struct sortspool *s, struct err *e)
{
	const char *dir = getenv("TMPDIR");

	if (s->fd != -1)
		return ERR_NONE;
	if (dir == NULL || *dir != '/')
		dir = "/var/tmp";
	s->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return s->fd == -1
	    ? err_sys(e, "cannot make a temporary file in '%s'", dir)
	    : ERR_NONE;
}

static enum err_code
write_rows(struct sortspool *s, struct err *e)
{
	OWNED(buf_fini) struct buf out = {0};
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < s->rows_count; i++) {
		const uint8_t *at = s->arena.bytes + s->rows[i];
		struct sortspool_record r;

		parse(at, &r);
		rc = buf_add(&out, at, record_bytes(&r), e);
		if (rc != ERR_NONE ||
		    (out.len_bytes < READ_BYTES && i + 1 < s->rows_count))
			continue;
		rc = fdio_pwrite(s->fd, out.bytes, out.len_bytes, s->file_bytes,
		    e);
		s->file_bytes += out.len_bytes;
		buf_clear(&out);
	}
	return rc;
}

/* What is in memory becomes one more run. */
static enum err_code
spill(struct sortspool *s, struct err *e)
{
	struct run *run = &s->runs[s->runs_count];
	enum err_code rc;

	if (s->runs_count == RUNS_MAX)
		return err_set(e, ERR_INPUT,
		    "more entries than can be sorted here");
	rc = open_file(s, e);
	run->begin = s->file_bytes;
	sort(s);
	if (rc == ERR_NONE)
		rc = write_rows(s, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "sorting");
	run->end = s->file_bytes;
	s->runs_count++;
	s->rows_count = 0;
	buf_clear(&s->arena);
	return ERR_NONE;
}

static enum err_code
row_add(struct sortspool *s, struct err *e)
{
	if (s->rows_count == s->rows_room) {
		size_t room = s->rows_room == 0 ? 1024 : s->rows_room * 2;
		size_t *rows = realloc(s->rows, room * sizeof *rows);

		if (rows == NULL)
			return err_nomem(e);
		s->rows = rows;
		s->rows_room = room;
	}
	s->rows[s->rows_count++] = s->arena.len_bytes;
	return ERR_NONE;
}

enum err_code
sortspool_add(struct sortspool *s, const struct sortspool_record *r,
    struct err *e)
{
	struct head h = {(uint32_t)r->path_bytes, (uint32_t)r->value_bytes};
	enum err_code rc = ERR_NONE;

	if (r->value_bytes > UINT32_MAX)
		return err_set(e, ERR_INPUT, "an entry of too many bytes");
	if (s->rows_count > 0 &&
	    s->arena.len_bytes + s->rows_count * sizeof *s->rows +
		    record_bytes(r) >
		s->memory_bytes)
		rc = spill(s, e);
	if (rc == ERR_NONE)
		rc = row_add(s, e);
	if (rc == ERR_NONE)
		rc = buf_add(&s->arena, &h, sizeof h, e);
	if (rc == ERR_NONE)
		rc = buf_add(&s->arena, r->path, r->path_bytes, e);
	return rc == ERR_NONE ? buf_add(&s->arena, r->value, r->value_bytes, e)
			      : rc;
}

/* --- giving ----------------------------------------------------------------- */

/* At least so many bytes from `used` on; they are there. */
static enum err_code
fill(struct sortspool *s, struct run *run, size_t want, struct err *e)
{
	size_t have = run->bytes.len_bytes - run->used, n;
	uint64_t left = run->end - run->at;
	uint8_t *at;
	enum err_code rc;

	if (have >= want)
		return ERR_NONE;
	if (have > 0)
		memmove(run->bytes.bytes, run->bytes.bytes + run->used, have);
	run->bytes.len_bytes = have;
	run->used = 0;
	n = want - have > READ_BYTES ? want - have : READ_BYTES;
	n = n > left ? (size_t)left : n;
	if (n < want - have)
		return err_set(e, ERR_IO, "the temporary file ends early");
	rc = buf_extend(&run->bytes, n, &at, e);
	if (rc == ERR_NONE)
		rc = fdio_pread(s->fd, at, n, run->at, e);
	run->at += n;
	return rc;
}

static enum err_code
run_next(struct sortspool *s, struct run *run, struct err *e)
{
	struct head h;
	enum err_code rc;

	if (run->there)
		run->used += record_bytes(&run->now);
	run->there = false;
	if (run->at == run->end && run->used == run->bytes.len_bytes)
		return ERR_NONE;
	if ((rc = fill(s, run, sizeof h, e)) != ERR_NONE)
		return rc;
	memcpy(&h, run->bytes.bytes + run->used, sizeof h);
	rc = fill(s, run, sizeof h + h.path_bytes + h.value_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	parse(run->bytes.bytes + run->used, &run->now);
	run->there = true;
	return ERR_NONE;
}

enum err_code
sortspool_begin(struct sortspool *s, struct err *e)
{
	enum err_code rc = ERR_NONE;

	s->row = 0;
	s->given = NULL;
	if (s->runs_count == 0) {
		sort(s);
		return ERR_NONE;
	}
	if (s->rows_count > 0)
		rc = spill(s, e);
	for (size_t i = 0; rc == ERR_NONE && i < s->runs_count; i++) {
		struct run *run = &s->runs[i];

		run->at = run->begin;
		run->used = 0;
		run->there = false;
		buf_clear(&run->bytes);
		rc = run_next(s, run, e);
	}
	return rc;
}

static struct run *
lowest(struct sortspool *s)
{
	struct run *low = NULL;

	/* Of equal ones the earlier run's was put first. */
	for (size_t i = 0; i < s->runs_count; i++) {
		struct run *run = &s->runs[i];

		if (run->there &&
		    (low == NULL ||
			path_compare(run->now.path, run->now.path_bytes,
			    low->now.path, low->now.path_bytes) < 0))
			low = run;
	}
	return low;
}

enum err_code
sortspool_next(struct sortspool *s, struct sortspool_record *out, bool *more,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (s->runs_count == 0) {
		*more = s->row < s->rows_count;
		if (*more)
			parse(s->arena.bytes + s->rows[s->row++], out);
		return ERR_NONE;
	}
	if (s->given != NULL)
		rc = run_next(s, s->given, e);
	if (rc != ERR_NONE)
		return rc;
	s->given = lowest(s);
	*more = s->given != NULL;
	if (*more)
		*out = s->given->now;
	return ERR_NONE;
}
