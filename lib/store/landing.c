#include "landing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "index.h"

/* Up to so many packs are flushed one by one, more by one syncfs. */
#define FSYNC_PACKS_MAX 8
#define PACK_DIRS       256

void
landing_init(struct landing *l, struct session *se)
{
	memset(l, 0, sizeof(*l));
	l->session = se;
	l->records.max_bytes = SIZE_MAX / 4;
}

/* One that is arriving is left for the next session, unless it is no good. */
static void
forget_pack(struct landing *l, struct pack_done *pd, bool no_good)
{
	if (pd->incoming && no_good)
		incoming_drop(l->incoming, pd);
	else if (!pd->incoming && pd->temporary[0] != '\0')
		unlinkat(l->session->store->tmp_fd, pd->temporary, 0);
	fdio_close(&pd->fd);
}

static void
forget(struct landing *l, bool no_good)
{
	for (size_t i = 0; i < l->packs_count; i++)
		forget_pack(l, &l->packs[i], no_good);
	l->packs_count = 0;
	buf_clear(&l->records);
}

void
landing_fini(struct landing *l)
{
	if (l->session != NULL)
		forget(l, false);
	free(l->packs);
	buf_fini(&l->records);
	memset(l, 0, sizeof(*l));
}

enum err_code
landing_add(struct landing *l, struct pack_done *done, struct err *e)
{
	if (l->packs_count == l->packs_room) {
		size_t room = l->packs_room == 0 ? 16 : l->packs_room * 2;
		struct pack_done *packs =
		    reallocarray(l->packs, room, sizeof(*packs));

		if (packs == NULL) {
			forget_pack(l, done, false);
			return err_nomem(e);
		}
		l->packs = packs;
		l->packs_room = room;
	}
	l->packs[l->packs_count++] = *done;
	done->fd = -1;
	/* More than a few go by syncfs and need no descriptors. */
	if (l->packs_count > FSYNC_PACKS_MAX)
		for (size_t i = 0; i < l->packs_count; i++)
			if (!l->packs[i].incoming)
				fdio_close(&l->packs[i].fd);
	return ERR_NONE;
}

/*
 * tmp_fd was opened before the first write, so syncfs on it reports every
 * failed write-back since.  A failure is never asked about a second time: the
 * kernel would say yes.
 */
static enum err_code
flush_temporaries(struct landing *l, struct err *e)
{
	struct store *st = l->session->store;
	char hex[ID_HEX_BYTES];

	if (l->packs_count > FSYNC_PACKS_MAX) {
		if (syncfs(st->tmp_fd) != 0)
			return err_sys(e,
			    "cannot flush the file system of '%s'", st->path);
		return ERR_NONE;
	}
	for (size_t i = 0; i < l->packs_count; i++)
		if (fsync(l->packs[i].fd) != 0)
			return err_sys(e, "cannot flush '%s/%s/%s'", st->path,
			    l->packs[i].incoming ? "incoming" : "tmp",
			    l->packs[i].incoming
				? id_hex(&l->packs[i].name, hex)
				: l->packs[i].temporary);
	return ERR_NONE;
}

/*
 * A file that already has the name is the same or damaged: ours was hashed,
 * so it may take its place.
 */
static enum err_code
publish_pack(struct store *st, int dirfd, struct pack_done *pd, struct err *e)
{
	char hex[ID_HEX_BYTES];

	id_hex(&pd->name, hex);
	if (repo_rename_new(st->tmp_fd, pd->temporary, dirfd, hex) != 0 &&
	    (errno != EEXIST ||
		renameat(st->tmp_fd, pd->temporary, dirfd, hex) != 0))
		return err_sys(e, "cannot publish '%s/packs/%.2s/%s'", st->path,
		    hex, hex);
	pd->temporary[0] = '\0';
	return ERR_NONE;
}

/* All packs of one directory packs/ab, then the directory. */
static enum err_code
publish_dir(struct landing *l, unsigned first_byte, struct err *e)
{
	struct store *st = l->session->store;
	OWNED(fdio_close) int dirfd = -1;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; i < l->packs_count && rc == ERR_NONE; i++) {
		char name[3];

		if (l->packs[i].name.bytes[0] != first_byte)
			continue;
		snprintf(name, sizeof(name), "%02x", first_byte);
		if (dirfd == -1)
			rc = repo_open_dir(&dirfd, st->packs_fd, name, e);
		if (rc == ERR_NOTFOUND)
			rc = repo_make_dir(&dirfd, st->packs_fd, name, e);
		if (rc != ERR_NONE)
			break;
		rc = l->packs[i].incoming
		    ? incoming_publish(l->incoming, &l->packs[i], dirfd, e)
		    : publish_pack(st, dirfd, &l->packs[i], e);
	}
	if (rc == ERR_NONE && dirfd != -1 && fsync(dirfd) != 0)
		rc = err_sys(e, "cannot flush '%s/packs/%02x'", st->path,
		    first_byte);
	return rc;
}

static enum err_code
commit_records(struct landing *l, struct err *e)
{
	OWNED(free_mem)
	struct segment_pack *packs = calloc(l->packs_count, sizeof(*packs));
	struct segment_parts parts = {.packs = packs,
	    .packs_count = l->packs_count,
	    .records = l->records.bytes,
	    .records_count = l->records.len_bytes / SEGMENT_RECORD_BYTES};

	if (packs == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < l->packs_count; i++)
		packs[i] = (struct segment_pack){.name = l->packs[i].name,
		    .size_bytes = l->packs[i].size_bytes,
		    .flags = (l->packs[i].metadata ? SEGMENT_METADATA : 0) |
			(l->foreign ? SEGMENT_FOREIGN : 0)};
	return index_commit(l->session, &parts, e);
}

enum err_code
landing_flush(struct landing *l, struct err *e)
{
	enum err_code rc;
	bool flushed;

	if (l->packs_count == 0)
		return ERR_NONE;
	rc = flush_temporaries(l, e);
	flushed = rc == ERR_NONE;
	for (unsigned b = 0; b < PACK_DIRS && rc == ERR_NONE; b++)
		rc = publish_dir(l, b, e);
	if (rc == ERR_NONE)
		rc = commit_records(l, e);
	forget(l, !flushed);
	return rc;
}
