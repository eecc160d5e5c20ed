#include "../../../lib/replicate/receiver.h"

#include <check.h>

#include <bascule/base/le.h>

#include "support/sinkfake.h"

static struct sinkfake fake;
static struct receiver *r;
static struct err e;
static struct buf payload;

static void
begin(unsigned allow)
{
	struct receiver_sink sink;
	struct receiver_voice voice;

	sinkfake_init(&fake, &sink, &voice);
	ck_assert_int_eq(receiver_new(&r, &sink, &voice, allow, &e), ERR_NONE);
	memset(&e, 0, sizeof(e));
}

static void
setup(void)
{
	begin(SERVE_PUT);
}

static void
teardown(void)
{
	receiver_free(&r);
	sinkfake_fini(&fake);
	buf_fini(&payload);
}

static enum err_code
take(enum rmsg_type type, const void *bytes, size_t len)
{
	return receiver_take(r, &(struct rmsg){type, bytes, len}, &e);
}

static enum err_code
hello_of(uint16_t version, uint64_t required)
{
	struct rmsg_hello h = {.version = version, .required = required};

	buf_clear(&payload);
	ck_assert_int_eq(rmsg_put_hello(&payload, &h, &e), ERR_NONE);
	return take(RMSG_HELLO, payload.bytes, payload.len_bytes);
}

static void
hello(void)
{
	ck_assert_int_eq(hello_of(RMSG_VERSION, 0), ERR_NONE);
}

/* Packs named by one byte each, all of size_bytes. */
static enum err_code
packs(const char *names, uint64_t size_bytes)
{
	uint8_t *at;
	size_t n = strlen(names);

	buf_clear(&payload);
	ck_assert_int_eq(buf_extend(&payload, 8 + n * RMSG_PACK_ENTRY, &at, &e),
	    ERR_NONE);
	memset(at, 0, 8 + n * RMSG_PACK_ENTRY);
	le_put32(at, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		memset(at + 8 + i * RMSG_PACK_ENTRY, names[i], ID_BYTES);
		le_put64(at + 8 + i * RMSG_PACK_ENTRY + ID_BYTES, size_bytes);
	}
	return take(RMSG_PACKS, payload.bytes, payload.len_bytes);
}

static enum err_code
pack(uint32_t ordinal)
{
	uint8_t at[4];

	le_put32(at, ordinal);
	return take(RMSG_PACK, at, sizeof(at));
}

static uint64_t
last_settled(void)
{
	ck_assert_uint_eq(fake.last.len_bytes, 8);
	return le_get64(fake.last.bytes);
}

static struct rmsg_result
last_result(void)
{
	struct rmsg_result result;

	ck_assert_int_eq(rmsg_take_result(&result,
			     &(struct rmsg){RMSG_RESULT, fake.last.bytes,
				 fake.last.len_bytes},
			     &e),
	    ERR_NONE);
	return result;
}

static enum err_code
epoch(uint64_t number, const char *service, size_t len)
{
	uint8_t at[8 + 80];

	le_put64(at, number);
	memcpy(at + 8, service, len);
	return take(RMSG_EPOCH, at, 8 + len);
}

START_TEST(an_epoch_is_taken_and_a_low_one_ends_the_session)
{
	hello();
	ck_assert_int_eq(epoch(7, "housing", 7), ERR_NONE);
	ck_assert_uint_eq(fake.epochs_count, 1);
	ck_assert_uint_eq(fake.said.len_bytes, 1); /* not answered */
	ck_assert_int_eq(epoch(1, "housing", 7), ERR_BUSY);
	ck_assert(receiver_has_ended(r));
}
END_TEST

START_TEST(an_epoch_of_nothing_or_none_is_refused)
{
	static const struct {
		uint64_t number;
		const char *service;
		size_t len;
	} bad[] = {{0, "housing", 7}, {2, "", 0}, {2, "a\0b", 3},
	    {2,
		"0123456789012345678901234567890123456789012345678901234567890"
		"1234",
		65}};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		hello();
		ck_assert_int_eq(epoch(bad[i].number, bad[i].service,
				     bad[i].len),
		    ERR_INPUT);
		teardown();
		setup();
	}
	ck_assert_int_eq(epoch(2, "early", 5), ERR_INPUT); /* before HELLO */
}
END_TEST

START_TEST(a_whole_conversation_takes_everything_in)
{
	static const uint8_t said[] = {RMSG_WELCOME, RMSG_WANT, RMSG_SETTLED,
	    RMSG_RESULT, RMSG_RESULT, RMSG_FAREWELL};

	hello();
	ck_assert_int_eq(packs("a\xaa"
			       "b",
			     6),
	    ERR_NONE);
	ck_assert_uint_eq(fake.last.bytes[4], 5); /* a and b, not \xaa */
	ck_assert_int_eq(pack(0), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, "abc", 3), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, "def", 3), ERR_NONE);
	ck_assert_int_eq(pack(2), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, "abcdef", 6), ERR_NONE);
	ck_assert_uint_eq(fake.flushes_count, 0);
	/* A snapshot settles what came before it. */
	ck_assert_int_eq(take(RMSG_SNAPSHOT, "s", 1), ERR_NONE);
	ck_assert_uint_eq(fake.flushes_count, 1);
	ck_assert_int_eq(take(RMSG_POINT, "p", 1), ERR_NONE);
	ck_assert_int_eq(take(RMSG_BYE, NULL, 0), ERR_NONE);
	ck_assert(receiver_has_ended(r));
	ck_assert_uint_eq(fake.said.len_bytes, sizeof(said));
	ck_assert_mem_eq(fake.said.bytes, said, sizeof(said));
	ck_assert_uint_eq(receiver_tally(r)->packs_count, 2);
	ck_assert_uint_eq(receiver_tally(r)->pack_bytes, 12);
	ck_assert_uint_eq(receiver_tally(r)->snapshots_count, 1);
	ck_assert_uint_eq(receiver_tally(r)->points_count, 1);
}
END_TEST

START_TEST(nothing_may_be_put_unless_allowed)
{
	teardown();
	begin(SERVE_NOTHING);
	ck_assert_int_eq(hello_of(RMSG_VERSION, 0), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "--allow put"));
	ck_assert(!fake.open);
}
END_TEST

START_TEST(versions_and_features_it_does_not_know_are_refused)
{
	ck_assert_int_eq(hello_of(_i == 0 ? 2 : 1,
			     _i == 0 ? 0 : RMSG_FEATURES + 1),
	    ERR_TOONEW);
	ck_assert(!fake.open && receiver_has_ended(r));
}
END_TEST

START_TEST(nothing_comes_before_hello_and_nothing_twice)
{
	ck_assert_int_eq(packs("a", 1), ERR_INPUT);
	ck_assert(receiver_has_ended(r));
	teardown();
	setup();
	hello();
	ck_assert_int_eq(hello_of(RMSG_VERSION, 0), ERR_INPUT);
	teardown();
	setup();
	hello();
	ck_assert_int_eq(take(RMSG_DATA, "a", 1), ERR_INPUT);
	teardown();
	setup();
	hello();
	/* What a receiver says, said to it. */
	ck_assert_int_eq(take(RMSG_SETTLED, "12345678", 8), ERR_INPUT);
}
END_TEST

START_TEST(only_packs_that_were_asked_for_are_taken_and_once)
{
	static const uint32_t wrong[] = {1, 2, UINT32_MAX};

	hello();
	ck_assert_int_eq(packs("a\xaa", 1), ERR_NONE);
	if (_i < 3) {
		ck_assert_int_eq(pack(wrong[_i]), ERR_INPUT);
		return;
	}
	ck_assert_int_eq(pack(0), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, "x", 1), ERR_NONE);
	ck_assert_int_eq(pack(0), ERR_INPUT);
}
END_TEST

START_TEST(a_pack_cannot_be_longer_than_it_said)
{
	hello();
	ck_assert_int_eq(packs("a", 2), ERR_NONE);
	ck_assert_int_eq(pack(0), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, "abc", 3), ERR_INPUT);
}
END_TEST

START_TEST(sizes_no_pack_can_have_are_refused)
{
	static const uint64_t sizes[] = {0, RMSG_PACK_BYTES_MAX + 1,
	    UINT64_MAX};

	hello();
	ck_assert_int_eq(packs("a", sizes[_i]), ERR_INPUT);
}
END_TEST

/* The rest of a refused pack goes by, and the next is welcome. */
START_TEST(a_bad_pack_is_refused_and_the_others_go_on)
{
	enum err_code *const fails[] = {&fake.fail_begin, &fake.fail_add,
	    &fake.fail_end};

	*fails[_i] = ERR_CORRUPT;
	hello();
	ck_assert_int_eq(packs("ab", 2), ERR_NONE);
	ck_assert_int_eq(pack(0), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, "x", 1), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, "y", 1), ERR_NONE);
	ck_assert_int_eq(last_result().why.code, ERR_CORRUPT);
	ck_assert_int_eq(last_result().kind, RMSG_KIND_PACK);
	ck_assert_uint_eq(last_result().ordinal, 0);
	ck_assert_str_eq(last_result().why.text, "the fake says no");
	*fails[_i] = ERR_NONE;
	ck_assert_int_eq(pack(1), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, "xy", 2), ERR_NONE);
	ck_assert_int_eq(take(RMSG_FLUSH, NULL, 0), ERR_NONE);
	ck_assert_uint_eq(last_settled(), 2);
	ck_assert_uint_eq(receiver_tally(r)->packs_count, 1);
	ck_assert_uint_eq(receiver_tally(r)->refused_count, 1);
}
END_TEST

START_TEST(a_full_disk_ends_it_wherever_it_is_met)
{
	enum err_code *const fails[] = {&fake.fail_begin, &fake.fail_add,
	    &fake.fail_end, &fake.fail_flush, &fake.fail_file, &fake.fail_open};
	enum err_code rc;

	*fails[_i] = ERR_NOSPACE;
	rc = hello_of(RMSG_VERSION, 0);
	if (rc == ERR_NONE)
		rc = packs("a", 1);
	if (rc == ERR_NONE)
		rc = pack(0);
	if (rc == ERR_NONE)
		rc = take(RMSG_DATA, "x", 1);
	if (rc == ERR_NONE)
		rc = take(RMSG_SNAPSHOT, "s", 1);
	ck_assert_int_eq(rc, ERR_NOSPACE);
	ck_assert(receiver_has_ended(r));
	ck_assert_uint_eq(fake.snapshots_count, 0);
	ck_assert_int_eq(take(RMSG_BYE, NULL, 0), ERR_INPUT);
}
END_TEST

START_TEST(a_snapshot_without_its_closure_is_refused_alone)
{
	hello();
	fake.fail_file = ERR_NOTFOUND;
	ck_assert_int_eq(take(RMSG_SNAPSHOT, "s", 1), ERR_NONE);
	ck_assert_int_eq(last_result().why.code, ERR_NOTFOUND);
	fake.fail_file = ERR_NONE;
	ck_assert_int_eq(take(RMSG_SNAPSHOT, "t", 1), ERR_NONE);
	ck_assert_int_eq(last_result().why.code, ERR_NONE);
	ck_assert_uint_eq(last_result().ordinal, 1);
	ck_assert_uint_eq(receiver_tally(r)->refused_count, 1);
	ck_assert_uint_eq(receiver_tally(r)->snapshots_count, 1);
}
END_TEST

START_TEST(half_the_credit_is_settled_without_being_asked)
{
	char names[RMSG_CREDIT_COUNT / 2 + 1] = {0};

	memset(names, 'a', RMSG_CREDIT_COUNT / 2);
	hello();
	ck_assert_int_eq(packs(names, 1), ERR_NONE);
	for (uint32_t i = 0; i < RMSG_CREDIT_COUNT / 2; i++) {
		ck_assert_uint_eq(fake.flushes_count, 0);
		ck_assert_int_eq(pack(i), ERR_NONE);
		ck_assert_int_eq(take(RMSG_DATA, "x", 1), ERR_NONE);
	}
	ck_assert_uint_eq(fake.flushes_count, 1);
	ck_assert_uint_eq(last_settled(), RMSG_CREDIT_COUNT / 2);
}
END_TEST

/* Whatever the length says, the content decides. */
START_TEST(lists_that_lie_about_their_count_are_refused)
{
	uint8_t list[8 + RMSG_PACK_ENTRY] = {0};
	const size_t lens[] = {0, 7, 8, sizeof(list) - 1, sizeof(list)};

	hello();
	le_put32(list, _i < 4 ? 1 : 2);
	ck_assert_int_eq(take(RMSG_PACKS, list, lens[_i]), ERR_INPUT);
	teardown();
	setup();
	hello();
	memset(list, 0, sizeof(list));
	list[0] = RMSG_KIND_SNAPSHOT;
	le_put32(list + 4, UINT32_MAX);
	ck_assert_int_eq(take(RMSG_OFFER, list, lens[_i]), ERR_INPUT);
}
END_TEST

/* --- what was left here, and what is here in other packs ------------------------- */

static void
hello_with(uint64_t features)
{
	struct rmsg_hello h = {.version = RMSG_VERSION, .features = features};

	buf_clear(&payload);
	ck_assert_int_eq(rmsg_put_hello(&payload, &h, &e), ERR_NONE);
	ck_assert_int_eq(take(RMSG_HELLO, payload.bytes, payload.len_bytes),
	    ERR_NONE);
}

static enum err_code
rest(uint32_t ordinal, uint32_t block)
{
	uint8_t at[8];

	le_put32(at, ordinal);
	le_put32(at + 4, block);
	return take(RMSG_REST, at, sizeof(at));
}

/* --- its word that a point is here ------------------------------------------------ */

static enum err_code
wish(uint8_t point, const char *service)
{
	struct rmsg_wish w = {0};

	memset(w.point.bytes, point, ID_BYTES);
	snprintf(w.service, sizeof(w.service), "%s", service);
	buf_clear(&payload);
	ck_assert_int_eq(rmsg_put_wish(&payload, &w, &e), ERR_NONE);
	return take(RMSG_ACKNOWLEDGE, payload.bytes, payload.len_bytes);
}

static enum rmsg_type
last_type(void)
{
	return (enum rmsg_type)fake.said.bytes[fake.said.len_bytes - 1];
}

/* What it cannot say of one point it may say of the next. */
START_TEST(each_point_that_is_asked_about_is_answered_in_turn)
{
	hello_with(RMSG_FEATURES);
	ck_assert_int_eq(wish('p', "housing"), ERR_NONE);
	ck_assert_int_eq(last_type(), RMSG_ACKNOWLEDGED);
	ck_assert_uint_eq(fake.last.len_bytes, ID_BYTES);
	ck_assert_int_eq(fake.last.bytes[0], 'p');
	fake.fail_ack = ERR_NOTFOUND;
	ck_assert_int_eq(wish('q', "housing"), ERR_NONE);
	ck_assert_int_eq(last_type(), RMSG_RESULT);
	ck_assert_int_eq(last_result().kind, RMSG_KIND_ACK);
	ck_assert_uint_eq(last_result().ordinal, 1);
	ck_assert_int_eq(last_result().why.code, ERR_NOTFOUND);
	fake.fail_ack = ERR_NONE;
	ck_assert_int_eq(wish('r', "housing"), ERR_NONE);
	ck_assert_int_eq(fake.last.bytes[0], 'r');
	ck_assert_uint_eq(fake.wishes_count, 3);
	fake.fail_ack = ERR_IO; /* not the point's own fault */
	ck_assert_int_eq(wish('s', "housing"), ERR_IO);
	ck_assert(receiver_has_ended(r));
}
END_TEST

START_TEST(who_was_not_promised_a_word_gets_none)
{
	hello(); /* which names no features */
	ck_assert_int_eq(wish('p', "housing"), ERR_INPUT);
	teardown();
	setup();
	hello_with(RMSG_FEATURES);
	ck_assert_int_eq(wish('p', ""), ERR_INPUT);
	teardown();
	setup();
	ck_assert_int_eq(wish('p', "housing"), ERR_INPUT); /* before HELLO */
	ck_assert_uint_eq(fake.wishes_count, 0);
}
END_TEST

START_TEST(one_without_a_key_does_not_offer_its_word)
{
	struct receiver_sink sink;
	struct receiver_voice voice;
	struct rmsg_welcome w;

	teardown();
	sinkfake_init(&fake, &sink, &voice);
	sink.acknowledge = NULL;
	ck_assert_int_eq(receiver_new(&r, &sink, &voice, SERVE_PUT, &e),
	    ERR_NONE);
	hello_with(RMSG_FEATURES);
	ck_assert_int_eq(rmsg_take_welcome(&w,
			     &(struct rmsg){RMSG_WELCOME, fake.last.bytes,
				 fake.last.len_bytes},
			     &e),
	    ERR_NONE);
	ck_assert_uint_eq(w.features,
	    RMSG_FEATURES & ~(RMSG_ACKS | RMSG_PARTS));
	ck_assert_int_eq(wish('p', "housing"), ERR_INPUT);
}
END_TEST

static enum err_code
assign_all(void *ctx, const uint8_t *entries, size_t count, uint8_t *bits,
    struct err *err)
{
	(void)ctx, (void)entries, (void)count, (void)bits, (void)err;
	return ERR_NONE;
}

static enum err_code
settle_at_once(void *ctx, struct err *err)
{
	(void)ctx, (void)err;
	return ERR_NONE;
}

/* What it said it does not want it does not take, whatever the sender makes of it. */
START_TEST(a_further_connection_takes_packs_only)
{
	static const enum rmsg_type others[] = {RMSG_SNAPSHOT, RMSG_POINT,
	    RMSG_GRANT, RMSG_ACKNOWLEDGE};
	static const struct receiver_share share = {.packs_only = true,
	    .assign = assign_all,
	    .settle = settle_at_once};
	uint8_t bytes[ID_BYTES + 7]; /* of a wish, "fffffff" */
	struct receiver_sink sink;
	struct receiver_voice voice;

	memset(bytes, 'f', sizeof(bytes));
	teardown();
	sinkfake_init(&fake, &sink, &voice);
	sink.share = &share;
	ck_assert_int_eq(receiver_new(&r, &sink, &voice, SERVE_PUT, &e),
	    ERR_NONE);
	hello_with(RMSG_FEATURES);
	ck_assert_int_eq(packs("a", 10), ERR_NONE);
	ck_assert_int_eq(take(others[_i], bytes, sizeof(bytes)), ERR_INPUT);
	ck_assert(receiver_has_ended(r));
	ck_assert_uint_eq(fake.snapshots_count + fake.points_count +
		fake.wishes_count,
	    0);
}
END_TEST

static const uint8_t noise[3 * RMSG_BLOCK_BYTES];

START_TEST(what_is_staged_is_said_and_only_the_rest_is_taken)
{
	const uint8_t *entries;
	size_t count;

	hello_with(RMSG_FEATURES);
	/* of \xbb two blocks are there, \xcc is there whole, a not at all */
	ck_assert_int_eq(packs("a\xbb\xcc", sizeof(noise)), ERR_NONE);
	ck_assert_uint_eq(fake.said.bytes[fake.said.len_bytes - 2], RMSG_WANT);
	ck_assert_int_eq(rmsg_take_staged(&entries, &count, 3,
			     &(struct rmsg){RMSG_STAGED, fake.last.bytes,
				 fake.last.len_bytes},
			     &e),
	    ERR_NONE);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(rmsg_staged_at(entries, 0).ordinal, 1);
	ck_assert_uint_eq(rmsg_staged_at(entries, 0).blocks_count, 2);
	ck_assert_uint_eq(fake.settled_count, 1); /* \xcc */
	ck_assert_int_eq(rest(1, 2), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, noise, RMSG_BLOCK_BYTES), ERR_NONE);
	ck_assert_uint_eq(fake.packs_count, 2);
	ck_assert_int_eq(rest(1, 2), ERR_INPUT); /* once */
}
END_TEST

START_TEST(a_whole_one_that_is_no_good_is_wanted)
{
	fake.fail_end = ERR_CORRUPT;
	hello_with(0);
	ck_assert_int_eq(packs("\xcc", 100), ERR_NONE);
	ck_assert_uint_eq(fake.said.bytes[fake.said.len_bytes - 1], RMSG_WANT);
	ck_assert_uint_eq(fake.last.bytes[4], 1);
	ck_assert_uint_eq(fake.flushes_count, 0);
	fake.fail_end = ERR_NONE;
	ck_assert_int_eq(pack(0), ERR_NONE);
}
END_TEST

START_TEST(a_disk_that_fails_under_a_whole_one_ends_it)
{
	fake.fail_end = ERR_NOSPACE;
	hello();
	ck_assert_int_eq(packs("\xcc", 100), ERR_NOSPACE);
}
END_TEST

START_TEST(rests_that_make_no_sense_are_refused)
{
	static const struct {
		uint32_t ordinal, block;
	} wrong[] = {{0, 0}, {0, 3}, {0, UINT32_MAX}, {1, 1}, {2, 1},
	    {UINT32_MAX, 1}};

	hello_with(RMSG_FEATURES);
	ck_assert_int_eq(packs("\xbb\xaa", sizeof(noise)), ERR_NONE);
	ck_assert_int_eq(rest(wrong[_i].ordinal, wrong[_i].block), ERR_INPUT);
}
END_TEST

/* names: a byte each, the first of a frame's hash; lens: its length. */
static enum err_code
frames(enum rmsg_type type, const char *names, const uint32_t *lens,
    uint8_t bits)
{
	struct store_frame f[8];
	size_t n = strlen(names);

	for (size_t i = 0; i < n; i++) {
		memset(&f[i], names[i], sizeof(f[i]));
		f[i].len_bytes = lens[i];
	}
	buf_clear(&payload);
	ck_assert_int_eq(rmsg_put_frames(&payload, 0, f, n,
			     type == RMSG_COMPOSE ? &bits : NULL, &e),
	    ERR_NONE);
	return take(type, payload.bytes, payload.len_bytes);
}

START_TEST(a_pack_is_put_together_from_what_comes_and_what_is_here)
{
	static const uint32_t lens[] = {1000, 50, 7000, 1};

	hello_with(RMSG_FEATURES);
	ck_assert_int_eq(packs("a", 10000), ERR_NONE);
	ck_assert_int_eq(frames(RMSG_FRAMES,
			     "\xaa"
			     "b\xaa\xaa",
			     lens, 0),
	    ERR_NONE);
	ck_assert_uint_eq(fake.said.bytes[fake.said.len_bytes - 1], RMSG_LACK);
	ck_assert_uint_eq(fake.last.bytes[8], 2); /* b */
	ck_assert_int_eq(frames(RMSG_COMPOSE,
			     "\xaa"
			     "b\xaa\xaa",
			     lens, 2),
	    ERR_NONE);
	/* the head, b, and 1917 behind the frames, in any pieces */
	ck_assert_int_eq(take(RMSG_DATA, noise, 31), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, noise, 30), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, noise, 21), ERR_NONE);
	ck_assert_uint_eq(fake.got_bytes, 10000 - 1917);
	ck_assert_int_eq(take(RMSG_DATA, noise, 1916), ERR_NONE);
	ck_assert_uint_eq(fake.packs_count, 0);
	if (_i == 0) {
		ck_assert_int_eq(take(RMSG_DATA, noise, 2), ERR_INPUT);
		return;
	}
	ck_assert_int_eq(take(RMSG_DATA, noise, 1), ERR_NONE);
	ck_assert_uint_eq(fake.packs_count, 1);
	ck_assert_int_eq(take(RMSG_FLUSH, NULL, 0), ERR_NONE);
	ck_assert_uint_eq(last_settled(), 1);
}
END_TEST

START_TEST(a_frame_that_is_not_here_after_all_refuses_the_pack_alone)
{
	static const uint32_t lens[] = {1000, 50};

	hello_with(RMSG_FEATURES);
	ck_assert_int_eq(packs("ab", 2000), ERR_NONE);
	ck_assert_int_eq(frames(RMSG_COMPOSE, "xy", lens, 2), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, noise, 500), ERR_NONE);
	ck_assert_int_eq(last_result().why.code, ERR_NOTFOUND);
	ck_assert_int_eq(take(RMSG_DATA, noise, 500), ERR_NONE);
	ck_assert_int_eq(pack(1), ERR_NONE);
	ck_assert_int_eq(take(RMSG_DATA, noise, 2000), ERR_NONE);
	ck_assert_uint_eq(fake.packs_count, 1);
}
END_TEST

START_TEST(frames_that_lie_about_their_lengths_are_refused)
{
	static const uint32_t lens[][2] = {{0, 1}, {1000, 968}, {1000, 1000},
	    {UINT32_MAX, 1}, {1, UINT32_MAX}};

	hello_with(RMSG_FEATURES);
	ck_assert_int_eq(packs("a", 2000), ERR_NONE);
	ck_assert_int_eq(frames(RMSG_COMPOSE, "\xaa\xaa", lens[_i], 0),
	    ERR_INPUT);
	ck_assert(!fake.in_pack && receiver_has_ended(r));
}
END_TEST

START_TEST(what_has_come_is_told_as_it_comes)
{
	hello_with(RMSG_GOTS);
	ck_assert_int_eq(packs("a", 4 * RMSG_GOT_BYTES), ERR_NONE);
	ck_assert_int_eq(pack(0), ERR_NONE);
	buf_clear(&fake.said);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(take(RMSG_DATA, noise, RMSG_GOT_BYTES / 2),
		    ERR_NONE);
	ck_assert_uint_eq(fake.said.len_bytes, 4);
	ck_assert_uint_eq(fake.said.bytes[3], RMSG_GOT);
	ck_assert_uint_eq(le_get64(fake.last.bytes), 4 * RMSG_GOT_BYTES);
}
END_TEST

Suite *suite_replicate_receiver(void);

Suite *
suite_replicate_receiver(void)
{
	Suite *s = suite_create("replicate/receiver");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_epoch_is_taken_and_a_low_one_ends_the_session);
	tcase_add_test(tc, an_epoch_of_nothing_or_none_is_refused);
	tcase_add_test(tc, a_whole_conversation_takes_everything_in);
	tcase_add_test(tc, nothing_may_be_put_unless_allowed);
	tcase_add_loop_test(tc,
	    versions_and_features_it_does_not_know_are_refused, 0, 2);
	tcase_add_test(tc, nothing_comes_before_hello_and_nothing_twice);
	tcase_add_loop_test(tc,
	    only_packs_that_were_asked_for_are_taken_and_once, 0, 4);
	tcase_add_test(tc, a_pack_cannot_be_longer_than_it_said);
	tcase_add_loop_test(tc, sizes_no_pack_can_have_are_refused, 0, 3);
	tcase_add_loop_test(tc, a_bad_pack_is_refused_and_the_others_go_on, 0,
	    3);
	tcase_add_loop_test(tc, a_full_disk_ends_it_wherever_it_is_met, 0, 6);
	tcase_add_test(tc, a_snapshot_without_its_closure_is_refused_alone);
	tcase_add_test(tc, half_the_credit_is_settled_without_being_asked);
	tcase_add_loop_test(tc, lists_that_lie_about_their_count_are_refused, 0,
	    5);
	tcase_add_test(tc, what_is_staged_is_said_and_only_the_rest_is_taken);
	tcase_add_test(tc, a_whole_one_that_is_no_good_is_wanted);
	tcase_add_test(tc, a_disk_that_fails_under_a_whole_one_ends_it);
	tcase_add_loop_test(tc, rests_that_make_no_sense_are_refused, 0, 6);
	tcase_add_loop_test(tc,
	    a_pack_is_put_together_from_what_comes_and_what_is_here, 0, 2);
	tcase_add_test(tc,
	    a_frame_that_is_not_here_after_all_refuses_the_pack_alone);
	tcase_add_loop_test(tc, frames_that_lie_about_their_lengths_are_refused,
	    0, 5);
	tcase_add_test(tc, what_has_come_is_told_as_it_comes);
	tcase_add_test(tc, each_point_that_is_asked_about_is_answered_in_turn);
	tcase_add_test(tc, who_was_not_promised_a_word_gets_none);
	tcase_add_test(tc, one_without_a_key_does_not_offer_its_word);
	tcase_add_loop_test(tc, a_further_connection_takes_packs_only, 0, 4);
	suite_add_tcase(s, tc);
	return s;
}
