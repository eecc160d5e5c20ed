/* What the policy says of alarms: whom to tell, and what there is. */

#include "alarm_parts.h"

#include <string.h>

#define JOURNAL_REPEAT_NS (3600 * NS_PER_S)

/* Its words; a second one of the same words gets a number. */
static void
name_route(const struct alarmbook_route *before, size_t count,
    struct alarmbook_route *r, const struct policy_texts *words)
{
	OWNED(buf_fini) struct buf text = {0};
	struct err e;
	unsigned same = 1;

	for (size_t i = 0; i < words->count; i++)
		if (buf_printf(&text, &e, "%s%s", i > 0 ? " " : "",
			words->items[i]) != ERR_NONE)
			break;
	snprintf(r->name, sizeof(r->name), "%.240s",
	    text.len_bytes > 0 ? buf_text(&text) : "");
	for (size_t i = 0; i < count; i++)
		same += strncmp(before[i].name, r->name, strlen(r->name)) == 0;
	if (same > 1)
		snprintf(r->name + strlen(r->name),
		    sizeof(r->name) - strlen(r->name), " (%u)", same);
}

void
alarmroutes_set(struct alarms *as)
{
	const struct policy *p = as->d->policy;
	struct alarmbook_route routes[ALARMBOOK_ROUTES_MAX] = {
	    [ALARM_JOURNAL] = {.name = "journal",
		.on = UINT32_MAX,
		.repeat_ns = JOURNAL_REPEAT_NS}};
	size_t count = 1;

	for (size_t i = 0; i < p->alert_count; i++) {
		struct alarmbook_route *r = &routes[count];
		const struct policy_alert *a = &p->alerts[i];

		if (count == ALARMBOOK_ROUTES_MAX) {
			note_log(NOTE_ERROR,
			    "only the first %zu of %zu alerts "
			    "are run",
			    count - 1, p->alert_count);
			break;
		}
		r->on = a->on;
		r->repeat_ns = a->repeat_ns;
		r->retries = a->retries;
		name_route(routes, count, r, &a->run);
		count++;
	}
	alarmbook_set_routes(&as->book, routes, count);
}

/* Is what it is about still in the policy? */
static bool
is_known(const struct policy *p, const struct alarmbook_alarm *a)
{
	if (a->service[0] != '\0' && policy_find_service(p, a->service) == NULL)
		return false;
	if (a->on == POLICY_ON_LINK)
		return policy_find_link(p, a->subject) != NULL;
	if (a->on == POLICY_ON_PEER)
		return policy_find_site(p, a->subject) != NULL;
	return true;
}

void
alarmroutes_end_unknown(struct alarms *as)
{
	for (size_t i = 0; i < as->book.count; i++) {
		struct alarmbook_alarm *a = as->book.items[i];

		if (a->standing && !is_known(as->d->policy, a))
			alarm_clear(as->d, a->on, a->service, a->subject,
			    "the policy no longer knows of it");
	}
}
