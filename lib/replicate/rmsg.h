#ifndef LIB_REPLICATE_RMSG_H
#define LIB_REPLICATE_RMSG_H

/* The messages of docs/protocol/store-serve.md: whole ones in and out. */

#include <pthread.h>

#include <bascule/base/buf.h>
#include <bascule/base/id.h>
#include <bascule/base/now.h>
#include <bascule/replicate.h>
#include <bascule/store.h>

#define RMSG_HEAD_BYTES  8
#define RMSG_MAGIC       "BscServe"
#define RMSG_MAGIC_BYTES 8
#define RMSG_VERSION     1
#define RMSG_GRANTS      UINT64_C(1)   /* GRANT, and OFFER of kind 4 */
#define RMSG_RESUME      UINT64_C(2)   /* STAGED, and REST */
#define RMSG_COMPOSING   UINT64_C(4)   /* FRAMES, LACK and COMPOSE */
#define RMSG_GOTS        UINT64_C(8)   /* GOT */
#define RMSG_EPOCHS      UINT64_C(16)  /* EPOCH */
#define RMSG_ACKS        UINT64_C(32)  /* ACKNOWLEDGE */
#define RMSG_PARTS       UINT64_C(64)  /* WELCOME may ask for packs only */
#define RMSG_SLICED      UINT64_C(128) /* sliced frames */
#define RMSG_FEATURES                                             \
	(RMSG_GRANTS | RMSG_RESUME | RMSG_COMPOSING | RMSG_GOTS | \
	    RMSG_EPOCHS | RMSG_ACKS | RMSG_PARTS | RMSG_SLICED)
#define RMSG_OFFER_MAX       16384
#define RMSG_PACKS_MAX       4096
#define RMSG_PACK_ENTRY      40
#define RMSG_DATA_BYTES_MAX  ((size_t)1 << 20)
#define RMSG_BLOCK_BYTES     ((uint64_t)65536)     /* what REST counts in */
#define RMSG_GOT_BYTES       ((uint64_t)256 << 10) /* of DATA, from GOT to GOT */
#define RMSG_FRAMES_MAX      4096 /* of a pack that is asked about */
#define RMSG_FRAME_ENTRY     68
#define RMSG_PACK_HEAD       32 /* of a pack, before its first frame */
#define RMSG_FILE_BYTES_MAX  ((size_t)2 << 20)
#define RMSG_POINT_BYTES_MAX 4096
#define RMSG_PACK_BYTES_MAX  ((uint64_t)64 << 20)
#define RMSG_RESULT_TEXT     512
#define RMSG_FAIL_TEXT       2048
#define RMSG_CREDIT_COUNT    64
#define RMSG_CREDIT_BYTES    ((uint64_t)128 << 20)
#define RMSG_UNANSWERED_MAX  64                  /* snapshots or points */
#define RMSG_OFFERED_MAX     ((uint64_t)1 << 20) /* of a kind, in a session */
#define RMSG_FETCH_BYTES     64                  /* and a service's name */
#define RMSG_FETCHED_HEAD    48
#define RMSG_EPOCHS_MAX      4096 /* EPOCHs of a session */
#define RMSG_ACK_BYTES_MAX   4096
#define RMSG_QUIET_NS        (5 * NS_PER_S)

enum rmsg_type {
	RMSG_HELLO = 1,
	RMSG_OFFER,
	RMSG_PACKS,
	RMSG_PACK,
	RMSG_DATA,
	RMSG_FLUSH,
	RMSG_SNAPSHOT,
	RMSG_POINT,
	RMSG_BYE,
	RMSG_GRANT,
	RMSG_REST,
	RMSG_FRAMES,
	RMSG_COMPOSE,
	RMSG_FETCH,
	RMSG_EPOCH,
	RMSG_ACKNOWLEDGE,
	RMSG_WELCOME = 129,
	RMSG_WANT,
	RMSG_SETTLED,
	RMSG_RESULT,
	RMSG_WORKING,
	RMSG_FAIL,
	RMSG_FAREWELL,
	RMSG_STAGED,
	RMSG_LACK,
	RMSG_GOT,
	RMSG_FETCHED,
	RMSG_ACKNOWLEDGED
};

enum rmsg_kind {
	RMSG_KIND_PACK = 1,
	RMSG_KIND_SNAPSHOT,
	RMSG_KIND_POINT,
	RMSG_KIND_GRANT,
	RMSG_KIND_ACK /* of RESULT alone */
};

struct rmsg {
	enum rmsg_type type;
	const uint8_t *bytes; /* borrowed until the next message is read */
	size_t len_bytes;
};

/* The longest payload of a type; false: there is no such type. */
bool rmsg_max(uint8_t type, size_t *max_bytes);

/* A head.  ERR_INPUT: no such type, too long, or reserved bytes set. */
enum err_code rmsg_head(const uint8_t head[RMSG_HEAD_BYTES], uint8_t *type,
    size_t *len_bytes, struct err *e) MUST_CHECK;
void rmsg_put_head(uint8_t head[RMSG_HEAD_BYTES], enum rmsg_type type,
    size_t len_bytes);

/* --- payloads: each from its message's bytes, ERR_INPUT when malformed ------- */

struct rmsg_hello {
	uint16_t version;
	uint64_t features, required;
	uint8_t family[STORE_FAMILY_BYTES];
	struct store_geometry geometry;
};
enum err_code rmsg_put_hello(struct buf *out, const struct rmsg_hello *h,
    struct err *e) MUST_CHECK;
/* ERR_TOONEW: a version or a required feature we do not have. */
enum err_code rmsg_take_hello(struct rmsg_hello *out, const struct rmsg *m,
    struct err *e) MUST_CHECK;

struct rmsg_welcome {
	bool created, packs_only;
	uint64_t features;
	uint32_t credit_count;
	uint64_t credit_bytes;
};
enum err_code rmsg_put_welcome(struct buf *out, const struct rmsg_welcome *w,
    struct err *e) MUST_CHECK;
enum err_code rmsg_take_welcome(struct rmsg_welcome *out, const struct rmsg *m,
    struct err *e) MUST_CHECK;

/* ids: borrowed from m, count of them end to end. */
enum err_code rmsg_take_offer(enum rmsg_kind *kind, const uint8_t **ids,
    size_t *count, const struct rmsg *m, struct err *e) MUST_CHECK;
/* entries: RMSG_PACK_ENTRY bytes each. */
enum err_code rmsg_take_packs(const uint8_t **entries, size_t *count,
    const struct rmsg *m, struct err *e) MUST_CHECK;
/* bits: borrowed; exactly `expected` of them must be there. */
enum err_code rmsg_take_want(const uint8_t **bits, size_t expected,
    const struct rmsg *m, struct err *e) MUST_CHECK;

/* What is there of packs of the last PACKS: `ordinal` ascending. */
struct rmsg_staged {
	uint32_t ordinal, blocks_count;
};
enum err_code rmsg_put_staged(struct buf *out, const struct rmsg_staged *staged,
    size_t count, struct err *e) MUST_CHECK;
/* *count entries, each to be had by rmsg_staged_at; below packs_count. */
enum err_code rmsg_take_staged(const uint8_t **entries, size_t *count,
    size_t packs_count, const struct rmsg *m, struct err *e) MUST_CHECK;
struct rmsg_staged rmsg_staged_at(const uint8_t *entries, size_t i);

/* REST: a pack's bytes from that block on. */
enum err_code rmsg_take_rest(struct rmsg_staged *out, const struct rmsg *m,
    struct err *e) MUST_CHECK;

/* FRAMES and COMPOSE: a pack's frames, in order, RMSG_FRAME_ENTRY bytes each. */
struct rmsg_frames {
	uint32_t ordinal;
	size_t count;
	const uint8_t *entries; /* borrowed */
	const uint8_t *bits;    /* of COMPOSE: 1: it comes */
	uint64_t bytes_count;   /* of all frames */
};
enum err_code rmsg_put_frames(struct buf *out, uint32_t ordinal,
    const struct store_frame *frames, size_t count, const uint8_t *bits,
    struct err *e) MUST_CHECK;
enum err_code rmsg_take_frames(struct rmsg_frames *out, const struct rmsg *m,
    struct err *e) MUST_CHECK;
struct store_frame rmsg_frame_at(const uint8_t *entries, size_t i);

/* EPOCH: a service's snapshots and points come under that one. */
struct rmsg_epoch {
	uint64_t epoch; /* not 0 */
	char service[STORE_NAME_BYTES];
};
enum err_code rmsg_put_epoch(struct buf *out, const struct rmsg_epoch *m,
    struct err *e) MUST_CHECK;
enum err_code rmsg_take_epoch(struct rmsg_epoch *out, const struct rmsg *m,
    struct err *e) MUST_CHECK;

/* ACKNOWLEDGE: a point, and its service. */
struct rmsg_wish {
	struct id point;
	char service[STORE_NAME_BYTES];
};
enum err_code rmsg_put_wish(struct buf *out, const struct rmsg_wish *m,
    struct err *e) MUST_CHECK;
enum err_code rmsg_take_wish(struct rmsg_wish *out, const struct rmsg *m,
    struct err *e) MUST_CHECK;

enum err_code rmsg_put_lack(struct buf *out, uint32_t ordinal,
    const uint8_t *bits, size_t count, struct err *e) MUST_CHECK;
/* bits: borrowed; exactly `expected` of them must be there. */
enum err_code rmsg_take_lack(uint32_t *ordinal, const uint8_t **bits,
    size_t expected, const struct rmsg *m, struct err *e) MUST_CHECK;

struct rmsg_result {
	enum rmsg_kind kind;
	uint32_t ordinal;
	struct err why; /* code ERR_NONE: done */
};
enum err_code rmsg_put_result(struct buf *out, const struct rmsg_result *r,
    struct err *e) MUST_CHECK;
enum err_code rmsg_take_result(struct rmsg_result *out, const struct rmsg *m,
    struct err *e) MUST_CHECK;

enum err_code rmsg_put_fail(struct buf *out, const struct err *why,
    struct err *e) MUST_CHECK;
/* *out is what the far side said, ready to be returned. */
enum err_code rmsg_take_fail(struct err *out, const struct rmsg *m,
    struct err *e) MUST_CHECK;

static inline bool
rmsg_bit(const uint8_t *bits, size_t i)
{
	return (bits[i / 8] >> (i % 8) & 1) != 0;
}

#endif
