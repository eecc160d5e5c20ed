/* A program of the policy's that tells people: the alarm on its stdin. */

#include "alarm_parts.h"

#include <string.h>

#define SAID_BYTES 200

struct alarmrun {
	struct alarmrun_options opt;
	char **argv;
	struct loop_child *child;
	struct loop_timer *timer;
	char said[SAID_BYTES]; /* on stderr */
};

void
alarmrun_free(struct alarmrun **rp)
{
	struct alarmrun *r = TAKE(*rp);

	if (r == NULL)
		return;
	loop_child_free(&r->child);
	loop_timer_free(&r->timer);
	policy_expand_free(&r->argv);
	free(r);
}

static void
on_said(void *ctx, const char *bytes, size_t len_bytes)
{
	struct alarmrun *r = ctx;
	OWNED(buf_fini) struct buf text = {0};
	struct err e;

	if (text_escape(&text, bytes, len_bytes < 100 ? len_bytes : 100, &e) ==
	    ERR_NONE)
		snprintf(r->said, sizeof(r->said), ": %.150s", buf_text(&text));
}

static void
on_end(void *ctx, int exit_status, int number)
{
	struct alarmrun *r = ctx;
	char why[SAID_BYTES + 64];

	loop_child_free(&r->child);
	loop_timer_unset(r->timer);
	snprintf(why, sizeof(why), "%s %d%s", number != 0 ? "signal" : "exit",
	    number != 0 ? number : exit_status, r->said);
	r->opt.fn(r->opt.ctx, exit_status == 0 && number == 0 ? NULL : why);
}

static void
too_long(void *ctx)
{
	struct alarmrun *r = ctx;

	loop_child_free(&r->child);
	r->opt.fn(r->opt.ctx, "no end in time");
}

static enum err_code
begin(struct alarmrun *r, struct err *e)
{
	struct policy_values values = {.site = r->opt.site};
	struct loop_child_options opt = {.ctx = r,
	    .on_error = on_said,
	    .on_end = on_end};
	const struct policy_alert *a = r->opt.alert;
	enum err_code rc = policy_expand_argv(&r->argv, &a->run, &values, e);

	if (rc == ERR_NONE)
		rc = loop_timer_new(&r->timer, r->opt.loop, too_long, r, e);
	if (rc != ERR_NONE)
		return rc;
	opt.program = r->argv[0];
	opt.argv = (const char *const *)r->argv;
	rc = loop_child_start(&r->child, r->opt.loop, &opt, e);
	if (rc != ERR_NONE)
		return rc;
	loop_timer_set(r->timer,
	    a->timeout_ns > 0 ? a->timeout_ns : 30 * NS_PER_S);
	rc = loop_child_write(r->child, r->opt.line->bytes,
	    r->opt.line->len_bytes, e);
	if (rc == ERR_NONE)
		loop_child_close_input(r->child);
	return rc;
}

enum err_code
alarmrun_start(struct alarmrun **out, const struct alarmrun_options *options,
    struct err *e)
{
	OWNED(alarmrun_free) struct alarmrun *r = calloc(1, sizeof(*r));
	enum err_code rc;

	*out = NULL;
	if (r == NULL)
		return err_nomem(e);
	r->opt = *options;
	rc = begin(r, e);
	r->opt.line = NULL;
	if (rc == ERR_NONE)
		*out = TAKE(r);
	return rc;
}
