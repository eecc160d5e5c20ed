#include <bascule/source.h>
#include <string.h>

/* An open hash of inodes whose other names are still to come. */
struct link {
	uint64_t dev, inode;
	uint64_t left_count; /* names not yet seen; 0: the slot is free */
	uint64_t last_path;  /* a hash: a name asked for twice counts once */
	uint8_t group[ENTRY_LINK_BYTES];
};

struct source_links {
	struct link *slots;
	size_t mask; /* number of slots - 1 */
	size_t used;
};

#define SLOTS_FIRST 64

static size_t
slot_of(const struct source_links *t, uint64_t dev, uint64_t inode)
{
	uint64_t h =
	    (inode ^ dev << 40 ^ dev >> 24) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(h >> 32) & t->mask;
}

enum err_code
source_links_new(struct source_links **out, struct err *e)
{
	OWNED(source_links_free) struct source_links *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (t == NULL)
		return err_nomem(e);
	t->slots = calloc(SLOTS_FIRST, sizeof(*t->slots));
	if (t->slots == NULL)
		return err_nomem(e);
	t->mask = SLOTS_FIRST - 1;
	*out = TAKE(t);
	return ERR_NONE;
}

void
source_links_free(struct source_links **links)
{
	struct source_links *old = TAKE(*links);

	if (old != NULL)
		free(old->slots);
	free(old);
}

/* The slot of that inode, or the free one where it would stand. */
static size_t
find(const struct source_links *t, uint64_t dev, uint64_t inode)
{
	size_t i = slot_of(t, dev, inode);

	while (t->slots[i].left_count > 0 &&
	    (t->slots[i].dev != dev || t->slots[i].inode != inode))
		i = (i + 1) & t->mask;
	return i;
}

static enum err_code
grow(struct source_links *t, struct err *e)
{
	struct source_links bigger = {.mask = t->mask * 2 + 1};

	bigger.slots = calloc(bigger.mask + 1, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return err_nomem(e);
	for (size_t i = 0; i <= t->mask; i++) {
		const struct link *l = &t->slots[i];

		if (l->left_count > 0)
			bigger.slots[find(&bigger, l->dev, l->inode)] = *l;
	}
	free(t->slots);
	t->slots = bigger.slots;
	t->mask = bigger.mask;
	return ERR_NONE;
}

/* Linear probing without gravestones: what stood behind the hole moves up. */
static void
take_out(struct source_links *t, size_t hole)
{
	t->slots[hole].left_count = 0;
	t->used--;
	for (size_t i = (hole + 1) & t->mask; t->slots[i].left_count > 0;
	     i = (i + 1) & t->mask) {
		size_t home = slot_of(t, t->slots[i].dev, t->slots[i].inode);

		if (((i - home) & t->mask) < ((i - hole) & t->mask))
			continue;
		t->slots[hole] = t->slots[i];
		t->slots[i].left_count = 0;
		hole = i;
	}
}

static uint64_t
path_hash(const struct entry_text *path)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < path->len_bytes; i++)
		h = (h ^ (uint8_t)path->bytes[i]) * UINT64_C(0x100000001b3);
	return h;
}

enum err_code
source_links_join(struct source_links *links, const struct source_item *item,
    uint8_t group[ENTRY_LINK_BYTES], bool *found, struct err *e)
{
	size_t i = find(links, item->dev, item->inode);
	struct link *l = &links->slots[i];
	uint64_t path = path_hash(&item->entry.path);
	enum err_code rc;

	*found = l->left_count > 0;
	if (*found) {
		memcpy(group, l->group, ENTRY_LINK_BYTES);
		if (l->last_path != path && --l->left_count == 0)
			take_out(links, i);
		else
			l->last_path = path;
		return ERR_NONE;
	}
	if (item->nlink < 2)
		return ERR_NONE; /* no other name can come */
	if (links->used * 4 >= links->mask * 3) {
		if ((rc = grow(links, e)) != ERR_NONE)
			return rc;
		i = find(links, item->dev, item->inode);
	}
	l = &links->slots[i];
	l->dev = item->dev;
	l->inode = item->inode;
	l->left_count = item->nlink - 1;
	l->last_path = path;
	memcpy(l->group, group, ENTRY_LINK_BYTES);
	links->used++;
	return ERR_NONE;
}
