#ifndef STORE_HEAL_H
#define STORE_HEAL_H

/* The parts of store_heal, in the order they are done. */

#include "parts.h"

struct heal {
	struct store *store;
	const struct heal_options *opt;
	struct heal_tally *tally;
	struct session *session;
	int bad_fd;
};

/* What was found and what was done: counted and told. */
void heal_found(struct heal *h, const char *object, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void heal_done(struct heal *h, const char *object, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/*
 * Takes the lock and makes sure that nobody else is writing.  End it with
 * repo_unlock_owned.  ERR_BUSY.
 */
enum err_code heal_lock(struct heal *h, struct err *e) MUST_CHECK;

/*
 * store_refresh once heal_index has been: what cannot be read of the index now
 * may pass, and what it holds is not lost.  Nothing is taken away for it.
 */
enum err_code heal_refresh(struct heal *h, struct err *e) MUST_CHECK;

/*
 * Out of the way, durably: dirfd's name into bad/ under `as` (with a number
 * behind it when that is taken).  One that is gone is no failure.
 */
enum err_code heal_put_away(struct heal *h, int dirfd, const char *name,
    const char *as, struct err *e) MUST_CHECK;
/* The same of a file that stays until it is replaced: a second name for it. */
enum err_code heal_keep(struct heal *h, int dirfd, const char *name,
    const char *as, struct err *e) MUST_CHECK;

/* --- heal_format ------------------------------------------------------------ */

/* format from format.bak, or the other way round. */
enum err_code heal_format(struct heal *h, struct err *e) MUST_CHECK;

/* --- heal_index ------------------------------------------------------------- */

/* MANIFEST, and segments that are damaged or gone, from the packs' footers. */
enum err_code heal_index(struct heal *h, struct err *e) MUST_CHECK;

/* --- heal_pack -------------------------------------------------------------- */

/*
 * A damaged pack: its good frames into packs of their own, then itself out of
 * the index and into bad/.  A missing one only leaves the index.
 */
enum err_code heal_pack(struct heal *h, const struct id *name,
    struct err *e) MUST_CHECK;

/* Under the lock: from now on the index does without it; its file moves. */
enum err_code heal_pack_out(struct heal *h, const struct id *name,
    struct err *e) MUST_CHECK;

/* --- heal_fetch ------------------------------------------------------------- */

/*
 * That pack again, byte for byte: of a damaged one only the blocks that are
 * damaged are had from the peer.  *healed is false when the peer has no such
 * pack, or there is no peer.
 */
enum err_code heal_fetch_pack(struct heal *h, const struct id *name,
    bool *healed, struct err *e) MUST_CHECK;
/* A snapshot's or point's file in dir_fd, which is not there (any more). */
enum err_code heal_fetch_file(struct heal *h, enum healpeer_file what,
    const char *service, const struct id *id, bool *healed,
    struct err *e) MUST_CHECK;
/* What snapshots name and no pack has any more: packs that have it. */
enum err_code heal_fetch_missing(struct heal *h, struct err *e) MUST_CHECK;

/* --- heal_aside ------------------------------------------------------------- */

/* What struct heal_options says of aside. */
enum err_code heal_aside(struct heal *h, struct err *e) MUST_CHECK;

/* --- heal_bases ------------------------------------------------------------- */

/*
 * Differences whose bases went with a pack: what cannot be opened any more must
 * not count as present, or nobody would store it again.  Their packs go to
 * bad/, and what can be opened of them into packs of its own.
 */
enum err_code heal_bases(struct heal *h, struct err *e) MUST_CHECK;

/* --- heal_records ----------------------------------------------------------- */

/* Snapshots that cannot be read, and points that name what is not there. */
enum err_code heal_records(struct heal *h, struct err *e) MUST_CHECK;

#endif
