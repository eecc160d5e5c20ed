#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/base/fdio.h>
#include <bascule/base/pipeline.h>

#include "checking_pack.h"
#include "checking_results.h"
#include "hurt.h"
#include "index.h"

/*
 * Packs of chunks before packs of pages, several at once; whatever threads
 * found is handed on here, in the caller's thread.
 */

#define WORKERS_MAX 8
#define ITEMS_MAX   (2 * WORKERS_MAX)
#define PACKS_MAX   ((size_t)1 << 24)

/* A pack to look at. */
struct target {
	struct id name;
	uint64_t size_bytes;
	int64_t last_ns; /* when it was last looked at as deeply; 0: never */
	bool metadata;
};

struct packs {
	struct checking *ck;
	struct target *targets;
	size_t count, room;
	struct pipeline *pipeline;
	struct checking_pack *items[ITEMS_MAX];
	struct reader *readers[WORKERS_MAX];
	struct hash *hashes[WORKERS_MAX];
	size_t items_count;
	unsigned workers_count;
	struct checking_results results;
	struct mono deadline; /* ns 0: none */
};

static void
packs_fini(struct packs *k)
{
	pipeline_free(&k->pipeline);
	for (size_t i = 0; i < k->items_count; i++) {
		checking_pack_fini(k->items[i]);
		free(k->items[i]);
	}
	for (unsigned i = 0; i < k->workers_count; i++) {
		reader_free(&k->readers[i]);
		hash_free(&k->hashes[i]);
	}
	checking_results_fini(&k->results);
	free(k->targets);
}

/* --- which packs ---------------------------------------------------------- */

static enum err_code
add_target(struct packs *k, int dirfd, const char *name, const struct id *id,
    struct err *e)
{
	const struct store *st = k->ck->store;
	size_t number = index_pack_number(st, id);
	struct stat sb;

	if (k->count == k->room) {
		size_t room = k->room * 2 + 64;
		struct target *more;

		if (room > PACKS_MAX)
			return err_set(e, ERR_INPUT, "over %zu packs",
			    PACKS_MAX);
		more = reallocarray(k->targets, room, sizeof(*more));
		if (more == NULL)
			return err_nomem(e);
		k->targets = more;
		k->room = room;
	}
	k->targets[k->count++] = (struct target){.name = *id,
	    .size_bytes = fstatat(dirfd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0
		? (uint64_t)sb.st_size
		: 0,
	    .last_ns =
		checking_results_last(&k->results, id, k->ck->opt->depth),
	    .metadata = number < index_packs_count(st) &&
		index_pack(st, (uint32_t)number)->metadata};
	return ERR_NONE;
}

static enum err_code
each_in(struct packs *k, const char *dir, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_dir(&fd, k->ck->store->packs_fd, dir, e);

	if (rc == ERR_NONE)
		rc = repo_list(&n, fd, e);
	for (size_t i = 0; rc == ERR_NONE && i < n.count; i++) {
		struct id id;

		if (id_parse(n.names[i], &id) &&
		    strncmp(dir, n.names[i], 2) == 0) {
			rc = add_target(k, fd, n.names[i], &id, e);
		} else {
			char object[8 + PACK_PATH_BYTES];

			snprintf(object, sizeof(object), "packs/%.2s/%.64s",
			    dir, n.names[i]);
			checking_damage(k->ck, object, "is not a pack's name");
		}
	}
	return rc;
}

static enum err_code
list_packs(struct packs *k, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names dirs = {0};
	enum err_code rc = repo_list(&dirs, k->ck->store->packs_fd, e);

	for (size_t i = 0; rc == ERR_NONE && i < dirs.count; i++) {
		const char *dir = dirs.names[i];

		if (strlen(dir) == 2 && strspn(dir, "0123456789abcdef") == 2)
			rc = each_in(k, dir, e);
		else
			checking_damage(k->ck, "packs",
			    "holds something that is not its own: '%s'", dir);
	}
	return rc;
}

/*
 * What the index names must be there; what it is, is looked at as well.  A bent
 * segment may name packs that never were: it is the damage, not they, and when
 * it is healed the next check sees what is truly missing.
 */
static enum err_code
check_listed(struct checking *ck, struct err *e)
{
	struct store *st = ck->store;

	if (ck->segment_bent)
		return ERR_NONE;
	for (uint32_t i = 0; i < index_packs_count(st); i++) {
		const struct index_pack *ip = index_pack(st, i);
		char object[8 + PACK_PATH_BYTES], path[PACK_PATH_BYTES];
		struct stat sb;

		pack_path(&ip->name, path);
		snprintf(object, sizeof(object), "packs/%s", path);
		if (fstatat(st->packs_fd, path, &sb, AT_SYMLINK_NOFOLLOW) !=
		    0) {
			if (err_of_errno(errno) == ERR_NOMEM)
				return err_sys(e, "cannot look at '%s'",
				    object); /* our want, not its */
			checking_damage(ck, object, "is missing: %s",
			    strerror(errno));
		} else if (!S_ISREG(sb.st_mode))
			checking_damage(ck, object, "is not a regular file");
		else if ((uint64_t)sb.st_size != ip->size_bytes)
			checking_damage(ck, object,
			    "is %llu bytes long where the index says %llu",
			    (unsigned long long)sb.st_size,
			    (unsigned long long)ip->size_bytes);
	}
	return ERR_NONE;
}

/* --- in which order, and how many ------------------------------------------ */

static int
by_age(const void *va, const void *vb)
{
	const struct target *a = va, *b = vb;

	if (a->last_ns != b->last_ns)
		return a->last_ns < b->last_ns ? -1 : 1;
	return id_compare(&a->name, &b->name);
}

static int
by_kind(const void *va, const void *vb)
{
	const struct target *a = va, *b = vb;

	if (a->metadata != b->metadata)
		return a->metadata ? 1 : -1;
	return id_compare(&a->name, &b->name);
}

/* How many of the packs, from the first on, are looked into. */
static size_t
choose(struct packs *k)
{
	const struct check_options *opt = k->ck->opt;
	uint64_t all = 0, some = 0, wanted;
	size_t count = 0;

	if (k->count == 0)
		return 0;
	qsort(k->targets, k->count, sizeof(*k->targets),
	    checking_is_bounded(opt) ? by_age : by_kind);
	for (size_t i = 0; i < k->count; i++)
		all += k->targets[i].size_bytes;
	if (opt->depth == CHECK_NAMES)
		return 0;
	k->ck->total_bytes = all;
	if (opt->sample_millipercent == 0)
		return k->count;
	wanted = all / 100000 * opt->sample_millipercent +
	    all % 100000 * opt->sample_millipercent / 100000;
	do
		some += k->targets[count++].size_bytes;
	while (count < k->count && some < wanted);
	k->ck->total_bytes = some;
	return count;
}

/* --- looking ---------------------------------------------------------------- */

static enum err_code
look(void *ctx, unsigned thread, void *item, struct err *e)
{
	struct packs *k = ctx;
	struct checking_pack *p = item;

	p->reader = k->readers[thread];
	p->hash = k->hashes[thread];
	return checking_pack_look(p, e);
}

/* What the pack that was in there brought to light. */
static enum err_code
hand_on(struct packs *k, struct checking_pack *p, struct err *e)
{
	struct checking *ck = k->ck;
	const char *at = (const char *)p->told.bytes;
	const char *end = at == NULL ? NULL : at + p->told.len_bytes;
	enum err_code rc;

	if (p->checking == NULL)
		return ERR_NONE; /* nothing was */
	p->checking = NULL;
	ck->tally->frames_count += p->frames_count;
	ck->tally->chunks_count += p->chunks_count;
	ck->tally->read_bytes += p->read_bytes;
	while (at < end) {
		const char *what = at + strlen(at) + 1;

		checking_damage(ck, at, "%s", what);
		at = what + strlen(what) + 1;
	}
	if (ck->on_pack != NULL && p->damaged)
		ck->on_pack(ck->on_pack_ctx, &p->name);
	rc = p->damaged ? hurt_suspect(ck->store, &p->name, e) : ERR_NONE;
	if (rc == ERR_NONE)
		rc = checking_lengths_add(ck, &p->lengths, e);
	if (rc == ERR_NONE && p->depth >= CHECK_READ)
		rc = checking_results_note(&k->results, &p->name, p->depth,
		    p->damaged, e);
	return rc == ERR_NONE ? checking_progress(ck, p->read_bytes, e) : rc;
}

static enum err_code
put(struct packs *k, const struct target *t, enum check_depth depth,
    struct err *e)
{
	void *item;
	struct checking_pack *p;
	enum err_code rc = pipeline_take(k->pipeline, &item, e);

	if (rc != ERR_NONE)
		return rc;
	p = item;
	rc = hand_on(k, p, e);
	checking_pack_clear(p);
	if (rc != ERR_NONE) {
		pipeline_untake(k->pipeline, p);
		return rc;
	}
	p->checking = k->ck;
	p->name = t->name;
	p->depth = depth;
	k->ck->tally->packs_count++;
	return pipeline_put(k->pipeline, p, e);
}

static enum err_code
look_at_all(struct packs *k, struct err *e)
{
	const size_t chosen = choose(k);
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < k->count; i++) {
		bool late =
		    k->deadline.ns != 0 && now_mono().ns > k->deadline.ns;

		if (i < chosen && !late) {
			rc = put(k, &k->targets[i], k->ck->opt->depth, e);
			continue;
		}
		if (k->ck->opt->depth != CHECK_NAMES) {
			k->ck->tally->left_packs_count++;
			k->ck->tally->never_packs_count +=
			    k->targets[i].last_ns == 0;
		}
		rc = put(k, &k->targets[i], CHECK_NAMES, e);
	}
	if (rc == ERR_NONE)
		rc = pipeline_drain(k->pipeline, e);
	for (size_t i = 0; rc == ERR_NONE && i < k->items_count; i++)
		rc = hand_on(k, k->items[i], e);
	return rc;
}

static enum err_code
begin(struct packs *k, struct err *e)
{
	const struct check_options *opt = k->ck->opt;
	struct pipeline_stage stage = {look, 0};
	struct pipeline_plan plan = {.stages = &stage,
	    .stages_count = 1,
	    .items = (void **)k->items,
	    .ctx = k};
	unsigned wanted = opt->workers != 0 ? opt->workers : pipeline_cores();
	enum err_code rc = ERR_NONE;

	if (wanted > WORKERS_MAX)
		wanted = WORKERS_MAX;
	while (rc == ERR_NONE && k->workers_count < wanted) {
		unsigned i = k->workers_count++;

		rc = hash_begin(&k->hashes[i], e);
		if (rc == ERR_NONE && opt->depth == CHECK_OPEN)
			rc = reader_new(&k->readers[i], k->ck->store, e);
	}
	while (rc == ERR_NONE && k->items_count < (size_t)wanted * 2) {
		struct checking_pack *p = calloc(1, sizeof(*p));

		if (p == NULL)
			return err_nomem(e);
		p->pack.fd = -1;
		k->items[k->items_count++] = p;
	}
	stage.threads_count = wanted;
	plan.items_count = k->items_count;
	return rc == ERR_NONE ? pipeline_new(&k->pipeline, &plan, e) : rc;
}

enum err_code
checking_packs(struct checking *ck, struct err *e)
{
	OWNED(packs_fini) struct packs k = {.ck = ck};
	enum err_code rc;

	if (ck->opt->max_time_ns > 0)
		k.deadline.ns = now_mono().ns + ck->opt->max_time_ns;
	checking_results_load(&k.results, ck->store, ck->opt->state_dir);
	rc = check_listed(ck, e);
	if (rc == ERR_NONE)
		rc = list_packs(&k, e);
	if (rc == ERR_NONE)
		rc = begin(&k, e);
	if (rc == ERR_NONE)
		rc = look_at_all(&k, e);
	pipeline_free(&k.pipeline);
	/* Also what was found before it was stopped. */
	if (ck->opt->depth >= CHECK_READ)
		checking_results_save(&k.results, ck->store,
		    ck->opt->state_dir);
	return rc;
}
