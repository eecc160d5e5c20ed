#ifndef STORE_EPOCHS_H
#define STORE_EPOCHS_H

/*
 * condemned/epochs and its twin epochs.bak: the highest epoch of each service
 * that was heard of here (docs/format/repository.md).  F1 to F3: store.h.
 */

#include "parts.h"

#define EPOCHS_COUNT_MAX   4096
#define EPOCHS_FAR_MAX     3072 /* of these, made because of what came */
#define EPOCHS_ENTRY_BYTES (ID_BYTES + 8 + 8)
#define EPOCHS_BYTES_MAX  \
	(HEAD_BYTES + 8 + \
	    (size_t)EPOCHS_COUNT_MAX * (size_t)EPOCHS_ENTRY_BYTES + ID_BYTES)

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
 * about to be published under what this session carries (F2).  ERR_REFUSED: no
 * room for one more that was moved.
 */
enum err_code epochs_settle(const struct epochs *carried, struct store *st,
    const char *service, struct err *e) MUST_CHECK;

/* Inside repo_lock: write both, after a healing took a damaged one away.
 * lost: neither could be read. */
enum err_code epochs_renew(struct store *st, bool lost,
    struct err *e) MUST_CHECK;

#endif
