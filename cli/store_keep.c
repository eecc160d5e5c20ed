/*
 * bascule store holds, release, accept: what a copy keeps because something
 * looked wrong, and a person's word that it was looked at.
 */

#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/wire.h>

#include "repository.h"

static const char *
why_text(enum hold_why why)
{
	static const char *const texts[] = {"", "cursor", "pre-failover",
	    "exercise", "legal", "operator", "divergence", "suspect"};

	return texts[why];
}

/* --- holds ---------------------------------------------------------------------- */

static int
hold_json(struct cli *cli, const struct hold *h)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *list = NULL;
	char hex[ID_HEX_BYTES];
	struct err e;

	if (wire_new(&v, "hold", &e) != ERR_NONE ||
	    wire_new_list(&list, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	for (size_t i = 0; i < h->snapshots_count; i++)
		wire_add_text(list, NULL, id_hex(&h->snapshots[i], hex));
	wire_add_hex(v, "hold", h->id.bytes, ID_BYTES);
	wire_add_text(v, "why", why_text(h->why));
	wire_add_text(v, "service", h->service);
	wire_add_text(v, "label", h->label);
	wire_add_text(v, "reason", h->reason);
	wire_add_utc(v, "placed", h->placed);
	wire_add(v, "snapshots", &list);
	return cli_line(cli, &v);
}

static int
hold_text(struct cli *cli, const struct hold *h)
{
	char hex[ID_HEX_BYTES], when[NOW_TEXT_BYTES];
	OWNED(buf_fini) struct buf label = {0};
	OWNED(buf_fini) struct buf reason = {0};
	struct err e;

	if (text_escape(&label, h->label, strlen(h->label), &e) != ERR_NONE ||
	    text_escape(&reason, h->reason, strlen(h->reason), &e) != ERR_NONE)
		return cli_fail(cli, &e);
	printf("%.12s  %s  %s  %s  %s\n", id_hex(&h->id, hex), why_text(h->why),
	    cli_time(h->placed, when), h->service, buf_text(&label));
	for (size_t i = 0; i < h->snapshots_count; i++)
		printf("    keeps %.12s\n", id_hex(&h->snapshots[i], hex));
	if (reason.len_bytes > 0)
		printf("    %s\n", buf_text(&reason));
	return EXITCODE_DONE;
}

static int
summary(struct cli *cli, const char *name, uint64_t count)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (!cli->json)
		return EXITCODE_DONE;
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_uint(v, name, count);
	return cli_line(cli, &v);
}

static int
holds(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(hold_list_fini) struct hold_list list = {0};
	struct err e;
	int status = cli_repository_open(cli, STORE_READ, CLI_KEYS_NONE, &repo);

	if (status != EXITCODE_DONE)
		return status;
	if (hold_list(&list, repo.store, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	for (size_t i = 0; status == EXITCODE_DONE && i < list.count; i++)
		status = cli->json ? hold_json(cli, &list.holds[i])
				   : hold_text(cli, &list.holds[i]);
	return status == EXITCODE_DONE ? summary(cli, "holds", list.count)
				       : status;
}

/* --- release --------------------------------------------------------------------- */

/* The one whose id begins so. */
static enum err_code
find(const struct hold_list *list, const char *prefix, struct id *out,
    struct err *e)
{
	const size_t len = strlen(prefix);
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		char hex[ID_HEX_BYTES];

		if (strncmp(id_hex(&list->holds[i].id, hex), prefix, len) != 0)
			continue;
		*out = list->holds[i].id;
		count++;
	}
	if (count == 1 && len >= 4)
		return ERR_NONE;
	err_set(e, count == 0 ? ERR_NOTFOUND : ERR_INPUT,
	    count == 0 ? "there is no hold '%.64s'"
		       : "'%.64s' is the beginning of several, or too short",
	    prefix);
	return err_hint(e, "bascule store holds lists them");
}

static int
release(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(hold_list_fini) struct hold_list list = {0};
	struct id id;
	struct err e;
	int status =
	    cli_repository_open(cli, STORE_WRITE, CLI_KEYS_NONE, &repo);

	if (status != EXITCODE_DONE)
		return status;
	if (hold_list(&list, repo.store, &e) != ERR_NONE ||
	    find(&list, cli->operands[0], &id, &e) != ERR_NONE ||
	    hold_release(repo.store, &id, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	if (!cli->json && !cli->quiet)
		printf("released %.12s\n", cli->operands[0]);
	return summary(cli, "holds", list.count - 1);
}

/* --- accept ----------------------------------------------------------------------- */

static int
accept_one(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	struct id id;
	struct err e;
	int status;

	if (!id_parse(cli->operands[0], &id))
		return cli_wrong_use(cli,
		    "a snapshot that is not here is named by all of its 64 hex "
		    "digits");
	status = cli_repository_open(cli, STORE_WRITE, CLI_KEYS_NONE, &repo);
	if (status != EXITCODE_DONE)
		return status;
	if (receipts_accept(repo.store, &id, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	if (!cli->json && !cli->quiet)
		printf("%.12s is taken when it is sent again\n",
		    cli->operands[0]);
	return summary(cli, "snapshots", 1);
}

const struct cli_command command_store_holds = {"store holds", "",
    "what is kept because of a hold, and why", NULL, 0, 0, holds};
const struct cli_command command_store_release = {"store release", "HOLD",
    "end a hold: a person has looked", NULL, 1, 1, release};
const struct cli_command command_store_accept = {"store accept", "SNAPSHOT",
    "take a snapshot that was refused, or forgotten here", NULL, 1, 1,
    accept_one};
