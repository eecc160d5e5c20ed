#include "holdfile.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "snapfind.h"

void
hold_list_fini(struct hold_list *list)
{
	free(list->holds);
	memset(list, 0, sizeof(*list));
}

enum err_code
hold_load(struct hold *out, struct store *st, int dir_fd, const struct id *id,
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc =
	    snapfind_bytes(&b, dir_fd, id, HOLDFILE_BYTES_MAX, e);

	if (rc == ERR_NONE)
		rc = holdfile_decode(out, st->family, b.bytes, b.len_bytes, e);
	out->id = *id;
	return rc;
}

enum err_code
hold_list(struct hold_list *out, struct store *st, struct err *e)
{
	OWNED(hold_list_fini) struct hold_list list = {0};
	OWNED(repo_names_fini) struct repo_names names = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_list_in(&names, &fd, st, "holds", e);

	memset(out, 0, sizeof(*out));
	if (rc != ERR_NONE)
		return rc;
	list.holds = calloc(names.count + 1, sizeof(*list.holds));
	if (list.holds == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < names.count; i++) {
		struct id id;

		if (id_parse(names.names[i], &id))
			rc = hold_load(&list.holds[list.count], st, fd, &id, e);
		else
			rc = err_set(e, ERR_CORRUPT, "is not a hold's name");
		if (rc == ERR_NOTFOUND)
			continue; /* released while we looked */
		if (rc != ERR_NONE)
			return err_wrap(e, "'%s/holds/%.64s'", st->path,
			    names.names[i]);
		list.count++;
	}
	*out = list;
	memset(&list, 0, sizeof(list));
	return ERR_NONE;
}

/* Inside the lock: what is held must be there, and what is it? */
static enum err_code
find_roots(struct store *st, struct hold *h, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_dir(&fd, st->snapshots_fd, h->service, e);

	for (size_t i = 0; rc == ERR_NONE && i < h->snapshots_count; i++) {
		OWNED(snapshot_fini) struct snapshot s = {0};
		char hex[ID_HEX_BYTES];

		rc = snapfind_load(&s, st, fd, &h->snapshots[i], SNAPFIND_CLEAR,
		    e);
		if (rc != ERR_NONE)
			return err_wrap(e, "snapshot %.12s of %s",
			    id_hex(&h->snapshots[i], hex), h->service);
		h->roots[i] = s.root;
	}
	return rc;
}

static enum err_code
place(struct session *se, struct hold *h, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(buf_fini) struct buf b = {.max_bytes = HOLDFILE_BYTES_MAX};
	OWNED(fdio_close) int fd = -1;
	struct repo_file f = {.what = "holds"};
	enum err_code rc;

	if ((rc = repo_lock(se->store, e)) != ERR_NONE)
		return rc;
	held = se->store;
	h->placed = now_utc();
	if ((rc = find_roots(held, h, e)) != ERR_NONE ||
	    (rc = holdfile_encode(&b, held, h, e)) != ERR_NONE ||
	    (rc = repo_make_dir(&fd, held->dir_fd, "holds", e)) != ERR_NONE)
		return rc;
	f.dirfd = fd;
	f.bytes = b.bytes;
	f.len_bytes = b.len_bytes;
	return repo_publish_hashed(se, &f, &h->id, e);
}

enum err_code
hold_place(struct store *st, struct hold *h, struct err *e)
{
	OWNED(session_close) struct session *se = NULL;
	enum err_code rc;

	if (st->access != STORE_WRITE)
		return err_set(e, ERR_INPUT, "'%s' was opened for reading only",
		    st->path);
	if (!repo_name_is_valid(h->service) || h->snapshots_count == 0 ||
	    h->snapshots_count > HOLD_SNAPSHOTS_MAX || h->why < HOLD_CURSOR ||
	    h->why > HOLD_SUSPECT)
		return err_set(e, ERR_INPUT, "not a hold");
	rc = session_open_bare(&se, st, e);
	return rc == ERR_NONE ? place(se, h, e) : rc;
}

/* Whose file is gone is released, also when that is not yet on the disk. */
enum err_code
hold_release(struct store *st, const struct id *id, struct err *e)
{
	if (st->access != STORE_WRITE)
		return err_set(e, ERR_INPUT, "'%s' was opened for reading only",
		    st->path);
	return repo_unlink(st, "holds", id, "release hold", e);
}

static bool
is_same(const struct hold *a, const struct hold *b)
{
	for (size_t i = 0; i < a->snapshots_count; i++) {
		bool has = false;

		for (size_t k = 0; k < b->snapshots_count; k++)
			has |= id_equal(&a->snapshots[i], &b->snapshots[k]);
		if (!has)
			return false;
	}
	return a->snapshots_count == b->snapshots_count;
}

static bool
is_place(const struct hold *a, const struct hold *b)
{
	return a->why == b->why && strcmp(a->service, b->service) == 0 &&
	    strcmp(a->label, b->label) == 0;
}

enum err_code
hold_move(struct store *st, struct hold *h, struct err *e)
{
	OWNED(hold_list_fini) struct hold_list list = {0};
	bool placed = false;
	enum err_code rc = hold_list(&list, st, e);

	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++)
		if (is_place(&list.holds[i], h) && is_same(&list.holds[i], h)) {
			*h = list.holds[i];
			placed = true;
		}
	if (rc == ERR_NONE && !placed)
		rc = hold_place(st, h, e);
	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++) {
		if (!is_place(&list.holds[i], h) ||
		    id_equal(&list.holds[i].id, &h->id))
			continue;
		rc = hold_release(st, &list.holds[i].id, e);
		if (rc == ERR_NOTFOUND)
			rc = ERR_NONE;
	}
	return rc;
}
