#include "fetching.h"

#include <string.h>

#include <bascule/base/le.h>

#include "rmsg.h"

enum fetch_what {
	FETCH_PACK = 1,
	FETCH_SNAPSHOT = HEALPEER_SNAPSHOT,
	FETCH_POINT = HEALPEER_POINT,
	FETCH_CHUNK
};

struct question {
	uint8_t what, nth;
	uint32_t len_bytes;
	uint64_t offset_bytes;
	uint8_t family[STORE_FAMILY_BYTES];
	struct id id;
	char service[STORE_NAME_BYTES];
};

static enum err_code
put_question(struct buf *out, const struct question *q, struct err *e)
{
	uint8_t *at;

	buf_clear(out);
	if (buf_extend(out, RMSG_FETCH_BYTES, &at, e) != ERR_NONE)
		return e->code;
	memset(at, 0, RMSG_FETCH_BYTES);
	at[0] = q->what;
	at[1] = q->nth;
	le_put32(at + 4, q->len_bytes);
	le_put64(at + 8, q->offset_bytes);
	memcpy(at + 16, q->family, STORE_FAMILY_BYTES);
	memcpy(at + 32, q->id.bytes, ID_BYTES);
	return buf_add(out, q->service, strlen(q->service), e);
}

static enum err_code
take_question(struct question *q, const struct rmsg *m, struct err *e)
{
	struct le_reader r;
	const uint8_t *family, *id;
	uint16_t reserved;

	memset(q, 0, sizeof(*q));
	le_init(&r, m->bytes, m->len_bytes);
	q->what = le_take8(&r);
	q->nth = le_take8(&r);
	reserved = le_take16(&r);
	q->len_bytes = le_take32(&r);
	q->offset_bytes = le_take64(&r);
	family = le_take(&r, STORE_FAMILY_BYTES);
	id = le_take(&r, ID_BYTES);
	if (r.bad || reserved != 0 || q->what < FETCH_PACK ||
	    q->what > FETCH_CHUNK || q->len_bytes > HEALPEER_READ_BYTES ||
	    r.left_bytes >= sizeof(q->service))
		return err_set(e, ERR_INPUT, "malformed FETCH message");
	memcpy(q->family, family, STORE_FAMILY_BYTES);
	memcpy(q->id.bytes, id, ID_BYTES);
	memcpy(q->service, r.at, r.left_bytes);
	return ERR_NONE;
}

/* --- the side that has it ------------------------------------------------------- */

void
fetching_fini(struct fetching *f)
{
	store_close(&f->store);
	buf_fini(&f->payload);
}

static enum err_code
open_store(struct fetching *f, const struct question *q, struct err *e)
{
	const struct store_options opt = {.access = STORE_READ,
	    .network_fs_allowed = f->network_fs_allowed};
	enum err_code rc = ERR_NONE;

	if (!f->allowed) {
		err_set(e, ERR_REFUSED, "nothing may be fetched here");
		return err_hint(e,
		    "the far side must run "
		    "`bascule store serve --allow heal`");
	}
	if (f->store == NULL)
		rc = store_open(&f->store, f->path, &opt, e);
	if (rc == ERR_NONE &&
	    memcmp(store_family(f->store), q->family, STORE_FAMILY_BYTES) != 0)
		rc = err_set(e, ERR_REFUSED,
		    "'%s' is a copy of another repository", f->path);
	return rc;
}

static enum err_code
add_pack(struct fetching *f, const struct healpeer *p, const struct question *q,
    struct err *e)
{
	struct pack_info pack;
	uint8_t *at;
	enum err_code rc =
	    p->find(p->ctx, &q->id, q->what == FETCH_CHUNK, q->nth, &pack, e);

	if (rc == ERR_NONE &&
	    (q->offset_bytes > pack.size_bytes ||
		q->len_bytes > pack.size_bytes - q->offset_bytes))
		rc = err_set(e, ERR_INPUT, "it has not so many bytes");
	if (rc == ERR_NONE)
		rc = buf_extend(&f->payload, RMSG_FETCHED_HEAD + q->len_bytes,
		    &at, e);
	if (rc != ERR_NONE)
		return rc;
	memset(at, 0, RMSG_FETCHED_HEAD);
	memcpy(at, pack.name.bytes, ID_BYTES);
	le_put64(at + ID_BYTES, pack.size_bytes);
	at[ID_BYTES + 8] = pack.metadata ? 1 : 0;
	return q->len_bytes == 0 ? ERR_NONE
				 : p->read(p->ctx, &pack, q->offset_bytes,
				       at + RMSG_FETCHED_HEAD, q->len_bytes, e);
}

static enum err_code
add_file(struct fetching *f, const struct healpeer *p, const struct question *q,
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	uint8_t *at;
	enum err_code rc = p->file(p->ctx, (enum healpeer_file)q->what,
	    q->service, &q->id, &b, e);

	if (rc == ERR_NONE &&
	    b.len_bytes > RMSG_FILE_BYTES_MAX - RMSG_FETCHED_HEAD)
		rc = err_set(e, ERR_INPUT, "it is too large");
	if (rc == ERR_NONE)
		rc = buf_extend(&f->payload, RMSG_FETCHED_HEAD, &at, e);
	if (rc != ERR_NONE)
		return rc;
	memset(at, 0, RMSG_FETCHED_HEAD);
	memcpy(at, q->id.bytes, ID_BYTES);
	le_put64(at + ID_BYTES, b.len_bytes);
	return buf_add(&f->payload, b.bytes, b.len_bytes, e);
}

/* What is wrong with the one thing that was asked for ends nothing. */
static bool
is_its_own(enum err_code rc)
{
	return rc == ERR_NOTFOUND || rc == ERR_CORRUPT || rc == ERR_INPUT ||
	    rc == ERR_IO;
}

enum err_code
fetching_take(struct fetching *f, const struct rmsg *m, struct err *e)
{
	struct rmsg_result said = {.kind = RMSG_KIND_PACK};
	struct question q;
	struct healpeer p;
	enum err_code rc;

	if (m->type == RMSG_WORKING)
		return ERR_NONE; /* it reads what it has */
	if (m->type != RMSG_FETCH)
		return err_set(e, ERR_INPUT, "message of type %u out of turn",
		    (unsigned)m->type);
	if (take_question(&q, m, e) != ERR_NONE ||
	    open_store(f, &q, e) != ERR_NONE)
		return e->code;
	healpeer_of_store(&p, f->store);
	buf_clear(&f->payload);
	rc = q.what == FETCH_PACK || q.what == FETCH_CHUNK
	    ? add_pack(f, &p, &q, &said.why)
	    : add_file(f, &p, &q, &said.why);
	if (rc == ERR_NONE)
		return rlink_send(f->link, RMSG_FETCHED, &f->payload, NULL, 0,
		    e);
	if (!is_its_own(rc)) {
		*e = said.why;
		return rc;
	}
	buf_clear(&f->payload);
	said.why.code = rc;
	rc = rmsg_put_result(&f->payload, &said, e);
	return rc == ERR_NONE
	    ? rlink_send(f->link, RMSG_RESULT, &f->payload, NULL, 0, e)
	    : rc;
}

/* --- the side that asks --------------------------------------------------------------- */

struct fetcher {
	struct rlink link;
	uint8_t family[STORE_FAMILY_BYTES];
	struct buf payload;
	const struct heal_options *told;
};

/* The far side's answer; *m is borrowed until the next question. */
static enum err_code
hear(struct fetcher *f, struct rmsg *m, struct err *e)
{
	struct rmsg_result said;
	bool ended = false;
	enum err_code rc;

	do
		rc = rlink_read(&f->link, m, &ended, e);
	while (rc == ERR_NONE && !ended && m->type == RMSG_WORKING);
	if (rc == ERR_NONE && ended)
		rc = err_set(e, ERR_IO, "the far side has gone");
	if (rc != ERR_NONE)
		return rc;
	switch (m->type) {
	case RMSG_FETCHED:
		return m->len_bytes >= RMSG_FETCHED_HEAD
		    ? ERR_NONE
		    : err_set(e, ERR_IO, "malformed FETCHED message");
	case RMSG_RESULT:
		if (rmsg_take_result(&said, m, e) != ERR_NONE)
			return e->code;
		*e = said.why;
		/* Its disk is not ours: there may be another copy of it. */
		if (e->code == ERR_NONE || e->code == ERR_IO)
			e->code = ERR_NOTFOUND;
		return e->code;
	case RMSG_FAIL:
		if (rmsg_take_fail(&said.why, m, e) != ERR_NONE)
			return e->code;
		*e = said.why;
		/* Not what the one object is: the whole is refused. */
		if (e->code != ERR_TIMEOUT && e->code != ERR_TOONEW)
			e->code = ERR_IO;
		return e->code;
	default:
		return err_set(e, ERR_IO, "message of type %u out of turn",
		    (unsigned)m->type);
	}
}

static enum err_code
ask(struct fetcher *f, const struct question *q, struct rmsg *m, struct err *e)
{
	enum err_code rc = put_question(&f->payload, q, e);

	if (rc == ERR_NONE)
		rc = rlink_send(&f->link, RMSG_FETCH, &f->payload, NULL, 0, e);
	return rc == ERR_NONE ? hear(f, m, e) : rc;
}

static struct question
question_of(const struct fetcher *f, enum fetch_what what, const struct id *id)
{
	struct question q = {.what = (uint8_t)what, .id = *id};

	memcpy(q.family, f->family, sizeof(q.family));
	return q;
}

static enum err_code
find(void *ctx, const struct id *id, bool is_chunk, unsigned nth,
    struct pack_info *out, struct err *e)
{
	struct fetcher *f = ctx;
	struct question q =
	    question_of(f, is_chunk ? FETCH_CHUNK : FETCH_PACK, id);
	struct rmsg m;
	enum err_code rc;

	q.nth = (uint8_t)nth;
	rc = ask(f, &q, &m, e);
	if (rc != ERR_NONE)
		return rc;
	memcpy(out->name.bytes, m.bytes, ID_BYTES);
	out->size_bytes = le_get64(m.bytes + ID_BYTES);
	out->metadata = m.bytes[ID_BYTES + 8] != 0;
	return ERR_NONE;
}

static enum err_code
read_pack(void *ctx, const struct pack_info *pack, uint64_t offset_bytes,
    void *bytes, size_t len_bytes, struct err *e)
{
	struct fetcher *f = ctx;
	struct question q = question_of(f, FETCH_PACK, &pack->name);
	struct rmsg m;
	enum err_code rc;

	q.offset_bytes = offset_bytes;
	q.len_bytes = (uint32_t)len_bytes;
	rc = f->told->pace == NULL ? ERR_NONE
				   : f->told->pace(f->told->ctx, len_bytes, e);
	if (rc == ERR_NONE)
		rc = ask(f, &q, &m, e);
	if (rc == ERR_NONE && m.len_bytes != RMSG_FETCHED_HEAD + len_bytes)
		rc = err_set(e, ERR_IO, "the far side sent %zu bytes of %zu",
		    m.len_bytes - RMSG_FETCHED_HEAD, len_bytes);
	if (rc == ERR_NONE)
		memcpy(bytes, m.bytes + RMSG_FETCHED_HEAD, len_bytes);
	return rc;
}

static enum err_code
file(void *ctx, enum healpeer_file what, const char *service,
    const struct id *id, struct buf *out, struct err *e)
{
	struct fetcher *f = ctx;
	struct question q = question_of(f, (enum fetch_what)what, id);
	struct rmsg m;
	enum err_code rc;

	snprintf(q.service, sizeof(q.service), "%s", service);
	rc = ask(f, &q, &m, e);
	buf_clear(out);
	return rc == ERR_NONE ? buf_add(out, m.bytes + RMSG_FETCHED_HEAD,
				    m.len_bytes - RMSG_FETCHED_HEAD, e)
			      : rc;
}

#define ALIVE_NS (30 * NS_PER_S)

/* Reading all that is here takes longer than the far side's patience. */
static bool
on_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
	struct fetcher *f = ctx;
	struct err ignored;

	if (now_mono().ns - f->link.sent.ns > ALIVE_NS)
		(void)!rlink_send(&f->link, RMSG_WORKING, NULL, NULL, 0,
		    &ignored);
	return f->told->on_progress == NULL ||
	    f->told->on_progress(f->told->ctx, done_bytes, total_bytes);
}

static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct fetcher *f = ctx;

	if (f->told->on_damage != NULL)
		f->told->on_damage(f->told->ctx, object, what);
}

static void
on_healed(void *ctx, const char *object, const char *what)
{
	struct fetcher *f = ctx;

	if (f->told->on_healed != NULL)
		f->told->on_healed(f->told->ctx, object, what);
}

enum err_code
fetching_heal(struct store *st, const struct transport *t, const char *name,
    const struct heal_options *opt, struct heal_tally *out, struct err *e)
{
	struct fetcher f = {.told = opt};
	const struct healpeer peer = {name, find, read_pack, file, &f};
	struct heal_options with = *opt;
	enum err_code rc;

	memcpy(f.family, store_family(st), sizeof(f.family));
	rlink_init(&f.link, t);
	with.peer = &peer;
	with.on_progress = on_progress;
	with.on_damage = on_damage;
	with.on_healed = on_healed;
	with.pace = NULL; /* f's own */
	with.ctx = &f;
	rc = store_heal(st, &with, out, e);
	rlink_fini(&f.link);
	buf_fini(&f.payload);
	return rc;
}
