#include <bascule/authority.h>

#include <check.h>
#include <string.h>

#include <bascule/base/buf.h>
#include <bascule/base/role.h>

#define MIN (60 * NS_PER_S)

static const struct approvals_person ada = {1001, 1001, "ada", "brent", "brent",
    "", ROLE_BIT(ROLE_DR_LEAD), ""};
static const struct approvals_person bob = {1002, 1002, "bob", "brent", "brent",
    "", ROLE_BIT(ROLE_APPROVER), ""};
static const struct approvals_person cyn = {1003, APPROVALS_NO_UID, "cyn",
    "southwark", "southwark", "", ROLE_BIT(ROLE_APPROVER), ""};
static const struct approvals_rule two = {.needed = 2,
    .other_council = true,
    .roles = ROLE_BIT(ROLE_APPROVER),
    .expire_ns = 60 * MIN};

static struct approvals_word
word(const struct approvals_person *who, enum approvals_verb verb,
    const char *seen, int64_t at)
{
	struct approvals_word w = {.who = *who, .verb = verb, .at = {at}};

	strncpy(w.seen, seen, sizeof(w.seen) - 1);
	return w;
}

static void
reason(struct approvals_word *w, const char *text)
{
	strncpy(w->reason, text, sizeof(w->reason) - 1);
}

START_TEST(two_of_two_councils_suffice_until_they_expire)
{
	struct approvals_word w[] = {word(&bob, APPROVALS_APPROVE, "s", 10),
	    word(&cyn, APPROVALS_APPROVE, "s", 20)};
	struct approvals_judgement j;

	approvals_judge(w, 1, &two, &ada, "s", (struct utc){30}, &j);
	ck_assert(!j.suffices && j.counted == 1 && !j.council_ok);
	approvals_judge(w, 2, &two, &ada, "s", (struct utc){30}, &j);
	ck_assert(j.suffices && j.counted == 2 && j.council_ok);
	ck_assert_int_eq(j.expires.ns, 10 + 60 * MIN);
	ck_assert_str_eq(j.text, "2 of 2: bob (brent), cyn (southwark)");
	approvals_judge(w, 2, &two, &ada, "s", j.expires, &j);
	ck_assert(j.suffices);
	approvals_judge(w, 2, &two, &ada, "s", (struct utc){11 + 60 * MIN}, &j);
	ck_assert(!j.suffices);
	ck_assert_int_eq(j.standing[0], APPROVALS_EXPIRED);
}
END_TEST

START_TEST(who_asked_never_counts_under_any_name)
{
	struct approvals_person as[6] = {cyn, cyn, cyn, cyn, cyn, cyn};
	struct approvals_judgement j;
	struct approvals_rule one = two;

	one.needed = 1;
	as[0] = ada; /* the same account */
	as[0].roles = ROLE_BIT(ROLE_APPROVER);
	memcpy(as[1].name, "ada", 4);   /* the same name at the other site */
	memcpy(as[2].site, "brent", 6); /* sudo: another account, her login */
	as[2].login_uid = 1001;
	memcpy(as[3].site, "brent", 6); /* or logged in as it */
	as[3].uid = 1001;
	memcpy(as[3].name, "eve", 4);
	memcpy(as[4].login_name, "ada", 4); /* sudo at the other site */
	for (int i = 0; i < 5; i++) {
		struct approvals_word w =
		    word(&as[i], APPROVALS_APPROVE, "s", 10);

		approvals_judge(&w, 1, &one, &ada, "s", (struct utc){30}, &j);
		ck_assert_msg(!j.suffices &&
			j.standing[0] == APPROVALS_REQUESTER,
		    "disguise %d", i);
	}
	{
		struct approvals_person asked = ada;
		struct approvals_word w;

		memcpy(asked.key, "SHA256:k", 9);
		memcpy(as[5].key, "SHA256:k", 9);
		w = word(&as[5], APPROVALS_APPROVE, "s", 10);
		approvals_judge(&w, 1, &one, &asked, "s", (struct utc){30}, &j);
		ck_assert_int_eq(j.standing[0], APPROVALS_REQUESTER);
		asked.key[7] = 'x';
		approvals_judge(&w, 1, &one, &asked, "s", (struct utc){30}, &j);
		ck_assert(j.suffices);
	}
}
END_TEST

START_TEST(who_reached_an_account_by_sudo_is_that_login_too)
{
	struct approvals_person own = bob, sudo = bob;

	own.login_uid = APPROVALS_NO_UID; /* no audit where he logged in */
	sudo.uid = 2000;
	memcpy(sudo.name, "svc", 4);
	ck_assert(approvals_same_person(&own, &sudo));
	ck_assert(approvals_same_person(&sudo, &own));
	memcpy(sudo.site, "other", 6); /* uids mean nothing elsewhere */
	ck_assert(!approvals_same_person(&own, &sudo));
	own.uid = sudo.uid = APPROVALS_NO_UID; /* nor does none */
	memcpy(sudo.site, own.site, sizeof(own.site));
	sudo.login_uid = APPROVALS_NO_UID;
	ck_assert(!approvals_same_person(&own, &sudo));
}
END_TEST

START_TEST(one_person_of_many_names_counts_once)
{
	/* bob; his sudo; and who has the sudo's key: all are one (P1). */
	struct approvals_person sudo = bob, key = cyn;
	struct approvals_judgement j;
	struct approvals_word w[3];

	sudo.uid = 2000;
	memcpy(sudo.name, "svc", 4);
	memcpy(sudo.key, "SHA256:k", 9);
	memcpy(key.key, "SHA256:k", 9);
	ck_assert(approvals_same_person(&bob, &sudo));
	ck_assert(approvals_same_person(&sudo, &key));
	ck_assert(!approvals_same_person(&bob, &key));
	w[0] = word(&bob, APPROVALS_APPROVE, "s", 10);
	w[1] = word(&key, APPROVALS_APPROVE, "s", 11);
	approvals_judge(w, 2, &two, &ada, "s", (struct utc){30}, &j);
	ck_assert_uint_eq(j.counted, 2);
	w[2] = word(&sudo, APPROVALS_APPROVE, "s", 12);
	approvals_judge(w, 3, &two, &ada, "s", (struct utc){30}, &j);
	ck_assert_uint_eq(j.counted, 1);
	ck_assert_int_eq(j.standing[1], APPROVALS_SAME_PERSON);
	ck_assert_int_eq(j.standing[2], APPROVALS_SAME_PERSON);
}
END_TEST

START_TEST(a_word_is_for_what_was_seen_and_by_who_may)
{
	struct approvals_word w[] = {word(&bob, APPROVALS_APPROVE, "old", 10),
	    word(&cyn, APPROVALS_APPROVE, "s", 20)};
	struct approvals_judgement j;

	approvals_judge(w, 2, &two, &ada, "s", (struct utc){30}, &j);
	ck_assert(!j.suffices);
	ck_assert_int_eq(j.standing[0], APPROVALS_CHANGED);
	w[0] = word(&bob, APPROVALS_APPROVE, "s", 10);
	w[0].who.roles = ROLE_BIT(ROLE_OPERATOR);
	approvals_judge(w, 2, &two, &ada, "s", (struct utc){30}, &j);
	ck_assert_int_eq(j.standing[0], APPROVALS_NO_ROLE);
	ck_assert(!j.suffices);
	w[0].verb = APPROVALS_ATTEST;
	approvals_judge(w, 2, &two, &ada, "s", (struct utc){30}, &j);
	ck_assert_int_eq(j.standing[0], APPROVALS_NOT_COUNTED);
}
END_TEST

START_TEST(a_word_is_taken_back_and_a_refusal_stops)
{
	struct approvals_word w[] = {word(&bob, APPROVALS_APPROVE, "s", 10),
	    word(&cyn, APPROVALS_APPROVE, "s", 20),
	    word(&bob, APPROVALS_WITHDRAW, "s", 25),
	    word(&bob, APPROVALS_APPROVE, "s", 26)};
	struct approvals_judgement j;

	approvals_judge(w, 3, &two, &ada, "s", (struct utc){30}, &j);
	ck_assert(!j.suffices);
	ck_assert_int_eq(j.standing[0], APPROVALS_TAKEN_BACK);
	approvals_judge(w, 4, &two, &ada, "s", (struct utc){30}, &j);
	ck_assert(j.suffices);
	w[2].verb = APPROVALS_REFUSE;
	approvals_judge(w, 4, &two, &ada, "s", (struct utc){30}, &j);
	ck_assert(j.refused && !j.suffices);
	w[3].verb = APPROVALS_WITHDRAW;
	approvals_judge(w, 4, &two, &ada, "s", (struct utc){30}, &j);
	ck_assert(!j.refused && !j.suffices);
	w[2].who.roles = 0; /* a stranger's no is none */
	w[2].who.uid = 77;
	approvals_judge(w, 3, &two, &ada, "s", (struct utc){30}, &j);
	ck_assert(!j.refused);
}
END_TEST

START_TEST(a_broken_glass_goes_on_and_asks_for_a_second)
{
	struct approvals_rule glass = two;
	struct approvals_judgement j;
	struct approvals_word w;

	glass.glass_broken = true;
	glass.glass_at.ns = 100;
	glass.glass_by = ada;
	approvals_judge(NULL, 0, &glass, &ada, "s", (struct utc){100}, &j);
	ck_assert(j.suffices && j.glass == APPROVALS_SECOND_AWAITED);
	ck_assert_int_eq(j.second_by.ns, 100 + 30 * MIN);
	approvals_judge(NULL, 0, &glass, &ada, "s",
	    (struct utc){101 + 30 * MIN}, &j);
	ck_assert(j.suffices && j.glass == APPROVALS_SECOND_OVERDUE);
	w = word(&cyn, APPROVALS_SECOND, "s", 100 + 30 * MIN);
	approvals_judge(&w, 1, &glass, &ada, "s", (struct utc){200 + 90 * MIN},
	    &j);
	ck_assert_int_eq(j.glass, APPROVALS_SECONDED);
	w.at.ns++; /* too late is too late */
	approvals_judge(&w, 1, &glass, &ada, "s", (struct utc){200 + 30 * MIN},
	    &j);
	ck_assert_int_eq(j.glass, APPROVALS_SECOND_OVERDUE);
	w = word(&ada, APPROVALS_SECOND, "s", 150); /* who broke it */
	w.who.roles = ROLE_BIT(ROLE_APPROVER);
	approvals_judge(&w, 1, &glass, &bob, "s", (struct utc){200}, &j);
	ck_assert_int_eq(j.glass, APPROVALS_SECOND_AWAITED);
}
END_TEST

START_TEST(an_attestation_is_of_two_who_name_one_method)
{
	struct approvals_word w[] = {word(&ada, APPROVALS_ATTEST, "", 10),
	    word(&bob, APPROVALS_ATTEST, "", 20 * MIN),
	    word(&cyn, APPROVALS_ATTEST, "", 40 * MIN)};

	reason(&w[0], "Mains off");
	reason(&w[1], "mains-off.");
	reason(&w[2], "disks pulled");
	ck_assert_uint_eq(approvals_persons(w, 3, APPROVALS_ATTEST, "mains off",
			      0, NULL),
	    2);
	ck_assert_uint_eq(approvals_persons(w, 3, APPROVALS_ATTEST, "mains off",
			      0, &ada),
	    1);
	ck_assert_uint_eq(approvals_persons(w, 3, APPROVALS_RELEASE,
			      "mains off", 0, NULL),
	    0);
	ck_assert_uint_eq(approvals_persons(w, 3, APPROVALS_ATTEST, "mains off",
			      19 * MIN, NULL),
	    1);
	reason(&w[0], " - ");
	ck_assert_uint_eq(approvals_persons(w, 3, APPROVALS_ATTEST, "", 0,
			      NULL),
	    0);
}
END_TEST

START_TEST(what_was_seen_differs_when_anything_does)
{
	static const char *const changed[] = {"run", "mode", "policy", "reason",
	    "change", "name", "from", "to", "plan", "point", "loss"};
	struct guards_result g[GUARDS_COUNT];
	struct buf first = {0}, again = {0}, other = {0};
	struct err e;

	memset(g, 0, sizeof(g));
	for (int i = -1; i < 14; i++) {
		const char *v[11] = {"f1", "planned", "d", "r", "c", "housing",
		    "brent", "southwark", "pd", "p1", "1 min"};
		struct approvals_shown_service s[2] = {{0}};
		struct approvals_shown shown;
		struct buf *out = i < 0 ? &first : &other;

		memset(g, 0, sizeof(g));
		if (i >= 0 && i < 11)
			v[i] = changed[i];
		s[0] = (struct approvals_shown_service){v[5], v[6], v[7], v[8],
		    v[9], v[10], g};
		s[1] = s[0];
		shown = (struct approvals_shown){v[0], v[1], v[2], v[3], v[4],
		    s, 1};
		if (i == 11)
			g[4].verdict = GUARDS_FAIL;
		if (i == 12)
			g[4].overridden = true;
		if (i == 13)
			shown.services_count = 2;
		buf_clear(out);
		ck_assert_int_eq(approvals_seen(&shown, out, &e), ERR_NONE);
		if (i < 0) {
			memcpy(g[3].text, "2 s ago", 8); /* ages do not count */
			ck_assert_int_eq(approvals_seen(&shown, &again, &e),
			    ERR_NONE);
			ck_assert_str_eq(buf_text(&first), buf_text(&again));
		} else
			ck_assert_msg(strcmp(buf_text(&first),
					  buf_text(&other)) != 0,
			    "case %d", i);
	}
	buf_fini(&first);
	buf_fini(&again);
	buf_fini(&other);
}
END_TEST

START_TEST(no_content_passes_for_another_field)
{
	struct approvals_shown a = {"f1", "planned", "d", "r\nchange 1:c", "",
	    NULL, 0};
	struct approvals_shown b = {"f1", "planned", "d", "r", "c", NULL, 0};
	struct buf x = {0}, y = {0};
	struct err e;

	ck_assert_int_eq(approvals_seen(&a, &x, &e), ERR_NONE);
	ck_assert_int_eq(approvals_seen(&b, &y, &e), ERR_NONE);
	ck_assert_str_ne(buf_text(&x), buf_text(&y));
	buf_fini(&x);
	buf_fini(&y);
}
END_TEST

/* As docs/protocol/moves.md has it, byte for byte. */
START_TEST(what_is_signed_is_every_field_in_its_place)
{
	static const char v1[] = "f1\0approve\0ab";
	static const char v2[] = "f1\0files\0release\0ab\0"
				 "1790000000000000001\0brent\0why";
	struct approvals_signing s = {"f1", "files", APPROVALS_APPROVE, "ab",
	    {0}, "brent", "why"};
	struct buf m = {0};
	const char *label;
	struct err e;

	ck_assert_int_eq(approvals_signed(&s, &label, &m, &e), ERR_NONE);
	ck_assert_str_eq(label, "bascule approval v1");
	ck_assert_uint_eq(m.len_bytes, sizeof(v1) - 1);
	ck_assert_int_eq(memcmp(m.bytes, v1, sizeof(v1) - 1), 0);
	buf_clear(&m);
	s.verb = APPROVALS_RELEASE;
	s.said.ns = INT64_C(1790000000000000001);
	ck_assert_int_eq(approvals_signed(&s, &label, &m, &e), ERR_NONE);
	ck_assert_str_eq(label, "bascule approval v2");
	ck_assert_uint_eq(m.len_bytes, sizeof(v2) - 1);
	ck_assert_int_eq(memcmp(m.bytes, v2, sizeof(v2) - 1), 0);
	buf_fini(&m);
}
END_TEST

/* Root of a site makes people, and no keys of others'. */
START_TEST(where_words_are_to_be_signed_nobody_elses_count)
{
	const struct approvals_rule rule = {.needed = 1, .is_signed = true};
	struct approvals_word w[3] = {word(&bob, APPROVALS_APPROVE, "s", 10),
	    word(&cyn, APPROVALS_SECOND, "s", 11)};
	struct approvals_judgement j;

	approvals_judge(w, 2, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(!j.suffices);
	ck_assert_str_eq(j.text,
	    "0 of 1 signed; the request is not signed by ada");
	ck_assert_int_eq(j.standing[0], APPROVALS_UNSIGNED);
	ck_assert_int_eq(j.standing[1], APPROVALS_UNSIGNED);
	strcpy(w[0].who.key, "SHA256:x");
	w[2] = word(&ada, APPROVALS_REQUEST, "s", 12);
	strcpy(w[2].who.key, "SHA256:y");
	approvals_judge(w, 3, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(j.suffices);
	ck_assert_str_eq(j.text, "1 of 1 signed: bob (brent)");
	w[1].verb = APPROVALS_REFUSE; /* a no is anybody's */
	approvals_judge(w, 3, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(j.refused && !j.suffices);
}
END_TEST

/* Else a site's root would say that somebody else had asked. */
START_TEST(where_words_are_to_be_signed_the_request_is)
{
	struct approvals_rule rule = {.needed = 1, .is_signed = true};
	struct approvals_word w[] = {word(&bob, APPROVALS_APPROVE, "s", 10),
	    word(&ada, APPROVALS_REQUEST, "s", 11),
	    word(&ada, APPROVALS_WITHDRAW, "", 12)};
	struct approvals_judgement j;

	strcpy(w[0].who.key, "SHA256:x");
	approvals_judge(w, 1, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(!j.suffices && !j.is_asked);
	ck_assert_str_eq(j.text,
	    "0 of 1 signed; the request is not signed by ada");
	ck_assert_int_eq(j.standing[0], APPROVALS_UNASKED);
	approvals_judge(w, 2, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(!j.suffices); /* by no key */
	strcpy(w[1].who.key, "SHA256:y");
	approvals_judge(w, 2, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(j.suffices && j.is_asked && j.counted == 1);
	approvals_judge(w, 2, &rule, &cyn, "s", (struct utc){20}, &j);
	ck_assert(!j.suffices); /* another's request it is not */
	strcpy(w[2].who.key, "SHA256:y");
	approvals_judge(w, 3, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(!j.suffices); /* taken back */
	rule.glass_broken = true;
	approvals_judge(w, 3, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(j.suffices);
	rule = (struct approvals_rule){.needed = 1};
	approvals_judge(w, 1, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(j.suffices && j.is_asked); /* nobody asks it to be signed */
}
END_TEST

/* What an older program signed holds no time. */
START_TEST(where_a_time_is_asked_for_a_v1_signature_counts_no_more)
{
	struct approvals_rule rule = {.needed = 1, .is_timed = true};
	struct approvals_word w = word(&bob, APPROVALS_APPROVE, "s", 10);
	struct approvals_judgement j;

	approvals_judge(&w, 1, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert_uint_eq(j.counted, 1); /* nobody asks it to be signed */
	strcpy(w.who.key, "SHA256:x");
	approvals_judge(&w, 1, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(!j.suffices && j.standing[0] == APPROVALS_OLD);
	w.said.ns = 10;
	approvals_judge(&w, 1, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(j.suffices);
	w.said.ns = 0;
	rule.is_timed = false;
	approvals_judge(&w, 1, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(j.suffices);
	rule.is_timed = true; /* a no is a no */
	w.verb = APPROVALS_REFUSE;
	approvals_judge(&w, 1, &rule, &ada, "s", (struct utc){20}, &j);
	ck_assert(j.refused);
}
END_TEST

Suite *suite_authority_approvals(void);

Suite *
suite_authority_approvals(void)
{
	Suite *s = suite_create("authority/approvals");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, two_of_two_councils_suffice_until_they_expire);
	tcase_add_test(tc, who_asked_never_counts_under_any_name);
	tcase_add_test(tc, who_reached_an_account_by_sudo_is_that_login_too);
	tcase_add_test(tc, one_person_of_many_names_counts_once);
	tcase_add_test(tc, a_word_is_for_what_was_seen_and_by_who_may);
	tcase_add_test(tc, a_word_is_taken_back_and_a_refusal_stops);
	tcase_add_test(tc, a_broken_glass_goes_on_and_asks_for_a_second);
	tcase_add_test(tc, an_attestation_is_of_two_who_name_one_method);
	tcase_add_test(tc, what_was_seen_differs_when_anything_does);
	tcase_add_test(tc, what_is_signed_is_every_field_in_its_place);
	tcase_add_test(tc, where_words_are_to_be_signed_nobody_elses_count);
	tcase_add_test(tc, where_words_are_to_be_signed_the_request_is);
	tcase_add_test(tc,
	    where_a_time_is_asked_for_a_v1_signature_counts_no_more);
	tcase_add_test(tc, no_content_passes_for_another_field);
	suite_add_tcase(s, tc);
	return s;
}
