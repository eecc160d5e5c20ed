#include "../../../lib/replicate/push.h"

#include <check.h>
#include <string.h>

/* The asking for a receiver's word, against answers that are written here. */

#define POINTS_COUNT (RMSG_UNANSWERED_MAX + 6)

static struct push push;
static struct replicate_options opt;
static struct replicate_tally tally;
static struct push_file points[POINTS_COUNT];
static struct buf answers, sent;
static size_t answers_at;
static unsigned words_count, problems_count;
static struct id worded;
static char problem[ERR_TEXT_BYTES];
static struct err e;

/* --- the far side --------------------------------------------------------------- */

static enum err_code
read_answers(void *ctx, void *bytes, size_t max, size_t *got, struct err *err)
{
	size_t left = answers.len_bytes - answers_at;

	(void)ctx, (void)err;
	*got = left < max ? left : max;
	if (*got > 0)
		memcpy(bytes, answers.bytes + answers_at, *got);
	answers_at += *got;
	return ERR_NONE;
}

static enum err_code
write_sent(void *ctx, const void *bytes, size_t len, struct err *err)
{
	(void)ctx;
	return buf_add(&sent, bytes, len, err);
}

static void
answer(enum rmsg_type type, const void *bytes, size_t len)
{
	uint8_t head[RMSG_HEAD_BYTES];

	rmsg_put_head(head, type, len);
	ck_assert_int_eq(buf_add(&answers, head, sizeof(head), &e), ERR_NONE);
	if (len > 0)
		ck_assert_int_eq(buf_add(&answers, bytes, len, &e), ERR_NONE);
}

static void
refuse(enum rmsg_kind kind, uint32_t ordinal, enum err_code code)
{
	OWNED(buf_fini) struct buf b = {0};
	struct rmsg_result result = {kind, ordinal, {code, "not here"}};

	ck_assert_int_eq(rmsg_put_result(&b, &result, &e), ERR_NONE);
	answer(RMSG_RESULT, b.bytes, b.len_bytes);
}

/* --- here ------------------------------------------------------------------------- */

static enum err_code
take_word(void *ctx, const struct id *point, const void *bytes, size_t len,
    struct err *err)
{
	(void)ctx;
	words_count++;
	worded = *point;
	return len == 4 && memcmp(bytes, "word", 4) == 0
	    ? ERR_NONE
	    : err_set(err, ERR_CORRUPT, "no such word");
}

static void
take_problem(void *ctx, const char *object, const struct err *why)
{
	(void)ctx;
	problems_count++;
	snprintf(problem, sizeof(problem), "%.100s: %.500s", object, why->text);
}

static struct id
id_of(size_t i)
{
	struct id id;

	memset(id.bytes, (int)i + 1, ID_BYTES);
	return id;
}

static void
setup(void)
{
	struct transport t = {read_answers, write_sent, NULL};

	memset(&push, 0, sizeof(push));
	memset(points, 0, sizeof(points));
	words_count = problems_count = 0;
	answers_at = 0;
	opt = (struct replicate_options){.on_acknowledged = take_word,
	    .on_problem = take_problem};
	for (size_t i = 0; i < POINTS_COUNT; i++) {
		points[i].id = id_of(i);
		snprintf(points[i].service, sizeof(points[i].service), "s");
	}
	push.opt = &opt;
	push.tally = &tally;
	push.points = (struct push_files){points, 3, 0};
	pthread_mutex_init(&push.lock, NULL);
	push.first.push = &push;
	push.first.welcome.features = RMSG_FEATURES & ~RMSG_PARTS;
	push.first.heard = now_mono();
	rlink_init(&push.first.link, &t);
}

static void
teardown(void)
{
	rlink_fini(&push.first.link);
	pthread_mutex_destroy(&push.lock);
	buf_fini(&answers);
	buf_fini(&sent);
}

/* So many ACKNOWLEDGE messages went out: all are of one length here. */
static size_t
asked_count(void)
{
	return sent.len_bytes / (RMSG_HEAD_BYTES + ID_BYTES + 1);
}

/* What says nothing new keeps nobody for longer than an hour. */
START_TEST(words_that_say_nothing_new_are_no_progress)
{
	static const struct {
		enum rmsg_type type;
		const char *bytes;
		size_t len_bytes;
		enum err_code rc;
	} words[] = {{RMSG_WORKING, "", 0, ERR_TIMEOUT},
	    {RMSG_SETTLED, "\2\0\0\0\0\0\0\0", 8, ERR_TIMEOUT},
	    {RMSG_GOT, "\7\0\0\0\0\0\0\0", 8, ERR_TIMEOUT},
	    {RMSG_SETTLED, "\3\0\0\0\0\0\0\0", 8, ERR_NONE},
	    {RMSG_GOT, "\x8\0\0\0\0\0\0\0", 8, ERR_NONE}};
	struct push_sent went[3] = {{0}};
	struct pack_info pack = {.size_bytes = 4};
	struct rmsg m;

	push.packs.packs = &pack;
	push.first.sent = went;
	push.first.sent_count = 3;
	push.first.unsettled_bytes = 4;
	push.first.settled_count = 2;
	push.first.flight.got_bytes = 7;
	push.first.flight.sent_bytes = 9;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		push.first.heard.ns = now_mono().ns - 3601 * NS_PER_S;
		answer(words[i].type, words[i].bytes, words[i].len_bytes);
		if (words[i].type == RMSG_WORKING)
			answer(RMSG_ACKNOWLEDGED, "word", 4);
		ck_assert_int_eq(talk_hear(&push.first, &m, &e), words[i].rc);
		if (words[i].type == RMSG_WORKING)
			ck_assert_int_eq(talk_hear(&push.first, &m, &e),
			    ERR_NONE);
	}
	push.packs.packs = NULL;
	push.first.sent = NULL;
}
END_TEST

START_TEST(who_fetches_over_several_connections_may_be_busy_for_long)
{
	struct rmsg m;

	push.first.welcome.features |= RMSG_PARTS;
	push.first.heard.ns = now_mono().ns - 3601 * NS_PER_S;
	answer(RMSG_WORKING, "", 0);
	answer(RMSG_ACKNOWLEDGED, "word", 4);
	ck_assert_int_eq(talk_hear(&push.first, &m, &e), ERR_NONE);
	ck_assert_int_eq(m.type, RMSG_ACKNOWLEDGED);
}
END_TEST

static enum err_code
welcome(bool packs_only)
{
	OWNED(buf_fini) struct buf b = {0};
	struct rmsg_welcome w = {.packs_only = packs_only,
	    .features = UINT64_MAX,
	    .credit_count = 1,
	    .credit_bytes = 1};

	ck_assert_int_eq(rmsg_put_welcome(&b, &w, &e), ERR_NONE);
	answer(RMSG_WELCOME, b.bytes, b.len_bytes);
	return offering_welcome(&push.first, &e);
}

/* A receiver that was sent to, and says that it came for it, lies. */
START_TEST(only_who_fetches_may_want_packs_only)
{
	ck_assert_int_eq(welcome(true), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(e.text, "packs only"));
	ck_assert_int_eq(welcome(false), ERR_NONE);
	ck_assert_uint_eq(push.first.welcome.features,
	    RMSG_FEATURES & ~RMSG_PARTS);
	opt.fetched = true;
	ck_assert_int_eq(welcome(true), ERR_NONE);
	ck_assert_uint_eq(push.first.welcome.features, RMSG_FEATURES);
}
END_TEST

START_TEST(only_points_that_were_wanted_or_wished_for_are_asked_about)
{
	struct id wish = id_of(2);

	points[1].wanted = true;
	opt.wishes = &wish;
	opt.wishes_count = 1;
	answer(RMSG_SETTLED, "\0\0\0\0\0\0\0\0", 8); /* news comes between */
	answer(RMSG_ACKNOWLEDGED, "word", 4);
	answer(RMSG_ACKNOWLEDGED, "word", 4);
	ck_assert_msg(wishing_all(&push, &e) == ERR_NONE, "%s", e.text);
	ck_assert_uint_eq(asked_count(), 2);
	ck_assert_uint_eq(words_count, 2);
	ck_assert(id_equal(&worded, &wish)); /* the answers are in order */
	ck_assert_int_eq(sent.bytes[RMSG_HEAD_BYTES], 2);
}
END_TEST

START_TEST(nothing_is_asked_of_who_gives_none_or_for_who_wants_none)
{
	points[0].wanted = true;
	push.first.welcome.features &= ~RMSG_ACKS;
	ck_assert_int_eq(wishing_all(&push, &e), ERR_NONE);
	push.first.welcome.features = RMSG_FEATURES;
	opt.on_acknowledged = NULL;
	ck_assert_int_eq(wishing_all(&push, &e), ERR_NONE);
	ck_assert_uint_eq(sent.len_bytes, 0);
}
END_TEST

START_TEST(a_point_that_is_not_there_is_told_and_the_others_go_on)
{
	points[0].wanted = points[1].wanted = true;
	refuse(RMSG_KIND_ACK, 0, ERR_NOTFOUND);
	answer(RMSG_ACKNOWLEDGED, "word", 4);
	ck_assert_msg(wishing_all(&push, &e) == ERR_NONE, "%s", e.text);
	ck_assert_uint_eq(problems_count, 1);
	ck_assert_ptr_nonnull(strstr(problem, "point 01010101"));
	ck_assert_ptr_nonnull(strstr(problem, "not here"));
	ck_assert_uint_eq(words_count, 1);
	ck_assert_int_eq(worded.bytes[0], 2);
}
END_TEST

START_TEST(no_more_are_under_way_than_may_be)
{
	push.points.count = POINTS_COUNT;
	for (size_t i = 0; i < POINTS_COUNT; i++)
		points[i].wanted = true;
	answer(RMSG_ACKNOWLEDGED, "word", 4);
	/* one answer: so many, and one more; then it has gone */
	ck_assert_int_eq(wishing_all(&push, &e), ERR_IO);
	ck_assert_uint_eq(asked_count(), RMSG_UNANSWERED_MAX + 1);
	teardown();
	setup();
	push.points.count = POINTS_COUNT;
	for (size_t i = 0; i < POINTS_COUNT; i++) {
		points[i].wanted = true;
		answer(RMSG_ACKNOWLEDGED, "word", 4);
	}
	ck_assert_msg(wishing_all(&push, &e) == ERR_NONE, "%s", e.text);
	ck_assert_uint_eq(words_count, POINTS_COUNT);
	ck_assert_int_eq(worded.bytes[0], POINTS_COUNT);
}
END_TEST

START_TEST(answers_that_are_none_end_it)
{
	points[0].wanted = true;
	switch (_i) {
	case 0: refuse(RMSG_KIND_ACK, 1, ERR_NOTFOUND); break;
	case 1: refuse(RMSG_KIND_ACK, 0, ERR_NONE); break;
	case 2: refuse(RMSG_KIND_POINT, 0, ERR_NOTFOUND); break;
	case 3: answer(RMSG_RESULT, "x", 1); break;
	case 4: answer(RMSG_WELCOME, "", 0); break;
	default: answer(RMSG_ACKNOWLEDGED, "lies", 4); break;
	}
	ck_assert_int_eq(wishing_all(&push, &e),
	    _i == 5 ? ERR_CORRUPT : ERR_INPUT);
	ck_assert_uint_eq(problems_count, 0);
}
END_TEST

Suite *suite_replicate_wishing(void);

Suite *
suite_replicate_wishing(void)
{
	Suite *s = suite_create("replicate/wishing");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, words_that_say_nothing_new_are_no_progress);
	tcase_add_test(tc,
	    who_fetches_over_several_connections_may_be_busy_for_long);
	tcase_add_test(tc, only_who_fetches_may_want_packs_only);
	tcase_add_test(tc,
	    only_points_that_were_wanted_or_wished_for_are_asked_about);
	tcase_add_test(tc,
	    nothing_is_asked_of_who_gives_none_or_for_who_wants_none);
	tcase_add_test(tc,
	    a_point_that_is_not_there_is_told_and_the_others_go_on);
	tcase_add_test(tc, no_more_are_under_way_than_may_be);
	tcase_add_loop_test(tc, answers_that_are_none_end_it, 0, 6);
	suite_add_tcase(s, tc);
	return s;
}
