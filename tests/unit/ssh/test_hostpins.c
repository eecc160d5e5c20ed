#include <bascule/ssh.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support/farhost.h"

/* ssh-keygen's own spelling of this key: see fingerprint_of below. */
#define KEY_A                                                      \
	"AAAAC3NzaC1lZDI1NTE5AAAAIIe3GSK4zqmh9Pyp6TzxPK1q5/a1fa6/" \
	"tqDmSBVCGTkV"
#define KEY_B                                                      \
	"AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAA"

static struct tmpdir td;
static struct err e;
static char path[128];

static void
setup(void)
{
	tmpdir_make(&td);
	snprintf(path, sizeof(path), "%s/known_hosts", td.path);
}

static void
teardown(void)
{
	tmpdir_remove(&td);
}

static size_t
pins_in(const char *text, const char *host, uint16_t port)
{
	OWNED(hostpins_free) struct hostpins *hp = NULL;

	tmpdir_put(&td, "known_hosts", text);
	ck_assert_int_eq(hostpins_new(&hp, &e), ERR_NONE);
	ck_assert_int_eq(hostpins_add_known_hosts(hp, path, host, port, &e),
	    ERR_NONE);
	return hostpins_count(hp);
}

START_TEST(names_match_as_ssh_matches_them)
{
	ck_assert_uint_eq(pins_in("h ssh-ed25519 " KEY_A "\n", "h", 22), 1);
	ck_assert_uint_eq(pins_in("H ssh-ed25519 " KEY_A " c\r\n", "h", 22), 1);
	ck_assert_uint_eq(pins_in("h ssh-ed25519 " KEY_A, "h", 23), 0);
	ck_assert_uint_eq(pins_in("[h]:23 ssh-ed25519 " KEY_A, "h", 23), 1);
	ck_assert_uint_eq(pins_in("[h]:23 ssh-ed25519 " KEY_A, "h", 22), 0);
	ck_assert_uint_eq(pins_in("a,h,b ssh-ed25519 " KEY_A, "h", 22), 1);
	ck_assert_uint_eq(pins_in("*.x,!no.x ssh-ed25519 " KEY_A, "a.x", 22),
	    1);
	ck_assert_uint_eq(pins_in("*.x,!no.x ssh-ed25519 " KEY_A, "no.x", 22),
	    0);
	ck_assert_uint_eq(pins_in("h? ssh-ed25519 " KEY_A, "h", 22), 0);
}
END_TEST

START_TEST(lines_that_say_nothing_pin_nothing)
{
	ck_assert_uint_eq(pins_in("", "h", 22), 0);
	ck_assert_uint_eq(pins_in("# h ssh-ed25519 " KEY_A, "h", 22), 0);
	ck_assert_uint_eq(pins_in("h\nh ssh-ed25519\n", "h", 22), 0);
	ck_assert_uint_eq(pins_in("h ssh-rsa " KEY_A, "h", 22), 0);
	ck_assert_uint_eq(pins_in("h ssh-ed25519 !!!", "h", 22), 0);
	ck_assert_uint_eq(pins_in("h ssh-ed25519 AAAA", "h", 22), 0);
	ck_assert_uint_eq(pins_in("@cert-authority h ssh-ed25519 " KEY_A, "h",
			      22),
	    0);
	ck_assert_uint_eq(pins_in("@revoked h ssh-ed25519 " KEY_A, "h", 22), 0);
}
END_TEST

START_TEST(one_key_on_two_lines_is_one_pin)
{
	ck_assert_uint_eq(pins_in("h ssh-ed25519 " KEY_A
				  "\nh ssh-ed25519 " KEY_A
				  "\nh ssh-ed25519 " KEY_B,
			      "h", 22),
	    2);
}
END_TEST

START_TEST(hashed_names_are_found)
{
	const char *hash[] = {"sh", "-c",
	    "ssh-keygen -q -H -f \"$1\" "
	    ">/dev/null 2>&1",
	    "sh", path, NULL};
	OWNED(hostpins_free) struct hostpins *hp = NULL;

	tmpdir_put(&td, "known_hosts",
	    "[h]:23,x ssh-ed25519 " KEY_A "\nother ssh-ed25519 " KEY_B "\n");
	ck_assert_int_eq(farhost_run(hash), 0);
	ck_assert_ptr_null(strstr(tmpdir_get(&td, "known_hosts"), "[h]"));
	ck_assert_int_eq(hostpins_new(&hp, &e), ERR_NONE);
	ck_assert_int_eq(hostpins_add_known_hosts(hp, path, "h", 23, &e),
	    ERR_NONE);
	ck_assert_uint_eq(hostpins_count(hp), 1);
	ck_assert_int_eq(hostpins_add_known_hosts(hp, path, "z", 22, &e),
	    ERR_NONE);
	ck_assert_uint_eq(hostpins_count(hp), 1);
}
END_TEST

START_TEST(a_missing_file_is_said)
{
	OWNED(hostpins_free) struct hostpins *hp = NULL;

	ck_assert_int_eq(hostpins_new(&hp, &e), ERR_NONE);
	ck_assert_int_eq(hostpins_add_known_hosts(hp, path, "h", 22, &e),
	    ERR_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, path));
}
END_TEST

static const char *const bad[] = {
    "",
    "SHA256:",
    "SHA256:abc",
    "MD5:aa:bb",
    "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "ssh-ed25519  SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
};

START_TEST(only_fingerprints_are_taken_for_fingerprints)
{
	OWNED(hostpins_free) struct hostpins *hp = NULL;

	ck_assert_int_eq(hostpins_new(&hp, &e), ERR_NONE);
	ck_assert_int_eq(hostpins_add_fingerprint(hp, bad[_i], &e), ERR_INPUT);
	ck_assert_uint_eq(hostpins_count(hp), 0);
}
END_TEST

START_TEST(a_fingerprint_may_name_its_type)
{
	OWNED(hostpins_free) struct hostpins *hp = NULL;

	ck_assert_int_eq(hostpins_new(&hp, &e), ERR_NONE);
	ck_assert_int_eq(hostpins_add_fingerprint(hp,
			     "SHA256:"
			     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(hostpins_add_fingerprint(hp,
			     "ssh-ed25519 "
			     "SHA256:"
			     "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
			     &e),
	    ERR_NONE);
	ck_assert_uint_eq(hostpins_count(hp), 2);
}
END_TEST

Suite *suite_ssh_hostpins(void);

Suite *
suite_ssh_hostpins(void)
{
	Suite *s = suite_create("ssh/hostpins");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, names_match_as_ssh_matches_them);
	tcase_add_test(tc, lines_that_say_nothing_pin_nothing);
	tcase_add_test(tc, one_key_on_two_lines_is_one_pin);
	tcase_add_test(tc, hashed_names_are_found);
	tcase_add_test(tc, a_missing_file_is_said);
	tcase_add_loop_test(tc, only_fingerprints_are_taken_for_fingerprints, 0,
	    (int)COUNT_OF(bad));
	tcase_add_test(tc, a_fingerprint_may_name_its_type);
	suite_add_tcase(s, tc);
	return s;
}
