#include <bascule/source.h>

#include <string.h>

#include "source_impl.h"

enum err_code
source_next(struct source *src, struct source_item *item, struct err *e)
{
	if (item->dir != NULL)
		item->source->ops->release(item);
	return src->ops->next(src, item, e);
}

void
source_item_fini(struct source_item *item)
{
	if (item->dir != NULL)
		item->source->ops->release(item);
	entry_fini(&item->entry);
	memset(item, 0, sizeof(*item));
}

enum err_code
source_open(struct source_item *item, struct source_file **out,
    struct arc_warn warn, struct err *e)
{
	*out = NULL;
	ASSERT(item->kind == SOURCE_ENTRY && item->source != NULL);
	return item->source->ops->open(item, out, warn, e);
}

bool
source_is_remote(const struct source_item *item)
{
	const struct source_ops *ops = item->source->ops;

	return ops->is_remote != NULL && ops->is_remote(item);
}

int64_t
source_clock_s(const struct source_item *item)
{
	const struct source_ops *ops = item->source->ops;

	return ops->clock_s == NULL ? SOURCE_CLOCK_OURS : ops->clock_s(item);
}

enum err_code
source_notes(struct source *src, struct buf *out, struct err *e)
{
	return src->ops->notes == NULL ? ERR_NONE
				       : src->ops->notes(src, out, e);
}

enum err_code
source_read(struct source_file *file, void *bytes, size_t size_bytes,
    struct source_run *run, struct err *e)
{
	*run = (struct source_run){0};
	return file->ops->read(file, bytes, size_bytes, run, e);
}

enum err_code
source_finish(struct source_file **file, struct err *e)
{
	struct source_file *f = TAKE(*file);
	enum err_code rc = f->ops->finish(f, e);

	f->ops->close(f);
	return rc;
}

void
source_close(struct source_file **file)
{
	struct source_file *f = TAKE(*file);

	if (f != NULL)
		f->ops->close(f);
}

uint64_t
source_content_bytes(const struct source_file *file)
{
	return file->content_bytes;
}

void
source_free(struct source **src)
{
	struct source *s = TAKE(*src);

	if (s != NULL)
		s->ops->free(s);
}
