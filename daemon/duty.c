/* Actions and exceptions: the fold and the rules.  Pure. */

#include "duty.h"

#include <stdio.h>
#include <string.h>

#include <bascule/base/defs.h>
#include <bascule/base/text.h>

#define EXCEPTION_MAX_NS (400 * INT64_C(86400) * NS_PER_S)

static const char *const status_names[] = {"open", "done", "verified", "ended"};

const char *
duty_status_name(enum duty_status s)
{
	return status_names[s];
}

bool
duty_status_find(const char *name, enum duty_status *out)
{
	for (size_t i = 0; i < COUNT_OF(status_names); i++)
		if (strcmp(status_names[i], name) == 0) {
			*out = (enum duty_status)i;
			return true;
		}
	return false;
}

static bool
has(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static enum err_code
may_begin(enum duty_kind kind, const struct duty_said *s, struct utc now,
    struct err *e)
{
	bool exception = kind == DUTY_EXCEPTION;

	if (!has(s->text))
		return err_set(e, ERR_INPUT, "%s",
		    exception ? "an exception says why the risk is taken"
			      : "an action says what is to be done");
	if (exception && !has(s->about))
		return err_set(e, ERR_INPUT,
		    "an exception says what it is from");
	if (!has(s->owner))
		return err_set(e, ERR_INPUT, "somebody must own it");
	if (s->due.ns == 0)
		return err_set(e, ERR_INPUT, "it needs a day: %s",
		    exception ? "when it expires" : "when it is due");
	if (s->due.ns <= now.ns)
		return err_set(e, ERR_INPUT, "its day has gone already");
	if (exception && s->due.ns - now.ns > EXCEPTION_MAX_NS)
		return err_set(e, ERR_INPUT,
		    "an exception lasts for 400 days at most");
	return ERR_NONE;
}

enum err_code
duty_may(const struct duty *d, enum duty_kind kind, const struct duty_said *s,
    struct utc now, struct err *e)
{
	enum duty_status to = DUTY_OPEN;

	if (d == NULL)
		return may_begin(kind, s, now, e);
	if (d->kind != kind)
		return err_set(e, ERR_NOTFOUND, "'%s' is no %s", d->id,
		    kind == DUTY_ACTION ? "action" : "exception");
	if (!has(s->status) || !duty_status_find(s->status, &to) ||
	    (to == DUTY_ENDED) != (kind == DUTY_EXCEPTION))
		return err_set(e, ERR_INPUT, "'%s' cannot become '%s'", d->id,
		    has(s->status) ? s->status : "");
	if (d->status >= to)
		return err_set(e, ERR_EXISTS, "'%s' is %s already", d->id,
		    duty_status_name(d->status));
	if (kind == DUTY_EXCEPTION && !has(s->evidence))
		return err_set(e, ERR_INPUT, "say why it ends");
	if (kind == DUTY_ACTION && !has(s->evidence) && d->evidence[0] == '\0')
		return err_set(e, ERR_INPUT,
		    "'%s' is done when something shows it: name the evidence",
		    d->id);
	if (to == DUTY_VERIFIED && !has(s->retest) && d->retest[0] == '\0')
		return err_set(e, ERR_INPUT,
		    "'%s' is verified by a run that tested it again: name it",
		    d->id);
	return ERR_NONE;
}

static void
keep(char *out, size_t out_bytes, const char *text)
{
	if (!has(text))
		return;
	snprintf(out, out_bytes, "%s", text);
	text_mend_end(out);
}
#define KEEP(member) keep(d->member, sizeof(d->member), s->member)

void
duty_take(struct duty *d, const struct duty_said *s)
{
	enum duty_status to;

	if (d->opened.ns == 0)
		d->opened = s->at;
	else if (s->at.ns < d->opened.ns)
		d->opened = s->at;
	/* The two sites' records come in any order: the newest word counts. */
	if (s->at.ns >= d->changed.ns) {
		KEEP(evidence);
		KEEP(retest);
		if (s->due.ns != 0)
			d->due = s->due;
		KEEP(owner);
	}
	if (d->id[0] == '\0')
		KEEP(by);
	KEEP(id);
	KEEP(service);
	KEEP(text);
	KEEP(about);
	KEEP(council);
	KEEP(done_when);
	KEEP(run);
	if (s->at.ns > d->changed.ns)
		d->changed = s->at;
	/* Nothing that is done is open again. */
	if (has(s->status) && duty_status_find(s->status, &to) &&
	    to > d->status)
		d->status = to;
}

bool
duty_is_overdue(const struct duty *d, struct utc now)
{
	return d->status == DUTY_OPEN && d->due.ns != 0 && now.ns > d->due.ns;
}
