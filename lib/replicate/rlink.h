#ifndef LIB_REPLICATE_RLINK_H
#define LIB_REPLICATE_RLINK_H

#include "rmsg.h"

/*
 * Messages over a transport.  One thread reads; sending is safe from several,
 * because a receiver's heartbeat has a thread of its own.
 */
struct rlink {
	struct transport t;
	struct buf in; /* what was read, from in_at on not yet taken */
	size_t in_at;
	size_t data_left; /* of a DATA message, not yet handed out */
	struct buf out;   /* under lock, as what follows */
	struct mono sent; /* when something was last sent */
	pthread_mutex_t lock;
	uint64_t sent_bytes;
	uint64_t received_bytes; /* the reader's */
	/* As in struct replicate_options; NULL: none */
	enum err_code (*pace)(void *ctx, size_t bytes_count, struct err *e);
	void *pace_ctx;
};

void rlink_init(struct rlink *l, const struct transport *t);
void rlink_fini(struct rlink *l);

/* Two parts, so that a list needs no copy beside its head. */
enum err_code rlink_send(struct rlink *l, enum rmsg_type type,
    const struct buf *head, const void *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;

/*
 * The same of bytes that have RMSG_HEAD_BYTES of room in front of them: what a
 * pack is made of is not copied once more.
 */
enum err_code rlink_send_framed(struct rlink *l, enum rmsg_type type,
    uint8_t *room_and_bytes, size_t len_bytes, struct err *e) MUST_CHECK;

/*
 * The next message, a long DATA in pieces as it comes, each a DATA of its own:
 * what has come counts though the link ends before the message does; m->bytes are
 * borrowed until the next call.
 * *ended: the other side closed between two messages.  ERR_INPUT: not a
 * message; ERR_TIMEOUT: it ended in the middle of one, or the transport says.
 */
enum err_code rlink_read(struct rlink *l, struct rmsg *m, bool *ended,
    struct err *e) MUST_CHECK;

/* What was read and not taken, for saying what the other side did say. */
const uint8_t *rlink_rest(const struct rlink *l, size_t *len_bytes);

#endif
