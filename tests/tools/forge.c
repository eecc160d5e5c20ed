/*
 * forge REPOSITORY KEYS <script: snapshots that no bascule would write, by one
 * who has the keys.  A line each, words parted by blanks, \xNN in them a byte:
 *
 *	item TYPE PATH [NAME=VALUE...]	a cell: mode= uid= size= text= target=
 *					rdev= linked=HEX xattr=NAME:VALUE
 *					hole=SIZE chunk=BYTES chunk_says=BYTES
 *					lists=LEVELS core=HEX
 *	leaf [cells=N]			the cells so far are a page (of N cells)
 *	inner LEVEL [items=N]		the pages so far, of N items each, are one
 *	repeat N [spread]		the pages so far are N times the last of
 *					them; spread: as if each ended later
 *	snapshot SERVICE [claims=N]	the page is a snapshot's root; its details
 *					claim N files, directories, bytes
 *
 * Cells are put in the map's order, whatever their paths are; `unsorted` before
 * them leaves them as they come.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bascule/crypt.h>
#include <bascule/job.h>
#include <bascule/store.h>

#include "../../lib/store/trees.h"

#define WORDS_MAX 64
#define LIST_MAX  1024
#define CHUNK     ((size_t)1 << 20)

struct page {
	struct id id;
	char *last;
	size_t last_bytes;
	uint64_t items_count;
};

struct forge {
	struct store *st;
	struct session *se;
	struct writer *w;
	struct cell *cells;
	size_t cells_count;
	struct page *pages;
	size_t pages_count;
	bool unsorted;
};

static struct err e;

static void
die(const char *why)
{
	fprintf(stderr, "forge: %s: %s\n", why, e.text);
	exit(1);
}

static void
must(enum err_code rc, const char *doing)
{
	if (rc != ERR_NONE)
		die(doing);
}

static void *
grown(void *old, size_t count, size_t size)
{
	void *more = realloc(old, (count + 1) * size);

	if (more == NULL)
		die("no memory");
	memset((char *)more + count * size, 0, size);
	return more;
}

static void *
copied(const void *bytes, size_t len)
{
	void *copy = malloc(len + 1);

	if (copy == NULL)
		die("no memory");
	if (len > 0)
		memcpy(copy, bytes, len);
	((char *)copy)[len] = '\0';
	return copy;
}

/* --- words ------------------------------------------------------------------ */

static unsigned
hex_byte(const char *at)
{
	unsigned v = 0;

	sscanf(at, "%2x", &v);
	return v;
}

/* In its place; how many bytes it is. */
static size_t
unescape(char *word)
{
	char *to = word;

	for (const char *at = word; *at != '\0'; to++)
		if (at[0] == '\\' && at[1] == 'x') {
			*to = (char)hex_byte(at + 2);
			at += 4;
		} else
			*to = *at++;
	*to = '\0';
	return (size_t)(to - word);
}

static char *
value_of(char *word, const char *name)
{
	size_t len = strlen(name);

	return strncmp(word, name, len) == 0 && word[len] == '='
	    ? word + len + 1
	    : NULL;
}

/* --- items ------------------------------------------------------------------ */

static enum entry_type
type_of(const char *name)
{
	static const char *const names[] = {"", "file", "dir", "symlink",
	    "fifo", "socket", "chardev", "blockdev"};

	for (unsigned i = 1; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return (enum entry_type)i;
	die(name);
	return ENTRY_NONE;
}

/* One chunk of so many bytes. */
static struct content_piece
put_chunk(struct forge *f, size_t len)
{
	OWNED(buf_fini) struct buf b = {0};
	struct content_piece p = {.len_bytes = len};
	uint8_t *room;

	must(buf_extend(&b, len, &room, &e), "a chunk");
	memset(room, 'c', len);
	must(writer_put(f->w, STORE_DATA, room, len, NULL, 0, &p.id, &e),
	    "a chunk");
	return p;
}

/* A list of lists ... of one chunk, each LIST_MAX times the same. */
static struct content_piece
put_lists(struct forge *f, unsigned levels)
{
	struct content_piece p = put_chunk(f, CHUNK), many[LIST_MAX];
	OWNED(buf_fini) struct buf body = {0};
	OWNED(buf_fini) struct buf refs = {0};

	for (unsigned level = 0; level < levels; level++) {
		for (size_t i = 0; i < LIST_MAX; i++)
			many[i] = p;
		must(clist_encode(&body, &refs, level, many, LIST_MAX, &e),
		    "a list");
		must(writer_put(f->w, STORE_LIST, body.bytes, body.len_bytes,
			 (const struct id *)refs.bytes,
			 refs.len_bytes / ID_BYTES, &p.id, &e),
		    "a list");
		p.len_bytes *= LIST_MAX;
	}
	return p;
}

static void
set_content(struct item *it, struct content_piece p, bool is_list)
{
	it->content.pieces = grown(NULL, 0, sizeof p);
	it->content.pieces[0] = p;
	it->content.pieces_count = 1;
	it->content.is_list = is_list;
	it->content.size_bytes = it->entry.size_bytes = p.len_bytes;
}

static void
set_xattr(struct item *it, char *text)
{
	char *colon = strchr(text, ':');

	if (colon == NULL)
		die(text);
	*colon = '\0';
	must(entry_add_xattr(&it->entry, text, colon + 1, unescape(colon + 1),
		 &e),
	    text);
}

static void
set_text(struct item *it, char *text)
{
	size_t len = unescape(text);

	must(buf_add(&it->content.inlined, text, len, &e), "text");
	it->content.size_bytes = it->entry.size_bytes = len;
}

static void
set_numbers(struct entry *n, char *word)
{
	char *v;

	if ((v = value_of(word, "mode")) != NULL)
		n->mode = (uint32_t)strtoul(v, NULL, 8);
	if ((v = value_of(word, "uid")) != NULL)
		n->uid = n->gid = (uint32_t)strtoul(v, NULL, 10);
	if ((v = value_of(word, "hole")) != NULL) {
		n->sparse = true;
		n->size_bytes = strtoull(v, NULL, 10);
	}
	if ((v = value_of(word, "rdev")) != NULL)
		sscanf(v, "%u:%u", &n->rdev_major, &n->rdev_minor);
	if ((v = value_of(word, "linked")) != NULL) {
		n->linked = true;
		for (size_t i = 0; i < ENTRY_LINK_BYTES && v[2 * i] != '\0';
		     i++)
			n->link_group[i] = (uint8_t)hex_byte(v + 2 * i);
	}
}

static void
set_field(struct forge *f, struct item *it, char *word)
{
	char *v;

	set_numbers(&it->entry, word);
	if ((v = value_of(word, "text")) != NULL)
		set_text(it, v);
	if ((v = value_of(word, "target")) != NULL)
		must(entry_set_text(&it->entry.target, v, unescape(v),
			 ENTRY_TARGET_BYTES_MAX, &e),
		    "a target");
	if ((v = value_of(word, "xattr")) != NULL)
		set_xattr(it, v);
	if ((v = value_of(word, "chunk")) != NULL)
		set_content(it, put_chunk(f, strtoul(v, NULL, 10)), false);
	if ((v = value_of(word, "chunk_says")) != NULL)
		it->content.pieces[0].len_bytes = it->content.size_bytes =
		    it->entry.size_bytes = strtoull(v, NULL, 10);
	if ((v = value_of(word, "lists")) != NULL)
		set_content(it, put_lists(f, (unsigned)strtoul(v, NULL, 10)),
		    true);
}

/* What the words say, encoded. */
static struct cell
make_cell(struct forge *f, char **words, size_t count)
{
	OWNED(buf_fini) struct buf b = {0};
	OWNED(item_fini) struct item it = {0};
	struct item_view v;

	it.entry.type = type_of(words[1]);
	it.entry.mode = it.entry.type == ENTRY_DIR ? 0755 : 0644;
	for (size_t i = 3; i < count; i++)
		set_field(f, &it, words[i]);
	must(item_encode(&b, &it, &e), words[2]);
	must(item_view(&v, b.bytes, b.len_bytes, &e), words[2]);
	return (struct cell){.refs = copied(v.refs, v.refs_count * ID_BYTES),
	    .refs_count = v.refs_count,
	    .core = copied(v.core, v.core_bytes),
	    .core_bytes = v.core_bytes};
}

static struct cell
make_raw(char *hex)
{
	size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++)
		hex[i] = (char)hex_byte(hex + 2 * i);
	return (struct cell){.core = copied(hex, len), .core_bytes = len};
}

static void
add_item(struct forge *f, char **words, size_t count)
{
	char *raw = count > 3 ? value_of(words[3], "core") : NULL;
	struct cell *c;

	f->cells = grown(f->cells, f->cells_count, sizeof *f->cells);
	c = &f->cells[f->cells_count++];
	*c = raw != NULL ? make_raw(raw) : make_cell(f, words, count);
	c->path_bytes = unescape(words[2]);
	c->path = copied(words[2], c->path_bytes);
}

/* --- pages ------------------------------------------------------------------ */

static int
by_path(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;

	return path_compare(x->path, x->path_bytes, y->path, y->path_bytes);
}

/* A page of the cells; says: how many it claims to be, 0: as many. */
static void
put_page(struct forge *f, unsigned level, const struct cell *cells,
    size_t count, uint64_t says, struct page *out)
{
	struct page_builder pb = {0};
	size_t refs = 0;

	for (size_t i = 0; i < count; i++)
		refs += cells[i].refs_count;
	must(page_builder_begin(&pb, refs, &e), "a page");
	for (size_t i = 0; i < count; i++)
		must(page_builder_add(&pb, &cells[i], &e), "a cell");
	if (says != 0)
		pb.cells_count = says;
	must(page_builder_end(&pb, level, &e), "a page");
	must(writer_put(f->w, level == 0 ? STORE_LEAF : STORE_INNER,
		 pb.body.bytes, pb.body.len_bytes,
		 (const struct id *)pb.refs.bytes, pb.refs.len_bytes / ID_BYTES,
		 &out->id, &e),
	    "a page");
	if (count > 0) {
		out->last =
		    copied(cells[count - 1].path, cells[count - 1].path_bytes);
		out->last_bytes = cells[count - 1].path_bytes;
	}
	page_builder_fini(&pb);
}

static uint64_t
number_in(char **words, size_t count, const char *name, uint64_t otherwise)
{
	char *v;

	for (size_t i = 1; i < count; i++)
		if ((v = value_of(words[i], name)) != NULL)
			return strtoull(v, NULL, 10);
	return otherwise;
}

static void
end_leaf(struct forge *f, char **words, size_t count)
{
	struct page *p;

	if (!f->unsorted && f->cells_count > 0)
		qsort(f->cells, f->cells_count, sizeof *f->cells, by_path);
	f->pages = grown(f->pages, f->pages_count, sizeof *f->pages);
	p = &f->pages[f->pages_count++];
	p->items_count = f->cells_count;
	put_page(f, 0, f->cells, f->cells_count,
	    number_in(words, count, "cells", 0), p);
	f->cells_count = 0;
}

/* What a page leads to, many times over: real pages, few bytes. */
static void
repeat_page(struct forge *f, char **words, size_t count)
{
	const struct page of = f->pages[f->pages_count - 1];
	const size_t times = strtoul(words[1], NULL, 10);
	const bool spread = count > 2 && strcmp(words[2], "spread") == 0;

	for (size_t i = 1; i < times; i++) {
		struct page *p;

		f->pages = grown(f->pages, f->pages_count, sizeof *f->pages);
		p = &f->pages[f->pages_count++];
		*p = of;
		if (!spread)
			continue;
		p->last = grown(NULL, of.last_bytes + 6, 1);
		memcpy(p->last, of.last, of.last_bytes);
		p->last_bytes +=
		    (size_t)sprintf(p->last + of.last_bytes, "%06zu", i);
	}
}

static void
end_inner(struct forge *f, char **words, size_t count)
{
	struct cell *cells = grown(NULL, f->pages_count, sizeof *cells);
	struct page all = {0};

	for (size_t i = 0; i < f->pages_count; i++) {
		const struct page *p = &f->pages[i];
		OWNED(buf_fini) struct buf core = {0};
		uint64_t items =
		    number_in(words, count, "items", p->items_count);

		must(le_add_varint(&core, items, &e), "a count");
		all.items_count += items;
		cells[i] = (struct cell){p->last, p->last_bytes, p->id.bytes, 1,
		    copied(core.bytes, core.len_bytes), core.len_bytes};
	}
	put_page(f, (unsigned)strtoul(words[1], NULL, 10), cells,
	    f->pages_count, 0, &all);
	f->pages[0] = all;
	f->pages_count = 1;
}

static void
end_snapshot(struct forge *f, char **words, size_t count)
{
	struct snapshot s = {.dataset = "forged"};

	snprintf(s.service, sizeof s.service, "%s", words[1]);
	s.files_count = number_in(words, count, "claims", 0);
	s.dirs_count = s.others_count = s.bytes = s.files_count;
	if (f->pages_count == 0)
		die("a snapshot without a page");
	s.root = f->pages[f->pages_count - 1].id;
	s.started = s.ended = now_utc();
	must(snapshot_commit(f->se, f->w, &s, &e), "a snapshot");
	snapshot_fini(&s);
	f->pages_count = 0;
	f->unsorted = false;
}

/* --- lines ------------------------------------------------------------------ */

static void
obey(struct forge *f, char **words, size_t count)
{
	if (strcmp(words[0], "item") == 0 && count >= 3)
		add_item(f, words, count);
	else if (strcmp(words[0], "unsorted") == 0)
		f->unsorted = true;
	else if (strcmp(words[0], "leaf") == 0)
		end_leaf(f, words, count);
	else if (strcmp(words[0], "repeat") == 0 && count >= 2)
		repeat_page(f, words, count);
	else if (strcmp(words[0], "inner") == 0 && count >= 2)
		end_inner(f, words, count);
	else if (strcmp(words[0], "snapshot") == 0 && count >= 2)
		end_snapshot(f, words, count);
	else
		die(words[0]);
}

/* By blanks; "" is an empty word. */
static size_t
split(char *line, char **words)
{
	size_t count = 0;
	char *at = line, *word;

	while ((word = strsep(&at, " \n")) != NULL && count < WORDS_MAX)
		if (strcmp(word, "\"\"") == 0)
			words[count++] = word + 2;
		else if (*word != '\0')
			words[count++] = word;
	return count;
}

int
main(int argc, char **argv)
{
	struct store_options opt = {.access = STORE_WRITE};
	struct writer_options wo = {.codec = WRITER_AUTO};
	struct keyring *keys;
	struct forge f = {0};
	char *line = NULL, *words[WORDS_MAX];
	size_t room = 0, count;

	if (argc != 3)
		die("forge REPOSITORY KEYS");
	must(keys_load(&keys, argv[2], NULL, &e), argv[2]);
	opt.keyring = keys;
	must(store_open(&f.st, argv[1], &opt, &e), argv[1]);
	must(session_open(&f.se, f.st, &e), "a session");
	must(writer_new(&f.w, f.se, &wo, &e), "a writer");
	while (getline(&line, &room, stdin) != -1)
		if ((count = split(line, words)) > 0 && *words[0] != '#')
			obey(&f, words, count);
	writer_free(&f.w);
	session_close(&f.se);
	store_close(&f.st);
	keyring_free(&keys);
	return 0;
}
