#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "grants.h"
#include "heal.h"
#include "index.h"
#include "kept.h"
#include "losses.h"
#include "pin.h"

/* Packs that were found damaged, or are not there. */
struct found {
	struct heal *heal;
	struct id *packs;
	size_t count, room;
	bool no_memory;
};

static void
found_fini(struct found *f)
{
	free(f->packs);
}

static void
note_pack(void *ctx, const struct id *name)
{
	struct found *f = ctx;

	if (f->count == f->room) {
		size_t room = f->room * 2 + 16;
		struct id *more = reallocarray(f->packs, room, sizeof(*more));

		f->no_memory |= more == NULL;
		if (more == NULL)
			return;
		f->packs = more;
		f->room = room;
	}
	f->packs[f->count++] = *name;
}

static void
on_damage(void *ctx, const char *object, const char *what)
{
	heal_found(ctx, object, "%s", what);
}

/* What is still wrong when all is done was told of before. */
static void
on_left(void *ctx, const char *object, const char *what)
{
	struct heal *h = ctx;

	(void)object;
	(void)what;
	h->tally->lost_count++;
}

static bool
on_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
	const struct heal_options *opt = ((struct heal *)ctx)->opt;

	return opt->on_progress == NULL ||
	    opt->on_progress(opt->ctx, done_bytes, total_bytes);
}

static enum err_code
look(struct heal *h, enum check_depth depth, store_damage_fn *told,
    struct found *f, struct err *e)
{
	struct check_options opt = {.depth = depth,
	    .on_damage = told,
	    .on_progress = on_progress,
	    .ctx = h};
	struct check_tally tally;
	struct checking ck = {.store = h->store,
	    .opt = &opt,
	    .tally = &tally,
	    .on_pack = f == NULL ? NULL : note_pack,
	    .on_pack_ctx = f};
	enum err_code rc = checking_run(&ck, e);

	h->tally->read_bytes += tally.read_bytes;
	return rc;
}

/* Those the index lists and that are not there at their size. */
static void
note_absent(struct found *f)
{
	struct store *st = f->heal->store;
	size_t count = f->count;

	for (uint32_t i = 0; i < index_packs_count(st); i++) {
		const struct id *name = &index_pack(st, i)->name;
		bool noted = index_pack_present(st, i);

		for (size_t k = 0; k < count && !noted; k++)
			noted = id_equal(&f->packs[k], name);
		if (!noted)
			note_pack(f, name);
	}
}

static enum err_code
heal_packs(struct heal *h, struct err *e)
{
	OWNED(found_fini) struct found f = {.heal = h};
	const uint64_t before = h->tally->found_count;
	enum err_code rc = look(h, CHECK_READ, on_damage, &f, e);

	if (rc != ERR_NONE)
		return rc;
	note_absent(&f);
	if (f.no_memory)
		return err_nomem(e);
	for (size_t i = 0; rc == ERR_NONE && i < f.count; i++) {
		bool healed;

		rc = heal_fetch_pack(h, &f.packs[i], &healed, e);
		if (rc == ERR_NONE && !healed)
			rc = heal_pack(h, &f.packs[i], e);
	}
	if (rc == ERR_NONE)
		rc = heal_bases(h, e);
	if (rc == ERR_NONE && h->tally->found_count > before)
		rc = heal_records(h, e);
	/* Also what an earlier healing, without the other copy, gave up. */
	if (rc == ERR_NONE)
		rc = heal_fetch_missing(h, e);
	if (rc == ERR_NONE)
		rc = grants_heal(h, e);
	if (rc == ERR_NONE)
		rc = pin_heal(h, e);
	return rc;
}

static enum err_code
heal_all(struct heal *h, struct err *e)
{
	struct store *st = h->store;
	enum err_code rc = repo_make_dir(&h->bad_fd, st->dir_fd, "bad", e);

	if (rc == ERR_NONE)
		rc = session_open_bare(&h->session, st, e);
	if (rc == ERR_NONE && h->opt->aside != NULL)
		return heal_aside(h, e);
	if (rc == ERR_NONE)
		rc = heal_format(h, e);
	if (rc == ERR_NONE)
		rc = kept_heal(h, e);
	if (rc == ERR_NONE)
		rc = heal_index(h, e);
	if (rc == ERR_NONE)
		rc = heal_refresh(h, e);
	if (rc == ERR_NONE)
		rc = heal_packs(h, e);
	/* What it comes to: is anything that is named still missing? */
	if (rc == ERR_NONE && h->tally->found_count > 0)
		rc = look(h, CHECK_NAMES, on_left, NULL, e);
	return rc == ERR_NONE
	    ? losses_note(st, h->session, h->tally->lost_count > 0, e)
	    : rc;
}

/* As it would be. */
static enum err_code
pretend(struct heal *h, struct err *e)
{
	enum err_code rc;

	if (h->opt->aside != NULL)
		return heal_aside(h, e);
	rc = look(h, CHECK_READ, on_damage, NULL, e);
	h->tally->lost_count = h->tally->found_count;
	return rc;
}

static void
heal_fini(struct heal *h)
{
	session_close(&h->session);
	fdio_close(&h->bad_fd);
}

enum err_code
store_heal(struct store *st, const struct heal_options *opt,
    struct heal_tally *out, struct err *e)
{
	OWNED(heal_fini)
	struct heal h = {.store = st, .opt = opt, .tally = out, .bad_fd = -1};
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (!opt->dry_run && st->access != STORE_HEAL)
		return err_set(e, ERR_INPUT, "'%s' was not opened for healing",
		    st->path);
	rc = opt->dry_run ? pretend(&h, e) : heal_all(&h, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "healing '%s'", st->path);
}
