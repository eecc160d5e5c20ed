#include <bascule/archive.h>

#include <check.h>
#include <errno.h>
#include <string.h>

#include "support/fault.h"
#include "support/must.h"

/* What arc_pax writes, arc_any reads: the two of them held against each other. */

Suite *suite_archive_arc_pax(void);

#define ENTRIES 9

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

static void
text(struct entry_text *to, const char *from)
{
	struct err e = {0};

	must(entry_set_text(to, from, strlen(from), ENTRY_TARGET_BYTES_MAX, &e),
	    &e);
}

static void
fill(struct entry *n, const char *path, enum entry_type type)
{
	struct err e = {0};

	must(entry_set_path(n, path, strlen(path), &e), &e);
	n->type = type;
	n->mode = type == ENTRY_SYMLINK ? 0777 : 0640;
	n->uid = 12345;
	n->gid = 3000000000;
	n->mtime_s = INT64_C(9999999999);
	n->mtime_ns = 123456789;
	text(&n->user, "someone");
	text(&n->group, "gr\xc3\xbcn");
}

/* One of each kind; the last is another name of the first. */
static struct entry list[ENTRIES];

static void
make(void)
{
	static const char acl[] = "\2\0\0\0\1\0\7\0\xff\xff\xff\xff\2\0\5\0\1\0"
				  "\0\0\4\0\5\0\xff\xff\xff\xff\20\0\5\0\xff"
				  "\xff\xff\xff\40\0\4\0\xff\xff\xff\xff";
	static const struct {
		const char *path;
		enum entry_type type;
	} kinds[ENTRIES] = {{"a", ENTRY_FILE}, {"caf\xc3\xa9", ENTRY_DIR},
	    {"link", ENTRY_SYMLINK}, {"null", ENTRY_CHARDEV},
	    {"pipe", ENTRY_FIFO}, {"raw\xff", ENTRY_FILE},
	    {"sda", ENTRY_BLOCKDEV}, {"sparse", ENTRY_FILE}, {"z", ENTRY_FILE}};
	struct err e = {0};

	for (size_t i = 0; i < ENTRIES; i++)
		fill(&list[i], kinds[i].path, kinds[i].type);
	list[0].size_bytes = list[5].size_bytes = list[8].size_bytes = 3;
	list[0].flags = 0x80; /* NOATIME */
	must(entry_add_xattr(&list[0], "user.x", "v\0w", 3, &e), &e);
	must(entry_add_xattr(&list[1], "system.posix_acl_access", acl,
		 sizeof acl - 1, &e),
	    &e);
	list[1].mode = 0754;
	text(&list[2].target, "nowhere/at all");
	list[3].rdev_major = 1;
	list[3].rdev_minor = 300;
	list[6].rdev_major = 259;
	list[6].rdev_minor = 70000;
	list[7].size_bytes = 1 << 20;
	must(entry_add_extent(&list[7], 4096, 512, &e), &e);
	must(entry_add_extent(&list[7], 65536, 1024, &e), &e);
}

static void
unmake(void)
{
	for (size_t i = 0; i < ENTRIES; i++)
		entry_fini(&list[i]);
	memset(list, 0, sizeof list);
}

static enum err_code
put(struct arc_pax *w, const struct entry *n, const char *link, struct err *e)
{
	const struct arc_pax_names names = {n->path.bytes, link};
	uint8_t bytes[1536];
	enum err_code rc = arc_pax_begin(w, n, &names, (struct arc_warn){0}, e);

	memset(bytes, 'b', sizeof bytes);
	if (rc == ERR_NONE && link == NULL && n->type == ENTRY_FILE)
		rc = arc_pax_write(w, bytes, entry_content_bytes(n), e);
	return rc == ERR_NONE ? arc_pax_end(w, e) : rc;
}

static enum err_code
write_all(struct sink *s, int level, struct err *e)
{
	OWNED(arc_pax_discard) struct arc_pax *w = NULL;
	enum err_code rc;

	rc = arc_pax_open(&w, into, s, level, ARC_PAX_UTF8, e);
	for (size_t i = 0; rc == ERR_NONE && i < ENTRIES; i++)
		rc = put(w, &list[i], i + 1 == ENTRIES ? "a" : NULL, e);
	if (rc == ERR_NONE)
		rc = arc_pax_finish(&w, e);
	return rc;
}

static void
on_warning(void *arg, enum err_code code, const char *said)
{
	size_t *count = arg;

	(void)code;
	(void)said;
	++*count;
}

/* The extents and how many bytes there are of the member at hand. */
static void
read_content(struct arc_any *r, struct entry *n)
{
	struct arc_any_block b;
	struct err e = {0};

	n->sparse = false;
	n->extent_count = 0;
	for (;;) {
		must(arc_any_read(r, &b, &e), &e);
		if (b.ended)
			break;
		for (size_t i = 0; i < b.len_bytes; i++)
			ck_assert_int_eq(((const char *)b.bytes)[i], 'b');
		if (b.len_bytes > 0)
			must(entry_add_extent(n, b.offset_bytes, b.len_bytes,
				 &e),
			    &e);
	}
	if (n->extent_count == 1 && n->extents[0].len_bytes == n->size_bytes) {
		n->sparse = false;
		n->extent_count = 0;
	}
}

START_TEST(everything_an_entry_has_comes_back)
{
	OWNED(arc_any_close) struct arc_any *r = NULL;
	OWNED(entry_fini) struct entry got = {0};
	struct arc_any_member m;
	struct sink s = {0};
	struct err e = {0};
	size_t warned = 0;

	must(write_all(&s, _i, &e), &e);
	must(arc_any_open_bytes(&r, s.bytes.bytes, s.bytes.len_bytes, &e), &e);
	for (size_t i = 0; i < ENTRIES; i++) {
		must(arc_any_next(r, &got, &m,
			 (struct arc_warn){on_warning, &warned}, &e),
		    &e);
		ck_assert(!m.refused);
		must(entry_set_path(&got, m.name, strcspn(m.name, "/"), &e),
		    &e);
		ck_assert_str_eq(got.path.bytes, list[i].path.bytes);
		if (i + 1 == ENTRIES) {
			ck_assert_str_eq(m.link, "a");
			continue;
		}
		ck_assert_ptr_null(m.link);
		if (got.type == ENTRY_FILE)
			read_content(r, &got);
		ck_assert_msg(entry_equal(&got, &list[i]), "%s",
		    list[i].path.bytes);
	}
	ck_assert_int_eq(arc_any_next(r, &got, &m, (struct arc_warn){0}, &e),
	    ERR_NOTFOUND);
	ck_assert_uint_eq(warned, 0);
	buf_fini(&s.bytes);
}
END_TEST

/* A sink that fails is the error, whichever of its calls it is. */
START_TEST(what_the_sink_says_ends_it)
{
	for (int nth = 1;; nth++) {
		struct sink s = {.calls_left = nth};
		struct err e = {0};
		enum err_code rc = write_all(&s, _i, &e);

		buf_fini(&s.bytes);
		if (rc == ERR_NONE) {
			ck_assert_int_gt(nth, 1);
			break;
		}
		ck_assert_int_eq(rc, ERR_NOSPACE);
		ck_assert_ptr_nonnull(strstr(e.text, "disk is full"));
	}
}
END_TEST

START_TEST(any_failing_call_is_an_error_and_no_archive)
{
	struct sink whole = {0};
	struct err e = {0};
	bool fired = true;

	must(write_all(&whole, 0, &e), &e);
	for (int nth = 1; fired; nth++) {
		struct sink s = {0};
		enum err_code rc;

		fault_arm_all(nth, ENOMEM);
		rc = write_all(&s, 0, &e);
		fired = fault_fired();
		ck_assert(rc == ERR_NONE || rc == ERR_NOMEM);
		if (rc == ERR_NONE) {
			ck_assert_uint_eq(s.bytes.len_bytes,
			    whole.bytes.len_bytes);
			ck_assert_int_eq(memcmp(s.bytes.bytes,
					     whole.bytes.bytes,
					     s.bytes.len_bytes),
			    0);
		}
		buf_fini(&s.bytes);
	}
	buf_fini(&whole.bytes);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
	OWNED(arc_pax_discard) struct arc_pax *w = NULL;
	OWNED(entry_fini) struct entry n = {0};
	const struct arc_pax_names names = {"n", NULL};
	size_t warned = 0;
	const struct arc_warn warn = {on_warning, &warned};
	struct sink s = {0};
	struct err e = {0};

	must(arc_pax_open(&w, into, &s, 0, ARC_PAX_UTF8, &e), &e);
	fill(&n, "n", ENTRY_SOCKET);
	ck_assert_int_eq(arc_pax_begin(w, &n, &names, warn, &e), ERR_REFUSED);
	n.type = ENTRY_FILE;
	n.size_bytes = 2;
	must(entry_add_xattr(&n, "user.a=b", "v", 1, &e), &e);
	must(entry_add_xattr(&n, "system.posix_acl_access", "none", 4, &e), &e);
	n.mtime_s = -5;
	must(arc_pax_begin(w, &n, &names, warn, &e), &e);
	ck_assert_uint_eq(warned, 3);
	ck_assert_int_eq(arc_pax_write(w, "abc", 3, &e), ERR_CORRUPT);
	must(arc_pax_write(w, "a", 1, &e), &e);
	ck_assert_int_eq(arc_pax_end(w, &e), ERR_CORRUPT);
	buf_fini(&s.bytes);
}
END_TEST

/* --- arc_any ---------------------------------------------------------------- */

/* One stored file, "a": "abc"; its sum is where `sum` says. */
static const uint8_t zip[] =
    "PK\3\4\12\0\0\0\0\0\0\0!\0\xc2\x41\x24\x35\3\0\0\0\3\0\0\0\1\0\0\0aabc"
    "PK\1\2\12\0\12\0\0\0\0\0\0\0!\0\xc2\x41\x24\x35\3\0\0\0\3\0\0\0\1\0\0\0\0"
    "\0\0\0\0\0\0\0\0\0\0\0\0\0a"
    "PK\5\6\0\0\0\0\1\0\1\0\57\0\0\0\42\0\0\0\0";

START_TEST(content_that_is_not_as_its_sum_says_is_broken)
{
	uint8_t bent[sizeof zip];

	for (int flip = 0; flip < 2; flip++) {
		OWNED(arc_any_close) struct arc_any *r = NULL;
		OWNED(entry_fini) struct entry n = {0};
		struct arc_any_member m;
		struct arc_any_block b = {0};
		struct err e = {0};
		enum err_code rc = ERR_NONE;

		memcpy(bent, zip, sizeof zip);
		bent[32] ^= (uint8_t)flip; /* within its content */
		must(arc_any_open_bytes(&r, bent, sizeof bent - 1, &e), &e);
		must(arc_any_next(r, &n, &m, (struct arc_warn){0}, &e), &e);
		while (rc == ERR_NONE && !b.ended)
			rc = arc_any_read(r, &b, &e);
		ck_assert_int_eq(rc, flip == 0 ? ERR_NONE : ERR_CORRUPT);
	}
}
END_TEST

START_TEST(any_failing_call_is_an_error_while_reading)
{
	struct sink s = {0};
	struct err e = {0};
	bool fired = true;

	must(write_all(&s, 0, &e), &e);
	for (int nth = 1; fired; nth++) {
		OWNED(arc_any_close) struct arc_any *r = NULL;
		OWNED(entry_fini) struct entry n = {0};
		struct arc_any_member m;
		size_t count = 0;
		enum err_code rc;

		fault_arm_all(nth, ENOMEM);
		rc = arc_any_open_bytes(&r, s.bytes.bytes, s.bytes.len_bytes,
		    &e);
		while (rc == ERR_NONE &&
		    (rc = arc_any_next(r, &n, &m, (struct arc_warn){0}, &e)) ==
			ERR_NONE)
			count++;
		fired = fault_fired();
		ck_assert(rc == ERR_NOMEM ||
		    (rc == ERR_NOTFOUND && count == ENTRIES));
	}
	buf_fini(&s.bytes);
}
END_TEST

Suite *
suite_archive_arc_pax(void)
{
	Suite *s = suite_create("archive/pax");
	TCase *t = tcase_create("pax");

	tcase_add_checked_fixture(t, make, unmake);
	tcase_add_loop_test(t, everything_an_entry_has_comes_back, 0, 2);
	tcase_add_loop_test(t, what_the_sink_says_ends_it, 0, 2);
	tcase_add_test(t, any_failing_call_is_an_error_and_no_archive);
	tcase_add_test(t, what_does_not_fit_is_refused);
	tcase_add_test(t, content_that_is_not_as_its_sum_says_is_broken);
	tcase_add_test(t, any_failing_call_is_an_error_while_reading);
	suite_add_tcase(s, t);
	return s;
}
