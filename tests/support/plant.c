#include "support/plant.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support/must.h"

void
plant_begin(struct plant *p, struct repo *r)
{
	struct err e = {0};

	repo_begin(r, &p->work.st, &p->work.se, &p->work.w);
	must(tree_writer_new(&p->tw, p->work.w, &e), &e);
}

void
plant_item(struct item *it, const char *path, enum entry_type type)
{
	struct err e = {0};

	must(entry_set_path(&it->entry, path, strlen(path), &e), &e);
	it->entry.type = type;
	it->entry.mode = type == ENTRY_DIR ? 0755 : 0644;
}

void
plant_add(struct plant *p, const struct item *it)
{
	struct err e = {0};

	must(tree_writer_add(p->tw, it, &e), &e);
}

void
plant_dir(struct plant *p, const char *path)
{
	OWNED(item_fini) struct item it = {0};

	plant_item(&it, path, ENTRY_DIR);
	plant_add(p, &it);
}

void
plant_file(struct plant *p, const char *path, uint64_t seed, size_t len_bytes)
{
	OWNED(item_fini) struct item it = {0};

	if (len_bytes > 0)
		repo_file(&it, p->work.w, path, seed, len_bytes);
	else
		plant_item(&it, path, ENTRY_FILE);
	plant_add(p, &it);
}

void
plant_many(struct plant *p, const char *prefix, unsigned count)
{
	char path[200];

	for (unsigned i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s%05u", prefix, i);
		plant_file(p, path, 0, 0);
	}
}

struct id
plant_end(struct plant *p)
{
	struct snapshot s = {.service = "s", .dataset = "d"};
	struct err e = {0};

	must(tree_writer_root(p->tw, &s.root, &e), &e);
	must(snapshot_commit(p->work.se, p->work.w, &s, &e), &e);
	tree_writer_free(&p->tw);
	repo_work_end(&p->work);
	return s.root;
}
