#include "snapfile.h"
#include "grants.h"

#include <bascule/base/le.h>
#include <bascule/base/path.h>

#define SIGN_LABEL   "bascule snapshot v1"
#define FLAGS_ALL    (SNAPSHOT_PARTIAL | SNAPSHOT_CHECKPOINT | SNAPSHOT_COMMAND)
#define DETAILS_UNIT 512

bool
snapfile_dataset_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= STORE_DATASET_BYTES || !text_is_utf8(name, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return true;
}

static enum err_code
damaged(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "a snapshot's %s", what);
}

/* --- details -------------------------------------------------------------- */

static enum err_code
add_string(struct buf *out, const char *s, size_t max_bytes, struct err *e)
{
	size_t len = s == NULL ? 0 : strlen(s);

	return le_add_bytes(out, s, len < max_bytes ? len : max_bytes, e);
}

/* As many problems as there is room for: their number is saved in full. */
static enum err_code
add_problems(struct buf *out, const struct snapshot *s, struct err *e)
{
	size_t count = 0, bytes = out->len_bytes + 4 + DETAILS_UNIT;
	enum err_code rc;

	for (; count < s->problems_count && count < SNAPSHOT_PROBLEMS_MAX;
	     count++) {
		bytes += 8 + strlen(s->problems[count].path) +
		    strlen(s->problems[count].reason);
		if (bytes > SNAPFILE_DETAILS_MAX)
			break;
	}
	rc = le_add32(out, (uint32_t)count, e);
	for (size_t i = 0; i < count && rc == ERR_NONE; i++) {
		rc = add_string(out, s->problems[i].path, PATH_BYTES_MAX, e);
		if (rc == ERR_NONE)
			rc = add_string(out, s->problems[i].reason,
			    SNAPFILE_REASON_MAX, e);
	}
	return rc;
}

static enum err_code
pad(struct buf *out, struct err *e)
{
	size_t len =
	    (DETAILS_UNIT - out->len_bytes % DETAILS_UNIT) % DETAILS_UNIT;
	uint8_t *at;
	enum err_code rc = buf_extend(out, len, &at, e);

	if (rc == ERR_NONE)
		memset(at, 0, len);
	return rc;
}

enum err_code
snapfile_details_encode(struct buf *out, const struct snapshot *s,
    struct err *e)
{
	const uint64_t totals[] = {s->files_count, s->dirs_count,
	    s->others_count, s->bytes, s->new_bytes, s->stored_bytes,
	    s->problems_total_count};
	enum err_code rc;

	if (s->tags_count > SNAPSHOT_TAGS_MAX)
		return err_set(e, ERR_INPUT, "more than %d tags",
		    SNAPSHOT_TAGS_MAX);
	if ((rc = add_string(out, s->host, SNAPFILE_HOST_MAX, e)) != ERR_NONE ||
	    (rc = add_string(out, s->source, PATH_BYTES_MAX, e)) != ERR_NONE ||
	    (rc = le_add32(out, (uint32_t)s->tags_count, e)) != ERR_NONE)
		return rc;
	for (size_t i = 0; i < s->tags_count; i++)
		if ((rc = add_string(out, s->tags[i], SNAPFILE_TAG_MAX, e)) !=
		    ERR_NONE)
			return rc;
	for (size_t i = 0; i < COUNT_OF(totals); i++)
		if ((rc = le_add64(out, totals[i], e)) != ERR_NONE)
			return rc;
	if ((rc = add_problems(out, s, e)) != ERR_NONE)
		return rc;
	return pad(out, e);
}

static char *
take_string(struct le_reader *r, size_t max_bytes)
{
	size_t len;
	const uint8_t *at = le_take_bytes(r, max_bytes, &len);
	char *s;

	if (r->bad || (len > 0 && memchr(at, 0, len) != NULL)) {
		r->bad = true;
		return NULL;
	}
	if ((s = malloc(len + 1)) == NULL)
		return NULL;
	if (len > 0)
		memcpy(s, at, len);
	s[len] = '\0';
	return s;
}

static enum err_code
take_problems(struct le_reader *r, struct snapshot *s, struct err *e)
{
	uint32_t count = le_take32(r);

	if (r->bad || count > SNAPSHOT_PROBLEMS_MAX ||
	    count > s->problems_total_count)
		return damaged(e, "problems are malformed");
	s->problems = calloc(count + 1U, sizeof *s->problems);
	if (s->problems == NULL)
		return err_nomem(e);
	while (s->problems_count < count) {
		struct snapshot_problem *p = &s->problems[s->problems_count++];

		p->path = take_string(r, PATH_BYTES_MAX);
		p->reason = take_string(r, SNAPFILE_REASON_MAX);
		if (r->bad)
			return damaged(e, "problems are malformed");
		if (p->path == NULL || p->reason == NULL)
			return err_nomem(e);
	}
	return ERR_NONE;
}

static enum err_code
take_tags(struct le_reader *r, struct snapshot *s, struct err *e)
{
	uint32_t count = le_take32(r);

	if (r->bad || count > SNAPSHOT_TAGS_MAX)
		return damaged(e, "tags are malformed");
	while (s->tags_count < count) {
		char *tag = take_string(r, SNAPFILE_TAG_MAX);

		if (r->bad)
			return damaged(e, "tags are malformed");
		if (tag == NULL)
			return err_nomem(e);
		s->tags[s->tags_count++] = tag;
	}
	return ERR_NONE;
}

static bool
is_padding(const struct le_reader *r)
{
	for (size_t i = 0; i < r->left_bytes; i++)
		if (r->at[i] != 0)
			return false;
	return r->left_bytes < DETAILS_UNIT;
}

enum err_code
snapfile_details_decode(struct snapshot *s, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct le_reader r;
	enum err_code rc;

	le_init(&r, bytes, len_bytes);
	s->host = take_string(&r, SNAPFILE_HOST_MAX);
	s->source = take_string(&r, PATH_BYTES_MAX);
	if (r.bad)
		return damaged(e, "details are malformed");
	if (s->host == NULL || s->source == NULL)
		return err_nomem(e);
	if ((rc = take_tags(&r, s, e)) != ERR_NONE)
		return rc;
	s->files_count = le_take64(&r);
	s->dirs_count = le_take64(&r);
	s->others_count = le_take64(&r);
	s->bytes = le_take64(&r);
	s->new_bytes = le_take64(&r);
	s->stored_bytes = le_take64(&r);
	s->problems_total_count = le_take64(&r);
	if ((rc = take_problems(&r, s, e)) != ERR_NONE)
		return rc;
	if (r.bad || !is_padding(&r) || len_bytes % DETAILS_UNIT != 0)
		return damaged(e, "details are malformed");
	s->details_known = true;
	return ERR_NONE;
}

/* --- the file ------------------------------------------------------------- */

static enum err_code
add_clear(struct buf *out, const struct session *se, const struct snapshot *s,
    struct err *e)
{
	const struct keyring *k = se->store->keyring;
	uint8_t *at;
	enum err_code rc;

	if ((rc = buf_extend(out, HEAD_BYTES, &at, e)) != ERR_NONE)
		return rc;
	head_put(at, HEAD_SNAPSHOT, se->store->family);
	if ((rc = le_add32(out, s->flags, e)) != ERR_NONE ||
	    (rc = le_add32(out, 0, e)) != ERR_NONE ||
	    (rc = le_add64(out, s->epoch, e)) != ERR_NONE ||
	    (rc = le_add64(out, s->sequence, e)) != ERR_NONE ||
	    (rc = le_add64(out, (uint64_t)s->started.ns, e)) != ERR_NONE ||
	    (rc = le_add64(out, (uint64_t)s->ended.ns, e)) != ERR_NONE ||
	    (rc = buf_add(out, s->root.bytes, ID_BYTES, e)) != ERR_NONE ||
	    (rc = buf_add(out, s->predecessor.bytes, ID_BYTES, e)) !=
		ERR_NONE ||
	    (rc = buf_add(out, s->group, sizeof s->group, e)) != ERR_NONE ||
	    (rc = buf_add(out, keyring_domain(k)->bytes, ID_BYTES, e)) !=
		ERR_NONE ||
	    (rc = buf_add(out, s->writer_key, sizeof s->writer_key, e)) !=
		ERR_NONE ||
	    (rc = le_add_bytes(out, s->service, strlen(s->service), e)) !=
		ERR_NONE ||
	    (rc = le_add_bytes(out, s->dataset, strlen(s->dataset), e)) !=
		ERR_NONE ||
	    (rc = buf_add(out, seal_key_id(se->key)->bytes, ID_BYTES, e)) !=
		ERR_NONE)
		return rc;
	return le_add_bytes(out, se->stanzas.bytes, se->stanzas.len_bytes, e);
}

static enum err_code
add_sealed(struct buf *out, struct session *se, const struct snapshot *s,
    struct err *e)
{
	OWNED(buf_fini)
	struct buf details = {.max_bytes = SNAPFILE_DETAILS_MAX};
	OWNED(buf_fini) struct buf sealed = {0};
	uint8_t nonce[SEAL_NONCE_BYTES], *at;
	struct seal_input in = {.nonce = nonce};
	enum err_code rc;

	seal_nonce(nonce);
	if ((rc = buf_add(out, nonce, sizeof nonce, e)) != ERR_NONE ||
	    (rc = snapfile_details_encode(&details, s, e)) != ERR_NONE ||
	    (rc = buf_extend(&sealed, details.len_bytes + SEAL_TAG_BYTES, &at,
		 e)) != ERR_NONE)
		return rc;
	in.aad = out->bytes;
	in.aad_bytes = out->len_bytes;
	in.text = details.bytes;
	in.text_bytes = details.len_bytes;
	if ((rc = seal_close(se->key, &in, at, e)) != ERR_NONE)
		return rc;
	return le_add_bytes(out, sealed.bytes, sealed.len_bytes, e);
}

enum err_code
snapfile_encode(struct buf *out, struct session *se, const struct snapshot *s,
    struct err *e)
{
	const struct sign_key *writer = keyring_writer(se->store->keyring);
	uint8_t signature[SIGN_BYTES];
	enum err_code rc;

	buf_clear(out);
	if (writer == NULL || se->key == NULL)
		return err_set(e, ERR_KEY, "this key cannot write snapshots");
	if ((rc = add_clear(out, se, s, e)) != ERR_NONE ||
	    (rc = add_sealed(out, se, s, e)) != ERR_NONE ||
	    (rc = sign_make(writer, SIGN_LABEL, out->bytes, out->len_bytes,
		 signature, e)) != ERR_NONE)
		return rc;
	return buf_add(out, signature, sizeof signature, e);
}

static void
take_into(struct le_reader *r, void *to, size_t len_bytes)
{
	const uint8_t *at = le_take(r, len_bytes);

	if (at != NULL)
		memcpy(to, at, len_bytes);
}

/* A name of at most room - 1 bytes and a NUL. */
static void
take_name(struct le_reader *r, char *to, size_t room)
{
	size_t len;
	const uint8_t *at = le_take_bytes(r, room - 1, &len);

	if (r->bad || (len > 0 && memchr(at, 0, len) != NULL)) {
		r->bad = true;
		return;
	}
	if (len > 0)
		memcpy(to, at, len);
	to[len] = '\0';
}

static enum err_code
decode_clear(struct le_reader *r, struct snapshot *s,
    struct snapfile_sealed *sealed, struct err *e)
{
	uint32_t reserved;

	s->flags = le_take32(r);
	reserved = le_take32(r);
	s->epoch = le_take64(r);
	s->sequence = le_take64(r);
	s->started.ns = (int64_t)le_take64(r);
	s->ended.ns = (int64_t)le_take64(r);
	take_into(r, s->root.bytes, ID_BYTES);
	take_into(r, s->predecessor.bytes, ID_BYTES);
	take_into(r, s->group, sizeof s->group);
	take_into(r, sealed->domain.bytes, ID_BYTES);
	take_into(r, s->writer_key, sizeof s->writer_key);
	take_name(r, s->service, sizeof s->service);
	take_name(r, s->dataset, sizeof s->dataset);
	take_into(r, sealed->key_id.bytes, ID_BYTES);
	sealed->stanzas =
	    le_take_bytes(r, SNAPFILE_STANZAS_MAX, &sealed->stanzas_bytes);
	sealed->nonce = le_take(r, SEAL_NONCE_BYTES);
	if (r->bad || reserved != 0 || (s->flags & ~(uint32_t)FLAGS_ALL) != 0)
		return damaged(e, "clear part is malformed");
	if (!repo_name_is_valid(s->service) ||
	    !snapfile_dataset_is_valid(s->dataset) || s->sequence == 0 ||
	    id_is_none(&s->root))
		return damaged(e, "clear part makes no sense");
	return ERR_NONE;
}

enum err_code
snapfile_decode(struct snapshot *s, struct snapfile_sealed *sealed,
    const uint8_t *family, const void *bytes, size_t len_bytes, struct err *e)
{
	struct sign_public writer;
	struct le_reader r;
	enum err_code rc;

	memset(sealed, 0, sizeof *sealed);
	if (len_bytes < HEAD_BYTES + SIGN_BYTES)
		return damaged(e, "file is cut short");
	if ((rc = head_check(bytes, len_bytes, HEAD_SNAPSHOT, family, e)) !=
	    ERR_NONE)
		return rc;
	le_init(&r, bytes, len_bytes - SIGN_BYTES);
	(void)le_take(&r, HEAD_BYTES);
	if ((rc = decode_clear(&r, s, sealed, e)) != ERR_NONE)
		return rc;
	sealed->aad = bytes;
	sealed->aad_bytes = (size_t)(r.at - sealed->aad);
	sealed->text = le_take_bytes(&r, SNAPFILE_DETAILS_MAX + SEAL_TAG_BYTES,
	    &sealed->text_bytes);
	if (!le_done(&r) || sealed->text_bytes < SEAL_TAG_BYTES)
		return damaged(e, "sealed part is malformed");
	memcpy(writer.bytes, s->writer_key, sizeof writer.bytes);
	rc = sign_check(&writer, SIGN_LABEL, bytes, len_bytes - SIGN_BYTES,
	    (const uint8_t *)bytes + len_bytes - SIGN_BYTES, e);
	if (rc == ERR_CORRUPT)
		return damaged(e, "signature is not its writer's");
	return rc;
}

enum err_code
snapfile_open(struct snapshot *s, const struct snapfile_sealed *sealed,
    const struct store *st, struct err *e)
{
	OWNED(secret_fini) struct secret content_key = {0};
	OWNED(seal_key_free) struct seal_key *key = NULL;
	OWNED(buf_fini) struct buf details = {0};
	struct seal_input in = {.nonce = sealed->nonce,
	    .aad = sealed->aad,
	    .aad_bytes = sealed->aad_bytes,
	    .text = sealed->text,
	    .text_bytes = sealed->text_bytes};
	uint8_t *at;
	enum err_code rc;

	rc = grants_unwrap(st,
	    &(struct grants_key){&sealed->key_id, sealed->stanzas,
		sealed->stanzas_bytes},
	    &content_key, e);
	if (rc != ERR_NONE)
		return rc;
	if ((rc = seal_key_new(&key, &content_key, e)) != ERR_NONE)
		return rc;
	rc = buf_extend(&details, sealed->text_bytes - SEAL_TAG_BYTES, &at, e);
	if (rc != ERR_NONE)
		return rc;
	if ((rc = seal_open(key, &in, at, e)) != ERR_NONE)
		return err_wrap(e, "a snapshot's details");
	return snapfile_details_decode(s, details.bytes, details.len_bytes, e);
}
