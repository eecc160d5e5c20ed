/* bascule store serve: the far end of a replication. */

#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <bascule/base/text.h>
#include <bascule/job.h>
#include <bascule/ledger.h>
#include <bascule/replicate.h>

#include "repository.h"
#include "stop.h"

#define SILENCE_NS (600 * NS_PER_S) /* docs/protocol/store-serve.md */

/*
 * Before the first byte of the peer is read.  The log is opened before, as
 * nothing can be connected to afterwards; what goes to standard error is the
 * peer's to read.
 */
static void
confine(const char *path, unsigned allow)
{
	char text[CONFINE_TEXT_BYTES];
	unsigned got;

	openlog("bascule", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	got = confine_to(path, allow);
	syslog((got & CONFINE_FILES) != 0 ? LOG_INFO : LOG_WARNING,
	    "store serve for '%s' is confined in: %s", path,
	    confine_text(got, text));
}

/* What the sender may use up. */
static bool
take_limits(const struct cli *cli, struct serve_options *opt, struct err *e)
{
	const char *quota = cli_value(cli, "quota");
	const char *rate = cli_value(cli, "rate");

	if (quota != NULL &&
	    text_parse_size(quota, &opt->quota_bytes, e) != ERR_NONE)
		return false;
	return rate == NULL ||
	    text_parse_rate(rate, &opt->rate_bytes_per_s, e) == ERR_NONE;
}

static enum err_code
sign_word(void *ctx, const struct serve_word *word, struct buf *out,
    struct err *e)
{
	struct ack a = {.point = word->point, .since = word->since};

	memcpy(a.family, word->family, sizeof(a.family));
	snprintf(a.service, sizeof(a.service), "%s", word->service);
	return ack_make(&a, ctx, out, e);
}

/* Without a word of what is allowed the peer is told so. */
static int
take_in(struct cli *cli, const struct transport *t, unsigned allow,
    struct sign_key *key)
{
	struct serve_options opt = {.allow = allow,
	    .cancel = cli_stop_catch(),
	    .sign = key == NULL ? NULL : sign_word,
	    .ctx = key};
	struct serve_tally tally;
	struct err e;

	if (!take_limits(cli, &opt, &e))
		return cli_wrong_use(cli, "%s", e.text);
	if (serve_run(cli->repository, t, &opt, &tally, &e) != ERR_NONE)
		return cli_stop_failed(cli, &e);
	return EXITCODE_DONE;
}

/* What is damaged here is the taker's to know, too. */
static void
on_problem(void *ctx, const char *object, const struct err *why)
{
	cli_warn(ctx, "%s was not given: %s", object, why->text);
}

/* Sealed bytes, and who could open them is not asked: they are useless without
 * a key, and whoever has one may have them. */
static int
give_out(struct cli *cli, const struct transport *t)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	const char *service = cli_value(cli, "service");
	struct replicate_options opt = {.service = strcmp(service, "*") == 0
		? NULL
		: service,
	    .on_problem = on_problem,
	    .ctx = cli,
	    .cancel = cli_stop_catch(),
	    .fetched = true};
	struct replicate_tally tally;
	struct err e;
	int status = cli_repository_open(cli, STORE_READ, CLI_KEYS_NONE, &repo);

	if (status != EXITCODE_DONE)
		return status;
	if (replicate_push(repo.store, t, &opt, &tally, &e) != ERR_NONE)
		return cli_stop_failed(cli, &e);
	return tally.damaged_count > 0 ? EXITCODE_DAMAGE : EXITCODE_DONE;
}

/* *allow: of enum serve_allow. */
static int
take_allowed(struct cli *cli, unsigned *allow)
{
	const char *what;

	*allow = SERVE_NOTHING;
	for (size_t i = 0; (what = cli_value_nth(cli, "allow", i)) != NULL;
	     i++) {
		if (strcmp(what, "put") == 0)
			*allow |= SERVE_PUT;
		else if (strcmp(what, "heal") == 0)
			*allow |= SERVE_HEAL;
		else if (strcmp(what, "get") == 0)
			*allow |= SERVE_GET;
		else
			return cli_wrong_use(cli,
			    "--allow takes 'put', 'heal' or 'get', and nothing "
			    "else is there to be allowed");
	}
	if ((*allow & SERVE_GET) != 0 && *allow != SERVE_GET)
		return cli_wrong_use(cli,
		    "--allow get is alone: there this side speaks first");
	/* The key would open every service's part, and nothing would say so. */
	if (*allow == SERVE_GET && cli_value(cli, "service") == NULL)
		return cli_wrong_use(cli,
		    "--allow get of which service? --service NAME, or "
		    "--service '*' for the whole repository");
	return EXITCODE_DONE;
}

static int
serve(struct cli *cli)
{
	struct transport_fds fds = {STDIN_FILENO, STDOUT_FILENO, SILENCE_NS,
	    cli_stop_catch()};
	OWNED(ledgerkey_free) struct sign_key *key = NULL;
	const char *key_file = cli_value(cli, "sign");
	struct transport t;
	struct err e;
	unsigned allow;
	int status;

	cli->json_on_stderr = true; /* stdout speaks to the other side */
	if (cli->repository == NULL)
		return cli_wrong_use(cli, "which repository? (-r REPOSITORY)");
	status = take_allowed(cli, &allow);
	if (status != EXITCODE_DONE)
		return status;
	/* Before it is confined: afterwards the file is out of reach. */
	if (key_file != NULL && ledgerkey_open(&key, key_file, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	confine(cli->repository, allow & SERVE_PUT);
	if (transport_over_fds(&t, &fds, &e) != ERR_NONE)
		return cli_stop_failed(cli, &e);
	return allow == SERVE_GET ? give_out(cli, &t)
				  : take_in(cli, &t, allow, key);
}

static const struct cli_option serve_options[] = {
    {"allow", 0, "WHAT",
	"what the other side may do: put what is its own, heal (fetch what it "
	"lost), both; or get what is here"},
    {"service", 0, "NAME",
	"get: this service's snapshots alone; '*': all that is here"},
    {"quota", 0, "SIZE", "let the copy grow no larger: 2TiB"},
    {"rate", 0, "RATE", "receive no faster: 400Mbit/s"},
    {"sign", 0, "FILE",
	"put: acknowledge what came, signed with this key; made when missing"},
    {NULL, 0, NULL, NULL},
};

const struct cli_command command_store_serve = {"store serve", "",
    "the far end of a replication, on standard input and output (a forced "
    "command)",
    serve_options, 0, 0, serve};
