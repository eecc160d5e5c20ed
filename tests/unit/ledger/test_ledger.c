#include <check.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "make.h"

static struct make m;

static void
setup(void)
{
	make_setup(&m);
}

static void
teardown(void)
{
	make_teardown(&m);
}

static void
append_some(int count)
{
	char number[12];

	for (int i = 0; i < count; i++) {
		snprintf(number, sizeof(number), "%d", i);
		make_append(&m,
		    make_draft(i % 3 == 0 ? "brent" : NULL, "note", "@run",
			"run-1", "@service", i % 2 == 0 ? "housing" : "tax",
			"number", number, NULL));
	}
}

static enum err_code
count_one(void *ctx, const struct record *r, struct err *e)
{
	(void)r;
	(void)e;
	++*(int *)ctx;
	return ERR_NONE;
}

static int
count(const struct ledger_filter *f)
{
	struct err e = {0};
	int n = 0;

	ck_assert_msg(ledger_iterate(m.l, f, count_one, &n, &e) == ERR_NONE,
	    "%s", e.text);
	return n;
}

static enum err_code
copy_one(void *ctx, const struct record *r, struct err *e)
{
	struct buf *b = ctx;

	buf_clear(b);
	return buf_add(b, r->bytes, r->len_bytes, e);
}

/* The newest record's bytes. */
static void
newest(struct buf *b, struct record *r)
{
	struct ledger_filter f = {.limit = 1, .newest = true};
	struct err e = {0};

	ck_assert_int_eq(ledger_iterate(m.l, &f, copy_one, b, &e), ERR_NONE);
	ck_assert_msg(record_decode(r, b->bytes, b->len_bytes, &e) == ERR_NONE,
	    "%s", e.text);
}

START_TEST(a_record_says_who_where_when_and_what)
{
	OWNED(draft_free)
	struct draft *d = make_draft("brent", "note", "@run", "r1", "@service",
	    "housing", "what", "tea", NULL);
	OWNED(buf_fini) struct buf b = {0};
	struct draft_actor actor = {1000, "amara", "operator", "brent", NULL};
	struct record r;
	struct err e = {0};
	char text[64];

	draft_actor(d, &actor);
	draft_int(d, "count", -7);
	ck_assert_int_eq(ledger_append(m.l, d, NULL, &e), ERR_NONE);
	newest(&b, &r);
	ck_assert(record_text_is(r.chain, "brent"));
	ck_assert(record_text_is(r.type, "note"));
	ck_assert_uint_eq(r.sequence, 1);
	ck_assert(id_is_none(&r.previous));
	ck_assert_int_le(r.at.ns, now_utc().ns);
	ck_assert_str_eq(record_text(&r, "@site", text, 64), "brent");
	ck_assert_str_eq(record_text(&r, "@host", text, 64), "brent-dr1");
	ck_assert_str_eq(record_text(&r, "@actor.name", text, 64), "amara");
	ck_assert_str_eq(record_text(&r, "@actor.uid", text, 64), "1000");
	ck_assert_str_eq(record_text(&r, "@actor.key", text, 64), "");
	ck_assert_str_eq(record_text(&r, "what", text, 64), "tea");
	ck_assert_str_eq(record_text(&r, "what", text, 3), "te");
	ck_assert_int_eq(record_int(&r, "count", 0), -7);
	ck_assert_int_eq(record_int(&r, "what", 42), 42);
}
END_TEST

START_TEST(chains_are_numbered_apart_and_verify)
{
	struct ledger_verdict v;
	struct err e = {0};

	append_some(10);
	v = make_verify(&m);
	ck_assert_msg(!v.bad, "%s", v.what);
	ck_assert_uint_eq(v.records_count, 10);
	ck_assert_uint_eq(v.unsigned_count, 10);
	ck_assert_int_eq(ledger_sign_head(m.l, NULL, &e), ERR_NONE);
	append_some(3);
	make_reopen(&m);
	v = make_verify(&m);
	ck_assert_msg(!v.bad, "%s", v.what);
	ck_assert_uint_eq(v.heads_count, 1);
	ck_assert_uint_eq(v.unsigned_count, 3);
}
END_TEST

START_TEST(filters_find_what_they_say)
{
	struct ledger_filter f = {0};

	append_some(12);
	ck_assert_int_eq(count(&f), 12);
	f.chain = "brent";
	ck_assert_int_eq(count(&f), 4);
	f.service = "housing";
	ck_assert_int_eq(count(&f), 2);
	f = (struct ledger_filter){.after_row = 10};
	ck_assert_int_eq(count(&f), 2);
	f = (struct ledger_filter){.limit = 5, .newest = true};
	ck_assert_int_eq(count(&f), 5);
	f = (struct ledger_filter){.type = "job"};
	ck_assert_int_eq(count(&f), 0);
	f = (struct ledger_filter){.run = "run-1", .since = now_utc()};
	ck_assert_int_eq(count(&f), 0);
	f = (struct ledger_filter){.run = "run-1", .until = now_utc()};
	ck_assert_int_eq(count(&f), 12);
}
END_TEST

START_TEST(an_intent_stays_open_until_its_outcome)
{
	OWNED(draft_free)
	struct draft *d = make_draft("brent", LEDGER_JOB, "@run", "j1",
	    "@service", "housing", "state", "running", NULL);
	OWNED(draft_free)
	struct draft *done =
	    make_draft(NULL, LEDGER_JOB, "state", "succeeded", NULL);
	OWNED(draft_free) struct draft *other = make_draft(NULL, "note", NULL);
	OWNED(buf_fini) struct buf b = {0};
	char intent[LEDGER_INTENT_BYTES], text[64];
	struct record r;
	struct err e = {0};
	int open = 0;

	ck_assert_int_eq(ledger_intent(m.l, d, intent, &e), ERR_NONE);
	make_reopen(&m);
	ck_assert_int_eq(ledger_open_intents(m.l, count_one, &open, &e),
	    ERR_NONE);
	ck_assert_int_eq(open, 1);
	ck_assert_int_eq(ledger_outcome(m.l, intent, other, &e), ERR_INPUT);
	ck_assert_int_eq(ledger_outcome(m.l, "77", done, &e), ERR_NOTFOUND);
	ck_assert_int_eq(ledger_outcome(m.l, intent, done, &e), ERR_NONE);
	newest(&b, &r);
	ck_assert(record_text_is(r.chain, "brent"));
	ck_assert_int_eq(r.phase, RECORD_OUTCOME);
	ck_assert_str_eq(record_text(&r, "@run", text, 64), "j1");
	ck_assert_str_eq(record_text(&r, "@service", text, 64), "housing");
	ck_assert_str_eq(record_text(&r, "@intent", text, 64), intent);
	open = 0;
	ck_assert_int_eq(ledger_open_intents(m.l, count_one, &open, &e),
	    ERR_NONE);
	ck_assert_int_eq(open, 0);
	ck_assert_int_eq(ledger_outcome(m.l, intent, done, &e), ERR_NOTFOUND);
	ck_assert(!make_verify(&m).bad);
}
END_TEST

START_TEST(a_head_comes_by_itself_after_so_many_records)
{
	struct ledger_verdict v;

	m.options.head_every = 4;
	make_reopen(&m);
	append_some(9);
	v = make_verify(&m);
	ck_assert_uint_eq(v.heads_count, 2);
	ck_assert_uint_eq(v.unsigned_count, 1);
}
END_TEST

START_TEST(a_head_is_not_signed_twice_over_the_same)
{
	struct head h;
	struct err e = {0};

	ck_assert_int_eq(ledger_sign_head(m.l, &h, &e), ERR_NONE);
	ck_assert_uint_eq(h.number, 0);
	append_some(4);
	ck_assert_int_eq(ledger_sign_head(m.l, &h, &e), ERR_NONE);
	ck_assert_int_eq(ledger_sign_head(m.l, &h, &e), ERR_NONE);
	ck_assert_uint_eq(h.number, 1);
	ck_assert_uint_eq(h.tips_count, 2);
	ck_assert_str_eq(h.tips[0].chain, "brent");
	ck_assert_str_eq(h.site, "brent");
}
END_TEST

START_TEST(bad_drafts_are_refused_and_leave_nothing)
{
	char big[300];
	OWNED(free_mem) char *huge = calloc(1, LEDGER_VALUE_BYTES_MAX + 1);
	struct err e = {0};

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	for (int i = 0; i < 5; i++) {
		OWNED(draft_free)
		struct draft *d =
		    make_draft(i == 0 ? big : NULL, i == 1 ? "" : "note", NULL);

		if (i == 2)
			draft_run(d, big);
		if (i == 3)
			draft_text(d, "@run", "posing");
		if (i == 4)
			draft_bytes(d, "v", huge, LEDGER_VALUE_BYTES_MAX + 1);
		ck_assert_int_eq(ledger_append(m.l, d, NULL, &e), ERR_INPUT);
	}
	ck_assert_int_eq(count(&(struct ledger_filter){0}), 0);
	append_some(1);
	ck_assert(!make_verify(&m).bad);
}
END_TEST

START_TEST(a_group_is_there_as_a_whole_once_it_has_ended)
{
	OWNED(ledger_close) struct ledger *reader = NULL;
	OWNED(draft_free) struct draft *d = make_draft(NULL, "note", NULL);
	char intent[LEDGER_INTENT_BYTES];
	uint64_t rows;
	struct err e = {0};

	append_some(1);
	ck_assert_int_eq(ledger_open_readonly(&reader, m.path, &e), ERR_NONE);
	ck_assert_int_eq(ledger_group_begin(m.l, &e), ERR_NONE);
	append_some(3);
	ck_assert_int_eq(ledger_intent(m.l, d, intent, &e), ERR_NONE);
	ck_assert_int_eq(ledger_outcome(m.l, intent, d, &e), ERR_NONE);
	ck_assert_int_eq(ledger_last_row(reader, &rows, &e), ERR_NONE);
	ck_assert_uint_eq(rows, 1);
	ck_assert_int_eq(ledger_group_end(m.l, ERR_NONE, &e), ERR_NONE);
	ck_assert_int_eq(ledger_last_row(reader, &rows, &e), ERR_NONE);
	ck_assert_uint_eq(rows, 6);
	ck_assert(!make_verify(&m).bad);
	append_some(1);
	ck_assert_int_eq(count(&(struct ledger_filter){0}), 7);
}
END_TEST

START_TEST(a_group_that_failed_leaves_nothing)
{
	OWNED(draft_free) struct draft *bad = make_draft(NULL, "", NULL);
	OWNED(draft_free) struct draft *good = make_draft(NULL, "note", NULL);
	struct err e = {0};

	ck_assert_int_eq(ledger_group_begin(m.l, &e), ERR_NONE);
	append_some(3);
	ck_assert_int_eq(ledger_append(m.l, bad, NULL, &e), ERR_INPUT);
	ck_assert_int_eq(ledger_append(m.l, good, NULL, &e), ERR_INPUT);
	ck_assert_int_eq(ledger_group_end(m.l, ERR_NONE, &e), ERR_INPUT);
	ck_assert_int_eq(count(&(struct ledger_filter){0}), 0);
	ck_assert_int_eq(ledger_group_begin(m.l, &e), ERR_NONE);
	append_some(3);
	ck_assert_int_eq(ledger_group_end(m.l, err_set(&e, ERR_BUSY, "changed"),
			     &e),
	    ERR_BUSY);
	ck_assert_str_eq(e.text, "changed");
	ck_assert_int_eq(count(&(struct ledger_filter){0}), 0);
	append_some(2);
	ck_assert(!make_verify(&m).bad);
}
END_TEST

START_TEST(readers_see_everything_and_change_nothing)
{
	OWNED(ledger_close) struct ledger *reader = NULL;
	OWNED(draft_free) struct draft *d = make_draft(NULL, "note", NULL);
	struct ledger_verdict v;
	struct err e = {0};

	append_some(5);
	ck_assert_int_eq(ledger_open_readonly(&reader, m.path, &e), ERR_NONE);
	ck_assert_int_eq(ledger_verify(reader, NULL, &v, &e), ERR_NONE);
	ck_assert_uint_eq(v.records_count, 5);
	ck_assert_int_eq(ledger_append(reader, d, NULL, &e), ERR_REFUSED);
	ck_assert_int_eq(ledger_rebuild(reader, &e), ERR_REFUSED);
	ck_assert_int_eq(ledger_sign_head(reader, NULL, &e), ERR_REFUSED);
}
END_TEST

START_TEST(what_is_no_ledger_is_said_so)
{
	OWNED(ledger_close) struct ledger *l = NULL;
	struct err e = {0};
	char path[160];

	snprintf(path, sizeof(path), "%s/none", m.td.path);
	ck_assert_int_eq(ledger_open_readonly(&l, path, &e), ERR_NOTFOUND);
	tmpdir_put(&m.td, "text",
	    "this is not a database, whatever its name"
	    " may be: it is only a few words and then nothing more to see");
	snprintf(path, sizeof(path), "%s/text", m.td.path);
	ck_assert_int_eq(ledger_open(&l, path, &m.options, &e), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(e.text, "text"));
	tmpdir_put(&m.td, "empty", "");
	snprintf(path, sizeof(path), "%s/empty", m.td.path);
	ck_assert_int_eq(ledger_open_readonly(&l, path, &e), ERR_NOTFOUND);
	ck_assert_int_eq(ledger_open(&l, "/nonexistent/x", &m.options, &e),
	    ERR_NOTFOUND);
}
END_TEST

START_TEST(a_newer_ledger_is_refused_and_left_alone)
{
	OWNED(ledger_close) struct ledger *l = NULL;
	struct err e = {0};

	append_some(1);
	ledger_close(&m.l);
	make_sql(&m, "PRAGMA user_version = 99");
	ck_assert_int_eq(ledger_open(&l, m.path, &m.options, &e), ERR_TOONEW);
	ck_assert_ptr_nonnull(strstr(e.text, "newer"));
	ck_assert_int_eq(ledger_open_readonly(&l, m.path, &e), ERR_TOONEW);
	make_sql(&m, "PRAGMA user_version = 1");
	make_reopen(&m);
	ck_assert(!make_verify(&m).bad);
}
END_TEST

/* Of each service two records of a type, which everybody else has, too. */
static void
append_of_services(size_t from, size_t to)
{
	struct err e;
	char name[32];

	ck_assert_int_eq(ledger_group_begin(m.l, &e), ERR_NONE);
	for (size_t i = 2 * from; i < 2 * to; i++) {
		snprintf(name, sizeof(name), "s%zu", i / 2);
		make_append(&m,
		    make_draft(NULL, "authority", "@service", name, NULL));
	}
	ck_assert_int_eq(ledger_group_end(m.l, ERR_NONE, &e), ERR_NONE);
}

/* What it takes of the processor to ask for those of one, often. */
static int64_t
time_to_find(void)
{
	struct ledger_filter f = {.type = "authority",
	    .service = "s7",
	    .limit = 8,
	    .newest = true};
	struct timespec a, b;

	ck_assert_int_eq(count(&f), 2);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (int i = 0; i < 100; i++)
		count(&f);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	return (int64_t)(b.tv_sec - a.tv_sec) * NS_PER_S + b.tv_nsec -
	    a.tv_nsec;
}

START_TEST(one_services_records_of_a_type_are_found_among_thousands)
{
	int64_t of_few, of_many;

	append_of_services(0, 20);
	of_few = time_to_find();
	append_of_services(20, 1500);
	of_many = time_to_find();
	ck_assert_msg(of_many < 10 * of_few, "%lld ns of few, %lld of many",
	    (long long)of_few, (long long)of_many);
	/* A ledger of before there was an index for it is given one. */
	make_sql(&m, "DROP INDEX records_service_type");
	make_reopen(&m);
	of_many = time_to_find();
	ck_assert_msg(of_many < 10 * of_few, "%lld ns of few, %lld of many",
	    (long long)of_few, (long long)of_many);
}
END_TEST

Suite *suite_ledger_ledger(void);

Suite *
suite_ledger_ledger(void)
{
	Suite *s = suite_create("ledger/ledger");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_record_says_who_where_when_and_what);
	tcase_add_test(tc,
	    one_services_records_of_a_type_are_found_among_thousands);
	tcase_add_test(tc, chains_are_numbered_apart_and_verify);
	tcase_add_test(tc, filters_find_what_they_say);
	tcase_add_test(tc, an_intent_stays_open_until_its_outcome);
	tcase_add_test(tc, a_head_comes_by_itself_after_so_many_records);
	tcase_add_test(tc, a_head_is_not_signed_twice_over_the_same);
	tcase_add_test(tc, bad_drafts_are_refused_and_leave_nothing);
	tcase_add_test(tc, a_group_is_there_as_a_whole_once_it_has_ended);
	tcase_add_test(tc, a_group_that_failed_leaves_nothing);
	tcase_add_test(tc, readers_see_everything_and_change_nothing);
	tcase_add_test(tc, what_is_no_ledger_is_said_so);
	tcase_add_test(tc, a_newer_ledger_is_refused_and_left_alone);
	suite_add_tcase(s, tc);
	return s;
}
