#include "record_parts.h"

#include <string.h>

#include <bascule/base/le.h>
#include <bascule/base/rand.h>

#define LEAF_TAG   "bascule ledger leaf v1"
#define RECORD_TAG "bascule ledger record v1"

_Static_assert(ID_BYTES == HASH_BYTES, "docs/format/ledger.md: hash");

static void
add_prefixed(struct hash *h, const void *bytes, size_t len_bytes)
{
	uint8_t len[4];

	le_put32(len, (uint32_t)len_bytes);
	hash_add(h, len, sizeof(len));
	hash_add(h, bytes, len_bytes);
}

/* One field as it lies in the record. */
struct raw_field {
	uint8_t form;
	const uint8_t *salt;
	struct record_text name;
	struct record_text value;
	const uint8_t *leaf;
};

static struct record_text
take_text(struct le_reader *r, size_t min_bytes, size_t max_bytes)
{
	struct record_text t;

	t.at = (const char *)le_take_bytes(r, max_bytes, &t.len_bytes);
	if (t.len_bytes < min_bytes)
		r->bad = true;
	return t;
}

static void
take_field(struct le_reader *r, struct raw_field *f)
{
	memset(f, 0, sizeof(*f));
	f->form = le_take8(r);
	if (f->form == RECORD_CLOSED) {
		f->leaf = le_take(r, ID_BYTES);
		return;
	}
	if (f->form != RECORD_OPEN)
		r->bad = true;
	f->salt = le_take(r, RECORD_SALT_BYTES);
	f->name = take_text(r, 1, LEDGER_NAME_BYTES_MAX);
	f->value = take_text(r, 0, LEDGER_VALUE_BYTES_MAX);
}

/* h is fresh before and after. */
static void
leaf_of(struct hash *h, const struct raw_field *f, struct id *leaf)
{
	if (f->form == RECORD_CLOSED) {
		memcpy(leaf->bytes, f->leaf, ID_BYTES);
		return;
	}
	add_prefixed(h, LEAF_TAG, strlen(LEAF_TAG));
	add_prefixed(h, f->salt, RECORD_SALT_BYTES);
	add_prefixed(h, f->name.at, f->name.len_bytes);
	add_prefixed(h, f->value.at, f->value.len_bytes);
	hash_end(h, leaf);
}

static bool
take_header(struct record *r, const uint8_t *header, size_t len_bytes)
{
	struct le_reader in;
	const uint8_t *previous;
	uint8_t phase;

	le_init(&in, header, len_bytes);
	r->chain = take_text(&in, 1, LEDGER_NAME_BYTES_MAX);
	r->sequence = le_take64(&in);
	previous = le_take(&in, ID_BYTES);
	if (previous != NULL)
		memcpy(r->previous.bytes, previous, ID_BYTES);
	r->type = take_text(&in, 1, LEDGER_NAME_BYTES_MAX);
	r->type_version = le_take16(&in);
	phase = le_take8(&in);
	r->phase = (enum record_phase)phase;
	r->at.ns = (int64_t)le_take64(&in);
	r->mono.ns = (int64_t)le_take64(&in);
	r->clock_bound_ns = (int64_t)le_take64(&in);
	r->boot_id = take_text(&in, 0, LEDGER_NAME_BYTES_MAX);
	return le_done(&in) && r->sequence > 0 && r->sequence <= INT64_MAX &&
	    phase <= RECORD_OUTCOME;
}

static enum err_code
hash_all(struct record *r, const uint8_t *header, size_t header_bytes,
    struct le_reader *in, struct err *e)
{
	OWNED(hash_free) struct hash *whole = NULL;
	OWNED(hash_free) struct hash *one = NULL;
	enum err_code rc = hash_begin(&whole, e);
	uint8_t count[4];

	if (rc == ERR_NONE)
		rc = hash_begin(&one, e);
	if (rc != ERR_NONE)
		return rc;
	add_prefixed(whole, RECORD_TAG, strlen(RECORD_TAG));
	add_prefixed(whole, header, header_bytes);
	le_put32(count, (uint32_t)r->fields_count);
	hash_add(whole, count, sizeof(count));
	for (size_t i = 0; i < r->fields_count; i++) {
		struct raw_field f;
		struct id leaf;

		take_field(in, &f);
		if (in->bad)
			return ERR_NONE; /* the caller looks */
		leaf_of(one, &f, &leaf);
		add_prefixed(whole, leaf.bytes, ID_BYTES);
	}
	hash_end(whole, &r->hash);
	return ERR_NONE;
}

enum err_code
record_decode(struct record *r, const void *bytes, size_t len_bytes,
    struct err *e)
{
	const uint8_t *magic, *header;
	struct le_reader in;
	size_t header_bytes;
	enum err_code rc;

	memset(r, 0, sizeof(*r));
	if (len_bytes > LEDGER_RECORD_BYTES_MAX)
		return err_set(e, ERR_CORRUPT,
		    "record of %zu bytes, at most %zu are allowed", len_bytes,
		    LEDGER_RECORD_BYTES_MAX);
	le_init(&in, bytes, len_bytes);
	magic = le_take(&in, 4);
	if (magic == NULL || memcmp(magic, RECORD_MAGIC, 4) != 0 ||
	    le_take8(&in) != RECORD_VERSION)
		return err_set(e, ERR_CORRUPT, "not a record");
	header = le_take_bytes(&in, RECORD_HEADER_BYTES_MAX, &header_bytes);
	r->fields_count = le_take32(&in);
	if (in.bad || r->fields_count > LEDGER_FIELDS_MAX ||
	    !take_header(r, header, header_bytes))
		return err_set(e, ERR_CORRUPT, "malformed record header");
	r->fields = in.at;
	r->fields_bytes = in.left_bytes;
	rc = hash_all(r, header, header_bytes, &in, e);
	if (rc != ERR_NONE)
		return rc;
	if (!le_done(&in))
		return err_set(e, ERR_CORRUPT, "malformed record fields");
	r->bytes = bytes;
	r->len_bytes = len_bytes;
	return ERR_NONE;
}

bool
record_next(const struct record *r, struct record_cursor *c,
    struct record_field *field)
{
	struct raw_field raw;
	struct le_reader in;

	memset(field, 0, sizeof(*field));
	if (c->done_count >= r->fields_count)
		return false;
	le_init(&in, r->fields + c->offset_bytes,
	    r->fields_bytes - c->offset_bytes);
	take_field(&in, &raw);
	ASSERT(!in.bad); /* record_decode saw it all */
	c->offset_bytes = r->fields_bytes - in.left_bytes;
	c->done_count++;
	field->closed = raw.form == RECORD_CLOSED;
	field->name = raw.name;
	field->value = raw.value;
	return true;
}

bool
record_text_is(struct record_text t, const char *text)
{
	return t.len_bytes == strlen(text) &&
	    (t.len_bytes == 0 || memcmp(t.at, text, t.len_bytes) == 0);
}

bool
record_find(const struct record *r, const char *name, struct record_text *value)
{
	struct record_cursor c = {0};
	struct record_field f;

	while (record_next(r, &c, &f)) {
		if (!f.closed && record_text_is(f.name, name)) {
			*value = f.value;
			return true;
		}
	}
	return false;
}

const char *
record_text(const struct record *r, const char *name, char *out,
    size_t out_bytes)
{
	struct record_text value = {0};
	size_t len = 0;

	if (record_find(r, name, &value))
		len = value.len_bytes < out_bytes - 1 ? value.len_bytes
						      : out_bytes - 1;
	if (len > 0)
		memcpy(out, value.at, len);
	out[len] = '\0';
	return out;
}

int64_t
record_int(const struct record *r, const char *name, int64_t fallback)
{
	char text[24];
	const char *digits;
	uint64_t value;

	record_text(r, name, text, sizeof(text));
	digits = text[0] == '-' ? text + 1 : text;
	if (!text_parse_u64(digits, INT64_MAX, &value))
		return fallback;
	return text[0] == '-' ? -(int64_t)value : (int64_t)value;
}

static enum err_code
add_text(struct buf *out, const char *text, struct err *e)
{
	return le_add_bytes(out, text, strlen(text), e);
}

static enum err_code
add_header(struct buf *out, const struct record_header *h, struct err *e)
{
	enum err_code rc = add_text(out, h->chain, e);

	if (rc == ERR_NONE)
		rc = le_add64(out, h->sequence, e);
	if (rc == ERR_NONE)
		rc = buf_add(out, h->previous.bytes, ID_BYTES, e);
	if (rc == ERR_NONE)
		rc = add_text(out, h->type, e);
	if (rc == ERR_NONE)
		rc = le_add16(out, h->type_version, e);
	if (rc == ERR_NONE)
		rc = le_add8(out, (uint8_t)h->phase, e);
	if (rc == ERR_NONE)
		rc = le_add64(out, (uint64_t)h->at.ns, e);
	if (rc == ERR_NONE)
		rc = le_add64(out, (uint64_t)h->mono.ns, e);
	if (rc == ERR_NONE)
		rc = le_add64(out, (uint64_t)h->clock_bound_ns, e);
	if (rc == ERR_NONE)
		rc = add_text(out, h->boot_id, e);
	return rc;
}

static enum err_code
add_front(struct buf *out, const void *header, size_t header_bytes,
    uint32_t fields_count, struct err *e)
{
	enum err_code rc = buf_add(out, RECORD_MAGIC, 4, e);

	if (rc == ERR_NONE)
		rc = le_add8(out, RECORD_VERSION, e);
	if (rc == ERR_NONE)
		rc = le_add_bytes(out, header, header_bytes, e);
	if (rc == ERR_NONE)
		rc = le_add32(out, fields_count, e);
	return rc;
}

enum err_code
record_begin(struct buf *out, const struct record_header *h,
    uint32_t fields_count, struct err *e)
{
	OWNED(buf_fini) struct buf header = {0};
	enum err_code rc = add_header(&header, h, e);

	if (rc != ERR_NONE)
		return rc;
	return add_front(out, header.bytes, header.len_bytes, fields_count, e);
}

static enum err_code
add_open(struct buf *out, const uint8_t *salt, struct record_text name,
    struct record_text value, struct err *e)
{
	enum err_code rc = le_add8(out, RECORD_OPEN, e);

	if (rc == ERR_NONE)
		rc = buf_add(out, salt, RECORD_SALT_BYTES, e);
	if (rc == ERR_NONE)
		rc = le_add_bytes(out, name.at, name.len_bytes, e);
	if (rc == ERR_NONE)
		rc = le_add_bytes(out, value.at, value.len_bytes, e);
	return rc;
}

enum err_code
record_add_field(struct buf *out, const char *name, const void *value,
    size_t len_bytes, struct err *e)
{
	uint8_t salt[RECORD_SALT_BYTES];

	rand_bytes(salt, sizeof(salt));
	return add_open(out, salt, (struct record_text){name, strlen(name)},
	    (struct record_text){value, len_bytes}, e);
}

static enum err_code
copy_field(struct buf *out, struct hash *h, const struct raw_field *f,
    bool keep, struct err *e)
{
	enum err_code rc;
	struct id leaf;

	if (f->form == RECORD_OPEN && keep)
		return add_open(out, f->salt, f->name, f->value, e);
	leaf_of(h, f, &leaf);
	rc = le_add8(out, RECORD_CLOSED, e);
	return rc != ERR_NONE ? rc : buf_add(out, leaf.bytes, ID_BYTES, e);
}

enum err_code
record_redact(const struct record *r,
    bool (*keep)(void *ctx, const struct record_field *field), void *ctx,
    struct buf *out, struct err *e)
{
	OWNED(hash_free) struct hash *h = NULL;
	enum err_code rc = hash_begin(&h, e);
	struct le_reader in;

	if (rc == ERR_NONE) /* magic, header, count: as they are */
		rc = buf_add(out, r->bytes, (size_t)(r->fields - r->bytes), e);
	le_init(&in, r->fields, r->fields_bytes);
	for (size_t i = 0; rc == ERR_NONE && i < r->fields_count; i++) {
		struct raw_field raw;
		struct record_field f;

		take_field(&in, &raw);
		f = (struct record_field){raw.form == RECORD_CLOSED, raw.name,
		    raw.value};
		rc = copy_field(out, h, &raw, !f.closed && keep(ctx, &f), e);
	}
	return rc;
}
