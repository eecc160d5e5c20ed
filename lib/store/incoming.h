#ifndef STORE_INCOMING_H
#define STORE_INCOMING_H

/*
 * incoming/: packs that arrive from elsewhere, each under its own name, so that
 * what a cut leaves is gone on with (docs/format/repository.md).
 *
 * P1. Who writes a part holds its OFD lock, until it is published or given up.
 * P2. Names in incoming/ change under the flock of that directory only.
 * P3. A part that another receiver holds is copied, never written: that one may
 *     only seem dead.  The copy takes the name; the other finds out when it
 *     publishes, and what it publishes is the file it wrote.
 * P4. Nothing in here is believed: who goes on with a part hashes all of it, as
 *     the disk has it, before it counts.
 */

#include "pack.h"

#define INCOMING_BLOCK_BYTES 65536
#define INCOMING_BYTES_MAX   ((uint64_t)1 << 30)
#define INCOMING_AGE_NS      (INT64_C(7) * 24 * 3600 * NS_PER_S)

/* Of one intake.  Zeroed but for dir_fd -1: not opened yet. */
struct incoming {
	struct session *session;
	int dir_fd;
	uint64_t limit_bytes; /* of all that is in there */
};

void incoming_init(struct incoming *in, struct session *se);
void incoming_fini(struct incoming *in);

/*
 * How much of a pack of so many bytes is here: whole blocks, or all of it; 0
 * when there is more than it should have.
 */
uint64_t incoming_have(struct incoming *in, const struct id *name,
    uint64_t size_bytes);

/*
 * A file for the pack, ours, with the first from_bytes in it and no more;
 * *got->incoming says whether it is in incoming/ or, where that is full, a
 * temporary.  ERR_NOTFOUND: so many are not there (any more).
 */
enum err_code incoming_begin(struct incoming *in, struct pack_done *got,
    uint64_t from_bytes, struct err *e) MUST_CHECK;

/* Its name in packs/ab (dir_fd) instead of the one it has. */
enum err_code incoming_publish(struct incoming *in, struct pack_done *done,
    int dir_fd, struct err *e) MUST_CHECK;

/* It is no good: away with it, if the name is still ours. */
void incoming_drop(struct incoming *in, struct pack_done *done);

/* incoming_sweep for who receives nothing: a collection. */
void incoming_expire(struct incoming *in);

/*
 * With the names held: what nobody holds and is too old goes, and of the rest the oldest until
 * room_bytes more have room.  False: they have not.
 */
bool incoming_sweep(struct incoming *in, uint64_t room_bytes);

#endif
