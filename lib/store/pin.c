#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#include "heal.h"
#include "pin.h"

#define PIN_BYTES_MAX 1024
#define NAME_BYTES    (sizeof "writer-" + 2 * (size_t)SIGN_PUBLIC_BYTES)

static const char *
pin_name(const uint8_t key[SIGN_PUBLIC_BYTES], char out[NAME_BYTES])
{
	memcpy(out, "writer-", 7);
	(void)text_hex(key, SIGN_PUBLIC_BYTES, out + 7);
	return out;
}

static bool
pin_parse_name(const char *name, uint8_t key[SIGN_PUBLIC_BYTES])
{
	return strncmp(name, "writer-", 7) == 0 &&
	    text_unhex(name + 7, key, SIGN_PUBLIC_BYTES);
}

static enum err_code
keys_open(int *fd, struct store *st, struct err *e)
{
	return repo_make_dir(fd, st->dir_fd, "keys", e);
}

/* What a pin says, whatever its name. */
static enum err_code
pin_decode(struct store_pin *out, const struct buf *b,
    const uint8_t family[STORE_FAMILY_BYTES], struct err *e)
{
	enum err_code rc =
	    head_check_hashed(b->bytes, b->len_bytes, HEAD_PIN, family, e);
	const uint8_t *key, *service;
	struct le_reader r;
	size_t len;

	memset(out, 0, sizeof(*out));
	if (rc != ERR_NONE)
		return rc;
	le_init(&r, b->bytes + HEAD_BYTES,
	    b->len_bytes - HEAD_BYTES - ID_BYTES);
	key = le_take(&r, SIGN_PUBLIC_BYTES);
	out->since.ns = (int64_t)le_take64(&r);
	service = le_take_bytes(&r, STORE_NAME_BYTES - 1, &len);
	if (!le_done(&r))
		return err_set(e, ERR_CORRUPT, "is malformed");
	memcpy(out->key, key, SIGN_PUBLIC_BYTES);
	memcpy(out->service, service, len);
	return ERR_NONE;
}

static enum err_code
pin_look(struct store_pin *out, struct store *st, int dir_fd,
    const uint8_t key[SIGN_PUBLIC_BYTES], struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	char name[NAME_BYTES];
	enum err_code rc;

	rc = repo_slurp(&b, dir_fd, pin_name(key, name), PIN_BYTES_MAX, e);
	if (rc != ERR_NONE)
		return rc;
	rc = pin_decode(out, &b, st->family, e);
	if (rc == ERR_NONE && memcmp(out->key, key, SIGN_PUBLIC_BYTES) != 0)
		rc = err_set(e, ERR_CORRUPT, "is of another writer");
	return rc;
}

/* ERR_NOTFOUND: it is not pinned.  ERR_CORRUPT: the pin is damaged. */
static enum err_code
pin_check(struct store_pin *out, struct store *st, int dir_fd,
    const uint8_t key[SIGN_PUBLIC_BYTES], struct err *e)
{
	enum err_code rc = pin_look(out, st, dir_fd, key, e);
	char name[NAME_BYTES];

	if (rc != ERR_CORRUPT)
		return rc;
	err_wrap(e, "'%s/keys/%s'", st->path, pin_name(key, name));
	return err_hint(e, "bascule -r REPOSITORY heal writes it again");
}

static enum err_code
pin_encode(struct buf *b, struct store *st,
    const uint8_t key[SIGN_PUBLIC_BYTES], const char *service, struct err *e)
{
	struct id hash;
	uint8_t *at;
	enum err_code rc;

	if ((rc = buf_extend(b, HEAD_BYTES, &at, e)) != ERR_NONE)
		return rc;
	head_put(at, HEAD_PIN, st->family);
	if ((rc = buf_add(b, key, SIGN_PUBLIC_BYTES, e)) != ERR_NONE ||
	    (rc = le_add64(b, (uint64_t)now_utc().ns, e)) != ERR_NONE ||
	    (rc = le_add_bytes(b, service, strlen(service), e)) != ERR_NONE ||
	    (rc = hash_sha256(b->bytes, b->len_bytes, &hash, e)) != ERR_NONE)
		return rc;
	return buf_add(b, hash.bytes, ID_BYTES, e);
}

static enum err_code
pin_make(struct session *se, int dir_fd, const uint8_t key[SIGN_PUBLIC_BYTES],
    const char *service, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	char name[NAME_BYTES];
	struct repo_file f = {.dirfd = dir_fd,
	    .what = "keys",
	    .name = pin_name(key, name)};
	struct store_pin found;
	enum err_code rc = pin_encode(&b, se->store, key, service, e);

	if (rc != ERR_NONE)
		return rc;
	f.bytes = b.bytes;
	f.len_bytes = b.len_bytes;
	rc = repo_publish(se, &f, e);
	/* Someone pinned it in this moment: their pin is as good. */
	return rc == ERR_EXISTS || rc == ERR_CORRUPT
	    ? pin_check(&found, se->store, dir_fd, key, e)
	    : rc;
}

enum err_code
pin_add(struct session *se, const uint8_t key[SIGN_PUBLIC_BYTES],
    const char *service, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	struct store_pin found;
	enum err_code rc;

	if ((rc = keys_open(&fd, se->store, e)) != ERR_NONE)
		return rc;
	rc = pin_check(&found, se->store, fd, key, e);
	return rc == ERR_NOTFOUND ? pin_make(se, fd, key, service, e) : rc;
}

enum err_code
pin_own(struct session *se, const char *service, struct err *e)
{
	const struct sign_key *own = keyring_writer(se->store->keyring);
	enum err_code rc = pin_add(se, sign_key_public(own)->bytes, service, e);

	/* check tells of a damaged pin; it must not keep a backup from being. */
	return rc == ERR_CORRUPT ? ERR_NONE : rc;
}

/* Has the copy any snapshot of the service? */
static enum err_code
service_is_known(struct store *st, const char *service, bool *known,
    struct err *e)
{
	OWNED(repo_names_fini) struct repo_names names = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_dir(&fd, st->snapshots_fd, service, e);

	*known = false;
	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	if (rc != ERR_NONE || (rc = repo_list(&names, fd, e)) != ERR_NONE)
		return rc;
	*known = names.count > 0;
	return ERR_NONE;
}

/* *pinned: it is.  ERR_REFUSED: another is, for that service. */
static enum err_code
look_up(struct store *st, const uint8_t key[SIGN_PUBLIC_BYTES],
    const char *service, bool *pinned, struct err *e)
{
	char print[SIGN_FINGERPRINT_SIZE];
	OWNED(fdio_close) int fd = -1;
	struct store_pin found;
	struct sign_public pub;
	bool known;
	enum err_code rc;

	*pinned = false;
	if ((rc = keys_open(&fd, st, e)) != ERR_NONE)
		return rc;
	rc = pin_check(&found, st, fd, key, e);
	*pinned = rc == ERR_NONE;
	if (rc != ERR_NOTFOUND)
		return rc;
	if ((rc = service_is_known(st, service, &known, e)) != ERR_NONE ||
	    !known)
		return rc;
	memcpy(pub.bytes, key, sizeof pub.bytes);
	if ((rc = sign_fingerprint(&pub, print, e)) != ERR_NONE)
		return rc;
	err_set(e, ERR_REFUSED,
	    "service %s is written here by another key than %s", service,
	    print);
	return err_hint(e,
	    "if this writer is right, a site that trusts it must pin it here");
}

enum err_code
pin_known(struct store *st, const uint8_t key[SIGN_PUBLIC_BYTES],
    const char *service, struct err *e)
{
	bool pinned;

	return look_up(st, key, service, &pinned, e);
}

enum err_code
pin_accept(struct session *se, const uint8_t key[SIGN_PUBLIC_BYTES],
    const char *service, struct err *e)
{
	bool pinned;
	enum err_code rc = look_up(se->store, key, service, &pinned, e);

	return rc == ERR_NONE && !pinned ? pin_add(se, key, service, e) : rc;
}

/* --- all of them ---------------------------------------------------------- */

typedef enum err_code pin_fn(void *ctx, int dir_fd, const char *name,
    const uint8_t key[SIGN_PUBLIC_BYTES], struct err *e);

static enum err_code
pin_each(struct store *st, pin_fn *fn, void *ctx, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_list_in(&n, &fd, st, "keys", e);

	for (size_t i = 0; rc == ERR_NONE && i < n.count; i++) {
		uint8_t key[SIGN_PUBLIC_BYTES];

		/* Else a key file: keyfile_read looks at those. */
		if (pin_parse_name(n.names[i], key))
			rc = fn(ctx, fd, n.names[i], key, e);
	}
	return rc;
}

#define OBJECT_BYTES (sizeof "keys/" + NAME_BYTES)

static enum err_code
check_one(void *ctx, int dir_fd, const char *name,
    const uint8_t key[SIGN_PUBLIC_BYTES], struct err *e)
{
	struct checking *ck = ctx;
	char object[OBJECT_BYTES];
	struct store_pin found;
	struct err why = {0};
	enum err_code rc = pin_look(&found, ck->store, dir_fd, key, &why);

	if (rc == ERR_NOMEM) {
		*e = why;
		return rc;
	}
	snprintf(object, sizeof object, "keys/%s", name);
	if (rc != ERR_NONE)
		checking_damage(ck, object, "%s", why.text);
	return ERR_NONE;
}

enum err_code
pin_check_all(struct checking *ck, struct err *e)
{
	return pin_each(ck->store, check_one, ck, e);
}

static enum err_code
list_one(void *ctx, int dir_fd, const char *name,
    const uint8_t key[SIGN_PUBLIC_BYTES], struct err *e)
{
	struct store_pin_list *out = ctx;
	struct store_pin *pins =
	    reallocarray(out->pins, out->count + 1, sizeof(*pins));
	struct err why = {0};

	(void)name;
	if (pins == NULL)
		return err_nomem(e);
	out->pins = pins;
	pins += out->count;
	if (pin_look(pins, out->store, dir_fd, key, &why) != ERR_NONE) {
		memset(pins, 0, sizeof(*pins));
		memcpy(pins->key, key, SIGN_PUBLIC_BYTES);
		pins->damaged = true;
	}
	out->count++;
	return ERR_NONE;
}

enum err_code
pin_list(struct store_pin_list *out, struct err *e)
{
	return pin_each(out->store, list_one, out, e);
}

/* --- healing -------------------------------------------------------------- */

/*
 * Whose pin was it?  Nobody signs a pin, so its name says as much as what is in
 * it; but what is in it has a hash.
 */
static enum err_code
pin_meant(struct store *st, int dir_fd, const char *name,
    uint8_t key[SIGN_PUBLIC_BYTES], struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	struct store_pin found;
	enum err_code rc = repo_slurp(&b, dir_fd, name, PIN_BYTES_MAX, e);

	if (rc != ERR_NONE)
		return rc == ERR_NOMEM || rc == ERR_NOTFOUND ? rc : ERR_NONE;
	if (pin_decode(&found, &b, st->family, e) == ERR_NONE)
		memcpy(key, found.key, SIGN_PUBLIC_BYTES);
	return ERR_NONE;
}

/* In its place, whole: at no moment is the writer not pinned. */
static enum err_code
rewrite(struct heal *h, int dir_fd, const char *name,
    const uint8_t key[SIGN_PUBLIC_BYTES], struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(buf_fini) struct buf b = {0};
	struct repo_file f = {.dirfd = dir_fd, .what = "keys", .name = name};
	char tmp[SESSION_TEMPORARY_BYTES];
	enum err_code rc = pin_encode(&b, h->store, key, "", e);

	if (rc == ERR_NONE)
		rc = heal_lock(h, e);
	if (rc != ERR_NONE)
		return rc;
	held = h->store;
	session_temporary(h->session, tmp);
	f.bytes = b.bytes;
	f.len_bytes = b.len_bytes;
	rc = heal_keep(h, dir_fd, name, name, e);
	return rc == ERR_NONE ? repo_replace(h->store, tmp, &f, e) : rc;
}

static enum err_code
heal_one(void *ctx, int dir_fd, const char *name,
    const uint8_t key[SIGN_PUBLIC_BYTES], struct err *e)
{
	struct heal *h = ctx;
	uint8_t meant[SIGN_PUBLIC_BYTES];
	char object[OBJECT_BYTES];
	struct store_pin found;
	struct err why = {0};
	enum err_code rc = pin_look(&found, h->store, dir_fd, key, &why);

	if (rc != ERR_CORRUPT && rc != ERR_IO)
		return ERR_NONE;
	snprintf(object, sizeof object, "keys/%s", name);
	memcpy(meant, key, sizeof meant);
	rc = pin_meant(h->store, dir_fd, name, meant, e);
	if (rc != ERR_NONE)
		return rc == ERR_NOTFOUND ? ERR_NONE : rc;
	if (memcmp(meant, key, sizeof meant) == 0) {
		rc = rewrite(h, dir_fd, name, key, e);
		if (rc == ERR_NONE)
			heal_done(h, object, "written again from its name");
		return rc;
	}
	rc = pin_add(h->session, meant, found.service, e);
	if (rc == ERR_NONE)
		rc = heal_put_away(h, dir_fd, name, name, e);
	if (rc == ERR_NONE)
		heal_done(h, object, "given the name of the writer it pins");
	return rc;
}

enum err_code
pin_heal(struct heal *h, struct err *e)
{
	return pin_each(h->store, heal_one, h, e);
}
