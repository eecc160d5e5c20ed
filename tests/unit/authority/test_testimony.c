#include <bascule/authority.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

#define MIN (60 * NS_PER_S)

static const struct utc noon = {INT64_C(1790000000) * NS_PER_S};

static struct approvals_word
word(const char *site, const char *name, uint64_t row, int64_t at_ns,
    enum approvals_verb verb, const char *reason)
{
	struct approvals_word w = {.verb = verb,
	    .row = row,
	    .at = {noon.ns + at_ns}};

	w.who.uid = 1000 + name[0];
	w.who.login_uid = APPROVALS_NO_UID;
	snprintf(w.who.name, sizeof(w.who.name), "%s", name);
	snprintf(w.who.site, sizeof(w.who.site), "%s", site);
	snprintf(w.reason, sizeof(w.reason), "%s", reason);
	return w;
}

struct book {
	struct approvals_word words[8];
	size_t count;
};

static void
take(struct book *b, struct approvals_word w)
{
	testimony_take(b->words, &b->count, 8, &w);
}

static unsigned
attested(const struct book *b, int64_t at_ns)
{
	return testimony_attested(b->words, b->count,
	    (struct utc){noon.ns + at_ns});
}

START_TEST(an_attestation_is_of_its_hour)
{
	struct book b = {0};

	take(&b, word("brent", "ada", 1, 0, APPROVALS_ATTEST, "mains off"));
	take(&b,
	    word("brent", "bob", 2, 9 * MIN, APPROVALS_ATTEST, "Mains-off"));
	ck_assert_uint_eq(attested(&b, 10 * MIN), 2);
	ck_assert_uint_eq(attested(&b, 30 * MIN), 2);
	ck_assert_uint_eq(attested(&b, 30 * MIN + 1), 1);
	ck_assert_uint_eq(attested(&b, 40 * MIN), 0);
	/* nor is it of an hour that is not yet */
	ck_assert_uint_eq(attested(&b, -25 * MIN), 1);
}
END_TEST

START_TEST(a_third_who_names_another_method_takes_nothing_back)
{
	struct book b = {0};

	take(&b, word("brent", "ada", 1, 0, APPROVALS_ATTEST, "mains off"));
	take(&b, word("brent", "bob", 2, 1, APPROVALS_ATTEST, "mains off"));
	take(&b, word("brent", "cyn", 3, 2, APPROVALS_ATTEST, "disks pulled"));
	ck_assert_uint_eq(attested(&b, MIN), 2);
}
END_TEST

START_TEST(who_repeats_a_word_drives_nobody_else_out)
{
	struct book b = {0};

	take(&b, word("brent", "ada", 1, 0, APPROVALS_ATTEST, "mains off"));
	for (uint64_t i = 0; i < 20; i++)
		take(&b,
		    word("brent", "bob", 2 + i, (int64_t)i, APPROVALS_ATTEST,
			"mains off"));
	ck_assert_uint_eq(b.count, 2);
	ck_assert_uint_eq(attested(&b, MIN), 2);
	ck_assert_uint_eq(b.words[1].row, 21);
	/* but other words do, the oldest first */
	for (uint64_t i = 0; i < 8; i++) {
		char seen[16];

		snprintf(seen, sizeof(seen), "%u", (unsigned)i);
		take(&b,
		    word("brent", "bob", 30 + i, MIN + (int64_t)i,
			APPROVALS_REFUSE, seen));
	}
	ck_assert_uint_eq(b.count, 8);
	ck_assert_uint_eq(attested(&b, MIN), 0);
}
END_TEST

static struct approvals_word
signed_word(struct approvals_word w, int64_t said_ns)
{
	snprintf(w.who.key, sizeof(w.who.key), "SHA256:%s", w.who.name);
	w.said.ns = noon.ns + said_ns;
	return w;
}

/*
 * T4, P4: recorded again, at either site and by whatever account, wherever it is
 * read first: of ada's three words three stand, each where it was recorded first.
 */
START_TEST(what_a_key_has_signed_is_one_word)
{
	const struct approvals_word w[] = {signed_word(word("brent", "ada", 1,
							   0, APPROVALS_ATTEST,
							   "one"),
					       0),
	    signed_word(word("brent", "ada", 2, 5 * MIN, APPROVALS_APPROVE, ""),
		5 * MIN),
	    signed_word(word("brent", "ada", 3, 9 * MIN, APPROVALS_WITHDRAW,
			    ""),
		9 * MIN),
	    /* replayed: the same, later, here and there */
	    signed_word(word("brent", "ada", 4, 12 * MIN, APPROVALS_APPROVE,
			    ""),
		5 * MIN),
	    signed_word(word("south", "ada", 7, 20 * MIN, APPROVALS_ATTEST,
			    "one"),
		0),
	    signed_word(word("south", "ada", 8, 21 * MIN, APPROVALS_APPROVE,
			    ""),
		5 * MIN),
	    /* withheld until now, and signed before what is held */
	    signed_word(word("south", "ada", 9, 22 * MIN, APPROVALS_REFUSE, ""),
		8 * MIN)};

	for (unsigned turn = 0; turn < 2 * COUNT_OF(w); turn++) {
		struct book b = {0};

		for (unsigned k = 0; k < COUNT_OF(w); k++) {
			unsigned i = (turn + k) % COUNT_OF(w);

			take(&b,
			    w[turn < COUNT_OF(w) ? i : COUNT_OF(w) - 1 - i]);
		}
		ck_assert_uint_eq(b.count, 3);
		for (unsigned k = 0; k < 3; k++) {
			ck_assert_int_eq(b.words[k].verb, w[k].verb);
			ck_assert_int_eq(b.words[k].at.ns, w[k].at.ns);
		}
	}
}
END_TEST

START_TEST(what_is_signed_anew_is_a_new_word)
{
	struct book b = {0};

	take(&b,
	    signed_word(word("brent", "ada", 1, 0, APPROVALS_ATTEST, "off"),
		0));
	take(&b,
	    signed_word(word("brent", "ada", 2, 20 * MIN, APPROVALS_ATTEST,
			    "off"),
		20 * MIN));
	take(&b,
	    signed_word(word("brent", "bob", 3, 20 * MIN, APPROVALS_ATTEST,
			    "off"),
		0)); /* his own clock, his own order */
	ck_assert_uint_eq(attested(&b, 45 * MIN), 2);
}
END_TEST

START_TEST(the_owner_is_the_one_named_last_wherever_it_was_read_first)
{
	struct approvals_word w[3] = {word("brent", "ada", 1, 0,
					  APPROVALS_RELEASE, "brent"),
	    word("southwark", "dan", 7, 2 * MIN, APPROVALS_RELEASE,
		"southwark"),
	    word("brent", "bob", 2, MIN, APPROVALS_RELEASE, "brent")};
	static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
	    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct utc now = {noon.ns + 3 * MIN};

	for (int i = 0; i < 6; i++) {
		struct book b = {0};
		unsigned persons;

		for (int k = 0; k < 3; k++)
			take(&b, w[orders[i][k]]);
		ck_assert_str_eq(testimony_owner(b.words, b.count,
				     (struct utc){0}, now, &persons),
		    "southwark");
		ck_assert_uint_eq(persons, 1);
		ck_assert_uint_eq(testimony_released(b.words, b.count, "brent",
				      (struct utc){0}, now),
		    2);
		/* a run that was asked for since hears none of it */
		ck_assert_ptr_null(
		    testimony_owner(b.words, b.count, now, now, NULL));
		ck_assert_uint_eq(testimony_released(b.words, b.count, "brent",
				      (struct utc){noon.ns + 1}, now),
		    1);
	}
}
END_TEST

/* The clock stood an hour ahead when the first was said. */
START_TEST(a_clock_set_right_leaves_no_word_of_the_future)
{
	struct book b = {0};
	struct utc now = {noon.ns + 5 * MIN};
	unsigned persons;

	take(&b, word("brent", "ada", 5, 20 * MIN, APPROVALS_RELEASE, "brent"));
	take(&b,
	    word("southwark", "dan", 1, MIN, APPROVALS_RELEASE, "southwark"));
	ck_assert_str_eq(testimony_owner(b.words, b.count, (struct utc){0}, now,
			     &persons),
	    "brent");
	take(&b, word("brent", "bob", 6, 0, APPROVALS_APPROVE, ""));
	ck_assert_str_eq(testimony_owner(b.words, b.count, (struct utc){0}, now,
			     &persons),
	    "southwark");
	/* the same, read the other way round */
	b = (struct book){0};
	take(&b, word("brent", "bob", 6, 0, APPROVALS_APPROVE, ""));
	take(&b,
	    word("southwark", "dan", 1, MIN, APPROVALS_RELEASE, "southwark"));
	take(&b, word("brent", "ada", 5, 20 * MIN, APPROVALS_RELEASE, "brent"));
	ck_assert_str_eq(testimony_owner(b.words, b.count, (struct utc){0}, now,
			     &persons),
	    "southwark");
	/* and one that is still far ahead says nothing */
	take(&b,
	    word("lewisham", "eve", 1, 90 * MIN, APPROVALS_RELEASE, "brent"));
	ck_assert_str_eq(testimony_owner(b.words, b.count, (struct utc){0}, now,
			     &persons),
	    "southwark");
}
END_TEST

/* --- what the records prove --------------------------------------------------- */

static void
fold(struct move *m, const char *site, uint64_t row, struct move_event ev)
{
	struct err e = {0};

	ev.site = site;
	ev.row = row;
	ck_assert_msg(move_fold(m, &ev, &e) == ERR_NONE, "%s", e.text);
}

static struct guards_facts
proved(const struct move *m, unsigned persons)
{
	struct guards_facts f = {.now = noon};
	struct authority reg = {.quarantined = false};

	testimony_tell(m, &reg, persons, &f);
	return f;
}

START_TEST(what_people_attested_is_no_fence_that_was_read_back)
{
	struct move m = {0};
	struct guards_facts f;

	fold(&m, "southwark", 1,
	    (struct move_event){.kind = MOVE_REQUESTED,
		.run = "f1",
		.service = "housing",
		.from = "brent",
		.to = "southwark",
		.mode = GUARDS_UNPLANNED});
	fold(&m, "southwark", 2, (struct move_event){.kind = MOVE_DECLARED});
	f = proved(&m, 0);
	ck_assert(!f.of[FACT_FENCE_PROVED].known);
	fold(&m, "southwark", 3, (struct move_event){.kind = MOVE_FENCED});
	f = proved(&m, 2);
	ck_assert(f.of[FACT_FENCE_PROVED].known);
	ck_assert_int_eq(f.of[FACT_FENCE_PROVED].value, 0);
	ck_assert_int_eq(f.of[FACT_FENCE_ATTESTED].value, 2);
	fold(&m, "southwark", 4,
	    (struct move_event){.stage = MOVE_INTENT, .act = MOVE_FENCE});
	f = proved(&m, 0);
	ck_assert_int_eq(f.of[FACT_FENCE_PROVED].value, 0);
	fold(&m, "southwark", 5,
	    (struct move_event){.stage = MOVE_OUTCOME,
		.act = MOVE_FENCE,
		.result = MOVE_DONE});
	f = proved(&m, 0);
	ck_assert_int_eq(f.of[FACT_FENCE_PROVED].value, 1);
	ck_assert_int_eq(f.of[FACT_DIVERGENCE_CAPTURED].value, 0);
}
END_TEST

/* G18 must not pass because the run was a planned one when it began. */
START_TEST(a_planned_run_resolved_by_people_has_a_loser_too)
{
	struct move m = {0};
	struct guards_facts f;

	fold(&m, "brent", 1,
	    (struct move_event){.kind = MOVE_REQUESTED,
		.run = "f1",
		.service = "housing",
		.from = "brent",
		.to = "southwark",
		.mode = GUARDS_PLANNED});
	f = proved(&m, 0);
	ck_assert_int_eq(f.of[FACT_DIVERGENCE_CAPTURED].value, 1);
	fold(&m, "brent", 2,
	    (struct move_event){.kind = MOVE_RESOLVED,
		.owner = "brent",
		.epoch = 3});
	f = proved(&m, 0);
	ck_assert_int_eq(f.of[FACT_DIVERGENCE_CAPTURED].value, 0);
	fold(&m, "southwark", 1, (struct move_event){.kind = MOVE_STOPPED});
	fold(&m, "southwark", 2, (struct move_event){.kind = MOVE_DIVERGENCE});
	f = proved(&m, 0);
	ck_assert_int_eq(f.of[FACT_DIVERGENCE_CAPTURED].value, 1);
}
END_TEST

/* G17: what the records say, and no more than that. */
START_TEST(the_old_data_is_whole_where_it_was_left_or_kept)
{
	struct move p = {.known = true, .mode = GUARDS_PLANNED};
	struct move u = {.known = true, .mode = GUARDS_UNPLANNED};
	struct guards_facts f;

	f = proved(&p, 0);
	ck_assert(!f.of[FACT_OLD_DATA_INTACT].known);
	p.a.intent[MOVE_RESUME] = 3; /* before it */
	p.a.fact[MOVE_DEMOTED] = 7;
	f = proved(&p, 0);
	ck_assert(f.of[FACT_OLD_DATA_INTACT].known);
	ck_assert_int_eq(f.of[FACT_OLD_DATA_INTACT].value, 1);
	p.a.intent[MOVE_RESUME] = 8;
	f = proved(&p, 0);
	ck_assert(!f.of[FACT_OLD_DATA_INTACT].known);
	/* a fence says nothing of the data of a site that was lost */
	u.b.fact[MOVE_FENCED] = 4;
	u.a.fact[MOVE_STOPPED] = 2;
	f = proved(&u, 2);
	ck_assert(!f.of[FACT_OLD_DATA_INTACT].known);
	u.a.fact[MOVE_DIVERGENCE] = 5;
	f = proved(&u, 0);
	ck_assert_int_eq(f.of[FACT_OLD_DATA_INTACT].value, 1);
	u.a.intent[MOVE_PLAN] = 6;
	f = proved(&u, 0);
	ck_assert(!f.of[FACT_OLD_DATA_INTACT].known);
}
END_TEST

/* A request that lay while the service went away and came back (G14). */
START_TEST(the_epoch_is_the_one_for_which_it_was_asked)
{
	struct authority reg = {.epoch = 5};
	struct move m = {.epoch = 3};

	ck_assert_uint_eq(testimony_epoch(&m, &reg, GUARDS_AT_READY), 3);
	ck_assert_uint_eq(testimony_epoch(&m, &reg, GUARDS_AT_GRANT), 3);
	ck_assert_uint_eq(testimony_epoch(&m, &reg, GUARDS_AT_TAKE), 3);
	ck_assert_uint_eq(testimony_epoch(&m, &reg, GUARDS_AT_ROLLBACK), 5);
	m.a.fact[MOVE_GRANTED] = 9;
	m.a.epoch_of[MOVE_GRANTED] = 4;
	ck_assert_uint_eq(testimony_epoch(&m, &reg, GUARDS_AT_TAKE), 4);
	m = (struct move){.epoch = 0}; /* not recorded */
	ck_assert_uint_eq(testimony_epoch(&m, &reg, GUARDS_AT_READY), 5);
}
END_TEST

Suite *suite_authority_testimony(void);

Suite *
suite_authority_testimony(void)
{
	Suite *s = suite_create("authority/testimony");
	TCase *t = tcase_create("testimony");

	tcase_add_test(t, what_a_key_has_signed_is_one_word);
	tcase_add_test(t, what_is_signed_anew_is_a_new_word);
	tcase_add_test(t, an_attestation_is_of_its_hour);
	tcase_add_test(t, a_third_who_names_another_method_takes_nothing_back);
	tcase_add_test(t, who_repeats_a_word_drives_nobody_else_out);
	tcase_add_test(t,
	    the_owner_is_the_one_named_last_wherever_it_was_read_first);
	tcase_add_test(t, a_clock_set_right_leaves_no_word_of_the_future);
	tcase_add_test(t, what_people_attested_is_no_fence_that_was_read_back);
	tcase_add_test(t, a_planned_run_resolved_by_people_has_a_loser_too);
	tcase_add_test(t, the_old_data_is_whole_where_it_was_left_or_kept);
	tcase_add_test(t, the_epoch_is_the_one_for_which_it_was_asked);
	suite_add_tcase(s, t);
	return s;
}
