#include "../lib/store/segment.h"

#include <check.h>
#include <string.h>

#include <bascule/base/le.h>

#include "../lib/store/format.h"
#include "../lib/store/manifest.h"
#include "support/repo.h"

Suite *suite_store_segment(void);

static const uint8_t family[STORE_FAMILY_BYTES] = "family of tests";

static struct id
name(uint64_t seed)
{
	struct id id;

	repo_noise(id.bytes, ID_BYTES, seed);
	return id;
}

/* count records, each id twice when twice. */
static void
build(struct buf *out, size_t count, bool twice)
{
	OWNED(buf_fini) struct buf records = {0};
	struct segment_pack packs[2] = {{.name = name(1), .size_bytes = 1000},
	    {.name = name(2), .size_bytes = 2000, .flags = SEGMENT_FOREIGN}};
	struct segment_parts p = {.packs = packs, .packs_count = 2};
	struct err e = {0};

	for (size_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < (twice ? 2 : 1); k++) {
			struct segment_record r = {.id = name(100 + i),
			    .pack = (uint32_t)((i + k) % 2),
			    .frame = (uint32_t)i,
			    .slot = 3,
			    .kind = STORE_DATA};
			uint8_t *at;

			ck_assert_int_eq(buf_extend(&records,
					     SEGMENT_RECORD_BYTES, &at, &e),
			    ERR_NONE);
			segment_record_put(at, &r);
		}
	p.records = records.bytes;
	p.records_count = records.len_bytes / SEGMENT_RECORD_BYTES;
	ck_assert_int_eq(segment_encode(&p, family, out, &e), ERR_NONE);
}

START_TEST(every_record_is_found_and_nothing_else)
{
	static const size_t counts[] = {0, 1, 7, 100, 5000, 30000};

	for (size_t c = 0; c < COUNT_OF(counts); c++) {
		OWNED(buf_fini) struct buf b = {0};
		struct segment s;
		struct segment_record r;
		struct err e = {0};

		build(&b, counts[c], false);
		ck_assert_int_eq(segment_parse(&s, b.bytes, b.len_bytes, family,
				     &e),
		    ERR_NONE);
		ck_assert_int_eq(segment_verify(&s, &e), ERR_NONE);
		for (size_t i = 0; i < counts[c] + 50; i++) {
			struct id id = name(100 + i);
			uint64_t at = 0;
			bool there = segment_find(&s, &id, &at, &r, NULL);

			if (there != (i < counts[c]) ||
			    (there && (!id_equal(&r.id, &id) || r.frame != i)))
				ck_abort_msg("record %zu of %zu", i, counts[c]);
		}
	}
}
END_TEST

START_TEST(an_id_may_have_several_records_but_each_once)
{
	OWNED(buf_fini) struct buf b = {0};
	struct segment s;
	struct segment_record r;
	struct id id = name(104);
	struct err e = {0};
	uint64_t at = 0;

	build(&b, 20, true);
	ck_assert_int_eq(segment_parse(&s, b.bytes, b.len_bytes, family, &e),
	    ERR_NONE);
	ck_assert(segment_find(&s, &id, &at, &r, NULL));
	ck_assert(id_equal(&r.id, &id));
	ck_assert_uint_eq(r.pack, 0);
	at++;
	ck_assert(segment_find(&s, &id, &at, &r, NULL));
	ck_assert(id_equal(&r.id, &id));
	ck_assert_uint_eq(r.pack, 1);
	at++;
	ck_assert(!segment_find(&s, &id, &at, &r, NULL));
}
END_TEST

START_TEST(any_cut_or_changed_segment_stays_in_bounds)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};

	build(&b, 60, false);
	for (size_t len = 0; len < b.len_bytes; len++) {
		struct segment s;

		if (segment_parse(&s, b.bytes, len, family, &e) == ERR_NONE)
			ck_abort_msg("%zu bytes pass for a segment", len);
	}
	for (size_t i = 0; i < b.len_bytes; i++) {
		struct segment s;

		b.bytes[i] ^= 0xff;
		if (segment_parse(&s, b.bytes, b.len_bytes, family, &e) ==
		    ERR_NONE)
			for (size_t k = 0; k < 60; k++) {
				struct id id = name(100 + k);
				struct segment_record r;
				uint64_t at = 0;

				/* ASan looks */
				(void)segment_find(&s, &id, &at, &r, NULL);
			}
		b.bytes[i] ^= 0xff;
	}
}
END_TEST

START_TEST(a_changed_column_is_damage)
{
	static const size_t counts[] = {1, 60, 1001};

	for (size_t c = 0; c < COUNT_OF(counts); c++) {
		OWNED(buf_fini) struct buf b = {0};
		struct segment s;
		struct err e = {0};

		build(&b, counts[c], false);
		ck_assert_int_eq(segment_parse(&s, b.bytes, b.len_bytes, family,
				     &e),
		    ERR_NONE);
		for (size_t i = (size_t)(s.prints - b.bytes); i < b.len_bytes;
		     i++) {
			b.bytes[i] ^= 1;
			if (segment_verify(&s, &e) != ERR_CORRUPT)
				ck_abort_msg("byte %zu may be changed", i);
			b.bytes[i] ^= 1;
		}
		ck_assert_int_eq(segment_verify(&s, &e), ERR_NONE);
	}
}
END_TEST

/* What a forger does to make look-ups slow makes none of them wrong. */
START_TEST(a_wide_fan_out_entry_is_searched)
{
	OWNED(buf_fini) struct buf b = {0};
	struct segment s;
	struct segment_record r;
	struct err e = {0};

	build(&b, 5000, true);
	ck_assert_int_eq(segment_parse(&s, b.bytes, b.len_bytes, family, &e),
	    ERR_NONE);
	ck_assert_uint_eq(s.fanout_bits, 10);
	for (size_t top = 0; top <= (size_t)1 << s.fanout_bits; top++)
		le_put32(b.bytes + (s.fanout - b.bytes) + top * 4,
		    top % 2 == 0 ? 0 : 10000);
	for (size_t i = 0; i < 5000; i++) {
		struct id id = name(100 + i);
		unsigned found = 0;

		for (uint64_t at = 0; segment_find(&s, &id, &at, &r, NULL);
		     at++)
			found += id_equal(&r.id, &id) && r.frame == i;
		/* the tenth bit: from 0 to 10000, or from there to 0 */
		ck_assert_uint_eq(found, (id.bytes[1] & 0x40) == 0 ? 2 : 0);
	}
}
END_TEST

START_TEST(a_manifest_comes_back_and_damage_is_not_believed)
{
	struct manifest_segment seg = {.name = name(1),
	    .size_bytes = 10,
	    .records_count = 2};
	OWNED(manifest_fini) struct manifest m = {.generation = 7};
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};

	ck_assert_int_eq(manifest_add(&m, &seg, &e), ERR_NONE);
	ck_assert_int_eq(manifest_add(&m, &seg, &e), ERR_NONE);
	ck_assert_int_eq(manifest_encode(&m, family, &b, &e), ERR_NONE);
	ck_assert_uint_eq(b.len_bytes, 32 + 16 + 2 * 48 + 32);
	for (size_t i = 0; i <= b.len_bytes; i++) {
		OWNED(manifest_fini) struct manifest again = {0};
		enum err_code rc;

		if (i < b.len_bytes)
			b.bytes[i] ^= 1;
		rc = manifest_decode(&again, b.bytes, b.len_bytes, family, &e);
		if (i < b.len_bytes) {
			ck_assert_int_eq(rc, ERR_CORRUPT);
			b.bytes[i] ^= 1;
			continue;
		}
		ck_assert_int_eq(rc, ERR_NONE);
		ck_assert_uint_eq(again.generation, 7);
		ck_assert_uint_eq(again.segments_count, 2);
		ck_assert(id_equal(&again.segments[1].name, &seg.name));
	}
}
END_TEST

/* The hash put right again after a change. */
static void
rehash(uint8_t bytes[FORMAT_BYTES])
{
	struct id hash;
	struct err e = {0};

	ck_assert_int_eq(hash_sha256(bytes, FORMAT_BYTES - ID_BYTES, &hash, &e),
	    ERR_NONE);
	memcpy(bytes + FORMAT_BYTES - ID_BYTES, hash.bytes, ID_BYTES);
}

START_TEST(a_newer_format_is_too_new_only_when_it_is_whole)
{
	struct format f = {.created = {.ns = 5}}, again;
	uint8_t bytes[FORMAT_BYTES];
	struct err e = {0};

	format_default_geometry(&f.geometry);
	ck_assert_int_eq(format_encode(&f, bytes, &e), ERR_NONE);
	ck_assert_int_eq(format_decode(&again, bytes, sizeof(bytes), &e),
	    ERR_NONE);
	ck_assert_mem_eq(&again.geometry, &f.geometry, sizeof(f.geometry));
	bytes[10] = 3; /* the version */
	ck_assert_int_eq(format_decode(&again, bytes, sizeof(bytes), &e),
	    ERR_CORRUPT);
	rehash(bytes);
	ck_assert_int_eq(format_decode(&again, bytes, sizeof(bytes), &e),
	    ERR_TOONEW);
	bytes[10] = 1; /* never released */
	rehash(bytes);
	ck_assert_int_eq(format_decode(&again, bytes, sizeof(bytes), &e),
	    ERR_TOONEW);
	ck_assert(strstr(e.text, "never released") != NULL);
	bytes[10] = 2;
	bytes[64] = 0; /* as older versions made them */
	rehash(bytes);
	ck_assert_int_eq(format_decode(&again, bytes, sizeof(bytes), &e),
	    ERR_NONE);
	ck_assert(!again.geometry.sliced);
	bytes[64] = 3; /* an incompat feature more */
	rehash(bytes);
	ck_assert_int_eq(format_decode(&again, bytes, sizeof(bytes), &e),
	    ERR_TOONEW);
	bytes[64] = 0;
	bytes[56] = 4; /* a read-only-compat one */
	rehash(bytes);
	ck_assert_int_eq(format_decode(&again, bytes, sizeof(bytes), &e),
	    ERR_NONE);
	ck_assert(again.read_only);
	bytes[56] = 0;
	le_put32(bytes + 76, 100000); /* a mean that is no power of two */
	rehash(bytes);
	ck_assert_int_eq(format_decode(&again, bytes, sizeof(bytes), &e),
	    ERR_CORRUPT);
}
END_TEST

Suite *
suite_store_segment(void)
{
	Suite *s = suite_create("store/segment");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, every_record_is_found_and_nothing_else);
	tcase_add_test(tc, an_id_may_have_several_records_but_each_once);
	tcase_add_test(tc, any_cut_or_changed_segment_stays_in_bounds);
	tcase_add_test(tc, a_changed_column_is_damage);
	tcase_add_test(tc, a_wide_fan_out_entry_is_searched);
	tcase_add_test(tc, a_manifest_comes_back_and_damage_is_not_believed);
	tcase_add_test(tc, a_newer_format_is_too_new_only_when_it_is_whole);
	suite_add_tcase(s, tc);
	return s;
}
