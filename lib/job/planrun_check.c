#include "planrun_check.h"

#include <ctype.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>

#include "dialtcp.h"
#include "httpget.h"

#define TRY_NS   (10 * NS_PER_S) /* one connection, one answer */
#define CUT_NS   (3 * NS_PER_S)  /* silence for so long is unreachable */
#define PAUSE_NS (NS_PER_S / 4)  /* between two tries */

struct asking {
	const struct planrun_question *q;
	struct planrun_said *answer;
	struct buf *note;
	int64_t left_ns; /* for this try */
};

static enum err_code say(struct buf *note, struct err *e, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

static enum err_code
say(struct buf *note, struct err *e, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(note);
	return buf_add_text(note, text, e);
}

static bool
has_text(const struct buf *in, const char *text)
{
	return text[0] == '\0' ||
	    (in->len_bytes > 0 &&
		memmem(in->bytes, in->len_bytes, text, strlen(text)) != NULL);
}

/* --- http ----------------------------------------------------------------- */

static enum err_code
judge_http(const struct policy_check *c, const char *url,
    const struct httpget_reply *r, struct err *e)
{
	if (r->status != c->expect)
		return err_set(e, ERR_IO, "%s answered %u, not %u", url,
		    r->status, (unsigned)c->expect);
	if (!has_text(&r->body, c->contains))
		return err_set(e, ERR_IO, "%s answered without '%s'", url,
		    c->contains);
	return ERR_NONE;
}

static enum err_code
ask_http(struct asking *a, struct err *e)
{
	OWNED(httpget_reply_fini) struct httpget_reply r = {0};
	OWNED(buf_fini) struct buf url = {0};
	const struct policy_check *c = a->q->check;
	enum err_code rc = policy_expand(&url, c->http, a->q->values, e);

	if (rc != ERR_NONE)
		return rc;
	rc = httpget(buf_text(&url), a->left_ns < TRY_NS ? a->left_ns : TRY_NS,
	    &r, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "%s", buf_text(&url));
	a->answer->bytes = r.body.len_bytes;
	rc = hash_sha256(r.body.bytes, r.body.len_bytes, &a->answer->hash, e);
	if (rc == ERR_NONE)
		rc =
		    say(a->note, e, "%s answered %u", buf_text(&url), r.status);
	if (rc == ERR_NONE)
		rc = judge_http(c, buf_text(&url), &r, e);
	buf_fini(&a->answer->tail);
	a->answer->tail = r.body;
	r.body = (struct buf){0};
	return rc;
}

/* --- connections ---------------------------------------------------------- */

static enum err_code
ask_tcp(struct asking *a, struct err *e)
{
	OWNED(buf_fini) struct buf endpoint = {0};
	OWNED(fdio_close) int fd = -1;
	char host[DIALTCP_HOST_BYTES], port[6];
	enum err_code rc =
	    policy_expand(&endpoint, a->q->check->tcp, a->q->values, e);

	if (rc == ERR_NONE)
		rc = dialtcp_split(buf_text(&endpoint), host, port, e);
	if (rc != ERR_NONE)
		return rc;
	rc = dialtcp(&fd, host, port, a->left_ns < TRY_NS ? a->left_ns : TRY_NS,
	    e);
	if (rc != ERR_NONE)
		return err_wrap(e, "%s", buf_text(&endpoint));
	return say(a->note, e, "%s takes connections", buf_text(&endpoint));
}

enum err_code
planrun_check_cut_off(const char *endpoint, struct buf *note, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	char host[DIALTCP_HOST_BYTES], port[6];
	struct err why;
	enum err_code rc = dialtcp_split(endpoint, host, port, e);

	if (rc != ERR_NONE)
		return rc;
	rc = dialtcp(&fd, host, port, CUT_NS, &why);
	if (rc == ERR_NONE)
		return err_set(e, ERR_REFUSED, "%s was reached", endpoint);
	if (rc == ERR_NOMEM)
		return err_set(e, rc, "%s: %s", endpoint, why.text);
	return say(note, e, "%s not reached: %s", endpoint, why.text);
}

static enum err_code
ask_unreachable(struct asking *a, struct err *e)
{
	OWNED(buf_fini) struct buf endpoint = {0};
	enum err_code rc =
	    policy_expand(&endpoint, a->q->check->unreachable, a->q->values, e);

	if (rc != ERR_NONE)
		return rc;
	return planrun_check_cut_off(buf_text(&endpoint), a->note, e);
}

/* --- a command ------------------------------------------------------------ */

enum err_code
planrun_check_number(const struct buf *text, int64_t *out, struct err *e)
{
	OWNED(buf_fini) struct buf shown = {0};
	const char *at = (const char *)text->bytes;
	size_t len = text->len_bytes;
	char digits[24];
	uint64_t value;
	bool minus;

	while (len > 0 && isspace((unsigned char)at[0])) {
		at++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)at[len - 1]))
		len--;
	minus = len > 0 && at[0] == '-';
	if (minus) {
		at++;
		len--;
	}
	snprintf(digits, sizeof(digits), "%.*s",
	    (int)(len < sizeof(digits) ? len : 0), len > 0 ? at : "");
	if (len > 0 && strlen(digits) == len &&
	    text_parse_u64(digits, INT64_MAX, &value)) {
		*out = minus ? -(int64_t)value : (int64_t)value;
		return ERR_NONE;
	}
	if (text_line(&shown, (const char *)text->bytes,
		text->len_bytes < 60 ? text->len_bytes : 60, e) != ERR_NONE)
		return e->code;
	return err_set(e, ERR_INPUT, "it printed no number but '%s'",
	    buf_text(&shown));
}

/* Is it all that was printed, but for white space around it? */
static bool
is_text(const struct buf *in, const char *text)
{
	const char *at = (const char *)in->bytes;
	size_t len = in->len_bytes;

	while (len > 0 && isspace((unsigned char)at[0])) {
		at++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)at[len - 1]))
		len--;
	return len == strlen(text) && (len == 0 || memcmp(at, text, len) == 0);
}

static enum err_code
refuse_text(const struct buf *said, const char *name, const char *text,
    struct err *e)
{
	OWNED(buf_fini) struct buf shown = {0};

	if (text_line(&shown, (const char *)said->bytes,
		said->len_bytes < 60 ? said->len_bytes : 60, e) != ERR_NONE)
		return e->code;
	return err_set(e, ERR_IO, "'%s' printed '%s', not '%.100s'", name,
	    buf_text(&shown), text);
}

static enum err_code
judge_command(struct asking *a, const char *name, struct err *e)
{
	const struct policy_check *c = a->q->check;
	const struct planrun_said *s = a->answer;
	int64_t number;
	enum err_code rc = planrun_program_judge(s, name, e);

	if (rc == ERR_NONE && !has_text(&s->out, c->contains))
		return err_set(e, ERR_IO, "'%s' answered without '%s'", name,
		    c->contains);
	if (rc == ERR_NONE && c->has_equals && !is_text(&s->out, c->equals))
		return refuse_text(&s->out, name, c->equals, e);
	if (rc != ERR_NONE || !c->has_at_least)
		return rc != ERR_NONE ? rc
				      : say(a->note, e, "'%s' exited 0", name);
	rc = planrun_check_number(&s->out, &number, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "'%s'", name);
	if (number < (int64_t)c->expect_at_least)
		return err_set(e, ERR_IO,
		    "'%s' printed %lld; at least %u is expected", name,
		    (long long)number, (unsigned)c->expect_at_least);
	return say(a->note, e, "'%s' printed %lld, at least %u is expected",
	    name, (long long)number, (unsigned)c->expect_at_least);
}

/* Here, or where the step's `on` says. */
static enum err_code
run_program(struct asking *a, const char *const *argv, struct err *e)
{
	struct planrun_program p = a->q->program;

	p.argv = argv;
	p.timeout_ns = a->left_ns;
	planrun_program_fini(a->answer);
	return a->q->run != NULL ? a->q->run(a->q->ctx, &p, a->answer, e)
				 : planrun_program_run(&p, a->answer, e);
}

static enum err_code
ask_command(struct asking *a, const struct policy_texts *words, struct err *e)
{
	OWNED(policy_expand_free) char **argv = NULL;
	enum err_code rc = policy_expand_argv(&argv, words, a->q->values, e);

	if (rc == ERR_NONE)
		rc = run_program(a, (const char *const *)argv, e);
	return rc == ERR_NONE ? judge_command(a, argv[0], e) : rc;
}

/* --- a file --------------------------------------------------------------- */

#define FILE_ABSENT  "absent\n"
#define FILE_PRESENT "present\n"

static enum err_code
judge_file(struct asking *a, const char *path, struct err *e)
{
	const struct policy_check *c = a->q->check;
	const struct buf *out = &a->answer->out;
	bool is_there = has_text(out, FILE_PRESENT) &&
	    memcmp(out->bytes, FILE_PRESENT, strlen(FILE_PRESENT)) == 0;
	enum err_code rc = planrun_program_judge(a->answer, path, e);

	if (rc != ERR_NONE)
		return rc;
	if (is_there != c->exists)
		return err_set(e, ERR_IO, "'%s' is %sthere", path,
		    is_there ? "" : "not ");
	if (is_there && !has_text(out, c->contains))
		return err_set(e, ERR_IO,
		    "'%s' has no '%s' in its first 60 KiB", path, c->contains);
	return say(a->note, e, "'%s' is %sthere", path, is_there ? "" : "not ");
}

static enum err_code
ask_file(struct asking *a, struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	const char *argv[] = {"sh", "-c",
	    "[ -e \"$1\" ] || { echo absent; exit 0; }; echo present;"
	    " [ -d \"$1\" ] || exec head -c 61440 <\"$1\"",
	    "bascule-check", NULL, NULL};
	enum err_code rc =
	    policy_expand(&path, a->q->check->file, a->q->values, e);

	argv[4] = buf_text(&path);
	if (rc == ERR_NONE)
		rc = run_program(a, argv, e);
	return rc == ERR_NONE ? judge_file(a, buf_text(&path), e) : rc;
}

/* --- a certificate -------------------------------------------------------- */

static enum err_code
ask_tls(struct asking *a, struct err *e)
{
	OWNED(buf_fini) struct buf endpoint = {0}, ca_file = {0};
	OWNED(fdio_close) int fd = -1;
	struct tlspeek_whom whom = {0};
	char host[DIALTCP_HOST_BYTES], port[6], left[TEXT_UNIT_BYTES];
	int64_t wait_ns = a->left_ns < TRY_NS ? a->left_ns : TRY_NS, ends_s;
	int64_t days_ns = a->q->check->days_count * 24 * 3600 * NS_PER_S;
	enum err_code rc =
	    policy_expand(&endpoint, a->q->check->tls, a->q->values, e);

	if (rc == ERR_NONE)
		rc = policy_expand(&ca_file, a->q->check->ca_file, a->q->values,
		    e);
	whom.host = host;
	whom.ca_file = ca_file.len_bytes > 0 ? buf_text(&ca_file) : NULL;
	if (rc == ERR_NONE)
		rc = dialtcp_split(buf_text(&endpoint), host, port, e);
	if (rc == ERR_NONE)
		rc = dialtcp(&fd, host, port, wait_ns, e);
	if (rc == ERR_NONE)
		rc = tlspeek(fd, &whom, wait_ns, &ends_s, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "%s", buf_text(&endpoint));
	ends_s -= now_utc().ns / NS_PER_S;
	text_duration(ends_s > 0 ? ends_s * NS_PER_S : 0, left);
	if (ends_s * NS_PER_S < days_ns)
		return err_set(e, ERR_IO,
		    "%s: its certificate is valid for %s more; at least %u "
		    "days are expected",
		    buf_text(&endpoint), left,
		    (unsigned)a->q->check->days_count);
	return say(a->note, e, "%s: its certificate is valid for %s more",
	    buf_text(&endpoint), left);
}

/* --- asking again and again ----------------------------------------------- */

static enum err_code
ask(struct asking *a, struct err *e)
{
	switch (a->q->check->kind) {
	case POLICY_CHECK_HTTP: return ask_http(a, e);
	case POLICY_CHECK_TCP: return ask_tcp(a, e);
	case POLICY_CHECK_COMMAND:
		return ask_command(a, &a->q->check->command, e);
	case POLICY_CHECK_UNREACHABLE: return ask_unreachable(a, e);
	case POLICY_CHECK_TLS: return ask_tls(a, e);
	case POLICY_CHECK_FILE: return ask_file(a, e);
	case POLICY_CHECK_SQL: return ask_command(a, &a->q->check->sql, e);
	case POLICY_CHECK_NONE: break;
	}
	return err_set(e, ERR_POLICY, "the check asks nothing");
}

/* What another try cannot mend. */
static bool
is_final(enum err_code rc)
{
	return rc == ERR_CANCELLED || rc == ERR_NOMEM || rc == ERR_POLICY;
}

enum err_code
planrun_check(const struct planrun_question *q, struct planrun_said *answer,
    struct buf *note, struct err *e)
{
	struct asking a = {.q = q, .answer = answer, .note = note};
	struct mono began = now_mono();
	struct timespec pause = {0, PAUSE_NS};
	bool keeps_trying = q->check->kind != POLICY_CHECK_UNREACHABLE;

	for (unsigned tries = 1;; tries++) {
		int64_t gone_ns = now_mono().ns - began.ns;
		enum err_code rc;

		a.left_ns = q->timeout_ns - gone_ns;
		rc = a.left_ns > 0
		    ? ask(&a, e)
		    : err_set(e, ERR_TIMEOUT, "no right answer in time");
		gone_ns = now_mono().ns - began.ns;
		if (rc == ERR_NONE || is_final(rc) || a.left_ns <= 0 ||
		    !keeps_trying || gone_ns >= q->check->within_ns) {
			if (rc != ERR_NONE && tries > 1)
				err_wrap(e, "after %u tries", tries);
			return rc;
		}
		nanosleep(&pause, NULL);
	}
}
