#include "keyring_items.h"

#include <string.h>

#include "sign.h"

#define KEY_BYTES    32
#define DOMAIN_BYTES (4 + KEY_BYTES)
#define ROLES_ALL    (KEYRING_WRITE | KEYRING_READ | KEYRING_ADMIN)

enum err_code
keyring_items_add_domain(struct keyring *k, uint32_t generation,
    const struct secret *key, struct err *e)
{
	OWNED(secret_fini) struct secret name = {0};
	struct keyring_domain *d;
	enum err_code rc;

	if (k->domains_count == KEYRING_DOMAINS_MAX)
		return err_set(e, ERR_INPUT,
		    "a key file holds at most %d generations",
		    KEYRING_DOMAINS_MAX);
	d = &k->domains[k->domains_count];
	rc = hash_derive(key, KEYRING_NAME_LABEL, ID_BYTES, &name, e);
	if (rc == ERR_NONE)
		rc = secret_set(&d->key, key->bytes, key->len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	d->generation = generation;
	memcpy(d->name.bytes, name.bytes, ID_BYTES);
	k->domains_count++;
	return ERR_NONE;
}

enum err_code
keyring_items_set_reader(struct keyring *k, const struct secret *own,
    struct err *e)
{
	enum err_code rc;

	rc = recipients_public_of(own, &k->reader_public, e);
	if (rc != ERR_NONE)
		return rc;
	return secret_set(&k->reader, own->bytes, own->len_bytes, e);
}

static enum err_code
domains_write(const struct keyring *k, struct container *c, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; i < k->domains_count && rc == ERR_NONE; i++) {
		uint8_t bytes[DOMAIN_BYTES];

		le_put32(bytes, k->domains[i].generation);
		memcpy(bytes + 4, k->domains[i].key.bytes, KEY_BYTES);
		rc = container_add(c, CONTAINER_DOMAIN, bytes, sizeof bytes, e);
		secret_wipe(bytes, sizeof bytes);
	}
	return rc;
}

enum err_code
keyring_items_write(const struct keyring *k, struct container *c, struct err *e)
{
	enum err_code rc;

	memcpy(c->family, k->family, sizeof c->family);
	c->roles = keyring_roles(k);
	rc = domains_write(k, c, e);
	for (size_t i = 0; i < k->recipients_count && rc == ERR_NONE; i++)
		rc = container_add(c, CONTAINER_RECIPIENT,
		    k->recipients[i].bytes, KEY_BYTES, e);
	if (rc == ERR_NONE && k->writer != NULL)
		rc = container_add(c, CONTAINER_WRITER,
		    sign_key_seed(k->writer)->bytes, KEY_BYTES, e);
	if (rc == ERR_NONE && k->reader.bytes != NULL)
		rc = container_add(c, CONTAINER_READER, k->reader.bytes,
		    KEY_BYTES, e);
	if (rc == ERR_NONE && k->admin != NULL)
		rc = container_add(c, CONTAINER_ADMIN,
		    sign_key_seed(k->admin)->bytes, KEY_BYTES, e);
	if (rc == ERR_NONE)
		rc = container_add(c, CONTAINER_ADMIN_PUBLIC,
		    k->admin_public.bytes, KEY_BYTES, e);
	return rc;
}

static enum err_code
misfit(struct err *e)
{
	return err_set(e, ERR_CORRUPT,
	    "the key file's items do not fit together");
}

static enum err_code
domain_read(struct keyring *k, const struct container_item *item, struct err *e)
{
	OWNED(secret_fini) struct secret key = {0};
	uint32_t generation, before = 0;
	enum err_code rc;

	if (item->len_bytes != DOMAIN_BYTES ||
	    k->domains_count == KEYRING_DOMAINS_MAX)
		return misfit(e);
	generation = le_get32(item->bytes);
	if (k->domains_count > 0)
		before = k->domains[k->domains_count - 1].generation;
	if (generation <= before)
		return misfit(e);
	rc = secret_set(&key, item->bytes + 4, KEY_BYTES, e);
	if (rc != ERR_NONE)
		return rc;
	return keyring_items_add_domain(k, generation, &key, e);
}

static enum err_code
signer_read(struct sign_key **key, const struct container_item *item,
    struct err *e)
{
	OWNED(secret_fini) struct secret seed = {0};
	enum err_code rc;

	if (*key != NULL)
		return misfit(e);
	rc = secret_set(&seed, item->bytes, KEY_BYTES, e);
	return rc != ERR_NONE ? rc : sign_key_from(key, &seed, e);
}

static enum err_code
reader_read(struct keyring *k, const struct container_item *item, struct err *e)
{
	OWNED(secret_fini) struct secret own = {0};
	enum err_code rc;

	if (k->reader.bytes != NULL)
		return misfit(e);
	rc = secret_set(&own, item->bytes, KEY_BYTES, e);
	return rc != ERR_NONE ? rc : keyring_items_set_reader(k, &own, e);
}

static enum err_code
recipient_read(struct keyring *k, const struct container_item *item,
    struct err *e)
{
	for (size_t i = 0; i < k->recipients_count; i++)
		if (memcmp(k->recipients[i].bytes, item->bytes, KEY_BYTES) == 0)
			return misfit(e);
	if (k->recipients_count == RECIPIENTS_MAX)
		return misfit(e);
	memcpy(k->recipients[k->recipients_count++].bytes, item->bytes,
	    KEY_BYTES);
	return ERR_NONE;
}

static enum err_code
item_read(struct keyring *k, const struct container_item *item,
    size_t *admin_publics_count, struct err *e)
{
	if (item->type == CONTAINER_DOMAIN)
		return domain_read(k, item, e);
	if (item->len_bytes != KEY_BYTES)
		return misfit(e);
	switch (item->type) {
	case CONTAINER_RECIPIENT: return recipient_read(k, item, e);
	case CONTAINER_WRITER: return signer_read(&k->writer, item, e);
	case CONTAINER_ADMIN: return signer_read(&k->admin, item, e);
	case CONTAINER_READER: return reader_read(k, item, e);
	case CONTAINER_ADMIN_PUBLIC:
		memcpy(k->admin_public.bytes, item->bytes, KEY_BYTES);
		(*admin_publics_count)++;
		return ERR_NONE;
	default: return misfit(e);
	}
}

/* Everything a keyring must have is there, and agrees with the roles. */
static enum err_code
whole_check(const struct keyring *k, const struct container *c,
    size_t admin_publics_count, struct err *e)
{
	if (c->roles == 0 || c->roles != keyring_roles(k) ||
	    (c->roles & ~(uint32_t)ROLES_ALL) != 0 || k->domains_count == 0 ||
	    k->recipients_count < 2 || admin_publics_count != 1)
		return misfit(e);
	if (k->admin != NULL &&
	    memcmp(sign_key_public(k->admin)->bytes, k->admin_public.bytes,
		SIGN_PUBLIC_BYTES) != 0)
		return misfit(e);
	return ERR_NONE;
}

enum err_code
keyring_items_read(struct keyring *k, const struct container *c, struct err *e)
{
	size_t admin_publics_count = 0;
	struct container_item item;
	struct le_reader r;
	enum err_code rc;
	bool more;

	memcpy(k->family, c->family, sizeof k->family);
	le_init(&r, c->items.bytes, c->items.len_bytes);
	for (;;) {
		rc = container_next(&r, &item, &more, e);
		if (rc != ERR_NONE)
			return rc;
		if (!more)
			return whole_check(k, c, admin_publics_count, e);
		rc = item_read(k, &item, &admin_publics_count, e);
		if (rc != ERR_NONE)
			return rc;
	}
}
