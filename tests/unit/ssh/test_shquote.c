#include <bascule/ssh.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/fdio.h>

static const char *const words[] = {
    "plain",
    "-r",
    "/srv/a b",
    "",
    "it's",
    "'",
    "''",
    "$(id)",
    "`id`",
    "a\nb",
    "a;b",
    "\\",
    "*",
    "~",
    "#",
    "a\\'b",
    "\"",
    "!x",
    "\xff\xfe",
    "a=b",
    "{a,b}",
    "tab\there",
};

static struct err e;

START_TEST(harmless_words_stay_as_they_are)
{
	OWNED(buf_fini) struct buf b = {0};
	const char *argv[] = {"bascule", "-r", "/srv/x", "a b", NULL};

	ck_assert_int_eq(shquote_argv(&b, argv, &e), ERR_NONE);
	ck_assert_str_eq(buf_text(&b), "bascule -r /srv/x 'a b'");
}
END_TEST

/* The judge of quoting is a shell. */
START_TEST(a_shell_gives_every_word_back)
{
	OWNED(buf_fini) struct buf b = {0};
	OWNED(buf_fini) struct buf out = {0};
	FILE *pipe_out;

	ck_assert_int_eq(buf_add_text(&b, "printf '%s|' ", &e), ERR_NONE);
	ck_assert_int_eq(shquote_add(&b, words[_i], &e), ERR_NONE);
	pipe_out = popen(buf_text(&b), "r");
	ck_assert_ptr_nonnull(pipe_out);
	ck_assert_int_eq(fdio_read_all(fileno(pipe_out), 4096, &out, &e),
	    ERR_NONE);
	ck_assert_int_eq(pclose(pipe_out), 0);
	ck_assert_uint_eq(out.len_bytes, strlen(words[_i]) + 1);
	ck_assert_mem_eq(out.bytes, words[_i], strlen(words[_i]));
}
END_TEST

START_TEST(too_long_is_refused)
{
	OWNED(buf_fini) struct buf b = {.max_bytes = 8};

	ck_assert_int_eq(shquote_add(&b, "long enough", &e), ERR_INPUT);
}
END_TEST

Suite *suite_ssh_shquote(void);

Suite *
suite_ssh_shquote(void)
{
	Suite *s = suite_create("ssh/shquote");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, harmless_words_stay_as_they_are);
	tcase_add_loop_test(tc, a_shell_gives_every_word_back, 0,
	    (int)COUNT_OF(words));
	tcase_add_test(tc, too_long_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
