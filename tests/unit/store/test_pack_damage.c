#include "../lib/store/pack_damage.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_pack_damage(void);

/* --- a frame's hash --------------------------------------------------------- */

struct vector {
	size_t len_bytes;
	const char *hash, *last_mark;
};

/* By another program, from docs/format/repository.md. */
static const struct vector vectors[] = {
    {80, "60a7a48ef460a9ebbc91e623fd8590a529a3678dfab409c5227b5874ba947dae",
	"931165982d49bd6fd49c251c1e06bbce"},
    {65536, "258a82817ffcd5ddf3446153a6dd1e118ac5f095e3abf1118c5bdc995da399a0",
	"568f12ba93e8dab920795c710afd644d"},
    {65537, "8ffa44970cb1a3e5c31ab957c0a75da278ec7c53c38fb38afa087db5982be2cb",
	"e77b9a9ae9e30b0dbdb6f510a264ef9d"},
    {200000, "e67d1769b0462d1e1de8bf634fddec02d42edb56a138ab34107442c540d13c3e",
	"d2e400c03d5103fe510f28aa353a4803"},
};

static uint8_t bytes[200100]; /* frames of a pack begin a byte apart */
#define PATTERN_BYTES 200000

static void
pattern(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
}

START_TEST(a_frames_hash_is_as_the_format_says)
{
	pattern();
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct frame_hash h;
		struct err e = {0};
		struct id mark = {0};
		char hex[ID_HEX_BYTES];

		must(frame_hash_make(&h, bytes, v->len_bytes, &e), &e);
		ck_assert_str_eq(id_hex(&h.id, hex), v->hash);
		memcpy(mark.bytes, h.marks[frame_hash_blocks(v->len_bytes) - 1],
		    FRAME_MARK_BYTES);
		id_hex(&mark, hex);
		hex[2 * FRAME_MARK_BYTES] = '\0';
		ck_assert_str_eq(hex, v->last_mark);
	}
}
END_TEST

START_TEST(a_changed_byte_changes_the_hash_and_one_mark)
{
	static const size_t at[] = {0, 65535, 65536, 131071, 199999};
	struct frame_hash was, is;
	struct err e = {0};

	pattern();
	must(frame_hash_make(&was, bytes, PATTERN_BYTES, &e), &e);
	for (size_t i = 0; i < COUNT_OF(at); i++) {
		bytes[at[i]] ^= 0x10;
		must(frame_hash_make(&is, bytes, PATTERN_BYTES, &e), &e);
		bytes[at[i]] ^= 0x10;
		ck_assert(!id_equal(&is.id, &was.id));
		for (size_t b = 0; b < 4; b++)
			ck_assert_int_eq(memcmp(is.marks[b], was.marks[b],
					     FRAME_MARK_BYTES) != 0,
			    b == at[i] / FRAME_BLOCK_BYTES);
	}
	/* Nor is a whole frame the begin of a longer one. */
	must(frame_hash_make(&is, bytes, FRAME_BLOCK_BYTES, &e), &e);
	must(frame_hash_make(&was, bytes, (size_t)2 * FRAME_BLOCK_BYTES, &e),
	    &e);
	ck_assert(!id_equal(&is.id, &was.id));
}
END_TEST

/* --- where a pack is damaged -------------------------------------------------- */

/* Of what a footer says frames are; they need not be real ones. */
static const uint32_t lengths[] = {100, 65536, 65537, 200000, 90, 80, 5000, 80,
    131072, 3000};
static struct repo r;
static struct store *st;
static int fd;
static struct pack pk;
static struct pack_footer footer;
static struct buf written; /* the footer's bytes and tail */

static void
make_pack(void)
{
	OWNED(pack_writer_free) struct pack_writer *pw = NULL;
	const struct pack_key key = {.stanzas = "", .stanzas_bytes = 0};
	struct pack_done done = {.fd = -1};
	struct err e = {0};

	must(pack_writer_new(&pw, st, "a-pack", false, &e), &e);
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		struct id id = {.bytes = {(uint8_t)i}};
		struct frame_hash hash;
		const struct pack_piece piece = {.bytes = bytes + i,
		    .len_bytes = lengths[i],
		    .hash = &hash,
		    .ids = &id,
		    .ids_count = 1,
		    .kind = STORE_DATA};

		must(frame_hash_make(&hash, bytes + i, lengths[i], &e), &e);
		must(pack_writer_add(pw, &piece, &e), &e);
	}
	must(pack_writer_end(&pw, &key, &written, &done, &e), &e);
	ck_assert_int_eq(fchmod(done.fd, 0600), 0);
	fdio_close(&done.fd);
	must(pack_open(&pk, st->tmp_fd, done.temporary, done.size_bytes, &e),
	    &e);
	must(pack_footer_load(&footer, &pk, &e), &e);
	fd = openat(st->tmp_fd, done.temporary, O_RDWR | O_CLOEXEC);
	ck_assert_int_ne(fd, -1);
}

static void
setup(void)
{
	pattern();
	repo_make(&r);
	st = repo_open(&r, STORE_WRITE);
	make_pack();
}

static void
teardown(void)
{
	fdio_close(&fd);
	pack_footer_fini(&footer);
	pack_close(&pk);
	buf_fini(&written);
	store_close(&st);
	repo_remove(&r);
}

static void
flip(uint64_t at)
{
	uint8_t byte;

	ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 1;
	ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
}

static struct pack_frame
frame_at(uint32_t ordinal)
{
	struct pack_frame f;

	pack_footer_frame(&footer, ordinal, &f);
	return f;
}

START_TEST(a_whole_pack_has_no_damage)
{
	OWNED(pack_damage_fini) struct pack_damage d;
	struct err e = {0};

	ck_assert_uint_eq(footer.marks_count, 2 + 4 + 2);
	must(pack_damage_begin(&d, &pk, &footer, &e), &e);
	ck_assert(!pack_damage_next(&d));
}
END_TEST

START_TEST(one_flipped_bit_is_told_as_the_block_it_is_in)
{
	for (uint32_t i = 0; i < COUNT_OF(lengths); i++)
		for (uint32_t at = 0; at < lengths[i]; at += 16384 - 1) {
			OWNED(pack_damage_fini) struct pack_damage d;
			const struct pack_frame f = frame_at(i);
			uint64_t bad = f.offset_bytes + at;
			struct err e = {0};

			flip(bad);
			must(pack_damage_begin(&d, &pk, &footer, &e), &e);
			ck_assert(pack_damage_next(&d));
			ck_assert_uint_eq(d.first_frame, i);
			ck_assert_uint_eq(d.last_frame, i);
			ck_assert_uint_eq(d.block, at / FRAME_BLOCK_BYTES);
			ck_assert_uint_eq(d.offset_bytes,
			    f.offset_bytes +
				(uint64_t)d.block * FRAME_BLOCK_BYTES);
			ck_assert_uint_le(d.len_bytes, FRAME_BLOCK_BYTES);
			ck_assert_uint_lt(bad, d.offset_bytes + d.len_bytes);
			ck_assert(!pack_damage_next(&d));
			flip(bad);
		}
}
END_TEST

START_TEST(only_one_frame_is_looked_at_when_only_that_is_asked_for)
{
	flip(frame_at(3).offset_bytes + 70000);
	for (uint32_t i = 0; i < COUNT_OF(lengths) + 2; i++) {
		OWNED(pack_damage_fini) struct pack_damage d;
		struct err e = {0};

		must(pack_damage_begin(&d, &pk, &footer, &e), &e);
		pack_damage_only(&d, i);
		ck_assert_int_eq(pack_damage_next(&d), i == 3);
		ck_assert(!pack_damage_next(&d));
	}
}
END_TEST

/* However small the frames, a damage told is 64 KiB at most, and all is told. */
START_TEST(bad_frames_in_a_row_are_told_together)
{
	OWNED(pack_damage_fini) struct pack_damage d;
	uint64_t covered = 0, end = 0;
	struct err e = {0};
	unsigned told = 0;

	for (uint32_t i = 4; i < 8; i++)
		flip(frame_at(i).offset_bytes + 7);
	must(pack_damage_begin(&d, &pk, &footer, &e), &e);
	ck_assert(pack_damage_next(&d));
	ck_assert_uint_eq(d.first_frame, 4);
	ck_assert_uint_eq(d.last_frame, 7);
	ck_assert_uint_eq(d.len_bytes, 90 + 80 + 5000 + 80);
	ck_assert(!pack_damage_next(&d));

	pack_damage_fini(&d);
	for (uint32_t i = 4; i < 8; i++)
		flip(frame_at(i).offset_bytes + 7);
	for (uint32_t i = 0; i < COUNT_OF(lengths); i++) {
		const struct pack_frame f = frame_at(i);

		for (uint32_t at = 0; at < f.len_bytes; at += FRAME_BLOCK_BYTES)
			flip(f.offset_bytes + at);
	}
	must(pack_damage_begin(&d, &pk, &footer, &e), &e);
	while (pack_damage_next(&d)) {
		ck_assert_uint_le(d.len_bytes, FRAME_BLOCK_BYTES);
		ck_assert_uint_ge(d.offset_bytes, end);
		end = d.offset_bytes + d.len_bytes;
		covered += d.len_bytes;
		told++;
	}
	ck_assert_uint_eq(covered, pk.footer_at - HEAD_BYTES);
	ck_assert_uint_lt(told, COUNT_OF(lengths) + 3);
}
END_TEST

START_TEST(what_cannot_be_read_is_damaged)
{
	OWNED(pack_damage_fini) struct pack_damage d;
	struct err e = {0};

	ck_assert_int_eq(ftruncate(fd, (off_t)frame_at(8).offset_bytes + 65536),
	    0);
	must(pack_damage_begin(&d, &pk, &footer, &e), &e);
	ck_assert(pack_damage_next(&d));
	ck_assert_uint_eq(d.first_frame, 8);
	ck_assert_uint_eq(d.block, 1);
	ck_assert(pack_damage_next(&d));
	ck_assert_uint_eq(d.first_frame, 9);
	ck_assert(!pack_damage_next(&d));
}
END_TEST

START_TEST(a_read_frame_is_what_its_hash_says_or_damage)
{
	for (uint32_t i = 0; i < COUNT_OF(lengths); i++) {
		OWNED(buf_fini) struct buf b = {0};
		const struct pack_frame f = frame_at(i);
		struct frame_hash hash;
		struct err e = {0};

		must(pack_read_frame(&pk, &f, &b, &hash, &e), &e);
		ck_assert_uint_eq(b.len_bytes, lengths[i]);
		ck_assert(id_equal(&hash.id, &f.hash));
		flip(f.offset_bytes + lengths[i] - 1);
		ck_assert_int_eq(pack_read_frame(&pk, &f, &b, &hash, &e),
		    ERR_CORRUPT);
	}
}
END_TEST

/* --- a footer that lies about marks ------------------------------------------- */

static enum err_code
parse(size_t len_bytes)
{
	struct pack_footer f = {0};
	struct err e = {0};

	return pack_footer_parse(&f, written.bytes, len_bytes, pk.footer_at,
	    &e);
}

START_TEST(a_footer_has_the_marks_of_its_frames_and_no_others)
{
	const size_t len = written.len_bytes - PACK_TAIL_BYTES;
	uint8_t *count = written.bytes + 12;

	ck_assert_int_eq(parse(len), ERR_NONE);
	for (unsigned n = 0; n < 20; n++) {
		*count = (uint8_t)n;
		/* as many marks as it says there are, and just as many bytes */
		if (n < 8)
			ck_assert_int_eq(parse(len -
					     (8 - n) *
						 (size_t)FRAME_MARK_BYTES),
			    ERR_CORRUPT);
		ck_assert_int_eq(parse(len), n == 8 ? ERR_NONE : ERR_CORRUPT);
	}
	count[3] = 0xff;
	ck_assert_int_eq(parse(len), ERR_CORRUPT);
}
END_TEST

Suite *
suite_store_pack_damage(void)
{
	Suite *s = suite_create("store/pack_damage");
	TCase *tc = tcase_create("hash");

	tcase_add_test(tc, a_frames_hash_is_as_the_format_says);
	tcase_add_test(tc, a_changed_byte_changes_the_hash_and_one_mark);
	suite_add_tcase(s, tc);
	tc = tcase_create("pack");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_whole_pack_has_no_damage);
	tcase_add_test(tc, one_flipped_bit_is_told_as_the_block_it_is_in);
	tcase_add_test(tc,
	    only_one_frame_is_looked_at_when_only_that_is_asked_for);
	tcase_add_test(tc, bad_frames_in_a_row_are_told_together);
	tcase_add_test(tc, what_cannot_be_read_is_damaged);
	tcase_add_test(tc, a_read_frame_is_what_its_hash_says_or_damage);
	tcase_add_test(tc, a_footer_has_the_marks_of_its_frames_and_no_others);
	suite_add_tcase(s, tc);
	return s;
}
