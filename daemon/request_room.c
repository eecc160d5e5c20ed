/*
 * Many at once: who has room at the target.  Whoever has none is shed, and that
 * is for a person to say: until then the move is refused, and its approvers are
 * shown who it is.
 */

#include <stdlib.h>
#include <string.h>

#include "request.h"

void
request_room_fini(struct request_room *r)
{
	free(r->needs);
	r->needs = NULL;
}

bool
request_room_names(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = names; at != NULL && *at != '\0';) {
		size_t n = strcspn(at, " ");

		if (n == len && strncmp(at, name, len) == 0)
			return true;
		at += n + (at[n] == ' ');
	}
	return false;
}

static bool
comes(const struct request_room_ask *ask, const char *service)
{
	for (size_t i = 0; i < ask->count; i++)
		if (strcmp(ask->name(ask->of, i), service) == 0)
			return true;
	return false;
}

static void
add(struct request_room *r, const struct policy_service *s, bool moves,
    bool left_out)
{
	r->needs[r->count++] = (struct request_group_need){.service = s->name,
	    .tier = s->tier,
	    .memory_bytes = s->needs.memory_bytes,
	    .disk_bytes = s->needs.disk_bytes,
	    .cpu_count = s->needs.cpu_count,
	    .moves = moves,
	    .left_out = left_out,
	    .depends = &s->depends};
	if (left_out)
		return;
	r->memory_bytes += s->needs.memory_bytes;
	r->disk_bytes += s->needs.disk_bytes;
	r->cpu_count += s->needs.cpu_count;
}

enum err_code
request_room_make(struct request_room *out, const struct request_room_ask *ask,
    struct err *e)
{
	const struct policy *p = ask->d->policy;
	const struct policy_site *site = policy_find_site(p, ask->to);

	*out = (struct request_room){
	    .needs = calloc(p->service_count + 1, sizeof(*out->needs))};
	if (out->needs == NULL)
		return err_nomem(e);
	if (site != NULL)
		out->has =
		    (struct request_group_room){site->capacity.memory_bytes,
			site->capacity.disk_bytes, site->capacity.cpu_count};
	for (size_t i = 0; i < p->service_count; i++) {
		const struct policy_service *s = &p->services[i];
		bool is_there =
		    strcmp(ask->d->services[i].authority.site, ask->to) == 0;
		bool is_named = request_room_names(ask->shed, s->name);

		if (is_there || is_named || comes(ask, s->name))
			add(out, s, !is_there, is_named);
	}
	return request_group_fit(out->needs, out->count, &out->has,
	    &out->unnamed, e);
}

static const char *
name_of(const void *of, size_t i)
{
	return ((const struct request *)of)->services[i].name;
}

enum err_code
request_room_of(struct request_room *out, struct daemon *d,
    const struct request *r, struct err *e)
{
	return request_room_make(out,
	    &(struct request_room_ask){d, r->to, name_of, r, r->service_count,
		r->shed},
	    e);
}

#define SOME_BYTES 240 /* of names: there may be hundreds */

enum err_code
request_room_check(const struct request_room *r, const char *to, struct err *e)
{
	char all[SOME_BYTES] = "", type[SOME_BYTES] = "";
	bool fits = true;

	if (r->unnamed == 0)
		return ERR_NONE;
	for (size_t i = 0; i < r->count && fits; i++) {
		const struct request_group_need *n = &r->needs[i];
		size_t a = strlen(all), t = strlen(type);

		if (!n->shed)
			continue;
		fits = t + strlen(n->service) + 2 < sizeof(type);
		if (!fits)
			break;
		snprintf(type + t, sizeof(type) - t, "%s%s", t > 0 ? "," : "",
		    n->service);
		if (!n->left_out)
			snprintf(all + a, sizeof(all) - a, "%s%s",
			    a > 0 ? ", " : "", n->service);
	}
	err_set(e, ERR_REFUSED,
	    "G08: there is no room at '%s' for %zu of those that would run "
	    "there: %s%s",
	    to, r->unnamed, all, fits ? "" : ", ...");
	return fits ? err_hint(e,
			  "move fewer (--tier), or make room first, or say who "
			  "is shed: --shed %s (who would come stays, who runs "
			  "there you stop)",
			  type)
		    : err_hint(e,
			  "move fewer (--tier), or make room first, or say who "
			  "is shed: --shed NAME,...; 'bascule failover plan' "
			  "names them");
}
