#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/base/fdio.h>

#include "closure.h"
#include "closure_open.h"
#include "holdfile.h"
#include "pointfind.h"
#include "snapfind.h"

#define NAMED_MAX 5 /* of what one snapshot lacks */

struct round {
	struct checking *ck;
	bool *used; /* packs, by number */
	size_t packs_count;
	struct closure all; /* over all snapshots */
	bool any_broken;
	struct closure_open *opened; /* NULL above CHECK_OPEN */
	/* of the snapshot that is looked at */
	const char *object;
	size_t named_count;
};

static void
round_fini(struct round *r)
{
	free(r->used);
	closure_fini(&r->all);
	closure_open_free(&r->opened);
}

/* --- what snapshots reach ------------------------------------------------- */

static enum err_code
round_found(void *ctx, const struct index_copy *copy,
    const struct index_copy *base_of, struct err *e)
{
	struct round *r = ctx;

	(void)base_of;
	(void)e;
	r->used[copy->number] = true;
	return ERR_NONE;
}

/* The first time round it is only noted that something is not right. */
static enum err_code
round_broken(void *ctx, const struct id *id, const struct id *parent,
    struct err *why)
{
	struct round *r = ctx;

	(void)id;
	(void)parent;
	(void)why;
	r->any_broken = true;
	return ERR_NONE;
}

/* Then each snapshot that lacks something says what. */
static enum err_code
name_broken(void *ctx, const struct id *id, const struct id *parent,
    struct err *why)
{
	struct round *r = ctx;
	char hex[ID_HEX_BYTES], parent_hex[ID_HEX_BYTES];

	if (++r->named_count > NAMED_MAX)
		return ERR_NONE;
	checking_damage(r->ck, r->object, "%.16s%s%.16s %s", id_hex(id, hex),
	    parent == NULL ? "" : ", named by ",
	    parent == NULL ? "" : id_hex(parent, parent_hex), why->text);
	return ERR_NONE;
}

static enum err_code
name_lacks(struct round *r, const struct id *root, struct err *e)
{
	OWNED(closure_fini)
	struct closure c = {.store = r->ck->store,
	    .broken = name_broken,
	    .ctx = r};
	enum err_code rc;

	r->named_count = 0;
	rc = closure_walk(&c, root, e);
	if (rc == ERR_NONE && r->named_count > NAMED_MAX)
		checking_damage(r->ck, r->object, "and %zu more are missing",
		    r->named_count - NAMED_MAX);
	return rc;
}

/* --- snapshots ------------------------------------------------------------ */

static bool
is_damage(enum err_code rc)
{
	return rc == ERR_CORRUPT || rc == ERR_INPUT || rc == ERR_IO;
}

/* Damaged files were told of by the first pass; the second steps over them. */
enum pass { PASS_FIRST, PASS_NAMES };

struct visiting {
	struct round *round;
	enum pass pass;
};

static enum err_code
snapshot_visit(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	struct visiting *v = ctx;
	struct round *r = v->round;
	enum err_code rc =
	    snapfind_load(&s, r->ck->store, dir_fd, id, SNAPFIND_DETAILS, e);

	r->object = object;
	if (checking_progress(r->ck, 0, e) != ERR_NONE)
		return e->code;
	if (rc == ERR_NOTFOUND) /* it went while we looked */
		return ERR_NONE;
	if (rc == ERR_NONE && strcmp(s.service, service) != 0)
		rc = err_set(e, ERR_CORRUPT, "is a snapshot of service '%s'",
		    s.service);
	if (is_damage(rc)) {
		if (v->pass == PASS_FIRST)
			checking_damage(r->ck, object, "%s", e->text);
		return ERR_NONE;
	}
	if (rc != ERR_NONE)
		return err_wrap(e, "%s", object);
	if (v->pass == PASS_NAMES)
		return name_lacks(r, &s.root, e);
	r->ck->tally->snapshots_count++;
	rc = closure_walk(&r->all, &s.root, e);
	if (rc == ERR_NONE && r->opened != NULL)
		rc = closure_open_root(r->opened, &s.root, object, e);
	return rc;
}

static void
name_damage(void *ctx, const char *object, const char *what)
{
	checking_damage(ctx, object, "%s", what);
}

static enum err_code
snapshots_visit(struct round *r, enum pass pass, struct err *e)
{
	struct visiting v = {r, pass};
	struct snapfind_each each = {.store = r->ck->store,
	    .top_fd = r->ck->store->snapshots_fd,
	    .top = "snapshots",
	    .on_damage = pass == PASS_FIRST ? name_damage : NULL,
	    .ctx = r->ck,
	    .fn = snapshot_visit,
	    .fn_ctx = &v};

	return snapfind_each(&each, e);
}

/* --- points --------------------------------------------------------------- */

static enum err_code
point_visit(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	struct checking *ck = ctx;
	struct point p;
	enum err_code rc = pointfind_load(&p, ck->store, dir_fd, id, e);

	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	if (rc == ERR_NONE && strcmp(p.service, service) != 0)
		rc = err_set(e, ERR_CORRUPT, "is a point of service '%s'",
		    p.service);
	if (rc == ERR_NONE) {
		rc = pointfind_complete(ck->store, &p, e);
		if (rc == ERR_NOTFOUND)
			rc = ERR_CORRUPT;
	}
	if (rc != ERR_NONE && !is_damage(rc))
		return err_wrap(e, "%s", object);
	if (rc != ERR_NONE)
		checking_damage(ck, object, "%s", e->text);
	return ERR_NONE;
}

static enum err_code
points_visit(struct checking *ck, struct err *e)
{
	struct snapfind_each each = {.store = ck->store,
	    .top_fd = ck->store->points_fd,
	    .top = "points",
	    .on_damage = name_damage,
	    .ctx = ck,
	    .fn = point_visit,
	    .fn_ctx = ck};

	return snapfind_each(&each, e);
}

/* --- holds ---------------------------------------------------------------- */

/* The snapshot itself is gone: only what it named is still kept. */
static enum err_code
name_absent(struct round *r, const struct hold *h, const struct id *snapshot,
    struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	char hex[ID_HEX_BYTES];
	struct stat sb;
	enum err_code rc =
	    repo_open_dir(&fd, r->ck->store->snapshots_fd, h->service, e);

	if (rc != ERR_NONE && rc != ERR_NOTFOUND)
		return rc;
	if (rc == ERR_NOTFOUND ||
	    fstatat(fd, id_hex(snapshot, hex), &sb, AT_SYMLINK_NOFOLLOW) != 0)
		checking_damage(r->ck, r->object,
		    "holds snapshot %.12s of %s, which is not here",
		    id_hex(snapshot, hex), h->service);
	return ERR_NONE;
}

static enum err_code
hold_visit(struct round *r, int dir_fd, const char *name, enum pass pass,
    struct err *e)
{
	struct hold h;
	struct id id;
	enum err_code rc = id_parse(name, &id)
	    ? hold_load(&h, r->ck->store, dir_fd, &id, e)
	    : err_set(e, ERR_CORRUPT, "is not a hold's name");

	if (rc == ERR_NOTFOUND) /* released while we looked */
		return ERR_NONE;
	if (is_damage(rc)) {
		/* Healing leaves it: what it held only people know. */
		if (pass == PASS_FIRST)
			checking_damage(r->ck, r->object,
			    "%s: nothing is forgotten or collected before it "
			    "was removed",
			    e->text);
		return ERR_NONE;
	}
	for (size_t i = 0; rc == ERR_NONE && i < h.snapshots_count; i++) {
		if (pass == PASS_NAMES) {
			rc = name_lacks(r, &h.roots[i], e);
			continue;
		}
		rc = name_absent(r, &h, &h.snapshots[i], e);
		if (rc == ERR_NONE)
			rc = closure_walk(&r->all, &h.roots[i], e);
	}
	return rc;
}

static enum err_code
holds_visit(struct round *r, enum pass pass, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names names = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_dir(&fd, r->ck->store->dir_fd, "holds", e);

	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	if (rc == ERR_NONE)
		rc = repo_list(&names, fd, e);
	for (size_t i = 0; rc == ERR_NONE && i < names.count; i++) {
		char object[96];

		snprintf(object, sizeof(object), "holds/%.80s", names.names[i]);
		r->object = object;
		rc = hold_visit(r, fd, names.names[i], pass, e);
	}
	r->object = NULL;
	return rc;
}

/* --- all of it ------------------------------------------------------------ */

static enum err_code
round_init(struct round *r, struct checking *ck, struct err *e)
{
	const struct keyring *k = ck->store->keyring;

	r->ck = ck;
	r->packs_count = index_packs_count(ck->store);
	r->used = calloc(r->packs_count + 1, sizeof *r->used);
	if (r->used == NULL)
		return err_nomem(e);
	r->all.store = ck->store;
	r->all.found = round_found;
	r->all.broken = round_broken;
	r->all.ctx = r;
	if (ck->opt->depth == CHECK_OPEN && k != NULL && keyring_can_read(k) &&
	    !checking_is_bounded(ck->opt))
		return closure_open_new(&r->opened, ck, e);
	return ERR_NONE;
}

enum err_code
closure_check(struct checking *ck, struct err *e)
{
	OWNED(round_fini) struct round r = {0};
	enum err_code rc;

	if ((rc = round_init(&r, ck, e)) != ERR_NONE ||
	    (rc = snapshots_visit(&r, PASS_FIRST, e)) != ERR_NONE ||
	    (rc = holds_visit(&r, PASS_FIRST, e)) != ERR_NONE ||
	    (rc = points_visit(ck, e)) != ERR_NONE)
		return rc;
	if (r.any_broken &&
	    ((rc = snapshots_visit(&r, PASS_NAMES, e)) != ERR_NONE ||
		(rc = holds_visit(&r, PASS_NAMES, e)) != ERR_NONE))
		return rc;
	for (uint32_t i = 0; i < r.packs_count; i++)
		if (!r.used[i] && index_pack_present(ck->store, i))
			ck->tally->unreferenced_packs_count++;
	return ERR_NONE;
}
