/*
 * Judging a pack, in the order of docs/format/evidence.md: the seal, the
 * members against the manifest, the manifest's signature, then heads and
 * records through proof.c.  The first thing that is wrong ends it.
 */
#include "evidence.h"
#include "evidence_words.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/wire.h>

#define CHUNK_BYTES 65536

/* Where the tar is: a file, or memory. */
struct pack {
	int fd; /* -1: memory */
	const void *bytes;
	size_t len_bytes;
	struct evidence_verdict *v;
	const char *fingerprint;
	struct evidence_member *members; /* as found */
	size_t members_count;
	struct buf manifest;
	struct buf signature;
	struct wire_value *fields; /* of the manifest */
	struct proof *proof;
	struct evidence_words words;
	struct evidence_keys keys; /* as heads and records name them */
	struct evidence_digests digests;
	bool is_other;                        /* within another pack */
	char site[LEDGER_NAME_BYTES_MAX + 1]; /* by its newest head */
	char chains[LEDGER_CHAINS_MAX][LEDGER_NAME_BYTES_MAX + 1];
	const char *chain_list[LEDGER_CHAINS_MAX];
	unsigned parts_count;
};

static void
pack_fini(struct pack *p)
{
	free(p->members);
	buf_fini(&p->manifest);
	buf_fini(&p->signature);
	wire_free(&p->fields);
	proof_free(&p->proof);
	evidence_words_fini(&p->words);
	evidence_keys_fini(&p->keys);
	evidence_digests_fini(&p->digests);
}

static enum err_code
open_tar(struct pack *p, struct arc_tar_reader **r, struct err *e)
{
	if (p->fd == -1)
		return arc_tar_reader_open_bytes(r, p->bytes, p->len_bytes,
		    NULL, e);
	if (lseek(p->fd, 0, SEEK_SET) == -1)
		return err_sys(e, "cannot go back in the pack");
	return arc_tar_reader_open(r, p->fd, NULL, e);
}

/* --- first pass: what is there --- */

static enum err_code
hash_member(struct pack *p, struct arc_tar_reader *r, const char *name,
    struct hash *h, struct err *e)
{
	struct evidence_member *m = &p->members[p->members_count];
	struct buf *keep = strcmp(name, EVIDENCE_MANIFEST) == 0 ? &p->manifest
	    : strcmp(name, EVIDENCE_SIGNATURE) == 0             ? &p->signature
								: NULL;
	uint8_t bytes[CHUNK_BYTES];
	size_t got;
	enum err_code rc;

	memset(m, 0, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "%s", name);
	do {
		rc = arc_tar_reader_read(r, bytes, sizeof(bytes), &got, e);
		if (rc == ERR_NONE && keep != NULL)
			rc = buf_add(keep, bytes, got, e);
		if (rc != ERR_NONE)
			return rc == ERR_INPUT
			    ? err_set(e, ERR_CORRUPT, "'%s' is too long", name)
			    : rc;
		hash_add(h, bytes, got);
		m->bytes += got;
	} while (got == sizeof(bytes));
	hash_end(h, &m->hash);
	if (keep == NULL)
		p->members_count++;
	return ERR_NONE;
}

static enum err_code
survey(struct pack *p, struct err *e)
{
	OWNED(arc_tar_reader_close) struct arc_tar_reader *r = NULL;
	OWNED(hash_free) struct hash *h = NULL;
	enum err_code rc = open_tar(p, &r, e);

	p->manifest.max_bytes = p->signature.max_bytes = EVIDENCE_MANIFEST_MAX;
	p->members = calloc(EVIDENCE_MEMBERS_MAX, sizeof(*p->members));
	if (p->members == NULL)
		return err_nomem(e);
	if (rc == ERR_NONE)
		rc = hash_begin(&h, e);
	while (rc == ERR_NONE) {
		struct arc_member m;

		rc = arc_tar_reader_next(r, &m, e);
		if (rc == ERR_NOTFOUND)
			return ERR_NONE; /* the archive's proper end */
		if (rc == ERR_NONE &&
		    (strlen(m.name) >= EVIDENCE_NAME_BYTES ||
			p->members_count == EVIDENCE_MEMBERS_MAX))
			return err_set(e, ERR_CORRUPT,
			    "it has members that no pack has");
		if (rc == ERR_NONE)
			rc = hash_member(p, r, m.name, h, e);
	}
	return rc;
}

/* --- the manifest --- */

static void
copy_name(char out[LEDGER_NAME_BYTES_MAX + 1], const char *text)
{
	snprintf(out, LEDGER_NAME_BYTES_MAX + 1, "%s", text);
}

static enum err_code
read_manifest(struct pack *p, struct err *e)
{
	struct evidence_verdict *v = p->v;
	struct utc none = {0};
	struct wire_value *f;
	enum err_code rc = wire_parse(&p->fields,
	    (const char *)p->manifest.bytes, p->manifest.len_bytes, e);

	if (rc != ERR_NONE)
		return rc == ERR_INPUT
		    ? err_set(e, ERR_CORRUPT, "its manifest cannot be read")
		    : rc;
	f = p->fields;
	if (strcmp(wire_need_text(f, "type"), "evidence_manifest") == 0 &&
	    wire_need_int(f, "format") > EVIDENCE_FORMAT)
		return err_set(e, ERR_TOONEW,
		    "the pack was written by a newer version (format %lld)",
		    (long long)wire_need_int(f, "format"));
	v->made = wire_take_utc(f, "ts", none);
	v->since = wire_take_utc(f, "since", none);
	v->until = wire_take_utc(f, "until", none);
	copy_name(v->site, wire_take_text(f, "site", ""));
	copy_name(v->service, wire_take_text(f, "service", ""));
	copy_name(v->council, wire_take_text(f, "council", ""));
	if (wire_check(f, e) != ERR_NONE)
		return err_set(e, ERR_CORRUPT, "its manifest is malformed");
	return ERR_NONE;
}

static enum err_code
compare_member(struct pack *p, struct wire_value *list, size_t i, struct err *e)
{
	const struct evidence_member *m = &p->members[i];
	struct wire_value *one = wire_at_object(list, i);
	struct id hash;

	snprintf(p->v->where, sizeof(p->v->where), "%s", m->name);
	if (one == NULL)
		return err_set(e, ERR_CORRUPT, "its manifest is malformed");
	wire_need_hex(one, "sha256", hash.bytes, ID_BYTES);
	if (strcmp(wire_need_text(one, "name"), m->name) != 0)
		return err_set(e, ERR_CORRUPT,
		    "'%s' is not what the manifest names here", m->name);
	if (wire_need_uint(one, "bytes") != m->bytes ||
	    !id_equal(&hash, &m->hash))
		return err_set(e, ERR_CORRUPT,
		    "'%s' differs from what the manifest says", m->name);
	p->v->where[0] = '\0';
	return ERR_NONE;
}

static enum err_code
compare_members(struct pack *p, struct err *e)
{
	struct wire_value *list = wire_take_list(p->fields, "members");
	enum err_code rc = ERR_NONE;

	if (list == NULL || wire_count(list) != p->members_count)
		return err_set(e, ERR_CORRUPT,
		    "the manifest names %zu members, the pack has %zu",
		    list == NULL ? 0 : wire_count(list), p->members_count);
	for (size_t i = 0; rc == ERR_NONE && i < p->members_count; i++)
		rc = compare_member(p, list, i, e);
	if (rc == ERR_NONE && wire_check(p->fields, e) != ERR_NONE)
		return err_set(e, ERR_CORRUPT, "its manifest is malformed");
	return rc;
}

/*
 * By the same key as the heads: another's word about them is worth nothing.
 * Without heads it is whoever says so.
 */
static enum err_code
check_manifest_signature(struct pack *p, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct sign_public *signer = proof_signer(p->proof);
	struct sign_public by;
	uint8_t signature[SIGN_BYTES];
	enum err_code rc;

	if (p->signature.len_bytes == 0)
		return ERR_NONE;
	snprintf(p->v->where, sizeof(p->v->where), "%s", EVIDENCE_SIGNATURE);
	rc = wire_parse(&v, (const char *)p->signature.bytes,
	    p->signature.len_bytes, e);
	if (rc != ERR_NONE)
		return rc == ERR_INPUT
		    ? err_set(e, ERR_CORRUPT, "it cannot be read")
		    : rc;
	wire_need_hex(v, "signer", by.bytes, SIGN_PUBLIC_BYTES);
	wire_need_hex(v, "signature", signature, SIGN_BYTES);
	if (wire_check(v, e) != ERR_NONE)
		return err_set(e, ERR_CORRUPT, "it is malformed");
	if (signer != NULL &&
	    memcmp(by.bytes, signer->bytes, SIGN_PUBLIC_BYTES) != 0)
		return err_set(e, ERR_CORRUPT,
		    "the manifest is signed by another key than the heads");
	rc = sign_check(&by, EVIDENCE_LABEL, p->manifest.bytes,
	    p->manifest.len_bytes, signature, e);
	if (rc == ERR_CORRUPT)
		return err_set(e, rc, "the manifest is not what was signed");
	p->v->where[0] = '\0';
	p->v->manifest_signed = rc == ERR_NONE;
	return rc != ERR_NONE
	    ? rc
	    : head_fingerprint(by.bytes, p->v->manifest_signer, e);
}

/* --- second pass: heads and records --- */

static enum err_code
begin_proof(struct pack *p, struct err *e)
{
	struct wire_value *list = wire_take_list(p->fields, "chains");
	size_t count = list == NULL ? 0 : wire_count(list);
	struct proof_options o = {
	    .after_first_head =
		wire_take_bool(p->fields, "after_first_head", false),
	    .chains = list == NULL ? NULL : p->chain_list,
	    .chains_count = count,
	};

	if (count > LEDGER_CHAINS_MAX)
		return err_set(e, ERR_CORRUPT, "its manifest is malformed");
	for (size_t i = 0; i < count; i++) {
		copy_name(p->chains[i], wire_at_text(list, i));
		p->chain_list[i] = p->chains[i];
	}
	if (wire_check(p->fields, e) != ERR_NONE)
		return err_set(e, ERR_CORRUPT, "its manifest is malformed");
	return proof_new(&p->proof, &o, e);
}

static void
note_head(struct pack *p, const struct head *h)
{
	struct evidence_verdict *v = p->v;

	if (v->newest_head == 0 &&
	    wire_take_bool(p->fields, "after_first_head", false))
		v->after_head = h->number;
	v->newest_head = h->number;
	v->signed_at = h->at;
	copy_name(p->site, h->site);
}

static enum err_code
judge_heads(struct pack *p, const struct buf *b, struct err *e)
{
	enum err_code rc = ERR_NONE;
	struct le_reader in;

	le_init(&in, b->bytes, b->len_bytes);
	while (rc == ERR_NONE && in.left_bytes > 0) {
		struct ledger_head h;
		struct head head;

		h.bytes =
		    le_take_bytes(&in, EVIDENCE_HEAD_BYTES_MAX, &h.len_bytes);
		h.signer = le_take(&in, SIGN_PUBLIC_BYTES);
		h.signature = le_take(&in, SIGN_BYTES);
		if (in.bad)
			return err_set(e, ERR_CORRUPT,
			    "the heads are cut short");
		rc = proof_head(p->proof, &h, e);
		if (rc == ERR_NONE)
			rc = evidence_keys_head(&p->keys, h.signer, e);
		if (rc == ERR_NONE)
			rc = head_decode(&head, h.bytes, h.len_bytes, e);
		if (rc == ERR_NONE)
			rc = evidence_words_head(&p->words, &head, e);
		if (rc == ERR_NONE)
			note_head(p, &head);
	}
	return rc;
}

static bool
has_closed(const struct record *r)
{
	struct record_cursor c = {0};
	struct record_field f;

	while (record_next(r, &c, &f))
		if (f.closed)
			return true;
	return false;
}

static enum err_code
judge_records(struct pack *p, const struct buf *b, struct err *e)
{
	enum err_code rc = ERR_NONE;
	struct le_reader in;

	le_init(&in, b->bytes, b->len_bytes);
	while (rc == ERR_NONE && in.left_bytes > 0) {
		struct record r;
		size_t len;
		const uint8_t *at =
		    le_take_bytes(&in, LEDGER_RECORD_BYTES_MAX, &len);

		if (in.bad)
			return err_set(e, ERR_CORRUPT,
			    "the records are cut short");
		rc = proof_record(p->proof, at, len, e);
		if (rc == ERR_NONE)
			rc = record_decode(&r, at, len, e);
		if (rc == ERR_NONE && has_closed(&r))
			p->v->closed_count++;
		if (rc == ERR_NONE)
			rc = evidence_words_record(&p->words, &r, e);
		if (rc == ERR_NONE)
			rc = evidence_keys_record(&p->keys, &r, e);
		if (rc == ERR_NONE)
			rc = evidence_digests_record(&p->digests, &r, e);
	}
	return rc;
}

/* --- what other sites recorded: packs within it --- */

static enum err_code judge_other(struct pack *p, const struct buf *b,
    struct evidence_other *out, struct err *e);

static bool
is_other_site(const char *name)
{
	return strncmp(name, EVIDENCE_SITES, strlen(EVIDENCE_SITES)) == 0;
}

static enum err_code
judge_site(struct pack *p, struct arc_tar_reader *r, const char *name,
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {.max_bytes = EVIDENCE_OTHER_BYTES_MAX};
	struct evidence_other *o = &p->v->others[p->v->others_count];
	char expected[EVIDENCE_NAME_BYTES];
	enum err_code rc;

	snprintf(p->v->where, sizeof(p->v->where), "%s", name);
	if (p->is_other || p->v->others_count == EVIDENCE_OTHERS_MAX)
		return err_set(e, ERR_CORRUPT,
		    "it holds packs that no pack has");
	rc = arc_tar_reader_slurp(r, &b, e);
	if (rc == ERR_NONE)
		rc = judge_other(p, &b, o, e);
	if (rc != ERR_NONE)
		return rc;
	snprintf(expected, sizeof(expected),
	    EVIDENCE_SITES "%.40s" EVIDENCE_SUFFIX, o->site);
	if (strcmp(name, expected) != 0)
		return err_set(e, ERR_CORRUPT,
		    "its heads are of site '%s', which its name is not",
		    o->site);
	p->v->others_count++;
	p->v->where[0] = '\0';
	return ERR_NONE;
}

static enum err_code
judge_member(struct pack *p, struct arc_tar_reader *r, const char *name,
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	char expected[EVIDENCE_NAME_BYTES];
	bool heads = strcmp(name, EVIDENCE_HEADS) == 0;
	enum err_code rc;

	if (is_other_site(name))
		return judge_site(p, r, name, e);
	if (!heads &&
	    strncmp(name, EVIDENCE_RECORDS, strlen(EVIDENCE_RECORDS)) != 0)
		return ERR_NONE;
	snprintf(p->v->where, sizeof(p->v->where), "%s", name);
	snprintf(expected, sizeof(expected), EVIDENCE_RECORDS "%06u.bin",
	    p->parts_count + 1);
	if (!heads && strcmp(name, expected) != 0)
		return err_set(e, ERR_CORRUPT, "'%s' should stand here",
		    expected);
	rc = arc_tar_reader_slurp(r, &b, e);
	if (rc != ERR_NONE)
		return rc;
	if (!heads)
		p->parts_count++;
	rc = heads ? judge_heads(p, &b, e) : judge_records(p, &b, e);
	if (rc == ERR_NONE)
		p->v->where[0] = '\0';
	return rc;
}

/* Name the record rather than the member, where it is known. */
static void
take_verdict(struct pack *p)
{
	const struct ledger_verdict *lv = proof_verdict(p->proof);
	struct evidence_verdict *v = p->v;

	v->records_count = lv->records_count;
	v->heads_count = lv->heads_count;
	v->unsigned_count = lv->unsigned_count;
	evidence_words_end(&p->words);
	for (size_t i = 0; i < v->others_count; i++)
		v->others[i].has_cosigned = v->cosigner[0] != '\0' &&
		    strcmp(v->others[i].signer, v->cosigner) == 0;
	if (lv->bad && lv->chain[0] != '\0')
		snprintf(v->where, sizeof(v->where), "%s#%llu", lv->chain,
		    (unsigned long long)lv->sequence);
}

static enum err_code
judge_ledger(struct pack *p, struct err *e)
{
	OWNED(arc_tar_reader_close) struct arc_tar_reader *r = NULL;
	enum err_code rc = open_tar(p, &r, e);

	while (rc == ERR_NONE) {
		struct arc_member m;

		rc = arc_tar_reader_next(r, &m, e);
		if (rc == ERR_NOTFOUND) {
			rc = proof_end(p->proof, e);
			break;
		}
		if (rc == ERR_NONE)
			rc = judge_member(p, r, m.name, e);
	}
	take_verdict(p);
	return rc;
}

/* --- what follows from them: keys, policies, sums --- */

static enum err_code
judge_text(const struct evidence_member *m, const struct buf *expected,
    const char *of, struct err *e)
{
	struct id hash;
	enum err_code rc =
	    hash_sha256(expected->bytes, expected->len_bytes, &hash, e);

	if (rc != ERR_NONE || id_equal(&hash, &m->hash))
		return rc;
	return err_set(e, ERR_CORRUPT, "'%s' is not what %s", m->name, of);
}

static enum err_code
judge_derived(struct pack *p, size_t i, struct err *e)
{
	const struct evidence_member *m = &p->members[i];
	OWNED(buf_fini) struct buf text = {0};
	enum err_code rc;

	if (evidence_digests_is(m->name))
		return evidence_digests_judge(&p->digests, m->name, &m->hash,
		    e);
	if (strcmp(m->name, EVIDENCE_KEYS) == 0) {
		rc = evidence_keys_text(&p->keys, &text, e);
		p->v->keys_listed = true;
		return rc != ERR_NONE
		    ? rc
		    : judge_text(m, &text, "its heads and records say", e);
	}
	if (strcmp(m->name, EVIDENCE_SUMS) != 0)
		return ERR_NONE;
	rc = evidence_manifest_sums(p->members, i, &text, e);
	return rc != ERR_NONE
	    ? rc
	    : judge_text(m, &text, "the members before it come to", e);
}

/* A pack of an earlier version has none of them. */
static enum err_code
judge_all_derived(struct pack *p, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < p->members_count; i++) {
		rc = judge_derived(p, i, e);
		if (rc != ERR_NONE)
			snprintf(p->v->where, sizeof(p->v->where), "%s",
			    p->members[i].name);
	}
	p->v->policies_count = evidence_digests_there(&p->digests, false);
	p->v->policies_named = evidence_digests_count(&p->digests, false);
	p->v->plans_count = evidence_digests_there(&p->digests, true);
	p->v->plans_named = evidence_digests_count(&p->digests, true);
	return rc;
}

/* --- the whole --- */

static enum err_code
check_counts(struct pack *p, struct err *e)
{
	struct wire_value *f = p->fields;
	const char *damage = wire_take_text(f, "damage", NULL);

	if (wire_take_uint(f, "records", 0) != p->v->records_count ||
	    wire_take_uint(f, "heads", 0) != p->v->heads_count)
		return err_set(e, ERR_CORRUPT,
		    "it does not hold as many records and heads as its "
		    "manifest says");
	if (damage == NULL)
		return ERR_NONE;
	snprintf(p->v->where, sizeof(p->v->where), "%.200s#%llu",
	    wire_take_text(f, "damage_chain", ""),
	    (unsigned long long)wire_take_uint(f, "damage_sequence", 0));
	return err_set(e, ERR_CORRUPT,
	    "the ledger was damaged when the pack was made: %s", damage);
}

static enum err_code
check_signer(struct pack *p, struct err *e)
{
	const struct sign_public *signer = proof_signer(p->proof);
	struct evidence_verdict *v = p->v;
	enum err_code rc;

	v->key_given = p->fingerprint != NULL;
	if (signer == NULL && v->key_given)
		return err_set(e, ERR_CORRUPT, "nothing in it is signed");
	if (signer == NULL)
		return ERR_NONE;
	rc = head_fingerprint(signer->bytes, v->signer, e);
	if (rc == ERR_NONE && v->key_given &&
	    strcmp(v->signer, p->fingerprint) != 0)
		return err_set(e, ERR_CORRUPT, "it is signed by %s, not by %s",
		    v->signer, p->fingerprint);
	return rc;
}

static enum err_code
judge(struct pack *p, struct err *e)
{
	enum err_code rc = survey(p, e);

	if (rc == ERR_NONE)
		rc = read_manifest(p, e);
	if (rc == ERR_NONE)
		rc = compare_members(p, e);
	if (rc == ERR_NONE)
		rc = begin_proof(p, e);
	if (rc == ERR_NONE)
		rc = judge_ledger(p, e);
	if (rc == ERR_NONE)
		rc = check_signer(p, e);
	if (rc == ERR_NONE)
		rc = check_manifest_signature(p, e);
	if (rc == ERR_NONE)
		rc = judge_all_derived(p, e);
	return rc != ERR_NONE ? rc : check_counts(p, e);
}

/* Damage is a verdict, not a failure to judge. */
static enum err_code
conclude(struct evidence_verdict *v, enum err_code rc, struct err *e)
{
	if (rc != ERR_CORRUPT)
		return rc;
	v->bad = true;
	snprintf(v->what, sizeof(v->what), "%s", e->text);
	return ERR_NONE;
}

static enum err_code
judge_other(struct pack *p, const struct buf *b, struct evidence_other *out,
    struct err *e)
{
	OWNED(free_mem) struct pack *in = calloc(1, sizeof(*in));
	OWNED(free_mem) struct evidence_verdict *v = calloc(1, sizeof(*v));
	enum err_code rc;

	if (in == NULL || v == NULL)
		return err_nomem(e);
	in->fd = -1;
	in->bytes = b->bytes;
	in->len_bytes = b->len_bytes;
	in->v = in->words.v = v;
	in->is_other = true;
	rc = judge(in, e);
	if (rc == ERR_CORRUPT && v->where[0] != '\0')
		snprintf(p->v->where + strlen(p->v->where),
		    sizeof(p->v->where) - strlen(p->v->where), ": %s",
		    v->where);
	memcpy(out->site, in->site, sizeof(out->site));
	memcpy(out->signer, v->signer, sizeof(out->signer));
	out->records_count = v->records_count;
	out->closed_count = v->closed_count;
	out->heads_count = v->heads_count;
	out->newest_head = v->newest_head;
	out->unsigned_count = v->unsigned_count;
	out->signed_at = v->signed_at;
	pack_fini(in);
	return rc;
}

enum err_code
evidence_verify_members(const void *bytes, size_t len_bytes,
    const char *fingerprint, struct evidence_verdict *v, struct err *e)
{
	OWNED(free_mem) struct pack *p = calloc(1, sizeof(*p));
	enum err_code rc;

	memset(v, 0, sizeof(*v));
	if (p == NULL)
		return err_nomem(e);
	p->fd = -1;
	p->bytes = bytes;
	p->len_bytes = len_bytes;
	p->v = p->words.v = v;
	p->fingerprint = fingerprint;
	rc = judge(p, e);
	pack_fini(p);
	return conclude(v, rc, e);
}

static enum err_code
check_seal(struct pack *p, uint64_t size_bytes, struct err *e)
{
	uint8_t seal[EVIDENCE_SEAL_BYTES];
	uint64_t front;
	struct id hash;
	enum err_code rc;

	if (size_bytes < sizeof(seal))
		return err_set(e, ERR_CORRUPT, "it is too short for a pack");
	front = size_bytes - sizeof(seal);
	rc = fdio_pread(p->fd, seal, sizeof(seal), front, e);
	if (rc == ERR_NONE)
		rc = hash_file(p->fd, front, &hash, e);
	if (rc != ERR_NONE)
		return rc;
	if (memcmp(seal, EVIDENCE_SEAL_FRAME, 4) != 0 ||
	    le_get32(seal + 4) != EVIDENCE_SEAL_BODY ||
	    memcmp(seal + 8, EVIDENCE_SEAL_MAGIC, 4) != 0)
		return err_set(e, ERR_CORRUPT,
		    "it has no seal at its end: cut off, changed, or no pack");
	if (memcmp(seal + 12, hash.bytes, ID_BYTES) != 0)
		return err_set(e, ERR_CORRUPT,
		    "it is not what was sealed: its bytes have changed");
	return ERR_NONE;
}

static enum err_code
open_pack(struct pack *p, const char *path, uint64_t *size_bytes, struct err *e)
{
	struct stat st;

	p->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (p->fd == -1)
		return err_sys(e, "cannot open the evidence pack '%s'", path);
	if (fstat(p->fd, &st) != 0)
		return err_sys(e, "cannot look at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "'%s' is not a regular file",
		    path);
	*size_bytes = (uint64_t)st.st_size;
	return ERR_NONE;
}

enum err_code
evidence_verify(const char *path, const char *fingerprint,
    struct evidence_verdict *v, struct err *e)
{
	OWNED(free_mem) struct pack *p = calloc(1, sizeof(*p));
	uint64_t size_bytes = 0;
	enum err_code rc;

	memset(v, 0, sizeof(*v));
	if (p == NULL)
		return err_nomem(e);
	p->v = p->words.v = v;
	p->fingerprint = fingerprint;
	rc = open_pack(p, path, &size_bytes, e);
	if (rc == ERR_NONE)
		rc = check_seal(p, size_bytes, e);
	if (rc == ERR_NONE)
		rc = judge(p, e);
	pack_fini(p);
	fdio_close(&p->fd);
	return conclude(v, rc, e);
}
