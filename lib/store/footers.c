#include "footers.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/fdio.h>

#include "pack.h"

#define RECORDS_MAX 262144 /* of a segment, but for the last pack's */

struct gathering {
	struct store *store;
	const struct footers_use *use;
	struct segment_pack *packs; /* of the segment being made */
	size_t packs_count, packs_room;
	struct buf records;
	uint64_t total_count;
};

static void
gathering_fini(struct gathering *g)
{
	free(g->packs);
	buf_fini(&g->records);
}

static enum err_code
end_segment(struct gathering *g, struct err *e)
{
	struct segment_parts parts = {.packs = g->packs,
	    .packs_count = g->packs_count,
	    .records = g->records.bytes,
	    .records_count = g->records.len_bytes / SEGMENT_RECORD_BYTES};
	enum err_code rc = ERR_NONE;

	if (g->packs_count > 0)
		rc = g->use->take(g->use->ctx, &parts, e);
	g->packs_count = 0;
	buf_clear(&g->records);
	return rc;
}

static enum err_code
keep_pack(struct gathering *g, const struct segment_pack *sp, struct err *e)
{
	if (g->packs_count == g->packs_room) {
		size_t room = g->packs_room * 2 + 16;
		struct segment_pack *more =
		    reallocarray(g->packs, room, sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		g->packs = more;
		g->packs_room = room;
	}
	g->packs[g->packs_count++] = *sp;
	g->total_count++;
	return ERR_NONE;
}

static enum err_code
add_pack(struct gathering *g, const struct id *name, struct err *e)
{
	struct store *st = g->store;
	OWNED(pack_close) struct pack pk = {.fd = -1};
	OWNED(pack_footer_fini) struct pack_footer f = {0};
	struct segment_pack sp = {.name = *name};
	struct pack_frame first;
	char path[PACK_PATH_BYTES];
	enum err_code rc =
	    pack_open(&pk, st->packs_fd, pack_path(name, path), 0, e);

	if (rc == ERR_NONE)
		rc = pack_footer_load(&f, &pk, e);
	if (rc == ERR_NONE)
		rc = pack_check_heads(&pk, &f, st->family, e);
	if (rc == ERR_CORRUPT || rc == ERR_NOTFOUND ||
	    (rc == ERR_IO && g->use->unreadable_is_left) ||
	    (rc == ERR_NONE && f.frames_count == 0))
		return ERR_NONE;
	if (rc == ERR_IO) {
		err_wrap(e, "'%s/packs'", st->path);
		return err_hint(e,
		    "if it can never be read again, move '%s' away and heal "
		    "again: what only it held is lost then",
		    path);
	}
	if (rc == ERR_NONE)
		rc = pack_footer_records(&f, (uint32_t)g->packs_count,
		    &g->records, e);
	if (rc != ERR_NONE)
		return rc;
	pack_footer_frame(&f, 0, &first);
	sp.size_bytes = pk.size_bytes;
	sp.flags = first.kind != STORE_DATA ? SEGMENT_METADATA : 0;
	if (g->use->is_foreign(g->use->ctx, name))
		sp.flags |= SEGMENT_FOREIGN;
	rc = keep_pack(g, &sp, e);
	if (rc == ERR_NONE &&
	    g->records.len_bytes / SEGMENT_RECORD_BYTES >= RECORDS_MAX)
		rc = end_segment(g, e);
	return rc;
}

static enum err_code
add_dir(struct gathering *g, const char *dir, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_dir(&fd, g->store->packs_fd, dir, e);

	if (rc == ERR_NONE)
		rc = repo_list(&n, fd, e);
	for (size_t i = 0; rc == ERR_NONE && i < n.count; i++) {
		struct id name;

		if (id_parse(n.names[i], &name) &&
		    strncmp(n.names[i], dir, 2) == 0 &&
		    g->use->wants(g->use->ctx, &name))
			rc = add_pack(g, &name, e);
	}
	return rc;
}

enum err_code
footers_gather(struct store *st, const struct footers_use *use,
    uint64_t *packs_count, struct err *e)
{
	OWNED(gathering_fini)
	struct gathering g = {.store = st,
	    .use = use,
	    .records = {.max_bytes = SIZE_MAX / 4}};
	OWNED(repo_names_fini) struct repo_names dirs = {0};
	enum err_code rc = repo_list(&dirs, st->packs_fd, e);

	for (size_t i = 0; rc == ERR_NONE && i < dirs.count; i++)
		if (strlen(dirs.names[i]) == 2)
			rc = add_dir(&g, dirs.names[i], e);
	if (rc == ERR_NONE)
		rc = end_segment(&g, e);
	*packs_count = g.total_count;
	return rc;
}
