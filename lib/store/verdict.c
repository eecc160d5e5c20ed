#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/base/fdio.h>

#include "collecting.h"
#include "copyproof.h"
#include "index.h"
#include "manifest.h"
#include "twins.h"

/* --- packs of the index --------------------------------------------------------- */

static bool
is_condemned(const struct collection *c, uint32_t number)
{
	return c->fates[number] >= FATE_CONDEMNED;
}

struct serving {
	const struct collection *c;
	const struct index_copy *copy;
	struct collection *reads; /* NULL: it is enough that it is there */
	const struct id *id;
	bool served;
};

static void
serve(void *ctx, const struct index_copy *other)
{
	struct serving *s = ctx;
	struct store *st = s->c->store;
	const enum fate fate = s->c->fates[other->number];

	if (s->served)
		return;
	s->served = other->number != s->copy->number &&
	    (fate == FATE_STAYS || fate == FATE_REVIVED) &&
	    other->depth <= s->copy->depth &&
	    (!index_pack(st, other->number)->foreign ||
		index_pack(st, s->copy->number)->foreign) &&
	    index_pack_present(st, other->number) &&
	    (s->reads == NULL ||
		copyproof_is_good(s->reads, s->id, s->copy, other));
}

bool
verdict_is_safe(struct collection *c, const struct id *id,
    const struct index_copy *copy)
{
	struct serving s = {.c = c, .copy = copy, .reads = c, .id = id};

	index_each(c->store, id, serve, &s);
	return s.served;
}

static bool
is_served(const struct collection *c, const struct id *id,
    const struct index_copy *copy)
{
	struct serving s = {.c = c, .copy = copy};

	index_each(c->store, id, serve, &s);
	return s.served;
}

/* A condemned pack with the only copy of something that is reached. */
static void
find_needed(void *ctx, const struct id *id, const struct index_copy *copy)
{
	struct collection *c = ctx;

	if (is_condemned(c, copy->number) &&
	    mark_is_live(&c->mark, copy->ordinal) && !is_served(c, id, copy))
		c->fates[copy->number] = FATE_REVIVED;
}

/* What goes now goes for good: what stays in its place is read. */
static void
prove_going(struct collection *c)
{
	for (uint32_t n = 0; n < c->mark.packs_count; n++)
		if (c->fates[n] == FATE_GOES && c->mark.packs[n].used &&
		    !twins_are_safe(c, n))
			c->fates[n] = FATE_REVIVED;
}

enum err_code
verdict_reconsider(struct collection *c, struct err *e)
{
	return index_scan(c->store, find_needed, c, e);
}

/* Condemned before: may it go by now? */
static enum fate
fate_of(struct collection *c, const struct condemned *was, uint64_t size_bytes)
{
	int64_t age_ns = c->clock_ns - was->age_ns;
	int64_t left_ns;

	if (age_ns < 0) /* the clock began again since */
		age_ns = 0;
	left_ns = c->opt->undelete_age_ns - age_ns;
	if (left_ns <= 0 && !was->waits_for_someone)
		return FATE_GOES;
	c->tally->waiting_count++;
	c->tally->waiting_bytes += size_bytes;
	if (left_ns > 0 &&
	    (c->tally->waiting_ns == 0 || left_ns < c->tally->waiting_ns))
		c->tally->waiting_ns = left_ns;
	return FATE_WAITS;
}

static enum err_code
judge_packs(struct collection *c, struct err *e)
{
	struct store *st = c->store;
	const size_t count = index_packs_count(st);
	struct collect_tally *t = c->tally;
	enum err_code rc;

	c->fates = calloc(count + 1, sizeof(*c->fates));
	c->unused = calloc(count + 1, sizeof(*c->unused));
	if (c->fates == NULL || c->unused == NULL)
		return err_nomem(e);
	for (uint32_t n = 0; n < count; n++)
		if (collect_condemned(c, &index_pack(st, n)->name) != NULL)
			c->fates[n] = FATE_WAITS;
	rc = index_scan(st, find_needed, c, e);
	if (rc != ERR_NONE)
		return rc;
	for (uint32_t n = 0; n < count; n++) {
		const struct index_pack *ip = index_pack(st, n);

		t->packs_count++;
		t->packs_bytes += ip->size_bytes;
		if (c->fates[n] == FATE_WAITS) {
			c->fates[n] = fate_of(c,
			    collect_condemned(c, &ip->name), ip->size_bytes);
		} else if (c->fates[n] != FATE_REVIVED &&
		    !c->mark.packs[n].used)
			c->fates[n] = FATE_CONDEMNED;
	}
	prove_going(c);
	rc = twins_condemn(c, e);
	for (uint32_t n = 0; n < count; n++)
		if (c->fates[n] == FATE_REVIVED) {
			t->revived_count++;
			t->revived_bytes += index_pack(st, n)->size_bytes;
		}
	return rc;
}

/* --- what no list names ----------------------------------------------------------- */

static enum err_code
add_stray(struct collection *c, size_t *room, int dir_fd, const char *name,
    enum condemn_what what, struct err *e)
{
	struct stray *s, stray = {.what = what};
	const struct condemned *was;
	struct stat sb;

	if (!id_parse(name, &stray.name) ||
	    fstatat(dir_fd, name, &sb, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(sb.st_mode))
		return ERR_NONE; /* not ours: check tells of it */
	if (c->strays_count == *room) {
		*room = *room == 0 ? 64 : *room * 2;
		s = reallocarray(c->strays, *room, sizeof(*s));
		if (s == NULL)
			return err_nomem(e);
		c->strays = s;
	}
	stray.size_bytes = (uint64_t)sb.st_size;
	was = collect_condemned(c, &stray.name);
	stray.fate = was == NULL || was->what != what
	    ? FATE_CONDEMNED
	    : fate_of(c, was, stray.size_bytes);
	c->strays[c->strays_count++] = stray;
	return ERR_NONE;
}

static enum err_code
stray_packs(struct collection *c, size_t *room, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names dirs = {0};
	struct store *st = c->store;
	enum err_code rc = repo_list(&dirs, st->packs_fd, e);

	for (size_t i = 0; rc == ERR_NONE && i < dirs.count; i++) {
		OWNED(repo_names_fini) struct repo_names names = {0};
		OWNED(fdio_close) int fd = -1;

		if (strlen(dirs.names[i]) != 2)
			continue;
		rc = repo_open_dir(&fd, st->packs_fd, dirs.names[i], e);
		if (rc == ERR_NONE)
			rc = repo_list(&names, fd, e);
		for (size_t k = 0; rc == ERR_NONE && k < names.count; k++) {
			struct id id;

			if (id_parse(names.names[k], &id) &&
			    index_pack_number(st, &id) == index_packs_count(st))
				rc = add_stray(c, room, fd, names.names[k],
				    CONDEMN_PACK, e);
		}
	}
	return rc;
}

static bool
is_listed(const struct manifest *m, const struct id *segment)
{
	for (size_t i = 0; i < m->segments_count; i++)
		if (id_equal(&m->segments[i].name, segment))
			return true;
	return false;
}

static enum err_code
stray_segments(struct collection *c, size_t *room, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names names = {0};
	OWNED(manifest_fini) struct manifest m = {0};
	struct store *st = c->store;
	enum err_code rc = repo_list(&names, st->index_fd, e);

	/* The list is read after the names: what became live is in it. */
	if (rc == ERR_NONE)
		rc = manifest_read(&m, st, e);
	for (size_t i = 0; rc == ERR_NONE && i < names.count; i++) {
		struct id id;

		if (id_parse(names.names[i], &id) && !is_listed(&m, &id))
			rc = add_stray(c, room, st->index_fd, names.names[i],
			    CONDEMN_SEGMENT, e);
	}
	return rc;
}

static bool
is_here(const struct collection *c, const struct condemned *was)
{
	if (was->what == CONDEMN_PACK &&
	    index_pack_number(c->store, &was->name) <
		index_packs_count(c->store))
		return true;
	for (size_t i = 0; i < c->strays_count; i++)
		if (id_equal(&c->strays[i].name, &was->name))
			return true;
	return false;
}

static enum err_code
find_stale(struct collection *c, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < c->condemned.count; i++)
		if (!is_here(c, &c->condemned.all[i]))
			rc = collect_add_id(&c->stale,
			    &c->condemned.all[i].name, e);
	return rc;
}

enum err_code
verdict_run(struct collection *c, struct err *e)
{
	size_t room = 0;
	enum err_code rc = judge_packs(c, e);

	if (rc == ERR_NONE)
		rc = stray_packs(c, &room, e);
	if (rc == ERR_NONE)
		rc = stray_segments(c, &room, e);
	return rc == ERR_NONE ? find_stale(c, e) : rc;
}

/* --- bases ------------------------------------------------------------------------- */

struct sparing {
	struct collection *c;
	uint8_t depth; /* of the frame whose base it is */
	bool stays;    /* a copy does that serves */
	bool spared;   /* something was */
};

static void
find_staying(void *ctx, const struct index_copy *copy)
{
	struct sparing *s = ctx;

	s->stays |= copy->depth < s->depth &&
	    s->c->fates[copy->number] != FATE_GOES &&
	    s->c->fates[copy->number] != FATE_DAMAGED &&
	    index_pack_present(s->c->store, copy->number);
}

static void
spare_copy(void *ctx, const struct index_copy *copy)
{
	struct sparing *s = ctx;
	enum fate *fate = &s->c->fates[copy->number];

	if (copy->depth >= s->depth || *fate != FATE_GOES)
		return;
	*fate = FATE_WAITS;
	s->c->tally->waiting_count++;
	s->c->tally->waiting_bytes +=
	    index_pack(s->c->store, copy->number)->size_bytes;
	s->spared = true;
}

static enum err_code
spare_base(void *ctx, const struct id *base, uint8_t depth, struct err *e)
{
	struct sparing *s = ctx;

	(void)e;
	s->depth = depth;
	s->stays = false;
	index_each(s->c->store, base, find_staying, s);
	if (!s->stays)
		index_each(s->c->store, base, spare_copy, s);
	return ERR_NONE;
}

/*
 * Of packs in which something is reached the mark has reached the bases; those
 * of the others that stay are looked at here.
 */
enum err_code
verdict_spare_bases(struct collection *c, struct err *e)
{
	struct sparing s = {.c = c, .spared = true};
	const size_t count = c->mark.packs_count;
	enum err_code rc = ERR_NONE;

	while (s.spared) {
		s.spared = false;
		for (uint32_t n = 0; rc == ERR_NONE && n < count; n++)
			if (c->fates[n] != FATE_GOES &&
			    c->mark.packs[n].deltas &&
			    !c->mark.packs[n].expanded &&
			    index_pack_present(c->store, n))
				rc = mark_bases(c->store, n, spare_base, &s, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return index_was_readable(c->store, e);
}
