#ifndef LIB_SOURCE_SOURCE_IMPL_H
#define LIB_SOURCE_SOURCE_IMPL_H

/*
 * What every kind of source gives to source.c.  A source and its files begin
 * with these, so that one pointer serves.
 */

#include <bascule/source.h>

struct source_ops {
	enum err_code (
	    *next)(struct source *src, struct source_item *item, struct err *e);
	enum err_code (*open)(struct source_item *item,
	    struct source_file **out, struct arc_warn warn, struct err *e);
	bool (*is_remote)(const struct source_item *item);  /* NULL: no */
	int64_t (*clock_s)(const struct source_item *item); /* NULL: ours */
	enum err_code (*notes)(struct source *src, struct buf *out,
	    struct err *e);                        /* NULL: none */
	void (*release)(struct source_item *item); /* its dir */
	void (*free)(struct source *src);
};

struct source {
	const struct source_ops *ops;
};

struct source_file_ops {
	enum err_code (*read)(struct source_file *file, void *bytes,
	    size_t size_bytes, struct source_run *run, struct err *e);
	enum err_code (*finish)(struct source_file *file, struct err *e);
	void (*close)(struct source_file *file); /* and free */
};

struct source_file {
	const struct source_file_ops *ops;
	uint64_t content_bytes;
};

#endif
