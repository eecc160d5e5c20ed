#include <string.h>

#include <bascule/wire.h>

#include "evidence.h"

static enum err_code
list_members(const struct evidence_draft *x, struct wire_value *v,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < x->members_count; i++) {
		const struct evidence_member *m = &x->members[i];
		OWNED(wire_free) struct wire_value *one = NULL;

		rc = wire_new(&one, NULL, e);
		if (rc != ERR_NONE)
			return rc;
		wire_add_text(one, "name", m->name);
		wire_add_uint(one, "bytes", m->bytes);
		wire_add_hex(one, "sha256", m->hash.bytes, ID_BYTES);
		wire_add(list, NULL, &one);
	}
	if (rc == ERR_NONE)
		wire_add(v, "members", &list);
	return rc;
}

static enum err_code
list_texts(struct wire_value *v, const char *name, const char *const *texts,
    size_t count, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < count; i++)
		wire_add_text(list, NULL, texts[i]);
	wire_add(v, name, &list);
	return ERR_NONE;
}

enum err_code
evidence_manifest_sums(const struct evidence_member *members, size_t count,
    struct buf *out, struct err *e)
{
	char hex[ID_HEX_BYTES];
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < count; i++)
		rc = buf_printf(out, e, "%s  %s\n",
		    id_hex(&members[i].hash, hex), members[i].name);
	return rc;
}

static void
add_limits(const struct evidence_draft *x, struct wire_value *v)
{
	if (x->o->since.ns != 0)
		wire_add_utc(v, "since", x->o->since);
	if (x->o->until.ns != 0)
		wire_add_utc(v, "until", x->o->until);
	wire_add_text(v, "service", x->o->service);
	wire_add_text(v, "council", x->o->council);
}

enum err_code
evidence_manifest(const struct evidence_draft *x, struct buf *out,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const char *const chains[] = {LEDGER_CHAIN_SHARED, x->o->council};
	enum err_code rc = wire_new(&v, "evidence_manifest", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_int(v, "format", EVIDENCE_FORMAT);
	wire_add_text(v, "build", BASCULE_VERSION);
	wire_add_text(v, "site", x->newest.site);
	add_limits(x, v);
	wire_add_bool(v, "after_first_head", x->first.number != 0);
	wire_add_uint(v, "heads", x->tally.heads_count);
	wire_add_uint(v, "records", x->tally.records_count);
	wire_add_uint(v, "closed_records", x->tally.closed_count);
	wire_add_uint(v, "reports", x->tally.reports_count);
	wire_add_uint(v, "reports_left_out", x->tally.reports_left_count);
	wire_add_uint(v, "policies", x->tally.policies_count);
	wire_add_uint(v, "policies_left_out", x->tally.policies_left_count);
	if (!x->is_other)
		wire_add_uint(v, "other_sites", x->tally.others_count);
	if (x->found.bad) {
		wire_add_text(v, "damage", x->found.what);
		wire_add_text(v, "damage_chain", x->found.chain);
		wire_add_uint(v, "damage_sequence", x->found.sequence);
	}
	if (x->o->council != NULL)
		rc = list_texts(v, "chains", chains, COUNT_OF(chains), e);
	if (rc == ERR_NONE && x->o->redact_count > 0)
		rc = list_texts(v, "redacted", x->o->redact, x->o->redact_count,
		    e);
	if (rc == ERR_NONE)
		rc = list_members(x, v, e);
	if (rc == ERR_NONE)
		rc = wire_pretty(v, out, e);
	if (rc == ERR_NONE && out->len_bytes > EVIDENCE_MANIFEST_MAX)
		return err_set(e, ERR_INPUT, "the manifest would be too long");
	return rc;
}

enum err_code
evidence_manifest_sign(const struct evidence_draft *x,
    const struct buf *manifest, struct buf *out, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct sign_public *pub;
	char fingerprint[SIGN_FINGERPRINT_SIZE];
	uint8_t signature[SIGN_BYTES];
	enum err_code rc;

	if (x->o->signer == NULL)
		return ERR_NONE;
	pub = sign_key_public(x->o->signer);
	if (x->tally.heads_count > 0 &&
	    memcmp(pub->bytes, x->heads_signer, SIGN_PUBLIC_BYTES) != 0)
		return err_set(e, ERR_KEY,
		    "the ledger's heads are signed by another key than the one "
		    "for the manifest");
	rc = sign_make(x->o->signer, EVIDENCE_LABEL, manifest->bytes,
	    manifest->len_bytes, signature, e);
	if (rc == ERR_NONE)
		rc = sign_fingerprint(pub, fingerprint, e);
	if (rc == ERR_NONE)
		rc = wire_new(&v, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_hex(v, "signer", pub->bytes, SIGN_PUBLIC_BYTES);
	wire_add_text(v, "fingerprint", fingerprint);
	wire_add_hex(v, "signature", signature, SIGN_BYTES);
	return wire_line(v, out, e);
}
