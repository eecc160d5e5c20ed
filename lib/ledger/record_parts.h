#ifndef RECORD_PARTS_H
#define RECORD_PARTS_H

/* How records are put together; docs/format/ledger.md. */

#include <bascule/crypt.h>
#include <bascule/ledger.h>

#define RECORD_MAGIC            "BLRc"
#define RECORD_VERSION          1
#define RECORD_HEADER_BYTES_MAX 4096
#define RECORD_SALT_BYTES       16
#define RECORD_CLOSED           0
#define RECORD_OPEN             1

/* The header's values, and the record being written behind them. */
struct record_header {
	const char *chain;
	uint64_t sequence;
	struct id previous;
	const char *type;
	uint16_t type_version;
	enum record_phase phase;
	struct utc at;
	struct mono mono;
	int64_t clock_bound_ns;
	const char *boot_id;
};

enum err_code record_begin(struct buf *out, const struct record_header *h,
    uint32_t fields_count, struct err *e) MUST_CHECK;
/* With a fresh salt. */
enum err_code record_add_field(struct buf *out, const char *name,
    const void *value, size_t len_bytes, struct err *e) MUST_CHECK;

#endif
