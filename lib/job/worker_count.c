#include "worker_count.h"

#include <string.h>

#include <bascule/base/text.h>
#include <bascule/source.h>

#include "worker_far.h"

#define OUTPUT_BYTES 64 /* a number of 64 bits, with room for blanks */
#define TIMEOUT_NS   (30 * NS_PER_S)

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool
worker_count_parse(const char *text, size_t len_bytes, int64_t *out)
{
	char digits[24];
	uint64_t n;

	while (len_bytes > 0 && is_blank(*text)) {
		text++;
		len_bytes--;
	}
	while (len_bytes > 0 && is_blank(text[len_bytes - 1]))
		len_bytes--;
	if (len_bytes == 0 || len_bytes >= sizeof(digits))
		return false;
	memcpy(digits, text, len_bytes);
	digits[len_bytes] = '\0';
	if (strlen(digits) != len_bytes ||
	    !text_parse_u64(digits, INT64_MAX, &n))
		return false;
	*out = (int64_t)n;
	return true;
}

static enum err_code
run(struct worker *w, const struct policy_service *s,
    const struct policy_dataset *d, int64_t *out, struct err *e)
{
	OWNED(policy_expand_free) char **argv = NULL;
	OWNED(source_outcome_fini) struct source_outcome said = {0};
	const char *site = worker_policy(w)->site;
	const struct policy_values values = {.service = s->name,
	    .dataset = d->name,
	    .site = site};
	const char *lives = policy_host_of(worker_policy(w), d, site);
	struct source_program program = {.timeout_ns = TIMEOUT_NS};
	struct source_host host;
	bool here;
	enum err_code rc =
	    worker_far_host(&host, &here, w, lives == NULL ? "" : lives, e);

	program.host = here ? NULL : &host;
	if (rc == ERR_NONE)
		rc = policy_expand_argv(&argv, &d->count, &values, e);
	program.argv = (const char *const *)argv;
	if (rc == ERR_NONE)
		rc = source_run(&program, OUTPUT_BYTES, &said, e);
	if (rc == ERR_NONE)
		rc = source_run_check(&said, "count", e);
	if (rc == ERR_NONE &&
	    (said.output_bytes > OUTPUT_BYTES ||
		!worker_count_parse((const char *)said.output.bytes,
		    said.output.len_bytes, out)))
		rc = err_set(e, ERR_INPUT, "it did not print one number");
	return rc;
}

int64_t
worker_count_read(struct worker *w, const struct policy_service *s,
    const struct policy_dataset *d)
{
	int64_t n = WORKER_COUNT_NONE;
	struct err e;

	if (d->count.count == 0 || run(w, s, d, &n, &e) == ERR_NONE)
		return n;
	worker_log(w, WORKER_WARNING,
	    "transactions of '%s' are not counted: %s", d->name, e.text);
	return WORKER_COUNT_NONE;
}
