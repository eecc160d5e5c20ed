/* A dr-lead's overrides of guards, as a command has them. */

#include "api_move.h"

#include <stdlib.h>
#include <string.h>

void
overrides_fini(struct overrides *o)
{
	for (size_t i = 0; i < o->count; i++)
		free(o->reasons[i]);
	o->count = 0;
}

static enum err_code
take_one(const char *text, struct overrides *o, struct err *e)
{
	char id[4];
	unsigned number;

	snprintf(id, sizeof(id), "%.3s", text);
	number = guards_find(id);
	if (number == 0 || strlen(text) < 5 || text[3] != '=')
		return err_set(e, ERR_INPUT,
		    "'%.60s' overrides no guard: write G05=\"why\", with a "
		    "guard of G01 to G18",
		    text);
	o->numbers[o->count] = number;
	o->reasons[o->count] = strdup(text + 4);
	if (o->reasons[o->count] == NULL)
		return err_nomem(e);
	o->count++;
	return ERR_NONE;
}

enum err_code
overrides_take(struct wire_value *request, struct overrides *o, struct err *e)
{
	struct wire_value *list = wire_take_list(request, "overrides");
	size_t count = list == NULL ? 0 : wire_count(list);
	enum err_code rc = ERR_NONE;

	o->count = 0;
	if (count > OVERRIDES_MAX)
		return err_set(e, ERR_INPUT, "there are not so many guards");
	for (size_t i = 0; rc == ERR_NONE && i < count; i++)
		rc = take_one(wire_at_text(list, i), o, e);
	return rc;
}

enum err_code
overrides_may(const struct client *c, const struct overrides *o, struct err *e)
{
	return o->count > 0 && (c->caller.roles & CLIENT_LEADS) == 0
	    ? err_set(e, ERR_REFUSED, "%s is no dr-lead, and overrides nothing",
		  c->caller.name)
	    : ERR_NONE;
}

enum err_code
overrides_apply(const struct overrides *o,
    struct guards_result results[GUARDS_COUNT], struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < o->count; i++)
		rc = guards_override(results, o->numbers[i], o->reasons[i], e);
	return rc;
}

enum err_code
overrides_note(struct client *c, const struct move *m,
    const struct overrides *o, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < o->count; i++) {
		OWNED(draft_free) struct draft *draft = NULL;

		rc = moverecord_draft(&draft, client_daemon(c), m, NULL,
		    "override", e);
		if (rc != ERR_NONE)
			break;
		draft_actor(draft, &client_caller(c)->actor);
		draft_text(draft, "guard", guards_id(o->numbers[i]));
		draft_text(draft, "reason", o->reasons[i]);
		rc = note_event(client_daemon(c), draft, e);
	}
	return rc;
}

const char *
overrides_ids(const struct overrides *o, char out[OVERRIDES_IDS_BYTES])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < o->count; i++)
		len += (size_t)snprintf(out + len, OVERRIDES_IDS_BYTES - len,
		    "%s%s", i > 0 ? " " : "", guards_id(o->numbers[i]));
	return out;
}
