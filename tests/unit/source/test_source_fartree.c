#include <bascule/source.h>

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/now.h>

#include "farsource.h"

/* A tree read over a real sshd, beside the same tree read here. */

static struct farhost far;
static struct source_host host;
static volatile sig_atomic_t cancel;
static struct err e;

static void
start(void)
{
	farhost_start(&far, NULL);
	host = farsource_of(&far, "app1.brent");
	host.timeout_ns = 10 * NS_PER_S;
	host.cancel = &cancel;
}

static void
stop(void)
{
	farhost_stop(&far);
}

/* Who serves a connection as many bytes as the file "bytes" says, once. */
static struct tmpdir cutter;
static const char cut_serve[] =
    "cd \"${0%/*}\"; PATH=$PATH:/usr/lib/openssh:/usr/libexec/openssh\n"
    "mv bytes now 2>/dev/null || exec sftp-server\n"
    "sftp-server | { dd bs=1 count=$(cat now) 2>/dev/null\n"
    "	[ $(head -c 1 | wc -c) = 0 ] || { echo yes >cut; kill 0; }; }\n";

static void
start_cut(void)
{
	char option[512];

	tmpdir_make(&cutter);
	tmpdir_put(&cutter, "serve", cut_serve);
	snprintf(option, sizeof(option), "ForceCommand sh %s/serve",
	    cutter.path);
	farhost_start(&far, option);
	host = farsource_of(&far, "app1.brent");
	host.timeout_ns = 10 * NS_PER_S;
}

static void
stop_cut(void)
{
	stop();
	tmpdir_remove(&cutter);
}

static void
run(const char *fmt, const char *path)
{
	char script[2048];

	snprintf(script, sizeof(script), "set -e; cd '%s'; %s", path, fmt);
	ck_assert_int_eq(farhost_run(
			     (const char *const[]){"sh", "-c", script, NULL}),
	    0);
}

/* All of an open file. */
static enum err_code
slurp(struct source_file **file, struct buf *out)
{
	struct source_run r;
	uint8_t bytes[30000];
	enum err_code rc;

	do {
		rc = source_read(*file, bytes, sizeof(bytes), &r, &e);
		if (rc == ERR_NONE)
			rc = buf_add(out, bytes, r.len_bytes, &e);
	} while (rc == ERR_NONE && r.len_bytes > 0);
	return rc == ERR_NONE ? source_finish(file, &e) : rc;
}

static struct source_tree_options
options_of(const struct source_host *at, const char *const *root)
{
	return (struct source_tree_options){.host = at,
	    .roots = root,
	    .root_count = 1};
}

/*
 * Every item from the root on, with its content, as lines; what SFTP cannot tell
 * is left out.
 */
static void
describe(const struct source_tree_options *o, struct buf *out)
{
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	enum err_code rc;

	ck_assert_msg(source_tree_new(&src, o, &e) == ERR_NONE, "%s", e.text);
	while ((rc = source_next(src, &item, &e)) == ERR_NONE) {
		OWNED(source_close) struct source_file *file = NULL;
		OWNED(buf_fini) struct buf content = {0};
		const struct entry *en = &item.entry;

		if (en->path.len_bytes < strlen(o->roots[0] + 1))
			continue; /* on the way there others live */
		if (item.kind == SOURCE_PROBLEM) {
			ck_assert_int_eq(buf_printf(out, &e, "%s: problem\n",
					     en->path.bytes),
			    0);
			continue;
		}
		ck_assert_msg(source_open(&item, &file, (struct arc_warn){0},
				  &e) == ERR_NONE,
		    "%s: %s", en->path.bytes, e.text);
		if (file != NULL)
			ck_assert_msg(slurp(&file, &content) == ERR_NONE, "%s",
			    e.text);
		ck_assert_int_eq(buf_printf(out, &e,
				     "%s %d %o %u:%u %lld %llu [%s] %zu %d\n",
				     en->path.bytes, en->type, en->mode,
				     en->uid, en->gid, (long long)en->mtime_s,
				     (unsigned long long)en->size_bytes,
				     en->target.bytes ? en->target.bytes : "",
				     content.len_bytes,
				     content.len_bytes > 0
					 ? content.bytes[content.len_bytes / 2]
					 : 0),
		    0);
	}
	ck_assert_msg(rc == ERR_NOTFOUND, "%s", e.text);
}

static void
both_alike(struct source_tree_options *o)
{
	OWNED(buf_fini) struct buf here = {0};
	OWNED(buf_fini) struct buf there = {0};

	o->host = NULL;
	describe(o, &here);
	o->host = &host;
	describe(o, &there);
	for (size_t i = 0, line = 0; i < here.len_bytes; i++) {
		if (i >= there.len_bytes || here.bytes[i] != there.bytes[i])
			ck_abort_msg("here %.100s, there %.100s",
			    here.bytes + line, buf_text(&there) + line);
		if (here.bytes[i] == '\n')
			line = i + 1;
	}
	ck_assert_uint_eq(here.len_bytes, there.len_bytes);
}

START_TEST(it_is_what_it_is_here)
{
	OWNED(tmpdir_remove) struct tmpdir td;
	const char *root = td.path;
	const char *patterns[] = {"*.tmp", "/skip/"};
	struct source_tree_options o = options_of(NULL, &root);

	tmpdir_make(&td);
	run("mkdir -p a a.b a/c/d skip cache; echo 1 >a/x; echo 2 >a.b/y; "
	    "echo 3 >a-b; seq 300000 >large; : >empty; ln -s large link; "
	    "ln -s nowhere dangling; mkfifo fifo; chmod 2751 a; chmod 600 a-b; "
	    "echo t >x.tmp; echo s >skip/s; echo c >cache/c; "
	    "printf 'Signature: 8a477f597d28d172789f06886806bc55' "
	    ">cache/CACHEDIR.TAG; for i in $(seq 700); do echo $i >a/c/d/$i; "
	    "done; touch -d 2001-02-03 a/x; find . -exec touch -h -d "
	    "'2020-02-02 02:02:02' {} +",
	    td.path);
	both_alike(&o);
	o.excludes = patterns;
	o.exclude_count = 2;
	o.exclude_caches = o.one_file_system = true;
	both_alike(&o);
	o.thread_count = 3;
	both_alike(&o);
	o.single_thread = true;
	both_alike(&o);
}
END_TEST

START_TEST(a_root_may_be_a_link_or_a_file)
{
	OWNED(tmpdir_remove) struct tmpdir td;
	char path[100];
	const char *root = path;
	struct source_tree_options o = options_of(NULL, &root);

	tmpdir_make(&td);
	run("mkdir a; echo 1 >a/x; ln -s a link; ln -s a/x other; "
	    "find . -exec touch -h -d 2020-02-02 {} +",
	    td.path);
	snprintf(path, sizeof(path), "%s/link", td.path);
	both_alike(&o);
	snprintf(path, sizeof(path), "%s/a/x", td.path);
	both_alike(&o);
	snprintf(path, sizeof(path), "%s/other", td.path);
	both_alike(&o);
}
END_TEST

START_TEST(a_root_that_is_not_there_is_said)
{
	OWNED(source_free) struct source *src = NULL;
	const char *root = "/nowhere/at/all";
	struct source_tree_options o = options_of(&host, &root);
	const char *up = "/srv/../etc";

	ck_assert_int_eq(source_tree_new(&src, &o, &e), ERR_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "app1.brent"));
	o.roots = &up;
	ck_assert_int_eq(source_tree_new(&src, &o, &e), ERR_INPUT);
	root = "relative";
	o.roots = &root;
	ck_assert_int_eq(source_tree_new(&src, &o, &e), ERR_INPUT);
}
END_TEST

/* The item of that name in the one directory. */
static void
find(struct source *src, struct source_item *item, const char *name)
{
	size_t len = strlen(name);

	do
		ck_assert_int_eq(source_next(src, item, &e), ERR_NONE);
	while (item->entry.path.len_bytes < len ||
	    strcmp(item->entry.path.bytes + item->entry.path.len_bytes - len,
		name) != 0);
}

START_TEST(a_file_that_changes_is_busy_and_then_new)
{
	OWNED(tmpdir_remove) struct tmpdir td;
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(source_close) struct source_file *file = NULL;
	OWNED(buf_fini) struct buf content = {0};
	struct source_run r;
	char bytes[1000];
	const char *root = td.path;
	struct source_tree_options o = options_of(&host, &root);

	tmpdir_make(&td);
	run("seq 300000 >file; touch -d 2020-02-02 file", td.path);
	ck_assert_int_eq(source_tree_new(&src, &o, &e), ERR_NONE);
	find(src, &item, "file");
	ck_assert_int_eq(source_open(&item, &file, (struct arc_warn){0}, &e),
	    ERR_NONE);
	ck_assert_int_eq(source_read(file, bytes, sizeof(bytes), &r, &e), 0);
	run("echo more >>file; touch -d 2020-02-03 file", td.path);
	ck_assert_int_eq(slurp(&file, &content), ERR_BUSY);
	/* ... the same with less, and with another in its place */
	buf_clear(&content);
	ck_assert_int_eq(source_open(&item, &file, (struct arc_warn){0}, &e),
	    ERR_NONE);
	ck_assert_int_eq(slurp(&file, &content), ERR_NONE);
	ck_assert_uint_eq(content.len_bytes, item.entry.size_bytes);
	ck_assert_str_eq(buf_text(&content) + content.len_bytes - 5, "more\n");
	ck_assert_int_eq(source_open(&item, &file, (struct arc_warn){0}, &e),
	    ERR_NONE);
	run("echo short >new; touch -d 2020-02-04 new; mv new file", td.path);
	buf_clear(&content);
	ck_assert_int_eq(slurp(&file, &content), ERR_BUSY);
	ck_assert_int_eq(source_open(&item, &file, (struct arc_warn){0}, &e),
	    ERR_NONE);
	buf_clear(&content);
	ck_assert_int_eq(slurp(&file, &content), ERR_NONE);
	ck_assert_str_eq(buf_text(&content), "short\n");
	run("rm file", td.path);
	ck_assert_int_eq(source_open(&item, &file, (struct arc_warn){0}, &e),
	    ERR_NOTFOUND);
}
END_TEST

START_TEST(a_link_put_in_the_way_is_not_followed)
{
	OWNED(tmpdir_remove) struct tmpdir td;
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(source_close) struct source_file *file = NULL;
	char root_path[100];
	const char *root = root_path;
	struct source_tree_options o = options_of(&host, &root);

	tmpdir_make(&td);
	snprintf(root_path, sizeof(root_path), "%s/root", td.path);
	run("mkdir -p root/a root/b secret; echo mine >root/a/x; echo mine "
	    ">root/b/x; echo theirs >secret/x",
	    td.path);
	o.single_thread = true;
	ck_assert_int_eq(source_tree_new(&src, &o, &e), ERR_NONE);
	find(src, &item, "/a");
	run("mv root/a root/old; ln -s ../secret root/a", td.path);
	ck_assert_int_eq(source_next(src, &item, &e), ERR_NONE);
	ck_assert_int_eq(item.kind, SOURCE_PROBLEM);
	ck_assert_ptr_nonnull(strstr(item.problem.text, "link"));
	find(src, &item, "/b/x");
	run("mv root/b root/old2; ln -s ../secret root/b", td.path);
	ck_assert_int_eq(source_open(&item, &file, (struct arc_warn){0}, &e),
	    ERR_REFUSED);
	/* ... and a file: it has become a link, and that is what is saved */
	run("rm root/b; mv root/old2 root/b; mv root/b/x root/b/y; "
	    "ln -s ../../secret/x root/b/x",
	    td.path);
	ck_assert_int_eq(source_open(&item, &file, (struct arc_warn){0}, &e),
	    ERR_NONE);
	ck_assert_ptr_null(file);
	ck_assert_str_eq(item.entry.target.bytes, "../../secret/x");
}
END_TEST

START_TEST(a_file_goes_on_over_another_connection)
{
	OWNED(tmpdir_remove) struct tmpdir td;
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(source_close) struct source_file *file = NULL;
	OWNED(buf_fini) struct buf content = {0};
	struct source_run r;
	char bytes[1000];
	const char *root = td.path;
	struct source_tree_options o = options_of(&host, &root);

	tmpdir_make(&td);
	run("seq 3000000 >file; touch -d 2020-02-02 file; echo x >small; "
	    "touch -d 2020-02-02 small",
	    td.path);
	ck_assert_int_eq(source_tree_new(&src, &o, &e), ERR_NONE);
	find(src, &item, "file");
	ck_assert_int_eq(source_open(&item, &file, (struct arc_warn){0}, &e),
	    ERR_NONE);
	ck_assert_int_eq(source_read(file, bytes, sizeof(bytes), &r, &e), 0);
	farhost_cut(&far, SIGKILL);
	ck_assert_int_eq(slurp(&file, &content), ERR_NONE);
	ck_assert_uint_eq(content.len_bytes + r.len_bytes,
	    item.entry.size_bytes);
	ck_assert_mem_eq((char *)content.bytes + content.len_bytes - 8,
	    "3000000\n", 8);
	/* ... but not when it is another by then */
	ck_assert_int_eq(source_open(&item, &file, (struct arc_warn){0}, &e),
	    ERR_NONE);
	ck_assert_int_eq(source_read(file, bytes, sizeof(bytes), &r, &e), 0);
	run("touch -d 2020-02-03 file", td.path);
	farhost_cut(&far, SIGKILL);
	ck_assert_int_eq(slurp(&file, &content), ERR_BUSY);
	/* ... and a small one that was opened only */
	find(src, &item, "small");
	ck_assert_int_eq(source_open(&item, &file, (struct arc_warn){0}, &e),
	    ERR_NONE);
	farhost_cut(&far, SIGKILL);
	buf_clear(&content);
	ck_assert_int_eq(slurp(&file, &content), ERR_NONE);
	ck_assert_str_eq(buf_text(&content), "x\n");
}
END_TEST

#define LINES 4 /* that a tree has at most */

START_TEST(all_its_connections_lost_at_once_are_one_loss)
{
	OWNED(tmpdir_remove) struct tmpdir td;
	OWNED(source_free) struct source *src = NULL;
	struct source_item items[LINES] = {0};
	struct source_file *files[LINES] = {0};
	const char *root = td.path;
	struct source_tree_options o = options_of(&host, &root);
	OWNED(buf_fini) struct buf content = {0};

	tmpdir_make(&td);
	run("for i in 0 1 2 3; do echo $i >$i; done; touch -d 2020-02-02 ?",
	    td.path);
	ck_assert_int_eq(source_tree_new(&src, &o, &e), ERR_NONE);
	for (int i = 0; i < LINES; i++) {
		find(src, &items[i], (const char[]){(char)('0' + i), '\0'});
		ck_assert_int_eq(source_open(&items[i], &files[i],
				     (struct arc_warn){0}, &e),
		    ERR_NONE);
	}
	for (int i = 0; i < LINES; i++) /* and all are idle */
		source_close(&files[i]);
	farhost_cut(&far, SIGKILL);
	ck_assert_int_eq(source_open(&items[0], &files[0], (struct arc_warn){0},
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(slurp(&files[0], &content), ERR_NONE);
	ck_assert_str_eq(buf_text(&content), "0\n");
	source_close(&files[0]);
	for (int i = 0; i < LINES; i++)
		source_item_fini(&items[i]);
}
END_TEST

/*
 * The first connection ends after so many bytes of the server's, wherever in its
 * answers that is: nothing is missing, and nothing else is said.
 */
START_TEST(an_answer_cut_anywhere_is_asked_for_again)
{
	OWNED(tmpdir_remove) struct tmpdir td;
	const char *root = td.path;
	struct source_tree_options o = options_of(&host, &root);
	char bytes[16];
	int n = 0;

	tmpdir_make(&td);
	run("mkdir a cache; echo 1 >a/x; echo c >cache/c; ln -s nowhere link; "
	    "printf 'Signature: 8a477f597d28d172789f06886806bc55' "
	    ">cache/CACHEDIR.TAG; "
	    "find . -exec touch -h -d '2020-02-02 02:02:02' {} +",
	    td.path);
	o.exclude_caches = o.one_file_system = o.single_thread = true;
	do {
		tmpdir_put(&cutter, "cut", "no");
		snprintf(bytes, sizeof(bytes), "%d", n);
		tmpdir_put(&cutter, "bytes", bytes);
		both_alike(&o);
		n += 131;
	} while (tmpdir_is(&cutter, "cut", "yes\n"));
	ck_assert_int_gt(n, 2000); /* all of its answers */
}
END_TEST

START_TEST(a_stop_is_the_end_of_it)
{
	OWNED(tmpdir_remove) struct tmpdir td;
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	const char *root = td.path;
	struct source_tree_options o = options_of(&host, &root);
	enum err_code rc;

	tmpdir_make(&td);
	run("mkdir a b c; touch a/x b/x c/x", td.path);
	o.single_thread = true;
	ck_assert_int_eq(source_tree_new(&src, &o, &e), ERR_NONE);
	ck_assert_int_eq(source_next(src, &item, &e), ERR_NONE);
	cancel = 1;
	while ((rc = source_next(src, &item, &e)) == ERR_NONE)
		continue;
	cancel = 0;
	ck_assert_int_eq(rc, ERR_CANCELLED);
}
END_TEST

START_TEST(what_it_cannot_tell_is_told)
{
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(buf_fini) struct buf notes = {0};
	const char *root = "/dev/null";
	struct source_tree_options o = options_of(&host, &root);
	int64_t now_s = now_utc().ns / NS_PER_S;
	int count = 0;

	ck_assert_int_eq(source_tree_new(&src, &o, &e), ERR_NONE);
	while (source_next(src, &item, &e) == ERR_NONE) {
		count++;
		ck_assert(source_is_remote(&item));
		ck_assert_int_ge(source_clock_s(&item), now_s - 5);
		ck_assert_int_le(source_clock_s(&item), now_s + 100);
	}
	ck_assert_int_eq(count, 1); /* "dev"; the device is left out */
	ck_assert_int_eq(source_notes(src, &notes, &e), ERR_NONE);
	ck_assert_ptr_nonnull(strstr(buf_text(&notes), "hard links"));
	ck_assert_ptr_nonnull(strstr(buf_text(&notes), "1 devices"));
}
END_TEST

Suite *suite_source_source_fartree(void);

Suite *
suite_source_source_fartree(void)
{
	Suite *s = suite_create("source/fartree");
	TCase *tc = tcase_create("far");

	tcase_add_unchecked_fixture(tc, start, stop);
	tcase_add_test(tc, it_is_what_it_is_here);
	tcase_add_test(tc, a_root_may_be_a_link_or_a_file);
	tcase_add_test(tc, a_root_that_is_not_there_is_said);
	tcase_add_test(tc, a_file_that_changes_is_busy_and_then_new);
	tcase_add_test(tc, a_link_put_in_the_way_is_not_followed);
	tcase_add_test(tc, a_file_goes_on_over_another_connection);
	tcase_add_test(tc, all_its_connections_lost_at_once_are_one_loss);
	tcase_add_test(tc, a_stop_is_the_end_of_it);
	tcase_add_test(tc, what_it_cannot_tell_is_told);
	suite_add_tcase(s, tc);
	tc = tcase_create("cut");
	tcase_add_unchecked_fixture(tc, start_cut, stop_cut);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, an_answer_cut_anywhere_is_asked_for_again);
	suite_add_tcase(s, tc);
	return s;
}
