#ifndef STORE_CONDEMN_H
#define STORE_CONDEMN_H

/*
 * condemned/: what a collection has marked (docs/format/repository.md,
 * "Collection").  A condemned pack is present; to rely on one that was
 * condemned before one's session was opened, revive it.
 */

#include "parts.h"

#define CONDEMN_SESSION_BYTES 16
#define CONDEMN_SESSIONS_MAX  4096
#define CONDEMN_FILE_MAX              \
	(HEAD_BYTES + 16 + ID_BYTES + \
	    (size_t)CONDEMN_SESSIONS_MAX * (size_t)CONDEMN_SESSION_BYTES)

enum condemn_what { CONDEMN_PACK = 1, CONDEMN_SEGMENT };

/* What a file says; sessions point into its bytes. */
struct condemn_view {
	enum condemn_what what;
	int64_t age_ns; /* of the clock, then */
	const uint8_t *sessions;
	size_t sessions_count;
};
/* sessions: names end to end, ascending. */
enum err_code condemn_encode(struct buf *out, const struct condemn_view *v,
    const uint8_t family[STORE_FAMILY_BYTES], struct err *e) MUST_CHECK;
/* ERR_CORRUPT. */
enum err_code condemn_decode(struct condemn_view *out, const uint8_t *family,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;

/* --- what is condemned ----------------------------------------------------- */

struct condemned {
	struct id name;
	enum condemn_what what;
	int64_t age_ns;         /* of the clock, when it was condemned */
	bool waits_for_someone; /* a session of that time is still alive */
};
struct condemn_all {
	struct condemned *all; /* by name */
	size_t count;
};
void condemn_list_fini(struct condemn_all *list);
/* alive: the sessions that are, as session_names_alive gives them. */
enum err_code condemn_list(struct condemn_all *out, struct store *st,
    const struct buf *alive, struct err *e) MUST_CHECK;

/*
 * Inside repo_lock: names of one kind, for all of which nothing is there or
 * something damaged.
 */
struct condemn_batch {
	const struct id *names;
	size_t count;
	struct condemn_view view;
};
enum err_code condemn_add(struct session *se, const struct condemn_batch *batch,
    struct err *e) MUST_CHECK;
/* Inside repo_lock: they are not condemned any more; durable. */
enum err_code condemn_remove(struct store *st, const struct id *names,
    size_t count, struct err *e) MUST_CHECK;
/* Inside repo_lock: is it? */
bool condemn_is(const struct store *st, const struct id *name);

/* --- what a session has to know --------------------------------------------- */

/* Read the names again.  Inside repo_lock. */
enum err_code condemn_refresh(struct store *st, struct err *e) MUST_CHECK;
/* Was it when they were read? */
bool condemn_has(const struct store *st, const struct id *pack);
/*
 * Rely on a pack, condemned or not.  Takes the lock unless it is held.
 * ERR_NOTFOUND: it is beyond revival.
 */
enum err_code condemn_revive(struct store *st, const struct id *pack,
    struct err *e) MUST_CHECK;

#endif
