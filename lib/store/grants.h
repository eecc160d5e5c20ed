#ifndef STORE_GRANTS_H
#define STORE_GRANTS_H

/*
 * Keys wrapped to recipients who came later: files of grants/, named by their
 * hash.  docs/format/repository.md.  Read once, when a store is opened with a
 * keyring; what never changes is then only looked up.
 */

#include "parts.h"

enum grants_of {
	GRANTS_CONTENT = 1, /* content keys, by their key ids */
	GRANTS_DOMAIN = 2   /* trust domains' keys, by the domains' names */
};

struct grants;

/*
 * A file that is damaged, or newer than we are, grants nothing: check tells of
 * it.  *out is NULL when there are none.
 */
enum err_code grants_load(struct grants **out, struct store *st,
    struct err *e) MUST_CHECK;
void grants_free(struct grants **g);

/*
 * The nth stanza list of a key, from 0; false when there are no more.  g may be
 * NULL.
 */
struct grants_row {
	const uint8_t *stanzas;
	size_t stanzas_bytes;
};
bool grants_find(const struct grants *g, enum grants_of of, const struct id *id,
    size_t nth, struct grants_row *out);

/* keyring_unwrap by this list, or by what was granted since. */
struct grants_key {
	const struct id *key_id;
	const void *list;
	size_t list_bytes;
};
enum err_code grants_unwrap(const struct store *st, const struct grants_key *k,
    struct secret *content_key, struct err *e) MUST_CHECK;

/* keyring_id_key of a domain in the keyring, or granted. */
enum err_code grants_id_key(const struct store *st, const struct id *domain,
    enum keyring_use use, struct hash_key **out, struct err *e) MUST_CHECK;

/* Who of the keyring's recipients opens it: opens[] is added to. */
enum err_code grants_who_can_open(const struct store *st,
    const struct grants_key *k, bool opens[RECIPIENTS_MAX],
    struct err *e) MUST_CHECK;

/* The codec: rows gather in a body, grants_encode makes it a file. */
#define GRANTS_BYTES_MAX ((size_t)2 << 20)
enum err_code grants_add(struct buf *body, enum grants_of of,
    const struct id *id, const struct buf *stanzas, struct err *e) MUST_CHECK;
enum err_code grants_encode(struct buf *out,
    const uint8_t family[STORE_FAMILY_BYTES], const struct buf *body,
    struct err *e) MUST_CHECK;
/* Takes in one file's bytes.  ERR_CORRUPT, ERR_TOONEW: nothing of it. */
enum err_code grants_decode(struct grants **g,
    const uint8_t family[STORE_FAMILY_BYTES], struct buf *bytes,
    struct err *e) MUST_CHECK;
/* After the last one: now it can be searched. */
void grants_sort(struct grants *g);

/* Every file of grants/: whole, and as its name says? */
enum err_code grants_check_all(struct checking *ck, struct err *e) MUST_CHECK;

struct heal; /* heal.h */
/* Damaged ones go to bad/: granting again makes them anew. */
enum err_code grants_heal(struct heal *h, struct err *e) MUST_CHECK;

#endif
