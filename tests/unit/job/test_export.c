#include <check.h>
#include <errno.h>
#include <string.h>

#include <bascule/archive.h>
#include <bascule/job.h>

#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_job_export(void);

static struct repo r;

static void
setup(void)
{
	repo_make(&r);
}

static void
teardown(void)
{
	repo_remove(&r);
}

static void
add(struct tree_writer *tw, const char *path, enum entry_type type)
{
	OWNED(item_fini) struct item it = {0};
	struct err e = {0};

	must(entry_set_path(&it.entry, path, strlen(path), &e), &e);
	it.entry.type = type;
	it.entry.mode = 0755;
	if (type == ENTRY_SYMLINK)
		must(entry_set_text(&it.entry.target, "x", 1, 100, &e), &e);
	must(tree_writer_add(tw, &it, &e), &e);
}

static void
add_file(struct tree_writer *tw, struct writer *w, const char *path,
    bool linked)
{
	OWNED(item_fini) struct item it = {0};
	struct err e = {0};

	repo_file(&it, w, path, 7, 3000);
	it.entry.linked = linked;
	must(tree_writer_add(tw, &it, &e), &e);
}

/* With what no source yields: files below a link and a file. */
static struct id
plant(void)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct snapshot s = {.service = "s", .dataset = "d"};
	struct err e = {0};

	repo_begin(&r, &a.st, &a.se, &a.w);
	must(tree_writer_new(&tw, a.w, &e), &e);
	add(tw, "", ENTRY_DIR);
	add(tw, "d", ENTRY_DIR);
	add_file(tw, a.w, "d/one", true);
	add_file(tw, a.w, "d/one/below", false);
	add_file(tw, a.w, "d/two", true);
	add(tw, "link", ENTRY_SYMLINK);
	add_file(tw, a.w, "link/below", false);
	add_file(tw, a.w, "link/below/more", false);
	add(tw, "socket", ENTRY_SOCKET);
	add_file(tw, a.w, "z", false);
	must(tree_writer_root(tw, &s.root, &e), &e);
	must(snapshot_commit(a.se, a.w, &s, &e), &e);
	return s.root;
}

struct sink {
	struct buf bytes;
	int calls_left; /* then it fails; 0: never */
};

static enum err_code
into(void *arg, const void *bytes, size_t len_bytes, struct err *e)
{
	struct sink *s = arg;

	if (s->calls_left > 0 && --s->calls_left == 0)
		return err_set(e, ERR_NOSPACE, "the disk is full");
	return buf_add(&s->bytes, bytes, len_bytes, e);
}

static enum err_code export(const struct id *root, struct sink *s,
    struct export_result *out, struct err *e) {
	const struct export_options opt = {.root = *root,
	    .subtree = "",
	    .sink = into,
	    .sink_arg = s};
	struct store *st = repo_open(&r, STORE_READ);
	enum err_code rc = export_run(st, &opt, out, e);

	store_close(&st);
	return rc;
}

START_TEST(what_stands_below_no_directory_is_left_out)
{
	static const char *const want[] = {"./", "d/", "d/one", "d/two", "link",
	    "z"};
	struct id root = plant();
	OWNED(arc_any_close) struct arc_any *a = NULL;
	OWNED(entry_fini) struct entry n = {0};
	struct export_result result;
	struct arc_any_member m;
	struct sink s = {0};
	struct err e = {0};

	must(export(&root, &s, &result, &e), &e);
	ck_assert_uint_eq(result.warnings_count, 3);
	ck_assert_uint_eq(result.left_out_count, 1);
	ck_assert_uint_eq(result.files_count, 3);
	ck_assert_uint_eq(result.bytes, 6000);
	must(arc_any_open_bytes(&a, s.bytes.bytes, s.bytes.len_bytes, &e), &e);
	for (size_t i = 0; i < COUNT_OF(want); i++) {
		must(arc_any_next(a, &n, &m, (struct arc_warn){0}, &e), &e);
		ck_assert_str_eq(m.name, want[i]);
		if (i == 3)
			ck_assert_str_eq(m.link, "d/one");
	}
	ck_assert_int_eq(arc_any_next(a, &n, &m, (struct arc_warn){0}, &e),
	    ERR_NOTFOUND);
	buf_fini(&s.bytes);
}
END_TEST

START_TEST(any_failing_call_is_an_error_or_it_is_the_same)
{
	struct id root = plant();
	struct export_result result;
	struct sink whole = {0};
	struct err e = {0};
	bool fired = true;

	must(export(&root, &whole, &result, &e), &e);
	for (int nth = 1; fired; nth += fault_step(1)) {
		struct sink s = {0};
		struct store *st = repo_open(&r, STORE_READ);
		const struct export_options opt = {.root = root,
		    .subtree = "",
		    .sink = into,
		    .sink_arg = &s};
		enum err_code rc;

		fault_arm_all(nth, nth % 2 == 0 ? EIO : ENOMEM);
		rc = export_run(st, &opt, &result, &e);
		fired = fault_fired();
		if (rc != ERR_NONE)
			ck_assert_uint_gt(strlen(e.text), 0);
		else {
			ck_assert_uint_eq(s.bytes.len_bytes,
			    whole.bytes.len_bytes);
			ck_assert_int_eq(memcmp(s.bytes.bytes,
					     whole.bytes.bytes,
					     s.bytes.len_bytes),
			    0);
		}
		store_close(&st);
		buf_fini(&s.bytes);
	}
	buf_fini(&whole.bytes);
}
END_TEST

START_TEST(a_full_disk_is_said_wherever_it_is_met)
{
	struct id root = plant();
	struct export_result result;
	enum err_code rc = ERR_NOSPACE;

	for (int nth = 1; rc != ERR_NONE; nth++) {
		struct sink s = {.calls_left = nth};
		struct err e = {0};

		rc = export(&root, &s, &result, &e);
		ck_assert(rc == ERR_NONE || rc == ERR_NOSPACE);
		ck_assert(rc != ERR_NONE || nth > 1);
		buf_fini(&s.bytes);
	}
}
END_TEST

static bool
stop(void *ctx, const struct job_progress *p)
{
	(void)ctx;
	return p->done_bytes < 3000;
}

START_TEST(it_can_be_stopped)
{
	struct id root = plant();
	struct sink s = {0};
	struct export_options opt = {.root = root,
	    .subtree = "",
	    .sink = into,
	    .sink_arg = &s,
	    .watch = {.progress = stop}};
	struct store *st = repo_open(&r, STORE_READ);
	struct export_result result;
	struct err e = {0};

	ck_assert_int_eq(export_run(st, &opt, &result, &e), ERR_CANCELLED);
	opt.watch.progress = NULL;
	opt.subtree = "nowhere";
	ck_assert_int_eq(export_run(st, &opt, &result, &e), ERR_NOTFOUND);
	store_close(&st);
	buf_fini(&s.bytes);
}
END_TEST

Suite *
suite_job_export(void)
{
	Suite *s = suite_create("job/export");
	TCase *t = tcase_create("export");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_stands_below_no_directory_is_left_out);
	tcase_add_test(t, any_failing_call_is_an_error_or_it_is_the_same);
	tcase_add_test(t, a_full_disk_is_said_wherever_it_is_met);
	tcase_add_test(t, it_can_be_stopped);
	suite_add_tcase(s, t);
	return s;
}
