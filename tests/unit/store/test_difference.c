#include "../lib/store/bases.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/le.h>

#include "../lib/store/landing.h"
#include "../lib/store/pack.h"
#include "support/fault.h"
#include "support/items.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_difference(void);

/* Chunks large enough to be worth a difference. */
static const struct store_geometry geometry = {.chunk_min_bytes = 4096,
    .chunk_mean_bytes = 8192,
    .chunk_max_bytes = 32768,
    .pack_target_bytes = 1 << 20,
    .frame_target_bytes = 32 << 10};

#define FILE_BYTES ((size_t)400 << 10)
#define ROOM_BYTES (FILE_BYTES + 4096)
/* Where chunks end is as the keys are, and these are new in each run. */
#define SMALL_BYTES ((size_t)40000)
#define PLAIN_BYTES ((size_t)15000)

static struct repo r;
static struct store *st;
static struct session *se;
static struct writer *w;
static struct content_writer *cw;
static uint8_t *bytes; /* of the file, ROOM_BYTES */

/* Sessions come and go; keys may be those of one who cannot read. */
static void
begin(const struct keyring *keys)
{
	struct store_options opt = {.access = STORE_WRITE,
	    .keyring = keys,
	    .network_fs_allowed = true};
	struct err e = {0};

	must(store_open(&st, r.path, &opt, &e), &e);
	must(session_open(&se, st, &e), &e);
	must(writer_new(&w, se, NULL, &e), &e);
	must(content_writer_new(&cw, w, CHUNKING_CUT, 0, &e), &e);
}

static void
end(void)
{
	content_writer_free(&cw);
	writer_free(&w);
	session_close(&se);
	store_close(&st);
}

static void
setup(void)
{
	struct err e = {0};

	repo_make(&r);
	snprintf(r.path, sizeof(r.path), "%.40s/larger", r.dir);
	must(store_create(r.path, keyring_family(r.operations), &geometry, &e),
	    &e);
	bytes = malloc(ROOM_BYTES);
	repo_noise(bytes, FILE_BYTES, 7);
	begin(r.operations);
}

static void
teardown(void)
{
	end();
	free(bytes);
	repo_remove(&r);
}

/* --- versions of a file ---------------------------------------------------- */

/* What storing it added to the repository. */
static uint64_t
save(const struct content *previous, size_t len_bytes, size_t step_bytes,
    struct content *out)
{
	struct writer_tally before, after;
	struct err e = {0};

	writer_tally(w, &before);
	content_writer_reset(cw);
	if (previous != NULL)
		content_writer_previous(cw, previous);
	for (size_t at = 0, n; at < len_bytes; at += n) {
		n = len_bytes - at < step_bytes ? len_bytes - at : step_bytes;
		must(content_writer_add(cw, bytes + at, n, &e), &e);
	}
	must(content_writer_end(cw, out, &e), &e);
	must(writer_flush(w, &e), &e);
	writer_tally(w, &after);
	return after.stored_bytes - before.stored_bytes;
}

struct reading {
	struct reader *reader;
	unsigned deepest;
};

static enum err_code
compare_piece(void *ctx, const struct content_piece *piece,
    uint64_t offset_bytes, struct err *e)
{
	struct reading *rd = ctx;
	struct index_copy copy;
	const uint8_t *got;
	size_t len;
	enum err_code rc = reader_get(rd->reader, &piece->id, &got, &len, e);

	if (rc != ERR_NONE)
		return rc;
	ck_assert_uint_eq(len, piece->len_bytes);
	ck_assert_mem_eq(got, bytes + offset_bytes, len);
	ck_assert(index_find(st, &piece->id, 0, &copy));
	if (copy.depth > rd->deepest)
		rd->deepest = copy.depth;
	return ERR_NONE;
}

/* Does it hold what the file holds?  The depth of its deepest chunk. */
static unsigned
read_back(const struct content *c)
{
	OWNED(reader_free) struct reader *reader = NULL;
	struct reading rd = {0};
	struct err e = {0};

	must(reader_new(&reader, st, &e), &e);
	rd.reader = reader;
	must(content_each(st, c, compare_piece, &rd, &e), &e);
	return rd.deepest;
}

/* A few bytes here and there. */
static void
change(uint64_t seed)
{
	struct items_random rand = {seed};

	for (int i = 0; i < 5; i++)
		repo_noise(bytes + items_below(&rand, FILE_BYTES - 100), 100,
		    seed * 10 + (uint64_t)i);
}

static void
check_whole(void)
{
	struct check_options opt = {.depth = CHECK_OPEN};
	struct check_tally t;
	struct err e = {0};

	must(store_check(st, &opt, &t, &e), &e);
	ck_assert_uint_eq(t.damage_count, 0);
}

START_TEST(changed_chunks_are_stored_as_differences)
{
	static const size_t steps[] = {ROOM_BYTES, 30000, 1000};

	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		OWNED(content_fini) struct content first, second;
		uint64_t stored;

		repo_noise(bytes, FILE_BYTES, 100 + i);
		stored = save(NULL, FILE_BYTES, ROOM_BYTES, &first);
		ck_assert_uint_gt(stored, FILE_BYTES);
		ck_assert_uint_eq(read_back(&first), 0);
		change(i + 1);
		stored = save(&first, FILE_BYTES, steps[i], &second);
		ck_assert_uint_lt(stored, SMALL_BYTES);
		ck_assert_uint_eq(read_back(&second), 1);
	}
	check_whole();
}
END_TEST

START_TEST(what_was_put_in_does_not_shift_the_bases)
{
	OWNED(content_fini) struct content first, more;

	(void)save(NULL, FILE_BYTES, ROOM_BYTES, &first);
	memmove(bytes + 5000 + 333, bytes + 5000, FILE_BYTES - 5000);
	repo_noise(bytes + 5000, 333, 9);
	change(3);
	ck_assert_uint_lt(save(&first, FILE_BYTES + 333, 30000, &more),
	    SMALL_BYTES);
	(void)read_back(&more);
}
END_TEST

/*
 * The chunks behind what is taken out end in new places until one ends where an
 * old one did.  While none has, nobody knows how far the bytes moved: so that
 * little is stored is asked of some of several.
 */
START_TEST(what_was_taken_out_does_not_shift_the_bases)
{
	size_t len_bytes = FILE_BYTES, out_bytes = 21000, at = 9000;
	OWNED(content_fini) struct content before;
	unsigned small_count = 0;

	(void)save(NULL, len_bytes, ROOM_BYTES, &before);
	for (int i = 0; i < 8; i++, at += 25000) {
		struct content after;
		uint64_t stored;

		len_bytes -= out_bytes;
		memmove(bytes + at, bytes + at + out_bytes, len_bytes - at);
		stored = save(&before, len_bytes, 30000, &after);
		small_count += stored < 3500;
		(void)read_back(&after);
		content_fini(&before);
		before = after;
	}
	ck_assert_uint_ge(small_count, 3);
}
END_TEST

START_TEST(the_same_chunks_come_out_with_and_without_what_came_before)
{
	OWNED(content_fini) struct content first, told, untold;
	struct item a = {0}, b = {0};

	(void)save(NULL, FILE_BYTES, ROOM_BYTES, &first);
	memmove(bytes + 70001, bytes + 70000, FILE_BYTES - 70000);
	change(5);
	(void)save(&first, FILE_BYTES + 1, 777, &told);
	(void)save(NULL, FILE_BYTES + 1, ROOM_BYTES, &untold);
	a.content = told;
	b.content = untold;
	ck_assert(items_equal(&a, &b));
	/* Also where the old one ended and no chunk was cut. */
	content_fini(&told);
	content_fini(&untold);
	(void)save(&first, FILE_BYTES - 3000, 5000, &told);
	(void)save(NULL, FILE_BYTES - 3000, ROOM_BYTES, &untold);
	a.content = told;
	b.content = untold;
	ck_assert(items_equal(&a, &b));
	content_fini(&first);
	first = told;
	content_fini(&untold);
	(void)save(&first, FILE_BYTES, 5000, &told);
	(void)save(NULL, FILE_BYTES, ROOM_BYTES, &untold);
	a.content = told;
	b.content = untold;
	ck_assert(items_equal(&a, &b));
}
END_TEST

START_TEST(versions_upon_versions_never_lie_too_deep)
{
	struct content versions[10] = {0};
	unsigned deepest = 0, depth;

	(void)save(NULL, FILE_BYTES, ROOM_BYTES, &versions[0]);
	for (size_t i = 1; i < COUNT_OF(versions); i++) {
		/* always the same places, so that depths add up */
		for (size_t at = 1000; at < FILE_BYTES; at += 100000)
			repo_noise(bytes + at, 50, i * 1000 + at);
		ck_assert_uint_lt(save(&versions[i - 1], FILE_BYTES, 30000,
				      &versions[i]),
		    SMALL_BYTES);
		depth = read_back(&versions[i]);
		ck_assert_uint_le(depth, FRAME_DEPTH_MAX);
		deepest = depth > deepest ? depth : deepest;
	}
	ck_assert_uint_eq(deepest, FRAME_DEPTH_MAX);
	check_whole();
	for (size_t i = 0; i < COUNT_OF(versions); i++)
		content_fini(&versions[i]);
}
END_TEST

START_TEST(what_is_new_altogether_is_stored_plain)
{
	OWNED(content_fini) struct content first, second;

	(void)save(NULL, FILE_BYTES, ROOM_BYTES, &first);
	repo_noise(bytes, FILE_BYTES, 8);
	ck_assert_uint_gt(save(&first, FILE_BYTES, 30000, &second), FILE_BYTES);
	ck_assert_uint_eq(read_back(&second), 0);
}
END_TEST

START_TEST(a_previous_version_that_is_gone_costs_room_only)
{
	OWNED(content_fini) struct content first, second, third;
	struct content lost;

	(void)save(NULL, FILE_BYTES, ROOM_BYTES, &first);
	ck_assert(first.is_list);
	lost = first;
	lost.pieces = calloc(1, sizeof(*lost.pieces));
	lost.pieces[0].len_bytes = FILE_BYTES;
	repo_noise(lost.pieces[0].id.bytes, ID_BYTES, 4);
	change(1);
	ck_assert_uint_gt(save(&lost, FILE_BYTES, 30000, &second), PLAIN_BYTES);
	ck_assert_uint_eq(read_back(&second), 0);
	free(lost.pieces);
	/* nor does an empty one, or one that stood inline, help */
	lost = (struct content){.size_bytes = 0};
	change(2);
	(void)save(&lost, FILE_BYTES, 30000, &third);
	ck_assert_uint_eq(read_back(&third), 0);
}
END_TEST

/* --- what is on disk is not what it should be ------------------------------ */

static void
put_pack(const struct pack_piece *piece, struct landing *l)
{
	const struct pack_key key = {.key_id = *seal_key_id(se->key),
	    .domain = *keyring_domain(st->keyring),
	    .stanzas = se->stanzas.bytes,
	    .stanzas_bytes = se->stanzas.len_bytes};
	OWNED(pack_writer_free) struct pack_writer *pw = NULL;
	OWNED(buf_fini) struct buf footer = {0};
	struct pack_footer f = {0};
	struct pack_done done = {.fd = -1};
	char name[SESSION_TEMPORARY_BYTES];
	struct err e = {0};

	session_temporary(se, name);
	must(pack_writer_new(&pw, st, name, false, &e), &e);
	must(pack_writer_add(pw, piece, &e), &e);
	must(pack_writer_end(&pw, &key, &footer, &done, &e), &e);
	must(pack_footer_parse(&f, footer.bytes,
		 footer.len_bytes - PACK_TAIL_BYTES,
		 done.size_bytes - footer.len_bytes, &e),
	    &e);
	must(pack_footer_records(&f, (uint32_t)l->packs_count, &l->records, &e),
	    &e);
	must(landing_add(l, &done, &e), &e);
}

/* A chunk that a holder of the keys says is a difference. */
struct claim {
	const uint8_t *bytes; /* CLAIM_BYTES of them */
	const uint8_t *base_bytes;
	const struct id *bases;
	uint8_t bases_count, depth, said_depth;
};
#define CLAIM_BYTES ((size_t)6000)

static struct id
plant(const struct claim *c, struct landing *l)
{
	OWNED(frame_coder_free) struct frame_coder *coder = NULL;
	OWNED(buf_fini) struct buf frame = {0}, raw = {0}, prefix = {0};
	struct frame_plain p = {.kind = STORE_DATA,
	    .family = st->family,
	    .bases = (const uint8_t *)c->bases,
	    .bases_count = c->bases_count,
	    .depth = c->depth};
	struct frame_hash hash;
	struct pack_piece piece = {.hash = &hash,
	    .ids_count = 1,
	    .kind = STORE_DATA};
	struct err e = {0};
	struct id id;

	writer_name(w, c->bytes, CLAIM_BYTES, &id);
	must(le_add32(&raw, 1, &e), &e);
	must(le_add32(&raw, CLAIM_BYTES, &e), &e);
	must(buf_add(&raw, c->bytes, CLAIM_BYTES, &e), &e);
	for (int i = 0; i < c->bases_count; i++)
		must(buf_add(&prefix, c->base_bytes, CLAIM_BYTES, &e), &e);
	p.raw = raw.bytes;
	p.raw_bytes = raw.len_bytes;
	p.prefix = prefix.bytes;
	p.prefix_bytes = prefix.len_bytes;
	must(frame_coder_new(&coder, &e), &e);
	must(frame_encode(coder, &p, se->key, &frame, &e), &e);
	ck_assert_uint_eq(frame.bytes[FRAME_DEPTH_AT], c->depth);
	piece.bytes = frame.bytes;
	piece.len_bytes = frame.len_bytes;
	piece.ids = &id;
	piece.depth = c->said_depth;
	must(frame_hash_make(&hash, frame.bytes, frame.len_bytes, &e), &e);
	put_pack(&piece, l);
	return id;
}

static void
land(struct landing *l)
{
	struct err e = {0};

	must(landing_flush(l, &e), &e);
	must(store_refresh(st, &e), &e);
	landing_fini(l);
}

static struct err answer;

/* What a reader says to a chunk. */
static enum err_code
try_read(const struct id *id, const uint8_t *expected)
{
	OWNED(reader_free) struct reader *reader = NULL;
	const uint8_t *got;
	size_t len;
	struct err e = {0};
	enum err_code rc;

	must(reader_new(&reader, st, &e), &e);
	rc = reader_get(reader, id, &got, &len, &answer);
	if (rc == ERR_NONE) {
		ck_assert_uint_eq(len, CLAIM_BYTES);
		ck_assert_mem_eq(got, expected, len);
	}
	return rc;
}

/* Two chunks that are much alike. */
static uint8_t one[CLAIM_BYTES], two[CLAIM_BYTES];

static void
make_alike(void)
{
	repo_noise(one, sizeof(one), 1);
	memcpy(two, one, sizeof(two));
	two[100] ^= 1;
}

START_TEST(chunks_that_are_told_from_each_other_end_nowhere)
{
	for (uint8_t said = 0; said <= 1; said++) {
		struct landing l;
		struct id a, b;

		repo_noise(one, sizeof(one), 20 + said);
		memcpy(two, one, sizeof(two));
		two[9] ^= 4;
		writer_name(w, one, CLAIM_BYTES, &a);
		writer_name(w, two, CLAIM_BYTES, &b);
		landing_init(&l, se);
		(void)plant(&(struct claim){one, two, &b, 1, 1, said}, &l);
		(void)plant(&(struct claim){two, one, &a, 1, 1, said}, &l);
		land(&l);
		ck_assert_int_eq(try_read(&a, one), ERR_CORRUPT);
		ck_assert_int_eq(try_read(&b, two), ERR_CORRUPT);
	}
}
END_TEST

START_TEST(any_copy_of_a_base_that_is_less_deep_will_do)
{
	struct landing l;
	struct id a, b;

	make_alike();
	landing_init(&l, se);
	writer_name(w, one, CLAIM_BYTES, &a);
	b = plant(&(struct claim){two, one, &a, 1, 1, 1}, &l);
	land(&l);
	ck_assert_int_eq(try_read(&b, two), ERR_CORRUPT); /* no base at all */
	landing_init(&l, se);
	/* a copy that is no good, for b is told from it; and later a plain one */
	(void)plant(&(struct claim){one, two, &b, 1, 2, 2}, &l);
	land(&l);
	ck_assert_int_eq(try_read(&b, two), ERR_CORRUPT);
	landing_init(&l, se);
	(void)plant(&(struct claim){.bytes = one}, &l);
	land(&l);
	ck_assert_int_eq(try_read(&b, two), ERR_NONE);
	ck_assert_int_eq(try_read(&a, one), ERR_NONE);
}
END_TEST

START_TEST(a_base_that_is_not_what_it_is_called_is_refused)
{
	struct landing l;
	struct id a, b;

	make_alike();
	landing_init(&l, se);
	a = plant(&(struct claim){.bytes = one}, &l);
	/* Told from other bytes than the base's: opens, and is not its id. */
	b = plant(&(struct claim){two, two, &a, 1, 1, 1}, &l);
	land(&l);
	ck_assert_int_eq(try_read(&a, one), ERR_NONE);
	ck_assert_int_eq(try_read(&b, two), ERR_CORRUPT);
}
END_TEST

START_TEST(bases_of_too_many_bytes_are_refused)
{
	OWNED(free_mem) uint8_t *large = calloc(1, (size_t)1 << 20);
	struct id bases[FRAME_BASES_MAX], b;
	struct landing l;
	struct err e = {0};

	make_alike();
	repo_noise(large, (size_t)1 << 20, 6);
	must(writer_put(w, STORE_DATA, large, (size_t)1 << 20, NULL, 0,
		 &bases[0], &e),
	    &e);
	must(writer_flush(w, &e), &e);
	for (size_t i = 1; i < COUNT_OF(bases); i++)
		bases[i] = bases[0];
	landing_init(&l, se);
	b = plant(&(struct claim){two, one, bases, FRAME_BASES_MAX, 1, 1}, &l);
	land(&l);
	ck_assert_int_eq(try_read(&b, two), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(answer.text, "bases of more than"));
}
END_TEST

START_TEST(a_base_too_deep_gives_way_to_its_own)
{
	uint8_t versions[FRAME_DEPTH_MAX + 1][CLAIM_BYTES];
	struct id ids[FRAME_DEPTH_MAX + 1], none;
	struct bases b = {0};
	struct landing l;
	struct err e = {0};

	landing_init(&l, se);
	for (uint8_t d = 0; d <= FRAME_DEPTH_MAX; d++) {
		repo_noise(versions[d], CLAIM_BYTES, 1);
		versions[d][d * 10] ^= 1;
		ids[d] = plant(&(struct claim){versions[d],
				   d > 0 ? versions[d - 1] : NULL,
				   d > 0 ? &ids[d - 1] : NULL, d > 0, d, d},
		    &l);
	}
	land(&l);
	ck_assert_int_eq(try_read(&ids[FRAME_DEPTH_MAX],
			     versions[FRAME_DEPTH_MAX]),
	    ERR_NONE);
	must(bases_add(&b, st, &ids[FRAME_DEPTH_MAX], 1, &e), &e);
	ck_assert_uint_eq(b.count, 1);
	ck_assert(id_equal(&b.ids[0], &ids[FRAME_DEPTH_MAX - 1]));
	ck_assert_uint_eq(b.depth, FRAME_DEPTH_MAX);
	/* the same again, and what is not there */
	repo_noise(none.bytes, ID_BYTES, 5);
	must(bases_add(&b, st, &ids[FRAME_DEPTH_MAX], 1, &e), &e);
	must(bases_add(&b, st, &none, 1, &e), &e);
	ck_assert_uint_eq(b.count, 1);
	must(bases_add(&b, st, &ids[0], 1, &e), &e);
	ck_assert_uint_eq(b.count, 2);
	ck_assert_uint_eq(b.depth, FRAME_DEPTH_MAX);
}
END_TEST

START_TEST(a_lost_base_is_told_of_and_nothing_is_committed_upon_it)
{
	OWNED(content_fini) struct content first, second;
	OWNED(pack_list_fini) struct pack_list all = {0};
	struct check_options opt = {.depth = CHECK_OPEN};
	struct check_tally t;
	struct snapshot s = {.service = "local", .dataset = "db"};
	struct tree_writer *tw = NULL;
	struct item it = {.entry = {.type = ENTRY_FILE}};
	char path[256], hex[ID_HEX_BYTES];
	struct index_copy copy;
	struct err e = {0};

	(void)save(NULL, FILE_BYTES, ROOM_BYTES, &first);
	change(1);
	(void)save(&first, FILE_BYTES, 30000, &second);
	must(tree_writer_new(&tw, w, &e), &e);
	must(entry_set_path(&it.entry, "file", 4, &e), &e);
	it.entry.size_bytes = FILE_BYTES;
	it.content = second;
	must(tree_writer_add(tw, &it, &e), &e);
	must(tree_writer_root(tw, &s.root, &e), &e);
	tree_writer_free(&tw);
	must(snapshot_commit(se, w, &s, &e), &e);
	must(store_needed_packs(&all, st, &s.id, 1, &e), &e);
	/* the first is the bases': they come before what is told from them */
	(void)id_hex(&all.packs[0].name, hex);
	ck_assert(!all.packs[0].metadata);
	snprintf(path, sizeof(path), "%s/packs/%.2s/%s", r.path, hex, hex);
	ck_assert_int_eq(unlink(path), 0);
	must(store_refresh(st, &e), &e);
	must(store_check(st, &opt, &t, &e), &e);
	ck_assert_uint_gt(t.damage_count, 0);
	s.service[0] = 'm'; /* another series: nothing of it is known whole */
	ck_assert_int_eq(snapshot_commit(se, w, &s, &e), ERR_CORRUPT);
	(void)copy;
	free(it.entry.path.bytes);
	snapshot_fini(&s);
}
END_TEST

/* --- writers that cannot read ---------------------------------------------- */

static struct delta_cache *
open_cache(uint64_t size_bytes, int64_t keep_ns)
{
	struct delta_cache_limits limits = {size_bytes, keep_ns};
	struct delta_cache *dc;
	char path[80];
	struct err e = {0};

	snprintf(path, sizeof(path), "%s/cache/deltas", r.dir);
	must(delta_cache_open(&dc, path, &limits, &e), &e);
	return dc;
}

#define HOUR_NS (INT64_C(3600) * 1000000000)
#define PLENTY  ((uint64_t)64 << 20)

START_TEST(without_a_read_key_there_are_differences_from_a_cache_only)
{
	OWNED(content_fini) struct content first = {0}, second = {0}, third;
	OWNED(delta_cache_close) struct delta_cache *dc = NULL;

	for (int with = 0; with <= 1; with++) {
		content_fini(&first);
		content_fini(&second);
		end();
		begin(r.writer);
		repo_noise(bytes, FILE_BYTES, 50 + (uint64_t)with);
		if (with)
			dc = open_cache(PLENTY, HOUR_NS);
		writer_set_delta_cache(w, dc);
		(void)save(NULL, FILE_BYTES, ROOM_BYTES, &first);
		change(1);
		if (with)
			ck_assert_uint_lt(save(&first, FILE_BYTES, 30000,
					      &second),
			    SMALL_BYTES);
		else
			ck_assert_uint_gt(save(&first, FILE_BYTES, 30000,
					      &second),
			    PLAIN_BYTES);
		end();
		begin(r.operations);
		ck_assert_uint_eq(read_back(&second), (unsigned)with);
	}
	/* The differences' own plaintext was kept as well. */
	end();
	begin(r.writer);
	writer_set_delta_cache(w, dc);
	change(2);
	ck_assert_uint_lt(save(&second, FILE_BYTES, 30000, &third),
	    SMALL_BYTES);
	end();
	begin(r.operations);
	(void)read_back(&third);
	check_whole();
}
END_TEST

/* A failure that is no failure of the writing costs room, not the backup. */
START_TEST(any_failing_call_leaves_versions_that_can_be_read)
{
	OWNED(content_fini) struct content first;
	struct err e = {0};
	bool fired = true;

	(void)save(NULL, FILE_BYTES, ROOM_BYTES, &first);
	for (int nth = 1; fired; nth++) {
		struct content c = {0};
		enum err_code rc;

		ck_assert_int_lt(nth, 500);
		change((uint64_t)nth + 10);
		content_writer_reset(cw);
		fault_arm_deep(nth, EIO);
		content_writer_previous(cw, &first);
		rc = content_writer_add(cw, bytes, FILE_BYTES, &e);
		if (rc == ERR_NONE)
			rc = content_writer_end(cw, &c, &e);
		if (rc == ERR_NONE)
			rc = writer_flush(w, &e);
		fired = fault_fired();
		if (rc == ERR_NONE)
			(void)read_back(&c);
		content_fini(&c);
		end();
		begin(r.operations);
	}
	check_whole();
}
END_TEST

Suite *
suite_store_difference(void)
{
	Suite *s = suite_create("store/difference");
	TCase *tc = tcase_create("difference");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, changed_chunks_are_stored_as_differences);
	tcase_add_test(tc, what_was_put_in_does_not_shift_the_bases);
	tcase_add_test(tc, what_was_taken_out_does_not_shift_the_bases);
	tcase_add_test(tc,
	    the_same_chunks_come_out_with_and_without_what_came_before);
	tcase_add_test(tc, versions_upon_versions_never_lie_too_deep);
	tcase_add_test(tc, what_is_new_altogether_is_stored_plain);
	tcase_add_test(tc, a_previous_version_that_is_gone_costs_room_only);
	tcase_add_test(tc, chunks_that_are_told_from_each_other_end_nowhere);
	tcase_add_test(tc, any_copy_of_a_base_that_is_less_deep_will_do);
	tcase_add_test(tc, a_base_that_is_not_what_it_is_called_is_refused);
	tcase_add_test(tc, bases_of_too_many_bytes_are_refused);
	tcase_add_test(tc, a_base_too_deep_gives_way_to_its_own);
	tcase_add_test(tc,
	    a_lost_base_is_told_of_and_nothing_is_committed_upon_it);
	tcase_add_test(tc,
	    without_a_read_key_there_are_differences_from_a_cache_only);
	tcase_add_test(tc, any_failing_call_leaves_versions_that_can_be_read);
	suite_add_tcase(s, tc);
	return s;
}
