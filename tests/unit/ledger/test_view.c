#include <check.h>
#include <string.h>

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

static enum err_code
show_job(void *ctx, const struct ledger_job *j, struct err *e)
{
	return buf_printf(ctx, e, "%s %s %s/%s %s '%s' %s %lld %lld %d%d%d\n",
	    j->id, j->kind, j->service, j->dataset, j->state, j->reason,
	    j->snapshot, (long long)j->attempt, (long long)j->bytes,
	    j->queued.ns != 0, j->started.ns != 0, j->ended.ns != 0);
}

static enum err_code
show_point(void *ctx, const struct ledger_point *p, struct err *e)
{
	return buf_printf(ctx, e, "%s %s %s %lld %d%d%d %s %s [%s] [%s]\n",
	    p->id, p->service, p->site, (long long)p->at.ns, p->complete,
	    p->suspect, p->held, p->verified_level, p->tested_run, p->sites,
	    p->snapshots);
}

static enum err_code
show_exercise(void *ctx, const struct ledger_exercise *x, struct err *e)
{
	return buf_printf(ctx, e, "%s %s %s %s %s %s %lld %lld %d\n", x->run,
	    x->service, x->mode, x->state, x->result, x->point,
	    (long long)x->rta_ns, (long long)x->rpo_ns, x->ended.ns != 0);
}

static enum err_code
show_step(void *ctx, const struct ledger_step *s, struct err *e)
{
	return buf_printf(ctx, e, "%s %s %s %s %s %lld %lld %d%d\n", s->step,
	    s->kind, s->state, s->output_hash, s->host,
	    (long long)s->planned_ns, (long long)s->exit_status,
	    s->started.ns != 0, s->ended.ns != 0);
}

/* Everything the views hold. */
static const char *
show(struct buf *b)
{
	struct ledger_job_filter jf = {0};
	struct ledger_point_filter pf = {0};
	struct ledger_exercise_filter xf = {0};
	struct err e = {0};

	buf_clear(b);
	ck_assert_msg(ledger_jobs(m.l, &jf, show_job, b, &e) == ERR_NONE, "%s",
	    e.text);
	ck_assert_msg(ledger_points(m.l, &pf, show_point, b, &e) == ERR_NONE,
	    "%s", e.text);
	ck_assert_msg(ledger_exercises(m.l, &xf, show_exercise, b, &e) ==
		ERR_NONE,
	    "%s", e.text);
	ck_assert_msg(ledger_steps(m.l, "x1", show_step, b, &e) == ERR_NONE,
	    "%s", e.text);
	return buf_text(b);
}

static void
job_runs(const char *id, const char *end)
{
	OWNED(draft_free)
	struct draft *begin = make_draft("brent", LEDGER_JOB, "@run", id,
	    "@service", "housing", "@dataset", "db", "kind", "backup", "state",
	    "running", "attempt", "1", NULL);
	OWNED(draft_free)
	struct draft *outcome = make_draft("brent", LEDGER_JOB, "state", end,
	    "bytes", "4096", "snapshot", "ab12", "reason", "as planned", NULL);
	char intent[LEDGER_INTENT_BYTES];
	struct err e = {0};

	ck_assert_int_eq(ledger_intent(m.l, begin, intent, &e), ERR_NONE);
	if (end != NULL)
		ck_assert_int_eq(ledger_outcome(m.l, intent, outcome, &e),
		    ERR_NONE);
}

START_TEST(a_job_goes_through_its_states)
{
	OWNED(buf_fini) struct buf b = {0};
	struct ledger_job_filter f = {.unfinished = true};
	struct err e = {0};

	make_append(&m,
	    make_draft("brent", LEDGER_JOB, "@run", "j1", "@service", "housing",
		"kind", "backup", "state", "queued", "reason", "by schedule",
		NULL));
	ck_assert_str_eq(show(&b),
	    "j1 backup housing/ queued 'by schedule'  -1 -1 100\n");
	job_runs("j1", "succeeded");
	job_runs("j2", NULL);
	ck_assert_str_eq(show(&b),
	    "j2 backup housing/db running ''  1 -1 110\n"
	    "j1 backup housing/db succeeded 'as planned' ab12 1 4096 111\n");
	buf_clear(&b);
	ck_assert_int_eq(ledger_jobs(m.l, &f, show_job, &b, &e), ERR_NONE);
	ck_assert_str_eq(buf_text(&b),
	    "j2 backup housing/db running ''  1 -1 110\n");
}
END_TEST

static enum err_code
take_times(void *ctx, const struct ledger_job *j, struct err *e)
{
	(void)e;
	*(struct ledger_job *)ctx = *j;
	return ERR_NONE;
}

START_TEST(a_job_that_is_retried_began_when_it_first_ran)
{
	struct ledger_job_filter f = {.id = "j1"};
	struct ledger_job first, second;
	struct err e = {0};

	job_runs("j1", "retrying");
	ck_assert_int_eq(ledger_jobs(m.l, &f, take_times, &first, &e),
	    ERR_NONE);
	ck_assert_int_eq(first.ended.ns, 0);
	job_runs("j1", "succeeded");
	ck_assert_int_eq(ledger_jobs(m.l, &f, take_times, &second, &e),
	    ERR_NONE);
	ck_assert_int_eq(second.started.ns, first.started.ns);
	ck_assert_int_eq(second.queued.ns, first.queued.ns);
	ck_assert_int_gt(second.ended.ns, first.started.ns);
}
END_TEST

static void
point_grows(void)
{
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "@service", "housing", "point",
		"p1", "at_ns", "1000", "snapshot.db", "aa", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "point", "p1", "snapshot.files",
		"bb", "complete", "1", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "point", "p1", "replicated_site",
		"southwark", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "point", "p1", "verified_level",
		"L3", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "point", "p1", "tested_run", "x1",
		NULL));
}

START_TEST(a_point_gathers_what_became_of_it)
{
	OWNED(buf_fini) struct buf b = {0};
	struct ledger_point_filter at = {.at_site = "southwark"};
	struct ledger_point_filter not_at = {.at_site = "lewisham"};
	struct err e = {0};
	struct utc reached;

	point_grows();
	ck_assert_str_eq(show(&b),
	    "p1 housing brent 1000 100 L3 x1"
	    " [brent southwark] [db aa\nfiles bb]\n");
	buf_clear(&b);
	ck_assert_int_eq(ledger_points(m.l, &at, show_point, &b, &e), ERR_NONE);
	ck_assert_uint_gt(b.len_bytes, 0);
	buf_clear(&b);
	ck_assert_int_eq(ledger_points(m.l, &not_at, show_point, &b, &e),
	    ERR_NONE);
	ck_assert_uint_eq(b.len_bytes, 0);
	ck_assert_int_eq(ledger_points_reached(m.l, "p1", "southwark", &reached,
			     &e),
	    ERR_NONE);
	ck_assert_int_ne(reached.ns, 0);
	ck_assert_int_eq(ledger_points_reached(m.l, "p1", "lewisham", &reached,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(reached.ns, 0);
}
END_TEST

static void
exercise_runs(void)
{
	OWNED(draft_free)
	struct draft *begin =
	    make_draft("brent", LEDGER_STEP, "@run", "x1", "step", "start-db",
		"kind", "run", "state", "running", "planned_ns", "5000", NULL);
	OWNED(draft_free)
	struct draft *outcome =
	    make_draft("brent", LEDGER_STEP, "step", "start-db", "kind", "run",
		"state", "done", "exit", "0", "output_hash", "cc", NULL);
	char intent[LEDGER_INTENT_BYTES];
	struct err e = {0};

	make_append(&m,
	    make_draft("brent", LEDGER_EXERCISE, "@run", "x1", "@service",
		"housing", "mode", "test", "state", "REQUESTED", "rpo_ns",
		"900", NULL));
	ck_assert_int_eq(ledger_intent(m.l, begin, intent, &e), ERR_NONE);
	ck_assert_int_eq(ledger_outcome(m.l, intent, outcome, &e), ERR_NONE);
	make_append(&m,
	    make_draft("brent", LEDGER_STEP, "@run", "x1", "step", "stop-db",
		"kind", "undo", "state", "skipped", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_EXERCISE, "@run", "x1", "state", "CLEAN",
		"result", "PASS", "rta_ns", "77", "point", "p1", NULL));
}

START_TEST(an_exercise_and_its_steps_are_listed)
{
	OWNED(buf_fini) struct buf b = {0};

	exercise_runs();
	ck_assert_str_eq(show(&b),
	    "x1 housing test CLEAN PASS p1 77 900 1\n"
	    "start-db run done cc brent-dr1 5000 0 11\n"
	    "stop-db undo skipped  brent-dr1 -1 -1 01\n");
}
END_TEST

START_TEST(rebuilding_gives_the_same_tables)
{
	OWNED(buf_fini) struct buf before = {0};
	OWNED(buf_fini) struct buf after = {0};
	struct err e = {0};

	job_runs("j1", "failed");
	job_runs("j2", NULL);
	point_grows();
	exercise_runs();
	show(&before);
	make_sql(&m,
	    "DELETE FROM jobs; UPDATE points SET complete = 0;"
	    "DELETE FROM tips; DELETE FROM intents; DELETE FROM steps;"
	    "UPDATE exercises SET result = 'FAIL'");
	ck_assert_str_ne(show(&after), buf_text(&before));
	ck_assert_int_eq(ledger_rebuild(m.l, &e), ERR_NONE);
	ck_assert_str_eq(show(&after), buf_text(&before));
	make_append(&m, make_draft("brent", "note", NULL));
	ck_assert(!make_verify(&m).bad);
}
END_TEST

/* The same question is asked again inside of its answer. */
struct nest {
	struct buf *b;
	int depth;
};

static enum err_code
ask_again(void *ctx, const struct ledger_job *j, struct err *e)
{
	struct nest *n = ctx;
	struct ledger_job_filter f = {.id = j->id};
	enum err_code rc = buf_printf(n->b, e, "%d%s ", n->depth, j->id);

	if (rc == ERR_NONE && n->depth < 40) {
		n->depth++;
		rc = ledger_jobs(m.l, &f, ask_again, n, e);
		n->depth--;
	}
	return rc == ERR_NONE ? buf_printf(n->b, e, "%s ", j->id) : rc;
}

START_TEST(a_question_inside_of_its_own_answer_disturbs_neither)
{
	OWNED(buf_fini) struct buf said = {0};
	struct nest n = {&said, 39};
	struct ledger_job_filter f = {0};
	struct err e = {0};

	job_runs("j1", "failed");
	job_runs("j2", "failed");
	ck_assert_int_eq(ledger_jobs(m.l, &f, ask_again, &n, &e), ERR_NONE);
	ck_assert_str_eq(buf_text(&said), "39j2 40j2 j2 j2 39j1 40j1 j1 j1 ");
	/* More at a time than are kept, and all of them are given back. */
	buf_clear(&said);
	n.depth = 0;
	f.id = "j1";
	ck_assert_int_eq(ledger_jobs(m.l, &f, ask_again, &n, &e), ERR_NONE);
	ck_assert_int_eq(strncmp(buf_text(&said), "0j1 1j1 2j1 ", 12), 0);
	ck_assert_uint_eq(said.len_bytes, 10 * 4 + 31 * 5 + 41 * 3);
	buf_clear(&said);
	ck_assert_int_eq(ledger_jobs(m.l, &f, show_job, &said, &e), ERR_NONE);
	ck_assert_int_eq(strncmp(buf_text(&said), "j1 ", 3), 0);
}
END_TEST

/* So that what follows is later. */
static struct utc
an_instant(void)
{
	struct utc t = now_utc();

	while (now_utc().ns == t.ns)
		;
	return t;
}

static const char *
points_then(struct ledger_point_filter f, struct utc as_of, struct buf *b)
{
	struct err e = {0};

	f.as_of = as_of;
	buf_clear(b);
	ck_assert_msg(ledger_points(m.l, &f, show_point, b, &e) == ERR_NONE,
	    "%s", e.text);
	return buf_text(b);
}

START_TEST(the_points_of_then_are_what_was_recorded_by_then)
{
	OWNED(buf_fini) struct buf b = {0};
	struct ledger_point_filter all = {0}, of = {.service = "housing"};
	struct ledger_point_filter there = {.service = "housing",
	    .at_site = "southwark"};
	struct ledger_point_filter complete = {.service = "housing",
	    .complete = true,
	    .limit = 1};
	struct utc before = an_instant(), taken, copied;
	static const char p1[] =
	    "p1 housing brent 1000 100   [brent] [files f1]\n";

	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "@service", "housing", "point",
		"p1", "site", "brent", "at_ns", "1000", "complete", "1",
		"snapshot.files", "f1", NULL));
	taken = an_instant();
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "@service", "housing", "point",
		"p2", "site", "brent", "at_ns", "2000", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "@service", "housing", "point",
		"p1", "replicated_site", "southwark", "verified_level", "L2",
		NULL));
	copied = an_instant();
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "@service", "housing", "point",
		"p2", "complete", "1", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "@service", "housing", "point",
		"p1", "suspect", "1", "verified_level", "L4", "snapshot.files",
		"f2", NULL));
	make_append(&m,
	    make_draft("brent", LEDGER_POINT, "@service", "benefits", "point",
		"p3", "site", "brent", "at_ns", "1500", NULL));

	ck_assert_str_eq(points_then(all, before, &b), "");
	ck_assert_str_eq(points_then(all, taken, &b), p1);
	ck_assert_str_eq(points_then(of, taken, &b), p1);
	ck_assert_str_eq(points_then(there, taken, &b), "");
	ck_assert_str_eq(points_then(of, copied, &b),
	    "p2 housing brent 2000 000   [] []\n"
	    "p1 housing brent 1000 100 L2  [brent southwark] [files f1]\n");
	ck_assert_str_eq(points_then(there, copied, &b),
	    "p1 housing brent 1000 100 L2  [brent southwark] [files f1]\n");
	/* p2 is complete by now; the newest that was so then is further back. */
	ck_assert_str_eq(points_then(complete, copied, &b),
	    "p1 housing brent 1000 100 L2  [brent southwark] [files f1]\n");
	ck_assert_str_eq(points_then(complete, an_instant(), &b),
	    "p2 housing brent 2000 100   [brent] []\n");
	ck_assert_str_eq(points_then(of, an_instant(), &b),
	    "p2 housing brent 2000 100   [brent] []\n"
	    "p1 housing brent 1000 110 L4  [brent southwark] [files f2]\n");
}
END_TEST

Suite *suite_ledger_view(void);

Suite *
suite_ledger_view(void)
{
	Suite *s = suite_create("ledger/view");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_job_goes_through_its_states);
	tcase_add_test(tc, a_job_that_is_retried_began_when_it_first_ran);
	tcase_add_test(tc, a_point_gathers_what_became_of_it);
	tcase_add_test(tc, the_points_of_then_are_what_was_recorded_by_then);
	tcase_add_test(tc, an_exercise_and_its_steps_are_listed);
	tcase_add_test(tc, rebuilding_gives_the_same_tables);
	tcase_add_test(tc,
	    a_question_inside_of_its_own_answer_disturbs_neither);
	suite_add_tcase(s, tc);
	return s;
}
