#ifndef STORE_DELTA_CACHE_H
#define STORE_DELTA_CACHE_H

/*
 * A file holds what an id is the keyed hash of, and is named by the id: nothing
 * in it is believed, and a torn one is worth as much as none.
 *
 * D1. Getting is for any number of threads at once, putting for one.
 * D2. Nothing stays longer than keep_ns after it was put, as of the last
 *     opening; never more than size_bytes are kept.
 * D3. One process has it open, or sizes could not be kept.
 * D4. The last of a file system's room is not for it.
 */

#include <sys/uio.h>

#include "parts.h"

/*
 * Append to out, if what is there is what id says under key.  ERR_NOTFOUND,
 * also for what was damaged.
 */
enum err_code delta_cache_get(struct delta_cache *dc, struct hash_key *key,
    const struct id *id, struct buf *out, struct err *e) MUST_CHECK;

/*
 * Keep the parts' concatenation.  What is full makes room only for what has
 * changed before: that changes again.  Failing to keep is no failure.
 */
enum delta_cache_worth { DELTA_CACHE_FIRST, DELTA_CACHE_CHANGED };
void delta_cache_put(struct delta_cache *dc, const struct id *id,
    const struct iovec *parts, size_t parts_count,
    enum delta_cache_worth worth);

#endif
