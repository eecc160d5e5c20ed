/* The way of a plan that is carried out to the daemon (struct planrun_link). */

#include "worker_planrun.h"

#include <string.h>

static enum err_code
event(struct wire_value **out, const char *type, const char *record,
    const struct planrun_field *fields, size_t count, struct err *e)
{
	enum err_code rc = wire_new(out, type, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(*out, "record", record);
	for (size_t i = 0; i < count; i++)
		wire_add_text(*out, fields[i].name, fields[i].value);
	return ERR_NONE;
}

static const char *
find(const struct planrun_field *fields, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(fields[i].name, name) == 0)
			return fields[i].value;
	return NULL;
}

/* For those who watch: the record itself is not seen by them. */
static void
show(struct worker_planrun *t, const struct planrun_field *fields, size_t count)
{
	static const char *const names[] = {"step", "kind", "state", "reason"};
	OWNED(wire_free) struct wire_value *v = NULL;
	bool is_step = find(fields, count, "step") != NULL;
	struct err e;

	if (find(fields, count, "state") == NULL ||
	    wire_new(&v, is_step ? "step" : "state", &e) != ERR_NONE)
		return;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		wire_add_text(v, names[i], find(fields, count, names[i]));
	if (worker_send(t->w, &v, &e) != ERR_NONE)
		worker_log(t->w, WORKER_WARNING, "%s", e.text);
}

static enum err_code
on_intent(void *ctx, const char *record, const struct planrun_field *fields,
    size_t count, uint64_t *seq, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct worker_planrun *t = ctx;
	enum err_code rc = event(&v, "intent", record, fields, count, e);

	if (rc == ERR_NONE)
		rc = worker_intent(t->w, &v, seq, e);
	if (rc == ERR_NONE && find(fields, count, "step") != NULL)
		show(t, fields, count);
	return rc;
}

static enum err_code
on_outcome(void *ctx, uint64_t seq, const struct planrun_field *fields,
    size_t count, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct worker_planrun *t = ctx;
	enum err_code rc = event(&v, "outcome", NULL, fields, count, e);

	if (rc == ERR_NONE)
		rc = worker_outcome(t->w, &v, seq, e);
	if (rc == ERR_NONE && find(fields, count, "step") != NULL)
		show(t, fields, count);
	return rc;
}

static enum err_code
on_note(void *ctx, const char *record, const struct planrun_field *fields,
    size_t count, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct worker_planrun *t = ctx;
	enum err_code rc = event(&v, "note", record, fields, count, e);

	if (rc == ERR_NONE)
		rc = worker_send(t->w, &v, e);
	if (rc == ERR_NONE)
		show(t, fields, count);
	return rc;
}

/* The words of a list in one text. */
static struct wire_value *
list_of(const char *words, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	OWNED(free_mem) char *copy = strdup(words);
	char *left = NULL;

	if (copy == NULL || wire_new_list(&list, e) != ERR_NONE)
		return NULL;
	for (char *word = strtok_r(copy, " ", &left); word != NULL;
	     word = strtok_r(NULL, " ", &left))
		wire_add_text(list, NULL, word);
	return TAKE(list);
}

static enum err_code
on_ask(void *ctx, const struct planrun_ask *q, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *verbs = list_of(q->verbs, e);
	struct worker_planrun *t = ctx;
	enum err_code rc = wire_new(&v, "ask", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "name", q->step);
	wire_add_text(v, "text", q->text);
	wire_add_text(v, "role", q->role);
	if (q->owner[0] != '\0')
		wire_add_text(v, "owner", q->owner);
	if (verbs != NULL)
		wire_add(v, "verbs", &verbs);
	wire_add_seconds(v, "timeout_seconds", q->timeout_ns);
	return worker_send(t->w, &v, e);
}

static void
put(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
}

static void
on_hear(void *ctx, struct planrun_word *word)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct worker_planrun *t = ctx;
	bool preempts;

	if (worker_is_cancelled(t->w)) {
		word->kind =
		    t->was_cancelled ? PLANRUN_SILENCE : PLANRUN_CANCEL;
		t->was_cancelled = true;
		return;
	}
	v = worker_next(t->w, 0);
	preempts = v != NULL && wire_take_bool(v, "preempt", false);
	if (preempts || (v != NULL && wire_take_bool(v, "abort", false))) {
		word->kind = preempts ? PLANRUN_PREEMPT : PLANRUN_ABORT;
		put(word->reason, sizeof(word->reason),
		    wire_take_text(v, "reason", ""));
		return;
	}
	if (v == NULL || !wire_has(v, "answer"))
		return;
	word->kind = PLANRUN_ANSWERED;
	put(word->step, sizeof(word->step), wire_take_text(v, "answer", ""));
	put(word->verb, sizeof(word->verb), wire_take_text(v, "verb", ""));
	put(word->reason, sizeof(word->reason),
	    wire_take_text(v, "reason", ""));
	put(word->by, sizeof(word->by), wire_take_text(v, "by", ""));
}

/* After a cancel its descriptor stays readable: not to be polled again. */
static int
on_fd(void *ctx)
{
	struct worker_planrun *t = ctx;

	return t->was_cancelled ? -1 : worker_wake_fd(t->w);
}

static void
on_log(void *ctx, const char *text)
{
	struct worker_planrun *t = ctx;

	worker_log(t->w, WORKER_INFO, "%s", text);
}

struct planrun_link
worker_planrun_link(struct worker_planrun *t)
{
	return (struct planrun_link){t, on_intent, on_outcome, on_note, on_ask,
	    on_hear, on_fd, on_log};
}
