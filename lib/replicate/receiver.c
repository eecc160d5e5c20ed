#include "receiver.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/le.h>

/*
 * A pack that is put together: runs of bytes that come, and between them frames
 * that are here.
 */
struct composing {
	struct buf entries, bits; /* of COMPOSE; none: all of it comes */
	size_t count, at;         /* frames, and which is next */
	uint64_t run_bytes;       /* that come before it */
	uint64_t foot_bytes;      /* that come behind the last frame */
};

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
	struct composing composing;
	uint64_t features;              /* both have */
	uint64_t got_bytes, told_bytes; /* of DATA; of these GOT has said */
	/* since the session began */
	uint64_t packs_count, settled_count;
	uint64_t unsettled_bytes;
	uint32_t files_count[RMSG_KIND_GRANT + 1];
	uint64_t offered_count;
	unsigned epochs_count;
	uint32_t wishes_count;
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
	buf_fini(&r->composing.entries);
	buf_fini(&r->composing.bits);
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

static void
set_bit(uint8_t *bits, size_t i)
{
	bits[i / 8] |= (uint8_t)(1 << i % 8);
}

static enum err_code
say_want(struct receiver *r, const uint8_t *bits, size_t count, struct err *e)
{
	uint8_t *at;

	buf_clear(&r->reply);
	if (buf_extend(&r->reply, 4, &at, e) != ERR_NONE)
		return e->code;
	le_put32(at, (uint32_t)count);
	if (buf_add(&r->reply, bits, (count + 7) / 8, e) != ERR_NONE)
		return e->code;
	return say(r, RMSG_WANT, e);
}

/* --- READY ----------------------------------------------------------------------- */

/* Is it one of several, and what is not packs comes over another? */
static bool
packs_only(const struct receiver *r)
{
	return r->sink.share != NULL && r->sink.share->packs_only;
}

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
	w.features = r->features = h.features & RMSG_FEATURES;
	if (r->sink.acknowledge == NULL)
		w.features = r->features &= ~RMSG_ACKS;
	if (r->sink.share == NULL)
		w.features = r->features &= ~RMSG_PARTS;
	w.packs_only = packs_only(r);
	if (w.packs_only && (r->features & RMSG_PARTS) == 0)
		return err_set(e, ERR_TOONEW,
		    "the far side cannot send packs only");
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
	uint8_t bits[RMSG_OFFER_MAX / 8] = {0};

	if (rmsg_take_offer(&kind, &ids, &count, m, e) != ERR_NONE)
		return e->code;
	/* What was offered is not kept: this bounds work, not memory. */
	r->offered_count += count;
	if (r->offered_count > 2 * RMSG_OFFERED_MAX)
		return err_set(e, ERR_INPUT,
		    "more than %u snapshots and points offered",
		    (unsigned)(2 * RMSG_OFFERED_MAX));
	for (size_t i = 0; i < count; i++) {
		struct id id;

		memcpy(id.bytes, ids + i * ID_BYTES, ID_BYTES);
		if (!r->sink.has(r->sink.ctx, kind, &id))
			set_bit(bits, i);
	}
	return say_want(r, bits, count, e);
}

static void
entry_at(const struct receiver *r, size_t i, struct id *name,
    uint64_t *size_bytes)
{
	const uint8_t *entry = r->entries + i * RMSG_PACK_ENTRY;

	memcpy(name->bytes, entry, ID_BYTES);
	*size_bytes = le_get64(entry + ID_BYTES);
}

/* All of it came before a cut: looked at like one that comes now. */
static enum err_code
adopt(struct receiver *r, const struct id *name, uint64_t size_bytes,
    bool *adopted, struct err *e)
{
	struct err why = {0};
	enum err_code rc =
	    r->sink.pack_begin(r->sink.ctx, name, size_bytes, size_bytes, &why);

	if (rc == ERR_NONE)
		rc = r->sink.pack_end(r->sink.ctx, &why);
	*adopted = rc == ERR_NONE;
	if (rc == ERR_NONE || is_objects_own(rc))
		return ERR_NONE;
	*e = why;
	return rc;
}

/* Of the packs offered, those that lack here and are to come this way. */
static enum err_code
look_for_lacking(struct receiver *r, struct err *e)
{
	const struct receiver_share *share = r->sink.share;

	memset(r->wanted, 0, sizeof(r->wanted));
	for (size_t i = 0; i < r->entries_count; i++) {
		uint64_t size;
		struct id name;

		entry_at(r, i, &name, &size);
		if (!r->sink.has(r->sink.ctx, RMSG_KIND_PACK, &name))
			set_bit(r->wanted, i);
	}
	return (r->features & RMSG_PARTS) == 0
	    ? ERR_NONE
	    : share->assign(share->ctx, r->entries, r->entries_count, r->wanted,
		  e);
}

/*
 * Which of these are wanted, and how much of those is here.  What is here
 * whole is settled first, so that nobody has to know of it.
 */
static enum err_code
look_at_packs(struct receiver *r, struct rmsg_staged *staged,
    size_t *staged_count, struct err *e)
{
	bool any = false;

	*staged_count = 0;
	for (size_t i = 0; i < r->entries_count; i++) {
		uint64_t size, have;
		bool adopted = false;
		struct id name;

		if (!rmsg_bit(r->wanted, i))
			continue;
		r->wanted[i / 8] &= (uint8_t) ~(1 << i % 8);
		entry_at(r, i, &name, &size);
		have = r->sink.staged(r->sink.ctx, &name, size);
		if (have == size &&
		    adopt(r, &name, size, &adopted, e) != ERR_NONE)
			return e->code;
		any |= adopted;
		if (adopted)
			continue;
		set_bit(r->wanted, i);
		r->tally.wanted_bytes += size;
		if (have >= RMSG_BLOCK_BYTES && have < size)
			staged[(*staged_count)++] =
			    (struct rmsg_staged){(uint32_t)i,
				(uint32_t)(have / RMSG_BLOCK_BYTES)};
	}
	return any ? r->sink.flush(r->sink.ctx, e) : ERR_NONE;
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

static enum err_code
take_packs(struct receiver *r, const struct rmsg *m, struct err *e)
{
	OWNED(free_mem) struct rmsg_staged *staged = NULL;
	const uint8_t *entries;
	size_t count, staged_count;

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
	staged = calloc(count + 1, sizeof(*staged));
	if (staged == NULL)
		return err_nomem(e);
	/* What came before is there for all connections to see. */
	if ((r->features & RMSG_PARTS) != 0 &&
	    r->settled_count < r->packs_count && flush(r, e) != ERR_NONE)
		return e->code;
	if (look_for_lacking(r, e) != ERR_NONE ||
	    look_at_packs(r, staged, &staged_count, e) != ERR_NONE ||
	    say_want(r, r->wanted, count, e) != ERR_NONE)
		return e->code;
	if ((r->features & RMSG_RESUME) == 0)
		return ERR_NONE;
	buf_clear(&r->reply);
	if (rmsg_put_staged(&r->reply, staged, staged_count, e) != ERR_NONE)
		return e->code;
	return say(r, RMSG_STAGED, e);
}

/* All packs of the session, whichever way they come. */
static enum err_code
settle_all(struct receiver *r, struct err *e)
{
	const struct receiver_share *share = r->sink.share;

	if (r->settled_count < r->packs_count && flush(r, e) != ERR_NONE)
		return e->code;
	return share == NULL ? ERR_NONE : share->settle(share->ctx, e);
}

/* A snapshot or a point: what it needs must be settled before. */
static enum err_code
take_file(struct receiver *r, const struct rmsg *m, enum rmsg_kind kind,
    struct err *e)
{
	struct err why = {0};
	enum err_code rc;

	if (settle_all(r, e) != ERR_NONE)
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

	if (settle_all(r, e) != ERR_NONE)
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

/* Below the highest that was seen here it is the end of the session. */
static enum err_code
take_epoch(struct receiver *r, const struct rmsg *m, struct err *e)
{
	struct rmsg_epoch said;

	if (rmsg_take_epoch(&said, m, e) != ERR_NONE)
		return e->code;
	if (r->epochs_count++ == RMSG_EPOCHS_MAX)
		return err_set(e, ERR_INPUT, "too many epochs in one session");
	return r->sink.epoch(r->sink.ctx, &said, e);
}

static enum err_code
take_wish(struct receiver *r, const struct rmsg *m, struct err *e)
{
	struct rmsg_wish wish;
	struct err why = {0};
	enum err_code rc;

	if (rmsg_take_wish(&wish, m, e) != ERR_NONE)
		return e->code;
	if ((r->features & RMSG_ACKS) == 0 ||
	    r->wishes_count == RMSG_OFFERED_MAX)
		return err_set(e, ERR_INPUT, "nothing is acknowledged here");
	buf_clear(&r->reply);
	rc = r->sink.acknowledge(r->sink.ctx, &wish, &r->reply, &why);
	r->wishes_count++;
	if (rc == ERR_NONE)
		return say(r, RMSG_ACKNOWLEDGED, e);
	if (is_objects_own(rc))
		return say_result(r, RMSG_KIND_ACK, r->wishes_count - 1, &why,
		    e);
	*e = why;
	return rc;
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

/* The pack's bytes come now; size_bytes of them count as in flight. */
static enum err_code
begin_body(struct receiver *r, size_t i, uint64_t from_bytes, struct err *e)
{
	struct err why = {0};
	struct id name;
	uint64_t size;

	entry_at(r, i, &name, &size);
	if (r->packs_count == UINT32_MAX)
		return err_set(e, ERR_INPUT, "too many packs in one session");
	r->wanted[i / 8] &= (uint8_t) ~(1 << i % 8);
	r->left_bytes = size - from_bytes;
	r->unsettled_bytes += size;
	r->refused = false;
	r->composing.count = r->composing.at = 0;
	r->composing.run_bytes = r->left_bytes;
	r->state = STATE_BODY;
	return pack_verdict(r,
	    r->sink.pack_begin(r->sink.ctx, &name, size, from_bytes, &why),
	    &why, e);
}

static bool
is_wanted(const struct receiver *r, size_t i)
{
	return i < r->entries_count && rmsg_bit(r->wanted, i);
}

static enum err_code
unasked(struct err *e)
{
	return err_set(e, ERR_INPUT, "a pack was sent that nobody asked for");
}

static enum err_code
take_pack(struct receiver *r, const struct rmsg *m, struct err *e)
{
	struct le_reader in;
	size_t i;

	le_init(&in, m->bytes, m->len_bytes);
	i = le_take32(&in);
	if (!le_done(&in) || !is_wanted(r, i))
		return unasked(e);
	return begin_body(r, i, 0, e);
}

static enum err_code
take_rest(struct receiver *r, const struct rmsg *m, struct err *e)
{
	struct rmsg_staged rest;
	struct id name;
	uint64_t size, from;

	if (rmsg_take_rest(&rest, m, e) != ERR_NONE)
		return e->code;
	if (!is_wanted(r, rest.ordinal))
		return unasked(e);
	entry_at(r, rest.ordinal, &name, &size);
	from = rest.blocks_count * RMSG_BLOCK_BYTES;
	if (from >= size)
		return err_set(e, ERR_INPUT, "the rest of a pack is nothing");
	return begin_body(r, rest.ordinal, from, e);
}

/* --- frames that are here --------------------------------------------------------- */

static enum err_code
take_frames(struct receiver *r, const struct rmsg *m, struct err *e)
{
	uint8_t bits[RMSG_FRAMES_MAX / 8] = {0};
	struct rmsg_frames f;

	if (rmsg_take_frames(&f, m, e) != ERR_NONE)
		return e->code;
	if (!is_wanted(r, f.ordinal))
		return err_set(e, ERR_INPUT,
		    "frames were offered of a pack that nobody asked for");
	for (size_t i = 0; i < f.count; i++) {
		struct store_frame frame = rmsg_frame_at(f.entries, i);

		if (!r->sink.has_frame(r->sink.ctx, &frame))
			set_bit(bits, i);
	}
	buf_clear(&r->reply);
	if (rmsg_put_lack(&r->reply, f.ordinal, bits, f.count, e) != ERR_NONE)
		return e->code;
	return say(r, RMSG_LACK, e);
}

static bool
comes(const struct composing *c, size_t i)
{
	return rmsg_bit(c->bits.bytes, i);
}

/* What comes until the next frame that is here, or until the end. */
static void
next_run(struct composing *c)
{
	for (; c->at < c->count && comes(c, c->at); c->at++)
		c->run_bytes +=
		    rmsg_frame_at(c->entries.bytes, c->at).len_bytes;
	if (c->at == c->count)
		c->run_bytes += c->foot_bytes;
}

static enum err_code
take_compose(struct receiver *r, const struct rmsg *m, struct err *e)
{
	struct composing *c = &r->composing;
	struct rmsg_frames f;
	uint64_t size, here = 0;
	struct id name;

	if (rmsg_take_frames(&f, m, e) != ERR_NONE)
		return e->code;
	if (!is_wanted(r, f.ordinal))
		return unasked(e);
	entry_at(r, f.ordinal, &name, &size);
	if (size <= RMSG_PACK_HEAD || f.bytes_count >= size - RMSG_PACK_HEAD)
		return err_set(e, ERR_INPUT,
		    "a pack's frames do not fit its size");
	buf_clear(&c->entries);
	buf_clear(&c->bits);
	if (buf_add(&c->entries, f.entries, f.count * RMSG_FRAME_ENTRY, e) !=
		ERR_NONE ||
	    buf_add(&c->bits, f.bits, (f.count + 7) / 8, e) != ERR_NONE ||
	    begin_body(r, f.ordinal, 0, e) != ERR_NONE)
		return e->code;
	c->count = f.count;
	for (size_t i = 0; i < f.count; i++)
		if (!comes(c, i))
			here += rmsg_frame_at(f.entries, i).len_bytes;
	c->foot_bytes = size - RMSG_PACK_HEAD - f.bytes_count;
	c->run_bytes = RMSG_PACK_HEAD;
	r->left_bytes = size - here;
	next_run(c);
	return ERR_NONE;
}

/* The frames that are here and whose turn it is. */
static enum err_code
add_frames(struct receiver *r, struct err *e)
{
	struct composing *c = &r->composing;

	while (!r->refused && c->run_bytes == 0 && c->at < c->count) {
		struct store_frame f = rmsg_frame_at(c->entries.bytes, c->at++);
		struct err why = {0};

		if (pack_verdict(r,
			r->sink.pack_add_frame(r->sink.ctx, &f, &why), &why,
			e) != ERR_NONE)
			return e->code;
		next_run(c);
	}
	return ERR_NONE;
}

static enum err_code
add_bytes(struct receiver *r, const uint8_t *bytes, size_t len_bytes,
    struct err *e)
{
	struct composing *c = &r->composing;

	while (!r->refused && len_bytes > 0) {
		size_t n =
		    len_bytes < c->run_bytes ? len_bytes : (size_t)c->run_bytes;
		struct err why = {0};

		if (pack_verdict(r,
			r->sink.pack_add(r->sink.ctx, bytes, n, &why), &why,
			e) != ERR_NONE)
			return e->code;
		bytes += n;
		len_bytes -= n;
		c->run_bytes -= n;
		if (add_frames(r, e) != ERR_NONE)
			return e->code;
	}
	return ERR_NONE;
}

/* --- its end --------------------------------------------------------------------------- */

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
say_got(struct receiver *r, struct err *e)
{
	uint8_t *at;

	if ((r->features & RMSG_GOTS) == 0 ||
	    r->got_bytes - r->told_bytes < RMSG_GOT_BYTES)
		return ERR_NONE;
	r->told_bytes = r->got_bytes;
	buf_clear(&r->reply);
	if (buf_extend(&r->reply, 8, &at, e) != ERR_NONE)
		return e->code;
	le_put64(at, r->got_bytes);
	return say(r, RMSG_GOT, e);
}

static enum err_code
take_data(struct receiver *r, const struct rmsg *m, struct err *e)
{
	if (m->len_bytes == 0 || m->len_bytes > r->left_bytes)
		return err_set(e, ERR_INPUT,
		    "a pack's data does not fit its size");
	r->left_bytes -= m->len_bytes;
	r->tally.pack_bytes += m->len_bytes;
	r->got_bytes += m->len_bytes;
	if (add_bytes(r, m->bytes, m->len_bytes, e) != ERR_NONE ||
	    say_got(r, e) != ERR_NONE)
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
take_other(struct receiver *r, const struct rmsg *m, struct err *e)
{
	switch (m->type) {
	case RMSG_SNAPSHOT: return take_file(r, m, RMSG_KIND_SNAPSHOT, e);
	case RMSG_POINT: return take_file(r, m, RMSG_KIND_POINT, e);
	case RMSG_GRANT: return take_file(r, m, RMSG_KIND_GRANT, e);
	case RMSG_ACKNOWLEDGE: return take_wish(r, m, e);
	default: return out_of_turn(m, e);
	}
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
	case RMSG_REST: return take_rest(r, m, e);
	case RMSG_FRAMES: return take_frames(r, m, e);
	case RMSG_COMPOSE: return take_compose(r, m, e);
	case RMSG_FLUSH: return flush(r, e);
	case RMSG_EPOCH: return take_epoch(r, m, e);
	case RMSG_BYE: return take_bye(r, e);
	default: return packs_only(r) ? out_of_turn(m, e) : take_other(r, m, e);
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
