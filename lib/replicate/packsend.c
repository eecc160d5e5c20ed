#include <stdlib.h>
#include <string.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#include "push.h"

/* With its head eight of libssh2's packets, and not a ninth of a few bytes. */
#define PIECE_BYTES ((size_t)8 * 32700 - RMSG_HEAD_BYTES)

/* --- what is there ------------------------------------------------------------ */

static enum err_code
needed_packs(struct push *p, struct err *e)
{
	OWNED(free_mem) struct id *ids = NULL;
	size_t n = 0;

	ids = calloc(p->snapshots.wanted_count + 1, sizeof(*ids));
	if (ids == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < p->snapshots.count; i++)
		if (p->snapshots.files[i].wanted)
			ids[n++] = p->snapshots.files[i].id;
	if (store_needed_packs(&p->packs, p->store, ids, n, e) != ERR_NONE)
		return err_wrap(e, "finding the packs to send");
	p->tally->packs_count = p->packs.count;
	p->fates = calloc(p->packs.count + 1, sizeof(*p->fates));
	return p->fates == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
hear_staged(struct lane *l, const uint32_t *packs, size_t count, struct err *e)
{
	struct push *p = l->push;
	const uint8_t *entries;
	struct rmsg m;
	size_t n;

	if ((l->welcome.features & RMSG_RESUME) == 0)
		return ERR_NONE;
	if (talk_expect(l, RMSG_STAGED, &m, e) != ERR_NONE ||
	    rmsg_take_staged(&entries, &n, count, &m, e) != ERR_NONE)
		return e->code;
	for (size_t i = 0; i < n; i++) {
		struct rmsg_staged s = rmsg_staged_at(entries, i);
		uint32_t pack = packs[s.ordinal];

		if (s.blocks_count * RMSG_BLOCK_BYTES <
		    p->packs.packs[pack].size_bytes)
			p->fates[pack].blocks_count = s.blocks_count;
	}
	return ERR_NONE;
}

static void
note_want(struct push *p, uint32_t pack, bool wanted)
{
	struct push_pack *fate = &p->fates[pack];

	pthread_mutex_lock(&p->lock);
	if (wanted && !fate->wanted)
		p->tally->pack_bytes += p->packs.packs[pack].size_bytes;
	else if (!wanted && fate->wanted)
		p->tally->pack_bytes -= p->packs.packs[pack].size_bytes;
	pthread_mutex_unlock(&p->lock);
	fate->wanted = wanted;
	fate->blocks_count = 0;
}

static void
note_round_trip(struct push *p, struct mono begun)
{
	int64_t ns = now_mono().ns - begun.ns;

	pthread_mutex_lock(&p->lock);
	if (ns < p->tally->round_trip_ns)
		p->tally->round_trip_ns = ns;
	pthread_mutex_unlock(&p->lock);
}

enum err_code
packsend_ask(struct lane *l, const uint32_t *packs, size_t count, struct err *e)
{
	OWNED(buf_fini) struct buf payload = {0};
	struct mono begun = now_mono();
	const uint8_t *want;
	struct rmsg m;
	uint8_t *at;

	if (buf_extend(&payload, 8 + count * RMSG_PACK_ENTRY, &at, e) !=
	    ERR_NONE)
		return e->code;
	memset(at, 0, 8);
	le_put32(at, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		const struct pack_info *pack = &l->push->packs.packs[packs[i]];
		uint8_t *entry = at + 8 + i * RMSG_PACK_ENTRY;

		memcpy(entry, pack->name.bytes, ID_BYTES);
		le_put64(entry + ID_BYTES, pack->size_bytes);
	}
	if (talk_tell(l, RMSG_PACKS, &payload, NULL, 0, e) != ERR_NONE ||
	    talk_expect(l, RMSG_WANT, &m, e) != ERR_NONE ||
	    rmsg_take_want(&want, count, &m, e) != ERR_NONE)
		return e->code;
	note_round_trip(l->push, begun);
	for (size_t i = 0; i < count; i++)
		note_want(l->push, packs[i], rmsg_bit(want, i));
	return hear_staged(l, packs, count, e);
}

/* --- one pack --------------------------------------------------------------------- */

/* Wait until a pack of this size may be in flight too. */
static enum err_code
await_credit(struct lane *l, uint64_t size_bytes, struct err *e)
{
	while (l->settled_count < l->sent_count &&
	    (l->sent_count - l->settled_count >= l->welcome.credit_count ||
		l->unsettled_bytes > l->welcome.credit_bytes ||
		size_bytes > l->welcome.credit_bytes - l->unsettled_bytes)) {
		struct rmsg m;

		if (talk_expect(l, RMSG_SETTLED, &m, e) != ERR_NONE)
			return e->code;
	}
	return ERR_NONE;
}

enum err_code
packsend_note(struct lane *l, uint32_t pack, bool derived, struct err *e)
{
	if (l->sent_count == l->sent_room) {
		size_t room = l->sent_room == 0 ? 64 : l->sent_room * 2;
		struct push_sent *sent =
		    reallocarray(l->sent, room, sizeof(*sent));

		if (sent == NULL)
			return err_nomem(e);
		l->sent = sent;
		l->sent_room = room;
	}
	l->sent[l->sent_count++] = (struct push_sent){pack, derived};
	l->unsettled_bytes += l->push->packs.packs[pack].size_bytes;
	return ERR_NONE;
}

/* Wait until so many bytes may be under way too. */
static enum err_code
await_flight(struct lane *l, size_t bytes, struct err *e)
{
	if ((l->welcome.features & RMSG_GOTS) == 0)
		return ERR_NONE;
	while (!flight_may(&l->flight, bytes)) {
		struct rmsg m;

		if (talk_expect(l, RMSG_GOT, &m, e) != ERR_NONE)
			return e->code;
	}
	flight_sent(&l->flight, bytes, now_mono());
	return ERR_NONE;
}

enum err_code
packsend_range(struct lane *l, int fd, uint64_t from, uint64_t to,
    struct err *e)
{
	if (lseek(fd, (off_t)from, SEEK_SET) == -1)
		return err_sys(e, "cannot read a pack");
	while (from < to) {
		size_t n =
		    to - from < PIECE_BYTES ? (size_t)(to - from) : PIECE_BYTES;
		uint8_t *bytes = l->body.bytes + RMSG_HEAD_BYTES;
		size_t got;

		if (fdio_read(fd, bytes, n, &got, e) != ERR_NONE)
			return err_wrap(e, "reading a pack");
		/* Shorter than it was: send what the far side will refuse. */
		memset(bytes + got, 0, n - got);
		if (await_flight(l, n, e) != ERR_NONE ||
		    talk_tell_body(l, RMSG_DATA, n, e) != ERR_NONE)
			return e->code;
		talk_count(l->push, &l->push->tally->pack_sent_bytes, n);
		from += n;
	}
	return ERR_NONE;
}

static enum err_code
send_whole(struct lane *l, const struct push_sending *s, struct err *e)
{
	uint8_t ordinal[4];

	le_put32(ordinal, s->ordinal);
	if (talk_tell(l, RMSG_PACK, NULL, ordinal, sizeof(ordinal), e) !=
		ERR_NONE ||
	    packsend_note(l, s->pack, false, e) != ERR_NONE)
		return e->code;
	return packsend_range(l, s->fd, 0, s->size_bytes, e);
}

static enum err_code
send_rest(struct lane *l, const struct push_sending *s, struct err *e)
{
	uint32_t blocks = l->push->fates[s->pack].blocks_count;
	uint64_t from = blocks * RMSG_BLOCK_BYTES;
	uint8_t rest[8];

	le_put32(rest, s->ordinal);
	le_put32(rest + 4, blocks);
	talk_count(l->push, &l->push->tally->resumed_bytes, from);
	if (talk_tell(l, RMSG_REST, NULL, rest, sizeof(rest), e) != ERR_NONE ||
	    packsend_note(l, s->pack, true, e) != ERR_NONE)
		return e->code;
	return packsend_range(l, s->fd, from, s->size_bytes, e);
}

/* --- packs --------------------------------------------------------------------------- */

static enum err_code
open_pack(struct push *p, uint32_t pack, int *fd, struct err *e)
{
	enum err_code rc;

	pthread_mutex_lock(&p->lock);
	rc = store_open_pack(p->store, &p->packs.packs[pack].name, fd, e);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* Could some of its frames be there?  In a new copy there are none. */
static bool
is_worth_asking(const struct lane *l, uint32_t pack)
{
	const struct push_pack *fate = &l->push->fates[pack];

	return (l->welcome.features & RMSG_COMPOSING) != 0 &&
	    !l->push->tally->copy_created && fate->wanted && !fate->again &&
	    fate->blocks_count == 0;
}

static enum err_code
ask_frames(struct lane *l, uint32_t ordinal, uint32_t pack, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	struct err ignored = {0};

	/* What cannot be read is found and told when it should be sent. */
	return !is_worth_asking(l, pack) ||
		open_pack(l->push, pack, &fd, &ignored) != ERR_NONE
	    ? ERR_NONE
	    : framesend_ask(l, ordinal, fd, e);
}

static enum err_code
send_somehow(struct lane *l, const struct push_sending *s, bool composed,
    struct err *e)
{
	const struct push_pack *fate = &l->push->fates[s->pack];

	if (composed)
		return framesend_send(l, s, e);
	return fate->blocks_count > 0 && !fate->again ? send_rest(l, s, e)
						      : send_whole(l, s, e);
}

static enum err_code
send_pack(struct lane *l, uint32_t ordinal, uint32_t pack, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	struct push *p = l->push;
	struct push_sending s = {ordinal, pack, p->packs.packs[pack].size_bytes,
	    -1};
	struct err why = {0};
	bool composed;

	if (framesend_await(l, &s, &composed, e) != ERR_NONE)
		return e->code;
	if (open_pack(p, pack, &fd, &why) != ERR_NONE) {
		talk_count(p, &p->tally->damaged_count, 1);
		talk_problem(p, "pack", &p->packs.packs[pack].name, &why);
		return ERR_NONE;
	}
	s.fd = fd;
	if (await_credit(l, s.size_bytes, e) != ERR_NONE ||
	    send_somehow(l, &s, composed, e) != ERR_NONE)
		return e->code;
	talk_count(p, &p->tally->packs_sent_count, 1);
	return ERR_NONE;
}

static enum err_code
send_each(struct lane *l, const uint32_t *packs, size_t count, struct err *e)
{
	size_t ahead = 0;

	for (size_t i = 0; i < count; i++) {
		for (; ahead < count && ahead < i + PUSH_AHEAD_COUNT; ahead++)
			if (ask_frames(l, (uint32_t)ahead, packs[ahead], e) !=
			    ERR_NONE)
				return e->code;
		if (l->push->fates[packs[i]].wanted &&
		    send_pack(l, (uint32_t)i, packs[i], e) != ERR_NONE)
			return e->code;
	}
	return ERR_NONE;
}

enum err_code
packsend_batch(struct lane *l, const uint32_t *packs, size_t count,
    struct err *e)
{
	enum err_code rc = ERR_NONE;
	uint8_t *at;

	if (l->body.len_bytes == 0)
		rc =
		    buf_extend(&l->body, RMSG_HEAD_BYTES + PIECE_BYTES, &at, e);
	if (rc == ERR_NONE)
		rc = send_each(l, packs, count, e);
	framesend_fini(l);
	return rc;
}

enum err_code
packsend_settle(struct lane *l, struct err *e)
{
	struct rmsg m;

	if (l->settled_count == l->sent_count)
		return ERR_NONE;
	if (talk_tell(l, RMSG_FLUSH, NULL, NULL, 0, e) != ERR_NONE)
		return e->code;
	while (l->settled_count < l->sent_count)
		if (talk_expect(l, RMSG_SETTLED, &m, e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}

/* All of each pack that what was there of it was no good for. */
static enum err_code
send_again(struct push *p, struct err *e)
{
	OWNED(free_mem) uint32_t *packs = NULL;
	size_t count = 0;

	packs = calloc(RMSG_PACKS_MAX, sizeof(*packs));
	if (packs == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < p->packs.count; i++) {
		if (p->fates[i].again) {
			packs[count++] = (uint32_t)i;
			p->tally->again_bytes += p->packs.packs[i].size_bytes;
		}
		if (count == 0 ||
		    (count < RMSG_PACKS_MAX && i + 1 < p->packs.count))
			continue;
		if (packsend_ask(&p->first, packs, count, e) != ERR_NONE ||
		    packsend_batch(&p->first, packs, count, e) != ERR_NONE)
			return e->code;
		count = 0;
	}
	return packsend_settle(&p->first, e);
}

enum err_code
packsend_all(struct push *p, struct err *e)
{
	OWNED(free_mem) uint32_t *packs = NULL;

	if (needed_packs(p, e) != ERR_NONE)
		return e->code;
	packs = calloc(RMSG_PACKS_MAX, sizeof(*packs));
	if (packs == NULL)
		return err_nomem(e);
	for (size_t from = 0; from < p->packs.count; from += RMSG_PACKS_MAX) {
		size_t count = p->packs.count - from < RMSG_PACKS_MAX
		    ? p->packs.count - from
		    : RMSG_PACKS_MAX;

		for (size_t i = 0; i < count; i++)
			packs[i] = (uint32_t)(from + i);
		if (packsend_ask(&p->first, packs, count, e) != ERR_NONE ||
		    lanes_send(p, packs, count, e) != ERR_NONE)
			return e->code;
	}
	if (packsend_settle(&p->first, e) != ERR_NONE)
		return e->code;
	return send_again(p, e);
}
