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

Suite *suite_replicate_receiver(void);

Suite *
suite_replicate_receiver(void)
{
	Suite *s = suite_create("replicate/receiver");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
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
	suite_add_tcase(s, tc);
	return s;
}
