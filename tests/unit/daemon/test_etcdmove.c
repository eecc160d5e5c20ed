#include <check.h>
#include <signal.h>
#include <string.h>

#include "daemon/alarm.h"
#include "daemon/etcd.h"
#include "daemon/moves.h"
#include "support/must.h"
#include "support/puppet.h"
#include "support/tmpdir.h"

/*
 * Every answer that the one who asks etcd can give, or not give, through the
 * daemon's own side of it (etcd.c): a move's register is done once, and nobody
 * goes on while it is not known.
 */

#define RUN  "20261122T120000Z-00000001"
#define LATE (61 * NS_PER_S)

static struct policy_site sites[] = {{.name = "brent"}, {.name = "southwark"}};
static struct policy policy;
static struct daemon d;
static struct tmpdir td;
static struct etcd_register to;
static char said[ERR_TEXT_BYTES];
static struct err e;

static void
setup(void)
{
	struct ledger_options o = {.site = "brent", .host = "h"};
	char path[128];

	policy = (struct policy){.site = "brent",
	    .sites = sites,
	    .site_count = COUNT_OF(sites),
	    .authority = POLICY_ETCD};
	d = (struct daemon){.policy = &policy, .site = &sites[0]};
	to = (struct etcd_register){.epoch = 2,
	    .state = "MOVING",
	    .owner = "southwark",
	    .from = "brent",
	    .run = RUN,
	    .site = "brent"};
	tmpdir_make_in_memory(&td);
	snprintf(path, sizeof(path), "%s/ledger.db", td.path);
	must(ledger_open(&d.ledger, path, &o, &e), &e);
	must(loop_new(&d.loop, &e), &e);
	must(alarm_start(&d, &e), &e);
	puppet_set_up();
	must(etcd_start(&d, &e), &e);
	must(loop_run(d.loop, &e), &e);
	ck_assert(puppet_is_there());
}

static void
teardown(void)
{
	etcd_stop(&d);
	ck_assert_ptr_null(d.etcdmoves);
	puppet_take_down();
	alarm_stop(&d);
	loop_free(&d.loop);
	ledger_close(&d.ledger);
	tmpdir_remove(&td);
}

static enum etcd_verdict
ask(void)
{
	return etcdmove_ask(&d, "counter", to.epoch - 1, &to, said);
}

/* To the question that was put last. */
static void
answer(const char *verdict, const char *text)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const char *line = puppet_line();
	char out[512];

	must(wire_parse(&v, line, strcspn(line, "\n"), &e), &e);
	snprintf(out, sizeof(out),
	    "{'type':'answer','ask':%u,'verdict':'%s','text':'%s'}",
	    (unsigned)wire_take_uint(v, "ask", 0), verdict, text);
	puppet_say(out);
}

static void
look(const char *rest)
{
	char out[512];

	snprintf(out, sizeof(out), "{'type':'seen',%s}", rest);
	puppet_say(out);
}

static bool
is_open(void)
{
	return etcdmove_is_open(&d, "counter", RUN);
}

START_TEST(what_is_done_is_told_once_and_open_until_a_look_shows_it)
{
	ck_assert_int_eq(ask(), ETCD_PENDING);
	ck_assert_uint_eq(puppet_told(), 1);
	ck_assert_ptr_nonnull(strstr(puppet_line(), "\"do\":\"swap\""));
	ck_assert_ptr_nonnull(strstr(puppet_line(), "\"from_epoch\":1"));
	ck_assert_ptr_nonnull(strstr(puppet_line(),
	    "\"owner\":\"southwark\",\"from\":\"brent\""));
	ck_assert_int_eq(ask(), ETCD_PENDING);
	ck_assert_uint_eq(puppet_told(), 0); /* once */
	ck_assert(is_open());
	d.kicked = false;
	answer("done", "");
	ck_assert(d.kicked);
	ck_assert(is_open());
	look("'quorum':false,'error':'none answers'");
	ck_assert(is_open()); /* which nobody stands behind */
	look("'quorum':true");
	ck_assert(!is_open());
	ck_assert_int_eq(ask(), ETCD_DONE);
	ck_assert_str_eq(said, "");
	ck_assert_int_eq(ask(), ETCD_PENDING); /* another question */
	ck_assert_uint_eq(puppet_told(), 1);
}
END_TEST

START_TEST(what_is_lost_or_refused_is_told_once_with_its_words)
{
	static const struct {
		const char *name;
		enum etcd_verdict v;
	} answers[] = {{"lost", ETCD_LOST}, {"refused", ETCD_REFUSED}};

	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		ck_assert_int_eq(ask(), ETCD_PENDING);
		answer(answers[i].name, "somebody else has it");
		ck_assert(!is_open()); /* nothing was done */
		ck_assert_int_eq(ask(), answers[i].v);
		ck_assert_str_eq(said, "somebody else has it");
	}
	ck_assert_int_eq(ask(), ETCD_PENDING);
	ck_assert_uint_eq(puppet_told(), 3);
}
END_TEST

START_TEST(what_is_unknown_is_asked_until_it_is_known)
{
	ck_assert_int_eq(ask(), ETCD_PENDING);
	answer("unknown", "no answer came back");
	ck_assert(is_open()); /* which asks again */
	ck_assert_uint_eq(puppet_told(), 2);
	/* That one did nothing: of the first nobody knows. */
	answer("refused", "no quorum");
	ck_assert(is_open());
	ck_assert_uint_eq(puppet_told(), 1);
	ck_assert_int_eq(ask(), ETCD_PENDING);
	answer("nonsense", ""); /* no verdict that there is */
	ck_assert_int_eq(ask(), ETCD_PENDING);
	puppet_pass(LATE);
	ck_assert_int_eq(ask(), ETCD_UNKNOWN);
	ck_assert(is_open());
	answer("unknown", "still none");
	ck_assert_int_eq(ask(), ETCD_UNKNOWN);
	ck_assert_str_eq(said, "still none");
	answer("done", "");
	ck_assert_int_eq(ask(), ETCD_DONE);
}
END_TEST

START_TEST(lost_after_unknown_was_read_back)
{
	ck_assert_int_eq(ask(), ETCD_PENDING);
	answer("unknown", "no answer came back");
	ck_assert_int_eq(ask(), ETCD_PENDING);
	answer("lost", "southwark has epoch 7");
	ck_assert(!is_open());
	ck_assert_int_eq(ask(), ETCD_LOST);
	ck_assert_str_eq(said, "southwark has epoch 7");
}
END_TEST

/* An answer that is only late is not unknown: it may come yet. */
START_TEST(a_late_answer_is_waited_for)
{
	ck_assert_int_eq(ask(), ETCD_PENDING);
	puppet_pass(LATE);
	ck_assert_int_eq(ask(), ETCD_PENDING);
	ck_assert(is_open());
	ck_assert_uint_eq(puppet_told(), 1);
	answer("done", "");
	ck_assert_int_eq(ask(), ETCD_DONE);
}
END_TEST

START_TEST(when_the_asker_dies_it_is_unknown_and_asked_of_the_next)
{
	ck_assert_int_eq(ask(), ETCD_PENDING);
	(void)puppet_told();
	puppet_die(SIGKILL);
	ck_assert(etcdmove_quorum_lost(&d));
	ck_assert(is_open()); /* queued for the next one */
	ck_assert_uint_eq(puppet_told(), 0);
	must(loop_run(d.loop, &e), &e);
	ck_assert(puppet_is_there());
	ck_assert_uint_eq(puppet_told(), 1);
	answer("refused", "no quorum");
	ck_assert_int_eq(ask(), ETCD_PENDING); /* of the first nobody knows */
	answer("done", "");
	ck_assert_int_eq(ask(), ETCD_DONE);
}
END_TEST

START_TEST(what_was_never_sent_was_not_done)
{
	puppet_die(SIGKILL);
	ck_assert_int_eq(ask(), ETCD_PENDING);
	puppet_refuse();
	must(loop_run(d.loop, &e), &e);
	ck_assert(!puppet_is_there());
	ck_assert(!is_open());
	ck_assert_int_eq(ask(), ETCD_REFUSED);
	ck_assert_msg(strstr(said, "etcd was not asked") != NULL, "%s", said);
}
END_TEST

START_TEST(an_answer_that_nobody_came_back_for_is_asked_anew)
{
	ck_assert_int_eq(ask(), ETCD_PENDING);
	answer("done", "");
	look("'quorum':true");
	puppet_pass(LATE);
	ck_assert_int_eq(ask(), ETCD_PENDING);
	ck_assert_uint_eq(puppet_told(), 2);
	answer("lost", "it was given back since");
	ck_assert_int_eq(ask(), ETCD_LOST);
}
END_TEST

START_TEST(another_change_of_the_run_waits_for_the_first)
{
	struct etcd_register first = to;

	ck_assert_int_eq(ask(), ETCD_PENDING);
	answer("unknown", "no answer came back");
	(void)puppet_told();
	to.epoch = 3;
	snprintf(to.owner, sizeof(to.owner), "brent");
	ck_assert_int_eq(ask(), ETCD_PENDING);
	ck_assert_uint_eq(puppet_told(), 1); /* the first, again */
	ck_assert_ptr_nonnull(strstr(puppet_line(), "\"epoch\":2"));
	answer("done", "");
	ck_assert_int_eq(ask(), ETCD_PENDING);
	ck_assert_uint_eq(puppet_told(), 0); /* no look has shown it */
	look("'quorum':true");
	ck_assert_int_eq(ask(), ETCD_PENDING);
	ck_assert_uint_eq(puppet_told(), 1);
	ck_assert_ptr_nonnull(strstr(puppet_line(), "\"epoch\":3"));
	/* One of another run waits for nobody. */
	snprintf(to.run, sizeof(to.run), "another");
	ck_assert_int_eq(ask(), ETCD_PENDING);
	ck_assert_uint_eq(puppet_told(), 1);
	to = first;
	ck_assert_int_eq(ask(), ETCD_DONE);
}
END_TEST

START_TEST(an_answer_after_its_end_is_nobodys)
{
	ck_assert_int_eq(ask(), ETCD_PENDING);
	etcdmove_stop(&d);
	ck_assert_ptr_null(d.etcdmoves);
	answer("done", "");
	puppet_say("{'type':'answer','ask':999,'verdict':'done'}");
	ck_assert(!is_open());
	ck_assert_int_eq(ask(), ETCD_PENDING);
}
END_TEST

START_TEST(a_step_that_is_not_allowed_is_refused_at_once)
{
	to.epoch = 0;
	ck_assert_int_eq(etcdmove_ask(&d, "counter", 1, &to, said),
	    ETCD_PENDING);
	ck_assert_int_eq(etcdmove_ask(&d, "counter", 1, &to, said),
	    ETCD_REFUSED);
	ck_assert_msg(strstr(said, "no register of 'counter' goes") != NULL,
	    "%s", said);
	ck_assert_uint_eq(puppet_told(), 0);
	policy.authority = POLICY_MANUAL;
	ck_assert_int_eq(ask(), ETCD_DONE);
	ck_assert_uint_eq(puppet_told(), 0);
	policy.authority = POLICY_ETCD;
}
END_TEST

#define REGISTER(epoch, owner, state)                                         \
	"'quorum':true,'registers':[{'service':'counter','epoch':" epoch      \
	",'owner':'" owner "','state':'" state "','from':'brent','run':'" RUN \
	"','site':'brent'}]"

START_TEST(a_register_is_heard_if_it_means_something_and_is_young)
{
	static const char *const none[] = {"'quorum':false",
	    "'quorum':true,'registers':[]",
	    REGISTER("0", "southwark", "MOVING"),
	    REGISTER("2", "lewisham", "MOVING"),
	    REGISTER("2", "southwark", "DANCING")};
	struct authority a;

	ck_assert(!etcdmove_heard(&d, "counter", &a));
	for (size_t i = 0; i < COUNT_OF(none); i++) {
		look(none[i]);
		ck_assert_msg(!etcdmove_heard(&d, "counter", &a), "%s",
		    none[i]);
	}
	look(REGISTER("2", "southwark", "MOVING"));
	ck_assert(!etcdmove_heard(&d, "another", &a));
	ck_assert(etcdmove_heard(&d, "counter", &a));
	ck_assert_uint_eq(a.epoch, 2);
	ck_assert_int_eq(a.state, AUTHORITY_MOVING);
	ck_assert_str_eq(a.site, "southwark");
	ck_assert_str_eq(a.from_site, "brent");
	ck_assert_str_eq(a.run, RUN);
	look("'quorum':false"); /* it was read a moment ago */
	ck_assert(etcdmove_heard(&d, "counter", &a));
	puppet_pass(LATE);
	ck_assert(!etcdmove_heard(&d, "counter", &a));
	look(REGISTER("2", "southwark", "PROTECTED"));
	ck_assert(etcdmove_heard(&d, "counter", &a));
	ck_assert_str_eq(a.from_site, "");
}
END_TEST

START_TEST(a_lease_is_out_only_by_a_majoritys_word)
{
	ck_assert(etcdmove_quorum_lost(&d)); /* no look yet */
	ck_assert(!etcdmove_lease_is_out(&d, "southwark"));
	look("'quorum':true,'lives':[{'site':'southwark'}]");
	ck_assert(!etcdmove_quorum_lost(&d));
	ck_assert(!etcdmove_lease_is_out(&d, "southwark"));
	look("'quorum':false");
	ck_assert(etcdmove_quorum_lost(&d));
	ck_assert(!etcdmove_lease_is_out(&d, "southwark"));
	look("'quorum':true,'lives':[]");
	ck_assert(etcdmove_lease_is_out(&d, "southwark"));
}
END_TEST

Suite *suite_daemon_etcdmove(void);

Suite *
suite_daemon_etcdmove(void)
{
	Suite *s = suite_create("daemon/etcdmove");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc,
	    what_is_done_is_told_once_and_open_until_a_look_shows_it);
	tcase_add_test(tc, what_is_lost_or_refused_is_told_once_with_its_words);
	tcase_add_test(tc, what_is_unknown_is_asked_until_it_is_known);
	tcase_add_test(tc, lost_after_unknown_was_read_back);
	tcase_add_test(tc, a_late_answer_is_waited_for);
	tcase_add_test(tc,
	    when_the_asker_dies_it_is_unknown_and_asked_of_the_next);
	tcase_add_test(tc, what_was_never_sent_was_not_done);
	tcase_add_test(tc, an_answer_that_nobody_came_back_for_is_asked_anew);
	tcase_add_test(tc, another_change_of_the_run_waits_for_the_first);
	tcase_add_test(tc, an_answer_after_its_end_is_nobodys);
	tcase_add_test(tc, a_step_that_is_not_allowed_is_refused_at_once);
	tcase_add_test(tc,
	    a_register_is_heard_if_it_means_something_and_is_young);
	tcase_add_test(tc, a_lease_is_out_only_by_a_majoritys_word);
	suite_add_tcase(s, tc);
	return s;
}
