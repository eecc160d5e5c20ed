/* An alarm as the API, the policy's programs and people see it. */

#include "alarm_parts.h"

#include <inttypes.h>

const char *
alarmwire_id(uint64_t number, char out[ALARM_ID_BYTES])
{
	snprintf(out, ALARM_ID_BYTES, "A%" PRIu64, number);
	return out;
}

bool
alarmwire_parse_id(const char *text, uint64_t *number)
{
	return text_parse_u64(text + (*text == 'A' || *text == 'a'), UINT64_MAX,
	    number);
}

static void
add_acknowledgement(struct wire_value *v, const struct alarmbook_alarm *a)
{
	wire_add_bool(v, "acknowledged", a->acknowledged);
	if (!a->acknowledged)
		return;
	wire_add_text(v, "by", a->by);
	wire_add_utc(v, "acknowledged_at", a->acknowledged_at);
	if (a->reason[0] != '\0')
		wire_add_text(v, "reason", a->reason);
}

/* The programs that could not be made to hear of it. */
static enum err_code
add_undelivered(struct wire_value *v, const struct alarmbook *b,
    const struct alarmbook_alarm *a, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t r = 0; r < b->routes_count; r++)
		if (a->told[r].undelivered)
			wire_add_text(list, NULL, b->routes[r].name);
	if (wire_count(list) > 0)
		wire_add(v, "undelivered", &list);
	return ERR_NONE;
}

enum err_code
alarmwire_make(struct wire_value **out, const struct alarmbook *b,
    const struct alarmbook_alarm *a, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char id[ALARM_ID_BYTES];
	enum err_code rc = wire_new(&v, "alarm", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "alarm", alarmwire_id(a->number, id));
	wire_add_text(v, "on", policy_schema_alert(a->on));
	wire_add_text(v, "level", alarmbook_level_name(a->level));
	if (a->service[0] != '\0')
		wire_add_text(v, "service", a->service);
	if (a->subject[0] != '\0')
		wire_add_text(v, "subject", a->subject);
	wire_add_bool(v, "raised", a->standing);
	wire_add_text(v, "text", a->text);
	wire_add_utc(v, "since", a->raised);
	if (a->cleared.ns != 0)
		wire_add_utc(v, "ended", a->cleared);
	wire_add_uint(v, "times", a->times);
	add_acknowledgement(v, a);
	rc = add_undelivered(v, b, a, e);
	if (rc == ERR_NONE)
		*out = TAKE(v);
	return rc;
}
