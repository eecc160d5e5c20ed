#ifndef JOB_ETCDSAY_H
#define JOB_ETCDSAY_H

/*
 * What is said to etcd's v3 JSON gateway, and what it answers.  Pure: no
 * connection, no clock.  Answers are hostile: bounded, checked, and none is
 * believed that contradicts itself.
 *
 * Keys and values are base64 there; 64-bit numbers are strings, and fields that
 * are 0 or false are left out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/err.h>
#include <bascule/wire.h>

#define ETCDSAY_NAME_BYTES 65
#define ETCDSAY_KEYS_MAX   2048 /* in one answer */

#define ETCDSAY_REGISTERS "/bascule/authority/"
#define ETCDSAY_LIVES     "/bascule/alive/"

/* --- what is kept there ----------------------------------------------------- */

/* At ETCDSAY_REGISTERS and a service.  Epoch 0: there is none. */
struct etcdsay_register {
	uint64_t epoch;
	char state[24], run[80];
	char owner[ETCDSAY_NAME_BYTES], from[ETCDSAY_NAME_BYTES];
	char site[ETCDSAY_NAME_BYTES];
};

/*
 * One spelling: {"v":1,"epoch":2,"owner":"b","from":"a","state":"MOVING",
 * "run":"...","site":"a"}.
 */
enum err_code etcdsay_register_write(struct buf *out,
    const struct etcdsay_register *r, struct err *e) MUST_CHECK;
/* ERR_CORRUPT: it is none; ERR_TOONEW: another version's. */
enum err_code etcdsay_register_read(struct etcdsay_register *out,
    const char *text, size_t len_bytes, struct err *e) MUST_CHECK;

/* Its fields but for the version, of any message; what is wrong is v's fault. */
void etcdsay_register_add(struct wire_value *v,
    const struct etcdsay_register *r);
void etcdsay_register_take(struct etcdsay_register *out, struct wire_value *v);

/* --- requests ----------------------------------------------------------------- */

/* That key; or all that begin with it. */
enum err_code etcdsay_range(struct buf *out, const char *key, bool all_beneath,
    struct err *e) MUST_CHECK;
/* Write value if the key's revision is still this (0: there is no key). */
enum err_code etcdsay_swap(struct buf *out, const char *key, uint64_t revision,
    const struct buf *value, struct err *e) MUST_CHECK;
enum err_code etcdsay_put(struct buf *out, const char *key,
    const struct buf *value, uint64_t lease, struct err *e) MUST_CHECK;
enum err_code etcdsay_grant(struct buf *out, uint64_t ttl_s,
    struct err *e) MUST_CHECK;
enum err_code etcdsay_keepalive(struct buf *out, uint64_t lease,
    struct err *e) MUST_CHECK;

/* --- answers ------------------------------------------------------------------- */

/* Who answered, and how far its history goes. */
struct etcdsay_header {
	uint64_t cluster, member, revision;
};

struct etcdsay_key {
	const char *name;  /* as text: no NUL inside */
	uint64_t revision; /* of its last change */
	struct buf *value; /* the callee may take it */
};
typedef enum err_code etcdsay_key_fn(void *ctx, const struct etcdsay_key *k,
    struct err *e);

/*
 * Calls fn for each key.  ERR_INPUT, of this and all that follow: the answer
 * makes no sense; the text says what of it.
 */
enum err_code etcdsay_range_read(struct etcdsay_header *h,
    const struct buf *body, etcdsay_key_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;
enum err_code etcdsay_swap_read(struct etcdsay_header *h, bool *swapped,
    const struct buf *body, struct err *e) MUST_CHECK;
enum err_code etcdsay_put_read(struct etcdsay_header *h, const struct buf *body,
    struct err *e) MUST_CHECK;
/* Of a grant. */
enum err_code etcdsay_grant_read(struct etcdsay_header *h, uint64_t *lease,
    const struct buf *body, struct err *e) MUST_CHECK;
/* *ttl_s 0: there is no such lease any more. */
enum err_code etcdsay_keepalive_read(struct etcdsay_header *h, uint64_t *ttl_s,
    const struct buf *body, struct err *e) MUST_CHECK;

struct etcdsay_status {
	uint64_t leader; /* 0: it knows none */
	char version[24];
};
enum err_code etcdsay_status_read(struct etcdsay_header *h,
    struct etcdsay_status *out, const struct buf *body,
    struct err *e) MUST_CHECK;

#define ETCDSAY_MEMBERS_MAX 9
struct etcdsay_members {
	struct {
		uint64_t id;
		char name[ETCDSAY_NAME_BYTES]; /* "": it has not begun yet */
	} items[ETCDSAY_MEMBERS_MAX];
	size_t count;
};
enum err_code etcdsay_members_read(struct etcdsay_header *h,
    struct etcdsay_members *out, const struct buf *body,
    struct err *e) MUST_CHECK;

/* An answer whose status is not 200, as an error: what etcd says of it. */
enum err_code etcdsay_refusal(unsigned status, const struct buf *body,
    struct err *e);

#endif
