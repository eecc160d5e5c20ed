/*
 * Any archive into one snapshot.
 *
 * P1. The archive's order is not the map's: contents go into the repository as
 *     they come, what is known of each entry into a spool that sorts it.
 * P2. Names are made paths of the map's kind or refused; nothing is ever looked
 *     up by them on this machine.  What stands below something that is no
 *     directory is left out, so no link leads anywhere.
 * P3. A name twice: the last counts, as it would for tar.
 * P4. Members of a hard link share what the one of them with most bytes holds.
 * P5. What is left out or changed is a problem: said, kept in the snapshot, and
 *     the snapshot is partial.
 */

#include <string.h>
#include <unistd.h>

#include <bascule/archive.h>
#include <bascule/base/linkmap.h>
#include <bascule/base/path.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>
#include <bascule/job.h>

#include "sortspool.h"

#define LINKS_MAX        ((size_t)1 << 20)
#define BOMB_FLOOR_BYTES ((uint64_t)1 << 30)
#define BOMB_RATIO       UINT64_C(2000)
#define ENTRIES_MAX      UINT64_C(100000000)
#define RECORD_ITEM      0 /* first byte of a spooled value */
#define RECORD_LINK      1
#define LOOK_COUNT       64

/* Names of one file. */
struct group {
	struct buf encoded; /* the item whose content they share */
	uint64_t size_bytes;
	struct id first; /* hash of the first member's path */
	uint32_t count;
	bool has_item;
};

struct import {
	struct store *store;
	const struct import_options *opt;
	struct import_result *out;
	struct arc_any *archive;
	struct session *session;
	struct writer *writer;
	struct content_writer *contents;
	struct tree_writer *tree;
	struct hash_key *link_key;
	struct sortspool *spool;
	struct snapshot snapshot;
	struct linkmap paths; /* of paths' hashes: the group's number */
	struct group *groups;
	size_t groups_count;
	struct arc_any_member member; /* at hand */
	struct item item;
	struct buf path, link, value;
	uint64_t absolute_count, entries_count, content_bytes;
	/* while the tree is made */
	struct buf last;   /* the path last added */
	struct buf barred; /* what is below this is left out; "": nothing */
	bool begun;
};

static void
import_fini(struct import *m)
{
	for (size_t i = 0; i < m->groups_count; i++)
		buf_fini(&m->groups[i].encoded);
	free(m->groups);
	linkmap_fini(&m->paths);
	sortspool_free(&m->spool);
	arc_any_close(&m->archive);
	tree_writer_free(&m->tree);
	content_writer_free(&m->contents);
	writer_free(&m->writer);
	session_close(&m->session);
	hash_key_free(&m->link_key);
	snapshot_fini(&m->snapshot);
	item_fini(&m->item);
	buf_fini(&m->path);
	buf_fini(&m->link);
	buf_fini(&m->value);
	buf_fini(&m->last);
	buf_fini(&m->barred);
}

/* --- problems --------------------------------------------------------------- */

static void
note(struct import *m, const char *path, const char *reason)
{
	const struct job_watch *w = &m->opt->watch;
	struct snapshot *s = &m->snapshot;
	struct snapshot_problem *p;

	m->out->counts.problems_count++;
	s->problems_total_count++;
	s->flags |= SNAPSHOT_PARTIAL;
	if (w->problem != NULL)
		w->problem(w->ctx, path, reason);
	if (s->problems == NULL)
		s->problems =
		    calloc(SNAPSHOT_PROBLEMS_MAX, sizeof *s->problems);
	if (s->problems == NULL || s->problems_count == SNAPSHOT_PROBLEMS_MAX)
		return; /* counted all the same */
	p = &s->problems[s->problems_count];
	p->path = strndup(path, 4096);
	p->reason = strndup(reason, 1000);
	if (p->path != NULL && p->reason != NULL)
		s->problems_count++;
}

static void
on_warning(void *arg, enum err_code code, const char *text)
{
	struct import *m = arg;

	(void)code;
	note(m, m->member.name == NULL ? "" : m->member.name,
	    text == NULL ? "a warning" : text);
}

static enum err_code
tell(struct import *m, struct err *e)
{
	const struct job_watch *w = &m->opt->watch;
	const struct job_progress p = {m->out->counts.files_count,
	    arc_any_taken_bytes(m->archive), m->opt->total_bytes};

	if (w->progress != NULL && !w->progress(w->ctx, &p))
		return err_set(e, ERR_CANCELLED, "the import was stopped");
	return ERR_NONE;
}

/* --- limits ----------------------------------------------------------------- */

static enum err_code
check_limits(struct import *m, struct err *e)
{
	uint64_t most = m->opt->max_bytes;
	uint64_t taken = arc_any_taken_bytes(m->archive);

	if (m->entries_count >
	    (m->opt->max_entries != 0 ? m->opt->max_entries : ENTRIES_MAX)) {
		err_set(e, ERR_REFUSED, "more entries than --max-entries");
		return err_hint(e, "give more if it is to be so");
	}
	if (most != 0 && m->content_bytes > most)
		return err_set(e, ERR_REFUSED,
		    "it unpacks to more than --max-size");
	if (most == 0 && m->content_bytes > BOMB_FLOOR_BYTES &&
	    m->content_bytes / BOMB_RATIO > taken) {
		err_set(e, ERR_REFUSED,
		    "it unpacks to over %d times its size: is it a bomb?",
		    (int)BOMB_RATIO);
		return err_hint(e, "if it is not, say so with --max-size");
	}
	return ERR_NONE;
}

/* --- names ------------------------------------------------------------------ */

/*
 * "./a//b/" is "a/b", "/a" is "a" and counted.  False: ".." or something that
 * no path of the map can be.
 */
static enum err_code
make_path(struct import *m, struct buf *out, const char *name, bool *good,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	*good = true;
	buf_clear(out);
	if (m->opt->under != NULL)
		rc = buf_add_text(out, m->opt->under, e);
	m->absolute_count += *name == '/';
	while (rc == ERR_NONE && *name != '\0') {
		size_t len = strcspn(name, "/");

		if (len > 0 && !(len == 1 && *name == '.')) {
			if (out->len_bytes > 0)
				rc = buf_add_byte(out, '/', e);
			if (rc == ERR_NONE)
				rc = buf_add(out, name, len, e);
		}
		name += len;
		name += *name == '/';
		if (out->len_bytes > PATH_BYTES_MAX)
			break;
	}
	if (rc == ERR_NONE)
		*good = path_is_valid(buf_text(out), out->len_bytes);
	return rc;
}

/* --- groups of hard links --------------------------------------------------- */

static enum err_code
path_hash(const struct buf *path, uint8_t out[ENTRY_LINK_BYTES], struct err *e)
{
	struct id id;
	enum err_code rc =
	    hash_sha256(path->len_bytes == 0 ? (const void *)"" : path->bytes,
		path->len_bytes, &id, e);

	memcpy(out, id.bytes, ENTRY_LINK_BYTES);
	return rc;
}

static enum err_code
group_new(struct import *m, struct err *e)
{
	struct group *more;

	if (m->groups_count == LINKS_MAX)
		return err_set(e, ERR_REFUSED, "over %zu files with hard links",
		    LINKS_MAX);
	if ((m->groups_count & (m->groups_count - 1)) == 0) {
		size_t room = m->groups_count == 0 ? 1 : m->groups_count * 2;

		more = realloc(m->groups, room * sizeof *more);
		if (more == NULL)
			return err_nomem(e);
		m->groups = more;
	}
	m->groups[m->groups_count++] = (struct group){.count = 0};
	return ERR_NONE;
}

/* m->path is another name of m->link. */
static enum err_code
join(struct import *m, struct err *e)
{
	uint8_t path[ENTRY_LINK_BYTES], link[ENTRY_LINK_BYTES];
	const struct linkmap_group *g;
	uint64_t at = m->groups_count, ignored;
	enum err_code rc = path_hash(&m->path, path, e);

	if (rc == ERR_NONE)
		rc = path_hash(&m->link, link, e);
	if (rc != ERR_NONE)
		return rc;
	if ((g = linkmap_find(&m->paths, link)) != NULL ||
	    (g = linkmap_find(&m->paths, path)) != NULL)
		at = g->first;
	else
		rc = group_new(m, e);
	if (rc == ERR_NONE)
		rc = linkmap_add(&m->paths, link, at, &ignored, e);
	return rc == ERR_NONE ? linkmap_add(&m->paths, path, at, &ignored, e)
			      : rc;
}

static enum err_code
group_of(struct import *m, const struct buf *path, struct group **out,
    struct err *e)
{
	uint8_t hash[ENTRY_LINK_BYTES];
	const struct linkmap_group *g;
	enum err_code rc = ERR_NONE;

	*out = NULL;
	if (m->paths.count == 0)
		return ERR_NONE;
	rc = path_hash(path, hash, e);
	if (rc == ERR_NONE && (g = linkmap_find(&m->paths, hash)) != NULL)
		*out = &m->groups[g->first];
	return rc;
}

/* --- from the archive into the spool ---------------------------------------- */

static enum err_code
take_block(struct import *m, const struct arc_any_block *b, struct err *e)
{
	struct entry *entry = &m->item.entry;
	enum err_code rc;

	if (b->len_bytes == 0)
		return ERR_NONE;
	if (b->offset_bytes > ENTRY_SIZE_MAX - b->len_bytes)
		return err_set(e, ERR_CORRUPT, "a file without end");
	if (b->offset_bytes + b->len_bytes > entry->size_bytes)
		entry->size_bytes = b->offset_bytes + b->len_bytes;
	rc = entry_add_extent(entry, b->offset_bytes, b->len_bytes, e);
	if (rc != ERR_NONE) {
		e->code = rc == ERR_INPUT ? ERR_CORRUPT : rc;
		return e->code;
	}
	m->content_bytes += b->len_bytes;
	rc = check_limits(m, e);
	if (rc == ERR_NONE && m->contents != NULL)
		rc = content_writer_add(m->contents, b->bytes, b->len_bytes, e);
	return rc == ERR_NONE ? tell(m, e) : rc;
}

/* One piece from end to end is no sparse file. */
static void
settle_extents(struct entry *entry)
{
	if (entry->size_bytes == 0 ||
	    (entry->extent_count == 1 && entry->extents[0].offset_bytes == 0 &&
		entry->extents[0].len_bytes == entry->size_bytes)) {
		entry->sparse = false;
		entry->extent_count = 0;
	} else
		entry->sparse = true;
}

/* *good false: this member's content is broken, and noted. */
static enum err_code
take_content(struct import *m, bool *good, struct err *e)
{
	struct arc_any_block b;
	enum err_code rc = ERR_NONE;

	*good = true;
	if (m->contents != NULL)
		content_writer_reset(m->contents);
	do {
		rc = arc_any_read(m->archive, &b, e);
		if (rc == ERR_NONE)
			rc = take_block(m, &b, e);
	} while (rc == ERR_NONE && !b.ended);
	if (rc == ERR_CORRUPT) {
		note(m, buf_text(&m->path), e->text);
		*good = false;
		return ERR_NONE;
	}
	if (rc == ERR_NONE)
		settle_extents(&m->item.entry);
	if (rc == ERR_NONE && m->contents != NULL)
		rc = content_writer_end(m->contents, &m->item.content, e);
	return rc;
}

static enum err_code
spool(struct import *m, uint8_t kind, struct err *e)
{
	struct sortspool_record r;
	enum err_code rc;

	buf_clear(&m->value);
	rc = buf_add_byte(&m->value, kind, e);
	if (rc == ERR_NONE && kind == RECORD_ITEM) {
		/* Content is not stored: a dry run keeps what is known. */
		if (m->contents == NULL) {
			m->item.entry.sparse = false;
			m->item.entry.extent_count = 0;
			m->item.entry.size_bytes = 0;
		}
		rc = item_encode(&m->value, &m->item, e);
	}
	r = (struct sortspool_record){buf_text(&m->path), m->path.len_bytes,
	    m->value.bytes, m->value.len_bytes};
	return rc == ERR_NONE ? sortspool_add(m->spool, &r, e) : rc;
}

static void
tally(struct import *m, const struct entry *entry)
{
	if (entry->type == ENTRY_FILE) {
		m->out->counts.files_count++;
		m->out->counts.bytes += entry->size_bytes;
	} else if (entry->type == ENTRY_DIR)
		m->out->counts.dirs_count++;
	else
		m->out->counts.others_count++;
}

static enum err_code
take_file(struct import *m, const struct arc_any_member *member, struct err *e)
{
	bool good = true, linked = member->link != NULL;
	enum err_code rc = ERR_NONE;

	if (linked) {
		rc = make_path(m, &m->link, member->link, &good, e);
		if (rc == ERR_NONE && !good) {
			note(m, buf_text(&m->path),
			    "a hard link to what no path can be: left out");
			return ERR_NONE;
		}
		if (rc == ERR_NONE)
			rc = join(m, e);
	}
	/* tar's links have no content, cpio's last one has. */
	if (rc == ERR_NONE && linked && m->item.entry.size_bytes == 0)
		return spool(m, RECORD_LINK, e);
	if (rc == ERR_NONE)
		rc = take_content(m, &good, e);
	return rc == ERR_NONE && good ? spool(m, RECORD_ITEM, e) : rc;
}

/* Another name of a symbolic link, a device, ... as cpio has it. */
static enum err_code
take_other(struct import *m, const struct arc_any_member *member, struct err *e)
{
	bool good = true;
	enum err_code rc = ERR_NONE;

	if (member->link != NULL && m->item.entry.type != ENTRY_DIR)
		rc = make_path(m, &m->link, member->link, &good, e);
	if (rc == ERR_NONE && member->link != NULL && good &&
	    m->item.entry.type != ENTRY_DIR)
		rc = join(m, e);
	return rc == ERR_NONE ? spool(m, RECORD_ITEM, e) : rc;
}

static enum err_code
take_member(struct import *m, const struct arc_any_member *member,
    const struct err *why, struct err *e)
{
	struct item *it = &m->item;
	bool good;
	enum err_code rc = make_path(m, &m->path, member->name, &good, e);

	if (rc != ERR_NONE)
		return rc;
	if (!good || member->refused ||
	    (m->path.len_bytes == 0 && it->entry.type != ENTRY_DIR)) {
		note(m, member->name,
		    member->refused ? why->text
				    : "not a name within a tree: left out");
		return ERR_NONE;
	}
	if (it->entry.type == ENTRY_FILE)
		rc = take_file(m, member, e);
	else
		rc = take_other(m, member, e);
	return rc;
}

static enum err_code
take_all(struct import *m, struct err *e)
{
	const struct arc_warn warn = {on_warning, m};
	struct err why = {0};
	enum err_code rc;

	for (;;) {
		item_fini(&m->item);
		memset(&m->item, 0, sizeof m->item);
		buf_clear(&m->path);
		rc = arc_any_next(m->archive, &m->item.entry, &m->member, warn,
		    &why);
		if (rc == ERR_NOTFOUND)
			return ERR_NONE;
		if (rc != ERR_NONE) {
			*e = why;
			return rc;
		}
		m->entries_count++;
		rc = check_limits(m, e);
		if (rc == ERR_NONE)
			rc = take_member(m, &m->member, &why, e);
		if (rc == ERR_NONE && m->entries_count % LOOK_COUNT == 0)
			rc = tell(m, e);
		if (rc != ERR_NONE)
			return rc;
	}
}

/* --- from the spool into the tree ------------------------------------------- */

/* Is it below what is no directory? */
static bool
is_barred(const struct import *m, const struct buf *path)
{
	return m->barred.len_bytes > 0 &&
	    path_is_under((const char *)path->bytes, path->len_bytes,
		(const char *)m->barred.bytes, m->barred.len_bytes);
}

static enum err_code
set(struct buf *to, const void *bytes, size_t len_bytes, struct err *e)
{
	buf_clear(to);
	return len_bytes == 0 ? ERR_NONE : buf_add(to, bytes, len_bytes, e);
}

static enum err_code
add(struct import *m, struct item *it, const struct buf *path, struct err *e)
{
	enum err_code rc = entry_set_path(&it->entry,
	    path->len_bytes == 0 ? "" : (const char *)path->bytes,
	    path->len_bytes, e);

	if (rc == ERR_NONE && m->tree != NULL)
		rc = tree_writer_add(m->tree, it, e);
	if (rc != ERR_NONE)
		return rc;
	tally(m, &it->entry);
	m->begun = true;
	if (it->entry.type != ENTRY_DIR && path->len_bytes > 0 &&
	    (rc = set(&m->barred, path->bytes, path->len_bytes, e)) != ERR_NONE)
		return rc;
	return set(&m->last, path->bytes, path->len_bytes, e);
}

/* Directories that the archive names only in others' names. */
static enum err_code
add_parents(struct import *m, const struct entry *child, const struct buf *path,
    struct err *e)
{
	const char *text = (const char *)path->bytes;
	enum err_code rc = ERR_NONE;

	for (size_t i = 1; rc == ERR_NONE && i < path->len_bytes; i++) {
		OWNED(item_fini) struct item dir = {0};
		struct buf part = {.bytes = path->bytes, .len_bytes = i};

		if (text[i] != '/' ||
		    (m->begun &&
			path_is_under((const char *)m->last.bytes,
			    m->last.len_bytes, text, i)))
			continue;
		dir.entry.type = ENTRY_DIR;
		dir.entry.mode = 0755;
		dir.entry.uid = child->uid;
		dir.entry.gid = child->gid;
		dir.entry.mtime_s = child->mtime_s;
		dir.entry.mtime_ns = child->mtime_ns;
		rc = add(m, &dir, &part, e);
	}
	return rc;
}

/* The item that a record of m->path stands for.  *good false: there is none. */
static enum err_code
resolve(struct import *m, const struct buf *value, struct item *out, bool *good,
    struct err *e)
{
	const uint8_t *bytes = value->bytes + 1;
	size_t len_bytes = value->len_bytes - 1;
	struct group *g;
	enum err_code rc = group_of(m, &m->path, &g, e);

	*good = true;
	if (rc != ERR_NONE)
		return rc;
	if (value->bytes[0] == RECORD_ITEM &&
	    (rc = item_decode(out, bytes, len_bytes, e)) != ERR_NONE)
		return rc;
	if (g == NULL ||
	    (value->bytes[0] == RECORD_ITEM && out->entry.type == ENTRY_DIR))
		return ERR_NONE;
	if (!g->has_item) {
		*good = false;
		return ERR_NONE;
	}
	item_fini(out);
	memset(out, 0, sizeof *out);
	rc = item_decode(out, g->encoded.bytes, g->encoded.len_bytes, e);
	out->entry.linked = g->count > 1;
	if (out->entry.linked)
		memcpy(out->entry.link_group, g->first.bytes, ENTRY_LINK_BYTES);
	return rc;
}

/* One path's last record into the tree. */
static enum err_code
plant(struct import *m, const struct buf *value, struct err *e)
{
	OWNED(item_fini) struct item it = {0};
	bool good;
	enum err_code rc;

	if (is_barred(m, &m->path)) {
		note(m, buf_text(&m->path),
		    "it stands below what is no directory: left out");
		return ERR_NONE;
	}
	rc = resolve(m, value, &it, &good, e);
	if (rc == ERR_NONE && !good) {
		note(m, buf_text(&m->path),
		    "a hard link to what the archive does not hold: left out");
		return ERR_NONE;
	}
	if (rc == ERR_NONE)
		rc = add_parents(m, &it.entry, &m->path, e);
	return rc == ERR_NONE ? add(m, &it, &m->path, e) : rc;
}

/* A member of a group: what it holds, how many there are, which is first. */
static enum err_code
gather(struct import *m, const struct buf *value, struct err *e)
{
	OWNED(item_fini) struct item it = {0};
	struct group *g;
	enum err_code rc = group_of(m, &m->path, &g, e);

	if (rc != ERR_NONE || g == NULL)
		return rc;
	if (value->bytes[0] == RECORD_ITEM) {
		rc =
		    item_decode(&it, value->bytes + 1, value->len_bytes - 1, e);
		if (rc != ERR_NONE || it.entry.type == ENTRY_DIR)
			return rc;
		if (!g->has_item || it.entry.size_bytes > g->size_bytes) {
			rc = set(&g->encoded, value->bytes + 1,
			    value->len_bytes - 1, e);
			g->size_bytes = it.entry.size_bytes;
			g->has_item = true;
		}
	}
	if (rc == ERR_NONE && g->count++ == 0)
		hash_id(m->link_key, m->path.bytes, m->path.len_bytes,
		    &g->first);
	return rc;
}

typedef enum err_code record_fn(struct import *m, const struct buf *value,
    struct err *e);

/* Directories named again are the same directory. */
static void
note_twice(struct import *m, const struct buf *value)
{
	const bool dir = value->len_bytes > 2 &&
	    value->bytes[0] == RECORD_ITEM && value->bytes[2] == ENTRY_DIR;

	if (!dir)
		note(m, buf_text(&m->path),
		    "named more than once: the last counts");
}

/* Each path once, with its last record: m->path is it. */
static enum err_code
each(struct import *m, record_fn *fn, bool noting, struct err *e)
{
	struct sortspool_record r;
	bool more = true, have = false;
	enum err_code rc = sortspool_begin(m->spool, e);

	while (rc == ERR_NONE && more) {
		rc = sortspool_next(m->spool, &r, &more, e);
		if (rc != ERR_NONE)
			break;
		if (have && more && r.path_bytes == m->path.len_bytes &&
		    (r.path_bytes == 0 ||
			memcmp(r.path, m->path.bytes, r.path_bytes) == 0)) {
			if (noting)
				note_twice(m, &m->value);
		} else if (have)
			rc = fn(m, &m->value, e);
		if (rc == ERR_NONE && more)
			rc = set(&m->path, r.path, r.path_bytes, e);
		if (rc == ERR_NONE && more)
			rc = set(&m->value, r.value, r.value_bytes, e);
		have = true;
	}
	return rc;
}

static enum err_code
make_tree(struct import *m, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (m->groups_count > 0)
		rc = each(m, gather, false, e);
	return rc == ERR_NONE ? each(m, plant, true, e) : rc;
}

/* --- before and after ------------------------------------------------------- */

static enum err_code
open_store(struct import *m, struct err *e)
{
	struct writer_options wo = {WRITER_AUTO, 0, 0};
	enum err_code rc = keyring_id_key(store_keyring(m->store), NULL,
	    KEYRING_LINK, &m->link_key, e);

	if (rc != ERR_NONE || m->opt->dry_run)
		return rc;
	rc = session_open(&m->session, m->store, e);
	if (rc == ERR_NONE)
		rc = writer_new(&m->writer, m->session, &wo, e);
	if (rc == ERR_NONE)
		rc = content_writer_new(&m->contents, m->writer, CHUNKING_CUT,
		    0, e);
	return rc == ERR_NONE ? tree_writer_new(&m->tree, m->writer, e) : rc;
}

static enum err_code
describe(struct import *m, struct err *e)
{
	const struct import_options *opt = m->opt;
	struct snapshot *s = &m->snapshot;
	char host[256] = "unknown";

	gethostname(host, sizeof host - 1);
	snprintf(s->service, sizeof s->service, "%s", opt->service);
	snprintf(s->dataset, sizeof s->dataset, "%s", opt->dataset);
	s->started = now_utc();
	if ((s->host = strdup(host)) == NULL ||
	    (s->source = strdup(opt->name)) == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < opt->tags_count; i++) {
		s->tags[i] = strdup(opt->tags[i]);
		if (s->tags[i] == NULL)
			return err_nomem(e);
		s->tags_count++;
	}
	return ERR_NONE;
}

static enum err_code
commit(struct import *m, struct err *e)
{
	struct snapshot *s = &m->snapshot;
	struct writer_tally tally_now;
	enum err_code rc = tree_writer_root(m->tree, &s->root, e);

	if (rc == ERR_NONE)
		rc = writer_flush(m->writer, e);
	if (rc != ERR_NONE)
		return rc;
	writer_tally(m->writer, &tally_now);
	s->ended = now_utc();
	s->files_count = m->out->counts.files_count;
	s->dirs_count = m->out->counts.dirs_count;
	s->others_count = m->out->counts.others_count;
	s->bytes = m->out->counts.bytes;
	s->new_bytes = m->out->counts.new_bytes = tally_now.new_bytes;
	s->stored_bytes = m->out->counts.stored_bytes = tally_now.stored_bytes;
	rc = snapshot_commit(m->session, m->writer, s, e);
	m->out->snapshot = s->id;
	return rc;
}

static enum err_code
run(struct import *m, struct err *e)
{
	enum err_code rc = describe(m, e);

	if (rc == ERR_NONE)
		rc = sortspool_new(&m->spool, 0, e);
	if (rc == ERR_NONE)
		rc = arc_any_open(&m->archive, m->opt->fd, e);
	if (rc == ERR_NONE)
		rc = open_store(m, e);
	if (rc == ERR_NONE)
		rc = take_all(m, e);
	if (rc == ERR_NONE && m->entries_count == 0 && !m->opt->dry_run)
		rc = err_set(e, ERR_INPUT, "there is nothing in it");
	if (rc == ERR_NONE && m->absolute_count > 0)
		note(m, "/", "names began with '/': it was taken off");
	if (rc == ERR_NONE)
		rc = make_tree(m, e);
	if (rc == ERR_NONE && m->opt->dry_run)
		m->out->counts.bytes = m->content_bytes;
	return rc == ERR_NONE && !m->opt->dry_run ? commit(m, e) : rc;
}

enum err_code
import_run(struct store *st, const struct import_options *opt,
    struct import_result *out, struct err *e)
{
	OWNED(import_fini)
	struct import m = {.store = st, .opt = opt, .out = out};
	struct mono begun = now_mono();

	*out = (struct import_result){0};
	if (run(&m, e) != ERR_NONE)
		return err_wrap(e, "importing '%s'", opt->name);
	snprintf(out->format, sizeof out->format, "%s",
	    arc_any_format(m.archive));
	out->counts.took_ns = now_mono().ns - begun.ns;
	return ERR_NONE;
}
