#include "../lib/store/merge.h"

#include <errno.h>
#include <sys/stat.h>

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../lib/store/segment_writer.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_merge(void);

#define LARGE_COUNT 30000 /* records that are no longer mapped */

static struct repo r;
static struct store *st;
static struct session *se;
static struct writer *unused;

static void
setup(void)
{
	repo_make(&r);
	repo_begin(&r, &st, &se, &unused);
}

static void
teardown(void)
{
	repo_end(&st, &se, &unused);
	repo_remove(&r);
}

static struct id
name(uint64_t seed)
{
	struct id id;

	repo_noise(id.bytes, ID_BYTES, seed);
	return id;
}

/* Parts in the making; their packs are numbered by seed. */
struct pile {
	struct segment_pack packs[16];
	struct buf records;
	struct segment_parts parts;
};

static void
pile_fini(struct pile *p)
{
	buf_fini(&p->records);
}

static uint32_t
pile_pack(struct pile *p, uint64_t seed)
{
	struct segment_pack *sp = &p->packs[p->parts.packs_count];

	*sp = (struct segment_pack){.name = name(seed), .size_bytes = seed};
	return (uint32_t)p->parts.packs_count++;
}

/* count records of ids from first on, as frames of the pack. */
static void
pile_add(struct pile *p, uint64_t pack_seed, uint64_t first, size_t count)
{
	const uint32_t pack = pile_pack(p, pack_seed);
	struct err e = {0};

	for (size_t i = 0; i < count; i++) {
		struct segment_record rec = {.id = name(1000000 + first + i),
		    .pack = pack,
		    .frame = (uint32_t)i,
		    .slot = (uint16_t)(i % 7),
		    .kind = STORE_DATA};
		uint8_t *at;

		must(buf_extend(&p->records, SEGMENT_RECORD_BYTES, &at, &e),
		    &e);
		segment_record_put(at, &rec);
	}
	p->parts.packs = p->packs;
	p->parts.records = p->records.bytes;
	p->parts.records_count = p->records.len_bytes / SEGMENT_RECORD_BYTES;
}

static struct manifest_segment
publish(struct pile *p)
{
	struct manifest_segment ms;
	struct err e = {0};

	must(segment_writer_publish(se, &p->parts, &ms, &e), &e);
	return ms;
}

/* What the pile is called when it is made in memory. */
static struct id
name_in_memory(struct pile *p)
{
	OWNED(buf_fini) struct buf b = {0};
	struct id hash;
	struct err e = {0};

	must(segment_encode(&p->parts, st->family, &b, &e), &e);
	must(hash_sha256(b.bytes, b.len_bytes, &hash, &e), &e);
	return hash;
}

static void
open_one(struct segment *s, const struct manifest_segment *ms)
{
	char hex[ID_HEX_BYTES];
	struct err e = {0};

	must(segment_open(s, st->index_fd, id_hex(&ms->name, hex), st->family,
		 &e),
	    &e);
}

static size_t
files_in(int dirfd)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	struct err e = {0};

	must(repo_list(&n, dirfd, &e), &e);
	return n.count;
}

START_TEST(a_large_segment_is_byte_for_byte_what_memory_makes)
{
	OWNED(pile_fini) struct pile p = {0};
	OWNED(segment_fini) struct segment s = {0};
	struct manifest_segment ms;
	struct segment_record rec;
	struct id in_memory;
	struct err e = {0};

	pile_add(&p, 3, 0, LARGE_COUNT / 2);
	pile_add(&p, 2, LARGE_COUNT / 4, LARGE_COUNT / 2);
	ms = publish(&p);
	in_memory = name_in_memory(&p);
	ck_assert(id_equal(&ms.name, &in_memory));
	ck_assert_uint_eq(ms.records_count, LARGE_COUNT);
	open_one(&s, &ms);
	ck_assert(s.apart);
	ck_assert_uint_eq(s.size_bytes, ms.size_bytes);
	must(segment_verify(&s, &e), &e);
	for (size_t i = 0; i < LARGE_COUNT; i++) {
		struct id id = name(1000000 + i);
		const bool first = i < LARGE_COUNT / 2;
		const bool second =
		    i >= LARGE_COUNT / 4 && i < LARGE_COUNT / 4 * 3;
		unsigned found = 0;

		for (uint64_t at = 0; segment_find(&s, &id, &at, &rec, NULL);
		     at++)
			found += id_equal(&rec.id, &id);
		if (found != (first ? 1u : 0u) + (second ? 1u : 0u))
			ck_abort_msg("id %zu is there %u times", i, found);
	}
	ck_assert_uint_eq(files_in(st->tmp_fd), 0);
	/* once more: it is there */
	ms = publish(&p);
	ck_assert(id_equal(&ms.name, &in_memory));
	ck_assert_uint_eq(files_in(st->tmp_fd), 0);
}
END_TEST

START_TEST(a_damaged_segment_of_its_name_gives_way_to_a_large_one)
{
	OWNED(pile_fini) struct pile p = {0};
	OWNED(segment_fini) struct segment s = {0};
	struct manifest_segment ms;
	char hex[ID_HEX_BYTES];
	struct err e = {0};
	int fd;

	pile_add(&p, 3, 0, LARGE_COUNT);
	ms = publish(&p);
	id_hex(&ms.name, hex);
	ck_assert_int_eq(fchmodat(st->index_fd, hex, 0600, 0), 0);
	fd = openat(st->index_fd, hex, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "x", 1, 500000), 1);
	close(fd);
	ck_assert_int_eq(segment_writer_publish(se, &p.parts, &ms, &e),
	    ERR_NONE);
	open_one(&s, &ms);
	must(segment_verify(&s, &e), &e);
	ck_assert_uint_eq(files_in(st->tmp_fd), 0);
}
END_TEST

START_TEST(a_record_that_cannot_be_read_is_not_taken_for_absent)
{
	OWNED(pile_fini) struct pile p = {0};
	OWNED(segment_fini) struct segment s = {0};
	struct manifest_segment ms;
	struct segment_record rec;
	struct id id = name(1000000 + 77);
	_Atomic bool failed = false;
	uint64_t at = 0;
	struct err e = {0};

	pile_add(&p, 3, 0, LARGE_COUNT);
	ms = publish(&p);
	open_one(&s, &ms);
	fault_arm_reading(1, EIO);
	ck_assert(!segment_find(&s, &id, &at, &rec, &failed));
	ck_assert(fault_fired());
	ck_assert(failed);
	fault_arm_reading(2, EIO);
	ck_assert_int_eq(segment_verify(&s, &e), ERR_IO);
	ck_assert(fault_fired());
	failed = false;
	ck_assert(segment_find(&s, &id, &at, &rec, &failed));
	ck_assert(!failed);
}
END_TEST

/*
 * Ten segments: one pack in two of them, half of another in a third, a removed
 * one, one id in many.
 */
#define INPUTS 10
#define GONE   5

static void
make_inputs(struct manifest *m, struct merge_choice *choice, struct pile *all)
{
	const struct id gone = name(GONE);
	struct err e = {0};

	for (uint64_t i = 0; i < INPUTS; i++) {
		OWNED(pile_fini) struct pile p = {0};

		pile_add(&p, i, i * 1000, 3000);
		if (i == 7)
			pile_add(&p, 2, 2000, 1500);
		if (i == 8)
			pile_add(&p, 3, 3000, 3000);
		choice->segments[choice->count++] = publish(&p);
		must(manifest_add(m, &choice->segments[i], &e), &e);
		if (i != GONE)
			pile_add(all, i, i * 1000, 3000);
	}
	must(manifest_remove(m, &gone, 1, &e), &e);
}

START_TEST(what_is_merged_is_what_each_had_once)
{
	OWNED(pile_fini) struct pile all = {0};
	OWNED(manifest_fini) struct manifest m = {0};
	struct merge_choice choice = {.count = 0};
	struct manifest_segment ms;
	struct id wanted;
	struct err e = {0};

	make_inputs(&m, &choice, &all);
	must(merge_run(se, &m, &choice, &ms, &e), &e);
	wanted = name_in_memory(&all);
	ck_assert(id_equal(&ms.name, &wanted));
	ck_assert_uint_eq(ms.records_count, (INPUTS - 1) * 3000);
	ck_assert_uint_eq(files_in(st->tmp_fd), 0);
}
END_TEST

START_TEST(of_removed_packs_alone_nothing_is_written)
{
	OWNED(pile_fini) struct pile p = {0};
	OWNED(manifest_fini) struct manifest m = {0};
	struct merge_choice choice = {.count = 1};
	const struct id gone = name(GONE);
	struct manifest_segment ms = {.records_count = 1};
	struct err e = {0};
	size_t before;

	pile_add(&p, GONE, 0, 100);
	choice.segments[0] = publish(&p);
	must(manifest_remove(&m, &gone, 1, &e), &e);
	before = files_in(st->index_fd);
	must(merge_run(se, &m, &choice, &ms, &e), &e);
	ck_assert_uint_eq(ms.records_count, 0);
	ck_assert_uint_eq(files_in(st->index_fd), before);
}
END_TEST

START_TEST(damage_is_given_no_new_name)
{
	OWNED(pile_fini) struct pile all = {0};
	OWNED(manifest_fini) struct manifest m = {0};
	struct merge_choice choice = {.count = 0};
	struct manifest_segment ms;
	char hex[ID_HEX_BYTES];
	struct err e = {0};
	size_t before;
	int fd;

	make_inputs(&m, &choice, &all);
	before = files_in(st->index_fd);
	id_hex(&choice.segments[4].name, hex);
	ck_assert_int_eq(fchmodat(st->index_fd, hex, 0600, 0), 0);
	fd = openat(st->index_fd, hex, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "x", 1, 5000), 1);
	close(fd);
	ck_assert_int_eq(merge_run(se, &m, &choice, &ms, &e), ERR_CORRUPT);
	ck_assert_int_eq(unlinkat(st->index_fd, hex, 0), 0);
	ck_assert_int_eq(merge_run(se, &m, &choice, &ms, &e), ERR_NOTFOUND);
	ck_assert_uint_eq(files_in(st->index_fd), before - 1);
	ck_assert_uint_eq(files_in(st->tmp_fd), 0);
}
END_TEST

/* Packs are in order in all that we write, and in what somebody forged? */
START_TEST(packs_out_of_order_do_not_come_into_a_merged_segment)
{
	OWNED(pile_fini) struct pile p = {0};
	OWNED(buf_fini) struct buf b = {0};
	OWNED(manifest_fini) struct manifest m = {0};
	struct merge_choice choice = {.count = 1};
	struct repo_file f = {.dirfd = st->index_fd, .what = "index"};
	struct segment s;
	uint8_t first[SEGMENT_PACK_BYTES], *packs;
	struct manifest_segment ms;
	struct err e = {0};

	pile_add(&p, 1, 0, 50);
	pile_add(&p, 2, 0, 50);
	must(segment_encode(&p.parts, st->family, &b, &e), &e);
	must(segment_parse(&s, b.bytes, b.len_bytes, st->family, &e), &e);
	packs = b.bytes + (s.packs - b.bytes);
	memcpy(first, packs, sizeof(first));
	memmove(packs, packs + sizeof(first), sizeof(first));
	memcpy(packs + sizeof(first), first, sizeof(first));
	ck_assert_int_eq(segment_verify(&s, &e), ERR_CORRUPT);
	f.bytes = b.bytes;
	f.len_bytes = b.len_bytes;
	must(repo_publish_hashed(se, &f, &choice.segments[0].name, &e), &e);
	ck_assert_int_eq(merge_run(se, &m, &choice, &ms, &e), ERR_CORRUPT);
	ck_assert_uint_eq(files_in(st->tmp_fd), 0);
}
END_TEST

/* From one failing call to the next; a failed one is as if never begun. */
START_TEST(each_call_of_a_merge_may_fail)
{
	OWNED(pile_fini) struct pile all = {0};
	OWNED(manifest_fini) struct manifest m = {0};
	struct merge_choice choice = {.count = 0};
	struct id wanted;
	struct err e = {0};
	size_t before;
	bool fired = true;

	make_inputs(&m, &choice, &all);
	wanted = name_in_memory(&all);
	before = files_in(st->index_fd);
	for (int nth = 1; fired; nth += fault_step(3)) {
		struct manifest_segment ms;
		char hex[ID_HEX_BYTES];
		enum err_code rc;

		fault_arm_all(nth, ENOSPC);
		rc = merge_run(se, &m, &choice, &ms, &e);
		fired = fault_fired();
		ck_assert(fired || rc == ERR_NONE);
		if (rc == ERR_NONE)
			ck_assert(id_equal(&ms.name, &wanted));
		/* What only the last flush kept from being said is whole. */
		if (unlinkat(st->index_fd, id_hex(&wanted, hex), 0) != 0)
			ck_assert_int_ne(rc, ERR_NONE);
		ck_assert_uint_eq(files_in(st->index_fd), before);
		for (size_t i = files_in(st->tmp_fd); i > 0; i--) {
			/* its unlinking was what failed */
			OWNED(repo_names_fini) struct repo_names n = {0};

			ck_assert_uint_eq(i, 1);
			must(repo_list(&n, st->tmp_fd, &e), &e);
			unlinkat(st->tmp_fd, n.names[0], 0);
		}
	}
}
END_TEST

START_TEST(segments_stay_few_however_much_there_is)
{
	OWNED(manifest_fini) struct manifest m = {0};
	struct merge_choice c;
	struct err e = {0};
	uint64_t records = 0, most = 0;

	for (uint64_t i = 0; i < 3000; i++) {
		struct manifest_segment ms = {
		    .records_count = i % 3 == 0 ? 700 : 131000};
		struct manifest_segment sum = {.records_count = 0};

		repo_noise(ms.name.bytes, ID_BYTES, i);
		must(manifest_add(&m, &ms, &e), &e);
		records += ms.records_count;
		if (!merge_choose(&m, &c))
			continue;
		ck_assert_uint_ge(c.count, MERGE_FANOUT);
		for (size_t k = 0; k < c.count; k++) {
			size_t at = 0;

			while (!id_equal(&m.segments[at].name,
			    &c.segments[k].name))
				at++;
			sum.records_count += c.segments[k].records_count;
			m.segments[at] = m.segments[--m.segments_count];
		}
		repo_noise(sum.name.bytes, ID_BYTES, 100000 + i);
		must(manifest_add(&m, &sum, &e), &e);
		if (m.segments_count > most)
			most = m.segments_count;
	}
	ck_assert_uint_gt(records, 200000000);
	ck_assert_uint_le(most, 40);
	for (size_t i = 0; i < m.segments_count; i++)
		records -= m.segments[i].records_count;
	ck_assert_uint_eq(records, 0);
}
END_TEST

START_TEST(no_merge_makes_more_records_than_a_segment_may_have)
{
	OWNED(manifest_fini) struct manifest m = {0};
	struct merge_choice c;
	struct manifest_segment ms = {.records_count = SEGMENT_RECORDS_MAX / 6};
	struct err e = {0};

	for (size_t i = 0; i < 20; i++)
		must(manifest_add(&m, &ms, &e), &e);
	ck_assert(!merge_choose(&m, &c));
	ms.records_count = UINT64_MAX; /* what a damaged list may say */
	for (size_t i = 0; i < 20; i++)
		must(manifest_add(&m, &ms, &e), &e);
	ck_assert(!merge_choose(&m, &c));
}
END_TEST

Suite *
suite_store_merge(void)
{
	Suite *s = suite_create("store/merge");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_large_segment_is_byte_for_byte_what_memory_makes);
	tcase_add_test(tc,
	    a_damaged_segment_of_its_name_gives_way_to_a_large_one);
	tcase_add_test(tc,
	    a_record_that_cannot_be_read_is_not_taken_for_absent);
	tcase_add_test(tc, what_is_merged_is_what_each_had_once);
	tcase_add_test(tc, of_removed_packs_alone_nothing_is_written);
	tcase_add_test(tc, damage_is_given_no_new_name);
	tcase_add_test(tc,
	    packs_out_of_order_do_not_come_into_a_merged_segment);
	tcase_add_test(tc, each_call_of_a_merge_may_fail);
	tcase_add_test(tc, segments_stay_few_however_much_there_is);
	tcase_add_test(tc, no_merge_makes_more_records_than_a_segment_may_have);
	suite_add_tcase(s, tc);
	return s;
}
