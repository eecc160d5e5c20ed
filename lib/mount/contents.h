#ifndef LIB_MOUNT_CONTENTS_H
#define LIB_MOUNT_CONTENTS_H

/*
 * Parts of files.  However many are open, what is known of some few is kept;
 * of any other it is read again.
 */

#include "numbered.h"

#define CONTENTS_KEPT 8

struct contents_file {
	uint64_t number; /* 0: not in use */
	uint64_t used;   /* when: the least goes first */
	struct item item;
	/* Where in a sparse file the last read began: extent, bytes before. */
	size_t extent;
	uint64_t before_bytes;
};

struct contents {
	struct numbered *tree; /* borrowed */
	struct reader *reader;
	struct contents_file kept[CONTENTS_KEPT];
	uint64_t clock;
};

enum err_code contents_init(struct contents *c, struct numbered *tree,
    struct err *e) MUST_CHECK;
void contents_fini(struct contents *c);

/* ERR_INPUT: it is no file.  Borrowed until the next call. */
enum err_code contents_find(struct contents *c, uint64_t number,
    struct contents_file **out, struct err *e) MUST_CHECK;

/*
 * The bytes of the range into to, less at the end of the file: *got of them.
 */
enum err_code contents_read(struct contents *c, struct contents_file *f,
    const struct content_range *range, uint8_t *to, size_t *got,
    struct err *e) MUST_CHECK;

/* Where from there on the next data, or the next hole, begins. */
uint64_t contents_data_from(const struct contents_file *f, uint64_t from);
uint64_t contents_hole_from(const struct contents_file *f, uint64_t from);

#endif
