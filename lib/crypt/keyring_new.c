#include <string.h>

#include <bascule/base/rand.h>

#include "keyring.h"
#include "keyring_items.h"
#include "sign.h"

#define ROLES_ALL (KEYRING_WRITE | KEYRING_READ | KEYRING_ADMIN)

enum err_code
keyring_new_blank(struct keyring **out, struct err *e)
{
	*out = calloc(1, sizeof **out);
	return *out == NULL ? err_nomem(e) : ERR_NONE;
}

enum err_code
keyring_new_generation(struct keyring *k, struct err *e)
{
	OWNED(secret_fini) struct secret key = {0};
	uint32_t before = keyring_generation(k);
	enum err_code rc;

	if (before == UINT32_MAX)
		return err_set(e, ERR_INPUT, "no generation is left");
	rc = secret_random(&key, HASH_KEY_BYTES, e);
	if (rc != ERR_NONE)
		return rc;
	return keyring_items_add_domain(k, before + 1, &key, e);
}

/* What every member of a family knows. */
static enum err_code
family_copy(struct keyring *to, const struct keyring *from, struct err *e)
{
	enum err_code rc = ERR_NONE;

	memcpy(to->family, from->family, sizeof to->family);
	memcpy(to->recipients, from->recipients, sizeof to->recipients);
	to->recipients_count = from->recipients_count;
	to->admin_public = from->admin_public;
	for (size_t i = 0; i < from->domains_count && rc == ERR_NONE; i++)
		rc = keyring_items_add_domain(to, from->domains[i].generation,
		    &from->domains[i].key, e);
	return rc;
}

/* A recipient's pair: the secret for k, the public half for the family. */
static enum err_code
reader_make(struct keyring *k, struct keyring *family, struct err *e)
{
	OWNED(secret_fini) struct secret own = {0};
	struct recipients_public pub;
	enum err_code rc;

	rc = recipients_new(&own, &pub, e);
	if (rc == ERR_NONE)
		rc = keyring_items_set_reader(k, &own, e);
	if (rc == ERR_NONE)
		rc = keyring_add_recipient(family, &pub, e);
	return rc;
}

enum err_code
keyring_new_family(struct keyring **operations, struct keyring **escrow,
    struct err *e)
{
	OWNED(keyring_free) struct keyring *ops = NULL;
	OWNED(keyring_free) struct keyring *safe = NULL;
	enum err_code rc;

	*operations = *escrow = NULL;
	rc = keyring_new_blank(&ops, e);
	if (rc == ERR_NONE)
		rc = keyring_new_blank(&safe, e);
	if (rc != ERR_NONE)
		return rc;
	rand_bytes(ops->family, sizeof ops->family);
	rc = keyring_new_generation(ops, e);
	if (rc == ERR_NONE)
		rc = sign_key_new(&ops->writer, e);
	if (rc == ERR_NONE)
		rc = sign_key_new(&ops->admin, e);
	if (rc != ERR_NONE)
		return rc;
	ops->admin_public = *sign_key_public(ops->admin);
	rc = reader_make(ops, ops, e);
	if (rc == ERR_NONE)
		rc = reader_make(safe, ops, e);
	if (rc == ERR_NONE)
		rc = family_copy(safe, ops, e);
	if (rc != ERR_NONE)
		return rc;
	*operations = TAKE(ops);
	*escrow = TAKE(safe);
	return ERR_NONE;
}

static enum err_code
admin_copy(struct keyring *k, const struct keyring *from, struct err *e)
{
	if (from->admin == NULL)
		return err_set(e, ERR_REFUSED,
		    "only a key that has the admin role can hand it on");
	return sign_key_from(&k->admin, sign_key_seed(from->admin), e);
}

enum err_code
keyring_new_member(struct keyring **out, const struct keyring *from,
    unsigned roles, struct err *e)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	enum err_code rc;

	*out = NULL;
	if (roles == 0 || (roles & ~(unsigned)ROLES_ALL) != 0)
		return err_set(e, ERR_INPUT, "a key needs a role");
	rc = keyring_new_blank(&k, e);
	if (rc == ERR_NONE)
		rc = family_copy(k, from, e);
	if (rc == ERR_NONE && (roles & KEYRING_WRITE) != 0)
		rc = sign_key_new(&k->writer, e);
	if (rc == ERR_NONE && (roles & KEYRING_READ) != 0)
		rc = reader_make(k, k, e);
	if (rc == ERR_NONE && (roles & KEYRING_ADMIN) != 0)
		rc = admin_copy(k, from, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(k);
	return ERR_NONE;
}

enum err_code
keyring_new_writer(struct keyring **out, const struct keyring *from,
    struct err *e)
{
	*out = NULL;
	if (!keyring_can_write(from))
		return err_set(e, ERR_REFUSED,
		    "only a key that writes can make another writer");
	return keyring_new_member(out, from, KEYRING_WRITE, e);
}
