/* bascule evidence export | verify: what auditors take away, and its judge. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <bascule/crypt.h>
#include <bascule/ledger.h>
#include <bascule/report.h>
#include <bascule/wire.h>

#include "cli.h"
#include "heldcopies.h"
#include "inforce.h"
#include "signing.h"
#include "when.h"

#define REDACT_MAX 64

/* --- export --------------------------------------------------------------- */

static enum err_code
read_options(struct cli *cli, struct evidence_options *o,
    const char *redact[REDACT_MAX], struct err *e)
{
	enum err_code rc = when_parse(cli_value(cli, "since"), &o->since, e);

	if (rc == ERR_NONE)
		rc = when_parse(cli_value(cli, "until"), &o->until, e);
	o->service = cli_value(cli, "service");
	o->council = cli_value(cli, "council");
	o->redact = redact;
	while (o->redact_count < REDACT_MAX) {
		const char *name =
		    cli_value_nth(cli, "redact", o->redact_count);

		if (name == NULL)
			return rc;
		redact[o->redact_count++] = name;
	}
	return err_set(e, ERR_INPUT, "more than %d fields to redact",
	    REDACT_MAX);
}

static enum err_code
export_signed(struct ledger *l, struct evidence_options *o, struct signing *s,
    const char *to, struct evidence_tally *tally, struct err *e)
{
	enum err_code rc;

	o->signer = s->key;
	rc = evidence_export(l, o, to, tally, e);
	if (rc != ERR_KEY || s->was_asked || s->key == NULL)
		return rc;
	/* A key that nobody named is no reason to have no pack. */
	snprintf(s->why_not, sizeof(s->why_not), "%s", e->text);
	sign_key_free(&s->key);
	o->signer = NULL;
	return evidence_export(l, o, to, tally, e);
}

static int
say_exported(struct cli *cli, const char *path, const struct evidence_tally *t,
    const struct signing *s)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char size[32];
	struct err e;

	if (!cli->json) {
		fputs("wrote '", stdout);
		cli_print_name(path, strlen(path));
		printf("': %" PRIu64 " records, %" PRIu64 " of them redacted, "
		       "%" PRIu64 " heads, %s\n",
		    t->records_count, t->closed_count, t->heads_count,
		    cli_size(cli, t->bytes, size));
		printf("%" PRIu64 " reports of exercises, moves and drills; "
		       "%" PRIu64 " policies or plans that were in force\n",
		    t->reports_count, t->policies_count);
		if (t->reports_left_count > 0)
			printf("%" PRIu64 " reports are left out: the oldest "
			       "beyond 64, and those of what is kept back\n",
			    t->reports_left_count);
		if (t->policies_left_count > 0)
			printf("%" PRIu64 " policies or plans that records "
			       "name are left out: no copy is beside the "
			       "ledger, or fields are kept back\n",
			    t->policies_left_count);
		if (t->others_count > 0)
			printf("%" PRIu64 " other sites' own records, as far "
			       "as they are held here: %" PRIu64 "\n",
			    t->others_count, t->others_records_count);
		signing_say(s, "manifest");
		if (t->unsigned_count > 0)
			printf("%" PRIu64 " records, the last ones, are under "
			       "no signed head: one site's word\n",
			    t->unsigned_count);
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_path(v, "path", path, strlen(path));
	wire_add_uint(v, "records", t->records_count);
	wire_add_uint(v, "redacted_records", t->closed_count);
	wire_add_uint(v, "heads", t->heads_count);
	wire_add_uint(v, "unsigned_records", t->unsigned_count);
	wire_add_uint(v, "reports", t->reports_count);
	wire_add_uint(v, "reports_left_out", t->reports_left_count);
	wire_add_uint(v, "policies", t->policies_count);
	wire_add_uint(v, "policies_left_out", t->policies_left_count);
	wire_add_uint(v, "other_sites", t->others_count);
	wire_add_uint(v, "other_records", t->others_records_count);
	wire_add_uint(v, "bytes", t->bytes);
	wire_add_bool(v, "manifest_signed", s->key != NULL);
	if (s->key != NULL)
		wire_add_text(v, "manifest_signer", s->signer);
	else
		wire_add_text(v, "manifest_why_not", s->why_not);
	return cli_line(cli, &v);
}

static int
run_export(struct cli *cli)
{
	OWNED(ledger_close) struct ledger *l = NULL;
	OWNED(buf_fini) struct buf found = {0};
	OWNED(signing_fini) struct signing s = {0};
	OWNED(inforce_close) struct inforce *policies = NULL;
	OWNED(heldcopies_fini) struct heldcopies others = {.count = 0};
	const char *redact[REDACT_MAX];
	const char *to = cli_value(cli, "output");
	const char *from = cli_value(cli, "ledger");
	struct evidence_options o = {0};
	struct evidence_tally tally;
	enum err_code rc;
	struct err e;

	if (to == NULL)
		return cli_wrong_use(cli, "say where to: -o FILE");
	if (read_options(cli, &o, redact, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	if (from == NULL) {
		int status = signing_ledger(cli, &found);

		if (status != EXITCODE_DONE)
			return status;
		from = buf_text(&found);
	}
	rc = ledger_open_readonly(&l, from, &e);
	if (rc == ERR_NONE)
		rc = signing_find(cli, &s, from, &e);
	if (rc == ERR_NONE)
		rc = inforce_open(&policies, from, &e);
	if (rc == ERR_NONE)
		rc = heldcopies_open(&others, from, &e);
	o.others = others.items;
	o.others_count = others.count;
	o.policy = inforce_find;
	o.policy_ctx = policies;
	if (rc == ERR_NONE)
		rc = export_signed(l, &o, &s, to, &tally, &e);
	if (rc != ERR_NONE)
		return cli_fail(cli, &e);
	return say_exported(cli, to, &tally, &s);
}

static const struct cli_option export_options[] =
    {{"output", 'o', "FILE", "where to write the pack"},
	{"since", 0, "TIME", "from then on (2026-11-22, 7d); UTC"},
	{"until", 0, "TIME", "before then"},
	{"service", 0, "S", "others' records as hashes only"},
	{"council", 0, "C", "its chain and the shared one"},
	{"redact", 0, "FIELD", "keep a field back, such as @host; repeatable"},
	{"ledger", 0, "FILE", "read this database; no daemon needed"},
	{"sign-key", 0, "FILE",
	    "sign the manifest (default: ledger.key beside the database)"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_evidence_export = {"evidence export",
    "-o FILE", "write the ledger's records as a file anybody can verify",
    export_options, 0, 0, run_export};

/* --- verify --------------------------------------------------------------- */

/*
 * Who names a key asks whether its holder vouches for the pack.  A manifest
 * without a signature can be made by taking the signature away: what was left
 * out, and the readable files, are then nobody's word.
 */
static int
verdict_status(const struct evidence_verdict *v, int status)
{
	if (v->bad)
		return EXITCODE_DAMAGE;
	if (status == EXITCODE_DONE && v->key_given &&
	    (!v->manifest_signed || v->heads_count == 0))
		return EXITCODE_PARTIAL;
	return status;
}

static int
say_verdict(struct cli *cli, const struct evidence_verdict *v)
{
	OWNED(wire_free) struct wire_value *w = NULL;
	OWNED(buf_fini) struct buf text = {0};
	enum err_code rc;
	struct err e;
	int status = EXITCODE_DONE;

	if (cli->json) {
		rc = evidence_show_wire(v, &w, &e);
		if (rc != ERR_NONE)
			return cli_fail(cli, &e);
		wire_add_text(w, "type", "summary");
		status = cli_line(cli, &w);
	} else {
		rc = evidence_show_text(v, &text, &e);
		if (rc != ERR_NONE)
			return cli_fail(cli, &e);
		fputs(buf_text(&text), stdout);
	}
	return verdict_status(v, status);
}

static int
run_verify(struct cli *cli)
{
	OWNED(buf_fini) struct buf key = {0};
	const char *given = cli_value(cli, "key");
	struct evidence_verdict v;
	enum err_code rc = ERR_NONE;
	struct err e;

	if (given != NULL)
		rc = evidence_show_key(given, &key, &e);
	if (rc == ERR_NONE)
		rc = evidence_verify(cli->operands[0],
		    given != NULL ? buf_text(&key) : NULL, &v, &e);
	return rc == ERR_NONE ? say_verdict(cli, &v) : cli_fail(cli, &e);
}

static const struct cli_option verify_options[] =
    {{"key", 0, "KEY",
	 "who must have signed all of it: SHA256:..., or a file with it"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_evidence_verify = {"evidence verify", "FILE",
    "judge a pack, offline: 4 not good, 3 not all of it signed by --key",
    verify_options, 1, 1, run_verify};
