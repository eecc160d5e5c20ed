#include <stdio.h>
#include <string.h>

#include "heal.h"
#include "mark.h"
#include "rooted.h"

/* Packs by number: first whether they hold differences, then what is lost. */
struct unrooted {
	struct store *store;
	uint32_t *frames_count;
	bool *deltas;
	size_t packs_count;
};

static void
unrooted_fini(struct unrooted *u)
{
	free(u->frames_count);
	free(u->deltas);
}

static void
note_delta(void *ctx, const struct id *id, const struct index_copy *copy)
{
	struct unrooted *u = ctx;

	(void)id;
	u->deltas[copy->number] |= copy->depth > 0;
}

static enum err_code
count_pack(struct unrooted *u, uint32_t number, struct err *e)
{
	OWNED(mark_opened_fini) struct mark_opened o = {.store = u->store};
	enum err_code rc = mark_open(&o, number, e);

	for (uint32_t i = 0; rc == ERR_NONE && i < o.footer.frames_count; i++) {
		struct index_copy copy = {.number = number, .frame = i};
		struct pack_frame row;
		bool rooted;

		pack_footer_frame(&o.footer, i, &row);
		copy.kind = row.kind;
		copy.depth = row.depth;
		rc = rooted_look(u->store, &copy, &rooted, e);
		u->frames_count[number] += rc == ERR_NONE && !rooted;
	}
	return rc;
}

static enum err_code
count_frames(struct unrooted *u, struct err *e)
{
	enum err_code rc;

	u->packs_count = index_packs_count(u->store);
	u->frames_count = calloc(u->packs_count + 1, sizeof(*u->frames_count));
	u->deltas = calloc(u->packs_count + 1, sizeof(*u->deltas));
	if (u->frames_count == NULL || u->deltas == NULL)
		return err_nomem(e);
	rc = index_scan(u->store, note_delta, u, e);
	for (uint32_t n = 0; rc == ERR_NONE && n < u->packs_count; n++)
		if (u->deltas[n] && index_pack_present(u->store, n))
			rc = count_pack(u, n, e);
	return rc;
}

/* The names of those packs: healing one numbers them all anew. */
static enum err_code
name_packs(struct heal *h, const struct unrooted *u, struct buf *names,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (uint32_t n = 0; rc == ERR_NONE && n < u->packs_count; n++) {
		const struct id *name = &index_pack(h->store, n)->name;
		char path[PACK_PATH_BYTES], object[8 + PACK_PATH_BYTES];

		if (u->frames_count[n] == 0)
			continue;
		snprintf(object, sizeof(object), "packs/%s",
		    pack_path(name, path));
		heal_found(h, object,
		    "of %u differences what they were made from is gone",
		    u->frames_count[n]);
		rc = buf_add(names, name, sizeof(*name), e);
	}
	return rc;
}

enum err_code
heal_bases(struct heal *h, struct err *e)
{
	OWNED(unrooted_fini) struct unrooted u = {.store = h->store};
	OWNED(buf_fini) struct buf names = {0};
	struct id name;
	enum err_code rc = count_frames(&u, e);

	if (rc == ERR_NONE)
		rc = name_packs(h, &u, &names, e);
	for (size_t at = 0; rc == ERR_NONE && at < names.len_bytes;
	     at += sizeof(name)) {
		memcpy(&name, names.bytes + at, sizeof(name));
		rc = heal_pack(h, &name, e);
	}
	return rc;
}
