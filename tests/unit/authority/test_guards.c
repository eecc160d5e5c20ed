#include <bascule/authority.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

static const struct utc noon = {INT64_C(1795000000) * NS_PER_S};

/* Everything is as it should be. */
static void
all_well(struct guards_facts *f)
{
	static const struct {
		enum guards_fact_id id;
		int64_t value;
	} good[] = {{FACT_POLICY_EQUAL, 1}, {FACT_PLAN_EQUAL, 1},
	    {FACT_ROLE, 1}, {FACT_APPROVALS, 2}, {FACT_APPROVALS_NEEDED, 2},
	    {FACT_CHANGE, 1}, {FACT_IN_WINDOW, 1}, {FACT_PROOF_LEVEL, 5},
	    {FACT_PROOF_NEEDED, 3}, {FACT_PROOF_AGE, 10},
	    {FACT_PROOF_WITHIN, 10}, {FACT_POINT_COMPLETE, 1}, {FACT_RPA, 60},
	    {FACT_RPO, 60}, {FACT_TARGET_UP, 1}, {FACT_CAPACITY, 1},
	    {FACT_CLOCK, 1}, {FACT_HOST_KEYS, 1}, {FACT_DNS_TTL, 1},
	    {FACT_CANARY, 1}, {FACT_PEER_ANSWERS, 1}, {FACT_OBSERVERS_DOWN, 2},
	    {FACT_PEER_SILENT, 120}, {FACT_HOLD_DOWN, 120},
	    {FACT_FENCE_PROVED, 1}, {FACT_MAX_LOSS, 60},
	    {FACT_LAST_RUN_AGE, 900}, {FACT_COOLDOWN, 900}, {FACT_ISOLATED, 1},
	    {FACT_QUOTA, 1}, {FACT_EPOCH_EXPECTED, 7}, {FACT_EPOCH_TARGET, 7},
	    {FACT_EPOCH_SOURCE, 7}, {FACT_EPOCH_WITNESS, 7},
	    {FACT_WITNESS_USED, 1}, {FACT_REGISTER_HEARD, 1},
	    {FACT_MARKERS_EQUAL, 1}, {FACT_OWNER_ACCEPTS, 1},
	    {FACT_OLD_DATA_INTACT, 1}, {FACT_NEW_WRITES_SAFE, 1},
	    {FACT_DIVERGENCE_CAPTURED, 1}};

	*f = (struct guards_facts){.now = noon};
	for (size_t i = 0; i < GUARDS_FACTS; i++)
		guards_tell(f, (enum guards_fact_id)i, 0, noon, "test", NULL);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		f->of[good[i].id].value = good[i].value;
}

/* mode 0 planned, 1 unplanned, 2 test; what a guard makes of one fact changed,
 * where everything else is well. */
static const struct {
	unsigned guard, mode;
	enum guards_phase phase;
	enum guards_fact_id id;
	int64_t bad;
} wrong[] = {
    {1, 0, GUARDS_AT_START, FACT_OTHER_RUN, 1},
    {1, 1, GUARDS_AT_FENCE, FACT_OTHER_RUN, 1},
    {1, 0, GUARDS_AT_READY, FACT_NEEDED_RUN, 1},
    {2, 0, GUARDS_AT_START, FACT_POLICY_EQUAL, 0},
    {2, 0, GUARDS_AT_READY, FACT_PLAN_EQUAL, 0},
    {3, 0, GUARDS_AT_REQUEST, FACT_ROLE, 0},
    {3, 0, GUARDS_AT_START, FACT_ACTOR_APPROVED, 1},
    {4, 0, GUARDS_AT_START, FACT_APPROVALS, 1},
    {4, 1, GUARDS_AT_FENCE, FACT_APPROVALS, 1},
    {4, 0, GUARDS_AT_START, FACT_CHANGE, 0},
    {5, 0, GUARDS_AT_START, FACT_FROZEN, 1},
    {5, 0, GUARDS_AT_START, FACT_IN_WINDOW, 0},
    {6, 0, GUARDS_AT_START, FACT_PROOF_LEVEL, 2},
    {6, 0, GUARDS_AT_START, FACT_PROOF_AGE, 11},
    {7, 0, GUARDS_AT_START, FACT_POINT_COMPLETE, 0},
    {7, 1, GUARDS_AT_START, FACT_POINT_SUSPECT, 1},
    {7, 0, GUARDS_AT_READY, FACT_RPA, 61},
    {8, 0, GUARDS_AT_START, FACT_TARGET_UP, 0},
    {8, 0, GUARDS_AT_READY, FACT_CAPACITY, 0},
    {8, 1, GUARDS_AT_TAKE, FACT_CLOCK, 0},
    {8, 0, GUARDS_AT_START, FACT_HOST_KEYS, 0},
    {8, 0, GUARDS_AT_START, FACT_DNS_TTL, 0},
    {8, 0, GUARDS_AT_START, FACT_CANARY, 0},
    {9, 0, GUARDS_AT_READY, FACT_PEER_ANSWERS, 0},
    {9, 1, GUARDS_AT_ROLLBACK, FACT_PEER_ANSWERS, 0},
    {9, 1, GUARDS_AT_FENCE, FACT_PEER_HEALTHY, 1},
    {9, 1, GUARDS_AT_FENCE, FACT_OBSERVERS_DOWN, 1},
    {9, 1, GUARDS_AT_FENCE, FACT_PEER_SILENT, 119},
    {10, 0, GUARDS_AT_GRANT, FACT_FENCE_PROVED, 0},
    {10, 1, GUARDS_AT_TAKE, FACT_FENCE_PROVED, 0},
    {11, 1, GUARDS_AT_START, FACT_RPA, 61},
    {11, 1, GUARDS_AT_FENCE, FACT_RPA, 61},
    {12, 0, GUARDS_AT_START, FACT_LAST_RUN_AGE, 899},
    {13, 2, GUARDS_AT_START, FACT_ISOLATED, 0},
    {13, 2, GUARDS_AT_START, FACT_QUOTA, 0},
    {14, 0, GUARDS_AT_TAKE, FACT_EPOCH_TARGET, 6},
    {14, 0, GUARDS_AT_GRANT, FACT_EPOCH_SOURCE, 8},
    {14, 1, GUARDS_AT_TAKE, FACT_EPOCH_WITNESS, 6},
    {14, 1, GUARDS_AT_RESOLVE, FACT_REGISTER_HEARD, 0},
    {15, 0, GUARDS_AT_GRANT, FACT_MARKERS_EQUAL, 0},
    {16, 0, GUARDS_AT_COMMIT, FACT_OWNER_ACCEPTS, 0},
    {16, 1, GUARDS_AT_COMMIT, FACT_OWNER_ACCEPTS, 0},
    {17, 0, GUARDS_AT_ROLLBACK, FACT_OLD_DATA_INTACT, 0},
    {17, 1, GUARDS_AT_ROLLBACK, FACT_NEW_WRITES_SAFE, 0},
    {18, 0, GUARDS_AT_REPROTECT, FACT_DIVERGENCE_CAPTURED, 0},
    {18, 1, GUARDS_AT_REPROTECT, FACT_DIVERGENCE_CAPTURED, 0},
};
#define WRONG (sizeof(wrong) / sizeof(*wrong))

START_TEST(each_wrong_fact_fails_its_guard_and_no_other)
{
	struct guards_result out[GUARDS_COUNT];
	struct guards_facts f;

	for (size_t i = 0; i < WRONG; i++) {
		unsigned guard = wrong[i].guard;

		all_well(&f);
		f.of[wrong[i].id].value = wrong[i].bad;
		guards_evaluate(&f, wrong[i].mode, wrong[i].phase, out);
		ck_assert_msg(out[guard - 1].verdict == GUARDS_FAIL, "case %zu",
		    i);
		ck_assert(out[guard - 1].remedy[0] != '\0');
		for (unsigned k = 1; k <= GUARDS_COUNT; k++)
			ck_assert_msg(k == guard ||
				wrong[i].id == FACT_RPA || /* G07 and G11 */
				out[k - 1].verdict <= GUARDS_PASS,
			    "case %zu, %s: %s", i, guards_id(k),
			    out[k - 1].text);
	}
}
END_TEST

START_TEST(what_is_not_known_never_passes)
{
	struct guards_result out[GUARDS_COUNT];
	struct guards_facts f;

	for (size_t i = 0; i < WRONG; i++) {
		all_well(&f);
		f.of[wrong[i].id].known = false;
		guards_evaluate(&f, wrong[i].mode, wrong[i].phase, out);
		if (wrong[i].id == FACT_PEER_HEALTHY ||
		    wrong[i].id == FACT_EPOCH_SOURCE)
			continue; /* they cannot be asked when it is gone */
		ck_assert_msg(out[wrong[i].guard - 1].verdict == GUARDS_UNKNOWN,
		    "case %zu: %s", i, out[wrong[i].guard - 1].text);
	}
	f = (struct guards_facts){.now = noon};
	for (unsigned m = 0; m < GUARDS_MODES; m++)
		for (unsigned p = 0; p < GUARDS_PHASES; p++) {
			guards_evaluate(&f, m, p, out);
			for (unsigned k = 0; k < GUARDS_COUNT; k++)
				ck_assert(out[k].verdict != GUARDS_PASS);
		}
}
END_TEST

START_TEST(all_that_is_well_passes_everywhere)
{
	struct guards_result out[GUARDS_COUNT];
	struct guards_facts f;
	struct err e;

	all_well(&f);
	for (unsigned m = 0; m < GUARDS_MODES; m++)
		for (unsigned p = 0; p < GUARDS_PHASES; p++) {
			size_t blocking = 9;

			guards_evaluate(&f, m, p, out);
			ck_assert_msg(guards_admit(out, &f, &blocking, &e) ==
				ERR_NONE,
			    "%s", e.text);
			ck_assert_uint_eq(blocking, 0);
			for (unsigned k = 0; k < GUARDS_COUNT; k++)
				ck_assert_int_eq(out[k].verdict == GUARDS_PASS,
				    guards_holds(k + 1, m, p));
		}
}
END_TEST

/* Columns: request start ready fence grant take commit rollback reprotect
 * resolve any; p planned, u unplanned, t test. */
START_TEST(which_guard_holds_when_is_as_the_page_says)
{
	static const char *const table[GUARDS_COUNT] =
	    {". put p u . . . . . . put", "  . put p . . . . . . . put",
		"put pu . . . . pu . . . put", ". pu . u . . . . . . pu",
		". put . . . . . . . . put", "  . pu . . . . . . . . pu",
		". put p . . . . . . . put", "  . put p . . u . . . . put",
		". pu p u . . . pu . . pu", "  . . . . p u . . . . pu",
		". u . u . . . . . . u", "     . pu . . . . . . . . pu",
		". t . . . . . . . . t", "     . . p u p pu . pu pu pu pu",
		". . . . p . . . . . p", "     . . . . . . pu . . . pu",
		". . . . . . . pu . . pu", "   . . . . . . . . pu . pu"};

	for (unsigned g = 1; g <= GUARDS_COUNT; g++) {
		const char *p = table[g - 1];

		for (unsigned phase = 0; phase < GUARDS_PHASES; phase++) {
			p += strspn(p, " ");
			for (unsigned m = 0; m < GUARDS_MODES; m++) {
				const char *at =
				    memchr(p, "put"[m], strcspn(p, " "));

				ck_assert_msg((at != NULL) ==
					guards_holds(g, m, phase),
				    "%s, %s, %s", guards_id(g),
				    guards_mode_name(m),
				    guards_phase_name(phase));
			}
			p += strcspn(p, " ");
		}
	}
}
END_TEST

START_TEST(four_guards_have_no_override_whatever_is_tried)
{
	for (unsigned g = 1; g <= GUARDS_COUNT; g++) {
		struct guards_result out[GUARDS_COUNT];
		struct guards_facts f = {.now = noon};
		bool never = g == 1 || g == 3 || g == 14 || g == 18;
		struct err e;

		memset(out, 0, sizeof(out));
		guards_evaluate(&f, g == 13 ? GUARDS_TEST : GUARDS_UNPLANNED,
		    GUARDS_AT_ANY, out);
		for (unsigned k = 0; k < GUARDS_COUNT; k++)
			if (k + 1 != g)
				out[k].verdict = GUARDS_PASS;
		if (g == 15)
			out[14].verdict = GUARDS_FAIL; /* planned alone */
		ck_assert_int_eq(guards_admit(out, &f, NULL, &e), ERR_REFUSED);
		ck_assert_msg(strstr(e.text, guards_id(g)) != NULL, "%s",
		    e.text);
		ck_assert_int_eq(guards_override(out, g, "because", &e),
		    never || g == 10 ? ERR_REFUSED : ERR_NONE);
		ck_assert_int_eq(guards_override(out, g, " ", &e),
		    never || g == 10 ? ERR_REFUSED : ERR_INPUT);
		if (never || g == 10) {
			ck_assert(!out[g - 1].overridden);
			out[g - 1].overridden = true; /* by some mistake */
		}
		ck_assert_int_eq(guards_admit(out, &f, NULL, &e),
		    never || g == 10 ? ERR_REFUSED : ERR_NONE);
		ck_assert_int_eq(guards_override_of(g),
		    never         ? GUARDS_NEVER
			: g == 10 ? GUARDS_ATTESTATION
				  : GUARDS_BY_LEAD);
	}
}
END_TEST

START_TEST(a_fence_is_attested_by_two_and_not_by_one)
{
	struct guards_result out[GUARDS_COUNT];
	struct guards_facts f;

	all_well(&f);
	f.of[FACT_FENCE_PROVED].value = 0;
	f.of[FACT_FENCE_ATTESTED].value = 1;
	guards_evaluate(&f, GUARDS_UNPLANNED, GUARDS_AT_TAKE, out);
	ck_assert_int_eq(out[9].verdict, GUARDS_FAIL);
	f.of[FACT_FENCE_ATTESTED].value = 2;
	guards_evaluate(&f, GUARDS_UNPLANNED, GUARDS_AT_TAKE, out);
	ck_assert_int_eq(out[9].verdict, GUARDS_PASS);
	/* It stands for the observers too, not for a healthy answer. */
	f.of[FACT_OBSERVERS_DOWN].value = 0;
	guards_evaluate(&f, GUARDS_UNPLANNED, GUARDS_AT_FENCE, out);
	ck_assert_int_eq(out[8].verdict, GUARDS_PASS);
	f.of[FACT_PEER_HEALTHY].value = 1;
	guards_evaluate(&f, GUARDS_UNPLANNED, GUARDS_AT_FENCE, out);
	ck_assert_int_eq(out[8].verdict, GUARDS_FAIL);
	ck_assert(strstr(out[8].remedy, "planned") != NULL);
}
END_TEST

START_TEST(what_stands_in_for_another_fact_lets_through)
{
	struct guards_result out[GUARDS_COUNT];
	struct guards_facts f;

	all_well(&f);
	f.of[FACT_RPA].value = 61;
	f.of[FACT_LOSS_ACCEPTED].value = 1;
	f.of[FACT_APPROVALS].value = 0;
	f.of[FACT_BREAK_GLASS].value = 1;
	f.of[FACT_LAST_RUN_AGE].known = false;
	f.of[FACT_NO_LAST_RUN].value = 1;
	f.of[FACT_PROOF_AGE].known = false;
	f.of[FACT_PROOF_WITHIN].value = 0;
	f.of[FACT_EPOCH_SOURCE].known = false;
	f.of[FACT_WITNESS_USED].value = 0;
	f.of[FACT_EPOCH_WITNESS].known = false;
	guards_evaluate(&f, GUARDS_UNPLANNED, GUARDS_AT_START, out);
	ck_assert_int_eq(out[3].verdict, GUARDS_PASS);
	ck_assert_int_eq(out[5].verdict, GUARDS_PASS);
	ck_assert_int_eq(out[6].verdict, GUARDS_FAIL); /* RPO stays broken */
	ck_assert_int_eq(out[10].verdict, GUARDS_PASS);
	ck_assert_int_eq(out[11].verdict, GUARDS_PASS);
	guards_evaluate(&f, GUARDS_UNPLANNED, GUARDS_AT_TAKE, out);
	ck_assert_int_eq(out[13].verdict, GUARDS_PASS);
	/* Two people decide over whatever the sites name. */
	f.of[FACT_EPOCH_TARGET].value = 6;
	guards_evaluate(&f, GUARDS_UNPLANNED, GUARDS_AT_ROLLBACK, out);
	ck_assert_int_eq(out[13].verdict, GUARDS_FAIL);
	guards_evaluate(&f, GUARDS_UNPLANNED, GUARDS_AT_RESOLVE, out);
	ck_assert_int_eq(out[13].verdict, GUARDS_PASS);
	f.of[FACT_WITNESS_USED].value = 1; /* which does not answer */
	guards_evaluate(&f, GUARDS_UNPLANNED, GUARDS_AT_RESOLVE, out);
	ck_assert_int_eq(out[13].verdict, GUARDS_UNKNOWN);
	f.of[FACT_WITNESS_USED].value = 0;
	/* The glass is not for planned moves. */
	guards_evaluate(&f, GUARDS_PLANNED, GUARDS_AT_START, out);
	ck_assert_int_eq(out[3].verdict, GUARDS_FAIL);
}
END_TEST

START_TEST(an_old_answer_of_the_peer_is_no_answer)
{
	struct guards_result out[GUARDS_COUNT];
	struct guards_facts f;

	all_well(&f);
	f.of[FACT_PEER_ANSWERS].at.ns -= 61 * NS_PER_S;
	guards_evaluate(&f, GUARDS_PLANNED, GUARDS_AT_READY, out);
	ck_assert_int_eq(out[8].verdict, GUARDS_UNKNOWN);
}
END_TEST

START_TEST(a_remedys_command_can_be_typed_as_it_stands)
{
	struct guards_result out[GUARDS_COUNT];
	struct guards_facts f;

	all_well(&f);
	f.of[FACT_PROOF_LEVEL].value = 0;
	f.of[FACT_APPROVALS].value = 0;
	guards_evaluate(&f, GUARDS_PLANNED, GUARDS_AT_START, out);
	ck_assert_str_eq(out[3].remedy,
	    "more people approve: bascule approve RUN");
	snprintf(f.service, sizeof(f.service), "games");
	snprintf(f.run, sizeof(f.run), "20261124T000000Z-1");
	guards_evaluate(&f, GUARDS_PLANNED, GUARDS_AT_START, out);
	ck_assert_str_eq(out[3].remedy,
	    "more people approve: bascule approve 20261124T000000Z-1");
	ck_assert_str_eq(out[5].remedy,
	    "prove a point: bascule exercise start games --mode test");
}
END_TEST

START_TEST(a_refusal_names_guard_inputs_ages_and_remedy)
{
	struct guards_result out[GUARDS_COUNT];
	struct guards_facts f;
	char words[256];
	struct guards_facts none = {.now = noon};
	struct err e;

	all_well(&f);
	guards_tell(&f, FACT_POLICY_EQUAL, 0,
	    (struct utc){noon.ns - 300 * NS_PER_S}, "bridge to southwark",
	    "1f and 2e");
	guards_evaluate(&f, GUARDS_PLANNED, GUARDS_AT_START, out);
	ck_assert_int_eq(guards_admit(out, &f, NULL, &e), ERR_REFUSED);
	ck_assert_msg(strstr(e.text, "guard G02") != NULL &&
		strstr(e.text,
		    "no, 1f and 2e, from bridge to southwark (5 min "
		    "ago)") != NULL &&
		strstr(e.text, "hint: load the same policy") != NULL &&
		strstr(e.text, "a dr-lead's") != NULL,
	    "%s", e.text);
	/* What speaks against it comes first, and nothing is cut in the middle. */
	all_well(&f);
	for (int id = FACT_TARGET_UP; id < FACT_CANARY; id++)
		guards_tell(&f, (enum guards_fact_id)id, 1, noon,
		    "record of southwark",
		    "a long text, as long as what is measured of a site may "
		    "well be: all of it");
	f.of[FACT_CANARY] = (struct guards_fact){.known = false};
	guards_evaluate(&f, GUARDS_PLANNED, GUARDS_AT_START, out);
	ck_assert_int_eq(guards_admit(out, &f, NULL, &e), ERR_REFUSED);
	ck_assert_msg(strstr(e.text,
			  "is not known to pass: the site's key opens its "
			  "newest copy: not known, ") != NULL &&
		strstr(e.text, "ago)\nhint") != NULL &&
		strstr(e.text, "bascule readiness") != NULL,
	    "%s", e.text);
	all_well(&f);
	f.of[FACT_RPA] = (struct guards_fact){.known = false};
	ck_assert_str_eq(guards_fact_words(&f, FACT_RPA, words, sizeof(words)),
	    "what would be lost: not known, from ledger");
	f.of[FACT_TARGET_UP] = (struct guards_fact){.known = false};
	ck_assert_str_eq(guards_fact_source(&f, FACT_TARGET_UP),
	    "readiness of the target");
	guards_tell(&f, FACT_TARGET_UP, 0, f.now, "bridge to brent", NULL);
	ck_assert_str_eq(guards_fact_source(&f, FACT_TARGET_UP),
	    "bridge to brent");
	for (unsigned i = 0; i < GUARDS_FACTS; i++)
		ck_assert_str_ne(guards_fact_source(&none, i), "");
	ck_assert_uint_eq(guards_find("g14"), 14);
	ck_assert_uint_eq(guards_find("G19"), 0);
	for (unsigned i = 0; i < GUARDS_FACTS; i++)
		for (unsigned k = 0; k < i; k++)
			ck_assert_str_ne(guards_fact_name(i),
			    guards_fact_name(k));
}
END_TEST

Suite *suite_authority_guards(void);

Suite *
suite_authority_guards(void)
{
	Suite *s = suite_create("authority/guards");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, each_wrong_fact_fails_its_guard_and_no_other);
	tcase_add_test(tc, what_is_not_known_never_passes);
	tcase_add_test(tc, all_that_is_well_passes_everywhere);
	tcase_add_test(tc, which_guard_holds_when_is_as_the_page_says);
	tcase_add_test(tc, four_guards_have_no_override_whatever_is_tried);
	tcase_add_test(tc, a_fence_is_attested_by_two_and_not_by_one);
	tcase_add_test(tc, what_stands_in_for_another_fact_lets_through);
	tcase_add_test(tc, an_old_answer_of_the_peer_is_no_answer);
	tcase_add_test(tc, a_remedys_command_can_be_typed_as_it_stands);
	tcase_add_test(tc, a_refusal_names_guard_inputs_ages_and_remedy);
	suite_add_tcase(s, tc);
	return s;
}
