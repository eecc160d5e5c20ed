#include <bascule/job.h>

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/policy.h>

#include "support/must.h"
#include "support/tmpdir.h"

/* Which copies of policies stay, and which one is found again. */

static struct tmpdir td;

static void
setup(void)
{
	tmpdir_make(&td);
}

static void
teardown(void)
{
	tmpdir_remove(&td);
}

/* Of a title that both sites share, and a comment that nobody does. */
static struct policy *
load(const char *title, const char *comment)
{
	char text[2048];
	struct policy_text_file file = {.path = "/p/bascule.conf",
	    .text = text};
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct policy *p = NULL;
	struct err e = {0};

	file.len_bytes = (size_t)snprintf(text, sizeof(text),
	    "# %s\n"
	    "site = \"brent\"; state = \"/var/lib/bascule\"; "
	    "socket = \"/run/bascule/bascule.sock\"; "
	    "key_file = \"brent.key\"; identity = \"id\"; "
	    "authority = \"manual\"; policy = [];\n"
	    "sites = ( { name = \"brent\"; title = \"%s\"; "
	    "role = \"datacentre\"; failure_domain = \"b\"; "
	    "hosts = ( { name = \"h\"; address = \"127.0.0.1\"; "
	    "user = \"b\"; host_keys = [ \"SHA256:"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\" ]; } ); "
	    "repository = \"/r\"; } );\n",
	    comment, title);
	ck_assert_msg(policy_load_texts(&p, &ps, &file, 1, now_utc(), &e) ==
		ERR_NONE,
	    "%s: %s: %s", e.text, ps.count > 0 ? ps.items[0].setting : "",
	    ps.count > 0 ? ps.items[0].message : "");
	return p;
}

struct kept {
	char path[256], digest[ID_HEX_BYTES];
};

/* so_old: how many seconds before the others it was written. */
static struct kept
keep(const char *title, const char *comment, int so_old)
{
	OWNED(policy_free) struct policy *p = load(title, comment);
	OWNED(free_mem) char *path = NULL;
	const struct timespec times[2] = {{1700000000 - so_old, 0},
	    {1700000000 - so_old, 0}};
	struct kept k;
	struct id id, of;
	struct err e = {0};

	must(polcopy_save(p, td.path, &path, &of, &e), &e);
	must(digest_policy(p, &id, &e), &e);
	ck_assert(id_equal(&of, &id));
	id_hex(&id, k.digest);
	snprintf(k.path, sizeof(k.path), "%s", path);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	return k;
}

static bool
is_there(const struct kept *k)
{
	return access(k->path, F_OK) == 0;
}

START_TEST(a_policy_is_found_by_its_digest_among_others)
{
	OWNED(policy_free) struct policy *p = NULL;
	struct kept one = keep("one", "", 0), two = keep("two", "", 0);
	char old[300];
	struct err e = {0};

	must(polcopy_find(&p, td.path, two.digest, &e), &e);
	ck_assert_str_eq(p->sites[0].title, "two");
	policy_free(&p);
	/* An earlier version gave it another name. */
	snprintf(old, sizeof(old), "%s/%s.copy", td.path, "0123");
	ck_assert_int_eq(rename(one.path, old), 0);
	must(polcopy_find(&p, td.path, one.digest, &e), &e);
	ck_assert_str_eq(p->sites[0].title, "one");
	policy_free(&p);
	ck_assert_int_eq(unlink(old), 0);
	ck_assert_int_eq(polcopy_find(&p, td.path, one.digest, &e),
	    ERR_NOTFOUND);
}
END_TEST

START_TEST(a_copy_of_another_policy_is_not_taken_for_the_one_of_its_name)
{
	OWNED(policy_free) struct policy *p = NULL;
	struct kept one = keep("one", "", 0), two = keep("two", "", 0);
	struct err e = {0};

	ck_assert_int_eq(rename(two.path, one.path), 0);
	ck_assert_int_eq(polcopy_find(&p, td.path, one.digest, &e),
	    ERR_NOTFOUND);
}
END_TEST

struct walked {
	char titles[64], digest[ID_HEX_BYTES];
	unsigned count;
};

static enum err_code
walk(void *ctx, struct policy **p, const struct id *digest, struct err *e)
{
	struct walked *w = ctx;

	(void)e;
	w->count++;
	strcat(w->titles, (*p)->sites[0].title);
	id_hex(digest, w->digest);
	if (w->count == 1)
		policy_free(p); /* may be taken */
	return ERR_NONE;
}

START_TEST(each_copy_that_can_be_read_is_walked_over)
{
	struct kept one = keep("one", "", 0), two = keep("two", "", 0);
	struct walked w = {.count = 0};
	struct err e = {0};

	must(polcopy_each("/nowhere/at/all", walk, &w, &e), &e);
	ck_assert_uint_eq(w.count, 0);
	must(polcopy_each(td.path, walk, &w, &e), &e);
	ck_assert_uint_eq(w.count, 2);
	ck_assert(
	    strstr(w.titles, "one") != NULL && strstr(w.titles, "two") != NULL);
	/* One that is damaged is none. */
	w = (struct walked){.count = 0};
	ck_assert_int_eq(truncate(one.path, 10), 0);
	must(polcopy_each(td.path, walk, &w, &e), &e);
	ck_assert_uint_eq(w.count, 1);
	ck_assert_str_eq(w.digest, two.digest);
}
END_TEST

START_TEST(one_copy_of_each_policy_that_a_record_names_stays)
{
	struct kept named = keep("named", "first", 3),
		    again = keep("named", "other words", 2),
		    never = keep("never in force", "", 2),
		    running = keep("running", "", 9),
		    before = keep("running", "as it was before", 1),
		    newest = keep("running", "unused", 0);
	const char *const digests[] = {named.digest, running.digest};
	const char *const names[] = {strrchr(running.path, '/') + 1, NULL,
	    strrchr(before.path, '/') + 1};
	const struct polcopy_keep k = {digests, 2, names, 3};
	size_t removed;
	struct err e = {0};

	tmpdir_put(&td, "0123.copy", "an earlier version's");
	tmpdir_put(&td, "note", "no copy");
	ck_assert_str_eq(named.digest, again.digest);
	must(polcopy_prune(td.path, &k, &removed, &e), &e);
	ck_assert_uint_eq(removed, 2);
	ck_assert(!is_there(&named));
	ck_assert(is_there(&again)); /* the newest of its digest */
	ck_assert(!is_there(&never));
	ck_assert(is_there(&running)); /* by name */
	ck_assert(is_there(&before));
	ck_assert(is_there(&newest));
	ck_assert(tmpdir_is(&td, "0123.copy", "an earlier version's"));
	ck_assert(tmpdir_is(&td, "note", "no copy"));
	must(polcopy_prune(td.path, &k, &removed, &e), &e);
	ck_assert_uint_eq(removed, 0);
}
END_TEST

Suite *suite_job_polcopy(void);

Suite *
suite_job_polcopy(void)
{
	Suite *s = suite_create("job/polcopy");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_policy_is_found_by_its_digest_among_others);
	tcase_add_test(tc,
	    a_copy_of_another_policy_is_not_taken_for_the_one_of_its_name);
	tcase_add_test(tc, each_copy_that_can_be_read_is_walked_over);
	tcase_add_test(tc, one_copy_of_each_policy_that_a_record_names_stays);
	suite_add_tcase(s, tc);
	return s;
}
