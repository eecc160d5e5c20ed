/* bascule replicate: bring the copy at another site up to date. */

#include <stdio.h>
#include <unistd.h>

#include <bascule/base/text.h>
#include <bascule/replicate.h>
#include <bascule/wire.h>

#include "repository.h"
#include "stop.h"

#define CONNECTIONS_MAX 8

static void
on_problem(void *ctx, const char *object, const struct err *why)
{
	struct cli_progress *p = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	cli_progress_end(p);
	if (!p->cli->json) {
		cli_warn(p->cli, "%s was not replicated: %s", object,
		    why->text);
	} else if (wire_new(&v, "error", &e) == ERR_NONE) {
		wire_add_text(v, "object", object);
		wire_add_text(v, "error", why->text);
		fflush(stdout);
		(void)!wire_send(STDOUT_FILENO, v, &e);
	}
}

static void
on_progress(void *ctx, const struct replicate_tally *t)
{
	cli_progress_show(ctx, 0,
	    t->pack_sent_bytes + t->resumed_bytes + t->composed_bytes,
	    t->pack_bytes + t->again_bytes);
}

/* Of a target without anything of ours: what it does not give. */
static void
add_lacks(struct wire_value *v, const struct sftp_target_report *r)
{
	OWNED(wire_free) struct wire_value *lacks = NULL;
	struct err e;

	if (wire_new_list(&lacks, &e) != ERR_NONE)
		return;
	for (size_t i = 0; i < r->lacks_count; i++)
		wire_add_text(lacks, NULL, r->lacks[i]);
	wire_add(v, "guarantees_missing", &lacks);
	wire_add_uint(v, "read_back_bytes", r->read_back_bytes);
	wire_add_uint(v, "set_aside", r->moved_count);
	if (r->lock_taken[0] != '\0')
		wire_add_text(v, "lock_taken_over", r->lock_taken);
}

static void
print_lacks(const struct sftp_target_report *r)
{
	puts("this target has only SFTP; what it does not give:");
	for (size_t i = 0; i < r->lacks_count; i++)
		printf("  - %s\n", r->lacks[i]);
}

static int
report_json(struct cli *cli, const struct replicate_tally *t,
    const struct sftp_target_report *r, int64_t ns, int status)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_uint(v, "snapshots", t->snapshots_count);
	wire_add_uint(v, "snapshots_sent", t->snapshots_sent_count);
	wire_add_uint(v, "points_sent", t->points_sent_count);
	wire_add_uint(v, "packs_sent", t->packs_sent_count);
	wire_add_uint(v, "pack_bytes", t->pack_sent_bytes);
	wire_add_uint(v, "sent_bytes", t->sent_bytes);
	wire_add_uint(v, "received_bytes", t->received_bytes);
	wire_add_uint(v, "resumed_bytes", t->resumed_bytes);
	wire_add_uint(v, "composed_bytes", t->composed_bytes);
	wire_add_uint(v, "again_bytes", t->again_bytes);
	wire_add_uint(v, "connections", t->lanes_count);
	wire_add_uint(v, "refused", t->refused_count);
	wire_add_uint(v, "damaged", t->damaged_count);
	wire_add_bool(v, "copy_created", t->copy_created);
	if (r->lacks_count > 0)
		add_lacks(v, r);
	wire_add_seconds(v, "seconds", ns);
	wire_add_int(v, "exit", status);
	return cli_line(cli, &v) != EXITCODE_DONE ? EXITCODE_FAILED : status;
}

static int
report(struct cli *cli, const struct replicate_tally *t,
    const struct sftp_target_report *r, int64_t ns)
{
	char size[TEXT_UNIT_BYTES], time[TEXT_UNIT_BYTES];
	int status = t->damaged_count > 0 ? EXITCODE_DAMAGE
	    : t->refused_count > 0        ? EXITCODE_PARTIAL
					  : EXITCODE_DONE;

	if (cli->json)
		return report_json(cli, t, r, ns, status);
	if (cli->quiet)
		return status;
	if (t->copy_created)
		puts("made the copy: there was none");
	if (t->snapshots_sent_count + t->points_sent_count == 0 &&
	    status == EXITCODE_DONE)
		printf("nothing to do: all %llu snapshots are there\n",
		    (unsigned long long)t->snapshots_count);
	else
		printf("sent %llu of %llu snapshots, %llu points, %llu packs "
		       "(%s) in %s\n",
		    (unsigned long long)t->snapshots_sent_count,
		    (unsigned long long)t->snapshots_count,
		    (unsigned long long)t->points_sent_count,
		    (unsigned long long)t->packs_sent_count,
		    cli_size(cli, t->pack_sent_bytes, size),
		    text_duration(ns, time));
	if (r->lock_taken[0] != '\0')
		printf("took over the lock of %s\n", r->lock_taken);
	if (r->moved_count > 0)
		printf("%llu files there were damaged, and are in bad/ now\n",
		    (unsigned long long)r->moved_count);
	if (r->lacks_count > 0)
		print_lacks(r);
	return status;
}

static int
push(struct cli *cli, const struct replicate_target *to, unsigned lanes_max)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	struct cli_progress progress;
	struct replicate_options opt = {
	    .service = cli_value(cli, "service"),
	    .on_problem = on_problem,
	    .on_progress = on_progress,
	    .ctx = &progress,
	    .cancel = cli_stop_catch(),
	    .lanes_max = lanes_max,
	};
	struct sftp_target_options how = {
	    .read_back = cli_has(cli, "read-back"),
	    .break_lock = cli_has(cli, "break-lock"),
	};
	struct sftp_target_report lacks = {0};
	struct replicate_tally tally;
	struct mono begun = now_mono();
	struct err e;
	enum err_code rc;
	int status;

	status = cli_repository_open(cli, STORE_READ, CLI_KEYS_NONE, &repo);
	if (status != EXITCODE_DONE)
		return status;
	cli_progress_begin(&progress, cli, "replicating");
	if (sftp_target_is(to->url))
		rc = sftp_target_push(repo.store, to, &opt, &how, &tally,
		    &lacks, &e);
	else
		rc = reach_push(repo.store, to, &opt, &tally, &e);
	cli_progress_end(&progress);
	if (rc != ERR_NONE) {
		status = cli_stop_failed(cli, &e);
		/* What had gone over is there: the next run goes on behind it. */
		return cli->json ? report_json(cli, &tally, &lacks,
				       now_mono().ns - begun.ns, status)
				 : status;
	}
	return report(cli, &tally, &lacks, now_mono().ns - begun.ns);
}

/* --- fetching ------------------------------------------------------------- */

static void
on_taken(void *ctx, const struct serve_tally *t)
{
	cli_progress_show(ctx, 0, t->pack_bytes, 0);
}

static int
report_taken(struct cli *cli, const struct serve_tally *t, int64_t ns)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char size[TEXT_UNIT_BYTES], time[TEXT_UNIT_BYTES];
	int status = t->refused_count > 0 ? EXITCODE_PARTIAL : EXITCODE_DONE;
	struct err e;

	if (!cli->json) {
		if (!cli->quiet)
			printf("%sfetched %llu snapshots, %llu points, %llu "
			       "packs (%s) in %s%s\n",
			    t->copy_created ? "made the copy: there was none\n"
					    : "",
			    (unsigned long long)t->snapshots_count,
			    (unsigned long long)t->points_count,
			    (unsigned long long)t->packs_count,
			    cli_size(cli, t->pack_bytes, size),
			    text_duration(ns, time),
			    t->refused_count > 0 ? "; some were refused" : "");
		return status;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_uint(v, "snapshots_taken", t->snapshots_count);
	wire_add_uint(v, "points_taken", t->points_count);
	wire_add_uint(v, "packs_taken", t->packs_count);
	wire_add_uint(v, "pack_bytes", t->pack_bytes);
	wire_add_uint(v, "connections", t->lanes_count);
	wire_add_uint(v, "refused", t->refused_count);
	wire_add_bool(v, "copy_created", t->copy_created);
	wire_add_seconds(v, "seconds", ns);
	wire_add_int(v, "exit", status);
	return cli_line(cli, &v) != EXITCODE_DONE ? EXITCODE_FAILED : status;
}

static int
pull(struct cli *cli, const struct replicate_target *from, unsigned lanes_max)
{
	struct cli_progress progress;
	struct serve_options opt = {.cancel = cli_stop_catch(),
	    .on_progress = on_taken,
	    .ctx = &progress,
	    .lanes_max = lanes_max};
	struct serve_tally tally;
	struct mono begun = now_mono();
	struct err e;
	enum err_code rc;

	if (cli->repository == NULL)
		return cli_wrong_use(cli, "which copy? (-r REPOSITORY)");
	cli_progress_begin(&progress, cli, "fetching");
	rc = reach_pull(cli->repository, from, cli_value(cli, "service"), &opt,
	    &tally, &e);
	cli_progress_end(&progress);
	if (rc != ERR_NONE)
		return cli_stop_failed(cli, &e);
	return report_taken(cli, &tally, now_mono().ns - begun.ns);
}

static int
run(struct cli *cli)
{
	const char *from = cli_value(cli, "from");
	struct replicate_target to = {
	    .url = from != NULL ? from : cli_value(cli, "to"),
	    .known_hosts = cli_value(cli, "known-hosts"),
	    .identity = cli_value(cli, "identity"),
	    .identity_passphrase_file =
		cli_value(cli, "identity-passphrase-file"),
	    .remote_bascule = cli_value(cli, "remote-bascule"),
	};
	const char *keys[64];
	uint64_t lanes_max = 0;
	struct err e;

	if (to.url == NULL || (from != NULL && cli_has(cli, "to")))
		return cli_wrong_use(cli,
		    "where to, or where from? (--to ssh://... or --from)");
	while (to.host_keys_count < COUNT_OF(keys) &&
	    (keys[to.host_keys_count] =
		    cli_value_nth(cli, "host-key", to.host_keys_count)) != NULL)
		to.host_keys_count++;
	to.host_keys = keys;
	if (cli_value(cli, "timeout") != NULL &&
	    (text_parse_duration(cli_value(cli, "timeout"), &to.timeout_ns,
		 &e) != ERR_NONE ||
		to.timeout_ns <= 0))
		return cli_wrong_use(cli, "--timeout takes a time such as 30s");
	if (cli_value(cli, "connections") != NULL &&
	    (!text_parse_u64(cli_value(cli, "connections"), CONNECTIONS_MAX,
		 &lanes_max) ||
		lanes_max == 0))
		return cli_wrong_use(cli, "--connections takes 1 to %d",
		    CONNECTIONS_MAX);
	return from != NULL ? pull(cli, &to, (unsigned)lanes_max)
			    : push(cli, &to, (unsigned)lanes_max);
}

static const struct cli_option options[] = {
    {"to", 0, "URL", "ssh:// or sftp://USER@HOST[:PORT]/PATH of the copy"},
    {"from", 0, "URL", "fetch what lacks here from that repository instead"},
    {"known-hosts", 0, "FILE", "host keys to trust (~/.ssh/known_hosts)"},
    {"host-key", 0, "SHA256:...", "a host key to trust; may be repeated"},
    {"identity", 0, "FILE", "private key to log in with (else the agent)"},
    {"identity-passphrase-file", 0, "FILE", "what opens a locked identity"},
    {"remote-bascule", 0, "PROGRAM", "what to run there (bascule)"},
    {"service", 0, "NAME", "only this service's snapshots"},
    {"read-back", 0, NULL, "sftp: read back and compare all that is sent"},
    {"break-lock", 0, NULL, "sftp: take the copy from a sender that is gone"},
    {"timeout", 0, "TIME", "give up after so long without a sign (30s)"},
    {"connections", 0, "N", "at once, 1 to 8 (else by the path's length)"},
    {NULL, 0, NULL, NULL},
};

const struct cli_command command_replicate = {"replicate", "",
    "bring a copy at another site up to date, over SSH", options, 0, 0, run};
