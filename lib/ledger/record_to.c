#include <bascule/ledger.h>

#include <string.h>

#include <bascule/wire.h>

static const char *const phases[] = {"event", "intent", "outcome"};

static void
add_text(struct wire_value *v, const char *name, struct record_text t)
{
	wire_add_bytes(v, name, t.at, t.len_bytes);
}

/* Nothing else that begins with "@" may pose as one of the message's own. */
static bool
is_reserved(const char *name)
{
	static const char *const names[] = {"@run", "@service", "@dataset",
	    "@intent", "@site", "@host", "@build", "@policy", "@plan",
	    "@actor.uid", "@actor.name", "@actor.role", "@actor.council",
	    "@actor.key"};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* "@actor.NAME" goes to *actor, "@NAME" to v, the rest to the list. */
static enum err_code
add_field(struct wire_value *v, struct wire_value *actor,
    struct wire_value *list, const struct record_field *f, struct err *e)
{
	static const char prefix[] = "@actor.";
	const size_t len = sizeof(prefix) - 1;
	OWNED(wire_free) struct wire_value *one = NULL;
	char name[LEDGER_NAME_BYTES_MAX + 1];
	enum err_code rc;

	memcpy(name, f->name.at, f->name.len_bytes);
	name[f->name.len_bytes] = '\0';
	if (is_reserved(name)) {
		if (strncmp(name, prefix, len) == 0)
			add_text(actor, name + len, f->value);
		else
			add_text(v, name + 1, f->value);
		return ERR_NONE;
	}
	rc = wire_new(&one, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_bytes(one, "name", name, f->name.len_bytes);
	wire_add_path(one, "value", f->value.at, f->value.len_bytes);
	wire_add(list, NULL, &one);
	return ERR_NONE;
}

static void
add_header(struct wire_value *v, const struct record *r)
{
	wire_add_utc(v, "ts", r->at);
	if (r->row != 0)
		wire_add_uint(v, "row", r->row);
	add_text(v, "chain", r->chain);
	wire_add_uint(v, "sequence", r->sequence);
	wire_add_hex(v, "hash", r->hash.bytes, ID_BYTES);
	wire_add_hex(v, "previous", r->previous.bytes, ID_BYTES);
	add_text(v, "record", r->type);
	wire_add_text(v, "phase", phases[r->phase]);
	wire_add_int(v, "mono_ns", r->mono.ns);
	if (r->clock_bound_ns >= 0)
		wire_add_int(v, "clock_bound_ns", r->clock_bound_ns);
	add_text(v, "boot_id", r->boot_id);
}

enum err_code
record_to_wire(const struct record *r, struct wire_value **out, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *actor = NULL;
	OWNED(wire_free) struct wire_value *list = NULL;
	struct record_cursor c = {0};
	struct record_field f;
	uint64_t closed_count = 0;
	enum err_code rc = wire_new(&v, "record", e);

	*out = NULL;
	if (rc == ERR_NONE)
		rc = wire_new(&actor, NULL, e);
	if (rc == ERR_NONE)
		rc = wire_new_list(&list, e);
	if (rc != ERR_NONE)
		return rc;
	add_header(v, r);
	while (rc == ERR_NONE && record_next(r, &c, &f)) {
		if (f.closed)
			closed_count++;
		else
			rc = add_field(v, actor, list, &f, e);
	}
	if (rc != ERR_NONE)
		return rc;
	wire_add(v, "actor", &actor);
	wire_add(v, "fields", &list);
	if (closed_count > 0)
		wire_add_uint(v, "redacted_fields", closed_count);
	*out = TAKE(v);
	return ERR_NONE;
}
