#include "rmsg.h"

#include <string.h>

#include <bascule/base/le.h>
#include <bascule/base/text.h>

#define HELLO_BYTES    72
#define WELCOME_BYTES  32
#define CREATED_FLAG   1
#define PACKS_FLAG     2
#define STAGED_ENTRY   8
#define LIST_HEAD      8
#define RESULT_HEAD    8
#define FAIL_HEAD      4
#define FAREWELL_BYTES 24
#define EPOCH_HEAD     8

bool
rmsg_max(uint8_t type, size_t *max_bytes)
{
	switch (type) {
	case RMSG_HELLO: *max_bytes = HELLO_BYTES; return true;
	case RMSG_OFFER:
		*max_bytes = LIST_HEAD + (size_t)RMSG_OFFER_MAX * ID_BYTES;
		return true;
	case RMSG_PACKS:
		*max_bytes =
		    LIST_HEAD + (size_t)RMSG_PACKS_MAX * RMSG_PACK_ENTRY;
		return true;
	case RMSG_PACK: *max_bytes = 4; return true;
	case RMSG_REST: *max_bytes = STAGED_ENTRY; return true;
	case RMSG_FRAMES:
	case RMSG_COMPOSE:
		*max_bytes = LIST_HEAD +
		    (size_t)RMSG_FRAMES_MAX * RMSG_FRAME_ENTRY +
		    (type == RMSG_COMPOSE ? RMSG_FRAMES_MAX / 8 : 0);
		return true;
	case RMSG_DATA: *max_bytes = RMSG_DATA_BYTES_MAX; return true;
	case RMSG_SNAPSHOT:
	case RMSG_GRANT: *max_bytes = RMSG_FILE_BYTES_MAX; return true;
	case RMSG_POINT: *max_bytes = RMSG_POINT_BYTES_MAX; return true;
	case RMSG_FLUSH:
	case RMSG_BYE:
	case RMSG_WORKING: *max_bytes = 0; return true;
	case RMSG_WELCOME: *max_bytes = WELCOME_BYTES; return true;
	case RMSG_WANT: *max_bytes = 4 + RMSG_OFFER_MAX / 8; return true;
	case RMSG_GOT:
	case RMSG_SETTLED: *max_bytes = 8; return true;
	case RMSG_RESULT:
		*max_bytes = RESULT_HEAD + RMSG_RESULT_TEXT;
		return true;
	case RMSG_FAIL: *max_bytes = FAIL_HEAD + RMSG_FAIL_TEXT; return true;
	case RMSG_FAREWELL: *max_bytes = FAREWELL_BYTES; return true;
	case RMSG_STAGED:
		*max_bytes = LIST_HEAD + (size_t)RMSG_PACKS_MAX * STAGED_ENTRY;
		return true;
	case RMSG_LACK:
		*max_bytes = LIST_HEAD + RMSG_FRAMES_MAX / 8;
		return true;
	case RMSG_FETCH:
		*max_bytes = RMSG_FETCH_BYTES + STORE_NAME_BYTES - 1;
		return true;
	case RMSG_EPOCH:
		*max_bytes = EPOCH_HEAD + STORE_NAME_BYTES - 1;
		return true;
	case RMSG_ACKNOWLEDGE:
		*max_bytes = ID_BYTES + STORE_NAME_BYTES - 1;
		return true;
	case RMSG_ACKNOWLEDGED: *max_bytes = RMSG_ACK_BYTES_MAX; return true;
	case RMSG_FETCHED: *max_bytes = RMSG_FILE_BYTES_MAX; return true;
	default: return false;
	}
}

enum err_code
rmsg_head(const uint8_t head[RMSG_HEAD_BYTES], uint8_t *type, size_t *len_bytes,
    struct err *e)
{
	uint32_t len = le_get32(head);
	size_t max;

	*type = head[4];
	*len_bytes = 0;
	if (!rmsg_max(head[4], &max))
		return err_set(e, ERR_INPUT,
		    "message of type %u, which there is not", head[4]);
	if (head[5] != 0 || head[6] != 0 || head[7] != 0)
		return err_set(e, ERR_INPUT,
		    "message of type %u with reserved bytes set", head[4]);
	if (len > max)
		return err_set(e, ERR_INPUT,
		    "message of type %u with %u bytes, at most %zu may be",
		    head[4], len, max);
	*len_bytes = len;
	return ERR_NONE;
}

void
rmsg_put_head(uint8_t head[RMSG_HEAD_BYTES], enum rmsg_type type,
    size_t len_bytes)
{
	memset(head, 0, RMSG_HEAD_BYTES);
	le_put32(head, (uint32_t)len_bytes);
	head[4] = (uint8_t)type;
}

static enum err_code
malformed(const char *name, struct err *e)
{
	return err_set(e, ERR_INPUT, "malformed %s message", name);
}

/* --- hello and welcome --------------------------------------------------------- */

enum err_code
rmsg_put_hello(struct buf *out, const struct rmsg_hello *h, struct err *e)
{
	uint8_t *at;

	if (buf_extend(out, HELLO_BYTES, &at, e) != ERR_NONE)
		return e->code;
	memset(at, 0, HELLO_BYTES);
	memcpy(at, RMSG_MAGIC, RMSG_MAGIC_BYTES);
	le_put16(at + 8, h->version);
	le_put64(at + 16, h->features);
	le_put64(at + 24, h->required | (h->geometry.sliced ? RMSG_SLICED : 0));
	memcpy(at + 32, h->family, STORE_FAMILY_BYTES);
	le_put32(at + 48, h->geometry.chunk_min_bytes);
	le_put32(at + 52, h->geometry.chunk_mean_bytes);
	le_put32(at + 56, h->geometry.chunk_max_bytes);
	le_put32(at + 60, h->geometry.pack_target_bytes);
	le_put32(at + 64, h->geometry.frame_target_bytes);
	at[68] = h->geometry.padded ? 1 : 0;
	return ERR_NONE;
}

/* The magic and the version, read before anything else is believed. */
static enum err_code
take_greeting(struct le_reader *r, uint16_t *version, struct err *e)
{
	const uint8_t *magic = le_take(r, RMSG_MAGIC_BYTES);

	*version = le_take16(r);
	if (magic == NULL || memcmp(magic, RMSG_MAGIC, RMSG_MAGIC_BYTES) != 0)
		return malformed("greeting", e);
	if (*version != RMSG_VERSION)
		return err_set(e, ERR_TOONEW,
		    "the other side speaks version %u of store serve, "
		    "this one version %u",
		    *version, RMSG_VERSION);
	return ERR_NONE;
}

enum err_code
rmsg_take_hello(struct rmsg_hello *out, const struct rmsg *m, struct err *e)
{
	struct le_reader r;
	const uint8_t *family;
	uint32_t zeros;
	uint8_t padded;

	memset(out, 0, sizeof(*out));
	le_init(&r, m->bytes, m->len_bytes);
	if (take_greeting(&r, &out->version, e) != ERR_NONE)
		return e->code;
	zeros = le_take16(&r);
	zeros |= le_take32(&r);
	out->features = le_take64(&r);
	out->required = le_take64(&r);
	family = le_take(&r, STORE_FAMILY_BYTES);
	out->geometry.chunk_min_bytes = le_take32(&r);
	out->geometry.chunk_mean_bytes = le_take32(&r);
	out->geometry.chunk_max_bytes = le_take32(&r);
	out->geometry.pack_target_bytes = le_take32(&r);
	out->geometry.frame_target_bytes = le_take32(&r);
	padded = le_take8(&r);
	zeros |= le_take8(&r);
	zeros |= le_take16(&r);
	if (!le_done(&r) || family == NULL || zeros != 0 || padded > 1)
		return malformed("HELLO", e);
	out->geometry.padded = padded == 1;
	out->geometry.sliced = (out->required & RMSG_SLICED) != 0;
	memcpy(out->family, family, STORE_FAMILY_BYTES);
	if ((out->required & ~RMSG_FEATURES) != 0)
		return err_set(e, ERR_TOONEW,
		    "the other side needs features this one does not have");
	return ERR_NONE;
}

enum err_code
rmsg_put_welcome(struct buf *out, const struct rmsg_welcome *w, struct err *e)
{
	uint8_t *at;

	if (buf_extend(out, WELCOME_BYTES, &at, e) != ERR_NONE)
		return e->code;
	memcpy(at, RMSG_MAGIC, RMSG_MAGIC_BYTES);
	le_put16(at + 8, RMSG_VERSION);
	le_put16(at + 10,
	    (uint16_t)((w->created ? CREATED_FLAG : 0) |
		(w->packs_only ? PACKS_FLAG : 0)));
	le_put32(at + 12, w->credit_count);
	le_put64(at + 16, w->features);
	le_put64(at + 24, w->credit_bytes);
	return ERR_NONE;
}

enum err_code
rmsg_take_welcome(struct rmsg_welcome *out, const struct rmsg *m, struct err *e)
{
	struct le_reader r;
	uint16_t version, flags;

	memset(out, 0, sizeof(*out));
	le_init(&r, m->bytes, m->len_bytes);
	if (take_greeting(&r, &version, e) != ERR_NONE)
		return e->code;
	flags = le_take16(&r);
	out->credit_count = le_take32(&r);
	out->features = le_take64(&r);
	out->credit_bytes = le_take64(&r);
	if (!le_done(&r) || (flags & ~(CREATED_FLAG | PACKS_FLAG)) != 0 ||
	    out->credit_count == 0)
		return malformed("WELCOME", e);
	out->created = (flags & CREATED_FLAG) != 0;
	out->packs_only = (flags & PACKS_FLAG) != 0;
	return ERR_NONE;
}

/* --- lists and bits ---------------------------------------------------------------- */

enum err_code
rmsg_take_offer(enum rmsg_kind *kind, const uint8_t **ids, size_t *count,
    const struct rmsg *m, struct err *e)
{
	struct le_reader r;
	uint8_t k;
	uint32_t zeros;

	le_init(&r, m->bytes, m->len_bytes);
	k = le_take8(&r);
	zeros = le_take8(&r);
	zeros |= le_take16(&r);
	*count = le_take32(&r);
	if (*count > RMSG_OFFER_MAX)
		return malformed("OFFER", e);
	*ids = le_take(&r, *count * ID_BYTES);
	if (!le_done(&r) || zeros != 0 || k < RMSG_KIND_SNAPSHOT ||
	    k > RMSG_KIND_GRANT)
		return malformed("OFFER", e);
	*kind = (enum rmsg_kind)k;
	return ERR_NONE;
}

enum err_code
rmsg_take_packs(const uint8_t **entries, size_t *count, const struct rmsg *m,
    struct err *e)
{
	struct le_reader r;
	uint32_t zeros;

	le_init(&r, m->bytes, m->len_bytes);
	*count = le_take32(&r);
	zeros = le_take32(&r);
	if (*count > RMSG_PACKS_MAX)
		return malformed("PACKS", e);
	*entries = le_take(&r, *count * RMSG_PACK_ENTRY);
	return !le_done(&r) || zeros != 0 ? malformed("PACKS", e) : ERR_NONE;
}

enum err_code
rmsg_take_want(const uint8_t **bits, size_t expected, const struct rmsg *m,
    struct err *e)
{
	struct le_reader r;
	size_t count;

	le_init(&r, m->bytes, m->len_bytes);
	count = le_take32(&r);
	*bits = le_take(&r, (expected + 7) / 8);
	return !le_done(&r) || count != expected ? malformed("WANT", e)
						 : ERR_NONE;
}

enum err_code
rmsg_put_staged(struct buf *out, const struct rmsg_staged *staged, size_t count,
    struct err *e)
{
	uint8_t *at;

	if (buf_extend(out, LIST_HEAD + count * STAGED_ENTRY, &at, e) !=
	    ERR_NONE)
		return e->code;
	le_put32(at, (uint32_t)count);
	le_put32(at + 4, 0);
	at += LIST_HEAD;
	for (size_t i = 0; i < count; i++, at += STAGED_ENTRY) {
		le_put32(at, staged[i].ordinal);
		le_put32(at + 4, staged[i].blocks_count);
	}
	return ERR_NONE;
}

struct rmsg_staged
rmsg_staged_at(const uint8_t *entries, size_t i)
{
	const uint8_t *at = entries + i * STAGED_ENTRY;

	return (struct rmsg_staged){le_get32(at), le_get32(at + 4)};
}

enum err_code
rmsg_take_staged(const uint8_t **entries, size_t *count, size_t packs_count,
    const struct rmsg *m, struct err *e)
{
	struct le_reader r;
	uint32_t zeros;

	le_init(&r, m->bytes, m->len_bytes);
	*count = le_take32(&r);
	zeros = le_take32(&r);
	if (*count > packs_count)
		return malformed("STAGED", e);
	*entries = le_take(&r, *count * STAGED_ENTRY);
	if (!le_done(&r) || zeros != 0)
		return malformed("STAGED", e);
	for (size_t i = 0; i < *count; i++) {
		struct rmsg_staged s = rmsg_staged_at(*entries, i);

		if (s.ordinal >= packs_count || s.blocks_count == 0 ||
		    (i > 0 &&
			s.ordinal <= rmsg_staged_at(*entries, i - 1).ordinal))
			return malformed("STAGED", e);
	}
	return ERR_NONE;
}

enum err_code
rmsg_take_rest(struct rmsg_staged *out, const struct rmsg *m, struct err *e)
{
	struct le_reader r;

	le_init(&r, m->bytes, m->len_bytes);
	out->ordinal = le_take32(&r);
	out->blocks_count = le_take32(&r);
	return !le_done(&r) || out->blocks_count == 0 ? malformed("REST", e)
						      : ERR_NONE;
}

/* --- frames ---------------------------------------------------------------------------- */

enum err_code
rmsg_put_frames(struct buf *out, uint32_t ordinal,
    const struct store_frame *frames, size_t count, const uint8_t *bits,
    struct err *e)
{
	uint8_t *at;

	ASSERT(count <= RMSG_FRAMES_MAX);
	if (buf_extend(out, LIST_HEAD + count * RMSG_FRAME_ENTRY, &at, e) !=
	    ERR_NONE)
		return e->code;
	le_put32(at, ordinal);
	le_put32(at + 4, (uint32_t)count);
	at += LIST_HEAD;
	for (size_t i = 0; i < count; i++, at += RMSG_FRAME_ENTRY) {
		memcpy(at, frames[i].chunk.bytes, ID_BYTES);
		memcpy(at + ID_BYTES, frames[i].hash.bytes, ID_BYTES);
		le_put32(at + 2 * ID_BYTES, frames[i].len_bytes);
	}
	return bits != NULL ? buf_add(out, bits, (count + 7) / 8, e) : ERR_NONE;
}

struct store_frame
rmsg_frame_at(const uint8_t *entries, size_t i)
{
	const uint8_t *at = entries + i * RMSG_FRAME_ENTRY;
	struct store_frame f = {.len_bytes = le_get32(at + 2 * ID_BYTES)};

	memcpy(f.chunk.bytes, at, ID_BYTES);
	memcpy(f.hash.bytes, at + ID_BYTES, ID_BYTES);
	return f;
}

enum err_code
rmsg_take_frames(struct rmsg_frames *out, const struct rmsg *m, struct err *e)
{
	struct le_reader r;

	memset(out, 0, sizeof(*out));
	le_init(&r, m->bytes, m->len_bytes);
	out->ordinal = le_take32(&r);
	out->count = le_take32(&r);
	if (out->count == 0 || out->count > RMSG_FRAMES_MAX)
		return malformed("FRAMES", e);
	out->entries = le_take(&r, out->count * RMSG_FRAME_ENTRY);
	if (m->type == RMSG_COMPOSE)
		out->bits = le_take(&r, (out->count + 7) / 8);
	if (!le_done(&r))
		return malformed("FRAMES", e);
	for (size_t i = 0; i < out->count; i++) {
		uint32_t len = rmsg_frame_at(out->entries, i).len_bytes;

		if (len == 0 || len > RMSG_PACK_BYTES_MAX)
			return malformed("FRAMES", e);
		out->bytes_count += len;
	}
	return ERR_NONE;
}

enum err_code
rmsg_put_epoch(struct buf *out, const struct rmsg_epoch *m, struct err *e)
{
	uint8_t *at;

	if (buf_extend(out, EPOCH_HEAD, &at, e) != ERR_NONE)
		return e->code;
	le_put64(at, m->epoch);
	return buf_add(out, m->service, strlen(m->service), e);
}

/* A service's name: all that is left of a message. */
static bool
take_service(char out[STORE_NAME_BYTES], struct le_reader *r)
{
	size_t len = r->left_bytes;
	const uint8_t *name = le_take(r, len);

	if (!le_done(r) || len == 0 || len >= STORE_NAME_BYTES ||
	    memchr(name, '\0', len) != NULL)
		return false;
	memcpy(out, name, len);
	return true;
}

enum err_code
rmsg_take_epoch(struct rmsg_epoch *out, const struct rmsg *m, struct err *e)
{
	struct le_reader r;

	memset(out, 0, sizeof(*out));
	le_init(&r, m->bytes, m->len_bytes);
	out->epoch = le_take64(&r);
	return out->epoch == 0 || !take_service(out->service, &r)
	    ? malformed("EPOCH", e)
	    : ERR_NONE;
}

enum err_code
rmsg_put_wish(struct buf *out, const struct rmsg_wish *m, struct err *e)
{
	enum err_code rc = buf_add(out, m->point.bytes, ID_BYTES, e);

	return rc == ERR_NONE ? buf_add(out, m->service, strlen(m->service), e)
			      : rc;
}

enum err_code
rmsg_take_wish(struct rmsg_wish *out, const struct rmsg *m, struct err *e)
{
	struct le_reader r;
	const uint8_t *id;

	memset(out, 0, sizeof(*out));
	le_init(&r, m->bytes, m->len_bytes);
	id = le_take(&r, ID_BYTES);
	if (id == NULL || !take_service(out->service, &r))
		return malformed("ACKNOWLEDGE", e);
	memcpy(out->point.bytes, id, ID_BYTES);
	return ERR_NONE;
}

enum err_code
rmsg_put_lack(struct buf *out, uint32_t ordinal, const uint8_t *bits,
    size_t count, struct err *e)
{
	uint8_t *at;

	if (buf_extend(out, LIST_HEAD, &at, e) != ERR_NONE)
		return e->code;
	le_put32(at, ordinal);
	le_put32(at + 4, (uint32_t)count);
	return buf_add(out, bits, (count + 7) / 8, e);
}

enum err_code
rmsg_take_lack(uint32_t *ordinal, const uint8_t **bits, size_t expected,
    const struct rmsg *m, struct err *e)
{
	struct le_reader r;
	size_t count;

	le_init(&r, m->bytes, m->len_bytes);
	*ordinal = le_take32(&r);
	count = le_take32(&r);
	*bits = le_take(&r, (expected + 7) / 8);
	return !le_done(&r) || count != expected ? malformed("LACK", e)
						 : ERR_NONE;
}

/* --- what became of it --------------------------------------------------------------- */

/* The wire's numbers are the document's, whatever the enum is one day. */
static const enum err_code codes[] = {
    ERR_NONE,
    ERR_NOTFOUND,
    ERR_EXISTS,
    ERR_BUSY,
    ERR_TIMEOUT,
    ERR_REFUSED,
    ERR_INPUT,
    ERR_POLICY,
    ERR_KEY,
    ERR_CORRUPT,
    ERR_TOONEW,
    ERR_NOSPACE,
    ERR_IO,
    ERR_NOMEM,
    ERR_CANCELLED,
};
#define CODE_IO 12

static uint8_t
code_number(enum err_code code)
{
	for (uint8_t i = 0; i < COUNT_OF(codes); i++)
		if (codes[i] == code)
			return i;
	return CODE_IO;
}

static enum err_code
code_of(uint8_t number)
{
	return number < COUNT_OF(codes) ? codes[number] : ERR_IO;
}

/*
 * Copy text that the peer made: lines (a hint follows its own) of UTF-8, without
 * what a terminal obeys.
 */
static enum err_code
take_text(char *out, size_t size, const uint8_t *text, size_t len,
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	const char *at = (const char *)text;
	enum err_code rc = ERR_NONE;

	out[0] = '\0';
	for (size_t n; rc == ERR_NONE && len > 0; at += n, len -= n) {
		const char *end = memchr(at, '\n', len);

		n = end == NULL ? len : end == at ? 1 : (size_t)(end - at);
		rc = end == at ? buf_add_text(&b, "\n", e)
			       : text_line(&b, at, n, e);
	}
	if (rc == ERR_NONE && b.len_bytes > 0) {
		snprintf(out, size, "%s", buf_text(&b));
		text_mend_end(out);
	}
	return rc;
}

static size_t
bounded(const char *text, size_t max)
{
	size_t len = strlen(text);
	size_t n = len < max ? len : max;

	/* Not in the middle of a UTF-8 sequence. */
	while (n < len && n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

enum err_code
rmsg_put_result(struct buf *out, const struct rmsg_result *r, struct err *e)
{
	size_t len = r->why.code == ERR_NONE
	    ? 0
	    : bounded(r->why.text, RMSG_RESULT_TEXT);
	uint8_t *at;

	if (buf_extend(out, RESULT_HEAD + len, &at, e) != ERR_NONE)
		return e->code;
	at[0] = (uint8_t)r->kind;
	at[1] = code_number(r->why.code);
	le_put16(at + 2, 0);
	le_put32(at + 4, r->ordinal);
	memcpy(at + RESULT_HEAD, r->why.text, len);
	return ERR_NONE;
}

enum err_code
rmsg_take_result(struct rmsg_result *out, const struct rmsg *m, struct err *e)
{
	struct le_reader r;
	uint8_t kind, code;
	uint16_t zeros;

	memset(out, 0, sizeof(*out));
	le_init(&r, m->bytes, m->len_bytes);
	kind = le_take8(&r);
	code = le_take8(&r);
	zeros = le_take16(&r);
	out->ordinal = le_take32(&r);
	if (r.bad || zeros != 0 || kind < RMSG_KIND_PACK ||
	    kind > RMSG_KIND_ACK)
		return malformed("RESULT", e);
	out->kind = (enum rmsg_kind)kind;
	out->why.code = code_of(code);
	return take_text(out->why.text, sizeof(out->why.text), r.at,
	    r.left_bytes, e);
}

enum err_code
rmsg_put_fail(struct buf *out, const struct err *why, struct err *e)
{
	size_t len = bounded(why->text, RMSG_FAIL_TEXT);
	uint8_t *at;

	if (buf_extend(out, FAIL_HEAD + len, &at, e) != ERR_NONE)
		return e->code;
	memset(at, 0, FAIL_HEAD);
	at[0] = code_number(why->code);
	memcpy(at + FAIL_HEAD, why->text, len);
	return ERR_NONE;
}

enum err_code
rmsg_take_fail(struct err *out, const struct rmsg *m, struct err *e)
{
	if (m->len_bytes < FAIL_HEAD)
		return malformed("FAIL", e);
	memset(out, 0, sizeof(*out));
	out->code = code_of(m->bytes[0]);
	if (out->code == ERR_NONE)
		out->code = ERR_IO;
	return take_text(out->text, sizeof(out->text), m->bytes + FAIL_HEAD,
	    m->len_bytes - FAIL_HEAD, e);
}
