#ifndef CRYPT_KEYRING_H
#define CRYPT_KEYRING_H

#include <bascule/crypt.h>

#define KEYRING_DOMAINS_MAX 64
#define KEYRING_NAME_LABEL  "bascule domain name v1"

struct keyring_domain {
	uint32_t generation;
	struct secret key;
	struct id name;
};

struct keyring {
	uint8_t family[RECIPIENTS_FAMILY_BYTES];
	struct keyring_domain domains[KEYRING_DOMAINS_MAX]; /* last: current */
	size_t domains_count;
	struct recipients_public recipients[RECIPIENTS_MAX];
	size_t recipients_count;
	struct sign_public admin_public;
	struct sign_key *writer; /* NULL: no write role */
	struct sign_key *admin;  /* NULL: no admin role */
	struct secret reader;    /* empty: no read role */
	struct recipients_public reader_public;
};

/* An empty one: for keyring_items_read, or to be filled by hand. */
enum err_code keyring_new_blank(struct keyring **out, struct err *e) MUST_CHECK;

/* A fresh key of the next generation. */
enum err_code keyring_new_generation(struct keyring *k,
    struct err *e) MUST_CHECK;

#endif
