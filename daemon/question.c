/* What a worker asks of people, and what they answer. */

#include <stdlib.h>
#include <string.h>

#include "job_kinds.h"
#include "question.h"

static void
question_free(struct question **qp)
{
	struct question *q = TAKE(*qp);

	if (q == NULL)
		return;
	free(q->name);
	free(q->text);
	free(q);
}

void
question_free_all(struct job *j)
{
	while (j->questions != NULL) {
		struct question *q = j->questions;

		j->questions = q->next;
		question_free(&q);
	}
}

static void
take_verbs(struct question *q, struct wire_value *verbs)
{
	size_t count = verbs == NULL ? 0 : wire_count(verbs), used = 0;

	for (size_t i = 0; i < count && used < sizeof(q->verbs); i++) {
		const char *verb = wire_at_text(verbs, i);

		if (verb != NULL)
			used += (size_t)snprintf(q->verbs + used,
			    sizeof(q->verbs) - used, "%s%.12s",
			    used == 0 ? "" : " ", verb);
	}
}

void
question_ask(struct job *j, struct wire_value *ev)
{
	OWNED(question_free) struct question *q = calloc(1, sizeof(*q));
	struct utc now = now_utc();

	if (q == NULL)
		return;
	q->name = strdup(wire_need_text(ev, "name"));
	q->text = strdup(wire_take_text(ev, "text", ""));
	if (q->name == NULL || q->text == NULL)
		return;
	take_verbs(q, wire_take_list(ev, "verbs"));
	q->role = ROLE_OPERATOR;
	role_of_name(wire_take_text(ev, "role", "operator"), &q->role);
	q->asked = now;
	q->deadline.ns = now.ns + wire_take_seconds(ev, "timeout_seconds", 0);
	job_log(j, "asks %s: %s", q->name, q->text);
	q->next = j->questions;
	j->questions = TAKE(q);
	j->state = JOB_WAITING;
	job_touch(j);
}

static enum err_code
check_word(const struct question *q, const struct question_word *w,
    struct err *e)
{
	const char *verbs =
	    q->verbs[0] != '\0' ? q->verbs : "done retry skip abort";
	/* The long word for it. */
	const char *verb = strcmp(w->verb, "confirm") == 0 ? "done" : w->verb;

	if ((w->roles & (ROLE_BIT(q->role) | ROLE_BIT(ROLE_ADMIN))) == 0)
		return err_set(e, ERR_REFUSED,
		    "'%s' is for somebody with the role %s", q->name,
		    role_name(q->role));
	if (!job_kinds_has_word(verbs, verb))
		return err_set(e, ERR_INPUT,
		    "'%.60s' is no answer to '%s': it takes one of: %s",
		    w->verb, q->name, verbs);
	if (strcmp(verb, "skip") == 0 && w->reason[0] == '\0')
		return err_set(e, ERR_INPUT, "to skip a step needs a reason");
	return ERR_NONE;
}

static enum err_code
tell_word(struct job *j, const char *name, const struct question_word *w,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "verb", w->verb);
	wire_add_text(v, "reason", w->reason);
	wire_add_text(v, "by", w->by);
	wire_add_text(v, "answer", name);
	return job_tell(j, v, e);
}

enum err_code
question_answer(struct job *j, const char *name, const struct question_word *w,
    struct err *e)
{
	struct question **at = &j->questions, *q;
	enum err_code rc;

	while (*at != NULL && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	q = *at;
	if (q == NULL)
		return err_set(e, ERR_NOTFOUND, "nobody is asked about '%s'",
		    name);
	if ((rc = check_word(q, w, e)) != ERR_NONE ||
	    (rc = tell_word(j, name, w, e)) != ERR_NONE)
		return rc;
	*at = q->next;
	question_free(&q);
	if (j->questions == NULL && j->state == JOB_WAITING)
		j->state = JOB_RUNNING;
	job_touch(j);
	return ERR_NONE;
}
