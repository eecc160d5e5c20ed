#include <bascule/calendar.h>

#include <check.h>
#include <string.h>
#include <sys/stat.h>

#include "support/tmpdir.h"

static struct zone *
zone_of(const char *name)
{
	struct zone *z = NULL;
	struct err e = {0};

	ck_assert_msg(zone_load(&z, ZONE_DIR, name, &e) == ERR_NONE, "%s",
	    e.text);
	return z;
}

static int64_t
seconds(const char *text)
{
	struct err e = {0};
	struct utc t;

	ck_assert_msg(civil_parse_utc(text, &t, &e) == ERR_NONE, "%s", e.text);
	return t.ns / NS_PER_S;
}

static void
expect(const struct zone *z, const char *utc, const char *local)
{
	struct civil c = zone_civil(z, seconds(utc));
	char text[CIVIL_TEXT_BYTES];

	ck_assert_str_eq(civil_text(&c, text), local);
}

START_TEST(london_changes_on_the_last_sundays_of_march_and_october)
{
	OWNED(zone_free) struct zone *z = zone_of("Europe/London");

	expect(z, "2026-03-29T00:59:59Z", "2026-03-29 00:59:59 GMT");
	expect(z, "2026-03-29T01:00:00Z", "2026-03-29 02:00:00 BST");
	expect(z, "2026-10-25T00:59:59Z", "2026-10-25 01:59:59 BST");
	expect(z, "2026-10-25T01:00:00Z", "2026-10-25 01:00:00 GMT");
	/* far past the table: the footer's rule */
	expect(z, "2199-07-01T12:00:00Z", "2199-07-01 13:00:00 BST");
	expect(z, "2199-12-01T12:00:00Z", "2199-12-01 12:00:00 GMT");
	/* and before it: local mean time */
	expect(z, "1700-01-01T00:01:15Z", "1700-01-01 00:00:00 LMT");
	ck_assert_str_eq(zone_name(z), "Europe/London");
	ck_assert_int_eq(zone_offset_s(z, seconds("2026-07-01")), 3600);
}
END_TEST

START_TEST(odd_zones_are_right)
{
	OWNED(zone_free) struct zone *howe = zone_of("Australia/Lord_Howe");
	OWNED(zone_free) struct zone *ny = zone_of("America/New_York");
	OWNED(zone_free) struct zone *dublin = zone_of("Europe/Dublin");

	expect(howe, "2026-10-03T15:29:59Z", "2026-10-04 01:59:59 +1030");
	expect(howe, "2026-10-03T15:30:00Z", "2026-10-04 02:30:00 +11");
	expect(ny, "2026-11-01T05:59:59Z", "2026-11-01 01:59:59 EDT");
	expect(ny, "2026-11-01T06:00:00Z", "2026-11-01 01:00:00 EST");
	expect(dublin, "2100-01-01T00:00:00Z", "2100-01-01 00:00:00 GMT");
	expect(dublin, "2100-07-01T00:00:00Z", "2100-07-01 01:00:00 IST");
}
END_TEST

START_TEST(a_local_time_has_one_first_instant)
{
	OWNED(zone_free) struct zone *z = zone_of("Europe/London");
	int64_t gap = seconds("2026-03-29T01:30:00Z"); /* read as local */
	int64_t twice = seconds("2026-10-25T01:30:00Z");
	int64_t once = seconds("2026-07-01T01:30:00Z");

	ck_assert_int_eq(zone_first_instant(z, gap),
	    seconds("2026-03-29T01:00:00Z"));
	ck_assert_int_eq(zone_first_instant(z, twice),
	    seconds("2026-10-25T00:30:00Z"));
	ck_assert_int_eq(zone_first_instant(z, once),
	    seconds("2026-07-01T00:30:00Z"));
	ck_assert_int_eq(zone_first_instant(NULL, once), once);
}
END_TEST

START_TEST(utc_needs_no_file)
{
	OWNED(zone_free) struct zone *z = NULL;
	struct err e = {0};

	ck_assert_int_eq(zone_load(&z, "/nowhere", "UTC", &e), ERR_NONE);
	expect(z, "2026-07-01T12:00:00Z", "2026-07-01 12:00:00 UTC");
	expect(NULL, "2026-07-01T12:00:00Z", "2026-07-01 12:00:00 UTC");
	ck_assert_str_eq(zone_name(NULL), "UTC");
}
END_TEST

START_TEST(a_name_cannot_lead_out_of_the_directory)
{
	char longest[ZONE_NAME_BYTES + 1];
	static const char *const bad[] = {"", "/etc/passwd", "../passwd",
	    "Europe/../../passwd", "Europe//London", "Europe/", ".hidden",
	    "a b", "-x", "Europe/-x", "a\nb", "Europe/London\\"};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		OWNED(zone_free) struct zone *z = NULL;
		struct err e = {0};

		ck_assert_msg(!zone_name_is_valid(bad[i]), "%s", bad[i]);
		ck_assert_int_eq(zone_load(&z, ZONE_DIR, bad[i], &e),
		    ERR_INPUT);
		ck_assert_ptr_null(z);
	}
	memset(longest, 'A', ZONE_NAME_BYTES);
	longest[ZONE_NAME_BYTES] = '\0';
	ck_assert(!zone_name_is_valid(longest));
	longest[ZONE_NAME_BYTES - 1] = '\0';
	ck_assert(zone_name_is_valid(longest));
	ck_assert(zone_name_is_valid("Etc/GMT+5"));
	ck_assert(zone_name_is_valid("America/Port-au-Prince"));
}
END_TEST

START_TEST(an_unknown_zone_and_a_folder_are_refused)
{
	OWNED(zone_free) struct zone *z = NULL;
	struct err e = {0};

	ck_assert_int_eq(zone_load(&z, ZONE_DIR, "Europe/Southwark", &e),
	    ERR_NOTFOUND);
	ck_assert(strstr(e.text, "Europe/Southwark") != NULL);
	ck_assert_int_eq(zone_load(&z, ZONE_DIR, "Europe", &e), ERR_INPUT);
}
END_TEST

START_TEST(a_fifo_in_the_directory_does_not_hang)
{
	OWNED(zone_free) struct zone *z = NULL;
	struct err e = {0};
	struct tmpdir td;

	tmpdir_make(&td);
	ck_assert_int_eq(mkfifoat(td.fd, "Fifo", 0600), 0);
	ck_assert_int_eq(zone_load(&z, td.path, "Fifo", &e), ERR_INPUT);
	tmpdir_remove(&td);
}
END_TEST

/* --- hostile bytes -------------------------------------------------------- */

#define HEADER_BYTES 44

/* Two types, one change, a footer: enough to be wrong in every place. */
struct sample {
	uint8_t bytes[512];
	size_t len_bytes;
};

static void
add(struct sample *s, const void *bytes, size_t len_bytes)
{
	memcpy(s->bytes + s->len_bytes, bytes, len_bytes);
	s->len_bytes += len_bytes;
}

static void
add_header(struct sample *s, uint8_t changes, uint8_t types, uint8_t chars)
{
	uint8_t h[HEADER_BYTES] = {'T', 'Z', 'i', 'f', '2'};

	h[35] = changes;
	h[39] = types;
	h[43] = chars;
	add(s, h, sizeof(h));
}

static void
add_type(struct sample *s, int32_t offset_s, uint8_t is_dst, uint8_t abbrev)
{
	uint32_t v = (uint32_t)offset_s;
	uint8_t t[6] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16),
	    (uint8_t)(v >> 8), (uint8_t)v, is_dst, abbrev};

	add(s, t, sizeof(t));
}

static struct sample
make_sample(const char *footer)
{
	struct sample s = {.len_bytes = 0};

	add_header(&s, 0, 1, 4);
	add_type(&s, 0, 0, 0);
	add(&s, "AAA", 4);
	add_header(&s, 1, 2, 8);
	add(&s, "\0\0\0\0\0\0\0\100", 8); /* one change, 64 s into 1970 */
	add(&s, "\1", 1);
	add_type(&s, 0, 0, 0);
	add_type(&s, 3600, 1, 4);
	add(&s, "AAA\0BBB", 8);
	add(&s, footer, strlen(footer));
	return s;
}

static enum err_code
parse(const struct sample *s)
{
	OWNED(zone_free) struct zone *z = NULL;
	struct err e = {0};
	enum err_code rc = zone_parse(&z, "Test", s->bytes, s->len_bytes, &e);

	ck_assert((rc == ERR_NONE) == (z != NULL));
	if (z != NULL)
		(void)zone_first_instant(z, 3700);
	return rc;
}

START_TEST(a_zone_is_read_from_bytes)
{
	OWNED(zone_free) struct zone *z = NULL;
	struct sample s = make_sample("\n\n");
	struct err e = {0};

	ck_assert_msg(zone_parse(&z, "Test", s.bytes, s.len_bytes, &e) ==
		ERR_NONE,
	    "%s", e.text);
	expect(z, "1970-01-01T00:01:03Z", "1970-01-01 00:01:03 AAA");
	expect(z, "1970-01-01T00:01:04Z", "1970-01-01 01:01:04 BBB");
	expect(z, "2050-01-01T00:00:00Z", "2050-01-01 01:00:00 BBB");
}
END_TEST

START_TEST(bytes_cut_short_or_flipped_never_crash)
{
	struct sample s = make_sample("\nAAA0BBB,M3.5.0/1,M10.5.0\n");

	ck_assert_int_eq(parse(&s), ERR_NONE);
	for (size_t len = 0; len < s.len_bytes; len++) {
		struct sample cut = s;

		cut.len_bytes = len;
		ck_assert_int_eq(parse(&cut), ERR_CORRUPT);
	}
	for (size_t bit = 0; bit < s.len_bytes * 8; bit++) {
		struct sample flipped = s;

		flipped.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		(void)parse(&flipped);
	}
}
END_TEST

START_TEST(a_rule_that_makes_no_sense_is_refused)
{
	static const char *const bad[] = {"\nA0\n", "\nAAA\n", "\nAAA25\n",
	    "\nAAA0BBB\n", "\nAAA0BBB,M3.5.0\n", "\nAAA0BBB,M13.5.0,M10.5.0\n",
	    "\nAAA0BBB,M3.6.0,M10.5.0\n", "\nAAA0BBB,M3.5.7,M10.5.0\n",
	    "\nAAA0BBB,J0,J5\n", "\nAAA0BBB,366,5\n",
	    "\nAAA0BBB,M3.5.0/168,M10.5.0\n", "\n<AAA0\n", "\nAAA0x\n",
	    "\nAAA99999999999999999999\n", "\nAbcdefghijkl0\n", "AAA0\n"};
	static const char *const good[] = {"\nAAA0\n", "\n<+03>-3\n",
	    "\nAAA5BBB,M3.2.0,M11.1.0\n", "\nAAA-10:30BBB-11,M10.1.0,M4.1.0\n",
	    "\nAAA0BBB,J60/-1,300/167\n", "\nAAA3BBB,0/0,J365/23\n"};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct sample s = make_sample(bad[i]);

		ck_assert_msg(parse(&s) == ERR_CORRUPT, "%s", bad[i]);
	}
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct sample s = make_sample(good[i]);

		ck_assert_msg(parse(&s) == ERR_NONE, "%s", good[i]);
	}
}
END_TEST

START_TEST(summer_may_last_all_year)
{
	OWNED(zone_free) struct zone *z = NULL;
	struct sample s = make_sample("\nAAA3BBB4,0/0,J365/23\n");
	struct err e = {0};

	ck_assert_int_eq(zone_parse(&z, "Test", s.bytes, s.len_bytes, &e),
	    ERR_NONE);
	for (int64_t t = seconds("2030-12-30"); t < seconds("2031-01-03");
	     t += 1800)
		ck_assert_int_eq(zone_offset_s(z, t), -14400);
}
END_TEST

START_TEST(a_change_may_fall_into_the_next_year)
{
	OWNED(zone_free) struct zone *z = NULL;
	struct sample s = make_sample("\nAAA2BBB24,0/0,J365/23\n");
	struct err e = {0};

	ck_assert_int_eq(zone_parse(&z, "Test", s.bytes, s.len_bytes, &e),
	    ERR_NONE);
	for (int year = 1980; year < 2100; year++) {
		int64_t new_year_s = civil_days(year, 1, 1) * CIVIL_DAY_S;

		ck_assert_int_eq(zone_offset_s(z, new_year_s - 1), -7200);
		ck_assert_int_eq(zone_offset_s(z, new_year_s), -7200);
		ck_assert_int_eq(zone_offset_s(z, new_year_s + 7200), -86400);
		ck_assert_int_eq(zone_offset_s(z, new_year_s + 82800), -7200);
	}
}
END_TEST

START_TEST(the_rule_begins_where_the_table_ends)
{
	OWNED(zone_free) struct zone *z = NULL;
	struct sample s = make_sample("\nAAA0\n");
	size_t first_type = 2 * HEADER_BYTES + 6 + 4 + 8 + 1;
	struct due d = {.kind = DUE_CRON};
	struct utc t = {100 * NS_PER_S};
	struct err e = {0};

	/* an hour ahead until 64 s: 01:00 occurs twice on that day */
	s.bytes[first_type + 2] = 3600 >> 8;
	s.bytes[first_type + 3] = 3600 & 0xff;
	ck_assert_int_eq(zone_parse(&z, "Test", s.bytes, s.len_bytes, &e),
	    ERR_NONE);
	ck_assert_int_eq(zone_offset_s(z, 63), 3600);
	ck_assert_int_eq(zone_offset_s(z, 64), 0);
	d.zone = z;
	ck_assert_int_eq(cron_parse(&d.cron, "0 1 * * *", &e), ERR_NONE);
	ck_assert(due_next(&d, t, &t));
	ck_assert_int_eq(t.ns, (86400 + 3600) * NS_PER_S);
}
END_TEST

START_TEST(leap_seconds_and_old_versions_are_refused)
{
	struct sample s = make_sample("\n\n");
	size_t second = HEADER_BYTES + 6 + 4;

	s.bytes[second + 31] = 1;
	ck_assert_int_eq(parse(&s), ERR_CORRUPT);
	s = make_sample("\n\n");
	s.bytes[4] = '\0';
	ck_assert_int_eq(parse(&s), ERR_CORRUPT);
}
END_TEST

Suite *suite_calendar_zone(void);

Suite *
suite_calendar_zone(void)
{
	Suite *s = suite_create("calendar/zone");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc,
	    london_changes_on_the_last_sundays_of_march_and_october);
	tcase_add_test(tc, odd_zones_are_right);
	tcase_add_test(tc, a_local_time_has_one_first_instant);
	tcase_add_test(tc, utc_needs_no_file);
	tcase_add_test(tc, a_name_cannot_lead_out_of_the_directory);
	tcase_add_test(tc, an_unknown_zone_and_a_folder_are_refused);
	tcase_add_test(tc, a_fifo_in_the_directory_does_not_hang);
	tcase_add_test(tc, a_zone_is_read_from_bytes);
	tcase_add_test(tc, bytes_cut_short_or_flipped_never_crash);
	tcase_add_test(tc, a_rule_that_makes_no_sense_is_refused);
	tcase_add_test(tc, summer_may_last_all_year);
	tcase_add_test(tc, a_change_may_fall_into_the_next_year);
	tcase_add_test(tc, the_rule_begins_where_the_table_ends);
	tcase_add_test(tc, leap_seconds_and_old_versions_are_refused);
	suite_add_tcase(s, tc);
	return s;
}
