#include "support/repo.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bascule/job.h>

#include "support/must.h"
#include "support/tmpdir.h"

static struct keyring *operations, *escrow, *writer;

static void
end_keys(void)
{
	keyring_free(&operations);
	keyring_free(&escrow);
	keyring_free(&writer);
}

static void
make_keys(void)
{
	struct err e = {0};

	if (operations != NULL)
		return;
	if (keyring_new_family(&operations, &escrow, &e) != ERR_NONE ||
	    keyring_new_writer(&writer, operations, &e) != ERR_NONE)
		abort();
	atexit(end_keys);
}

static const struct store_geometry small = {.chunk_min_bytes = 256,
    .chunk_mean_bytes = 1024,
    .chunk_max_bytes = 4096,
    .pack_target_bytes = 64 << 10,
    .frame_target_bytes = 8 << 10};

void
repo_make_another(struct repo *r, const char *name, char path[64])
{
	struct err e = {0};

	snprintf(path, 64, "%.40s/%.20s", r->dir, name);
	if (store_create(path, keyring_family(r->operations), &small, &e) !=
	    ERR_NONE)
		ck_abort_msg("%s", e.text);
}

void
repo_make(struct repo *r)
{
	make_keys();
	/* In memory where there is such a place: much is flushed. */
	tmpdir_name(r->dir, sizeof(r->dir), true);
	r->operations = operations;
	r->escrow = escrow;
	r->writer = writer;
	repo_make_another(r, "repo", r->path);
}

struct store *
repo_open_copy(struct repo *r, const char *name)
{
	struct store_options opt = {.access = STORE_WRITE,
	    .network_fs_allowed = true};
	struct store *st;
	struct err e = {0};
	char path[64];

	repo_make_another(r, name, path);
	must(store_open(&st, path, &opt, &e), &e);
	return st;
}

static int
remove_one(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
	(void)sb;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
repo_remove(struct repo *r)
{
	nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct store *
repo_open(struct repo *r, enum store_access access)
{
	struct store_options opt = {.access = access,
	    .keyring = r->operations,
	    .network_fs_allowed = true};
	struct store *st;
	struct err e = {0};

	if (store_open(&st, r->path, &opt, &e) != ERR_NONE)
		ck_abort_msg("%s", e.text);
	return st;
}

void
repo_begin(struct repo *r, struct store **st, struct session **se,
    struct writer **w)
{
	struct err e = {0};

	*st = repo_open(r, STORE_WRITE);
	must(session_open(se, *st, &e), &e);
	must(writer_new(w, *se, NULL, &e), &e);
}

void
repo_end(struct store **st, struct session **se, struct writer **w)
{
	writer_free(w);
	session_close(se);
	store_close(st);
}

void
repo_work_end(struct repo_work *a)
{
	repo_end(&a->st, &a->se, &a->w);
}

void
repo_noise(uint8_t *bytes, size_t len_bytes, uint64_t seed)
{
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < len_bytes; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		bytes[i] = (uint8_t)(x >> 32);
	}
}

struct id
repo_put(struct writer *w, uint64_t seed, size_t len_bytes)
{
	uint8_t *bytes = malloc(len_bytes + 1);
	struct id id;
	struct err e = {0};

	repo_noise(bytes, len_bytes, seed);
	if (writer_put(w, STORE_DATA, bytes, len_bytes, NULL, 0, &id, &e) !=
	    ERR_NONE)
		ck_abort_msg("%s", e.text);
	free(bytes);
	return id;
}

void
repo_file(struct item *it, struct writer *w, const char *path, uint64_t seed,
    size_t len_bytes)
{
	struct err e = {0};

	must(entry_set_path(&it->entry, path, strlen(path), &e), &e);
	it->entry.type = ENTRY_FILE;
	it->entry.size_bytes = it->content.size_bytes = len_bytes;
	it->content.pieces = calloc(1, sizeof *it->content.pieces);
	it->content.pieces_count = 1;
	it->content.pieces[0].len_bytes = (uint32_t)len_bytes;
	it->content.pieces[0].id = repo_put(w, seed, len_bytes);
}

bool
repo_has(struct store *st, const struct id *id, uint64_t seed, size_t len_bytes)
{
	OWNED(buf_fini) struct buf got = {0};
	OWNED(free_mem) uint8_t *bytes = malloc(len_bytes + 1);
	struct err e = {0};

	repo_noise(bytes, len_bytes, seed);
	return store_get(st, STORE_DATA, id, &got, NULL, &e) == ERR_NONE &&
	    got.len_bytes == len_bytes &&
	    (len_bytes == 0 || memcmp(got.bytes, bytes, len_bytes) == 0);
}

void
repo_noise_file(int dirfd, const char *name, uint64_t seed, size_t len_bytes)
{
	OWNED(free_mem) uint8_t *noise = malloc(len_bytes);
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0640);

	repo_noise(noise, len_bytes, seed);
	ck_assert_int_eq(write(fd, noise, len_bytes), (ssize_t)len_bytes);
	close(fd);
}

void
repo_tell_damage(void *ctx, const char *object, const char *what)
{
	(void)ctx;
	fprintf(stderr, "damage: %s: %s\n", object, what);
}

void
repo_check_copy(const struct repo *r, const char *path, size_t snapshots_count,
    size_t points_count)
{
	const struct store_options opt = {.keyring = r->operations,
	    .network_fs_allowed = true};
	const struct check_options how = {.depth = CHECK_OPEN,
	    .on_damage = repo_tell_damage};
	OWNED(store_close) struct store *st = NULL;
	OWNED(snapshot_list_fini) struct snapshot_list snapshots = {0};
	OWNED(point_list_fini) struct point_list points = {0};
	struct check_tally seen;
	struct err e = {0};

	must(store_open(&st, path, &opt, &e), &e);
	must(snapshot_list(&snapshots, st, NULL, repo_tell_damage, NULL, &e),
	    &e);
	must(point_list(&points, st, NULL, repo_tell_damage, NULL, &e), &e);
	if (snapshots_count != SIZE_MAX)
		ck_assert_uint_eq(snapshots.count, snapshots_count);
	if (points_count != SIZE_MAX)
		ck_assert_uint_eq(points.count, points_count);
	must(store_check(st, &how, &seen, &e), &e);
	ck_assert_uint_eq(seen.damage_count, 0);
}

struct id
repo_save(struct repo *r, const struct tmpdir *tree, const struct tmpdir *state,
    unsigned chunk_bytes)
{
	const struct capture_options opt = {.service = "local",
	    .dataset = "docs",
	    .roots = (const char *[]){tree->path},
	    .roots_count = 1,
	    .chunking = CHUNKING_FIXED,
	    .chunk_fixed_bytes = chunk_bytes,
	    .state_dir = state->path};
	OWNED(store_close) struct store *st = repo_open(r, STORE_WRITE);
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *subtree = NULL;
	struct capture_result made;
	struct err e = {0};

	must(capture_run(st, &opt, &made, &e), &e);
	must(snapshot_find(&s, &subtree, st, "latest", &e), &e);
	return s.root;
}
