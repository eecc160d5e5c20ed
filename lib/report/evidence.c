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

#include "report_exercise.h"

#define LEVEL 6 /* zstd: a pack is written once and kept for years */

static enum err_code
put(struct evidence_draft *x, const void *bytes, size_t len_bytes,
    struct err *e)
{
	x->tally.bytes += len_bytes;
	return x->file != NULL ? atomfile_write(x->file, bytes, len_bytes, e)
			       : buf_add(&x->memory, bytes, len_bytes, e);
}

static enum err_code
sink(void *arg, const void *bytes, size_t len_bytes, struct err *e)
{
	struct evidence_draft *x = arg;

	hash_add(x->whole, bytes, len_bytes);
	return put(x, bytes, len_bytes, e);
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
	rc = evidence_keys_head(&x->keys, lh->signer, e);
	if (rc != ERR_NONE)
		return rc;
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

/* An exercise's, a move's, a drill's. */
static bool
is_reported(const struct record *r)
{
	char how[16];

	return record_text_is(r->type, LEDGER_EXERCISE) ||
	    record_text_is(r->type, LEDGER_FAILOVER) ||
	    (record_text_is(r->type, LEDGER_JOB) &&
		strcmp(record_text(r, "how", how, sizeof(how)), "restore") ==
		    0);
}

/* The newest runs are the ones somebody asks about. */
static void
keep_run(struct evidence_draft *x, const char *run)
{
	for (size_t i = 0; i < x->runs_count; i++)
		if (strcmp(x->runs[i], run) == 0)
			return;
	if (run[0] == '\0' || run[0] == '.' || strchr(run, '/') != NULL ||
	    strlen(run) > 40)
		return; /* not a member's name */
	if (x->runs_count == COUNT_OF(x->runs)) {
		x->runs_count--;
		x->tally.reports_left_count++;
		memmove(x->runs[0], x->runs[1],
		    sizeof(x->runs) - sizeof(x->runs[0]));
	}
	snprintf(x->runs[x->runs_count++], sizeof(x->runs[0]), "%s", run);
}

static void
note_run(struct evidence_draft *x, const struct record *r)
{
	char run[LEDGER_NAME_BYTES_MAX + 1];

	if (is_reported(r))
		keep_run(x, record_text(r, "@run", run, sizeof(run)));
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
	if (rc == ERR_NONE)
		rc = evidence_keys_record(&x->keys, &kept, e);
	if (rc == ERR_NONE)
		rc = evidence_digests_record(&x->digests, &kept, e);
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
    "must come from somewhere else than this file.\n\n"
    "    records/, heads.bin    the records byte for byte, and the signed "
    "heads\n"
    "    events.txt             the records, one line each\n"
    "    sites/                 what each other site recorded, as far as it "
    "had signed\n"
    "                           it and it was held here: a pack of its own\n"
    "    exercises/             a report of each exercise, move and restore\n"
    "                           drill, of all their records: .txt, .html (any\n"
    "                           browser), .json\n"
    "    policies/, plans/      what was in force: each is the text whose "
    "SHA-256\n"
    "                           stands in the records as policy or plan "
    "digest\n"
    "    keys.txt               the keys that signed any of it\n"
    "    manifest.json, .sig    names all of it; signed\n\n"
    "Without bascule (coreutils, perl and openssl 3 do):\n\n"
    "    tar --zstd -xf FILE && sha256sum -c SHA256SUMS\n"
    "    sha256sum policies/* plans/*    # each begins with its own name\n"
    "    { printf 'bascule evidence v1\\0'; cat manifest.json; } >signed\n"
    "    perl -ne 'print pack \"H*\", $1 if /\"signature\": ?\"(\\w+)\"/' "
    "manifest.sig >sig\n"
    "    perl -ne 'print pack \"H*\", \"302a300506032b6570032100$1\"\n"
    "        if /\"signer\": ?\"(\\w+)\"/' manifest.sig >key\n"
    "    openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin \\\n"
    "        -in signed -sigfile sig\n\n"
    "Another site's pack is within: mkdir SITE, tar --zstd -xf "
    "sites/SITE.tar.zst\n"
    "-C SITE, and so on there.  Nobody signs its manifest: this one names "
    "it.  Its\n"
    "records are that site's, by the key of its heads, which SITE/keys.txt "
    "names.\n"
    "That shows that who has the key signed this manifest, and so these "
    "files;\n"
    "that the records fit together, and the heads, only verify shows.\n"
    "What is readable here was made from the records when the pack was made.\n"
    "Format: docs/format/evidence.md.\n";

static const char readme_of_other[] =
    "One site's records, as they were held at another, within whose evidence "
    "this\n"
    "is: its README says how to check it, its manifest names this file, and "
    "its\n"
    "exercises/ has the reports.\n\n"
    "    records/, heads.bin    the records byte for byte, and the heads that "
    "their\n"
    "                           own site signed\n"
    "    events.txt             the records, one line each\n"
    "    keys.txt               the keys that signed any of it\n\n"
    "    sha256sum -c SHA256SUMS\n"
    "    bascule evidence verify FILE --key SHA256:...    # that site's own "
    "key\n";

/* A run of several services is nothing for who may see one of them. */
static bool
is_of_others(const struct evidence_draft *x,
    const struct report_exercise *report)
{
	return (x->o->service != NULL || x->o->council != NULL) &&
	    report_move_is_many(report);
}

static enum err_code
add_exercise(struct evidence_draft *x, const char *run, struct err *e)
{
	OWNED(report_exercise_free) struct report_exercise *report = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf text = {0};
	OWNED(buf_fini) struct buf html = {0};
	OWNED(buf_fini) struct buf json = {0};
	struct ledger *ledgers[1 + EVIDENCE_OTHERS_MAX] = {x->l};
	struct report_sources from = {.ledgers = ledgers, .ledgers_count = 1};
	char name[EVIDENCE_NAME_BYTES];
	enum err_code rc;

	for (size_t i = 0; i < x->o->others_count && i < EVIDENCE_OTHERS_MAX;
	     i++)
		ledgers[from.ledgers_count++] = x->o->others[i];
	rc = report_exercise_gather(&report, &from, run, e);

	/* It may have begun before the ledger that is here. */
	if (rc == ERR_NOTFOUND || (rc == ERR_NONE && is_of_others(x, report))) {
		x->tally.reports_left_count++;
		return ERR_NONE;
	}
	if (rc == ERR_NONE)
		rc = report_exercise_text(report, &text, e);
	if (rc == ERR_NONE)
		rc = report_exercise_html(report, &html, e);
	if (rc == ERR_NONE)
		rc = report_exercise_wire(report, &v, e);
	if (rc == ERR_NONE)
		rc = wire_pretty(v, &json, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "reporting on run '%s'", run);
	x->tally.reports_count++;
	snprintf(name, sizeof(name), "exercises/%s.txt", run);
	rc = add_member(x, name, &text, e);
	snprintf(name, sizeof(name), "exercises/%s.html", run);
	if (rc == ERR_NONE)
		rc = add_member(x, name, &html, e);
	snprintf(name, sizeof(name), "exercises/%s.json", run);
	return rc != ERR_NONE ? rc : add_member(x, name, &json, e);
}

/* A report is made from whole records: not where fields are kept back. */
static enum err_code
add_exercises(struct evidence_draft *x, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (x->o->redact_count > 0) {
		x->tally.reports_left_count += x->runs_count;
		return ERR_NONE;
	}
	for (size_t i = 0; rc == ERR_NONE && i < x->runs_count; i++)
		rc = add_exercise(x, x->runs[i], e);
	return rc;
}

/* A text that is not what its digest says is not the one that was in force. */
static enum err_code
add_policy(struct evidence_draft *x, struct evidence_digest *d, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	char name[EVIDENCE_NAME_BYTES], hex[ID_HEX_BYTES];
	struct id hash;
	enum err_code rc = x->o->policy(x->o->policy_ctx, d->hex,
	    d->is_plan ? d->service : NULL, &text, e);

	if (rc == ERR_NONE)
		rc = hash_sha256(text.bytes, text.len_bytes, &hash, e);
	if (rc != ERR_NONE)
		return rc;
	if (text.len_bytes == 0 || strcmp(id_hex(&hash, hex), d->hex) != 0) {
		x->tally.policies_left_count++;
		return ERR_NONE;
	}
	d->is_there = true;
	x->tally.policies_count++;
	evidence_digests_name(d, name, sizeof(name));
	return add_member(x, name, &text, e);
}

/* They name hosts: not where fields are kept back; and services of others. */
static enum err_code
add_policies(struct evidence_draft *x, struct err *e)
{
	bool is_limited = x->o->service != NULL || x->o->council != NULL;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < x->digests.count; i++) {
		struct evidence_digest *d = &x->digests.items[i];

		if (d->is_plan != is_limited)
			continue;
		if (x->o->policy == NULL || x->o->redact_count > 0)
			x->tally.policies_left_count++;
		else
			rc = add_policy(x, d, e);
	}
	return rc;
}

static enum err_code
add_keys_and_sums(struct evidence_draft *x, struct err *e)
{
	OWNED(buf_fini) struct buf keys = {0};
	OWNED(buf_fini) struct buf sums = {0};
	enum err_code rc = evidence_keys_text(&x->keys, &keys, e);

	if (rc == ERR_NONE)
		rc = add_member(x, EVIDENCE_KEYS, &keys, e);
	if (rc == ERR_NONE)
		rc = evidence_manifest_sums(x->members, x->members_count, &sums,
		    e);
	return rc == ERR_NONE ? add_member(x, EVIDENCE_SUMS, &sums, e) : rc;
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
	return put(x, seal, sizeof(seal), e);
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

static enum err_code add_others(struct evidence_draft *x, struct err *e);

static enum err_code
add_all(struct evidence_draft *x, struct err *e)
{
	enum err_code rc = add_text_member(x, "README.txt",
	    x->is_other ? readme_of_other : readme, e);

	if (rc == ERR_NONE)
		rc = add_ledger(x, e);
	if (rc == ERR_NONE)
		rc = add_others(x, e);
	if (rc == ERR_NONE)
		rc = add_member(x, "events.txt", &x->events, e);
	if (rc == ERR_NONE && !x->is_other)
		rc = add_exercises(x, e);
	if (rc == ERR_NONE && !x->is_other)
		rc = add_policies(x, e);
	if (rc == ERR_NONE)
		rc = add_keys_and_sums(x, e);
	return rc != ERR_NONE ? rc : add_manifest(x, e);
}

static enum err_code
write_pack(struct evidence_draft *x, struct err *e)
{
	enum err_code rc = hash_begin(&x->whole, e);

	if (rc == ERR_NONE)
		rc = arc_tar_writer_open(&x->tar, sink, x, LEVEL, now_utc(), e);
	if (rc == ERR_NONE)
		rc = add_all(x, e);
	if (rc == ERR_NONE)
		rc = arc_tar_writer_finish(&x->tar, e);
	return rc != ERR_NONE ? rc : add_seal(x, e);
}

static enum err_code
write_file(struct evidence_draft *x, int dirfd, const char *name, struct err *e)
{
	enum err_code rc = atomfile_begin(&x->file, dirfd, name, e);

	if (rc == ERR_NONE)
		rc = write_pack(x, e);
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
	buf_fini(&x->memory);
	evidence_keys_fini(&x->keys);
	evidence_digests_fini(&x->digests);
	free(x->members);
}

/* --- what other sites recorded --- */

/* By the site's own heads: nobody else's word counts. */
static bool
is_name(const char *site)
{
	return site[0] != '\0' && site[0] != '.' && strchr(site, '/') == NULL &&
	    strlen(site) <= 40;
}

static enum err_code
add_other(struct evidence_draft *x, struct evidence_draft *other, struct err *e)
{
	char name[EVIDENCE_NAME_BYTES];
	enum err_code rc = write_pack(other, e);

	if (rc != ERR_NONE || !is_name(other->newest.site))
		return rc; /* it has signed nothing yet */
	for (size_t i = 0; i < other->runs_count; i++)
		keep_run(x, other->runs[i]);
	x->tally.others_count++;
	x->tally.others_records_count += other->tally.records_count;
	snprintf(name, sizeof(name), EVIDENCE_SITES "%s" EVIDENCE_SUFFIX,
	    other->newest.site);
	return add_member(x, name, &other->memory, e);
}

static enum err_code
add_others(struct evidence_draft *x, struct err *e)
{
	const struct evidence_options o = {.since = x->o->since,
	    .until = x->o->until,
	    .service = x->o->service,
	    .council = x->o->council,
	    .redact = x->o->redact,
	    .redact_count = x->o->redact_count};
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < x->o->others_count &&
	     i < EVIDENCE_OTHERS_MAX;
	     i++) {
		OWNED(free_mem)
		struct evidence_draft *other = calloc(1, sizeof(*other));

		if (other == NULL)
			return err_nomem(e);
		other->l = x->o->others[i];
		other->o = &o;
		other->is_other = true;
		other->memory.max_bytes = EVIDENCE_OTHER_BYTES_MAX;
		rc = add_other(x, other, e);
		draft_end(other);
	}
	return rc;
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
