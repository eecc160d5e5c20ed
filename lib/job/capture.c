/*
 * One dataset into one snapshot: the walk beside the state cache, what is new
 * or changed through the content writer, everything into the tree, and the
 * commit last.
 */

#include <string.h>
#include <unistd.h>

#include "capture_parts.h"

#define READ_AGAIN_NS (30 * 24 * 3600 * NS_PER_S)

static void
capture_fini(struct capture *c)
{
	ahead_free(&c->ahead); /* first: threads use the source */
	stream_free(&c->stream);
	statecache_discard(&c->cache);
	tree_writer_free(&c->tree);
	content_writer_free(&c->contents);
	writer_free(&c->writer);
	delta_cache_close(&c->deltas);
	session_close(&c->session);
	source_links_free(&c->links);
	hash_key_free(&c->link_key);
	source_free(&c->source);
	snapshot_fini(&c->snapshot);
	snapshot_fini(&c->parent);
	buf_fini(&c->encoded);
	free(c->bytes);
}

/* --- the items ------------------------------------------------------------ */

/* A command that is silent for hours can be stopped as well. */
static bool
is_wanted(void *ctx)
{
	struct err e;

	return capture_item_progress(ctx, &e) == ERR_NONE;
}

/* What was being read is there; was its host to the end? */
static enum err_code
end_items(struct capture *c, struct source_item *item, struct err *e)
{
	enum err_code rc = capture_item_drain(c, e);

	if (rc == ERR_NONE)
		rc = capture_item_settle(c, e);
	if (rc != ERR_NONE)
		return rc;
	rc = source_next(c->source, item, e);
	return rc == ERR_NOTFOUND ? ERR_NONE : rc;
}

static enum err_code
capture_items(struct capture *c, struct err *e)
{
	OWNED(source_item_fini) struct source_item item = {0};
	enum err_code rc;

	for (;;) {
		rc = source_next(c->source, &item, e);
		if (rc == ERR_NOTFOUND)
			return end_items(c, &item, e);
		if (rc == ERR_NONE)
			rc = capture_item_take(c, &item, e);
		if (rc != ERR_NONE)
			return rc;
	}
}

/* A program that did its work may have had something to say all the same. */
static void
said(void *ctx, const char *text)
{
	const struct capture *c = ctx;
	const struct job_watch *w = &c->opt->watch;
	char line[512];

	snprintf(line, sizeof(line), "'%s' said: %s", c->opt->command[0], text);
	if (w->problem != NULL)
		w->problem(w->ctx, NULL, line);
}

/* --- before and after ------------------------------------------------------*/

static enum err_code
open_source(struct capture *c, struct err *e)
{
	const struct capture_options *opt = c->opt;
	struct source_program program = {.host = opt->host,
	    .argv = opt->command,
	    .timeout_ns = opt->command_timeout_ns,
	    .is_wanted = is_wanted,
	    .said = said,
	    .ctx = c};
	struct source_tree_options tree = {
	    .host = opt->host,
	    .roots = opt->roots,
	    .root_count = opt->roots_count,
	    .excludes = opt->excludes,
	    .exclude_count = opt->excludes_count,
	    .one_file_system = opt->one_file_system,
	    .exclude_caches = opt->exclude_caches,
	};
	const char *path =
	    opt->command_path != NULL ? opt->command_path : opt->dataset;

	if (capture_is_command(c))
		return source_command_new(&c->source, &program, path, e);
	return source_tree_new(&c->source, &tree, e);
}

/*
 * The state cache believes what a snapshot describes that is there, and whole;
 * and that stays there, since what it describes is not looked up again.
 */
static bool
is_there(void *ctx, const struct id *snapshot)
{
	struct capture *c = ctx;
	struct err e;

	if (c->reads_all ||
	    (c->session != NULL &&
		session_pin(c->session, c->opt->service, snapshot, &e) !=
		    ERR_NONE))
		return false;
	return store_snapshot_is_whole(c->st, c->opt->service, snapshot);
}

static enum err_code
open_cache(struct capture *c, struct err *e)
{
	struct statecache_name name = {store_family(c->st), c->opt->service,
	    c->opt->dataset, c->opt->chunking, c->opt->chunk_fixed_bytes};
	enum err_code rc;

	if (c->opt->state_dir == NULL || capture_is_command(c))
		return ERR_NONE;
	rc = statecache_open(&c->cache, c->opt->state_dir, &name, e);
	if (rc == ERR_NONE && c->opt->host != NULL && !c->opt->dry_run)
		rc = statecache_expire(c->cache, now_utc(),
		    c->opt->read_again_ns != 0 ? c->opt->read_again_ns
					       : READ_AGAIN_NS,
		    &c->known_since, e);
	if (rc == ERR_NONE)
		statecache_trust(c->cache, is_there, c);
	return rc;
}

static enum err_code
open_store(struct capture *c, const struct keyring *keys, struct err *e)
{
	struct writer_options wo = {c->opt->codec, c->opt->level, 0};
	enum err_code rc =
	    keyring_id_key(keys, NULL, KEYRING_LINK, &c->link_key, e);

	if (rc == ERR_NONE)
		rc = source_links_new(&c->links, e);
	if (rc != ERR_NONE || c->opt->dry_run)
		return rc;
	rc = session_open(&c->session, c->st, e);
	if (rc == ERR_NONE)
		rc = writer_new(&c->writer, c->session, &wo, e);
	if (rc == ERR_NONE)
		rc = capture_previous_open(c, e);
	if (rc == ERR_NONE)
		rc = content_writer_new(&c->contents, c->writer,
		    c->opt->chunking, c->opt->chunk_fixed_bytes, e);
	if (rc == ERR_NONE)
		rc = tree_writer_new(&c->tree, c->writer, e);
	if (rc == ERR_NONE && !capture_is_command(c))
		rc = ahead_new(&c->ahead, c->contents, e);
	return rc;
}

static enum err_code
set_text(char **to, const char *text, struct err *e)
{
	*to = strdup(text);
	return *to == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
describe_source(struct capture *c, struct err *e)
{
	const char *const *words =
	    capture_is_command(c) ? c->opt->command : c->opt->roots;
	const struct source_host *host = c->opt->host;
	OWNED(buf_fini) struct buf text = {0};
	enum err_code rc = ERR_NONE;

	if (host != NULL && !capture_is_command(c))
		rc = buf_printf(&text, e, "sftp://%s@%s:%u", host->user,
		    host->address, (unsigned)host->port);
	for (size_t i = 0; rc == ERR_NONE &&
	     (capture_is_command(c) ? words[i] != NULL
				    : i < c->opt->roots_count);
	     i++)
		rc = buf_printf(&text, e, "%s%s", i > 0 ? " " : "", words[i]);
	return rc != ERR_NONE
	    ? rc
	    : set_text(&c->snapshot.source, buf_text(&text), e);
}

static enum err_code
describe(struct capture *c, struct err *e)
{
	const struct capture_options *opt = c->opt;
	struct snapshot *s = &c->snapshot;
	char host[256] = "unknown";
	enum err_code rc;

	if (opt->host != NULL)
		snprintf(host, sizeof(host), "%s", opt->host->name);
	else
		gethostname(host, sizeof(host) - 1);
	snprintf(s->service, sizeof(s->service), "%s", opt->service);
	snprintf(s->dataset, sizeof(s->dataset), "%s", opt->dataset);
	memcpy(s->group, opt->group, sizeof(s->group));
	s->flags |= capture_is_command(c) ? SNAPSHOT_COMMAND : 0;
	s->started = now_utc();
	rc = set_text(&s->host, host, e);
	if (rc == ERR_NONE)
		rc = describe_source(c, e);
	for (size_t i = 0; rc == ERR_NONE && i < opt->tags_count; i++)
		rc = set_text(&s->tags[s->tags_count++], opt->tags[i], e);
	return rc;
}

/* How much the same command gave last time; 0 when that cannot be known. */
static uint64_t
previous_bytes(struct capture *c)
{
	const struct snapshot *last = capture_previous_snapshot(c);

	return last != NULL && last->details_known ? last->bytes : 0;
}

static enum err_code
check_output(struct capture *c, struct err *e)
{
	struct source_command_limits limits = {c->opt->min_bytes, 0,
	    c->opt->max_shrink_millipercent};

	if (!capture_is_command(c))
		return ERR_NONE;
	if (limits.max_shrink_millipercent != 0)
		limits.previous_bytes = previous_bytes(c);
	return source_command_check(c->result->counts.bytes, &limits, e);
}

/* From here on it is done; what fails now costs the next run time or room. */
static void
clean_up(struct capture *c)
{
	const struct job_watch *w = &c->opt->watch;
	struct err why;
	enum err_code rc = ERR_NONE;

	if (c->cache != NULL)
		rc = statecache_commit(&c->cache, &c->snapshot.id, &why);
	if (rc == ERR_NONE)
		rc = checkpoint_sweep(c->session, c->opt->service,
		    c->opt->dataset, NULL, 0, &why);
	if (rc != ERR_NONE && w->problem != NULL)
		w->problem(w->ctx, NULL, why.text);
}

/* What the source could not give: once in the details, once for people. */
static enum err_code
note_limits(struct capture *c, struct err *e)
{
	const struct job_watch *w = &c->opt->watch;
	OWNED(buf_fini) struct buf notes = {0};
	OWNED(buf_fini) struct buf text = {0};
	char since[NOW_TEXT_BYTES];
	enum err_code rc = source_notes(c->source, &notes, e);

	if (rc != ERR_NONE || notes.len_bytes == 0)
		return rc;
	if (c->known_since.ns != 0)
		rc =
		    buf_printf(&notes, e, "; all of it was read on or after %s",
			now_text(c->known_since, since));
	if (rc == ERR_NONE)
		rc = buf_printf(&text, e, "%s (%s)", c->snapshot.source,
		    buf_text(&notes));
	if (rc != ERR_NONE)
		return rc;
	free_mem(&c->snapshot.source);
	if (w->problem != NULL)
		w->problem(w->ctx, NULL, buf_text(&notes));
	return set_text(&c->snapshot.source, buf_text(&text), e);
}

static enum err_code
commit(struct capture *c, struct err *e)
{
	struct snapshot *s = &c->snapshot;
	enum err_code rc = capture_checkpoint_fill(c, e);

	if (rc == ERR_NONE)
		rc = note_limits(c, e);
	if (rc == ERR_NONE)
		rc = snapshot_commit(c->session, c->writer, s, e);
	if (rc != ERR_NONE)
		return rc;
	c->result->snapshot = s->id;
	c->result->counts.new_bytes = s->new_bytes;
	c->result->counts.stored_bytes = s->stored_bytes;
	clean_up(c);
	return ERR_NONE;
}

static enum err_code
capture_begin(struct capture *c, struct err *e)
{
	enum err_code rc;

	c->bytes = malloc(CAPTURE_READ_BYTES);
	if (c->bytes == NULL)
		return err_nomem(e);
	rc = open_source(c, e);
	if (rc == ERR_NONE)
		rc = open_store(c, store_keyring(c->st), e);
	if (rc == ERR_NONE)
		rc = open_cache(c, e);
	return rc != ERR_NONE ? rc : describe(c, e);
}

/* It was stopped, or its host is gone: what it stored shall count. */
static enum err_code
stopped(struct capture *c, enum err_code rc, struct err *e)
{
	struct err why;

	if (c->opt->dry_run || capture_is_command(c))
		return rc;
	if (capture_checkpoint_now(c, &why) != ERR_NONE)
		err_hint(e, "what it stored could not be noted: %.200s",
		    why.text);
	else
		err_hint(e, "the next backup goes on from there");
	return rc;
}

static enum err_code
run_once(struct store *st, const struct capture_options *opt, bool reads_all,
    struct capture_result *out, struct err *e)
{
	OWNED(capture_fini)
	struct capture c = {.st = st,
	    .opt = opt,
	    .result = out,
	    .reads_all = reads_all};
	enum err_code rc;

	*out = (struct capture_result){0};
	c.checkpointed = now_mono();
	rc = capture_begin(&c, e);
	if (rc == ERR_NONE) {
		rc = capture_items(&c, e);
		if (rc == ERR_CANCELLED ||
		    (rc == ERR_TIMEOUT && opt->host != NULL))
			rc = stopped(&c, rc, e);
	}
	if (rc == ERR_NONE && !opt->dry_run)
		rc = check_output(&c, e);
	if (rc == ERR_NONE && !opt->dry_run)
		rc = commit(&c, e);
	return rc;
}

enum err_code
capture_run(struct store *st, const struct capture_options *opt,
    struct capture_result *out, struct err *e)
{
	struct mono begun = now_mono();
	enum err_code rc = run_once(st, opt, false, out, e);

	/*
	 * The state cache was damaged, or believed what the repository has
	 * lost: reading everything again puts it right.
	 */
	if (rc == ERR_CORRUPT && out->unchanged_count > 0)
		rc = run_once(st, opt, true, out, e);
	out->counts.took_ns = now_mono().ns - begun.ns;
	if (rc != ERR_NONE)
		return err_wrap(e, "backing up '%s/%s'", opt->service,
		    opt->dataset);
	return ERR_NONE;
}
