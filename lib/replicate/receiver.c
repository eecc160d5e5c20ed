#include "receiver.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/le.h>

enum state { STATE_NEW, STATE_READY, STATE_BODY, STATE_ENDED };

struct receiver {
	struct receiver_sink sink;
	struct receiver_voice voice;
	unsigned allow;
	enum state state;
	/* the last PACKS: its entries, and a bit for each still wanted */
	uint8_t *entries;
	size_t entries_count;
	uint8_t wanted[RMSG_PACKS_MAX / 8];
	/* the pack whose bytes are coming */
	uint64_t left_bytes;
	bool refused; /* its RESULT has gone out: let the rest go by */
	/* since the session began */
	uint64_t packs_count, settled_count;
	uint64_t unsettled_bytes;
	uint32_t files_count[RMSG_KIND_GRANT + 1];
	uint64_t offered_count;
	struct serve_tally tally;
	struct buf reply;
};

enum err_code
receiver_new(struct receiver **out, const struct receiver_sink *sink,
    const struct receiver_voice *voice, unsigned allow, struct err *e)
{
	OWNED(receiver_free) struct receiver *r = NULL;

	*out = NULL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return err_nomem(e);
	r->sink = *sink;
	r->voice = *voice;
	r->allow = allow;
	r->entries = malloc((size_t)RMSG_PACKS_MAX * RMSG_PACK_ENTRY);
	if (r->entries == NULL)
		return err_nomem(e);
	*out = TAKE(r);
	return ERR_NONE;
}

void
receiver_free(struct receiver **rp)
{
	struct receiver *r = TAKE(*rp);

	if (r == NULL)
		return;
	free(r->entries);
	buf_fini(&r->reply);
	free(r);
}

bool
receiver_has_ended(const struct receiver *r)
{
	return r->state == STATE_ENDED;
}

const struct serve_tally *
receiver_tally(const struct receiver *r)
{
	return &r->tally;
}

/* --- replies ------------------------------------------------------------------ */

static enum err_code
say(struct receiver *r, enum rmsg_type type, struct err *e)
{
	return r->voice.say(r->voice.ctx, type, &r->reply, e);
}

/*
 * The object is at fault, not this machine: say so and go on with the others.
 * A full disk or a failing one would fail them all.
 */
static bool
is_objects_own(enum err_code rc)
{
	switch (rc) {
	case ERR_NOTFOUND:
	case ERR_EXISTS:
	case ERR_REFUSED:
	case ERR_INPUT:
	case ERR_KEY:
	case ERR_CORRUPT:
	case ERR_TOONEW: return true;
	default: return false;
	}
}

static enum err_code
say_result(struct receiver *r, enum rmsg_kind kind, uint32_t ordinal,
    const struct err *why, struct err *e)
{
	struct rmsg_result result = {kind, ordinal, *why};

	if (why->code != ERR_NONE && why->code != ERR_EXISTS)
		r->tally.refused_count++;
	buf_clear(&r->reply);
	if (rmsg_put_result(&r->reply, &result, e) != ERR_NONE)
		return e->code;
	return say(r, RMSG_RESULT, e);
}

/* A bit for each of count ids, entry_bytes apart; also kept in *bits. */
static enum err_code
say_want(struct receiver *r, enum rmsg_kind kind, const uint8_t *ids,
    size_t count, size_t entry_bytes, uint8_t *bits, struct err *e)
{
	uint8_t *at;

	memset(bits, 0, (count + 7) / 8);
	for (size_t i = 0; i < count; i++) {
		struct id id;

		memcpy(id.bytes, ids + i * entry_bytes, ID_BYTES);
		if (!r->sink.has(r->sink.ctx, kind, &id))
			bits[i / 8] |= (uint8_t)(1 << i % 8);
	}
	buf_clear(&r->reply);
	if (buf_extend(&r->reply, 4, &at, e) != ERR_NONE)
		return e->code;
	le_put32(at, (uint32_t)count);
	if (buf_add(&r->reply, bits, (count + 7) / 8, e) != ERR_NONE)
		return e->code;
	return say(r, RMSG_WANT, e);
}

/* --- READY ----------------------------------------------------------------------- */

static enum err_code
take_hello(struct receiver *r, const struct rmsg *m, struct err *e)
{
	struct rmsg_hello h;
	struct rmsg_welcome w = {
	    .credit_count = RMSG_CREDIT_COUNT,
	    .credit_bytes = RMSG_CREDIT_BYTES,
	};

	if (rmsg_take_hello(&h, m, e) != ERR_NONE)
		return e->code;
	if ((r->allow & SERVE_PUT) == 0) {
		err_set(e, ERR_REFUSED, "nothing may be put here");
		return err_hint(e,
		    "the far side must run "
		    "`bascule store serve --allow put`");
	}
	if (r->sink.open(r->sink.ctx, &h, &w.created, e) != ERR_NONE)
		return e->code;
	r->tally.copy_created = w.created;
	w.features = h.features & RMSG_FEATURES;
	buf_clear(&r->reply);
	if (rmsg_put_welcome(&r->reply, &w, e) != ERR_NONE)
		return e->code;
	r->state = STATE_READY;
	return say(r, RMSG_WELCOME, e);
}

static enum err_code
take_offer(struct receiver *r, const struct rmsg *m, struct err *e)
{
	enum rmsg_kind kind;
	const uint8_t *ids;
	size_t count;
	uint8_t bits[RMSG_OFFER_MAX / 8];

	if (rmsg_take_offer(&kind, &ids, &count, m, e) != ERR_NONE)
		return e->code;
	/* What was offered is not kept: this bounds work, not memory. */
	r->offered_count += count;
	if (r->offered_count > 2 * RMSG_OFFERED_MAX)
		return err_set(e, ERR_INPUT,
		    "more than %u snapshots and points offered",
		    (unsigned)(2 * RMSG_OFFERED_MAX));
	return say_want(r, kind, ids, count, ID_BYTES, bits, e);
}

static enum err_code
take_packs(struct receiver *r, const struct rmsg *m, struct err *e)
{
	const uint8_t *entries;
	size_t count;

	if (rmsg_take_packs(&entries, &count, m, e) != ERR_NONE)
		return e->code;
	for (size_t i = 0; i < count; i++) {
		uint64_t size =
		    le_get64(entries + i * RMSG_PACK_ENTRY + ID_BYTES);

		if (size == 0 || size > RMSG_PACK_BYTES_MAX)
			return err_set(e, ERR_INPUT,
			    "a pack of %llu bytes offered, at most %llu may be",
			    (unsigned long long)size,
			    (unsigned long long)RMSG_PACK_BYTES_MAX);
	}
	if (count > 0)
		memcpy(r->entries, entries, count * RMSG_PACK_ENTRY);
	r->entries_count = count;
	return say_want(r, RMSG_KIND_PACK, r->entries, count, RMSG_PACK_ENTRY,
	    r->wanted, e);
}

static enum err_code
flush(struct receiver *r, struct err *e)
{
	uint8_t *at;

	if (r->settled_count < r->packs_count &&
	    r->sink.flush(r->sink.ctx, e) != ERR_NONE)
		return e->code;
	r->settled_count = r->packs_count;
	r->unsettled_bytes = 0;
	buf_clear(&r->reply);
	if (buf_extend(&r->reply, 8, &at, e) != ERR_NONE)
		return e->code;
	le_put64(at, r->settled_count);
	return say(r, RMSG_SETTLED, e);
}

/* A snapshot or a point: what it needs must be settled before. */
static enum err_code
take_file(struct receiver *r, const struct rmsg *m, enum rmsg_kind kind,
    struct err *e)
{
	struct err why = {0};
	enum err_code rc;

	if (r->settled_count < r->packs_count && flush(r, e) != ERR_NONE)
		return e->code;
	if (r->files_count[kind] == RMSG_OFFERED_MAX)
		return err_set(e, ERR_INPUT, "too many snapshots or points");
	rc = r->sink.file(r->sink.ctx, kind, m->bytes, m->len_bytes, &why);
	if (rc != ERR_NONE && !is_objects_own(rc)) {
		*e = why;
		return rc;
	}
	why.code = rc;
	if (rc == ERR_NONE && kind == RMSG_KIND_SNAPSHOT)
		r->tally.snapshots_count++;
	if (rc == ERR_NONE && kind == RMSG_KIND_POINT)
		r->tally.points_count++;
	return say_result(r, kind, r->files_count[kind]++, &why, e);
}

static enum err_code
take_bye(struct receiver *r, struct err *e)
{
	struct err ignored = {0};
	uint8_t *at;

	if (r->settled_count < r->packs_count && flush(r, e) != ERR_NONE)
		return e->code;
	buf_clear(&r->reply);
	if (buf_extend(&r->reply, 24, &at, e) != ERR_NONE)
		return e->code;
	le_put64(at, r->tally.packs_count);
	le_put64(at + 8, r->tally.snapshots_count);
	le_put64(at + 16, r->tally.points_count);
	r->state = STATE_ENDED;
	/* All is settled.  A sender that had nothing to send does not stay. */
	(void)!say(r, RMSG_FAREWELL, &ignored);
	return ERR_NONE;
}

/* --- a pack's bytes ------------------------------------------------------------------ */

/*
 * The sink said rc of the pack that is coming: go on, refuse this one pack
 * (its RESULT goes out here), or fail.
 */
static enum err_code
pack_verdict(struct receiver *r, enum err_code rc, const struct err *why,
    struct err *e)
{
	if (rc == ERR_NONE)
		return ERR_NONE;
	if (!is_objects_own(rc)) {
		*e = *why;
		return rc;
	}
	r->refused = true;
	return say_result(r, RMSG_KIND_PACK, (uint32_t)r->packs_count, why, e);
}

static enum err_code
take_pack(struct receiver *r, const struct rmsg *m, struct err *e)
{
	struct err why = {0};
	struct le_reader in;
	const uint8_t *entry;
	struct id name;
	size_t i;

	le_init(&in, m->bytes, m->len_bytes);
	i = le_take32(&in);
	if (!le_done(&in) || i >= r->entries_count || !rmsg_bit(r->wanted, i))
		return err_set(e, ERR_INPUT,
		    "a pack was sent that nobody asked for");
	if (r->packs_count == UINT32_MAX)
		return err_set(e, ERR_INPUT, "too many packs in one session");
	r->wanted[i / 8] &= (uint8_t) ~(1 << i % 8);
	entry = r->entries + i * RMSG_PACK_ENTRY;
	memcpy(name.bytes, entry, ID_BYTES);
	r->left_bytes = le_get64(entry + ID_BYTES);
	r->unsettled_bytes += r->left_bytes;
	r->refused = false;
	r->state = STATE_BODY;
	return pack_verdict(r,
	    r->sink.pack_begin(r->sink.ctx, &name, r->left_bytes, &why), &why,
	    e);
}

static enum err_code
pack_done(struct receiver *r, struct err *e)
{
	struct err why = {0};

	if (!r->refused &&
	    pack_verdict(r, r->sink.pack_end(r->sink.ctx, &why), &why, e) !=
		ERR_NONE)
		return e->code;
	if (!r->refused)
		r->tally.packs_count++;
	r->packs_count++;
	r->state = STATE_READY;
	if (r->unsettled_bytes < RMSG_CREDIT_BYTES / 2 &&
	    r->packs_count - r->settled_count < RMSG_CREDIT_COUNT / 2)
		return ERR_NONE;
	return flush(r, e);
}

static enum err_code
take_data(struct receiver *r, const struct rmsg *m, struct err *e)
{
	struct err why = {0};

	if (m->len_bytes == 0 || m->len_bytes > r->left_bytes)
		return err_set(e, ERR_INPUT,
		    "a pack's data does not fit its size");
	r->left_bytes -= m->len_bytes;
	r->tally.pack_bytes += m->len_bytes;
	if (!r->refused &&
	    pack_verdict(r,
		r->sink.pack_add(r->sink.ctx, m->bytes, m->len_bytes, &why),
		&why, e) != ERR_NONE)
		return e->code;
	return r->left_bytes == 0 ? pack_done(r, e) : ERR_NONE;
}

/* --- which message when ----------------------------------------------------------------- */

static enum err_code
out_of_turn(const struct rmsg *m, struct err *e)
{
	return err_set(e, ERR_INPUT, "message of type %u out of turn",
	    (unsigned)m->type);
}

static enum err_code
take_ready(struct receiver *r, const struct rmsg *m, struct err *e)
{
	if ((m->type == RMSG_FLUSH || m->type == RMSG_BYE) && m->len_bytes != 0)
		return out_of_turn(m, e);
	switch (m->type) {
	case RMSG_OFFER: return take_offer(r, m, e);
	case RMSG_PACKS: return take_packs(r, m, e);
	case RMSG_PACK: return take_pack(r, m, e);
	case RMSG_FLUSH: return flush(r, e);
	case RMSG_SNAPSHOT: return take_file(r, m, RMSG_KIND_SNAPSHOT, e);
	case RMSG_POINT: return take_file(r, m, RMSG_KIND_POINT, e);
	case RMSG_GRANT: return take_file(r, m, RMSG_KIND_GRANT, e);
	case RMSG_BYE: return take_bye(r, e);
	default: return out_of_turn(m, e);
	}
}

enum err_code
receiver_take(struct receiver *r, const struct rmsg *m, struct err *e)
{
	enum err_code rc;

	if (r->state == STATE_NEW && m->type == RMSG_HELLO)
		rc = take_hello(r, m, e);
	else if (r->state == STATE_READY)
		rc = take_ready(r, m, e);
	else if (r->state == STATE_BODY && m->type == RMSG_DATA)
		rc = take_data(r, m, e);
	else
		rc = out_of_turn(m, e);
	if (rc != ERR_NONE)
		r->state = STATE_ENDED;
	return rc;
}
