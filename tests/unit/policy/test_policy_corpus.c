/* Every policy of tests/corpus/policy-bad is refused for what it says. */
#include <bascule/policy.h>

#include <check.h>
#include <dirent.h>
#include <string.h>

#include "support/copytree.h"

#define MARKS_MAX 32

static const struct utc now = {INT64_C(1792800000) * NS_PER_S}; /* 2026-10 */

struct mark {
	char file[64], setting[80], part[200];
	unsigned line;
	bool met;
};

struct marks {
	struct mark items[MARKS_MAX];
	size_t count;
};

/* "#!LINE SETTING: PART" or "#!FILE:LINE ..." or "#! ..."; returns its end. */
static char *
take_mark(struct marks *ms, char *at, const char *file, unsigned line)
{
	struct mark *m = &ms->items[ms->count];
	char *end = strstr(at + 2, " #!"), *colon;

	ck_assert_uint_lt(ms->count++, MARKS_MAX);
	end = end == NULL ? at + strlen(at) : end;
	memset(m, 0, sizeof(*m));
	snprintf(m->file, sizeof(m->file), "%s", file);
	m->line = line;
	at += 2;
	if (*at != ' ') {
		colon = memchr(at, ':', strcspn(at, " "));
		if (colon != NULL) {
			snprintf(m->file, sizeof(m->file), "%.*s",
			    (int)(colon - at), at);
			at = colon + 1;
		}
		m->line = (unsigned)strtoul(at, &at, 10);
	}
	at += strspn(at, " ");
	colon = strstr(at, ": ");
	ck_assert_msg(colon != NULL, "%s:%u: a mark without ': '", file, line);
	snprintf(m->setting, sizeof(m->setting), "%.*s", (int)(colon - at), at);
	snprintf(m->part, sizeof(m->part), "%.*s", (int)(end - colon - 2),
	    colon + 2);
	return end;
}

static void
read_marks(struct marks *ms, const char *dir, const char *name)
{
	char path[400], *text = NULL;
	size_t size = 0;
	unsigned line = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (getline(&text, &size, f) > 0) {
		char *at = strstr(text, "#!");

		line++;
		text[strcspn(text, "\n")] = '\0';
		while (at != NULL && *at != '\0') {
			at = take_mark(ms, at, name, line);
			at = strstr(at, "#!");
		}
	}
	free(text);
	fclose(f);
}

/* The marks of NAME.conf and of the files in NAME/. */
static void
gather(struct marks *ms, const char *root, const char *name)
{
	char dir[300];
	struct dirent *de;
	DIR *d;

	ms->count = 0;
	read_marks(ms, root, name);
	snprintf(dir, sizeof(dir), "%s/%.*s", root, (int)strlen(name) - 5,
	    name);
	d = opendir(dir);
	while (d != NULL && (de = readdir(d)) != NULL)
		if (de->d_name[0] != '.')
			read_marks(ms, dir, de->d_name);
	if (d != NULL)
		closedir(d);
}

static bool
is_met(struct mark *m, const struct policy_problem *p)
{
	const char *slash = strrchr(p->file, '/');

	if (m->met || m->line != p->line ||
	    strcmp(slash == NULL ? p->file : slash + 1, m->file) != 0 ||
	    strcmp(p->setting, m->setting) != 0 ||
	    strstr(p->message, m->part) == NULL)
		return false;
	m->met = true;
	return true;
}

static int
count_unexpected(const char *name, struct marks *ms,
    const struct policy_problems *ps)
{
	int wrong = 0;

	for (size_t i = 0; i < ps->count; i++) {
		bool found = false;

		for (size_t k = 0; !found && k < ms->count; k++)
			found = is_met(&ms->items[k], &ps->items[i]);
		if (found)
			continue;
		wrong++;
		printf("%s: not expected: %s:%u: %s: %s\n", name,
		    ps->items[i].file, ps->items[i].line, ps->items[i].setting,
		    ps->items[i].message);
	}
	for (size_t k = 0; k < ms->count; k++) {
		const struct mark *m = &ms->items[k];

		if (m->met)
			continue;
		wrong++;
		printf("%s: not found: %s:%u: %s: %s\n", name, m->file, m->line,
		    m->setting, m->part);
	}
	return wrong;
}

static int
try_case(const char *root, const char *name)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct marks ms;
	struct err e = {0};
	char path[300];
	enum err_code rc;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	gather(&ms, root, name);
	ck_assert_msg(ms.count > 0, "%s says nothing of what is wrong", name);
	rc = policy_load(&p, &ps, path, now, &e);
	ck_assert_msg(rc == ERR_POLICY, "%s: was %s", name, err_name(rc));
	ck_assert_ptr_null(p);
	return count_unexpected(name, &ms, &ps);
}

START_TEST(every_bad_policy_is_refused_for_what_it_says)
{
	char root[64];
	int wrong = 0, count = 0;
	struct dirent *de;
	DIR *d = opendir(copytree_make("tests/corpus/policy-bad", root));

	while ((de = readdir(d)) != NULL) {
		size_t len = strlen(de->d_name);

		if (len < 6 || strcmp(de->d_name + len - 5, ".conf") != 0)
			continue;
		count++;
		wrong += try_case(root, de->d_name);
	}
	closedir(d);
	copytree_remove(root);
	ck_assert_int_ge(count, 60);
	ck_assert_int_eq(wrong, 0);
}
END_TEST

Suite *suite_policy_policy_corpus(void);

Suite *
suite_policy_policy_corpus(void)
{
	Suite *s = suite_create("policy/corpus");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_bad_policy_is_refused_for_what_it_says);
	suite_add_tcase(s, tc);
	return s;
}
