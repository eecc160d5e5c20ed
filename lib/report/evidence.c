/*
 * Writing a pack.  Which records go in is decided by two heads, one on either
 * side of the period: between them every record of the chains is there, so the
 * chains verify; those that do not belong are closed.
 */
#include "evidence.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/wire.h>

#define LEVEL 6 /* zstd: a pack is written once and kept for years */

static enum err_code
sink(void *arg, const void *bytes, size_t len_bytes, struct err *e)
{
	struct evidence_draft *x = arg;

	hash_add(x->whole, bytes, len_bytes);
	x->tally.bytes += len_bytes;
	return atomfile_write(x->file, bytes, len_bytes, e);
}

/* Add a member and remember it for the manifest. */
static enum err_code
add_member(struct evidence_draft *x, const char *name, const struct buf *b,
    struct err *e)
{
	struct evidence_member *m, *more;
	enum err_code rc;

	if (x->members_count == EVIDENCE_MEMBERS_MAX)
		return err_set(e, ERR_INPUT,
		    "the pack would have more than %d members: choose a "
		    "shorter period",
		    EVIDENCE_MEMBERS_MAX);
	more = realloc(x->members, (x->members_count + 1) * sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	x->members = more;
	m = &x->members[x->members_count++];
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->bytes = b->len_bytes;
	rc = hash_sha256(b->bytes, b->len_bytes, &m->hash, e);
	if (rc != ERR_NONE)
		return rc;
	return arc_tar_writer_add(x->tar, name, b->bytes, b->len_bytes, e);
}

static enum err_code
add_text_member(struct evidence_draft *x, const char *name, const char *text,
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc = buf_add_text(&b, text, e);

	return rc != ERR_NONE ? rc : add_member(x, name, &b, e);
}

/* --- heads --- */

static enum err_code
choose_head(void *ctx, const struct ledger_head *lh, struct err *e)
{
	struct evidence_draft *x = ctx;
	struct head h;

	/* A damaged head is exported as it is; it cannot bound anything. */
	if (head_decode(&h, lh->bytes, lh->len_bytes, e) != ERR_NONE)
		return e->code == ERR_CORRUPT ? ERR_NONE : e->code;
	if (x->o->since.ns != 0 && h.at.ns < x->o->since.ns)
		x->first = h;
	if (x->o->until.ns != 0 && h.at.ns >= x->o->until.ns &&
	    x->last.number == 0)
		x->last = h;
	x->newest = h;
	return ERR_NONE;
}

static enum err_code
add_head(void *ctx, const struct ledger_head *lh, struct err *e)
{
	struct evidence_draft *x = ctx;
	uint64_t begin = x->first.number != 0 ? x->first.number : 1;
	enum err_code rc;

	if (x->last.number != 0 &&
	    begin + x->tally.heads_count > x->last.number)
		return ERR_NONE;
	memcpy(x->heads_signer, lh->signer, SIGN_PUBLIC_BYTES);
	rc = le_add_bytes(&x->heads, lh->bytes, lh->len_bytes, e);
	if (rc == ERR_NONE)
		rc = buf_add(&x->heads, lh->signer, SIGN_PUBLIC_BYTES, e);
	if (rc == ERR_NONE)
		rc = buf_add(&x->heads, lh->signature, SIGN_BYTES, e);
	x->tally.heads_count++;
	return rc;
}

/* --- records --- */

static const struct head_tip *
find_tip(const struct head *h, struct record_text chain)
{
	for (size_t i = 0; i < h->tips_count; i++)
		if (record_text_is(chain, h->tips[i].chain))
			return &h->tips[i];
	return NULL;
}

static bool
in_range(const struct evidence_draft *x, const struct record *r)
{
	const struct head_tip *from = find_tip(&x->first, r->chain);
	const struct head_tip *to = find_tip(&x->last, r->chain);

	if (x->o->council != NULL && !record_text_is(r->chain, x->o->council) &&
	    !record_text_is(r->chain, LEDGER_CHAIN_SHARED))
		return false;
	if (from != NULL && r->sequence <= from->sequence)
		return false;
	return x->last.number == 0 ||
	    (to != NULL && r->sequence <= to->sequence);
}

static bool
is_asked_for(const struct evidence_draft *x, const struct record *r)
{
	struct record_text service = {0};

	if (x->o->since.ns != 0 && r->at.ns < x->o->since.ns)
		return false;
	if (x->o->until.ns != 0 && r->at.ns >= x->o->until.ns)
		return false;
	if (x->o->service == NULL)
		return true;
	/* Another site's word about all of it: it names heads and sites alone. */
	if (record_text_is(r->type, LEDGER_COSIGNATURE))
		return true;
	return record_find(r, "@service", &service) &&
	    record_text_is(service, x->o->service);
}

static bool
keep_none(void *ctx, const struct record_field *f)
{
	(void)ctx;
	(void)f;
	return false;
}

static bool
keep_unnamed(void *ctx, const struct record_field *f)
{
	const struct evidence_draft *x = ctx;

	for (size_t i = 0; i < x->o->redact_count; i++)
		if (record_text_is(f->name, x->o->redact[i]))
			return false;
	return true;
}

static enum err_code
flush_part(struct evidence_draft *x, struct err *e)
{
	char name[EVIDENCE_NAME_BYTES];
	enum err_code rc;

	if (x->part.len_bytes == 0)
		return ERR_NONE;
	snprintf(name, sizeof(name), EVIDENCE_RECORDS "%06u.bin",
	    ++x->parts_count);
	rc = add_member(x, name, &x->part, e);
	buf_clear(&x->part);
	return rc;
}

/* The newest exercises are the ones somebody asks about. */
static void
note_run(struct evidence_draft *x, const struct record *r)
{
	char run[LEDGER_NAME_BYTES_MAX + 1];

	if (!record_text_is(r->type, LEDGER_EXERCISE))
		return;
	record_text(r, "@run", run, sizeof(run));
	for (size_t i = 0; i < x->runs_count; i++)
		if (strcmp(x->runs[i], run) == 0)
			return;
	if (run[0] == '\0' || run[0] == '.' || strchr(run, '/') != NULL ||
	    strlen(run) > 40)
		return; /* not a member's name */
	if (x->runs_count == COUNT_OF(x->runs)) {
		x->runs_count--;
		memmove(x->runs[0], x->runs[1],
		    sizeof(x->runs) - sizeof(x->runs[0]));
	}
	memcpy(x->runs[x->runs_count++], run, sizeof(run));
}

static enum err_code
add_event(struct evidence_draft *x, const struct record *r, struct err *e)
{
	enum err_code rc = report_event(r, &x->events, e);

	return rc != ERR_NONE ? rc : buf_add_byte(&x->events, '\n', e);
}

/* As it is: whoever verifies the pack shall see it. */
static enum err_code
add_damaged(struct evidence_draft *x, const struct record *r, struct err *e)
{
	x->tally.records_count++;
	return le_add_bytes(&x->part, r->bytes, r->len_bytes, e);
}

/* The record as it goes into the pack: whole, in part, or closed. */
static enum err_code
add_record(void *ctx, const struct record *r, struct err *e)
{
	struct evidence_draft *x = ctx;
	OWNED(buf_fini) struct buf bytes = {0};
	const struct head_tip *tip;
	struct record kept;
	bool asked = is_asked_for(x, r);
	enum err_code rc;

	if (r->chain.len_bytes == 0)
		return add_damaged(x, r, e);
	if (!in_range(x, r))
		return ERR_NONE;
	rc = record_redact(r, asked ? keep_unnamed : keep_none, x, &bytes, e);
	if (rc == ERR_NONE)
		rc = le_add_bytes(&x->part, bytes.bytes, bytes.len_bytes, e);
	if (rc == ERR_NONE)
		rc = record_decode(&kept, bytes.bytes, bytes.len_bytes, e);
	if (rc == ERR_NONE && asked)
		rc = add_event(x, &kept, e);
	if (rc == ERR_NONE && x->part.len_bytes >= EVIDENCE_PART_BYTES)
		rc = flush_part(x, e);
	if (rc != ERR_NONE)
		return rc;
	x->tally.records_count++;
	tip = find_tip(&x->newest, r->chain);
	if (tip == NULL || r->sequence > tip->sequence)
		x->tally.unsigned_count++;
	if (asked)
		note_run(x, &kept);
	else
		x->tally.closed_count++;
	return ERR_NONE;
}

/* --- the rest --- */

static const char readme[] =
    "Evidence from a bascule ledger.\n\n"
    "    bascule evidence verify FILE --key SHA256:...\n\n"
    "judges it without daemon, database or network.  The key's fingerprint\n"
    "must come from somewhere else than this file.  records/ holds the\n"
    "records byte for byte, heads.bin the signed heads; events.txt and\n"
    "exercises/ show them to people and prove nothing by themselves.\n"
    "Format: docs/format/evidence.md.\n";

static enum err_code
add_exercise(struct evidence_draft *x, const char *run, struct err *e)
{
	OWNED(report_exercise_free) struct report_exercise *report = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf text = {0};
	OWNED(buf_fini) struct buf json = {0};
	char name[EVIDENCE_NAME_BYTES];
	enum err_code rc = report_exercise_new(&report, x->l, run, e);

	if (rc == ERR_NONE)
		rc = report_exercise_text(report, &text, e);
	if (rc == ERR_NONE)
		rc = report_exercise_wire(report, &v, e);
	if (rc == ERR_NONE)
		rc = wire_pretty(v, &json, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "reporting on exercise '%s'", run);
	snprintf(name, sizeof(name), "exercises/%s.txt", run);
	rc = add_member(x, name, &text, e);
	snprintf(name, sizeof(name), "exercises/%s.json", run);
	return rc != ERR_NONE ? rc : add_member(x, name, &json, e);
}

/* A report is made from whole records: not where fields are kept back. */
static enum err_code
add_exercises(struct evidence_draft *x, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (x->o->redact_count > 0)
		return ERR_NONE;
	for (size_t i = 0; rc == ERR_NONE && i < x->runs_count; i++)
		rc = add_exercise(x, x->runs[i], e);
	return rc;
}

static enum err_code
add_manifest(struct evidence_draft *x, struct err *e)
{
	OWNED(buf_fini) struct buf manifest = {0};
	OWNED(buf_fini) struct buf signature = {0};
	enum err_code rc = evidence_manifest(x, &manifest, e);

	if (rc == ERR_NONE)
		rc = arc_tar_writer_add(x->tar, EVIDENCE_MANIFEST,
		    manifest.bytes, manifest.len_bytes, e);
	if (rc == ERR_NONE)
		rc = evidence_manifest_sign(x, &manifest, &signature, e);
	if (rc != ERR_NONE || signature.len_bytes == 0)
		return rc;
	return arc_tar_writer_add(x->tar, EVIDENCE_SIGNATURE, signature.bytes,
	    signature.len_bytes, e);
}

static enum err_code
add_seal(struct evidence_draft *x, struct err *e)
{
	uint8_t seal[EVIDENCE_SEAL_BYTES];
	struct id hash;

	hash_end(x->whole, &hash);
	memcpy(seal, EVIDENCE_SEAL_FRAME, 4);
	le_put32(seal + 4, EVIDENCE_SEAL_BODY);
	memcpy(seal + 8, EVIDENCE_SEAL_MAGIC, 4);
	memcpy(seal + 12, hash.bytes, ID_BYTES);
	x->tally.bytes += sizeof(seal);
	return atomfile_write(x->file, seal, sizeof(seal), e);
}

static enum err_code
add_ledger(struct evidence_draft *x, struct err *e)
{
	struct ledger_filter all = {.damaged_too = true};
	enum err_code rc = ledger_verify(x->l, NULL, &x->found, e);

	if (rc == ERR_NONE)
		rc = ledger_heads(x->l, 1, choose_head, x, e);
	if (rc == ERR_NONE)
		rc = ledger_heads(x->l,
		    x->first.number != 0 ? x->first.number : 1, add_head, x, e);
	if (rc == ERR_NONE)
		rc = add_member(x, EVIDENCE_HEADS, &x->heads, e);
	if (rc == ERR_NONE)
		rc = ledger_iterate(x->l, &all, add_record, x, e);
	return rc != ERR_NONE ? rc : flush_part(x, e);
}

static enum err_code
add_all(struct evidence_draft *x, struct err *e)
{
	enum err_code rc = add_text_member(x, "README.txt", readme, e);

	if (rc == ERR_NONE)
		rc = add_ledger(x, e);
	if (rc == ERR_NONE)
		rc = add_member(x, "events.txt", &x->events, e);
	if (rc == ERR_NONE)
		rc = add_exercises(x, e);
	if (rc == ERR_NONE && x->o->policy_text != NULL)
		rc = add_text_member(x, "policy.txt", x->o->policy_text, e);
	return rc != ERR_NONE ? rc : add_manifest(x, e);
}

static enum err_code
write_file(struct evidence_draft *x, int dirfd, const char *name, struct err *e)
{
	enum err_code rc = atomfile_begin(&x->file, dirfd, name, e);

	if (rc == ERR_NONE)
		rc = hash_begin(&x->whole, e);
	if (rc == ERR_NONE)
		rc = arc_tar_writer_open(&x->tar, sink, x, LEVEL, now_utc(), e);
	if (rc == ERR_NONE)
		rc = add_all(x, e);
	if (rc == ERR_NONE)
		rc = arc_tar_writer_finish(&x->tar, e);
	if (rc == ERR_NONE)
		rc = add_seal(x, e);
	return rc != ERR_NONE ? rc : atomfile_commit(&x->file, e);
}

static void
draft_end(struct evidence_draft *x)
{
	arc_tar_writer_discard(&x->tar);
	atomfile_discard(&x->file);
	hash_free(&x->whole);
	buf_fini(&x->heads);
	buf_fini(&x->part);
	buf_fini(&x->events);
	free(x->members);
}

enum err_code
evidence_export(struct ledger *l, const struct evidence_options *options,
    const char *path, struct evidence_tally *tally, struct err *e)
{
	OWNED(free_mem) struct evidence_draft *x = calloc(1, sizeof(*x));
	OWNED(fdio_close) int dirfd = -1;
	const char *name;
	enum err_code rc;

	memset(tally, 0, sizeof(*tally));
	if (x == NULL)
		return err_nomem(e);
	x->l = l;
	x->o = options;
	rc = fdio_open_parent(path, &dirfd, &name, e);
	if (rc == ERR_NONE)
		rc = write_file(x, dirfd, name, e);
	*tally = x->tally;
	draft_end(x);
	return rc == ERR_NONE
	    ? rc
	    : err_wrap(e, "writing the evidence pack '%s'", path);
}
