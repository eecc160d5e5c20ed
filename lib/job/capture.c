/*
 * One dataset into one snapshot: the walk beside the state cache, what is new
 * or changed through the content writer, everything into the tree, and the
 * commit last.
 */

#include <bascule/job.h>

#include <string.h>
#include <unistd.h>

#include <bascule/base/now.h>
#include <bascule/crypt.h>
#include <bascule/source.h>

#include "statecache.h"

#define READ_BYTES   ((size_t)1 << 20)
#define ATTEMPTS_MAX 3 /* at a file that changes while it is read */

struct capture {
	struct store *st;
	const struct capture_options *opt;
	struct capture_result *result;
	struct source *source;
	struct session *session;
	struct writer *writer;
	struct content_writer *contents;
	struct tree_writer *tree;
	struct statecache *cache; /* NULL: none is kept */
	struct source_links *links;
	struct hash_key *link_key;
	struct snapshot snapshot;
	struct buf encoded;
	uint8_t *bytes; /* READ_BYTES */
	uint64_t done_bytes;
};

static void
capture_fini(struct capture *c)
{
	statecache_discard(&c->cache);
	tree_writer_free(&c->tree);
	content_writer_free(&c->contents);
	writer_free(&c->writer);
	session_close(&c->session);
	source_links_free(&c->links);
	hash_key_free(&c->link_key);
	source_free(&c->source);
	snapshot_fini(&c->snapshot);
	buf_fini(&c->encoded);
	free(c->bytes);
}

static bool
is_command(const struct capture_options *opt)
{
	return opt->command != NULL;
}

/* --- what could not be read ----------------------------------------------- */

static enum err_code
keep_problem(struct snapshot *s, const char *path, const char *reason,
    struct err *e)
{
	struct snapshot_problem *p;

	if (s->problems == NULL)
		s->problems =
		    calloc(SNAPSHOT_PROBLEMS_MAX, sizeof(*s->problems));
	if (s->problems == NULL)
		return err_nomem(e);
	p = &s->problems[s->problems_count];
	p->path = strdup(path);
	p->reason = strdup(reason);
	s->problems_count++; /* snapshot_fini frees half a one too */
	return p->path == NULL || p->reason == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
note_problem(struct capture *c, const struct entry_text *path,
    const char *reason, struct err *e)
{
	const struct job_watch *w = &c->opt->watch;
	const char *text = path->bytes == NULL ? "" : path->bytes;

	c->result->problems_count++;
	c->snapshot.problems_total_count++;
	c->snapshot.flags |= SNAPSHOT_PARTIAL;
	if (w->problem != NULL)
		w->problem(w->ctx, text, reason);
	if (c->snapshot.problems_count >= SNAPSHOT_PROBLEMS_MAX)
		return ERR_NONE;
	return keep_problem(&c->snapshot, text, reason, e);
}

struct warn_ctx {
	struct capture *c;
	const struct entry_text *path;
};

/* Metadata that could not be read. */
static void
on_warning(void *arg, enum err_code code, const char *text)
{
	struct warn_ctx *w = arg;
	struct err e;

	(void)code;
	if (note_problem(w->c, w->path, text, &e) != ERR_NONE)
		return; /* counted all the same */
}

/* --- one item --------------------------------------------------------------*/

static enum err_code
tell_progress(struct capture *c, struct err *e)
{
	const struct job_watch *w = &c->opt->watch;
	struct job_progress p = {c->result->files_count, c->done_bytes, 0};

	if (w->progress != NULL && !w->progress(w->ctx, &p))
		return err_set(e, ERR_CANCELLED, "the backup was stopped");
	return ERR_NONE;
}

/* A command that is silent for hours can be stopped as well. */
static bool
is_wanted(void *ctx)
{
	struct err e;

	return tell_progress(ctx, &e) == ERR_NONE;
}

static void
tally(struct capture *c, const struct entry *entry)
{
	struct capture_result *r = c->result;

	if (entry->type == ENTRY_FILE) {
		r->files_count++;
		r->bytes += entry->size_bytes;
	} else if (entry->type == ENTRY_DIR)
		r->dirs_count++;
	else
		r->others_count++;
}

/* The item goes into the tree and into the new state cache. */
static enum err_code
add_encoded(struct capture *c, const struct source_item *item,
    const uint8_t *encoded, size_t len_bytes, int64_t began_s, struct err *e)
{
	const struct entry_text *path = &item->entry.path;
	enum err_code rc = tree_writer_add_encoded(c->tree, path->bytes,
	    path->len_bytes, encoded, len_bytes, e);

	if (rc == ERR_NONE && c->cache != NULL)
		rc = statecache_add(c->cache, item, encoded, len_bytes, began_s,
		    e);
	return rc;
}

static bool
has_links(const struct source_item *item)
{
	return item->nlink > 1 && item->entry.type != ENTRY_DIR;
}

/* A cached member of a link group must be of the group this run gave it. */
static enum err_code
link_still_fits(struct capture *c, const struct source_item *item,
    const uint8_t *encoded, size_t len_bytes, bool *fits, struct err *e)
{
	OWNED(item_fini) struct item old = {0};
	uint8_t group[ENTRY_LINK_BYTES];
	bool found;
	enum err_code rc = item_decode(&old, encoded, len_bytes, e);

	*fits = false;
	if (rc != ERR_NONE || !old.entry.linked)
		return ERR_NONE; /* read it again */
	memcpy(group, old.entry.link_group, ENTRY_LINK_BYTES);
	rc = source_links_join(c->links, item, group, &found, e);
	*fits = memcmp(group, old.entry.link_group, ENTRY_LINK_BYTES) == 0;
	return rc;
}

static enum err_code
join_links(struct capture *c, struct source_item *item, struct err *e)
{
	struct entry *entry = &item->entry;
	struct id id;
	bool found;

	entry->linked = has_links(item);
	if (!entry->linked)
		return ERR_NONE;
	hash_id(c->link_key, entry->path.bytes, entry->path.len_bytes, &id);
	memcpy(entry->link_group, id.bytes, ENTRY_LINK_BYTES);
	return source_links_join(c->links, item, entry->link_group, &found, e);
}

/* What stood at this path: its changed chunks become differences. */
static void
tell_previous(struct capture *c)
{
	OWNED(item_fini) struct item old = {0};
	const uint8_t *encoded = NULL;
	size_t len_bytes;
	struct err e;

	if (c->cache != NULL)
		encoded = statecache_earlier(c->cache, &len_bytes);
	if (encoded != NULL &&
	    item_decode(&old, encoded, len_bytes, &e) == ERR_NONE)
		content_writer_previous(c->contents, &old.content);
}

/* All of an open file into one content. */
static enum err_code
read_content(struct capture *c, struct source_file *file, struct content *out,
    struct err *e)
{
	struct source_run run;
	enum err_code rc;

	content_writer_reset(c->contents);
	tell_previous(c);
	do {
		rc = source_read(file, c->bytes, READ_BYTES, &run, e);
		if (rc != ERR_NONE)
			return rc;
		rc =
		    content_writer_add(c->contents, c->bytes, run.len_bytes, e);
		c->done_bytes += run.len_bytes;
		if (rc == ERR_NONE)
			rc = tell_progress(c, e);
		if (rc != ERR_NONE)
			return rc;
	} while (run.len_bytes > 0);
	return content_writer_end(c->contents, out, e);
}

/*
 * Open the item, read it if it has content, and say whether that is one
 * consistent copy: ERR_BUSY if not, with the content all the same.
 */
static enum err_code
read_once(struct capture *c, struct source_item *item, struct content *out,
    struct err *e)
{
	OWNED(source_close) struct source_file *file = NULL;
	struct warn_ctx wc = {c, &item->entry.path};
	struct arc_warn warn = {on_warning, &wc};
	enum err_code rc = source_open(item, &file, warn, e);

	content_fini(out);
	if (rc != ERR_NONE || file == NULL)
		return rc;
	rc = read_content(c, file, out, e);
	return rc != ERR_NONE ? rc : source_finish(&file, e);
}

/* The end of the run, or of this item only? */
static bool
ends_run(const struct capture *c, enum err_code code)
{
	return is_command(c->opt) || code == ERR_NOMEM ||
	    code == ERR_CANCELLED || code == ERR_NOSPACE;
}

/*
 * A file that changed while it was read is kept as far as it was read: the
 * entry must say what is there, not what was promised.
 */
static void
take_what_was_read(struct entry *entry, const struct content *content)
{
	if (entry->type != ENTRY_FILE ||
	    entry_content_bytes(entry) == content->size_bytes)
		return;
	entry->sparse = false;
	entry->extent_count = 0;
	entry->size_bytes = content->size_bytes;
}

/* Bring item and content together; *skipped: it could not be had. */
static enum err_code
read_item(struct capture *c, struct source_item *item, struct content *out,
    bool *skipped, struct err *e)
{
	struct err why = {0};
	enum err_code rc = ERR_BUSY;

	*skipped = false;
	for (int i = 0; rc == ERR_BUSY && i < ATTEMPTS_MAX; i++)
		rc = read_once(c, item, out, &why);
	if (rc == ERR_NONE)
		return rc;
	if (ends_run(c, rc)) {
		*e = why;
		return rc;
	}
	*skipped = rc != ERR_BUSY;
	if (!*skipped)
		take_what_was_read(&item->entry, out);
	return note_problem(c, &item->entry.path, why.text, e);
}

static enum err_code
capture_changed(struct capture *c, struct source_item *item, struct err *e)
{
	OWNED(content_fini) struct content content = {0};
	int64_t began_s = now_utc().ns / NS_PER_S;
	struct item it = {0};
	bool skipped;
	enum err_code rc = read_item(c, item, &content, &skipped, e);

	if (rc != ERR_NONE || skipped)
		return rc;
	if (is_command(c->opt))
		item->entry.size_bytes = content.size_bytes;
	rc = join_links(c, item, e);
	if (rc != ERR_NONE)
		return rc;
	it.entry = item->entry; /* both are borrowed: no fini */
	it.content = content;
	buf_clear(&c->encoded);
	rc = item_encode(&c->encoded, &it, e);
	if (rc == ERR_NONE)
		rc = add_encoded(c, item, c->encoded.bytes,
		    c->encoded.len_bytes, began_s, e);
	tally(c, &item->entry);
	return rc;
}

static enum err_code
capture_item(struct capture *c, struct source_item *item, struct err *e)
{
	const uint8_t *old = NULL;
	size_t len_bytes = 0;
	bool same;
	enum err_code rc = ERR_NONE;

	if (item->kind == SOURCE_PROBLEM)
		return note_problem(c, &item->entry.path, item->problem.text,
		    e);
	if (c->cache != NULL)
		old = statecache_find(c->cache, item, &len_bytes);
	same = old != NULL;
	if (same && has_links(item))
		rc = link_still_fits(c, item, old, len_bytes, &same, e);
	if (rc != ERR_NONE)
		return rc;
	c->result->unchanged_count += same;
	if (c->opt->dry_run) {
		tally(c, &item->entry);
		if (!same && item->entry.type == ENTRY_FILE)
			c->result->new_bytes += item->entry.size_bytes;
		return tell_progress(c, e);
	}
	if (!same)
		return capture_changed(c, item, e);
	tally(c, &item->entry);
	c->done_bytes += item->entry.size_bytes;
	rc = add_encoded(c, item, old, len_bytes, INT64_MAX, e);
	return rc == ERR_NONE ? tell_progress(c, e) : rc;
}

static enum err_code
capture_items(struct capture *c, struct err *e)
{
	OWNED(source_item_fini) struct source_item item = {0};
	enum err_code rc;

	for (;;) {
		rc = source_next(c->source, &item, e);
		if (rc == ERR_NOTFOUND)
			return ERR_NONE;
		if (rc == ERR_NONE)
			rc = capture_item(c, &item, e);
		if (rc != ERR_NONE)
			return rc;
	}
}

/* --- before and after ------------------------------------------------------*/

static enum err_code
open_source(struct capture *c, struct err *e)
{
	const struct capture_options *opt = c->opt;
	struct source_program program = {.argv = opt->command,
	    .timeout_ns = opt->command_timeout_ns,
	    .is_wanted = is_wanted,
	    .ctx = c};
	struct source_tree_options tree = {
	    .roots = opt->roots,
	    .root_count = opt->roots_count,
	    .excludes = opt->excludes,
	    .exclude_count = opt->excludes_count,
	    .one_file_system = opt->one_file_system,
	    .exclude_caches = opt->exclude_caches,
	};
	const char *path =
	    opt->command_path != NULL ? opt->command_path : opt->dataset;

	if (is_command(opt))
		return source_command_new(&c->source, &program, path, e);
	return source_tree_new(&c->source, &tree, e);
}

/* Whether the state cache may be believed: its snapshot is there, and whole. */
static void
check_parent(struct capture *c)
{
	struct id parent;

	if (!statecache_parent(c->cache, &parent))
		return;
	if (!store_snapshot_is_whole(c->st, c->opt->service, &parent))
		statecache_distrust(c->cache);
}

static enum err_code
open_cache(struct capture *c, struct err *e)
{
	struct statecache_name name = {store_family(c->st), c->opt->service,
	    c->opt->dataset, c->opt->chunking, c->opt->chunk_fixed_bytes};
	enum err_code rc;

	if (c->opt->state_dir == NULL || is_command(c->opt))
		return ERR_NONE;
	rc = statecache_open(&c->cache, c->opt->state_dir, &name, e);
	if (rc == ERR_NONE)
		check_parent(c);
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
		rc = content_writer_new(&c->contents, c->writer,
		    c->opt->chunking, c->opt->chunk_fixed_bytes, e);
	if (rc == ERR_NONE)
		rc = tree_writer_new(&c->tree, c->writer, e);
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
	    is_command(c->opt) ? c->opt->command : c->opt->roots;
	OWNED(buf_fini) struct buf text = {0};
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE &&
	     (is_command(c->opt) ? words[i] != NULL : i < c->opt->roots_count);
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

	gethostname(host, sizeof(host) - 1);
	snprintf(s->service, sizeof(s->service), "%s", opt->service);
	snprintf(s->dataset, sizeof(s->dataset), "%s", opt->dataset);
	memcpy(s->group, opt->group, sizeof(s->group));
	s->flags |= is_command(opt) ? SNAPSHOT_COMMAND : 0;
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
	OWNED(snapshot_fini) struct snapshot last = {0};
	OWNED(free_mem) char *subtree = NULL;
	OWNED(buf_fini) struct buf name = {0};
	struct err e;

	if (buf_printf(&name, &e, "latest:%s/%s", c->opt->service,
		c->opt->dataset) != ERR_NONE ||
	    snapshot_find(&last, &subtree, c->st, buf_text(&name), &e) !=
		ERR_NONE)
		return 0;
	return last.details_known ? last.bytes : 0;
}

static enum err_code
check_output(struct capture *c, struct err *e)
{
	struct source_command_limits limits = {c->opt->min_bytes, 0,
	    c->opt->max_shrink_millipercent};

	if (!is_command(c->opt))
		return ERR_NONE;
	if (limits.max_shrink_millipercent != 0)
		limits.previous_bytes = previous_bytes(c);
	return source_command_check(c->result->bytes, &limits, e);
}

static enum err_code
commit(struct capture *c, struct err *e)
{
	struct snapshot *s = &c->snapshot;
	struct writer_tally tally;
	struct err why;
	enum err_code rc = tree_writer_root(c->tree, &s->root, e);

	if (rc == ERR_NONE)
		rc = writer_flush(c->writer, e);
	if (rc != ERR_NONE)
		return rc;
	writer_tally(c->writer, &tally);
	s->ended = now_utc();
	s->files_count = c->result->files_count;
	s->dirs_count = c->result->dirs_count;
	s->others_count = c->result->others_count;
	s->bytes = c->result->bytes;
	s->new_bytes = c->result->new_bytes = tally.new_bytes;
	s->stored_bytes = c->result->stored_bytes = tally.stored_bytes;
	rc = snapshot_commit(c->session, c->writer, s, e);
	if (rc != ERR_NONE)
		return rc;
	c->result->snapshot = s->id;
	/* From here on it is done; a lost cache costs the next run time. */
	if (c->cache != NULL &&
	    statecache_commit(&c->cache, &s->id, &why) != ERR_NONE &&
	    c->opt->watch.problem != NULL)
		c->opt->watch.problem(c->opt->watch.ctx, NULL, why.text);
	return ERR_NONE;
}

static enum err_code
capture_begin(struct capture *c, struct err *e)
{
	enum err_code rc;

	c->bytes = malloc(READ_BYTES);
	if (c->bytes == NULL)
		return err_nomem(e);
	rc = open_source(c, e);
	if (rc == ERR_NONE)
		rc = open_store(c, store_keyring(c->st), e);
	if (rc == ERR_NONE)
		rc = open_cache(c, e);
	return rc != ERR_NONE ? rc : describe(c, e);
}

enum err_code
capture_run(struct store *st, const struct capture_options *opt,
    struct capture_result *out, struct err *e)
{
	OWNED(capture_fini)
	struct capture c = {.st = st, .opt = opt, .result = out};
	struct mono begun = now_mono();
	enum err_code rc;

	*out = (struct capture_result){0};
	rc = capture_begin(&c, e);
	if (rc == ERR_NONE)
		rc = capture_items(&c, e);
	if (rc == ERR_NONE && !opt->dry_run)
		rc = check_output(&c, e);
	if (rc == ERR_NONE && !opt->dry_run)
		rc = commit(&c, e);
	out->took_ns = now_mono().ns - begun.ns;
	if (rc != ERR_NONE)
		return err_wrap(e, "backing up '%s/%s'", opt->service,
		    opt->dataset);
	return ERR_NONE;
}
