#ifndef STORE_RECEIPTS_H
#define STORE_RECEIPTS_H

/*
 * condemned/receipts and its twin receipts.bak: what came here from elsewhere,
 * when by this site's clock, and how long it was promised to stay
 * (docs/format/repository.md).
 *
 * P1. A promise grows or stays: nothing here makes one shorter.
 * P2. It is durable before the snapshot gets its name.
 * P3. The two files say the same; one that is damaged is replaced by the other.
 */

#include "parts.h"

#define RECEIPTS_COUNT_MAX     1048576
#define RECEIPTS_SERVICES_MAX  4096
#define RECEIPTS_GONE_MAX      65536
#define RECEIPTS_ENTRY_BYTES   (ID_BYTES + 8 + 8 + 4 + 4)
#define RECEIPTS_SERVICE_BYTES (ID_BYTES + 8)
#define RECEIPTS_BYTES_MAX                                                   \
	(HEAD_BYTES + 16 +                                                   \
	    (size_t)RECEIPTS_COUNT_MAX * (size_t)RECEIPTS_ENTRY_BYTES +      \
	    (size_t)RECEIPTS_SERVICES_MAX * (size_t)RECEIPTS_SERVICE_BYTES + \
	    ID_BYTES)

/* What a promise that cannot be read any more is taken to have been. */
#define RECEIPTS_LOST_NS (INT64_C(30) * 24 * 3600 * NS_PER_S)

enum err_code receipts_encode(struct buf *out, const struct receipts *r,
    const uint8_t family[STORE_FAMILY_BYTES], struct err *e) MUST_CHECK;
/* ERR_CORRUPT, ERR_TOONEW. */
enum err_code receipts_decode(struct receipts *out, const uint8_t *family,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;

/*
 * Inside repo_lock: the snapshot comes from elsewhere now.  It is promised what
 * its service is, and at least floor_ns.  One that came before keeps its time.
 */
enum err_code receipts_add(struct store *st, const struct snapshot *s,
    int64_t floor_ns, struct err *e) MUST_CHECK;
/*
 * Inside repo_lock: snapshots are forgotten here, and the points that named
 * them; what of it came from elsewhere is not wanted again.
 */
struct receipts_going {
	const struct id *snapshots, *points;
	size_t snapshots_count, points_count;
};
enum err_code receipts_gone(struct store *st, const struct receipts_going *g,
    struct err *e) MUST_CHECK;
/* Inside repo_lock: write both, after a healing took a damaged one away.
 * lost: neither could be read. */
enum err_code receipts_renew(struct store *st, const char *name, bool lost,
    struct err *e) MUST_CHECK;

#endif
