#include "keyring.h"

#include <string.h>

#include "container.h"
#include "keyring_items.h"
#include "sign.h"

#define RECIPIENTS_MIN 2

static const char domain_label[] = "bascule domain key wrap v1"; /* with NUL */

static const char *const labels[KEYRING_USES] = {
    [KEYRING_ID_DATA] = "bascule id data v1",
    [KEYRING_ID_LEAF] = "bascule id leaf v1",
    [KEYRING_ID_INNER] = "bascule id inner v1",
    [KEYRING_ID_LIST] = "bascule id list v1",
    [KEYRING_CHUNKER] = "bascule chunker v1",
    [KEYRING_SPLIT] = "bascule split v1",
    [KEYRING_LINK] = "bascule link v1",
};

void
keyring_free(struct keyring **kp)
{
	struct keyring *k = TAKE(*kp);

	if (k == NULL)
		return;
	for (size_t i = 0; i < KEYRING_DOMAINS_MAX; i++)
		secret_fini(&k->domains[i].key);
	sign_key_free(&k->writer);
	sign_key_free(&k->admin);
	secret_fini(&k->reader);
	free(k);
}

enum err_code
keyring_add_recipient(struct keyring *k, const struct recipients_public *pub,
    struct err *e)
{
	for (size_t i = 0; i < k->recipients_count; i++)
		if (memcmp(&k->recipients[i], pub, sizeof *pub) == 0)
			return err_set(e, ERR_EXISTS,
			    "that recipient is one already");
	if (k->recipients_count == RECIPIENTS_MAX)
		return err_set(e, ERR_INPUT, "at most %d recipients",
		    RECIPIENTS_MAX);
	k->recipients[k->recipients_count++] = *pub;
	return ERR_NONE;
}

enum err_code
keyring_remove_recipient(struct keyring *k, const struct id *id, struct err *e)
{
	struct id each;
	enum err_code rc;

	for (size_t i = 0; i < k->recipients_count; i++) {
		rc = recipients_id(&k->recipients[i], &each, e);
		if (rc != ERR_NONE)
			return rc;
		if (!id_equal(&each, id))
			continue;
		if (keyring_can_read(k) &&
		    memcmp(&k->reader_public, &k->recipients[i],
			sizeof k->reader_public) == 0)
			return err_set(e, ERR_REFUSED,
			    "that recipient is this key itself: it would not "
			    "read what it writes");
		if (k->recipients_count <= RECIPIENTS_MIN) {
			err_set(e, ERR_REFUSED,
			    "at least %d recipients must stay", RECIPIENTS_MIN);
			return err_hint(e, "add another one first");
		}
		memmove(&k->recipients[i], &k->recipients[i + 1],
		    (--k->recipients_count - i) * sizeof k->recipients[0]);
		return ERR_NONE;
	}
	return err_set(e, ERR_NOTFOUND, "there is no such recipient");
}

/* Is every generation of k one of from? */
static bool
generations_are_known(const struct keyring *k, const struct keyring *from)
{
	for (size_t i = 0; i < k->domains_count; i++) {
		bool found = false;

		for (size_t j = 0; j < from->domains_count && !found; j++)
			found = id_equal(&k->domains[i].name,
			    &from->domains[j].name);
		if (!found)
			return false;
	}
	return true;
}

enum err_code
keyring_update(struct keyring *k, const struct keyring *from, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (memcmp(k->family, from->family, sizeof k->family) != 0)
		return err_set(e, ERR_KEY, "the keys are of two families");
	if (!generations_are_known(k, from)) {
		err_set(e, ERR_REFUSED,
		    "the key has a generation that the other one lacks");
		return err_hint(e, "is it the other way round?");
	}
	for (size_t i = 0; i < k->domains_count; i++)
		secret_fini(&k->domains[i].key);
	k->domains_count = 0;
	for (size_t i = 0; i < from->domains_count && rc == ERR_NONE; i++)
		rc = keyring_items_add_domain(k, from->domains[i].generation,
		    &from->domains[i].key, e);
	if (rc != ERR_NONE)
		return rc;
	memcpy(k->recipients, from->recipients, sizeof k->recipients);
	k->recipients_count = from->recipients_count;
	if (!keyring_can_read(k))
		return ERR_NONE;
	rc = keyring_add_recipient(k, &k->reader_public, e);
	return rc == ERR_EXISTS ? ERR_NONE : rc;
}

enum err_code
keyring_rotate(struct keyring *k, struct err *e)
{
	return keyring_new_generation(k, e);
}

enum err_code
keyring_save(const struct keyring *k, const struct secret *passphrase,
    struct secret *file, struct err *e)
{
	OWNED(container_fini) struct container c = {.kind = CONTAINER_KEYRING};
	enum err_code rc;

	rc = keyring_items_write(k, &c, e);
	return rc != ERR_NONE ? rc : container_pack(&c, passphrase, file, e);
}

enum err_code
keyring_load(struct keyring **out, const struct secret *file,
    const struct secret *passphrase, struct err *e)
{
	OWNED(container_fini) struct container c = {0};
	OWNED(keyring_free) struct keyring *k = NULL;
	enum err_code rc;

	*out = NULL;
	rc = container_unpack(&c, file, passphrase, CONTAINER_KEYRING, e);
	if (rc == ERR_NONE)
		rc = keyring_new_blank(&k, e);
	if (rc == ERR_NONE)
		rc = keyring_items_read(k, &c, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(k);
	return ERR_NONE;
}

const uint8_t *
keyring_family(const struct keyring *k)
{
	return k->family;
}

unsigned
keyring_roles(const struct keyring *k)
{
	return (k->writer != NULL ? KEYRING_WRITE : 0u) |
	    (k->reader.bytes != NULL ? KEYRING_READ : 0u) |
	    (k->admin != NULL ? KEYRING_ADMIN : 0u);
}

bool
keyring_can_read(const struct keyring *k)
{
	return k->reader.bytes != NULL;
}

bool
keyring_is_locked(const struct keyring *k)
{
	for (size_t i = 0; i < k->domains_count; i++)
		if (!secret_is_locked(&k->domains[i].key))
			return false;
	return secret_is_locked(&k->reader) && sign_key_is_locked(k->writer) &&
	    sign_key_is_locked(k->admin);
}

bool
keyring_can_write(const struct keyring *k)
{
	return k->writer != NULL;
}

const struct id *
keyring_domain(const struct keyring *k)
{
	return &k->domains[k->domains_count - 1].name;
}

uint32_t
keyring_generation(const struct keyring *k)
{
	return k->domains_count == 0
	    ? 0
	    : k->domains[k->domains_count - 1].generation;
}

static const struct keyring_domain *
domain_find(const struct keyring *k, const struct id *name)
{
	for (size_t i = k->domains_count; i > 0; i--)
		if (name == NULL || id_equal(&k->domains[i - 1].name, name))
			return &k->domains[i - 1];
	return NULL;
}

enum err_code
keyring_subkey(const struct keyring *k, const struct id *domain,
    enum keyring_use use, struct secret *out, struct err *e)
{
	const struct keyring_domain *d = domain_find(k, domain);

	ASSERT((unsigned)use < KEYRING_USES);
	if (d == NULL) {
		err_set(e, ERR_KEY,
		    "the key file lacks the trust domain this was written in");
		return err_hint(e,
		    "it was rotated since, or belongs to other "
		    "owners: use their key file");
	}
	return hash_derive(&d->key, labels[use], HASH_KEY_BYTES, out, e);
}

enum err_code
keyring_id_key(const struct keyring *k, const struct id *domain,
    enum keyring_use use, struct hash_key **out, struct err *e)
{
	OWNED(secret_fini) struct secret key = {0};
	enum err_code rc;

	*out = NULL;
	rc = keyring_subkey(k, domain, use, &key, e);
	return rc != ERR_NONE ? rc : hash_key_new(out, &key, e);
}

const struct id *
keyring_domain_nth(const struct keyring *k, size_t nth)
{
	return nth < k->domains_count ? &k->domains[nth].name : NULL;
}

/* info: the label and the family; aad: the domain's name. */
struct domain_bind {
	uint8_t info[sizeof domain_label + RECIPIENTS_FAMILY_BYTES];
	struct recipients_bind bind;
};

static void
domain_bind_make(struct domain_bind *b, const struct keyring *k,
    const struct id *domain)
{
	memcpy(b->info, domain_label, sizeof domain_label);
	memcpy(b->info + sizeof domain_label, k->family, sizeof k->family);
	b->bind = (struct recipients_bind){b->info, sizeof b->info,
	    domain->bytes, ID_BYTES};
}

enum err_code
keyring_wrap_domain(const struct keyring *k, size_t nth,
    const struct recipients_public *to, struct buf *list, struct err *e)
{
	const struct keyring_domain *d = &k->domains[nth];
	struct domain_bind b;

	ASSERT(nth < k->domains_count);
	domain_bind_make(&b, k, &d->name);
	return recipients_wrap(list, to, &b.bind, &d->key, e);
}

enum err_code
keyring_subkey_wrapped(const struct keyring *k, const struct id *domain,
    const void *list, size_t len_bytes, enum keyring_use use,
    struct secret *out, struct err *e)
{
	OWNED(secret_fini) struct secret key = {0};
	OWNED(secret_fini) struct secret name = {0};
	struct domain_bind b;
	enum err_code rc;

	ASSERT((unsigned)use < KEYRING_USES);
	secret_fini(out);
	if (!keyring_can_read(k))
		return err_set(e, ERR_KEY, "this key file cannot read backups");
	domain_bind_make(&b, k, domain);
	rc = recipients_unwrap_list(&key, &k->reader, &b.bind, list, len_bytes,
	    e);
	if (rc == ERR_NONE)
		rc = hash_derive(&key, KEYRING_NAME_LABEL, ID_BYTES, &name, e);
	if (rc != ERR_NONE)
		return rc;
	/* A name is made from its key alone: another key has another. */
	if (memcmp(name.bytes, domain->bytes, ID_BYTES) != 0)
		return err_set(e, ERR_CORRUPT,
		    "a trust domain's key is not the one its name says");
	return hash_derive(&key, labels[use], HASH_KEY_BYTES, out, e);
}

const struct recipients_public *
keyring_recipients(const struct keyring *k, size_t *count)
{
	*count = k->recipients_count;
	return k->recipients;
}

const struct sign_key *
keyring_writer(const struct keyring *k)
{
	return k->writer;
}

const struct sign_key *
keyring_admin(const struct keyring *k)
{
	return k->admin;
}

const struct sign_public *
keyring_admin_public(const struct keyring *k)
{
	return &k->admin_public;
}

const struct recipients_public *
keyring_own_public(const struct keyring *k)
{
	return keyring_can_read(k) ? &k->reader_public : NULL;
}

/* A stanza for each recipient, appended to list. */
static enum err_code
wrap_to_all(const struct keyring *k, const struct secret *content_key,
    struct buf *list, struct err *e)
{
	OWNED(seal_key_free) struct seal_key *key = NULL;
	struct recipients_key name = {.family = k->family};
	enum err_code rc;

	rc = seal_key_new(&key, content_key, e);
	if (rc != ERR_NONE)
		return rc;
	name.key_id = *seal_key_id(key);
	for (size_t i = 0; i < k->recipients_count && rc == ERR_NONE; i++)
		rc = recipients_wrap_key(list, &k->recipients[i], &name,
		    content_key, e);
	return rc;
}

enum err_code
keyring_new_content_key(const struct keyring *k, struct secret *content_key,
    struct buf *list, struct err *e)
{
	enum err_code rc;

	secret_fini(content_key);
	buf_clear(list);
	if (!keyring_can_write(k))
		return err_set(e, ERR_REFUSED,
		    "this key file may not back up: it has no write role");
	rc = secret_random(content_key, SEAL_KEY_BYTES, e);
	if (rc == ERR_NONE)
		rc = wrap_to_all(k, content_key, list, e);
	if (rc != ERR_NONE) {
		secret_fini(content_key);
		buf_clear(list);
	}
	return rc;
}

enum err_code
keyring_unwrap(const struct keyring *k, const struct id *key_id,
    const void *list, size_t len_bytes, struct secret *content_key,
    struct err *e)
{
	const struct recipients_key name = {k->family, *key_id};

	secret_fini(content_key);
	if (!keyring_can_read(k)) {
		err_set(e, ERR_KEY, "this key file cannot read backups");
		return err_hint(e,
		    "it has the write role only: use the "
		    "operations or the escrow key file");
	}
	return recipients_unwrap_key(content_key, &k->reader, &name, list,
	    len_bytes, e);
}

static bool
id_is_among(const struct id *id, const struct id *ids, size_t ids_count)
{
	for (size_t i = 0; i < ids_count; i++)
		if (id_equal(&ids[i], id))
			return true;
	return false;
}

enum err_code
keyring_who_can_open(const struct keyring *k, const void *list,
    size_t len_bytes, bool opens[RECIPIENTS_MAX], struct err *e)
{
	struct id ids[RECIPIENTS_MAX], id;
	size_t ids_count;
	enum err_code rc;

	rc = recipients_list(list, len_bytes, ids, &ids_count, e);
	for (size_t i = 0; i < k->recipients_count && rc == ERR_NONE; i++) {
		rc = recipients_id(&k->recipients[i], &id, e);
		if (rc == ERR_NONE && id_is_among(&id, ids, ids_count))
			opens[i] = true;
	}
	return rc;
}

enum err_code
keyring_all_can_open(const struct keyring *k, const void *list,
    size_t len_bytes, bool *all, struct err *e)
{
	bool opens[RECIPIENTS_MAX] = {false};
	enum err_code rc;

	*all = false;
	rc = keyring_who_can_open(k, list, len_bytes, opens, e);
	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < k->recipients_count; i++)
		if (!opens[i])
			return ERR_NONE;
	*all = true;
	return ERR_NONE;
}
