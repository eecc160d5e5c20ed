/* bascule diff: what changed from one snapshot to another. */

#include <inttypes.h>
#include <string.h>

#include <bascule/wire.h>

#include "entries.h"
#include "repository.h"

enum { ADDED, REMOVED, CHANGED, KINDS };

static const char *const kind_names[KINDS] = {"added", "removed", "changed"};

struct diff {
	struct cli *cli;
	uint64_t counts[KINDS];
	uint64_t added_bytes, removed_bytes; /* of files added and removed */
};

/* --- what of an item changed ----------------------------------------------- */

enum {
	CHANGED_TYPE = 1,
	CHANGED_CONTENT = 2,
	CHANGED_TARGET = 4,
	CHANGED_DEVICE = 8,
	CHANGED_MODE = 16,
	CHANGED_OWNER = 32,
	CHANGED_TIMES = 64,
	CHANGED_XATTRS = 128,
	CHANGED_FLAGS = 256,
	CHANGED_LINKS = 512
};
static const char *const change_names[] = {"type", "content", "target",
    "device", "mode", "owner", "times", "xattrs", "flags", "links"};

static bool
is_same_content(const struct item *a, const struct item *b)
{
	const struct content *x = &a->content, *y = &b->content;

	if (a->entry.size_bytes != b->entry.size_bytes ||
	    x->pieces_count != y->pieces_count || x->is_list != y->is_list ||
	    x->inlined.len_bytes != y->inlined.len_bytes ||
	    (x->inlined.len_bytes > 0 &&
		memcmp(x->inlined.bytes, y->inlined.bytes,
		    x->inlined.len_bytes) != 0))
		return false;
	for (size_t i = 0; i < x->pieces_count; i++)
		if (!id_equal(&x->pieces[i].id, &y->pieces[i].id))
			return false;
	if (a->entry.sparse != b->entry.sparse ||
	    a->entry.extent_count != b->entry.extent_count)
		return false;
	return a->entry.extent_count == 0 ||
	    memcmp(a->entry.extents, b->entry.extents,
		a->entry.extent_count * sizeof *a->entry.extents) == 0;
}

static bool
is_same_xattrs(const struct entry *a, const struct entry *b)
{
	if (a->xattr_count != b->xattr_count)
		return false;
	for (size_t i = 0; i < a->xattr_count; i++) {
		const struct entry_xattr *x = &a->xattrs[i], *y = &b->xattrs[i];

		if (strcmp(x->name, y->name) != 0 ||
		    x->value_bytes != y->value_bytes ||
		    (x->value_bytes > 0 &&
			memcmp(x->value, y->value, x->value_bytes) != 0))
			return false;
	}
	return true;
}

static bool
is_same_text(const struct entry_text *a, const struct entry_text *b)
{
	return a->len_bytes == b->len_bytes &&
	    (a->len_bytes == 0 ||
		memcmp(a->bytes, b->bytes, a->len_bytes) == 0);
}

static bool
is_same_links(const struct entry *a, const struct entry *b)
{
	return a->linked == b->linked &&
	    (!a->linked ||
		memcmp(a->link_group, b->link_group, ENTRY_LINK_BYTES) == 0);
}

static unsigned
changes(const struct item *before, const struct item *after)
{
	const struct entry *a = &before->entry, *b = &after->entry;
	unsigned what = 0;

	what |= a->type != b->type ? CHANGED_TYPE : 0;
	what |= a->type == ENTRY_FILE && b->type == ENTRY_FILE &&
		!is_same_content(before, after)
	    ? CHANGED_CONTENT
	    : 0;
	what |= is_same_text(&a->target, &b->target) ? 0 : CHANGED_TARGET;
	what |= a->rdev_major != b->rdev_major || a->rdev_minor != b->rdev_minor
	    ? CHANGED_DEVICE
	    : 0;
	what |= a->mode != b->mode ? CHANGED_MODE : 0;
	what |= a->uid != b->uid || a->gid != b->gid ||
		!is_same_text(&a->user, &b->user) ||
		!is_same_text(&a->group, &b->group)
	    ? CHANGED_OWNER
	    : 0;
	what |= a->mtime_s != b->mtime_s || a->mtime_ns != b->mtime_ns
	    ? CHANGED_TIMES
	    : 0;
	what |= is_same_xattrs(a, b) ? 0 : CHANGED_XATTRS;
	what |= a->flags != b->flags ? CHANGED_FLAGS : 0;
	what |= is_same_links(a, b) ? 0 : CHANGED_LINKS;
	return what;
}

/* --- saying it ------------------------------------------------------------- */

static void
print_text(const struct item *it, unsigned kind, unsigned what)
{
	const char *comma = " (";

	printf("%-8s /", kind_names[kind]);
	cli_print_name(it->entry.path.bytes, it->entry.path.len_bytes);
	for (size_t i = 0; i < COUNT_OF(change_names); i++)
		if ((what >> i & 1) != 0) {
			printf("%s%s", comma, change_names[i]);
			comma = ", ";
		}
	puts(what != 0 ? ")" : "");
}

static int
print_json(struct cli *cli, const struct item *it, unsigned kind, unsigned what)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *list = NULL;
	struct err e;

	if (cli_entry_new(&v, it, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_text(v, "change", kind_names[kind]);
	if (kind == CHANGED) {
		if (wire_new_list(&list, &e) != ERR_NONE)
			return cli_fail(cli, &e);
		for (size_t i = 0; i < COUNT_OF(change_names); i++)
			if ((what >> i & 1) != 0)
				wire_add_text(list, NULL, change_names[i]);
		wire_add(v, "what", &list);
	}
	return cli_line(cli, &v);
}

/* before or after may be NULL, not both. */
static int
say(struct diff *d, const struct item *before, const struct item *after)
{
	const struct item *it = after != NULL ? after : before;
	unsigned kind = before == NULL ? ADDED
	    : after == NULL            ? REMOVED
				       : CHANGED;
	unsigned what = kind == CHANGED ? changes(before, after) : 0;

	d->counts[kind]++;
	if (kind != REMOVED)
		d->added_bytes += after->entry.size_bytes;
	if (kind != ADDED)
		d->removed_bytes += before->entry.size_bytes;
	if (d->cli->json)
		return print_json(d->cli, it, kind, what);
	print_text(it, kind, what);
	return EXITCODE_DONE;
}

static int
summarise(struct diff *d)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (!d->cli->json) {
		printf("%" PRIu64 " added, %" PRIu64 " removed, %" PRIu64
		       " changed\n",
		    d->counts[ADDED], d->counts[REMOVED], d->counts[CHANGED]);
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(d->cli, &e);
	for (unsigned i = 0; i < KINDS; i++)
		wire_add_uint(v, kind_names[i], d->counts[i]);
	wire_add_uint(v, "added_bytes", d->added_bytes);
	wire_add_uint(v, "removed_bytes", d->removed_bytes);
	return cli_line(d->cli, &v);
}

static int
compare(struct diff *d, struct store *st, const struct treediff_side *from,
    const struct treediff_side *to)
{
	OWNED(treediff_close) struct treediff *td = NULL;
	const struct item *before, *after;
	struct err e;
	int status;

	if (treediff_open(&td, st, from, to, &e) != ERR_NONE)
		return cli_fail(d->cli, &e);
	for (;;) {
		if (treediff_next(td, &before, &after, &e) != ERR_NONE)
			return cli_fail(d->cli, &e);
		if (before == NULL && after == NULL)
			return summarise(d);
		status = say(d, before, after);
		if (status != EXITCODE_DONE || ferror(stdout))
			return status;
	}
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(snapshot_fini) struct snapshot a = {0}, b = {0};
	OWNED(free_mem) char *a_path = NULL, *b_path = NULL;
	struct diff d = {.cli = cli};
	struct treediff_side from, to;
	struct err e;
	int status =
	    cli_repository_open(cli, STORE_READ, CLI_KEYS_NEEDED, &repo);

	if (status != EXITCODE_DONE)
		return status;
	if (snapshot_find(&a, &a_path, repo.store, cli->operands[0], &e) !=
		ERR_NONE ||
	    snapshot_find(&b, &b_path, repo.store, cli->operands[1], &e) !=
		ERR_NONE)
		return cli_fail(cli, &e);
	from = (struct treediff_side){&a.root, a_path};
	to = (struct treediff_side){&b.root, b_path};
	return compare(&d, repo.store, &from, &to);
}

const struct cli_command command_diff = {"diff", "SNAPSHOT SNAPSHOT",
    "show what changed from one snapshot to another", NULL, 2, 2, run};
