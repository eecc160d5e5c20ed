#include "draft_parts.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/le.h>

#define NAME_SIZE (LEDGER_NAME_BYTES_MAX + 1)

struct draft {
	char chain[NAME_SIZE];
	char type[NAME_SIZE];
	char run[NAME_SIZE];
	char service[NAME_SIZE];
	char dataset[NAME_SIZE];
	char policy[NAME_SIZE];
	char plan[NAME_SIZE];
	char uid[24];
	char name[NAME_SIZE];
	char role[NAME_SIZE];
	char council[NAME_SIZE];
	char key[NAME_SIZE];
	struct buf fields; /* name and value, each behind its length */
	size_t fields_count;
	struct err fault;
};

/* Copy text, or note that it is too long. */
static void
keep(struct draft *d, char to[NAME_SIZE], const char *text, const char *what)
{
	size_t len = text == NULL ? 0 : strlen(text);

	if (len >= NAME_SIZE) {
		if (d->fault.code == ERR_NONE)
			err_set(&d->fault, ERR_INPUT,
			    "record's %s is longer than %d bytes", what,
			    LEDGER_NAME_BYTES_MAX);
		return;
	}
	memcpy(to, len == 0 ? "" : text, len + 1);
}

enum err_code
draft_new(struct draft **out, const char *chain, const char *type,
    struct err *e)
{
	struct draft *d = calloc(1, sizeof(*d));

	*out = NULL;
	if (d == NULL)
		return err_nomem(e);
	d->fields.max_bytes = LEDGER_RECORD_BYTES_MAX / 2;
	keep(d, d->chain, chain != NULL ? chain : LEDGER_CHAIN_SHARED, "chain");
	keep(d, d->type, type, "type");
	snprintf(d->uid, sizeof(d->uid), "%ld", (long)getuid());
	keep(d, d->name, "basculed", "actor");
	*out = d;
	return ERR_NONE;
}

void
draft_free(struct draft **dp)
{
	struct draft *d = TAKE(*dp);

	if (d == NULL)
		return;
	buf_fini(&d->fields);
	free(d);
}

void
draft_run(struct draft *d, const char *run)
{
	keep(d, d->run, run, "run");
}

void
draft_service(struct draft *d, const char *service)
{
	keep(d, d->service, service, "service");
}

void
draft_dataset(struct draft *d, const char *dataset)
{
	keep(d, d->dataset, dataset, "dataset");
}

void
draft_policy(struct draft *d, const char *digest)
{
	keep(d, d->policy, digest, "policy digest");
}

void
draft_plan(struct draft *d, const char *digest)
{
	keep(d, d->plan, digest, "plan digest");
}

void
draft_actor(struct draft *d, const struct draft_actor *actor)
{
	d->uid[0] = '\0';
	if (actor->uid >= 0)
		snprintf(d->uid, sizeof(d->uid), "%" PRId64, actor->uid);
	keep(d, d->name, actor->name, "actor's name");
	keep(d, d->role, actor->role, "actor's role");
	keep(d, d->council, actor->council, "actor's council");
	keep(d, d->key, actor->key_fingerprint, "actor's key");
}

static enum err_code
add(struct draft *d, const char *name, const void *value, size_t len_bytes,
    struct err *e)
{
	size_t name_bytes = strlen(name);
	enum err_code rc;

	if (name_bytes == 0 || name_bytes > LEDGER_NAME_BYTES_MAX ||
	    name[0] == '@')
		return err_set(e, ERR_INPUT, "'%.40s' cannot be a field's name",
		    name);
	if (len_bytes > LEDGER_VALUE_BYTES_MAX)
		return err_set(e, ERR_INPUT,
		    "field '%s' has more than %zu bytes", name,
		    LEDGER_VALUE_BYTES_MAX);
	if (d->fields_count == LEDGER_FIELDS_MAX - 16)
		return err_set(e, ERR_INPUT, "record of too many fields");
	rc = le_add_bytes(&d->fields, name, name_bytes, e);
	if (rc == ERR_NONE)
		rc = le_add_bytes(&d->fields, value, len_bytes, e);
	d->fields_count++;
	return rc;
}

void
draft_bytes(struct draft *d, const char *name, const void *value,
    size_t len_bytes)
{
	struct err e = {0};

	if (d->fault.code == ERR_NONE &&
	    add(d, name, value, len_bytes, &e) != ERR_NONE)
		d->fault = e;
}

void
draft_text(struct draft *d, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		draft_bytes(d, name, value, strlen(value));
}

void
draft_int(struct draft *d, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	draft_text(d, name, text);
}

void
draft_uint(struct draft *d, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	draft_text(d, name, text);
}

void
draft_utc(struct draft *d, const char *name, struct utc t)
{
	draft_int(d, name, t.ns);
}

const char *
draft_chain(const struct draft *d)
{
	return d->chain;
}

const char *
draft_type(const struct draft *d)
{
	return d->type;
}

struct reserved {
	const char *name;
	const char *value;
};
#define RESERVED_COUNT 14

static size_t
list_reserved(const struct draft *d, const struct draft_frame *f,
    struct reserved list[RESERVED_COUNT])
{
	const struct draft_tie *tie = f->tie;
	const struct reserved all[RESERVED_COUNT] = {
	    {"@run", tie != NULL && tie->run != NULL ? tie->run : d->run},
	    {"@service",
		tie != NULL && tie->service != NULL ? tie->service
						    : d->service},
	    {"@dataset", d->dataset},
	    {"@intent", tie != NULL ? tie->intent : ""},
	    {"@site", f->site},
	    {"@host", f->host},
	    {"@build", f->build_id},
	    {"@policy", d->policy},
	    {"@plan", d->plan},
	    {"@actor.uid", d->uid},
	    {"@actor.name", d->name},
	    {"@actor.role", d->role},
	    {"@actor.council", d->council},
	    {"@actor.key", d->key},
	};
	size_t count = 0;

	for (size_t i = 0; i < RESERVED_COUNT; i++)
		if (all[i].value != NULL && all[i].value[0] != '\0')
			list[count++] = all[i];
	return count;
}

static enum err_code
add_fields(const struct draft *d, struct buf *out, struct err *e)
{
	enum err_code rc = ERR_NONE;
	struct le_reader in;

	le_init(&in, d->fields.bytes, d->fields.len_bytes);
	while (rc == ERR_NONE && in.left_bytes > 0) {
		char name[NAME_SIZE] = "";
		size_t name_bytes, value_bytes;
		const uint8_t *at, *value;

		at = le_take_bytes(&in, LEDGER_NAME_BYTES_MAX, &name_bytes);
		value =
		    le_take_bytes(&in, LEDGER_VALUE_BYTES_MAX, &value_bytes);
		ASSERT(!in.bad);
		memcpy(name, at, name_bytes);
		rc = record_add_field(out, name, value, value_bytes, e);
	}
	return rc;
}

enum err_code
draft_encode(const struct draft *d, const struct draft_frame *f,
    struct buf *out, struct err *e)
{
	struct reserved list[RESERVED_COUNT];
	size_t count = list_reserved(d, f, list);
	char boot_id[NOW_BOOT_ID_BYTES];
	struct record_header h = {
	    .chain = f->tie != NULL && f->tie->chain != NULL ? f->tie->chain
							     : d->chain,
	    .sequence = f->sequence,
	    .previous = f->previous,
	    .type = d->type,
	    .type_version = 1,
	    .phase = f->phase,
	    .at = now_utc(),
	    .mono = now_mono(),
	    .clock_bound_ns = f->clock_bound_ns,
	    .boot_id = boot_id,
	};
	enum err_code rc;

	if (d->fault.code != ERR_NONE) {
		*e = d->fault;
		return e->code;
	}
	if (d->chain[0] == '\0' || d->type[0] == '\0')
		return err_set(e, ERR_INPUT, "record without chain or type");
	now_boot_id(boot_id);
	rc = record_begin(out, &h, (uint32_t)(count + d->fields_count), e);
	for (size_t i = 0; rc == ERR_NONE && i < count; i++)
		rc = record_add_field(out, list[i].name, list[i].value,
		    strlen(list[i].value), e);
	return rc != ERR_NONE ? rc : add_fields(d, out, e);
}
