#ifndef STORE_SNAPFIND_H
#define STORE_SNAPFIND_H

/* Reading snapshot and point files back. */

#include "parts.h"

/* Details take a public key operation each: only who shows them asks. */
enum snapfind_part { SNAPFIND_CLEAR, SNAPFIND_DETAILS };

/*
 * One file of snapshots/SERVICE or points/SERVICE by its name: the hash is
 * checked, then the rest.  Details are read if the keyring can.
 */
enum err_code snapfind_load(struct snapshot *out, struct store *st, int dir_fd,
    const struct id *id, enum snapfind_part part, struct err *e) MUST_CHECK;

/* In whichever service.  ERR_NOTFOUND. */
enum err_code snapfind_by_id(struct snapshot *out, struct store *st,
    const struct id *id, struct err *e) MUST_CHECK;

/* The bytes of a file that is named by their hash, the hash checked. */
enum err_code snapfind_bytes(struct buf *out, int dir_fd, const struct id *id,
    size_t max_bytes, struct err *e) MUST_CHECK;

/*
 * Calls fn for each file of snapshots/ or points/ (of one service, or of all
 * when it is NULL); names that are none are damage.
 */
struct snapfind_each {
	struct store *store;
	int top_fd;
	const char *top; /* "snapshots" */
	const char *service;
	store_damage_fn *on_damage; /* may be NULL */
	void *ctx;                  /* of on_damage */
	/* object: "snapshots/SERVICE/ID" */
	enum err_code (*fn)(void *fn_ctx, int dir_fd, const char *service,
	    const char *object, const struct id *id, struct err *e);
	void *fn_ctx;
};
enum err_code snapfind_each(const struct snapfind_each *each,
    struct err *e) MUST_CHECK;

/*
 * What a listing does about a file it could not read: one that went while it
 * looked is nothing, a damaged one is told of and stepped over, so that it
 * does not hide all the others.  Anything else stays the failure it is: also
 * ERR_TOONEW, for which snapshot is the latest is then not known.
 */
enum err_code snapfind_step_over(const struct snapfind_each *each,
    const char *object, struct err *e) MUST_CHECK;

/*
 * Is there a snapshot or point that a newer version wrote?  Then nothing may
 * be added to the repository: ERR_TOONEW.  Reads the heads only.
 */
enum err_code snapfind_refuse_newer(struct store *st, struct err *e) MUST_CHECK;

/* As snapshot_list (service may be NULL), but the details stay sealed. */
enum err_code snapshot_list_clear(struct snapshot_list *out, struct store *st,
    const char *service, store_damage_fn *on_damage, void *ctx,
    struct err *e) MUST_CHECK;

/* By (epoch, sequence), then start, then id. */
int snapfind_order(const struct snapshot *a, const struct snapshot *b);

/* The newest of a series in a list that snapshot_list made; NULL: none. */
const struct snapshot *snapfind_newest(const struct snapshot_list *list,
    const char *service, const char *dataset);

#endif
