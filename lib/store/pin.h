#ifndef STORE_PIN_H
#define STORE_PIN_H

/* Which writers this copy takes snapshots from: keys/writer-KEY. */

#include "parts.h"

/* Those who write here are pinned by it. */
enum err_code pin_own(struct session *se, const char *service,
    struct err *e) MUST_CHECK;

/* Pin key, unless it is.  service: where it was met, "" for nowhere. */
enum err_code pin_add(struct session *se, const uint8_t key[SIGN_PUBLIC_BYTES],
    const char *service, struct err *e) MUST_CHECK;

/*
 * May a file from elsewhere, signed by key, come in?  The first writer of a
 * service is pinned.  ERR_REFUSED: it is not known here.
 */
enum err_code pin_accept(struct session *se,
    const uint8_t key[SIGN_PUBLIC_BYTES], const char *service,
    struct err *e) MUST_CHECK;

/* Every pin of keys/: whole, and of the key its name says? */
enum err_code pin_check_all(struct checking *ck, struct err *e) MUST_CHECK;

/* The same, and nothing is pinned by it. */
enum err_code pin_known(struct store *st, const uint8_t key[SIGN_PUBLIC_BYTES],
    const char *service, struct err *e) MUST_CHECK;

/* All of out->store's, added to out. */
enum err_code pin_list(struct store_pin_list *out, struct err *e) MUST_CHECK;

struct heal; /* heal.h */
/* A damaged one is written again; one of a damaged name gets its own. */
enum err_code pin_heal(struct heal *h, struct err *e) MUST_CHECK;

#endif
