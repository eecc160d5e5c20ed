/*
 * Alarms: the policy's programs get one JSON line on stdin.  One that fails is
 * tried again; one that keeps failing is told in the log and in the status.
 */

#include "daemon.h"

#include <signal.h>
#include <string.h>

#define RETRY_NS (5 * NS_PER_S)

struct alarm_run {
	struct alarm_run *next;
	struct daemon *d;
	char **argv;
	struct buf line;
	uint32_t retries_left;
	int64_t timeout_ns;
	struct loop_child *child;
	struct loop_timer *timer; /* of the attempt, or until the next */
	char said[200];
};

static void
run_free(struct alarm_run *r)
{
	struct alarm_run **at = &r->d->alarms;

	while (*at != NULL && *at != r)
		at = &(*at)->next;
	if (*at == r)
		*at = r->next;
	loop_child_free(&r->child);
	loop_timer_free(&r->timer);
	buf_fini(&r->line);
	policy_expand_free(&r->argv);
	free(r);
}

static void start(void *ctx);

static void
failed(struct alarm_run *r, const char *why)
{
	if (r->retries_left > 0) {
		r->retries_left--;
		loop_timer_set(r->timer, RETRY_NS);
		return;
	}
	snprintf(r->d->alarm_trouble, sizeof(r->d->alarm_trouble),
	    "the alarm program '%s' failed: %s", r->argv[0], why);
	note_log(NOTE_ERROR, "%s", r->d->alarm_trouble);
	run_free(r);
}

static void
on_said(void *ctx, const char *bytes, size_t len_bytes)
{
	struct alarm_run *r = ctx;
	OWNED(buf_fini) struct buf text = {0};
	struct err e;

	if (text_escape(&text, bytes, len_bytes < 100 ? len_bytes : 100, &e) ==
	    ERR_NONE)
		snprintf(r->said, sizeof(r->said), ": %.150s", buf_text(&text));
}

static void
on_end(void *ctx, int exit_status, int number)
{
	struct alarm_run *r = ctx;
	char why[300];

	loop_child_free(&r->child);
	loop_timer_unset(r->timer);
	if (exit_status == 0 && number == 0) {
		r->d->alarm_trouble[0] = '\0';
		run_free(r);
		return;
	}
	snprintf(why, sizeof(why), "%s %d%s", number != 0 ? "signal" : "exit",
	    number != 0 ? number : exit_status, r->said);
	failed(r, why);
}

static void
start(void *ctx)
{
	struct alarm_run *r = ctx;
	struct loop_child_options opt = {.program = r->argv[0],
	    .argv = (const char *const *)r->argv,
	    .ctx = r,
	    .on_error = on_said,
	    .on_end = on_end};
	struct err e;

	if (r->child != NULL) { /* the timer: it took too long */
		loop_child_free(&r->child);
		failed(r, "no end in time");
		return;
	}
	r->said[0] = '\0';
	if (loop_child_start(&r->child, r->d->loop, &opt, &e) != ERR_NONE) {
		failed(r, e.text);
		return;
	}
	loop_timer_set(r->timer, r->timeout_ns);
	if (loop_child_write(r->child, r->line.bytes, r->line.len_bytes, &e) ==
	    ERR_NONE)
		loop_child_close_input(r->child);
}

static enum err_code
add_run(struct daemon *d, const struct policy_alert *a, struct wire_value *v,
    struct err *e)
{
	struct policy_values values = {.site = d->policy->site};
	struct alarm_run *r = calloc(1, sizeof(*r));
	enum err_code rc;

	if (r == NULL)
		return err_nomem(e);
	r->d = d;
	r->retries_left = a->retries;
	r->timeout_ns = a->timeout_ns > 0 ? a->timeout_ns : 30 * NS_PER_S;
	rc = policy_expand_argv(&r->argv, &a->run, &values, e);
	if (rc == ERR_NONE)
		rc = wire_line(v, &r->line, e);
	if (rc == ERR_NONE)
		rc = loop_timer_new(&r->timer, d->loop, start, r, e);
	if (rc != ERR_NONE) {
		run_free(r);
		return rc;
	}
	r->next = d->alarms;
	d->alarms = r;
	loop_timer_set(r->timer, 0);
	return ERR_NONE;
}

static void
tell(struct daemon *d, const struct alarm_what *what, const char *state)
{
	for (size_t i = 0; i < d->policy->alert_count; i++) {
		const struct policy_alert *a = &d->policy->alerts[i];
		OWNED(wire_free) struct wire_value *v = NULL;
		struct err e;
		enum err_code rc;

		if ((a->on & (1u << what->on)) == 0 || a->run.count == 0)
			continue;
		rc = wire_new(&v, "alarm", &e);
		if (rc == ERR_NONE) {
			wire_add_text(v, "on", policy_schema_alert(what->on));
			wire_add_text(v, "site", d->policy->site);
			wire_add_text(v, "service", what->service);
			wire_add_text(v, "subject", what->subject);
			wire_add_bool(v, "raised",
			    strcmp(state, "raised") == 0);
			wire_add_text(v, "text", what->text);
			rc = add_run(d, a, v, &e);
		}
		if (rc != ERR_NONE)
			note_log(NOTE_ERROR, "an alarm is not sent: %s",
			    e.text);
	}
}

void
alarm_raise(struct daemon *d, const struct alarm_what *what)
{
	tell(d, what, "raised");
}

void
alarm_clear(struct daemon *d, enum policy_alert_on on, const char *service,
    const char *subject, const char *text)
{
	struct alarm_what what = {.on = on,
	    .service = service,
	    .subject = subject,
	    .text = text};

	tell(d, &what, "cleared");
}

void
alarm_stop(struct daemon *d)
{
	while (d->alarms != NULL)
		run_free(d->alarms);
}
