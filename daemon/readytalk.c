/* One measurement: a worker looks around, this listens. */

#include "ready_parts.h"

#include <string.h>

/* --- what it tells ------------------------------------------------------------ */

void
ready_facts_fini(struct ready_facts *f)
{
	free(f->hosts);
	free(f->names);
	free(f->keys);
	free(f->rooms);
	*f = (struct ready_facts){0};
}

/* One more, zeroed; NULL: too many, or no memory: it is left out. */
static void *
more(void *items, size_t *count, size_t size_bytes)
{
	void *grown, *list;

	memcpy(&list, items, sizeof(list));
	if (*count == READY_MANY)
		return NULL;
	grown = realloc(list, (*count + 1) * size_bytes);
	if (grown == NULL)
		return NULL;
	memcpy(items, &grown, sizeof(grown));
	list = (char *)grown + *count * size_bytes;
	memset(list, 0, size_bytes);
	++*count;
	return list;
}
#define MORE(list, count) more(&(list), &(count), sizeof(*(list)))

static void
copy(char *out, size_t out_bytes, struct wire_value *v, const char *name)
{
	snprintf(out, out_bytes, "%s", wire_take_text(v, name, ""));
	text_mend_end(out);
}
#define COPY(out, v, name) copy(out, sizeof(out), v, name)

static void
on_host(struct ready_facts *f, struct wire_value *v)
{
	struct ready_host *h = MORE(f->hosts, f->host_count);

	if (h == NULL)
		return;
	COPY(h->name, v, "host");
	COPY(h->text, v, "text");
	h->ok = wire_take_bool(v, "ok", false);
}

static void
on_name(struct ready_facts *f, struct wire_value *v)
{
	struct ready_name *n = MORE(f->names, f->name_count);

	if (n == NULL)
		return;
	COPY(n->service, v, "service");
	COPY(n->name, v, "name");
	COPY(n->error, v, "error");
	n->ttl_s = wire_take_int(v, "ttl_seconds", -1);
	if (n->ttl_s < -1 || n->ttl_s > UINT32_MAX)
		n->ttl_s = -1;
}

static void
on_key(struct ready_facts *f, struct wire_value *v)
{
	struct ready_key *k = MORE(f->keys, f->key_count);
	const char *state = wire_take_text(v, "state", "");

	if (k == NULL)
		return;
	COPY(k->service, v, "service");
	COPY(k->text, v, "text");
	k->state = strcmp(state, "opens") == 0 ? READY_KEY_OPENS
	    : strcmp(state, "fails") == 0      ? READY_KEY_FAILS
	    : strcmp(state, "unread") == 0     ? READY_KEY_UNREAD
					       : READY_KEY_NONE;
}

static void
on_room(struct ready_facts *f, struct wire_value *v)
{
	struct ready_room *r = MORE(f->rooms, f->room_count);

	if (r == NULL)
		return;
	COPY(r->service, v, "service");
	r->free_bytes = wire_take_uint(v, "free_bytes", 0);
	r->device = wire_take_uint(v, "device", 0);
}

static void
fail(struct readytalk *t, const char *why)
{
	if (t->failed[0] == '\0')
		snprintf(t->failed, sizeof(t->failed), "%.250s", why);
}

static void
on_line(void *ctx, struct wire_value *v)
{
	struct readytalk *t = ctx;
	const char *type = wire_take_text(v, "type", "");

	if (strcmp(type, "machine") == 0) {
		t->fresh.memory_bytes = wire_take_uint(v, "memory_bytes", 0);
		t->fresh.cpus = wire_take_uint(v, "cpus", 0);
	} else if (strcmp(type, "host") == 0)
		on_host(&t->fresh, v);
	else if (strcmp(type, "name") == 0)
		on_name(&t->fresh, v);
	else if (strcmp(type, "key") == 0)
		on_key(&t->fresh, v);
	else if (strcmp(type, "room") == 0)
		on_room(&t->fresh, v);
	else if (strcmp(type, "result") == 0) {
		if (strcmp(wire_take_text(v, "state", ""), "succeeded") == 0)
			t->fresh.at = now_utc();
		else
			fail(t, wire_take_text(v, "reason", "it failed"));
	}
}

static void
on_nonsense(void *ctx, const struct err *why)
{
	fail(ctx, why->text);
}

/* --- beginning and ending ---------------------------------------------------- */

void
readytalk_end(struct readytalk *t, const char *why)
{
	if (t->worker != NULL && *why != '\0')
		fail(t, why);
	errand_free(&t->worker);
}

static void
on_end(void *ctx, int exit_status, int number)
{
	struct readytalk *t = ctx;

	readytalk_end(t, exit_status != 0 || number != 0 ? "it died" : "");
	if (t->fresh.at.ns == 0)
		fail(t, "it ended without a word");
	t->done(t);
}

enum err_code
readytalk_start(struct readytalk *t, struct err *e)
{
	const struct errand_options opt = {.ctx = t,
	    .on_line = on_line,
	    .on_nonsense = on_nonsense,
	    .on_end = on_end};
	OWNED(wire_free) struct wire_value *spec = NULL;
	enum err_code rc;

	t->failed[0] = '\0';
	ready_facts_fini(&t->fresh);
	rc = daemon_spec(t->d, "ready", "ready", 1, &spec, e);
	return rc == ERR_NONE ? errand_start(&t->worker, t->d, spec, &opt, e)
			      : rc;
}
