#ifndef STORE_MANIFEST_H
#define STORE_MANIFEST_H

/* index/MANIFEST: which index segments are live. */

#include "parts.h"

#define MANIFEST_SEGMENTS_MAX 65536
#define MANIFEST_REMOVED_MAX  262144
#define MANIFEST_BYTES_MAX                         \
	(80 + (size_t)48 * MANIFEST_SEGMENTS_MAX + \
	    (size_t)ID_BYTES * MANIFEST_REMOVED_MAX)

struct manifest_segment {
	struct id name;
	uint64_t size_bytes;
	uint64_t records_count;
};

struct manifest {
	uint64_t generation;
	struct manifest_segment *segments;
	size_t segments_count;
	struct id *removed; /* packs that no longer count; ascending */
	size_t removed_count;
};

void manifest_fini(struct manifest *m);

enum err_code manifest_encode(const struct manifest *m,
    const uint8_t family[STORE_FAMILY_BYTES], struct buf *out,
    struct err *e) MUST_CHECK;
/* ERR_CORRUPT, ERR_TOONEW. */
enum err_code manifest_decode(struct manifest *out, const void *bytes,
    size_t len_bytes, const uint8_t *family, struct err *e) MUST_CHECK;

enum err_code manifest_read(struct manifest *out, struct store *st,
    struct err *e) MUST_CHECK;
/* Inside repo_lock.  The generation is raised here. */
enum err_code manifest_replace(struct manifest *m, struct session *se,
    struct err *e) MUST_CHECK;

/* Append.  ERR_INPUT: there is no room. */
enum err_code manifest_add(struct manifest *m,
    const struct manifest_segment *seg, struct err *e) MUST_CHECK;

/* Has the pack been removed, whatever the segments say? */
bool manifest_is_removed(const struct manifest *m, const struct id *pack);
/* Adds packs to the removed, which stay ascending.  ERR_INPUT: too many. */
enum err_code manifest_remove(struct manifest *m, const struct id *packs,
    size_t count, struct err *e) MUST_CHECK;
/* It counts again: it has come back, or no segment names it any more. */
void manifest_unremove(struct manifest *m, const struct id *pack);

#endif
