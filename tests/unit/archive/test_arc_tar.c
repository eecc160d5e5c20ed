#include <bascule/archive.h>

#include <check.h>
#include <string.h>

static const struct utc when = {INT64_C(1700000000) * NS_PER_S};

static enum err_code
into_buf(void *arg, const void *bytes, size_t len_bytes, struct err *e)
{
	return buf_add(arg, bytes, len_bytes, e);
}

static enum err_code
full_disk(void *arg, const void *bytes, size_t len_bytes, struct err *e)
{
	(void)arg;
	(void)bytes;
	(void)len_bytes;
	return err_set(e, ERR_NOSPACE, "writing the pack: no space left");
}

static void
write_three(struct buf *out, int level)
{
	OWNED(arc_tar_writer_discard) struct arc_tar_writer *w = NULL;
	struct err e = {0};

	ck_assert_int_eq(arc_tar_writer_open(&w, into_buf, out, level, when,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(arc_tar_writer_add(w, "a/chain.jsonl", "{}\n", 3, &e),
	    ERR_NONE);
	ck_assert_int_eq(arc_tar_writer_add(w, "empty", "", 0, &e), ERR_NONE);
	ck_assert_int_eq(arc_tar_writer_begin(w, "caf\xc3\xa9", 4, &e), 0);
	ck_assert_int_eq(arc_tar_writer_write(w, "ab", 2, &e), ERR_NONE);
	ck_assert_int_eq(arc_tar_writer_write(w, "cd", 2, &e), ERR_NONE);
	ck_assert_int_eq(arc_tar_writer_finish(&w, &e), ERR_NONE);
	ck_assert_ptr_null(w);
}

static void
expect(struct arc_tar_reader *r, const char *name, const char *text)
{
	OWNED(buf_fini) struct buf got = {0};
	struct arc_member m;
	struct err e = {0};

	ck_assert_msg(arc_tar_reader_next(r, &m, &e) == ERR_NONE, "%s", e.text);
	ck_assert_str_eq(m.name, name);
	ck_assert_uint_eq(m.size_bytes, strlen(text));
	ck_assert_int_eq(arc_tar_reader_slurp(r, &got, &e), ERR_NONE);
	ck_assert_str_eq(buf_text(&got), text);
}

START_TEST(what_is_written_is_read_again)
{
	for (int level = 0; level <= 19; level += 19) {
		OWNED(arc_tar_reader_close) struct arc_tar_reader *r = NULL;
		OWNED(buf_fini) struct buf tar = {0};
		struct arc_member m;
		struct err e = {0};

		write_three(&tar, level);
		ck_assert_int_eq(arc_tar_reader_open_bytes(&r, tar.bytes,
				     tar.len_bytes, NULL, &e),
		    ERR_NONE);
		expect(r, "a/chain.jsonl", "{}\n");
		expect(r, "empty", "");
		expect(r, "caf\xc3\xa9", "abcd");
		ck_assert_int_eq(arc_tar_reader_next(r, &m, &e), ERR_NOTFOUND);
	}
}
END_TEST

START_TEST(the_same_members_give_the_same_bytes)
{
	OWNED(buf_fini) struct buf a = {0};
	OWNED(buf_fini) struct buf b = {0};

	write_three(&a, 3);
	write_three(&b, 3);
	ck_assert_uint_eq(a.len_bytes, b.len_bytes);
	ck_assert_int_eq(memcmp(a.bytes, b.bytes, a.len_bytes), 0);
}
END_TEST

START_TEST(a_member_gets_exactly_its_bytes)
{
	OWNED(arc_tar_writer_discard) struct arc_tar_writer *w = NULL;
	OWNED(buf_fini) struct buf tar = {0};
	struct err e = {0};

	ck_assert_int_eq(arc_tar_writer_open(&w, into_buf, &tar, 3, when, &e),
	    ERR_NONE);
	ck_assert_int_eq(arc_tar_writer_begin(w, "a", 2, &e), ERR_NONE);
	ck_assert_int_eq(arc_tar_writer_write(w, "abc", 3, &e), ERR_INPUT);
	ck_assert_int_eq(arc_tar_writer_write(w, "a", 1, &e), ERR_NONE);
	ck_assert_int_eq(arc_tar_writer_begin(w, "b", 0, &e), ERR_INPUT);
	ck_assert_int_eq(arc_tar_writer_finish(&w, &e), ERR_INPUT);
	ck_assert_ptr_null(w);
	ck_assert_int_eq(arc_tar_writer_open(&w, into_buf, &tar, 3, when, &e),
	    ERR_NONE);
	ck_assert_int_eq(arc_tar_writer_add(w, "../x", "", 0, &e), ERR_INPUT);
	ck_assert_int_eq(arc_tar_writer_add(w, "/x", "", 0, &e), ERR_INPUT);
	ck_assert_int_eq(arc_tar_writer_add(w, "", "", 0, &e), ERR_INPUT);
}
END_TEST

START_TEST(what_the_sink_says_is_the_error)
{
	OWNED(arc_tar_writer_discard) struct arc_tar_writer *w = NULL;
	struct err e = {0};
	enum err_code rc;

	ck_assert_int_eq(arc_tar_writer_open(&w, full_disk, NULL, 0, when, &e),
	    ERR_NONE);
	rc = arc_tar_writer_add(w, "a", "b", 1, &e);
	if (rc == ERR_NONE)
		rc = arc_tar_writer_finish(&w, &e);
	ck_assert_int_eq(rc, ERR_NOSPACE);
	ck_assert_ptr_nonnull(strstr(e.text, "no space left"));
}
END_TEST

/* --- hostile archives: made by hand, header by header --- */

static void
put_octal(uint8_t *at, size_t digits, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%0*jo", (int)digits, (uintmax_t)value);
	memcpy(at, text, digits);
}

static void
add_raw(struct buf *tar, const char *name, char type, uint64_t size)
{
	uint8_t *h;
	unsigned sum = 0;
	struct err e = {0};

	ck_assert_int_eq(buf_extend(tar, 512, &h, &e), ERR_NONE);
	memset(h, 0, 512);
	memcpy(h, name, strlen(name));
	put_octal(h + 100, 7, 0644);
	put_octal(h + 108, 7, 0);
	put_octal(h + 116, 7, 0);
	put_octal(h + 124, 11, size);
	put_octal(h + 136, 11, 0);
	h[156] = (uint8_t)type;
	if (type == '1' || type == '2')
		memcpy(h + 157, "/etc/passwd", 11);
	memcpy(h + 257, "ustar\00000", 8);
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += h[i];
	put_octal(h + 148, 6, sum);
	h[154] = '\0';
}

static void
add_end(struct buf *tar)
{
	uint8_t *at;
	struct err e = {0};

	ck_assert_int_eq(buf_extend(tar, 1024, &at, &e), ERR_NONE);
	memset(at, 0, 1024);
}

/* Reads all; the code that ended it. */
static enum err_code
read_all(const struct buf *tar, const struct arc_tar_limits *limits)
{
	OWNED(arc_tar_reader_close) struct arc_tar_reader *r = NULL;
	OWNED(buf_fini) struct buf got = {0};
	struct arc_member m;
	struct err e = {0};
	enum err_code rc;

	rc = arc_tar_reader_open_bytes(&r, tar->bytes, tar->len_bytes, limits,
	    &e);
	while (rc == ERR_NONE) {
		rc = arc_tar_reader_next(r, &m, &e);
		if (rc == ERR_NONE)
			rc = arc_tar_reader_slurp(r, &got, &e);
	}
	if (rc == ERR_CORRUPT && r != NULL) /* and it stays so */
		ck_assert_int_eq(arc_tar_reader_next(r, &m, &e), ERR_CORRUPT);
	return rc;
}

START_TEST(hostile_members_are_refused)
{
	static const struct {
		const char *name;
		char type;
	} bad[] = {{"/etc/passwd", '0'}, {"../up", '0'}, {"a/../../b", '0'},
	    {"a//b", '0'}, {"./a", '0'}, {"a/", '0'}, {"dir", '5'},
	    {"link", '2'}, {"hard", '1'}, {"fifo", '6'}, {"dev", '3'}};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		OWNED(buf_fini) struct buf tar = {0};

		add_raw(&tar, bad[i].name, bad[i].type, 0);
		add_end(&tar);
		ck_assert_msg(read_all(&tar, NULL) == ERR_CORRUPT, "%s",
		    bad[i].name);
	}
}
END_TEST

START_TEST(a_name_comes_once)
{
	OWNED(buf_fini) struct buf tar = {0};

	add_raw(&tar, "a", '0', 0);
	add_raw(&tar, "b", '0', 0);
	add_end(&tar);
	ck_assert_int_eq(read_all(&tar, NULL), ERR_NOTFOUND);
	buf_clear(&tar);
	add_raw(&tar, "a", '0', 0);
	add_raw(&tar, "b", '0', 0);
	add_raw(&tar, "a", '0', 0);
	add_end(&tar);
	ck_assert_int_eq(read_all(&tar, NULL), ERR_CORRUPT);
}
END_TEST

START_TEST(claims_are_bounded)
{
	OWNED(buf_fini) struct buf tar = {0};
	struct arc_tar_limits few = {.member_count = 2};
	struct arc_tar_limits small = {.member_bytes = 2};
	struct arc_tar_limits all = {.total_bytes = 2048};

	add_raw(&tar, "a", '0', UINT64_C(8589934591)); /* 8 GiB, no byte */
	ck_assert_int_eq(read_all(&tar, NULL), ERR_CORRUPT);
	buf_clear(&tar);
	add_raw(&tar, "a", '0', 1000000); /* within limits, cut off */
	ck_assert_int_eq(read_all(&tar, NULL), ERR_CORRUPT);
	buf_clear(&tar);
	write_three(&tar, 0);
	ck_assert_int_eq(read_all(&tar, NULL), ERR_NOTFOUND);
	ck_assert_int_eq(read_all(&tar, &few), ERR_CORRUPT);
	ck_assert_int_eq(read_all(&tar, &small), ERR_CORRUPT);
	ck_assert_int_eq(read_all(&tar, &all), ERR_CORRUPT);
}
END_TEST

START_TEST(a_small_archive_of_a_lot_of_zeros_stops_in_time)
{
	OWNED(arc_tar_writer_discard) struct arc_tar_writer *w = NULL;
	OWNED(buf_fini) struct buf tar = {0};
	struct arc_tar_limits l = {.total_bytes = 1 << 20};
	OWNED(free_mem) uint8_t *zeros = calloc(1, 1 << 20);
	struct err e = {0};

	ck_assert_int_eq(arc_tar_writer_open(&w, into_buf, &tar, 3, when, &e),
	    ERR_NONE);
	for (int i = 0; i < 8; i++) {
		char name[8];

		snprintf(name, sizeof(name), "%d", i);
		ck_assert_int_eq(arc_tar_writer_add(w, name, zeros, 1 << 19,
				     &e),
		    ERR_NONE);
	}
	ck_assert_int_eq(arc_tar_writer_finish(&w, &e), ERR_NONE);
	ck_assert_uint_lt(tar.len_bytes, 1 << 16);
	ck_assert_int_eq(read_all(&tar, &l), ERR_CORRUPT);
	ck_assert_int_eq(read_all(&tar, NULL), ERR_NOTFOUND);
}
END_TEST

START_TEST(a_cut_or_flipped_archive_never_ends_well)
{
	OWNED(buf_fini) struct buf tar = {0};

	write_three(&tar, 3);
	for (size_t len = 0; len < tar.len_bytes; len += 7) {
		struct buf cut = {.bytes = tar.bytes, .len_bytes = len};

		/* cut behind the last member libarchive takes for the end */
		ck_assert_int_ne(read_all(&cut, NULL), ERR_NONE);
	}
	for (size_t i = 0; i < tar.len_bytes; i++) {
		enum err_code rc;

		tar.bytes[i] ^= 0x10;
		rc = read_all(&tar, NULL);
		ck_assert(rc == ERR_CORRUPT || rc == ERR_NOTFOUND);
		tar.bytes[i] ^= 0x10;
	}
	ck_assert_int_eq(read_all(&(struct buf){.bytes = (uint8_t
							*)(uintptr_t) "not a "
								      "tar",
				      .len_bytes = 9},
			     NULL),
	    ERR_CORRUPT);
}
END_TEST

Suite *suite_archive_arc_tar(void);

Suite *
suite_archive_arc_tar(void)
{
	Suite *s = suite_create("archive/tar");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, what_is_written_is_read_again);
	tcase_add_test(tc, the_same_members_give_the_same_bytes);
	tcase_add_test(tc, a_member_gets_exactly_its_bytes);
	tcase_add_test(tc, what_the_sink_says_is_the_error);
	tcase_add_test(tc, hostile_members_are_refused);
	tcase_add_test(tc, a_name_comes_once);
	tcase_add_test(tc, claims_are_bounded);
	tcase_add_test(tc, a_small_archive_of_a_lot_of_zeros_stops_in_time);
	tcase_add_test(tc, a_cut_or_flipped_archive_never_ends_well);
	suite_add_tcase(s, tc);
	return s;
}
