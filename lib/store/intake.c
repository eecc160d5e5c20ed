#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "landing.h"
#include "pack.h"
#include "parts.h"

/*
 * I1. A pack counts only once its bytes matched its name and its footer the
 *     frames' clear heads; until intake_flush it is a temporary.
 * I2. The index is made here from footers: a sender's word is not taken.
 */
struct intake {
	struct session *session;
	struct landing landing;
	struct hash *hash;
	struct pack_done arriving; /* fd -1: none */
	uint64_t got_bytes;
	unsigned packs_begun;
};

enum err_code
intake_new(struct intake **out, struct store *st, struct err *e)
{
	OWNED(intake_free) struct intake *in = NULL;
	enum err_code rc;

	*out = NULL;
	in = calloc(1, sizeof(*in));
	if (in == NULL)
		return err_nomem(e);
	in->arriving.fd = -1;
	rc = session_open_bare(&in->session, st, e);
	if (rc != ERR_NONE)
		return rc;
	landing_init(&in->landing, in->session);
	in->landing.foreign = true;
	rc = hash_begin(&in->hash, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(in);
	return ERR_NONE;
}

/* Forget the pack that is arriving. */
static void
drop(struct intake *in)
{
	struct id ignored;

	if (in->arriving.fd == -1)
		return;
	fdio_close(&in->arriving.fd);
	unlinkat(in->session->store->tmp_fd, in->arriving.temporary, 0);
	hash_end(in->hash, &ignored); /* it is fresh again */
}

void
intake_free(struct intake **inp)
{
	struct intake *in = TAKE(*inp);

	if (in == NULL)
		return;
	if (in->session != NULL) {
		drop(in);
		landing_fini(&in->landing);
	}
	hash_free(&in->hash);
	session_close(&in->session);
	free(in);
}

struct session *
intake_session(struct intake *in)
{
	return in->session;
}

enum err_code
intake_pack_begin(struct intake *in, const struct id *name, uint64_t size_bytes,
    struct err *e)
{
	struct store *st = in->session->store;
	struct pack_done *pd = &in->arriving;

	drop(in);
	if (size_bytes > PACK_BYTES_MAX || size_bytes < PACK_TAIL_BYTES)
		return err_set(e, ERR_INPUT, "no pack has %llu bytes",
		    (unsigned long long)size_bytes);
	*pd = (struct pack_done){.name = *name,
	    .size_bytes = size_bytes,
	    .fd = -1};
	snprintf(pd->temporary, sizeof(pd->temporary), "%s-i%x",
	    in->session->name, in->packs_begun++);
	in->got_bytes = 0;
	pd->fd = fdio_open_beneath(st->tmp_fd, pd->temporary,
	    O_RDWR | O_CREAT | O_EXCL, 0400);
	if (pd->fd == -1)
		return err_sys(e, "cannot create '%s/tmp/%s'", st->path,
		    pd->temporary);
	return ERR_NONE;
}

enum err_code
intake_pack_add(struct intake *in, const void *bytes, size_t len_bytes,
    struct err *e)
{
	enum err_code rc;

	ASSERT(in->arriving.fd != -1);
	if (len_bytes > in->arriving.size_bytes - in->got_bytes)
		rc = err_set(e, ERR_INPUT,
		    "more bytes arrive than the pack was said to have");
	else
		rc = fdio_write(in->arriving.fd, bytes, len_bytes, e);
	if (rc != ERR_NONE) {
		err_wrap(e, "receiving into '%s/tmp/%s'",
		    in->session->store->path, in->arriving.temporary);
		drop(in);
		return rc;
	}
	in->got_bytes += len_bytes;
	hash_add(in->hash, bytes, len_bytes);
	return ERR_NONE;
}

/* I1: the bytes, then what they say. */
static enum err_code
verify(struct intake *in, struct pack_footer *f, bool *metadata, struct err *e)
{
	struct store *st = in->session->store;
	OWNED(pack_close) struct pack pk = {.fd = -1};
	struct pack_frame first;
	struct id hash;
	enum err_code rc;

	hash_end(in->hash, &hash);
	if (in->got_bytes != in->arriving.size_bytes ||
	    !id_equal(&hash, &in->arriving.name))
		return err_set(e, ERR_CORRUPT,
		    "what arrived does not match the pack's name");
	rc = pack_open(&pk, st->tmp_fd, in->arriving.temporary, 0, e);
	if (rc == ERR_NONE)
		rc = pack_footer_load(f, &pk, e);
	if (rc == ERR_NONE)
		rc = pack_check_heads(&pk, f, st->family, e);
	if (rc == ERR_NONE && f->frames_count == 0)
		rc = err_set(e, ERR_CORRUPT, "it is empty");
	if (rc != ERR_NONE)
		return rc;
	pack_footer_frame(f, 0, &first);
	*metadata = first.kind != STORE_DATA;
	return ERR_NONE;
}

enum err_code
intake_pack_end(struct intake *in, struct err *e)
{
	OWNED(pack_footer_fini) struct pack_footer f = {0};
	uint32_t ordinal = (uint32_t)in->landing.packs_count;
	char hex[ID_HEX_BYTES];
	enum err_code rc;

	ASSERT(in->arriving.fd != -1);
	rc = verify(in, &f, &in->arriving.metadata, e);
	if (rc != ERR_NONE) {
		drop(in);
		return err_wrap(e, "pack %s", id_hex(&in->arriving.name, hex));
	}
	rc = landing_add(&in->landing, &in->arriving, e);
	return rc == ERR_NONE
	    ? pack_footer_records(&f, ordinal, &in->landing.records, e)
	    : rc;
}

enum err_code
intake_flush(struct intake *in, struct err *e)
{
	enum err_code rc = landing_flush(&in->landing, e);

	return rc == ERR_NONE ? store_refresh(in->session->store, e) : rc;
}
