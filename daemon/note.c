/* The ledger as the daemon's units use it, and the daemon's own log. */

#include "daemon.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

void
note_log(enum note_level level, const char *fmt, ...)
{
	static const int priorities[] = {7, 6, 4, 3}; /* as sd-daemon(3) */
	char text[2 * ERR_TEXT_BYTES], when[NOW_TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (getenv("JOURNAL_STREAM") != NULL)
		fprintf(stderr, "<%d>%s\n", priorities[level], text);
	else
		fprintf(stderr, "%s basculed: %s\n", now_text(now_utc(), when),
		    text);
}

enum err_code
note_draft(struct draft **out, struct daemon *d, const char *service,
    const char *type, struct err *e)
{
	const struct policy_service *s =
	    service == NULL ? NULL : policy_find_service(d->policy, service);
	enum err_code rc = draft_new(out,
	    s != NULL && *s->owner != '\0' ? s->owner : NULL, type, e);

	if (rc != ERR_NONE)
		return rc;
	draft_service(*out, service);
	draft_policy(*out, d->digest);
	if (s != NULL && d->services != NULL)
		draft_plan(*out, d->services[s - d->policy->services].plan);
	return ERR_NONE;
}

/* What came of a write: a ledger that fails stops everything new. */
static enum err_code
judge(struct daemon *d, enum err_code rc, const struct err *e)
{
	if (rc == ERR_NONE) {
		if (d->ledger_broken)
			note_log(NOTE_INFO, "the ledger can be written again");
		d->ledger_broken = false;
		api_ledger_grew(d);
	} else if (rc != ERR_NOTFOUND && rc != ERR_INPUT) {
		if (!d->ledger_broken)
			note_log(NOTE_ERROR,
			    "the ledger cannot be written, nothing new is "
			    "started: %s",
			    e->text);
		d->ledger_broken = d->ledger_was_broken = true;
	}
	return rc;
}

enum err_code
note_event(struct daemon *d, const struct draft *draft, struct err *e)
{
	return judge(d, ledger_append(d->ledger, draft, NULL, e), e);
}

enum err_code
note_intent(struct daemon *d, const struct draft *draft,
    char intent[LEDGER_INTENT_BYTES], struct err *e)
{
	return judge(d, ledger_intent(d->ledger, draft, intent, e), e);
}

enum err_code
note_outcome(struct daemon *d, const char *intent, const struct draft *draft,
    struct err *e)
{
	return judge(d, ledger_outcome(d->ledger, intent, draft, e), e);
}
