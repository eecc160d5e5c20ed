#include <bascule/ssh.h>

#include <check.h>

static struct sshurl u;
static struct err e;

START_TEST(every_part_is_taken_apart)
{
	ck_assert_int_eq(sshurl_parse(&u, "ssh://ops@127.0.2.1:2222/srv/b", &e),
	    ERR_NONE);
	ck_assert_str_eq(u.user, "ops");
	ck_assert_str_eq(u.host, "127.0.2.1");
	ck_assert_uint_eq(u.port, 2222);
	ck_assert_str_eq(u.path, "/srv/b");
}
END_TEST

START_TEST(port_user_and_path_may_be_left_out)
{
	ck_assert_int_eq(sshurl_parse(&u, "ssh://southwark", &e), ERR_NONE);
	ck_assert_str_eq(u.user, "");
	ck_assert_str_eq(u.host, "southwark");
	ck_assert_uint_eq(u.port, 22);
	ck_assert_str_eq(u.path, "");
}
END_TEST

START_TEST(an_address_with_colons_stands_in_brackets)
{
	ck_assert_int_eq(sshurl_parse(&u, "ssh://a@[::1]:23/x", &e), ERR_NONE);
	ck_assert_str_eq(u.host, "::1");
	ck_assert_uint_eq(u.port, 23);
	ck_assert_int_eq(sshurl_parse(&u, "ssh://a@[fd00::2]/x", &e), ERR_NONE);
	ck_assert_uint_eq(u.port, 22);
}
END_TEST

START_TEST(percent_escapes_are_decoded)
{
	ck_assert_int_eq(sshurl_parse(&u, "ssh://a@b/x%20y%2Fz", &e), ERR_NONE);
	ck_assert_str_eq(u.path, "/x y/z");
}
END_TEST

static const char *const bad[] = {
    "",
    "ssh:/a/b",
    "http://a/b",
    "ssh://",
    "ssh:///path",
    "ssh://@h/p",
    "ssh://-oProxyCommand=x/p",
    "ssh://-l@h/p",
    "ssh://u@-h/p",
    "ssh://a@b:0/p",
    "ssh://a@b:65536/p",
    "ssh://a@b:99999999999999999999/p",
    "ssh://a@b:22x/p",
    "ssh://a@b:/p",
    "ssh://a@[::1/p",
    "ssh://a@[::1]22/p",
    "ssh://a b@h/p",
    "ssh://a:secret@h/p",
    "ssh://a@h/p%0a",
    "ssh://a@h/p%00",
    "ssh://a@h/p%zz",
    "ssh://a@h/p%2",
    "ssh://a@h/p\n",
};

START_TEST(nonsense_is_refused_with_a_hint)
{
	ck_assert_int_eq(sshurl_parse(&u, bad[_i], &e), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(e.text, "hint: write ssh://USER@HOST"));
	ck_assert_str_eq(u.host, "");
}
END_TEST

Suite *suite_ssh_sshurl(void);

Suite *
suite_ssh_sshurl(void)
{
	Suite *s = suite_create("ssh/sshurl");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, every_part_is_taken_apart);
	tcase_add_test(tc, port_user_and_path_may_be_left_out);
	tcase_add_test(tc, an_address_with_colons_stands_in_brackets);
	tcase_add_test(tc, percent_escapes_are_decoded);
	tcase_add_loop_test(tc, nonsense_is_refused_with_a_hint, 0,
	    (int)COUNT_OF(bad));
	suite_add_tcase(s, tc);
	return s;
}
