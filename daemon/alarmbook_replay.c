#include "alarmbook_parts.h"

#include <string.h>

const char *
alarmbook_event_name(enum alarmbook_event event)
{
	static const char *const names[] = {"raised", "cleared", "acknowledged",
	    "told", "undelivered"};

	return names[event];
}

const char *
alarmbook_level_name(enum alarm_level level)
{
	static const char *const names[] = {"notice", "warning", "critical"};

	return names[level];
}

static void
replay_told(struct alarmbook *b, struct alarmbook_alarm *a,
    const struct alarmbook_entry *en, const struct alarmbook_now *now)
{
	int64_t ago = now->utc.ns - en->at.ns;
	struct mono at;

	/* A clock that was put back makes it now: rather too late than twice.
	 * Before this boot it is below zero. */
	at.ns = now->mono.ns - (ago > 0 ? ago : 0);
	if (at.ns == 0)
		at.ns = -1; /* 0: never */
	for (size_t r = 0; r < b->routes_count; r++) {
		struct alarmbook_told *t = &a->told[r];

		if (strcmp(b->routes[r].name, en->route) != 0)
			continue;
		if (en->event == ALARMBOOK_EVENT_TOLD)
			alarmbook_put_told(t, en->say, en->level, at);
		else {
			t->undelivered = true;
			t->failures = b->routes[r].retries;
			t->gave_up = alarmbook_is_over(a);
		}
	}
}

enum err_code
alarmbook_replay(struct alarmbook *b, const struct alarmbook_entry *en,
    const struct alarmbook_now *now, struct err *e)
{
	struct alarmbook_alarm *a = alarmbook_find(b, en->number);
	enum err_code rc;

	if (a == NULL && en->event != ALARMBOOK_EVENT_RAISED) {
		if (en->number > b->last_number)
			b->last_number = en->number;
		return ERR_NONE; /* it is over, and forgotten */
	}
	if (a == NULL &&
	    (rc = alarmbook_add(b, &en->what, en->number, &a, e)) != ERR_NONE)
		return rc;
	switch (en->event) {
	case ALARMBOOK_EVENT_RAISED:
		alarmbook_put_raised(a, &en->what, en->at);
		break;
	case ALARMBOOK_EVENT_CLEARED:
		a->standing = false;
		a->cleared = en->at;
		alarmbook_copy(a->text, sizeof(a->text), en->what.text);
		break;
	case ALARMBOOK_EVENT_ACKNOWLEDGED:
		alarmbook_acknowledge(b, a, en->by, en->reason, en->at);
		break;
	case ALARMBOOK_EVENT_TOLD:
	case ALARMBOOK_EVENT_UNDELIVERED: replay_told(b, a, en, now); break;
	}
	return ERR_NONE;
}
