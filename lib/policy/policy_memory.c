#include "policy_memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "policy_paths.h"

#define BLOCK_BYTES ((size_t)64 << 10)
#define ZONES_MAX   64

struct block {
	struct block *next;
	size_t used_bytes, size_bytes;
	alignas(max_align_t) uint8_t bytes[];
};

struct policy_memory {
	struct block *blocks;
	struct zone *zones[ZONES_MAX];
	size_t zone_count;
	struct policy_text_file *kept;
	size_t kept_count, kept_size;
	struct policy_paths paths; /* theirs */
};

enum err_code
policy_memory_new(struct policy_memory **out, struct err *e)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? err_nomem(e) : ERR_NONE;
}

void
policy_memory_free(struct policy_memory **mp)
{
	struct policy_memory *m = TAKE(*mp);

	if (m == NULL)
		return;
	for (struct block *b = m->blocks, *next; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	for (size_t i = 0; i < m->zone_count; i++)
		zone_free(&m->zones[i]);
	policy_paths_fini(&m->paths);
	free(m->kept);
	free(m);
}

void *
policy_memory_get(struct policy_memory *m, size_t len_bytes, struct err *e)
{
	size_t align = alignof(max_align_t);
	struct block *b = m->blocks;
	void *at;

	len_bytes = (len_bytes + align - 1) / align * align;
	if (b == NULL || b->size_bytes - b->used_bytes < len_bytes) {
		size_t size = len_bytes > BLOCK_BYTES ? len_bytes : BLOCK_BYTES;

		b = calloc(1, sizeof(*b) + size);
		if (b == NULL) {
			err_nomem(e);
			return NULL;
		}
		b->size_bytes = size;
		b->next = m->blocks;
		m->blocks = b;
	}
	at = b->bytes + b->used_bytes;
	b->used_bytes += len_bytes;
	return at;
}

char *
policy_memory_text(struct policy_memory *m, const char *text, size_t len_bytes,
    struct err *e)
{
	char *copy = policy_memory_get(m, len_bytes + 1, e);

	if (copy != NULL)
		memcpy(copy, text, len_bytes);
	return copy;
}

enum err_code
policy_memory_zone(struct policy_memory *m, const char *name,
    const struct zone **out, struct err *e)
{
	enum err_code rc;

	*out = NULL;
	if (strcmp(name, "UTC") == 0)
		return ERR_NONE;
	for (size_t i = 0; i < m->zone_count; i++) {
		if (strcmp(zone_name(m->zones[i]), name) == 0) {
			*out = m->zones[i];
			return ERR_NONE;
		}
	}
	if (m->zone_count == ZONES_MAX)
		return err_set(e, ERR_INPUT,
		    "more than %d time zones in one policy", ZONES_MAX);
	rc = zone_load(&m->zones[m->zone_count], ZONE_DIR, name, e);
	if (rc == ERR_NONE)
		*out = m->zones[m->zone_count++];
	return rc;
}

static enum err_code
more_kept(struct policy_memory *m, struct err *e)
{
	size_t size = m->kept_size == 0 ? 32 : m->kept_size * 2;
	struct policy_text_file *more;

	if (m->kept_count < m->kept_size)
		return ERR_NONE;
	more = realloc(m->kept, size * sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	m->kept = more;
	m->kept_size = size;
	return ERR_NONE;
}

enum err_code
policy_memory_keep(struct policy_memory *m, const char *path, const char *text,
    size_t len_bytes, struct err *e)
{
	struct policy_text_file f = {.len_bytes = len_bytes};
	enum err_code rc;

	if (policy_paths_has(&m->paths, path))
		return ERR_NONE;
	rc = more_kept(m, e);
	if (rc != ERR_NONE)
		return rc;
	f.path = policy_memory_text(m, path, strlen(path), e);
	f.text = policy_memory_text(m, text, len_bytes, e);
	if (f.path == NULL || f.text == NULL)
		return e->code;
	rc = policy_paths_add(&m->paths, f.path, e);
	if (rc == ERR_NONE)
		m->kept[m->kept_count++] = f;
	return rc;
}

const struct policy_text_file *
policy_memory_kept(const struct policy_memory *m, size_t *count)
{
	*count = m->kept_count;
	return m->kept;
}
