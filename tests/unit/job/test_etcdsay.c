#include <check.h>
#include <string.h>

#include <bascule/base/text.h>

#include "../../../lib/job/etcdsay.h"

#define HEADER                                                  \
	"\"header\":{\"cluster_id\":\"7\",\"member_id\":\"8\"," \
	"\"revision\":\"9\"}"
#define OURS "L2Jhc2N1bGUvYXV0aG9yaXR5L3g=" /* /bascule/authority/x */

static const struct etcdsay_register moved = {.epoch = 2,
    .owner = "southwark",
    .from = "brent",
    .state = "MOVING",
    .run = "r1",
    .site = "brent"};

static struct buf
text(const char *said)
{
	struct buf b = {0};
	struct err e;

	ck_assert_int_eq(buf_add_text(&b, said, &e), ERR_NONE);
	return b;
}

START_TEST(a_register_has_one_spelling_and_comes_back)
{
	OWNED(buf_fini) struct buf out = {0};
	struct etcdsay_register r;
	struct err e;

	ck_assert_int_eq(etcdsay_register_write(&out, &moved, &e), ERR_NONE);
	ck_assert_str_eq(buf_text(&out),
	    "{\"v\":1,\"epoch\":2,\"owner\":\"southwark\",\"from\":\"brent\","
	    "\"state\":\"MOVING\",\"run\":\"r1\",\"site\":\"brent\"}");
	ck_assert_int_eq(etcdsay_register_read(&r, (const char *)out.bytes,
			     out.len_bytes, &e),
	    ERR_NONE);
	ck_assert_mem_eq(&r, &moved, sizeof(r));
}
END_TEST

START_TEST(what_is_no_register_is_damage)
{
	static const char *const bad[] = {"", "x", "[]", "{}", "{\"epoch\":1}",
	    "{\"epoch\":0,\"owner\":\"a\"}", "{\"epoch\":1,\"owner\":\"\"}",
	    "{\"epoch\":-1,\"owner\":\"a\"}", "{\"epoch\":1,\"owner\":2}",
	    "{\"epoch\":1,\"epoch\":2,\"owner\":\"a\"}",
	    ("{\"epoch\":1,\"owner\":\"a\",\"state\":"
	     "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}")};
	static const char newer[] = "{\"v\":2,\"epoch\":1,\"owner\":\"a\"}";
	struct etcdsay_register r;
	struct err e;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		ck_assert_msg(etcdsay_register_read(&r, bad[i], strlen(bad[i]),
				  &e) == ERR_CORRUPT,
		    "%s", bad[i]);
		ck_assert_uint_eq(r.epoch, 0);
	}
	ck_assert_int_eq(etcdsay_register_read(&r, newer, strlen(newer), &e),
	    ERR_TOONEW);
}
END_TEST

START_TEST(a_swap_compares_the_revision_that_was_read)
{
	OWNED(buf_fini) struct buf out = {0};
	OWNED(buf_fini) struct buf value = text("{}");
	struct err e;

	ck_assert_int_eq(etcdsay_swap(&out, "/bascule/authority/x",
			     UINT64_C(9007199254740993), &value, &e),
	    ERR_NONE);
	ck_assert_str_eq(buf_text(&out),
	    "{\"compare\":[{\"key\":\"" OURS "\",\"target\":\"MOD\",\"result\""
	    ":\"EQUAL\",\"mod_revision\":\"9007199254740993\"}],\"success\":[{"
	    "\"request_put\":{\"key\":\"" OURS "\",\"value\":\"e30=\"}}]}\n");
}
END_TEST

START_TEST(a_range_beneath_ends_at_the_next_name)
{
	OWNED(buf_fini) struct buf out = {0};
	struct err e;

	/* "/a/" to "/a0" */
	ck_assert_int_eq(etcdsay_range(&out, "/a/", true, &e), ERR_NONE);
	ck_assert_str_eq(buf_text(&out),
	    "{\"key\":\"L2Ev\",\"range_end\":\"L2Ew\",\"limit\":2048}\n");
}
END_TEST

static enum err_code
count_key(void *ctx, const struct etcdsay_key *k, struct err *e)
{
	(void)k;
	(void)e;
	++*(int *)ctx;
	return ERR_NONE;
}

START_TEST(an_answer_that_contradicts_itself_is_not_believed)
{
	static const char *const bad[] = {"", "{", "null", "[1]", "{}",
	    "{\"header\":1}", "{\"header\":{}}", "{" HEADER ",\"kvs\":7}",
	    "{" HEADER ",\"kvs\":[7]}", "{" HEADER ",\"kvs\":[{}]}",
	    "{" HEADER ",\"kvs\":[{\"key\":\"***\",\"mod_revision\":\"2\"}]}",
	    "{" HEADER ",\"kvs\":[{\"key\":\"AA==\",\"mod_revision\":\"2\"}]}",
	    "{" HEADER ",\"kvs\":[{\"key\":\"" OURS "\"}]}",
	    "{" HEADER ",\"kvs\":[{\"key\":\"" OURS
	    "\",\"mod_revision\":\"10\"}]}",
	    "{" HEADER ",\"kvs\":[{\"key\":\"" OURS
	    "\",\"mod_revision\":\"99999999999999999999\"}]}",
	    "{" HEADER ",\"kvs\":[{\"key\":\"" OURS
	    "\",\"mod_revision\":\"2\",\"value\":\"?\"}]}",
	    "{" HEADER ",\"more\":true}"};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		OWNED(buf_fini) struct buf body = text(bad[i]);
		struct etcdsay_header h;
		struct err e = {0};
		int seen = 0;

		ck_assert_msg(etcdsay_range_read(&h, &body, count_key, &seen,
				  &e) == ERR_INPUT,
		    "%s", bad[i]);
		ck_assert_str_ne(e.text, "");
	}
}
END_TEST

START_TEST(nothing_counts_as_swapped_that_does_not_say_so)
{
	static const char *const bodies[] = {"{" HEADER "}",
	    "{" HEADER ",\"succeeded\":false}", "{\"succeeded\":true}",
	    "{" HEADER ",\"succeeded\":\"true\"}",
	    ("{\"header\":{\"cluster_id\":\"1\",\"member_id\":\"2\"},"
	     "\"succeeded\":true}")};
	OWNED(buf_fini)
	struct buf good = text("{" HEADER ",\"succeeded\":true}");
	struct etcdsay_header h;
	struct err e;
	bool swapped;

	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		OWNED(buf_fini) struct buf body = text(bodies[i]);
		enum err_code rc = etcdsay_swap_read(&h, &swapped, &body, &e);

		ck_assert_msg(rc == ERR_NONE || rc == ERR_INPUT, "%s",
		    bodies[i]);
		ck_assert_msg(!swapped, "%s", bodies[i]);
	}
	ck_assert_int_eq(etcdsay_swap_read(&h, &swapped, &good, &e), ERR_NONE);
	ck_assert(swapped);
	ck_assert_uint_eq(h.cluster, 7);
}
END_TEST

START_TEST(leases_members_and_refusals_are_read)
{
	OWNED(buf_fini)
	struct buf grant = text("{" HEADER ",\"ID\":\"42\",\"TTL\":\"9\"}");
	OWNED(buf_fini)
	struct buf gone = text("{\"result\":{" HEADER ",\"ID\":\"42\"}}\n");
	OWNED(buf_fini) struct buf none = text("{" HEADER ",\"ID\":\"0\"}");
	OWNED(buf_fini) struct buf empty = text("{" HEADER "}");
	OWNED(buf_fini)
	struct buf lost = text("{\"error\":\"etcdserver: no leader\\n\"}");
	struct etcdsay_header h;
	struct etcdsay_members m;
	uint64_t number;
	struct err e;

	ck_assert_int_eq(etcdsay_grant_read(&h, &number, &grant, &e), ERR_NONE);
	ck_assert_uint_eq(number, 42);
	ck_assert_int_eq(etcdsay_grant_read(&h, &number, &none, &e), ERR_INPUT);
	ck_assert_int_eq(etcdsay_keepalive_read(&h, &number, &gone, &e),
	    ERR_NONE);
	ck_assert_uint_eq(number, 0); /* it ran out */
	ck_assert_int_eq(etcdsay_members_read(&h, &m, &empty, &e), ERR_INPUT);
	ck_assert_int_eq(etcdsay_refusal(503, &lost, &e), ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(e.text, "no leader"));
	ck_assert_int_eq(etcdsay_refusal(401, &lost, &e), ERR_REFUSED);
	ck_assert_int_eq(etcdsay_refusal(400, &none, &e), ERR_INPUT);
}
END_TEST

Suite *suite_job_etcdsay(void);

Suite *
suite_job_etcdsay(void)
{
	Suite *s = suite_create("job/etcdsay");
	TCase *t = tcase_create("etcdsay");

	tcase_add_test(t, a_register_has_one_spelling_and_comes_back);
	tcase_add_test(t, what_is_no_register_is_damage);
	tcase_add_test(t, a_swap_compares_the_revision_that_was_read);
	tcase_add_test(t, a_range_beneath_ends_at_the_next_name);
	tcase_add_test(t, an_answer_that_contradicts_itself_is_not_believed);
	tcase_add_test(t, nothing_counts_as_swapped_that_does_not_say_so);
	tcase_add_test(t, leases_members_and_refusals_are_read);
	suite_add_tcase(s, t);
	return s;
}
