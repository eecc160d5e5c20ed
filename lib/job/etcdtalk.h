#ifndef JOB_ETCDTALK_H
#define JOB_ETCDTALK_H

/*
 * Talking to an etcd cluster: reads that are linearizable, a swap that is read
 * back, a lease.
 *
 * EK1. A register is written only over what was just read there.
 * EK2. A verdict is SWAP_DONE or SWAP_LOST only after a read that shows it: by
 *      the key's revision nothing of ours can come later (a write under way
 *      fails its comparison once anything else was written).
 * EK3. What has answered once is the cluster: another's answer is refused, and
 *      so is a history that became shorter.
 */

#include <bascule/base/now.h>
#include <bascule/http.h>

#include "etcdsay.h"

struct etcdtalk {
	struct http *http;
	const char *const *bases;
	size_t base_count, at; /* the one that answered last */
	int64_t timeout_ns;    /* of one request */
	uint64_t cluster, revision;
};

/* Whether a swap is there. */
enum etcdtalk_swap { SWAP_DONE, SWAP_LOST, SWAP_REFUSED, SWAP_UNKNOWN };
const char *etcdtalk_swap_name(enum etcdtalk_swap s); /* "done" */

/* out->epoch 0: there is none; *revision: of the key, 0 then. */
enum err_code etcdtalk_read(struct etcdtalk *t, const char *service,
    struct etcdsay_register *out, uint64_t *revision, struct err *e) MUST_CHECK;

/*
 * From from_epoch (0: none) to *to.  *now is what was read last (epoch 0: none,
 * or never read: *is_read says); text: why not, for people; "" when done.
 */
enum etcdtalk_swap etcdtalk_swap(struct etcdtalk *t, const char *service,
    uint64_t from_epoch, const struct etcdsay_register *to,
    struct etcdsay_register *now, bool *is_read, char text[ERR_TEXT_BYTES]);

/* Each key beneath. */
enum err_code etcdtalk_all(struct etcdtalk *t, const char *beneath,
    etcdsay_key_fn *fn, void *ctx, struct err *e) MUST_CHECK;

/* This site's daemon lives: *lease 0 at first, kept by the caller. */
enum err_code etcdtalk_live(struct etcdtalk *t, uint64_t *lease, uint64_t ttl_s,
    const char *site, const struct buf *value, struct err *e) MUST_CHECK;

enum err_code etcdtalk_members(struct etcdtalk *t, struct etcdsay_members *out,
    struct err *e) MUST_CHECK;
/* Of that one address; *member: who it is. */
enum err_code etcdtalk_status(struct etcdtalk *t, const char *base,
    uint64_t *member, struct etcdsay_status *out, struct err *e) MUST_CHECK;

#endif
