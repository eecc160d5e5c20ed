#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

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

/* ERR_NOTFOUND: it is not pinned.  ERR_CORRUPT: the pin is damaged. */
static enum err_code
pin_check(struct store *st, int dir_fd, const uint8_t key[SIGN_PUBLIC_BYTES],
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	char name[NAME_BYTES];
	struct id hash;
	size_t body;
	enum err_code rc;

	rc = repo_slurp(&b, dir_fd, pin_name(key, name), PIN_BYTES_MAX, e);
	if (rc != ERR_NONE)
		return rc;
	if (b.len_bytes < HEAD_BYTES + SIGN_PUBLIC_BYTES + ID_BYTES)
		return err_set(e, ERR_CORRUPT, "keys/%.20s is cut short", name);
	body = b.len_bytes - ID_BYTES;
	if ((rc = hash_sha256(b.bytes, body, &hash, e)) != ERR_NONE)
		return rc;
	if (memcmp(hash.bytes, b.bytes + body, ID_BYTES) != 0 ||
	    memcmp(b.bytes + HEAD_BYTES, key, SIGN_PUBLIC_BYTES) != 0)
		return err_set(e, ERR_CORRUPT, "keys/%.20s is damaged", name);
	return head_check(b.bytes, body, HEAD_PIN, st->family, e);
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
	struct id hash;
	uint8_t *at;
	enum err_code rc;

	if ((rc = buf_extend(&b, HEAD_BYTES, &at, e)) != ERR_NONE)
		return rc;
	head_put(at, HEAD_PIN, se->store->family);
	if ((rc = buf_add(&b, key, SIGN_PUBLIC_BYTES, e)) != ERR_NONE ||
	    (rc = le_add64(&b, (uint64_t)now_utc().ns, e)) != ERR_NONE ||
	    (rc = le_add_bytes(&b, service, strlen(service), e)) != ERR_NONE ||
	    (rc = hash_sha256(b.bytes, b.len_bytes, &hash, e)) != ERR_NONE ||
	    (rc = buf_add(&b, hash.bytes, ID_BYTES, e)) != ERR_NONE)
		return rc;
	f.bytes = b.bytes;
	f.len_bytes = b.len_bytes;
	rc = repo_publish(se, &f, e);
	/* Someone pinned it in this moment: their pin is as good. */
	return rc == ERR_EXISTS || rc == ERR_CORRUPT
	    ? pin_check(se->store, dir_fd, key, e)
	    : rc;
}

enum err_code
pin_add(struct session *se, const uint8_t key[SIGN_PUBLIC_BYTES],
    const char *service, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	enum err_code rc;

	if ((rc = keys_open(&fd, se->store, e)) != ERR_NONE)
		return rc;
	rc = pin_check(se->store, fd, key, e);
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

enum err_code
pin_accept(struct session *se, const uint8_t key[SIGN_PUBLIC_BYTES],
    const char *service, struct err *e)
{
	char print[SIGN_FINGERPRINT_SIZE];
	OWNED(fdio_close) int fd = -1;
	struct sign_public pub;
	bool known;
	enum err_code rc;

	if ((rc = keys_open(&fd, se->store, e)) != ERR_NONE)
		return rc;
	rc = pin_check(se->store, fd, key, e);
	if (rc != ERR_NOTFOUND)
		return rc;
	if ((rc = service_is_known(se->store, service, &known, e)) != ERR_NONE)
		return rc;
	if (!known)
		return pin_make(se, fd, key, service, e);
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
pin_check_all(struct checking *ck, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_dir(&fd, ck->store->dir_fd, "keys", e);

	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	if (rc != ERR_NONE || (rc = repo_list(&n, fd, e)) != ERR_NONE)
		return rc;
	for (size_t i = 0; i < n.count; i++) {
		uint8_t key[SIGN_PUBLIC_BYTES];
		char object[sizeof "keys/" + NAME_BYTES];
		struct err why = {0};

		if (!pin_parse_name(n.names[i], key))
			continue; /* a key file: keyfile_read looks at those */
		snprintf(object, sizeof object, "keys/%s", n.names[i]);
		if (pin_check(ck->store, fd, key, &why) != ERR_NONE)
			checking_damage(ck, object, "%s", why.text);
	}
	return ERR_NONE;
}
