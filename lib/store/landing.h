#ifndef STORE_LANDING_H
#define STORE_LANDING_H

/*
 * Steps 1 and 2 of the order of docs/format/repository.md, for writers and
 * intakes alike: whole packs in tmp/ become durable, named and indexed, or the
 * batch is lost.
 */

#include "incoming.h"
#include "parts.h"

struct landing {
	struct session *session;
	bool foreign;              /* from another site */
	struct incoming *incoming; /* of an intake; borrowed */
	struct pack_done *packs;
	size_t packs_count, packs_room;
	struct buf records; /* of index segments; pack ordinals as added */
};

void landing_init(struct landing *l, struct session *se);
/* Unlinks what was not flushed, but for what is in incoming/. */
void landing_fini(struct landing *l);

/*
 * Takes the file and descriptor of *done, on failure too.  One in incoming/
 * keeps its descriptor, and with it its lock.
 */
enum err_code landing_add(struct landing *l, struct pack_done *done,
    struct err *e) MUST_CHECK;

/*
 * On success the landing is empty again; on failure everything in it is lost
 * (packs that already have their names are found again by a later run).
 */
enum err_code landing_flush(struct landing *l, struct err *e) MUST_CHECK;

#endif
