#include "etcdsay.h"

#include <string.h>

#include <bascule/base/text.h>

#define REGISTER_VERSION 1
#define SAID_BYTES       200 /* of a refusal's own words */

/* --- what is kept there ------------------------------------------------------- */

void
etcdsay_register_add(struct wire_value *v, const struct etcdsay_register *r)
{
	wire_add_uint(v, "epoch", r->epoch);
	wire_add_text(v, "owner", r->owner);
	wire_add_text(v, "from", r->from);
	wire_add_text(v, "state", r->state);
	wire_add_text(v, "run", r->run);
	wire_add_text(v, "site", r->site);
}

static void
take_name(struct wire_value *v, const char *field, char *out, size_t out_bytes)
{
	const char *text = wire_take_text(v, field, "");

	if (strlen(text) >= out_bytes)
		wire_fault(v, "field '%s' is too long", field);
	snprintf(out, out_bytes, "%s", text);
}

void
etcdsay_register_take(struct etcdsay_register *out, struct wire_value *v)
{
	*out = (struct etcdsay_register){.epoch = wire_need_uint(v, "epoch")};
	take_name(v, "owner", out->owner, sizeof(out->owner));
	take_name(v, "from", out->from, sizeof(out->from));
	take_name(v, "state", out->state, sizeof(out->state));
	take_name(v, "run", out->run, sizeof(out->run));
	take_name(v, "site", out->site, sizeof(out->site));
}

enum err_code
etcdsay_register_write(struct buf *out, const struct etcdsay_register *r,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_uint(v, "v", REGISTER_VERSION);
	etcdsay_register_add(v, r);
	rc = wire_line(v, out, e);
	if (rc == ERR_NONE)
		out->len_bytes--; /* its newline */
	return rc;
}

enum err_code
etcdsay_register_read(struct etcdsay_register *out, const char *text,
    size_t len_bytes, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_parse(&v, text, len_bytes, e);
	uint64_t version;

	*out = (struct etcdsay_register){0};
	if (rc == ERR_NONE) {
		version = wire_take_uint(v, "v", 0);
		if (version > REGISTER_VERSION)
			return err_set(e, ERR_TOONEW,
			    "a newer version of bascule wrote it");
		etcdsay_register_take(out, v);
		if (out->epoch == 0 || out->owner[0] == '\0')
			wire_fault(v, "no epoch with an owner");
		rc = wire_check(v, e);
	}
	if (rc != ERR_NONE) {
		*out = (struct etcdsay_register){0};
		if (rc == ERR_INPUT)
			e->code = rc = ERR_CORRUPT;
	}
	return rc;
}

/* --- requests -------------------------------------------------------------------- */

static enum err_code
add_base64(struct wire_value *v, const char *name, const void *bytes,
    size_t len_bytes, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	enum err_code rc = text_base64(&text, bytes, len_bytes, true, e);

	if (rc == ERR_NONE)
		wire_add_text(v, name, buf_text(&text));
	return rc;
}

static enum err_code
add_key(struct wire_value *v, const char *key, struct err *e)
{
	return add_base64(v, "key", key, strlen(key), e);
}

/* The first key behind all that begin so. */
static enum err_code
add_end(struct wire_value *v, const char *key, struct err *e)
{
	char end[256];
	size_t len = strlen(key);

	if (len == 0 || len >= sizeof(end))
		return err_set(e, ERR_INPUT, "a key of %zu bytes", len);
	memcpy(end, key, len);
	end[len - 1]++; /* our prefixes end with '/' */
	return add_base64(v, "range_end", end, len, e);
}

enum err_code
etcdsay_range(struct buf *out, const char *key, bool all_beneath, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc == ERR_NONE)
		rc = add_key(v, key, e);
	if (rc == ERR_NONE && all_beneath)
		rc = add_end(v, key, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_uint(v, "limit", ETCDSAY_KEYS_MAX);
	return wire_line(v, out, e);
}

/* [ { ... } ] */
static enum err_code
add_only(struct wire_value *v, const char *name, struct wire_value **child,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add(list, NULL, child);
	wire_add(v, name, &list);
	return ERR_NONE;
}

static enum err_code
add_compare(struct wire_value *v, const char *key, uint64_t revision,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *c = NULL;
	char number[24];
	enum err_code rc = wire_new(&c, NULL, e);

	if (rc == ERR_NONE)
		rc = add_key(c, key, e);
	if (rc != ERR_NONE)
		return rc;
	snprintf(number, sizeof(number), "%llu", (unsigned long long)revision);
	wire_add_text(c, "target", "MOD");
	wire_add_text(c, "result", "EQUAL");
	wire_add_text(c, "mod_revision", number);
	return add_only(v, "compare", &c, e);
}

static enum err_code
add_success(struct wire_value *v, const char *key, const struct buf *value,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *put = NULL;
	OWNED(wire_free) struct wire_value *op = NULL;
	enum err_code rc = wire_new(&put, NULL, e);

	if (rc == ERR_NONE)
		rc = wire_new(&op, NULL, e);
	if (rc == ERR_NONE)
		rc = add_key(put, key, e);
	if (rc == ERR_NONE)
		rc =
		    add_base64(put, "value", value->bytes, value->len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add(op, "request_put", &put);
	return add_only(v, "success", &op, e);
}

enum err_code
etcdsay_swap(struct buf *out, const char *key, uint64_t revision,
    const struct buf *value, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc == ERR_NONE)
		rc = add_compare(v, key, revision, e);
	if (rc == ERR_NONE)
		rc = add_success(v, key, value, e);
	return rc == ERR_NONE ? wire_line(v, out, e) : rc;
}

static void
add_number(struct wire_value *v, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	wire_add_text(v, name, text);
}

enum err_code
etcdsay_put(struct buf *out, const char *key, const struct buf *value,
    uint64_t lease, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc == ERR_NONE)
		rc = add_key(v, key, e);
	if (rc == ERR_NONE)
		rc = add_base64(v, "value", value->bytes, value->len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	add_number(v, "lease", lease);
	return wire_line(v, out, e);
}

static enum err_code
one_number(struct buf *out, const char *name, uint64_t value, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	add_number(v, name, value);
	return wire_line(v, out, e);
}

enum err_code
etcdsay_grant(struct buf *out, uint64_t ttl_s, struct err *e)
{
	return one_number(out, "TTL", ttl_s, e);
}

enum err_code
etcdsay_keepalive(struct buf *out, uint64_t lease, struct err *e)
{
	return one_number(out, "ID", lease, e);
}

/* --- answers ----------------------------------------------------------------------- */

/* The gateway ends a line of a stream with a newline, others without. */
static enum err_code
read_answer(struct wire_value **v, const struct buf *body, struct err *e)
{
	enum err_code rc;

	*v = NULL;
	if (body->len_bytes == 0)
		return err_set(e, ERR_INPUT, "the answer is empty");
	rc = wire_parse(v, (const char *)body->bytes, body->len_bytes, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "the answer");
}

static void
read_header(struct etcdsay_header *h, struct wire_value *v)
{
	struct wire_value *in = wire_take_object(v, "header");

	*h = (struct etcdsay_header){0};
	if (in == NULL) {
		wire_fault(v, "it has no header");
		return;
	}
	h->cluster = wire_need_uint(in, "cluster_id");
	h->member = wire_need_uint(in, "member_id");
	h->revision = wire_take_uint(in, "revision", 0);
}

static enum err_code
end_answer(struct wire_value *v, struct err *e)
{
	enum err_code rc = wire_check(v, e);

	return rc == ERR_NONE ? rc : err_wrap(e, "the answer");
}

/* Base64 that is nothing else, and for a key no NUL. */
static enum err_code
read_base64(struct buf *out, struct wire_value *v, const char *name,
    struct err *e)
{
	const char *text = wire_take_text(v, name, "");
	enum err_code rc = text_unbase64(out, text, e);

	if (rc != ERR_NONE)
		return err_wrap(e, "the answer: field '%s'", name);
	return ERR_NONE;
}

static enum err_code
read_key(struct wire_value *kv, uint64_t newest, etcdsay_key_fn *fn, void *ctx,
    struct err *e)
{
	OWNED(buf_fini) struct buf name = {0};
	OWNED(buf_fini) struct buf value = {0};
	struct etcdsay_key k = {.value = &value};
	enum err_code rc = read_base64(&name, kv, "key", e);

	if (rc == ERR_NONE)
		rc = read_base64(&value, kv, "value", e);
	if (rc != ERR_NONE)
		return rc;
	k.name = buf_text(&name);
	k.revision = wire_need_uint(kv, "mod_revision");
	if (strlen(k.name) != name.len_bytes || name.len_bytes == 0)
		return err_set(e, ERR_INPUT,
		    "the answer has a key that is "
		    "none");
	if (k.revision == 0 || k.revision > newest)
		return err_set(e, ERR_INPUT,
		    "the answer contradicts itself: a key of revision %llu in "
		    "a history of %llu",
		    (unsigned long long)k.revision, (unsigned long long)newest);
	return fn(ctx, &k, e);
}

enum err_code
etcdsay_range_read(struct etcdsay_header *h, const struct buf *body,
    etcdsay_key_fn *fn, void *ctx, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct wire_value *kvs;
	size_t count = 0;
	enum err_code rc = read_answer(&v, body, e);

	*h = (struct etcdsay_header){0};
	if (rc != ERR_NONE)
		return rc;
	read_header(h, v);
	kvs = wire_take_list(v, "kvs");
	count = kvs == NULL ? 0 : wire_count(kvs);
	if (count > ETCDSAY_KEYS_MAX || wire_take_bool(v, "more", false))
		wire_fault(v, "it has more than %d keys", ETCDSAY_KEYS_MAX);
	rc = end_answer(v, e);
	for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
		struct wire_value *kv = wire_at_object(kvs, i);

		if (kv == NULL)
			break;
		rc = read_key(kv, h->revision, fn, ctx, e);
	}
	return rc == ERR_NONE ? end_answer(v, e) : rc;
}

enum err_code
etcdsay_swap_read(struct etcdsay_header *h, bool *swapped,
    const struct buf *body, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = read_answer(&v, body, e);

	*h = (struct etcdsay_header){0};
	*swapped = false;
	if (rc != ERR_NONE)
		return rc;
	read_header(h, v);
	*swapped = wire_take_bool(v, "succeeded", false);
	if (h->revision == 0)
		wire_fault(v, "it has no revision");
	rc = end_answer(v, e);
	*swapped = *swapped && rc == ERR_NONE;
	return rc;
}

enum err_code
etcdsay_put_read(struct etcdsay_header *h, const struct buf *body,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = read_answer(&v, body, e);

	*h = (struct etcdsay_header){0};
	if (rc != ERR_NONE)
		return rc;
	read_header(h, v);
	return end_answer(v, e);
}

enum err_code
etcdsay_grant_read(struct etcdsay_header *h, uint64_t *lease,
    const struct buf *body, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = read_answer(&v, body, e);

	*h = (struct etcdsay_header){0};
	*lease = 0;
	if (rc != ERR_NONE)
		return rc;
	read_header(h, v);
	*lease = wire_need_uint(v, "ID");
	if (*lease == 0)
		wire_fault(v, "it grants no lease");
	rc = end_answer(v, e);
	if (rc != ERR_NONE)
		*lease = 0;
	return rc;
}

enum err_code
etcdsay_keepalive_read(struct etcdsay_header *h, uint64_t *ttl_s,
    const struct buf *body, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct wire_value *in;
	enum err_code rc = read_answer(&v, body, e);

	*h = (struct etcdsay_header){0};
	*ttl_s = 0;
	if (rc != ERR_NONE)
		return rc;
	in = wire_take_object(v, "result");
	if (in == NULL)
		return err_set(e, ERR_INPUT, "the answer has no result");
	read_header(h, in);
	*ttl_s = wire_take_uint(in, "TTL", 0);
	rc = end_answer(v, e);
	if (rc != ERR_NONE)
		*ttl_s = 0;
	return rc;
}

enum err_code
etcdsay_status_read(struct etcdsay_header *h, struct etcdsay_status *out,
    const struct buf *body, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = read_answer(&v, body, e);

	*h = (struct etcdsay_header){0};
	*out = (struct etcdsay_status){0};
	if (rc != ERR_NONE)
		return rc;
	read_header(h, v);
	out->leader = wire_take_uint(v, "leader", 0);
	take_name(v, "version", out->version, sizeof(out->version));
	return end_answer(v, e);
}

enum err_code
etcdsay_members_read(struct etcdsay_header *h, struct etcdsay_members *out,
    const struct buf *body, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct wire_value *list;
	size_t count;
	enum err_code rc = read_answer(&v, body, e);

	*h = (struct etcdsay_header){0};
	*out = (struct etcdsay_members){0};
	if (rc != ERR_NONE)
		return rc;
	read_header(h, v);
	list = wire_take_list(v, "members");
	count = list == NULL ? 0 : wire_count(list);
	if (count == 0 || count > ETCDSAY_MEMBERS_MAX)
		wire_fault(v, "a cluster of %zu members", count);
	for (size_t i = 0; i < count && i < ETCDSAY_MEMBERS_MAX; i++) {
		struct wire_value *m = wire_at_object(list, i);

		if (m == NULL)
			break;
		out->items[i].id = wire_need_uint(m, "ID");
		take_name(m, "name", out->items[i].name,
		    sizeof(out->items[i].name));
		out->count = i + 1;
	}
	rc = end_answer(v, e);
	if (rc != ERR_NONE)
		out->count = 0;
	return rc;
}

enum err_code
etcdsay_refusal(unsigned status, const struct buf *body, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf words = {0};
	const char *said = "";
	struct err why;

	if (read_answer(&v, body, &why) == ERR_NONE) {
		said = wire_take_text(v, "error", "");
		if (text_line(&words, said, strlen(said), &why) == ERR_NONE)
			said = buf_text(&words);
	}
	if (status == 401 || status == 403)
		return err_set(e, ERR_REFUSED,
		    "etcd does not let us: status %u %.*s", status, SAID_BYTES,
		    said);
	return err_set(e, status >= 500 ? ERR_TIMEOUT : ERR_INPUT,
	    "etcd answers with status %u %.*s", status, SAID_BYTES, said);
}
