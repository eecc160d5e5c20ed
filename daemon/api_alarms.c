/* Alarms through the API. */

#include <string.h>

#include <bascule/base/exitcode.h>

#include "alarm_parts.h"
#include "client.h"

static enum err_code
tell_book(struct client *c, struct alarmbook *b, const char *service,
    uint64_t *count, struct err *e)
{
	enum err_code rc = ERR_NONE;

	alarmbook_sort(b);
	for (size_t i = 0; rc == ERR_NONE && i < b->count; i++) {
		const struct alarmbook_alarm *a = b->items[i];
		OWNED(wire_free) struct wire_value *v = NULL;

		if (service != NULL && a->service[0] != '\0' &&
		    strcmp(a->service, service) != 0)
			continue;
		if (!b->keeps_gone && !a->standing && a->acknowledged)
			continue; /* its end is being told */
		rc = alarmwire_make(&v, b, a, e);
		if (rc != ERR_NONE)
			break;
		client_reply(c, &v);
		++*count;
	}
	return rc;
}

enum err_code
api_alarms_tell(struct client *c, const char *service, uint64_t *count,
    struct err *e)
{
	*count = 0;
	return tell_book(c, &client_daemon(c)->alarms->book, service, count, e);
}

/* All there ever were, from the records. */
static enum err_code
tell_all(struct client *c, const char *service, uint64_t *count, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(alarmbook_fini) struct alarmbook b = {.keeps_gone = true};
	enum err_code rc;

	alarmbook_set_routes(&b, d->alarms->book.routes,
	    d->alarms->book.routes_count);
	rc = alarmnote_replay(d, &b, e);
	return rc != ERR_NONE ? rc : tell_book(c, &b, service, count, e);
}

static enum err_code
run_alarms(struct client *c, struct wire_value *request, struct err *e)
{
	bool all = wire_take_bool(request, "all", false);
	const char *service = wire_take_text(request, "service", NULL);
	uint64_t count = 0;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = all ? tell_all(c, service, &count, e)
			 : api_alarms_tell(c, service, &count, e);
	return rc != ERR_NONE ? rc : client_count(c, count, e);
}
const struct api_command api_alarms = {"alarms", CLIENT_READERS_PEER,
    run_alarms};

static enum err_code
run_alarms_ack(struct client *c, struct wire_value *request, struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(wire_free) struct wire_value *v = NULL;
	const char *id = wire_need_text(request, "alarm");
	const char *reason = wire_take_text(request, "reason", "");
	uint64_t number;
	enum err_code rc = client_asked(request, e);

	if (rc != ERR_NONE)
		return rc;
	if (!alarmwire_parse_id(id, &number)) {
		err_set(e, ERR_INPUT, "'%.40s' is no alarm's id", id);
		return err_hint(e, "'bascule alarms' lists them: A1, A2, ...");
	}
	rc = alarm_acknowledge(d, number, reason, &client_caller(c)->actor, e);
	if (rc == ERR_NONE)
		rc = alarmwire_make(&v, &d->alarms->book,
		    alarmbook_find(&d->alarms->book, number), e);
	if (rc != ERR_NONE)
		return rc;
	client_reply(c, &v);
	return client_count(c, 1, e);
}
const struct api_command api_alarms_ack = {"alarms ack", CLIENT_OPERATORS,
    run_alarms_ack};
