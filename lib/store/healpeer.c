#include <string.h>

#include <bascule/base/fdio.h>

#include "index.h"
#include "parts.h"

/* A repository that is open here, as one that another is healed from. */

static enum err_code
not_here(struct err *e)
{
	return err_set(e, ERR_NOTFOUND, "it is not there either");
}

static enum err_code
find(void *ctx, const struct id *id, bool is_chunk, unsigned nth,
    struct pack_info *out, struct err *e)
{
	struct store *st = ctx;
	const struct index_pack *ip;
	size_t number = index_packs_count(st);
	struct index_copy c;

	if (!is_chunk)
		number = index_pack_number(st, id);
	for (unsigned i = 0; is_chunk && number == index_packs_count(st) &&
	     index_find(st, id, i, &c);
	     i++)
		if (index_pack_present(st, c.number) && nth-- == 0)
			number = c.number;
	if (number >= index_packs_count(st) ||
	    !index_pack_present(st, (uint32_t)number))
		return not_here(e);
	ip = index_pack(st, (uint32_t)number);
	*out = (struct pack_info){ip->name, ip->size_bytes, ip->metadata};
	return ERR_NONE;
}

static enum err_code
read_pack(void *ctx, const struct pack_info *pack, uint64_t offset_bytes,
    void *bytes, size_t len_bytes, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = store_open_pack(ctx, &pack->name, &fd, e);

	return rc == ERR_NONE
	    ? fdio_pread(fd, bytes, len_bytes, offset_bytes, e)
	    : rc;
}

static enum err_code
file(void *ctx, enum healpeer_file what, const char *service,
    const struct id *id, struct buf *out, struct err *e)
{
	if (!repo_name_is_valid(service))
		return err_set(e, ERR_INPUT, "not a service's name");
	return what == HEALPEER_SNAPSHOT
	    ? store_snapshot_bytes(ctx, service, id, out, e)
	    : store_point_bytes(ctx, service, id, out, e);
}

void
healpeer_of_store(struct healpeer *out, struct store *st)
{
	*out = (struct healpeer){.name = st->path,
	    .find = find,
	    .read = read_pack,
	    .file = file,
	    .ctx = st};
}
