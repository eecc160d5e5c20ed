#include "daemon/alarm_parts.h"

#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/tmpdir.h"

START_TEST(fields_are_lines_and_one_with_a_newline_has_its_length)
{
	OWNED(buf_fini) struct buf b = {0};
	const struct alarmsay_field fields[] = {{"MESSAGE", "a=b"},
	    {"EMPTY", ""}, {"NONE", NULL}, {"TWO", "x\ny"}};
	static const char expected[] =
	    "MESSAGE=a=b\nTWO\n\3\0\0\0\0\0\0\0x\ny\n";
	struct err e;

	ck_assert_int_eq(alarmsay_compose(&b, fields, COUNT_OF(fields), &e),
	    ERR_NONE);
	ck_assert_uint_eq(b.len_bytes, sizeof(expected) - 1);
	ck_assert_mem_eq(b.bytes, expected, b.len_bytes);
}
END_TEST

START_TEST(a_message_arrives_whole_and_a_journal_that_is_away_is_said)
{
	OWNED(buf_fini) struct buf b = {0};
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct tmpdir td;
	char got[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct err e;

	tmpdir_make(&td);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", td.path);
	ck_assert_int_eq(buf_add_text(&b, "MESSAGE=hello\n", &e), ERR_NONE);
	ck_assert_int_ne(alarmsay_send(at.sun_path, &b, &e), ERR_NONE);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(alarmsay_send(at.sun_path, &b, &e), ERR_NONE);
	ck_assert_int_eq(recv(fd, got, sizeof(got), 0), 14);
	ck_assert_mem_eq(got, "MESSAGE=hello\n", 14);
	close(fd);
	tmpdir_remove(&td);
}
END_TEST

START_TEST(an_id_is_a_number_with_a_letter_or_without)
{
	char id[ALARM_ID_BYTES];
	uint64_t n;

	ck_assert_str_eq(alarmwire_id(12, id), "A12");
	ck_assert(alarmwire_parse_id("A12", &n) && n == 12);
	ck_assert(alarmwire_parse_id("7", &n) && n == 7);
	ck_assert(!alarmwire_parse_id("A", &n));
	ck_assert(!alarmwire_parse_id("", &n));
	ck_assert(!alarmwire_parse_id("AA1", &n));
	ck_assert(!alarmwire_parse_id("A99999999999999999999", &n));
}
END_TEST

Suite *suite_daemon_alarmsay(void);
Suite *
suite_daemon_alarmsay(void)
{
	Suite *s = suite_create("daemon/alarmsay");
	TCase *tc = tcase_create("alarmsay");

	tcase_add_test(tc,
	    fields_are_lines_and_one_with_a_newline_has_its_length);
	tcase_add_test(tc,
	    a_message_arrives_whole_and_a_journal_that_is_away_is_said);
	tcase_add_test(tc, an_id_is_a_number_with_a_letter_or_without);
	suite_add_tcase(s, tc);
	return s;
}
