#ifndef LIB_REPLICATE_RECEIVER_H
#define LIB_REPLICATE_RECEIVER_H

/*
 * The receiver's side of docs/protocol/store-serve.md as a state machine: each
 * message in, replies and calls on the repository out.  It does no I/O of its
 * own, so every sequence of messages can be tried on it.
 */

#include "rmsg.h"

/* What comes over several connections, a receiver for each (feature PARTS). */
struct receiver_share {
	/* Snapshots, points and grants come over another one. */
	bool packs_only;
	/*
	 * Of packs offered here (as in PACKS), those whose bits are set are not
	 * here: the bits stay that are for this connection.
	 */
	enum err_code (*assign)(void *ctx, const uint8_t *entries, size_t count,
	    uint8_t *bits, struct err *e);
	/* Wait until all that the others were to bring is here. */
	enum err_code (*settle)(void *ctx, struct err *e);
	void *ctx;
};

/* What stands behind it: a repository. */
struct receiver_sink {
	enum err_code (*open)(void *ctx, const struct rmsg_hello *h,
	    bool *created, struct err *e);
	/* Under which epoch a service comes.  ERR_BUSY: fenced. */
	enum err_code (
	    *epoch)(void *ctx, const struct rmsg_epoch *m, struct err *e);
	bool (*has)(void *ctx, enum rmsg_kind kind, const struct id *id);
	/* How much of a pack of that size an earlier session left here. */
	uint64_t (
	    *staged)(void *ctx, const struct id *name, uint64_t size_bytes);
	/* Behind so much of what is staged, or from the beginning. */
	enum err_code (*pack_begin)(void *ctx, const struct id *name,
	    uint64_t size_bytes, uint64_t from_bytes, struct err *e);
	enum err_code (*pack_add)(void *ctx, const void *bytes,
	    size_t len_bytes, struct err *e);
	/* The same frame, from another pack that is here. */
	bool (*has_frame)(void *ctx, const struct store_frame *f);
	enum err_code (*pack_add_frame)(void *ctx, const struct store_frame *f,
	    struct err *e);
	enum err_code (*pack_end)(void *ctx, struct err *e);
	enum err_code (*flush)(void *ctx, struct err *e);
	/* Its signed word that a point is here, into *out.  NULL: it gives none. */
	enum err_code (*acknowledge)(void *ctx, const struct rmsg_wish *m,
	    struct buf *out, struct err *e);
	enum err_code (*file)(void *ctx, enum rmsg_kind kind, const void *bytes,
	    size_t len_bytes, struct err *e);
	void *ctx;
	const struct receiver_share *share; /* borrowed.  NULL: it is alone */
};

/* What it answers with. */
struct receiver_voice {
	enum err_code (*say)(void *ctx, enum rmsg_type type,
	    const struct buf *payload, struct err *e);
	void *ctx;
};

struct receiver;

/* sink and voice: copied; what their ctx point to is borrowed until _free. */
enum err_code receiver_new(struct receiver **out,
    const struct receiver_sink *sink, const struct receiver_voice *voice,
    unsigned allow, struct err *e) MUST_CHECK;
void receiver_free(struct receiver **r);

/*
 * Take one message.  An error is final: tell the sender (FAIL) and end.
 * Single objects that were not taken are no error: the sender was told.
 */
enum err_code receiver_take(struct receiver *r, const struct rmsg *m,
    struct err *e) MUST_CHECK;

/* It has taken leave: nothing more may come. */
bool receiver_has_ended(const struct receiver *r);

const struct serve_tally *receiver_tally(const struct receiver *r);

#endif
