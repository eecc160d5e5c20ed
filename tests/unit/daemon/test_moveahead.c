#include <check.h>
#include <string.h>

#include "daemon/moveahead.h"
#include "support/must.h"

/* What a word would lead to, told before it is said. */

static struct move m;
static struct authority brent, southwark;
static struct move_facts facts;
static uint64_t rows[2];

static void
fold(const char *site, struct move_event ev)
{
	struct err e = {0};

	ev.site = site;
	ev.row = ++rows[strcmp(site, "brent") == 0];
	ev.at = now_utc();
	ev.epoch = 1;
	must(move_fold(&m, &ev, &e), &e);
}

static void
fact(const char *site, enum move_event_kind kind)
{
	fold(site,
	    (struct move_event){.stage = MOVE_FACT,
		.kind = kind,
		.run = "r",
		.service = "counter",
		.from = "brent",
		.to = "southwark",
		.mode = GUARDS_PLANNED});
}

static void
done(const char *site, enum move_act act)
{
	fold(site, (struct move_event){.stage = MOVE_INTENT, .act = act});
	fold(site,
	    (struct move_event){.stage = MOVE_OUTCOME,
		.act = act,
		.result = MOVE_DONE});
}

static void
setup(void)
{
	m = (struct move){.known = false};
	rows[0] = rows[1] = 0;
	brent = southwark = (struct authority){.state = AUTHORITY_PROTECTED,
	    .site = "brent",
	    .epoch = 1,
	    .highest_seen = 1};
	facts = (struct move_facts){.reg = &brent,
	    .peer_reg = &southwark,
	    .peer_answers = true};
	fact("brent", MOVE_REQUESTED);
}

static bool let_through;

static const char *
ahead(const char *here, enum move_event_kind word)
{
	static char text[2048];
	struct moveahead a;
	struct moveahead_line line;
	struct err e = {0};
	size_t used = 0;

	text[0] = '\0';
	must(moveahead_begin(&a, &m, here, &facts, word, &e), &e);
	if (let_through)
		moveahead_let_through(&a);
	while (moveahead_next(&a, &line) && used < sizeof(text))
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%s %s: %s\n", line.site, line.what, line.why);
	return text;
}

START_TEST(what_was_never_started_is_withdrawn)
{
	ck_assert_str_eq(ahead("brent", MOVE_SAY_ABORT),
	    "brent WITHDRAWN: somebody said abort\n"
	    "brent : never started\n"
	    "southwark : never started\n");
}
END_TEST

START_TEST(writes_that_were_stopped_go_on_and_nothing_is_on_record)
{
	fact("brent", MOVE_STARTED);
	fact("southwark", MOVE_READY);
	done("brent", MOVE_QUIESCE);
	fact("brent", MOVE_QUIESCED);
	brent.state = AUTHORITY_QUIESCED;
	snprintf(brent.run, sizeof(brent.run), "r");
	ck_assert_str_eq(ahead("brent", MOVE_SAY_ABORT),
	    "brent resume: somebody said abort\n"
	    "brent ABORTED: it runs here again, read back\n"
	    "brent : aborted: the service stays here\n"
	    "southwark : aborted: the service stays where it was\n");
	ck_assert(m.b.fact[MOVE_SAY_ABORT] == 0);
	ck_assert(m.a.fact[MOVE_ABORTED] == 0);
	ck_assert_int_eq(brent.state, AUTHORITY_QUIESCED);
}
END_TEST

START_TEST(said_at_the_other_site_it_is_the_same_that_follows)
{
	fact("brent", MOVE_STARTED);
	ck_assert_str_eq(ahead("southwark", MOVE_SAY_ABORT),
	    "southwark ABORTED: somebody said abort\n"
	    "southwark : aborted: the service stays where it was\n"
	    "brent : aborted: the service stays here\n");
}
END_TEST

START_TEST(a_guard_is_not_taken_to_let_through)
{
	fact("brent", MOVE_STARTED);
	ck_assert_ptr_nonnull(strstr(ahead("southwark", MOVE_SAY_RETRY),
	    "southwark : a guard does not let through"));
}
END_TEST

START_TEST(a_guard_that_was_judged_is)
{
	const char *told;

	fact("brent", MOVE_STARTED);
	let_through = true;
	told = ahead("southwark", MOVE_SAY_RETRY);
	let_through = false;
	ck_assert_msg(strstr(told, "southwark READY: ") != NULL &&
		strstr(told, "brent GRANTED: ") != NULL &&
		strstr(told, "southwark RAN: ") != NULL &&
		strstr(told, "a guard does not") == NULL,
	    "%s", told);
}
END_TEST

Suite *suite_daemon_moveahead(void);

Suite *
suite_daemon_moveahead(void)
{
	Suite *s = suite_create("daemon/moveahead");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, what_was_never_started_is_withdrawn);
	tcase_add_test(tc,
	    writes_that_were_stopped_go_on_and_nothing_is_on_record);
	tcase_add_test(tc, said_at_the_other_site_it_is_the_same_that_follows);
	tcase_add_test(tc, a_guard_is_not_taken_to_let_through);
	tcase_add_test(tc, a_guard_that_was_judged_is);
	suite_add_tcase(s, tc);
	return s;
}
