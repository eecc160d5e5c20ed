#include "checking_results.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/atomfile.h>
#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#include "pack.h"

#define FIXED_BYTES 28 /* magic, site, count */
#define ROW_BYTES   49
#define ROWS_MAX    ((uint32_t)1 << 24)
#define FILE_MAX    (FIXED_BYTES + (size_t)ROWS_MAX * ROW_BYTES + ID_BYTES)

static const uint8_t magic[8] = {'B', 's', 'c', 'C', 'h', 'k', 'd', '1'};

void
checking_results_fini(struct checking_results *r)
{
	free(r->rows);
	free(r->fresh);
	memset(r, 0, sizeof(*r));
}

static int
order(const void *va, const void *vb)
{
	const struct checking_result *a = va, *b = vb;

	return id_compare(&a->pack, &b->pack);
}

/* --- codec ---------------------------------------------------------------- */

static void
take_row(struct le_reader *in, struct checking_result *row)
{
	const uint8_t *name = le_take(in, ID_BYTES);
	uint8_t damaged;

	row->read_ns = (int64_t)le_take64(in);
	row->opened_ns = (int64_t)le_take64(in);
	damaged = le_take8(in);
	in->bad |= damaged > 1 || row->read_ns < 0 || row->opened_ns < 0;
	row->damaged = damaged == 1;
	if (name != NULL)
		memcpy(row->pack.bytes, name, ID_BYTES);
}

enum err_code
checking_results_decode(struct checking_results *out, const void *bytes,
    size_t len_bytes, const uint8_t *site, struct err *e)
{
	OWNED(checking_results_fini) struct checking_results r = {0};
	const uint8_t *at, *whose;
	struct le_reader in;
	struct id hash;
	uint32_t count;

	memset(out, 0, sizeof(*out));
	if (len_bytes < FIXED_BYTES + ID_BYTES ||
	    hash_sha256(bytes, len_bytes - ID_BYTES, &hash, e) != ERR_NONE ||
	    memcmp(hash.bytes, (const uint8_t *)bytes + len_bytes - ID_BYTES,
		ID_BYTES) != 0)
		return err_set(e, ERR_CORRUPT, "it does not match its hash");
	le_init(&in, bytes, len_bytes - ID_BYTES);
	at = le_take(&in, sizeof(magic));
	whose = le_take(&in, STORE_FAMILY_BYTES);
	count = le_take32(&in);
	if (memcmp(at, magic, sizeof(magic)) != 0 ||
	    memcmp(whose, site, STORE_FAMILY_BYTES) != 0 ||
	    in.left_bytes != (uint64_t)count * ROW_BYTES)
		return err_set(e, ERR_CORRUPT, "it is of something else");
	r.rows = calloc((size_t)count + 1, sizeof(*r.rows));
	if (r.rows == NULL)
		return err_nomem(e);
	for (r.count = 0; r.count < count; r.count++) {
		take_row(&in, &r.rows[r.count]);
		in.bad |= r.count > 0 &&
		    order(&r.rows[r.count - 1], &r.rows[r.count]) >= 0;
	}
	if (!le_done(&in))
		return err_set(e, ERR_CORRUPT, "a row makes no sense");
	*out = r;
	r = (struct checking_results){0};
	return ERR_NONE;
}

static enum err_code
encode(const struct checking_results *r, const uint8_t *site, struct buf *out,
    struct err *e)
{
	struct id hash;
	enum err_code rc = buf_add(out, magic, sizeof(magic), e);

	if (rc == ERR_NONE)
		rc = buf_add(out, site, STORE_FAMILY_BYTES, e);
	if (rc == ERR_NONE)
		rc = le_add32(out, (uint32_t)r->count, e);
	for (size_t i = 0; rc == ERR_NONE && i < r->count; i++) {
		const struct checking_result *row = &r->rows[i];

		rc = buf_add(out, row->pack.bytes, ID_BYTES, e);
		if (rc == ERR_NONE)
			rc = le_add64(out, (uint64_t)row->read_ns, e);
		if (rc == ERR_NONE)
			rc = le_add64(out, (uint64_t)row->opened_ns, e);
		if (rc == ERR_NONE)
			rc = le_add8(out, row->damaged ? 1 : 0, e);
	}
	if (rc == ERR_NONE)
		rc = hash_sha256(out->bytes, out->len_bytes, &hash, e);
	return rc == ERR_NONE ? buf_add(out, hash.bytes, ID_BYTES, e) : rc;
}

/* --- the file -------------------------------------------------------------- */

static const char *
file_name(const struct store *st, char out[2 * STORE_FAMILY_BYTES + 1])
{
	for (size_t i = 0; i < STORE_FAMILY_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", st->site[i]);
	return out;
}

/* STATE/checked, or -1. */
static int
open_dir(const char *state_dir, mode_t make)
{
	OWNED(fdio_close) int fd = -1;
	struct err ignored;

	if (make != 0 && fdio_make_dirs(state_dir, make, &ignored) != ERR_NONE)
		return -1;
	fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 ||
	    (make != 0 && mkdirat(fd, "checked", make) != 0 && errno != EEXIST))
		return -1;
	return openat(fd, "checked",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

void
checking_results_load(struct checking_results *out, const struct store *st,
    const char *state_dir)
{
	OWNED(fdio_close) int fd = -1;
	OWNED(buf_fini) struct buf b = {0};
	char name[2 * STORE_FAMILY_BYTES + 1];
	struct err ignored;

	memset(out, 0, sizeof(*out));
	if (state_dir == NULL || (fd = open_dir(state_dir, 0)) == -1)
		return;
	if (fdio_slurp(fd, file_name(st, name), FILE_MAX, &b, &ignored) ==
		ERR_NONE &&
	    checking_results_decode(out, b.bytes, b.len_bytes, st->site,
		&ignored) != ERR_NONE)
		checking_results_fini(out);
}

static struct checking_result *
find(const struct checking_results *r, const struct id *pack)
{
	struct checking_result key = {.pack = *pack};

	return r->count == 0
	    ? NULL
	    : bsearch(&key, r->rows, r->count, sizeof(*r->rows), order);
}

int64_t
checking_results_last(const struct checking_results *r, const struct id *pack,
    enum check_depth depth)
{
	const struct checking_result *row = find(r, pack);
	const int64_t now = now_utc().ns;
	int64_t last;

	if (row == NULL || row->damaged)
		return 0;
	last = row->opened_ns;
	if (depth < CHECK_OPEN && row->read_ns > last)
		last = row->read_ns;
	return last > now ? 0 : last;
}

enum err_code
checking_results_note(struct checking_results *r, const struct id *pack,
    enum check_depth depth, bool damaged, struct err *e)
{
	const struct checking_result *before = find(r, pack);
	struct checking_result *row;
	const int64_t now = damaged ? 0 : now_utc().ns;

	if (r->fresh_count == r->fresh_room) {
		size_t room = r->fresh_room * 2 + 64;
		struct checking_result *more =
		    reallocarray(r->fresh, room, sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		r->fresh = more;
		r->fresh_room = room;
	}
	row = &r->fresh[r->fresh_count++];
	*row = (struct checking_result){.pack = *pack,
	    .read_ns = now,
	    .opened_ns = now,
	    .damaged = damaged};
	if (depth < CHECK_OPEN)
		row->opened_ns =
		    before == NULL || damaged ? 0 : before->opened_ns;
	return ERR_NONE;
}

/* Old and fresh rows, of packs that are there; a fresh one counts. */
static enum err_code
join(struct checking_results *out, struct checking_results *r,
    const struct store *st, struct err *e)
{
	size_t i = 0, j = 0;

	if (r->fresh_count > 0)
		qsort(r->fresh, r->fresh_count, sizeof(*r->fresh), order);
	out->rows = calloc(r->count + r->fresh_count + 1, sizeof(*out->rows));
	if (out->rows == NULL)
		return err_nomem(e);
	while (i < r->count || j < r->fresh_count) {
		int c = i == r->count     ? 1
		    : j == r->fresh_count ? -1
					  : order(&r->rows[i], &r->fresh[j]);
		const struct checking_result *row =
		    c < 0 ? &r->rows[i] : &r->fresh[j];
		char path[PACK_PATH_BYTES];

		i += c <= 0;
		j += c >= 0;
		if (faccessat(st->packs_fd, pack_path(&row->pack, path), F_OK,
			AT_SYMLINK_NOFOLLOW) == 0)
			out->rows[out->count++] = *row;
	}
	return ERR_NONE;
}

void
checking_results_save(struct checking_results *r, struct store *st,
    const char *state_dir)
{
	OWNED(checking_results_fini) struct checking_results all = {0};
	OWNED(atomfile_discard) struct atomfile *af = NULL;
	OWNED(fdio_close) int fd = -1;
	OWNED(buf_fini) struct buf b = {0};
	char name[2 * STORE_FAMILY_BYTES + 1];
	struct err ignored;

	if (state_dir == NULL || r->fresh_count == 0 ||
	    (fd = open_dir(state_dir, 0700)) == -1)
		return;
	if (join(&all, r, st, &ignored) != ERR_NONE ||
	    encode(&all, st->site, &b, &ignored) != ERR_NONE ||
	    atomfile_begin(&af, fd, file_name(st, name), &ignored) !=
		ERR_NONE ||
	    atomfile_write(af, b.bytes, b.len_bytes, &ignored) != ERR_NONE)
		return;
	if (atomfile_commit(&af, &ignored) != ERR_NONE)
		return; /* the next check looks at more than it had to */
}
