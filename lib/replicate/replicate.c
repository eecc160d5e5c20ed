#include <stdlib.h>
#include <string.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>
#include <bascule/base/text.h>

#include "rlink.h"

#define PROGRESS_NS    (250 * NS_PER_MS)
#define WORKING_MAX_NS (INT64_C(3600) * NS_PER_S)
#define QUOTED_BYTES   160

/* A snapshot or point to be offered. */
struct file {
	struct id id;
	char service[STORE_NAME_BYTES];
	bool wanted;
};

struct files {
	struct file *files;
	size_t count, wanted_count;
};

struct push {
	struct store *store;
	const struct replicate_options *opt;
	struct replicate_tally *tally;
	struct rlink link;
	struct files snapshots, points;
	struct pack_list packs;
	struct rmsg_welcome welcome;
	/* packs sent, in order: which of `packs`; and what is not settled */
	uint32_t *sent;
	uint64_t sent_count, settled_count, unsettled_bytes;
	struct mono shown, heard;
	struct buf body;
};

/* --- telling ------------------------------------------------------------------------ */

static void
problem(struct push *p, const char *what, const struct id *id,
    const struct err *why)
{
	char object[ID_HEX_BYTES + 32], hex[ID_HEX_BYTES];

	snprintf(object, sizeof(object), "%s %s", what, id_hex(id, hex));
	if (p->opt->on_problem != NULL)
		p->opt->on_problem(p->opt->ctx, object, why);
}

static enum err_code
show(struct push *p, struct err *e)
{
	struct mono now = now_mono();

	if (p->opt->cancel != NULL && *p->opt->cancel != 0)
		return err_set(e, ERR_CANCELLED, "asked to stop");
	p->tally->sent_bytes = p->link.sent_bytes;
	p->tally->received_bytes = p->link.received_bytes;
	if (now.ns - p->shown.ns >= PROGRESS_NS) {
		p->shown = now;
		if (p->opt->on_progress != NULL)
			p->opt->on_progress(p->opt->ctx, p->tally);
	}
	return ERR_NONE;
}

/* --- hearing -------------------------------------------------------------------------- */

static enum err_code
hear_fail(const struct rmsg *m, struct err *e)
{
	struct err why;

	if (rmsg_take_fail(&why, m, e) != ERR_NONE)
		return e->code;
	*e = why;
	return err_wrap(e, "the far side");
}

/* How many packs are settled; what they weighed is no longer in flight. */
static enum err_code
hear_settled(struct push *p, const struct rmsg *m, struct err *e)
{
	struct le_reader r;
	uint64_t count;

	le_init(&r, m->bytes, m->len_bytes);
	count = le_take64(&r);
	if (!le_done(&r) || count < p->settled_count || count > p->sent_count)
		return err_set(e, ERR_INPUT, "malformed SETTLED message");
	for (; p->settled_count < count; p->settled_count++)
		p->unsettled_bytes -=
		    p->packs.packs[p->sent[p->settled_count]].size_bytes;
	return ERR_NONE;
}

static enum err_code
hear_result(struct push *p, const struct rmsg *m, struct err *e)
{
	struct rmsg_result r;

	if (rmsg_take_result(&r, m, e) != ERR_NONE)
		return e->code;
	if (r.kind != RMSG_KIND_PACK || r.ordinal >= p->sent_count)
		return err_set(e, ERR_INPUT, "a RESULT out of turn");
	if (r.why.code == ERR_NONE || r.why.code == ERR_EXISTS)
		return ERR_NONE;
	p->tally->refused_count++;
	problem(p, "pack", &p->packs.packs[p->sent[r.ordinal]].name, &r.why);
	return ERR_NONE;
}

/*
 * The far side's first words are not ours: a login shell's greeting, a
 * program that is not bascule.  Quote them, it is the quickest explanation.
 */
static enum err_code
not_serving(struct push *p, struct err *e)
{
	OWNED(buf_fini) struct buf quoted = {0};
	size_t len;
	const uint8_t *rest = rlink_rest(&p->link, &len);

	len = len < QUOTED_BYTES ? len : QUOTED_BYTES;
	if (text_escape(&quoted, (const char *)rest, len, e) != ERR_NONE)
		return e->code;
	err_set(e, ERR_INPUT, "the far side does not speak store serve: '%s'",
	    buf_text(&quoted));
	return err_hint(e,
	    "is bascule there, and does the account's shell "
	    "print nothing of its own?");
}

/* The next message that is not only news; those are dealt with here. */
static enum err_code
hear(struct push *p, struct rmsg *m, struct err *e)
{
	for (;;) {
		bool ended, first = p->link.received_bytes == 0;
		enum err_code rc = rlink_read(&p->link, m, &ended, e);

		if (first && (rc == ERR_INPUT || rc == ERR_TIMEOUT) &&
		    p->link.received_bytes > 0)
			return not_serving(p, e);
		if (rc != ERR_NONE)
			return rc;
		if (ended)
			return err_set(e, ERR_IO, "the far side ended%s",
			    first ? " without a word" : " too early");
		if (m->type != RMSG_WORKING) {
			p->heard = now_mono();
		} else if (now_mono().ns - p->heard.ns > WORKING_MAX_NS) {
			return err_set(e, ERR_TIMEOUT,
			    "the far side has been busy for an hour");
		}
		if (m->type == RMSG_FAIL)
			return hear_fail(m, e);
		if (show(p, e) != ERR_NONE)
			return e->code;
		if (m->type == RMSG_SETTLED)
			return hear_settled(p, m, e);
		if (m->type != RMSG_WORKING)
			return ERR_NONE;
	}
}

/* The next message of this type; results of packs may come before it. */
static enum err_code
expect(struct push *p, enum rmsg_type type, struct rmsg *m, struct err *e)
{
	for (;;) {
		if (hear(p, m, e) != ERR_NONE)
			return e->code;
		if (m->type == type)
			return ERR_NONE;
		if (m->type == RMSG_RESULT) {
			if (hear_result(p, m, e) != ERR_NONE)
				return e->code;
		} else if (m->type != RMSG_SETTLED) {
			return err_set(e, ERR_INPUT,
			    "the far side sent a message of type %u out of "
			    "turn",
			    (unsigned)m->type);
		}
	}
}

/*
 * Sending failed because the far side has gone: if it said why before it
 * went, that is the better error.
 */
static enum err_code
last_words(struct push *p, struct err *e)
{
	struct err heard = {0};
	struct rmsg m;
	bool ended;

	if (e->code == ERR_CANCELLED || e->code == ERR_NOMEM)
		return e->code;
	while (rlink_read(&p->link, &m, &ended, &heard) == ERR_NONE && !ended)
		if (m.type == RMSG_FAIL && hear_fail(&m, &heard) != ERR_NONE) {
			*e = heard;
			break;
		}
	return e->code;
}

static enum err_code
tell(struct push *p, enum rmsg_type type, const struct buf *head,
    const void *bytes, size_t len_bytes, struct err *e)
{
	if (rlink_send(&p->link, type, head, bytes, len_bytes, e) != ERR_NONE)
		return last_words(p, e);
	return show(p, e);
}

/* --- what there is ---------------------------------------------------------------------- */

static void
files_fini(struct files *f)
{
	free(f->files);
	f->files = NULL;
	f->count = 0;
}

static enum err_code
files_make(struct files *f, size_t count, struct err *e)
{
	f->files = calloc(count + 1, sizeof(*f->files));
	return f->files == NULL ? err_nomem(e) : ERR_NONE;
}

static void
files_add(struct files *f, const struct id *id, const char *service)
{
	struct file *file = &f->files[f->count++];

	file->id = *id;
	memcpy(file->service, service, strlen(service) + 1);
}

static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct push *p = ctx;
	struct err why = {0};

	p->tally->damaged_count++;
	err_set(&why, ERR_CORRUPT, "%s", what);
	if (p->opt->on_problem != NULL)
		p->opt->on_problem(p->opt->ctx, object, &why);
}

static enum err_code
gather(struct push *p, struct err *e)
{
	OWNED(snapshot_list_fini) struct snapshot_list snapshots = {0};
	OWNED(point_list_fini) struct point_list points = {0};

	if (snapshot_list(&snapshots, p->store, p->opt->service, on_damage, p,
		e) != ERR_NONE ||
	    point_list(&points, p->store, p->opt->service, on_damage, p, e) !=
		ERR_NONE ||
	    files_make(&p->snapshots, snapshots.count, e) != ERR_NONE ||
	    files_make(&p->points, points.count, e) != ERR_NONE)
		return e->code;
	for (size_t i = 0; i < snapshots.count; i++) {
		const struct snapshot *s = &snapshots.snapshots[i];

		if ((s->flags & SNAPSHOT_CHECKPOINT) == 0)
			files_add(&p->snapshots, &s->id, s->service);
	}
	for (size_t i = 0; i < points.count; i++)
		files_add(&p->points, &points.points[i].id,
		    points.points[i].service);
	p->tally->snapshots_count = p->snapshots.count;
	p->tally->points_count = p->points.count;
	return ERR_NONE;
}

/* --- hello and offers ------------------------------------------------------------------- */

static enum err_code
say_hello(struct push *p, struct err *e)
{
	OWNED(buf_fini) struct buf payload = {0};
	struct rmsg_hello h = {
	    .version = RMSG_VERSION,
	    .features = RMSG_FEATURES,
	    .geometry = *store_geometry(p->store),
	};

	memcpy(h.family, store_family(p->store), STORE_FAMILY_BYTES);
	if (rmsg_put_hello(&payload, &h, e) != ERR_NONE)
		return e->code;
	return tell(p, RMSG_HELLO, &payload, NULL, 0, e);
}

static size_t
batch_of(const struct files *f, size_t from)
{
	return f->count - from < RMSG_OFFER_MAX ? f->count - from
						: RMSG_OFFER_MAX;
}

static enum err_code
offer(struct push *p, enum rmsg_kind kind, const struct files *f, size_t from,
    struct err *e)
{
	OWNED(buf_fini) struct buf payload = {0};
	size_t count = batch_of(f, from);
	uint8_t *at;

	if (buf_extend(&payload, 8 + count * ID_BYTES, &at, e) != ERR_NONE)
		return e->code;
	memset(at, 0, 8);
	at[0] = (uint8_t)kind;
	le_put32(at + 4, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		memcpy(at + 8 + i * ID_BYTES, f->files[from + i].id.bytes,
		    ID_BYTES);
	return tell(p, RMSG_OFFER, &payload, NULL, 0, e);
}

static enum err_code
hear_want(struct push *p, struct files *f, size_t from, struct err *e)
{
	size_t count = batch_of(f, from);
	const uint8_t *bits;
	struct rmsg m;

	if (expect(p, RMSG_WANT, &m, e) != ERR_NONE ||
	    rmsg_take_want(&bits, count, &m, e) != ERR_NONE)
		return e->code;
	for (size_t i = 0; i < count; i++)
		if (rmsg_bit(bits, i)) {
			f->files[from + i].wanted = true;
			f->wanted_count++;
		}
	return ERR_NONE;
}

static enum err_code
offer_rest(struct push *p, enum rmsg_kind kind, struct files *f, struct err *e)
{
	for (size_t from = RMSG_OFFER_MAX; from < f->count;
	     from += RMSG_OFFER_MAX)
		if (offer(p, kind, f, from, e) != ERR_NONE ||
		    hear_want(p, f, from, e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}

/* All that one round trip can carry, before anything is waited for. */
static enum err_code
greet(struct push *p, struct err *e)
{
	struct rmsg m;

	if (say_hello(p, e) != ERR_NONE ||
	    offer(p, RMSG_KIND_SNAPSHOT, &p->snapshots, 0, e) != ERR_NONE ||
	    offer(p, RMSG_KIND_POINT, &p->points, 0, e) != ERR_NONE ||
	    expect(p, RMSG_WELCOME, &m, e) != ERR_NONE ||
	    rmsg_take_welcome(&p->welcome, &m, e) != ERR_NONE ||
	    hear_want(p, &p->snapshots, 0, e) != ERR_NONE ||
	    hear_want(p, &p->points, 0, e) != ERR_NONE)
		return e->code;
	p->tally->copy_created = p->welcome.created;
	if (offer_rest(p, RMSG_KIND_SNAPSHOT, &p->snapshots, e) != ERR_NONE)
		return e->code;
	return offer_rest(p, RMSG_KIND_POINT, &p->points, e);
}

/* --- packs --------------------------------------------------------------------------------- */

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

		if (expect(p, RMSG_SETTLED, &m, e) != ERR_NONE)
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
		if (tell(p, RMSG_DATA, NULL, p->body.bytes, n, e) != ERR_NONE)
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
		problem(p, "pack", &pack->name, &why);
		return ERR_NONE;
	}
	if (await_credit(p, pack->size_bytes, e) != ERR_NONE)
		return e->code;
	le_put32(ordinal, (uint32_t)i);
	if (tell(p, RMSG_PACK, NULL, ordinal, sizeof(ordinal), e) != ERR_NONE)
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
	if (tell(p, RMSG_PACKS, &payload, NULL, 0, e) != ERR_NONE ||
	    expect(p, RMSG_WANT, &m, e) != ERR_NONE ||
	    rmsg_take_want(&want, count, &m, e) != ERR_NONE)
		return e->code;
	memcpy(bits, want, (count + 7) / 8);
	for (size_t i = 0; i < count; i++)
		if (rmsg_bit(bits, i))
			p->tally->pack_bytes +=
			    p->packs.packs[from + i].size_bytes;
	return ERR_NONE;
}

static enum err_code
send_packs(struct push *p, struct err *e)
{
	uint8_t bits[RMSG_PACKS_MAX / 8], *at;
	struct rmsg m;

	if (buf_extend(&p->body, RMSG_DATA_BYTES_MAX, &at, e) != ERR_NONE)
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
	if (tell(p, RMSG_FLUSH, NULL, NULL, 0, e) != ERR_NONE)
		return e->code;
	while (p->settled_count < p->sent_count)
		if (expect(p, RMSG_SETTLED, &m, e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}

/* --- snapshots and points ---------------------------------------------------------------------- */

struct way {
	enum rmsg_kind kind;
	enum rmsg_type type;
	const char *name;
	enum err_code (*bytes)(struct store *st, const char *service,
	    const struct id *id, struct buf *out, struct err *e);
	struct files *files;
	uint64_t *done_count;
	size_t *sent; /* which of files, in order */
	size_t sent_count, answered_count;
};

static enum err_code
hear_answer(struct push *p, struct way *w, struct err *e)
{
	struct rmsg_result r;
	struct rmsg m;

	do {
		if (hear(p, &m, e) != ERR_NONE)
			return e->code;
	} while (m.type == RMSG_SETTLED);
	if (m.type != RMSG_RESULT || rmsg_take_result(&r, &m, e) != ERR_NONE ||
	    r.kind != w->kind || r.ordinal != w->answered_count)
		return err_set(e, ERR_INPUT,
		    "the far side answered something else");
	if (r.why.code == ERR_NONE || r.why.code == ERR_EXISTS) {
		(*w->done_count)++;
	} else {
		p->tally->refused_count++;
		problem(p, w->name,
		    &w->files->files[w->sent[w->answered_count]].id, &r.why);
	}
	w->answered_count++;
	return ERR_NONE;
}

static enum err_code
send_file(struct push *p, struct way *w, size_t i, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	const struct file *f = &w->files->files[i];
	struct err why = {0};

	if (w->bytes(p->store, f->service, &f->id, &bytes, &why) != ERR_NONE) {
		p->tally->damaged_count++;
		problem(p, w->name, &f->id, &why);
		return ERR_NONE;
	}
	if (w->sent_count - w->answered_count == RMSG_UNANSWERED_MAX &&
	    hear_answer(p, w, e) != ERR_NONE)
		return e->code;
	w->sent[w->sent_count++] = i;
	return tell(p, w->type, NULL, bytes.bytes, bytes.len_bytes, e);
}

static enum err_code
send_files(struct push *p, struct way *w, struct err *e)
{
	OWNED(free_mem) size_t *sent = NULL;

	sent = calloc(w->files->wanted_count + 1, sizeof(*sent));
	if (sent == NULL)
		return err_nomem(e);
	w->sent = sent;
	for (size_t i = 0; i < w->files->count; i++)
		if (w->files->files[i].wanted &&
		    send_file(p, w, i, e) != ERR_NONE)
			return e->code;
	while (w->answered_count < w->sent_count)
		if (hear_answer(p, w, e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}

/* --- all of it -------------------------------------------------------------------------------------- */

static enum err_code
take_leave(struct push *p, struct err *e)
{
	struct err ignored = {0};
	struct rmsg m;

	/* Nothing was sent: nobody's answer is worth a round trip. */
	if (p->snapshots.wanted_count + p->points.wanted_count == 0) {
		(void)!rlink_send(&p->link, RMSG_BYE, NULL, NULL, 0, &ignored);
		return ERR_NONE;
	}
	if (tell(p, RMSG_BYE, NULL, NULL, 0, e) != ERR_NONE)
		return e->code;
	return expect(p, RMSG_FAREWELL, &m, e);
}

static enum err_code
run(struct push *p, struct err *e)
{
	struct way snapshots = {RMSG_KIND_SNAPSHOT, RMSG_SNAPSHOT, "snapshot",
	    store_snapshot_bytes, &p->snapshots,
	    &p->tally->snapshots_sent_count, NULL, 0, 0};
	struct way points = {RMSG_KIND_POINT, RMSG_POINT, "point",
	    store_point_bytes, &p->points, &p->tally->points_sent_count, NULL,
	    0, 0};

	if (gather(p, e) != ERR_NONE || greet(p, e) != ERR_NONE)
		return e->code;
	if (p->snapshots.wanted_count > 0 &&
	    (needed_packs(p, e) != ERR_NONE || send_packs(p, e) != ERR_NONE))
		return e->code;
	if (send_files(p, &snapshots, e) != ERR_NONE ||
	    send_files(p, &points, e) != ERR_NONE)
		return e->code;
	return take_leave(p, e);
}

enum err_code
replicate_push(struct store *st, const struct transport *t,
    const struct replicate_options *opt, struct replicate_tally *out,
    struct err *e)
{
	struct push p = {.store = st, .opt = opt, .tally = out};
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	rlink_init(&p.link, t);
	p.heard = now_mono();
	rc = run(&p, e);
	/* Nonsense on the wire is the far side's fault, not our caller's. */
	if (rc == ERR_INPUT)
		rc = e->code = ERR_IO;
	out->sent_bytes = p.link.sent_bytes;
	out->received_bytes = p.link.received_bytes;
	files_fini(&p.snapshots);
	files_fini(&p.points);
	pack_list_fini(&p.packs);
	free(p.sent);
	buf_fini(&p.body);
	rlink_fini(&p.link);
	return rc;
}
