#include "daemon/peer.h"

#include <check.h>

START_TEST(each_of_many_services_is_found_as_the_other_site_said_it)
{
	OWNED(wire_free) struct wire_value *said = NULL;
	OWNED(wire_free) struct wire_value *list = NULL;
	struct peer p = {0};
	struct err e;

	ck_assert(wire_new(&said, "peer", &e) == ERR_NONE);
	ck_assert(wire_new_list(&list, &e) == ERR_NONE);
	for (int i = PEER_SERVICES_MAX; i-- > 0;) {
		OWNED(wire_free) struct wire_value *v = NULL;
		char name[65];

		snprintf(name, sizeof(name), "s%d", i);
		ck_assert(wire_new(&v, NULL, &e) == ERR_NONE);
		wire_add_text(v, "service", name);
		wire_add_text(v, "active_site", i % 2 ? "brent" : "southwark");
		wire_add_text(v, "authority", "PROTECTED");
		if (i == 7)
			wire_add_text(v, "hindrance", "no room");
		wire_add(list, NULL, &v);
	}
	wire_add_text(said, "policy", "abc");
	wire_add(said, "services", &list);
	peerword_take(&p, said);
	ck_assert_str_eq(p.said_policy, "abc");
	for (int i = 0; i < PEER_SERVICES_MAX; i++) {
		const struct peer_word *w;
		char name[65];

		snprintf(name, sizeof(name), "s%d", i);
		w = peerword_find(&p, name);
		ck_assert_ptr_nonnull(w);
		ck_assert_str_eq(w->site, i % 2 ? "brent" : "southwark");
		ck_assert_str_eq(w->authority, "PROTECTED");
		ck_assert_pstr_eq(w->hindrance, i == 7 ? "no room" : NULL);
	}
	ck_assert_ptr_null(peerword_find(&p, "s"));
	peerword_free(&p);
	ck_assert_ptr_null(peerword_find(&p, "s1"));
	ck_assert_str_eq(p.said_policy, "");
}
END_TEST

START_TEST(who_said_nothing_is_found_nowhere)
{
	OWNED(wire_free) struct wire_value *said = NULL;
	struct peer p = {0};
	struct err e;

	ck_assert_ptr_null(peerword_find(&p, "s1"));
	ck_assert(wire_new(&said, "peer", &e) == ERR_NONE);
	peerword_take(&p, said);
	ck_assert_ptr_null(peerword_find(&p, "s1"));
	peerword_free(&p);
}
END_TEST

Suite *suite_daemon_peerword(void);

Suite *
suite_daemon_peerword(void)
{
	Suite *s = suite_create("daemon/peerword");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc,
	    each_of_many_services_is_found_as_the_other_site_said_it);
	tcase_add_test(tc, who_said_nothing_is_found_nowhere);
	suite_add_tcase(s, tc);
	return s;
}
