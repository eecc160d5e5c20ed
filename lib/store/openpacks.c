#include "openpacks.h"

#include <string.h>

#include "grants.h"

#define PACKS_MAX 16
#define KEYS_MAX  64

struct open_pack {
	uint64_t used; /* the clock; 0: empty */
	struct id name;
	struct pack pack;
};

struct open_key {
	uint64_t used, born;
	struct id key_id;
	struct openpacks_key key;
};

struct openpacks {
	struct store *store;
	uint64_t clock;
	struct open_pack packs[PACKS_MAX];
	struct open_key keys[KEYS_MAX];
};

static void
pack_forget(struct open_pack *p)
{
	if (p->used != 0)
		pack_close(&p->pack);
	memset(p, 0, sizeof(*p));
	p->pack.fd = -1;
}

static void
key_forget(struct open_key *k)
{
	seal_key_free(&k->key.seal);
	for (size_t i = 0; i < COUNT_OF(k->key.id_keys); i++)
		hash_key_free(&k->key.id_keys[i]);
	memset(k, 0, sizeof(*k));
}

enum err_code
openpacks_new(struct openpacks **out, struct store *st, struct err *e)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return err_nomem(e);
	(*out)->store = st;
	return ERR_NONE;
}

void
openpacks_free(struct openpacks **op)
{
	struct openpacks *o = TAKE(*op);

	if (o == NULL)
		return;
	for (size_t i = 0; i < PACKS_MAX; i++)
		pack_forget(&o->packs[i]);
	for (size_t i = 0; i < KEYS_MAX; i++)
		key_forget(&o->keys[i]);
	free(o);
}

enum err_code
openpacks_pack(struct openpacks *o, const struct index_pack *ip,
    struct pack **out, struct err *e)
{
	struct open_pack *oldest = &o->packs[0];
	char path[PACK_PATH_BYTES];
	enum err_code rc;

	for (size_t i = 0; i < PACKS_MAX; i++) {
		struct open_pack *p = &o->packs[i];

		if (p->used != 0 && id_equal(&p->name, &ip->name)) {
			p->used = ++o->clock;
			*out = &p->pack;
			return ERR_NONE;
		}
		if (p->used < oldest->used)
			oldest = p;
	}
	pack_forget(oldest);
	rc = pack_open(&oldest->pack, o->store->packs_fd,
	    pack_path(&ip->name, path), ip->size_bytes, e);
	if (rc == ERR_NOTFOUND)
		e->code = rc = ERR_CORRUPT;
	if (rc != ERR_NONE)
		return rc;
	oldest->name = ip->name;
	oldest->used = ++o->clock;
	*out = &oldest->pack;
	return ERR_NONE;
}

static enum err_code
unwrap(const struct store *st, const struct pack *pk, const struct id *key_id,
    struct openpacks_key *k, struct err *e)
{
	static const enum keyring_use uses[STORE_LIST + 1] =
	    {[STORE_DATA] = KEYRING_ID_DATA,
		[STORE_LEAF] = KEYRING_ID_LEAF,
		[STORE_INNER] = KEYRING_ID_INNER,
		[STORE_LIST] = KEYRING_ID_LIST};
	OWNED(pack_footer_fini) struct pack_footer f = {0};
	OWNED(secret_fini) struct secret content_key = {0};
	struct pack_key_row row;
	uint32_t i = 0;
	enum err_code rc = pack_footer_load(&f, pk, e);

	if (rc != ERR_NONE)
		return rc;
	while (pack_footer_key(&f, i, &row) && !id_equal(&row.key_id, key_id))
		i++;
	if (i >= f.keys_count)
		return err_set(e, ERR_CORRUPT,
		    "the footer does not hold the frame's key");
	rc = grants_unwrap(st,
	    &(struct grants_key){key_id, row.stanzas, row.stanzas_bytes},
	    &content_key, e);
	if (rc == ERR_NONE)
		rc = seal_key_new(&k->seal, &content_key, e);
	for (int u = STORE_DATA; u <= STORE_LIST && rc == ERR_NONE; u++)
		rc = grants_id_key(st, &row.domain, uses[u], &k->id_keys[u], e);
	return rc;
}

enum err_code
openpacks_unwrap(struct openpacks *o, const struct pack *pk,
    const struct id *key_id, struct openpacks_handle *out, struct err *e)
{
	struct open_key *oldest = &o->keys[0];
	enum err_code rc;

	for (size_t i = 0; i < KEYS_MAX; i++) {
		struct open_key *k = &o->keys[i];

		if (k->used != 0 && id_equal(&k->key_id, key_id)) {
			k->used = ++o->clock;
			*out = (struct openpacks_handle){i, k->born};
			return ERR_NONE;
		}
		if (k->used < oldest->used)
			oldest = k;
	}
	key_forget(oldest);
	rc = unwrap(o->store, pk, key_id, &oldest->key, e);
	if (rc != ERR_NONE) {
		key_forget(oldest);
		return rc;
	}
	oldest->key_id = *key_id;
	oldest->born = oldest->used = ++o->clock;
	*out =
	    (struct openpacks_handle){(size_t)(oldest - o->keys), oldest->born};
	return ERR_NONE;
}

const struct openpacks_key *
openpacks_key(const struct openpacks *o, struct openpacks_handle h)
{
	const struct open_key *k = &o->keys[h.place];

	return k->used != 0 && k->born == h.born ? &k->key : NULL;
}
