#ifndef STORE_PREVIOUS_H
#define STORE_PREVIOUS_H

/*
 * The chunks of a file's earlier version, walked in step with its new one: the
 * chunks that both hold (anchors) tell where in the old one we are, and what
 * lies between two of them in the old is what the new between them was made
 * from, wherever it stood.
 */

#include "parts.h"

struct previous;
/* w: borrowed; what cannot be read through it is simply not known. */
enum err_code previous_new(struct previous **out, struct writer *w,
    struct err *e) MUST_CHECK;
void previous_free(struct previous **p);

/* Another file; NULL: one without an earlier version. */
void previous_begin(struct previous *p, const struct content *c);
bool previous_is_known(const struct previous *p);

/*
 * How long the next chunk is if nothing changes: 0 if nothing is known, or if
 * the file ended there and no chunk was cut.
 */
uint64_t previous_expect(struct previous *p, struct id *id);

/*
 * A chunk of the new version, in order: is it an anchor?  Then the old chunks
 * before it, of previous_between, are those that lie since the last one.
 */
bool previous_meet(struct previous *p, const struct id *id, uint64_t len_bytes);

/*
 * The old chunks that new bytes [from, to), counted since the last anchor, were
 * probably made from; at most max of them.  met: they end at the anchor that
 * was met just now.
 */
size_t previous_between(struct previous *p, uint64_t from_bytes,
    uint64_t to_bytes, bool met, struct id *out, size_t max);

/*
 * Old chunks that should lie in these bytes of the new content, of which the
 * next chunk begins at next_bytes.
 */
size_t previous_foresee(const struct previous *p, uint64_t next_bytes,
    uint64_t at_bytes, uint64_t len_bytes, struct content_name *out,
    size_t max);

#endif
