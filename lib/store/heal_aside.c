#include <stdio.h>

#include "heal.h"
#include "index.h"
#include "pack.h"

/*
 * A pack from elsewhere is a claim that its hash does not prove: a page in it
 * may name what nobody ever had, and then no collection can tell what is needed
 * (G1).  Somebody has to decide; this shows what it costs, and does it only
 * where it costs nothing.
 */

static void
on_missing(void *ctx, const char *object, const char *what)
{
	struct heal *h = ctx;

	h->tally->lost_count++;
	if (h->opt->on_damage != NULL)
		h->opt->on_damage(h->opt->ctx, object, what);
}

/* As if it were not here: is all that is named by anything still there? */
static enum err_code
look_without(struct heal *h, uint32_t number, struct err *e)
{
	struct check_options opt = {.depth = CHECK_NAMES,
	    .on_damage = on_missing,
	    .ctx = h};
	struct check_tally tally = {0};
	struct checking ck = {.store = h->store, .opt = &opt, .tally = &tally};

	index_hide(h->store, number);
	return closure_check(&ck, e);
}

static enum err_code
refuse(const struct heal *h, const char *object, struct err *e)
{
	err_set(e, ERR_REFUSED,
	    "without %s something that is named would be missing in '%s'",
	    object, h->store->path);
	return err_hint(e,
	    "bascule heal --set-aside with --dry-run names it: forget these "
	    "snapshots first, or bring what they lack");
}

/* Under the lock, unless nothing is changed. */
static enum err_code
decide(struct heal *h, const char *object, uint32_t number, struct err *e)
{
	const bool foreign = index_pack(h->store, number)->foreign;
	enum err_code rc = look_without(h, number, e);

	if (rc != ERR_NONE)
		return rc;
	heal_found(h, object, "%s; without it %s is missing",
	    foreign ? "came from elsewhere" : "was written here",
	    h->tally->lost_count == 0 ? "nothing" : "what was just named");
	if (h->opt->dry_run)
		return ERR_NONE;
	if (h->tally->lost_count > 0)
		return refuse(h, object, e);
	rc = heal_pack_out(h, h->opt->aside, e);
	if (rc == ERR_NONE)
		heal_done(h, object, "set aside: it is in bad/");
	return rc;
}

enum err_code
heal_aside(struct heal *h, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	const size_t number = index_pack_number(h->store, h->opt->aside);
	char path[PACK_PATH_BYTES], object[8 + PACK_PATH_BYTES];
	enum err_code rc = ERR_NONE;

	snprintf(object, sizeof(object), "packs/%s",
	    pack_path(h->opt->aside, path));
	if (number == index_packs_count(h->store))
		return err_set(e, ERR_NOTFOUND, "the index lists no %s",
		    object);
	if (!h->opt->dry_run) {
		rc = heal_lock(h, e);
		if (rc == ERR_NONE)
			held = h->store;
	}
	return rc == ERR_NONE ? decide(h, object, (uint32_t)number, e) : rc;
}
