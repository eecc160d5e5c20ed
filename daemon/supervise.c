/*
 * One running worker: docs/protocol/worker.md from the daemon's side.
 *
 *	running -> stopping (SIGTERM, then SIGKILL) -> ended
 */

#include "daemon.h"
#include "question.h"

#include <signal.h>
#include <string.h>

#include <bascule/base/proc.h>

#define STALL_NS    (60 * NS_PER_S)
#define LOOK_NS     (5 * NS_PER_S)
#define STOP_NS     (20 * NS_PER_S) /* from SIGTERM to SIGKILL */
#define INTENTS_MAX 1024

/* An intent of the worker that waits for its outcome. */
struct open_intent {
	struct open_intent *next;
	uint64_t seq;
	char *type;
	char step[64], kind[16]; /* of a step: its outcome names it too */
	char id[LEDGER_INTENT_BYTES];
};

struct supervise {
	struct job *job;
	struct loop_child *child;
	struct loop_timer *look; /* for silence, and for the time it takes */
	struct wire_lines lines;
	struct wire_value *result;
	struct open_intent *intents;
	size_t intent_count;
	struct mono started, stopping;
	int64_t timeout_ns;
	char stop_why[JOB_REASON_BYTES]; /* "": it was not stopped by us */
	bool timed_out, killed;
};

/* --- what it writes ahead --------------------------------------------------- */

static void
free_intent(struct open_intent **at)
{
	struct open_intent *in = *at;

	*at = in->next;
	free(in->type);
	free(in);
}

static struct open_intent **
find_intent(struct supervise *s, uint64_t seq)
{
	struct open_intent **at = &s->intents;

	while (*at != NULL && (*at)->seq != seq)
		at = &(*at)->next;
	return at;
}

static void
acknowledge(struct supervise *s, uint64_t seq, const struct err *why)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, NULL, &e) != ERR_NONE)
		return;
	wire_add_uint(v, why == NULL ? "ack" : "nack", seq);
	if (why != NULL)
		wire_add_text(v, "error", why->text);
	if (supervise_tell(s, v, &e) != ERR_NONE)
		job_log(s->job, "%s", e.text);
}

/* Every field that is not the protocol's becomes one of the record. */
static void
copy_fields(struct draft *d, struct wire_value *event)
{
	static const char *const own[] = {"type", "ts", "v", "seq", "record",
	    "dataset", "plan"};

	for (size_t i = 0; wire_name_at(event, i) != NULL; i++) {
		const char *name = wire_name_at(event, i);
		bool is_own = false;

		for (size_t k = 0; k < COUNT_OF(own); k++)
			is_own = is_own || strcmp(name, own[k]) == 0;
		if (!is_own)
			draft_text(d, name, wire_need_text(event, name));
	}
	draft_dataset(d, wire_take_text(event, "dataset", NULL));
	draft_plan(d, wire_take_text(event, "plan", NULL));
}

static enum err_code
write_intent(struct supervise *s, uint64_t seq, struct wire_value *event,
    struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	const char *type = wire_need_text(event, "record");
	struct open_intent *in;
	enum err_code rc = wire_check(event, e);

	if (rc == ERR_NONE && s->intent_count == INTENTS_MAX)
		rc = err_set(e, ERR_INPUT, "too many intents are open");
	if (rc == ERR_NONE)
		rc = job_draft(&d, s->job, type, e);
	if (rc != ERR_NONE)
		return rc;
	copy_fields(d, event);
	rc = wire_check(event, e);
	in = calloc(1, sizeof(*in));
	if (in == NULL || (in->type = strdup(type)) == NULL) {
		free(in);
		return err_nomem(e);
	}
	in->seq = seq;
	snprintf(in->step, sizeof(in->step), "%s",
	    wire_take_text(event, "step", ""));
	snprintf(in->kind, sizeof(in->kind), "%s",
	    wire_take_text(event, "kind", ""));
	in->next = s->intents;
	s->intents = in;
	if (rc == ERR_NONE)
		rc = note_intent(s->job->d, d, in->id, e);
	if (rc != ERR_NONE)
		free_intent(&s->intents);
	else
		s->intent_count++;
	return rc;
}

static enum err_code
write_outcome(struct supervise *s, uint64_t seq, struct wire_value *event,
    struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	struct open_intent **in = find_intent(s, seq);
	enum err_code rc;

	if (*in == NULL)
		return err_set(e, ERR_NOTFOUND, "no such intent is open");
	rc = job_draft(&d, s->job, (*in)->type, e);
	if (rc != ERR_NONE)
		return rc;
	copy_fields(d, event);
	rc = wire_check(event, e);
	if (rc == ERR_NONE)
		rc = note_outcome(s->job->d, (*in)->id, d, e);
	if (rc == ERR_NONE) {
		free_intent(in);
		s->intent_count--;
	}
	return rc;
}

/*
 * What a dead worker left open: nobody knows what came of it.  Only a step has a
 * state of its own to say so in; a test's is what its worker said last, and its
 * inventory (an intent of the test) is closed by who cleans up.
 */
static void
close_intents(struct supervise *s)
{
	while (s->intents != NULL) {
		OWNED(draft_free) struct draft *d = NULL;
		struct err e;

		if (job_draft(&d, s->job, s->intents->type, &e) == ERR_NONE) {
			draft_text(d, "step", s->intents->step);
			draft_text(d, "kind", s->intents->kind);
			if (strcmp(s->intents->type, LEDGER_STEP) == 0)
				draft_text(d, "state", "unknown");
			draft_text(d, "reason",
			    "the worker died before it could say");
			if (note_outcome(s->job->d, s->intents->id, d, &e) !=
			    ERR_NONE)
				note_log(NOTE_ERROR, "%s", e.text);
		}
		free_intent(&s->intents);
	}
}

/* --- what it says ----------------------------------------------------------- */

static void
on_progress(struct job *j, struct wire_value *ev)
{
	j->files_count = wire_take_uint(ev, "files", j->files_count);
	j->done_bytes = wire_take_uint(ev, "bytes", j->done_bytes);
	j->total_bytes = wire_take_uint(ev, "total_bytes", j->total_bytes);
	snprintf(j->what, sizeof(j->what), "%s",
	    wire_take_text(ev, "what", ""));
	job_touch(j);
}

static void
on_written_ahead(struct supervise *s, struct wire_value *ev, bool is_intent)
{
	uint64_t seq = wire_need_uint(ev, "seq");
	struct err e;
	enum err_code rc = is_intent ? write_intent(s, seq, ev, &e)
				     : write_outcome(s, seq, ev, &e);

	acknowledge(s, seq, rc == ERR_NONE ? NULL : &e);
	job_touch(s->job);
}

static void
on_said(struct supervise *s, struct wire_value **evp)
{
	struct wire_value *ev = *evp;
	struct job *j = s->job;
	const char *type = wire_need_text(ev, "type");

	j->heard = now_mono();
	j->stalled = false;
	if (strcmp(type, "heartbeat") == 0 || strcmp(type, "hello") == 0)
		return;
	if (strcmp(type, "progress") == 0)
		on_progress(j, ev);
	else if (strcmp(type, "log") == 0)
		job_log(j, "%s: %s", wire_take_text(ev, "level", "info"),
		    wire_take_text(ev, "text", ""));
	else if (strcmp(type, "intent") == 0 || strcmp(type, "outcome") == 0)
		on_written_ahead(s, ev, *type == 'i');
	else if (strcmp(type, "ask") == 0)
		question_ask(j, ev);
	else if (strcmp(type, "result") == 0) {
		wire_free(&s->result);
		s->result = TAKE(*evp);
	} else if (j->kind->on_event == NULL || !j->kind->on_event(j, type, ev))
		job_log(j, "said something of type '%s'", type);
}

static void
on_event(void *ctx, const char *bytes, size_t len_bytes)
{
	struct supervise *s = ctx;
	const char *line;
	size_t len;
	struct err e;

	if (wire_lines_feed(&s->lines, bytes, len_bytes, &e) != ERR_NONE) {
		supervise_stop(s, "it does not speak the worker's protocol");
		return;
	}
	loop_turn_does(s->job->d->loop, s->job->kind->name);
	while ((line = wire_lines_next(&s->lines, &len)) != NULL) {
		OWNED(wire_free) struct wire_value *ev = NULL;

		if (wire_parse(&ev, line, len, &e) == ERR_NONE)
			on_said(s, &ev);
		else
			job_log(s->job, "said what is not understood: %s",
			    e.text);
	}
}

static void
on_error(void *ctx, const char *bytes, size_t len_bytes)
{
	struct supervise *s = ctx;
	OWNED(buf_fini) struct buf text = {0};
	struct err e;

	while (len_bytes > 0 && bytes[len_bytes - 1] == '\n')
		len_bytes--;
	if (text_escape(&text, bytes, len_bytes, &e) == ERR_NONE)
		job_log(s->job, "%.1000s", buf_text(&text));
}

/* --- how it ends -------------------------------------------------------------- */

static void
on_end(void *ctx, int exit_status, int number)
{
	struct supervise *s = ctx;
	struct job *j = s->job;
	OWNED(wire_free) struct wire_value *result = TAKE(s->result);
	char died[JOB_REASON_BYTES] = "";

	if (s->timed_out || (s->stop_why[0] != '\0' && result == NULL))
		memcpy(died, s->stop_why, sizeof(died));
	else if (result == NULL && number != 0)
		snprintf(died, sizeof(died),
		    "interrupted: the worker was ended by signal %d (%s)",
		    number, strsignal(number));
	else if (result == NULL)
		snprintf(died, sizeof(died),
		    "the worker ended with status %d and without a result",
		    exit_status);
	close_intents(s);
	supervise_free(&j->worker); /* s is gone */
	job_ended(j, result, died);
}

static void
look(void *ctx)
{
	struct supervise *s = ctx;
	struct job *j = s->job;
	struct mono now = now_mono();
	char text[TEXT_UNIT_BYTES];
	char why[JOB_REASON_BYTES];

	loop_timer_set(s->look, LOOK_NS);
	if (s->stopping.ns != 0) {
		if (now.ns - s->stopping.ns >= STOP_NS)
			supervise_kill(s);
		else
			loop_timer_set(s->look,
			    STOP_NS - (now.ns - s->stopping.ns));
		return;
	}
	if (!j->stalled && now.ns - j->heard.ns >= STALL_NS) {
		j->stalled = true;
		note_log(NOTE_WARNING, "job %s has said nothing for %s", j->id,
		    text_duration(STALL_NS, text));
		job_log(j, "warning: the worker has gone silent");
		job_touch(j);
	}
	if (s->timeout_ns == 0 || now.ns - s->started.ns < s->timeout_ns)
		return;
	s->timed_out = true;
	snprintf(why, sizeof(why), "it took longer than its timeout of %s",
	    text_duration(s->timeout_ns, text));
	supervise_stop(s, why);
}

void
supervise_stop(struct supervise *s, const char *why)
{
	if (s->stopping.ns != 0)
		return;
	snprintf(s->stop_why, sizeof(s->stop_why), "%s", why);
	s->stopping = now_mono();
	loop_child_signal(s->child, SIGTERM);
	loop_timer_set(s->look, STOP_NS);
}

void
supervise_kill(struct supervise *s)
{
	s->killed = true;
	loop_child_signal(s->child, SIGKILL);
}

pid_t
supervise_pid(const struct supervise *s)
{
	return loop_child_pid(s->child);
}

void
supervise_silence(pid_t pid, struct supervise_silence *out)
{
	char state = proc_state(pid);

	out->type[0] = '\0';
	if (state == 'T')
		snprintf(out->type, sizeof(out->type), "kill -CONT %d",
		    (int)pid);
	snprintf(out->why, sizeof(out->why),
	    "its process %d has said nothing for over a minute: %s", (int)pid,
	    state == 'T'       ? "it is stopped, and goes on when it is woken"
		: state == 'D' ? "it waits for a disk or a device"
			       : "the machine may be overloaded");
}

enum err_code
supervise_tell(struct supervise *s, struct wire_value *line, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc = wire_line(line, &b, e);

	return rc != ERR_NONE
	    ? rc
	    : loop_child_write(s->child, b.bytes, b.len_bytes, e);
}

void
supervise_free(struct supervise **sp)
{
	struct supervise *s = TAKE(*sp);

	if (s == NULL)
		return;
	while (s->intents != NULL)
		free_intent(&s->intents);
	wire_free(&s->result);
	wire_lines_fini(&s->lines);
	loop_timer_free(&s->look);
	loop_child_free(&s->child);
	free(s);
}

enum err_code
supervise_start(struct supervise **out, struct job *j, struct wire_value *spec,
    const struct supervise_limits *limits, struct err *e)
{
	OWNED(supervise_free) struct supervise *s = calloc(1, sizeof(*s));
	static const char *const argv[] = {"basculed", "--worker", NULL};
	struct loop_child_options opt = {"/proc/self/exe", argv, true, s,
	    on_event, on_error, on_end};
	enum err_code rc;

	*out = NULL;
	if (s == NULL)
		return err_nomem(e);
	s->job = j;
	s->timeout_ns = limits->timeout_ns;
	s->started = j->heard = now_mono();
	rc = loop_timer_new(&s->look, j->d->loop, look, s, e);
	if (rc == ERR_NONE)
		rc = loop_child_start(&s->child, j->d->loop, &opt, e);
	if (rc == ERR_NONE)
		rc = supervise_tell(s, spec, e);
	if (rc != ERR_NONE)
		return rc;
	loop_timer_set(s->look,
	    s->timeout_ns > 0 && s->timeout_ns < LOOK_NS ? s->timeout_ns
							 : LOOK_NS);
	*out = TAKE(s);
	return ERR_NONE;
}
