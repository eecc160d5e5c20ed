#include "rlink.h"

#include <string.h>

#define READ_BYTES ((size_t)128 << 10)
#define PACE_BYTES ((size_t)64 << 10)
#define DATA_BYTES ((size_t)64 << 10) /* at least, of a piece of DATA */

void
rlink_init(struct rlink *l, const struct transport *t)
{
	memset(l, 0, sizeof(*l));
	l->t = *t;
	pthread_mutex_init(&l->lock, NULL);
	l->sent = now_mono();
}

void
rlink_fini(struct rlink *l)
{
	buf_fini(&l->in);
	buf_fini(&l->out);
	pthread_mutex_destroy(&l->lock);
}

static enum err_code
put_together(struct buf *out, enum rmsg_type type, const struct buf *head,
    const void *bytes, size_t len_bytes, struct err *e)
{
	size_t head_bytes = head != NULL ? head->len_bytes : 0;
	uint8_t *at;

	buf_clear(out);
	if (buf_extend(out, RMSG_HEAD_BYTES, &at, e) != ERR_NONE)
		return e->code;
	rmsg_put_head(at, type, head_bytes + len_bytes);
	if (head_bytes > 0 &&
	    buf_add(out, head->bytes, head_bytes, e) != ERR_NONE)
		return e->code;
	return len_bytes > 0 ? buf_add(out, bytes, len_bytes, e) : ERR_NONE;
}

/* In small pieces where somebody meters them: no long silence, no bursts. */
static enum err_code
write_out(struct rlink *l, const uint8_t *bytes, size_t len_bytes,
    struct err *e)
{
	while (l->pace != NULL && len_bytes > 0) {
		size_t n = len_bytes < PACE_BYTES ? len_bytes : PACE_BYTES;

		if (l->pace(l->pace_ctx, n, e) != ERR_NONE ||
		    l->t.write(l->t.ctx, bytes, n, e) != ERR_NONE)
			return e->code;
		bytes += n;
		len_bytes -= n;
	}
	return len_bytes > 0 ? l->t.write(l->t.ctx, bytes, len_bytes, e)
			     : ERR_NONE;
}

/* Under lock. */
static enum err_code
send_whole(struct rlink *l, const uint8_t *bytes, size_t len_bytes,
    struct err *e)
{
	enum err_code rc = write_out(l, bytes, len_bytes, e);

	if (rc == ERR_NONE) {
		l->sent_bytes += len_bytes;
		l->sent = now_mono();
	}
	return rc;
}

enum err_code
rlink_send(struct rlink *l, enum rmsg_type type, const struct buf *head,
    const void *bytes, size_t len_bytes, struct err *e)
{
	enum err_code rc;

	pthread_mutex_lock(&l->lock);
	rc = put_together(&l->out, type, head, bytes, len_bytes, e);
	if (rc == ERR_NONE)
		rc = send_whole(l, l->out.bytes, l->out.len_bytes, e);
	pthread_mutex_unlock(&l->lock);
	return rc;
}

enum err_code
rlink_send_framed(struct rlink *l, enum rmsg_type type, uint8_t *room_and_bytes,
    size_t len_bytes, struct err *e)
{
	enum err_code rc;

	rmsg_put_head(room_and_bytes, type, len_bytes);
	pthread_mutex_lock(&l->lock);
	rc = send_whole(l, room_and_bytes, RMSG_HEAD_BYTES + len_bytes, e);
	pthread_mutex_unlock(&l->lock);
	return rc;
}

/* Read until want_bytes are there; *ended: nothing was and nothing comes. */
static enum err_code
fill(struct rlink *l, size_t want_bytes, bool *ended, struct err *e)
{
	while (l->in.len_bytes - l->in_at < want_bytes) {
		size_t have = l->in.len_bytes - l->in_at, got;

		if (l->in_at > 0) {
			memmove(l->in.bytes, l->in.bytes + l->in_at, have);
			l->in.len_bytes = have;
			l->in_at = 0;
		}
		if (buf_reserve(&l->in, READ_BYTES, e) != ERR_NONE ||
		    l->t.read(l->t.ctx, l->in.bytes + have, READ_BYTES, &got,
			e) != ERR_NONE)
			return e->code;
		if (got == 0) {
			*ended = have == 0;
			if (*ended)
				return ERR_NONE;
			return err_set(e, ERR_TIMEOUT,
			    "the other side went in the middle of a message");
		}
		l->in.len_bytes += got;
		l->received_bytes += got;
	}
	return ERR_NONE;
}

/* The next piece of DATA: all that is there of it, and that is not little. */
static enum err_code
read_data(struct rlink *l, struct rmsg *m, struct err *e)
{
	size_t least = l->data_left < DATA_BYTES ? l->data_left : DATA_BYTES;
	bool ended = false;
	size_t have;

	if (fill(l, least, &ended, e) != ERR_NONE)
		return e->code;
	if (ended)
		return err_set(e, ERR_TIMEOUT,
		    "the other side went in the middle of a message");
	have = l->in.len_bytes - l->in_at;
	m->type = RMSG_DATA;
	m->bytes = l->in.bytes + l->in_at;
	m->len_bytes = have < l->data_left ? have : l->data_left;
	l->in_at += m->len_bytes;
	l->data_left -= m->len_bytes;
	return ERR_NONE;
}

enum err_code
rlink_read(struct rlink *l, struct rmsg *m, bool *ended, struct err *e)
{
	size_t len;
	uint8_t type;

	*ended = false;
	memset(m, 0, sizeof(*m));
	if (l->data_left > 0)
		return read_data(l, m, e);
	if (fill(l, RMSG_HEAD_BYTES, ended, e) != ERR_NONE || *ended)
		return *ended ? ERR_NONE : e->code;
	if (rmsg_head(l->in.bytes + l->in_at, &type, &len, e) != ERR_NONE)
		return e->code;
	if (type == RMSG_DATA && len > DATA_BYTES) {
		l->in_at += RMSG_HEAD_BYTES;
		l->data_left = len;
		return read_data(l, m, e);
	}
	if (fill(l, RMSG_HEAD_BYTES + len, ended, e) != ERR_NONE)
		return e->code;
	m->type = (enum rmsg_type)type;
	m->bytes = l->in.bytes + l->in_at + RMSG_HEAD_BYTES;
	m->len_bytes = len;
	l->in_at += RMSG_HEAD_BYTES + len;
	return ERR_NONE;
}

const uint8_t *
rlink_rest(const struct rlink *l, size_t *len_bytes)
{
	*len_bytes = l->in.len_bytes - l->in_at;
	return *len_bytes > 0 ? l->in.bytes + l->in_at : NULL;
}
