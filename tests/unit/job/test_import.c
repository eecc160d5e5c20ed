#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bascule/archive.h>
#include <bascule/base/fdio.h>
#include <bascule/job.h>

#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_job_import(void);

#define BYTES 40000

static struct repo r;
static int fd = -1; /* the archive */

static enum err_code
into(void *arg, const void *bytes, size_t len_bytes, struct err *e)
{
	return fdio_write(*(const int *)arg, bytes, len_bytes, e);
}

static void
put(struct arc_pax *w, const char *name, const char *link, uint64_t size)
{
	const struct arc_pax_names names = {name, link};
	const struct arc_warn nobody = {0};
	OWNED(entry_fini)
	struct entry n = {.type = ENTRY_FILE, .mode = 0644, .size_bytes = size};
	OWNED(free_mem) uint8_t *bytes = malloc(BYTES);
	struct err e = {0};

	repo_noise(bytes, BYTES, 3);
	must(arc_pax_begin(w, &n, &names, nobody, &e), &e);
	if (link == NULL)
		must(arc_pax_write(w, bytes, size, &e), &e);
	must(arc_pax_end(w, &e), &e);
}

/* In no order, with a link before what it links to. */
static void
setup(void)
{
	OWNED(arc_pax_discard) struct arc_pax *w = NULL;
	struct err e = {0};

	repo_make(&r);
	fd = memfd_create("archive", MFD_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	must(arc_pax_open(&w, into, &fd, 0, ARC_PAX_UTF8, &e), &e);
	put(w, "z/last", NULL, BYTES);
	put(w, "b", "a", 0);
	put(w, "a", NULL, 100);
	put(w, "../out", NULL, 5);
	put(w, "m/n/o", NULL, 5000);
	must(arc_pax_finish(&w, &e), &e);
}

static void
teardown(void)
{
	fdio_close(&fd);
	repo_remove(&r);
}

static enum err_code
import(struct import_options *opt, struct import_result *out, struct err *e)
{
	struct store *st = repo_open(&r, STORE_WRITE);
	enum err_code rc;

	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	opt->fd = fd;
	opt->name = "archive";
	opt->service = "s";
	opt->dataset = "d";
	rc = import_run(st, opt, out, e);
	store_close(&st);
	return rc;
}

static size_t
snapshots_count(void)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct store *st = repo_open(&r, STORE_READ);
	struct err e = {0};
	size_t count;

	must(snapshot_list(&list, st, NULL, NULL, NULL, &e), &e);
	count = list.count;
	store_close(&st);
	return count;
}

/* The newest snapshot has all of it. */
static void
look(void)
{
	static const char *const want[] = {"a", "b", "m", "m/n", "m/n/o", "z",
	    "z/last"};
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(cursor_close) struct cursor *c = NULL;
	OWNED(free_mem) char *subtree = NULL;
	struct store *st = repo_open(&r, STORE_READ);
	const struct item *it;
	struct err e = {0};

	must(snapshot_find(&s, &subtree, st, "latest", &e), &e);
	ck_assert_uint_eq(s.flags, SNAPSHOT_PARTIAL);
	ck_assert_uint_eq(s.problems_total_count, 1);
	must(cursor_open(&c, st, &s.root, "", 0, &e), &e);
	for (size_t i = 0; i < COUNT_OF(want); i++) {
		must(cursor_next(c, &it, &e), &e);
		ck_assert_ptr_nonnull(it);
		ck_assert_str_eq(it->entry.path.bytes, want[i]);
		if (i < 2) {
			ck_assert(it->entry.linked);
			ck_assert_uint_eq(it->entry.size_bytes, 100);
		}
	}
	must(cursor_next(c, &it, &e), &e);
	ck_assert_ptr_null(it);
	cursor_close(&c);
	store_close(&st);
}

START_TEST(an_archive_becomes_a_snapshot)
{
	struct import_options opt = {0};
	struct import_result result;
	struct err e = {0};

	must(import(&opt, &result, &e), &e);
	ck_assert_uint_eq(result.counts.files_count, 4);
	ck_assert_uint_eq(result.counts.dirs_count, 3);
	ck_assert_uint_eq(result.counts.problems_count, 1);
	look();
}
END_TEST

START_TEST(a_dry_run_leaves_nothing)
{
	struct import_options opt = {.dry_run = true};
	struct import_result result;
	struct err e = {0};

	must(import(&opt, &result, &e), &e);
	ck_assert_uint_eq(result.counts.problems_count, 1);
	ck_assert_uint_eq(result.counts.bytes, BYTES + 100 + 5000);
	ck_assert_uint_eq(snapshots_count(), 0);
}
END_TEST

START_TEST(over_a_limit_there_is_none)
{
	struct import_options opt = {.max_entries = 4};
	struct import_result result;
	struct err e = {0};

	ck_assert_int_eq(import(&opt, &result, &e), ERR_REFUSED);
	opt.max_entries = 5;
	opt.max_bytes = BYTES + 100;
	ck_assert_int_eq(import(&opt, &result, &e), ERR_REFUSED);
	ck_assert_uint_eq(snapshots_count(), 0);
	opt.max_bytes = BYTES + 5100;
	must(import(&opt, &result, &e), &e);
}
END_TEST

START_TEST(cut_off_anywhere_there_is_none)
{
	off_t whole = lseek(fd, 0, SEEK_END);
	struct import_options opt = {0};
	struct import_result result;
	struct err e = {0};

	for (off_t len = whole - 512 * 22; len > 0; len -= 9 * 512 + 77) {
		ck_assert_int_eq(ftruncate(fd, len), 0);
		ck_assert_int_ne(import(&opt, &result, &e), ERR_NONE);
		ck_assert_uint_eq(snapshots_count(), 0);
	}
}
END_TEST

/* No snapshot, or all of it: whichever call fails. */
START_TEST(any_failing_call_leaves_one_whole_snapshot_or_none)
{
	bool fired = true;

	for (int nth = 1; fired; nth += fault_step(5)) {
		struct import_options opt = {.fd = fd,
		    .name = "archive",
		    .service = "s",
		    .dataset = "d"};
		struct store *st = repo_open(&r, STORE_WRITE);
		struct import_result result;
		struct err e = {0};
		enum err_code rc;

		ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
		fault_arm_all(nth, nth % 2 == 0 ? EIO : ENOSPC);
		rc = import_run(st, &opt, &result, &e);
		fired = fault_fired();
		store_close(&st);
		if (rc == ERR_NONE || snapshots_count() > 0)
			look();
		if (rc != ERR_NONE)
			ck_assert_uint_gt(strlen(e.text), 0);
		repo_remove(&r);
		repo_make(&r);
	}
}
END_TEST

Suite *
suite_job_import(void)
{
	Suite *s = suite_create("job/import");
	TCase *t = tcase_create("import");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, an_archive_becomes_a_snapshot);
	tcase_add_test(t, a_dry_run_leaves_nothing);
	tcase_add_test(t, over_a_limit_there_is_none);
	tcase_add_test(t, cut_off_anywhere_there_is_none);
	tcase_add_test(t, any_failing_call_leaves_one_whole_snapshot_or_none);
	suite_add_tcase(s, t);
	return s;
}
