#include "closure.h"
#include "snapfind.h"

/*
 * Packs of chunks before packs of pages, and a pack behind those that hold the
 * bases of its frames.
 */

#define PASSES_MAX 64

struct edge {
	uint32_t pack, base_pack;
};

struct needed {
	struct store *store;
	bool *wanted;    /* by pack number */
	uint32_t *ranks; /* a pack's is above its bases' packs' */
	size_t packs_count;
	struct edge *edges;
	size_t edges_count, edges_room;
};

static void
needed_fini(struct needed *n)
{
	free(n->wanted);
	free(n->ranks);
	free(n->edges);
}

static enum err_code
edge_add(struct needed *n, uint32_t pack, uint32_t base_pack, struct err *e)
{
	struct edge *bigger;

	if (pack == base_pack)
		return ERR_NONE;
	if (n->edges_count == n->edges_room) {
		size_t room = n->edges_room == 0 ? 64 : n->edges_room * 2;

		bigger = realloc(n->edges, room * sizeof *bigger);
		if (bigger == NULL)
			return err_nomem(e);
		n->edges = bigger;
		n->edges_room = room;
	}
	n->edges[n->edges_count++] = (struct edge){pack, base_pack};
	return ERR_NONE;
}

static enum err_code
needed_found(void *ctx, const struct index_copy *copy,
    const struct index_copy *base_of, struct err *e)
{
	struct needed *n = ctx;

	n->wanted[copy->number] = true;
	if (base_of == NULL)
		return ERR_NONE;
	return edge_add(n, base_of->number, copy->number, e);
}

static enum err_code
needed_broken(void *ctx, const struct id *id, const struct id *parent,
    struct err *why)
{
	char hex[ID_HEX_BYTES];

	(void)ctx;
	(void)parent;
	why->code = ERR_CORRUPT;
	return err_wrap(why, "%.12s", id_hex(id, hex));
}

static void
rank(struct needed *n)
{
	bool changed = true;

	/* Packs that need each other have no order; then any will do. */
	for (int pass = 0; changed && pass < PASSES_MAX; pass++) {
		changed = false;
		for (size_t i = 0; i < n->edges_count; i++) {
			const struct edge *x = &n->edges[i];

			if (n->ranks[x->pack] <= n->ranks[x->base_pack]) {
				n->ranks[x->pack] = n->ranks[x->base_pack] + 1;
				changed = true;
			}
		}
	}
}

struct ranked {
	struct pack_info info;
	uint32_t rank, number;
};

static int
ranked_order(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->info.metadata != y->info.metadata)
		return x->info.metadata ? 1 : -1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static enum err_code
collect(struct pack_list *out, struct needed *n, struct err *e)
{
	OWNED(free_mem)
	struct ranked *all = calloc(n->packs_count + 1, sizeof *all);
	OWNED(free_mem)
	struct pack_info *packs = calloc(n->packs_count + 1, sizeof *packs);
	size_t count = 0;

	if (all == NULL || packs == NULL)
		return err_nomem(e);
	for (uint32_t i = 0; i < n->packs_count; i++) {
		const struct index_pack *p = index_pack(n->store, i);

		if (!n->wanted[i])
			continue;
		all[count++] = (struct ranked){
		    {p->name, p->size_bytes, p->metadata},
		    n->ranks[i],
		    i,
		};
	}
	qsort(all, count, sizeof *all, ranked_order);
	for (size_t i = 0; i < count; i++)
		packs[i] = all[i].info;
	out->packs = TAKE(packs);
	out->count = count;
	return ERR_NONE;
}

static enum err_code
gather(struct pack_list *out, struct store *st, const struct id *snapshots,
    size_t snapshots_count, struct err *e)
{
	OWNED(needed_fini) struct needed n = {.store = st};
	OWNED(closure_fini)
	struct closure c = {.store = st,
	    .found = needed_found,
	    .broken = needed_broken,
	    .ctx = &n};
	enum err_code rc;

	memset(out, 0, sizeof *out);
	n.packs_count = index_packs_count(st);
	n.wanted = calloc(n.packs_count + 1, sizeof *n.wanted);
	n.ranks = calloc(n.packs_count + 1, sizeof *n.ranks);
	if (n.wanted == NULL || n.ranks == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < snapshots_count; i++) {
		OWNED(snapshot_fini) struct snapshot s = {0};
		char hex[ID_HEX_BYTES];

		rc = snapfind_by_id(&s, st, &snapshots[i], e);
		if (rc == ERR_NONE)
			rc = closure_walk(&c, &s.root, e);
		if (rc != ERR_NONE)
			return err_wrap(e, "snapshot %.12s",
			    id_hex(&snapshots[i], hex));
	}
	rank(&n);
	return collect(out, &n, e);
}

enum err_code
store_needed_packs(struct pack_list *out, struct store *st,
    const struct id *snapshots, size_t snapshots_count, struct err *e)
{
	enum err_code rc = gather(out, st, snapshots, snapshots_count, e);

	if (rc != ERR_CORRUPT)
		return rc;
	rc = store_refresh(st, e);
	return rc == ERR_NONE ? gather(out, st, snapshots, snapshots_count, e)
			      : rc;
}
