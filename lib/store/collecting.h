#ifndef STORE_COLLECTING_H
#define STORE_COLLECTING_H

/*
 * One collection under way: collect runs it; verdict says what becomes of each
 * pack; repack makes room in packs that stay; purge removes; compact writes
 * segments again.
 */

#include "condemn.h"
#include "mark.h"

enum fate {
	FATE_STAYS,
	FATE_DAMAGED,   /* stays for a healing to find; serves nobody */
	FATE_REVIVED,   /* condemned, and reached again */
	FATE_REPACKED,  /* what is reached in it goes into another */
	FATE_CONDEMNED, /* from now on */
	FATE_WAITS,     /* condemned, not yet to go */
	FATE_GOES
};

/* A pack that no segment names, or a segment that MANIFEST does not list. */
struct stray {
	struct id name;
	enum condemn_what what;
	uint64_t size_bytes;
	enum fate fate;
};

struct copyproof; /* copyproof.h */

struct collection {
	struct store *store;
	const struct collect_options *opt;
	struct collect_tally *tally;
	struct session *session; /* NULL: nothing is changed */
	/* as things were when the mark began */
	struct roots roots;
	struct buf alive; /* session_names_alive */
	struct condemn_all condemned;
	int64_t clock_ns;
	struct mark mark;
	struct copyproof *proof; /* NULL: nothing had to be read yet */
	/* decided */
	enum fate *fates; /* of each pack, by number */
	uint64_t *unused; /* bytes that repacking it would free */
	struct stray *strays;
	size_t strays_count;
	struct buf stale; /* names in condemned/ of nothing that is here */
};

/* What is condemned under this name; NULL: it is not. */
const struct condemned *collect_condemned(const struct collection *c,
    const struct id *name);
/* Ids in a buf. */
enum err_code collect_add_id(struct buf *b, const struct id *id,
    struct err *e) MUST_CHECK;

/* Fills in fates, strays and stale; counts. */
enum err_code verdict_run(struct collection *c, struct err *e) MUST_CHECK;
/*
 * No pack that stays may lose the bases of its frames: what would take them
 * away does not go yet.
 */
enum err_code verdict_spare_bases(struct collection *c,
    struct err *e) MUST_CHECK;
/* Does another pack, which stays, hold what this copy holds, and was it read? */
bool verdict_is_safe(struct collection *c, const struct id *id,
    const struct index_copy *copy);

/* Some were found damaged since: who relied on them needs others. */
enum err_code verdict_reconsider(struct collection *c,
    struct err *e) MUST_CHECK;

/* Which packs to copy, and how much that frees: FATE_REPACKED, unused. */
enum err_code repack_choose(struct collection *c, struct err *e) MUST_CHECK;
/* Copies; FATE_REPACKED becomes FATE_CONDEMNED, or FATE_DAMAGED. */
enum err_code repack_run(struct collection *c, struct err *e) MUST_CHECK;

/* Everything whose fate is to go. */
enum err_code purge_run(struct collection *c, struct err *e) MUST_CHECK;

/* Segments that name removed packs are written again, if there is room. */
enum err_code compact_run(struct session *se, struct err *e) MUST_CHECK;

#endif
