#ifndef STORE_INDEX_H
#define STORE_INDEX_H

/*
 * The live segments together, as MANIFEST lists them.  Damage does not keep a
 * repository from being opened: what can be read serves, index_damage says
 * what could not, and nobody may write.
 */

#include "parts.h"
#include "segment.h"

enum err_code index_load(struct index **out, struct store *st,
    struct err *e) MUST_CHECK;
void index_free(struct index **idx);

/* What is known of a pack's keys does not change: take it over. */
void index_inherit(struct index *to, const struct index *from);

/* The first damage met when loading; NULL: none. */
const struct err *index_damage(const struct store *st);

/* May new data refer to this copy's pack?  There, and open to all recipients. */
bool index_usable(struct store *st, const struct id *id);

/*
 * Make a segment live: write it, then MANIFEST under the lock, keeping what
 * others added.  Many small segments are merged in the same step.
 */
enum err_code index_commit(struct session *se, struct segment_parts *parts,
    struct err *e) MUST_CHECK;

/* Until store_refresh: as if MANIFEST listed that pack as removed. */
void index_hide(struct store *st, uint32_t number);

/* Which number a pack has; packs_count when no listed segment names it. */
size_t index_pack_number(const struct store *st, const struct id *name);

#endif
