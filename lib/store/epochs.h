#ifndef STORE_EPOCHS_H
#define STORE_EPOCHS_H

/*
 * The highest epoch of each service that was heard of here: a file of its own in
 * condemned/, epochs-HASH, and its twin; or in epochs, where once they all were
 * and which is read only (docs/format/repository.md).  F1 to F3: store.h.
 *
 * So a service's place is its own.  Whoever sends the snapshots of services that
 * he made up pays for each as for any snapshot, and takes nobody else's.
 */

#include "parts.h"

#define EPOCHS_COUNT_MAX   4096 /* of one file; of one session */
#define EPOCHS_ENTRY_BYTES (ID_BYTES + 8 + 8)
#define EPOCHS_OF(count)                                                 \
	(HEAD_BYTES + 8 + (size_t)(count) * (size_t)EPOCHS_ENTRY_BYTES + \
	    ID_BYTES)
#define EPOCHS_BYTES_MAX  EPOCHS_OF(EPOCHS_COUNT_MAX)
#define EPOCHS_ONE_BYTES  EPOCHS_OF(1)
#define EPOCHS_NAME_BYTES (sizeof("epochs-") + 2 * (size_t)ID_BYTES)

struct epochs_entry {
	struct id name; /* the hash of the service's, its NUL included */
	struct epoch_mark mark;
};
struct epochs {
	struct epochs_entry *all; /* by name */
	size_t count;
};
void epochs_fini(struct epochs *s);

enum err_code epochs_encode(struct buf *out, const struct epochs *s,
    const uint8_t family[STORE_FAMILY_BYTES], struct err *e) MUST_CHECK;
/* ERR_CORRUPT, ERR_TOONEW. */
enum err_code epochs_decode(struct epochs *out, const uint8_t *family,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;

/* Is a file of condemned/ one of these?  *service: whose; none: of all. */
bool epochs_is_file(const char *name, struct id *service);
/* And is what is in it good?  ERR_CORRUPT, ERR_TOONEW. */
enum err_code epochs_judge(const char *name, const uint8_t *family,
    const void *bytes, size_t len_bytes, struct err *e) MUST_CHECK;

/*
 * A session carries this epoch for the service: it is noted in *carried, and
 * of a service that is known here what was seen rises.  ERR_BUSY: fenced (F1).
 * ERR_REFUSED: far beyond.
 */
enum err_code epochs_carry(struct epochs *carried, struct store *st,
    const char *service, uint64_t epoch, struct err *e) MUST_CHECK;
/*
 * Inside repo_lock: may what carries these bring something of the service?
 * ERR_BUSY (F1).
 */
enum err_code epochs_admit(const struct epochs *carried, struct store *st,
    const char *service, struct err *e) MUST_CHECK;
/*
 * Inside repo_lock: something of the service, whose writer is believed, is
 * about to be published under what this session carries (F2).
 */
enum err_code epochs_settle(const struct epochs *carried, struct store *st,
    const char *service, struct err *e) MUST_CHECK;

/*
 * Inside repo_lock: write that file and its twin, after a healing took a damaged
 * one away.  lost: neither could be read; then what the snapshots say of those it
 * was about is written to theirs.
 */
enum err_code epochs_renew(struct store *st, const char *name, bool lost,
    struct err *e) MUST_CHECK;

#endif
