/*
 * bascule approve, refuse: a person's word about a move.  An approval begins
 * with what is approved, byte for byte, and is of that alone: its digest goes
 * with it, and a run that has changed since refuses it.
 */

#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/job.h>

#include "failover.h"
#include "wordkey.h"

struct word {
	struct cli *cli;
	const char *run, *verb;
	struct failover_run shown;
	char seen[ID_HEX_BYTES];
	struct sign_key *key; /* NULL: not signed */
	/* of its answer */
	void (*reply)(struct live *l, const char *type, struct wire_value *v);
};

static void
word_fini(struct word *w)
{
	failover_run_fini(&w->shown);
	sign_key_free(&w->key);
}

/* --- what is approved ------------------------------------------------------------ */

/* The digest is of the bytes we show, whoever sent them. */
static int
digest(struct word *w)
{
	const char *given = cli_value(w->cli, "seen");
	struct id id;
	struct err e;

	if (hash_sha256(w->shown.shown, strlen(w->shown.shown), &id, &e) !=
	    ERR_NONE)
		return cli_fail(w->cli, &e);
	id_hex(&id, w->seen);
	if (strcmp(w->seen, w->shown.seen) != 0) {
		err_set(&e, ERR_CORRUPT,
		    "what the daemon shows has not the digest it says");
		return cli_fail(w->cli, &e);
	}
	if (given == NULL || strcmp(given, w->seen) == 0)
		return EXITCODE_DONE;
	err_set(&e, ERR_REFUSED,
	    "run %s is not what you saw: it has changed since", w->run);
	err_hint(&e, "look again: 'bascule failover show %s'", w->run);
	return cli_fail_as(w->cli, &e, EXITCODE_NOT_ALLOWED);
}

static int
show(struct word *w)
{
	int status = failover_run_get(w->cli, w->run, &w->shown);

	if (status == EXITCODE_DONE)
		status = digest(w);
	if (status == EXITCODE_DONE && !w->cli->json) {
		failover_say_shown(w->shown.shown);
		failover_say_not_known(w->shown.not_known);
		printf("seen %s\n", w->seen);
		fflush(stdout);
	}
	return status;
}

static int
ask_person(struct word *w)
{
	char answer[16];
	struct err e;

	if (!failover_can_ask() || cli_has(w->cli, "yes") || w->cli->json)
		return EXITCODE_DONE;
	fprintf(stderr, "%s this? Type yes: ", w->verb);
	if (failover_read_line(answer, sizeof(answer)) &&
	    strcmp(answer, "yes") == 0)
		return EXITCODE_DONE;
	err_set(&e, ERR_CANCELLED, "nothing was said");
	return cli_fail(w->cli, &e);
}

/* --- saying it ------------------------------------------------------------------------ */

static int
say(struct word *w)
{
	struct live l = {.cli = w->cli, .reply = w->reply};
	bool is_request = strcmp(w->verb, "request") == 0;
	struct wire_value *request =
	    live_request(w->cli, is_request ? "failover sign" : "approve");
	const char *reason = cli_value(w->cli,
	    strcmp(w->verb, "attest") == 0 ? "attest" : "reason");
	struct approvals_signing of = {.run = w->shown.run,
	    .service = "",
	    .seen = w->seen,
	    .reason = reason == NULL ? "" : reason,
	    .note = ""};
	struct err e;

	if (request == NULL)
		return EXITCODE_FAILED;
	(void)approvals_verb_find(w->verb, &of.verb);
	wire_add_text(request, "run", w->run);
	if (!is_request)
		wire_add_text(request, "verb", w->verb);
	wire_add_text(request, "seen", w->seen);
	wire_add_text(request, "reason", of.reason);
	live_add_dry_run(w->cli, request);
	if (wordkey_sign(w->key, &of, request, &e) != ERR_NONE) {
		wire_free(&request);
		return cli_fail(w->cli, &e);
	}
	return live_ask(&l, &request);
}

static int
run_word(struct cli *cli, const char *verb)
{
	OWNED(word_fini)
	struct word w = {.cli = cli,
	    .run = cli->operands[0],
	    .verb = verb,
	    .reply = failover_reply};
	struct err e;
	int status;

	if (wordkey_read(cli, &w.key, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	status = show(&w);
	if (status == EXITCODE_DONE)
		status = ask_person(&w);
	return status == EXITCODE_DONE ? say(&w) : status;
}

static int
run_approve(struct cli *cli)
{
	static const char *const words[] = {"second", "attest", "accept",
	    "withdraw"};
	const char *verb = "approve";
	size_t count = 0;

	for (size_t i = 0; i < COUNT_OF(words); i++) {
		bool is_said = strcmp(words[i], "attest") == 0
		    ? cli_value(cli, words[i]) != NULL
		    : cli_has(cli, words[i]);

		verb = is_said ? words[i] : verb;
		count += is_said;
	}
	if (count > 1)
		return cli_wrong_use(cli, "one word at a time");
	return run_word(cli, verb);
}

static const struct cli_option approve_options[] = {WORDKEY_OPTIONS,
    {"seen", 0, "DIGEST", "only if it is still what you saw"},
    {"second", 0, NULL, "be the second person of a broken glass"},
    {"attest", 0, "METHOD", "attest that the old site is off, and how"},
    {"accept", 0, NULL, "accept the loss, or what runs: the owner's word"},
    {"withdraw", 0, NULL, "take your own approval back"},
    {"reason", 0, "TEXT", "for the record"}, {"yes", 'y', NULL, "do not ask"},
    {"dry-run", 'n', NULL, "say whether it would count"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_approve = {"approve", "ID",
    "approve a move, as it is shown", approve_options, 1, 1, run_approve};

static int
run_refuse(struct cli *cli)
{
	return run_word(cli, "refuse");
}

static const struct cli_option refuse_options[] = {WORDKEY_OPTIONS,
    {"reason", 0, "TEXT", "why"}, {"yes", 'y', NULL, "do not ask"},
    {"dry-run", 'n', NULL, "say what would be recorded"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_refuse = {"refuse", "ID",
    "refuse a move; it ends", refuse_options, 1, 1, run_refuse};

/* --- a request of one's own ------------------------------------------------------------- */

int
failover_sign(struct cli *cli, const char *run, struct sign_key **key)
{
	OWNED(word_fini)
	struct word w = {.cli = cli,
	    .run = run,
	    .verb = "request",
	    .key = TAKE(*key),
	    .reply = failover_say_end};
	int status = failover_run_get(cli, run, &w.shown);

	if (status == EXITCODE_DONE)
		status = digest(&w);
	return status == EXITCODE_DONE ? say(&w) : status;
}

static int
run_sign(struct cli *cli)
{
	return cli_value(cli, "key") == NULL
	    ? cli_wrong_use(cli, "by whose key? --key FILE")
	    : run_word(cli, "request");
}

static const struct cli_option sign_options[] = {WORDKEY_OPTIONS,
    {"seen", 0, "DIGEST", "only if it is still what you saw"},
    {"yes", 'y', NULL, "do not ask"},
    {"dry-run", 'n', NULL, "say whether it would count"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_failover_sign = {"failover sign", "ID",
    "sign what you have asked for yourself", sign_options, 1, 1, run_sign};
