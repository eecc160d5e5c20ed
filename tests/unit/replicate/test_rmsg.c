#include "../../../lib/replicate/rmsg.h"

#include <check.h>
#include <string.h>

#include <bascule/base/le.h>

static struct err e;
static struct buf b;

static void
teardown(void)
{
	buf_fini(&b);
}

static struct rmsg
message(enum rmsg_type type)
{
	return (struct rmsg){type, b.bytes, b.len_bytes};
}

START_TEST(hello_and_welcome_come_back_as_they_were)
{
	struct rmsg_hello h = {.version = 1,
	    .features = 5,
	    .geometry = {1, 2, 3, 4, 5, true, true}};
	struct rmsg_hello h2;
	struct rmsg_welcome w = {true, _i == 1, 7, 64, 1 << 20}, w2;
	struct rmsg m;

	memset(h.family, 'f', sizeof(h.family));
	ck_assert_int_eq(rmsg_put_hello(&b, &h, &e), ERR_NONE);
	m = message(RMSG_HELLO);
	ck_assert_int_eq(rmsg_take_hello(&h2, &m, &e), ERR_NONE);
	ck_assert_uint_eq(h2.features, 5);
	ck_assert_mem_eq(h2.family, h.family, sizeof(h.family));
	ck_assert_uint_eq(h2.geometry.frame_target_bytes, 5);
	ck_assert(h2.geometry.padded && h2.geometry.sliced);
	ck_assert_uint_eq(h2.required, RMSG_SLICED);
	h.geometry.sliced = false;
	buf_clear(&b);
	ck_assert_int_eq(rmsg_put_hello(&b, &h, &e), ERR_NONE);
	m = message(RMSG_HELLO);
	ck_assert_int_eq(rmsg_take_hello(&h2, &m, &e), ERR_NONE);
	ck_assert(!h2.geometry.sliced);
	buf_clear(&b);
	ck_assert_int_eq(rmsg_put_welcome(&b, &w, &e), ERR_NONE);
	m = message(RMSG_WELCOME);
	ck_assert_int_eq(rmsg_take_welcome(&w2, &m, &e), ERR_NONE);
	ck_assert(w2.created && w2.credit_count == 64);
	ck_assert_int_eq(w2.packs_only, _i == 1);
	ck_assert_uint_eq(w2.credit_bytes, 1 << 20);
}
END_TEST

/* Any one byte of HELLO cut off, or any reserved one set. */
START_TEST(a_mangled_hello_is_refused)
{
	static const size_t reserved[] = {0, 10, 12, 68, 69, 71};
	struct rmsg_hello h = {.version = 1};
	struct rmsg m;

	ck_assert_int_eq(rmsg_put_hello(&b, &h, &e), ERR_NONE);
	for (size_t len = 0; len < b.len_bytes; len++) {
		m = (struct rmsg){RMSG_HELLO, b.bytes, len};
		ck_assert_int_ne(rmsg_take_hello(&h, &m, &e), ERR_NONE);
	}
	for (size_t i = 0; i < COUNT_OF(reserved); i++) {
		uint8_t was = b.bytes[reserved[i]];

		b.bytes[reserved[i]] = 0x22;
		m = message(RMSG_HELLO);
		ck_assert_int_eq(rmsg_take_hello(&h, &m, &e), ERR_INPUT);
		b.bytes[reserved[i]] = was;
	}
}
END_TEST

START_TEST(heads_are_held_to_their_type)
{
	uint8_t head[RMSG_HEAD_BYTES], type;
	size_t len, max;

	for (unsigned t = 0; t < 256; t++) {
		bool known = rmsg_max((uint8_t)t, &max);

		rmsg_put_head(head, (enum rmsg_type)t, known ? max : 0);
		ck_assert_int_eq(rmsg_head(head, &type, &len, &e),
		    known ? ERR_NONE : ERR_INPUT);
		if (!known)
			continue;
		ck_assert(type == t && len == max);
		ck_assert_uint_le(max, RMSG_FILE_BYTES_MAX);
		le_put32(head, (uint32_t)max + 1);
		ck_assert_int_eq(rmsg_head(head, &type, &len, &e), ERR_INPUT);
		le_put32(head, 0);
		head[6] = 1;
		ck_assert_int_eq(rmsg_head(head, &type, &len, &e), ERR_INPUT);
	}
}
END_TEST

START_TEST(failures_keep_their_code_and_text)
{
	for (int code = ERR_NOTFOUND; code <= ERR_CANCELLED; code++) {
		struct err why = {0}, back;
		struct rmsg m;

		err_set(&why, (enum err_code)code, "disk '%s' is full", "/srv");
		err_hint(&why, "make room");
		buf_clear(&b);
		ck_assert_int_eq(rmsg_put_fail(&b, &why, &e), ERR_NONE);
		m = message(RMSG_FAIL);
		ck_assert_int_eq(rmsg_take_fail(&back, &m, &e), ERR_NONE);
		ck_assert_int_eq(back.code, code);
		ck_assert_str_eq(back.text,
		    "disk '/srv' is full\nhint: make room");
	}
}
END_TEST

/* The peer's words reach a terminal: no escape sequence may. */
START_TEST(what_the_peer_says_cannot_drive_a_terminal)
{
	static const uint8_t fail[] = {6, 0, 0, 0, 'a', 27, '[', '2', 'J', 0,
	    'b', 0x9b, '3', '1', 'm', 0xc2, 0x9b, '\n', 'c'};
	struct rmsg m = {RMSG_FAIL, fail, sizeof(fail)};
	struct err back;

	ck_assert_int_eq(rmsg_take_fail(&back, &m, &e), ERR_NONE);
	/* a C1 control is obeyed too, in either spelling */
	ck_assert_str_eq(back.text,
	    "a [2J\xef\xbf\xbd"
	    "b\xef\xbf\xbd"
	    "31m \nc");
}
END_TEST

START_TEST(numbers_nobody_knows_are_io_and_never_success)
{
	static const uint8_t unknown[] = {200, 0, 0, 0}, none[] = {0, 0, 0, 0};
	struct rmsg m = {RMSG_FAIL, unknown, 4};
	struct err back;

	ck_assert_int_eq(rmsg_take_fail(&back, &m, &e), ERR_NONE);
	ck_assert_int_eq(back.code, ERR_IO);
	m.bytes = none;
	ck_assert_int_eq(rmsg_take_fail(&back, &m, &e), ERR_NONE);
	ck_assert_int_eq(back.code, ERR_IO);
}
END_TEST

START_TEST(a_long_text_is_cut_to_what_a_message_holds)
{
	struct rmsg_result r = {.kind = RMSG_KIND_POINT, .ordinal = 9}, back;
	struct rmsg m;
	size_t max;

	r.why.code = ERR_CORRUPT;
	memset(r.why.text, 'x', sizeof(r.why.text) - 1);
	ck_assert_int_eq(rmsg_put_result(&b, &r, &e), ERR_NONE);
	ck_assert(rmsg_max(RMSG_RESULT, &max) && b.len_bytes <= max);
	m = message(RMSG_RESULT);
	ck_assert_int_eq(rmsg_take_result(&back, &m, &e), ERR_NONE);
	ck_assert_uint_eq(back.ordinal, 9);
	ck_assert_uint_eq(strlen(back.why.text), RMSG_RESULT_TEXT);
}
END_TEST

Suite *suite_replicate_rmsg(void);

Suite *
suite_replicate_rmsg(void)
{
	Suite *s = suite_create("replicate/rmsg");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_loop_test(tc, hello_and_welcome_come_back_as_they_were, 0, 2);
	tcase_add_test(tc, a_mangled_hello_is_refused);
	tcase_add_test(tc, heads_are_held_to_their_type);
	tcase_add_test(tc, failures_keep_their_code_and_text);
	tcase_add_test(tc, what_the_peer_says_cannot_drive_a_terminal);
	tcase_add_test(tc, numbers_nobody_knows_are_io_and_never_success);
	tcase_add_test(tc, a_long_text_is_cut_to_what_a_message_holds);
	suite_add_tcase(s, tc);
	return s;
}
