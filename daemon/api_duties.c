/* Actions and exceptions through the API. */

#include <string.h>

#include <bascule/base/exitcode.h>

#include "client.h"
#include "duty.h"

static enum err_code
duty_to_wire(const struct duty *x, struct wire_value **out, struct err *e)
{
	bool action = x->kind == DUTY_ACTION;
	bool late = duty_is_overdue(x, now_utc());
	const struct {
		const char *name, *value;
	} texts[] = {{"service", x->service}, {"about", x->about},
	    {"owner", x->owner}, {"council", x->council}, {"by", x->by},
	    {"done_when", x->done_when}, {"evidence", x->evidence},
	    {"retest", x->retest}, {"run", x->run}};
	enum err_code rc = wire_new(out, action ? "action" : "exception", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(*out, "id", x->id);
	wire_add_text(*out, "status",
	    late && !action ? "expired" : duty_status_name(x->status));
	wire_add_text(*out, "text", x->text);
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (texts[i].value[0] != '\0')
			wire_add_text(*out, texts[i].name, texts[i].value);
	wire_add_utc(*out, "opened", x->opened);
	if (x->due.ns != 0)
		wire_add_utc(*out, action ? "due" : "expires", x->due);
	wire_add_bool(*out, "overdue", late);
	return ERR_NONE;
}

static bool
is_over(const struct duty *x)
{
	return x->status == DUTY_VERIFIED || x->status == DUTY_ENDED;
}

static enum err_code
tell_all(struct client *c, struct wire_value *request, enum duty_kind kind,
    struct err *e)
{
	const char *service = wire_take_text(request, "service", NULL);
	bool all = wire_take_bool(request, "all", false);
	OWNED(wire_free) struct wire_value *last = NULL;
	uint64_t told = 0, overdue = 0;
	const struct duty *items;
	size_t count;
	enum err_code rc = client_asked(request, e);

	if (rc != ERR_NONE)
		return rc;
	items = duties_look(client_daemon(c), &count);
	for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
		OWNED(wire_free) struct wire_value *v = NULL;
		const struct duty *x = &items[i];

		if (x->kind != kind || (!all && is_over(x)) ||
		    (service != NULL && strcmp(service, x->service) != 0))
			continue;
		rc = duty_to_wire(x, &v, e);
		if (rc != ERR_NONE)
			break;
		told++;
		overdue += duty_is_overdue(x, now_utc());
		client_reply(c, &v);
	}
	if (rc == ERR_NONE)
		rc = client_summary(&last, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_uint(last, "count", told);
	wire_add_uint(last, "overdue", overdue);
	client_last(c, &last);
	return ERR_NONE;
}

static enum err_code
run_actions(struct client *c, struct wire_value *request, struct err *e)
{
	return tell_all(c, request, DUTY_ACTION, e);
}
const struct api_command api_actions = {"actions", CLIENT_READERS, run_actions};

static enum err_code
run_exceptions(struct client *c, struct wire_value *request, struct err *e)
{
	return tell_all(c, request, DUTY_EXCEPTION, e);
}
const struct api_command api_exceptions = {"exceptions", CLIENT_READERS,
    run_exceptions};

/* --- saying ------------------------------------------------------------------ */

static enum err_code
say(struct client *c, enum duty_kind kind, const struct duty_said *s,
    struct err *e)
{
	struct daemon *d = client_daemon(c);
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *last = NULL;
	char id[DUTY_ID_BYTES];
	const struct duty *x;
	enum err_code rc =
	    duties_say(d, kind, s, &client_caller(c)->actor, id, e);

	if (rc != ERR_NONE)
		return rc;
	x = duties_find(d, id);
	if (x != NULL && duty_to_wire(x, &v, e) == ERR_NONE)
		client_reply(c, &v);
	rc = client_summary(&last, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(last, "id", id);
	client_last(c, &last);
	return ERR_NONE;
}

static enum err_code
begin(struct client *c, struct wire_value *request, enum duty_kind kind,
    struct err *e)
{
	const struct daemon *d = client_daemon(c);
	struct duty_said s = {.text = wire_need_text(request, "text"),
	    .owner = wire_need_text(request, "owner"),
	    .council = wire_take_text(request, "council", ""),
	    .service = wire_take_text(request, "service", ""),
	    .done_when = wire_take_text(request, "done_when", ""),
	    .run = wire_take_text(request, "run", ""),
	    .about = wire_take_text(request, "about", ""),
	    .due = wire_take_utc(request, "due", (struct utc){0})};
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE && s.service[0] != '\0' &&
	    policy_find_service(d->policy, s.service) == NULL)
		rc = err_set(e, ERR_NOTFOUND, "there is no service '%s'",
		    s.service);
	if (rc == ERR_NONE && s.council[0] != '\0' &&
	    policy_find_council(d->policy, s.council) == NULL)
		rc = err_set(e, ERR_NOTFOUND, "there is no council '%s'",
		    s.council);
	return rc == ERR_NONE ? say(c, kind, &s, e) : rc;
}

static enum err_code
run_actions_add(struct client *c, struct wire_value *request, struct err *e)
{
	return begin(c, request, DUTY_ACTION, e);
}
const struct api_command api_actions_add = {"actions add", CLIENT_OPERATORS,
    run_actions_add};

static enum err_code
run_exceptions_grant(struct client *c, struct wire_value *request,
    struct err *e)
{
	return begin(c, request, DUTY_EXCEPTION, e);
}
const struct api_command api_exceptions_grant = {"exceptions grant",
    CLIENT_LEADS, run_exceptions_grant};

/* done, or with the run that tested it again, verified. */
static enum err_code
run_actions_close(struct client *c, struct wire_value *request, struct err *e)
{
	struct duty_said s = {.id = wire_need_text(request, "id"),
	    .evidence = wire_take_text(request, "evidence", ""),
	    .retest = wire_take_text(request, "retest", "")};
	enum err_code rc = client_asked(request, e);

	s.status = s.retest[0] != '\0' ? "verified" : "done";
	return rc == ERR_NONE ? say(c, DUTY_ACTION, &s, e) : rc;
}
const struct api_command api_actions_close = {"actions close", CLIENT_OPERATORS,
    run_actions_close};

static enum err_code
run_exceptions_end(struct client *c, struct wire_value *request, struct err *e)
{
	struct duty_said s = {.id = wire_need_text(request, "id"),
	    .evidence = wire_need_text(request, "reason"),
	    .status = "ended"};
	enum err_code rc = client_asked(request, e);

	return rc == ERR_NONE ? say(c, DUTY_EXCEPTION, &s, e) : rc;
}
const struct api_command api_exceptions_end = {"exceptions end",
    CLIENT_OPERATORS, run_exceptions_end};
