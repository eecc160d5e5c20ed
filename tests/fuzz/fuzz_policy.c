/*
 * A policy set as text: files apart by lines of "=== NAME", the first the
 * site's own.  What loads must show, load again from what it shows, and mean
 * the same.
 */
#include <bascule/policy.h>

#include <string.h>

#define FILES_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);
const char *__lsan_default_suppressions(void);

/*
 * libconfig 1.5 forgets a text that stands where a syntax error is.  That we
 * forget none of its configurations is for the unit tests to see.
 */
const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig.so\n";
}

static const struct utc now = {INT64_C(1792800000) * NS_PER_S};

static size_t
split(struct policy_text_file *files, char names[FILES_MAX][64],
    const char *text, size_t len_bytes)
{
	const char *end = text + len_bytes;
	size_t count = 1;

	files[0] =
	    (struct policy_text_file){.path = "/p/bascule.conf", .text = text};
	for (const char *at = text; at < end && count < FILES_MAX;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		stop = stop == NULL ? end : stop;
		if (stop - at > 4 && stop - at < 60 &&
		    memcmp(at, "=== ", 4) == 0) {
			files[count - 1].len_bytes =
			    (size_t)(at - files[count - 1].text);
			snprintf(names[count], 64, "/p/%.*s",
			    (int)(stop - at - 4), at + 4);
			files[count].path = names[count];
			files[count++].text = stop < end ? stop + 1 : stop;
		}
		at = stop < end ? stop + 1 : end;
	}
	files[count - 1].len_bytes = (size_t)(end - files[count - 1].text);
	return count;
}

static void
load_again(const struct policy *p)
{
	OWNED(policy_free) struct policy *again = NULL;
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	OWNED(buf_fini) struct buf shown = {0};
	OWNED(buf_fini) struct buf a = {0};
	OWNED(buf_fini) struct buf b = {0};
	struct policy_text_file file = {.path = "/shown.conf"};
	struct err e = {0};

	ASSERT(policy_show(p, &shown, &e) == ERR_NONE);
	file.text = buf_text(&shown);
	file.len_bytes = shown.len_bytes;
	if (file.len_bytes > POLICY_FILE_BYTES_MAX)
		return;
	ASSERT(policy_load_texts(&again, &ps, &file, 1, now, &e) == ERR_NONE);
	ASSERT(policy_canonical(p, &a, &e) == ERR_NONE);
	ASSERT(policy_canonical(again, &b, &e) == ERR_NONE);
	ASSERT(strlen(again->site) > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct policy_text_file files[FILES_MAX] = {{0}};
	char names[FILES_MAX][64];
	struct err e = {0};
	size_t count = split(files, names, (const char *)bytes, len_bytes);
	enum err_code rc = policy_load_texts(&p, &ps, files, count, now, &e);

	if (rc == ERR_NONE) {
		ASSERT(p != NULL && ps.count == 0);
		load_again(p);
		return 0;
	}
	ASSERT(rc == ERR_POLICY && p == NULL && ps.count > 0);
	for (size_t i = 0; i < ps.count; i++) {
		OWNED(buf_fini) struct buf text = {0};

		ASSERT(ps.items[i].line > 0);
		ASSERT(
		    policy_problem_text(&ps.items[i], &text, &e) == ERR_NONE);
		ASSERT(memchr(text.bytes, '\n', text.len_bytes) == NULL);
	}
	return 0;
}
