#include "sftp_target.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/base/text.h>

#define AHEAD_COUNT 16 /* listings under way at once */

static enum err_code
keep(struct sftp_target_list *l, const struct id *id, uint64_t size_bytes,
    struct err *e)
{
	if (l->count == l->room) {
		size_t room = l->room * 2 + 64;
		struct sftp_target_there *more =
		    reallocarray(l->files, room, sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		l->files = more;
		l->room = room;
	}
	l->files[l->count++] = (struct sftp_target_there){*id, size_bytes};
	return ERR_NONE;
}

static int
compare(const void *a, const void *b)
{
	const struct sftp_target_there *x = a, *y = b;

	return id_compare(&x->id, &y->id);
}

void
sftp_target_list_sort(struct sftp_target_list *l)
{
	if (l->count > 0)
		qsort(l->files, l->count, sizeof(*l->files), compare);
}

void
sftp_target_list_fini(struct sftp_target_list *l)
{
	free(l->files);
	memset(l, 0, sizeof(*l));
}

const struct sftp_target_there *
sftp_target_list_find(const struct sftp_target_list *l, const struct id *id)
{
	struct sftp_target_there key = {.id = *id};

	return l->count == 0
	    ? NULL
	    : bsearch(&key, l->files, l->count, sizeof(key), compare);
}

/* What is no regular file of a hash's name is none of ours, and no matter. */
static enum err_code
take_all(struct sshdir *dir, struct sftp_target_list *out, struct err *e)
{
	struct sshdirent entry;
	bool more;
	struct id id;

	for (;;) {
		if (sshdir_next(dir, &entry, &more, e) != ERR_NONE)
			return e->code;
		if (!more)
			return ERR_NONE;
		if (entry.attr.has_mode && S_ISREG(entry.attr.mode) &&
		    entry.attr.has_size && id_parse(entry.name, &id) &&
		    keep(out, &id, entry.attr.size_bytes, e) != ERR_NONE)
			return e->code;
	}
}

static enum err_code
begin(struct sftp_target *t, struct sshdir **dir, const char *name,
    struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};

	if (sftp_target_file_path(t, &path, name, e) != ERR_NONE)
		return e->code;
	return sshdir_begin(dir, t->sftp, buf_text(&path), e);
}

enum err_code
sftp_target_list_dir(struct sftp_target *t, const char *name,
    struct sftp_target_list *out, struct err *e)
{
	OWNED(sshdir_close) struct sshdir *dir = NULL;

	if (begin(t, &dir, name, e) != ERR_NONE)
		return e->code;
	return take_all(dir, out, e);
}

static enum err_code
pack_dirs(struct sftp_target *t, struct err *e)
{
	OWNED(sshdir_close) struct sshdir *dir = NULL;
	struct sshdirent entry;
	bool more = true;

	if (begin(t, &dir, "packs", e) != ERR_NONE)
		return e->code;
	while (more) {
		uint8_t byte;

		if (sshdir_next(dir, &entry, &more, e) != ERR_NONE)
			return e->code;
		if (more && entry.name_bytes == 2 && entry.attr.has_mode &&
		    S_ISDIR(entry.attr.mode) &&
		    text_unhex(entry.name, &byte, 1))
			t->pack_dirs[byte] = 1;
	}
	return ERR_NONE;
}

static enum err_code
begin_nth(struct sftp_target *t, struct sshdir **dir, unsigned nth,
    struct err *e)
{
	char name[16];

	if (nth >= 256 || t->pack_dirs[nth] == 0)
		return ERR_NONE;
	snprintf(name, sizeof(name), "packs/%02x", nth);
	return begin(t, dir, name, e);
}

enum err_code
sftp_target_list_packs(struct sftp_target *t, struct err *e)
{
	struct sshdir *ahead[AHEAD_COUNT] = {0};
	enum err_code rc = pack_dirs(t, e);

	for (unsigned i = 0; i < AHEAD_COUNT && rc == ERR_NONE; i++)
		rc = begin_nth(t, &ahead[i], i, e);
	for (unsigned i = 0; i < 256 && rc == ERR_NONE; i++) {
		struct sshdir **dir = &ahead[i % AHEAD_COUNT];

		if (*dir != NULL)
			rc = take_all(*dir, &t->packs, e);
		sshdir_close(dir);
		if (rc == ERR_NONE)
			rc = begin_nth(t, dir, i + AHEAD_COUNT, e);
	}
	for (unsigned i = 0; i < AHEAD_COUNT; i++)
		sshdir_close(&ahead[i]);
	sftp_target_list_sort(&t->packs);
	return rc;
}
