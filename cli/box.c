/* bascule box make | verify: what is left when everything else is gone. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/id.h>
#include <bascule/job.h>
#include <bascule/ledger.h>
#include <bascule/report.h>
#include <bascule/wire.h>

#include "boxparts.h"
#include "cli.h"
#include "place.h"
#include "signing.h"

#define ANSWER_TIMEOUT_MS 30000

struct making {
	struct cli *cli;
	struct policy *policy;
	struct boxparts_program program;
	struct buf heads, to, ledger;
	struct signing signing;
	struct box_tally tally;
	char digest[ID_HEX_BYTES], site[65]; /* site "": nobody recorded it */
};

static void
making_fini(struct making *m)
{
	policy_free(&m->policy);
	boxparts_program_fini(&m->program);
	buf_fini(&m->heads);
	buf_fini(&m->to);
	buf_fini(&m->ledger);
	signing_fini(&m->signing);
}

/* --- make: what it is made of --------------------------------------------------- */

static enum err_code
find_policy(struct making *m, struct err *e)
{
	struct id digest;
	enum err_code rc = place_policy(m->cli, &m->policy, e);

	if (rc == ERR_NONE)
		rc = digest_policy(m->policy, &digest, e);
	if (rc == ERR_NONE)
		id_hex(&digest, m->digest);
	return rc;
}

/* -o, or a name that says when, in the policy's folder. */
static enum err_code
find_place(struct making *m, struct utc made, struct err *e)
{
	const char *given = cli_value(m->cli, "output");
	const char *folder = m->policy->box.to;
	char when[NOW_TEXT_BYTES];

	if (given != NULL)
		return buf_add_text(&m->to, given, e);
	if (*folder == '\0')
		return err_set(e, ERR_INPUT,
		    "say where to: -o FILE (or box.to in the policy)");
	return buf_printf(&m->to, e, "%s/bascule-box-%s-%s.tar", folder,
	    m->policy->site, now_stamp(made, when));
}

/* --ledger, or the one of the policy's own daemon. */
static enum err_code
find_ledger(struct making *m, struct err *e)
{
	const char *given = cli_value(m->cli, "ledger");
	enum err_code rc = given != NULL
	    ? buf_add_text(&m->ledger, given, e)
	    : buf_printf(&m->ledger, e, "%s/ledger.db", m->policy->state);

	if (rc == ERR_NONE)
		rc = boxparts_heads(buf_text(&m->ledger), &m->heads, e);
	return rc == ERR_NONE
	    ? signing_find(m->cli, &m->signing, buf_text(&m->ledger), e)
	    : rc;
}

static enum err_code
make(struct making *m, struct err *e)
{
	struct box_options o = {.made = now_utc()};
	enum err_code rc = find_policy(m, e);

	if (rc == ERR_NONE)
		rc = find_place(m, o.made, e);
	if (rc == ERR_NONE)
		rc = find_ledger(m, e);
	if (rc == ERR_NONE)
		rc = boxparts_program(&m->program, e);
	if (rc != ERR_NONE)
		return rc;
	o.policy = m->policy;
	o.digest = m->digest;
	o.program = m->program.files;
	o.program_count = m->program.count;
	o.heads = m->heads.len_bytes > 0 ? buf_text(&m->heads) : NULL;
	o.signer = m->signing.key;
	return box_write(&o, buf_text(&m->to), &m->tally, e);
}

/* --- make: what is said of it ----------------------------------------------------- */

static enum err_code
tell_daemon(struct making *m, struct err *e)
{
	OWNED(wire_client_close) struct wire_client *client = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_client_open(&client, m->cli->socket, e);

	if (rc == ERR_NONE)
		rc = wire_new(&v, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "cmd", "box made");
	wire_add_hex(v, "sha256", m->tally.sha256.bytes, ID_BYTES);
	wire_add_uint(v, "bytes", m->tally.bytes);
	wire_add_path(v, "path", buf_text(&m->to), m->to.len_bytes);
	wire_add_text(v, "policy", m->digest);
	if (m->signing.key != NULL)
		wire_add_text(v, "signer", m->signing.signer);
	rc = wire_client_ask(client, v, e);
	wire_free(&v);
	if (rc == ERR_NONE)
		rc = wire_client_next(client, ANSWER_TIMEOUT_MS, &v, e);
	if (rc == ERR_NONE && v != NULL)
		snprintf(m->site, sizeof(m->site), "%s",
		    wire_take_text(v, "site", "?"));
	return rc;
}

static void
tell(struct making *m)
{
	struct err e = {0};
	enum err_code rc = tell_daemon(m, &e);

	if (rc == ERR_NOTFOUND)
		cli_warn(m->cli,
		    "no daemon answers here: no ledger knows of this box, and "
		    "readiness will call it missing");
	else if (rc != ERR_NONE)
		cli_warn(m->cli, "the daemon has not recorded it: %s", e.text);
	if (m->heads.len_bytes == 0)
		cli_warn(m->cli,
		    "no ledger could be read at '%s': the box has no heads",
		    buf_text(&m->ledger));
}

static int
say_made(struct making *m)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char hex[ID_HEX_BYTES], size[32];
	struct err e;

	id_hex(&m->tally.sha256, hex);
	if (m->cli->json) {
		if (wire_new(&v, "summary", &e) != ERR_NONE)
			return cli_fail(m->cli, &e);
		wire_add_path(v, "path", buf_text(&m->to), m->to.len_bytes);
		wire_add_text(v, "sha256", hex);
		wire_add_uint(v, "bytes", m->tally.bytes);
		wire_add_uint(v, "members", m->tally.members_count);
		wire_add_bool(v, "signed", m->signing.key != NULL);
		if (m->signing.key != NULL)
			wire_add_text(v, "signer", m->signing.signer);
		if (m->site[0] != '\0')
			wire_add_text(v, "site", m->site);
		return cli_line(m->cli, &v);
	}
	fputs("wrote '", stdout);
	cli_print_name(buf_text(&m->to), m->to.len_bytes);
	printf("': %" PRIu64 " files, %s\nSHA-256 %s\n", m->tally.members_count,
	    cli_size(m->cli, m->tally.bytes, size), hex);
	signing_say(&m->signing, "box");
	if (m->site[0] != '\0')
		printf("recorded in the ledger of site %s\n", m->site);
	printf("write the SHA-256 and the key's fingerprint on paper, and keep "
	       "the box where the\nescrow shares are not\n");
	return EXITCODE_DONE;
}

static int
run_make(struct cli *cli)
{
	OWNED(making_fini) struct making m = {.cli = cli};
	struct err e;

	if (make(&m, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	tell(&m);
	return say_made(&m);
}

static const struct cli_option make_options[] =
    {{"output", 'o', "FILE", "where to write the box (default: box.to)"},
	PLACE_OPTION,
	{"ledger", 0, "FILE", "take its heads (default: the daemon's)"},
	{"sign-key", 0, "FILE",
	    "sign the box (default: ledger.key beside the database)"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_box_make = {"box make", "-o FILE",
    "write what recovers services without any site: program, runbook, policies",
    make_options, 0, 0, run_make};

/* --- verify ------------------------------------------------------------------------ */

static int
say_json(struct cli *cli, const struct box_verdict *v)
{
	OWNED(wire_free) struct wire_value *w = NULL;
	struct err e;

	if (wire_new(&w, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_bool(w, "sound", !v->bad);
	wire_add_text(w, "what", v->what);
	wire_add_text(w, "site", v->site);
	wire_add_text(w, "policy", v->policy);
	wire_add_text(w, "version", v->version);
	wire_add_text(w, "machine", v->machine);
	if (v->made.ns != 0)
		wire_add_utc(w, "made", v->made);
	wire_add_uint(w, "members", v->members_count);
	wire_add_uint(w, "bytes", v->bytes);
	wire_add_bool(w, "signed", v->is_signed);
	wire_add_text(w, "signer", v->signer);
	return cli_line(cli, &w);
}

static int
say_verdict(struct cli *cli, const struct box_verdict *v)
{
	char when[NOW_TEXT_BYTES], age[TEXT_UNIT_BYTES];

	if (cli->json)
		return say_json(cli, v);
	if (v->bad) {
		fputs("NOT GOOD: ", stdout);
		cli_print_name(v->what, strlen(v->what));
		putchar('\n');
		return EXITCODE_DONE;
	}
	printf("sound: %" PRIu64 " files of site %s, made %s (%s ago), "
	       "Bascule %s for %s\npolicies %s\n",
	    v->members_count, v->site, now_text(v->made, when),
	    text_duration(now_utc().ns - v->made.ns, age), v->version,
	    v->machine, v->policy);
	if (!v->is_signed)
		puts("NOBODY has signed it");
	else if (cli_value(cli, "key") != NULL)
		printf("signed by %s, as you asked\n", v->signer);
	else
		printf("signed by %s: compare that with what the other site or "
		       "paper says (--key)\n",
		    v->signer);
	return EXITCODE_DONE;
}

static int
run_verify(struct cli *cli)
{
	OWNED(buf_fini) struct buf key = {0};
	const char *given = cli_value(cli, "key");
	struct box_verdict v;
	enum err_code rc = ERR_NONE;
	struct err e;
	int status;

	if (given != NULL)
		rc = evidence_show_key(given, &key, &e);
	if (rc == ERR_NONE)
		rc = box_verify(cli->operands[0],
		    given != NULL ? buf_text(&key) : NULL, &v, &e);
	if (rc != ERR_NONE)
		return cli_fail(cli, &e);
	status = say_verdict(cli, &v);
	return status == EXITCODE_DONE && v.bad ? EXITCODE_DAMAGE : status;
}

static const struct cli_option verify_options[] =
    {{"key", 0, "KEY",
	 "who must have signed it: SHA256:..., or a file with it"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_box_verify = {"box verify", "FILE",
    "judge a battle box, offline: 4 not good", verify_options, 1, 1,
    run_verify};
