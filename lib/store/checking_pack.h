#ifndef STORE_CHECKING_PACK_H
#define STORE_CHECKING_PACK_H

/*
 * One pack under examination, in a thread of its own: it reports into its own
 * memory, and checking_packs hands that on in the thread that called.
 */

#include "pack.h"
#include "parts.h"

struct checking_pack {
	/* what to look at */
	const struct checking
	    *checking; /* its store and nothing that changes */
	struct id name;
	enum check_depth depth;
	/* what was found */
	bool damaged;
	struct buf told;    /* "object NUL text NUL"... */
	struct buf lengths; /* of opened chunks: u64 each, checking_lengths' */
	uint64_t read_bytes, frames_count, chunks_count, damage_count;
	/* a thread's own while it looks */
	struct reader *reader; /* NULL above CHECK_OPEN */
	struct hash *hash;
	struct buf bytes;
	char object[8 + PACK_PATH_BYTES]; /* "packs/ab/..." */
	struct pack pack;
	struct pack_footer footer;
};

/* Memory is kept for the next pack; the findings are cleared. */
void checking_pack_clear(struct checking_pack *p);
void checking_pack_fini(struct checking_pack *p);

/*
 * One pass over its bytes.  Damage is a finding; a failure is that it could
 * not be looked at.
 */
enum err_code checking_pack_look(struct checking_pack *p,
    struct err *e) MUST_CHECK;

/* A finding about it, or about another object. */
enum err_code checking_pack_tell(struct checking_pack *p, const char *object,
    struct err *e, const char *fmt, ...) PRINTF_LIKE(4, 5) MUST_CHECK;

#endif
