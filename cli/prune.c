/* bascule prune: forget by rules, and free what nothing needs. */

#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/calendar.h>
#include <bascule/job.h>
#include <bascule/wire.h>

#include "repository.h"
#include "watch.h"

struct pruning {
	struct cli *cli;
	struct cli_repository repo;
	struct retain_rule rule;
	bool keeps;       /* a rule was given */
	int64_t fence_ns; /* 0: nobody is fenced */
	struct collect_options opt;
	struct job_watch watch;
	struct retention retention;
	struct id *without; /* what a dry run would forget */
	struct forget_tally forgot;
	struct collect_tally collected;
	size_t fenced_count;
};

static void
pruning_fini(struct pruning *p)
{
	retention_fini(&p->retention);
	free(p->without);
	cli_repository_close(&p->repo);
}

/* --- what was asked --------------------------------------------------------------- */

static int
take_counts(struct pruning *p)
{
	const struct {
		const char *option;
		uint32_t *to;
	} counts[] = {{"keep-last", &p->rule.last},
	    {"keep-hourly", &p->rule.hourly}, {"keep-daily", &p->rule.daily},
	    {"keep-weekly", &p->rule.weekly},
	    {"keep-monthly", &p->rule.monthly},
	    {"keep-yearly", &p->rule.yearly}};

	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		const char *text = cli_value(p->cli, counts[i].option);
		uint64_t n;

		if (text == NULL)
			continue;
		if (!text_parse_u64(text, UINT32_MAX, &n))
			return cli_wrong_use(p->cli,
			    "--%s takes a number, not "
			    "'%.40s'",
			    counts[i].option, text);
		*counts[i].to = (uint32_t)n;
		p->keeps = true;
	}
	return EXITCODE_DONE;
}

/* "0" is the one number that needs no unit. */
static int
take_time(struct pruning *p, const char *option, int64_t *ns)
{
	const char *text = cli_value(p->cli, option);
	struct err e;

	if (text == NULL)
		return EXITCODE_DONE;
	if (strcmp(text, "0") == 0)
		*ns = 0;
	else if (text_parse_duration(text, ns, &e) != ERR_NONE)
		return cli_wrong_use(p->cli, "--%s: %s", option, e.text);
	return EXITCODE_DONE;
}

static int
take_share(struct pruning *p)
{
	const char *text = cli_value(p->cli, "max-unused");
	uint64_t percent;
	struct err e;

	if (text == NULL)
		return EXITCODE_DONE;
	if (text_parse_u64(text, 100, &percent))
		p->opt.max_unused_millipercent = (uint32_t)percent * 1000;
	else if (text_parse_share(text, &p->opt.max_unused_millipercent, &e) !=
	    ERR_NONE)
		return cli_wrong_use(p->cli, "--max-unused: %s", e.text);
	return EXITCODE_DONE;
}

static int
take_options(struct pruning *p)
{
	int status = take_counts(p);

	p->opt.undelete_age_ns = COLLECT_UNDELETE_AGE_NS;
	p->opt.max_unused_millipercent = COLLECT_UNUSED_MILLIPERCENT;
	p->opt.repack = !cli_has(p->cli, "no-repack");
	p->opt.dry_run = cli_has(p->cli, "dry-run");
	p->keeps |= cli_has(p->cli, "keep-within");
	if (status == EXITCODE_DONE)
		status = take_time(p, "keep-within", &p->rule.within_ns);
	if (status == EXITCODE_DONE)
		status = take_time(p, "undelete-age", &p->opt.undelete_age_ns);
	if (status == EXITCODE_DONE)
		status = take_time(p, "fence", &p->fence_ns);
	if (status == EXITCODE_DONE)
		status = take_share(p);
	if (status == EXITCODE_DONE && cli_has(p->cli, "service") && !p->keeps)
		return cli_wrong_use(p->cli,
		    "--service is of the rules: give a --keep-...");
	return status;
}

/* --- why each stays --------------------------------------------------------------- */

static void
add_reason(void *ctx, const char *name)
{
	wire_add_text(ctx, NULL, name);
}

static int
reason_json(struct cli *cli, const struct snapshot *s, uint32_t reasons)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *list = NULL;
	struct err e;

	if (wire_new(&v, "reason", &e) != ERR_NONE ||
	    wire_new_list(&list, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_hex(v, "snapshot", s->id.bytes, ID_BYTES);
	wire_add_text(v, "service", s->service);
	wire_add_text(v, "dataset", s->dataset);
	wire_add_utc(v, "started", s->started);
	wire_add_bool(v, "keep", reasons != 0);
	retention_each_reason(reasons, add_reason, list);
	wire_add(v, "reasons", &list);
	return cli_line(cli, &v);
}

static enum err_code
reasons_table(struct pruning *p, struct err *e)
{
	OWNED(cli_table_free) struct cli_table *t = NULL;
	const struct retention *r = &p->retention;
	char when[NOW_TEXT_BYTES], hex[ID_HEX_BYTES];
	char why[RETENTION_TEXT_BYTES];
	enum err_code rc = cli_table_new(&t, e);

	if (rc == ERR_NONE)
		rc = cli_table_row(t, e,
		    "\tSNAPSHOT\tTIME\tSERVICE\tDATASET\tWHY");
	for (size_t i = 0; rc == ERR_NONE && i < r->list.count; i++) {
		const struct snapshot *s = &r->list.snapshots[i];

		rc = cli_table_row(t, e, "%s\t%.12s\t%s\t%s\t%s\t%s",
		    r->reasons[i] != 0 ? "keep" : "forget", id_hex(&s->id, hex),
		    cli_time(s->started, when), s->service, s->dataset,
		    retention_text(r->reasons[i], why));
	}
	if (rc == ERR_NONE)
		cli_table_print(t);
	return rc;
}

static int
say_reasons(struct pruning *p)
{
	const struct retention *r = &p->retention;
	int status = EXITCODE_DONE;
	struct err e;

	if (!p->cli->json)
		return p->cli->quiet || reasons_table(p, &e) == ERR_NONE
		    ? EXITCODE_DONE
		    : cli_fail(p->cli, &e);
	for (size_t i = 0; status == EXITCODE_DONE && i < r->list.count; i++)
		status =
		    reason_json(p->cli, &r->list.snapshots[i], r->reasons[i]);
	return status;
}

/* --- what came of it ---------------------------------------------------------------- */

static void
say_text(const struct pruning *p)
{
	const struct collect_tally *t = &p->collected;
	const char *would = p->opt.dry_run ? "would have " : "";
	struct cli *cli = p->cli;
	char a[32], b[TEXT_UNIT_BYTES];

	if (p->keeps)
		printf("%sforgotten %llu snapshots and %llu recovery points\n",
		    would, (unsigned long long)p->forgot.snapshots_count,
		    (unsigned long long)p->forgot.points_count);
	if (t->repacked_count > 0)
		printf("%srepacked %llu packs: %s copied\n", would,
		    (unsigned long long)t->repacked_count,
		    cli_size(cli, t->copied_bytes, a));
	printf("%sfreed %s in %llu files\n", would,
	    cli_size(cli, t->freed_bytes, a),
	    (unsigned long long)t->freed_count);
	if (t->revived_count > 0)
		printf("%llu packs are needed again\n",
		    (unsigned long long)t->revived_count);
	if (t->waiting_count > 0)
		printf("%s more wait in %llu packs%s%s\n",
		    cli_size(cli, t->waiting_bytes, a),
		    (unsigned long long)t->waiting_count,
		    t->waiting_ns > 0 ? ", the first of them for " : "",
		    t->waiting_ns > 0 ? text_duration(t->waiting_ns, b) : "");
	if (t->sessions_count > 0)
		printf("%llu sessions are at work: what they may need stays\n",
		    (unsigned long long)t->sessions_count);
	if (t->damaged_count > 0)
		printf("%llu damaged packs were left alone: see bascule "
		       "check\n",
		    (unsigned long long)t->damaged_count);
	printf("%s in use", cli_size(cli, t->live_bytes, a));
	printf(", %s unused among it\n", cli_size(cli, t->unused_bytes, a));
}

static int
say_json(struct pruning *p, int64_t took_ns)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct collect_tally *t = &p->collected;
	const size_t all = p->retention.list.count;
	struct err e;

	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(p->cli, &e);
	wire_add_bool(v, "dry_run", p->opt.dry_run);
	if (p->keeps) {
		wire_add_uint(v, "snapshots_kept",
		    all - p->forgot.snapshots_count);
		wire_add_uint(v, "snapshots_forgotten",
		    p->forgot.snapshots_count);
		wire_add_uint(v, "points_forgotten", p->forgot.points_count);
	}
	wire_add_uint(v, "packs", t->packs_count);
	wire_add_uint(v, "bytes", t->packs_bytes);
	wire_add_uint(v, "live_bytes", t->live_bytes);
	wire_add_uint(v, "unused_bytes", t->unused_bytes);
	wire_add_uint(v, "condemned", t->condemned_count);
	wire_add_uint(v, "condemned_bytes", t->condemned_bytes);
	wire_add_uint(v, "revived", t->revived_count);
	wire_add_uint(v, "freed", t->freed_count);
	wire_add_uint(v, "freed_bytes", t->freed_bytes);
	wire_add_uint(v, "repacked", t->repacked_count);
	wire_add_uint(v, "copied_bytes", t->copied_bytes);
	wire_add_uint(v, "resealed_frames", t->resealed_count);
	wire_add_uint(v, "waiting", t->waiting_count);
	wire_add_uint(v, "waiting_bytes", t->waiting_bytes);
	wire_add_seconds(v, "waiting_seconds", t->waiting_ns);
	wire_add_uint(v, "sessions", t->sessions_count);
	wire_add_uint(v, "fenced", p->fenced_count);
	wire_add_uint(v, "damaged", t->damaged_count);
	wire_add_seconds(v, "seconds", took_ns);
	return cli_line(p->cli, &v);
}

/* --- doing ---------------------------------------------------------------------------- */

static bool
on_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
	const struct job_watch *w = ctx;
	struct job_progress p = {0, done_bytes, total_bytes};

	return w->progress == NULL || w->progress(w->ctx, &p);
}

static enum err_code
list_without(struct pruning *p, struct err *e)
{
	const struct retention *r = &p->retention;

	p->without = calloc(r->list.count + 1, sizeof(*p->without));
	if (p->without == NULL)
		return err_nomem(e);
	p->opt.without = p->without;
	for (size_t i = 0; i < r->list.count; i++)
		if (r->reasons[i] == 0)
			p->without[p->opt.without_count++] =
			    r->list.snapshots[i].id;
	return ERR_NONE;
}

static enum err_code
forget(struct pruning *p, struct err *e)
{
	struct retention_options opt = {.rule = &p->rule,
	    .service = cli_value(p->cli, "service"),
	    .now = now_utc()};
	enum err_code rc;

	if (!p->keeps)
		return ERR_NONE;
	rc = retention_judge(&p->retention, p->repo.store, &opt, e);
	if (rc == ERR_NONE)
		rc = retention_apply(&p->retention, p->repo.store,
		    p->opt.dry_run, &p->forgot, e);
	if (rc == ERR_NONE && p->opt.dry_run)
		rc = list_without(p, e);
	return rc;
}

static enum err_code
fence(struct pruning *p, struct err *e)
{
	OWNED(session_list_fini) struct session_list list = {0};
	const int64_t before = now_utc().ns - p->fence_ns;
	enum err_code rc;

	if (p->fence_ns == 0 || p->opt.dry_run)
		return ERR_NONE;
	rc = session_list_alive(&list, p->repo.store, e);
	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++) {
		if (list.sessions[i].started.ns > before)
			continue;
		rc = session_fence(p->repo.store, list.sessions[i].name, e);
		if (rc == ERR_NOTFOUND) {
			rc = ERR_NONE;
			continue;
		}
		cli_warn(p->cli, "session %s of process %lld is fenced",
		    list.sessions[i].name, (long long)list.sessions[i].pid);
		p->fenced_count++;
	}
	return rc;
}

static int
prune(struct pruning *p)
{
	struct mono begun = now_mono();
	struct cli_watch watch;
	enum err_code rc;
	struct err e;
	int status = EXITCODE_DONE;

	rc = forget(p, &e);
	if (rc == ERR_NONE && p->keeps)
		status = say_reasons(p);
	if (rc == ERR_NONE)
		rc = fence(p, &e);
	if (rc != ERR_NONE)
		return cli_fail(p->cli, &e);
	cli_watch_begin(&watch, p->cli, "pruning", &p->watch);
	p->opt.on_progress = on_progress;
	p->opt.ctx = &p->watch;
	rc = collect_run(p->repo.store, &p->opt, &p->collected, &e);
	cli_watch_end(&watch);
	if (rc != ERR_NONE)
		return cli_watch_failed(&watch, &e);
	if (p->cli->json)
		return say_json(p, now_mono().ns - begun.ns);
	if (!p->cli->quiet)
		say_text(p);
	return status;
}

static int
run(struct cli *cli)
{
	OWNED(pruning_fini) struct pruning p = {.cli = cli};
	int status = take_options(&p);

	if (status == EXITCODE_DONE)
		status = cli_repository_open(cli,
		    p.opt.dry_run ? STORE_READ : STORE_WRITE, CLI_KEYS_OPTIONAL,
		    &p.repo);
	return status == EXITCODE_DONE ? prune(&p) : status;
}

static const struct cli_option options[] =
    {{"dry-run", 'n', NULL, "say what would go and why, change nothing"},
	{"keep-last", 0, "N", "the newest N of each series"},
	{"keep-hourly", 0, "N",
	    "the newest of each of the last N hours with one"},
	{"keep-daily", 0, "N", "... days"},
	{"keep-weekly", 0, "N", "... weeks"},
	{"keep-monthly", 0, "N", "... months"},
	{"keep-yearly", 0, "N", "... years"},
	{"keep-within", 0, "TIME", "all of the last TIME: 7d"},
	{"service", 0, "SERVICE", "the rules are for this service only"},
	{"undelete-age", 0, "TIME",
	    "free what was condemned so long ago (72h)"},
	{"max-unused", 0, "SHARE", "repack until no more is unused (5%)"},
	{"no-repack", 0, NULL, "free whole packs only"},
	{"fence", 0, "TIME", "refuse the commits of sessions older than that"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_prune = {"prune", "",
    "forget by rules (--keep-...), free what nothing needs", options, 0, 0,
    run};
