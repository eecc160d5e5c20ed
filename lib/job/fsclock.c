#include "fsclock.h"

#include <bascule/base/now.h>

static struct fsclock_of *
find(const struct fsclock *fc, uint64_t dev)
{
	for (unsigned i = 0; i < fc->count; i++)
		if (fc->of[i].dev == dev)
			return (struct fsclock_of *)&fc->of[i];
	return NULL;
}

void
fsclock_see(struct fsclock *fc, const struct source_item *item)
{
	struct fsclock_of *of = find(fc, item->dev);

	if (of == NULL) {
		if (fc->count == FSCLOCK_MAX)
			return;
		of = &fc->of[fc->count++];
		*of = (struct fsclock_of){item->dev, source_is_remote(item),
		    FSCLOCK_UNKNOWN};
	}
	if (item->ctime_s > of->seen_s)
		of->seen_s = item->ctime_s;
}

int64_t
fsclock_now_s(const struct fsclock *fc, const struct source_item *item)
{
	const struct fsclock_of *of = find(fc, item->dev);
	int64_t theirs_s = source_clock_s(item);

	if (theirs_s != SOURCE_CLOCK_OURS)
		return theirs_s; /* the source knows better */
	if (of == NULL)
		return FSCLOCK_UNKNOWN;
	return of->remote ? of->seen_s : now_utc().ns / NS_PER_S;
}
