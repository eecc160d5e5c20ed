#include <bascule/report.h>

#include <fcntl.h>
#include <string.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>
#include <bascule/wire.h>

#define FINGERPRINT_LEAD "SHA256:"
#define KEY_FILE_MAX     4096

static bool
is_fingerprint(const char *text)
{
	return strncmp(text, FINGERPRINT_LEAD, strlen(FINGERPRINT_LEAD)) == 0 &&
	    strlen(text) == SIGN_FINGERPRINT_SIZE - 1;
}

enum err_code
evidence_show_key(const char *given, struct buf *fingerprint, struct err *e)
{
	OWNED(buf_fini) struct buf file = {0};
	char of_key[SIGN_FINGERPRINT_SIZE];
	struct sign_public pub;
	char *line;
	enum err_code rc;

	if (is_fingerprint(given))
		return buf_add_text(fingerprint, given, e);
	rc = fdio_slurp(AT_FDCWD, given, KEY_FILE_MAX, &file, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "reading the key '%s'", given);
	if (buf_text(&file)[0] == '\0')
		return err_set(e, ERR_KEY, "'%s' is empty", given);
	line = (char *)file.bytes;
	line[strcspn(line, " \r\n")] = '\0';
	if (is_fingerprint(line))
		return buf_add_text(fingerprint, line, e);
	if (!text_unhex(line, pub.bytes, SIGN_PUBLIC_BYTES)) {
		err_set(e, ERR_KEY, "'%s' holds no key's fingerprint", given);
		return err_hint(e,
		    "give SHA256:... itself, or a file that "
		    "begins with it or with the public key's 64 hex digits");
	}
	rc = sign_fingerprint(&pub, of_key, e);
	return rc != ERR_NONE ? rc : buf_add_text(fingerprint, of_key, e);
}

static enum err_code
add_escaped(struct buf *out, const char *lead, const char *text, struct err *e)
{
	enum err_code rc;

	if (text[0] == '\0')
		return ERR_NONE;
	rc = buf_printf(out, e, "%-10s ", lead);
	if (rc == ERR_NONE)
		rc = text_escape(out, text, strlen(text), e);
	return rc != ERR_NONE ? rc : buf_add_byte(out, '\n', e);
}

static enum err_code
add_time(struct buf *out, const char *lead, struct utc t, struct err *e)
{
	char text[NOW_TEXT_BYTES];

	return t.ns == 0 ? ERR_NONE
			 : add_escaped(out, lead, now_text(t, text), e);
}

static const char *
headline(const struct evidence_verdict *v)
{
	if (v->bad)
		return "NOT GOOD: this is not what was recorded";
	if (v->heads_count == 0)
		return "UNPROVEN: the records fit together, nobody signed them";
	if (!v->key_given && !v->manifest_signed)
		return "CONSISTENT: one key signed the records, nobody the "
		       "manifest; whose key was not asked";
	if (!v->key_given)
		return "CONSISTENT: one key signed it; whose key was not asked";
	if (!v->manifest_signed)
		return "RECORDS GOOD, MANIFEST NOT SIGNED: the key's holder "
		       "made the records; the rest is the exporter's word";
	return "GOOD: this is what the key's holder recorded";
}

/* What the verdict does not say. */
static enum err_code
add_reservations(const struct evidence_verdict *v, struct buf *out,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (v->bad)
		return ERR_NONE;
	if (v->after_head > 0)
		rc = buf_printf(out, e,
		    "note       what happened before head %llu is not in it\n",
		    (unsigned long long)v->after_head);
	if (rc == ERR_NONE && v->unsigned_count > 0)
		rc = buf_printf(out, e,
		    "note       %llu newest records are after the last head: "
		    "one site's word\n",
		    (unsigned long long)v->unsigned_count);
	if (rc == ERR_NONE && v->closed_count > 0)
		rc = buf_printf(out, e,
		    "note       %llu records have redacted fields\n",
		    (unsigned long long)v->closed_count);
	if (rc == ERR_NONE && !v->key_given && v->signer[0] != '\0')
		rc = buf_add_text(out,
		    "note       compare the signer with a fingerprint from "
		    "somewhere else, or give --key\n",
		    e);
	return rc;
}

/* What other sites have signed for. */
static enum err_code
add_words(const struct evidence_verdict *v, struct buf *out, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (v->bad)
		return ERR_NONE;
	for (size_t i = 0; rc == ERR_NONE && i < v->acknowledgers_count; i++)
		rc = buf_printf(out, e, "%-10s %s%s\n",
		    i == 0 ? "received" : "", v->acknowledgers[i],
		    i > 0 ? " too" : " has acknowledged points");
	if (rc == ERR_NONE && v->cosigned_head > 0) {
		rc = buf_printf(out, e, "%-10s up to head %llu by ", "cosigned",
		    (unsigned long long)v->cosigned_head);
		if (rc == ERR_NONE)
			rc = text_escape(out, v->cosigner_site,
			    strlen(v->cosigner_site), e);
		if (rc == ERR_NONE)
			rc = buf_printf(out, e, ", %s\n", v->cosigner);
	}
	if (rc != ERR_NONE || v->uncosigned_count == 0)
		return rc;
	return buf_printf(out, e,
	    "%-10s %llu records are not cosigned by another site: one site's "
	    "word\n",
	    "note", (unsigned long long)v->uncosigned_count);
}

/* What other sites recorded: by keys that this judge was not asked about. */
static enum err_code
add_others(const struct evidence_verdict *v, struct buf *out, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && !v->bad && i < v->others_count;
	     i++) {
		const struct evidence_other *o = &v->others[i];

		rc = buf_printf(out, e,
		    "%-10s %.40s's own records: %llu; heads: %llu, the newest "
		    "is %llu, signed by %s\n%-10s %s\n",
		    "and", o->site, (unsigned long long)o->records_count,
		    (unsigned long long)o->heads_count,
		    (unsigned long long)o->newest_head,
		    o->signer[0] != '\0' ? o->signer : "nobody", "",
		    o->has_cosigned
			? "the same key has cosigned the records above"
			: "compare it with a fingerprint from somewhere else");
	}
	return rc;
}

/* The policies that were in force, as far as the pack has them. */
static enum err_code
add_policies(const struct evidence_verdict *v, struct buf *out, struct err *e)
{
	bool has_plans = v->plans_count > 0;
	uint64_t here = has_plans ? v->plans_count : v->policies_count;
	uint64_t named = has_plans ? v->plans_named : v->policies_named;

	if (v->bad || named == 0)
		return ERR_NONE;
	return buf_printf(out, e,
	    "%-10s %llu of the %llu %s that its records name, each proved by "
	    "its digest\n",
	    "policies", (unsigned long long)here, (unsigned long long)named,
	    has_plans ? "plans" : "policies");
}

/* Of a bad pack it is not said: it may not have come to that. */
static enum err_code
add_manifest(const struct evidence_verdict *v, struct buf *out, struct err *e)
{
	if (v->bad)
		return ERR_NONE;
	if (v->manifest_signed)
		return buf_printf(out, e, "%-10s signed by %s\n", "manifest",
		    v->manifest_signer);
	return buf_printf(out, e,
	    "%-10s NOT SIGNED: filters and readable files are the exporter's "
	    "word\n",
	    "manifest");
}

enum err_code
evidence_show_text(const struct evidence_verdict *v, struct buf *out,
    struct err *e)
{
	enum err_code rc = buf_printf(out, e, "%s\n", headline(v));

	if (rc == ERR_NONE && v->bad)
		rc = add_escaped(out, "wrong", v->what, e);
	if (rc == ERR_NONE && v->bad)
		rc = add_escaped(out, "where", v->where, e);
	if (rc == ERR_NONE)
		rc = add_reservations(v, out, e);
	if (rc == ERR_NONE)
		rc = buf_printf(out, e,
		    "records    %llu; heads: %llu, the newest is %llu\n",
		    (unsigned long long)v->records_count,
		    (unsigned long long)v->heads_count,
		    (unsigned long long)v->newest_head);
	if (rc == ERR_NONE)
		rc = add_escaped(out, "signer", v->signer, e);
	if (rc == ERR_NONE)
		rc = add_words(v, out, e);
	if (rc == ERR_NONE)
		rc = add_others(v, out, e);
	if (rc == ERR_NONE)
		rc = add_policies(v, out, e);
	if (rc == ERR_NONE)
		rc = add_manifest(v, out, e);
	if (rc == ERR_NONE)
		rc = add_escaped(out, "site", v->site, e);
	if (rc == ERR_NONE)
		rc = add_escaped(out, "service", v->service, e);
	if (rc == ERR_NONE)
		rc = add_escaped(out, "council", v->council, e);
	if (rc == ERR_NONE)
		rc = add_time(out, "since", v->since, e);
	if (rc == ERR_NONE)
		rc = add_time(out, "until", v->until, e);
	if (rc == ERR_NONE)
		rc = add_time(out, "signed", v->signed_at, e);
	return rc != ERR_NONE ? rc : add_time(out, "made", v->made, e);
}

static void
add_signers(struct wire_value *w, const struct evidence_verdict *v)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	struct err ignored;

	if (wire_new_list(&list, &ignored) != ERR_NONE)
		return;
	for (size_t i = 0; i < v->acknowledgers_count; i++)
		wire_add_text(list, NULL, v->acknowledgers[i]);
	wire_add(w, "acknowledged_by", &list);
}

static enum err_code
list_others(struct wire_value *w, const struct evidence_verdict *v,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < v->others_count; i++) {
		const struct evidence_other *o = &v->others[i];
		OWNED(wire_free) struct wire_value *one = NULL;

		rc = wire_new(&one, NULL, e);
		if (rc != ERR_NONE)
			return rc;
		wire_add_text(one, "site", o->site);
		wire_add_text(one, "signer", o->signer);
		wire_add_bool(one, "has_cosigned", o->has_cosigned);
		wire_add_uint(one, "records", o->records_count);
		wire_add_uint(one, "redacted_records", o->closed_count);
		wire_add_uint(one, "heads", o->heads_count);
		wire_add_uint(one, "newest_head", o->newest_head);
		wire_add_uint(one, "unsigned_records", o->unsigned_count);
		wire_add(list, NULL, &one);
	}
	if (rc == ERR_NONE)
		wire_add(w, "site_packs", &list);
	return rc;
}

enum err_code
evidence_show_wire(const struct evidence_verdict *v, struct wire_value **out,
    struct err *e)
{
	enum err_code rc = wire_new(out, "evidence", e);
	struct wire_value *w = *out;

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(w, "verdict",
	    v->bad                    ? "bad"
		: v->heads_count == 0 ? "unproven"
		: !v->key_given       ? "consistent"
		: !v->manifest_signed ? "records_good"
				      : "good");
	if (v->bad) {
		wire_add_text(w, "what", v->what);
		wire_add_text(w, "where", v->where);
	}
	wire_add_uint(w, "records", v->records_count);
	wire_add_uint(w, "heads", v->heads_count);
	wire_add_uint(w, "newest_head", v->newest_head);
	wire_add_uint(w, "after_head", v->after_head);
	wire_add_uint(w, "unsigned_records", v->unsigned_count);
	wire_add_uint(w, "redacted_records", v->closed_count);
	wire_add_uint(w, "acknowledgements", v->acknowledgements_count);
	add_signers(w, v);
	wire_add_uint(w, "cosigned_head", v->cosigned_head);
	wire_add_uint(w, "uncosigned_records", v->uncosigned_count);
	wire_add_text(w, "cosigner", v->cosigner);
	wire_add_text(w, "cosigner_site", v->cosigner_site);
	wire_add_uint(w, "policies", v->policies_count);
	wire_add_uint(w, "policies_named", v->policies_named);
	wire_add_uint(w, "plans", v->plans_count);
	wire_add_uint(w, "plans_named", v->plans_named);
	wire_add_bool(w, "keys_listed", v->keys_listed);
	wire_add_bool(w, "manifest_signed", v->manifest_signed);
	if (v->manifest_signed)
		wire_add_text(w, "manifest_signer", v->manifest_signer);
	else
		wire_add_null(w, "manifest_signer");
	wire_add_bool(w, "key_given", v->key_given);
	wire_add_text(w, "signer", v->signer);
	wire_add_text(w, "site", v->site);
	wire_add_text(w, "service", v->service);
	wire_add_text(w, "council", v->council);
	return list_others(w, v, e);
}
