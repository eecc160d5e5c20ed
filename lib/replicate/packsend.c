#include <stdlib.h>
#include <string.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#include "push.h"

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
	p->sent = calloc(p->packs.count + 1, sizeof(*p->sent));
	return p->sent == NULL ? err_nomem(e) : ERR_NONE;
}

/* Wait until a pack of this size may be in flight too. */
static enum err_code
await_credit(struct push *p, uint64_t size_bytes, struct err *e)
{
	while (p->settled_count < p->sent_count &&
	    (p->sent_count - p->settled_count >= p->welcome.credit_count ||
		p->unsettled_bytes > p->welcome.credit_bytes ||
		size_bytes > p->welcome.credit_bytes - p->unsettled_bytes)) {
		struct rmsg m;

		if (talk_expect(p, RMSG_SETTLED, &m, e) != ERR_NONE)
			return e->code;
	}
	return ERR_NONE;
}

static enum err_code
send_body(struct push *p, int fd, uint64_t size_bytes, struct err *e)
{
	while (size_bytes > 0) {
		size_t n = size_bytes < RMSG_DATA_BYTES_MAX
		    ? (size_t)size_bytes
		    : RMSG_DATA_BYTES_MAX;
		size_t got;

		if (fdio_read(fd, p->body.bytes, n, &got, e) != ERR_NONE)
			return err_wrap(e, "reading a pack");
		/* Shorter than it was: send what the far side will refuse. */
		memset(p->body.bytes + got, 0, n - got);
		if (talk_tell(p, RMSG_DATA, NULL, p->body.bytes, n, e) !=
		    ERR_NONE)
			return e->code;
		p->tally->pack_sent_bytes += n;
		size_bytes -= n;
	}
	return ERR_NONE;
}

static enum err_code
send_pack(struct push *p, size_t from, size_t i, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	const struct pack_info *pack = &p->packs.packs[from + i];
	struct err why = {0};
	uint8_t ordinal[4];

	if (store_open_pack(p->store, &pack->name, &fd, &why) != ERR_NONE) {
		p->tally->damaged_count++;
		talk_problem(p, "pack", &pack->name, &why);
		return ERR_NONE;
	}
	if (await_credit(p, pack->size_bytes, e) != ERR_NONE)
		return e->code;
	le_put32(ordinal, (uint32_t)i);
	if (talk_tell(p, RMSG_PACK, NULL, ordinal, sizeof(ordinal), e) !=
	    ERR_NONE)
		return e->code;
	p->sent[p->sent_count++] = (uint32_t)(from + i);
	p->unsettled_bytes += pack->size_bytes;
	if (send_body(p, fd, pack->size_bytes, e) != ERR_NONE)
		return e->code;
	p->tally->packs_sent_count++;
	return ERR_NONE;
}

/* Offer up to RMSG_PACKS_MAX; bits, of the caller: which are lacking. */
static enum err_code
offer_packs(struct push *p, size_t from, size_t count, uint8_t *bits,
    struct err *e)
{
	OWNED(buf_fini) struct buf payload = {0};
	const uint8_t *want;
	struct rmsg m;
	uint8_t *at;

	if (buf_extend(&payload, 8 + count * RMSG_PACK_ENTRY, &at, e) !=
	    ERR_NONE)
		return e->code;
	memset(at, 0, 8);
	le_put32(at, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		const struct pack_info *pack = &p->packs.packs[from + i];
		uint8_t *entry = at + 8 + i * RMSG_PACK_ENTRY;

		memcpy(entry, pack->name.bytes, ID_BYTES);
		le_put64(entry + ID_BYTES, pack->size_bytes);
	}
	if (talk_tell(p, RMSG_PACKS, &payload, NULL, 0, e) != ERR_NONE ||
	    talk_expect(p, RMSG_WANT, &m, e) != ERR_NONE ||
	    rmsg_take_want(&want, count, &m, e) != ERR_NONE)
		return e->code;
	memcpy(bits, want, (count + 7) / 8);
	for (size_t i = 0; i < count; i++)
		if (rmsg_bit(bits, i))
			p->tally->pack_bytes +=
			    p->packs.packs[from + i].size_bytes;
	return ERR_NONE;
}

enum err_code
packsend_all(struct push *p, struct err *e)
{
	uint8_t bits[RMSG_PACKS_MAX / 8], *at;
	struct rmsg m;

	if (needed_packs(p, e) != ERR_NONE ||
	    buf_extend(&p->body, RMSG_DATA_BYTES_MAX, &at, e) != ERR_NONE)
		return e->code;
	for (size_t from = 0; from < p->packs.count; from += RMSG_PACKS_MAX) {
		size_t count = p->packs.count - from < RMSG_PACKS_MAX
		    ? p->packs.count - from
		    : RMSG_PACKS_MAX;

		if (offer_packs(p, from, count, bits, e) != ERR_NONE)
			return e->code;
		for (size_t i = 0; i < count; i++)
			if (rmsg_bit(bits, i) &&
			    send_pack(p, from, i, e) != ERR_NONE)
				return e->code;
	}
	if (p->settled_count == p->sent_count)
		return ERR_NONE;
	if (talk_tell(p, RMSG_FLUSH, NULL, NULL, 0, e) != ERR_NONE)
		return e->code;
	while (p->settled_count < p->sent_count)
		if (talk_expect(p, RMSG_SETTLED, &m, e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}
