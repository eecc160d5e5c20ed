#include "cut.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#include "ageing.h"
#include "snapfind.h"

#define SIGN_LABEL "bascule cut v1"

void
cut_list_fini(struct cut_list *list)
{
	free(list->cuts);
	memset(list, 0, sizeof(*list));
}

/* --- the file ------------------------------------------------------------------ */

static enum err_code
add_body(struct buf *out, const struct cut *c, struct err *e)
{
	enum err_code rc;

	if ((rc = le_add32(out, (uint32_t)c->snapshots_count, e)) != ERR_NONE ||
	    (rc = le_add32(out, 0, e)) != ERR_NONE ||
	    (rc = le_add64(out, (uint64_t)c->asked.ns, e)) != ERR_NONE ||
	    (rc = le_add64(out, (uint64_t)c->age_ns, e)) != ERR_NONE ||
	    (rc = buf_add(out, c->admin_key, sizeof(c->admin_key), e)) !=
		ERR_NONE ||
	    (rc = le_add_bytes(out, c->service, strlen(c->service), e)) !=
		ERR_NONE)
		return rc;
	for (size_t i = 0; rc == ERR_NONE && i < c->snapshots_count; i++)
		rc = buf_add(out, c->snapshots[i].bytes, ID_BYTES, e);
	return rc;
}

enum err_code
cut_encode(struct buf *out, const struct store *st, struct cut *c,
    struct err *e)
{
	const struct sign_key *admin =
	    st->keyring == NULL ? NULL : keyring_admin(st->keyring);
	uint8_t signature[SIGN_BYTES], *at;
	enum err_code rc;

	buf_clear(out);
	if (admin == NULL) {
		err_set(e, ERR_KEY,
		    "only the administrator's key lets something go before "
		    "its time");
		return err_hint(e,
		    "--key-file names a key with the role "
		    "'admin': bascule key show says which has");
	}
	memcpy(c->admin_key, sign_key_public(admin)->bytes,
	    sizeof(c->admin_key));
	if ((rc = buf_extend(out, HEAD_BYTES, &at, e)) != ERR_NONE)
		return rc;
	head_put(at, HEAD_CUT, st->family);
	if ((rc = add_body(out, c, e)) != ERR_NONE ||
	    (rc = sign_make(admin, SIGN_LABEL, out->bytes, out->len_bytes,
		 signature, e)) != ERR_NONE)
		return rc;
	return buf_add(out, signature, sizeof(signature), e);
}

static enum err_code
decode_body(struct le_reader *r, struct cut *c, struct err *e)
{
	uint32_t reserved;
	const uint8_t *key, *service;
	size_t len;

	c->snapshots_count = le_take32(r);
	reserved = le_take32(r);
	c->asked.ns = (int64_t)le_take64(r);
	c->age_ns = (int64_t)le_take64(r);
	key = le_take(r, sizeof(c->admin_key));
	service = le_take_bytes(r, sizeof(c->service) - 1, &len);
	if (r->bad || reserved != 0 || c->age_ns < 0 ||
	    c->snapshots_count == 0 || c->snapshots_count > CUT_SNAPSHOTS_MAX)
		return err_set(e, ERR_CORRUPT, "a cut's file is malformed");
	memcpy(c->admin_key, key, sizeof(c->admin_key));
	memcpy(c->service, service, len);
	if (strlen(c->service) != len || !repo_name_is_valid(c->service))
		return err_set(e, ERR_CORRUPT, "a cut's service is malformed");
	for (size_t i = 0; i < c->snapshots_count; i++) {
		const uint8_t *at = le_take(r, ID_BYTES);

		if (at == NULL)
			return err_set(e, ERR_CORRUPT,
			    "a cut's file is cut short");
		memcpy(c->snapshots[i].bytes, at, ID_BYTES);
	}
	return ERR_NONE;
}

enum err_code
cut_decode(struct cut *out, const uint8_t *family, const void *bytes,
    size_t len_bytes, struct err *e)
{
	struct sign_public admin;
	struct le_reader r;
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (len_bytes < HEAD_BYTES + SIGN_BYTES)
		return err_set(e, ERR_CORRUPT, "a cut's file is cut short");
	rc = head_check(bytes, len_bytes, HEAD_CUT, family, e);
	if (rc != ERR_NONE)
		return rc;
	le_init(&r, bytes, len_bytes - SIGN_BYTES);
	(void)le_take(&r, HEAD_BYTES);
	if ((rc = decode_body(&r, out, e)) != ERR_NONE)
		return rc;
	if (!le_done(&r))
		return err_set(e, ERR_CORRUPT,
		    "a cut's file is longer than it says");
	memcpy(admin.bytes, out->admin_key, sizeof(admin.bytes));
	return sign_check(&admin, SIGN_LABEL, bytes, len_bytes - SIGN_BYTES,
	    (const uint8_t *)bytes + len_bytes - SIGN_BYTES, e);
}

/* --- asking ---------------------------------------------------------------------- */

static enum err_code
ask(struct session *se, struct cut *c, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(buf_fini) struct buf b = {.max_bytes = CUTFILE_BYTES_MAX};
	OWNED(fdio_close) int fd = -1;
	struct repo_file f = {.what = "cuts"};
	enum err_code rc;

	if ((rc = repo_lock(se->store, e)) != ERR_NONE)
		return rc;
	held = se->store;
	c->asked = now_utc();
	if ((rc = ageing_observe(held, AGEING_KEEP, &c->age_ns, e)) !=
		ERR_NONE ||
	    (rc = cut_encode(&b, held, c, e)) != ERR_NONE ||
	    (rc = repo_make_dir(&fd, held->dir_fd, "cuts", e)) != ERR_NONE)
		return rc;
	f.dirfd = fd;
	f.bytes = b.bytes;
	f.len_bytes = b.len_bytes;
	return repo_publish_hashed(se, &f, &c->id, e);
}

enum err_code
cut_ask(struct store *st, struct cut *c, struct err *e)
{
	OWNED(session_close) struct session *se = NULL;
	enum err_code rc;

	if (!repo_name_is_valid(c->service) || c->snapshots_count == 0 ||
	    c->snapshots_count > CUT_SNAPSHOTS_MAX)
		return err_set(e, ERR_INPUT,
		    "at most %d snapshots of one service at a time",
		    CUT_SNAPSHOTS_MAX);
	rc = session_open_bare(&se, st, e);
	return rc == ERR_NONE ? ask(se, c, e) : rc;
}

static enum err_code
load(struct cut *out, struct store *st, int dir_fd, const struct id *id,
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc = snapfind_bytes(&b, dir_fd, id, CUTFILE_BYTES_MAX, e);

	if (rc == ERR_NONE)
		rc = cut_decode(out, st->family, b.bytes, b.len_bytes, e);
	out->id = *id;
	return rc;
}

enum err_code
cut_list(struct cut_list *out, struct store *st, struct err *e)
{
	OWNED(cut_list_fini) struct cut_list list = {0};
	OWNED(repo_names_fini) struct repo_names names = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_list_in(&names, &fd, st, "cuts", e);

	memset(out, 0, sizeof(*out));
	if (rc != ERR_NONE)
		return rc;
	list.cuts = calloc(names.count + 1, sizeof(*list.cuts));
	if (list.cuts == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < names.count; i++) {
		struct err ignored;
		struct id id;

		if (id_parse(names.names[i], &id) &&
		    load(&list.cuts[list.count], st, fd, &id, &ignored) ==
			ERR_NONE)
			list.count++;
	}
	*out = list;
	memset(&list, 0, sizeof(list));
	return ERR_NONE;
}

enum err_code
cut_withdraw(struct store *st, const struct id *id, struct err *e)
{
	return repo_unlink(st, "cuts", id, "withdraw cut", e);
}

/* --- is it time? ------------------------------------------------------------------- */

static bool
names_it(const struct cut *c, const struct id *snapshot)
{
	for (size_t i = 0; i < c->snapshots_count; i++)
		if (id_equal(&c->snapshots[i], snapshot))
			return true;
	return false;
}

enum err_code
cut_wait(int64_t *wait_ns, struct store *st, const struct id *snapshot,
    int64_t now_ns, struct err *e)
{
	OWNED(cut_list_fini) struct cut_list list = {0};
	const struct sign_key *admin =
	    st->keyring == NULL ? NULL : keyring_admin(st->keyring);
	enum err_code rc = cut_list(&list, st, e);

	*wait_ns = -1;
	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++) {
		const struct cut *c = &list.cuts[i];
		int64_t left_ns = CUT_DELAY_NS;

		if (admin == NULL || !names_it(c, snapshot) ||
		    memcmp(c->admin_key, sign_key_public(admin)->bytes,
			sizeof(c->admin_key)) != 0)
			continue;
		/* One of a later clock: that began again. */
		if (c->age_ns <= now_ns)
			left_ns -= now_ns - c->age_ns;
		if (left_ns < 0)
			left_ns = 0;
		if (*wait_ns < 0 || left_ns < *wait_ns)
			*wait_ns = left_ns;
	}
	return rc;
}
