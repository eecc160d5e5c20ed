#include <bascule/source.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "support/fault.h"
#include "support/tmpdir.h"

static struct tmpdir td;
static const struct arc_warn nobody;

static void
setup(void)
{
	tmpdir_make(&td);
}

static void
teardown(void)
{
	tmpdir_remove(&td);
}

/* --- helpers --- */

/* What a walk gave: paths relative to the temporary directory, one a line. */
struct seen {
	struct buf text;
	size_t entries, problems;
	struct err problem; /* the last */
};

static void
seen_fini(struct seen *s)
{
	buf_fini(&s->text);
}

static const char *
below(const struct source_item *item)
{
	size_t own = strlen(td.path + 1);
	const char *path = item->entry.path.bytes;

	if (strncmp(path, td.path + 1, own) != 0)
		return NULL; /* a parent of the root */
	return path[own] == '/' ? path + own + 1 : path + own;
}

static void
note(struct seen *s, const struct source_item *item)
{
	const char *path = below(item);
	struct err e;

	if (item->kind == SOURCE_PROBLEM) {
		s->problems++;
		s->problem = item->problem;
		return;
	}
	s->entries++;
	if (path != NULL && *path != '\0')
		ck_assert_int_eq(buf_printf(&s->text, &e, "%s\n", path), 0);
}

/* td's directory and those above it, but for "/". */
static size_t
top_count(void)
{
	size_t count = 0;

	for (const char *at = td.path; *at != '\0'; at++)
		count += *at == '/';
	return count;
}

/* The whole stream; checks the order on the way. */
static enum err_code
walk(struct seen *s, const struct source_tree_options *o, struct err *e)
{
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(entry_fini) struct entry before = {0};
	bool first = true;
	enum err_code rc = source_tree_new(&src, o, e);

	while (
	    rc == ERR_NONE && (rc = source_next(src, &item, e)) == ERR_NONE) {
		const struct entry_text *p = &item.entry.path;
		int order = path_compare(before.path.bytes,
		    before.path.len_bytes, p->bytes, p->len_bytes);

		if (!first && item.kind == SOURCE_ENTRY)
			ck_assert_msg(order < 0, "%s, %s", before.path.bytes,
			    p->bytes);
		first = false;
		note(s, &item);
		ck_assert_int_eq(entry_copy(&before, &item.entry, e), 0);
	}
	return rc == ERR_NOTFOUND ? ERR_NONE : rc;
}

static void
expect(const struct source_tree_options *o, const char *paths)
{
	OWNED(seen_fini) struct seen s = {0};
	struct err e = {0};
	struct source_tree_options alone = *o;
	struct seen again = {0};

	ck_assert_msg(walk(&s, o, &e) == ERR_NONE, "%s", e.text);
	ck_assert_str_eq(buf_text(&s.text), paths);
	alone.single_thread = true;
	ck_assert_int_eq(walk(&again, &alone, &e), ERR_NONE);
	ck_assert_str_eq(buf_text(&again.text), paths);
	seen_fini(&again);
}

static void PRINTF_LIKE(1, 2) make(const char *fmt, ...)
{
	char name[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	if (name[strlen(name) - 1] == '/') {
		name[strlen(name) - 1] = '\0';
		ck_assert_int_eq(mkdirat(td.fd, name, 0755), 0);
	} else {
		tmpdir_put(&td, name, name);
	}
}

/* Bring item `name` to its file; the whole content into out. */
static enum err_code
fetch_with(const struct source_tree_options *o, const char *name,
    struct source_item *item, struct buf *out, struct err *e)
{
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_close) struct source_file *file = NULL;
	struct source_run run;
	uint8_t bytes[4096];
	enum err_code rc = source_tree_new(&src, o, e);

	while (rc == ERR_NONE && (rc = source_next(src, item, e)) == ERR_NONE)
		if (below(item) != NULL && strcmp(below(item), name) == 0)
			break;
	if (rc == ERR_NONE && item->kind == SOURCE_PROBLEM) {
		*e = item->problem;
		rc = e->code;
	}
	if (rc == ERR_NONE)
		rc = source_open(item, &file, nobody, e);
	if (rc == ERR_NONE && file != NULL) {
		do {
			rc = source_read(file, bytes, sizeof(bytes), &run, e);
			if (rc == ERR_NONE)
				rc = buf_add(out, bytes, run.len_bytes, e);
		} while (rc == ERR_NONE && run.len_bytes > 0);
		if (rc == ERR_NONE)
			rc = source_finish(&file, e);
	}
	/* an item must not outlive its source; its entry may */
	{
		struct entry kept = item->entry;

		item->entry = (struct entry){0};
		source_item_fini(item);
		item->entry = kept;
	}
	return rc;
}

static struct source_tree_options
whole(void)
{
	static const char *roots[1];

	roots[0] = td.path;
	return (struct source_tree_options){.roots = roots, .root_count = 1};
}

static void
fetch(const char *name, struct source_item *item, struct buf *out)
{
	struct source_tree_options o = whole();
	struct err e = {0};
	enum err_code rc = fetch_with(&o, name, item, out, &e);

	ck_assert_msg(rc == ERR_NONE, "%s: %s", name, e.text);
	ck_assert_msg(entry_check(&item->entry, &e) == ERR_NONE, "%s", e.text);
}

/* --- the stream --- */

START_TEST(the_order_is_the_maps)
{
	struct source_tree_options o = whole();

	make("a/");
	make("a/x");
	make("a.b");
	make("a0");
	make("a!/");
	make("a!/z");
	make("b/");
	make("b/c/");
	make("b/c/d");
	make("\xff");
	expect(&o, "a\na/x\na!\na!/z\na.b\na0\nb\nb/c\nb/c/d\n\xff\n");
}
END_TEST

START_TEST(parents_are_entries_and_roots_merge)
{
	char one[128], two[128], three[128];
	const char *roots[] = {one, two, three, one};
	struct source_tree_options o = {.roots = roots, .root_count = 4};

	make("p/");
	make("p/q/");
	make("p/q/r/");
	make("p/q/r/f");
	make("p/other");
	make("p/q/s/");
	make("p/q/s/g");
	make("z");
	snprintf(one, sizeof(one), "%s/p/q/r", td.path);
	snprintf(two, sizeof(two), "%s//p/./q/r/f", td.path);
	snprintf(three, sizeof(three), "%s/p/q/../../z/", td.path);
	three[strlen(three) - 1] = '\0';
	expect(&o, "p\np/q\np/q/r\np/q/r/f\nz\n");
}
END_TEST

START_TEST(excludes_prune_and_named_roots_stay)
{
	char inner[128];
	const char *roots[] = {td.path, inner};
	const char *ex[] = {"*.tmp", "cache/", "/top", "!keep.tmp"};
	struct source_tree_options o = {.roots = roots,
	    .root_count = 1,
	    .excludes = ex,
	    .exclude_count = 4};

	make("a.tmp");
	make("keep.tmp");
	make("top");
	make("d/");
	make("d/top");
	make("d/cache/");
	make("d/cache/in");
	make("d/cache/two/");
	make("d/cache/two/f");
	make("d/cache/two/f.tmp");
	expect(&o, "d\nd/top\nkeep.tmp\n");
	/* what was named is wanted, whatever it lies in */
	snprintf(inner, sizeof(inner), "%s/d/cache/two", td.path);
	o.root_count = 2;
	expect(&o, "d\nd/cache\nd/cache/two\nd/cache/two/f\nd/top\nkeep.tmp\n");
}
END_TEST

START_TEST(caches_keep_only_their_tag)
{
	struct source_tree_options o = whole();

	make("c/");
	make("c/big");
	make("c/sub/");
	tmpdir_put(&td, "c/CACHEDIR.TAG",
	    "Signature: 8a477f597d28d172789f06886806bc55\n# x\n");
	make("n/");
	make("n/f");
	tmpdir_put(&td, "n/CACHEDIR.TAG", "something else");
	o.exclude_caches = true;
	expect(&o, "c\nc/CACHEDIR.TAG\nn\nn/CACHEDIR.TAG\nn/f\n");
	o.exclude_caches = false;
	expect(&o, "c\nc/CACHEDIR.TAG\nc/big\nc/sub\nn\nn/CACHEDIR.TAG\nn/f\n");
}
END_TEST

START_TEST(links_are_not_followed_but_a_root_may_be_one)
{
	char root[128];
	const char *roots[] = {root};
	struct source_tree_options o = whole();

	make("d/");
	make("d/f");
	ck_assert_int_eq(symlinkat("d", td.fd, "l"), 0);
	ck_assert_int_eq(symlinkat("nowhere", td.fd, "m"), 0);
	expect(&o, "d\nd/f\nl\nm\n");
	o.roots = roots;
	snprintf(root, sizeof(root), "%s/l", td.path);
	expect(&o, "l\nl/f\n");
	snprintf(root, sizeof(root), "%s/m", td.path);
	expect(&o, "m\n");
}
END_TEST

START_TEST(bad_roots_are_refused)
{
	const char *roots[] = {"/no/such/tree", ""};
	struct source_tree_options o = {.roots = roots, .root_count = 1};
	struct source *src = NULL;
	struct err e = {0};

	ck_assert_int_eq(source_tree_new(&src, &o, &e), ERR_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "/no/such/tree"));
	o.roots++;
	ck_assert_int_eq(source_tree_new(&src, &o, &e), ERR_INPUT);
	o.root_count = 0;
	ck_assert_int_eq(source_tree_new(&src, &o, &e), ERR_INPUT);
}
END_TEST

START_TEST(large_directories_come_in_order)
{
	struct source_tree_options o = whole();
	OWNED(seen_fini) struct seen s = {0};
	OWNED(seen_fini) struct seen alone = {0};
	struct err e = {0};

	make("big/");
	for (int i = 0; i < 1800; i++)
		make("big/%d%s", i * 7919, i % 100 == 0 ? "/" : "");
	for (int i = 0; i < 1800; i += 100)
		make("big/%d/f", i * 7919);
	ck_assert_int_eq(walk(&s, &o, &e), ERR_NONE);
	o.single_thread = true;
	ck_assert_int_eq(walk(&alone, &o, &e), ERR_NONE);
	ck_assert_uint_eq(s.entries, 1800 + 18 + 1 + top_count());
	ck_assert_str_eq(buf_text(&s.text), buf_text(&alone.text));
}
END_TEST

/* Deeper than PATH_MAX, and more levels than descriptors are kept. */
START_TEST(depth_has_no_bound)
{
	enum { LONG = 24, MANY = 400 };
	char name[256];
	int fd = dup(td.fd), next;
	struct source_tree_options o = whole();
	OWNED(seen_fini) struct seen s = {0};
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(buf_fini) struct buf out = {0};
	struct err e = {0};

	for (int i = 0; i < LONG + MANY; i++) {
		memset(name, 'n', sizeof(name));
		name[i < LONG ? 250 : 1] = '\0';
		ck_assert_int_eq(mkdirat(fd, name, 0755), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_ge(next, 0);
		close(fd);
		fd = next;
		/* comes after the subdirectory: its parent is needed again */
		next = openat(fd, "z", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		ck_assert_int_eq(write(next, "deep", 4), 4);
		close(next);
	}
	close(fd);
	ck_assert_int_eq(walk(&s, &o, &e), ERR_NONE);
	ck_assert_uint_eq(s.problems, 0);
	ck_assert_uint_eq(s.entries, 2 * (LONG + MANY) + top_count());
	memset(name, 'n', sizeof(name));
	name[250] = '\0';
	strcat(name, "/z");
	fetch(name, &item, &out); /* the last but one of all */
	ck_assert_str_eq(buf_text(&out), "deep");
}
END_TEST

/* --- the zoo (T17) --- */

START_TEST(names_are_any_bytes)
{
	struct source_tree_options o = whole();
	char longest[256];

	memset(longest, 'w', 255);
	longest[255] = '\0';
	make("new\nline");
	make("bad\xff\xfe");
	make(" space ");
	make("-rf");
	make("%s", longest);
	{
		OWNED(seen_fini) struct seen s = {0};
		struct err e = {0};

		ck_assert_int_eq(walk(&s, &o, &e), ERR_NONE);
		ck_assert_uint_eq(s.entries, 5 + top_count());
		ck_assert_uint_eq(s.problems, 0);
		ck_assert_ptr_nonnull(strstr(buf_text(&s.text), longest));
		ck_assert_ptr_nonnull(strstr(buf_text(&s.text), "bad\xff\xfe"));
	}
}
END_TEST

START_TEST(special_files_are_told_and_never_read)
{
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(buf_fini) struct buf out = {0};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(mkfifoat(td.fd, "fifo", 0640), 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/sock", td.path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	fetch("fifo", &item, &out);
	ck_assert_int_eq(item.entry.type, ENTRY_FIFO);
	fetch("sock", &item, &out);
	ck_assert_int_eq(item.entry.type, ENTRY_SOCKET);
	if (mknodat(td.fd, "dev", S_IFCHR | 0600, makedev(1, 5)) == 0) {
		fetch("dev", &item, &out); /* /dev/zero would never end */
		ck_assert_int_eq(item.entry.type, ENTRY_CHARDEV);
		ck_assert_uint_eq(item.entry.rdev_major, 1);
		ck_assert_uint_eq(item.entry.rdev_minor, 5);
	} else {
		printf("skipped: device nodes need root\n");
	}
	ck_assert_uint_eq(out.len_bytes, 0);
}
END_TEST

START_TEST(metadata_is_whole)
{
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(buf_fini) struct buf out = {0};
	struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT},
	    {.tv_sec = -77, .tv_nsec = 123456789}};
	char path[128];

	make("f");
	snprintf(path, sizeof(path), "%s/f", td.path);
	ck_assert_int_eq(chmod(path, 06751), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, ts, 0), 0);
	if (setxattr(path, "user.a", "1\0002", 3, 0) == 0 &&
	    setxattr(path, "user.empty", "", 0, 0) == 0) {
		fetch("f", &item, &out);
		ck_assert_uint_eq(item.entry.xattr_count, 2);
		ck_assert_str_eq(item.entry.xattrs[0].name, "user.a");
		ck_assert_uint_eq(item.entry.xattrs[0].value_bytes, 3);
		ck_assert_uint_eq(item.entry.xattrs[1].value_bytes, 0);
	} else {
		printf("skipped: no user attributes on this file system\n");
		fetch("f", &item, &out);
	}
	ck_assert_uint_eq(item.entry.mode, 06751);
	ck_assert_int_eq(item.entry.mtime_s, -77);
	ck_assert_uint_eq(item.entry.mtime_ns, 123456789);
	ck_assert_uint_eq(item.entry.uid, geteuid());
	ck_assert_str_eq(buf_text(&out), "f");
	ck_assert_uint_eq(item.entry.size_bytes, 1);
}
END_TEST

START_TEST(links_have_targets_and_members_one_inode)
{
	OWNED(source_item_fini) struct source_item one = {0};
	OWNED(source_item_fini) struct source_item two = {0};
	OWNED(buf_fini) struct buf out = {0};

	ck_assert_int_eq(symlinkat("any \xff where", td.fd, "l"), 0);
	fetch("l", &one, &out);
	ck_assert_int_eq(one.entry.type, ENTRY_SYMLINK);
	ck_assert_str_eq(one.entry.target.bytes, "any \xff where");
	make("h");
	ck_assert_int_eq(linkat(td.fd, "h", td.fd, "h2", 0), 0);
	fetch("h", &one, &out);
	fetch("h2", &two, &out);
	ck_assert_str_eq(buf_text(&out), "hh");
}
END_TEST

static void
put_at(int fd, off_t at, const char *text)
{
	ck_assert_int_eq(pwrite(fd, text, strlen(text), at),
	    (ssize_t)strlen(text));
}

START_TEST(holes_are_mapped_and_never_read)
{
	enum { MB = 1 << 20 };
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(buf_fini) struct buf out = {0};
	int fd = openat(td.fd, "s", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	const struct entry *en = &item.entry;

	ck_assert_int_eq(ftruncate(fd, (off_t)1 << 40), 0);
	fetch("s", &item, &out); /* a TiB of nothing */
	if (!en->sparse) {
		printf("skipped: no holes on this file system\n");
		close(fd);
		return;
	}
	ck_assert_uint_eq(en->extent_count, 0);
	ck_assert_uint_eq(en->size_bytes, UINT64_C(1) << 40);
	ck_assert_uint_eq(entry_content_bytes(en), 0);
	put_at(fd, 2 * MB, "middle");
	put_at(fd, ((off_t)1 << 40) - 3, "end");
	buf_clear(&out);
	fetch("s", &item, &out);
	ck_assert_uint_eq(en->extent_count, 2);
	ck_assert_uint_eq(en->extents[0].offset_bytes, 2 * MB);
	ck_assert_uint_eq(out.len_bytes, entry_content_bytes(en));
	ck_assert_int_eq(memcmp(out.bytes, "middle", 6), 0);
	ck_assert_int_eq(memcmp(out.bytes + out.len_bytes - 3, "end", 3), 0);
	/* data first, a hole at the end */
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	put_at(fd, 0, "begin");
	ck_assert_int_eq(ftruncate(fd, MB), 0);
	buf_clear(&out);
	fetch("s", &item, &out);
	ck_assert_uint_eq(en->extent_count, 1);
	ck_assert_uint_eq(en->extents[0].offset_bytes, 0);
	ck_assert_uint_lt(out.len_bytes, MB);
	close(fd);
}
END_TEST

START_TEST(what_cannot_be_read_is_told_and_the_rest_goes_on)
{
	struct source_tree_options o = whole();
	OWNED(seen_fini) struct seen s = {0};
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(buf_fini) struct buf out = {0};
	struct err e = {0};

	if (geteuid() == 0) {
		printf("skipped: root reads everything\n");
		return;
	}
	make("a");
	make("closed/");
	make("closed/in");
	make("z");
	fchmodat(td.fd, "a", 0, 0);
	fchmodat(td.fd, "closed", 0, 0);
	ck_assert_int_eq(walk(&s, &o, &e), ERR_NONE);
	fchmodat(td.fd, "closed", 0700, 0);
	ck_assert_str_eq(buf_text(&s.text), "a\nclosed\nz\n");
	ck_assert_uint_eq(s.problems, 1);
	ck_assert_int_eq(s.problem.code, ERR_REFUSED);
	ck_assert_int_eq(fetch_with(&o, "a", &item, &out, &e), ERR_REFUSED);
}
END_TEST

START_TEST(mount_points_stay_empty_when_asked)
{
	const char *roots[] = {"/"};
	const char *ex[] = {"/*", "!/proc"};
	struct source_tree_options o = {.roots = roots,
	    .root_count = 1,
	    .excludes = ex,
	    .exclude_count = 2,
	    .one_file_system = true};
	OWNED(seen_fini) struct seen s = {0};
	struct err e = {0};

	if (access("/proc/self", F_OK) != 0) {
		printf("skipped: no /proc here\n");
		return;
	}
	ck_assert_int_eq(walk(&s, &o, &e), ERR_NONE);
	ck_assert_uint_eq(s.entries, 2); /* "/" and "/proc" */
}
END_TEST

/* --- change while it is read --- */

/* An open source standing at `name`. */
static void
stand_at(struct source **src, struct source_item *item, const char *name)
{
	struct source_tree_options o = whole();
	struct err e = {0};

	ck_assert_int_eq(source_tree_new(src, &o, &e), ERR_NONE);
	do
		ck_assert_int_eq(source_next(*src, item, &e), ERR_NONE);
	while (below(item) == NULL || strcmp(below(item), name) != 0);
}

START_TEST(a_file_that_changes_is_noticed)
{
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	static const char *const what[] = {"grown longer", "", "F"};

	make("f");
	stand_at(&src, &item, "f");
	for (size_t i = 0; i < COUNT_OF(what); i++) {
		struct source_file *file = NULL;
		struct source_run run;
		struct err e = {0};
		char bytes[64];

		tmpdir_put(&td, "f", "f");
		ck_assert_int_eq(source_open(&item, &file, nobody, &e), 0);
		tmpdir_put(&td, "f", what[i]);
		do
			ck_assert_int_eq(source_read(file, bytes, sizeof(bytes),
					     &run, &e),
			    ERR_NONE);
		while (run.len_bytes > 0);
		ck_assert_uint_le(run.offset_bytes, 1);
		ck_assert_int_eq(source_finish(&file, &e), ERR_BUSY);
		ck_assert_ptr_null(file);
	}
}
END_TEST

START_TEST(a_replaced_file_is_the_new_one)
{
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	struct source_file *file = NULL;
	struct err e = {0};
	uint64_t inode;

	make("f");
	stand_at(&src, &item, "f");
	inode = item.inode;
	tmpdir_put(&td, "new", "other words");
	ck_assert_int_eq(renameat(td.fd, "new", td.fd, "f"), 0);
	ck_assert_int_eq(source_open(&item, &file, nobody, &e), ERR_NONE);
	ck_assert_uint_ne(item.inode, inode);
	ck_assert_uint_eq(item.entry.size_bytes, 11);
	ck_assert_int_eq(source_finish(&file, &e), ERR_NONE);
	/* by a link out of the tree, a FIFO, a directory, nothing */
	unlinkat(td.fd, "f", 0);
	ck_assert_int_eq(symlinkat("/etc/passwd", td.fd, "f"), 0);
	ck_assert_int_eq(source_open(&item, &file, nobody, &e), ERR_NONE);
	ck_assert_int_eq(item.entry.type, ENTRY_SYMLINK);
	ck_assert_ptr_null(file);
	unlinkat(td.fd, "f", 0);
	ck_assert_int_eq(mkfifoat(td.fd, "f", 0600), 0);
	ck_assert_int_eq(source_open(&item, &file, nobody, &e), ERR_NONE);
	ck_assert_int_eq(item.entry.type, ENTRY_FIFO);
	ck_assert_uint_eq(item.entry.target.len_bytes, 0);
	unlinkat(td.fd, "f", 0);
	make("f/");
	ck_assert_int_eq(source_open(&item, &file, nobody, &e), ERR_NONE);
	ck_assert_int_eq(item.entry.type, ENTRY_DIR);
	unlinkat(td.fd, "f", AT_REMOVEDIR);
	ck_assert_int_eq(source_open(&item, &file, nobody, &e), ERR_NOTFOUND);
}
END_TEST

/* Else a write within the same tick of the kernel's clock would not show. */
START_TEST(a_fresh_file_is_opened_only_when_its_tick_is_over)
{
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(source_close) struct source_file *file = NULL;
	struct err e = {0};
	struct timespec now;

	make("f");
	stand_at(&src, &item, "f");
	tmpdir_put(&td, "f", "now");
	ck_assert_int_eq(source_open(&item, &file, nobody, &e), ERR_NONE);
	clock_gettime(CLOCK_REALTIME, &now);
	ck_assert_int_ge((now.tv_sec - item.ctime_s) * 1000000000 +
		now.tv_nsec - item.ctime_ns,
	    10000000);
}
END_TEST

/* A thread that swaps a directory for a link to elsewhere, for ever. */
static volatile bool swapping;

static void *
swap(void *arg)
{
	(void)arg;
	while (swapping)
		renameat2(td.fd, "d", td.fd, "l", RENAME_EXCHANGE);
	return NULL;
}

START_TEST(a_swapped_directory_never_leads_out)
{
	struct source_tree_options o = {0};
	char root[128], outside[128];
	const char *roots[] = {root};
	pthread_t t;

	make("in/");
	make("in/d/");
	make("in/d/mine");
	make("out/");
	make("out/secret");
	snprintf(outside, sizeof(outside), "%s/out", td.path);
	ck_assert_int_eq(symlinkat(outside, td.fd, "in/l"), 0);
	snprintf(root, sizeof(root), "%s/in", td.path);
	o.roots = roots;
	o.root_count = 1;
	{
		struct tmpdir whole_td = td;
		int in_fd = openat(td.fd, "in", O_RDONLY | O_DIRECTORY);

		td.fd = in_fd; /* swap() works in there */
		swapping = true;
		ck_assert_int_eq(pthread_create(&t, NULL, swap, NULL), 0);
		for (int i = 0; i < 300; i++) {
			OWNED(seen_fini) struct seen s = {0};
			struct err e = {0};

			ck_assert_int_eq(walk(&s, &o, &e), ERR_NONE);
			ck_assert_ptr_null(strstr(buf_text(&s.text), "secret"));
		}
		swapping = false;
		pthread_join(t, NULL);
		close(in_fd);
		td = whole_td;
	}
}
END_TEST

static void *
churn(void *arg)
{
	(void)arg;
	for (unsigned i = 0; swapping; i++) {
		char name[32];

		snprintf(name, sizeof(name), "d/%u", i % 50);
		if (i % 3 == 0)
			mkdirat(td.fd, name, 0700);
		else if (unlinkat(td.fd, name, AT_REMOVEDIR) != 0)
			unlinkat(td.fd, name, 0);
		if (i % 7 == 0)
			symlinkat("x", td.fd, name);
		renameat(td.fd, "d", td.fd, i % 2 == 0 ? "e" : "d");
		renameat(td.fd, "e", td.fd, "d");
	}
	return NULL;
}

START_TEST(a_tree_that_never_rests_is_walked_to_its_end)
{
	struct source_tree_options o = whole();
	pthread_t t;

	make("d/");
	make("stays");
	swapping = true;
	ck_assert_int_eq(pthread_create(&t, NULL, churn, NULL), 0);
	for (int i = 0; i < 200; i++) {
		OWNED(seen_fini) struct seen s = {0};
		struct err e = {0};

		ck_assert_int_eq(walk(&s, &o, &e), ERR_NONE);
		ck_assert_ptr_nonnull(strstr(buf_text(&s.text), "stays\n"));
	}
	swapping = false;
	pthread_join(t, NULL);
}
END_TEST

/* Items of long ago are still found, by another thread too. */
static void *
open_old(void *arg)
{
	struct source_item *items = arg;

	for (int i = 0; i < 600; i++) {
		struct source_file *file = NULL;
		struct err e = {0};

		if (source_open(&items[i], &file, nobody, &e) != ERR_NONE)
			return &items[i];
		source_close(&file);
		source_item_fini(&items[i]);
	}
	return NULL;
}

START_TEST(items_may_be_opened_late_and_elsewhere)
{
	OWNED(source_free) struct source *src = NULL;
	struct source_item items[600] = {0};
	struct source_item item = {0};
	struct err e = {0};
	pthread_t t;
	void *bad;

	for (int i = 0; i < 600; i++) {
		make("%d/", i);
		make("%d/f", i);
	}
	stand_at(&src, &item, "0");
	for (int i = 0; i < 600;) {
		ck_assert_int_eq(source_next(src, &item, &e), ERR_NONE);
		if (item.entry.type != ENTRY_FILE)
			continue;
		items[i++] = item;
		memset(&item, 0, sizeof(item));
	}
	ck_assert_int_eq(pthread_create(&t, NULL, open_old, items), 0);
	pthread_join(t, &bad);
	ck_assert_ptr_null(bad);
	source_item_fini(&item);
}
END_TEST

/* --- failing calls --- */

START_TEST(any_failing_call_is_a_problem_of_one_item)
{
	struct source_tree_options o = whole();

	o.single_thread = true;
	make("a/");
	make("a/f");
	make("b/");
	make("b/g");
	for (int nth = 1;; nth++) {
		OWNED(seen_fini) struct seen s = {0};
		struct err e = {0};
		enum err_code rc;

		fault_arm_reading(nth, EIO);
		rc = walk(&s, &o, &e);
		if (!fault_fired()) {
			ck_assert_int_eq(rc, ERR_NONE);
			ck_assert_uint_eq(s.problems, 0);
			break;
		}
		/* an error, or a problem: never silently less */
		if (rc == ERR_NONE)
			ck_assert_uint_ge(s.problems, 1);
	}
}
END_TEST

START_TEST(any_failing_call_fails_the_opening_or_changes_nothing)
{
	struct source_tree_options o = whole();

	o.single_thread = true;
	make("f");
	for (int nth = 1;; nth++) {
		OWNED(source_item_fini) struct source_item item = {0};
		OWNED(buf_fini) struct buf out = {0};
		struct err e = {0};
		enum err_code rc;

		fault_arm_reading(nth, EIO);
		rc = fetch_with(&o, "f", &item, &out, &e);
		if (!fault_fired())
			break;
		if (rc == ERR_NONE)
			ck_assert_str_eq(buf_text(&out), "f");
	}
}
END_TEST

Suite *suite_source_source_tree(void);

Suite *
suite_source_source_tree(void)
{
	Suite *s = suite_create("source/tree");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_order_is_the_maps);
	tcase_add_test(tc, parents_are_entries_and_roots_merge);
	tcase_add_test(tc, excludes_prune_and_named_roots_stay);
	tcase_add_test(tc, caches_keep_only_their_tag);
	tcase_add_test(tc, links_are_not_followed_but_a_root_may_be_one);
	tcase_add_test(tc, bad_roots_are_refused);
	tcase_add_test(tc, large_directories_come_in_order);
	tcase_add_test(tc, depth_has_no_bound);
	tcase_add_test(tc, names_are_any_bytes);
	tcase_add_test(tc, special_files_are_told_and_never_read);
	tcase_add_test(tc, metadata_is_whole);
	tcase_add_test(tc, links_have_targets_and_members_one_inode);
	tcase_add_test(tc, holes_are_mapped_and_never_read);
	tcase_add_test(tc, what_cannot_be_read_is_told_and_the_rest_goes_on);
	tcase_add_test(tc, mount_points_stay_empty_when_asked);
	tcase_add_test(tc, a_file_that_changes_is_noticed);
	tcase_add_test(tc, a_replaced_file_is_the_new_one);
	tcase_add_test(tc, a_fresh_file_is_opened_only_when_its_tick_is_over);
	tcase_add_test(tc, a_swapped_directory_never_leads_out);
	tcase_add_test(tc, a_tree_that_never_rests_is_walked_to_its_end);
	tcase_add_test(tc, items_may_be_opened_late_and_elsewhere);
	tcase_add_test(tc, any_failing_call_is_a_problem_of_one_item);
	tcase_add_test(tc,
	    any_failing_call_fails_the_opening_or_changes_nothing);
	suite_add_tcase(s, tc);
	return s;
}
