/* Open addressing over the groups' own bytes: they are keyed hashes. */

#include "restore.h"

#include <string.h>

struct slot {
	uint8_t group[ENTRY_LINK_BYTES];
	char *path; /* NULL: free */
};

struct restore_links {
	struct slot *slots;
	size_t size_count; /* a power of two */
	size_t used_count;
};

#define FIRST_COUNT 256

enum err_code
restore_links_new(struct restore_links **out, struct err *e)
{
	struct restore_links *l = calloc(1, sizeof(*l));

	*out = NULL;
	if (l == NULL)
		return err_nomem(e);
	l->size_count = FIRST_COUNT;
	l->slots = calloc(l->size_count, sizeof(*l->slots));
	*out = l;
	if (l->slots == NULL) {
		restore_links_free(out);
		return err_nomem(e);
	}
	return ERR_NONE;
}

void
restore_links_free(struct restore_links **lp)
{
	struct restore_links *l = TAKE(*lp);

	if (l == NULL)
		return;
	for (size_t i = 0; l->slots != NULL && i < l->size_count; i++)
		free(l->slots[i].path);
	free(l->slots);
	free(l);
}

static struct slot *
find(const struct restore_links *l, const uint8_t group[ENTRY_LINK_BYTES])
{
	size_t at;

	memcpy(&at, group, sizeof(at));
	for (at &= l->size_count - 1; l->slots[at].path != NULL;
	     at = (at + 1) & (l->size_count - 1))
		if (memcmp(l->slots[at].group, group, ENTRY_LINK_BYTES) == 0)
			break;
	return &l->slots[at];
}

static enum err_code
grow(struct restore_links *l, struct err *e)
{
	struct restore_links bigger = {.size_count = l->size_count * 2};

	bigger.slots = calloc(bigger.size_count, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < l->size_count; i++)
		if (l->slots[i].path != NULL)
			*find(&bigger, l->slots[i].group) = l->slots[i];
	free(l->slots);
	l->slots = bigger.slots;
	l->size_count = bigger.size_count;
	return ERR_NONE;
}

enum err_code
restore_links_join(struct restore_links *l,
    const uint8_t group[ENTRY_LINK_BYTES], const char *path, const char **first,
    struct err *e)
{
	struct slot *s = find(l, group);
	enum err_code rc = ERR_NONE;

	*first = s->path;
	if (s->path != NULL)
		return ERR_NONE;
	if (l->used_count * 2 >= l->size_count) {
		rc = grow(l, e);
		s = find(l, group);
	}
	if (rc != ERR_NONE)
		return rc;
	s->path = strdup(path);
	if (s->path == NULL)
		return err_nomem(e);
	memcpy(s->group, group, ENTRY_LINK_BYTES);
	l->used_count++;
	return ERR_NONE;
}
