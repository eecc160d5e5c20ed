#include "daemon/peer.h"

#include <check.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/base/exitcode.h>

#include "support/tmpdir.h"

static struct tmpdir dir;
static struct policy policy;
static struct policy_site site = {.name = "southwark"};
static struct daemon d;
static struct peer p;
static struct err e;

static void
begin(struct peer *it)
{
	*it = (struct peer){.d = &d, .site = &site};
	ck_assert_int_eq(wire_new(&it->fresh, "peer", &e), ERR_NONE);
	ck_assert_int_eq(wire_new_list(&it->services, &e), ERR_NONE);
	ck_assert_int_eq(wire_new_list(&it->links, &e), ERR_NONE);
}

static void
fini(struct peer *it)
{
	wire_free(&it->fresh);
	wire_free(&it->services);
	wire_free(&it->links);
	peerword_free(it);
	buf_fini(&it->said);
}

static void
setup(void)
{
	char path[4400];

	tmpdir_make(&dir);
	policy.state = dir.path;
	d.policy = &policy;
	snprintf(path, sizeof(path), "%s/peers", dir.path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	begin(&p);
}

static void
teardown(void)
{
	fini(&p);
	tmpdir_remove(&dir);
}

static void
hear(const char *version)
{
	OWNED(wire_free) struct wire_value *v = NULL;

	ck_assert_int_eq(wire_new(&v, "heard", &e), ERR_NONE);
	wire_add_text(v, "version", version);
	wire_add_text(v, "policy", version);
	wire_add_text(v, "link", version);
	wire_add_int(v, "offset_ns", INT64_MIN); /* is not compared */
	peersaid_heard(&p, v);
}

/* Whose names are all that may be, of what takes most room in a line. */
static void
say(const char *of, const char *type, const char *text)
{
	static const char *const names[] = {"service", "rpo_state",
	    "active_site", "authority", "link", "state", "hindrance"};
	OWNED(wire_free) struct wire_value *v = NULL;

	ck_assert_int_eq(wire_new(&v, type, &e), ERR_NONE);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		wire_add_text(v, names[i], text);
	peersaid_take(&p, of, v);
}

static char *
much_of(const char *unit, size_t bytes)
{
	char *text = malloc(bytes + 8);
	size_t n = 0;

	for (; n < bytes; n += strlen(unit))
		memcpy(text + n, unit, strlen(unit) + 1);
	return text;
}

START_TEST(whatever_a_peer_says_is_known_again_after_a_start)
{
	static const char *const units[] = {"\001", "\"", "\303\244",
	    "\360\237\214\211"};
	OWNED(free_mem) char *text = much_of(units[_i], 400);
	OWNED(free_mem) char *long_text = much_of(units[_i], 300000);
	struct peer again;

	hear(long_text);
	for (int i = 0; i < 2 * PEER_SERVICES_MAX; i++)
		say("status", "service", text);
	for (int i = 0; i < 2 * PEER_TRIED_MAX; i++)
		say("links", "link", text);
	ck_assert_int_eq(peersaid_keep(&p, &e), ERR_NONE);
	begin(&again);
	peersaid_recall(&again);
	ck_assert_int_ne(again.heard.ns, 0);
	ck_assert_int_eq(again.heard.ns, p.heard.ns);
	ck_assert_uint_eq(again.said.len_bytes, p.said.len_bytes);
	fini(&again);
}
END_TEST

START_TEST(what_makes_no_sense_was_never_said)
{
	char path[4400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/peers/southwark.json", dir.path);
	f = fopen(path, "w");
	fputs("{\"heard\": ", f);
	fclose(f);
	peersaid_recall(&p);
	ck_assert_int_eq(p.heard.ns, 0);
	ck_assert_uint_eq(p.said.len_bytes, 0);
}
END_TEST

Suite *suite_daemon_peersaid(void);
Suite *
suite_daemon_peersaid(void)
{
	Suite *s = suite_create("daemon/peersaid");
	TCase *tc = tcase_create("peersaid");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc,
	    whatever_a_peer_says_is_known_again_after_a_start, 0, 4);
	tcase_add_test(tc, what_makes_no_sense_was_never_said);
	suite_add_tcase(s, tc);
	return s;
}
