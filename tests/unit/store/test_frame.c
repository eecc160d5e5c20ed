#include "../lib/store/frame.h"

#include <check.h>
#include <string.h>

#include <bascule/base/le.h>

#include "support/repo.h"

Suite *suite_store_frame(void);

static const uint8_t family[STORE_FAMILY_BYTES] = "family of tests";
static struct frame_coder *coder;
static struct seal_key *key;
static struct buf raw, frame, text, prefix;

static void
setup(void)
{
	OWNED(secret_fini) struct secret s = {0};
	struct err e = {0};

	ck_assert_int_eq(secret_random(&s, SEAL_KEY_BYTES, &e), ERR_NONE);
	ck_assert_int_eq(seal_key_new(&key, &s, &e), ERR_NONE);
	ck_assert_int_eq(frame_coder_new(&coder, &e), ERR_NONE);
}

static void
teardown(void)
{
	frame_coder_free(&coder);
	seal_key_free(&key);
	buf_fini(&raw);
	buf_fini(&frame);
	buf_fini(&text);
	buf_fini(&prefix);
}

enum filling { ZEROS, NOISE };

/* A raw body of `count` chunks of len_bytes each. */
static void
fill(uint32_t count, uint32_t len_bytes, enum filling filling)
{
	struct err e = {0};
	uint8_t *at;

	buf_clear(&raw);
	ck_assert_int_eq(le_add32(&raw, count, &e), ERR_NONE);
	for (uint32_t i = 0; i < count; i++)
		ck_assert_int_eq(le_add32(&raw, len_bytes, &e), ERR_NONE);
	ck_assert_int_eq(buf_extend(&raw, (size_t)count * len_bytes, &at, &e),
	    ERR_NONE);
	memset(at, 0, (size_t)count * len_bytes);
	if (filling == NOISE)
		repo_noise(at, (size_t)count * len_bytes, 3);
}

static void
encode(enum writer_codec codec, bool padded)
{
	struct frame_plain p = {.kind = STORE_DATA,
	    .raw = raw.bytes,
	    .raw_bytes = raw.len_bytes,
	    .codec = codec,
	    .padded = padded,
	    .family = family};
	struct err e = {0};

	ck_assert_int_eq(frame_encode(coder, &p, key, &frame, &e), ERR_NONE);
}

/* The same where frames may be sliced. */
static void
encode_sliceable(enum writer_codec codec)
{
	struct frame_plain p = {.kind = STORE_DATA,
	    .raw = raw.bytes,
	    .raw_bytes = raw.len_bytes,
	    .codec = codec,
	    .sliceable = true,
	    .family = family};
	struct err e = {0};

	ck_assert_int_eq(frame_encode(coder, &p, key, &frame, &e), ERR_NONE);
}

static enum err_code
decode(struct frame_view *v)
{
	const uint8_t *again;
	size_t n;
	struct err e = {0};

	if (frame_parse(v, frame.bytes, frame.len_bytes, &e) != ERR_NONE ||
	    frame_open(v, key, family, &text, &e) != ERR_NONE ||
	    frame_unpack(coder, v, &text, &prefix, &again, &n, &e) != ERR_NONE)
		return e.code;
	if (n != raw.len_bytes || memcmp(again, raw.bytes, n) != 0)
		ck_abort_msg("other bytes came out than went in");
	return ERR_NONE;
}

START_TEST(what_goes_in_comes_out)
{
	static const enum writer_codec codecs[] = {WRITER_AUTO, WRITER_FAST,
	    WRITER_MAX, WRITER_OFF};
	static const uint32_t lengths[] = {0, 1, 500, 8191, 70000, 300000};

	for (size_t c = 0; c < COUNT_OF(codecs); c++)
		for (size_t i = 0; i < COUNT_OF(lengths); i++)
			for (int k = 0; k < 4; k++) {
				struct frame_view v;

				fill(1, lengths[i], k & 1 ? NOISE : ZEROS);
				encode(codecs[c], (k & 2) != 0);
				ck_assert_int_eq(decode(&v), ERR_NONE);
			}
}
END_TEST

START_TEST(noise_is_stored_raw_and_zeros_are_not)
{
	struct frame_view v;

	fill(4, 60000, NOISE);
	encode(WRITER_AUTO, false);
	ck_assert_int_eq(decode(&v), ERR_NONE);
	ck_assert_int_eq(v.codec, FRAME_RAW);
	fill(4, 60000, ZEROS);
	encode(WRITER_AUTO, false);
	ck_assert_int_eq(decode(&v), ERR_NONE);
	ck_assert_int_eq(v.codec, FRAME_ZSTD);
	ck_assert_uint_lt(v.body_bytes, 1000);
	encode(WRITER_OFF, false);
	ck_assert_int_eq(decode(&v), ERR_NONE);
	ck_assert_int_eq(v.codec, FRAME_RAW);
}
END_TEST

/* Hexadecimal digits: each chunk of its own, or all the same ones. */
static void
fill_digits(uint32_t count, uint32_t len_bytes, bool alike)
{
	uint8_t *at;

	fill(count, len_bytes, NOISE);
	at = raw.bytes + 4 + (size_t)count * 4;
	for (size_t i = 0; i < (size_t)count * len_bytes; i++)
		at[i] = alike && i >= 300000
		    ? at[i - 300000]
		    : (uint8_t) "0123456789abcdef"[at[i] & 15];
}

static enum frame_codec
codec_of(void)
{
	struct frame_view v;

	ck_assert_int_eq(decode(&v), ERR_NONE);
	return v.codec;
}

START_TEST(many_small_chunks_are_sliced_where_that_costs_little)
{
	static const enum writer_codec codecs[] = {WRITER_AUTO, WRITER_FAST};

	for (size_t i = 0; i < COUNT_OF(codecs); i++) {
		frame_coder_free(&coder);
		ck_assert_int_eq(frame_coder_new(&coder, &(struct err){0}),
		    ERR_NONE);
		fill_digits(600, 1500, false);
		encode(codecs[i], false); /* not in such a repository */
		ck_assert_int_eq(codec_of(), FRAME_ZSTD);
		for (int again = 0; again < 3; again++) {
			encode_sliceable(codecs[i]);
			ck_assert_int_eq(codec_of(), FRAME_SLICED);
		}
	}
	encode_sliceable(WRITER_OFF);
	ck_assert_int_eq(codec_of(), FRAME_RAW);
	fill_digits(500, 1500, false); /* less than 768 KiB */
	encode_sliceable(WRITER_AUTO);
	ck_assert_int_eq(codec_of(), FRAME_ZSTD);
	fill_digits(60, 15000, false); /* few */
	encode_sliceable(WRITER_AUTO);
	ck_assert_int_eq(codec_of(), FRAME_ZSTD);
	fill_digits(64, 17000, false); /* large */
	encode_sliceable(WRITER_AUTO);
	ck_assert_int_eq(codec_of(), FRAME_ZSTD);
	fill(600, 1500, NOISE);
	encode_sliceable(WRITER_AUTO);
	ck_assert_int_eq(codec_of(), FRAME_RAW);
}
END_TEST

/* What is like something far before it would be stored once more by slices. */
START_TEST(what_slices_would_cost_is_tried_now_and_then)
{
	unsigned before = 0;

	fill_digits(600, 1500, true);
	encode_sliceable(WRITER_AUTO);
	ck_assert_int_eq(codec_of(), FRAME_ZSTD);
	fill_digits(600, 1500, false);
	do {
		encode_sliceable(WRITER_AUTO);
		before++;
	} while (codec_of() == FRAME_ZSTD && before < 100);
	ck_assert_uint_eq(before, 16);
}
END_TEST

START_TEST(only_plain_data_is_sliced)
{
	struct frame_view v;
	struct err e = {0};

	fill_digits(600, 1500, false);
	encode_sliceable(WRITER_AUTO);
	ck_assert_int_eq(codec_of(), FRAME_SLICED);
	frame.bytes[4] = STORE_LEAF;
	ck_assert_int_eq(frame_parse(&v, frame.bytes, frame.len_bytes, &e),
	    ERR_CORRUPT);
	frame.bytes[4] = STORE_DATA;
	frame.bytes[6] = frame.bytes[7] = 1; /* a difference */
	ck_assert_int_eq(frame_parse(&v, frame.bytes, frame.len_bytes, &e),
	    ERR_CORRUPT);
	frame.bytes[6] = frame.bytes[7] = 0;
	frame.bytes[5] = FRAME_SLICED + 1;
	ck_assert_int_eq(frame_parse(&v, frame.bytes, frame.len_bytes, &e),
	    ERR_CORRUPT);
}
END_TEST

START_TEST(padding_hides_the_length)
{
	struct frame_view v;
	uint32_t first = 0;

	/* lengths that Padme rounds to the same one */
	for (uint32_t len = 100100; len < 100200; len += 33) {
		fill(1, len, NOISE);
		encode(WRITER_AUTO, true);
		ck_assert_int_eq(decode(&v), ERR_NONE);
		first = first == 0 ? v.body_bytes : first;
		ck_assert_uint_eq(v.body_bytes, first);
	}
	ck_assert_uint_lt(first, 100200 * 9 / 8);
}
END_TEST

START_TEST(a_flipped_bit_anywhere_is_refused)
{
	fill(3, 40, ZEROS);
	encode(WRITER_AUTO, false);
	for (size_t i = 0; i < frame.len_bytes; i++) {
		struct frame_view v;

		frame.bytes[i] ^= (uint8_t)(1 << i % 8);
		if (decode(&v) == ERR_NONE)
			ck_abort_msg("a flip at %zu is not seen", i);
		frame.bytes[i] ^= (uint8_t)(1 << i % 8);
	}
}
END_TEST

START_TEST(a_cut_frame_and_another_family_are_refused)
{
	struct frame_view v;
	struct err e = {0};

	fill(3, 40, ZEROS);
	encode(WRITER_AUTO, false);
	for (size_t len = 0; len < frame.len_bytes; len++)
		if (frame_parse(&v, frame.bytes, len, &e) == ERR_NONE)
			ck_abort_msg("%zu bytes pass for a frame", len);
	ck_assert_int_eq(frame_parse(&v, frame.bytes, frame.len_bytes, &e),
	    ERR_NONE);
	ck_assert_int_eq(frame_open(&v, key,
			     (const uint8_t *)"another family!!", &text, &e),
	    ERR_CORRUPT);
}
END_TEST

/* Bytes that compress by themselves, and no better with those of another seed. */
static void
fill_half(struct buf *b, uint64_t seed)
{
	struct err e = {0};
	uint8_t *at;

	buf_clear(b);
	ck_assert_int_eq(buf_extend(b, 48000, &at, &e), ERR_NONE);
	repo_noise(at, 48000, seed);
	for (size_t i = 0; i < 48000; i++)
		at[i] &= 0x0f;
}

START_TEST(a_difference_is_made_only_where_it_saves_enough)
{
	static const struct id bases[2] = {{{1}}, {{2}}};
	struct frame_plain p = {.kind = STORE_DATA,
	    .codec = WRITER_AUTO,
	    .family = family,
	    .bases = (const uint8_t *)bases,
	    .bases_count = 2,
	    .depth = 3};
	struct frame_view v;
	struct err e = {0};
	uint8_t lengths[8];

	for (int alike = 0; alike <= 1; alike++) {
		fill_half(&prefix, 5);
		fill_half(&raw, alike ? 5 : 6);
		repo_noise(raw.bytes, 300, 4);
		le_put32(lengths, 1);
		le_put32(lengths + 4, (uint32_t)raw.len_bytes - 8);
		memcpy(raw.bytes, lengths, 8);
		p.raw = raw.bytes;
		p.raw_bytes = raw.len_bytes;
		p.prefix = prefix.bytes;
		p.prefix_bytes = prefix.len_bytes;
		ck_assert_int_eq(frame_encode(coder, &p, key, &frame, &e),
		    ERR_NONE);
		ck_assert_int_eq(decode(&v), ERR_NONE);
		ck_assert_uint_eq(v.depth, alike ? 3 : 0);
		ck_assert_uint_eq(v.bases_count, alike ? 2 : 0);
		if (alike)
			ck_assert_mem_eq(v.bases, bases, sizeof(bases));
	}
	/* The bases are bound to it, and it needs just these. */
	prefix.bytes[20000] ^= 1;
	for (size_t i = 1000; i < prefix.len_bytes; i++)
		prefix.bytes[i] ^= 1;
	ck_assert_int_eq(frame_parse(&v, frame.bytes, frame.len_bytes, &e),
	    ERR_NONE);
	frame.bytes[FRAME_FIXED_BYTES] ^= 1;
	ck_assert_int_eq(decode(&v), ERR_CORRUPT);
}
END_TEST

START_TEST(a_difference_is_of_data_compressed_and_not_too_deep)
{
	static const struct {
		size_t at;
		uint8_t value;
	} bad[] = {{4, STORE_LIST}, {5, FRAME_RAW}, {6, 5}, {6, 0}, {7, 0},
	    {7, 17}};
	static const struct id base = {{1}};
	struct frame_plain p = {.kind = STORE_DATA,
	    .codec = WRITER_AUTO,
	    .family = family,
	    .bases = base.bytes,
	    .bases_count = 1,
	    .depth = 1};
	struct frame_view v;
	struct err e = {0};

	fill(1, 5000, NOISE);
	ck_assert_int_eq(buf_add(&prefix, raw.bytes, raw.len_bytes, &e),
	    ERR_NONE);
	p.raw = raw.bytes;
	p.raw_bytes = raw.len_bytes;
	p.prefix = prefix.bytes;
	p.prefix_bytes = prefix.len_bytes;
	ck_assert_int_eq(frame_encode(coder, &p, key, &frame, &e), ERR_NONE);
	ck_assert_int_eq(decode(&v), ERR_NONE);
	ck_assert_uint_eq(v.depth, 1);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		uint8_t was = frame.bytes[bad[i].at];

		frame.bytes[bad[i].at] = bad[i].value;
		ck_assert_int_eq(frame_parse(&v, frame.bytes, frame.len_bytes,
				     &e),
		    ERR_CORRUPT);
		frame.bytes[bad[i].at] = was;
	}
}
END_TEST

START_TEST(lengths_that_do_not_fill_the_body_are_refused)
{
	struct frame_chunks c;
	struct err e = {0};

	fill(3, 40, ZEROS);
	ck_assert_int_eq(frame_chunks_parse(&c, raw.bytes, raw.len_bytes, &e),
	    ERR_NONE);
	ck_assert_uint_eq(c.count, 3);
	for (size_t len = 0; len < raw.len_bytes; len++)
		if (frame_chunks_parse(&c, raw.bytes, len, &e) == ERR_NONE)
			ck_abort_msg("%zu bytes pass for a body", len);
	le_put32(raw.bytes + 4, 0xffffffffu);
	ck_assert_int_eq(frame_chunks_parse(&c, raw.bytes, raw.len_bytes, &e),
	    ERR_CORRUPT);
	le_put32(raw.bytes, 0);
	ck_assert_int_eq(frame_chunks_parse(&c, raw.bytes, raw.len_bytes, &e),
	    ERR_CORRUPT);
}
END_TEST

Suite *
suite_store_frame(void)
{
	Suite *s = suite_create("store/frame");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_goes_in_comes_out);
	tcase_add_test(tc, noise_is_stored_raw_and_zeros_are_not);
	tcase_add_test(tc,
	    many_small_chunks_are_sliced_where_that_costs_little);
	tcase_add_test(tc, what_slices_would_cost_is_tried_now_and_then);
	tcase_add_test(tc, only_plain_data_is_sliced);
	tcase_add_test(tc, padding_hides_the_length);
	tcase_add_test(tc, a_flipped_bit_anywhere_is_refused);
	tcase_add_test(tc, a_cut_frame_and_another_family_are_refused);
	tcase_add_test(tc, a_difference_is_made_only_where_it_saves_enough);
	tcase_add_test(tc, a_difference_is_of_data_compressed_and_not_too_deep);
	tcase_add_test(tc, lengths_that_do_not_fill_the_body_are_refused);
	suite_add_tcase(s, tc);
	return s;
}
