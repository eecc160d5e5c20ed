#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "epochs.h"
#include "incoming.h"
#include "landing.h"
#include "pack.h"
#include "parts.h"

#define REREAD_BYTES ((size_t)256 << 10)

/*
 * I1. A pack counts only once its bytes matched its name and its footer the
 *     frames' clear heads; until intake_flush it is in incoming/ or tmp/.
 * I2. The index is made here from footers: a sender's word is not taken.
 */
struct intake {
	struct session *session;
	struct incoming incoming;
	struct landing landing;
	struct hash *hash;
	struct pack_done arriving; /* fd -1: none */
	uint64_t got_bytes;
	int64_t promised_ns;
	struct epochs epochs; /* under which its services come */
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
	incoming_init(&in->incoming, in->session);
	landing_init(&in->landing, in->session);
	in->landing.foreign = true;
	in->landing.incoming = &in->incoming;
	rc = hash_begin(&in->hash, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(in);
	return ERR_NONE;
}

/* The pack that is arriving does not come any more, or is no good. */
static void
drop(struct intake *in, bool no_good)
{
	struct id ignored;

	if (in->arriving.fd == -1)
		return;
	if (no_good || !in->arriving.incoming)
		incoming_drop(&in->incoming, &in->arriving);
	fdio_close(&in->arriving.fd);
	hash_end(in->hash, &ignored); /* it is fresh again */
}

void
intake_free(struct intake **inp)
{
	struct intake *in = TAKE(*inp);

	if (in == NULL)
		return;
	if (in->session != NULL) {
		drop(in, false);
		landing_fini(&in->landing);
		incoming_fini(&in->incoming);
	}
	hash_free(&in->hash);
	epochs_fini(&in->epochs);
	session_close(&in->session);
	free(in);
}

struct session *
intake_session(struct intake *in)
{
	return in->session;
}

void
intake_promise(struct intake *in, int64_t promised_ns)
{
	in->promised_ns = promised_ns;
}

int64_t
intake_promised(const struct intake *in)
{
	return in->promised_ns;
}

enum err_code
intake_epoch(struct intake *in, const char *service, uint64_t epoch,
    struct err *e)
{
	return epochs_carry(&in->epochs, in->session->store, service, epoch, e);
}

const struct epochs *
intake_epochs(const struct intake *in)
{
	return &in->epochs;
}

uint64_t
intake_pack_staged(struct intake *in, const struct id *name,
    uint64_t size_bytes)
{
	return incoming_have(&in->incoming, name, size_bytes);
}

/* What was there already, as if it had just arrived. */
static enum err_code
read_again(struct intake *in, uint64_t from_bytes, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc = ERR_NONE;
	uint8_t *at;

	if (from_bytes > 0)
		rc = buf_extend(&b, REREAD_BYTES, &at, e);
	while (rc == ERR_NONE && in->got_bytes < from_bytes) {
		uint64_t left = from_bytes - in->got_bytes;
		size_t n = left < REREAD_BYTES ? (size_t)left : REREAD_BYTES;

		rc = fdio_pread(in->arriving.fd, at, n, in->got_bytes, e);
		if (rc == ERR_NONE)
			hash_add(in->hash, at, n);
		in->got_bytes += n;
	}
	return rc;
}

enum err_code
intake_pack_resume(struct intake *in, const struct id *name,
    uint64_t size_bytes, uint64_t from_bytes, struct err *e)
{
	struct pack_done *pd = &in->arriving;
	enum err_code rc;

	drop(in, false);
	if (size_bytes > PACK_BYTES_MAX || size_bytes < PACK_TAIL_BYTES ||
	    from_bytes > size_bytes)
		return err_set(e, ERR_INPUT, "no pack has %llu bytes",
		    (unsigned long long)size_bytes);
	*pd = (struct pack_done){.name = *name,
	    .size_bytes = size_bytes,
	    .fd = -1};
	in->got_bytes = 0;
	rc = incoming_begin(&in->incoming, pd, from_bytes, e);
	if (rc == ERR_NONE)
		rc = read_again(in, from_bytes, e);
	if (rc != ERR_NONE)
		drop(in, rc == ERR_CORRUPT);
	return rc;
}

enum err_code
intake_pack_begin(struct intake *in, const struct id *name, uint64_t size_bytes,
    struct err *e)
{
	return intake_pack_resume(in, name, size_bytes, 0, e);
}

enum err_code
intake_pack_add(struct intake *in, const void *bytes, size_t len_bytes,
    struct err *e)
{
	char hex[ID_HEX_BYTES];
	enum err_code rc;

	ASSERT(in->arriving.fd != -1);
	if (len_bytes > in->arriving.size_bytes - in->got_bytes)
		rc = err_set(e, ERR_INPUT,
		    "more bytes arrive than the pack was said to have");
	else
		rc = fdio_write(in->arriving.fd, bytes, len_bytes, e);
	if (rc != ERR_NONE) {
		err_wrap(e, "receiving pack %s into '%s'",
		    id_hex(&in->arriving.name, hex), in->session->store->path);
		drop(in, false);
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
	struct pack pk;
	struct pack_frame first;
	struct id hash;
	enum err_code rc;

	hash_end(in->hash, &hash);
	if (in->got_bytes != in->arriving.size_bytes ||
	    !id_equal(&hash, &in->arriving.name))
		return err_set(e, ERR_CORRUPT,
		    "what arrived does not match the pack's name");
	rc = pack_open_fd(&pk, in->arriving.fd, e);
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
		drop(in, true);
		return err_wrap(e, "pack %s", id_hex(&in->arriving.name, hex));
	}
	/* Let the disk begin now; whether it succeeds, the flush will say. */
	(void)sync_file_range(in->arriving.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
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
